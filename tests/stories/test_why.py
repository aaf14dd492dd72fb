"""Why isn't X here? One story per cause: what a sysadmin is told, on the real engine and both systems."""

from __future__ import annotations

import httpx

from engine.config_models import Limit
from engine.service.models import WhyView
from tests.stories.town import Town, play


async def _ask(town: Town, text: str) -> WhyView:
    (answer,) = await town.engine.why(text)
    return answer


async def _newcomer(town: Town, email: str = "nora.vasselange@nouveau.example", **more: str) -> str:
    """Somebody the secretary enrols now; their ERP key."""
    who = {"last_name": "Vasselange", "first_name": "Nora", "email": email, "group": "G001", **more}
    return str(town.erp.add_learner("P99001", **who))


def test_whom_no_answer_has_is_not_in_the_erp() -> None:
    async def story(town: Town) -> None:
        answer = await _ask(town, "Personne Inconnue")
        assert answer.cause == "not_in_erp"
        assert answer.erp_at is None and answer.next_at is not None

    play(story, settled=True)


def test_who_vanished_from_the_erp_is_told_so() -> None:
    async def story(town: Town) -> None:
        (one, *_rest) = await town.plain_learners()
        town.erp.remove_learner(one.identity)
        await town.run()
        answer = await _ask(town, f"learner:{one.erp_id}")
        assert (answer.cause, answer.said) == ("not_in_erp", "the ERP no longer shows it")
        assert answer.erp_at is None and answer.edusign_at is not None

    play(story, settled=True)


def test_whom_the_filters_do_not_mean_is_left_out() -> None:
    async def story(town: Town) -> None:
        one = next(one for one in town.erp.learners.values() if one.site != "Campus Nord" and one.left is None)
        town.settings["sites"] = ["Campus Nord"]
        await town.restart()
        await town.plan()
        answer = await _ask(town, f"learner:{one.code}")
        assert answer.cause == "left_out" and answer.next_at is None

    play(story)


def test_who_has_no_email_is_told_where_to_enter_it() -> None:
    async def story(town: Town) -> None:
        code = await _newcomer(town, email="")
        await town.run()
        answer = await _ask(town, "vasselange")
        assert (answer.cause, answer.erp_id, answer.said) == ("no_email", code, "no e-mail address")
        assert answer.will.startswith("correct it in the ERP") and answer.item and answer.next_at
        assert [step.state for step in answer.steps] == ["passes", "passes", "passes", "stops"]

    play(story, settled=True)


def test_who_is_rejected_hears_why_with_what_stands_there() -> None:
    async def story(town: Town) -> None:
        await _newcomer(town, email="nora@@nouveau.example")
        await town.run()
        answer = await _ask(town, "vasselange")
        assert (answer.cause, answer.rule) == ("rejected", "R16")
        assert answer.evidence == "nora@@nouveau.example"

    play(story, settled=True)


def test_what_is_held_names_the_hold() -> None:
    async def story(town: Town) -> None:
        await _newcomer(town)
        await town.run()
        answer = await _ask(town, "vasselange")
        (hold,) = await town.items("hold")
        assert (answer.cause, answer.item, answer.next_at) == ("held", hold.id, None)
        assert hold.id in answer.will
        await town.decide(hold, "approve")
        await town.run()
        assert (await _ask(town, "vasselange")).cause == "there"

    play(story, settled=True, limits={"create learner": Limit(share=0.0, count=0)})


def test_who_is_blocked_as_a_duplicate_hears_of_whom() -> None:
    async def story(town: Town) -> None:
        fields = {"LASTNAME": "Vasselange", "FIRSTNAME": "Nora", "EMAIL": "nora@ailleurs.example"}
        town.hand.create("learner", "P99001", fields, who="secretary")
        await _newcomer(town)
        await town.run()
        answers = await town.engine.why("vasselange")
        (answer,) = [one for one in answers if one.erp_id]
        (pair,) = await town.items("duplicate")
        assert (answer.cause, answer.rule, answer.item) == ("duplicate", "R09", pair.id)
        assert "Vasselange Nora" in answer.evidence
        (by_hand,) = [one for one in answers if not one.erp_id]
        assert by_hand.cause == "not_in_erp" and "by hand" in by_hand.said

    play(story, settled=True)


