"""The engine's API over HTTP: each line of the endpoint table becomes a route to a method of Operations."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pydantic
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from engine.printable import printable
from engine.service import openapi
from engine.service.access import Access, Identity, Peer
from engine.service.endpoints import (
    BY_NAME,
    ENDPOINTS,
    EVENT_STREAM,
    FILE,
    JSON,
    OPENAPI_PATH,
    ROWS_HEADER,
    STATUS_BY_CODE,
    Endpoint,
    Parameter,
)
from engine.service.models import EventView, Problem
from engine.service.operations import Operations, Refusal
from engine.service.stream import resumed_from, stream
from engine.words import _

_log = logging.getLogger("rollcall.service")

BODY_LIMIT = 4 * 1024 * 1024
"""Bytes of a request's body at most."""

_EXPORT_FORMATS = ("csv", "jsonl", "parquet")

Handler = Callable[[Request], Awaitable[Response]]


def application(operations: Operations, access: Access) -> Starlette:
    """The API as an ASGI application.

    Who asks is read from `request.state.peer` (see engine.service.socket). `state.closing` of the application
    is an asyncio.Event: once set, live streams and waits end.
    """
    closing = asyncio.Event()
    service = _Service(operations, access, closing)
    routes = [Route(OPENAPI_PATH, service.guarded(service.document, BY_NAME["status"]), methods=["GET"])]
    # An id may hold a slash, so a parameter takes all that is left: fixed and longer paths come first.
    routes.extend(
        Route(endpoint.path.replace("}", ":path}"), service.handler(endpoint), methods=[endpoint.method])
        for endpoint in sorted(ENDPOINTS, key=lambda endpoint: ("{" in endpoint.path, -len(endpoint.path)))
    )
    application = Starlette(routes=routes, exception_handlers={HTTPException: _http_problem})
    application.state.closing = closing
    return application


class _Service:
    def __init__(self, operations: Operations, access: Access, closing: asyncio.Event) -> None:
        self._operations = operations
        self._access = access
        self._closing = closing

    def handler(self, endpoint: Endpoint) -> Handler:
        if endpoint.media == EVENT_STREAM:
            return self.guarded(self.follow, endpoint)
        if endpoint.media == FILE:
            return self.guarded(self.export, endpoint)
        return self.guarded(self.call, endpoint)

    def guarded(
        self, do: Callable[[Request, Endpoint, Identity], Awaitable[Response]], endpoint: Endpoint
    ) -> Handler:
        """`do`, for those whose role allows it; whatever goes wrong comes back as one Problem."""

        async def handle(request: Request) -> Response:
            try:
                peer: Peer | None = request.scope.get("state", {}).get("peer")
                identity = self._access.admit(peer, endpoint.role)
                return await do(request, endpoint, identity)
            except Refusal as refusal:
                return _problem(refusal.code, refusal.message)
            except Exception as error:
                _log.exception("%s failed", endpoint.name)
                return _problem(
                    "failed",
                    _("the engine failed at this ({error}); its log says more").format(
                        error=type(error).__name__
                    ),
                )

        return handle

    async def call(self, request: Request, endpoint: Endpoint, identity: Identity) -> Response:
        arguments: dict[str, Any] = {**request.path_params, **_query(request, endpoint)}
        if endpoint.request is not None:
            arguments["request"] = await _body(request, endpoint.request)
        if endpoint.identity == "who":
            arguments |= {"actor": identity.actor, "role": identity.role}
        elif endpoint.identity:
            arguments[endpoint.identity] = identity.actor
        answering = getattr(self._operations, endpoint.name)(**arguments)
        answer = await (self._unless_closing(answering) if endpoint.method == "GET" else answering)
        if endpoint.answer is None:
            return Response(status_code=204)
        return Response(pydantic.TypeAdapter(endpoint.answer).dump_json(answer), media_type=JSON)

    async def _unless_closing(self, answering: Awaitable[Any]) -> Any:
        """A read that is still waiting when the engine stops is not waited for."""
        task = asyncio.ensure_future(answering)
        closed = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({task, closed}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Refusal("failed", _("the engine is stopping"))
        finally:
            task.cancel()
            closed.cancel()

    async def follow(self, request: Request, endpoint: Endpoint, identity: Identity) -> Response:
        asked = _query(request, endpoint)
        query: str = asked["query"]
        # Asking for one event tells a mistake in the query before the stream has begun.
        await self._operations.events(query, limit=1, me=identity.actor)
        now = await self._operations.status()
        after: int = now.seq if asked["after"] is None else asked["after"]
        resumed = resumed_from(request.headers.get("last-event-id", ""))
        if resumed is not None:
            epoch, seq = resumed
            # Another epoch: the state was restored, and numbers begin anew. Its reader gets all of this one.
            after = seq if epoch == now.epoch else 0

        def events(start: int | None) -> AsyncIterator[EventView]:
            return self._operations.follow(query, after=start, me=identity.actor)

        return StreamingResponse(
            stream(events, now.epoch, after, self._closing),
            media_type=EVENT_STREAM,
            headers={"cache-control": "no-store"},
        )

    async def export(self, request: Request, endpoint: Endpoint, identity: Identity) -> Response:
        """The file is written where only the engine may look and sent from there: what is asked for never
        names a path on the engine's side."""
        asked = _query(request, endpoint)
        if asked["format"] not in _EXPORT_FORMATS:
            raise Refusal("usage", _("format: one of {known}").format(known=", ".join(_EXPORT_FORMATS)))
        folder = Path(tempfile.mkdtemp(prefix="rollcall-export-"))
        path = folder / f"events.{asked['format']}"
        try:
            rows = await self._operations.export(asked["query"], str(path), asked["format"], me=identity.actor)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return FileResponse(
            path,
            media_type=FILE,
            headers={ROWS_HEADER: str(rows)},
            background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True),
        )

    async def document(self, request: Request, endpoint: Endpoint, identity: Identity) -> Response:
        status = await self._operations.status()
        return JSONResponse(openapi.document(status.version))


