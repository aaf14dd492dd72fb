"""Hyperplanning as an ERP: one connector over two interfaces, REST and SOAP (see `rest` and `soap`).

What it stands on beside them, and how sure it is:

* A course holds many sessions (every week one): a session is its course and its start, so that a moved one
  has another key (R12): seen in client code.
* Parent courses are left out, or each of their sessions would come twice: documented for SOAP; the field in
  REST is inferred.
* An unplaced course has no session, and a cancelled session is one that is placed no more: inferred.
* A learner who left stands in no promotion, TD group or option: inferred, and a setting.
* Phone numbers: no getter and no field is known.
* A session's own learners come from `EtudiantsDuCours` (seen for SOAP, inferred for REST); where they are not
  given, from the groups of the session.
* Each school year is another base, with other keys: documented by Edusign, inferred for the keys.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

from connectors.http import Exchange
from connectors.hyperplanning import HyperplanningSettings, mapping
from connectors.hyperplanning.attendance import HyperplanningAttendance
from connectors.hyperplanning.rest import RestSource
from connectors.hyperplanning.soap import SoapSource
from connectors.hyperplanning.source import Keyed, People, Source, mapped
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
from engine.records import Entry, Group, Kind, Record
from engine.words import _

T = TypeVar("T")

_SKEW_SECONDS = 60
"""A clock further away than this is worth saying."""

# After one of these the rest of a check brings more of the same.
_HOPELESS = frozenset(
    {FaultCode.unauthorized, FaultCode.payment_required, FaultCode.forbidden, FaultCode.unreachable}
)


class HyperplanningClient:
    """One school, as `engine.ports.Erp` asks."""

    silent: Mapping[Kind, frozenset[str]] = {
        "learner": frozenset({"phone"}),
        "speaker": frozenset({"phone"}),
    }
    """Fields this ERP says nothing about: empty in every entry, which means nothing."""
    keys_move: bool = True
    form: AttendanceForm | None = None

    def __init__(
        self,
        settings: HyperplanningSettings,
        surroundings: Surroundings,
        capture: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._settings = settings
        self._connection = surroundings.connection
        self._clock = surroundings.clock
        self._zone = surroundings.zone
        self._source: Source
        if settings.protocol == "soap":
            self._source = SoapSource(settings, surroundings, capture)
        else:
            self._source = RestSource(settings, surroundings, capture)
        self.requests: Mapping[str, int] = self._source.requests
        self.attendance: ErpAttendance | None = HyperplanningAttendance(
            self._source, self._connection, self._zone, writes=settings.accept_unverified
        )
        self.capabilities: tuple[Capability, ...] = (
            *self._source.capabilities,
            _write_capability(settings, self._source),
        )
        self._said: dict[str, Any] = {}

    async def begin(self, scope: Scope) -> None:
        """A new run starts: forget what earlier listings brought."""
        self._said.clear()

    async def listing(self, kind: Kind, scope: Scope, progress: Progress | None = None) -> Listing:
        """All records of `kind`; never raises Fault. What a run already asked, failures too, is not asked
        again before `begin`."""
        try:
            entries = await self._entries(kind, scope)
        except Fault as fault:
            return self._listing(kind, [], fault)
        if progress is not None:
            progress(_PLURALS[kind], len(entries), len(entries))
        return self._listing(kind, entries, None)

    async def find(self, kind: Kind, erp_id: str, scope: Scope, last: Record | None) -> Sighting:
        """Look for one record: people and groups by their own key, a session among its course's.

        A session that was moved is gone under the key it had."""
        try:
            if kind != "sheet":
                return Sighting(state="alive" if await self._stands(kind, erp_id) else "gone")
            return await self._find_session(erp_id)
        except Fault:
            return Sighting(state="unknown")

    async def check(self) -> tuple[Finding, ...]:
        """The user, and a sample of each listing: sessions of today."""
        today = self._clock.now().astimezone(ZoneInfo(self._zone)).date()
        scope = Scope(first=today, last=today, zone=self._zone)
        await self.begin(scope)
        findings: list[Finding] = []
        for what, kind in (
            (_("read speakers"), "speaker"),
            (_("read learners"), "learner"),
            (_("read groups"), "group"),
            (_("read sessions"), "sheet"),
        ):
            try:
                found = await self._entries(cast(Kind, kind), scope)
            except Fault as fault:
                line = fault_line(fault, self._connection)
                findings.append(Finding(what=what, ok=False, detail=fault.code.value, advice=line))
                if fault.code in _HOPELESS:
                    break
            else:
                detail = _("{count} seen").format(count=len(found))
                findings.append(Finding(what=what, ok=True, detail=detail))
        try:
            findings += await self._source.check()
        except Fault as fault:
            line = fault_line(fault, self._connection)
            findings.append(Finding(what=_("the interface"), ok=False, detail=fault.code.value, advice=line))
        if (skew := self._source.skew) is not None:
            seconds = round(skew.total_seconds())
            advice = "" if abs(seconds) <= _SKEW_SECONDS else _("one of the two clocks is wrong")
            detail = _("{seconds} s apart").format(seconds=abs(seconds))
            findings.append(Finding(what=_("the server's clock"), ok=not advice, detail=detail, advice=advice))
        await self.begin(scope)
        return tuple(findings)

    async def close(self) -> None:
        """Close the connections."""
        await self._source.close()

    async def _entries(self, kind: Kind, scope: Scope) -> list[Entry]:
        match kind:
            case "speaker":
                return await self._people("speaker")
            case "learner":
                meant = await self._meant()
                return [one for one in await self._people("learner") if meant is None or one.id in meant]
            case "group":
                return await self._groups()
            case _:
                return await self._sessions(scope)

    # People and groups

    async def _people(self, kind: Kind) -> list[Entry]:
        async def ask() -> list[Entry]:
            what = _PEOPLE[kind]
            rows, email = await self._source.people(what)
            return [mapped(what, lambda row: mapping.person(kind, row, email), row) for row in rows]

        return await self._once(kind, ask)

    async def _groups(self) -> list[Entry]:
        """Promotions, and TD groups and options where they are wanted, with those members who are meant."""
        groups = await self._all_groups()
        chosen = await self._chosen()
        if chosen is None:
            return groups
        kept = []
        for entry in groups:
            group = entry.record
            assert isinstance(group, Group)
            if members := group.members & chosen:
                kept.append(entry.model_copy(update={"record": group.model_copy(update={"members": members})}))
        return kept

    async def _all_groups(self) -> list[Entry]:
        async def ask() -> list[Entry]:
            source = self._source
            rows = await source.groups("promotions")
            codes = [mapped("promotions", mapping.key, row) for row in rows]
            members = await source.members("promotions", codes)
            found = [
                mapped("promotions", lambda row: mapping.group(row, members[mapping.key(row)]), row)
                for row in rows
            ]
            if not self._settings.td_groups:
                return found
            names = {one.id: one.record.label for one in found}
            rows = await source.groups("tdoptions")
            of_td = await source.members("tdoptions", [mapped("tdoptions", mapping.key, row) for row in rows])
            return [
                *found,
                *(
                    mapped("tdoptions", lambda row: mapping.group(row, of_td[mapping.key(row)], names), row)
                    for row in rows
                ),
            ]

        return await self._once("groups", ask)

    async def _chosen(self) -> frozenset[str] | None:
        """The learners of the rubrics that are meant; None where there is no such filter."""
        family, rubrics = self._settings.learner_family, frozenset(self._settings.learner_rubrics)
        if not family:
            return None

        async def ask() -> frozenset[str]:
            keys = [one.id for one in await self._people("learner")]
            found = await self._source.rubrics("etudiants", keys, family)
            return frozenset(key for key, bears in found.items() if bears & rubrics)

        return await self._once("chosen", ask)

    async def _meant(self) -> frozenset[str] | None:
        """The learners that are listed; None for all of the base."""
        chosen = await self._chosen()
        if self._settings.learners == "all":
            return chosen
        placed: set[str] = set()
        for entry in await self._all_groups():
            assert isinstance(entry.record, Group)
            placed |= entry.record.members
        return frozenset(placed) if chosen is None else chosen & placed

    async def _stands(self, kind: Kind, key: str) -> bool:
        """Whether a person or group still stands in the base, a learner among those who are meant."""
        what: Keyed = _PEOPLE.get(kind, "promotions")
        if kind == "group" and key.startswith(mapping.TD_PREFIX):
            what = "tdoptions"
        if not await self._source.stands(what, key.removeprefix(mapping.TD_PREFIX)):
            return False
        if kind != "learner":
            return True
        if self._settings.learners == "in_groups":
            groups = await self._source.groups_of(key)
            if not self._settings.td_groups:
                groups = frozenset(one for one in groups if not one.startswith(mapping.TD_PREFIX))
            if not groups:
                return False
        family = self._settings.learner_family
        if not family:
            return True
        bears = await self._source.rubrics("etudiants", [key], family)
        return bool(bears[key] & frozenset(self._settings.learner_rubrics))

    # Sessions

    async def _sessions(self, scope: Scope) -> list[Entry]:
        courses = [
            mapped("cours", mapping.key, row)
            for row in await self._source.courses(scope.first, scope.last)
            if not mapped("cours", mapping.is_parent, row)
        ]
        if self._settings.course_family:
            wanted = frozenset(self._settings.course_rubrics)
            bears = await self._source.rubrics("cours", courses, self._settings.course_family)
            courses = [key for key in courses if bears[key] & wanted]
        rows = await self._source.sessions(courses, scope.first, scope.last)
        names = await self._names()
        found: dict[str, Entry] = {}
        for row in rows:
            if scope.first <= self._day(row) <= scope.last:
                entry = self._session(row, names)
                found[entry.id] = mapping.twice(found[entry.id], entry) if entry.id in found else entry
        entries = list(found.values())
        mapped("duree", lambda entries: mapping.unlikely(entries, self._source.unit), entries)
        chosen, groups = await self._chosen(), {one.id for one in await self._groups()}
        if chosen is None and self._settings.td_groups:
            return entries
        return [
            mapping.only(one, groups.__contains__, lambda key: chosen is None or key in chosen)
            for one in entries
        ]

    async def _names(self) -> mapping.Names:
        async def ask() -> mapping.Names:
            rooms = [mapped("salles", mapping.label, row) for row in await self._source.labels("salles")]
            subjects = [mapped("matieres", mapping.label, row) for row in await self._source.labels("matieres")]
            members: dict[str, frozenset[str]] = {}
            for entry in await self._all_groups():
                assert isinstance(entry.record, Group)
                members[entry.id] = entry.record.members
            return mapping.Names(dict(rooms), dict(subjects), members)

        return await self._once("names", ask)

    def _session(self, row: mapping.Row, names: mapping.Names) -> Entry:
        return mapped(
            "detail_seances_placees",
            lambda row: mapping.session(row, self._zone, self._source.unit, names),
            row,
        )

    def _day(self, row: mapping.Row) -> date:
        at = mapped("detail_seances_placees", lambda row: mapping.wall(row, "jour_heure_debut"), row)
        return at.date()

    async def _find_session(self, session: str) -> Sighting:
        """Among the sessions of its course on its day; a course that is gone has none."""
        day = mapping.day_of(session)
        if day is None:
            return Sighting(state="unknown")
        names = await self._names()
        for row in await self._source.sessions_of(mapping.course_of(session), day):
            if mapped("detail_seances_placees", mapping.session_id, row) == session:
                return Sighting(state="alive", entry=self._session(row, names))
        return Sighting(state="gone")

    # What a run asks, each once

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


def _write_capability(settings: HyperplanningSettings, source: Source) -> Capability:
    on = settings.accept_unverified
    return Capability(
        name="write absences",
        certainty=source.write_certainty,
        source="hpsw AjouterAbsenceEtudiant, in clients"
        if settings.protocol == "soap"
        else "REST absences/ajouter, its body by analogy with SOAP",
        on=on,
        why_off="" if on else _("no document shows how exactly; accept_unverified switches it on"),
    )


_PEOPLE: dict[Kind, People] = {"learner": "etudiants", "speaker": "enseignants"}
_PLURALS: dict[Kind, str] = {
    "learner": _("learners"),
    "speaker": _("speakers"),
    "group": _("groups"),
    "sheet": _("sessions"),
}
