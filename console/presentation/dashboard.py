"""The Dashboard: is all well, what happens next, what waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from console.presentation.items import bites, when
from console.presentation.line import (
    Cell,
    Line,
    Role,
    Slot,
    Span,
    apart,
    cells,
    fitted,
    joined,
    line,
    span,
    width_of,
)
from console.presentation.signs import Signs
from console.presentation.wording import Look, counts, things
from engine.words import _, ngettext

if TYPE_CHECKING:
    from engine.service.models import (
        ConnectionView,
        DashboardView,
        EventView,
        ItemView,
        OccurrenceView,
        TodayView,
    )

SECONDS_UNDER = timedelta(minutes=2)
"""Under this a countdown shows seconds: over a slow line each shown second is paid for."""
DAY = timedelta(hours=24)


def countdown(left: timedelta) -> str:
    """`in 3 h 05`, `in 12 min`, `in 80 s`."""
    seconds = max(0, int(left.total_seconds()))
    if left < SECONDS_UNDER:
        return _("in {n} s").format(n=seconds)
    minutes = -(-seconds // 60)
    if minutes < 60:
        return _("in {n} min").format(n=minutes)
    return _("in {hours} h {minutes:02}").format(hours=minutes // 60, minutes=minutes % 60)


def connection(view: ConnectionView, now: datetime, width: int, signs: Signs, look: Look) -> tuple[Line, Line]:
    """A connection in two lines: how it is and what comes; what waits and what requests are left."""
    sign, role, state = _state(view, signs)
    left = line(span(f"{sign} ", role), span(view.name, "strong"), f" {view.erp} ", span(state, role))
    if view.compare_only:
        left = (*left, *line(span(f" {_('compare only')}", "warn")))
    coming = _next(view, now, look)
    room = width - width_of(left) - width_of(coming) - 4
    last = next((one for one in _last(view, now, look) if width_of(one) <= room), ())
    first = apart(joined([left, last]), coming, width)
    waiting = joined([_waiting(view), *certainty(view)], ", ")
    second = apart(line("  ", *waiting), _budget(view), width)
    return first, second


def _state(view: ConnectionView, signs: Signs) -> tuple[str, Role, str]:
    if view.running is not None:
        progress = view.running.progress
        doing = progress.what if progress is not None else _("starting")
        if progress is not None and progress.total:
            doing += f" {progress.done}/{progress.total}"
        return signs.running, "info", doing
    if view.freeze is not None:
        return signs.frozen, "bad", _("FROZEN: {reason}").format(reason=view.freeze.reason or "-")
    if view.last_run is not None and view.last_run.state in ("failed", "incomplete"):
        return signs.warn, "warn", _("idle")
    return signs.good, "good", _("idle")


def _last(view: ConnectionView, now: datetime, look: Look) -> tuple[Line, ...]:
    """What the last run came to, the longest way of saying it first."""
    run = view.last_run
    if run is None:
        return (line(span(_("never run"), "dim")),)
    role: Role = "dim" if run.state == "done" else "warn"
    at = when(run.ended or run.started, now, look)
    written = counts(run.changes) or _("no change")
    said = (f"{run.flow} {run.state} {at}, {written}", f"{run.flow} {run.state} {at}", f"{run.state} {at}")
    return tuple(line(span(one, role)) for one in said)


def _next(view: ConnectionView, now: datetime, look: Look) -> Line:
    coming = [one for one in view.next if one.starts > now]
    open_now = [one for one in view.next if one.starts <= now < one.ends]
    if open_now:
        one = open_now[0]
        return line(
            span(_("{flow} window until {at}").format(flow=one.flow, at=when(one.ends, now, look)), "info")
        )
    if not coming:
        return line(span(_("no window ahead"), "warn"))
    one = coming[0]
    return line(span(f"{one.flow} {when(one.starts, now, look)} "), span(countdown(one.starts - now), "info"))


OPEN: tuple[tuple[str, Role], ...] = (
    ("conflict", "bad"),
    ("hold", "bad"),
    ("duplicate", "warn"),
    ("rejection", "warn"),
    ("task", "info"),
    ("notice", "dim"),
)


def _waiting(view: ConnectionView) -> Line:
    pending = sum(view.pending.values())
    parts = [
        line(span(ngettext("{n} change pending", "{n} changes pending", pending).format(n=pending), "strong"))
        if pending
        else line(span(_("nothing pending"), "dim"))
    ]
    parts += [line(span(things({type: n}), role)) for type, role in OPEN if (n := view.open.get(type, 0))]
    return joined(parts, ", ")


_NAMED = 2
"""Capabilities a connection's line names; of more it says how many."""


