"""What every screen has: header, the screens' names, a footer of the keys that work here, common actions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from console import actions
from console.presentation import frame as words
from console.presentation.line import fitted
from console.presentation.subject import Subject
from console.widgets.painted import Lines

if TYPE_CHECKING:
    from console.app import Console
    from console.attachment import Told
    from engine.service.models import ConnectionView, DashboardView


def bindings(screen: str, has_list: bool) -> list[Binding]:
    """The keys of a screen, from the action table."""
    return [
        Binding(action.keys, f"do('{action.id}')", action.words, id=action.id, show=False)
        for action in actions.ACTIONS
        if action.on(screen, has_list)
    ]  # fmt: skip


class Frame(Screen[None]):
    """A screen: `name` as in actions.SCREENS; subclasses compose their `body` and carry out their actions in
    methods `do_ID`. `may(ID)` says whether an action makes sense right now."""

    NAME: ClassVar[str] = ""
    HAS_LIST: ClassVar[bool] = False
    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012 an instance's, says Screen

    DEFAULT_CSS = """
    Frame { layout: vertical; background: $background; color: $foreground; }
    Frame > #header, Frame > #tabs, Frame > #footer { height: 1; }
    Frame > #header { background: $panel; }
    """

    def __init_subclass__(cls, **more: Any) -> None:
        cls.BINDINGS = [*bindings(cls.NAME, cls.HAS_LIST)]
        super().__init_subclass__(**more)

    @property
    def console(self) -> Console:
        return cast("Console", self.app)

    def compose(self) -> ComposeResult:
        yield Lines(id="header")
        yield Lines(id="tabs")
        yield from self.body()
        yield Lines(id="footer")

    def body(self) -> Iterable[Widget]:
        """What stands between the tabs and the footer."""
        return ()

    def on_mount(self) -> None:
        self.show_frame()

    def on_screen_resume(self) -> None:
        self.show_frame()
        self.refreshed()

    def on_resize(self) -> None:
        self.call_after_refresh(self.show_frame)

    @property
    def whole(self) -> bool:
        """Whether its widgets are there to be painted: made, and not being taken away."""
        return self.is_mounted and bool(self.query("#header")) and bool(self.query("#footer"))

    # What it shows

    def show_frame(self) -> None:
        """Header, tabs and footer as they are now."""
        if not self.whole:
            return
        width = self.size.width or self.app.size.width
        console = self.console
        header = words.header(console.standing(), width, console.signs)
        tabs = words.tabs(self.NAME, console.dashboard, width)
        self.query_one("#header", Lines).show([header])
        self.query_one("#tabs", Lines).show([tabs])
        self.show_footer()

    def show_footer(self) -> None:
        if not self.whole:
            return
        console, width = self.console, self.size.width or self.app.size.width
        said = console.said
        if said:
            line = words.said(said, width)
        elif isinstance(self.focused, Input):
            line = fitted(words.hints(words.TYPING), width)
        else:
            line = words.footer(self.able(), width, console.keys_of)
        self.query_one("#footer", Lines).show([line])

    def on_descendant_focus(self) -> None:
        self.show_footer()

    def on_descendant_blur(self) -> None:
        self.show_footer()

    def refreshed(self) -> None:
        """The dashboard has changed: called for the screen in front."""

    def told(self, told: Told) -> None:
        """Events entered the log: called for the screen in front."""

    # Actions

    def able(self) -> tuple[actions.Action, ...]:
        """The actions that work here and now, for this role."""
        return tuple(a for a in self.offered() if self.may(a.id))

    def offered(self) -> tuple[actions.Action, ...]:
        """The actions of this screen for this role, on whatever is under the cursor."""
        here = actions.here(self.NAME, self.HAS_LIST, self.console.role)
        return tuple(a for a in here if hasattr(self, _method(a.id)))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action != "do":
            return True
        found = actions.BY_ID.get(str(parameters[0]))
        return found is not None and found.allowed(self.console.role) and self.may(found.id)

    def may(self, id: str) -> bool:
        """Whether an action makes sense now; screens add their own conditions."""
        subject = self.subject()
        if id in ("record", "run.one"):
            return subject is not None and bool(subject.record)
        if id == "history":
            return subject is not None and bool(subject.log_query)
        if id == "cancel":
            return any(one.running is not None for one in self._connections())
        return True

    def action_do(self, id: str) -> None:
        self.console.silence()
        method: Callable[[], None] | None = getattr(self, _method(id), None)
        if method is not None:
            method()
        self.show_footer()

    def subject(self) -> Subject | None:
        """What is under the cursor."""
        return None

    def do_help(self) -> None:
        from console.screens.help import Help

        able = self.able()
        not_now = [a for a in self.offered() if a not in able]
        topic = {Input: "filter", Lines: "detail"}
        about = next((said for kind, said in topic.items() if isinstance(self.focused, kind)), "")
        console = self.console
        self.app.push_screen(
            Help(self.NAME, able, console.keys_of, not_now=not_now, role=console.role, topic=about)
        )

    def do_palette(self) -> None:
        from console.screens.palette import Palette

        def chosen(text: str | None) -> None:
            if text:
                self.console.obey(text)

        self.app.push_screen(Palette(self.able(), self.console.keys_of), chosen)

    def do_find(self) -> None:
        from console.screens.find import Find

        self.app.push_screen(Find())

    def do_quit(self) -> None:
        self.app.exit(0)

    def do_theme(self) -> None:
        self.console.next_theme()

    def do_pane(self) -> None:
        self.focus_next()

    def do_back(self) -> None:
        if len(self.app.screen_stack) > 1 and self.app.screen is self:
            self.app.pop_screen()

    def do_copy(self) -> None:
        subject = self.subject()
        if subject is not None and (text := subject.record or subject.run):
            self.console.copy(text)

    def do_record(self) -> None:
        subject = self.subject()
        if subject is not None and subject.record:
            self.console.open_record(subject)

    def do_history(self) -> None:
        subject = self.subject()
        if subject is not None and subject.log_query:
            self.console.go("events", subject.log_query)

    def do_connection(self) -> None:
        self.console.choose_connection()

    # Runs

    def do_plan(self) -> None:
        from console.screens import running

        running.plan(self.console, self.subject())

    def do_run(self) -> None:
        from console.screens import running

        running.run(self.console, self.subject())

    def do_run_one(self) -> None:
        from console.screens import running

        if (subject := self.subject()) is not None:
            running.run_one(self.console, subject)

    def do_cancel(self) -> None:
        from console.screens import running

        running.cancel(self.console, self.subject())

    def do_freeze(self) -> None:
        from console.screens import running

        running.freeze(self.console, self.subject())

    def _connections(self) -> tuple[ConnectionView, ...]:
        dashboard: DashboardView | None = self.console.dashboard
        return dashboard.status.connections if dashboard is not None else ()


def _method(id: str) -> str:
    return "do_" + id.replace(".", "_")


def _go(name: str) -> Callable[[Frame], None]:
    def go(self: Frame) -> None:
        self.console.go(name)

    return go


for _name, _keys, _words in actions.SCREENS:
    setattr(Frame, _method(f"go.{_name}"), _go(_name))
