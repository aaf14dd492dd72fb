"""What every simulator shares outside the vendor's dialect: ledgers, faults, kills and a clock offset.

A simulator is a Starlette application built by `controlled(simulator, routes)`. Requests to the vendor's
paths pass through here: they are counted, may be made to fail, and carry the `Date` of the simulator's own
clock. Paths under `/__control__` drive the simulator and are never counted, limited or faulted.

How a simulator uses it:

* before it changes its store for an accepted API write: `control.committing()`;
* right after: `control.wrote(...)`; both in one handler, without an await between them;
* after each edit a person makes through the control plane: `control.edited(...)`;
* it stamps with `control.now()` and measures with `control.monotonic()`.

Silences: a fault of kind `silence` sleeps `seconds` on the event loop, then answers 504. Over a socket the
client's read time-out ends it. In one process (httpx.ASGITransport) httpx time-outs do nothing: only a
time-out of the loop (asyncio.timeout) around the call does, and on a virtual loop it comes at once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Message, Receive, Scope, Send

from connectors.simulation.ledgers import (
    FAULT_KINDS,
    LIST_KINDS,
    Control,
    ControlError,
    Exchange,
    FaultOrder,
    Killed,
    KillOrder,
    copied,
    exchange_under_way,
    instant,
)

__all__ = [
    "FAULT_KINDS",
    "PREFIX",
    "Control",
    "ControlError",
    "Controlled",
    "FaultOrder",
    "KillOrder",
    "Simulated",
    "control_routes",
    "controlled",
    "copied",
    "instant",
]

PREFIX = "/__control__"

_LOGIN_PAGE = "<!doctype html><html><title>Sign in</title><body><form>Sign in</form></body></html>"


class Simulated(Protocol):
    """What `controlled` asks of a simulator: the dialect, and the hands a person has in the vendor's UI."""

    @property
    def control(self) -> Control: ...

    @property
    def hands(self) -> Mapping[str, Callable[..., Any]]:
        """Actions of a person: POST /__control__/NAME calls one with the body's keys as arguments; the
        result must be JSON-able. They raise ControlError where the order makes no sense."""
        ...

    def dump(self) -> dict[str, Any]:
        """Everything: raw rows with hidden identities, and `control.ledgers()`."""
        ...

    async def admit(self, method: str, template: str, headers: Headers) -> Response | None:
        """Latency, limits and credentials; an answer refuses the request."""
        ...

    def refusal(self, message: Any) -> Any:
        """The JSON body of a refusal with this message."""
        ...

    def rows(self, answer: Any) -> int | None:
        """How many rows a list answer holds; None where the answer is no list."""
        ...

    def shortened(self, answer: Any, keep: int) -> Any:
        """The same list answer with its first `keep` rows only."""
        ...

    def earlier_page(self, query: dict[str, str]) -> dict[str, str] | None:
        """The query of the page before; None for a first page or where nothing is paged."""
        ...


class _Answer:
    """An answer caught before it leaves."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    async def catch(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    @classmethod
    def of(cls, response: Response) -> _Answer:
        answer = cls()
        answer.status, answer.headers = response.status_code, list(response.raw_headers)
        answer.body = bytes(response.body)
        return answer

    def with_body(self, body: bytes) -> _Answer:
        answer = _Answer()
        answer.status, answer.body = self.status, body
        answer.headers = [(k, v) for k, v in self.headers if k != b"content-length"]
        answer.headers.append((b"content-length", str(len(body)).encode()))
        return answer


def controlled(
    simulator: Simulated,
    routes: Sequence[BaseRoute],
    exception_handlers: Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]] | None = None,
) -> Controlled:
    """The simulator as an ASGI application: the vendor's `routes` under control, and the control plane."""
    return Controlled(simulator, routes, exception_handlers)


