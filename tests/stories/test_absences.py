"""Absences back to the ERP, end to end: what is delivered, held, kept, corrected, reported by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from connectors.simulation.control import FaultOrder
from engine.links import Link
from engine.service.models import FreezeRequest, PlanRequest, RunRequest, TickRequest
from engine.service.operations import Refusal
from tests.stories.classroom import Classroom
from tests.stories.town import Known, Town, play

SHEET = "S00002"
"""A session of Monday afternoon, 13:30 to 16:30."""
EVENING = "2026-09-14 18:00"


class EngineDied(BaseException):
    """The engine's process ended here: nothing of it goes on."""


async def evening(town: Town, away: int = 1, **options: object) -> tuple[Classroom, Known, list[Known]]:
    """Monday evening: one sheet is signed and locked, the first `away` of its learners were not there."""
    room = await Classroom.of(town, **options)  # type: ignore[arg-type]
    sheet = await town.known(SHEET)
    absent = (await room.pupils(sheet))[:away]
    await town.at(EVENING)
    room.held(sheet, absent=absent)
    return room, sheet, absent


async def tomorrow(town: Town, day: int = 15) -> None:
    await town.at(f"2026-09-{day} 20:40")


# Evidence


def test_R25_an_absence_reaches_the_erp_and_the_next_export_sends_nothing() -> None:
    async def story(town: Town) -> None:
        room, _sheet, (away,) = await evening(town)
        run = await room.export()
        assert (run.state, run.changes) == ("done", {"deliver": 1})
        assert room.spans() == [("14/09/2026", 13 * 60 + 30, 16 * 60 + 30)]
        assert room.absences(away)[0]["motifAbsence"]["nomMotifAbsence"] == "Absence injustifiée"
        asked = dict(run.requests)
        again = await room.export()
        assert (again.state, again.changes, again.requests["erp"]) == ("done", {}, 0)
        assert again.requests["edusign"] == asked["edusign"]
        assert room.writes() == [("create", away.identity)]
        (told,) = await town.log("kind:absence")
        assert (told.erp_id, told.edusign_id, told.data["verb"]) == (away.erp_id, away.edusign_id, "deliver")

    play(story, settled=True)


def test_R25_a_sheet_that_is_not_locked_makes_nobody_absent_however_late_it_is() -> None:
    async def story(town: Town) -> None:
        room = await Classroom.of(town)
        sheet = await town.known(SHEET)
        await town.at(EVENING)
        room.held(sheet, absent=await room.pupils(sheet), lock=False)
        await room.export()
        assert ("not_locked", sheet.edusign_id) in await room.why("waiting")
        await town.at("2026-09-16 18:00")
        assert (await room.export()).changes == {}
        assert ("overdue", sheet.edusign_id) in await room.why("waiting")
        assert room.absences() == []

    play(story, settled=True)


def test_R25_a_sheet_locked_without_any_roll_call_is_held_until_a_person_says_so() -> None:
    async def story(town: Town) -> None:
        room = await Classroom.of(town)
        sheet = await town.known(SHEET)
        people = town.roster(sheet)
        await town.at(EVENING)
        town.hand.lock(sheet=sheet.edusign_id)
        run = await room.export()
        assert (run.changes, run.held) == ({}, len(people))
        (hold,) = await room.holds()
        assert (hold.code, hold.edusign_id, len(hold.changes)) == (
            "roll_call_missing",
            sheet.edusign_id,
            len(people),
        )
        assert (await room.export()).changes == {} and room.absences() == []
        assert [one.id for one in await room.holds()] == [hold.id]
        await town.decide(hold, "approve")
        assert (await room.export()).changes == {"deliver": len(people)}
        assert len(room.absences()) == len(people)
        assert await room.holds() == []

    play(story, settled=True)


