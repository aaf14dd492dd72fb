"""Who wins, end to end: edits on one side, on both, and what people decide."""

from __future__ import annotations

from tests.stories.town import Town, play


def test_R02_an_email_edited_in_edusign_becomes_a_task_and_is_kept() -> None:
    async def story(town: Town) -> None:
        await town.settled()
        erp_id, edusign_id = sorted((await town.linked("learner")).items())[3]
        before = town.edusign_row("learner", edusign_id)["EMAIL"]
        town.side.edusign.hand.edit(
            kind="learner", id=edusign_id, field="EMAIL", value="new@example.org", who="eve"
        )
        await town.run()
        (task,) = await town.items("task")
        assert (task.erp_id, task.data["edusign"], task.data["erp"]) == (erp_id, "new@example.org", before)
        assert town.edusign_row("learner", edusign_id)["EMAIL"] == "new@example.org"
        await town.plan_is_empty()

    play(story)
