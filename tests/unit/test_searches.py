"""Searching the log while typing: the newer question stops the older, and nobody else's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.events.event import Logged
from engine.events.grammar import parse
from engine.events.log import EventLog
from engine.events.search import LogReader, Position
from engine.searches import Searches
from engine.service.operations import Refusal

NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EventLog]:
    with EventLog.open(tmp_path / "log.duckdb") as opened:
        opened.append(
            [
                Logged(epoch=1, seq=n, ts=NOW, level="info", kind="run", message=f"line {n}")
                for n in range(1, 501)
            ]
        )
        yield opened


async def test_a_newer_search_of_a_name_stops_the_one_under_way(log: EventLog) -> None:
    executor = ThreadPoolExecutor(2)
    searches = Searches(log, executor)
    begun, go_on = threading.Event(), threading.Event()

    def slow(reader: EventLog | LogReader) -> int:
        begun.set()
        assert go_on.wait(10)
        return len(reader.page(parse("line", now=NOW)).rows)

    older = asyncio.ensure_future(searches.read(("ada", "s"), slow))
    other = asyncio.ensure_future(searches.read(("bea", "s"), slow))
    await asyncio.to_thread(begun.wait, 10)
    executor_free = asyncio.ensure_future(
        searches.read(("ada", "s"), lambda reader: len(reader.page(parse("line", now=NOW), limit=7).rows))
    )
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(Refusal) as refused:
        await older
    assert refused.value.code == "stale"
    assert await other == 200
    assert await executor_free == 7
    executor.shutdown()


async def test_without_a_name_nothing_is_stopped(log: EventLog) -> None:
    searches = Searches(log, ThreadPoolExecutor(2))

    def asked(text: str) -> Awaitable[tuple[int, tuple[int, ...]]]:
        query = parse(text, now=NOW)
        return searches.read(("ada", ""), lambda reader: reader.anchors(query, 200, log.last()))

    answers = await asyncio.gather(asked(""), asked("line"))
    assert list(answers) == [(500, (1, 201, 401))] * 2


def test_a_map_counts_up_to_a_position_and_no_further(tmp_path: Path) -> None:
    with EventLog.open(tmp_path / "log.duckdb") as log:
        rows = [
            Logged(epoch=epoch, seq=n, ts=NOW, level="info", kind="run", message=f"line {n}")
            for epoch, first, last in ((1, 1, 300), (2, 250, 900))
            for n in range(first, last + 1)
        ]
        log.append(rows)
        for text in ("", "line"):
            query = parse(text, now=NOW)
            assert log.anchors(query, 200, Position(2, 700)) == (451, (250, 450, 650))
            assert log.anchors(query, 200, Position(1, 300)) == (300, (1, 201))
            assert log.anchors(query, 200, Position(3, 5)) == (0, ())
            assert log.anchors(query, 200, Position(2, 100)) == (0, ())
