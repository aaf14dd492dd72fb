"""Search and palette on the console: what is typed, what comes of it, what is left."""

from __future__ import annotations

from console.screens.find import Find, Found
from console.screens.record import RecordPage
from console.widgets.rows import Rows
from engine.service.models import FoundView
from engine.service.operations import Refusal
from tests.unit.console_kit import opened, press, sees, settled, shown
from tests.unit.fake_engine import FakeOperations, item
from tests.unit.test_record_commands import record

JEANNE = FoundView(connection="lyon", kind="learner", erp_id="A17", edusign_id="j", label="Dupont Jeanne")
ZOE = FoundView(connection="lyon", kind="learner", erp_id="A18", label="Dupont Zoë", state="erp")


def engine() -> FakeOperations:
    fake = FakeOperations()
    fake.found_views = (JEANNE, ZOE)
    fake.record_view = record()
    fake.open = [item()]
    return fake


async def test_an_answer_to_what_is_no_longer_typed_is_dropped() -> None:
    async with opened(engine()) as (app, pilot):
        await pilot.press("g", *"dupont")
        await sees(pilot, "2 found")
        find = app.screen
        assert isinstance(find, Find)
        find._took("dup", ())
        await sees(pilot, "2 found")
        find._took("dupont", (ZOE,))
        await sees(pilot, "1 found")
        await sees(pilot, "Jeanne", not_there=True)


async def test_entered_before_the_answer_only_the_only_one_is_opened() -> None:
    async with opened(engine()) as (app, pilot):
        await pilot.press("g", *"dupont", "enter")
        await sees(pilot, "2 found")
        assert isinstance(app.screen, Find)
        await press(pilot, "down", "enter")
        assert isinstance(app.screen, RecordPage)
        await press(pilot, "escape")
        await pilot.press("g", *"dupont z", "enter")
        await sees(pilot, "learner:A17  lyon")
        assert isinstance(app.screen, RecordPage)


async def test_a_refusal_is_said_in_the_window_and_an_emptied_line_lists_nothing() -> None:
    fake = engine()
    async with opened(fake) as (app, pilot):
        await press(pilot, "g", *"zo")
        await sees(pilot, "1 found")
        assert isinstance(app.screen.query_one(Rows).model, Found)
        fake.refusal = Refusal("failed", "the state cannot be read")
        await press(pilot, "e")
        await sees(pilot, "the state cannot be read")
        fake.refusal = None
        await press(pilot, "ctrl+u")
        await sees(pilot, "A name, an e-mail or an id")
        await sees(pilot, "Zoë", not_there=True)
        await press(pilot, "tab", "z", "escape")
        assert not isinstance(app.screen, Find)


async def test_the_palette_recalls_completes_and_begins_a_search() -> None:
    async with opened(engine(), size=(100, 30)) as (app, pilot):
        await press(pilot, "colon", *"rej quiroz", "enter")
        assert app.current_mode == "rejections" and app.filters == {}
        await press(pilot, "colon", *"theme", "enter")
        assert app.theme == "light"
        await press(pilot, "colon", *"ev", "up")
        assert "│ theme" in shown(app)
        await press(pilot, "up")
        assert "│ rejections quiroz" in shown(app)
        await press(pilot, "up", "down", "down")
        assert "│ ev " in shown(app)
        await press(pilot, "tab")
        assert "│ events " in shown(app)
        await press(pilot, "escape", "colon", *"find zoe", "enter")
        assert isinstance(app.screen, Find) and "find" in app.recalled[-1]


async def test_what_the_palette_names_is_refused_where_it_does_not_work() -> None:
    async with opened(engine()) as (app, pilot):
        app.obey("nonsense here")
        await settled(pilot)
        assert "No action and no screen is called nonsense." in shown(app)
        await press(pilot, "6")
        app.obey("approve")
        await settled(pilot)
        assert len(app.screen_stack) == 1 and "approve does not work here." in shown(app)


async def test_help_is_of_what_has_the_focus() -> None:
    async with opened(engine()) as (app, pilot):
        await press(pilot, "3", "question_mark")
        assert "│ Here " in shown(app)
        await press(pilot, "q", "tab", "question_mark")
        assert "│ The detail " in shown(app)
        await press(pilot, "f1", "slash", "f1")
        assert "│ The filter " in shown(app)
        await press(pilot, "space", "j", "end")
        assert "Screens" in shown(app)


async def test_a_record_the_engine_does_not_know_says_why_and_can_still_be_read() -> None:
    fake = engine()
    fake.record_view = None
    async with opened(fake) as (app, pilot):
        await press(pilot, "i")
        assert "no learner A17 was read in lyon" in shown(app) and "b read both now" in shown(app)
        fake.record_view = record()
        await press(pilot, "b")
        assert "read just now" in shown(app) and ("look", ("lyon", "learner", "A17"), "") in fake.asked
