"""The log as a list of pages: whatever happens in whatever order, row n is the n-th event of the query."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from console.log_pages import PAGE, PAGES_KEPT, TAIL_KEPT, LogPages
from engine.service.models import EventMap, EventView
from tests.unit.fake_engine import event


class Log:
    """A log whose events of odd numbers the query asks for, and a list over it. `asked`: pages to answer."""

    def __init__(self, seqs: int) -> None:
        self.last = seqs
        self.asked: list[int] = []
        self.pages = LogPages("odd", self.asked.append)
        self.pages.begin(self.found(0)[::-1][:PAGE], 1, self.last)

    def found(self, after: int, before: int | None = None) -> list[EventView]:
        end = self.last + 1 if before is None else before
        return [event(seq, f"number {seq}") for seq in range(after + 1, end) if seq % 2]

    def map(self) -> EventMap:
        found = self.found(0)
        anchors = tuple(one.seq for one in found[::PAGE])
        return EventMap(
            query="odd, charted", epoch=1, seq=self.last, found=len(found), page=PAGE, anchors=anchors
        )

    def chart(self) -> int:
        drawn = self.map()
        return self.pages.chart(drawn, self.found(self.pages.seq, drawn.seq + 1))

    def catch_up(self) -> int:
        return self.pages.append(self.found(self.pages.seq), self.last)

    def answer(self) -> None:
        for number in dict.fromkeys(self.asked):
            after, before = self.pages.bounds(number)
            assert self.pages.put(number, self.found(after, before)[:PAGE])
        self.asked.clear()

    def row(self, index: int) -> int:
        """The seq of a row, its page asked for where it must be."""
        if (here := self.pages.event(index)) is None:
            self.answer()
            here = self.pages.event(index)
        assert here is not None
        return here.seq


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("happens"), st.integers(1, 3000)),
        st.tuples(st.just("caught up"), st.just(0)),
        st.tuples(st.just("drawn again"), st.just(0)),
        st.tuples(st.just("looked at"), st.integers(0, 10_000)),
    ),
    max_size=12,
)


@given(seqs=st.integers(0, 3000), late=st.integers(0, 900), steps=STEPS)
@settings(max_examples=40, deadline=None)
def test_row_n_is_the_nth_event_of_the_query(seqs: int, late: int, steps: list[tuple[str, int]]) -> None:
    log = Log(seqs)
    log.last += late
    log.chart()
    for what, number in steps:
        if what == "happens":
            log.last += number
        elif what == "caught up":
            log.catch_up()
        elif what == "drawn again":
            log.pages.extend(log.map())
        elif log.pages.count:
            index = number % log.pages.count
            assert log.row(index) == 2 * index + 1
    log.catch_up()
    assert log.pages.count == (log.last + 1) // 2
    for index in range(0, log.pages.count, 97):
        assert log.row(index) == 2 * index + 1


def test_what_was_seen_first_keeps_its_place_when_the_rest_is_known() -> None:
    log = Log(3000)
    assert [log.pages.event(n).seq for n in (0, 199)] == [2601, 2999]  # type: ignore[union-attr]
    assert log.chart() == 1300
    assert [log.row(n) for n in (1300, 1499)] == [2601, 2999]
    assert log.pages.query == "odd, charted"


def test_before_the_map_nothing_is_asked_for_and_later_a_page_in_the_way_of_the_cursor() -> None:
    log = Log(30_000)
    assert log.pages.event(5000) is None
    assert log.asked == []
    log.chart()
    assert log.pages.event(10 * PAGE + 3) is None
    log.pages.look_ahead(10 * PAGE + 3, -1)
    assert log.asked == [10, 9]
    log.answer()
    log.pages.look_ahead(10 * PAGE + 3, -1)
    log.pages.look_ahead(3, -1)
    log.pages.look_ahead(log.pages.count - 1, 1)
    assert log.asked == []


def test_only_so_much_is_held() -> None:
    log = Log(100_000)
    log.chart()
    for number in range(200):
        log.row(number * PAGE)
    held = [n for n in range(200) if log.pages.held(n * PAGE) is not None]
    assert held == list(range(200 - PAGES_KEPT, 200))
    for _round in range(20):
        log.last += 1000
        log.catch_up()
    assert len(log.pages._tail) <= 2 * TAIL_KEPT
    assert log.row(log.pages.count - 1) == log.last - 1


def test_events_that_come_twice_are_listed_once_and_earlier_epochs_not_at_all() -> None:
    log = Log(100)
    log.chart()
    assert log.pages.append(log.found(0), 100) == 0
    log.last = 110
    assert log.catch_up() == 5
    assert log.catch_up() == 0
    pages = LogPages("", log.asked.append)
    pages.begin([event(3, epoch=2), event(900, epoch=1)], 2, 3)
    assert (pages.count, pages.epoch, pages.seq) == (1, 2, 3)


def test_a_page_that_is_not_what_the_map_says_is_refused() -> None:
    log = Log(3000)
    log.chart()
    assert not log.pages.put(2, log.found(0)[:150])
