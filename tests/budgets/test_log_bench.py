"""What a search of a log of a million events costs: medians, in milliseconds."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import pytest

from engine.events.event import Level, Logged
from engine.events.grammar import Query, parse
from engine.events.log import EventLog

EVENTS = 1_000_000
BATCH = 10_000
PASSES = 15
START = datetime(2026, 9, 1, 6, 0, tzinfo=UTC)
NOW = START + timedelta(seconds=8 * EVENTS)
RARE_AT = 123_457  # far from the newest, so that nearly the whole log is read
CONNECTIONS = ("lyon", "paris", "lille", "nantes", "bordeaux", "rennes", "metz", "nice")
NAMES = ("Dupont", "Martin", "Nguyên", "Lefèvre", "Müller", "Garção", "O'Brien", "Le Gall", "Benali", "Zoë")
SHAPES: tuple[tuple[Level, str, str], ...] = (
    ("debug", "check", "{who}: unchanged since the last observation of {day}"),
    ("info", "write", "updated {who}: e-mail is now {mail}"),
    ("info", "run", "import of {day}: {n} learners observed, {m} changes planned"),
    ("notice", "notice", "{who}: last name overwritten by the planning software's, as R02 says"),
    ("notice", "occurrence", "window of {day} opened for the import"),
    ("warn", "rejection", "{who} cannot be synchronised: the e-mail {mail} is shared with another person"),
    ("warn", "task", "correct the phone of {who} in the planning software"),
    ("error", "fault", "students page {n}: a page came where data was due; nothing is created from it"),
)
WEIGHTS = (50, 25, 8, 6, 5, 3, 2, 1)


def _events() -> Iterator[Logged]:
    chance = random.Random(7)
    for seq in range(1, EVENTS + 1):
        level, kind, shape = chance.choices(SHAPES, WEIGHTS)[0]
        name, number = chance.choice(NAMES), chance.randrange(20_000)
        at = START + timedelta(seconds=8 * seq)
        message = shape.format(
            who=f"{name} {number}", mail=f"p{number}@school.example", day=at.date(), n=number, m=number % 97
        )
        if seq == RARE_AT:
            message += ", seen by Wolfeschlegelsteinhausen"
        yield Logged(
            epoch=1,
            seq=seq,
            ts=at,
            level=level,
            kind=kind,
            message=message,
            connection=chance.choice(CONNECTIONS),
            run_id=str(seq // 500),
            record_kind="learner",
            erp_id=f"E{number}",
            edusign_id=f"{number * 7919:x}",
            actor="engine",
            data={"before": name, "after": f"p{number}@school.example", "page": number % 100},
        )


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventLog]:
    path: Path = tmp_path_factory.mktemp("log") / "events.duckdb"
    began = perf_counter()
    with EventLog.open(path) as built:
        batch: list[Logged] = []
        for event in _events():
            batch.append(event)
            if len(batch) == BATCH:
                built.append(batch)
                batch = []
        took = perf_counter() - began
        print(f"\n{EVENTS:,} events in {took:.0f} s ({EVENTS / took:,.0f}/s), made and appended")
    began = perf_counter()
    with EventLog.open(path) as opened:
        print(f"reopened in {(perf_counter() - began) * 1000:.0f} ms, {path.stat().st_size / 1e6:.0f} MB")
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
