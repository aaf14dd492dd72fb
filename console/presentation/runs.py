"""Runs as rows and in full: how each ended, what it wrote, what went wrong, and how far one under way is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from console.presentation.line import (
    Cell,
    Line,
    Role,
    Slot,
    Span,
    apart,
    cells,
    folded,
    joined,
    line,
    span,
    titles,
)
from console.presentation.progress import Pace, progress_parts
from console.presentation.sides import labelled, told
from console.presentation.signs import Signs
from console.presentation.wording import Look, counts, duration, instant_to_second, moment
from engine.words import _, ngettext

if TYPE_CHECKING:
    from engine.service.models import RunView

STATES: dict[str, Role] = {
    "running": "info",
    "done": "good",
    "incomplete": "warn",
    "failed": "bad",
    "cancelled": "warn",
}


def _sign(state: str, signs: Signs) -> str:
    if state == "running":
        return signs.running
    return {"done": signs.good, "failed": signs.bad}.get(state, signs.warn)


def slots(several: bool) -> tuple[Slot, ...]:
    """`several`: whether there is more than one connection."""
    return (
        Slot(_("began"), 12),
        Slot(_("state"), 12),
        Slot(_("trigger"), 8, 0, 3),
        *([Slot(_("connection"), 10, 0, 1)] if several else []),
        Slot(_("by"), 9, 0, 4),
        Slot(_("written"), 26, 1),
        Slot(_("faults"), 6, 0, 2, True),
        Slot(_("requests"), 8, 0, 5, True),
        Slot(_("took"), 6, 0, 0, True),
    )


def heading(width: int, several: bool) -> Line:
    return titles(slots(several), width)


def row(
    view: RunView, now: datetime, width: int, signs: Signs, look: Look, several: bool, pace: Pace | None = None
) -> Line:
    """A run as a row; of one under way how far it is, instead of what it wrote."""
    role = STATES.get(view.state, "")
    running = view.state == "running"
    requests = sum(view.requests.values())
    content = [
        Cell.of(moment(view.started, now, look), "" if running else "dim"),
        Cell.of(f"{_sign(view.state, signs)} {view.state}", role),
        Cell.of(view.trigger, "dim"),
        *([Cell.of(view.connection, "dim")] if several else []),
        Cell.of(view.actor, "dim"),
        _progress_cell(view, now, pace) if running else _written_cell(view),
        Cell.of(len(view.faults) or "", "bad"),
        Cell.of(requests or "", "dim"),
        Cell.of(duration((view.ended or now) - view.started), "dim"),
    ]
    return cells(slots(several), content, width)


def _written_cell(view: RunView) -> Cell:
    if written := counts(view.changes):
        return Cell.of(written, "strong")
    return Cell.of(_("nothing written") if view.trigger == "plan" else _("no change"), "dim")


def _progress_cell(view: RunView, now: datetime, pace: Pace | None) -> Cell:
    what, *rest = progress_parts(view.progress, pace, now)
    return Cell.of(" ".join((*rest[:1], what)), "info")


def summary(views: Sequence[RunView], filtered: bool, all_of_them: bool) -> Line:
    """How many runs, by how they ended."""
    if not views:
        return line(span(_("No run matches the filter.") if filtered else _("No run yet."), "dim"))
    total = ngettext("{n} run", "{n} runs", len(views))
    if filtered:
        total = ngettext("{n} run matches the filter", "{n} runs match the filter", len(views))
    elif not all_of_them:
        total = _("the newest {n} runs")
    head = line(span(total.format(n=len(views)), "strong"))
    ended: dict[str, int] = {}
    for view in views:
        ended[view.state] = ended.get(view.state, 0) + 1
    states = [line(span(f"{n} {state}", STATES[state])) for state in STATES if (n := ended.get(state, 0))]
    return (*head, Span(": "), *joined(states, ", "))


def detail(
    view: RunView, now: datetime, width: int, signs: Signs, look: Look, pace: Pace | None = None
) -> tuple[Line, ...]:
    """A run in full: how far it is or how it ended and why, what it did, what it read and asked."""
    role = STATES.get(view.state, "")
    head = line(
        span(f"{_sign(view.state, signs)} {view.state}", role),
        span(f"  {view.flow}", "strong"),
        span(f"  {view.connection}"),
    )
    lines: list[Line] = [apart(head, line(span(_("run {id}").format(id=view.id), "dim")), width)]
    if view.state == "running":
        lines += folded(line(span(", ".join(progress_parts(view.progress, pace, now)), "info")), width)
    if view.message:
        lines += labelled(_("said"), line(span(view.message, role)), width)
    for fault in view.faults:
        lines += labelled(_("fault"), line(span(fault, "bad")), width)
    lines += told(_facts(view, now, look), width)
    return (*lines, *_accounting(view.accounting, width))


def _facts(view: RunView, now: datetime, look: Look) -> list[tuple[str, object]]:
    began = instant_to_second(view.started, look)
    took = duration((view.ended or now) - view.started)
    wrote = counts(view.changes) or (_("nothing: it was a plan") if view.trigger == "plan" else _("no change"))
    if view.state == "running" and not view.changes:
        wrote = ""
    left = {
        _("rejected"): view.rejected,
        _("held"): view.held,
        _("in conflict"): view.conflicts,
        _("skipped"): view.skipped,
    }
    return [
        (_("wrote"), wrote),
        (_("left"), counts(left)),
        (_("requests"), counts(view.requests)),
        (_("began"), f"{began}, {_('took')} {took}" if view.ended else f"{began}, {took}"),
        (_("by"), f"{view.trigger}, {view.actor}" if view.actor else view.trigger),
        (_("counts as"), view.occurrence),
        (_("read"), _observed(view.observed)),
    ]


def _observed(observed: Mapping[str, int]) -> str:
    """`erp: 2000 learner, 12 group; edusign: 1990 learner`."""
    sides: dict[str, dict[str, int]] = {}
    for name, number in observed.items():
        side, _dot, kind = name.partition(".")
        sides.setdefault(side, {})[kind] = number
    return "; ".join(f"{side}: {counts(kinds)}" for side, kinds in sides.items())


SUMS = {
    "seen": _("seen"),
    "unchanged": _("unchanged"),
    "written": _("written"),
    "rejected": _("rejected"),
    "held": _("held"),
    "conflict": _("conflict"),
    "skipped": _("skipped"),
}
"""The numbers of a run's account, with their words."""


def _accounting(accounting: Mapping[str, Mapping[str, int]], width: int) -> tuple[Line, ...]:
    """What became of every record, by kind: what was seen is the sum of the others."""
    if not any(any(numbers.values()) for numbers in accounting.values()):
        return ()
    shown = [name for name in SUMS if any(kind.get(name) for kind in accounting.values())]
    table = (
        Slot(_("kind"), 9),
        *(Slot(SUMS[name], max(len(SUMS[name]), 6), 0, 0, True) for name in shown),
    )
    lines = [titles(table, width)]
    for kind, numbers in accounting.items():
        if any(numbers.values()):
            content = [Cell.of(kind), *(_sum(name, numbers.get(name, 0)) for name in shown)]
            lines.append(cells(table, content, width))
    return tuple(lines)


_MARKED: dict[str, Role] = {"written": "strong", "rejected": "warn", "held": "bad", "conflict": "bad"}


def _sum(name: str, number: int) -> Cell:
    return Cell.of(number or "-", _MARKED.get(name, "") if number else "dim")
