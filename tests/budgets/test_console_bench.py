"""What a person at the end of a line waits for, and what the line carries: through a terminal, on a real engine
with 10,000 changes and a million events. Figures are printed beside their budgets."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import pytest

from tests.budgets.watched import Watched
from tests.engine_process import NOBODY, EngineProcess
from tests.terminal import Screen, Terminal

pytestmark = pytest.mark.bench

STARTS = 15
STARTS_WITH_ENGINE = 5
KEYS = 60
REST_SECONDS = 0.15
"""So long after a key nothing more comes of it: what rests on a row shows its detail after 60 ms."""
IDLE_SECONDS = 60.0

FIRST_MS, FIRST_GOAL_MS, FIRST_WITH_ENGINE_MS = 350, 250, 1500
LOADED_MS, FETCHED_MS = 25, 50
KEY_BYTES = 5_000
IDLE_BYTES = 10_000
STALL_MS = 50


def figure(what: str, value: float, unit: str, most: float, more: str = "") -> None:
    """Print one, then hold it to its budget."""
    print(f"{what:52} {value:9,.1f} {unit} (at most {most:,} {unit}) {more}")
    assert value <= most, what


def share(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(round(part * (len(ordered) - 1)), len(ordered) - 1)]


# Starting


def test_first_live_data(full_engine: EngineProcess) -> None:
    took = []
    for _start in range(STARTS + 1):
        with full_engine.console() as terminal:
            took.append(1000 * (terminal.sees("lyon ypareo idle", "What waits for you") - terminal.began))
            terminal.presses("q")
            terminal.ends()
    del took[0]  # it fills the machine's caches
    more = f"(goal {FIRST_GOAL_MS}) p95 {share(took, 0.95):.0f}, least {min(took):.0f}"
    figure("first live data, p50", statistics.median(took), "ms", FIRST_MS, more)


@pytest.fixture
def stopped_engine() -> Iterator[EngineProcess]:
    folder = Path(tempfile.mkdtemp())
    yield EngineProcess(folder, {"lyon": (NOBODY, NOBODY)})
    shutil.rmtree(folder, ignore_errors=True)


def test_first_live_data_when_the_engine_must_start(stopped_engine: EngineProcess) -> None:
    took = []
    for _start in range(STARTS_WITH_ENGINE):
        with stopped_engine.console() as terminal:
            took.append(1000 * (terminal.sees("lyon ypareo idle") - terminal.began))
            with stopped_engine.console("engine", "stop") as stopping:
                assert stopping.ends() == 0
            terminal.presses("q")
            terminal.ends()
    more = f"most {max(took):.0f}"
    figure(
        "first live data, the engine started too, p50",
        statistics.median(took),
        "ms",
        FIRST_WITH_ENGINE_MS,
        more,
    )


# Keys


@dataclass
class Keys:
    """What came of keys: milliseconds to the paint, within what was loaded or after a page came; bytes."""

    loaded: list[float] = field(default_factory=list)
    fetched: list[float] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)


def cursor(screen: Screen) -> tuple[int, str]:
    """The row with the cursor: where it is and what stands there after it."""
    for y in range(screen.rows):
        if (line := screen.line(y)).startswith("▸"):
            return y, line[2:].strip()
    return -1, ""


def press(terminal: Terminal, key: str, into: Keys) -> None:
    """Press a key that moves the cursor, and wait until the row it comes to is there."""
    before, received, waited = cursor(terminal.screen), terminal.received, False

    def painted() -> bool:
        nonlocal waited
        now = cursor(terminal.screen)
        if now[1] in ("", "…"):
            waited = waited or bool(now[1])
            return False
        return now != before

    began = perf_counter()
    terminal.presses(key)
    took = 1000 * (terminal.until(painted, f"the cursor to move by {key}") - began)
    (into.fetched if waited else into.loaded).append(took)
    terminal.rests(REST_SECONDS)
    into.bytes.append(terminal.received - received)


def said(screen: str, found: Keys) -> None:
    figure(f"{screen}: key to paint, p95", share(found.loaded, 0.95), "ms", LOADED_MS, _spread(found.loaded))
    if found.fetched:
        figure(
            f"{screen}: with a page fetched, p95",
            share(found.fetched, 0.95),
            "ms",
            FETCHED_MS,
            _spread(found.fetched),
        )


def _spread(values: Sequence[float]) -> str:
    return f"p50 {statistics.median(values):.1f}, most {max(values):.1f}, n {len(values)}"


def test_cursor_on_the_dashboard(full_engine: EngineProcess) -> None:
    with full_engine.console() as terminal:
        terminal.sees("What waits for you, soonest first: 120")
        terminal.rests(1.0)
        found = Keys()
        for _key in range(KEYS):
            press(terminal, "down", found)
    said("Dashboard", found)
    figure(
        "Dashboard: bytes of one cursor key, most",
        max(found.bytes),
        "B",
        KEY_BYTES,
        f"p50 {statistics.median(found.bytes):.0f}",
    )
