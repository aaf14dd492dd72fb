"""Freezes: why nothing may be written, to one connection or to all, and until a person says so (R39, R40)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.clock import Clock
from engine.events.event import Event
from engine.records import Seen
from engine.service.models import FreezeView
from engine.service.operations import Refusal
from engine.state.store import Store
from engine.state.transaction import Transaction
from engine.words import _

ALL = ""
"""The freeze that concerns every connection."""


class Freezes:
    """The freezes in force, kept in the store.

    `blocked`: per connection, why this engine may not write to it at all, which no thaw ends (R39).
    """

    def __init__(self, store: Store, clock: Clock, blocked: Mapping[str, str]) -> None:
        self._store = store
        self._clock = clock
        self._blocked = blocked
        self._in_force: dict[str, FreezeView] = {}

    def load(self, tx: Transaction, connections: Iterable[str]) -> None:
        """Take up what was frozen before the engine started, and what it may not write to."""
        for name in (ALL, *connections):
            kept = tx.fact(f"freeze:{name}")
            if kept:
                self._in_force[name] = FreezeView.model_validate(kept)
        for name, reason in self._blocked.items():
            view = FreezeView(connection=name, reason=reason, actor="engine", since=tx.now)
            self._in_force.setdefault(name, view)

    @property
    def of_all(self) -> FreezeView | None:
        """The freeze that concerns every connection, when there is one."""
        return self._in_force.get(ALL)

    def of(self, name: str) -> FreezeView | None:
        """The freeze that concerns a connection: its own, else that of all."""
        return self._in_force.get(name) or self.of_all

    def stopped(self, name: str) -> str:
        """Why writing to a connection must stop, "" while it may."""
        freeze = self.of(name)
        return _("frozen: {reason}").format(reason=freeze.reason) if freeze is not None else ""

    async def freeze(self, name: str, reason: str, actor: str) -> FreezeView:
        """Stop all writes to a connection, or to ALL; it holds from this very moment."""
        view = FreezeView(connection=name, reason=reason, actor=actor, since=self._clock.now())

        def settle(tx: Transaction) -> None:
            tx.set_fact(f"freeze:{name}", view.model_dump(mode="json"))
            tx.tell(_event(name, "warn", _("frozen: {reason}").format(reason=reason), actor))

        self._in_force[name] = view
        await self._store.transact(settle)
        return view

    async def freeze_strangers(self, name: str, strangers: tuple[Seen, ...]) -> None:
        """Records under our API_TYPE that no intent of ours created: somebody else writes as us (R39)."""
        ids = [[s.kind, s.id] for s in strangers]
        await self._store.transact(lambda tx: tx.set_fact(f"strangers:{name}", ids))
        reason = _("another writer: {count} records bear our mark that we did not make ({first})").format(
            count=len(ids), first=", ".join(s.id for s in strangers[:3])
        )
        await self.freeze(name, reason, "engine")

    async def thaw(self, name: str, actor: str) -> None:
        """Let writing go on; strangers that stopped it are accepted. Raises Refusal: forbidden, not_found."""
        blocked = self._blocked.get(name)
        if blocked:
            raise Refusal("forbidden", blocked)
        if name not in self._in_force:
            raise Refusal("not_found", _("{name} is not frozen").format(name=name or _("nothing")))

        def settle(tx: Transaction) -> None:
            strangers = tx.fact(f"strangers:{name}", [])
            tx.set_fact(f"accepted:{name}", tx.fact(f"accepted:{name}", []) + strangers)
            tx.set_fact(f"strangers:{name}", [])
            tx.set_fact(f"freeze:{name}", None)
            tx.tell(_event(name, "notice", _("thawed by {actor}").format(actor=actor), actor))

        await self._store.transact(settle)
        self._in_force.pop(name, None)


def _event(name: str, level: str, message: str, actor: str) -> Event:
    return Event.model_validate(
        {"level": level, "kind": "freeze", "message": message, "connection": name, "actor": actor}
    )
