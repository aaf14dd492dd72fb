"""The envelope of the Edusign simulator's /v1: what a handler is asked, and how its outcome is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from connectors.edusign.simulator.store import NAMES, Kind, Refused, Row, Store, differing, flag
from connectors.edusign.simulator.switches import EdusignSwitches
from connectors.edusign.simulator.views import Views
from connectors.simulation.control import Control


class NoRoute(Exception):
    """A route that this school's Edusign does not have: plain 404."""


@dataclass(frozen=True)
class Ask:
    """One request: `route` is "METHOD template", `path` the parameters in it."""

    route: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]

    def wrapped(self, key: str) -> dict[str, Any]:
        """The object under `key` of the body. Raises Refused where it is missing."""
        inner = self.body.get(key)
        if not isinstance(inner, dict):
            raise Refused(f"{key} is required")
        return inner

    def names(self, key: str) -> set[str] | None:
        """A comma list of the query; None when it is not given."""
        value = self.query.get(key, "")
        return {part.strip() for part in value.split(",") if part.strip()} if value else None

    def truthy(self, key: str) -> bool:
        return bool(flag(self.query.get(key, "")))


Handler: TypeAlias = Callable[[Ask], Any]


class Resource:
    """What the handlers of each resource share: the store, its views, and the entry of a write."""

    def __init__(self, store: Store, views: Views, control: Control) -> None:
        self.store = store
        self.views = views
        self.control = control
        self.switches: EdusignSwitches = store.switches

    def need(self, given: Mapping[str, Any], fields: Iterable[str]) -> None:
        """Refuse a body in which a field the published spec requires is missing or empty."""
        missing = [field for field in fields if given.get(field) in (None, "")]
        if not missing or not self.switches.strict_required:
            return
        match self.switches.validation_message:
            case "objects":
                raise Refused([{"field": field, "message": f"{field} is required"} for field in missing])
            case "strings":
                raise Refused([f"{field} is required" for field in missing])
            case _:
                raise Refused(f"{missing[0]} is required")

    def page(self, rows: list[Row], ask: Ask, size: int) -> list[Row]:
        """The page asked for; without `page` all or the first, by switch."""
        given = ask.query.get("page", "")
        if not given:
            return rows if self.switches.omit_page_means_all else rows[:size]
        if not given.isdigit():
            raise Refused("page must be a number")
        first = 0 if self.switches.ignores_page else int(given) * size
        return rows[first : first + size]

    def wrote(self, ask: Ask, verb: Any, row: Row, before: Mapping[str, Any], **more: Any) -> None:
        """Enter a write of `row` in the ledger; `before` holds the fields it may have changed."""
        old, new = differing(before, taken(row, before))
        self.control.wrote(
            route=ask.route,
            verb=verb,
            kind=row.kind,
            id=row.id,
            identity=row.identity,
            api_id=row.fields["API_ID"],
            api_type=row.fields["API_TYPE"],
            before=old,
            after=new,
            effective=bool(new) or bool(more.get("cascaded")) or bool(more.get("signatures_lost")),
            **more,
        )

    def wrote_new(self, ask: Ask, row: Row, given: Mapping[str, Any], **more: Any) -> None:
        """Enter a create, with all the fields given."""
        self.control.wrote(
            route=ask.route,
            verb="create",
            kind=row.kind,
            id=row.id,
            identity=row.identity,
            api_id=row.fields["API_ID"],
            api_type=row.fields["API_TYPE"],
            after=given,
            **more,
        )

    def unique_api_id(self, kind: Kind, given: Mapping[str, Any], but: str = "") -> None:
        if not self.switches.api_id_unique:
            return
        twin = self.store.by_api_id(kind, given.get("API_ID", ""), given.get("API_TYPE", ""))
        if twin is not None and twin.id != but:
            raise Refused("API_ID already exists")

    def get_id(self, kind: Kind, api_id: str) -> dict[str, str]:
        """The answer of get-id. Raises Refused where nothing carries this API_ID."""
        row = self.store.by_api_id(kind, api_id, self.switches.get_id_scoped_to or None)
        if row is None or (row.archived and not self.switches.get_id_shows_archived):
            raise Refused(f"No {NAMES[kind]} with this API_ID found")
        return self.views.id(row.id)


def taken(row: Row, keys: Iterable[str]) -> dict[str, Any]:
    """Raw fields of a row as ledgers compare them: HIDDEN 0/1, a sheet's STUDENTS as ids."""
    special: dict[str, Any] = {"HIDDEN": int(row.archived)}
    if row.kind in ("group", "sheet"):
        special["STUDENTS"] = row.member_ids
    return {key: special[key] if key in special else row.fields.get(key) for key in keys}


def identity_of(fields: Mapping[str, Any], id: str) -> str:
    """The hidden identity of a record made through the API; by its own id where it has no external key."""
    if not fields.get("API_ID"):
        return f"api:/{id}"
    return f"api:{fields.get('API_TYPE', '')}/{fields['API_ID']}"


def answered(method: str, template: str, handler: Handler) -> Route:
    """A route that puts the handler's result in the envelope; what it raises is for `refusals`."""
    name = f"{method} {template}"

    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        try:
            body = await request.json() if raw.strip() else {}
        except ValueError:
            return PlainTextResponse("Bad Request", 400)
        ask = Ask(name, request.path_params, request.query_params, body if isinstance(body, dict) else {})
        return JSONResponse({"status": "success", "result": handler(ask)})

    return Route(template, endpoint, methods=[method])


def refusals(refusal: Callable[[Any], Any]) -> dict[Any, Callable[[Request, Exception], Any]]:
    """Exception handlers: business refusals as 200 with the envelope, technical ones as plain text (seen)."""

    async def refused(_request: Request, error: Exception) -> Response:
        return JSONResponse(refusal(error.message if isinstance(error, Refused) else str(error)))

    async def technical(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return PlainTextResponse("Not Found", 404) if status in (404, 405) else PlainTextResponse("", status)

    return {Refused: refused, NoRoute: technical, HTTPException: technical}
