"""A screen that is a list with a detail beside it: filter line, summary, titles, rows, detail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import on
from textual.containers import Container
from textual.timer import Timer
from textual.widget import Widget

from console.attachment import Told
from console.presentation.line import Line, line, span
from console.screens.frame import Frame
from console.widgets.filter_line import FilterLine
from console.widgets.painted import Lines
from console.widgets.rows import RowModel, Rows
from engine.words import _

RELOAD_SECONDS = 1.0
"""At most so often is a list asked for again because of what enters the log."""
DETAIL_SECONDS = 0.06
"""The cursor rests so long on a row before its detail is made: a held key makes none."""


class ListScreen(Frame):
    """Subclasses say what is listed.

    `load` asks the engine with the filter and ends in `take`. `summary`, `heading` and `detail` are made by
    presentation functions. `RELOADS`: the kinds of event after which the list is asked for again, () for all.
    """

    HAS_LIST = True
    RELOADS: ClassVar[tuple[str, ...]] = ()

    DEFAULT_CSS = """
    ListScreen #summary, ListScreen #titles { height: 1; }
    ListScreen #both { height: 1fr; layout: vertical; }
    ListScreen Rows { height: 1fr; }
    ListScreen #detail { height: 9; background: $panel 40%; padding: 0 1; }
    ListScreen.-wide #both { layout: horizontal; }
    ListScreen.-wide #list { width: 58%; height: 100%; }
    ListScreen.-wide #detail { width: 42%; height: 100%; }
    ListScreen #list { height: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.filter = ""
        self.mistake = ""
        self._loaded = False
        self._stale = False
        self._reloading = False
        self._resting: Timer | None = None

    def body(self) -> Iterable[Widget]:
        yield FilterLine()
        yield Lines(id="summary")
        with Container(id="both"):
            with Container(id="list"):
                yield Lines(id="titles")
                yield Rows(id="rows", signs=self.console.signs)
            yield Lines(id="detail", focus=True)

    def on_mount(self) -> None:
        super().on_mount()
        self.rows.focus()
        self.filter = self.console.filters.pop(self.NAME, self.filter)
        self.query_one(FilterLine).put(self.filter)
        self.show_summary()
        self.load()

    def on_resize(self) -> None:
        super().on_resize()
        self.call_after_refresh(self._resized)

    def _resized(self) -> None:
        self.show_summary()
        self.rows.repaint()
        self.show_detail()

    @property
    def rows(self) -> Rows:
        return self.query_one("#rows", Rows)

    @property
    def is_whole(self) -> bool:
        """Whether there is something to show an answer on: what is taken down loses its parts first."""
        return self.is_mounted and bool(self.query("#rows"))

    # What subclasses say

    def load(self) -> None:
        """Ask the engine for what `filter` shows; its answer goes to `take`."""
        raise NotImplementedError

    def summary(self, width: int) -> Line:
        """One line over the list: how many of what."""
        return ()

    def heading(self, width: int) -> Line:
        """The titles of the columns."""
        return ()

    def detail(self, index: int, width: int) -> Sequence[Line]:
        """What is shown beside the row under the cursor."""
        return ()

    def empty(self) -> Line:
        """What is said where nothing is listed."""
        return line(span(_("Nothing here."), "dim"))

    # Loading

    def take(self, model: RowModel, *, keep: bool = True) -> None:
        """Show an answer."""
        if not self.is_whole:
            return
        self._loaded = True
        self.mistake = ""
        self.rows.empty = self.empty()
        self.rows.show(model, keep=keep)
        self.show_summary()
        self.show_footer()

    def mistaken(self, text: str) -> None:
        """The filter could not be read: say where; what is shown stays."""
        self.mistake = text
        self.show_summary()

    def told(self, told: Told) -> None:
        if self.RELOADS and not any(event.kind in self.RELOADS for event in told.events):
            return
        self._stale = True
        if not self._reloading:
            self._reloading = True
            self.set_timer(RELOAD_SECONDS, self._reload)

    def _reload(self) -> None:
        self._reloading = False
        if self._stale:
            self._stale = False
            self.load()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        if self._loaded:
            self.again()

    def again(self) -> None:
        """The person is back at a screen that is loaded: bring it up to date."""
        self.load()

    # Filtering

    def apply_filter(self, text: str) -> None:
        """Filter by `text`, from wherever it comes."""
        self.console.filters.pop(self.NAME, None)
        self.query_one(FilterLine).put(text)
        self.filter = text
        self.load()

    @on(FilterLine.Filtered)
    def _filtered(self, event: FilterLine.Filtered) -> None:
        self.filter = event.text
        self.load()

    @on(FilterLine.Left)
    def _left(self) -> None:
        self.rows.focus()

    def do_filter(self) -> None:
        self.query_one(FilterLine).open()

    def do_back(self) -> None:
        if self.filter:
            self.apply_filter("")
        elif self.rows.marks:
            self.rows.marks.clear()
            self.rows.repaint()
        else:
            super().do_back()

    # Showing

    def show_summary(self) -> None:
        if not self.is_whole:
            return
        width = self.size.width
        text = line(span(self.mistake, "bad")) if self.mistake else self.summary(width)
        self.query_one("#summary", Lines).show([text])
        self.query_one("#titles", Lines).show([(*line("  "), *self.heading(max(self.rows.size.width - 2, 10)))])

    @on(Rows.Moved)
    def _moved(self) -> None:
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(DETAIL_SECONDS, self._rested)

    def _rested(self) -> None:
        self.show_summary()
        self.show_detail()
        self.show_footer()

    def show_detail(self, *, keep: bool = False) -> None:
        """`keep`: stay where the person has scrolled to in it."""
        if not self.is_whole:
            return
        pane = self.query_one("#detail", Lines)
        rows = self.rows
        lines = self.detail(rows.cursor, max(pane.size.width - 2, 20)) if rows.model.count else ()
        pane.show(lines, keep=keep)

    # Keys of every list

    @on(Rows.Opened)
    def _opened(self) -> None:
        self.action_do("open")

    def do_open(self) -> None:
        self.do_record()

    def do_mark(self) -> None:
        self.rows.toggle_mark()

    def do_mark_all(self) -> None:
        model = self.rows.model
        keys = {key for i in range(model.count) if (key := model.key(i)) is not None}
        self.rows.marks = set() if keys <= self.rows.marks else keys
        self.rows.repaint()

    def marked(self) -> tuple[str, ...]:
        """The keys of the marked rows, or of the one under the cursor where none is marked."""
        rows = self.rows
        if rows.marks:
            return tuple(sorted(rows.marks))
        key = rows.model.key(rows.cursor) if rows.model.count else None
        return () if key is None else (key,)
