"""One run = observe, check, match, plan, brake, apply, verify: it reads like that sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from engine.account import Account, held, plan_view, run_view, time_to_write, verbs
from engine.apply import Halt, Outcome, Writer
from engine.changes import Change, Plan, Rejection
from engine.clock import Clock
from engine.config_models import DEFAULT_LIMITS
from engine.events.event import Level
from engine.items import (
    BY_APPLYING,
    closer,
    found_by_writing,
    passing,
    reconcile,
    settled_notices,
    wanted,
)
from engine.memory import Memory, contact_ended, contact_waiting, remember, settled_options
from engine.observe import Observed, observe, reread
from engine.order import Connection, Order
from engine.planning.brakes import NEAR, Brakes, brake
from engine.planning.checks import check
from engine.planning.match import match, unexplained
from engine.planning.plan import plan
from engine.planning.situation import Inputs
from engine.planning.urgency import Bites
from engine.ports import Fault, FaultCode
from engine.records import Group, Kind, Seen, Sheet
from engine.recover import recover
from engine.report import Report
from engine.service.models import PlanView, ProgressView, RunState, RunView
from engine.sight_kept import keep
from engine.state.store import Store
from engine.state.transaction import Lease, LeaseLost, Transaction
from engine.views import change_view
from engine.words import _

T = TypeVar("T")

ROUNDS = 3
"""Plans made in one run, at most: what was written is read again and must plan nothing."""
OVERRUN = timedelta(minutes=15)
"""How long after its window a run still writes sheets that begin soon (R34)."""
FAILURES = 3
"""Writes in a row, at most, that fail by the server's doing before a run leaves the rest to the next."""


class _Stopped(Exception):
    """The run was asked to stop while it was reading."""


