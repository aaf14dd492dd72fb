"""Places in an answer: `name.last`, `groups[].id`, `rooms[0].label`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

BETWEEN = "\x1f"
"""Separates several values of one place; no value holds it."""

_STEP = re.compile(r"([^.\[\]]+)|\[(\d*)\]")
_DEEPEST = 8


class Missing(ValueError):
    """A place that no row has."""


def steps(place: str) -> list[str | int | None]:
    """The steps to a place: a name, an index, or None for every element."""
    found: list[str | int | None] = []
    for name, index in _STEP.findall(place):
        found.append(name if name else int(index) if index else None)
    return found


def values(row: Any, place: str) -> list[Any]:
    """What stands at a place, nulls left out; lists at its end are spread."""
    here = [row]
    for step in steps(place):
        here = [inner for one in here for inner in _down(one, step)]
    spread = [inner for one in here for inner in (one if isinstance(one, list) else [one])]
    return [one for one in spread if one is not None]


def _down(value: Any, step: str | int | None) -> list[Any]:
    if step is None:
        return list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else []
    if isinstance(step, int):
        return [value[step]] if isinstance(value, list) and step < len(value) else []
    return [value[step]] if isinstance(value, Mapping) and step in value else []


def one(row: Any, place: str) -> Any:
    """The value at a place, the answer itself for "". Raises Missing."""
    here = row
    for step in steps(place):
        down = _down(here, step)
        if not down:
            raise Missing(place)
        here = down[0]
    return here


def text(row: Any, place: str) -> str:
    """What stands at a place as text, several values put together by BETWEEN. Raises ValueError on objects."""
    return BETWEEN.join(written(value) for value in values(row, place))


def written(value: Any) -> str:
    """A value as text. Raises ValueError on an object."""
    if isinstance(value, str):
        return value.replace(BETWEEN, "")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    raise ValueError(f"an object where a value was due: {value!r:.40}")


def checked(rows: Iterable[Any], places: Iterable[str]) -> None:
    """Every place stands in some row, as far as any row could have it. Raises Missing."""
    given = list(rows)
    for place in places:
        told = [_has(row, steps(place)) for row in given]
        if told and True not in told and False in told:
            raise Missing(place)


def _has(value: Any, way: list[str | int | None]) -> bool | None:
    """Whether a place is there; None where nothing tells: a null, an empty list on the way."""
    if not way:
        return True
    if value is None or value == [] or value == {}:
        return None
    step, *rest = way
    if step is not None and not isinstance(step, int):
        if not isinstance(value, Mapping) or step not in value:
            return False
        return _has(value[step], rest)
    inner = _down(value, step)
    told = [_has(item, rest) for item in inner]
    if not told:
        return None if isinstance(value, list) else False
    return True if True in told else False if False in told else None


def found_in(row: Any) -> dict[str, Any]:
    """Every place of a row with the first value there, in the order they come."""
    places: dict[str, Any] = {}
    for place, value in _walk(row, "", 0):
        if places.get(place) is None:
            places[place] = value
    return places


def _walk(value: Any, place: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if re.fullmatch(r"[^\s.\[\]]+", str(name)):
                yield from _walk(inner, f"{place}.{name}" if place else str(name), depth + 1)
    elif isinstance(value, list):
        if not value:
            yield f"{place}[]", None
        for inner in value[:20]:
            yield from _walk(inner, f"{place}[]", depth + 1)
    else:
        yield place, value


def top(rows: Iterable[Any]) -> set[str]:
    """The names rows have at their top."""
    return {str(name) for row in rows if isinstance(row, Mapping) for name in row}
