"""The signs that stand beside words, in two alphabets: for UTF-8 terminals, and for those with few letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Signs(NamedTuple):
    """`live`, `gone`: the link to the engine. `steps`: parts of a bar, from empty to full."""

    good: str
    warn: str
    bad: str
    running: str
    frozen: str
    live: str
    gone: str
    cursor: str
    mark: str
    held: str
    dot: str
    bar: str
    window: str
    window_open: str
    past: str
    now: str
    arrow: str
    rule: str
    more: str


UNICODE = Signs(
    good="✓", warn="!", bad="✗", running="▶", frozen="■", live="●", gone="○", cursor="▸", mark="*", held="‖",
    dot="·", bar="│", window="▒", window_open="█", past="░", now="┃", arrow="→", rule="─", more="…",
)  # fmt: skip
ASCII = Signs(
    good="+", warn="!", bad="x", running=">", frozen="#", live="*", gone="o", cursor=">", mark="*", held="=",
    dot="-", bar="|", window="=", window_open="#", past=".", now="|", arrow=">", rule="-", more="~",
)  # fmt: skip


def signs_for(environment: Mapping[str, str], utf8: bool) -> Signs:
    """The signs a terminal can show: the Linux console has no letters beyond its font's 256 or 512."""
    return ASCII if not utf8 or environment.get("TERM", "") in ("linux", "dumb", "vt100") else UNICODE
