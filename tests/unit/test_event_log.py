"""The log as a file: who may open it, what it refuses, what a crash and many threads leave of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from engine.events.event import Logged
from engine.events.export import csv_cell, export, format_of
from engine.events.grammar import Query, RecordRef
from engine.events.log import EventLog, LogForked, LogGap, LogHeld, LogUnreadable
from engine.events.search import FOLDED_LIMIT, LogError, LogInterrupted, Position, Segment, searchable

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def event(seq: int, epoch: int = 1, message: str = "", **more: object) -> Logged:
    return Logged.model_validate(
        {
            "epoch": epoch,
            "seq": seq,
            "ts": START + timedelta(milliseconds=seq),
            "level": "info",
            "kind": "run",
            "message": message or f"event {seq}",
            **more,
        }
    )


def events(first: int, last: int, epoch: int = 1) -> list[Logged]:
    return [event(seq, epoch) for seq in range(first, last + 1)]


def seqs(rows: tuple[Logged, ...]) -> list[int]:
    return [row.seq for row in rows]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "events.duckdb"


@pytest.fixture
def log(path: Path) -> Iterator[EventLog]:
    with EventLog.open(path) as opened:
        yield opened


def test_a_new_log_is_private_and_empty(log: EventLog, path: Path) -> None:
    assert log.last() == (0, 0)
    assert log.page(Query()) == ((), Position(0, 0), False)
    assert log.page(Query(), after=(0, 0)) == ((), Position(0, 0), False)
    assert log.count(Query()) == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_pages_go_back_from_the_newest_and_followers_go_on(log: EventLog) -> None:
    log.append(events(1, 10))
    newest = log.page(Query(), limit=4)
    assert (seqs(newest.rows), newest.scanned_to, newest.more) == ([10, 9, 8, 7], (1, 7), True)
    oldest = log.page(Query(), before=(1, 4), limit=4)
    assert (seqs(oldest.rows), oldest.more) == ([3, 2, 1], False)
    followed = log.page(Query(), after=log.last())
    assert (followed.rows, followed.scanned_to) == ((), (1, 10))
    log.append(events(11, 12))
    assert seqs(log.page(Query(), after=followed.scanned_to).rows) == [11, 12]


def test_a_follower_of_a_filter_moves_past_what_does_not_match(log: EventLog) -> None:
    log.append([event(n, kind="fault" if n == 3 else "run") for n in range(1, 9)])
    page = log.page(Query(kinds=("fault",)), after=(1, 0))
    assert (seqs(page.rows), page.scanned_to, page.more) == ([3], (1, 8), False)


@pytest.mark.parametrize(
    "rows",
    [
        [event(12)],  # one is missing
        [event(11), event(13)],  # one is missing inside
        [event(11), event(11)],  # one comes twice in a batch
        [event(12), event(11)],  # out of order
        [event(11), event(4)],
        [event(11, epoch=0)],  # an epoch before the first
    ],
)
def test_what_does_not_follow_is_refused_whole(log: EventLog, rows: list[Logged]) -> None:
    log.append(events(1, 10))
    with pytest.raises(LogGap):
        log.append(rows)
    assert log.last() == (1, 10)
    assert log.count(Query()) == 10
    assert log.append(events(11, 12)) == 2


def test_a_gap_says_what_is_next(log: EventLog) -> None:
    log.append(events(1, 3))
    with pytest.raises(LogGap, match="event 1-9 does not follow: 1-4 is next") as caught:
        log.append(events(9, 9))
    assert (caught.value.expected, caught.value.came) == ((1, 4), (1, 9))


def test_what_is_delivered_again_is_skipped(log: EventLog) -> None:
    assert log.append(events(1, 10)) == 10
    assert log.append(events(1, 10)) == 0
    assert log.append(events(5, 12)) == 2
    assert log.append([]) == 0
    assert seqs(log.page(Query(), after=(0, 0)).rows) == list(range(1, 13))


def test_a_restore_without_a_new_epoch_is_noticed(log: EventLog) -> None:
    log.append(events(1, 10))
    with pytest.raises(LogForked) as caught:
        log.append([event(9), event(10, message="another history"), event(11)])
    assert caught.value.came == (1, 10)
    assert log.last() == (1, 10)


def test_a_new_epoch_begins_a_segment_that_pages_run_through(log: EventLog, path: Path) -> None:
    log.append(events(1, 10))
    assert log.append(events(6, 9, epoch=2)) == 4
    with pytest.raises(LogGap):
        log.append(events(11, 11, epoch=1))
    assert log.append(events(8, 10, epoch=1)) == 0
    log.close()
    with EventLog.open(path) as again:
        assert again.segments() == (Segment(1, 1, 10), Segment(2, 6, 9))
        assert again.last() == (2, 9)
        page = again.page(Query(), limit=6)
        assert [(row.epoch, row.seq) for row in page.rows] == [(2, 9), (2, 8), (2, 7), (2, 6), (1, 10), (1, 9)]
        assert seqs(again.page(Query(), before=page.scanned_to).rows) == [8, 7, 6, 5, 4, 3, 2, 1]
        assert seqs(again.page(Query(), after=(1, 9)).rows) == [10, 6, 7, 8, 9]


def test_a_log_may_begin_anywhere(log: EventLog) -> None:
    log.append(events(5000, 5002))
    assert log.segments() == (Segment(1, 5000, 5002),)
    assert seqs(log.page(Query()).rows) == [5002, 5001, 5000]


def test_a_failed_write_leaves_the_log_as_it_was_and_usable(log: EventLog) -> None:
    log.append(events(1, 2))
    with pytest.raises(LogError):
        log.append([event(3), event(1, epoch=2**40)])  # beyond what the column holds
    assert log.count(Query()) == 2
    assert log.append(events(3, 4)) == 2
    assert seqs(log.page(Query()).rows) == [4, 3, 2, 1]


def test_a_record_is_found_by_either_id(log: EventLog) -> None:
    log.append(
        [
            event(1, record_kind="learner", erp_id="E1"),
            event(2, record_kind="learner", edusign_id="S1"),
            event(3, record_kind="speaker", erp_id="E1"),
            event(4, record_kind="learner", erp_id="E2", edusign_id="S2"),
        ]
    )
    assert seqs(log.record_history("learner", erp_id="E1", edusign_id="S1").rows) == [2, 1]
    assert seqs(log.record_history("learner", edusign_id="S2").rows) == [4]
    assert seqs(log.page(Query(records=(RecordRef(kind="learner"),))).rows) == [4, 2, 1]
    with pytest.raises(ValueError, match="id"):
        log.record_history("learner")


def test_words_are_found_in_ids_actor_and_data_without_accents(log: EventLog) -> None:
    log.append(
        [
            event(1, message="Zoë est là"),
            event(2, actor="Hélène"),
            event(3, data={"a": [{"b": "ŒUVRE"}, 4217], "zoe": None}),
            event(4, erp_id="AB-12"),
        ]
    )
    for word, found in (("zoe", [1]), ("helene", [2]), ("oeuvre 4", []), ("4217", [3]), ("ab-12", [4])):
        assert seqs(log.page(Query(words=(word,))).rows) == found
    assert seqs(log.page(Query(excluded=("zoe",))).rows) == [4, 3, 2]


def test_what_search_reads_is_bounded() -> None:
    long = event(1, message="é" * 3 * FOLDED_LIMIT, data={"x": "y" * FOLDED_LIMIT})
    assert len(searchable(long)) == FOLDED_LIMIT
    # One letter may fold to eighteen.
    assert len(searchable(event(1, message="\ufdfa" * FOLDED_LIMIT))) <= FOLDED_LIMIT


def test_instants_keep_their_microseconds_in_utc(log: EventLog) -> None:
    at = datetime.fromisoformat("2026-11-24T13:00:00.123457+01:00")
    log.append([event(1, ts=at)])
    (row,) = log.page(Query()).rows
    assert row.ts == at
    assert row.ts.tzinfo is UTC
    assert log.count(Query(since=at)) == 1
    assert log.count(Query(until=at)) == 0


# --- Opening -----------------------------------------------------------------------------------------------

_OPEN = """
import sys
from pathlib import Path
from engine.events.log import EventLog, LogHeld
try:
    EventLog.open(Path(sys.argv[1]), read_only=sys.argv[2] == "read")
