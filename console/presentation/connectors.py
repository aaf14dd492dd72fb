"""What every connector can do, and how sure that is: a table per connector, and per connection."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from console.presentation.columns import Column, table
from console.presentation.tables import paragraph
from console.presentation.wording import Look
from engine.service.models import CapabilityView, ConnectorsView
from engine.words import _

_COLUMNS = (
    Column(_("capability"), least=14, most=36),
    Column(_("certainty")),
    Column(_("on")),
    Column(_("why it is off"), wrap=True),
    Column(_("source"), least=16, most=72, drop=1),
)


def connectors(view: ConnectorsView, look: Look) -> str:
    """A table for each connector as it comes, then one for each side of each connection."""
    parts = [paragraph([_heading(one), ""], look) + _table(rows, look) for one, rows in _grouped(view)]
    parts += [paragraph(view.problems, look)] if view.problems else []
    if not parts:
        return _("No connector is installed.") + "\n"
    return "\n".join(parts)


def _grouped(view: ConnectorsView) -> list[tuple[CapabilityView, list[CapabilityView]]]:
    groups = groupby(view.capabilities, key=lambda one: (one.connection, one.connector))
    return [(rows[0], rows) for rows in (list(group) for _key, group in groups)]


def _heading(one: CapabilityView) -> str:
    if not one.connection:
        return _("{connector}, as it comes").format(connector=one.connector)
    return _("{connector}, as connection {connection} has it").format(
        connector=one.connector, connection=one.connection
    )


def _table(views: Iterable[CapabilityView], look: Look) -> str:
    rows = [
        (one.name, certainty(one.certainty), _("on") if one.on else _("OFF"), one.why_off, one.source)
        for one in views
    ]
    return table(_COLUMNS, rows, look.width)


def certainty(word: str) -> str:
    """How sure a capability is, in a word."""
    words = {
        "documented": _("documented"),
        "seen": _("seen"),
        "inferred": _("inferred"),
        "unknown": _("unknown"),
    }
    return words.get(word, word)
