"""Record page, sheets, help, palette and search as pictures."""

from __future__ import annotations

from console.presentation.signs import ASCII
from engine.service.models import FoundView
from tests.snapshots.kit import Compare, pictured, school
from tests.unit.fake_engine import FakeOperations
from tests.unit.test_record_commands import sheets
from tests.unit.test_record_page import learner, sheet_record


def _school() -> FakeOperations:
    fake = school()
    fake.record_view = learner()
    fake.sheet_views = sheets()
    fake.found_views = (
        FoundView(connection="lyon", kind="learner", erp_id="A17", edusign_id="j", label="Dupont Jeanne",
                  detail="jeanne@ecole.example"),
        FoundView(connection="lyon", kind="learner", erp_id="A18", label="Dupont Zoë", state="erp"),
    )  # fmt: skip
    return fake


def test_record_page(snap_compare: Compare) -> None:
    assert pictured(snap_compare, "i", sees=("The newest plan",), operations=_school())


def test_record_page_its_other_pane(snap_compare: Compare) -> None:
    assert pictured(snap_compare, "i", "tab", "down", sees=("d Edusign's",), operations=_school())


def test_record_page_wide(snap_compare: Compare) -> None:
    sees = ("API_TYPE", "Its log")
    assert pictured(snap_compare, "i", sees=sees, operations=_school(), size=(160, 40))


def test_record_page_of_a_sheet(snap_compare: Compare) -> None:
    fake = _school()
    fake.record_view = sheet_record()
    assert pictured(snap_compare, "6", "enter", "end", sees=("taken off in Edusign",), operations=fake)


def test_sheets(snap_compare: Compare) -> None:
    assert pictured(snap_compare, "6", sees=("not written: it has begun", "the speaker"), operations=_school())


def test_sheets_with_few_letters_and_no_colour(snap_compare: Compare) -> None:
    sees = ("not written: it has begun",)
    assert pictured(snap_compare, "6", sees=sees, operations=_school(), theme="mono", signs=ASCII)


def test_help(snap_compare: Compare) -> None:
    keys = ("6", "question_mark")
    assert pictured(snap_compare, *keys, sees=("Help: Sheets", "Moving"), operations=_school())


def test_palette(snap_compare: Compare) -> None:
    assert pictured(snap_compare, "colon", *"re", sees=("Rejections",), operations=_school())


def test_find(snap_compare: Compare) -> None:
    assert pictured(snap_compare, "g", *"dup", sees=("2 found",), operations=_school())
