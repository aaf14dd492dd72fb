"""Aimaira's rows to entries. Pure.

What this stands on, and how sure it is:

* Names of entities and fields, 0 for "no key", `""` and null for no text, instants with an offset that are
  never to be compared as text: documented.
* A learner's or teacher's row on an event bears the person's `Code`: seen in client code. `Reference` is the
  person's key: inferred, taken where `Code` names nobody.
* An enrolment counts while its state says so (`ApprenantON`) and its `DateSortie` has not come: documented
  fields, inferred rule.
* A group is a `Sequence`; a session's groups are its own and its rows' sequences: inferred.
* A session's title is the event's `Nom`, else its course's (through `Seance`), else its sequence's: where it
  stands is unknown. A room is the `Nom` of a row of a room: inferred.
* The names in use (`NomUsage`, `PrenomUsage`) come before the civil ones: inferred.
* Times of an event are its own; those of its rows lag after a move: documented.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from connectors.aimaira.odata import Row
from engine.records import Entry, Group, Kind, Learner, Problem, Sheet, Speaker

PEOPLE_FIELDS = (
    "Id", "Code", "Nom", "Prenoms", "NomUsage", "PrenomUsage", "MailId", "TelephoneId", "MobileId",
)  # fmt: skip
FIELDS: Mapping[str, tuple[str, ...]] = {
    "Apprenant": PEOPLE_FIELDS,
    "Enseignant": (*PEOPLE_FIELDS, "MailEcoleId"),
    "Mail": ("Id", "Adresse"),
    "Telephone": ("Id", "Numero"),
    "EtatInscription": ("Id", "ApprenantON"),
    "Inscription": ("Id", "ApprenantId", "ProgrammeId", "EtatInscriptionId", "DateSortie"),
    "Sequence": ("Id", "Nom", "Code", "ProgrammeId", "Debut", "Fin"),
    "InscriptionSequence": ("Id", "ApprenantId", "SequenceId", "DateDesinscription"),
    "TypePlanification": ("Id", "Code"),
    "TypeRessource": ("Id", "Code"),
    "Planification": (
        "Id", "Nom", "Code", "EntiteJuridiqueId", "Debut", "Fin", "TypePlanificationId", "Annule", "SequenceId",
    ),
    "PlanificationRessource": (
        "Id", "Nom", "Code", "PlanificationId", "TypeRessourceId", "Reference", "IdSequence",
    ),
    "Seance": ("Id", "PlanificationId", "NomSalle", "CoursId"),
    "Cours": ("Id", "Nom"),
    "Campus": ("Id", "Nom", "Code"),
    "Programme": ("Id", "EntiteJuridiqueId"),
}  # fmt: skip
"""The fields this mapping stands on, by entity."""

NEEDED: Mapping[Kind, tuple[str, ...]] = {
    "speaker": ("Enseignant", "Mail", "Telephone"),
    "learner": ("Apprenant", "Mail", "Telephone", "EtatInscription", "Inscription"),
    "group": ("Sequence", "InscriptionSequence"),
    "sheet": ("TypePlanification", "TypeRessource", "Planification", "PlanificationRessource"),
}
"""The entities a kind cannot do without."""

NO_TITLE = "Séance"
"""What a session is called that nothing names."""

SpeakerEmail: TypeAlias = Literal["mail", "school", "school_then_mail"]


class Drift(ValueError):
    """A field this mapping stands on is gone or of another shape."""


@dataclass(frozen=True)
class Contacts:
    """E-mail addresses and telephone numbers by key, where they did not come with the people."""

    addresses: Mapping[int, str] = field(default_factory=dict)
    numbers: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Person:
    """A person with what events know them by, and the campuses of a learner's programmes."""

    entry: Entry
    code: str
    campuses: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Enrolment:
    """One enrolment: whose, in which programme, and whether it still counts on a given day."""

    learner: int
    programme: int
    counts: bool


@dataclass(frozen=True)
class Types:
    """Keys of the types that matter, resolved by their codes."""

    learner: int
    speaker: int
    room: int
    group: int


@dataclass(frozen=True)
class People:
    """Who the rows of an event mean: keys by `Code`, and all keys there are."""

    by_code: Mapping[str, str]
    keys: frozenset[str]

    @staticmethod
    def of(people: Iterable[Person]) -> People:
        """Two people of one code are told apart by `Reference` alone."""
        by_code: dict[str, str] = {}
        twice: set[str] = set()
        keys: set[str] = set()
        for one in people:
            keys.add(one.entry.id)
            if one.code and by_code.setdefault(one.code, one.entry.id) != one.entry.id:
                twice.add(one.code)
        return People({code: key for code, key in by_code.items() if code not in twice}, frozenset(keys))

    def key(self, row: Row) -> str | None:
        """The person a row of an event means; None for somebody unknown. Raises Drift."""
        code = text(row, "Code")
        if code in self.by_code:
            return self.by_code[code]
        reference = str(integer(row, "Reference"))
        return reference if reference in self.keys else None


