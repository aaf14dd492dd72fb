"""What is gone, what only seems gone, and what then becomes of it, end to end (R13–R16)."""

from __future__ import annotations

import pytest

from connectors.simulation.control import FaultOrder
from tests.stories.town import Known, Town, play

FRIDAY_EVENING = "2026-09-18 18:30"
"""Nobody stands on a sheet of the next 24 hours."""


async def friday(town: Town) -> Known:
    """A learner on Friday evening, next week's sheets made."""
    await town.at(FRIDAY_EVENING)
    await town.run()
    town.written()
    return (await town.plain_learners("G001"))[0]


def test_R14_a_departed_learner_leaves_future_sheets_and_group_first_and_is_then_archived() -> None:
    async def story(town: Town) -> None:
        one = await friday(town)
        sheet, group = await town.known("S00021"), await town.known("G001")
        assert one.edusign_id in town.roster(sheet)
        town.erp.depart(one.identity, who="secretary")
        run = await town.run()
        assert run.changes["archive"] == 1
        verbs = [w["verb"] for w in town.written()]
        assert verbs.index("archive") == len(verbs) - 1
        assert {"update", "remove"} & set(verbs)
        assert town.row(one)["HIDDEN"] == 1
        assert one.edusign_id not in town.roster(sheet) | town.roster(group)
        assert one.erp_id not in await town.linked("learner")
        # What they had attended stays theirs.
        past = await town.known("S00018")
        assert one.edusign_id in town.roster(past)
        await town.plan_is_empty()

    play(story, settled=True)


@pytest.mark.parametrize("cascade", [True, False])
def test_R14_who_stands_on_a_sheet_within_24_hours_is_held_and_taken_off_nothing_near(cascade: bool) -> None:
    async def story(town: Town) -> None:
        one, near = (await town.plain_learners("G001"))[0], await town.known("S00002")
        town.erp.depart(one.identity, who="secretary")
        run = await town.run()
        assert "archive" not in run.changes
        assert town.row(one)["HIDDEN"] == 0
        held = {(c.verb, c.kind, c.erp_id) for h in await town.items("hold") for c in h.changes}
        assert {h.code for h in await town.items("hold")} == {"soon"}
        assert ("archive", "learner", one.erp_id) in held
        assert ("remove", "sheet", near.erp_id) in held
        assert one.edusign_id in town.roster(near)
        # Again looked at, it is the same: nothing slips through because half of it was done.
        await town.run()
        assert town.row(one)["HIDDEN"] == 0
        assert one.edusign_id in town.roster(near)
        await town.approve_all()
        await town.run()
        await town.approve_all()
        await town.run()
        assert town.row(one)["HIDDEN"] == 1
        assert one.edusign_id not in town.roster(near)
        await town.plan_is_empty()

    play(story, settled=True, switches={"cascade_groups": cascade})


def test_R13_a_learner_who_vanished_is_gone_after_two_occurrences_and_a_single_read() -> None:
    async def story(town: Town) -> None:
        one = await friday(town)
        town.erp.remove_learner(one.identity, who="secretary")
        await town.run()
        await town.run()
        assert town.row(one)["HIDDEN"] == 0
        assert one.erp_id in await town.linked("learner")
        await town.at("2026-09-19 13:00")
        asked = town.side.erp.control.requests.copy()
        run = await town.run()
        assert run.changes["archive"] == 1
        assert town.row(one)["HIDDEN"] == 1
        route = "GET /index.php/r/v1/apprenants/{code}"
        assert town.side.erp.control.requests[route] > asked.get(route, 0)
        await town.plan_is_empty()

    play(story, settled=True)


