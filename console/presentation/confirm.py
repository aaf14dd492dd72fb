"""What is said before something is written: how many, the first ones by name, what cannot be undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from console.presentation.line import Line, line, span
from console.presentation.subject import Subject
from console.presentation.wording import Look, counts, instant
from engine.words import _, ngettext

if TYPE_CHECKING:
    from engine.service.models import ConnectionView, DashboardView, FreezeView, ItemView

NAMED = 5
"""So many are named; the rest is counted."""

Confirmation = tuple[str, tuple[Line, ...]]
"""The question, and what is said under it."""


def named(labels: Sequence[str], total: int | None = None) -> tuple[Line, ...]:
    """The first ones by name, and how many more there are. `total`: of how many, where not all are given."""
    lines = [line("  ", span(label)) for label in labels[:NAMED]]
    if (more := (len(labels) if total is None else total) - NAMED) > 0:
        said = ngettext("  and {n} more", "  and {n} more", more)
        lines.append(line(span(said.format(n=f"{more:,}"), "dim")))
    return tuple(lines)


def connections(views: Sequence[ConnectionView]) -> tuple[Line, ...]:
    return tuple(line(span(one.name, "strong"), f"  {one.erp}  {one.state}") for one in views)


def run(connection: ConnectionView, only: Subject | None) -> Confirmation:
    if only is not None:
        title = _("Run {record} of {name} now?").format(record=only.label or only.record, name=connection.name)
        return title, (line(_("Both sides are read; this one record is written, and what it needs.")),)
    pending = counts(connection.pending)
    title = _("Run an import of {name} now?").format(name=connection.name)
    said = (
        _("The newest plan has: {pending}.").format(pending=pending)
        if pending
        else _("The newest plan is empty.")
    )
    return title, (
        line(said),
        line(_("Both sides are read again first; what is held stays held.")),
        line(span(_("What is written stands; mails Edusign sends for it cannot be called back."), "dim")),
    )


def cancel(connection: ConnectionView) -> Confirmation:
    running = connection.running
    assert running is not None
    doing = running.progress.what if running.progress is not None else ""
    return _("Stop run {id} of {name}?").format(id=running.id, name=connection.name), (
        line(_("It is {doing}.").format(doing=doing) if doing else _("It has just begun.")),
        line(_("The write under way is finished; what is left is the next run's first work.")),
    )


def freeze(name: str, views: Sequence[ConnectionView]) -> Confirmation:
    title = (
        _("Stop all writes of {name}?").format(name=name) if name else _("Stop all writes of all connections?")
    )
    under_way = [one.name for one in views if one.running is not None and name in ("", one.name)]
    lines = [line(_("Plans can still be made. It lasts until somebody thaws it, over restarts too."))]
    if under_way:
        lines.append(
            line(span(_("The run under way of {names} stops writing.").format(names=", ".join(under_way))))
        )
    return title, tuple(lines)


def thaw(standing: FreezeView, look: Look) -> Confirmation:
    title = (
        _("Let {name} write again?").format(name=standing.connection)
        if standing.connection
        else _("Let all connections write again?")
    )
    return title, (line(span(frozen_line(standing, look))),)


def frozen_line(standing: FreezeView, look: Look) -> str:
    return _("frozen by {actor} since {since}: {reason}").format(
        actor=standing.actor, since=instant(standing.since, look), reason=standing.reason or "-"
    )


def freeze_of(dashboard: DashboardView | None, name: str) -> FreezeView | None:
    """The freeze that stands on a connection, or on all; None where it may write."""
    if dashboard is None:
        return None
    if dashboard.status.frozen is not None:
        return dashboard.status.frozen
    return next((one.freeze for one in dashboard.status.connections if one.name == name and one.freeze), None)


def cannot_run(connection: ConnectionView, dashboard: Any, look: Look) -> str:
    """Why a run cannot begin, "" where it can."""
    standing = freeze_of(dashboard, connection.name)
    if standing is not None:
        return _("{name} is {why}. A plan (p) can still be made; f thaws it.").format(
            name=connection.name, why=frozen_line(standing, look)
        )
    if connection.running is not None:
        return _("Run {id} of {name} is under way already.").format(
            id=connection.running.id, name=connection.name
        )
    return ""


def decision(item: ItemView, choice: str) -> Confirmation:
    """What settling one item by `choice` means; holds are batches of changes (see batches)."""
    name = item.label or item.erp_id or item.edusign_id or item.id
    if item.type == "conflict":
        return _conflict(item, choice, name)
    if item.type == "duplicate":
        other = str(item.data.get("other", "") or item.edusign_id)
        if choice == "same":
            return _("{name}: the same as {other} in Edusign?").format(name=name, other=other), (
                line(_("They are linked; no second record is made, and the ERP's values go there.")),
            )
        return _("{name}: somebody else than {other} in Edusign?").format(name=name, other=other), (
            line(
                span(
                    _("A new record is created in Edusign at the next run; its id cannot be given back."),
                    "warn",
                )
            ),
        )
    return _("{choice} {name}?").format(choice=choice, name=name), (line(span(item.summary)),)


def decisions(items: Sequence[ItemView], choice: str, left_out: int) -> Confirmation:
    """What settling several items by one choice means."""
    words = {
        "erp": _("Take the ERP's value of {n} conflicts?"),
        "edusign": _("Keep Edusign's value of {n} conflicts?"),
    }
    title = words.get(choice, _("{choice} for {n} items?")).format(n=len(items), choice=choice)
    lines = [*named([f"{one.label}: {one.summary}" for one in items])]
    if left_out:
        lines.append(line(span(_("{n} marked ones do not take it and stay.").format(n=left_out), "warn")))
    return title, tuple(lines)


def _conflict(item: ItemView, choice: str, name: str) -> Confirmation:
    field = str(item.data.get("field", ""))
    erp, edusign = str(item.data.get("erp") or "-"), str(item.data.get("edusign") or "-")
    both = (
        line(span(_("ERP      "), "dim"), span(erp, "strong" if choice == "erp" else "")),
        line(span(_("Edusign  "), "dim"), span(edusign, "strong" if choice == "edusign" else "")),
    )
    if choice == "erp":
        return _("{name}: take the ERP's {field}?").format(name=name, field=field), (
            *both,
            line(_("Edusign's value is overwritten by the next run; the log keeps it.")),
        )
    if choice == "edusign":
        return _("{name}: keep Edusign's {field}?").format(name=name, field=field), (
            *both,
            line(_("Nothing is written; correcting the ERP becomes a task.")),
        )
    return _("{name}: which {field} should both sides have?").format(name=name, field=field), both


def irreversible(changes: Sequence[Any]) -> tuple[Line, ...]:
    """What of some changes cannot be undone (R42), said before; nothing where all of it can be."""
    verbs = {one.verb for one in changes}
    said = []
    if "create" in verbs:
        said.append(_("A created record keeps its new Edusign id: undone, it stays archived or empty."))
    if "withdraw" in verbs:
        said.append(_("A withdrawn sheet is deleted in Edusign; made again, it has another id."))
    return tuple(line(span(text, "warn")) for text in said)


def decided(settled: Sequence[ItemView], choice: str) -> str:
    """One line once it is done."""
    if len(settled) == 1:
        one = settled[0]
        name = one.label or one.id
        if one.closed_at is None:
            return _("{name}: {choice}; {n} of its changes still wait.").format(
                name=name, choice=choice, n=len(one.changes)
            )
        return _(
            "{name}: {choice}. An open window takes it up by itself, else the next run; r runs now."
        ).format(name=name, choice=choice)
    return ngettext("{n} settled: {choice}.", "{n} settled: {choice}.", len(settled)).format(
        n=len(settled), choice=choice
    )
