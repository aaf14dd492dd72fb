"""ERP, base and Edusign side by side: a table where there is room, one under the other where there is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from console.presentation.diff import as_text, two
from console.presentation.line import Line, Role, Span, folded, line, span
from engine.words import _

NO_BASE = object()
"""Such a field has no base, or it is not known yet."""


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


LABEL = 10


def labelled(label: str, content: Line, width: int, role: Role = "dim") -> tuple[Line, ...]:
    """`label  content`, its further lines under the content."""
    lines = folded(content, max(width - LABEL, 10))
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
