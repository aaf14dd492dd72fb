"""What a plan depends on, and the questions every part of planning asks of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from engine.changes import FOREIGN
from engine.links import Link, Links, in_tokens
from engine.planning.checks import Checked
from engine.planning.match import Matching
from engine.planning.merge import Resolution
from engine.planning.moves import followed, paired
from engine.planning.scope import missing
from engine.planning.urgency import Bites
from engine.ports import Scope
from engine.records import KINDS, Entry, Group, Kind, Seen, Sheet, Value

LEAD = timedelta(minutes=15)
"""From so long before its start a sheet is never PATCHed (R18)."""

Presence = Literal["alive", "gone", "unknown"]
Key = tuple[Kind, str]


@dataclass(frozen=True)
class Inputs:
    """Everything a plan depends on.

    `now` is the later of our clock and Edusign's (R24). `complete_*`: the kinds whose listing proves absence
    (R13). `sightings`: what the ERP answered of linked records its listing missed. `lookups`: what Edusign
    answered of linked records its listing missed (None: it has none). `silent`: fields the ERP never speaks
    of. `sealed`: how many sealed sheets each session has (R19). `keys_move`: this ERP names a session by what
    it is, so that a moved one comes under another key (R12).
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
    sightings: Mapping[Key, Presence] = field(default_factory=dict)
    lookups: Mapping[Key, Seen | None] = field(default_factory=dict)
    resolutions: Mapping[tuple[Kind, str, str], Resolution] = field(default_factory=dict)
    sealed: Mapping[str, int] = field(default_factory=dict)
    silent: Mapping[Kind, frozenset[str]] = field(default_factory=dict)
    keys_move: bool = False
    our_type: str = "rollcall"
    country: str = "FR"


