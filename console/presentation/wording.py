"""Small pieces of text: instants, counts, values, records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from engine.words import _, ngettext

_SHOWN_ELEMENTS = 3
_A_YEAR = 300  # days: beyond, a day and month could be this year's or the last's


@dataclass(frozen=True)
class Look:
    """For whom text is made: `width` in columns (None: no limit), instants in `zone` (None: the machine's)."""

    width: int | None = None
    zone: tzinfo | None = None


def instant(at: datetime | None, look: Look) -> str:
    """Date and time to the minute, "" for none."""
    return "" if at is None else at.astimezone(look.zone).strftime("%Y-%m-%d %H:%M")


def instant_to_second(at: datetime, look: Look) -> str:
    return at.astimezone(look.zone).strftime("%Y-%m-%d %H:%M:%S")


def moment(at: datetime, now: datetime, look: Look) -> str:
    """In 12 columns: to the second on the day itself, to the minute within the year, the date before that."""
    local, today = at.astimezone(look.zone), now.astimezone(look.zone)
    if local.date() == today.date():
        return local.strftime("%H:%M:%S")
    return local.strftime("%d %b %H:%M" if abs((now - at).days) < _A_YEAR else "%Y-%m-%d")


def time_of_day(at: datetime, look: Look, day_of: datetime) -> str:
    """The time alone on the day of `day_of`, with its date on another."""
    local, today = at.astimezone(look.zone), day_of.astimezone(look.zone)
    return local.strftime("%H:%M") if local.date() == today.date() else local.strftime("%Y-%m-%d %H:%M")


def duration(lasted: timedelta) -> str:
    """`45s`, `3m20s`, `2h05m`."""
    seconds = max(0, round(lasted.total_seconds()))
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"


def counts(numbers: Mapping[str, int]) -> str:
    """`12 create, 3 update`, zeros left out."""
    return ", ".join(f"{number} {name}" for name, number in numbers.items() if number)


def things(numbers: Mapping[str, int]) -> str:
    """`2 duplicates, 1 hold`: open items by type, zeros left out."""
    return ", ".join(_THINGS[name](number) for name, number in numbers.items() if number and name in _THINGS)


_THINGS: Mapping[str, Callable[[int], str]] = {
    "conflict": lambda n: ngettext("{n} conflict", "{n} conflicts", n).format(n=n),
    "hold": lambda n: ngettext("{n} hold", "{n} holds", n).format(n=n),
    "duplicate": lambda n: ngettext("{n} duplicate", "{n} duplicates", n).format(n=n),
    "rejection": lambda n: ngettext("{n} rejection", "{n} rejections", n).format(n=n),
    "task": lambda n: ngettext("{n} task", "{n} tasks", n).format(n=n),
    "notice": lambda n: ngettext("{n} notice", "{n} notices", n).format(n=n),
}


def value(value: Any) -> str:
    """A JSON value as a person reads it."""
    if value is None or value == "" or value == []:
        return "-"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list | tuple):
        shown = ", ".join(_element(element) for element in value[:_SHOWN_ELEMENTS])
        more = len(value) - _SHOWN_ELEMENTS
        return shown if more <= 0 else _("{shown} and {more} more").format(shown=shown, more=more)
    return _element(value)


def _element(element: Any) -> str:
    if isinstance(element, dict):
        return "{" + ", ".join(f"{key}: {_element(inner)}" for key, inner in element.items()) + "}"
    if isinstance(element, list | tuple):
        return "[" + ", ".join(_element(inner) for inner in element) + "]"
    return "-" if element is None else str(element)


_NEEDLESS = (("row", True), ("evidence", ""), ("field", ""))


def pairs(data: Mapping[str, Any]) -> str:
    """`key: value; key: value`; what says nothing is left out, and so is that a whole row is meant."""
    return "; ".join(
        f"{key.replace('_', ' ')}: {value(content)}"
        for key, content in data.items()
        if content not in ({}, []) and (key, content) not in _NEEDLESS
    )


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """`field: before -> after` of each field that is touched; only `after` where nothing was before."""
    fields = list(dict.fromkeys((*before, *after)))
    if not any(before.get(field) for field in fields):
        return pairs({field: after[field] for field in fields if after.get(field)})
    return "; ".join(
        f"{field}: {value(before.get(field))} -> {value(after.get(field))}"
        for field in fields
        if before.get(field) != after.get(field)
    )


def record(kind: str, erp_id: str, edusign_id: str = "") -> str:
    """`learner:ab12`, by its ERP key, or by its Edusign id where it has none."""
    identity = erp_id or edusign_id
    return f"{kind}:{identity}" if kind and identity else kind or identity
