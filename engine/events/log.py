"""The event log: one DuckDB file that this process alone owns, appended to and searched, never changed.

The table has no key, no index and is never updated: index faults in DuckDB after a crash are what would lose
a log. Order and uniqueness come from `append` instead, which takes rows only in dense order.

**Positions.** The outbox numbers events with a `seq` that rises by one. A state store restored from a backup
goes on from a lower seq than the log has reached; the restore therefore raises the `epoch`, a new segment
begins at whatever seq comes first, and from then on it is dense again. A place in the log is the pair
(`Position`), pages are cut by it, and nothing before a restore is rewritten or hidden by what comes after.

**Threads.** A DuckDB connection gives wrong rows when two threads share it. Each thread that calls `page` or
`count` on the log has a reader of its own; a read that another thread may want to stop takes one of its own
with `reader()`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self
from weakref import WeakSet

import duckdb
from pydantic_core import PydanticSerializationError, to_json

from engine.events.event import Logged
from engine.events.grammar import Query, RecordRef, storable
from engine.events.search import PAGE, LogError, LogReader, Page, Position, Segment, end, searchable
from engine.records import Kind
from engine.words import _

FORMAT = 1
"""Version of the file's tables; a file of a later one is not opened."""
# ts is UTC in a column without zone: reading one with a zone would need pytz.
_TABLES = (
    "CREATE TABLE event (epoch INTEGER, seq BIGINT, ts TIMESTAMP, level VARCHAR, kind VARCHAR,"
    " connection VARCHAR, run_id VARCHAR, record_kind VARCHAR, erp_id VARCHAR, edusign_id VARCHAR,"
    " actor VARCHAR, message VARCHAR, data VARCHAR, folded VARCHAR)",
    f"CREATE TABLE event_format AS SELECT {FORMAT} AS version",
)
_HOLDER = re.compile(r"\(PID (\d+)\)")


class LogHeld(LogError):
    """The file is open in another process (or already in this one). `pid` is None where it isn't told."""

    def __init__(self, path: Path, pid: int | None = None) -> None:
        held = _("the event log {path} is held by process {pid}") if pid else _("the event log {path} is held")
        super().__init__(held.format(path=path, pid=pid))
        self.path = path
        self.pid = pid


