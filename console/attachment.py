"""The console's hold on its engine: what the engine says by itself, as messages, kept up over restarts.

Two threads, so that nothing of it runs on the event loop: one follows the log, one asks for the dashboard
again when something happened. Neither is ever waited for by a key.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from console.engine_client import EngineClient
    from engine.service.models import DashboardView, EventView

WHILE_RUNNING = 1.0
"""Seconds between two looks at a run under way: what each one costs is repainted over the line."""
WHILE_IDLE = 30.0
AFTER_EVENTS = 0.2
BATCH_SECONDS = 0.1
FIRST_PAUSE, LONGEST_PAUSE, LONGER = 0.1, 5.0, 1.25
"""Seconds between two tries to reach the engine, and how many times as long as the one before each pause is: an
engine that starts is met soon after it is up."""


@dataclass
class Refreshed(Message):
    """The dashboard as it is now."""

    dashboard: DashboardView


@dataclass
class Told(Message):
    """Events that entered the log, in order, none left out."""

    events: tuple[EventView, ...]


@dataclass
class Lost(Message):
    """The engine does not answer. `why` as in EngineUnreachable, or "refused"; `line` for a person."""

    why: str
    line: str


@dataclass
class Back(Message):
    """The engine answers again."""


class Attachment:
    """`start`, then messages come through `tell` until `close`. `after`: the log's seq to follow from."""

    def __init__(
        self,
        socket: Path,
        tell: Callable[[Message], object],
        *,
        after: int | None = None,
        connect: Callable[[Path], EngineClient] | None = None,
    ) -> None:
        self.socket = socket
        self._tell = tell
        self._after = after
        self._epoch = 0
        self._connect = connect or _client
        self._client: EngineClient | None = None
        self._connecting = threading.Lock()
        self._closing = threading.Event()
        self._stale = threading.Event()
        self._running = False
        self._gone = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for work, name in ((self._follow, "follow"), (self._keep_fresh, "dashboard")):
            thread = threading.Thread(target=work, name=f"console-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Let go; threads that wait for an answer end with the process."""
        self._closing.set()
        self._stale.set()

    @property
    def client(self) -> EngineClient:
        """The client, made when it is first asked for: never on the event loop, importing it takes long."""
        with self._connecting:
            if self._client is None:
                self._client = self._connect(self.socket)
            return self._client

    @property
    def position(self) -> int:
        """The seq of the last event that came, 0 before any."""
        return self._after or 0

    @property
    def place(self) -> tuple[int, int]:
        """(epoch, seq) of the last event that came; (0, 0) before any."""
        return (self._epoch, self.position) if self._epoch else (0, 0)

    def refresh(self) -> None:
        """Ask for the dashboard soon."""
        self._stale.set()

    # The dashboard

    def _keep_fresh(self) -> None:
        from console.engine_client import EngineRefused, EngineUnreachable

        pause = FIRST_PAUSE
        while not self._closing.is_set():
            self._stale.clear()
            try:
                view = self.client.dashboard()
            except EngineUnreachable as unreachable:
                self._lost(unreachable.why, unreachable.message)
                self._closing.wait(pause)
                pause = min(pause * LONGER, LONGEST_PAUSE)
                continue
            except EngineRefused as refused:
                self._lost("refused", refused.message)
                self._closing.wait(LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            if self._gone:
                self._gone = False
                self._say(Back())
            self._running = any(one.running is not None for one in view.status.connections)
            self._say(Refreshed(view))
            # At least so long between two of them, and then at the latest when something happened.
            self._closing.wait(WHILE_RUNNING if self._running else AFTER_EVENTS)
            if not self._running:
                self._stale.wait(WHILE_IDLE)

    def _lost(self, why: str, line: str) -> None:
        self._gone = True
        self._say(Lost(why, line))

    # The log

    def _follow(self) -> None:
        from console.engine_client import EngineRefused, EngineUnreachable

        batch = _Batch(self._pass_on)
        pause = FIRST_PAUSE
        while not self._closing.is_set():
            try:
                for event in self.client.follow(
                    after=self._after, announce=lambda _line: self._stale.set(), wait=self._wait
                ):
                    self._epoch, self._after = event.epoch, event.seq
                    batch.add(event)
                    pause = FIRST_PAUSE
                    if self._closing.is_set():
                        return
            except (EngineUnreachable, EngineRefused):
                self._closing.wait(pause)
                pause = min(pause * LONGER, LONGEST_PAUSE)
            except _Closed:
                return

    def _wait(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise _Closed

    def _pass_on(self, events: tuple[EventView, ...]) -> None:
        self._say(Told(events))
        self._stale.set()

    def _say(self, message: Message) -> None:
        if not self._closing.is_set():
            self._tell(message)


class _Closed(Exception):
    """The console is going."""


class _Batch:
    """Events gathered for a moment, so that a flood of them is a few messages."""

    def __init__(self, pass_on: Callable[[tuple[EventView, ...]], None]) -> None:
        self._pass_on = pass_on
        self._events: list[EventView] = []
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def add(self, event: EventView) -> None:
        with self._lock:
            self._events.append(event)
            if self._timer is None:
                self._timer = threading.Timer(BATCH_SECONDS, self._flush)
                self._timer.daemon = True
                self._timer.start()

    def _flush(self) -> None:
        with self._lock:
            events, self._events = tuple(self._events), []
            self._timer = None
        if events:
            self._pass_on(events)


def _client(socket: Path) -> EngineClient:
    from console.engine_client import EngineClient

    return EngineClient(socket)
