"""Absences as rows and in full, on their screen and as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from console.presentation.columns import Column, table
from console.presentation.confirm import Confirmation, named
from console.presentation.items import when
from console.presentation.line import Cell, Line, Role, Slot, Span, cells, folded, line, span, titles
from console.presentation.sides import told
from console.presentation.wording import Look, instant
from engine.words import _, ngettext

if TYPE_CHECKING:
    from engine.service.models import AbsenceView, ItemView

ROLES: dict[str, Role] = {
    "held": "bad", "by_hand": "warn", "theirs": "info", "waiting": "dim", "due": "info", "delivered": "good",
}  # fmt: skip

_STATES: dict[str, str] = {
    "held": _("held"),
    "by_hand": _("by hand"),
    "theirs": _("the ERP's"),
    "waiting": _("waiting"),
    "due": _("due"),
    "delivered": _("delivered"),
}


def state(view: AbsenceView) -> str:
    """Where it is, in a word."""
    if view.state == "by_hand" and view.ticked_by:
        return _("reported")
    return _STATES[view.state]


def slots(several: bool) -> tuple[Slot, ...]:
    """The columns of the list; `several`: of more than one connection."""
    return (
        Slot(_("where"), 9),
        Slot(_("who"), 18, 2),
        Slot(_("what"), 16, 1),
        Slot(_("sheet"), 16, 2, 1),
        Slot(_("when"), 16),
        *([Slot(_("connection"), 10, 0, 2)] if several else []),
        Slot(_("why"), 16, 3, 3),
    )


def row(view: AbsenceView, now: datetime, width: int, look: Look, several: bool) -> Line:
    """An absence as a row of its screen."""
    role: Role = "good" if view.ticked_by else ROLES[view.state]
    content = [
        Cell.of(state(view), role),
        Cell.of(who(view), "strong"),
        Cell.of(view.words),
        Cell.of(view.about),
        Cell.of(when(view.start, now, look) if view.start is not None else ""),
        *([Cell.of(view.connection, "dim")] if several else []),
        Cell.of("" if view.state == "delivered" else view.summary),
    ]
    return cells(slots(several), content, width)


def heading(width: int, several: bool) -> Line:
    return titles(slots(several), width)


def who(view: AbsenceView) -> str:
    """Whom a row is about: a person, or everybody on a sheet."""
    if view.kind:
        return view.label or view.person or view.erp_id
    return ngettext("{n} person", "{n} people", view.people).format(n=view.people)


def summary(views: Sequence[AbsenceView], filtered: bool, marks: int, most: int) -> Line:
    """How many of what; `most`: how many were asked for at most."""
    counted = Counter(state(view) for view in views)
    parts: list[Span] = []
    for name, n in counted.items():
        parts += (span(f"{n} ", "strong"), span(f"{name}  "))
    if len(views) >= most:
        parts.append(span(_("the first {n}: filter for others").format(n=most), "warn"))
    if filtered:
        parts.append(span(_(" match the filter"), "info"))
    if marks:
        parts.append(span(_(", {n} marked").format(n=marks), "mark"))
    return line(*parts) if parts else line(span(_("none"), "strong"))


def detail(
    view: AbsenceView, now: datetime, width: int, look: Look, keys: Sequence[tuple[str, str]] = ()
) -> tuple[Line, ...]:
    """An absence in full. `keys` are those that work on it, with their words."""
    lines: list[Line] = [line(span(who(view), "title"), span(f"  {view.id}  {view.connection}", "dim"))]
    lines += folded(line(span(f"{state(view)}: ", ROLES[view.state]), span(view.summary)), width)
    if keys:
        lines.append(tuple(piece for key, words in keys for piece in (span(key, "key"), span(f" {words}   "))))
    ticked = ""
    if view.ticked_by and view.ticked_at is not None:
        ticked = f"{view.ticked_by}, {instant(view.ticked_at, look)}{_found(view)}"
    lines += told(
        [
            (_("sheet"), _place(view, look)),
            (_("Edusign"), ", ".join(part for part in (view.words, view.reason) if part)),
            (_("ERP"), view.erp),
            (_("reported"), ticked),
            (_("delivered"), f"{instant(view.at, look)} {view.run_id}" if view.at is not None else ""),
            (_("session"), view.session),
            (_("hold"), view.item),
        ],
        width,
    )
    return tuple(lines)


def deciding(holds: Sequence[ItemView], choice: str) -> Confirmation:
    """What approving held changes of an export means, or leaving them out."""
    changes = [change for hold in holds for change in hold.changes]
    if choice == "approve":
        title = ngettext("Approve {n} change?", "Approve {n} changes?", len(changes))
        what = _("They go to the ERP at the next export; what its people changed there stays as it is.")
    else:
        title = ngettext("Leave {n} change out?", "Leave {n} changes out?", len(changes))
        what = _("Nothing of them goes to the ERP as long as they stay the same.")
    return title.format(n=len(changes)), (
        *(line(span(f"{hold.id}  ", "dim"), span(hold.summary)) for hold in holds[:3]),
        *named([change.label for change in changes]),
        line(span(what, "dim")),
    )


def _found(view: AbsenceView) -> str:
    if view.found is None:
        return ""
    return _(", found in the ERP") if view.found else _(", but the ERP does not show it")


def _place(view: AbsenceView, look: Look) -> str:
    at = "" if view.start is None else instant(view.start, look)
    until = "" if view.end is None else f"-{view.end.astimezone(look.zone):%H:%M}"
    return f"{view.about} {at}{until}".strip()


def absences(views: Sequence[AbsenceView], look: Look) -> str:
    """What `rollcall absences` prints."""
    if not views:
        return _("No absence yet: rollcall run CONNECTION export reads the locked sheets.") + "\n"
    several = len({view.connection for view in views}) > 1
    columns = (
        Column(_("id")),
        Column(_("where")),
        Column(_("connection"), least=8, most=24),
        Column(_("who"), least=12, most=32),
        Column(_("what"), least=8, most=28),
        Column(_("sheet"), least=8, most=28, drop=3),
        Column(_("when")),
        Column(_("why"), wrap=True),
        Column(_("erp"), least=8, most=20, drop=2),
        Column(_("reported by"), least=8, most=32, drop=1),
    )
    rows = [
        (
            view.id,
            state(view),
            view.connection if several else "",
            who(view),
            ", ".join(part for part in (view.words, view.reason) if part),
            view.about,
            instant(view.start, look),
            "" if view.state == "delivered" else view.summary,
            view.erp,
            f"{view.ticked_by} {instant(view.ticked_at, look)}{_found(view)}" if view.ticked_by else "",
        )
        for view in views
    ]
    return table(columns, rows, look.width)
