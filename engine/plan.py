"""Three-way comparison → plan: a pure function of observations, base, policies and decisions.

The same inputs give the same plan, byte for byte, whatever order rows and pages came in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from engine.changes import (
    FOREIGN,
    BaseMove,
    Change,
    Conflict,
    Notice,
    Plan,
    Task,
    Verb,
)
from engine.checks import Checked
from engine.links import Link, Links, in_tokens
from engine.match import Found, Matching
from engine.merge import UNSET, Resolution, RosterMerge, merge_field, merge_roster
from engine.ports import Scope
from engine.records import KINDS, PEOPLE, Entry, Group, Kind, Seen, Sheet, Value, canonical, plain, revived
from engine.urgency import Bites, ordered

LEAD = timedelta(minutes=15)
"""From so long before its start a sheet is never PATCHed (R18)."""

Presence = Literal["alive", "gone", "unknown"]


@dataclass(frozen=True)
class Inputs:
    """Everything a plan depends on.

    `now` is the later of our clock and Edusign's (R24). `complete_*`: the kinds whose listing proves absence
    (R13). `sightings`: what the ERP answered of linked records its listing missed. `lookups`: what Edusign
    answered of linked records its listing missed (None: it has none). `silent`: fields the ERP never speaks of.
    """

    now: datetime
    scope: Scope
    occurrence: str
    checked: Checked
    matching: Matching
    seen: Mapping[Kind, Mapping[str, Seen]]
    links: Links
    complete_erp: frozenset[Kind] = frozenset(KINDS)
    complete_edusign: frozenset[Kind] = frozenset(KINDS)
    sightings: Mapping[tuple[Kind, str], Presence] = field(default_factory=dict)
    lookups: Mapping[tuple[Kind, str], Seen | None] = field(default_factory=dict)
    resolutions: Mapping[tuple[Kind, str, str], Resolution] = field(default_factory=dict)
    sealed: Mapping[str, int] = field(default_factory=dict)
    silent: Mapping[Kind, frozenset[str]] = field(default_factory=dict)
    our_type: str = "rollcall"
    country: str = "FR"


def missing(
    links: Links, present: Mapping[Kind, frozenset[str]], scope: Scope, complete: frozenset[Kind]
) -> tuple[Link, ...]:
    """Linked records that a complete listing of the ERP did not show, over dates both cover (R13)."""
    return tuple(
        link
        for link in links
        if link.kind in complete
        and link.erp_id not in present.get(link.kind, frozenset())
        and in_scope(link, scope)
    )


def unlisted(links: Links, seen: Mapping[Kind, Mapping[str, Seen]], scope: Scope) -> tuple[Link, ...]:
    """Linked records that Edusign's listing did not show although it should have."""
    return tuple(
        link for link in links if link.edusign_id not in seen.get(link.kind, {}) and in_scope(link, scope)
    )


def in_scope(link: Link, scope: Scope) -> bool:
    """Whether listings of `scope` would show this record; people and groups always."""
    if link.kind != "sheet":
        return True
    start = link.base.get("start")
    if start is None:
        return False
    return scope.first <= local_date(revived("sheet", "start", start), scope.zone) <= scope.last


def local_date(instant: Value, zone: str) -> date:
    """The local date of an instant in an IANA zone."""
    assert isinstance(instant, datetime)
    return instant.astimezone(ZoneInfo(zone)).date()


def plan(inputs: Inputs) -> Plan:
    """What to write so that Edusign says what the ERP says, and what only a person can settle."""
    return _Planner(inputs).plan()


