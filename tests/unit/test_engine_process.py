"""The engine's process: the pipe it lives by, and a clock of its own for simulated schools alone."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from engine import lifeline
from engine.__main__ import main

CONFIG = """\
[engine]
folder = "{folder}"
[connection.lyon]
erp = "ypareo"
[connection.lyon.edusign]
key = "env:EDUSIGN_KEY"
url = "http://127.0.0.1:1"
[connection.lyon.ypareo]
token = "env:YPAREO_TOKEN"
url = "{url}"
"""


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDUSIGN_KEY", "invented")
    monkeypatch.setenv("YPAREO_TOKEN", "invented")


@pytest.mark.usefixtures("keys")
def test_no_clock_of_its_own_where_a_school_may_be_real(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "rollcall.toml"
    config.write_text(CONFIG.format(folder=tmp_path / "state", url="https://ypareo.school.example"))
    assert main(["serve", "--config", str(config), "--time-offset", "3600"]) == 2
    said = capsys.readouterr().err
    assert "lyon" in said and "--time-offset" in said
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("wrong", ["soon", "nan", "inf", "1e300", "9999999999"])
def test_an_offset_is_a_number_of_seconds(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", f"--time-offset={wrong}"])
    assert ended.value.code == 2
    assert "--time-offset" in capsys.readouterr().err


async def test_a_lifeline_tells_once_when_its_other_end_is_gone() -> None:
    ours, theirs = os.pipe()
    gone = asyncio.Event()
    try:
        assert lifeline.hold(ours, gone.set)
        os.write(theirs, b"words that mean nothing")
        await asyncio.sleep(0)
        assert not gone.is_set()
        os.close(theirs)
        await asyncio.wait_for(gone.wait(), 30)
    finally:
        os.close(ours)


@pytest.mark.parametrize("path", ["/dev/null", __file__])
async def test_what_is_no_pipe_says_nothing_about_anybody(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert not lifeline.hold(descriptor, lambda: pytest.fail("nobody is gone"))
    finally:
        os.close(descriptor)
