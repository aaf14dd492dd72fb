"""The log on its screen: found, followed, exported, and whole over an engine that dies."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from textual.widgets import Input

from console.screens.events import Events
from engine.events.event import Event
from engine.printable import printable
from engine.service.models import FreezeRequest
from engine.state.transaction import Transaction
from tests.properties.test_hostile_text import HOSTILE, unsafe
from tests.stories.desk import Desk, WatchedConsole, at_the_desk
from tests.stories.test_follow import MANY, some_events
from tests.stories.town import Town


def _events(desk: Desk) -> Events:
    screen = desk.console.screen
    assert isinstance(screen, Events)
    return screen


async def _the_log(desk: Desk) -> Events:
    """The Events screen, with everything on it."""
    await desk.presses("8")
    await desk.until(lambda: isinstance(desk.console.screen, Events), "the screen")
    await _whole(desk)
    return _events(desk)


async def _whole(desk: Desk) -> None:
    """Wait until what the log holds now is on the list."""
    last = (await desk.town.engine.status()).seq
    await desk.until(lambda: _events(desk).pages.charted and _events(desk).pages.seq >= last, "the whole log")


async def _listed(desk: Desk) -> list[int]:
    """The seq of every row of the list, first to last, each page asked for as scrolling would."""
    pages = _events(desk).pages
    seqs = []
    for index in range(pages.count):
        if (event := pages.event(index)) is None:
            await desk.until(lambda index=index: pages.event(index) is not None, f"row {index}")  # type: ignore[misc]
            event = pages.event(index)
        assert event is not None
        seqs.append(event.seq)
    return seqs


async def _accented(town: Town) -> None:
    """Many lines about somebody with an accented name, among others."""

    def tell(tx: Transaction) -> None:
        some_events(tx, 700)
        for n in range(450):
            level = "warn" if n % 3 == 0 else "info"
            tx.tell(Event(level=level, kind="rejection", connection="lyon", message=f"Éloïse Lefèvre, no {n}"))
        some_events(tx, 300)

    await town.engine.store.transact(tell)


def test_an_accented_name_is_found_by_an_unaccented_word_and_all_of_it() -> None:
    async def story(desk: Desk) -> None:
        await _the_log(desk)
        await desk.filters("lefevre")
        await desk.sees("450 events match the filter", "Éloïse Lefèvre, no 449")
        found = {event.seq for event in await desk.log("lefevre")}
        assert len(found) == 450
        assert await _listed(desk) == sorted(found)
        await desk.presses("home")
        await desk.sees("Éloïse Lefèvre, no 0")
        await desk.presses("slash", "end")
        await desk.types(" level:warn+ kind:rejection")
        await desk.presses("enter")
        await desk.sees("150 events match the filter")
        assert await _listed(desk) == sorted(e.seq for e in await desk.log("lefevre level:warn"))
        await desk.presses("escape")
        await desk.sees_no("match the filter")

    at_the_desk(story, prepare=_accented)


def test_the_tail_follows_stops_when_one_scrolls_up_and_follows_again() -> None:
    async def story(desk: Desk) -> None:
        engine = desk.town.engine
        await _the_log(desk)
        await desk.sees("following")
        await engine.freeze(FreezeRequest(connection="lyon", reason="fire drill"), "bea")
        await desk.sees("fire drill", "following")
        assert "fire drill" in desk.row
        await desk.presses("up", "up")
        await desk.sees("standing still, t follows")
        where = desk.row
        await engine.store.transact(lambda tx: some_events(tx, 40))
        await desk.sees("40 newer below, t follows")
        assert desk.row == where
        await desk.presses("t")
        await desk.sees("following", "filler 39")
        assert "filler 39" in desk.row
        await engine.freeze(FreezeRequest(connection="lyon", reason="a second drill"), "bea")
        await desk.sees("a second drill")
        assert dense(await _listed(desk))

    at_the_desk(story)


def test_what_is_followed_with_a_filter_is_what_a_search_finds() -> None:
    async def story(desk: Desk) -> None:
        engine = desk.town.engine
        await _the_log(desk)
        await desk.filters("connection:nice filler")
        await desk.sees("No event matches the filter")
        for _round in range(3):
            await engine.store.transact(lambda tx: some_events(tx, 300))
            await _whole(desk)
        await desk.sees("450 events match the filter", "following")
        assert await _listed(desk) == sorted(e.seq for e in await desk.log("connection:nice filler"))

    at_the_desk(story)


def test_a_mistake_in_the_filter_is_said_with_its_column_and_what_is_shown_stays() -> None:
    async def story(desk: Desk) -> None:
        await _the_log(desk)
        await desk.filters("filler")
        await desk.sees("1,000 events match the filter")
        shown = _events(desk).pages
        await desk.presses("slash", "end")
        await desk.types(" levle:warn")
        await desk.sees("column 8: no filter `levle:`; did you mean `level:`?", "filler 999")
        await desk.presses("enter", "home")
        await desk.sees("filler 0")
        assert _events(desk).pages is shown
        await desk.presses("slash", "end", *["backspace"] * 11, "enter")
        await desk.sees("1,000 events match the filter")

    at_the_desk(story, prepare=lambda town: town.engine.store.transact(lambda tx: some_events(tx, 1000)))


def test_the_export_holds_exactly_what_is_seen_and_overwrites_nothing_unasked(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await _the_log(desk)
        await desk.filters("lefevre level:warn")
        await desk.sees("150 events match the filter")
        seen = await _listed(desk)
        target = tmp_path / "out.csv"
        await _export(desk, str(target))
        await desk.sees("150 events written.", "filter: lefevre level:warn")
        assert str(target) in desk.screen.replace("\n", "").replace("│", "").replace(" ", "")
        await desk.presses("enter")
        with target.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [int(row["seq"]) for row in rows] == seen
        assert rows[0]["message"] == "Éloïse Lefèvre, no 0"
        assert target.stat().st_mode & 0o777 == 0o600

        target.write_text("mine", "utf-8")
        await _export(desk, str(target))
        await desk.sees("out.csv is there already. Overwrite it?")
        await desk.presses("n")
        await desk.sees_no("Overwrite")
        assert target.read_text("utf-8") == "mine"
        await _export(desk, str(target.with_suffix(".jsonl")))
        await desk.sees("150 events written.")
        await desk.presses("enter")
        lines = target.with_suffix(".jsonl").read_text("utf-8").splitlines()
        assert [json.loads(one)["seq"] for one in lines] == seen
        await _export(desk, str(target))
        await desk.sees("Overwrite it?")
        await desk.presses("y")
        await desk.sees("150 events written.")
        await desk.presses("enter")
        await _export(desk, str(tmp_path / "out.txt"))
        await desk.sees("must end in .csv, .jsonl or .parquet")

    at_the_desk(story, prepare=_accented)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.jsonl"]


async def _export(desk: Desk, name: str) -> None:
    await desk.presses("E")
    await desk.sees("to a file?")
    desk.console.screen.query_one(Input).value = name
    await desk.presses("enter")


def test_from_an_event_to_its_record_s_history_and_from_a_run_s_to_the_run() -> None:
    async def story(desk: Desk) -> None:
        one = (await desk.town.plain_learners())[1]
        desk.town.erp.edit(one.identity, "email", "new@example.org", who="secretary")
        run = await desk.town.run()
        await _the_log(desk)
        await desk.filters("kind:write")
        await desk.sees("new@example.org")
        await desk.presses("l")
        await desk.sees(f"learner:{one.erp_id} connection:lyon", "the filter")
        await _whole(desk)
        history = await desk.log(f"learner:{one.erp_id}")
        assert await _listed(desk) == sorted(event.seq for event in history)
        await desk.presses("enter")
        await desk.sees("Edusign", "new@example.org", "learner")
        await desk.until(lambda: not isinstance(desk.console.screen, Events), "its page")
        await desk.presses("escape")
        await desk.until(lambda: isinstance(desk.console.screen, Events), "to be back")
        await desk.presses("escape")
        await desk.filters(f"kind:run run:{run.id}")
        await desk.sees("import done")
        await desk.presses("enter")
        await desk.sees("[7Runs]", "1 update")
        assert "1 update" in desk.row

    at_the_desk(story)


def test_the_engine_dies_and_two_consoles_have_the_same_dense_list() -> None:
    async def story(desk: Desk) -> None:
        other = WatchedConsole(desk.serving.path, desk.seen, clock=desk.loop.time)
        async with other.run_test(size=(200, 50)) as pilot:
            second = Desk(desk.town, desk.loop, other, pilot, desk.serving)
            for one in (desk, second):
                await _the_log(one)
                await one.sees("following")
            await second.filters("filler")
            first = _events(desk).pages.seq
            await desk.serving.stop()
            await desk.sees("the engine is gone")
            await desk.sees("engine started")  # what it showed stays
            await desk.town.engine.store.transact(some_events)
            await desk.restarts_the_engine()
            await desk.sees("live")
            last = (await desk.town.engine.status()).seq
            assert last - first >= MANY
            for one in (desk, second):
                await one.until(lambda one=one: _events(one).pages.seq >= last, "to catch up")  # type: ignore[misc]
            assert second.followed == list(range(second.followed[0], second.followed[-1] + 1))
            listed, filtered = await _listed(desk), await _listed(second)
            assert dense(listed) and listed[-1] >= last
            told = [event.seq for event in (await desk.town.engine.events("filler", limit=10_000)).events]
            assert filtered == told[::-1] and len(filtered) == MANY
            assert set(filtered) < set(listed)

    at_the_desk(story)


def dense(seqs: list[int]) -> bool:
    return seqs == list(range(seqs[0], seqs[-1] + 1))


def test_a_newer_search_drops_what_the_older_brings() -> None:
    async def story(desk: Desk) -> None:
        await _the_log(desk)
        await desk.presses("slash")
        await desk.types("filler 77")
        await desk.presses("enter")
        await desk.sees("events match the filter", "filler 77")
        assert _events(desk).shown == "filler 77"
        assert await _listed(desk) == sorted(e.seq for e in await desk.log("filler 77"))

    at_the_desk(story, prepare=lambda town: town.engine.store.transact(lambda tx: some_events(tx, 900)))


async def _hostile(town: Town) -> None:
    def tell(tx: Transaction) -> None:
        for name in HOSTILE:
            tx.tell(
                Event(level="warn", kind="rejection", connection="lyon", record_kind="learner", erp_id=name,
                      actor=name, message=f"{name} is not synced", data={name: {"evidence": [name]}})
            )  # fmt: skip

    await town.engine.store.transact(tell)


def test_hostile_names_are_text_in_the_list_and_in_full() -> None:
    async def story(desk: Desk) -> None:
        await _the_log(desk)
        await desk.filters("kind:rejection")
        await desk.sees(f"{len(HOSTILE)} events match the filter")
        for _row in range(len(HOSTILE)):
            await desk.presses("up")
            event = _events(desk).event()
            assert event is not None
            await desk.sees(f"▸ 08:00:00     warn   rejection  {printable(event.message)[:20]}")
            assert unsafe(desk.screen) == []
        await desk.sees("[red]x[/] is not synced", "[red]x[/].evidence  [red]x[/]")

    at_the_desk(story, prepare=_hostile)
