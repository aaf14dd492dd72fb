"""A small language for stories: a simulated school, a real engine, people on both sides, on virtual time.

def test_a_story() -> None:
    async def story(town: Town) -> None:
        await town.plan_is_empty()

    play(story, settled=True)

`settled=True` begins where first contact is over and everything is carried over; what leads there is played
once per process and kept.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import shutil
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple
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
    ApplyRequest,
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
SHARED_MEMORY = "/dev/shm"
ROOM_BYTES = 2**29

GENEROUS = {
    name: Limit(share=1.0, count=10_000)
    for name in ("archive learner", "withdraw sheet", "remove sheet", "update learner", "update sheet")
}


class Known(NamedTuple):
    """A linked record: its hidden identity, and its name on either side."""

    kind: Kind
    identity: str
    erp_id: str
    edusign_id: str


class Side:
    """One connection's two simulators."""

    def __init__(
        self,
        name: str,
        seed: int,
        learners: int,
        start: date,
        clock: Any,
        weeks: int,
        switches: EdusignSwitches,
    ) -> None:
        self.name = name
        self.school = School.seeded(seed, learners=learners, start=start, weeks=weeks)
        self.erp = YpareoSimulator(self.school, clock)
        self.edusign = EdusignSimulator(seed, clock, switches, handmade=self.school.handmade)

    def photograph(self) -> bytes:
        """Both simulators' stores and ledgers as they are now."""
        return pickle.dumps([{k: vars(one)[k] for k in keys} for one, keys in self._changing()])

    def restore(self, photograph: bytes) -> None:
        for (one, _keys), values in zip(self._changing(), pickle.loads(photograph), strict=True):
            vars(one).update(values)

    def _changing(self) -> list[tuple[Any, list[str]]]:
        """What holds state, and under which names."""
        kept = {"control", "now", "switches"}
        ledgers = ["offset", "writes", "edits", "requests"]
        return [
            (self.erp.store, sorted(vars(self.erp.store).keys() - kept)),
            (self.edusign.store, sorted(vars(self.edusign.store).keys() - kept)),
            (self.edusign.hand, ["_ids"]),
            (self.erp.control, ledgers),
            (self.edusign.control, ledgers),
        ]


class Line(httpx.AsyncBaseTransport):
    """The line to one simulator; `tap` is awaited with each request before it is handed over."""

    def __init__(self, side: Side, system: str) -> None:
        self._side = side
        self._system = system
        self.tap: Callable[[httpx.Request], Awaitable[None]] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.tap is not None:
            await self.tap(request)
        app = self._side.erp.app if self._system == "erp" else self._side.edusign.app
        return await httpx.ASGITransport(app).handle_async_request(request)


