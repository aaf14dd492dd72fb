"""What becomes of one linked sheet: fields while it may change, rosters, moves, seals (R12, R18–R20). Pure."""

from __future__ import annotations

from collections.abc import Mapping

from engine.links import Link, roster_base
from engine.planning.compare import Comparison
from engine.planning.draft import Draft
from engine.planning.situation import Situation
from engine.records import Entry, Seen, Sheet, Value, canonical, plain, revived


def plan_sheet(
    draft: Draft, situation: Situation, link: Link, entry: Entry, seen: Seen, comparison: Comparison
) -> bool:
    """Plan one linked sheet; True when it was sealed and its session needs another."""
    writes = comparison.writes
    signed = seen.locked or seen.signed
    if signed and {"start", "end"} & writes.keys() and _moved_by_erp(link, entry):
        _seal(draft, link, seen, comparison)
        return True
    if link.erp_id in situation.moves.values():
        _follow(draft, situation, link, entry, comparison)
    elif writes and situation.protected(seen):
        data = {n: [plain(comparison.edusign[n]), plain(v)] for n, v in sorted(writes.items())}
        draft.notice(link, seen.record.label, "too_late_to_change", "R18", data)
    elif writes:
        draft.update(link, entry, comparison, writes)
    plan_roster(draft, situation, link, entry, seen, comparison)
    draft.move_base(link, comparison.moves)
    return False


def plan_roster(
    draft: Draft, situation: Situation, link: Link, entry: Entry, seen: Seen, comparison: Comparison
) -> None:
    """Adds and removals on one sheet, one change each, by the attendance routes (R18, R20)."""
    sheet = seen.record
    assert isinstance(sheet, Sheet)
    roster = comparison.rosters["learners"]
    now = situation.given.now
    started = sheet.start is not None and now >= sheet.start
    over = seen.locked or (sheet.end is not None and now >= sheet.end)
    adds = roster.add - roster.put_back if started else roster.add
    signed = frozenset(situation.links.token("learner", id) for id in seen.signed_learners)
    removals = frozenset() if started else roster.remove - signed
    for token in sorted(frozenset() if over else adds):
        _element(draft, situation, link, entry, sheet, token, put_back=token in roster.put_back)
    for token in sorted(frozenset() if over else removals):
        _element(draft, situation, link, entry, sheet, token, leaves=True)
    # The base holds what both sides agree on now; elements written follow as they are written.
    agreed = (roster.base - roster.add) | roster.put_back | roster.remove
    if "learners" not in link.base or roster_base(link, "learners") != agreed:
        comparison.moves["learners"] = agreed


def _element(
    draft: Draft,
    situation: Situation,
    link: Link,
    entry: Entry,
    sheet: Sheet,
    token: str,
    *,
    leaves: bool = False,
    put_back: bool = False,
) -> None:
    one, none = frozenset({token}), frozenset[str]()
    draft.change(
        "remove" if leaves else "add",
        link,
        label=f"{situation.name_of(token)}, {entry.record.label}",
        before={"learners": one if leaves else none},
        after={"learners": none if leaves else one},
        overwrites=("learners",) if put_back else (),
        reason="no longer on the session in the ERP" if leaves else "on the session in the ERP",
        rule="R02" if put_back else "R20",
        bites=(sheet.start, 1),
        groups=situation.scopes(entry),
    )


def _follow(draft: Draft, situation: Situation, link: Link, entry: Entry, comparison: Comparison) -> None:
    """The session's key moved: its sheet takes the new key and whatever changed with it (R12).

    A link, since the whole base goes along; stamped, so that the old key is free again.
    """
    writes = comparison.writes
    base: dict[str, Value] = {name: revived("sheet", name, value) for name, value in link.base.items()}
    draft.change(
        "link",
        link,
        label=entry.record.label,
        before={name: comparison.edusign[name] for name in writes},
        after=dict(writes),
        base_after={**base, **comparison.moves, **comparison.base_after, **_sent(writes)},
        overwrites=tuple(comparison.overwritten),
        reason="its session moved to another key in the ERP",
        rule="R12",
        stamp=True,
        api_id=link.erp_id,
        groups=situation.scopes(entry),
    )
    comparison.moves.clear()


def _sent(writes: Mapping[str, Value]) -> dict[str, Value]:
    return {name: canonical("sheet", name, value) for name, value in writes.items()}


def _seal(draft: Draft, link: Link, seen: Seen, comparison: Comparison) -> None:
    """A signed or locked sheet whose session moved is kept for what it was (R19)."""
    draft.change(
        "seal",
        link,
        label=seen.record.label,
        before={name: comparison.edusign[name] for name in comparison.writes},
        after=dict(comparison.writes),
        reason="signed or locked, and its session moved",
        rule="R19",
    )


def _moved_by_erp(link: Link, entry: Entry) -> bool:
    """Whether the ERP moved the session since both sides agreed on its time."""
    return any(
        name in link.base
        and revived("sheet", name, link.base[name]) != canonical("sheet", name, entry.record.value(name))
        for name in ("start", "end")
    )
