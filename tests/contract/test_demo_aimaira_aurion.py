"""A school with Aimaira and one with Auriga, played whole, absences too where they are taken."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.simulation.demo import good, play


@pytest.fixture(scope="module", params=["aimaira", "aurion"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A small school, whose last import finds nothing changed. Auriga states no departure: it takes a third
    day's look until one is certain (R13)."""
    folder = tmp_path_factory.mktemp(request.param)
    days = 3 if request.param == "aurion" else 2
    (found,) = play(seed=11, learners=40, days=days, erps=(request.param,), folder=folder)["connections"]
    assert isinstance(found, dict)
    return found


def test_the_end_is_good(report: dict[str, Any]) -> None:
    end = report["end"]
    assert end["details"] == () and good(end)
    assert (end["doubles"], end["lost"], end["held"]) == (0, 0, 0)


def test_absences_reach_the_erp_that_takes_them(report: dict[str, Any]) -> None:
    exports = [run for run in report["runs"] if run["flow"] == "export"]
    verbs = {verb for run in exports for verb in run["changes"]}
    if report["erp"] == "aimaira":
        assert report["end"]["absences_equal"] is True and {"deliver", "update"} <= verbs
    else:
        assert report["end"]["absences_equal"] is None and verbs == set()


def test_an_unchanged_school_costs_the_erp_the_least(report: dict[str, Any]) -> None:
    imports = [run for run in report["runs"] if run["flow"] == "import"]
    quiet = [run for run in imports if run["changes"] == {} and not run["held"]]
    assert quiet
    for run in quiet:
        assert run["requests"]["erp"] <= 1.10 * run["minimum_requests"]["erp"]
