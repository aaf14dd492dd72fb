"""Who wins, end to end: edits on one side, on both, and what people decide."""

from __future__ import annotations

import pytest

from tests.stories.town import Known, Town, play


def typed(town: Town, one: Known, field: str, value: str) -> str:
    """A person types `value` into Edusign; what was there."""
    before = str(town.row(one)[field])
    town.hand.edit(kind=one.kind, id=one.edusign_id, field=field, value=value, who="eve")
    return before


def test_R02_an_email_edited_in_edusign_becomes_a_task_and_is_kept() -> None:
    async def story(town: Town) -> None:
        one = (await town.plain_learners())[0]
        before = typed(town, one, "EMAIL", "new@example.org")
        run = await town.run()
        assert (run.state, run.changes) == ("done", {})
        (task,) = await town.items("task")
        assert (task.erp_id, task.data["edusign"], task.data["erp"]) == (one.erp_id, "new@example.org", before)
        assert "Yparéo" in task.where
        assert town.row(one)["EMAIL"] == "new@example.org"
        await town.plan_is_empty()

    play(story, settled=True)


def test_R02_the_task_closes_itself_when_the_erp_agrees_and_nothing_is_written() -> None:
    async def story(town: Town) -> None:
        one = (await town.plain_learners())[0]
        typed(town, one, "EMAIL", "new@example.org")
        await town.run()
        (task,) = await town.items("task")
        town.erp.edit(one.identity, "email", "New@Example.org", who="secretary")
        run = await town.run()
        assert (run.changes, await town.items("task"), town.written()) == ({}, [], [])
        closed = await town.engine.item(task.id)
        assert closed.closed_at is not None
        # The base moved: the ERP's next word is again the ERP's alone.
        town.erp.edit(one.identity, "email", "third@example.org", who="secretary")
        run = await town.run()
        assert run.changes == {"update": 1}
        assert town.row(one)["EMAIL"] == "third@example.org"
        await town.plan_is_empty()

    play(story, settled=True)


def test_R02_an_open_task_reminds_after_seven_days() -> None:
    async def story(town: Town) -> None:
        one = (await town.plain_learners())[0]
        typed(town, one, "PHONE", "06 00 00 00 99")
        await town.run()
        await town.at("2026-09-20 08:00")
        await town.run()
        assert await town.log("kind:task still open") == []
        await town.at("2026-09-21 12:00")
        await town.run()
        (reminder,) = await town.log('kind:task "still open"')
        assert (reminder.erp_id, reminder.level) == (one.erp_id, "notice")
        await town.at("2026-09-22 12:00")
        await town.run()
        assert len(await town.log('kind:task "still open"')) == 1

    play(story, settled=True)


def test_R02_a_name_edited_in_edusign_is_overwritten_with_a_notice_of_both_values_and_the_run() -> None:
    async def story(town: Town) -> None:
        one = (await town.plain_learners())[1]
        before = typed(town, one, "LASTNAME", "Typo")
        run = await town.run()
        assert run.changes == {"update": 1}
        assert town.row(one)["LASTNAME"] == before
        (notice,) = await town.log(f"kind:notice learner:{one.erp_id}")
        assert notice.data["edusign"] == "Typo"
        assert notice.data["erp"] == before
        assert (notice.data["field"], notice.data["run"], notice.run_id) == ("last_name", run.id, run.id)
        await town.plan_is_empty()

    play(story, settled=True)


