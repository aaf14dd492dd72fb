"""Saved queries run by their id: their definitions, their pages, and where our fields stand in their lines.

Seen in client code: a definition is read, and sent as it is for each page, the first being 1. Where columns
stood is remembered from the start: one that stands elsewhere later stops what its query brings until somebody
looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

from connectors.aurion import AurionSettings, mapping
from connectors.aurion.columns import Drift, Layout, Row, layout, moved, unlike, visible
from connectors.aurion.door import Door
from connectors.aurion.mapping import Line, Query
from engine.faults import came
from engine.ports import Fault, FaultCode, Progress
from engine.words import _

T = TypeVar("T")

_MENUS = "GET /api/menus"
DEFINITION = "GET /api/menuEntries/{menu}/query/{query}"
_RESULT = "POST /api/menuEntries/{menu}/searchResult"


@dataclass(frozen=True)
class Table:
    """A query's result: its lines by our fields, and where those stand."""

    lines: tuple[Line, ...]
    layout: Layout


class SavedQueries:
    """The queries of one school."""

    def __init__(self, settings: AurionSettings, door: Door) -> None:
        self._settings = settings
        self._door = door
        self._said: dict[Query, Table | Fault] = {}
        self._layouts: dict[Query, Layout] = {}
        self._menus: dict[int, int] = {}

    def forget(self) -> None:
        """Ask anew from now on. Where columns stood is remembered."""
        self._said.clear()

    def forget_columns(self) -> None:
        """Map the columns anew: somebody looked."""
        self._layouts.clear()

    def queries(self) -> list[Query]:
        names: tuple[Query, ...] = ("interventions", "groups", "learners", "speakers")
        return [
            name
            for name in names
            if self.id(name) and (name, self._settings.sessions_from) != ("interventions", "planning")
        ]

    def id(self, query: Query) -> int:
        if query == "interventions" and self._settings.sessions_from == "planning":
            return 0
        return int(getattr(self._settings, f"{query}_query"))

    async def table(self, query: Query, progress: Progress | None = None) -> Table:
        """A query's whole result, asked once until `forget`. Raises Fault: `drift` where its columns are not
        where they were."""
        if query not in self._said:
            try:
                definition, where = await self._definition(query)
                lines = await self._lines(query, definition, where, progress)
                self._said[query] = Table(tuple(self._believed(query, lines)), where)
            except Fault as fault:
                self._said[query] = fault
        said = self._said[query]
        if isinstance(said, Fault):
            raise said
        return said

    async def _definition(self, query: Query) -> tuple[Row, Layout]:
        """A query as it is saved now, and where our fields stand in it: where they stood at the start."""
        menu, id = await self._menu(query), self.id(query)
        body = await self._door.read(DEFINITION, {"menu": str(menu), "query": str(id)})
        definition = body.get("queryDefinition") if isinstance(body, Mapping) else None
        if not isinstance(definition, Mapping):
            raise drift(DEFINITION, f"no queryDefinition in {body!r:.30}")
        wanted = {field: self.name(field) for field in mapping.COLUMNS[query]}

        def place(definition: Row) -> Layout:
            result = definition.get("searchResultDefinition")
            columns = result.get("columns") if isinstance(result, Mapping) else None
            return layout(visible(columns), wanted, mapping.NEEDED[query])

        now = mapped(f"{DEFINITION} ({id})", place, definition)
        before = self._layouts.setdefault(query, now)
        if shift := moved(before, now):
            raise drift(DEFINITION, f"{id}: {shift}: `rollcall check`")
        return definition, now

    async def _lines(
        self, query: Query, definition: Row, where: Layout, progress: Progress | None
    ) -> list[Line]:
        """The lines of every page. Raises Fault with the pages read."""
        found: list[Line] = []
        seen: set[str] = set()
        page, pages, total = 1, 1, 0
        try:
            while page <= pages:
                content, pages, total = await self._page(query, definition, page)
                self._check_layout(query, content, where)
                lines = self._whole(content.get("lines"), last=page >= pages)
                mark = sha256(repr(lines).encode()).hexdigest()
                if len(lines) > 1 and mark in seen:
                    raise _broken(FaultCode.repeated_page, f"page {page}")
                seen.add(mark)
                found += [mapped(_RESULT, where.values, line) for line in lines]
                if progress is not None:
                    progress(_("lines of query {id}").format(id=self.id(query)), len(found), None)
                page += 1
            if len(found) < total:
                raise _broken(FaultCode.truncated, f"{len(found)} lines of {total}")
        except Fault as fault:
            fault.pages_read, fault.pages_seen = page - 1, pages
            raise
        return found

    def _whole(self, lines: Any, *, last: bool) -> list[Any]:
        """The lines of a page. Raises Fault where it is short although others follow."""
        if not isinstance(lines, list):
            raise drift(_RESULT, f"lines are {type(lines).__name__}")
        if not last and len(lines) < self._settings.page_size:
            raise _broken(FaultCode.truncated, f"{len(lines)} lines of {self._settings.page_size} on a page")
        return lines

    def _check_layout(self, query: Query, content: Row, where: Layout) -> None:
        if problem := mapped(_RESULT, lambda body: _unlike(body, where), content):
            raise drift(_RESULT, _("query {id}: {what}").format(id=self.id(query), what=problem))

    async def _page(self, query: Query, definition: Row, page: int) -> tuple[Row, int, int]:
        """A page's content, how many pages there are, and how many lines (0 where that is not said)."""
        menu = await self._menu(query)
        params = {
            "size": str(self._settings.page_size),
            "page": str(page),
            "sort": "id",
            "disableWarnings": "true",
        }
        body = await self._door.read(_RESULT, {"menu": str(menu)}, params=params, json=definition)
        content = body.get("content") if isinstance(body, Mapping) else None
        pages = body.get("totalPages") if isinstance(body, Mapping) else None
        if not isinstance(content, Mapping) or not isinstance(pages, int):
            raise drift(_RESULT, f"no content and totalPages in {body!r:.30}")
        total = body.get("totalElements")
        return content, pages, total if isinstance(total, int) else 0

    def _believed(self, query: Query, lines: list[Line]) -> list[Line]:
        """The lines, unless most of them say nothing. Raises Fault."""
        if query == "interventions":
            good = [line for line in lines if mapping.readable(line)]
        else:
            needed = (*mapping.NEEDED[query][:1], *(("learnerId",) if query == "learners" else ()))
            good = [line for line in lines if all(line.get(name) for name in needed)]
        if lines and 2 * len(good) < len(lines):
            text = _("query {id}: {bad} of {all} lines cannot be read").format(
                id=self.id(query), bad=len(lines) - len(good), all=len(lines)
            )
            raise drift(_RESULT, text)
        return lines

    async def _menu(self, query: Query) -> int:
        """The menu entry a query is run under: the one set, else the one whose query this is."""
        if set_one := int(getattr(self._settings, f"{query}_menu")):
            return set_one
        id = self.id(query)
        if id not in self._menus:
            body = await self._door.read(_MENUS)
            self._menus = mapped(_MENUS, _entries, body)
        if id not in self._menus:
            raise drift(
                _MENUS, _("no menu entry runs query {id}: set {name}").format(id=id, name=f"{query}_menu")
            )
        return self._menus[id]

    def name(self, field: str) -> str:
        return self._settings.columns.get(field, field)

    async def check(self, query: Query) -> str:
        definition, where = await self._definition(query)
        content, pages, _total = await self._page(query, definition, 1)
        self._check_layout(query, content, where)
        missing = [self.name(field) for field in mapping.COLUMNS[query] if not where.shows(field)]
        told = _("{count} columns found, {pages} pages").format(count=len(where.places), pages=pages)
        return told + ("; " + _("without {names}").format(names=", ".join(missing)) if missing else "")


