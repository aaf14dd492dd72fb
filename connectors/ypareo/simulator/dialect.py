"""Rows as Yparéo writes them: field names, three date forms, two kinds of booleans, objects keyed by code.

Field names and forms are seen in client code unless a switch says otherwise.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date
from typing import Any

from connectors.simulation.erp_rows import AbsenceRow, GroupRow, LearnerRow, SessionRow, StaffRow
from connectors.ypareo.simulator.store import Store
from connectors.ypareo.simulator.switches import YpareoSwitches


class BadDate(Exception):
    """A date that is not dd-mm-yyyy."""


class Dialect:
    """Renders the rows of a store."""

    def __init__(self, store: Store, switches: YpareoSwitches) -> None:
        self._store = store
        self._switches = switches

    def _text(self, text: str) -> str | None:
        return None if not text and self._switches.no_text == "null" else text

    def _flag(self, code: int, value: bool) -> int | bool:
        numbers = self._switches.booleans == "numbers" or (self._switches.booleans == "mixed" and not code % 2)
        return int(value) if numbers else value

    def period_row(self, code: int) -> dict[str, Any]:
        first, last = self._store.periods[code]
        return {
            "codePeriode": code,
            "nomPeriode": f"{first.year}/{last.year}",
            "dateDeb": slashed(first),
            "dateFin": slashed(last),
        }

    def group_row(self, group: GroupRow) -> dict[str, Any]:
        first, last = self._store.periods[self._store.period]
        return {
            "codeGroupe": group.code,
            "nomGroupe": group.name,
            "abregeGroupe": group.origin.short_name,
            "etenduGroupe": f"{group.name} {group.origin.site}",
            "codeFormation": self._store.courses[group.origin.course],
            "numeroAnnee": group.origin.year,
            "prixDeVente": 0,
            "dateDebut": slashed(first),
            "dateFin": slashed(last),
        }

    def learner_row(self, one: LearnerRow) -> dict[str, Any]:
        phones = {"tel1": self._text(""), "tel2": self._text("")}
        phones[self._switches.phone_field] = self._text(one.phone)
        named = not (self._store.departed(one) and self._switches.departed_enrolment == "cleared")
        return {
            "codeApprenant": one.code,
            "nomApprenant": one.last_name,
            "prenomApprenant": one.first_name,
            "nomJeuneFille": None,
            "codeCivilite": 1 + one.code % 2,
            "dateNaissance": slashed(one.born),
            "lieuNaissance": "",
            "codeCommuneNaissance": None,
            "codePaysNaissance": 1,
            "codeNationalite": 1,
            "adresse": {
                "adr1": f"{1 + one.code % 90} rue des Écoles",
                "adr2": "",
                "cp": "00000",
                "ville": "Villeneuve",
                "pays": {"nomPays": "FRANCE"},
                **phones,
                "email": self._text(one.email),
            },
            "informationsCourantes": {
                "codeGroupe": self._store.groups[one.group].code,
                "codeInscription": self._store.enrolment(one) if named else None,
            },
            "inscriptions": self._enrolments(one),
        }

    def _enrolments(self, one: LearnerRow) -> list[dict[str, Any]]:
        status = {
            "nomStatut": "Apprenti",
            "abregeStatut": "APP",
            "isFacturableNpec": self._flag(one.code, True),
            "isFacturableContrat": self._flag(one.code, False),
            "isFacturableFormation": self._flag(one.code, False),
        }
        site = {"codeSite": 1 + self._store.school.sites.index(one.site), "nomSite": one.site}

        def enrolment(code: int, period: int, current: bool, left: date | None) -> dict[str, Any]:
            first, last = self._store.periods[period]
            return {
                "codeInscription": code,
                "isInscriptionEnCours": self._flag(one.code, current),
                "codePeriode": period,
                "annee": f"{first.year}/{last.year}",
                "situation": "Inscrit" if current else "Sorti",
                "site": site,
                "statut": status,
                "dateDepart": slashed(left) if left else None,
            }

        code = self._store.enrolment(one)
        current = enrolment(code, self._store.period, not self._store.departed(one), one.left)
        if one.code % 3:
            return [current]
        # Last year's enrolment stands beside this year's, ended on no stated day.
        return [enrolment(code - 100000, self._store.period - 1, False, None), current]

    def learner_user(self, one: LearnerRow) -> dict[str, Any]:
        group = self._store.groups[one.group]
        return {
            "codeApprenant": one.code,
            **self._user(one.code, one.last_name, one.first_name, one.portal_email, one.born, "APPRENANT"),
            "codeGroupe": group.code,
            "nomGroupe": group.name,
            "abregeGroupe": group.origin.short_name,
        }

    def staff_user(self, one: StaffRow) -> dict[str, Any]:
        return {
            "codePersonnel": one.code,
            **self._user(one.code, one.last_name, one.first_name, one.email, one.born, "PERSONNEL"),
            "isFormateur": self._flag(one.code, one.trainer),
            "isAdministratif": self._flag(one.code, one.administrative),
        }

    def _user(self, code: int, last: str, first: str, email: str, born: date, role: str) -> dict[str, Any]:
        return {
            "codeNetUtilisateur": code + 200000,
            "uuidNetUtilisateur": str(
                uuid.uuid5(uuid.NAMESPACE_OID, f"{self._store.school.seed}:{role}:{code}")
            ),
            "login": f"u{code}",
            "nom": last,
            "prenom": first,
            "email": self._text(email),
            "dateNaissance": slashed(born),
            "typeUtilisateur": role,
            "identifiantSso": None,
            "dateDerniereConnexion": None,
        }

    def staff_row(self, one: StaffRow) -> dict[str, Any]:
        email = self._text(one.email)
        place: dict[str, dict[str, Any]] = {
            "address": {"adresse": {"email": email}},
            "flat": {"email": email},
            "none": {},
        }
        return {
            "codePersonnel": one.code,
            "nomPersonnel": one.last_name,
            "prenomPersonnel": one.first_name,
            "dateNaissance": slashed(one.born),
            **place[self._switches.staff_email],
        }

    def session_row(self, one: SessionRow) -> dict[str, Any]:
        row: dict[str, Any] = {
            "codeSeance": one.code,
            "codeMatiere": self._store.subject_code(one),
            "nomMatiere": one.subject,
            "date": slashed(one.day),
            "heureDebut": one.start.isoformat(),
            "heureFin": one.end.isoformat() if one.end else None,
            "duree": self._duration(one),
            "isDistance": int(one.remote),
            "codesGroupe": [self._store.groups[group].code for group in one.groups],
            "codesApprenant": [self._store.learners[learner].code for learner in one.learners],
            "codesPersonnel": [self._store.staff[person].code for person in one.staff],
            "codesSalle": list(one.rooms),
        }
        if one.end is None and self._switches.no_end == "empty":
            row["heureFin"] = ""
        if one.end is None and self._switches.no_end == "left_out":
            del row["heureFin"]
        return row

    def _duration(self, one: SessionRow) -> str | int | None:
        if one.end is None:
            return None
        # As the vendor would: the difference of the two wall times, whatever the clocks do that night.
        minutes = (one.end.hour - one.start.hour) * 60 + one.end.minute - one.start.minute
        match self._switches.duration:
            case "minutes":
                return minutes
            case "minutes_text":
                return str(minutes)
            case _:
                return f"{minutes // 60:02d}:{minutes % 60:02d}:00"

    def collection(self, rows: Mapping[Any, Any]) -> Any:
        if not rows and self._switches.empty_collection == "list":
            return []
        return {str(code): row for code, row in rows.items()}

    def planning_of(self, rows: list[dict[str, Any]]) -> Any:
        if not rows and self._switches.empty_planning == "list":
            return []
        return {"cours": rows}

    def absence_row(self, one: AbsenceRow) -> dict[str, Any]:
        learner = self._store.learners[one.identity]
        return {
            "codeAbsence": one.code,
            "codeApprenant": learner.code,
            "codeGroupe": self._store.groups[learner.group].code,
            "dateDeb": slashed(one.first.date()),
            "heureDeb": one.first.hour * 60 + one.first.minute,
            "dateFin": slashed(one.last.date()),
            "heureFin": one.last.hour * 60 + one.last.minute,
            "duree": int((one.last - one.first).total_seconds() // 60),
            "isJustifie": self._flag(one.code, one.justified),
            "isRetard": self._flag(one.code, one.late),
            **self._motive(one.reason),
        }

    def _motive(self, reason: str) -> dict[str, Any]:
        code = self._store.motive_code(reason)
        match self._switches.reason_shape:
            case "flat":
                return {"codeMotifAbsence": code, "libelleMotifAbsence": reason}
            case "name_only":
                return {"motifAbsence": {"nomMotifAbsence": reason}}
            case _:
                return {"motifAbsence": {"codeMotifAbsence": code, "nomMotifAbsence": reason}}


def course_row(name: str, code: int) -> dict[str, Any]:
    """A formation."""
    return {"codeFormation": code, "nomFormation": name, "abregeFormation": name.replace(" ", "")[:8].upper()}


def slashed(day: date) -> str:
    """A date as bodies hold it."""
    return f"{day:%d/%m/%Y}"


def dashed(text: str) -> date:
    """A date as paths and queries hold it. Raises BadDate."""
    parts = text.split("-")
    if [len(part) for part in parts] != [2, 2, 4] or not all(part.isdigit() for part in parts):
        raise BadDate(text)
    try:
        return date(int(parts[2]), int(parts[1]), int(parts[0]))
    except ValueError:
        raise BadDate(text) from None
