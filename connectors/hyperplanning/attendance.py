"""How absences reach Hyperplanning: an interval of a learner's, added and removed by its three values.

An absence belongs to a learner and an interval, not to a session: what overlaps a session stands for it.
There is no change of one: it is removed and added anew. Whether adding one that stands doubles or merges it
is unknown, so that what stands is read before each session's write; the export itself reads back what was
written, all sessions at once. The calls are seen in client code for
SOAP, inferred for REST. Neither names a motive. Somebody who left early was absent from then on; a lateness
is a record of its own, written through REST only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.hyperplanning import mapping
from connectors.hyperplanning.mapping import Missed
from connectors.hyperplanning.source import Source, mapped
from connectors.wall_time import instant
from engine.attendance import Attendance, Carried, Reason, Standing
from engine.faults import came, fault_line
from engine.ports import Fault, FaultCode, Scope
from engine.records import Sheet

_ROUTE = "absences"
_MINUTE = timedelta(minutes=1)
_OF_ONE = frozenset({FaultCode.refused})
"""What concerns one person: the others are written all the same."""


class HyperplanningAttendance:
    """The absences of one school, as `engine.ports.ErpAttendance` asks. With the write off it carries nothing
    and only reads."""

    def __init__(self, source: Source, connection: str, zone: str, *, writes: bool) -> None:
        carries: set[Carried] = {"absent", "justified", "left_early"} if writes else set()
        if writes and source.writes_lateness:
            carries.add("late")
        self.carries: frozenset[Carried] = frozenset(carries)
        self._source = source
        self._connection = connection
        self._zone = zone
        self._local = ZoneInfo(zone)

    async def reasons(self) -> tuple[Reason, ...]:
        """The school's motives, which are labels without keys; no write names one. Raises Fault."""
        return tuple(Reason(id=one, name=one) for one in await self._source.motives())

    async def standing(self, sessions: tuple[Sheet, ...], scope: Scope) -> Standing:
        """Every absence and lateness that overlaps one of these sessions; never raises Fault."""
        timed = [one for one in sessions if one.start is not None and one.end is not None]
        if not timed:
            return Standing()
        days = [at.date() for one in timed for at in self._interval(one)]
        try:
            rows = await self._read(min(days), max(days))
        except Fault as fault:
            return Standing(complete=False, fault_line=fault_line(fault, self._connection))
        of_learner: dict[str, list[Missed]] = {}
        for row in rows:
            of_learner.setdefault(row.learner, []).append(row)
        found = [
            one
            for session in timed
            for learner in sorted(session.learners & of_learner.keys())
            for one in self._stood(session, self._over(session, of_learner[learner]))
        ]
        return Standing(attendances=tuple(found))

    async def write(
        self, session: Sheet, wanted: tuple[Attendance, ...], standing: tuple[Attendance, ...]
    ) -> None:
        """Make one session's absences stand as `wanted` for exactly those people. Raises Fault, once everybody
        who could be written is."""
        if not self.carries:
            raise self._refused(session, "", "the write is switched off")
        people = [one for one in wanted if one.kind == "learner"]
        fresh = await self._of(session, {one.person for one in people})
        refused: Fault | None = None
        done = False
        for one in people:
            known = [row for row in standing if row.person == one.person]
            try:
                done |= await self._make(session, one, fresh[one.person], known)
            except Fault as fault:
                if fault.code not in _OF_ONE:
                    fault.committed = "unknown" if done else fault.committed
                    raise
                refused = refused or fault
        if refused is not None:
            refused.committed = "unknown" if done else refused.committed
            raise refused

    # One person

    async def _make(self, session: Sheet, one: Attendance, here: list[Missed], known: list[Attendance]) -> bool:
        """Make one learner's rows say `one`; whether anything was sent. Raises Fault where a row is in the way
        that may not be touched: it was not there when read last, or reaches beyond the session."""
        due, left = self._difference(session, one, here)
        if not due and not left:
            return False
        if left and any(row not in known for row in self._stood(session, here)):
            raise self._refused(session, one.person, "somebody changed it since it was read")
        if any(not self._within(row, session) for row in left):
            raise self._refused(session, one.person, "a longer absence stands there")
        for row in left:
            await self._remove(row)
        for row in due:
            await self._add(row)
        return True

    def _difference(
        self, session: Sheet, one: Attendance, here: list[Missed]
    ) -> tuple[list[Missed], list[Missed]]:
        """(rows that are due and not there, rows that are there and not due); an absence that covers more than
        the session says as much of it."""
        due, left = self._due(session, one), []
        for row in here:
            says = next((wanted for wanted in due if self._says(session, row, wanted)), None)
            if says is None:
                left.append(row)
            else:
                due.remove(says)
        return due, left

    def _due(self, session: Sheet, one: Attendance) -> list[Missed]:
        """The rows that say `one`; none for somebody present throughout."""
        first, last = self._interval(session)
        if one.state == "absent":
            return [Missed("", one.person, first, last, one.justified)]
        rows = []
        if one.late and "late" in self.carries:
            arrived = min(first + one.late * _MINUTE, last)
            rows.append(Missed("", one.person, first, arrived, one.justified, minutes=one.late))
        if one.left_early:
            gone = max(last - one.left_early * _MINUTE, first)
            rows.append(Missed("", one.person, gone, last, one.justified))
        return rows

    def _says(self, session: Sheet, row: Missed, wanted: Missed) -> bool:
        """Whether a row says of this session what is wanted, no less and no more."""
        if row.minutes is not None or wanted.minutes is not None:
            return (row.minutes, row.justified) == (wanted.minutes, wanted.justified)
        first, last = self._interval(session)
        here = max(row.first, first), min(row.last, last)
        return row.justified == wanted.justified and here == (wanted.first, wanted.last)

    # Reading and writing

    async def _of(self, session: Sheet, people: Iterable[str]) -> dict[str, list[Missed]]:
        """The rows of these people that overlap a session. Raises Fault."""
        first, last = self._interval(session)
        found: dict[str, list[Missed]] = {one: [] for one in people}
        for row in self._over(session, await self._read(first.date(), last.date(), frozenset(found))):
            if row.learner in found:
                found[row.learner].append(row)
        return found

    async def _read(self, first: date, last: date, learners: frozenset[str] | None = None) -> list[Missed]:
        rows = await self._source.absences(first, last, learners)
        absences = [mapped(_ROUTE, mapping.absence, row) for row in rows]
        late = [
            mapped("retards", lambda row: mapping.lateness(row, self._source.unit), row)
            for row in await self._source.lateness(first, last)
        ]
        return [*absences, *late]

    async def _remove(self, row: Missed) -> None:
        if row.minutes is None:
            await self._source.remove_absence(row.learner, row.first, row.last)
        else:
            await self._source.remove_lateness(row.key)

    async def _add(self, row: Missed) -> None:
        if row.minutes is None:
            await self._source.add_absence(row.learner, row.first, row.last, row.justified)
        else:
            await self._source.add_lateness(row.learner, row.first, row.last - row.first, row.justified)

    # What rows say

    def _stood(self, session: Sheet, rows: list[Missed]) -> list[Attendance]:
        """How one learner stands on a session by the rows that overlap it. A lateness and an early leaving are
        one attendance; other rows stand each for itself."""
        found = [self._attendance(session, row) for row in sorted(rows, key=lambda row: (row.first, row.key))]
        late = [one for one in found if one.late and not one.left_early]
        early = [one for one in found if one.left_early and not one.late]
        if len(found) == 2 and len(late) == len(early) == 1:
            key = f"{late[0].key}+{early[0].key}"
            both = {"left_early": early[0].left_early, "key": key, "first": None, "last": None}
            return [late[0].model_copy(update=both)]
        return found

    def _attendance(self, session: Sheet, row: Missed) -> Attendance:
        first, last = self._interval(session)
        exactly = (row.first, row.last) == (first, last)
        said: dict[str, Any] = {"state": "absent"}
        if row.minutes is not None:
            said = {"state": "present", "late": row.minutes}
        elif row.first > first and row.last >= last:
            said = {"state": "present", "left_early": math.ceil((last - row.first) / _MINUTE)}
        elif row.first <= first and row.last < last:
            said = {"state": "present", "late": math.ceil((row.last - first) / _MINUTE)}
        return Attendance(
            sheet=session.id,
            person=row.learner,
            justified=row.justified,
            reason=row.motive,
            key=row.key,
            first=None if exactly else self._instant(row.first),
            last=None if exactly else self._instant(row.last),
            **said,
        )

    # Between wall times and instants

    def _interval(self, session: Sheet) -> tuple[datetime, datetime]:
        """A session in wall time. Raises Fault where it has no times."""
        if session.start is None or session.end is None:
            raise self._refused(session, "", "the session has no times")
        return self._wall(session.start), self._wall(session.end)

    def _wall(self, at: datetime) -> datetime:
        return at.astimezone(self._local).replace(tzinfo=None, fold=0)

    def _instant(self, at: datetime) -> datetime | None:
        return instant(at.date(), at.time(), self._zone)[0]

    def _over(self, session: Sheet, rows: Iterable[Missed]) -> list[Missed]:
        """The rows that overlap a session."""
        first, last = self._interval(session)
        return [row for row in rows if row.first < last and (row.last > first or row.first == first)]

    def _within(self, row: Missed, session: Sheet) -> bool:
        first, last = self._interval(session)
        return first <= row.first and row.last <= last

    def _refused(self, session: Sheet, person: str, what: str) -> Fault:
        return Fault(
            FaultCode.refused,
            system="erp",
            route=_ROUTE,
            came=came(f"{what}: learner {person}" if person else what),
            record=f"sheet {session.id}",
        )
