"""Consoles and their engine as processes: who dies, who goes on, and what a person then sees."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.engine_client import EngineClient
from engine.service.models import FreezeRequest
from tests.engine_process import NOBODY, EngineProcess


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineProcess]:
    with tempfile.TemporaryDirectory() as folder:
        one = EngineProcess(Path(folder), {"lyon": (NOBODY, NOBODY)})
        one.start()
        yield one
        one.stop()


def test_a_killed_engine_is_said_what_it_said_stays_and_its_successor_is_found(engine: EngineProcess) -> None:
    with engine.console() as one, engine.console() as two:
        for terminal in (one, two):
            terminal.sees("● live", "lyon ypareo")
        # So that both follow before it dies.
        _freeze(engine, "before")
        for terminal in (one, two):
            terminal.sees("FROZEN: before")
        engine.kill()
        for terminal in (one, two):
            terminal.sees("the engine is gone: waiting for it", "lyon ypareo")
            assert "● live" not in terminal.screen.text
        engine.start()
        for terminal in (one, two):
            terminal.sees("● live")
        _freeze(engine, "after")
        for terminal in (one, two):
            terminal.sees("FROZEN: after")
            terminal.presses("q")
            assert terminal.ends() == 0


def test_a_killed_console_takes_nobody_with_it(engine: EngineProcess) -> None:
    with engine.console() as one, engine.console() as two:
        for terminal in (one, two):
            terminal.sees("lyon ypareo")
        one.process.kill()
        assert one.ends() == -signal.SIGKILL
        _freeze(engine, "still here")
        two.sees("FROZEN: still here")


@pytest.mark.parametrize("way", ["hang up", "SIGTERM", "SIGHUP"])
def test_a_console_whose_window_is_closed_ends_and_the_engine_goes_on(engine: EngineProcess, way: str) -> None:
    with engine.console() as terminal:
        terminal.sees("lyon ypareo")
        if way == "hang up":
            terminal.hang_up()
        else:
            terminal.process.send_signal(getattr(signal, way))
        assert terminal.gone()
    with EngineClient(engine.socket) as client:
        assert client.status().seq > 0


def test_the_terminal_is_left_as_it_was_found(engine: EngineProcess) -> None:
    with engine.console() as terminal:
        terminal.sees("lyon ypareo")
        assert {"1049", "2004"} <= terminal.screen.modes and "25" not in terminal.screen.modes
        terminal.presses("ctrl+c")
        terminal.sees("q leaves the console")
        terminal.presses("q")
        assert terminal.ends() == 0
        assert terminal.screen.modes == {"7", "25"}
        assert terminal.screen.foreign == []


def _freeze(engine: EngineProcess, reason: str) -> None:
    with EngineClient(engine.socket) as client:
        client.freeze(FreezeRequest(connection="", reason=reason))
