"""Hyperplanning's rows to entries. Pure.

Rows are what REST answers: objects with French names in snake case. The SOAP source builds the same rows from
its getters, so that there is one mapping. What this stands on, and how sure it is:

* `cle`, `nom`, `prenom`, `code`; `cle`, `jour_heure_debut` and `enseignants` of a placed session, where `cle`
  is the course's: seen in client code.
* `duree`, `matiere`, `type_cours`, `promotions`, `tdoptions`, `salles`, `etudiants` of a placed session, and
  all fields of an absence: inferred from the names of the SOAP getters.
* The e-mail field's name: unknown; several spellings are tried, or the settings name it.
* Times are the school's wall times, even where they end in `Z`: seen twice in client code for SOAP, unknown
  for REST. A duration is a span of the wall clock: inferred (a planning is a grid of wall times), so that a
  night's session ends when the school's clock says so.
* SOAP durations are fractions of days: documented. What REST counts in is unknown and a setting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, TypeAlias

from connectors.wall_time import placed
from engine.records import Entry, Group, Kind, Learner, Problem, Sheet, Speaker

Row: TypeAlias = Mapping[str, Any]
Unit: TypeAlias = Literal["days", "hours", "minutes"]

EMAIL_NAMES = ("email", "e_mail", "mail")
LABEL_NAMES = ("libelle", "nom")
PARENT_NAME = "est_un_cours_pere"
JUSTIFIED_NAMES = ("justifie", "est_justifiee", "justifiee")

TD_PREFIX = "td-"
"""Keys of promotions and of TD groups count apart: two groups may bear one number."""

_UNITS: Mapping[Unit, timedelta] = {
    "days": timedelta(days=1),
    "hours": timedelta(hours=1),
    "minutes": timedelta(minutes=1),
}
UNLIKELY = "duration_unlikely"
"""A session shorter or longer than any is."""
_NOTHING = (None, "", 0, "0")
_SHORTEST, _LONGEST = timedelta(minutes=5), timedelta(hours=24)


class Drift(ValueError):
    """A field this mapping stands on is gone or of another shape."""


@dataclass(frozen=True)
class Names:
    """Labels by key: what rooms and subjects are called, and which learners are in which group."""

    rooms: Mapping[str, str]
    subjects: Mapping[str, str]
    members: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Missed:
    """An absence or a lateness as Hyperplanning has it: a learner, an interval of wall time, no session.

    `minutes`: of a lateness, None for an absence."""

    key: str
    learner: str
    first: datetime
    last: datetime
    justified: bool
    motive: str = ""
    minutes: int | None = None


# People and groups


def person(kind: Kind, row: Row, email_name: str) -> Entry:
    """A learner or speaker. Raises Drift."""
    code = key(row)
    said = {
        "id": code,
        "last_name": text(row, "nom"),
        "first_name": text(row, "prenom"),
        "email": text(row, email_name) if email_name in row else "",
    }
    if kind == "learner":
        return Entry(record=Learner(**said), where=f"Hyperplanning › Étudiant {code} › E-mail")
    return Entry(record=Speaker(**said), where=f"Hyperplanning › Enseignant {code} › E-mail")


def email_name(rows: Iterable[Row], named: str) -> str:
    """The field that holds e-mails: the one `named` by the settings, else a spelling that some row bears.
    Raises Drift where no row has one: a field that is gone is not an e-mail that was cleared."""
    names = (named,) if named else EMAIL_NAMES
    seen = [name for row in rows for name in names if name in row]
    if not seen:
        raise Drift(f"no e-mail field named {' or '.join(names)}")
    return next(name for name in names if name in seen)


def group(row: Row, members: frozenset[str], parents: Mapping[str, str] | None = None) -> Entry:
    """A promotion; with `parents` (names of promotions by key) a TD group or option, which bears its
    promotion's name too. Raises Drift."""
    code, name = key(row), text(row, "nom")
    if parents is None:
        return Entry(
            record=Group(id=code, name=name, members=members), where=f"Hyperplanning › Promotion {code}"
        )
    above = parents.get(reference(row["promotion"]), "") if row.get("promotion") is not None else ""
    return Entry(
        record=Group(id=f"{TD_PREFIX}{code}", name=f"{above} {name}".strip(), members=members),
        where=f"Hyperplanning › TD/option {code}",
    )


