"""One pair of records, field by field, three-way (R01–R06). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from engine.links import in_tokens
from engine.planning.merge import UNSET, RosterMerge, merge_field, merge_roster
from engine.planning.situation import Situation
from engine.records import Entry, Seen, Value, canonical, revived

INFORMATIONAL = frozenset({"time_ambiguous"})
"""Value problems that leave a usable value (R22); any other keeps the base."""


class Comparison:
    """What each field of a pair calls for.

    `writes`: field → value for Edusign; of these, `overwritten` undo a person's edit there and `base_after`
    says what the base becomes where it isn't what was sent. `personal`: contact fields only a person settles.
    `moves`: base follows, nothing is written. `rosters`: fields merged element by element.
    """

    def __init__(self, edusign: Mapping[str, Value]) -> None:
        self.edusign = edusign
        self.writes: dict[str, Value] = {}
        self.rosters: dict[str, RosterMerge] = {}
        self.moves: dict[str, Value] = {}
        self.base_after: dict[str, Any] = {}
        self.overwritten: list[str] = []
        self.personal: dict[str, Literal["task", "conflict"]] = {}

    def current_set(self, name: str) -> frozenset[str]:
        """A roster as Edusign has it now, in tokens."""
        value = self.edusign[name]
        assert isinstance(value, frozenset)
        return value


def compared(situation: Situation, entry: Entry, seen: Seen, base: Mapping[str, Any]) -> Comparison:
    """Merge every field of one ERP record with its Edusign record against `base` (JSON values)."""
    result = Comparison(in_tokens(seen, situation.links))
    unusable = {p.field for p in entry.problems if not p.row and p.code not in INFORMATIONAL}
    unusable |= situation.given.silent.get(entry.kind, frozenset())
    for name in entry.record.fields:
        agreed = revived(entry.kind, name, base[name]) if name in base else UNSET
        if name in entry.record.rosters:
            result.rosters[name] = _roster(situation, entry, name, result.current_set(name), agreed)
        elif name not in unusable:
            _field(situation, result, entry, name, agreed)
    return result


def _roster(
    situation: Situation, entry: Entry, name: str, theirs: frozenset[str], agreed: object
) -> RosterMerge:
    erp = entry.record.value(name)
    assert isinstance(erp, frozenset)
    roster = merge_roster(frozenset(t for t in erp if situation.placeable(t)), theirs, agreed)
    if {entry.kind, "learner"} <= situation.given.complete_erp:
        return roster
    # From an incomplete listing come no removals (R13).
    return replace(roster, base=roster.base | roster.remove, remove=frozenset())


def _field(situation: Situation, result: Comparison, entry: Entry, name: str, agreed: object) -> None:
    kind, country = entry.kind, situation.given.country
    erp, theirs = entry.record.value(name), result.edusign[name]
    if kind == "sheet" and name in ("groups", "speakers"):
        erp = situation.known(name, erp)
        if name == "speakers" and not erp:
            return
    merged = merge_field(
        erp,
        theirs,
        agreed,
        erp_form=canonical(kind, name, erp, country),
        edusign_form=canonical(kind, name, theirs, country),
        contact=name in entry.record.contact,
        resolution=situation.given.resolutions.get((kind, entry.id, name)),
    )
    if merged.action == "write":
        result.writes[name] = merged.value
        if merged.overwrites:
            result.overwritten.append(name)
        if merged.base is not UNSET:
            result.base_after[name] = merged.base
    elif merged.action in ("task", "conflict"):
        result.personal[name] = merged.action
    if merged.action in ("base", "task") and merged.base is not UNSET:
        result.moves[name] = merged.base  # type: ignore[assignment]
