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

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from connectors.http import Exchange
from connectors.scform import ScFormSettings, mapping
from connectors.scform.answers import Row, key, objects
from connectors.scform.attendance import ScFormAttendance
from connectors.scform.questions import SESSIONS, Questions, entity_route
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
from engine.records import Entry, Kind, Record, Sheet
from engine.words import _

_LOOK_BACK = timedelta(days=14)
_LOOK_SPAN = timedelta(days=60)
"""Where a session is looked for when a listing missed it: it may have been moved out of the horizon."""

_SEVERAL = 5
"""So many sessions, all with one and the same speaker, look like an account that sees its own only."""


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
        self._ask = Questions(settings, surroundings, capture)
        self.requests: Mapping[str, int] = self._ask.requests
        self.capabilities: tuple[Capability, ...] = _capabilities(settings.accept_unverified)
        self.attendance: ErpAttendance | None = (
            ScFormAttendance(self._ask, settings, surroundings) if settings.accept_unverified else None
        )

    async def begin(self, scope: Scope) -> None:
        """A new run starts: forget what earlier listings brought."""
        self._ask.begin()

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

        return await check(self, self._ask, self._settings, self._today(), self._zone, self._connection)

    async def close(self) -> None:
        """Close the connections."""
        await self._ask.close()

    # The listings

    async def _speakers(self) -> list[Entry]:
        found: dict[str, Entry] = {}
        for society in await self._ask.societies():
            for row in await self._ask.speaker_rows(society.id):
                entry = self._speaker(row)
                found[entry.id] = entry
        return list(found.values())

    def _speaker(self, row: Row) -> Entry:
        return self._ask.mapped(
            entity_route("INTERVENANT"), lambda row: mapping.speaker(row, self._settings.speaker_email), row
        )

    async def _learners(self, scope: Scope, progress: Progress | None) -> list[Entry]:
        found = await self._ask.all_enrolments(scope, progress)
        return self._ask.mapped(
            entity_route("INSCRIT"),
            lambda found: mapping.learners(found, self._settings.learner_email, self._today()),
            found,
        )

    async def _members(self, scope: Scope) -> dict[str, frozenset[str]]:
        """Who is in each group that there is."""
        found = await self._ask.all_enrolments(scope)
        inside = mapping.members(found, self._today())
        if self._settings.groups == "parcours_group":
            return inside
        return {id: inside.get(id, frozenset()) for id in await self._actions(scope, inside)}

    async def _actions(self, scope: Scope, inside: Mapping[str, frozenset[str]]) -> dict[str, Row]:
        """The actions that still run, or have people in them, by ID."""
        found: dict[str, Row] = {}
        route = entity_route("ACTION")
        for society in await self._ask.societies():
            for row in await self._ask.action_rows(society.id):
                id = self._ask.mapped(route, key, row)
                if id in inside or self._ask.mapped(route, lambda row: mapping.runs_on(row, scope.first), row):
                    found[id] = row
        return found

    async def _groups(self, scope: Scope) -> list[Entry]:
        inside = await self._members(scope)
        if self._settings.groups == "parcours_group":
            names = {one.group: one.group_name for one in await self._ask.all_enrolments(scope)}
            return [mapping.parcours_group(id, names.get(id, ""), those) for id, those in inside.items()]
        return [
            self._ask.mapped(
                entity_route("ACTION"), lambda row: mapping.action_group(row, inside[key(row)]), row
            )
            for row in (await self._actions(scope, inside)).values()
        ]

    async def _sheets(self, scope: Scope, progress: Progress | None) -> Listing:
        found: dict[str, mapping.Meeting] = {}
        fault: Fault | None = None
        read = asked = 0
        everything: list[Row] = []
        try:
            inside = await self._members(scope)
            by_id = {one.id: one for one in await self._ask.all_enrolments(scope)}
            for society in await self._ask.societies():
                came_here = await self._ask.sessions(society.id, scope, progress)
                read, asked = read + came_here.read, asked + came_here.asked
                fault = fault or came_here.fault
                everything += came_here.rows
                for one in self._ask.meetings(came_here.rows, by_id, inside):
                    self._ask.society_of[one.entry.id] = society.id
                    known = found.get(one.entry.id)
                    found[one.entry.id] = one if known is None else mapping.united(known, one)
            await self.not_own_only(everything)
        except Fault as error:
            return self._listing("sheet", [], error, read)
        if fault is not None:
            fault.pages_read, fault.pages_seen = read, asked
        entries = [one.entry for one in found.values() if not mapping.skipped(one)]
        return self._listing("sheet", entries, fault, read)

    async def not_own_only(self, found: list[Row]) -> None:
        """Return where the sessions of all sociétés together are not one and the same speaker's. Raises Fault
        `own_only`."""
        if self._settings.single_speaker or len(found) < _SEVERAL:
            return
        speakers = [
            self._ask.mapped(SESSIONS, lambda row: {key(one) for one in objects(row, "intervenants")}, row)
            for row in found
        ]
        shared = set.intersection(*speakers)
        if shared and len(await self._speakers()) > 1:
            what = f"{len(found)} sessions, all of intervenant {min(shared)}"
            raise self._ask.fault(FaultCode.own_only, SESSIONS, what)

    # Looking for one

    async def _find_one(self, entity: str, id: str, reader: Callable[[Row], Entry]) -> Sighting:
        if not id:
            return Sighting(state="unknown")
        for society in await self._ask.societies():
            for row in await self._ask.entity(entity, society.id, ID=id):
                entry = reader(row)
                if entry.id == id:
                    return Sighting(state="alive", entry=entry)
        return Sighting(state="gone")

    async def _find_group(self, id: str, scope: Scope) -> Sighting:
        inside = (await self._members(scope)).get(id, frozenset())
        return await self._find_one(
            "ACTION",
            id,
            lambda row: self._ask.mapped(
                entity_route("ACTION"), lambda row: mapping.action_group(row, inside), row
            ),
        )

    async def _find_learner(self, id: str) -> Sighting:
        async def ask() -> list[mapping.Enrolment]:
            found: list[mapping.Enrolment] = []
            for society in await self._ask.societies():
                found += self._ask.enrolments_in(
                    await self._ask.entity("INSCRIT", society.id, **self._ask.sector())
                )
            return found

        ever = await self._ask.once("every enrolment", ask)
        theirs = [one for one in ever if one.person == id]
        if not theirs:
            return Sighting(state="gone" if ever else "unknown")
        (entry,) = mapping.learners(theirs, self._settings.learner_email, self._today())
        return Sighting(state="gone") if entry.ended else Sighting(state="alive", entry=entry)

    async def _find_session(self, id: str, scope: Scope, last: Sheet) -> Sighting:
        found = await self._ask.all_enrolments(scope)
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
        for society in await self._ask.societies():
            seen = await self._ask.window(society.id, first, until, Vue="INSCRIT", LstID=",".join(witness))
            for one in self._ask.meetings(seen, by_id, inside):
                if one.entry.id == id:
                    return Sighting(state="alive", entry=one.entry)
        return Sighting(state="gone")

    def _today(self) -> date:
        return self._clock.now().astimezone(ZoneInfo(self._zone)).date()

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
