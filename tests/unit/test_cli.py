"""The command line: against a fake engine on a real socket, and where none runs."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from console import cli, commands, processes
from console.progress import ProgressDisplay, with_progress
from console.session import Session, located
from engine.config import default_path
from engine.config_models import default_folder
from engine.service.models import (
    ApplyRequest,
    DecideRequest,
    FreezeRequest,
    PlanRequest,
    ProgressView,
    RunRequest,
)
from engine.service.operations import Refusal
from tests.unit.fake_engine import FakeOperations, ServedEngine, event, item, run, served


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_FOLDER", str(tmp_path))
    monkeypatch.setenv("ROLLCALL_CONFIG", str(tmp_path / "rollcall.toml"))
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What this process would have become; the command then ends with 77."""
    commands: list[list[str]] = []

    def become(module: str, arguments: Sequence[str]) -> NoReturn:
        commands.append([module, *arguments])
        raise SystemExit(77)

    monkeypatch.setattr(processes, "become", become)
    return commands


@pytest.fixture
def operations() -> FakeOperations:
    return FakeOperations()


@pytest.fixture
def engine(tmp_path: Path, operations: FakeOperations) -> Iterator[ServedEngine]:
    with served(tmp_path / "engine.sock", operations) as engine:
        yield engine


def _asked(operations: FakeOperations, name: str) -> Any:
    return next(what for asked, what, _actor in operations.asked if asked == name)


Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("words", [[], ["status"]])
def test_status_is_what_no_command_means(words: list[str], engine: ServedEngine, capsys: Captured) -> None:
    assert cli.main(words) == 0
    said = capsys.readouterr()
    assert "lyon" in said.out and "ypareo" in said.out
    assert said.err == ""


def test_json_before_and_after_the_command(engine: ServedEngine, capsys: Captured) -> None:
    for words in (["--json", "status"], ["status", "--json"]):
        assert cli.main(words) == 0
        assert json.loads(capsys.readouterr().out)["pid"] == 4242


_ANSWERING = (
    ["changes"],
    ["changes", "lyon"],
    ["holds"],
    ["conflicts", "lyon", "--closed"],
    ["duplicates"],
    ["rejections"],
    ["tasks"],
    ["events"],
    ["runs", "--limit", "3"],
    ["decide", "i1", "erp"],
    ["freeze"],
    ["thaw", "lyon"],
    ["config", "show"],
    ["engine", "status"],
    ["plan", "lyon"],
    ["run", "lyon", "--wait"],
    ["apply", "p7"],
)


def test_every_answer_is_one_json_document_or_a_text(
    engine: ServedEngine, operations: FakeOperations, capsys: Captured
) -> None:
    operations.log = [event(1)]
    operations.run_view = run(rejected=0)
    for words in _ANSWERING:
        assert cli.main([*words, "--json"]) == 0
        json.loads(capsys.readouterr().out)
        assert cli.main(words) == 0
        assert capsys.readouterr().out.endswith("\n")


def test_what_is_asked_reaches_the_engine(engine: ServedEngine, operations: FakeOperations) -> None:
    assert cli.main(["run", "lyon", "--only", "learner:A17"]) == 0
    assert _asked(operations, "start_run") == RunRequest(connection="lyon", only="learner:A17")
    assert cli.main(["plan", "lyon", "export"]) == 0
    assert _asked(operations, "plan") == PlanRequest(connection="lyon", flow="export")
    assert cli.main(["apply", "p7", "--change", "c1", "--change", "c2"]) == 0
    assert _asked(operations, "apply") == ApplyRequest(plan="p7", changes=("c1", "c2"))
    assert cli.main(["freeze", "--reason", "fire drill"]) == 0
    assert _asked(operations, "freeze") == FreezeRequest(reason="fire drill")
    assert cli.main(["events", "dupont", "-test", "--limit", "5", "level:warn+", "-help"]) == 0
    assert _asked(operations, "events")[0].split() == ["dupont", "-test", "level:warn+", "-help"]