def certainty(view: ConnectionView) -> list[Line]:
    """What of this connection nobody has verified although it is on, and what is off, each as a phrase."""
    found = []
    if view.unverified:
        found.append(line(span(_("{what} unverified").format(what=_capabilities(view.unverified)), "warn")))
    if view.off:
        found.append(line(span(_("{what} off").format(what=_capabilities(view.off)), "dim")))
    return found


def _capabilities(names: Sequence[str]) -> str:
    """`absences`, `restore speakers and absences`, `4 capabilities`: writes by what they write."""
    if len(names) > _NAMED:
        return ngettext("{n} capability", "{n} capabilities", len(names)).format(n=len(names))
    return _(" and ").join(name.removeprefix("write ") for name in sorted(names))


def _budget(view: ConnectionView) -> Line:
    if view.budget_left is None:
        return ()
    role: Role = "warn" if view.budget_left < 60 else "dim"
    return line(span(_("{n} requests left").format(n=view.budget_left), role))


def timeline(
    views: Sequence[ConnectionView], now: datetime, zone: tzinfo | None, width: int, signs: Signs
) -> tuple[Line, ...]:
    """The next 24 hours: a line of hours, then per connection its windows. Each column is an equal span of
    time, so that a day of 25 hours is as long as its hours."""
    name_width = min(max((len(one.name) for one in views), default=4) + 1, 14)
    room = max(width - name_width, 24)
    step = DAY / room
    rows: list[Line] = [(Span(" " * name_width), Span(_hours(now, zone, room, step), "dim"))]
    for one in views:
        label = fitted(line(one.name), name_width - 1)
        pad = name_width - sum(len(piece.text) for piece in label)
        rows.append((*label, Span(" " * pad), *_windows(one.next, now, room, step, signs)))
    return tuple(rows)


def _hours(now: datetime, zone: tzinfo | None, room: int, step: timedelta) -> str:
    """Local hours where they fall; the hour that comes twice stands twice."""
    text = [" "] * room
    every = 3 if room < 110 else 2
    at = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    free_from = 0
    while at < now + DAY:
        local = at.astimezone(zone)
        column = int((at - now) / step)
        label = local.strftime("%H")
        if local.minute == 0 and local.hour % every == 0 and column >= free_from and column + 2 <= room:
            text[column : column + 2] = label
            free_from = column + 3
        at += timedelta(hours=1)
    return "".join(text)


def _windows(ahead: Sequence[OccurrenceView], now: datetime, room: int, step: timedelta, signs: Signs) -> Line:
    marks: list[tuple[str, Role]] = [(signs.dot, "dim")] * room
    for one in ahead:
        first = int((one.starts - now) / step)
        last = int((one.ends - now - timedelta(seconds=1)) / step)
        open_now = one.starts <= now
        sign = signs.window_open if open_now else signs.window
        role: Role = "info" if open_now else _flow_role(one)
        letter = one.flow[:1].upper()
        for column in range(max(first, 0), min(max(last, first), room - 1) + 1):
            marks[column] = (sign, role)
        if 0 <= first < room:
            marks[first] = (letter, role)
    spans: list[Span] = []
    for mark, meaning in marks:
        if spans and spans[-1].role == meaning:
            spans[-1] = Span(spans[-1].text + mark, meaning)
        else:
            spans.append(Span(mark, meaning))
    return tuple(spans)


def _flow_role(one: OccurrenceView) -> Role:
    return "bad" if one.state == "missed" else "strong"


TROUBLES: tuple[tuple[str, Role], ...] = (
    ("no_sheet", "bad"),
    ("no_learners", "bad"),
    ("no_session", "warn"),
    ("no_speaker", "warn"),
    ("other_time", "warn"),
    ("other_room", "info"),
)


