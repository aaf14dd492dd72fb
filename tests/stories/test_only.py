"""`run --only KIND:ID`: one record and what it needs, end to end."""

from __future__ import annotations

import pytest

from engine.service.operations import Refusal
from tests.stories.town import Town, play


def test_only_one_learner_is_written_and_the_rest_waits() -> None:
    async def story(town: Town) -> None:
        one, other = (await town.plain_learners())[:2]
        for learner in (one, other):
            town.erp.edit(learner.identity, "phone", "06 00 00 00 42", who="secretary")
        run = await town.run(only=f"learner:{one.erp_id}")
        assert (run.state, run.changes) == ("done", {"update": 1})
        assert [w["id"] for w in town.written()] == [one.edusign_id]
        assert [c.erp_id for c in await town.pending()] == [other.erp_id]
        assert (await town.run()).changes == {"update": 1}
        await town.plan_is_empty()

    play(story, settled=True)


def test_only_takes_the_edusign_id_too() -> None:
    async def story(town: Town) -> None:
        one, other = (await town.plain_learners())[:2]
        for learner in (one, other):
            town.erp.edit(learner.identity, "phone", "06 00 00 00 42", who="secretary")
        await town.run(only=f"learner:{one.edusign_id}")
        assert [w["id"] for w in town.written()] == [one.edusign_id]

    play(story, settled=True)


def test_only_a_sheet_brings_the_people_it_needs_and_nobody_else() -> None:
    async def story(town: Town) -> None:
        guest = town.erp.add_learner("P90001", "Quiroz", "Inès", "ines@example.org", "G001", who="secretary")
        town.erp.add_learner("P90002", "Rivoire", "Paul", "paul@example.org", "G002", who="secretary")
        teacher, member = await town.known("P00044"), (await town.plain_learners())[0]
        town.erp.edit(member.identity, "phone", "06 00 00 00 42", who="secretary")
        code = town.erp.add_session(
            "S90001",
            "Oral",
            "2026-09-16",
            "17:00",
            "18:00",
            ["G001"],
            [teacher.identity],
            [101],
            who="secretary",
        )
        run = await town.run(only=f"sheet:{code}")
        assert run.state == "done"
        written = town.written()
        assert [(w["verb"], w["kind"], w["api_id"]) for w in written] == [
            ("create", "learner", str(guest)),
            ("create", "sheet", str(code)),
        ]
        sheet = await town.known("S90001")
        assert (await town.known("P90001")).edusign_id in town.roster(sheet)
        await town.run()
        await town.plan_is_empty()

    play(story, settled=True)


def test_only_still_minds_the_brakes() -> None:
    async def story(town: Town) -> None:
        one = (await town.plain_learners())[0]
        town.erp.depart(one.identity, who="secretary")
        run = await town.run(only=f"learner:{one.erp_id}")
        assert run.changes == {}
        assert town.row(one)["HIDDEN"] == 0
        assert any(c.erp_id == one.erp_id for h in await town.items("hold") for c in h.changes)

    play(story, settled=True)


@pytest.mark.parametrize("text", ["learner", "learner:", "pupil:70001", ":70001"])
def test_only_a_kind_and_an_id_are_understood(text: str) -> None:
    async def story(town: Town) -> None:
        with pytest.raises(Refusal) as told:
            await town.run(only=text)
        assert told.value.code == "usage"
        assert "KIND:ID" in told.value.message

    play(story, settled=True)


def test_only_a_record_nobody_knows_writes_nothing() -> None:
    async def story(town: Town) -> None:
        one = (await town.plain_learners())[0]
        town.erp.edit(one.identity, "phone", "06 00 00 00 42", who="secretary")
        run = await town.run(only="learner:404")
        assert (run.state, run.changes, town.written()) == ("done", {}, [])

    play(story, settled=True)
