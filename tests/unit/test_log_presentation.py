"""What the Events and Runs screens say, as text: rows, summaries, details."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from console.presentation import events, runs
from console.presentation.line import Line, folded, line, text_of, width_of
from console.presentation.progress import Pace, progress_parts
from console.presentation.signs import ASCII, UNICODE
from console.presentation.wording import Look
from engine.service.models import EventView, ProgressView, RunView
from tests.properties.test_hostile_text import HOSTILE, unsafe
from tests.unit.fake_engine import NOW, event, run

GOLDEN = Path(__file__).parent.parent / "golden"
PARIS = ZoneInfo("Europe/Paris")


def _log() -> list[EventView]:
    return [
        event(1, "import begins", connection="lyon", run_id="r42", ts=NOW - timedelta(days=400)),
        event(
            2,
            "no e-mail address: Dupont Zoë is not synced until the ERP has one; her sheets go without her",
            level="warn",
            kind="rejection",
            connection="lyon",
            run_id="r42",
            record_kind="learner",
            erp_id="A17",
            edusign_id="ed-17",
            ts=NOW - timedelta(days=3),
            data={"field": "email", "row": True, "evidence": "",
                  "before": {"email": None, "groups": ["G1", "G2"]},
                  "tries": [{"at": "11:30", "came": 404}, {"at": "12:30", "came": 200}]},
        ),
        event(3, "approved", kind="decision", actor="marie", connection="lyon", level="notice"),
        event(4, "students page 3: a page came where data was due", kind="fault", level="error"),
    ]  # fmt: skip


def _events(width: int) -> list[Line]:
    look = Look(width, PARIS)
    lines = [events.heading(width, True)]
    lines += [events.row(one, NOW, width, look, True) for one in _log()]
    lines += [events.heading(width, False), *(events.row(one, NOW, width, look, False) for one in _log())]
    lines.append(events.summary(1, True, True, True, 0, width, UNICODE))
    lines.append(events.summary(1_234_567, True, False, False, 0, width, UNICODE))
    lines.append(events.summary(1_234_567, True, False, False, 23, width, ASCII))
    lines.append(events.summary(200, False, True, True, 0, width, UNICODE))
    for one in _log():
        lines += [(), *events.detail(one, width, look)]
    for title, said in (
        events.export_asked(1_234_567, "level:warn+"),
        events.exported(3, Path("/home/ada/x.csv"), ""),
        events.exists(Path("/home/ada/x.csv")),
    ):
        lines += [(), *(part for one in (line(title), *said) for part in folded(one, width))]
    return lines


def _some_runs() -> list[RunView]:
    progress = ProgressView(what="reading learners", done=500, total=2000)
    return [
        run("r44", state="running", ended=None, trigger="person", actor="marie", changes={}, progress=progress,
            started=NOW - timedelta(seconds=80), accounting={}, rejected=0),
        run("r43", state="failed", changes={}, accounting={}, requests={"erp": 3},
            message="the engine stopped in the middle; the next run looks up what was left open",
            faults=("lyon: erp GET /r/v1/groupes: the listing broke off; pages read 3 of ?; nothing removed",),
            started=NOW - timedelta(hours=30), ended=NOW - timedelta(hours=30) + timedelta(seconds=4)),
        run(started=NOW - timedelta(hours=1), ended=NOW - timedelta(minutes=50)),
        run("r41", state="cancelled", trigger="plan", actor="ada", changes={}, occurrence=""),
    ]  # fmt: skip


def _runs(width: int) -> list[Line]:
    look = Look(width, PARIS)
    pace = Pace("reading learners", NOW - timedelta(seconds=20), 300)
    lines = []
    for several in (True, False):
        lines.append(runs.heading(width, several))
        lines += [
            runs.row(one, NOW, width, UNICODE, look, several, pace if one.state == "running" else None)
            for one in _some_runs()
        ]
    lines.append(runs.summary(_some_runs(), False, True))
    lines.append(runs.summary(_some_runs()[:1], True, True))
    lines.append(runs.summary(_some_runs(), False, False))
    lines.append(runs.summary((), True, True))
    for one in _some_runs():
        lines += [(), *runs.detail(one, NOW, width, UNICODE, look, pace if one.state == "running" else None)]
    return lines


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize(("name", "made"), [("screen_events", _events), ("screen_runs", _runs)])
def test_they_look_as_they_did(name: str, made: Callable[[int], list[Line]], width: int) -> None:
    lines = made(width)
    assert max(map(width_of, lines)) <= width
    text = "".join(f"{text_of(one).rstrip()}\n" for one in lines)
    golden = GOLDEN / f"{name}_{width}.txt"
    if os.environ.get("ROLLCALL_UPDATE_GOLDEN"):
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")


def _hostile(text: str) -> list[Line]:
    nasty: dict[str, Any] = {text: {text: [text, {"a": text}]}}
    one = event(1, text, kind=text, connection=text, actor=text, record_kind="learner", erp_id=text, data=nasty)
    made = run(
        message=text, faults=(text,), trigger=text, actor=text, changes={text: 1}, observed={f"{text}.x": 1},
        requests={text: 3}, accounting={text: {"seen": 1}}, occurrence=text,
    )  # fmt: skip
    doing = run(state="running", ended=None, progress=ProgressView(what=text, done=1, total=3))
    lines: list[Line] = []
    for width in (30, 78, 200):
        look = Look(width, PARIS)
        lines += [
            events.row(one, NOW, width, look, True),
            *events.detail(one, width, look),
            runs.row(made, NOW, width, UNICODE, look, True),
            runs.row(doing, NOW, width, UNICODE, look, True),
            *runs.detail(made, NOW, width, UNICODE, look),
            *runs.detail(doing, NOW, width, UNICODE, look),
            *events.export_asked(3, text)[1],
            *events.exported(3, Path("/tmp") / text.replace("/", "").replace("\0", "-"), text)[1],
        ]
    return lines


def _with_every_example(test: Callable[..., None]) -> Callable[..., None]:
    for text in HOSTILE:
        test = example(text)(test)
    return test


@_with_every_example
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(max_examples=30, deadline=None)
def test_text_from_the_outside_is_text(text: str) -> None:
    for one in _hostile(text):
        assert unsafe(text_of(one)) == []


def test_progress_is_measured_from_when_a_step_was_first_seen() -> None:
    reading = ProgressView(what="reading", done=500, total=2000)
    first = Pace.of(None, reading, NOW)
    assert progress_parts(reading, first, NOW) == ("reading", "500/2000 (25 %)")
    later = NOW + timedelta(seconds=10)
    more = ProgressView(what="reading", done=550, total=2000)
    assert Pace.of(first, more, later) is first
    assert progress_parts(more, first, later) == ("reading", "550/2000 (27 %)", "5/s", "4m50s left")
    slow = ProgressView(what="reading", done=503, total=506)
    assert progress_parts(slow, first, later)[2:] == ("18/min", "10s left")
    writing = ProgressView(what="writing", done=1)
    second = Pace.of(first, writing, later)
    assert second == Pace("writing", later, 1)
    assert progress_parts(writing, second, later) == ("writing", "1")
    assert progress_parts(None, None, later) == ("it begins",)
    assert Pace.of(second, None, later) is None


def test_what_a_run_saw_is_the_sum_of_what_became_of_it() -> None:
    made = run(accounting={"learner": {"seen": 10, "unchanged": 6, "held": 4}, "group": {"seen": 0}})
    shown = [text_of(one).split() for one in runs.detail(made, NOW, 100, UNICODE, Look(100, PARIS))]
    assert ["kind", "seen", "unchanged", "held"] in shown
    assert ["learner", "10", "6", "4"] in shown
    assert not any(row[:1] == ["group"] for row in shown)
