"""The schools of the live demo: what each is called, its two simulators, and its part of the configuration."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from connectors.edusign.simulator import EdusignSimulator, EdusignSwitches
from connectors.simulation.erps import simulated
from connectors.simulation.scenes import ZONE, ErpSimulator
from connectors.simulation.school import SMALLEST, School
from connectors.simulation.serve import HOST, listening
from engine.clock import Clock

NAMES = ("lyon", "nantes")
"""The largest first."""
SMALLER = 0.45
"""How large each school is beside the one before it."""
TERM_BEGINS = date(2026, 9, 14)
"""A Monday; nobody has a session before it."""

LATENCY = 0.15
"""Seconds before each answer of a simulator: a run of a small school then takes about half a minute."""

_HEAD = """\
# The schools of this demo are simulated on this machine and end with it.
[engine]
folder = {folder}
"""

_CONNECTION = """\
[connection.{name}]
erp = "{erp}"
zone = "{zone}"
horizon_days = {horizon}
# The demo's Rollcall is a few days old.
removals_after = "2 days"

[connection.{name}.edusign]
key = "env:{edusign_key}"
url = "{edusign_url}"
accept_unverified = true

[connection.{name}.{erp}]
{erp_settings}

[connection.{name}.export]
late = true
fallback_reason = {fallback_reason}
late_reason = {late_reason}

[[connection.{name}.window]]
flow = "import"
start = "30 11 * * 1-5"
duration = "2 hours"

[[connection.{name}.window]]
flow = "import"
start = "0 18 * * 1-5"
duration = "3 hours"

[[connection.{name}.window]]
flow = "export"
start = "30 10 * * 1-5"
duration = "1 hour"

[[connection.{name}.window]]
flow = "export"
start = "30 20 * * 1-5"
duration = "1 hour"
"""


@dataclass(frozen=True)
class Campus:
    """One school: both simulators, and the loopback sockets they are to answer on (connections queue)."""

    name: str
    erp_name: str
    seed: int
    school: School
    erp: ErpSimulator
    edusign: EdusignSimulator
    erp_listener: socket.socket
    edusign_listener: socket.socket

    @property
    def keys(self) -> dict[str, str]:
        """Both keys, by the environment variable the configuration names."""
        return {
            self._variable(self.erp_name): _key(self.name, self.erp_name),
            self._variable("edusign"): _key(self.name, "edusign"),
        }

    @property
    def configuration(self) -> str:
        """Its tables of rollcall.toml."""
        erp = simulated(self.erp_name)
        settings = erp.settings(_url(self.erp_listener), f"env:{self._variable(self.erp_name)}")
        return _CONNECTION.format(
            name=self.name,
            erp=erp.connector.name,
            zone=ZONE,
            horizon=erp.connector.horizon_days,
            edusign_key=self._variable("edusign"),
            edusign_url=_url(self.edusign_listener),
            fallback_reason=json.dumps(erp.fallback_reason, ensure_ascii=False),
            late_reason=json.dumps(erp.late_reason, ensure_ascii=False),
            erp_settings="\n".join(f"{name} = {_toml(value)}" for name, value in settings.items()),
        )

    def close(self) -> None:
        """Give the sockets back."""
        self.erp_listener.close()
        self.edusign_listener.close()

    def _variable(self, system: str) -> str:
        return f"ROLLCALL_DEMO_{self.name}_{system}".upper().replace("-", "_")


def campuses(seed: int, learners: int, erps: Sequence[str], clock: Clock) -> tuple[Campus, ...]:
    """The demo's schools, the first of `learners` learners; `erps` in turn, `clock` for every simulator.

    Raises ValueError for too small a school, OSError where no port is free."""
    found = []
    size = learners
    for number, name in enumerate(NAMES):
        erp_name = erps[number % len(erps)]
        school = School.seeded(seed + number, learners=size, start=TERM_BEGINS, zone=ZONE)
        switches = EdusignSwitches(
            api_key=_key(name, "edusign"), school_name=f"Campus de {name.capitalize()}", latency=LATENCY
        )
        found.append(
            Campus(
                name=name,
                erp_name=erp_name,
                seed=seed + number,
                school=school,
                erp=simulated(erp_name).simulate(school, clock, key=_key(name, erp_name), latency=LATENCY),
                edusign=EdusignSimulator(seed + number, clock, switches, school.handmade),
                erp_listener=listening(0),
                edusign_listener=listening(0),
            )
        )
        size = max(SMALLEST, round(size * SMALLER))
    return tuple(found)


def configuration(schools: Iterable[Campus], folder: Path) -> str:
    """The whole rollcall.toml of an engine that lives in `folder`."""
    return "\n".join([_HEAD.format(folder=json.dumps(str(folder))), *(one.configuration for one in schools)])


def _toml(value: Any) -> str:
    """A plain value, a list, or a table in a line, as TOML writes it."""
    if isinstance(value, dict):
        inside = ", ".join(f"{json.dumps(name)} = {_toml(one)}" for name, one in value.items())
        return f"{{ {inside} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str, system: str) -> str:
    return f"{name}-{system}-demo-key"


def _url(listener: socket.socket) -> str:
    return f"http://{HOST}:{listener.getsockname()[1]}"
