"""Client of Auriga: saved queries run by their id, and the planning API; download only.

What it stands on, and how sure it is:

* Documented: that a school names saved queries ("favorites") by id, with a client, a user and a realm.
* Seen in client code: the token (see `door`), menus, a query's definition and its results page by page from 1,
  lines as arrays in the order of visible columns, the planning of the signed-in user, one intervention by its
  id below a menu entry.
* Inferred: that a service account runs queries as a person does.
* Unknown: which columns Edusign has schools choose (ours are a contract, see `mapping`), a filter by dates (a
  saved query shows the days it was saved for: it must cover the horizon), any way to write absences (none is
  offered; there is a list for people), legacy Aurion's web service (nothing is built on it).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from connectors.aurion import AurionSettings, mapping
from connectors.aurion.columns import Drift, Layout, Row, layout, moved, unlike, visible
from connectors.aurion.door import Door
from connectors.aurion.form import AurionForm
from connectors.aurion.mapping import Line, Query
from connectors.http import Exchange, HttpSession
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
from engine.records import Entry, Kind, Record, Sheet
from engine.words import _

T = TypeVar("T")

_MENUS = "GET /api/menus"
_DEFINITION = "GET /api/menuEntries/{menu}/query/{query}"
_RESULT = "POST /api/menuEntries/{menu}/searchResult"
_PLANNING = "GET /api/plannings/me"
_INTERVENTION = "GET /api/menuEntries/{menu}/interventions/{id}"
_ME = "GET /api/me"

_CHUNK = timedelta(days=31)
"""Of a planning at once; a month is some 400 KB."""
# What an expired token may look like; a page of HTML too.
_SHUT = frozenset({FaultCode.unauthorized, FaultCode.forbidden, FaultCode.not_json})
_HOPELESS = frozenset({FaultCode.unauthorized, FaultCode.unreachable})
_PEOPLE_FIRST: Mapping[Kind, tuple[Query, ...]] = {
    "learner": ("learners", "groups", "interventions"),
    "speaker": ("speakers", "interventions"),
}
"""Where people come from: the first of these queries that there is."""


@dataclass(frozen=True)
class _Table:
    """A query's result: its lines by our fields, and where those stand."""

    lines: tuple[Line, ...]
    layout: Layout


