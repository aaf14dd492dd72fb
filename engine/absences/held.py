"""Held deliveries as items that wait for a person."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from engine.absences.reasons import hold_words
from engine.absences.said import Delivery, Hold, facts
from engine.items import Wanted
from engine.service.models import ChangeView
from engine.words import _, ngettext

KIND = "attendance"
"""The kind of every item of the export: an import neither finds nor closes them."""


def export_items(holds: Iterable[Hold], zone: str) -> list[Wanted]:
    """One item per hold: approve or refuse all its deliveries, or some of them."""
    return [_item(hold, zone) for hold in holds]


def _item(hold: Hold, zone: str) -> Wanted:
    count = len(hold.deliveries)
    people = ngettext("{count} person", "{count} people", count).format(count=count)
    of_sheet = _("{sheet}, {at}: {people}").format(
        sheet=hold.label, at=wall(hold.deliveries[0].session.start, zone), people=people
    )
    return Wanted(
        type="hold",
        key=f"{hold.cause}:{KIND}:{hold.session}",
        kind=KIND,
        erp_id=hold.session,
        edusign_id=hold.sheet,
        label=of_sheet if hold.sheet else people,
        code=hold.cause,
        summary=hold_words(hold.cause),
        choices=("approve", "refuse"),
        data={"flow": "export"},
        changes=tuple(delivery_view(one, zone) for one in hold.deliveries),
        bites=(None, count),
    )


def delivery_view(one: Delivery, zone: str) -> ChangeView:
    """A delivery as the API shows what a hold holds."""
    return ChangeView(
        id=one.id,
        verb=one.verb,
        kind=one.after.kind,
        erp_id=one.after.person,
        edusign_id=one.edusign_person,
        label=f"{one.label or one.after.person}, {one.about} {wall(one.session.start, zone)}",
        before=facts(one.before) or {},
        after=facts(one.after) or {},
        reason=_("Edusign's sheet says so"),
        rule="R25",
        people=1,
        hold=one.hold,
    )


def wall(at: datetime | None, zone: str) -> str:
    """An instant as the school's clocks show it."""
    return "" if at is None else at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")
