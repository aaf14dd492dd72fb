"""The Yparéo simulator's own numbers, and what it lists; rows and hands are those of any ERP's store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from connectors.simulation.control import Control
from connectors.simulation.erp_rows import LearnerRow, SessionRow
from connectors.simulation.erp_store import ErpStore, Numbered
from connectors.simulation.school import School
from connectors.ypareo.simulator.switches import YpareoSwitches

_FIRST: dict[Numbered, int] = {
    "learner": 70001,
    "speaker": 501,
    "group": 1201,
    "sheet": 900001,
    "absence": 40001,
}
_FIRST_SUBJECT = 61
_ENROLMENTS = 240000

MOTIVES: dict[str, int] = {"Absence injustifiée": 1, "Maladie": 2, "Retard": 3, "Convocation officielle": 4}
"""The school's motives of absence, code by name."""


class Store(ErpStore):
    """All rows of one simulated school, with the codes Yparéo gives its periods, formations and subjects."""

    takes_absences = True
    editable: Mapping[str, tuple[str, ...]] = {
        **ErpStore.editable,
        "learner": (*ErpStore.editable["learner"], "portal_email"),
    }

    def __init__(self, school: School, control: Control, switches: YpareoSwitches) -> None:
        super().__init__(
            school,
            control,
            moved_session_code=switches.moved_session_code,
            departed_off_sessions=switches.departed_off_sessions,
            portal_follows=switches.portal_follows,
        )
        self.switches = switches
        year = school.first.year if school.first.month >= 9 else school.first.year - 1
        self.periods = {11 + n: (date(year - 1 + n, 9, 1), date(year + n, 8, 31)) for n in range(3)}
        self.period = 12
        self.motives = dict(MOTIVES)
        self.courses: dict[str, int] = {}
        for group in school.groups:
            self.courses.setdefault(group.course, 31 + len(self.courses))

    def number(self, kind: Numbered, n: int) -> int:
        return _FIRST[kind] + n

    def enrolment(self, one: LearnerRow) -> int:
        """The code of this year's inscription."""
        return one.code + _ENROLMENTS

    def motive_code(self, reason: str) -> int:
        """The code of a motive; a new one where somebody typed it first."""
        return self.motives.setdefault(reason, 1 + len(self.motives))

    def session_room(self, row: SessionRow) -> str:
        """Room codes: no route tells what rooms are called."""
        return ", ".join(map(str, row.rooms))

    def subject_code(self, one: SessionRow) -> int:
        """The code of its matière."""
        return _FIRST_SUBJECT + self.subjects[one.subject]

    def listed(self, one: LearnerRow) -> bool:
        return not one.removed and (self.switches.departed_listed or not self.departed(one))