class Situation:
    """Inputs, and what follows from them before anything is planned: who is found, new, gone, moved.

    `links` are the given ones with moved sessions' under their new keys (R12); `moves` maps old to new key.
    `gone`: linked records that left the ERP for good; `absent`: not shown, but not yet gone; `found_again`:
    shown after they were missed (R13).
    """

    def __init__(self, given: Inputs) -> None:
        self.given = given
        # An e-mail is unique, and a record missing from Edusign, only as far as the listings were complete.
        self.found = {
            (f.kind, f.erp_id): f
            for f in given.matching.found
            if f.kind in given.complete_edusign and (f.by != "email" or f.kind in given.complete_erp)
        }
        whole = given.complete_erp & given.complete_edusign
        new = frozenset(key for key in given.matching.new if key[0] in whole)
        present = _present(given.checked)
        vanished = missing(given.links, present, given.scope, given.complete_erp)
        pairs = self._pairs(new, vanished)
        self.moves = {old: after for old, after in pairs.items() if self._may_follow(old)}
        self.late_moves = frozenset(after for old, after in pairs.items() if old not in self.moves)
        """New sessions whose old sheet may no longer change: their sheets are proposed and held (R19)."""
        self.links = followed(given.links, self.moves) if self.moves else given.links
        self.new = new - {("sheet", after) for after in self.moves.values()}
        left = (link for link in vanished if not (link.kind == "sheet" and link.erp_id in self.moves))
        self.gone, self.absent = self._gone(left)
        self.found_again = tuple(
            sorted(
                (link.kind, link.erp_id)
                for link in self.links
                if link.missing and link.erp_id in present[link.kind]
            )
        )
        sessions = [e.record for e in given.checked.accepted.get("sheet", {}).values()]
        groups = [e.record for e in given.checked.accepted.get("group", {}).values()]
        self.bites = Bites(
            (s for s in sessions if isinstance(s, Sheet)),
            (g for g in groups if isinstance(g, Group)),
            given.now,
        )
        self.standing = self._standing()
        self._groups_of = _groups_of(groups)

    # Who moved, who is gone

    def _pairs(self, new: frozenset[Key], vanished: Iterable[Link]) -> dict[str, str]:
        """Vanished and new sessions that are the same meeting (R12), old key → new key."""
        if not self.given.keys_move:
            return {}
        accepted = self.given.checked.accepted.get("sheet", {})
        sessions = [accepted[id].record for kind, id in sorted(new) if kind == "sheet"]
        return paired(
            (s for s in sessions if isinstance(s, Sheet)),
            (link for link in vanished if self.given.sightings.get((link.kind, link.erp_id)) != "alive"),
            self.given.seen.get("sheet", {}),
            self.given.links,
        )

    def _may_follow(self, old: str) -> bool:
        link = self.given.links.get("sheet", old)
        seen = self.given.seen.get("sheet", {}).get(link.edusign_id) if link else None
        return seen is not None and not self.protected(seen)

    def _gone(self, vanished: Iterable[Link]) -> tuple[frozenset[Key], tuple[Key, ...]]:
        """Gone: stated by the ERP, or missed in two occurrences and confirmed, or in three (R13)."""
        given = self.given
        gone = {
            (kind, erp_id)
            for kind in KINDS
            if kind in given.complete_erp
            for erp_id in given.checked.ended.get(kind, {})
            if self.links.get(kind, erp_id)
        }
        absent: list[Key] = []
        for link in vanished:
            key = (link.kind, link.erp_id)
            times = len({*link.missing, given.occurrence})
            state = given.sightings.get(key, "unknown")
            if state == "alive" or times < 2 or (state == "unknown" and times < 3):
                absent.append(key)
            else:
                gone.add(key)
        return frozenset(gone), tuple(sorted(absent))

    # What planning asks

    def seen(self, link: Link) -> Seen | None:
        """The Edusign record of a link, listed or looked up; None when Edusign has none or was not asked."""
        listed = self.given.seen.get(link.kind, {}).get(link.edusign_id)
        return listed or self.given.lookups.get((link.kind, link.edusign_id))

    def name_of(self, token: str) -> str:
        """What a learner of a roster is called, as either side says it; the token where neither does."""
        checked = self.given.checked
        for entries in (checked.accepted, checked.ended):
            if token in (learners := entries.get("learner", {})):
                return learners[token].record.label
        link = self.links.get("learner", token)
        id = link.edusign_id if link is not None else token.removeprefix(FOREIGN)
        seen = self.given.seen.get("learner", {}).get(id)
        return seen.record.label if seen is not None else token

    def placeable(self, token: str) -> bool:
        """Whether a learner can stand on a roster once this plan is carried out."""
        return token.startswith(FOREIGN) or self._to_be_known("learner", token)

    def known(self, name: str, tokens: Value) -> frozenset[str]:
        """Groups or speakers of a session that are, or with this plan become, known to Edusign."""
        kind: Kind = "group" if name == "groups" else "speaker"
        assert isinstance(tokens, frozenset)
        if kind == "group":
            return frozenset(t for t in tokens if ("group", t) in self.gone or self._to_be_known(kind, t))
        return frozenset(t for t in tokens if self._to_be_known(kind, t))

    def _to_be_known(self, kind: Kind, token: str) -> bool:
        key = (kind, token)
        if key in self.gone:
            return False
        return self.links.get(*key) is not None or key in self.found or key in self.new

    def protected(self, seen: Seen) -> bool:
        """Whether a sheet may no longer be PATCHed (R18)."""
        return seen.locked or seen.signed or self.begun(seen)

    def begun(self, seen: Seen) -> bool:
        """Whether a sheet counts as begun, the lead of R18 included."""
        sheet = seen.record
        assert isinstance(sheet, Sheet)
        return sheet.start is not None and self.given.now >= sheet.start - LEAD

    def scopes(self, entry: Entry) -> tuple[str, ...]:
        """The groups a change of this record concerns, for the limits per group (R29)."""
        record = entry.record
        if isinstance(record, Sheet):
            return tuple(sorted(record.groups))
        if entry.kind == "group":
            return (entry.id,)
        return self._groups_of.get(entry.id, ()) if entry.kind == "learner" else ()

    def _standing(self) -> Bites:
        """The sheets each person stands on in Edusign now: what an archive would spoil (R14)."""
        sheets = []
        for seen in self.given.seen.get("sheet", {}).values():
            values = in_tokens(seen, self.links)
            assert isinstance(seen.record, Sheet)
            people = {name: values[name] for name in ("learners", "speakers")}
            sheets.append(seen.record.model_copy(update=people))
        return Bites(sheets, (), self.given.now)


def _present(checked: Checked) -> dict[Kind, frozenset[str]]:
    """The ERP keys shown at all, good or bad, leaving or not."""
    return {
        kind: frozenset(
            {*checked.accepted.get(kind, {}), *checked.ended.get(kind, {}), *checked.rejected.get(kind, ())}
        )
        for kind in KINDS
    }


def _groups_of(groups: Iterable[object]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for group in groups:
        assert isinstance(group, Group)
        for member in group.members:
            found.setdefault(member, []).append(group.id)
    return {member: tuple(sorted(ids)) for member, ids in found.items()}
