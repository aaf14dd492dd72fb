"""Absences in Yparéo: read as clients do, written as nobody has shown yet.

What it stands on, and how sure it is:

* Seen in client code: `GET /r/v1/absences/{first}/{last}`, an object keyed by code; rows of a learner between
  two dates with minutes since midnight, `isJustifie`, `isRetard`, a motive as an object or flat. A lateness is
  a row with `isRetard`; no row names a session, so a row belongs to the sessions it overlaps.
* Inferred: leaving early is a row that ends with the session and begins in it.
* Unknown: everything about writing. The routes and names used here are an ASSUMPTION, by the only write that
  was ever seen (a PUT that echoes the names of what is read); they are settings, and off unless
  `accept_unverified`. It needs the vendor's document and an expert token. Whether an empty answer to a DELETE
  comes with 204: unknown, any 2xx with JSON or none will do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from connectors.http import HttpSession
from connectors.ypareo import mapping
from engine.attendance import Attendance, Carried, Reason, Standing
from engine.faults import came, fault_line
from engine.ports import Fault, FaultCode, Scope
from engine.records import Sheet

if TYPE_CHECKING:
    from connectors.ypareo import YpareoSettings

ABSENCES = "GET /r/v1/absences/{first}/{last}"

CARRIES: frozenset[Carried] = frozenset({"absent", "late", "left_early", "justified", "reason"})

MINUTE = timedelta(minutes=1)

# A refusal of one person's row says nothing of the others'.
_ONE_ROW = frozenset({FaultCode.refused, FaultCode.not_found})


@dataclass(frozen=True)
class AbsenceRow:
    """One absence, its interval as instants (UTC). `code` "" for one that is to be made."""

    learner: str
    first: datetime
    last: datetime
    justified: bool
    late: bool
    reason: str
    code: str = ""

    def overlaps(self, session: Sheet) -> bool:
        return bool(session.start and session.end and self.first < session.end and self.last > session.start)

    @property
    def content(self) -> tuple[object, ...]:
        """What it says, whichever row it is."""
        return (self.learner, self.first, self.last, self.justified, self.late, self.reason)


class YpareoAttendance:
    """One tenant's absences, as `engine.ports.ErpAttendance` asks. With the write off, it carries nothing and
    is only read: what people typed in is then found there."""

    def __init__(self, settings: YpareoSettings, session: HttpSession, zone: str, connection: str) -> None:
        self._settings = settings
        self._session = session
        self._zone = ZoneInfo(zone)
        self._connection = connection
        self.carries: frozenset[Carried] = CARRIES if settings.accept_unverified else frozenset()

    async def reasons(self) -> tuple[Reason, ...]:
        """The motives the settings name: no route is known that lists them."""
        return tuple(Reason(id=code, name=name) for code, name in self._settings.absence_reasons.items())

    async def standing(self, sessions: tuple[Sheet, ...], scope: Scope) -> Standing:
        """One request for the days of all sessions. Never raises Fault."""
        days = [day for one in sessions for day in self._days(one)]
        if not days:
            return Standing()
        try:
            rows = await self._rows(min(days), max(days))
        except Fault as fault:
            return Standing(complete=False, fault_line=fault_line(fault, self._connection))
        by_learner: dict[str, list[AbsenceRow]] = {}
        for row in rows:
            by_learner.setdefault(row.learner, []).append(row)
        found = [
            one
            for session in sessions
            for learner in sorted(session.learners)
            for one in stood(session, [row for row in by_learner.get(learner, ()) if row.overlaps(session)])
        ]
        return Standing(attendances=tuple(found))

    async def write(
        self, session: Sheet, wanted: tuple[Attendance, ...], standing: tuple[Attendance, ...]
    ) -> None:
        """One request per row that differs, after one that reads what stands there now. Raises Fault."""
        if not self.carries:
            raise _refused("absences", "the write is switched off")
        days = self._days(session)
        if not days:
            raise _refused("absences", f"session {session.id} has no times")
        rows = [row for row in await self._rows(min(days), max(days)) if row.overlaps(session)]
        refused: Fault | None = None
        done = 0
        for one in wanted:
            given = {code for row in standing if row.person == one.person for code in row.key.split("+")}
            here = [row for row in rows if row.learner == one.person]
            try:
                done += await self._make(session, one, here, given)
            except Fault as fault:
                if fault.code not in _ONE_ROW:
                    fault.committed = "unknown" if done else fault.committed
                    raise
                refused = refused or fault
        if refused is not None:
            refused.committed = "unknown" if done else refused.committed
            raise refused

    async def _make(self, session: Sheet, one: Attendance, here: list[AbsenceRow], given: set[str]) -> int:
        """Make one learner's rows of a session say what is wanted; how many requests changed something."""
        due = [row for row in wanted_rows(session, one) if row.content not in {r.content for r in here}]
        kept = {row.content for row in wanted_rows(session, one)}
        left = [row for row in here if row.content not in kept]
        if not due and not left:
            return 0
        if any(row.code not in given for row in left):
            raise _refused(ABSENCES, f"somebody entered an absence of {one.person} meanwhile")
        done = 0
        while due or left:
            if due and left:
                await self._send(self._settings.absence_change, due.pop(0), session, left.pop(0).code)
            elif due:
                await self._send(self._settings.absence_create, due.pop(0), session, "")
            else:
                await self._send(self._settings.absence_remove, None, session, left.pop(0).code)
            done += 1
        return done

    async def _send(self, route: str, row: AbsenceRow | None, session: Sheet, code: str) -> None:
        if not route:
            raise _refused("absences", "no route for this is named in the settings")
        body = None if row is None else self._body(row, session)
        await self._session.write(route, {"code": code} if code else None, json=body)

    def _body(self, row: AbsenceRow, session: Sheet) -> dict[str, Any]:
        first, last = row.first.astimezone(self._zone), row.last.astimezone(self._zone)
        values = {
            "codeApprenant": _number(row.learner),
            "codeGroupe": _number(min(session.groups, default="")),
            "dateDeb": f"{first:%d/%m/%Y}",
            "heureDeb": first.hour * 60 + first.minute,
            "dateFin": f"{last:%d/%m/%Y}",
            "heureFin": last.hour * 60 + last.minute,
            "isJustifie": row.justified,
            "isRetard": row.late,
            "codeMotifAbsence": _number(row.reason),
        }
        return {self._settings.absence_fields.get(name, name): value for name, value in values.items()}

    async def _rows(self, first: date, last: date) -> list[AbsenceRow]:
        values = {"first": mapping.path_date(first), "last": mapping.path_date(last)}
        body = await self._session.read(ABSENCES, values)
        names = {name: code for code, name in self._settings.absence_reasons.items()}
        try:
            return [absence(row, self._zone, names) for row in mapping.rows(body)]
        except mapping.Drift as drift:
            raise Fault(FaultCode.drift, system="erp", route=ABSENCES, came=came(str(drift))) from None

    def _days(self, session: Sheet) -> list[date]:
        """The local dates a session touches."""
        ends = (session.start, session.end)
        return [at.astimezone(self._zone).date() for at in ends if at is not None] if all(ends) else []


