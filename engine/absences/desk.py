"""The running engine's face for absences: their list, ticking, the form, a dry export's plan."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from engine.absences.said import Delivered, HandKey, Row, Tick
from engine.absences.views import absence_views, form_rows, own_list, plan_of
from engine.clock import Clock
from engine.events.event import Event
from engine.order import Connection
from engine.records import Learner, Speaker
from engine.service.models import AbsenceView, ItemView, PlanView, RunView, TickRequest
from engine.service.operations import Refusal
from engine.sight_kept import reading_of
from engine.state.deliveries import ExportList
from engine.state.store import Store
from engine.state.transaction import KeptListing, Transaction
from engine.words import _

SHOWN = timedelta(days=31)
"""How far back what is delivered is listed."""


@dataclass(frozen=True)
class _Kept:
    """What the store holds of one connection's absences."""

    name: str
    delivered: list[dict[str, Any]]
    listed: ExportList | None
    ticks: Mapping[HandKey, Tick]
    holds: list[ItemView]

    def views(self, most: int | None = None) -> list[AbsenceView]:
        """Its lines; with `most`, no more than the newest so many of what is delivered are made."""
        newest = sorted(self.delivered, key=lambda one: str(one.get("start", "")), reverse=True)
        delivered = (Delivered.model_validate(one) for one in newest[:most])
        return absence_views(self.name, delivered, self.listed, self.ticks, self.holds)


class AbsenceDesk:
    """Answers what people ask about absences. `connections` are all that there are."""

    def __init__(self, store: Store, clock: Clock, connections: Mapping[str, Connection]) -> None:
        self._store = store
        self._clock = clock
        self._connections = connections

    async def views(self, chosen: Iterable[Connection], most: int | None = None) -> tuple[AbsenceView, ...]:
        """Every line of these connections; with `most`, of each at least the first so many."""
        names = [one.name for one in chosen]
        kept = await self._store.transact(lambda tx: [self._kept(tx, name) for name in names])
        return await asyncio.to_thread(lambda: tuple(view for one in kept for view in one.views(most)))

    def _kept(self, tx: Transaction, name: str) -> _Kept:
        return _Kept(
            name,
            tx.delivered_as_json(name, self._clock.now() - SHOWN),
            tx.export_list(name),
            tx.ticks(name),
            tx.open_items(name, "hold"),
        )

    async def tick(self, request: TickRequest, actor: str) -> tuple[AbsenceView, ...]:
        """Tick lines of the list "to report by hand", or take ticks back; the lines as they are then. Raises
        Refusal: not_found."""

        def settle(tx: Transaction) -> tuple[AbsenceView, ...]:
            wanted = set(request.ids)
            for name in self._connections:
                listed = tx.export_list(name)
                for row in listed.rows if listed is not None else ():
                    id = row.hand.id(name)
                    if row.state == "by_hand" and id in wanted:
                        wanted.discard(id)
                        self._tick(tx, name, row, request.done, actor)
            if wanted:
                message = _("nothing to report by hand is called {ids}").format(ids=", ".join(sorted(wanted)))
                raise Refusal("not_found", message)
            asked = set(request.ids)
            views = (view for name in self._connections for view in self._kept(tx, name).views())
            return tuple(view for view in views if view.id in asked)

        return await self._store.transact(settle)

    def _tick(self, tx: Transaction, name: str, row: Row, done: bool, actor: str) -> None:
        if done:
            tick = Tick(
                sheet=row.sheet, kind=row.kind, person=row.person, value=row.value, actor=actor, at=tx.now
            )
            tx.put_tick(name, tick)
            said = _("{actor} reported {who} by hand ({about})")
        else:
            tx.drop_tick(name, row.hand)
            said = _("{actor} took back having reported {who} by hand ({about})")
        tx.tell(
            Event(
                level="notice",
                kind="decision",
                message=said.format(actor=actor, who=row.label or row.person, about=row.about),
                connection=name,
                record_kind=row.kind,
                erp_id=row.erp_person,
                edusign_id=row.person,
                actor=actor,
                data={"choice": "tick" if done else "untick", "sheet": row.sheet, "value": row.value},
            )
        )

    async def form(self, connection: Connection) -> tuple[str, bytes, int]:
        """What is still to be reported by hand as a file: its name, its content, how many lines."""
        name = connection.name
        listed, ticks, kept = await self._store.transact(
            lambda tx: (tx.export_list(name), tx.ticks(name), tx.listings(name))
        )
        people = await asyncio.to_thread(_people, [one for one in kept if one.system == "edusign"])
        rows = form_rows(listed.rows if listed is not None else (), ticks, people)
        if connection.erp.form is not None:
            return (*connection.erp.form.form(rows), len(rows))
        return (*own_list(rows, name, connection.config.zone), len(rows))

    async def plan(self, connection: Connection, run: RunView) -> PlanView:
        """What a dry export found."""
        name = connection.name
        listed, holds = await self._store.transact(
            lambda tx: (tx.export_list(name), tx.open_items(name, "hold"))
        )
        if listed is None or listed.run_id != run.id:
            raise Refusal("failed", run.message or _("nothing was read: see the run"))
        return plan_of(listed, holds, name, connection.config.zone, run.faults)


def _people(kept: Iterable[KeptListing]) -> dict[tuple[str, str], Learner | Speaker]:
    return {
        (one.kind, seen.id): seen.record
        for one in kept
        for seen in (reading_of(one).seen if one.kind in ("learner", "speaker") else ())
        if isinstance(seen.record, Learner | Speaker)
    }
