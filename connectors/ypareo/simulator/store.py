"""The Yparéo simulator's own rows, and what people do to them in the ERP.

Rows refer to each other by hidden identity. Every edit enters the control plane's ledger with neutral field
names (last_name, email, day, start …), dates and times in ISO form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from connectors.simulation.control import Control, ControlError
from connectors.simulation.school import Group, School
from connectors.ypareo.simulator.switches import YpareoSwitches


@dataclass
class LearnerRow:
    """A learner; `enrolment` is the code of this year's inscription."""

    identity: str
    code: int
    enrolment: int
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
    """Somebody employed."""

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
    """A class."""

    identity: str
    code: int
    name: str
    origin: Group


@dataclass
class SessionRow:
    """A class meeting in wall time; references are hidden identities."""

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


@dataclass
class AbsenceRow:
    """An absence between two wall times."""

    code: int
    identity: str
    first: datetime
    last: datetime
    justified: bool
    late: bool
    reason: str


MOTIVES: dict[str, int] = {"Absence injustifiée": 1, "Maladie": 2, "Retard": 3, "Convocation officielle": 4}
"""The school's motives of absence, code by name."""

_EDITABLE: dict[type, tuple[str, ...]] = {
    LearnerRow: ("last_name", "first_name", "born", "email", "portal_email", "phone", "site"),
    StaffRow: ("last_name", "first_name", "email", "trainer", "administrative"),
    GroupRow: ("name",),
    SessionRow: ("subject", "rooms", "remote"),
}
_KINDS: dict[type, str] = {LearnerRow: "learner", StaffRow: "speaker", GroupRow: "group", SessionRow: "sheet"}


