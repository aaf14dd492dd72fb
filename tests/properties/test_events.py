"""The log and its grammar over invented histories: nothing lost, nothing doubled, nothing changed."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.events.event import LEVELS, Logged
from engine.events.export import export
from engine.events.grammar import GrammarError, Query, RecordRef, parse, search_text, unparse
from engine.events.log import EventLog
from engine.events.search import COLUMNS, Position, Segment, matches, ranges
from engine.printable import printable

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOSTILE = (
    "[red]x[/]",
    "\x1b[2J",
    "Zoë ",
    "Ngô Thị",
    "é" * 300,
    "مرحبا بالعالم",
    "a\u202eb",
    "\x9b31m",
    "nul\x00l",
    "lone \ud800 surrogate",
    "'; DROP TABLE event; --",
    "=1+1",
    "@SUM(A1)",
    "line\nbreak",
    '"quoted, cell"',
)
TEXTS = st.one_of(
    st.sampled_from(HOSTILE), st.text(max_size=20), st.sampled_from(["alpha beta", "Gamma", "été"])
)
FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SHORT = st.sampled_from(["", "a", "b", "me", "Lyon Sud", "x,y", '"', "-"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def histories(draw: st.DrawFn, least: int = 0, most: int = 25) -> list[Logged]:
    """Events in log order; the epoch may rise, seq going on from anywhere."""
    rows: list[Logged] = []
    epoch, seq = draw(st.sampled_from([(0, 1), (1, 1), (1, 5000)]))
    for _ in range(draw(st.integers(least, most))):
        if draw(st.integers(0, 14)) == 0:
            epoch, seq = epoch + 1, draw(st.integers(1, 50))
        rows.append(
            Logged(
                epoch=epoch,
                seq=seq,
                ts=START + timedelta(seconds=draw(st.integers(-100, 100))),
                level=draw(st.sampled_from(LEVELS)),
                kind=draw(st.sampled_from(["run", "write", "notice"])),
                message=draw(TEXTS),
                connection=draw(SHORT),
                run_id=draw(SHORT),
                record_kind=draw(st.sampled_from(["", "learner", "sheet"])),
                erp_id=draw(SHORT),
                edusign_id=draw(SHORT),
                actor=draw(SHORT),
                data=draw(st.dictionaries(TEXTS, JSON, max_size=2)),
            )
        )
        seq += 1
    return rows


REFS = st.builds(RecordRef, kind=st.sampled_from(["learner", "speaker", "group", "sheet"]), id=SHORT)
LISTS = st.lists(SHORT, max_size=2, unique=True).map(tuple)
WORDS = st.lists(TEXTS | st.sampled_from(["alpha", "a", "kind:x", "-", '"']), max_size=2).map(tuple)


@st.composite
def queries(draw: st.DrawFn) -> Query:
    since, until = sorted(draw(st.tuples(st.integers(-120, 120), st.integers(-120, 120))))
    shape = draw(st.integers(0, 3))
    return Query(
        words=draw(WORDS),
        excluded=draw(WORDS),
        levels=tuple(draw(st.sets(st.sampled_from(LEVELS), max_size=3))),
        kinds=draw(LISTS | st.just(("run",))),
        not_kinds=draw(LISTS),
        connections=draw(LISTS),
        not_connections=draw(LISTS),
        runs=draw(LISTS),
        not_runs=draw(LISTS),
        actors=draw(LISTS),
        not_actors=draw(LISTS),
        holds=draw(LISTS),
        not_holds=draw(LISTS),
        records=draw(st.lists(REFS, max_size=2, unique=True).map(tuple)),
        not_records=draw(st.lists(REFS, max_size=2, unique=True).map(tuple)),
        since=START + timedelta(seconds=since) if shape & 1 else None,
        until=START + timedelta(seconds=until + 1) if shape & 2 else None,
    )


@st.composite
def narrow_queries(draw: st.DrawFn) -> Query:
    """Queries of one condition or two, so that some rows match and some don't."""
    full = draw(queries())
    fields = draw(st.sets(st.sampled_from(sorted(Query.model_fields)), max_size=2))
    return Query(**{name: getattr(full, name) for name in fields})


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def storable(row: Logged) -> Logged:
    """What the log can give back: UTF-8 has no lone surrogates, so they come back as their escapes."""

    def shown(value: Any) -> Any:
        if isinstance(value, str):
            return value.encode("utf-8", "backslashreplace").decode()
        if isinstance(value, dict):
            return {shown(key): shown(item) for key, item in value.items()}
        return [shown(item) for item in value] if isinstance(value, list) else value

    return row.model_copy(update={"message": shown(row.message), "data": shown(row.data)})


@FEW
@given(
    queries(),
    st.sampled_from(["UTC", "Europe/Paris", "Pacific/Auckland"]),
    st.sampled_from(["", "alice", "me"]),
)
def test_unparse_is_the_inverse_of_parse(query: Query, zone: str, me: str) -> None:
    assert parse(unparse(query), now=START, zone=zone, me=me) == query


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "dupont",
                '"',
                "-",
                "level:",
                "warn+",
                "kind:",
                "learner:",
                ",",
                " ",
                "since:",
                "2d",
                "é",
                "\\",
                "x:",
            ]
        )
        | st.text(max_size=3),
        max_size=8,
    ).map("".join)
)
def test_any_text_parses_or_names_a_column_of_its_own(text: str) -> None:
    try:
        query = parse(text, now=START, me="alice")
    except GrammarError as error:
        assert 1 <= error.column <= len(text) + 1
    else:
        assert parse(unparse(query), now=START) == query


