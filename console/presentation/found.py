"""Records that a search found, as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.presentation.line import Cell, Line, Role, Slot, cells, line, span
from console.presentation.signs import Signs
from console.presentation.subject import Subject
from engine.words import _, ngettext

if TYPE_CHECKING:
    from engine.service.models import FoundView

STATE: dict[str, tuple[str, Role]] = {
    "linked": (_("linked"), "good"),
    "erp": (_("only ERP"), "warn"),
    "edusign": (_("only Edusign"), "warn"),
}


def row(view: FoundView, width: int, signs: Signs, several: bool) -> Line:
    """One record: what it is, who, its e-mail or start, where it is, its key."""
    words, role = STATE[view.state]
    sign = {"linked": signs.good, "erp": signs.warn, "edusign": signs.warn}[view.state]
    slots = (
        Slot("", 8),
        Slot("", 18, 2),
        Slot("", 18, 2),
        Slot("", 14),
        *([Slot("", 10, 0, 1)] if several else []),
        Slot("", 8, 1, 2),
    )
    content = [
        Cell.of(view.kind, "dim"),
        Cell.of(view.label or view.erp_id or view.edusign_id, "strong"),
        Cell.of(view.detail),
        Cell(line(span(f"{sign} {words}", role))),
        *([Cell.of(view.connection, "dim")] if several else []),
        Cell.of(view.erp_id or view.edusign_id, "dim"),
    ]
    return cells(slots, content, width)


def subject(view: FoundView) -> Subject:
    return Subject(view.connection, view.kind, view.erp_id or view.edusign_id, view.label)


def said(typed: str, asked: str | None, count: int, limit: int, mistake: str) -> Line:
    """What the list under the line is. `asked`: what it answers, None before any answer."""
    if mistake:
        return line(span(mistake, "bad"))
    if not typed:
        return line(
            span(_("A name, an e-mail or an id, of either side; accents and case do not matter."), "dim")
        )
    if asked != typed:
        return line(span(_("looking …"), "dim"))
    if count == 0:
        text = _("Nobody and nothing of this name, e-mail or id, as both sides were last read.")
        return line(span(text, "warn"))
    if count >= limit:
        return line(span(_("the first {n}: type more to narrow").format(n=count), "info"))
    return line(span(ngettext("{n} found", "{n} found", count).format(n=count), "dim"))
