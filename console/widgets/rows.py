"""A list of any length: only the rows in view are ever made, and a moved cursor repaints two of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.reactive import var
from textual.strip import Strip

from console.presentation.line import Line, Span
from console.presentation.signs import UNICODE, Signs
from console.widgets.painted import Painted, changed


class RowModel(Protocol):
    """What a list shows. Rows that are not loaded yet are None; asking for one has it loaded."""

    @property
    def count(self) -> int: ...

    def line(self, index: int, width: int) -> Line | None:
        """One row as a line."""
        ...

    def key(self, index: int) -> str | None:
        """What names this row over reloads and in marks; None while it is not loaded."""
        ...


class NoRows:
    """An empty list."""

    count = 0

    def line(self, index: int, width: int) -> Line | None:
        return None

    def key(self, index: int) -> str | None:
        return None


class Rows(Painted, can_focus=True):
    """A virtual list with a cursor and marks.

    `follow`: the cursor stays on the last row as rows are added, until the person moves away from it. `room`:
    up to a third of the view is left free below the last row, so that a row that is added is painted alone.
    `shy`: the cursor shows only while the list has the focus, where there are several on one screen.
    """

    cursor: var[int] = var(0)

    @dataclass
    class Moved(Message):
        """The cursor is on another row, or on another content of it."""

        rows: Rows
        index: int

    @dataclass
    class Opened(Message):
        """A row was clicked twice."""

        rows: Rows
        index: int

    def __init__(
        self,
        *,
        id: str | None = None,
        classes: str | None = None,
        signs: Signs = UNICODE,
        follow: bool = False,
        shy: bool = False,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.model: RowModel = NoRows()
        self.signs = signs
        self.marks: set[str] = set()
        self.top = 0
        self.follow = follow
        self.room = False
        self.shy = shy
        self.empty: Line = ()
        self._painted: dict[int, tuple[Line, bool]] = {}

    # What it shows

    def show(self, model: RowModel, *, keep: bool = True) -> None:
        """Show another content. `keep`: the cursor stays on the row of the same key where it can."""
        held = self.model.key(self.cursor) if keep and self.model.count else None
        self.model = model
        if not keep:
            self.top = 0
        if self.follow:
            self._put(model.count - 1)
        elif not keep:
            self._put(0)
        elif held is not None and model.key(self.cursor) != held:
            near = range(max(0, self.cursor - 200), min(model.count, self.cursor + 200))
            self._put(next((i for i in near if model.key(i) == held), self.cursor))
        else:
            self._put(self.cursor)
        self.repaint()

    def shift(self, model: RowModel, by: int) -> None:
        """Show a content that has `by` more rows before those in view, which stay where they are."""
        self.model = model
        self.top = max(self.top + by, 0)
        self._put(self.cursor + by)
        self.repaint()

    def repaint(self) -> None:
        """Repaint the cells in view that differ from what was painted."""
        for y in range(self.size.height):
            before, after = self._painted.get(y), self._content(y + self.top)
            if before is None or before[1] != after[1]:
                self.refresh(Region(0, y, self.size.width, 1))
            elif before[0] != after[0]:
                self.refresh(changed(before[0], after[0], y, self.size.width))
        self.post_message(self.Moved(self, self.cursor))

    def _content(self, row: int) -> tuple[Line, bool]:
        if row >= self.model.count:
            return (self.empty if row == 0 else (), False)
        here = row == self.cursor and (self.has_focus or not self.shy)
        key = self.model.key(row)
        marked = key is not None and key in self.marks
        sign = (self.signs.cursor if here else " ") + (self.signs.mark if marked else " ")
        body = self.model.line(row, self.size.width - 2)
        if body is None:
            return ((Span(sign), Span(self.signs.more, "dim")), here)
        return ((Span(sign, "mark" if marked else ""), *body), here)

    def render_line(self, y: int) -> Strip:
        content = self._painted[y] = self._content(y + self.top)
        return self.strip(*content)

    # Moving

    def move_to(self, index: int) -> None:
        """Put the cursor on a row."""
        before, top = self.cursor, self.top
        self._put(index)
        if self.top != top:
            self.refresh()
        else:
            for row in {before, self.cursor}:
                self.refresh(Region(0, row - self.top, self.size.width, 1))
        if self.cursor != before:
            self.post_message(self.Moved(self, self.cursor))

    def _put(self, index: int) -> None:
        height = max(self.size.height, 1)
        last = max(self.model.count - 1, 0)
        self.set_reactive(Rows.cursor, max(0, min(index, last)))
        if self.cursor < self.top:
            # A list that scrolls row by row repaints itself at every key: it moves on by a third at once.
            self.top = max(0, self.cursor - (height // 3 if self.cursor > self.top - 2 else 0))
        elif self.cursor >= self.top + height:
            near = self.cursor <= self.top + height + 1 or (self.follow and self.cursor < self.top + 2 * height)
            self.top = self.cursor - height + 1 + (height // 3 if near else 0)
        free = height // 3 if self.room else 0
        self.top = max(0, min(self.top, self.model.count - height + free))

    def on_key(self, event: events.Key) -> None:
        page = max(self.size.height - 1, 1)
        moves = {
            "up": self.cursor - 1,
            "down": self.cursor + 1,
            "j": self.cursor + 1,
            "k": self.cursor - 1,
            "pageup": self.cursor - page,
            "pagedown": self.cursor + page,
            "home": 0,
            "end": self.model.count - 1,
        }
        if event.key in moves and self.model.count:
            self.follow = False if event.key in ("up", "pageup", "home", "k") else self.follow
            self.move_to(moves[event.key])
            event.stop()

    def on_click(self, event: events.Click) -> None:
        row = event.y + self.top
        if row < self.model.count:
            self.follow = False
            self.move_to(row)
            if event.chain == 2:
                self.post_message(self.Opened(self, row))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.move_to(self.cursor + 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.follow = False
        self.move_to(self.cursor - 3)

    def on_focus(self) -> None:
        if self.shy:
            self.repaint()

    def on_blur(self) -> None:
        if self.shy:
            self.repaint()

    def on_resize(self, event: events.Resize) -> None:
        self._painted.clear()
        self._put(self.cursor)
        self.post_message(self.Moved(self, self.cursor))

    # Marks

    def toggle_mark(self) -> None:
        """Mark the row under the cursor, or no longer, and go on to the next."""
        key = self.model.key(self.cursor) if self.model.count else None
        if key is None:
            return
        self.marks ^= {key}
        self.refresh(Region(0, self.cursor - self.top, self.size.width, 1))
        self.move_to(self.cursor + 1)
