"""Part of the log as a file: CSV for spreadsheets, JSON lines for scripts, Parquet for analysis.

JSON lines and Parquet carry every value unchanged (JSON with all but ASCII escaped, so that the file can be
shown in a terminal). CSV is for eyes and spreadsheets: cells are made printable, and none begins a formula.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Literal, TypeAlias

from engine.events.event import Logged
from engine.events.grammar import Query
from engine.events.log import EventLog
from engine.events.search import COLUMNS, LogReader, Position
from engine.ports import Progress
from engine.printable import printable
from engine.records import plain
from engine.words import _

Format: TypeAlias = Literal["csv", "jsonl", "parquet"]

_ROWS = 5000  # per page: few statements, little memory


def format_of(path: Path) -> Format:
    """The format that a file's name asks for. Raises ValueError, for a person, on any other ending."""
    formats: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
    try:
        return formats[path.suffix.lower()]
    except KeyError:
        raise ValueError(
            _("{name}: the name must end in {endings}").format(name=path.name, endings=", ".join(formats))
        ) from None


def export(
    log: EventLog, query: Query, path: Path, format: Format | None = None, *, progress: Progress | None = None
) -> int:
    """Write the events that `query` asks for, oldest first, to `path`; return how many.

    What is appended meanwhile is left out. The file (mode 0600) appears at `path` complete or not at all,
    replacing one that was there; an error raised by `progress` stops the work. `format` None: by the name.
    Raises ValueError for an unknown ending, OSError, LogError.
    """
    chosen = format or format_of(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
    part = Path(name)
    try:
        os.close(handle)
        with log.reader() as reader:
            if chosen == "parquet":
                count = reader.copy_parquet(query, part, log.last())
            else:
                with part.open("w", encoding="utf-8", newline="") as file:
                    count = _WRITERS[chosen](file, _pages(reader, query, log.last(), progress))
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if progress is not None:
        progress(_("events"), count, count)
    return count


def csv_cell(value: object) -> str:
    """`value` as a CSV cell: printable, and with an apostrophe before what a spreadsheet would compute."""
    text = printable(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _pages(
    reader: LogReader, query: Query, last: Position, progress: Progress | None
) -> Iterator[tuple[Logged, ...]]:
    after, beyond, more, count = Position(-1, -1), (last.epoch, last.seq + 1), True, 0
    while more:
        rows, after, more = reader.page(query, after=after, before=beyond, limit=_ROWS)
        yield rows
        count += len(rows)
        if progress is not None and more:
            progress(_("events"), count, None)


def _write_csv(file: IO[str], pages: Iterator[tuple[Logged, ...]]) -> int:
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    count = 0
    for rows in pages:
        for row in rows:
            data = json.dumps(row.data, ensure_ascii=False) if row.data else ""
            values = {**row.model_dump(), "ts": plain(row.ts), "data": data}
            writer.writerow([csv_cell(values[column]) for column in COLUMNS])
        count += len(rows)
    return count


def _write_jsonl(file: IO[str], pages: Iterator[tuple[Logged, ...]]) -> int:
    count = 0
    for rows in pages:
        for row in rows:
            values = {**row.model_dump(), "ts": plain(row.ts)}
            file.write(json.dumps({column: values[column] for column in COLUMNS}) + "\n")
        count += len(rows)
    return count


_WRITERS: dict[str, Callable[[IO[str], Iterator[tuple[Logged, ...]]], int]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
}