def trouble(code: str, n: int) -> str:
    """`2 sheets without learners`."""
    texts = {
        "no_sheet": ngettext("{n} session without a sheet", "{n} sessions without a sheet", n),
        "no_learners": ngettext("{n} sheet without learners", "{n} sheets without learners", n),
        "no_session": ngettext("{n} sheet without a session", "{n} sheets without a session", n),
        "no_speaker": ngettext("{n} sheet without a speaker", "{n} sheets without a speaker", n),
        "other_time": ngettext("{n} at another time", "{n} at another time", n),
        "other_room": ngettext("{n} in another room", "{n} in another room", n),
    }
    return texts.get(code, code).format(n=n)


def today(views: Sequence[TodayView], width: int, signs: Signs, look: Look) -> tuple[Line, ...]:
    """A line per connection: today's sheets and what is wrong with them."""
    several = len(views) > 1
    lines = []
    for view in views:
        name = line(span(f"{view.connection}: ", "strong")) if several else ()
        if view.read_at is None:
            lines.append((*name, *line(span(_("not read yet: p plans, and reads both sides"), "dim"))))
            continue
        said = [
            line(
                ngettext("{n} sheet, {begun} begun", "{n} sheets, {begun} begun", view.sheets).format(
                    n=view.sheets, begun=view.begun
                )
            )
        ]
        said += [
            line(span(trouble(code, n), role)) for code, role in TROUBLES if (n := view.troubles.get(code, 0))
        ]
        if not view.troubles:
            said.append(line(span(f"{signs.good} {_('all as it should be')}", "good")))
        lines.append(fitted((*name, *joined(said, ", ")), width))
    return tuple(lines)


def item_slots() -> tuple[Slot, ...]:
    return (
        Slot(_("bites"), 16),
        Slot(_("what"), 9),
        Slot(_("who"), 18, 2),
        Slot(_("why"), 24, 5, 0),
        Slot(_("connection"), 10, 0, 1),
        Slot(_("people"), 6, 0, 2, True),
    )


def item(view: ItemView, now: datetime, width: int, look: Look, several: bool) -> Line:
    """An open item as a row: when it bites, what it is, whom it concerns, why."""
    slots = item_slots() if several else tuple(s for s in item_slots() if s.title != _("connection"))
    role: Role = dict(OPEN).get(view.type, "")
    content = [
        bites(view.bites_at, now, look),
        Cell.of(view.type, role),
        Cell.of(view.label or view.erp_id or view.edusign_id, "strong"),
        Cell.of(view.summary),
        *([Cell.of(view.connection, "dim")] if several else []),
        Cell.of(view.people or "", "dim"),
    ]
    return cells(slots, content, width)


LEVELS: dict[str, Role] = {
    "debug": "dim",
    "info": "",
    "notice": "info",
    "warn": "warn",
    "error": "bad",
    "alarm": "bad",
}


def event(view: EventView, width: int, look: Look) -> Line:
    """A line of the log: when, how grave, of what, what."""
    at = view.ts.astimezone(look.zone).strftime("%H:%M:%S")
    where = f"{view.connection} " if view.connection else ""
    return fitted(
        line(
            span(f"{at} ", "dim"),
            span(f"{view.level:<6} ", LEVELS.get(view.level, "")),
            span(where, "dim"),
            span(view.message),
        ),
        width,
    )


def heading(text: str, width: int, signs: Signs, right: str = "") -> Line:
    """The title of a part of the screen, with a rule to its end."""
    head = line(span(f"{text} ", "title"))
    tail = line(span(f" {right}", "dim")) if right else ()
    rule = max(width - sum(len(piece.text) for piece in (*head, *tail)), 0)
    return (*head, Span(signs.rule * rule, "dim"), *tail)


def nothing_waits(dashboard: DashboardView | None, signs: Signs) -> Line:
    if dashboard is None:
        return line(span(_("asking the engine …"), "dim"))
    if not dashboard.status.connections:
        return line(span(_("No connection is configured: see `rollcall config init`."), "warn"))
    return line(span(f"{signs.good} {_('Nothing waits for you.')}", "good"))
