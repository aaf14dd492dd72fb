"""Opens the console: the first question goes out, then textual is loaded, then the answer is painted."""

from __future__ import annotations

import gc
import os
from pathlib import Path

from console.early import Question
from console.session import DONE, UNREACHABLE, USAGE, Session
from engine.words import _

_SLOW_LINES = ("SSH_CONNECTION", "SSH_TTY", "MOSH_KEY")


def open_console(session: Session, *, start: bool = True) -> int:
    """Attach to the engine of this session, and open the screens; the exit code.

    With `start` an engine that is not running is started in the background, where it is this user's own and
    has a configuration; otherwise what is missing is said and nothing is opened.
    """
    question = Question.ask(session.socket)
    lost = ""
    if question is None:
        if _denied(session.socket):
            session.say(_("rollcall: this user may not open {socket}: ask to be put in its group")
                        .format(socket=session.socket))  # fmt: skip
            return UNREACHABLE
        if not start:
            lost = _("no engine answers yet: waiting for it")
        elif (code := _started(session)) is not None:
            return code
        else:
            lost = _("starting the engine")
    gc.disable()
    _suit_the_line(os.environ)
    from console.app import Console

    first = question.answer() if question is not None else None
    from console.presentation.signs import signs_for
    from console.settings import settings_of

    settings = settings_of(session)
    console = Console(
        session.socket,
        first,
        lost=lost,
        signs=signs_for(session.environment, session.utf8),
        theme=settings.theme,
        keymap=settings.keys,
    )
    console.spare_the_line()
    return console.run(mouse=settings.mouse) or DONE


def _started(session: Session) -> int | None:
    """Start this user's engine in the background; the exit code where there is none to start."""
    from console import processes
    from console.session import SYSTEM_FOLDER

    if session.folder == SYSTEM_FOLDER:
        session.say(_("The machine's engine is not running: start it with `systemctl start rollcall`."))
        return UNREACHABLE
    if not session.config.is_file():
        session.say(
            _("No engine answers at {socket}, and there is no configuration at {config}.").format(
                socket=session.socket, config=session.config
            )
        )
        session.say(_("Try Rollcall on a simulated school with `rollcall demo`, or write a configuration with "
                      "`rollcall config init`."))  # fmt: skip
        return USAGE
    processes.launch_engine(session)
    return None


def _denied(socket: Path) -> bool:
    try:
        return socket.exists() and not os.access(socket, os.R_OK | os.W_OK)
    except PermissionError:
        return True


def _suit_the_line(environment: os._Environ[str]) -> None:
    """What textual reads from the environment when it is loaded: nothing moves by itself, and over SSH or on
    the Linux console fewer colours, which are fewer bytes."""
    environment.setdefault("TEXTUAL_ANIMATIONS", "none")
    environment.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
    if environment.get("TERM") == "linux":
        environment.setdefault("TEXTUAL_COLOR_SYSTEM", "standard")
    elif any(name in environment for name in _SLOW_LINES):
        environment.setdefault("TEXTUAL_COLOR_SYSTEM", "256")
