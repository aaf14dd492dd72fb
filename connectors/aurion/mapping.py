"""Auriga's lines and interventions to entries. Pure.

* Columns of the saved queries are a contract with the school, under the names below or those the settings
  give: what Edusign asks schools for was not to be had. Lines repeat, one per intervention and learner, or
  population, or instructor: seen in client code (`joinIdenticalLines`).
* The planning's fields, and that its times are UTC: seen in client code. Which form times have in a query is
  unknown: ISO with or without offset, and day/month/year; those without one are the school's wall times.
* A population is a group, known by its code: inferred. Planned interventions name no learner that was ever
  described: their learners are the members of their populations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from connectors.aurion.columns import Drift, Row, cell, translated
from connectors.wall_time import placed
from engine.records import Entry, Group, Kind, Learner, Problem, Sheet, Speaker, folded

Line: TypeAlias = Mapping[str, str]
Query: TypeAlias = Literal["interventions", "groups", "learners", "speakers"]

_LEARNER = ("learnerId", "learnerFirstName", "learnerLastName", "learnerEmail", "learnerPhone")
_SPEAKER = (
    "instructorId", "instructorFirstName", "instructorLastName", "instructorEmail", "instructorPhone",
)  # fmt: skip
COLUMNS: Mapping[Query, tuple[str, ...]] = {
    "interventions": (
        "interventionId", "startDateTime", "endDateTime", "activityCode", "title", "rooms", "populationCodes",
        *_SPEAKER, *_LEARNER,
    ),
    "groups": ("populationCode", "populationName", *_LEARNER),
    "learners": _LEARNER,
    "speakers": _SPEAKER,
}  # fmt: skip
"""Our fields by query; also what their columns are called unless the settings say otherwise."""
NEEDED: Mapping[Query, tuple[str, ...]] = {
    "interventions": ("interventionId", "startDateTime", "endDateTime"),
    "groups": ("populationCode", "learnerId"),
    "learners": (),
    "speakers": (),
}
"""Those no query can do without; one that shows people needs PERSON's beside."""
PERSON: Mapping[Kind, tuple[str, ...]] = {"learner": _LEARNER[:4], "speaker": _SPEAKER[:4]}
PHONE: Mapping[Kind, str] = {"learner": "learnerPhone", "speaker": "instructorPhone"}

_FORMS = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M")
NO_TITLE = "Séance"
"""What a session is called that nothing names."""


def people(kind: Literal["learner", "speaker"], lines: Iterable[Line], query: int) -> list[Entry]:
    """Everybody the lines name by an id; somebody whose lines differ comes once for each difference."""
    id, first, last, email, phone = _LEARNER if kind == "learner" else _SPEAKER
    made = Learner if kind == "learner" else Speaker
    found: dict[Learner | Speaker, None] = {}
    for line in lines:
        if line.get(id):
            record = made(
                id=line[id],
                last_name=line.get(last, ""),
                first_name=line.get(first, ""),
                email=line.get(email, ""),
                phone=line.get(phone, ""),
            )
            found[record] = None
    return [
        Entry(record=record, where=f"Auriga › requête {query} › {id} {record.id} › {email}") for record in found
    ]


def groups(lines: Iterable[Line], query: int) -> list[Entry]:
    """The populations with their learners."""
    names: dict[str, str] = {}
    members: dict[str, set[str]] = {}
    for line in lines:
        if code := line["populationCode"]:
            names.setdefault(code, line.get("populationName", "") or code)
            members.setdefault(code, set())
            if line["learnerId"]:
                members[code].add(line["learnerId"])
    return [
        Entry(
            record=Group(id=code, name=name, members=frozenset(members[code])),
            where=f"Auriga › requête {query} › populationCode {code}",
        )
        for code, name in names.items()
    ]


def sessions(
    lines: Iterable[Line],
    zone: str,
    query: int,
    populations: Mapping[str, frozenset[str]] | None,
    skipped: Iterable[str],
) -> list[Entry]:
    """The interventions that the lines repeat, one entry each.

    `populations`: members by code, for lines that name no learners; None where lines name them."""
    skip = {folded(code) for code in skipped}
    by_id: dict[str, list[Line]] = {}
    for line in lines:
        if folded(line.get("activityCode", "")) not in skip and line["interventionId"]:
            by_id.setdefault(line["interventionId"], []).append(line)
    return [_session(id, some, zone, query, populations) for id, some in by_id.items()]


def _session(
    id: str, lines: list[Line], zone: str, query: int, populations: Mapping[str, frozenset[str]] | None
) -> Entry:
    problems: list[Problem] = []
    start = _agreed(lines, "startDateTime", "start", zone, problems)
    end = _agreed(lines, "endDateTime", "end", zone, problems)
    codes = frozenset(code for line in lines for code in _codes(line.get("populationCodes", "")))
    if populations is None:
        learners = frozenset(line["learnerId"] for line in lines if line.get("learnerId"))
    else:
        learners = frozenset(one for code in codes for one in populations.get(code, ()))
    activity = next(iter(_distinct(lines, "activityCode")), "")
    return Entry(
        record=Sheet(
            id=id,
            name=" / ".join(_distinct(lines, "title")) or activity or NO_TITLE,
            start=start,
            end=end,
            room=", ".join(_distinct(lines, "rooms")),
            groups=codes,
            speakers=frozenset(line["instructorId"] for line in lines if line.get("instructorId")),
            learners=learners,
        ),
        problems=tuple(problems),
        where=f"Auriga › requête {query} › interventionId {id}",
    )


