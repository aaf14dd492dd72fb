"""The Edusign simulator's rows, and the platform's own rules about rosters and signatures.

Rows hold raw fields in Edusign's spelling, JSON-able as they are: booleans as 0/1, instants as UTC text.
`identity`, `created_by` and `archived` stay outside them and are never shown under /v1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from string import ascii_lowercase, digits
from typing import Any, Literal, Protocol, TypeAlias
from zoneinfo import ZoneInfo

from connectors.edusign.simulator.switches import EdusignSwitches
from connectors.simulation.control import instant

Kind: TypeAlias = Literal["learner", "speaker", "group", "sheet"]
KINDS: tuple[Kind, ...] = ("learner", "speaker", "group", "sheet")
NAMES: dict[Kind, str] = {"learner": "student", "speaker": "professor", "group": "group", "sheet": "course"}
"""Edusign's own word for each kind."""

PROFESSOR_SLOT = re.compile(r"PROFESSOR(_\d+)?")
FLAGS: frozenset[str] = frozenset(
    {"LOCKED", "HIDDEN", "NEED_STUDENTS_SIGNATURE", "ABSENCE_SENT", "ZOOM", "TEAMS", "SIMPLE_SIGNATURE"}
    | {"NEW_PASSWORD_NEEDED"}
)
_ALPHABET = ascii_lowercase + digits


class Refused(Exception):
    """A business refusal: HTTP 200 with status error. `message` is text or an array."""

    def __init__(self, message: Any) -> None:
        super().__init__(str(message))
        self.message = message


class HandMade(Protocol):
    """A record a person made in Edusign before the story begins.

    `fields` are raw Edusign fields; where one names other records (GROUPS, STUDENTS, PROFESSOR_n,
    SCHOOL_GROUP) it may give the identity of another hand-made record instead of an id."""

    @property
    def kind(self) -> str: ...
    @property
    def identity(self) -> str: ...
    @property
    def fields(self) -> Mapping[str, Any]: ...
    @property
    def archived(self) -> bool: ...


@dataclass
class Row:
    """One stored record."""

    kind: Kind
    identity: str
    created_by: Literal["api", "hand"]
    fields: dict[str, Any]
    number: int
    archived: bool = False

    @property
    def id(self) -> str:
        return str(self.fields["ID"])

    @property
    def member_ids(self) -> list[str]:
        """Ids of the learners on a group or sheet."""
        people = self.fields["STUDENTS"]
        return [p["studentId"] for p in people] if self.kind == "sheet" else list(people)

    def slots(self) -> dict[str, str]:
        """A sheet's professors by field name."""
        return {key: value for key, value in self.fields.items() if PROFESSOR_SLOT.fullmatch(key)}

    @property
    def signed(self) -> bool:
        return any(p["signature"] for p in self.fields["STUDENTS"]) or any(
            self.fields.get(signature_field(slot)) for slot in self.slots()
        )


def signature_field(slot: str) -> str:
    """PROFESSOR_2 -> PROFESSOR_SIGNATURE_2."""
    return slot.replace("PROFESSOR", "PROFESSOR_SIGNATURE", 1)


