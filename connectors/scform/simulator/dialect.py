"""Rows as SC-Form writes them: names of fields, loose casing and types, `$id` and `$ref`, two date orders."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Any

from connectors.scform.simulator.store import TYPES, AbsenceType, Enrolment, Store
from connectors.scform.simulator.switches import ScFormSwitches
from connectors.simulation.erp_rows import AbsenceRow, GroupRow, SessionRow, StaffRow

Written = dict[str, Any]


class BadDate(Exception):
    """A date that a société cannot read."""


class Dialect:
    """Renders the rows of a store. An object that stands for one thing is one Python object within an answer,
    which `referenced` then writes once."""

    def __init__(self, store: Store, switches: ScFormSwitches) -> None:
        self._store = store
        self._switches = switches
        self._standing: dict[str, list[AbsenceRow]] = {}

    # Questions

    def asked_date(self, text: str, society: int) -> date:
        """A date of a question as that société reads it. Raises BadDate."""
        parts = text.split("T")[0].split("-")
        if [len(part) for part in parts] != [4, 2, 2] or not all(part.isdigit() for part in parts):
            raise BadDate(text)
        year, one, two = map(int, parts)
        swapped = self._switches.date_orders.get(society) == "year-day-month"
        try:
            return date(year, two, one) if swapped else date(year, one, two)
        except ValueError:
            raise BadDate(text) from None

    # Rows

    def society(self, id: int, name: str) -> Written:
        return {"ID": id, "Libelle": name}

    def type(self, one: AbsenceType) -> Written:
        return {
            "ID": one.id,
            "Reference": one.reference,
            "Libelle": one.name,
            "Retard": one.late if one.id % 2 else _yes(one.late),
            "Absence": not one.late,
            "Absence_A_Appel": False,
        }

    def staff(self, one: StaffRow) -> Written:
        return {
            "ID": one.code,
            "Reference": f"INT{one.code:05d}",
            "Civilite": "Mme" if one.code % 2 else "M.",
            "Nom": one.last_name,
            "Prenom": one.first_name,
            "Email_Perso": None,
            "Email_Pro": one.email or None,
            "Telephone_Perso": None,
            "Telephone_Pro": None,
            "Mobile_Perso": None,
            "Mobile_Pro": None,
            "Adresse": {"NumRue": None, "Adr1": None, "Code_Postal": "00000", "Ville": "VILLENEUVE"},
        }

    def person(self, one: Enrolment, whole: bool) -> Written:
        learner = one.learner
        row: Written = {
            "ID": learner.code,
            "Reference": f"SMZ{learner.code:05d}",
            "Civilite": "Mme" if learner.code % 2 else "M.",
            "Nom": learner.last_name,
            "Prenom": learner.first_name,
        }
        if not whole:
            return row
        return {
            **row,
            "ID_Individu": learner.code + 80000,
            "Nom_Naissance": None,
            "Date_Naissance": _stamp(learner.born),
            "Identifiant_Utilisateur": None,
            "Charge_Affaires": None,
            "Email_Perso": learner.email or None,
            "Email_Pro": None,
            "Telephone_Perso": None,
            "Telephone_Pro": None,
            "Mobile_Perso": learner.phone or None,
            "Mobile_Pro": None,
            "Adresse": {"NumRue": "3", "Adr1": "rue des Écoles", "Code_Postal": "00000", "Ville": "VILLENEUVE"},
        }

    def enrolment(self, one: Enrolment, person: Written) -> Written:
        return {
            "ID": one.id,
            "Stagiaire": person,
            "IDAction": one.group.code,
            "Date_Entree": _stamp(one.first),
            "Date_Sortie": _stamp(one.last) if one.last else None,
            "Date_Sortie_Previsionnelle": _stamp(self._store.year.replace(year=self._store.year.year + 1)),
            "IDParcours_Groupe": one.group.code + 5000,
            "Libelle_Parcours_Groupe": one.group.name,
            "Libelle_Parcours": one.group.origin.course,
            "Code_Analytique_Parcours": None,
            # Invented, as everything here: the field exists and is none of a connector's business.
            "CIR": "0000000000000",
        }

    def action(self, one: GroupRow) -> Written:
        return {
            "ID": one.code,
            "Reference": one.origin.short_name,
            "Libelle": one.name,
            "Debut": _stamp(self._store.year),
            "Fin": _stamp(self._store.year.replace(year=self._store.year.year + 1)),
            "Code_Analytique": None,
            "IDLieu_Site": 1 + self._store.school.sites.index(one.origin.site),
        }

    def shared_action(self, id: int, name: str) -> Written:
        return {
            "ID": id,
            "Reference": f"TC{id}",
            "Libelle": name,
            "Debut": _stamp(self._store.year),
            "Fin": _stamp(self._store.year.replace(year=self._store.year.year + 1)),
        }

    def room(self, code: int) -> Written:
        name = self._store.rooms.get(code, str(code))
        return {"ID": code, "Reference": f"S{code}", "Libelle": name, "Libelle_Court": name, "NbPlace": 30}

    def sessions(self, found: Iterable[SessionRow]) -> list[Written]:
        """Sessions of one answer: the same person, trainer or room is the same object in all of them."""
        whole = self._switches.nested_people == "whole"
        people: dict[int, Written] = {}
        staff = {identity: self.staff(one) for identity, one in self._store.staff.items()}
        self._standing = {}
        for absence in self._store.standing():
            self._standing.setdefault(absence.identity, []).append(absence)
        rooms: dict[int, Written] = {}
        answer = []
        for one in found:
            enrolled = [self._store.enrolment_on(one, identity) for identity in one.learners]
            persons = []
            for enrolment in enrolled:
                row = people.setdefault(enrolment.id, self.enrolment(enrolment, self.person(enrolment, whole)))
                persons.append(self._turn(one, enrolment, row))
            answer.append(
                self._session(
                    one,
                    persons,
                    [staff[identity] for identity in one.staff],
                    [rooms.setdefault(code, self.room(code)) for code in one.rooms],
                )
            )
        return answer

    def _session(
        self, one: SessionRow, persons: list[Written], staff: list[Written], rooms: list[Written]
    ) -> Written:
        action = self._store.action_of(one)
        return {
            "ID": f"S{one.code}",
            "Date": _stamp(one.day),
            "Debut": one.start.isoformat(),
            "Duree": _duration(one.start, one.end),
            "Fin": one.end.isoformat() if one.end else None,
            "IDModule": 100 + self._store.subjects[one.subject],
            "IDAction": action,
            "Libelle": one.subject,
            "Libelle_Court": one.subject[:10],
            "Libelle_Action": ", ".join(self._store.groups[group].name for group in one.groups),
            "IDLieu": 1,
            "Libelle_Lieu": self._store.school.sites[0],
            "Seances_Persos": persons,
            "Salles": rooms,
            "Intervenants": staff,
            "Materiels": [],
            "Visibilite_stagiaire": True,
        }

    def _turn(self, one: SessionRow, enrolment: Enrolment, inscrit: Written) -> Written:
        row: Written = {
            "Debut": one.start.isoformat(),
            "Duree": _duration(one.start, one.end),
            "Fin": one.end.isoformat() if one.end else None,
            "Type_Seance": 1,
            "Libelle_Type_Seance": "Centre",
            "Libelle": one.subject,
            "Libelle_Court": one.subject[:10],
            "Module_Prevu": "Oui",
            "Personnalisee": "Non",
            "Distancielle": _yes(one.remote),
            "Inscrit": inscrit,
        }
        return {**row, **self._absence(one, enrolment)}

    def _absence(self, one: SessionRow, enrolment: Enrolment) -> Written:
        for found in reversed(self._standing.get(enrolment.learner.identity, [])):
            if of_session(found, one):
                kind = type_of(found)
                return {
                    "Debut_Absence": found.first.time().isoformat(),
                    "Duree_Absence": _duration(found.first.time(), found.last.time()),
                    "Fin_Absence": found.last.time().isoformat(),
                    "IDTypAbsen": kind.id,
                    "LTypAbsen": kind.name,
                }
        return dict.fromkeys(("Debut_Absence", "Duree_Absence", "Fin_Absence", "IDTypAbsen", "LTypAbsen"), None)

    def other_turn(self, group: GroupRow, day: date, enrolled: list[Enrolment]) -> Written:
        """A day in the company: it stands in the planning, and no attendance is taken of it."""
        return {
            "ID": f"S{group.code}{day:%y%m%d}",
            "Date": _stamp(day),
            "Debut": "08:00:00",
            "Duree": "09:00:00",
            "Fin": "17:00:00",
            "IDModule": None,
            "IDAction": group.code,
            "Libelle": "Entreprise",
            "Seances_Persos": [
                {
                    "Debut": "08:00:00", "Duree": "09:00:00", "Fin": "17:00:00", "Type_Seance": 3,
                    "Libelle_Type_Seance": "Entreprise", "Debut_Absence": None, "Fin_Absence": None,
                    "IDTypAbsen": None, "Inscrit": self.enrolment(one, self.person(one, False)),
                }
                for one in enrolled
            ],
            "Salles": [],
            "Intervenants": [],
            "Materiels": [],
        }  # fmt: skip

    # The whole answer

    def dressed(self, rows: list[Written]) -> list[Written]:
        """Rows with this answer's casing, types, nulls and references."""
        known: dict[int, str] = {}
        return [self._dressed(row, known, n) for n, row in enumerate(rows)]

    def _dressed(self, value: Any, known: dict[int, str], n: int) -> Any:
        if isinstance(value, list):
            return [self._dressed(item, known, n) for item in value]
        if not isinstance(value, dict):
            return value
        if self._switches.references and id(value) in known:
            return {"$ref": known[id(value)]}
        made: Written = {"$id": str(len(known) + 1)}
        known[id(value)] = made["$id"]
        for name, item in value.items():
            if item is None and self._switches.nulls == "left_out":
                continue
            made[self._cased(name, n)] = self._typed(name, self._dressed(item, known, n), n)
        return made

    def _cased(self, name: str, n: int) -> str:
        if self._switches.casing == "documented" or n % 2:
            return name
        return {"Seances_Persos": "Seances_persos", "Stagiaire": "stagiaire", "IDAction": "IdAction"}.get(
            name, name
        )

    def _typed(self, name: str, value: Any, n: int) -> Any:
        if self._switches.types == "documented" or n % 2 or not isinstance(value, int):
            return value
        return str(value) if name in ("ID", "IDAction", "IDTypAbsen") else value


def of_session(absence: AbsenceRow, one: SessionRow) -> bool:
    """Whether an absence shows on a session: it names it, or lies within its times."""
    if absence.session is not None:
        return absence.session == one.identity
    if one.end is None:
        return False
    begins = datetime.combine(one.day, one.start)
    ends = datetime.combine(one.last_day, one.end)
    return absence.first < ends and absence.last > begins


def type_of(absence: AbsenceRow) -> AbsenceType:
    """The TYPABSEN of a row: by its reason's name, else by what it is. Whether an absence is justified, its
    type alone can say."""
    usual = TYPES[2] if absence.state == "late" else TYPES[3] if absence.justified else TYPES[0]
    named = next((one for one in TYPES if one.name == absence.reason), usual)
    return named if named.justified == absence.justified else usual


def _yes(value: bool) -> str:
    return "Oui" if value else "Non"


def _stamp(day: date) -> str:
    return f"{day.isoformat()}T00:00:00"


def _duration(first: time, last: time | None) -> str | None:
    if last is None:
        return None
    minutes = (last.hour - first.hour) * 60 + last.minute - first.minute
    minutes %= 24 * 60
    return f"{minutes // 60:02d}:{minutes % 60:02d}:00"
