"""Runs: what each did and how it ended, and how far the one under way is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on

from console.presentation import runs as words
from console.presentation.line import Line, line, span
from console.presentation.progress import Pace
from console.presentation.subject import Subject
from console.screens.listing import ListScreen
from console.widgets.rows import Rows
from engine.words import _

if TYPE_CHECKING:
    from console.app import Console
    from engine.service.models import RunView

FIRST, MOST = 200, 1000
"""Runs that are listed: at first, and once the person has come to the end of those."""


class RunRows:
    """Runs as a list. `paces`: per run under way, how it is measured."""

    def __init__(self, console: Console, runs: Sequence[RunView], paces: dict[str, Pace]) -> None:
        self._console = console
        self._several = len(console.connections()) > 1
        self._paces = paces
        self.runs = tuple(runs)
        self.count = len(self.runs)

    def line(self, index: int, width: int) -> Line | None:
        now, console, run = self._console.now(), self._console, self.runs[index]
        if now is None:
            return None
        return words.row(run, now, width, console.signs, console.look(), self._several, self._paces.get(run.id))

    def key(self, index: int) -> str | None:
        return self.runs[index].id if index < self.count else None


class Runs(ListScreen):
    NAME = "runs"
    RELOADS = ("run",)

    def __init__(self) -> None:
        super().__init__()
        self.runs: tuple[RunView, ...] = ()
        self._limit = FIRST
        self._paces: dict[str, Pace] = {}

    # What is listed

    def load(self) -> None:
        query, limit = self.filter, self._limit
        self.console.ask(
            lambda engine: engine.runs(limit=limit, query=query),
            self._took,
            group="runs",
            failed=self.mistaken,
        )

    def _took(self, runs: tuple[RunView, ...]) -> None:
        if not self.is_whole:
            return
        self.runs = runs
        self._measure()
        # Who is at the top looks at the newest, whichever that is.
        self.take(RunRows(self.console, self.runs, self._paces), keep=self.rows.cursor > 0)
        wanted = self.console.selected.pop(self.NAME, "")
        for n, run in enumerate(runs):
            if run.id == wanted:
                self.rows.move_to(n)

    def refreshed(self) -> None:
        """The runs under way as the dashboard has them: showing how far they are asks for nothing more."""
        running = [one.running for one in self.console.connections() if one.running is not None]
        under_way = {run.id: run for run in running}
        listed = {run.id for run in self.runs}
        ended = any(run.state == "running" and run.id not in under_way for run in self.runs)
        if self._loaded and (ended or not listed.issuperset(under_way)):
            self.load()
        if not any(run.id in under_way for run in self.runs):
            return
        self.runs = tuple(under_way.get(run.id, run) for run in self.runs)
        self._measure()
        self.rows.show(RunRows(self.console, self.runs, self._paces))
        self.show_detail(keep=True)

    def _measure(self) -> None:
        now = self.console.now()
        if now is None:
            return
        before, self._paces = self._paces, {}
        for run in self.runs:
            if run.state == "running" and (pace := Pace.of(before.get(run.id), run.progress, now)):
                self._paces[run.id] = pace

    def summary(self, width: int) -> Line:
        if not self._loaded:
            return line(span(_("asking …"), "dim"))
        return words.summary(self.runs, bool(self.filter), len(self.runs) < self._limit)

    def heading(self, width: int) -> Line:
        return words.heading(width, len(self.console.connections()) > 1)

    def empty(self) -> Line:
        if self.filter:
            return line(span(_("No run matches the filter; Escape drops it."), "dim"))
        return line(span(_("No run yet: r runs one now, p plans."), "dim"))

    def detail(self, index: int, width: int) -> Sequence[Line]:
        now = self.console.now()
        if now is None or index >= len(self.runs):
            return ()
        run, console = self.runs[index], self.console
        return words.detail(run, now, width, console.signs, console.look(), self._paces.get(run.id))

    @on(Rows.Moved)
    def _at_the_end(self) -> None:
        if len(self.runs) == self._limit < MOST and self.rows.cursor == len(self.runs) - 1:
            self._limit = MOST
            self.load()

    # What keys act on

    def run_under_cursor(self) -> RunView | None:
        cursor = self.rows.cursor
        return self.runs[cursor] if cursor < len(self.runs) else None

    def subject(self) -> Subject | None:
        run = self.run_under_cursor() if self.is_whole else None
        return Subject(run.connection, run=run.id, label=run.id) if run is not None else None

    def may(self, id: str) -> bool:
        return super().may("history" if id == "open" else id)

    def do_open(self) -> None:
        """The run's log."""
        self.do_history()
