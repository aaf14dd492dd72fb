"""What a person's decision on an item does (R04, R30, R43)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from engine.account import decided
from engine.config_models import ConnectionConfig
from engine.events.event import Event
from engine.items import decision_subjects
from engine.memory import contact_approved
from engine.planning.brakes import counted
from engine.planning.checks import valid_email
from engine.records import KINDS, Kind, canonical
from engine.service.models import ChangeView, DecideRequest, ItemView
from engine.service.operations import Refusal
from engine.state.transaction import Transaction
from engine.words import _, ngettext

LEFT_OUT = "skipped: refused"
"""What a change that a person left out says in a plan."""
NAMED = 5
TOLD = 50
"""Changes, at most, that a line of the log names, and whose values it holds."""


def decide(
    tx: Transaction, config: ConnectionConfig, request: DecideRequest, actor: str, expires: datetime | None
) -> ItemView:
    """Settle an item; what it then is. Raises Refusal: usage, not_found, or stale with who was first.

    `expires`: until when an approval of held changes is good.
    """
    item = tx.item(request.item)
    if item is None:
        raise Refusal("not_found", _("no item {id}").format(id=request.item))
    _refuse_unfit(item, request)
    subjects = decision_subjects(item, request.changes)
    if not subjects:
        raise Refusal("usage", _("none of these changes is held by {id}").format(id=item.id))
    data = _evidence(item, request, config)
    for subject in subjects:
        tx.decide(
            item.connection,
            subject,
            request.choice,
            actor,
            data=data,
            why=request.why,
            expires=expires if request.choice == "approve" else None,
        )
    if item.type == "hold":
        _narrow_hold(tx, item, request, actor, config)
        tx.tell(_hold_event(item, request, actor))
    else:
        tx.close_item(item.id, request.choice, actor)
        tx.tell(_event(item, request, actor, data))
    settled = tx.item(item.id)
    assert settled is not None
    return settled


def _refuse_unfit(item: ItemView, request: DecideRequest) -> None:
    if item.closed_at is not None:
        raise Refusal(
            "stale",
            _("{id} was settled already: {who} said {what}").format(
                id=item.id, who=item.closed_by or _("the engine"), what=item.outcome
            ),
        )
    if request.revision is not None and request.revision != item.revision:
        since = item.data.get("decided") or _("it holds something else now")
        raise Refusal(
            "stale",
            _("{id} has changed since you read it: {since}; look again").format(id=item.id, since=since),
        )
    if request.choice not in item.choices:
        offered = ", ".join(item.choices) or _("nothing to choose: it closes itself")
        raise Refusal("usage", _("{id} takes: {choices}").format(id=item.id, choices=offered))
    if request.choice == "value":
        if not request.value.strip():
            raise Refusal("usage", _("a value is needed"))
        if item.data.get("field") == "email" and not valid_email(request.value):
            raise Refusal("usage", _("{value} is not a valid e-mail address").format(value=request.value))


def _evidence(item: ItemView, request: DecideRequest, config: ConnectionConfig) -> dict[str, Any]:
    """What the decision was made on: a conflict's two values in canonical form, or nothing."""
    if item.type != "conflict":
        return {}
    field = str(item.data["field"])
    kind = cast(Kind, item.kind)
    return {
        "erp": canonical(kind, field, str(item.data["erp"]), config.country),
        "edusign": canonical(kind, field, str(item.data["edusign"]), config.country),
        "value": request.value,
    }


def _narrow_hold(
    tx: Transaction, item: ItemView, request: DecideRequest, actor: str, config: ConnectionConfig
) -> None:
    """Decided changes leave the hold; the last one closes it, and with it a kind's first contact (R43)."""
    chosen = {c.id for c in _chosen(item, request)}
    if (plan := tx.last_plan(item.connection)) is not None:
        tx.put_plan(decided(plan, chosen, "" if request.choice == "approve" else LEFT_OUT))
    left = tuple(c for c in item.changes if c.id not in chosen)
    if left:
        said = ngettext("{who} said {what} to {n} change", "{who} said {what} to {n} changes", len(chosen))
        tx.update_item(
            item.id,
            changes=[c.model_dump(mode="json") for c in left],
            label=ngettext("{count} change", "{count} changes", len(left)).format(count=len(left)),
            bites_at=min((c.bites_at for c in left if c.bites_at), default=None),
            people=sum(c.people for c in left),
            data={
                **item.data,
                **counted(left),
                "decided": said.format(who=actor, what=request.choice, n=len(chosen)),
            },
            revision=item.revision + 1,
        )
        return
    tx.close_item(item.id, request.choice, actor)
    approved = request.choice == "approve" or request.changes is not None
    if item.code == "compare_only" and item.kind in KINDS and approved:
        contact_approved(tx, item.connection, item.kind, config)


def _chosen(item: ItemView, request: DecideRequest) -> list[ChangeView]:
    """The changes of a hold that a decision is about."""
    return [c for c in item.changes if request.changes is None or c.id in request.changes]


def _hold_event(item: ItemView, request: DecideRequest, actor: str) -> Event:
    """A decision on held changes; on a single one it is a line about its record."""
    chosen = _chosen(item, request)
    one = chosen[0] if len(chosen) == 1 else None
    return Event(
        level="notice",
        kind="decision",
        message=_("{actor} said {choice} to {id}: {label}").format(
            actor=actor, choice=request.choice, id=item.id, label=named(chosen)
        ),
        connection=item.connection,
        record_kind=one.kind if one else item.kind,
        erp_id=one.erp_id if one else "",
        edusign_id=one.edusign_id if one else "",
        actor=actor,
        data={
            "item": item.id,
            "cause": item.code,
            "choice": request.choice,
            "count": len(chosen),
            "why": request.why,
            "changes": told(chosen),
        },
    )


def named(changes: Sequence[ChangeView]) -> str:
    """How many changes, and whom the first ones concern."""
    some = ", ".join(c.label or c.erp_id for c in changes[:NAMED]) + (" …" if len(changes) > NAMED else "")
    return ngettext("{n} change: {some}", "{n} changes: {some}", len(changes)).format(n=len(changes), some=some)


def told(changes: Sequence[ChangeView]) -> list[dict[str, Any]]:
    """The first of some changes with their values, as a line of the log keeps them."""
    shown = {"id", "verb", "kind", "erp_id", "before", "after"}
    return [c.model_dump(mode="json", include=shown) for c in changes[:TOLD]]


def _event(item: ItemView, request: DecideRequest, actor: str, data: dict[str, Any]) -> Event:
    return Event(
        level="notice",
        kind="decision",
        message=_("{actor} said {choice} to {id}: {label}").format(
            actor=actor, choice=request.choice, id=item.id, label=item.label
        ),
        connection=item.connection,
        record_kind=item.kind,
        erp_id=item.erp_id,
        edusign_id=item.edusign_id,
        actor=actor,
        data={
            **item.data,
            **data,
            "item": item.id,
            "choice": request.choice,
            "count": 1,
            "why": request.why,
        },
    )
