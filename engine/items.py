"""What waits for a person: items opened, kept and closed as plans find them (R36), and what deciding means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from engine.changes import Block, Change, Conflict, Hold, Notice, Plan, Rejection, Task
from engine.events.event import Event
from engine.planning.brakes import explanation
from engine.planning.urgency import Bites
from engine.reasons import reason
from engine.records import KINDS, Kind
from engine.service.models import ChangeView, ItemType, ItemView
from engine.state.transaction import Transaction
from engine.views import change_view
from engine.words import _, ngettext

REMINDER = timedelta(days=7)

BY_APPLYING = frozenset({"archived_other_name", "refused_by_edusign", "email_of_another", "restore_off"})
"""Codes found only by carrying changes out: a dry plan neither opens nor closes them."""


@dataclass(frozen=True)
class Wanted:
    """An item a run found, before it is compared with the open ones. `key` names it within its type."""

    type: ItemType
    key: str
    kind: str = ""
    erp_id: str = ""
    edusign_id: str = ""
    label: str = ""
    code: str = ""
    summary: str = ""
    where: str = ""
    choices: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[ChangeView, ...] = ()
    bites: tuple[datetime | None, int] = (None, 0)


def wanted(plan: Plan, bites: Bites) -> list[Wanted]:
    """Every item a plan calls for."""
    found: list[Wanted] = []
    found += [_conflict(c, bites) for c in plan.conflicts]
    found += [_task(t, bites) for t in plan.tasks]
    found += [rejection_item(r, bites) for r in plan.rejections]
    found += [_block(b, bites) for b in plan.blocks]
    found += [hold_item(h) for h in plan.holds]
    found += [_notice(n, bites) for n in plan.notices]
    return found


def found_by_writing(
    refused: Iterable[Rejection], held_back: Sequence[Change], holds: Iterable[Hold], bites: Bites
) -> list[Wanted]:
    """Items that only carrying changes out brings up: what Edusign refused, what a look just before held.

    What `held_back` says of a cause that stands among `holds` already is added to that hold.
    """
    found = [rejection_item(r, bites) for r in refused]
    standing = {hold.key: hold.changes for hold in holds}
    for cause in sorted({c.hold for c in held_back}):
        same = {c.id: c for c in (*standing.get(cause, ()), *(c for c in held_back if c.hold == cause))}
        found.append(hold_item(Hold(cause=cause, kind=None, explanation="", changes=tuple(same.values()))))
    return found


def hold_item(hold: Hold) -> Wanted:
    """A hold: approve or refuse all its changes, or some of them."""
    soonest = min((c.bites_at for c in hold.changes if c.bites_at), default=None)
    return Wanted(
        type="hold",
        key=hold.key,
        kind=hold.kind or "",
        label=ngettext("{count} change", "{count} changes", len(hold.changes)).format(count=len(hold.changes)),
        code=hold.cause,
        summary=hold.explanation or explanation(hold.cause),
        choices=("approve", "refuse"),
        data=hold.data,
        changes=tuple(change_view(c) for c in hold.changes),
        bites=(soonest, sum(c.people for c in hold.changes)),
    )


def _conflict(conflict: Conflict, bites: Bites) -> Wanted:
    return Wanted(
        type="conflict",
        key=f"{conflict.kind}:{conflict.erp_id}:{conflict.field}",
        kind=conflict.kind,
        erp_id=conflict.erp_id,
        edusign_id=conflict.edusign_id,
        label=conflict.label,
        code=conflict.field,
        summary=_("{field} was changed on both sides, differently").format(field=conflict.field),
        choices=("erp", "edusign", "value"),
        data={
            "field": conflict.field,
            "erp": conflict.erp,
            "base": conflict.base,
            "edusign": conflict.edusign,
        },
        bites=bites.of(conflict.kind, conflict.erp_id),
    )


def _task(task: Task, bites: Bites) -> Wanted:
    return Wanted(
        type="task",
        key=f"{task.kind}:{task.erp_id}:{task.field}",
        kind=task.kind,
        erp_id=task.erp_id,
        edusign_id=task.edusign_id,
        label=task.label,
        code=task.field,
        summary=_("correct {field} in the ERP: Edusign's value was changed by hand and is kept").format(
            field=task.field
        ),
        where=task.where,
        data={"field": task.field, "erp": task.erp, "edusign": task.edusign},
        bites=bites.of(task.kind, task.erp_id),
    )


def rejection_item(rejection: Rejection, bites: Bites) -> Wanted:
    """A rejection, with the field to correct and where."""
    return Wanted(
        type="rejection",
        key=f"{rejection.kind}:{rejection.erp_id}:{rejection.code}",
        kind=rejection.kind,
        erp_id=rejection.erp_id,
        label=rejection.label,
        code=rejection.code,
        summary=reason(rejection.code),
        where=rejection.where,
        data={"field": rejection.field, "evidence": rejection.evidence, "row": rejection.row},
        bites=bites.of(rejection.kind, rejection.erp_id),
    )


def _block(block: Block, bites: Bites) -> Wanted:
    return Wanted(
        type="duplicate",
        key=f"{block.kind}:{block.erp_id}:{block.edusign_id}",
        kind=block.kind,
        erp_id=block.erp_id,
        edusign_id=block.edusign_id,
        label=block.label,
        code=block.code,
        summary=reason(block.code),
        choices=block.choices,
        data={
            "other": block.other,
            "erp_email": block.erp_email,
            "edusign_email": block.edusign_email,
        },
        bites=bites.of(block.kind, block.erp_id),
    )


def _notice(notice: Notice, bites: Bites) -> Wanted:
    return Wanted(
        type="notice",
        key=f"{notice.kind}:{notice.erp_id}:{notice.code}",
        kind=notice.kind,
        erp_id=notice.erp_id,
        edusign_id=notice.edusign_id,
        label=notice.label,
        code=notice.code,
        summary=reason(notice.code),
        data=notice.data,
        bites=bites.of(notice.kind, notice.erp_id),
    )


def settled_notices(first: Plan, last: Plan) -> list[Notice]:
    """What the first plan noticed and the run settled itself; restores are told with their write."""
    open_still = {(n.kind, n.erp_id, n.code) for n in last.notices}
    return [
        n
        for n in first.notices
        if (n.kind, n.erp_id, n.code) not in open_still and n.code != "archived_in_edusign"
    ]


def passing(notice: Notice, connection: str, run_id: str) -> Event:
    """What a run both noticed and settled: told once, never an open item."""
    return Event(
        level="notice",
        kind="notice",
        message=f"{notice.label}: {reason(notice.code)}",
        connection=connection,
        run_id=run_id,
        record_kind=notice.kind,
        erp_id=notice.erp_id,
        edusign_id=notice.edusign_id,
        data={"code": notice.code, **notice.data},
    )


def reconcile(
    tx: Transaction,
    connection: str,
    run_id: str,
    found: Iterable[Wanted],
    closable: Callable[[str, str, str], bool],
) -> None:
    """Open what is new, renew what changed, close what no longer holds where `closable(type, kind, code)`.

    A changed item rises by one revision, so that a decision on what it was is refused (R04).
    """
    open_now = {(i.type, _key(i)): i for i in tx.open_items(connection)}
    wanted_now = {(w.type, w.key): w for w in found}
    for (type, key), want in wanted_now.items():
        current = open_now.get((type, key))
        if current is None:
            _open(tx, connection, run_id, want)
        else:
            _renew(tx, current, want)
    for (type, key), item in open_now.items():
        if (type, key) not in wanted_now and closable(item.type, item.kind, item.code):
            tx.close_item(item.id, "no longer so")
            tx.tell(_event(item, run_id, "info", _("closed: {summary}").format(summary=item.summary)))
    for item in tx.due_reminders(connection, "task", REMINDER):
        tx.reminded(item.id)
        tx.tell(_event(item, run_id, "notice", _("still open: {summary}").format(summary=item.summary)))


def _key(item: ItemView) -> str:
    """The key an open item was opened under."""
    if item.type == "hold" and item.kind == "attendance":
        return f"{item.code}:{item.kind}:{item.erp_id}"
    if item.type == "hold":
        return f"{item.code}:{item.kind}" if item.kind else item.code
    if item.type == "duplicate":
        return f"{item.kind}:{item.erp_id}:{item.edusign_id}"
    return f"{item.kind}:{item.erp_id}:{item.code}"


_LETTER: dict[ItemType, str] = {
    "conflict": "c",
    "task": "t",
    "hold": "h",
    "rejection": "x",
    "duplicate": "d",
    "notice": "n",
}


def _open(tx: Transaction, connection: str, run_id: str, want: Wanted) -> None:
    number = int(tx.fact("items", 0)) + 1
    tx.set_fact("items", number)
    view = ItemView(
        id=f"{_LETTER[want.type]}{number}",
        connection=connection,
        opened_at=tx.now,
        bites_at=want.bites[0],
        people=want.bites[1],
        **_content(want),
    )
    tx.insert_item(want.key, view)
    level = "warn" if want.type in ("conflict", "hold", "rejection", "duplicate") else "notice"
    tx.tell(_event(view, run_id, level, f"{want.label}: {want.summary}"))


def _renew(tx: Transaction, current: ItemView, want: Wanted) -> None:
    content = _content(want)
    shown = current.model_dump(mode="json", include=set(content))
    fresh = ItemView(
        id=current.id, connection=current.connection, opened_at=current.opened_at, **content
    ).model_dump(mode="json", include=set(content))
    values: dict[str, Any] = {}
    if _substance(fresh) != _substance(shown):
        values = {**fresh, "revision": current.revision + 1}
    if (current.bites_at, current.people) != want.bites:
        values |= {"bites_at": want.bites[0], "people": want.bites[1]}
    if values:
        tx.update_item(current.id, **values)


def _substance(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """What makes an item another item: of a hold, which changes it holds, not how they are worded."""
    changes = [change["id"] for change in content["changes"]]
    return {**content, "changes": changes, "data": {} if changes else content["data"], "label": ""}


def _content(want: Wanted) -> dict[str, Any]:
    return {
        "type": want.type,
        "kind": want.kind,
        "erp_id": want.erp_id,
        "edusign_id": want.edusign_id,
        "label": want.label,
        "code": want.code,
        "summary": want.summary,
        "where": want.where,
        "choices": want.choices,
        "data": dict(want.data),
        "changes": want.changes,
    }


def _event(item: ItemView, run_id: str, level: str, message: str) -> Event:
    return Event.model_validate(
        {
            "level": level,
            "kind": item.type,
            "message": message,
            "connection": item.connection,
            "run_id": run_id,
            "record_kind": item.kind,
            "erp_id": item.erp_id,
            "edusign_id": item.edusign_id,
            "data": {"item": item.id, "code": item.code, "where": item.where, **item.data},
        }
    )


def decision_subjects(item: ItemView, changes: tuple[str, ...] | None) -> list[str]:
    """The subjects a decision on this item speaks of."""
    if item.type == "hold":
        meant = [c for c in item.changes if changes is None or c.id in changes]
        subjects = [f"change:{c.id}" for c in meant]
        if item.code == "archived_other_name":
            # Approving a create does not yet say that this archived record may be brought back for it.
            subjects += [restore_subject(c.id, c.edusign_id) for c in meant]
        return subjects
    if item.type == "duplicate":
        return [pair_subject(item.kind, item.erp_id, item.edusign_id)]
    return [field_subject(item.kind, item.erp_id, str(item.data["field"]))]


def pair_subject(kind: str, erp_id: str, edusign_id: str) -> str:
    return f"pair:{_joined(kind, erp_id, edusign_id)}"


def restore_subject(change_id: str, edusign_id: str) -> str:
    return f"restore:{_joined(change_id, edusign_id)}"


def field_subject(kind: str, erp_id: str, field: str) -> str:
    return f"field:{_joined(kind, erp_id, field)}"


def _joined(*parts: str) -> str:
    return "\x1f".join(parts)


def subject_parts(subject: str) -> tuple[str, list[str]]:
    """("pair", [kind, erp_id, edusign_id]), ("field", [kind, erp_id, field]), ("change", [id]) or
    ("restore", [change id, edusign_id])."""
    word, _colon, rest = subject.partition(":")
    return word, rest.split("\x1f")


def closer(
    complete_erp: frozenset[Kind], complete_edusign: frozenset[Kind], applied: bool
) -> Callable[[str, str, str], bool]:
    """Which open items a run may close by not finding them again: never those of a kind it saw in part.

    An item of no kind may concern any.
    """
    whole = complete_erp & complete_edusign

    def closable(type: str, kind: str, code: str) -> bool:
        seen = kind in whole if kind else whole >= set(KINDS)
        return seen and (applied or code not in BY_APPLYING)

    return closable
