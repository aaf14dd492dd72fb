"""What the commands may import: a command is as slow as what it imports, however fast the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.fake_engine import served

_NEVER = {"textual", "typer", "duckdb", "sqlalchemy", "starlette", "uvicorn", "connectors"}
_NOT_BEFORE_ASKING = _NEVER | {"httpx", "pydantic"}

_SCRIPT = """
import json, sys
from console.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def _imported(words: list[str], folder: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *words],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "ROLLCALL_FOLDER": str(folder), "ROLLCALL_CONFIG": str(folder / "none.toml")},
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("words", [[], ["status"], ["status", "--json"], ["holds"]])
def test_commands_import_neither_screens_nor_storage_nor_server(words: list[str], tmp_path: Path) -> None:
    with served(tmp_path / "engine.sock"):
        imported = _imported(words, tmp_path)
    assert "httpx" in imported
    assert imported & _NEVER == set()


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["bogus"]])
def test_help_and_mistakes_import_next_to_nothing(words: list[str], tmp_path: Path) -> None:
    assert _imported(words, tmp_path) & _NOT_BEFORE_ASKING == set()
