"""A school's wall times as instants (R22), for every ERP that writes times without an offset. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from engine.records import Problem

LONGEST_SESSION = timedelta(hours=12)
"""A session that ends before it begins runs past midnight, unless that would make it longer than this."""

Day: TypeAlias = tuple[str, Callable[[str], date]]
Wall: TypeAlias = tuple[str, Callable[[str], time]]
"""What was written, and who reads it: the reader raises ValueError."""


def span(
    day: Day, begins: Wall, ends: Wall, zone: str, problems: list[Problem]
) -> tuple[datetime | None, datetime | None]:
    """Start and end of a session in UTC, None where there is no such instant; what is wrong joins `problems`.

    An end at or before the beginning is on the next day.
    """
    try:
        on, first = day[1](day[0]), begins[1](begins[0])
    except ValueError:
        problems.append(
            Problem(code="no_start_time", field="start", evidence=f"{day[0]} {begins[0]}", row=True)
        )
        return None, None
    start = placed(on, first, zone, "start", problems)
    try:
        last = ends[1](ends[0])
    except ValueError:
        problems.append(Problem(code="no_end_time", field="end", evidence=ends[0], row=True))
        return start, None
    closes = end_day(on, first, last)
    if closes is None:
        evidence = f"{begins[0]} – {ends[0]}"
        problems.append(Problem(code="ends_before_start", field="end", evidence=evidence, row=True))
        return start, None
    return start, placed(closes, last, zone, "end", problems)


def end_day(day: date, begins: time, ends: time) -> date | None:
    """The date on which a session that begins on `day` ends; None where it would be too long."""
    if ends > begins:
        return day
    next_day = day + timedelta(days=1)
    overnight = datetime.combine(next_day, ends) - datetime.combine(day, begins)
    return next_day if overnight <= LONGEST_SESSION else None


def placed(day: date, at: time, zone: str, field: str, problems: list[Problem]) -> datetime | None:
    """`instant`, what is wrong with it put to `problems`."""
    found, problem = instant(day, at, zone, field)
    if problem is not None:
        problems.append(problem)
    return found


def instant(day: date, at: time, zone: str, field: str = "start") -> tuple[datetime | None, Problem | None]:
    """A wall time as an instant in UTC, and what is wrong with it (R22).

    None where clocks went forward over it (a row problem); the first of the two where they went back over it
    (a value problem).
    """
    local = ZoneInfo(zone)
    wall = datetime.combine(day, at)
    first = wall.replace(tzinfo=local).astimezone(UTC)
    second = wall.replace(tzinfo=local, fold=1).astimezone(UTC)
    if first == second:
        return first, None
    exists = first.astimezone(local).replace(tzinfo=None) == wall
    problem = Problem(
        code="time_ambiguous" if exists else "time_does_not_exist",
        field=field,
        evidence=f"{wall:%d/%m/%Y %H:%M:%S} {zone}",
        row=not exists,
    )
    return first if exists else None, problem
