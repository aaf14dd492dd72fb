"""Rows as Hyperplanning's REST interface writes them: snake case in French, wall times, keys.

Names beyond `cle`, `nom`, `prenom`, `code`, `jour_heure_debut` and `enseignants` are inferred from the SOAP
getters; how times and durations are written is on switches.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from connectors.hyperplanning.simulator.store import Course, Store
from connectors.hyperplanning.simulator.switches import HyperplanningSwitches
from connectors.simulation.erp_rows import AbsenceRow, GroupRow, LearnerRow, SessionRow, StaffRow

Row = dict[str, Any]

_PER = {"days": timedelta(days=1), "hours": timedelta(hours=1), "minutes": timedelta(minutes=1)}


class Dialect:
    """Renders the rows of a store."""

    def __init__(self, store: Store, switches: HyperplanningSwitches) -> None:
        self._store = store
        self._switches = switches

    def learner_row(self, one: LearnerRow) -> Row:
        return {
            "cle": one.code,
            "nom": one.last_name,
            "prenom": one.first_name,
            self._switches.email_field: one.email or None,
            "identifiant": f"E{one.code}",
            "numero_ine": None,
            "date_de_naissance": one.born.isoformat(),
            "numero_d_ordre": one.code - 2000,
        }

    def teacher_row(self, one: StaffRow) -> Row:
        return {
            "cle": one.code,
            "nom": one.last_name,
            "prenom": one.first_name,
            "code": f"{one.last_name[:3].upper()}{one.code}",
            self._switches.email_field: one.email or None,
        }

    def promotion_row(self, one: GroupRow) -> Row:
        return {"cle": one.code, "nom": one.name, "code": one.origin.short_name, "identifiant": None}

    def td_row(self, one: GroupRow) -> Row:
        return {
            "cle": one.code,
            "nom": one.name,
            "code": one.origin.short_name,
            "promotion": self._store.promotion_of(one).code,
        }

    def course_row(self, one: Course) -> Row:
        row: Row = {
            "cle": one.key,
            "matiere": self._store.subject_key(one.subject) if one.subject else None,
            "type_cours": "Cours",
            "memo": "",
        }
        if self._switches.parent_field:
            row["est_un_cours_pere"] = one.parent
        return row

    def session_row(self, course: int, one: SessionRow) -> Row:
        """A placed session, under its course's key."""
        groups = [self._store.groups[identity] for identity in one.groups]
        row: Row = {
            "cle": course,
            "jour_heure_debut": self.wall(datetime.combine(one.day, one.start)),
            "duree": lasts(one) / _PER[self._switches.rest_duration],
            "matiere": self._store.subject_key(one.subject),
            "type_cours": "TD" if one.remote else "Cours",
            "enseignants": [self._store.staff[identity].code for identity in one.staff],
            "promotions": [group.code for group in groups if not self._store.is_td(group.identity)],
            "tdoptions": [group.code for group in groups if self._store.is_td(group.identity)],
            "salles": list(one.rooms),
            "memo": "",
        }
        if self._switches.session_learners:
            row["etudiants"] = [self._store.learners[identity].code for identity in one.learners]
        return row

    def absence_row(self, one: AbsenceRow) -> Row:
        return {
            "cle": one.code,
            "etudiant": self._store.learners[one.identity].code,
            "date_heure_debut": self.wall(one.first),
            "date_heure_fin": self.wall(one.last),
            "justifie": one.justified,
            "motif": one.reason or None,
        }

    def lateness_row(self, one: AbsenceRow) -> Row:
        return {
            "cle": one.code,
            "etudiant": self._store.learners[one.identity].code,
            "date_heure": self.wall(one.first),
            "duree": timedelta(minutes=one.minutes) / _PER[self._switches.rest_duration],
            "justifie": one.justified,
            "motif": one.reason or None,
        }

    def wall(self, at: datetime) -> str:
        """A wall time as REST shows it."""
        return f"{at.isoformat()}Z" if self._switches.false_z else at.isoformat(sep=" ")

    def minutes(self, duration: Any) -> int:
        """A duration somebody sent, in minutes. Raises ValueError, TypeError."""
        return round(float(duration) * _PER[self._switches.rest_duration] / timedelta(minutes=1))


def lasts(one: SessionRow) -> timedelta:
    """A session's length as the planning counts it: between two wall times, whatever the clocks do."""
    assert one.end is not None
    return datetime.combine(one.last_day, one.end) - datetime.combine(one.day, one.start)
