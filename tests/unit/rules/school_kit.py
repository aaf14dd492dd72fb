"""A small school in both systems, built sentence by sentence, and what the engine would do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from engine.changes import Change, Plan, Verb
from engine.config_models import Limit
from engine.links import Link, Links, in_tokens
from engine.planning.brakes import Brakes, brake
from engine.planning.checks import Checked, check
from engine.planning.match import Matching, PairDecisions, match
from engine.planning.merge import Resolution
from engine.planning.plan import plan
from engine.planning.situation import Inputs, Presence
from engine.ports import Scope
from engine.records import (
    KINDS,
    RECORDS,
    Entry,
    Group,
    Kind,
    Learner,
    Problem,
    Record,
    Seen,
    Sheet,
    Speaker,
    canonical,
)

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
"""A Tuesday, 09:00 in Paris."""
SCOPE = Scope(first=date(2026, 11, 24), last=date(2026, 12, 7), zone="Europe/Paris")
OURS = "rollcall-lyon"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NO_LIMITS: Mapping[str, Limit] = {}


def ids(*names: str) -> frozenset[str]:
    return frozenset(names)


def edusign_id(kind: Kind, erp_id: str) -> str:
    """The Edusign id the kit gives to an ERP record both sides have."""
    return f"e-{kind}-{erp_id}"


class School:
    """Both sides of one school. What `both` adds is linked and agreed; edits then make one side differ."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now
        self.entries: dict[Kind, list[Entry]] = {kind: [] for kind in KINDS}
        self.edusign: dict[Kind, dict[str, Seen]] = {kind: {} for kind in KINDS}
        self.links = Links()
        self.complete_erp: frozenset[Kind] = frozenset(KINDS)
        self.complete_edusign: frozenset[Kind] = frozenset(KINDS)
        self.sightings: dict[tuple[Kind, str], Presence] = {}
        self.lookups: dict[tuple[Kind, str], Seen | None] = {}
        self.resolutions: dict[tuple[Kind, str, str], Resolution] = {}
        self.pairs: PairDecisions = {}
        self.sealed: dict[str, tuple[str, ...]] = {}
        self.occurrence = "lyon/import/1130/2026-11-24"
        self.keys_move = False

    # What the ERP says

    def erp(
        self, record: Record, *, ended: bool = False, problems: Iterable[Problem] = (), where: str = ""
    ) -> School:
        """The ERP shows this record."""
        entry = Entry(record=record, ended=ended, problems=tuple(problems), where=where)
        self.entries[record.kind].append(entry)
        return self

    def erp_edits(self, kind: Kind, erp_id: str, **values: Any) -> School:
        """The ERP shows other values from now on."""
        self.entries[kind] = [
            e.model_copy(update={"record": e.record.model_copy(update=values)}) if e.id == erp_id else e
            for e in self.entries[kind]
        ]
        return self

    def erp_ends(self, kind: Kind, erp_id: str) -> School:
        """The ERP itself says: left, or cancelled."""
        self.entries[kind] = [
            e.model_copy(update={"ended": True}) if e.id == erp_id else e for e in self.entries[kind]
        ]
        return self

    def erp_doubts(self, kind: Kind, erp_id: str, problem: Problem) -> School:
        """The ERP shows something wrong in a record."""
        self.entries[kind] = [
            e.model_copy(update={"problems": (*e.problems, problem)}) if e.id == erp_id else e
            for e in self.entries[kind]
        ]
        return self

    def erp_drops(self, kind: Kind, erp_id: str, *, missed_before: int = 0) -> School:
        """The ERP no longer shows a record, nor did it in so many earlier occurrences."""
        self.entries[kind] = [e for e in self.entries[kind] if e.id != erp_id]
        link = self.links.get(kind, erp_id)
        if link is not None:
            before = tuple(f"lyon/import/1130/2026-11-{20 + n}" for n in range(missed_before))
            self.links.put(link.model_copy(update={"missing": before}))
        return self

    # What Edusign says

    def both(self, *records: Record, **flags: Any) -> School:
        """Both sides have these and agree; `flags` are set on what Edusign shows."""
        for record in records:
            self.erp(record)
            known = edusign_id(record.kind, record.id)
            fields = {name: self._in_edusign(name, record.value(name)) for name in record.fields}
            api = {"api_id": record.id, "api_type": OURS}
            seen = Seen(record=RECORDS[record.kind].model_validate({"id": known, **fields}), **(api | flags))
            self.edusign[record.kind][known] = seen
            base = {name: canonical(record.kind, name, record.value(name)) for name in record.fields}
            self.links.put(Link(kind=record.kind, erp_id=record.id, edusign_id=known, base=base))
        return self

    def _in_edusign(self, name: str, value: Any) -> Any:
        kinds: dict[str, Kind] = {
            "members": "learner", "learners": "learner", "groups": "group", "speakers": "speaker"
        }  # fmt: skip
        if name not in kinds:
            return value
        return frozenset(
            self.links.edusign_id(kinds[name], token) or f"e-{kinds[name]}-{token}" for token in value
        )

    def by_hand(self, record: Record, *, api_id: str = "", api_type: str = "", **flags: Any) -> School:
        """Edusign shows a record that no link explains; references are Edusign ids."""
        self.edusign[record.kind][record.id] = Seen(record=record, api_id=api_id, api_type=api_type, **flags)
        return self

    def edusign_edits(self, kind: Kind, erp_id: str, **values: Any) -> School:
        """A person changes a linked record in Edusign; references are Edusign ids."""
        seen = self.seen(kind, erp_id)
        record = seen.record.model_copy(update=values)
        self.edusign[kind][seen.id] = seen.model_copy(update={"record": record})
        return self

    def edusign_marks(self, kind: Kind, erp_id: str, **flags: Any) -> School:
        """Edusign shows a linked record locked, signed, archived, shared …"""
        seen = self.seen(kind, erp_id)
        self.edusign[kind][seen.id] = seen.model_copy(update=flags)
        return self

    def seen(self, kind: Kind, erp_id: str) -> Seen:
        """What Edusign shows of a linked record."""
        link = self.links.get(kind, erp_id)
        assert link is not None
        return self.edusign[kind][link.edusign_id]

    def base(self, kind: Kind, erp_id: str, **values: Any) -> School:
        """The base of a link, otherwise than agreed; a value of ... takes the field out."""
        link = self.links.get(kind, erp_id)
        assert link is not None
        merged = {n: v for n, v in {**link.base, **values}.items() if v is not ...}
        self.links.put(link.model_copy(update={"base": merged}))
        return self

    # What the engine makes of it

    def checked(self, stand_in: str = "") -> Checked:
        return check({kind: tuple(given) for kind, given in self.entries.items()}, self.links, stand_in)

    def matched(self, checked: Checked | None = None) -> Matching:
        return match(
            checked or self.checked(),
            {kind: records.values() for kind, records in self.edusign.items()},
            self.links,
            our_type=OURS,
            decisions=self.pairs,
            sealed=frozenset(id for sealed in self.sealed.values() for id in sealed),
        )

    def inputs(self) -> Inputs:
        checked = self.checked()
        return Inputs(
            now=self.now,
            scope=SCOPE,
            occurrence=self.occurrence,
            checked=checked,
            matching=self.matched(checked),
            seen=self.edusign,
            links=self.links,
            complete_erp=self.complete_erp,
            complete_edusign=self.complete_edusign,
            sightings=self.sightings,
            lookups=self.lookups,
            resolutions=self.resolutions,
            sealed={erp_id: len(sheets) for erp_id, sheets in self.sealed.items()},
            keys_move=self.keys_move,
            our_type=OURS,
        )

    def plan(self) -> Plan:
        return plan(self.inputs())

    def braked(self, **brakes: Any) -> Plan:
        """The plan behind brakes; without limits unless given."""
        return brake(self.plan(), self.links, Brakes(**{"now": self.now, "limits": NO_LIMITS, **brakes}))

    def tokens(self, kind: Kind, erp_id: str) -> dict[str, Any]:
        """What Edusign shows of a linked record, its references as ERP keys."""
        return in_tokens(self.seen(kind, erp_id), self.links)


