"""Budgets are measured by `make bench` alone: elsewhere a loaded machine would decide them."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is marked bench unless `-m bench` asked for it."""
    if "bench" in config.getoption("-m"):
        return
    for item in items:
        if item.get_closest_marker("bench"):
            item.add_marker(pytest.mark.skip(reason="a budget, run by make bench"))
