"""Planbook, an ERP that does not exist: a small honest connector and its stand-in, as an author writes them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from connectors import wall_time
from connectors.http import HttpSession, Limits
from connectors.simulation.control import Control, controlled
from connectors.simulation.erp_rows import AbsenceRow
from connectors.simulation.erp_store import ErpStore, Numbered
from connectors.simulation.erps import SimulatedErp
from connectors.simulation.school import School
from engine.attendance import Attendance, Carried, Reason, Standing
from engine.clock import Clock
from engine.faults import came, fault_line
from engine.ports import (
    AttendanceForm,
    Capability,
    Fault,
    FaultCode,
    Finding,
    Listing,
    Progress,
    Scope,
    Sighting,
    Surroundings,
    System,
)
from engine.records import Entry, Group, Kind, Learner, Problem, Record, Sheet, Speaker

Row: TypeAlias = Mapping[str, Any]

KEY = "planbook-demo-key"
PER_MINUTE = 20
_PAGE = 5
_FIRST: dict[Numbered, int] = {"learner": 1000, "speaker": 2000, "group": 10, "sheet": 5000, "absence": 1}
_ROUTES: dict[Kind, str] = {
    "speaker": "GET /api/trainers",
    "learner": "GET /api/learners",
    "group": "GET /api/classes",
    "sheet": "GET /api/lessons",
}
_MARKS = "GET /api/marks"


# The stand-in


class PlanbookSwitches(BaseModel):
    """There is nothing to choose but the key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = KEY
    latency: float = 0.0


class _Store(ErpStore):
    takes_absences = True

    def number(self, kind: Numbered, n: int) -> int:
        return _FIRST[kind] + n


