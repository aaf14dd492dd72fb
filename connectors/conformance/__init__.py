"""The kit each connector passes, together with the stand-in of its vendor: twelve checks, each of one promise.

A pair is what `connectors.simulation.erps.SimulatedErp` says: a connector, a stand-in of its vendor made of a
school, and the settings that join the two. `conform(pair)` plays every check on virtual time and answers with
one `Outcome` each; `python -m connectors conform NAME` prints them. A check never looks inside a connector: it
asks through `engine.ports.Erp`, listens in on the wire, and compares with what the stand-in really holds.

docs/connector-authors.md says what each check means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from connectors.conformance import reading, roll, trouble
from connectors.conformance.bench import LEARNERS, Bench, Broken, Skipped
from connectors.simulation.erps import SimulatedErp
from engine.clock import VirtualLoop
from engine.printable import printable

__all__ = ["CHECKS", "LEARNERS", "Check", "Outcome", "check", "conform"]

Check: TypeAlias = Callable[[Bench], Awaitable[None]]

CHECKS: Mapping[str, Check] = {
    "stable_identity": reading.stable_identity,
    "complete_paging": reading.complete_paging,
    "empties": reading.empties,
    "drift": reading.drift,
    "dst_nights": reading.dst_nights,
    "limits": trouble.limits,
    "timeout_after_commit": roll.timeout_after_commit,
    "idempotent_write": roll.idempotent_write,
    "read_back": roll.read_back,
    "cancel": trouble.cancel,
    "bad_credentials": trouble.bad_credentials,
    "rights_lost": trouble.rights_lost,
}
"""The twelve checks by name, in the order they are played."""


_LONGEST = 86_400.0
"""Virtual seconds a check may take: a client that waits for ever must not hold up the kit."""


@dataclass(frozen=True)
class Outcome:
    """How one check ended. `line`: of a failure what was expected, what came and where the rule stands; of a
    check that does not apply why not."""

    check: str
    state: Literal["passed", "failed", "skipped"]
    line: str = ""


def check(name: str, pair: SimulatedErp, learners: int = LEARNERS) -> Outcome:
    """Play one of CHECKS against a pair, in a school of so many learners. Raises KeyError for another name."""
    played = CHECKS[name]

    async def play() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        bench = Bench(pair, loop, learners)
        try:
            async with asyncio.timeout(_LONGEST):
                await played(bench)
        finally:
            await bench.close()

    try:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(play())
    except Skipped as skipped:
        return Outcome(name, "skipped", str(skipped))
    except Broken as broken:
        return Outcome(name, "failed", str(broken))
    except Exception as error:
        said = printable(f"{type(error).__name__}: {error}", 300)
        return Outcome(
            name, "failed", f"expected an answer in the port's own words; came {said} (engine/ports.py)"
        )
    return Outcome(name, "passed")


def conform(pair: SimulatedErp, learners: int = LEARNERS) -> tuple[Outcome, ...]:
    """Play all of CHECKS against a pair."""
    return tuple(check(name, pair, learners) for name in CHECKS)
