"""A simulated Yparéo server: the REST dialect `/r/v1` over a store of its own.

Certainty of what is imitated: routes, header, field names, the three date forms and objects keyed by code are
seen in client code; `[]` for an empty collection, the zone and the error texts are inferred or unknown, and
each such choice is a switch (`YpareoSwitches`). The write of absences is an ASSUMPTION (see `absences`).
People's edits come through the control plane and stand in its edit ledger, where fields have neutral names
(last_name, email, day, start …), dates and times are ISO, and people, groups and sessions are given by hidden
identity.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import date
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from connectors.simulation.control import Control, controlled, instant
from connectors.simulation.erp_rows import GroupRow, LearnerRow, SessionRow
from connectors.simulation.erps import SimulatedErp
from connectors.simulation.school import School, true_instant
from connectors.ypareo import connector
from connectors.ypareo.simulator.absences import AbsenceWrites
from connectors.ypareo.simulator.dialect import BadDate, Dialect, course_row, dashed
from connectors.ypareo.simulator.store import MOTIVES, Store
from connectors.ypareo.simulator.switches import DEMO_TOKEN, YpareoSwitches
from engine.clock import Clock

__all__ = ["BASE", "DEMO_TOKEN", "MOTIVES", "YpareoSimulator", "YpareoSwitches", "simulated"]

BASE = "/index.php/r/v1"


class YpareoSimulator:
    """One school's Yparéo. `app` is the ASGI application; vendor paths begin with `/index.php/r/v1`."""

    def __init__(self, school: School, clock: Clock, switches: YpareoSwitches | None = None) -> None:
        self.switches = switches or YpareoSwitches()
        self.control = Control(clock)
        self.store = Store(school, self.control, self.switches)
        self._dialect = Dialect(self.store, self.switches)
        self.app = controlled(self, self._routes())

    # What `controlled` asks

    @property
    def hands(self) -> Mapping[str, Callable[..., Any]]:
        return self.store.hands

    async def admit(self, method: str, template: str, headers: Headers) -> Response | None:
        if self.switches.latency:
            await asyncio.sleep(self.switches.latency)
        if headers.get("x-auth-token") != self.switches.token:
            status = self.switches.unauthorized_status
            return PlainTextResponse("Unauthorized" if status == 401 else "Forbidden", status)
        return None

    def refusal(self, message: Any) -> Any:
        return {"erreur": message}

    def rows(self, answer: Any) -> int | None:
        if isinstance(answer, list):
            return len(answer)
        if not isinstance(answer, dict):
            return None
        if isinstance(answer.get("cours"), list):
            return len(answer["cours"])
        return len(answer) if all(key.isdigit() for key in answer) else None

    def shortened(self, answer: Any, keep: int) -> Any:
        if isinstance(answer, list):
            return answer[:keep]
        if isinstance(answer.get("cours"), list):
            return self._dialect.planning_of(answer["cours"][:keep])
        return self._dialect.collection(dict(list(answer.items())[:keep]))

    def earlier_page(self, query: dict[str, str]) -> dict[str, str] | None:
        return None

    def dump(self) -> dict[str, Any]:
        """Raw rows with hidden identities, in the order of their codes, and the ledgers. `least_requests` are
        the fewest an import can do with.

        Learners carry `departed` (left, or removed from the ERP) and `removed`; sessions `cancelled`, `local`
        (ISO day, start and end in wall time), `start_utc` and `end_utc` (null where there is no such instant),
        and the identities of their groups, learners and staff."""
        today = self.store.today()
        return {
            "system": "ypareo",
            **self.control.ledgers(),
            "zone": self.store.school.zone,
            # Periods, groups, learners, staff, and each group's planning.
            "least_requests": {"import": 4 + len(self.store.groups)},
            "neutral": self.store.neutral(),
            "periods": [self._dialect.period_row(code) for code in self.store.periods],
            "rooms": [{"code": room.code, "name": room.name} for room in self.store.school.rooms],
            "groups": [
                {**self._dialect.group_row(one), "identity": one.identity} for one in self.store.groups.values()
            ],
            "learners": [
                {
                    **self._dialect.learner_row(one),
                    "identity": one.identity,
                    "departed": one.removed or (one.left is not None and one.left <= today),
                    "removed": one.removed,
                }
                for one in self.store.learners.values()
            ],
            "users": [
                {**self._dialect.learner_user(one), "identity": one.identity}
                for one in self.store.learners.values()
                if not one.removed
            ],
            "staff": [
                {**self._dialect.staff_user(one), "identity": one.identity} for one in self.store.staff.values()
            ],
            "sessions": [self._dumped_session(one) for one in self.store.sessions.values()],
            "absences": [
                {**self._dialect.absence_row(one), "identity": one.identity} for one in self.store.standing()
            ],
        }

    def code_of(self, identity: str) -> int:
        """The ERP's code of a record. Raises ControlError where the ERP never had it."""
        return self.store.row(identity).code

    def codes_of(self, identity: str) -> tuple[str, ...]:
        """That code and any it had before. Raises ControlError."""
        return self.store.codes_of(identity)

    def _dumped_session(self, one: SessionRow) -> dict[str, Any]:
        zone = self.store.school.zone
        start, end = true_instant(one.day, one.start, zone), true_instant(one.day, one.end, zone)
        return {
            **self._dialect.session_row(one),
            "identity": one.identity,
            "cancelled": one.cancelled,
            "local": {
                "day": one.day.isoformat(),
                "start": one.start.isoformat(),
                "end": one.end.isoformat() if one.end else None,
            },
            "start_utc": instant(start) if start else None,
            "end_utc": instant(end) if end else None,
            "group_identities": list(one.groups),
            "learner_identities": list(one.learners),
            "staff_identities": list(one.staff),
        }

    # Routes

    def _routes(self) -> list[Route]:
        span = "{first}/{last}"
        table: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "/periodes": self._get_periods,
            "/formations": self._get_courses,
            "/formations/{code}": self._get_course,
            "/formation-longue/groupes": self._get_groups,
            "/formation-longue/apprenants": self._get_learners,
            f"/formation-courte/{span}/groupes": self._get_nothing,
            f"/formation-courte/{span}/apprenants": self._get_nothing,
            "/groupes/{code}/apprenants": self._get_members,
            "/groupes/{code}/absences": self._get_group_absences,
            "/apprenants/frequentes": self._get_learners,
            "/apprenants/{code}": self._get_learner,
            "/utilisateur/apprenants": self._get_learner_users,
            "/utilisateur/personnels": self._get_staff_users,
            "/personnels": self._get_staff,
            "/groupes-personnels/from-planning": self._get_trainer_groups,
            f"/planning/{span}/groupes": self._get_whole_planning,
            f"/planning/{span}/groupes/{{code}}": self._get_group_planning,
            f"/planning/{span}/apprenant/{{code}}": self._get_learner_planning,
            f"/absences/{span}": self._get_absences,
        }
        reads = [Route(BASE + path, self._dated(handler), methods=["GET"]) for path, handler in table.items()]
        return [*reads, *AbsenceWrites(self.store, self.switches).routes(BASE)]

    def _dated(
        self, handler: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except BadDate as error:
                return PlainTextResponse(f"Format de date incorrect : {error}", self.switches.bad_date_status)

        return answer

    async def _get_periods(self, _request: Request) -> Response:
        return self._answer({code: self._dialect.period_row(code) for code in self.store.periods})

    async def _get_courses(self, _request: Request) -> Response:
        return self._answer({code: course_row(name, code) for name, code in self.store.courses.items()})

    async def _get_course(self, request: Request) -> Response:
        for name, code in self.store.courses.items():
            if str(code) == request.path_params["code"]:
                return JSONResponse(course_row(name, code))
        return self._unknown()

    async def _get_groups(self, request: Request) -> Response:
        periods = _codes(request, "codesPeriode")
        if periods and str(self.store.period) not in periods:
            return self._answer({})
        return self._answer(
            {group.code: self._dialect.group_row(group) for group in self.store.groups.values()}
        )

    async def _get_learners(self, request: Request) -> Response:
        periods, sites = _codes(request, "codesPeriode"), _codes(request, "codesSite")
        rows = {}
        for one in self.store.learners.values():
            if not self.store.listed(one):
                continue
            row = self._dialect.learner_row(one)
            enrolments = row["inscriptions"]
            if periods and not any(str(e["codePeriode"]) in periods for e in enrolments):
                continue
            if sites and not any(str(e["site"]["codeSite"]) in sites for e in enrolments):
                continue
            rows[one.code] = row
        return self._answer(rows)

    async def _get_nothing(self, request: Request) -> Response:
        # The simulated school has long courses only.
        self._span(request)
        return self._answer({})

    async def _get_members(self, request: Request) -> Response:
        group = self._group_at(request)
        return self._answer(
            {
                one.code: self._dialect.learner_row(one)
                for one in self.store.learners.values()
                if group is not None and one.group == group.identity and self.store.listed(one)
            }
        )

    async def _get_learner(self, request: Request) -> Response:
        one = self._learner_at(request)
        return JSONResponse(self._dialect.learner_row(one)) if one is not None else self._unknown()

    async def _get_learner_users(self, _request: Request) -> Response:
        return self._answer(
            {
                one.code: self._dialect.learner_user(one)
                for one in self.store.learners.values()
                if not one.removed and (self.switches.departed_users_listed or not self.store.departed(one))
            }
        )

    async def _get_staff_users(self, _request: Request) -> Response:
        return self._answer({one.code: self._dialect.staff_user(one) for one in self.store.staff.values()})

    async def _get_staff(self, _request: Request) -> Response:
        return self._answer({one.code: self._dialect.staff_row(one) for one in self.store.staff.values()})

    async def _get_trainer_groups(self, request: Request) -> Response:
        wanted, periods = _codes(request, "codesPersonnel"), _codes(request, "codesPeriode")
        spans = [span for code, span in self.store.periods.items() if not periods or str(code) in periods]
        pairs = {
            (self.store.staff[person].code, self.store.groups[group].code)
            for one in self.store.sessions.values()
            if not one.cancelled and any(first <= one.day <= last for first, last in spans)
            for person in one.staff
            for group in one.groups
        }
        kept = [pair for pair in sorted(pairs) if not wanted or str(pair[0]) in wanted]
        return self._answer(
            {n: {"codePersonnel": person, "codeGroupe": group} for n, (person, group) in enumerate(kept, 1)}
        )

    async def _get_whole_planning(self, request: Request) -> Response:
        first, last = self._span(request)
        if self.switches.whole_planning == "times_out":
            await asyncio.sleep(self.switches.whole_planning_seconds)
            return PlainTextResponse("Gateway Time-out", 504)
        return self._planning(self.store.sessions.values(), first, last)

    async def _get_group_planning(self, request: Request) -> Response:
        first, last = self._span(request)
        group = self._group_at(request)
        return self._planning(self.store.sessions_of(group.identity) if group is not None else (), first, last)

    async def _get_learner_planning(self, request: Request) -> Response:
        first, last = self._span(request)
        learner = self._learner_at(request)
        sessions = [
            one
            for one in self.store.sessions.values()
            if learner is not None and first <= one.day <= last and learner.identity in one.learners
        ]
        return self._planning(sessions, first, last)

    async def _get_absences(self, request: Request) -> Response:
        first, last = self._span(request)
        return self._absences_between(first, last, None)

    async def _get_group_absences(self, request: Request) -> Response:
        # `dateDeb` was seen to be ignored; `dateDebut` and `dateFin` are the names that filter.
        first = request.query_params.get("dateDebut")
        last = request.query_params.get("dateFin")
        group = self._group_at(request)
        return self._absences_between(
            dashed(first) if first else date.min,
            dashed(last) if last else date.max,
            group.code if group is not None else -1,
        )

    def _absences_between(self, first: date, last: date, group: int | None) -> Response:
        rows = {
            one.code: self._dialect.absence_row(one)
            for one in self.store.standing()
            if one.first.date() <= last and one.last.date() >= first
        }
        return self._answer({c: row for c, row in rows.items() if group in (None, row["codeGroupe"])})

    def _planning(self, sessions: Iterable[SessionRow], first: date, last: date) -> Response:
        chosen = [one for one in sessions if not one.cancelled and first <= one.day <= last]
        chosen.sort(key=lambda one: (one.day, one.start, one.code))
        return JSONResponse(self._dialect.planning_of([self._dialect.session_row(one) for one in chosen]))

    def _answer(self, rows: Mapping[Any, Any]) -> Response:
        return JSONResponse(self._dialect.collection(rows))

    def _unknown(self) -> Response:
        if self.switches.unknown_record == "empty":
            return self._answer({})
        return PlainTextResponse("Not Found", 404)

    def _span(self, request: Request) -> tuple[date, date]:
        return dashed(request.path_params["first"]), dashed(request.path_params["last"])

    def _group_at(self, request: Request) -> GroupRow | None:
        code = request.path_params["code"]
        return next((g for g in self.store.groups.values() if str(g.code) == code), None)

    def _learner_at(self, request: Request) -> LearnerRow | None:
        code = request.path_params["code"]
        return next((o for o in self.store.learners.values() if str(o.code) == code and not o.removed), None)


def _codes(request: Request, name: str) -> set[str]:
    """A code filter, in any of the spellings seen: name=1&name=2, name[]=1, name[]=1,2."""
    values = request.query_params.getlist(name) + request.query_params.getlist(f"{name}[]")
    return {code for value in values for code in value.split(",") if code}


simulated = SimulatedErp(
    connector=connector,
    switches=YpareoSwitches,
    secret="token",
    simulator=YpareoSimulator,
    settings=lambda url, secret: {
        "url": url,
        "token": secret,
        "accept_unverified": True,
        "absence_reasons": {str(code): reason for reason, code in MOTIVES.items()},
    },
    fallback_reason="Absence injustifiée",
    late_reason="Retard",
    mapped={
        "speaker": ("nom", "prenom", "email", "isFormateur"),
        "learner": ("nomApprenant", "prenomApprenant", "email"),
        "group": ("nomGroupe",),
        "sheet": ("heureDebut", "heureFin", "nomMatiere", "codesApprenant"),
    },
)
