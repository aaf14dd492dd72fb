"""What may be loaded when the console first paints: it opens as fast as what it imports, on any machine."""

from __future__ import annotations

import json
from pathlib import Path

from tests.terminal import ROLLCALL, Terminal
from tests.unit.fake_engine import served

NOT_YET = {
    "anyio",
    "connectors",
    "console.command_line",
    "console.commands",
    "console.engine_client",
    "croniter",
    "duckdb",
    "email",
    "email_validator",
    "engine.records",
    "engine.service.endpoints",
    "engine.service.models",
    "h11",
    "httpcore",
    "httpx",
    "httpx_sse",
    "phonenumbers",
    "pydantic",
    "pydantic_core",
    "sqlalchemy",
    "starlette",
    "textual.widgets._data_table",
    "textual.widgets._markdown",
    "textual.widgets._text_area",
    "typer",
    "uvicorn",
}
"""Modules that wait until there is something on the screen, or for ever."""

_WATCH = '''
import json, os, sys


class Watched:
    """The terminal as textual writes to it: what was loaded when the first frame went out."""

    def __init__(self, stream):
        self._stream = stream
        self._seen = False

    def write(self, text):
        if not self._seen and "Rollcall" in text:
            self._seen = True
            with open(os.environ["LOADED_AT_FIRST_PAINT"], "w") as into:
                json.dump(sorted(sys.modules), into)
        return self._stream.write(text)

    def __getattr__(self, name):
        return getattr(self._stream, name)


sys.__stderr__ = Watched(sys.__stderr__)
'''


def test_nothing_heavy_is_loaded_at_the_first_paint(tmp_path: Path) -> None:
    loaded = tmp_path / "loaded.json"
    (tmp_path / "sitecustomize.py").write_text(_WATCH)
    environment = {
        "HOME": str(tmp_path),
        "LOADED_AT_FIRST_PAINT": str(loaded),
        "PYTHONPATH": str(tmp_path),
        "ROLLCALL_CONFIG": str(tmp_path / "none.toml"),
        "ROLLCALL_FOLDER": str(tmp_path),
    }
    with served(tmp_path / "engine.sock"), Terminal([ROLLCALL], environment=environment) as terminal:
        terminal.sees("Rollcall", "lyon ypareo")
        modules = set(json.loads(loaded.read_text()))
        terminal.presses("q")
        assert terminal.ends() == 0
    assert {"console.app", "textual.app"} <= modules
    assert sorted(NOT_YET & modules) == []
