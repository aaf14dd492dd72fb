"""Attendance: how one person stood on one sheet, as one side says: what an absence export carries.

Like the records, an attendance carries what a side said; ids are those of the side that spoke.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from engine.records import Frozen, Learner, Seen, Sheet, Speaker

AttendanceState: TypeAlias = Literal["present", "absent", "excluded", "awaiting"]
Attendee: TypeAlias = Literal["learner", "speaker"]
Carried: TypeAlias = Literal[
    "absent", "present", "late", "left_early", "excluded", "justified", "reason", "speaker"
]
"""What an ERP's write can express; the rest is not sent there."""


class Reason(Frozen):
    """A reason for an absence, from one side's own list. `justifies`: whether an absence of this reason counts
    as justified there; None where that side does not say. `late`: whether it is a reason of lateness."""

    id: str
    name: str
    justifies: bool | None = None
    late: bool = False


class Attendance(Frozen):
    """One person on one sheet (for an ERP: on one session).

    `late` and `left_early`: whole minutes missed at the beginning and before the end, of somebody present.
    `justified`: accepted by that side's people. `reason`: id of a Reason of that side, "" for none.
    `key`, `first` and `last` are an ERP's own: its id of the row ("" where rows have none) and the UTC instants
    the row covers (None: the whole session).
    """

    sheet: str
    person: str
    kind: Attendee = "learner"
    state: AttendanceState
    late: int = 0
    left_early: int = 0
    justified: bool = False
    reason: str = ""
    comment: str = ""
    key: str = ""
    first: datetime | None = None
    last: datetime | None = None


class Standing(Frozen):
    """What an ERP holds for some sessions: an attendance per (session, person) it has any row of.

    Where `complete` is False, `fault_line` says why as one line, and a missing row proves nothing."""

    attendances: tuple[Attendance, ...] = ()
    complete: bool = True
    fault_line: str = ""


class RollCall(Frozen):
    """One sheet of the attendance platform, and how everybody on it stood: its learners and its speakers.

    A speaker is "present" when signed; "absent" says no more than that a locked sheet lacks the signature.
    """

    seen: Seen
    attendances: tuple[Attendance, ...] = ()


class RollCalls(Frozen):
    """Every sheet of a span of dates that has begun, in full.

    Where `complete` is False, `fault` (a FaultCode value) and `fault_line` say why, and a missing sheet
    proves nothing. `pages` counts the pages read.
    """

    sheets: tuple[RollCall, ...] = ()
    complete: bool = True
    fault: str = ""
    fault_line: str = ""
    pages: int = 0


class FormRow(Frozen):
    """One line of a form by which a person brings an attendance into an ERP that takes no write."""

    session: Sheet
    person: Learner | Speaker
    attendance: Attendance
    reason_name: str = ""