def test_R25_a_refused_roll_call_stays_refused() -> None:
    async def story(town: Town) -> None:
        room = await Classroom.of(town)
        sheet = await town.known(SHEET)
        await town.at(EVENING)
        town.hand.lock(sheet=sheet.edusign_id)
        await room.export()
        await town.decide((await room.holds())[0], "refuse")
        for _again in range(2):
            assert (await room.export()).changes == {}
        assert await room.holds() == [] and room.absences() == []
        assert {why for why, _id in await room.why("waiting")} >= {"skipped"}

    play(story, settled=True)


# First export, options, limits


def test_R43_nothing_is_exported_in_first_contact() -> None:
    async def story(town: Town) -> None:
        room = await Classroom.of(town)
        await town.at(EVENING)
        run = await room.export()
        assert (run.state, run.changes, run.requests) == ("done", {}, {"erp": 0, "edusign": 0})
        assert "first contact" in run.message

    play(story)


def test_R43_the_first_export_asks_once() -> None:
    async def story(town: Town) -> None:
        room, _sheet, away = await evening(town, 2, approved=False)
        assert (await room.export()).changes == {}
        (hold,) = await room.holds()
        assert (hold.code, len(hold.changes)) == ("first_export", 2)
        await town.decide(hold, "approve")
        assert (await room.export()).changes == {"deliver": 2}
        assert len(room.absences(*away)) == 2
        other = await town.known("S00003")
        room.held(other, absent=(await room.pupils(other))[:1])
        assert (await room.export()).changes == {"deliver": 1}

    play(story, settled=True)


def test_R31_an_option_switched_on_gathers_what_it_causes_in_one_hold() -> None:
    async def story(town: Town) -> None:
        room = await Classroom.of(town)
        sheet = await town.known(SHEET)
        late, away, *_rest = await room.pupils(sheet)
        await town.at(EVENING)
        room.held(sheet, absent=[away, late], lock=False)
        town.hand.late(sheet=sheet.edusign_id, learner=late.edusign_id, minutes=20)
        town.hand.lock(sheet=sheet.edusign_id)
        assert (await room.export()).changes == {"deliver": 1}
        town.options["export"] = town.options["export"].model_copy(update={"late": True})
        await town.restart()
        assert (await room.export()).changes == {}
        (hold,) = await room.holds()
        assert hold.code == "export_options" and [c.after["late"] for c in hold.changes] == [20]
        await town.decide(hold, "approve")
        assert (await room.export()).changes == {"deliver": 1}
        assert room.spans(late) == [("14/09/2026", 810, 830)]
        assert (await room.export()).changes == {} and await room.holds() == []

    play(story, settled=True)


def test_late_early_and_excluded_go_only_when_switched_on() -> None:
    async def story(town: Town) -> None:
        room = await Classroom.of(town, late=True, left_early=True, excluded=True, late_reason="Retard")
        sheet = await town.known(SHEET)
        late, both, sent_out = (await room.pupils(sheet))[:3]
        await town.at("2026-09-14 16:00")
        room.held(sheet, lock=False)
        town.hand.late(sheet=sheet.edusign_id, learner=late.edusign_id, minutes=10)
        town.hand.late(sheet=sheet.edusign_id, learner=both.edusign_id, minutes=5)
        town.hand.early(sheet=sheet.edusign_id, learner=both.edusign_id, minutes=30)
        town.hand.exclude(sheet=sheet.edusign_id, learner=sent_out.edusign_id)
        town.hand.lock(sheet=sheet.edusign_id)
        run = await room.export()
        assert (run.state, run.changes) == ("done", {"deliver": 2})
        assert room.spans(late) == [("14/09/2026", 810, 820)]
        assert sorted(room.spans(both)) == [("14/09/2026", 810, 815), ("14/09/2026", 960, 990)]
        # Yparéo has no word for it: whoever was sent out was there.
        assert room.absences(sent_out) == []
        assert {row["motifAbsence"]["nomMotifAbsence"] for row in room.absences()} == {"Retard"}
        assert (await room.export()).changes == {}

    play(story, settled=True)


