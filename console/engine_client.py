"""The engine's API from the console's side: typed methods over the Unix socket.

Imports httpx: only commands that talk to an engine import this module, and only then.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self, TypeAlias, TypeVar
from urllib.parse import quote

import httpx
import httpx_sse
import pydantic

from engine.service.endpoints import BY_NAME, ROWS_HEADER, Endpoint
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
    Problem,
    RecordView,
    RunRequest,
    RunView,
    SheetView,
    SkipRequest,
    StatusView,
    TodayView,
    View,
    WhyView,
)
from engine.words import _

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 30.0
SILENCE_SECONDS = 45.0
"""Three heartbeats of the live stream: after that the engine is taken for gone."""

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0

T = TypeVar("T")
Why: TypeAlias = Literal["absent", "denied", "silent", "lost"]


class EngineUnreachable(Exception):
    """No answer from an engine. `why`: absent (none answers at the socket), denied (this user may not open
    it), silent (connected, no answer in time), lost (it went away before its answer)."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why
        self.message = message


class EngineRefused(Exception):
    """The engine did not do what was asked; `code` and `message` as in models.Problem."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class EngineClient:
    """Asks one engine. Every method raises EngineUnreachable or EngineRefused.

    May be used from several threads. `transport` replaces the socket's, for tests.
    """

    def __init__(self, socket: Path, transport: httpx.BaseTransport | None = None) -> None:
        self.socket = socket
        self._http = httpx.Client(
            # No TLS on a Unix socket: `verify` spares reading the certificates of the whole world.
            transport=transport or httpx.HTTPTransport(uds=str(socket), verify=False),
            base_url="http://engine",
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def status(self) -> StatusView:
        return self._ask(StatusView, "status")

    def plan(self, request: PlanRequest) -> PlanView:
        return self._ask(PlanView, "plan", request)

    def last_plan(self, connection: str) -> PlanView:
        return self._ask(PlanView, "last_plan", connection=connection)

    def apply(self, request: ApplyRequest) -> RunView:
        return self._ask(RunView, "apply", request)

    def start_plan(self, request: PlanRequest) -> RunView:
        return self._ask(RunView, "start_plan", request)

    def start_apply(self, request: ApplyRequest) -> RunView:
        return self._ask(RunView, "start_apply", request)

    def changes(self, query: str = "", offset: int = 0, limit: int = 200) -> ChangePage:
        return self._ask(ChangePage, "changes", query=query, offset=offset, limit=limit)

    def change_refs(self, query: str = "") -> tuple[ChangeRef, ...]:
        return self._ask(tuple[ChangeRef, ...], "change_refs", query=query)

    def skip(self, request: SkipRequest) -> int:
        return self._ask(int, "skip", request)

    def start_run(self, request: RunRequest) -> RunView:
        return self._ask(RunView, "start_run", request)

    def wait_run(self, run_id: str) -> RunView:
        return self._ask(RunView, "wait_run", run_id=run_id)

    def cancel_run(self, run_id: str) -> RunView:
        return self._ask(RunView, "cancel_run", run_id=run_id)

    def run(self, run_id: str) -> RunView:
        return self._ask(RunView, "run", run_id=run_id)

    def runs(self, connection: str = "", limit: int = 50, query: str = "") -> tuple[RunView, ...]:
        return self._ask(tuple[RunView, ...], "runs", connection=connection, limit=limit, query=query)

    def items(
        self,
        type: str = "",
        connection: str = "",
        closed: bool = False,
        query: str = "",
        brief: bool = False,
    ) -> tuple[ItemView, ...]:
        return self._ask(
            tuple[ItemView, ...],
            "items",
            type=type,
            connection=connection,
            closed=closed,
            query=query,
            brief=brief,
        )

    def item(self, item_id: str) -> ItemView:
        return self._ask(ItemView, "item", item_id=item_id)

    def decide(self, request: DecideRequest) -> ItemView:
        return self._ask(ItemView, "decide", request)

    def freeze(self, request: FreezeRequest) -> FreezeView:
        return self._ask(FreezeView, "freeze", request)

    def thaw(self, request: FreezeRequest) -> None:
        self._ask(type(None), "thaw", request)

    def events(
        self,
        query: str = "",
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 200,
        search: str = "",
    ) -> EventPage:
        return self._ask(
            EventPage, "events", query=query, before=before, after=after, limit=limit, search=search
        )

    def event_map(self, query: str = "", page: int = 200, search: str = "") -> EventMap:
        return self._ask(EventMap, "event_map", query=query, page=page, search=search)

    def me(self) -> MeView:
        return self._ask(MeView, "me")

    def dashboard(self) -> DashboardView:
        return self._ask(DashboardView, "dashboard")

    def today(self, connection: str = "") -> tuple[TodayView, ...]:
        return self._ask(tuple[TodayView, ...], "today", connection=connection)

    def sheets(self, connection: str = "", query: str = "") -> tuple[SheetView, ...]:
        return self._ask(tuple[SheetView, ...], "sheets", connection=connection, query=query)

    def find(self, text: str, connection: str = "", limit: int = 50) -> tuple[FoundView, ...]:
        return self._ask(tuple[FoundView, ...], "find", text=text, connection=connection, limit=limit)

    def record(self, connection: str, kind: str, id: str) -> RecordView:
        return self._ask(RecordView, "record", connection=connection, kind=kind, id=id)

    def look(self, connection: str, kind: str, id: str) -> RecordView:
        return self._ask(RecordView, "look", connection=connection, kind=kind, id=id)

    def why(self, text: str, connection: str = "", limit: int = 5) -> tuple[WhyView, ...]:
        return self._ask(tuple[WhyView, ...], "why", text=text, connection=connection, limit=limit)

    def why_now(self, connection: str, kind: str, id: str) -> WhyView:
        return self._ask(WhyView, "why_now", connection=connection, kind=kind, id=id)

    def check(self, connection: str = "") -> tuple[FindingView, ...]:
        return self._ask(tuple[FindingView, ...], "check", connection=connection)

    def config(self) -> dict[str, Any]:
        return self._ask(dict[str, Any], "config")

    def export(self, query: str, format: str, into: BinaryIO) -> int:
        """Write the events of a query into an open file; the number of rows."""
        endpoint = BY_NAME["export"]
        with (
            self._translated(),
            self._http.stream(
                endpoint.method,
                endpoint.path,
                params={"query": query, "format": format},
                timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            ) as response,
        ):
            if response.is_error:
                response.read()
                raise _refused(response)
            for chunk in response.iter_bytes():
                into.write(chunk)
            return int(response.headers[ROWS_HEADER])

    def follow(
        self,
        query: str = "",
        *,
        after: int | None = None,
        announce: Callable[[str], None] = lambda line: None,
        wait: Callable[[float], None] = time.sleep,
    ) -> Generator[EventView, None, None]:
        """Every event of the query from `after` on (None: from now), dense, over restarts of the engine.

        An engine that was there and is gone is waited for, with pauses of 0.1 to 5 seconds; `announce` takes
        one line when it goes and one when it is back. Raises EngineUnreachable if it was not there at first.
        """
        place: tuple[int, int] | None = None  # what the engine resumes from
        seen = (0, 0)  # the last event given out
        pause = FIRST_PAUSE_SECONDS
        gone = False
        while True:
            try:
                for epoch, seq, event in self._stream(query, after, place):
                    if gone:
                        announce(_("the engine is back"))
                        gone = False
                    if event is None:
                        if place is not None and epoch != place[0]:
                            announce(
                                _("the engine's state was restored from a backup: events are numbered anew")
                            )
                        place = (epoch, seq)
                    elif (epoch, seq) > seen:
                        place = seen = (epoch, seq)
                        pause = FIRST_PAUSE_SECONDS
                        yield event
            except EngineUnreachable as unreachable:
                if place is None or unreachable.why == "denied":
                    raise
            except EngineRefused as refused:
                if place is None or refused.code != "failed":
                    raise
            if not gone:
                announce(_("the engine is gone: waiting for it"))
                gone = True
            wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _stream(
        self, query: str, after: int | None, place: tuple[int, int] | None
    ) -> Iterator[tuple[int, int, EventView | None]]:
        """One connection to the live stream: (epoch, seq, None) for its position, then each event."""
        endpoint = BY_NAME["follow"]
        headers = {} if place is None else {"Last-Event-ID": f"{place[0]}:{place[1]}"}
        with (
            self._translated(),
            httpx_sse.connect_sse(
                self._http,
                endpoint.method,
                endpoint.path,
                params=_given({"query": query, "after": after}),
                headers=headers,
                timeout=httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
            ) as source,
        ):
            if source.response.is_error:
                source.response.read()
                raise _refused(source.response)
            for message in source.iter_sse():
                if message.event == "position":
                    position = json.loads(message.data)
                    yield position["epoch"], position["seq"], None
                elif message.data:
                    event = EventView.model_validate_json(message.data)
                    yield event.epoch, event.seq, event

    def _ask(self, expect: type[T], name: str, request: View | None = None, **arguments: Any) -> T:
        """Call one endpoint of the table; arguments named in its path go there, the others into the query."""
        endpoint = BY_NAME[name]
        in_path = {key: arguments.pop(key) for key in tuple(arguments) if "{" + key + "}" in endpoint.path}
        read = None if endpoint.long else ANSWER_SECONDS
        with self._translated():
            response = self._http.request(
                endpoint.method,
                _filled(endpoint, in_path),
                params=_given(arguments),
                content=None if request is None else request.model_dump_json(),
                timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, read=read),
            )
        if response.is_error:
            raise _refused(response)
        answer: T = pydantic.TypeAdapter(expect).validate_json(response.content or b"null")
        return answer

    def _translated(self) -> _Translated:
        return _Translated(self.socket)


class _Translated:
    """What httpx raises, as EngineUnreachable."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, httpx.ConnectError):
            if _denied(error) or _denied_at(self._socket):
                raise EngineUnreachable(
                    "denied",
                    _("this user may not open {socket}: ask to be put in its group").format(
                        socket=self._socket
                    ),
                ) from error
            raise EngineUnreachable(
                "absent", _("no engine answers at {socket}").format(socket=self._socket)
            ) from error
        if isinstance(error, httpx.TimeoutException):
            raise EngineUnreachable(
                "silent", _("the engine at {socket} does not answer").format(socket=self._socket)
            ) from error
        if isinstance(error, httpx.TransportError | httpx_sse.SSEError):
            raise EngineUnreachable("lost", _("the engine went away before its answer")) from error


def _denied(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno == errno.EACCES:
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _denied_at(socket: Path) -> bool:
    """The folder above may be what is closed to this user."""
    try:
        return not os.access(socket, os.R_OK | os.W_OK) and socket.exists()
    except PermissionError:
        return True


def _refused(response: httpx.Response) -> EngineRefused:
    try:
        problem = Problem.model_validate_json(response.content)
    except pydantic.ValidationError:
        return EngineRefused("failed", _("the engine answered {status}").format(status=response.status_code))
    return EngineRefused(problem.code, problem.message)


def _filled(endpoint: Endpoint, in_path: Mapping[str, str]) -> str:
    return endpoint.path.format(**{key: quote(value, safe="") for key, value in in_path.items()})


def _given(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as text, those that are left out apart."""
    return {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in arguments.items()
        if value is not None and value != ""
    }
