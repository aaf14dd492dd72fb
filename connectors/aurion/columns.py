"""The columns of a saved query: which of our fields stands at which place of its lines. Pure.

Lines are arrays in the order of the visible columns (`orderGlobal`); a cell may come before them with the id of
the line; texts in several languages are objects: seen in client code. Whoever edits the query shifts what its
lines hold, so a field is found by a column's name and refused where it no longer stands where it stood.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.records import folded

Row = Mapping[str, Any]


class Drift(ValueError):
    """A column or field this connector stands on is gone, moved, or of another shape."""


@dataclass(frozen=True)
class Column:
    """A visible column: what it is called for people, and every name it goes by, folded."""

    label: str
    names: frozenset[str]


@dataclass(frozen=True)
class Layout:
    """Where each of our fields stands among the `columns`, from 0."""

    columns: tuple[Column, ...]
    places: Mapping[str, int]

    def shows(self, field: str) -> bool:
        return field in self.places

    def values(self, line: Any) -> dict[str, str]:
        """A line's cells as text, by our field. Raises Drift where the line is not of this layout."""
        if not isinstance(line, Sequence) or isinstance(line, str):
            raise Drift(f"a line was due, not {line!r:.40}")
        before = len(line) - len(self.columns)
        if before not in (0, 1):
            raise Drift(f"a line of {len(line)} cells where {len(self.columns)} columns are")
        return {field: cell(line[place + before]) for field, place in self.places.items()}


def visible(columns: Any) -> tuple[Column, ...]:
    """The visible columns in their order, those inside others too. Raises Drift."""
    if not isinstance(columns, Sequence) or isinstance(columns, str):
        raise Drift(f"columns were due, not {columns!r:.40}")
    found: list[tuple[Any, Column]] = []
    for column in _flat(columns):
        if column.get("visible", True) and not column.get("excluded", False):
            order = column.get("orderGlobal", column.get("order"))
            found.append((len(found) if order is None else order, _column(column)))
    return tuple(column for _order, column in sorted(found, key=lambda pair: pair[0]))


def layout(columns: tuple[Column, ...], wanted: Mapping[str, str], needed: Iterable[str]) -> Layout:
    """Where each of `wanted` (the column's name by our field) stands. Raises Drift for a needed one that no
    column bears, and for a name that two bear."""
    places: dict[str, int] = {}
    for field, name in wanted.items():
        at = [n for n, column in enumerate(columns) if folded(name) in column.names]
        if len(at) > 1:
            raise Drift(f"two columns are called {name}")
        if at:
            places[field] = at[0]
        elif field in needed:
            raise Drift(f"no column is called {name}")
    return Layout(columns, places)


def moved(before: Layout, now: Layout) -> str:
    """The first field that stands elsewhere than it did, in words; "" where none does."""
    for field, place in before.places.items():
        if field not in now.places:
            return f"{before.columns[place].label} is gone"
        if now.places[field] != place:
            return f"{before.columns[place].label} moved {place + 1}→{now.places[field] + 1}"
    return ""


def unlike(asked: tuple[Column, ...], answered: tuple[Column, ...]) -> str:
    """Where an answer's columns differ from those asked for, in words; "" where they are the same."""
    for place, (one, other) in enumerate(zip(asked, answered, strict=False)):
        if not one.names & other.names:
            return f"column {place + 1} is {other.label}, not {one.label}"
    if len(asked) != len(answered):
        return f"{len(answered)} columns, not {len(asked)}"
    return ""


def cell(value: Any) -> str:
    """A cell as text: French first where it has languages, lists with commas. Raises Drift."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value).strip()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, Mapping):
        return translated(value)
    if isinstance(value, Sequence):
        return ", ".join(text for item in value if (text := cell(item)))
    raise Drift(f"a cell is {type(value).__name__}")


def translated(value: Any) -> str:
    """A text that may come in several languages: French, else the first there is."""
    if isinstance(value, Mapping):
        texts = [value.get("fr"), *value.values()]
        return next((text.strip() for text in texts if isinstance(text, str) and text.strip()), "")
    return value.strip() if isinstance(value, str) else ""


def _flat(columns: Iterable[Any]) -> Iterable[Row]:
    """Every column that holds cells: one with children stands for them."""
    for column in columns:
        if not isinstance(column, Mapping):
            raise Drift(f"a column was due, not {column!r:.40}")
        children = column.get("children")
        if isinstance(children, list) and children:
            yield from _flat(children)
        else:
            yield column


def _column(column: Row) -> Column:
    label = translated(column.get("label")) or translated(column.get("defaultLabel"))
    field, path = str(column.get("field") or ""), str(column.get("path") or "")
    names: list[Any] = [field, f"{path}.{field}" if path else ""]
    for texts in (column.get("label"), column.get("defaultLabel")):
        names += texts.values() if isinstance(texts, Mapping) else [texts]
    folded_names = frozenset(folded(name) for name in names if isinstance(name, str) and name)
    if not folded_names:
        raise Drift("a column has no name")
    return Column(label or field, folded_names)
