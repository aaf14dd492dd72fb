"""Sheets near their start, signed, sealed, and under Edusign's own cascades, end to end (R18–R21)."""

from __future__ import annotations

import httpx
import pytest

from tests.stories.town import Known, Town, play


def patches(town: Town) -> list[str]:
    """Ids of the sheets PATCHed since this was last asked."""
    return [w["id"] for w in town.written() if (w["kind"], w["verb"]) == ("sheet", "update")]


def speaker_signs(town: Town, sheet: Known) -> str:
    """The sheet's first speaker signs; the signature."""
    town.hand.sign(sheet=sheet.edusign_id, speaker=town.row(sheet)["PROFESSOR"], who="teacher")
    return str(town.row(sheet)["PROFESSOR_SIGNATURE"])


async def change_everything(town: Town, sheet: Known) -> None:
    """Another room, another speaker, another end: what a PATCH would be for."""
    town.erp.move_session(sheet.identity, end="17:00", rooms=[104], who="secretary")
    town.erp.change_speaker(sheet.identity, staff=["P00044"], who="secretary")


def test_R18_a_sheet_is_patched_until_15_minutes_before_its_start() -> None:
    async def story(town: Town) -> None:
        sheet = await town.known("S00002")
        await change_everything(town, sheet)
        await town.at("2026-09-14 13:14")
        await town.run()
        assert patches(town) == [sheet.edusign_id]
        row = town.row(sheet)
        assert (row["CLASSROOM"], row["END"][11:16]) == ("104", "15:00")
        assert row["PROFESSOR"] == (await town.known("P00044")).edusign_id
        await town.plan_is_empty()

    play(story, settled=True)


@pytest.mark.parametrize("when", ["13:15", "13:31", "16:45"])
def test_R18_R21_a_sheet_is_never_patched_from_15_minutes_before_its_start_and_says_so(when: str) -> None:
    async def story(town: Town) -> None:
        sheet = await town.known("S00002")
        await town.at(f"2026-09-14 {when}")
        before = town.row(sheet)
        await change_everything(town, sheet)
        await town.run()
        await town.run()
        assert patches(town) == []
        assert town.row(sheet) == before
        (notice,) = [n for n in await town.items("notice") if n.erp_id == sheet.erp_id]
        assert notice.code == "too_late_to_change"
        assert notice.data["room"] == [before["CLASSROOM"], "104"]
        await town.plan_is_empty()

    play(story, settled=True)


@pytest.mark.parametrize("who", ["speaker", "learner"])
def test_R18_a_sheet_with_any_signature_is_never_patched(who: str) -> None:
    async def story(town: Town) -> None:
        sheet, learner = await town.known("S00012"), (await town.plain_learners())[0]
        if who == "speaker":
            speaker_signs(town, sheet)
        else:
            town.hand.sign(sheet=sheet.edusign_id, learner=learner.edusign_id, who=learner.identity)
        before = town.row(sheet)
        town.erp.move_session(sheet.identity, rooms=[104], who="secretary")
        await town.run()
        assert patches(town) == []
        assert town.row(sheet) == before
        # Its roster still follows, by the attendance routes alone.
        leaver, guest = (await town.plain_learners())[1], (await town.plain_learners("G002"))[0]
        town.erp.swap_learners(sheet.identity, out=leaver.identity, into=guest.identity, who="secretary")
        assert (await town.run()).changes == {"add": 1, "remove": 1}
        assert {w["route"] for w in town.written()} == {
            "PUT /v1/course/attendance/{id}",
            "DELETE /v1/course/attendance/{id}",
        }
        row = town.row(sheet)
        assert row["PROFESSOR_SIGNATURE"] == before["PROFESSOR_SIGNATURE"]
        signed = [s["studentId"] for s in row["STUDENTS"] if s["signature"]]
        assert signed == ([learner.edusign_id] if who == "learner" else [])
        await town.plan_is_empty()

    play(story, settled=True)


def test_R18_a_signature_given_between_the_reading_and_the_write_is_not_erased() -> None:
    async def story(town: Town) -> None:
        sheet = await town.known("S00012")
        town.erp.move_session(sheet.identity, rooms=[104], who="secretary")

        async def sign_late(request: httpx.Request) -> None:
            if (
                request.url.path.endswith(f"/course/{sheet.edusign_id}")
                and not town.row(sheet)["PROFESSOR_SIGNATURE"]
            ):
                speaker_signs(town, sheet)

        town.line.tap = sign_late
        await town.run()
        assert patches(town) == []
        assert town.row(sheet)["PROFESSOR_SIGNATURE"]

    play(story, settled=True)


