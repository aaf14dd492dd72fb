"""Client of any REST ERP that a profile describes; nothing of a vendor is known here.

A listing is complete only if every page arrived: as many rows as the answer's own total says, or, without
one, read to an empty page with no short page before the last and no row twice (R13). A place that the profile
maps and no row has stops that kind; a name that nobody knew when the profile was saved is a warning.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from connectors.http import HttpSession
from connectors.profile import ProfileSettings, places
from connectors.profile.attendance import ProfileAttendance
from connectors.profile.recipe import BadRecipe, Entity, Recipe
from connectors.tabular.erp import SORT_OF, TabularErp, about, capabilities
from connectors.tabular.fields import SORTS, Sort
from connectors.tabular.records import Row
from engine.ports import Capability, Fault, FaultCode, Finding, Scope, Surroundings
from engine.words import _

MOST_PAGES = 5_000

_CODES = frozenset({"groups", "speakers", "learners"})
"""Fields that hold several codes."""


class ProfileClient(TabularErp):
    """One ERP, as `engine.ports.Erp` asks."""

    def __init__(self, settings: ProfileSettings, recipe: Recipe, surroundings: Surroundings) -> None:
        """Raises BadRecipe where the profile and the settings do not fit."""
        tables = {
            sort: frozenset(entity.fields) for sort in SORTS if (entity := recipe.entity(sort)) is not None
        }
        conventions = recipe.conventions.model_copy(update={"between": places.BETWEEN})
        super().__init__(tables, conventions, surroundings)
        for name, given in (("structure", settings.structureId), ("action", settings.filterActions)):
            if given and not recipe.uses(name):
                raise BadRecipe(f"{settings.profile}: no question of it uses {{{name}}}, but it is set")
        self.recipe = recipe
        self._settings = settings
        self._split = recipe.conventions.between
        self._secrets = {
            name: surroundings.secret(reference).strip() if reference else ""
            for name, reference in (("password", settings.password), ("token", settings.token))
        }
        self._entered = recipe.auth.kind != "login"
        self._session = self._opened(surroundings)
        self.requests: Mapping[str, int] = self._session.requests
        writes = recipe.write is not None
        on = writes and settings.accept_unverified
        self.attendance = ProfileAttendance(self, recipe, surroundings) if on else None
        why = _("the profile has no write")
        if writes:
            why = _("with the vendor's document in hand set accept_unverified")
        source = recipe.source or _("the profile; it names no document")
        write = Capability(
            name="write absences", certainty="unknown", source=source, on=on, why_off="" if on else why
        )
        self.capabilities = capabilities(tables, {}, source, write)

    @property
    def skew(self) -> timedelta | None:
        return self._session.skew

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def open_check(self) -> Finding:
        await self._enter()
        return Finding(what=_("let in"), ok=True, detail=self.recipe.auth.kind)

    async def strange(self) -> str:
        """Names that were not there when the profile was saved: a warning."""
        new: list[str] = []
        for sort in SORT_OF.values():
            entity = self.recipe.entity(sort)
            rows = self._said.get(f"raw {sort}")
            if entity is not None and entity.seen and isinstance(rows, list):
                known = {place.partition(".")[0].partition("[")[0] for place in entity.seen}
                new += [f"{sort}.{name}" for name in sorted(places.top(rows) - known)]
        return _("new, not read: {names}").format(names=", ".join(new)) if new else ""

    async def rows(self, sort: Sort, scope: Scope) -> list[Row]:
        """The rows of one sort, asked once a run, sessions once for each scope. Raises Fault."""
        entity = self.recipe.entity(sort)
        assert entity is not None
        dated = any("{from}" in text for text in (entity.path, *entity.query.values(), *entity.body.values()))
        spelled = f" {scope.first} {scope.last}" if dated else ""

        async def ask() -> list[Row]:
            found = await self.listed(entity, scope)
            self._said.setdefault(f"raw {sort}", found)
            return self.mapped(entity, found)

        return await self.once(f"rows {sort}{spelled}", ask)

    async def page(self, entity: Entity, scope: Scope) -> Any:
        """The first answer of a listing, as it came. Raises Fault."""
        paging = entity.paging
        params = {paging.param: str(paging.first)} if paging.param else {}
        return await self._asked(entity, scope, params)

    async def listed(self, entity: Entity, scope: Scope) -> list[Any]:
        """Every row of a listing, as it came. Raises Fault."""
        match entity.paging.kind:
            case "none":
                return self._rows_of(entity, await self._asked(entity, scope, {}))
            case "next":
                return await self._by_links(entity, scope)
            case _:
                return await self._by_pages(entity, scope)

    def mapped(self, entity: Entity, found: Iterable[Any]) -> list[Row]:
        """Rows of an answer as rows of ours. Raises Fault."""
        given = list(found)
        route = _route(entity)
        try:
            places.checked(given, (*entity.fields.values(), *entity.only, *entity.ended))
            return [
                Row(
                    fields={field: self._text(row, field, place) for field, place in entity.fields.items()},
                    line=0,
                    file=f"{self.recipe.name} {entity.path} {places.text(row, _first_place(entity))}",
                    over=any(places.text(row, place) == mark for place, mark in entity.ended.items()),
                )
                for row in given
                if all(places.text(row, place) == mark for place, mark in entity.only.items())
            ]
        except places.Missing as missing:
            raise about(FaultCode.drift, route, f"{missing} is in no row") from None
        except ValueError as error:
            raise about(FaultCode.drift, route, error) from None

    def _text(self, row: Any, field: str, place: str) -> str:
        """A place as text: several codes told apart, in one text too; several of anything else side by side."""
        said = places.text(row, place)
        if field not in _CODES:
            return said.replace(places.BETWEEN, ", ")
        return said.replace(self._split, places.BETWEEN) if self._split and "[" not in place else said

    # Pages

    async def _by_pages(self, entity: Entity, scope: Scope) -> list[Any]:
        paging, route = entity.paging, _route(entity)
        found: list[Any] = []
        before: list[Any] | None = None
        at = paging.first
        for number in range(1, MOST_PAGES + 1):
            params = {paging.param: str(at)}
            if paging.size_param:
                params[paging.size_param] = str(paging.size)
            try:
                answer = await self._asked(entity, scope, params)
            except Fault as fault:
                fault.pages_read, fault.pages_seen = number - 1, None
                raise
            page = self._rows_of(entity, answer)
            if page and page == before:
                raise self._broken(FaultCode.repeated_page, route, number, f"page {at} came again")
            total = self._total(entity, answer)
            if before is not None and page and len(before) < paging.size:
                raise self._broken(
                    FaultCode.truncated, route, number, f"{len(before)} rows before the last page"
                )
            found += page
            if total is not None and len(found) >= total:
                break
            if not page:
                if total is not None:
                    raise self._broken(FaultCode.truncated, route, number, f"{len(found)} of {total} rows")
                break
            before = page
            at += 1 if paging.kind == "page" else len(page)
        else:
            raise self._broken(FaultCode.repeated_page, route, MOST_PAGES, "it does not end")
        self._nothing_twice(entity, found)
        return found

    async def _by_links(self, entity: Entity, scope: Scope) -> list[Any]:
        route = _route(entity)
        found: list[Any] = []
        answer = await self._asked(entity, scope, {})
        visited: set[str] = set()
        for number in range(1, MOST_PAGES + 1):
            found += self._rows_of(entity, answer)
            link = places.text(answer, entity.paging.next)
            if not link:
                break
            if link in visited:
                raise self._broken(FaultCode.repeated_page, route, number, link)
            visited.add(link)
            answer = await self._followed(link, route)
        total = self._total(entity, answer)
        if total is not None and len(found) < total:
            raise self._broken(FaultCode.truncated, route, len(visited) + 1, f"{len(found)} of {total} rows")
        self._nothing_twice(entity, found)
        return found

    async def _followed(self, link: str, route: str) -> Any:
        """The page a link leads to; never another host, which would be sent our credentials. Raises Fault."""
        base, there = urlsplit(self._settings.url), urlsplit(link)
        if there.netloc and (there.scheme, there.netloc) != (base.scheme, base.netloc):
            raise about(FaultCode.refused, route, f"the next page is at {there.netloc}")
        path = there.path.removeprefix(base.path.rstrip("/"))
        if not path.startswith("/") or "{" in path or "}" in path:
            raise about(FaultCode.refused, route, f"the next page is at {link}")
        return await self.call(f"GET {path}", {}, dict(parse_qsl(there.query)))

    def _total(self, entity: Entity, answer: Any) -> int | None:
        if not entity.paging.total:
            return None
        said = places.text(answer, entity.paging.total)
        if not said.isdecimal():
            raise about(FaultCode.drift, _route(entity), f"{entity.paging.total} is no number")
        return int(said)

    def _rows_of(self, entity: Entity, answer: Any) -> list[Any]:
        try:
            found = places.one(answer, entity.rows)
        except places.Missing:
            raise about(FaultCode.drift, _route(entity), f"{entity.rows} is missing") from None
        rows = list(found.values()) if isinstance(found, Mapping) else found
        if rows is None:
            return []
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            raise about(FaultCode.drift, _route(entity), f"no rows at {entity.rows or 'the top'}")
        return rows

    def _nothing_twice(self, entity: Entity, found: list[Any]) -> None:
        """Raises Fault where a row came twice: another was pushed out of the pages meanwhile. A session may
        well stand in several rows, a person not."""
        place = entity.fields.get("key", "")
        if not place or entity is self.recipe.sessions or entity is self.recipe.members:
            return
        keys = [places.text(row, place) for row in found]
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise about(FaultCode.truncated, _route(entity), f"{twice} came twice")

    def _broken(self, code: FaultCode, route: str, pages: int, what: str) -> Fault:
        fault = about(code, route, what)
        fault.pages_read, fault.pages_seen = pages, None
        return fault

    # Calls

    async def _asked(self, entity: Entity, scope: Scope, more: Mapping[str, str]) -> Any:
        filled = self.filled(scope)
        query = {name: value for name, text in entity.query.items() if (value := fill(text, filled))}
        body = {name: fill(text, filled) for name, text in entity.body.items()} or None
        return await self.call(_route(entity), filled, {**query, **more}, body)

    async def call(
        self,
        route: str,
        filled: Mapping[str, str],
        params: Mapping[str, str],
        body: Any = None,
        *,
        write: bool = False,
    ) -> Any:
        """One call, after a login where there is one; let in anew once, where the token has run out. Raises
        Fault."""
        await self._enter()
        auth = self.recipe.auth
        if auth.kind == "query":
            params = {**params, auth.name: self._secrets["token"]}
        send = self._session.write if write else self._session.read
        used = {name: value for name, value in filled.items() if f"{{{name}}}" in route}
        if empty := [name for name, value in used.items() if not value]:
            raise about(FaultCode.refused, route, f"nothing to put in {{{empty[0]}}}")
        try:
            return await send(route, used, params=params, json=body)
        except Fault as fault:
            if fault.code is not FaultCode.unauthorized or auth.kind != "login":
                raise
        self._entered = False
        await self._enter()
        return await send(route, used, params=params, json=body)

    async def _enter(self) -> None:
        """Log in where the profile says so and it was not done yet. Raises Fault."""
        login = self.recipe.auth.login
        if self._entered or login is None:
            return
        sent = {name: fill(text, self._credentials()) for name, text in login.body.items()}
        route = f"{login.method} {login.path}"
        if login.send == "form":
            answer = await self._session.read(route, form=sent)
        else:
            answer = await self._session.read(route, json=sent or None)
        token = places.text(answer, login.token)
        if not token:
            raise about(FaultCode.drift, route, f"no token at {login.token}")
        self._session.authorize(token)
        self._entered = True

    def filled(self, scope: Scope) -> dict[str, str]:
        """What placeholders stand for, the credentials left out."""
        spell = self.recipe.query_date
        return {
            "from": scope.first.strftime(spell),
            "to": scope.last.strftime(spell),
            "after": (scope.last + timedelta(days=1)).strftime(spell),
            "structure": ",".join(self._settings.structureId),
            "action": ",".join(self._settings.filterActions),
        }

    def _credentials(self) -> dict[str, str]:
        return {"username": self._settings.username, **self._secrets}

    def _opened(self, surroundings: Surroundings) -> HttpSession:
        auth, token = self.recipe.auth, self._secrets["token"]
        pair = f"{self._settings.username}:{self._secrets['password']}".encode()
        header, secret = {
            "none": (("", ""), ""),
            "query": (("", ""), token),
            "basic": (("Authorization", "Basic {secret}"), base64.b64encode(pair).decode()),
            "bearer": (("Authorization", "Bearer {secret}"), token),
            "header": ((auth.name, "{secret}"), token),
            "login": ((auth.name or "Authorization", "{secret}" if auth.name else "Bearer {secret}"), ""),
        }[auth.kind]
        return HttpSession(
            system="erp",
            base_url=self._settings.url,
            header=header,
            secret=secret,
            clock=surroundings.clock,
            jitter=random.Random(f"{surroundings.connection}/profile"),
            timeout_seconds=self._settings.timeout_seconds,
            transport=surroundings.transport,
            more_headers={
                name: fill(text, self._credentials()) for name, text in self.recipe.auth.headers.items()
            },
            more_secrets=tuple(self._secrets.values()),
        )


def fill(text: str, filled: Mapping[str, str]) -> str:
    """A text with its placeholders filled in; what looks like one and is none stays."""
    for name, value in filled.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _route(entity: Entity) -> str:
    return f"{entity.method} {entity.path}"


def _first_place(entity: Entity) -> str:
    return entity.fields.get("key") or next(iter(entity.fields.values()))
