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
from datetime import date, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from connectors.aurion import AurionSettings, mapping
from connectors.aurion.columns import Row
from connectors.aurion.door import Door
from connectors.aurion.form import AurionForm
from connectors.aurion.mapping import Query
from connectors.aurion.saved import DEFINITION, SavedQueries, drift, mapped
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

_PLANNING = "GET /api/plannings/me"
_INTERVENTION = "GET /api/menuEntries/{menu}/interventions/{id}"
_ME = "GET /api/me"

_CHUNK = timedelta(days=31)
"""Of a planning at once; a month is some 400 KB."""
_HOPELESS = frozenset({FaultCode.unauthorized, FaultCode.unreachable})
_PEOPLE_FIRST: Mapping[Kind, tuple[Query, ...]] = {
    "learner": ("learners", "groups", "interventions"),
    "speaker": ("speakers", "interventions"),
}
"""Where people come from: the first of these queries that there is."""


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
        self._saved = SavedQueries(settings, self._door)
        self.requests: Mapping[str, int] = self._session.requests
        self.capabilities: tuple[Capability, ...] = _CAPABILITIES
        self.form: AttendanceForm | None = AurionForm(surroundings.zone, surroundings.clock)
        self._silent: dict[Kind, frozenset[str]] = {kind: frozenset({"phone"}) for kind in _PEOPLE_FIRST}
        self.silent: Mapping[Kind, frozenset[str]] = self._silent
        """A phone number is spoken of only where a query shows a column of them."""
        self._said: dict[str, Any] = {}

    async def begin(self, scope: Scope) -> None:
        """A new run starts: forget what earlier listings brought. Where columns stood is remembered."""
        self._said.clear()
        self._saved.forget()
        self._door.forget()

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
        self._saved.forget_columns()
        steps: list[tuple[str, Callable[[], Awaitable[str]]]] = [(_("sign in"), self._check_entry)]
        for query in self._saved.queries():
            what = _("columns of query {id}").format(id=self._saved.id(query))
            steps.append((what, lambda query=query: self._saved.check(query)))  # type: ignore[misc]
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
        table = await self._saved.table(source, progress)
        if not table.layout.shows(mapping.PERSON[kind][0]):
            return []
        for name in mapping.PERSON[kind]:
            if not table.layout.shows(name):
                raise drift(
                    DEFINITION, f"query {self._saved.id(source)} has no column {self._saved.name(name)}"
                )
        shows_phone = table.layout.shows(mapping.PHONE[kind])
        self._silent[kind] = frozenset() if shows_phone else frozenset({"phone"})
        return mapping.people(kind, table.lines, self._saved.id(source))

    async def _groups(self, progress: Progress | None = None) -> list[Entry]:
        if not self._settings.groups_query:
            return []
        table = await self._saved.table("groups", progress)
        return mapping.groups(table.lines, self._settings.groups_query)

    async def _populations(self) -> dict[str, frozenset[str]]:
        return {
            entry.id: members
            for entry in await self._groups()
            if isinstance(members := entry.record.value("members"), frozenset)
        }

    def _source(self, kind: Kind) -> Query | None:
        return next((query for query in _PEOPLE_FIRST[kind] if self._saved.id(query)), None)

    # Sessions

    async def _sessions(self, scope: Scope, progress: Progress | None) -> list[Entry]:
        if self._settings.sessions_from == "planning":
            found = await self._planned(scope, progress)
        else:
            self._check_days(scope)
            table = await self._saved.table("interventions", progress)
            in_lines = table.layout.shows("learnerId")
            if not in_lines and not self._settings.groups_query:
                raise drift(DEFINITION, "neither learners on the lines nor a query of populations")
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

    def _check_days(self, scope: Scope) -> None:
        """Raise Fault where the horizon reaches beyond the days the query was saved for: what it does not show
        there would look cancelled."""
        asked, shown = (scope.last - scope.first).days + 1, self._settings.interventions_days
        if asked > shown:
            text = _("the query shows {shown} days, the horizon has {asked}").format(shown=shown, asked=asked)
            raise Fault(FaultCode.refused, system="erp", route=DEFINITION, came=came(text))

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
            body = await self._door.read(_PLANNING, params=f"{days}&{span}")
            for one in mapped(_PLANNING, mapping.interventions, body):
                entry = mapped(
                    _PLANNING, lambda row: mapping.planned(row, populations, speakers, scope.zone), one
                )
                if mapped(_PLANNING, mapping.activity_of, one) not in skip:
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
        entry = mapped(_INTERVENTION, lambda row: mapping.planned(row, populations, speakers, scope.zone), row)
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
            body = await self._door.read(_INTERVENTION, {"menu": str(self._settings.planning_menu), "id": id})
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

    # Checking

    async def _check_entry(self) -> str:
        body = await self._door.read(_ME)
        person = body.get("person") if isinstance(body, Mapping) else None
        if not isinstance(person, Mapping):
            raise drift(_ME, f"no person in {body!r:.40}")
        return f"{person.get('currentFirstName') or ''} {person.get('currentLastName') or ''}".strip()

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
