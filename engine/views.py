"""What the API shows of connections, occurrences, changes and events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from engine.changes import Change, jsonable
from engine.events.event import Logged
from engine.order import Connection
from engine.ports import Capability
from engine.service.models import (
    ChangeView,
    ConnectionView,
    EventView,
    FreezeView,
    ItemView,
    OccurrenceView,
    RunView,
)
from engine.windows import Occurrence, Window, current, next_occurrences

COMING = 4
"""Occurrences to come, at least, that a connection shows; all that begin within a day are."""
DAY = timedelta(hours=24)
UNVERIFIED = frozenset({"inferred", "unknown"})
"""Certainties that no document and no client stands behind."""
SKIPPED = "skipped: "
"""How the `hold` of a change begins that is left out."""


@dataclass(frozen=True)
class Recorded:
    """What the store holds of one connection that its view shows; `occurrences` by their keys."""

    last_run: RunView | None
    pending: Mapping[str, int]
    open: Mapping[str, int]
    linked: Mapping[str, int]
    compare_only: bool
    occurrences: Mapping[str, Mapping[str, Any]]


def connection_view(
    connection: Connection,
    recorded: Recorded,
    running: RunView | None,
    freeze: FreezeView | None,
    now: datetime,
) -> ConnectionView:
    """A connection with its open occurrence, if any, and the next ones."""
    config = connection.config
    open_now = current(config.windows, connection.name, now)
    shown = [open_now] if open_now is not None else []
    coming = ahead(config.windows, connection.name, now)
    return ConnectionView(
        name=connection.name,
        erp=config.erp,
        zone=config.zone,
        state="running" if running else "frozen" if freeze else "idle",
        compare_only=recorded.compare_only,
        freeze=freeze,
        last_run=recorded.last_run,
        running=running,
        next=tuple(occurrence_view(o, recorded.occurrences.get(o.key)) for o in (*shown, *coming)),
        pending=dict(recorded.pending),
        open=dict(recorded.open),
        linked=dict(recorded.linked),
        budget_left=connection.platform.budget_left,
        off=tuple(one.name for one in _capabilities(connection) if not one.on),
        unverified=tuple(one.name for one in _capabilities(connection) if one.on and not sure(one)),
    )


def sure(capability: Capability) -> bool:
    """Whether a document or a client stands behind it; of what only reads, it matters less: it does no harm."""
    return capability.name.startswith(("read ", "find ")) or capability.certainty not in UNVERIFIED


def _capabilities(connection: Connection) -> tuple[Capability, ...]:
    return (*connection.erp.capabilities, *connection.platform.capabilities)


def ahead(windows: Iterable[Window], name: str, now: datetime) -> list[Occurrence]:
    """What begins within the next 24 hours, and the next few at least."""
    given = tuple(windows)
    coming = next_occurrences(given, name, now, COMING)
    while coming and len(coming) % COMING == 0 and coming[-1].starts < now + DAY:
        more = next_occurrences(given, name, now, 2 * len(coming))
        if len(more) == len(coming):
            break
        coming = more
    return [one for n, one in enumerate(coming) if n < COMING or one.starts < now + DAY]


def occurrence_view(one: Occurrence, recorded: Mapping[str, Any] | None) -> OccurrenceView:
    """An occurrence with what became of it; "planned" while nothing is recorded."""
    return OccurrenceView(
        key=one.key,
        flow=one.flow,
        window=one.window,
        local_date=one.local_date,
        starts=one.starts,
        ends=one.ends,
        state=recorded["state"] if recorded else "planned",
        cause=recorded["cause"] if recorded else "",
    )


def soonest(item: ItemView) -> tuple[bool, datetime, datetime, str]:
    """The order of open items: by when they bite (R36), then by age."""
    return (item.bites_at is None, item.bites_at or item.opened_at, item.opened_at, item.id)


def change_view(change: Change) -> ChangeView:
    """A change with the values it would write, and the hold or skip that stops it."""
    return ChangeView(
        id=change.id,
        verb=change.verb,
        kind=change.kind,
        erp_id=change.erp_id,
        edusign_id=change.edusign_id,
        label=change.label,
        before=jsonable(change.before),
        after=jsonable(change.after),
        reason=change.reason,
        rule=change.rule,
        bites_at=change.bites_at,
        people=change.people,
        hold=change.hold or (f"{SKIPPED}{change.skip}" if change.skip else ""),
    )


def event_view(row: Logged) -> EventView:
    """A line of the log."""
    return EventView.model_validate(row.model_dump())
