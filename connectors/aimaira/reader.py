"""What a run reads of Aimaira: everything asked once, each list whole or a Fault.

One run asks: types and states, enrolments with their learners, teachers, sequences with their members, the
window's events with their rows, and the class meetings that name them. What cannot come along with them
(`$metadata` says which navigation there is) is asked by keys, as many in one query as fit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from connectors.aimaira import AimairaSettings, mapping
from connectors.aimaira.odata import Ask, Feed, Model, Row, any_of, text
from engine.clock import Clock
from engine.faults import came
from engine.ports import Fault, FaultCode, Progress, Scope
from engine.records import Entry, Kind, folded
from engine.words import _

T = TypeVar("T")

DEPARTED_FOR = timedelta(days=60)
"""So long after a departure the lists still say so; later the person is just not in them."""
HOPELESS = frozenset({FaultCode.unauthorized, FaultCode.forbidden, FaultCode.unreachable})

_LEARNER_CONTACTS = ("Mail", "Mobile", "Telephone")
_SPEAKER_CONTACTS = ("Mail", "MailEcole", "Mobile", "Telephone")
_ROWS = "PlanificationsRessource"
_PROVEN = frozenset({"Mail", _ROWS})
"""Navigation that documents or clients show; the rest only where it is declared."""


@dataclass(frozen=True)
class Event:
    """An event with its rows and what its class meeting tells."""

    row: Row
    rows: tuple[Row, ...]
    course: mapping.Course


@dataclass(frozen=True)
class Campuses:
    """The campuses that are meant, and the campus of each programme."""

    meant: frozenset[int]
    of_programme: Mapping[int, int]


class Reader:
    """See the module. Everything asked is remembered, failures too, until `forget`."""

    def __init__(self, settings: AimairaSettings, zone: str, clock: Clock, feed: Feed) -> None:
        self.feed = feed
        self._settings = settings
        self._zone = zone
        self._clock = clock
        self._said: dict[str, Any] = {}
        self._model: Model | None = None
        self._model_asked = False

    def forget(self, *, model: bool = False) -> None:
        """Ask anew from now on; for `$metadata` only where that is wanted, or something went wrong."""
        if model or any(isinstance(one, Fault) for one in self._said.values()):
            self._model_asked = False
        self._said.clear()

    # The model

    async def model(self) -> Model | None:
        """What `$metadata` declares; None where the service keeps it to itself. Raises Fault."""
        return await self._once("model", self._declared)

    async def fit_for(self, kind: Kind) -> None:
        """Raise Fault where a field this kind stands on is not declared any more."""
        if (model := await self.model()) is None:
            return
        for entity in mapping.NEEDED[kind]:
            if missing := model.missing(entity, mapping.FIELDS[entity]):
                raise drift("GET /$metadata", f"{entity}: {', '.join(missing)} not declared")

    async def _declared(self) -> Model | None:
        if not self._model_asked:
            try:
                self._model = await self.feed.model()
            except Fault as fault:
                if fault.code not in (FaultCode.not_found, FaultCode.forbidden):
                    raise
                self._model = None
            self._model_asked = True
        return self._model

    async def _offers(self, entity: str, navigation: str) -> bool:
        model = await self.model()
        return navigation in _PROVEN if model is None else model.leads(entity, navigation)

    # People

    async def speakers(self, progress: Progress | None = None) -> list[mapping.Person]:
        async def ask() -> list[mapping.Person]:
            names = _SPEAKER_CONTACTS
            wanted = await self._people("Enseignant", names)
            rows = await self.feed.rows(wanted, _told(progress, _("speakers")))
            contacts = await self._contacts(rows, names)
            email = self._settings.speaker_email
            return [
                self._mapped(wanted, lambda row: mapping.speaker(row, contacts, email), row) for row in rows
            ]

        return await self._once("speakers", ask)

    async def learners(self, scope: Scope, progress: Progress | None = None) -> list[mapping.Person]:
        """Everybody enrolled, and those who left lately, before any filter."""

        async def ask() -> list[mapping.Person]:
            states = await self._active_states()
            since = mapping.literal(mapping.midnight(scope.first, scope.zone) - DEPARTED_FOR)
            condition = f"DateSortie ge {since}"
            if states:
                active = any_of("EtatInscriptionId", map(str, sorted(states)))
                condition += f" or (DateSortie eq null and ({active}))"
            wanted = await self._enrolments(condition)
            rows = await self.feed.rows(wanted, _told(progress, _("enrolments")))
            return await self._enrolled(wanted, rows, scope)

        return await self._once("learners", ask)

    async def _enrolments(self, condition: str) -> Ask:
        expand: tuple[str, ...] = ()
        if await self._offers("Inscription", "Apprenant"):
            people = await self._people("Apprenant", _LEARNER_CONTACTS)
            inner = f"$select={','.join(people.select)}"
            inner += f";$expand={','.join(people.expand)}" if people.expand else ""
            expand = (f"Apprenant({inner})",)
        return Ask("Inscription", mapping.FIELDS["Inscription"], condition, expand)

    async def _people(self, entity: str, names: Iterable[str]) -> Ask:
        """People with their addresses and numbers, as far as those can come along."""
        fields = {"Mail": "Adresse", "MailEcole": "Adresse", "Mobile": "Numero", "Telephone": "Numero"}
        expand = [f"{name}($select=Id,{fields[name]})" for name in names if await self._offers(entity, name)]
        return Ask(entity, mapping.FIELDS[entity], expand=tuple(expand))

    async def _enrolled(self, ask: Ask, rows: list[Row], scope: Scope) -> list[mapping.Person]:
        """The learners of these enrolments."""
        states = await self._active_states()
        today, zone = self._today(), scope.zone
        enrolments: dict[int, list[mapping.Enrolment]] = {}
        for row in rows:
            one = self._mapped(ask, lambda row: mapping.enrolment(row, states, today, zone), row)
            enrolments.setdefault(one.learner, []).append(one)
        known: dict[int, Row] = {}
        for row in rows:
            if isinstance(person := row.get("Apprenant"), Mapping):
                known.setdefault(int(row["ApprenantId"]), person)
        missing = [str(key) for key in enrolments if key and key not in known]
        wanted = await self._people("Apprenant", names := _LEARNER_CONTACTS)
        for row in await self.feed.batched(wanted, "Id", missing):
            known[int(row["Id"])] = row
        contacts = await self._contacts(list(known.values()), names)
        campuses = await self._campuses()
        return [
            self._mapped(
                wanted,
                lambda row, key=key: mapping.learner(  # type: ignore[misc]
                    row, enrolments[key], contacts, _campuses_of(enrolments[key], campuses)
                ),
                row,
            )
            for key, row in known.items()
            if key in enrolments
        ]

    async def _contacts(self, rows: list[Row], names: Iterable[str]) -> mapping.Contacts:
        """Addresses and numbers that did not come with the people."""
        names = tuple(names)
        mails = self._unread(rows, [name for name in names if name.startswith("Mail")])
        phones = self._unread(rows, [name for name in names if not name.startswith("Mail")])
        addresses = await self._values("Mail", "Adresse", mails)
        return mapping.Contacts(addresses, await self._values("Telephone", "Numero", phones))

    def _unread(self, rows: list[Row], names: Iterable[str]) -> list[int]:
        return self._mapped(Ask("Apprenant"), lambda rows: mapping.unread(rows, names), rows)

    async def _values(self, entity: str, field: str, keys: Iterable[int]) -> dict[int, str]:
        ask = Ask(entity, ("Id", field))
        rows = await self.feed.batched(ask, "Id", map(str, keys))
        return {int(row["Id"]): self._mapped(ask, lambda row: mapping.text(row, field), row) for row in rows}

    async def _active_states(self) -> frozenset[int]:
        async def ask() -> frozenset[int]:
            wanted = Ask("EtatInscription", mapping.FIELDS["EtatInscription"])
            rows = await self.feed.rows(wanted)
            return self._mapped(
                wanted,
                lambda rows: frozenset(
                    mapping.integer(row, "Id") for row in rows if mapping.truth(row, "ApprenantON")
                ),
                rows,
            )

        return await self._once("states", ask)

    async def learner_entries(self, scope: Scope, progress: Progress | None) -> list[Entry]:
        """The learners that are meant, and those an event names who are in no list."""
        entries = [one.entry for one in await self.learners(scope, progress) if await self.meant(one)]
        try:
            entries += await self._strangers(scope)
        except Fault as fault:
            # The sessions' own listing says what went wrong with them.
            if fault.code in HOPELESS:
                raise
        return entries

    async def meant(self, one: mapping.Person) -> bool:
        campuses = await self._campuses()
        return campuses is None or bool(one.campuses & campuses.meant)

    async def _strangers(self, scope: Scope) -> list[Entry]:
        """Learners of events whom the list of the enrolled lacks: those who left long ago, and those who were
        never enrolled."""

        async def ask() -> list[Entry]:
            types = await self.types()
            people = mapping.People.of(await self.learners(scope))
            unknown: dict[str, Row] = {}
            for event in await self.events(scope):
                for row in event.rows:
                    if row.get("TypeRessourceId") == types.learner and people.key(row) is None:
                        unknown.setdefault(mapping.unknown_key(row), row)
            if not unknown:
                return []
            codes = [text(code) for row in unknown.values() if (code := mapping.text(row, "Code"))]
            found = await self.feed.batched(Ask("Apprenant", ("Id", "Code")), "Code", codes)
            key_of = {str(row.get("Code")): str(row["Id"]) for row in found}
            left = await self._left(list(key_of.values()), scope)
            return [
                left.get(key_of.get(mapping.text(row, "Code"), "")) or mapping.stranger(row)
                for row in unknown.values()
            ]

        return await self._once("strangers", ask)

    async def _left(self, keys: list[str], scope: Scope) -> dict[str, Entry]:
        """Those of these learners who have enrolments, none of which counts."""
        wanted = await self._enrolments("")
        rows = await self.feed.batched(wanted, "ApprenantId", keys)
        return {one.entry.id: one.entry for one in await self._enrolled(wanted, rows, scope)}

    async def _campuses(self) -> Campuses | None:
        """The campuses that are meant, None where all are."""
        if not self._settings.campuses:
            return None

        async def ask() -> Campuses:
            wanted = {folded(one) for one in self._settings.campuses}
            rows = await self.feed.rows(Ask("Campus", mapping.FIELDS["Campus"]))
            meant: set[int] = set()
            for row in rows:
                names = {folded(mapping.text(row, "Nom")), folded(mapping.text(row, "Code"))}
                if names & wanted:
                    meant.add(mapping.integer(row, "Id"))
                    wanted -= names
            if wanted:
                raise drift("GET /Campus", f"no campus is called {', '.join(sorted(wanted))}")
            programmes = await self.feed.rows(Ask("Programme", mapping.FIELDS["Programme"]))
            return Campuses(
                frozenset(meant),
                {mapping.integer(p, "Id"): mapping.integer(p, "EntiteJuridiqueId") for p in programmes},
            )

        return await self._once("campuses", ask)

    async def who(self, rows: Iterable[Row], learners: Iterable[str]) -> dict[int, str]:
        """Which of these learners (or of all, where a run read them) each row of an event means, by the row's
        key. Raises Fault."""
        known = self._said.get("learners")
        people = mapping.People.of(known) if isinstance(known, list) else mapping.People({}, frozenset())
        people = mapping.People(people.by_code, people.keys | frozenset(learners))
        rows = list(rows)
        found = self._named(rows, people)
        lacking = sorted(set(learners) - set(found.values()))
        if lacking and len(found) < len(rows):
            coded = await self.feed.batched(Ask("Apprenant", ("Id", "Code")), "Id", lacking)
            codes = {code: str(row["Id"]) for row in coded if (code := row.get("Code"))}
            found = self._named(rows, mapping.People({**people.by_code, **codes}, people.keys))
        return found

    def _named(self, rows: list[Row], people: mapping.People) -> dict[int, str]:
        ask = Ask("PlanificationRessource")
        named = ((row["Id"], self._mapped(ask, people.key, row)) for row in rows)
        return {key: person for key, person in named if person is not None}

    # Groups

    async def _sequences(self, scope: Scope, progress: Progress | None = None) -> list[Row]:
        """The sequences that have not ended before the scope."""

        async def ask() -> list[Row]:
            since = mapping.literal(mapping.midnight(scope.first, scope.zone))
            wanted = Ask("Sequence", mapping.FIELDS["Sequence"], f"Fin eq null or Fin ge {since}")
            rows = await self.feed.rows(wanted, _told(progress, _("groups")))
            campuses = await self._campuses()
            if campuses is None:
                return rows
            return [r for r in rows if campuses.of_programme.get(r["ProgrammeId"]) in campuses.meant]

        return await self._once("sequences", ask)

    async def group_entries(self, scope: Scope, progress: Progress | None) -> list[Entry]:
        rows = await self._sequences(scope, progress)
        members = await self._members([str(row["Id"]) for row in rows], progress)
        known = {one.entry.id: one.entry.ended for one in await self.learners(scope)}
        return [self._group(row, members, known, scope) for row in rows]

    def _group(
        self, row: Row, members: Mapping[str, set[str]], ended: Mapping[str, bool], scope: Scope
    ) -> Entry:
        since = mapping.midnight(scope.first, scope.zone)
        # Whoever is not enrolled any more is in no group, whatever was forgotten there.
        here = frozenset(one for one in members.get(str(row["Id"]), ()) if not ended.get(one, True))
        return self._mapped(Ask("Sequence"), lambda row: mapping.group(row, here, since), row)

    async def _members(self, keys: list[str], progress: Progress | None = None) -> dict[str, set[str]]:
        """Learners by sequence."""
        ask = Ask("InscriptionSequence", mapping.FIELDS["InscriptionSequence"])
        now = self._clock.now()
        members: dict[str, set[str]] = {}
        for row in await self.feed.batched(ask, "SequenceId", keys, _told(progress, _("members"))):
            stands = self._mapped(ask, lambda row: mapping.membership(row, now), row)
            if stands is not None:
                members.setdefault(stands[0], set()).add(stands[1])
        return members

    # Sessions

    async def types(self) -> mapping.Types:
        async def ask() -> mapping.Types:
            wanted = Ask("TypeRessource", mapping.FIELDS["TypeRessource"])
            rows = await self.feed.rows(wanted)
            codes = ("APPRENANT", "PROF", "SALLE", "GROUPE")
            return self._mapped(
                wanted, lambda rows: mapping.Types(*(mapping.coded(rows, code) for code in codes)), rows
            )

        return await self._once("types", ask)

    async def _event_types(self) -> list[int]:
        async def ask() -> list[int]:
            wanted = Ask("TypePlanification", mapping.FIELDS["TypePlanification"])
            rows = await self.feed.rows(wanted)
            codes = ("SEANCE", "EXAMEN") if self._settings.exams else ("SEANCE",)
            return self._mapped(wanted, lambda rows: [mapping.coded(rows, code) for code in codes], rows)

        return await self._once("event types", ask)

    async def events(self, scope: Scope, progress: Progress | None = None) -> list[Event]:
        """The events that begin in the scope, with their rows and class meetings."""

        async def ask() -> list[Event]:
            first = mapping.literal(mapping.midnight(scope.first, scope.zone))
            until = mapping.literal(mapping.midnight(mapping.day_after(scope.last), scope.zone))
            window = f"Debut ge {first} and Debut lt {until}"
            condition = await self._kinds_meant()
            wanted = await self._planned(f"{window} and {condition}")
            try:
                rows = await self.feed.rows(wanted, _told(progress, _("events")))
            except Fault as fault:
                if fault.code is not FaultCode.refused:
                    raise
                rows = await self._events_by_rows(first, until)
            with_rows = await self._with_rows(rows)
            courses = await self._courses(rows, window)
            return [Event(row, with_rows[row["Id"]], courses.get(row["Id"], mapping.Course())) for row in rows]

        return await self._once("events", ask)

    async def _kinds_meant(self) -> str:
        """A condition on the types of events, and on the campuses where those are limited."""
        condition = f"({any_of('TypePlanificationId', map(str, await self._event_types()))})"
        if (campuses := await self._campuses()) is not None:
            meant = any_of("EntiteJuridiqueId", map(str, sorted(campuses.meant)))
            condition += f" and ({meant})"
        return condition

    async def _planned(self, condition: str) -> Ask:
        expand: tuple[str, ...] = ()
        if await self._offers("Planification", _ROWS):
            expand = (f"{_ROWS}($select={','.join(mapping.FIELDS['PlanificationRessource'])})",)
        return Ask("Planification", mapping.FIELDS["Planification"], condition, expand)

    async def _events_by_rows(self, first: str, until: str) -> list[Row]:
        """The window's events where the service does not filter them by time: through their rows, whose copy
        of the event's time lags after a move, so a moved event may be missed until its rows follow."""
        rows = await self.feed.rows(
            Ask(
                "PlanificationRessource",
                ("Id", "PlanificationId"),
                f"PlanificationDebut ge {first} and PlanificationDebut lt {until}",
            )
        )
        wanted = await self._planned(await self._kinds_meant())
        events = await self.feed.batched(wanted, "Id", (str(row["PlanificationId"]) for row in rows))
        return [row for row in events if first <= _starts(row) < until]

    async def _with_rows(self, events: list[Row]) -> dict[int, tuple[Row, ...]]:
        """The rows of each event; those that did not come with it, or not whole, are asked for."""
        found: dict[int, list[Row]] = {row["Id"]: [] for row in events}
        apart: list[str] = []
        for event in events:
            rows = event.get(_ROWS)
            if isinstance(rows, list) and f"{_ROWS}@odata.nextLink" not in event:
                found[event["Id"]] = rows
            else:
                apart.append(str(event["Id"]))
        wanted = Ask("PlanificationRessource", mapping.FIELDS["PlanificationRessource"])
        for row in await self.feed.batched(wanted, "PlanificationId", apart):
            found[row["PlanificationId"]].append(row)
        return {key: tuple(rows) for key, rows in found.items()}

    async def _courses(self, events: list[Row], window: str) -> dict[int, mapping.Course]:
        """What class meetings tell of events that have no title themselves, where they are declared."""
        nameless = {row["Id"] for row in events if not row.get("Nom")}
        model = await self.model()
        if not nameless or model is None or model.missing("Seance", mapping.FIELDS["Seance"]):
            return {}
        expand = ("Cours($select=Id,Nom)",) if model.leads("Seance", "Cours") else ()
        wanted = Ask("Seance", mapping.FIELDS["Seance"], window, expand)
        try:
            rows = await self.feed.rows(wanted)
        except Fault as fault:
            if fault.code is not FaultCode.refused:
                raise
            rows = []
        # One that was not moved along with its event is found by its event; so are all where the service does
        # not filter them by time.
        missing = nameless - {row["PlanificationId"] for row in rows}
        apart = Ask("Seance", mapping.FIELDS["Seance"], expand=expand)
        rows += await self.feed.batched(apart, "PlanificationId", map(str, sorted(missing)))
        courses = self._mapped(wanted, lambda rows: mapping.unread(rows, ("Cours",)), rows)
        titles = await self._values("Cours", "Nom", courses)
        return {
            row["PlanificationId"]: self._mapped(wanted, lambda row: mapping.course(row, titles), row)
            for row in rows
        }

    async def sessions(self, scope: Scope, progress: Progress | None) -> list[Entry]:
        return await self._as_sessions(await self.events(scope, progress), scope)

    async def _as_sessions(self, events: list[Event], scope: Scope) -> list[Entry]:
        types = await self.types()
        learners = mapping.People.of(await self.learners(scope))
        speakers = mapping.People.of(await self.speakers())
        groups: dict[str, str] = {}
        if not all(one.row.get("Nom") or one.course.title for one in events):
            groups = {str(row["Id"]): str(row["Nom"] or "") for row in await self._sequences(scope)}
        return [
            self._mapped(
                Ask("Planification"),
                lambda event: mapping.session(
                    event.row, event.rows, types, learners, speakers, event.course, groups
                ),
                event,
            )
            for event in events
        ]

    # Looking for one

    async def find_speaker(self, key: str, _scope: Scope) -> Entry | None:
        names = _SPEAKER_CONTACTS
        rows = await self.feed.rows((await self._people("Enseignant", names)).also(f"Id eq {key}"))
        if not rows:
            return None
        contacts = await self._contacts(rows, names)
        email = self._settings.speaker_email
        return self._mapped(Ask("Enseignant"), lambda row: mapping.speaker(row, contacts, email), rows[0]).entry

    async def find_learner(self, key: str, scope: Scope) -> Entry | None:
        """A learner with whatever enrolments there are; without any there is nobody to speak of."""
        wanted = await self._enrolments(f"ApprenantId eq {key}")
        for one in await self._enrolled(wanted, await self.feed.rows(wanted), scope):
            return one.entry if await self.meant(one) else None
        return None

    async def find_group(self, key: str, scope: Scope) -> Entry | None:
        rows = await self.feed.rows(Ask("Sequence", mapping.FIELDS["Sequence"], f"Id eq {key}"))
        if not rows:
            return None
        ended = {one.entry.id: one.entry.ended for one in await self.learners(scope)}
        return self._group(rows[0], await self._members([key]), ended, scope)

    async def find_session(self, key: str, scope: Scope) -> Entry | None:
        wanted = await self._planned(f"Id eq {key}")
        rows = await self.feed.rows(wanted)
        if not rows:
            return None
        with_rows = await self._with_rows(rows)
        courses = await self._courses(rows, f"PlanificationId eq {key}")
        event = Event(rows[0], with_rows[rows[0]["Id"]], courses.get(rows[0]["Id"], mapping.Course()))
        return (await self._as_sessions([event], scope))[0]

    # Calls

    async def _once(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """What was asked already, its failure too; else asked now."""
        if what not in self._said:
            try:
                self._said[what] = await ask()
            except Fault as fault:
                self._said[what] = fault
            except mapping.Drift as shape:
                self._said[what] = drift(what, str(shape))
        said: T | Fault = self._said[what]
        if isinstance(said, Fault):
            raise said
        return said

    def _mapped(self, ask: Ask, reader: Callable[[Any], T], row: Any) -> T:
        try:
            return reader(row)
        except mapping.Drift as shape:
            raise drift(ask.route, str(shape)) from None

    def _today(self) -> date:
        return self._clock.now().astimezone(ZoneInfo(self._zone)).date()


def _campuses_of(enrolments: Iterable[mapping.Enrolment], campuses: Campuses | None) -> frozenset[int]:
    if campuses is None:
        return frozenset()
    of_programme = campuses.of_programme
    return frozenset(of_programme[e.programme] for e in enrolments if e.programme in of_programme)


def _starts(event: Row) -> str:
    try:
        at = mapping.instant(event, "Debut")
    except mapping.Drift as shape:
        raise drift("GET /Planification", str(shape)) from None
    return "" if at is None else mapping.literal(at)


def _told(progress: Progress | None, what: str) -> Callable[[int, int | None], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(what, done, total)


def drift(route: str, what: str) -> Fault:
    """A field that is gone or of another shape, as a Fault."""
    return Fault(FaultCode.drift, system="erp", route=route, came=came(what))
