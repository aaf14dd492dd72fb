"""What a run tells: the lines of the log about it, its messages, and each fault once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.clock import Clock
from engine.events.event import Event, Level
from engine.faults import fault_line, of_maintenance, with_next_try
from engine.observe import Trouble
from engine.order import Order
from engine.ports import Fault, System
from engine.state.store import Store
from engine.words import _


class Report:
    """The report of one run: `messages` and `faults` for its view, everything else in the log."""

    def __init__(self, store: Store, clock: Clock, connection: str, order: Order) -> None:
        self._store = store
        self._clock = clock
        self._connection = connection
        self._order = order
        self.messages: list[str] = []
        self.faults: list[str] = []
        self.alarming = False
        """Whether any fault was one that nobody announced."""

    def say(self, message: str) -> None:
        """Add a message to the run, once."""
        if message not in self.messages:
            self.messages.append(message)

    async def warn(self, kind: str, message: str) -> None:
        """Add a message to the run and a warning to the log."""
        self.messages.append(message)
        await self.tell("warn", kind, message)

    async def fault(self, fault: Fault, level: Level = "error") -> None:
        """Enter what a system answered."""
        data = {"route": fault.route, "came": fault.came, "committed": fault.committed}
        if fault.record:
            data["record"] = fault.record
        line = fault_line(fault, self._connection)
        await self._failure(level, fault.code.value, fault.system, line, data)

    async def troubled(self, troubles: Iterable[Trouble]) -> None:
        """Enter why listings can't be trusted."""
        for trouble in troubles:
            await self._failure("error", trouble.code, trouble.system, trouble.line, {"kind": trouble.kind})

    async def _failure(
        self, level: Level, code: str, system: System, line: str, data: Mapping[str, object]
    ) -> None:
        """Enter a fault once: in the run, and in the log with its code and when it is tried again."""
        line = with_next_try(line, self._order.next_try)
        if of_maintenance(code, system, self._clock.now()):
            level = "notice"
            line += "; " + _("expected: Edusign's Saturday maintenance (16:00 to 22:00, UTC+1)")
        else:
            self.alarming = True
        if line in self.faults:
            return
        self.faults.append(line)
        at = self._order.next_try
        told = {"code": code, "system": system, "next_try": at.isoformat() if at else None, **data}
        await self.tell(level, "fault", line, told)

    async def tell(
        self, level: Level, kind: str, message: str, data: Mapping[str, object] | None = None
    ) -> None:
        """Add a line to the log, in a commit of its own."""
        event = self.event(level, kind, message, data)
        await self._store.transact(lambda tx: tx.tell(event))

    def event(self, level: Level, kind: str, message: str, data: Mapping[str, object] | None = None) -> Event:
        """A line of the log about this run."""
        return Event(
            level=level,
            kind=kind,
            message=message,
            connection=self._connection,
            run_id=self._order.run_id,
            actor=self._order.actor,
            data=dict(data or {}),
        )
