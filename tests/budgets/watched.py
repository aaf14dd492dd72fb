"""A console whose event loop is watched from inside: how late a timer of 10 ms comes is how long keys wait."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_HEARTBEAT = """
import asyncio.base_events, atexit, os, time

beats = []
turns = open("/proc/thread-self/schedstat")
waited = 0.0
loop_class = asyncio.base_events.BaseEventLoop
run_forever = loop_class.run_forever


def watched(loop):
    def beat(due):
        global waited
        now = time.perf_counter()
        turns.seek(0)
        before, waited = waited, int(turns.read().split()[1]) / 1e9
        if now - due > 0.015:
            beats.append((now, now - due, waited - before))
        loop.call_later(0.01, beat, now + 0.01)

    beat(time.perf_counter())
    run_forever(loop)


def told():
    with open(os.environ["LOOP_STALLS"], "w") as into:
        into.writelines(f"{at} {late} {without}\\n" for at, late, without in beats)


loop_class.run_forever = watched
atexit.register(told)
"""


class Stall(NamedTuple):
    """The loop was late by `late` seconds when it came back at `at` (of the performance counter), for `waited`
    of which the machine had no processor for it."""

    at: float
    late: float
    waited: float

    @property
    def seconds(self) -> float:
        return max(self.late - self.waited, 0.0)


class Watched:
    """Its environment goes to the console; `stalls` are there once it has ended."""

    def __init__(self, folder: Path) -> None:
        self._report = folder / "stalls"
        (folder / "sitecustomize.py").write_text(_HEARTBEAT)
        self.environment: Mapping[str, str] = {"PYTHONPATH": str(folder), "LOOP_STALLS": str(self._report)}

    def stalls(self) -> list[Stall]:
        """Those beyond 15 ms, in order."""
        with contextlib.suppress(FileNotFoundError):
            lines = self._report.read_text().splitlines()
            return [Stall(*map(float, line.split())) for line in lines]
        raise AssertionError("the console did not end by itself")
