"""Time, passed in: the system's clock, and a virtual one on which days pass in seconds.

Everything that stamps asks `Clock.now()`; everything that waits uses asyncio, so that the loop carries it.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """What the engine asks of time."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back, for measuring durations."""
        ...

    async def sleep_until(self, at: datetime) -> None:
        """Return once `now() >= at`; steps of the wall clock are noticed within a minute."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep_until(self, at: datetime) -> None:
        while (left := (at - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 a wall clock sends no events
            await asyncio.sleep(min(left, 60.0))


class SteppedClock:
    """A clock that runs beside another, `offset` away; the offset may be changed while it runs."""

    def __init__(self, base: Clock, offset: timedelta = timedelta()) -> None:
        self.base = base
        self.offset = offset

    def now(self) -> datetime:
        return self.base.now() + self.offset

    def monotonic(self) -> float:
        return self.base.monotonic()

    async def sleep_until(self, at: datetime) -> None:
        while (left := (at - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 a wall clock sends no events
            await asyncio.sleep(min(left, 60.0))


class VirtualClock:
    """`start` plus the seconds a virtual loop has lived."""

    def __init__(self, start: datetime, loop: VirtualLoop) -> None:
        self._start = start
        self._loop = loop

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep_until(self, at: datetime) -> None:
        left = (at - self.now()).total_seconds()
        if left > 0:
            await asyncio.sleep(left)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer when nothing is ready.

    Work handed to an executor is done at once, in the loop's own thread: virtual runs are then the same
    from one time to the next. No socket may be waited for under it.
    """

    def __init__(self) -> None:
        self._virtual = 0.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self._virtual

    def jump(self, seconds: float) -> None:
        """Advance by `seconds` at once."""
        self._virtual += seconds

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not ready and timeout:
            self._loop.jump(timeout)
        return ready
