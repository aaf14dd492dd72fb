"""Sheets: each sheet of the horizon beside its session, what is wrong with it, why it may not be written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.presentation import sheets as words
from console.presentation.line import Line, line, span
from console.presentation.subject import Subject
from console.screens.listing import ListScreen
from engine.words import _

if TYPE_CHECKING:
    from console.app import Console
    from engine.service.models import SheetView

AGAIN_SECONDS = 60.0
"""After so long the list is asked for again: what has begun, and what may be written, turns with time."""


class SheetRows:
    """Sheets as a list."""

    def __init__(self, console: Console, views: Sequence[SheetView]) -> None:
        self._console = console
        self.views = tuple(views)
        self.count = len(self.views)
        self.several = len(console.connections()) > 1

    def line(self, index: int, width: int) -> Line | None:
        now = self._console.now()
        if now is None:
            return None
        console = self._console
        return words.row(self.views[index], now, width, console.look(), console.signs, self.several)

    def key(self, index: int) -> str | None:
        if index >= self.count:
            return None
        one = self.views[index]
        return f"{one.connection} {one.erp_id} {one.edusign_id}"


class Sheets(ListScreen):
    NAME = "sheets"
    RELOADS = ("run",)

    def __init__(self) -> None:
        super().__init__()
        self.views: tuple[SheetView, ...] = ()
        self._age = 0.0

    # What is listed

    def load(self) -> None:
        query = self.filter
        self._age = 0.0
        self.console.ask(
            lambda engine: engine.sheets(query=query), self._took, group="sheets", failed=self.mistaken
        )

    def _took(self, views: tuple[SheetView, ...]) -> None:
        now = self.console.now()
        self.views = words.ordered(views, now, self.console.look()) if now is not None else views
        self.take(SheetRows(self.console, self.views))

    def tick(self) -> None:
        """Every second."""
        self._age += 1.0
        if self._age >= AGAIN_SECONDS and self._loaded:
            self.load()

    def summary(self, width: int) -> Line:
        now = self.console.now()
        if not self._loaded or now is None:
            return line(span(_("asking …"), "dim"))
        return words.summary(self.views, now, self.console.look(), bool(self.filter))

    def heading(self, width: int) -> Line:
        return words.heading(width, len(self.console.connections()) > 1)

    def empty(self) -> Line:
        if self.filter:
            return line(span(_("Nothing matches the filter; Escape drops it."), "dim"))
        return line(span(_("No sheet was read yet: p plans, and reads both sides."), "dim"))

    def detail(self, index: int, width: int) -> Sequence[Line]:
        now = self.console.now()
        if now is None or index >= len(self.views):
            return ()
        return words.detail(self.views[index], now, width, self.console.look())

    # What keys act on

    def subject(self) -> Subject | None:
        cursor = self.rows.cursor if self.is_mounted else 0
        if cursor >= len(self.views):
            return None
        one = self.views[cursor]
        return Subject(one.connection, "sheet", one.erp_id or one.edusign_id, one.label)
