"""The part of Aimaira that takes attendance: each learner's row on an event.

A PUT resets what it leaves out (documented): a row is read whole, changed, sent whole, and read again. A row
that comes without a field it is declared to have is not sent back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from connectors.aimaira import AimairaSettings, mapping, marks
from connectors.aimaira.events import Events
from connectors.aimaira.odata import Ask, Row
from connectors.aimaira.reader import Reader, drift
from connectors.http import HttpSession
from engine.attendance import Attendance, Carried, Reason, Standing
from engine.clock import Clock
from engine.faults import came, fault_line
from engine.ports import Fault, FaultCode, Scope
from engine.records import Sheet

T = TypeVar("T")

_ROW = "PUT /PlanificationRessource/{id}"


class AimairaAttendance:
    """See the module. `engine.ports.ErpAttendance`."""

    def __init__(
        self,
        settings: AimairaSettings,
        connection: str,
        zone: str,
        clock: Clock,
        session: HttpSession,
        reader: Reader,
        events: Events,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._zone = zone
        self._clock = clock
        self._session = session
        self._reader = reader
        self._events = events
        self.carries: frozenset[Carried] = marks.carried(settings)

    async def reasons(self) -> tuple[Reason, ...]:
        """The reasons the settings name: no document says where Aimaira lists them."""
        return marks.reasons(self._settings)

    async def standing(self, sessions: tuple[Sheet, ...], scope: Scope) -> Standing:
        """What the rows of these sessions say now; never raises Fault. Asked for many events at once."""
        by_key = {int(one.id): one for one in sessions if one.id.isdecimal()}
        found: list[Attendance] = []
        try:
            rows = await self._rows(list(by_key))
            people = await self._events.who(rows, [one for s in sessions for one in s.learners])
            for row in rows:
                person = people.get(row["Id"])
                session = by_key.get(self._read(lambda row=row: mapping.integer(row, "PlanificationId")))  # type: ignore[misc]
                if person is not None and session is not None:
                    stood = self._stood(row, person, session)
                    found += [] if stood is None else [stood]
        except Fault as fault:
            return Standing(
                attendances=tuple(found), complete=False, fault_line=fault_line(fault, self._connection)
            )
        return Standing(attendances=tuple(found))

    async def write(
        self, session: Sheet, wanted: tuple[Attendance, ...], standing: tuple[Attendance, ...]
    ) -> None:
        """Make the rows of these learners say `wanted`, each read, changed, sent and read again.

        Raises Fault after the others were written where one has no row, was changed meanwhile, or would be
        harmed by being sent back."""
        meant = {one.person: one for one in wanted if one.kind == "learner"}
        before = {one.person: one for one in standing}
        declared = await self._declared()
        rows = await self._rows([int(session.id)])
        people = await self._events.who(rows, meant)
        row_of = {person: row for row in rows if (person := people.get(row["Id"])) in meant}
        refused = [f"{one}: no row on this event" for one in meant if one not in row_of]
        sent: dict[int, tuple[Row, dict[str, Any]]] = {}
        try:
            for person, row in row_of.items():
                if not marks.differing(row, self._marked(row, meant[person], session)):
                    continue
                fresh = await self._reader.feed.one("PlanificationRessource", str(row["Id"]))
                fields = self._marked(fresh, meant[person], session)
                if lacking := marks.lacking(fresh, declared):
                    refused.append(f"{marks.row_name(row)}: a PUT would erase {', '.join(lacking)}")
                elif not _as_read(self._stood(fresh, person, session), before.get(person)):
                    refused.append(f"{marks.row_name(row)}: changed there since it was read")
                elif marks.differing(fresh, fields):
                    await self._put(fresh, fields)
                    sent[fresh["Id"]] = (fresh, fields)
            if sent:
                refused += await self._unlike(session, sent)
        except Fault as fault:
            if sent:
                fault.committed = "unknown"
            raise
        if refused:
            raise Fault(
                FaultCode.refused,
                system="erp",
                route=_ROW,
                came=came(_together(refused)),
                committed="unknown" if sent else "no",
                record=f"sheet {session.id}",
            )

    async def _declared(self) -> frozenset[str]:
        """The fields a row must come with. Raises Fault where marks have no place among them."""
        model = await self._reader.model()
        declared = frozenset(marks.ROW_FIELDS)
        if model is not None:
            declared = model.properties.get("PlanificationRessource", frozenset())
            if missing := model.missing("PlanificationRessource", marks.MARKED):
                raise drift(_ROW, f"{', '.join(missing)} not declared")
            origins = model.members.get(("PlanificationRessource", "ProvenancePresence"), ())
            if self._settings.provenance and origins and self._settings.provenance not in origins:
                raise drift(_ROW, f"provenance {self._settings.provenance} is none of {', '.join(origins)}")
        return declared

    async def _rows(self, events: list[int]) -> list[Row]:
        """The learners' rows of these events, whole. Raises Fault."""
        types = await self._reader.types()
        ask = Ask("PlanificationRessource", filter=f"TypeRessourceId eq {types.learner}")
        return await self._reader.feed.batched(ask, "PlanificationId", map(str, events))

    async def _put(self, row: Row, fields: Mapping[str, Any]) -> None:
        try:
            # What it answers says nothing that reading the row again does not.
            await self._session.write(_ROW, {"id": str(row["Id"])}, json=marks.whole(row, fields), as_text=True)
        except Fault as fault:
            fault.record = f"row {row['Id']}"
            raise

    async def _unlike(self, session: Sheet, sent: Mapping[int, tuple[Row, dict[str, Any]]]) -> list[str]:
        """What is not as it was sent, row by row."""
        found: list[str] = []
        now = {row["Id"]: row for row in await self._rows([int(session.id)])}
        for key, (before, fields) in sent.items():
            if (row := now.get(key)) is None:
                found.append(f"{marks.row_name(before)}: gone after the PUT")
                continue
            if unlike := marks.differing(row, fields):
                found.append(f"{marks.row_name(row)}: {', '.join(unlike)} not taken")
            if wiped := marks.touched(before, row, fields):
                found.append(f"{marks.row_name(row)}: the PUT also changed {', '.join(wiped)}")
        return found

    def _marked(self, row: Row, wanted: Attendance, session: Sheet) -> dict[str, Any]:
        return self._read(
            lambda: marks.marked(row, wanted, session, self._clock.now(), self._settings, self._zone)
        )

    def _stood(self, row: Row, person: str, session: Sheet) -> Attendance | None:
        return self._read(lambda: marks.stood(row, person, session, self._settings.reasons))

    @staticmethod
    def _read(reader: Callable[[], T]) -> T:
        try:
            return reader()
        except mapping.Drift as shape:
            raise drift(_ROW, str(shape)) from None


def _together(lines: list[str]) -> str:
    """Several lines as one short one."""
    return lines[0] if len(lines) == 1 else f"{len(lines)} rows, first {lines[0]}"


def _as_read(now: Attendance | None, then: Attendance | None) -> bool:
    """Whether a row says what it said when it was read last."""
    if now is None or then is None:
        return now is then
    same = ("state", "late", "left_early", "justified", "reason")
    return all(getattr(now, name) == getattr(then, name) for name in same)
