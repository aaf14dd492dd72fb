"""Themes: dark and light, without colour, for colour-blind eyes, and with high contrast."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

THEMES: tuple[Theme, ...] = (
    Theme("dark", primary="#7aa2f7", secondary="#9aa5ce", accent="#7dcfff", foreground="#d5d9e6",
          background="#15161e", surface="#15161e", panel="#24283b", success="#9ece6a", warning="#e0af68",
          error="#f7768e", dark=True),
    Theme("light", primary="#2e5cb8", secondary="#4a5568", accent="#0b7285", foreground="#1f2430",
          background="#fbfbf8", surface="#fbfbf8", panel="#e6e8ee", success="#2b7a3d", warning="#8a5a00",
          error="#b3261e", dark=False),
    Theme("mono", primary="#ffffff", secondary="#c6c6c6", accent="#ffffff", foreground="#e4e4e4",
          background="#000000", surface="#000000", panel="#303030", success="#e4e4e4", warning="#ffffff",
          error="#ffffff", dark=True),
    # Blue, orange and yellow stay apart for eyes that do not tell red from green.
    Theme("colour-blind", primary="#56b4e9", secondary="#bbbbbb", accent="#56b4e9", foreground="#e6e6e6",
          background="#101418", surface="#101418", panel="#26303a", success="#56b4e9", warning="#f0e442",
          error="#e69f00", dark=True),
    Theme("high-contrast", primary="#00ffff", secondary="#ffffff", accent="#00ffff", foreground="#ffffff",
          background="#000000", surface="#000000", panel="#0000aa", success="#00ff00", warning="#ffff00",
          error="#ff8080", dark=True),
)  # fmt: skip

NAMES: tuple[str, ...] = tuple(theme.name for theme in THEMES)

_BY_NAME = {theme.name: theme for theme in THEMES}

_LOOKS: dict[str, tuple[str, Style]] = {
    "dim": ("foreground", Style()),
    "strong": ("", Style(bold=True)),
    "title": ("primary", Style(bold=True)),
    "good": ("success", Style()),
    "warn": ("warning", Style()),
    "bad": ("error", Style(bold=True)),
    "info": ("accent", Style()),
    "key": ("accent", Style(bold=True)),
    "added": ("success", Style(bold=True, underline=True)),
    "removed": ("error", Style(bold=True, strike=True)),
    "mark": ("warning", Style(bold=True)),
    "here": ("", Style(bold=True)),
}
"""Per role, the theme's colour of its text ("" for that of all text) and what else marks it."""

_DIM = 0.6
"""How much of the text's colour is left in what is dim."""


@lru_cache(maxsize=64)
def role_styles(theme: str, base: Style) -> Mapping[str, Style]:
    """What each role looks like on text of the style `base`, by its name.

    Kept here and not in the widgets' style sheets: those would be matched for every role of every widget.
    """
    colours = _colours(theme)
    styles = {"": base}
    for role, (name, marked) in _LOOKS.items():
        colour = colours[name] if name else None
        if role == "dim" and base.bgcolor is not None:
            under = Color.from_rich_color(base.bgcolor)
            colour = under.blend(Color.parse(colours[name]), _DIM).hex
        behind = colours["panel"] if role == "here" else None
        styles[role] = base + Style(color=colour, bgcolor=behind) + marked
    return styles


@lru_cache
def _colours(theme: str) -> Mapping[str, str]:
    """The colours of a theme by the names that style sheets know them by, and as they have them."""
    return _BY_NAME[theme].to_color_system().generate()
