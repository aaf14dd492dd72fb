"""The SC-Form simulator's own numbers: sociétés, enrolments, troncs communs; rows and hands are any ERP's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from connectors.scform.simulator.switches import ScFormSwitches
from connectors.simulation.control import Control
from connectors.simulation.erp_rows import GroupRow, LearnerRow, Row, SessionRow
from connectors.simulation.erp_store import ErpStore, Numbered
from connectors.simulation.school import School

SOCIETIES = {1: "Institut des Métiers", 2: "Institut des Métiers Sud"}
_SECOND = "Campus Sud"
"""The site whose groups belong to the second société."""

_FIRST: dict[Numbered, int] = {"learner": 3001, "speaker": 41, "group": 711, "sheet": 67001, "absence": 1}
_FIRST_ENROLMENT = 20001
_SHARED_ACTIONS = 90001


@dataclass(frozen=True)
class Enrolment:
    """One person in one action, first and last day included; `last` None while it lasts."""

    id: int
    learner: LearnerRow
    group: GroupRow
    first: date
    last: date | None


@dataclass(frozen=True)
class AbsenceType:
    """A row of TYPABSEN."""

    id: int
    reference: str
    name: str
    late: bool = False
    justified: bool = False


TYPES = (
    AbsenceType(1, "ABS", "Absence injustifiée"),
    AbsenceType(2, "MAL", "Maladie", justified=True),
    AbsenceType(3, "RET", "Retard", late=True),
    AbsenceType(4, "AJ", "Absence justifiée", justified=True),
    AbsenceType(5, "EXC", "Exclusion"),
)


class Store(ErpStore):
    """All rows of one simulated school, spread over two sociétés."""

    takes_absences = True

    def __init__(self, school: School, control: Control, switches: ScFormSwitches) -> None:
        super().__init__(school, control)
        self.switches = switches
        self.year = date(school.first.year if school.first.month >= 8 else school.first.year - 1, 9, 1)
        self._enrolled: dict[tuple[str, str], tuple[int, date]] = {}
        self._over: dict[tuple[str, str], date] = {}
        self._shared: dict[tuple[str, ...], int] = {}
        for one in self.learners.values():
            self._enrol(one, self.year)
        for session in self.sessions.values():
            self.action_of(session)

    def number(self, kind: Numbered, n: int) -> int:
        return _FIRST[kind] + n

    def key(self, row: Row) -> str:
        return f"S{row.code}" if isinstance(row, SessionRow) else str(row.code)

    # What people do, with what only SC-Form keeps of it

    def add_learner(self, identity: str, *given: Any, **more: Any) -> int:
        code = super().add_learner(identity, *given, **more)
        self._enrol(self.learners[identity], self.today())
        return code

    def move_learner(self, identity: str, group: str, who: str = "") -> None:
        """The enrolment in the old action ends, one in the new action begins."""
        old = self._learner(identity).group
        super().move_learner(identity, group, who)
        self._over[identity, old] = self.today() - timedelta(days=1)
        self._over.pop((identity, group), None)
        self._enrol(self.learners[identity], self.today())

    # What is asked

    def society_of(self, group: str) -> int:
        """The société of a group, by its site."""
        return 2 if self.groups[group].origin.site == _SECOND else 1

    def society_of_session(self, one: SessionRow) -> int:
        """That of its first group."""
        return self.society_of(one.groups[0]) if one.groups else 1

    def action_of(self, one: SessionRow) -> int:
        """The action of a session: its group's, or a tronc commun where it has several."""
        if len(one.groups) == 1:
            return self.groups[one.groups[0]].code
        return self._shared.setdefault(tuple(one.groups), _SHARED_ACTIONS + len(self._shared))

    def shared_actions(self, society: int) -> Iterator[tuple[int, str]]:
        """The troncs communs of a société, each with a name."""
        for groups, id in self._shared.items():
            if groups and self.society_of(groups[0]) == society:
                yield id, f"TC {' + '.join(self.groups[group].name for group in groups)}"

    def enrolments(self) -> Iterator[Enrolment]:
        """All there ever were of people who are not deleted: this year's, and one in three's last year."""
        for (identity, group), (id, first) in self._enrolled.items():
            learner = self.learners[identity]
            if learner.removed:
                continue
            last = self._over.get((identity, group))
            if last is None and learner.left is not None:
                there = self.switches.exit_day == "last_there"
                last = learner.left - timedelta(days=1) if there else learner.left
            yield Enrolment(id, learner, self.groups[group], first, last)
            if learner.code % 3 == 0:
                before = self.year.replace(year=self.year.year - 1)
                yield Enrolment(id + 500000, learner, self.groups[group], before, self.year - timedelta(days=2))

    def enrolment_on(self, one: SessionRow, identity: str) -> Enrolment:
        """The enrolment by which somebody is on a session: in its group where they have one."""
        learner = self.learners[identity]
        groups = [*(group for group in one.groups if (identity, group) in self._enrolled), learner.group]
        id, first = self._enrolled[identity, groups[0]]
        return Enrolment(id, learner, self.groups[groups[0]], first, None)

    def _enrol(self, one: LearnerRow, first: date) -> None:
        key = (one.identity, one.group)
        if key not in self._enrolled:
            self._enrolled[key] = (_FIRST_ENROLMENT + len(self._enrolled), first)