class Store:
    """All rows of one simulated school. `now` is the simulator's clock; ids come from `seed` alone."""

    def __init__(self, seed: int, now: Callable[[], datetime], switches: EdusignSwitches) -> None:
        self.now = now
        self.switches = switches
        self.rows: dict[Kind, dict[str, Row]] = {kind: {} for kind in KINDS}
        self.absences: list[dict[str, Any]] = []
        self.reasons = [{"ID": 8, "NAME": "Permis de conduire"}, {"ID": 9, "NAME": "Convocation officielle"}]
        self.mails: list[dict[str, str]] = []
        self._random = Random(f"edusign-{seed}")
        self._states = 900_000
        self._made = 0
        self._found: dict[tuple[Kind, str, str], dict[str, None]] = {}
        self.school: dict[str, Any] = {
            "ID": self.new_id(),
            "NAME": switches.school_name,
            "LOGO": "",
            "LOGOS": [],
            "STREET_ADDRESS": "1 rue de l'Exemple",
            "CITY": "Lyon",
            "POSTALCODE": "69000",
            "COUNTRY": "France",
            "PHONE": "",
            "LANGUAGE": "fr",
            "TIMEZONE": switches.school_zone,
            "CONNECTOR": switches.school_connector,
            "ABSENCES_TYPE": [dict(reason) for reason in self.reasons],
            "WEBHOOKS": [],
            "SIGNATURE_NB": 0,
            "NB_CREDITS_DOCUMENT_LEFT": 0,
        }

    # Rows

    def new_id(self) -> str:
        return "".join(self._random.choices(_ALPHABET, k=16))

    def stamp(self) -> str:
        return instant(self.now())

    def add(
        self, kind: Kind, fields: Mapping[str, Any], *, identity: str, created_by: Literal["api", "hand"]
    ) -> Row:
        """A new row with every field the vendor shows; rosters start empty."""
        at = self.stamp()
        id = self.new_id()
        whole = {**self._blank(kind, id), **fields, "ID": id, "DATE_CREATED": at, "DATE_UPDATED": at}
        self._made += 1
        row = Row(kind, identity, created_by, whole, self._made)
        self.rows[kind][id] = row
        self._index(row)
        return row

    def get(self, kind: Kind, id: str) -> Row:
        """Raises Refused where there is none (for courses the vendor's own words, seen)."""
        row = self.rows[kind].get(id)
        if row is None:
            raise Refused(f"No {NAMES[kind]} with this ID found")
        return row

    def touch(self, row: Row) -> None:
        """A row has changed: its date moves, and it is found under what it now carries."""
        row.fields["DATE_UPDATED"] = self.stamp()
        self._index(row)

    def by_email(self, kind: Kind, email: str) -> Row | None:
        """The person with this e-mail, whatever its case; a live one before an archived one."""
        return next(iter(self._carrying(kind, "EMAIL", email)), None)

    def by_api_id(self, kind: Kind, api_id: str, api_type: str | None = None) -> Row | None:
        """The first live record with this API_ID (of `api_type` if given), else the first archived one."""
        found = self._carrying(kind, "API_ID", api_id) if api_id else []
        return next((row for row in found if api_type in (None, row.fields["API_TYPE"])), None)

    def _index(self, row: Row) -> None:
        # Entries are never taken out: a look-up compares with what the row carries now.
        for field in ("EMAIL", "API_ID"):
            if value := row.fields.get(field):
                self._found.setdefault((row.kind, field, _key(field, value)), {})[row.id] = None

    def _carrying(self, kind: Kind, field: str, value: str) -> list[Row]:
        """The rows with this value, live ones first, else in the order they were made."""
        key = _key(field, value)
        rows = [self.rows[kind].get(id) for id in self._found.get((kind, field, key), ())]
        found = [row for row in rows if row is not None and _key(field, row.fields[field]) == key]
        return sorted(found, key=lambda row: (row.archived, row.number))

    # Rosters

    def groups_of(self, learner: str) -> list[str]:
        return [g.id for g in self.rows["group"].values() if learner in g.fields["STUDENTS"]]

    def members(self, groups: Iterable[str]) -> list[str]:
        """The direct members of these groups, each once, archived people left out."""
        found: dict[str, None] = {}
        for group in groups:
            row = self.rows["group"].get(group)
            for learner in row.member_ids if row is not None else ():
                person = self.rows["learner"].get(learner)
                if person is not None and not person.archived:
                    found[learner] = None
        return list(found)

    def set_members(self, group: Row, learners: Iterable[str]) -> dict[str, Any]:
        """Replace a group's members; what changed on its sheets, by sheet id (the cascade)."""
        before, after = group.member_ids, list(dict.fromkeys(learners))
        group.fields["STUDENTS"] = after
        added = [learner for learner in after if learner not in before]
        removed = [learner for learner in before if learner not in after]
        if not self.switches.cascade_groups or not (added or removed):
            return {}
        changed: dict[str, Any] = {}
        for sheet in self.rows["sheet"].values():
            groups = sheet.fields["SCHOOL_GROUP"]
            if group.id not in groups or not self.changeable(sheet):
                continue
            here, others = set(sheet.member_ids), set(self.members(groups))
            put = [learner for learner in added if learner not in here]
            taken = [learner for learner in removed if learner in here and learner not in others]
            for learner in put:
                self.put_on_sheet(sheet, learner)
            for learner in taken:
                self.take_off_sheet(sheet, learner)
            if put or taken:
                self.touch(sheet)
                changed[sheet.id] = {"added": put, "removed": taken}
        return changed

    def set_groups_of(self, learner: str, groups: list[str]) -> dict[str, Any]:
        """Make `groups` all the groups of a learner; the cascade as in `set_members`."""
        cascaded: dict[str, Any] = {}
        for group in self.rows["group"].values():
            inside, wanted = learner in group.fields["STUDENTS"], group.id in groups
            if inside == wanted:
                continue
            rest = [other for other in group.member_ids if other != learner]
            cascaded |= self.set_members(group, [*rest, learner] if wanted else rest)
            self.touch(group)
        return cascaded

    def changeable(self, sheet: Row) -> bool:
        """Future and unlocked: what the platform itself changes after the fact."""
        return not sheet.fields["LOCKED"] and sheet.fields["START"] > self.stamp()

    def set_roster(self, sheet: Row, learners: Iterable[str]) -> None:
        """Make these learners the sheet's; those who stay keep their row and its `_id`."""
        wanted = list(dict.fromkeys(learners))
        for learner in [old for old in sheet.member_ids if old not in wanted]:
            self.take_off_sheet(sheet, learner)
        here = set(sheet.member_ids)
        for learner in wanted:
            if learner not in here:
                self.put_on_sheet(sheet, learner)

    def put_on_sheet(self, sheet: Row, learner: str) -> None:
        at = self.stamp()
        self._states += 1
        state = {
            "_id": self._states,
            "studentId": learner,
            "courseId": sheet.id,
            "schoolId": self.school["ID"],
            "state": False,
            "start": sheet.fields["START"],
            "end": sheet.fields["END"],
            "absenceId": self.new_id() if self.switches.absence_id_always else None,
            "excluded": None,
            "earlyDeparture": None,
            "delay": 0,
            "comment": "",
            "timestamp": None,
            "signature": None,
            "signatureEmail": None,
            "dateCreated": at,
            "dateUpdated": at,
        }
        sheet.fields["STUDENTS"].append(state)

    def take_off_sheet(self, sheet: Row, learner: str) -> None:
        sheet.fields["STUDENTS"] = [p for p in sheet.fields["STUDENTS"] if p["studentId"] != learner]

    def state(self, sheet: Row, learner: str) -> dict[str, Any]:
        """A learner's row on a sheet. Raises Refused where there is none."""
        for state in sheet.fields["STUDENTS"]:
            if state["studentId"] == learner:
                found: dict[str, Any] = state
                return found
        raise Refused("Student not in the list")

    def drop_signatures(self, sheet: Row) -> list[str]:
        """Erase every signature of a sheet; the ids of the people who had signed."""
        lost: list[str] = []
        for state in sheet.fields["STUDENTS"]:
            if state["signature"]:
                lost.append(state["studentId"])
                state.update(signature=None, timestamp=None, state=False)
        for slot, professor in sheet.slots().items():
            if sheet.fields.get(signature_field(slot)):
                lost.append(professor)
                sheet.fields[signature_field(slot)] = ""
        if lost:
            sheet.fields["PROFESSOR_SIGNATURE_TIMESTAMP"] = ""
        return lost

    def archive(self, person: Row, archived: bool) -> None:
        """Archive or bring back a person or group."""
        person.archived = archived
        if archived and person.kind == "learner" and self.switches.archive_leaves_rosters:
            self.set_groups_of(person.id, [])
            for sheet in self.rows["sheet"].values():
                if self.changeable(sheet):
                    self.take_off_sheet(sheet, person.id)
        self.touch(person)

    # Values as sent

    def moment(self, value: Any, field: str) -> str:
        """An instant as sent (ISO 8601, or `YYYY-MM-DD HH:MM:SS`), as UTC text. Raises Refused."""
        try:
            at = datetime.fromisoformat(str(value).strip())
        except ValueError:
            raise Refused(f"{field}: invalid date") from None
        return instant(self.aware(at, self.switches.offsetless_dates))

    def aware(self, at: datetime, zone: Literal["utc", "school"]) -> datetime:
        if at.tzinfo is not None:
            return at
        return at.replace(tzinfo=UTC if zone == "utc" else ZoneInfo(self.school["TIMEZONE"]))

    def _blank(self, kind: Kind, id: str) -> dict[str, Any]:
        external: dict[str, Any] = {"ID": id, "API_ID": "", "API_TYPE": "", "VARIABLES": []}
        person = {**external, "FIRSTNAME": "", "LASTNAME": "", "EMAIL": "", "PHONE": "", "TAGS": []}
        match kind:
            case "learner":
                number = len(self.rows["learner"])
                texts = (
                    "PHOTO",
                    "TRAINING_NAME",
                    "FILE_NUMBER",
                    "COMPANY",
                    "SIGNATURE_ID",
                    "BADGE_ID",
                    "ISIC_ID",
                )
                return {
                    **person,
                    **dict.fromkeys(texts, ""),
                    "USERNAME": f"student{number}",
                    "MULTI_ACCOUNT_LOGIN_CODE": 0,
                    "SCHOOL_ID": self.school["ID"],
                    "LANGUAGE": self.school["LANGUAGE"],
                    "STUDENT_FOLLOWER_ID": [],
                    "NEW_PASSWORD_NEEDED": 1,
                    "TRAINING_IDS": [],
                }
            case "speaker":
                return {
                    **person,
                    "SPECIALITY": "",
                    "PIN": "",
                    "SCHOOL_ID": [self.school["ID"]],
                    "LOGIN_CODE": [],
                    "TEAMS_ID": [],
                    "ZOOM_ID": [],
                    "OLD_API_ID": "",
                    "OLD_API_TYPE": "",
                    "OLD_SCHOOL_ID": [],
                }
            case "group":
                return {
                    **external,
                    "NAME": "",
                    "DESCRIPTION": "",
                    "SCHOOL_ID": self.school["ID"],
                    "STUDENTS": [],
                    "PARENT": "",
                    "LOGO": "",
                }
            case "sheet":
                return {**external, **_blank_sheet(self.school["ID"])}


