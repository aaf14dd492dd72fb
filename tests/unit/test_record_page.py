"""Record page, sheets, help, palette and search as text: goldens at two widths, and what each row stands for.
ROLLCALL_UPDATE_GOLDEN=1 writes the goldens anew."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings

from console.actions import BY_ID, SCREENS, here, shown_key
from console.presentation import found, help, palette, record, record_around, sheets
from console.presentation.line import Line, fitted, line, span, text_of, width_of
from console.presentation.signs import UNICODE
from console.presentation.subject import Subject
from console.presentation.wording import Look
from engine.service.models import FieldView, FoundView, MemberView, RecordView, WhyStep, WhyView
from tests.properties.test_hostile_text import _TEXT, HOSTILE, unsafe
from tests.unit.fake_engine import NOW, change, event, item
from tests.unit.test_record_commands import record as view_of
from tests.unit.test_record_commands import sheet
from tests.unit.test_record_commands import sheets as some_sheets

_GOLDEN = Path(__file__).parent.parent / "golden"
LOOK = Look(None, ZoneInfo("Europe/Paris"))
SUBJECT = Subject("lyon", "learner", "A17", "Dupont Jeanne")
KEYS = (("e", "ERP's"), ("d", "Edusign's"))


def key_of(action: Any) -> str:
    return shown_key(action.keys)


def field(name: str, erp: Any, base: Any, edusign: Any, state: Any = "equal", **more: Any) -> FieldView:
    canonical = {"erp_canonical": erp, "edusign_canonical": edusign}
    return FieldView(field=name, erp=erp, base=base, edusign=edusign, state=state, **(canonical | more))


def learner(**more: Any) -> RecordView:
    given: dict[str, Any] = {
        "problems": ("two people have this e-mail address: j@ecole.example (A17, A18)",),
        "missing": ("lyon/import/midday/2026-11-23",),
        "fields": (
            field("last_name", "Dupont", "Dupont", "Dupont"),
            field("first_name", "Jeanne", "Jeanne", "Jeane", "edusign"),
            field("email", "jeanne@new.example", "j@old.example", "jeanne@home.example", "both"),
            field("phone", "06 00 00 00 42", "+33600000042", "+33600000042", erp_canonical="+33600000042"),
            field("photo", None, None, "p.jpg", "silent"),
        ),
        "items": (item(), item("x1", "rejection", summary="no e-mail address", choices=(), where="")),
        "changes": (
            change(),
            change(id="c2", verb="add", kind="group", label="BTS", hold="limit"),
        ),
        "sheets": some_sheets()[:3],
    }
    return view_of(**(given | more))


def sheet_record(**more: Any) -> RecordView:
    people = (
        MemberView(kind="learner", label="Dupont Jeanne", erp_id="A17", edusign_id="j", in_erp=True,
                   in_base=True, in_edusign=True, signed=True),
        MemberView(kind="learner", label="Abel Guest", edusign_id="g7", in_edusign=True),
        MemberView(kind="learner", label="Zoë Neuf", erp_id="A30", in_erp=True),
        MemberView(kind="learner", label="Ôté Paul", erp_id="A31", edusign_id="o", in_erp=True, in_base=True),
        MemberView(kind="learner", label="Parti Luc", erp_id="A32", edusign_id="l", in_base=True,
                   in_edusign=True),
    )  # fmt: skip
    given: dict[str, Any] = {
        "kind": "sheet",
        "erp_id": "900017",
        "label": "Maths",
        "api_id": "900017",
        "fresh": True,
        "where": "",
        "sheet": some_sheets()[1],
        "fields": (
            field("start", "2026-11-24T12:30:00Z", "2026-11-24T11:30:00Z", "2026-11-24T11:30:00Z", "erp"),
            field("speakers", ["Martin Paul"], ["Petit Anne"], ["Petit Anne"], "erp"),
        ),
        "members": people,
    }
    return view_of(**(given | more))


def _rows(rows: Iterable[record.Row]) -> list[Line]:
    return [row.spans for row in rows]


def _page(view: RecordView, width: int) -> list[Line]:
    long = "Dupont Jeanne: " + "e-mail changed on both sides, differently; " * 6
    log = (event(9, long, level="warn", actor="ada"), event(3, "linked"))
    head = record.title(SUBJECT, view, NOW, width, LOOK)
    facts = record.facts(view, NOW, width, LOOK, UNICODE)
    around = record_around.around(view, log, NOW, width, LOOK, UNICODE, KEYS, "l")
    return [*head, *_rows(facts), *_rows(around)]


def page_learner(width: int) -> list[Line]:
    return _page(learner(), width)


def page_sheet(width: int) -> list[Line]:
    return _page(sheet_record(), width)


def page_alone(width: int) -> list[Line]:
    """What is missing is said."""
    alone = (field("email", None, None, "x@y.example", "alone", erp_canonical=None),)
    view = view_of(in_erp=False, linked=False, erp_id="", api_id="", api_type="", where="", fields=alone)
    head = record.title(SUBJECT, view, NOW, width, LOOK)
    around = record_around.around(view, (), NOW, width, LOOK, UNICODE, KEYS, "l")
    return [*head, *_rows(record.facts(view, NOW, width, LOOK, UNICODE)), *_rows(around)]


def page_why(width: int) -> list[Line]:
    """Why it isn't in Edusign, as far as the engine can say."""
    steps = (
        WhyStep(what="shown by the ERP", state="passes", at=NOW),
        WhyStep(what="accepted", state="stops", said="no e-mail address", at=NOW),
        WhyStep(what="its window", state="unknown"),
    )
    why = WhyView(
        connection="lyon", kind="learner", erp_id="A17", cause="no_email", rule="R16", said="no e-mail address",
        evidence="the field is empty", will="enter it at Yparéo › Apprenant A17 › Adresse › E-mail",
        next_at=NOW + timedelta(hours=2), steps=steps,
    )  # fmt: skip
    view = view_of(in_edusign=False, linked=False, edusign_id="", api_id="", api_type="")
    rows = record.facts(view, NOW, width, LOOK, UNICODE, why)
    later = why.model_copy(update={"next_at": None, "steps": (), "evidence": "", "rule": ""})
    rows += record.not_there(later, NOW, width, LOOK, UNICODE)
    return _rows(rows + record.not_there(why.model_copy(update={"cause": "there"}), NOW, width, LOOK, UNICODE))


