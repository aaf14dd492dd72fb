"""Budgets are measured by `make bench` alone: elsewhere a loaded machine would decide them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.budgets import million
from tests.engine_process import NOBODY, EngineProcess


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is marked bench unless `-m bench` asked for it."""
    if "bench" in config.getoption("-m"):
        return
    for item in items:
        if item.get_closest_marker("bench"):
            item.add_marker(pytest.mark.skip(reason="a budget, run by make bench"))


@pytest.fixture(scope="session")
def million_events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of a million events, to be copied before an engine writes to it."""
    path = tmp_path_factory.mktemp("log") / "events.duckdb"
    million.fill(path)
    return path


@pytest.fixture(scope="session")
def full_engine(million_events: Path) -> Iterator[EngineProcess]:
    """A running engine with 10,000 changes that wait, 120 open items and a million events behind it."""
    folder = Path(tempfile.mkdtemp())
    try:
        engine = EngineProcess(folder, {"lyon": (NOBODY, NOBODY), "nantes": (NOBODY, NOBODY)})
        shutil.copyfile(million_events, folder / "log.duckdb")
        with engine.store() as store:
            store.run_now(million.leave_behind)
        engine.start()
        yield engine
        engine.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
