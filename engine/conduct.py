"""Launching runs and carrying them out: whose turn it is, under which occurrence, and what follows (R35)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from engine.absences.run import Export
from engine.clock import Clock
from engine.config_models import ConnectionConfig
from engine.events.event import Event
from engine.executors.local import Busy, LocalExecutor
from engine.freezes import Freezes
from engine.order import Connection, Order
from engine.run import Run
from engine.service.models import RunView
from engine.service.operations import Refusal
from engine.settle import LEASE_TTL
from engine.state.store import Store
from engine.state.transaction import Lease, Transaction
from engine.windows import (
    FLOWS,
    Flow,
    Occurrence,
    current,
    next_occurrences,
    occurrences,
    recorded_key,
)
from engine.words import _

FOLLOW_UP_AFTER = 30.0
"""Seconds after the last decision until a run of the open window takes it up."""


class Conduct:
    """Every run of this engine, from its launch to its end. `holder` is the name its leases are taken in."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        connections: Mapping[str, Connection],
        freezes: Freezes,
        holder: str,
    ) -> None:
        self._store = store
        self._clock = clock
        self._connections = connections
        self._freezes = freezes
        self._holder = holder
        self._executor = LocalExecutor()
        self._runs: dict[str, Run | Export] = {}
        self._follow_ups: dict[tuple[str, Flow], asyncio.Task[None]] = {}
        self._launching = asyncio.Lock()
        self._stopping = False

    # Life

    def close_interrupted(self, tx: Transaction) -> None:
        """Runs that were under way when an engine died have failed; their intents are recovered by the next."""
        for view in tx.runs(limit=1000, state="running"):
            message = _("the engine stopped in the middle; the next run looks up what was left open")
            ended = view.model_copy(update={"state": "failed", "ended": tx.now, "message": message})
            tx.put_run(ended)
            tx.tell(_run_event(ended, "warn", message))
        for name in self._connections:
            for row in tx.occurrences(name, (tx.now - timedelta(days=2)).date()):
                if row["state"] == "running":
                    which = (row["flow"], row["window"], row["local_date"])
                    tx.end_occurrence(name, *which, "interrupted", _cut_short())

    async def resume(self, connection: Connection) -> None:
        """Runs that an end of the engine cut short go on while their windows are open."""
        for flow in FLOWS:
            occurrence = current(connection.config.windows, connection.name, self._clock.now(), flow)
            if occurrence is None:
                continue
            since = occurrence.local_date - timedelta(days=1)
            rows = await self._store.transact(partial(Transaction.occurrences, connection=connection.name,
                                                      since=since))  # fmt: skip
            states = {recorded_key(connection.name, row): row["state"] for row in rows}
            if states.get(occurrence.key) == "interrupted":
                self._later(connection, flow, "resumed", occurrence)

    async def stop(self) -> None:
        """Ask every run to stop, and wait for the writes under way."""
        self._stopping = True
        for task in self._follow_ups.values():
            task.cancel()
        await self._executor.stop()

    # Runs under way

    def running(self, name: str) -> RunView | None:
        """The run of a connection under way, its import where both flows are; None when there is none."""
        run_id = self._executor.running((name, "import")) or self._executor.running((name, "export"))
        return self.view(run_id) if run_id else None

    def view(self, run_id: str) -> RunView | None:
        """A run under way as it stands, None when it isn't under way here."""
        run = self._runs.get(run_id)
        return run.view() if run is not None else None

    async def wait(self, run_id: str) -> None:
        """Return once a run has ended; at once when it isn't under way."""
        await self._executor.wait(run_id)

    async def cancel(self, view: RunView, actor: str) -> None:
        """Ask a run to stop after its write under way; nothing when it isn't under way."""
        if self._executor.cancel(view.id):
            event = _run_event(view, "notice", _("{actor} cancelled the run").format(actor=actor), actor)
            await self._store.transact(lambda tx: tx.tell(event))

    # Launching

    async def start_occurrence(self, occurrence: Occurrence, until: datetime) -> str | None:
        """Start the run of a window; None when it can't start now (it is asked again)."""
        late = self._clock.now() >= occurrence.ends
        try:
            view = await self.launch(
                self._connections[occurrence.connection],
                flow=occurrence.flow,
                trigger="late" if late else "window",
                actor="schedule",
                occurrence=occurrence,
                deadline=until,
            )
        except Refusal:
            return None
        return view.id

    async def launch(
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
        """Begin a run; the run as it begins. Raises Refusal: usage, busy.

        `occurrence`: the window's it is the run of, claimed already when `resumed`. `limits`: what else the
        Order says. One launch at a time, since a second claim takes the lease from the first.
        """
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
        if flow not in FLOWS:
            raise Refusal(
                "usage", _("no flow {flow}; there are: {known}").format(flow=flow, known=", ".join(FLOWS))
            )
        busy = self._executor.running((connection.name, flow))
        if busy is not None:
            raise Refusal("busy", _("run {id} of {name} is under way").format(id=busy, name=connection.name))
        counted = occurrence or last_begun(connection.config, flow, self._clock.now())
        run_id, lease = await self._claim(connection, flow, None if resumed else occurrence)
        order = Order(
            run_id=run_id,
            flow=flow,
            occurrence=counted.key if counted else f"{connection.name}/{flow}/-/-",
            trigger=trigger,
            actor=actor,
            deadline=deadline,
            next_try=next_start(connection.config, flow, self._clock.now()),
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

    async def _claim(self, connection: Connection, flow: str, new: Occurrence | None) -> tuple[str, Lease]:
        """A run's id and its lease, with its occurrence claimed in the same commit. Raises Refusal."""

        def claim(tx: Transaction) -> tuple[str, Lease | None, bool]:
            lease = tx.acquire(f"{connection.name}/{flow}", self._holder, LEASE_TTL)
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

        run_id, lease, claimed = await self._store.transact(claim)
        if lease is None:
            raise Refusal("busy", _("another engine holds {name}").format(name=connection.name))
        if not claimed:
            raise Refusal("busy", _("this window has been run"))
        return run_id, lease

    # Carrying out

    async def _carry_out(
        self,
        connection: Connection,
        order: Order,
        lease: Lease,
        cancelled: asyncio.Event,
        occurrence: Occurrence | None,
    ) -> None:
        execution = Export if order.flow == "export" else Run
        run = execution(
            connection=connection,
            order=order,
            store=self._store,
            clock=self._clock,
            lease=lease,
            stopped=lambda: self._freezes.stopped(connection.name),
            cancelled=cancelled,
        )
        self._runs[order.run_id] = run
        try:
            started = _("plan started") if order.dry else _("{flow} started").format(flow=order.flow)
            await self._put_run(run.view(), "info", started)
            await run.execute()
            if run.another_writer:
                await self._freezes.freeze_strangers(connection.name, run.another_writer)
        except Exception as error:
            ended = run.view().model_copy(
                update={"state": "failed", "ended": self._clock.now(), "message": _broken(error)}
            )
            await self._put_run(ended, "error", ended.message)
            raise
        finally:
            word = "interrupted" if run.state == "cancelled" and self._stopping else "run"
            await asyncio.shield(self._store.transact(lambda tx: _end(tx, lease, occurrence, word)))
            self._runs.pop(order.run_id, None)

    async def _put_run(self, view: RunView, level: str, message: str) -> None:
        def settle(tx: Transaction) -> None:
            tx.put_run(view)
            tx.tell(_run_event(view, level, message))

        await self._store.transact(settle)

    # What follows

    def follow_up(self, connection: Connection, flow: Flow = "import") -> None:
        """Within an open window, decisions are taken up by a run of their own, soon after the last of them."""
        waiting = self._follow_ups.pop((connection.name, flow), None)
        if waiting is not None:
            waiting.cancel()
        if current(connection.config.windows, connection.name, self._clock.now(), flow) is None:
            return
        self._later(connection, flow, "decision", None)

    def _later(self, connection: Connection, flow: Flow, trigger: str, interrupted: Occurrence | None) -> None:
        self._follow_ups[connection.name, flow] = asyncio.ensure_future(
            self._run_again(connection, flow, trigger, interrupted)
        )

    async def _run_again(
        self, connection: Connection, flow: Flow, trigger: str, interrupted: Occurrence | None
    ) -> None:
        while True:
            await asyncio.sleep(FOLLOW_UP_AFTER)
            occurrence = current(connection.config.windows, connection.name, self._clock.now(), flow)
            if occurrence is None or self._stopping:
                return
            mine = interrupted is not None and interrupted.key == occurrence.key
            try:
                await self.launch(
                    connection,
                    flow=flow,
                    trigger=trigger,
                    actor="engine",
                    occurrence=occurrence if mine else None,
                    resumed=mine,
                    deadline=occurrence.ends,
                )
            except Refusal:
                continue  # a run is under way
            self._follow_ups.pop((connection.name, flow), None)
            return


def last_begun(config: ConnectionConfig, flow: str, now: datetime) -> Occurrence | None:
    """What a run a person asks for counts under: the last window of its flow that began (R13 wants two)."""
    day = now.date()
    begun = [
        o
        for window in config.windows
        if window.flow == flow
        for o in occurrences(window, config.name, day - timedelta(days=8), day + timedelta(days=1))
        if o.starts <= now
    ]
    return max(begun, key=lambda o: o.starts, default=None)


def next_start(config: ConnectionConfig, flow: str, now: datetime) -> datetime | None:
    """When this flow is tried again by itself."""
    windows = [w for w in config.windows if w.flow == flow]
    coming = next_occurrences(windows, config.name, now, 1)
    return coming[0].starts if coming else None


def approval_ends(config: ConnectionConfig, now: datetime, flow: Flow = "import") -> datetime | None:
    """An approval lasts to the end of the open occurrence, else of the flow's next (R30)."""
    windows = [w for w in config.windows if w.flow == flow]
    here = current(windows, config.name, now)
    if here is not None:
        return here.ends
    coming = next_occurrences(windows, config.name, now, 1)
    return coming[0].ends if coming else None


def _end(tx: Transaction, lease: Lease, occurrence: Occurrence | None, word: str) -> None:
    tx.release(lease)
    if occurrence is not None:
        which = (occurrence.flow, occurrence.window, occurrence.local_date)
        cause = _cut_short() if word == "interrupted" else ""
        tx.end_occurrence(occurrence.connection, *which, word, cause)


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


def _cut_short() -> str:
    return _("the engine stopped in its middle")


def _broken(error: Exception) -> str:
    return _("stopped by an error of its own ({kind}); nothing half-written: the next run looks it up").format(
        kind=type(error).__name__
    )
