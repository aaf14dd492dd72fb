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

from engine.absences.desk import AbsenceDesk
from engine.clock import Clock
from engine.conduct import Conduct, approval_ends, next_start
from engine.config import Config, masked
from engine.decisions import decide
from engine.drain import Drain
from engine.events.event import Event, Logged
from engine.events.export import Format
from engine.events.export import export as export_events
from engine.events.grammar import GrammarError, Query, parse, unparse
from engine.events.log import EventLog
from engine.events.search import LogError, Position, matches
from engine.freezes import Freezes
from engine.machine import FileLock
from engine.memory import contact_waiting
from engine.order import Connection
from engine.pending import Pending, skip
from engine.ports import Fault
from engine.records import KINDS, Kind
from engine.schedule import Schedule
from engine.searches import Searches
from engine.service.models import (
    AbsenceView,
    ApplyRequest,
    ChangePage,
    ChangeRef,
    ConnectionView,
    DashboardView,
    DecideRequest,
    EventMap,
    EventPage,
    EventView,
    FindingView,
    FoundView,
    FreezeRequest,
    FreezeView,
    ItemView,
    MeView,
    PlanRequest,
    PlanView,
    RecordView,
    RunRequest,
    RunView,
    SheetView,
    SkipRequest,
    StatusView,
    TickRequest,
    TodayView,
    WhyView,
)
from engine.service.operations import Refusal
from engine.sift import absence_facets, item_facets, run_facets, sheet_facets, sifted
from engine.sights import Around, Sights
from engine.state.store import Store
from engine.state.transaction import Transaction
from engine.views import Recorded, connection_view, event_view, soonest
from engine.windows import Flow, recorded_key
from engine.words import _

T = TypeVar("T")

FOLLOW_BATCH = 500
"""Events, at most, that a follower is handed at a time."""


