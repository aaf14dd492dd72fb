"""Client of SC-Form's attendance API (`/GaliaEDC/API/…`, likewise Gessica and Sofia).

What it stands on, and how sure it is. The vendor publishes no open reference: most of this is the vendor's
API V1.19 as summarised publicly, confirmed in part by client code against one live Sofia; none of it was run
against a live system by us.

* Documented (in that summary): Basic authentication; GetEntite, GetSeance with `Vue`, GetStructure, the write
  of one absence per call with `Suppr`, and its French sentence of success; that an account without the right
  to see other plannings is silently shown its own sessions only.
* Seen in client code: no paging, answers so slow that the window of dates is all that bounds them, an empty
  body for nothing found, and one société of an instance that reads dates as year-day-month.
* Inferred: objects repeated as `$ref`, wall times of the school, a type with Retard as what lateness is.
* Unknown: whether `Fin` counts (one day more is asked and dropped), failures of the write, whether a second
  write replaces or adds (the old absence is deleted first, and the end is read again), limits of requests.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from connectors.http import Exchange, HttpSession
from connectors.scform import ScFormSettings, mapping
from connectors.scform.answers import (
    Drift,
    Row,
    day,
    expected,
    key,
    needed,
    objects,
    resolved,
    rows,
    text,
    unknown,
)
from connectors.scform.attendance import ScFormAttendance
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

_ENTITY = "GET /API/Entite/GetEntite?ACTION={entity}"
_SESSIONS = "GET /API/PresenceSta/GetSeance"
_STRUCTURE = "GET /API/AbsenceSta/GetStructure"
_POST = "POST /API/AbsenceSta/Post"

_PRODUCTS: Mapping[str, str] = {"galia": "GaliaEDC", "gessica": "GessicaEDC", "sofia": "SofiaEDC"}

_LEFT_WITHIN = timedelta(days=60)
"""Enrolments that ended so long ago are still asked for, so that the ERP itself says who left."""
_LOOK_BACK = timedelta(days=14)
_LOOK_SPAN = timedelta(days=60)
"""Where a session is looked for when a listing missed it: it may have been moved out of the horizon."""

_TELLING = (13, 28)
"""From and to which day of a month a question cannot be read the other way round."""
_TELLING_MONTHS = (0, 1, 2, 4)
"""How many months before the scope such a question is asked, until one is answered with sessions."""

_SEVERAL = 5
"""So many sessions, all with one and the same speaker, look like an account that sees its own only."""

_SESSION_FIELDS = ("id", "debut", "fin", "seances_persos", "intervenants", "salles", "libelle")

_REFUSALS = frozenset({FaultCode.refused, FaultCode.server_error, FaultCode.not_found})
"""How a date that cannot be read may be answered: unknown, so that each of them is looked into."""
_SLOW = frozenset({FaultCode.timed_out, FaultCode.bad_gateway})


@dataclass
class _Sessions:
    """The sessions of one société in the scope, as far as they came."""

    rows: list[Row] = field(default_factory=list)
    fault: Fault | None = None
    read: int = 0
    asked: int = 0


class ScFormClient:
    """One customer, as `engine.ports.Erp` asks."""

    silent: Mapping[Kind, frozenset[str]] = {}
    # A session's ID is taken to stay when it is moved (inferred).
    keys_move: bool = False
    form: AttendanceForm | None = None

    def __init__(
        self,
        settings: ScFormSettings,
        surroundings: Surroundings,
        capture: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._settings = settings
        self._connection = surroundings.connection
        self._clock = surroundings.clock
        self._zone = surroundings.zone
        password = surroundings.secret(settings.password).strip()
        self._session = HttpSession(
            system="erp",
            base_url=f"{settings.url.rstrip('/')}/{_PRODUCTS[settings.product]}",
            header=("Authorization", "Basic {secret}"),
            secret=base64.b64encode(f"{settings.user}:{password}".encode()).decode(),
            clock=surroundings.clock,
            jitter=random.Random(f"{surroundings.connection}/scform"),
            timeout_seconds=settings.timeout_seconds,
            transport=surroundings.transport,
            capture=capture,
            empty_is_nothing=True,
        )
        self.requests: Mapping[str, int] = self._session.requests
        self.capabilities: tuple[Capability, ...] = _capabilities(settings.accept_unverified)
        self.attendance: ErpAttendance | None = (
            ScFormAttendance(self, settings, surroundings) if settings.accept_unverified else None
        )
        self._said: dict[str, Any] = {}
        self._proven: set[str] = set()
        self._idle: set[str] = set()
        """Sociétés seen to have no sessions; remembered, since asking costs many questions."""
        self._chunk: dict[str, int] = {}
        self._society_of: dict[str, str] = {}

    async def begin(self, scope: Scope) -> None:
        """A new run starts: forget what earlier listings brought."""
        self._said.clear()
        self._proven.clear()

    async def listing(self, kind: Kind, scope: Scope, progress: Progress | None = None) -> Listing:
        """All records of `kind`; never raises Fault. What a run already asked, failures too, is not asked
        again before `begin`."""
        try:
            if kind == "speaker":
                entries = await self._speakers()
            elif kind == "learner":
                entries = await self._learners(scope, progress)
            elif kind == "group":
                entries = await self._groups(scope)
            else:
                return await self._sheets(scope, progress)
        except Fault as fault:
            return self._listing(kind, [], fault, 0)
        if progress is not None:
            progress(_PLURALS[kind], len(entries), len(entries))
        return self._listing(kind, entries, None, 1)

    async def find(self, kind: Kind, erp_id: str, scope: Scope, last: Record | None) -> Sighting:
        """Look for one record: a speaker or group by its ID, a learner among all enrolments there ever were, a
        session among those of one of its learners."""
        try:
            if kind == "speaker":
                return await self._find_one("INTERVENANT", erp_id, lambda row: self._speaker(row))
            if kind == "group" and self._settings.groups == "action":
                return await self._find_group(erp_id, scope)
            if kind == "learner":
                return await self._find_learner(erp_id)
            if kind == "sheet" and isinstance(last, Sheet):
                return await self._find_session(erp_id, scope, last)
        except Fault:
            pass
        return Sighting(state="unknown")

    async def check(self) -> tuple[Finding, ...]:
        """The password, each société's order of dates, the right to see all plannings, the clock, and a
        sample of each listing; what may be written."""
        from connectors.scform.checks import check

        return await check(self, self._settings, self._clock, self._zone, self._connection)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    # What is asked, each once a run

    async def societies(self) -> list[mapping.Society]:
        """The legal entities that are meant. Raises Fault."""

        async def ask() -> list[mapping.Society]:
            if self._settings.societies:
                return [mapping.Society(id, id) for id in self._settings.societies]
            found = await self.entity("SOCIETE")
            return [self.mapped(_entity("SOCIETE"), mapping.society, row) for row in found]

        found = await self._once("societies", ask)
        if not found:
            raise self._fault(FaultCode.drift, _entity("SOCIETE"), "no société")
        return found

    async def societies_of(self, sessions: Iterable[str]) -> list[str]:
        """In which sociétés these sessions are looked for: all, where one was not listed yet. Raises Fault."""
        found = {self._society_of.get(id, "") for id in sessions}
        return [one.id for one in await self.societies()] if "" in found else sorted(found)

    async def types(self) -> list[Row]:
        """The types of absence. Raises Fault."""

        async def ask() -> list[Row]:
            found = await self.entity("TYPABSEN")
            self.mapped(_entity("TYPABSEN"), lambda rows: needed(rows, "id", "libelle", "retard"), found)
            return found

        return await self._once("types", ask)

    async def entity(self, name: str, society: str = "", **more: str) -> list[Row]:
        """The rows of one entity. Raises Fault."""
        params = {"IDSociete": society, **more} if society else more
        return await self._read(_entity(name), params)

    async def speaker_rows(self, society: str) -> list[Row]:
        """The trainers of a société. Raises Fault."""

        async def ask() -> list[Row]:
            found = await self.entity("INTERVENANT", society)
            self.mapped(
                _entity("INTERVENANT"),
                lambda rows: mapping.person_fields(rows, self._settings.speaker_email),
                found,
            )
            return found

        return await self._once(f"speakers {society}", ask)

    async def enrolments(self, society: str, scope: Scope) -> list[mapping.Enrolment]:
        """The enrolments of a société that last into the scope, or ended not long ago. Raises Fault, also
        where its order of dates is not the one taken: others would come. Where no session tells which it is,
        all enrolments are asked for, without a date."""

        async def ask() -> list[mapping.Enrolment]:
            params: dict[str, str] = {}
            if await self.prove(society, scope):
                params["Debut"] = self.written(society, scope.first - _LEFT_WITHIN)
                params["Fin"] = self.written(society, scope.last)
            return self._enrolments(await self.entity("INSCRIT", society, **params, **self._sector()))

        return await self._once(f"enrolments {society}", ask)

    def _enrolments(self, found: list[Row]) -> list[mapping.Enrolment]:
        route = _entity("INSCRIT")
        names = ["id", "stagiaire", "idaction"]
        if self._settings.groups == "parcours_group":
            names += ["idparcours_groupe", "libelle_parcours_groupe"]
        self.mapped(route, lambda rows: needed(rows, *names), found)
        self.mapped(route, lambda rows: expected(rows, "date_sortie"), found)
        made = [
            self.mapped(route, lambda row: mapping.enrolment(row, self._settings.groups), row) for row in found
        ]
        people = [one.row for one in made if one.person]
        self.mapped(route, lambda rows: mapping.person_fields(rows, self._settings.learner_email), people)
        return [one for one in made if one.person]

    async def action_rows(self, society: str) -> list[Row]:
        """The training actions of a société, without troncs communs. Raises Fault."""

        async def ask() -> list[Row]:
            found = await self.entity("ACTION", society, TC="false")
            self.mapped(_entity("ACTION"), lambda rows: needed(rows, "id", "libelle"), found)
            self.mapped(_entity("ACTION"), lambda rows: expected(rows, "fin"), found)
            return found

        return await self._once(f"actions {society}", ask)

    async def sessions(self, society: str, scope: Scope, progress: Progress | None = None) -> _Sessions:
        """The sessions of a société in the scope; raises no Fault, but tells the first."""
        what = f"sessions {society}"
        if what not in self._said:
            self._said[what] = await self._asked_by_chunks(society, scope, progress)
        found: _Sessions = self._said[what]
        return found

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

    # Dates, and whether they are understood

    def written(self, society: str, at: date, swap: bool = False) -> str:
        """A date as that société reads it in a question; `swap`: as it does not."""
        day_first = (society in self._settings.day_before_month) != swap
        return at.strftime("%Y-%d-%m" if day_first else "%Y-%m-%d")

    async def window(self, society: str, first: date, last: date, swap: bool = False, **more: str) -> list[Row]:
        """The sessions between two local dates, both included. Raises Fault; `swapped_dates` where the answer
        is about other dates than were asked. `swap` writes dates the other way round."""
        until = last + timedelta(days=1)
        params = {
            "IDSociete": society,
            "Debut": self.written(society, first, swap),
            "Fin": self.written(society, until, swap),
            # Agreements hold personal data that nothing here needs.
            "AvecConvention": "0",
            **self._sector(),
            **more,
        }
        found = await self._read(_SESSIONS, params, give_up_when=_SLOW)
        if "Vue" in more:
            nested = [self.mapped(_SESSIONS, lambda row: rows(row.get("seances")), row) for row in found]
            found = [row for some in nested for row in some]
        self.mapped(_SESSIONS, lambda rows: needed(rows, "date"), found)
        days = [self._day(row) for row in found]
        if strange := next((at for at in days if at is not None and not first <= at <= until), None):
            asked = f"{first:%d/%m/%Y}-{last:%d/%m/%Y}"
            raise self._fault(
                FaultCode.swapped_dates,
                _SESSIONS,
                f"société {society}: asked {asked}, got {strange:%d/%m/%Y}",
            )
        kept = [row for row, at in zip(found, days, strict=True) if at is None or at <= last]
        if any(at is not None and _tells(at, first, until) for at in days):
            self._proven.add(society)
        return kept

    async def prove(self, society: str, scope: Scope) -> bool:
        """Whether it is certain how the société reads dates; False where it has no session at all, neither in
        the scope nor in the months before, whichever way it is asked. Raises Fault where it reads them
        otherwise than was taken, or did not answer."""
        asked = await self.sessions(society, scope)
        if society in self._proven:
            return True
        if asked.fault is not None:
            raise asked.fault
        if society in self._idle:
            return False
        windows = telling_windows(scope.first)
        for first, last in windows:
            try:
                await self._halved(society, first, last)
            except Fault as fault:
                raise await self._explained(fault, society, first, last) from None
            if society in self._proven:
                return True
        for first, last in windows:
            if (swapped := await self._swapped(society, first, last)) is not None:
                raise swapped
        self._idle.add(society)
        return False

    async def _explained(self, fault: Fault, society: str, first: date, last: date) -> Fault:
        """The same refusal, or that it was the order of the dates which was refused."""
        if fault.code not in _REFUSALS or society in self._proven:
            return fault
        return await self._swapped(society, first, last) or fault

    async def _swapped(self, society: str, first: date, last: date) -> Fault | None:
        """What is wrong if the société answers once the dates are written the other way round."""
        try:
            found = await self.window(society, first, last, swap=True)
        except Fault:
            return None
        finally:
            self._proven.discard(society)
        if not found:
            return None
        line = f"société {society}: no answer to {self.written(society, first)}, but to the other order"
        return self._fault(FaultCode.swapped_dates, _SESSIONS, line)

    async def _asked_by_chunks(self, society: str, scope: Scope, progress: Progress | None) -> _Sessions:
        found = _Sessions()
        first = scope.first
        while first <= scope.last:
            size = self._chunk.get(society, self._settings.chunk_days)
            last = min(first + timedelta(days=size - 1), scope.last)
            found.asked += 1
            try:
                found.rows += await self._halved(society, first, last)
                found.read += 1
            except Fault as fault:
                found.fault = await self._explained(fault, society, first, last)
                left = (scope.last - last).days
                found.asked += -(-left // size)
                break
            if progress is not None:
                progress(_("sessions"), (last - scope.first).days + 1, (scope.last - scope.first).days + 1)
            first = last + timedelta(days=1)
        return found

    async def _halved(self, society: str, first: date, last: date) -> list[Row]:
        """`window`, by halves of its dates where the whole of it did not come in time. Raises Fault."""
        try:
            return await self.window(society, first, last)
        except Fault as fault:
            days = (last - first).days + 1
            if fault.code not in _SLOW or days == 1:
                raise
        size = days // 2
        # What was too much now will be so again tomorrow.
        self._chunk[society] = min(size, self._chunk.get(society, size))
        middle = first + timedelta(days=size - 1)
        return [
            *await self._halved(society, first, middle),
            *await self._halved(society, middle + timedelta(days=1), last),
        ]

    def _day(self, row: Row) -> date | None:
        try:
            return day(self.mapped(_SESSIONS, lambda row: text(row, "date"), row))
        except ValueError:
            return None

    def _sector(self) -> dict[str, str]:
        return {"CSecteur": self._settings.sector} if self._settings.sector else {}

    # The listings

    async def _speakers(self) -> list[Entry]:
        found: dict[str, Entry] = {}
        for society in await self.societies():
            for row in await self.speaker_rows(society.id):
                entry = self._speaker(row)
                found[entry.id] = entry
        return list(found.values())

    def _speaker(self, row: Row) -> Entry:
        return self.mapped(
            _entity("INTERVENANT"), lambda row: mapping.speaker(row, self._settings.speaker_email), row
        )

    async def all_enrolments(self, scope: Scope, progress: Progress | None = None) -> list[mapping.Enrolment]:
        """Of all sociétés. Raises Fault."""
        found: list[mapping.Enrolment] = []
        for society in await self.societies():
            await self.sessions(society.id, scope, progress)
            found += await self.enrolments(society.id, scope)
        return found

    async def _learners(self, scope: Scope, progress: Progress | None) -> list[Entry]:
        found = await self.all_enrolments(scope, progress)
        return self.mapped(
            _entity("INSCRIT"),
            lambda found: mapping.learners(found, self._settings.learner_email, self._today()),
            found,
        )

    async def _members(self, scope: Scope) -> dict[str, frozenset[str]]:
        """Who is in each group that there is."""
        found = await self.all_enrolments(scope)
        inside = mapping.members(found, self._today())
        if self._settings.groups == "parcours_group":
            return inside
        return {id: inside.get(id, frozenset()) for id in await self._actions(scope, inside)}

    async def _actions(self, scope: Scope, inside: Mapping[str, frozenset[str]]) -> dict[str, Row]:
        """The actions that still run, or have people in them, by ID."""
        found: dict[str, Row] = {}
        route = _entity("ACTION")
        for society in await self.societies():
            for row in await self.action_rows(society.id):
                id = self.mapped(route, key, row)
                if id in inside or self.mapped(route, lambda row: mapping.runs_on(row, scope.first), row):
                    found[id] = row
        return found

    async def _groups(self, scope: Scope) -> list[Entry]:
        inside = await self._members(scope)
        if self._settings.groups == "parcours_group":
            names = {one.group: one.group_name for one in await self.all_enrolments(scope)}
            return [mapping.parcours_group(id, names.get(id, ""), those) for id, those in inside.items()]
        return [
            self.mapped(_entity("ACTION"), lambda row: mapping.action_group(row, inside[key(row)]), row)
            for row in (await self._actions(scope, inside)).values()
        ]

    async def _sheets(self, scope: Scope, progress: Progress | None) -> Listing:
        found: dict[str, mapping.Meeting] = {}
        fault: Fault | None = None
        read = asked = 0
        try:
            inside = await self._members(scope)
            by_id = {one.id: one for one in await self.all_enrolments(scope)}
            for society in await self.societies():
                came_here = await self.sessions(society.id, scope, progress)
                read, asked = read + came_here.read, asked + came_here.asked
                fault = fault or came_here.fault
                await self.not_own_only(society.id, came_here.rows)
                for one in self.meetings(came_here.rows, by_id, inside):
                    self._society_of[one.entry.id] = society.id
                    known = found.get(one.entry.id)
                    found[one.entry.id] = one if known is None else mapping.united(known, one)
        except Fault as error:
            return self._listing("sheet", [], error, read)
        if fault is not None:
            fault.pages_read, fault.pages_seen = read, asked
        entries = [one.entry for one in found.values() if not mapping.skipped(one)]
        return self._listing("sheet", entries, fault, read)

    def meetings(
        self,
        found: list[Row],
        enrolments: Mapping[str, mapping.Enrolment],
        members: Mapping[str, frozenset[str]],
    ) -> list[mapping.Meeting]:
        """Rows of sessions, mapped. Raises Fault."""
        self.mapped(_SESSIONS, lambda rows: needed(rows, *_SESSION_FIELDS), found)
        kinds = self._settings.session_types
        return [
            self.mapped(
                _SESSIONS, lambda row: mapping.meeting(row, self._zone, kinds, enrolments, members), row
            )
            for row in found
        ]

    async def not_own_only(self, society: str, found: list[Row]) -> None:
        """Return where an answer shows more than one speaker's sessions. Raises Fault `own_only`."""
        if self._settings.single_speaker or len(found) < _SEVERAL:
            return
        speakers = [
            self.mapped(_SESSIONS, lambda row: {key(one) for one in objects(row, "intervenants")}, row)
            for row in found
        ]
        shared = set.intersection(*speakers)
        if shared and len(await self.speaker_rows(society)) > 1:
            raise self._fault(
                FaultCode.own_only,
                _SESSIONS,
                f"société {society}: {len(found)} sessions, all of intervenant {min(shared)}",
            )

    # Looking for one

    async def _find_one(self, entity: str, id: str, reader: Callable[[Row], Entry]) -> Sighting:
        if not id:
            return Sighting(state="unknown")
        for society in await self.societies():
            for row in await self.entity(entity, society.id, ID=id):
                entry = reader(row)
                if entry.id == id:
                    return Sighting(state="alive", entry=entry)
        return Sighting(state="gone")

    async def _find_group(self, id: str, scope: Scope) -> Sighting:
        inside = (await self._members(scope)).get(id, frozenset())
        return await self._find_one(
            "ACTION",
            id,
            lambda row: self.mapped(_entity("ACTION"), lambda row: mapping.action_group(row, inside), row),
        )

    async def _find_learner(self, id: str) -> Sighting:
        async def ask() -> list[mapping.Enrolment]:
            found: list[mapping.Enrolment] = []
            for society in await self.societies():
                found += self._enrolments(await self.entity("INSCRIT", society.id, **self._sector()))
            return found

        ever = await self._once("every enrolment", ask)
        theirs = [one for one in ever if one.person == id]
        if not theirs:
            return Sighting(state="gone" if ever else "unknown")
        (entry,) = mapping.learners(theirs, self._settings.learner_email, self._today())
        return Sighting(state="gone") if entry.ended else Sighting(state="alive", entry=entry)

    async def _find_session(self, id: str, scope: Scope, last: Sheet) -> Sighting:
        found = await self.all_enrolments(scope)
        today = self._today()
        # Somebody still in the session's own group follows it wherever it moves.
        theirs = sorted(
            (one for one in found if one.person in last.learners and not one.over(today)),
            key=lambda one: (one.group not in last.groups, one.id),
        )
        if not theirs:
            return Sighting(state="unknown")
        witness = [one.id for one in theirs if one.person == theirs[0].person]
        first = scope.first - _LOOK_BACK
        until = max(scope.last, first + _LOOK_SPAN)
        inside = await self._members(scope)
        by_id = {one.id: one for one in found}
        for society in await self.societies():
            seen = await self.window(society.id, first, until, Vue="INSCRIT", LstID=",".join(witness))
            for one in self.meetings(seen, by_id, inside):
                if one.entry.id == id:
                    return Sighting(state="alive", entry=one.entry)
        return Sighting(state="gone")

    # Calls

    async def _read(
        self, route: str, params: Mapping[str, str], give_up_when: frozenset[FaultCode] = frozenset()
    ) -> list[Row]:
        body = await self._session.read(route, params=params, give_up_when=give_up_when)
        return self.mapped(route, lambda body: rows(resolved(body)), body)

    @property
    def chunk_days(self) -> int:
        """So many days of sessions are asked for at once."""
        return min((self._settings.chunk_days, *self._chunk.values()))

    async def structure(self, society: str) -> Any:
        """The vendor's own description of the absence write; None where there is none. Raises Fault."""
        return await self._session.read(_STRUCTURE, params={"IDSociete": society})

    async def post_absence(self, society: str, body: Mapping[str, Any]) -> str:
        """Write or delete one absence; the sentence that came. Raises Fault."""
        answer: str = await self._session.write(
            _POST, params={"IDSociete": society}, json=dict(body), as_text=True
        )
        return answer

    def mapped(self, route: str, reader: Callable[[Any], T], row: Any) -> T:
        """What `reader` makes of `row`. Raises Fault `drift`."""
        try:
            return reader(row)
        except Drift as drift:
            raise self._fault(FaultCode.drift, route, str(drift)) from None

    @property
    def skew(self) -> timedelta | None:
        """Their clock minus ours, from the last answer."""
        return self._session.skew

    def unheard_of(self, sort: str, found: Iterable[Row]) -> frozenset[str]:
        """Fields of some rows that this connector does not know."""
        strange = unknown(found, mapping.KNOWN[sort])
        return frozenset(name for name in strange if not name.startswith(("mobile_", "telephone_")))

    def _today(self) -> date:
        return self._clock.now().astimezone(ZoneInfo(self._zone)).date()

    def _fault(self, code: FaultCode, route: str, what: str) -> Fault:
        return Fault(code, system="erp", route=route, came=came(what))

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


