"""Text tables by display width: East Asian letters take two columns, combining marks none.

Everything that enters a table goes through `engine.printable.printable` here, so that no caller can forget.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from engine.printable import printable

_GAP = 2
_WRAPPED_LEAST = 12
_ZERO_WIDTH = frozenset({"Mn", "Me", "Cf"})


@dataclass(frozen=True)
class Column:
    """How one column behaves where the line is too narrow, in this order.

    `drop`: left out, the highest number first (0: never). `least`: may be cut with … down to so many
    columns (None: never cut). `wrap`: goes on below in the same column; at most one column of a table
    wraps. `most`: never wider than this on a line of limited width.
    """

    title: str
    least: int | None = None
    most: int | None = None
    wrap: bool = False
    right: bool = False
    drop: int = 0


def display_width(text: str) -> int:
    """Columns `text` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_char_width(char) for char in text)


@lru_cache(maxsize=4096)
def _char_width(char: str) -> int:
    if unicodedata.category(char) in _ZERO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, width: int) -> str:
    """`text` in at most `width` columns, its loss shown by …"""
    if display_width(text) <= width:
        return text
    kept, used = "", 0
    for char in text:
        wide = _char_width(char)
        if used + wide > width - 1:
            break
        kept += char
        used += wide
    return kept + "…" if width > 0 else ""


def wrapped(text: str, width: int) -> list[str]:
    """`text` as lines of at most `width` columns, broken at spaces where there are some."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if display_width(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        *full, line = _pieces(word, width)
        lines += full
    lines.append(line)
    return lines


def _pieces(word: str, width: int) -> list[str]:
    pieces, piece, used = [], "", 0
    for char in word:
        wide = _char_width(char)
        if piece and used + wide > width:
            pieces.append(piece)
            piece, used = "", 0
        piece += char
        used += wide
    return [*pieces, piece]


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None, indent: int = 0) -> str:
    """The table as lines, each ended by a line break. `width` None: as wide as it comes, nothing cut.

    Columns in which no row has anything are left out. Where the line is too narrow for any table, each row
    is a block of lines, one per column.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    shown = [i for i in range(len(columns)) if any(row[i] for row in cells)]
    widths = {i: max(display_width(columns[i].title), *(display_width(row[i]) for row in cells)) for i in shown}
    if width is not None:
        shown, widths = _fitted(columns, shown, widths, width - indent)
        if sum(widths[i] for i in shown) + _GAP * (len(shown) - 1) > width - indent:
            return _blocks(columns, cells, width, indent)
    lines = [_line([columns[i].title.upper() for i in shown], columns, shown, widths, indent)]
    for row in cells:
        stacks = [_stack(columns[i], row[i], widths[i]) for i in shown]
        lines += (
            _line([stack[n] if n < len(stack) else "" for stack in stacks], columns, shown, widths, indent)
            for n in range(max(len(stack) for stack in stacks))
        )
    return "".join(f"{line}\n" for line in lines)


def _blocks(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int, indent: int) -> str:
    room = max(width - indent - _GAP, 1)
    blocks = []
    for row in rows:
        texts = [f"{column.title.upper()} {cell}" for column, cell in zip(columns, row, strict=True) if cell]
        first, *rest = [wrapped(text, room) for text in texts] or [[""]]
        lines = [*(" " * indent + line for line in first)]
        lines += (" " * (indent + _GAP) + line for text in rest for line in text)
        blocks.append("".join(f"{line}\n" for line in lines))
    return "\n".join(blocks)


def _stack(column: Column, text: str, width: int) -> list[str]:
    return wrapped(text, width) if column.wrap else [cut(text, width)]


def _line(
    texts: Sequence[str], columns: Sequence[Column], shown: Sequence[int], widths: dict[int, int], indent: int
) -> str:
    parts = []
    for i, text in zip(shown, texts, strict=True):
        space = " " * (widths[i] - display_width(text))
        parts.append(space + text if columns[i].right else text + space)
    return " " * indent + (" " * _GAP).join(parts).rstrip()


def _fitted(
    columns: Sequence[Column], shown: list[int], widths: dict[int, int], width: int
) -> tuple[list[int], dict[int, int]]:
    fitted = {i: min(widths[i], columns[i].most or widths[i]) for i in shown}

    def excess() -> int:
        return sum(fitted[i] for i in shown) + _GAP * (len(shown) - 1) - width

    def shrink(i: int, least: int) -> None:
        fitted[i] -= max(0, min(excess(), fitted[i] - max(least, display_width(columns[i].title))))

    def shrink_all(wrap_least: int) -> None:
        for i in shown:
            if columns[i].wrap:
                shrink(i, wrap_least)
        # The widest gives first, a column at a time, so that none is cut far below its neighbours.
        while excess() > 0:
            soft = [i for i in shown if fitted[i] > _least(columns[i], fitted[i])]
            if not soft:
                return
            widest = max(soft, key=lambda i: fitted[i])
            fitted[widest] -= 1

    natural = dict(fitted)
    while True:
        shrink_all(2 * _WRAPPED_LEAST)
        droppable = [i for i in shown if columns[i].drop]
        if excess() <= 0 or not droppable:
            break
        shown = [i for i in shown if i != max(droppable, key=lambda i: columns[i].drop)]
        fitted = {i: natural[i] for i in shown}
    if excess() > 0:
        shrink_all(_WRAPPED_LEAST)
    return shown, fitted


def _least(column: Column, width: int) -> int:
    if column.least is None or column.wrap:
        return width
    return max(column.least, display_width(column.title))
