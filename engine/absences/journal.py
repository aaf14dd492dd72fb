"""What is remembered of a delivery: intent before the call, base after it, what a silence left, read-back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.absences.held import wall
from engine.absences.plan import Stood
from engine.absences.reasons import why
from engine.absences.said import (
    Delivered,
    Delivery,
    HandKey,
    Row,
    SessionWrite,
    facts,
    plain_presence,
    same,
)
from engine.attendance import Attendance, Attendee, Carried
from engine.events.event import Event, Level
from engine.order import Connection
from engine.ports import Fault, FaultCode
from engine.settle import LEASE_TTL
from engine.sight_kept import reading_of
from engine.state.deliveries import OpenDelivery
from engine.state.store import Store
from engine.state.transaction import KeptListing, Lease, Transaction
from engine.words import _


@dataclass(frozen=True)
class Journal:
    """The bookkeeping of one export; every commit checks the lease (R39). Methods raise LeaseLost."""

    store: Store
    connection: Connection
    run_id: str
    actor: str
    lease: Lease

    @property
    def name(self) -> str:
        return self.connection.name

    def fence(self, tx: Transaction) -> None:
        tx.fence(self.lease, LEASE_TTL)

    def open(self, tx: Transaction, write: SessionWrite) -> int:
        """Journal a session's write before its call; its number."""
        self.fence(tx)
        return tx.open_delivery(self.name, self.run_id, write)

    def settle(self, tx: Transaction, intent: int, write: SessionWrite) -> None:
        """The write arrived: base, closed intent and log lines in one commit."""
        self.fence(tx)
        tx.close_delivery(intent, "done")
        for one in write.deliveries:
            self._take(tx, one)
            tx.tell(self._delivered(one, intent))

    def refused(self, tx: Transaction, intent: int, fault: Fault) -> None:
        """The write certainly did nothing."""
        self.fence(tx)
        state = "refused" if fault.code is FaultCode.refused else "never_arrived"
        tx.close_delivery(intent, state, fault.came)

    def _take(self, tx: Transaction, one: Delivery, left: Attendance | None = None) -> None:
        """The base after one delivery. Of what was taken back there is none, unless the ERP notes presence."""
        if one.verb == "retract":
            tx.drop_delivered(self.name, [one.key])
            return
        tx.put_delivered(self.name, self._base(tx, one, left))

    def _base(self, tx: Transaction, one: Delivery, left: Attendance | None) -> Delivered:
        return Delivered(
            session=one.session.id,
            kind=one.after.kind,
            person=one.after.person,
            sheet=one.sheet,
            edusign_person=one.edusign_person,
            label=one.label,
            about=one.about,
            start=one.session.start,
            end=one.session.end,
            sent=one.after,
            left=left or one.after,
            at=tx.now,
            run_id=self.run_id,
            verified=left is not None,
        )

    # What a crash or a silence left (R38)

    async def look_up(
        self, open_one: OpenDelivery, stood: Stood, carries: frozenset[Carried]
    ) -> list[Delivery]:
        """Close an open intent by what stands in the ERP; the deliveries that are there. The base becomes what
        was sent."""
        there = [one for one in open_one.write.deliveries if arrived(one, stood, carries)]
        every = len(there) == len(open_one.write.deliveries)
        state = "done" if every else "partly" if there else "never_arrived"

        def settle(tx: Transaction) -> None:
            self.fence(tx)
            tx.close_delivery(open_one.id, state, "recovered")
            for one in there:
                self._take(tx, one)
                tx.tell(self._delivered(one, open_one.id))
            tx.tell(
                self._event(
                    "recovery",
                    _("session {session}: looked up after an interruption, {state}").format(
                        session=open_one.write.session.id, state=state
                    ),
                    level="notice",
                    data={"delivery": open_one.id, "state": state, "run": open_one.run_id},
                )
            )

        await self.store.transact(settle)
        return there

    # Read-back

    async def verify(
        self, written: Sequence[SessionWrite], stood: Stood, carries: frozenset[Carried]
    ) -> list[Delivery]:
        """Note how what was written stands; the deliveries that do not stand as written: their base is again
        what it was before."""
        deliveries = [one for write in written for one in write.deliveries]
        wrong = [one for one in deliveries if not arrived(one, stood, carries)]

        def settle(tx: Transaction) -> None:
            self.fence(tx)
            for one in deliveries:
                rows = stood.rows.get(one.key, ())
                if one not in wrong and one.verb != "retract":
                    self._take(tx, one, rows[0] if rows else None)
                elif one in wrong and one.before is not None and one.verb != "deliver":
                    before = self._base(tx, one.model_copy(update={"after": one.before}), one.before)
                    tx.put_delivered(self.name, before)
                elif one in wrong:
                    tx.drop_delivered(self.name, [one.key])

        await self.store.transact(settle)
        return wrong

    async def confirm(self, unsure: Iterable[Delivered], stood: Stood) -> None:
        """What an earlier export wrote and did not come to read back, as it stands now."""
        confirmed = [
            one.model_copy(update={"left": rows[0], "verified": True})
            for one in unsure
            if len(rows := stood.rows.get(one.key, ())) == 1 and facts(rows[0]) == facts(one.left)
        ]
        if confirmed:

            def settle(tx: Transaction) -> None:
                self.fence(tx)
                tx.put_delivered(self.name, *confirmed)

            await self.store.transact(settle)

    # What the log is told

    def _delivered(self, one: Delivery, intent: int) -> Event:
        said = {
            "deliver": _("{who}: {what} delivered to the ERP ({about}, {at})"),
            "update": _("{who}: now {what} in the ERP ({about}, {at})"),
            "retract": _("{who}: taken back from the ERP ({about}, {at})"),
        }[one.verb]
        message = said.format(
            who=one.label or one.after.person,
            what=in_words(one.after),
            about=one.about,
            at=wall(one.session.start, self.connection.config.zone),
        )
        data = {
            "verb": one.verb,
            "session": one.session.id,
            "sheet": one.sheet,
            "before": facts(one.before),
            "after": facts(one.after),
            "delivery": intent,
        }
        return self._event("absence", message, kind=one.after.kind, erp_id=one.after.person,
                           edusign_id=one.edusign_person, data=data)  # fmt: skip

    def theirs(self, row: Row) -> Event:
        """The ERP's people said otherwise, and their word stands (R26)."""
        message = _("{who} ({about}, {at}): {why}").format(
            who=row.label, about=row.about, at=wall(row.start, self.connection.config.zone), why=why(row.why)
        )
        data = {"edusign": facts(row.attendance), "erp": facts(row.erp), "session": row.session}
        return self._event("absence", message, level="notice", kind=row.kind, erp_id=row.erp_person,
                           edusign_id=row.person, data=data)  # fmt: skip

    def ticked(self, key: HandKey, found: bool) -> Event:
        """What somebody reported by hand was looked for."""
        message = (
            _("reported by hand, and found in the ERP") if found
            else _("reported by hand, but the ERP does not show it")
        )  # fmt: skip
        return self._event("absence", message, level="info" if found else "warn", kind=key.kind,
                           edusign_id=key.person, data={"sheet": key.sheet, "found": found})  # fmt: skip

    def _event(
        self,
        word: str,
        message: str,
        *,
        level: Level = "info",
        kind: str = "",
        erp_id: str = "",
        edusign_id: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> Event:
        return Event(
            level=level,
            kind=word,
            message=message,
            connection=self.name,
            run_id=self.run_id,
            record_kind=kind,
            erp_id=erp_id,
            edusign_id=edusign_id,
            actor=self.actor,
            data=dict(data or {}),
        )


def arrived(one: Delivery, stood: Stood, carries: frozenset[Carried]) -> bool:
    """Whether the ERP shows one delivery as it was sent."""
    rows = stood.rows.get(one.key, ())
    if one.verb == "retract" or (plain_presence(one.after) and "present" not in carries):
        return not rows
    return len(rows) == 1 and same(one.after, rows[0], carries)


def in_words(one: Attendance | None) -> str:
    """An attendance as a person says it."""
    if one is None:
        return ""
    if one.state == "absent":
        return _("absent, justified") if one.justified else _("absent")
    if one.state == "excluded":
        return _("excluded")
    parts = []
    if one.late:
        parts.append(_("{minutes} min late").format(minutes=one.late))
    if one.left_early:
        parts.append(_("left {minutes} min early").format(minutes=one.left_early))
    return ", ".join(parts) or _("present")


async def labels(store: Store, connection: str) -> dict[tuple[Attendee, str], str]:
    """What people are called, by their Edusign ids, as either side was last read."""
    kept = await store.transact(lambda tx: tx.listings(connection))
    return await asyncio.to_thread(_labels, [one for one in kept if one.system == "edusign"])


def _labels(kept: Iterable[KeptListing]) -> dict[tuple[Attendee, str], str]:
    found: dict[tuple[Attendee, str], str] = {}
    for one in kept:
        if one.kind == "learner" or one.kind == "speaker":
            found.update({(one.kind, seen.id): seen.record.label for seen in reading_of(one).seen})
    return found
