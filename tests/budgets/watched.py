"""A console whose event loop is watched from inside: how late a timer of 10 ms comes is how long keys wait."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_HEARTBEAT = """
import asyncio.base_events, atexit, os, time

beats = []
loop_class = asyncio.base_events.BaseEventLoop
run_forever = loop_class.run_forever


def watched(loop):
    def beat(due):
        now = time.perf_counter()
        if now - due > 0.015:
            beats.append((now, now - due))
        loop.call_later(0.01, beat, now + 0.01)

    beat(time.perf_counter())
    run_forever(loop)


def told():
    with open(os.environ["LOOP_STALLS"], "w") as into:
        into.writelines(f"{at} {late}\\n" for at, late in beats)


loop_class.run_forever = watched
atexit.register(told)
"""


class Stall(NamedTuple):
    """The loop was late by `seconds` when it came back at `at` (of the performance counter)."""

    at: float
    seconds: float


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
