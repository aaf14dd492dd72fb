"""Legacy Aurion by the files a school agreed on: one line per intervention and learner, instants in UTC."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from connectors.files import FilesSettings, connector
from engine.clock import VirtualClock
from engine.ports import Listing, Scope, Surroundings
from engine.records import KINDS, Kind, Sheet
from tests.unit.test_http import START, virtually

APPRENANTS = """\
learner id,learner last name,learner first name,learner email,population code
L1,Martin,Léa,lea@x.example,"P1, P2"
L2,Noir,Max,max@x.example,P1
"""
INTERVENANTS = """\
instructor id,instructor last name,instructor first name,instructor email
F1,Roux,Ana,ana@x.example
"""
INTERVENTIONS = """\
interventionId,startDateTime,endDateTime,unit caption,room,population code,instructor id,learner id
I1,2026-11-25T08:00:00Z,2026-11-25T10:00:00Z,CM Réseaux,B1,P1,F1,L1
I1,2026-11-25T08:00:00Z,2026-11-25T10:00:00Z,CM Réseaux,B1,P1,F1,L2
I2,2026-12-25T08:00:00Z,2026-12-25T10:00:00Z,TP,B1,P2,F1,L1
"""
SCOPE = Scope(first=date(2026, 11, 24), last=date(2026, 12, 7), zone="Europe/Paris")


def listings(folder: Path) -> dict[Kind, Listing]:
    async def play(clock: VirtualClock) -> dict[Kind, Listing]:
        client: Any = connector.open(
            FilesSettings(folder=str(folder), profile="builtin:aurion-legacy"),
            Surroundings(
                connection="toulouse",
                zone="Europe/Paris",
                country="FR",
                clock=clock,
                secret=lambda _reference: "",
            ),
        )
        return {kind: await client.listing(kind, SCOPE) for kind in KINDS}

    return virtually(play)


def test_lines_of_one_intervention_are_one_session(tmp_path: Path) -> None:
    for name, text in (("a", APPRENANTS), ("b", INTERVENANTS), ("c", INTERVENTIONS)):
        kind = {"a": "apprenants", "b": "intervenants", "c": "interventions"}[name]
        path = tmp_path / f"{kind}.csv"
        path.write_text(text, encoding="utf-8")
        at = START.timestamp() - 3600
        os.utime(path, (at, at))
    found = listings(tmp_path)
    assert all(one.complete for one in found.values()), found
    (entry,) = found["sheet"].entries
    sheet = entry.record
    assert isinstance(sheet, Sheet) and sheet.id == "I1"
    assert (sheet.learners, sheet.groups) == (frozenset({"L1", "L2"}), frozenset({"P1"}))
    assert sheet.start == datetime(2026, 11, 25, 8, tzinfo=UTC)
    members = {e.id: e.record.value("members") for e in found["group"].entries}
    assert members == {"P1": {"L1", "L2"}, "P2": {"L1"}}


def test_R13_a_folder_that_is_empty_or_gone_says_nothing_of_who_left(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        found = listings(folder)
        assert {one.fault for one in found.values()} == {"no_file"}