DASHBOARD_ITEMS = 200
DASHBOARD_EVENTS = 20


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
        self._freezes = Freezes(store, clock, standing.blocked or {})
        self._conduct = Conduct(store, clock, connections, self._freezes, standing.holder)
        self._pending = Pending(store)
        self._schedule = Schedule(
            store, clock, {n: c.config for n, c in connections.items()}, self._conduct.start_occurrence
        )
        self._absences = AbsenceDesk(store, clock, connections)
        self._sights = Sights(store, clock, connections, self._conduct.running)
        self._reading = ThreadPoolExecutor(max_workers=2, thread_name_prefix="log-read")
        self._searches = Searches(log, self._reading)
        self._writing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log-write")
        self._drain_interval = drain_interval
        self._drain: Drain | None = None
        self._started = clock.now()
        self.locks: tuple[FileLock, ...] = ()
        """Let go of when the engine stops."""

    # Life

    async def start(self, *, schedule: bool = True) -> None:
        """Recover what a crash left, feed the log, and begin to look at the windows."""
        epoch = await self.store.transact(self._begin)
        self._drain = Drain(self.store, self.log, self.clock, epoch, self._drain_interval, self._writing)
        await self._drain.start()
        await self.store.transact(self._conduct.close_interrupted)
        if schedule:
            self._schedule.start()
            for connection in self.connections.values():
                await self._conduct.resume(connection)

    async def stop(self) -> None:
        """Stop after the writes under way; everything committed reaches the log."""
        await self._schedule.stop()
        await self._conduct.stop()
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
        self._freezes.load(tx, self.connections)
        tx.tell(
            Event(
                level="info",
                kind="engine",
                message=_("engine started"),
                data={"pid": os.getpid(), "connections": sorted(self.connections)},
            )
        )
        return int(tx.fact("epoch", 1))

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
            frozen=self._freezes.of_all,
            machine_lock=self._standing.machine_lock,
            connections=tuple(views),
        )

    async def _connection_view(self, connection: Connection) -> ConnectionView:
        name, now = connection.name, self.clock.now()
        recorded = await self.store.transact(lambda tx: _recorded(tx, connection, now))
        return connection_view(connection, recorded, self._conduct.running(name), self._freezes.of(name), now)

    async def me(self, actor: str, role: str) -> MeView:
        return MeView.model_validate({"actor": actor, "role": role})

    async def dashboard(self, actor: str, role: str) -> DashboardView:
        items = await self.items(brief=True)
        newest = await self.events("", limit=DASHBOARD_EVENTS)
        return DashboardView(
            me=await self.me(actor, role),
            status=await self.status(),
            items=items[:DASHBOARD_ITEMS],
            items_total=len(items),
            today=await self.today(),
            events=newest.events[::-1],
        )

    async def plan(self, request: PlanRequest, actor: str) -> PlanView:
        connection = self._connection(request.connection)
        run = await self._conduct.launch(connection, flow=request.flow, trigger="plan", actor=actor, dry=True)
        ended = await self.wait_run(run.id)
        if ended.state == "failed":
            raise Refusal("failed", "; ".join(part for part in (ended.message, *ended.faults) if part))
        if request.flow == "export":
            return await self._absences.plan(connection, ended)
        return await self.last_plan(connection.name)

    async def start_plan(self, request: PlanRequest, actor: str) -> RunView:
        connection = self._connection(request.connection)
        return await self._conduct.launch(connection, flow=request.flow, trigger="plan", actor=actor, dry=True)

    async def last_plan(self, connection: str) -> PlanView:
        self._connection(connection)
        found = await self.store.transact(lambda tx: tx.last_plan(connection))
        if found is None:
            raise Refusal(
                "not_found", _("{name} has no plan yet: `rollcall plan {name}`").format(name=connection)
            )
        return found

    async def changes(self, query: str = "", offset: int = 0, limit: int = 200, me: str = "") -> ChangePage:
        parsed, now = self._parsed(query, me), self.clock.now()
        return await self._pending.page(self.connections, query, parsed, offset, limit, now)

    async def change_refs(self, query: str = "", me: str = "") -> tuple[ChangeRef, ...]:
        now = self.clock.now()
        return await self._pending.refs(self.connections, query, self._parsed(query, me), now)

    async def skip(self, request: SkipRequest, actor: str) -> int:
        plan = await self.store.transact(lambda tx: tx.plan(request.plan))
        if plan is None:
            raise Refusal("not_found", _("no plan {id}").format(id=request.plan))
        connection = self._connection(plan.connection)
        count = await self.store.transact(lambda tx: skip(tx, connection.config, request, actor))
        self._pending.forget()
        return count

    async def apply(self, request: ApplyRequest, actor: str) -> RunView:
        return await self.wait_run((await self.start_apply(request, actor)).id)

    async def start_apply(self, request: ApplyRequest, actor: str) -> RunView:
        found = await self.store.transact(lambda tx: tx.plan(request.plan))
        if found is None:
            raise Refusal("not_found", _("no plan {id}").format(id=request.plan))
        wanted = request.changes
        chosen = frozenset(
            c.id for c in found.changes if (wanted is None and not c.hold) or c.id in (wanted or ())
        )
        connection = self._connection(found.connection)
        return await self._conduct.launch(
            connection, flow=found.flow, trigger="apply", actor=actor, chosen=chosen
        )

    async def start_run(self, request: RunRequest, actor: str) -> RunView:
        connection = self._connection(request.connection)
        return await self._conduct.launch(
            connection,
            flow=request.flow,
            trigger="person",
            actor=actor,
            only=_only(request.only),
        )

    async def wait_run(self, run_id: str) -> RunView:
        await self._conduct.wait(run_id)
        return await self.run(run_id)

    async def cancel_run(self, run_id: str, actor: str) -> RunView:
        view = await self.run(run_id)
        await self._conduct.cancel(view, actor)
        return view

    async def run(self, run_id: str) -> RunView:
        live = self._conduct.view(run_id)
        if live is not None:
            return live
        found = await self.store.transact(lambda tx: tx.run(run_id))
        if found is None:
            raise Refusal("not_found", _("no run {id}").format(id=run_id))
        return found

    async def runs(
        self, connection: str = "", limit: int = 50, query: str = "", me: str = ""
    ) -> tuple[RunView, ...]:
        asked = self._parsed(query, me)
        kept = await self.store.transact(lambda tx: tx.runs(connection, limit if asked == Query() else 1000))
        return sifted(asked, [self._conduct.view(r.id) or r for r in kept], run_facets)[:limit]

    async def items(
        self,
        type: str = "",
        connection: str = "",
        closed: bool = False,
        query: str = "",
        brief: bool = False,
        me: str = "",
    ) -> tuple[ItemView, ...]:
        asked = self._parsed(query, me)

        def read(tx: Transaction) -> list[ItemView]:
            listed = tx.closed_items if closed else tx.open_items
            types = type.split(",")
            found = [item for one in types for item in listed(connection, one)]
            return found if closed or len(types) == 1 else sorted(found, key=soonest)

        found = sifted(asked, await self.store.transact(read), item_facets)
        return tuple(one.model_copy(update={"changes": ()}) for one in found) if brief else found

    async def item(self, item_id: str) -> ItemView:
        found = await self.store.transact(lambda tx: tx.item(item_id))
        if found is None:
            raise Refusal("not_found", _("no item {id}").format(id=item_id))
        return found

    async def decide(self, request: DecideRequest, actor: str) -> ItemView:
        item = await self.item(request.item)
        connection = self._connection(item.connection)
        flow: Flow = "export" if item.data.get("flow") == "export" else "import"
        expires = approval_ends(connection.config, self.clock.now(), flow)
        settled = await self.store.transact(lambda tx: decide(tx, connection.config, request, actor, expires))
        self._pending.forget()
        self._conduct.follow_up(connection, flow)
        return settled

    async def freeze(self, request: FreezeRequest, actor: str) -> FreezeView:
        if request.connection:
            self._connection(request.connection)
        return await self._freezes.freeze(request.connection, request.reason or _("no reason given"), actor)

    async def thaw(self, request: FreezeRequest, actor: str) -> None:
        await self._freezes.thaw(request.connection, actor)

    async def events(
        self,
        query: str,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 200,
        search: str = "",
        me: str = "",
    ) -> EventPage:
        parsed = self._parsed(query, me)
        epoch = self._position().epoch
        page = await self._searches.read(
            (me, search),
            lambda log: log.page(
                parsed,
                before=None if before is None else (epoch, before),
                after=None if after is None else (epoch, after),
                limit=limit,
            ),
        )
        return EventPage(
            events=tuple(event_view(row) for row in page.rows),
            more=page.more,
            next=page.scanned_to.seq if page.more else None,
        )

    async def event_map(self, query: str = "", page: int = 200, search: str = "", me: str = "") -> EventMap:
        parsed = self._parsed(query, me)
        here = self._position()
        found, anchors = await self._searches.read(
            (me, search), lambda log: log.anchors(parsed, page, until=here)
        )
        return EventMap(
            query=unparse(parsed), epoch=here.epoch, seq=here.seq, found=found, page=page, anchors=anchors
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
                    yield event_view(row)
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
        found: list[FindingView] = []
        for one in self._chosen(connection):
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

    # Absences

    async def absences(
        self, connection: str = "", query: str = "", limit: int = 1000, me: str = ""
    ) -> tuple[AbsenceView, ...]:
        parsed = self._parsed(query, me)
        # Making thousands of lines takes seconds: without a query only those that are shown.
        most = limit if parsed == Query() else None
        views = await self._absences.views(self._chosen(connection), most)
        return sifted(parsed, views, absence_facets)[:limit]

    async def tick(self, request: TickRequest, actor: str) -> tuple[AbsenceView, ...]:
        return await self._absences.tick(request, actor)

    async def absence_form(self, connection: str) -> tuple[str, bytes, int]:
        return await self._absences.form(self._connection(connection))

    # Records

    async def today(self, connection: str = "") -> tuple[TodayView, ...]:
        return await self._sights.today(self._chosen(connection))

    async def sheets(self, connection: str = "", query: str = "", me: str = "") -> tuple[SheetView, ...]:
        parsed = self._parsed(query, me)
        views = await self._sights.sheets(self._chosen(connection))
        return sifted(parsed, views, sheet_facets)

    async def find(self, text: str, connection: str = "", limit: int = 50) -> tuple[FoundView, ...]:
        return await self._sights.find(text, self._chosen(connection), limit)

    async def record(self, connection: str, kind: str, id: str) -> RecordView:
        return await self._sights.record(self._connection(connection), kind, id)

    async def look(self, connection: str, kind: str, id: str) -> RecordView:
        return await self._sights.look(self._connection(connection), kind, id)

    async def why(self, text: str, connection: str = "", limit: int = 5) -> tuple[WhyView, ...]:
        return await self._sights.why(text, self._chosen(connection), self._around, limit)

    async def why_now(self, connection: str, kind: str, id: str) -> WhyView:
        chosen = self._connection(connection)
        return await self._sights.why_now(chosen, kind, id, await self._around(chosen))

    async def _around(self, connection: Connection) -> Around:
        """What an answer to "why" depends on beside the record."""
        now = self.clock.now()
        recorded = await self.store.transact(lambda tx: _recorded(tx, connection, now))
        waiting = await self.store.transact(lambda tx: contact_waiting(tx, connection.config))
        return Around(
            compare_only=waiting,
            frozen=self._freezes.stopped(connection.name),
            last_run=recorded.last_run,
            next_at=next_start(connection.config, "import", now),
        )

    # Small services

    def _connection(self, name: str) -> Connection:
        found = self.connections.get(name)
        if found is None:
            known = ", ".join(sorted(self.connections)) or _("none")
            raise Refusal(
                "not_found", _("no connection {name}; there are: {known}").format(name=name, known=known)
            )
        return found

    def _chosen(self, name: str) -> list[Connection]:
        """The connection of this name, all without one."""
        return [self._connection(name)] if name else list(self.connections.values())

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


def _recorded(tx: Transaction, connection: Connection, now: datetime) -> Recorded:
    """What the store holds of a connection that its view shows; occurrences from yesterday on."""
    name = connection.name
    # A plan writes nothing: it is no last run. What exports do is told of the absences.
    runs = [
        r
        for r in tx.runs(name, limit=40)
        if r.state != "running" and r.trigger != "plan" and r.flow == "import"
    ]
    rows = tx.occurrences(name, (now - timedelta(days=1)).date())
    return Recorded(
        last_run=runs[0] if runs else None,
        pending=tx.planned(name),
        open=tx.open_counts(name),
        linked=tx.link_counts(name),
        compare_only=bool(contact_waiting(tx, connection.config)),
        occurrences={recorded_key(name, row): row for row in rows},
    )
