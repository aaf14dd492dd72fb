"""Sheets beside their sessions: what is wrong with each, and why it may not be written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from console.presentation.dashboard import trouble
from console.presentation.items import when
from console.presentation.line import Cell, Line, Role, Slot, cells, fitted, folded, joined, line, span, titles
from console.presentation.sides import LABEL, told
from console.presentation.signs import Signs
from console.presentation.wording import Look, instant, record, time_of_day
from engine.words import _, ngettext

if TYPE_CHECKING:
    from engine.service.models import SheetTrouble, SheetView

TROUBLE: dict[SheetTrouble, str] = {
    "no_learners": _("no learners"),
    "no_speaker": _("no speaker"),
    "no_session": _("no session in the ERP"),
    "no_sheet": _("session without a sheet"),
    "other_time": _("at another time"),
    "other_room": _("in another room"),
}
"""What is wrong with a sheet, in words."""

GRAVE: dict[SheetTrouble, Role] = {
    "no_learners": "bad",
    "no_sheet": "bad",
    "no_speaker": "warn",
    "no_session": "warn",
    "other_time": "warn",
    "other_room": "info",
}
_NEXT: dict[SheetTrouble, str] = {
    "no_learners": _(
        "Nobody can sign: the ERP's session needs its learners, or its learners need their e-mail."
    ),
    "no_speaker": _("Nobody can open it: the ERP's session needs a speaker with a valid e-mail."),
    "no_session": _("Made by hand, or its session is gone: its absences are reported by hand."),
    "no_sheet": _("Made at the next run, unless it was rejected: its page says why; o tries now."),
    "other_time": _("The next run moves it, where it may still be written."),
    "other_room": _("The next run corrects it, where it may still be written."),
}
"""What becomes of a trouble, and who does something about it."""
_BY_HAND: dict[SheetTrouble, str] = {
    "no_learners": _("Nobody can sign: whoever made it adds them in Edusign."),
    "no_speaker": _("Nobody can open it: whoever made it names one in Edusign."),
}
"""The same of a sheet that has no session."""


def ordered(views: Iterable[SheetView], now: datetime, look: Look) -> tuple[SheetView, ...]:
    """Today's first, then what comes, then what is past, the latest of it first; in each by start."""
    today = now.astimezone(look.zone).date()

    def place(view: SheetView) -> tuple[int, float]:
        if view.start is None:
            return 1, float("inf")
        day, at = view.start.astimezone(look.zone).date(), view.start.timestamp()
        if day < today:
            return 2, -at
        return (0 if day == today else 1), at

    return tuple(sorted(views, key=place))


def slots(several: bool) -> tuple[Slot, ...]:
    """The columns of the list. `several`: of more than one connection."""
    return (
        Slot(_("start"), 16),
        Slot(_("sheet"), 16, 2),
        Slot(_("groups"), 10, 2, 3),
        Slot(_("room"), 6, 0, 5),
        *([Slot(_("connection"), 10, 0, 4)] if several else []),
        Slot(_("learners"), 8, 0, 1, True),
        Slot(_("signed"), 6, 0, 2, True),
        Slot(_("how it stands"), 22, 4),
    )


def heading(width: int, several: bool) -> Line:
    return titles(slots(several), width)


def row(view: SheetView, now: datetime, width: int, look: Look, signs: Signs, several: bool) -> Line:
    """A sheet as a row."""
    past: Role = "dim" if view.state == "over" else ""
    start = _("no start") if view.start is None else _start(view.start, now, look)
    content = [
        Cell.of(start, "info" if view.state == "running" else past),
        Cell.of(_name(view), past or "strong"),
        Cell.of(", ".join(view.groups), past),
        Cell.of(view.room, past),
        *([Cell.of(view.connection, "dim")] if several else []),
        Cell.of(learners(view), past),
        Cell.of(_signed(view, signs), past),
        Cell(_standing(view, look)),
    ]
    return cells(slots(several), content, width)


def _start(at: datetime, now: datetime, look: Look) -> str:
    local, today = at.astimezone(look.zone), now.astimezone(look.zone)
    return (
        _("today {time}").format(time=when(at, now, look))
        if local.date() == today.date()
        else when(at, now, look)
    )


def _name(view: SheetView) -> str:
    return view.label or record("sheet", view.erp_id, view.edusign_id)


def learners(view: SheetView) -> str:
    """How many stand on the sheet, and of how many in the session where they are not as many."""
    if not view.edusign_id or view.session_start is None or view.learners == view.expected:
        return str(view.learners)
    return f"{view.learners}/{view.expected}"


def _signed(view: SheetView, signs: Signs) -> str:
    """How many signed, and whether the speaker did."""
    return f"{view.signed or ''}{signs.good if view.speaker_signed else ''}"


def _standing(view: SheetView, look: Look) -> Line:
    """What is wrong; else why it may not be written; else where it is in its time."""
    wrong = [line(span(words, role)) for words, role in troubles(view, look)]
    if view.why_not:
        wrong.append(line(span(view.why_not, "dim")))
    return joined(wrong, ", ") or line(span(STATE[view.state], "dim"))


