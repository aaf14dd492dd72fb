"""The console's first question, asked on the socket before anything heavy is loaded.

The engine answers while textual is imported: what it says is on the screen at the first paint. Answers are
read without pydantic, which costs more to import than this question takes; `Plain` gives the fields of a JSON
object the names and types that `engine.service.models` gives them.
"""

from __future__ import annotations

import json
import socket
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from engine.service.models import DashboardView

CONNECT_SECONDS = 0.25
ANSWER_SECONDS = 2.0

_INSTANTS = frozenset(
    {
        "now",
        "started",
        "ended",
        "since",
        "starts",
        "ends",
        "ts",
        "opened_at",
        "closed_at",
        "bites_at",
        "made_at",
    }
    | {"read_at", "start", "end", "session_start", "session_end"}
)
# Fields whose keys are data: they stay dictionaries.
_COUNTS = frozenset(
    {"changes", "pending", "open", "linked", "observed", "requests", "troubles", "counts", "data"}
    | {"before", "after", "accounting"}
)


class Plain:
    """A JSON object with its fields as attributes, instants as aware datetimes."""

    def __init__(self, content: dict[str, Any]) -> None:
        for name, value in content.items():
            setattr(self, name, _read(name, value))

    def __repr__(self) -> str:
        return f"Plain({', '.join(vars(self))})"


def _read(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return value if name in _COUNTS else Plain(value)
    if isinstance(value, list):
        return tuple(Plain(one) if isinstance(one, dict) else one for one in value)
    if name in _INSTANTS and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value


class Question:
    """One GET that is under way. `ask` sends it; `answer` reads what came."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    @classmethod
    def ask(cls, path: Path, route: str = "/v1/dashboard") -> Question | None:
        """Send the question; None where nobody listens at the socket or it may not be opened."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(CONNECT_SECONDS)
        try:
            connection.connect(str(path))
            connection.sendall(f"GET {route} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n".encode())
        except OSError:
            connection.close()
            return None
        return cls(connection)

    def answer(self) -> DashboardView | None:
        """The dashboard; None where none came in time or it was no answer."""
        self._connection.settimeout(ANSWER_SECONDS)
        content = b""
        try:
            while part := self._connection.recv(1 << 16):
                content += part
        except OSError:
            return None
        finally:
            self._connection.close()
        head, _blank, body = content.partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0] + b" ":
            return None
        if b"transfer-encoding: chunked" in head.lower():
            body = _unchunked(body)
        try:
            return cast("DashboardView", Plain(json.loads(body)))
        except (ValueError, TypeError):
            return None


def _unchunked(body: bytes) -> bytes:
    parts: list[bytes] = []
    while body:
        size, _sep, rest = body.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        if not length:
            break
        parts.append(rest[:length])
        body = rest[length + 2 :]
    return b"".join(parts)
