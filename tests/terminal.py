"""A terminal for one process: what is typed into it, what stands on its screen, and every byte that came.

The screen is made by the grammar of what the console may say to a terminal (`Screen`): anything else that a
terminal might obey is kept in `foreign` and is nowhere on the screen.
"""

from __future__ import annotations

import base64
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import unicodedata
from codecs import getincrementaldecoder
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import NamedTuple, Self

from console.presentation.columns import display_width

PATIENCE = 60.0
"""Seconds until what a test waits for is taken for never coming."""

ROLLCALL = str(Path(sys.executable).parent / "rollcall")

KEYS = {
    "enter": "\r",
    "escape": "\x1b[27u",
    "tab": "\t",
    "space": " ",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "asterisk": "*",
    "colon": ":",
    "question_mark": "?",
    "slash": "/",
    "ctrl+c": "\x03",
    "ctrl+u": "\x15",
}
"""What a terminal sends for a key; every other key is its own letter. Escape is sent as by terminals that speak
the kitty protocol, which the console asks for: a lone one may be taken for the beginning of what comes next."""

_MODES = "7|25|1000|1003|1004|1006|1015|1016|1049|2004|2026|2048"
_TOKEN = re.compile(
    rf"""
      (?P<text>[^\x00-\x1f\x7f-\x9f]+)
    | (?P<line>\r?\n|\r)
    | \x1b\[(?P<place>\d+;\d+|)H
    | \x1b\[(?P<look>[\d;]*)m
    | \x1b\[\?(?P<mode>(?:{_MODES})[hl])
    | \x1b\[\?(?P<asked>2026|2048)\$p
    | \x1b\[(?P<keyboard>>\d+u|<u)
    | \x1b\]22;(?P<pointer>[a-z-]+)\x07
    | \x1b\]52;c;(?P<copy>[A-Za-z0-9+/=]*)\x07
    """,
    re.VERBOSE,
)
_WHOLE = re.compile(r"\x1b(?:\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[^\[\]])")
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"


