"""The log's grammar over items, changes, runs and sheets."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.events.grammar import parse
from engine.service.models import ChangeRow, RunView, SheetView
from engine.sift import Facets, asks_for, change_facets, item_facets, run_facets, sheet_facets, sifted
from tests.unit.fake_engine import NOW, change, item, run


def _asks(text: str, facets: Facets) -> bool:
    return asks_for(parse(text, now=NOW, zone="Europe/Paris"), facets)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", True),
        ("dupont zoe", True),
        ("DUPONT -zoë", False),
        ("kind:conflict", True),
        ("kind:hold", False),
        ("-kind:hold", True),
        ("level:warn+", True),
        ("level:error", False),
        ("connection:lyon learner:A17", True),
        ("learner:ed-17", True),
        ("speaker:A17", False),
        ("sheet:", False),
        ("zoe@home.example", True),
        ("until:2026-11-24", True),
        ("since:2026-11-25", False),
    ],
)
def test_an_item_is_found_by_what_it_shows(text: str, found: bool) -> None:
    assert _asks(text, item_facets(item())) is found


def test_a_hold_is_found_by_the_people_it_holds() -> None:
    held = item(type="hold", label="2 changes", changes=(change(label="Ngô Thị"), change("c2", label="Élodie")))
    assert _asks("ngo", item_facets(held))
    assert not _asks("martin", item_facets(held))


@pytest.mark.parametrize(
    ("hold", "found"),
    [
        ("", {"kind:update", "kind:free", "kind:learner"}),
        ("limit", {"kind:update", "kind:held", "kind:limit", "kind:learner", "level:warn+", "hold:h12"}),
        ("skipped: refused", {"kind:update", "kind:skipped", "kind:learner"}),
    ],
)
def test_a_change_is_found_by_its_state(hold: str, found: set[str]) -> None:
    row = ChangeRow(
        connection="lyon", plan="p1", change=change(hold=hold), item="h12" if hold == "limit" else ""
    )
    asked = found | {
        "kind:free",
        "kind:held",
        "kind:skipped",
        "kind:limit",
        "level:warn+",
        "hold:h12",
        "hold:h1",
    }
    assert {text for text in asked if _asks(text, change_facets(row))} == found


def test_a_run_is_found_by_state_actor_and_fault() -> None:
    failed = RunView(
        id="r9",
        connection="nice",
        flow="import",
        state="failed",
        started=NOW,
        actor="bea",
        faults=("502 came",),
    )
    for text in ("level:error", "kind:failed", "actor:bea", "run:r9", "502"):
        assert _asks(text, run_facets(failed)), text
    assert not _asks("actor:bea", run_facets(run()))


def test_a_sheet_is_found_by_trouble_room_and_speaker() -> None:
    sheet = SheetView(
        connection="lyon",
        erp_id="77",
        label="Réseaux",
        start=NOW,
        room="B12",
        speakers=("Le Gall Yann",),
        troubles=("other_room",),
        locked=True,
    )
    for text in ("reseaux b12", "kind:other_room", "kind:locked", "level:warn", "sheet:77", "gall"):
        assert _asks(text, sheet_facets(sheet)), text
    assert not _asks("since:2026-11-25", sheet_facets(sheet))


def test_what_has_no_time_is_never_left_out_by_one() -> None:
    assert _asks("since:2030-01-01", item_facets(item(bites_at=None)))


def test_the_order_stays_as_it_was() -> None:
    rows = [item(f"i{n}", bites_at=NOW + timedelta(hours=9 - n)) for n in range(9)]
    assert sifted(parse("dupont", now=NOW), rows, item_facets) == tuple(rows)