def _agreed(lines: list[Line], column: str, field: str, zone: str, problems: list[Problem]) -> datetime | None:
    """The instant all lines of an intervention give; a row problem where they do not agree."""
    texts = _distinct(lines, column)
    if len(texts) > 1:
        problems.append(Problem(code="contradictory", field=field, evidence=" / ".join(texts[:3]), row=True))
        return None
    return moment(texts[0], zone, field, problems) if texts else None


def readable(line: Line) -> bool:
    """Whether a line of interventions says when which one begins."""
    if not line["interventionId"]:
        return False
    problems: list[Problem] = []
    moment(line["startDateTime"], "UTC", "start", problems)
    return not any(problem.code == "no_start_time" for problem in problems)


def moment(text: str, zone: str, field: str, problems: list[Problem]) -> datetime | None:
    """A time as an instant in UTC; what is wrong with it joins `problems`."""
    at: datetime | None = None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        for form in _FORMS:
            try:
                at = datetime.strptime(text, form)  # noqa: DTZ007
                break
            except ValueError:
                continue
    if at is None:
        problems.append(Problem(code=f"no_{field}_time", field=field, evidence=text, row=True))
        return None
    if at.tzinfo is not None:
        return at.astimezone(UTC)
    return placed(at.date(), at.time(), zone, field, problems)


# The planning API


def planned(
    one: Row, populations: Mapping[str, frozenset[str]] | None, speakers: Mapping[str, str], zone: str
) -> Entry:
    """An intervention of the planning API. `speakers`: keys by folded name, for instructors without an id.

    Raises Drift."""
    id = cell(_needed(one, "id"))
    problems: list[Problem] = []
    units = [_inner(unit, "pedagogicalUnit") for unit in _list(one, "interventionPedagogicalUnits")]
    titles = [translated(unit.get("caption")) for unit in units]
    activity = _object(one.get("activityType"))
    codes = frozenset(
        code
        for row in _list(one, "interventionPopulations")
        if (code := cell(_inner(row, "population").get("code")))
    )
    rooms = [translated(_inner(row, "resource").get("caption")) for row in _list(one, "interventionResources")]
    teaching = (_speaker(_inner(row, "person"), speakers) for row in _list(one, "interventionInstructors"))
    named = " / ".join(dict.fromkeys(title for title in titles if title))
    return Entry(
        record=Sheet(
            id=id,
            name=named or cell(one.get("description")) or translated(activity.get("caption")) or NO_TITLE,
            start=moment(cell(_needed(one, "startDateTime")), zone, "start", problems),
            end=moment(cell(_needed(one, "endDateTime")), zone, "end", problems),
            room=", ".join(dict.fromkeys(room for room in rooms if room)),
            groups=codes,
            speakers=frozenset(key for key in teaching if key),
            learners=frozenset(member for code in codes for member in (populations or {}).get(code, ())),
        ),
        problems=tuple(problems),
        where=f"Auriga › Planning › intervention {id}",
    )


def activity_of(one: Row) -> str:
    """An intervention's activity code. Raises Drift."""
    return cell(_object(one.get("activityType")).get("code"))


def interventions(body: Any) -> list[Row]:
    """The interventions of a planning. Raises Drift."""
    if not isinstance(body, Mapping):
        raise Drift(f"a planning was due, not {body!r:.40}")
    return _list(body, "interventions", needed=True)


def by_name(speakers: Iterable[Entry]) -> dict[str, str]:
    """Keys of speakers by folded name; of a name that two bear, none."""
    keys: dict[str, str] = {}
    twice: set[str] = set()
    for entry in speakers:
        name = folded(entry.record.label)
        if keys.setdefault(name, entry.id) != entry.id:
            twice.add(name)
    return {name: key for name, key in keys.items() if name not in twice}


def _speaker(person: Row, speakers: Mapping[str, str]) -> str:
    if person.get("id") is not None:
        return cell(person["id"])
    name = f"{cell(person.get('currentLastName'))} {cell(person.get('currentFirstName'))}".strip()
    return speakers.get(folded(name), name)


def _distinct(lines: Iterable[Line], column: str) -> list[str]:
    return list(dict.fromkeys(text for line in lines if (text := line.get(column, ""))))


def _codes(text: str) -> list[str]:
    """Codes of a cell: one, or several with commas or semicolons."""
    return [code for part in text.replace(";", ",").split(",") if (code := part.strip())]


def _list(row: Row, name: str, *, needed: bool = False) -> list[Row]:
    value = _needed(row, name) if needed else row.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise Drift(f"{name} is {type(value).__name__}")
    return value


def _inner(row: Row, name: str) -> Row:
    return _object(row.get(name))


def _object(value: Any) -> Row:
    return value if isinstance(value, Mapping) else {}


def _needed(row: Row, name: str) -> Any:
    if name not in row:
        raise Drift(f"{name} is missing")
    return row[name]
