"""OData v4 as far as Aimaira's service goes: queries, the declared model, and lists to their end.

Documented: `$filter` with `eq`, `and` and paths, `$expand`, `$top`, `$orderby`; seen in client code: `$select`.
Standard OData, inferred here: `or`, `ge`, `gt`, `lt`, `$skip`, `$count`. How lists are paged is unknown: a next
link is followed, else the count tells whether the list is whole, else rows are asked for beyond the last key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

from connectors.http import HttpSession
from engine.faults import came
from engine.ports import Fault, FaultCode

Row = Mapping[str, Any]

QUERY_LIMIT = 1900
"""Characters of an encoded query; the servers this service is likely to run on take 2048."""

_METADATA = "GET /$metadata"
_XML = "application/xml"


@dataclass(frozen=True)
class Ask:
    """What of an entity set is asked. `expand` holds navigation properties, with their own `$select`."""

    entity: str
    select: tuple[str, ...] = ()
    filter: str = ""
    expand: tuple[str, ...] = ()

    @property
    def route(self) -> str:
        return f"GET /{self.entity}"

    def query(self, **more: str) -> str:
        """The encoded query, always ordered by key."""
        options = {
            "$filter": self.filter,
            "$select": ",".join(self.select),
            "$expand": ",".join(self.expand),
            "$orderby": "Id",
            **more,
        }
        return encoded(options)

    def also(self, condition: str) -> Ask:
        """The same with one more condition."""
        return replace(self, filter=f"({self.filter}) and {condition}" if self.filter else condition)


@dataclass(frozen=True)
class Model:
    """What `$metadata` declares, by entity set: its properties, its navigation properties with the set they
    lead to, and the members of each enumeration by its property's name."""

    properties: Mapping[str, frozenset[str]]
    navigation: Mapping[str, Mapping[str, str]]
    members: Mapping[tuple[str, str], tuple[str, ...]]

    def missing(self, entity: str, fields: Iterable[str]) -> list[str]:
        """Those of `fields` that the entity does not declare; all of them for an unknown entity."""
        declared = self.properties.get(entity, frozenset())
        return [field for field in fields if field not in declared]

    def leads(self, entity: str, navigation: str) -> bool:
        """Whether the entity declares this navigation property."""
        return navigation in self.navigation.get(entity, {})


def encoded(options: Mapping[str, str]) -> str:
    """A query string: spaces as %20, never as +, which OData servers may take for itself."""
    return "&".join(f"{name}={quote(value, safe='$(),;=/:')}" for name, value in options.items() if value)


def text(value: str) -> str:
    """A text literal: quotes are doubled inside."""
    return "'" + value.replace("'", "''") + "'"


def any_of(field: str, literals: Iterable[str]) -> str:
    """A condition that holds where `field` is one of the literals."""
    return " or ".join(f"{field} eq {literal}" for literal in literals)


def batches(ask: Ask, field: str, literals: Iterable[str]) -> Iterator[Ask]:
    """`ask` for the rows whose `field` is one of the literals, in as few queries as their length allows."""
    room = QUERY_LIMIT - len(ask.also("()").query(**{"$count": "true"}))
    batch: list[str] = []
    size = 0
    for literal in literals:
        length = len(quote(f" or {field} eq {literal}", safe="$(),;=/:"))
        if batch and size + length > room:
            yield ask.also(f"({any_of(field, batch)})")
            batch, size = [], 0
        batch.append(literal)
        size += length
    if batch:
        yield ask.also(f"({any_of(field, batch)})")


