"""What can be asked of a running engine: the face between its service and its workings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from engine.service.models import (
    ApplyRequest,
    DecideRequest,
    EventPage,
    EventView,
    FindingView,
    FreezeRequest,
    FreezeView,
    ItemView,
    PlanRequest,
    PlanView,
    RunRequest,
    RunView,
    StatusView,
)


class Refusal(Exception):
    """A request that is not carried out; `code` as in models.Problem, the message for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Operations(Protocol):
    """Every method raises Refusal where it does not do what was asked. `actor` is who asks."""

    async def status(self) -> StatusView: ...

    async def plan(self, request: PlanRequest, actor: str) -> PlanView:
        """Observe both sides now and say what an import would do; writes nothing. May take minutes."""
        ...

    async def last_plan(self, connection: str) -> PlanView:
        """The newest plan of this connection, dry or of a run, with what became of holds since."""
        ...

    async def apply(self, request: ApplyRequest, actor: str) -> RunView:
        """Observe again and write those changes of the plan that are still the same (R30); the ended run."""
        ...

    async def start_run(self, request: RunRequest, actor: str) -> RunView:
        """Start a run now; returns at once with the running run."""
        ...

    async def wait_run(self, run_id: str) -> RunView:
        """The run once it has ended."""
        ...

    async def cancel_run(self, run_id: str, actor: str) -> RunView:
        """Stop a run after the write under way."""
        ...

    async def run(self, run_id: str) -> RunView: ...

    async def runs(self, connection: str = "", limit: int = 50) -> tuple[RunView, ...]:
        """Newest first."""
        ...

    async def items(self, type: str = "", connection: str = "", closed: bool = False) -> tuple[ItemView, ...]:
        """Open items (closed ones instead when asked), by when they bite."""
        ...

    async def item(self, item_id: str) -> ItemView: ...

    async def decide(self, request: DecideRequest, actor: str) -> ItemView:
        """Settle an item; Refusal "stale" tells who decided what meanwhile (R04)."""
        ...

    async def freeze(self, request: FreezeRequest, actor: str) -> FreezeView: ...

    async def thaw(self, request: FreezeRequest, actor: str) -> None: ...

    async def events(
        self,
        query: str,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 200,
        me: str = "",
    ) -> EventPage:
        """Events of the log by its grammar; Refusal "usage" names the column of a mistake."""
        ...

    def follow(self, query: str, *, after: int | None = None, me: str = "") -> AsyncIterator[EventView]:
        """Every event from `after` on (None: from now), dense, as it enters the log; ends with the engine."""
        ...

    async def export(self, query: str, path: str, format: str | None, me: str = "") -> int:
        """Write the events of a query to a file on the engine's machine; the number of rows."""
        ...

    async def check(self, connection: str = "") -> tuple[FindingView, ...]: ...

    async def config(self) -> dict[str, Any]:
        """The effective configuration, secrets masked."""
        ...
