"""What a sysadmin sees and settles on the Dashboard alone."""

from __future__ import annotations

from datetime import timedelta

from engine.service.models import FreezeRequest
from engine.windows import next_occurrences
from tests.stories.desk import Desk, at_the_desk
from tests.stories.test_follow import some_events
from tests.stories.town import PARIS, Known, Town


async def _conflict(town: Town) -> Known:
    """A learner whose e-mail changed on both sides; the only one with a conflict."""
    await town.run()
    for item in await town.items("conflict"):
        await town.decide(item, "erp")
    await town.run()
    one = (await town.plain_learners())[2]
    town.hand.edit(kind="learner", id=one.edusign_id, field="EMAIL", value="edusign@example.org", who="eve")
    town.erp.edit(one.identity, "email", "erp@example.org", who="secretary")
    await town.run()
    return one


def test_it_opens_with_how_things_stand_and_what_comes() -> None:
    async def story(desk: Desk) -> None:
        await desk.sees("Rollcall", "live", "ada (admin)", "lyon ypareo idle", "export 10:41", "in 2 h 41")
        (connection,) = desk.seen.status.connections
        shown = [one.starts for one in connection.next if one.starts > desk.console.now()]
        assert shown == sorted(shown)

    at_the_desk(story)


def test_a_conflict_is_settled_in_two_keys_and_the_next_plan_is_empty() -> None:
    async def story(desk: Desk) -> None:
        (conflict,) = await desk.town.items("conflict")
        await desk.moves_to("conflict")
        await desk.presses("e")
        await desk.sees("erp@example.org", "edusign@example.org", "take the ERP's email?")
        await desk.presses("y")
        await desk.sees("An open window takes it up by itself")
        await desk.runs()
        assert await desk.town.items("conflict") == []
        await desk.town.plan_is_empty()
        (decided,) = [e for e in await desk.log("kind:decision") if e.data["item"] == conflict.id]
        assert decided.actor == "ada"
        assert (decided.data["erp"], decided.data["edusign"]) == ("erp@example.org", "edusign@example.org")

    at_the_desk(story, prepare=_conflict)


def test_a_typed_value_goes_to_edusign_and_a_wrong_one_is_refused_with_the_reason() -> None:
    async def story(desk: Desk) -> None:
        (conflict,) = await desk.town.items("conflict")
        await desk.moves_to("conflict")
        await desk.presses("v", "ctrl+u")
        await desk.types("nobody")
        await desk.presses("enter")
        await desk.sees("nobody is not a valid e-mail address")
        await desk.presses("v", "ctrl+u")
        await desk.types("third@example.org")
        await desk.presses("enter")
        await desk.sees("An open window takes it up by itself")
        await desk.runs()
        row = desk.town.edusign_row("learner", conflict.edusign_id)
        assert row["EMAIL"] == "third@example.org"

    at_the_desk(story, prepare=_conflict)


def test_leaving_a_question_settles_nothing() -> None:
    async def story(desk: Desk) -> None:
        await desk.moves_to("conflict")
        for leave in ("escape", "n"):
            await desk.presses("d")
            await desk.sees("keep Edusign's email?")
            await desk.presses(leave)
            await desk.sees_no("keep Edusign's email?")
        assert len(await desk.town.items("conflict")) == 1

    at_the_desk(story, prepare=_conflict)


def test_the_second_to_decide_reads_who_decided_what() -> None:
    async def story(desk: Desk) -> None:
        (conflict,) = await desk.town.items("conflict")
        await desk.moves_to("conflict")
        await desk.presses("e")
        await desk.sees("take the ERP's email?")
        await desk.town.decide(conflict, "edusign", who="bea")
        await desk.presses("y")
        await desk.sees("settled already: bea said edusign")

    at_the_desk(story, prepare=_conflict)


def test_one_key_plans_and_an_edit_in_the_erp_is_pending() -> None:
    async def story(desk: Desk) -> None:
        before = sum(desk.seen.status.connections[0].pending.values())
        one = (await desk.town.plain_learners())[1]
        desk.town.erp.edit(one.identity, "email", "new@example.org", who="secretary")
        await desk.plans()
        await desk.refreshed()
        assert sum(desk.seen.status.connections[0].pending.values()) == before + 1
        await desk.sees("1 change pending")

    at_the_desk(story)


def test_one_key_runs_and_the_run_is_shown_live() -> None:
    async def story(desk: Desk) -> None:
        one = (await desk.town.plain_learners())[1]
        desk.town.erp.edit(one.identity, "email", "new@example.org", who="secretary")
        await desk.runs()
        assert desk.town.row(one)["EMAIL"] == "new@example.org"
        await desk.sees("import done", "1 update")

    at_the_desk(story)


