"""Marks on changes: all or none of what a filter finds, and only on what is still the same."""

from __future__ import annotations

from console.presentation.changes import LEFT_OUT
from console.screens.marks import Marks, fit
from tests.unit.test_changes_presentation import ref


def test_a_second_time_all_unmarks_what_the_filter_finds_and_nothing_else() -> None:
    marks = Marks()
    marks.toggle(ref(1))
    marks.all_or_none([ref(2), ref(3)])
    assert marks.keys == {"lyon/c1", "lyon/c2", "lyon/c3"}
    marks.all_or_none([ref(2), ref(3)])
    assert marks.keys == {"lyon/c1"}
    marks.toggle(ref(1))
    assert marks.keys == set() and marks.fit == frozenset()


def test_the_same_change_of_two_connections_is_two() -> None:
    marks = Marks()
    marks.all_or_none([ref(1), ref(1, connection="nantes")])
    assert marks.keys == {"lyon/c1", "nantes/c1"}


def test_marks_are_of_changes_as_they_are_now() -> None:
    marks = Marks()
    marks.all_or_none([ref(1), ref(2)])
    marks.renew([ref(2, revision=7), ref(3)])
    assert [(one.id, one.revision) for one in marks.refs.values()] == [("c2", 7)]


def test_a_key_is_offered_where_there_is_something_for_it() -> None:
    assert fit([ref(1)]) == {"approve", "skip"}
    assert fit([ref(1, hold="", item="")]) == {"skip"}
    assert fit([ref(1, hold=LEFT_OUT, item="")]) == {"skip"}
    assert fit([ref(1, hold="skipped: waits", item="")]) == frozenset()