def sheets_screen(width: int) -> list[Line]:
    views = sheets.ordered(
        (
            *some_sheets(),
            sheet(start=NOW - timedelta(days=2), end=NOW - timedelta(days=2), state="over", signed=20),
            sheet(start=NOW + timedelta(days=1), end=NOW + timedelta(days=1, hours=1), connection="nantes"),
        ),
        NOW,
        LOOK,
    )
    lines = [fitted(sheets.summary(views, NOW, LOOK, True), width), sheets.heading(width, True)]
    lines += [sheets.row(one, NOW, width, LOOK, UNICODE, True) for one in views]
    for one in views[:4]:
        lines += [(), *sheets.detail(one, NOW, width, LOOK)]
    return lines


def help_page(width: int) -> list[Line]:
    able = here("sheets", True, "operator")
    return list(help.page("sheets", able, key_of, width, not_now=(BY_ID["take.erp"],), role="operator"))


def help_filter(width: int) -> list[Line]:
    able = here("events", True, "viewer")
    return list(help.page("events", able, key_of, width, role="viewer", topic="filter"))


def palette_rows(width: int) -> list[Line]:
    able = here("sheets", True, "approver")
    lines: list[Line] = []
    for typed in ("", "re", "évents", "events level:warn+", "rej dupont"):
        lines.append(line(span(f"> {typed}")))
        lines += [palette.row(one, width) for one in palette.choices(typed, able, key_of)]
    return lines