def test_R02_room_and_time_edited_in_edusign_take_the_erps_value_with_a_notice() -> None:
    async def story(town: Town) -> None:
        sheet = await town.known("S00012")
        before = town.row(sheet)
        typed(town, sheet, "CLASSROOM", "Garage")
        typed(town, sheet, "START", "2026-09-17T06:30:00.000Z")
        run = await town.run()
        assert run.changes == {"update": 1}
        after = town.row(sheet)
        assert (after["CLASSROOM"], after["START"]) == (before["CLASSROOM"], before["START"])
        assert {s["studentId"] for s in before["STUDENTS"]} == town.roster(sheet)
        notices = {n.data["field"]: n.data for n in await town.log("kind:notice")}
        assert notices.keys() == {"room", "start"}
        assert (notices["room"]["edusign"], notices["room"]["erp"]) == ("Garage", before["CLASSROOM"])
        assert notices["start"]["edusign"] == "2026-09-17T06:30:00Z"
        await town.plan_is_empty()

    play(story, settled=True)


async def in_conflict(town: Town) -> Known:
    """A learner whose e-mail both sides changed, differently, and a run over it."""
    one = (await town.plain_learners())[2]
    typed(town, one, "EMAIL", "edusign@example.org")
    town.erp.edit(one.identity, "email", "erp@example.org", who="secretary")
    run = await town.run()
    assert (run.state, run.changes, run.conflicts) == ("done", {}, 2)
    return one


@pytest.mark.parametrize(
    ("choice", "value", "then"),
    [
        ("erp", "", "erp@example.org"),
        ("edusign", "", "edusign@example.org"),
        ("value", "Third@Example.org", "Third@Example.org"),
    ],
)
def test_R03_an_email_changed_on_both_sides_is_settled_by_a_decision(
    choice: str, value: str, then: str
) -> None:
    async def story(town: Town) -> None:
        one = await in_conflict(town)
        (conflict,) = [c for c in await town.items("conflict") if c.erp_id == one.erp_id]
        assert (conflict.data["erp"], conflict.data["edusign"]) == ("erp@example.org", "edusign@example.org")
        await town.plan_is_empty()
        await town.decide(conflict, choice, value, who="bea")
        await town.run()
        assert town.row(one)["EMAIL"] == then
        assert [c for c in await town.items("conflict") if c.erp_id == one.erp_id] == []
        # What the ERP does not say yet is a task there.
        tasks = [(t.erp_id, t.data["erp"], t.data["edusign"]) for t in await town.items("task")]
        assert tasks == ([] if choice == "erp" else [(one.erp_id, "erp@example.org", then)])
        await town.plan_is_empty()
        (said,) = await town.log(f"kind:decision learner:{one.erp_id}")
        assert (said.actor, said.data["choice"]) == ("bea", choice)
        assert (said.data["erp"], said.data["edusign"]) == ("erp@example.org", "edusign@example.org")
        # Nor does it come back once the ERP is corrected.
        town.erp.edit(one.identity, "email", then, who="secretary")
        run = await town.run()
        assert (run.changes, await town.items("task")) == ({}, [])
        await town.plan_is_empty()

    play(story, settled=True)


def test_R04_a_decision_counts_for_the_two_values_it_was_made_on_only() -> None:
    async def story(town: Town) -> None:
        one = await in_conflict(town)
        (conflict,) = [c for c in await town.items("conflict") if c.erp_id == one.erp_id]
        await town.decide(conflict, "erp")
        typed(town, one, "EMAIL", "later@example.org")
        await town.run()
        assert town.row(one)["EMAIL"] == "later@example.org"
        (again,) = [c for c in await town.items("conflict") if c.erp_id == one.erp_id]
        assert again.data["edusign"] == "later@example.org"

    play(story, settled=True)


def test_R03_changed_to_the_same_value_moves_the_base_and_writes_nothing() -> None:
    async def story(town: Town) -> None:
        one = (await town.plain_learners())[0]
        typed(town, one, "EMAIL", " SAME@example.org")
        town.erp.edit(one.identity, "email", "same@example.org", who="secretary")
        run = await town.run()
        assert (run.changes, run.conflicts, await town.items("task")) == ({}, 1, [])
        # From the new base on, an edit of the ERP's is the ERP's alone.
        town.erp.edit(one.identity, "email", "next@example.org", who="secretary")
        assert (await town.run()).changes == {"update": 1}
        assert town.row(one)["EMAIL"] == "next@example.org"
        await town.plan_is_empty()

    play(story, settled=True)