class _Planner:
    def __init__(self, inputs: Inputs) -> None:
        self.given = inputs
        self.links = inputs.links
        # An e-mail is unique, and a record missing from Edusign, only as far as the listings were complete.
        self.found = {
            (f.kind, f.erp_id): f
            for f in inputs.matching.found
            if f.kind in inputs.complete_edusign and (f.by != "email" or f.kind in inputs.complete_erp)
        }
        whole = inputs.complete_erp & inputs.complete_edusign
        self.new = frozenset(key for key in inputs.matching.new if key[0] in whole)
        self.gone: set[tuple[Kind, str]] = set()
        self.changes: list[Change] = []
        self.conflicts: list[Conflict] = []
        self.tasks: list[Task] = []
        self.notices: list[Notice] = []
        self.base_moves: list[BaseMove] = []
        self.absent: list[tuple[Kind, str]] = []
        self.found_again: list[tuple[Kind, str]] = []
        sessions = [e.record for e in inputs.checked.accepted.get("sheet", {}).values()]
        groups = [e.record for e in inputs.checked.accepted.get("group", {}).values()]
        self.bites = Bites(
            (s for s in sessions if isinstance(s, Sheet)),
            (g for g in groups if isinstance(g, Group)),
            inputs.now,
        )
        self.standing = _standing(inputs)
        self.groups_of = _groups_of(inputs)

    def plan(self) -> Plan:
        self._find_gone()
        for kind in KINDS:
            if kind not in self.given.complete_edusign:
                continue
            for erp_id, entry in sorted(self.given.checked.accepted.get(kind, {}).items()):
                self._record(kind, erp_id, entry)
        for kind, erp_id in sorted(self.gone):
            if kind in self.given.complete_edusign:
                self._gone(kind, erp_id)
        checked = self.given.checked
        return Plan(
            changes=ordered(self.changes),
            conflicts=tuple(self.conflicts),
            tasks=tuple(self.tasks),
            rejections=checked.rejections,
            blocks=self.given.matching.blocks,
            notices=tuple(self.notices),
            base_moves=tuple(self.base_moves),
            missing=tuple(sorted(self.absent)),
            found_again=tuple(sorted(self.found_again)),
            seen={kind: self._seen_ids(kind) for kind in KINDS},
        )

    def _seen_ids(self, kind: Kind) -> tuple[str, ...]:
        checked = self.given.checked
        ids = set(checked.accepted.get(kind, {})) | set(checked.rejected.get(kind, ()))
        ids |= set(checked.ended.get(kind, {}))
        ids |= {erp_id for k, erp_id in (*self.gone, *self.absent) if k == kind}
        return tuple(sorted(ids))

    # Gone (R13)

    def _find_gone(self) -> None:
        checked = self.given.checked
        present: dict[Kind, frozenset[str]] = {}
        for kind in KINDS:
            ended = checked.ended.get(kind, {})
            if kind in self.given.complete_erp:
                self.gone |= {(kind, erp_id) for erp_id in ended if self.links.get(kind, erp_id)}
            present[kind] = frozenset(
                {*checked.accepted.get(kind, {}), *ended, *checked.rejected.get(kind, ())}
            )
        for link in missing(self.links, present, self.given.scope, self.given.complete_erp):
            key = (link.kind, link.erp_id)
            occurrences = {*link.missing, self.given.occurrence}
            state = self.given.sightings.get(key, "unknown")
            if state == "alive" or len(occurrences) < 2 or (state == "unknown" and len(occurrences) < 3):
                self.absent.append(key)
            else:
                self.gone.add(key)
        for link in self.links:
            if link.missing and link.erp_id in present[link.kind]:
                self.found_again.append((link.kind, link.erp_id))

    def _gone(self, kind: Kind, erp_id: str) -> None:
        link = self.links.get(kind, erp_id)
        assert link is not None
        seen = self._seen(link)
        if seen is None and (kind, link.edusign_id) not in self.given.lookups:
            self._notice(link, erp_id, "not_listed", "R13")
        elif link.read_only or seen is None or seen.archived:
            self._unlink(link, "already gone from Edusign" if not link.read_only else "read-only link")
        elif kind in PEOPLE:
            self._archive(link, seen)
        elif kind == "group":
            self._empty_group(link, seen)
        else:
            self._withdraw(link, seen)

    def _unlink(self, link: Link, reason: str) -> None:
        if link.kind == "sheet" or not link.read_only:
            self._change("unlink", link, label=link.erp_id, reason=reason, rule="R13")

    def _archive(self, link: Link, seen: Seen) -> None:
        if seen.shared:
            self._notice(link, seen.record.label, "shared_speaker_left", "R11")
            return
        at, people = self.standing.of(link.kind, link.erp_id)
        self._change(
            "archive",
            link,
            label=seen.record.label,
            before={f: v for f, v in in_tokens(seen, self.links).items() if f in seen.record.fields},
            reason="left the ERP",
            rule="R14",
            bites=(at, people),
        )

    def _empty_group(self, link: Link, seen: Seen) -> None:
        self._notice(link, seen.record.label, "group_gone", "R14")
        values = in_tokens(seen, self.links)
        members = values["members"]
        assert isinstance(members, frozenset)
        leaving = members & _base_set(link, "members")
        if leaving:
            self._change(
                "update",
                link,
                label=seen.record.label,
                before={"members": members},
                after={"members": members - leaving},
                base_after={"members": frozenset()},
                reason="the group is gone from the ERP",
                rule="R14",
            )

    def _withdraw(self, link: Link, seen: Seen) -> None:
        sheet = seen.record
        assert isinstance(sheet, Sheet)
        if self._protected(seen) or seen.api_type != self.given.our_type:
            self._notice(link, sheet.label, "cancelled_but_kept", "R15")
            return
        self._change(
            "withdraw",
            link,
            label=sheet.label,
            before=in_tokens(seen, self.links),
            reason="the session is cancelled",
            rule="R15",
            bites=(sheet.start, len(sheet.learners)),
            groups=tuple(sorted(self.links.token("group", g) for g in sheet.groups)),
        )

    # One accepted record

    def _record(self, kind: Kind, erp_id: str, entry: Entry) -> None:
        link = self.links.get(kind, erp_id)
        if link is not None:
            self._linked(link, entry)
        elif (kind, erp_id) in self.found:
            self._link(self.found[kind, erp_id], entry)
        elif (kind, erp_id) in self.new:
            sealed = kind == "sheet" and erp_id in self.given.sealed
            self._create(kind, erp_id, entry, "its earlier sheet is sealed" if sealed else "new in the ERP")

    def _linked(self, link: Link, entry: Entry) -> None:
        seen = self._seen(link)
        if seen is None:
            if (link.kind, link.edusign_id) in self.given.lookups:
                self._create(link.kind, link.erp_id, entry, "deleted in Edusign by hand")
                self._notice(link, entry.record.label, "deleted_in_edusign", "R02")
            else:
                self._notice(link, entry.record.label, "not_listed", "R13")
        elif seen.archived:
            if not link.read_only:
                self._change(
                    "restore",
                    link,
                    label=entry.record.label,
                    before={"archived": "yes"},
                    after={"archived": "no"},
                    overwrites=("archived",),
                    reason="archived in Edusign by hand, still in the ERP",
                    rule="R08",
                )
                self._notice(link, entry.record.label, "archived_in_edusign", "R02")
        else:
            self._compare(link, entry, seen)

    def _compare(self, link: Link, entry: Entry, seen: Seen) -> None:
        merged = self._merge(entry, seen, link.base)
        if link.read_only:
            return
        self._people_work(link, entry, seen, merged)
        writes = self._allowed_writes(link, seen, merged.writes)
        if seen.kind == "sheet":
            self._sheet(link, entry, seen, merged, writes)
            return
        for name, roster in merged.rosters.items():
            if roster.add or roster.remove:
                writes[name] = (merged.current(name) | roster.add) - roster.remove
                merged.base_after[name] = roster.base
                if roster.put_back:
                    merged.overwritten.append(name)
            elif _base_set(link, name) != roster.base or name not in link.base:
                merged.moves[name] = roster.base
        if writes:
            self._update(link, entry, seen, merged, writes)
        self._move_base(link, merged.moves)

    def _merge(self, entry: Entry, seen: Seen, base: Mapping[str, Any]) -> _Merged:
        """Every field of one pair, three-way; conflicts and tasks are collected by the caller."""
        kind = entry.kind
        edusign = in_tokens(seen, self.links)
        unusable = {p.field for p in entry.problems if not p.row and p.code not in INFORMATIONAL}
        unusable |= self.given.silent.get(kind, frozenset())
        merged = _Merged(edusign)
        for name in entry.record.fields:
            erp = entry.record.value(name)
            theirs = edusign[name]
            if name in entry.record.rosters:
                assert isinstance(erp, frozenset) and isinstance(theirs, frozenset)
                wanted = frozenset(t for t in erp if self._placeable(t))
                agreed = revived(kind, name, base[name]) if name in base else UNSET
                roster = merge_roster(wanted, theirs, agreed)
                if not {kind, "learner"} <= self.given.complete_erp:
                    roster = replace(roster, base=roster.base | roster.remove, remove=frozenset())
                merged.rosters[name] = roster
                continue
            if name in unusable:
                continue
            erp_form = canonical(kind, name, erp, self.given.country)
            if kind == "sheet" and name in ("groups", "speakers"):
                erp_form = erp = self._known(name, erp)
                if name == "speakers" and not erp_form:
                    continue
            result = merge_field(
                erp,
                theirs,
                revived(kind, name, base[name]) if name in base else UNSET,
                erp_form=erp_form,
                edusign_form=canonical(kind, name, theirs, self.given.country),
                contact=name in entry.record.contact,
                resolution=self.given.resolutions.get((kind, entry.id, name)),
            )
            if result.action == "write":
                merged.writes[name] = result.value
                if result.overwrites:
                    merged.overwritten.append(name)
                if result.base is not UNSET:
                    merged.base_after[name] = result.base
            elif result.action in ("task", "conflict"):
                merged.personal[name] = result.action
            if result.action in ("base", "task") and result.base is not UNSET:
                merged.moves[name] = result.base  # type: ignore[assignment]
        return merged

    def _people_work(self, link: Link, entry: Entry, seen: Seen, merged: _Merged) -> None:
        """Conflicts and tasks of one record."""
        for name, action in merged.personal.items():
            erp, edusign = str(entry.record.value(name)), str(seen.record.value(name))
            common = {
                "kind": link.kind,
                "erp_id": link.erp_id,
                "edusign_id": link.edusign_id,
                "label": entry.record.label,
                "field": name,
            }
            if action == "conflict":
                known = link.base.get(name)
                self.conflicts.append(Conflict(**common, erp=erp, base=known, edusign=edusign))
            else:
                self.tasks.append(Task(**common, erp=erp, edusign=edusign, where=entry.where))

    def _allowed_writes(self, link: Link, seen: Seen, writes: dict[str, Value]) -> dict[str, Value]:
        """Without what may never be written: the name of a speaker of several schools (R11)."""
        if not seen.shared:
            return dict(writes)
        names = {"last_name", "first_name"} & writes.keys()
        if names:
            self._notice(link, seen.record.label, "shared_speaker_renamed", "R11")
        return {name: value for name, value in writes.items() if name not in names}

    def _update(
        self, link: Link, entry: Entry, seen: Seen, merged: _Merged, writes: Mapping[str, Value]
    ) -> None:
        self._change(
            "update",
            link,
            label=entry.record.label,
            before={name: merged.current_value(name) for name in writes},
            after=dict(writes),
            base_after={name: value for name, value in merged.base_after.items() if name in writes},
            overwrites=tuple(name for name in merged.overwritten if name in writes),
            reason="changed in the ERP" if not merged.overwritten else "the ERP's value stands",
            rule="R01" if not merged.overwritten else "R02",
            groups=self._scopes(entry, seen),
        )

    def _sheet(self, link: Link, entry: Entry, seen: Seen, merged: _Merged, writes: dict[str, Value]) -> None:
        sheet = seen.record
        assert isinstance(sheet, Sheet)
        if (seen.locked or seen.signed) and {"start", "end"} & writes.keys() and self._moved(link, entry):
            self._seal(link, entry, seen, writes)
            return
        if writes and self._protected(seen):
            self._notice(
                link,
                sheet.label,
                "too_late_to_change",
                "R18",
                {n: [plain(merged.current_value(n)), plain(v)] for n, v in sorted(writes.items())},
            )
        elif writes:
            self._update(link, entry, seen, merged, writes)
        self._roster(link, entry, seen, merged.rosters["learners"], merged)
        self._move_base(link, merged.moves)

    def _roster(self, link: Link, entry: Entry, seen: Seen, roster: RosterMerge, merged: _Merged) -> None:
        """Adds and removals on one sheet, one change each, by the attendance routes (R18, R20)."""
        sheet = seen.record
        assert isinstance(sheet, Sheet)
        now = self.given.now
        started = sheet.start is not None and now >= sheet.start
        over = seen.locked or (sheet.end is not None and now >= sheet.end)
        adds = frozenset() if over else roster.add - roster.put_back if started else roster.add
        signed = {self.links.token("learner", id) for id in seen.signed_learners}
        removals = frozenset() if over or started else roster.remove - signed
        session = entry.record
        bites = (sheet.start, 1)
        for token in sorted(adds):
            self._change(
                "add",
                link,
                label=session.label,
                before={"learners": frozenset()},
                after={"learners": frozenset({token})},
                overwrites=("learners",) if token in roster.put_back else (),
                reason="on the session in the ERP",
                rule="R20" if token not in roster.put_back else "R02",
                bites=bites,
                groups=self._scopes(entry, seen),
            )
        for token in sorted(removals):
            self._change(
                "remove",
                link,
                label=session.label,
                before={"learners": frozenset({token})},
                after={"learners": frozenset()},
                reason="no longer on the session in the ERP",
                rule="R20",
                bites=bites,
                groups=self._scopes(entry, seen),
            )
        # The base holds what both sides agree on now; elements written follow as they are written.
        agreed = (roster.base - roster.add) | roster.put_back | roster.remove
        if "learners" not in link.base or _base_set(link, "learners") != agreed:
            merged.moves["learners"] = agreed

    def _seal(self, link: Link, entry: Entry, seen: Seen, writes: Mapping[str, Value]) -> None:
        """A signed or locked sheet whose session moved is kept for what it was; a new one is proposed (R19)."""
        self._change(
            "seal",
            link,
            label=seen.record.label,
            before={n: in_tokens(seen, self.links)[n] for n in writes},
            after=dict(writes),
            reason="signed or locked, and its session moved",
            rule="R19",
        )
        session = entry.record
        assert isinstance(session, Sheet)
        if session.start is not None and session.start > self.given.now:
            self._create("sheet", link.erp_id, entry, "its earlier sheet is sealed", after_seal=True)

    def _moved(self, link: Link, entry: Entry) -> bool:
        """Whether the ERP moved the session since both sides agreed on its time."""
        return any(
            name in link.base
            and revived("sheet", name, link.base[name]) != canonical("sheet", name, entry.record.value(name))
            for name in ("start", "end")
        )

    def _protected(self, seen: Seen) -> bool:
        """Whether a sheet may no longer be PATCHed (R18)."""
        sheet = seen.record
        assert isinstance(sheet, Sheet)
        return seen.locked or seen.signed or self._begun(sheet)

    def _begun(self, sheet: Sheet) -> bool:
        return sheet.start is not None and self.given.now >= sheet.start - LEAD

    # New in Edusign

    def _create(self, kind: Kind, erp_id: str, entry: Entry, reason: str, *, after_seal: bool = False) -> None:
        record = entry.record
        if kind not in self.given.complete_erp:
            return
        if isinstance(record, Sheet) and record.start is not None and record.start <= self.given.now:
            self.notices.append(
                Notice(kind=kind, erp_id=erp_id, edusign_id="", label=record.label, code="already_started")
            )
            return
        values = {name: record.value(name) for name in record.fields}
        for name in record.rosters:
            values[name] = frozenset(t for t in self._set(values[name]) if self._placeable(t))
        if isinstance(record, Sheet):
            for name in ("groups", "speakers"):
                values[name] = self._known(name, values[name])
            if not values["speakers"]:
                self.notices.append(
                    Notice(
                        kind=kind, erp_id=erp_id, edusign_id="", label=record.label, code="waits_for_speaker"
                    )
                )
                return
        number = (self.given.sealed.get(erp_id, 0) if kind == "sheet" else 0) + (1 if after_seal else 0)
        at, people = self.bites.of(kind, erp_id)
        self.changes.append(
            Change(
                verb="create",
                kind=kind,
                erp_id=erp_id,
                label=record.label,
                after=values,
                reason=reason,
                rule="R19" if number else "R08",
                bites_at=at,
                people=people,
                groups=self._scopes(entry, None),
                api_id=f"{erp_id}#{number + 1}" if number else erp_id,
            )
        )

    def _link(self, found: Found, entry: Entry) -> None:
        """Adopt: equal values become the base, other ERP-owned fields take the ERP's value, contacts ask."""
        seen = found.seen
        link = Link(kind=found.kind, erp_id=found.erp_id, edusign_id=seen.id, read_only=found.read_only)
        merged = self._merge(entry, seen, {})
        base: dict[str, Value] = dict(merged.moves)
        writes: dict[str, Value] = {}
        if not found.read_only:
            self._people_work(link, entry, seen, merged)
            writes = self._allowed_writes(link, seen, merged.writes)
        if seen.kind == "sheet":
            roster = merged.rosters["learners"]
            base["learners"] = roster.base - roster.add
            if self._protected(seen):
                writes = {}
        elif not found.read_only:
            for name, roster in merged.rosters.items():
                base[name] = roster.base
                if roster.add:
                    writes[name] = merged.current(name) | roster.add
        stamped = seen.api_id != "" and seen.api_type != ""
        stamp = not (
            stamped or found.read_only or seen.shared or (seen.kind == "sheet" and self._protected(seen))
        )
        self._change(
            "link",
            link,
            label=entry.record.label,
            before={name: merged.current_value(name) for name in writes},
            after=writes,
            base_after=base | {n: v for n, v in merged.base_after.items() if n in writes},
            overwrites=tuple(n for n in merged.overwritten if n in writes),
            reason={"api_id": "carries our key", "email": "same e-mail and name"}.get(
                found.by, "a person said so"
            ),
            rule="R07",
            stamp=stamp,
            read_only=found.read_only,
            api_id=found.erp_id,
            groups=self._scopes(entry, seen),
        )
        if seen.kind == "sheet" and not found.read_only:
            self._roster(link, entry, seen, merged.rosters["learners"], merged)

    # Small questions

    def _seen(self, link: Link) -> Seen | None:
        seen = self.given.seen.get(link.kind, {}).get(link.edusign_id)
        return seen or self.given.lookups.get((link.kind, link.edusign_id))

    def _placeable(self, token: str) -> bool:
        """Whether a learner can stand on a roster once this plan is carried out."""
        if token.startswith(FOREIGN):
            return True
        key: tuple[Kind, str] = ("learner", token)
        if key in self.gone:
            return False
        return self.links.get(*key) is not None or key in self.found or key in self.new

    def _known(self, name: str, value: Value) -> frozenset[str]:
        """Groups or speakers of a session that are, or in this plan become, known to Edusign."""
        kind: Kind = "group" if name == "groups" else "speaker"
        return frozenset(
            token
            for token in self._set(value)
            if (kind == "group" or (kind, token) not in self.gone)
            and (self.links.get(kind, token) or (kind, token) in self.found or (kind, token) in self.new)
        )

    @staticmethod
    def _set(value: Value) -> frozenset[str]:
        assert isinstance(value, frozenset)
        return value

    def _scopes(self, entry: Entry, seen: Seen | None) -> tuple[str, ...]:
        record = entry.record
        if isinstance(record, Sheet):
            return tuple(sorted(record.groups))
        if entry.kind == "group":
            return (entry.id,)
        return self.groups_of.get(entry.id, ()) if entry.kind == "learner" else ()

    def _move_base(self, link: Link, moves: Mapping[str, Value]) -> None:
        if moves:
            self.base_moves.append(BaseMove(kind=link.kind, erp_id=link.erp_id, base=dict(moves)))

    def _notice(
        self, link: Link, label: str, code: str, rule: str, data: Mapping[str, Any] | None = None
    ) -> None:
        self.notices.append(
            Notice(
                kind=link.kind,
                erp_id=link.erp_id,
                edusign_id=link.edusign_id,
                label=label,
                code=code,
                data={"rule": rule, **(data or {})},
            )
        )

    def _change(
        self,
        verb: Verb,
        link: Link,
        *,
        label: str,
        bites: tuple[datetime | None, int] | None = None,
        **details: Any,
    ) -> None:
        at, people = bites if bites is not None else self.bites.of(link.kind, link.erp_id)
        self.changes.append(
            Change(
                verb=verb,
                kind=link.kind,
                erp_id=link.erp_id,
                edusign_id=link.edusign_id,
                label=label,
                bites_at=at,
                people=people,
                **details,
            )
        )