def learner(id: str = "L1", **values: Any) -> Learner:
    names = {"last_name": f"Dupont{id}", "first_name": "Jeanne", "email": f"{id.lower()}@ecole.example"}
    return Learner(id=id, **(names | values))


def speaker(id: str = "P1", **values: Any) -> Speaker:
    names = {"last_name": f"Martin{id}", "first_name": "Paul", "email": f"{id.lower()}@profs.example"}
    return Speaker(id=id, **(names | values))


def group(id: str = "G1", *members: str, name: str = "") -> Group:
    return Group(id=id, name=name or f"Group {id}", members=frozenset(members))


def session(id: str = "S1", *learners: str, starts: timedelta = 2 * DAY, **values: Any) -> Sheet:
    """A session of two hours, `starts` after NOW, of P1 and G1."""
    defaults: dict[str, Any] = {
        "name": f"Course {id}",
        "start": NOW + starts,
        "end": NOW + starts + 2 * HOUR,
        "room": "B12",
        "groups": ids("G1"),
        "speakers": ids("P1"),
        "learners": frozenset(learners),
    }
    return Sheet(id=id, **(defaults | values))


def small_school(now: datetime = NOW, *, learners: int = 3, sessions: Iterable[Sheet] = ()) -> School:
    """P1, L1 … Ln in G1, and S1 in two days unless other sessions are given; all agreed."""
    people = [f"L{n}" for n in range(1, learners + 1)]
    school = School(now).both(speaker("P1"), *(learner(id) for id in people), group("G1", *people))
    return school.both(*(tuple(sessions) or (session("S1", *people),)))


def changes(made: Plan, verb: Verb, kind: Kind | None = None) -> list[Change]:
    """The changes of one verb (and kind)."""
    return [c for c in made.changes if c.verb == verb and kind in (None, c.kind)]


def only(made: Plan) -> Change:
    """The plan's single change."""
    (change,) = made.changes
    return change


def told(made: Plan) -> set[tuple[str, str]]:
    """(ERP key, code) of each notice."""
    return {(n.erp_id, n.code) for n in made.notices}


def rejected(made: Plan | Checked) -> set[tuple[str, str]]:
    """(ERP key, code) of each rejection."""
    return {(r.erp_id, r.code) for r in made.rejections}
