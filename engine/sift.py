"""The log's grammar over every other list: items, changes, runs, sheets.

Words are looked for in everything a row shows, whatever accents and case. The filters mean:

- `kind:` an item's type or code; a change's verb, its kind of record, the cause that holds it, `held` or
  `skipped`; a run's flow, state or trigger; a sheet's state or trouble, `locked`, `signed`
- `kind:` of an absence: its state, its cause, absent, present, excluded, late, early, justified, `ticked`
- `level:` error for failed runs, warn for what waits for a person, notice for tasks and notices, else info
- `learner:`, `speaker:`, `group:`, `sheet:` the record, by its key on either side
- `run:` a run; `actor:` who started it, or who settled the item
- `since:`, `until:` when an item or change bites, when a run began, when a sheet begins; rows without such a
  time are never left out by them
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from engine.events.event import Level
from engine.events.grammar import Query, search_text
from engine.service.models import AbsenceView, ChangeRow, ItemView, RunView, SheetView

T = TypeVar("T")


@dataclass(frozen=True)
class Facets:
    """What of a row the filters look at; `texts` make what words are looked for in when they are asked for."""

    texts: Callable[[], Iterable[object]]
    kinds: frozenset[str]
    level: Level = "info"
    connection: str = ""
    run: str = ""
    actor: str = ""
    record: str = ""
    ids: frozenset[str] = frozenset()
    at: datetime | None = None


def sifted(query: Query, rows: Sequence[T], facets: Callable[[T], Facets]) -> tuple[T, ...]:
    """The rows a query asks for, in their order."""
    if query == Query():
        return tuple(rows)
    return tuple(row for row in rows if asks_for(query, facets(row)))


def asks_for(query: Query, row: Facets) -> bool:
    """Whether a query asks for a row of these facets."""
    if query.levels and row.level not in query.levels:
        return False
    for wanted, unwanted, values in (
        (query.kinds, query.not_kinds, row.kinds),
        (query.connections, query.not_connections, {row.connection}),
        (query.runs, query.not_runs, {row.run}),
        (query.actors, query.not_actors, {row.actor}),
    ):
        if (wanted and not values.intersection(wanted)) or values.intersection(unwanted):
            return False
    if query.records and not any(_is_about(row, ref.kind, ref.id) for ref in query.records):
        return False
    if any(_is_about(row, ref.kind, ref.id) for ref in query.not_records):
        return False
    if row.at is not None:
        if query.since is not None and row.at < query.since:
            return False
        if query.until is not None and row.at >= query.until:
            return False
    if not query.words and not query.excluded:
        return True
    text = "\n".join(search_text(str(part)) for part in _leaves(row.texts()))
    return all(word in text for word in query.words) and not any(word in text for word in query.excluded)


def _is_about(row: Facets, kind: str, id: str) -> bool:
    return row.record == kind and (not id or id in row.ids)


def _leaves(values: Any) -> Iterable[object]:
    if isinstance(values, dict):
        for value in values.values():
            yield from _leaves(value)
    elif isinstance(values, str):
        yield values
    elif isinstance(values, Iterable):
        for value in values:
            yield from _leaves(value)
    elif values is not None:
        yield values


def item_facets(item: ItemView) -> Facets:
    waits = item.type in ("conflict", "hold", "duplicate", "rejection")
    return Facets(
        texts=lambda: (
            item.id,
            item.label,
            item.code,
            item.summary,
            item.where,
            item.erp_id,
            item.edusign_id,
            item.outcome,
            item.data,
            ((one.label, one.erp_id, one.edusign_id) for one in item.changes),
        ),
        kinds=frozenset({item.type, item.code}),
        level="warn" if waits else "notice",
        connection=item.connection,
        actor=item.closed_by,
        record=item.kind,
        ids=frozenset({item.erp_id, item.edusign_id} - {""}),
        at=item.closed_at or item.bites_at,
    )


def change_facets(row: ChangeRow) -> Facets:
    change = row.change
    state = "skipped" if change.hold.startswith("skipped") else "held" if change.hold else "free"
    return Facets(
        texts=lambda: (
            change.label,
            change.verb,
            change.kind,
            change.erp_id,
            change.edusign_id,
            change.reason,
            change.rule,
            change.hold,
            row.item,
            change.before,
            change.after,
        ),
        kinds=frozenset({change.verb, change.kind, change.hold, state} - {""}),
        level="warn" if state == "held" else "info",
        connection=row.connection,
        record=change.kind,
        ids=frozenset({change.erp_id, change.edusign_id} - {""}),
        at=change.bites_at,
    )


def run_facets(run: RunView) -> Facets:
    level: Level = "error" if run.state == "failed" else "warn" if run.state == "incomplete" else "info"
    return Facets(
        texts=lambda: (
            run.id,
            run.connection,
            run.flow,
            run.state,
            run.trigger,
            run.actor,
            run.message,
            run.faults,
        ),
        kinds=frozenset({run.flow, run.state, run.trigger}),
        level=level,
        connection=run.connection,
        run=run.id,
        actor=run.actor,
        at=run.started,
    )


def sheet_facets(sheet: SheetView) -> Facets:
    marks = {"locked"} if sheet.locked else set()
    marks |= {"signed"} if sheet.signed or sheet.speaker_signed else set()
    return Facets(
        texts=lambda: (
            sheet.label,
            sheet.erp_id,
            sheet.edusign_id,
            sheet.room,
            sheet.session_room,
            sheet.groups,
            sheet.speakers,
            sheet.why_not,
        ),
        kinds=frozenset({sheet.state, *sheet.troubles, *marks}),
        level="warn" if sheet.troubles else "info",
        connection=sheet.connection,
        record="sheet",
        ids=frozenset({sheet.erp_id, sheet.edusign_id} - {""}),
        at=sheet.start,
    )


def absence_facets(one: AbsenceView) -> Facets:
    marks = {
        "late": one.late,
        "early": one.left_early,
        "justified": one.justified,
        "ticked": one.ticked_by,
    }
    said = {word for word, holds in marks.items() if holds}
    waits = one.state == "held" or (one.state == "by_hand" and not one.ticked_by)
    return Facets(
        texts=lambda: (
            one.id,
            one.label,
            one.about,
            one.summary,
            one.words,
            one.reason,
            one.session,
            one.sheet,
            one.person,
            one.erp_id,
        ),
        kinds=frozenset({one.state, one.why, one.attendance, *said} - {""}),
        level="warn" if waits else "notice" if one.state in ("theirs", "waiting", "by_hand") else "info",
        connection=one.connection,
        run=one.run_id,
        actor=one.ticked_by,
        record=one.kind or "sheet",
        ids=frozenset({one.person, one.erp_id} - {""} if one.kind else {one.sheet, one.session} - {""}),
        at=one.start,
    )
