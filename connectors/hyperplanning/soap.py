"""Hyperplanning's SOAP web service `hpsw`, its getters gathered into the rows that REST answers.

What it stands on, and how sure it is:

* Documented or seen in several clients: Basic; the WSDL at `<root>/wsdl`, whose addresses often name an inner
  host and are rewritten to the configured one; `TousLes…`, the array getters `…sTableauDEtudiants` and
  `…sTableauDEnseignants` with answers in the order of the keys, `NomsTableauDeSalles`,
  `NomsTableauDePromotions`, `TousLesCoursEntre2Dates`, `RestreindreTableauDeCoursAuxCoursPlaces`,
  `CoursEstUnCoursPere`, `DetailDesSeancesPlaceesDuCours`, durations in days, wall times that end in `Z`, the
  absence calls with `AJustifie` and no motive.
* Inferred by analogy, and looked up in the WSDL under every name listed before anything is called: listings
  of promotions and TD groups and of their members, and labels of subjects in one call. Parameter names of
  the array getters, and the namespace and actions, come from the WSDL or the convention `AXxx`.
* Unknown: codes and texts of faults, what `DetailDesSeancesPlaceesDuCours` says beside start, duration,
  subject and type (where it names no people, the course's own getters are asked), how a lateness is made or
  taken back (neither is done), rubrics by family.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlsplit

from connectors.http import Exchange, HttpSession
from connectors.hyperplanning import HyperplanningSettings, mapping
from connectors.hyperplanning.envelope import (
    Argument,
    Node,
    NotSoap,
    Operation,
    SoapFault,
    answer,
    envelope,
    fields,
    here,
    items,
    operations,
    texts,
    value,
)
from connectors.hyperplanning.mapping import Row, Unit
from connectors.hyperplanning.rest import basic
from connectors.hyperplanning.source import (
    Certainty,
    Filtered,
    Groups,
    Keyed,
    Labels,
    People,
    drift_fault,
    gathered,
)
from engine.faults import came
from engine.ports import Capability, Fault, FaultCode, Finding, Surroundings
from engine.words import _

_SCHOOL_YEAR = timedelta(days=400)
"""A base that began longer ago is an earlier year's: each year has its own (documented by Edusign)."""

_CHILD = {
    "etudiants": "THpSvcWCleEtudiant",
    "enseignants": "THpSvcWCleEnseignant",
    "promotions": "THpSvcWClePromotion",
    "tdoptions": "THpSvcWCleTDOption",
    "salles": "THpSvcWCleSalle",
    "matieres": "THpSvcWCleMatiere",
    "cours": "THpSvcWCleCours",
}
"""What a key in an array is called: seen for learners and courses, inferred for the others."""

_ARRAYS = {
    "etudiants": "TableauDEtudiants",
    "enseignants": "TableauDEnseignants",
    "promotions": "TableauDePromotions",
    "tdoptions": "TableauDeTDOptions",
    "salles": "TableauDeSalles",
    "matieres": "TableauDeMatieres",
}
_ALL: Mapping[str, tuple[str, ...]] = {
    "etudiants": ("TousLesEtudiants",),
    "enseignants": ("TousLesEnseignants",),
    "promotions": ("ToutesLesPromotions", "TousLesPromotions"),
    "tdoptions": ("TousLesTDOptions", "ToutesLesTDOptions"),
    "salles": ("ToutesLesSalles", "TousLesSalles"),
    "matieres": ("ToutesLesMatieres", "TousLesMatieres"),
}
_MEMBERS: Mapping[Groups, tuple[tuple[str, ...], str]] = {
    "promotions": (("EtudiantsPromotion", "EtudiantsDeLaPromotion"), "APromotion"),
    "tdoptions": (("EtudiantsTDOption", "EtudiantsDuTDOption"), "ATDOption"),
}
_GROUPS_OF: Mapping[Groups, tuple[str, ...]] = {
    "promotions": ("PromotionsEtudiant", "PromotionsDeLEtudiant"),
    "tdoptions": ("TDOptionsEtudiant", "TDOptionsDeLEtudiant"),
}
_DETAIL = "DetailDesSeancesPlaceesDuCours"
_PEOPLE_OF_COURSE: Mapping[str, tuple[str, ...]] = {
    "enseignants": ("EnseignantsDuCours", "EnseignantsCours"),
    "promotions": ("PromotionsDuCours", "PromotionsCours"),
    "tdoptions": ("TDOptionsDuCours",),
    "salles": ("SallesDuCours",),
    "etudiants": ("EtudiantsDuCours",),
}
_VALUES_OF_DETAIL = {
    "jour_heure_debut": "JourEtHeureDebut",
    "duree": "Duree",
    "matiere": "Matiere",
    "type_cours": "TypeCours",
}
_MEMBER_OF_DETAIL = {
    "enseignants": "Enseignants",
    "promotions": "Promotions",
    "tdoptions": "TDOptions",
    "salles": "Salles",
    "etudiants": "Etudiants",
}


