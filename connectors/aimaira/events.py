"""Aimaira's events: those of a window with their rows, what class meetings call them, who stands on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from connectors.aimaira import mapping
from connectors.aimaira.odata import Ask, Row, any_of, text
from connectors.aimaira.reader import ROWS, Reader, drift, told
from connectors.aimaira.roll import Roll
from engine.ports import Fault, FaultCode, Progress, Scope
from engine.records import Entry
from engine.words import _


@dataclass(frozen=True)
class Event:
    """An event with its rows and what its class meeting tells."""

    row: Row
    rows: tuple[Row, ...]
    course: mapping.Course


class Events:
    """See the module."""

    def __init__(self, reader: Reader, roll: Roll) -> None:
        self._reader = reader
        self._roll = roll
        self._meetings_seen = False

    async def events(self, scope: Scope, progress: Progress | None = None) -> list[Event]:
        """The events that begin in the scope, with their rows and class meetings."""

        async def ask() -> list[Event]:
            first = mapping.literal(mapping.midnight(scope.first, scope.zone))
            until = mapping.literal(mapping.midnight(mapping.day_after(scope.last), scope.zone))
            window = f"Debut ge {first} and Debut lt {until}"
            condition = await self._kinds_meant()
            wanted = await self._planned(f"{window} and {condition}")
            try:
                rows = await self._reader.feed.rows(wanted, told(progress, _("events")))
            except Fault as fault:
                if fault.code is not FaultCode.refused:
                    raise
                rows = await self._events_by_rows(first, until)
            with_rows = await self._with_rows(rows)
            courses = await self._courses(rows, window)
            return [Event(row, with_rows[row["Id"]], courses.get(row["Id"], mapping.Course())) for row in rows]

        return await self._reader.once("events", ask)

    async def _kinds_meant(self) -> str:
        """A condition on the types of events, and on the campuses where those are limited."""
        condition = f"({any_of('TypePlanificationId', map(str, await self._reader.event_types()))})"
        if (campuses := await self._reader.campuses()) is not None:
            meant = any_of("EntiteJuridiqueId", map(str, sorted(campuses.meant)))
            condition += f" and ({meant})"
        return condition

    async def _planned(self, condition: str) -> Ask:
        expand: tuple[str, ...] = ()
        if await self._reader.offers("Planification", ROWS):
            expand = (f"{ROWS}($select={','.join(mapping.FIELDS['PlanificationRessource'])})",)
        return Ask("Planification", mapping.FIELDS["Planification"], condition, expand)

    async def _events_by_rows(self, first: str, until: str) -> list[Row]:
        """The window's events where the service does not filter them by time: through their rows, whose copy
        of the event's time lags after a move, so a moved event may be missed until its rows follow."""
        rows = await self._reader.feed.rows(
            Ask(
                "PlanificationRessource",
                ("Id", "PlanificationId"),
                f"PlanificationDebut ge {first} and PlanificationDebut lt {until}",
            )
        )
        wanted = await self._planned(await self._kinds_meant())
        keys = (str(mapping.integer(row, "PlanificationId")) for row in rows)
        events = await self._reader.feed.batched(wanted, "Id", keys)
        return [row for row in events if first <= _starts(row) < until]

    async def _with_rows(self, events: list[Row]) -> dict[int, tuple[Row, ...]]:
        """The rows of each event; those that did not come with it, or not whole, are asked for."""
        found: dict[int, list[Row]] = {row["Id"]: [] for row in events}
        apart: list[str] = []
        for event in events:
            rows = event.get(ROWS)
            if isinstance(rows, list) and f"{ROWS}@odata.nextLink" not in event:
                found[event["Id"]] = rows
            else:
                apart.append(str(event["Id"]))
        wanted = Ask("PlanificationRessource", mapping.FIELDS["PlanificationRessource"])
        for row in await self._reader.feed.batched(wanted, "PlanificationId", apart):
            if (key := mapping.integer(row, "PlanificationId")) in found:
                found[key].append(row)
        return {key: tuple(rows) for key, rows in found.items()}

    async def _courses(self, events: list[Row], window: str) -> dict[int, mapping.Course]:
        """What class meetings tell of events that have no title themselves, where they are declared."""
        nameless = {row["Id"] for row in events if not row.get("Nom")}
        model = await self._reader.model()
        if not nameless:
            return {}
        if model is None:
            return {}
        if lacking := model.missing("Seance", mapping.FIELDS["Seance"]):
            if self._meetings_seen:
                # Titles came from there so far: falling back would rename every session.
                raise drift("GET /$metadata", f"Seance: {', '.join(lacking)} not declared")
            return {}
        self._meetings_seen = True
        expand = ("Cours($select=Id,Nom)",) if model.leads("Seance", "Cours") else ()
        wanted = Ask("Seance", mapping.FIELDS["Seance"], window, expand)
        try:
            rows = await self._reader.feed.rows(wanted)
        except Fault as fault:
            if fault.code is not FaultCode.refused:
                raise
            rows = []
        # One that was not moved along with its event is found by its event; so are all where the service does
        # not filter them by time.
        missing = nameless - {mapping.integer(row, "PlanificationId") for row in rows}
        apart = Ask("Seance", mapping.FIELDS["Seance"], expand=expand)
        rows += await self._reader.feed.batched(apart, "PlanificationId", map(str, sorted(missing)))
        courses = self._reader.mapped(wanted, lambda rows: mapping.unread(rows, ("Cours",)), rows)
        titles = await self._reader.values("Cours", "Nom", courses)
        return {
            mapping.integer(row, "PlanificationId"): self._reader.mapped(
                wanted, lambda row: mapping.course(row, titles), row
            )
            for row in rows
        }

    async def sessions(self, scope: Scope, progress: Progress | None) -> list[Entry]:
        """The events of the scope as sessions."""
        return await self._as_sessions(await self.events(scope, progress), scope)

    async def _as_sessions(self, events: list[Event], scope: Scope) -> list[Entry]:
        types = await self._reader.types()
        learners = mapping.People.of(await self._roll.learners(scope))
        speakers = mapping.People.of(await self._roll.speakers())
        groups: dict[str, str] = {}
        if not all(one.row.get("Nom") or one.course.title for one in events):
            groups = {str(row["Id"]): mapping.text(row, "Nom") for row in await self._roll.sequences(scope)}
        return [
            self._reader.mapped(
                Ask("Planification"),
                lambda event: mapping.session(
                    event.row, event.rows, types, learners, speakers, event.course, groups
                ),
                event,
            )
            for event in events
        ]

    # Who stands on them

    async def strangers(self, scope: Scope) -> list[Entry]:
        """Learners of events whom the list of the enrolled lacks: those who left long ago, and those who were
        never enrolled."""

        async def ask() -> list[Entry]:
            types = await self._reader.types()
            people = mapping.People.of(await self._roll.learners(scope))
            unknown: dict[str, Row] = {}
            for event in await self.events(scope):
                for row in event.rows:
                    if row.get("TypeRessourceId") == types.learner and people.key(row) is None:
                        unknown.setdefault(mapping.unknown_key(row), row)
            if not unknown:
                return []
            codes = [text(code) for row in unknown.values() if (code := mapping.text(row, "Code"))]
            found = await self._reader.feed.batched(Ask("Apprenant", ("Id", "Code")), "Code", codes)
            key_of = {str(row.get("Code")): str(row["Id"]) for row in found}
            left = await self._roll.left(list(key_of.values()), scope)
            return [
                left.get(key_of.get(mapping.text(row, "Code"), "")) or mapping.stranger(row)
                for row in unknown.values()
            ]

        return await self._reader.once("strangers", ask)

    async def who(self, rows: Iterable[Row], learners: Iterable[str]) -> dict[int, str]:
        """Which of these learners (or of all, where a run read them) each row of an event means, by the row's
        key. Raises Fault."""
        known = self._reader.remembered("learners")
        people = mapping.People.of(known) if isinstance(known, list) else mapping.People({}, frozenset())
        people = mapping.People(people.by_code, people.keys | frozenset(learners))
        rows = list(rows)
        found = self._named(rows, people)
        lacking = sorted(set(learners) - set(found.values()))
        if lacking and len(found) < len(rows):
            coded = await self._reader.feed.batched(Ask("Apprenant", ("Id", "Code")), "Id", lacking)
            codes = {code: str(row["Id"]) for row in coded if (code := row.get("Code"))}
            found = self._named(rows, mapping.People({**people.by_code, **codes}, people.keys))
        return found

    def _named(self, rows: list[Row], people: mapping.People) -> dict[int, str]:
        ask = Ask("PlanificationRessource")
        named = ((row["Id"], self._reader.mapped(ask, people.key, row)) for row in rows)
        return {key: person for key, person in named if person is not None}

    # Looking for one

    async def find_session(self, key: str, scope: Scope) -> Entry | None:
        """One session by its key, wherever it was moved to; None where there is none."""
        wanted = await self._planned(f"Id eq {key}")
        rows = await self._reader.feed.rows(wanted)
        if not rows:
            return None
        with_rows = await self._with_rows(rows)
        courses = await self._courses(rows, f"PlanificationId eq {key}")
        event = Event(rows[0], with_rows[rows[0]["Id"]], courses.get(rows[0]["Id"], mapping.Course()))
        return (await self._as_sessions([event], scope))[0]


def _starts(event: Row) -> str:
    at = mapping.instant(event, "Debut")
    return "" if at is None else mapping.literal(at)
