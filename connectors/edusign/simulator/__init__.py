"""An Edusign of one's own: the public v1 API with its quirks on switches, for tests, demos and crash runs.

It is written from the vendor's published material alone and shares no code with the client. Sources and
their certainty: the envelope, the limits, page sizes of 40 and 100, routes and request fields are documented
or mirrored from the published specification; message texts that clients branch on, archived people found by
e-mail, and signature loss on PATCH are seen in working client code; what is unknown is a switch
(`EdusignSwitches`). Not simulated: trainings, events, surveys, documents, classrooms, signature links, PIN
and time stamps, webhooks, and v3.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.edusign.simulator.dialect import refusals
from connectors.edusign.simulator.hands import Hands
from connectors.edusign.simulator.people import Groups, Professors, Students, people_routes
from connectors.edusign.simulator.sheets import Absences, School, Sheets, sheet_routes
from connectors.edusign.simulator.store import HandMade, Kind, Row, Store
from connectors.edusign.simulator.switches import EdusignSwitches
from connectors.edusign.simulator.views import Views
from connectors.simulation.control import PREFIX, Control, controlled, copied
from engine.clock import Clock

__all__ = ["EdusignSimulator", "EdusignSwitches", "HandMade"]

_LOCK = "/v1/course/lock/{id}"


class EdusignSimulator:
    """One simulated school behind one key.

    `app` is the ASGI application; `hand` a person at the UI; `control` faults, kills, ledgers and the clock.
    The same `seed` and the same calls give the same ids. `killer` stands in for os.kill in tests.
    """

    def __init__(
        self,
        seed: int,
        clock: Clock,
        switches: EdusignSwitches | None = None,
        handmade: Sequence[HandMade] = (),
        killer: Callable[[int, int], None] | None = None,
    ) -> None:
        self.switches = switches or EdusignSwitches()
        self.control = Control(clock) if killer is None else Control(clock, killer)
        self.store = Store(seed, self.control.now, self.switches)
        self.hand = Hands(self.store, self.control)
        self.hand.plant(tuple(handmade))
        self._limits = {
            False: _Limit(self.switches.requests_per_minute),
            True: _Limit(self.switches.heavy_per_minute),
        }
        views = Views(self.store)
        shared = (self.store, views, self.control)
        routes = [
            *people_routes(Students(*shared), Professors(*shared), Groups(*shared)),
            *sheet_routes(Sheets(*shared), School(*shared), Absences(*shared)),
        ]
        self.app = _SlashBlind(controlled(self, routes, refusals(self.refusal)))

    @property
    def hands(self) -> Mapping[str, Callable[..., Any]]:
        return self.hand.orders()

    def dump(self) -> dict[str, Any]:
        """Everything, raw, in the order of creation; ledgers as Control.ledgers() gives them."""
        switches = self.switches
        return {
            "system": "edusign",
            "page_sizes": {
                "student": switches.student_page,
                "professor": switches.professor_page,
                "group": switches.group_page,
                "course": switches.course_page,
            },
            "school": copied(self.store.school),
            "students": [self._raw(row) for row in self._rows("learner")],
            "professors": [self._raw(row) for row in self._rows("speaker")],
            "groups": [self._raw(row) for row in self._rows("group")],
            "courses": [self._raw(row) for row in self._rows("sheet")],
            "absences": copied(self.store.absences),
            "mails": copied(self.store.mails),
            **self.control.ledgers(),
        }

    async def admit(self, method: str, template: str, headers: Headers) -> Response | None:
        """Latency, the limits (documented: slowed, not refused), then the key."""
        switches = self.switches
        if switches.latency:
            await asyncio.sleep(switches.latency)
        if not switches.unlimited:
            heavy = f"{method} {template}" in switches.heavy_routes
            now = self.control.monotonic()
            beyond = max(limit.taken(now) for kind, limit in self._limits.items() if heavy or not kind)
            if beyond and switches.over_limit == "429":
                wait = self._limits[heavy].free_in(now)
                return PlainTextResponse("Too Many Requests", 429, headers={"Retry-After": str(wait)})
            if beyond and switches.slow_step:
                await asyncio.sleep(beyond * switches.slow_step)
        if headers.get("authorization") != f"Bearer {switches.api_key}":
            return PlainTextResponse("Unauthorized", 401)
        if template == _LOCK and switches.lock_seconds:
            await asyncio.sleep(switches.lock_seconds)
        return None

    def refusal(self, message: Any) -> Any:
        """The envelope of a refusal."""
        extra = {"errorCode": "ERROR"} if self.switches.error_code else {}
        return {"status": "error", "message": message, **extra}

    def rows(self, answer: Any) -> int | None:
        """The rows of a list answer."""
        result = answer.get("result") if isinstance(answer, dict) else None
        return len(result) if isinstance(result, list) else None

    def shortened(self, answer: Any, keep: int) -> Any:
        return {**answer, "result": answer["result"][:keep]}

    def earlier_page(self, query: dict[str, str]) -> dict[str, str] | None:
        page = query.get("page", "")
        return {**query, "page": str(int(page) - 1)} if page.isdigit() and int(page) > 0 else None

    def _rows(self, kind: Kind) -> list[Row]:
        return list(self.store.rows[kind].values())

    def _raw(self, row: Row) -> dict[str, Any]:
        fields = {**row.fields, "HIDDEN": int(row.archived)}
        if row.kind == "learner":
            fields["GROUPS"] = self.store.groups_of(row.id)
        raw: dict[str, Any] = copied(fields)
        return {**raw, "identity": row.identity, "created_by": row.created_by}


class _SlashBlind:
    """A trailing slash in a vendor path makes no difference (seen in client code)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and not path.startswith(PREFIX) and len(path) > 1:
            scope = {**scope, "path": path.rstrip("/")}
        await self._app(scope, receive, send)


class _Limit:
    """Calls of the last 60 seconds against a limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._times: deque[float] = deque()

    def taken(self, now: float) -> int:
        """Count a call at `now` (monotonic seconds); how many calls beyond the limit it makes."""
        while self._times and self._times[0] <= now - 60:
            self._times.popleft()
        self._times.append(now)
        return max(0, len(self._times) - self._most)

    def free_in(self, now: float) -> int:
        """Whole seconds until the oldest call leaves the minute."""
        return max(1, math.ceil(self._times[0] + 60 - now)) if self._times else 1
