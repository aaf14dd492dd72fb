"""Conflicts, Duplicates, Rejections: what waits for a person, each on its screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from console.presentation import items as words
from console.presentation.line import Line, line, span
from console.presentation.subject import Subject
from console.screens.listing import ListScreen
from engine.words import _

if TYPE_CHECKING:
    from console.app import Console
    from engine.service.models import ItemView

CHOICES = {
    "take.erp": "erp",
    "take.edusign": "edusign",
    "take.value": "value",
    "same": "same",
    "different": "different",
}
"""What each deciding key says."""


class ItemRows:
    """Items as a list."""

    def __init__(self, console: Console, items: Sequence[ItemView], types: bool) -> None:
        self._console = console
        self._types = types
        self.items = tuple(items)
        self.count = len(self.items)
        self.several = len(console.connections()) > 1

    def line(self, index: int, width: int) -> Line | None:
        now = self._console.now()
        if now is None:
            return None
        look = self._console.look()
        return words.row(self.items[index], now, width, look, self.several, self._types)

    def key(self, index: int) -> str | None:
        return self.items[index].id if index < self.count else None


class ItemScreen(ListScreen):
    """`TYPES`: the types of items it lists, by commas."""

    TYPES: ClassVar[str] = ""
    RELOADS = ("conflict", "duplicate", "rejection", "task", "notice", "hold", "decision", "run")

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.items: tuple[ItemView, ...] = ()

    # What is listed

    def load(self) -> None:
        closed, query = self.closed, self.filter
        self.console.ask(
            lambda engine: engine.items(type=self.TYPES, closed=closed, query=query),
            self._took,
            group=f"items-{self.NAME}",
            failed=self.mistaken,
        )

    def _took(self, items: tuple[ItemView, ...]) -> None:
        self.items = items
        self.rows.marks &= {item.id for item in items}
        self.take(ItemRows(self.console, items, "," in self.TYPES))
        wanted = self.console.selected.pop(self.NAME, "")
        for n, item in enumerate(items):
            if item.id == wanted:
                self.rows.move_to(n)

    def summary(self, width: int) -> Line:
        if not self._loaded:
            return line(span(_("asking …"), "dim"))
        return words.summary(self.NAME, self.items, self.closed, bool(self.filter), len(self.rows.marks))

    def heading(self, width: int) -> Line:
        several = len(self.console.connections()) > 1
        return words.heading(width, several, closed=self.closed, types="," in self.TYPES)

    def empty(self) -> Line:
        if self.filter:
            return line(span(_("Nothing matches the filter; Escape drops it."), "dim"))
        if self.closed:
            return line(span(_("Nothing was settled yet."), "dim"))
        return line(span(f"{self.console.signs.good} ", "good"), span(words.EMPTY[self.NAME]))

    def detail(self, index: int, width: int) -> Sequence[Line]:
        now = self.console.now()
        if now is None or index >= len(self.items):
            return ()
        keys = [(self.console.keys_of(a), a.words) for a in self.able() if a.id in (*CHOICES, "run.one")]
        return words.detail(self.items[index], now, width, self.console.look(), keys)

    # What keys act on

    def item(self) -> ItemView | None:
        cursor = self.rows.cursor
        return self.items[cursor] if cursor < len(self.items) else None

    def subject(self) -> Subject | None:
        item = self.item() if self.is_mounted else None
        if item is None:
            return None
        return Subject(item.connection, item.kind, item.erp_id or item.edusign_id, item.label, item=item)

    def may(self, id: str) -> bool:
        if id in CHOICES:
            item = self.item() if self.is_mounted else None
            return item is not None and item.closed_at is None and CHOICES[id] in item.choices
        return super().may(id)

    def do_closed(self) -> None:
        self.closed = not self.closed
        self.rows.marks.clear()
        self.load()

    def do_take_erp(self) -> None:
        self._decide("erp")

    def do_take_edusign(self) -> None:
        self._decide("edusign")

    def do_take_value(self) -> None:
        self._decide("value")

    def do_same(self) -> None:
        self._decide("same")

    def do_different(self) -> None:
        self._decide("different")

    def _decide(self, choice: str) -> None:
        from console.screens import deciding

        marked = [item for item in self.items if item.id in self.rows.marks]
        if marked and choice != "value":
            deciding.decide_all(self.console, marked, choice, self._decided)
        elif (item := self.item()) is not None:
            deciding.decide(self.console, item, choice, self._decided)

    def _decided(self) -> None:
        self.rows.marks.clear()
        self.load()


class Conflicts(ItemScreen):
    NAME = "conflicts"
    TYPES = "conflict"


class Duplicates(ItemScreen):
    NAME = "duplicates"
    TYPES = "duplicate"


class Rejections(ItemScreen):
    NAME = "rejections"
    TYPES = "rejection,task,notice"
