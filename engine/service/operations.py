"""What can be asked of a running engine: the face between its service and its workings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from engine.service.models import (
    ApplyRequest,
    ChangePage,
    ChangeRef,
    DashboardView,
    DecideRequest,
    EventMap,
    EventPage,
    EventView,
    FindingView,
    FoundView,
    FreezeRequest,
    FreezeView,
    ItemView,
    MeView,
    PlanRequest,
    PlanView,
    RecordView,
    RunRequest,
    RunView,
    SheetView,
    SkipRequest,
    StatusView,
    TodayView,
    WhyView,
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

    async def start_plan(self, request: PlanRequest, actor: str) -> RunView:
        """As `plan`, but returns at once with the running dry run."""
        ...

    async def start_apply(self, request: ApplyRequest, actor: str) -> RunView:
        """As `apply`, but returns at once with the running run."""
        ...

    async def changes(self, query: str = "", offset: int = 0, limit: int = 200, me: str = "") -> ChangePage:
        """Changes of the newest plan of every connection that match a query in the log's grammar."""
        ...

    async def change_refs(self, query: str = "", me: str = "") -> tuple[ChangeRef, ...]:
        """Every change that `changes` would show, in the same order."""
        ...

    async def skip(self, request: SkipRequest, actor: str) -> int:
        """Leave changes out, held or not; how many. Refusal "stale" when the plan is no longer the newest."""
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

    async def runs(
        self, connection: str = "", limit: int = 50, query: str = "", me: str = ""
    ) -> tuple[RunView, ...]:
        """Newest first."""
        ...

    async def items(
        self,
        type: str = "",
        connection: str = "",
        closed: bool = False,
        query: str = "",
        brief: bool = False,
        me: str = "",
    ) -> tuple[ItemView, ...]:
        """Open items (closed ones instead when asked), by when they bite. `type`: one or several, by commas.
        `brief` leaves the changes of holds out."""
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
        search: str = "",
        me: str = "",
    ) -> EventPage:
        """Events of the log by its grammar; Refusal "usage" names the column of a mistake.

        `search` names a search of this asker: an older question under that name is stopped (Refusal "stale").
        """
        ...

    async def event_map(self, query: str = "", page: int = 200, search: str = "", me: str = "") -> EventMap:
        """How many events of the log match, and where each page of them begins; `search` as for events."""
        ...

    def follow(self, query: str, *, after: int | None = None, me: str = "") -> AsyncIterator[EventView]:
        """Every event from `after` on (None: from now), dense, as it enters the log; ends with the engine."""
        ...

    async def export(self, query: str, path: str, format: str | None, me: str = "") -> int:
        """Write the events of a query to a file on the engine's machine; the number of rows."""
        ...

    async def me(self, actor: str, role: str) -> MeView: ...

    async def dashboard(self, actor: str, role: str) -> DashboardView:
        """Everything a console's first screen shows."""
        ...

    async def today(self, connection: str = "") -> tuple[TodayView, ...]:
        """Today's sheets of every connection, and what is wrong with them."""
        ...

    async def sheets(self, connection: str = "", query: str = "", me: str = "") -> tuple[SheetView, ...]:
        """Every sheet of the horizon and every session without one, as last read, by start."""
        ...

    async def find(self, text: str, connection: str = "", limit: int = 50) -> tuple[FoundView, ...]:
        """Records by name, e-mail or id on either side, as last read; whatever accents and case."""
        ...

    async def record(self, connection: str, kind: str, id: str) -> RecordView:
        """A record by its ERP key or its Edusign id, as last read. Refusal "not_found"."""
        ...

    async def look(self, connection: str, kind: str, id: str) -> RecordView:
        """The same, read on both sides now: a few requests, nothing written."""
        ...

    async def why(self, text: str, connection: str = "", limit: int = 5) -> tuple[WhyView, ...]:
        """Why what `text` names isn't in Edusign, as last read: an answer per record, else per connection."""
        ...

    async def why_now(self, connection: str, kind: str, id: str) -> WhyView:
        """The same of one record, read on both sides now. Refusal as `look`."""
        ...

    async def check(self, connection: str = "") -> tuple[FindingView, ...]: ...

    async def config(self) -> dict[str, Any]:
        """The effective configuration, secrets masked."""
        ...
