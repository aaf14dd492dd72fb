"""Whether every write has its intent, every record its place in a run, and every edit its trace."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from connectors.simulation.checker_raw import (
    KINDS,
    LISTS,
    PAGES,
    RAW_FIELDS,
    Dump,
    Kind,
    World,
    canonical,
    exact,
    horizon,
    moment,
)

_PARTS = ("unchanged", "written", "rejected", "held", "conflict", "skipped")

WIRE_VERBS: dict[str, frozenset[str]] = {
    "create": frozenset({"create"}),
    "update": frozenset({"update"}),
    "link": frozenset({"update"}),
    "restore": frozenset({"restore", "update"}),
    "archive": frozenset({"archive"}),
    "withdraw": frozenset({"withdraw"}),
    "add": frozenset({"add"}),
    "remove": frozenset({"remove"}),
}
"""The writes that may stand for an intent of each verb."""

_STAMP = frozenset({"API_ID", "API_TYPE"})
_MARKS = frozenset({"sign", "late", "early", "exclude", "absent"})
_PROFESSOR = re.compile(r"PROFESSOR(_\d+)?")

Write = Mapping[str, Any]
Intent = Mapping[str, Any]


def unbalanced_runs(runs: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Per run and kind, seen is the sum of its parts."""
    for run in runs:
        for kind, parts in run["accounting"].items():
            total = sum(parts.get(name, 0) for name in _PARTS)
            if parts.get("seen", 0) != total:
                yield f"run {run['id']}: of {parts.get('seen', 0)} {kind} {total} are accounted for: {parts}"
            if strange := parts.keys() - {"seen", *_PARTS}:
                yield f"run {run['id']}: unknown parts {sorted(strange)} of {kind}"


def unbalanced_writes(writes: Iterable[Write], intents: Iterable[Intent]) -> list[str]:
    """Each write has one intent (record, verb, values), each intent done one effective write."""
    books = _Books(intents)
    for write in writes:
        books.enter(write)
    return books.complaints()


class _Books:
    """Writes matched with intents, each in the order they happened."""

    def __init__(self, intents: Iterable[Intent]) -> None:
        self._intents = sorted(intents, key=lambda intent: int(intent["id"]))
        self._by_record: dict[tuple[str, str], list[Intent]] = {}
        for intent in self._intents:
            if intent["edusign_id"]:
                self._by_record.setdefault((intent["kind"], intent["edusign_id"]), []).append(intent)
            if intent["verb"] == "create":
                self._by_record.setdefault((intent["kind"], f"key {intent['api_id']}"), []).append(intent)
        self._taken: dict[tuple[int, str], Write] = {}
        self._lines: list[str] = []

    def enter(self, write: Write) -> None:
        """Find the one intent of a write."""
        fitting = [i for i in self._candidates(write) if write["verb"] in WIRE_VERBS.get(i["verb"], ())]
        same = [i for i in fitting if not _difference(write, i)]
        sent = [i for i in same if i["state"] in ("done", "open")]
        for intent in sent:
            slot = (int(intent["id"]), write["verb"])
            if slot not in self._taken:
                self._taken[slot] = write
                return
        for intent in reversed(sent):
            if _repeats(write, self._taken[int(intent["id"]), write["verb"]]):
                return
        self._lines.append(f"write {_named(write)}: {_why_not(write, fitting, same)}")

    def complaints(self) -> list[str]:
        used = {intent for intent, _verb in self._taken}
        for intent in self._intents:
            if intent["state"] == "open":
                self._lines.append(f"intent {_named(intent)}: still open")
            elif intent["state"] == "done" and int(intent["id"]) not in used:
                self._lines.append(f"intent {_named(intent)}: done, but no write of it arrived")
        return self._lines

    def _candidates(self, write: Write) -> list[Intent]:
        if write["verb"] == "create":
            return self._by_record.get((write["kind"], f"key {write['api_id']}"), [])
        return self._by_record.get((write["kind"], write["id"]), [])


def _repeats(write: Write, earlier: Write) -> bool:
    """Whether a write is the same request once more; a second create is never that."""
    return bool(write["verb"] != "create" and (not write["effective"] or write["after"] == earlier["after"]))


