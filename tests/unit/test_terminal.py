"""What reaches a real terminal: no escape but our own, whatever names come from the outside."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from tests.properties.test_hostile_text import HOSTILE, unsafe
from tests.unit.fake_engine import FakeOperations, change, event, item, served

OUR_OWN = re.compile(r"\r(?:\x1b\[2?K)?")
"""Rewriting the progress line, and the terminal's own carriage returns."""


def captured(folder: Path, *arguments: str) -> str:
    """What one command writes to a terminal of 80 columns, standard error included."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from console.cli import main; raise SystemExit(main())", *arguments]
    places = {"ROLLCALL_FOLDER": str(folder), "ROLLCALL_CONFIG": str(folder / "none.toml")}
    environment = {**os.environ, **places, "COLUMNS": "80", "TERM": "xterm-256color"}
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs, env=environment)
    os.close(theirs)
    written = b""
    while True:
        try:
            got = os.read(ours, 65536)
        except OSError:
            break
        if not got:
            break
        written += got
    os.close(ours)
    assert process.wait() in (0, 3)
    return written.decode("utf-8")


def test_no_foreign_escape_reaches_a_terminal(tmp_path: Path) -> None:
    operations = FakeOperations()
    operations.open = [
        item(f"i{n}", type=type, label=name, summary=name, where=name, changes=(change(label=name),))
        for n, (name, type) in enumerate(
            (name, type) for name in HOSTILE for type in ("hold", "rejection", "duplicate", "conflict")
        )
    ]
    operations.log = [event(n + 1, name, actor=name) for n, name in enumerate(HOSTILE)]
    with served(tmp_path / "engine.sock", operations):
        for words in (["holds"], ["rejections"], ["duplicates", "--json"], ["conflicts"], ["events"]):
            shown = captured(tmp_path, *words)
            assert len(shown) > 100
            assert unsafe(OUR_OWN.sub("", shown.replace("\r\n", "\n"))) == [], words
