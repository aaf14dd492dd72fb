"""How absences reach Hyperplanning: an interval of a learner's, added and removed by its three values.

An absence belongs to a learner and an interval, not to a session: what overlaps a session stands for it.
There is no change of one: it is removed and added anew. Whether adding one that stands doubles or merges it
is unknown, so that everything is read first, and read again afterwards. The calls are seen in client code for
SOAP, inferred for REST. Neither names a motive. Latenesses are written through REST only.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
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


class HyperplanningAttendance:
    """The absences of one school, as `engine.ports.ErpAttendance` asks."""

    def __init__(self, source: Source, connection: str, zone: str) -> None:
        carries: set[Carried] = {"absent", "justified"}
        if source.writes_lateness:
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
        days = [self._wall(at).date() for one in timed for at in (one.start, one.end) if at is not None]
        try:
            rows = await self._read(min(days), max(days))
        except Fault as fault:
            return Standing(complete=False, fault_line=fault_line(fault, self._connection))
        of_learner: dict[str, list[Missed]] = {}
        for row in rows:
            of_learner.setdefault(row.learner, []).append(row)
        found = []
        for session in timed:
            for learner in sorted(session.learners & of_learner.keys()):
                over = [row for row in of_learner[learner] if self._overlaps(row, session)]
                if over:
                    found.append(self._attendance(session, _speaking(over)))
        return Standing(attendances=tuple(found))

    async def write(
        self, session: Sheet, wanted: tuple[Attendance, ...], standing: tuple[Attendance, ...]
    ) -> None:
        """Make one session's absences stand as `wanted` for exactly those people. Raises Fault."""
        people = [one for one in wanted if one.kind == "learner"]
        before = {one.person: one for one in standing}
        fresh = await self._of(session, {one.person for one in people})
        steps = [self._step(session, one, fresh.get(one.person, []), before.get(one.person)) for one in people]
        if not any(removed or added for removed, added in steps):
            return
        for removed, added in steps:
            for row in removed:
                await self._remove(row)
            if added is not None:
                await self._add(added)
        await self._verify(session, people)

    # What to do for one person

    def _step(
        self, session: Sheet, one: Attendance, fresh: list[Missed], before: Attendance | None
    ) -> tuple[list[Missed], Missed | None]:
        """The rows to remove and the one to add, so that `one` stands. Raises Fault where a row is in the way
        that may not be touched: it was not there when read last, or reaches beyond the session."""
        due = self._due(session, one)
        if self._stands(session, due, fresh):
            return [], None
        for row in fresh:
            known = before is not None and self._is(session, row, before)
            if not known:
                raise self._refused(session, one.person, "somebody changed it since it was read")
            if not self._within(row, session):
                raise self._refused(session, one.person, "a longer absence stands there")
        return fresh, due

    def _due(self, session: Sheet, one: Attendance) -> Missed | None:
        """The row that says `one`; None for somebody present."""
        first, last = self._interval(session)
        if one.state in ("absent", "excluded"):
            return Missed("", one.person, first, last, one.justified)
        if one.late and "late" in self.carries:
            return Missed(
                "", one.person, first, first + timedelta(minutes=one.late), one.justified, minutes=one.late
            )
        return None

    def _stands(self, session: Sheet, due: Missed | None, fresh: list[Missed]) -> bool:
        """Whether what is there says what is due, exactly or by an absence longer than the session."""
        if due is None or not fresh:
            return due is None and not fresh
        return all(
            row.minutes == due.minutes and row.justified == due.justified and self._covers(row, due)
            for row in fresh
        )

    def _covers(self, row: Missed, due: Missed) -> bool:
        return due.minutes is not None or (row.first <= due.first and row.last >= due.last)

    def _is(self, session: Sheet, row: Missed, before: Attendance) -> bool:
        """Whether a row is the one that was read as `before`."""
        now = self._attendance(session, row)
        return now.model_copy(update={"reason": before.reason, "comment": before.comment}) == before

    # Reading and writing

    async def _of(self, session: Sheet, people: Iterable[str]) -> dict[str, list[Missed]]:
        """The rows of these people that overlap a session."""
        first, last = self._interval(session)
        found: dict[str, list[Missed]] = {one: [] for one in people}
        for row in await self._read(first.date(), last.date()):
            if row.learner in found and self._overlaps(row, session):
                found[row.learner].append(row)
        return found

    async def _read(self, first: date, last: date) -> list[Missed]:
        absences = [mapped(_ROUTE, mapping.absence, row) for row in await self._source.absences(first, last)]
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

    async def _verify(self, session: Sheet, people: list[Attendance]) -> None:
        fresh = await self._of(session, {one.person for one in people})
        for one in people:
            rows = fresh[one.person]
            if not self._stands(session, self._due(session, one), rows) or len(rows) > 1:
                raise self._refused(session, one.person, "it does not stand as it was sent", unknown=True)

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

    def _overlaps(self, row: Missed, session: Sheet) -> bool:
        first, last = self._interval(session)
        return row.first < last and (row.last > first or row.first == first)

    def _within(self, row: Missed, session: Sheet) -> bool:
        first, last = self._interval(session)
        return first <= row.first and row.last <= last

    def _attendance(self, session: Sheet, row: Missed) -> Attendance:
        whole = (row.first, row.last) == self._interval(session)
        return Attendance(
            sheet=session.id,
            person=row.learner,
            state="absent" if row.minutes is None else "present",
            late=row.minutes or 0,
            justified=row.justified,
            reason=row.motive,
            key=row.key,
            first=None if whole else self._instant(row.first),
            last=None if whole else self._instant(row.last),
        )

    def _refused(self, session: Sheet, person: str, what: str, unknown: bool = False) -> Fault:
        return Fault(
            FaultCode.refused,
            system="erp",
            route=_ROUTE,
            came=came(f"{session.id}, learner {person}: {what}"),
            committed="unknown" if unknown else "no",
            record=f"sheet {session.id}",
        )


def _speaking(rows: list[Missed]) -> Missed:
    """Of several rows over one session, an absence before a lateness, the longest first."""
    return max(rows, key=lambda row: (row.minutes is None, row.last - row.first, row.key))
