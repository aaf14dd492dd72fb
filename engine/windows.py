"""Windows of local time, and their occurrences: once per local date, whatever the clocks do (R35). Pure.

A window is written as a cron start, a duration and a zone. It is expanded by local date, not by cron
instants: croniter alone would start 02:30 twice in the autumn fold. In the fold the first 02:30 counts; in
the spring gap the start moves to the first instant that exists. All instants are aware and in UTC.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from croniter import croniter
from pydantic import BeforeValidator, field_validator, model_validator

from engine.records import Frozen
from engine.words import _

Flow: TypeAlias = Literal["import", "export"]
FLOWS: tuple[Flow, ...] = ("export", "import")
"""In the order in which they get to run: the export comes first in the request budget (R35)."""

LOOK_BACK = timedelta(days=400)
"""How far `due` looks for occurrences nobody recorded; guards against a clock set years ahead."""

_LONGEST = timedelta(hours=24)
_SEARCHED_DAYS = (4, 16, 64, 400, 3000)  # 3000 days reach over a leap day left out (2096 to 2104)
_UNITS = {
    "s": "seconds", "sec": "seconds", "second": "seconds", "seconds": "seconds",
    "m": "minutes", "min": "minutes", "minute": "minutes", "minutes": "minutes",
    "h": "hours", "hour": "hours", "hours": "hours",
    "d": "days", "day": "days", "days": "days",
    "w": "weeks", "week": "weeks", "weeks": "weeks",
}  # fmt: skip


def parse_duration(text: object) -> timedelta:
    """A duration as a person writes it: `7 days`, `2h`, `90 minutes`, `1 h 30 min`.

    Raises ValueError for anything else; a bare number too, since nobody knows its unit.
    """
    if isinstance(text, timedelta):
        return text
    example = _('a duration with its unit, such as "2 hours" or "7 days"')
    if not isinstance(text, str):
        raise ValueError(example)
    parts = re.findall(r"(\d{1,6})\s*([a-zA-Z]+)", text)
    rest = re.sub(r"\d{1,6}\s*[a-zA-Z]+", "", text, flags=re.ASCII)
    if not parts or rest.strip(" ,"):
        raise ValueError(example)
    total = timedelta()
    for amount, unit in parts:
        if unit.lower() not in _UNITS:
            raise ValueError(example)
        total += timedelta(**{_UNITS[unit.lower()]: int(amount)})
    return total


def duration_text(duration: timedelta) -> str:
    """`duration` as `parse_duration` reads it, in the largest unit that divides it."""
    seconds = int(duration.total_seconds())
    for size, one, many in ((86400, "day", "days"), (3600, "hour", "hours"), (60, "minute", "minutes")):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {one if seconds == size else many}"
    return f"{seconds} seconds"


def as_tuple(given: object) -> object:
    """A list as a tuple, for fields that are checked strictly yet read from arrays."""
    return tuple(given) if isinstance(given, list) else given


Duration: TypeAlias = Annotated[timedelta, BeforeValidator(parse_duration)]


def known_zone(name: str) -> str:
    """`name` if it is an IANA zone; raises ValueError otherwise."""
    if name not in _zones():
        raise ValueError(_('an IANA zone such as "Europe/Paris"'))
    return name


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


class Blackout(Frozen):
    """Local dates, both included, on which a window does not open."""

    first: date
    last: date

    @model_validator(mode="before")
    @classmethod
    def _written(cls, given: Any) -> Any:
        if isinstance(given, date):
            return {"first": given, "last": given}
        if isinstance(given, str):
            first, slash, last = given.partition("/")
            try:
                start = date.fromisoformat(first.strip())
                return {"first": start, "last": date.fromisoformat(last.strip()) if slash else start}
            except ValueError:
                raise ValueError(_('a date "2026-12-25" or a span "2026-12-21/2027-01-03"')) from None
        return given

    @model_validator(mode="after")
    def _in_order(self) -> Blackout:
        if self.last < self.first:
            raise ValueError(_("a span whose last date is not before its first"))
        return self

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}/{self.last}"


class Window(Frozen):
    """When a flow may run: from `start` (cron of five fields, wall time in `zone`) for `duration`.

    The cron names one time of day; its date fields may be anything croniter knows (day of month *or* weekday
    where both are set). `name` identifies the window among those of its flow and stands in the keys of its
    occurrences: give one, and the start may be moved without the day counting as a new one. By default it is
    made of the cron. Raises ValueError (as pydantic's ValidationError) where a field cannot work.
    """

    flow: Flow
    start: str
    duration: Duration
    zone: str = "Europe/Paris"
    blackouts: Annotated[tuple[Blackout, ...], BeforeValidator(as_tuple)] = ()
    name: str = ""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        if isinstance(given, dict) and not given.get("name") and isinstance(given.get("start"), str):
            return {**given, "name": _default_name(given["start"])}
        return given

    @field_validator("start")
    @classmethod
    def _startable(cls, start: str) -> str:
        return _checked_cron(start)

    @field_validator("duration")
    @classmethod
    def _fits_a_day(cls, duration: timedelta) -> timedelta:
        if not timedelta(minutes=1) <= duration <= _LONGEST:
            raise ValueError(_("a duration from 1 minute to 24 hours"))
        return duration

    @field_validator("zone")
    @classmethod
    def _zoned(cls, zone: str) -> str:
        return known_zone(zone)

    @field_validator("name")
    @classmethod
    def _keyable(cls, name: str) -> str:
        if not re.fullmatch(r"[\w.,*#?+-]{1,60}", name):
            raise ValueError(_("a name of letters, digits, - and _"))
        return name

    @property
    def at(self) -> time:
        """The wall time at which it opens."""
        minute, hour = self.start.split()[:2]
        return time(int(hour), int(minute))

    def opens_on(self, day: date) -> bool:
        """Whether it opens on this local date."""
        return not any(day in blackout for blackout in self.blackouts) and _cron_day(self.start, day)


class Occurrence(Frozen):
    """A window on one local date: `opens` at the cron's instant, `starts` after its spread, `ends`. UTC."""

    connection: str
    flow: Flow
    window: str
    local_date: date
    opens: datetime
    starts: datetime
    ends: datetime

    @property
    def key(self) -> str:
        """What makes it one: "connection/flow/window/2026-10-25", never the instant."""
        return f"{self.connection}/{self.flow}/{self.window}/{self.local_date}"


class Missed(Frozen):
    """An occurrence that did not run and no longer will, and why, for a person."""

    occurrence: Occurrence
    cause: str


class Due(Frozen):
    """What to start now, at most one per flow, exports first; and what to record as missed, oldest first."""

    run: tuple[Occurrence, ...] = ()
    missed: tuple[Missed, ...] = ()


class WallTime(Frozen):
    """A wall time made an instant (R22): UTC, the first one where it is `ambiguous`, None where it does not
    exist."""

    instant: datetime | None
    ambiguous: bool
    exists: bool


def recorded_key(connection: str, row: Mapping[str, Any]) -> str:
    """The key of an occurrence as the store recorded it: `Occurrence.key` from its columns."""
    return f"{connection}/{row['flow']}/{row['window']}/{row['local_date']}"


def default_windows(zone: str) -> tuple[Window, ...]:
    """The windows of a connection that names none: imports at 11:30 for 2 h and at 18:00 for 3 h, exports at
    10:30 and 20:30 for 1 h (R35)."""
    return (
        Window(flow="import", start="30 11 * * *", duration=timedelta(hours=2), zone=zone),
        Window(flow="import", start="0 18 * * *", duration=timedelta(hours=3), zone=zone),
        Window(flow="export", start="30 10 * * *", duration=timedelta(hours=1), zone=zone),
        Window(flow="export", start="30 20 * * *", duration=timedelta(hours=1), zone=zone),
    )


def occurrences(window: Window, connection: str, first: date, last: date) -> tuple[Occurrence, ...]:
    """The occurrences of `window` on the local dates `first` to `last`, both included, in order."""
    days = ((last - first).days + 1) if last >= first else 0
    found = (_occurrence(window, connection, first + timedelta(days=n)) for n in range(days))
    return tuple(one for one in found if one is not None)


def next_occurrences(
    windows: Iterable[Window], connection: str, now: datetime, count: int
) -> tuple[Occurrence, ...]:
    """The next `count` occurrences that start after `now`, of all `windows`, by their start.

    Fewer where the windows open no more within eight years.
    """
    all_windows = tuple(windows)
    upcoming: list[Occurrence] = []
    for days in _SEARCHED_DAYS:
        until = now + timedelta(days=days)
        found = _between(all_windows, connection, now - _LONGEST, until)
        upcoming = sorted((one for one in found if one.starts > now), key=lambda one: (one.starts, one.key))
        # A start lags its opening by half a day at most: only those well inside the span are in final order.
        settled = [one for one in upcoming if one.starts <= until - _LONGEST]
        if len(settled) >= count:
            return tuple(settled[:count])
    return tuple(upcoming[:count])


def next_opening(windows: Iterable[Window], flow: Flow, after: datetime) -> datetime | None:
    """The first instant later than `after` at which a window of `flow` opens; None within eight years."""
    mine = tuple(window for window in windows if window.flow == flow)
    for days in _SEARCHED_DAYS:
        found = _between(mine, "", after, after + timedelta(days=days))
        if opens := [one.opens for one in found if one.opens > after]:
            return min(opens)
    return None


def current(
    windows: Iterable[Window], connection: str, now: datetime, flow: Flow | None = None
) -> Occurrence | None:
    """The occurrence, of `flow` if given, with `starts <= now < ends`; the last opened where they overlap."""
    mine = tuple(window for window in windows if flow in (None, window.flow))
    found = _between(mine, connection, now - _LONGEST, now)
    return max((one for one in found if one.starts <= now < one.ends), key=_by_opening, default=None)


def due(
    windows: Iterable[Window], connection: str, now: datetime, known: Collection[str], since: datetime
) -> Due:
    """What to run at `now` and what was missed, given the keys already recorded (running, done or missed).

    `since` is when these windows came into force, or any later instant before which all is recorded:
    occurrences that ended by then are nobody's. An occurrence not started in its window may start late until
    its flow's next window opens; after that it is missed. Record every key of the answer (the run's when it
    is started, in the same transaction) and ask again: no key is ever given twice, none is left out.
    """
    all_windows = tuple(windows)
    run: list[Occurrence] = []
    missed: list[Missed] = []
    floor = max(since, now - LOOK_BACK)
    for flow in FLOWS:
        mine = tuple(window for window in all_windows if window.flow == flow)
        opened = sorted(
            (one for one in _between(mine, connection, floor - _LONGEST, now) if one.ends > floor),
            key=_by_opening,
        )
        startable: Occurrence | None = None
        for one, following in _with_following(opened):
            if one.key in known:
                continue
            # Where windows overlap, the opening of the next takes nothing from one still running its time.
            if following is not None and now >= one.ends:
                missed.append(Missed(occurrence=one, cause=_overtaken(flow, following)))
            elif now >= one.starts and startable is None:
                startable = one
        if startable is not None:
            run.append(startable)
    return Due(run=tuple(run), missed=tuple(sorted(missed, key=lambda miss: _by_opening(miss.occurrence))))


def deadline(occurrence: Occurrence, windows: Iterable[Window], started: datetime) -> datetime:
    """Until when a run of `occurrence` begun at `started` may write.

    Its end; where it starts late, the opening of its flow's next window (or its own length from `started`,
    where no window opens any more).
    """
    if started < occurrence.ends:
        return occurrence.ends
    following = next_opening(windows, occurrence.flow, started)
    return following if following is not None else started + (occurrence.ends - occurrence.opens)


def in_maintenance(at: datetime) -> bool:
    """Whether Edusign may be down for maintenance at `at`: Saturdays 16:00 to 22:00 at UTC+1, all year, for
    minutes at a time (documented). Failures then are expected, not an alarm (R35)."""
    there = at.astimezone(timezone(timedelta(hours=1)))
    return there.weekday() == 5 and 16 <= there.hour < 22


def wall_time(day: date, at: time, zone: str) -> WallTime:
    """What instant the wall time `at` on `day` is in `zone` (R22). Raises ValueError for an unknown zone."""
    first, second = _both_folds(day, at, zone)
    before, after = _offset(first), _offset(second)
    if before < after:
        return WallTime(instant=None, ambiguous=False, exists=False)
    return WallTime(instant=first.astimezone(UTC), ambiguous=before > after, exists=True)


def local_span(first: date, last: date, zone: str) -> tuple[datetime, datetime]:
    """The local dates `first` to `last`, both included, as UTC instants: start included, end excluded."""
    return _first_instant(first, time(), zone), _first_instant(last + timedelta(days=1), time(), zone)


def _overtaken(flow: Flow, at: datetime) -> str:
    return _("not started before the next {flow} window opened, {at:%Y-%m-%d %H:%M} UTC").format(
        flow=flow, at=at
    )


def _by_opening(one: Occurrence) -> tuple[datetime, str]:
    return one.opens, one.key


def _with_following(opened: Sequence[Occurrence]) -> Iterator[tuple[Occurrence, datetime | None]]:
    """Each occurrence with the first opening later than its own, None for the last ones."""
    for index, one in enumerate(opened):
        yield one, next((other.opens for other in opened[index + 1 :] if other.opens > one.opens), None)


def _between(
    windows: Iterable[Window], connection: str, start: datetime, end: datetime
) -> Iterator[Occurrence]:
    """The occurrences that open from `start` to `end`, both included, in no order."""
    for window in windows:
        zone = _zone(window.zone)
        # One day more on each side: a start in a gap may belong to the local date before.
        first = start.astimezone(zone).date() - timedelta(days=1)
        last = end.astimezone(zone).date() + timedelta(days=1)
        for one in occurrences(window, connection, first, last):
            if start <= one.opens <= end:
                yield one


@lru_cache(maxsize=65536)
def _occurrence(window: Window, connection: str, day: date) -> Occurrence | None:
    if not window.opens_on(day):
        return None
    opens = _first_instant(day, window.at, window.zone)
    return Occurrence(
        connection=connection,
        flow=window.flow,
        window=window.name,
        local_date=day,
        opens=opens,
        starts=opens + _spread(window, connection),
        ends=opens + window.duration,
    )


def _spread(window: Window, connection: str) -> timedelta:
    """This connection's own delay, under half the duration, so that thousands do not start in one second."""
    digest = hashlib.sha256(f"{connection}|{window.flow}|{window.name}".encode()).digest()
    room = int(window.duration.total_seconds()) // 2
    return timedelta(seconds=int.from_bytes(digest[:8], "big") % room)


def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(known_zone(name))


def _offset(at: datetime) -> timedelta:
    return at.utcoffset() or timedelta()


def _both_folds(day: date, at: time, zone: str) -> tuple[datetime, datetime]:
    wall = datetime.combine(day, at.replace(fold=0), tzinfo=_zone(zone))
    return wall, wall.replace(fold=1)


def _first_instant(day: date, at: time, zone: str) -> datetime:
    """The first instant (UTC) at which the local clock shows `at` on `day` or, in a gap, later."""
    first, second = _both_folds(day, at, zone)
    before, after = _offset(first), _offset(second)
    if before >= after:
        return first.astimezone(UTC)
    # In a gap fold=0 reads the wall by the offset before it, fold=1 by the one after: the clocks were put
    # forward between those two instants.
    early, late = second.astimezone(UTC), first.astimezone(UTC)
    there = _zone(zone)
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=int((late - early).total_seconds()) // 2)
        if _offset(middle.astimezone(there)) >= after:
            late = middle
        else:
            early = middle
    return late


@lru_cache(maxsize=65536)
def _cron_day(cron: str, day: date) -> bool:
    date_fields = " ".join(cron.split()[2:])
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - croniter reads a local date here
    return bool(croniter.match(f"0 0 {date_fields}", midnight))


@lru_cache(maxsize=4096)
def _checked_cron(cron: str) -> str:
    """`cron` with single spaces; ValueError with advice where it is not one time of day on some date."""
    fields = cron.split()
    if len(fields) != 5:
        raise ValueError(_('a cron of five fields, such as "30 11 * * 1-5"'))
    minute, hour, *dates = fields
    once = _('one time of day (write one window per start), such as "30 11 * * *"')
    if not (_is_number(minute, 59) and _is_number(hour, 23)):
        raise ValueError(once)
    # H and R make croniter choose a date by itself: two engines would not choose the same.
    if any(re.search(r"(?i)(^|,)[hr]([(/,]|$)", field) for field in dates):
        raise ValueError(_("a cron without H or R"))
    try:
        croniter(f"0 0 {' '.join(dates)}", datetime(2026, 1, 1, tzinfo=UTC)).get_next(datetime)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise ValueError(_('a cron whose date fields come true, such as "30 11 * * 1-5"')) from None
    return " ".join(fields)


def _is_number(text: str, highest: int) -> bool:
    return re.fullmatch(r"[0-9]{1,2}", text) is not None and int(text) <= highest


def _default_name(cron: str) -> str:
    """A name from the cron, the same for ever: "1130", or "1130_w1-5" where it has date fields."""
    fields = cron.split()
    if len(fields) != 5 or not (_is_number(fields[0], 59) and _is_number(fields[1], 23)):
        return "window"  # refused anyway, with advice, for its start
    parts = [f"{int(fields[1]):02d}{int(fields[0]):02d}"]
    parts += [letter + field for letter, field in zip("dmw", fields[2:], strict=True) if field != "*"]
    return "_".join(parts).replace("/", "by")[:60]