def _blank_sheet(school: str) -> dict[str, Any]:
    texts = ("NAME", "DESCRIPTION", "START", "END", "CLASSROOM", "PROFESSOR", "PROFESSOR_2", "PROFESSOR_3")
    more = ("PROFESSOR_SIGNATURE", "PROFESSOR_SIGNATURE_2", "PROFESSOR_SIGNATURE_3", "ANNOTATION")
    rest = ("PROFESSOR_SIGNATURE_TIMESTAMP", "ATTENDANCE_LIST_GENERATED", "SCANNED_ATTENDANCE_LIST")
    last = (
        "SIMPLE_SIGNATURE_PIN",
        "CREATOR_ID",
        "SURVEY_ID",
        "SURVEY_ID_2",
        "TEACHER_SURVEY",
        "ARCHIVING_ID",
    )
    numbers = (
        "LOCKED",
        "ATTENDANCE_ENDED",
        "ABSENCE_SENT",
        "EMAILS_ADDED",
        "STATE_UPDATE",
        "SIMPLE_SIGNATURE",
    )
    return {
        **dict.fromkeys((*texts, *more, *rest, *last), ""),
        **dict.fromkeys((*numbers, "ZOOM", "TEAMS", "MAX_STUDENTS"), 0),
        "NEED_STUDENTS_SIGNATURE": 1,
        "SCHOOL_ID": school,
        "SCHOOL_GROUP": [],
        "STUDENTS": [],
        "TRAINING_ID": None,
        "MESSAGES": [],
        "METADATA": [],
    }


def _key(field: str, value: str) -> str:
    return value.strip().lower() if field == "EMAIL" else value


def flag(value: Any) -> int:
    """A boolean as sent (true, 1, "true", "1") as 0 or 1."""
    return int(value in (True, 1, "1", "true", "True"))


def text(value: Any) -> str:
    """Text as sent; null is empty, numbers become text (seen for API_ID)."""
    return "" if value is None else str(value)


def texts(value: Any) -> list[str]:
    """An array as sent; a bare string is one item, empty items fall away (clients send both)."""
    items = value if isinstance(value, list) else [value]
    return [text(item) for item in items if item not in (None, "")]


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of `after` whose value differs from `before`, as they were and as they are."""
    keys = [key for key, value in after.items() if before.get(key) != value]
    return {key: before.get(key) for key in keys}, {key: after[key] for key in keys}