def label(row: Row) -> tuple[str, str]:
    """A room's or subject's key and what it is called. Raises Drift."""
    for name in LABEL_NAMES:
        if name in row:
            return key(row), text(row, name)
    raise Drift(f"{' or '.join(LABEL_NAMES)} is missing")


def is_parent(course: Row) -> bool:
    """Whether this is a parent course, whose children are the courses that take place. Raises Drift."""
    return truth(course[PARENT_NAME], PARENT_NAME) if PARENT_NAME in course else False


# Sessions


def session_id(row: Row) -> str:
    """What names a session: its course and its start in wall time, for one course has many. Raises Drift."""
    return f"{key(row)}@{wall(row, 'jour_heure_debut').isoformat(timespec='minutes')}"


def course_of(session: str) -> str:
    """The course's key in a session's id."""
    return session.partition("@")[0]


def day_of(session: str) -> date | None:
    """The local date in a session's id; None where it is no such id."""
    try:
        return datetime.fromisoformat(session.partition("@")[2]).date()
    except ValueError:
        return None


def session(row: Row, zone: str, unit: Unit, names: Names) -> Entry:
    """A placed session as a sheet, its wall times as instants through `zone` (R22). Raises Drift.

    Where the row names no learners they are the members of its groups; what is wrong with its times is in the
    entry's problems."""
    begins = wall(row, "jour_heure_debut")
    problems: list[Problem] = []
    start = placed(begins.date(), begins.time(), zone, "start", problems)
    lasts = span(_needed(row, "duree"), unit)
    end: datetime | None = None
    if row["duree"] in _NOTHING:
        problems.append(Problem(code="no_end_time", field="end", evidence=str(row["duree"]), row=True))
    elif not _SHORTEST <= lasts <= _LONGEST:
        problems.append(Problem(code=UNLIKELY, field="end", evidence=f"{row['duree']} {unit}", row=True))
    else:
        over = begins + lasts
        end = placed(over.date(), over.time(), zone, "end", problems)
    groups = frozenset(keys(row, "promotions")) | frozenset(
        f"{TD_PREFIX}{one}" for one in keys(row, "tdoptions", [])
    )
    if "etudiants" in row:
        learners = frozenset(keys(row, "etudiants"))
    else:
        learners = frozenset(one for of in groups for one in names.members.get(of, ()))
    subject = _needed(row, "matiere")
    name = "" if subject is None else names.subjects.get(reference(subject), "")
    if not name and isinstance(subject, str) and not subject.isdigit():
        name = subject
    kind = row.get("type_cours")
    if not name and isinstance(kind, str):
        name = kind  # a meeting has no subject
    return Entry(
        record=Sheet(
            id=session_id(row),
            name=name,
            start=start,
            end=end,
            room=", ".join(names.rooms.get(room, room) for room in keys(row, "salles")),
            groups=groups,
            speakers=frozenset(keys(row, "enseignants")),
            learners=learners,
        ),
        problems=tuple(problems),
        where=f"Hyperplanning › Cours {key(row)} › {begins:%d/%m/%Y %H:%M}",
    )


def unlikely(entries: Iterable[Entry], unit: Unit) -> None:
    """Raises Drift where most sessions would be too short or too long: then the unit is not the right one."""
    strange = [any(problem.code == UNLIKELY for problem in one.problems) for one in entries]
    if sum(strange) * 2 > len(strange):
        raise Drift(f"most durations are none a session has when counted in {unit}")


def only(entry: Entry, groups: Callable[[str], bool], learners: Callable[[str], bool]) -> Entry:
    """A session with none but the groups and learners that are meant."""
    sheet = entry.record
    assert isinstance(sheet, Sheet)
    update = {
        "groups": frozenset(one for one in sheet.groups if groups(one)),
        "learners": frozenset(one for one in sheet.learners if learners(one)),
    }
    return entry.model_copy(update={"record": sheet.model_copy(update=update)})


def twice(one: Entry, other: Entry) -> Entry:
    """A course placed twice at one moment: the same said twice, or a row problem."""
    if one.record == other.record:
        return one
    problem = Problem(code="contradictory", field="start", evidence=one.id, row=True)
    return one.model_copy(update={"problems": (*one.problems, problem)})


# Absences


def absence(row: Row) -> Missed:
    """An absence. Raises Drift."""
    return Missed(
        key=text(row, "cle") if "cle" in row else "",
        learner=reference(_needed(row, "etudiant")),
        first=wall(row, "date_heure_debut"),
        last=wall(row, "date_heure_fin"),
        justified=_justified(row),
        motive=_motive(row),
    )