@pytest.mark.parametrize("how", ["signed", "locked"])
def test_R19_a_signed_or_locked_sheet_whose_session_moved_is_sealed_and_a_new_one_proposed(how: str) -> None:
    async def story(town: Town) -> None:
        sheet = await town.known("S00012")
        speaker_signs(town, sheet)
        if how == "locked":
            town.hand.lock(sheet=sheet.edusign_id, who="teacher")
        before = town.row(sheet)
        town.erp.move_session(sheet.identity, day="2026-09-18", start="17:00", end="19:00", who="secretary")
        await town.run()
        await town.run()
        assert town.written() == []
        assert town.sheets(sheet.erp_id) == [before]
        (hold,) = await town.items("hold")
        assert (hold.code, [(c.verb, c.erp_id) for c in hold.changes]) == ("sealed", [("create", sheet.erp_id)])
        await town.plan_is_empty()
        await town.decide(hold, "approve")
        assert (await town.run()).changes == {"create": 1}
        old, new = town.sheets(sheet.erp_id)
        assert old == before
        assert (new["API_ID"], new["START"]) == (f"{sheet.erp_id}#2", "2026-09-18T15:00:00.000Z")
        assert {s["studentId"] for s in new["STUDENTS"]} == {s["studentId"] for s in before["STUDENTS"]}
        assert (await town.known(sheet.identity)).edusign_id == new["ID"]
        await town.plan_is_empty()
        # Its session goes on living on the new sheet, and the sealed one is never written again.
        town.erp.move_session(sheet.identity, rooms=[101], who="secretary")
        assert (await town.run()).changes == {"update": 1}
        assert patches(town) == [new["ID"]]
        assert town.sheets(sheet.erp_id)[0] == before
        await town.plan_is_empty()

    play(story, settled=True)


def test_R19_a_session_moved_twice_after_signatures_gets_a_third_sheet() -> None:
    async def story(town: Town) -> None:
        sheet = await town.known("S00012")
        for number, day in ((2, "2026-09-18"), (3, "2026-09-19")):
            speaker_signs(town, await town.known(sheet.identity))
            town.erp.move_session(sheet.identity, day=day, start="17:00", end="19:00", who="secretary")
            await town.run()
            assert await town.approve_all() == 1
            await town.run()
            rows = town.sheets(sheet.erp_id)
            assert [r["API_ID"].partition("#")[2] for r in rows] == ["", "2", "3"][:number]
        await town.restart()
        await town.plan_is_empty()
        assert (await town.run()).changes == {}

    play(story, settled=True)


def test_R20_a_started_sheet_gains_people_by_the_attendance_route_and_loses_nobody() -> None:
    async def story(town: Town) -> None:
        sheet = await town.known("S00002")
        out, into = (await town.plain_learners())[0], (await town.plain_learners("G002"))[0]
        await town.at("2026-09-14 14:00")
        town.erp.swap_learners(sheet.identity, out=out.identity, into=into.identity, who="secretary")
        assert (await town.run()).changes == {"add": 1}
        (write,) = town.written()
        assert (write["route"], write["learner"]) == ("PUT /v1/course/attendance/{id}", into.edusign_id)
        assert {out.edusign_id, into.edusign_id} <= town.roster(sheet)
        await town.plan_is_empty()

    play(story, settled=True)


def test_R20_a_past_sheet_is_left_as_it_was() -> None:
    async def story(town: Town) -> None:
        sheet = await town.known("S00001")
        await town.at("2026-09-14 17:00")
        before = town.row(sheet)
        out, into = (await town.plain_learners())[0], (await town.plain_learners("G002"))[0]
        town.erp.swap_learners(sheet.identity, out=out.identity, into=into.identity, who="secretary")
        assert (await town.run()).changes == {}
        assert town.row(sheet) == before

    play(story, settled=True)


@pytest.mark.parametrize("cascade", [True, False])
def test_R20_a_change_of_group_that_edusign_cascades_is_ours_not_a_persons(cascade: bool) -> None:
    async def story(town: Town) -> None:
        one = (await town.plain_learners("G001"))[0]
        sheet, other = await town.known("S00012"), await town.known("S00014")
        town.erp.move_learner(one.identity, "G002", who="secretary")
        await town.run()
        assert one.edusign_id not in town.roster(sheet)
        assert one.edusign_id in town.roster(other)
        await town.plan_is_empty()
        # Had the cascade been taken for a person's addition, they would now be kept.
        replaced = next(o for o in town.erp.learners.values() if o.group == "G001" and o.left is None)
        assert replaced.identity not in town.erp.sessions[other.identity].learners
        town.erp.swap_learners(other.identity, out=one.identity, into=replaced.identity, who="secretary")
        await town.run()
        assert one.edusign_id not in town.roster(other)
        town.erp.move_learner(one.identity, "G001", who="secretary")
        await town.run()
        assert one.edusign_id in town.roster(sheet)
        assert one.edusign_id not in town.roster(await town.known("S00020"))
        await town.plan_is_empty()
        assert await town.log("kind:notice") == []
        assert await town.log("kind:alarm") == []

    play(story, settled=True, switches={"cascade_groups": cascade})


def test_R20_a_sheets_roster_is_the_sessions_own_not_its_groups() -> None:
    async def story(town: Town) -> None:
        sheet, guest = await town.known("S00012"), (await town.plain_learners("G002"))[0]
        out = (await town.plain_learners())[0]
        town.erp.swap_learners(sheet.identity, out=out.identity, into=guest.identity, who="secretary")
        await town.run()
        # A later PATCH of another field leaves that roster alone, whatever Edusign would fill in.
        town.erp.move_session(sheet.identity, rooms=[104], who="secretary")
        assert (await town.run()).changes == {"update": 1}
        assert guest.edusign_id in town.roster(sheet)
        assert out.edusign_id not in town.roster(sheet)
        assert out.edusign_id in town.roster(await town.known("G001"))
        await town.plan_is_empty()

    play(story, settled=True)
