"""Runs as asyncio tasks of the engine's own process, one at a time per connection and flow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


class Busy(Exception):
    """A run of this connection and flow is under way; `run_id` names it."""

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id


@dataclass
class _Job:
    run_id: str
    task: asyncio.Task[Any]
    cancelled: asyncio.Event


class LocalExecutor:
    """`start` refuses a second run of the same key; `cancel` asks a run to stop after its write under way."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, str], _Job] = {}

    def start(
        self, key: tuple[str, str], run_id: str, work: Callable[[asyncio.Event], Awaitable[Any]]
    ) -> asyncio.Task[Any]:
        """Begin `work`, handing it the event that asks it to stop. Raises Busy."""
        running = self._jobs.get(key)
        if running is not None and not running.task.done():
            raise Busy(running.run_id)
        cancelled = asyncio.Event()
        task = asyncio.ensure_future(work(cancelled))
        self._jobs[key] = _Job(run_id, task, cancelled)
        return task

    def running(self, key: tuple[str, str]) -> str | None:
        """The id of the run under way, None when there is none."""
        job = self._jobs.get(key)
        return job.run_id if job is not None and not job.task.done() else None

    def cancel(self, run_id: str) -> bool:
        """Ask a run to stop; False when it isn't running."""
        for job in self._jobs.values():
            if job.run_id == run_id and not job.task.done():
                job.cancelled.set()
                return True
        return False

    async def wait(self, run_id: str) -> None:
        """Return once a run has ended; at once when it isn't running."""
        for job in list(self._jobs.values()):
            if job.run_id == run_id:
                await asyncio.wait({job.task})

    async def stop(self) -> None:
        """Ask every run to stop, and wait for them."""
        tasks = set()
        for job in self._jobs.values():
            job.cancelled.set()
            tasks.add(job.task)
        if tasks:
            await asyncio.wait(tasks)
