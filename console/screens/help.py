"""Help: the keys that work on the screen it was asked on, for this role, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from console import actions
from console.presentation import help as words
from console.presentation.frame import hints
from console.screens.modal import Modal
from console.widgets.painted import Lines
from engine.words import _

CLOSING = ("escape", "q", "question_mark", "f1", "backspace", "enter")


class Help(Modal[None]):
    """`name`: the screen's; `able`: what works there now; `not_now`: what works on something else there;
    `topic`: what had the focus, "filter" or "detail"."""

    DEFAULT_CSS = """
    Help { align: center middle; background: $background 60%; }
    Help > Vertical { width: 100; max-width: 100%; height: 100%; border: round $primary; background: $surface;
                      padding: 0 1; }
    Help #page { height: 1fr; }
    Help #leave { height: 1; }
    """

    def __init__(
        self,
        name: str,
        able: Sequence[actions.Action],
        keys_of: Callable[[actions.Action], str],
        *,
        not_now: Sequence[actions.Action] = (),
        role: str = "",
        topic: str = "",
    ) -> None:
        super().__init__()
        self._screen = name
        self._able = tuple(able)
        self._keys_of = keys_of
        self._not_now = tuple(not_now)
        self._role = role
        self._topic = topic

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            title = {name: label for name, _keys, label in actions.SCREENS}.get(self._screen, _("Record"))
            box.border_title = _("Help: {screen}").format(screen=title)
            yield Lines(id="page", focus=True)
            yield Lines(id="leave")

    def on_mount(self) -> None:
        self.query_one("#page").focus()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        page = self.query_one("#page", Lines)
        page.show(
            words.page(
                self._screen, self._able, self._keys_of, page.size.width,
                not_now=self._not_now, role=self._role, topic=self._topic,
            )
        )  # fmt: skip
        keys = (("↑↓ PgDn", _("read on")), ("Esc q ?", _("close")))
        self.query_one("#leave", Lines).show([hints(keys)])

    def on_key(self, event: events.Key) -> None:
        page = self.query_one("#page", Lines)
        if event.key in CLOSING:
            event.stop()
            self.dismiss(None)
        elif event.key in ("home", "end"):
            event.stop()
            page.scroll_by(len(page.lines) * (1 if event.key == "end" else -1))
        elif event.key in ("j", "k", "space"):
            event.stop()
            page.scroll_by({"j": 1, "k": -1, "space": page.size.height - 1}[event.key])
