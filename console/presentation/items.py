"""Items as rows and in full: when they bite, what they are, what settles them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from console.presentation.line import Cell, Line, Role, Slot, Span, cells, folded, line, span, titles
from console.presentation.sides import LABEL, NO_BASE, Sides, sides, told
from console.presentation.wording import Look, instant, things, time_of_day, value
from engine.words import _, ngettext

if TYPE_CHECKING:
    from engine.service.models import ItemView

SOON = timedelta(hours=24)


def bites(at: datetime | None, now: datetime, look: Look) -> Cell:
    """When an item spoils a session (R36): red within the day."""
    if at is None:
        return Cell.of(_("no session"), "dim")
    role: Role = "bad" if at <= now + SOON else "warn" if at <= now + 3 * SOON else ""
    if at <= now:
        return Cell.of(_("now"), "bad")
    return Cell.of(spelled(at, now, look), role)


def when(at: datetime, now: datetime, look: Look) -> str:
    """The time alone today, with its day on another."""
    local, today = at.astimezone(look.zone), now.astimezone(look.zone)
    return local.strftime("%H:%M") if local.date() == today.date() else spelled(at, now, look)


def spelled(at: datetime, now: datetime, look: Look) -> str:
    """The day as people say it, and the time."""
    local, today = at.astimezone(look.zone), now.astimezone(look.zone)
    if local.date() == today.date():
        return _("today {time}").format(time=local.strftime("%H:%M"))
    if local.date() == (today + timedelta(days=1)).date():
        return _("tomorrow {time}").format(time=local.strftime("%H:%M"))
    return local.strftime("%a %d %b %H:%M") if at - now < timedelta(days=300) else time_of_day(at, look, now)


def slots(several: bool, *, closed: bool = False, types: bool = False) -> tuple[Slot, ...]:
    """The columns of a list of items. `several`: of more than one connection; `types`: of more than one."""
    return (
        Slot(_("settled") if closed else _("bites"), 16),
        *([Slot(_("what"), 9)] if types else []),
        Slot(_("who"), 18, 2),
        Slot(_("outcome") if closed else _("why"), 20, 4),
        *([Slot(_("connection"), 10, 0, 1)] if several else []),
        Slot(_("people"), 6, 0, 2, True),
    )


ROLES: dict[str, Role] = {
    "conflict": "bad", "hold": "bad", "duplicate": "warn", "rejection": "warn", "task": "info", "notice": "dim",
}  # fmt: skip


def row(view: ItemView, now: datetime, width: int, look: Look, several: bool, types: bool = False) -> Line:
    """An item as a row of its screen."""
    closed = view.closed_at is not None
    content = [
        Cell.of(when(view.closed_at, now, look))
        if view.closed_at is not None
        else bites(view.bites_at, now, look),
        *([Cell.of(view.type, ROLES.get(view.type, ""))] if types else []),
        Cell.of(_name(view), "strong"),
        Cell.of(_settled(view) if closed else view.summary),
        *([Cell.of(view.connection, "dim")] if several else []),
        Cell.of(view.people or "", "dim"),
    ]
    return cells(slots(several, closed=closed, types=types), content, width)


def heading(width: int, several: bool, *, closed: bool = False, types: bool = False) -> Line:
    return titles(slots(several, closed=closed, types=types), width)


def _name(view: ItemView) -> str:
    return view.label or view.erp_id or view.edusign_id or view.id


def _settled(view: ItemView) -> str:
    if not view.closed_by:
        return _("{outcome}: {summary}").format(outcome=view.outcome, summary=view.summary)
    return _("{who} said {what}: {summary}").format(who=view.closed_by, what=view.outcome, summary=view.summary)


def detail(
    view: ItemView, now: datetime, width: int, look: Look, keys: Sequence[tuple[str, str]] = ()
) -> tuple[Line, ...]:
    """An item in full. `keys` are those that settle it, with their words."""
    lines: list[Line] = [line(span(_name(view), "title"), span(f"  {view.id}  {view.connection}", "dim"))]
    lines += folded(line(span(view.summary, ROLES.get(view.type, ""))), width)
    if view.closed_at is None and keys:
        lines.append(_keys(keys))
    if view.type in ("conflict", "task") and "erp" in view.data:
        field = str(view.data.get("field", view.code))
        lines += sides(
            Sides(field, view.data.get("erp"), view.data.get("base", ""), view.data.get("edusign")), width
        )
    elif view.type == "duplicate":
        lines += _pair(view, width)
    else:
        lines += told([(_("field"), view.data.get("field")), (_("evidence"), view.data.get("evidence"))], width)
    lines += told(_facts(view, now, look), width)
    if view.type == "rejection":
        lines += folded(line(span(_meanwhile(view), "dim")), width)
    return tuple(lines)


def _keys(keys: Sequence[tuple[str, str]]) -> Line:
    spans: list[Span] = []
    for key, words in keys:
        spans += (span(key, "key"), span(f" {words}   "))
    return tuple(spans)


def _facts(view: ItemView, now: datetime, look: Look) -> list[tuple[str, object]]:
    record = " ".join(part for part in (view.kind, view.erp_id) if part)
    spoils = ""
    if view.closed_at is None and view.bites_at is not None:
        people = ngettext("for {n} person", "for {n} people", view.people).format(n=view.people)
        spoils = f"{spelled(view.bites_at, now, look)} {people if view.people else ''}".strip()
    facts: list[tuple[str, object]] = [
        (_("correct"), view.where),
        (_("bites"), spoils),
        (_("record"), record + (f", Edusign {view.edusign_id}" if view.edusign_id else "")),
        (_("since"), instant(view.opened_at, look) if view.closed_at is None else ""),
    ]
    if view.closed_at is not None:
        facts.append((_("settled"), f"{instant(view.closed_at, look)} {view.closed_by} {view.outcome}"))
    known = {"field", "evidence", "row", "erp", "base", "edusign", "other", "erp_email", "edusign_email"}
    facts += [(key.replace("_", " "), value(content)) for key, content in view.data.items() if key not in known]
    return [(label[: LABEL - 1], text) for label, text in facts]


def _meanwhile(view: ItemView) -> str:
    if view.data.get("row") is False:
        return _(
            "The rest of the record goes on; this value keeps what was agreed last. It is tried at every run."
        )
    return _(
        "A linked record keeps its link and its sheets meanwhile. It is tried again at every run; o tries now."
    )


def _pair(view: ItemView, width: int) -> tuple[Line, ...]:
    data = view.data
    return (
        *sides(Sides(_("name"), view.label, NO_BASE, data.get("other")), width),
        *sides(Sides(_("e-mail"), data.get("erp_email"), NO_BASE, data.get("edusign_email")), width),
    )


EMPTY = {
    "conflicts": _("No conflict: no field was changed on both sides differently."),
    "duplicates": _("No duplicate waits: everybody new is clearly new, or clearly known."),
    "rejections": _("Nothing is rejected: every record of the ERP could be taken over."),
}


def summary(screen: str, views: Sequence[ItemView], closed: bool, filtered: bool, marks: int) -> Line:
    """How many of what."""
    counts: dict[str, int] = {}
    for view in views:
        counts[view.type] = counts.get(view.type, 0) + 1
    said = things(counts) or _("none")
    parts = [span(said, "strong"), span(_(" settled") if closed else _(" open"))]
    if filtered:
        parts.append(span(_(" match the filter"), "info"))
    if marks:
        parts.append(span(_(", {n} marked").format(n=marks), "mark"))
    return line(*parts)