class PlanbookSimulator:
    """A school's Planbook: pages of five rows, wall times, and marks that a POST always adds to."""

    def __init__(self, school: School, clock: Clock, switches: PlanbookSwitches) -> None:
        self.control = Control(clock)
        self.store = _Store(school, self.control)
        self._key = switches.key
        listings: dict[str, Callable[[Request], list[Row]]] = {
            "/api/trainers": lambda _asked: [self._person(s) for s in self.store.staff.values() if s.trainer],
            "/api/learners": lambda _asked: [self._learner(p) for p in self.store.learners.values()],
            "/api/classes": lambda _asked: [
                {"id": g.code, "title": g.name} for g in self.store.groups.values()
            ],
            "/api/lessons": self._lessons,
            "/api/marks": lambda _asked: [self._mark(one) for one in self.store.standing() if one.session],
        }
        self.app = controlled(
            self,
            [
                *(Route(path, self._paged(rows), methods=["GET"]) for path, rows in listings.items()),
                Route("/api/marks", self._post, methods=["POST"]),
                Route("/api/marks/{code:int}", self._delete, methods=["DELETE"]),
            ],
        )

    @property
    def hands(self) -> Mapping[str, Callable[..., Any]]:
        return self.store.hands

    async def admit(self, method: str, template: str, headers: Headers) -> Response | None:
        return None if headers.get("x-key") == self._key else PlainTextResponse("who are you?", 401)

    def refusal(self, message: Any) -> Any:
        return {"error": message}

    def rows(self, answer: Any) -> int | None:
        return len(answer["rows"])

    def shortened(self, answer: Any, keep: int) -> Any:
        return {**answer, "rows": answer["rows"][:keep]}

    def earlier_page(self, query: dict[str, str]) -> dict[str, str] | None:
        page = int(query.get("page", "1"))
        return {**query, "page": str(page - 1)} if page > 1 else None

    def dump(self) -> dict[str, Any]:
        return {"system": "planbook", **self.control.ledgers(), "neutral": self.store.neutral()}

    def code_of(self, identity: str) -> str:
        return self.store.code_of(identity)

    def codes_of(self, identity: str) -> tuple[str, ...]:
        return self.store.codes_of(identity)

    def _paged(self, rows: Callable[[Request], list[Row]]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            found, page = rows(request), int(request.query_params.get("page", "1"))
            here = found[(page - 1) * _PAGE : page * _PAGE]
            return JSONResponse({"page": page, "pages": max(1, -(-len(found) // _PAGE)), "rows": here})

        return answer

    def _person(self, one: Any) -> Row:
        edits = sum(1 for edit in self.control.edits if edit["identity"] == one.identity)
        named = {"surname": one.last_name, "given": one.first_name, "mail": one.email or None}
        return {"id": one.code, "edits": edits, **named}

    def _learner(self, one: Any) -> Row:
        left = one.removed or self.store.departed(one)
        return {
            **self._person(one),
            "phone": one.phone,
            "class": self.store.groups[one.group].code,
            "left": left,
        }

    def _lessons(self, request: Request) -> list[Row]:
        first, last = (date.fromisoformat(request.query_params[name]) for name in ("from", "to"))
        return [
            {
                "id": one.code, "title": one.subject, "day": one.day.isoformat(),
                "begins": one.start.isoformat(), "ends": one.end.isoformat() if one.end else "",
                "room": self.store.session_room(one),
                "classes": [self.store.groups[g].code for g in one.groups],
                "trainers": [self.store.staff[s].code for s in one.staff],
                "learners": [self.store.learners[p].code for p in one.learners],
            }
            for one in self.store.sessions.values()
            if not one.cancelled and first <= one.day <= last
        ]  # fmt: skip

    def _mark(self, one: AbsenceRow) -> Row:
        assert one.session is not None
        lesson, learner = self.store.sessions[one.session], self.store.learners[one.identity]
        return {"id": one.code, "lesson": lesson.code, "learner": learner.code, "state": one.state}

    async def _post(self, request: Request) -> Response:
        body = await request.json()
        lesson = next(one for one in self.store.sessions.values() if one.code == body["lesson"])
        learner = next(one for one in self.store.learners.values() if one.code == body["learner"])
        assert lesson.end is not None
        row = self.store.write_absence(
            "POST /api/marks", identity=learner.identity, session=lesson.identity, state=body["state"],
            first=datetime.combine(lesson.day, lesson.start),
            last=datetime.combine(lesson.last_day, lesson.end),
        )  # fmt: skip
        return JSONResponse(self._mark(row))

    async def _delete(self, request: Request) -> Response:
        self.store.erase_absence("DELETE /api/marks", self.store.absence(request.path_params["code"]))
        return JSONResponse({})


# The connector


class PlanbookSettings(BaseModel):
    """One school's access."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    key: str


class PlanbookClient:
    """One school, as `engine.ports.Erp` asks. What is known of Planbook is all documented: it is invented."""

    form: AttendanceForm | None = None
    keys_move = False
    silent: Mapping[Kind, frozenset[str]] = {"speaker": frozenset({"phone"})}
    carries: frozenset[Carried] = frozenset({"absent", "present"})
    limits: Limits | None = Limits(per_minute=PER_MINUTE, heavy_per_minute=PER_MINUTE)

    def __init__(self, settings: PlanbookSettings, surroundings: Surroundings) -> None:
        self._zone = surroundings.zone
        self._connection = surroundings.connection
        self.session = HttpSession(
            system="erp", base_url=settings.url, header=("X-Key", "{secret}"),
            secret=surroundings.secret(settings.key), clock=surroundings.clock, jitter=random.Random(1),
            timeout_seconds=60.0, transport=surroundings.transport, limits=self.limits,
        )  # fmt: skip
        self.requests: Mapping[str, int] = self.session.requests
        self.capabilities: tuple[Capability, ...] = (
            Capability(name="write absences", certainty="documented", source="POST /api/marks"),
        )
        self.attendance: Any = self

    async def begin(self, scope: Scope) -> None:
        pass

    async def listing(self, kind: Kind, scope: Scope, progress: Progress | None = None) -> Listing:
        try:
            entries = await self.entries(kind, scope)
        except Fault as fault:
            return self.incomplete(kind, fault)
        return Listing(kind=kind, entries=tuple(entries))

    def incomplete(self, kind: Kind, fault: Fault) -> Listing:
        line = fault_line(fault, self._connection)
        return Listing(kind=kind, complete=False, fault=fault.code.value, fault_line=line)

    async def find(self, kind: Kind, erp_id: str, scope: Scope, last: Record | None) -> Sighting:
        return Sighting(state="unknown")

    async def check(self) -> tuple[Finding, ...]:
        try:
            await self.page(_ROUTES["group"], {}, 1)
        except Fault as fault:
            line = fault_line(fault, self._connection)
            return (Finding(what="read classes", ok=False, detail=fault.code.value, advice=line),)
        return (Finding(what="read classes", ok=True),)

    async def close(self) -> None:
        await self.session.close()

    # Reading

    async def entries(self, kind: Kind, scope: Scope) -> list[Entry]:
        """Everything of a kind. Raises Fault."""
        between = {"from": scope.first.isoformat(), "to": scope.last.isoformat()}
        rows = await self.pages(_ROUTES[kind], between if kind == "sheet" else {})
        if kind != "group":
            return [self.entry(kind, row) for row in rows]
        members: dict[str, set[str]] = {}
        for row in await self.pages(_ROUTES["learner"], {}):
            if not row["left"]:
                members.setdefault(str(row["class"]), set()).add(self.key(row))
        return [
            Entry(
                record=Group(
                    id=str(row["id"]), name=self.text(row, "title"),
                    members=frozenset(members.get(str(row["id"]), ())),
                )
            )
            for row in rows
        ]  # fmt: skip

    async def pages(self, route: str, params: Mapping[str, str]) -> list[Row]:
        """The rows of all pages. Raises Fault."""
        first = await self.page(route, params, 1)
        rows: list[Row] = list(first["rows"])
        for n in range(2, first["pages"] + 1):
            rows += (await self.page(route, params, n))["rows"]
        return rows

    async def page(self, route: str, params: Mapping[str, str], n: int) -> Row:
        """One page. Raises Fault."""
        answer: Row = await self.session.read(route, params={**params, "page": str(n)})
        if answer["page"] != n:
            raise Fault(FaultCode.repeated_page, system="erp", route=route, came=f"page {answer['page']}")
        return answer

    def entry(self, kind: Kind, row: Row) -> Entry:
        """A person or a lesson. Raises Fault."""
        if kind == "sheet":
            return self._lesson(row)
        person = {
            "id": self.key(row),
            "last_name": self.text(row, "surname"),
            "first_name": self.text(row, "given"),
            "email": self.text(row, "mail"),
        }
        if kind == "speaker":
            return Entry(record=Speaker(**person))
        return Entry(record=Learner(**person, phone=self.text(row, "phone")), ended=row["left"])

    def key(self, row: Row) -> str:
        return str(row["id"])

    def text(self, row: Row, name: str) -> str:
        """A mapped field, empty where nothing was typed. Raises Fault where it is gone."""
        if name not in row:
            raise Fault(FaultCode.drift, system="erp", route="", came=came(name))
        return row[name] or ""

    def _lesson(self, row: Row) -> Entry:
        problems: list[Problem] = []
        start, end = self.span(row, problems)
        sheet = Sheet(
            id=str(row["id"]), name=self.text(row, "title"), start=start, end=end, room=self.text(row, "room"),
            groups=frozenset(map(str, row["classes"])), speakers=frozenset(map(str, row["trainers"])),
            learners=frozenset(map(str, row["learners"])),
        )  # fmt: skip
        return Entry(record=sheet, problems=tuple(problems))

    def span(self, row: Row, problems: list[Problem]) -> tuple[datetime | None, datetime | None]:
        return wall_time.span(
            (self.text(row, "day"), date.fromisoformat),
            (self.text(row, "begins"), time.fromisoformat),
            (self.text(row, "ends"), time.fromisoformat),
            self._zone,
            problems,
        )

    # Attendance

    async def reasons(self) -> tuple[Reason, ...]:
        return ()

    async def standing(self, sessions: tuple[Sheet, ...], scope: Scope) -> Standing:
        asked = {one.id for one in sessions}
        try:
            rows = await self.pages(_MARKS, {})
        except Fault as fault:
            return Standing(complete=False, fault_line=fault_line(fault, self._connection))
        return Standing(
            attendances=tuple(
                Attendance(
                    sheet=str(row["lesson"]), person=str(row["learner"]), state=row["state"], key=str(row["id"])
                )
                for row in rows
                if str(row["lesson"]) in asked
            )
        )

    async def write(
        self, session: Sheet, wanted: tuple[Attendance, ...], standing: tuple[Attendance, ...]
    ) -> None:
        for one in wanted:
            stands = [row for row in standing if row.person == one.person]
            if one.state != "present" and not any(row.state == one.state for row in stands):
                await self.post(session, one)
            for row in stands:
                if row.state != one.state:
                    await self.session.write("DELETE /api/marks/{code}", {"code": row.key})

    async def post(self, session: Sheet, one: Attendance) -> None:
        """Enter one mark. Raises Fault."""
        body = {"lesson": int(session.id), "learner": int(one.person), "state": one.state}
        await self.session.write("POST /api/marks", json=body)


class PlanbookConnector:
    """Planbook as a connector; `client` is the class it opens."""

    name = "planbook"
    system: System = "erp"
    settings: type[BaseModel] = PlanbookSettings
    horizon_days = 14
    example: Mapping[str, Any] = {"url": "https://planbook.example", "key": "env:PLANBOOK_KEY"}

    def __init__(self, client: type[PlanbookClient] = PlanbookClient) -> None:
        self._client = client

    def open(self, settings: BaseModel, surroundings: Surroundings) -> PlanbookClient:
        assert isinstance(settings, PlanbookSettings)
        return self._client(settings, surroundings)


def pair(client: type[PlanbookClient] = PlanbookClient) -> SimulatedErp:
    """Planbook's stand-in with this client of it."""
    return SimulatedErp(
        connector=PlanbookConnector(client),
        switches=PlanbookSwitches,
        secret="key",
        simulator=PlanbookSimulator,
        settings=lambda url, secret: {"url": url, "key": secret},
        mapped={
            "speaker": ("surname", "mail"),
            "learner": ("surname", "mail", "phone"),
            "group": ("title",),
            "sheet": ("begins", "title"),
        },
        per_minute=PER_MINUTE,
    )


simulated = pair()
