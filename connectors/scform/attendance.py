"""How absences reach SC-Form: one POST per absence, found by enrolment, date and times; then read again.

Documented in the vendor's API V1.19 as summarised publicly, run against no live system. There is no write of
a presence (presence is no absence) and no session in what is sent; a session shows at most one absence of a
person. Whether a second write replaces or adds is unknown: what stands is deleted first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.scform import ScFormSettings, mapping
from connectors.scform.mapping import Turn
from connectors.scform.questions import Questions
from engine.attendance import Attendance, Carried, Reason, Standing
from engine.faults import came, fault_line
from engine.ports import Fault, FaultCode, Scope, Surroundings
from engine.records import Sheet, folded

_ROUTE = "POST /API/AbsenceSta/Post"

_DONE = re.compile(r"enregistrement .*a ete realise")
"""The sentence of success, folded; what a failure says is unknown."""

Absence = tuple[time, time, str]


class ScFormAttendance:
    """The absences of one customer, as `engine.ports.ErpAttendance` asks."""

    def __init__(self, ask: Questions, settings: ScFormSettings, surroundings: Surroundings) -> None:
        # A type is all an absence bears: it tells either the reason or the justification.
        told: Carried = "justified" if settings.justified_types else "reason"
        self.carries: frozenset[Carried] = frozenset({"absent", "late", "left_early", told})
        self._ask = ask
        self._settings = settings
        self._connection = surroundings.connection
        self._zone = surroundings.zone

    async def reasons(self) -> tuple[Reason, ...]:
        """The types of absence (TYPABSEN). Raises Fault."""
        return tuple(
            self._ask.mapped(
                "GET /API/Entite/GetEntite?ACTION=TYPABSEN",
                lambda row: mapping.reason(row, self._settings.justified_types),
                row,
            )
            for row in await self._ask.types()
        )

    async def standing(self, sessions: tuple[Sheet, ...], scope: Scope) -> Standing:
        """The absences of these sessions, by windows of their dates; never raises Fault."""
        found: list[Attendance] = []
        try:
            reasons = {one.id: one for one in await self.reasons()}
            for society, first, last in await self._windows(sessions):
                turns = await self._turns(society, first, last, sessions)
                found += [one for turn in turns if (one := self._said(turn, reasons))]
        except Fault as fault:
            return Standing(
                attendances=tuple(found), complete=False, fault_line=fault_line(fault, self._connection)
            )
        # Of somebody enrolled twice on one session one row speaks.
        return Standing(attendances=tuple({(one.sheet, one.person): one for one in found}.values()))

    async def write(
        self, session: Sheet, wanted: tuple[Attendance, ...], standing: tuple[Attendance, ...]
    ) -> None:
        """Make the absences of one session stand as `wanted` for exactly those people. Raises Fault."""
        reasons = {one.id: one for one in await self.reasons()}
        before = {one.person: one for one in standing}
        people = {one.person: one for one in wanted if one.kind == "learner"}
        written: dict[tuple[str, str], Absence | None] = {}
        doubtful = ""
        for society, turn in await self._fresh(session, people):
            due = self._due(people[turn.person], turn, reasons)
            if due == turn.absence:
                continue
            if turn.absence is not None:
                self._may_go(turn, before.get(turn.person), reasons)
                doubtful = await self._post(society, turn, turn.absence, delete=True) or doubtful
            if due is not None:
                doubtful = await self._post(society, turn, due, delete=False) or doubtful
            written[turn.person, turn.enrolment] = due
        # What was acknowledged is read again by whoever asked for it, all sessions at once.
        if not doubtful:
            return
        for _society, turn in await self._fresh(session, people):
            due = written.get((turn.person, turn.enrolment), turn.absence)
            if not _same(turn.absence, due):
                raise self._refused(
                    f"session {session.id}, learner {turn.person}: not as sent; said: {doubtful}", unknown=True
                )

    async def _fresh(self, session: Sheet, people: Iterable[str]) -> list[tuple[str, Turn]]:
        """Where these people stand on a session now. Raises Fault; `refused` where one is not on it."""
        found = [
            (society, turn)
            for society, first, last in await self._windows((session,))
            for turn in await self._turns(society, first, last, (session,))
            if turn.person in people
        ]
        there = {turn.person for _society, turn in found}
        if missing := sorted(set(people) - there):
            raise self._refused(f"session {session.id}: learner {missing[0]} is not on it")
        return found

    def _due(self, wanted: Attendance, turn: Turn, reasons: dict[str, Reason]) -> Absence | None:
        late_types = frozenset(id for id, one in reasons.items() if one.late)
        absence_type = self._absence_type(wanted.justified)
        due = mapping.absence_of(wanted, turn, self._zone, absence_type, self._late_type(reasons), late_types)
        if due is not None and not due[2]:
            raise self._refused(f"session {turn.session}: no absence type for {wanted.state}; set absence_type")
        return due

    def _said(self, turn: Turn, reasons: dict[str, Reason]) -> Attendance | None:
        """What stands of somebody. Where types tell whether an absence is justified, the one that we would
        write is no reason of its own; any other is."""
        found = mapping.attendance(turn, self._zone, reasons)
        if found is None or "reason" in self.carries:
            return found
        usual = self._late_type(reasons) if found.late else self._absence_type(found.justified)
        return found.model_copy(update={"reason": ""}) if found.reason == usual else found

    def _absence_type(self, justified: bool) -> str:
        return self._settings.justified_types[0] if justified else self._settings.absence_type

    def _late_type(self, reasons: dict[str, Reason]) -> str:
        late = (id for id, one in reasons.items() if one.late)
        return self._settings.late_type or min(late, key=lambda id: (len(id), id), default="")

    def _may_go(self, turn: Turn, known: Attendance | None, reasons: dict[str, Reason]) -> None:
        """Only what was read may be replaced. Raises Fault where the ERP's people changed it since."""
        now = self._said(turn, reasons)
        if known is None or now != known.model_copy(update={"comment": "", "key": ""}):
            raise self._refused(f"session {turn.session}, learner {turn.person}: changed there meanwhile")

    async def _post(self, society: str, turn: Turn, absence: Absence, *, delete: bool) -> str:
        """Send one absence; "" where the answer is the sentence of success, else what it said."""
        since, until, type_id = absence
        body: dict[str, Any] = {
            "IDInscrit": _number(turn.enrolment),
            "Date": f"{turn.day.isoformat()}T00:00:00",
            "Debut": since.isoformat(),
            "Fin": until.isoformat(),
            "IDTypAbsen": _number(type_id),
            "Suppr": delete,
        }
        said = await self._ask.post_absence(society, body)
        return "" if _DONE.search(folded(said)) else said or "nothing"

    async def _windows(self, sessions: tuple[Sheet, ...]) -> list[tuple[str, date, date]]:
        """(société, first, last) so that every session's date is asked for once. Raises Fault."""
        zone = ZoneInfo(self._zone)
        days = sorted({one.start.astimezone(zone).date() for one in sessions if one.start is not None})
        spans: list[tuple[date, date]] = []
        reach = timedelta(days=self._ask.chunk_days - 1)
        for on in days:
            if spans and on <= spans[-1][0] + reach:
                spans[-1] = (spans[-1][0], on)
            else:
                spans.append((on, on))
        societies = await self._ask.societies_of(one.id for one in sessions)
        return [(society, first, last) for society in societies for first, last in spans]

    async def _turns(self, society: str, first: date, last: date, sessions: tuple[Sheet, ...]) -> list[Turn]:
        ids = {one.id for one in sessions}
        found = await self._ask.window(society, first, last)
        meetings = self._ask.meetings(found, {}, {})
        return [turn for one in meetings if one.entry.id in ids for turn in one.turns]

    def _refused(self, what: str, *, unknown: bool = False) -> Fault:
        return Fault(
            FaultCode.refused,
            system="erp",
            route=_ROUTE,
            came=came(what),
            committed="unknown" if unknown else "no",
        )


def _same(one: Absence | None, other: Absence | None) -> bool:
    """Whether two absences are the same to the minute."""
    if one is None or other is None:
        return one is other
    return (
        all((a.hour, a.minute) == (b.hour, b.minute) for a, b in zip(one[:2], other[:2], strict=True))
        and one[2] == other[2]
    )


def _number(id: str) -> int | str:
    """An ID as the vendor types it: a number where it is one."""
    return int(id) if id.isdecimal() else id
