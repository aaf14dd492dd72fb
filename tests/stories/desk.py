"""A sysadmin at a desk: stories played on the real console, the real engine and both simulated systems.

def test_a_story() -> None:
    async def story(desk: Desk) -> None:
        await desk.presses("p")
        await desk.sees("2 changes pending")

    at_the_desk(story)

Console and engine live in one process on a loop whose time is real, except while a story lets time pass: then
it jumps. The console asks over a real socket, from threads, as it always does.
"""

from __future__ import annotations

import asyncio
import selectors
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import httpx
from textual.message import Message
from textual.pilot import Pilot
from textual.screen import Screen

from connectors.edusign.simulator import EdusignSwitches
from console.app import Console
from console.attachment import Told
from console.engine_client import EngineClient
from engine.config_models import Limit
from engine.service.access import InProcess
from engine.service.endpoints import Role
from engine.service.models import EventView, ItemView, RunRequest, RunView
from engine.service.routes import application
from engine.service.socket import SocketServer
from tests.stories.town import PARIS, Town, _in_memory, _settled

T = TypeVar("T")

PATIENCE = 30.0
"""Real seconds until what a story waits for is taken for never coming."""


class PacedLoop(asyncio.SelectorEventLoop):
    """An event loop in real time that jumps from timer to timer while it is hurried."""

    def __init__(self) -> None:
        self._offset = -perf_counter()
        self.goal: float | None = None
        self.under_way = 0
        super().__init__(_PacedSelector(self))

    def time(self) -> float:
        return perf_counter() + self._offset

    def jump(self, seconds: float) -> None:
        self._offset += seconds

    @contextmanager
    def hurried(self, until: float) -> Iterator[None]:
        """Jump over waits until the loop's time is `until`."""
        self.goal = until
        try:
            yield
        finally:
            self.goal = None

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self.under_way += 1
        future.add_done_callback(self._returned)
        return future

    def _returned(self, _future: asyncio.Future[Any]) -> None:
        self.under_way -= 1


