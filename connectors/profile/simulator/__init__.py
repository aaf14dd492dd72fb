"""A REST ERP that does not exist: it serves what a profile says, by the profile's own TOML.

It imitates no vendor; it tries what profiles are made of: a login whose token may run out, four ways of paging,
fields at any depth, a write that is read back. Each choice that a real one might make otherwise is a switch.
"""

from __future__ import annotations

import asyncio
import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from connectors.profile import connector
from connectors.simulation.control import Control, controlled
from connectors.simulation.erp_rows import AbsenceRow, AbsenceState, Row, SessionRow
from connectors.simulation.erp_store import ErpStore, Numbered
from connectors.simulation.erps import SimulatedErp
from connectors.simulation.school import School, true_instant
from engine.clock import Clock

__all__ = ["DEMO_PASSWORD", "DEMO_USER", "ProfileSimulator", "ProfileSwitches", "simulated"]

DEMO_USER = "rollcall"
DEMO_PASSWORD = "profile-demo-password"

_FIRST: dict[Numbered, int] = {"learner": 9001, "speaker": 301, "group": 11, "sheet": 40001, "absence": 1}
_SORTS = ("learners", "speakers", "groups", "sessions")


class ProfileSwitches(BaseModel):
    """How the ERP that does not exist behaves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: str = "demo"
    user: str = DEMO_USER
    password: str = DEMO_PASSWORD
    # Requests after which a token has run out; 0 never.
    token_lasts: int = 0
    # A total that is larger than what comes.
    total_lies: bool = False
    # Where the next page is said to be: "" on this server.
    next_host: str = ""
    # A name at the top of rows that is called otherwise now, as old=new.
    renamed: str = ""
    latency: float = 0.0


class _Store(ErpStore):
    takes_absences = True

    def number(self, kind: Numbered, n: int) -> int:
        return _FIRST[kind] + n

    def key(self, row: Row) -> str:
        return f"E{row.code}" if isinstance(row, SessionRow) else str(row.code)


class ProfileSimulator:
    """One school behind a profile. `app` is the ASGI application."""

    def __init__(self, school: School, clock: Clock, switches: ProfileSwitches | None = None) -> None:
        self.switches = switches or ProfileSwitches()
        self.control = Control(clock)
        self.store = _Store(school, self.control)
        place = files("connectors.profile").joinpath("profiles", f"{self.switches.profile}.toml")
        self._profile = tomllib.loads(place.read_text(encoding="utf-8"))
        self._tokens = 0
        self._left = 0
        self.app = controlled(self, self._routes())

    # What `controlled` asks

    @property
    def hands(self) -> Mapping[str, Callable[..., Any]]:
        return self.store.hands

    async def admit(self, method: str, template: str, headers: Headers) -> Response | None:
        if self.switches.latency:
            await asyncio.sleep(self.switches.latency)
        if template == self._profile["auth"]["login"]["path"]:
            return None
        given = headers.get("authorization")
        if not self._tokens or given != f"Bearer {self._token()}":
            return JSONResponse({"error": "token"}, 401)
        if self.switches.token_lasts:
            self._left -= 1
            if self._left < 0:
                return JSONResponse({"error": "expired"}, 401)
        return None

    def refusal(self, message: Any) -> Any:
        return {"error": message}

    def rows(self, answer: Any) -> int | None:
        found = self._list_in(answer)
        return len(found) if found is not None else None

    def shortened(self, answer: Any, keep: int) -> Any:
        found = self._list_in(answer)
        if found is not None:
            del found[keep:]
        return answer

    def earlier_page(self, query: dict[str, str]) -> dict[str, str] | None:
        page = query.get("page", "")
        return {**query, "page": str(int(page) - 1)} if page.isdigit() and int(page) > 1 else None

    def dump(self) -> dict[str, Any]:
        """The ledgers, and every row in neutral words. `least_requests`: each listing's pages."""
        return {
            "system": "profile",
            **self.control.ledgers(),
            "zone": self.store.school.zone,
            "least_requests": {"import": sum(self._pages(sort) for sort in _SORTS)},
            "neutral": self.store.neutral(),
        }

    def code_of(self, identity: str) -> str:
        """What a sync calls the record. Raises ControlError."""
        return self.store.code_of(identity)

    def codes_of(self, identity: str) -> tuple[str, ...]:
        """That, and what it may have called it before. Raises ControlError."""
        return self.store.codes_of(identity)

    def _pages(self, sort: str) -> int:
        """The pages of a listing; of sessions, those of a horizon."""
        paging = self._profile[sort].get("paging", {"kind": "none"})
        if paging["kind"] == "none" or sort == "sessions":
            return 1
        size: int = paging["size"]
        return max(1, -(-len(self._rows(sort)) // size))

    # Routes

    def _routes(self) -> list[Route]:
        listings = [Route(self._profile[sort]["path"], self._listing(sort), methods=["GET"]) for sort in _SORTS]
        write = self._profile["write"]
        return [
            Route(self._profile["auth"]["login"]["path"], self._login, methods=["POST"]),
            *listings,
            Route(self._profile["absences"]["path"], self._absences, methods=["GET"]),
            Route(write["path"], self._post, methods=["POST"]),
            Route(write["delete_path"], self._delete, methods=["DELETE"]),
        ]

    async def _login(self, request: Request) -> Response:
        given = await request.json()
        expected = {"{username}": self.switches.user, "{password}": self.switches.password}
        body = self._profile["auth"]["login"]["body"]
        if any(given.get(name) != expected[text] for name, text in body.items()):
            return PlainTextResponse("Forbidden", 403)
        self._tokens += 1
        self._left = self.switches.token_lasts
        answer: dict[str, Any] = {}
        put(answer, self._profile["auth"]["login"]["token"], self._token())
        return JSONResponse(answer)

    def _token(self) -> str:
        return f"token-{self._tokens}"

    def _listing(self, sort: str) -> Callable[[Request], Any]:
        entity = self._profile[sort]

        async def answer(request: Request) -> Response:
            query = dict(request.query_params)
            found = self._rows(sort)
            if sort == "sessions":
                found = self._between(found, query["from"], query["until"])
            return self._paged(entity, found, query)

        return answer

    def _paged(self, entity: Mapping[str, Any], found: list[dict[str, Any]], query: dict[str, str]) -> Response:
        paging = entity.get("paging", {"kind": "none"})
        kind, total = paging["kind"], len(found)
        size = int(query.get(paging.get("size_param", ""), 0) or paging.get("size", 0) or max(total, 1))
        first = 0
        if kind == "page":
            first = (int(query[paging["param"]]) - paging.get("first", 0)) * size
        elif kind == "offset":
            first = int(query[paging["param"]])
        elif kind == "next":
            first = int(query.get("after", "0"))
        page = found[first : first + size]
        rows = [self._renamed(row["said"]) for row in page]
        if not entity.get("rows"):
            return JSONResponse(rows)
        answer: dict[str, Any] = {}
        put(answer, entity["rows"], rows)
        if paging.get("total"):
            put(answer, paging["total"], total + 3 if self.switches.total_lies else total)
        if kind == "next" and first + size < total:
            put(answer, paging["next"], f"{self.switches.next_host}{entity['path']}?after={first + size}")
        return JSONResponse(answer)

    def _renamed(self, row: dict[str, Any]) -> dict[str, Any]:
        old, _equals, new = self.switches.renamed.partition("=")
        return {new if old and name == old else name: value for name, value in row.items()}

    def _list_in(self, answer: Any) -> list[Any] | None:
        if isinstance(answer, list):
            return answer
        if isinstance(answer, dict):
            for value in answer.values():
                if (found := self._list_in(value)) is not None:
                    return found
        return None

    # Rows: {"said": as the profile has it, "day": of sessions}

    def _rows(self, sort: str) -> list[dict[str, Any]]:
        store, fields = self.store, self._profile[sort]["fields"]
        if sort == "learners":
            ended = self._profile[sort].get("ended", {})
            return [
                self._row(
                    fields,
                    {
                        "key": store.key(one), "last_name": one.last_name, "first_name": one.first_name,
                        "email": one.email, "phone": one.phone or None,
                        "groups": [store.key(store.groups[one.group])],
                    },
                    {place: mark if store.departed(one) else "active" for place, mark in ended.items()},
                )
                for one in store.learners.values()
                if not one.removed
            ]  # fmt: skip
        if sort == "speakers":
            return [
                self._row(
                    fields,
                    {
                        "key": one.code, "last_name": one.last_name, "first_name": one.first_name,
                        "email": one.email,
                    },
                )
                for one in store.staff.values()
                if one.trainer
            ]  # fmt: skip
        if sort == "groups":
            return [self._row(fields, {"key": g.code, "name": g.name}) for g in store.groups.values()]
        return [self._session(fields, one) for one in store.sessions.values() if not one.cancelled]

    def _session(self, fields: Mapping[str, str], one: SessionRow) -> dict[str, Any]:
        store = self.store
        row = self._row(
            fields,
            {
                "key": store.key(one), "name": one.subject,
                "start": self._stamp(one.day, one.start), "end": self._stamp(one.last_day, one.end),
                "room": [store.rooms.get(code, str(code)) for code in one.rooms],
                "groups": [store.key(store.groups[group]) for group in one.groups],
                "speakers": [store.key(store.staff[who]) for who in one.staff],
                "learners": [store.key(store.learners[who]) for who in one.learners],
            },
        )  # fmt: skip
        return {**row, "day": one.day}

    def _stamp(self, day: date, wall: Any) -> str | None:
        at = true_instant(day, wall, self.store.school.zone)
        return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at is not None else None

    def _row(
        self, fields: Mapping[str, str], values: Mapping[str, Any], more: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        said: dict[str, Any] = {}
        for field, place in fields.items():
            put(said, place, values.get(field))
        for place, value in (more or {}).items():
            put(said, place, value)
        return {"said": said}

    def _between(self, found: list[dict[str, Any]], first: str, last: str) -> list[dict[str, Any]]:
        one, two = date.fromisoformat(first), date.fromisoformat(last)
        return [row for row in found if one <= row["day"] <= two]

    # Absences

    async def _absences(self, request: Request) -> Response:
        query = dict(request.query_params)
        one, two = date.fromisoformat(query["from"]), date.fromisoformat(query["until"])
        fields = self._profile["absences"]["fields"]
        answer: dict[str, Any] = {}
        rows = [
            self._row(fields, self._absence(row))["said"]
            for row in self.store.standing()
            if row.session is not None and one <= row.first.date() <= two
        ]
        put(answer, self._profile["absences"]["rows"], rows)
        return JSONResponse(answer)

    def _absence(self, row: AbsenceRow) -> dict[str, Any]:
        assert row.session is not None
        return {
            "key": row.code,
            "session": self.store.key(self.store.sessions[row.session]),
            "learner": self.store.code_of(row.identity),
            "state": self._profile["write"]["states"].get(row.state, "ABS"),
            "minutes": row.minutes,
            "reason": row.reason,
            "justified": row.justified,
        }

    async def _post(self, request: Request) -> Response:
        body = self._profile["write"]["body"]
        given = await request.json()
        said = {text.strip("{}"): given.get(name) for name, text in body.items()}
        sessions = {self.store.key(one): one for one in self.store.sessions.values()}
        people = {self.store.key(one): one.identity for one in self.store.learners.values()}
        session, learner = sessions.get(str(said["session"])), people.get(str(said["learner"]))
        states: dict[str, AbsenceState] = {word: key for key, word in self._profile["write"]["states"].items()}
        if session is None or session.end is None or learner is None or said["state"] not in states:
            return JSONResponse({"error": "unknown event, student or kind"}, 422)
        row = self.store.write_absence(
            self._profile["write"]["path"],
            identity=learner,
            first=datetime.combine(session.day, session.start),
            last=datetime.combine(session.last_day, session.end),
            session=session.identity,
            state=states[str(said["state"])],
            minutes=int(said["minutes"] or 0),
            justified=said["justified"] == "true",
            reason=str(said["reason"] or ""),
        )
        return JSONResponse({"id": row.code}, 201)

    async def _delete(self, request: Request) -> Response:
        key = request.path_params["key"]
        for row in self.store.standing():
            if str(row.code) == key:
                self.store.erase_absence(self._profile["write"]["delete_path"], row)
                return Response(status_code=204)
        return JSONResponse({"error": "not there"}, 404)


_STEP = re.compile(r"[^.\[\]]+|\[\d*\]")


def put(row: dict[str, Any], place: str, value: Any) -> None:
    """Write a value where a place says; a list of values becomes one object each where the place says `[]`."""
    names = _STEP.findall(place)
    if "[]" in names:
        at = names.index("[]")
        inner = ".".join(names[at + 1 :])
        outer = _down(row, names[: at - 1])
        items = outer.setdefault(names[at - 1], [])
        for n, one in enumerate(value or []):
            if len(items) <= n:
                items.append({})
            put(items[n], inner, one)
        return
    _down(row, names[:-1])[names[-1]] = value


def _down(row: dict[str, Any], names: list[str]) -> dict[str, Any]:
    for name in names:
        row = row.setdefault(name, {})
    return row


simulated = SimulatedErp(
    connector=connector,
    switches=ProfileSwitches,
    secret="password",
    simulator=ProfileSimulator,
    fallback_reason="NONE",
    mapped={
        "speaker": ("last",),
        "learner": ("last", "contacts"),
        "group": ("label",),
        "sheet": ("start", "time"),
    },
    settings=lambda url, secret: {
        "url": url,
        "username": DEMO_USER,
        "password": secret,
        "profile": "builtin:demo",
        "accept_unverified": True,
    },
)
