"""The rows every simulated ERP keeps, under hidden identities and in neutral words.

Rows refer to each other by hidden identity; times are the school's wall times. `code` is the vendor's own
number of the record; what a sync calls it is the store's `key` of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal, TypeAlias

from connectors.simulation.school import Group

AbsenceState: TypeAlias = Literal["absent", "present", "late", "left_early", "excluded", "awaiting"]
MadeBy: TypeAlias = Literal["api", "person"]


@dataclass
class LearnerRow:
    """A learner. `portal_email`: the second e-mail of those ERPs that have two, the rest never show it."""

    identity: str
    code: int
    last_name: str
    first_name: str
    born: date
    email: str
    portal_email: str
    phone: str
    site: str
    group: str
    left: date | None = None
    removed: bool = False


@dataclass
class StaffRow:
    """Somebody employed; only trainers hold sessions."""

    identity: str
    code: int
    last_name: str
    first_name: str
    born: date
    email: str
    trainer: bool
    administrative: bool


@dataclass
class GroupRow:
    """A class; `origin` says what it studies and where."""

    identity: str
    code: int
    name: str
    origin: Group


@dataclass
class SessionRow:
    """A class meeting. `end` None: nobody typed one; an end that is not after the start is the next day's."""

    identity: str
    code: int
    subject: str
    day: date
    start: time
    end: time | None
    groups: list[str]
    learners: list[str]
    staff: list[str]
    rooms: list[int]
    remote: bool
    cancelled: bool = False

    @property
    def last_day(self) -> date:
        """The day on which it ends."""
        overnight = self.end is not None and self.end <= self.start
        return self.day + timedelta(days=1) if overnight else self.day


@dataclass
class AbsenceRow:
    """How one person stood between two wall times: of `session` where it names one, else of that interval.

    `identity` is the person's. `minutes`: of lateness or of leaving early. `made_by` says who made the row,
    `changed_by_person` whether somebody in the ERP touched it since, `removed` who took it away, if anybody.
    """

    code: int
    identity: str
    session: str | None
    first: datetime
    last: datetime
    state: AbsenceState
    minutes: int
    justified: bool
    reason: str
    comment: str = ""
    made_by: MadeBy = "person"
    changed_by_person: bool = False
    removed: MadeBy | None = None

    @property
    def late(self) -> bool:
        return self.state == "late"


Row: TypeAlias = LearnerRow | StaffRow | GroupRow | SessionRow

KINDS: dict[type, str] = {LearnerRow: "learner", StaffRow: "speaker", GroupRow: "group", SessionRow: "sheet"}
"""The kind of record each row becomes."""
