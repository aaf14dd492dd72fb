"""Three-way comparison → plan: a pure function of observations, base, policies and decisions.

The same inputs give the same plan, byte for byte, whatever order rows and pages came in.
"""

from __future__ import annotations

from engine.changes import Plan
from engine.links import Link, roster_base
from engine.planning.compare import compared
from engine.planning.draft import Draft
from engine.planning.gone import plan_gone
from engine.planning.match import Found
from engine.planning.sheets import plan_roster, plan_sheet
from engine.planning.situation import Inputs, Situation
from engine.records import KINDS, Entry, Seen, Sheet, Value


def plan(inputs: Inputs) -> Plan:
    """What to write so that Edusign says what the ERP says, and what only a person can settle."""
    situation = Situation(inputs)
    draft = Draft(situation)
    for kind in KINDS:
        if kind in inputs.complete_edusign:
            for _erp_id, entry in sorted(inputs.checked.accepted.get(kind, {}).items()):
                _plan_entry(draft, situation, entry)
    for kind, erp_id in sorted(situation.gone):
        if kind in inputs.complete_edusign:
            plan_gone(draft, situation, kind, erp_id)
    return draft.plan()


def _plan_entry(draft: Draft, situation: Situation, entry: Entry) -> None:
    """One accepted ERP record: linked, found, new, or waiting for a person."""
    key = (entry.kind, entry.id)
    link = situation.links.get(*key)
    if link is not None:
        _plan_linked(draft, situation, link, entry)
    elif key in situation.found:
        _adopt(draft, situation, situation.found[key], entry)
    elif key in situation.new:
        _create(draft, situation, entry, "new in the ERP")


def _plan_linked(draft: Draft, situation: Situation, link: Link, entry: Entry) -> None:
    seen = situation.seen(link)
    label = entry.record.label
    if seen is None and (link.kind, link.edusign_id) not in situation.given.lookups:
        draft.notice(link, label, "not_listed", "R13")
    elif seen is None:
        _create(draft, situation, entry, "deleted in Edusign by hand")
        draft.notice(link, label, "deleted_in_edusign", "R02")
    elif not seen.archived:
        _compare(draft, situation, link, entry, seen)
    elif not link.read_only:
        draft.change(
            "restore",
            link,
            label=label,
            before={"archived": "yes"},
            after={"archived": "no"},
            overwrites=("archived",),
            reason="archived in Edusign by hand, still in the ERP",
            rule="R08",
        )
        draft.notice(link, label, "archived_in_edusign", "R02")


def _compare(draft: Draft, situation: Situation, link: Link, entry: Entry, seen: Seen) -> None:
    if link.read_only:
        return
    comparison = compared(situation, entry, seen, link.base)
    draft.personal(link, entry, seen, comparison)
    if entry.kind == "sheet":
        if plan_sheet(draft, situation, link, entry, seen, comparison):
            _create(draft, situation, entry, "its earlier sheet is sealed", sealed_now=1)
        return
    writes = _allowed_writes(draft, link, seen, comparison.writes)
    for name, roster in comparison.rosters.items():
        if roster.add or roster.remove:
            writes[name] = (comparison.current_set(name) | roster.add) - roster.remove
            comparison.base_after[name] = roster.base
            if roster.put_back:
                comparison.overwritten.append(name)
        elif roster_base(link, name) != roster.base or name not in link.base:
            comparison.moves[name] = roster.base
    if writes:
        draft.update(link, entry, comparison, writes)
    draft.move_base(link, comparison.moves)


def _allowed_writes(draft: Draft, link: Link, seen: Seen, writes: dict[str, Value]) -> dict[str, Value]:
    """Without what may never be written: the name of a speaker of several schools (R11)."""
    names = {"last_name", "first_name"} & writes.keys() if seen.shared else set()
    if names:
        draft.notice(link, seen.record.label, "shared_speaker_renamed", "R11")
    return {name: value for name, value in writes.items() if name not in names}


def _create(draft: Draft, situation: Situation, entry: Entry, reason: str, *, sealed_now: int = 0) -> None:
    """A create, unless the session has begun or its speaker is not in Edusign yet.

    A session with sealed sheets gets its next under a key of its own, and only once approved (R19).
    """
    record = entry.record
    if entry.kind not in situation.given.complete_erp:
        return
    if isinstance(record, Sheet) and record.start is not None and record.start <= situation.given.now:
        if not sealed_now:
            draft.notice_new(entry, "already_started")
        return
    values = _values(situation, entry)
    sealed = sealed_now
    late = False
    if entry.kind == "sheet":
        if not values["speakers"]:
            draft.notice_new(entry, "waits_for_speaker")
            return
        sealed += situation.given.sealed.get(entry.id, 0)
        late = entry.id in situation.late_moves
    draft.create(
        entry,
        values,
        reason="its earlier sheet is sealed" if sealed or late else reason,
        rule="R19" if sealed or late else "R08",
        api_id=f"{entry.id}#{sealed + 1}" if sealed else entry.id,
    )


def _values(situation: Situation, entry: Entry) -> dict[str, Value]:
    """The fields to create with, references narrowed to who is, or with this plan becomes, known."""
    values = {name: entry.record.value(name) for name in entry.record.fields}
    for name in entry.record.rosters:
        tokens = values[name]
        assert isinstance(tokens, frozenset)
        values[name] = frozenset(t for t in tokens if situation.placeable(t))
    if entry.kind == "sheet":
        for name in ("groups", "speakers"):
            values[name] = situation.known(name, values[name])
    return values


def _adopt(draft: Draft, situation: Situation, found: Found, entry: Entry) -> None:
    """Link: equal values become the base, other ERP-owned fields take the ERP's value, contacts ask (R03)."""
    seen = found.seen
    link = Link(kind=found.kind, erp_id=found.erp_id, edusign_id=seen.id, read_only=found.read_only)
    comparison = compared(situation, entry, seen, {})
    base: dict[str, Value] = dict(comparison.moves)
    writes: dict[str, Value] = {}
    late = seen.kind == "sheet" and situation.protected(seen)
    if not found.read_only:
        draft.personal(link, entry, seen, comparison)
        writes = {} if late else _allowed_writes(draft, link, seen, comparison.writes)
    for name, roster in comparison.rosters.items():
        if seen.kind == "sheet":
            base[name] = roster.base - roster.add
        elif not found.read_only:
            base[name] = roster.base
            if roster.add:
                writes[name] = comparison.current_set(name) | roster.add
    stamped = seen.api_id != "" and seen.api_type != ""
    draft.change(
        "link",
        link,
        label=entry.record.label,
        before={name: comparison.edusign[name] for name in writes},
        after=writes,
        base_after=base | {n: v for n, v in comparison.base_after.items() if n in writes},
        overwrites=tuple(n for n in comparison.overwritten if n in writes),
        reason={"api_id": "carries our key", "email": "same e-mail and name"}.get(found.by, "a person said so"),
        rule="R07",
        stamp=not (stamped or found.read_only or seen.shared or late),
        read_only=found.read_only,
        api_id=found.erp_id,
        groups=situation.scopes(entry),
    )
    if seen.kind == "sheet" and not found.read_only:
        plan_roster(draft, situation, link, entry, seen, comparison)
