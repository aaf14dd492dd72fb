"""Runs on their screen: what one does, what it did, why it failed, and stopping it."""

from __future__ import annotations

import asyncio

import httpx

from console.screens.runs import Runs
from engine.service.models import RunRequest
from tests.stories.desk import Desk, at_the_desk


def _runs(desk: Desk) -> Runs:
    screen = desk.console.screen
    assert isinstance(screen, Runs)
    return screen


def test_a_run_under_way_shows_its_progress_and_is_cancelled() -> None:
    async def story(desk: Desk) -> None:
        gate = asyncio.Event()
        await desk.presses("7")
        for n in range(12):
            one = (await desk.town.plain_learners())[n % 8]
            desk.town.erp.edit(one.identity, "email", f"new{n}@example.org", who="secretary")

        async def tap(request: httpx.Request) -> None:
            if request.method == "PATCH":
                await gate.wait()

        desk.town.line.tap = tap
        run = await desk.town.engine.start_run(RunRequest(connection="lyon"), "bea")
        await desk.sees("1 running", "▶ running", "0/8 (0 %) writing")
        assert "▶ running" in desk.row and "bea" in desk.row
        await desk.presses("x")
        await desk.sees(f"Stop run {run.id} of lyon?", "writing")
        await desk.presses("y")
        await desk.sees(f"Run {run.id} stops")
        gate.set()
        await desk.sees("! cancelled")
        assert (await desk.town.engine.run(run.id)).state == "cancelled"
        await desk.sees_no("▶ running")

    at_the_desk(story)


def test_a_failed_run_says_why_and_enter_shows_its_log() -> None:
    async def story(desk: Desk) -> None:
        async def tap(_request: httpx.Request) -> None:
            raise httpx.ConnectError("connection refused")

        desk.town.line.tap = tap
        run = await desk.town.run()
        assert run.state == "failed"
        await desk.presses("7")
        await desk.sees("✗ failed", "fault", "edusign")
        shown = " ".join(desk.screen.split())
        assert " ".join(run.faults[0].split())[:60] in shown
        await desk.filters("level:error")
        await desk.sees("1 run matches", "1 failed")
        await desk.presses("enter")
        await desk.sees("[8Events]", f"run:{run.id}", "the filter")
        found = await desk.log(f"run:{run.id}")
        await desk.sees(f"{len(found)} events match the filter")

    at_the_desk(story)


def test_what_a_run_did_adds_up_on_the_screen() -> None:
    async def story(desk: Desk) -> None:
        one = (await desk.town.plain_learners())[1]
        desk.town.erp.edit(one.identity, "email", "new@example.org", who="secretary")
        run = await desk.town.run()
        await desk.presses("7")
        await desk.sees("✓ done", "1 update", "person, ada")
        edusign, erp = run.requests["edusign"], run.requests["erp"]
        await desk.sees(f"{erp} erp, {edusign} edusign", f"{run.rejected} rejected")
        seen = run.accounting["learner"]
        assert seen["seen"] == sum(number for name, number in seen.items() if name != "seen")
        await desk.until(lambda: _sums(desk.screen, "learner") == list(seen.values()), "the learners' sums")

    at_the_desk(story, size=(200, 50))


def _sums(screen: str, kind: str) -> list[int]:
    """The numbers of the account's row of a kind."""
    for row in screen.splitlines():
        _before, found, after = row.partition(f" {kind} ")
        numbers = after.split()
        if found and numbers and all(n.isdigit() or n == "-" for n in numbers):
            return [int(n) for n in numbers if n != "-"]
    return []


def test_runs_are_filtered_by_who_began_them_and_by_how_they_ended() -> None:
    async def story(desk: Desk) -> None:
        await desk.plans()
        await desk.town.run()
        await desk.presses("7")
        await desk.sees("nothing written")
        before = len(_runs(desk).runs)
        await desk.filters("kind:plan actor:ada")
        await desk.sees("1 run matches the filter: 1 done")
        await desk.sees("nothing: it was a plan")
        await desk.presses("slash", "end")
        await desk.types(" actr:x")
        await desk.sees("column 21: no filter `actr:`; did you mean `actor:`?", "nothing written")
        await desk.presses("enter", "escape")
        await desk.until(lambda: len(_runs(desk).runs) == before, "all runs again")

    at_the_desk(story)
