"""intent → call → settle: one change carried out, with another look just before (R37)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from engine.changes import Change, jsonable
from engine.links import Link, Links, roster_base
from engine.planning.match import api_key
from engine.planning.situation import LEAD
from engine.ports import AttendancePlatform, Fault, FaultCode, Scope
from engine.records import (
    PEOPLE,
    RECORDS,
    Kind,
    Record,
    Seen,
    Sheet,
    Value,
    canonical,
    name_tokens,
)
from engine.settle import Settlement
from engine.state.store import Store
from engine.state.transaction import Lease, Transaction
from engine.translate import id_set, in_ids, roster_to_send, to_send
from engine.words import _

State = Literal["written", "nothing", "dropped", "refused", "failed", "held", "unknown", "waits"]

SYSTEMIC = frozenset(
    {
        FaultCode.unauthorized,
        FaultCode.payment_required,
        FaultCode.unreachable,
        FaultCode.not_json,
        FaultCode.drift,
    }
)
"""Faults that will meet every other write too: the run stops writing."""


@dataclass(frozen=True)
class Outcome:
    """What became of one change. "nothing": it was so already; "dropped": the record changed meanwhile and is
    planned anew; "refused": Edusign, or a rule, says no to this very change; "failed": the call did not get
    through and surely did nothing; "unknown": no answer, its intent stays open until looked up."""

    state: State
    change: Change
    edusign_id: str = ""
    note: str = ""
    fault: Fault | None = None
    code: str = ""


class Halt(Exception):
    """No further write makes sense in this run."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@dataclass