def absence(row: mapping.Row, zone: ZoneInfo, codes: Mapping[str, str]) -> AbsenceRow:
    """One row as read. `codes`: motives by name, for rows that name theirs only. Raises Drift."""
    return AbsenceRow(
        learner=mapping.text(row, "codeApprenant"),
        first=_placed(row, "dateDeb", "heureDeb", zone),
        last=_placed(row, "dateFin", "heureFin", zone),
        justified=mapping.truth(row.get("isJustifie"), "isJustifie"),
        late=mapping.truth(row.get("isRetard"), "isRetard"),
        reason=_motive(row, codes),
        code=mapping.text(row, "codeAbsence"),
    )


def stood(session: Sheet, rows: Iterable[AbsenceRow]) -> list[Attendance]:
    """How one learner stands on a session by the rows that overlap it. A lateness and an early leaving are one
    attendance; other rows stand each for itself."""
    found = [_as_attendance(session, row) for row in sorted(rows, key=lambda row: (row.first, row.code))]
    late = [one for one in found if one.late and not one.left_early]
    early = [one for one in found if one.left_early and not one.late]
    if len(found) == 2 and len(late) == len(early) == 1:
        both = {
            "left_early": early[0].left_early,
            "key": f"{late[0].key}+{early[0].key}",
            "first": None,
            "last": None,
        }
        return [late[0].model_copy(update=both)]
    return found


def _as_attendance(session: Sheet, row: AbsenceRow) -> Attendance:
    assert session.start is not None and session.end is not None
    whole = row.first <= session.start and row.last >= session.end
    values: dict[str, Any] = {
        "sheet": session.id,
        "person": row.learner,
        "justified": row.justified,
        "reason": row.reason,
        "key": row.code,
        "first": row.first,
        "last": row.last,
    }
    if whole and not row.late:
        return Attendance(state="absent", **values)
    if row.first <= session.start:
        return Attendance(state="present", late=_minutes(row.last - session.start), **values)
    if row.last >= session.end:
        return Attendance(state="present", left_early=_minutes(session.end - row.first), **values)
    return Attendance(state="present", **values)


def wanted_rows(session: Sheet, one: Attendance) -> list[AbsenceRow]:
    """The rows that say an attendance; none for somebody who was there throughout."""
    assert session.start is not None and session.end is not None
    if one.state == "absent":
        return [AbsenceRow(one.person, session.start, session.end, one.justified, False, one.reason)]
    rows = []
    if one.late:
        arrived = min(session.start + one.late * MINUTE, session.end)
        rows.append(AbsenceRow(one.person, session.start, arrived, False, True, one.reason))
    if one.left_early:
        left = max(session.end - one.left_early * MINUTE, session.start)
        rows.append(AbsenceRow(one.person, left, session.end, False, False, one.reason))
    return rows


def _placed(row: mapping.Row, day: str, minutes: str, zone: ZoneInfo) -> datetime:
    """A date and minutes since midnight, by the school's clocks, as an instant. Raises Drift."""
    try:
        count = int(mapping.text(row, minutes))
        local = datetime.combine(mapping.date_of(mapping.text(row, day)), time()) + count * MINUTE
    except (ValueError, OverflowError) as error:
        raise mapping.Drift(f"{day} and {minutes}: {error}") from None
    return local.replace(tzinfo=zone).astimezone(UTC)


def _motive(row: mapping.Row, codes: Mapping[str, str]) -> str:
    """The motive's code, flat or in its object; by its name where only that is told."""
    nested = row.get("motifAbsence")
    inner = nested if isinstance(nested, Mapping) else {}
    for holder in (row, inner):
        if holder.get("codeMotifAbsence") not in (None, ""):
            return mapping.text(holder, "codeMotifAbsence")
    name = str(inner.get("nomMotifAbsence") or row.get("libelleMotifAbsence") or "")
    return codes.get(name, name)


def _minutes(span: timedelta) -> int:
    return max(0, math.ceil(span / MINUTE))


def _number(text: str) -> int | str | None:
    return int(text) if text.isdecimal() else text or None


def _refused(route: str, what: str) -> Fault:
    return Fault(FaultCode.refused, system="erp", route=route, came=came(what))
