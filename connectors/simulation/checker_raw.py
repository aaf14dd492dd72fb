"""Raw dumps of the simulators in neutral words, for the checker: who is who, and when two values are the same.

Written anew on purpose: nothing here knows the engine, the clients or their mappings, so that a mistake there
is not made again here. Values are in canonical form; a reference between records is a hidden identity.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

Kind: TypeAlias = Literal["learner", "speaker", "group", "sheet"]
KINDS: tuple[Kind, ...] = ("speaker", "learner", "group", "sheet")
Dump: TypeAlias = Mapping[str, Any]

LISTS: dict[Kind, str] = {
    "learner": "students",
    "speaker": "professors",
    "group": "groups",
    "sheet": "courses",
}
PAGES: dict[Kind, str] = {"learner": "student", "speaker": "professor", "group": "group", "sheet": "course"}

RAW_FIELDS: dict[str, str] = {
    "LASTNAME": "last_name",
    "FIRSTNAME": "first_name",
    "EMAIL": "email",
    "PHONE": "phone",
    "NAME": "name",
    "START": "start",
    "END": "end",
    "CLASSROOM": "room",
    "SCHOOL_GROUP": "groups",
}
"""Edusign's spelling of the fields a sync carries, but for rosters and professors."""

_PROFESSOR = re.compile(r"PROFESSOR(_\d+)?")
_SIGNATURE = re.compile(r"PROFESSOR_SIGNATURE(_\d+)?")


@dataclass(frozen=True)
class ErpRecord:
    """One record as the ERP has it. `live`: enrolled, planned, employed as a trainer.

    `raw` are the simulator's own neutral words where the dump has them, for what ledgers speak of.
    """

    kind: Kind
    code: str
    identity: str
    live: bool
    values: Mapping[str, Any]
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PlatformRecord:
    """One record as Edusign has it; `identity` is resolved through the ERP. `order`: as they were made."""

    kind: Kind
    id: str
    identity: str
    order: int
    by_api: bool
    api_id: str
    api_type: str
    archived: bool
    values: Mapping[str, Any]
    shared: bool = False
    locked: bool = False
    signed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class World:
    """Both sides at one moment, under hidden identities. `absences` are the ERP's, in the words of its dump."""

    erp: Mapping[Kind, Mapping[str, ErpRecord]]
    platform: tuple[PlatformRecord, ...]
    zone: str
    erp_edits: tuple[Mapping[str, Any], ...]
    edusign_edits: tuple[Mapping[str, Any], ...]
    writes: tuple[Mapping[str, Any], ...]
    identities: Mapping[tuple[Kind, str], str]
    """Identity by (kind, Edusign id), of records that are gone too."""
    absences: tuple[Mapping[str, Any], ...] = ()

    def of(self, kind: Kind, identity: str) -> list[PlatformRecord]:
        """The Edusign records of one identity, in the order they were made."""
        return [one for one in self.platform if (one.kind, one.identity) == (kind, identity)]

    def code(self, kind: Kind, identity: str) -> str:
        record = self.erp[kind].get(identity)
        return record.code if record is not None else ""


def world(erp_dump: Dump, edusign_dump: Dump) -> World:
    """Both dumps read. Raises KeyError for an ERP no reader is known for, or a dump of another shape."""
    reader = _neutral if "neutral" in erp_dump else ERP_READERS[erp_dump["system"]]
    erp = reader(erp_dump)
    bearers = _Bearers(erp, erp_dump.get("neutral", {}).get("takings", ()))
    identities: dict[tuple[Kind, str], str] = {}
    for kind in KINDS:
        for row in edusign_dump[LISTS[kind]]:
            identities[kind, row["ID"]] = bearers.resolved(kind, row["identity"], row["DATE_CREATED"])
    for entry in (*edusign_dump["writes"], *edusign_dump["edits"]):
        if entry["kind"] in LISTS:
            identities.setdefault(
                (entry["kind"], entry["id"]), bearers.resolved(entry["kind"], entry["identity"], entry["at"])
            )
    platform = [
        _platform_record(kind, order, row, identities)
        for kind in KINDS
        for order, row in enumerate(edusign_dump[LISTS[kind]])
    ]
    return World(
        erp=erp,
        platform=tuple(platform),
        zone=erp_dump["zone"],
        erp_edits=tuple(erp_dump["edits"]),
        edusign_edits=tuple(edusign_dump["edits"]),
        writes=tuple(edusign_dump["writes"]),
        identities=identities,
        absences=tuple(erp_dump.get("neutral", {}).get("absences", ())),
    )