def test_R29_retractions_beyond_the_limit_wait() -> None:
    async def story(town: Town) -> None:
        room, sheet, away = await evening(town, 11)
        assert (await room.export()).changes == {"deliver": 11}
        town.hand.unlock(sheet=sheet.edusign_id)
        for one in away:
            town.hand.sign(sheet=sheet.edusign_id, learner=one.edusign_id)
        town.hand.lock(sheet=sheet.edusign_id)
        assert (await room.export()).changes == {}
        (hold,) = await room.holds()
        assert (hold.code, len(hold.changes)) == ("limit retract absence", 11)
        await town.decide(hold, "approve")
        assert (await room.export()).changes == {"retract": 11}
        assert room.absences() == []

    play(story, settled=True)


# The ERP's people


def test_R26_an_absence_the_secretary_justified_herself_is_never_touched() -> None:
    async def story(town: Town) -> None:
        room, sheet, (away,) = await evening(town)
        await room.export()
        (row,) = room.absences(away)
        town.erp.change_absence(row["codeAbsence"], justified=True, reason="Maladie", who="secretary")
        changed = room.absences(away)
        assert (await room.export()).changes == {}
        # Edusign now says something else again: she is still right.
        town.hand.unlock(sheet=sheet.edusign_id)
        town.hand.sign(sheet=sheet.edusign_id, learner=away.edusign_id)
        town.hand.lock(sheet=sheet.edusign_id)
        for _again in range(2):
            assert (await room.export()).changes == {}
        assert room.absences(away) == changed
        assert await room.why("theirs") == [("changed_in_erp", away.edusign_id)]
        assert len(await town.log("kind:absence level:notice")) == 1

    play(story, settled=True)


def test_R26_an_absence_the_secretary_entered_before_us_stands() -> None:
    async def story(town: Town) -> None:
        room, _sheet, (agreed, other) = await evening(town, 2)
        for one, end in ((agreed, "16:30"), (other, "15:00")):
            town.erp.record_absence(
                one.identity, "2026-09-14T13:30", f"2026-09-14T{end}", justified=True, who="secretary"
            )
        before = room.absences()
        assert (await room.export()).changes == {}
        assert room.absences() == before and room.writes() == []
        assert await room.why("theirs") == sorted(
            [("erp_says_otherwise", agreed.edusign_id), ("erp_says_otherwise", other.edusign_id)]
        )

    play(story, settled=True)


def test_R26_an_absence_the_secretary_struck_is_not_made_again() -> None:
    async def story(town: Town) -> None:
        room, sheet, (away,) = await evening(town)
        await room.export()
        town.erp.remove_absence(room.absences(away)[0]["codeAbsence"], who="secretary")
        town.hand.justify(away.edusign_id, sheet=sheet.edusign_id)
        for _again in range(2):
            assert (await room.export()).changes == {}
        assert room.absences(away) == []
        assert await room.why("theirs") == [("removed_in_erp", away.edusign_id)]

    play(story, settled=True)


def test_R26_a_sheet_unlocked_after_the_export_is_retracted_only_once_it_is_locked_again() -> None:
    async def story(town: Town) -> None:
        room, sheet, (came, away) = await evening(town, 2)
        assert (await room.export()).changes == {"deliver": 2}
        town.hand.unlock(sheet=sheet.edusign_id)
        town.hand.sign(sheet=sheet.edusign_id, learner=came.edusign_id)
        assert (await room.export()).changes == {}
        assert len(room.absences()) == 2
        assert ("unlocked_again", sheet.edusign_id) in await room.why("waiting")
        town.hand.lock(sheet=sheet.edusign_id)
        assert (await room.export()).changes == {"retract": 1}
        assert room.absences(came) == [] and len(room.absences(away)) == 1
        assert (await room.export()).changes == {}

    play(story, settled=True)


def test_R26_somebody_taken_off_the_sheet_is_no_longer_absent() -> None:
    async def story(town: Town) -> None:
        room, sheet, (away,) = await evening(town)
        await room.export()
        town.hand.unlock(sheet=sheet.edusign_id)
        town.hand.remove("sheet", sheet.edusign_id, learner=away.edusign_id)
        town.hand.lock(sheet=sheet.edusign_id)
        assert (await room.export()).changes == {"retract": 1}
        assert room.absences() == []

    play(story, settled=True)


