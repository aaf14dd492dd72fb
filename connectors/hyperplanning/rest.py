"""Hyperplanning's REST interface.

What it stands on, and how sure it is:

* Seen in a running client: Basic, `select`, `cle=1,2` on a collection, bare arrays for collections, one named
  array of keys for sub-collections, `cours/{cle}/detail_seances_placees`, `…/familles/{f}/rubriques`, an
  integer `code` in error bodies, 1 of which there means "none". No paging in any client.
* Seen in a scaffold that looks made from the vendor's description, no call of it: the other routes, POST for
  every write, the bulk form of `detail_seances_placees`.
* Inferred: `date_debut`/`date_fin` on /cours and on the bulk form (a superset is filtered here), field names
  beyond those the mapping calls seen, the body of absences and latenesses.
* Unknown: the prefix (a setting), how an unknown name in `select` is answered (both ways are taken), the
  fields given without `select`, limits, statuses of errors, the zone of times.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from connectors.http import Exchange, HttpSession
from connectors.hyperplanning import HyperplanningSettings, mapping
from connectors.hyperplanning.mapping import Row, Unit
from connectors.hyperplanning.source import (
    Certainty,
    Filtered,
    Groups,
    Keyed,
    Labels,
    People,
    drift_fault,
    gathered,
    mapped,
)
from engine.faults import came
from engine.ports import Capability, Fault, FaultCode, Finding, Surroundings
from engine.words import _

_COURSES = "GET /cours"
_PLACED = "GET /cours/detail_seances_placees"
_PLACED_OF_ONE = "GET /cours/{cle}/detail_seances_placees"
_ABSENCES = "GET /absences"
_LATENESS = "GET /retards"

_PERSON = ("cle", "nom", "prenom")
_SESSION = (
    "cle", "jour_heure_debut", "duree", "matiere", "enseignants", "promotions", "salles",
)  # fmt: skip
_SESSION_TOO = ("tdoptions", "etudiants", "type_cours")
_NONE = 1
"""The `code` of an error body that means: nothing there."""


class RestSource:
    """One school's REST interface, as `Source` asks."""

    capabilities: tuple[Capability, ...] = (
        Capability(name="read learners", certainty="inferred", source="REST etudiants, by analogy"),
        Capability(name="read speakers", certainty="seen", source="REST enseignants, in a client"),
        Capability(
            name="read groups", certainty="inferred", source="REST promotions, tdoptions, in a scaffold"
        ),
        Capability(name="read sheets", certainty="seen", source="REST detail_seances_placees, in a client"),
    )
    write_certainty: Certainty = "inferred"
    writes_lateness = True

    def __init__(
        self,
        settings: HyperplanningSettings,
        surroundings: Surroundings,
        capture: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._settings = settings
        self._session = HttpSession(
            system="erp",
            base_url=settings.url,
            header=("Authorization", "Basic {secret}"),
            secret=basic(settings, surroundings),
            clock=surroundings.clock,
            jitter=random.Random(f"{surroundings.connection}/hyperplanning"),
            timeout_seconds=settings.timeout_seconds,
            transport=surroundings.transport,
            capture=capture,
            empty_is_nothing=True,
        )
        self.requests: Mapping[str, int] = self._session.requests
        self.unit: Unit = settings.duration_unit
        self._spoken: dict[str, tuple[str, ...]] = {}
        self._unselected: set[str] = set()
        self._undated: set[str] = set()
        self._one_by_one = False
        self.strange: dict[str, set[str]] = {}
        """Fields that came unasked, by route."""

    @property
    def skew(self) -> timedelta | None:
        return self._session.skew

    async def close(self) -> None:
        await self._session.close()

    # People and groups

    async def people(self, what: People) -> tuple[list[Row], str]:
        route = f"GET /{what}"
        named = self._settings.email_field
        rows = await self._rows(route, _PERSON, (named,) if named else mapping.EMAIL_NAMES)
        if not rows:
            return [], named or mapping.EMAIL_NAMES[0]
        return rows, mapped(route, lambda rows: mapping.email_name(rows, named), rows)

    async def stands(self, what: Keyed, key: str) -> bool:
        route = f"GET /{what}"
        rows = await self._rows(route, ("cle",), params={"cle": key}, remember=False)
        return any(mapped(route, mapping.key, row) == key for row in rows)

    async def groups(self, what: Groups) -> list[Row]:
        return await self._rows(f"GET /{what}", ("cle", "nom"), ("promotion",) if what == "tdoptions" else ())

    async def members(self, what: Groups, keys: Iterable[str]) -> dict[str, frozenset[str]]:
        route = f"GET /{what}/{{cle}}/etudiants"
        wanted = list(keys)
        found = await gathered(
            wanted, lambda key: self._keys(route, key, "etudiants"), self._settings.concurrency
        )
        return dict(zip(wanted, map(frozenset, found), strict=True))

    async def groups_of(self, learner: str) -> frozenset[str]:
        promotions = await self._keys("GET /etudiants/{cle}/promotions", learner, "promotions")
        tds = await self._keys("GET /etudiants/{cle}/tdoptions", learner, "tdoptions")
        return frozenset([*promotions, *(f"{mapping.TD_PREFIX}{key}" for key in tds)])

    async def labels(self, what: Labels) -> list[Row]:
        names = ("nom",) if what == "salles" else mapping.LABEL_NAMES
        return await self._rows(f"GET /{what}", ("cle",), names)

    async def rubrics(self, what: Filtered, keys: list[str], family: str) -> dict[str, frozenset[str]]:
        route = f"GET /{what}/{{cle}}/familles/{{famille}}/rubriques"

        async def ask(key: str) -> frozenset[str]:
            return frozenset(await self._keys(route, key, "rubriques", {"famille": family}))

        found = await gathered(keys, ask, self._settings.concurrency)
        return dict(zip(keys, found, strict=True))

    # Sessions

    async def courses(self, first: date, last: date) -> list[Row]:
        return await self._rows(_COURSES, ("cle",), (mapping.PARENT_NAME,), _between(first, last), dated=True)

    async def sessions(self, courses: list[str], first: date, last: date) -> list[Row]:
        if not self._one_by_one:
            size = self._settings.keys_per_request
            batches = [courses[n : n + size] for n in range(0, len(courses), size)]
            try:
                found = await gathered(
                    batches, lambda keys: self._placed(keys, first, last), self._settings.concurrency
                )
                return [row for rows in found for row in rows]
            except Fault as fault:
                if fault.code is not FaultCode.not_found:
                    raise
                # The bulk form was never seen called; the single one was.
                self._one_by_one = True
        found = await gathered(courses, self._placed_of_one, self._settings.concurrency)
        return [row for rows in found for row in rows]

    async def sessions_of(self, course: str, day: date) -> list[Row]:
        return await self.sessions([course], day, day)

    async def _placed(self, keys: Sequence[str], first: date, last: date) -> list[Row]:
        params = {"cle": ",".join(keys), **_between(first, last)}
        rows = await self._rows(_PLACED, _SESSION, _SESSION_TOO, params, dated=True)
        asked = frozenset(keys)
        return [row for row in rows if mapped(_PLACED, mapping.key, row) in asked]

    async def _placed_of_one(self, key: str) -> list[Row]:
        return await self._rows(_PLACED_OF_ONE, _SESSION, _SESSION_TOO, values={"cle": key})

    # Absences

    async def absences(self, first: date, last: date, learners: frozenset[str] | None = None) -> list[Row]:
        needed = ("etudiant", "date_heure_debut", "date_heure_fin")
        return await self._rows(
            _ABSENCES, ("cle", *needed), (*mapping.JUSTIFIED_NAMES, "motif"), _between(first, last), dated=True
        )

    async def lateness(self, first: date, last: date) -> list[Row]:
        needed = ("cle", "etudiant", "date_heure", "duree")
        return await self._rows(
            _LATENESS, needed, (*mapping.JUSTIFIED_NAMES, "motif"), _between(first, last), dated=True
        )

    async def add_absence(self, learner: str, first: datetime, last: datetime, justified: bool) -> None:
        body = {**_interval(learner, first, last), "justifie": justified}
        await self._write("POST /absences/ajouter", json=body)

    async def remove_absence(self, learner: str, first: datetime, last: datetime) -> None:
        await self._write("POST /absences/enlever", json=_interval(learner, first, last))

    async def add_lateness(self, learner: str, first: datetime, lasts: timedelta, justified: bool) -> None:
        body = {
            "etudiant": _number(learner),
            "date_heure": _wall(first),
            "duree": mapping.in_unit(lasts, self.unit),
            "justifie": justified,
        }
        await self._write("POST /retards", json=body)

    async def remove_lateness(self, key: str) -> None:
        await self._write("DELETE /retards/{cle}", {"cle": key})

    async def motives(self) -> list[str]:
        """None: no REST route for motives is known, and no write names one."""
        return []

    async def check(self) -> tuple[Finding, ...]:
        strange = sorted(f"{route}: {', '.join(sorted(names))}" for route, names in self.strange.items())
        found = [
            Finding(what=_("fields this connector does not know"), ok=True, detail="; ".join(strange)[:300])
        ]
        if mapping.PARENT_NAME not in self._spoken.get(_COURSES, (mapping.PARENT_NAME,)):
            advice = _("this server does not tell parent courses apart: watch for sessions shown twice")
            found.append(Finding(what=_("parent courses"), ok=False, advice=advice))
        return tuple(found) if strange else tuple(found[1:])

    # Calls

    async def _rows(
        self,
        route: str,
        needed: tuple[str, ...],
        optional: tuple[str, ...] = (),
        params: Mapping[str, str] | None = None,
        *,
        values: Mapping[str, str] | None = None,
        dated: bool = False,
        remember: bool = True,
    ) -> list[Row]:
        """A collection with as few fields as may be: `needed`, and those of `optional` that it has.

        A server that refuses a name in `select`, or dates here, is asked without from then on."""
        while True:
            query = dict(params or {})
            if dated and route in self._undated:
                del query["date_debut"], query["date_fin"]
            names = (*needed, *self._spoken.get(route, optional))
            if route not in self._unselected:
                query["select"] = ",".join(names)
            try:
                body = await self._read(route, values, query)
                break
            except Fault as fault:
                if fault.code is not FaultCode.refused:
                    raise
                if "select" in query:
                    self._unselected.add(route)
                elif "date_debut" in query:
                    # Without a selection it is refused too: then it may have been the dates.
                    self._undated.add(route)
                    self._unselected.discard(route)
                else:
                    # Nothing that was left out was the reason.
                    self._unselected.discard(route)
                    self._undated.discard(route)
                    raise
        rows = mapped(route, mapping.objects, [] if body is None else body)
        if rows:
            self._note(route, rows, needed, optional, remember)
        return rows

    def _note(
        self, route: str, rows: list[Row], needed: Iterable[str], optional: tuple[str, ...], remember: bool
    ) -> None:
        """Which optional fields this route has; a needed one that no row bears is gone."""
        seen = {name for row in rows for name in row}
        if missing := [name for name in needed if name not in seen]:
            raise drift_fault(route, f"{', '.join(missing)} missing")
        if remember:
            self._spoken.setdefault(route, tuple(name for name in optional if name in seen))
        if strange := seen - {*needed, *optional} - _KNOWN:
            self.strange[route] = strange

    async def _keys(self, route: str, key: str, name: str, more: Mapping[str, str] | None = None) -> list[str]:
        """A sub-collection, which shows keys only."""
        body = await self._read(route, {"cle": key, **(more or {})}, {}, none_is_empty=True)
        return [] if body is None else mapped(route, lambda body: mapping.named_keys(body, name), body)

    async def _read(
        self,
        route: str,
        values: Mapping[str, str] | None,
        query: Mapping[str, str],
        none_is_empty: bool = False,
    ) -> Any:
        # Commas as they are: keys would make three times as long an address otherwise.
        text = "&".join(f"{name}={value}" for name, value in query.items())
        body = await self._session.read(route, values, params=text or None)
        if isinstance(body, Mapping) and isinstance(body.get("code"), int):
            if none_is_empty and body["code"] == _NONE:
                return None
            raise Fault(FaultCode.refused, system="erp", route=route, came=came(body))
        return body

    async def _write(self, route: str, values: Mapping[str, str] | None = None, json: Any = None) -> None:
        answer = await self._session.write(route, values, json=json)
        if isinstance(answer, Mapping) and isinstance(answer.get("code"), int):
            raise Fault(FaultCode.refused, system="erp", route=route, came=came(answer))


_KNOWN = frozenset(
    {
        "cle", "nom", "prenom", "code", "libelle", "identifiant", "numero_ine", "date_de_naissance",
        "identifiant_cas", "numero_d_ordre", "type_cours", "memo", "promotion", "cours_manques",
        *mapping.EMAIL_NAMES,
    }
)  # fmt: skip
"""Fields that may come where no `select` is heeded and say nothing to this connector."""


def basic(settings: HyperplanningSettings, surroundings: Surroundings) -> str:
    """The credentials of HTTP Basic."""
    password = surroundings.secret(settings.password).strip()
    return base64.b64encode(f"{settings.user}:{password}".encode()).decode("ascii")


def _between(first: date, last: date) -> dict[str, str]:
    return {"date_debut": first.isoformat(), "date_fin": last.isoformat()}


def _interval(learner: str, first: datetime, last: datetime) -> dict[str, Any]:
    """The body of an absence: its names are inferred from the SOAP parameters, and stand here alone."""
    return {
        "etudiant": _number(learner),
        "date_heure_debut": _wall(first),
        "date_heure_fin": _wall(last),
    }


def _wall(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _number(key: str) -> int | str:
    return int(key) if key.isdecimal() else key
