"""The log as rows and in full: when, how grave, of what, what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.presentation.dashboard import LEVELS
from console.presentation.line import (
    Cell,
    Line,
    Slot,
    apart,
    cells,
    folded,
    joined,
    line,
    span,
    titles,
    width_of,
)
from console.presentation.sides import told
from console.presentation.signs import Signs
from console.presentation.wording import Look, moment, record
from engine.printable import printable
from engine.words import _, ngettext

if TYPE_CHECKING:
    from engine.service.models import EventView

DATA_SHOWN = 60
"""Values of an event's data that are shown; a longer list says how many more there are."""


def slots(several: bool) -> tuple[Slot, ...]:
    """`several`: whether there is more than one connection."""
    return (
        Slot(_("time"), 12),
        Slot(_("level"), 6),
        Slot(_("kind"), 10, 0, 4),
        *([Slot(_("connection"), 10, 0, 3)] if several else []),
        Slot(_("record"), 16, 0, 5),
        Slot(_("by"), 8, 0, 6),
        Slot(_("what"), 44, 1),
    )


def heading(width: int, several: bool) -> Line:
    return titles(slots(several), width)


def row(view: EventView, now: datetime, width: int, look: Look, several: bool) -> Line:
    """An event as a row."""
    content = [
        Cell.of(moment(view.ts, now, look), "dim"),
        Cell.of(view.level, LEVELS.get(view.level, "")),
        Cell.of(view.kind, "dim"),
        *([Cell.of(view.connection, "dim")] if several else []),
        Cell.of(record(view.record_kind, view.erp_id, view.edusign_id), "dim"),
        Cell.of(view.actor, "dim"),
        Cell.of(view.message),
    ]
    return cells(slots(several), content, width)


def summary(
    count: int, charted: bool, filtered: bool, following: bool, newer: int, width: int, signs: Signs
) -> Line:
    """How many events are listed, and whether the newest are followed. `newer`: came since they are not."""
    if charted and filtered:
        said = ngettext("{n:,} event matches the filter", "{n:,} events match the filter", count)
        left = line(span(said.format(n=count), "strong"))
    elif charted:
        left = line(span(ngettext("{n:,} event", "{n:,} events", count).format(n=count), "strong"))
    else:
        said = _("the newest {n:,}").format(n=count)
        left = line(span(said, "strong"), span(_(", counting the others …"), "dim"))
    if following:
        right = line(span(f"{signs.live} {_('following')}", "good"))
    elif newer:
        more = ngettext("{n:,} newer below", "{n:,} newer below", newer).format(n=newer)
        right = line(span(f"{more}, ", "warn"), span("t", "key"), span(_(" follows"), "dim"))
    else:
        right = line(span(_("standing still, "), "dim"), span("t", "key"), span(_(" follows"), "dim"))
    return apart(left, right, width)


def detail(view: EventView, width: int, look: Look) -> tuple[Line, ...]:
    """An event whole: every column, its data value by value."""
    at = view.ts.astimezone(look.zone)
    role = LEVELS.get(view.level, "")
    lines: list[Line] = list(folded(line(span(view.message, role or "strong")), width))
    lines += _facts(
        [
            (_("time"), at.strftime("%a %Y-%m-%d %H:%M:%S.%f")[:-3] + at.strftime(" %Z")),
            (_("level"), view.level),
            (_("kind"), view.kind),
            (_("by"), view.actor),
            (_("connection"), view.connection),
            (_("run"), view.run_id),
            (_("seq"), f"{view.seq} ({_('epoch')} {view.epoch})"),
        ],
        width,
    )
    identity = [
        (_("record"), " ".join(part for part in (view.record_kind, view.erp_id) if part)),
        (_("Edusign"), view.edusign_id),
    ]
    lines += told(identity, width)
    return (*lines, *_data(view.data, width))


def _facts(pairs: Sequence[tuple[str, str]], width: int) -> tuple[Line, ...]:
    """`label text` side by side, as many as fit on each line."""
    lines: list[Line] = []
    here: list[Line] = []
    for label, text in pairs:
        if not text:
            continue
        piece = line(span(f"{label} ", "dim"), span(text))
        if here and width_of(joined([*here, piece], "   ")) > width:
            lines.append(joined(here, "   "))
            here = []
        here.append(piece)
    lines.append(joined(here, "   "))
    return tuple(part for one in lines for part in folded(one, width))


def _data(data: dict[str, Any], width: int) -> tuple[Line, ...]:
    pairs = list(_leaves(data, ""))
    lines: list[Line] = []
    for path, text in pairs[:DATA_SHOWN]:
        lines += folded(line(span(f"{path}  ", "dim"), span(text)), width)
    if (more := len(pairs) - DATA_SHOWN) > 0:
        lines.append(
            line(span(ngettext("and {n} more value", "and {n} more values", more).format(n=more), "dim"))
        )
    return tuple(lines)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Each value of nested data with the way to it, as JSON would have it but for the quotes around text."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and value:
        if all(not isinstance(one, dict | list | tuple) for one in value):
            yield path, ", ".join(_text(one) for one in value)
            return
        for number, inner in enumerate(value, 1):
            yield from _leaves(inner, f"{path}[{number}]")
    elif path:
        yield path, _text(value)


def _text(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value)


FORMATS = ("csv", "jsonl", "parquet")


def export_asked(count: int, query: str) -> tuple[str, tuple[Line, ...]]:
    """The question for a file's name, and what will be in it."""
    title = ngettext("Write {n:,} event to a file?", "Write {n:,} events to a file?", count).format(n=count)
    return title, (
        _filter(query),
        line(
            span(
                _(
                    "Its ending says the format: .csv for spreadsheets, .jsonl and .parquet with every value "
                    "unchanged. Only you may read it."
                ),
                "dim",
            )
        ),
    )


def exists(path: Path) -> tuple[str, tuple[Line, ...]]:
    """The question before a file is overwritten."""
    title = _("{name} is there already. Overwrite it?").format(name=printable(path.name))
    return title, (line(span(path)), line(span(_("What it holds now is lost."), "warn")))


def exported(rows: int, path: Path, query: str) -> tuple[str, tuple[Line, ...]]:
    """What was written, where, and by which filter."""
    title = ngettext("{n:,} event written.", "{n:,} events written.", rows).format(n=rows)
    return title, (line(span(path, "strong")), _filter(query))


def _filter(query: str) -> Line:
    if not query:
        return line(_("no filter: the whole log"))
    return line(_("filter: "), span(query, "info"))