class Store:
    """All rows of one simulated school, and the hands of the people who keep them."""

    def __init__(self, school: School, control: Control, switches: YpareoSwitches) -> None:
        self.control = control
        self.switches = switches
        self.school = school
        self.zone = ZoneInfo(school.zone)
        year = school.first.year if school.first.month >= 9 else school.first.year - 1
        self.periods = {11 + n: (date(year - 1 + n, 9, 1), date(year + n, 8, 31)) for n in range(3)}
        self.period = 12
        self.subjects: dict[str, int] = {}
        self.courses: dict[str, int] = {}
        self.groups = {
            g.identity: GroupRow(g.identity, 1201 + n, g.name, g) for n, g in enumerate(school.groups)
        }
        self.learners = {
            one.identity: LearnerRow(
                one.identity, 70001 + n, 310001 + n, one.last_name, one.first_name, one.born, one.email,
                one.portal_email, one.phone, one.site, one.group, one.left,
            )
            for n, one in enumerate(school.learners)
        }  # fmt: skip
        self.staff = {
            one.identity: StaffRow(
                one.identity, 501 + n, one.last_name, one.first_name, one.born, one.email,
                one.trainer, one.administrative,
            )
            for n, one in enumerate(school.staff)
        }  # fmt: skip
        self.sessions: dict[str, SessionRow] = {}
        self._last_session_code = 900000
        for one in school.sessions:
            self.sessions[one.identity] = SessionRow(
                one.identity, self._session_code(), one.subject, one.day, one.start, one.end,
                list(one.groups), list(one.learners), list(one.staff), list(one.rooms), one.remote,
            )  # fmt: skip
        self.absences: list[AbsenceRow] = []
        self.motives = dict(MOTIVES)
        self._last_absence_code = 40000
        self._by_group: dict[str, list[SessionRow]] | None = None
        for group in school.groups:
            self.courses.setdefault(group.course, 31 + len(self.courses))
        for session in school.sessions:
            self.subjects.setdefault(session.subject, 61 + len(self.subjects))

    @property
    def hands(self) -> Mapping[str, Callable[..., Any]]:
        """What a person can do, by the name the control plane gives it."""
        return {
            "edit": self.edit,
            "add_learner": self.add_learner,
            "depart": self.depart,
            "remove_learner": self.remove_learner,
            "move_learner": self.move_learner,
            "add_session": self.add_session,
            "move_session": self.move_session,
            "cancel_session": self.cancel_session,
            "change_speaker": self.change_speaker,
            "swap_learners": self.swap_learners,
            "record_absence": self.record_absence,
            "change_absence": self.change_absence,
            "remove_absence": self.remove_absence,
        }

    # What people do in the ERP. Each raises ControlError where the order makes no sense.

    def edit(self, identity: str, field: str, value: Any, who: str = "") -> None:
        """Change one field of a learner, member of staff, group or session.

        `rooms` takes a list of room codes, `born` an ISO date."""
        row = self.row(identity)
        if field not in _EDITABLE[type(row)]:
            raise ControlError(f"a {_KINDS[type(row)]} has no field {field!r} to edit")
        follows = (
            isinstance(row, LearnerRow)
            and field == "email"
            and self.switches.portal_follows
            and row.email == row.portal_email
        )
        new = date.fromisoformat(value) if field == "born" else value
        if type(new) is not type(getattr(row, field)):
            raise ControlError(f"{field} takes {type(getattr(row, field)).__name__}")
        self._change(row, "edit", field, new, who)
        if follows:
            self._change(row, "edit", "portal_email", new, who)

    def add_learner(
        self,
        identity: str,
        last_name: str,
        first_name: str,
        email: str,
        group: str,
        phone: str = "",
        born: str = "2005-01-01",
        who: str = "",
    ) -> int:
        """Enrol somebody new; they join their group's sessions from now on. Answers the new code."""
        if identity in self.learners or identity in self.staff:
            raise ControlError(f"{identity} is there already")
        home = self._of(self.groups, group)
        code = max(one.code for one in self.learners.values()) + 1
        enrolment = max(one.enrolment for one in self.learners.values()) + 1
        row = LearnerRow(
            identity, code, enrolment, last_name, first_name, date.fromisoformat(born), email, email, phone,
            home.origin.site, group,
        )  # fmt: skip
        self.learners[identity] = row
        for session in self._ahead():
            if group in session.groups:
                session.learners.append(identity)
        after = {
            "last_name": last_name, "first_name": first_name, "email": email, "phone": phone, "group": group,
        }  # fmt: skip
        self._noted(row, "add", "", None, after, who)
        return code

    def depart(self, identity: str, on: str | None = None, who: str = "") -> None:
        """The learner leaves on a day (ISO; today without one)."""
        row = self._learner(identity)
        day = date.fromisoformat(on) if on else self.today()
        self._change(row, "depart", "left", day, who)
        if self.switches.departed_off_sessions:
            for session in self._ahead():
                if session.day > day and identity in session.learners:
                    session.learners.remove(identity)

    def remove_learner(self, identity: str, who: str = "") -> None:
        """Delete the learner from the ERP: no list and no single read shows them again."""
        row = self._learner(identity)
        for session in self.sessions.values():
            if identity in session.learners:
                session.learners.remove(identity)
        self._change(row, "remove", "removed", True, who)

    def move_learner(self, identity: str, group: str, who: str = "") -> None:
        """Put the learner in another group; the lists of coming sessions follow."""
        row = self._learner(identity)
        self._of(self.groups, group)
        if row.group == group:
            raise ControlError(f"{identity} is in {group} already")
        for session in self._ahead():
            if group in session.groups:
                if identity not in session.learners:
                    session.learners.append(identity)
            elif row.group in session.groups and identity in session.learners:
                session.learners.remove(identity)
        self._change(row, "move", "group", group, who)

    def add_session(
        self,
        identity: str,
        subject: str,
        day: str,
        start: str,
        end: str | None,
        groups: list[str],
        staff: list[str],
        rooms: list[int],
        who: str = "",
    ) -> int:
        """Plan a session for all present members of `groups`. Answers its code."""
        if identity in self.sessions:
            raise ControlError(f"{identity} is there already")
        for group in groups:
            self._of(self.groups, group)
        for person in staff:
            self._of(self.staff, person)
        learners = [
            one.identity
            for one in self.learners.values()
            if one.group in groups and one.left is None and not one.removed
        ]
        row = SessionRow(
            identity, self._session_code(), subject, date.fromisoformat(day), time.fromisoformat(start),
            time.fromisoformat(end) if end else None, list(groups), learners, list(staff), list(rooms), False,
        )  # fmt: skip
        self.sessions[identity] = row
        self.subjects.setdefault(subject, 61 + len(self.subjects))
        self._by_group = None
        after = {"subject": subject, "day": day, "start": start, "end": end, "groups": groups, "staff": staff}
        self._noted(row, "add", "", None, after, who)
        return row.code

    def move_session(
        self,
        identity: str,
        day: str | None = None,
        start: str | None = None,
        end: str | None = None,
        rooms: list[int] | None = None,
        who: str = "",
    ) -> None:
        """Move a session to another day (ISO), time or room; what isn't given stays."""
        row = self._session(identity)
        if self.switches.moved_session_code == "new" and (day or start or end):
            row.code = self._session_code()
        if day is not None:
            self._change(row, "move", "day", date.fromisoformat(day), who)
        if start is not None:
            self._change(row, "move", "start", time.fromisoformat(start), who)
        if end is not None:
            self._change(row, "move", "end", time.fromisoformat(end), who)
        if rooms is not None:
            self._change(row, "move", "rooms", list(rooms), who)

    def cancel_session(self, identity: str, who: str = "") -> None:
        """The session disappears from every planning."""
        self._change(self._session(identity), "cancel", "cancelled", True, who)

    def change_speaker(self, identity: str, staff: list[str], who: str = "") -> None:
        """Others hold this session."""
        row = self._session(identity)
        for person in staff:
            self._of(self.staff, person)
        self._change(row, "change_speaker", "staff", list(staff), who)

    def swap_learners(self, identity: str, out: str, into: str, who: str = "") -> None:
        """On this one session, `into` takes the place of `out`."""
        row = self._session(identity)
        self._learner(into)
        if out not in row.learners or into in row.learners:
            raise ControlError(f"{out} is not on {identity}, or {into} already is")
        learners = [into if one == out else one for one in row.learners]
        self._change(row, "swap", "learners", learners, who)

    def record_absence(
        self,
        identity: str,
        start: str,
        end: str,
        justified: bool = False,
        late: bool = False,
        reason: str = "Maladie",
        who: str = "",
    ) -> int:
        """An absence of a learner between two wall times (ISO, without zone). Answers its code."""
        row = self._learner(identity)
        first, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
        if first.tzinfo or last.tzinfo or last < first:
            raise ControlError("an absence has two wall times, the later one last")
        one = self.absent(identity, first, last, justified, late, reason)
        self._noted(row, "absence", "", None, {"code": one.code, "start": start, "end": end}, who)
        return one.code

    def change_absence(
        self,
        code: int,
        justified: bool | None = None,
        reason: str | None = None,
        start: str | None = None,
        end: str | None = None,
        who: str = "",
    ) -> None:
        """Justify an absence, or correct it; what isn't given stays."""
        one = self.absence(code)
        before = {"justified": one.justified, "reason": one.reason}
        if justified is not None:
            one.justified = justified
        if reason is not None:
            self.motives.setdefault(reason, 1 + len(self.motives))
            one.reason = reason
        if start is not None:
            one.first = datetime.fromisoformat(start)
        if end is not None:
            one.last = datetime.fromisoformat(end)
        after = {"code": code, "justified": one.justified, "reason": one.reason}
        self._noted(self.learners[one.identity], "change_absence", "", before, after, who)

    def remove_absence(self, code: int, who: str = "") -> None:
        """Strike an absence."""
        one = self.absence(code)
        self.absences.remove(one)
        self._noted(self.learners[one.identity], "remove_absence", "", {"code": code}, {"code": code}, who)

    def absence(self, code: int) -> AbsenceRow:
        """Raises ControlError where there is none of this code."""
        found = next((one for one in self.absences if one.code == code), None)
        if found is None:
            raise ControlError(f"the ERP has no absence {code}")
        return found

    def absent(
        self, identity: str, first: datetime, last: datetime, justified: bool, late: bool, reason: str
    ) -> AbsenceRow:
        """A new absence under the next code."""
        self._last_absence_code += 1
        self.motives.setdefault(reason, 1 + len(self.motives))
        one = AbsenceRow(self._last_absence_code, identity, first, last, justified, late, reason)
        self.absences.append(one)
        return one

    # The store

    def row(self, identity: str) -> LearnerRow | StaffRow | GroupRow | SessionRow:
        stores: tuple[Mapping[str, LearnerRow | StaffRow | GroupRow | SessionRow], ...] = (
            self.learners, self.staff, self.groups, self.sessions,
        )  # fmt: skip
        for store in stores:
            if identity in store:
                return store[identity]
        raise ControlError(f"the ERP has no {identity!r}")

    def _of(self, store: Mapping[str, Any], identity: str) -> Any:
        if identity not in store:
            raise ControlError(f"the ERP has no {identity!r} of that kind")
        return store[identity]

    def _learner(self, identity: str) -> LearnerRow:
        row: LearnerRow = self._of(self.learners, identity)
        if row.removed:
            raise ControlError(f"{identity} was removed from the ERP")
        return row

    def _session(self, identity: str) -> SessionRow:
        row: SessionRow = self._of(self.sessions, identity)
        if row.cancelled:
            raise ControlError(f"{identity} was cancelled")
        return row

    def _session_code(self) -> int:
        self._last_session_code += 1
        return self._last_session_code

    def _change(
        self, row: LearnerRow | StaffRow | GroupRow | SessionRow, action: str, field: str, value: Any, who: str
    ) -> None:
        before = getattr(row, field)
        setattr(row, field, value)
        if isinstance(row, SessionRow):
            self.subjects.setdefault(row.subject, 61 + len(self.subjects))
            self._by_group = None
        self._noted(row, action, field, before, value, who)

    def _noted(self, row: Any, action: str, field: str, before: Any, after: Any, who: str) -> None:
        self.control.edited(
            kind=_KINDS[type(row)],
            id=str(row.code),
            identity=row.identity,
            action=action,
            field=field,
            before=_iso(before),
            after=_iso(after),
            who=who,
        )

    def today(self) -> date:
        return self.control.now().astimezone(self.zone).date()

    def _ahead(self) -> list[SessionRow]:
        """Sessions that have not begun."""
        now = self.control.now().astimezone(self.zone)
        today, hour = now.date(), now.time()
        return [
            one for one in self.sessions.values() if one.day > today or (one.day == today and one.start > hour)
        ]

    def listed(self, one: LearnerRow) -> bool:
        return not one.removed and (self.switches.departed_listed or not self.departed(one))

    def departed(self, one: LearnerRow) -> bool:
        return one.left is not None and one.left <= self.today()

    def sessions_of(self, group: str) -> list[SessionRow]:
        """A group's sessions, cancelled ones included."""
        if self._by_group is None:
            self._by_group = {identity: [] for identity in self.groups}
            for one in self.sessions.values():
                for identity in one.groups:
                    self._by_group[identity].append(one)
        return self._by_group[group]


def _iso(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | time) else value