except LogHeld as error:
    print(error.pid)
"""


@pytest.mark.parametrize("mode", ["read", "write"])
def test_another_process_is_told_who_holds_it(log: EventLog, path: Path, mode: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _OPEN, str(path), mode], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == str(os.getpid())


@pytest.mark.parametrize("read_only", [True, False])
def test_a_second_log_in_one_process_is_refused(log: EventLog, path: Path, read_only: bool) -> None:
    with pytest.raises(LogHeld):
        EventLog.open(path, read_only=read_only)
    log.close()
    log.close()
    EventLog.open(path, read_only=read_only).close()


def test_reading_only(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        EventLog.open(path, read_only=True)
    with EventLog.open(path) as log:
        log.append(events(1, 3))
    with EventLog.open(path, read_only=True) as log:
        assert seqs(log.page(Query()).rows) == [3, 2, 1]
        with pytest.raises(LogError):
            log.append(events(4, 4))


def test_a_file_that_is_no_log_is_said_so(tmp_path: Path) -> None:
    damaged, foreign, later = (tmp_path / name for name in ("damaged", "foreign", "later"))
    damaged.write_bytes(b"nothing like it" * 500)
    with duckdb.connect(str(foreign)) as connection:
        connection.execute("CREATE TABLE other (x INTEGER)")
    EventLog.open(later).close()
    with duckdb.connect(str(later)) as connection:
        connection.execute("UPDATE event_format SET version = 99")
    for path in (damaged, foreign, later):
        with pytest.raises(LogUnreadable, match=path.name):
            EventLog.open(path)
        with pytest.raises(LogUnreadable):
            EventLog.open(path, read_only=True)


def test_a_file_cut_short_at_its_making_is_made_anew(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with EventLog.open(path) as log:
        assert log.append(events(1, 1)) == 1


def test_a_closed_log_says_so(log: EventLog) -> None:
    log.append(events(1, 1))
    log.page(Query())
    log.close()
    for use in (lambda: log.append(events(2, 2)), lambda: log.page(Query()), log.reader):
        with pytest.raises(LogError):
            use()


# --- Crashes -----------------------------------------------------------------------------------------------

_WRITE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.unit.test_event_log import EventLog, events
log = EventLog.open(Path(sys.argv[1]))
print(log.last().seq, flush=True)
for line in sys.stdin:
    first = log.last().seq + 1
    log.append(events(first, first + int(line) - 1))
    print(log.last().seq, flush=True)
"""


