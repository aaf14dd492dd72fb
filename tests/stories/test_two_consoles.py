"""Two people at two consoles on one engine."""

from __future__ import annotations

import asyncio

from engine.service.models import FreezeRequest
from tests.stories.desk import Desk, WatchedConsole, _first, at_the_desk
from tests.stories.test_follow import some_events


def test_both_are_told_every_event_once_over_an_engine_that_dies() -> None:
    async def story(desk: Desk) -> None:
        path = desk.serving.path
        other = WatchedConsole(path, await asyncio.to_thread(_first, path), clock=desk.loop.time)
        async with other.run_test(size=(80, 24)):
            both = (desk.console, other)

            async def reached(seq: int) -> bool:
                return all(one.followed and one.followed[-1] >= seq for one in both)

            await desk.town.engine.freeze(FreezeRequest(connection="lyon", reason="a drill"), "bea")
            here = (await desk.town.engine.status()).seq
            await desk.until_async(lambda: reached(here), "both to be told")
            await desk.serving.stop()
            await desk.sees("the engine is gone")
            await desk.town.engine.store.transact(some_events)
            await desk.restarts_the_engine()
            await desk.sees("live")
            last = (await desk.town.engine.status()).seq
            await desk.until_async(lambda: reached(last), "both to catch up")
            assert last - here >= 5000
            for one in both:
                until_last = [seq for seq in one.followed if here < seq <= last]
                assert until_last == list(range(here + 1, last + 1))

    at_the_desk(story)


def test_a_run_begun_at_one_is_seen_at_the_other_and_goes_on_without_the_first() -> None:
    async def story(desk: Desk) -> None:
        path = desk.serving.path
        other = WatchedConsole(path, await asyncio.to_thread(_first, path), clock=desk.loop.time)

        async def seen_there(state: str) -> bool:
            dashboard = other.dashboard
            return dashboard is not None and dashboard.status.connections[0].state == state

        async with other.run_test(size=(80, 24)):
            run = await desk.slow_run()
            await desk.until_async(lambda: seen_there("running"), "the other to see the run")
        assert (await desk.town.engine.run(run.id)).state == "running"
        await desk.presses("x")
        await desk.sees(f"Stop run {run.id}")
        await desk.presses("y")
        assert (await desk.town.engine.wait_run(run.id)).state == "cancelled"

    at_the_desk(story)
