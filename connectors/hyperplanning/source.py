"""What the connector asks of either interface: rows as REST names them, whoever brought them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Literal, Protocol, TypeAlias, TypeVar

from connectors.hyperplanning.mapping import Drift, Row, Unit
from engine.faults import came
from engine.ports import Capability, Fault, FaultCode, Finding

A = TypeVar("A")
T = TypeVar("T")

People: TypeAlias = Literal["etudiants", "enseignants"]
Groups: TypeAlias = Literal["promotions", "tdoptions"]
Keyed: TypeAlias = Literal["etudiants", "enseignants", "promotions", "tdoptions"]
Labels: TypeAlias = Literal["salles", "matieres"]
Certainty: TypeAlias = Literal["documented", "seen", "inferred", "unknown"]
Filtered: TypeAlias = Literal["etudiants", "cours"]


class Source(Protocol):
    """One school's server, through one of its interfaces. Every method may raise Fault."""

    requests: Mapping[str, int]

    @property
    def unit(self) -> Unit:
        """What its durations count in."""
        ...

    @property
    def capabilities(self) -> tuple[Capability, ...]: ...

    @property
    def skew(self) -> timedelta | None:
        """The server's clock minus ours; None where it does not say its own."""
        ...

    @property
    def write_certainty(self) -> Certainty:
        """How sure its absence write is."""
        ...

    @property
    def writes_lateness(self) -> bool: ...

    async def people(self, what: People) -> tuple[list[Row], str]:
        """Everybody of the base, and the name of the field that holds e-mails."""
        ...

    async def stands(self, what: Keyed, key: str) -> bool:
        """Whether this one record stands in the base."""
        ...

    async def groups(self, what: Groups) -> list[Row]: ...

    async def members(self, what: Groups, keys: Iterable[str]) -> dict[str, frozenset[str]]:
        """The learners of each group."""
        ...

    async def groups_of(self, learner: str) -> frozenset[str]:
        """The promotions and TD groups one learner is in, under the keys of a group listing."""
        ...

    async def courses(self, first: date, last: date) -> list[Row]:
        """The courses that may have a session between two local dates, both included: `cle`, and where it is
        known whether they are parents. More than those is no harm."""
        ...

    async def sessions(self, courses: list[str], first: date, last: date) -> list[Row]:
        """The placed sessions of these courses between two local dates, both included."""
        ...

    async def sessions_of(self, course: str, day: date) -> list[Row]:
        """One course's placed sessions, at least those of a local date; none where the course is gone."""
        ...

    async def labels(self, what: Labels) -> list[Row]: ...

    async def rubrics(self, what: Filtered, keys: list[str], family: str) -> dict[str, frozenset[str]]:
        """The rubrics of one family that each record is in."""
        ...

    async def absences(self, first: date, last: date, learners: frozenset[str] | None = None) -> list[Row]:
        """Absences that touch these local dates, of these learners (None: of all); more is no harm."""
        ...

    async def lateness(self, first: date, last: date) -> list[Row]: ...

    async def add_absence(self, learner: str, first: datetime, last: datetime, justified: bool) -> None: ...

    async def remove_absence(self, learner: str, first: datetime, last: datetime) -> None: ...

    async def add_lateness(self, learner: str, first: datetime, lasts: timedelta, justified: bool) -> None: ...

    async def remove_lateness(self, key: str) -> None: ...

    async def motives(self) -> list[str]: ...

    async def check(self) -> tuple[Finding, ...]:
        """What this interface says of itself."""
        ...

    async def close(self) -> None: ...


async def gathered(
    keys: Iterable[A], ask: Callable[[A], Awaitable[T]], at_once: int, told: Callable[[int], None] | None = None
) -> list[T]:
    """`ask` for each key, so many at a time; answers in the keys' order. Raises the first Fault."""
    wanted = list(keys)
    answers: dict[int, T] = {}
    turns = asyncio.Semaphore(at_once)
    failures: list[Fault] = []

    async def one(n: int, key: A) -> None:
        async with turns:
            if failures:
                return
            try:
                answers[n] = await ask(key)
            except Fault as fault:
                failures.append(fault)
            if told is not None:
                told(len(answers))

    async with asyncio.TaskGroup() as tasks:
        for n, key in enumerate(wanted):
            tasks.create_task(one(n, key))
    if failures:
        failures[0].pages_read, failures[0].pages_seen = len(answers), len(wanted)
        raise failures[0]
    return [answers[n] for n in range(len(wanted))]


def mapped(route: str, reader: Callable[[A], T], given: A) -> T:
    """What `reader` makes of `given`. Raises Fault where a field this connector stands on is gone."""
    try:
        return reader(given)
    except Drift as drift:
        raise drift_fault(route, str(drift)) from None


def drift_fault(route: str, what: str) -> Fault:
    return Fault(FaultCode.drift, system="erp", route=route, came=came(what))