def test_a_killed_writer_loses_nothing_it_acknowledged(path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    acknowledged = 0
    for batch in (2000, 6000):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITE, str(path), str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdin is not None
            assert writer.stdout is not None
            assert int(writer.stdout.readline()) >= acknowledged
            for size in (1, 50, 300):
                writer.stdin.write(f"{size}\n")
                writer.stdin.flush()
                acknowledged = int(writer.stdout.readline())
            # Many small appends under way, the kill somewhere among them.
            writer.stdin.write(f"1\n{batch}\n" + "7\n" * 50)
            writer.stdin.flush()
            acknowledged = int(writer.stdout.readline())
            writer.kill()
            acknowledged = max([acknowledged, *(int(line) for line in writer.stdout if line.endswith("\n"))])
    with EventLog.open(path) as log:
        last = log.last().seq
        assert last >= acknowledged
        assert log.append(events(acknowledged + 1, last + 10)) == 10
        assert list(log.page(Query(), after=(0, 0), limit=100_000).rows) == events(1, last + 10)


# --- Threads -----------------------------------------------------------------------------------------------


def test_readers_and_a_writer_at_once(log: EventLog) -> None:
    ready = threading.Barrier(4)
    done = threading.Event()

    def write() -> None:
        ready.wait()
        for first in range(1, 2001, 50):
            log.append(events(first, first + 49))
        done.set()

    def read() -> int:
        ready.wait()
        reads = 0
        while not done.is_set() or not reads:
            page = log.page(Query(), limit=30)
            newest = page.rows[0].seq if page.rows else 0
            assert list(page.rows) == events(max(1, newest - 29), newest)[::-1]
            tens = log.page(Query(words=("event 10",)), limit=5).rows
            assert all(row == event(row.seq) and "event 10" in row.message for row in tens)
            assert log.count(Query()) >= newest
            reads += 1
        return reads

    with ThreadPoolExecutor(4) as pool:
        writing = pool.submit(write)
        reading = [pool.submit(read) for _ in range(3)]
        writing.result()
        assert all(future.result() >= 1 for future in reading)
    assert log.page(Query(), after=(0, 0), limit=2000).rows == tuple(events(1, 2000))


def test_an_interrupted_reader_stops_and_others_go_on(log: EventLog) -> None:
    log.append(events(1, 100))
    stopped, other = log.reader(), log.reader()
    with ThreadPoolExecutor(1) as pool:

        def endless() -> None:
            while True:
                stopped.count(Query(words=("nowhere",)))

        reading = pool.submit(endless)
        stopped.interrupt()
        with pytest.raises(LogInterrupted):
            reading.result()
    with pytest.raises(LogInterrupted):
        stopped.page(Query())
    assert other.count(Query()) == log.count(Query()) == 100


def test_interrupting_breaks_off_a_long_statement(log: EventLog) -> None:
    log.append(events(1, 10))
    with log.reader() as reader, ThreadPoolExecutor(1) as pool:
        # Far longer than any test: it ends only because it is broken off.
        reading = pool.submit(reader._run, "SELECT count(*) FROM range(1000000000) a, range(1000000) b", [])
        while not reader._reading.locked() and not reading.done():
            pass
        # Again and again: an interrupt between the reader's check and DuckDB's start has no effect there.
        while not reading.done():
            reader.interrupt()
        with pytest.raises(LogInterrupted):
            reading.result()


# --- Export ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_an_export_is_private_complete_and_counted(log: EventLog, tmp_path: Path, ending: str) -> None:
    log.append(events(1, 12_000))
    log.append(events(1, 5, epoch=2))
    seen: list[tuple[int, int | None]] = []
    target = tmp_path / f"o'ut.{ending}"
    target.write_text("what was there")
    count = export(log, Query(), target, progress=lambda _what, done, total: seen.append((done, total)))
    assert count == 12_005
    assert seen[-1] == (12_005, 12_005)
    assert target.stat().st_mode & 0o777 == 0o600
    read = {"csv": "read_csv", "jsonl": "read_json", "parquet": "read_parquet"}[ending]
    escaped = str(target).replace("'", "''")
    rows = duckdb.execute(f"SELECT epoch, seq FROM {read}('{escaped}')").fetchall()
    assert rows == [(1, n) for n in range(1, 12_001)] + [(2, n) for n in range(1, 6)]


def test_an_export_broken_off_leaves_what_was_there(log: EventLog, tmp_path: Path) -> None:
    log.append(events(1, 6000))
    target = tmp_path / "out.csv"
    target.write_text("what was there")

    def stop(_what: str, _done: int, _total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(log, Query(), target, progress=stop)
    assert target.read_text() == "what was there"
    assert list(tmp_path.glob(".out*")) == []


def test_the_format_comes_from_the_name_or_is_given(log: EventLog, tmp_path: Path) -> None:
    log.append(events(1, 2))
    assert format_of(Path("x.CSV")) == "csv"
    with pytest.raises(ValueError, match=r"out\.txt: the name must end in \.csv, \.jsonl, \.parquet"):
        export(log, Query(), tmp_path / "out.txt")
    assert export(log, Query(), tmp_path / "out.txt", "jsonl") == 2


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+33 6", "'+33 6"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("\t=1", "\\x09=1"),
        ("a=b", "a=b"),
        ("\x1b[2J", "\\x1b[2J"),
        (7, "7"),
        ("", ""),
    ],
)
def test_a_csv_cell_is_printable_and_no_formula(value: object, cell: str) -> None:
    assert csv_cell(value) == cell
