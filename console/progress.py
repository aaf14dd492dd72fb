"""Progress of long work on a terminal: one line, rewritten; whole lines where that is not wanted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from console.engine_client import EngineClient, EngineRefused, EngineUnreachable
from console.presentation.columns import cut
from console.presentation.progress import progress_line
from console.session import Session
from engine.clock import Clock, SystemClock
from engine.service.models import ProgressView

T = TypeVar("T")
POLL_SECONDS = 0.5


class ProgressDisplay:
    """Shows lines on stderr while work goes on, only if that is a terminal.

    With NO_COLOR set or TERM=dumb nothing is rewritten: a line is printed as each step begins.
    """

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self.on = session.err.isatty()
        environment = session.environment
        self._plain = bool(environment.get("NO_COLOR")) or environment.get("TERM", "dumb") in ("", "dumb")
        self._step: str | None = None
        self._began = 0.0
        self._drawn = False

    def show(self, subject: str, progress: ProgressView | None) -> None:
        """Say how far `subject` is."""
        step = "" if progress is None else progress.what
        new = step != self._step
        if new:
            self._step, self._began = step, self._clock.monotonic()
        line = progress_line(subject, progress, self._clock.monotonic() - self._began)
        if not self._plain:
            width = (self._session.width or 80) - 1
            self._session.err.write(f"\r\x1b[K{cut(line, width)}")
            self._session.err.flush()
            self._drawn = True
        elif new and progress is not None:
            self._session.say(line)

    def end(self) -> None:
        """Take the line away."""
        if self._drawn:
            self._session.err.write("\r\x1b[K")
            self._session.err.flush()
            self._drawn = False


def with_progress(
    session: Session,
    client: EngineClient,
    connection: str,
    work: Callable[[], T],
    clock: Clock | None = None,
) -> T:
    """What `work` returns or raises, its connection's progress shown meanwhile ("" for any connection)."""
    display = ProgressDisplay(session, clock or SystemClock())
    if not display.on:
        return work()
    done = threading.Event()
    results: list[T] = []
    errors: list[BaseException] = []

    def carry_out() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    # A daemon: on an interrupt the command ends, and the engine goes on by itself.
    threading.Thread(target=carry_out, daemon=True).start()
    try:
        while not done.wait(POLL_SECONDS):
            try:
                status = client.status()
            except (EngineRefused, EngineUnreachable):
                continue
            for view in status.connections:
                if view.running is not None and connection in ("", view.name):
                    display.show(view.name, view.running.progress)
                    break
    finally:
        display.end()
    if errors:
        raise errors[0]
    return results[0]
