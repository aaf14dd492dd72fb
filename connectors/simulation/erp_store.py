"""The store any simulated ERP can stand on: a school's rows, and the hands of the people who edit them.

A vendor's simulator subclasses `ErpStore` and says how its numbers are allocated (`number`) and what a sync
calls a record (`key`); its dialect renders the rows. Every edit enters the control plane's edit ledger with
neutral field names (last_name, email, day, start …), dates and times in ISO form, records by hidden
identity. What the vendor's API writes enters the write ledger (see `erp_absences`). `neutral` is what the
checker reads of every ERP alike (see `erp_dump`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from connectors.simulation.control import Control, ControlError, instant
from connectors.simulation.erp_absences import AbsenceBook
from connectors.simulation.erp_dump import Taking, neutral
from connectors.simulation.erp_rows import (
    KINDS,
    AbsenceRow,
    GroupRow,
    LearnerRow,
    Row,
    SessionRow,
    StaffRow,
)
from connectors.simulation.school import School

Numbered: TypeAlias = Literal["learner", "speaker", "group", "sheet", "absence"]
"""What a vendor numbers."""


class ErpStore(AbsenceBook):
    """All rows of one simulated school, and the hands of the people who keep them."""

    silent: Mapping[str, frozenset[str]] = {}
    """Neutral fields by kind that this vendor has no place for: the dump leaves them out."""
    takes_absences: bool = False
    """Whether a sync writes absences here: then its office edits them too, and the checker judges them."""
    editable: Mapping[str, tuple[str, ...]] = {
        "learner": ("last_name", "first_name", "born", "email", "phone", "site"),
        "speaker": ("last_name", "first_name", "email", "trainer", "administrative"),
        "group": ("name",),
        "sheet": ("subject", "rooms", "remote"),
    }
    """The fields `edit` takes, by kind. A vendor with two e-mails adds `portal_email`."""

    def __init__(
        self,
        school: School,
        control: Control,
        *,
        moved_session_code: Literal["kept", "new"] = "kept",
        departed_off_sessions: bool = True,
        portal_follows: bool = False,
    ) -> None:
        """The school as it is before anybody edits it.

        `moved_session_code`: whether a session moved in time gets a new number. `departed_off_sessions`:
        whether a departure takes the learner off the sessions after it. `portal_follows`: where both e-mails
        of a learner were one, an edit of the first changes the second too.
        """
        self.control = control
        self.school = school
        self.zone = ZoneInfo(school.zone)
        self.moved_session_code = moved_session_code
        self.departed_off_sessions = departed_off_sessions
        self.portal_follows = portal_follows
        self.rooms: dict[int, str] = {room.code: room.name for room in school.rooms}
        self.groups: dict[str, GroupRow] = {}
        self.learners: dict[str, LearnerRow] = {}
        self.staff: dict[str, StaffRow] = {}
        self.sessions: dict[str, SessionRow] = {}
        self.absences: list[AbsenceRow] = []
        self.subjects: dict[str, int] = {}
        """Each subject's place in the order they came up, from 0."""
        self._counts: dict[Numbered, int] = {}
        self._by_group: dict[str, list[SessionRow]] | None = None
        self._takings: list[Taking] = []
        for g in school.groups:
            self.groups[g.identity] = GroupRow(g.identity, self._next("group"), g.name, g)
        for p in school.learners:
            self.learners[p.identity] = LearnerRow(
                p.identity, self._next("learner"), p.last_name, p.first_name, p.born, p.email, p.portal_email,
                p.phone, p.site, p.group, p.left,
            )  # fmt: skip
        for s in school.staff:
            self.staff[s.identity] = StaffRow(
                s.identity, self._next("speaker"), s.last_name, s.first_name, s.born, s.email, s.trainer,
                s.administrative,
            )  # fmt: skip
        for m in school.sessions:
            row = SessionRow(
                m.identity, 0, m.subject, m.day, m.start, m.end, list(m.groups), list(m.learners),
                list(m.staff), list(m.rooms), m.remote,
            )  # fmt: skip
            row.code = self.session_number(row)
            self.sessions[m.identity] = row
            self.subjects.setdefault(m.subject, len(self.subjects))

    # What a vendor says

    def number(self, kind: Numbered, n: int) -> int:
        """The vendor's number of its `n`th record of a kind (0 for the first); no two are alike."""
        raise NotImplementedError

    def session_number(self, row: SessionRow) -> int:
        """The number of a session that is new, or was moved where that gives a new one."""
        return self._next("sheet")

    def key(self, row: Row) -> str:
        """What a sync calls the record: the ERP key in links and the API_ID of what is made from it."""
        return str(row.code)

    def group_name(self, row: GroupRow) -> str:
        """The name a group made from this one should bear."""
        return row.name

    def session_name(self, row: SessionRow) -> str:
        """The name a sheet made from this session should bear."""
        return row.subject

    def session_room(self, row: SessionRow) -> str:
        """The room a sheet made from this session should name."""
        return ", ".join(self.rooms.get(code, str(code)) for code in row.rooms)

    # Who is who

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
            "justify_absence": self.justify_absence,
            "change_absence": self.change_absence,
            "remove_absence": self.remove_absence,
        }

    def row(self, identity: str) -> Row:
        """The record of an identity. Raises ControlError where the ERP never had it."""
        stores: tuple[Mapping[str, Row], ...] = (self.learners, self.staff, self.groups, self.sessions)
        for store in stores:
            if identity in store:
                return store[identity]
        raise ControlError(f"the ERP has no {identity!r}")

    def code_of(self, identity: str) -> str:
        """What a sync calls this record now. Raises ControlError."""
        return self.key(self.row(identity))

    def codes_of(self, identity: str) -> tuple[str, ...]:
        """What a sync may call this record: its key now, and those it had. Raises ControlError."""
        earlier = (one.code for one in self._takings if one.identity == identity)
        return tuple(dict.fromkeys((self.code_of(identity), *earlier)))

    def today(self) -> date:
        """The school's date."""
        return self.control.now().astimezone(self.zone).date()

    def departed(self, one: LearnerRow) -> bool:
        """Whether the learner has left by today."""
        return one.left is not None and one.left <= self.today()

    def sessions_of(self, group: str) -> list[SessionRow]:
        """A group's sessions, cancelled ones included."""
        if self._by_group is None:
            self._by_group = {identity: [] for identity in self.groups}
            for one in self.sessions.values():
                for identity in one.groups:
                    self._by_group[identity].append(one)
        return self._by_group[group]

    def neutral(self) -> dict[str, Any]:
        """Everything in the words the checker reads of any ERP; the vendor's dump holds it as `neutral`."""
        return neutral(self, self._takings)

    # What people do in the ERP. Each raises ControlError where the order makes no sense.

    def edit(self, identity: str, field: str, value: Any, who: str = "") -> None:
        """Change one field of a learner, member of staff, group or session.

        `rooms` takes a list of room codes, `born` an ISO date."""
        row = self.row(identity)
        kind = KINDS[type(row)]
        if field not in self.editable.get(kind, ()):
            raise ControlError(f"a {kind} has no field {field!r} to edit")
        follows = (
            isinstance(row, LearnerRow)
            and field == "email"
            and self.portal_follows
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
        """Enrol somebody new; they join their group's sessions from now on. Answers the vendor's number."""
        if identity in self.learners or identity in self.staff:
            raise ControlError(f"{identity} is there already")
        home: GroupRow = self._of(self.groups, group)
        row = LearnerRow(
            identity, self._next("learner"), last_name, first_name, date.fromisoformat(born), email, email,
            phone, home.origin.site, group,
        )  # fmt: skip
        self.learners[identity] = row
        for session in self._ahead():
            if group in session.groups:
                session.learners.append(identity)
        after = {
            "last_name": last_name, "first_name": first_name, "email": email, "phone": phone, "group": group,
        }  # fmt: skip
        self._noted(row, "add", "", None, after, who)
        return row.code

    def depart(self, identity: str, on: str | None = None, who: str = "") -> None:
        """The learner leaves on a day (ISO; today without one)."""
        row = self._learner(identity)
        day = date.fromisoformat(on) if on else self.today()
        self._change(row, "depart", "left", day, who)
        if self.departed_off_sessions:
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
        """Plan a session for all present members of `groups`. Answers the vendor's number."""
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
            identity, 0, subject, date.fromisoformat(day), time.fromisoformat(start),
            time.fromisoformat(end) if end else None, list(groups), learners, list(staff), list(rooms), False,
        )  # fmt: skip
        row.code = self.session_number(row)
        self.sessions[identity] = row
        self.subjects.setdefault(subject, len(self.subjects))
        self._take(row)
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
        before = self.key(row)
        if self.moved_session_code == "new" and (day or start or end):
            row.code = self.session_number(row)
        values = {
            "day": None if day is None else date.fromisoformat(day),
            "start": None if start is None else time.fromisoformat(start),
            "end": None if end is None else time.fromisoformat(end),
            "rooms": None if rooms is None else list(rooms),
        }
        for field, value in values.items():
            if value is not None:
                self._change(row, "move", field, value, who)
        self._take(row, before)

    def cancel_session(self, identity: str, who: str = "") -> None:
        """The session does not take place."""
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

    # The rows

    def _next(self, kind: Numbered) -> int:
        n = self._counts.get(kind, 0)
        self._counts[kind] = n + 1
        return self.number(kind, n)

    def _known_person(self, identity: str) -> None:
        if identity in self.staff:
            return
        self._learner(identity)

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

    def _change(self, row: Row, action: str, field: str, value: Any, who: str) -> None:
        before = getattr(row, field)
        setattr(row, field, value)
        if isinstance(row, SessionRow):
            self.subjects.setdefault(row.subject, len(self.subjects))
            self._by_group = None
        self._noted(row, action, field, before, value, who)

    def _take(self, row: SessionRow, before: str | None = None) -> None:
        """Note from when on a session stands under its key; `before`: the key it had until now, if any."""
        key = self.key(row)
        if key == before:
            return
        known = {(one.code, one.identity) for one in self._takings}
        if before is not None and (before, row.identity) not in known:
            self._takings.append(Taking(before, row.identity, ""))
        for other in self.sessions.values():
            # A cancelled session keeps the key that this one now bears.
            if other is not row and self.key(other) == key and (key, other.identity) not in known:
                self._takings.append(Taking(key, other.identity, ""))
        self._takings.append(Taking(key, row.identity, instant(self.control.now())))

    def _noted(self, row: Row, action: str, field: str, before: Any, after: Any, who: str) -> None:
        self.control.edited(
            kind=KINDS[type(row)],
            id=self.key(row),
            identity=row.identity,
            action=action,
            field=field,
            before=_iso(before),
            after=_iso(after),
            who=who,
        )

    def _ahead(self) -> list[SessionRow]:
        """Sessions that have not begun."""
        now = self.control.now().astimezone(self.zone)
        today, hour = now.date(), now.time()
        return [
            one for one in self.sessions.values() if one.day > today or (one.day == today and one.start > hour)
        ]


def _iso(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | time) else value
