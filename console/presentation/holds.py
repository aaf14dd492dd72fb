"""Holds by their cause: how many changes each stops, whom it concerns, what approving it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from console.presentation.changes import VERBS, approving, as_many_as_fit, cause, doing, spoils, what
from console.presentation.items import bites
from console.presentation.line import Cell, Line, Slot, cells, folded, line, span, titles
from console.presentation.sides import told
from console.presentation.signs import Signs
from console.presentation.wording import Look, counts
from engine.words import _, ngettext

if TYPE_CHECKING:
    from engine.service.models import ChangeRow, ItemView

FIRST = 5
"""Changes of a hold that are named beside it."""


@dataclass(frozen=True)
class Group:
    """A hold with the first of its changes; `count`: how many it has."""

    item: ItemView
    count: int
    first: tuple[ChangeRow, ...] = ()


def slots(several: bool) -> tuple[Slot, ...]:
    return (
        Slot(_("bites"), 16),
        Slot(_("held"), 18, 1),
        Slot(_("cause"), 20, 2),
        Slot(_("first ones"), 10, 4),
        *([Slot(_("connection"), 10, 0, 1)] if several else []),
        Slot(_("people"), 6, 0, 2, True),
    )


def heading(width: int, several: bool) -> Line:
    return titles(slots(several), width)


def row(group: Group, now: datetime, width: int, look: Look, several: bool) -> Line:
    """A hold as a row: its cause, how many of what, whom it concerns first."""
    item = group.item
    first = ", ".join(one.change.label or one.change.erp_id for one in group.first)
    content = [
        bites(item.bites_at, now, look),
        Cell.of(_held(group), "warn"),
        Cell.of(cause(item.code), "strong"),
        Cell.of(first),
        *([Cell.of(item.connection, "dim")] if several else []),
        Cell.of(item.people or "", "dim"),
    ]
    return cells(slots(several), content, width)


def _doings(item: ItemView) -> dict[str, int]:
    """How many of a hold's changes do what; of one kind of record, what they do to it."""
    verbs: dict[str, int] = item.data.get("verbs") or {}
    return {doing(verb, item.kind) if item.kind else verb: n for verb, n in verbs.items()}


def _held(group: Group) -> str:
    """How many changes of what."""
    doings = list(_doings(group.item))
    what = doings[0] if len(doings) == 1 else group.item.kind or _("changes")
    return f"{group.count:,} {what}"


def detail(group: Group, now: datetime, width: int, look: Look, signs: Signs) -> tuple[Line, ...]:
    """A hold in full: why, how many of what, the first ones, what approving does."""
    item = group.item
    lines: list[Line] = [
        line(span(f"{item.id}  {item.label}", "title"), span(f"  {item.connection}", "dim")),
        *folded(line(span(f"{signs.held} {item.summary}", "warn")), width),
    ]
    facts = [
        (_("decided"), item.data.get("decided")),
        (_("held"), counts(_doings(item))),
        (_("fields"), counts(item.data.get("fields") or {})),
        (_("bites"), spoils(item.bites_at, item.people, now, look)),
    ]
    lines += told(facts, width)
    lines += folded(line(span(approving(item.code), "dim")), width)
    for one in group.first:
        change = one.change
        lines.append(
            line(
                span(f"{doing(change.verb, change.kind)} ", VERBS.get(change.verb, "")),
                span(f"{change.label or change.erp_id}  ", "strong"),
                *what(change, now, look, signs, before=True),
            )
        )
    if (more := group.count - len(group.first)) > 0:
        lines.append(line(span(ngettext("and {n} more: enter shows it", "and {n} more: enter shows them", more)
                               .format(n=more), "dim")))  # fmt: skip
    return tuple(lines)


def summary(groups: Sequence[Group], filtered: bool, marks: int, width: int) -> Line:
    """How many holds, and how many changes they stop."""
    stopped = sum(one.count for one in groups)
    head = ngettext("{n} hold", "{n} holds", len(groups)).format(n=len(groups))
    parts = [
        line(span(head, "strong"), span(_(" found by the filter") if filtered else "", "info")),
        line(span(ngettext("{n} change waits", "{n} changes wait", stopped).format(n=f"{stopped:,}"), "warn")),
    ]
    if marks:
        parts.append(line(span(_("{n} marked").format(n=marks), "mark")))
    parts.append(line(span(_("enter shows its changes, h all changes"), "dim")))
    return as_many_as_fit(parts, width)
