"""Client of Yparéo's REST web services (`/index.php/r/v1`), read-only.

What it stands on, and how sure it is:

* Seen in client code: the `X-Auth-Token` header, collections as objects keyed by code, no paging, the
  planning asked for group by group because the whole one times out, the active-learner rule.
* Documented: `GET /r/v1/apprenants/{codeApprenant}`; several codes in one parameter, separated by commas.
* Inferred: local times of the school, `[]` for an empty set.
* Unknown: session states, limits of requests, the shape of errors, a staff member's phone, names of rooms
  (room codes are used as they are unless the settings name them). No write is known: none is offered.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import date, timedelta
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from connectors.http import Exchange, HttpSession
from connectors.ypareo import YpareoSettings, mapping
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
from engine.records import Entry, Group, Kind, Record, Sheet, folded
from engine.words import _

T = TypeVar("T")

_PERIODS = "GET /r/v1/periodes"
_GROUPS = "GET /r/v1/formation-longue/groupes"
_LEARNERS = "GET /r/v1/formation-longue/apprenants"
_LEARNER = "GET /r/v1/apprenants/{code}"
_STAFF = "GET /r/v1/utilisateur/personnels"
_PORTAL = "GET /r/v1/utilisateur/apprenants"
_PLANNING = "GET /r/v1/planning/{first}/{last}/groupes/{code}"
_LEARNER_PLANNING = "GET /r/v1/planning/{first}/{last}/apprenant/{code}"

_LOOK_BACK = timedelta(days=14)
_LOOK_SPAN = timedelta(days=60)
"""Where a session is looked for when a listing missed it: it may have been moved out of the horizon."""

# After one of these, or after this many failures, asking for the other plannings brings more of the same.
_HOPELESS = frozenset(
    {
        FaultCode.unauthorized,
        FaultCode.payment_required,
        FaultCode.forbidden,
        FaultCode.unreachable,
        FaultCode.throttled,
    }
)
_FAILURES = 3


class YpareoClient:
    """One tenant, as `engine.ports.Erp` asks."""

    silent: Mapping[Kind, frozenset[str]] = {"speaker": frozenset({"phone"})}
    # codeSeance is taken to stay when a session is moved (inferred; its stability is unknown).
    keys_move: bool = False
    attendance: ErpAttendance | None = None
    form: AttendanceForm | None = None
    """Fields this ERP says nothing about: empty in every entry, which means nothing."""

    def __init__(
        self,
        settings: YpareoSettings,
        surroundings: Surroundings,
        capture: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._settings = settings
        self._connection = surroundings.connection
        self._clock = surroundings.clock
        self._zone = surroundings.zone
        self._sites = frozenset(folded(site) for site in settings.sites)
        secret = surroundings.secret(settings.token).strip()
        self._session = HttpSession(
            system="erp",
            base_url=_entry_point(settings.url),
            header=("X-Auth-Token", "{secret}"),
            secret=secret,
            clock=surroundings.clock,
            jitter=random.Random(f"{surroundings.connection}/ypareo"),
            timeout_seconds=settings.timeout_seconds,
            transport=surroundings.transport,
            capture=capture,
        )
        self.requests: Mapping[str, int] = self._session.requests
        self.capabilities: tuple[Capability, ...] = _CAPABILITIES
        self._said: dict[str, Any] = {}

    async def begin(self, scope: Scope) -> None:
        """A new run starts: forget what earlier listings brought."""
        self._said.clear()

    async def listing(self, kind: Kind, scope: Scope, progress: Progress | None = None) -> Listing:
        """All records of `kind`; never raises Fault. What a run already asked, failures too, is not asked
        again before `begin`."""
        left_out: tuple[Entry, ...] = ()
        try:
            if kind == "speaker":
                entries = await self._once("speakers", self._speakers)
            elif kind == "learner":
                enrolled = await self._learners(scope)
                entries = [one.entry for one in enrolled if self._meant(one)]
                left_out = tuple(one.entry for one in enrolled if not self._meant(one))
            elif kind == "group":
                entries = await self._group_entries(scope)
            else:
                return await self._sheets(scope, progress)
        except Fault as fault:
            return self._listing(kind, [], fault, 0)
        if progress is not None:
            progress(_PLURALS[kind], len(entries), len(entries))
        return self._listing(kind, entries, None, 1).model_copy(update={"left_out": left_out})

    async def find(self, kind: Kind, erp_id: str, scope: Scope, last: Record | None) -> Sighting:
        """Look for one record: a learner by its own route, a session in the planning of one of its learners.

        For groups and speakers there is no narrower place than their listing."""
        try:
            if kind == "learner":
                return await self._find_learner(erp_id, scope)
            if kind == "sheet" and isinstance(last, Sheet):
                return await self._find_session(erp_id, scope, last)
        except Fault:
            pass
        return Sighting(state="unknown")

    async def check(self) -> tuple[Finding, ...]:
        """The token, and a sample of each listing. A planning is asked for today's period."""
        findings: list[Finding] = []
        today = self._clock.now().astimezone(ZoneInfo(self._zone)).date()
        scope = Scope(first=today, last=today, zone=self._zone)
        await self.begin(scope)
        for what, ask in (
            (_("read periods"), lambda: self._periods(scope)),
            (_("read speakers"), lambda: self._once("speakers", self._speakers)),
            (_("read groups"), lambda: self._groups(scope)),
            (_("read learners"), lambda: self._learners(scope)),
            (_("read sessions"), lambda: self._sample(scope)),
        ):
            try:
                found = await ask()
            except Fault as fault:
                line = fault_line(fault, self._connection)
                findings.append(Finding(what=what, ok=False, detail=fault.code.value, advice=line))
                if fault.code in _HOPELESS:
                    break
            else:
                detail = _("{count} seen").format(count=len(found))
                findings.append(Finding(what=what, ok=True, detail=detail))
        await self.begin(scope)
        return tuple(findings)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    # What a run asks, each once

    async def _periods(self, scope: Scope) -> list[mapping.Period]:
        """The periods that hold any day of the scope. Raises Fault where there is none: an ERP whose year
        is not opened yet says nothing about who is gone."""

        async def ask() -> list[mapping.Period]:
            rows = await self._rows(_PERIODS)
            return [one for row in rows if (one := self._mapped(_PERIODS, mapping.period, row)) is not None]

        periods = await self._once("periods", ask)
        held = [one for one in periods if one.first <= scope.last and one.last >= scope.first]
        if not held:
            raise _drift(_PERIODS, f"no period holds {scope.first} to {scope.last}")
        return held

    async def _groups(self, scope: Scope) -> list[mapping.Row]:
        """The groups' rows, before any filter."""

        async def ask() -> list[mapping.Row]:
            rows = await self._rows(_GROUPS, params=await self._by_period(scope))
            for row in rows:
                self._mapped(_GROUPS, lambda row: mapping.group(row, frozenset()), row)
            return rows

        return await self._once("groups", ask)

    async def _learners(self, scope: Scope) -> list[mapping.Enrolled]:
        """Every learner of the periods, before any filter."""

        async def ask() -> list[mapping.Enrolled]:
            portal = await self._portal()
            rows = await self._rows(_LEARNERS, params=await self._by_period(scope))
            return [self._enrolled(_LEARNERS, row, portal) for row in rows]

        return await self._once("learners", ask)

    async def _portal(self) -> Mapping[str, str] | None:
        """The portal users' e-mails by learner, None when the settings don't want them."""
        if self._settings.email == "personal":
            return None

        async def ask() -> dict[str, str]:
            rows = await self._rows(_PORTAL)
            pairs = [self._mapped(_PORTAL, mapping.portal_email, row) for row in rows]
            return {code: email for code, email in pairs if email}

        return await self._once("portal", ask)

    async def _speakers(self) -> list[Entry]:
        found = [self._mapped(_STAFF, mapping.speaker, row) for row in await self._rows(_STAFF)]
        return [entry for entry in found if entry is not None]

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

    async def _by_period(self, scope: Scope) -> dict[str, str]:
        return {"codesPeriode": ",".join(sorted(period.code for period in await self._periods(scope)))}

    # Groups and sessions

    async def _group_entries(self, scope: Scope) -> list[Entry]:
        rows = await self._groups(scope)
        members: dict[str, set[str]] = {}
        for one in await self._learners(scope):
            if not one.entry.ended and self._meant(one):
                members.setdefault(one.group, set()).add(one.entry.id)
        entries = [
            self._mapped(
                _GROUPS,
                lambda row: mapping.group(row, frozenset(members.get(str(row["codeGroupe"]), ()))),
                row,
            )
            for row in rows
        ]
        if not self._sites:
            return entries
        # A group belongs to the sites of its learners; groups themselves name none.
        return [one for one in entries if isinstance(one.record, Group) and one.record.members]

    async def _sheets(self, scope: Scope, progress: Progress | None) -> Listing:
        try:
            if self._sites:
                groups = [entry.id for entry in await self._group_entries(scope)]
            else:
                groups = [str(row["codeGroupe"]) for row in await self._groups(scope)]
            plannings = await self._plannings(groups, scope, progress)
        except Fault as error:
            return self._listing("sheet", [], error, 0)
        found: dict[str, Entry] = {}
        fault: Fault | None = None
        read = 0
        for planning in plannings:
            if isinstance(planning, Fault):
                fault = fault or planning
                continue
            if planning is None:
                continue
            read += 1
            for entry in planning:
                known = found.get(entry.id)
                found[entry.id] = entry if known is None else mapping.united(known, entry)
        entries = list(found.values())
        if self._sites:
            entries = await self._on_sites(entries, frozenset(groups), scope)
        if fault is not None:
            fault.pages_read, fault.pages_seen = read, len(groups)
        return self._listing("sheet", entries, fault, read)

    async def _plannings(
        self, groups: list[str], scope: Scope, progress: Progress | None
    ) -> list[list[Entry] | Fault | None]:
        """One planning per group, in the groups' order; None for those no longer asked after failures."""
        answers: list[list[Entry] | Fault | None] = [None] * len(groups)
        turns = asyncio.Semaphore(self._settings.planning_concurrency)
        failures: list[Fault] = []
        done = 0

        async def ask(n: int, code: str) -> None:
            nonlocal done
            async with turns:
                if len(failures) >= _FAILURES or any(fault.code in _HOPELESS for fault in failures):
                    return
                try:
                    answers[n] = await self._planning(_PLANNING, code, scope.first, scope.last, scope.zone)
                except Fault as fault:
                    failures.append(fault)
                    answers[n] = fault
                done += 1
                if progress is not None:
                    progress(_("plannings"), done, len(groups))

        async with asyncio.TaskGroup() as tasks:
            for n, code in enumerate(groups):
                tasks.create_task(ask(n, code))
        return answers

    async def _planning(self, route: str, code: str, first: date, last: date, zone: str) -> list[Entry]:
        """The sessions of one planning that lie between two local dates, both included. Raises Fault."""
        values = {"first": mapping.path_date(first), "last": mapping.path_date(last), "code": code}
        body = await self._session.read(route, values)
        entries: list[Entry] = []
        for row in self._mapped(route, mapping.sessions_of, body):
            day = self._mapped(route, mapping.session_day, row)
            if day is None or first <= day <= last:
                entries.append(
                    self._mapped(route, lambda row: mapping.session(row, zone, self._settings.rooms), row)
                )
        return entries

    async def _on_sites(self, entries: list[Entry], groups: frozenset[str], scope: Scope) -> list[Entry]:
        """Sessions without the learners and groups of the sites that are not meant."""
        others = {one.entry.id for one in await self._learners(scope) if not self._meant(one)}
        kept: list[Entry] = []
        for entry in entries:
            sheet = entry.record
            if isinstance(sheet, Sheet):
                update = {"groups": sheet.groups & groups, "learners": sheet.learners - others}
                kept.append(entry.model_copy(update={"record": sheet.model_copy(update=update)}))
        return kept

    def _meant(self, one: mapping.Enrolled) -> bool:
        return not self._sites or one.site in self._sites

    # Looking for one

    async def _find_learner(self, code: str, scope: Scope) -> Sighting:
        if not code:
            return Sighting(state="unknown")
        row = await self._learner_row(code)
        if row == "no_route":
            # Either there is no such learner, or the route itself is missing: a learner who is surely there
            # tells which.
            return Sighting(state="gone" if await self._route_works(scope) else "unknown")
        if row is None:
            return Sighting(state="gone")
        enrolled = self._enrolled(_LEARNER, row, await self._portal())
        if enrolled.entry.id != code:
            return Sighting(state="unknown")
        if not self._meant(enrolled):
            return Sighting(state="gone")
        return Sighting(state="alive", entry=enrolled.entry)

    async def _learner_row(self, code: str) -> mapping.Row | Literal["no_route"] | None:
        """One learner, None when the route answers with nothing, "no_route" for 404. Raises Fault."""
        try:
            body = await self._session.read(_LEARNER, {"code": code})
        except Fault as fault:
            if fault.code is FaultCode.not_found:
                return "no_route"
            raise
        if not body:
            return None
        if isinstance(body, Mapping) and "codeApprenant" not in body and isinstance(body.get(code), Mapping):
            # As a collection of one.
            row: mapping.Row = body[code]
            return row
        return self._mapped(_LEARNER, lambda body: mapping.rows([body])[0], body)

    async def _route_works(self, scope: Scope) -> bool:
        async def ask() -> bool:
            known = self._said.get("learners")
            active = [one.entry.id for one in known if not one.entry.ended] if isinstance(known, list) else []
            return bool(active) and isinstance(await self._learner_row(active[0]), Mapping)

        return await self._once("learner route", ask)

    async def _find_session(self, code: str, scope: Scope, last: Sheet) -> Sighting:
        witness = self._witness(last)
        if witness is None:
            return Sighting(state="unknown")
        first = scope.first - _LOOK_BACK
        until = max(scope.last, first + _LOOK_SPAN)
        for entry in await self._planning(_LEARNER_PLANNING, witness, first, until, scope.zone):
            if entry.id == code:
                return Sighting(state="alive", entry=entry)
        return Sighting(state="gone")

    def _witness(self, sheet: Sheet) -> str | None:
        """One learner of a session in whose planning it would stand: one who is still active where known."""
        known = self._said.get("learners")
        if not isinstance(known, list):
            return min(sheet.learners, default=None)
        active = {
            one.entry.id: one.group in sheet.groups
            for one in known
            if not one.entry.ended and one.entry.id in sheet.learners
        }
        # Somebody still in the session's own group follows it wherever it moves.
        return min(active, key=lambda id: (not active[id], id), default=None)

    async def _sample(self, scope: Scope) -> list[Entry]:
        groups = await self._groups(scope)
        if not groups:
            return []
        return await self._planning(
            _PLANNING, str(groups[0]["codeGroupe"]), scope.first, scope.last, scope.zone
        )

    # Calls

    async def _rows(self, route: str, params: Mapping[str, str] | None = None) -> list[mapping.Row]:
        return self._mapped(route, mapping.rows, await self._session.read(route, params=params))

    def _enrolled(self, route: str, row: mapping.Row, portal: Mapping[str, str] | None) -> mapping.Enrolled:
        personal = self._settings.email != "portal"
        return self._mapped(route, lambda row: mapping.learner(row, portal, personal), row)

    def _mapped(self, route: str, reader: Callable[[Any], T], row: Any) -> T:
        try:
            return reader(row)
        except mapping.Drift as drift:
            raise _drift(route, str(drift)) from None

    def _listing(self, kind: Kind, entries: list[Entry], fault: Fault | None, pages: int) -> Listing:
        if fault is not None and fault.pages_read is None:
            fault.pages_read, fault.pages_seen = 0, 1
        return Listing(
            kind=kind,
            entries=tuple(sorted(entries, key=lambda entry: (len(entry.id), entry.id))),
            complete=fault is None,
            fault="" if fault is None else fault.code.value,
            fault_line="" if fault is None else fault_line(fault, self._connection),
            pages=pages,
        )


def _entry_point(url: str) -> str:
    """The address up to and including /index.php, however much of it was given."""
    bare = re.sub(r"(/r(/v1)?)?/*$", "", url.rstrip("/"))
    return bare if bare.endswith("/index.php") else f"{bare}/index.php"


def _drift(route: str, what: str) -> Fault:
    return Fault(FaultCode.drift, system="erp", route=route, came=came(what))


_PLURALS: dict[Kind, str] = {
    "learner": _("learners"),
    "speaker": _("speakers"),
    "group": _("groups"),
    "sheet": _("sessions"),
}
_CAPABILITIES = (
    Capability(name="read learners", certainty="seen", source="formation-longue/apprenants, in clients"),
    Capability(name="read speakers", certainty="seen", source="utilisateur/personnels, in clients"),
    Capability(name="read groups", certainty="seen", source="formation-longue/groupes, in clients"),
    Capability(name="read sheets", certainty="seen", source="planning/…/groupes/…, in clients"),
    Capability(name="find learners", certainty="documented", source="apprenants/{codeApprenant}"),
    Capability(
        name="write absences",
        certainty="unknown",
        source="no client writes absences",
        on=False,
        why_off=_("no document shows how; it needs the vendor's and an expert token"),
    ),
)
