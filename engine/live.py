"""The running engine: connections, runs, windows, items and the log, behind the face of `Operations`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar, cast

from engine.apply import LEASE_TTL
from engine.clock import Clock
from engine.config import Config, masked
from engine.decisions import decide
from engine.events.drain import Drain
from engine.events.event import Event, Logged
from engine.events.export import Format
from engine.events.export import export as export_events
from engine.events.grammar import GrammarError, Query, parse
from engine.events.log import EventLog
from engine.events.search import LogError, Position, matches
from engine.executors.local import Busy, LocalExecutor
from engine.machine import FileLock
from engine.ports import Fault
from engine.records import KINDS, Kind
from engine.run import Connection, Order, Run
from engine.schedule import Schedule
from engine.service.models import (
    ApplyRequest,
    ConnectionView,
    DecideRequest,
    EventPage,
    EventView,
    FindingView,
    FreezeRequest,
    FreezeView,
    ItemView,
    OccurrenceView,
    PlanRequest,
    PlanView,
    RunRequest,
    RunView,
    StatusView,
)
from engine.service.operations import Refusal
from engine.state.store import Store
from engine.state.transaction import Lease, Transaction
from engine.windows import Occurrence, current, next_occurrences, occurrences
from engine.words import _

T = TypeVar("T")

FOLLOW_UP_AFTER = 30.0
"""Seconds after the last decision until a run of the open window takes it up."""
FOLLOW_BATCH = 500
ALL = ""
"""The freeze that concerns every connection."""


@dataclass(frozen=True)
class Standing:
    """Where this engine stands on its machine. `blocked`: per connection, why it may not write at all."""

    folder: Path
    holder: str
    machine_lock: str = ""
    blocked: Mapping[str, str] | None = None


class Engine:
    """One running engine. `start`, then everything `Operations` names, then `stop`."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        store: Store,
        log: EventLog,
        connections: Mapping[str, Connection],
        standing: Standing,
        *,
        drain_interval: float = 0.05,
    ) -> None:
        self.settings = config
        self.clock = clock
        self.store = store
        self.log = log
        self.connections = connections
        self._standing = standing
        self._executor = LocalExecutor()
        self._schedule = Schedule(
            store, clock, {n: c.config for n, c in connections.items()}, self._start_occurrence
        )
        self._reading = ThreadPoolExecutor(max_workers=2, thread_name_prefix="log-read")
        self._writing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log-write")
        self._drain_interval = drain_interval
        self._drain: Drain | None = None
        self._runs: dict[str, Run] = {}
        self._freezes: dict[str, FreezeView] = {}
        self._follow_ups: dict[str, asyncio.Task[None]] = {}
        self._background: set[asyncio.Task[Any]] = set()
        self._started = clock.now()
        self._stopping = False
        self._launching = asyncio.Lock()
        self.locks: tuple[FileLock, ...] = ()
        """Let go of when the engine stops."""

    # Life

    async def start(self, *, schedule: bool = True) -> None:
        """Recover what a crash left, feed the log, and begin to look at the windows."""
        epoch = await self.store.transact(self._begin)
        self._drain = Drain(self.store, self.log, self.clock, epoch, self._drain_interval, self._writing)
        await self._drain.start()
        await self.store.transact(self._close_interrupted)
        if schedule:
            self._schedule.start()
            for connection in self.connections.values():
                await self._resume(connection)

    async def stop(self) -> None:
        """Stop after the writes under way; everything committed reaches the log."""
        self._stopping = True
        await self._schedule.stop()
        for task in (*self._follow_ups.values(), *self._background):
            task.cancel()
        await self._executor.stop()
        if self._drain is not None:
            await self.store.transact(
                lambda tx: tx.tell(Event(level="info", kind="engine", message=_("engine stopped")))
            )
            await self._drain.stop()
        for connection in self.connections.values():
            await connection.erp.close()
            await connection.platform.close()
        self.log.close()
        self.store.close()
        self._reading.shutdown(wait=False)
        self._writing.shutdown(wait=True)
        for lock in self.locks:
            lock.release()

    def _begin(self, tx: Transaction) -> int:
        tx.release_of_the_dead()
        for name in (ALL, *self.connections):
            kept = tx.fact(f"freeze:{name}")
            if kept:
                self._freezes[name] = FreezeView.model_validate(kept)
        tx.tell(
            Event(
                level="info",
                kind="engine",
                message=_("engine started"),
                data={"pid": os.getpid(), "connections": sorted(self.connections)},
            )
        )
        for name, reason in (self._standing.blocked or {}).items():
            self._freezes.setdefault(
                name, FreezeView(connection=name, reason=reason, actor="engine", since=tx.now)
            )
        return int(tx.fact("epoch", 1))

    def _close_interrupted(self, tx: Transaction) -> None:
        """Runs that were under way when an engine died have failed; their intents are recovered by the next."""
        for view in tx.runs(limit=1000, state="running"):
            message = _("the engine stopped in the middle; the next run looks up what was left open")
            ended = view.model_copy(update={"state": "failed", "ended": tx.now, "message": message})
            tx.put_run(ended)
            tx.tell(_run_event(ended, "warn", message))
        for name in self.connections:
            for row in tx.occurrences(name, (tx.now - timedelta(days=2)).date()):
                if row["state"] == "running":
                    which = (row["flow"], row["window"], row["local_date"])
                    tx.end_occurrence(name, *which, "interrupted", _cut_short())

    # What is asked of it

    async def status(self) -> StatusView:
        views = [await self._connection_view(c) for c in self.connections.values()]
        position = self._position()
        return StatusView(
            version=metadata.version("rollcall"),
            pid=os.getpid(),
            folder=str(self._standing.folder),
            now=self.clock.now(),
            started=self._started,
            epoch=position.epoch,
            seq=position.seq,
            frozen=self._freezes.get(ALL),
            machine_lock=self._standing.machine_lock,
            connections=tuple(views),
        )

    async def _connection_view(self, connection: Connection) -> ConnectionView:
        name = connection.name
        now = self.clock.now()
        day = (now - timedelta(days=1)).date()

        def read(tx: Transaction) -> tuple[Any, ...]:
            plan = tx.last_plan(name)
            waiting = tx.fact(f"compare_only:{name}", list(KINDS) if connection.config.compare_only else [])
            runs = [r for r in tx.runs(name, limit=5) if r.state != "running"]
            return (
                runs[0] if runs else None,
                plan,
                tx.open_counts(name),
                tx.link_counts(name),
                bool(waiting),
                {_occurrence_key(name, row): row for row in tx.occurrences(name, day)},
            )

        last, plan, counts, linked, compare_only, recorded = await self.store.transact(read)
        running = self._running(name)
        freeze = self._freezes.get(name) or self._freezes.get(ALL)
        coming = next_occurrences(connection.config.windows, name, now, 4)
        live = current(connection.config.windows, name, now)
        shown = [live] if live is not None else []
        return ConnectionView(
            name=name,
            erp=connection.config.erp,
            zone=connection.config.zone,
            state="running" if running else "frozen" if freeze else "idle",
            compare_only=compare_only,
            freeze=freeze,
            last_run=last,
            running=running.view() if running else None,
            next=tuple(_occurrence_view(o, recorded.get(o.key)) for o in (*shown, *coming)),
            pending=plan.counts if plan else {},
            open=counts,
            linked=linked,
            budget_left=connection.platform.budget_left,
        )

    async def plan(self, request: PlanRequest, actor: str) -> PlanView:
        connection = self._connection(request.connection)
        run = await self._launch(connection, flow=request.flow, trigger="plan", actor=actor, dry=True)
        ended = await self.wait_run(run.id)
        if ended.state == "failed":
            raise Refusal("failed", "; ".join(part for part in (ended.message, *ended.faults) if part))
        return await self.last_plan(connection.name)

    async def last_plan(self, connection: str) -> PlanView:
        self._connection(connection)
        found = await self.store.transact(lambda tx: tx.last_plan(connection))
        if found is None:
            raise Refusal(
                "not_found", _("{name} has no plan yet: `rollcall plan {name}`").format(name=connection)
            )
        return found

    async def apply(self, request: ApplyRequest, actor: str) -> RunView:
        found = await self.store.transact(lambda tx: tx.plan(request.plan))
        if found is None:
            raise Refusal("not_found", _("no plan {id}").format(id=request.plan))
        wanted = request.changes
        chosen = frozenset(
            c.id for c in found.changes if (wanted is None and not c.hold) or c.id in (wanted or ())
        )
        run = await self._launch(
            self._connection(found.connection), flow=found.flow, trigger="apply", actor=actor, chosen=chosen
        )
        return await self.wait_run(run.id)

    async def start_run(self, request: RunRequest, actor: str) -> RunView:
        return await self._launch(
            self._connection(request.connection),
            flow=request.flow,
            trigger="person",
            actor=actor,
            only=_only(request.only),
        )

    async def wait_run(self, run_id: str) -> RunView:
        await self._executor.wait(run_id)
        return await self.run(run_id)

    async def cancel_run(self, run_id: str, actor: str) -> RunView:
        view = await self.run(run_id)
        if self._executor.cancel(run_id):
            event = _run_event(view, "notice", _("{actor} cancelled the run").format(actor=actor), actor)
            await self.store.transact(lambda tx: tx.tell(event))
        return view

    async def run(self, run_id: str) -> RunView:
        live = self._runs.get(run_id)
        if live is not None:
            return live.view()
        found = await self.store.transact(lambda tx: tx.run(run_id))
        if found is None:
            raise Refusal("not_found", _("no run {id}").format(id=run_id))
        return found

    async def runs(self, connection: str = "", limit: int = 50) -> tuple[RunView, ...]:
        kept = await self.store.transact(lambda tx: tx.runs(connection, limit))
        return tuple(self._runs[r.id].view() if r.id in self._runs else r for r in kept)

    async def items(self, type: str = "", connection: str = "", closed: bool = False) -> tuple[ItemView, ...]:
        def read(tx: Transaction) -> list[ItemView]:
            return tx.closed_items(connection, type) if closed else tx.open_items(connection, type)

        return tuple(await self.store.transact(read))

    async def item(self, item_id: str) -> ItemView:
        found = await self.store.transact(lambda tx: tx.item(item_id))
        if found is None:
            raise Refusal("not_found", _("no item {id}").format(id=item_id))
        return found

    async def decide(self, request: DecideRequest, actor: str) -> ItemView:
        item = await self.item(request.item)
        connection = self._connection(item.connection)
        expires = self._approval_ends(connection)
        settled = await self.store.transact(lambda tx: decide(tx, connection.config, request, actor, expires))
        self._follow_up(connection)
        return settled

    async def freeze(self, request: FreezeRequest, actor: str) -> FreezeView:
        if request.connection:
            self._connection(request.connection)
        return await self._freeze(request.connection, request.reason or _("no reason given"), actor)

    async def thaw(self, request: FreezeRequest, actor: str) -> None:
        name = request.connection
        blocked = (self._standing.blocked or {}).get(name)
        if blocked:
            raise Refusal("forbidden", blocked)
        if name not in self._freezes:
            raise Refusal("not_found", _("{name} is not frozen").format(name=name or _("nothing")))

        def settle(tx: Transaction) -> None:
            strangers = tx.fact(f"strangers:{name}", [])
            tx.set_fact(f"accepted:{name}", tx.fact(f"accepted:{name}", []) + strangers)
            tx.set_fact(f"strangers:{name}", [])
            tx.set_fact(f"freeze:{name}", None)
            tx.tell(_freeze_event(name, "notice", _("thawed by {actor}").format(actor=actor), actor))

        await self.store.transact(settle)
        self._freezes.pop(name, None)

    async def events(
        self,
        query: str,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 200,
        me: str = "",
    ) -> EventPage:
        parsed = self._parsed(query, me)
        epoch = self._position().epoch
        page = await self._read(
            lambda: self.log.page(
                parsed,
                before=None if before is None else (epoch, before),
                after=None if after is None else (epoch, after),
                limit=limit,
            )
        )
        return EventPage(
            events=tuple(_event_view(row) for row in page.rows),
            more=page.more,
            next=page.scanned_to.seq if page.more else None,
        )

    async def follow(self, query: str, *, after: int | None = None, me: str = "") -> AsyncIterator[EventView]:
        parsed = self._parsed(query, me)
        here = self._position()
        place = here if after is None else Position(here.epoch, after)
        assert self._drain is not None
        while True:
            rows = await self._read(partial(self._rows_after, place))
            for row in rows:
                place = Position(row.epoch, row.seq)
                if matches(parsed, row):
                    yield _event_view(row)
            if not rows and not await self._drain.wait_beyond(place):
                return

    def _rows_after(self, place: Position) -> tuple[Logged, ...]:
        return self.log.page(Query(), after=place, limit=FOLLOW_BATCH).rows

    async def export(self, query: str, path: str, format: str | None, me: str = "") -> int:
        parsed = self._parsed(query, me)
        try:
            return await self._read(
                lambda: export_events(self.log, parsed, Path(path), cast(Format | None, format))
            )
        except (OSError, ValueError, LogError) as error:
            raise Refusal("failed", str(error)) from error

    async def check(self, connection: str = "") -> tuple[FindingView, ...]:
        chosen = [self._connection(connection)] if connection else list(self.connections.values())
        found: list[FindingView] = []
        for one in chosen:
            for side in (one.erp, one.platform):
                try:
                    lines = await side.check()
                except Fault as fault:
                    found.append(
                        FindingView(connection=one.name, what=fault.route, ok=False, detail=fault.came)
                    )
                    continue
                found += [FindingView(connection=one.name, **line.model_dump()) for line in lines]
        return tuple(found)

    async def config(self) -> dict[str, Any]:
        return masked(self.settings)

    # Runs

    async def _start_occurrence(self, occurrence: Occurrence, until: datetime) -> str | None:
        """Start the run of a window; None when it can't start now (it is asked again)."""
        late = self.clock.now() >= occurrence.ends
        try:
            view = await self._launch(
                self.connections[occurrence.connection],
                flow=occurrence.flow,
                trigger="late" if late else "window",
                actor="schedule",
                occurrence=occurrence,
                deadline=until,
            )
        except Refusal:
            return None
        return view.id

    async def _launch(
        self,
        connection: Connection,
        *,
        flow: str,
        trigger: str,
        actor: str,
        occurrence: Occurrence | None = None,
        resumed: bool = False,
        deadline: datetime | None = None,
        **limits: Any,
    ) -> RunView:
        """Begin a run; one launch at a time, since a second claim takes the lease from the first."""
        async with self._launching:
            return await self._launched(
                connection,
                flow,
                trigger,
                actor,
                occurrence=occurrence,
                resumed=resumed,
                deadline=deadline,
                **limits,
            )

    async def _launched(
        self,
        connection: Connection,
        flow: str,
        trigger: str,
        actor: str,
        *,
        occurrence: Occurrence | None,
        resumed: bool,
        deadline: datetime | None,
        **limits: Any,
    ) -> RunView:
        """Claim the occurrence (one `resumed` is claimed already) and the lease, and begin."""
        if flow != "import":
            raise Refusal("usage", _("no flow {flow} in this version").format(flow=flow))
        busy = self._executor.running((connection.name, flow))
        if busy is not None:
            raise Refusal("busy", _("run {id} of {name} is under way").format(id=busy, name=connection.name))
        counted = occurrence or self._last_occurrence(connection)
        new = None if resumed else occurrence

        def claim(tx: Transaction) -> tuple[str, Lease | None, bool]:
            lease = tx.acquire(f"{connection.name}/{flow}", self._standing.holder, LEASE_TTL)
            number = int(tx.fact("runs", 0)) + 1
            run_id = f"r{number}"
            if lease is None:
                return run_id, None, False
            if new is not None and not tx.begin_occurrence(
                connection.name,
                flow,
                new.window,
                new.local_date,
                new.starts,
                new.ends,
                run_id,
            ):
                return run_id, lease, False
            tx.set_fact("runs", number)
            return run_id, lease, True

        run_id, lease, claimed = await self.store.transact(claim)
        if lease is None:
            raise Refusal("busy", _("another engine holds {name}").format(name=connection.name))
        if not claimed:
            raise Refusal("busy", _("this window has been run"))
        order = Order(
            run_id=run_id,
            flow=flow,
            occurrence=counted.key if counted else f"{connection.name}/{flow}/-/-",
            trigger=trigger,
            actor=actor,
            deadline=deadline,
            next_try=self._next_start(connection, flow),
            **limits,
        )

        async def work(cancelled: asyncio.Event) -> None:
            await self._carry_out(connection, order, lease, cancelled, occurrence)

        try:
            self._executor.start((connection.name, flow), run_id, work)
        except Busy as busy_with:
            raise Refusal("busy", _("run {id} is under way").format(id=busy_with.run_id)) from None
        await asyncio.sleep(0)
        return self._runs[run_id].view()

    async def _carry_out(
        self,
        connection: Connection,
        order: Order,
        lease: Lease,
        cancelled: asyncio.Event,
        occurrence: Occurrence | None,
    ) -> None:
        run = Run(
            connection=connection,
            order=order,
            store=self.store,
            clock=self.clock,
            lease=lease,
            stopped=lambda: self._stopped(connection.name),
            cancelled=cancelled,
        )
        self._runs[order.run_id] = run
        try:
            await self._put_run(run.view(), "info", _("import started"))
            await run.execute()
            if run.another_writer:
                await self._freeze_strangers(connection, run)
        except Exception as error:
            ended = run.view().model_copy(
                update={"state": "failed", "ended": self.clock.now(), "message": _broken(error)}
            )
            await self._put_run(ended, "error", ended.message)
            raise
        finally:
            word = "interrupted" if run.state == "cancelled" and self._stopping else "run"
            await asyncio.shield(self.store.transact(lambda tx: self._end(tx, lease, occurrence, word)))
            self._runs.pop(order.run_id, None)

    async def _put_run(self, view: RunView, level: str, message: str) -> None:
        def settle(tx: Transaction) -> None:
            tx.put_run(view)
            tx.tell(_run_event(view, level, message))

        await self.store.transact(settle)

    def _end(self, tx: Transaction, lease: Lease, occurrence: Occurrence | None, word: str) -> None:
        tx.release(lease)
        if occurrence is not None:
            which = (occurrence.flow, occurrence.window, occurrence.local_date)
            cause = _cut_short() if word == "interrupted" else ""
            tx.end_occurrence(occurrence.connection, *which, word, cause)

    def _follow_up(self, connection: Connection) -> None:
        """Within an open window, decisions are taken up by a run of their own, soon after the last of them."""
        waiting = self._follow_ups.pop(connection.name, None)
        if waiting is not None:
            waiting.cancel()
        if current(connection.config.windows, connection.name, self.clock.now(), "import") is None:
            return
        self._later(connection, "decision", None)

    async def _resume(self, connection: Connection) -> None:
        """A run that an end of the engine cut short goes on while its window is open."""
        occurrence = current(connection.config.windows, connection.name, self.clock.now(), "import")
        if occurrence is None:
            return
        rows = await self.store.transact(
            lambda tx: tx.occurrences(connection.name, occurrence.local_date - timedelta(days=1))
        )
        states = {_occurrence_key(connection.name, row): row["state"] for row in rows}
        if states.get(occurrence.key) == "interrupted":
            self._later(connection, "resumed", occurrence)

    def _later(self, connection: Connection, trigger: str, interrupted: Occurrence | None) -> None:
        self._follow_ups[connection.name] = asyncio.ensure_future(
            self._run_again(connection, trigger, interrupted)
        )

    async def _run_again(self, connection: Connection, trigger: str, interrupted: Occurrence | None) -> None:
        while True:
            await asyncio.sleep(FOLLOW_UP_AFTER)
            occurrence = current(connection.config.windows, connection.name, self.clock.now(), "import")
            if occurrence is None or self._stopping:
                return
            mine = interrupted is not None and interrupted.key == occurrence.key
            try:
                await self._launch(
                    connection,
                    flow="import",
                    trigger=trigger,
                    actor="engine",
                    occurrence=occurrence if mine else None,
                    resumed=mine,
                    deadline=occurrence.ends,
                )
            except Refusal:
                continue  # a run is under way
            self._follow_ups.pop(connection.name, None)
            return

    def _last_occurrence(self, connection: Connection) -> Occurrence | None:
        """What a run a person asks for counts under: the last window that began (R13 wants two of them)."""
        now = self.clock.now()
        day = now.date()
        begun = [
            o
            for window in connection.config.windows
            if window.flow == "import"
            for o in occurrences(window, connection.name, day - timedelta(days=8), day + timedelta(days=1))
            if o.starts <= now
        ]
        return max(begun, key=lambda o: o.starts, default=None)

    def _next_start(self, connection: Connection, flow: str) -> datetime | None:
        """When this flow is tried again by itself."""
        windows = [w for w in connection.config.windows if w.flow == flow]
        coming = next_occurrences(windows, connection.name, self.clock.now(), 1)
        return coming[0].starts if coming else None

    def _approval_ends(self, connection: Connection) -> datetime | None:
        """An approval lasts to the end of the open occurrence, else of the flow's next (R30)."""
        now = self.clock.now()
        windows = [w for w in connection.config.windows if w.flow == "import"]
        here = current(windows, connection.name, now)
        if here is not None:
            return here.ends
        coming = next_occurrences(windows, connection.name, now, 1)
        return coming[0].ends if coming else None

    # Stops

    def _stopped(self, name: str) -> str:
        freeze = self._freezes.get(name) or self._freezes.get(ALL)
        if freeze is not None:
            return _("frozen: {reason}").format(reason=freeze.reason)
        return ""

    async def _freeze(self, name: str, reason: str, actor: str) -> FreezeView:
        view = FreezeView(connection=name, reason=reason, actor=actor, since=self.clock.now())

        def settle(tx: Transaction) -> None:
            tx.set_fact(f"freeze:{name}", view.model_dump(mode="json"))
            tx.tell(_freeze_event(name, "warn", _("frozen: {reason}").format(reason=reason), actor))

        self._freezes[name] = view
        await self.store.transact(settle)
        return view

    async def _freeze_strangers(self, connection: Connection, run: Run) -> None:
        """Records under our API_TYPE that no intent of ours created: somebody else writes as us (R39)."""
        ids = [[s.kind, s.id] for s in run.another_writer]
        await self.store.transact(lambda tx: tx.set_fact(f"strangers:{connection.name}", ids))
        reason = _("another writer: {count} records bear our mark that we did not make ({first})").format(
            count=len(ids), first=", ".join(s.id for s in run.another_writer[:3])
        )
        await self._freeze(connection.name, reason, "engine")

    # Small services

    def _connection(self, name: str) -> Connection:
        found = self.connections.get(name)
        if found is None:
            known = ", ".join(sorted(self.connections)) or _("none")
            raise Refusal(
                "not_found", _("no connection {name}; there are: {known}").format(name=name, known=known)
            )
        return found

    def _running(self, name: str) -> Run | None:
        run_id = self._executor.running((name, "import"))
        return self._runs.get(run_id) if run_id else None

    def _position(self) -> Position:
        return self._drain.position if self._drain is not None else self.log.last()

    def _parsed(self, query: str, me: str) -> Query:
        try:
            return parse(query, now=self.clock.now(), zone=self._zone(), me=me)
        except GrammarError as error:
            raise Refusal("usage", str(error)) from error

    def _zone(self) -> str:
        zones = {c.config.zone for c in self.connections.values()}
        return zones.pop() if len(zones) == 1 else "UTC"

    async def _read(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reading, work)
        except LogError as error:
            raise Refusal("failed", str(error)) from error