class Screen:
    """What a terminal of `columns` by `rows` shows of all that was written to it.

    `foreign`: what no console of ours says. `copied`: texts handed to the clipboard. `looks`: every parameter
    list of a change of colour or weight. `modes`: modes of the terminal that are set now.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.foreign: list[str] = []
        self.copied: list[str] = []
        self.looks: set[str] = set()
        self.modes: set[str] = set()
        self._cells = [[" "] * columns for _row in range(rows)]
        self._x = self._y = 0
        self._rest = ""

    @property
    def text(self) -> str:
        """Its lines, without the spaces at their ends."""
        return "\n".join("".join(row).rstrip() for row in self._cells)

    def line(self, y: int) -> str:
        return "".join(self._cells[y]).rstrip()

    def write(self, text: str) -> None:
        """Take what was written; the beginning of a sequence waits for its end."""
        text, at = self._rest + text, 0
        self._rest = ""
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is not None:
                self._obey(found)
                at = found.end()
                continue
            if text[at] == "\x1b" and _WHOLE.match(text, at) is None and len(text) - at < 200_000:
                self._rest = text[at:]
                return
            whole = _WHOLE.match(text, at)
            self.foreign.append(whole.group() if whole is not None else text[at])
            at = whole.end() if whole is not None else at + 1

    def ended(self) -> None:
        """Nothing more comes: a sequence without its end is foreign."""
        if self._rest:
            self.foreign.append(self._rest)

    def _obey(self, found: re.Match[str]) -> None:
        kind, given = found.lastgroup, found.group(found.lastgroup or 0)
        if kind == "text":
            self._put(given)
        elif kind == "line":
            self._x = 0
            self._y = min(self._y + given.count("\n"), self.rows - 1)
        elif kind == "place":
            row, _sep, column = (given or "1;1").partition(";")
            self._y, self._x = min(int(row), self.rows) - 1, min(int(column), self.columns) - 1
        elif kind == "look":
            self.looks.add(given)
            if blinks(given):
                self.foreign.append(found.group())
        elif kind == "mode":
            (self.modes.add if given[-1] == "h" else self.modes.discard)(given[:-1])
        elif kind == "copy":
            self.copied.append(base64.b64decode(given).decode())

    def _put(self, text: str) -> None:
        for char in text:
            if unicodedata.category(char) in _UNSAFE and char not in _JOINERS:
                self.foreign.append(char)
                continue
            wide = display_width(char)
            if not wide:
                before = max(self._x - 1, 0)
                self._cells[self._y][before] += char
                continue
            # Lines do not wrap: what is beyond the edge stays on the last cell.
            x = min(self._x, self.columns - wide)
            self._cells[self._y][x] = char
            if wide == 2:
                self._cells[self._y][x + 1] = ""
            self._x = min(x + wide, self.columns)


def parameters(look: str) -> list[tuple[int, ...]]:
    """The single changes of a parameter list: (1,) bold, (38, 5, 17) or (48, 2, R, G, B) a colour."""
    numbers = [int(number or 0) for number in look.split(";")]
    found: list[tuple[int, ...]] = []
    while numbers:
        length = {5: 3, 2: 5}.get(numbers[1], 1) if numbers[0] in (38, 48) and len(numbers) > 1 else 1
        found.append(tuple(numbers[:length]))
        del numbers[:length]
    return found


def blinks(look: str) -> bool:
    return any(one in ((5,), (6,)) for one in parameters(look))


class Chunk(NamedTuple):
    """What came at once. `at`: seconds of the performance counter."""

    at: float
    content: bytes


class Terminal:
    """A process on a terminal of its own, ended with it at the latest.

    `environment` is added to one that says nothing of colours, of other terminals or of a person's settings.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        size: tuple[int, int] = (80, 24),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.screen = Screen(*size)
        self.chunks: list[Chunk] = []
        self._decoder = getincrementaldecoder("utf-8")()
        self._ours, theirs = pty.openpty()
        self._size(theirs, size)
        self.began = perf_counter()
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=_environment() | dict(environment or {}),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self.hang_up()

    # Hands

    def presses(self, *keys: str) -> None:
        """Press keys at once, one after the other."""
        self.types("".join(KEYS.get(key, key) for key in keys))

    def types(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def resize(self, columns: int, rows: int) -> None:
        self.screen = Screen(columns, rows)
        self._size(self._ours, (columns, rows))

    def hang_up(self) -> None:
        """The window is closed, or the line is cut."""
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1

    # Eyes

    def sees(self, *texts: str) -> float:
        """Wait until all of these are on the screen; when."""
        return self.until(lambda: all(text in self.screen.text for text in texts), f"to see {texts}")

    def sees_no(self, text: str) -> float:
        return self.until(lambda: text not in self.screen.text, f"not to see {text!r}")

    def until(self, holds: Callable[[], bool], what: str) -> float:
        """Wait until something holds; the instant of what came last."""
        limit = perf_counter() + PATIENCE
        while not holds():
            left = limit - perf_counter()
            assert left > 0 and self.reads(left), f"waited {what}; the screen is:\n{self.screen.text}"
        return self.chunks[-1].at if self.chunks else self.began

    def reads(self, seconds: float) -> bool:
        """Take what comes within some seconds; False where nothing came or nothing more will."""
        ready, _w, _x = select.select([self._ours], [], [], max(seconds, 0))
        if not ready:
            return False
        try:
            content = os.read(self._ours, 1 << 16)
        except OSError:
            content = b""
        if not content:
            self.screen.ended()
            return False
        self.chunks.append(Chunk(perf_counter(), content))
        self.screen.write(self._decoder.decode(content))
        return True

    def rests(self, seconds: float) -> None:
        """Take what comes until nothing has come for some seconds."""
        while self.reads(seconds):
            pass

    def fileno(self) -> int:
        return self._ours

    def gone(self) -> bool:
        """Whether the process ends, whatever becomes of what it writes."""
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return False
        return True

    def ends(self) -> int:
        """Take what comes to the process's end; its exit code."""
        while self.reads(PATIENCE):
            pass
        return self.process.wait(PATIENCE)

    @property
    def waited(self) -> float:
        """Seconds in which its first thread could have gone on and the machine had no processor for it."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/schedstat") as turns:
            return int(turns.read().split()[1]) / 1e9

    @property
    def received(self) -> int:
        """Bytes that came so far."""
        return sum(len(chunk.content) for chunk in self.chunks)

    @staticmethod
    def _size(descriptor: int, size: tuple[int, int]) -> None:
        columns, rows = size
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def watch(terminals: Sequence[Terminal], seconds: float) -> list[int]:
    """Take all that comes to several terminals for some seconds; how many bytes each."""
    limit, before = perf_counter() + seconds, [one.received for one in terminals]
    while (left := limit - perf_counter()) > 0:
        ready, _w, _x = select.select(terminals, [], [], left)
        for terminal in ready:
            terminal.reads(0)
    return [one.received - was for one, was in zip(terminals, before, strict=True)]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_KEPT)}
    return kept | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", "ESCDELAY": "5"}


_NOT_KEPT = (
    "COLUMNS",
    "LINES",
    "LC_",
    "MOSH",
    "NO_COLOR",
    "ROLLCALL_",
    "SSH_",
    "TERM",
    "TEXTUAL",
    "TMUX",
    "XDG_",
)