@dataclass
class Run:
    """One execution of the import for one connection. `stopped` says why writing must stop, "" while it may."""

    connection: Connection
    order: Order
    store: Store
    clock: Clock
    lease: Lease
    stopped: Callable[[], str]
    cancelled: asyncio.Event
    progress: ProgressView | None = None
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    report: Report = field(init=False)
    state: RunState = "running"
    started: datetime = field(init=False)
    observed: Observed | None = None
    first: Plan = field(default_factory=Plan)
    last: Plan = field(default_factory=Plan)
    writer: Writer = field(init=False)
    refused: list[Rejection] = field(default_factory=list)
    held_back: list[Change] = field(default_factory=list)
    another_writer: tuple[Seen, ...] = ()
    unread: set[Kind] = field(default_factory=set)
    """Kinds written in Edusign and not read again yet."""

    def __post_init__(self) -> None:
        self.started = self.clock.now()
        self.requests_before = self.connection.requests()
        self.report = Report(self.store, self.clock, self.connection.name, self.order)

    async def execute(self) -> RunView:
        """Carry out the order; the finished run. Faults end in its state and message, never in an exception."""
        try:
            await self._recover()
            memory = await self.store.transact(lambda tx: remember(tx, self.connection.config))
            self.observed = observed = await self._observe(memory)
            await self._rounds(observed, memory)
            await self._keep()
            if self.state == "running":
                self.state = "incomplete" if self.report.faults else "done"
        except Fault as fault:
            await self.report.fault(fault)
            self.state = "failed"
        except _Stopped:
            self.state = "cancelled"
        except LeaseLost:
            self.report.say(_("another engine took over this connection: nothing more is written"))
            self.state = "failed"
        await self._finish()
        return self.view()

    # The sentence

    async def _recover(self) -> None:
        """What a crash left open is looked up before anything is observed (R38)."""
        intents = await self.store.transact(lambda tx: tx.open_intents(self.connection.name))
        memory = await self.store.transact(lambda tx: remember(tx, self.connection.config))
        self.writer = self._writer(memory)
        if not intents or self.order.dry:
            return
        await self.connection.platform.begin(self.connection.scope(self.started))
        for intent in intents:
            self._progress(_("looking up what an interruption left"), 0, len(intents))
            await recover(self.writer, intent)

    async def _observe(self, memory: Memory) -> Observed:
        def report(what: str, done: int, total: int | None) -> None:
            self._progress(what, done, total)

        async def read() -> Observed:
            async with self.connection.reading:
                return await observe(
                    self.connection.erp,
                    self.connection.platform,
                    self.connection.scope(self.started),
                    memory.links,
                    self.order.occurrence,
                    self.clock.now(),
                    report,
                    self.connection.name,
                )

        observed = await self._unless_cancelled(read())
        await self.report.troubled(observed.faults)
        if observed.skewed:
            message = _("clocks differ by {seconds:.0f} s: no sheet is written until they agree")
            seconds = abs(observed.skew.total_seconds())
            await self.report.warn("clock", message.format(seconds=seconds))
        if observed.school.connector:
            message = _("Edusign's own connector {name} is on: nothing is written")
            await self.report.warn("another_writer", message.format(name=observed.school.connector))
        return observed

    async def _unless_cancelled(self, reading: Coroutine[Any, Any, T]) -> T:
        """What only reads need not be waited for once the run is to stop. Raises _Stopped."""
        task = asyncio.ensure_future(reading)
        cancelled = asyncio.ensure_future(self.cancelled.wait())
        try:
            await asyncio.wait({task, cancelled}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise _Stopped
            return task.result()
        finally:
            for one in (task, cancelled):
                one.cancel()
            await asyncio.wait({task, cancelled})

    async def _rounds(self, observed: Observed, memory: Memory) -> None:
        """Plan and write until a plan on what was read again is empty; it must be by the second."""
        self.writer = self._writer(memory)
        for number in range(ROUNDS):
            self.last = made = self._plan(observed, memory)
            if number == 0:
                self.first = made
                self.another_writer = self._strangers(observed, memory)
                await self._note(made)
                if stale := self.order.stale(made):
                    message = _("{count} changes of the plan are no longer the same, not written: {ids}")
                    self.report.say(message.format(count=len(stale), ids=", ".join(stale)))
                if self.another_writer or self.order.dry:
                    break
                await self._say_if_too_long(made)
            else:
                await self.store.transact(partial(self.writer.settlement.follow, moves=made.base_moves))
            todo = [c for c in made.writable if c.id not in self.outcomes]
            if not todo:
                break
            if number == ROUNDS - 1:
                await self._alarm(todo)
                break
            if not await self._apply(todo):
                break
            observed = await self._read_again(observed)
            sealed = await self.store.transact(lambda tx: tx.sealed(self.connection.name))
            memory = replace(memory, links=self.writer.links, sealed=sealed)
        self.observed = observed
        await self._reconcile(observed)

    def _plan(self, observed: Observed, memory: Memory) -> Plan:
        """Check, match, plan, brake: everything pure, in a row."""
        config = self.connection.config
        checked = check(observed.entries, memory.links, config.stand_in_speaker)
        matching = match(
            checked,
            {kind: seen.values() for kind, seen in observed.seen.items()},
            memory.links,
            our_type=self.connection.api_type,
            decisions=memory.pairs,
            country=config.country,
            sealed=frozenset(id for ids in memory.sealed.values() for id in ids),
        )
        made = plan(
            Inputs(
                now=observed.latest,
                scope=observed.scope,
                occurrence=self.order.occurrence,
                checked=checked,
                matching=matching,
                seen=observed.seen,
                links=memory.links,
                complete_erp=observed.complete_erp,
                complete_edusign=observed.complete_edusign,
                sightings=observed.sightings,
                lookups=observed.lookups,
                resolutions=memory.resolutions,
                sealed={erp_id: len(ids) for erp_id, ids in memory.sealed.items()},
                silent=self.connection.erp.silent,
                keys_move=self.connection.erp.keys_move,
                our_type=self.connection.api_type,
                country=config.country,
            )
        )
        braked = brake(
            made,
            memory.links,
            Brakes(
                now=observed.latest,
                limits={**DEFAULT_LIMITS, **config.limits},
                compare_only=memory.compare_only,
                removals_from=memory.removals_from,
                changed_options=self.connection.name if memory.options_changed else "",
                approved=memory.changes_decided("approve"),
                refused=memory.changes_decided("refuse"),
                held_back=memory.held_back | {c.id: (c.hold, c.edusign_id) for c in self.held_back},
                skewed=observed.skewed,
            ),
        )
        return self.order.narrowed(braked, another_connector=bool(observed.school.connector))

    async def _note(self, made: Plan) -> None:
        """The base follows what agrees already, absences are counted, the plan is kept for people to read."""
        view = self._plan_view(made)

        def settle(tx: Transaction) -> None:
            tx.put_plan(view)
            if not self.order.dry:
                self.writer.settlement.follow(tx, made.base_moves)
                self.writer.settlement.count_absences(tx, made, self.order.occurrence)
            tx.tell(
                self.report.event(
                    "info",
                    "plan",
                    _("plan {hash}: {count} changes, {held} held").format(
                        hash=made.hash, count=len(made.changes), held=held(made)
                    ),
                    {"counts": verbs(made.changes), "plan": view.id},
                )
            )

        await self.store.transact(settle)

    async def _apply(self, todo: list[Change]) -> bool:
        """Write in order until done, stopped or out of time; whether anything was written."""
        wrote = False
        failures = 0
        for number, change in enumerate(todo):
            if failures >= FAILURES:
                self.report.say(_("Edusign no longer answers: the rest is the next run's first work"))
                self.state = "incomplete"
                break
            if not self._may_write(change):
                continue
            self._progress(_("writing"), number, len(todo))
            try:
                outcome = await self.writer.write(change)
            except Halt as halt:
                await self.report.fault(halt.fault)
                self.state = "incomplete"
                break
            self.outcomes[change.id] = outcome
            if outcome.state in ("written", "unknown"):
                self.unread.add(change.kind)
            wrote = wrote or outcome.state in ("written", "nothing", "unknown")
            failures = failures + 1 if _server_failed(outcome) else 0
            await self._note_outcome(outcome)
            if self.cancelled.is_set():
                self.state = "cancelled"
                break
        await self._probe_unknown()
        return wrote and self.state == "running"

    def _may_write(self, change: Change) -> bool:
        reason = self.stopped()
        if reason:
            self.report.say(reason)
            self.state = "incomplete"
            return False
        deadline = self.order.deadline
        if deadline is None or self.clock.now() < deadline:
            return True
        soon = change.bites_at is not None and change.bites_at < self.clock.now() + NEAR
        if change.kind == "sheet" and soon and self.clock.now() < deadline + OVERRUN:
            return True
        self.report.say(_("the window closed before all was written: the rest is the next run's first work"))
        self.state = "incomplete"
        return False

    async def _probe_unknown(self) -> None:
        """Writes that went unanswered are looked up before the run ends."""
        unknown = [o for o in self.outcomes.values() if o.state == "unknown"]
        if not unknown:
            return
        for intent in await self.store.transact(lambda tx: tx.open_intents(self.connection.name)):
            try:
                state = await recover(self.writer, intent)
            except Fault as fault:
                await self.report.fault(fault)
                return
            for outcome in unknown:
                if outcome.change.key == intent.change.key:
                    written = replace(outcome, state="written" if state == "done" else "dropped")
                    self.outcomes[outcome.change.id] = written

    async def _note_outcome(self, outcome: Outcome) -> None:
        change = outcome.change
        if outcome.fault is not None:
            await self.report.fault(outcome.fault, "warn")
        if outcome.state == "held":
            self.held_back.append(change.model_copy(update={"hold": outcome.code, "edusign_id": outcome.note}))
        elif outcome.state == "refused":
            self.refused.append(
                Rejection(
                    kind=change.kind,
                    erp_id=change.erp_id,
                    label=change.label,
                    code=outcome.code if outcome.code in BY_APPLYING else "refused_by_edusign",
                    field="email" if outcome.code == "email_of_another" else "",
                    evidence=outcome.note,
                )
            )

    async def _read_again(self, observed: Observed) -> Observed:
        """Verify: what was written is read again."""
        written: dict[Kind, set[str]] = {}
        for outcome in self.outcomes.values():
            if outcome.state in ("written", "nothing") and outcome.edusign_id:
                written.setdefault(outcome.change.kind, set()).add(outcome.edusign_id)
        for kind, refreshed in self.writer.refreshed.items():
            written.setdefault(kind, set()).update(refreshed)
        self._progress(_("reading again what was written"), 0, None)
        try:
            again = await reread(
                observed, self.connection.platform, {k: frozenset(ids) for k, ids in written.items()}
            )
        except Fault as fault:
            await self.report.fault(fault)
            return observed
        new = again.faults[len(observed.faults) :]
        if not new:
            self.unread.clear()
        await self.report.troubled(new)
        return again

    async def _keep(self) -> None:
        """What both sides said outlives the run."""
        assert self.observed is not None
        await keep(
            self.store,
            self.connection.name,
            self.order.run_id,
            self.observed,
            frozenset(self.unread),
            self.writer.settlement.fence,
        )

    async def _alarm(self, todo: list[Change]) -> None:
        """What was just written and read again still plans a change: somebody or something writes it back."""
        for change in todo:
            await self.report.tell(
                "error",
                "alarm",
                _("{kind} {label} does not stay as written: {fields}").format(
                    kind=change.kind, label=change.label, fields=", ".join(sorted(change.after))
                ),
                {"verb": change.verb, "before": change_view(change).before, "after": change_view(change).after},
            )

    async def _reconcile(self, observed: Observed) -> None:
        """Open and close what waits for people, and end first contact once nothing of it waits (R43)."""
        bites = self._bites(observed)
        found = wanted(self.last, bites) + found_by_writing(
            self.refused, self.held_back, self.last.holds, bites
        )
        settled = settled_notices(self.first, self.last)
        closable = closer(
            observed.complete_erp, observed.complete_edusign, applied=not self.order.dry and not self._partial()
        )
        config = self.connection.config

        def settle(tx: Transaction) -> None:
            self.writer.settlement.fence(tx)
            reconcile(tx, self.connection.name, self.order.run_id, found, closable)
            if not self.order.dry:
                tx.put_plan(self._plan_view(self._left()))
            tx.tell(*(passing(n, self.connection.name, self.order.run_id) for n in settled))
            if self.order.dry or observed.faults or self.another_writer:
                return
            if not self._untouched(tx) and tx.fact(f"contact_ended:{config.name}") is None:
                contact_ended(tx, config.name)
            if "options" not in {hold.cause for hold in self.last.holds}:
                settled_options(tx, config)

        await self.store.transact(settle)

    def _left(self) -> Plan:
        """What of the last plan is still to be done."""
        done = {id for id, outcome in self.outcomes.items() if outcome.state in ("written", "nothing")}
        left = tuple(c for c in self.last.changes if c.id not in done)
        return self.last.model_copy(update={"changes": left})

    def _plan_view(self, made: Plan) -> PlanView:
        stale = self.order.stale(self.first)
        return plan_view(made, self.connection.name, self.order, self.clock.now(), self.report.faults, stale)

    def _untouched(self, tx: Transaction) -> bool:
        """Whether a kind has something to do that nobody let be done yet: first contact goes on (R43)."""
        waiting = contact_waiting(tx, self.connection.config)
        asked = {c.kind for c in self.last.changes if c.hold == "compare_only" or c.skip == "refused"}
        return bool(waiting & (asked | {b.kind for b in self.last.blocks}))

    def _partial(self) -> bool:
        return self.order.partial or self.state != "running"

    # What it found out

    def _strangers(self, observed: Observed, memory: Memory) -> tuple[Seen, ...]:
        return unexplained(
            {kind: seen.values() for kind, seen in observed.seen.items()},
            memory.links,
            self.connection.api_type,
            memory.intended | {("sheet", id) for ids in memory.sealed.values() for id in ids},
        )

    def _bites(self, observed: Observed) -> Bites:
        """From every session the ERP showed, rejected ones too: what they spoil bites all the same."""
        sessions = [e.record for e in observed.entries.get("sheet", ()) if isinstance(e.record, Sheet)]
        groups = [e.record for e in observed.entries.get("group", ()) if isinstance(e.record, Group)]
        return Bites(sessions, groups, observed.latest)

    async def _say_if_too_long(self, made: Plan) -> None:
        """Say before it starts that a run will not fit its window (R34)."""
        if self.order.deadline is None:
            return
        needed = time_to_write(made)
        left = self.order.deadline - self.clock.now()
        if needed > left:
            message = _("{count} changes need about {needed} min, the window has {left} left").format(
                count=len(made.writable),
                needed=round(needed.total_seconds() / 60),
                left=max(0, round(left.total_seconds() / 60)),
            )
            await self.report.warn("forecast", message)

    def view(self) -> RunView:
        """The run as the API shows it."""
        ended = None if self.state == "running" else self.clock.now()
        now = self.connection.requests()
        return run_view(
            self._account(),
            self.connection.name,
            self.order,
            state=self.state,
            started=self.started,
            ended=ended,
            requests={side: now[side] - self.requests_before[side] for side in now},
            faults=self.report.faults,
            messages=self.report.messages,
            progress=self.progress if self.state == "running" else None,
        )

    def _account(self) -> Account:
        outcomes = tuple(self.outcomes.values())
        return Account(self.first, self.last, outcomes, self.refused, self.held_back, self.observed)

    # Small services

    async def _finish(self) -> None:
        view = self.view()
        expected = bool(self.report.faults) and not self.report.alarming
        level: Level = "info" if self.state == "done" else "notice" if expected else "warn"

        def settle(tx: Transaction) -> None:
            tx.put_run(view)
            tx.tell(
                self.report.event(
                    level,
                    "run",
                    self._ended_line(view),
                    {"changes": view.changes, "requests": view.requests, "held": view.held},
                )
            )

        await self.store.transact(settle)

    def _ended_line(self, view: RunView) -> str:
        if self.order.dry:
            return _("plan {state}: nothing written").format(state=self.state)
        written = ", ".join(f"{n} {verb}" for verb, n in sorted(view.changes.items()))
        return _("import {state}: {changes}").format(state=self.state, changes=written or _("no change"))

    def _writer(self, memory: Memory) -> Writer:
        skew = self.connection.platform.skew or timedelta()
        return Writer(
            store=self.store,
            platform=self.connection.platform,
            connection=self.connection.name,
            run_id=self.order.run_id,
            actor=self.order.actor,
            links=memory.links,
            our_type=self.connection.api_type,
            country=self.connection.config.country,
            scope=self.connection.scope(self.started),
            lease=self.lease,
            now=lambda: self.clock.now() + max(skew, timedelta()),
            restores=memory.restores_approved,
        )

    def _progress(self, what: str, done: int, total: int | None) -> None:
        self.progress = ProgressView(what=what, done=done, total=total)


def _server_failed(outcome: Outcome) -> bool:
    """Whether a write failed by the server's doing, so that the next will probably fail as well."""
    return outcome.fault is not None and outcome.fault.code not in (FaultCode.refused, FaultCode.not_found)
