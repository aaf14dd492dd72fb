"""The console as an application: its screens, its hold on the engine, and what every screen shares."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from threading import Thread
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual import on
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.binding import Binding
from textual.message import Message
from textual.screen import Screen
from textual.worker import get_current_worker

from console import actions
from console.attachment import Attachment, Back, Lost, Refreshed, Told
from console.presentation.frame import Said, Standing
from console.presentation.line import Role
from console.presentation.signs import UNICODE, Signs
from console.presentation.subject import Subject
from console.presentation.wording import Look
from console.screens.frame import Frame
from console.themes import NAMES, THEMES
from engine.printable import printable
from engine.words import _

if TYPE_CHECKING:
    from console.engine_client import EngineClient
    from console.glass import Glass
    from engine.service.models import ConnectionView, DashboardView

T = TypeVar("T")

ATTACH_AFTER = 0.25
"""Seconds after the first paint until the client is imported: it would fight the first frames for the
interpreter."""
LOAD_AHEAD_AFTER = 1.0
"""Seconds after the first paint until the other screens are loaded, so that the first key to one is as quick as
the next."""
SAID_SECONDS = 12.0
COPY_MOST = 74_994
"""Bytes of an OSC 52 sequence's payload that terminals still take."""


class Answered(Message):
    """An answer of the engine, to take on the event loop."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self.act = act


def _load_screens() -> None:
    from importlib import import_module
    from pkgutil import iter_modules

    from console import screens

    for one in iter_modules(screens.__path__, "console.screens."):
        import_module(one.name)


def _screen(module: str, name: str) -> Callable[[], Screen[Any]]:
    """A screen whose module is loaded when it is first opened."""

    def make() -> Screen[Any]:
        from importlib import import_module

        screen: Screen[Any] = getattr(import_module(f"console.screens.{module}"), name)()
        return screen

    return make


class Console(App[int]):
    """`first`: the dashboard that was asked for before anything was loaded. `lost`: what to say where there is
    none. `clock` measures how much time has passed, in seconds, since the engine last said what time it is."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[Binding]] = []  # type: ignore[assignment]
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "dashboard": _screen("dashboard", "Dashboard"),
        "changes": _screen("changes", "Changes"),
        "conflicts": _screen("items", "Conflicts"),
        "duplicates": _screen("items", "Duplicates"),
        "rejections": _screen("items", "Rejections"),
        "sheets": _screen("sheets", "Sheets"),
        "runs": _screen("runs", "Runs"),
        "events": _screen("events", "Events"),
        "absences": _screen("absences", "Absences"),
    }
    DEFAULT_MODE = "dashboard"

    def __init__(
        self,
        socket: Path,
        first: DashboardView | None = None,
        *,
        lost: str = "",
        signs: Signs = UNICODE,
        theme: str = "dark",
        keymap: Mapping[str, str] | None = None,
        clock: Callable[[], float] = perf_counter,
        connect: Callable[[Path], EngineClient] | None = None,
    ) -> None:
        super().__init__()
        for one in THEMES:
            self.register_theme(one)
        self.theme = theme if theme in NAMES else NAMES[0]
        self.signs = signs
        self.dashboard: DashboardView | None = None
        self.lost = lost
        self.said: Said | None = None
        self.chosen = ""
        """The connection keys act on, "" while none was chosen."""
        self.filters: dict[str, str] = {}
        """Per screen, the filter it is to open with."""
        self.selected: dict[str, str] = {}
        """Per screen, the key of the row it is to open at."""
        self.recalled: list[str] = []
        """Lines entered in the palette, the latest last."""
        self._glass: Glass | None = None
        self._clock = clock
        self._said_at = 0.0
        self._keymap_given = dict(keymap or {})
        self.attachment = Attachment(
            socket, self.post_message, after=first.status.seq if first else None, connect=connect
        )
        if first is not None:
            self._take(first)

    # Life

    def on_mount(self) -> None:
        if self._keymap_given:
            self.set_keymap(self._keymap_given)
        self.set_interval(1.0, self._tick)
        self.call_after_refresh(self._painted)

    def _painted(self) -> None:
        gc.enable()
        gc.freeze()
        self.set_timer(ATTACH_AFTER, self.attachment.start)
        self.set_timer(LOAD_AHEAD_AFTER, Thread(target=_load_screens, daemon=True).start)

    def spare_the_line(self) -> None:
        """Send to the terminal only what differs from what it shows."""
        from console.glass import Glass, SparingDriver

        self._glass = Glass()
        self.driver_class = SparingDriver

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if self._glass is not None and isinstance(renderable, CompositorUpdate):
            renderable = self._glass.through(renderable)
        super()._display(screen, renderable)

    def on_unmount(self) -> None:
        self.attachment.close()

    # What the engine says

    def _take(self, dashboard: DashboardView) -> None:
        self.dashboard = dashboard
        self._taken_at = self._clock()

    @on(Refreshed)
    def _refreshed(self, message: Refreshed) -> None:
        self.lost = ""
        self._take(message.dashboard)
        if isinstance(screen := self.front, Frame):
            screen.show_frame()
            screen.refreshed()

    @on(Told)
    def _told(self, message: Told) -> None:
        if isinstance(screen := self.front, Frame):
            screen.told(message)

    @on(Lost)
    def _lost(self, message: Lost) -> None:
        line = {
            "absent": _("the engine is gone: waiting for it; what is shown is the last it said"),
            "lost": _("the engine is gone: waiting for it; what is shown is the last it said"),
            "silent": _("the engine does not answer; what is shown is the last it said"),
        }.get(message.why, message.line)
        if line != self.lost:
            self.lost = line
            if isinstance(screen := self.front, Frame):
                screen.show_frame()

    @on(Back)
    def _back(self) -> None:
        self.lost = ""
        self.say(_("The engine is back; nothing was missed."), "good")

    @property
    def front(self) -> Screen[Any] | None:
        """The topmost screen that is a Frame: a question above it does not keep it from being kept up. None
        while there is none whole, as when the console is closing."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, Frame) and screen.whole:
                return screen
        return None

    # Time, place and person

    def passed(self) -> float:
        """Seconds by the console's own clock, for how much time has passed."""
        return self._clock()

    def now(self) -> datetime | None:
        """The engine's time: what it last said, and the time since."""
        if self.dashboard is None:
            return None
        return self.dashboard.status.now + timedelta(seconds=self._clock() - self._taken_at)

    @property
    def zone(self) -> tzinfo | None:
        """The zone instants are shown in: the connections' own where they share one, else the machine's."""
        from zoneinfo import ZoneInfo

        zones = {one.zone for one in self.connections()}
        return ZoneInfo(zones.pop()) if len(zones) == 1 else None

    def look(self, width: int | None = None) -> Look:
        return Look(width, self.zone)

    @property
    def role(self) -> str:
        return self.dashboard.me.role if self.dashboard is not None else "viewer"

    def connections(self) -> tuple[ConnectionView, ...]:
        return self.dashboard.status.connections if self.dashboard is not None else ()

    def standing(self) -> Standing:
        if self.dashboard is None:
            return Standing(None, None, lost=self.lost or _("asking the engine"))
        frozen = self.dashboard.status.frozen
        return Standing(
            now=self.now(),
            zone=self.zone,
            lost=self.lost,
            actor=self.dashboard.me.actor,
            role=self.role,
            connection=self.chosen if len(self.connections()) > 1 else "",
            frozen=frozen.reason or "-" if frozen is not None else "",
        )

    def _tick(self) -> None:
        if self.said is not None and self._clock() - self._said_at > SAID_SECONDS:
            self.silence()
        if isinstance(screen := self.front, Frame):
            screen.show_frame()
            tick = getattr(screen, "tick", None)
            if tick is not None:
                tick()

    # Saying and asking

    def say(self, text: object, role: Role = "info") -> None:
        """One line in the footer, until the next key or for some seconds."""
        self.said = Said(printable(text, 400), role)
        self._said_at = self._clock()
        if isinstance(screen := self.front, Frame):
            screen.show_footer()

    def silence(self) -> None:
        if self.said is not None:
            self.said = None
            if isinstance(screen := self.front, Frame):
                screen.show_footer()

    def ask(
        self,
        what: Callable[[EngineClient], T],
        then: Callable[[T], object],
        *,
        group: str,
        failed: Callable[[str], object] | None = None,
    ) -> None:
        """Ask the engine in a thread; `then` takes the answer on the event loop, unless a newer question of
        the same group was asked meanwhile. `failed` takes the line of a refusal; without it, it is said."""

        def work() -> None:
            from console.engine_client import EngineRefused, EngineUnreachable

            worker = get_current_worker()
            try:
                answer = what(self.attachment.client)
            except (EngineRefused, EngineUnreachable) as error:
                line = error.message
                if not worker.is_cancelled:
                    self.post_message(Answered(lambda: failed(line) if failed else self.say(line, "bad")))
                return
            if not worker.is_cancelled:
                self.post_message(Answered(lambda: then(answer)))

        self.run_worker(work, thread=True, exclusive=True, group=group, exit_on_error=False)

    @on(Answered)
    def _answered(self, message: Answered) -> None:
        message.act()

    # Going places

    def go(self, screen: str, filter: str | None = None) -> None:
        """Go to a screen; `filter` replaces what it is filtered by."""
        if filter is not None:
            self.filters[screen] = filter
        if self.current_mode != screen:
            self.switch_mode(screen)
        while len(self.screen_stack) > 1:
            self.pop_screen()
        if filter is not None:
            apply = getattr(self.screen, "apply_filter", None)
            if apply is not None:
                self.call_after_refresh(apply, filter)

    def open_record(self, subject: Subject) -> None:
        from console.screens.record import RecordPage

        self.push_screen(RecordPage(subject))

    def obey(self, text: str) -> None:
        """Carry out a palette line: an action's id, a screen's name with a filter, or `find` with a text."""
        name, _space, rest = text.strip().partition(" ")
        if name in self.MODES:
            self.go(name, rest.strip() if rest.strip() else None)
            return
        if name == "find" and rest.strip():
            from console.screens.find import Find

            self.push_screen(Find(rest.strip()))
            return
        action = actions.BY_ID.get(name)
        if action is None:
            self.say(_("No action and no screen is called {name}.").format(name=name), "warn")
            return
        screen = self.front
        if isinstance(screen, Frame) and action in screen.able():
            screen.action_do(action.id)
        else:
            self.say(_("{action} does not work here.").format(action=action.words), "warn")

    def choose_connection(self) -> None:
        """Ask which connection keys act on."""
        from console.screens.running import choose_connection

        choose_connection(self, self._choose)

    def _choose(self, name: str) -> None:
        self.chosen = name
        if isinstance(screen := self.front, Frame):
            screen.show_frame()
            screen.refreshed()

    def copy(self, text: str) -> None:
        """Hand text to the terminal's clipboard, and say honestly that nobody confirms it."""
        clean = printable(text)
        self.copy_to_clipboard(clean.encode("utf-8", "replace")[:COPY_MOST].decode("utf-8", "ignore"))
        self.say(_("Sent to the terminal's clipboard (it cannot confirm): {text}").format(text=clean))

    def action_help_quit(self) -> None:
        """^C, which ends a command at once, is pressed by habit: say which key leaves."""
        self.say(_("q leaves the console; the engine and its runs go on."))

    # Looks and keys

    def next_theme(self) -> None:
        at = NAMES.index(self.theme) if self.theme in NAMES else -1
        self.theme = NAMES[(at + 1) % len(NAMES)]
        self.say(_("Theme: {name}").format(name=self.theme))

    def keys_of(self, action: actions.Action) -> str:
        """The first key of an action, as it is now bound."""
        return actions.shown_key(self._keymap_given.get(action.id, action.keys))
