"""Aimaira's entities: their fields, where their keys lead, and the rows of a store in that dialect.

Entities and fields are documented unless a comment says otherwise; navigation but `Mail` is inferred.
No value: 0 for keys, "" for most texts, null for dates (documented).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, TypeAlias

from connectors.aimaira.simulator.query import Among, Row
from connectors.aimaira.simulator.store import ENROLMENT, MAIL, MEETING, MOBILE, AimairaStore, key
from connectors.aimaira.simulator.switches import AimairaSwitches
from connectors.simulation.erp_rows import GroupRow, LearnerRow, SessionRow, StaffRow

Edm: TypeAlias = Literal["Int32", "String", "Boolean", "DateTimeOffset", "ProvenancePresence"]

TYPES: Mapping[str, int] = {
    "SALLE": 334210, "MATERIEL": 334211, "APPRENANT": 334212, "PROF": 334213, "GROUPE": 2527950,
}  # fmt: skip
EVENT_TYPES: Mapping[str, int] = {
    "SEANCE": key(16, 0), "EXAMEN": key(16, 1), "EVENEMENT": key(16, 2), "RESERVATIO": key(16, 3),
}  # fmt: skip
STATES: Mapping[str, tuple[int, bool]] = {
    "APP": (key(15, 0), True), "DEM": (key(15, 1), False), "DIP": (key(15, 2), False),
    "EXC": (key(15, 3), False), "FIS": (key(15, 4), False),
}  # fmt: skip
"""Enrolment states: key, and whether it is a learner's who is there."""
ORIGINS = ("None", "Salle")
"""Members of ProvenancePresence: one documented, one seen in client code."""

_BASE: dict[str, Edm] = {"Id": "Int32", "Nom": "String", "Code": "String"}
_PERSON: dict[str, Edm] = {
    **_BASE,
    "Login": "String", "Prenoms": "String", "NomUsage": "String", "PrenomUsage": "String",
    "NomJeuneFille": "String", "CiviliteId": "Int32", "AdresseId": "Int32", "MailId": "Int32",
    "TelephoneId": "Int32", "MobileId": "Int32", "DateNaissance": "DateTimeOffset", "RefSysteme": "String",
    "NumeroInsee": "String",
}  # fmt: skip
FIELDS: dict[str, dict[str, Edm]] = {
    "Apprenant": {
        **_PERSON,
        "GenreMale": "Boolean", "Handicap": "Boolean", "Tuteur1Id": "Int32", "EntrepriseId": "Int32",
        "IndividuId": "Int32", "NumeroIne": "String", "RestreintPedagogie": "Boolean", "ESI": "String",
    },
    "Enseignant": {
        **_PERSON, "EntiteJuridiqueId": "Int32", "MailEcoleId": "Int32", "MatriculeRH": "String",
        "Discipline": "String", "Profession": "String",
    },
    "Mail": {**_BASE, "Adresse": "String", "IsDuplicate": "Boolean"},
    "Telephone": {**_BASE, "Numero": "String", "IsMobile": "Boolean"},
    "Programme": {
        **_BASE, "EntiteJuridiqueId": "Int32", "EcoleId": "Int32", "LibelleExterne": "String",
        "NbAnnee": "Int32", "CodeRNCP": "String",
    },
    "EtatInscription": {**_BASE, "ApprenantON": "Boolean"},
    "Inscription": {
        **_BASE, "ApprenantId": "Int32", "ProgrammeId": "Int32", "EtatInscriptionId": "Int32",
        "DateInscription": "DateTimeOffset", "DateSortie": "DateTimeOffset",
    },
    "Sequence": {
        **_BASE, "ProgrammeId": "Int32", "TypeSequenceId": "Int32", "Debut": "DateTimeOffset",
        "Fin": "DateTimeOffset", "LibelleExterne": "String", "DisplayPlanning": "Boolean",
    },
    "InscriptionSequence": {
        **_BASE, "ApprenantId": "Int32", "SequenceId": "Int32", "DateDesinscription": "DateTimeOffset",
    },
    "Cours": {
        **_BASE, "Actif": "Boolean", "Debut": "DateTimeOffset", "Fin": "DateTimeOffset",
        "LibelleExterne": "String",
    },
    # Seen in client code, a partial list; CoursId is inferred from the route Cours/{id}/Seances.
    "Seance": {
        **_BASE, "Debut": "DateTimeOffset", "Fin": "DateTimeOffset", "Enseignants": "String",
        "PlanificationId": "Int32", "NomSalle": "String", "CoursId": "Int32",
    },
    "TypePlanification": dict(_BASE),
    "Planification": {
        **_BASE, "EntiteJuridiqueId": "Int32", "Debut": "DateTimeOffset", "Fin": "DateTimeOffset",
        "TypePlanificationId": "Int32", "Enseignants": "String", "ReferenceExterne": "String",
        "DateSynchronisation": "DateTimeOffset", "ReferenceMultiple": "Int32", "Annule": "Boolean",
        "Realise": "Boolean", "CommentaireInterneId": "Int32", "CommentaireExterneId": "Int32",
        "ProgrammeId": "Int32", "SequenceId": "Int32",
    },
    "PlanificationRessource": {
        **_BASE, "PlanificationId": "Int32", "TypeRessourceId": "Int32", "Debut": "DateTimeOffset",
        "Fin": "DateTimeOffset", "PlanificationDebut": "DateTimeOffset", "PlanificationFin": "DateTimeOffset",
        "Presence": "Boolean", "Exclusion": "Boolean", "Depart": "Boolean", "Retard": "Boolean",
        "Reference": "Int32", "IdProgramme": "Int32", "IdSequence": "Int32", "Detail": "String",
        "ControlePresence": "DateTimeOffset", "MotifId": "Int32", "ReferenceTraitement": "String",
        "ProvenancePresence": "ProvenancePresence", "CommentaireId": "Int32",
        "LibelleEtatInscription": "String", "RessourceCampusId": "Int32",
    },
    "Ressource": {**_BASE, "TypeRessourceId": "Int32"},
    "TypeRessource": dict(_BASE),
    "Campus": {**_BASE, "Adresse": "String"},
    "EntiteJuridique": dict(_BASE),
    "Ecole": dict(_BASE),
    "Periode": {**_BASE, "Debut": "DateTimeOffset", "Fin": "DateTimeOffset", "EnCours": "Boolean"},
}  # fmt: skip


