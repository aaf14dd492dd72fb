"""The live demo: simulated schools served on the loopback interface, and an engine that syncs them, for real.

What led up to today is played on virtual time first; then the clock of the same simulators becomes this
machine's, as far away as the demo's week is, and the engine runs as a process with the same offset.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import httpx

from connectors.simulation.bustle import Bustle
from connectors.simulation.campuses import Campus, campuses, configuration
from connectors.simulation.keeper import Keeper, NotReady
from connectors.simulation.operator import Unanswered
from connectors.simulation.prelude import BEGINS, Played, prelude
from connectors.simulation.scenes import seldom_collecting
from connectors.simulation.serve import Unsignalled, server
from engine import lifeline
from engine.clock import SteppedClock, SystemClock, VirtualClock, VirtualLoop
from engine.config import ConfigError
from engine.printable import printable
from engine.words import _

T = TypeVar("T")

CONFIG_NAME = "rollcall.toml"
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_ENDED = 128 + signal.SIGTERM
"""Exit code of a demo told to end before it was up."""


def live(seed: int, learners: int, erps: Sequence[str], place: Path | None, *, as_json: bool) -> int:
    """Set up and go on until SIGTERM, ^C, or the end of a pipe on standard input; the exit code.

    Says where it is once everything is up: for a person, or as one JSON object with folder, socket, config
    and log. Everything lies in `place`; without one in a scratch folder, which is removed at the end.
    """
    _heed(_end)
    folder = (place or Path(tempfile.mkdtemp(prefix="rollcall-demo-"))).resolve()
    schools: tuple[Campus, ...] = ()
    try:
        if (folder / "state.sqlite").exists():
            message = _("{folder} holds an engine's state: the demo wants a folder of its own")
            return _failed(message.format(folder=folder))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with seldom_collecting(), asyncio.Runner(loop_factory=VirtualLoop) as runner:
            loop = runner.get_loop()
            assert isinstance(loop, VirtualLoop)
            virtual = VirtualClock(BEGINS, loop)
            clock = SteppedClock(virtual)
            schools = campuses(seed, learners, erps, clock)
            keys = {name: key for school in schools for name, key in school.keys.items()}
            (folder / CONFIG_NAME).write_text(configuration(schools, folder), encoding="utf-8")
            played = runner.run(_unless_told(prelude(schools, folder / CONFIG_NAME, keys, virtual, _tell)))
            opens = virtual.now()
        _heed(_end)
        clock.base = SystemClock()
        clock.offset = opens - clock.base.now()
        _tell(_("the engine starts"))
        return asyncio.run(_Life(schools, played, clock, Keeper(folder, keys, clock.offset)).go_on(as_json))
    except asyncio.CancelledError:
        return _ENDED
    except (ConfigError, NotReady, Unanswered, OSError, httpx.HTTPError) as error:
        return _failed(_("the demo did not start: {error}").format(error=error))
    finally:
        # Told once is enough: what is left to do is to leave nothing behind.
        _heed(signal.SIG_IGN)
        for school in schools:
            school.close()
        if place is None:
            shutil.rmtree(folder, ignore_errors=True)


async def _unless_told(work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives. Raises CancelledError once this process is told to end."""
    loop, this = asyncio.get_running_loop(), asyncio.current_task()
    assert this is not None
    for name in _ENDING:
        loop.add_signal_handler(name, this.cancel)
    return await work


def _heed(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    """What to do, outside any loop, when this process is told to end."""
    for name in _ENDING:
        signal.signal(name, handler)


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(_ENDED)


class _Life:
    """Everything that goes on in real time, from the opening to the end."""

    def __init__(
        self, schools: Sequence[Campus], played: Sequence[Played], clock: SteppedClock, keeper: Keeper
    ) -> None:
        self._schools = schools
        self._bustle = [Bustle(one.scene, one.cast, one.attendance, clock) for one in played]
        self._keeper = keeper

    async def go_on(self, as_json: bool) -> int:
        """Serve, keep the engine running, let people work; 0 once told to end. Raises NotReady."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in _ENDING:
            loop.add_signal_handler(name, ended.set)
        lifeline.hold(sys.stdin.fileno(), ended.set)
        servers = [
            (server(app, Unsignalled), listener)
            for school in self._schools
            for app, listener in (
                (school.erp.app, school.erp_listener),
                (school.edusign.app, school.edusign_listener),
            )
        ]
        serving = [asyncio.ensure_future(one.serve(sockets=[listener])) for one, listener in servers]
        told = asyncio.ensure_future(ended.wait())
        going_on: list[asyncio.Future[Any]] = [told]
        try:
            await self._keeper.start()
            self._say_where(as_json)
            going_on += [asyncio.ensure_future(self._keeper.keep())]
            going_on += [asyncio.ensure_future(_bustling(one)) for one in self._bustle]
            done, _others = await asyncio.wait([*going_on, *serving], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {told}:
                task.result()
        finally:
            for task in going_on:
                task.cancel()
            await asyncio.gather(*going_on, return_exceptions=True)
            await self._keeper.stop()
            for one, _listener in servers:
                one.should_exit = True
            await asyncio.gather(*serving, return_exceptions=True)
        return 0

    def _say_where(self, as_json: bool) -> None:
        folder, socket, log = self._keeper.socket.parent, self._keeper.socket, self._keeper.log
        if not as_json:
            _tell("")
            print(_("The demo is up; in another terminal: rollcall --folder {folder} status").format(
                folder=folder), flush=True)  # fmt: skip
            return
        place = {"folder": folder, "socket": socket, "config": folder / CONFIG_NAME, "log": log}
        print(json.dumps({name: str(path) for name, path in place.items()}), flush=True)
        if sys.stderr.isatty():
            # From now on the terminal belongs to whoever reads that line.
            _tell("")
            quiet = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.dup2(quiet, sys.stderr.fileno())
            os.close(quiet)


async def _bustling(bustle: Bustle) -> None:
    while True:
        await asyncio.sleep(bustle.pause())
        bustle.go_on()


def _tell(line: str) -> None:
    """Where the set-up is, to a person at a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[2K{line}")
        sys.stderr.flush()


def _failed(message: str) -> int:
    _tell("")
    print(printable(message), file=sys.stderr)
    return 1
