"""The Absences screen: what is held is approved there, what is to be reported by hand is ticked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from engine.service.models import TickRequest
from tests.stories.classroom import Classroom
from tests.stories.desk import Desk, at_the_desk
from tests.stories.town import Town


async def _evening(town: Town) -> None:
    """Let Monday pass, at once."""
    left = (datetime(2026, 9, 14, 16, 0, tzinfo=UTC) - town.world_clock.now()).total_seconds()
    loop: Any = town.loop
    with loop.hurried(loop.time() + left):
        await asyncio.sleep(left)


async def _held(town: Town) -> None:
    """Monday evening: one sheet with an absence, one locked without any roll call, one export."""
    room = await Classroom.of(town)
    sheet, silent = await town.known("S00002"), await town.known("S00003")
    await _evening(town)
    room.held(sheet, absent=(await room.pupils(sheet))[:1])
    town.hand.lock(sheet=silent.edusign_id)
    await room.export()


async def _by_hand(town: Town) -> None:
    """The same school with an ERP that takes nothing: two absences to report by hand."""
    room = await Classroom.of(town, write=False)
    sheet = await town.known("S00002")
    await _evening(town)
    room.held(sheet, absent=(await room.pupils(sheet))[:2])
    await room.export()


def test_a_missing_roll_call_is_approved_for_its_whole_sheet_and_exported() -> None:
    async def story(desk: Desk) -> None:
        room = Classroom(desk.town)
        people = len((await room.holds())[0].changes)
        await desk.presses("9")
        await desk.sees("roll call missing?", "1 delivered", "1 held", f"{people} people")
        await desk.presses("a")
        await desk.sees(f"Approve {people} changes")
        await desk.presses("y")
        await desk.sees("approve")
        await desk.presses("R")
        await desk.sees("Export the absences of lyon now?")
        await desk.presses("y")
        await desk.sees(f"{people + 1} delivered")
        assert await room.holds() == [] and len(room.absences()) == people + 1

    at_the_desk(story, prepare=_held)


def test_what_is_reported_by_hand_is_ticked_with_a_name_and_can_be_taken_back() -> None:
    async def story(desk: Desk) -> None:
        await desk.presses("9")
        await desk.sees("2 by hand", "this ERP takes no")
        await desk.presses("v")
        await desk.sees("1 reported", "1 by hand")
        ticked = [v for v in await desk.town.engine.absences() if v.ticked_by]
        assert [v.ticked_by for v in ticked] == ["ada"]
        await desk.town.engine.tick(TickRequest(ids=(ticked[0].id,), done=False), "bea")
        await desk.sees("2 by hand")
        await desk.presses("asterisk", "v")
        await desk.sees("2 reported")
        (told,) = [e for e in await desk.log("kind:decision") if e.data["choice"] == "untick"]
        assert told.actor == "bea"

    at_the_desk(story, prepare=_by_hand)


def test_a_viewer_sees_and_may_not_tick() -> None:
    async def story(desk: Desk) -> None:
        await desk.presses("9")
        await desk.sees("2 by hand")
        await desk.presses("v", "R")
        await desk.sees_no("Export the absences")
        assert not [v for v in await desk.town.engine.absences() if v.ticked_by]

    at_the_desk(story, prepare=_by_hand, role="viewer")
