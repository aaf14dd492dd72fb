"""The console on a fake engine, for tests of its screens: opened headless, waited for, read as text."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from time import perf_counter

from textual.pilot import Pilot

from console.app import Console
from engine.service.access import Access, InProcess
from tests.unit.fake_engine import FakeOperations, served

PATIENCE = 20.0
"""Seconds until what a test waits for is taken for never coming."""


def shown(app: Console) -> str:
    """The screen as text, one line per row, without the spaces at their ends."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


async def settled(pilot: Pilot[int]) -> None:
    """Return once every question has been answered and what it brought is painted."""
    for _round in range(3):
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()


async def press(pilot: Pilot[int], *keys: str) -> None:
    """Press keys, each once what the one before it asked for is there."""
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


async def sees(pilot: Pilot[int], text: str, *, not_there: bool = False) -> None:
    """Wait until a text is on the screen, or no longer: what is typed is asked after a pause."""
    assert isinstance(pilot.app, Console)
    limit = perf_counter() + PATIENCE
    while (text in shown(pilot.app)) == not_there:
        assert perf_counter() < limit, f"waited for {text!r}; the screen is:\n{shown(pilot.app)}"
        await pilot.pause()


@contextlib.asynccontextmanager
async def opened(
    operations: FakeOperations | None = None,
    *,
    size: tuple[int, int] = (80, 24),
    access: Access | None = None,
    keymap: Mapping[str, str] | None = None,
) -> AsyncIterator[tuple[Console, Pilot[int]]]:
    """The console attached to a fake engine, its first dashboard taken. Time stands still."""
    fake = operations or FakeOperations()
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder) / "engine.sock", fake, access or InProcess("ada")) as engine,
    ):
        from console.engine_client import EngineClient

        with EngineClient(engine.path) as client:
            first = client.dashboard()
        app = Console(engine.path, first, clock=lambda: 0.0, keymap=keymap)
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            yield app, pilot
