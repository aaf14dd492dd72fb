"""Windows in time: which occurrence starts now, once, and which were missed and why (R35)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from engine.clock import Clock
from engine.config_models import ConnectionConfig
from engine.events.event import Event
from engine.state.store import Store
from engine.state.transaction import Transaction
from engine.windows import Missed, Occurrence, deadline, due, next_occurrences, recorded_key
from engine.words import _

LOOK_AT_LEAST_EVERY = timedelta(hours=1)
LOOK_AGAIN_AFTER = timedelta(minutes=1)
"""While something is due: what can't start yet, and what waits behind what was started."""
REMEMBERED = timedelta(days=40)

_log = logging.getLogger("rollcall.schedule")

Starter = Callable[[Occurrence, datetime], Awaitable[str | None]]
"""Starts the run of an occurrence that may write until an instant; its run id, None when it can't now."""


class Schedule:
    """Wakes at each window's start; a step of the clock is noticed within a minute (`Clock.sleep_until`)."""

    def __init__(
        self, store: Store, clock: Clock, connections: Mapping[str, ConnectionConfig], start: Starter
    ) -> None:
        self._store = store
        self._clock = clock
        self._connections = connections
        self._start = start
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        while True:
            waiting = False
            for config in self._connections.values():
                try:
                    waiting = await self.look(config) or waiting
                except Exception:
                    # One connection's trouble must never end the windows of all.
                    _log.exception("looking at the windows of %s failed", config.name)
                    waiting = True
            await self._clock.sleep_until(self._next_look(waiting))

    def _next_look(self, waiting: bool) -> datetime:
        now = self._clock.now()
        if waiting:
            return now + LOOK_AGAIN_AFTER
        coming = [
            o.starts
            for config in self._connections.values()
            for o in next_occurrences(config.windows, config.name, now, 1)
        ]
        return min([now + LOOK_AT_LEAST_EVERY, *coming])

    async def look(self, config: ConnectionConfig) -> bool:
        """Start what is due for one connection, record what was missed; whether to look again soon."""
        now = self._clock.now()
        known, since = await self._store.transact(lambda tx: _known(tx, config.name, now))
        todo = due(config.windows, config.name, now, known, since)
        for miss in todo.missed:
            await self._store.transact(lambda tx, miss=miss: _record_missed(tx, miss))  # type: ignore[misc]
        for occurrence in todo.run:
            await self._start(occurrence, deadline(occurrence, config.windows, now))
        return bool(todo.run)


def _known(tx: Transaction, connection: str, now: datetime) -> tuple[set[str], datetime]:
    """Keys already claimed or missed, and since when this connection's windows count."""
    key = f"windows_since:{connection}"
    since = tx.fact(key)
    if since is None:
        since = now.isoformat()
        tx.set_fact(key, since)
    known = {recorded_key(connection, row) for row in tx.occurrences(connection, (now - REMEMBERED).date())}
    return known, max(datetime.fromisoformat(since), now - REMEMBERED + timedelta(days=2))


def _record_missed(tx: Transaction, miss: Missed) -> None:
    one = miss.occurrence
    if tx.miss_occurrence(
        one.connection, one.flow, one.window, one.local_date, one.starts, one.ends, miss.cause
    ):
        tx.tell(
            Event(
                level="warn",
                kind="occurrence",
                connection=one.connection,
                message=_("{flow} window {window} of {day} was missed: {cause}").format(
                    flow=one.flow, window=one.window, day=one.local_date, cause=miss.cause
                ),
                data={"occurrence": one.key, "cause": miss.cause},
            )
        )
