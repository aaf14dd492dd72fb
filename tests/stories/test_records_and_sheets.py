"""Finding a record and seeing what is with it, sheets that may not be written, and doing things by name."""

from __future__ import annotations

from importlib.util import find_spec

from console.screens.record import RecordPage
from tests.properties.test_hostile_text import unsafe
from tests.stories.desk import Desk, at_the_desk
from tests.stories.test_duplicates import enrol, in_edusign
from tests.stories.town import Known, Town

HOSTILE = "\x1b[2J[red]\u202eEvil[/]"
HARMLESS = "\\x1b[2J[red]\\u202eEvil[/]"


async def _rejected(town: Town) -> None:
    """Inès has no e-mail address in the ERP."""
    town.erp.add_learner("P90001", "Quiroz", "Inès", "", "G001", who="secretary")
    await town.run()


async def _one(town: Town) -> Known:
    return (await town.plain_learners())[2]


async def _conflict(town: Town) -> None:
    one = await _one(town)
    town.hand.edit(kind="learner", id=one.edusign_id, field="EMAIL", value="edusign@example.org", who="eve")
    town.erp.edit(one.identity, "email", "erp@example.org", who="secretary")
    await town.run()


def page_of(desk: Desk) -> RecordPage:
    page = desk.console.screen
    assert isinstance(page, RecordPage)
    return page


async def opens(desk: Desk, name: str) -> None:
    """Find somebody and open their page."""
    await desk.presses("g")
    await desk.sees("A name, an e-mail or an id")
    await desk.types(name)
    await desk.sees("1 found")
    await desk.presses("enter")
    await desk.until(lambda: isinstance(desk.console.screen, RecordPage) and page_of(desk).view is not None)


def test_a_named_learner_is_found_and_the_page_says_why_they_are_rejected() -> None:
    async def story(desk: Desk) -> None:
        await desk.presses("g")
        await desk.types("ines QUI")
        await desk.sees("1 found", "Quiroz Inès", "only ERP")
        await desk.presses("enter")
        await desk.sees("only in the ERP, 1 problem, 1 open", "no e-mail address", "Why it isn't in Edusign")
        await desk.sees("to do", "rejection: no e-mail address")
        await desk.presses("tab")
        await desk.moves_in_pane("rejection:")
        await desk.presses("enter")
        await desk.sees("[5Rejections]", "Quiroz Inès")
        assert "Quiroz" in desk.row

    at_the_desk(story, prepare=_rejected)


def test_nobody_of_a_name_is_said_and_the_search_goes_on() -> None:
    async def story(desk: Desk) -> None:
        one = desk.town.row(await _one(desk.town))
        await desk.presses("g")
        await desk.types("xqzv")
        await desk.sees("Nobody and nothing of this name")
        await desk.presses("enter", "ctrl+u")
        await desk.types(one["EMAIL"])
        await desk.presses("enter")  # before the answer: opened once it turns out to be the only one
        await desk.sees("linked", one["LASTNAME"])

    at_the_desk(story)


def test_the_page_opens_from_every_screen_and_escape_leads_back() -> None:
    async def story(desk: Desk) -> None:
        town = desk.town
        one = await _one(town)
        rejected = next(i for i in await town.items("rejection") if i.label == "Quiroz Inès")
        pair = next(i for i in await town.items("duplicate") if i.label == "Rivoire Paul")
        await desk.refreshed()
        await desk.moves_to("conflict")
        await desk.presses("i")
        await desk.sees("1 field differs", "changed on both sides")
        await desk.presses("escape")
        await desk.sees("What waits for you")
        places = {
            "changes": ("2", f"learner:{one.erp_id}"),
            "conflicts": ("3", f"learner:{one.erp_id}"),
            "duplicates": ("4", f"learner:{pair.erp_id}"),
            "rejections": ("5", f"learner:{rejected.erp_id}"),
            "events": ("8", f"learner:{one.erp_id}"),
        }
        for name, (key, filter) in places.items():
            if name in ("changes", "events") and not find_spec(f"console.screens.{name}"):
                continue
            await desk.presses(key)
            await desk.filters(filter)
            await desk.until(lambda: desk.row != "" and page_or_list(desk), f"rows of {name}")
            await desk.presses("i")
            wanted = filter.partition(":")[2]
            await desk.until(lambda id=wanted: _shows(desk, id), f"the page from {name}")  # type: ignore[misc]
            await desk.presses("escape")
        await desk.presses("6")
        await desk.until(lambda: desk.row != "", "sheets")
        await desk.presses("enter")
        await desk.sees("Sheet and session")

    async def prepare(town: Town) -> None:
        await _rejected(town)
        in_edusign(town, "P90009", "Rivoire", "Paul", "old@example.org")
        enrol(town, "P90002", "Rivoire", "Paul", "paul@example.org")
        await _conflict(town)
        town.erp.edit((await _one(town)).identity, "phone", "06 00 00 00 42", who="secretary")
        await town.plan()

    at_the_desk(story, prepare=prepare)


