"""What a person's decision on an item does (R04, R30, R43)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from engine.config_models import ConnectionConfig
from engine.events.event import Event
from engine.items import decision_subjects
from engine.memory import contact_approved
from engine.planning.checks import valid_email
from engine.records import KINDS, Kind, canonical
from engine.service.models import DecideRequest, ItemView
from engine.service.operations import Refusal
from engine.state.transaction import Transaction
from engine.words import _


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
    else:
        tx.close_item(item.id, request.choice, actor)
    tx.tell(_event(item, request, actor, data, len(subjects)))
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
        raise Refusal("stale", _("{id} has changed since you read it: look again").format(id=item.id))
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
    decided = {c.id for c in item.changes} if request.changes is None else set(request.changes)
    left = tuple(c for c in item.changes if c.id not in decided)
    if left:
        tx.update_item(item.id, changes=[c.model_dump(mode="json") for c in left], revision=item.revision + 1)
        return
    tx.close_item(item.id, request.choice, actor)
    approved = request.choice == "approve" or request.changes is not None
    if item.code == "compare_only" and item.kind in KINDS and approved:
        contact_approved(tx, item.connection, item.kind, config)


def _event(item: ItemView, request: DecideRequest, actor: str, data: dict[str, Any], count: int) -> Event:
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
            "count": count,
            "why": request.why,
        },
    )
