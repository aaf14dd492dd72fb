"""A record's page: both sides, base, link, people, what waits for it, what comes, what happened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from textual import on
from textual.containers import Container
from textual.widget import Widget

from console.attachment import Told
from console.presentation import record as words
from console.presentation import record_around as surroundings
from console.presentation.line import Line, line, span
from console.presentation.subject import Subject
from console.screens.frame import Frame
from console.screens.listing import RELOAD_SECONDS
from console.widgets.painted import Lines
from console.widgets.rows import Rows
from engine.words import _

if TYPE_CHECKING:
    from console.engine_client import EngineClient
    from engine.service.models import EventView, ItemView, RecordView, WhyView

    Answer: TypeAlias = tuple[RecordView | str, WhyView | None, tuple[EventView, ...]]

HISTORY = 30
"""Lines of its log that the page shows."""
CHOICES = {
    "take.erp": "erp",
    "take.edusign": "edusign",
    "take.value": "value",
    "same": "same",
    "different": "different",
}
"""What each deciding key says."""


class PageRows:
    """Rows of the page as a list."""

    def __init__(self, rows: Sequence[words.Row] = ()) -> None:
        self.rows = tuple(rows)
        self.count = len(self.rows)

    def line(self, index: int, width: int) -> Line | None:
        return self.rows[index].spans

    def key(self, index: int) -> str | None:
        return None


class RecordPage(Frame):
    """Two panes: what the record is, and what is around it. Keys act on the record; Enter opens the row."""

    NAME = "record"
    AUTO_FOCUS = "#facts"
    ABOUT_ALL: ClassVar[tuple[str, ...]] = ("run", "decision")
    """Kinds of event that may concern the record without naming it."""

    DEFAULT_CSS = """
    RecordPage #title { height: 2; background: $panel 40%; }
    RecordPage #both { height: 1fr; layout: vertical; }
    RecordPage #facts { height: 1fr; }
    RecordPage #around { height: 1fr; }
    RecordPage #facts:focus, RecordPage #around:focus { height: 2fr; }
    RecordPage.-wide #both { layout: horizontal; }
    RecordPage.-wide #facts, RecordPage.-wide #facts:focus { width: 58%; height: 100%; }
    RecordPage.-wide #around, RecordPage.-wide #around:focus { width: 42%; height: 100%; padding: 0 0 0 1; }
    """

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self._subject = Subject(subject.connection, subject.kind, subject.id, subject.label)
        self.view: RecordView | None = None
        self.events: tuple[EventView, ...] = ()
        self.reason: WhyView | None = None
        """Why it isn't in Edusign, as last read."""
        self._why = ""
        self._looking = False
        self._stale = False
        self._due = False

    def body(self) -> Iterable[Widget]:
        yield Lines(id="title")
        with Container(id="both"):
            yield Rows(id="facts", signs=self.console.signs, shy=True)
            yield Rows(id="around", signs=self.console.signs, shy=True)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#facts").focus()
        self._show()
        self.load()

    def on_resize(self) -> None:
        super().on_resize()
        self.call_after_refresh(self._show)

    # Asking

    def load(self) -> None:
        """Ask for the record as last read, and for the latest of its log."""
        one, query = self._subject, self._subject.log_query

        def all_of_it(engine: EngineClient) -> Answer:
            record = _record_or_refusal(engine, one)
            why = None
            if isinstance(record, str) or not record.in_edusign:
                why = next(iter(engine.why(one.record, one.connection, 1)), None)
            return record, why, engine.events(query, limit=HISTORY).events

        self.console.ask(all_of_it, self._took, group=f"record-{id(self)}", failed=self._failed)

    def _took(self, answer: Answer) -> None:
        record, self.reason, self.events = answer
        if isinstance(record, str):
            self._why = record
        else:
            self._why, self.view = "", record
        self._show()

    def _failed(self, why: str) -> None:
        if self.view is None:
            self._why = why
            self._show()
        else:
            self.console.say(why, "bad")

    def told(self, told: Told) -> None:
        if any(self._concerns(event) for event in told.events):
            self._stale = True
            if not self._due:
                self._due = True
                self.set_timer(RELOAD_SECONDS, self._reload)

    def _concerns(self, event: EventView) -> bool:
        if event.connection not in ("", self._subject.connection):
            return False
        if event.kind in self.ABOUT_ALL:
            return True
        ids = {self._subject.id}
        if self.view is not None:
            ids |= {self.view.erp_id, self.view.edusign_id}
        return event.record_kind == self._subject.kind and bool((ids - {""}) & {event.erp_id, event.edusign_id})

    def _reload(self) -> None:
        self._due = False
        if self._stale and not self._looking:
            self._stale = False
            self.load()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        if self.view is not None:
            self._stale = True
            self._reload()

    # Showing

    def _show(self) -> None:
        now = self.console.now()
        if not self.whole or now is None:
            return
        console, look = self.console, self.console.look()
        self.query_one("#title", Lines).show(
            words.title(self._subject, self.view, now, self.size.width, look, looking=self._looking)
        )
        facts, around = self.query_one("#facts", Rows), self.query_one("#around", Rows)
        facts.empty = line(span(_("asking …"), "dim"))
        wide = max(facts.size.width - 2, 20)
        if self.view is None:
            rows = words.unread(self._why, self._subject, wide) if self._why else ()
            if self.reason is not None:
                rows += words.not_there(self.reason, now, wide, look, console.signs)
            facts.show(PageRows(rows))
            around.show(PageRows())
        else:
            facts.show(PageRows(words.facts(self.view, now, wide, look, console.signs, self.reason)))
            keys = [(console.keys_of(a), a.words) for a in self.able() if a.id in CHOICES]
            history = next((console.keys_of(a) for a in self.able() if a.id == "history"), "")
            wide = max(around.size.width - 2, 20)
            signs = console.signs
            lines = surroundings.around(self.view, self.events, now, wide, look, signs, keys, history)
            around.show(PageRows(lines))
        self.show_footer()

    @on(Rows.Moved)
    def _moved(self) -> None:
        self.show_footer()

    # What keys act on

    def subject(self) -> Subject | None:
        view = self.view
        if view is None:
            return self._subject
        return Subject(
            view.connection, view.kind, view.erp_id or view.edusign_id, view.label or self._subject.label
        )

    def row(self) -> words.Row | None:
        """The row under the cursor of the pane that has the focus."""
        pane = self.focused if isinstance(self.focused, Rows) else self.query_one("#facts", Rows)
        model = pane.model
        return model.rows[pane.cursor] if isinstance(model, PageRows) and pane.cursor < model.count else None

    def item(self, choice: str = "") -> ItemView | None:
        """The open item under the cursor; with `choice` else the first of the record that takes it."""
        items = self.view.items if self.view is not None else ()
        row = self.row() if self.is_mounted else None
        here = next((one for one in items if row is not None and one.id == row.item), None)
        if not choice or (here is not None and choice in here.choices):
            return here
        return next((one for one in items if choice in one.choices), None)

    def may(self, id: str) -> bool:
        if id in CHOICES:
            return self.item(CHOICES[id]) is not None
        row = self.row() if self.is_mounted else None
        if id == "open":
            return row is not None and (bool(row.item) or row.target is not None or row.goes is not None)
        if id == "copy":
            return row is not None and bool(row.copy)
        return super().may(id)

    def do_open(self) -> None:
        from console.screens import deciding

        row = self.row()
        if row is None:
            return
        item = self.item() if row.item else None
        if item is not None:
            deciding.go_to(self.console, item)
        elif row.target is not None:
            self.console.open_record(row.target)
        elif row.goes is not None:
            self.console.go(*row.goes)

    @on(Rows.Opened)
    def _opened(self) -> None:
        self.action_do("open")

    def do_copy(self) -> None:
        row = self.row()
        if row is not None and row.copy:
            self.console.copy(row.copy)

    def do_look(self) -> None:
        one = self.subject() or self._subject
        self._looking = True
        self._show()
        self.console.ask(
            lambda engine: engine.look(one.connection, one.kind, one.id),
            self._looked,
            group=f"look-{id(self)}",
            failed=self._not_looked,
        )

    def _looked(self, view: RecordView) -> None:
        self._looking, self._why, self.view, self.reason = False, "", view, None
        self._show()
        if view.fresh:
            self.console.say(
                _("This is what both sides say now; a run reads it again before it writes."), "good"
            )
        else:
            self.console.say(_("One side did not answer: see its problems."), "warn")

    def _not_looked(self, why: str) -> None:
        self._looking = False
        self._show()
        self.console.say(why, "bad")

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

        if (item := self.item(choice)) is not None:
            deciding.decide(self.console, item, choice, self.load)


def _record_or_refusal(engine: EngineClient, one: Subject) -> RecordView | str:
    """The record, or why the engine has none: its log may be there all the same."""
    from console.engine_client import EngineRefused

    try:
        return engine.record(one.connection, one.kind, one.id)
    except EngineRefused as refused:
        return refused.message