# Justified later


def test_R27_a_justification_accepted_three_days_later_reaches_the_erp_at_the_next_export() -> None:
    async def story(town: Town) -> None:
        room, sheet, (away,) = await evening(town)
        await room.export()
        await town.at("2026-09-15 10:00")
        asked = town.hand.justify(away.edusign_id, sheet=sheet.edusign_id, type=1, status="pending")
        await tomorrow(town)
        assert (await room.export()).changes == {}
        await town.at("2026-09-17 15:00")
        town.hand.answer(asked, "accepted")
        await tomorrow(town, 17)
        assert (await room.export()).changes == {"update": 1}
        (row,) = room.absences(away)
        assert bool(row["isJustifie"]) is True
        assert (await room.export()).changes == {}

    play(story, settled=True)


def test_R27_after_the_days_of_the_setting_nothing_is_corrected_any_more() -> None:
    async def story(town: Town) -> None:
        room, sheet, (away,) = await evening(town, repush_days=3)
        await room.export()
        await town.at("2026-09-18 10:00")
        town.hand.justify(away.edusign_id, sheet=sheet.edusign_id)
        assert (await room.export()).changes == {}
        assert not room.absences(away)[0]["isJustifie"]

    play(story, settled=True)


def test_a_justified_period_covers_its_sheets_and_reasons_go_along() -> None:
    async def story(town: Town) -> None:
        room, _sheet, (away, other) = await evening(town, 2, reasons={"medical appointment": "Maladie"})
        town.hand.justify(away.edusign_id, start="2026-09-14T06:00Z", end="2026-09-14T20:00Z", type=4)
        town.hand.justify(other.edusign_id, start="2026-09-14T12:00Z", end="2026-09-14T13:00Z", type=4)
        await room.export()
        (row,), (partly,) = room.absences(away), room.absences(other)
        assert (bool(row["isJustifie"]), row["motifAbsence"]["nomMotifAbsence"]) == (True, "Maladie")
        assert (bool(partly["isJustifie"]), partly["motifAbsence"]["codeMotifAbsence"]) == (False, 1)

    play(story, settled=True)


def test_a_reason_without_an_equal_takes_the_fallback_and_is_said_once() -> None:
    async def story(town: Town) -> None:
        room, sheet, (away, other) = await evening(town, 2)
        town.hand.justify(away.edusign_id, sheet=sheet.edusign_id, type=9)
        town.hand.justify(other.edusign_id, sheet=sheet.edusign_id, type=8)
        run = await room.export()
        names = {row["motifAbsence"]["nomMotifAbsence"] for row in room.absences()}
        assert names == {"Convocation officielle", "Absence injustifiée"}
        assert "Permis de conduire" in run.message
        assert (await room.export()).message == ""
        assert len(await town.log("kind:absence level:warn+")) == 1

    play(story, settled=True)


def test_without_a_fallback_reason_nothing_goes_and_it_says_why() -> None:
    async def story(town: Town) -> None:
        room, _sheet, _away = await evening(town, fallback_reason="")
        run = await room.export()
        assert run.changes == {} and "fallback_reason" in run.message
        assert {why for why, _id in await room.why("waiting")} >= {"no_fallback"}

    play(story, settled=True)


# Crashes and silences


@pytest.mark.parametrize("arrives", [True, False])
def test_R37_a_silence_is_looked_up_and_never_sent_twice(arrives: bool) -> None:
    async def story(town: Town) -> None:
        room, _sheet, (away,) = await evening(town)
        kind = "silence_after_commit" if arrives else "silence"
        order = FaultOrder(kind=kind, method="POST", route="*/absences", seconds=600)
        town.side.erp.control.fault(order)
        run = await room.export()
        assert len(room.absences(away)) == int(arrives)
        assert run.changes == ({"deliver": 1} if arrives else {})
        again = await room.export()
        assert again.changes == ({} if arrives else {"deliver": 1})
        assert len(room.absences(away)) == 1
        assert (await room.export()).changes == {}
        states = await town.engine.store.transact(lambda tx: tx.journaled_deliveries(town.name))
        assert [one["state"] for one in states] == (["done"] if arrives else ["never_arrived", "done"])

    play(story, settled=True)


