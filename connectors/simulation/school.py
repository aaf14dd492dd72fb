"""A simulated school: people, groups, sessions, and every kind of dirt that real ones have, by number.

Pure: the same arguments give the same school, byte for byte. Each person, group and session has a hidden
identity ("P00001", "G001", "S00001") that no vendor's dialect shows; simulators keep it beside their rows so
that the checker can say who is who without trusting anybody's ids.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from connectors.simulation.names import (
    TWINS,
    Draw,
    Mailboxes,
    birth_date,
    first_name,
    last_name,
    phone_number,
    phone_spelling,
    same_name_key,
)

RecordKind: TypeAlias = Literal["learner", "speaker", "group", "sheet"]

GROUP_SIZE = 25
SMALLEST = 40
"""Fewer learners than this cannot carry one of each dirt."""

AUTUMN_NIGHT = date(2026, 10, 25)
SPRING_NIGHT = date(2027, 3, 28)

_SITES = ("Campus Nord", "Campus Sud", "Campus Ouest")
_COURSES = (
    "BTS NDRC", "BTS MCO", "BTS CG", "BTS SIO", "BTS GPME", "Titre RH", "Bachelor Design", "CAP Cuisine",
    "Bac Pro MELEC", "Licence Pro QSE",
)  # fmt: skip
_SUBJECTS = (
    "Anglais", "Droit du travail", "Économie d'entreprise", "Mathématiques appliquées", "Culture générale",
    "Gestion de la relation client", "Comptabilité", "Réseaux & systèmes", "Bureautique", "Marketing digital",
    "Prévention, santé, environnement", "Atelier professionnel", "Projet tutoré", "Communication",
)  # fmt: skip
_LONG_NAME = ("Montmorency-" * 25)[:299] + "e"
# (last name, first name) that terminals, tables and sorting stumble over.
_HOSTILE = (
    ("[red]x[/]", "Nora"),
    ("Bertin", "\x1b[2JZoé"),
    ("بن صالح", "مريم"),
    (_LONG_NAME, "Anne-Sophie"),
    ("Kermadec", "Zoë "),
    ("Vaugelas", "Ngô Thị"),
)


@dataclass(frozen=True)
class Learner:
    """A learner as the ERP knows them. `left`: the day of departure, None while enrolled."""

    identity: str
    last_name: str
    first_name: str
    born: date
    email: str
    portal_email: str
    phone: str
    site: str
    group: str
    left: date | None = None


@dataclass(frozen=True)
class Staff:
    """Somebody the school employs; only trainers hold sessions."""

    identity: str
    last_name: str
    first_name: str
    born: date
    email: str
    trainer: bool
    administrative: bool


@dataclass(frozen=True)
class Group:
    """A class. `course` is what it studies, `year` its year of it."""

    identity: str
    name: str
    short_name: str
    course: str
    year: int
    site: str


@dataclass(frozen=True)
class Room:
    """A room; sessions refer to `code`."""

    code: int
    name: str
    site: str


@dataclass(frozen=True)
class Session:
    """A class meeting, in the school's wall time. `end` None: nobody typed one."""

    identity: str
    subject: str
    day: date
    start: time
    end: time | None
    groups: tuple[str, ...]
    learners: tuple[str, ...]
    staff: tuple[str, ...]
    rooms: tuple[int, ...]
    remote: bool = False


@dataclass(frozen=True)
class HandMade:
    """A record that a person had made in Edusign before the first sync, with an empty API_ID.

    `identity` is that of the ERP's person where it is the same person. `fields` are raw Edusign fields; where
    one refers to a record (STUDENTS, PROFESSOR, SCHOOL_GROUP) it holds the identity of another hand-made
    record. A speaker's SCHOOL_ID lists the schools they belong to, this one first.
    """

    kind: RecordKind
    identity: str
    fields: dict[str, Any]
    archived: bool = False


