"""Client of Edusign's public API v1.

What it stands on, and how sure it is:

* Documented: bearer key, envelope with business errors in HTTP 200, 480 requests a minute (24 on heavy
  routes) beyond which calls are slowed, pages of 40 sheets counted from 0, spans of at most 90 days.
* Seen in client code: plain-text technical errors, both spellings of ids, pages of 100 professors, pages to
  be read until an empty one, by-email and get-id showing archived people, restore of a student, the
  attendance routes, `Student already in the list`, `fromStudents` with an explicit roster.
* Inferred: which routes are heavy (listing sheets, reading by ids, locking), a professor's restore by
  PATCH of HIDDEN, that a PATCH without `fromStudents` leaves the roster alone.
* Unknown: whether `end` of a span is included. A day more is asked for until an answer showed that it is;
  page sizes of students and groups: the largest page of a listing is taken for it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from connectors.edusign import EdusignSettings, mapping
from connectors.http import Exchange, HttpSession, Limits
from engine.attendance import Reason, RollCall, RollCalls
from engine.faults import came, fault_line
from engine.ports import (
    Capability,
    Fault,
    FaultCode,
    Finding,
    Listing,
    Progress,
    School,
    Scope,
    Surroundings,
)
from engine.records import PEOPLE, Kind, Record, Seen, Sheet
from engine.words import _

T = TypeVar("T")

_NAMES: dict[Kind, str] = {
    "learner": "student",
    "speaker": "professor",
    "group": "group",
    "sheet": "course",
}
_PLURALS: dict[Kind, str] = {
    "learner": _("learners"),
    "speaker": _("speakers"),
    "group": _("groups"),
    "sheet": _("sheets"),
}
_LIST: dict[Kind, str] = {kind: f"GET /v1/{name}" for kind, name in _NAMES.items()}
_ONE: dict[Kind, str] = {kind: f"GET /v1/{name}/{{id}}" for kind, name in _NAMES.items()}
_GET_ID: dict[Kind, str] = {kind: f"GET /v1/{name}/get-id/{{api_id}}" for kind, name in _NAMES.items()}
_BY_EMAIL: dict[Kind, str] = {
    kind: f"GET /v1/{name}/by-email/{{email}}" for kind, name in _NAMES.items() if kind in PEOPLE
}
_CREATE: dict[Kind, str] = {kind: f"POST /v1/{name}" for kind, name in _NAMES.items()}
_UPDATE: dict[Kind, str] = {
    "learner": "PATCH /v1/student/",
    "speaker": "PATCH /v1/professor/",
    "group": "PATCH /v1/group",
    "sheet": "PATCH /v1/course/",
}
_DELETE: dict[Kind, str] = {kind: f"DELETE /v1/{name}/{{id}}" for kind, name in _NAMES.items()}
_SCHOOL = "GET /v1/school"
_BY_IDS = "POST /v1/student/by-ids"
_RESTORE = "GET /v1/student/restore/{id}"
_JUSTIFIED = "GET /v1/justified-absence"
_REASONS = "GET /v1/justified-absence/absence-reason"
_ADD = "PUT /v1/course/attendance/{id}"
_REMOVE = "DELETE /v1/course/attendance/{id}"

HEAVY = frozenset({_LIST["sheet"], _BY_IDS})
"""Routes counted against the small limit (which ones are heavy is inferred)."""

PAGE_SIZES: dict[Kind, int] = {"sheet": 40, "speaker": 100}
"""Documented page sizes; others are learned from the largest page."""

SPAN_DAYS = 90
"""Longest span of dates one listing of sheets may ask for (documented)."""

BULK = 50
"""Ids in one bulk read; the server's own limit is unknown."""

_NO_SUCH = re.compile(r"not found|\bno\b.*\bfound|cannot get|unknown|err_unknown")
# Failures whose words could pass for "there is none".
_FAILED = re.compile(r"unknown error|internal|time-?d? ?out|database|unauthori|forbidden|permission|rights?\b")
_ALREADY_ON = re.compile(r"already in the list|err_student_already_present")
_NOT_ON = re.compile(r"not (?:in|on) (?:the|this) (?:list|course|sheet)")


