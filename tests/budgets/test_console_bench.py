"""What a person at the end of a line waits for, and what the line carries: through a terminal, on a real engine
with 10,000 changes and a million events. Figures are printed beside their budgets.

Times are without those in which the machine had no processor for the console: what else it does is no matter of
the console's. What a person would have waited on this very machine is printed too ("here").
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from time import perf_counter

import pytest

from console.engine_client import EngineClient
from engine.service.models import FreezeRequest, RunRequest
from tests.budgets.watched import Watched
from tests.engine_process import NOBODY, EngineProcess, simulator
from tests.terminal import Screen, Terminal, watch

pytestmark = pytest.mark.bench

STARTS = 15
STARTS_WITH_ENGINE = 5
KEYS = 60
JUMPS = 12
REST_SECONDS = 0.15
"""So long after a key nothing more comes of it: what rests on a row shows its detail after 60 ms."""
IDLE_SECONDS = 60.0
RUN_SECONDS = 40.0
LATENCY = 0.13
"""Seconds before each answer of a simulated school: what an answer over the internet takes."""
SCREENS = {"1": "Dashboard", "2": "Changes", "7": "Runs", "8": "Events"}
"""Those whose bytes are counted, by their keys."""

FIRST_MS, FIRST_GOAL_MS, FIRST_WITH_ENGINE_MS = 350, 250, 1500
LOADED_MS, FETCHED_MS = 25, 50
KEY_BYTES = 5_000
IDLE_BYTES = 10_000
RUN_BYTES = 60_000
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
    took, here = [], []
    for _start in range(STARTS + 1):
        with full_engine.console() as terminal:
            here.append(1000 * (terminal.sees("lyon ypareo idle", "What waits for you") - terminal.began))
            took.append(here[-1] - 1000 * terminal.waited)
            terminal.presses("q")
            terminal.ends()
    del took[0], here[0]  # it fills the machine's caches
    more = f"(goal {FIRST_GOAL_MS}) p95 {share(took, 0.95):.0f}, least {min(took):.0f}, {_here(here)}"
    figure("first live data, p50", statistics.median(took), "ms", FIRST_MS, more)


@pytest.fixture
def stopped_engine() -> Iterator[EngineProcess]:
    folder = Path(tempfile.mkdtemp())
    yield EngineProcess(folder, {"lyon": (NOBODY, NOBODY)})
    shutil.rmtree(folder, ignore_errors=True)


def test_first_live_data_when_the_engine_must_start(stopped_engine: EngineProcess) -> None:
    took, here = [], []
    for _start in range(STARTS_WITH_ENGINE):
        with stopped_engine.console() as terminal:
            here.append(1000 * (terminal.sees("lyon ypareo idle") - terminal.began))
            took.append(here[-1] - 1000 * terminal.waited)
            with stopped_engine.console("engine", "stop") as stopping:
                assert stopping.ends() == 0
            terminal.presses("q")
            terminal.ends()
    more = f"most {max(took):.0f}, {_here(here)}"
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
    here: list[float] = field(default_factory=list)
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

    began, turns = perf_counter(), terminal.waited
    terminal.presses(key)
    here = 1000 * (terminal.until(painted, f"the cursor to move by {key}") - began)
    took = max(here - 1000 * (terminal.waited - turns), 0.0)
    into.here.append(here)
    (into.fetched if waited else into.loaded).append(took)
    terminal.rests(REST_SECONDS)
    into.bytes.append(terminal.received - received)


@pytest.mark.parametrize(
    ("key", "sees", "moves"),
    [
        ("1", "What waits for you, soonest first: 120", ("down",) * KEYS),
        ("2", "10,000", ("down",) * KEYS + ("end", "home") + ("pagedown",) * KEYS),
        ("8", "1,000,0", ("up",) * KEYS + ("home", "end") + ("pageup",) * KEYS),
    ],
    ids=["Dashboard", "Changes", "Events"],
)
def test_keys(
    full_engine: EngineProcess, key: str, sees: str, moves: Sequence[str], request: pytest.FixtureRequest
) -> None:
    screen = request.node.callspec.id
    found = Keys()
    with full_engine.console() as terminal:
        terminal.sees("lyon ypareo")
        terminal.presses(key)
        terminal.sees(sees)
        terminal.rests(1.0)
        for move in moves:
            press(terminal, move, found)
    figure(
        f"{screen}: key to paint, p95",
        share(found.loaded, 0.95),
        "ms",
        LOADED_MS,
        _spread(found.loaded) + _here(found.here),
    )
    one = [count for move, count in zip(moves, found.bytes, strict=True) if move in ("up", "down")]
    figure(
        f"{screen}: bytes of one cursor key, most",
        max(one),
        "B",
        KEY_BYTES,
        f"p50 {statistics.median(one):.0f}",
    )


@pytest.mark.parametrize(
    ("key", "sees", "move"),
    [("2", "10,000", "end"), ("8", "1,000,0", "home")],
    ids=["Changes", "Events"],
)
def test_keys_to_what_must_be_fetched(
    full_engine: EngineProcess, key: str, sees: str, move: str, request: pytest.FixtureRequest
) -> None:
    screen = request.node.callspec.id
    found = Keys()
    for _jump in range(JUMPS):
        with full_engine.console() as terminal:
            terminal.sees("lyon ypareo")
            terminal.presses(key)
            terminal.sees(sees)
            terminal.rests(0.5)
            press(terminal, move, found)
    assert found.fetched
    more = _spread(found.fetched) + _here(found.here)
    figure(f"{screen}: with a page fetched, p95", share(found.fetched, 0.95), "ms", FETCHED_MS, more)


def _spread(values: Sequence[float]) -> str:
    return f"p50 {statistics.median(values):.1f}, most {max(values):.1f}, n {len(values)}, "


def _here(values: Sequence[float]) -> str:
    return f"here p50 {statistics.median(values):.0f}, p95 {share(values, 0.95):.0f}"


# What comes by itself


def _on(engine: EngineProcess, key: str) -> Terminal:
    """A console on the screen of a key, at rest."""
    terminal = engine.console()
    terminal.sees("lyon ypareo")
    terminal.presses(key)
    terminal.rests(1.0)
    return terminal


def test_an_idle_console_is_silent(full_engine: EngineProcess) -> None:
    with ExitStack() as stack:
        terminals = [stack.enter_context(_on(full_engine, key)) for key in SCREENS]
        for name, count in zip(SCREENS.values(), watch(terminals, IDLE_SECONDS), strict=True):
            figure(f"{name}: bytes of an idle minute", count * 60 / IDLE_SECONDS, "B", IDLE_BYTES)


def test_two_connections_run_at_once() -> None:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        engine = EngineProcess(Path(folder), *_schools(stack))
        engine.start()
        stack.callback(engine.stop)
        terminals = [stack.enter_context(_on(engine, key)) for key in SCREENS]
        with EngineClient(engine.socket) as client:
            for name in ("lyon", "nantes"):
                client.start_run(RunRequest(connection=name))
            terminals[0].sees("lyon ypareo writing", "nantes ypareo writing")
            counts = watch(terminals, RUN_SECONDS)
            status = client.status()
        assert all(one.running is not None for one in status.connections), (
            "the runs are too short to be watched"
        )
        for name, count in zip(SCREENS.values(), counts, strict=True):
            figure(f"{name}: bytes of a minute of two runs", count * 60 / RUN_SECONDS, "B", RUN_BYTES)


def _schools(stack: ExitStack) -> tuple[dict[str, tuple[str, str]], tuple[str, str]]:
    """Two schools that were never synced, so that a run has much to write; and their keys."""
    places: dict[str, tuple[str, str]] = {}
    keys = ("", "")
    for number, name in enumerate(("lyon", "nantes")):
        (edusign, key), (erp, token) = (
            stack.enter_context(simulator(system, f"latency={LATENCY}", seed=7 + number, learners=300))
            for system in ("edusign", "ypareo")
        )
        places[name], keys = (edusign, erp), (key, token)
    return places, keys


# The event loop


def test_the_event_loop_is_never_kept_for_long(full_engine: EngineProcess, tmp_path: Path) -> None:
    """Through every screen, with keys held, while the log grows."""
    watched = Watched(tmp_path)
    with _growing(full_engine), full_engine.console(environment=watched.environment) as terminal:
        terminal.sees("lyon ypareo")
        begun = perf_counter()
        watch([terminal], 2.0)
        for key in "12345678":
            terminal.presses(key)
            watch([terminal], 0.5)
            for move in ("down", "pagedown", "end", "home"):
                terminal.presses(*[move] * 10)
                watch([terminal], 0.2)
        terminal.presses("1")
        watch([terminal], 0.5)
        ending = perf_counter()
        terminal.presses("q")
        assert terminal.ends() == 0
    stalls = [one for one in watched.stalls() if begun < one.at < ending]
    worst = max((one.seconds for one in stalls), default=0.0)
    more = ", ".join(
        f"{1000 * one.seconds:.0f} at {one.at - begun:.1f} s" for one in stalls if one.seconds > 0.03
    )
    figure("event loop: longest stall", 1000 * worst, "ms", STALL_MS, more)


@contextmanager
def _growing(engine: EngineProcess) -> Iterator[None]:
    """Somebody freezes and thaws a connection meanwhile, over and over: each is an event."""
    enough = Event()

    def go_on() -> None:
        with EngineClient(engine.socket) as client:
            while not enough.wait(0.05):
                client.freeze(FreezeRequest(connection="nantes", reason="a drill"))
                client.thaw(FreezeRequest(connection="nantes"))

    person = Thread(target=go_on)
    person.start()
    try:
        yield
    finally:
        enough.set()
        person.join()
