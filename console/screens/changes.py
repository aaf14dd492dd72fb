"""Changes: what the newest plans would write, whatever their length; approving, leaving out, writing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual import on

from console.attachment import Told
from console.presentation import changes as words
from console.presentation import confirm
from console.presentation import holds as hold_words
from console.presentation.holds import Group
from console.presentation.line import Line, line, span
from console.presentation.subject import Subject
from console.screens import batches
from console.screens.change_lists import ChangeRows, HoldRows, groups_of, key_of, ref_of
from console.screens.listing import ListScreen
from console.screens.marks import Marks, fit
from console.widgets.filter_line import FilterLine
from console.widgets.pages import SIZE, Pages
from console.widgets.rows import Rows
from engine.words import _

if TYPE_CHECKING:
    from engine.service.models import ChangePage, ChangeRef, ChangeRow, ItemView, PlanHead, RecordView

AHEAD = 2
"""Screens of rows that are had before the cursor comes to them."""
BATCH = frozenset({"approve", "approve.all", "skip", "apply"})
"""Keys that say why not, rather than do nothing, where there is nothing for them."""


class Changes(ListScreen):
    """The changes, or with `by_cause` the holds that stop some of them, each with its own filter and marks."""

    NAME = "changes"
    RELOADS = ("run", "hold", "decision", "freeze")

    def __init__(self) -> None:
        super().__init__()
        self.by_cause = False
        self.plans: tuple[PlanHead, ...] = ()
        self._shown_filter = ""
        """The filter of what is shown."""
        self._marks = Marks()
        self._marking = False
        self._records: dict[str, RecordView | None] = {}
        """Records as both sides last showed them, None where there is nothing to show."""
        self._kept: dict[bool, tuple[str, set[str]]] = {False: ("", set()), True: ("", set())}
        """Filter and marks that each of both lists was left with."""
        self._from_hold = False
        """Whether a hold was opened to show its changes: back leads to the holds again."""
        self._top = 0
        self._stay: int | None = None
        """The row at which the cursor stays when the list comes anew, wherever the change under it goes."""
        self._lost_page = False

    # What is listed

    def load(self) -> None:
        if self.by_cause:
            self._load_holds()
        else:
            self._load_changes()

    def _load_changes(self) -> None:
        query = self.filter
        top = self.rows.top if query == self._shown_filter and not self._is_holds() else 0
        first = top // SIZE * SIZE
        limit = SIZE if top + self.rows.size.height <= first + SIZE else 2 * SIZE
        self.console.ask(
            lambda engine: engine.changes(query, first, limit),
            lambda page: self._took(query, page),
            group="changes",
            failed=self.mistaken,
        )

    def _took(self, query: str, page: ChangePage) -> None:
        if self.by_cause or not self.is_mounted:
            return
        pages: Pages[ChangeRow] = Pages(page.found, lambda first: self._ask_page(query, first, pages))
        pages.put(page.offset, page.rows)
        keep = query == self._shown_filter and not self._is_holds()
        if self._stamp(page.plans) != self._stamp(self.plans):
            self._records.clear()
            if self._marks.refs:
                # Another plan, or other holds: marks stay on the changes that are still the same.
                self._mark_with("", self._marks.renew)
        self.plans = page.plans
        self._shown_filter = query
        self._lost_page = False
        self.take(ChangeRows(self.console, pages), keep=keep)
        if self._stay is not None and keep:
            self.rows.move_to(self._stay)
        self._stay = None

    @staticmethod
    def _stamp(plans: Sequence[PlanHead]) -> object:
        return [(one.id, one.made_at, one.held, one.skipped) for one in plans]

    def _ask_page(self, query: str, first: int, pages: Pages[ChangeRow]) -> None:
        def came(page: ChangePage) -> None:
            if [one.id for one in page.plans] != [one.id for one in self.plans] or page.found != pages.count:
                self.load()
                return
            pages.put(first, page.rows)
            if self._pages() is pages:
                self.rows.repaint()

        def failed(_why: str) -> None:
            pages.failed(first)
            self._lost_page = True

        self.console.ask(
            lambda engine: engine.changes(query, first, SIZE), came, group=f"changes-{first}", failed=failed
        )

    def refreshed(self) -> None:
        """The engine answers: what it could not answer before is asked again."""
        if self._lost_page or self.mistake:
            self.load()
        else:
            self.show_summary()

    def told(self, told: Told) -> None:
        super().told(told)
        if any(event.kind == "run" for event in told.events):
            self._records.clear()

    def _load_holds(self) -> None:
        query = self.filter
        self.console.ask(
            lambda engine: groups_of(engine, query),
            lambda groups: self._took_holds(query, groups),
            group="changes",
            failed=self.mistaken,
        )

    def _took_holds(self, query: str, groups: tuple[Group, ...]) -> None:
        if not self.by_cause or not self.is_mounted:
            return
        keep = query == self._shown_filter and self._is_holds()
        self._shown_filter = query
        self.rows.marks &= {one.item.id for one in groups}
        self.take(HoldRows(self.console, groups), keep=keep)

    def _is_holds(self) -> bool:
        return isinstance(self.rows.model, HoldRows)

    def _pages(self) -> Pages[ChangeRow] | None:
        model = self.rows.model
        return model.pages if isinstance(model, ChangeRows) else None

    @on(Rows.Moved)
    def _look_ahead(self) -> None:
        """Have what comes next in the direction of moving before it is looked at."""
        rows, pages = self.rows, self._pages()
        height = max(rows.size.height, 1)
        if pages is not None and rows.top != self._top:
            near = AHEAD * height
            if rows.top > self._top:
                pages.ahead(rows.top + height, rows.top + height + near)
            else:
                pages.ahead(rows.top - 1, rows.top - near)
        self._top = rows.top

    # What is shown

    def summary(self, width: int) -> Line:
        now = self.console.now()
        if not self._loaded or now is None:
            return line(span(_("asking …"), "dim"))
        rows, filtered = self.rows, bool(self._shown_filter)
        if isinstance(rows.model, HoldRows):
            return hold_words.summary(rows.model.groups, filtered, len(rows.marks), width)
        found, look = rows.model.count, self.console.look()
        frozen = [one.connection for one in self.plans if self._frozen(one.connection)]
        return words.summary(self.plans, found, filtered, len(rows.marks), now, look, width, frozen)

    def _frozen(self, connection: str) -> str:
        """Why a connection writes nothing, "" where it may."""
        standing = confirm.freeze_of(self.console.dashboard, connection)
        return "" if standing is None else confirm.frozen_line(standing, self.console.look())

    def heading(self, width: int) -> Line:
        several = len(self.console.connections()) > 1
        return hold_words.heading(width, several) if self.by_cause else words.heading(width, several)

    def empty(self) -> Line:
        if self.filter:
            gone = _("That hold holds nothing any more; Escape goes back.")
            none = (
                gone if self.filter.startswith("hold:") else _("Nothing matches the filter; Escape drops it.")
            )
            return line(span(none, "dim"))
        good = span(f"{self.console.signs.good} ", "good")
        if self.by_cause:
            return line(good, span(_("Nothing is held.")))
        if not self.plans:
            return line(span(_("p makes a plan; it writes nothing."), "dim"))
        return line(good, span(_("Nothing to write: both sides agree. p plans anew.")))

    def detail(self, index: int, width: int) -> Sequence[Line]:
        console, now = self.console, self.console.now()
        if now is None:
            return ()
        look, signs = console.look(), console.signs
        model = self.rows.model
        if isinstance(model, HoldRows):
            return hold_words.detail(model.groups[index], now, width, look, signs)
        row = self._row()
        if row is None:
            return (line(span(_("asking …"), "dim")),)
        key = key_of(row)
        if key not in self._records:
            self._ask_record(key, row)
        frozen = self._frozen(row.connection)
        return words.detail(row, self._records.get(key), now, width, look, signs, frozen)

    def _ask_record(self, key: str, row: ChangeRow) -> None:
        """What both sides last said of the record under the cursor."""
        change = row.change

        def came(record: RecordView | None) -> None:
            self._records[key] = record
            if (here := self._row()) is not None and key_of(here) == key:
                self.show_detail()

        self.console.ask(
            lambda engine: engine.record(row.connection, change.kind, change.erp_id or change.edusign_id),
            came,
            group="changes-record",
            failed=lambda _why: came(None),
        )

    # What keys act on

    def _row(self) -> ChangeRow | None:
        """The change under the cursor, where it is one and is here."""
        pages = self._pages() if self.is_mounted else None
        return pages.peek(self.rows.cursor) if pages is not None else None

    def _hold(self) -> ItemView | None:
        """The hold under the cursor."""
        model, cursor = self.rows.model, self.rows.cursor
        return model.groups[cursor].item if isinstance(model, HoldRows) and cursor < model.count else None

    def subject(self) -> Subject | None:
        if not self.is_mounted:
            return None
        if (hold := self._hold()) is not None:
            return Subject(hold.connection, label=hold.label, item=hold)
        if (row := self._row()) is None:
            return None
        change = row.change
        return Subject(row.connection, change.kind, change.erp_id or change.edusign_id, change.label)

    def may(self, id: str) -> bool:
        if not self.is_mounted:
            return super().may(id)
        if self._is_holds():
            return id not in ("apply", "run.one", "record") and (
                id not in BATCH or self.rows.model.count > 0
            ) and super().may(id)  # fmt: skip
        match id:
            case "approve" | "skip":
                return id in (self._marks.fit if self.rows.marks else fit(self._chosen()))
            case "approve.all":
                return any(one.held for one in self.plans)
            case "apply":
                return any(one.total > one.held + one.skipped for one in self.plans)
            case "mark" | "mark.all":
                return self.rows.model.count > 0
            case _:
                return super().may(id)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        allowed = super().check_action(action, parameters)
        if not allowed and action == "do" and parameters[0] in BATCH:
            from console.actions import BY_ID

            return BY_ID[str(parameters[0])].allowed(self.console.role)
        return allowed

    def _chosen(self) -> tuple[ChangeRef, ...]:
        """The marked changes, or the one under the cursor."""
        if self.rows.marks:
            return tuple(self._marks.refs.values())
        row = self._row()
        return () if row is None else (ref_of(row),)

    # Marks

    def do_mark(self) -> None:
        row = self._row()
        if row is not None:
            self._marks.toggle(ref_of(row))
        super().do_mark()
        self._marked()

    def do_mark_all(self) -> None:
        if self._is_holds():
            super().do_mark_all()
            self._marked()
        else:
            self._mark_with(self.filter, self._marks.all_or_none)

    def _mark_with(self, query: str, take: Callable[[tuple[ChangeRef, ...]], object]) -> None:
        """Mark by what the engine says of every change a query finds."""

        def came(refs: tuple[ChangeRef, ...]) -> None:
            self._marking = False
            take(refs)
            if not self.by_cause:
                self.rows.marks = self._marks.keys
            self._marked()

        def failed(why: str) -> None:
            self._marking = False
            self.console.say(why, "bad")

        self._marking = True
        self.console.ask(lambda engine: engine.change_refs(query), came, group="marks", failed=failed)

    def _marked(self) -> None:
        self.rows.repaint()
        self.show_summary()
        self.show_footer()

    def _unmark(self) -> None:
        if not self._is_holds():
            self._marks.clear()
        self.rows.marks.clear()
        self._marked()

    def _still_marking(self) -> bool:
        """Whether what is marked is not known yet: a decision now would be on something else."""
        if self._marking:
            self.console.say(_("Marking … press it again."), "warn")
        return self._marking

    # Keys

    def do_approve(self) -> None:
        if self._is_holds():
            self._decide_holds("approve")
        elif not self._still_marking():
            batches.approve(self.console, self._chosen(), self._settled)

    def do_approve_all(self) -> None:
        model = self.rows.model
        if isinstance(model, HoldRows):
            holds = [one.item for one in model.groups]
            batches.decide_holds(self.console, holds, "approve", self._settled)
            return
        self._with_all(lambda refs: batches.approve(self.console, [r for r in refs if r.item], self._settled))

    def do_skip(self) -> None:
        if self._is_holds():
            self._decide_holds("refuse")
        elif not self._still_marking():
            batches.skip(self.console, self._chosen(), self._settled)

    def do_apply(self) -> None:
        if self._is_holds() or self._still_marking():
            return
        if self.rows.marks:
            batches.write(self.console, self._chosen(), self._settled)
        else:
            self._with_all(lambda refs: batches.write(self.console, refs, self._settled))

    def _with_all(self, then: Callable[[tuple[ChangeRef, ...]], object]) -> None:
        """Act on every change the filter finds."""
        query = self._shown_filter
        self.console.ask(lambda engine: engine.change_refs(query), then, group="batch")

    def _decide_holds(self, choice: str) -> None:
        model = self.rows.model
        assert isinstance(model, HoldRows)
        marked = [one.item for one in model.groups if one.item.id in self.rows.marks]
        here = self._hold()
        holds = marked or ([here] if here is not None else [])
        if holds:
            batches.decide_holds(self.console, holds, choice, self._settled)

    def _settled(self, done: bool) -> None:
        """A batch was sent: what it was about is no longer marked, unless it was refused."""
        if done:
            self._stay = None if self._is_holds() else self.rows.cursor
            self._unmark()
        self.load()

    def do_holds(self) -> None:
        """The holds by cause, or the changes."""
        self._turn(not self.by_cause)

    def _turn(self, by_cause: bool) -> None:
        self._kept[self.by_cause] = ("" if self._from_hold else self.filter, set(self.rows.marks))
        self._from_hold = False
        self.by_cause = by_cause
        self.filter, marked = self._kept[by_cause]
        self.rows.marks = marked if by_cause else self._marks.keys
        self.query_one(FilterLine).put(self.filter)
        self.load()

    def do_open(self) -> None:
        hold = self._hold()
        if hold is None:
            super().do_open()
            return
        self._kept[False] = (f"hold:{hold.id}", self._kept[False][1])
        self._turn(False)
        self._from_hold = True

    def apply_filter(self, text: str) -> None:
        if text.startswith("hold:") and self.by_cause:
            self._turn(False)
        self._from_hold = False
        super().apply_filter(text)

    def do_back(self) -> None:
        if self.rows.marks and not self.filter:
            self._unmark()
        elif self._from_hold or (self.by_cause and not self.filter):
            self._turn(not self.by_cause)
        else:
            super().do_back()