def by_code(erp: Mapping[Kind, Mapping[str, ErpRecord]]) -> dict[tuple[Kind, str], ErpRecord]:
    """The ERP's records by (kind, code); of two under one code the live one."""
    found: dict[tuple[Kind, str], ErpRecord] = {}
    for kind in KINDS:
        for one in erp[kind].values():
            if one.live or (kind, one.code) not in found:
                found[kind, one.code] = one
    return found


class _Bearers:
    """Who bore an ERP's code at a moment: codes of sessions may be handed on."""

    def __init__(
        self, erp: Mapping[Kind, Mapping[str, ErpRecord]], takings: Iterable[Mapping[str, str]]
    ) -> None:
        self._now = by_code(erp)
        self._takings: dict[str, list[tuple[str, str]]] = {}
        for taking in sorted(takings, key=lambda one: one["since"]):
            self._takings.setdefault(taking["code"], []).append((taking["since"], taking["identity"]))

    def resolved(self, kind: Kind, identity: str, at: str) -> str:
        """`api:TYPE/KEY` as the hidden identity of who bore KEY at that instant; KEY up to `#` is the ERP's
        code. Others stay."""
        if not identity.startswith("api:"):
            return identity
        code = identity.partition("/")[2].partition("#")[0]
        bearers = self._takings.get(code, ()) if kind == "sheet" else ()
        if bearers:
            earlier = [who for since, who in bearers if not since or exact(since) <= exact(at)]
            return earlier[-1] if earlier else bearers[0][1]
        record = self._now.get((kind, code))
        return record.identity if record is not None else identity


def _platform_record(
    kind: Kind, order: int, row: Mapping[str, Any], identities: Mapping[tuple[Kind, str], str]
) -> PlatformRecord:
    def who(of: Kind, ids: Iterable[str]) -> frozenset[str]:
        return frozenset(identities.get((of, id), f"edusign:{id}") for id in ids)

    values: dict[str, Any] = {
        neutral: canonical(neutral, row[raw]) for raw, neutral in RAW_FIELDS.items() if raw in row
    }
    signed: frozenset[str] = frozenset()
    if kind == "group":
        values["members"] = who("learner", row["STUDENTS"])
    elif kind == "sheet":
        values["groups"] = who("group", row["SCHOOL_GROUP"])
        slots = {name: id for name, id in row.items() if _PROFESSOR.fullmatch(name) and id}
        values["speakers"] = who("speaker", slots.values())
        values["learners"] = who("learner", (state["studentId"] for state in row["STUDENTS"]))
        signed = frozenset(s["studentId"] for s in row["STUDENTS"] if s["signature"] or s["state"])
        signed |= {name for name, value in row.items() if _SIGNATURE.fullmatch(name) and value}
    schools = row.get("SCHOOL_ID")
    return PlatformRecord(
        kind=kind,
        id=row["ID"],
        identity=identities[kind, row["ID"]],
        order=order,
        by_api=row["created_by"] == "api",
        api_id=row["API_ID"],
        api_type=row["API_TYPE"],
        archived=bool(row["HIDDEN"]),
        values=values,
        shared=isinstance(schools, list) and len(schools) > 1,
        locked=bool(row.get("LOCKED")),
        signed=signed,
    )


# ERPs


def _neutral(dump: Dump) -> dict[Kind, dict[str, ErpRecord]]:
    """Any ERP whose simulator tells its rows in neutral words (`connectors.simulation.erp_dump`)."""
    told = dump["neutral"]
    members: dict[str, set[str]] = {row["identity"]: set() for row in told["groups"]}
    for row in told["learners"]:
        if not row["departed"]:
            members[row["group"]].add(row["identity"])

    def records(kind: Kind, rows: Iterable[Mapping[str, Any]], live: Callable[..., bool]) -> dict[str, Any]:
        return {
            row["identity"]: _erp_record(
                kind, row["code"], row["identity"], live(row), _told_values(kind, row, members), row
            )
            for row in rows
        }

    return {
        "learner": records("learner", told["learners"], lambda row: not row["departed"]),
        "speaker": records("speaker", told["staff"], lambda row: bool(row["trainer"])),
        "group": records("group", told["groups"], lambda _row: True),
        "sheet": records("sheet", told["sessions"], lambda row: not row["cancelled"]),
    }


