"""The Hyperplanning simulator's own numbers: courses that hold many sessions, TD groups, parents, rubrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from connectors.hyperplanning.simulator.switches import HyperplanningSwitches
from connectors.simulation.control import Control
from connectors.simulation.erp_rows import GroupRow, LearnerRow, Row, SessionRow, StaffRow
from connectors.simulation.erp_store import ErpStore, Numbered
from connectors.simulation.school import School

_FIRST: dict[Numbered, int] = {"learner": 2001, "speaker": 301, "group": 41, "sheet": 5001, "absence": 7001}
_FIRST_SUBJECT = 61
_PARENTS_FROM = 50000
_UNPLACED = 99001

SITES, KINDS_OF_COURSE = "1", "3"
"""Keys of two families: learners by site, courses by kind."""


@dataclass(frozen=True)
class Course:
    """A course: one subject for the same groups, on many dates. `parent`: it only gathers its children."""

    key: int
    subject: str
    groups: tuple[str, ...]
    parent: bool = False


class Store(ErpStore):
    """All rows of one simulated school. A session is named by its course and its start."""

    takes_absences = True
    silent: Mapping[str, frozenset[str]] = {"learner": frozenset({"phone"})}

    def __init__(self, school: School, control: Control, switches: HyperplanningSwitches) -> None:
        every = switches.td_every
        self._tds = {
            group.identity: school.groups[n - 1].identity
            for n, group in enumerate(school.groups)
            if every > 1 and n % every == every - 1
        }
        self.courses: dict[tuple[str, tuple[str, ...]], Course] = {}
        super().__init__(school, control)
        self.switches = switches
        # Promotions and TD groups count apart, from the same number.
        for mine in (self.promotions(), self.tdoptions()):
            for n, row in enumerate(mine):
                row.code = _FIRST["group"] + n

    def number(self, kind: Numbered, n: int) -> int:
        return _FIRST[kind] + n

    def session_number(self, row: SessionRow) -> int:
        """The number of its course: one per subject and groups."""
        of = row.subject, tuple(row.groups)
        if of not in self.courses:
            self.courses[of] = Course(_FIRST["sheet"] + len(self.courses), *of)
        return self.courses[of].key

    def key(self, row: Row) -> str:
        if isinstance(row, SessionRow):
            return f"{row.code}@{row.day}T{row.start:%H:%M}"
        if isinstance(row, GroupRow) and row.identity in self._tds:
            return f"td-{row.code}"
        return str(row.code)

    def group_name(self, row: GroupRow) -> str:
        """A TD group's with its promotion's before it: alone it says little."""
        above = self._tds.get(row.identity)
        return row.name if above is None else f"{self.groups[above].name} {row.name}"

    # What there is

    def promotions(self) -> list[GroupRow]:
        return [one for one in self.groups.values() if one.identity not in self._tds]

    def tdoptions(self) -> list[GroupRow]:
        return [one for one in self.groups.values() if one.identity in self._tds]

    def is_td(self, identity: str) -> bool:
        return identity in self._tds

    def promotion_of(self, td: GroupRow) -> GroupRow:
        return self.groups[self._tds[td.identity]]

    def teachers(self) -> list[StaffRow]:
        return [one for one in self.staff.values() if one.trainer]

    def listed(self) -> list[LearnerRow]:
        """The learners of the base."""
        deleted = self.switches.departed == "deleted"
        return [
            one for one in self.learners.values() if not one.removed and not (deleted and self.departed(one))
        ]

    def in_group(self, group: GroupRow) -> list[LearnerRow]:
        return [one for one in self.listed() if one.group == group.identity and not self.departed(one)]

    def subject_key(self, subject: str) -> int:
        return _FIRST_SUBJECT + self.subjects[subject]

    def all_courses(self) -> Iterator[Course]:
        """Courses, their parents (of those taught to several groups together), and one that is unplaced."""
        for course in self.courses.values():
            yield course
            if len(course.groups) > 1:
                yield Course(course.key + _PARENTS_FROM, course.subject, course.groups, parent=True)
        yield Course(_UNPLACED, next(iter(self.subjects), ""), ())

    def course(self, key: str) -> Course | None:
        return next((one for one in self.all_courses() if str(one.key) == key), None)

    def placed(self) -> dict[int, list[SessionRow]]:
        """The sessions that take place, by course, those of parents too; one without an end has no place."""
        found: dict[int, list[SessionRow]] = {}
        for one in self.sessions.values():
            if one.cancelled or one.end is None:
                continue
            found.setdefault(one.code, []).append(one)
            if len(one.groups) > 1:
                found.setdefault(one.code + _PARENTS_FROM, []).append(one)
        for sessions in found.values():
            sessions.sort(key=lambda one: (one.day, one.start))
        return found

    def courses_between(self, first: date, last: date) -> list[Course]:
        """The courses with a session on one of these days."""
        placed = self.placed()
        return [
            one
            for one in self.all_courses()
            if any(first <= session.day <= last for session in placed.get(one.key, ()))
        ]

    # Families and rubrics

    def rubrics_of_learner(self, one: LearnerRow, family: str) -> list[int]:
        return [10 + self.school.sites.index(one.site)] if family == SITES else []

    def rubrics_of_course(self, one: Course, family: str) -> list[int]:
        if family != KINDS_OF_COURSE or one.subject not in self.subjects:
            return []
        return [30 + self.subjects[one.subject] % 2]