class Controlled:
    """See `controlled`."""

    def __init__(
        self,
        simulator: Simulated,
        routes: Sequence[BaseRoute],
        exception_handlers: Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]] | None = None,
    ) -> None:
        self._simulator = simulator
        self._routes = list(routes)
        self._app = Starlette(
            routes=[*control_routes(simulator), *routes],
            exception_handlers=dict(exception_handlers or {}),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        exchange = Exchange()
        token = exchange_under_way.set(exchange)
        try:
            await self._vendor(exchange, scope, receive, send)
        finally:
            exchange_under_way.reset(token)
        for order, write in exchange.kills:
            if order.delay:
                await asyncio.sleep(order.delay)
            self._simulator.control.strike(order, write)

    async def _vendor(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        control, method, path = self._simulator.control, scope["method"], scope["path"]
        template = self._template(scope)
        control.count(method, template)
        body = await _whole(receive)
        refused = await self._simulator.admit(method, template, Headers(scope=scope))
        if refused is not None:
            await self._send(send, _Answer.of(refused))
            return
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        earlier = self._simulator.earlier_page(query)

        def counts(order: FaultOrder) -> bool:
            if order.kind in LIST_KINDS:
                return False
            return earlier is not None if order.kind == "repeated_page" else True

        order = control.due(method, path, counts)
        if order is not None and order.kind == "repeated_page" and earlier is not None:
            scope = {**scope, "query_string": urlencode(earlier).encode("latin-1")}
            order = None
        if order is not None and order.phase == "before" and order.kind not in _CARRIED_OUT:
            await self._fail(order, None, receive, send)
            return
        try:
            answer = await self._carry_out(scope, body)
        except Killed:
            exchange.cut = True
        if exchange.cut:
            await self._send(send, _Answer.of(PlainTextResponse("Internal Server Error", 500)))
            return
        if order is not None:
            await self._fail(order, answer, receive, send)
            return
        await self._send(send, self._with_fewer_rows(method, path, answer))

    async def _carry_out(self, scope: Scope, body: bytes) -> _Answer:
        answer = _Answer()
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return {"type": "http.disconnect"}
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, answer.catch)
        return answer

    async def _fail(self, order: FaultOrder, answer: _Answer | None, receive: Receive, send: Send) -> None:
        match order.kind:
            case "silence" | "silence_after_commit":
                await _silent(order.seconds, receive)
                response: Response = PlainTextResponse("Gateway Timeout", 504)
            case "html":
                response = HTMLResponse(_LOGIN_PAGE)
            case "array_message":
                message = [{"field": "page", "message": order.message or "invalid"}]
                response = JSONResponse(self._simulator.refusal(message))
            case "truncated_body":
                whole = answer.body if answer is not None else b""
                response = Response(whole[: len(whole) // 2] or b'{"status":', media_type="application/json")
            case "reset":
                half = answer.body[: len(answer.body) // 2] if answer is not None else b""
                await send({"type": "http.response.start", "status": 200, "headers": [
                    (b"content-type", b"application/json"), (b"content-length", b"%d" % (len(half) + 100)),
                ]})  # fmt: skip
                await send({"type": "http.response.body", "body": half, "more_body": True})
                raise ConnectionResetError("the simulator broke the connection, as ordered")
            case "429":
                headers = {"Retry-After": str(int(order.seconds))}
                response = PlainTextResponse("Too Many Requests", 429, headers=headers)
            case _:
                status = HTTPStatus(int(order.kind))
                response = PlainTextResponse(order.message or status.phrase, status.value)
        await self._send(send, _Answer.of(response))

    def _with_fewer_rows(self, method: str, path: str, answer: _Answer) -> _Answer:
        if not self._simulator.control.shortens():
            return answer
        try:
            content = json.loads(answer.body)
        except ValueError:
            return answer
        rows = self._simulator.rows(content)
        if not rows:
            return answer

        def counts(order: FaultOrder) -> bool:
            return order.kind == "empty_list" or (order.kind == "truncated_list" and rows > 1)

        order = self._simulator.control.due(method, path, counts)
        if order is None:
            return answer
        keep = 0 if order.kind == "empty_list" else rows // 2
        shortened = self._simulator.shortened(content, keep)
        return answer.with_body(json.dumps(shortened, ensure_ascii=False, separators=(",", ":")).encode())

    async def _send(self, send: Send, answer: _Answer) -> None:
        date = format_datetime(self._simulator.control.now().replace(microsecond=0), usegmt=True)
        headers = [(k, v) for k, v in answer.headers if k != b"date"] + [(b"date", date.encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def _template(self, scope: Scope) -> str:
        for route in self._routes:
            match, _child = route.matches(scope)
            if match is Match.FULL and isinstance(route, Route):
                return route.path
        return "(unknown)"


# Kinds that need the real answer, or the deed, before they act.
_CARRIED_OUT: frozenset[str] = frozenset({"silence_after_commit", "truncated_body", "reset"})


def control_routes(simulator: Simulated) -> list[Route]:
    """The control plane: GET dump; POST advance, fault, kill, clear, and one POST per hand of the simulator.

    Answers are `{"ok": true, "result": …}`, or 400 with `{"ok": false, "error": text}`."""
    control = simulator.control

    def arm_fault(**order: Any) -> None:
        control.fault(FaultOrder.model_validate(order))

    def arm_kill(**order: Any) -> None:
        control.kill(KillOrder.model_validate(order))

    orders: dict[str, Callable[..., Any]] = {
        "advance": control.advance,
        "fault": arm_fault,
        "kill": arm_kill,
        "clear": control.clear,
        **simulator.hands,
    }

    async def dump(_request: Request) -> Response:
        return JSONResponse(simulator.dump())

    async def order(request: Request) -> Response:
        action = orders.get(request.path_params["action"])
        if action is None:
            known = ", ".join(sorted(orders))
            return JSONResponse({"ok": False, "error": f"unknown; known are {known}"}, 404)
        body = await request.body()
        try:
            arguments = json.loads(body) if body else {}
            if not isinstance(arguments, dict):
                raise ControlError("the body must be a JSON object")
            result = action(**arguments)
        except (ControlError, ValidationError, TypeError, ValueError) as error:
            return JSONResponse({"ok": False, "error": str(error)}, 400)
        return JSONResponse({"ok": True, "result": result})

    return [
        Route(f"{PREFIX}/dump", dump, methods=["GET"]),
        Route(PREFIX + "/{action}", order, methods=["POST"]),
    ]


async def _whole(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return body


async def _silent(seconds: float, receive: Receive) -> None:
    """Say nothing for `seconds`, or until the client hangs up."""

    async def hung_up() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    waiting = [asyncio.ensure_future(asyncio.sleep(seconds)), asyncio.ensure_future(hung_up())]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
