"""What an SC-Form is asked, each thing once a run, and whether dates in questions are understood there.

A question whose dates are read the other way round is about another week, and nothing in the answer says so but
the dates themselves. So no answer counts before one of the run could not have come from such a misreading.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar

from connectors.http import Exchange, HttpSession
from connectors.scform import ScFormSettings, mapping
from connectors.scform.answers import Drift, Row, day, expected, needed, resolved, rows, text, unknown
from engine.faults import came
from engine.ports import Fault, FaultCode, Progress, Scope, Surroundings
from engine.words import _

T = TypeVar("T")

_ENTITY = "GET /API/Entite/GetEntite?ACTION={entity}"
SESSIONS = "GET /API/PresenceSta/GetSeance"
_STRUCTURE = "GET /API/AbsenceSta/GetStructure"
_POST = "POST /API/AbsenceSta/Post"

_PRODUCTS: Mapping[str, str] = {"galia": "GaliaEDC", "gessica": "GessicaEDC", "sofia": "SofiaEDC"}

_LEFT_WITHIN = timedelta(days=60)
"""Enrolments that ended so long ago are still asked for, so that the ERP itself says who left."""
_TELLING = (13, 28)
"""From and to which day of a month a question cannot be read the other way round."""
_TELLING_MONTHS = (0, 1, 2, 4)
"""How many months before the scope such a question is asked, until one is answered with sessions."""

_SESSION_FIELDS = ("id", "debut", "fin", "seances_persos", "intervenants", "salles", "libelle")

_REFUSALS = frozenset({FaultCode.refused, FaultCode.server_error, FaultCode.not_found})
"""How a date that cannot be read may be answered: unknown, so that each of them is looked into."""
_SLOW = frozenset({FaultCode.timed_out, FaultCode.bad_gateway})


@dataclass
class Sessions:
    """The sessions of one société in the scope, as far as they came."""

    rows: list[Row] = field(default_factory=list)
    fault: Fault | None = None
    read: int = 0
    asked: int = 0


class Questions:
    """The API of one customer, question by question. Every method may raise Fault."""

    def __init__(
        self,
        settings: ScFormSettings,
        surroundings: Surroundings,
        capture: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._settings = settings
        self._zone = surroundings.zone
        password = surroundings.secret(settings.password).strip()
        self._session = HttpSession(
            system="erp",
            base_url=f"{settings.url.rstrip('/')}/{_PRODUCTS[settings.product]}",
            header=("Authorization", "Basic {secret}"),
            secret=base64.b64encode(f"{settings.user}:{password}".encode()).decode(),
            clock=surroundings.clock,
            jitter=random.Random(f"{surroundings.connection}/scform"),
            timeout_seconds=settings.timeout_seconds,
            transport=surroundings.transport,
            capture=capture,
            empty_is_nothing=True,
            more_secrets=(password,),
        )
        self.requests: Mapping[str, int] = self._session.requests
        self.society_of: dict[str, str] = {}
        """In which société each session stood that was ever listed."""
        self._said: dict[str, Any] = {}
        self._proven: set[str] = set()
        self._idle: set[str] = set()
        """Sociétés seen to have no sessions; remembered, since asking costs many questions."""
        self._chunk: dict[str, int] = {}

    def begin(self) -> None:
        """A new run starts: forget what earlier questions brought."""
        self._said.clear()
        self._proven.clear()

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    # What is asked, each once a run

    async def societies(self) -> list[mapping.Society]:
        """The legal entities that are meant. Raises Fault."""

        async def ask() -> list[mapping.Society]:
            if self._settings.societies:
                return [mapping.Society(id, id) for id in self._settings.societies]
            found = await self.entity("SOCIETE")
            return [self.mapped(entity_route("SOCIETE"), mapping.society, row) for row in found]

        found = await self.once("societies", ask)
        if not found:
            raise self.fault(FaultCode.drift, entity_route("SOCIETE"), "no société")
        return found

    async def societies_of(self, sessions: Iterable[str]) -> list[str]:
        """In which sociétés these sessions are looked for: all, where one was not listed yet. Raises Fault."""
        found = {self.society_of.get(id, "") for id in sessions}
        return [one.id for one in await self.societies()] if "" in found else sorted(found)

    async def types(self) -> list[Row]:
        """The types of absence. Raises Fault."""

        async def ask() -> list[Row]:
            found = await self.entity("TYPABSEN")
            self.mapped(entity_route("TYPABSEN"), lambda rows: needed(rows, "id", "libelle", "retard"), found)
            return found

        return await self.once("types", ask)

    async def entity(self, name: str, society: str = "", **more: str) -> list[Row]:
        """The rows of one entity. Raises Fault."""
        params = {"IDSociete": society, **more} if society else more
        return await self._read(entity_route(name), params)

    async def speaker_rows(self, society: str) -> list[Row]:
        """The trainers of a société. Raises Fault."""

        async def ask() -> list[Row]:
            found = await self.entity("INTERVENANT", society)
            self.mapped(
                entity_route("INTERVENANT"),
                lambda rows: mapping.person_fields(rows, self._settings.speaker_email),
                found,
            )
            return found

        return await self.once(f"speakers {society}", ask)

    async def enrolments(self, society: str, scope: Scope) -> list[mapping.Enrolment]:
        """The enrolments of a société that last into the scope, or ended not long ago. Raises Fault, also
        where its order of dates is not the one taken: others would come. Where no session tells which it is,
        all enrolments are asked for, without a date."""

        async def ask() -> list[mapping.Enrolment]:
            params: dict[str, str] = {}
            if await self.prove(society, scope):
                params["Debut"] = self.written(society, scope.first - _LEFT_WITHIN)
                params["Fin"] = self.written(society, scope.last)
            return self.enrolments_in(await self.entity("INSCRIT", society, **params, **self.sector()))

        return await self.once(f"enrolments {society}", ask)

    def enrolments_in(self, found: list[Row]) -> list[mapping.Enrolment]:
        """Rows of enrolments, mapped. Raises Fault."""
        route = entity_route("INSCRIT")
        names = ["id", "stagiaire", "idaction"]
        if self._settings.groups == "parcours_group":
            names += ["idparcours_groupe", "libelle_parcours_groupe"]
        self.mapped(route, lambda rows: needed(rows, *names), found)
        self.mapped(route, lambda rows: expected(rows, "date_sortie"), found)
        made = [
            self.mapped(route, lambda row: mapping.enrolment(row, self._settings.groups), row) for row in found
        ]
        people = [one.row for one in made if one.person]
        self.mapped(route, lambda rows: mapping.person_fields(rows, self._settings.learner_email), people)
        return [one for one in made if one.person]

    async def action_rows(self, society: str) -> list[Row]:
        """The training actions of a société, without troncs communs. Raises Fault."""

        async def ask() -> list[Row]:
            found = await self.entity("ACTION", society, TC="false")
            self.mapped(entity_route("ACTION"), lambda rows: needed(rows, "id", "libelle"), found)
            self.mapped(entity_route("ACTION"), lambda rows: expected(rows, "fin"), found)
            return found

        return await self.once(f"actions {society}", ask)

    async def sessions(self, society: str, scope: Scope, progress: Progress | None = None) -> Sessions:
        """The sessions of a société in the scope; raises no Fault, but tells the first."""
        what = f"sessions {society}"
        if what not in self._said:
            self._said[what] = await self._asked_by_chunks(society, scope, progress)
        found: Sessions = self._said[what]
        return found

    async def once(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """What was asked already, its failure too; else asked now."""
        if what not in self._said:
            try:
                self._said[what] = await ask()
            except Fault as fault:
                self._said[what] = fault
        said: T | Fault = self._said[what]
        if isinstance(said, Fault):
            raise said
        return said

    # Dates, and whether they are understood

    def written(self, society: str, at: date, swap: bool = False) -> str:
        """A date as that société reads it in a question; `swap`: as it does not."""
        day_first = (society in self._settings.day_before_month) != swap
        return at.strftime("%Y-%d-%m" if day_first else "%Y-%m-%d")

    async def window(self, society: str, first: date, last: date, swap: bool = False, **more: str) -> list[Row]:
        """The sessions between two local dates, both included. Raises Fault; `swapped_dates` where the answer
        is about other dates than were asked. `swap` writes dates the other way round."""
        until = last + timedelta(days=1)
        params = {
            "IDSociete": society,
            "Debut": self.written(society, first, swap),
            "Fin": self.written(society, until, swap),
            # Agreements hold personal data that nothing here needs.
            "AvecConvention": "0",
            **self.sector(),
            **more,
        }
        found = await self._read(SESSIONS, params, give_up_when=_SLOW)
        if "Vue" in more:
            nested = [self.mapped(SESSIONS, lambda row: rows(row.get("seances")), row) for row in found]
            found = [row for some in nested for row in some]
        self.mapped(SESSIONS, lambda rows: needed(rows, "date"), found)
        days = [self._day(row) for row in found]
        if strange := next((at for at in days if at is not None and not first <= at <= until), None):
            asked = f"{first:%d/%m/%Y}-{last:%d/%m/%Y}"
            raise self.fault(
                FaultCode.swapped_dates,
                SESSIONS,
                f"société {society}: asked {asked}, got {strange:%d/%m/%Y}",
            )
        kept = [row for row, at in zip(found, days, strict=True) if at is None or at <= last]
        if any(at is not None and _tells(at, first, until) for at in days):
            self._proven.add(society)
        return kept

    async def prove(self, society: str, scope: Scope) -> bool:
        """Whether it is certain how the société reads dates; False where it has no session at all, neither in
        the scope nor in the months before, whichever way it is asked. Raises Fault where it reads them
        otherwise than was taken, or did not answer."""
        asked = await self.sessions(society, scope)
        if society in self._proven:
            return True
        if asked.fault is not None:
            raise asked.fault
        if society in self._idle:
            return False
        windows = telling_windows(scope.first)
        for first, last in windows:
            try:
                await self._halved(society, first, last)
            except Fault as fault:
                raise await self._explained(fault, society, first, last) from None
            if society in self._proven:
                return True
        for first, last in windows:
            if (swapped := await self._swapped(society, first, last)) is not None:
                raise swapped
        self._idle.add(society)
        return False

    async def _explained(self, fault: Fault, society: str, first: date, last: date) -> Fault:
        """The same refusal, or that it was the order of the dates which was refused."""
        if fault.code not in _REFUSALS or society in self._proven:
            return fault
        return await self._swapped(society, first, last) or fault

    async def _swapped(self, society: str, first: date, last: date) -> Fault | None:
        """What is wrong if the société answers once the dates are written the other way round."""
        try:
            found = await self.window(society, first, last, swap=True)
        except Fault:
            return None
        finally:
            self._proven.discard(society)
        if not found:
            return None
        line = f"société {society}: no answer to {self.written(society, first)}, but to the other order"
        return self.fault(FaultCode.swapped_dates, SESSIONS, line)

    async def _asked_by_chunks(self, society: str, scope: Scope, progress: Progress | None) -> Sessions:
        found = Sessions()
        first = scope.first
        while first <= scope.last:
            size = self._chunk.get(society, self._settings.chunk_days)
            last = min(first + timedelta(days=size - 1), scope.last)
            found.asked += 1
            try:
                found.rows += await self._halved(society, first, last)
                found.read += 1
            except Fault as fault:
                found.fault = await self._explained(fault, society, first, last)
                left = (scope.last - last).days
                found.asked += -(-left // size)
                break
            if progress is not None:
                progress(_("sessions"), (last - scope.first).days + 1, (scope.last - scope.first).days + 1)
            first = last + timedelta(days=1)
        return found

    async def _halved(self, society: str, first: date, last: date) -> list[Row]:
        """`window`, by halves of its dates where the whole of it did not come in time. Raises Fault."""
        try:
            return await self.window(society, first, last)
        except Fault as fault:
            days = (last - first).days + 1
            if fault.code not in _SLOW or days == 1:
                raise
        size = days // 2
        # What was too much now will be so again tomorrow.
        self._chunk[society] = min(size, self._chunk.get(society, size))
        middle = first + timedelta(days=size - 1)
        return [
            *await self._halved(society, first, middle),
            *await self._halved(society, middle + timedelta(days=1), last),
        ]

    def _day(self, row: Row) -> date | None:
        try:
            return day(self.mapped(SESSIONS, lambda row: text(row, "date"), row))
        except ValueError:
            return None

    def sector(self) -> dict[str, str]:
        """The filter of every question, if any."""
        return {"CSecteur": self._settings.sector} if self._settings.sector else {}

    async def all_enrolments(self, scope: Scope, progress: Progress | None = None) -> list[mapping.Enrolment]:
        """Of all sociétés. Raises Fault."""
        found: list[mapping.Enrolment] = []
        for society in await self.societies():
            await self.sessions(society.id, scope, progress)
            found += await self.enrolments(society.id, scope)
        return found

    def meetings(
        self,
        found: list[Row],
        enrolments: Mapping[str, mapping.Enrolment],
        members: Mapping[str, frozenset[str]],
    ) -> list[mapping.Meeting]:
        """Rows of sessions, mapped. Raises Fault."""
        self.mapped(SESSIONS, lambda rows: needed(rows, *_SESSION_FIELDS), found)
        kinds, homes = self._settings.session_types, mapping.Homes.of(members)
        return [
            self.mapped(SESSIONS, lambda row: mapping.meeting(row, self._zone, kinds, enrolments, homes), row)
            for row in found
        ]

    # Calls

    async def _read(
        self, route: str, params: Mapping[str, str], give_up_when: frozenset[FaultCode] = frozenset()
    ) -> list[Row]:
        body = await self._session.read(route, params=params, give_up_when=give_up_when)
        return self.mapped(route, lambda body: rows(resolved(body)), body)

    @property
    def chunk_days(self) -> int:
        """So many days of sessions are asked for at once."""
        return min((self._settings.chunk_days, *self._chunk.values()))

    async def structure(self, society: str) -> Any:
        """The vendor's own description of the absence write; None where there is none. Raises Fault."""
        return await self._session.read(_STRUCTURE, params={"IDSociete": society})

    async def post_absence(self, society: str, body: Mapping[str, Any]) -> str:
        """Write or delete one absence; the sentence that came. Raises Fault."""
        answer: str = await self._session.write(
            _POST, params={"IDSociete": society}, json=dict(body), as_text=True
        )
        return answer

    def mapped(self, route: str, reader: Callable[[Any], T], row: Any) -> T:
        """What `reader` makes of `row`. Raises Fault `drift`."""
        try:
            return reader(row)
        except Drift as drift:
            raise self.fault(FaultCode.drift, route, str(drift)) from None

    @property
    def skew(self) -> timedelta | None:
        """Their clock minus ours, from the last answer."""
        return self._session.skew

    def unheard_of(self, sort: str, found: Iterable[Row]) -> frozenset[str]:
        """Fields of some rows that this connector does not know."""
        strange = unknown(found, mapping.KNOWN[sort])
        return frozenset(name for name in strange if not name.startswith(("mobile_", "telephone_")))

    def fault(self, code: FaultCode, route: str, what: str) -> Fault:
        return Fault(code, system="erp", route=route, came=came(what))


def telling_windows(first: date) -> list[tuple[date, date]]:
    """Dates of some months up to `first` which mean the same in any order, the nearest first."""
    found = []
    for back in _TELLING_MONTHS:
        month = (first.year * 12 + first.month - 1) - back
        year, number = divmod(month, 12)
        found.append((date(year, number + 1, _TELLING[0]), date(year, number + 1, _TELLING[1] - 1)))
    return found


def _tells(at: date, first: date, until: date) -> bool:
    """Whether a session on `at`, asked for from `first` until `until`, proves how dates are read: the other
    way round the question would be none, or be about other dates."""
    try:
        other = sorted(one.replace(month=one.day, day=one.month) for one in (first, until))
    except ValueError:
        return True
    return not other[0] <= at <= other[1]


def entity_route(name: str) -> str:
    """The route of one entity."""
    return _ENTITY.replace("{entity}", name)