def model(document: str) -> Model:
    """The model an EDMX document declares. Raises ValueError for anything else."""
    # A service document type would only be there to expand entities.
    if "<!DOCTYPE" in document or "<!ENTITY" in document:
        raise ValueError("a document type where $metadata was due")
    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from None
    types = {str(one.get("Name")): one for one in root.iter() if _local(one) == "EntityType"}
    enums = {str(one.get("Name")): one for one in root.iter() if _local(one) == "EnumType"}
    sets = {
        str(one.get("Name")): _bare(one.get("EntityType")) for one in root.iter() if _local(one) == "EntitySet"
    }
    if not types:
        raise ValueError("no entity in $metadata")
    set_of = {kind: name for name, kind in sets.items()}
    properties: dict[str, frozenset[str]] = {}
    navigation: dict[str, dict[str, str]] = {}
    members: dict[tuple[str, str], tuple[str, ...]] = {}
    for kind in types:
        name = set_of.get(kind, kind)
        declared = list(_declared(kind, types))
        properties[name] = frozenset(str(p.get("Name")) for p in declared if _local(p) == "Property")
        navigation[name] = {
            str(p.get("Name")): set_of.get(_bare(p.get("Type")), _bare(p.get("Type")))
            for p in declared
            if _local(p) == "NavigationProperty"
        }
        for one in declared:
            if (enum := enums.get(_bare(one.get("Type")))) is not None:
                members[name, str(one.get("Name"))] = tuple(
                    str(member.get("Name")) for member in enum if _local(member) == "Member"
                )
    return Model(properties, navigation, members)


def _declared(kind: str, types: Mapping[str, ElementTree.Element]) -> Iterator[ElementTree.Element]:
    """A type's own members and its base types'."""
    seen: set[str] = set()
    while kind in types and kind not in seen:
        seen.add(kind)
        yield from types[kind]
        kind = _bare(types[kind].get("BaseType"))


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _bare(name: str | None) -> str:
    """A type's own name: `Collection(GraphV1.Mail)` is `Mail`."""
    return (name or "").removeprefix("Collection(").rstrip(")").rpartition(".")[2]


class Feed:
    """Lists of one service, each read to its end or to a Fault that says how far it got."""

    def __init__(self, session: HttpSession) -> None:
        self._session = session
        self._counts = True
        self.pages = 0
        """Pages read since the last reset."""
        self.paging = ""
        """How the last list of more than one page was paged: "next link", "keys", "skip"; "" before one."""

    async def model(self) -> Model:
        """What `$metadata` declares. Raises Fault."""
        document = await self._session.read_text(_METADATA, accept=_XML)
        try:
            return model(document)
        except ValueError as error:
            raise Fault(
                FaultCode.not_json, system="erp", route=_METADATA, came=came(f"{error}: {document}")
            ) from None

    async def rows(self, ask: Ask, progress: Callable[[int, int | None], None] | None = None) -> list[Row]:
        """Every row of a list. Raises Fault: `truncated` where it is not whole, `repeated_page` for a loop."""
        listing = _Listing(ask)
        try:
            body = await self._first(ask)
            while True:
                link = listing.take(body)
                self.pages += 1
                if progress is not None:
                    progress(len(listing.rows), listing.total)
                if link:
                    self.paging = "next link"
                    body = await self._session.read(ask.route, params=listing.link_query(link))
                elif listing.whole(link_seen=self.paging == "next link"):
                    return listing.rows
                else:
                    rest = await self._beyond(ask, listing)
                    if rest is None:
                        return listing.rows
                    body = rest
        except Fault as fault:
            fault.pages_read, fault.pages_seen = listing.pages, listing.pages_due
            raise

    async def batched(
        self,
        ask: Ask,
        field: str,
        literals: Iterable[str],
        progress: Callable[[int, int | None], None] | None = None,
    ) -> list[Row]:
        """Every row whose `field` is one of the literals. Raises Fault."""
        found: list[Row] = []
        for one in batches(ask, field, dict.fromkeys(literals)):
            found += await self.rows(one)
            if progress is not None:
                progress(len(found), None)
        return found

    async def sample(self, ask: Ask) -> list[Row]:
        """The first row, if any. Raises Fault."""
        listing = _Listing(ask)
        listing.take(await self._session.read(ask.route, params=ask.query(**{"$top": "1"})))
        return listing.rows

    async def one(self, entity: str, key: str) -> Row:
        """One entity whole. Raises Fault."""
        route = f"GET /{entity}/{{id}}"
        body = await self._session.read(route, {"id": key})
        if not isinstance(body, Mapping) or "Id" not in body:
            raise _drift(route, f"an entity was due, not {body!r:.40}")
        return body

    async def _first(self, ask: Ask) -> Any:
        """The first page, with the count where the service knows that option."""
        if not self._counts:
            return await self._session.read(ask.route, params=ask.query())
        try:
            return await self._session.read(ask.route, params=ask.query(**{"$count": "true"}))
        except Fault as refused:
            if refused.code is not FaultCode.refused:
                raise
            body = await self._session.read(ask.route, params=ask.query())
            self._counts = False
            return body

    async def _beyond(self, ask: Ask, listing: _Listing) -> Any:
        """What follows the last row, asked by key, else by number; None where the service does neither."""
        after_last = ask.also(f"Id gt {listing.last}")
        ways = (("keys", after_last.query()), ("skip", ask.query(**{"$skip": str(len(listing.rows))})))
        for way, query in ways:
            if self.paging == "skip" and way == "keys":
                continue
            try:
                body = await self._session.read(ask.route, params=query)
            except Fault as refused:
                if refused.code is not FaultCode.refused:
                    raise
                continue
            if listing.holds(body):
                continue
            self.paging = way
            return body
        if listing.total is not None:
            raise Fault(
                FaultCode.truncated,
                system="erp",
                route=ask.route,
                came=came(f"{len(listing.rows)} rows of {listing.total}, and no way to the rest"),
            )
        return None


