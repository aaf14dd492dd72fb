"""The Dashboard: how every connection stands, what comes next, what waits for a person, what just happened."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual import on
from textual.widget import Widget

from console.attachment import Told
from console.presentation import dashboard as words
from console.presentation.line import Line
from console.presentation.subject import Subject
from console.screens.frame import Frame
from console.widgets.painted import Lines
from console.widgets.rows import Rows
from engine.words import _

if TYPE_CHECKING:
    from console.app import Console
    from engine.service.models import EventView, ItemView

TAIL = 50
TAIL_SECONDS = 2.0
"""The live tail is repainted at most so often: each line that scrolls is paid for on the wire."""
DECISIONS = {
    "approve": ("hold",),
    "skip": ("hold",),
    "take.erp": ("conflict",),
    "take.edusign": ("conflict",),
    "take.value": ("conflict",),
    "same": ("duplicate",),
    "different": ("duplicate",),
}
"""Which items each deciding key is for."""


class Items:
    """The open items as a list."""

    def __init__(self, console: Console) -> None:
        self._console = console
        dashboard = console.dashboard
        self.items: tuple[ItemView, ...] = dashboard.items if dashboard is not None else ()
        self._several = len(console.connections()) > 1
        self.count = len(self.items)

    def line(self, index: int, width: int) -> Line | None:
        now = self._console.now()
        if now is None:
            return None
        return words.item(self.items[index], now, width, self._console.look(), self._several)

    def key(self, index: int) -> str | None:
        return self.items[index].id if index < self.count else None


class Dashboard(Frame):
    NAME = "dashboard"
    AUTO_FOCUS = "#items"

    DEFAULT_CSS = """
    Dashboard #connections, Dashboard #line, Dashboard #today { height: auto; }
    Dashboard #waiting, Dashboard #log { height: 1; }
    Dashboard #items { height: 1fr; min-height: 3; }
    Dashboard #tail { height: 4; }
    """

    def body(self) -> Iterable[Widget]:
        yield Lines(id="connections")
        yield Lines(id="line")
        yield Lines(id="today")
        yield Lines(id="waiting")
        yield Rows(id="items", signs=self.console.signs)
        yield Lines(id="log")
        yield Lines(id="tail")

    def on_mount(self) -> None:
        self._tail: deque[EventView] = deque(maxlen=TAIL)
        self._tail_due = False
        dashboard = self.console.dashboard
        if dashboard is not None:
            self._tail.extend(dashboard.events)
        super().on_mount()
        self.query_one("#items").focus()

    def on_resize(self) -> None:
        super().on_resize()
        self.call_after_refresh(self.refreshed)

    # What it shows

    def refreshed(self) -> None:
        if not self.is_mounted:
            return
        self._fit()
        self.tick()
        dashboard = self.console.dashboard
        if dashboard is not None and dashboard.events and self._behind(dashboard.events[-1]):
            self._tail.clear()
            self._tail.extend(dashboard.events)
        items = self.query_one("#items", Rows)
        items.empty = words.nothing_waits(dashboard, self.console.signs)
        items.show(Items(self.console))
        self._show_tail()

    def tick(self) -> None:
        """What changes with time alone: countdowns, the line of the day."""
        console, width = self.console, self.size.width
        now = console.now()
        if now is None or not self.is_mounted:
            self.query_one("#items", Rows).empty = words.nothing_waits(None, console.signs)
            return
        dashboard = console.dashboard
        assert dashboard is not None
        signs, look = console.signs, console.look()
        shown = dashboard.status.connections[: self._connections_shown()]
        lines = [text for one in shown for text in words.connection(one, now, width, signs, look)]
        self.query_one("#connections", Lines).show(lines)
        self.query_one("#line", Lines).show(words.timeline(shown, now, console.zone, width, signs))
        self.query_one("#today", Lines).show(
            [words.heading(_("Today"), width, signs), *words.today(dashboard.today, width, signs, look)][
                : self._today_lines()
            ]
        )
        total = dashboard.items_total
        waiting = (
            _("What waits for you, soonest first: {n}").format(n=total) if total else _("What waits for you")
        )
        people = _("people") if total else ""
        self.query_one("#waiting", Lines).show([words.heading(waiting, width, signs, people)])
        seq = dashboard.events[-1].seq if dashboard.events else dashboard.status.seq
        latest = max(seq, self._tail[-1].seq if self._tail else 0)
        self.query_one("#log", Lines).show([words.heading(_("Log"), width, signs, f"{latest:,}")])

    def _connections_shown(self) -> int:
        """Connections that fit in half of the screen, each with two lines and one of the day."""
        return max(1, min(len(self.console.connections()), (self.size.height // 2 - 3) // 3))

    def _today_lines(self) -> int:
        return 1 + min(len(self.console.connections()), 3 if self.size.height < 40 else 10)

    def _fit(self) -> None:
        """Heights that follow what there is."""
        shown = self._connections_shown()
        dashboard = self.console.dashboard
        today = 1 + len(dashboard.today) if dashboard is not None else 0
        heights = {
            "#connections": 2 * shown,
            "#line": shown + 1,
            "#today": min(today, self._today_lines()),
            "#tail": 4 if self.size.height < 40 else 10,
        }
        for id, height in heights.items():
            styles = self.query_one(id).styles
            if styles.height is None or styles.height.value != height:
                styles.height = height

    def told(self, told: Told) -> None:
        last = self._tail[-1] if self._tail else None
        self._tail.extend(e for e in told.events if last is None or (e.epoch, e.seq) > (last.epoch, last.seq))
        if not self._tail_due:
            self._tail_due = True
            self.set_timer(TAIL_SECONDS if self._busy() else 0.1, self._show_tail)

    def _busy(self) -> bool:
        return any(one.running is not None for one in self.console.connections())

    def _behind(self, newest: EventView) -> bool:
        last = self._tail[-1] if self._tail else None
        return last is None or (last.epoch, last.seq) < (newest.epoch, newest.seq)

    def _show_tail(self) -> None:
        self._tail_due = False
        if not self.is_mounted:
            return
        tail = self.query_one("#tail", Lines)
        height = tail.size.height or 4
        newest = list(self._tail)[-height:]
        tail.show([words.event(one, self.size.width, self.console.look()) for one in newest])

    # What keys act on

    def item(self) -> ItemView | None:
        items = self.query_one("#items", Rows)
        model = items.model
        return model.items[items.cursor] if isinstance(model, Items) and items.cursor < model.count else None

    def subject(self) -> Subject | None:
        item = self.item() if self.is_mounted else None
        if item is None:
            return None
        return Subject(
            item.connection, item.kind, item.erp_id or item.edusign_id, item.label or item.summary, item=item
        )

    def may(self, id: str) -> bool:
        item = self.item() if self.is_mounted else None
        if id in DECISIONS:
            return item is not None and item.type in DECISIONS[id]
        if id in ("open", "copy"):
            return item is not None
        return super().may(id)

    @on(Rows.Moved)
    def _moved(self) -> None:
        self.show_footer()

    @on(Rows.Opened)
    def _opened(self) -> None:
        self.action_do("open")

    def do_open(self) -> None:
        """Where the item is settled: its screen, at its row."""
        from console.screens import deciding

        if (item := self.item()) is not None:
            deciding.go_to(self.console, item)

    def do_approve(self) -> None:
        self._decide("approve")

    def do_skip(self) -> None:
        self._decide("refuse")

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

        if (item := self.item()) is not None:
            deciding.decide(self.console, item, choice)