@dataclass(frozen=True)
class Dirt:
    """One thing wrong, or merely awkward, and what a correct sync makes of it.

    `identities`: who it concerns; of a pair the ERP's first. `same`: for a pair of records, one in the ERP
    and one in Edusign, whether they are one person; None where there is no such pair.
    """

    kind: str
    identities: tuple[str, ...]
    record_kind: RecordKind
    expected: str
    note: str
    same: bool | None = None


@dataclass(frozen=True)
class School:
    """See the module. `first` is a Monday, `last` the Sunday that ends the planned weeks."""

    seed: int
    zone: str
    first: date
    last: date
    sites: tuple[str, ...]
    rooms: tuple[Room, ...]
    groups: tuple[Group, ...]
    learners: tuple[Learner, ...]
    staff: tuple[Staff, ...]
    sessions: tuple[Session, ...]
    handmade: tuple[HandMade, ...]
    dirt: tuple[Dirt, ...]

    @staticmethod
    def seeded(
        seed: int,
        learners: int,
        start: date,
        zone: str = "Europe/Paris",
        weeks: int = 4,
        nonexistent_times: bool = False,
    ) -> School:
        """A school of `learners` learners with `weeks` weeks of sessions from the Monday of `start`'s week.

        `nonexistent_times` adds a session at 02:15 on the night when that wall time is skipped.
        Raises ValueError for fewer than 40 learners or less than one week."""
        if learners < SMALLEST:
            raise ValueError(f"a school has at least {SMALLEST} learners")
        if weeks < 1:
            raise ValueError("a school has at least one week")
        return _Builder(seed, learners, start, zone, weeks, nonexistent_times).school()

    def dirty(self) -> frozenset[str]:
        """All identities that some dirt concerns."""
        return frozenset(i for dirt in self.dirt for i in dirt.identities)


def true_instant(day: date, wall: time | None, zone: str) -> datetime | None:
    """The UTC instant of a wall time: the first of two when the clock goes back; None when there is none."""
    if wall is None:
        return None
    local = datetime.combine(day, wall, ZoneInfo(zone))
    at = local.astimezone(UTC)
    back = at.astimezone(ZoneInfo(zone))
    return at if back.replace(tzinfo=None) == local.replace(tzinfo=None) else None


def amount(per_2000: int, learners: int) -> int:
    """How many of a dirt a school of this size has: in proportion, at least one."""
    return max(1, round(per_2000 * learners / 2000))


