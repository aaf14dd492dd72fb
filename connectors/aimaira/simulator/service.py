"""The OData service over the entities: lists with their options, single rows, `$metadata`, and the one PUT.

Documented: the shape of lists and rows, `$filter`, `$expand`, `$top`, `$orderby`, slash keys, that a PUT resets
what it leaves out, JSON and form bodies. The rest is standard OData, or a switch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode
from xml.sax.saxutils import quoteattr

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from connectors.aimaira.simulator.entities import FIELDS, LEADS, ORIGINS, Entities, Lead
from connectors.aimaira.simulator.query import (
    BadQuery,
    Row,
    chosen,
    condition,
    expansions,
    ordered,
)
from connectors.aimaira.simulator.store import MARKS, AimairaStore
from connectors.aimaira.simulator.switches import AimairaSwitches
from connectors.simulation.control import ControlError

ROOT = "/GraphV1"
PUT_ROUTE = f"PUT {ROOT}/PlanificationRessource/{{id}}"
_EMPTY: Mapping[str, Any] = {"Int32": 0, "String": "", "Boolean": False, "DateTimeOffset": None}
_TIMES = frozenset({"Debut", "Fin", "PlanificationDebut", "PlanificationFin", "ControlePresence"})


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Service:
    """See the module."""

    def __init__(self, store: AimairaStore, entities: Entities, switches: AimairaSwitches) -> None:
        self._store = store
        self._entities = entities
        self._switches = switches
        self._names = {name.lower(): name for name in FIELDS}
        dropped = {tuple(one.split(".")) for one in switches.absent}
        self._fields = {
            entity: {name: edm for name, edm in fields.items() if (entity, name) not in dropped}
            for entity, fields in FIELDS.items()
        }
        hidden = {tuple(one.split(".")) for one in (*switches.hidden, *switches.absent)}
        self._shown = {
            entity: [name for name in fields if (entity, name) not in hidden]
            for entity, fields in FIELDS.items()
        }

    # Answers

    def root(self, request: Request) -> Response:
        """The service document."""
        sets = [{"name": name, "kind": "EntitySet", "url": name} for name in FIELDS]
        return JSONResponse({"@odata.context": f"{_address(request)}/$metadata", "value": sets})

    def metadata(self) -> Response:
        """The declared model, EDMX 4.0."""
        if self._switches.metadata == "forbidden":
            raise Refusal(403, "Forbidden")
        return Response(self._edmx(), media_type="application/xml")

    def listing(self, request: Request, entity: str) -> Response:
        """A list: filtered, ordered, a page of it, expanded, and only what was chosen."""
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        return self._answer(request, self._known(entity), None, query)

    def single(self, request: Request, entity: str, id: int) -> Response:
        """One row whole, with what is expanded."""
        name = self._known(entity)
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        row = self._row(name, id)
        shown = self._shown_row(name, row, query)
        return JSONResponse({"@odata.context": f"{_address(request)}/$metadata#{name}/$entity", **shown})

    def beyond(self, request: Request, entity: str, id: int, navigation: str) -> Response:
        """The rows a collection of one row leads to."""
        name = self._known(entity)
        leads = {one.lower(): lead for one, lead in LEADS.get(name, {}).items() if lead.many}
        lead = leads.get(navigation.lower())
        if lead is None:
            raise Refusal(404, f"{navigation} does not exist on {name}")
        if name == "Ressource":
            row: Row = {"Id": id}
        else:
            row = self._row(name, id)
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        return self._answer(request, lead.target, self._entities.along(lead, row), query)

    def record(self, request: Request, id: int) -> Response:
        """What is known of any object by its key."""
        for entity in ("Apprenant", "Enseignant", "Planification", "Sequence", "Inscription"):
            if self._entities.by(entity, "Id").get(id):
                moment = "2018-02-01T16:15:12.053+01:00"
                return JSONResponse(
                    {
                        "@odata.context": f"{_address(request)}/$metadata#Object/$entity",
                        "Id": id,
                        "DateCreation": moment,
                        "DateModification": moment,
                        "DateSuppression": None,
                        "Actif": True,
                        "Type": f"pedagogie.T_{entity.upper()}",
                    }
                )
        raise Refusal(404, "Not Found")

    def put(self, entity: str, id: int, body: bytes, content_type: str) -> Row:
        """Replace a row of an event by what was sent; the row as it is then."""
        if self._known(entity) != "PlanificationRessource":
            raise Refusal(405, f"{entity} is not written here")
        if not self._switches.may_write:
            raise Refusal(403, "Forbidden")
        before = self._row("PlanificationRessource", id)
        sent = self._sent(body, content_type)
        row = {name: sent.get(name, _empty(edm)) for name, edm in FIELDS["PlanificationRessource"].items()}
        row["Id"] = id
        place = self._store.row_of(id)
        if place is None or place[1] not in self._store.learners:
            raise Refusal(400, "this resource has no attendance")
        known = {**before, **self._store.besides.get(id, {})}
        derived = {name: value for name, value in known.items() if name not in MARKS}
        besides = {name: value for name, value in row.items() if name in derived}
        changed = {name: value for name, value in besides.items() if not _same(name, value, derived[name])}
        kept = self._store.besides.get(id, {})
        try:
            self._store.put(PUT_ROUTE, id, {name: row[name] for name in MARKS}, {**kept, **changed})
        except ControlError as error:
            raise Refusal(400, str(error)) from None
        return row

    # Lists

    def _answer(self, request: Request, entity: str, rows: list[Row] | None, query: dict[str, str]) -> Response:
        try:
            return JSONResponse(self._page(request, entity, rows, query))
        except BadQuery as error:
            raise Refusal(400, str(error)) from None

    def _page(self, request: Request, entity: str, rows: list[Row] | None, query: dict[str, str]) -> Any:
        unknown = [name for name in query if name.startswith("$") and name not in _OPTIONS]
        if unknown:
            raise BadQuery(f"The query option '{unknown[0]}' is not supported")
        found = self._filtered(entity, rows, query.get("$filter", ""))
        found = ordered(found, query.get("$orderby", "") or "Id")
        counted = self._counted(query)
        first = self._first(query)
        rest = found[first:]
        top = int(query["$top"]) if query.get("$top", "").isdecimal() else None
        wanted = rest if top is None else rest[:top]
        size = len(wanted) if self._switches.paging == "whole" else self._switches.page_size
        page = wanted[:size]
        answer: dict[str, Any] = {"@odata.context": f"{_address(request)}/$metadata#{entity}"}
        if counted:
            answer["@odata.count"] = len(found)
        answer["value"] = [self._shown_row(entity, row, query) for row in page]
        if self._switches.paging == "next_link" and len(page) < len(wanted):
            answer["@odata.nextLink"] = self._link(request, query, first + len(page))
        return answer

    def _filtered(self, entity: str, rows: list[Row] | None, text: str) -> list[Row]:
        if not text:
            return list(rows if rows is not None else self._entities.rows(entity))
        asked = condition(text, lambda row, name: self._to_one(entity, row, name))
        for name in asked.fields:
            if "/" not in name and name not in self._fields[entity]:
                raise BadQuery(f"Could not find a property named '{name}' on type 'GraphV1.{entity}'")
        timed = asked.fields & {"Debut", "Fin"} and entity in ("Planification", "Seance")
        if timed and self._switches.filter_by_time == "refused":
            raise BadQuery("An event's time cannot be used in the $filter query option")
        given = rows if rows is not None else self._entities.rows(entity, asked.among)
        return [row for row in given if asked.test(row)]

    def _counted(self, query: dict[str, str]) -> bool:
        if query.get("$count") != "true":
            return False
        if self._switches.count == "refused":
            raise BadQuery("The query option '$count' is not allowed")
        return self._switches.count == "answered"

    def _first(self, query: dict[str, str]) -> int:
        token = query.get("$skiptoken", "")
        if token.isdecimal():
            return int(token)
        if "$skip" in query and self._switches.skip == "refused":
            raise BadQuery("The query option '$skip' is not allowed")
        return int(query["$skip"]) if query.get("$skip", "").isdecimal() else 0

    def _link(self, request: Request, query: dict[str, str], first: int) -> str:
        more = {
            **{k: v for k, v in query.items() if k not in ("$skip", "$skiptoken")},
            "$skiptoken": str(first),
        }
        path = f"{request.url.path}?{urlencode(more)}"
        return (
            path if self._switches.links == "relative" else f"{request.url.scheme}://{request.url.netloc}{path}"
        )

    # Rows

    def _row(self, entity: str, id: int) -> Row:
        if entity == "PlanificationRessource":
            place = self._store.row_of(id)
            rows = (
                []
                if place is None
                else self._entities.along(_ROWS, {"Id": self._store.sessions[place[0]].code})
            )
            found = [row for row in rows if row["Id"] == id]
        else:
            found = self._entities.by(entity, "Id").get(id, [])
        if not found:
            raise Refusal(404, "Not Found")
        return found[0]

    def _shown_row(self, entity: str, row: Row, query: Mapping[str, str]) -> Row:
        shown = {name: row[name] for name in self._shown[entity]}
        try:
            answer = chosen(shown, query.get("$select", ""))
            for name, inner in expansions(query.get("$expand", "")).items():
                lead = self._lead(entity, name)
                rows = [self._shown_row(lead.target, one, inner) for one in self._entities.along(lead, row)]
                most = self._switches.expanded_rows
                if lead.many and 0 < most < len(rows):
                    rows = rows[:most]
                    answer[f"{name}@odata.nextLink"] = f"{ROOT}/{entity}({row['Id']})/{name}?$skip={most}"
                answer[name] = rows if lead.many else next(iter(rows), None)
        except BadQuery as error:
            raise Refusal(400, str(error)) from None
        return answer

    def _to_one(self, entity: str, row: Row, name: str) -> Row | None:
        lead = self._lead(entity, name)
        if lead.many:
            raise BadQuery(f"'{name}' is a collection")
        return next(iter(self._entities.along(lead, row)), None)

    def _lead(self, entity: str, name: str) -> Lead:
        lead = self._leads(entity).get(name)
        if lead is None:
            raise BadQuery(f"Could not find a property named '{name}' on type 'GraphV1.{entity}'")
        return lead

    def _leads(self, entity: str) -> dict[str, Lead]:
        leads = LEADS.get(entity, {})
        match self._switches.navigation:
            case "all":
                return dict(leads)
            case "proven":
                return {name: lead for name, lead in leads.items() if lead.proven}
            case _:
                return {}

    def _known(self, entity: str) -> str:
        name = self._names.get(entity.lower())
        if name is None:
            raise Refusal(404, "Not Found")
        return name

    # Writing

    def _sent(self, body: bytes, content_type: str) -> Row:
        fields = FIELDS["PlanificationRessource"]
        if "json" in content_type:
            try:
                given = json.loads(body)
            except ValueError:
                raise Refusal(400, "The body is not JSON") from None
            if not isinstance(given, dict):
                raise Refusal(400, "An object is due")
        elif "form" in content_type:
            given = {name: _typed(text, fields.get(name)) for name, text in parse_qsl(body.decode())}
        else:
            raise Refusal(415, "Unsupported Media Type")
        return {name: self._stored(name, value) for name, value in given.items() if name in fields}

    def _stored(self, name: str, value: Any) -> Any:
        """A value as the service keeps it: instants in its own zone."""
        edm = FIELDS["PlanificationRessource"][name]
        wrong = Refusal(400, f"'{name}' is not of type {edm}")
        if edm == "DateTimeOffset":
            if value in (None, ""):
                return None
            try:
                at = datetime.fromisoformat(value)
            except (TypeError, ValueError):
                raise wrong from None
            if at.tzinfo is None:
                raise wrong
            return self._store.written(at)
        if edm == "ProvenancePresence":
            if value not in ORIGINS:
                raise wrong
            return value
        kinds = {"Int32": int, "Boolean": bool, "String": str}
        if value is None and edm == "String":
            return ""
        if not isinstance(value, kinds[edm]) or (edm == "Int32" and isinstance(value, bool)):
            raise wrong
        return value

    # The model

    def _edmx(self) -> str:
        types = "".join(self._entity_type(name) for name in FIELDS)
        sets = "".join(f'<EntitySet Name="{name}" EntityType="GraphV1.{name}"/>' for name in FIELDS)
        members = "".join(f'<Member Name="{name}" Value="{n}"/>' for n, name in enumerate(ORIGINS))
        base = "".join(
            f'<Property Name="{name}" Type="Edm.{edm}"/>'
            for name, edm in (("Id", "Int32"), ("Nom", "String"), ("Code", "String"))
        )
        return (
            '<?xml version="1.0" encoding="utf-8"?>'
            '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
            '<Schema Namespace="GraphV1" xmlns="http://docs.oasis-open.org/odata/ns/edm">'
            f'<EntityType Name="Base" Abstract="true"><Key><PropertyRef Name="Id"/></Key>{base}</EntityType>'
            f'{types}<EnumType Name="ProvenancePresence">{members}</EnumType>'
            f'<EntityContainer Name="Container">{sets}</EntityContainer>'
            "</Schema></edmx:DataServices></edmx:Edmx>"
        )

    def _entity_type(self, entity: str) -> str:
        own = [(name, edm) for name, edm in self._fields[entity].items() if name not in ("Id", "Nom", "Code")]
        properties = "".join(
            f"<Property Name={quoteattr(name)} Type={quoteattr(_declared(edm))}/>" for name, edm in own
        )
        leads = "".join(
            f'<NavigationProperty Name="{name}" Type="{_led(lead)}"/>'
            for name, lead in self._leads(entity).items()
        )
        return f'<EntityType Name="{entity}" BaseType="GraphV1.Base">{properties}{leads}</EntityType>'


def refused(refusal: Refusal, switches: AimairaSwitches) -> Response:
    """The answer to what cannot be done."""
    if switches.errors == "html":
        return HTMLResponse(f"<html><body><h1>{refusal.status}</h1></body></html>", refusal.status)
    error = {"code": str(refusal.status), "message": str(refusal), "innererror": {}}
    return JSONResponse({"error": error}, refusal.status)


_OPTIONS = frozenset(
    {"$filter", "$select", "$expand", "$orderby", "$top", "$skip", "$count", "$skiptoken", "$format"}
)
_ROWS = replace(LEADS["Planification"]["PlanificationsRessource"])


def _address(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}{ROOT}"


def _declared(edm: str) -> str:
    return f"GraphV1.{edm}" if edm == "ProvenancePresence" else f"Edm.{edm}"


def _led(lead: Lead) -> str:
    return f"Collection(GraphV1.{lead.target})" if lead.many else f"GraphV1.{lead.target}"


def _empty(edm: str) -> Any:
    return "None" if edm == "ProvenancePresence" else _EMPTY[edm]


def _typed(text: str, edm: str | None) -> Any:
    """A form's text as its field's type."""
    if edm == "Boolean":
        return text.lower() == "true"
    if edm == "Int32":
        return int(text) if text.lstrip("-").isdecimal() else text
    return text


def _same(name: str, one: Any, other: Any) -> bool:
    if name in _TIMES and one and other:
        return datetime.fromisoformat(one) == datetime.fromisoformat(other)
    return bool(one == other)
