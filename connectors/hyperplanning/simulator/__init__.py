"""A simulated Hyperplanning server: its REST interface and its SOAP web service over one store.

Certainty of what is imitated: keys, `select`, multi-key filters, sub-collections of keys, wall times with a
false `Z`, durations in days, parent courses and the absence calls are documented or seen in client code; the
names of most REST fields are inferred; what is unknown is a switch (`HyperplanningSwitches`). People's edits
come through the control plane; absences written through either interface stand in the write ledger.
"""

from __future__ import annotations

import asyncio
import base64
from bisect import bisect_left
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response

from connectors.hyperplanning import connector
from connectors.hyperplanning.simulator.absences import Absences
from connectors.hyperplanning.simulator.dialect import Dialect
from connectors.hyperplanning.simulator.rest import RestRoutes
from connectors.hyperplanning.simulator.soap import SoapRoutes, sayable
from connectors.hyperplanning.simulator.store import Store
from connectors.hyperplanning.simulator.switches import DEMO_PASSWORD, DEMO_USER, HyperplanningSwitches
from connectors.simulation.control import Control, controlled
from connectors.simulation.erps import SimulatedErp
from connectors.simulation.school import School
from engine.clock import Clock
from engine.records import Kind

__all__ = [
    "DEMO_PASSWORD",
    "DEMO_USER",
    "HyperplanningSimulator",
    "HyperplanningSwitches",
    "simulated",
    "simulated_over_soap",
]

_KEYS_PER_REQUEST = 200
"""As many as an address of usual length holds."""


class HyperplanningSimulator:
    """One school's Hyperplanning. `app` is the ASGI application of both interfaces."""

    def __init__(self, school: School, clock: Clock, switches: HyperplanningSwitches | None = None) -> None:
        self.switches = switches or HyperplanningSwitches()
        self.control = Control(clock)
        self.store = Store(school, self.control, self.switches)
        absences = Absences(self.store, self.switches)
        rest = RestRoutes(self.store, Dialect(self.store, self.switches), absences, self.switches)
        soap = SoapRoutes(self.store, absences, self.switches)
        self.app = controlled(self, [*rest.routes(), *soap.routes()])
        told = f"{self.switches.user}:{self.switches.password}".encode()
        self._accepted = f"Basic {base64.b64encode(told).decode('ascii')}"

    # What `controlled` asks

    @property
    def hands(self) -> Mapping[str, Callable[..., Any]]:
        return self.store.hands

    async def admit(self, method: str, template: str, headers: Headers) -> Response | None:
        if self.switches.latency:
            await asyncio.sleep(self.switches.latency)
        if headers.get("authorization") != self._accepted:
            challenge = {"WWW-Authenticate": 'Basic realm="Hyperplanning"'}
            return PlainTextResponse("Accès refusé", self.switches.unauthorized_status, headers=challenge)
        return None

    def refusal(self, message: Any) -> Any:
        return {"code": 3, "message": message}

    def rows(self, answer: Any) -> int | None:
        listed = answer if isinstance(answer, list) else self._sub_collection(answer)
        return len(listed) if isinstance(listed, list) else None

    def shortened(self, answer: Any, keep: int) -> Any:
        if isinstance(answer, list):
            return answer[:keep]
        return {name: value[:keep] for name, value in answer.items()}

    def earlier_page(self, query: dict[str, str]) -> dict[str, str] | None:
        return None

    def code_of(self, identity: str) -> str:
        """What a sync calls the record now. Raises ControlError where the ERP never had it."""
        return self.store.code_of(identity)

    def codes_of(self, identity: str) -> tuple[str, ...]:
        """That, and the keys it had before. Raises ControlError."""
        return self.store.codes_of(identity)

    def dump(self) -> dict[str, Any]:
        """The ledgers and the rows in neutral words (`connectors.simulation.erp_dump`), as the interface that
        was asked can say them. `least_requests`: the fewest an import can do with, by the day it runs on."""
        told = self.store.neutral()
        return {
            "system": "hyperplanning",
            **self.control.ledgers(),
            "zone": self.store.school.zone,
            "neutral": sayable(told) if self._over_soap() else told,
            "least_requests": {"import": self._least()},
        }

    def _least(self) -> dict[str, int]:
        """By local day, from those of the week before the school's to its last."""
        groups, tds = len(self.store.groups), len(self.store.tdoptions())
        placed = self.store.placed()
        days = {
            one.key: (sorted({session.day for session in placed[one.key]}), one.parent)
            for one in self.store.all_courses()
            if one.key in placed
        }
        school, found = self.store.school, {}
        for n in range(-7, (school.last - school.first).days + 1):
            first = school.first + timedelta(days=n)
            last = first + timedelta(days=connector.horizon_days - 1)
            seen = [parent for of, parent in days.values() if _any_between(of, first, last)]
            taking_place = seen.count(False)
            if self._over_soap():
                # Keys and columns of people, groups, rooms and subjects; each TD group's promotion; courses.
                columns = 4 + 4 + 2 + (2 if tds else 1) + 2 + 2
                least = columns + tds + groups + 2 + len(seen) + taking_place
            else:
                # Teachers, learners, promotions, TD groups, rooms, subjects, courses.
                least = 7 + groups + -(-taking_place // _KEYS_PER_REQUEST)
            found[first.isoformat()] = least
        return found

    def _over_soap(self) -> bool:
        return any(f" {self.switches.soap_root}/" in route for route in self.control.requests)

    @staticmethod
    def _sub_collection(answer: Any) -> Any:
        if isinstance(answer, dict) and len(answer) == 1:
            return next(iter(answer.values()))
        return None


def _any_between(days: list[date], first: date, last: date) -> bool:
    """Whether one of these days, in order, lies between two others, both included."""
    at = bisect_left(days, first)
    return at < len(days) and days[at] <= last


def _simulated(protocol: str, path: str, mapped: Mapping[Kind, tuple[str, ...]]) -> SimulatedErp:
    return SimulatedErp(
        connector=connector,
        switches=HyperplanningSwitches,
        secret="password",
        simulator=HyperplanningSimulator,
        settings=lambda url, secret: {
            "url": f"{url}{path}",
            "protocol": protocol,
            "user": DEMO_USER,
            "password": secret,
            "accept_unverified": True,
        },
        mapped=mapped,
    )


simulated = _simulated(
    "rest",
    HyperplanningSwitches().prefix,
    {
        "speaker": ("nom",),
        "learner": ("nom", "email"),
        "group": ("nom",),
        "sheet": ("jour_heure_debut", "duree", "etudiants"),
    },
)
# Columns of people come over SOAP as arrays without names.
simulated_over_soap = _simulated(
    "soap", HyperplanningSwitches().soap_root, {"sheet": ("JourEtHeureDebut", "Duree")}
)
