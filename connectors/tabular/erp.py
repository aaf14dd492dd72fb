"""An ERP whose records come as rows of our own fields, wherever the rows come from.

What it is made of decides what it can say: groups from a table of their own, from memberships or from the
learners' rows; a session's learners from its rows or from its groups.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from connectors.tabular import records
from connectors.tabular.fields import Certainty, Conventions, Sort
from connectors.tabular.records import Row
from engine.faults import came, fault_line
from engine.ports import (
    AttendanceForm,
    Capability,
    ErpAttendance,
    Fault,
    FaultCode,
    Finding,
    Listing,
    Progress,
    Scope,
    Sighting,
    Surroundings,
)
from engine.records import KINDS, Entry, Kind, Record, Sheet
from engine.words import _

T = TypeVar("T")

SORT_OF: Mapping[Kind, Sort] = {
    "speaker": "speakers",
    "learner": "learners",
    "group": "groups",
    "sheet": "sessions",
}
_SAMPLE = timedelta(days=13)
_SKEW_LIMIT = timedelta(seconds=60)
_LOOK_BACK = timedelta(days=14)
_LOOK_AHEAD = timedelta(days=60)
"""Where a session is looked for when a listing missed it: it may have been moved out of the horizon."""


def about(code: FaultCode, what: str, why: object = "") -> Fault:
    """A fault about one file or route."""
    return Fault(code, system="erp", route=what, came=came(why))


class TabularErp:
    """What every such ERP does, as `engine.ports.Erp` asks; a subclass says where rows come from."""

    keys_move: bool = False
    attendance: ErpAttendance | None = None
    form: AttendanceForm | None = None
    silent: Mapping[Kind, frozenset[str]]
    capabilities: tuple[Capability, ...]
    requests: Mapping[str, int]
    """Requests sent, or files read, since opening."""

    def __init__(
        self, tables: Mapping[Sort, frozenset[str]], conventions: Conventions, surroundings: Surroundings
    ) -> None:
        """`tables`: the sorts of rows there are, and the fields each speaks of."""
        self._tables = tables
        self._conventions = conventions
        self._connection = surroundings.connection
        self._clock = surroundings.clock
        self._zone = surroundings.zone
        self._said: dict[str, Any] = {}
        self._again = False
        """Whether this run looks for single records: then what was read before is not enough."""
        self.silent = _silent(tables)

    # What a subclass says

    @property
    def skew(self) -> timedelta | None:
        """The other side's clock minus ours; None where it is not told."""
        raise NotImplementedError

    async def rows(self, sort: Sort, scope: Scope) -> list[Row]:
        """All rows of a sort that is in `tables` (sessions: at least those of the scope). Raises Fault where
        not all came."""
        raise NotImplementedError

    async def newer(self, kind: Kind) -> bool:
        """Whether what a run reads of `kind` was said since the run before, and not left lying there. May
        raise Fault."""
        return True

    async def open_check(self) -> Finding:
        """The first thing to try. May raise Fault: nothing else is then tried."""
        raise NotImplementedError

    async def strange(self) -> str:
        """What stands there that the profile knows nothing of; "" for nothing."""
        raise NotImplementedError

    # What the engine asks

    async def begin(self, scope: Scope) -> None:
        """A new run starts: forget what earlier listings brought."""
        self._said.clear()
        self._again = False

    async def listing(self, kind: Kind, scope: Scope, progress: Progress | None = None) -> Listing:
        """All records of `kind`; never raises Fault."""
        try:
            entries = await self._entries(kind, scope)
        except Fault as fault:
            if fault.pages_read is None:
                fault.pages_read, fault.pages_seen = 0, 1
            line = fault_line(fault, self._connection)
            return Listing(kind=kind, complete=False, fault=fault.code.value, fault_line=line)
        if progress is not None:
            progress(_PLURALS[kind], len(entries), len(entries))
        ordered = sorted(entries, key=lambda entry: (len(entry.id), entry.id))
        return Listing(kind=kind, entries=tuple(ordered), pages=1)

    async def find(self, kind: Kind, erp_id: str, scope: Scope, last: Record | None) -> Sighting:
        """Look for one record in rows read anew, sessions beyond the scope too: the narrowest place there is.
        Who is in none is gone, unless the same was read again (R13)."""
        if not self._again:
            self._said.clear()
            self._again = True
        first = scope.first - _LOOK_BACK
        wide = Scope(first=first, last=max(scope.last, scope.first + _LOOK_AHEAD), zone=scope.zone)
        try:
            for entry in await self._entries(kind, wide):
                if entry.id == erp_id:
                    return Sighting(state="alive", entry=entry)
            return Sighting(state="gone" if await self.newer(kind) else "unknown")
        except Fault:
            return Sighting(state="unknown")

    async def check(self) -> tuple[Finding, ...]:
        """Whether it can be reached, a sample of each listing, what is new there, the clock."""
        today = local_date(self._clock.now(), self._zone)
        scope = Scope(first=today, last=today + _SAMPLE, zone=self._zone)
        await self.begin(scope)
        try:
            findings = [await self.open_check()]
        except Fault as fault:
            line = fault_line(fault, self._connection)
            return (Finding(what=_("reach it"), ok=False, detail=fault.code.value, advice=line),)
        for kind in KINDS:
            listing = await self.listing(kind, scope)
            detail = _("{count} seen").format(count=len(listing.entries))
            findings.append(
                Finding(what=_READ[kind], ok=listing.complete, detail=detail, advice=listing.fault_line)
            )
        findings.append(Finding(what=_("fields"), ok=True, detail=await self.strange()))
        if (skew := self.skew) is not None:
            fits = abs(skew) <= _SKEW_LIMIT
            detail = _("{seconds} s apart").format(seconds=int(skew.total_seconds()))
            advice = "" if fits else _("set the clock of this machine or of the server")
            findings.append(Finding(what=_("clock"), ok=fits, detail=detail, advice=advice))
        await self.begin(scope)
        return tuple(findings)

    async def once(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """What was asked already in this run, its failure too; else asked now. Raises Fault."""
        if what not in self._said:
            try:
                self._said[what] = await ask()
            except Fault as fault:
                self._said[what] = fault
        said: T | Fault = self._said[what]
        if isinstance(said, Fault):
            raise said
        return said

    # Entries

    async def _entries(self, kind: Kind, scope: Scope) -> list[Entry]:
        """The records of one kind; of sessions those that begin in the scope. Raises Fault."""
        if kind in ("learner", "speaker"):
            made = records.learner if kind == "learner" else records.speaker
            return [made(row) for row in await self._rows(SORT_OF[kind], scope)]
        if kind == "group":
            return await self._groups(scope)
        return [entry for entry in await self._sessions(scope) if _within(entry, scope)]

    async def _groups(self, scope: Scope) -> list[Entry]:
        inside = await self._members(scope)
        if "groups" in self._tables:
            rows = await self._rows("groups", scope)
            _no_code_twice(rows, "key")
            return [
                records.group(key, row.text("name"), inside.get(key, frozenset()), row.where)
                for row in rows
                if (key := row.text("key"))
            ]
        rows = await self._rows("members", scope) if "members" in self._tables else []
        _no_code_twice(rows, "group")
        named = {row.text("group"): row for row in rows if row.text("name")}
        return [
            records.group(code, named[code].text("name"), those, named[code].where)
            if code in named
            else records.group(code, "", those, code)
            for code, those in inside.items()
            if code
        ]

    async def _members(self, scope: Scope) -> dict[str, frozenset[str]]:
        """Who is in each group: from the rows of memberships, else from the learners' own."""
        found: dict[str, set[str]] = {}
        learners = await self._rows("learners", scope)
        if "members" in self._tables:
            over = {row.text("key") for row in learners if row.over}
            for row in await self._rows("members", scope):
                if not row.text("learner"):
                    continue
                group = found.setdefault(row.text("group"), set())
                if not row.over and row.text("learner") not in over:
                    group.add(row.text("learner"))
        else:
            for row in learners:
                for code in records.listed(row.text("groups"), self._conventions.between):
                    group = found.setdefault(code, set())
                    if not row.over:
                        group.add(row.text("key"))
        return {code: frozenset(people) for code, people in found.items()}

    async def _sessions(self, scope: Scope) -> list[Entry]:
        named = "learners" in self._tables.get("sessions", frozenset())
        inside = None if named else await self._members(scope)
        rows = await self._rows("sessions", scope)
        return records.sessions(rows, self._zone, self._conventions, inside)

    async def _rows(self, sort: Sort, scope: Scope) -> list[Row]:
        """The rows of a sort, none where the profile says nothing of it; who or what bears no key gets one
        that says so, to be rejected by name. Raises Fault."""
        if sort not in self._tables:
            return []
        found = await self.rows(sort, scope)
        if sort in ("groups", "members"):
            return found
        return [row if row.text("key") else _keyless(row, n) for n, row in enumerate(found, 1)]


def capabilities(
    tables: Mapping[Sort, frozenset[str]], sure: Mapping[Sort, Certainty], source: str, write: Capability
) -> tuple[Capability, ...]:
    """What rows of these sorts let an ERP read, how `sure` that is of each, and its `write`."""
    groups = bool({"groups", "members"} & tables.keys()) or "groups" in tables.get("learners", frozenset())
    read = []
    for kind in KINDS:
        on = groups if kind == "group" else SORT_OF[kind] in tables
        known = sure.get(SORT_OF[kind], sure.get("members", "unknown") if kind == "group" else "unknown")
        read.append(
            Capability(
                name=f"read {kind}s",
                certainty=known,
                source=source,
                on=on,
                why_off="" if on else _("the profile says nothing of them"),
            )
        )
    return (*read, write)


def local_date(at: datetime, zone: str) -> date:
    """The local date of an instant in an IANA zone."""
    return at.astimezone(ZoneInfo(zone)).date()


def _no_code_twice(rows: list[Row], field: str) -> None:
    """Raises Fault where one code stands for two names: it was cut, and two groups would become one."""
    named: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: (row.text(field), row.text("name"))):
        code, name = row.text(field), row.text("name")
        if name and named.setdefault(code, name) != name:
            raise about(FaultCode.drift, row.file, f"code {code} cut? {named[code]} / {name}")


