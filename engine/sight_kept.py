"""Keeping what a run observed beyond its end, packed off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable

from engine.observe import Observed
from engine.records import Kind
from engine.sight import Reading, continued, packed, readings, unpacked
from engine.state.store import Store
from engine.state.transaction import KeptListing, Transaction


async def keep(
    store: Store,
    connection: str,
    run_id: str,
    observed: Observed,
    unread: Collection[Kind],
    fence: Callable[[Transaction], None],
) -> None:
    """Keep what a run observed, in one transaction; what it read in part only adds to what was kept (R13).

    `unread`: kinds it wrote since and did not read again. Raises what `fence` raises.
    """
    new = readings(observed, unread)
    partial = {(one.system, one.kind) for one in new if one.complete_at is None}
    kept = await store.transact(lambda tx: tx.listings(connection)) if partial else []
    earlier = [one for one in kept if (one.system, one.kind) in partial]
    rows = await asyncio.to_thread(_packed_upon, new, earlier, run_id, observed)

    def settle(tx: Transaction) -> None:
        fence(tx)
        for row in rows:
            tx.put_listing(connection, row)

    await store.transact(settle)


def _packed_upon(
    new: Iterable[Reading], earlier: Iterable[KeptListing], run_id: str, observed: Observed
) -> list[KeptListing]:
    before = {(one.system, one.kind): reading_of(one) for one in earlier}
    rows = []
    for one in new:
        known = before.get((one.system, one.kind))
        reading = one if known is None else continued(one, known, observed.scope)
        rows.append(
            KeptListing(
                run_id=run_id,
                system=reading.system,
                kind=reading.kind,
                at=reading.at,
                complete_at=reading.complete_at,
                content=packed(reading),
            )
        )
    return rows


def reading_of(kept: KeptListing) -> Reading:
    """What was kept, as it was read. Raises ValueError where it is of another shape."""
    return unpacked(kept.system, kept.kind, kept.at, kept.complete_at, kept.content)
