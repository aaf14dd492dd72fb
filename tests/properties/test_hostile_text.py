"""Texts from the outside never reach a terminal, a file or a log as anything but text."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from datetime import UTC

from hypothesis import example, given, settings
from hypothesis import strategies as st

from console.presentation import tables
from console.presentation.columns import display_width
from console.presentation.documents import document
from console.presentation.progress import progress_line
from console.presentation.wording import Look
from engine.printable import printable
from engine.service.models import FindingView, FreezeView, PlanView, ProgressView
from tests.unit.fake_engine import NOW, change, event, item, run

_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
# They join letters of Persian, Indic scripts and emoji, and move nothing.
_JOINERS = {"\u200c", "\u200d"}

HOSTILE = (
    "[red]x[/]",
    "\x1b[2J",
    "Zoë ",
    "Ngô Thị",
    "x" * 300,
    "مرحبا بالعالم",
    "\u202egnp.exe",
    "a\r\nb\tc",
    "\x9b31m",
    "\u2028\u2029",
    "=cmd()",
    "\x00",
    "\U000e0041",
)

_TEXT = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
)


def unsafe(text: str) -> list[str]:
    """Characters a terminal might obey, our own line breaks apart."""
    return [
        char for char in text if char != "\n" and char not in _JOINERS and unicodedata.category(char) in _UNSAFE
    ]


def _all_tables(text: str, look: Look) -> list[str]:
    changed = change(label=text, erp_id=text, before={text: text}, after={text: [text]}, reason=text)
    opened = item(
        "i1", label=text, erp_id=text, summary=text, where=text, code=text, data={text: {text: [text]}}
    )
    return [
        tables.items([opened], look),
        tables.items([opened.model_copy(update={"changes": (changed,)})], look),
        tables.changes([changed], look),
        tables.plan(
            PlanView(
                id="p", connection=text, flow="import", hash="", made_at=NOW, changes=(changed,), faults=(text,)
            ),
            look,
        ),
        tables.runs([run(message=text, faults=(text,), connection=text)], look),
        tables.run(run(observed={text: 1}, accounting={text: {text: 1}}), look),
        tables.events([event(1, text, connection=text, erp_id=text, actor=text)], look),
        tables.findings([FindingView(what=text, ok=False, detail=text, advice=text)], look),
        tables.freeze(FreezeView(connection=text, reason=text, actor=text, since=NOW), look),
        progress_line(text, ProgressView(what=text, done=1), 2.0),
    ]


def _with_every_example(test: Callable[..., None]) -> Callable[..., None]:
    for text in HOSTILE:
        test = example(text)(test)
    return test


@_with_every_example
@given(_TEXT)
@settings(max_examples=60, deadline=None)
def test_tables_hold_text_only(text: str) -> None:
    for width in (80, None):
        for shown in _all_tables(text, Look(width, UTC)):
            assert unsafe(shown) == []
            if width is not None:
                assert max(map(display_width, shown.splitlines()), default=0) <= width or "\n" not in shown


@_with_every_example
@given(_TEXT)
@settings(max_examples=60, deadline=None)
def test_each_event_is_one_log_line(text: str) -> None:
    line = tables.event_line(
        event(1, text, connection=text, record_kind="learner", erp_id=text), Look(None, UTC)
    )
    assert unsafe(line) == []
    assert len(line.splitlines()) == 1


@_with_every_example
@given(_TEXT)
@settings(max_examples=60, deadline=None)
def test_json_holds_text_only_and_gives_it_back(text: str) -> None:
    said = document({text: [text, {"deep": text}]})
    assert [char for char in said if char != "\n" and unicodedata.category(char) in _UNSAFE] == []
    assert json.loads(said) == {text: [text, {"deep": text}]}
    assert "\n" not in document({text: text}, indent=None)


@_with_every_example
@given(_TEXT)
@settings(max_examples=60, deadline=None)
def test_a_comma_separated_cell_stays_one_line(text: str) -> None:
    cell = printable(text)
    assert unsafe(cell) == []
    assert "\n" not in cell
    assert printable(cell) == cell


def test_ordinary_names_come_out_as_written() -> None:
    for name in ("[red]x[/]", "Zoë", "Ngô Thị", "مرحبا بالعالم", "x" * 300):
        assert name in tables.runs([run(message=name)], Look(None, UTC))