class Writer:
    """Carries out changes one by one for one run; `links` follow what was written.

    `restores`: (change id, Edusign id) of archived records of another name that a person let be brought back.
    `refreshed` collects Edusign records read again on the way, by kind and id (None: gone).
    """

    store: Store
    platform: AttendancePlatform
    connection: str
    run_id: str
    actor: str
    links: Links
    our_type: str
    country: str
    scope: Scope
    lease: Lease
    now: Callable[[], datetime]
    restores: frozenset[tuple[str, str]] = frozenset()
    refreshed: dict[Kind, dict[str, Seen | None]] = field(default_factory=dict)
    settlement: Settlement = field(init=False)

    def __post_init__(self) -> None:
        self.settlement = Settlement(
            connection=self.connection,
            run_id=self.run_id,
            actor=self.actor,
            links=self.links,
            country=self.country,
            lease=self.lease,
        )

    async def write(self, change: Change) -> Outcome:
        """Journal, look again, call, settle. Raises Halt on faults that concern every write, LeaseLost."""
        if change.verb == "seal":
            return await self._seal(change)
        if change.verb == "unlink" or (change.verb == "link" and not change.after and not change.stamp):
            return await self._link_only(change)
        ready = to_send(change, self.links)
        if ready is None:
            return Outcome("waits", change)
        intent = await self.store.transact(lambda tx: self._open(tx, change, ready))
        try:
            return await self._carry_out(intent, change, ready)
        except Fault as fault:
            return await self._failed(intent, change, fault)

    # Carrying out

    async def _carry_out(self, intent: int, change: Change, ready: Mapping[str, Value]) -> Outcome:
        if change.verb == "create":
            return await self._create(intent, change, ready)
        fresh = await self.platform.read(change.kind, change.edusign_id)
        if change.verb in ("archive", "withdraw", "restore"):
            return await self._appearance(intent, change, fresh)
        if fresh is None or fresh.archived:
            return await self._close(intent, change, "dropped", note="gone meanwhile")
        if change.verb in ("add", "remove"):
            return await self._element(intent, change, ready, fresh)
        return await self._update(intent, change, ready, fresh)

    async def _create(self, intent: int, change: Change, ready: Mapping[str, Value]) -> Outcome:
        known = await self._look(change)
        if known is not None:
            return await self._instead_of_create(intent, change, ready, known)
        record = RECORDS[change.kind].model_validate({"id": "", **ready})
        edusign_id = await self.platform.create(record, change.api_id, self.our_type)
        return await self._done(intent, change, ready, edusign_id)

    async def _look(self, change: Change) -> Seen | None:
        """Where lists don't show: by external key, then by e-mail; archived people are there (R08)."""
        id = await self.platform.id_by_api_id(change.kind, change.api_id)
        if id is not None:
            found = await self.platform.read(change.kind, id)
            if found is not None and found.api_type == self.our_type:
                return found
        if change.kind in PEOPLE:
            return await self.platform.by_email(change.kind, str(change.after["email"]))
        return None

    async def _instead_of_create(
        self, intent: int, change: Change, ready: Mapping[str, Value], known: Seen
    ) -> Outcome:
        """A record is there already: ours is bound, an archived one restored, another person's is left."""
        ours = known.api_type == self.our_type and api_key(known.api_id) == change.erp_id
        holder = self.links.of_edusign(change.kind, known.id)
        elsewhere = known.archived and known.api_type not in ("", self.our_type)
        if elsewhere or (holder is not None and holder.erp_id != change.erp_id):
            return await self._close(intent, change, "refused", note=known.id, code="email_of_another")
        agree = name_tokens(known.record) == name_tokens(self._record(change, ready))
        if known.archived and not agree and (change.id, known.id) not in self.restores:
            return await self._close(intent, change, "held", note=known.id, code="archived_other_name")
        if not known.archived and not ours:
            return await self._close(intent, change, "dropped", note=known.id, code="appeared_meanwhile")
        if known.archived and not self._can_restore(change.kind):
            return await self._close(intent, change, "refused", note=known.id, code="restore_off")
        verb = "restore" if known.archived else "link"
        restored = change.model_copy(update={"verb": verb, "edusign_id": known.id})
        ready = self._beside_what_is_there(known, ready)
        record = known.record.model_copy(update=ready)
        differing = self._differing(known, ready)
        sent = {name: ready[name] for name in differing}
        await self.store.transact(lambda tx: tx.amend_intent(intent, restored, jsonable(sent)))
        if known.archived:
            await self.platform.restore(change.kind, known.id)
        api = None if ours else (change.api_id, self.our_type)
        try:
            if differing or not ours:
                await self.platform.update(record, differing, api)
        except Fault as fault:
            if known.archived:
                # The restore itself arrived: its intent stays open and is looked up.
                fault.committed = "unknown"
            raise
        wrote = known.archived or bool(differing) or not ours
        return await self._done(intent, restored, ready, known.id, state="written" if wrote else "nothing")

    def _can_restore(self, kind: Kind) -> bool:
        """A write without evidence ships switched off (R14: speakers)."""
        return not any(c.name == f"restore {kind}s" and not c.on for c in self.platform.capabilities)

    def _beside_what_is_there(self, known: Seen, ready: Mapping[str, Value]) -> dict[str, Value]:
        """What may be made of a record that was there already: who a person put in a group stays (R06), a
        sheet's people come by the attendance routes, a protected sheet keeps its fields (R18)."""
        values = dict(ready)
        for name in known.record.rosters:
            there = id_set(known.record.value(name))
            values[name] = id_set(ready[name]) & there if known.kind == "sheet" else id_set(ready[name]) | there
        if isinstance(known.record, Sheet) and self._protected(known, known.record):
            differing = self._differing(known, values)
            values = {name: value for name, value in values.items() if name not in differing}
        return values

    def _differing(self, known: Seen, ready: Mapping[str, Value]) -> frozenset[str]:
        return frozenset(
            name
            for name, value in ready.items()
            if not (known.kind == "sheet" and name == "learners")
            and self.form(known.kind, name, value) != self.form(known.kind, name, known.record.value(name))
        )

    async def _update(self, intent: int, change: Change, ready: Mapping[str, Value], fresh: Seen) -> Outcome:
        record = fresh.record
        if isinstance(record, Sheet) and self._protected(fresh, record):
            return await self._close(intent, change, "dropped", note="too late to change", code="too_late")
        changed = [
            name
            for name in change.after
            if name not in record.rosters
            and self.form(change.kind, name, record.value(name))
            != self.form(change.kind, name, in_ids(name, change.before.get(name), self.links))
        ]
        if changed:
            return await self._close(intent, change, "dropped", note="changed meanwhile: " + ", ".join(changed))
        values = dict(ready)
        for name in record.rosters:
            if name in values:
                values[name] = roster_to_send(change, name, record.value(name), self.links)
        if not change.stamp and all(record.value(name) == value for name, value in values.items()):
            # Whoever was to join is not in Edusign yet: there is nothing to send.
            return await self._close(intent, change, "waits")
        intended = record.model_copy(update=values)
        await self.store.transact(lambda tx: tx.amend_intent(intent, change, jsonable(values)))
        api = (change.api_id or change.erp_id, self.our_type) if change.stamp else None
        await self.platform.update(intended, frozenset(values), api)
        try:
            if isinstance(record, Sheet):
                await self._check_signatures(change, fresh)
            if change.kind == "group" and "members" in values:
                await self.follow_cascade(change, record.value("members"), values["members"])
        except Fault as fault:
            # The write itself arrived: its intent stays open and is looked up.
            fault.committed = "unknown"
            raise
        return await self._done(intent, change, values, change.edusign_id)

    async def _element(self, intent: int, change: Change, ready: Mapping[str, Value], fresh: Seen) -> Outcome:
        sheet = fresh.record
        assert isinstance(sheet, Sheet)
        value = ready["learners"]
        assert isinstance(value, frozenset)
        (learner,) = value
        there = learner in sheet.learners
        if there == (change.verb == "add"):
            return await self._done(intent, change, ready, change.edusign_id, state="nothing")
        started = sheet.start is not None and self.now() >= sheet.start
        if fresh.locked or (change.verb == "remove" and (started or learner in fresh.signed_learners)):
            return await self._close(intent, change, "dropped", note="locked, signed or started")
        if change.verb == "add":
            await self.platform.add_to_sheet(change.edusign_id, learner)
        else:
            await self.platform.remove_from_sheet(change.edusign_id, learner)
        return await self._done(intent, change, ready, change.edusign_id)

    async def _appearance(self, intent: int, change: Change, fresh: Seen | None) -> Outcome:
        """Archive, restore, withdraw: whether the record is there at all."""
        already = fresh is None or fresh.archived == (change.verb == "archive")
        if change.verb == "withdraw":
            already = fresh is None
        if already:
            return await self._done(intent, change, {}, change.edusign_id, state="nothing")
        assert fresh is not None
        if change.verb == "archive":
            if fresh.shared:
                return await self._close(intent, change, "dropped", note="belongs to several schools")
            await self.platform.archive(change.kind, change.edusign_id)
        elif change.verb == "restore":
            if not self._can_restore(change.kind):
                return await self._close(intent, change, "refused", code="restore_off")
            await self.platform.restore(change.kind, change.edusign_id)
        else:
            sheet = fresh.record
            assert isinstance(sheet, Sheet)
            if self._protected(fresh, sheet):
                return await self._close(intent, change, "dropped", note="signed, locked or begun")
            await self.platform.withdraw(change.edusign_id)
        return await self._done(intent, change, {}, change.edusign_id)

    async def _check_signatures(self, change: Change, before: Seen) -> None:
        after = await self.platform.read("sheet", change.edusign_id)
        self._remember("sheet", change.edusign_id, after)
        lost = before.signed and (after is None or not after.signed)
        if lost:
            event = self.settlement.event(
                "alarm", change, _("a signature vanished from a sheet"), change.edusign_id, level="error"
            )
            await self.store.transact(lambda tx: tx.tell(event))

    async def follow_cascade(self, change: Change, before: Value, after: Value) -> None:
        """Edusign may have carried a membership change to the group's future sheets: that is ours (R20)."""
        added, removed = id_set(after) - id_set(before), id_set(before) - id_set(after)
        listing = await self.platform.sheets_of_group(change.edusign_id, self.scope)
        moved: list[Link] = []
        for seen in listing.seen:
            self._remember("sheet", seen.id, seen)
            link = self.links.of_edusign("sheet", seen.id)
            sheet = seen.record
            if link is None or not isinstance(sheet, Sheet):
                continue
            base = roster_base(link, "learners")
            now_there = base | {self.links.token("learner", i) for i in added & sheet.learners}
            now_there -= {self.links.token("learner", i) for i in removed - sheet.learners}
            if now_there != base:
                moved.append(link.model_copy(update={"base": {**link.base, "learners": sorted(now_there)}}))

        def settle(tx: Transaction) -> None:
            self.settlement.fence(tx)
            for link in moved:
                tx.put_link(self.connection, link)

        if moved:
            await self.store.transact(settle)
            for link in moved:
                self.links.put(link)

    # Settling

    async def _done(
        self,
        intent: int,
        change: Change,
        sent: Mapping[str, Value],
        edusign_id: str,
        *,
        state: Literal["written", "nothing"] = "written",
    ) -> Outcome:
        def settle(tx: Transaction) -> None:
            self.settlement.fence(tx)
            tx.close_intent(intent, "done" if state == "written" else "needless", edusign_id)
            self.settlement.settle(tx, change, sent, edusign_id)
            tx.tell(*self.settlement.told(change, edusign_id, intent, state))

        await self.store.transact(settle)
        return Outcome(state, change, edusign_id)

    async def _close(
        self, intent: int, change: Change, state: State, *, note: str = "", code: str = ""
    ) -> Outcome:
        """Close an intent whose call was never made."""

        def settle(tx: Transaction) -> None:
            self.settlement.fence(tx)
            tx.close_intent(intent, "dropped", note=note or code)

        await self.store.transact(settle)
        return Outcome(state, change, change.edusign_id, note=note, code=code)

    async def _failed(self, intent: int, change: Change, fault: Fault) -> Outcome:
        if fault.committed == "no":
            refused = fault.code is FaultCode.refused
            closed = "refused" if refused else "never_arrived"
            await self.store.transact(lambda tx: tx.close_intent(intent, closed, note=str(fault)))
            if fault.code in SYSTEMIC:
                raise Halt(fault)
            state: State = "refused" if refused else "failed"
            return Outcome(state, change, change.edusign_id, note=fault.came, fault=fault, code=fault.code)
        return Outcome("unknown", change, change.edusign_id, note=fault.came, fault=fault, code=fault.code)

    async def _seal(self, change: Change) -> Outcome:
        link = self.links.get(*change.key)
        if link is None:
            return Outcome("dropped", change)

        def settle(tx: Transaction) -> None:
            self.settlement.fence(tx)
            tx.seal(self.connection, link, jsonable(change.before))
            tx.tell(*self.settlement.told(change, link.edusign_id, 0, "written"))

        await self.store.transact(settle)
        self.links.drop(*change.key)
        return Outcome("written", change, link.edusign_id)

    async def _link_only(self, change: Change) -> Outcome:
        def settle(tx: Transaction) -> None:
            self.settlement.fence(tx)
            if change.verb == "unlink":
                tx.drop_link(self.connection, change.kind, change.erp_id)
                self.links.drop(*change.key)
            else:
                self.settlement.settle(tx, change, {}, change.edusign_id)
            tx.tell(*self.settlement.told(change, change.edusign_id, 0, "written"))

        await self.store.transact(settle)
        return Outcome("written", change, change.edusign_id)

    # Looking

    def _record(self, change: Change, ready: Mapping[str, Value]) -> Record:
        return RECORDS[change.kind].model_validate({"id": change.edusign_id, **ready})

    def form(self, kind: Kind, name: str, value: Value) -> Value:
        """A value in the form in which it is compared."""
        return canonical(kind, name, value, self.country)

    def _protected(self, seen: Seen, sheet: Sheet) -> bool:
        begun = sheet.start is not None and self.now() >= sheet.start - LEAD
        return begun or seen.locked or seen.signed

    def _open(self, tx: Transaction, change: Change, ready: Mapping[str, Value]) -> int:
        self.settlement.fence(tx)
        return tx.open_intent(self.connection, self.run_id, change, jsonable(dict(ready)))

    def _remember(self, kind: Kind, id: str, seen: Seen | None) -> None:
        self.refreshed.setdefault(kind, {})[id] = seen