class LogUnreadable(LogError):
    """The file is no log, is damaged, or was written by a later version; `reason` is DuckDB's or ours."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(_("the event log {path} cannot be used: {reason}").format(path=path, reason=reason))
        self.path = path
        self.reason = reason


class LogGap(LogError):
    """Rows that do not follow the last one; nothing of their batch was written."""

    _said = _("event {came} does not follow: {expected} is next in the log")

    def __init__(self, expected: Position, came: Position) -> None:
        super().__init__(self._said.format(expected=expected, came=came))
        self.expected = expected
        self.came = came


class LogForked(LogGap):
    """A row at a position where the log holds another event: the state was restored, the epoch not raised.

    `expected` is the last position of the log.
    """

    _said = _("the log holds another event at {came}: the state was restored without a new epoch")


class EventLog:
    """The log. `append` may be called by any thread, one at a time; reads by any threads at once.

    Nothing here is async: callers on an event loop hand the calls to an executor.
    """

    # One log per file in a process: two would each number the rows.
    _open: ClassVar[set[Path]] = set()
    _opening = threading.Lock()

    def __init__(self, path: Path, root: duckdb.DuckDBPyConnection) -> None:
        """For `open` only."""
        self.path = path
        # Never runs a statement: cursors are taken from it while others run theirs.
        self._root = root
        self._writer = root.cursor()
        self._writing = threading.Lock()
        self._local = threading.local()
        self._readers: WeakSet[LogReader] = WeakSet()
        self._enrolling = threading.Lock()
        self._segments: tuple[Segment, ...] = ()
        # False while a commit may or may not have taken effect: then the file is asked again.
        self._certain = True
        self._closed = False

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open the log at `path`, making it (mode 0600, its folder 0700) unless `read_only`.

        `read_only` is for reading with no engine running: DuckDB gives it nothing while a writer lives.
        Raises LogHeld, LogUnreadable, and FileNotFoundError for a missing file opened read-only.
        """
        path = path.absolute()
        if read_only and not path.exists():
            raise FileNotFoundError(path)
        if not read_only:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.exists() and path.stat().st_size == 0:
                path.unlink()  # killed between making the file and its first write; DuckDB refuses it
        resolved = path.resolve()
        with cls._opening:
            if resolved in cls._open:
                raise LogHeld(path)
            root = _connect(path, read_only)
            cls._open.add(resolved)
        log = cls(path, root)
        try:
            log._prepare(read_only)
            if not read_only:
                path.chmod(0o600)
        except BaseException:
            log.close()
            raise
        return log

    def _prepare(self, read_only: bool) -> None:
        try:
            tables = {name for (name,) in self._writer.execute("SHOW TABLES").fetchall()}
            if not tables and not read_only:
                with _Transaction(self._writer):
                    for table in _TABLES:
                        self._writer.execute(table)
                tables = {"event", "event_format"}
            if not {"event", "event_format"} <= tables:
                raise LogUnreadable(self.path, _("it holds no event log"))
            for (version,) in self._writer.execute("SELECT version FROM event_format").fetchall():
                if version > FORMAT:
                    raise LogUnreadable(self.path, _("a later version of Rollcall wrote it"))
            self._read_segments()
        except duckdb.Error as error:
            raise LogUnreadable(self.path, str(error)) from error

    def close(self) -> None:
        """Stop what runs and let go of the file. Closing twice is fine."""
        with self._enrolling:
            readers = list(self._readers)
        for reader in readers:
            reader.close()
        with self._writing, self._opening:
            with suppress(duckdb.Error):
                self._writer.close()
            with suppress(duckdb.Error):
                self._root.close()
            if not self._closed:
                self._open.discard(self.path.resolve())
            self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, rows: Sequence[Logged]) -> int:
        """Write `rows` durably, all or none, and say how many were new.

        Rows the log already holds are skipped, so that a delivery cut off by a crash is simply repeated. The
        rest must follow: the next seq of the last epoch and each one more, or the beginning of a higher
        epoch. An empty log takes any beginning. Raises LogGap; LogForked where a row already held is another
        event than the one given; LogError where the disk refuses, nothing having been written.
        """
        with self._writing:
            try:
                if not self._certain:
                    self._read_segments()
                fresh, grown = self._fresh(rows)
                if fresh:
                    self._certain = False
                    with _Transaction(self._writer), self._writer.appender("event") as appender:
                        appender.append_rows([_stored(row) for row in fresh])
                    self._segments, self._certain = grown, True
            except duckdb.Error as error:
                raise LogError(_("the event log cannot be written: {error}").format(error=error)) from error
        return len(fresh)

    def last(self) -> Position:
        """The position of the newest event; (0, 0) of an empty log."""
        return end(self._segments)

    def segments(self) -> tuple[Segment, ...]:
        """What the log holds, oldest epoch first."""
        return self._segments

    def reader(self) -> LogReader:
        """A reader of its own, which another thread may interrupt. Close it, or let it go."""
        try:
            reader = LogReader(self._root.cursor(), self.segments)
        except duckdb.Error as error:
            raise LogError(_("the event log {path} is closed").format(path=self.path)) from error
        with self._enrolling:
            self._readers.add(reader)
        return reader

    def page(
        self,
        query: Query,
        *,
        before: tuple[int, int] | None = None,
        after: tuple[int, int] | None = None,
        limit: int = PAGE,
    ) -> Page:
        """`LogReader.page`, by this thread's own reader."""
        return self._mine().page(query, before=before, after=after, limit=limit)

    def count(self, query: Query) -> int:
        """`LogReader.count`, by this thread's own reader."""
        return self._mine().count(query)

    def anchors(self, query: Query, page: int, until: Position) -> tuple[int, tuple[int, ...]]:
        """`LogReader.anchors`, by this thread's own reader."""
        return self._mine().anchors(query, page, until)

    def record_history(
        self,
        kind: Kind,
        *,
        erp_id: str = "",
        edusign_id: str = "",
        before: tuple[int, int] | None = None,
        limit: int = PAGE,
    ) -> Page:
        """Events about one record, known by either id or both, newest first. Raises ValueError without any."""
        records = tuple(RecordRef(kind=kind, id=id_) for id_ in (erp_id, edusign_id) if id_)
        if not records:
            raise ValueError("an id is needed")
        return self.page(Query(records=records), before=before, limit=limit)

    def _mine(self) -> LogReader:
        reader: LogReader | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = self.reader()
        return reader

    def _read_segments(self) -> None:
        found = self._writer.execute(
            "SELECT epoch, min(seq), max(seq) FROM event GROUP BY epoch ORDER BY epoch"
        )
        self._segments = tuple(Segment(*row) for row in found.fetchall())
        self._certain = True

    def _fresh(self, rows: Sequence[Logged]) -> tuple[list[Logged], tuple[Segment, ...]]:
        """Those of `rows` to write, and the segments once they are. Raises LogGap, LogForked."""
        held: dict[int, list[Logged]] = {}
        fresh: list[Logged] = []
        grown = list(self._segments)
        known = {segment.epoch: segment for segment in grown}
        for row in rows:
            segment = known.get(row.epoch)
            if segment and segment.first <= row.seq <= segment.last and not fresh:
                held.setdefault(row.epoch, []).append(row)
                continue
            if not grown or row.epoch > grown[-1].epoch:
                grown.append(Segment(row.epoch, row.seq, row.seq))
            elif row.epoch == grown[-1].epoch and row.seq == grown[-1].last + 1:
                grown[-1] = grown[-1]._replace(last=row.seq)
            else:
                due = end(grown)._replace(seq=grown[-1].last + 1)
                raise LogGap(due, Position(row.epoch, row.seq))
            fresh.append(row)
        for epoch, again in held.items():
            self._same(epoch, again)
        return fresh, tuple(grown)

    def _same(self, epoch: int, rows: Sequence[Logged]) -> None:
        """Raise LogForked unless the log holds these very events of `epoch`."""
        seqs = [row.seq for row in rows]
        found = self._writer.execute(
            "SELECT seq, ts, message FROM event WHERE epoch = ? AND seq BETWEEN ? AND ?",
            [epoch, min(seqs), max(seqs)],
        ).fetchall()
        stored = {seq: (ts, message) for seq, ts, message in found}
        for row in rows:
            if stored.get(row.seq) != (_naive(row), storable(row.message)):
                raise LogForked(self.last(), Position(epoch, row.seq))


