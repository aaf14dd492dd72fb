"""Rows of our own fields, as text, to entries: for every ERP of which all that counts is what a profile says.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from connectors import wall_time
from connectors.tabular.fields import Conventions
from engine.records import Entry, Group, Learner, Problem, Sheet, Speaker


@dataclass(frozen=True)
class Row:
    """One row: our fields as text, and where it stands. `over`: the ERP says that it has ended. `cut`: fields
    whose values fill their column. `keyless`: its key is none of the ERP's."""

    fields: Mapping[str, str]
    line: int
    file: str
    over: bool = False
    cut: tuple[str, ...] = ()
    keyless: bool = False

    @property
    def where(self) -> str:
        """Where a person would look it up."""
        return f"{self.file} › {self.line}" if self.line else self.file

    def text(self, field: str) -> str:
        return self.fields.get(field, "").strip()


def listed(cell: str, between: str) -> list[str]:
    """The codes in a cell, in order."""
    return list(dict.fromkeys(code for part in cell.split(between) if (code := part.strip())))


# Records


def learner(row: Row) -> Entry:
    """A learner."""
    return Entry(
        record=Learner(id=row.text("key"), **_person(row)),
        ended=row.over,
        problems=_flaws(row),
        where=row.where,
    )


def speaker(row: Row) -> Entry:
    """A speaker."""
    return Entry(
        record=Speaker(id=row.text("key"), **_person(row)),
        ended=row.over,
        problems=_flaws(row),
        where=row.where,
    )


def group(key: str, name: str, members: frozenset[str], where: str) -> Entry:
    """A group."""
    return Entry(record=Group(id=key, name=name or key, members=members), where=where)


def sessions(
    found: Iterable[Row], zone: str, conventions: Conventions, members: Mapping[str, frozenset[str]] | None
) -> list[Entry]:
    """Sessions from their rows, one or several each: what the rows say of people is put together, the rest
    must agree. `members` of the groups are the learners where the rows name none; None: they do name them."""
    made: dict[str, Entry] = {}
    for row in found:
        entry = _session(row, zone, conventions, members)
        known = made.get(entry.id)
        made[entry.id] = entry if known is None else _united(known, entry)
    return list(made.values())


def _session(
    row: Row, zone: str, conventions: Conventions, members: Mapping[str, frozenset[str]] | None
) -> Entry:
    problems: list[Problem] = list(_flaws(row))
    start, end = _span(row, zone, conventions, problems)
    groups = frozenset(listed(row.text("groups"), conventions.between))
    learners = frozenset(listed(row.text("learners"), conventions.between))
    if members is not None:
        learners = frozenset(person for code in groups for person in members.get(code, frozenset()))
    return Entry(
        record=Sheet(
            id=row.text("key"),
            name=row.text("name"),
            start=start,
            end=end,
            room=row.text("room"),
            groups=groups,
            speakers=frozenset(listed(row.text("speakers"), conventions.between)),
            learners=learners,
        ),
        ended=row.over or yes(row.text("cancelled"), conventions),
        problems=tuple(problems),
        where=row.where,
    )


def _united(one: Entry, other: Entry) -> Entry:
    a, b = one.record, other.record
    if not isinstance(a, Sheet) or not isinstance(b, Sheet):
        return one
    contradictions = [
        Problem(code="contradictory", field=name, evidence=f"{a.value(name)} / {b.value(name)}", row=True)
        for name in ("name", "start", "end")
        if a.value(name) != b.value(name)
    ]
    rooms = list(dict.fromkeys(room for room in (*a.room.split(", "), *b.room.split(", ")) if room))
    merged = a.model_copy(
        update={
            "room": ", ".join(rooms),
            "groups": a.groups | b.groups,
            "speakers": a.speakers | b.speakers,
            "learners": a.learners | b.learners,
        }
    )
    problems = tuple(dict.fromkeys((*one.problems, *other.problems, *contradictions)))
    return one.model_copy(update={"record": merged, "problems": problems, "ended": one.ended and other.ended})


def _person(row: Row) -> dict[str, str]:
    return {name: row.text(name) for name in ("last_name", "first_name", "email", "phone")}


def _flaws(row: Row) -> tuple[Problem, ...]:
    """What is wrong with a row as such: no key; values that fill their column, so that they were cut there."""
    keyless = (Problem(code="no_key", field="id", evidence=row.where, row=True),) if row.keyless else ()
    cut = (Problem(code="maybe_truncated", field=field, evidence=row.fields[field]) for field in row.cut)
    return (*keyless, *cut)


# Values


def yes(cell: str, conventions: Conventions) -> bool:
    """Whether a cell says yes."""
    return cell.strip().lower() in conventions.yes


def local_date(cell: str, conventions: Conventions) -> date:
    """A date, in ISO form or one of the profile's. Raises ValueError."""
    bare = cell.strip()
    try:
        return date.fromisoformat(bare[:10])
    except ValueError:
        return _parsed(bare, conventions.dates).date()


def wall_clock(cell: str, conventions: Conventions) -> time:
    """A time of day, in ISO form or one of the profile's. Raises ValueError."""
    bare = cell.strip().rpartition("T")[2]
    if bare.isdecimal() and len(bare) <= 2:
        raise ValueError(cell)
    try:
        return time.fromisoformat(bare.zfill(5) if len(bare) == 4 else bare).replace(microsecond=0)
    except ValueError:
        return _parsed(bare, conventions.times).time()


def moment(cell: str, conventions: Conventions) -> datetime:
    """A date and time; aware where the cell names an offset. Raises ValueError."""
    bare = cell.strip()
    try:
        return datetime.fromisoformat(bare.replace("Z", "+00:00"))
    except ValueError:
        on, _space, at = bare.partition(" ")
        return datetime.combine(local_date(on, conventions), wall_clock(at, conventions))


def _parsed(text: str, formats: Iterable[str]) -> datetime:
    for one in formats:
        try:
            return datetime.strptime(text, one)  # noqa: DTZ007 wall time: the zone is the connection's
        except ValueError:
            continue
    raise ValueError(text)


def _span(
    row: Row, zone: str, conventions: Conventions, problems: list[Problem]
) -> tuple[datetime | None, datetime | None]:
    if "date" in row.fields:
        return wall_time.span(
            (row.text("date"), lambda cell: local_date(cell, conventions)),
            (row.text("start"), lambda cell: wall_clock(cell, conventions)),
            (row.text("end"), lambda cell: wall_clock(cell, conventions)),
            zone,
            problems,
        )
    start, end = (_moment(row, name, zone, conventions, problems) for name in ("start", "end"))
    if start is not None and end is not None and end <= start:
        evidence = f"{row.text('start')} – {row.text('end')}"
        problems.append(Problem(code="ends_before_start", field="end", evidence=evidence, row=True))
        return start, None
    return start, end


def _moment(
    row: Row, name: str, zone: str, conventions: Conventions, problems: list[Problem]
) -> datetime | None:
    try:
        found = moment(row.text(name), conventions)
    except ValueError:
        problems.append(Problem(code=f"no_{name}_time", field=name, evidence=row.text(name), row=True))
        return None
    if found.tzinfo is not None:
        return found.astimezone(UTC)
    return wall_time.placed(found.date(), found.time(), zone, name, problems)
