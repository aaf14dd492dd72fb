"""Tables: goldens at two widths, and how columns give way. ROLLCALL_UPDATE_GOLDEN=1 writes the goldens anew."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from console.presentation import dashboard, tables
from console.presentation.columns import Column, cut, display_width, table, wrapped
from console.presentation.connectors import connectors
from console.presentation.documents import document
from console.presentation.progress import progress_line
from console.presentation.signs import UNICODE
from console.presentation.wording import Look, difference, duration, value
from engine.service.models import (
    CapabilityView,
    ConnectionView,
    ConnectorsView,
    FindingView,
    FreezeView,
    OccurrenceView,
    PlanView,
    ProgressView,
    StatusView,
)
from tests.unit.fake_engine import NOW, change, event, item, run

_GOLDEN = Path(__file__).parent.parent / "golden"
_PARIS = ZoneInfo("Europe/Paris")


def _status(look: Look) -> str:
    coming = OccurrenceView(
        key="k",
        flow="import",
        window="midday",
        local_date=NOW.date(),
        starts=NOW + timedelta(hours=1, minutes=12),
        ends=NOW + timedelta(hours=3),
    )
    freeze = FreezeView(connection="nantes", reason="marie looks into it", actor="marie", since=NOW)
    return tables.status(
        StatusView(
            version="0.1.0",
            pid=4242,
            folder="/var/lib/rollcall",
            now=NOW,
            started=NOW - timedelta(hours=4),
            epoch=1,
            seq=5021,
            machine_lock="The machine's engine is another process: real connections are frozen here.",
            connections=(
                ConnectionView(
                    name="lyon",
                    erp="ypareo",
                    zone="Europe/Paris",
                    state="running",
                    running=run(state="running", progress=ProgressView(what="writing", done=1, total=9)),
                    last_run=run(started=NOW - timedelta(days=1), ended=NOW - timedelta(hours=23)),
                    next=(coming,),
                    pending={"create": 12, "update": 3},
                    open={"hold": 2, "conflict": 1, "rejection": 4},
                    linked={"learner": 1990, "speaker": 40, "group": 80, "sheet": 900},
                    budget_left=440,
                ),
                ConnectionView(
                    name="nantes",
                    erp="aimaira",
                    zone="Europe/Paris",
                    state="frozen",
                    compare_only=True,
                    freeze=freeze,
                    last_run=run(state="incomplete", changes={}),
                ),
            ),
        ),
        look,
    )


def _holds(look: Look) -> str:
    held = (
        change(id="c8", verb="archive", before={}, after={}, reason="gone from the ERP", rule="R14", hold="h3"),
        change(
            id="c9",
            verb="remove",
            kind="group",
            erp_id="G2",
            edusign_id="ed-g2",
            label="BTS SIO 2",
            before={"members": ["a", "b", "c", "d", "e"]},
            after={"members": ["a"]},
            people=4,
            hold="h3",
        ),
    )
    brake = item(
        "h3",
        "hold",
        kind="",
        erp_id="",
        edusign_id="",
        label="",
        code="limit",
        summary="12 % of the learners would be archived; the limit is 5 %",
        where="",
        choices=("approve", "refuse"),
        data={},
        changes=held,
        people=5,
    )
    first = item(
        "h4", "hold", code="first_contact", choices=("approve", "refuse"), changes=(change(hold="h4"),)
    )
    return tables.items([brake, first], look)


def _conflicts(look: Look) -> str:
    return tables.items(
        [item(), item("i2", label="Ngô Thị Ánh", erp_id="A18", data={"erp": "", "edusign": "+33612345678"})],
        look,
    )


def _rejections(look: Look) -> str:
    return tables.items(
        [
            item(
                "x1",
                "rejection",
                code="email_missing",
                summary="no e-mail address",
                choices=(),
                data={},
                label="王小明",
                bites_at=None,
            ),
            item(
                "x2",
                "rejection",
                kind="sheet",
                erp_id="S-2026-11-25-0830-BTS-SIO-2-MATHS",
                code="no_speaker",
                summary="the session has no accepted speaker",
                choices=(),
                data={"speaker": "P9"},
                label="Mathématiques appliquées à l'informatique de gestion",
            ),
        ],
        look,
    )


def _duplicates(look: Look) -> str:
    return tables.items(
        [
            item(
                "d1",
                "duplicate",
                code="probable",
                summary="same name, other e-mail",
                choices=("same", "different"),
                data={"erp": "zoe@new.example", "edusign": "zoe@home.example"},
            )
        ],
        look,
    )


def _runs(look: Look) -> str:
    return tables.runs(
        [
            run(),
            run(
                "r41",
                state="incomplete",
                held=40,
                conflicts=2,
                skipped=7,
                changes={},
                message="",
                faults=("lyon: erp GET /r/v1/groupes: the listing broke off; pages read 3 of ?",),
            ),
            run("r40", state="running", ended=None, trigger="", actor="marie", changes={}),
        ],
        look,
    )


def _events(look: Look) -> str:
    return tables.events(
        [
            event(1, "import begins", connection="lyon", run_id="r42"),
            event(
                2,
                "no e-mail address: Dupont Zoë is not synced until the ERP has one; her sheets go without her",
                level="warn",
                kind="rejection",
                connection="lyon",
                run_id="r42",
                record_kind="learner",
                erp_id="A17",
            ),
            event(3, "approved", kind="decision", actor="marie", connection="lyon"),
        ],
        look,
    )


def _plan(look: Look) -> str:
    view = PlanView(
        id="p7",
        connection="lyon",
        flow="import",
        hash="h",
        made_at=NOW,
        changes=(change(), change("c2", verb="create", before={}, after={"last_name": "Ngô", "email": ""})),
        counts={"update": 1, "create": 1},
        held=1,
        mails=1,
    )
    return tables.plan(view, look)


def _run(look: Look) -> str:
    return tables.run(run(), look)


def _findings(look: Look) -> str:
    return tables.findings(
        [
            FindingView(connection="lyon", what="Edusign key", ok=True, detail="school Lyon"),
            FindingView(
                connection="lyon", what="Yparéo token", ok=False, detail="401", advice="renew the token"
            ),
        ],
        look,
    )


def _connectors(look: Look) -> str:
    off = "no document shows how; it needs the vendor's and an expert token, then accept_unverified"
    rows = [
        ("read learners", "seen", "formation-longue/apprenants, in clients", True, ""),
        ("write absences", "unknown", "no client writes absences", False, off),
    ]
    views = [
        CapabilityView(connector="ypareo", name=name, certainty=sure, source=source, on=on, why_off=why)
        for name, sure, source, on, why in rows
    ]
    own = [views[1].model_copy(update={"connection": "lyon", "on": True, "why_off": ""})]
    problem = "hostile could not be opened to ask what it can do: \x1b[2Jno"
    return connectors(ConnectorsView(capabilities=(*views, *own), problems=(problem,)), look)


_TABLES = (
    _status,
    _connectors,
    _holds,
    _conflicts,
    _rejections,
    _duplicates,
    _runs,
    _run,
    _events,
    _plan,
    _findings,
)


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("made", _TABLES, ids=lambda made: made.__name__.strip("_"))
def test_tables_look_as_they_did(made: Callable[[Look], str], width: int) -> None:
    text = made(Look(width, _PARIS))
    golden = _GOLDEN / f"{made.__name__.strip('_')}_{width}.txt"
    if os.environ.get("ROLLCALL_UPDATE_GOLDEN"):
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("made", _TABLES, ids=lambda made: made.__name__.strip("_"))
def test_no_line_is_wider_than_the_terminal(made: Callable[[Look], str], width: int) -> None:
    assert max(display_width(line) for line in made(Look(width, _PARIS)).splitlines()) <= width


def test_into_a_file_nothing_is_cut() -> None:
    text = _rejections(Look(None, _PARIS))
    assert "Mathématiques appliquées à l'informatique de gestion" in text
    assert "…" not in text


def test_ids_are_never_cut_and_empty_columns_not_shown() -> None:
    for made in (_holds, _conflicts, _duplicates, _runs):
        assert "…" not in "".join(line.split(" ")[0] for line in made(Look(80, _PARIS)).splitlines())
    assert "CLOSED" not in _conflicts(Look(200, _PARIS))


def test_columns_stand_under_each_other_whatever_the_letters() -> None:
    text = table([Column("a"), Column("b")], [["王小明", "x"], ["e\u0301e", "x"], ["abc", "x"]], 40)
    places = {display_width(line[: line.rindex("x")]) for line in text.splitlines()[1:]}
    assert places == {8}


def test_where_no_table_fits_each_row_is_a_block() -> None:
    columns = (Column("id"), Column("name", least=4), Column("what", wrap=True))
    text = table(columns, [["x" * 18, "Zoë", "one two three four"], ["y", "", "z"]], 20)
    assert text == f"ID\n{'x' * 18}\n  NAME Zoë\n  WHAT one two three\n  four\n\nID y\n  WHAT z\n"
    assert max(map(len, _runs(Look(30, _PARIS)).splitlines())) <= 30


def test_text_is_cut_by_its_width() -> None:
    assert cut("abcdef", 4) == "abc…"
    assert cut("王小明", 4) == "王…"
    assert cut("abc", 3) == "abc"
    assert cut("abc", 0) == ""


def test_text_wraps_at_spaces_and_long_words_anywhere() -> None:
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("a abcdefgh b", 4) == ["a", "abcd", "efgh", "b"]
    assert wrapped("", 4) == [""]
    assert "".join(wrapped("x" * 300, 7)) == "x" * 300


def test_small_wordings() -> None:
    assert duration(timedelta(seconds=59)) == "59s"
    assert duration(timedelta(seconds=200)) == "3m20s"
    assert duration(timedelta(hours=2, minutes=5)) == "2h05m"
    assert value(None) == "-"
    assert value(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert difference({"a": 1, "b": 2}, {"a": 1, "b": 3}) == "b: 2 -> 3"
    assert difference({}, {"email": "x", "phone": ""}) == "email: x"


def test_progress_says_rate_and_time_left() -> None:
    reading = ProgressView(what="reading learners", done=500, total=2000)
    assert progress_line("lyon", None, 0) == "lyon: waiting"
    assert progress_line("lyon", reading, 0.5) == "lyon: reading learners 500/2000 (25 %)"
    assert progress_line("lyon", reading, 10) == "lyon: reading learners 500/2000 (25 %), 50/s, 30s left"
    slow = ProgressView(what="writing", done=2, total=None)
    assert progress_line("lyon", slow, 10) == "lyon: writing 2, 12/min"


def test_json_is_readable_and_reads_back() -> None:
    content = {"name": "Zoë \x1b[2J \u202e \x7f \x9b \U000e0001 王\n"}
    text = document(content)
    assert json.loads(text) == content
    assert "Zoë" in text and "王" in text
    assert text.splitlines()[1] == '  "name": "Zoë \\u001b[2J \\u202e \\u007f \\u009b \\udb40\\udc01 王\\n"'
    assert json.loads(document(content, ascii_only=True)) == content
    assert document(content, ascii_only=True).isascii()
    assert json.loads(document([item()]))[0]["id"] == "i1"


def test_a_connection_says_what_is_unverified_and_what_is_off() -> None:
    def phrases(**more: Any) -> list[str]:
        view = ConnectionView(name="lyon", erp="ypareo", zone="Europe/Paris", state="idle", **more)
        return ["".join(piece.text for piece in one) for one in dashboard.certainty(view)]

    assert phrases() == []
    assert phrases(unverified=("write absences",)) == ["absences unverified"]
    assert phrases(off=("write absences", "restore speakers")) == ["restore speakers and absences off"]
    assert phrases(off=("a", "b", "c"), unverified=("write reasons",)) == [
        "reasons unverified",
        "3 capabilities off",
    ]


def test_the_second_line_of_a_connection_has_room_for_it() -> None:
    view = ConnectionView(
        name="lyon",
        erp="ypareo",
        zone="Europe/Paris",
        state="idle",
        unverified=("write absences",),
        budget_left=440,
    )
    _first, second = dashboard.connection(view, NOW, 80, UNICODE, Look(80, _PARIS))
    text = "".join(piece.text for piece in second)
    assert "nothing pending, absences unverified" in text and text.rstrip().endswith("440 requests left")
