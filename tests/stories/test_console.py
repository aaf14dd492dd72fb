"""The console at work."""

from __future__ import annotations

from tests.stories.desk import Desk, at_the_desk


def test_it_opens_on_the_dashboard() -> None:
    async def story(desk: Desk) -> None:
        await desk.sees("lyon", "Rollcall")
        print(desk.screen)
        await desk.plans()
        await desk.refreshed()
        print(desk.screen)

    at_the_desk(story)