def _named(entry: Mapping[str, Any]) -> str:
    number = entry.get("n", entry.get("id"))
    return (
        f"{number} ({entry['verb']} {entry['kind']} {entry.get('edusign_id', entry['id'])} {entry['api_id']})"
    )


def _why_not(write: Write, fitting: list[Intent], same: list[Intent]) -> str:
    if not fitting:
        return "no intent of this record and verb"
    if not same:
        return "; ".join(f"intent {i['id']}: {_difference(write, i)}" for i in fitting[-2:])
    closed = [i for i in same if i["state"] not in ("done", "open")]
    if closed:
        return f"its intent {closed[-1]['id']} is closed as {closed[-1]['state']}"
    return f"a second one for intent {same[-1]['id']}"


def _difference(write: Write, intent: Intent) -> str:
    """The first value in which a write is not what its intent says, "" when they agree."""
    if write["verb"] in ("archive", "withdraw"):
        return ""
    sent = intent["sent"]
    if write["verb"] in ("add", "remove"):
        learners = list(sent.get("learners") or ())
        return "" if learners == [write["learner"]] else f"learner {write['learner']}, intended {learners}"
    if write["verb"] == "create" and intent["edusign_id"] not in ("", write["id"]):
        return f"made {write['id']}, intended {intent['edusign_id']}"
    after = dict(write["after"])
    if write["verb"] == "create":
        for name in sent:
            if not any(neutral == name for neutral in _neutral_names(write["kind"], after)):
                return f"{name} was not sent"
    return _values_differ(write["kind"], after, sent, create=write["verb"] == "create")


def _neutral_names(kind: str, after: Mapping[str, Any]) -> set[str]:
    names = {RAW_FIELDS[raw] for raw in after if raw in RAW_FIELDS}
    if "STUDENTS" in after:
        names.add("members" if kind == "group" else "learners")
    if any(_PROFESSOR.fullmatch(raw) for raw in after):
        names.add("speakers")
    return names


def _values_differ(kind: str, after: Mapping[str, Any], sent: Mapping[str, Any], *, create: bool) -> str:
    professors = {id for raw, id in after.items() if _PROFESSOR.fullmatch(raw) and id}
    if professors:
        wanted = set(sent.get("speakers") or ())
        if not (professors == wanted if create else professors <= wanted):
            return f"professors {sorted(professors)}, intended {sorted(wanted)}"
    for raw, value in after.items():
        if raw == "STUDENTS":
            name = "members" if kind == "group" else "learners"
            if set(value) != set(sent.get(name) or ()) or (kind == "sheet" and not create):
                return f"{name}: {len(value)} people, intended {len(sent.get(name) or ())}"
        elif raw in RAW_FIELDS:
            name = RAW_FIELDS[raw]
            if name not in sent:
                return f"{name} was not intended"
            if canonical(name, value) != canonical(name, sent[name]):
                return f"{name} {value!r}, intended {sent[name]!r}"
        elif raw not in _STAMP and raw not in _SETTINGS and not _PROFESSOR.fullmatch(raw):
            return f"{raw} was not intended"
    return ""


_SETTINGS = frozenset({"HIDDEN", "NEED_STUDENTS_SIGNATURE", "NEW_PASSWORD_NEEDED", "GROUPS"})


# Edits


@dataclass(frozen=True)
class Told:
    """What the engine told people: data of items and events, by the record they speak of."""

    by_record: Mapping[tuple[str, str], list[Mapping[str, Any]]]

    @classmethod
    def of(cls, items: Iterable[Mapping[str, Any]], events: Iterable[Mapping[str, Any]]) -> Told:
        """Items (open and closed) and events of the kinds that tell a person of an edit."""
        found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for item in items:
            entry = {"code": item["code"], "type": item["type"], **item["data"]}
            for side in ("erp", "edusign"):
                if item[f"{side}_id"]:
                    found.setdefault((item["kind"], f"{side} {item[f'{side}_id']}"), []).append(entry)
        for event in events:
            entry = {"type": event["kind"], **event["data"]}
            if event["kind"] == "notice" and not event["run_id"]:
                continue
            for side in ("erp", "edusign"):
                if event[f"{side}_id"]:
                    key = (event["record_kind"], f"{side} {event[f'{side}_id']}")
                    found.setdefault(key, []).append(entry)
        return cls(found)

    def about(self, kind: str, edusign_id: str, code: str) -> list[Mapping[str, Any]]:
        return [
            *self.by_record.get((kind, f"edusign {edusign_id}"), ()),
            *(self.by_record.get((kind, f"erp {code}"), ()) if code else ()),
        ]


