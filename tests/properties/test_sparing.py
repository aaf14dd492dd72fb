"""Leaving out what a terminal knows already changes nothing of what it shows."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.strip import Strip

from console.glass import Glass, sparing
from tests.terminal import Screen, parameters

_COLOURS = st.sampled_from([None, "red", "bright_blue", "color(17)", "color(200)", "#102030", "#d5d9e6"])
_STYLES = st.builds(
    Style,
    color=_COLOURS,
    bgcolor=_COLOURS,
    bold=st.booleans(),
    underline=st.booleans(),
    strike=st.booleans(),
    reverse=st.booleans(),
)
_PIECE = st.one_of(
    st.builds(
        lambda text, style, system: style.render(text, color_system=system),
        st.text("ab é", min_size=1, max_size=3),
        _STYLES,
        st.sampled_from([ColorSystem.TRUECOLOR, ColorSystem.EIGHT_BIT, ColorSystem.STANDARD]),
    ),
    st.sampled_from(["\x1b[5;1H", "\n\x1b[6;1H", "\r\n\x1b[7;1H", "\n", "plain", "\x1b[?25l"]),
)


def shown(text: str) -> list[tuple[str, frozenset[tuple[str, tuple[int, ...]]]]]:
    """Every character and every other sequence, with the style in which a terminal meets it.

    Places and new lines are met in any style alike.
    """
    style: dict[str, tuple[int, ...]] = {}
    met = []
    for token in re.findall(r"\x1b\[[\d;?]*[a-zA-Z]|(?s:.)", text):
        if token.endswith("m") and token.startswith("\x1b"):
            for one in parameters(token[2:-1]):
                first = one[0]
                if first == 0:
                    style.clear()
                elif first in range(30, 40) or first in range(90, 98):
                    style["text"] = one
                elif first in range(40, 50) or first in range(100, 108):
                    style["behind"] = one
                else:
                    style[str(first)] = one
        else:
            moves = token in "\r\n" or token.endswith("H")
            met.append((token, frozenset() if moves else frozenset(style.items())))
    met.append(("the end", frozenset(style.items())))
    return met


@given(st.lists(_PIECE, max_size=12))
def test_the_terminal_shows_the_same(pieces: list[str]) -> None:
    frame = "".join(pieces)
    spared = sparing(frame)
    assert shown(spared) == shown(frame)
    assert len(spared) <= len(frame)


def test_a_style_that_goes_on_is_said_once() -> None:
    dim, plain = Style.parse("#888888 on #101010"), Style.parse("#d5d9e6 on #101010")
    frame = "".join(style.render(text, color_system=ColorSystem.TRUECOLOR)
                    for text, style in (("a", dim), ("b", dim), ("c", plain)))  # fmt: skip
    assert sparing(frame) == "\x1b[38;2;136;136;136;48;2;16;16;16mab\x1b[38;2;213;217;230mc\x1b[0m"


_WIDTH, _ROWS = 14, 3
_TEXT = st.lists(st.sampled_from(["a", "b", " ", "é", "漢", "e\u0301"]), min_size=1, max_size=6).map("".join)
_LINE = st.lists(st.tuples(_TEXT, st.sampled_from(["", "bold", "red", "on blue"])), max_size=4)
_STEP = st.tuples(
    st.integers(0, _ROWS - 1), st.lists(_LINE, min_size=2, max_size=2), st.integers(1, _WIDTH - 1)
)


def _strip(line: list[tuple[str, str]], width: int) -> Strip:
    strip = Strip([Segment(text, Style.parse(style)) for text, style in line])
    return strip.adjust_cell_length(width, Style())


@given(st.lists(_STEP, max_size=8))
def test_cells_that_are_shown_already_need_not_be_sent(
    steps: list[tuple[int, list[list[tuple[str, str]]], int]],
) -> None:
    """Each step repaints a row of two widgets that meet at some column."""
    console = Console(color_system="truecolor", force_terminal=True)
    plain, spared = Screen(_WIDTH, _ROWS), Screen(_WIDTH, _ROWS)
    glass = Glass()
    for y, (left, right), cut in steps:
        chops: list[dict[int, Strip | None]] = [{} for _row in range(_ROWS)]
        chops[y] = {0: _strip(left, cut), cut: _strip(right, _WIDTH - cut)}
        update = ChopsUpdate(chops, [(y, 0, _WIDTH)], [[cut, _WIDTH]] * _ROWS)
        spared.write(sparing(glass.through(update).render_segments(console)))
        plain.write(update.render_segments(console))
        assert spared.text == plain.text
        assert spared.foreign == []