@dataclass(frozen=True)
class Settled:
    """A town at rest: the engine's state, both systems, and when."""

    at: datetime
    state: bytes
    sides: Mapping[str, bytes]


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
        limits: Mapping[str, Limit],
        switches: EdusignSwitches,
        begun: date,
    ) -> None:
        self.loop = loop
        self.folder = folder
        self.world_clock = SteppedClock(VirtualClock(start.astimezone(UTC), loop))
        self.clock = SteppedClock(self.world_clock)
        """The engine's own clock: step `offset` to let it go wrong alone; `world_clock`'s for everybody."""
        self.sides = {
            name: Side(name, seed + n, learners, begun, self.world_clock, weeks, switches)
            for n, name in enumerate(connections)
        }
        self.settings: dict[str, Any] = {}
        """Yparéo's own settings beside address and token; `options` are the connection's."""
        self._seen_writes = dict.fromkeys(connections, 0)
        self.options: dict[str, Any] = {
            "windows": windows,
            "removals_after": removals_after,
            "limits": {**GENEROUS, **limits},
        }
        self.lines = {
            (name, system): Line(side, system)
            for name, side in self.sides.items()
            for system in ("erp", "edusign")
        }
        self.transports: dict[tuple[str, str], httpx.AsyncBaseTransport] = {}
        self.engine: Engine
        self.drain_interval = 0.5
        self.schedule = False
        """Whether windows start runs by themselves."""
        self._up = False

    @property
    def side(self) -> Side:
        """The first connection's two systems."""
        return next(iter(self.sides.values()))

    @property
    def name(self) -> str:
        return self.side.name

    @property
    def line(self) -> Line:
        """The first connection's line to Edusign."""
        return self.lines[self.name, "edusign"]

    @property
    def hand(self) -> Any:
        """A person at Edusign's UI."""
        return self.side.edusign.hand

    @property
    def erp(self) -> Any:
        """The people at the ERP's UI."""
        return self.side.erp.store

    def opened(self) -> Engine:
        """An engine on this town's folder, not started."""
        return compose(
            self.config(),
            self.clock,
            self._transport,
            secret=lambda reference: EDUSIGN_KEY if reference == "env:EDUSIGN" else DEMO_TOKEN,
            machine_lock=self.folder / "machine.lock",
            drain_interval=self.drain_interval,
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
                        {"url": "http://127.0.0.1:2/index.php", "token": "env:YPAREO", **self.settings}
                    ),
                    **given,
                )
                for name in self.sides
            },
        )

    def _transport(self, name: str, system: str) -> httpx.AsyncBaseTransport:
        return self.transports.get((name, system)) or self.lines[name, system]

    # Time and processes

    async def at(self, wall: str) -> None:
        """Let time pass until a Paris wall time such as "2026-09-15 11:40"."""
        local = datetime.fromisoformat(wall).replace(tzinfo=PARIS)
        while (left := (local - self.world_clock.now()).total_seconds()) > 0:  # noqa: ASYNC110 clocks may step
            await asyncio.sleep(left)

    async def after(self, **span: float) -> None:
        """Let a span pass: `await town.after(hours=2)`."""
        await asyncio.sleep(timedelta(**span).total_seconds())

    async def stop(self) -> None:
        """Stop the engine; nothing where it is stopped."""
        if self._up:
            self._up = False
            await self.engine.stop()

    async def restart(self) -> None:
        """Stop the engine and start another on the same folder."""
        await self.stop()
        self.engine = self.opened()
        await self.start()

    async def start(self) -> None:
        await self.engine.start(schedule=self.schedule)
        self._up = True

    # What a sysadmin does

    async def run(self, name: str = "", *, only: str = "") -> RunView:
        """Run an import now and wait for its end."""
        view = await self.engine.start_run(RunRequest(connection=name or self.name, only=only), "ada")
        return await self.engine.wait_run(view.id)

    async def apply(self, plan: PlanView, *changes: str) -> RunView:
        """Write a plan's changes as `rollcall apply` does: all that are not held, or the given ones."""
        return await self.engine.apply(ApplyRequest(plan=plan.id, changes=changes or None), "ada")

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

    async def settle(self, name: str = "") -> None:
        """First contact made and approved, everything carried over, people's pairs answered by the truth."""
        name = name or self.name
        await self.run(name)
        for _round in range(3):
            if not await self.items("duplicate", name) and not await self.items("hold", name):
                return
            for pair in await self.items("duplicate", name):
                await self.decide(pair, "same" if self.same_person(pair) else "different")
            for hold in await self.items("hold", name):
                await self.decide(hold, "refuse" if hold.code == "archived_other_name" else "approve")
            await self.run(name)

    settled = settle

    def same_person(self, pair: ItemView) -> bool:
        side = self.sides[pair.connection]
        row = self.edusign_row(pair.kind, pair.edusign_id, side)  # type: ignore[arg-type]
        try:
            return str(side.erp.code_of(row["identity"])) == pair.erp_id
        except ControlError:
            return False  # somebody the ERP never had

    async def known(self, identity: str) -> Known:
        """A linked record by its hidden identity."""
        store = self.erp
        kinds: tuple[tuple[Kind, Any], ...] = (
            ("learner", store.learners), ("speaker", store.staff),
            ("group", store.groups), ("sheet", store.sessions),
        )  # fmt: skip
        (kind,) = [kind for kind, rows in kinds if identity in rows]
        erp_id = str(store.row(identity).code)
        return Known(kind, identity, erp_id, (await self.linked(kind))[erp_id])

    async def plain_learners(self, group: str = "G001") -> list[Known]:
        """Linked learners of a group whom no dirt concerns."""
        links, dirty = await self.linked("learner"), self.side.school.dirty()
        return [
            Known("learner", one.identity, str(one.code), links[str(one.code)])
            for one in self.erp.learners.values()
            if one.group == group and one.identity not in dirty and str(one.code) in links
        ]

    def row(self, one: Known) -> dict[str, Any]:
        """Its raw Edusign record."""
        return self.edusign_row(one.kind, one.edusign_id)

    def roster(self, sheet: Known) -> set[str]:
        """The Edusign ids of the learners on a sheet, or in a group."""
        return {one["studentId"] if isinstance(one, dict) else one for one in self.row(sheet)["STUDENTS"]}

    def sheets(self, erp_id: str = "") -> list[dict[str, Any]]:
        """Raw sheets that carry an ERP key in their API_ID, its later sheets (`key#2`) too."""
        rows = self.side.edusign.dump()["courses"]
        return [row for row in rows if row["API_ID"].partition("#")[0] == erp_id]

    def written(self, name: str = "") -> list[dict[str, Any]]:
        """Edusign's ledger of API writes since this was last asked."""
        name = name or self.name
        writes = self.sides[name].edusign.control.writes
        new, self._seen_writes[name] = writes[self._seen_writes[name] :], len(writes)
        return list(new)

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
    settled: bool = False,
    start: str = "2026-09-14 08:00",
    connections: tuple[str, ...] = ("lyon",),
    learners: int = 40,
    weeks: int = 2,
    windows: tuple[Window, ...] | None = None,
    seed: int = 7,
    removals_after: timedelta = timedelta(0),
    limits: Mapping[str, Limit] | None = None,
    schedule: bool = False,
    switches: Mapping[str, Any] | None = None,
) -> None:
    """Play one story on virtual time. `schedule`: whether windows start runs by themselves.

    `switches` are Edusign's; its latency is 0 unless they say otherwise.
    """
    begin = datetime.fromisoformat(start).replace(tzinfo=PARIS)
    shape = {
        "connections": connections,
        "learners": learners,
        "weeks": weeks,
        "windows": windows,
        "seed": seed,
        "removals_after": removals_after,
        "limits": tuple(sorted((limits or {}).items())),
        "switches": EdusignSwitches(**{"latency": 0.0, **(switches or {})}),
    }
    kept = _settled(begin, **shape) if settled else None
    _play(story, begin, kept, schedule, **shape)


