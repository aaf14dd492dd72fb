"""What differs between two values, character by character, shown so that it reads without colour too."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any, Literal, NamedTuple, TypeAlias

from console.presentation.line import Line, Role, Span, line, span
from console.presentation.wording import value as shown_value
from engine.printable import printable
from engine.words import _

Side: TypeAlias = Literal["same", "old", "new"]
AROUND = 12
"""Characters of agreement that are kept on either side of a difference."""
LEAST = 3
"""So many characters two values have in common by more than chance, but for their beginnings and ends."""
LONG = 400
"""Values longer than this are compared by words: characters of a text that long say nothing."""


class Piece(NamedTuple):
    """A run of text that both values have, or only the old, or only the new one."""

    side: Side
    text: str


def pieces(old: str, new: str) -> tuple[Piece, ...]:
    """`old` and `new` as runs: `same` and `old` together are `old`, `same` and `new` are `new`."""
    left, right = _units(old), _units(new)
    found: list[Piece] = []
    a = c = 0
    for block in SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks():
        at_end = block.a + block.size == len(left) and block.b + block.size == len(right)
        at_start = block.a == block.b == 0
        if block.size < LEAST and not (at_start or at_end):
            continue
        if a < block.a:
            found.append(Piece("old", "".join(left[a : block.a])))
        if c < block.b:
            found.append(Piece("new", "".join(right[c : block.b])))
        a, c = block.a + block.size, block.b + block.size
        if block.size:
            found.append(Piece("same", "".join(left[block.a : a])))
    return tuple(found)


def _units(text: str) -> list[str]:
    """Characters with the marks that belong to them; words of what is long."""
    if len(text) > LONG:
        return [word + " " for word in text.split(" ")][:-1] + text.split(" ")[-1:]
    units: list[str] = []
    for char in text:
        if units and (unicodedata.combining(char) or char in "‌‍" or units[-1].endswith("‍")):
            units[-1] += char
        else:
            units.append(char)
    return units


def marked(text: str, other: str, role: Role) -> Line:
    """`text` with what `other` lacks marked: in its role, and between brackets for eyes without colour.

    Where next to nothing is common the whole is marked, without brackets.
    """
    here: Side = "new" if role == "added" else "old"
    parts = pieces(other, text) if here == "new" else pieces(text, other)
    mine = [piece for piece in parts if piece.side in ("same", here)]
    common = sum(len(piece.text) for piece in mine if piece.side == "same")
    if text and common * 3 < len(text):
        return line(span(text, role))
    spans: list[Span] = []
    for n, piece in enumerate(mine):
        if piece.side == "same":
            spans.append(span(_shortened(piece.text, n == 0, n == len(mine) - 1)))
        else:
            spans += (Span("[", "dim"), span(piece.text, role), Span("]", "dim"))
    return tuple(one for one in spans if one.text)


def _shortened(text: str, first: bool, last: bool) -> str:
    """Agreement far from any difference is left out, the ends of a value apart."""
    if len(text) <= 2 * AROUND + 3:
        return text
    if first and last:
        return text
    if first:
        return "…" + text[-AROUND:] if len(text) > 3 * AROUND else text
    if last:
        return text[:AROUND] + "…" if len(text) > 3 * AROUND else text
    return text[:AROUND] + "…" + text[-AROUND:]


def as_text(value: Any) -> str:
    """A value as one text: what is compared is what is shown."""
    return printable("" if value is None else value if isinstance(value, str) else shown_value(value))


def two(old: Any, new: Any) -> tuple[Line, Line]:
    """Both values with their difference marked; people of a roster as who leaves and who comes."""
    if isinstance(old, list | tuple) or isinstance(new, list | tuple):
        return _sets(old or (), new or ())
    a, b = as_text(old), as_text(new)
    return _or_nothing(marked(a, b, "removed")), _or_nothing(marked(b, a, "added"))


def _or_nothing(spans: Line) -> Line:
    return spans or line(span(_("(empty)"), "dim"))


def _sets(old: Sequence[Any], new: Sequence[Any]) -> tuple[Line, Line]:
    gone = [as_text(one) for one in old if one not in new]
    come = [as_text(one) for one in new if one not in old]
    kept = len([one for one in old if one in new])

    def side(names: list[str], sign: str, role: Role) -> Line:
        parts: list[Span] = [span(_("{n} people stay").format(n=kept) if kept else "", "dim")]
        for name in names:
            parts += (Span(" " if parts[0].text or len(parts) > 1 else ""), span(f"{sign}{name}", role))
        return tuple(part for part in parts if part.text)

    return _or_nothing(side(gone, "-", "removed")), _or_nothing(side(come, "+", "added"))
