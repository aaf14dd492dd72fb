"""`rollcall absences`: what it asks and prints, ticks and writes to files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from console import cli
from console.presentation import absences as words
from console.presentation.columns import display_width
from console.presentation.line import text_of
from console.presentation.wording import Look
from engine.service.models import AbsenceView, TickRequest
from tests.unit.fake_engine import NOW, FakeOperations, ServedEngine, served

HOSTILE = "\x1b[2J\u202eNguyễn"
Captured = pytest.CaptureFixture[str]


def absence(id: str = "a1", **more: Any) -> AbsenceView:
    values: dict[str, Any] = {
        "id": id,
        "connection": "lyon",
        "state": "by_hand",
        "why": "no_session",
        "summary": "the sheet was made by hand and is linked to no session of the ERP",
        "sheet": "jz1g68xkv0yoy490",
        "about": "Rattrapage",
        "start": NOW - timedelta(hours=20),
        "end": NOW - timedelta(hours=18),
        "kind": "learner",
        "person": "ed-17",
        "erp_id": "A17",
        "label": "Dupont Zoë",
        "people": 1,
        "attendance": "absent",
        "words": "absent, justified",
        "justified": True,
    }
    return AbsenceView(**(values | more))


def views() -> tuple[AbsenceView, ...]:
    ticked = {"ticked_by": "bea", "ticked_at": NOW}
    return (
        absence(
            "a0", state="held", why="roll_call_missing", summary="roll call missing?", item="h3", revision=2
        ),
        absence(),
        absence("a2", **ticked, found=False),
        absence("a3", state="theirs", why="changed_in_erp", summary="the ERP's word stands", erp="absent"),
        absence("a4", state="waiting", why="not_locked", kind="", people=24, words="", attendance="", label=""),
        absence("a5", state="delivered", at=NOW, run_id="r7", summary="read back from the ERP"),
    )


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[ServedEngine]:
    operations = FakeOperations()
    operations.absence_views = views()
    with served(tmp_path / "engine.sock", operations) as running:
        yield running


def rollcall(engine: ServedEngine, *arguments: str) -> int:
    return cli.main(["--socket", str(engine.path), *arguments])


def test_the_list_says_who_where_and_why(engine: ServedEngine, capsys: Captured) -> None:
    assert rollcall(engine, "absences", "lyon", "--state", "held", "--limit", "50") == 0
    text = capsys.readouterr().out
    assert "Dupont Zoë" in text and "24 people" in text and "reported" in text
    assert ("absences", ("lyon", "kind:held ", 50)) in [one[:2] for one in engine.operations.asked]


def test_json_is_what_the_engine_says(engine: ServedEngine, capsys: Captured) -> None:
    assert rollcall(engine, "--json", "absences") == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)] == [f"a{n}" for n in range(6)]


def test_lines_are_ticked_and_unticked_by_their_ids(engine: ServedEngine, capsys: Captured) -> None:
    assert rollcall(engine, "absences", "tick", "a1", "a2") == 0
    assert rollcall(engine, "absences", "tick", "a2", "--undo") == 0
    asked = [what for name, what, _actor in engine.operations.asked if name == "tick"]
    assert asked == [TickRequest(ids=("a1", "a2")), TickRequest(ids=("a2",), done=False)]
    assert "reported" in capsys.readouterr().out
    assert rollcall(engine, "absences", "tick") == 2


def test_the_form_is_written_whole_or_not_at_all(
    engine: ServedEngine, tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / "form.csv"
    assert rollcall(engine, "absences", "form", "lyon", "--out", str(file)) == 0
    assert file.read_bytes().startswith(b"person;key") and "1 lines" in capsys.readouterr().out
    assert rollcall(engine, "absences", "form", "lyon") == 2
    assert [one.name for one in tmp_path.glob("*.part")] == []


@pytest.mark.parametrize("width", [80, 120, 200])
def test_every_row_fits_and_hostile_names_are_text(width: int) -> None:
    hostile = (*views(), absence("a9", label=HOSTILE, about=HOSTILE, summary=HOSTILE))
    for one in hostile:
        row = words.row(one, NOW, width, Look(width), True)
        assert display_width(text_of(row)) <= width and "\x1b" not in text_of(row)
        for line in words.detail(one, NOW, width, Look(width)):
            assert display_width(text_of(line)) <= width and "\x1b" not in text_of(line)
    table = words.absences(hostile, Look(width))
    assert "\x1b" not in table and all(display_width(line) <= width for line in table.splitlines())


def test_the_summary_counts_by_where_they_are() -> None:
    text = text_of(words.summary(views(), True, 2, 6))
    for part in ("1 held", "1 by hand", "1 reported", "1 waiting", "match the filter", "2 marked", "first 6"):
        assert part in text
