"""One record's page, what is around it: what waits for it, what comes, its sheets, its log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from console.presentation import items as item_words
from console.presentation import sheets as sheet_words
from console.presentation.dashboard import LEVELS, heading
from console.presentation.items import when
from console.presentation.line import Line, Span, fitted, folded, line, span
from console.presentation.record import Row
from console.presentation.signs import Signs
from console.presentation.subject import Subject, quoted
from console.presentation.wording import Look, difference, instant
from engine.words import _

if TYPE_CHECKING:
    from engine.service.models import ChangeView, EventView, ItemView, RecordView

SKIPPED = "skipped"
"""How the hold of a change begins that is left out for a reason of its own."""
NAMED = 4
"""So many who come to a roster, and who leave it, are named."""
LONGEST = 3
"""Lines that one line of the log takes, at most."""


def around(
    view: RecordView,
    events: Sequence[EventView],
    now: datetime,
    width: int,
    look: Look,
    signs: Signs,
    keys: Sequence[tuple[str, str]],
    history: str,
) -> tuple[Row, ...]:
    """What waits, what comes, its sheets, its log. `keys` settle what waits; `history` shows all of the log."""
    rows = [*_items(view, now, width, look, signs, keys)]
    rows += _changes(view, now, width, look, signs)
    if view.kind in ("learner", "speaker", "group"):
        rows += _sheets(view, now, width, look, signs)
    rows += _log(view, events, now, width, look, signs, history)
    return tuple(rows)


def _items(
    view: RecordView, now: datetime, width: int, look: Look, signs: Signs, keys: Sequence[tuple[str, str]]
) -> Iterator[Row]:
    yield Row(heading(_("Waits for a person: {n}").format(n=len(view.items)), width, signs))
    if not view.items:
        yield Row(line(span(_("Nothing is open about it."), "dim")))
    for one in view.items:
        for text in _item(one, now, width, look):
            yield Row(text, f"{one.label}: {one.summary}", item=one.id)
        if one.choices and keys:
            spans = [part for key, words in keys for part in (span(key, "key"), span(f" {words}   "))]
            yield Row(fitted((Span("  "), *spans), width), item=one.id)


def _item(one: ItemView, now: datetime, width: int, look: Look) -> Iterator[Line]:
    role = item_words.ROLES.get(one.type, "")
    bites = item_words.bites(one.bites_at, now, look)
    head = line(span(f"{one.type}: ", role), span(one.summary), Span("  "))
    yield from folded((*head, *bites.spans), width)
    if one.where:
        yield from folded(line(span(_("  correct {where}").format(where=one.where), "dim")), width)


def _changes(view: RecordView, now: datetime, width: int, look: Look, signs: Signs) -> Iterator[Row]:
    yield Row(heading(_("The newest plan: {n}").format(n=len(view.changes)), width, signs))
    if not view.changes:
        yield Row(line(span(_("It changes nothing of this record."), "dim")))
    names = {id: member.label for member in view.members for id in (member.erp_id, member.edusign_id) if id}
    for one in view.changes:
        text = _difference(one, names)
        goes = ("changes", f"{one.kind}:{quoted(one.erp_id or one.edusign_id)}")
        for part in _change(one, text, width):
            yield Row(part, f"{one.verb} {one.kind} {one.label}: {text}", goes=goes)


def _difference(one: ChangeView, names: Mapping[str, str]) -> str:
    """What a change touches; of a roster who leaves and who comes, by name."""
    rosters = {
        field: (before, after)
        for field in one.before.keys() & one.after.keys()
        if isinstance(before := one.before[field], list) and isinstance(after := one.after[field], list)
    }
    said = [f"{field}: {_coming_and_going(*both, names)}" for field, both in sorted(rosters.items())]
    before, after = ({k: v for k, v in side.items() if k not in rosters} for side in (one.before, one.after))
    return "; ".join(part for part in (difference(before, after), *said) if part)


def _coming_and_going(before: Sequence[Any], after: Sequence[Any], names: Mapping[str, str]) -> str:
    gone = [_("-{name}").format(name=names.get(str(id), id)) for id in before if id not in after]
    come = [_("+{name}").format(name=names.get(str(id), id)) for id in after if id not in before]
    return ", ".join((*_first(come), *_first(gone))) or _("the same")


def _first(labels: Sequence[str]) -> Iterator[str]:
    yield from labels[:NAMED]
    if len(labels) > NAMED:
        yield _("{sign}{n} more").format(sign=labels[0][0], n=len(labels) - NAMED)


def _change(one: ChangeView, text: str, width: int) -> Iterator[Line]:
    held = line(span(f"  {one.hold}", "dim")) if one.hold else ()
    if one.hold and not one.hold.startswith(SKIPPED):
        held = line(span(_("  held: {cause}").format(cause=one.hold), "bad"))
    why = span(f"  {one.reason} {f'({one.rule})' if one.rule else ''}", "dim")
    yield from folded((*line(span(f"{one.verb} ", "strong"), span(one.label or one.erp_id), why), *held), width)
    if text:
        yield from folded(line(span(f"  {text}")), width)


def _sheets(view: RecordView, now: datetime, width: int, look: Look, signs: Signs) -> Iterator[Row]:
    yield Row(heading(_("Its next sheets: {n}").format(n=len(view.sheets)), width, signs))
    if not view.sheets:
        yield Row(line(span(_("No coming sheet, as last read."), "dim")))
    for one in view.sheets:
        target = Subject(one.connection, "sheet", one.erp_id or one.edusign_id, one.label)
        text = sheet_words.row(one, now, width, look, signs, several=False)
        yield Row(text, f"{target.record} {one.label}", target=target)


def _log(
    view: RecordView,
    events: Sequence[EventView],
    now: datetime,
    width: int,
    look: Look,
    signs: Signs,
    history: str,
) -> Iterator[Row]:
    right = _("{key} shows all").format(key=history) if events and history else ""
    yield Row(heading(_("Its log, newest first"), width, signs, right))
    if not events:
        yield Row(line(span(_("The log has nothing of it."), "dim")))
    for one in events:
        at = when(one.ts, now, look)
        head = line(span(f"{at} ", "dim"), span(f"{one.level} ", LEVELS.get(one.level, "")))
        who = span(f"  {one.actor}", "dim") if one.actor else Span("")
        whole = folded(tuple(p for p in (*head, span(one.message), who) if p.text), max(width - 2, 10))
        kept = whole[:LONGEST]
        if len(whole) > LONGEST:
            kept = (*kept[:-1], (*fitted(kept[-1], max(width - 4, 4)), Span("…")))
        for n, part in enumerate(kept):
            yield Row(part if n == 0 else (Span("  "), *part), f"{instant(one.ts, look)} {one.message}")