class SoapSource:
    """One school's SOAP web service, as `Source` asks."""

    capabilities: tuple[Capability, ...] = (
        Capability(name="read learners", certainty="documented", source="hpsw TousLesEtudiants, array getters"),
        Capability(name="read speakers", certainty="documented", source="hpsw TousLesEnseignants"),
        Capability(name="read groups", certainty="inferred", source="hpsw promotions, by analogy"),
        Capability(name="read sheets", certainty="seen", source=f"hpsw {_DETAIL}, in clients"),
    )
    write_certainty: Certainty = "seen"
    writes_lateness = False
    unit: Unit = "days"

    def __init__(
        self,
        settings: HyperplanningSettings,
        surroundings: Surroundings,
        capture: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._settings = settings
        at = urlsplit(settings.url)
        self._root = at.path.rstrip("/")
        self._clock = surroundings.clock
        self._session = HttpSession(
            system="erp",
            base_url=f"{at.scheme}://{at.netloc}",
            header=("Authorization", "Basic {secret}"),
            secret=basic(settings, surroundings),
            clock=surroundings.clock,
            jitter=random.Random(f"{surroundings.connection}/hyperplanning"),
            timeout_seconds=settings.timeout_seconds,
            transport=surroundings.transport,
            capture=capture,
        )
        self.requests: Mapping[str, int] = self._session.requests
        self._offered: Mapping[str, Operation] | None = None

    @property
    def skew(self) -> timedelta | None:
        return self._session.skew

    async def close(self) -> None:
        await self._session.close()

    # People and groups

    async def people(self, what: People) -> tuple[list[Row], str]:
        keys = await self._all(what)
        columns = {"nom": "Noms", "prenom": "Prenoms", "email": "EMails"}
        return await self._rows(what, keys, columns), "email"

    async def stands(self, what: Keyed, key: str) -> bool:
        return key in await self._all(what)

    async def groups(self, what: Groups) -> list[Row]:
        rows = await self._rows(what, await self._all(what), {"nom": "Noms"})
        if what == "promotions":
            return rows
        above = await gathered(
            [str(row["cle"]) for row in rows],
            lambda key: self._plain(("PromotionTDOption",), {"ATDOption": key}),
            self._settings.concurrency,
        )
        return [{**row, "promotion": promotion} for row, promotion in zip(rows, above, strict=True)]

    async def members(self, what: Groups, keys: Iterable[str]) -> dict[str, frozenset[str]]:
        names, parameter = _MEMBERS[what]
        wanted = list(keys)
        found = await gathered(
            wanted, lambda key: self._list(names, {parameter: key}), self._settings.concurrency
        )
        return dict(zip(wanted, map(frozenset, found), strict=True))

    async def groups_of(self, learner: str) -> frozenset[str]:
        promotions = await self._list(_GROUPS_OF["promotions"], {"AEtudiant": learner})
        tds = await self._list(_GROUPS_OF["tdoptions"], {"AEtudiant": learner})
        return frozenset([*promotions, *(f"{mapping.TD_PREFIX}{key}" for key in tds)])

    async def labels(self, what: Labels) -> list[Row]:
        keys = await self._all(what)
        column = "Noms" if what == "salles" else "Libelles"
        return await self._rows(what, keys, {"nom": column})

    async def rubrics(self, what: Filtered, keys: list[str], family: str) -> dict[str, frozenset[str]]:
        raise Fault(FaultCode.refused, system="erp", route="rubriques", came="read through REST only")

    # Sessions

    async def courses(self, first: date, last: date) -> list[Row]:
        keys = await self._list(("TousLesCoursEntre2Dates",), {"ADate1": first, "ADate2": last})
        if keys and "RestreindreTableauDeCoursAuxCoursPlaces" in await self._operations():
            narrowed = {"ATableau": (_CHILD["cours"], keys)}
            keys = await self._list(("RestreindreTableauDeCoursAuxCoursPlaces",), narrowed)
        parents = await gathered(
            keys, lambda key: self._plain(("CoursEstUnCoursPere",), {"ACours": key}), self._settings.concurrency
        )
        return [{"cle": key, mapping.PARENT_NAME: said} for key, said in zip(keys, parents, strict=True)]

    async def sessions(self, courses: list[str], first: date, last: date) -> list[Row]:
        found = await gathered(courses, self._placed, self._settings.concurrency)
        return [row for rows in found for row in rows]

    async def sessions_of(self, course: str, day: date) -> list[Row]:
        # Asked for a course that is gone, the detail is a fault that says nothing certain.
        keys = await self._list(("TousLesCoursEntre2Dates",), {"ADate1": day, "ADate2": day})
        return await self._placed(course) if course in keys else []

    async def _placed(self, course: str) -> list[Row]:
        said = items(await self._call((_DETAIL,), {"ACours": course}))
        rows = [_session_row(course, node) for node in said]
        missing = {name for row in rows for name in _PEOPLE_OF_COURSE if name not in row}
        for name in sorted(missing):
            of_course = await self._list(_PEOPLE_OF_COURSE[name], {"ACours": course})
            rows = [{name: of_course, **row} for row in rows]
        return list(rows)

    # Absences

    async def absences(self, first: date, last: date, learners: frozenset[str] | None = None) -> list[Row]:
        between: dict[str, Argument] = {
            "ADateHeureDebut": datetime.combine(first, time()),
            "ADateHeureFin": datetime.combine(last + timedelta(days=1), time()),
        }
        if learners is None:
            keys = await self._list(("AbsencesEntre2Dates",), between)
            return await gathered(keys, self._absence, self._settings.concurrency)

        async def of_one(learner: str) -> list[Row]:
            keys = await self._list(("AbsencesEtudiantEntre2Dates",), {"AEtudiant": learner, **between})
            return [await self._absence(key, learner) for key in keys]

        found = await gathered(sorted(learners), of_one, self._settings.concurrency)
        return [row for rows in found for row in rows]

    async def _absence(self, key: str, learner: str = "") -> Row:
        given = {"AAbsence": key}
        return {
            "cle": key,
            "etudiant": learner or await self._plain(("EtudiantAbsenceEtudiant",), given),
            "date_heure_debut": await self._plain(("DateHeureDebutAbsenceEtudiant",), given),
            "date_heure_fin": await self._plain(("DateHeureFinAbsenceEtudiant",), given),
            "justifie": await self._plain(("AbsenceEtudiantEstJustifiee",), given),
            "motif": await self._plain(("MotifAbsenceEtudiant",), given),
        }

    async def lateness(self, first: date, last: date) -> list[Row]:
        """None: they are read per learner, and neither written nor taken back here."""
        return []

    async def add_absence(self, learner: str, first: datetime, last: datetime, justified: bool) -> None:
        await self._call(
            ("AjouterAbsenceEtudiant",), {**_interval(learner, first, last), "AJustifie": justified}, write=True
        )

    async def remove_absence(self, learner: str, first: datetime, last: datetime) -> None:
        await self._call(("EnleverAbsenceEtudiant",), _interval(learner, first, last), write=True)

    async def add_lateness(self, learner: str, first: datetime, lasts: timedelta, justified: bool) -> None:
        raise self._unknown("CreerRetardEtudiant")

    async def remove_lateness(self, key: str) -> None:
        raise self._unknown("SupprimerRetardEtudiant")

    async def motives(self) -> list[str]:
        return await self._list(("TousLesMotifs", "TousLesMotifsAbsence"), {})

    async def check(self) -> tuple[Finding, ...]:
        version = await self._plain(("Version",), {})
        begins = (await self._plain(("DatePremierJourBase",), {}))[:10]
        today = self._clock.now().date()
        try:
            ours = timedelta() <= today - date.fromisoformat(begins) <= _SCHOOL_YEAR
        except ValueError:
            ours = False
        advice = "" if ours else _("its planning is not of this school year: is the address last year's?")
        return (
            Finding(what=_("version of the web service"), ok=True, detail=version or "?"),
            Finding(what=_("first day of its base"), ok=ours, detail=begins or "?", advice=advice),
        )

    # Calls

    async def _operations(self) -> Mapping[str, Operation]:
        """What the server offers, asked once."""
        if self._offered is None:
            route = f"GET {self._root}/wsdl"
            text = await self._session.read_text(route, accept="text/xml")
            try:
                self._offered = operations(text)
            except NotSoap as error:
                raise Fault(FaultCode.not_json, system="erp", route=route, came=came(error)) from None
        return self._offered

    async def _all(self, what: str) -> list[str]:
        return await self._list(_ALL[what], {})

    async def _rows(self, what: str, keys: list[str], columns: Mapping[str, str]) -> list[Row]:
        """One row per key, one call per column; answers are in the keys' order."""
        rows: list[dict[str, Any]] = [{"cle": key} for key in keys]
        for name, getter in columns.items():
            if not keys:
                break
            operation = f"{getter}{_ARRAYS[what]}"
            values = await self._list((operation,), {"ATableau": (_CHILD[what], keys)})
            if len(values) != len(keys):
                raise drift_fault(operation, f"{len(values)} values for {len(keys)} keys")
            for row, said in zip(rows, values, strict=True):
                row[name] = said
        return list(rows)

    async def _list(self, names: Sequence[str], arguments: Mapping[str, Argument]) -> list[str]:
        return texts(items(await self._call(names, arguments)))

    async def _plain(self, names: Sequence[str], arguments: Mapping[str, Argument]) -> str:
        return value(await self._call(names, arguments)) or ""

    async def _call(
        self, names: Sequence[str], arguments: Mapping[str, Argument], *, write: bool = False
    ) -> Node | None:
        """The first of `names` that the server offers. Raises Fault."""
        offered = await self._operations()
        name = next((one for one in names if one in offered), None)
        if name is None:
            raise self._unknown(names[0])
        operation = offered[name]
        route = f"POST {here(operation.address, self._settings.url)}#{name}"
        text = await self._session.call(route, envelope(operation, arguments), operation.action, write=write)
        try:
            return answer(text)
        except SoapFault as fault:
            raise Fault(FaultCode.refused, system="erp", route=route, came=came(fault)) from None
        except NotSoap as error:
            raise Fault(
                FaultCode.not_json,
                system="erp",
                route=route,
                came=came(error),
                committed="unknown" if write else "no",
            ) from None

    def _unknown(self, name: str) -> Fault:
        return drift_fault(f"GET {self._root}/wsdl", f"this server's web service has no {name}")


def _session_row(course: str, node: Node) -> dict[str, Any]:
    """A placed session as REST would show it, with those of its people and rooms that the answer names."""
    said = fields(node)
    row: dict[str, Any] = {"cle": course}
    for name, member in _VALUES_OF_DETAIL.items():
        if member in said:
            row[name] = value(said[member])
    for name, member in _MEMBER_OF_DETAIL.items():
        if member in said:
            row[name] = texts(items(said[member]))
    return row


def _interval(learner: str, first: datetime, last: datetime) -> dict[str, Argument]:
    return {"AEtudiant": learner, "ADateHeureDebut": first, "ADateHeureFin": last}
