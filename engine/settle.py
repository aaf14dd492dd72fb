"""How links and bases follow what was written or found equal, and what the log is told of it (R37)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from engine.changes import BaseMove, Change, Plan, jsonable
from engine.events.event import Event, Level
from engine.links import Link, Links, roster_base
from engine.records import Value, plain
from engine.state.transaction import Lease, Transaction
from engine.translate import base_after
from engine.words import _

LEASE_TTL = timedelta(minutes=5)
"""How long a lease lasts without a write; every write renews it."""


@dataclass(frozen=True)
class Settlement:
    """Settles what one run wrote or found, in the transaction it is handed; `links` follow."""

    connection: str
    run_id: str
    actor: str
    links: Links
    country: str
    lease: Lease

    def fence(self, tx: Transaction) -> None:
        """Nothing is committed by an engine that another one has replaced. Raises LeaseLost."""
        tx.fence(self.lease, LEASE_TTL)

    def settle(self, tx: Transaction, change: Change, sent: Mapping[str, Value], edusign_id: str) -> None:
        """Link and base after a write that arrived; `sent` in Edusign ids."""
        kind, erp_id = change.key
        if change.verb in ("archive", "withdraw"):
            tx.drop_link(self.connection, kind, erp_id)
            self.links.drop(kind, erp_id)
            return
        link = self.links.get(kind, erp_id)
        if change.verb in ("add", "remove"):
            if link is None:
                return
            base = roster_base(link, "learners")
            base = base | {change.token} if change.verb == "add" else base - {change.token}
            link = link.model_copy(update={"base": {**link.base, "learners": sorted(base)}})
        else:
            same = link is not None and link.edusign_id == edusign_id
            sent_base = jsonable(base_after(change, sent, self.links, self.country))
            link = Link(
                kind=kind,
                erp_id=erp_id,
                edusign_id=edusign_id,
                base={**(link.base if link is not None and same else {}), **sent_base},
                # A group that is gone stays gone while its members leave it.
                missing=link.missing if link is not None and same else (),
                read_only=change.read_only,
            )
        self.put(tx, link)

    def put(self, tx: Transaction, link: Link) -> None:
        """Keep a link, in the store and among those of this run."""
        tx.put_link(self.connection, link)
        self.links.put(link)

    # Without a write

    def follow(self, tx: Transaction, moves: Iterable[BaseMove]) -> None:
        """The base follows what both sides agree on already. Raises LeaseLost."""
        self.fence(tx)
        for move in moves:
            link = self.links.get(move.kind, move.erp_id)
            if link is not None:
                self.put(tx, link.model_copy(update={"base": {**link.base, **jsonable(move.base)}}))

    def count_absences(self, tx: Transaction, made: Plan, occurrence: str) -> None:
        """Records missing from the observation of `occurrence` are counted under it, others no more (R13)."""
        for key in made.missing:
            link = self.links.get(*key)
            if link is not None and occurrence not in link.missing:
                self.put(tx, link.model_copy(update={"missing": (*link.missing, occurrence)}))
        for key in made.found_again:
            link = self.links.get(*key)
            if link is not None:
                self.put(tx, link.model_copy(update={"missing": ()}))

    # What the log is told

    def told(self, change: Change, edusign_id: str, intent: int, state: str) -> list[Event]:
        """The lines of a write that is settled; `intent` 0 where no call was needed."""
        data: dict[str, Any] = {
            "verb": change.verb,
            "before": jsonable(change.before),
            "after": jsonable(change.after),
            "rule": change.rule,
            "reason": change.reason,
            "intent": intent,
        }
        message = _("{verb} {kind} {label}: {reason}").format(
            verb=change.verb if state == "written" else _("already so: {verb}").format(verb=change.verb),
            kind=change.kind,
            label=change.label or change.erp_id,
            reason=change.reason,
        )
        events = [self.event("write", change, message, edusign_id, data=data)]
        return [*events, *(self.overwritten(change, edusign_id, self.run_id) if state == "written" else ())]

    def overwritten(self, change: Change, edusign_id: str, run_id: str) -> list[Event]:
        """Each edit a person made in Edusign that this write undid, with both values and the run (R02)."""
        return [
            self.event(
                "notice",
                change,
                _("{field} of {kind} {label} was changed in Edusign; the ERP's value stands").format(
                    field=name, kind=change.kind, label=change.label
                ),
                edusign_id,
                level="notice",
                data={
                    "field": name,
                    "edusign": plain(change.before.get(name)),
                    "erp": plain(change.after.get(name)),
                    "run": run_id,
                },
            )
            for name in change.overwrites
        ]

    def event(
        self,
        kind: str,
        change: Change,
        message: str,
        edusign_id: str,
        *,
        level: Level = "info",
        data: Mapping[str, Any] | None = None,
    ) -> Event:
        """A line of the log about one change."""
        return Event(
            level=level,
            kind=kind,
            message=message,
            connection=self.connection,
            run_id=self.run_id,
            record_kind=change.kind,
            erp_id=change.erp_id,
            edusign_id=edusign_id,
            actor=self.actor,
            data=dict(data or {}),
        )
