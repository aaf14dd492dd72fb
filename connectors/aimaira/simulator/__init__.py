"""A simulated Aimaira: the OData v4 service `GraphV1` over a store of its own.

Certainty of what is imitated: entities, fields, both ways in, 0 for "no key", instants with offsets, the
whole-object PUT, both bodies and a route in any case are documented or seen in client code. Paging, counting,
navigation, errors and where a title stands are unknown: each such choice is a switch (`AimairaSwitches`).
The API writes nothing but attendance on a row of an event. What people edit comes through the control plane
and stands in its edit ledger in neutral words.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from connectors.aimaira import connector
from connectors.aimaira.simulator.entities import EVENT_TYPES, Entities
from connectors.aimaira.simulator.service import ROOT, Refusal, Service, refused
from connectors.aimaira.simulator.store import MOTIVES, AimairaStore, motive_key
from connectors.aimaira.simulator.switches import DEMO_PASSWORD, AimairaSwitches
from connectors.simulation.control import Control, controlled
from connectors.simulation.erps import SimulatedErp
from connectors.simulation.school import School
from engine.clock import Clock

__all__ = ["DEMO_PASSWORD", "ROOT", "AimairaSimulator", "AimairaSwitches", "simulated"]


class AimairaSimulator:
    """One school's Aimaira. `app` is the ASGI application; vendor paths begin with `/GraphV1`, in any case."""

    def __init__(self, school: School, clock: Clock, switches: AimairaSwitches | None = None) -> None:
        self.switches = switches or AimairaSwitches()
        self.control = Control(clock)
        self.store = AimairaStore(school, self.control, self.switches)
        self._entities = Entities(self.store, self.switches)
        self._service = Service(self.store, self._entities, self.switches)
        self.app = controlled(self, self._routes())

    # What `controlled` asks

    @property
    def hands(self) -> Mapping[str, Callable[..., Any]]:
        return self.store.hands

    async def admit(self, method: str, template: str, headers: Headers) -> Response | None:
        if self.switches.latency:
            await asyncio.sleep(self.switches.latency)
        pair = base64.b64encode(f"{self.switches.user}:{self.switches.password}".encode()).decode()
        if headers.get("authorization") == f"Basic {pair}" or headers.get("x-apikey") == self.switches.api_key:
            return None
        page = "<html><body>401 - Unauthorized</body></html>"
        return HTMLResponse(page if self.switches.unauthorized == "html" else "", 401)

    def refusal(self, message: Any) -> Any:
        return {"error": {"code": "", "message": message}}

    def rows(self, answer: Any) -> int | None:
        value = answer.get("value") if isinstance(answer, dict) else None
        return len(value) if isinstance(value, list) else None

    def shortened(self, answer: Any, keep: int) -> Any:
        return {**answer, "value": answer["value"][:keep]}

    def earlier_page(self, query: dict[str, str]) -> dict[str, str] | None:
        for name in ("$skiptoken", "$skip"):
            if query.get(name, "").isdecimal() and (first := int(query[name])):
                return {**query, name: str(max(0, first - self.switches.page_size))}
        return None

    def dump(self) -> dict[str, Any]:
        """The store in neutral words, and the ledgers. `least_requests`: the fewest an import can do with, by
        the day it runs on."""
        return {
            "system": "aimaira",
            **self.control.ledgers(),
            "zone": self.store.school.zone,
            "least_requests": {"import": self._least()},
            "page_size": self.switches.page_size,
            "neutral": self.store.neutral(),
        }

    def code_of(self, identity: str) -> str:
        """The key of a record. Raises ControlError where the ERP never had it."""
        return self.store.code_of(identity)

    def codes_of(self, identity: str) -> tuple[str, ...]:
        """That key and any it had before. Raises ControlError."""
        return self.store.codes_of(identity)

    def _least(self) -> dict[str, int]:
        """Three lists of types and states; enrolments with their learners, teachers, sequences and their
        members, the window's events with their rows, and the class meetings that name them, by pages."""
        lists = ("Inscription", "Enseignant", "Sequence", "InscriptionSequence")
        always = 3 + sum(self._pages(len(self._entities.rows(one))) for one in lists)
        begins = Counter(
            datetime.fromisoformat(row["Debut"]).astimezone(self.store.zone).date()
            for row in self._entities.rows("Planification")
            if row["Debut"] is not None and row["TypePlanificationId"] == EVENT_TYPES["SEANCE"]
        )
        of_events = 2 if self.switches.title == "course" else 1
        days = [self.store.school.first + timedelta(days=n) for n in range(-7, 28)]
        within = {
            day: sum(begins[day + timedelta(days=n)] for n in range(connector.horizon_days)) for day in days
        }
        return {day.isoformat(): always + of_events * self._pages(events) for day, events in within.items()}

    def _pages(self, rows: int) -> int:
        size = self.switches.page_size if self.switches.paging != "whole" else rows
        return max(1, -(-rows // max(1, size)))

    # Routes

    def _routes(self) -> list[Route]:
        service = self._service
        table: list[tuple[str, str, Callable[[Request], Any]]] = [
            ("GET", "", service.root),
            ("GET", "/", service.root),
            ("GET", "/$metadata", lambda _request: service.metadata()),
            ("GET", "/Object/{id:int}", lambda r: service.record(r, r.path_params["id"])),
            ("GET", "/{entity}/{id:int}/{navigation}", lambda r: service.beyond(r, **r.path_params)),
            ("GET", "/{entity}({id:int})", lambda r: service.single(r, **r.path_params)),
            ("GET", "/{entity}/{id:int}", lambda r: service.single(r, **r.path_params)),
            ("GET", "/{entity}", lambda r: service.listing(r, r.path_params["entity"])),
        ]
        routes = [
            Route(ROOT + path, self._answering(handler), methods=[method]) for method, path, handler in table
        ]
        routes.append(Route(f"{ROOT}/{{entity}}/{{id:int}}", self._put, methods=["PUT"]))
        for route in routes:
            route.path_regex = re.compile(route.path_regex.pattern, re.IGNORECASE)
        return routes

    def _answering(self, handler: Callable[[Request], Response]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            try:
                return handler(request)
            except Refusal as refusal:
                return refused(refusal, self.switches)

        return answer

    async def _put(self, request: Request) -> Response:
        body = await request.body()
        try:
            row = self._service.put(
                **request.path_params, body=body, content_type=request.headers.get("content-type", "")
            )
        except Refusal as refusal:
            return refused(refusal, self.switches)
        context = f"{request.url.scheme}://{request.url.netloc}{ROOT}/$metadata#PlanificationRessource/$entity"
        return JSONResponse({"@odata.context": context, **row})


simulated = SimulatedErp(
    connector=connector,
    switches=AimairaSwitches,
    secret="password",
    simulator=AimairaSimulator,
    settings=lambda url, secret: {
        "url": url,
        "user": AimairaSwitches().user,
        "password": secret,
        "accept_unverified": True,
        "reasons": [
            {"id": motive_key(n), "name": one.name, "justifies": one.excused} for n, one in enumerate(MOTIVES)
        ],
    },
    fallback_reason="Absence injustifiée",
    mapped={
        "speaker": ("Nom", "MailId"),
        "learner": ("Nom", "MailId"),
        "group": ("Nom",),
        "sheet": ("Debut", "Reference"),
    },
)
