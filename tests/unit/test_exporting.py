"""The file an export writes: whole or not at all, for its owner alone, over nothing unasked."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, cast

import pytest

from console.engine_client import EngineClient, EngineUnreachable
from console.screens.exporting import written


class Exporter:
    """As much of a client as an export asks. `meanwhile`: what somebody else writes at the path during it."""

    def __init__(self, path: Path, meanwhile: str = "", lost: bool = False) -> None:
        self.path, self.meanwhile, self.lost = path, meanwhile, lost
        self.asked: list[tuple[str, str]] = []

    def export(self, query: str, format: str, into: BinaryIO) -> int:
        self.asked.append((query, format))
        into.write(b"seq\n1\n")
        if self.meanwhile:
            self.path.write_text(self.meanwhile, "utf-8")
        if self.lost:
            raise EngineUnreachable("lost", "the engine went away before its answer")
        return 1


def _written(client: Exporter, *, replace: bool = False) -> int | str:
    return written(cast(EngineClient, client), "level:warn+", client.path, replace=replace)


def test_it_appears_whole_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    client = Exporter(tmp_path / "out.JSONL")
    assert _written(client) == 1
    assert client.asked == [("level:warn+", "jsonl")]
    assert client.path.read_text("utf-8") == "seq\n1\n"
    assert client.path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [client.path]


def test_what_somebody_else_wrote_there_meanwhile_stays(tmp_path: Path) -> None:
    client = Exporter(tmp_path / "out.csv", meanwhile="theirs")
    answer = _written(client)
    assert isinstance(answer, str) and "out.csv is there already; nothing was written" in answer
    assert client.path.read_text("utf-8") == "theirs"
    assert list(tmp_path.iterdir()) == [client.path]
    assert _written(Exporter(client.path), replace=True) == 1
    assert client.path.read_text("utf-8") == "seq\n1\n"


def test_a_broken_off_export_leaves_nothing_behind(tmp_path: Path) -> None:
    kept = tmp_path / "out.csv"
    kept.write_text("mine", "utf-8")
    with pytest.raises(EngineUnreachable):
        _written(Exporter(kept, lost=True), replace=True)
    assert kept.read_text("utf-8") == "mine"
    assert list(tmp_path.iterdir()) == [kept]


def test_a_folder_that_takes_no_file_is_said(tmp_path: Path) -> None:
    answer = _written(Exporter(tmp_path / "nowhere" / "out.csv"))
    assert isinstance(answer, str) and "out.csv was not written: No such file or directory" in answer
