"""The wire between a client and a vendor's stand-in: who asked what when, and answers changed on their way."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connectors.simulation.ledgers import Control

_NEVER = 3600.0
"""Seconds longer than any client waits."""
_UNKNOWN = "conformanceUnknown"


@dataclass(frozen=True)
class Asked:
    """One request as it came: its time on the loop, and what it was, body included."""

    at: float
    what: str


class Wire:
    """An ASGI application before another.

    `latency`: seconds each request takes. `renamed`: a field's name that answers no longer bear. `widened`: a
    field's name beside which answers bear one nobody knows (JSON and XML only). `mute`: the answer to the next
    request that writes never comes.
    """

    def __init__(self, app: ASGIApp, control: Control) -> None:
        self.asked: list[Asked] = []
        self.most = 0
        """Requests that were under way at once, at most."""
        self.latency = 0.0
        self.renamed = ""
        self.widened = ""
        self.mute = False
        self._app = app
        self._control = control
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _whole(receive)
        self.asked.append(Asked(asyncio.get_running_loop().time(), _fingerprint(scope, body)))
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        try:
            await self._answer(scope, body, send)
        finally:
            self._under_way -= 1

    async def _answer(self, scope: Scope, body: bytes, send: Send) -> None:
        if self.latency:
            await asyncio.sleep(self.latency)
        caught: list[Message] = []

        async def replay() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def catch(message: Message) -> None:
            caught.append(message)

        written = len(self._control.writes)
        await self._app(scope, replay, catch)
        if self.mute and len(self._control.writes) > written:
            self.mute = False
            await asyncio.sleep(_NEVER)
        content = b"".join(bytes(message.get("body", b"")) for message in caught[1:])
        content = self._changed(content)
        headers = [(k, v) for k, v in caught[0].get("headers", []) if k != b"content-length"]
        headers.append((b"content-length", b"%d" % len(content)))
        await send({**caught[0], "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _changed(self, content: bytes) -> bytes:
        if self.renamed:
            return renamed(content, self.renamed)
        return widened(content, self.widened) if self.widened else content


def renamed(content: bytes, name: str) -> bytes:
    """`content` with the word `name` spelled otherwise, as long as before, whatever its case or encoding.

    What is compressed keeps its words."""
    for spelled in (name.encode("utf-8"), name.encode("utf-16-le")):
        word = re.compile(rb"(?<![\w-])" + re.escape(spelled) + rb"(?![\w-])", re.IGNORECASE)
        width = len(spelled) // len(name)
        content = word.sub(lambda found, w=width: found[0][:-w] + b"_".ljust(w, b"\0"), content)  # type: ignore[misc]
    return content


def widened(content: bytes, name: str) -> bytes:
    """`content` with an unknown field beside each `name`; as it stands where it is neither JSON nor XML."""
    try:
        parsed = json.loads(content)
    except ValueError:
        element = re.compile(rb"(</((?:\w+:)?)" + re.escape(name.encode()) + rb">)")
        return element.sub(rb"\1<\2" + _UNKNOWN.encode() + rb">x</\2" + _UNKNOWN.encode() + rb">", content)
    return json.dumps(_beside(parsed, name.lower()), ensure_ascii=False).encode()


def _beside(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [_beside(one, name) for one in value]
    if not isinstance(value, dict):
        return value
    found = {key: _beside(one, name) for key, one in value.items()}
    return {**found, _UNKNOWN: "x"} if any(key.lower() == name for key in found) else found


def _fingerprint(scope: Scope, body: bytes) -> str:
    query = scope["query_string"].decode("latin-1")
    digest = sha256(body).hexdigest()[:12] if body else ""
    return f"{scope['method']} {scope['path']}?{query} {digest}".strip()


async def _whole(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return body