class _Builder:
    """Builds one school; each step draws from the same sequence, so their order is part of the result."""

    def __init__(
        self, seed: int, learners: int, start: date, zone: str, weeks: int, nonexistent_times: bool
    ) -> None:
        self.seed, self.zone, self.start = seed, zone, start
        self.size = learners
        self.first = start - timedelta(days=start.weekday())
        self.last = self.first + timedelta(days=7 * weeks - 1)
        self.weeks = weeks
        self.nonexistent_times = nonexistent_times
        self.draw = Draw(random.Random(f"school:{seed}:{learners}:{self.first}:{zone}:{weeks}"))
        self.mail = Mailboxes(self.draw)
        self.names: set[tuple[str, ...]] = {same_name_key(*name) for name in _HOSTILE}
        self.people = 0
        self.dirt: list[Dirt] = []
        self.handmade: list[HandMade] = []
        self.group_count = max(2, round(learners / GROUP_SIZE))
        self.groups = self._groups()
        self.rooms = tuple(
            Room(code=101 + n, name=f"{'ABC'[n % 3]}{101 + n}", site=_SITES[n % len(_SITES)])
            for n in range(self.group_count + self.group_count // 10 + 2)
        )
        self.learners = [self._learner(n) for n in range(learners)]
        self.staff = self._staff()

    def school(self) -> School:
        self._dirty_learners()
        self._hand_made_people()
        sessions = self._sessions()
        self._hand_made_rest()
        return School(
            seed=self.seed,
            zone=self.zone,
            first=self.first,
            last=self.last,
            sites=_SITES,
            rooms=self.rooms,
            groups=self.groups,
            learners=tuple(self.learners),
            staff=tuple(self.staff),
            sessions=sessions,
            handmade=tuple(self.handmade),
            dirt=tuple(self.dirt),
        )

    def _identity(self) -> str:
        self.people += 1
        return f"P{self.people:05d}"

    def _name(self) -> tuple[str, str]:
        """A full name nobody else has, in any order of its words."""
        while True:
            name = last_name(self.draw), first_name(self.draw)
            if (key := same_name_key(*name)) not in self.names:
                self.names.add(key)
                return name

    def _groups(self) -> tuple[Group, ...]:
        groups = []
        for n in range(self.group_count):
            course, year = _COURSES[n % len(_COURSES)], 1 + n // len(_COURSES) % 2
            letter = n // (2 * len(_COURSES))
            suffix = chr(65 + letter) if letter < 26 else f"-{letter}"
            groups.append(
                Group(
                    identity=f"G{n + 1:03d}",
                    name=f"{course} {year}{suffix}",
                    short_name=f"{''.join(w[0] for w in course.split())}{course[-2:].upper()}{year}{suffix}",
                    course=course,
                    year=year,
                    site=_SITES[n % len(_SITES)],
                )
            )
        return tuple(groups)

    def _learner(self, n: int) -> Learner:
        group = self.groups[n * self.group_count // self.size]
        last, first = self._name()
        born = birth_date(self.draw, 2000, 9)
        email = self.mail.personal(last, first, born)
        portal = email if self.draw.chance(0.7) else self.mail.school(last, first, "etu.campus.example")
        digits = phone_number(self.draw)
        phone = phone_spelling(self.draw, digits) if self.draw.chance(0.8) else ""
        return Learner(self._identity(), last, first, born, email, portal, phone, group.site, group.identity)

    def _staff(self) -> list[Staff]:
        trainers = max(4, self.size // 20, self.group_count + 1)
        others = 1 + self.size // 500
        staff = []
        for n in range(trainers + others):
            last, first = self._name()
            email = self.mail.school(last, first, "campus.example")
            born = birth_date(self.draw, 1960, 36)
            staff.append(
                Staff(
                    self._identity(), last, first, born, email,
                    trainer=n < trainers, administrative=n >= trainers or n == trainers - 1,
                )
            )  # fmt: skip
        return staff

    # Learners with dirt

    def _dirty_learners(self) -> None:
        order = list(range(self.size))
        self.draw.shuffle(order)
        self.clean = iter(order)  # each index is handed out once: no record carries two dirts
        for n in range(amount(8, self.size)):
            self._dirty("missing_email", "rejected", f"no e-mail at all ({n + 1})", email="", portal_email="")
        for n in range(amount(6, self.size)):
            index = next(self.clean)
            local = self.learners[index].email.partition("@")[0]
            bad = (
                f"{local}@",
                f"{local}@poste..example",
                f"{local[:2]} {local[2:]}@mail.example",
                f"{local}.mail.example",
                f"{local}@@mail.example",
            )[n % 5]
            self._dirty("invalid_email", "rejected", bad, index, email=bad, portal_email=bad)
        for _ in range(amount(4, self.size)):
            one, two = next(self.clean), next(self.clean)
            shared = self.learners[one].email
            self._set(one, portal_email=shared)
            # Written in another case: the same address all the same.
            self._set(two, email=shared.upper(), portal_email=shared.upper())
            self._pair("shared_email", one, two, "rejected", f"both have {shared}")
        for n in range(amount(10, self.size)):
            left = self.first - timedelta(days=3 + 4 * (n % 20))
            self._dirty("departed", "departed", f"left on {left}, still in the lists", left=left)
        for _ in range(amount(4, self.size)):
            one, two = next(self.clean), next(self.clean)
            last, first = self.learners[one].last_name, self.learners[one].first_name
            self._rename(two, last, first)
            self._pair("homonyms", one, two, "created", "two people of one name, different e-mails")
        for n in range(amount(4, self.size)):
            one, two = next(self.clean), next(self.clean)
            last, born = self.learners[one].last_name, self.learners[one].born
            turned = TWINS[n % len(TWINS) :] + TWINS[: n % len(TWINS)]
            # Nobody else may bear either name: that would be homonyms the ledger does not know.
            names = next(
                pair for pair in turned if not self.names & {same_name_key(last, first) for first in pair}
            )
            self.names |= {same_name_key(last, first) for first in names}
            self._rename(one, last, names[0])
            self._rename(two, last, names[1])
            self._set(two, born=born)
            self._pair("twins", one, two, "created", "same last name and birth date, near first names")
        for last, first in _HOSTILE:
            index = next(self.clean)
            self._rename(index, last, first)
            self._dirty("hostile_name", "created", "a name that must come out as text", index)

    def _set(self, index: int, **fields: Any) -> None:
        self.learners[index] = replace(self.learners[index], **fields)

    def _rename(self, index: int, last: str, first: str) -> None:
        email = self.mail.personal(last, first, self.learners[index].born)
        self._set(index, last_name=last, first_name=first, email=email, portal_email=email)

    def _dirty(self, kind: str, expected: str, note: str, index: int | None = None, **fields: Any) -> Learner:
        index = next(self.clean) if index is None else index
        self._set(index, **fields)
        learner = self.learners[index]
        self.dirt.append(Dirt(kind, (learner.identity,), "learner", expected, note))
        return learner

    def _pair(self, kind: str, one: int, two: int, expected: str, note: str) -> None:
        identities = self.learners[one].identity, self.learners[two].identity
        self.dirt.append(Dirt(kind, identities, "learner", expected, note))

    # What people had made in Edusign by hand

    def _hand_made_people(self) -> None:
        for n in range(amount(6, self.size)):
            learner = self._plain_learner()
            # Half of them typed in capitals, the phone as that person spells phones.
            name = learner.last_name.upper() if n % 2 else learner.last_name
            self._hand(learner.identity, name, learner.first_name, learner.email, learner.phone)
            self._met("same_person", learner, None, "linked", "same e-mail and name", same=True)
        for _ in range(amount(5, self.size)):
            learner = self._plain_learner()
            email = self.mail.personal(learner.last_name, learner.first_name, learner.born)
            self._hand(learner.identity, learner.last_name, learner.first_name, email, learner.phone)
            self._met("same_person_other_email", learner, None, "blocked_same", email, same=True)
        for _ in range(amount(4, self.size)):
            learner, other = self._plain_learner(), self._identity()
            email = self.mail.personal(learner.last_name, learner.first_name, learner.born)
            self._hand(other, learner.last_name, learner.first_name, email, "")
            self._met("namesake", learner, other, "blocked_different", "another person", same=False)
        self.strangers = [self._stranger() for _ in range(amount(5, self.size))]
        for identity in self.strangers:
            self.dirt.append(Dirt("stranger", (identity,), "learner", "foreign", "nobody of the ERP"))
        for _ in range(amount(3, self.size)):
            learner = self._plain_learner()
            self._hand(
                learner.identity, learner.last_name, learner.first_name, learner.email, learner.phone, True
            )
            self._met("archived", learner, None, "restored", "archived, same e-mail and name", same=True)
        for _ in range(amount(1, self.size)):
            learner, other = self._plain_learner(), self._identity()
            last, first = self._name()
            self._hand(other, last, first, learner.email, "", True)
            note = "archived: somebody else who once had this e-mail"
            self._met("archived_other_name", learner, other, "held_name", note, same=False)
        own, shared = self.staff[0], self.staff[1]
        self.speaker = own.identity
        for person, schools in ((own, []), (shared, ["this-school", "another-school"])):
            fields: dict[str, Any] = {
                "FIRSTNAME": person.first_name, "LASTNAME": person.last_name,
                "EMAIL": person.email, "PHONE": "",
            }  # fmt: skip
            if schools:
                fields["SCHOOL_ID"] = schools
            self.handmade.append(HandMade("speaker", person.identity, fields))
        self.dirt.append(
            Dirt("same_speaker", (own.identity,), "speaker", "linked", "same e-mail and name", True)
        )
        self.dirt.append(
            Dirt("shared_speaker", (shared.identity,), "speaker", "read_only", "of several schools", True)
        )

    def _plain_learner(self) -> Learner:
        """A learner without dirt, whose two e-mails are one, so that any choice of e-mail meets theirs."""
        index = next(self.clean)
        self._set(index, portal_email=self.learners[index].email)
        return self.learners[index]

    def _hand(
        self, identity: str, last: str, first: str, email: str, phone: str, archived: bool = False
    ) -> None:
        fields = {"FIRSTNAME": first, "LASTNAME": last, "EMAIL": email, "PHONE": phone}
        self.handmade.append(HandMade("learner", identity, fields, archived))

    def _met(
        self, kind: str, learner: Learner, other: str | None, expected: str, note: str, same: bool
    ) -> None:
        identities = (learner.identity,) if other is None else (learner.identity, other)
        self.dirt.append(Dirt(kind, identities, "learner", expected, note, same))

    def _stranger(self) -> str:
        identity = self._identity()
        last, first = self._name()
        email = self.mail.personal(last, first, birth_date(self.draw, 2000, 9))
        self._hand(identity, last, first, email, phone_spelling(self.draw, phone_number(self.draw)))
        return identity

    def _hand_made_rest(self) -> None:
        """A group and two future sheets, at an hour when the ERP plans nothing."""
        group = f"G{self.group_count + 1:03d}"
        members = list(self.strangers)
        self.handmade.append(HandMade("group", group, {"NAME": "Rattrapage", "STUDENTS": members}))
        self.dirt.append(Dirt("handmade_group", (group,), "group", "foreign", "made by hand"))
        linked = [d.identities[0] for d in self.dirt if d.kind == "same_person"]
        for n in range(amount(2, self.size)):
            self.session_count += 1
            identity = f"S{self.session_count:05d}"
            day = self.start + timedelta(days=2 + n % 4)
            start = true_instant(day, time(17, 0), self.zone)
            end = true_instant(day, time(18, 30), self.zone)
            assert start is not None and end is not None
            fields = {
                "NAME": f"Soutien {n + 1}", "START": _raw(start), "END": _raw(end),
                "PROFESSOR": self.speaker, "CLASSROOM": "CDI",
                "SCHOOL_GROUP": [] if n % 2 else [group], "STUDENTS": linked if n % 2 else members,
            }  # fmt: skip
            self.handmade.append(HandMade("sheet", identity, fields))
            self.dirt.append(Dirt("handmade_sheet", (identity,), "sheet", "foreign", "made by hand"))

    # Sessions

    def _sessions(self) -> tuple[Session, ...]:
        self.session_count = 0
        self.members: dict[str, list[str]] = {group.identity: [] for group in self.groups}
        for learner in self.learners:
            if learner.left is None:
                self.members[learner.group].append(learner.identity)
        self.trainers = [person.identity for person in self.staff if person.trainer]
        self.draw.shuffle(self.trainers)
        sessions: list[Session] = []
        for week in range(self.weeks):
            for weekday in range(5):
                day = self.first + timedelta(days=7 * week + weekday)
                sessions += self._day(day, week, weekday)
        sessions += self._awkward_nights()
        return tuple(self._dirty_sessions(sessions))

    def _day(self, day: date, week: int, weekday: int) -> Iterable[Session]:
        for n, group in enumerate(self.groups):
            turn = week * 10 + weekday * 2
            helpers: tuple[str, ...] = ()
            spare = self.group_count + n // 10
            if weekday == 1 and n % 10 == week % 10 and spare < len(self.trainers):
                helpers = (self._trainer(spare, turn),)  # no group's turn: free at that hour
            if self.draw.chance(0.2):
                yield self._session(n, turn, day, time(9), time(10, 30), (group.identity,), helpers)
                yield self._session(n, turn, day, time(10, 45), time(12), (group.identity,))
            else:
                yield self._session(n, turn, day, time(9), time(12), (group.identity,), helpers)
            shared = weekday == 2 and n // 2 % 8 == week % 8 and n - n % 2 + 1 < self.group_count
            if shared and n % 2:
                continue  # taught together with the group before
            together = (group.identity, self.groups[n + 1].identity) if shared else (group.identity,)
            yield self._session(n, turn + 1, day, time(13, 30), time(16, 30), together)

    def _trainer(self, n: int, turn: int) -> str:
        """Group `n`'s trainer at one hour: all groups' differ, and they rotate from hour to hour."""
        return self.trainers[(n + turn) % len(self.trainers)]

    def _session(
        self,
        n: int,
        turn: int,
        day: date,
        start: time,
        end: time | None,
        groups: tuple[str, ...],
        helpers: tuple[str, ...] = (),
    ) -> Session:
        self.session_count += 1
        remote = self.draw.chance(0.03)
        return Session(
            identity=f"S{self.session_count:05d}",
            subject=_SUBJECTS[(n * 3 + turn) % len(_SUBJECTS)],
            day=day,
            start=start,
            end=end,
            groups=groups,
            learners=tuple(learner for group in groups for learner in self.members[group]),
            staff=(self._trainer(n, turn), *helpers),
            rooms=() if remote else (self.rooms[(n + turn) % len(self.rooms)].code,),
            remote=remote,
        )

    def _awkward_nights(self) -> Iterable[Session]:
        """Sessions on the nights when the clock changes. `true_instant` takes the first of two."""
        group = (self.groups[0].identity,)
        if self.first <= AUTUMN_NIGHT <= self.last:
            yield self._session(0, 0, AUTUMN_NIGHT, time(0, 15), time(1, 15), group)
            for n, (start, end) in enumerate(((time(1, 30), time(2, 30)), (time(2, 15), time(3, 15)))):
                group = (self.groups[n % self.group_count].identity,)
                session = self._session(n, 0, AUTUMN_NIGHT, start, end, group)
                note = f"{start:%H:%M}-{end:%H:%M} touches the hour that comes twice: the first is meant"
                self.dirt.append(Dirt("ambiguous_time", (session.identity,), "sheet", "created", note))
                yield session
        if self.first <= SPRING_NIGHT <= self.last:
            yield self._session(0, 0, SPRING_NIGHT, time(0, 15), time(1, 15), group)
            yield self._session(0, 0, SPRING_NIGHT, time(1, 30), time(3, 30), group)
            if self.nonexistent_times:
                session = self._session(1, 0, SPRING_NIGHT, time(2, 15), time(3, 15), group)
                note = "02:15 does not exist that night"
                self.dirt.append(Dirt("nonexistent_time", (session.identity,), "sheet", "no_sheet", note))
                yield session

    def _dirty_sessions(self, sessions: list[Session]) -> list[Session]:
        """Dirt among the sessions of the six days after the start: seen by any horizon from then on."""
        early = [
            n
            for n, session in enumerate(sessions)
            if self.start < session.day <= self.start + timedelta(days=6) and session.day.weekday() < 5
            and len(session.groups) == 1 and len(session.staff) == 1
        ]  # fmt: skip
        self.draw.shuffle(early)
        chosen = iter(early)
        kinds: tuple[tuple[str, int, dict[str, Any], str], ...] = (
            ("no_end", 3, {"end": None}, "no end time"),
            ("no_learners", 2, {"learners": ()}, "nobody on the list"),
            ("no_trainer", 2, {"staff": ()}, "no trainer named"),
        )
        for kind, per_2000, fields, note in kinds:
            for _ in range(amount(per_2000, self.size)):
                n = next(chosen)
                sessions[n] = replace(sessions[n], **fields)
                self.dirt.append(Dirt(kind, (sessions[n].identity,), "sheet", "no_sheet", note))
        return sessions


def _raw(at: datetime) -> str:
    """An instant as Edusign writes it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
