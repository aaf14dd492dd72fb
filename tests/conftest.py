"""What holds for every test."""

from __future__ import annotations

import gc

from hypothesis import HealthCheck, settings

# The same examples at every run, on a slow machine too, and no folder of examples beside the sources.
settings.register_profile(
    "same", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same")


def pytest_collection_finish() -> None:
    """Modules live as long as the process: the collector need not walk through them again and again."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """What was never let go of would be reported as leaked at the interpreter's end."""
    gc.unfreeze()