def find_rows(width: int) -> list[Line]:
    views = (
        FoundView(connection="lyon", kind="learner", erp_id="A17", edusign_id="j", label="Dupont Jeanne",
                  detail="jeanne@ecole.example"),
        FoundView(connection="lyon", kind="learner", erp_id="A18", label="Dupont Zoë", state="erp"),
        FoundView(connection="nantes", kind="sheet", edusign_id="h1", label="Dupont, oral", state="edusign",
                  detail="2026-11-24 09:00"),
    )  # fmt: skip
    said = [found.said(*given) for given in (
        ("", None, 0, 9, ""), ("d", None, 0, 9, ""), ("d", "d", 0, 9, ""), ("d", "d", 9, 9, ""),
        ("d", "d", 3, 9, ""), ("d", "d", 3, 9, "the engine does not answer"),
    )]  # fmt: skip
    return [*said, *(found.row(one, width, UNICODE, several) for several in (False, True) for one in views)]


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize(
    "made",
    [
        page_learner,
        page_sheet,
        page_alone,
        page_why,
        sheets_screen,
        help_page,
        help_filter,
        palette_rows,
        find_rows,
    ],
    ids=lambda made: made.__name__,
)
def test_it_looks_as_it_did(made: Callable[[int], list[Line]], width: int) -> None:
    lines = made(width)
    text = "".join(f"{text_of(one).rstrip()}\n" for one in lines)
    golden = _GOLDEN / f"{made.__name__}_{width}.txt"
    if os.environ.get("ROLLCALL_UPDATE_GOLDEN"):
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")
    assert max(map(width_of, lines)) <= width


# What rows stand for


def test_rows_lead_where_they_say_and_copy_what_they_show() -> None:
    rows = [
        *record.facts(learner(), NOW, 78, LOOK, UNICODE),
        *record_around.around(learner(), (event(1, "linked"),), NOW, 78, LOOK, UNICODE, KEYS, "l"),
    ]
    by_text = {text_of(row.spans): row for row in rows}

    def of(text: str) -> record.Row:
        return next(row for said, row in by_text.items() if text in said)

    assert of("last name").copy == "Dupont"
    assert of("changed on both sides").copy == (
        "email: ERP jeanne@new.example, base j@old.example, Edusign jeanne@home.example"
    )
    assert of("p.jpg").copy == "p.jpg"
    assert of("conflict: e-mail").item == of("d Edusign's").item == "i1"
    assert of("update Dupont").goes == ("changes", "learner:A17")
    target = of("Mathématiques").target
    assert target is not None and target.record == "sheet:900017"
    assert of("linked").copy.endswith("linked") and of("Fields").copy == ""


def test_a_roster_changes_by_name_and_what_is_left_out_is_not_held() -> None:
    moves = change(
        kind="group", reason="", rule="", hold="skipped: waits",
        before={"name": "A", "members": ["A17", "A32", "x"]}, after={"name": "B", "members": ["A17", "A30"]},
    )  # fmt: skip
    view = sheet_record(kind="group", sheet=None, changes=(moves,))
    rows = record_around.around(view, (), NOW, 78, LOOK, UNICODE, KEYS, "l")
    said = [text_of(row.spans) for row in rows]
    at = next(n for n, text in enumerate(said) if text.startswith("update"))
    assert said[at].endswith("skipped: waits") and "held" not in said[at]
    assert said[at + 1] == "  name: A -> B; members: +Zoë Neuf, -Parti Luc, -x"
    many = [f"p{n}" for n in range(9)]
    view = sheet_record(changes=(change(before={"learners": many}, after={"learners": []}),))
    copies = [row.copy for row in record_around.around(view, (), NOW, 78, LOOK, UNICODE, KEYS, "l")]
    assert any(text.endswith("learners: -p0, -p1, -p2, -p3, -5 more") for text in copies)