class _Transaction:
    """BEGIN, then COMMIT, or ROLLBACK on any error."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._connection.commit()
                return
        except duckdb.Error:
            self._undo()
            raise
        self._undo()

    def _undo(self) -> None:
        with suppress(duckdb.Error):  # already rolled back
            self._connection.rollback()


def _connect(path: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(
            str(path),
            read_only=read_only,
            config={
                # By default DuckDB asks its vendor's host for extensions, and hangs where it is not reached.
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "memory_limit": "512MB",
                "threads": 2,
                "temp_directory": str(path) + ".tmp",
                "wal_autocheckpoint": "1MB",
            },
        )
    except duckdb.Error as error:
        said = str(error)
        if "Could not set lock" in said:
            holder = _HOLDER.search(said)
            raise LogHeld(path, int(holder[1]) if holder else None) from error
        raise LogUnreadable(path, said) from error


def _naive(row: Logged) -> datetime:
    return row.ts.astimezone(UTC).replace(tzinfo=None)


def _stored(row: Logged) -> tuple[Any, ...]:
    return (
        row.epoch,
        row.seq,
        _naive(row),
        row.level,
        storable(row.kind),
        storable(row.connection),
        storable(row.run_id),
        storable(row.record_kind),
        storable(row.erp_id),
        storable(row.edusign_id),
        storable(row.actor),
        storable(row.message),
        _json(row.data),
        searchable(row),
    )


def _json(data: dict[str, Any]) -> str:
    """`data` as JSON that any parser reads: no NaN, no lone surrogates."""
    if not data:
        return "{}"
    try:
        return to_json(data, inf_nan_mode="null", fallback=str).decode()
    except PydanticSerializationError:
        return to_json(_encodable(data), inf_nan_mode="null", fallback=str).decode()


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(str(key)): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value
