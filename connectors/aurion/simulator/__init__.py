"""A simulated Auriga: Keycloak's token route, saved queries, and the planning API, over a store of its own.

Certainty of what is imitated: the token route and its form, a token's short life, menus, definitions, results
page by page, lines as arrays, the planning and its fields are seen in client code; which columns a school
chooses, forms of times, totals and errors are unknown, each a switch (`AurionSwitches`). Nothing here writes:
no way to is known. People edit the school and the queries through the control plane. Legacy Aurion is not
imitated: nothing is known of its web service.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from connectors.aurion import connector
from connectors.aurion.simulator.queries import (
    GROUPS,
    INTERVENTIONS,
    LEARNERS,
    MENUS,
    PLANNING_MENU,
    SPEAKERS,
    Queries,
    utc,
)
from connectors.aurion.simulator.store import AurionStore, population_code
from connectors.aurion.simulator.switches import DEMO_PASSWORD, AurionSwitches
from connectors.simulation.control import Control, controlled
from connectors.simulation.erp_rows import SessionRow
from connectors.simulation.erps import SimulatedErp
from connectors.simulation.school import School, true_instant
from engine.clock import Clock

__all__ = [
    "DEMO_PASSWORD", "GROUPS", "INTERVENTIONS", "KEYCLOAK", "LEARNERS", "MENUS", "PLANNING_MENU", "SPEAKERS",
    "AurionSimulator", "AurionSwitches", "simulated",
]  # fmt: skip

KEYCLOAK = "/auth"
_TOKEN = f"{KEYCLOAK}/realms/{{realm}}/protocol/openid-connect/token"
DEMO_PAGE = 300


class Tokens:
    """Access and refresh tokens of the service account."""

    def __init__(self, control: Control, switches: AurionSwitches) -> None:
        self._control = control
        self._switches = switches
        self._access: dict[str, float] = {}
        self._refresh: dict[str, float] = {}
        self._count = 0

    def accepts(self, authorization: str) -> bool:
        """Whether this header bears a token that still lives."""
        until = self._access.get(authorization.removeprefix("Bearer "), 0.0)
        return authorization.startswith("Bearer ") and self._control.monotonic() < until

    def answer(self, realm: str, form: Mapping[str, str]) -> Response:
        """What the token route answers."""
        switches = self._switches
        if realm != switches.realm:
            return JSONResponse({"error": "Realm does not exist"}, 404)
        secret = switches.client_secret or switches.password
        if (form.get("client_id"), form.get("client_secret")) != (switches.client_id, secret):
            return _keycloak_error(401, "unauthorized_client", "Invalid client or Invalid client credentials")
        match form.get("grant_type"):
            case "password":
                if (form.get("username"), form.get("password")) != (switches.user, switches.password):
                    return _keycloak_error(401, "invalid_grant", "Invalid user credentials")
            case "refresh_token":
                token = form.get("refresh_token", "")
                if self._control.monotonic() >= self._refresh.get(token, 0.0):
                    return _keycloak_error(400, "invalid_grant", "Token is not active")
                if switches.rotates:
                    del self._refresh[token]
            case _:
                return _keycloak_error(400, "unsupported_grant_type", "Unsupported grant_type")
        return JSONResponse(self._issued())

    def _issued(self) -> dict[str, Any]:
        self._count += 1
        access, refresh = f"access-{self._count:06d}", f"refresh-{self._count:06d}"
        now = self._control.monotonic()
        self._access[access] = now + self._switches.token_seconds
        self._refresh[refresh] = now + self._switches.refresh_seconds
        return {
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": int(self._switches.token_seconds),
            "refresh_expires_in": int(self._switches.refresh_seconds),
            "token_type": "Bearer",
            "id_token": f"id-{self._count:06d}",
        }


class AurionSimulator:
    """One school's Auriga. `app` is the ASGI application; Keycloak answers below `/auth`."""

    def __init__(self, school: School, clock: Clock, switches: AurionSwitches | None = None) -> None:
        self.switches = switches or AurionSwitches()
        self.control = Control(clock)
        self.store = AurionStore(school, self.control, self.switches)
        self.queries = Queries(self.store, self.switches)
        self.tokens = Tokens(self.control, self.switches)
        self.app = controlled(self, self._routes())

    # What `controlled` asks

    @property
    def hands(self) -> Mapping[str, Callable[..., Any]]:
        return {
            **self.store.hands,
            "move_column": self.queries.move_column,
            "rename_column": self.queries.rename_column,
            "hide_column": self.queries.hide_column,
        }

    async def admit(self, method: str, template: str, headers: Headers) -> Response | None:
        if self.switches.latency:
            await asyncio.sleep(self.switches.latency)
        if template == _TOKEN or self.tokens.accepts(headers.get("authorization", "")):
            return None
        match self.switches.expired:
            case "html":
                return HTMLResponse("<!doctype html><html><title>Sign in</title></html>")
            case "redirect":
                return RedirectResponse("/auth/login", 302)
            case status:
                return PlainTextResponse("", int(status))

    def refusal(self, message: Any) -> Any:
        return {"message": message}

    def rows(self, answer: Any) -> int | None:
        rows = self._rows(answer)
        return None if rows is None else len(rows)

    def shortened(self, answer: Any, keep: int) -> Any:
        if "content" in answer:
            return {**answer, "content": {**answer["content"], "lines": answer["content"]["lines"][:keep]}}
        return {**answer, "interventions": answer["interventions"][:keep]}

    def earlier_page(self, query: dict[str, str]) -> dict[str, str] | None:
        page = query.get("page", "")
        return {**query, "page": str(int(page) - 1)} if page.isdecimal() and int(page) > 1 else None

    @staticmethod
    def _rows(answer: Any) -> list[Any] | None:
        if not isinstance(answer, dict):
            return None
        content = answer.get("content")
        rows = content.get("lines") if isinstance(content, dict) else answer.get("interventions")
        return rows if isinstance(rows, list) else None

    def dump(self) -> dict[str, Any]:
        """The store in neutral words, and the ledgers. `least_requests`: the fewest an import by the queries of
        interventions, populations and instructors can do with, by the day it runs on."""
        return {
            "system": "aurion",
            **self.control.ledgers(),
            "zone": self.store.school.zone,
            "least_requests": {"import": self._least()},
            "neutral": self.store.neutral(),
        }

    def code_of(self, identity: str) -> str:
        """The key of a record. Raises ControlError where the ERP never had it."""
        return self.store.code_of(identity)

    def codes_of(self, identity: str) -> tuple[str, ...]:
        """That key and any it had before. Raises ControlError."""
        return self.store.codes_of(identity)

    def _least(self) -> dict[str, int]:
        """A token; each query's definition and pages."""
        school = self.store.school
        others = sum(1 + self._pages(self.queries.count(query)) for query in (GROUPS, SPEAKERS))
        days = [school.first + timedelta(days=n) for n in range(-7, 28)]
        return {
            day.isoformat(): 1 + others + 1 + self._pages(self.queries.count(INTERVENTIONS, day))
            for day in days
        }

    def _pages(self, lines: int) -> int:
        return max(1, -(-lines // self.switches.largest_page))

    # Routes

    def _routes(self) -> list[Route]:
        return [
            Route(_TOKEN, self._post_token, methods=["POST"]),
            Route("/api/me", self._get_me, methods=["GET"]),
            Route("/api/menus", self._get_menus, methods=["GET"]),
            Route("/api/menuEntries/{menu:int}/query/{query:int}", self._get_query, methods=["GET"]),
            Route("/api/menuEntries/{menu:int}/searchResult", self._post_search, methods=["POST"]),
            Route("/api/menuEntries/{menu:int}/interventions/{id:int}", self._get_one, methods=["GET"]),
            Route("/api/plannings/me", self._get_planning, methods=["GET"]),
        ]

    async def _post_token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        return self.tokens.answer(request.path_params["realm"], form)

    async def _get_me(self, _request: Request) -> Response:
        person = {"id": 1, "currentFirstName": "Service", "currentLastName": "Edusign"}
        return JSONResponse({"person": person})

    async def _get_menus(self, _request: Request) -> Response:
        objects = [
            {"menuEntryCode": code, "menuEntryId": menu, "queryId": query, "formId": None}
            for query, (menu, code) in MENUS.items()
        ]
        notes = {"menuEntryCode": "APP_040_010_MES_NOTES", "menuEntryId": 1036, "queryId": 41, "formId": 7}
        return JSONResponse({"menus": [{"objects": [notes]}, {"objects": objects}]})

    async def _get_query(self, request: Request) -> Response:
        menu, query = request.path_params["menu"], request.path_params["query"]
        refused = self._refused(menu, query)
        return refused or JSONResponse({"queryDefinition": self.queries.definitions[query]})

    async def _post_search(self, request: Request) -> Response:
        try:
            sent = json.loads(await request.body())
            query = sent["queryId"]
            size, page = int(request.query_params["size"]), int(request.query_params["page"])
        except (ValueError, KeyError, TypeError):
            return PlainTextResponse("", 400)
        if refused := self._refused(request.path_params["menu"], query):
            return refused
        size = max(1, min(size, self.switches.largest_page))
        columns, lines = self.queries.result(query, sent)
        content: dict[str, Any] = {"lines": lines[(page - 1) * size : page * size] if page >= 1 else []}
        if self.switches.names_columns:
            content["columns"] = columns
        answer: dict[str, Any] = {"content": content, "totalPages": max(1, -(-len(lines) // size))}
        if self.switches.total:
            answer["totalElements"] = len(lines)
        return JSONResponse(answer)

    def _refused(self, menu: int, query: int) -> Response | None:
        if MENUS.get(query, (0, ""))[0] != menu:
            return PlainTextResponse("", 404)
        return None if self.switches.may_query else PlainTextResponse("", 403)

    async def _get_planning(self, request: Request) -> Response:
        try:
            first = date.fromisoformat(request.query_params["startDate"])
            last = date.fromisoformat(request.query_params["endDate"])
        except (KeyError, ValueError):
            return PlainTextResponse("", 400)
        days = {int(day) % 7 for day in request.query_params.getlist("days") if day.isdecimal()}
        found = [
            self._intervention(one)
            for one in self.store.planned()
            if self.switches.planning == "all" and first <= one.day <= last and one.day.isoweekday() % 7 in days
        ]
        return JSONResponse({"interventions": found, "unavailabilities": []})

    async def _get_one(self, request: Request) -> Response:
        for one in self.store.planned():
            if one.code == request.path_params["id"] and request.path_params["menu"] == PLANNING_MENU:
                detail = {"accountedDuration": None, "breakDuration": None, "additionalRemarks": None}
                return JSONResponse({**self._intervention(one), **detail})
        return JSONResponse({}) if self.switches.unknown == "empty" else PlainTextResponse("", 404)

    def _intervention(self, one: SessionRow) -> dict[str, Any]:
        zone = self.store.school.zone
        start, end = true_instant(one.day, one.start, zone), true_instant(one.last_day, one.end, zone)
        unit = {"code": f"UE{self.store.subjects[one.subject] + 1:02d}", "caption": _both(one.subject)}
        return {
            "id": one.code,
            "startDateTime": utc(start) if start else None,
            "endDateTime": utc(end) if end else None,
            "timezone": {"id": zone},
            "description": None,
            "isExam": False,
            "activityType": {"code": "CM", "caption": _both("Cours magistral")},
            "interventionPedagogicalUnits": [{"pedagogicalUnit": unit}],
            "interventionInstructors": [{"person": self._instructor(identity)} for identity in one.staff],
            "interventionResources": [
                {"resource": {"caption": _both(self.store.rooms.get(code, str(code)))}} for code in one.rooms
            ],
            "interventionPopulations": [
                {"population": {"code": population_code(group), "caption": _both(group.name)}}
                for group in (self.store.groups[identity] for identity in one.groups)
            ],
            "participations": [],
            "interventionPrograms": [],
        }

    def _instructor(self, identity: str) -> dict[str, Any]:
        one = self.store.staff[identity]
        names = {"currentFirstName": one.first_name, "currentLastName": one.last_name}
        return {"id": one.code, **names} if self.switches.instructor_ids else names


def _both(text: str) -> dict[str, str]:
    return {"fr": text, "en": text}


def _keycloak_error(status: int, error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status)


def _settings(url: str, secret: str) -> dict[str, str | bool | int]:
    switches = AurionSwitches()
    return {
        "url": url,
        "keycloak_url": f"{url}{KEYCLOAK}",
        "realm": switches.realm,
        "client_id": switches.client_id,
        "client_secret": secret,
        "user": switches.user,
        "password": secret,
        "interventions_query": INTERVENTIONS,
        "interventions_menu": MENUS[INTERVENTIONS][0],
        "groups_query": GROUPS,
        "groups_menu": MENUS[GROUPS][0],
        "speakers_query": SPEAKERS,
        "speakers_menu": MENUS[SPEAKERS][0],
        "planning_menu": PLANNING_MENU,
        "page_size": DEMO_PAGE,
    }


simulated = SimulatedErp(
    connector=connector,
    switches=AurionSwitches,
    secret="password",
    simulator=AurionSimulator,
    settings=_settings,
    mapped={
        "speaker": ("instructorLastName", "instructorEmail"),
        "learner": ("learnerLastName", "learnerEmail"),
        "sheet": ("startDateTime", "endDateTime"),
    },
)
