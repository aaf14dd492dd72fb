"""One run = observe, check, match, plan, brake, apply, verify: it reads like that sentence."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from engine.apply import LEASE_TTL, Halt, Outcome, Writer
from engine.brakes import NEAR, Brakes, brake
from engine.changes import Change, Hold, Notice, Plan, Rejection, Tally, jsonable
from engine.checks import check
from engine.clock import Clock
from engine.config_models import DEFAULT_LIMITS, ConnectionConfig
from engine.events.event import Event, Level
from engine.faults import fault_line, of_maintenance, with_next_try
from engine.items import (
    BY_APPLYING,
    Wanted,
    change_view,
    closer,
    hold_item,
    passing,
    reconcile,
    rejection_item,
    wanted,
)
from engine.links import Link
from engine.match import match, unexplained
from engine.memory import Memory, contact_ended, contact_waiting, remember, settled_options
from engine.observe import Observed, Trouble, observe, reread
from engine.plan import plan
from engine.ports import AttendancePlatform, Erp, Fault, FaultCode, Scope, System
from engine.records import KINDS, Group, Kind, Seen, Sheet
from engine.scope import local_date
from engine.service.models import PlanView, ProgressView, RunState, RunView
from engine.situation import Inputs
from engine.state.store import Store
from engine.state.transaction import Lease, LeaseLost, Transaction
from engine.urgency import Bites, dependencies
from engine.words import _

T = TypeVar("T")

ROUNDS = 3
"""Plans made in one run, at most: what was written is read again and must plan nothing."""
OVERRUN = timedelta(minutes=15)
REQUESTS_PER_MINUTE = 480
FAILURES = 3
"""Writes in a row, at most, that fail by the server's doing before a run leaves the rest to the next."""
_COST = {"create": 3, "link": 2, "update": 2, "add": 2, "remove": 2, "archive": 2, "restore": 2, "withdraw": 2}


@dataclass(frozen=True)
class Connection:
    """One ERP joined to one Edusign school, opened."""

    config: ConnectionConfig
    erp: Erp
    platform: AttendancePlatform

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def api_type(self) -> str:
        """The API_TYPE of the records we make (R07)."""
        return f"rollcall-{self.name}"