def test_R04_a_decision_names_the_revision_it_was_made_on(
    engine: ServedEngine, operations: FakeOperations
) -> None:
    assert cli.main(["decide", "i1", "value", "zoe@home.example", "--why", "she said so"]) == 0
    assert _asked(operations, "decide") == DecideRequest(
        item="i1", choice="value", value="zoe@home.example", revision=4, why="she said so"
    )
    operations.asked.clear()
    assert cli.main(["decide", "i1", "erp", "--revision", "2"]) == 0
    assert _asked(operations, "decide").revision == 2


def test_R04_the_second_of_two_is_told_who_decided(
    engine: ServedEngine, operations: FakeOperations, capsys: Captured
) -> None:
    operations.refusal = Refusal("stale", "paul chose erp at 10:31")
    assert cli.main(["decide", "i1", "erp", "--revision", "4"]) == 1
    assert capsys.readouterr().err == "rollcall decide: paul chose erp at 10:31\n"


@pytest.mark.parametrize("words", [["plan", "lyon"], ["apply", "p7"], ["run", "lyon", "--wait"]])
def test_open_questions_are_exit_code_3(
    words: list[str], engine: ServedEngine, operations: FakeOperations, capsys: Captured
) -> None:
    operations.open = [item("i1"), item("i2"), item("h1", "hold"), item("t1", "task")]
    assert cli.main(words) == 3
    said = capsys.readouterr().err
    assert "rollcall conflicts (2)" in said and "rollcall holds (1)" in said and "task" not in said


def test_tasks_alone_need_nobody_now(engine: ServedEngine, operations: FakeOperations) -> None:
    operations.open = [item("t1", "task"), item("x1", "rejection")]
    assert cli.main(["plan", "lyon"]) == 0


@pytest.mark.parametrize("state", ["failed", "incomplete", "cancelled"])
def test_a_run_that_did_not_end_well_is_exit_code_1(
    state: str, engine: ServedEngine, operations: FakeOperations, capsys: Captured
) -> None:
    operations.run_view = run(state=state)
    operations.open = [item("i1")]
    assert cli.main(["run", "lyon", "--wait"]) == 1
    assert "events run:r42" in capsys.readouterr().err


def test_check_fails_when_a_finding_does(engine: ServedEngine, capsys: Captured) -> None:
    assert cli.main(["check"]) == 1
    assert "renew the key" in capsys.readouterr().out


@pytest.mark.parametrize(("code", "exit_code"), [("usage", 2), ("forbidden", 1), ("busy", 1), ("failed", 1)])
def test_refusals_are_one_line(
    code: str, exit_code: int, engine: ServedEngine, operations: FakeOperations, capsys: Captured
) -> None:
    operations.refusal = Refusal(code, "not\x1b[2J now")
    assert cli.main(["runs"]) == exit_code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "rollcall runs: not\\x1b[2J now\n"


@pytest.mark.parametrize(
    "words",
    [
        ["bogus"],
        ["--bogus"],
        ["plan"],
        ["runs", "--limit", "many"],
        ["runs", "--limit", "-1"],
        ["events", "--folow"],
        ["engine", "dance"],
        ["stat"],
    ],
)
def test_usage_is_exit_code_2_and_says_where_to_look(words: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("rollcall") and "--help" in said and len(said.splitlines()) == 2


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["events", "--help"]])
def test_help_is_an_answer(words: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 0
    assert "usage: rollcall" in capsys.readouterr().out


def test_the_version(capsys: Captured) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("rollcall ")


# Where no engine runs.


def test_without_an_engine_status_and_events_read_the_files(
    became: list[list[str]], tmp_path: Path, capsys: Captured
) -> None:
    place = ["--config", str(tmp_path / "rollcall.toml"), "--folder", str(tmp_path)]
    for words, command in (
        (["status", "--json"], ["offline", *place, "--json", "status"]),
        (["events", "a", "-b"], ["offline", *place, "--limit", "200", "events", "--", "a -b"]),
        (["config", "show", "--json"], ["config", "show", *place, "--json"]),
        (["config", "init"], ["config", "init", *place]),
        (["engine", "start", "--foreground"], ["serve", *place]),
    ):
        with pytest.raises(SystemExit):
            cli.main(words)
        assert became.pop() == ["engine", *command]
        said = capsys.readouterr()
        assert said.out == ""
        assert ("No engine is running" in said.err) == (
            words not in (["engine", "start", "--foreground"], ["config", "init"])
        )


@pytest.mark.parametrize(("code", "exit_code"), [(0, 4), (2, 2)])
def test_without_an_engine_check_looks_at_the_configuration_alone(
    code: int, exit_code: int, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    script = f"import sys; print(sys.argv[1:]); sys.exit({code})"
    monkeypatch.setattr(
        processes, "module_command", lambda module, words: [sys.executable, "-c", script, module, *words]
    )
    assert cli.main(["check"]) == exit_code
    assert "only the configuration" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["runs"], ["plan", "lyon"], ["events", "--follow"], ["events", "--export", "a.csv"], ["engine", "stop"]],
)
def test_without_an_engine_the_rest_is_exit_code_4(
    words: list[str], became: list[list[str]], capsys: Captured
) -> None:
    assert cli.main(words) == 4
    said = capsys.readouterr().err
    assert "engine.sock" in said and "rollcall engine start" in said
    assert became == []


