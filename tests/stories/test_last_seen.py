"""What both sides said last: today's troubles, sheets, a record before and after edits, over restarts."""

from __future__ import annotations

import httpx
import pytest

from connectors.simulation.control import FaultOrder
from engine.service.models import FieldView, RecordView
from engine.service.operations import Refusal
from tests.stories.town import Known, Town, play

PHONE = "06 00 00 00 42"


async def page(town: Town, one: Known) -> RecordView:
    return await town.engine.record(town.name, one.kind, one.erp_id)


async def phone(town: Town, one: Known) -> FieldView:
    return phone_of(await page(town, one))


def phone_of(view: RecordView) -> FieldView:
    (field,) = [f for f in view.fields if f.field == "phone"]
    return field


def test_before_the_first_run_nothing_was_read() -> None:
    async def story(town: Town) -> None:
        (today,) = await town.engine.today()
        assert (today.read_at, today.sheets) == (None, 0)
        assert await town.engine.sheets() == ()
        assert await town.engine.find("a") == ()
        with pytest.raises(Refusal, match="not read yet: `rollcall plan lyon`") as refused:
            await town.engine.record("lyon", "learner", "70002")
        assert refused.value.code == "not_found"
        with pytest.raises(Refusal) as refused:
            await town.engine.record("lyon", "teacher", "70002")
        assert refused.value.code == "usage"

    play(story)


def test_todays_troubles_appear_once_a_run_or_a_dry_one_has_read_them() -> None:
    async def story(town: Town) -> None:
        one, other = await town.known("S00001"), await town.known("S00002")
        assert [view.troubles for view in await town.engine.today()] == [{}]
        town.hand.edit(kind="sheet", id=one.edusign_id, field="CLASSROOM", value="Z9", who="eve")
        town.erp.move_session(other.identity, start="17:00", end="18:00", who="secretary")
        town.erp.add_session(
            "S90001", "Oral", "2026-09-14", "17:00", "18:00", ["G001"], ["P00044"], [101], who="secretary"
        )
        assert [view.troubles for view in await town.engine.today()] == [{}]
        await town.after(minutes=2)
        await town.plan()
        (today,) = await town.engine.today()
        assert today.troubles == {"other_room": 1, "other_time": 1, "no_sheet": 1}
        assert today.read_at == town.clock.now()
        await town.run()
        assert [view.troubles for view in await town.engine.today()] == [{}]

    play(story, settled=True)


def test_a_record_right_before_and_after_an_edit_on_each_side_and_over_a_restart() -> None:
    async def story(town: Town) -> None:
        one = (await town.plain_learners())[0]
        before = await page(town, one)
        agreed = phone_of(before)
        assert (before.linked, before.fresh, agreed.state, before.changes) == (True, False, "equal", ())
        assert before.edusign_id == one.edusign_id and before.api_type == "rollcall-lyon"

        town.erp.edit(one.identity, "phone", PHONE, who="secretary")
        assert await phone(town, one) == agreed
        plan = await town.plan()
        after = await page(town, one)
        changed = phone_of(after)
        assert (changed.state, changed.erp, changed.erp_canonical) == ("erp", PHONE, "+33600000042")
        assert (changed.base, changed.edusign) == (agreed.base, agreed.edusign)
        assert after.changes == tuple(c for c in plan.changes if c.erp_id == one.erp_id) != ()

        await town.restart()
        assert await page(town, one) == after
        await town.run()
        assert (await phone(town, one)).state == "equal" and (await page(town, one)).changes == ()

        town.hand.edit(kind="learner", id=one.edusign_id, field="PHONE", value="07 00 00 00 07", who="eve")
        await town.run()
        kept = await page(town, one)
        assert phone_of(kept).state == "edusign" and phone_of(kept).edusign == "07 00 00 00 07"
        assert [item.type for item in kept.items] == ["task"]

        town.erp.edit(one.identity, "phone", "06 11 11 11 11", who="secretary")
        await town.run()
        assert phone_of(await page(town, one)).state == "both"
        assert [item.type for item in (await page(town, one)).items] == ["conflict"]

    play(story, settled=True)


