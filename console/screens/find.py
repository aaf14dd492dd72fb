"""Find: a person, group or sheet of any connection, by name, e-mail or id, as one types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.timer import Timer
from textual.widgets import Input

from console.presentation import found as words
from console.presentation.frame import hints
from console.presentation.line import Line
from console.screens.modal import Modal
from console.widgets.filter_line import PAUSE_SECONDS
from console.widgets.painted import Lines
from console.widgets.rows import NoRows, Rows
from engine.words import _

if TYPE_CHECKING:
    from console.app import Console
    from engine.service.models import FoundView

MOST = 100
"""Records that are listed, at most."""


class Found:
    """What was found, as a list."""

    def __init__(self, console: Console, views: Sequence[FoundView]) -> None:
        self._console = console
        self.views = tuple(views)
        self.count = len(self.views)
        self._several = len(console.connections()) > 1

    def line(self, index: int, width: int) -> Line | None:
        return words.row(self.views[index], width, self._console.signs, self._several)

    def key(self, index: int) -> str | None:
        if index >= self.count:
            return None
        one = self.views[index]
        return f"{one.connection} {one.kind} {one.erp_id} {one.edusign_id}"


class Find(Modal[None]):
    """Enter opens the record under the cursor, in place of the search."""

    DEFAULT_CSS = """
    Find { align: center top; background: $background 60%; }
    Find > Vertical { width: 120; max-width: 100%; height: 100%; max-height: 30; border: round $primary;
                      background: $surface; padding: 0 1; }
    Find Input { height: 1; background: $panel; }
    Find #said, Find #leave { height: 1; }
    Find Rows { height: 1fr; }
    """

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._start = text
        self._asked: str | None = None
        self._mistake = ""
        self._opening = False
        self._timer: Timer | None = None

    @property
    def console(self) -> Console:
        return cast("Console", self.app)

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = _("Find")
            entry = Input(self._start, placeholder=_("name, e-mail or id"), compact=True)
            entry.cursor_blink = False
            yield entry
            yield Lines(id="said")
            rows = Rows(id="found", signs=self.console.signs)
            rows.can_focus = False
            yield rows
            yield Lines(id="leave")

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self._say()
        keys = (("⏎", _("open its page")), ("↑↓", _("choose")), ("Esc", _("leave")))
        self.query_one("#leave", Lines).show([hints(keys)])
        if self._start:
            self._ask()

    @property
    def _rows(self) -> Rows:
        return self.query_one(Rows)

    @property
    def _typed(self) -> str:
        return self.query_one(Input).value.strip()

    def _say(self) -> None:
        count = self._rows.model.count
        self.query_one("#said", Lines).show([words.said(self._typed, self._asked, count, MOST, self._mistake)])

    # Asking

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._opening = False
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(PAUSE_SECONDS, self._ask)
        self._say()

    def _ask(self) -> None:
        text = self._typed
        if not text:
            self._asked, self._mistake = None, ""
            self._rows.show(NoRows(), keep=False)
            self._say()
            return
        if text == self._asked:
            return
        self.console.ask(
            lambda engine: engine.find(text, limit=MOST),
            lambda views: self._took(text, views),
            group="find",
            failed=self._refused,
        )

    def _took(self, text: str, views: tuple[FoundView, ...]) -> None:
        # An answer to what is no longer typed says nothing.
        if not self.is_mounted or text != self._typed:
            return
        self._asked, self._mistake = text, ""
        self._rows.show(Found(self.console, views), keep=False)
        self._say()
        if self._opening and len(views) == 1:
            self._open()
        self._opening = False

    def _refused(self, why: str) -> None:
        if self.is_mounted:
            self._mistake = why
            self._say()

    # Opening

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._typed and self._asked != self._typed:
            # Typed and entered in one go: opened when it turns out to be the only one.
            self._opening = True
            if self._timer is not None:
                self._timer.stop()
            self._ask()
            return
        self._open()

    def on_rows_opened(self, event: Rows.Opened) -> None:
        event.stop()
        self._open()

    def _open(self) -> None:
        model = self._rows.model
        if not isinstance(model, Found) or not model.count:
            return
        subject = words.subject(model.views[self._rows.cursor])
        console = self.console
        self.dismiss(None)
        console.call_later(console.open_record, subject)

    def on_key(self, event: events.Key) -> None:
        rows = self._rows
        page = max(rows.size.height - 1, 1)
        steps = {"up": -1, "down": 1, "pageup": -page, "pagedown": page}
        if event.key == "escape":
            event.stop()
            self.dismiss(None)
        elif event.key in steps:
            event.stop()
            rows.move_to(rows.cursor + steps[event.key])
        elif event.key in ("tab", "shift+tab"):
            event.stop()
            event.prevent_default()
