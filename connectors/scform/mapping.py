"""SC-Form's rows to entries, and its absences to attendances. Pure.

What this stands on, and how sure it is:

* Names of fields: from a public summary of the vendor's API V1.19 and from client code, which agree.
* Local wall times of the school without an offset: seen; the zone is the connection's.
* A person has one enrolment (Inscrit) per action; absences want the enrolment's ID: documented.
* Somebody has left when every enrolment bears a Date_Sortie before today: inferred.
* Troncs communs are actions of their own, which gather people of several actions: documented.
* A session's cancelled state: none is known; it vanishes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from connectors import wall_time
from connectors.scform import Mailbox
from connectors.scform.answers import (
    Drift,
    Row,
    clock,
    day,
    expected,
    item,
    key,
    needed,
    objects,
    optional_key,
    text,
    truth,
)
from engine.attendance import Attendance, Reason
from engine.records import Entry, Group, Learner, Problem, Sheet, Speaker

_PHONES = ("mobile_perso", "telephone_perso", "mobile_pro", "telephone_pro")
"""In this order; the endings are inferred, so that any other `mobile_…`, `telephone_…` comes after them."""

KNOWN: Mapping[str, frozenset[str]] = {
    "intervenant": frozenset(
        [
            "id",
            "reference",
            "civilite",
            "nom",
            "prenom",
            "email_perso",
            "email_pro",
            "adresse",
            "signature",
            "nom_naissance",
            "identifiant_utilisateur",
            "id_individu",
        ]
    ),
    "seance": frozenset(
        [
            "id",
            "date",
            "debut",
            "duree",
            "fin",
            "idmodule",
            "idaction",
            "libelle",
            "libelle_court",
            "libelle_action",
            "idlieu",
            "libelle_lieu",
            "seances_persos",
            "salles",
            "intervenants",
            "materiels",
            "visibilite_stagiaire",
        ]
    ),
}
"""Fields of each sort of row that the reference names, in lower case; others are reported, not read."""


@dataclass(frozen=True)
class Society:
    """A legal entity."""

    id: str
    name: str


@dataclass(frozen=True)
class Enrolment:
    """One person in one action, from `first` to `last` (local dates, None: open)."""

    id: str
    person: str
    action: str
    group: str
    group_name: str
    first: date | None
    last: date | None
    row: Row = field(hash=False, compare=False)

    def over(self, today: date) -> bool:
        return self.last is not None and self.last < today


@dataclass(frozen=True)
class Turn:
    """One person on one session, in wall time: from `first` to `last`, on `day`'s session.

    `enrolment` is what an absence is written for; `kind` 1 at the centre, 2 self-study, 3 in the company.
    `absence` is what the ERP notes: (from, to, type), None for nobody missing."""

    session: str
    person: str
    enrolment: str
    kind: int
    day: date
    first: time
    last: time
    absence: tuple[time, time, str] | None = None


@dataclass(frozen=True)
class Homes:
    """Who is in each group, and in which groups each person is."""

    members: Mapping[str, frozenset[str]]
    groups_of: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, members: Mapping[str, frozenset[str]]) -> Homes:
        found: dict[str, list[str]] = {}
        for group, people in members.items():
            for person in people:
                found.setdefault(person, []).append(group)
        return cls(members, {person: tuple(groups) for person, groups in found.items()})


@dataclass(frozen=True)
class Meeting:
    """A session with what only the absence write needs."""

    entry: Entry
    day: date | None
    turns: tuple[Turn, ...]


def society(row: Row) -> Society:
    """A legal entity. Raises Drift."""
    return Society(key(row), text(row, "libelle"))


def reason(row: Row, justified: Iterable[str]) -> Reason:
    """A type of absence; whether it justifies is what the settings say, unknown where they say nothing."""
    known = frozenset(justified)
    id = key(row)
    return Reason(
        id=id,
        name=text(row, "libelle") or text(row, "reference") or id,
        justifies=id in known if known else None,
        late=truth(row, "retard"),
    )


def speaker(row: Row, mailbox: Mailbox) -> Entry:
    """A trainer. Raises Drift."""
    id = key(row)
    return Entry(
        record=Speaker(
            id=id,
            last_name=text(row, "nom"),
            first_name=text(row, "prenom"),
            email=email(row, mailbox),
            phone=phone(row),
        ),
        where=f"SC-Form › Intervenant {text(row, 'reference') or id} › E-mail",
    )


def person_fields(rows: list[Row], mailbox: Mailbox) -> None:
    """What people's rows must bear. Raises Drift."""
    needed(rows, "id", "nom", "prenom")
    for name in _MAILBOXES[mailbox]:
        expected(rows, name)
    others = {name for row in rows for name in row if name.startswith(("mobile_", "telephone_"))}
    expected(rows, *_PHONES, *sorted(others))


