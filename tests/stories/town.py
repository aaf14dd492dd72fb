"""A small language for stories: a simulated school, a real engine, people on both sides, on virtual time.

def test_a_story() -> None:
    async def story(town: Town) -> None:
        await town.settled()
        await town.plan_is_empty()

    play(story)
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from connectors.edusign.simulator import EdusignSimulator, EdusignSwitches
from connectors.simulation.control import ControlError
from connectors.simulation.school import School
from connectors.ypareo.simulator import DEMO_TOKEN, YpareoSimulator
from engine.clock import SteppedClock, VirtualClock, VirtualLoop
from engine.compose import compose, connectors
from engine.config_models import Config, ConnectionConfig, EngineConfig, Limit
from engine.live import Engine
from engine.records import Kind
from engine.service.models import (
    ChangeView,
    DecideRequest,
    EventView,
    ItemView,
    PlanRequest,
    PlanView,
    RunRequest,
    RunView,
)
from engine.windows import Window

PARIS = ZoneInfo("Europe/Paris")
MONDAY = date(2026, 9, 14)
EDUSIGN_KEY = "edusign-demo-key"

GENEROUS = {
    name: Limit(share=1.0, count=10_000)
    for name in ("archive learner", "withdraw sheet", "remove sheet", "update learner", "update sheet")
}


class Side:
    """One connection's two simulators."""

    def __init__(self, name: str, seed: int, learners: int, start: date, clock: Any, weeks: int) -> None:
        self.name = name
        self.school = School.seeded(seed, learners=learners, start=start, weeks=weeks)
        self.erp = YpareoSimulator(self.school, clock)
        self.edusign = EdusignSimulator(
            seed, clock, EdusignSwitches(latency=0.0), handmade=self.school.handmade
        )


