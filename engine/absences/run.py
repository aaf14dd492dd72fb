"""One export = recover, read, plan, hold, write, verify: it reads like that sentence (R25–R28, R37)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from engine.absences.held import export_items
from engine.absences.journal import Journal, labels
from engine.absences.plan import Brakes, ExportPlan, Given, Stood, plan, to_look_at
from engine.absences.reasons import ReasonMap
from engine.absences.said import Delivered, Delivery, HandKey, Row, SessionWrite
from engine.apply import SYSTEMIC
from engine.attendance import Attendee, Reason, RollCalls
from engine.clock import Clock
from engine.config_models import DEFAULT_LIMITS
from engine.events.event import Level
from engine.items import reconcile
from engine.links import Link, Links
from engine.memory import contact_waiting
from engine.observe import Trouble
from engine.order import Connection, Order
from engine.planning.match import api_key
from engine.planning.scope import local_date
from engine.ports import ErpAttendance, Fault, Scope, first_in_line
from engine.records import Seen, Sheet
from engine.report import Report
from engine.service.models import ProgressView, RunState, RunView
from engine.state.deliveries import delivered_by_key
from engine.state.store import Store
from engine.state.transaction import Lease, LeaseLost, Transaction
from engine.windows import local_span
from engine.words import _

T = TypeVar("T")

FAILURES = 3
"""Writes in a row, at most, that fail by the ERP's doing before an export leaves the rest to the next."""


class _Stopped(Exception):
    """The export was asked to stop while it was reading."""