def test_R02_R06_a_learner_added_to_a_sheet_by_hand_is_kept_through_changes_of_the_roster() -> None:
    async def story(town: Town) -> None:
        sheet, guest = await town.known("S00012"), (await town.plain_learners("G002"))[0]
        member, other = (await town.plain_learners("G001"))[0], (await town.plain_learners("G002"))[1]
        town.hand.add(kind="sheet", id=sheet.edusign_id, learner=guest.edusign_id, who="eve")
        assert (await town.run()).changes == {}
        assert guest.edusign_id in town.roster(sheet)
        await town.plan_is_empty()
        town.erp.swap_learners(sheet.identity, out=member.identity, into=other.identity, who="secretary")
        assert (await town.run()).changes == {"add": 1, "remove": 1}
        roster = town.roster(sheet)
        assert guest.edusign_id in roster
        assert other.edusign_id in roster
        assert member.edusign_id not in roster
        await town.plan_is_empty()

    play(story, settled=True)


def test_R02_R06_a_learner_of_ours_taken_off_a_future_sheet_is_put_back_with_a_notice() -> None:
    async def story(town: Town) -> None:
        sheet, one = await town.known("S00012"), (await town.plain_learners())[0]
        town.hand.remove(kind="sheet", id=sheet.edusign_id, learner=one.edusign_id, who="eve")
        assert (await town.run()).changes == {"add": 1}
        assert one.edusign_id in town.roster(sheet)
        (notice,) = await town.log("kind:notice")
        assert (notice.record_kind, notice.erp_id) == ("sheet", sheet.erp_id)
        assert notice.data["erp"] == [one.erp_id]
        await town.plan_is_empty()

    play(story, settled=True)


def test_R02_R06_members_added_to_a_group_by_hand_are_kept_and_those_removed_are_put_back() -> None:
    async def story(town: Town) -> None:
        group, guest = await town.known("G001"), (await town.plain_learners("G002"))[0]
        member = (await town.plain_learners("G001"))[0]
        town.hand.add(kind="group", id=group.edusign_id, learner=guest.edusign_id, who="eve")
        town.hand.remove(kind="group", id=group.edusign_id, learner=member.edusign_id, who="eve")
        await town.run()
        assert {guest.edusign_id, member.edusign_id} <= town.roster(group)
        # Edusign carried the removal to the group's sheets: there too the member is back.
        assert member.edusign_id in town.roster(await town.known("S00012"))
        assert [n.erp_id for n in await town.log("kind:notice") if n.record_kind == "group"] == [group.erp_id]
        await town.plan_is_empty()

    play(story, settled=True)


def test_R02_a_person_archived_by_hand_is_restored_with_a_notice() -> None:
    async def story(town: Town) -> None:
        one = (await town.plain_learners())[0]
        town.hand.archive(kind="learner", id=one.edusign_id, who="eve")
        assert (await town.run()).changes == {"restore": 1}
        assert town.row(one)["HIDDEN"] == 0
        assert any(n.erp_id == one.erp_id for n in await town.log(f"kind:notice learner:{one.erp_id}"))
        await town.plan_is_empty()

    play(story, settled=True)


def test_R02_a_future_sheet_deleted_by_hand_is_made_again_with_a_notice() -> None:
    async def story(town: Town) -> None:
        sheet = await town.known("S00012")
        roster = town.roster(sheet)
        town.hand.delete(id=sheet.edusign_id, who="eve")
        assert (await town.run()).changes == {"create": 1}
        again = await town.known("S00012")
        assert again.edusign_id != sheet.edusign_id
        assert town.roster(again) == roster
        assert [n.erp_id for n in await town.log("kind:notice")] == [sheet.erp_id]
        await town.plan_is_empty()

    play(story, settled=True)