@dataclass(frozen=True)
class Lead:
    """A navigation property: to the row of `target` whose `field` is this row's `own`, or to all of them."""

    target: str
    own: str
    field: str = "Id"
    many: bool = False
    proven: bool = False


LEADS: Mapping[str, Mapping[str, Lead]] = {
    "Apprenant": {
        "Mail": Lead("Mail", "MailId", proven=True),
        "Mobile": Lead("Telephone", "MobileId"),
        "Telephone": Lead("Telephone", "TelephoneId"),
    },
    "Enseignant": {
        "Mail": Lead("Mail", "MailId", proven=True),
        "MailEcole": Lead("Mail", "MailEcoleId"),
        "Mobile": Lead("Telephone", "MobileId"),
        "Telephone": Lead("Telephone", "TelephoneId"),
    },
    "Inscription": {
        "Apprenant": Lead("Apprenant", "ApprenantId"),
        "Programme": Lead("Programme", "ProgrammeId"),
        "EtatInscription": Lead("EtatInscription", "EtatInscriptionId"),
    },
    "InscriptionSequence": {
        "Apprenant": Lead("Apprenant", "ApprenantId"),
        "Sequence": Lead("Sequence", "SequenceId"),
    },
    "Sequence": {"Programme": Lead("Programme", "ProgrammeId")},
    "Seance": {"Cours": Lead("Cours", "CoursId"), "Planification": Lead("Planification", "PlanificationId")},
    "Cours": {"Seances": Lead("Seance", "Id", "CoursId", many=True, proven=True)},
    "Planification": {
        "PlanificationsRessource": Lead(
            "PlanificationRessource", "Id", "PlanificationId", many=True, proven=True
        ),
        "TypePlanification": Lead("TypePlanification", "TypePlanificationId"),
        "Sequence": Lead("Sequence", "SequenceId"),
    },
    "PlanificationRessource": {
        "Planification": Lead("Planification", "PlanificationId"),
        "TypeRessource": Lead("TypeRessource", "TypeRessourceId"),
    },
    # The plural moves: it is documented so on one side, seen so on the other.
    "Ressource": {
        "PlanificationRessources": Lead("PlanificationRessource", "Id", "Reference", many=True, proven=True)
    },
}  # fmt: skip


