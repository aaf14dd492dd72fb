"""On which line of a TOML text each key stands; tomllib says it of none.

A tolerant scanner: on TOML it does not understand it skips to the next line, and it never raises.
"""

from __future__ import annotations

from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Keys from the top; an element of an array by its index."""

_DEEPEST = 40
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\", "e": "\x1b"}


def key_lines(text: str) -> dict[Path, int]:
    """Each key, table and array element of `text`, with the line (from 1) on which it first stands."""
    scanner = _Scanner(text)
    scanner.scan()
    return scanner.lines


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of `path`, or of the nearest key around it; 1 where there is none."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.lines: dict[Path, int] = {}
        self.tables: dict[Path, int] = {}  # index of the last element of each array of tables
        self.table: Path = ()

    def scan(self) -> None:
        while self.at < len(self.text):
            before = self.at
            self._blank(newlines=True)
            if self._peek() == "[":
                self._header()
            elif self.at < len(self.text):
                self._pair(self.table, 0)
            self._rest_of_line()
            if self.at == before:  # whatever stands here, go on
                self._step()

    def _header(self) -> None:
        array = self.text.startswith("[[", self.at)
        self._step(2 if array else 1)
        keys = self._key()
        if not keys:
            return
        path: Path = ()
        for key in keys[:-1]:
            path = (*path, key)
            if path in self.tables:
                path = (*path, self.tables[path])
        path = (*path, keys[-1])
        if array:
            self.lines.setdefault(path, self.line)
            self.tables[path] = self.tables.get(path, -1) + 1
            path = (*path, self.tables[path])
        self.table = path
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], self.line)

    def _pair(self, table: Path, depth: int) -> None:
        line = self.line
        path = table
        for key in self._key():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self._blank()
        if self._peek() == "=":
            self._step()
            self._blank()
            self._value(path, depth)

    def _value(self, path: Path, depth: int) -> None:
        char = self._peek()
        if char and char in "\"'":
            self._string()
        elif char and char in "[{" and depth < _DEEPEST:
            self._step()
            self._members(path, char == "[", depth + 1)
        else:
            while self.at < len(self.text) and self._peek() not in ",]}#\n":
                self._step()

    def _members(self, path: Path, array: bool, depth: int) -> None:
        index = 0
        while self.at < len(self.text):
            self._blank(newlines=True)
            before = self.at
            if self._peek() == ("]" if array else "}"):
                self._step()
                return
            if self._peek() == ",":
                self._step()
                index += 1
            elif array:
                self.lines.setdefault((*path, index), self.line)
                self._value((*path, index), depth)
            else:
                self._pair(path, depth)
            if self.at == before:
                self._step()

    def _key(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._blank()
            char = self._peek()
            if char and char in "\"'":
                keys.append(self._string())
            else:
                start = self.at
                while (char := self._peek()) and (char.isalnum() or char in "_-"):
                    self._step()
                if self.at == start:
                    return keys
                keys.append(self.text[start : self.at])
            self._blank()
            if self._peek() != ".":
                return keys
            self._step()

    def _string(self) -> str:
        quote = self._peek()
        long = self.text.startswith(quote * 3, self.at)
        end = quote * 3 if long else quote
        self._step(len(end))
        found: list[str] = []
        while self.at < len(self.text):
            char = self._peek()
            if self.text.startswith(end, self.at):
                self._step(len(end))
                while long and self._peek() == quote:  # up to two quotes may precede the closing three
                    self._step()
                break
            if char == "\n" and not long:
                break
            if char == "\\" and quote == '"':
                found.append(self._escape())
            else:
                found.append(char)
                self._step()
        return "".join(found)

    def _escape(self) -> str:
        self._step()
        char = self._peek()
        self._step()
        digits = {"x": 2, "u": 4, "U": 8}.get(char, 0)
        if not digits:
            return _ESCAPES.get(char, char)
        code = self.text[self.at : self.at + digits]
        try:
            decoded = chr(int(code, 16))
        except (ValueError, OverflowError):
            return ""
        self._step(digits)
        return decoded

    def _peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def _step(self, count: int = 1) -> None:
        passed = self.text[self.at : self.at + count]
        self.line += passed.count("\n")
        self.at += len(passed)

    def _blank(self, newlines: bool = False) -> None:
        while char := self._peek():
            if char == "#" and newlines:
                self._to_line_end()
            elif char in " \t\r" or (newlines and char == "\n"):
                self._step()
            else:
                return

    def _rest_of_line(self) -> None:
        self._to_line_end()
        self._step()

    def _to_line_end(self) -> None:
        end = self.text.find("\n", self.at)
        self._step((len(self.text) if end < 0 else end) - self.at)
