"""Reading the log for somebody who types: their newer question stops the one before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeAlias, TypeVar

from engine.events.log import EventLog
from engine.events.search import LogError, LogInterrupted, LogReader
from engine.service.operations import Refusal

T = TypeVar("T")

Name: TypeAlias = tuple[str, str]
"""Who searches, and the name they gave their search ("": none, and it is never stopped)."""


class Searches:
    """Reads of the log on an executor; of those under one name only the newest goes on.

    For one event loop.
    """

    def __init__(self, log: EventLog, executor: Executor) -> None:
        self._log = log
        self._executor = executor
        self._under_way: dict[Name, LogReader] = {}

    async def read(self, name: Name, work: Callable[[EventLog | LogReader], T]) -> T:
        """What `work` reads. Raises Refusal: "stale" where a newer search took its place, else "failed"."""
        if not name[1]:
            return await self._run(work, self._log)
        if (older := self._under_way.get(name)) is not None:
            older.interrupt()
        try:
            mine = self._log.reader()
        except LogError as error:
            raise Refusal("failed", str(error)) from error
        with mine as reader:
            self._under_way[name] = reader
            try:
                return await self._run(work, reader)
            finally:
                if self._under_way.get(name) is reader:
                    del self._under_way[name]

    async def _run(self, work: Callable[[EventLog | LogReader], T], log: EventLog | LogReader) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: work(log))
        except LogInterrupted as stopped:
            raise Refusal("stale", str(stopped)) from stopped
        except LogError as error:
            raise Refusal("failed", str(error)) from error
