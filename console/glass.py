"""What goes over the line: of the cells of a frame those that differ, of their styles what differs.

Textual repaints each region that was marked, from the beginning of its line, and says the whole style of every
piece of text. Over SSH that is many times what changed. What the terminal shows is the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from rich.cells import get_character_cell_size
from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.drivers.linux_driver import LinuxDriver
from textual.strip import Strip

Cell: TypeAlias = tuple[str, Style | None]
"""A character with those that combine with it, "" for the right half of a wide one; and its style."""

APART = 8
"""Cells between two that differ which are sent again: to go to a place costs as many bytes."""


class Glass:
    """What the terminal shows now, as far as it was painted through here."""

    def __init__(self) -> None:
        self._rows: dict[int, list[Cell]] = {}

    def through(self, update: CompositorUpdate) -> CompositorUpdate:
        """An update that paints only what is not shown already. Whole screens are painted as they are, so
        that what another program wrote to the terminal goes."""
        return _Through(self, update)

    def paint(self, update: CompositorUpdate, console: Console) -> str:
        """What to send, now that it is sent."""
        if isinstance(update, ChopsUpdate):
            return "".join(
                f"{Control.move_to(x, y)}{strip.render(console)}"
                for y, left, right in update.spans
                for x, strip in self._differing(y, _between(update, y, left, right))
            )
        self._rows.clear()
        if isinstance(update, LayoutUpdate):
            for y, strips in enumerate(update.strips, update.region.y):
                self._rows[y] = [(" ", None)] * update.region.x + _cells(strips)
        return update.render_segments(console)

    def _differing(self, y: int, pieces: Iterable[tuple[int, list[Cell]]]) -> Iterable[tuple[int, Strip]]:
        """Where what differs begins on a row, and what stands there now."""
        row = self._rows.setdefault(y, [])
        for left, cells in pieces:
            right = left + len(cells)
            row += [("", None)] * (right - len(row))
            old, row[left:right] = row[left:right], cells
            # Terminals do not agree on how wide some characters are: beside those everything is sent.
            if not (_simple(old) and _simple(cells)):
                yield left, _strip(cells)
                continue
            for first, last in _runs(old, cells):
                yield left + first, _strip(cells[first:last])


class _Through(CompositorUpdate):
    def __init__(self, glass: Glass, update: CompositorUpdate) -> None:
        self._glass = glass
        self._update = update

    def render_segments(self, console: Console) -> str:
        return self._glass.paint(self._update, console)


def _between(update: ChopsUpdate, y: int, left: int, right: int) -> Iterable[tuple[int, list[Cell]]]:
    """The cells of an update on row `y` from `left` to before `right`, and where each piece begins."""
    for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
        if strip is not None and x < right and end > left:
            first = max(left, x)
            yield first, _cells([strip])[first - x : min(right, end) - x]


def _cells(strips: Iterable[Strip]) -> list[Cell]:
    cells: list[Cell] = []
    for strip in strips:
        for text, style, control in strip:
            if control:
                continue
            if text.isascii():
                cells += [(char, style) for char in text]
                continue
            for char in text:
                width = get_character_cell_size(char)
                if width:
                    cells += [(char, style), ("", style)][:width]
                elif cells:
                    cells[-1] = (cells[-1][0] + char, cells[-1][1])
    return cells


def _simple(cells: Iterable[Cell]) -> bool:
    return all(len(text) == 1 for text, _style in cells)


def _runs(old: list[Cell], new: list[Cell]) -> Iterable[tuple[int, int]]:
    """The parts in which two rows differ, those that are near each other as one."""
    first = last = -1
    for at, (before, after) in enumerate(zip(old, new, strict=True)):
        if before == after:
            continue
        if first < 0:
            first = at
        elif at - last > APART:
            yield first, last
            first = at
        last = at + 1
    if first >= 0:
        yield first, last


def _strip(cells: Iterable[Cell]) -> Strip:
    segments: list[Segment] = []
    texts: list[str] = []
    of: Style | None = None
    for text, style in cells:
        if texts and style != of:
            segments.append(Segment("".join(texts), of))
            texts = []
        texts.append(text)
        of = style
    return Strip([*segments, Segment("".join(texts), of)])


RESET = "\x1b[0m"
_STYLE = re.compile(r"\x1b\[([\d;]*)m")
_NO_TEXT = re.compile(r"(?:\r?\n)?(?:\x1b\[\d+;\d+H)?")
"""What may come between two pieces of text with the first one's style still set."""


class SparingDriver(LinuxDriver):
    """Writes to the terminal what `sparing` leaves of it."""

    def write(self, data: str) -> None:
        super().write(sparing(data))


def sparing(text: str) -> str:
    """`text` with its changes of style made as short as they can be.

    It begins and ends without a style, as each frame does.
    """
    parts: list[str] = []
    at, style, over = 0, "", False
    for found in _STYLE.finditer(text):
        between = text[at : found.start()]
        at = found.end()
        if over and not _NO_TEXT.fullmatch(between):
            parts.append(RESET)
            style, over = "", False
        parts.append(between)
        wanted = found.group(1)
        if wanted in ("", "0"):
            over = True
        elif over or not style:
            parts.append(_change(style, wanted))
            style, over = wanted, False
        else:
            parts.append(found.group())
            style = f"{style};{wanted}"
    if over:
        parts.append(RESET)
    parts.append(text[at:])
    return "".join(parts)


class _Style(NamedTuple):
    """Parameters that make a style: of the text's colour, of the one behind it, and all others."""

    text: str
    behind: str
    others: frozenset[str]


@lru_cache(maxsize=4096)
def _change(before: str, after: str) -> str:
    """What makes one style, given as the parameters that make it from none, of another."""
    old, new = _read(before), _read(after)
    if (old.text and not new.text) or (old.behind and not new.behind) or old.others - new.others:
        return f"{RESET}\x1b[{after}m"
    changed = [*sorted(new.others - old.others, key=int)]
    changed += [colour for colour, was in ((new.text, old.text), (new.behind, old.behind)) if colour != was]
    return f"\x1b[{';'.join(changed)}m" if changed else ""


def _read(parameters: str) -> _Style:
    text, behind, others = "", "", set()
    left = parameters.split(";") if parameters else []
    while left:
        length = {"5": 3, "2": 5}.get(left[1], 1) if left[0] in ("38", "48") and len(left) > 1 else 1
        one, left = left[:length], left[length:]
        number = int(one[0] or 0)
        if 30 <= number <= 39 or 90 <= number <= 97:
            text = ";".join(one)
        elif 40 <= number <= 49 or 100 <= number <= 107:
            behind = ";".join(one)
        else:
            others.add(one[0])
    return _Style(text, behind, frozenset(others))
