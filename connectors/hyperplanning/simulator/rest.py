"""The REST interface of the simulated server."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import date, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.hyperplanning.simulator.absences import Absences, Refused
from connectors.hyperplanning.simulator.dialect import Dialect, Row
from connectors.hyperplanning.simulator.store import Course, Store
from connectors.hyperplanning.simulator.switches import HyperplanningSwitches

Handler = Callable[[Request], Awaitable[Response]]

_FEW = ("cle", "nom")
NOTHING, UNKNOWN, WRONG = 1, 2, 3
"""Codes in error bodies; only the first was seen."""


class RestRoutes:
    """Routes under the prefix of the switches."""

    def __init__(
        self, store: Store, dialect: Dialect, absences: Absences, switches: HyperplanningSwitches
    ) -> None:
        self._store = store
        self._dialect = dialect
        self._absences = absences
        self._switches = switches

    def routes(self) -> list[Route]:
        gets: dict[str, Handler] = {
            "/enseignants": self._collection(lambda: map(self._dialect.teacher_row, self._store.teachers())),
            "/etudiants": self._collection(lambda: map(self._dialect.learner_row, self._store.listed())),
            "/promotions": self._collection(lambda: map(self._dialect.promotion_row, self._store.promotions())),
            "/tdoptions": self._collection(lambda: map(self._dialect.td_row, self._store.tdoptions())),
            "/salles": self._collection(
                lambda: ({"cle": code, "nom": name} for code, name in self._store.rooms.items())
            ),
            "/matieres": self._collection(
                lambda: (
                    {"cle": self._store.subject_key(name), "code": name[:4].upper(), "libelle": name}
                    for name in self._store.subjects
                )
            ),
            "/cours": self._courses,
            "/cours/detail_seances_placees": self._all_sessions,
            "/cours/{cle}/detail_seances_placees": self._sessions,
            "/cours/{cle}/familles/{famille}/rubriques": self._course_rubrics,
            "/cours_annules": self._cancelled,
            "/etudiants/{cle}": self._learner,
            "/etudiants/{cle}/promotions": self._groups_of("promotions"),
            "/etudiants/{cle}/tdoptions": self._groups_of("tdoptions"),
            "/etudiants/{cle}/familles/{famille}/rubriques": self._learner_rubrics,
            "/promotions/{cle}/etudiants": self._members("promotions"),
            "/tdoptions/{cle}/etudiants": self._members("tdoptions"),
            "/promotions/{cle}/cours": self._courses_of("promotions"),
            "/tdoptions/{cle}/cours": self._courses_of("tdoptions"),
            "/absences": self._absence_list,
            "/retards": self._lateness_list,
        }
        posts: dict[str, Handler] = {
            "/absences/ajouter": self._add_absence,
            "/absences/enlever": self._remove_absence,
            "/retards": self._add_lateness,
        }
        prefix = self._switches.prefix
        if not self._switches.bulk_details:
            del gets["/cours/detail_seances_placees"]
        return [
            *(Route(prefix + path, self._answered(handler), methods=["GET"]) for path, handler in gets.items()),
            *(
                Route(prefix + path, self._answered(handler), methods=["POST"])
                for path, handler in posts.items()
            ),
            Route(f"{prefix}/retards/{{cle}}", self._answered(self._remove_lateness), methods=["DELETE"]),
        ]

    def error(self, code: int, message: str, status: int | None = None) -> Response:
        return JSONResponse({"code": code, "message": message}, status or self._switches.error_status)

    def _answered(self, handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except Refused as refused:
                return self.error(WRONG, str(refused), refused.status)

        return answer

    # Collections

    def _collection(self, rows: Callable[[], Iterable[Row]]) -> Handler:
        async def answer(request: Request) -> Response:
            return self._listed(request, rows())

        return answer

    def _listed(self, request: Request, rows: Iterable[Row], few: tuple[str, ...] = _FEW) -> Response:
        """Rows under `cle=` and `select=`."""
        wanted = _keys(request)
        chosen = [row for row in rows if wanted is None or str(row["cle"]) in wanted]
        select = request.query_params.get("select")
        if select is None:
            if self._switches.default_fields == "few":
                chosen = [{name: row[name] for name in few if name in row} for row in chosen]
            return JSONResponse(chosen)
        names = [name for name in select.split(",") if name]
        if self._switches.unknown_select == "refused":
            known = {name for row in chosen for name in row}
            if chosen and (strange := [name for name in names if name not in known]):
                return self.error(WRONG, f"champ inconnu : {strange[0]}")
        return JSONResponse([{name: row[name] for name in names if name in row} for row in chosen])

    def _days(self, request: Request) -> tuple[date, date]:
        """The dates asked for, or all of them. Raises Refused."""
        first, last = (request.query_params.get(name) for name in ("date_debut", "date_fin"))
        if self._switches.dates == "refused" and (first or last):
            raise Refused("paramètre inconnu : date_debut")
        if self._switches.dates == "ignored":
            first = last = None
        try:
            return (
                date.fromisoformat(first) if first else date.min,
                date.fromisoformat(last) if last else date.max,
            )
        except ValueError as error:
            raise Refused(str(error)) from None

    # People and groups

    async def _learner(self, request: Request) -> Response:
        key = request.path_params["cle"]
        for one in self._store.listed():
            if str(one.code) == key:
                return JSONResponse(self._dialect.learner_row(one))
        return self.error(UNKNOWN, "étudiant inconnu", 404)

    def _groups_of(self, what: str) -> Handler:
        async def answer(request: Request) -> Response:
            key = request.path_params["cle"]
            groups = self._store.promotions() if what == "promotions" else self._store.tdoptions()
            found = [
                group.code
                for group in groups
                if any(str(one.code) == key for one in self._store.in_group(group))
            ]
            return JSONResponse({what: found})

        return answer

    def _members(self, what: str) -> Handler:
        async def answer(request: Request) -> Response:
            groups = self._store.promotions() if what == "promotions" else self._store.tdoptions()
            for group in groups:
                if str(group.code) == request.path_params["cle"]:
                    return JSONResponse({"etudiants": [one.code for one in self._store.in_group(group)]})
            return self.error(UNKNOWN, "groupe inconnu", 404)

        return answer

    async def _learner_rubrics(self, request: Request) -> Response:
        key, family = request.path_params["cle"], request.path_params["famille"]
        for one in self._store.listed():
            if str(one.code) == key:
                return self._rubrics(self._store.rubrics_of_learner(one, family))
        return self.error(UNKNOWN, "étudiant inconnu", 404)

    async def _course_rubrics(self, request: Request) -> Response:
        course = self._course(request)
        return self._rubrics(self._store.rubrics_of_course(course, request.path_params["famille"]))

    def _rubrics(self, keys: list[int]) -> Response:
        if not keys and self._switches.no_rubrics == "code":
            return self.error(NOTHING, "aucune rubrique", 200)
        return JSONResponse({"rubriques": [{"cle": key} for key in keys]})

    # Courses and their sessions

    async def _courses(self, request: Request) -> Response:
        first, last = self._days(request)
        everything = (first, last) == (date.min, date.max)
        courses = self._store.all_courses() if everything else self._store.courses_between(first, last)
        return self._listed(request, map(self._dialect.course_row, courses), ("cle", "matiere"))

    def _courses_of(self, what: str) -> Handler:
        async def answer(request: Request) -> Response:
            first, last = self._days(request)
            groups = self._store.promotions() if what == "promotions" else self._store.tdoptions()
            group = next((one for one in groups if str(one.code) == request.path_params["cle"]), None)
            if group is None:
                return self.error(UNKNOWN, "groupe inconnu", 404)
            courses = self._store.courses_between(first, last)
            return JSONResponse({"cours": [one.key for one in courses if group.identity in one.groups]})

        return answer

    async def _all_sessions(self, request: Request) -> Response:
        first, last = self._days(request)
        rows = [
            self._dialect.session_row(course, one)
            for course, sessions in self._store.placed().items()
            for one in sessions
            if first <= one.day <= last
        ]
        return self._listed(request, rows, ("cle", "jour_heure_debut"))

    async def _sessions(self, request: Request) -> Response:
        course = self._course(request)
        sessions = self._store.placed().get(course.key, [])
        rows = [self._dialect.session_row(course.key, one) for one in sessions]
        return self._listed(request, rows, ("cle", "jour_heure_debut"))

    async def _cancelled(self, request: Request) -> Response:
        keys = sorted({one.code for one in self._store.sessions.values() if one.cancelled})
        return self._listed(request, [{"cle": key} for key in keys])

    def _course(self, request: Request) -> Course:
        course = self._store.course(request.path_params["cle"])
        if course is None:
            raise Refused("cours inconnu", 404)
        return course

    # Absences

    async def _absence_list(self, request: Request) -> Response:
        first, last = self._days(request)
        rows = [self._dialect.absence_row(one) for one in self._absences.between(first, last)]
        return self._listed(request, rows, ("cle",))

    async def _lateness_list(self, request: Request) -> Response:
        first, last = self._days(request)
        rows = [self._dialect.lateness_row(one) for one in self._absences.between(first, last, late=True)]
        return self._listed(request, rows, ("cle",))

    async def _add_absence(self, request: Request) -> Response:
        body = await _body(request)
        key = self._absences.add(
            _route(request),
            learner=str(body.get("etudiant")),
            first=_wall(body.get("date_heure_debut")),
            last=_wall(body.get("date_heure_fin")),
            justified=body.get("justifie") is True,
        )
        return self._written(key)

    async def _remove_absence(self, request: Request) -> Response:
        body = await _body(request)
        self._absences.remove(
            _route(request),
            learner=str(body.get("etudiant")),
            first=_wall(body.get("date_heure_debut")),
            last=_wall(body.get("date_heure_fin")),
        )
        return self._written(None)

    async def _add_lateness(self, request: Request) -> Response:
        body = await _body(request)
        try:
            minutes = self._dialect.minutes(body.get("duree"))
        except (TypeError, ValueError):
            raise Refused("duree incorrecte") from None
        key = self._absences.add_late(
            _route(request),
            learner=str(body.get("etudiant")),
            first=_wall(body.get("date_heure")),
            minutes=minutes,
            justified=body.get("justifie") is True,
        )
        return self._written(key)

    async def _remove_lateness(self, request: Request) -> Response:
        self._absences.remove_late(_route(request), request.path_params["cle"])
        return self._written(None)

    def _written(self, key: int | None) -> Response:
        if self._switches.write_answer == "nothing" or key is None:
            return Response(status_code=204)
        return JSONResponse({"cle": key})


def _keys(request: Request) -> set[str] | None:
    given = request.query_params.get("cle")
    return None if given is None else {key for key in given.split(",") if key}


def _route(request: Request) -> str:
    return f"{request.method} {request.url.path}"


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise Refused("corps incorrect") from None
    if not isinstance(body, dict):
        raise Refused("corps incorrect")
    return body


def _wall(text: Any) -> datetime:
    """A wall time as it was sent; a zone in it is not understood. Raises Refused."""
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise Refused(f"date incorrecte : {text}") from None
    return at.replace(tzinfo=None)