def lost_edits(world: World, edusign_dump: Dump, told: Told) -> list[str]:
    """Edits found on neither side, not superseded, and told to nobody."""
    return [*_lost_in_erp(world), *_LostInEdusign(world, edusign_dump, told).lines()]


def _lost_in_erp(world: World) -> Iterator[str]:
    """What people typed in the ERP must stand there: a sync writes absences only, and never over theirs."""
    last: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    absences = {row["code"]: row for row in world.absences}
    for edit in world.erp_edits:
        subject = edit["id"] if edit["kind"] == "absence" else edit["identity"]
        last[edit["kind"], subject, edit["field"]] = edit
    for edit in last.values():
        if edit["kind"] == "absence":
            if not _absence_stands(absences.get(edit["id"]), edit):
                yield f"ERP edit {edit['n']} ({edit['action']} absence {edit['id']} {edit['field']})"
            continue
        record = world.erp[cast(Kind, edit["kind"])].get(edit["identity"])
        if record is None or not _stands(record.raw, record.values, edit):
            yield f"ERP edit {edit['n']} ({edit['action']} {edit['field']} of {edit['identity']})"


def _stands(raw: Mapping[str, Any], values: Mapping[str, Any], edit: Mapping[str, Any]) -> bool:
    field, after = edit["field"], edit["after"]
    if edit["action"] == "remove":
        return bool(raw.get("removed"))
    if edit["action"] == "cancel":
        return bool(raw.get("cancelled"))
    if field in ("", "left"):
        return True
    if field in ("day", "start", "end"):
        return bool(raw["local"][field] == after)
    if field == "staff":
        return bool(list(raw["staff_identities"]) == after)
    if field == "learners":
        # Who moves, joins or leaves later changes the list too: what counts is who was swapped.
        now, before, wanted = set(raw["learner_identities"]), set(edit["before"]), set(after)
        return wanted - before <= now and not (before - wanted) & now
    if field == "rooms":
        return bool(list(raw["rooms"]) == after)
    if field in ("group", "portal_email"):
        return bool(raw[field] == after)
    if field == "subject":
        return bool(raw["subject"] == after)
    if field in values:
        return bool(values[field] == canonical(field, after))
    return True


def _absence_stands(row: Mapping[str, Any] | None, edit: Mapping[str, Any]) -> bool:
    """A person's absence is there, or was taken away by a person; what they said of it is still said."""
    if row is None or row["removed"] == "api":
        return False
    if row["removed"] == "person" or edit["field"] in ("", "removed"):
        return True
    said = row["local"][edit["field"]] if edit["field"] in ("first", "last") else row[edit["field"]]
    return bool(said == edit["after"])