class AurionClient:
    """One school, as `engine.ports.Erp` asks."""

    keys_move: bool = False
    attendance: ErpAttendance | None = None

    def __init__(
        self,
        settings: AurionSettings,
        surroundings: Surroundings,
        capture: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._settings = settings
        self._connection = surroundings.connection
        self._clock = surroundings.clock
        self._zone = surroundings.zone
        jitter = random.Random(f"{surroundings.connection}/aurion")
        password = surroundings.secret(settings.password).strip("\n")
        client_secret = surroundings.secret(settings.client_secret).strip()
        self._session = HttpSession(
            system="erp",
            base_url=settings.url.rstrip("/").removesuffix("/api"),
            header=("Authorization", "Bearer {secret}"),
            secret="",
            clock=surroundings.clock,
            jitter=jitter,
            timeout_seconds=settings.timeout_seconds,
            transport=surroundings.transport,
            capture=capture,
        )
        self._door = Door(
            settings,
            password,
            client_secret,
            self._session,
            surroundings.clock,
            jitter,
            surroundings.transport,
        )
        self.requests: Mapping[str, int] = self._session.requests
        self.capabilities: tuple[Capability, ...] = _CAPABILITIES
        self.form: AttendanceForm | None = AurionForm(surroundings.zone, surroundings.clock)
        self._silent: dict[Kind, frozenset[str]] = {kind: frozenset({"phone"}) for kind in _PEOPLE_FIRST}
        self.silent: Mapping[Kind, frozenset[str]] = self._silent
        """A phone number is spoken of only where a query shows a column of them."""
        self._said: dict[str, Any] = {}
        self._layouts: dict[Query, Layout] = {}
        self._menus: dict[int, int] = {}

    async def begin(self, scope: Scope) -> None:
        """A new run starts: forget what earlier listings brought. Where columns stood is remembered."""
        self._said.clear()

    async def listing(self, kind: Kind, scope: Scope, progress: Progress | None = None) -> Listing:
        """All records of `kind`; never raises Fault. What a run already asked, failures too, is not asked
        again before `begin`."""
        try:
            if kind == "sheet":
                entries = await self._sessions(scope, progress)
            elif kind == "group":
                entries = await self._groups(progress)
            else:
                entries = await self._people(kind, progress)
        except Fault as fault:
            return self._listing(kind, [], fault)
        return self._listing(kind, entries, None)

    async def find(self, kind: Kind, erp_id: str, scope: Scope, last: Record | None) -> Sighting:
        """Look for one session by its id, where a menu entry for that is set.

        People that only sessions name have not left because no session of the window names them."""
        if kind in _PEOPLE_FIRST and self._source(kind) == "interventions":
            return Sighting(state="alive")
        if kind != "sheet" or not self._settings.planning_menu or not erp_id:
            return Sighting(state="unknown")
        try:
            return await self._find_session(erp_id, scope, last)
        except Fault:
            return Sighting(state="unknown")

    async def check(self) -> tuple[Finding, ...]:
        """The way in, the columns of each query (mapped anew), a sample of the sessions, and the clock."""
        today = self._clock.now().astimezone(ZoneInfo(self._zone)).date()
        scope = Scope(first=today, last=today, zone=self._zone)
        await self.begin(scope)
        self._layouts.clear()
        steps: list[tuple[str, Callable[[], Awaitable[str]]]] = [(_("sign in"), self._check_entry)]
        for query in self._queries():
            what = _("columns of query {id}").format(id=self._query_id(query))
            steps.append((what, lambda query=query: self._check_columns(query)))  # type: ignore[misc]
        if self._settings.sessions_from == "planning":
            steps.append((_("read sessions"), lambda: self._check_planning(scope)))
        steps.append((_("compare clocks"), self._check_clock))
        findings: list[Finding] = []
        for what, ask in steps:
            try:
                findings.append(Finding(what=what, ok=True, detail=await ask()))
            except Fault as fault:
                line = fault_line(fault, self._connection)
                findings.append(Finding(what=what, ok=False, detail=fault.code.value, advice=line))
                if fault.code in _HOPELESS:
                    break
        await self.begin(scope)
        return tuple(findings)

    async def close(self) -> None:
        """Close the connections."""
        await self._door.close()
        await self._session.close()

    # People and groups

    async def _people(self, kind: Kind, progress: Progress | None) -> list[Entry]:
        assert kind == "learner" or kind == "speaker"
        source = self._source(kind)
        if source is None:
            return []
        table = await self._table(source, progress)
        if not table.layout.shows(mapping.PERSON[kind][0]):
            return []
        for name in mapping.PERSON[kind]:
            if not table.layout.shows(name):
                raise _drift(_DEFINITION, f"query {self._query_id(source)} has no column {self._named(name)}")
        shows_phone = table.layout.shows(mapping.PHONE[kind])
        self._silent[kind] = frozenset() if shows_phone else frozenset({"phone"})
        return mapping.people(kind, table.lines, self._query_id(source))

    async def _groups(self, progress: Progress | None = None) -> list[Entry]:
        if not self._settings.groups_query:
            return []
        table = await self._table("groups", progress)
        return mapping.groups(table.lines, self._settings.groups_query)

    async def _populations(self) -> dict[str, frozenset[str]]:
        return {
            entry.id: members
            for entry in await self._groups()
            if isinstance(members := entry.record.value("members"), frozenset)
        }

    def _source(self, kind: Kind) -> Query | None:
        return next((query for query in _PEOPLE_FIRST[kind] if self._query_id(query)), None)

    # Sessions

    async def _sessions(self, scope: Scope, progress: Progress | None) -> list[Entry]:
        if self._settings.sessions_from == "planning":
            found = await self._planned(scope, progress)
        else:
            table = await self._table("interventions", progress)
            in_lines = table.layout.shows("learnerId")
            if not in_lines and not self._settings.groups_query:
                raise _drift(_DEFINITION, "neither learners on the lines nor a query of populations")
            found = mapping.sessions(
                table.lines,
                scope.zone,
                self._settings.interventions_query,
                None if in_lines else await self._populations(),
                self._settings.skip_activities,
            )
            if not self._settings.groups_query:
                found = [_without_groups(entry) for entry in found]
        return [entry for entry in found if _within(entry, scope)]

    async def _planned(self, scope: Scope, progress: Progress | None) -> list[Entry]:
        """The sessions of the planning API, month by month, each once."""
        populations = await self._populations()
        speakers = mapping.by_name(await self._people("speaker", None))
        skip = set(self._settings.skip_activities)
        found: dict[str, Entry] = {}
        first = scope.first
        while first <= scope.last:
            last = min(scope.last, first + _CHUNK - timedelta(days=1))
            days = "&".join(f"days={n}" for n in range(1, 8))
            # A session is listed under its UTC day or its local one: a day more on each side shows it anyway.
            span = f"startDate={first - timedelta(days=1)}&endDate={last + timedelta(days=1)}"
            body = await self._read(_PLANNING, params=f"{days}&{span}")
            for one in self._mapped(_PLANNING, mapping.interventions, body):
                entry = self._mapped(
                    _PLANNING, lambda row: mapping.planned(row, populations, speakers, scope.zone), one
                )
                if self._mapped(_PLANNING, mapping.activity_of, one) not in skip:
                    found[entry.id] = entry
            if progress is not None:
                progress(_("sessions"), len(found), None)
            first = last + timedelta(days=1)
        return list(found.values())

    async def _find_session(self, id: str, scope: Scope, last: Record | None) -> Sighting:
        row = await self._intervention(id)
        if row is None:
            # No such intervention, or no such route: one that is surely there tells which.
            return Sighting(state="gone" if await self._route_works(scope) else "unknown")
        speakers = mapping.by_name(await self._people("speaker", None))
        populations = await self._populations() if self._settings.groups_query else None
        entry = self._mapped(
            _INTERVENTION, lambda row: mapping.planned(row, populations, speakers, scope.zone), row
        )
        if entry.id != id:
            return Sighting(state="unknown")
        if self._settings.sessions_from == "query":
            if not isinstance(last, Sheet):
                return Sighting(state="alive")
            # It does not say who is on it: whoever was there last.
            update = {"learners": last.learners, "groups": last.groups}
            entry = entry.model_copy(update={"record": entry.record.model_copy(update=update)})
        return Sighting(state="alive", entry=entry)

    async def _intervention(self, id: str) -> Row | None:
        """One intervention; None where there is no such thing, or no such route."""
        try:
            body = await self._read(_INTERVENTION, {"menu": str(self._settings.planning_menu), "id": id})
        except Fault as fault:
            if fault.code is FaultCode.not_found:
                return None
            raise
        return body if isinstance(body, Mapping) and body.get("id") is not None else None

    async def _route_works(self, scope: Scope) -> bool:
        async def ask() -> bool:
            known = await self._sessions(scope, None)
            return bool(known) and await self._intervention(known[0].id) is not None

        return await self._once("route", ask)

    # Saved queries

    def _queries(self) -> list[Query]:
        names: tuple[Query, ...] = ("interventions", "groups", "learners", "speakers")
        return [
            name
            for name in names
            if self._query_id(name) and (name, self._settings.sessions_from) != ("interventions", "planning")
        ]

    def _query_id(self, query: Query) -> int:
        if query == "interventions" and self._settings.sessions_from == "planning":
            return 0
        return int(getattr(self._settings, f"{query}_query"))

    async def _table(self, query: Query, progress: Progress | None = None) -> _Table:
        """A query's whole result. Raises Fault: `drift` where its columns are not where they were."""

        async def ask() -> _Table:
            definition, where = await self._definition(query)
            lines = await self._lines(query, definition, where, progress)
            return _Table(tuple(self._believed(query, lines)), where)

        return await self._once(query, ask)

    async def _definition(self, query: Query) -> tuple[Row, Layout]:
        """A query as it is saved now, and where our fields stand in it: where they stood at the start."""
        menu, id = await self._menu(query), self._query_id(query)
        body = await self._read(_DEFINITION, {"menu": str(menu), "query": str(id)})
        definition = body.get("queryDefinition") if isinstance(body, Mapping) else None
        if not isinstance(definition, Mapping):
            raise _drift(_DEFINITION, f"no queryDefinition in {body!r:.30}")
        wanted = {field: self._named(field) for field in mapping.COLUMNS[query]}

        def place(definition: Row) -> Layout:
            result = definition.get("searchResultDefinition")
            columns = result.get("columns") if isinstance(result, Mapping) else None
            return layout(visible(columns), wanted, mapping.NEEDED[query])

        now = self._mapped(f"{_DEFINITION} ({id})", place, definition)
        before = self._layouts.setdefault(query, now)
        if shift := moved(before, now):
            raise _drift(_DEFINITION, f"{id}: {shift}: `rollcall check`")
        return definition, now

    async def _lines(
        self, query: Query, definition: Row, where: Layout, progress: Progress | None
    ) -> list[Line]:
        """The lines of every page. Raises Fault with the pages read."""
        found: list[Line] = []
        seen: set[str] = set()
        page, pages, total = 1, 1, 0
        try:
            while page <= pages:
                content, pages, total = await self._page(query, definition, page)
                self._check_layout(query, content, where)
                lines = self._whole(content.get("lines"), last=page >= pages)
                mark = sha256(repr(lines).encode()).hexdigest()
                if len(lines) > 1 and mark in seen:
                    raise _broken(FaultCode.repeated_page, f"page {page}")
                seen.add(mark)
                found += [self._mapped(_RESULT, where.values, line) for line in lines]
                if progress is not None:
                    progress(_("lines of query {id}").format(id=self._query_id(query)), len(found), None)
                page += 1
            if len(found) < total:
                raise _broken(FaultCode.truncated, f"{len(found)} lines of {total}")
        except Fault as fault:
            fault.pages_read, fault.pages_seen = page - 1, pages
            raise
        return found

    def _whole(self, lines: Any, *, last: bool) -> list[Any]:
        """The lines of a page. Raises Fault where it is short although others follow."""
        if not isinstance(lines, list):
            raise _drift(_RESULT, f"lines are {type(lines).__name__}")
        if not last and len(lines) < self._settings.page_size:
            raise _broken(FaultCode.truncated, f"{len(lines)} lines of {self._settings.page_size} on a page")
        return lines

    def _check_layout(self, query: Query, content: Row, where: Layout) -> None:
        if problem := self._mapped(_RESULT, lambda body: _unlike(body, where), content):
            raise _drift(_RESULT, _("query {id}: {what}").format(id=self._query_id(query), what=problem))

    async def _page(self, query: Query, definition: Row, page: int) -> tuple[Row, int, int]:
        """A page's content, how many pages there are, and how many lines (0 where that is not said)."""
        menu = await self._menu(query)
        params = {
            "size": str(self._settings.page_size),
            "page": str(page),
            "sort": "id",
            "disableWarnings": "true",
        }
        body = await self._read(_RESULT, {"menu": str(menu)}, params=params, json=definition)
        content = body.get("content") if isinstance(body, Mapping) else None
        pages = body.get("totalPages") if isinstance(body, Mapping) else None
        if not isinstance(content, Mapping) or not isinstance(pages, int):
            raise _drift(_RESULT, f"no content and totalPages in {body!r:.30}")
        total = body.get("totalElements")
        return content, pages, total if isinstance(total, int) else 0

    def _believed(self, query: Query, lines: list[Line]) -> list[Line]:
        """The lines, unless most of them say nothing. Raises Fault."""
        if query == "interventions":
            good = [line for line in lines if mapping.readable(line)]
        else:
            needed = (*mapping.NEEDED[query][:1], *(("learnerId",) if query == "learners" else ()))
            good = [line for line in lines if all(line.get(name) for name in needed)]
        if lines and 2 * len(good) < len(lines):
            text = _("query {id}: {bad} of {all} lines cannot be read").format(
                id=self._query_id(query), bad=len(lines) - len(good), all=len(lines)
            )
            raise _drift(_RESULT, text)
        return lines

    async def _menu(self, query: Query) -> int:
        """The menu entry a query is run under: the one set, else the one whose query this is."""
        if set_one := int(getattr(self._settings, f"{query}_menu")):
            return set_one
        id = self._query_id(query)
        if id not in self._menus:
            body = await self._read(_MENUS)
            self._menus = self._mapped(_MENUS, _entries, body)
        if id not in self._menus:
            raise _drift(
                _MENUS, _("no menu entry runs query {id}: set {name}").format(id=id, name=f"{query}_menu")
            )
        return self._menus[id]

    def _named(self, field: str) -> str:
        return self._settings.columns.get(field, field)

    # Checking

    async def _check_entry(self) -> str:
        body = await self._read(_ME)
        person = body.get("person") if isinstance(body, Mapping) else None
        if not isinstance(person, Mapping):
            raise _drift(_ME, f"no person in {body!r:.40}")
        return f"{person.get('currentFirstName') or ''} {person.get('currentLastName') or ''}".strip()

    async def _check_columns(self, query: Query) -> str:
        definition, where = await self._definition(query)
        content, pages, _total = await self._page(query, definition, 1)
        self._check_layout(query, content, where)
        missing = [self._named(field) for field in mapping.COLUMNS[query] if not where.shows(field)]
        told = _("{count} columns found, {pages} pages").format(count=len(where.places), pages=pages)
        return told + ("; " + _("without {names}").format(names=", ".join(missing)) if missing else "")

    async def _check_planning(self, scope: Scope) -> str:
        return _("{count} seen").format(count=len(await self._planned(scope, None)))

    async def _check_clock(self) -> str:
        skew = self._session.skew
        seconds = 0 if skew is None else abs(int(skew.total_seconds()))
        if seconds > 60:
            text = _("{count} s apart: set this machine's clock").format(count=seconds)
            raise Fault(FaultCode.refused, system="erp", route=_ME, came=came(text))
        return _("{count} s apart").format(count=seconds)

    # Calls

    async def _read(
        self,
        route: str,
        values: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, str] | str | None = None,
        json: Any = None,
    ) -> Any:
        """One read; where the token is not accepted, once more with a new one. Raises Fault."""
        await self._door.open()
        seen = self._door.renewed
        try:
            return await self._session.read(route, values, params=params, json=json)
        except Fault as fault:
            if fault.code not in _SHUT:
                raise
        await self._door.reopen(seen)
        return await self._session.read(route, values, params=params, json=json)

    async def _once(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """What was asked already, its failure too; else asked now."""
        if what not in self._said:
            try:
                self._said[what] = await ask()
            except Fault as fault:
                self._said[what] = fault
        said: T | Fault = self._said[what]
        if isinstance(said, Fault):
            raise said
        return said

    def _mapped(self, route: str, reader: Callable[[Any], T], row: Any) -> T:
        try:
            return reader(row)
        except Drift as shape:
            raise _drift(route, str(shape)) from None

    def _listing(self, kind: Kind, entries: list[Entry], fault: Fault | None) -> Listing:
        if fault is not None and fault.pages_read is None:
            fault.pages_read, fault.pages_seen = 0, 1
        return Listing(
            kind=kind,
            entries=tuple(sorted(entries, key=lambda entry: (len(entry.id), entry.id))),
            complete=fault is None,
            fault="" if fault is None else fault.code.value,
            fault_line="" if fault is None else fault_line(fault, self._connection),
            pages=0 if fault is not None else 1,
        )


def _unlike(content: Row, where: Layout) -> str:
    """Where an answer's columns are not those asked for; an answer may leave them out."""
    columns = content.get("columns")
    return unlike(where.columns, visible(columns)) if columns else ""


def _entries(body: Any) -> dict[int, int]:
    """Menu entries by the query they run. Raises Drift."""
    menus = body.get("menus") if isinstance(body, Mapping) else None
    if not isinstance(menus, list):
        raise Drift(f"menus were due, not {body!r:.40}")
    return {
        one["queryId"]: one["menuEntryId"]
        for menu in menus
        if isinstance(menu, Mapping)
        for one in menu.get("objects") or ()
        if isinstance(one, Mapping)
        and isinstance(one.get("queryId"), int)
        and isinstance(one.get("menuEntryId"), int)
    }


def _within(entry: Entry, scope: Scope) -> bool:
    """Whether a session begins in the scope; one without a beginning is shown, so that people learn of it."""
    sheet = entry.record
    assert isinstance(sheet, Sheet)
    return sheet.start is None or scope.first <= _day(sheet, scope) <= scope.last


def _day(sheet: Sheet, scope: Scope) -> date:
    assert sheet.start is not None
    return sheet.start.astimezone(ZoneInfo(scope.zone)).date()


def _without_groups(entry: Entry) -> Entry:
    """A session without groups, where nothing says what these are."""
    return entry.model_copy(update={"record": entry.record.model_copy(update={"groups": frozenset()})})


def _broken(code: FaultCode, what: str) -> Fault:
    return Fault(code, system="erp", route=_RESULT, came=came(what))


def _drift(route: str, what: str) -> Fault:
    return Fault(FaultCode.drift, system="erp", route=route, came=came(what))


_CAPABILITIES = (
    Capability(
        name="read learners", certainty="inferred", source="a saved query; its columns are our contract"
    ),
    Capability(
        name="read speakers", certainty="inferred", source="a saved query; its columns are our contract"
    ),
    Capability(name="read groups", certainty="documented", source="GroupesDetailFavoriteQueryId"),
    Capability(name="read sheets", certainty="documented", source="interventionsDetailFavoriteQueryId"),
    Capability(name="read planning", certainty="seen", source="plannings/me, in clients"),
    Capability(name="find sheets", certainty="seen", source="menuEntries/…/interventions/…, in clients"),
    Capability(
        name="write absences",
        certainty="unknown",
        source="no document and no client writes them",
        on=False,
        why_off=_("nothing shows how Auriga takes them; bring in the list by hand"),
    ),
)