def lateness(row: Row, unit: Unit) -> Missed:
    """A lateness. Raises Drift."""
    first, lasts = wall(row, "date_heure"), span(_needed(row, "duree"), unit)
    return Missed(
        key=key(row),
        learner=reference(_needed(row, "etudiant")),
        first=first,
        last=first + lasts,
        justified=_justified(row),
        motive=_motive(row),
        minutes=round(lasts / timedelta(minutes=1)),
    )


def in_unit(lasts: timedelta, unit: Unit) -> float:
    """A span as Hyperplanning counts it."""
    return lasts / _UNITS[unit]


def _justified(row: Row) -> bool:
    for name in JUSTIFIED_NAMES:
        if name in row:
            return truth(row[name], name)
    raise Drift(f"{' or '.join(JUSTIFIED_NAMES)} is missing")


def _motive(row: Row) -> str:
    value = row.get("motif")
    return "" if value is None else reference(value)


# Values


def objects(body: Any) -> list[Row]:
    """A collection: a bare array of objects. Raises Drift."""
    if not isinstance(body, list) or not all(isinstance(row, Mapping) for row in body):
        raise Drift(f"a list of objects was due, not {body!r:.60}")
    return body


def named_keys(body: Any, name: str) -> list[str]:
    """A sub-collection: one array of keys, or of objects with a key, under its name. Raises Drift."""
    if isinstance(body, Mapping):
        body = _needed(body, name)
    if not isinstance(body, list):
        raise Drift(f"{name} is {type(body).__name__}")
    return list(dict.fromkeys(reference(item) for item in body))


def key(row: Row) -> str:
    """The row's `cle` as text. Raises Drift."""
    code = reference(_needed(row, "cle"))
    if not code:
        raise Drift("cle is empty")
    return code


def keys(row: Row, name: str, absent: list[str] | None = None) -> list[str]:
    """A list of keys, in the order given; `absent` where there is no such field. Raises Drift."""
    value = _needed(row, name) if absent is None else row.get(name, absent)
    if value is None or value == "":
        return []
    if not isinstance(value, list):
        raise Drift(f"{name} is {type(value).__name__}")
    return list(dict.fromkeys(code for item in value if (code := reference(item))))


def reference(value: Any) -> str:
    """A reference to a record: its key, or an object that bears it. Raises Drift."""
    if isinstance(value, Mapping):
        return reference(_needed(value, "cle"))
    return _plain(value, "a key")


def text(row: Row, name: str) -> str:
    """A text; "" where it is null. Raises Drift."""
    return _plain(_needed(row, name), name)


def wall(row: Row, name: str) -> datetime:
    """A wall time, whatever zone it claims: `Z` there is a lie. Raises Drift."""
    value = text(row, name)
    try:
        return moment(value)
    except ValueError:
        raise Drift(f"{name} is {value!r:.40}") from None


def moment(value: str) -> datetime:
    """A wall time without zone, to the minute: `2026-09-14 09:00:00`, `2026-09-14T09:00:00.000Z`; a day's
    fraction may have come out a second short. Raises ValueError."""
    at = datetime.fromisoformat(value.strip()).replace(tzinfo=None)
    rounded = at + timedelta(seconds=30)
    return rounded.replace(second=0, microsecond=0)


def span(value: Any, unit: Unit) -> timedelta:
    """How long something lasts, to the minute. Raises Drift."""
    if value is None or value == "":
        return timedelta()
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Drift(f"duree is {type(value).__name__}")
    try:
        exact = float(value) * _UNITS[unit]
    except (ValueError, OverflowError):
        raise Drift(f"duree is {value!r:.40}") from None
    return timedelta(minutes=round(exact / timedelta(minutes=1)))


def truth(value: Any, name: str) -> bool:
    """A boolean, however it is written. Raises Drift."""
    if isinstance(value, bool | int):
        return bool(value)
    if value is None:
        return False
    if isinstance(value, str) and value.lower() in ("", "0", "1", "true", "false"):
        return value.lower() in ("1", "true")
    raise Drift(f"{name} is {value!r:.40}")


def _needed(row: Row, name: str) -> Any:
    if name not in row:
        raise Drift(f"{name} is missing")
    return row[name]


def _plain(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Drift(f"{name} is {type(value).__name__}")