class _LostInEdusign:
    def __init__(self, world: World, edusign_dump: Dump, told: Told) -> None:
        self.world = world
        self.told = told
        self.rows: dict[tuple[str, str], Mapping[str, Any]] = {
            (kind, row["ID"]): row for kind in KINDS for row in edusign_dump[LISTS[kind]]
        }
        self.withdrawn = {w["id"] for w in world.writes if w["verb"] == "withdraw"}

    def lines(self) -> Iterator[str]:
        last: dict[tuple[Any, ...], Mapping[str, Any]] = {}
        for edit in self.world.edusign_edits:
            if edit["kind"] in LISTS:
                last[(edit["kind"], edit["id"], *self._subject(edit))] = edit
        for edit in last.values():
            if not self._stands(edit) and not self._told_of(edit):
                yield (
                    f"Edusign edit {edit['n']} ({edit['action']} {edit['field']} of {edit['identity']}: "
                    f"{edit['before']!r} to {edit['after']!r})"
                )

    @staticmethod
    def _subject(edit: Mapping[str, Any]) -> tuple[str, ...]:
        """What a later edit of the same supersedes."""
        if edit["action"] in ("add", "remove"):
            return ("STUDENTS", str(edit["after"] or edit["before"]))
        if edit["action"] in _MARKS:
            # Of the marks one learner got on a sheet the last counts.
            return ("mark" if edit["field"] == "STUDENTS" else edit["action"], str(edit["after"]))
        return (str(edit["field"]),)

    def _stands(self, edit: Mapping[str, Any]) -> bool:
        row = self.rows.get((edit["kind"], edit["id"]))
        if row is None:
            # Deleted by this very edit, or withdrawn with its before-image in the log.
            return bool(edit["action"] == "delete" or edit["id"] in self.withdrawn)
        action, field, after = edit["action"], edit["field"], edit["after"]
        if action in ("add", "remove"):
            ids = [p["studentId"] if isinstance(p, Mapping) else p for p in row["STUDENTS"]]
            return bool(edit["after"] in ids if action == "add" else edit["before"] not in ids)
        if action in ("archive", "restore"):
            return bool(row["HIDDEN"] == after)
        if action in _MARKS:
            if field != "STUDENTS":
                return bool(row.get(field.replace("PROFESSOR", "PROFESSOR_SIGNATURE", 1)))
            states = [p for p in row["STUDENTS"] if p["studentId"] == after]
            if action == "exclude":
                return any(p["excluded"] for p in states)
            return any(bool(p["state"]) == (action != "absent") for p in states)
        if action in ("lock", "unlock"):
            return bool(row["LOCKED"] == after)
        if action != "edit":
            return bool(action == "create")
        name = RAW_FIELDS.get(field, field)
        return self._same(name, row.get(field), after) or self._in_erp(edit, name)

    @staticmethod
    def _same(name: str, one: Any, other: Any) -> bool:
        return bool(canonical(name, one) == canonical(name, other))

    def _in_erp(self, edit: Mapping[str, Any], name: str) -> bool:
        kind = cast(Kind, edit["kind"])
        record = self.world.erp[kind].get(self.world.identities.get((kind, edit["id"]), ""))
        if record is None or name not in record.values or name in ("groups", "speakers"):
            return False
        return bool(record.values[name] == canonical(name, edit["after"]))

    def _told_of(self, edit: Mapping[str, Any]) -> bool:
        kind = cast(Kind, edit["kind"])
        code = self.world.code(kind, self.world.identities.get((kind, edit["id"]), ""))
        name = RAW_FIELDS.get(edit["field"], edit["field"])
        for entry in self.told.about(kind, edit["id"], code):
            match edit["action"]:
                case "edit":
                    if "edusign" not in entry or "erp" not in entry:
                        continue
                    speaks = entry.get("field") == name or _PROFESSOR.fullmatch(edit["field"])
                    if speaks and self._mentions(name, entry["edusign"], edit["after"]):
                        return True
                case "remove":
                    learner = self._code_of_learner(edit["before"])
                    field = entry.get("field")
                    if field in ("learners", "members") and learner in (entry.get("erp") or ()):
                        return True
                case "archive":
                    if entry.get("field") == "archived" and entry.get("edusign") != entry.get("erp"):
                        return True
                case "delete":
                    if entry.get("code") == "deleted_in_edusign":
                        return True
        return False

    def _code_of_learner(self, id: str) -> str:
        return self.world.code("learner", self.world.identities.get(("learner", id), ""))

    def _mentions(self, name: str, told: Any, typed: Any) -> bool:
        if isinstance(told, list):
            return True
        return self._same(name, told, typed)


# Requests


