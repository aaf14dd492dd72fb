"""Client of Aimaira's `GraphV1` service (OData v4).

What it stands on, and how sure it is:

* Documented: both ways in (Basic, `X-ApiKey`), entities and their fields, `$filter`, `$expand`, `$top`,
  `$orderby`, `$metadata`, 0 for "no key", that a PUT resets what it leaves out.
* Seen in client code: `$select`, the route in any case, a learner's row found by `Code`, marking presence.
* Inferred: names of navigation properties but `Mail` (taken from `$metadata`), filters by instants and by
  several keys, what counts as enrolled, sequences as groups, times and titles (see the mapping).
* Unknown: paging (see `odata`), the shape of errors, limits of requests, who is in a group of an event, the
  entity behind an absence's reason. Nothing is concluded from what is unknown.

What a run asks is in `reader`, `roll` and `events`; what absences are written in `attendance`.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

from connectors.aimaira import AimairaSettings, mapping, marks
from connectors.aimaira.attendance import AimairaAttendance
from connectors.aimaira.events import Events
from connectors.aimaira.odata import Ask, Feed, text
from connectors.aimaira.reader import HOPELESS, Reader, drift
from connectors.aimaira.roll import Roll
from connectors.http import Exchange, HttpSession
from engine.faults import fault_line
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
from engine.records import Entry, Kind, Record
from engine.words import _


class AimairaClient:
    """One environment, as `engine.ports.Erp` asks."""

    silent: Mapping[Kind, frozenset[str]] = {}
    # An event keeps its Id when it is moved: documented (a move is a PUT of the same event).
    keys_move: bool = False
    form: AttendanceForm | None = None

    def __init__(
        self,
        settings: AimairaSettings,
        surroundings: Surroundings,
        capture: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._settings = settings
        self._connection = surroundings.connection
        self._clock = surroundings.clock
        self._zone = surroundings.zone
        header, secret = _way_in(settings, surroundings.secret)
        self._session = HttpSession(
            system="erp",
            base_url=_service(settings.url),
            header=header,
            secret=secret,
            clock=surroundings.clock,
            jitter=random.Random(f"{surroundings.connection}/aimaira"),
            timeout_seconds=settings.timeout_seconds,
            transport=surroundings.transport,
            capture=capture,
        )
        self.requests: Mapping[str, int] = self._session.requests
        self.capabilities: tuple[Capability, ...] = capabilities(settings)
        self._feed = Feed(self._session)
        self._reader = Reader(settings, surroundings.zone, surroundings.clock, self._feed)
        self._roll = Roll(self._reader)
        self._events = Events(self._reader, self._roll)
        self.attendance: ErpAttendance | None = AimairaAttendance(
            settings,
            surroundings.connection,
            surroundings.zone,
            surroundings.clock,
            self._session,
            self._reader,
            self._events,
        )

    async def begin(self, scope: Scope) -> None:
        """A new run starts: forget what earlier listings brought."""
        self._reader.forget()

    async def listing(self, kind: Kind, scope: Scope, progress: Progress | None = None) -> Listing:
        """All records of `kind`; never raises Fault. What a run already asked, failures too, is not asked
        again before `begin`."""
        pages = self._feed.pages
        try:
            await self._reader.fit_for(kind)
            if kind == "speaker":
                entries = [one.entry for one in await self._roll.speakers(progress)]
            elif kind == "learner":
                entries = await self._learners(scope, progress)
            elif kind == "group":
                entries = await self._roll.group_entries(scope, progress)
            else:
                entries = await self._events.sessions(scope, progress)
        except Fault as fault:
            return self._listing(kind, [], fault, 0)
        except mapping.Drift as shape:
            return self._listing(kind, [], drift(mapping.NEEDED[kind][-1], str(shape)), 0)
        return self._listing(kind, entries, None, max(1, self._feed.pages - pages))

    async def find(self, kind: Kind, erp_id: str, scope: Scope, last: Record | None) -> Sighting:
        """Look for one record by its key. An empty answer to that question means that it is gone."""
        if not erp_id.isdecimal():
            return Sighting(state="unknown")
        find = {
            "speaker": self._roll.find_speaker,
            "learner": self._roll.find_learner,
            "group": self._roll.find_group,
            "sheet": self._events.find_session,
        }[kind]
        try:
            entry = await find(erp_id, scope)
        except (Fault, mapping.Drift):
            return Sighting(state="unknown")
        return Sighting(state="gone") if entry is None else Sighting(state="alive", entry=entry)

    async def check(self) -> tuple[Finding, ...]:
        """The way in, the declared model beside what this connector maps, and a sample of each kind.

        The right to write shows itself at the first write only."""
        today = self._clock.now().astimezone(ZoneInfo(self._zone)).date()
        scope = Scope(first=today, last=today, zone=self._zone)
        self._reader.forget(model=True)
        findings: list[Finding] = []
        for what, ask in (
            (_("sign in"), self._check_entry),
            (_("compare $metadata"), self._check_model),
            (_("read speakers"), lambda: self._check_sample("Enseignant")),
            (_("read learners"), lambda: self._check_sample("Apprenant")),
            (_("read groups"), lambda: self._check_sample("Sequence")),
            (_("read sessions"), lambda: self._check_events(scope)),
            (_("compare clocks"), self._check_clock),
        ):
            try:
                ok, detail, advice = await ask()
            except Fault as fault:
                line = fault_line(fault, self._connection)
                findings.append(
                    Finding(what=what, ok=False, detail=fault.code.value, advice=line + self._backslash(fault))
                )
                if fault.code in HOPELESS:
                    break
            else:
                findings.append(Finding(what=what, ok=ok, detail=detail, advice=advice))
        self._reader.forget()
        return tuple(findings)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def _learners(self, scope: Scope, progress: Progress | None) -> list[Entry]:
        """The learners that are meant, and those an event names who are in no list."""
        entries = [
            one.entry for one in await self._roll.learners(scope, progress) if await self._roll.meant(one)
        ]
        try:
            await self._reader.fit_for("sheet")
            entries += await self._events.strangers(scope)
        except Fault as fault:
            # The sessions' own listing says what went wrong with them.
            if fault.code in HOPELESS:
                raise
        return entries

    # Checking

    async def _check_entry(self) -> tuple[bool, str, str]:
        await self._session.read("GET /")
        return True, _("accepted"), ""

    async def _check_model(self) -> tuple[bool, str, str]:
        model = await self._reader.model()
        if model is None:
            return (
                False,
                _("not shown"),
                _("ask Aimaira for access to $metadata: drift is seen late without it"),
            )
        lines = [
            f"{entity}: {', '.join(missing)}"
            for entity, fields in mapping.FIELDS.items()
            if (missing := model.missing(entity, fields))
        ]
        if lines:
            return False, "; ".join(lines), _("these are mapped but not declared: their kinds cannot be read")
        if self.attendance is not None:
            missing = model.missing("PlanificationRessource", marks.MARKED)
            if missing:
                return False, ", ".join(missing), _("absences cannot be written without these fields")
        fields = sum(len(one) for one in mapping.FIELDS.values())
        detail = _("{count} mapped fields declared").format(count=fields)
        new = model.properties.get("PlanificationRessource", frozenset()) - set(marks.ROW_FIELDS)
        if new:
            detail += "; " + _("new on an event's rows: {fields}").format(fields=", ".join(sorted(new)))
        return True, detail, ""

    async def _check_sample(self, entity: str) -> tuple[bool, str, str]:
        rows = await self._feed.sample(Ask(entity, mapping.FIELDS[entity]))
        return True, _("{count} seen").format(count=len(rows)), ""

    async def _check_events(self, scope: Scope) -> tuple[bool, str, str]:
        """Today's events, and by what their rows name learners."""
        types = await self._reader.types()
        events = await self._events.events(scope)
        rows = [row for one in events for row in one.rows if row.get("TypeRessourceId") == types.learner]
        codes = {code for row in rows if (code := str(row.get("Code") or ""))}
        some = sorted(codes)[:20]
        known = await self._feed.batched(Ask("Apprenant", ("Id", "Code")), "Code", map(text, some))
        detail = _("{count} seen").format(count=len(events))
        if self._feed.paging:
            detail += "; " + _("lists are paged by {way}").format(way=self._feed.paging)
        if some and not known:
            return False, detail, _("learners' rows do not bear the learners' codes: their Reference is used")
        return True, detail, ""

    async def _check_clock(self) -> tuple[bool, str, str]:
        skew = self._session.skew
        if skew is None:
            return True, _("the service does not say its time"), ""
        seconds = int(skew.total_seconds())
        advice = _("set this machine's clock: the two are more than a minute apart")
        near = abs(seconds) <= 60
        return near, _("{count} s apart").format(count=abs(seconds)), "" if near else advice

    def _backslash(self, fault: Fault) -> str:
        if fault.code is FaultCode.unauthorized and "\\\\" in self._settings.user:
            return "; " + _("the user holds two backslashes in a row: try with a single one")
        return ""

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