def test_a_learner_who_was_rejected_is_found_and_says_why() -> None:
    async def story(town: Town) -> None:
        code = str(town.erp.add_learner("P90001", "Quiroz", "Inès", "", "G001", who="secretary"))
        await town.run()
        (found,) = await town.engine.find("ines QUIROZ")
        assert (found.erp_id, found.edusign_id, found.state) == (code, "", "erp")
        view = await town.engine.record("lyon", "learner", code)
        assert view.problems == ("no e-mail address",) and view.where
        assert [item.code for item in view.items] == ["missing_email"]

    play(story, settled=True)


def test_a_sheet_says_its_signatures_and_why_it_may_not_be_written() -> None:
    async def story(town: Town) -> None:
        sheet, learner = await town.known("S00001"), (await town.plain_learners())[0]
        town.hand.sign(sheet=sheet.edusign_id, learner=learner.edusign_id, who=learner.identity)
        await town.run()
        (view,) = await town.engine.sheets(query=f"sheet:{sheet.erp_id}")
        assert view.signed == 1 and view.why_not.startswith("signed")
        members = (await page(town, sheet)).members
        assert [m.erp_id for m in members if m.signed] == [learner.erp_id]
        assert {m.edusign_id for m in members if m.in_edusign} == town.roster(sheet)
        assert len(await town.engine.sheets()) > len(await town.engine.sheets(query=view.speakers[0])) > 0
        with pytest.raises(Refusal, match="column 1") as refused:
            await town.engine.sheets(query="levle:warn")
        assert refused.value.code == "usage"

    play(story, settled=True)


def test_a_hold_shows_on_a_record_with_its_changes_of_it_alone() -> None:
    async def story(town: Town) -> None:
        leavers = (await town.plain_learners())[:3]
        for one in leavers:
            town.erp.depart(one.identity, who="secretary")
        await town.run()
        view = await page(town, leavers[0])
        assert view.ended
        holds = [item for item in view.items if item.type == "hold"]
        assert {change.erp_id for hold in holds for change in hold.changes} == {leavers[0].erp_id}

    play(story, settled=True)


def test_R13_a_list_that_broke_off_leaves_what_was_known() -> None:
    async def story(town: Town) -> None:
        one, other = (await town.plain_learners())[:2]
        (before,) = await town.engine.today()
        read_at = (await page(town, one)).read_at
        for learner in (one, other):
            town.erp.edit(learner.identity, "phone", PHONE, who="secretary")
        await town.after(minutes=2)
        town.side.erp.control.fault(
            FaultOrder(kind="empty_list", route="*/formation-longue/apprenants", count=0)
        )
        town.side.edusign.control.fault(FaultOrder(kind="502", route="/v1/course", count=0))
        await town.run()
        (after,) = await town.engine.today()
        assert (after.sheets, after.troubles, after.read_at) == (before.sheets, {}, before.read_at)
        view = await page(town, one)
        assert view.in_erp and phone_of(view).state == "equal" and view.read_at == read_at
        town.side.erp.control.clear()
        town.side.edusign.control.clear()
        await town.run()
        assert (await page(town, one)).read_at == town.clock.now()

    play(story, settled=True)


def test_a_run_cut_short_while_writing_claims_no_sheet_is_missing() -> None:
    async def story(town: Town) -> None:
        for n in range(3):
            town.erp.add_session(
                f"S9000{n}",
                "Oral",
                "2026-09-14",
                "17:00",
                "18:00",
                ["G001"],
                ["P00044"],
                [101],
                who="secretary",
            )
        posts = []

        async def cancel_after_the_first(request: httpx.Request) -> None:
            if request.method == "POST" and request.url.path == "/v1/course":
                posts.append(request)
                await town.engine.cancel_run((await town.engine.runs())[0].id, "ada")

        town.line.tap = cancel_after_the_first
        run = await town.run()
        town.line.tap = None
        assert (run.state, len(posts)) == ("cancelled", 1)
        (today,) = await town.engine.today()
        assert today.troubles == {"no_sheet": 2}

    play(story, settled=True)