def _query(request: Request, endpoint: Endpoint) -> dict[str, Any]:
    """The query string as the endpoint's parameters. Raises Refusal "usage"."""
    known = {parameter.name: parameter for parameter in endpoint.query}
    for name in request.query_params:
        if name not in known:
            raise Refusal("usage", _("unknown parameter {name}").format(name=printable(name, 40)))
    arguments: dict[str, Any] = {}
    for name, parameter in known.items():
        text = request.query_params.get(name)
        if text is None and parameter.required:
            raise Refusal("usage", _("{name} is missing").format(name=name))
        arguments[name] = parameter.default if text is None else _parsed(parameter, text)
    return arguments


def _parsed(parameter: Parameter, text: str) -> Any:
    if parameter.type is str:
        return text
    if parameter.type is bool:
        if text in ("true", "false"):
            return text == "true"
        raise Refusal("usage", _("{name}: true or false").format(name=parameter.name))
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise Refusal("usage", _("{name}: a whole number").format(name=parameter.name))
    number = int(text)
    if parameter.least is not None and number < parameter.least:
        raise Refusal("usage", _("{name}: at least {least}").format(name=parameter.name, least=parameter.least))
    if parameter.most is not None and number > parameter.most:
        raise Refusal("usage", _("{name}: at most {most}").format(name=parameter.name, most=parameter.most))
    return number


async def _body(request: Request, model: type[pydantic.BaseModel]) -> pydantic.BaseModel:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise Refusal("usage", _("the request is too large"))
    try:
        return model.model_validate_json(body or b"{}")
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "request"
        raise Refusal("usage", printable(f"{place}: {first['msg']}", 300)) from error


def _problem(code: str, message: str) -> Response:
    problem = Problem(code=code, message=printable(message))
    return Response(json.dumps(problem.model_dump()), STATUS_BY_CODE.get(code, 500), media_type=JSON)


async def _http_problem(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses: unknown paths and methods."""
    assert isinstance(error, HTTPException)
    code = "not_found" if error.status_code == 404 else "usage"
    problem = Problem(code=code, message=f"{request.method} {printable(request.url.path, 100)}: {error.detail}")
    return JSONResponse(problem.model_dump(), error.status_code, headers=error.headers)