class Entities:
    """The rows of one store, by entity; made anew when something changed."""

    def __init__(self, store: AimairaStore, switches: AimairaSwitches) -> None:
        self._store = store
        self._switches = switches
        self._made: dict[str, list[Row]] = {}
        self._index: dict[tuple[str, str], dict[Any, list[Row]]] = {}
        self._on_event: dict[int, list[Row]] = {}
        self._by_code: dict[int, SessionRow] = {}
        self._stamp: Any = None
        self._written = 0
        self._sources: Mapping[str, Callable[[], Iterable[Row]]] = {
            "Apprenant": lambda: map(self._learner, self._present()),
            "Enseignant": lambda: map(self._teacher, self._teachers()),
            "Mail": self._mails,
            "Telephone": self._phones,
            "Programme": self._programmes,
            "EtatInscription": self._states,
            "Inscription": lambda: map(self._enrolment, self._present()),
            "Sequence": lambda: map(self._sequence, self._store.groups.values()),
            "InscriptionSequence": self._memberships,
            "Cours": self._courses,
            "Seance": lambda: map(self._meeting, self._planned()),
            "TypePlanification": lambda: (_typed(code, id) for code, id in EVENT_TYPES.items()),
            "Planification": self._events,
            "Ressource": self._resources,
            "TypeRessource": lambda: (_typed(code, id) for code, id in TYPES.items()),
            "Campus": lambda: (self._campus(n, {"Adresse": ""}) for n in range(len(store.school.sites))),
            "EntiteJuridique": lambda: (self._campus(n, {}) for n in range(len(store.school.sites))),
            "Ecole": lambda: [_based(key(17, 0), "École de démonstration", "ECOLE")],
            "Periode": self._years,
        }

    def rows(self, entity: str, among: Among | None = None) -> list[Row]:
        """An entity's rows; where `among` says that only some can be meant, at least those."""
        self._refresh()
        if entity == "PlanificationRessource":
            return self._event_rows(among)
        if among is not None:
            index = self.by(entity, among.field)
            return [row for value in among.values for row in index.get(value, ())]
        if entity not in self._made:
            self._made[entity] = list(self._sources[entity]())
        return self._made[entity]

    def by(self, entity: str, field: str) -> Mapping[Any, list[Row]]:
        """An entity's rows by a field."""
        self._refresh()
        if (entity, field) not in self._index:
            index: dict[Any, list[Row]] = {}
            for row in self.rows(entity):
                index.setdefault(row.get(field), []).append(row)
            self._index[entity, field] = index
        return self._index[entity, field]

    def along(self, lead: Lead, row: Row) -> list[Row]:
        """Where a navigation property leads from a row."""
        value = row[lead.own]
        if not value:
            return []
        if lead.target == "PlanificationRessource":
            return self.rows(lead.target, Among(lead.field, frozenset({value})))
        return self.by(lead.target, lead.field).get(value, [])

    def _refresh(self) -> None:
        control = self._store.control
        stamp = (len(control.edits), self._store.version, self._store.today())
        # The API writes marks and nothing else.
        if (stamp, len(control.writes)) != (self._stamp, self._written):
            self._on_event.clear()
            self._written = len(control.writes)
        if stamp != self._stamp:
            self._made.clear()
            self._index.clear()
            self._by_code = {one.code: one for one in self._planned()}
            self._stamp = stamp

    # People

    def _present(self) -> list[LearnerRow]:
        return [one for one in self._store.learners.values() if not one.removed]

    def _teachers(self) -> list[StaffRow]:
        return [one for one in self._store.staff.values() if one.trainer]

    def _person(self, one: LearnerRow | StaffRow, code: str) -> Row:
        filled = self._switches.names_in_use == "filled"
        return {
            **_based(one.code, one.last_name, code),
            "Login": f"u{one.code}",
            "Prenoms": one.first_name,
            "NomUsage": one.last_name if filled else "",
            "PrenomUsage": one.first_name if filled else "",
            "NomJeuneFille": "",
            "CiviliteId": 0,
            "AdresseId": 0,
            "MailId": one.code + MAIL if one.email else 0,
            "TelephoneId": 0,
            "MobileId": 0,
            "DateNaissance": self._midnight(one.born),
            "RefSysteme": str(one.code + 1),
            "NumeroInsee": "",
        }

    def _learner(self, one: LearnerRow) -> Row:
        return {
            **self._person(one, learner_code(one)),
            "MobileId": one.code + MOBILE if one.phone else 0,
            "GenreMale": bool(one.code % 2),
            "Handicap": False,
            "Tuteur1Id": 0,
            "EntrepriseId": 0,
            "IndividuId": 0,
            "NumeroIne": None,
            "RestreintPedagogie": False,
            "ESI": "",
        }

    def _teacher(self, one: StaffRow) -> Row:
        return {
            **self._person(one, teacher_code(one)),
            "EntiteJuridiqueId": key(14, 0),
            "MailEcoleId": 0,
            "MatriculeRH": "",
            "Discipline": "",
            "Profession": "",
        }

    def _mails(self) -> Iterable[Row]:
        people: list[LearnerRow | StaffRow] = [*self._present(), *self._teachers()]
        for one in people:
            if one.email:
                yield {**_based(one.code + MAIL, "", ""), "Adresse": one.email, "IsDuplicate": False}

    def _phones(self) -> Iterable[Row]:
        for one in self._present():
            if one.phone:
                yield {**_based(one.code + MOBILE, "", ""), "Numero": one.phone, "IsMobile": True}

    def _enrolment(self, one: LearnerRow) -> Row:
        state = "DEM" if self._store.departed(one) else "APP"
        return {
            **_based(one.code + ENROLMENT, "", ""),
            "ApprenantId": one.code,
            "ProgrammeId": self._programme(self._store.groups[one.group]),
            "EtatInscriptionId": STATES[state][0],
            "DateInscription": self._midnight(self._store.year[0]),
            "DateSortie": self._midnight(one.left) if one.left else None,
        }

    def _states(self) -> Iterable[Row]:
        for code, (id, on) in STATES.items():
            yield {**_based(id, code.title(), code), "ApprenantON": on}

    # What is studied

    def _programme(self, group: GroupRow) -> int:
        return key(11, self._course_names().index((group.origin.course, group.origin.site)))

    def _course_names(self) -> list[tuple[str, str]]:
        groups = self._store.groups.values()
        return sorted({(group.origin.course, group.origin.site) for group in groups})

    def _programmes(self) -> Iterable[Row]:
        for n, (name, site) in enumerate(self._course_names()):
            yield {
                **_based(key(11, n), name, f"P{n + 1:02d}"),
                "EntiteJuridiqueId": self._site(site),
                "EcoleId": key(17, 0),
                "LibelleExterne": name,
                "NbAnnee": 2,
                "CodeRNCP": "",
            }

    def _sequence(self, group: GroupRow) -> Row:
        first, last = self._store.year
        return {
            **_based(group.code, group.name, group.origin.short_name),
            "ProgrammeId": self._programme(group),
            "TypeSequenceId": 0,
            "Debut": self._midnight(first),
            "Fin": self._midnight(last),
            "LibelleExterne": group.name,
            "DisplayPlanning": True,
        }

    def _memberships(self) -> Iterable[Row]:
        stay = self._switches.departed_members == "stay"
        for one in self._present():
            left = one.left if one.left is not None and not stay else None
            yield self._membership(one.identity, one.group, self._midnight(left) if left else None)
        for learner, group, at in self._store.former:
            one = self._store.learners[learner]
            if not one.removed and one.group != group:
                yield self._membership(learner, group, self._store.written(at))

    def _membership(self, learner: str, group: str, until: str | None) -> Row:
        return {
            **_based(self._store.membership_key(learner, group), "", ""),
            "ApprenantId": self._store.learners[learner].code,
            "SequenceId": self._store.groups[group].code,
            "DateDesinscription": until,
        }

    def _courses(self) -> Iterable[Row]:
        first, last = self._store.year
        for subject, n in self._store.subjects.items():
            yield {
                **_based(key(10, n), subject, f"C{n + 1:03d}"),
                "Actif": True,
                "Debut": self._midnight(first),
                "Fin": self._midnight(last),
                "LibelleExterne": subject,
            }

    # What is planned

    def _planned(self) -> list[SessionRow]:
        gone = self._switches.cancelled == "gone"
        return [one for one in self._store.sessions.values() if not (gone and one.cancelled)]

    def _meeting(self, one: SessionRow) -> Row:
        start, end = self._store.times(one)
        return {
            **_based(one.code + MEETING, "", ""),
            "Debut": self._store.written(start),
            "Fin": self._store.written(end),
            "Enseignants": self._teachers_of(one),
            "PlanificationId": one.code,
            "NomSalle": self._store.session_room(one),
            "CoursId": key(10, self._store.subjects[one.subject]),
        }

    def _events(self) -> Iterable[Row]:
        yield from map(self._event, self._planned())
        # What is no class: a staff meeting each Monday.
        for week in range(4):
            day = self._store.school.first + timedelta(days=7 * week)
            start = datetime.combine(day, time(17), self._store.zone).astimezone(UTC)
            yield {
                **self._bare_event(key(18, week), start, start + timedelta(hours=1)),
                "Nom": "Réunion pédagogique",
                "TypePlanificationId": EVENT_TYPES["EVENEMENT"],
            }

    def _event(self, one: SessionRow) -> Row:
        group = self._store.groups[one.groups[0]]
        start, end = self._store.times(one)
        return {
            **self._bare_event(one.code, start, end),
            "Nom": one.subject if self._switches.title == "event" else "",
            "EntiteJuridiqueId": self._site(group.origin.site),
            "Enseignants": self._teachers_of(one),
            "Annule": one.cancelled,
            "ProgrammeId": self._programme(group),
            "SequenceId": group.code,
        }

    def _bare_event(self, id: int, start: datetime | None, end: datetime | None) -> Row:
        return {
            **_based(id, "", f"PL{id}"),
            "EntiteJuridiqueId": key(14, 0),
            "Debut": self._store.written(start),
            "Fin": self._store.written(end),
            "TypePlanificationId": EVENT_TYPES["SEANCE"],
            "Enseignants": "",
            "ReferenceExterne": "",
            "DateSynchronisation": None,
            "ReferenceMultiple": 0,
            "Annule": False,
            "Realise": False,
            "CommentaireInterneId": 0,
            "CommentaireExterneId": 0,
            "ProgrammeId": 0,
            "SequenceId": 0,
        }

    def _teachers_of(self, one: SessionRow) -> str:
        people = (self._store.staff[identity] for identity in one.staff)
        return ", ".join(f"{person.last_name.upper()} {person.first_name}" for person in people)

    # What stands on an event

    def _event_rows(self, among: Among | None) -> list[Row]:
        if among is None or among.field not in ("PlanificationId", "Id", "Reference"):
            return [row for code in self._by_code for row in self._on_it(code)]
        if among.field == "PlanificationId":
            return [row for code in among.values if code in self._by_code for row in self._on_it(code)]
        codes: Iterable[int] = self._by_code
        if among.field == "Id":
            places = [place for id in among.values if (place := self._store.row_of(id)) is not None]
            codes = {self._store.sessions[session].code for session, _who in places} & self._by_code.keys()
        return [row for code in codes for row in self._on_it(code) if row[among.field] in among.values]

    def _on_it(self, code: int) -> list[Row]:
        """The rows of one event."""
        if code not in self._on_event:
            self._on_event[code] = self._on(self._by_code[code])
        return self._on_event[code]

    def _on(self, one: SessionRow) -> list[Row]:
        found = [
            self._row(one, f"room:{code}", "SALLE", self._store.rooms.get(code, ""), f"S{code}", key(12, code))
            for code in one.rooms
        ]
        for identity in one.staff:
            person = self._store.staff[identity]
            name = f"{person.last_name.upper()} {person.first_name}"
            found.append(self._row(one, identity, "PROF", name, teacher_code(person), person.code))
        if self._switches.group_rows == "beside" or one.identity in self._store.group_only:
            for identity in one.groups:
                group = self._store.groups[identity]
                found.append(
                    self._row(one, identity, "GROUPE", group.name, group.origin.short_name, group.code)
                )
        for identity in one.learners:
            learner = self._store.learners[identity]
            name = f"{learner.last_name.upper()} {learner.first_name}"
            row = self._row(one, identity, "APPRENANT", name, learner_code(learner), learner.code)
            home = learner.group if learner.group in one.groups else one.groups[0]
            row["IdSequence"] = self._store.groups[home].code
            row["IdProgramme"] = self._programme(self._store.groups[home])
            row["LibelleEtatInscription"] = "En cours"
            row |= self._store.marks(row["Id"], one, self._store.noted(one, identity))
            row |= self._store.besides.get(row["Id"], {})
            if row["PlanificationId"] == one.code:
                found.append(row)
        return found

    def _row(self, one: SessionRow, who: str, kind: str, name: str, code: str, reference: int) -> Row:
        id = self._store.row_key(one.identity, who)
        first, last = self._store.copied_times(one)
        start, end = self._store.times(one) if self._switches.row_times == "own_lag" else (first, last)
        return {
            **_based(id, name, code),
            "PlanificationId": one.code,
            "TypeRessourceId": TYPES[kind],
            "Debut": self._store.written(first),
            "Fin": self._store.written(last),
            "PlanificationDebut": self._store.written(start),
            "PlanificationFin": self._store.written(end),
            "Presence": True,
            "Exclusion": False,
            "Depart": False,
            "Retard": False,
            "Reference": reference if self._switches.reference == "key" else 0,
            "IdProgramme": 0,
            "IdSequence": 0,
            "Detail": f"Place {id % 40}",
            "ControlePresence": None,
            "MotifId": 0,
            "ReferenceTraitement": "",
            "ProvenancePresence": "None",
            "CommentaireId": 0 if id % 3 else key(19, id % 1000),
            "LibelleEtatInscription": "",
            "RessourceCampusId": key(14, 0),
        }

    def _resources(self) -> Iterable[Row]:
        for code, name in self._store.rooms.items():
            yield {**_based(key(12, code), name, f"S{code}"), "TypeRessourceId": TYPES["SALLE"]}
        for one in self._teachers():
            name = f"{one.last_name} {one.first_name}"
            yield {**_based(one.code, name, teacher_code(one)), "TypeRessourceId": TYPES["PROF"]}

    # The rest

    def _campus(self, n: int, more: Row) -> Row:
        name = self._store.school.sites[n]
        return {**_based(key(14, n), name, f"CAMP{n + 1}"), **more}

    def _site(self, site: str) -> int:
        return key(14, self._store.school.sites.index(site))

    def _years(self) -> Iterable[Row]:
        first, last = self._store.year
        yield {
            **_based(key(18, 100), f"{first.year}/{last.year}", f"{first.year}"),
            "Debut": self._midnight(first),
            "Fin": self._midnight(last),
            "EnCours": True,
        }

    def _midnight(self, day: date) -> str:
        return datetime.combine(day, time(), self._store.zone).isoformat()


def learner_code(one: LearnerRow) -> str:
    """A learner's business number."""
    return f"A{one.code:07d}"


def teacher_code(one: StaffRow) -> str:
    return f"E{one.code:07d}"


def _based(id: int, name: str, code: str) -> Row:
    return {"Id": id, "Nom": name, "Code": code}


def _typed(code: str, id: int) -> Row:
    return _based(id, code.title(), code)