def page_or_list(desk: Desk) -> bool:
    return not isinstance(desk.console.screen, RecordPage)


def _shows(desk: Desk, id: str) -> bool:
    page = desk.console.screen
    return isinstance(page, RecordPage) and page.view is not None and id == page.view.erp_id


def test_a_conflict_is_settled_on_the_page_and_its_state_follows_by_itself() -> None:
    async def story(desk: Desk) -> None:
        one = await _one(desk.town)
        await opens(desk, one.erp_id)
        await desk.sees("changed on both sides", "e[rp]@example.org", "e[dusign]@example.org", "conflict:")
        await desk.presses("e")
        await desk.sees("take the ERP's email?")
        await desk.presses("y")
        await desk.sees("Nothing is open about it.")
        await desk.presses("o")
        await desk.sees("this one record is written")
        await desk.presses("y")
        await desk.sees("linked", "It changes nothing of this record.")
        await desk.sees_no("changed on both sides")
        assert desk.town.row(one)["EMAIL"] == "erp@example.org"

    at_the_desk(story, prepare=_conflict)


def test_both_sides_read_now_show_what_no_run_has_seen_yet() -> None:
    async def story(desk: Desk) -> None:
        one = await _one(desk.town)
        await opens(desk, one.erp_id)
        await desk.sees("as read")
        desk.town.erp.edit(one.identity, "phone", "06 00 00 00 42", who="secretary")
        desk.town.written()
        await desk.presses("b")
        await desk.sees("read just now", "changed in the ERP", "06 00 00 00 42 = +33600000042")
        assert desk.town.written() == []
        assert await desk.log(f"learner:{one.erp_id} kind:write") == []

    at_the_desk(story)


def test_reading_both_now_beside_a_run_says_why_not() -> None:
    async def story(desk: Desk) -> None:
        one = await _one(desk.town)
        await opens(desk, one.erp_id)
        run = await desk.slow_run()
        await desk.presses("b")
        await desk.sees(f"run {run.id} of lyon is reading both sides")
        await desk.town.engine.cancel_run(run.id, "ada")
        await desk.town.engine.wait_run(run.id)

    at_the_desk(story)


def test_what_a_side_no_longer_has_or_does_not_say_is_said() -> None:
    async def story(desk: Desk) -> None:
        one, sheet = await _one(desk.town), await desk.town.known("S00005")
        await opens(desk, sheet.erp_id)
        desk.town.hand.delete(id=sheet.edusign_id, who="eve")
        await desk.presses("b")
        await desk.sees("linked, not shown by Edusign", "Edusign shows no such record", "There is no sheet")
        await opens(desk, one.erp_id)
        desk.town.erp.remove_learner(one.identity, who="secretary")
        await desk.presses("b")
        await desk.sees("One side did not answer", "that side is shown as last", "1 problem")

    at_the_desk(story)


def test_sheets_stand_today_first_and_one_that_may_not_be_written_says_why() -> None:
    async def story(desk: Desk) -> None:
        sheets = await desk.town.engine.sheets()
        signed = await desk.town.known("S00001")
        name = next(one.label for one in sheets if one.erp_id == signed.erp_id)
        await desk.presses("6")
        await desk.sees("[6Sheets]", f"{len(sheets)} sheets")
        await desk.sees("today 0")
        assert desk.row.startswith("today")
        await desk.filters(f"sheet:{signed.erp_id}")
        await desk.sees("1 sheet match the filter", name)
        await desk.sees("not written: signed: only its roster may still change", "the speaker")
        await desk.presses("enter")
        await desk.sees("Sheet and session", "not written: signed")
        await desk.presses("escape")
        await desk.presses("escape")
        await desk.filters("kind:no_learners")
        await desk.sees("no learners", "Nobody can sign")
        await desk.presses("escape")
        await desk.filters("kind:locked")
        await desk.sees("not written: locked")

    async def prepare(town: Town) -> None:
        one, other, third = [await town.known(f"S0000{n}") for n in (1, 2, 3)]
        town.hand.sign(sheet=one.edusign_id, speaker=town.row(one)["PROFESSOR"], who="teacher")
        town.hand.lock(sheet=other.edusign_id, who="teacher")
        for learner in town.roster(third):
            town.hand.remove(kind="sheet", id=third.edusign_id, learner=learner, who="eve")
        await town.plan()

    at_the_desk(story, prepare=prepare)


