"""What goes over the line: of two styles that follow each other, only what differs.

Textual ends every piece of text by a reset and begins the next one by its whole style; over SSH that is more
than the text itself. What the terminal shows is the same.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from textual.drivers.linux_driver import LinuxDriver

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