@pytest.mark.parametrize("arrived", [True, False])
def test_R38_a_crash_between_is_looked_up_before_anything_is_sent(arrived: bool) -> None:
    async def story(town: Town) -> None:
        room, _sheet, (away,) = await evening(town)

        async def tap(request: httpx.Request) -> None:
            if request.method == "POST":
                if arrived:
                    await httpx.ASGITransport(town.side.erp.app).handle_async_request(request)
                raise EngineDied

        line = town.lines[town.name, "erp"]
        line.tap = tap
        await room.export()
        line.tap = None
        await town.restart()
        open_now = await town.engine.store.transact(lambda tx: tx.open_deliveries(town.name))
        assert len(open_now) == 1
        run = await room.export()
        assert run.changes == ({} if arrived else {"deliver": 1})
        assert len(room.absences(away)) == 1
        assert (await room.export()).changes == {}
        assert len(await town.log("kind:recovery")) == 1
        # What was looked up is ours all the same: it can be corrected later.
        town.hand.justify(away.edusign_id, sheet=(await town.known(SHEET)).edusign_id)
        assert (await room.export()).changes == {"update": 1}

    play(story, settled=True)


def test_what_does_not_stand_as_written_is_an_alarm_and_no_base() -> None:
    async def story(town: Town) -> None:
        room, _sheet, (away,) = await evening(town)

        # Whoever strikes it at once: the read-back does not find it.
        store: Any = town.side.erp.store
        real = store.write_absence

        def vanishing(*given: Any, **more: Any) -> Any:
            row = real(*given, **more)
            row.removed = "person"
            return row

        store.write_absence = vanishing
        run = await room.export()
        assert run.changes == {} and run.state == "done"
        assert len(await town.log("kind:alarm")) == 1
        store.write_absence = real
        assert (await room.export()).changes == {"deliver": 1}
        assert len(room.absences(away)) == 1

    play(story, settled=True)


def test_a_refusal_by_the_erp_is_shown_and_does_not_block_the_others() -> None:
    async def story(town: Town) -> None:
        room, _sheet, (gone, away) = await evening(town, 2)
        town.erp.learners[gone.identity].removed = True  # struck since, behind everybody's back
        run = await room.export()
        assert run.changes == {"deliver": 1}
        assert len(room.absences(away)) == 1
        assert ("refused_by_erp", gone.edusign_id) in await room.why("waiting")
        assert (await room.export()).changes == {}

    play(story, settled=True)


# Whose turn


def test_R40_a_frozen_connection_exports_nothing() -> None:
    async def story(town: Town) -> None:
        room, _sheet, _away = await evening(town)
        await town.engine.freeze(FreezeRequest(connection=town.name, reason="stop"), "ada")
        run = await room.export()
        assert (run.state, run.changes) == ("incomplete", {}) and room.absences() == []
        await town.engine.thaw(FreezeRequest(connection=town.name), "ada")
        assert (await room.export()).changes == {"deliver": 1}

    play(story, settled=True)


def test_R44_nothing_is_exported_while_edusigns_own_connector_is_on() -> None:
    async def story(town: Town) -> None:
        room, _sheet, _away = await evening(town)
        town.hand.edit("school", "", "CONNECTOR", "ypareo")
        run = await room.export()
        assert run.changes == {} and room.absences() == []
        assert {why for why, _id in await room.why("waiting")} >= {"another_connector"}

    play(story, settled=True)


def test_R35_exports_have_their_own_windows_and_lease() -> None:
    async def story(town: Town) -> None:
        room, _sheet, (away,) = await evening(town)
        town.schedule = True
        await town.restart()
        await town.at("2026-09-14 21:40")
        assert len(room.absences(away)) == 1
        runs = [run for run in await town.engine.runs(limit=50) if run.flow == "export"]
        assert [run.occurrence for run in runs] == ["lyon/export/2030/2026-09-14"]

    play(story, settled=True)


