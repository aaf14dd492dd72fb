"""What each listing command prints: the engine's models as tables."""

from __future__ import annotations

from collections.abc import Sequence

from console.presentation.columns import Column, table, wrapped
from console.presentation.wording import (
    Look,
    counts,
    difference,
    duration,
    instant,
    instant_to_second,
    pairs,
    record,
    things,
    time_of_day,
)
from engine.printable import printable
from engine.service.models import (
    ChangeView,
    ConnectionView,
    EventView,
    FindingView,
    FreezeView,
    ItemView,
    PlanView,
    RunView,
    StatusView,
)
from engine.words import _, ngettext

_LABEL = 32
_HELD_SHOWN = 5
_UNLIMITED = 1_000_000


def status(view: StatusView, look: Look) -> str:
    """The engine in a line or two, then a row per connection."""
    local = view.now.astimezone(look.zone)
    head = _("rollcall {version}, engine {pid} since {since}, now {now} {zone}, log at {epoch}:{seq}").format(
        version=view.version,
        pid=view.pid,
        since=instant(view.started, look),
        now=instant(view.now, look),
        zone=local.tzname(),
        epoch=view.epoch,
        seq=view.seq,
    )
    lines = [head]
    if view.frozen is not None:
        lines.append(freeze(view.frozen, look))
    if view.machine_lock:
        lines.append(view.machine_lock)
    if not view.connections:
        lines.append(_("No connection is configured: see `rollcall config init`."))
        return paragraph(lines, look)
    columns = (
        Column(_("connection"), least=12, most=24),
        Column(_("erp"), drop=2),
        Column(_("state"), least=12, most=40),
        Column(_("last run"), least=16, most=48, drop=1),
        Column(_("next"), least=16),
        Column(_("pending"), least=8, most=30, drop=4),
        Column(_("open"), wrap=True),
        Column(_("linked"), least=12, most=40, drop=5),
        Column(_("budget"), right=True, drop=6),
    )
    rows = [_connection(connection, view, look) for connection in view.connections]
    return paragraph(lines, look) + "\n" + table(columns, rows, look.width)


def _connection(connection: ConnectionView, view: StatusView, look: Look) -> tuple[str, ...]:
    state = connection.state
    detail = ""
    if connection.running is not None and connection.running.progress is not None:
        detail = connection.running.progress.what
    elif connection.freeze is not None:
        detail = connection.freeze.reason
    stated = f"{state}: {detail}" if detail else str(state)
    if connection.compare_only:
        stated += ", " + _("compare only")
    last = ""
    if connection.last_run is not None:
        run = connection.last_run
        ended = run.ended or run.started
        last = f"{run.flow} {run.state} {time_of_day(ended, look, view.now)}"
        if written := counts(run.changes):
            last += f", {written}"
    coming = ""
    if connection.next:
        first = connection.next[0]
        coming = f"{first.flow} {time_of_day(first.starts, look, view.now)}"
    return (
        connection.name,
        connection.erp,
        stated,
        last,
        coming,
        counts(connection.pending),
        things(connection.open),
        counts(connection.linked),
        "" if connection.budget_left is None else str(connection.budget_left),
    )


def decided(view: ItemView, choice: str) -> str:
    """One line: what was settled, or what of it still waits, and what follows."""
    name = f"{view.id} ({view.label})" if view.label else view.id
    if view.closed_at is None:
        said = _("{name}: {choice}; {count} of its changes still wait.").format(
            name=name, choice=choice, count=len(view.changes)
        )
    else:
        said = _("{name}: {choice}. An open window takes it up by itself, else the next run.").format(
            name=name, choice=choice
        )
    return printable(said)


def freeze(view: FreezeView, look: Look) -> str:
    """One line: what is stopped, why, by whom, since when."""
    whole = _("FROZEN, no writes at all") if not view.connection else _("FROZEN, no writes")
    where = f" ({view.connection})" if view.connection else ""
    return printable(
        _("{whole}{where}: {reason} (by {actor}, since {since})").format(
            whole=whole,
            where=where,
            reason=view.reason or "-",
            actor=view.actor,
            since=instant(view.since, look),
        )
    )