def telling_windows(first: date) -> list[tuple[date, date]]:
    """Dates of some months up to `first` which mean the same in any order, the nearest first."""
    found = []
    for back in _TELLING_MONTHS:
        month = (first.year * 12 + first.month - 1) - back
        year, number = divmod(month, 12)
        found.append((date(year, number + 1, _TELLING[0]), date(year, number + 1, _TELLING[1] - 1)))
    return found


def _tells(at: date, first: date, until: date) -> bool:
    """Whether a session on `at`, asked for from `first` until `until`, proves how dates are read: the other
    way round the question would be none, or be about other dates."""
    try:
        other = sorted(one.replace(month=one.day, day=one.month) for one in (first, until))
    except ValueError:
        return True
    return not other[0] <= at <= other[1]


def _entity(name: str) -> str:
    return _ENTITY.replace("{entity}", name)


_PLURALS: dict[Kind, str] = {
    "learner": _("learners"),
    "speaker": _("speakers"),
    "group": _("groups"),
    "sheet": _("sessions"),
}
_SUMMARY = "the vendor's API V1.19 as summarised publicly"


def _capabilities(accepted: bool) -> tuple[Capability, ...]:
    return (
        Capability(
            name="read learners", certainty="seen", source=f"GetEntite INSCRIT: {_SUMMARY}, and a client"
        ),
        Capability(name="read speakers", certainty="documented", source=f"GetEntite INTERVENANT: {_SUMMARY}"),
        Capability(name="read groups", certainty="seen", source=f"GetEntite ACTION: {_SUMMARY}, and a client"),
        Capability(name="read sheets", certainty="seen", source=f"GetSeance: {_SUMMARY}, and a client"),
        Capability(name="find sessions", certainty="documented", source=f"GetSeance with Vue: {_SUMMARY}"),
        Capability(
            name="write absences",
            certainty="documented",
            source=f"AbsenceSta/Post: {_SUMMARY}; never run against a live system",
            on=accepted,
            why_off=""
            if accepted
            else _("known at second hand only; with the vendor's document in hand set accept_unverified"),
        ),
    )
