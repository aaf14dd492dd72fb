"""A line of text with roles: what the screens paint, made without any screen.

A role says what a piece of text means; a theme says how that looks. Nothing is said by a role alone: what a
colour tells, a word or a sign tells too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

from console.presentation.columns import cut, display_width, wrapped
from engine.printable import printable

Role: TypeAlias = Literal[
    "", "dim", "strong", "title", "good", "warn", "bad", "info", "key", "added", "removed", "mark", "here"
]
ROLES: tuple[Role, ...] = get_args(Role)
"""`mark`: chosen by the person; `here`: where the person is; `added`, `removed`: characters that differ."""

MOST = 2000
"""Characters of one piece of text, at most: longer ones are cut before anything else is done with them."""


class Span(NamedTuple):
    """A piece of a line. Made by `span`, so that its text is safe to show."""

    text: str
    role: Role = ""


Line: TypeAlias = tuple[Span, ...]
Part: TypeAlias = str | Span


def span(text: object, role: Role = "") -> Span:
    """A piece of text from anywhere, made safe to show."""
    return Span(printable(text, MOST), role)


def line(*parts: Part) -> Line:
    """A line of pieces; empty ones are left out."""
    made = (part if isinstance(part, Span) else span(part) for part in parts)
    return tuple(piece for piece in made if piece.text)


def joined(parts: Iterable[Line], between: str = " · ") -> Line:
    """Several lines as one, with `between` between those that hold anything."""
    spans: list[Span] = []
    for part in parts:
        if not part:
            continue
        if spans:
            spans.append(Span(between, "dim"))
        spans += part
    return tuple(spans)


def text_of(spans: Line) -> str:
    return "".join(piece.text for piece in spans)


def width_of(spans: Line) -> int:
    """Columns a line takes on a terminal."""
    return sum(display_width(piece.text) for piece in spans)


def fitted(spans: Line, width: int) -> Line:
    """The line in at most `width` columns, its loss shown by …"""
    if width_of(spans) <= width:
        return spans
    kept: list[Span] = []
    left = width
    for piece in spans:
        wide = display_width(piece.text)
        if wide < left:
            kept.append(piece)
            left -= wide
            continue
        kept.append(Span(cut(piece.text + " ", left) if wide == left else cut(piece.text, left), piece.role))
        break
    return tuple(kept)


def filled(spans: Line, width: int) -> Line:
    """The line in exactly `width` columns."""
    short = fitted(spans, width)
    space = width - width_of(short)
    return (*short, Span(" " * space)) if space > 0 else short


def folded(spans: Line, width: int) -> tuple[Line, ...]:
    """The line as several of at most `width` columns, broken at spaces where there are some."""
    lines: list[list[Span]] = [[]]
    used = 0
    for piece in spans:
        for word in re.findall(r"\s+|\S+", piece.text):
            for part in _parts(word, max(width, 1)):
                wide = display_width(part)
                if used + wide > width:
                    lines.append([])
                    used = 0
                    if part.isspace():
                        continue
                lines[-1].append(Span(part, piece.role))
                used += wide
    return tuple(_merged(one) for one in lines)


def _parts(word: str, width: int) -> list[str]:
    """A word in pieces that fit."""
    return [word] if display_width(word) <= width else wrapped(word, width)


def _merged(pieces: Sequence[Span]) -> Line:
    """Neighbours of one role as one piece."""
    merged: list[Span] = []
    for piece in pieces:
        if merged and merged[-1].role == piece.role:
            merged[-1] = Span(merged[-1].text + piece.text, piece.role)
        else:
            merged.append(piece)
    return tuple(merged)


def apart(left: Line, right: Line, width: int) -> Line:
    """Two lines at both ends of one; where both do not fit, the left one is cut."""
    room = width - width_of(right) - 1
    if room < 8:
        return fitted(left, width)
    return (*filled(left, room), Span(" "), *right)


class Cell(NamedTuple):
    """What stands in one column of a row: a line, or text with a role."""

    spans: Line

    @classmethod
    def of(cls, text: object, role: Role = "") -> Cell:
        return cls(line(span(text, role)))


class Slot(NamedTuple):
    """One column of a list. `width` columns, and a share of what is left by `grow`. Where the line is too
    narrow, columns are left out from the highest `drop` on (0: never)."""

    title: str
    width: int
    grow: int = 0
    drop: int = 0
    right: bool = False


def widths(slots: Sequence[Slot], width: int) -> dict[int, int]:
    """Which columns are shown in `width` columns, and how wide each is."""
    shown = list(range(len(slots)))

    def needed() -> int:
        return sum(slots[i].width for i in shown) + max(len(shown) - 1, 0)

    while needed() > width and any(slots[i].drop for i in shown):
        shown.remove(max(shown, key=lambda i: slots[i].drop))
    given = {i: slots[i].width for i in shown}
    left = max(width - needed(), 0)
    share = sum(slots[i].grow for i in shown)
    for i in shown:
        if slots[i].grow:
            more = left * slots[i].grow // share
            given[i] += more
            left -= more
            share -= slots[i].grow
    return given


def cells(slots: Sequence[Slot], content: Sequence[Cell], width: int) -> Line:
    """One row of a list as a line of at most `width` columns."""
    spans: list[Span] = []
    given = widths(slots, width)
    for number, (i, wide) in enumerate(given.items()):
        if number:
            spans.append(Span(" "))
        short = fitted(content[i].spans, wide)
        space = Span(" " * (wide - width_of(short)))
        spans += (space, *short) if slots[i].right else (*short, space)
    return fitted(tuple(piece for piece in spans if piece.text), width)


def titles(slots: Sequence[Slot], width: int) -> Line:
    """The line of column titles above a list."""
    return cells(slots, [Cell.of(slot.title, "dim") for slot in slots], width)