INFORMATIONAL = frozenset({"time_ambiguous"})
"""Value problems that leave a usable value (R22); any other keeps the base."""


class _Merged:
    """The merge of one pair of records, field by field."""

    def __init__(self, edusign: Mapping[str, Value]) -> None:
        self._edusign = edusign
        self.writes: dict[str, Value] = {}
        self.rosters: dict[str, RosterMerge] = {}
        self.moves: dict[str, Value] = {}
        self.base_after: dict[str, Any] = {}
        self.overwritten: list[str] = []
        self.personal: dict[str, Literal["task", "conflict"]] = {}

    def current_value(self, name: str) -> Value:
        return self._edusign[name]

    def current(self, name: str) -> frozenset[str]:
        value = self._edusign[name]
        assert isinstance(value, frozenset)
        return value


def _base_set(link: Link, name: str) -> frozenset[str]:
    value = revived(link.kind, name, link.base.get(name))
    return value if isinstance(value, frozenset) else frozenset()


def _standing(inputs: Inputs) -> Bites:
    """The sheets each person stands on in Edusign now: what an archive would spoil (R14)."""
    sheets = []
    for seen in inputs.seen.get("sheet", {}).values():
        values = in_tokens(seen, inputs.links)
        assert isinstance(seen.record, Sheet)
        sheets.append(
            seen.record.model_copy(update={"learners": values["learners"], "speakers": values["speakers"]})
        )
    return Bites(sheets, (), inputs.now)


def _groups_of(inputs: Inputs) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for group_id, entry in sorted(inputs.checked.accepted.get("group", {}).items()):
        assert isinstance(entry.record, Group)
        for member in entry.record.members:
            found.setdefault(member, []).append(group_id)
    return {member: tuple(groups) for member, groups in found.items()}