def capabilities(settings: AimairaSettings) -> tuple[Capability, ...]:
    """What this connector can do with these settings, and how sure that is."""
    unverified = settings.accept_unverified
    reads: tuple[tuple[str, str, str], ...] = (
        (
            "read learners",
            "documented",
            "Inscription, Apprenant, Mail; the navigation between them is inferred",
        ),
        ("read speakers", "documented", "Enseignant, Mail"),
        ("read groups", "documented", "Sequence, InscriptionSequence; that they are the groups is inferred"),
        ("read sheets", "inferred", "Planification and its rows are documented, the filter by time is not"),
        ("read titles", "inferred", "Seance and Cours, where the event has no name"),
        ("find records", "inferred", "a filter by Id, as the documented one by Code"),
    )
    return (
        *(
            Capability.model_validate(dict(zip(("name", "certainty", "source"), one, strict=True)))
            for one in reads
        ),
        Capability(
            name="write presence",
            certainty="seen",
            source="PUT PlanificationRessource with Presence and ControlePresence, documented and in a client",
        ),
        Capability(
            name="write lateness, leaving, exclusion",
            certainty="inferred",
            source="Retard, Depart, Exclusion and the row's own times: documented fields, inferred meaning",
            on=unverified,
            why_off="" if unverified else _("no document says what they mean together (accept_unverified)"),
        ),
        Capability(
            name="write reasons",
            certainty="inferred",
            source="MotifId: a documented field whose list nobody documents",
            on=bool(settings.reasons),
            why_off="" if settings.reasons else _("name Aimaira's reasons in the settings (reasons)"),
        ),
    )


def _way_in(settings: AimairaSettings, secret: Callable[[str], str]) -> tuple[tuple[str, str], str]:
    """The header that opens the service, and its secret part."""
    if settings.api_key:
        return ("X-ApiKey", "{secret}"), secret(settings.api_key).strip()
    pair = f"{settings.user}:{secret(settings.password).rstrip(chr(10))}"
    return ("Authorization", "Basic {secret}"), base64.b64encode(pair.encode()).decode()


def _service(url: str) -> str:
    """The service's root, however much of it was given."""
    bare = url.rstrip("/")
    return bare if re.search(r"/graphv1$", bare, re.IGNORECASE) else f"{bare}/GraphV1"