@dataclass(frozen=True)
class Course:
    """What a class meeting tells of its event."""

    title: str = ""
    room: str = ""


# People


def learner(row: Row, enrolments: Iterable[Enrolment], contacts: Contacts, campuses: frozenset[int]) -> Person:
    """A learner; one of whose enrolments none counts has left. Raises Drift."""
    key, code = identity(row), text(row, "Code")
    last, first = _names(row)
    entry = Entry(
        record=Learner(
            id=key,
            last_name=last,
            first_name=first,
            email=address(row, "Mail", contacts),
            phone=_phone(row, contacts),
        ),
        ended=not any(one.counts for one in enrolments),
        where=f"Aimaira › Apprenant {code or key} › Mail",
    )
    return Person(entry, code, campuses)


def speaker(row: Row, contacts: Contacts, email: SpeakerEmail) -> Person:
    """A teacher. Raises Drift."""
    key, code = identity(row), text(row, "Code")
    last, first = _names(row)
    own = "" if email == "school" else address(row, "Mail", contacts)
    school = "" if email == "mail" else address(row, "MailEcole", contacts)
    place = "MailEcole" if school or email == "school" else "Mail"
    entry = Entry(
        record=Speaker(
            id=key,
            last_name=last,
            first_name=first,
            email=school or own,
            phone=_phone(row, contacts),
        ),
        where=f"Aimaira › Enseignant {code or key} › {place}",
    )
    return Person(entry, code)


def stranger(row: Row) -> Entry:
    """Somebody an event names as a learner who has no enrolment: a row problem, so that people learn of it.

    Raises Drift."""
    key = unknown_key(row)
    return Entry(
        record=Learner(id=key, last_name=text(row, "Nom")),
        problems=(Problem(code="not_enrolled", field="id", evidence=text(row, "Code") or key, row=True),),
        where=f"Aimaira › Apprenant {text(row, 'Code') or key} › Inscriptions",
    )


def unknown_key(row: Row) -> str:
    """What stands for somebody unknown: `Reference`, else `Code`, else the row's own key. Raises Drift."""
    reference = integer(row, "Reference")
    return str(reference) if reference else text(row, "Code") or f"row-{identity(row)}"


def enrolment(row: Row, active_states: frozenset[int], on: date, zone: str) -> Enrolment:
    """An enrolment as it stands on a local date. Raises Drift."""
    left = instant(row, "DateSortie")
    gone = left is not None and left.astimezone(ZoneInfo(zone)).date() <= on
    return Enrolment(
        learner=integer(row, "ApprenantId"),
        programme=integer(row, "ProgrammeId"),
        counts=integer(row, "EtatInscriptionId") in active_states and not gone,
    )


def address(row: Row, name: str, contacts: Contacts) -> str:
    """The e-mail that `nameId` points to, "" where it is 0. Raises Drift where it points to nothing read."""
    return _pointed(row, name, "Adresse", contacts.addresses)


def unread(rows: Iterable[Row], names: Iterable[str]) -> list[int]:
    """Keys these rows point to whose objects did not come with them. Raises Drift."""
    names = tuple(names)
    return [key for row in rows for name in names if (key := integer(row, f"{name}Id")) and name not in row]


def _phone(row: Row, contacts: Contacts) -> str:
    mobile = _pointed(row, "Mobile", "Numero", contacts.numbers)
    return mobile or _pointed(row, "Telephone", "Numero", contacts.numbers)


def _pointed(row: Row, name: str, field: str, read: Mapping[int, str]) -> str:
    key = integer(row, f"{name}Id")
    if not key:
        return ""
    expanded = row.get(name)
    if isinstance(expanded, Mapping):
        return text(expanded, field)
    if key not in read:
        raise Drift(f"{name}Id is {key} but no {name} came")
    return read[key]


def _names(row: Row) -> tuple[str, str]:
    last = text(row, "NomUsage") or text(row, "Nom")
    return last, text(row, "PrenomUsage") or text(row, "Prenoms")


# Groups


def group(row: Row, members: frozenset[str], since: datetime) -> Entry:
    """A sequence as a group; one that ended before `since` is over. Raises Drift."""
    key = identity(row)
    ends = instant(row, "Fin")
    return Entry(
        record=Group(id=key, name=text(row, "Nom") or text(row, "Code"), members=members),
        ended=ends is not None and ends < since,
        where=f"Aimaira › Séquence {key}",
    )


