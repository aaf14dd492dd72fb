"""What a check works with: fresh pairs on virtual time, what the stand-in holds, and how a check ends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Protocol, cast

import httpx

from connectors.conformance.wire import Wire
from connectors.simulation.erps import SimulatedErp
from connectors.simulation.ledgers import Control, FaultOrder
from connectors.simulation.scenes import ErpSimulator
from connectors.simulation.school import School
from engine.clock import VirtualClock, VirtualLoop
from engine.ports import Erp, Listing, Scope, Surroundings
from engine.printable import printable
from engine.records import KINDS, Kind

ZONE = "Europe/Paris"
MONDAY = date(2026, 11, 16)
"""A week in which no clock changes."""
DAYS = 14
LEARNERS = 40
"""As few as a school with every kind of dirt has."""

_SEVERAL_PAGES = 120
"""Learners that fill more than one page of a vendor's usual size."""
_SEED = 11
_ADDRESS = "http://erp.example"


class Broken(Exception):
    """A promise that does not hold."""


class Skipped(Exception):
    """A check that does not apply to this pair; the message says why."""


class StandIn(ErpSimulator, Protocol):
    """A vendor's stand-in: what a scene asks of one, and its control plane."""

    @property
    def control(self) -> Control: ...


def expect(holds: object, expected: str, came: object, rule: str) -> None:
    """Go on where it holds; else raise Broken with the one line that says what is wrong."""
    if not holds:
        raise Broken(f"expected {expected}; came {printable(came, 200)} ({rule})")


@dataclass
class Played:
    """One pair in play: an opened client, the stand-in it speaks to, and the wire between them."""

    erp: Erp
    stand_in: StandIn
    wire: Wire
    school: School
    scope: Scope
    clock: VirtualClock

    async def listings(self, *kinds: Kind) -> dict[Kind, Listing]:
        """The listings of a new run, in the order the engine asks; all kinds where none is named."""
        await self.erp.begin(self.scope)
        return {kind: await self.erp.listing(kind, self.scope) for kind in KINDS if kind in (kinds or KINDS)}

    def fault(self, kind: str, *, nth: int = 1, count: int = 0, seconds: float = 3600.0) -> None:
        """Have the stand-in fail: the `nth` request from now and those after it, `count` in all (0: every)."""
        order = {"kind": kind, "nth": nth, "count": count, "seconds": seconds}
        self.stand_in.control.fault(FaultOrder.model_validate(order))

    def neutral(self) -> dict[str, Any]:
        """What the stand-in really holds, in neutral words (`connectors.simulation.erp_dump`)."""
        found: dict[str, Any] = self.stand_in.dump()["neutral"]
        return found


class Bench:
    """Makes pairs, each with a school and a client of its own; closes them all."""

    def __init__(self, pair: SimulatedErp, loop: VirtualLoop, learners: int) -> None:
        self.pair = pair
        self._loop = loop
        self._learners = learners
        self._clients: list[Erp] = []

    def play(
        self,
        start: date = MONDAY,
        *,
        at: datetime | None = None,
        days: int = DAYS,
        secret: str | None = None,
        nonexistent_times: bool = False,
        large: bool = False,
    ) -> Played:
        """A fresh pair, in a school whose sessions begin in the week of `start`.

        `at`: the instant it is (by default early on `start`); a run looks at `days` from `start` on. `secret`:
        what the client is given in place of the right one. `large`: in a school that fills several pages."""
        at = at or datetime.combine(start, time(5), UTC)
        clock = VirtualClock(at - timedelta(seconds=self._loop.time()), self._loop)
        learners = max(self._learners, _SEVERAL_PAGES) if large else self._learners
        school = _school(learners, start, nonexistent_times)
        switches = self.pair.switches()
        stand_in = cast(StandIn, self.pair.simulator(school, clock, switches))
        wire = Wire(stand_in.app, stand_in.control)
        scope = Scope(first=start, last=start + timedelta(days=days - 1), zone=ZONE)
        return Played(self._opened(clock, wire, switches, secret), stand_in, wire, school, scope, clock)

    def again(self, played: Played) -> Erp:
        """Another client of the same stand-in, as after a restart."""
        return self._opened(played.clock, played.wire, self.pair.switches(), None)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()

    def _opened(self, clock: VirtualClock, wire: Wire, switches: Any, secret: str | None) -> Erp:
        given = self.pair.key(switches) if secret is None else secret
        settings = self.pair.settings(_ADDRESS, "env:CONFORMANCE")
        surroundings = Surroundings(
            connection="conformance",
            zone=ZONE,
            country="FR",
            clock=clock,
            secret=lambda _reference: given,
            transport=httpx.ASGITransport(wire),
        )
        opened = self.pair.connector.open(self.pair.connector.settings.model_validate(settings), surroundings)
        self._clients.append(cast(Erp, opened))
        return self._clients[-1]


@lru_cache(maxsize=8)
def _school(learners: int, start: date, nonexistent_times: bool) -> School:
    return School.seeded(_SEED, learners, start, ZONE, weeks=2, nonexistent_times=nonexistent_times)


def told(listing: Listing) -> Mapping[str, Any]:
    """The records of a listing by key, those that ended left out."""
    return {entry.id: entry.record for entry in listing.entries if not entry.ended}


def whole(kind: Kind, listing: Listing) -> None:
    """A listing of an ERP that answered everything must be complete and name each record once."""
    expect(listing.complete and not listing.fault, f"a complete listing of {kind}s", listing.fault_line, "R13")
    ids = [entry.id for entry in listing.entries]
    twice = {id for id in ids if ids.count(id) > 1} if len(set(ids)) != len(ids) else set()
    expect(not twice, f"each {kind} once", f"{few(twice)} twice", "R13")


def few(keys: Iterable[str]) -> str:
    """The first keys of many, for a line."""
    found = sorted(keys, key=lambda key: (len(key), key))
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(found[:3]) + more


def quotes(text: str, secret: str) -> bool:
    """Whether a text gives a secret away."""
    return bool(re.search(re.escape(secret), text))