def runs(views: Sequence[RunView], look: Look) -> str:
    """A row per run, newest first."""
    if not views:
        return _("No run yet.") + "\n"
    columns = (
        Column(_("run")),
        Column(_("connection"), least=10, most=24),
        Column(_("flow")),
        Column(_("state")),
        Column(_("started")),
        Column(_("took"), right=True, drop=3),
        Column(_("trigger"), least=8, most=20, drop=5),
        Column(_("written"), least=10, most=40),
        Column(_("rejected"), right=True, drop=2),
        Column(_("held"), right=True, drop=1),
        Column(_("conflicts"), right=True, drop=1),
        Column(_("skipped"), right=True, drop=4),
        Column(_("message"), wrap=True),
    )
    rows = [
        (
            view.id,
            view.connection,
            view.flow,
            view.state,
            instant(view.started, look),
            "" if view.ended is None else duration(view.ended - view.started),
            view.trigger,
            counts(view.changes),
            *(str(n) if n else "" for n in (view.rejected, view.held, view.conflicts, view.skipped)),
            "; ".join(part for part in (view.message, *view.faults) if part),
        )
        for view in views
    ]
    return table(columns, rows, look.width)


def run(view: RunView, look: Look) -> str:
    """One run in full: its row, then what it read and how its records add up."""
    lines = []
    if view.observed:
        lines.append(_("Read: {counts}.").format(counts=counts(view.observed)))
    if view.requests:
        lines.append(_("Requests: {counts}.").format(counts=counts(view.requests)))
    lines += [
        f"{kind}: {counts(numbers)}." for kind, numbers in view.accounting.items() if any(numbers.values())
    ]
    return runs([view], look) + paragraph(lines, look)


def plan(view: PlanView, look: Look) -> str:
    """A plan: its sums, then a row per change."""
    total = len(view.changes)
    head = _("Plan {id} of {connection} ({flow}), made {made}: {sums}.").format(
        id=view.id,
        connection=view.connection,
        flow=view.flow,
        made=instant(view.made_at, look),
        sums=ngettext("{n} change", "{n} changes", total).format(n=total)
        + (f" ({counts(view.counts)})" if view.counts else ""),
    )
    also = [
        text.format(n=number)
        for number, text in (
            (view.held, _("{n} held")),
            (view.rejected, _("{n} rejected")),
            (view.conflicts, _("{n} in conflict")),
            (view.mails, _("mails it may cause: {n}")),
            (len(view.stale), _("{n} no longer the same, not written")),
        )
        if number
    ]
    lines = [head, *([", ".join(also) + "."] if also else []), *view.faults]
    text = paragraph(lines, look)
    return text + "\n" + changes(view.changes, look) if view.changes else text


def changes(views: Sequence[ChangeView], look: Look, indent: int = 0) -> str:
    """A row per change."""
    columns = (
        Column(_("change")),
        Column(_("verb")),
        Column(_("record"), least=12, most=40),
        Column(_("name"), least=10, most=_LABEL, drop=2),
        Column(_("what"), wrap=True),
        Column(_("reason"), least=12, most=40, drop=1),
        Column(_("rule"), drop=5),
        Column(_("bites"), drop=3),
        Column(_("people"), right=True, drop=4),
        Column(_("held by")),
    )
    rows = [
        (
            view.id,
            view.verb,
            record(view.kind, view.erp_id, view.edusign_id),
            view.label,
            difference(view.before, view.after),
            view.reason,
            view.rule,
            instant(view.bites_at, look),
            str(view.people or ""),
            view.hold,
        )
        for view in views
    ]
    return table(columns, rows, look.width, indent)


def items(views: Sequence[ItemView], look: Look) -> str:
    """A row per open or closed item; holds are followed by what they hold."""
    if not views:
        return _("Nothing here.") + "\n"
    if any(view.changes for view in views):
        return "\n".join(_item_rows([view], look) + _held(view, look) for view in views)
    return _item_rows(views, look)