def enrolment(row: Row, by: str) -> Enrolment:
    """An enrolment; `by` says what its group is, as in the settings. Raises Drift."""
    person = item(row, "stagiaire")
    action = optional_key(row, "idaction")
    of_parcours = optional_key(row, "idparcours_groupe")
    return Enrolment(
        id=key(row),
        person=key(person) if person else "",
        action=action,
        group=of_parcours if by == "parcours_group" else action,
        group_name=text(row, "libelle_parcours_groupe"),
        first=_date_or_none(row, "date_entree"),
        last=_date_or_none(row, "date_sortie"),
        row=person,
    )


def learners(enrolments: Iterable[Enrolment], mailbox: Mailbox, today: date) -> list[Entry]:
    """One entry per person, from their latest enrolment; who has none that lasts has left. Raises Drift."""
    of: dict[str, list[Enrolment]] = {}
    for one in enrolments:
        of.setdefault(one.person, []).append(one)
    entries = []
    for person, theirs in of.items():
        latest = max(theirs, key=lambda one: (not one.over(today), one.first or date.min, one.id))
        row = latest.row
        entries.append(
            Entry(
                record=Learner(
                    id=person,
                    last_name=text(row, "nom"),
                    first_name=text(row, "prenom"),
                    email=email(row, mailbox),
                    phone=phone(row),
                ),
                ended=all(one.over(today) for one in theirs),
                where=f"SC-Form › Stagiaire {text(row, 'reference') or person} › E-mail",
            )
        )
    return entries


def members(enrolments: Iterable[Enrolment], today: date) -> dict[str, frozenset[str]]:
    """Who is in each group today or will be."""
    found: dict[str, set[str]] = {}
    for one in enrolments:
        if one.group and not one.over(today):
            found.setdefault(one.group, set()).add(one.person)
    return {group: frozenset(people) for group, people in found.items()}


def action_group(row: Row, members: frozenset[str]) -> Entry:
    """A training action as a group. Raises Drift."""
    id = key(row)
    name = text(row, "libelle") or text(row, "reference")
    return Entry(
        record=Group(id=id, name=name, members=members),
        where=f"SC-Form › Action {text(row, 'reference') or id}",
    )


def parcours_group(id: str, name: str, members: frozenset[str]) -> Entry:
    """The group of a parcours, as the enrolments name it."""
    return Entry(
        record=Group(id=id, name=name or id, members=members), where=f"SC-Form › Parcours › Groupe {id}"
    )


def runs_on(row: Row, first: date) -> bool:
    """Whether an action still runs on a date or after it; one without an end does. Raises Drift."""
    end = _date_or_none(row, "fin")
    return end is None or end >= first


def meeting(
    row: Row,
    zone: str,
    kinds: Iterable[int],
    enrolments: Mapping[str, Enrolment],
    homes: Homes,
) -> Meeting:
    """A session as a sheet, its wall times as instants through `zone` (R22), and each person's own turn.

    `kinds`: which sorts of turns attendance is taken of. `enrolments` by ID and the people's `homes`
    say where people belong: a session's own action says nothing about them. Raises Drift.
    """
    id = key(row)
    on = text(row, "date")
    problems: list[Problem] = []
    start, end = wall_time.span(
        (on, day), (text(row, "debut"), clock), (text(row, "fin"), clock), zone, problems
    )
    turns = tuple(_turn(one, row, id, enrolments) for one in objects(row, "seances_persos"))
    meant = frozenset(kinds)
    people = frozenset(turn.person for turn in turns if turn.kind in meant)
    sheet = Sheet(
        id=id,
        name=text(row, "libelle") or text(row, "libelle_court"),
        start=start,
        end=end,
        room=", ".join(_names(objects(row, "salles"))),
        groups=_groups(optional_key(row, "idaction"), people, homes),
        speakers=frozenset(key(one) for one in objects(row, "intervenants")),
        learners=people,
    )
    entry = Entry(record=sheet, problems=tuple(problems), where=f"SC-Form › Planning › Séance {id} ({on[:10]})")
    return Meeting(entry, _day_or_none(on), turns)


