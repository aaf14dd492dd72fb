"""ERP, base and Edusign side by side: a table where there is room, one under the other where there is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from console.presentation.columns import display_width
from console.presentation.diff import as_text, two
from console.presentation.line import Line, Role, Span, filled, fitted, folded, line, span
from engine.printable import printable
from engine.words import _

NO_BASE = object()
"""Such a field has no base to show, or it is not known yet."""


@dataclass(frozen=True)
class Sides:
    """One field: what the ERP says, what was last agreed, what Edusign says. `note` says what that means."""

    field: str
    erp: Any
    base: Any
    edusign: Any
    note: str = ""


def sides(field: Sides, width: int) -> tuple[Line, ...]:
    """One field with its three values, the differing characters of ERP and Edusign marked."""
    edusign, erp = two(field.edusign, field.erp)
    rows: list[tuple[str, Line]] = [(_("ERP"), erp)]
    if field.base is not NO_BASE:
        rows.append((_("base"), line(span(as_text(field.base) or _("(never agreed)"), "dim"))))
    rows.append((_("Edusign"), edusign))
    head = line(span(field.field, "strong"), *([span(f"  {field.note}", "warn")] if field.note else []))
    lines = list(folded(head, width))
    for label, content in rows:
        lines += labelled(label, content, width)
    return tuple(lines)


BESIDE = 60
"""Columns from which on the three values stand beside each other."""


def beside(fields: Sequence[Sides], width: int) -> tuple[Line, ...]:
    """Fields as a table, a row each: ERP, base, Edusign; one under the other where there is no room."""
    if width < BESIDE or not fields:
        return tuple(one for field in fields for one in sides(field, width))
    name = min(max(display_width(field.field) for field in fields), 14)
    column = (width - name - 6) // 3
    heads = (line(span(text, "dim")) for text in (_("ERP"), _("base"), _("Edusign")))
    lines = [_across((), tuple(heads), name, column)]
    for field in fields:
        edusign, erp = two(field.edusign, field.erp)
        base: Line = ()
        if field.base is not NO_BASE:
            base = line(span(as_text(field.base) or _("(never agreed)"), "dim"))
        stacks = [folded(one, column) for one in (erp, base, edusign)]
        label = fitted(line(span(field.field, "strong")), name)
        for n in range(max(len(stack) for stack in stacks)):
            parts = tuple(stack[n] if n < len(stack) else () for stack in stacks)
            lines.append(_across(label if n == 0 else (), parts, name, column))
        if field.note:
            lines += labelled("", line(span(field.note, "warn")), width)
    return tuple(lines)


def _across(label: Line, parts: Sequence[Line], name: int, column: int) -> Line:
    spans: list[Span] = list(filled(label, name))
    for part in parts:
        spans += (Span("  "), *filled(part, column))
    return tuple(spans)


LABEL = 10


def labelled(label: str, content: Line, width: int, role: Role = "dim") -> tuple[Line, ...]:
    """`label  content`, its further lines under the content."""
    lines = folded(content, max(width - LABEL, 10))
    label = printable(label)
    return tuple(
        (Span(f"{label:<{LABEL}}"[:LABEL] if n == 0 else " " * LABEL, role), *one)
        for n, one in enumerate(lines)
    )


def told(pairs: Sequence[tuple[str, object]], width: int) -> tuple[Line, ...]:
    """`label  text` for each pair that has one."""
    return tuple(
        part
        for label, text in pairs
        if text not in ("", None)
        for part in labelled(label, line(span(text)), width)
    )
