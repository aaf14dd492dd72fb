"""Other rooms as processes: the engine in the background, the demo and the simulators in this one's place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from console.session import DONE, FAILED, UNREACHABLE, USAGE, Session
from engine.printable import printable
from engine.words import _

LOG_NAME = "engine.log"
PAUSE_SECONDS = 0.1
START_PAUSES = 300
STOP_PAUSES = 600
_LOG_LINES_SHOWN = 5


def module_command(module: str, arguments: Sequence[str]) -> list[str]:
    """The command that runs `module` of this installation (-P: never its namesake in the current folder)."""
    return [sys.executable, "-P", "-m", module, *arguments]


def become(module: str, arguments: Sequence[str]) -> NoReturn:
    """Run `module` in this process's place: its terminal, signals and exit code are this one's."""
    sys.stdout.flush()
    sys.stderr.flush()
    command = module_command(module, arguments)
    os.execv(command[0], command)


def carried_out(module: str, arguments: Sequence[str]) -> int:
    """Run `module` to its end; its exit code, or 1 if a signal ended it."""
    sys.stdout.flush()
    sys.stderr.flush()
    code = subprocess.call(module_command(module, arguments))
    return code if code >= 0 else FAILED


def said(module: str, arguments: Sequence[str]) -> tuple[int, bytes]:
    """Run `module` to its end; its exit code, and what it wrote to standard output."""
    sys.stderr.flush()
    done = subprocess.run(module_command(module, arguments), stdout=subprocess.PIPE, check=False)
    return (done.returncode if done.returncode >= 0 else FAILED), done.stdout


def engine_place(session: Session) -> list[str]:
    """The options that tell the engine where it lives."""
    return ["--config", str(session.config), "--folder", str(session.folder)]


def start_engine(
    session: Session, answering: Callable[[], bool], wait: Callable[[float], None] = time.sleep
) -> int:
    """Start the engine in the background and return once it answers; the exit code.

    What it writes goes to `engine.log` in its folder. It has its own session, so that closing this terminal
    does not reach it.
    """
    if answering():
        session.say(_("An engine is running already at {socket}.").format(socket=session.socket))
        return DONE
    if not session.config.is_file():
        session.say(
            _("There is no configuration at {config}. Write one with `rollcall config init`.").format(
                config=session.config
            )
        )
        return USAGE
    process, log, before = launch_engine(session)
    for _pause in range(START_PAUSES):
        if answering():
            session.say(
                _("The engine runs as process {pid}; it logs to {log}.").format(pid=process.pid, log=log)
            )
            return DONE
        if (code := process.poll()) is not None:
            return _died(session, log, before, code)
        wait(PAUSE_SECONDS)
    session.say(
        _("The engine (process {pid}) does not answer yet: see {log}.").format(pid=process.pid, log=log)
    )
    return UNREACHABLE


def launch_engine(session: Session) -> tuple[subprocess.Popen[bytes], Path, int]:
    """Start the engine in the background; its process, its log, and how long that was before."""
    session.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = session.folder / LOG_NAME
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        process = subprocess.Popen(
            module_command("engine", ["serve", *engine_place(session)]),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            cwd=session.folder,
        )
    finally:
        os.close(descriptor)
    return process, log, before


def _died(session: Session, log: Path, before: int, code: int) -> int:
    """Say what the engine said before it ended; its exit code, or 1 if a signal ended it."""
    with log.open("rb") as written:
        written.seek(before)
        lines = written.read().decode("utf-8", "replace").splitlines()
    for line in lines[-_LOG_LINES_SHOWN:]:
        session.say(printable(line))
    session.say(_("The engine ended at once; all it said is in {log}.").format(log=log))
    return code if code > 0 else FAILED


def stop_engine(
    session: Session, pid: int, answering: Callable[[], bool], wait: Callable[[float], None] = time.sleep
) -> int:
    """End the engine that answered as process `pid` and return once it has gone; the exit code."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    except PermissionError:
        session.say(
            _(
                "The engine (process {pid}) is another user's: where systemd runs it, "
                "use `systemctl stop rollcall`."
            ).format(pid=pid)
        )
        return FAILED
    for _pause in range(STOP_PAUSES):
        if not alive(pid) and not answering():
            session.say(_("The engine (process {pid}) has stopped.").format(pid=pid))
            return DONE
        wait(PAUSE_SECONDS)
    session.say(_("The engine (process {pid}) is still ending; look again later.").format(pid=pid))
    return FAILED


def alive(pid: int) -> bool:
    """Whether a process still runs; one that has ended and waits for its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in ("Z", "X")
