"""A simulated SC-Form extranet: `/GaliaEDC/API/…` over a store of its own, with two sociétés.

Certainty of what is imitated: paths, parameters and field names are from a public summary of the vendor's API
V1.19 and from client code; loose casing and types, the empty body and the société that reads dates the other
way round are seen; the rest is inferred or unknown, and each such choice is a switch (`ScFormSwitches`).
Absences can be written; what stands is what a session shows. People's edits come through the control plane.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from connectors.scform import connector
from connectors.scform.simulator.dialect import BadDate, Dialect, of_session
from connectors.scform.simulator.store import SOCIETIES, TYPES, Enrolment, Store
from connectors.scform.simulator.switches import DEMO_PASSWORD, DEMO_USER, ScFormSwitches
from connectors.simulation.control import Control, controlled
from connectors.simulation.erp_rows import AbsenceState, SessionRow
from connectors.simulation.erps import SimulatedErp
from connectors.simulation.school import School
from engine.clock import Clock

__all__ = ["DEMO_PASSWORD", "DEMO_USER", "SOCIETIES", "TYPES", "ScFormSimulator", "ScFormSwitches", "simulated"]

_DONE = "L'enregistrement de l'absence a été réalisé!"
_CHUNK_DAYS = 14
"""The most days of sessions that are asked for at once where care is taken."""


class _Refused(Exception):
    """A question that makes no sense."""


class ScFormSimulator:
    """One school's SC-Form. `app` is the ASGI application."""

    def __init__(self, school: School, clock: Clock, switches: ScFormSwitches | None = None) -> None:
        self.switches = switches or ScFormSwitches()
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
        pair = f"{self.switches.user}:{self.switches.password}".encode()
        if headers.get("authorization") != f"Basic {base64.b64encode(pair).decode()}":
            return PlainTextResponse("Accès refusé", self.switches.unauthorized_status)
        return None

    def refusal(self, message: Any) -> Any:
        return {"Message": message}

    def rows(self, answer: Any) -> int | None:
        return len(answer) if isinstance(answer, list) else None

    def shortened(self, answer: Any, keep: int) -> Any:
        return answer[:keep]

    def earlier_page(self, query: dict[str, str]) -> dict[str, str] | None:
        return None

    def dump(self) -> dict[str, Any]:
        """The ledgers, and every row in neutral words. `least_requests`: the fewest an import can do with."""
        return {
            "system": "scform",
            **self.control.ledgers(),
            "zone": self.store.school.zone,
            # The sociétés; of each its trainers, enrolments and actions, and one window of its sessions.
            "least_requests": {"import": 1 + 4 * len(SOCIETIES)},
            "neutral": self.store.neutral(),
        }

    def code_of(self, identity: str) -> str:
        """What a sync calls the record. Raises ControlError."""
        return self.store.code_of(identity)

    def codes_of(self, identity: str) -> tuple[str, ...]:
        """That, and what it may have called it before. Raises ControlError."""
        return self.store.codes_of(identity)

    # Routes

    def _routes(self) -> list[Route]:
        base = f"/{self.switches.product}/API"
        return [
            Route(f"{base}/Entite/GetEntite", self._answered(self._entity), methods=["GET"]),
            Route(f"{base}/PresenceSta/GetSeance", self._answered(self._sessions), methods=["GET"]),
            Route(f"{base}/AbsenceSta/GetStructure", self._answered(self._structure), methods=["GET"]),
            Route(f"{base}/AbsenceSta/Post", self._post, methods=["POST"]),
        ]

    def _answered(
        self, handler: Callable[[Mapping[str, str]], Awaitable[list[Any]]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            # Names of parameters are case-insensitive in practice.
            query = {name.lower(): value for name, value in request.query_params.items()}
            try:
                found = await handler(query)
            except BadDate as error:
                return self._bad_date(str(error))
            except _Refused as error:
                return JSONResponse({"Message": str(error)}, 400)
            if not found and self.switches.nothing == "empty_body":
                return Response(b"", media_type="application/json")
            return JSONResponse(self._dialect.dressed(found))

        return answer

    def _bad_date(self, text: str) -> Response:
        if self.switches.bad_date == "refused":
            return JSONResponse({"Message": f"La date {text} est incorrecte."}, 400)
        return PlainTextResponse("Conversion failed when converting date and/or time", 500)

    async def _entity(self, query: Mapping[str, str]) -> list[Any]:
        action = query.get("action", "").upper()
        if action == "SOCIETE":
            return [self._dialect.society(id, name) for id, name in SOCIETIES.items()]
        if action == "TYPABSEN":
            return [self._dialect.type(one) for one in TYPES]
        society = self._society(query)
        found: list[Any]
        if action == "INTERVENANT":
            found = [self._dialect.staff(one) for one in self.store.staff.values() if one.trainer]
        elif action == "ACTION":
            found = self._actions(society, query.get("tc", "").lower())
        elif action == "INSCRIT":
            found = self._enrolments(society, query)
        elif action == "SALLE":
            found = [self._dialect.room(code) for code in self.store.rooms]
        elif action in ("BASE", "MATERIEL", "MODULE"):
            found = []
        else:
            raise _Refused(f"ACTION {action} inconnue")
        wanted = query.get("id", "")
        return [row for row in found if not wanted or str(row["ID"]) == wanted]

    def _actions(self, society: int, shared: str) -> list[Any]:
        own = [
            self._dialect.action(one)
            for identity, one in self.store.groups.items()
            if self.store.society_of(identity) == society
        ]
        common = [self._dialect.shared_action(id, name) for id, name in self.store.shared_actions(society)]
        return {"true": common, "false": own}.get(shared, [*own, *common])

    def _enrolments(self, society: int, query: Mapping[str, str]) -> list[Any]:
        span = self._span(query, society) if "debut" in query or "fin" in query else (date.min, date.max)
        if span is None:
            return []
        first, last = span
        found = [
            one
            for one in self.store.enrolments()
            if self.store.society_of(one.group.identity) == society
            and one.first <= last
            and (one.last is None or one.last >= first)
            and query.get("idaction", "") in ("", str(one.group.code))
        ]
        people = {one.learner.identity: self._dialect.person(one, True) for one in found}
        return [self._dialect.enrolment(one, people[one.learner.identity]) for one in found]

    async def _sessions(self, query: Mapping[str, str]) -> list[Any]:
        society = self._society(query)
        span = self._span(query, society)
        if span is None:
            return []
        first, last = span
        if self.switches.slow_beyond_days and (last - first).days > self.switches.slow_beyond_days:
            await asyncio.sleep(self.switches.slow_seconds)
        if not self.switches.end_counts:
            last -= timedelta(days=1)
        found = sorted(
            (
                one
                for one in self.store.sessions.values()
                if not one.cancelled
                and first <= one.day <= last
                and self.store.society_of_session(one) == society
                and self._shown(one)
            ),
            key=lambda one: (one.day, one.start, one.code),
        )
        view, ids = query.get("vue", "").upper(), query.get("lstid", "").split(",")
        if view:
            return self._viewed(view, ids, found)
        return [*self._dialect.sessions(found), *self._company_days(society, first, last)]

    def _shown(self, one: SessionRow) -> bool:
        if not self.switches.sees_only:
            return True
        return any(f"INT{self.store.staff[who].code:05d}" == self.switches.sees_only for who in one.staff)

    def _viewed(self, view: str, ids: list[str], found: list[SessionRow]) -> list[Any]:
        """The entities of a viewpoint, each with its sessions."""
        if ids == [""]:
            raise _Refused("LstID est obligatoire avec Vue")
        if view == "INSCRIT":
            wanted: Iterable[tuple[str, Callable[[SessionRow], bool]]] = [
                (id, self._of_enrolment(id)) for id in ids
            ]
        elif view == "ACTION":
            wanted = [(id, self._of_action(id)) for id in ids]
        elif view == "INTERVENANT":
            wanted = [(id, self._of_staff(id)) for id in ids]
        else:
            raise _Refused(f"Vue {view} inconnue")
        return [
            {"ID": id, "Seances": self._dialect.sessions([one for one in found if mine(one)])}
            for id, mine in wanted
        ]

    def _of_enrolment(self, id: str) -> Callable[[SessionRow], bool]:
        def mine(one: SessionRow) -> bool:
            return any(str(self.store.enrolment_on(one, who).id) == id for who in one.learners)

        return mine

    def _of_action(self, id: str) -> Callable[[SessionRow], bool]:
        return lambda one: str(self.store.action_of(one)) == id

    def _of_staff(self, id: str) -> Callable[[SessionRow], bool]:
        return lambda one: any(str(self.store.staff[who].code) == id for who in one.staff)

    def _company_days(self, society: int, first: date, last: date) -> list[Any]:
        """Each group's Saturdays in the company, in the weeks that are planned."""
        if not self.switches.other_turns or self.switches.sees_only:
            return []
        school = self.store.school
        current = [one for one in self.store.enrolments() if one.last is None]
        found = []
        for day in (first + timedelta(days=n) for n in range(min((last - first).days, 400) + 1)):
            if day.weekday() != 5 or not school.first <= day <= school.last:
                continue
            for identity, group in self.store.groups.items():
                if self.store.society_of(identity) == society:
                    enrolled: list[Enrolment] = [one for one in current if one.group is group][:3]
                    if enrolled:
                        found.append(self._dialect.other_turn(group, day, enrolled))
        return found

    async def _structure(self, query: Mapping[str, str]) -> list[Any]:
        self._society(query)
        return [
            {"Nom": name, "Type": kind, "Obligatoire": needed}
            for name, kind, needed in (
                ("IDInscrit", "int", "Oui"),
                ("Date", "datetime", "Oui"),
                ("Debut", "time", "Non"),
                ("Fin", "time", "Non"),
                ("IDTYPABSEN", "int", "Oui"),
                ("Suppr", "bool", "Non"),
            )
        ]

    # The write

    async def _post(self, request: Request) -> Response:
        body = await request.body()
        try:
            given = {name.lower(): value for name, value in json.loads(body).items()}
            society = self._society({name.lower(): value for name, value in request.query_params.items()})
            self._carry_out(given, society)
        except (ValueError, TypeError, KeyError, AttributeError, _Refused) as error:
            message = f"Une erreur est survenue : {error}"
            if self.switches.write_refusal == "sentence":
                return JSONResponse(message)
            return JSONResponse({"Message": message}, 400)
        return JSONResponse(_DONE)

    def _carry_out(self, given: Mapping[str, Any], society: int) -> None:
        """Find the session by enrolment, date and times, and write or delete. Raises _Refused."""
        day = _written_date(str(given["date"]))
        since, until = (_written_time(given.get(name)) for name in ("debut", "fin"))
        session, learner = self._session_of(str(given["idinscrit"]), day, since, until, society)
        assert session.end is not None
        begins = datetime.combine(session.day, session.start)
        ends = datetime.combine(session.last_day, session.end)
        first = _at(session, since) if since else begins
        last = _at(session, until) if until else ends
        if last <= first:
            raise _Refused("horaires incorrects")
        standing = [row for row in self.store.standing(learner) if of_session(row, session)]
        if str(given.get("suppr", "")).lower() in ("true", "1"):
            gone = [row for row in standing if (row.first, row.last) == (first, last)]
            if not gone:
                raise _Refused("aucune absence à supprimer")
            for row in gone:
                self.store.erase_absence("AbsenceSta/Post", row)
            return
        kind = next((one for one in TYPES if str(one.id) == str(given["idtypabsen"])), None)
        if kind is None:
            raise _Refused("type d'absence inconnu")
        if self.switches.second_write == "replaces":
            for row in standing:
                self.store.erase_absence("AbsenceSta/Post", row)
        state: AbsenceState = "absent"
        if kind.late:
            state = "late"
        elif first > begins and last >= ends:
            state = "left_early"
        minutes = int((last - first).total_seconds() // 60) if state != "absent" else 0
        self.store.write_absence(
            "AbsenceSta/Post", identity=learner, first=first, last=last, session=session.identity, state=state,
            minutes=minutes, justified=kind.justified, reason=kind.name,
        )  # fmt: skip

    def _session_of(
        self, enrolment: str, day: date, since: time | None, until: time | None, society: int
    ) -> tuple[SessionRow, str]:
        for one in self.store.sessions.values():
            if one.day != day or one.cancelled or one.end is None:
                continue
            if self.store.society_of_session(one) != society:
                continue
            begins, ends = datetime.combine(one.day, one.start), datetime.combine(one.last_day, one.end)
            if (since and _at(one, since) < begins) or (until and _at(one, until) > ends):
                continue
            if since and _at(one, since) >= ends:
                continue
            for identity in one.learners:
                if str(self.store.enrolment_on(one, identity).id) == enrolment:
                    return one, identity
        raise _Refused("aucune séance trouvée")

    # Questions

    def _society(self, query: Mapping[str, str]) -> int:
        society = query.get("idsociete", "")
        if not society.isdigit() or int(society) not in SOCIETIES:
            raise _Refused("IDSociete est obligatoire")
        return int(society)

    def _span(self, query: Mapping[str, str], society: int) -> tuple[date, date] | None:
        """The dates asked for; None for nothing. Raises BadDate."""
        try:
            first = self._dialect.asked_date(query.get("debut", ""), society)
            last = self._dialect.asked_date(query.get("fin", ""), society)
        except BadDate:
            if self.switches.bad_date == "empty":
                return None
            if self.switches.bad_date == "ignored":
                return date.min, date.max
            raise
        return first, last


def _at(session: SessionRow, wall: time) -> datetime:
    """A wall time of a session: past midnight where the session goes on there."""
    overnight = session.last_day > session.day and wall < session.start
    return datetime.combine(session.last_day if overnight else session.day, wall)


def _written_date(text: str) -> date:
    if "/" in text:
        day, month, year = text[:10].split("/")
        return date(int(year), int(month), int(day))
    return date.fromisoformat(text[:10])


def _written_time(value: Any) -> time | None:
    return time.fromisoformat(str(value)) if value else None


simulated = SimulatedErp(
    connector=connector,
    switches=ScFormSwitches,
    secret="password",
    simulator=ScFormSimulator,
    settings=lambda url, secret: {
        "url": url,
        "user": DEMO_USER,
        "password": secret,
        "day_before_month": ["2"],
        "absence_type": "1",
        "justified_types": ["4", "2"],
        "accept_unverified": True,
    },
    mapped={
        "speaker": ("Nom", "Email_Pro"),
        "learner": ("Nom", "Email_Perso"),
        "group": ("Libelle",),
        "sheet": ("Debut", "Fin"),
    },
)
