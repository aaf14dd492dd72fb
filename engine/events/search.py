"""How the log is read: what text a query searches, its SQL condition, the ranges it scans in turn, a reader."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import duckdb

from engine.events.event import Event, Logged
from engine.events.grammar import Query, RecordRef, search_text, storable
from engine.words import _

FOLDED_LIMIT = 4000
"""Characters of an event that search reads; what stands beyond is stored, and not found by words."""

FIRST_RANGE = 50_000
"""Rows of the first range of a filtered scan; each next one is WIDER times as long."""
WIDER = 4
PAGE = 200
"""Rows of a page unless asked otherwise."""

COLUMNS = (
    *("epoch", "seq", "ts", "level", "kind", "connection", "run_id", "record_kind", "erp_id", "edusign_id"),
    *("actor", "message", "data"),
)
"""What a row says, in file order; the file has one more, `folded`, which search reads."""

_SELECT = f"SELECT {', '.join(COLUMNS)} FROM event"


class LogError(Exception):
    """Something about the log; the text is for a person."""


class LogInterrupted(LogError):
    """The read was stopped by `LogReader.interrupt`."""


class Position(NamedTuple):
    """Where an event stands in the log. Positions compare in log order.

    `seq` rises by one within an `epoch`. A restored state store raises the epoch, and may go on from a lower
    seq than the log had reached: seq alone is then no place in the log.
    """

    epoch: int
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """The inverse of `str()`. Raises ValueError."""
        epoch, _dash, seq = text.partition("-")
        return cls(int(epoch), int(seq))


class Segment(NamedTuple):
    """Rows of one epoch: every seq from `first` to `last`."""

    epoch: int
    first: int
    last: int


def end(segments: Sequence[Segment]) -> Position:
    """The position of the newest event; (0, 0) where there is none."""
    return Position(segments[-1].epoch, segments[-1].last) if segments else Position(0, 0)


class Page(NamedTuple):
    """Part of an answer, in the order asked for.

    `scanned_to`: the last position looked at, from which the next page goes on (as its `before`, or its
    `after`). `more`: whether there are rows beyond it, which may or may not match.
    """

    rows: tuple[Logged, ...]
    scanned_to: Position
    more: bool


def searchable(event: Event) -> str:
    """What words are looked for in: message, record ids, actor and the values of `data`, as `search_text`.

    Each stands on a line of its own, so that no phrase matches across two. Bounded by FOLDED_LIMIT.
    """
    lines: list[str] = []
    room = FOLDED_LIMIT
    for text in _texts(event):
        line = search_text(text[:room])
        if line:
            lines.append(line)
            room -= len(line) + 1
        if room <= 0:
            break
    return "\n".join(lines)[:FOLDED_LIMIT]


def _texts(event: Event) -> Iterator[str]:
    yield from (event.message, event.erp_id, event.edusign_id, event.actor)
    yield from _leaves(event.data)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _leaves(item)
    elif value is not None:
        yield str(value)


def matches(query: Query, event: Logged) -> bool:
    """Whether `query` asks for `event`; what `condition` says in SQL, for an event in hand."""
    if query.levels and event.level not in query.levels:
        return False
    for wanted, unwanted, value in (
        (query.kinds, query.not_kinds, event.kind),
        (query.connections, query.not_connections, event.connection),
        (query.runs, query.not_runs, event.run_id),
        (query.actors, query.not_actors, event.actor),
        (query.holds, query.not_holds, _hold_of(event)),
    ):
        if (wanted and value not in wanted) or value in unwanted:
            return False
    if query.records and not any(_is_about(event, ref) for ref in query.records):
        return False
    if any(_is_about(event, ref) for ref in query.not_records):
        return False
    if (query.since and event.ts < query.since) or (query.until and event.ts >= query.until):
        return False
    text = searchable(event) if query.words or query.excluded else ""
    return all(word in text for word in query.words) and not any(word in text for word in query.excluded)


def _hold_of(event: Event) -> str:
    """The item an event tells of, "" for none."""
    item = event.data.get("item")
    return item if isinstance(item, str) else ""


def _is_about(event: Event, ref: RecordRef) -> bool:
    return event.record_kind == ref.kind and ref.id in ("", event.erp_id, event.edusign_id)


def condition(query: Query) -> tuple[str, list[Any]]:
    """A SQL condition for `query` and its parameters; ("", []) where it asks nothing.

    Filters first, then text: contains() is the dear part, and reads only the rows that are left.
    """
    clauses: list[str] = []
    values: list[Any] = []

    def add(clause: str, *given: Any) -> None:
        clauses.append(clause)
        values.extend(given)

    if query.since:
        add("ts >= ?", query.since.replace(tzinfo=None))
    if query.until:
        add("ts < ?", query.until.replace(tzinfo=None))
    for column, wanted, unwanted in (
        ("level", query.levels, ()),
        ("kind", query.kinds, query.not_kinds),
        ("connection", query.connections, query.not_connections),
        ("run_id", query.runs, query.not_runs),
        ("actor", query.actors, query.not_actors),
        ("coalesce(json_extract_string(data, '$.item'), '')", query.holds, query.not_holds),
    ):
        if wanted:
            add(f"{column} IN ({_marks(wanted)})", *map(storable, wanted))
        if unwanted:
            add(f"{column} NOT IN ({_marks(unwanted)})", *map(storable, unwanted))
    for opening, refs in (("(", query.records), ("NOT (", query.not_records)):
        if refs:
            sql, given = _about(refs)
            add(f"{opening}{sql})", *given)
    for word in query.words:
        add("contains(folded, ?)", word)
    for word in query.excluded:
        add("NOT contains(folded, ?)", word)
    return " AND ".join(clauses), values


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _about(refs: Iterable[RecordRef]) -> tuple[str, list[str]]:
    clauses: list[str] = []
    values: list[str] = []
    for ref in refs:
        if ref.id:
            clauses.append("(record_kind = ? AND (erp_id = ? OR edusign_id = ?))")
            values += [ref.kind, storable(ref.id), storable(ref.id)]
        else:
            clauses.append("record_kind = ?")
            values.append(ref.kind)
    return " OR ".join(clauses), values


def ranges(
    segments: Sequence[Segment],
    *,
    after: Position | None = None,
    before: Position | None = None,
    ascending: bool = False,
    first: int = FIRST_RANGE,
) -> Iterator[Segment]:
    """The rows strictly between `after` and `before`, cut into widening ranges in the order of reading.

    The newest (or, ascending, oldest) range comes first and is short, so that a page that fills from it costs
    little however long the log.
    """
    width = first
    for segment in segments if ascending else reversed(segments):
        low, high = segment.first, segment.last
        if after is not None and after.epoch >= segment.epoch:
            low = max(low, after.seq + 1) if after.epoch == segment.epoch else high + 1
        if before is not None and before.epoch <= segment.epoch:
            high = min(high, before.seq - 1) if before.epoch == segment.epoch else low - 1
        while low <= high:
            if ascending:
                end = min(high, low + width - 1)
                yield Segment(segment.epoch, low, end)
                low = end + 1
            else:
                start = max(low, high - width + 1)
                yield Segment(segment.epoch, start, high)
                high = start - 1
            width *= WIDER


class LogReader:
    """One read at a time, on a connection of its own. `interrupt` comes from any thread, and is for good."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, segments: Callable[[], tuple[Segment, ...]]) -> None:
        """For `EventLog.reader` only. `segments` tells what the log holds at the time."""
        self._segments = segments
        self._cursor = cursor
        self._reading = threading.Lock()
        self._stopped = threading.Event()

    def interrupt(self) -> None:
        """Stop the read under way, which then raises LogInterrupted; so does each later one."""
        self._stopped.set()
        with suppress(duckdb.Error):
            self._cursor.interrupt()

    def close(self) -> None:
        """Stop what runs and let go of the connection."""
        self.interrupt()
        with self._reading, suppress(duckdb.Error):
            self._cursor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def page(
        self,
        query: Query,
        *,
        before: tuple[int, int] | None = None,
        after: tuple[int, int] | None = None,
        limit: int = PAGE,
    ) -> Page:
        """Up to `limit` events that `query` asks for, newest first; oldest first where `after` is given.

        Only positions strictly between `after` and `before` are looked at. A follower asks again with
        `after=page.scanned_to`. Raises LogInterrupted, LogError.
        """
        ascending = after is not None
        low = Position(*after) if after is not None else None
        high = Position(*before) if before is not None else None
        where, values = condition(query)
        sql = (
            f"{_SELECT} WHERE epoch = ? AND seq BETWEEN ? AND ?{' AND ' + where if where else ''}"
            f" ORDER BY seq {'ASC' if ascending else 'DESC'} LIMIT ?"
        )
        rows: list[Logged] = []
        segments = self._segments()
        scanned = (low if ascending else high) or end(segments)
        # Rows are dense: without a condition a page is a range, no longer than itself.
        first = FIRST_RANGE if where else limit + 1
        spans = ranges(segments, after=low, before=high, ascending=ascending, first=first)
        for span in spans:
            want = limit - len(rows)
            if want <= 0:
                return Page(tuple(rows), scanned, True)
            # One more than wanted tells whether this range has further rows.
            found = self._run(sql, [span.epoch, span.first, span.last, *values, want + 1])
            rows += [_logged(row) for row in found[:want]]
            if len(found) > want:
                return Page(tuple(rows), Position(rows[-1].epoch, rows[-1].seq), True)
            scanned = Position(span.epoch, span.last if ascending else span.first)
        return Page(tuple(rows), scanned, False)

    def count(self, query: Query) -> int:
        """How many events `query` asks for. Raises LogInterrupted, LogError."""
        where, values = condition(query)
        [(count,)] = self._run(f"SELECT count(*) FROM event{' WHERE ' + where if where else ''}", values)
        return int(count)

    def anchors(self, query: Query, page: int, until: Position) -> tuple[int, tuple[int, ...]]:
        """How many events of the epoch of `until`, up to it, `query` asks for, and the seq of every `page`-th
        of them, oldest first.

        Without a condition nothing is read: an epoch's rows are dense. Raises LogInterrupted, LogError.
        """
        where, values = condition(query)
        if not where:
            return _dense([one for one in self._segments() if one.epoch == until.epoch], page, until.seq)
        [(count, anchors)] = self._run(
            "SELECT count(*), list(seq ORDER BY seq) FILTER (WHERE (number - 1) % ? = 0) FROM (SELECT seq,"
            " row_number() OVER (ORDER BY seq) AS number FROM event"
            f" WHERE epoch = ? AND seq <= ? AND {where})",
            [page, until.epoch, until.seq, *values],
        )
        return int(count), tuple(anchors or ())

    def copy_parquet(self, query: Query, target: Path, until: Position) -> int:
        """Write the events that `query` asks for, up to `until`, to `target` as Parquet, oldest first.

        `target` is overwritten in place. Returns the rows written. Raises LogInterrupted, LogError.
        """
        where, values = condition(query)
        # No ORDER BY: rows come in the order of their insertion, and a sort of the whole log would spill.
        quoted = str(target).replace("'", "''")
        [(count,)] = self._run(
            f"COPY ({_SELECT} WHERE (epoch < ? OR (epoch = ? AND seq <= ?)){' AND ' + where if where else ''}"
            f") TO '{quoted}' (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)",
            [until.epoch, until.epoch, until.seq, *values],
        )
        return int(count)

    def _run(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """All rows of a statement: an open result would hold the connection."""
        with self._reading:
            if self._stopped.is_set():
                raise LogInterrupted(_("the search was stopped"))
            try:
                rows = self._cursor.execute(sql, values).fetchall()
            except duckdb.Error as error:
                if self._stopped.is_set():
                    raise LogInterrupted(_("the search was stopped")) from error
                raise LogError(_("the event log cannot be read: {error}").format(error=error)) from error
        if self._stopped.is_set():
            raise LogInterrupted(_("the search was stopped"))
        return rows


def _dense(segments: Sequence[Segment], page: int, until: int) -> tuple[int, tuple[int, ...]]:
    """Anchors of all rows of some segments up to a seq."""
    anchors: list[int] = []
    number = 0
    for one in segments:
        first, last = one.first + (-number) % page, min(one.last, until)
        anchors += range(first, last + 1, page)
        number += max(last - one.first + 1, 0)
    return number, tuple(anchors)


def _logged(row: tuple[Any, ...]) -> Logged:
    values: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    values["ts"] = values["ts"].replace(tzinfo=UTC)
    values["data"] = json.loads(values["data"])
    return Logged(**values)
