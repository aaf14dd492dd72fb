"""The write of absences, as nobody has seen it: an ASSUMPTION from the names that are read.

`POST /r/v1/absences` with codeApprenant, codeGroupe, dateDeb, heureDeb, dateFin, heureFin, isJustifie, isRetard
and codeMotifAbsence answers `{"codeAbsence"}`; `PUT` and `DELETE /r/v1/absences/{code}` change and strike one.
A basic token gets 403, a body that makes no sense 422 with text, an unknown code 404.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, time, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from connectors.simulation.control import ControlError
from connectors.simulation.erp_rows import AbsenceRow
from connectors.ypareo.simulator.store import Store
from connectors.ypareo.simulator.switches import YpareoSwitches


class Senseless(Exception):
    """A body that names nobody, or no time."""


class AbsenceWrites:
    """The three routes, entered in the ledger of writes as kind "absence" under the learner's identity."""

    def __init__(self, store: Store, switches: YpareoSwitches) -> None:
        self._store = store
        self._switches = switches

    def routes(self, base: str) -> list[Route]:
        one = f"{base}/absences/{{code}}"
        return [
            Route(f"{base}/absences", self._admitted(self._create), methods=["POST"]),
            Route(one, self._admitted(self._change), methods=["PUT"]),
            Route(one, self._admitted(self._remove), methods=["DELETE"]),
        ]

    def _admitted(
        self, handler: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            if self._switches.licence == "basic":
                return PlainTextResponse("Forbidden", 403)
            try:
                return await handler(request)
            except Senseless as error:
                return PlainTextResponse(str(error), 422)
            except ControlError:
                return PlainTextResponse("Not Found", 404)

        return answer

    async def _create(self, request: Request) -> Response:
        identity, fields = self._read(await request.json())
        one = self._store.write_absence("POST /absences", identity=identity, **fields)
        return JSONResponse({"codeAbsence": one.code})

    async def _change(self, request: Request) -> Response:
        one = self._found(request)
        identity, fields = self._read(await request.json())
        if identity != one.identity:
            raise Senseless("codeApprenant différent")
        self._store.rewrite_absence("PUT /absences/{code}", one, **fields)
        return JSONResponse({"codeAbsence": one.code})

    async def _remove(self, request: Request) -> Response:
        one = self._found(request)
        self._store.erase_absence("DELETE /absences/{code}", one)
        return JSONResponse({"codeAbsence": one.code})

    def _found(self, request: Request) -> AbsenceRow:
        code = request.path_params["code"]
        if not code.isdecimal():
            raise ControlError(code)
        return self._store.absence(int(code))

    def _read(self, body: Any) -> tuple[str, dict[str, Any]]:
        """Whose absence, and its fields in the store's words."""
        if not isinstance(body, dict):
            raise Senseless("un objet est attendu")
        learner = next(
            (
                one
                for one in self._store.learners.values()
                if one.code == body.get("codeApprenant") and not one.removed
            ),
            None,
        )
        if learner is None:
            raise Senseless("codeApprenant inconnu")
        motive = next(
            (name for name, code in self._store.motives.items() if code == body.get("codeMotifAbsence")), None
        )
        if motive is None:
            raise Senseless("codeMotifAbsence inconnu")
        first = self._moment(body, "dateDeb", "heureDeb")
        last = self._moment(body, "dateFin", "heureFin")
        if last <= first:
            raise Senseless("heureFin avant heureDeb")
        last, late = self._rounded(last), bool(body.get("isRetard"))
        return learner.identity, {
            "first": first,
            "last": last,
            "state": "late" if late else "absent",
            "minutes": int((last - first).total_seconds() // 60) if late else 0,
            "justified": bool(body.get("isJustifie")),
            "reason": motive,
        }

    def _moment(self, body: dict[str, Any], day: str, minutes: str) -> datetime:
        try:
            when = datetime.strptime(str(body[day]), "%d/%m/%Y").date()  # noqa: DTZ007 wall time
            return datetime.combine(when, time()) + timedelta(minutes=int(body[minutes]))
        except (KeyError, TypeError, ValueError):
            raise Senseless(f"{day} ou {minutes} incorrect") from None

    def _rounded(self, at: datetime) -> datetime:
        step = self._switches.absence_rounding
        return at + timedelta(minutes=-(at.hour * 60 + at.minute) % step)