def test_a_socket_that_may_not_be_opened_is_not_an_engine_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, became: list[list[str]], capsys: Captured
) -> None:
    monkeypatch.setattr("console.engine_client._denied_at", lambda socket: True)
    assert cli.main(["status"]) == 4
    assert "may not open" in capsys.readouterr().err
    assert became == []


def test_demo_and_simulate_become_their_own_process(became: list[list[str]]) -> None:
    for words in (
        ["demo", "--headless", "--json", "--seed", "7", "--learners", "2000", "--erp", "ypareo", "--days", "3"],
        ["simulate", "edusign", "--port", "8123", "--seed", "7"],
        ["demo", "--brand-new-option", "x"],
    ):
        with pytest.raises(SystemExit):
            cli.main(words)
        module, *arguments = became.pop()
        assert module == "connectors"
        assert sorted(arguments) == sorted(words)
        assert arguments[0] == words[0]


# The log.


def test_events_read_downwards_in_time(
    engine: ServedEngine, operations: FakeOperations, capsys: Captured
) -> None:
    operations.log = [event(seq, f"line {seq}") for seq in (1, 2, 3)]
    assert cli.main(["events"]) == 0
    assert [line[-1] for line in capsys.readouterr().out.splitlines()[1:]] == ["1", "2", "3"]


def test_a_mistake_in_a_query_names_its_column(engine: ServedEngine, capsys: Captured) -> None:
    assert cli.main(["events", "levle:warn"]) == 2
    assert "column 1" in capsys.readouterr().err


def test_an_export_is_written_whole_or_not_at_all(
    engine: ServedEngine, operations: FakeOperations, tmp_path: Path, capsys: Captured
) -> None:
    operations.log = [event(1), event(2)]
    file = tmp_path / "out.csv"
    assert cli.main(["events", "--export", str(file)]) == 0
    assert file.read_text() == "1,a line\n2,a line\n"
    assert "2 events" in capsys.readouterr().out
    operations.refusal = Refusal("usage", "column 3")
    assert cli.main(["events", "--export", str(tmp_path / "no.csv")]) == 2
    assert cli.main(["events", "--export", str(tmp_path / "no.xls")]) == 2
    assert [path.name for path in tmp_path.glob("*no*")] == []


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Processes begun meanwhile end at an interrupt, even if the tests run in a background that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_two_followers_see_the_same_dense_lines_over_a_restart(tmp_path: Path, interruptible: None) -> None:
    path = tmp_path / "engine.sock"
    operations = FakeOperations()
    operations.log = [event(seq) for seq in range(1, 4)]
    command = [sys.executable, "-m", "console.cli", "events", "--follow", "--after", "0", "--json"]
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(served(path, operations))
        followers = [
            stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            )
            for _ in range(2)
        ]
        for follower in followers:
            stack.callback(follower.kill)

        def read(follower: subprocess.Popen[str], lines: int) -> list[int]:
            assert follower.stdout is not None
            return [json.loads(follower.stdout.readline())["seq"] for _ in range(lines)]

        seen = [read(follower, 3) for follower in followers]
        first.stop()
        again = FakeOperations()
        again.log = [event(seq) for seq in range(1, 504)]
        stack.enter_context(served(path, again))
        for follower, numbers in zip(followers, seen, strict=True):
            numbers += read(follower, 500)
        for follower in followers:
            follower.send_signal(signal.SIGINT)
            assert follower.wait(10) == 130
            assert follower.stderr is not None
            said = follower.stderr.read()
            assert "waiting" in said and "Traceback" not in said
    assert seen == [list(range(1, 504))] * 2


