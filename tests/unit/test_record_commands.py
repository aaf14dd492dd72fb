"""`today`, `sheets`, `record` and `find`: what they ask and print. ROLLCALL_UPDATE_GOLDEN=1 writes the goldens
anew."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from console import cli
from console.presentation import record_tables
from console.presentation.columns import display_width
from console.presentation.wording import Look
from engine.service.models import FieldView, FoundView, MemberView, RecordView, SheetView, TodayView
from tests.unit.fake_engine import NOW, FakeOperations, ServedEngine, change, item, served

_GOLDEN = Path(__file__).parent.parent / "golden"
_PARIS = ZoneInfo("Europe/Paris")
HOUR = timedelta(hours=1)
HOSTILE = "\x1b[2J\u202eNguyễn"

Captured = pytest.CaptureFixture[str]


def sheet(**more: Any) -> SheetView:
    values: dict[str, Any] = {
        "connection": "lyon",
        "erp_id": "900017",
        "edusign_id": "jz1g68xkv0yoy490",
        "label": "Mathématiques appliquées",
        "start": NOW + HOUR,
        "end": NOW + 3 * HOUR,
        "room": "B12",
        "groups": ("BTS SIO 1", "BTS SIO 2"),
        "speakers": ("Martin Paul",),
        "learners": 24,
        "session_start": NOW + HOUR,
        "session_end": NOW + 3 * HOUR,
        "session_room": "B12",
        "expected": 24,
    }
    return SheetView(**(values | more))


def sheets() -> tuple[SheetView, ...]:
    alone = {"edusign_id": "", "label": "Anglais", "erp_id": "900018", "troubles": ("no_sheet",)}
    by_hand = {"erp_id": "", "session_start": None, "session_end": None, "expected": 0, "learners": 0}
    return (
        sheet(signed=23, speaker_signed=True, learners=23, state="running", why_not="it has begun"),
        sheet(
            session_start=NOW + 2 * HOUR, session_room="", troubles=("other_time", "other_room"), learners=22
        ),
        sheet(**alone),
        sheet(
            **by_hand, label="Rattrapage", troubles=("no_learners", "no_session"), locked=True, why_not="locked"
        ),
    )


def record(**more: Any) -> RecordView:
    values: dict[str, Any] = {
        "connection": "lyon",
        "kind": "learner",
        "erp_id": "A17",
        "edusign_id": "jz1g68xkv0yoy490",
        "label": "Dupont Jeanne",
        "read_at": NOW,
        "in_erp": True,
        "in_edusign": True,
        "linked": True,
        "api_id": "A17",
        "api_type": "rollcall-lyon",
        "where": "Yparéo › Apprenant A17 › Adresse › E-mail",
    }
    return RecordView(**(values | more))


def _today(look: Look) -> str:
    views = (
        TodayView(
            connection="lyon", date=date(2026, 11, 24), read_at=NOW, sheets=12, begun=5, rows=sheets()[1:],
            troubles={"no_session": 1, "no_sheet": 1, "other_room": 1, "other_time": 1, "no_learners": 1},
        ),
        TodayView(connection="nantes", date=date(2026, 11, 24), read_at=NOW, sheets=1, begun=0),
        TodayView(connection="nice", date=date(2026, 11, 24)),
    )  # fmt: skip
    return record_tables.today(views, look)


def _sheets(look: Look) -> str:
    return record_tables.sheets((*sheets(), sheet(connection="nantes")), look)


def _record_learner(look: Look) -> str:
    phone = {"base": "+33611223344", "edusign": "0611223344", "edusign_canonical": "+33611223344"}
    view = record(
        problems=("two people have this e-mail address: j@ecole.example (A17, A18)",),
        missing=("lyon/import/midday/2026-11-23",),
        fields=(
            FieldView(field="last_name", erp="Dupont", base="Dupont", edusign="Dupont", erp_canonical="Dupont",
                      edusign_canonical="Dupont"),
            FieldView(field="phone", erp="06 00 00 00 42", erp_canonical="+33600000042", state="erp", **phone),
        ),
        items=(item(),),
        changes=(change(),),
        sheets=(sheet(),),
    )  # fmt: skip
    return record_tables.records((view,), look)


def _record_sheet(look: Look) -> str:
    start = {"erp": "2026-11-24T12:30:00Z", "erp_canonical": "2026-11-24T12:30:00Z"}
    members = (
        MemberView(kind="learner", label="Dupont Jeanne", erp_id="A17", edusign_id="j", in_erp=True,
                   in_base=True, in_edusign=True, signed=True),
        MemberView(kind="learner", label="Abel Guest", edusign_id="g7", in_edusign=True),
    )  # fmt: skip
    view = record(
        kind="sheet", erp_id="900017", label="Maths", api_id="900017", fresh=True, sheet=sheets()[1],
        fields=(FieldView(field="start", state="erp", edusign="2026-11-24T11:30:00Z",
                          edusign_canonical="2026-11-24T11:30:00Z", base="2026-11-24T11:30:00Z", **start),),
        members=members,
    )  # fmt: skip
    return record_tables.records((view,), look)


def _found(look: Look) -> str:
    views = (
        FoundView(connection="lyon", kind="learner", erp_id="A17", edusign_id="j", label="Dupont Jeanne",
                  detail="jeanne@ecole.example"),
        FoundView(connection="nantes", kind="sheet", edusign_id="h1", label="Dupont, oral", state="edusign",
                  detail="2026-11-24 09:00"),
    )  # fmt: skip
    return record_tables.found(views, look)


_TABLES = (_today, _sheets, _record_learner, _record_sheet, _found)


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("made", _TABLES, ids=lambda made: made.__name__.strip("_"))
def test_tables_look_as_they_did(made: Callable[[Look], str], width: int) -> None:
    text = made(Look(width, _PARIS))
    golden = _GOLDEN / f"{made.__name__.strip('_')}_{width}.txt"
    if os.environ.get("ROLLCALL_UPDATE_GOLDEN"):
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")
    assert max(display_width(line) for line in text.splitlines()) <= width


def test_how_a_record_stands_is_said_in_words() -> None:
    def head(**more: Any) -> str:
        return record_tables.records((record(**more),), Look(None, _PARIS)).splitlines()[0]

    assert head().endswith("of lyon, linked.")
    assert head(linked=False, in_edusign=False).endswith("only in the ERP.")
    assert head(linked=False, in_erp=False).endswith("only in Edusign.")
    assert head(in_erp=False, archived=True, read_only=True, shared=True).endswith(
        "linked, not shown by the ERP, read-only: another connector's, archived in Edusign, of several schools."
    )
    assert head(ended=True).endswith("left the ERP.") and head(kind="sheet", ended=True).endswith(
        "cancelled in the ERP."
    )


def test_nothing_from_outside_reaches_the_terminal_as_it_is() -> None:
    hostile_sheet = sheet(
        label=HOSTILE, room=HOSTILE, groups=(HOSTILE,), session_room=HOSTILE, troubles=("other_room",)
    )
    view = record(
        label=HOSTILE, api_id=HOSTILE, where=HOSTILE, problems=(HOSTILE,), missing=(HOSTILE,),
        sheet=hostile_sheet,
        fields=(FieldView(field="last_name", erp=HOSTILE, edusign=[HOSTILE]),),
        members=(MemberView(kind="learner", label=HOSTILE, erp_id=HOSTILE),),
    )  # fmt: skip
    found = FoundView(connection="lyon", kind="learner", erp_id=HOSTILE, label=HOSTILE, detail=HOSTILE)
    look = Look(120, _PARIS)
    for text in (record_tables.records((view,), look), record_tables.found((found,), look)):
        assert all(line.isprintable() for line in text.splitlines()) and "\\x1b[2J" in text


# The commands


@pytest.fixture
def operations() -> FakeOperations:
    fake = FakeOperations()
    fake.sheet_views = sheets()
    fake.today_views = (TodayView(connection="lyon", date=NOW.date(), read_at=NOW),)
    fake.record_view = record()
    fake.found_views = (FoundView(connection="lyon", kind="learner", erp_id="A17", label="Dupont Jeanne"),)
    return fake


@pytest.fixture
def engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operations: FakeOperations
) -> Iterator[ServedEngine]:
    monkeypatch.setenv("ROLLCALL_FOLDER", str(tmp_path))
    monkeypatch.setenv("ROLLCALL_CONFIG", str(tmp_path / "rollcall.toml"))
    monkeypatch.setenv("COLUMNS", "120")
    with served(tmp_path / "engine.sock", operations) as engine:
        yield engine


@pytest.mark.parametrize(
    ("words", "asked", "what"),
    [
        (["today"], "today", ""),
        (["today", "lyon"], "today", "lyon"),
        (["sheets", "lyon"], "sheets", ("lyon", "")),
        (["record", "learner:A17"], "record", ("lyon", "learner", "A17")),
        (["record", "sheet:a:b", "nantes"], "record", ("nantes", "sheet", "a:b")),
        (["record", "learner:A17", "lyon", "--now"], "look", ("lyon", "learner", "A17")),
        (["find", "dupont", "jeanne"], "find", ("dupont jeanne", "", 50)),
        (["find", "dupont", "--connection", "lyon", "--limit", "3"], "find", ("dupont", "lyon", 3)),
    ],
)
def test_what_is_asked_of_the_engine(
    words: list[str],
    asked: str,
    what: object,
    engine: ServedEngine,
    operations: FakeOperations,
    capsys: Captured,
) -> None:
    assert cli.main(words) == 0
    assert what in [given for name, given, _actor in operations.asked if name == asked]
    said = capsys.readouterr()
    assert said.out.endswith("\n") and said.err == ""
    assert cli.main([*words, "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)


def test_a_record_nobody_read_is_a_failure_and_half_a_name_is_usage(
    engine: ServedEngine, operations: FakeOperations, capsys: Captured
) -> None:
    operations.record_view = None
    assert cli.main(["record", "learner:A17"]) == 1
    assert "no learner A17 was read" in capsys.readouterr().err
    for text in ("A17", "learner:", ":A17"):
        assert cli.main(["record", text]) == 2
        assert "KIND:ID was expected" in capsys.readouterr().err
