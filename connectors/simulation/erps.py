"""The ERPs that can be simulated: one line each, and what a simulator's package says of itself.

Nothing of a vendor is loaded before its name is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from connectors.simulation.school import School
from engine.clock import Clock
from engine.ports import Connector
from engine.records import Kind

if TYPE_CHECKING:
    from connectors.simulation.scenes import ErpSimulator

_SIMULATED: Mapping[str, str] = {
    "ypareo": "connectors.ypareo.simulator:simulated",
    "hyperplanning": "connectors.hyperplanning.simulator:simulated",
    "hyperplanning-soap": "connectors.hyperplanning.simulator:simulated_over_soap",
    "aimaira": "connectors.aimaira.simulator:simulated",
    "aurion": "connectors.aurion.simulator:simulated",
    "scform": "connectors.scform.simulator:simulated",
    "ammon": "connectors.ammon.simulator:simulated",
    "profile": "connectors.profile.simulator:simulated",
}
"""Where each simulator's package says the rest, as "module:name"."""

ERPS: tuple[str, ...] = tuple(_SIMULATED)


@dataclass(frozen=True)
class SimulatedErp:
    """How a school with this ERP is simulated, and how a connection to it is configured.

    `switches`: the frozen model of the simulator's switches; all have a default, one is `latency` (seconds
    before each answer) and `secret` names the one that holds the secret. `simulator` of (school, clock,
    switches). `settings` of (address, reference of the secret): the connection's own table, plain values.
    `fallback_reason`, `late_reason`: the ERP's own of absences whose reason is not mapped and of latenesses,
    where it takes reasons.
    `mapped`: per kind the fields of the vendor's answers, by the vendor's names, without any of which the
    connector must stop. `per_minute`: requests a minute the vendor documents; 0 where it names no limit.
    """

    connector: Connector
    switches: type[BaseModel]
    secret: str
    simulator: Callable[[School, Clock, Any], ErpSimulator]
    settings: Callable[[str, str], dict[str, Any]]
    fallback_reason: str = ""
    late_reason: str = ""
    mapped: Mapping[Kind, tuple[str, ...]] = field(default_factory=dict)
    per_minute: int = 0

    def key(self, switches: BaseModel) -> str:
        """The secret a simulator with these switches accepts."""
        return str(getattr(switches, self.secret))

    def simulate(
        self, school: School, clock: Clock, *, key: str | None = None, latency: float = 0.0
    ) -> ErpSimulator:
        """A simulator of this school, with a secret of its own if one is given."""
        given: dict[str, Any] = {"latency": latency}
        if key is not None:
            given[self.secret] = key
        return self.simulator(school, clock, self.switches(**given))


def simulated(name: str) -> SimulatedErp:
    """What there is to know of one of `ERPS`. Raises KeyError for another name."""
    module, _colon, attribute = _SIMULATED[name].partition(":")
    found: SimulatedErp = getattr(import_module(module), attribute)
    return found
