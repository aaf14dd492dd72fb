"""The SOAP web service `hpsw` of the simulated server: its WSDL and some forty of its operations.

Names of operations are documented or seen in client code, but for the listings and members of promotions and
TD groups and the labels of subjects, which are inferred. Times come out as local time with a `Z`, durations
in days, arrays in the order of the keys given, a missing text as nil, refusals as faults with status 500.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, TypeAlias
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.hyperplanning.simulator.absences import Absences, Refused
from connectors.hyperplanning.simulator.dialect import lasts
from connectors.hyperplanning.simulator.store import Course, Store
from connectors.hyperplanning.simulator.switches import HyperplanningSwitches
from connectors.simulation.erp_rows import AbsenceRow, GroupRow, LearnerRow, SessionRow, StaffRow

_NAMESPACE = "http://www.indexeducation.com/frahtm/HpSvcW.htm"
_INNER = "http://10.20.30.40:8090"
_VERSION = "2018.0.2.0"

Arguments: TypeAlias = Mapping[str, Any]
"""A plain parameter as text, an array as a list of texts."""
Element: TypeAlias = tuple[str, Any]
"""(name, text, None for nil, or a list of elements)."""


@dataclass(frozen=True)
class _Operation:
    interface: str
    answer: Callable[[Arguments], Any]


class SoapRoutes:
    """Routes under the root of the switches."""

    def __init__(self, store: Store, absences: Absences, switches: HyperplanningSwitches) -> None:
        self._store = store
        self._absences = absences
        self._switches = switches
        self._operations = self._table()

    def routes(self) -> list[Route]:
        root = self._switches.soap_root
        return [
            Route(f"{root}/wsdl", self._wsdl, methods=["GET"]),
            Route(f"{root}/FormeSimplifieeEN", self._page, methods=["GET"]),
            Route(f"{root}/{{port}}", self._called, methods=["POST"]),
        ]

    # What is offered

    def _table(self) -> dict[str, _Operation]:
        tables: dict[str, dict[str, Callable[[Arguments], Any]]] = {
            "Admin": {
                "Version": lambda _given: _VERSION,
                "DatePremierJourBase": lambda _given: _instant(
                    datetime.combine(self._store.school.first, time())
                ),
            },
            "Etudiants": {
                "TousLesEtudiants": lambda _given: _keys(self._store.listed(), "THpSvcWCleEtudiant"),
                "NomsTableauDEtudiants": self._of_learners(lambda one: one.last_name),
                "PrenomsTableauDEtudiants": self._of_learners(lambda one: one.first_name),
                "EMailsTableauDEtudiants": self._of_learners(lambda one: one.email or None),
                "PromotionsEtudiant": self._groups_of(self._store.promotions, "THpSvcWClePromotion"),
                "TDOptionsEtudiant": self._groups_of(self._store.tdoptions, "THpSvcWCleTDOption"),
            },
            "Enseignants": {
                "TousLesEnseignants": lambda _given: _keys(self._store.teachers(), "THpSvcWCleEnseignant"),
                "NomsTableauDEnseignants": self._of_teachers(lambda one: one.last_name),
                "PrenomsTableauDEnseignants": self._of_teachers(lambda one: one.first_name),
                "EMailsTableauDEnseignants": self._of_teachers(lambda one: one.email or None),
            },
            "Promotions": {
                "ToutesLesPromotions": lambda _given: _keys(self._store.promotions(), "THpSvcWClePromotion"),
                "NomsTableauDePromotions": self._of_groups(self._store.promotions),
                "EtudiantsPromotion": self._members(self._store.promotions, "APromotion"),
            },
            "TDOptions": {
                "TousLesTDOptions": lambda _given: _keys(self._store.tdoptions(), "THpSvcWCleTDOption"),
                "NomsTableauDeTDOptions": self._of_groups(self._store.tdoptions),
                "EtudiantsTDOption": self._members(self._store.tdoptions, "ATDOption"),
                "PromotionTDOption": self._promotion,
            },
            "Salles": {
                "ToutesLesSalles": lambda _given: [
                    ("THpSvcWCleSalle", str(code)) for code in self._store.rooms
                ],
                "NomsTableauDeSalles": self._rooms,
            },
            "Matieres": {
                "ToutesLesMatieres": lambda _given: [
                    ("THpSvcWCleMatiere", str(self._store.subject_key(name))) for name in self._store.subjects
                ],
                "LibellesTableauDeMatieres": self._subjects,
            },
            "Cours": self._courses(),
            "Absences": self._of_absences(),
        }
        return {
            name: _Operation(interface, answer)
            for interface, operations in tables.items()
            for name, answer in operations.items()
        }

    def _first_day(self) -> date:
        """The school year's first day."""
        first = self._store.school.first
        return date(first.year if first.month >= 9 else first.year - 1, 9, 1)

    def _courses(self) -> dict[str, Callable[[Arguments], Any]]:
        return {
            "TousLesCoursEntre2Dates": self._courses_between,
            "RestreindreTableauDeCoursAuxCoursPlaces": self._placed_ones,
            "CoursEstUnCoursPere": lambda given: _flag(self._course(given).parent),
            "DetailDesSeancesPlaceesDuCours": self._detail,
            "EnseignantsDuCours": self._of_course("staff", "THpSvcWCleEnseignant"),
            "SallesDuCours": self._of_course("rooms", "THpSvcWCleSalle"),
            "EtudiantsDuCours": self._of_course("learners", "THpSvcWCleEtudiant"),
            "PromotionsDuCours": self._of_course("promotions", "THpSvcWClePromotion"),
            "TDOptionsDuCours": self._of_course("tdoptions", "THpSvcWCleTDOption"),
        }

    def _of_absences(self) -> dict[str, Callable[[Arguments], Any]]:
        return {
            "AbsencesEntre2Dates": self._absences_between,
            "AbsencesEtudiantEntre2Dates": self._absences_between,
            "EtudiantAbsenceEtudiant": lambda given: str(
                self._store.learners[self._absence(given).identity].code
            ),
            "DateHeureDebutAbsenceEtudiant": lambda given: _instant(self._absence(given).first),
            "DateHeureFinAbsenceEtudiant": lambda given: _instant(self._absence(given).last),
            "AbsenceEtudiantEstJustifiee": lambda given: _flag(self._absence(given).justified),
            "MotifAbsenceEtudiant": lambda given: self._absence(given).reason or None,
            "TousLesMotifs": lambda _given: [("string", name) for name in ("Maladie", "Deuil", "Transport")],
            "AjouterAbsenceEtudiant": self._add,
            "EnleverAbsenceEtudiant": self._remove,
        }

    async def _wsdl(self, request: Request) -> Response:
        own = f"{request.url.scheme}://{request.url.netloc}"
        host = own if self._switches.soap_address == "own" else _INNER
        root = self._switches.soap_root
        interfaces = sorted({one.interface for one in self._operations.values()})
        bindings: list[str] = []
        ports: dict[str, list[str]] = {"HpSvcWDonnees": [], "HpSvcWAdmin": []}
        for interface in interfaces:
            described = "".join(
                f'<operation name="{name}"><soap:operation soapAction="urn:HpSvcW#{name}"/>'
                f'<input><soap:body use="literal" namespace="{_NAMESPACE}"/></input>'
                f'<output><soap:body use="literal" namespace="{_NAMESPACE}"/></output></operation>'
                for name, one in self._operations.items()
                if one.interface == interface
            )
            bindings.append(
                f'<binding name="Binding{interface}" type="tns:IHpSvcW{interface}">'
                f'<soap:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>{described}</binding>'
            )
            service = "HpSvcWAdmin" if interface == "Admin" else "HpSvcWDonnees"
            ports[service].append(
                f'<port name="Port{interface}" binding="tns:Binding{interface}">'
                f'<soap:address location="{host}{root}/{interface}"/></port>'
            )
        services = "".join(f'<service name="{name}">{"".join(held)}</service>' for name, held in ports.items())
        return _xml(
            '<?xml version="1.0" encoding="utf-8"?>'
            '<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" '
            'xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" '
            f'xmlns:tns="{_NAMESPACE}" targetNamespace="{_NAMESPACE}">'
            f"{''.join(bindings)}{services}</definitions>"
        )

    async def _page(self, _request: Request) -> Response:
        listed = "".join(f"<li>{name}</li>" for name in sorted(self._operations))
        return Response(f"<html><body><h1>HpSvcW</h1><ul>{listed}</ul></body></html>", media_type="text/html")

    # A call

    async def _called(self, request: Request) -> Response:
        try:
            name, given = _call(await request.body())
            operation = self._operations.get(name)
            if operation is None or operation.interface != request.path_params["port"]:
                return _fault(f"opération inconnue : {name}")
            return _xml(_enveloped(_answer(name, operation.answer(given))))
        except (Refused, KeyError, ValueError, ElementTree.ParseError) as error:
            return _fault(str(error))

    # People and groups

    def _of_learners(self, value: Callable[[LearnerRow], str | None]) -> Callable[[Arguments], Any]:
        def answer(given: Arguments) -> list[Element]:
            rows = {str(one.code): one for one in self._store.listed()}
            return [("string", value(_known(rows, key))) for key in given["ATableau"]]

        return answer

    def _of_teachers(self, value: Callable[[StaffRow], str | None]) -> Callable[[Arguments], Any]:
        def answer(given: Arguments) -> list[Element]:
            rows = {str(one.code): one for one in self._store.teachers()}
            return [("string", value(_known(rows, key))) for key in given["ATableau"]]

        return answer

    def _of_groups(self, groups: Callable[[], list[GroupRow]]) -> Callable[[Arguments], Any]:
        def answer(given: Arguments) -> list[Element]:
            rows = {str(one.code): one for one in groups()}
            return [("string", _known(rows, key).name) for key in given["ATableau"]]

        return answer

    def _members(self, groups: Callable[[], list[GroupRow]], parameter: str) -> Callable[[Arguments], Any]:
        def answer(given: Arguments) -> list[Element]:
            rows = {str(one.code): one for one in groups()}
            return _keys(self._store.in_group(_known(rows, given[parameter])), "THpSvcWCleEtudiant")

        return answer

    def _groups_of(self, groups: Callable[[], list[GroupRow]], child: str) -> Callable[[Arguments], Any]:
        def answer(given: Arguments) -> list[Element]:
            found = [
                group
                for group in groups()
                if any(str(one.code) == given["AEtudiant"] for one in self._store.in_group(group))
            ]
            return _keys(found, child)

        return answer

    def _promotion(self, given: Arguments) -> str:
        rows = {str(one.code): one for one in self._store.tdoptions()}
        return str(self._store.promotion_of(_known(rows, given["ATDOption"])).code)

    def _rooms(self, given: Arguments) -> list[Element]:
        return [("string", self._store.rooms[int(key)]) for key in given["ATableau"]]

    def _subjects(self, given: Arguments) -> list[Element]:
        names = {str(self._store.subject_key(name)): name for name in self._store.subjects}
        return [("string", _known(names, key)) for key in given["ATableau"]]

    # Courses and their sessions

    def _courses_between(self, given: Arguments) -> list[Element]:
        first, last = date.fromisoformat(given["ADate1"]), date.fromisoformat(given["ADate2"])
        found = [str(one.key) for one in self._store.courses_between(first, last)]
        unplaced = [str(one.key) for one in self._store.all_courses() if not one.groups]
        return [("THpSvcWCleCours", key) for key in (*found, *unplaced)]

    def _placed_ones(self, given: Arguments) -> list[Element]:
        placed = self._store.placed()
        return [("THpSvcWCleCours", key) for key in given["ATableau"] if int(key) in placed]

    def _course(self, given: Arguments) -> Course:
        course = self._store.course(given["ACours"])
        if course is None:
            raise Refused("cours inconnu")
        return course

    def _sessions(self, given: Arguments) -> list[SessionRow]:
        return self._store.placed().get(self._course(given).key, [])

    def _detail(self, given: Arguments) -> list[Element]:
        return [("THpSvcWDetailSeance", self._session(one)) for one in self._sessions(given)]

    def _session(self, one: SessionRow) -> list[Element]:
        told: list[Element] = [
            ("JourEtHeureDebut", _instant(datetime.combine(one.day, one.start))),
            ("Duree", repr(lasts(one) / timedelta(days=1))),
            ("Matiere", str(self._store.subject_key(one.subject))),
            ("TypeCours", "Cours"),
        ]
        if self._switches.soap_detail == "full":
            told += [
                ("Enseignants", self._column(one, "staff", "THpSvcWCleEnseignant")),
                ("Promotions", self._column(one, "promotions", "THpSvcWClePromotion")),
                ("TDOptions", self._column(one, "tdoptions", "THpSvcWCleTDOption")),
                ("Salles", self._column(one, "rooms", "THpSvcWCleSalle")),
                ("Etudiants", self._column(one, "learners", "THpSvcWCleEtudiant")),
            ]
        return told

    def _of_course(self, what: str, child: str) -> Callable[[Arguments], Any]:
        """Everybody on any session of a course."""

        def answer(given: Arguments) -> list[Element]:
            found = [one for session in self._sessions(given) for one in self._column(session, what, child)]
            return list(dict.fromkeys(found))

        return answer

    def _column(self, one: SessionRow, what: str, child: str) -> list[Element]:
        store = self._store
        match what:
            case "staff":
                codes = [store.staff[identity].code for identity in one.staff]
            case "learners":
                codes = [store.learners[identity].code for identity in one.learners]
            case "rooms":
                codes = list(one.rooms)
            case _:
                td = what == "tdoptions"
                codes = [store.groups[identity].code for identity in one.groups if store.is_td(identity) == td]
        return [(child, str(code)) for code in codes]

    # Absences

    def _absences_between(self, given: Arguments) -> list[Element]:
        first, last = _wall(given["ADateHeureDebut"]), _wall(given["ADateHeureFin"])
        rows = self._absences.between(first.date(), last.date())
        who = given.get("AEtudiant")
        return [
            ("THpSvcWCleAbsence", str(one.code))
            for one in rows
            if one.first < last
            and one.last > first
            and who in (None, str(self._store.learners[one.identity].code))
        ]

    def _absence(self, given: Arguments) -> AbsenceRow:
        row = self._absences.one(given["AAbsence"])
        if row is None:
            raise Refused("absence inconnue")
        return row

    def _add(self, given: Arguments) -> str | None:
        key = self._absences.add(
            "AjouterAbsenceEtudiant",
            learner=given["AEtudiant"],
            first=_wall(given["ADateHeureDebut"]),
            last=_wall(given["ADateHeureFin"]),
            justified=given["AJustifie"] == "true",
        )
        return str(key) if self._switches.write_answer == "key" else None

    def _remove(self, given: Arguments) -> None:
        self._absences.remove(
            "EnleverAbsenceEtudiant",
            learner=given["AEtudiant"],
            first=_wall(given["ADateHeureDebut"]),
            last=_wall(given["ADateHeureFin"]),
        )