def _keyless(row: Row, number: int) -> Row:
    """A row without a key, under the number it has in its file or answer."""
    return replace(row, fields={**row.fields, "key": f"#{row.line or number}"}, keyless=True)


def _within(entry: Entry, scope: Scope) -> bool:
    """Whether a session begins in the scope; one without a start is told of, wherever it is."""
    sheet = entry.record
    if not isinstance(sheet, Sheet) or sheet.start is None:
        return True
    return scope.first <= local_date(sheet.start, scope.zone) <= scope.last


def _silent(tables: Mapping[Sort, frozenset[str]]) -> Mapping[Kind, frozenset[str]]:
    """Fields of which no row speaks."""
    said: dict[Kind, frozenset[str]] = {}
    for kind, optional in _OPTIONAL.items():
        spoken = tables.get(SORT_OF[kind], frozenset())
        if missing := frozenset(optional) - spoken:
            said[kind] = missing
    return said


_OPTIONAL: Mapping[Kind, tuple[str, ...]] = {
    "learner": ("phone",),
    "speaker": ("phone",),
    "sheet": ("room", "groups"),
}
_PLURALS: dict[Kind, str] = {
    "learner": _("learners"),
    "speaker": _("speakers"),
    "group": _("groups"),
    "sheet": _("sessions"),
}
_READ: dict[Kind, str] = {
    "speaker": _("read speakers"),
    "learner": _("read learners"),
    "group": _("read groups"),
    "sheet": _("read sessions"),
}
