"""Absences by a profile: written as its recipe says, then read back by its own listing of them.

Nothing is taken on trust: what the listing does not show as it was meant counts as not written.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from connectors.profile.recipe import Recipe
from connectors.tabular.erp import about, local_date
from connectors.tabular.records import Row, yes
from engine.attendance import Attendance, AttendanceState, Carried, Reason, Standing
from engine.faults import fault_line
from engine.ports import Fault, FaultCode, Scope, Surroundings
from engine.records import Sheet

if TYPE_CHECKING:
    from connectors.profile.client import ProfileClient


class ProfileAttendance:
    """`engine.ports.ErpAttendance` by a profile that has a write and a listing of absences."""

    def __init__(self, client: ProfileClient, recipe: Recipe, surroundings: Surroundings) -> None:
        assert recipe.write is not None and recipe.absences is not None
        self._client = client
        self._write = recipe.write
        self._entity = recipe.absences
        self._conventions = recipe.conventions
        self._connection = surroundings.connection
        self._zone = surroundings.zone
        said = " ".join((*recipe.write.body.values(), recipe.write.path))
        carries: set[Carried] = {"absent"}
        for state in ("late", "left_early", "excluded"):
            if state in recipe.write.states and (state == "excluded" or "{minutes}" in said):
                carries.add(state)
        if "{reason}" in said:
            carries.add("reason")
        if "{justified}" in said and "justified" in self._entity.fields:
            carries.add("justified")
        self.carries: frozenset[Carried] = frozenset(carries)

    async def reasons(self) -> tuple[Reason, ...]:
        """None are listed by a profile: those an administrator names are taken as they are."""
        return ()

    async def standing(self, sessions: tuple[Sheet, ...], scope: Scope) -> Standing:
        """The absences of these sessions, from one listing; never raises Fault."""
        try:
            found = await self._read(sessions, scope)
        except Fault as fault:
            return Standing(complete=False, fault_line=fault_line(fault, self._connection))
        return Standing(attendances=found)

    async def write(
        self, session: Sheet, wanted: tuple[Attendance, ...], standing: tuple[Attendance, ...]
    ) -> None:
        """Make the absences of one session stand as `wanted` for exactly those people. Raises Fault."""
        before = {one.person: one for one in standing}
        scope = self._days_of(session)
        written = False
        for one in wanted:
            if one.kind != "learner":
                continue
            known = before.get(one.person)
            state = self._state(one)
            if known is not None and state and self._same(known, one):
                continue
            if known is not None:
                await self._delete(session, known, scope)
                written = True
            if state:
                await self._post(session, one, state, scope)
                written = True
        if written:
            await self._verify(session, wanted, scope)

    def _state(self, one: Attendance) -> str:
        """The vendor's word for how somebody stood, "" where nothing is noted."""
        if one.state in ("absent", "excluded"):
            return self._write.states.get(one.state, self._write.states["absent"])
        if one.state == "present" and one.late and "late" in self.carries:
            return self._write.states["late"]
        if one.state == "present" and one.left_early and "left_early" in self.carries:
            return self._write.states["left_early"]
        return ""

    async def _post(self, session: Sheet, one: Attendance, state: str, scope: Scope) -> None:
        write, filled = self._write, self._filled(session, one, state, scope)
        body = {name: _fill(text, filled) for name, text in write.body.items()}
        await self._client.call(f"{write.method} {write.path}", filled, {}, body, write=True)

    async def _delete(self, session: Sheet, known: Attendance, scope: Scope) -> None:
        write, filled = self._write, self._filled(session, known, "", scope)
        await self._client.call(f"{write.delete_method} {write.delete_path}", filled, {}, None, write=True)

    async def _verify(self, session: Sheet, wanted: tuple[Attendance, ...], scope: Scope) -> None:
        now = {one.person: one for one in await self._read((session,), scope)}
        for one in wanted:
            stands = now.get(one.person)
            if one.kind == "learner" and not self._as_due(stands, one):
                what = f"session {session.id}, learner {one.person}: not as sent"
                fault = about(FaultCode.refused, f"{self._write.method} {self._write.path}", what)
                fault.committed = "unknown"
                raise fault

    def _as_due(self, stands: Attendance | None, wanted: Attendance) -> bool:
        if stands is None or not self._state(wanted):
            return stands is None and not self._state(wanted)
        return self._same(stands, wanted)

    async def _read(self, sessions: tuple[Sheet, ...], scope: Scope) -> tuple[Attendance, ...]:
        rows = self._client.mapped(self._entity, await self._client.listed(self._entity, scope))
        ids = {one.id for one in sessions}
        found = (self._attendance(row) for row in rows if row.text("session") in ids)
        return tuple({(one.sheet, one.person): one for one in found}.values())

    def _attendance(self, row: Row) -> Attendance:
        states = {word: state for state, word in self._write.states.items()}
        state = states.get(row.text("state"), "absent")
        minutes = int(row.text("minutes")) if row.text("minutes").isdecimal() else 0
        return Attendance(
            sheet=row.text("session"),
            person=row.text("learner"),
            state=_STATES[state],
            late=minutes if state == "late" else 0,
            left_early=minutes if state == "left_early" else 0,
            justified=yes(row.text("justified"), self._conventions),
            reason=row.text("reason"),
            key=row.text("key"),
        )

    def _same(self, known: Attendance, wanted: Attendance) -> bool:
        """Whether two say the same, as far as the write can say it."""
        if self._state(known) != self._state(wanted):
            return False
        if "late" in self.carries and known.late != wanted.late:
            return False
        if "left_early" in self.carries and not wanted.late and known.left_early != wanted.left_early:
            return False
        if "reason" in self.carries and known.reason != wanted.reason:
            return False
        return "justified" not in self.carries or known.justified == wanted.justified

    def _filled(self, session: Sheet, one: Attendance, state: str, scope: Scope) -> dict[str, str]:
        return {
            **self._client.filled(scope),
            "session": session.id,
            "learner": one.person,
            "key": one.key,
            "state": state,
            "minutes": str(one.late or one.left_early),
            "reason": one.reason,
            "justified": self._write.yes if one.justified else self._write.no,
            "date": self._local(session.start, "%Y-%m-%d"),
            "start": self._local(session.start, "%H:%M"),
            "end": self._local(session.end, "%H:%M"),
        }

    def _local(self, at: datetime | None, form: str) -> str:
        return f"{at.astimezone(ZoneInfo(self._zone)):{form}}" if at is not None else ""

    def _days_of(self, session: Sheet) -> Scope:
        if session.start is None:
            raise about(FaultCode.refused, self._write.path, f"session {session.id} has no time")
        day = local_date(session.start, self._zone)
        return Scope(first=day, last=day, zone=self._zone)


_STATES: dict[str, AttendanceState] = {
    "absent": "absent",
    "excluded": "excluded",
    "late": "present",
    "left_early": "present",
}


def _fill(text: str, filled: dict[str, str]) -> str:
    for name, value in filled.items():
        text = text.replace(f"{{{name}}}", value)
    return text