def _known(rows: Mapping[str, Any], key: str) -> Any:
    if key not in rows:
        raise Refused(f"clé inconnue : {key}")
    return rows[key]


def _keys(rows: Iterable[Any], child: str) -> list[Element]:
    return [(child, str(one.code)) for one in rows]


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _instant(at: datetime) -> str:
    """Local time disguised as UTC, as the server does."""
    return f"{at.isoformat(timespec='milliseconds')}Z"


def _wall(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


def _call(body: bytes) -> tuple[str, dict[str, Any]]:
    """The operation and its parameters. Raises ValueError, ParseError."""
    root = ElementTree.fromstring(body)
    held = [one for child in root if child.tag.endswith("}Body") for one in child]
    if len(held) != 1:
        raise ValueError("enveloppe incorrecte")
    given = {
        parameter.tag.rpartition("}")[2]: [item.text or "" for item in parameter]
        if len(parameter) or parameter.tag.rpartition("}")[2] == "ATableau"
        else parameter.text or ""
        for parameter in held[0]
    }
    return held[0].tag.rpartition("}")[2], given


def _answer(name: str, told: Any) -> str:
    inside = _element("return", told) if told is not None else ""
    return f'<m:{name}Response xmlns:m="{_NAMESPACE}">{inside}</m:{name}Response>'


def _element(name: str, told: Any) -> str:
    if told is None:
        return f'<{name} xsi:nil="true"/>'
    if isinstance(told, list):
        return f"<{name}>{''.join(_element(*one) for one in told)}</{name}>"
    return f"<{name}>{escape(sayable(told))}</{name}>"


def sayable(told: Any) -> Any:
    """What XML can carry of a text, or of all texts in `told`: it has no place for control characters."""
    if isinstance(told, str):
        return "".join(c for c in told if c >= " " or c in "\t\n\r")
    if isinstance(told, list):
        return [sayable(one) for one in told]
    if isinstance(told, dict):
        return {name: sayable(one) for name, one in told.items()}
    return told


def _enveloped(inside: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<soap:Body>{inside}</soap:Body></soap:Envelope>"
    )


def _fault(message: str) -> Response:
    inside = (
        "<soap:Fault><faultcode>soap:Server</faultcode>"
        f"<faultstring>{escape(sayable(message))}</faultstring></soap:Fault>"
    )
    return _xml(_enveloped(inside), 500)


def _xml(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type="text/xml; charset=utf-8")