@dataclass(frozen=True)
class Order:
    """What is asked of a run.

    `occurrence` is the key its observation counts under (R13). `deadline`: until when it may write; None for
    runs a person asks for. `chosen`: the only change ids it may write (`apply PLAN`). `only`: the only record.
    `dry`: plan, write nothing. `next_try`: when the flow's next window starts, told with every fault.
    """

    run_id: str
    flow: str = "import"
    occurrence: str = ""
    trigger: str = "person"
    actor: str = ""
    deadline: datetime | None = None
    chosen: frozenset[str] | None = None
    only: tuple[Kind, str] | None = None
    dry: bool = False
    next_try: datetime | None = None


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
    faults: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    alarming: bool = False
    """Whether any fault was one that nobody announced."""
    state: RunState = "running"
    started: datetime = field(init=False)
    observed: Observed | None = None
    first: Plan = field(default_factory=Plan)
    last: Plan = field(default_factory=Plan)
    writer: Writer = field(init=False)
    refused: list[Rejection] = field(default_factory=list)
    held_back: list[Change] = field(default_factory=list)
    another_writer: tuple[Seen, ...] = ()

    def __post_init__(self) -> None:
        self.started = self.clock.now()
        self.requests_before = _requests(self.connection)

    async def execute(self) -> RunView:
        """Carry out the order; the finished run. Faults end in its state and message, never in an exception."""
        try:
            await self._recover()
            memory = await self.store.transact(lambda tx: remember(tx, self.connection.config))
            self.observed = observed = await self._observe(memory)
            await self._rounds(observed, memory)
            if self.state == "running":
                self.state = "incomplete" if self.faults else "done"
        except Fault as fault:
            await self._fault(fault)
            self.state = "failed"
        except _Stopped:
            self.state = "cancelled"
        except LeaseLost:
            self.messages.append(_("another engine took over this connection: nothing more is written"))
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
        await self.connection.platform.begin(self._scope())
        for intent in intents:
            self._progress(_("looking up what an interruption left"), 0, len(intents))
            await self.writer.recover(intent)

    async def _observe(self, memory: Memory) -> Observed:
        def report(what: str, done: int, total: int | None) -> None:
            self._progress(what, done, total)

        observed = await self._unless_cancelled(
            observe(
                self.connection.erp,
                self.connection.platform,
                self._scope(),
                memory.links,
                self.order.occurrence,
                self.clock.now(),
                report,
                self.connection.name,
            )
        )
        await self._troubled(observed.faults)
        if observed.skewed:
            self.messages.append(
                _("clocks differ by {seconds:.0f} s: no sheet is written until they agree").format(
                    seconds=abs(observed.skew.total_seconds())
                )
            )
            await self._tell("warn", "clock", self.messages[-1])
        if observed.school.connector:
            self.messages.append(
                _("Edusign's own connector {name} is on: nothing is written").format(
                    name=observed.school.connector
                )
            )
            await self._tell("warn", "another_writer", self.messages[-1])
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
                if stale := self._stale(made):
                    message = _("{count} changes of the plan are no longer the same, not written: {ids}")
                    self.messages.append(message.format(count=len(stale), ids=", ".join(stale)))
                if self.another_writer or self.order.dry:
                    break
                await self._say_if_too_long(made)
            else:
                await self.store.transact(lambda tx, made=made: self._move_bases(tx, made))  # type: ignore[misc]
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
                skewed=observed.skewed,
            ),
        )
        return self._narrowed(braked, observed)

    def _narrowed(self, made: Plan, observed: Observed) -> Plan:
        """Leave out what this order did not ask for."""
        skip = self._skip_reason(made, observed)
        changes = tuple(
            c if c.hold or c.skip or not (why := skip(c)) else c.model_copy(update={"skip": why})
            for c in made.changes
        )
        return made.model_copy(update={"changes": changes})

    def _skip_reason(self, made: Plan, observed: Observed) -> Callable[[Change], str]:
        if observed.school.connector:
            return lambda _change: "another_connector"
        wanted_ids = self.order.chosen
        if wanted_ids is not None:
            return lambda change: "" if change.id in wanted_ids else "not_chosen"
        if self.order.only is not None:
            asked = _with_needed(made.changes, self.order.only)
            return lambda change: "" if change.id in asked else "not_asked"
        return lambda _change: ""

    async def _note(self, made: Plan) -> None:
        """The base follows what agrees already, absences are counted, the plan is kept for people to read."""
        view = self.plan_view(made)

        def settle(tx: Transaction) -> None:
            tx.put_plan(view)
            if not self.order.dry:
                self._move_bases(tx, made)
                self._count_absences(tx, made)
            tx.tell(
                self._event(
                    "info",
                    "plan",
                    _("plan {hash}: {count} changes, {held} held").format(
                        hash=made.hash, count=len(made.changes), held=_held(made)
                    ),
                    {"counts": dict(_verbs(made.changes)), "plan": view.id},
                )
            )

        await self.store.transact(settle)

    def _move_bases(self, tx: Transaction, made: Plan) -> None:
        tx.fence(self.lease, LEASE_TTL)
        for move in made.base_moves:
            link = self.writer.links.get(move.kind, move.erp_id)
            if link is not None:
                self._put(tx, link.model_copy(update={"base": {**link.base, **jsonable(move.base)}}))

    def _count_absences(self, tx: Transaction, made: Plan) -> None:
        for key in made.missing:
            link = self.writer.links.get(*key)
            if link is not None and self.order.occurrence not in link.missing:
                self._put(tx, link.model_copy(update={"missing": (*link.missing, self.order.occurrence)}))
        for key in made.found_again:
            link = self.writer.links.get(*key)
            if link is not None:
                self._put(tx, link.model_copy(update={"missing": ()}))

    def _put(self, tx: Transaction, link: Link) -> None:
        tx.put_link(self.connection.name, link)
        self.writer.links.put(link)

    async def _apply(self, todo: list[Change]) -> bool:
        """Write in order until done, stopped or out of time; whether anything was written."""
        wrote = False
        failures = 0
        for number, change in enumerate(todo):
            if failures >= FAILURES:
                self.messages.append(_("Edusign no longer answers: the rest is the next run's first work"))
                self.state = "incomplete"
                break
            if not self._may_write(change):
                continue
            self._progress(_("writing"), number, len(todo))
            try:
                outcome = await self.writer.write(change)
            except Halt as halt:
                await self._fault(halt.fault)
                self.state = "incomplete"
                break
            self.outcomes[change.id] = outcome
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
            if reason not in self.messages:
                self.messages.append(reason)
            self.state = "incomplete"
            return False
        deadline = self.order.deadline
        if deadline is None or self.clock.now() < deadline:
            return True
        soon = change.bites_at is not None and change.bites_at < self.clock.now() + NEAR
        if change.kind == "sheet" and soon and self.clock.now() < deadline + OVERRUN:
            return True
        closed = _("the window closed before all was written: the rest is the next run's first work")
        if closed not in self.messages:
            self.messages.append(closed)
        self.state = "incomplete"
        return False

    async def _probe_unknown(self) -> None:
        """Writes that went unanswered are looked up before the run ends."""
        unknown = [o for o in self.outcomes.values() if o.state == "unknown"]
        if not unknown:
            return
        for intent in await self.store.transact(lambda tx: tx.open_intents(self.connection.name)):
            try:
                state = await self.writer.recover(intent)
            except Fault as fault:
                await self._fault(fault)
                return
            for outcome in unknown:
                if outcome.change.key == intent.change.key:
                    written = replace(outcome, state="written" if state == "done" else "dropped")
                    self.outcomes[outcome.change.id] = written

    async def _note_outcome(self, outcome: Outcome) -> None:
        change = outcome.change
        if outcome.fault is not None:
            await self._fault(outcome.fault, "warn")
        if outcome.state == "held":
            held = change.model_copy(update={"hold": outcome.code, "edusign_id": outcome.note})
            self.held_back.append(held)
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
            await self._fault(fault)
            return observed
        await self._troubled(again.faults[len(observed.faults) :])
        return again

    async def _alarm(self, todo: list[Change]) -> None:
        """What was just written and read again still plans a change: somebody or something writes it back."""
        for change in todo:
            await self._tell(
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
        found: list[Wanted] = wanted(self.last, bites)
        found += [rejection_item(r, bites) for r in self.refused]
        for cause in sorted({c.hold for c in self.held_back}):
            same = tuple(c for c in self.held_back if c.hold == cause)
            found.append(hold_item(Hold(cause=cause, kind=None, explanation="", changes=same)))
        closable = closer(
            observed.complete_erp, observed.complete_edusign, applied=not self.order.dry and not self._partial()
        )
        config = self.connection.config

        def settle(tx: Transaction) -> None:
            tx.fence(self.lease, LEASE_TTL)
            reconcile(tx, self.connection.name, self.order.run_id, found, closable)
            tx.tell(*(passing(n, self.connection.name, self.order.run_id) for n in self._settled_notices()))
            if self.order.dry or observed.faults or self.another_writer:
                return
            if not self._untouched(tx) and tx.fact(f"contact_ended:{config.name}") is None:
                contact_ended(tx, config.name)
            if "options" not in {hold.cause for hold in self.last.holds}:
                settled_options(tx, config)

        await self.store.transact(settle)

    def _untouched(self, tx: Transaction) -> bool:
        """Whether a kind has something to do that nobody let be done yet: first contact goes on (R43)."""
        waiting = contact_waiting(tx, self.connection.config)
        asked = {c.kind for c in self.last.changes if c.hold == "compare_only" or c.skip == "refused"}
        return bool(waiting & (asked | {b.kind for b in self.last.blocks}))

    def _settled_notices(self) -> list[Notice]:
        """What the first plan noticed and this run settled itself; restores are told with their write."""
        open_still = {(n.kind, n.erp_id, n.code) for n in self.last.notices}
        return [
            n
            for n in self.first.notices
            if (n.kind, n.erp_id, n.code) not in open_still and n.code != "archived_in_edusign"
        ]

    def _partial(self) -> bool:
        return self.order.only is not None or self.order.chosen is not None or self.state != "running"

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
        needed = timedelta(minutes=sum(_COST.get(c.verb, 0) for c in made.writable) / REQUESTS_PER_MINUTE)
        left = self.order.deadline - self.clock.now()
        if needed > left:
            message = _("{count} changes need about {needed} min, the window has {left} left").format(
                count=len(made.writable),
                needed=round(needed.total_seconds() / 60),
                left=max(0, round(left.total_seconds() / 60)),
            )
            self.messages.append(message)
            await self._tell("warn", "forecast", message)

    def tally(self) -> dict[Kind, Tally]:
        """Where each record went; each kind's parts add up to what was seen."""
        return {kind: self._tally(kind) for kind in KINDS}

    def _tally(self, kind: Kind) -> Tally:
        fate: dict[str, str] = {}

        def settle(fates: Iterable[tuple[str, str]]) -> None:
            for erp_id, word in fates:
                fate.setdefault(erp_id, word)

        plans = (self.first, self.last)
        mine = [c for p in plans for c in p.changes if c.kind == kind]
        settle((r.erp_id, "rejected") for p in plans for r in p.rejections if r.kind == kind and r.row)
        settle((r.erp_id, "rejected") for r in self.refused if r.kind == kind)
        settle((c.erp_id, "conflict") for p in plans for c in p.conflicts if c.kind == kind)
        settle((b.erp_id, "held") for p in plans for b in p.blocks if b.kind == kind)
        settle((c.erp_id, "held") for c in (*self.last.changes, *self.held_back) if c.kind == kind and c.hold)
        settle((o.change.erp_id, "written") for o in self.outcomes.values()
               if o.change.kind == kind and o.state == "written")  # fmt: skip
        settle((c.erp_id, "skipped") for c in mine)
        settle((n.erp_id, "skipped") for p in plans for n in p.notices if n.kind == kind)
        settle((erp_id, "skipped") for k, erp_id in self.first.missing if k == kind)
        seen = self.first.seen.get(kind, ())
        ended = self._inactive(kind)
        idle = self._idle_word(kind)
        words = Counter(fate.get(i) or ("skipped" if i in ended else idle) for i in seen)
        return Tally(seen=len(seen), **words)

    def _idle_word(self, kind: Kind) -> str:
        """What became of records nothing is said of: unchanged, unless their kind could not be compared."""
        observed = self.observed
        compared = observed is not None and kind in observed.complete_edusign
        return "unchanged" if compared else "skipped"

    def _inactive(self, kind: Kind) -> frozenset[str]:
        if self.observed is None:
            return frozenset()
        return frozenset(e.id for e in self.observed.entries.get(kind, ()) if e.ended)

    def plan_view(self, made: Plan) -> PlanView:
        """The plan as the API shows it."""
        return PlanView(
            id=f"p{self.order.run_id}",
            connection=self.connection.name,
            flow=self.order.flow,
            hash=made.hash,
            made_at=self.clock.now(),
            changes=tuple(change_view(c) for c in made.changes),
            counts=dict(_verbs(made.changes)),
            held=_held(made),
            rejected=sum(1 for r in made.rejections if r.row),
            conflicts=len(made.conflicts),
            mails=0,
            faults=tuple(self.faults),
            stale=self._stale(made),
        )

    def _stale(self, made: Plan) -> tuple[str, ...]:
        """The changes asked for that are no longer the same (R30)."""
        return tuple(sorted((self.order.chosen or frozenset()) - {c.id for c in made.changes}))

    def view(self) -> RunView:
        """The run as the API shows it."""
        ended = None if self.state == "running" else self.clock.now()
        tally = self.tally() if ended else {}
        written = [o.change for o in self.outcomes.values() if o.state == "written"]
        now = _requests(self.connection)
        return RunView(
            id=self.order.run_id,
            connection=self.connection.name,
            flow=self.order.flow,
            occurrence=self.order.occurrence,
            trigger=self.order.trigger,
            actor=self.order.actor,
            state=self.state,
            started=self.started,
            ended=ended,
            observed=self.observed.counts() if self.observed else {},
            changes=dict(_verbs(written)),
            rejected=sum(t.rejected for t in tally.values()),
            held=_held(self.last) + len(self.held_back),
            conflicts=len(self.last.conflicts),
            skipped=sum(t.skipped for t in tally.values()),
            requests={side: now[side] - self.requests_before[side] for side in now},
            accounting={kind: {n: v for n, v in t.model_dump().items() if v} for kind, t in tally.items()},
            faults=tuple(dict.fromkeys(self.faults)),
            message="; ".join(self.messages),
            progress=self.progress if self.state == "running" else None,
        )

    # Small services

    async def _finish(self) -> None:
        view = self.view()
        expected = bool(self.faults) and not self.alarming
        level: Level = "info" if self.state == "done" else "notice" if expected else "warn"

        def settle(tx: Transaction) -> None:
            tx.put_run(view)
            tx.tell(
                self._event(
                    level,
                    "run",
                    _("import {state}: {changes}").format(
                        state=self.state,
                        changes=", ".join(f"{n} {v}" for v, n in sorted(view.changes.items()))
                        or _("no change"),
                    ),
                    {"changes": view.changes, "requests": view.requests, "held": view.held},
                )
            )

        await self.store.transact(settle)

    async def _fault(self, fault: Fault, level: Level = "error") -> None:
        data = {"route": fault.route, "came": fault.came, "committed": fault.committed}
        if fault.record:
            data["record"] = fault.record
        line = fault_line(fault, self.connection.name)
        await self._failure(level, fault.code.value, fault.system, line, data)

    async def _troubled(self, troubles: Iterable[Trouble]) -> None:
        for trouble in troubles:
            await self._failure("error", trouble.code, trouble.system, trouble.line, {"kind": trouble.kind})

    async def _failure(
        self, level: Level, code: str, system: System, line: str, data: Mapping[str, object]
    ) -> None:
        """Enter a fault once: in the run, and in the log with its code and when it is tried again."""
        line = with_next_try(line, self.order.next_try)
        if of_maintenance(code, system, self.clock.now()):
            level = "notice"
            line += "; " + _("expected: Edusign's Saturday maintenance (16:00 to 22:00, UTC+1)")
        else:
            self.alarming = True
        if line in self.faults:
            return
        self.faults.append(line)
        at = self.order.next_try
        told = {"code": code, "system": system, "next_try": at.isoformat() if at else None, **data}
        await self._tell(level, "fault", line, told)

    async def _tell(
        self, level: Level, kind: str, message: str, data: Mapping[str, object] | None = None
    ) -> None:
        event = self._event(level, kind, message, data)
        await self.store.transact(lambda tx: tx.tell(event))

    def _event(self, level: Level, kind: str, message: str, data: Mapping[str, object] | None = None) -> Event:
        return Event(
            level=level,
            kind=kind,
            message=message,
            connection=self.connection.name,
            run_id=self.order.run_id,
            actor=self.order.actor,
            data=dict(data or {}),
        )

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
            scope=self._scope(),
            lease=self.lease,
            now=lambda: self.clock.now() + max(skew, timedelta()),
            restores=memory.restores_approved,
        )

    def _scope(self) -> Scope:
        config = self.connection.config
        first = local_date(self.started, config.zone)
        return Scope(first=first, last=first + timedelta(days=config.horizon_days - 1), zone=config.zone)

    def _progress(self, what: str, done: int, total: int | None) -> None:
        self.progress = ProgressView(what=what, done=done, total=total)


def _with_needed(changes: Iterable[Change], only: tuple[Kind, str]) -> set[str]:
    """The ids of one record's changes, by either of its ids, and of those that make what they refer to."""
    kind, id = only
    mine = [c for c in changes if c.kind == kind and id in (c.erp_id, c.edusign_id)]
    needed = {key for c in mine for key in dependencies(c)}
    makers = [c for c in changes if c.key in needed and c.verb in ("create", "link", "restore")]
    return {c.id for c in (*mine, *makers)}


def _held(made: Plan) -> int:
    return sum(1 for c in made.changes if c.hold) + len(made.blocks)


def _server_failed(outcome: Outcome) -> bool:
    """Whether a write failed by the server's doing, so that the next will probably fail as well."""
    return outcome.fault is not None and outcome.fault.code not in (FaultCode.refused, FaultCode.not_found)


def _verbs(changes: Iterable[Change]) -> Counter[str]:
    return Counter(c.verb for c in changes)


def _requests(connection: Connection) -> dict[str, int]:
    return {
        "erp": sum(connection.erp.requests.values()),
        "edusign": sum(connection.platform.requests.values()),
    }