def test_R35_an_export_and_an_import_run_side_by_side_but_no_two_exports() -> None:
    async def story(town: Town) -> None:
        room, _sheet, (_away,) = await evening(town)
        waiting = asyncio.Event()

        async def tap(_request: httpx.Request) -> None:
            await waiting.wait()

        town.lines[town.name, "erp"].tap = tap
        importing = asyncio.ensure_future(town.run())
        await town.after(seconds=1)
        request = RunRequest(connection=town.name, flow="export")
        exporting = await town.engine.start_run(request, "ada")
        with pytest.raises(Refusal, match="under way"):
            await room.export()
        waiting.set()
        assert (await town.engine.wait_run(exporting.id)).changes == {"deliver": 1}
        assert (await importing).state == "done"

    play(story, settled=True)


def test_a_dry_run_writes_nothing_and_shows_what_is_due() -> None:
    async def story(town: Town) -> None:
        room, _sheet, (away,) = await evening(town)
        plan = await town.engine.plan(PlanRequest(connection=town.name, flow="export"), "ada")
        assert [(c.verb, c.erp_id) for c in plan.changes] == [("deliver", away.erp_id)]
        assert room.absences() == [] and await room.why("due") == [("due", away.edusign_id)]
        assert (await room.export()).changes == {"deliver": 1}

    play(story, settled=True)


def test_only_one_sheet_or_person_is_exported_when_asked_so() -> None:
    async def story(town: Town) -> None:
        room, sheet, (one, other, third) = await evening(town, 3)
        assert (await room.export(only=f"learner:{one.erp_id}")).changes == {"deliver": 1}
        assert (await room.export(only="sheet:900003")).changes == {}
        assert len(room.absences(one, other, third)) == 1
        assert (await room.export(only=f"sheet:{sheet.edusign_id}")).changes == {"deliver": 2}

    play(story, settled=True)


# By hand


async def handmade(town: Town, room: Classroom, like: Known, people: list[Known]) -> Known:
    """A sheet somebody made by hand beside a session's own, signed and locked with the first of them away."""
    row = town.row(like)
    id = town.hand.create(
        "sheet",
        "H1",
        {
            "NAME": "Rattrapage",
            "START": "2026-09-14T15:00:00Z",
            "END": "2026-09-14T16:00:00Z",
            "PROFESSOR": row["PROFESSOR"],
            "STUDENTS": [{"studentId": one.edusign_id} for one in people],
        },
    )
    sheet = Known("sheet", "H1", "", id)
    room.held(sheet, absent=people[:1])
    return sheet


def test_R28_a_hand_made_sheet_is_reported_by_hand_and_delivered_once_it_is_linked() -> None:
    async def story(town: Town) -> None:
        room = await Classroom.of(town)
        session = await town.known(SHEET)
        away, *_others = people = (await room.pupils(session))[:3]
        await town.at(EVENING)
        sheet = await handmade(town, room, session, people)
        assert (await room.export()).changes == {}
        assert await room.why("by_hand") == [("no_session", away.edusign_id)]
        (view,) = [v for v in await town.engine.absences() if v.state == "by_hand"]
        (ticked,) = await town.engine.tick(TickRequest(ids=(view.id,)), "bea")
        assert (ticked.ticked_by, ticked.ticked_at, ticked.found) == ("bea", town.clock.now(), None)
        assert (await room.export()).changes == {}
        # The session is planned in the ERP after all, and a person says it is this sheet.
        code = town.erp.add_session(
            "S90001", "Rattrapage", "2026-09-14", "17:00", "18:00", ["G001"], ["P00041"], [101]
        )
        link = Link(kind="sheet", erp_id=str(code), edusign_id=sheet.edusign_id,
                    base={"learners": sorted(one.erp_id for one in people)})  # fmt: skip
        await town.engine.store.transact(lambda tx: tx.put_link(town.name, link))
        assert (await room.export()).changes == {"deliver": 1}
        assert room.spans(away) == [("14/09/2026", 1020, 1080)]
        assert await room.why("by_hand") == []

    play(story, settled=True)


