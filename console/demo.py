"""`rollcall demo` on a terminal: a simulated school in the background, and the console on it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from console.processes import module_command
from console.session import DONE, FAILED, Session
from engine.words import _

END_SECONDS = 10.0


def play(session: Session, arguments: Sequence[str]) -> int:
    """Begin the school, open the console on its engine, and end the school with it; the exit code."""
    school = subprocess.Popen(
        module_command("connectors", ["demo", "--live", "--json", *arguments]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Ctrl-C in this terminal is for the console.
        start_new_session=True,
    )
    assert school.stdin is not None and school.stdout is not None
    try:
        place = _ready(school.stdout)
        if place is None:
            session.say(_("The simulated school did not begin."))
            return school.wait() or FAILED
        from console.start import open_console

        there = replace(
            session,
            socket=Path(place["socket"]),
            folder=Path(place["folder"]),
            config=Path(place["config"]),
        )
        return open_console(there, start=False)
    except KeyboardInterrupt:
        return DONE
    finally:
        _ended(school, school.stdin)


def _ready(said: IO[bytes]) -> dict[str, str] | None:
    """Where the school's engine answers, once it does; None where it ended first."""
    line = said.readline()
    if not line:
        return None
    place: dict[str, str] = json.loads(line)
    return place


def _ended(school: subprocess.Popen[bytes], stdin: IO[bytes]) -> None:
    """Its end of input tells the school to end, a signal says it again."""
    with contextlib.suppress(OSError):
        stdin.close()
    if school.poll() is None:
        school.send_signal(signal.SIGTERM)
    try:
        school.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        school.kill()
