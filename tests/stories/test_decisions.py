"""What people decide, end to end: who was first, for how long it counts, and for what exactly (R04, R30)."""

from __future__ import annotations

import pytest

from engine.config_models import Limit
from engine.service.models import DecideRequest, ItemView
from engine.service.operations import Refusal
from tests.stories.town import Known, Town, play

TIGHT = {"update learner": Limit(share=0.0, count=0)}
"""Every update of a learner waits for approval."""


async def conflict_of(town: Town) -> tuple[Known, ItemView]:
    one = (await town.plain_learners())[2]
    town.hand.edit(kind="learner", id=one.edusign_id, field="EMAIL", value="edusign@example.org", who="eve")
    town.erp.edit(one.identity, "email", "erp@example.org", who="secretary")
    await town.run()
    (conflict,) = [c for c in await town.items("conflict") if c.erp_id == one.erp_id]
    return one, conflict


async def held_email(town: Town, email: str) -> tuple[Known, ItemView]:
    """A learner whose new e-mail in the ERP waits for approval."""
    one = (await town.plain_learners())[2]
    town.erp.edit(one.identity, "email", email, who="secretary")
    await town.run()
    (hold,) = await town.items("hold")
    assert [(c.erp_id, c.after) for c in hold.changes] == [(one.erp_id, {"email": email})]
    assert town.row(one)["EMAIL"] != email
    return one, hold


def test_R04_the_second_to_decide_is_told_who_decided_what() -> None:
    async def story(town: Town) -> None:
        one, conflict = await conflict_of(town)
        await town.decide(conflict, "edusign", who="bea")
        with pytest.raises(Refusal) as told:
            await town.decide(conflict, "erp", who="carl")
        assert told.value.code == "stale"
        assert "bea" in told.value.message
        assert "edusign" in told.value.message
        await town.run()
        assert town.row(one)["EMAIL"] == "edusign@example.org"
        assert [e.actor for e in await town.log(f"kind:decision learner:{one.erp_id}")] == ["bea"]

    play(story, settled=True)


def test_R04_a_decision_carries_the_revision_it_was_made_on() -> None:
    async def story(town: Town) -> None:
        one, seen = await conflict_of(town)
        town.erp.edit(one.identity, "email", "erp-again@example.org", who="secretary")
        await town.run()
        now = await town.engine.item(seen.id)
        assert now.revision == seen.revision + 1
        with pytest.raises(Refusal) as told:
            await town.decide(seen, "erp")
        assert told.value.code == "stale"
        await town.decide(now, "erp")
        await town.run()
        assert town.row(one)["EMAIL"] == "erp-again@example.org"

    play(story, settled=True)


def test_R04_a_hold_decided_in_part_rises_by_one_revision() -> None:
    async def story(town: Town) -> None:
        first, second = (await town.plain_learners())[:2]
        for one in (first, second):
            town.erp.edit(one.identity, "email", f"{one.identity}@example.org", who="secretary")
        await town.run()
        (hold,) = await town.items("hold")
        mine = tuple(c.id for c in hold.changes if c.erp_id == first.erp_id)
        request = DecideRequest(item=hold.id, choice="approve", changes=mine, revision=hold.revision)
        left = await town.engine.decide(request, "bea")
        assert [c.erp_id for c in left.changes] == [second.erp_id]
        with pytest.raises(Refusal) as told:
            await town.decide(hold, "approve", who="carl")
        assert told.value.code == "stale"
        await town.run()
        assert town.row(first)["EMAIL"] == f"{first.identity}@example.org"
        assert town.row(second)["EMAIL"] != f"{second.identity}@example.org"

    play(story, settled=True, limits=TIGHT)


def test_R04_what_an_item_does_not_offer_is_refused() -> None:
    async def story(town: Town) -> None:
        _one, conflict = await conflict_of(town)
        for choice, value in (("approve", ""), ("value", ""), ("value", "not an address")):
            with pytest.raises(Refusal) as told:
                await town.decide(conflict, choice, value)
            assert told.value.code == "usage"

    play(story, settled=True)


