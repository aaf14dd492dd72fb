"""The absences of a simulated ERP: what its secretaries do by hand, and what its API writes.

Both leave the same rows (`AbsenceRow`), so that it can be told who made what and who changed it since.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast, get_args

from connectors.simulation.control import Control, ControlError
from connectors.simulation.erp_rows import AbsenceRow, AbsenceState, SessionRow

if TYPE_CHECKING:
    from connectors.simulation.erp_store import Numbered

CHANGEABLE = ("first", "last", "state", "minutes", "justified", "reason", "comment")
"""What may change of a row that is there."""


class AbsenceBook:
    """The part of an ERP's store that holds absences."""

    control: Control
    sessions: dict[str, SessionRow]
    absences: list[AbsenceRow]

    # What a secretary does. Each raises ControlError where the order makes no sense.

    def record_absence(
        self,
        identity: str,
        start: str = "",
        end: str = "",
        justified: bool = False,
        late: bool = False,
        reason: str = "Maladie",
        session: str | None = None,
        state: str = "absent",
        minutes: int = 0,
        who: str = "",
    ) -> int:
        """How a person stood between two wall times (ISO, without zone), or on a `session` (its times where
        none are given; the session of exactly these times where none is named). `late` is short for the
        state; its minutes are the whole interval unless given. Answers the vendor's number."""
        self._known_person(identity)
        first, last = self._interval(session, start, end)
        session = session or self._session_of(identity, first, last)
        state = "late" if late else state
        whole = int((last - first).total_seconds() // 60) if state in ("late", "left_early") else 0
        row = AbsenceRow(
            self._next("absence"), identity, session, first, last, _state(state), minutes or whole, justified,
            reason,
        )  # fmt: skip
        self.absences.append(row)
        self._noted_absence(row, "add", "", None, self._shown(row), who)
        return row.code

    def justify_absence(
        self, code: int, justified: bool = True, reason: str | None = None, who: str = ""
    ) -> None:
        """Accept an absence (by its number) as justified, or take that back; `reason` where it gets one."""
        self.change_absence(code, justified=justified, reason=reason, who=who)

    def change_absence(
        self,
        code: int,
        justified: bool | None = None,
        reason: str | None = None,
        start: str | None = None,
        end: str | None = None,
        state: str | None = None,
        minutes: int | None = None,
        who: str = "",
    ) -> None:
        """Correct an absence (by its number); what isn't given stays. Wall times in ISO form."""
        row = self.absence(code)
        values: dict[str, Any] = {
            "justified": justified,
            "reason": reason,
            "first": None if start is None else _wall(start),
            "last": None if end is None else _wall(end),
            "state": None if state is None else _state(state),
            "minutes": minutes,
        }
        for field, value in values.items():
            if value is None:
                continue
            before = getattr(row, field)
            setattr(row, field, value)
            row.changed_by_person = True
            self._noted_absence(row, "change", field, _plain(before), _plain(value), who)

    def remove_absence(self, code: int, who: str = "") -> None:
        """Take an absence away."""
        row = self.absence(code)
        row.removed, row.changed_by_person = "person", True
        self._noted_absence(row, "remove", "removed", None, "person", who)

    # What the vendor's API does. Each enters the write ledger; no await between the check and the write.

    def write_absence(
        self,
        route: str,
        *,
        identity: str,
        first: datetime,
        last: datetime,
        session: str | None = None,
        state: AbsenceState = "absent",
        minutes: int = 0,
        justified: bool = False,
        reason: str = "",
        comment: str = "",
    ) -> AbsenceRow:
        """Enter a row made through the API, between two wall times."""
        self.control.committing()
        row = AbsenceRow(
            self._next("absence"), identity, session, first, last, state, minutes, justified, reason, comment,
            "api",
        )  # fmt: skip
        self.absences.append(row)
        self._wrote(route, "create", row, {}, self._shown(row))
        return row

    def rewrite_absence(self, route: str, row: AbsenceRow, **fields: Any) -> None:
        """Change fields (`CHANGEABLE`) of a row through the API."""
        self.control.committing()
        before = {name: _plain(getattr(row, name)) for name in fields}
        for name, value in fields.items():
            setattr(row, name, value)
        after = {name: _plain(getattr(row, name)) for name in fields}
        self._wrote(route, "update", row, before, after, effective=before != after)

    def erase_absence(self, route: str, row: AbsenceRow) -> None:
        """Take a row away through the API."""
        self.control.committing()
        row.removed = "api"
        self._wrote(route, "remove", row, self._shown(row), {})

    # Looking them up

    def absence(self, code: int) -> AbsenceRow:
        """The standing row of this number. Raises ControlError."""
        for row in self.absences:
            if row.code == code and row.removed is None:
                return row
        raise ControlError(f"the ERP has no absence {code!r}")

    def standing(self, identity: str | None = None) -> list[AbsenceRow]:
        """The rows that stand, all or one person's, in the order they were made."""
        return [row for row in self.absences if row.removed is None and identity in (None, row.identity)]

    def _session_of(self, identity: str, first: datetime, last: datetime) -> str | None:
        """The person's session of exactly these times, if there is one."""
        for one in self.sessions.values():
            if one.end is None or one.cancelled or identity not in (*one.learners, *one.staff):
                continue
            if (one.day, one.start) == (first.date(), first.time()) and one.end == last.time():
                return one.identity
        return None

    def _interval(self, session: str | None, start: str, end: str) -> tuple[datetime, datetime]:
        if session is not None:
            if session not in self.sessions:
                raise ControlError(f"the ERP has no session {session!r}")
            planned = self.sessions[session]
            start = start or datetime.combine(planned.day, planned.start).isoformat()
            if not end and planned.end is not None:
                end = datetime.combine(planned.last_day, planned.end).isoformat()
        first, last = _wall(start), _wall(end)
        if last < first:
            raise ControlError("an absence has two wall times, the later one last")
        return first, last

    def _shown(self, row: AbsenceRow) -> Mapping[str, Any]:
        return {"session": row.session, **{name: _plain(getattr(row, name)) for name in CHANGEABLE}}

    def _noted_absence(
        self, row: AbsenceRow, action: str, field: str, before: Any, after: Any, who: str
    ) -> None:
        self.control.edited(
            kind="absence", id=str(row.code), identity=row.identity, action=action, field=field,
            before=before, after=after, who=who,
        )  # fmt: skip

    def _wrote(
        self,
        route: str,
        verb: Any,
        row: AbsenceRow,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        effective: bool = True,
    ) -> None:
        self.control.wrote(
            route=route, verb=verb, kind="absence", id=str(row.code), identity=row.identity, before=before,
            after=after, effective=effective, session=row.session,
        )  # fmt: skip

    # What the whole store knows

    def _next(self, kind: Numbered) -> int:
        raise NotImplementedError

    def _known_person(self, identity: str) -> None:
        raise NotImplementedError


def _state(text: str) -> AbsenceState:
    if text not in get_args(AbsenceState):
        raise ControlError(f"{text!r} is no state; known are {', '.join(get_args(AbsenceState))}")
    return cast(AbsenceState, text)


def _wall(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ControlError("an absence has a session or two wall times") from None
    if at.tzinfo is not None:
        raise ControlError("an absence has wall times, without zone")
    return at


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