class Town:
    """Everything a story can see and do. Times are Europe/Paris wall times, as people say them."""

    def __init__(
        self,
        loop: VirtualLoop,
        folder: Path,
        *,
        start: datetime,
        connections: tuple[str, ...],
        learners: int,
        weeks: int,
        windows: tuple[Window, ...] | None,
        seed: int,
        removals_after: timedelta,
        limits: dict[str, Limit],
    ) -> None:
        self.loop = loop
        self.folder = folder
        self.world_clock = SteppedClock(VirtualClock(start.astimezone(UTC), loop))
        self.clock = SteppedClock(self.world_clock)
        """The engine's own clock: step `offset` to let it go wrong alone; `world_clock`'s for everybody."""
        day = start.astimezone(PARIS).date()
        self.sides = {
            name: Side(name, seed + n, learners, day, self.world_clock, weeks)
            for n, name in enumerate(connections)
        }
        self.options: dict[str, Any] = {
            "windows": windows,
            "removals_after": removals_after,
            "limits": {**GENEROUS, **limits},
        }
        self.transports: dict[tuple[str, str], httpx.AsyncBaseTransport] = {}
        self.engine = self.opened()

    @property
    def side(self) -> Side:
        """The first connection's two systems."""
        return next(iter(self.sides.values()))

    @property
    def name(self) -> str:
        return self.side.name

    def opened(self) -> Engine:
        """An engine on this town's folder, not started."""
        return compose(
            self.config(),
            self.clock,
            self._transport,
            secret=lambda reference: EDUSIGN_KEY if reference == "env:EDUSIGN" else DEMO_TOKEN,
            machine_lock=self.folder / "machine.lock",
            drain_interval=0.5,
        )

    def config(self) -> Config:
        known = connectors()
        given = {k: v for k, v in self.options.items() if v is not None}
        return Config(
            engine=EngineConfig(folder=self.folder),
            connections={
                name: ConnectionConfig(
                    name=name,
                    erp="ypareo",
                    horizon_days=7,
                    edusign=known["edusign"].settings.model_validate(
                        {"key": "env:EDUSIGN", "url": "http://127.0.0.1:1", "heavy_per_minute": 480}
                    ),
                    settings=known["ypareo"].settings.model_validate(
                        {"url": "http://127.0.0.1:2/index.php", "token": "env:YPAREO"}
                    ),
                    **given,
                )
                for name in self.sides
            },
        )

    def _transport(self, name: str, system: str) -> httpx.AsyncBaseTransport:
        given = self.transports.get((name, system))
        if given is not None:
            return given
        side = self.sides[name]
        return httpx.ASGITransport(side.erp.app if system == "erp" else side.edusign.app)

    # Time and processes

    async def at(self, wall: str) -> None:
        """Let time pass until a Paris wall time such as "2026-09-15 11:40"."""
        local = datetime.fromisoformat(wall).replace(tzinfo=PARIS)
        await self.world_clock.sleep_until(local.astimezone(UTC))

    async def after(self, **span: float) -> None:
        """Let a span pass: `await town.after(hours=2)`."""
        await asyncio.sleep(timedelta(**span).total_seconds())

    async def restart(self) -> None:
        """Stop the engine and start another on the same folder."""
        await self.engine.stop()
        self.engine = self.opened()
        await self.engine.start()

    # What a sysadmin does

    async def run(self, name: str = "", *, only: str = "") -> RunView:
        """Run an import now and wait for its end."""
        view = await self.engine.start_run(RunRequest(connection=name or self.name, only=only), "ada")
        return await self.engine.wait_run(view.id)

    async def plan(self, name: str = "") -> PlanView:
        return await self.engine.plan(PlanRequest(connection=name or self.name), "ada")

    async def pending(self, name: str = "") -> list[ChangeView]:
        """What a plan made now would write, held and skipped changes left out."""
        return [c for c in (await self.plan(name)).changes if not c.hold]

    async def plan_is_empty(self, name: str = "") -> None:
        assert [(c.verb, c.label, c.after) for c in await self.pending(name)] == []

    async def items(self, type: str = "", name: str = "") -> list[ItemView]:
        return list(await self.engine.items(type=type, connection=name))

    async def decide(self, item: ItemView, choice: str, value: str = "", who: str = "ada") -> ItemView:
        request = DecideRequest(item=item.id, choice=choice, value=value, revision=item.revision)
        return await self.engine.decide(request, who)

    async def approve_all(self, name: str = "") -> int:
        holds = await self.items("hold", name)
        for hold in holds:
            await self.decide(hold, "approve")
        return len(holds)

    async def settled(self, name: str = "") -> None:
        """First contact made and approved, everything carried over, people's pairs answered by the truth."""
        name = name or self.name
        await self.run(name)
        for _round in range(3):
            for pair in await self.items("duplicate", name):
                await self.decide(pair, "same" if self.same_person(pair) else "different")
            for hold in await self.items("hold", name):
                await self.decide(hold, "refuse" if hold.code == "archived_other_name" else "approve")
            await self.run(name)

    def same_person(self, pair: ItemView) -> bool:
        side = self.sides[pair.connection]
        row = self.edusign_row(pair.kind, pair.edusign_id, side)  # type: ignore[arg-type]
        try:
            return str(side.erp.code_of(row["identity"])) == pair.erp_id
        except ControlError:
            return False  # somebody the ERP never had

    async def log(self, query: str, limit: int = 500) -> list[EventView]:
        """Events by the log's grammar, newest first."""
        await self.after(seconds=2)
        return list((await self.engine.events(query, limit=limit)).events)

    # What people do and what there is on either side

    def edusign_row(self, kind: Kind, id: str, side: Side | None = None) -> dict[str, Any]:
        """One raw Edusign record, hidden identity included."""
        dump = (side or self.side).edusign.dump()
        name = {"learner": "students", "speaker": "professors", "group": "groups", "sheet": "courses"}[kind]
        (row,) = [row for row in dump[name] if row["ID"] == id]
        return dict(row)

    async def linked(self, kind: Kind, name: str = "") -> dict[str, str]:
        """ERP key → Edusign id of every linked record of a kind."""
        links = await self.engine.store.transact(lambda tx: tx.links(name or self.name))
        return {link.erp_id: link.edusign_id for link in links.of_kind(kind)}


Story = Callable[[Town], Awaitable[None]]


def play(
    story: Story,
    *,
    start: str = "2026-09-14 08:00",
    connections: tuple[str, ...] = ("lyon",),
    learners: int = 40,
    weeks: int = 2,
    windows: tuple[Window, ...] | None = None,
    seed: int = 7,
    removals_after: timedelta = timedelta(0),
    limits: dict[str, Limit] | None = None,
    schedule: bool = False,
) -> None:
    """Play one story on virtual time. `schedule`: whether windows start runs by themselves."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    with tempfile.TemporaryDirectory() as folder:
        town = Town(
            loop,
            Path(folder),
            start=datetime.fromisoformat(start).replace(tzinfo=PARIS),
            connections=connections,
            learners=learners,
            weeks=weeks,
            windows=windows,
            seed=seed,
            removals_after=removals_after,
            limits=limits or {},
        )

        async def all_of_it() -> None:
            await town.engine.start(schedule=schedule)
            try:
                await story(town)
            finally:
                await town.engine.stop()

        try:
            loop.run_until_complete(all_of_it())
        finally:
            loop.close()
            asyncio.set_event_loop(None)
