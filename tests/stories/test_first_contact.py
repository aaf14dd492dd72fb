"""First contact, and options changed later, end to end (R43, R31)."""

from __future__ import annotations

from datetime import timedelta

from engine.service.models import DecideRequest
from tests.stories.town import Town, play

KINDS = {"speaker", "learner", "group", "sheet"}


def test_R43_compare_only_makes_one_hold_per_kind_and_writes_nothing_before_approval() -> None:
    async def story(town: Town) -> None:
        run = await town.run()
        # The speaker of several schools is linked, which writes nothing to Edusign (R11).
        assert (run.state, run.changes) == ("done", {"link": 1})
        assert town.written() == []
        holds = await town.items("hold")
        assert {(h.code, h.kind) for h in holds} == {("compare_only", kind) for kind in KINDS}
        assert len(holds) == len(KINDS)
        sheets = next(h for h in holds if h.kind == "sheet")
        assert sheets.data["verbs"] == {"create": len(sheets.changes)}
        # Nor does time alone let anything through.
        await town.at("2026-09-14 12:00")
        assert (await town.run()).changes == {}
        assert town.written() == []
        assert {h.code for h in await town.items("hold")} == {"compare_only"}
        status = await town.engine.status()
        assert status.connections[0].compare_only

    play(story)


def test_R43_approved_kinds_are_written_and_the_others_wait() -> None:
    async def story(town: Town) -> None:
        await town.run()
        for hold in await town.items("hold"):
            if hold.kind in ("speaker", "learner"):
                await town.decide(hold, "approve")
        await town.run()
        assert {w["kind"] for w in town.written()} == {"speaker", "learner"}
        waiting = [h for h in await town.items("hold") if h.code == "compare_only"]
        assert {h.kind for h in waiting} == {"group", "sheet"}
        for hold in waiting:
            await town.decide(hold, "approve")
        await town.run()
        assert {w["kind"] for w in town.written()} == {"group", "sheet"}

    play(story)


def test_R43_equal_values_of_an_adopted_record_become_the_base() -> None:
    async def story(town: Town) -> None:
        (adopted,) = [d.identities[0] for d in town.side.school.dirt if d.kind == "same_person"]
        one = await town.known(adopted)
        assert town.row(one)["created_by"] == "hand"
        # With a base, an edit on one side alone is that side's: no conflict.
        town.erp.edit(adopted, "email", "moved@example.org", who="secretary")
        run = await town.run()
        assert run.changes == {"update": 1}
        assert town.row(one)["EMAIL"] == "moved@example.org"
        assert [c for c in await town.items("conflict") if c.erp_id == one.erp_id] == []

    play(story, settled=True)


def test_R43_compare_only_ends_for_good() -> None:
    async def story(town: Town) -> None:
        await town.restart()
        code = town.erp.add_learner(
            "P90001", "Nouvelle", "Alix", "alix@example.org", "G001", phone="", who="secretary"
        )
        run = await town.run()
        assert run.held == 0
        assert str(code) in await town.linked("learner")
        assert not (await town.engine.status()).connections[0].compare_only
        await town.plan_is_empty()

    play(story, settled=True)


def test_R43_refusing_a_kinds_first_contact_does_not_end_it() -> None:
    async def story(town: Town) -> None:
        await town.run()
        for hold in await town.items("hold"):
            await town.decide(hold, "refuse" if hold.kind == "learner" else "approve")
        await town.run()
        assert "learner" not in {w["kind"] for w in town.written() if w["verb"] == "create"}
        town.erp.add_learner("P90001", "Nouvelle", "Alix", "alix@example.org", "G001", who="secretary")
        await town.run()
        (hold,) = [h for h in await town.items("hold") if h.kind == "learner"]
        assert (hold.code, [c.label for c in hold.changes]) == ("compare_only", ["Nouvelle Alix"])

    play(story)


def test_R43_part_of_a_kind_may_be_refused() -> None:
    async def story(town: Town) -> None:
        await town.run()
        refused = ""
        for hold in await town.items("hold"):
            if hold.kind == "learner":
                no = hold.changes[0]
                refused = no.erp_id
                request = DecideRequest(item=hold.id, choice="refuse", changes=(no.id,))
                hold = await town.engine.decide(request, "ada")
            await town.decide(hold, "approve")
        await town.run()
        linked = await town.linked("learner")
        assert len(linked) > 20
        assert refused not in linked
        assert refused not in {c.erp_id for c in await town.pending()}
        assert {h.code for h in await town.items("hold")} == {"archived_other_name"}

    play(story)


def test_R43_archives_and_withdrawals_are_deferred_until_removals_after_and_count_as_skipped() -> None:
    async def story(town: Town) -> None:
        await town.at("2026-09-14 19:00")
        leaver, sheet = (await town.plain_learners("G001"))[0], await town.known("S00020")
        await town.at("2026-09-18 18:30")
        await town.run()
        town.erp.depart(leaver.identity, who="secretary")
        town.written()
        run = await town.run()
        assert "archive" not in run.changes
        assert run.held == 0
        assert run.accounting["learner"]["skipped"] >= 1
        plan = await town.plan()
        deferred = [(c.verb, c.erp_id) for c in plan.changes if c.hold == "skipped: deferred"]
        assert deferred == [("archive", leaver.erp_id)]
        assert not town.row(leaver)["HIDDEN"]
        assert sheet.edusign_id  # its week is past: nothing of it is touched
        await town.at("2026-09-26 08:00")
        assert (await town.run()).changes.get("archive") == 1
        assert town.row(leaver)["HIDDEN"]
        await town.plan_is_empty()

    play(story, settled=True, removals_after=timedelta(days=12))


def test_R31_a_changed_option_gathers_all_it_causes_in_one_hold_that_says_so() -> None:
    async def story(town: Town) -> None:
        town.settings["email"] = "portal"
        await town.restart()
        run = await town.run()
        assert run.changes == {}
        (hold,) = await town.items("hold")
        assert (hold.code, hold.kind) == ("options", "")
        assert "option" in hold.summary
        assert {c.verb for c in hold.changes} == {"update"}
        assert hold.data["fields"] == {"email": len(hold.changes)}
        assert town.written() == []
        await town.run()
        assert town.written() == []
        await town.approve_all()
        run = await town.run()
        assert run.changes == {"update": len(hold.changes)}
        # It is settled: what comes later is ordinary again.
        one = (await town.plain_learners())[0]
        town.erp.edit(one.identity, "portal_email", "portal@example.org", who="secretary")
        assert (await town.run()).changes == {"update": 1}

    play(story, settled=True)


def test_R31_a_stand_in_speaker_makes_sheets_only_once_approved() -> None:
    async def story(town: Town) -> None:
        speaker = await town.known("P00041")
        town.options["stand_in_speaker"] = speaker.erp_id
        await town.restart()
        assert (await town.run()).changes == {}
        (hold,) = await town.items("hold")
        assert (hold.code, [c.verb for c in hold.changes]) == ("options", ["create"])
        await town.approve_all()
        assert (await town.run()).changes == {"create": 1}
        sheet = await town.known("S00009")
        assert town.row(sheet)["PROFESSOR"] == speaker.edusign_id
        await town.plan_is_empty()

    play(story, settled=True)


def test_R31_an_option_put_back_leaves_nothing_held() -> None:
    async def story(town: Town) -> None:
        town.settings["email"] = "portal"
        await town.restart()
        await town.run()
        town.settings.clear()
        await town.restart()
        assert (await town.run()).changes == {}
        assert await town.items("hold") == []
        await town.plan_is_empty()

    play(story, settled=True)