# Looking now


def test_a_look_reads_one_record_on_both_sides_and_writes_nothing() -> None:
    async def story(town: Town) -> None:
        one = (await town.plain_learners())[0]
        town.erp.edit(one.identity, "phone", PHONE, who="secretary")
        town.hand.edit(kind="learner", id=one.edusign_id, field="FIRSTNAME", value="Zoé", who="eve")
        town.written()
        await town.after(minutes=2)
        before = town.engine.connections["lyon"].requests()
        view = await town.engine.look("lyon", "learner", one.erp_id)
        sent = town.engine.connections["lyon"].requests()
        assert view.fresh and view.read_at == town.clock.now() and view.problems == ()
        states = {f.field: f.state for f in view.fields}
        assert states == {"last_name": "equal", "first_name": "edusign", "email": "equal", "phone": "erp"}
        assert sum(sent.values()) - sum(before.values()) <= 4
        assert town.written() == []
        assert (await phone(town, one)).state == "equal"  # as last read in a run

    play(story, settled=True)


def test_a_look_at_a_session_shows_both_sides_rosters() -> None:
    async def story(town: Town) -> None:
        sheet, learner = await town.known("S00001"), (await town.plain_learners())[0]
        town.hand.remove(kind="sheet", id=sheet.edusign_id, learner=learner.edusign_id, who="eve")
        town.erp.move_session(sheet.identity, rooms=[104], who="secretary")
        view = await town.engine.look("lyon", "sheet", sheet.edusign_id)
        assert view.fresh and view.sheet is not None and view.sheet.troubles == ("other_room",)
        (member,) = [m for m in view.members if m.erp_id == learner.erp_id]
        assert (member.in_erp, member.in_base, member.in_edusign) == (True, True, False)

    play(story, settled=True)


def test_a_look_finds_a_record_no_run_has_read() -> None:
    async def story(town: Town) -> None:
        code = str(
            town.erp.add_learner("P90001", "Quiroz", "Inès", "ines@example.org", "G001", who="secretary")
        )
        view = await town.engine.look("lyon", "learner", code)
        assert (view.in_erp, view.in_edusign, view.label) == (True, False, "Quiroz Inès")
        with pytest.raises(Refusal) as refused:
            await town.engine.look("lyon", "learner", "999999")
        assert refused.value.code == "not_found"

    play(story, settled=True)


def test_a_side_that_fails_keeps_its_last_reading_and_both_failing_are_told() -> None:
    async def story(town: Town) -> None:
        one = (await town.plain_learners())[0]
        town.erp.edit(one.identity, "phone", PHONE, who="secretary")
        town.side.edusign.control.fault(FaultOrder(kind="401", route="/v1/student/*", count=0))
        view = await town.engine.look("lyon", "learner", one.erp_id)
        assert not view.fresh and view.in_edusign and phone_of(view).state == "erp"
        (problem,) = view.problems
        assert problem.startswith("lyon: edusign GET /v1/student/") and "the key is not accepted" in problem
        assert problem.endswith("that side is shown as last read")
        town.side.erp.control.fault(FaultOrder(kind="401", route="*", count=0))
        both = r"the ERP said nothing of this learner alone; .*the key is not accepted"
        with pytest.raises(Refusal, match=both) as refused:
            await town.engine.look("lyon", "learner", one.erp_id)
        assert refused.value.code == "failed"

    play(story, settled=True)


def test_a_look_never_disturbs_a_run() -> None:
    async def story(town: Town) -> None:
        one = (await town.plain_learners())[0]
        refusals = []

        async def look_meanwhile(request: httpx.Request) -> None:
            try:
                await town.engine.look("lyon", "learner", one.erp_id)
            except Refusal as refusal:
                refusals.append(refusal.code)

        town.line.tap = look_meanwhile
        run = await town.run()
        town.line.tap = None
        assert run.state == "done" and set(refusals) == {"busy"}
        assert (await town.engine.look("lyon", "learner", one.erp_id)).fresh

    play(story, settled=True)
