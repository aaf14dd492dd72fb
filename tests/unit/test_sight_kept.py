"""What runs leave behind of what they observed: in the state, over restarts, under the lease."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.sight import Sight
from engine.sight_kept import keep, reading_of
from engine.state.store import Store
from engine.state.transaction import LeaseLost, Transaction
from tests.unit.rules.school_kit import NOW, small_school
from tests.unit.rules.test_sight import observed

HOUR = timedelta(hours=1)


def nothing(tx: Transaction) -> None:
    """No lease to check."""


def lost(tx: Transaction) -> None:
    raise LeaseLost("lyon/import")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "state.sqlite", SystemClock())
    yield opened
    opened.close()


def kept(store: Store, connection: str = "lyon") -> Sight:
    return Sight(map(reading_of, store.run_now(lambda tx: tx.listings(connection))))


def test_a_state_from_before_opens_and_keeps(tmp_path: Path) -> None:
    Store.open(tmp_path / "state.sqlite", SystemClock()).close()
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as state, state:
        state.execute("DROP TABLE observation")
    again = Store.open(tmp_path / "state.sqlite", SystemClock())
    assert kept(again).read_at("learner") is None
    asyncio.run(keep(again, "lyon", "r1", observed(small_school()), (), nothing))
    assert kept(again).read_at("learner") == NOW
    again.close()


def test_each_connection_has_its_own(store: Store) -> None:
    asyncio.run(keep(store, "lyon", "r1", observed(small_school()), (), nothing))
    assert kept(store).erp["learner"].keys() == {"L1", "L2", "L3"}
    assert kept(store, "nantes").erp["learner"] == {}


def test_another_run_is_another_version_even_in_the_same_instant(store: Store) -> None:
    def version() -> tuple[str, ...]:
        return store.run_now(lambda tx: tx.read_by("lyon"))

    asyncio.run(keep(store, "lyon", "r1", observed(small_school()), (), nothing))
    first = version()
    asyncio.run(keep(store, "lyon", "r2", observed(small_school()), (), nothing))
    assert (set(first), set(version())) == ({"r1"}, {"r2"})


def test_R13_a_listing_read_in_part_adds_to_what_is_kept(store: Store) -> None:
    asyncio.run(keep(store, "lyon", "r1", observed(small_school()), (), nothing))
    later = replace(observed(small_school(learners=1), NOW + HOUR), complete_erp=frozenset({"group"}))
    asyncio.run(keep(store, "lyon", "r2", later, (), nothing))
    seen = kept(store)
    assert seen.erp["learner"].keys() == {"L1", "L2", "L3"}
    assert (seen.read_at("learner"), seen.read_at("group")) == (NOW, NOW + HOUR)
    assert seen.edusign["learner"].keys() == {"e-learner-L1"}


def test_R39_a_run_that_lost_its_lease_leaves_nothing(store: Store) -> None:
    with pytest.raises(LeaseLost):
        asyncio.run(keep(store, "lyon", "r1", observed(small_school()), (), lost))
    assert kept(store).read_at("learner") is None
