"""The Aimaira simulator's own keys, and what a row of an event holds; people's hands are any ERP's store's.

Keys come from one sequence for all entities (documented): no two records of any kind share one. What a row says
of attendance is kept as an absence of the store, so that people's hands and the API write the same thing; what
else a PUT set is kept beside it, as it was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from connectors.aimaira.simulator.switches import AimairaSwitches
from connectors.simulation.control import Control, ControlError
from connectors.simulation.erp_rows import AbsenceRow, AbsenceState, SessionRow
from connectors.simulation.erp_store import ErpStore, Numbered
from connectors.simulation.school import School, true_instant

FIRST, STEP = 410_000, 20
_SLOT: Mapping[Numbered, int] = {"learner": 0, "speaker": 4, "group": 6, "sheet": 7, "absence": 9}
MAIL, MOBILE, ENROLMENT, MEETING = 1, 2, 3, 1
"""Offsets from the key of a learner (a teacher's mail: MAIL) or event to those of what belongs to it."""

MARKS = ("Debut", "Fin", "Presence", "Exclusion", "Depart", "Retard", "ControlePresence", "MotifId")
"""The fields of a row that say how somebody stood."""
_MINUTE = timedelta(minutes=1)


def key(slot: int, n: int) -> int:
    """The key of the `n`th record of a sort."""
    return FIRST + n * STEP + slot


@dataclass(frozen=True)
class Motive:
    """A reason for an absence; `excused`: whether it justifies."""

    name: str
    excused: bool


MOTIVES = (
    Motive("Maladie", True),
    Motive("Absence injustifiée", False),
    Motive("Convocation", True),
    Motive("Transport", False),
)
"""The reasons every school begins with."""


def motive_key(place: int) -> int:
    """The MotifId of a reason by its place."""
    return key(13, place)


class AimairaStore(ErpStore):
    """One school's Aimaira."""

    takes_absences = True

    def __init__(self, school: School, control: Control, switches: AimairaSwitches) -> None:
        super().__init__(school, control, departed_off_sessions=switches.departed_off_sessions)
        self.switches = switches
        year = school.first.year if school.first.month >= 9 else school.first.year - 1
        self.year = (date(year, 9, 1), date(year + 1, 8, 31))
        self.former: list[tuple[str, str, datetime]] = []
        """Memberships that ended: learner, group, when."""
        self.motives: list[Motive] = list(MOTIVES)
        self.group_only: set[str] = set()
        """Sessions on which only a group stands."""
        self.copied: dict[str, tuple[date, time, time | None]] = {}
        """The times that were copied to a session's rows, where those differ from its own."""
        self.version = 0
        """Raised by what changes rows and stands in no ledger."""
        self.besides: dict[int, dict[str, Any]] = {}
        """By row: what a PUT set apart from the marks."""
        self._marks: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._by_place: dict[tuple[str | None, str], list[AbsenceRow]] = {}
        self._placed = 0
        self._row_keys: dict[tuple[str, str], int] = {}
        self._row_of: dict[int, tuple[str, str]] = {}
        self._memberships: dict[tuple[str, str], int] = {}

    def number(self, kind: Numbered, n: int) -> int:
        return key(_SLOT[kind], n)

    @property
    def hands(self) -> Mapping[str, Any]:
        """Those of any ERP, and what only this one has."""
        return {**super().hands, "only_group": self.only_group, "copy_times": self.copy_times}

    # What people do here beyond what any ERP's do

    def only_group(self, identity: str, who: str = "") -> None:
        """Plan the session for its group as a whole: no learner stands on it any more."""
        self.group_only.add(identity)
        self._change(self._session(identity), "edit", "learners", [], who)

    def copy_times(self, identity: str) -> None:
        """Bring the session's times to its rows, as the vendor asks whoever moves one to do."""
        self.copied.pop(self._session(identity).identity, None)
        self.version += 1

    def move_learner(self, identity: str, group: str, who: str = "") -> None:
        """As any ERP's; the membership of before stays, with its end."""
        before = self._learner(identity).group
        super().move_learner(identity, group, who)
        self.former.append((identity, before, self.control.now()))

    def move_session(self, identity: str, *args: Any, **kwargs: Any) -> None:
        """As any ERP's; the rows keep the times they had."""
        one = self._session(identity)
        before = (one.day, one.start, one.end)
        super().move_session(identity, *args, **kwargs)
        if before != (one.day, one.start, one.end):
            self.copied.setdefault(identity, before)

    # Keys

    def row_key(self, session: str, who: str) -> int:
        """The key of what stands on a session: a person, a group, a room (`room:CODE`)."""
        pair = (session, who)
        if pair not in self._row_keys:
            self._row_keys[pair] = 50_000_000 + len(self._row_keys)
            self._row_of[self._row_keys[pair]] = pair
        return self._row_keys[pair]

    def row_of(self, row: int) -> tuple[str, str] | None:
        """(session, who) of a row."""
        return self._row_of.get(row)

    def membership_key(self, learner: str, group: str) -> int:
        return self._memberships.setdefault((learner, group), 90_000_000 + len(self._memberships))

    def motive_key(self, reason: str, justified: bool) -> int:
        """The MotifId of a reason, 0 for none."""
        if not reason and not justified:
            return 0
        motive = Motive(reason or "Justifié", justified)
        if motive not in self.motives:
            self.motives.append(motive)
        return motive_key(self.motives.index(motive))

    def motive(self, number: int) -> Motive | None:
        """The reason behind a MotifId, None for one that is no reason's."""
        n, rest = divmod(number - FIRST - 13, STEP)
        return self.motives[n] if not rest and 0 <= n < len(self.motives) else None

    # Instants

    def times(self, one: SessionRow) -> tuple[datetime | None, datetime | None]:
        """When a session begins and ends."""
        zone = self.school.zone
        return true_instant(one.day, one.start, zone), true_instant(one.last_day, one.end, zone)

    def copied_times(self, one: SessionRow) -> tuple[datetime | None, datetime | None]:
        """The same as its rows have it."""
        if self.switches.row_times == "follow" or one.identity not in self.copied:
            return self.times(one)
        day, start, end = self.copied[one.identity]
        last = day + timedelta(days=1) if end is not None and end <= start else day
        return true_instant(day, start, self.school.zone), true_instant(last, end, self.school.zone)

    def written(self, at: datetime | None) -> str | None:
        """An instant as the service writes it: the school's wall time, with its offset."""
        return None if at is None else at.astimezone(self.zone).isoformat()

    # Marks

    def noted(self, one: SessionRow, person: str) -> AbsenceRow | None:
        """What is noted of a person on a session; of absences between two times, on all sessions they touch."""
        for row in self.absences[self._placed :]:
            self._by_place.setdefault((row.session, row.identity), []).append(row)
        self._placed = len(self.absences)
        for row in reversed(self._by_place.get((one.identity, person), ())):
            if row.removed is None:
                return row
        begins = datetime.combine(one.day, one.start)
        ends = datetime.combine(one.last_day, one.end or one.start)
        for row in self._by_place.get((None, person), ()):
            if row.removed is None and begins < row.last and ends > row.first:
                return row
        return None

    def marks(self, row: int, one: SessionRow, absence: AbsenceRow | None) -> dict[str, Any]:
        """The marks of a row: as they were sent, unless somebody changed what they said since."""
        if row in self._marks and self._marks[row][0] == _content(absence):
            return self._marks[row][1]
        first, last = self.copied_times(one)
        found: dict[str, Any] = {
            "Debut": self.written(first), "Fin": self.written(last), "Presence": True, "Exclusion": False,
            "Depart": False, "Retard": False, "ControlePresence": None, "MotifId": 0,
        }  # fmt: skip
        if absence is None:
            return found
        found["Presence"] = absence.state != "absent"
        found["Exclusion"] = absence.state == "excluded"
        found["MotifId"] = self.motive_key(absence.reason, absence.justified)
        begins, ends = self.times(one)
        if absence.state == "late" and begins is not None:
            found |= {"Retard": True, "Debut": self.written(begins + absence.minutes * _MINUTE)}
        if absence.state == "left_early" and ends is not None:
            found |= {"Depart": True, "Fin": self.written(ends - absence.minutes * _MINUTE)}
        found["ControlePresence"] = self.written(begins)
        return found

    def put(self, route: str, row: int, sent: Mapping[str, Any], besides: Mapping[str, Any]) -> None:
        """Replace a row's marks by `sent` (every one of MARKS), and what else of it is no more as it was by
        `besides`. Raises ControlError where a reason is none."""
        session, person = self._row_of[row]
        one = self.sessions[session]
        absence = self.noted(one, person)
        marks = {name: sent[name] for name in MARKS}
        state, minutes = self._state(one, marks)
        motive = Motive("", False)
        if marks["MotifId"]:
            found = self.motive(marks["MotifId"])
            if found is None:
                raise ControlError(f"MotifId {marks['MotifId']} does not exist")
            motive = found
        said = {"state": state, "minutes": minutes, "justified": motive.excused, "reason": motive.name}
        if marks["ControlePresence"] is None and not marks["MotifId"]:
            if absence is not None:
                self.erase_absence(route, absence)
                absence = None
            else:
                self._unsaid(route, row, person, dict(besides) != self.besides.get(row, {}))
        elif absence is not None and absence.session is not None:
            self.rewrite_absence(route, absence, **said)
        else:
            first, last = self._interval(session, "", "")
            absence = self.write_absence(
                route, identity=person, first=first, last=last, session=session, state=state, minutes=minutes,
                justified=motive.excused, reason=motive.name,
            )  # fmt: skip
        self._marks[row] = (_content(absence), marks)
        self.besides[row] = dict(besides)

    def _state(self, one: SessionRow, marks: Mapping[str, Any]) -> tuple[AbsenceState, int]:
        begins, ends = self.times(one)
        if marks["Exclusion"]:
            return "excluded", 0
        if not marks["Presence"]:
            return "absent", 0
        if marks["Retard"]:
            return "late", _minutes(begins, _moment(marks["Debut"]))
        if marks["Depart"]:
            return "left_early", _minutes(_moment(marks["Fin"]), ends)
        return "present", 0

    def _unsaid(self, route: str, row: int, person: str, effective: bool) -> None:
        """A PUT that says nothing of attendance."""
        self.control.committing()
        self.control.wrote(
            route=route, verb="update", kind="absence", id=str(row), identity=person, effective=effective
        )


def _content(absence: AbsenceRow | None) -> Any:
    if absence is None:
        return None
    return (absence.code, absence.state, absence.minutes, absence.justified, absence.reason)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _minutes(since: datetime | None, until: datetime | None) -> int:
    if since is None or until is None:
        return 0
    return max(0, (until - since) // _MINUTE)