def skipped(meeting: Meeting) -> bool:
    """Whether a session is none of ours: people are on it, but only in turns whose attendance is not taken."""
    sheet = meeting.entry.record
    return isinstance(sheet, Sheet) and bool(meeting.turns) and not sheet.learners


def united(one: Meeting, other: Meeting) -> Meeting:
    """One session as two sociétés show it: people and groups together, the rest must agree.

    Where it does not, the session changed between the two readings or is wrong: a row problem."""
    a, b = one.entry.record, other.entry.record
    if not isinstance(a, Sheet) or not isinstance(b, Sheet) or one == other:
        return one
    contradictions = [
        Problem(code="contradictory", field=name, evidence=f"{a.value(name)} / {b.value(name)}", row=True)
        for name in ("name", "start", "end", "room")
        if a.value(name) != b.value(name)
    ]
    merged = a.model_copy(
        update={
            "groups": a.groups | b.groups,
            "speakers": a.speakers | b.speakers,
            "learners": a.learners | b.learners,
        }
    )
    entry = one.entry.model_copy(update={"record": merged, "problems": (*one.entry.problems, *contradictions)})
    return Meeting(entry, one.day, tuple(dict.fromkeys((*one.turns, *other.turns))))


# Absences


def attendance(turn: Turn, zone: str, reasons: Mapping[str, Reason]) -> Attendance | None:
    """What the ERP notes of one person on one session; None where it notes nothing.

    An absence over the whole of their own turn is an absence; at its beginning, of a type of lateness, a late
    arrival; at its end an early leave; anything else an absence of part of it. A time in the hour that comes
    twice reads back as the first of the two."""
    if turn.absence is None:
        return None
    since, until, type_id = turn.absence
    kind = reasons.get(type_id)
    first, last = span_of(turn, since, until, zone)
    begins, ends = span_of(turn, turn.first, turn.last, zone)
    missed = round((last - first).total_seconds() / 60)
    base = Attendance(
        sheet=turn.session,
        person=turn.person,
        state="absent",
        justified=bool(kind and kind.justifies),
        reason=type_id,
        first=first,
        last=last,
    )
    if first <= begins and last >= ends:
        return base.model_copy(update={"first": None, "last": None})
    if first <= begins and kind is not None and kind.late:
        return base.model_copy(update={"state": "present", "late": missed})
    if last >= ends:
        return base.model_copy(update={"state": "present", "left_early": missed})
    return base


def absence_of(
    wanted: Attendance, turn: Turn, zone: str, absence_type: str, late_type: str, late_types: frozenset[str]
) -> tuple[time, time, str] | None:
    """The absence (from, to, type) that says `wanted` of one person on one session; None for nothing missed.

    One row is all a session holds of a person: of lateness and early leave together the longer is said.
    Minutes are counted on instants, and written as the wall clock shows them."""
    if wanted.state == "awaiting":
        return None
    begins, ends = span_of(turn, turn.first, turn.last, zone)
    length = max(round((ends - begins).total_seconds() / 60), 0)
    if wanted.state in ("absent", "excluded") or max(wanted.late, wanted.left_early) >= length:
        return turn.first, turn.last, wanted.reason or absence_type
    if not wanted.late and not wanted.left_early:
        return None
    if wanted.late >= wanted.left_early:
        until = begins + timedelta(minutes=wanted.late)
        type_id = wanted.reason if wanted.reason in late_types else late_type
        return turn.first, _wall(until, zone), type_id
    since = ends - timedelta(minutes=wanted.left_early)
    type_id = wanted.reason if wanted.reason and wanted.reason not in late_types else absence_type
    return _wall(since, zone), turn.last, type_id