def _held(view: ItemView, look: Look) -> str:
    """The first of an item's changes, which come by urgency, and how many more there are."""
    if not view.changes:
        return ""
    more = len(view.changes) - _HELD_SHOWN
    shown = changes(view.changes[:_HELD_SHOWN], look, indent=2)
    if more <= 0:
        return shown
    return shown + "  " + _("{n} more: rollcall changes {name}").format(n=more, name=view.connection) + "\n"


def _item_rows(views: Sequence[ItemView], look: Look) -> str:
    columns = (
        Column(_("id")),
        Column(_("connection"), least=10, most=24, drop=3),
        Column(_("bites")),
        Column(_("people"), right=True, drop=5),
        Column(_("record"), least=12, most=40),
        Column(_("name"), least=10, most=_LABEL),
        Column(_("why"), least=8, most=30, drop=6),
        Column(_("summary"), wrap=True),
        Column(_("where"), least=12, most=40, drop=2),
        Column(_("opened"), drop=7),
        Column(_("closed"), least=16, most=50),
    )
    rows = [
        (
            view.id,
            view.connection,
            instant(view.bites_at, look),
            str(view.people or ""),
            record(view.kind, view.erp_id, view.edusign_id),
            view.label,
            view.code,
            "; ".join(part for part in (view.summary, pairs(view.data), _choices(view)) if part),
            view.where,
            instant(view.opened_at, look),
            _closed(view, look),
        )
        for view in views
    ]
    return table(columns, rows, look.width)


def _choices(view: ItemView) -> str:
    """Part of the wrapped cell: what may be chosen is never cut off."""
    if not view.choices or view.closed_at is not None:
        return ""
    return _("choose {choices}").format(choices="|".join(view.choices))


def _closed(view: ItemView, look: Look) -> str:
    if view.closed_at is None:
        return ""
    return " ".join(part for part in (instant(view.closed_at, look), view.closed_by, view.outcome) if part)


def events(views: Sequence[EventView], look: Look) -> str:
    """A row per event, in the order given."""
    if not views:
        return _("No event matches.") + "\n"
    columns = (
        Column(_("seq"), right=True, drop=3),
        Column(_("time")),
        Column(_("level")),
        Column(_("connection"), least=8, most=20, drop=2),
        Column(_("kind"), least=6, most=14),
        Column(_("run"), drop=5),
        Column(_("record"), least=12, most=40, drop=1),
        Column(_("by"), least=6, most=16, drop=4),
        Column(_("message"), wrap=True),
    )
    rows = [
        (
            str(view.seq),
            instant_to_second(view.ts, look),
            view.level,
            view.connection,
            view.kind,
            view.run_id,
            record(view.record_kind, view.erp_id, view.edusign_id),
            view.actor,
            view.message,
        )
        for view in views
    ]
    return table(columns, rows, look.width)


def event_line(view: EventView, look: Look) -> str:
    """One event as one line without its break, whatever its texts hold: for `--follow`."""
    parts = (
        str(view.seq),
        instant_to_second(view.ts, look),
        f"{view.level:6}",
        view.connection,
        view.kind,
        record(view.record_kind, view.erp_id, view.edusign_id),
        view.message,
        f"({view.actor})" if view.actor else "",
    )
    return printable(" ".join(part for part in parts if part))


def findings(views: Sequence[FindingView], look: Look) -> str:
    """A row per line of `check`."""
    if not views:
        return _("Nothing to check: no connection is configured.") + "\n"
    columns = (
        Column(_("result")),
        Column(_("connection"), least=10, most=24),
        Column(_("what"), least=12, most=40),
        Column(_("detail"), least=12, most=40),
        Column(_("what to do"), wrap=True),
    )
    rows = [
        (
            _("ok") if view.ok else _("FAILED"),
            view.connection,
            view.what,
            view.detail,
            "" if view.ok else view.advice,
        )
        for view in views
    ]
    return table(columns, rows, look.width)


def paragraph(lines: Sequence[str], look: Look) -> str:
    """Lines of prose, made printable and broken at the width."""
    broken = [part for line in lines for part in wrapped(printable(line), look.width or _UNLIMITED)]
    return "".join(f"{line}\n" for line in broken)
