"""Pictures of the screens for the README: `python -m tests.pictures docs/pictures`, or `make pictures`.

They show the demo's school at its opening, played on virtual time from a seed, with the clock standing still:
the same pictures on every machine, until something on a screen changes.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

from connectors.simulation.campuses import campuses, configuration
from connectors.simulation.prelude import BEGINS, prelude
from connectors.simulation.scenes import seldom_collecting
from console.app import Console
from console.engine_client import EngineClient
from engine.clock import SteppedClock, VirtualClock, VirtualLoop
from engine.compose import compose, connectors
from engine.config import load
from engine.service.access import InProcess
from engine.service.routes import application
from engine.service.socket import SocketServer
from tests.unit.console_kit import press, settled

SEED, LEARNERS = 7, 170
SIZE = (90, 26)
PICTURES: Mapping[str, Sequence[str]] = {
    "dashboard": ("1",),
    "changes": ("2", "down", "down"),
    "conflicts": ("3",),
    "duplicates": ("4",),
    "rejections": ("5",),
    "sheets": ("6",),
    "runs": ("7",),
    "events": ("8", "up", "up", "up"),  # the last ones name the engine's process
    "record": ("3", "i"),
    "question": ("3", "e"),
    "help": ("1", "question_mark"),
}
"""By name, the keys that lead there."""


@dataclass(frozen=True)
class Standing:
    """A clock that stands still at an instant."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0

    async def sleep_until(self, at: datetime) -> None:
        await asyncio.Event().wait()


def main(into: Path) -> None:
    """Draw all of them."""
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with seldom_collecting(), asyncio.Runner(loop_factory=VirtualLoop) as runner:
            loop = runner.get_loop()
            assert isinstance(loop, VirtualLoop)
            clock = VirtualClock(BEGINS, loop)
            schools = campuses(SEED, LEARNERS, ("ypareo",), SteppedClock(clock))
            keys = {name: key for school in schools for name, key in school.keys.items()}
            config = folder / "rollcall.toml"
            config.write_text(configuration(schools, folder), encoding="utf-8")
            runner.run(prelude(schools, config, keys, clock, lambda _line: None))
            opens = clock.now()
        for school in schools:
            school.close()
        asyncio.run(_drawn(config, keys, opens, into))
    gc.unfreeze()  # what was never let go of would be reported as leaked


async def _drawn(config: Path, keys: Mapping[str, str], opens: datetime, into: Path) -> None:
    nobody = httpx.MockTransport(lambda _request: httpx.Response(503))
    engine = compose(
        load(config, connectors(), keys),
        Standing(opens),
        lambda _name, _system: nobody,
        secret=lambda reference: keys[reference.removeprefix("env:")],
    )
    server = SocketServer()
    socket = config.parent / "engine.sock"
    await engine.start(schedule=False)
    serving = asyncio.create_task(server.serve(application(engine, InProcess("ada", "admin")), socket))
    try:
        await server.listening()
        for name, pressed in PICTURES.items():
            picture = await _picture(socket, pressed)
            (into / f"{name}.svg").write_text(picture, encoding="utf-8")
            print(f"{name}.svg {len(picture.encode()) / 1000:.0f} kB")
    finally:
        server.stop()
        await serving
        await engine.stop()


async def _picture(socket: Path, pressed: Sequence[str]) -> str:
    with EngineClient(socket) as client:
        first = await asyncio.to_thread(client.dashboard)
    console = Console(socket, first, clock=lambda: 0.0)
    async with console.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, *pressed)
        await asyncio.sleep(0.3)  # what rests on a row has its detail made
        await settled(pilot)
        return console.export_screenshot(title="Rollcall", simplify=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures"))