@settings(FEW, max_examples=8)  # reopening is what takes the time
@given(histories(), st.data())
def test_nothing_is_lost_or_doubled_over_batches_redeliveries_and_reopenings(
    rows: list[Logged], data: st.DataObject
) -> None:
    with folder() as home:
        log = EventLog.open(home / "events.duckdb")
        written = 0
        while written < len(rows):
            start = data.draw(st.integers(0, written), "start of the delivery")
            stop = data.draw(st.integers(written, len(rows)), "end of the delivery")
            assert log.append(rows[start:stop]) == stop - written
            written = stop
            if data.draw(st.booleans(), "reopen"):
                log.close()
                log = EventLog.open(home / "events.duckdb")
            assert log.last() == (Position(rows[stop - 1].epoch, rows[stop - 1].seq) if stop else (0, 0))
        page = log.page(Query(), after=(-1, -1), limit=len(rows) + 1)
        log.close()
    assert list(page.rows) == [storable(row) for row in rows]
    assert not page.more


@FEW
@given(histories(least=5), narrow_queries(), st.integers(1, 6), st.booleans())
def test_pages_join_into_exactly_what_matches_in_order(
    rows: list[Logged], query: Query, limit: int, ascending: bool
) -> None:
    with folder() as home, EventLog.open(home / "events.duckdb") as log:
        log.append(rows)
        got: list[Logged] = []
        at: Position | None = Position(-1, -1) if ascending else None
        more = True
        while more:
            page = (
                log.page(query, after=at, limit=limit) if ascending else log.page(query, before=at, limit=limit)
            )
            assert len(page.rows) <= limit
            got += page.rows
            at, more = page.scanned_to, page.more
        count = log.count(query)
    expected = [row for row in map(storable, rows) if matches(query, row)]
    assert got == (expected if ascending else expected[::-1])
    assert count == len(expected)


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 40)), max_size=4),
    st.none() | st.tuples(st.integers(0, 5), st.integers(-1, 90)),
    st.none() | st.tuples(st.integers(0, 5), st.integers(-1, 90)),
    st.booleans(),
    st.integers(1, 20),
)
def test_ranges_cover_every_row_between_once_and_in_order(
    shapes: list[tuple[int, int]],
    after: tuple[int, int] | None,
    before: tuple[int, int] | None,
    ascending: bool,
    first: int,
) -> None:
    segments = [Segment(n, start, start + size - 1) for n, (start, size) in enumerate(shapes, 1)]
    every = [(s.epoch, seq) for s in segments for seq in range(s.first, s.last + 1)]
    wanted = [at for at in every if (after is None or at > after) and (before is None or at < before)]
    covered: list[tuple[int, int]] = []
    for span in ranges(
        segments,
        after=Position(*after) if after else None,
        before=Position(*before) if before else None,
        ascending=ascending,
        first=first,
    ):
        seqs = range(span.first, span.last + 1)
        covered += [(span.epoch, seq) for seq in (seqs if ascending else reversed(seqs))]
    assert covered == (wanted if ascending else wanted[::-1])


@FEW
@given(histories(least=1, most=5), st.data())
def test_an_unaccented_word_of_the_message_finds_its_event(rows: list[Logged], data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(rows))
    words = search_text(row.message).split()[:3]
    with folder() as home, EventLog.open(home / "events.duckdb") as log:
        log.append(rows)
        found = log.page(Query(words=tuple(words))).rows
    assert storable(row) in found


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(least=3), narrow_queries())
def test_exports_hold_what_matches_unchanged_in_json_and_parquet_and_printable_in_csv(
    rows: list[Logged], query: Query
) -> None:
    with folder() as home, EventLog.open(home / "events.duckdb") as log:
        log.append(rows)
        expected = [row for row in map(storable, rows) if matches(query, row)]
        for ending in ("csv", "jsonl", "parquet"):
            assert export(log, query, home / f"out.{ending}") == len(expected)
        lines = (home / "out.jsonl").read_text(encoding="utf-8")
        with (home / "out.csv").open(encoding="utf-8", newline="") as file:
            cells = list(csv.DictReader(file))
        parquet = duckdb.execute(f"SELECT epoch, seq, message, data FROM '{home / 'out.parquet'}'").fetchall()
    assert lines.isascii()
    assert printable(lines.replace("\n", "")) == lines.replace("\n", "")
    assert [Logged.model_validate_json(line) for line in lines.splitlines()] == expected
    assert [(e, s, m, json.loads(d)) for e, s, m, d in parquet] == [
        (row.epoch, row.seq, row.message, row.data) for row in expected
    ]
    assert [cell["message"].removeprefix("'") for cell in cells] == [
        printable(row.message).removeprefix("'") for row in expected
    ]
    for row in cells:
        assert list(row) == list(COLUMNS)
        for cell in row.values():
            assert cell == printable(cell)
            assert not cell.startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_data(text: str) -> None:
    row = Logged(
        epoch=1, seq=1, ts=START, level="info", kind="run", message="x", data={"name": text, text: [text]}
    )
    with folder() as home, EventLog.open(home / "events.duckdb") as log:
        log.append([row])
        assert log.page(Query()).rows == (storable(row),)
        assert log.page(Query(words=(text,))).rows == (storable(row),)
