"""Rows of a long list by pages: those seen last are kept, those that are missing asked for, nearest first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

SIZE = 100
KEPT = 60
AT_ONCE = 2
"""Pages asked for at a time: what is wanted last is answered soon, however far a held key has gone."""


class Pages(Generic[T]):
    """`ask(first)` has the page that begins at row `first` come; its answer goes to `put`, or to `failed`.

    Not for several threads.
    """

    def __init__(self, count: int, ask: Callable[[int], object], size: int = SIZE) -> None:
        self.count = count
        self.size = size
        self._ask = ask
        self._kept: OrderedDict[int, tuple[T, ...]] = OrderedDict()
        self._asked: set[int] = set()
        self._wanted: list[int] = []

    def row(self, index: int) -> T | None:
        """A row; None while it is not there, and then it is asked for."""
        found = self.peek(index)
        if found is None and 0 <= index < self.count:
            self._want(index // self.size)
        return found

    def peek(self, index: int) -> T | None:
        """A row if it is there."""
        page, at = divmod(index, self.size)
        rows = self._kept.get(page)
        if rows is None or at >= len(rows):
            return None
        self._kept.move_to_end(page)
        return rows[at]

    def ahead(self, first: int, last: int) -> None:
        """Have the pages of rows `first` to `last` come, before anybody looks at them."""
        for index in (first, last):
            if 0 <= index < self.count and index // self.size not in self._kept:
                self._want(index // self.size)

    def put(self, first: int, rows: Sequence[T]) -> None:
        """Rows from `first` on, which begins a page, have come; any number of pages of them."""
        for at in range(0, max(len(rows), 1), self.size):
            page = (first + at) // self.size
            self._kept[page] = tuple(rows[at : at + self.size])
            self._kept.move_to_end(page)
            self._asked.discard(page)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        self._next()

    def failed(self, first: int) -> None:
        """A page did not come; it is asked for again when somebody looks at it."""
        self._asked.discard(first // self.size)
        self._wanted.clear()

    def _want(self, page: int) -> None:
        if page in self._asked:
            return
        if page in self._wanted:
            self._wanted.remove(page)
        self._wanted.append(page)
        self._next()

    def _next(self) -> None:
        """Ask for what was wanted last; what was wanted long before it is given up."""
        del self._wanted[: -2 * AT_ONCE]
        while self._wanted and len(self._asked) < AT_ONCE:
            page = self._wanted.pop()
            if page not in self._kept:
                self._asked.add(page)
                self._ask(page * self.size)
