"""What every simulator records and obeys: ledgers of writes and edits, faults, kills and a clock offset."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field

from engine.clock import Clock

FaultKind: TypeAlias = Literal[
    "401", "402", "403", "404", "429", "500", "502", "503", "504",  # plain text with that status
    "html",  # 200 with a login page
    "array_message",  # the vendor's refusal, its message an array
    "truncated_list",  # the second half of the answer's rows is missing; later pages are as ever
    "empty_list",  # no rows
    "truncated_body",  # 200, JSON cut in the middle
    "repeated_page",  # page k answers with page k-1
    "silence",  # no answer for `seconds`
    "silence_after_commit",  # the request is carried out, then no answer for `seconds`
    "reset",  # carried out, then the connection breaks inside the answer (over a socket only)
]  # fmt: skip
Phase: TypeAlias = Literal["before", "after"]
KillPhase: TypeAlias = Literal["before_commit", "after_commit", "after_answer"]
Verb: TypeAlias = Literal[
    "create", "update", "archive", "restore", "withdraw", "add", "remove", "lock", "unlock", "mark", "school"
]

LIST_KINDS: frozenset[str] = frozenset({"truncated_list", "empty_list"})

FAULT_KINDS: tuple[str, ...] = get_args(FaultKind)


class _Order(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FaultOrder(_Order):
    """Which requests go wrong, and how.

    Counted from when the order is given: of the requests that match `method` and `route`, the `nth` and
    those after it, `count` in all (0: until cleared). `repeated_page` counts only requests for a later page,
    `truncated_list` only answers with at least two rows, `empty_list` only answers with rows.
    `phase` "after" carries the request out before the fault takes the place of the answer.
    """

    kind: FaultKind
    method: str = "*"
    route: str = Field("*", description="glob on the path, for instance /v1/student*")
    nth: int = Field(1, ge=1)
    count: int = Field(1, ge=0)
    phase: Phase = "before"
    seconds: float = Field(3600.0, ge=0, description="length of a silence; Retry-After of a 429")
    message: str = ""


class KillOrder(_Order):
    """Send `signal` to the process `pid` at the `nth` accepted write from now.

    before_commit: the write is not done and stands in no ledger. after_commit: done, and
    whoever still listens gets a bare 500.
    after_answer: the answer has left for the client, `delay` seconds ago. pid 0, 1 and negative ones
    (process groups) are refused.
    """

    pid: int = Field(gt=1)
    nth: int = Field(1, ge=1)
    phase: KillPhase
    signal: int = 9
    delay: float = Field(0.0, ge=0)


class Killed(Exception):
    """The write under way was cut short by a kill before it was done."""


class ControlError(Exception):
    """An order to the control plane that makes no sense: an unknown record, field or value."""


class _Armed:
    """A fault or kill order with what is left of its countdown."""

    def __init__(self, order: Any) -> None:
        self.order = order
        self.seen = 0

    def due(self) -> bool:
        """Count one more match; True if this one is meant."""
        self.seen += 1
        last = self.order.nth + self.order.count - 1 if self.order.count else None
        return self.seen >= self.order.nth and (last is None or self.seen <= last)

    def spent(self) -> bool:
        return bool(self.order.count) and self.seen >= self.order.nth + self.order.count - 1


class Exchange:
    """One vendor request under way."""

    def __init__(self) -> None:
        self.kills: list[tuple[KillOrder, int]] = []  # after the answer: the order, the write's number
        self.cut = False  # killed once committed: the answer stays unsaid


exchange_under_way: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


class Control:
    """Ledgers, counters, faults, kills and the clock of one simulator.

    `clock` is the simulator's; `now()` is it plus `offset`. `killer` is os.kill, or a stand-in for tests.
    Everything in the ledgers is JSON-able; numbers `n` start at 1 and are dense per ledger.
    """

    def __init__(self, clock: Clock, killer: Callable[[int, int], None] = os.kill) -> None:
        self.offset = timedelta()
        self.writes: list[dict[str, Any]] = []
        self.edits: list[dict[str, Any]] = []
        self.kills: list[dict[str, Any]] = []
        self.requests: dict[str, int] = {}
        self._clock = clock
        self._killer = killer
        self._faults: list[_Armed] = []
        self._kills: list[list[Any]] = []  # [order, accepted writes still to come]

    def now(self) -> datetime:
        """The simulator's instant, aware, UTC."""
        return self._clock.now() + self.offset

    def monotonic(self) -> float:
        """Seconds that never step back, whatever `offset` does."""
        return self._clock.monotonic()

    def advance(self, seconds: float) -> str:
        """Step the simulator's wall clock by `seconds` (negative: back); the new instant, ISO 8601."""
        self.offset += timedelta(seconds=seconds)
        return instant(self.now())

    def committing(self) -> None:
        """The store is about to change for an accepted API write.

        Raises Killed when a before_commit kill falls on it; nothing may have changed then."""
        for armed in self._kills:
            armed[1] -= 1
        for armed in [a for a in self._kills if a[1] <= 0 and a[0].phase == "before_commit"]:
            self._kills.remove(armed)
            self.strike(armed[0], write=None)
            raise Killed

    def wrote(
        self,
        *,
        route: str,
        verb: Verb,
        kind: str,
        id: str,
        identity: str,
        api_id: str = "",
        api_type: str = "",
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        effective: bool = True,
        **more: Any,
    ) -> dict[str, Any]:
        """Enter an accepted API write, and do what a kill order asks of it.

        `before` and `after` hold the changed raw fields only (for a create: all given). `effective`: did the
        store change. `more` is entered as it is."""
        entry = {
            "n": len(self.writes) + 1,
            "at": instant(self.now()),
            "route": route,
            "verb": verb,
            "kind": kind,
            "id": id,
            "identity": identity,
            "api_id": api_id,
            "api_type": api_type,
            "before": copied(before or {}),
            "after": copied(after or {}),
            "effective": effective,
            **copied(more),
        }
        self.writes.append(entry)
        for armed in [a for a in self._kills if a[1] <= 0]:
            self._kills.remove(armed)
            exchange = exchange_under_way.get() or Exchange()
            if armed[0].phase == "after_answer":
                exchange.kills.append((armed[0], entry["n"]))
            else:
                exchange.cut = True
                self.strike(armed[0], write=entry["n"])
        return entry

    def edited(
        self,
        *,
        kind: str,
        id: str,
        identity: str,
        action: str,
        field: str = "",
        before: Any = None,
        after: Any = None,
        who: str = "",
    ) -> dict[str, Any]:
        """Enter what a person did through the control plane."""
        entry = {
            "n": len(self.edits) + 1,
            "at": instant(self.now()),
            "kind": kind,
            "id": id,
            "identity": identity,
            "action": action,
            "field": field,
            "before": copied(before),
            "after": copied(after),
            "who": who,
        }
        self.edits.append(entry)
        return entry

    def fault(self, order: FaultOrder) -> None:
        """Arm a fault. Of several that fall on one request the oldest acts; all count it."""
        self._faults.append(_Armed(order))

    def kill(self, order: KillOrder) -> None:
        """Arm a kill."""
        self._kills.append([order, order.nth])

    def clear(self) -> None:
        """Disarm all faults and kills; the ledgers stay."""
        self._faults.clear()
        self._kills.clear()

    def shortens(self) -> bool:
        """Is a fault armed that needs a list answer to be looked into?"""
        return any(armed.order.kind in LIST_KINDS for armed in self._faults)

    def count(self, method: str, template: str) -> None:
        """Count one vendor request, refused ones too."""
        key = f"{method} {template}"
        self.requests[key] = self.requests.get(key, 0) + 1

    def ledgers(self) -> dict[str, Any]:
        """Copies of all ledgers, for a dump: now, writes, edits, kills, requests by "METHOD template"."""
        return {
            "now": instant(self.now()),
            "writes": copied(self.writes),
            "edits": copied(self.edits),
            "kills": copied(self.kills),
            "requests": dict(sorted(self.requests.items())),
        }

    def due(self, method: str, path: str, counts: Callable[[FaultOrder], bool]) -> FaultOrder | None:
        """The fault that falls on this request, if any; counts it. `counts` says which kinds it counts for."""
        found: FaultOrder | None = None
        for armed in list(self._faults):
            order = armed.order
            if order.method not in ("*", method) or not fnmatchcase(path, order.route) or not counts(order):
                continue
            if armed.due() and found is None:
                found = order
            if armed.spent():
                self._faults.remove(armed)
        return found

    def strike(self, order: KillOrder, write: int | None) -> None:
        """Carry out a kill and enter it, with the number of the write it fell on (None: never done)."""
        entry = {
            "n": len(self.kills) + 1,
            "at": instant(self.now()),
            "pid": order.pid,
            "phase": order.phase,
            "signal": order.signal,
            "write": write,
            "arrived": True,
        }
        self.kills.append(entry)
        try:
            self._killer(order.pid, order.signal)
        except ProcessLookupError:
            entry["arrived"] = False


def instant(at: datetime) -> str:
    """An instant as ledgers hold it: UTC, ISO 8601 with milliseconds and Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def copied(value: Any) -> Any:
    """A deep copy of a JSON-able value. Raises TypeError where it is none: a ledger holds plain data."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [copied(item) for item in value]
    raise TypeError(f"not JSON: {type(value).__name__}")