def _told_values(kind: Kind, row: Mapping[str, Any], members: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """The values a sync carries, of those the dump tells."""
    if kind == "group":
        return {"name": row["name"], "members": frozenset(members[row["identity"]])}
    if kind != "sheet":
        return {name: row[name] for name in ("last_name", "first_name", "email", "phone") if name in row}
    texts = {name: row[name] for name in ("name", "room") if name in row}
    times = {name: row[f"{name}_utc"] or "" for name in ("start", "end") if f"{name}_utc" in row}
    people = {
        "groups": frozenset(row["group_identities"]),
        "speakers": frozenset(row["staff_identities"]),
        "learners": frozenset(row["learner_identities"]),
    }
    return {**texts, **times, **people}


def _ypareo(dump: Dump) -> dict[Kind, dict[str, ErpRecord]]:
    """Yparéo's dump; of a learner's two e-mails the one of the file."""
    learners: dict[str, ErpRecord] = {}
    group_of_code = {str(row["codeGroupe"]): row["identity"] for row in dump["groups"]}
    members: dict[str, set[str]] = {identity: set() for identity in group_of_code.values()}
    for row in dump["learners"]:
        address = row["adresse"]
        group = group_of_code[str(row["informationsCourantes"]["codeGroupe"])]
        live = not row["departed"]
        if live:
            members[group].add(row["identity"])
        values = {
            "last_name": row["nomApprenant"],
            "first_name": row["prenomApprenant"],
            "email": address["email"] or "",
            "phone": address["tel1"] or address["tel2"] or "",
        }
        learners[row["identity"]] = _erp_record(
            "learner", row["codeApprenant"], row["identity"], live, values, {"group": group, **row}
        )
    portal = {row["identity"]: row["email"] for row in dump["users"]}
    for identity, email in portal.items():
        learners[identity].raw["portal_email"] = email or ""
    speakers = {
        row["identity"]: _erp_record(
            "speaker",
            row["codePersonnel"],
            row["identity"],
            bool(row["isFormateur"]),
            {"last_name": row["nom"], "first_name": row["prenom"], "email": row["email"] or ""},
            row,
        )
        for row in dump["staff"]
    }
    groups = {
        row["identity"]: _erp_record(
            "group",
            row["codeGroupe"],
            row["identity"],
            True,
            {"name": row["nomGroupe"], "members": frozenset(members[row["identity"]])},
            row,
        )
        for row in dump["groups"]
    }
    return {
        "learner": learners,
        "speaker": speakers,
        "group": groups,
        "sheet": {row["identity"]: _ypareo_session(row) for row in dump["sessions"]},
    }


def _ypareo_session(row: Mapping[str, Any]) -> ErpRecord:
    values = {
        "name": row["nomMatiere"],
        "start": row["start_utc"] or "",
        "end": row["end_utc"] or "",
        "room": ", ".join(str(code) for code in row["codesSalle"]),
        "groups": frozenset(row["group_identities"]),
        "speakers": frozenset(row["staff_identities"]),
        "learners": frozenset(row["learner_identities"]),
    }
    raw = {**row, "rooms": row["codesSalle"], "subject": row["nomMatiere"]}
    return _erp_record("sheet", row["codeSeance"], row["identity"], not row["cancelled"], values, raw)


def _erp_record(
    kind: Kind, code: object, identity: str, live: bool, values: Mapping[str, Any], raw: Mapping[str, Any]
) -> ErpRecord:
    forms = {name: canonical(name, value) for name, value in values.items()}
    return ErpRecord(kind, str(code), identity, live, forms, dict(raw))


ERP_READERS: dict[str, Callable[[Dump], dict[Kind, dict[str, ErpRecord]]]] = {"ypareo": _ypareo}


# When two values are the same


def canonical(name: str, value: Any) -> Any:
    """The form in which values of a neutral field are compared; sets stay as they are."""
    if isinstance(value, frozenset | set | list | tuple):
        return frozenset(value)
    if name in ("start", "end"):
        return moment(value) if value else None
    text = _folded(str(value or ""))
    if name == "email":
        return text.lower()
    if name == "phone":
        return _phone(text)
    return text


@lru_cache(maxsize=65536)
def moment(text: str | datetime) -> datetime:
    """An ISO instant as UTC to the second. Raises ValueError."""
    at = text if isinstance(text, datetime) else datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)


@lru_cache(maxsize=65536)
def exact(text: str | datetime) -> datetime:
    """An ISO instant as UTC, with its fraction. Raises ValueError."""
    at = text if isinstance(text, datetime) else datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at.astimezone(UTC)


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _phone(text: str) -> str:
    """A French number in E.164: `+33`, nine digits; others as their digits."""
    digits = "".join(c for c in text if c.isdigit())
    if text.startswith("+"):
        digits = "00" + digits
    if digits.startswith("0033"):
        digits = "0" + digits.removeprefix("0033").removeprefix("0")
    if len(digits) == 10 and digits[0] == "0" and digits[1] != "0":
        return "+33" + digits[1:]
    return digits


def horizon(started: datetime, zone: str, days: int) -> tuple[datetime, datetime]:
    """The instants between which sessions of an import that started then begin, the second excluded."""
    local = ZoneInfo(zone)
    first = started.astimezone(local).replace(hour=0, minute=0, second=0, microsecond=0)
    last = (first.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=local)
    return first.astimezone(UTC), last.astimezone(UTC)