def test_R13_a_learner_who_comes_back_between_two_occurrences_is_not_gone() -> None:
    async def story(town: Town) -> None:
        one = await friday(town)
        town.erp.learners[one.identity].removed = True
        await town.run()
        town.erp.learners[one.identity].removed = False
        await town.at("2026-09-19 13:00")
        await town.run()
        town.erp.learners[one.identity].removed = True
        await town.at("2026-09-19 20:00")
        await town.run()
        # One occurrence since it was last seen: the count began anew.
        assert town.row(one)["HIDDEN"] == 0
        assert one.erp_id in await town.linked("learner")

    play(story, settled=True)


def test_R13_R15_a_cancelled_session_is_withdrawn_after_two_occurrences_and_a_learners_planning() -> None:
    async def story(town: Town) -> None:
        sheet = await town.known("S00019")
        before = town.row(sheet)
        town.erp.cancel_session(sheet.identity, who="secretary")
        await town.run()
        await town.run()
        assert town.sheets(sheet.erp_id) != []
        await town.at("2026-09-14 13:00")
        asked = town.side.erp.control.requests.copy()
        run = await town.run()
        assert run.changes == {"withdraw": 1}
        assert town.sheets(sheet.erp_id) == []
        route = "GET /index.php/r/v1/planning/{first}/{last}/apprenant/{code}"
        assert town.side.erp.control.requests[route] == asked.get(route, 0) + 1
        # The before-image holds everything, the roster too.
        (told,) = await town.log(f"kind:write sheet:{sheet.erp_id} run:{run.id}")
        assert told.data["before"]["name"] == before["NAME"]
        assert len(told.data["before"]["learners"]) == len(before["STUDENTS"])
        await town.plan_is_empty()

    play(story, settled=True)


def test_R15_a_cancellation_within_24_hours_is_held() -> None:
    async def story(town: Town) -> None:
        sheet = await town.known("S00012")
        town.erp.cancel_session(sheet.identity, who="secretary")
        await town.at("2026-09-16 13:00")
        await town.run()
        await town.at("2026-09-16 20:00")
        run = await town.run()
        assert "withdraw" not in run.changes
        (hold,) = await town.items("hold")
        assert (hold.code, hold.kind, [c.erp_id for c in hold.changes]) == ("soon", "sheet", [sheet.erp_id])
        assert hold.bites_at is not None
        assert town.sheets(sheet.erp_id) != []
        await town.decide(hold, "approve")
        assert (await town.run()).changes == {"withdraw": 1}
        await town.plan_is_empty()

    play(story, settled=True)


@pytest.mark.parametrize("how", ["sign", "lock"])
def test_R15_a_cancelled_sessions_signed_or_locked_sheet_is_left_and_listed(how: str) -> None:
    async def story(town: Town) -> None:
        sheet = await town.known("S00019")
        if how == "sign":
            town.hand.sign(sheet=sheet.edusign_id, speaker=town.row(sheet)["PROFESSOR"], who="teacher")
        else:
            town.hand.lock(sheet=sheet.edusign_id, who="teacher")
        town.erp.cancel_session(sheet.identity, who="secretary")
        await town.run()
        await town.at("2026-09-14 13:00")
        await town.run()
        await town.at("2026-09-14 20:00")
        assert (await town.run()).changes == {}
        assert len(town.sheets(sheet.erp_id)) == 1
        assert [(n.code, n.erp_id) for n in await town.items("notice") if n.kind == "sheet"] == [
            ("cancelled_but_kept", sheet.erp_id)
        ]
        await town.plan_is_empty()

    play(story, settled=True)


def test_R13_a_session_moved_beyond_the_horizon_is_no_cancellation() -> None:
    async def story(town: Town) -> None:
        sheet = await town.known("S00019")
        town.erp.move_session(sheet.identity, day="2026-09-25", who="secretary")
        for when in ("2026-09-14 13:00", "2026-09-14 20:00", "2026-09-15 13:00", "2026-09-15 20:00"):
            await town.at(when)
            assert "withdraw" not in (await town.run()).changes
        assert (await town.known(sheet.identity)).edusign_id == sheet.edusign_id
        # Once it is in sight again, it is one sheet, at its new time.
        await town.at("2026-09-19 13:00")
        await town.run()
        (row,) = town.sheets(sheet.erp_id)
        assert row["START"].startswith("2026-09-25")
        await town.plan_is_empty()

    play(story, settled=True)


