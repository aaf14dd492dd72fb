"""Changes and holds as text: goldens at two widths, what differs, what is said before something is written.

ROLLCALL_UPDATE_GOLDEN=1 writes the goldens anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings

from console.presentation import batches, changes, holds
from console.presentation.columns import display_width
from console.presentation.diff import marked, pieces, two
from console.presentation.holds import Group
from console.presentation.line import Line, text_of
from console.presentation.sides import Sides, beside
from console.presentation.signs import ASCII, UNICODE
from console.presentation.wording import Look
from engine.service.models import ChangeRef, ChangeRow, ChangeView, MemberView, PlanHead, RecordView
from tests.properties.test_hostile_text import _TEXT, _with_every_example, unsafe
from tests.snapshots.kit import school
from tests.unit.fake_engine import NOW, change, item

_GOLDEN = Path(__file__).parent.parent / "golden"
_LOOK = Look(None, ZoneInfo("Europe/Paris"))


def row(one: ChangeView, **more: Any) -> ChangeRow:
    held = bool(one.hold) and not one.hold.startswith("skipped")
    fields: dict[str, Any] = {"connection": "lyon", "plan": "p7", "item": "h3" if held else ""}
    return ChangeRow(change=one, revision=1 if held else 0, **(fields | more))


def ref(n: int = 1, **more: Any) -> ChangeRef:
    fields: dict[str, Any] = {
        "connection": "lyon", "plan": "p7", "id": f"c{n}", "verb": "update", "kind": "learner",
        "label": f"Nr {n}", "hold": "limit update learner", "item": "h3", "revision": 1,
    }  # fmt: skip
    return ChangeRef(**(fields | more))


def text(lines: Iterable[Line]) -> str:
    return "".join(text_of(one).rstrip() + "\n" for one in lines)


def _roster() -> ChangeView:
    return change(
        "c7",
        kind="group",
        erp_id="G2",
        label="BTS SIO 2",
        before={"members": ["A1", "A2", "edusign:ed-9"]},
        after={"members": ["A1", "A3", "edusign:ed-9"]},
        people=17,
    )


def _group_record() -> RecordView:
    people = (("A1", "Aubert"), ("A2", "Benali"), ("A3", "Chansier"))
    members = tuple(MemberView(kind="learner", label=name, erp_id=id) for id, name in people)
    return RecordView(connection="lyon", kind="group", erp_id="G2", label="BTS SIO 2", members=members)


def _shown(width: int) -> str:
    """The list, each of its changes in full, the holds, and what is asked before deciding."""
    fake = school()
    listed = [row(one) for one in (*fake.plan_view.changes, _roster())]
    record = fake.record_view
    head = PlanHead(**fake.plan_view.model_dump(exclude={"changes"}) | {"total": 7})
    first = tuple(one for one in listed if one.item)
    group = Group(fake.open[1].model_copy(update={"data": {"verbs": {"archive": 1234}}}), 1234, first)
    parts: list[Iterable[Line]] = [
        [changes.summary([head], 7, False, 2, NOW, _LOOK, width), changes.heading(width, True)],
        [changes.row(one, NOW, width, _LOOK, True, UNICODE) for one in listed],
        *(
            changes.detail(
                one, record if one.change.id == "c1" else _group_record(), NOW, width, _LOOK, UNICODE
            )
            for one in listed
        ),
        [holds.summary([group], True, 1, width), holds.heading(width, False)],
        [holds.row(group, NOW, width, _LOOK, False)],
        holds.detail(group, NOW, width, _LOOK, UNICODE),
    ]
    for title, lines in (
        batches.approve([ref(n, mails=2) for n in range(7)], 1, ["lyon"]),
        batches.approve([ref()], 0, [], [fake.open[1]]),
        batches.skip([ref()], 2),
        batches.take_up([ref(hold=changes.LEFT_OUT, item="")], 0),
        batches.write([ref(hold="", item="", verb="create"), ref(2, hold="", item="", verb="withdraw")], 3),
    ):
        parts.append([*_asked(title), *lines])
    return "\n".join(text(one) for one in parts)


def _asked(title: str) -> list[Line]:
    from console.presentation.line import line

    return [line(title)]


@pytest.mark.parametrize("width", [80, 200])
def test_changes_look_as_they_did(width: int) -> None:
    shown, golden = _shown(width), _GOLDEN / f"changes_{width}.txt"
    if os.environ.get("ROLLCALL_UPDATE_GOLDEN"):
        golden.write_text(shown, "utf-8")
    assert shown == golden.read_text("utf-8")


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_row_is_wider_than_its_list(width: int) -> None:
    for one in (*school().plan_view.changes, _roster()):
        assert display_width(text_of(changes.row(row(one), NOW, width, _LOOK, True, UNICODE))) <= width
        lines = changes.detail(row(one), None, NOW, width, _LOOK, UNICODE)
        assert max(display_width(text_of(line)) for line in lines) <= width


def test_what_differs_stands_between_brackets_for_eyes_without_colour() -> None:
    old, new = two("zoe@old.example", "zoe@new.example")
    assert text_of(old) == "zoe@[old].example"
    assert text_of(new) == "zoe@[new].example"
    assert text_of(marked("Dupont", "Dupond", "added")) == "Dupon[t]"
    assert text_of(two("", "x")[0]) == "(empty)"


def test_letters_that_are_common_by_chance_are_not_shown_as_common() -> None:
    sides = [piece.text for piece in pieces("achansier@libre.example", "P00002.new@example.org")]
    assert min(len(one) for one in sides[1:-1]) >= 3
    assert text_of(marked("P00002.new@example.org", "achansier@libre.example", "added")).count("[") <= 2


@_with_every_example
@given(_TEXT)
@settings(max_examples=60, deadline=None)
def test_pieces_make_up_both_values(new: str) -> None:
    old = new[1:] + "x" + new[:2]
    parts = pieces(old, new)
    assert "".join(p.text for p in parts if p.side != "new") == old
    assert "".join(p.text for p in parts if p.side != "old") == new


def test_three_values_stand_beside_each_other_where_there_is_room() -> None:
    field = Sides("email", "a@new.example", "a@old.example", "a@old.example")
    assert len(beside([field], 80)) == 2
    assert len(beside([field], 40)) == 4


def test_people_come_and_go_by_name_once_the_names_are_known() -> None:
    known = text(changes.detail(row(_roster()), _group_record(), NOW, 80, _LOOK, UNICODE))
    assert "+Chansier  -Benali  2 stay" in known
    assert "A3" not in known
    assert "+A3" in text(changes.detail(row(_roster()), None, NOW, 80, _LOOK, UNICODE))


def test_a_confirmation_says_how_many_whom_first_and_what_cannot_be_undone() -> None:
    title, lines = batches.write([ref(n, hold="", item="", verb="create", mails=3) for n in range(8)], 2)
    said = text(lines)
    assert title == "Write 8 changes now?"
    assert "8 create learner" in said and "Nr 4" in said and "Nr 5" not in said and "and 3 more" in said
    assert "keeps its new Edusign id" in said
    assert "Up to 24 mails" in said
    assert "2 others are held or left out" in said


def test_a_value_that_is_neither_sides_is_said() -> None:
    fake = school()
    typed = row(change(after={"email": "third@example.org"}))
    assert "written: third@example.org" in text(
        changes.detail(typed, fake.record_view, NOW, 80, _LOOK, UNICODE)
    )


def test_states_are_words_on_a_terminal_of_few_letters() -> None:
    shown = [text_of(changes.row(row(one), NOW, 78, _LOOK, False, ASCII)) for one in school().plan_view.changes]
    assert {one[:7].strip() for one in shown} == {"ready", "= held", "skipped"}


@_with_every_example
@given(_TEXT)
@settings(max_examples=40, deadline=None)
def test_hostile_text_is_text(given: str) -> None:
    hostile = change(
        label=given, erp_id=given, before={given: given}, after={given: [given]}, reason=given, hold=given
    )
    one = row(hostile, connection=given)
    hold = Group(item("h1", "hold", label=given, code=given, summary=given, data={"decided": given}), 1, (one,))
    at = NOW + timedelta(hours=1)
    for width in (80, 200):
        shown = text(
            [
                changes.row(one, at, width, _LOOK, True, UNICODE),
                *changes.detail(one, None, at, width, _LOOK, UNICODE),
                holds.row(hold, at, width, _LOOK, True),
                *holds.detail(hold, at, width, _LOOK, UNICODE),
                *batches.approve([ref(label=given, connection=given)], 0, [given], [hold.item])[1],
            ]
        )
        assert unsafe(shown) == []
