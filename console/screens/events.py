"""Events: the whole log, followed as it grows, searched while the person types."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

from textual import on
from textual.timer import Timer

from console.attachment import Told
from console.log_pages import PAGE, LogPages
from console.presentation import events as words
from console.presentation.line import Line, line, span
from console.presentation.subject import Subject
from console.screens.listing import ListScreen
from console.widgets.rows import Rows
from engine.words import _

if TYPE_CHECKING:
    from console.app import Console
    from console.engine_client import EngineClient
    from engine.service.models import EventMap, EventPage, EventView

T = TypeVar("T")

AT_ONCE = 0.05
BETWEEN = 2.0
"""Seconds between two additions to the list while events keep coming: each costs a repaint over the line."""
BATCH = 1000
"""Events asked for at once when some were missed."""
MAP_AFTER = 5 * BATCH
"""Where more than so many may have been missed, the map is drawn again instead."""


class EventRows:
    """The log as a list."""

    def __init__(self, console: Console, pages: LogPages) -> None:
        self._console = console
        self.pages = pages

    @property
    def count(self) -> int:
        return self.pages.count

    def line(self, index: int, width: int) -> Line | None:
        event, now = self.pages.event(index), self._console.now()
        if event is None or now is None:
            return None
        several = len(self._console.connections()) > 1
        return words.row(event, now, width, self._console.look(), several)

    def key(self, index: int) -> str | None:
        event = self.pages.held(index)
        return f"{event.epoch}:{event.seq}" if event is not None else None


class Events(ListScreen):
    NAME = "events"

    DEFAULT_CSS = """
    Events.-wide #list { width: 66%; }
    Events.-wide #detail { width: 34%; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.pages = LogPages("", self._want)
        self.shown = ""
        """The filter of what is shown: `filter` may be one that cannot be read."""
        self._search = self._showing = 0
        """The number of the newest search, and of the one that is shown: what belongs to another is dropped."""
        self._asked: set[int] = set()
        self._behind = False
        self._catching = False
        self._due: Timer | None = None
        self._caught_at = 0.0
        self._newer = 0
        self._unanswered: list[Callable[[], object]] = []
        self._was_at = 0
        self._was_following = True

    def on_mount(self) -> None:
        self.rows.follow = True
        self.rows.room = True

    # Two phases of a search: the newest at once, then where all of them lie

    def load(self) -> None:
        self._search += 1
        number, query, reached = self._search, self.filter, self._places()
        self._ask(
            "log-search",
            lambda engine: engine.events(query, limit=PAGE, search=self._search_name()),
            lambda page: self._newest(query, reached, page),
            self.load,
            valid=lambda: number == self._search,
            failed=self._not_found,
        )

    def _not_found(self, why: str) -> None:
        self.mistaken(why)
        if self._loaded and not self.pages.charted:
            self._chart()

    def _newest(self, query: str, reached: Mapping[int, int], page: EventPage) -> None:
        """`reached`: how far the log had come when this was asked for, by epoch."""
        epoch = page.events[0].epoch if page.events else max(reached)
        self.pages = LogPages(query, self._want)
        self.pages.begin(page.events, epoch, reached.get(epoch, 0))
        self.shown = query
        self._showing = self._search
        self._asked.clear()
        self._unanswered.clear()
        self._catching = False
        self._newer = self._was_at = 0
        self.rows.follow = True
        self.take(EventRows(self.console, self.pages), keep=False)
        self._chart()

    def _chart(self) -> None:
        query, seq, search = self.pages.query, self.pages.seq, self._search_name()

        def ask(engine: EngineClient) -> tuple[EventMap, list[EventView]]:
            drawn = engine.event_map(query, PAGE, search=search)
            return drawn, list(_between(engine, drawn.query, seq, drawn.seq))

        self._ask("log-map", ask, self._charted, self._chart)

    def _charted(self, answer: tuple[EventMap, list[EventView]]) -> None:
        drawn, late = answer
        if drawn.epoch != self.pages.epoch and self.pages.count:
            self.load()
            return
        before = self.pages.chart(drawn, late)
        self.rows.shift(self.rows.model, before)
        self.show_summary()
        if self._behind:
            self._soon(AT_ONCE)

    # Pages, as they come into view

    def _want(self, number: int) -> None:
        if number in self._asked or not self.pages.charted:
            return
        self._asked.add(number)
        query, (after, before) = self.pages.query, self.pages.bounds(number)
        self._ask(
            f"log-page-{number}",
            lambda engine: engine.events(query, after=after, before=before, limit=PAGE),
            lambda page: self._page(number, page),
            lambda: self._page_missed(number),
        )

    def _page_missed(self, number: int) -> None:
        self._asked.discard(number)
        self.rows.repaint()

    def _page(self, number: int, page: EventPage) -> None:
        self._asked.discard(number)
        if self.pages.put(number, page.events):
            self.rows.repaint()
        else:
            self.load()

    # What enters the log

    def told(self, told: Told) -> None:
        if any(event.epoch > self.pages.epoch for event in told.events) and self.pages.charted:
            self.load()
            return
        self._behind = True
        since = self.console.passed() - self._caught_at
        self._soon(AT_ONCE if since >= BETWEEN else BETWEEN - since)

    def again(self) -> None:
        self._behind = True
        self._soon(AT_ONCE)

    def _soon(self, seconds: float) -> None:
        if self._due is None:
            self._due = self.set_timer(seconds, self._catch_up)

    def _catch_up(self) -> None:
        self._due = None
        if self._catching or not self.pages.charted or not self._behind:
            return
        self._catching, self._behind = True, False
        self._caught_at = self.console.passed()
        query, seq = self.pages.query, self.pages.seq
        reached = self._places().get(self.pages.epoch, 0)
        if reached - seq > MAP_AFTER:
            self._ask("log-more", lambda engine: engine.event_map(query, PAGE), self._extended, self._missed)
            return
        self._ask(
            "log-more",
            lambda engine: engine.events(query, after=seq, limit=BATCH),
            lambda page: self._caught(reached, page),
            self._missed,
        )

    def _missed(self) -> None:
        self._catching, self._behind = False, True
        self._soon(AT_ONCE)

    def _caught(self, reached: int, page: EventPage) -> None:
        self._grew(self.pages.append(page.events, 0 if page.more else reached))
        if page.more:
            self._behind = True
        if self._behind:
            self._soon(AT_ONCE if page.more else BETWEEN)

    def _extended(self, drawn: EventMap) -> None:
        if drawn.epoch != self.pages.epoch:
            self.load()
            return
        new = drawn.found - self.pages.count
        self.pages.extend(drawn)
        self._grew(new)
        self._behind = True
        self._soon(AT_ONCE)

    def _grew(self, new: int) -> None:
        self._catching = False
        if not new:
            return
        if self.rows.follow:
            self.rows.show(self.rows.model)
        else:
            self._newer += new
            self.rows.repaint()
        self.show_summary()

    def refreshed(self) -> None:
        """The engine answers: what it did not answer is asked again."""
        again, self._unanswered = self._unanswered, []
        for ask in again:
            ask()

    # Asking

    def _ask(
        self,
        group: str,
        what: Callable[[EngineClient], T],
        then: Callable[[T], object],
        again: Callable[[], object],
        *,
        valid: Callable[[], bool] | None = None,
        failed: Callable[[str], object] | None = None,
    ) -> None:
        """Ask in a thread. An answer that is no longer `valid` is dropped: without it, one that belongs to
        another search than the one shown. `again` is done once an engine that did not answer does."""
        showing = self._showing
        still = valid or (lambda: showing == self._showing)

        def work(engine: EngineClient) -> tuple[T] | Literal["unreachable", "stopped"]:
            from console.engine_client import EngineRefused, EngineUnreachable

            try:
                return (what(engine),)
            except EngineUnreachable:
                return "unreachable"
            except EngineRefused as refused:
                if refused.code == "stale":
                    return "stopped"
                raise

        def take(answer: tuple[T] | Literal["unreachable", "stopped"]) -> None:
            if not self.is_whole or not still() or answer == "stopped":
                return
            if isinstance(answer, tuple):
                then(answer[0])
            else:
                self._unanswered.append(again)

        def refused(why: str) -> None:
            if self.is_whole and still():
                (failed or partial(self.console.say, role="bad"))(why)

        self.console.ask(work, take, group=group, failed=refused)

    def _search_name(self) -> str:
        """What this screen's searches are called: by it the engine stops the one before."""
        return f"{os.getpid()}-{id(self):x}"

    def _places(self) -> Mapping[int, int]:
        """Per epoch, a seq up to which everything has entered the log by now."""
        dashboard = self.console.dashboard
        told = [self.console.attachment.place]
        if dashboard is not None:
            told.append((dashboard.status.epoch, dashboard.status.seq))
        return {epoch: max(seq for of, seq in told if of == epoch) for epoch, _seq in told}

    # What it shows

    def summary(self, width: int) -> Line:
        if not self._loaded:
            return line(span(_("asking …"), "dim"))
        self._was_following = self.rows.follow
        return words.summary(
            self.pages.count,
            self.pages.charted,
            bool(self.shown),
            self.rows.follow,
            self._newer,
            width,
            self.console.signs,
        )

    def heading(self, width: int) -> Line:
        return words.heading(width, len(self.console.connections()) > 1)

    def empty(self) -> Line:
        if self.shown:
            return line(span(_("No event matches the filter; Escape drops it."), "dim"))
        return line(span(_("The log is empty."), "dim"))

    def event(self) -> EventView | None:
        """The event under the cursor, where it is loaded."""
        return self.pages.held(self.rows.cursor) if self.rows.model.count else None

    def detail(self, index: int, width: int) -> Sequence[Line]:
        event = self.pages.held(index)
        return words.detail(event, width, self.console.look()) if event is not None else ()

    @on(Rows.Moved)
    def _looked(self) -> None:
        cursor, was = self.rows.cursor, self._was_at
        self._was_at = cursor
        if cursor != was:
            self.pages.look_ahead(cursor, cursor - was)
        if self.rows.follow != self._was_following:
            self.show_summary()

    # What keys act on

    def subject(self) -> Subject | None:
        event = self.event() if self.is_whole else None
        if event is None:
            return None
        id = event.erp_id or event.edusign_id
        kind = event.record_kind if event.connection else ""
        return Subject(event.connection, kind, id, event.message, run=event.run_id)

    def may(self, id: str) -> bool:
        if id == "open":
            subject = self.subject()
            return subject is not None and bool(subject.record or subject.run)
        if id == "export":
            return self._loaded and self.pages.count > 0
        return super().may(id)

    def do_open(self) -> None:
        """The record's page, or the run's row."""
        subject = self.subject()
        if subject is None:
            return
        if subject.record:
            self.do_record()
        elif subject.run:
            self.console.selected["runs"] = subject.run
            self.console.go("runs", "")

    def do_tail(self) -> None:
        self.rows.follow = True
        self._newer = 0
        self.rows.show(self.rows.model)
        self.show_summary()

    def do_export(self) -> None:
        from console.screens import exporting

        exporting.export(self.console, self.pages.query, self.shown, self.pages.count)


def _between(engine: EngineClient, query: str, after: int, until: int) -> Sequence[EventView]:
    """The events of a query after a seq, up to another."""
    found: list[EventView] = []
    while after < until:
        page = engine.events(query, after=after, before=until + 1, limit=BATCH)
        found += page.events
        if not page.more or not page.events:
            break
        after = page.events[-1].seq
    return found
