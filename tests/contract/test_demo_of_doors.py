"""A school played whole through each of these doors: SC-Form, and the files that Ammon exports."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.simulation.demo import good, play

DOORS = ("scform", "ammon")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    report = play(seed=11, learners=40, days=3, erps=DOORS, folder=tmp_path_factory.mktemp("doors"))
    return {one["name"]: one for one in report["connections"]}


@pytest.mark.parametrize("door", DOORS)
def test_the_end_is_good(played: dict[str, Any], door: str) -> None:
    end = played[door]["end"]
    assert end["details"] == ()
    assert good(end)
    assert (end["doubles"], end["lost"], end["held"]) == (0, 0, 0)


@pytest.mark.parametrize("door", DOORS)
def test_an_import_without_changes_stays_near_the_fewest_requests(played: dict[str, Any], door: str) -> None:
    imports = [run for run in played[door]["runs"] if run["flow"] == "import"]
    assert imports[-1]["changes"] == {} and imports[-1]["held"] == 0
    assert imports[-1]["requests"]["erp"] <= 1.10 * imports[-1]["minimum_requests"]["erp"]


@pytest.mark.parametrize(("door", "delivers"), [("scform", True), ("ammon", False)])
def test_absences_arrive_where_they_can_be_written(played: dict[str, Any], door: str, delivers: bool) -> None:
    verbs = {verb for run in played[door]["runs"] if run["flow"] == "export" for verb in run["changes"]}
    assert ("deliver" in verbs) is delivers
    assert played[door]["end"]["absences_equal"] is (True if delivers else None)