def minimum_requests(
    erp_dump: Dump, edusign_dump: Dump, *, started: datetime, ended: datetime, horizon_days: int
) -> dict[str, int]:
    """The fewest requests an import that ran from `started` to `ended` could do with, by side.

    Of the ERP's the simulator says it (`least_requests` of its dump, a number or one per local day). Of
    Edusign's: from the row counts and page sizes of the raw stores as they were at `started`, told from the
    dumps at the end by undoing what the ledgers say happened since.
    """
    past = _Past(edusign_dump, started)
    reads = 1
    for kind in KINDS:
        size = edusign_dump["page_sizes"][PAGES[kind]]
        rows = past.sheets(erp_dump["zone"], horizon_days) if kind == "sheet" else past.people(kind)
        reads += -(-rows // size) + 1
    writes = [
        w
        for w in edusign_dump["writes"]
        if started <= exact(w["at"]) <= ended and w["effective"] and w["kind"] in LISTS
    ]
    records = len({(w["kind"], w["id"]) for w in writes})
    # Each create, and each record brought back in place of one, was looked up by key, people by e-mail too.
    looked_up = {(w["kind"], w["id"]) for w in writes if w["verb"] == "create"}
    probes = sum(2 if kind in ("learner", "speaker") else 1 for kind, _id in looked_up)
    erp = erp_dump["least_requests"]["import"]
    if isinstance(erp, Mapping):
        day = started.astimezone(ZoneInfo(erp_dump["zone"])).date().isoformat()
        erp = erp.get(day, erp[max(erp)])
    return {"erp": erp, "edusign": reads + records + probes}


def minimum_export_requests(
    erp_dump: Dump, edusign_dump: Dump, *, started: datetime, ended: datetime, back_days: int
) -> dict[str, int]:
    """The fewest requests an export that ran from `started` to `ended` could do with, by side: the school, the
    sheets it looks back on, the justifications; a look at the ERP, its writes, and a look back at them."""
    past = _Past(edusign_dump, started)
    sheets = past.sheets_back(erp_dump["zone"], back_days)
    pages = -(-sheets // edusign_dump["page_sizes"][PAGES["sheet"]]) + 1
    writes = sum(1 for w in erp_dump["writes"] if started <= exact(w["at"]) <= ended)
    return {"erp": writes + 1 if writes else 0, "edusign": 1 + pages}


class _Past:
    """The Edusign store as it was at one moment."""

    def __init__(self, dump: Dump, at: datetime) -> None:
        self._dump = dump
        self._at = at
        self._later = [
            entry
            for entry in sorted((*dump["writes"], *dump["edits"]), key=lambda e: exact(e["at"]), reverse=True)
            if exact(entry["at"]) >= at
        ]

    def people(self, kind: Kind) -> int:
        """Live rows of a kind."""
        hidden = {
            row["ID"]: bool(row["HIDDEN"])
            for row in self._dump[LISTS[kind]]
            if exact(row["DATE_CREATED"]) < self._at
        }
        for entry in self._later:
            before = self._before(entry, "HIDDEN")
            if entry["kind"] == kind and entry["id"] in hidden and before is not None:
                hidden[entry["id"]] = bool(before)
        return sum(1 for value in hidden.values() if not value)

    def sheets(self, zone: str, days: int) -> int:
        """Sheets that begin in the horizon of that moment."""
        return self._beginning(*horizon(self._at, zone, days))

    def sheets_back(self, zone: str, days: int) -> int:
        """Sheets that began on the days before that moment, or begin on its own."""
        first, _last = horizon(self._at - timedelta(days=days), zone, 1)
        return self._beginning(first, horizon(self._at, zone, 1)[1])

    def _beginning(self, first: datetime, last: datetime) -> int:
        starts = {
            row["ID"]: row["START"] for row in self._dump["courses"] if exact(row["DATE_CREATED"]) < self._at
        }
        for entry in self._later:
            if entry["kind"] != "sheet":
                continue
            if entry.get("verb") == "withdraw" and exact(entry["before"]["DATE_CREATED"]) < self._at:
                starts[entry["id"]] = entry["before"]["START"]
            before = self._before(entry, "START")
            if entry["id"] in starts and before:
                starts[entry["id"]] = before
        return sum(1 for start in starts.values() if first <= moment(start) < last)

    @staticmethod
    def _before(entry: Mapping[str, Any], field: str) -> Any:
        """What a field held before a write or an edit, None where the entry says nothing of it."""
        if "verb" in entry:
            return entry["before"].get(field)
        return entry["before"] if entry["field"] == field else None