@dataclass
class Export:
    """One execution of the absence export for one connection. `stopped` says why writing must stop, "" while
    it may. It has the face of `engine.run.Run`."""

    connection: Connection
    order: Order
    store: Store
    clock: Clock
    lease: Lease
    stopped: Callable[[], str]
    cancelled: asyncio.Event
    progress: ProgressView | None = None
    state: RunState = "running"
    another_writer: tuple[Seen, ...] = ()
    calls: RollCalls = field(default_factory=RollCalls)
    made: ExportPlan = field(default_factory=ExportPlan)
    written: list[Delivery] = field(default_factory=list)
    unwritten: list[Row] = field(default_factory=list)
    """Rows of deliveries that did not get through, and why."""

    def __post_init__(self) -> None:
        self.started = self.clock.now()
        self.requests_before = self.connection.requests()
        self.report = Report(self.store, self.clock, self.connection.name, self.order)
        self.journal = Journal(
            store=self.store,
            connection=self.connection,
            run_id=self.order.run_id,
            actor=self.order.actor,
            lease=self.lease,
        )

    @property
    def attendance(self) -> ErpAttendance | None:
        return self.connection.erp.attendance

    async def execute(self) -> RunView:
        """Carry out the order; the finished run. Faults end in its state and message, never in an exception."""
        first_in_line.set(True)
        try:
            await self._sentence()
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

    async def _sentence(self) -> None:
        if not self.connection.config.export.on:
            self.report.say(_("the absence export of this connection is switched off"))
            return
        if await self.store.transact(lambda tx: contact_waiting(tx, self.connection.config)):
            # Hardly anything is linked yet: there is nothing true to be said of any sheet.
            self.report.say(_("first contact: nothing is exported until it is approved"))
            return
        if not self.order.dry and not await self._recover():
            return
        given = await self._given()
        if given is None:
            return
        stood = await self._stood(given)
        self.made = plan(given, stood)
        await self._note()
        if not self.order.dry:
            written = await self._write_all()
            await self._verify(written)
        await self._keep()

    async def _recover(self) -> bool:
        """What a crash left open is looked up before anything else (R38); False where that can't be done."""
        open_now = await self.store.transact(lambda tx: tx.open_deliveries(self.connection.name))
        if not open_now:
            return True
        self._progress(_("looking up what an interruption left"), 0, len(open_now))
        stood = await self._ask_standing([one.write.session for one in open_now])
        if not stood.complete:
            self.state = "incomplete"
            return False
        for one in open_now:
            await self.journal.look_up(one, stood, self._carries())
        return True

    async def _given(self) -> Given | None:
        """Read Edusign's side and what the store remembers; None where Edusign could not be read whole."""
        scope = self._scope()
        self.calls = await self._unless_cancelled(
            self.connection.platform.roll_calls(scope, lambda what, n, of: self._progress(what, n, of))
        )
        if not self.calls.complete:
            await self.report.troubled([Trouble(self.calls.fault, self.calls.fault_line, "edusign", "sheet")])
            return None
        reasons = await self._reasons()
        since, _until = local_span(scope.first, scope.last, scope.zone)
        remembered = await self.store.transact(lambda tx: self._remembered(tx, since))
        base = await asyncio.to_thread(delivered_by_key, remembered.pop("base"))
        nothing_goes = await self._nothing_goes(reasons)
        names = await labels(self.store, self.connection.name)
        names |= await self._strangers(remembered["links"])
        return Given(
            now=self.started + max(self.connection.platform.skew or timedelta(), timedelta()),
            calls=self.calls.sheets,
            complete=self.calls.complete,
            carries=self._carries(),
            options=self.connection.config.export,
            reasons=reasons,
            our_type=self.connection.api_type,
            base=base,
            labels=names,
            nothing_goes=nothing_goes,
            **remembered,
        )

    async def _strangers(self, links: Links) -> dict[tuple[Attendee, str], str]:
        """Who was away and is linked to nobody: whoever left was archived and unlinked, but their record still
        bears the ERP's key, under which they are known again for this export. Their names."""
        ids = {
            one.person
            for call in self.calls.sheets
            for one in call.attendances
            if one.kind == "learner" and one.state == "absent" and not links.of_edusign("learner", one.person)
        }
        if not ids:
            return {}
        found = await self.connection.platform.read_many("learner", tuple(sorted(ids)))
        for seen in found.values():
            key = api_key(seen.api_id)
            ours = seen.api_type == self.connection.api_type and key
            if ours and links.get("learner", key) is None:
                links.put(Link(kind="learner", erp_id=key, edusign_id=seen.id))
        return {("learner", id): seen.record.label for id, seen in found.items()}

    def _remembered(self, tx: Transaction, since: datetime) -> dict[str, Any]:
        name, options = self.connection.name, self.connection.config.export
        decided = {"approve": set[str](), "refuse": set[str]()}
        for decision in tx.decisions(name).values():
            word, _colon, id = decision.subject.partition(":")
            if word == "change" and decision.choice in decided:
                decided[decision.choice].add(id)
        known = tx.fact(f"export_fingerprint:{name}")
        changed = known is not None and known != options.fingerprint()
        begun = tx.fact(f"export_begun:{name}") is not None
        return {
            "links": tx.links(name),
            "sealed": {id: erp_id for erp_id, ids in tx.sealed(name).items() for id in ids},
            "base": tx.delivered_as_json(name, since),
            "ticks": tx.ticks(name),
            "brakes": Brakes(
                limits={**DEFAULT_LIMITS, **self.connection.config.limits},
                all_wait="first_export" if not begun else "export_options" if changed else "",
                approved=frozenset(decided["approve"]),
                refused=frozenset(decided["refuse"]),
            ),
        }

    async def _reasons(self) -> ReasonMap:
        """Both sides' reasons, as far as anything has one."""
        options = self.connection.config.export
        absent = [a for one in self.calls.sheets for a in one.attendances if a.state == "absent"]
        edusign: tuple[Reason, ...] = ()
        erp: tuple[Reason, ...] = ()
        if any(one.reason for one in absent):
            edusign = await self.connection.platform.absence_reasons()
        if self.attendance is not None and "reason" in self.attendance.carries:
            erp = await self.attendance.reasons()
        return ReasonMap(edusign, erp, options.reasons, options.fallback_reason, options.late_reason)

    async def _nothing_goes(self, reasons: ReasonMap) -> str:
        school = await self.connection.platform.school()
        if school.connector:
            message = _("Edusign's own connector {name} is on: nothing is exported")
            await self.report.warn("another_writer", message.format(name=school.connector))
            return "another_connector"
        if "reason" in self._carries() and (problem := reasons.problem()):
            await self.report.warn("absence", problem)
            return "no_fallback"
        return ""

    async def _stood(self, given: Given) -> Stood:
        """What the ERP holds of the sessions where something may be to do."""
        sessions = {one.id: one for one in to_look_at(given)}
        unsure = [one for one in given.base.values() if not one.verified and one.session not in sessions]
        asked = [*sessions.values(), *(self._session_of_base(one) for one in unsure)]
        stood = await self._ask_standing(asked)
        if not self.order.dry:
            await self.journal.confirm([one for one in given.base.values() if not one.verified], stood)
        return stood

    def _session_of_base(self, one: Delivered) -> Sheet:
        people = {"learners": frozenset({one.person})} if one.kind == "learner" else {}
        return Sheet(id=one.session, name=one.about, start=one.start, end=one.end, **people)

    async def _ask_standing(self, sessions: Sequence[Sheet]) -> Stood:
        """What stands in the ERP for these sessions, nothing where it can't be asked."""
        if self.attendance is None or not sessions:
            return Stood()
        self._progress(_("reading what stands in the ERP"), 0, len(sessions))
        scope = self._scope()
        async with self.connection.reading:
            await self.connection.erp.begin(scope)
            standing = await self._unless_cancelled(self.attendance.standing(tuple(sessions), scope))
        if not standing.complete:
            await self.report.troubled([Trouble("standing", standing.fault_line, "erp", "sheet")])
        asked = (one.id for one in sessions)
        return Stood.of(standing.attendances, asked, complete=standing.complete, said=standing.fault_line)

    async def _note(self) -> None:
        """What waits for people is opened and closed, bases of nothing are forgotten, the log is told."""
        known = await self.store.transact(lambda tx: tx.export_list(self.connection.name))
        before = {(row.hand, row.why) for row in known.rows if row.state == "theirs"} if known else set()
        found = export_items(self.made.holds, self.connection.config.zone)

        def closable(_type: str, kind: str, _code: str) -> bool:
            return kind == "attendance" and self.calls.complete

        def settle(tx: Transaction) -> None:
            self.journal.fence(tx)
            reconcile(tx, self.connection.name, self.order.run_id, found, closable)
            if self.order.dry:
                return
            tx.drop_delivered(self.connection.name, self.made.forgotten)
            for key, there in self.made.found:
                tx.tick_found(self.connection.name, key, there)
                tx.tell(self.journal.ticked(key, there))
            theirs = (row for row in self.made.rows if row.state == "theirs")
            tx.tell(*(self.journal.theirs(row) for row in theirs if (row.hand, row.why) not in before))

        await self.store.transact(settle)
        await self._warn_unmapped()

    async def _warn_unmapped(self) -> None:
        """Each reason nobody mapped is said once."""
        unmapped = self.made.unmapped
        if not unmapped or self.order.dry:
            return
        fact = f"unmapped_reasons:{self.connection.name}"
        told = set(await self.store.transact(lambda tx: tx.fact(fact, [])))
        new = {id: one for id, one in unmapped.items() if id not in told}
        if not new:
            return
        await self.store.transact(lambda tx: tx.set_fact(fact, sorted(told | new.keys())))
        names = ", ".join(one.name or id for id, one in sorted(new.items()))
        message = _("reasons without an equal in the ERP took the fallback: {names}").format(names=names)
        await self.report.warn("absence", message)

    # Writing

    async def _write_all(self) -> list[SessionWrite]:
        """Write session by session until done, stopped or out of time; what was written."""
        assert self.attendance is not None or not self.made.writes
        done: list[SessionWrite] = []
        failures = 0
        todo = [asked for one in self.made.writes if (asked := self._asked_for(one)).deliveries]
        for number, write in enumerate(todo):
            if not self._may_write(failures):
                self._left(todo[number:])
                break
            self._progress(_("writing"), number, len(todo))
            fault = await self._write(write)
            if fault is None:
                done.append(write)
                failures = 0
            elif fault.code in SYSTEMIC:
                self.state = "incomplete"
                self._left(todo[number + 1 :])
                break
            else:
                failures += 1
            if self.cancelled.is_set():
                self.state = "cancelled"
                self._left(todo[number + 1 :])
                break
        return [*done, *await self._look_up_unknown()]

    async def _write(self, write: SessionWrite) -> Fault | None:
        """Journal, call, settle. Raises LeaseLost."""
        assert self.attendance is not None
        intent = await self.store.transact(lambda tx: self.journal.open(tx, write))
        try:
            await self.attendance.write(write.session, write.wanted, write.standing)
        except Fault as fault:
            await self.report.fault(fault, "warn")
            if fault.committed == "no":
                await self.store.transact(partial(self.journal.refused, intent=intent, fault=fault))
                self.unwritten += [self._not_taken(one, fault) for one in write.deliveries]
            return fault
        await self.store.transact(lambda tx: self.journal.settle(tx, intent, write))
        self.written += write.deliveries
        return None

    async def _look_up_unknown(self) -> list[SessionWrite]:
        """Writes that went unanswered are looked up before the export ends (R37); those that arrived."""
        unknown = await self.store.transact(lambda tx: tx.open_deliveries(self.connection.name))
        if not unknown:
            return []
        stood = await self._ask_standing([one.write.session for one in unknown])
        if not stood.complete:
            self.state = "incomplete"
            return []
        arrived: list[SessionWrite] = []
        for one in unknown:
            there = await self.journal.look_up(one, stood, self._carries())
            self.written += there
            missing = [d for d in one.write.deliveries if d not in there]
            self.unwritten += [self._not_taken(d, None) for d in missing]
            if there:
                arrived.append(one.write.model_copy(update={"deliveries": tuple(there)}))
        return arrived

    async def _verify(self, written: Sequence[SessionWrite]) -> None:
        """What was written is read again; what does not stand as written is told, and is no base."""
        if not written:
            return
        stood = await self._ask_standing([one.session for one in written])
        if not stood.complete:
            return
        wrong = await self.journal.verify(written, stood, self._carries())
        for one in wrong:
            self.written = [other for other in self.written if other.id != one.id]
            self.unwritten.append(_row_of(one, "waiting", "refused_by_erp", _("it does not stand as written")))
            await self.report.tell(
                "error",
                "alarm",
                _("{who}, {about}: does not stand in the ERP as written").format(
                    who=one.label, about=one.about
                ),
                {"session": one.session.id, "verb": one.verb},
            )

    async def _keep(self) -> None:
        """What people see between exports, and the stages this one has passed."""
        name, options = self.connection.name, self.connection.config.export
        due = [] if not self.order.dry else [
            _row_of(one, "due", "due") for write in self.made.writes for one in write.deliveries
        ]  # fmt: skip
        waiting = {hold.cause for hold in self.made.holds}
        whole = not self.order.dry and self.order.only is None and self.state == "running"

        def settle(tx: Transaction) -> None:
            self.journal.fence(tx)
            tx.put_export_list(name, self.order.run_id, (*self.made.rows, *self.unwritten, *due))
            if not whole or self.report.faults:
                return
            if self.written and "first_export" not in waiting:
                tx.set_fact(f"export_begun:{name}", tx.now.isoformat())
            if "export_options" not in waiting and "first_export" not in waiting:
                tx.set_fact(f"export_fingerprint:{name}", options.fingerprint())

        await self.store.transact(settle)

    def _asked_for(self, write: SessionWrite) -> SessionWrite:
        """As much of a write as the order is for: all of it, one sheet's, or one person's."""
        only = self.order.only
        if only is None or (only[0] == "sheet" and only[1] in (write.sheet, write.session.id)):
            return write
        mine = tuple(
            one
            for one in write.deliveries
            if only[0] == one.after.kind and only[1] in (one.after.person, one.edusign_person)
        )
        return write.model_copy(update={"deliveries": mine})

    def _may_write(self, failures: int) -> bool:
        said = self.stopped()
        if not said and failures >= FAILURES:
            said = _("the ERP no longer answers: the rest is the next export's first work")
        if not said and self.order.deadline is not None and self.clock.now() >= self.order.deadline:
            said = _("the window closed before all was written: the rest is the next export's first work")
        if said:
            self.report.say(said)
            self.state = "incomplete"
        return not said

    def _left(self, writes: Iterable[SessionWrite]) -> None:
        self.unwritten += [_row_of(one, "waiting", "left_over") for w in writes for one in w.deliveries]

    def _not_taken(self, one: Delivery, fault: Fault | None) -> Row:
        said = fault.came if fault is not None else _("it did not arrive")
        return _row_of(one, "waiting", "refused_by_erp", said)

    # What it shows

    def view(self) -> RunView:
        """The run as the API shows it."""
        ended = None if self.state == "running" else self.clock.now()
        now = self.connection.requests()
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
            observed=self._observed(),
            changes=dict(Counter(one.verb for one in self.written)),
            held=sum(len(hold.deliveries) for hold in self.made.holds),
            skipped=self._accounting().get("skipped", 0),
            requests={side: now[side] - self.requests_before[side] for side in now},
            accounting={"attendance": self._accounting()} if ended and self.made.seen else {},
            faults=tuple(dict.fromkeys(self.report.faults)),
            message="; ".join(self.report.messages),
            progress=self.progress if self.state == "running" else None,
        )

    def _observed(self) -> Mapping[str, int]:
        if not self.calls.sheets:
            return {}
        return {"edusign.sheet": len(self.calls.sheets), "edusign.attendance": len(self.made.seen)}

    def _accounting(self) -> dict[str, int]:
        """Where each attendance on a locked sheet went; the parts add up to what was seen."""
        fate: dict[HandKey, str] = {}
        for one in self.written:
            fate[HandKey(one.sheet, one.after.kind, one.edusign_person)] = "written"
        for one in (held for hold in self.made.holds for held in hold.deliveries):
            fate.setdefault(HandKey(one.sheet, one.after.kind, one.edusign_person), "held")
        for row in (*self.made.rows, *self.unwritten):
            fate.setdefault(row.hand, "held" if row.state == "held" else "skipped")
        seen = {*self.made.seen, *(key for key in fate if key.person)}
        words = Counter(fate.get(key, "unchanged") for key in seen)
        return {"seen": len(seen), **words} if seen else {}

    # Small services

    def _carries(self) -> frozenset[Any]:
        return self.attendance.carries if self.attendance is not None else frozenset()

    def _scope(self) -> Scope:
        """The local dates looked at again (R27), today included."""
        config = self.connection.config
        today = local_date(self.started, config.zone)
        first = today - timedelta(days=config.export.repush_days)
        return Scope(first=first, last=today, zone=config.zone)

    async def _unless_cancelled(self, reading: Coroutine[Any, Any, T]) -> T:
        """What only reads need not be waited for once the export is to stop. Raises _Stopped."""
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

    async def _finish(self) -> None:
        view = self.view()
        expected = bool(self.report.faults) and not self.report.alarming
        level: Level = "info" if self.state == "done" else "notice" if expected else "warn"
        counts = {"changes": view.changes, "requests": view.requests, "held": view.held}
        event = self.report.event(level, "run", self._ended_line(view), counts)

        def settle(tx: Transaction) -> None:
            tx.put_run(view)
            tx.tell(event)

        await self.store.transact(settle)

    def _ended_line(self, view: RunView) -> str:
        if self.order.dry:
            return _("export planned: nothing written")
        written = ", ".join(f"{n} {verb}" for verb, n in sorted(view.changes.items()))
        return _("export {state}: {changes}").format(state=self.state, changes=written or _("no change"))

    def _progress(self, what: str, done: int, total: int | None) -> None:
        self.progress = ProgressView(what=what, done=done, total=total)


def _row_of(one: Delivery, state: Any, why: str, said: str = "") -> Row:
    return Row(
        state=state,
        why=why,
        sheet=one.sheet,
        session=one.session.id,
        kind=one.after.kind,
        person=one.edusign_person,
        erp_person=one.after.person,
        label=one.label,
        about=one.about,
        start=one.session.start,
        end=one.session.end,
        people=1,
        attendance=one.after,
        erp=one.before,
        said=said,
        delivery=one.id,
        verb=one.verb,
    )