@pytest.mark.parametrize(
    "route", ["*/formation-longue/apprenants", "*/planning/*", "*/utilisateur/personnels", "*/groupes"]
)
def test_R13_R29_an_emptied_answer_removes_nothing(route: str) -> None:
    async def story(town: Town) -> None:
        town.side.erp.control.fault(FaultOrder(kind="empty_list", route=route, count=0))
        for when in ("2026-09-14 13:00", "2026-09-14 20:00", "2026-09-15 13:00", "2026-09-15 20:00"):
            await town.at(when)
            run = await town.run()
            assert {*run.changes} <= {"create", "add"}, run.changes
        taking = {"archive", "withdraw", "remove"}
        assert [w for w in town.written() if w["verb"] in taking or w["kind"] in ("group", "speaker")] == []
        town.side.erp.control.clear()
        await town.run()
        await town.plan_is_empty()

    play(story, settled=True)


def test_R16_a_linked_learner_who_turns_invalid_keeps_link_and_sheets() -> None:
    async def story(town: Town) -> None:
        one = (await town.plain_learners("G001"))[0]
        sheet, group = await town.known("S00012"), await town.known("G001")
        town.erp.edit(one.identity, "email", "no-address", who="secretary")
        for when in ("2026-09-14 13:00", "2026-09-14 20:00", "2026-09-15 13:00"):
            await town.at(when)
            assert (await town.run()).changes == ({} if when != "2026-09-15 13:00" else {"create": 4})
        (item,) = [r for r in await town.items("rejection") if r.erp_id == one.erp_id]
        assert item.code == "invalid_email"
        assert town.row(one)["HIDDEN"] == 0
        assert one.edusign_id in town.roster(sheet) & town.roster(group)
        town.erp.edit(one.identity, "email", "valid@example.org", who="secretary")
        assert (await town.run()).changes == {"update": 1}
        assert [r for r in await town.items("rejection") if r.erp_id == one.erp_id] == []
        await town.plan_is_empty()

    play(story, settled=True)


def test_R16_a_linked_session_that_turns_invalid_keeps_its_sheet() -> None:
    async def story(town: Town) -> None:
        sheet = await town.known("S00019")
        town.erp.sessions[sheet.identity].end = None
        for when in ("2026-09-14 13:00", "2026-09-14 20:00", "2026-09-14 20:30"):
            await town.at(when)
            assert (await town.run()).changes == {}
        assert len(town.sheets(sheet.erp_id)) == 1

    play(story, settled=True)


def test_R14_a_group_that_is_gone_is_emptied_and_never_deleted() -> None:
    async def story(town: Town) -> None:
        group, guest = await town.known("G002"), (await town.plain_learners("G001"))[0]
        town.hand.add(kind="group", id=group.edusign_id, learner=guest.edusign_id, who="eve")
        await town.run()
        for one in town.erp.learners.values():
            one.group = "G001"
        for session in town.erp.sessions.values():
            session.groups = ["G001"]
        del town.erp.groups["G002"]
        town.erp._by_group = None
        for when in ("2026-09-14 13:00", "2026-09-14 20:00", "2026-09-15 13:00"):
            assert len(town.roster(group)) > 1
            await town.at(when)
            await town.run()
        # Our members left; whom a person had added stays, and so does the group.
        assert town.roster(group) == {guest.edusign_id}
        assert town.row(group)["HIDDEN"] == 0
        assert [(n.code, n.erp_id) for n in await town.items("notice") if n.kind == "group"] == [
            ("group_gone", group.erp_id)
        ]
        await town.plan_is_empty()

    play(story, settled=True, switches={"cascade_groups": False})
