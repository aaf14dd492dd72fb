"""From the outbox to the log: every committed event once, in order, and told to those who follow."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from engine.clock import Clock
from engine.events.log import EventLog
from engine.events.search import Position
from engine.state.store import Store

BATCH = 1000
OUTBOX_KEPT = timedelta(days=30)
PRUNE_EVERY = timedelta(hours=1)


class Drain:
    """Moves events from the store's outbox into the log, `interval` seconds after a commit at the latest.

    One drain per log. What a crash left in the outbox goes first: no event is lost or doubled.
    """

    def __init__(
        self, store: Store, log: EventLog, clock: Clock, epoch: int, interval: float, thread: ThreadPoolExecutor
    ) -> None:
        self._store = store
        self._log = log
        self._clock = clock
        self._epoch = epoch
        self._interval = interval
        self._thread = thread
        self._arrived = asyncio.Condition()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    @property
    def position(self) -> Position:
        """The newest event in the log."""
        return self._log.last()

    async def start(self) -> None:
        await self.flush()
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """Flush what is committed and let followers end."""
        self._stopping = True
        self._store.committed.set()
        if self._task is not None:
            await self._task
        await self.flush()
        async with self._arrived:
            self._arrived.notify_all()

    async def flush(self) -> None:
        """Bring the log up to the outbox now."""
        loop = asyncio.get_running_loop()
        while True:
            last = self._log.last()
            after = last.seq if last.epoch == self._epoch else 0
            rows = await self._store.transact(lambda tx, after=after: tx.outbox(self._epoch, after, BATCH))  # type: ignore[misc]
            if not rows:
                return
            await loop.run_in_executor(self._thread, self._log.append, rows)
            async with self._arrived:
                self._arrived.notify_all()

    async def wait_beyond(self, position: Position) -> bool:
        """Return True once the log holds more than `position`; False when the drain ends."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self._stopping or self._log.last() > position)
        return self._log.last() > position

    async def _run(self) -> None:
        pruned = self._clock.now()
        while not self._stopping:
            await self._store.committed.wait()
            self._store.committed.clear()
            await asyncio.sleep(self._interval)
            await self.flush()
            if self._clock.now() - pruned > PRUNE_EVERY:
                pruned = self._clock.now()
                up_to = self._log.last().seq
                await self._store.transact(lambda tx, up=up_to: tx.prune_outbox(up, tx.now - OUTBOX_KEPT))  # type: ignore[misc]
