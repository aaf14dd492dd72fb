"""What becomes of records that left the ERP (R11, R13–R15). Pure."""

from __future__ import annotations

from engine.links import Link, in_tokens, roster_base
from engine.planning.draft import Draft
from engine.planning.situation import Situation
from engine.records import PEOPLE, Kind, Seen, Sheet


def plan_gone(draft: Draft, situation: Situation, kind: Kind, erp_id: str) -> None:
    """Archive a person, empty a group, withdraw a sheet; what may not be touched is listed."""
    link = situation.links.get(kind, erp_id)
    assert link is not None
    seen = situation.seen(link)
    if seen is None and (kind, link.edusign_id) not in situation.given.lookups:
        draft.notice(link, erp_id, "not_listed", "R13")
    elif link.read_only:
        if kind == "sheet":
            draft.change("unlink", link, label=erp_id, reason="read-only link", rule="R13")
    elif seen is None or seen.archived:
        draft.change("unlink", link, label=erp_id, reason="already gone from Edusign", rule="R13")
    elif kind in PEOPLE:
        _archive(draft, situation, link, seen)
    elif kind == "group":
        _empty(draft, situation, link, seen)
    else:
        _withdraw(draft, situation, link, seen)


def _archive(draft: Draft, situation: Situation, link: Link, seen: Seen) -> None:
    if seen.shared:
        draft.notice(link, seen.record.label, "shared_speaker_left", "R11")
        return
    draft.change(
        "archive",
        link,
        label=seen.record.label,
        before=in_tokens(seen, situation.links),
        reason="left the ERP",
        rule="R14",
        bites=situation.standing.of(link.kind, link.erp_id),
    )


def _empty(draft: Draft, situation: Situation, link: Link, seen: Seen) -> None:
    """A group is never deleted: our members leave it, and it is listed (R14)."""
    draft.notice(link, seen.record.label, "group_gone", "R14")
    members = in_tokens(seen, situation.links)["members"]
    assert isinstance(members, frozenset)
    leaving = members & roster_base(link, "members")
    if leaving:
        draft.change(
            "update",
            link,
            label=seen.record.label,
            before={"members": members},
            after={"members": members - leaving},
            base_after={"members": frozenset()},
            reason="the group is gone from the ERP",
            rule="R14",
        )


def _withdraw(draft: Draft, situation: Situation, link: Link, seen: Seen) -> None:
    """Only a sheet of ours that bears nothing and has not begun (R15)."""
    sheet = seen.record
    assert isinstance(sheet, Sheet)
    if situation.protected(seen) or seen.api_type != situation.given.our_type:
        draft.notice(link, sheet.label, "cancelled_but_kept", "R15")
        return
    draft.change(
        "withdraw",
        link,
        label=sheet.label,
        before=in_tokens(seen, situation.links),
        reason="the session is cancelled",
        rule="R15",
        bites=(sheet.start, len(sheet.learners)),
        groups=tuple(sorted(situation.links.token("group", g) for g in sheet.groups)),
    )
