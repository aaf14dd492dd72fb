"""The filter line: one grammar for every list, asked of the engine as the person types."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input

from engine.words import _

PAUSE_SECONDS = 0.12
"""After the last letter, until the engine is asked."""


class FilterLine(Input):
    """Hidden while empty. Enter keeps the filter and gives the focus back, Escape drops it."""

    @dataclass
    class Filtered(Message):
        """The filter is now `text`."""

        text: str

    @dataclass
    class Left(Message):
        """The person is done with the line."""

    DEFAULT_CSS = """
    FilterLine { display: none; height: 1; background: $panel; }
    FilterLine.-shown { display: block; }
    """

    def __init__(self) -> None:
        super().__init__(
            placeholder=_("words, level:warn+ kind:hold connection:lyon learner:ab12 -word since:2d"),
            compact=True,
        )
        self.cursor_blink = False
        self._timer: Timer | None = None
        self._told = ""

    def open(self) -> None:
        self.add_class("-shown")
        self.focus()

    def put(self, text: str) -> None:
        """Set the filter from elsewhere; nobody is told."""
        self._told = text
        with self.prevent(Input.Changed):
            self.value = text
        self.set_class(bool(text), "-shown")

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(PAUSE_SECONDS, self._tell)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._leave()

    def on_key(self, event: events.Key) -> None:
        if event.key == "escape":
            event.stop()
            self.value = ""
            self._leave()
        elif event.key in ("down", "tab"):
            event.stop()
            event.prevent_default()
            self._leave()

    def _leave(self) -> None:
        self._tell()
        self.set_class(bool(self.value.strip()), "-shown")
        self.post_message(self.Left())

    def _tell(self) -> None:
        text = self.value.strip()
        if text != self._told:
            self._told = text
            self.post_message(self.Filtered(text))