class _Listing:
    """One list on its way to its end."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.rows: list[Row] = []
        self.total: int | None = None
        self.pages = 0
        self.last: Any = 0
        self._ids: set[Any] = set()
        self._links: set[str] = set()
        self._largest = 0
        self._latest = 0
        self._ended = False

    @property
    def pages_due(self) -> int | None:
        if self.total is None or not self._largest:
            return None
        return max(self.pages, -(-self.total // self._largest))

    def take(self, body: Any) -> str:
        """Add a page's rows; the link to the next page, "" where there is none. Raises Fault."""
        rows = body.get("value") if isinstance(body, Mapping) else None
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) and "Id" in row for row in rows):
            raise _drift(self._ask.route, f"a list was due, not {body!r:.40}")
        if any(row["Id"] in self._ids for row in rows):
            raise Fault(FaultCode.repeated_page, system="erp", route=self._ask.route, came=came(rows[0]["Id"]))
        most = max(self._largest, len(rows))
        if self.total is None and self._links and self._latest < most:
            # Without a count only its length tells that a page was cut short.
            raise Fault(
                FaultCode.truncated,
                system="erp",
                route=self._ask.route,
                came=came(f"a page of {self._latest} rows, though not the last, where others have {most}"),
            )
        self.pages += 1
        self.rows += rows
        self._ids.update(row["Id"] for row in rows)
        self._largest, self._latest = most, len(rows)
        self._ended = not rows
        if rows:
            self.last = rows[-1]["Id"]
        total = body.get("@odata.count")
        if isinstance(total, int) and self.total is None:
            self.total = total
        link = body.get("@odata.nextLink")
        return link if isinstance(link, str) else ""

    def link_query(self, link: str) -> str:
        """The query of a next link, which must lead on in the same list. Raises Fault.

        Only its query is used: credentials go to no other address than the configured one."""
        parts = urlsplit(link)
        if parts.path and parts.path.rstrip("/").rpartition("/")[2].lower() != self._ask.entity.lower():
            raise _drift(self._ask.route, f"a next link that leads elsewhere: {link}")
        if link in self._links:
            raise Fault(FaultCode.repeated_page, system="erp", route=self._ask.route, came=came(link))
        self._links.add(link)
        return parts.query.replace(" ", "%20")

    def whole(self, *, link_seen: bool) -> bool:
        """Whether nothing follows. Raises Fault where the service ended before its own count."""
        if self.total is not None and len(self.rows) < self.total:
            if not (self._links or link_seen or self._ended):
                return False
            raise Fault(
                FaultCode.truncated,
                system="erp",
                route=self._ask.route,
                came=came(f"{len(self.rows)} rows of {self.total}"),
            )
        return self.total is not None or self._ended or bool(self._links) or link_seen

    def holds(self, body: Any) -> bool:
        """Whether a page begins with a row that came already: the question for what follows was not heard."""
        rows = body.get("value") if isinstance(body, Mapping) else None
        return bool(rows) and isinstance(rows, list) and rows[0].get("Id") in self._ids


def _drift(route: str, what: str) -> Fault:
    return Fault(FaultCode.drift, system="erp", route=route, came=came(what))