def test_R28_what_was_reported_by_hand_is_found_in_the_erp_at_the_next_read() -> None:
    async def story(town: Town) -> None:
        room, _sheet, (typed, forgotten) = await evening(town, 2, write=False)
        assert (await room.export()).changes == {}
        assert await room.why("by_hand") == sorted(("no_write", one.edusign_id) for one in (typed, forgotten))
        views = [v for v in await town.engine.absences() if v.state == "by_hand"]
        await town.engine.tick(TickRequest(ids=tuple(v.id for v in views)), "bea")
        town.erp.record_absence(typed.identity, "2026-09-14T13:30", "2026-09-14T16:30", who="secretary")
        await room.export()
        # One is there; the other was ticked and is not, which is said.
        assert await room.why("by_hand") == [("no_write", forgotten.edusign_id)]
        (left,) = [v for v in await town.engine.absences() if v.state == "by_hand"]
        assert (left.ticked_by, left.found) == ("bea", False)
        assert len(await town.log("kind:absence level:warn+")) == 1
        # Ticks can be taken back; one of an attendance that changed since counts no more.
        (back,) = await town.engine.tick(TickRequest(ids=(left.id,), done=False), "bea")
        assert back.ticked_by == ""

    play(story, settled=True)


def test_R28_an_attendance_that_changed_after_its_tick_is_to_be_reported_again() -> None:
    async def story(town: Town) -> None:
        room, sheet, (away,) = await evening(town, write=False)
        await room.export()
        (view,) = [v for v in await town.engine.absences() if v.state == "by_hand"]
        await town.engine.tick(TickRequest(ids=(view.id,)), "bea")
        town.hand.justify(away.edusign_id, sheet=sheet.edusign_id)
        await room.export()
        (again,) = [v for v in await town.engine.absences() if v.state == "by_hand"]
        assert (again.ticked_by, again.justified) == ("", True)
        town.hand.unlock(sheet=sheet.edusign_id)
        town.hand.sign(sheet=sheet.edusign_id, learner=away.edusign_id)
        town.hand.lock(sheet=sheet.edusign_id)
        await room.export()
        assert await room.why("by_hand") == [("take_back", away.edusign_id)]

    play(story, settled=True)


def test_R28_the_list_by_hand_comes_as_a_file() -> None:
    async def story(town: Town) -> None:
        room, _sheet, away = await evening(town, 2, write=False)
        await room.export()
        name, content, rows = await town.engine.absence_form(town.name)
        text = content.decode("utf-8-sig")
        assert (name, rows, len(text.splitlines())) == ("absences-lyon.csv", 2, 3)
        assert all(one.erp_id in text for one in away) and "2026-09-14 13:30" in text
        (view, _other) = [v for v in await town.engine.absences() if v.state == "by_hand"]
        await town.engine.tick(TickRequest(ids=(view.id,)), "bea")
        assert (await town.engine.absence_form(town.name))[2] == 1

    play(story, settled=True)


def test_the_list_of_absences_says_where_each_one_is() -> None:
    async def story(town: Town) -> None:
        room, _sheet, (away,) = await evening(town)
        other = await town.known("S00003")
        town.hand.lock(sheet=other.edusign_id)
        await room.export()
        views = await town.engine.absences()
        assert next(v.state for v in views) == "held" and views[-1].state == "delivered"
        assert {v.item for v in views if v.state == "held"} == {one.id for one in await room.holds()}
        (delivered,) = await town.engine.absences(query="kind:delivered")
        assert (delivered.erp_id, delivered.words, delivered.label != "") == (away.erp_id, "absent", True)
        assert delivered.summary == "read back from the ERP"
        waiting = await town.engine.absences(query="kind:not_locked")
        assert waiting and all(v.people > 1 for v in waiting)

    play(story, settled=True)
