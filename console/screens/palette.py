"""The palette: every action by its name, every screen, and a screen with a filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from console import actions
from console.presentation import palette as words
from console.presentation.frame import hints
from console.presentation.line import Line, line, span
from console.screens.modal import Modal
from console.widgets.painted import Lines
from console.widgets.rows import Rows
from engine.words import _

if TYPE_CHECKING:
    from console.app import Console

REMEMBERED = 50
"""Lines that can be recalled."""


class Choices:
    """What the palette offers, as a list."""

    def __init__(self, choices: Sequence[words.Choice]) -> None:
        self.choices = tuple(choices)
        self.count = len(self.choices)

    def line(self, index: int, width: int) -> Line | None:
        return words.row(self.choices[index], width)

    def key(self, index: int) -> str | None:
        return self.choices[index].text if index < self.count else None


class Palette(Modal[str | None]):
    """Comes to a line for Console.obey, None when it is left. Arrows choose; up from the first row recalls
    earlier lines; Tab completes."""

    DEFAULT_CSS = """
    Palette { align: center top; background: $background 60%; }
    Palette > Vertical { width: 100; max-width: 100%; height: 100%; max-height: 24; border: round $primary;
                         background: $surface; padding: 0 1; }
    Palette Input { height: 1; background: $panel; }
    Palette Rows { height: 1fr; }
    Palette #leave { height: 1; }
    """

    def __init__(self, able: Sequence[actions.Action], keys_of: Callable[[actions.Action], str]) -> None:
        super().__init__()
        self._able = tuple(able)
        self._keys_of = keys_of
        self._recalled = 0
        self._typed = ""

    @property
    def console(self) -> Console:
        return cast("Console", self.app)

    def compose(self) -> ComposeResult:
        with Vertical():
            entry = Input(
                placeholder=_("an action, or a screen with a filter: events level:warn+"), compact=True
            )
            entry.cursor_blink = False
            yield entry
            rows = Rows(id="choices", signs=self.console.signs)
            rows.can_focus = False
            yield rows
            yield Lines(id="leave")

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self._narrow("")
        keys = (
            ("⏎", _("do it")),
            ("↑↓", _("choose; ↑ at the top recalls")),
            ("Tab", _("complete")),
            ("Esc", _("leave")),
        )
        self.query_one("#leave", Lines).show([hints(keys)])

    @property
    def _rows(self) -> Rows:
        return self.query_one(Rows)

    def _chosen(self) -> words.Choice | None:
        model = self._rows.model
        return model.choices[self._rows.cursor] if isinstance(model, Choices) and model.count else None

    def _narrow(self, typed: str) -> None:
        rows = self._rows
        rows.empty = line(span(_("No action and no screen is called that."), "warn"))
        rows.show(Choices(words.choices(typed, self._able, self._keys_of)), keep=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._narrow(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._take()

    def on_rows_opened(self, event: Rows.Opened) -> None:
        event.stop()
        self._take()

    def _take(self) -> None:
        choice = self._chosen()
        if choice is None:
            return
        typed = self.query_one(Input).value.strip()
        lines = self.console.recalled
        said = choice.text if " " in choice.text else (typed or choice.text)
        if said in lines:
            lines.remove(said)
        lines.append(said)
        del lines[:-REMEMBERED]
        self.dismiss(choice.text)

    def on_key(self, event: events.Key) -> None:
        rows = self._rows
        page = max(rows.size.height - 1, 1)
        if event.key == "escape":
            event.stop()
            self.dismiss(None)
        elif event.key == "up" and rows.cursor == 0:
            event.stop()
            self._recall(self._recalled + 1)
        elif event.key == "down" and self._recalled and rows.cursor >= rows.model.count - 1:
            event.stop()
            self._recall(self._recalled - 1)
        elif event.key in ("up", "down", "pageup", "pagedown"):
            event.stop()
            rows.move_to(rows.cursor + {"up": -1, "down": 1, "pageup": -page, "pagedown": page}[event.key])
        elif event.key == "tab":
            event.stop()
            event.prevent_default()
            if (choice := self._chosen()) is not None:
                self._put(choice.completes)

    def _recall(self, back: int) -> None:
        """The line that was entered `back` lines ago; 0 is what was being typed."""
        lines, entry = self.console.recalled, self.query_one(Input)
        if not 0 <= back <= len(lines):
            return
        if self._recalled == 0:
            self._typed = entry.value
        self._recalled = back
        self._put(lines[-back] if back else self._typed)

    def _put(self, text: str) -> None:
        entry = self.query_one(Input)
        entry.value = text
        entry.cursor_position = len(text)
