"""The API as one table: routes, client and OpenAPI document are all made from it, so that they agree.

It needs neither a server nor a client library; the console reads it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from engine.service.models import (
    ApplyRequest,
    ChangePage,
    ChangeRef,
    DashboardView,
    DecideRequest,
    EventMap,
    EventPage,
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
    View,
    WhyView,
)

Role: TypeAlias = Literal["viewer", "operator", "approver", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""From the least to the most; each may what those before it may."""

JSON = "application/json"
EVENT_STREAM = "text/event-stream"
FILE = "application/octet-stream"

STATUS_BY_CODE: dict[str, int] = {
    "usage": 400,
    "forbidden": 403,
    "not_found": 404,
    "stale": 409,
    "busy": 409,
    "frozen": 409,
    "failed": 500,
}
"""HTTP status of each code of models.Problem."""

ROWS_HEADER = "x-rollcall-rows"
"""Header of an export's answer: how many events the file holds."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a query string; `type` is str, int or bool, `default` None where it may be left out.

    `least` and `most` bound an int.
    """

    name: str
    type: type = str
    default: Any = ""
    least: int | None = None
    most: int | None = None
    required: bool = False


@dataclass(frozen=True)
class Endpoint:
    """One operation: `name` is the method of Operations, `role` the least that may ask for it.

    `identity` names the method's parameter that takes the Unix user's name ("actor", "me"), "" for none;
    "who" stands for two of them, `actor` and `role`.
    `answer` is the type of what comes back, None for nothing. `long`: the answer may take minutes.
    """

    name: str
    method: Literal["GET", "POST"]
    path: str
    role: Role
    summary: str
    answer: Any = None
    request: type[View] | None = None
    query: tuple[Parameter, ...] = ()
    identity: Literal["", "actor", "me", "who"] = ""
    media: str = JSON
    long: bool = False


