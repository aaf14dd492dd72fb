"""What connectors can do and how sure that is: told by the engine's room, shown by `rollcall connectors`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from connectors.conformance.command import main as conform
from console import cli, processes
from engine.__main__ import main
from engine.certainty import told
from engine.clock import SystemClock
from engine.compose import connectors
from engine.ports import Capability, Connector
from engine.service.models import CapabilityView, ConnectorsView
from engine.views import sure
from tests.contract.planbook import PlanbookConnector
from tests.unit.test_engine_process import CONFIG

Captured = pytest.CaptureFixture[str]


class Broken(PlanbookConnector):
    """Its own example does not suit it."""

    example: Mapping[str, Any] = {"url": "https://planbook.example"}


def test_every_connector_tells_what_it_can_do_before_anybody_has_configured_it() -> None:
    view = told(connectors(), {}, SystemClock())
    assert view.problems == ()
    assert {one.connector for one in view.capabilities} == set(connectors())
    for one in view.capabilities:
        assert one.source and one.on == (not one.why_off), one
    unsure = [one for one in view.capabilities if one.name == "write absences" and one.certainty == "unknown"]
    assert unsure and not any(one.on for one in unsure)


def test_one_that_cannot_be_opened_hides_no_other() -> None:
    installed: dict[str, Connector] = {"broken": Broken(), "planbook": PlanbookConnector()}
    view = told(installed, {}, SystemClock())
    assert [one.connector for one in view.capabilities] == ["planbook"]
    assert len(view.problems) == 1 and view.problems[0].startswith("broken could not be opened")


def test_a_connection_is_told_of_as_it_is_configured(tmp_path: Path, capsys: Captured) -> None:
    config = tmp_path / "rollcall.toml"
    given = CONFIG.format(folder=tmp_path / "state", url="https://ypareo.school.example")
    config.write_text(f"{given}accept_unverified = true\n")
    # Neither a secret nor a network is needed.
    assert main(["connectors", "--json", "--config", str(config)]) == 0
    view = ConnectorsView.model_validate(json.loads(capsys.readouterr().out))
    writes = [one for one in view.capabilities if (one.connector, one.name) == ("ypareo", "write absences")]
    assert [(one.connection, one.on) for one in writes] == [("", False), ("lyon", True)]
    assert not (tmp_path / "state").exists()


def test_rollcall_connectors_is_a_table_or_a_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    one = CapabilityView(
        connector="ypareo",
        name="write absences",
        certainty="unknown",
        source="none",
        on=False,
        why_off="no document",
    )
    asked: list[list[str]] = []

    def said(module: str, arguments: Sequence[str]) -> tuple[int, bytes]:
        asked.append([module, *arguments])
        return 0, ConnectorsView(capabilities=(one,)).model_dump_json().encode()

    monkeypatch.setattr(processes, "said", said)
    monkeypatch.setenv("ROLLCALL_FOLDER", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")
    assert cli.main(["connectors"]) == 0
    text = capsys.readouterr().out
    assert "write absences  unknown    OFF  no document" in text
    assert cli.main(["connectors", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["capabilities"][0]["why_off"] == "no document"
    assert asked[0][:2] == ["engine", "connectors"]
    monkeypatch.setattr(processes, "said", lambda module, arguments: (2, b""))
    assert cli.main(["connectors"]) == 2


def test_only_writes_nobody_has_shown_are_unverified() -> None:
    def capability(name: str, certainty: str, on: bool = True) -> Capability:
        return Capability.model_validate({"name": name, "certainty": certainty, "source": "s", "on": on})

    given = (
        capability("read learners", "inferred"),
        capability("write learners", "documented"),
        capability("write absences", "unknown"),
        capability("restore speakers", "inferred", on=False),
    )
    assert [(one.name, sure(one)) for one in given] == [
        ("read learners", True),
        ("write learners", True),
        ("write absences", False),
        ("restore speakers", False),
    ]


def test_the_kit_runs_from_the_command_line(capsys: Captured) -> None:
    name = "tests.contract.planbook:simulated"
    assert conform([name, "--check", "cancel", "--check", "limits"]) == 0
    assert capsys.readouterr().out.split() == ["passed", "cancel", "passed", "limits"]
    assert conform(["ammon", "--check", "read_back", "--json"]) == 0
    (outcome,) = json.loads(capsys.readouterr().out)["checks"]
    assert outcome["state"] == "skipped" and "files only come from the ERP" in outcome["line"]
    assert conform(["planbok"]) == 2 and "no pair is called planbok" in capsys.readouterr().err
    assert conform(["tests.contract.planbook:KEY"]) == 2 and "is no pair" in capsys.readouterr().err
