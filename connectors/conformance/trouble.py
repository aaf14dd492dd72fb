"""Checks of how a connector behaves in trouble: limits, a cancelled call, wrong credentials, lost rights."""

from __future__ import annotations

import asyncio
from collections import Counter

from connectors.conformance.bench import Bench, Played, expect, quotes, told
from connectors.conformance.reading import cuts, same_or_incomplete
from engine.ports import FaultCode

AT_ONCE = 8
"""Requests a client may have under way where the vendor documents no other number."""
TRIES = 5
"""How often one request may be sent to a server that never answers it."""
_PAUSE = 30.0
_WRONG = "not-the-secret"
_REFUSED = (FaultCode.unauthorized.value, FaultCode.forbidden.value)
_ENDS_WITHIN = 5.0


async def limits(bench: Bench) -> None:
    """Few requests at once, no more than the vendor allows, a Retry-After kept, a dead server let alone."""
    played = bench.play()
    played.wire.latency = 0.5
    honest = await played.listings()
    expect(
        played.wire.most <= AT_ONCE,
        f"at most {AT_ONCE} requests at once",
        f"{played.wire.most} at once",
        "connectors/http.py",
    )
    if allowed := bench.pair.per_minute:
        times = [one.at for one in played.wire.asked]
        most = max(sum(1 for at in times if begun <= at < begun + 60) for begun in times)
        expect(
            most <= allowed, f"at most {allowed} requests a minute", f"{most} in one", "SimulatedErp.per_minute"
        )
    throttled = bench.play()
    throttled.fault("429", nth=2, count=1, seconds=_PAUSE)
    same_or_incomplete(honest, await throttled.listings(), "the ERP asked for a pause")
    _paused(throttled)
    dead = bench.play()
    dead.fault("503")
    listings = await dead.listings()
    for kind, listing in listings.items():
        expect(not listing.complete, f"no complete listing of {kind}s from a dead server", "one", "R13")
    what, times_sent = max(Counter(one.what for one in dead.wire.asked).items(), key=lambda one: one[1])
    expect(
        times_sent <= TRIES * len(listings),
        f"one request at most {TRIES} times for each listing, from a server that answers none",
        f"{times_sent} times {what}",
        "connectors/http.py: TRIES",
    )


def _paused(played: Played) -> None:
    """The request that was answered 429 was not sent again before its pause was over."""
    second = played.wire.asked[1]
    again = next((one.at for one in played.wire.asked[2:] if one.what == second.what), None)
    expect(
        again is None or again - second.at >= _PAUSE,
        f"the throttled request again after {_PAUSE:g} s at the earliest",
        "" if again is None else f"again after {again - second.at:g} s",
        "connectors/http.py: Retry-After",
    )


async def cancel(bench: Bench) -> None:
    """A cancelled listing ends at once and asks no more, and the client goes on to work."""
    honest = await bench.play().listings()
    played = bench.play()
    played.wire.latency = 1.0
    await played.erp.begin(played.scope)
    task = asyncio.create_task(played.erp.listing("sheet", played.scope))
    await asyncio.sleep(0.5)
    task.cancel()
    await asyncio.wait({task}, timeout=_ENDS_WITHIN)
    asked = len(played.wire.asked)
    expect(
        task.done() and task.cancelled(),
        "a cancelled listing that ends at once as cancelled",
        "one that goes on" if not task.done() else "one that answers all the same",
        "a run ends with its window, and an engine when it is told to",
    )
    await asyncio.sleep(60)
    expect(
        len(played.wire.asked) == asked,
        "no request after a listing was cancelled",
        f"{len(played.wire.asked) - asked} more",
        "a run ends with its window",
    )
    played.wire.latency = 0.0
    for kind, listing in (await played.listings()).items():
        expect(
            listing.complete and told(listing).keys() == told(honest[kind]).keys(),
            f"all {kind}s from the next run after a cancelled one",
            listing.fault_line or "others",
            "engine/ports.py: begin forgets what earlier listings brought",
        )


async def bad_credentials(bench: Bench) -> None:
    """A wrong secret is said to be wrong, for every kind and by `check`; it is not quoted, nor insisted on."""
    played = bench.play(secret=_WRONG)
    listings = await played.listings()
    for kind, listing in listings.items():
        expect(
            not listing.complete and not listing.entries and listing.fault in _REFUSED,
            f"no {kind}s and {' or '.join(_REFUSED)}, where the secret is wrong",
            listing.fault_line or f"a complete listing of {len(listing.entries)}",
            "engine/ports.py: FaultCode.unauthorized",
        )
    asked = len(played.wire.asked)
    expect(
        asked <= 3 * len(listings),
        "a refused secret not sent again and again: accounts are locked for that",
        f"{asked} requests for {len(listings)} listings",
        "connectors/http.py: 401 and 403 are not tried again",
    )
    findings = await played.erp.check()
    failed = [one for one in findings if not one.ok]
    expect(failed, "check to fail where the secret is wrong", "no finding that fails", "engine/ports.py: check")
    expect(
        all(one.advice for one in failed),
        "advice with each finding that fails",
        "none",
        "engine/ports.py: Finding",
    )
    said = [one.fault_line for one in listings.values()] + [f"{one.detail} {one.advice}" for one in findings]
    expect(
        not any(quotes(text, _WRONG) for text in said),
        "no text that quotes the secret",
        "one",
        "connectors/http.py",
    )


async def rights_lost(bench: Bench) -> None:
    """An account that loses its rights in the middle of a run: what is missing is said to be missing."""
    played = bench.play()
    honest = await played.listings()
    for nth in cuts(len(played.wire.asked)) or [1]:
        lost = bench.play()
        lost.fault("403", nth=nth)
        came = await lost.listings()
        same_or_incomplete(honest, came, f"rights were lost from request {nth} on")
        expect(
            any(not listing.complete for listing in came.values()),
            f"an incomplete listing, where rights were lost from request {nth} on",
            "complete ones only",
            "R13",
        )
        ended = [entry.id for one in came.values() for entry in one.entries if entry.ended]
        known = {entry.id for one in honest.values() for entry in one.entries if entry.ended}
        expect(set(ended) <= known, "nobody gone because rights were lost", ", ".join(ended[:3]), "R13")