class _PacedSelector(selectors.DefaultSelector):
    def __init__(self, loop: PacedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self._loop
        if loop.goal is None or loop.under_way:
            return super().select(timeout)
        ready = super().select(0)
        if not ready and timeout:
            loop.jump(min(timeout, max(loop.goal - loop.time(), 0.0)))
        return ready


class WatchedConsole(Console):
    """The console, telling when it has painted. `followed`: the seq of every event it was told, in order."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.painted = asyncio.Event()
        self.followed: list[int] = []

    def post_message(self, message: Message) -> bool:
        if isinstance(message, Told):
            self.followed += [event.seq for event in message.events]
        return super().post_message(message)

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        super()._display(screen, renderable)
        self.painted.set()


class Desk:
    """What a person at the console does and sees, and what people elsewhere do meanwhile (`town`)."""

    def __init__(
        self, town: Town, loop: PacedLoop, console: WatchedConsole, pilot: Pilot[int], serving: Serving
    ) -> None:
        self.serving = serving
        self.town = town
        self.loop = loop
        self.console = console
        self.pilot = pilot

    # Hands and eyes

    async def presses(self, *keys: str) -> None:
        """Press keys one after the other."""
        for key in keys:
            await self.pilot.press(key)

    async def types(self, text: str) -> None:
        await self.pilot.press(*text)

    async def filters(self, text: str) -> None:
        """Filter the list in front."""
        await self.presses("slash")
        await self.types(text)
        await self.presses("enter")

    @property
    def screen(self) -> str:
        """What is on the screen, as text."""
        strips = self.console.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    async def sees(self, *texts: str) -> None:
        """Wait until all of these are on the screen."""
        await self.until(lambda: all(text in self.screen for text in texts), f"to see {texts}")

    async def sees_no(self, text: str) -> None:
        """Wait until this is not on the screen."""
        await self.until(lambda: text not in self.screen, f"not to see {text!r}")

    async def until(self, holds: Callable[[], bool], what: str = "") -> None:
        """Wait until something holds; looked at after every paint."""
        limit = perf_counter() + PATIENCE
        while True:
            self.console.painted.clear()
            await self.pilot.pause()
            if holds():
                return
            left = limit - perf_counter()
            assert left > 0, f"waited {what}; the screen is:\n{self.screen}"
            try:
                async with asyncio.timeout(min(left, 1.0)):
                    await self.console.painted.wait()
            except TimeoutError:
                continue

    async def moves_to(self, text: str) -> None:
        """Move the cursor of the list in front down to the row that shows a text."""
        await self.sees(text)
        await self.presses("home")
        for _step in range(200):
            if text in self.row:
                return
            await self.presses("down")
        raise AssertionError(f"no row shows {text!r}:\n{self.screen}")

    async def moves_in_pane(self, text: str) -> None:
        """Move the cursor of the pane that has the focus down to the row that shows a text."""
        from console.widgets.rows import Rows

        pane = self.console.screen.focused
        assert isinstance(pane, Rows)

        def here() -> str:
            line = pane.model.line(pane.cursor, 200) if pane.model.count else None
            return "".join(span.text for span in line or ())

        await self.until(lambda: pane.model.count > 0, "rows")
        await self.presses("home")
        for _step in range(pane.model.count):
            if text in here():
                return
            await self.presses("down")
        raise AssertionError(f"no row shows {text!r}:\n{self.screen}")

    @property
    def row(self) -> str:
        """The row under the cursor."""
        from console.widgets.rows import Rows

        rows = self.console.screen.query(Rows).first()
        line = rows.model.line(rows.cursor, 200) if rows.model.count else None
        return "".join(span.text for span in line or ())

    @property
    def followed(self) -> list[int]:
        """The seq of every event the console was told, in order."""
        return self.console.followed

    @property
    def seen(self) -> Any:
        """The dashboard the console holds."""
        assert self.console.dashboard is not None
        return self.console.dashboard

    async def restarts_the_engine(self) -> None:
        """The engine dies under the console, and another takes its place."""
        await self.serving.stop()
        await self.town.stop()
        self.town.engine = self.town.opened()
        await self.town.start()
        await self.serving.start()

    # Time

    async def after(self, **span: float) -> None:
        """Let time pass, at once."""
        seconds = timedelta(**span).total_seconds()
        with self.loop.hurried(self.loop.time() + seconds):
            await asyncio.sleep(seconds)

    async def at(self, wall: str) -> None:
        """Let time pass until a Paris wall time."""
        local = datetime.fromisoformat(wall).replace(tzinfo=PARIS)
        left = (local - self.town.world_clock.now()).total_seconds()
        if left > 0:
            await self.after(seconds=left)

    # The console's run, waited for

    async def plans(self) -> None:
        """Press p, and wait until the plan is made and shown."""
        before = await self._last_plan()
        await self.presses("p")
        await self.until_async(lambda: self._newer(before), "a new plan")

    async def runs(self) -> None:
        """Press r and y, and wait for the run's end."""
        number = len(await self.town.engine.runs(limit=1000))
        await self.presses("r", "y")

        async def ended() -> bool:
            runs = await self.town.engine.runs(limit=1000)
            return len(runs) > number and all(run.state != "running" for run in runs)

        await self.until_async(ended, "the run's end")
        await self.refreshed()

    async def until_async(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        limit = perf_counter() + PATIENCE
        while not await holds():
            assert perf_counter() < limit, f"waited for {what}; the screen is:\n{self.screen}"
            self.console.painted.clear()
            try:
                async with asyncio.timeout(0.2):
                    await self.console.painted.wait()
            except TimeoutError:
                continue

    async def refreshed(self) -> None:
        """Wait until the console has what the engine says now."""
        seq = (await self.town.engine.status()).seq
        self.console.attachment.refresh()
        await self.until(lambda: self.seen.status.seq >= seq and not self._busy(), "the dashboard to follow")

    def _busy(self) -> bool:
        return any(one.running is not None for one in self.seen.status.connections)

    async def _last_plan(self) -> str:
        from engine.service.operations import Refusal

        try:
            return (await self.town.engine.last_plan(self.town.name)).id
        except Refusal:
            return ""

    async def _newer(self, before: str) -> bool:
        if await self._last_plan() == before:
            return False
        return all(run.state != "running" for run in await self.town.engine.runs(limit=5))

    async def slow_run(self) -> RunView:
        """A run that waits in its reading until it is cancelled, shown as running."""
        held = asyncio.Event()

        async def tap(_request: httpx.Request) -> None:
            await held.wait()

        self.town.line.tap = tap
        run = await self.town.engine.start_run(RunRequest(connection=self.town.name), "bea")
        await self.until(lambda: any(one.running for one in self.seen.status.connections), "the run to show")
        return run

    async def log(self, query: str) -> list[EventView]:
        """Events by the log's grammar, newest first, once all that was told has reached the log."""
        engine = self.town.engine

        async def there() -> bool:
            status = await engine.status()
            return not await engine.store.transact(lambda tx: tx.outbox(status.epoch, status.seq, 1))

        await self.until_async(there, "the log")
        return list((await engine.events(query, limit=500)).events)

    async def item(self, type: str) -> ItemView:
        """The first open item of a type."""
        items = await self.town.items(type)
        assert items, f"no {type} is open"
        return items[0]


Story = Callable[[Desk], Awaitable[None]]


def at_the_desk(
    story: Story,
    *,
    settled: bool = True,
    start: str = "2026-09-14 08:00",
    connections: tuple[str, ...] = ("lyon",),
    learners: int = 40,
    weeks: int = 2,
    schedule: bool = False,
    size: tuple[int, int] = (80, 24),
    role: Role = "admin",
    actor: str = "ada",
    prepare: Callable[[Town], Awaitable[object]] | None = None,
    limits: Mapping[str, Limit] | None = None,
) -> None:
    """Play one story. `prepare` is done before the console is opened; `limits` are the brakes'."""
    begin = datetime.fromisoformat(start).replace(tzinfo=PARIS)
    shape: dict[str, Any] = {
        "connections": connections,
        "learners": learners,
        "weeks": weeks,
        "windows": None,
        "seed": 7,
        "removals_after": timedelta(0),
        "limits": (),
        "switches": EdusignSwitches(latency=0.0),
    }
    kept = _settled(begin, **shape) if settled else None
    at = kept.at if kept else begin
    loop = PacedLoop()
    asyncio.set_event_loop(loop)
    with tempfile.TemporaryDirectory(dir=_in_memory()) as folder:
        town = Town(loop, Path(folder), start=at, begun=begin.date(), **{**shape, "limits": dict(limits or {})})  # type: ignore[arg-type]
        if kept:
            (town.folder / "state.sqlite").write_bytes(kept.state)
            for name, photograph in kept.sides.items():
                town.sides[name].restore(photograph)
                town.written(name)
        town.schedule = schedule
        town.drain_interval = 0.02
        town.engine = town.opened()
        try:
            loop.run_until_complete(_played(story, town, loop, size, InProcess(actor, role), prepare))
        finally:
            loop.close()
            asyncio.set_event_loop(None)


async def _played(
    story: Story,
    town: Town,
    loop: PacedLoop,
    size: tuple[int, int],
    access: InProcess,
    prepare: Callable[[Town], Awaitable[object]] | None,
) -> None:
    await town.start()
    serving = Serving(town, access)
    try:
        if prepare is not None:
            await prepare(town)
        await serving.start()
        first = await asyncio.to_thread(_first, serving.path)
        console = WatchedConsole(serving.path, first, clock=loop.time)
        async with console.run_test(size=size) as pilot:
            await story(Desk(town, loop, console, pilot, serving))
    finally:
        await serving.stop()
        await town.stop()


class Serving:
    """The town's engine on its socket; stopped and started as a story wants."""

    def __init__(self, town: Town, access: InProcess) -> None:
        self.town = town
        self.path = town.folder / "engine.sock"
        self._access = access
        self._server: SocketServer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._server = SocketServer()
        self._task = asyncio.create_task(
            self._server.serve(application(self.town.engine, self._access), self.path)
        )
        await self._server.listening()

    async def stop(self) -> None:
        if self._server is not None and self._task is not None:
            self._server.stop()
            await self._task
            self._server = None


def _first(path: Path) -> Any:
    with EngineClient(path) as client:
        return client.dashboard()
