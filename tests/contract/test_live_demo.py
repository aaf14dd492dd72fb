"""The live demo, whole: its processes, what it opens with, and how it ends. Waits are for answers alone."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from console.cli import main as rollcall
from console.engine_client import EngineClient
from engine.service.models import ItemView, RunRequest

PATIENCE = 60.0
"""Seconds any wait may take on the slowest of machines."""


@dataclass
class LiveDemo:
    """A live demo that has said where it is."""

    process: subprocess.Popen[bytes]
    place: dict[str, str]
    engine: EngineClient

    @property
    def folder(self) -> Path:
        return Path(self.place["folder"])


@contextmanager
def demo(*options: str) -> Iterator[LiveDemo]:
    """One of its own scratch folder, which it must leave behind empty unless it is killed."""
    scratch = tempfile.mkdtemp()
    command = [sys.executable, "-P", "-m", "connectors", "demo", "--live", "--json", *options]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": scratch}
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"it ended with {process.wait(PATIENCE)} before it was up"
        place = json.loads(line)
        with EngineClient(Path(place["socket"])) as client:
            yield LiveDemo(process, place, client)
    finally:
        process.stdin.close()
        process.wait(PATIENCE)
        process.stdout.close()
        shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture(scope="module")
def live() -> Iterator[LiveDemo]:
    with demo("--seed", "3", "--learners", "80") as found:
        yield found


def items(live: LiveDemo, connection: str, type: str) -> tuple[ItemView, ...]:
    return live.engine.items(type=type, connection=connection)


def ended(pid: int) -> bool:
    """Whether a process has ended, once it has or patience ends."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        watch = select.poll()
        watch.register(descriptor, select.POLLIN)
        return bool(watch.poll(PATIENCE * 1000))
    finally:
        os.close(descriptor)


def test_it_opens_minutes_before_a_window_of_its_own_week(live: LiveDemo) -> None:
    assert live.place == {
        "folder": str(live.folder),
        "socket": str(live.folder / "engine.sock"),
        "config": str(live.folder / "rollcall.toml"),
        "log": str(live.folder / "engine.log"),
    }
    status = live.engine.status()
    assert f"{status.now:%Y-%m-%d}" == "2026-09-15"
    assert status.frozen is None and not status.machine_lock
    assert [one.name for one in status.connections] == ["lyon", "nantes"]
    assert not any(one.compare_only for one in status.connections)
    coming = min(one.next[0].starts for one in status.connections)
    assert timedelta() < coming - status.now < timedelta(minutes=4)


def test_it_opens_with_something_of_everything_that_waits(live: LiveDemo) -> None:
    assert {item.code for item in items(live, "lyon", "conflict")} == {"email", "phone"}
    leaving = [item for item in items(live, "lyon", "hold") if item.kind == "learner"]
    assert [{change.verb for change in item.changes} for item in leaving] == [{"archive"}]
    assert len(leaving[0].changes) == 8
    assert [item.code for item in items(live, "lyon", "duplicate")] == ["same_name"]
    rejected = {item.code for item in items(live, "lyon", "rejection")}
    assert {"missing_email", "shared_email", "session_without_speaker"} <= rejected
    assert {"email", "phone"} <= {item.code for item in items(live, "lyon", "task")}
    assert items(live, "nantes", "conflict") and items(live, "nantes", "hold")
    status = live.engine.status()
    assert all({"create", "update"} <= one.pending.keys() for one in status.connections)


def test_todays_sheets_are_not_all_as_they_should_be(live: LiveDemo) -> None:
    lyon = next(one for one in live.engine.today() if one.connection == "lyon")
    assert lyon.begun and lyon.sheets > lyon.begun
    assert {"no_learners", "no_session", "no_sheet", "other_room"} <= lyon.troubles.keys()


def test_its_schools_answer_the_engine(live: LiveDemo) -> None:
    assert all(finding.ok for finding in live.engine.check())
    one = items(live, "lyon", "conflict")[0]
    run = live.engine.start_run(RunRequest(connection="lyon", only=f"learner:{one.erp_id}"))
    assert live.engine.wait_run(run.id).state == "done"


def test_a_second_terminal_needs_the_folder_alone(live: LiveDemo, capsys: pytest.CaptureFixture[str]) -> None:
    assert rollcall(["--folder", str(live.folder), "status"]) in (0, 3)
    assert "nantes" in capsys.readouterr().out
    started = ["--folder", str(live.folder), "--config", live.place["config"], "engine", "start"]
    assert rollcall(started) == 0
    assert "running already" in capsys.readouterr().err


def test_a_killed_engine_comes_back(live: LiveDemo) -> None:
    before = live.engine.status()
    events = live.engine.follow(after=before.seq - 1)
    assert next(events).seq == before.seq
    os.kill(before.pid, signal.SIGKILL)
    event = next(event for event in events if event.kind == "engine" and "pid" in event.data)
    events.close()
    after = live.engine.status()
    assert event.data["pid"] == after.pid != before.pid
    assert f"{after.now:%Y-%m-%d}" == "2026-09-15"
    assert items(live, "lyon", "conflict")


def test_sigterm_leaves_neither_processes_nor_folder(live: LiveDemo) -> None:
    engine = live.engine.status().pid
    live.process.send_signal(signal.SIGTERM)
    assert live.process.wait(PATIENCE) == 0
    assert ended(engine)
    assert not live.folder.exists()


def test_no_engine_survives_a_demo_that_was_killed() -> None:
    with demo("--seed", "4", "--learners", "40") as found:
        engine = found.engine.status().pid
        found.process.kill()
        assert ended(engine)


def test_a_folder_that_holds_an_engines_state_is_left_alone(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    state.write_bytes(b"somebody's")
    options = ["demo", "--live", "--json", "--folder", str(tmp_path)]
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "connectors", *options], capture_output=True, check=False, timeout=PATIENCE
    )
    assert ended.returncode == 1 and ended.stdout == b""
    assert b"a folder of its own" in ended.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["state.sqlite"]
    assert state.read_bytes() == b"somebody's"
