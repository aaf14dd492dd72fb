"""The changes of every connection's newest plan as one list: paged, filtered, left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from engine.account import counted, decided, mailed
from engine.config_models import ConnectionConfig
from engine.decisions import LEFT_OUT, decide, named, told
from engine.events.event import Event
from engine.events.grammar import Query
from engine.service.models import (
    ChangePage,
    ChangeRef,
    ChangeRow,
    ChangeView,
    DecideRequest,
    PlanHead,
    PlanView,
    SkipRequest,
)
from engine.service.operations import Refusal
from engine.sift import change_facets, sifted
from engine.state.store import Store
from engine.state.transaction import Transaction
from engine.views import SKIPPED
from engine.words import _

KEPT = 8
"""Filters whose rows are kept for the next page."""

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass
class _Plans:
    """The newest plans with their rows, as of `key`; `found` per filter."""

    key: object
    heads: tuple[PlanHead, ...]
    rows: tuple[ChangeRow, ...]
    found: dict[str, tuple[ChangeRow, ...]] = field(default_factory=dict)


class Pending:
    """Pages of 10,000 changes cost a look into a list: plans are read when they change, filters kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._plans = _Plans(None, (), ())

    async def page(
        self, names: Iterable[str], text: str, query: Query, offset: int, limit: int, now: datetime
    ) -> ChangePage:
        """Rows `offset` on of those that `query` (written as `text`) asks for. `now`: from when mails count."""
        plans, found = await self._found(names, text, query)
        return ChangePage(
            plans=plans.heads,
            total=len(plans.rows),
            found=len(found),
            offset=offset,
            rows=tuple(_with_mails(row, now) for row in found[offset : offset + limit]),
        )

    async def refs(self, names: Iterable[str], text: str, query: Query, now: datetime) -> tuple[ChangeRef, ...]:
        """Every row that `query` asks for, as much of it as deciding needs. `now`: from when mails count."""
        _plans, found = await self._found(names, text, query)
        return tuple(
            ChangeRef(
                connection=row.connection,
                plan=row.plan,
                id=row.change.id,
                verb=row.change.verb,
                kind=row.change.kind,
                label=row.change.label,
                hold=row.change.hold,
                item=row.item,
                revision=row.revision,
                mails=mailed(row.change, now),
            )
            for row in found
        )

    def forget(self) -> None:
        """Read the plans again: one was changed in its place."""
        self._plans = _Plans(None, (), ())

    async def _found(
        self, names: Iterable[str], text: str, query: Query
    ) -> tuple[_Plans, tuple[ChangeRow, ...]]:
        plans = await self._current(tuple(sorted(names)))
        found = plans.found.get(text)
        if found is None:
            found = sifted(query, plans.rows, change_facets)
            if query.since is None and query.until is None:
                while len(plans.found) >= KEPT:
                    plans.found.pop(next(iter(plans.found)))
                plans.found[text] = found
        return plans, found

    async def _current(self, names: tuple[str, ...]) -> _Plans:
        known = self._plans.key
        read = await self._store.transact(lambda tx: _read(tx, names, known))
        if read is not None:
            self._plans = read
        return self._plans


def _with_mails(row: ChangeRow, now: datetime) -> ChangeRow:
    mails = mailed(row.change, now)
    return row.model_copy(update={"mails": mails}) if mails else row


def _read(tx: Transaction, names: tuple[str, ...], known: object) -> _Plans | None:
    """The newest plans; None where they are the known ones."""
    key = (names, tx.newest_plans(), tx.open_holds())
    if key == known:
        return None
    heads: list[PlanHead] = []
    rows: list[ChangeRow] = []
    for name in names:
        plan = tx.last_plan(name)
        if plan is None:
            continue
        heads.append(head(plan))
        holding = {c.id: item for item in tx.open_items(name, "hold") for c in item.changes}
        rows += sorted(
            (
                ChangeRow(
                    connection=name,
                    plan=plan.id,
                    change=change,
                    item=holding[change.id].id if change.id in holding else "",
                    revision=holding[change.id].revision if change.id in holding else 0,
                )
                for change in plan.changes
            ),
            key=lambda row: (row.change.hold.startswith(SKIPPED), row.change.bites_at or _NEVER),
        )
    return _Plans(key, tuple(heads), tuple(rows))


def head(plan: PlanView) -> PlanHead:
    """A plan without its changes. Held are changes alone: the pairs that block a create are none."""
    return PlanHead(
        **{**plan.model_dump(exclude={"changes"}), **counted(plan.changes)}, total=len(plan.changes)
    )


def skip(tx: Transaction, config: ConnectionConfig, request: SkipRequest, actor: str) -> int:
    """Leave changes of the newest plan out, or no longer; how many. Raises Refusal: usage, stale.

    Held ones are decided through their hold, so that it narrows as by any decision.
    """
    plan = tx.last_plan(config.name)
    if plan is None or plan.id != request.plan:
        raise Refusal("stale", _("there is a newer plan of {name}: look again").format(name=config.name))
    wanted = set(request.changes)
    changes = [c for c in plan.changes if c.id in wanted and (c.hold == LEFT_OUT) != request.skip]
    if not changes:
        raise Refusal("usage", _("none of these changes is in the plan, or all of them are so already"))
    held = _held(tx, config.name)
    if request.skip:
        for item_id, ids in held.items():
            if mine := tuple(c.id for c in changes if c.id in ids):
                refuse = DecideRequest(item=item_id, choice="refuse", changes=mine, why=request.why)
                decide(tx, config, refuse, actor, None)
    in_holds = {id for ids in held.values() for id in ids} if request.skip else set()
    for change in changes:
        if change.id not in in_holds:
            choice = "refuse" if request.skip else "reconsider"
            tx.decide(config.name, f"change:{change.id}", choice, actor, why=request.why)
    tx.tell(_skipped_event(config.name, changes, request, actor))
    tx.put_plan(decided(plan, {c.id for c in changes}, LEFT_OUT if request.skip else ""))
    return len(changes)


def _held(tx: Transaction, connection: str) -> dict[str, frozenset[str]]:
    return {item.id: frozenset(c.id for c in item.changes) for item in tx.open_items(connection, "hold")}


def _skipped_event(connection: str, changes: list[ChangeView], request: SkipRequest, actor: str) -> Event:
    said = _("{actor} left out {changes}") if request.skip else _("{actor} took up again {changes}")
    return Event(
        level="notice",
        kind="decision",
        message=said.format(actor=actor, changes=named(changes)),
        connection=connection,
        record_kind=changes[0].kind if len(changes) == 1 else "",
        erp_id=changes[0].erp_id if len(changes) == 1 else "",
        edusign_id=changes[0].edusign_id if len(changes) == 1 else "",
        actor=actor,
        data={
            "choice": "skip" if request.skip else "reconsider",
            "count": len(changes),
            "why": request.why,
            "changes": told(changes),
        },
    )
