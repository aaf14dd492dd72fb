"""Themes: dark and light, without colour, for colour-blind eyes, and with high contrast."""

from __future__ import annotations

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

ROLE_CSS = """
.role--dim { color: $foreground 60%; }
.role--strong { text-style: bold; }
.role--title { color: $primary; text-style: bold; }
.role--good { color: $success; }
.role--warn { color: $warning; }
.role--bad { color: $error; text-style: bold; }
.role--info { color: $accent; }
.role--key { color: $accent; text-style: bold; }
.role--added { color: $success; text-style: bold underline; }
.role--removed { color: $error; text-style: bold strike; }
.role--mark { color: $warning; text-style: bold; }
.role--here { background: $panel; text-style: bold; }
"""
"""What each role of a line looks like; components of a widget take these by their class names."""
