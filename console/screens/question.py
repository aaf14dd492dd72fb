"""A question: some lines, a few answers by key, and where one is wanted a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from console.presentation.line import Line, Span, folded, joined, line, span
from console.screens.modal import Modal
from console.widgets.painted import Lines
from engine.words import _


@dataclass(frozen=True)
class Answer:
    """One answer: its key, its words, and what the question then comes to."""

    key: str
    words: str
    value: str


NO = Answer("n", _("no"), "")
YES = Answer("y", _("yes"), "yes")


class Question(Modal[str | None]):
    """Comes to the chosen answer's value, None when it is left (Escape, or the first answer `no`).

    With `ask` a text is asked for: Enter comes to it. `start` is what stands there at first.
    """

    DEFAULT_CSS = """
    Question { align: center middle; background: $background 60%; }
    Question > Vertical { width: 76; max-width: 100%; height: auto; max-height: 100%; border: round $primary;
                          background: $surface; padding: 0 1; }
    Question Input { height: 1; background: $panel; }
    """

    def __init__(
        self,
        title: str,
        lines: Sequence[Line] = (),
        answers: Sequence[Answer] = (YES, NO),
        *,
        ask: str | None = None,
        start: str = "",
    ) -> None:
        super().__init__()
        self._title = title
        self._lines = tuple(lines)
        self._answers = tuple(answers)
        self._ask = ask
        self._start = start

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = ""
            yield Lines(id="said")
            if self._ask is not None:
                entry = Input(self._start, placeholder=self._ask, compact=True)
                entry.cursor_blink = False
                yield entry
            yield Lines(id="answers")

    def on_mount(self) -> None:
        said = self.query_one("#said", Lines)
        room = min(76, self.app.size.width) - 4
        given = (line(span(self._title, "title")), *self._lines)
        lines = tuple(part for one in given for part in folded(one, room))
        most = max(self.app.size.height - 6, 3)
        lines = lines if len(lines) <= most else (*lines[: most - 1], line(span("…", "dim")))
        said.styles.height = len(lines)
        said.show(lines)
        answers = self.query_one("#answers", Lines)
        answers.styles.height = 1
        answers.show([self._keys()])

    def _keys(self) -> Line:
        if self._ask is not None:
            return line(span("⏎", "key"), _(" take it   "), span("Esc", "key"), _(" leave"))
        parts = [line(span(f"[{a.key}]", "key"), f" {a.words}") for a in self._answers]
        return (*joined(parts, "   "), Span("   "), Span("Esc", "key"), Span(_(" leave")))

    def on_key(self, event: events.Key) -> None:
        if event.key == "escape":
            event.stop()
            self.dismiss(None)
            return
        if self._ask is not None:
            return
        for answer in self._answers:
            if event.character == answer.key or event.key == answer.key:
                event.stop()
                self.dismiss(answer.value or None)
                return
        if event.key == "enter" and len(self._answers) == 1:
            self.dismiss(self._answers[0].value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)
