"""Edusign's client and simulator as a pair of the kit, for those checks that are about any listing at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel

from connectors.edusign import connector as edusign
from connectors.edusign.client import EdusignClient
from connectors.edusign.simulator import EdusignSimulator, EdusignSwitches
from connectors.simulation.erps import SimulatedErp
from connectors.simulation.school import School
from engine.clock import Clock
from engine.ports import Listing, Progress, Scope, Surroundings, System
from engine.records import Entry, Kind


class _AsErp:
    """A platform whose listings hold entries."""

    def __init__(self, client: EdusignClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def listing(self, kind: Kind, scope: Scope, progress: Progress | None = None) -> Listing:
        found = await self._client.listing(kind, scope, progress)
        return found.model_copy(update={"entries": tuple(Entry(record=one.record) for one in found.seen)})


class _Connector:
    name = "edusign"
    system: System = "edusign"
    settings: type[BaseModel] = edusign.settings
    horizon_days = 14
    example: Mapping[str, Any] = edusign.example

    def open(self, settings: BaseModel, surroundings: Surroundings) -> Any:
        return _AsErp(edusign.open(settings, surroundings))


def _simulator(school: School, clock: Clock, switches: Any) -> Any:
    return EdusignSimulator(school.seed, clock, cast(EdusignSwitches, switches), school.handmade)


simulated = SimulatedErp(
    connector=_Connector(),
    switches=EdusignSwitches,
    secret="api_key",
    simulator=_simulator,
    settings=lambda url, secret: {"url": url, "key": secret},
    per_minute=480,
)