def membership(row: Row, at: datetime) -> tuple[str, str] | None:
    """(sequence, learner) of a membership that still stands, None for one that ended. Raises Drift."""
    left = instant(row, "DateDesinscription")
    if left is not None and left <= at:
        return None
    return str(integer(row, "SequenceId")), str(integer(row, "ApprenantId"))


# Sessions


def session(
    event: Row,
    rows: Iterable[Row],
    types: Types,
    learners: People,
    speakers: People,
    course: Course,
    groups: Mapping[str, str],
) -> Entry:
    """An event with its rows as a session. `groups`: names by key. Raises Drift.

    An event on which only a group stands is a row problem: nothing says who is in it."""
    key = identity(event)
    on_it: dict[int, list[Row]] = {}
    for row in rows:
        on_it.setdefault(integer(row, "TypeRessourceId"), []).append(row)
    sequences = {integer(event, "SequenceId")}
    sequences |= {integer(row, "IdSequence") for row in on_it.get(types.learner, ())}
    keys = frozenset(str(one) for one in sequences if one)
    problems: list[Problem] = []
    if not on_it.get(types.learner) and (only := on_it.get(types.group)):
        named = ", ".join(sorted(text(row, "Code") or text(row, "Nom") for row in only))
        problems.append(Problem(code="group_not_expanded", field="learners", evidence=named, row=True))
    rooms = [name for row in on_it.get(types.room, ()) if (name := text(row, "Nom") or text(row, "Code"))]
    titles = (text(event, "Nom"), course.title, *(groups.get(one, "") for one in sorted(keys)), NO_TITLE)
    return Entry(
        record=Sheet(
            id=key,
            name=next(title for title in titles if title),
            start=instant(event, "Debut"),
            end=instant(event, "Fin"),
            room=", ".join(rooms) or course.room,
            groups=keys,
            learners=frozenset(learners.key(row) or unknown_key(row) for row in on_it.get(types.learner, ())),
            speakers=frozenset(speakers.key(row) or unknown_key(row) for row in on_it.get(types.speaker, ())),
        ),
        ended=truth(event, "Annule"),
        problems=tuple(problems),
        where=f"Aimaira › Planification {text(event, 'Code') or key}",
    )


def course(row: Row, titles: Mapping[int, str]) -> Course:
    """What a class meeting tells of its event; `titles` by course where they did not come with it."""
    return Course(_pointed(row, "Cours", "Nom", titles), text(row, "NomSalle"))


def coded(rows: Iterable[Row], code: str) -> int:
    """The key of the row with this code. Raises Drift where there is none."""
    for row in rows:
        if text(row, "Code").upper() == code:
            return integer(row, "Id")
    raise Drift(f"no type has the code {code}")


# Values


def identity(row: Row) -> str:
    """A row's own key as text. Raises Drift."""
    key = integer(row, "Id")
    if not key:
        raise Drift("Id is 0")
    return str(key)


def integer(row: Row, name: str) -> int:
    """A whole number, 0 for "no key" however that is written. Raises Drift."""
    value = needed(row, name)
    if value is None or value == "":
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    raise Drift(f"{name} is {value!r:.40}")


def text(row: Row, name: str) -> str:
    """A text, "" where it is null. Raises Drift."""
    value = needed(row, name)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise Drift(f"{name} is {value!r:.40}")


def truth(row: Row, name: str) -> bool:
    """A boolean; null is false. Raises Drift."""
    value = needed(row, name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Drift(f"{name} is {value!r:.40}")


def instant(row: Row, name: str) -> datetime | None:
    """An instant in UTC, None where it is null. Raises Drift, also where the offset is missing."""
    value = needed(row, name)
    if value is None or value == "":
        return None
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise Drift(f"{name} is {value!r:.40}") from None
    if at.tzinfo is None:
        raise Drift(f"{name} has no offset: {value!r:.40}")
    # A date before the calendar's first day in another zone is the vendor's "none".
    return None if at.year <= 1 else at.astimezone(UTC)


def needed(row: Row, name: str) -> Any:
    """A field's value. Raises Drift where the field is not there."""
    if name not in row:
        raise Drift(f"{name} is missing")
    return row[name]


def literal(at: datetime) -> str:
    """An instant as filters take it: in UTC, without a sign that would need encoding."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def midnight(day: date, zone: str) -> datetime:
    """The instant at which a local date begins."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def day_after(day: date) -> date:
    return day + timedelta(days=1)