STATE = {"coming": _("coming"), "running": _("running now"), "over": _("over")}


def troubles(view: SheetView, look: Look) -> Iterator[tuple[str, Role]]:
    """What is wrong with a sheet, with what the ERP says instead."""
    for code in view.troubles:
        role = GRAVE.get(code, "warn")
        if code == "other_time" and view.session_start is not None:
            yield (
                _("the ERP says {when}").format(
                    when=_times(view.session_start, view.session_end, look, view.start)
                ),
                role,
            )
        elif code == "other_room":
            yield _("the ERP says room {room}").format(room=view.session_room or "-"), role
        else:
            yield TROUBLE[code], role


def _times(start: datetime, end: datetime | None, look: Look, day_of: datetime | None = None) -> str:
    """`08:30-10:30`, with its date where that is another than `day_of`'s."""
    at = time_of_day(start, look, day_of or start)
    return at if end is None else f"{at}-{time_of_day(end, look, start)}"


def summary(views: Sequence[SheetView], now: datetime, look: Look, filtered: bool) -> Line:
    """How many, how many today, and what is wrong with how many."""
    if not views:
        return line(span(_("no sheet"), "strong"), span(_(" matches the filter") if filtered else "", "info"))
    today = now.astimezone(look.zone).date()
    of_today = sum(1 for v in views if v.start is not None and v.start.astimezone(look.zone).date() == today)
    parts = [
        line(span(ngettext("{n} sheet", "{n} sheets", len(views)).format(n=len(views)), "strong"),
             span(_(" match the filter") if filtered else "", "info")),
        line(span(_("{n} today").format(n=of_today))),
    ]  # fmt: skip
    for code, role in GRAVE.items():
        if n := sum(1 for view in views if code in view.troubles):
            parts.append(line(span(trouble(code, n), role)))
    return joined(parts, ", ")


def detail(view: SheetView, now: datetime, width: int, look: Look) -> tuple[Line, ...]:
    """A sheet in full, beside its session."""
    ids = "  ".join(part for part in (record("sheet", view.erp_id, view.edusign_id), view.connection) if part)
    lines = [fitted(line(span(_name(view), "title"), span(f"  {ids}", "dim")), width)]
    lines += standing(view, width, look)
    lines += told(facts(view, now, look), width)
    return tuple(lines)


def standing(view: SheetView, width: int, look: Look) -> tuple[Line, ...]:
    """Everything wrong with it and what becomes of that, then why it may not be written."""
    lines: list[Line] = []
    for code, (words, role) in zip(view.troubles, troubles(view, look), strict=True):
        by_hand = code in _BY_HAND and view.session_start is None
        becomes = _BY_HAND[code] if by_hand else _NEXT[code]
        lines += folded(line(span(words, role), span(f"  {becomes}", "dim")), width)
    if view.why_not:
        lines += folded(line(span(_("not written: "), "warn"), span(view.why_not)), width)
    elif not view.edusign_id:
        lines += folded(line(span(_("There is no sheet in Edusign yet."), "dim")), width)
    else:
        lines += folded(line(span(_("May be written at the next run."), "dim")), width)
    return tuple(lines)


def facts(view: SheetView, now: datetime, look: Look) -> list[tuple[str, object]]:
    """Sheet and session with what each says, as labels and texts."""
    sheet = "" if not view.edusign_id or view.start is None else _period(view.start, view.end, look)
    session = "" if view.session_start is None else _period(view.session_start, view.session_end, look)
    if session and view.session_room:
        session += _(", room {room}").format(room=view.session_room)
    if sheet and view.room:
        sheet += _(", room {room}").format(room=view.room)
    roster = ngettext("{n} learner", "{n} learners", view.learners).format(n=view.learners)
    if view.session_start is not None and view.edusign_id and view.learners != view.expected:
        roster += _(", {n} in the session").format(n=view.expected)
    signed = _("nobody") if not view.signed and not view.speaker_signed else ""
    if view.signed:
        signed = ngettext("{n} learner", "{n} learners", view.signed).format(n=view.signed)
    if view.speaker_signed:
        signed = ", ".join(part for part in (signed, _("the speaker")) if part)
    pairs: list[tuple[str, object]] = [
        (_("session"), session or _("none in the ERP")),
        (_("sheet"), sheet or _("none in Edusign")),
        (_("groups"), ", ".join(view.groups) or "-"),
        (_("speakers"), ", ".join(view.speakers) or "-"),
        (_("roster"), roster),
        (_("signed"), signed if view.edusign_id else ""),
        (_("locked"), (_("yes") if view.locked else _("no")) if view.edusign_id else ""),
        (_("Edusign"), view.edusign_id),
    ]
    return [(label[: LABEL - 1], text) for label, text in pairs]


def _period(start: datetime, end: datetime | None, look: Look) -> str:
    """`2026-11-26 08:30-10:30`."""
    return instant(start, look) + ("" if end is None else f"-{time_of_day(end, look, start)}")