def test_a_sheets_page_shows_who_stands_on_it_by_whose_word_and_leads_to_them() -> None:
    async def story(desk: Desk) -> None:
        sheet = await desk.town.known("S00001")
        guest = (await desk.town.plain_learners("G002"))[0]
        name = desk.town.row(guest)["LASTNAME"]
        await opens(desk, sheet.erp_id)
        await desk.sees("Sheet and session")
        await desk.moves_in_pane("only in Edusign: by hand")
        await desk.presses("enter")
        await desk.until(lambda: _shows(desk, guest.erp_id), "the guest's page")
        await desk.sees(name)
        await desk.presses("escape")
        await desk.until(lambda: _shows(desk, sheet.erp_id), "the sheet again")

    async def prepare(town: Town) -> None:
        sheet, guest = await town.known("S00001"), (await town.plain_learners("G002"))[0]
        town.hand.add(kind="sheet", id=sheet.edusign_id, learner=guest.edusign_id, who="eve")
        await town.plan()

    at_the_desk(story, prepare=prepare)


def test_the_palette_goes_to_a_filtered_screen_and_carries_out_an_action() -> None:
    async def story(desk: Desk) -> None:
        await desk.presses("colon")
        await desk.types("rej quiroz")
        await desk.sees("Go there, filtered by: quiroz")
        await desk.presses("enter")
        await desk.sees("[5Rejections]", "1 rejection open match the filter", "Quiroz Inès")
        await desk.presses("ctrl+p")
        await desk.types("freeze")
        await desk.presses("enter")
        await desk.sees("Stop all writes")
        await desk.presses("escape")
        await desk.presses("colon", "up", "up")
        await desk.sees("rejections quiroz")
        await desk.presses("escape")
        await desk.sees_no("filtered by")
        await desk.presses("colon")
        await desk.types("nonsense")
        await desk.sees("No action and no screen is called that.")
        await desk.presses("enter", "escape", "colon")
        await desk.types("run this")
        await desk.presses("enter")
        await desk.sees("Run Quiroz Inès of lyon now?")
        await desk.presses("escape")

    at_the_desk(story, prepare=_rejected)


def test_help_lists_only_what_a_viewer_may_and_explains_the_filter() -> None:
    async def story(desk: Desk) -> None:
        await desk.presses("5")
        await desk.sees("[5Rejections]")
        await desk.presses("question_mark")
        await desk.sees("Help: Rejections", "Open the record", "log of it")
        await desk.sees_no("run this one")
        await desk.presses("end")
        await desk.sees("You are a viewer")
        await desk.presses("question_mark")
        await desk.sees_no("Help: Rejections")
        await desk.presses("slash", "f1")
        await desk.sees("The filter", "kind: rejection task notice")
        await desk.presses("escape", "escape")
        await opens(desk, "quiroz")
        for key in ("b", "o", "e", "r"):
            await desk.presses(key)
        assert len(desk.console.screen_stack) == 2 and page_of(desk).view is not None
        await desk.sees_no("read just now")

    at_the_desk(story, prepare=_rejected, role="viewer")


def test_hostile_names_are_text_on_page_sheets_search_and_in_copies() -> None:
    async def story(desk: Desk) -> None:
        await desk.presses("g")
        await desk.types("evil")
        await desk.sees("found")
        assert unsafe(desk.screen) == []
        await desk.presses("enter")
        await desk.sees(HARMLESS, "linked")
        assert unsafe(desk.screen) == []
        page = page_of(desk)
        await desk.moves_in_pane(HARMLESS)
        await desk.presses("y")
        await desk.sees("Sent to the terminal's clipboard")
        assert HARMLESS in desk.console.clipboard and unsafe(desk.console.clipboard) == []
        assert page.view is not None
        await desk.presses("6")
        await desk.filters("evil")
        await desk.sees("1 sheet match", HARMLESS)
        assert unsafe(desk.screen) == []
        await desk.presses("enter")
        await desk.sees("Sheet and session", HARMLESS)
        assert unsafe(desk.screen) == []

    async def prepare(town: Town) -> None:
        one, sheet = await _one(town), await town.known("S00001")
        town.erp.edit(one.identity, "last_name", HOSTILE, who="mallory")
        town.hand.edit(kind="sheet", id=sheet.edusign_id, field="NAME", value=HOSTILE, who="mallory")
        await town.plan()

    at_the_desk(story, prepare=prepare)