def _only(text: str) -> tuple[Kind, str] | None:
    """ "KIND:ID" as a pair. Raises Refusal."""
    if not text:
        return None
    kind, _colon, id = text.partition(":")
    if kind not in KINDS or not id:
        raise Refusal("usage", _("{text}: KIND:ID was expected, KIND one of {kinds}").format(
            text=text, kinds=", ".join(KINDS)))  # fmt: skip
    return kind, id


def _occurrence_key(connection: str, row: Mapping[str, Any]) -> str:
    return f"{connection}/{row['flow']}/{row['window']}/{row['local_date']}"


def _occurrence_view(one: Occurrence, recorded: Mapping[str, Any] | None) -> OccurrenceView:
    return OccurrenceView(
        key=one.key,
        flow=one.flow,
        window=one.window,
        local_date=one.local_date,
        starts=one.starts,
        ends=one.ends,
        state=recorded["state"] if recorded else "planned",
        cause=recorded["cause"] if recorded else "",
    )


def _event_view(row: Logged) -> EventView:
    return EventView.model_validate(row.model_dump())


def _run_event(view: RunView, level: str, message: str, actor: str = "") -> Event:
    return Event.model_validate(
        {
            "level": level,
            "kind": "run",
            "message": message,
            "connection": view.connection,
            "run_id": view.id,
            "actor": actor or view.actor,
            "data": {"trigger": view.trigger, "occurrence": view.occurrence},
        }
    )


def _freeze_event(name: str, level: str, message: str, actor: str) -> Event:
    return Event.model_validate(
        {"level": level, "kind": "freeze", "message": message, "connection": name, "actor": actor}
    )


def _cut_short() -> str:
    return _("the engine stopped in its middle")


def _broken(error: Exception) -> str:
    return _("stopped by an error of its own ({kind}); nothing half-written: the next run looks it up").format(
        kind=type(error).__name__
    )