def test_people_on_whom_the_sides_do_not_agree_come_first_and_lead_to_their_page() -> None:
    rows = record.facts(sheet_record(), NOW, 78, LOOK, UNICODE)
    people = [row for row in rows if row.target is not None]
    assert [row.target.id for row in people if row.target] == ["g7", "A30", "A31", "A32", "A17"]
    said = [text_of(row.spans) for row in people]
    why = ("by hand", "not in Edusign yet", "taken off", "left it", "signed")
    for text, words in zip(said, why, strict=True):
        assert words in text


def test_sheets_stand_today_first_then_what_comes_then_the_latest_past() -> None:
    days = (-3, 2, 0, -1, 1)
    views = [sheet(start=NOW + timedelta(days=n), label=str(n)) for n in days] + [sheet(start=None, label="x")]
    assert [one.label for one in sheets.ordered(views, NOW, LOOK)] == ["0", "1", "2", "x", "-1", "-3"]


# The palette


def first(typed: str, role: str = "admin") -> str:
    found = palette.choices(typed, here("sheets", True, role), key_of)
    return found[0].text if found else ""


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("freeze", "freeze"),
        ("FREEZE", "freeze"),
        ("events level:warn+", "events level:warn+"),
        ("ev  level:warn+ dupont", "events level:warn+ dupont"),
        ("run this", "run.one"),
        ("runs failed", "runs failed"),
        ("shéets", "sheets"),
        ("clipboard", "copy"),
        ("dashboard x", ""),
        ("find dupont", "find dupont"),
        ("zzz", ""),
        ("d x", ""),
    ],
)
def test_what_a_line_means(typed: str, text: str) -> None:
    assert first(typed) == text


def test_without_a_line_all_there_is_is_offered_screens_last() -> None:
    offered = [one.text for one in palette.choices("", here("sheets", True, "viewer"), key_of)]
    assert offered[-len(SCREENS) :] == [name for name, _keys, _words in SCREENS]
    assert "palette" not in offered and "freeze" not in offered and len(set(offered)) == len(offered)


# Hostile names


def _with_every_example(test: Callable[..., None]) -> Callable[..., None]:
    for text in HOSTILE:
        test = example(text)(test)
    return test


@_with_every_example
@given(_TEXT)
@settings(max_examples=30, deadline=None)
def test_whatever_names_come_lines_are_text_and_fit(text: str) -> None:
    view = sheet_record(
        label=text, api_id=text, where=text, problems=(text,), missing=(text,),
        fields=(field(text, text, text, [text], "both"), field("x", text, text, text + "y", "erp")),
        members=(MemberView(kind="learner", label=text, erp_id=text),),
        items=(item(label=text, summary=text, where=text),),
        changes=(change(label=text, before={text: text}, after={text: [text]}, hold=text),),
        sheet=sheet(label=text, room=text, groups=(text,), speakers=(text,), why_not=text, session_room=text,
                    troubles=("other_room",)),
    )  # fmt: skip
    person = learner(label=text, sheets=(view.sheet,))
    one = FoundView(connection=text, kind="learner", erp_id=text, label=text, detail=text)
    for width in (40, 78, 160):
        rows = [
            *record.facts(view, NOW, width, LOOK, UNICODE),
            *record_around.around(person, (event(1, text, actor=text),), NOW, width, LOOK, UNICODE, KEYS, "l"),
            *record.unread(text, Subject(text, "learner", text, text), width),
        ]
        lines = [row.spans for row in rows]
        lines += record.title(Subject(text, "learner", text, text), view, NOW, width, LOOK)
        lines.append(found.row(one, width, UNICODE, True))
        assert view.sheet is not None
        lines += [sheets.row(view.sheet, NOW, width, LOOK, UNICODE, True)]
        lines += sheets.detail(view.sheet, NOW, width, LOOK)
        assert [char for line in lines for char in unsafe(text_of(line))] == []
        assert all("\n" not in text_of(line) for line in lines)
        assert max(map(width_of, lines)) <= max(width, 60)