class _Refused(Fault):
    """An error envelope. `no_such` when it says that there is no such record."""

    def __init__(self, route: str, message: Any) -> None:
        text = _words(message)
        super().__init__(FaultCode.refused, system="edusign", route=route, came=came(text))
        self.text = text.lower()
        # An array lists what was wrong with the request: never the absence of a record.
        self.no_such = (
            isinstance(message, str)
            and _NO_SUCH.search(self.text) is not None
            and _FAILED.search(self.text) is None
        )


@dataclass(frozen=True)
class _Standing:
    """What a PATCH of a sheet needs to know of it as it stands."""

    slots: tuple[str, ...]
    need_signature: bool


class EdusignClient:
    """One school, as `engine.ports.AttendancePlatform` asks.

    `warnings` counts fields that the mapping does not know, as "kind.FIELD"; they are ignored.
    """

    def __init__(
        self,
        settings: EdusignSettings,
        surroundings: Surroundings,
        capture: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._connection = surroundings.connection
        secret = surroundings.secret(settings.key).strip()
        self._session = HttpSession(
            system="edusign",
            base_url=re.sub(r"(/v1)?/*$", "", settings.url),
            header=("Authorization", "Bearer {secret}"),
            secret=secret,
            clock=surroundings.clock,
            jitter=random.Random(f"{surroundings.connection}/edusign"),
            timeout_seconds=settings.timeout_seconds,
            transport=surroundings.transport,
            limits=Limits(settings.requests_per_minute, settings.heavy_per_minute, HEAVY),
            capture=capture,
        )
        self.requests: Mapping[str, int] = self._session.requests
        self.skew: timedelta | None = None
        self.capabilities = _capabilities(settings.accept_unverified)
        self.warnings: dict[str, int] = {}
        self._school: School | None = None
        self._school_id = ""
        self._standing: dict[str, _Standing] = {}
        self._end_included = False

    @property
    def budget_left(self) -> int:
        """Requests that may still be sent in the current minute without being slowed."""
        return self._session.budget_left or 0

    async def begin(self, scope: Scope) -> None:
        """A new run: the school is read anew."""
        self._school = None
        self._standing.clear()

    async def school(self) -> School:
        """The school behind the key, read once a run. Raises Fault."""
        if self._school is None:
            result = await self._read(_SCHOOL)
            self._school = self._mapped(_SCHOOL, mapping.school, _row(result, _SCHOOL))
            self._school_id = self._school.id
        return self._school

    # Listings

    async def listing(self, kind: Kind, scope: Scope, progress: Progress | None = None) -> Listing:
        """All live records of `kind`; sheets by the local date of their start. Never raises Fault."""
        return await self._listing(kind, scope, {}, progress)

    async def sheets_of_group(self, group_id: str, scope: Scope) -> Listing:
        """The sheets of `scope` that carry one group. Never raises Fault."""
        return await self._listing("sheet", scope, {"groupId": group_id}, None)

    async def _listing(
        self, kind: Kind, scope: Scope, filters: Mapping[str, str], progress: Progress | None
    ) -> Listing:
        found: dict[str, Seen] = {}
        reading = _Reading(self, kind, found, progress)
        fault: Fault | None = None
        try:
            if kind == "sheet":
                for first, last in self._spans(scope):
                    span = {"start": first.isoformat(), "end": last.isoformat(), **filters}
                    await reading.all_pages(span)
                    self._learn_end(last, reading.starts, scope.zone)
            else:
                await reading.all_pages(filters)
        except Fault as error:
            error.pages_read = reading.pages
            fault = error
        zone = ZoneInfo(scope.zone)
        seen = tuple(one for one in found.values() if not one.archived and _within(one.record, scope, zone))
        return Listing(
            kind=kind,
            seen=seen,
            complete=fault is None,
            fault="" if fault is None else fault.code.value,
            fault_line="" if fault is None else fault_line(fault, self._connection),
            pages=reading.pages,
        )

    def _spans(self, scope: Scope) -> list[tuple[date, date]]:
        """Spans of dates that cover the scope, read in UTC or in the scope's zone, `end` included or not."""
        zone = ZoneInfo(scope.zone)
        begins = datetime.combine(scope.first, time.min, zone).astimezone(UTC)
        ends = datetime.combine(scope.last + timedelta(days=1), time.min, zone).astimezone(UTC)
        first = min(scope.first, begins.date())
        last = max(scope.last, (ends - timedelta(microseconds=1)).date())
        if not self._end_included:
            last += timedelta(days=1)
        spans: list[tuple[date, date]] = []
        step = timedelta(days=SPAN_DAYS - 1)
        while last - first > step:
            # Spans share a date: were `end` left out, nothing would fall between them.
            spans.append((first, first + step))
            first += step
        return [*spans, (first, last)]

    def _learn_end(self, last: date, starts: list[datetime], zone: str) -> None:
        """A sheet inside the last day, by UTC and by the zone, proves that `end` is included."""
        local = ZoneInfo(zone)
        midnights = (
            datetime.combine(last, time.min, UTC),
            datetime.combine(last, time.min, local).astimezone(UTC),
        )
        if any(at > max(midnights) for at in starts):
            self._end_included = True

    # Attendance

    async def roll_calls(self, scope: Scope, progress: Progress | None = None) -> RollCalls:
        """Every sheet of `scope` with how everybody stood, in one listing: that of locked sheets alone would
        not tell which ones were left open. Never raises Fault."""
        found: dict[str, Seen] = {}
        reading = _Reading(self, "sheet", found, progress)
        sheets: list[RollCall] = []
        fault: Fault | None = None
        try:
            self._school = None
            await self.school()
            for first, last in self._spans(scope):
                await reading.all_pages({"start": first.isoformat(), "end": last.isoformat()})
                self._learn_end(last, reading.starts, scope.zone)
            zone = ZoneInfo(scope.zone)
            meant = [one for one in found.values() if _within(one.record, scope, zone)]
            accepted = await self._justified() if any(one.locked for one in meant) else {}
            sheets = [self._roll_call(one, reading.rows[one.id], accepted) for one in meant]
        except Fault as error:
            error.pages_read = reading.pages
            fault = error
        return RollCalls(
            sheets=tuple(sheets),
            complete=fault is None,
            fault="" if fault is None else fault.code.value,
            fault_line="" if fault is None else fault_line(fault, self._connection),
            pages=reading.pages,
        )

    def _roll_call(
        self, one: Seen, row: mapping.Row, accepted: Mapping[str, list[mapping.Justified]]
    ) -> RollCall:
        return self._mapped(_LIST["sheet"], lambda row: mapping.roll_call(row, one, accepted), row)

    async def absence_reasons(self) -> tuple[Reason, ...]:
        """The built-in reasons and the school's own. Raises Fault."""
        rows = _rows(await self._read(_REASONS), _REASONS)
        own = [self._mapped(_REASONS, mapping.reason, row) for row in rows]
        ids = {one.id for one in own}
        return (*(one for one in mapping.BUILT_IN_REASONS if one.id not in ids), *own)

    async def _justified(self) -> dict[str, list[mapping.Justified]]:
        """Every accepted justification, by learner. Its page size is unknown: read to an empty page, or to one
        that only says again what the page before said."""
        found: dict[str, mapping.Justified] = {}
        seen: set[str] = set()
        previous: list[str] = []
        page = 0
        while True:
            rows = _rows(await self._read(_JUSTIFIED, params={"page": str(page)}), _JUSTIFIED)
            ids = [self._mapped(_JUSTIFIED, mapping.identity, row) for row in rows]
            if not rows or ids == previous:
                break
            if again := seen.intersection(ids):
                came_twice = f"page {page} shows {min(again)}, which came before"
                raise Fault(FaultCode.repeated_page, system="edusign", route=_JUSTIFIED, came=came(came_twice))
            for row in rows:
                one = self._mapped(_JUSTIFIED, mapping.justified, row)
                if one is not None:
                    found[one.id] = one
            seen.update(ids)
            previous = ids
            page += 1
        by_learner: dict[str, list[mapping.Justified]] = {}
        for one in found.values():
            by_learner.setdefault(one.learner, []).append(one)
        return by_learner

    # Single reads

    async def read(self, kind: Kind, id: str) -> Seen | None:
        """One record, archived ones included; None when there is none. Raises Fault."""
        return await self._one(kind, _ONE[kind], {"id": id})

    async def read_many(self, kind: Kind, ids: tuple[str, ...]) -> dict[str, Seen]:
        """Learners fifty at a time, others one by one; unknown ids are left out. Raises Fault."""
        found: dict[str, Seen] = {}
        wanted = tuple(dict.fromkeys(id for id in ids if id))
        if kind != "learner":
            return await self._singly(kind, wanted)
        for n in range(0, len(wanted), BULK):
            chunk = wanted[n : n + BULK]
            try:
                result = await self._read(_BY_IDS, json={"studentIds": list(chunk)})
            except _Refused as refusal:
                if not refusal.no_such:
                    raise
                # One unknown id may refuse the whole chunk.
                found.update(await self._singly(kind, chunk))
                continue
            for row in _rows(result, _BY_IDS):
                one = self._seen(kind, _BY_IDS, row)
                if one.id in chunk:
                    found[one.id] = one
        return {id: found[id] for id in wanted if id in found}

    async def _singly(self, kind: Kind, ids: tuple[str, ...]) -> dict[str, Seen]:
        found: dict[str, Seen] = {}
        for id in ids:
            one = await self.read(kind, id)
            if one is not None:
                found[id] = one
        return found

    async def id_by_api_id(self, kind: Kind, api_id: str) -> str | None:
        """The Edusign id carrying this external key; None when there is none. Raises Fault."""
        if not api_id:
            return None
        try:
            result = await self._read(_GET_ID[kind], {"api_id": api_id})
        except _Refused as refusal:
            if refusal.no_such:
                return None
            raise
        return mapping.granted_id(result) or None

    async def by_email(self, kind: Kind, email: str) -> Seen | None:
        """The person with this e-mail, archived ones included. Raises Fault; ValueError for non-people."""
        if kind not in PEOPLE:
            raise ValueError(f"no e-mail leads to a {kind}")
        return await self._one(kind, _BY_EMAIL[kind], {"email": email.strip()})

    async def _one(self, kind: Kind, route: str, values: Mapping[str, str]) -> Seen | None:
        if not all(values.values()):
            return None
        try:
            result = await self._read(route, values)
        except _Refused as refusal:
            if refusal.no_such:
                return None
            raise
        if not result:
            return None
        seen = self._seen(kind, route, _row(result, route))
        if "id" in values and seen.id != values["id"]:
            raise _drift(route, f"asked for {values['id']}, got {seen.id}")
        return seen

    # Writes

    async def create(self, record: Record, api_id: str, api_type: str) -> str:
        """Create; the new Edusign id. Nobody is mailed (R33). Raises Fault; ValueError without a time."""
        kind = record.kind
        # Without fromStudents a sheet is filled from its groups, not from the session's own learners.
        params = {"fromStudents": "true"} if kind == "sheet" else None
        body = mapping.created(record, api_id, api_type)
        result = await self._write(_CREATE[kind], kind, "", params=params, json=body)
        id = mapping.granted_id(result)
        if not id:
            try:
                id = await self.id_by_api_id(kind, api_id) or ""
            except Fault as fault:
                # The record is there; only its id could not be read.
                fault.committed = "unknown"
                fault.record = kind
                raise
        if not id:
            raise Fault(
                FaultCode.drift,
                system="edusign",
                route=_CREATE[kind],
                came=came(f"no id in {result!r}"),
                committed="unknown",
                record=kind,
            )
        return id

    async def update(self, record: Record, fields: frozenset[str], api: tuple[str, str] | None = None) -> None:
        """Write `fields`; a sheet's roster goes along as it stands. Raises Fault; ValueError without a time."""
        standing = self._standing.get(record.id)
        if isinstance(record, Sheet) and standing is not None:
            body = mapping.updated(
                record, fields, api, slots=standing.slots, need_signature=standing.need_signature
            )
        else:
            body = mapping.updated(record, fields, api)
        # Without it a PATCH may fill the sheet from its groups again (unknown); with it, all people are sent.
        params = {"fromStudents": "true"} if record.kind == "sheet" else None
        await self._write(_UPDATE[record.kind], record.kind, record.id, params=params, json=body)
        # What stands there now is known again once it was re-read.
        self._standing.pop(record.id, None)

    async def archive(self, kind: Kind, id: str) -> None:
        """Archive a person. Raises Fault; ValueError for anything that has no archive."""
        if kind not in PEOPLE:
            raise ValueError(f"a {kind} has no archive")
        await self._write(_DELETE[kind], kind, id, {"id": id})

    async def restore(self, kind: Kind, id: str) -> None:
        """Bring an archived person back; a speaker by PATCH of HIDDEN (inferred). Raises Fault."""
        if kind == "learner":
            # A GET with an effect: sent once, as every write.
            await self._write(_RESTORE, kind, id, {"id": id})
            return
        if kind != "speaker":
            raise ValueError(f"a {kind} has no archive")
        seen = await self.read("speaker", id)
        if seen is None:
            fault = _Refused(_ONE["speaker"], "not found")
            fault.record = f"{kind} {id}"
            raise fault
        body = mapping.updated(seen.record, frozenset(), None)
        body["professor"]["HIDDEN"] = False
        await self._write(_UPDATE["speaker"], kind, id, json=body)

    async def withdraw(self, sheet_id: str) -> None:
        """Delete a sheet. Raises Fault."""
        await self._write(_DELETE["sheet"], "sheet", sheet_id, {"id": sheet_id})

    async def add_to_sheet(self, sheet_id: str, learner_id: str) -> None:
        """Put one learner on a sheet; being there already is success. Raises Fault."""
        await self._attend(_ADD, sheet_id, learner_id, _ALREADY_ON)

    async def remove_from_sheet(self, sheet_id: str, learner_id: str) -> None:
        """Take one learner off a sheet; being absent already is success. Raises Fault."""
        await self._attend(_REMOVE, sheet_id, learner_id, _NOT_ON)

    async def _attend(self, route: str, sheet_id: str, learner_id: str, done: re.Pattern[str]) -> None:
        try:
            await self._write(route, "sheet", sheet_id, {"id": sheet_id}, json={"studentId": learner_id})
        except _Refused as refusal:
            # How a learner who is not on the sheet is refused is unknown: any "no such student" will do.
            absent = route == _REMOVE and refusal.no_such and "student" in refusal.text
            if not done.search(refusal.text) and not absent:
                raise

    # Check

    async def check(self) -> tuple[Finding, ...]:
        """The key, one page of each listing, the clock."""
        findings: list[Finding] = []
        try:
            school = await self.school()
        except Fault as fault:
            return (self._bad(_("Edusign key"), fault),)
        connector = school.connector
        findings.append(Finding(what=_("Edusign key"), ok=True, detail=f"{school.name} ({school.zone or '?'})"))
        findings.append(
            Finding(
                what=_("Edusign's own connector"),
                ok=not connector,
                detail=connector or _("none"),
                advice=_("switch it off before Rollcall writes, or stay read-only") if connector else "",
            )
        )
        for kind in _NAMES:
            what = _("read {things}").format(things=_PLURALS[kind])
            try:
                rows = _rows(await self._read(_LIST[kind], params={"page": "0"}), _LIST[kind])
                for row in rows:
                    self._seen(kind, _LIST[kind], row)
            except Fault as fault:
                findings.append(self._bad(what, fault))
            else:
                detail = _("{count} on the first page").format(count=len(rows))
                findings.append(Finding(what=what, ok=True, detail=detail))
        if self.warnings:
            findings.append(Finding(what=_("unknown fields"), ok=True, detail=", ".join(sorted(self.warnings))))
        if self.skew is None:
            findings.append(Finding(what=_("clock"), ok=False, detail=_("Edusign told no date")))
        else:
            seconds = int(self.skew.total_seconds())
            ok = abs(seconds) <= 60
            findings.append(
                Finding(
                    what=_("clock"),
                    ok=ok,
                    detail=_("Edusign is {seconds:+d} s from this machine").format(seconds=seconds),
                    advice="" if ok else _("set this machine's clock; sheets are not written meanwhile"),
                )
            )
        return tuple(findings)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    # Calls

    async def _read(
        self,
        route: str,
        values: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> Any:
        try:
            body = await self._session.read(route, values, params=params, json=json)
        finally:
            self.skew = self._session.skew
        return _result(body, route)

    async def _write(
        self,
        route: str,
        kind: Kind,
        id: str,
        values: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> Any:
        try:
            body = await self._session.write(route, values, params=params, json=json)
            return None if body is None else _result(body, route, write=True)
        except Fault as fault:
            fault.record = f"{kind} {id}".strip()
            raise
        finally:
            self.skew = self._session.skew

    def _seen(self, kind: Kind, route: str, row: mapping.Row) -> Seen:
        seen = self._mapped(route, lambda row: mapping.seen(kind, row, self._school_id), row)
        if kind == "sheet":
            self._standing[seen.id] = _Standing(mapping.slots_of(row), mapping.needs_signature(row))
        return seen

    def _note_unfamiliar(self, kind: Kind, row: mapping.Row) -> None:
        for name in mapping.unfamiliar(kind, row):
            label = f"{kind}.{name}"
            self.warnings[label] = self.warnings.get(label, 0) + 1

    def _mapped(self, route: str, reader: Callable[[mapping.Row], T], row: mapping.Row) -> T:
        try:
            return reader(row)
        except mapping.Drift as drift:
            raise _drift(route, str(drift)) from None

    def _bad(self, what: str, fault: Fault) -> Finding:
        return Finding(what=what, ok=False, detail=fault.code.value, advice=fault_line(fault, self._connection))


class _Reading:
    """One listing under way: pages one by one to an empty one, and what contradicts them."""

    def __init__(
        self, client: EdusignClient, kind: Kind, found: dict[str, Seen], progress: Progress | None
    ) -> None:
        self.pages = 0
        self.starts: list[datetime] = []
        self.rows: dict[str, mapping.Row] = {}
        """The raw rows by id."""
        self._client = client
        self._kind = kind
        self._found = found
        self._progress = progress

    async def all_pages(self, params: Mapping[str, str]) -> None:
        """Read to the empty page into `found`. Raises Fault; what was read until then stays."""
        route = _LIST[self._kind]
        self.starts = []
        ids: set[str] = set()
        full = PAGE_SIZES.get(self._kind, 0)
        previous: int | None = None
        page = 0
        while True:
            result = await self._client._read(route, params={"page": str(page), **params})
            rows = _rows(result, route)
            if not rows:
                return
            self._client._note_unfamiliar(self._kind, rows[0])
            seen = [self._client._seen(self._kind, route, row) for row in rows]
            again = next((n for n, one in enumerate(seen) if one.id in ids), None)
            if again is not None:
                raise self._broken(
                    FaultCode.repeated_page, f"page {page} shows {seen[again].id}, which came before"
                )
            here = {one.id for one in seen}
            if len(here) < len(seen):
                raise self._broken(FaultCode.repeated_page, f"page {page} shows a record twice")
            ids |= here
            for row, one in zip(rows, seen, strict=True):
                self._found[one.id] = one
                self.rows[one.id] = row
                if isinstance(one.record, Sheet) and one.record.start is not None:
                    self.starts.append(one.record.start)
            full = max(full, len(rows))
            if previous is not None and previous < full:
                raise self._broken(
                    FaultCode.truncated, f"page {page - 1} had {previous} of {full} rows, and more followed"
                )
            previous = len(rows)
            self.pages += 1
            page += 1
            if self._progress is not None:
                self._progress(_PLURALS[self._kind], len(self._found), None)

    def _broken(self, code: FaultCode, what: str) -> Fault:
        return Fault(code, system="edusign", route=_LIST[self._kind], came=came(what))


def _result(body: Any, route: str, *, write: bool = False) -> Any:
    """What an envelope holds. Raises _Refused for an error envelope, Fault for no envelope."""
    status = body.get("status") if isinstance(body, Mapping) else None
    if status == "success":
        return body.get("result")
    if status == "error":
        raise _Refused(route, body.get("message") or body.get("errorCode") or "")
    fault = _drift(route, f"no status in {body!r:.80}")
    if write:
        fault.committed = "unknown"
    raise fault


def _words(message: Any) -> str:
    """An error message, which may be text or an array of text or of objects (their shape is unknown)."""
    if isinstance(message, list):
        return "; ".join(_words(item) for item in message)
    if isinstance(message, Mapping):
        told = message.get("message") or message.get("msg")
        return _words(told) if told else ", ".join(f"{key}: {_words(value)}" for key, value in message.items())
    return str(message)


def _rows(result: Any, route: str) -> list[mapping.Row]:
    if not isinstance(result, list) or not all(isinstance(row, Mapping) for row in result):
        raise _drift(route, f"an array of records was due, not {result!r:.60}")
    return result


def _row(result: Any, route: str) -> mapping.Row:
    if isinstance(result, list) and len(result) == 1:
        result = result[0]
    if not isinstance(result, Mapping):
        raise _drift(route, f"a record was due, not {result!r:.60}")
    return result


def _drift(route: str, what: str) -> Fault:
    return Fault(FaultCode.drift, system="edusign", route=route, came=came(what))


def _within(record: Record, scope: Scope, zone: ZoneInfo) -> bool:
    if not isinstance(record, Sheet) or record.start is None:
        return True
    return scope.first <= record.start.astimezone(zone).date() <= scope.last


def _capabilities(accept_unverified: bool) -> tuple[Capability, ...]:
    restore = Capability(
        name="restore speakers",
        certainty="inferred",
        source="PATCH of a professor documents HIDDEN; no restore route is known",
        on=accept_unverified,
        why_off="" if accept_unverified else _("no document shows it; accept_unverified switches it on"),
    )
    return (
        Capability(name="read school", certainty="documented", source="GET /v1/school"),
        Capability(name="read learners", certainty="documented", source="GET /v1/student"),
        Capability(name="read speakers", certainty="documented", source="GET /v1/professor"),
        Capability(name="read groups", certainty="seen", source="GET /v1/group, in clients"),
        Capability(name="read sheets", certainty="documented", source="GET /v1/course"),
        Capability(name="read attendance", certainty="seen", source="states of a sheet, in clients"),
        Capability(name="read justified absences", certainty="seen", source="GET /v1/justified-absence"),
        Capability(name="write learners", certainty="documented", source="POST and PATCH /v1/student"),
        Capability(name="write speakers", certainty="documented", source="POST and PATCH /v1/professor"),
        Capability(name="write groups", certainty="seen", source="POST and PATCH /v1/group, in clients"),
        Capability(name="write sheets", certainty="documented", source="POST and PATCH /v1/course"),
        Capability(name="archive people", certainty="documented", source="DELETE /v1/student, /v1/professor"),
        Capability(name="restore learners", certainty="seen", source="GET /v1/student/restore, in one client"),
        restore,
        Capability(name="withdraw sheets", certainty="documented", source="DELETE /v1/course"),
        Capability(name="write rosters", certainty="seen", source="/v1/course/attendance, in vendor code"),
    )