def test_who_is_archived_in_edusign_is_told_what_restores_them() -> None:
    async def story(town: Town) -> None:
        (one, *_rest) = await town.plain_learners()
        town.hand.archive(kind="learner", id=one.edusign_id, who="eve")
        await town.plan()
        answer = await _ask(town, f"learner:{one.erp_id}")
        assert (answer.cause, answer.will) == ("archived", "the next run restores it")
        await town.run()
        assert (await _ask(town, f"learner:{one.erp_id}")).cause == "there"

    play(story, settled=True)


def test_a_session_first_seen_after_it_began_is_told_so() -> None:
    async def story(town: Town) -> None:
        await town.at("2026-09-15 10:00")
        staff = next(iter(town.erp.staff.values()))
        code = town.erp.add_session(
            "S99001", "Soutien", "2026-09-15", "09:00", "11:00", ["G001"], [staff.identity], []
        )
        await town.run()
        answer = await _ask(town, f"sheet:{code}")
        assert (answer.cause, answer.rule) == ("same_day", "R23")

    play(story, settled=True)


def test_what_is_planned_waits_for_its_window() -> None:
    async def story(town: Town) -> None:
        await _newcomer(town)
        await town.plan()
        answer = await _ask(town, "vasselange")
        (status,) = (await town.engine.status()).connections
        assert (answer.cause, answer.rule) == ("window", "R35")
        assert answer.next_at == next(one.starts for one in status.next if one.flow == "import")

    play(story, settled=True)


def test_an_error_of_the_erp_is_told_with_what_came() -> None:
    async def story(town: Town) -> None:
        await _newcomer(town)

        async def broken(request: httpx.Request) -> None:
            if "formation-longue/apprenants" in request.url.path:
                raise httpx.ConnectError("no route to host", request=request)

        town.lines[town.name, "erp"].tap = broken
        await town.run()
        answer = await _ask(town, "vasselange")
        assert answer.cause == "erp_error" and answer.evidence
        town.lines[town.name, "erp"].tap = None
        await town.run()
        assert (await _ask(town, "vasselange")).cause == "there"

    play(story, settled=True)


def test_before_first_contact_is_approved_it_only_compares() -> None:
    async def story(town: Town) -> None:
        await town.run()
        one = next(one for one in town.erp.learners.values() if one.identity not in town.side.school.dirty())
        answer = await _ask(town, f"learner:{one.code}")
        assert (answer.cause, answer.rule) == ("compare_only", "R43")
        assert answer.item

    play(story)


def test_a_session_beyond_the_horizon_appears_by_itself_later() -> None:
    async def story(town: Town) -> None:
        code = max(await town.linked("sheet"))
        (session,) = [one for one in town.erp.sessions.values() if str(one.code) == code]
        town.erp.move_session(session.identity, day="2026-09-28")
        now = await town.engine.why_now(town.name, "sheet", code)
        assert now.cause == "beyond_horizon"
        assert "2026-09-28" in now.said and "2026-09-20" in now.said

    play(story, settled=True)


def test_who_is_there_hears_where_next_and_freezes_are_told() -> None:
    async def story(town: Town) -> None:
        (one, *_rest) = await town.plain_learners()
        answer = await _ask(town, f"learner:{one.erp_id}")
        assert answer.cause == "there" and "next on" in answer.said
        fresh = await town.engine.why_now(town.name, "learner", one.erp_id)
        assert fresh.fresh and fresh.cause == "there"

    play(story, settled=True)