def test_under_a_freeze_a_run_says_why_not_and_a_plan_can_still_be_made() -> None:
    async def story(desk: Desk) -> None:
        await desk.presses("f")
        await desk.sees("Stop all writes")
        await desk.types("exam day")
        await desk.presses("enter")
        await desk.sees("FROZEN", "exam day")
        await desk.presses("r")
        await desk.sees("frozen by ada", "exam day")
        await desk.plans()
        await desk.presses("f")
        await desk.sees("write again?")
        await desk.presses("y")
        await desk.sees("Writes go on.")
        await desk.refreshed()
        await desk.sees_no("FROZEN")
        await desk.runs()

    at_the_desk(story)


def test_a_freeze_by_somebody_else_shows_by_itself() -> None:
    async def story(desk: Desk) -> None:
        await desk.town.engine.freeze(FreezeRequest(connection="lyon", reason="fire drill"), "bea")
        await desk.sees("FROZEN: fire drill")

    at_the_desk(story)


def test_a_run_is_cancelled_with_one_key() -> None:
    async def story(desk: Desk) -> None:
        run = await desk.slow_run()
        await desk.presses("x")
        await desk.sees(f"Stop run {run.id} of lyon?")
        await desk.presses("y")
        await desk.sees(f"Run {run.id} stops")
        ended = await desk.town.engine.wait_run(run.id)
        assert ended.state == "cancelled"

    at_the_desk(story)


def test_the_engine_dies_and_comes_back_and_nothing_is_missed() -> None:
    async def story(desk: Desk) -> None:
        attached = desk.console.attachment
        await desk.until(lambda: attached.position > 0, "to follow")
        first = attached.position
        desk.followed.clear()
        await desk.serving.stop()
        await desk.sees("the engine is gone")
        await desk.sees("lyon ypareo")  # what it showed stays
        await desk.town.engine.store.transact(some_events)
        await desk.restarts_the_engine()
        await desk.sees("live")
        last = (await desk.town.engine.status()).seq
        await desk.until(lambda: attached.position >= last, "to catch up")
        assert desk.followed == list(range(first + 1, desk.followed[-1] + 1))
        assert last - first >= 5000

    at_the_desk(story)


def test_a_viewer_sees_everything_and_has_no_key_that_writes() -> None:
    async def story(desk: Desk) -> None:
        await desk.sees("ada (viewer)")
        await desk.moves_to("conflict")
        for key in ("e", "d", "v", "r", "p", "f", "x", "a", "s", "o"):
            await desk.presses(key)
        await desk.sees_no("?  ")
        assert len(desk.console.screen_stack) == 1
        assert len(await desk.town.items("conflict")) == 1

    at_the_desk(story, prepare=_conflict, role="viewer")


async def _conflict_in_lyon(town: Town) -> None:
    await _conflict(town)
    await town.run("nice")


def test_a_run_is_of_the_chosen_connection_wherever_the_cursor_is() -> None:
    async def story(desk: Desk) -> None:
        await desk.moves_to("conflict")
        await desk.presses("r")
        await desk.sees("Run an import of lyon now?")
        await desk.presses("escape", "c")
        await desk.sees("Which connection?")
        await desk.presses("b", "r")
        await desk.sees("Run an import of nice now?")
        await desk.presses("escape", "o")
        await desk.sees("of lyon now?")

    at_the_desk(story, connections=("lyon", "nice"), prepare=_conflict_in_lyon)


def test_on_the_autumn_night_windows_and_countdowns_are_the_engines() -> None:
    async def story(desk: Desk) -> None:
        now = desk.console.now()
        assert now is not None
        config = desk.town.engine.connections[desk.town.name].config
        coming = next_occurrences(config.windows, desk.town.name, now, 20)
        wanted = [o.starts for o in coming if o.starts < now + timedelta(hours=24)]
        (connection,) = desk.seen.status.connections
        assert [o.starts for o in connection.next if now < o.starts < now + timedelta(hours=24)] == wanted
        first = wanted[0]
        left = first - now
        local = first.astimezone(PARIS)
        # The clock shows an hour less than passes: 03:00 comes twice.
        shown = local.replace(tzinfo=None) - now.astimezone(PARIS).replace(tzinfo=None)
        assert left - shown == timedelta(hours=1)
        await desk.sees(f"{local:%H:%M}", f"in {left // timedelta(hours=1)} h")

    at_the_desk(story, start="2026-10-24 22:00", settled=False)
