"""What a run asks of Aimaira once and remembers, and what `$metadata` says there is to ask.

Failures are remembered too: a run does not ask again for what it was refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from connectors.aimaira import AimairaSettings, mapping
from connectors.aimaira.odata import Ask, Feed, Model
from engine.clock import Clock
from engine.faults import came
from engine.ports import Fault, FaultCode, Progress
from engine.records import Kind, folded

T = TypeVar("T")

HOPELESS = frozenset({FaultCode.unauthorized, FaultCode.forbidden, FaultCode.unreachable})
ROWS = "PlanificationsRessource"
"""The navigation from an event to what stands on it."""

_PROVEN = frozenset({"Mail", ROWS})
"""Navigation that documents or clients show; the rest only where it is declared."""


@dataclass(frozen=True)
class Campuses:
    """The campuses that are meant, and the campus of each programme."""

    meant: frozenset[int]
    of_programme: Mapping[int, int]


class Reader:
    """See the module. Everything asked is remembered until `forget`."""

    def __init__(self, settings: AimairaSettings, zone: str, clock: Clock, feed: Feed) -> None:
        self.feed = feed
        self.settings = settings
        self._zone = zone
        self.clock = clock
        self._said: dict[str, Any] = {}
        self._model: Model | None = None
        self._model_asked = False

    def remembered(self, what: str) -> Any:
        """What was asked under this name; None where it was not."""
        return self._said.get(what)

    def forget(self, *, model: bool = False) -> None:
        """Ask anew from now on; for `$metadata` only where that is wanted, or something went wrong."""
        if model or any(isinstance(one, Fault) for one in self._said.values()):
            self._model_asked = False
        self._said.clear()

    async def model(self) -> Model | None:
        """What `$metadata` declares; None where the service keeps it to itself. Raises Fault."""
        return await self.once("model", self._declared)

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
                # What was shown before and is no longer is a fault, not a service that never shows it.
                if self._model is not None or fault.code not in (FaultCode.not_found, FaultCode.forbidden):
                    raise
            self._model_asked = True
        return self._model

    async def offers(self, entity: str, navigation: str) -> bool:
        model = await self.model()
        return navigation in _PROVEN if model is None else model.leads(entity, navigation)

    # Lists both people and events need

    async def types(self) -> mapping.Types:
        async def ask() -> mapping.Types:
            wanted = Ask("TypeRessource", mapping.FIELDS["TypeRessource"])
            rows = await self.feed.rows(wanted)
            codes = ("APPRENANT", "PROF", "SALLE", "GROUPE")
            return self.mapped(
                wanted, lambda rows: mapping.Types(*(mapping.coded(rows, code) for code in codes)), rows
            )

        return await self.once("types", ask)

    async def event_types(self) -> list[int]:
        async def ask() -> list[int]:
            wanted = Ask("TypePlanification", mapping.FIELDS["TypePlanification"])
            rows = await self.feed.rows(wanted)
            codes = ("SEANCE", "EXAMEN") if self.settings.exams else ("SEANCE",)
            return self.mapped(wanted, lambda rows: [mapping.coded(rows, code) for code in codes], rows)

        return await self.once("event types", ask)

    async def campuses(self) -> Campuses | None:
        """The campuses that are meant, None where all are."""
        if not self.settings.campuses:
            return None

        async def ask() -> Campuses:
            wanted = {folded(one) for one in self.settings.campuses}
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

        return await self.once("campuses", ask)

    async def values(self, entity: str, field: str, keys: Iterable[int]) -> dict[int, str]:
        ask = Ask(entity, ("Id", field))
        rows = await self.feed.batched(ask, "Id", map(str, keys))
        return {
            mapping.integer(row, "Id"): self.mapped(ask, lambda row: mapping.text(row, field), row)
            for row in rows
        }

    # Calls

    async def once(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
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

    def mapped(self, ask: Ask, reader: Callable[[Any], T], row: Any) -> T:
        try:
            return reader(row)
        except mapping.Drift as shape:
            raise drift(ask.route, str(shape)) from None

    def today(self) -> date:
        return self.clock.now().astimezone(ZoneInfo(self._zone)).date()


def told(progress: Progress | None, what: str) -> Callable[[int, int | None], None] | None:
    """Progress of one list."""
    if progress is None:
        return None
    return lambda done, total: progress(what, done, total)


def drift(route: str, what: str) -> Fault:
    """A field that is gone or of another shape, as a Fault."""
    return Fault(FaultCode.drift, system="erp", route=route, came=came(what))