@cache
def _in_memory() -> str | None:
    """A folder whose files wait for no disk, if there is one with room: no town outlives its process."""
    try:
        free = shutil.disk_usage(SHARED_MEMORY).free
    except OSError:
        return None
    return SHARED_MEMORY if free >= ROOM_BYTES and os.access(SHARED_MEMORY, os.W_OK) else None


@lru_cache(maxsize=8)
def _settled(begin: datetime, **shape: Any) -> Settled:
    """The town of `begin` with everything carried over."""
    taken: list[Settled] = []

    async def story(town: Town) -> None:
        for name in town.sides:
            await town.settle(name)
        await town.stop()
        sides = {name: side.photograph() for name, side in town.sides.items()}
        with closing(sqlite3.connect(town.folder / "state.sqlite")) as store, store:
            store.execute("DELETE FROM outbox")  # no story asks the log about what came before it
        state = (town.folder / "state.sqlite").read_bytes()
        taken.append(Settled(town.world_clock.now(), state, sides))

    _play(story, begin, None, False, **shape)
    return taken[0]


def _play(
    story: Story, begin: datetime, kept: Settled | None, schedule: bool, *, limits: Any, **shape: Any
) -> None:
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    with tempfile.TemporaryDirectory(dir=_in_memory()) as folder:
        town = Town(
            loop,
            Path(folder),
            start=kept.at if kept else begin,
            begun=begin.date(),
            limits=dict(limits),
            **shape,
        )
        if kept:
            (town.folder / "state.sqlite").write_bytes(kept.state)
            for name, photograph in kept.sides.items():
                town.sides[name].restore(photograph)
                town.written(name)
        town.engine = town.opened()

        async def all_of_it() -> None:
            town.schedule = schedule
            await town.start()
            try:
                await story(town)
            finally:
                await town.stop()

        try:
            loop.run_until_complete(all_of_it())
        finally:
            loop.close()
            asyncio.set_event_loop(None)
