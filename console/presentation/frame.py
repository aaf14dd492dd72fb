"""The header, the screens' names and the footer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from console.actions import SCREENS, Action
from console.presentation.line import Line, Role, Span, apart, filled, fitted, joined, line, span, width_of
from console.presentation.signs import Signs
from engine.words import _

if TYPE_CHECKING:
    from engine.service.models import DashboardView


@dataclass(frozen=True)
class Standing:
    """How the console stands to its engine. `lost`: why nothing comes, "" while it is attached; `at`: the
    engine's time, or when it last said something; `connection`: the one keys act on, "" for no choice."""

    now: datetime | None
    zone: tzinfo | None
    lost: str = ""
    actor: str = ""
    role: str = ""
    connection: str = ""
    frozen: str = ""


@dataclass(frozen=True)
class Said:
    """The last thing the console has to say, in the footer until the next key."""

    text: str
    role: Role = "info"


def header(standing: Standing, width: int, signs: Signs) -> Line:
    """Who is attached to what, and what time it is there."""
    left = [line(span("Rollcall", "title"))]
    if standing.connection:
        left.append(line(span(standing.connection, "strong")))
    if standing.frozen:
        left.append(line(span(f"{signs.frozen} {_('FROZEN')}: {standing.frozen}", "bad")))
    if standing.lost:
        left.append(line(span(f"{signs.gone} {standing.lost}", "bad")))
    elif standing.now is not None:
        left.append(line(span(f"{signs.live} {_('live')}", "good")))
    right = []
    if standing.actor and not standing.lost:
        right.append(line(span(f"{standing.actor} ({standing.role})", "dim")))
    if standing.now is not None and not standing.lost:
        local = standing.now.astimezone(standing.zone)
        right.append(line(span(local.strftime("%a %d %b %H:%M %Z"))))
    return apart(joined(left, "  "), joined(right, "  "), width)


def tabs(current: str, dashboard: DashboardView | None, width: int) -> Line:
    """The screens with their keys and, where there is room, how much waits on each."""
    counts = _counts(dashboard)
    long = [_tab(*screen, current, counts) for screen in SCREENS]
    if width_of(joined(long, "  ")) <= width:
        return joined(long, "  ")
    return fitted(joined([_tab(*screen, current, {}) for screen in SCREENS], " "), width)


def _tab(name: str, keys: str, words: str, current: str, counts: dict[str, int]) -> Line:
    number = keys.split(",")[0]
    here = name == current
    count = counts.get(name, 0)
    parts = [span(number, "key"), span(words, "strong" if here else "dim")]
    if here:
        parts = [Span("["), *parts, Span("]")]
    if count:
        parts.append(span(f" {count}", "warn"))
    return tuple(parts)


def _counts(dashboard: DashboardView | None) -> dict[str, int]:
    if dashboard is None:
        return {}
    connections = dashboard.status.connections

    def of(*types: str) -> int:
        return sum(one.open.get(type, 0) for one in connections for type in types)

    return {
        "changes": sum(sum(one.pending.values()) for one in connections),
        "conflicts": of("conflict"),
        "duplicates": of("duplicate"),
        "rejections": of("rejection", "task"),
        "sheets": sum(sum(today.troubles.values()) for today in dashboard.today),
    }


def footer(able: Sequence[Action], width: int, keys_of: Callable[[Action], str]) -> Line:
    """The keys that work here, the nearest first, as many as fit; help and quit always."""
    shown = sorted((a for a in able if a.footer), key=lambda a: a.footer)
    ends = [a for a in shown if a.id in ("help", "quit")]
    spans = [_key(a, keys_of) for a in shown if a not in ends]
    end = joined([_key(a, keys_of) for a in ends], "  ")
    room = width - width_of(end) - 2
    kept: list[Line] = []
    for piece in spans:
        if width_of(joined([*kept, piece], "  ")) > room:
            break
        kept.append(piece)
    return filled((*joined(kept, "  "), Span("  "), *end), width)


TYPING = (("⏎", _("keep it")), ("Esc", _("drop it")), ("F1", _("what can be typed, with examples")))
"""The keys of a filter line."""


def hints(pairs: Sequence[tuple[str, str]]) -> Line:
    """The keys that work in a window, as its last line."""
    return joined([line(span(key, "key"), Span(" "), span(words, "dim")) for key, words in pairs], "   ")


def _key(action: Action, keys_of: Callable[[Action], str]) -> Line:
    return line(span(keys_of(action), "key"), Span(" "), span(action.words, "dim"))


def said(what: Said, width: int) -> Line:
    return fitted(line(span(what.text, what.role)), width)
