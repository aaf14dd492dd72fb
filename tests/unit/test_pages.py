"""Pages of a long list: what is kept, what is asked for and in which order."""

from __future__ import annotations

from console.widgets.pages import AT_ONCE, KEPT, Pages


def made(count: int = 1000) -> tuple[Pages[int], list[int]]:
    asked: list[int] = []
    return Pages(count, asked.append, size=10), asked


def test_a_missing_row_has_its_page_come_once() -> None:
    pages, asked = made()
    assert pages.row(25) is None and pages.row(26) is None
    assert asked == [20]
    pages.put(20, list(range(20, 30)))
    assert (pages.row(25), pages.peek(31)) == (25, None)
    assert asked == [20]


def test_what_is_wanted_last_comes_next_and_what_was_passed_is_given_up() -> None:
    pages, asked = made()
    for index in range(0, 200, 10):
        pages.row(index)
    assert asked == [0, 10]
    pages.put(0, list(range(10)))
    assert asked == [0, 10, 190]
    for first in (10, 190, 180, 170, 160):
        pages.put(first, list(range(first, first + 10)))
    assert len(asked) <= 2 + 2 * AT_ONCE + 1
    assert 100 not in asked


def test_a_page_that_failed_is_asked_for_again_when_somebody_looks() -> None:
    pages, asked = made()
    pages.row(5)
    pages.failed(0)
    assert asked == [0]
    pages.row(5)
    assert asked == [0, 0]


def test_several_pages_may_come_in_one_answer_and_the_last_may_be_short() -> None:
    pages, asked = made(25)
    pages.put(0, list(range(25)))
    assert [pages.row(n) for n in (0, 24)] == [0, 24]
    assert pages.row(25) is None and pages.row(-1) is None
    assert asked == []


def test_only_the_pages_seen_last_are_kept() -> None:
    pages, asked = made(100_000)
    for page in range(KEPT + 5):
        pages.put(page * 10, [page] * 10)
        pages.peek(0)
    assert pages.peek(0) == 0
    assert pages.peek(15) is None
    assert pages.peek((KEPT + 4) * 10) == KEPT + 4
    assert asked == []


def test_what_comes_next_is_had_before_it_is_looked_at() -> None:
    pages, asked = made(100)
    pages.put(0, list(range(10)))
    pages.ahead(8, 14)
    pages.ahead(-1, -20)
    pages.ahead(95, 130)
    assert asked == [10, 90]