_CONNECTION = Parameter("connection")
_QUERY = Parameter("query")
_SEARCH = Parameter("search")
"""A name the asker gives: a newer question of theirs under it stops one that is still being answered."""
_RECORD = tuple(Parameter(name, required=True) for name in ("connection", "kind", "id"))
"""A record of a connection, by its ERP key or its Edusign id."""

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("status", "GET", "/v1/status", "viewer", "The whole engine at a glance.", StatusView),
    Endpoint(
        "plan",
        "POST",
        "/v1/plans",
        "operator",
        "Observe both sides now and say what a run would do; writes nothing.",
        PlanView,
        PlanRequest,
        identity="actor",
        long=True,
    ),
    Endpoint(
        "last_plan",
        "GET",
        "/v1/plans/last",
        "viewer",
        "The newest plan of a connection.",
        PlanView,
        query=(Parameter("connection", required=True),),
    ),
    Endpoint(
        "apply",
        "POST",
        "/v1/plans/apply",
        "approver",
        "Observe again and write those changes of a plan that are still the same.",
        RunView,
        ApplyRequest,
        identity="actor",
        long=True,
    ),
    Endpoint(
        "start_plan",
        "POST",
        "/v1/plans/start",
        "operator",
        "Begin a dry run; answers with the running run.",
        RunView,
        PlanRequest,
        identity="actor",
    ),
    Endpoint(
        "start_apply",
        "POST",
        "/v1/plans/apply/start",
        "approver",
        "Begin to write those changes of a plan that are still the same; answers with the running run.",
        RunView,
        ApplyRequest,
        identity="actor",
    ),
    Endpoint(
        "changes",
        "GET",
        "/v1/changes",
        "viewer",
        "Changes of the newest plans, by pages.",
        ChangePage,
        query=(_QUERY, Parameter("offset", int, 0, 0), Parameter("limit", int, 200, 1, 1000)),
        identity="me",
    ),
    Endpoint(
        "change_refs",
        "GET",
        "/v1/changes/refs",
        "viewer",
        "The ids of all changes of the newest plans that match.",
        tuple[ChangeRef, ...],
        query=(_QUERY,),
        identity="me",
    ),
    Endpoint(
        "skip",
        "POST",
        "/v1/changes/skip",
        "approver",
        "Leave changes out for as long as they stay the same, or no longer.",
        int,
        SkipRequest,
        identity="actor",
    ),
    Endpoint(
        "start_run",
        "POST",
        "/v1/runs",
        "operator",
        "Start a run now; answers with the running run.",
        RunView,
        RunRequest,
        identity="actor",
    ),
    Endpoint(
        "runs",
        "GET",
        "/v1/runs",
        "viewer",
        "Runs, newest first.",
        tuple[RunView, ...],
        query=(_CONNECTION, Parameter("limit", int, 50, 1, 1000), _QUERY),
        identity="me",
    ),
    Endpoint("run", "GET", "/v1/runs/{run_id}", "viewer", "One run.", RunView),
    Endpoint(
        "wait_run",
        "GET",
        "/v1/runs/{run_id}/end",
        "viewer",
        "One run, once it has ended.",
        RunView,
        long=True,
    ),
    Endpoint(
        "cancel_run",
        "POST",
        "/v1/runs/{run_id}/cancel",
        "operator",
        "Stop a run after the write under way.",
        RunView,
        identity="actor",
    ),
    Endpoint(
        "items",
        "GET",
        "/v1/items",
        "viewer",
        "Open items (closed ones when asked), by when they bite.",
        tuple[ItemView, ...],
        query=(
            Parameter("type"),
            _CONNECTION,
            Parameter("closed", bool, False),
            _QUERY,
            Parameter("brief", bool, False),
        ),
        identity="me",
    ),
    Endpoint("item", "GET", "/v1/items/{item_id}", "viewer", "One item.", ItemView),
    Endpoint(
        "decide",
        "POST",
        "/v1/decisions",
        "approver",
        "Settle an item on the revision that was read.",
        ItemView,
        DecideRequest,
        identity="actor",
    ),
    Endpoint(
        "freeze",
        "POST",
        "/v1/freeze",
        "approver",
        "Stop all writes, of one connection or of all.",
        FreezeView,
        FreezeRequest,
        identity="actor",
    ),
    Endpoint(
        "thaw",
        "POST",
        "/v1/thaw",
        "approver",
        "Let writes go on.",
        None,
        FreezeRequest,
        identity="actor",
    ),
    Endpoint(
        "events",
        "GET",
        "/v1/events",
        "viewer",
        "Events of the log: newest first, oldest first when asked `after`.",
        EventPage,
        query=(
            _QUERY,
            Parameter("before", int, None, 0),
            Parameter("after", int, None, 0),
            Parameter("limit", int, 200, 1, 10_000),
            _SEARCH,
        ),
        identity="me",
    ),
    Endpoint(
        "event_map",
        "GET",
        "/v1/events/map",
        "viewer",
        "How many events match a query, and where each page of them begins.",
        EventMap,
        query=(_QUERY, Parameter("page", int, 200, 1, 10_000), _SEARCH),
        identity="me",
    ),
    Endpoint(
        "follow",
        "GET",
        "/v1/events/stream",
        "viewer",
        "Events as they enter the log, as server-sent events with id EPOCH:SEQ. The first message, of event "
        "`position`, says from where; Last-Event-ID resumes.",
        query=(_QUERY, Parameter("after", int, None, 0)),
        identity="me",
        media=EVENT_STREAM,
        long=True,
    ),
    Endpoint(
        "export",
        "GET",
        "/v1/events/export",
        "viewer",
        "The events of a query as a file: csv, jsonl or parquet.",
        query=(_QUERY, Parameter("format", str, "csv")),
        identity="me",
        media=FILE,
        long=True,
    ),
    Endpoint("me", "GET", "/v1/me", "viewer", "Who asks, and what they may do.", MeView, identity="who"),
    Endpoint(
        "dashboard",
        "GET",
        "/v1/dashboard",
        "viewer",
        "Everything a console's first screen shows, in one answer.",
        DashboardView,
        identity="who",
    ),
    Endpoint(
        "today",
        "GET",
        "/v1/today",
        "viewer",
        "Today's sheets, and what is wrong with them.",
        tuple[TodayView, ...],
        query=(_CONNECTION,),
    ),
    Endpoint(
        "sheets",
        "GET",
        "/v1/sheets",
        "viewer",
        "Every sheet of the horizon and every session without one, as last read.",
        tuple[SheetView, ...],
        query=(_CONNECTION, _QUERY),
        identity="me",
    ),
    Endpoint(
        "find",
        "GET",
        "/v1/find",
        "viewer",
        "Records by name, e-mail or id on either side, as last read.",
        tuple[FoundView, ...],
        query=(Parameter("text", required=True), _CONNECTION, Parameter("limit", int, 50, 1, 500)),
    ),
    Endpoint(
        "record",
        "GET",
        "/v1/record",
        "viewer",
        "One record as last read on both sides, with its link, items and changes.",
        RecordView,
        query=_RECORD,
    ),
    Endpoint(
        "look",
        "GET",
        "/v1/record/look",
        "operator",
        "One record, read on both sides now; writes nothing.",
        RecordView,
        query=_RECORD,
        long=True,
    ),
    Endpoint(
        "why",
        "GET",
        "/v1/why",
        "viewer",
        "Why a person, group or sheet isn't in Edusign: the first thing that stops it, as last read.",
        tuple[WhyView, ...],
        query=(Parameter("text", required=True), _CONNECTION, Parameter("limit", int, 5, 1, 50)),
    ),
    Endpoint(
        "why_now",
        "GET",
        "/v1/why/now",
        "operator",
        "The same of one record, read on both sides now; writes nothing.",
        WhyView,
        query=_RECORD,
        long=True,
    ),
    Endpoint(
        "check",
        "GET",
        "/v1/check",
        "operator",
        "Try credentials, rights and reachability of both sides.",
        tuple[FindingView, ...],
        query=(_CONNECTION,),
        long=True,
    ),
    Endpoint(
        "config",
        "GET",
        "/v1/config",
        "admin",
        "The effective configuration, secrets masked.",
        dict[str, Any],
    ),
)

BY_NAME: dict[str, Endpoint] = {endpoint.name: endpoint for endpoint in ENDPOINTS}
OPENAPI_PATH = "/v1/openapi.json"
