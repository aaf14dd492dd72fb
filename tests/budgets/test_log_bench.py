"""What a search of a log of a million events costs: medians, in milliseconds."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import pytest

from engine.events.grammar import Query, parse
from engine.events.log import EventLog
from tests.budgets.million import NOW

PASSES = 15


@pytest.fixture(scope="module")
def log(million_events: Path) -> Iterator[EventLog]:
    began = perf_counter()
    with EventLog.open(million_events) as opened:
        size = million_events.stat().st_size / 1e6
        print(f"reopened in {(perf_counter() - began) * 1000:.0f} ms, {size:.0f} MB")
        yield opened


def _median(log: EventLog, query: Query, least: int) -> float:
    took = []
    for _ in range(PASSES + 1):
        began = perf_counter()
        page = log.page(query)
        took.append((perf_counter() - began) * 1000)
        assert len(page.rows) >= least
    return statistics.median(took[1:])  # the first one warms the file's pages


@pytest.mark.bench
@pytest.mark.parametrize(
    ("what", "text", "least", "limit"),
    [
        ("newest page", "", 200, 20),
        ("a rare word", "wolfeschlegelsteinhausen", 1, 150),
        ("a filter and a word", "level:warn+ lefevre", 200, 20),
        ("a span, a filter and a word", "since:1d kind:fault page", 1, 20),
        ("a connection and a word", "connection:lyon zoe", 200, 20),
    ],
)
def test_a_page_stays_within_its_budget(log: EventLog, what: str, text: str, least: int, limit: float) -> None:
    median = _median(log, parse(text, now=NOW), least)
    print(f"{what:30} {median:7.1f} ms (at most {limit} ms)")
    assert median <= limit


@pytest.mark.bench
def test_figures_without_a_limit(log: EventLog) -> None:
    for what, text in (
        ("a common word", "updated"),
        ("a word that is nowhere", "absolutelynowhere"),
        ("one record's history", "learner:E4242"),
        ("a filter and a rare word", "kind:check wolfeschlegelsteinhausen"),
    ):
        print(f"{what:30} {_median(log, parse(text, now=NOW), 0):7.1f} ms")
