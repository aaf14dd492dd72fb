"""A school with Hyperplanning, played whole: keys move, parents are skipped, nothing is lost or doubled."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.simulation.demo import good, play


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Three days of a small school."""
    folder = tmp_path_factory.mktemp("hyperplanning")
    (found,) = play(seed=11, learners=65, days=3, erps=("hyperplanning",), folder=folder)["connections"]
    assert isinstance(found, dict)
    return found


def test_the_end_is_good(report: dict[str, Any]) -> None:
    end = report["end"]
    assert end["details"] == () and good(end)
    assert (end["doubles"], end["lost"], end["held"]) == (0, 0, 0)


def test_absences_reach_the_erp_and_what_its_people_said_stands(report: dict[str, Any]) -> None:
    assert report["end"]["absences_equal"] is True
    exports = [run for run in report["runs"] if run["flow"] == "export"]
    assert {"deliver", "update", "retract"} <= {verb for run in exports for verb in run["changes"]}


def test_R12_the_session_moved_as_it_is_keeps_its_sheet(report: dict[str, Any]) -> None:
    # After first contact only a moved key links anything.
    imports = [run for run in report["runs"] if run["flow"] == "import"]
    later = [run for run in imports if run["occurrence"] != imports[0]["occurrence"]]
    assert sum(run["changes"].get("link", 0) for run in later) == 1


def test_an_unchanged_school_costs_the_least(report: dict[str, Any]) -> None:
    imports = [run for run in report["runs"] if run["flow"] == "import"]
    quiet = [run for run in imports if run["changes"] == {} and not run["held"]]
    assert quiet
    for run in quiet:
        for side, least in run["minimum_requests"].items():
            assert run["requests"][side] <= 1.10 * least


def test_over_soap_the_end_is_as_good(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("soap")
    (found,) = play(seed=5, learners=40, days=2, erps=("hyperplanning-soap",), folder=folder)["connections"]
    assert found["end"]["details"] == () and good(found["end"])
    assert found["end"]["absences_equal"] is True and found["erp"] == "hyperplanning-soap"
