"""What the Events screen shows as a file on this machine: asked where, never over another file unasked."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from console.presentation import events as words
from console.screens.question import NO, YES, Answer, Question
from engine.printable import printable
from engine.words import _

if TYPE_CHECKING:
    from console.app import Console
    from console.engine_client import EngineClient


class Stopped(Exception):
    """The console is going."""


def export(console: Console, query: str, said: str, count: int) -> None:
    """Ask for a file's name and write the events of `query` there. `said`: the filter as it was typed."""
    title, lines = words.export_asked(count, said)
    now = console.now()
    start = f"events-{now.astimezone(console.zone):%Y-%m-%d}.csv" if now is not None else "events.csv"

    def named(name: str | None) -> None:
        if not name or not name.strip():
            return
        path = Path(name.strip()).expanduser().absolute()
        if path.suffix.lower().removeprefix(".") not in words.FORMATS:
            console.say(_("The name must end in .csv, .jsonl or .parquet."), "warn")
        elif path.is_dir() or not path.parent.is_dir():
            console.say(_("{path} is no folder.").format(path=path.parent), "warn")
        elif path.exists():
            console.push_screen(Question(*words.exists(path), (YES, NO)), lambda yes: overwrite(path, yes))
        else:
            _write(console, query, said, path, replace=False)

    def overwrite(path: Path, yes: str | None) -> None:
        if yes:
            _write(console, query, said, path, replace=True)

    console.push_screen(Question(title, lines, ask=_("the file's name"), start=start), named)


def _write(console: Console, query: str, said: str, path: Path, *, replace: bool) -> None:
    def done(answer: int | str) -> None:
        console.silence()
        if isinstance(answer, str):
            console.say(answer, "bad")
            return
        console.push_screen(Question(*words.exported(answer, path, said), (Answer("o", _("good"), ""),)))

    console.say(_("Writing {path} …").format(path=path))
    console.ask(lambda engine: written(engine, query, path, replace=replace), done, group="export")


def written(engine: EngineClient, query: str, path: Path, *, replace: bool) -> int | str:
    """Write the events of a query to `path` (mode 0600), whole or not at all; how many, or why not.

    Without `replace` a file that is there stays as it is. Raises what EngineClient.export raises.
    """
    format = path.suffix.lower().removeprefix(".")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)  # made with mode 0600
    except OSError as error:
        return _refused(path, error)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            rows = engine.export(query, format, cast(BinaryIO, _Heeding(file)))
            file.flush()
            os.fsync(file.fileno())
        if replace:
            part.replace(path)
        else:
            _appear(part, path)
    except OSError as error:
        return _refused(path, error)
    finally:
        part.unlink(missing_ok=True)
    return rows


def _appear(part: Path, path: Path) -> None:
    """Give a finished file its name; FileExistsError where something else has taken it meanwhile."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        part.replace(path)


class _Heeding:
    """A file that is written no further once the console goes: nobody waits for what nobody reads."""

    def __init__(self, file: BinaryIO) -> None:
        from textual.worker import NoActiveWorker, get_current_worker

        self._file = file
        self._worker = None
        with contextlib.suppress(NoActiveWorker):
            self._worker = get_current_worker()

    def write(self, content: bytes) -> int:
        if self._worker is not None and self._worker.is_cancelled:
            raise Stopped
        return self._file.write(content)


def _refused(path: Path, error: OSError) -> str:
    if isinstance(error, FileExistsError):
        return _("{path} is there already; nothing was written.").format(path=printable(path))
    return _("{path} was not written: {why}").format(path=printable(path), why=error.strerror or error)