def test_R30_an_approval_is_of_the_change_as_it_was() -> None:
    async def story(town: Town) -> None:
        one, hold = await held_email(town, "first@example.org")
        await town.decide(hold, "approve")
        town.erp.edit(one.identity, "email", "second@example.org", who="secretary")
        assert (await town.run()).changes == {}
        (again,) = await town.items("hold")
        assert [c.after for c in again.changes] == [{"email": "second@example.org"}]
        await town.decide(again, "approve")
        assert (await town.run()).changes == {"update": 1}
        assert town.row(one)["EMAIL"] == "second@example.org"
        await town.plan_is_empty()

    play(story, settled=True, limits=TIGHT)


def test_R30_an_approval_given_between_two_occurrences_lasts_to_the_end_of_the_next() -> None:
    async def story(town: Town) -> None:
        one, hold = await held_email(town, "late@example.org")
        await town.decide(hold, "approve")
        await town.at("2026-09-14 13:31")
        assert (await town.run()).changes == {}
        (again,) = await town.items("hold")
        await town.at("2026-09-14 17:00")
        await town.decide(again, "approve")
        await town.at("2026-09-14 20:59")
        assert (await town.run()).changes == {"update": 1}
        assert town.row(one)["EMAIL"] == "late@example.org"

    play(story, settled=True, limits=TIGHT)


def test_R30_an_approval_given_inside_an_occurrence_lasts_to_its_end() -> None:
    async def story(town: Town) -> None:
        await town.at("2026-09-14 13:29")
        _one, hold = await held_email(town, "late@example.org")
        await town.after(seconds=50)
        await town.decide(hold, "approve")
        await town.at("2026-09-14 18:59")
        assert (await town.run()).changes == {}
        assert len(await town.items("hold")) == 1

    play(story, settled=True, limits=TIGHT)


def test_R30_a_decision_inside_an_open_window_is_taken_up_by_a_run_of_its_own() -> None:
    async def story(town: Town) -> None:
        await town.at("2026-09-14 12:30")
        one, hold = await held_email(town, "now@example.org")
        await town.decide(hold, "approve")
        await town.after(minutes=2)
        assert town.row(one)["EMAIL"] == "now@example.org"
        assert (await town.engine.runs())[0].trigger == "decision"

    play(story, settled=True, limits=TIGHT)


def test_R30_a_refused_change_is_skipped_until_it_is_another() -> None:
    async def story(town: Town) -> None:
        one, hold = await held_email(town, "no@example.org")
        await town.decide(hold, "refuse", who="bea")
        run = await town.run()
        assert (run.changes, run.held, await town.items("hold")) == ({}, 0, [])
        assert run.accounting["learner"]["skipped"] >= 1
        town.erp.edit(one.identity, "email", "yes@example.org", who="secretary")
        await town.run()
        assert [c.after for h in await town.items("hold") for c in h.changes] == [{"email": "yes@example.org"}]

    play(story, settled=True, limits=TIGHT)


def test_R30_apply_looks_again_writes_what_is_the_same_and_lists_the_rest() -> None:
    async def story(town: Town) -> None:
        same, other, later = (await town.plain_learners())[:3]
        town.erp.edit(same.identity, "email", "same@example.org", who="secretary")
        town.erp.edit(other.identity, "email", "other@example.org", who="secretary")
        plan = await town.plan()
        assert [c.erp_id for c in plan.changes if not c.hold] == [same.erp_id, other.erp_id]
        assert town.written() == []
        town.erp.edit(other.identity, "email", "other-again@example.org", who="secretary")
        town.erp.edit(later.identity, "email", "later@example.org", who="secretary")
        run = await town.apply(plan)
        assert (run.state, run.changes) == ("done", {"update": 1})
        assert [w["id"] for w in town.written()] == [same.edusign_id]
        (stale,) = [c.id for c in plan.changes if c.erp_id == other.erp_id]
        assert (await town.engine.last_plan(town.name)).stale == (stale,)
        assert "no longer the same" in run.message
        assert [c.erp_id for c in await town.pending()] == [other.erp_id, later.erp_id]

    play(story, settled=True)


def test_R30_apply_does_not_write_what_a_brake_holds_unless_it_is_named() -> None:
    async def story(town: Town) -> None:
        one, _hold = await held_email(town, "held@example.org")
        plan = await town.plan()
        assert (await town.apply(plan)).changes == {}
        assert town.row(one)["EMAIL"] != "held@example.org"

    play(story, settled=True, limits=TIGHT)