def test_a_reader_that_has_enough_is_no_error(engine: ServedEngine, operations: FakeOperations) -> None:
    operations.log = [event(seq, "x" * 200) for seq in range(1, 2000)]
    follower = subprocess.Popen(
        [sys.executable, "-m", "console.cli", "events", "--follow", "--after", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with follower:
        assert follower.stdout is not None and follower.stderr is not None
        assert follower.stdout.readline()
        follower.stdout.close()
        assert follower.wait(10) == 0
        assert follower.stderr.read() == b""


def test_a_mistake_of_the_program_is_one_line(
    engine: ServedEngine, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def broken(*anything: object) -> int:
        raise ZeroDivisionError("division\x1bby\nzero")

    monkeypatch.setitem(commands.COMMANDS, "runs", broken)
    assert cli.main(["runs"]) == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and "ZeroDivisionError" in said and "\x1b" not in said


# Starting and stopping.

_ENGINE = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.unit.fake_engine import FakeOperations
from engine.service.access import InProcess
from engine.service.routes import application
from engine.service.socket import SocketServer

class Real(FakeOperations):
    async def status(self):
        return (await super().status()).model_copy(update={"pid": os.getpid()})

async def main():
    server = SocketServer()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    await server.serve(application(Real(), InProcess("marie")), Path(sys.argv[1]) / "engine.sock")

asyncio.run(main())
"""


def test_an_engine_starts_in_the_background_and_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (tmp_path / "rollcall.toml").write_text("")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setattr(
        processes, "module_command", lambda module, words: [sys.executable, "-c", _ENGINE, str(tmp_path)]
    )
    assert cli.main(["engine", "start"]) == 0
    assert "runs as process" in capsys.readouterr().err
    assert cli.main(["engine", "status", "--json"]) == 0
    pid = json.loads(capsys.readouterr().out)["pid"]
    assert os.getsid(pid) == pid
    assert (tmp_path / "engine.log").stat().st_mode & 0o777 == 0o600
    assert cli.main(["engine", "start"]) == 0
    assert "already" in capsys.readouterr().err
    assert cli.main(["engine", "stop"]) == 0
    assert "has stopped" in capsys.readouterr().err
    assert not processes.alive(pid)
    assert not (tmp_path / "engine.sock").exists()
    assert cli.main(["engine", "stop"]) == 4


def test_an_engine_that_ends_at_once_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (tmp_path / "rollcall.toml").write_text("")
    (tmp_path / "engine.log").write_text("what an earlier one said\n")
    script = "import sys; sys.exit(print('rollcall.toml:3: bad\\x1b[2J', file=sys.stderr) or 2)"
    monkeypatch.setattr(processes, "module_command", lambda module, words: [sys.executable, "-c", script])
    assert cli.main(["engine", "start"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("rollcall.toml:3: bad\\x1b[2J\n")
    assert "earlier" not in said


def test_without_a_configuration_no_engine_is_started(capsys: Captured) -> None:
    assert cli.main(["engine", "start"]) == 2
    assert "rollcall config init" in capsys.readouterr().err


def test_other_rooms_are_never_taken_from_the_current_folder() -> None:
    assert processes.module_command("engine", ["serve"])[1:] == ["-P", "-m", "engine", "serve"]


# Where things are.


def test_places(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    nowhere = tmp_path / "nowhere"
    own = located(home, root=False, var=nowhere)
    assert own.config == tmp_path / ".config/rollcall/rollcall.toml"
    assert own.socket == tmp_path / ".local/state/rollcall/engine.sock"
    asked = located({**home, "ROLLCALL_FOLDER": "/a"}, folder="/b", socket="/c/s", root=False)
    assert (asked.folder, asked.socket) == (Path("/b"), Path("/c/s"))
    xdg = {**home, "XDG_CONFIG_HOME": "/x/c", "XDG_STATE_HOME": "relative"}
    assert located(xdg, root=False, var=nowhere).config == Path("/x/c/rollcall/rollcall.toml")
    assert located(xdg, root=False, var=nowhere).folder == own.folder


def test_the_folder_the_configuration_names_counts(tmp_path: Path) -> None:
    config = tmp_path / "rollcall.toml"
    config.write_text('[engine]\nfolder = "/srv/rollcall"\n')
    assert located({"HOME": "/h"}, config=str(config)).socket == Path("/srv/rollcall/engine.sock")
    assert located({"HOME": "/h"}, config=str(config), folder="/b").folder == Path("/b")
    for broken in ("[engine", "engine = 3", "[engine]\nfolder = 3"):
        config.write_text(broken)
        assert located({"HOME": "/h"}, config=str(config), root=False, var=tmp_path).folder.is_relative_to("/h")


def test_a_user_without_an_engine_attaches_to_the_machines(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path / "home")}
    var, etc = tmp_path / "var", tmp_path / "etc.toml"
    var.mkdir()
    assert located(home, root=False, var=var, etc=etc).folder != var
    (var / "engine.sock").touch()
    attached = located(home, root=False, var=var, etc=etc)
    assert (attached.folder, attached.config) == (var, etc)
    own = tmp_path / "home/.local/state/rollcall"
    own.mkdir(parents=True)
    (own / "engine.sock").touch()
    assert located(home, root=False, var=var, etc=etc).folder == own


def test_the_defaults_are_the_engines_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ROLLCALL_CONFIG", "ROLLCALL_FOLDER", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for uid in (0, 1000):
        monkeypatch.setattr("os.geteuid", lambda uid=uid: uid)
        here = located(os.environ, var=tmp_path if uid else Path("/var/lib/rollcall"))
        assert here.config == default_path()
        assert here.folder == default_folder()


# Progress.


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class _Ticking:
    """A clock on which each look takes two seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        self.seconds += 2
        return self.seconds


def _session(err: io.StringIO, **environment: str) -> Session:
    here = {"COLUMNS": "60", "TERM": "xterm", **environment}
    return Session(Path("/c"), Path("/f"), Path("/s"), out=io.StringIO(), err=err, environment=here)


def _shown(err: io.StringIO, **environment: str) -> str:
    display = ProgressDisplay(_session(err, **environment), _Ticking())  # type: ignore[arg-type]
    if display.on:
        for done in (10, 20):
            display.show("lyon", ProgressView(what="reading \x1b[2J", done=done, total=100))
        display.end()
    return err.getvalue()


def test_progress_is_one_rewritten_line_on_a_terminal() -> None:
    shown = _shown(_Terminal())
    assert "\n" not in shown
    assert shown.startswith("\r\x1b[Klyon: reading \\x1b[2J 10/100 (10 %), 5/s, 18s left")
    assert shown.endswith("\r\x1b[K")


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_progress_is_plain_lines_where_asked(environment: dict[str, str]) -> None:
    shown = _shown(_Terminal(), **environment)
    assert shown == "lyon: reading \\x1b[2J 10/100 (10 %), 5/s, 18s left\n"


def test_no_progress_into_a_file() -> None:
    assert _shown(io.StringIO()) == ""


def test_long_work_shows_the_connections_progress_and_gives_its_result(
    monkeypatch: pytest.MonkeyPatch, operations: FakeOperations
) -> None:
    monkeypatch.setattr("console.progress.POLL_SECONDS", 0.0)
    go_on = threading.Event()

    class Client:
        def status(self) -> Any:
            go_on.set()
            return view

    view = asyncio.run(operations.status())
    err = _Terminal()

    def work() -> str:
        assert go_on.wait(10)
        assert shown.wait(10)
        return "the plan"

    shown = threading.Event()
    show = ProgressDisplay.show

    def noted(self: ProgressDisplay, subject: str, progress: ProgressView | None) -> None:
        show(self, subject, progress)
        shown.set()

    monkeypatch.setattr(ProgressDisplay, "show", noted)
    assert with_progress(_session(err), Client(), "lyon", work) == "the plan"  # type: ignore[arg-type]
    assert "lyon: reading 5/20 (25 %)" in err.getvalue()

    def failing() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        with_progress(_session(err), Client(), "lyon", failing)  # type: ignore[arg-type]
