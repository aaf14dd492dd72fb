"""An engine without workings: Operations over a few lists, and a real socket in a thread to ask it on."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.events.grammar import parse
from engine.service.access import Access, InProcess
from engine.service.models import (
    ApplyRequest,
    ChangePage,
    ChangeRef,
    ChangeRow,
    ChangeView,
    ConnectionView,
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
    OccurrenceView,
    PlanHead,
    PlanRequest,
    PlanView,
    ProgressView,
    RecordView,
    RunRequest,
    RunView,
    SheetView,
    SkipRequest,
    StatusView,
    TodayView,
    WhyView,
)
from engine.service.operations import Refusal
from engine.service.routes import application
from engine.service.socket import SocketServer
from engine.sift import change_facets, sifted

NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)


def event(seq: int, message: str = "a line", *, epoch: int = 1, **more: Any) -> EventView:
    return EventView(
        epoch=epoch,
        seq=seq,
        ts=more.pop("ts", NOW + timedelta(seconds=seq)),
        level=more.pop("level", "info"),
        kind=more.pop("kind", "run"),
        message=message,
        **more,
    )


def change(id: str = "c1", **more: Any) -> ChangeView:
    fields: dict[str, Any] = {
        "id": id,
        "verb": "update",
        "kind": "learner",
        "erp_id": "A17",
        "edusign_id": "ed-17",
        "label": "Dupont Zoë",
        "before": {"email": "zoe@old.example"},
        "after": {"email": "zoe@new.example"},
        "reason": "changed in the ERP",
        "rule": "R01",
        "bites_at": NOW + timedelta(hours=3),
        "people": 1,
    }
    return ChangeView(**(fields | more))


def item(id: str = "i1", type: str = "conflict", **more: Any) -> ItemView:
    fields: dict[str, Any] = {
        "id": id,
        "connection": "lyon",
        "type": type,
        "kind": "learner",
        "erp_id": "A17",
        "edusign_id": "ed-17",
        "label": "Dupont Zoë",
        "code": "both_changed",
        "summary": "e-mail changed on both sides",
        "where": "Yparéo, fiche apprenant",
        "choices": ("erp", "edusign", "value"),
        "data": {"erp": "zoe@new.example", "base": "zoe@old.example", "edusign": "zoe@home.example"},
        "opened_at": NOW - timedelta(hours=2),
        "bites_at": NOW + timedelta(hours=3),
        "people": 1,
        "revision": 4,
    }
    return ItemView(**(fields | more))


def run(id: str = "r42", **more: Any) -> RunView:
    fields: dict[str, Any] = {
        "id": id,
        "connection": "lyon",
        "flow": "import",
        "occurrence": "lyon/import/midday/2026-11-24",
        "trigger": "window",
        "actor": "engine",
        "state": "done",
        "started": NOW,
        "ended": NOW + timedelta(minutes=3, seconds=20),
        "observed": {"erp.learner": 2000, "edusign.learner": 1990},
        "changes": {"create": 12, "update": 3},
        "rejected": 4,
        "requests": {"erp": 12, "edusign": 44},
        "accounting": {"learner": {"seen": 2000, "unchanged": 1981, "written": 15, "rejected": 4}},
    }
    return RunView(**(fields | more))


class FakeOperations:
    """Operations whose answers a test may set; `asked` lists (method, request or arguments, actor)."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, str]] = []
        self.log: list[EventView] = []
        self.epoch = 1
        self.open: list[ItemView] = []
        self.closed: list[ItemView] = []
        self.run_views: tuple[RunView, ...] = (run(),)
        self.dashboard_view: DashboardView | None = None
        self.today_views: tuple[TodayView, ...] = ()
        self.sheet_views: tuple[SheetView, ...] = ()
        self.found_views: tuple[FoundView, ...] = ()
        self.why_views: tuple[WhyView, ...] = ()
        self.record_view: RecordView | None = None
        self.refusal: Exception | None = None
        self.plan_view = PlanView(
            id="p7",
            connection="lyon",
            flow="import",
            hash="h",
            made_at=NOW,
            changes=(change(),),
            counts={"update": 1},
        )
        self.run_view = run()
        self.followed = threading.Event()
        self.left = threading.Event()
        self._changed = asyncio.Event()

    def append(self, *events: EventView) -> None:
        """In the loop of the followers only."""
        self.log += events
        self._changed.set()
        self._changed = asyncio.Event()

    def _ask(self, name: str, what: Any, actor: str = "") -> None:
        self.asked.append((name, what, actor))
        if self.refusal is not None:
            raise self.refusal

    async def status(self) -> StatusView:
        self._ask("status", None)
        return StatusView(
            version="0.1.0",
            pid=4242,
            folder="/var/lib/rollcall",
            now=NOW,
            started=NOW - timedelta(hours=4),
            epoch=self.epoch,
            seq=self.log[-1].seq if self.log else 0,
            connections=(
                ConnectionView(
                    name="lyon",
                    erp="ypareo",
                    zone="Europe/Paris",
                    state="running",
                    running=run(
                        state="running", ended=None, progress=ProgressView(what="reading", done=5, total=20)
                    ),
                    last_run=run(),
                    next=(
                        OccurrenceView(
                            key="k",
                            flow="import",
                            window="midday",
                            local_date=date(2026, 11, 25),
                            starts=NOW + timedelta(days=1),
                            ends=NOW + timedelta(days=1, hours=2),
                        ),
                    ),
                    open={"hold": 2, "conflict": 1},
                ),
            ),
        )

    async def plan(self, request: PlanRequest, actor: str) -> PlanView:
        self._ask("plan", request, actor)
        return self.plan_view

    async def last_plan(self, connection: str) -> PlanView:
        self._ask("last_plan", connection)
        return self.plan_view

    async def apply(self, request: ApplyRequest, actor: str) -> RunView:
        self._ask("apply", request, actor)
        return self.run_view

    async def start_run(self, request: RunRequest, actor: str) -> RunView:
        self._ask("start_run", request, actor)
        return run(state="running", ended=None)

    async def wait_run(self, run_id: str) -> RunView:
        self._ask("wait_run", run_id)
        return self.run_view

    async def cancel_run(self, run_id: str, actor: str) -> RunView:
        self._ask("cancel_run", run_id, actor)
        return run(run_id, state="cancelled")

    async def run(self, run_id: str) -> RunView:
        self._ask("run", run_id)
        return run(run_id)

    async def runs(
        self, connection: str = "", limit: int = 50, query: str = "", me: str = ""
    ) -> tuple[RunView, ...]:
        self._ask("runs", (connection, limit))
        return self.run_views

    async def items(
        self,
        type: str = "",
        connection: str = "",
        closed: bool = False,
        query: str = "",
        brief: bool = False,
        me: str = "",
    ) -> tuple[ItemView, ...]:
        self._ask("items", (type, connection, closed))
        if query == "levle:warn":
            raise Refusal("usage", "column 1: levle (perhaps level)")
        return tuple(
            one
            for one in (self.closed if closed else self.open)
            if (not type or one.type in type.split(","))
            and query.lower() in f"{one.label} {one.summary}".lower()
        )

    async def me(self, actor: str, role: str) -> MeView:
        return MeView.model_validate({"actor": actor, "role": role})

    async def dashboard(self, actor: str, role: str) -> DashboardView:
        """The fake's own lists and status, unless `dashboard_view` is set."""
        self._ask("dashboard", None, actor)
        if self.dashboard_view is not None:
            return self.dashboard_view
        return DashboardView(
            me=await self.me(actor, role),
            status=await self.status(),
            items=tuple(one.model_copy(update={"changes": ()}) for one in self.open),
            items_total=len(self.open),
            today=self.today_views,
            events=tuple(self.log[-20:]),
        )

    async def start_plan(self, request: PlanRequest, actor: str) -> RunView:
        self._ask("start_plan", request, actor)
        return run(state="running", ended=None, trigger="plan")

    async def start_apply(self, request: ApplyRequest, actor: str) -> RunView:
        self._ask("start_apply", request, actor)
        return run(state="running", ended=None, trigger="apply")

    async def changes(self, query: str = "", offset: int = 0, limit: int = 200, me: str = "") -> ChangePage:
        """The changes of `plan_view` that the query asks for."""
        self._ask("changes", (query, offset, limit), me)
        if query == "levle:warn":
            raise Refusal("usage", "column 1: levle (perhaps level)")
        plan, rows = self.plan_view, self._rows(query)
        head = PlanHead(**plan.model_dump(exclude={"changes", "total"}), total=len(plan.changes))
        return ChangePage(
            plans=(head,), total=len(plan.changes), found=len(rows), offset=offset,
            rows=tuple(rows[offset : offset + limit]),
        )  # fmt: skip

    async def change_refs(self, query: str = "", me: str = "") -> tuple[ChangeRef, ...]:
        self._ask("change_refs", query, me)
        return tuple(
            ChangeRef(
                connection=row.connection, plan=row.plan, id=row.change.id, verb=row.change.verb,
                kind=row.change.kind, label=row.change.label, hold=row.change.hold, item=row.item,
                revision=row.revision,
            )
            for row in self._rows(query)
        )  # fmt: skip

    def _rows(self, query: str) -> list[ChangeRow]:
        holding = {c.id: one for one in self.open if one.type == "hold" for c in one.changes}
        rows = [
            ChangeRow(
                connection=self.plan_view.connection,
                plan=self.plan_view.id,
                change=one,
                item=holding[one.id].id if one.id in holding else "",
                revision=holding[one.id].revision if one.id in holding else 0,
            )
            for one in self.plan_view.changes
        ]
        return list(sifted(parse(query, now=NOW, zone="Europe/Paris"), rows, change_facets))

    async def skip(self, request: SkipRequest, actor: str) -> int:
        self._ask("skip", request, actor)
        return len(request.changes)

    async def event_map(self, query: str = "", page: int = 200, search: str = "", me: str = "") -> EventMap:
        self._ask("event_map", (query, page), me)
        found = [e for e in self.log if query.lower() in e.message.lower()]
        return EventMap(
            query=query,
            epoch=self.epoch,
            seq=self.log[-1].seq if self.log else 0,
            found=len(found),
            page=page,
            anchors=tuple(e.seq for e in found[::page]),
        )

    async def today(self, connection: str = "") -> tuple[TodayView, ...]:
        self._ask("today", connection)
        return self.today_views

    async def sheets(self, connection: str = "", query: str = "", me: str = "") -> tuple[SheetView, ...]:
        self._ask("sheets", (connection, query), me)
        return tuple(one for one in self.sheet_views if query.lower() in one.label.lower())

    async def find(self, text: str, connection: str = "", limit: int = 50) -> tuple[FoundView, ...]:
        self._ask("find", (text, connection, limit))
        return tuple(one for one in self.found_views if text.lower() in one.label.lower())

    async def record(self, connection: str, kind: str, id: str) -> RecordView:
        self._ask("record", (connection, kind, id))
        if self.record_view is None:
            raise Refusal("not_found", f"no {kind} {id} was read in {connection}")
        return self.record_view

    async def look(self, connection: str, kind: str, id: str) -> RecordView:
        self._ask("look", (connection, kind, id))
        return (await self.record(connection, kind, id)).model_copy(update={"fresh": True})

    async def why(self, text: str, connection: str = "", limit: int = 5) -> tuple[WhyView, ...]:
        self._ask("why", (text, connection, limit))
        return self.why_views

    async def why_now(self, connection: str, kind: str, id: str) -> WhyView:
        self._ask("why_now", (connection, kind, id))
        return self.why_views[0].model_copy(update={"fresh": True})

    async def item(self, item_id: str) -> ItemView:
        self._ask("item", item_id)
        return item(item_id)

    async def decide(self, request: DecideRequest, actor: str) -> ItemView:
        self._ask("decide", request, actor)
        return item(request.item, closed_at=NOW, closed_by=actor, outcome=request.choice)

    async def freeze(self, request: FreezeRequest, actor: str) -> FreezeView:
        self._ask("freeze", request, actor)
        return FreezeView(connection=request.connection, reason=request.reason, actor=actor, since=NOW)

    async def thaw(self, request: FreezeRequest, actor: str) -> None:
        self._ask("thaw", request, actor)

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
        self._ask("events", (query, before, after, limit), me)
        if query == "levle:warn":
            raise Refusal("usage", "column 1: levle (perhaps level)")
        matching = [e for e in self.log if query.lower() in e.message.lower()]
        found = [e for e in matching if (before is None or e.seq < before) and (after is None or e.seq > after)]
        found = found[:limit] if after is not None else found[::-1][:limit]
        return EventPage(events=tuple(found))

    async def follow(self, query: str, *, after: int | None = None, me: str = "") -> AsyncIterator[EventView]:
        self._ask("follow", (query, after), me)
        self.followed.set()
        try:
            last = after if after is not None else (self.log[-1].seq if self.log else 0)
            while True:
                changed = self._changed
                for event in [e for e in self.log if e.seq > last]:
                    last = event.seq
                    yield event
                await changed.wait()
        finally:
            self.left.set()

    async def export(self, query: str, path: str, format: str | None, me: str = "") -> int:
        self._ask("export", (query, format), me)
        Path(path).write_text("".join(f"{e.seq},{e.message}\n" for e in self.log), "utf-8")  # noqa: ASYNC240
        return len(self.log)

    async def check(self, connection: str = "") -> tuple[FindingView, ...]:
        self._ask("check", connection)
        return (FindingView(connection="lyon", what="the key", ok=False, detail="401", advice="renew the key"),)

    async def config(self) -> dict[str, Any]:
        self._ask("config", None)
        return {"engine": {"folder": "/var/lib/rollcall"}, "connection": {"lyon": {"erp": "ypareo"}}}


class ServedEngine:
    """A FakeOperations served on a real socket by a loop in its own thread."""

    def __init__(self, path: Path, operations: FakeOperations, access: Access) -> None:
        self.path = path
        self.operations = operations
        self._access = access
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = SocketServer()
        serving = asyncio.create_task(self._server.serve(application(self.operations, self._access), self.path))
        await self._server.listening()
        self._ready.set()
        await serving

    def append(self, *events: EventView) -> None:
        """Log events, from any thread."""
        self._loop.call_soon_threadsafe(self.operations.append, *events)

    def running(self) -> bool:
        return self._thread.is_alive()

    def gone(self) -> bool:
        """Whether it has ended, given some seconds to."""
        self._thread.join(10)
        return not self._thread.is_alive()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._server.stop)
        assert self.gone()


@contextlib.contextmanager
def served(
    path: Path, operations: FakeOperations | None = None, access: Access | None = None
) -> Iterator[ServedEngine]:
    """A fake engine answering at `path` meanwhile."""
    engine = ServedEngine(path, operations or FakeOperations(), access or InProcess("marie"))
    try:
        yield engine
    finally:
        if engine.running():
            engine.stop()
