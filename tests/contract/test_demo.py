"""The headless demo, whole: simulators, engine, people and operator on virtual time, judged by the checker."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.simulation.demo import good, main, play
from connectors.simulation.report import table


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Three days of a small school."""
    return play(seed=3, learners=60, days=3, folder=tmp_path_factory.mktemp("demo"))


def connection(report: dict[str, Any]) -> dict[str, Any]:
    (one,) = report["connections"]
    found: dict[str, Any] = one
    return found


def test_the_end_is_good(report: dict[str, Any]) -> None:
    end = connection(report)["end"]
    assert end["details"] == ()
    assert good(end)
    assert (end["in_sync"], end["accounting_balanced"]) == (True, True)
    assert (end["doubles"], end["lost"], end["held"]) == (0, 0, 0)


def test_the_operator_is_asked_exactly_what_the_ledgers_call_for(report: dict[str, Any]) -> None:
    end = connection(report)["end"]
    assert end["holds_by_cause"] == end["expected_holds_by_cause"]
    assert {"archived_other_name", "compare_only", "same_name"} <= end["holds_by_cause"].keys()


def test_people_edited_and_every_sort_of_write_came_up(report: dict[str, Any]) -> None:
    played = connection(report)
    assert played["edits"]["done"] > 10
    written = {verb for run in played["runs"] for verb in run["changes"]}
    assert {"create", "update", "link", "restore", "archive", "add", "remove"} <= written


def test_a_run_on_an_unchanged_school_writes_nothing_and_asks_little(report: dict[str, Any]) -> None:
    last = next(run for run in reversed(connection(report)["runs"]) if run["flow"] == "import")
    assert last["changes"] == {} and last["held"] == 0
    for side, least in last["minimum_requests"].items():
        assert last["requests"][side] <= 1.10 * least


def test_absences_reach_the_erp_and_what_its_people_said_stands(report: dict[str, Any]) -> None:
    played = connection(report)
    assert played["end"]["absences_equal"] is True
    exports = [run for run in played["runs"] if run["flow"] == "export"]
    assert {"deliver", "update"} <= {verb for run in exports for verb in run["changes"]}
    assert any(run["held"] for run in exports)
    assert {run["state"] for run in exports} == {"done"}
    # One that found nothing to do looked at the ERP once at most.
    idle = [run for run in exports if run["observed"] and not run["changes"] and not run["held"]]
    assert idle and all(run["requests"]["erp"] <= 1 for run in idle)


def test_every_run_says_what_it_could_have_done_with(report: dict[str, Any]) -> None:
    for run in connection(report)["runs"]:
        assert run["state"] == "done"
        assert run["requests"]["erp"] >= run["minimum_requests"]["erp"]
        assert run["requests"]["edusign"] >= run["minimum_requests"]["edusign"]


@pytest.fixture
def temporaries(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files go meanwhile: not below pytest's folder, a socket's path must be short."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr("tempfile.tempdir", folder)
        yield Path(folder)


def test_the_same_seed_gives_the_same_report_and_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str], temporaries: Path
) -> None:
    arguments = ["--headless", "--json", "--seed", "5", "--learners", "40", "--days", "2"]
    texts = []
    for _time in range(2):
        assert main(arguments) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert json.loads(texts[0])["seed"] == 5
    assert list(temporaries.iterdir()) == []


def test_the_table_shows_hostile_text_as_text(report: dict[str, Any]) -> None:
    spoilt = json.loads(json.dumps(report))
    spoilt["connections"][0]["end"]["details"] = ["apart: \x1b[2J [red]x[/]\n"]
    text = table(spoilt)
    assert "\x1b" not in text and "\\x1b[2J [red]x[/]\\x0a" in text


@pytest.mark.parametrize("wrong", [["--erp", "nowhere"], ["--learners", "3"], ["--days", "0"]])
def test_wrong_usage_is_said_in_one_line(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--headless", "--json", *wrong]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