def span_of(turn: Turn, since: time, until: time, zone: str) -> tuple[datetime, datetime]:
    """Two wall times of a turn as instants; before its beginning means past midnight."""
    first = _instant(turn, since, zone)
    return first, max(first, _instant(turn, until, zone))


def _instant(turn: Turn, at: time, zone: str) -> datetime:
    past_midnight = turn.last <= turn.first and at < turn.first
    on = turn.day + timedelta(days=1) if past_midnight else turn.day
    found, _problem = wall_time.instant(on, at, zone)
    return found or datetime.combine(on, at, ZoneInfo(zone)).astimezone(UTC)


def _wall(at: datetime, zone: str) -> time:
    return at.astimezone(ZoneInfo(zone)).time().replace(tzinfo=None)


# Parts of rows

_MAILBOXES: Mapping[Mailbox, tuple[str, ...]] = {
    "personal": ("email_perso",),
    "professional": ("email_pro",),
    "personal_first": ("email_perso", "email_pro"),
    "professional_first": ("email_pro", "email_perso"),
}


def email(row: Row, mailbox: Mailbox) -> str:
    """The e-mail that the settings choose."""
    return next((found for name in _MAILBOXES[mailbox] if (found := text(row, name))), "")


def phone(row: Row) -> str:
    """A mobile before a land line, one's own before the employer's."""
    others = sorted(name for name in row if name.startswith(("mobile_", "telephone_")) and name not in _PHONES)
    return next((found for name in (*_PHONES, *others) if (found := text(row, name).strip())), "")


def _groups(own: str, people: frozenset[str], homes: Homes) -> frozenset[str]:
    """The groups a session is for: its own action's, and every group half of whose members are on it."""
    here = Counter(group for person in people for group in homes.groups_of.get(person, ()))
    found = {group for group, count in here.items() if 2 * count >= len(homes.members[group])}
    if own in homes.members and (not people or here[own]):
        found.add(own)
    return frozenset(found)


def _turn(row: Row, session: Row, session_id: str, enrolments: Mapping[str, Enrolment]) -> Turn:
    enrolled = item(row, "inscrit")
    enrolment_id = optional_key(enrolled, "id")
    person = item(enrolled, "stagiaire")
    person_id = optional_key(person, "id")
    if not person_id and enrolment_id in enrolments:
        person_id = enrolments[enrolment_id].person
    if not person_id:
        raise Drift(f"seance {session_id}: a trainee without ID")
    first, last = (_clock_or(row, name, _clock_or(session, name, time())) for name in ("debut", "fin"))
    since, until = text(row, "debut_absence").strip(), text(row, "fin_absence").strip()
    absence = None
    if since or until:
        absence = (
            _clock_or(row, "debut_absence", first),
            _clock_or(row, "fin_absence", last),
            optional_key(row, "idtypabsen"),
        )
    return Turn(
        session=session_id,
        person=person_id,
        enrolment=enrolment_id,
        kind=_kind(row),
        day=_day_or_none(text(session, "date")) or date.min,
        first=first,
        last=last,
        absence=absence,
    )


def _kind(row: Row) -> int:
    written = optional_key(row, "type_seance") or "1"
    if written not in ("1", "2", "3"):
        raise Drift(f"type_seance is {written!r:.30}")
    return int(written)


def _names(rows: Iterable[Row]) -> list[str]:
    names = (text(one, "libelle") or text(one, "libelle_court") or text(one, "reference") for one in rows)
    return [name for name in dict.fromkeys(names) if name]


def _clock_or(row: Row, name: str, otherwise: time) -> time:
    try:
        return clock(text(row, name))
    except ValueError:
        return otherwise


def _date_or_none(row: Row, name: str) -> date | None:
    written = text(row, name).strip()
    if not written:
        return None
    try:
        found = day(written)
    except ValueError:
        raise Drift(f"{name} is {written!r:.30}") from None
    return found


def _day_or_none(written: str) -> date | None:
    try:
        return day(written)
    except ValueError:
        return None
