"""What a crash or a silence left open: looked up, then closed, before anything is sent again (R38)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.apply import Writer
from engine.changes import Change
from engine.records import Sheet, Value, revived
from engine.state.transaction import Intent, Transaction
from engine.translate import id_set, in_ids
from engine.words import _


async def recover(writer: Writer, intent: Intent) -> str:
    """Probe one open intent and close it: "done" or "never_arrived". Raises Fault if it can't be probed.

    The base becomes what was sent, not what is read now (R38).
    """
    change, sent = intent.change, intent.sent
    edusign_id = intent.edusign_id or change.edusign_id
    arrived, edusign_id, proven = await _arrived(writer, change, sent, edusign_id, intent.api_id)
    state = "done" if arrived else "never_arrived"
    note = "recovered"
    if change.kind == "group" and "members" in proven:
        before = in_ids("members", change.before.get("members", frozenset()), writer.links)
        await writer.follow_cascade(change, before, proven["members"])
    settlement = writer.settlement

    def settle(tx: Transaction) -> None:
        settlement.fence(tx)
        tx.close_intent(intent.id, state, edusign_id, note)
        if arrived:
            settlement.settle(tx, change, proven, edusign_id)
            tx.tell(*settlement.overwritten(change, edusign_id, intent.run_id))
        tx.tell(
            settlement.event(
                "recovery",
                change,
                _("{verb} of {kind} {id}: looked up after an interruption, {state}").format(
                    verb=change.verb, kind=change.kind, id=change.erp_id, state=state
                ),
                edusign_id,
                level="notice",
                data={"intent": intent.id, "state": state, "run": intent.run_id},
            )
        )

    await writer.store.transact(settle)
    return state


async def _arrived(
    writer: Writer, change: Change, sent: Mapping[str, Any], edusign_id: str, api_id: str
) -> tuple[bool, str, dict[str, Value]]:
    """(whether the write is there, the record's Edusign id, which of the sent values are)."""
    platform, our_type = writer.platform, writer.our_type
    values = {name: revived(change.kind, name, value) for name, value in sent.items()}
    if change.verb == "create":
        id = await platform.id_by_api_id(change.kind, api_id)
        found = await platform.read(change.kind, id) if id else None
        ours = found is not None and found.api_type == our_type and found.api_id == api_id
        return (True, found.id, values) if ours and found else (False, "", {})
    found = await platform.read(change.kind, edusign_id)
    if change.verb == "withdraw":
        return found is None, edusign_id, {}
    if found is None:
        return False, edusign_id, {}
    if change.verb == "archive":
        return found.archived, edusign_id, {}
    if change.verb in ("add", "remove"):
        assert isinstance(found.record, Sheet)
        there = id_set(values["learners"]) <= found.record.learners
        return there == (change.verb == "add"), edusign_id, values
    there_now = {
        name: value
        for name, value in values.items()
        if writer.form(change.kind, name, found.record.value(name)) == writer.form(change.kind, name, value)
    }
    if change.verb == "restore":
        # What was to be written beside it is planned anew where it is not there.
        return not found.archived, edusign_id, {} if found.archived else there_now
    if not values:
        arrived = not found.archived and (not change.stamp or found.api_type == our_type)
        return arrived, edusign_id, {}
    return bool(there_now) and not found.archived, edusign_id, there_now