def _unlike(content: Row, where: Layout) -> str:
    """Where an answer's columns are not those asked for; an answer may leave them out."""
    columns = content.get("columns")
    return unlike(where.columns, visible(columns)) if columns else ""


def _entries(body: Any) -> dict[int, int]:
    """Menu entries by the query they run. Raises Drift."""
    menus = body.get("menus") if isinstance(body, Mapping) else None
    if not isinstance(menus, list):
        raise Drift(f"menus were due, not {body!r:.40}")
    return {
        one["queryId"]: one["menuEntryId"]
        for menu in menus
        if isinstance(menu, Mapping)
        for one in menu.get("objects") or ()
        if isinstance(one, Mapping)
        and isinstance(one.get("queryId"), int)
        and isinstance(one.get("menuEntryId"), int)
    }


def mapped(route: str, reader: Callable[[Any], T], row: Any) -> T:
    """What a reader makes of an answer. Raises Fault where that is of another shape."""
    try:
        return reader(row)
    except Drift as shape:
        raise drift(route, str(shape)) from None


def _broken(code: FaultCode, what: str) -> Fault:
    return Fault(code, system="erp", route=_RESULT, came=came(what))


def drift(route: str, what: str) -> Fault:
    """A column or field that is gone, moved, or of another shape, as a Fault."""
    return Fault(FaultCode.drift, system="erp", route=route, came=came(what))
