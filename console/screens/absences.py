"""Absences: delivered, waiting and why, held, to report by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from console.presentation import absences as words
from console.presentation.line import Line, line, span
from console.presentation.subject import Subject
from console.screens.listing import ListScreen
from console.screens.question import NO, YES, Question
from engine.words import _, ngettext

if TYPE_CHECKING:
    from console.app import Console
    from console.engine_client import EngineClient
    from engine.service.models import AbsenceView, ConnectionView, DecideRequest, ItemView

MOST = 1000
"""Rows asked for at most: what asks for a person comes first, then the newest."""


class AbsenceRows:
    """Absences as a list."""

    def __init__(self, console: Console, views: Sequence[AbsenceView]) -> None:
        self._console = console
        self.views = tuple(views)
        self.count = len(self.views)
        self.several = len(console.connections()) > 1

    def line(self, index: int, width: int) -> Line | None:
        now = self._console.now()
        if now is None:
            return None
        return words.row(self.views[index], now, width, self._console.look(), self.several)

    def key(self, index: int) -> str | None:
        return key(self.views[index]) if index < self.count else None


def key(view: AbsenceView) -> str:
    """What tells a row from the others: a sheet has one line of its own for each cause."""
    return f"{view.connection}/{view.id}/{view.why}"


class Absences(ListScreen):
    NAME = "absences"
    RELOADS = ("absence", "hold", "decision", "run", "alarm", "recovery")

    def __init__(self) -> None:
        super().__init__()
        self.views: tuple[AbsenceView, ...] = ()

    # What is listed

    def load(self) -> None:
        query = self.filter
        self.console.ask(
            lambda engine: engine.absences(query=query, limit=MOST),
            self._took,
            group="absences",
            failed=self.mistaken,
        )

    def _took(self, views: tuple[AbsenceView, ...]) -> None:
        self.views = views
        self.rows.marks &= {key(view) for view in views}
        self.take(AbsenceRows(self.console, views))

    def summary(self, width: int) -> Line:
        if not self._loaded:
            return line(span(_("asking …"), "dim"))
        return words.summary(self.views, bool(self.filter), len(self.rows.marks), MOST)

    def heading(self, width: int) -> Line:
        return words.heading(width, len(self.console.connections()) > 1)

    def empty(self) -> Line:
        if self.filter:
            return line(span(_("Nothing matches the filter; Escape drops it."), "dim"))
        return line(span(_("No absence yet: an export reads the locked sheets; R exports now."), "dim"))

    def detail(self, index: int, width: int) -> Sequence[Line]:
        now = self.console.now()
        if now is None or index >= len(self.views):
            return ()
        keys = [(self.console.keys_of(a), a.words) for a in self.able() if a.id in ("tick", "approve", "skip")]
        return words.detail(self.views[index], now, width, self.console.look(), keys)

    # What keys act on

    def view(self) -> AbsenceView | None:
        cursor = self.rows.cursor
        return self.views[cursor] if cursor < len(self.views) else None

    def chosen(self) -> list[AbsenceView]:
        """The marked rows, or the one under the cursor."""
        if self.rows.marks:
            return [view for view in self.views if key(view) in self.rows.marks]
        one = self.view()
        return [one] if one is not None else []

    def subject(self) -> Subject | None:
        view = self.view() if self.is_mounted else None
        if view is None:
            return None
        if view.kind:
            return Subject(view.connection, view.kind, view.erp_id or view.person, view.label)
        return Subject(view.connection, "sheet", view.session or view.sheet, view.about)

    def may(self, id: str) -> bool:
        if id in ("tick", "approve", "skip"):
            chosen = self.chosen() if self.is_mounted else []
            wanted = "by_hand" if id == "tick" else "held"
            return any(view.state == wanted for view in chosen)
        return super().may(id)

    # Reporting by hand

    def do_tick(self) -> None:
        """Nothing is written to any system: it is not asked about."""
        from engine.service.models import TickRequest

        chosen = [view for view in self.chosen() if view.state == "by_hand"]
        done = any(not view.ticked_by for view in chosen)
        ids = tuple(view.id for view in chosen if done != bool(view.ticked_by))
        if not ids:
            return
        request = TickRequest(ids=ids, done=done)
        self.console.ask(lambda engine: engine.tick(request), self._ticked, group="tick")

    def _ticked(self, views: tuple[AbsenceView, ...]) -> None:
        said = ngettext("{n} line: {what}.", "{n} lines: {what}.", len(views))
        what = words.state(views[0]) if views else ""
        self.console.say(said.format(n=len(views), what=what), "good")
        self._settled()

    def do_form(self) -> None:
        from console.screens.running import with_connection

        with_connection(self.console, self.subject(), self._ask_path)

    def _ask_path(self, connection: ConnectionView) -> None:
        title = _("Write what {name} is to be told by hand to which file?").format(name=connection.name)
        start = f"absences-{connection.name}.csv"

        def typed(path: str | None) -> None:
            if path and path.strip():
                self._write_form(connection.name, Path(path.strip()).expanduser())

        self.console.push_screen(Question(title, (), ask=_("file name"), start=start), typed)

    def _write_form(self, connection: str, path: Path) -> None:
        def work(engine: EngineClient) -> str:
            try:
                with path.open("wb") as into:
                    rows = engine.absence_form(connection, into)
            except OSError as error:
                return _("{path}: {why}").format(path=path, why=error.strerror)
            return _("{rows} lines written to {path}.").format(rows=rows, path=path)

        self.console.ask(work, self.console.say, group="form")

    # Holds

    def do_approve(self) -> None:
        self._decide("approve")

    def do_skip(self) -> None:
        self._decide("refuse")

    def _decide(self, choice: str) -> None:
        """Ask for the holds of the chosen rows, then settle exactly the chosen ones."""
        chosen = [view for view in self.chosen() if view.state == "held" and view.item]
        ids = tuple(dict.fromkeys(view.item for view in chosen))
        if ids:
            self.console.ask(
                lambda engine: tuple(engine.item(id) for id in ids),
                lambda items: self._confirm(items, chosen, choice),
                group="holds",
            )

    def _confirm(self, items: tuple[ItemView, ...], chosen: Sequence[AbsenceView], choice: str) -> None:
        from console.screens import deciding
        from engine.service.models import DecideRequest

        requests: list[DecideRequest] = []
        narrowed: list[ItemView] = []
        for item in items:
            meant = {view.change for view in chosen if view.item == item.id}
            if item.code == "roll_call_missing":
                # Whether a roll was called is a question of the sheet, not of one person.
                meant = {change.id for change in item.changes}
            changes = tuple(change for change in item.changes if change.id in meant)
            if changes:
                narrowed.append(item.model_copy(update={"changes": changes}))
                requests.append(
                    DecideRequest(
                        item=item.id,
                        choice=choice,
                        revision=item.revision,
                        changes=None if len(changes) == len(item.changes) else tuple(c.id for c in changes),
                    )
                )
        if not requests:
            return
        title, lines = words.deciding(narrowed, choice)

        def answered(answer: str | None) -> None:
            if answer:
                deciding.send(self.console, requests, self._settled)

        self.console.push_screen(Question(title, lines, (YES, NO)), answered)

    def _settled(self) -> None:
        self.rows.marks.clear()
        self.load()

    # Exporting

    def do_export_run(self) -> None:
        from console.screens.running import with_connection

        with_connection(self.console, self.subject(), self._ask_export)

    def _ask_export(self, connection: ConnectionView) -> None:
        from console.presentation import confirm
        from engine.service.models import RunRequest

        if (frozen := confirm.freeze_of(self.console.dashboard, connection.name)) is not None:
            self.console.say(confirm.frozen_line(frozen, self.console.look()), "warn")
            return
        request = RunRequest(connection=connection.name, flow="export")

        def answered(answer: str | None) -> None:
            if answer:
                self.console.ask(
                    lambda engine: engine.start_run(request),
                    lambda run: self.console.say(_("Export {id} has begun.").format(id=run.id), "good"),
                    group="run",
                )

        title = _("Export the absences of {name} now?").format(name=connection.name)
        lines = (
            line(_("Locked sheets are read again; what is held stays held.")),
            line(span(_("What the ERP's people entered or changed is never touched."), "dim")),
        )
        self.console.push_screen(Question(title, lines, (YES, NO)), answered)
