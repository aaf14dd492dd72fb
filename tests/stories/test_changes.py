"""What is about to change, and what a sysadmin does about it: approve, leave out, write, filter, undecide."""

from __future__ import annotations

from console.screens.changes import Changes
from engine.config_models import Limit
from engine.service.models import DecideRequest, FreezeRequest, ItemView
from tests.stories.desk import Desk, at_the_desk
from tests.stories.town import Known, Town

TIGHT = {"update learner": Limit(share=0.0, count=0)}
"""Every update of a learner waits for approval."""


def edited(town: Town, one: Known, email: str = "") -> str:
    """The ERP gives a learner another e-mail."""
    email = email or f"{one.identity}.new@example.org"
    town.erp.edit(one.identity, "email", email, who="secretary")
    return email


async def three_edits(town: Town) -> None:
    """Three learners' e-mails changed in the ERP, and a plan knows."""
    for one in (await town.plain_learners())[:3]:
        edited(town, one)
    await town.plan()


async def _hold(town: Town) -> ItemView:
    (hold,) = await town.items("hold")
    return hold


def listed(desk: Desk) -> Changes:
    """The screen in front."""
    assert isinstance(desk.console.screen, Changes)
    return desk.console.screen


async def to_changes(desk: Desk, sees: str) -> None:
    await desk.presses("2")
    await desk.sees("[2Changes]", sees)


def test_an_edit_in_the_erp_is_pending_after_a_plan_with_both_values() -> None:
    async def story(desk: Desk) -> None:
        one = (await desk.town.plain_learners())[1]
        before = desk.town.row(one)["EMAIL"]
        await to_changes(desk, "plan of")
        edited(desk.town, one, "brand.new@example.org")
        await desk.presses("p")
        await desk.sees("ready", "update learner")
        await desk.moves_to("update learner")
        await desk.sees("ERP", "base", "Edusign", "changed in the ERP (R01)")
        await desk.sees("brand.new", before.partition("@")[0])
        await desk.runs()
        assert desk.town.row(one)["EMAIL"] == "brand.new@example.org"
        await desk.town.plan_is_empty()

    at_the_desk(story)


def test_a_hold_is_approved_from_the_dashboard_in_three_keys_and_the_log_says_who() -> None:
    async def story(desk: Desk) -> None:
        town = desk.town
        await desk.sees("What waits for you")
        hold = await _hold(town)
        await desk.moves_to("hold")
        await desk.presses("a")
        await desk.sees(f"Approve 3 held changes of {hold.id}?", "update learner", "its approval is void")
        await desk.presses("y")
        await desk.sees("Written in the open window, else in the next")
        await desk.runs()
        assert await town.items("hold") == []
        await town.plan_is_empty()
        for one in (await town.plain_learners())[:3]:
            assert town.row(one)["EMAIL"] == f"{one.identity}.new@example.org"
        (decided,) = await desk.log(f"kind:decision hold:{hold.id}")
        assert (decided.actor, decided.data["choice"], decided.data["count"]) == ("ada", "approve", 3)

    at_the_desk(story, prepare=three_edits, limits=TIGHT)


def test_enter_on_a_hold_of_the_dashboard_shows_its_changes_and_h_the_holds_by_cause() -> None:
    async def story(desk: Desk) -> None:
        hold = await _hold(desk.town)
        await desk.moves_to("hold")
        await desk.presses("enter")
        await desk.sees("[2Changes]", f"hold:{hold.id}", "3 of ", "‖ held")
        await desk.presses("escape", "h")
        await desk.sees("1 hold", "over the limit", "3 update")
        await desk.presses("enter")
        await desk.sees(f"hold:{hold.id}", "‖ held")
        await desk.presses("escape")
        await desk.sees("1 hold")
        await desk.presses("a")
        await desk.sees(f"Approve 3 held changes of {hold.id}?")
        await desk.presses("y")
        await desk.sees("Nothing is held.")
        await desk.presses("escape")
        await desk.sees("ready", "update learner")
        await desk.sees_no("held")

    at_the_desk(story, prepare=three_edits, limits=TIGHT)


def test_marked_changes_are_approved_and_the_rest_still_waits() -> None:
    async def story(desk: Desk) -> None:
        town = desk.town
        await to_changes(desk, "3 held")
        await desk.presses("space", "space")
        await desk.sees("2 marked")
        marked = [one.id for one in listed(desk)._chosen()]
        await desk.presses("a")
        await desk.sees("Approve 2 held changes?")
        await desk.presses("y")
        await desk.sees("2 approved.", "1 held")
        (left,) = (await _hold(town)).changes
        assert left.id not in marked
        await desk.runs()
        assert [c.id for c in (await _hold(town)).changes] == [left.id]
        assert left.id in {c.id for c in (await town.plan()).changes}

    at_the_desk(story, prepare=three_edits, limits=TIGHT)


def test_all_that_the_filter_finds_is_approved_and_the_rest_left() -> None:
    async def story(desk: Desk) -> None:
        town = desk.town
        one = (await town.plain_learners())[1]
        await to_changes(desk, "3 held")
        await desk.filters(f"learner:{one.erp_id}")
        await desk.sees("1 of ")
        await desk.presses("A")
        await desk.sees("Approve 1 held change?")
        await desk.presses("y")
        await desk.sees("1 approved.")
        assert one.erp_id not in {c.erp_id for c in (await _hold(town)).changes}
        await desk.presses("escape")
        await desk.sees("2 held")
        await desk.runs()
        assert town.row(one)["EMAIL"] == f"{one.identity}.new@example.org"

    at_the_desk(story, prepare=three_edits, limits=TIGHT)


def test_a_change_is_left_out_until_it_is_taken_up_again() -> None:
    async def story(desk: Desk) -> None:
        town = desk.town
        await to_changes(desk, "update learner")
        await desk.presses("s")
        await desk.sees("Leave 1 change out?", "For as long as they stay the same")
        await desk.presses("y")
        await desk.sees("1 left out.", "12 skipped")
        await desk.runs()
        plan = await town.plan()
        (left,) = [c for c in plan.changes if c.verb == "update" and c.kind == "learner"]
        assert left.hold == "skipped: refused"
        await desk.until(lambda: listed(desk).plans[0].id == plan.id, "the newest plan")
        await desk.moves_to(left.label[:10])
        await desk.sees("left out by a person")
        await desk.presses("s")
        await desk.sees("Take 1 change up again?")
        await desk.presses("y")
        await desk.sees("1 taken up again.", "11 skipped")
        await desk.runs()
        await town.plan_is_empty()
        assert {e.actor for e in await desk.log(f"kind:decision learner:{left.erp_id}")} == {"ada"}

    at_the_desk(story, prepare=three_edits)


def test_only_the_marked_changes_are_written() -> None:
    async def story(desk: Desk) -> None:
        town = desk.town
        await to_changes(desk, "update learner")
        await desk.presses("space")
        await desk.sees("1 marked")
        (marked,) = listed(desk)._chosen()
        await desk.presses("w")
        await desk.sees("Write 1 change now?", marked.label, "read again first")
        await desk.presses("y")
        await desk.sees("A run has begun to write 1 change")
        await desk.sees("13 changes, 11 skipped", "2 update")
        written = [
            one
            for one in (await town.plain_learners())[:3]
            if town.row(one)["EMAIL"] == f"{one.identity}.new@example.org"
        ]
        assert len(written) == 1
        assert marked.id not in {c.id for c in (await town.plan()).changes}

    at_the_desk(story, prepare=three_edits)


def test_the_second_to_decide_reads_who_decided_what() -> None:
    async def story(desk: Desk) -> None:
        town = desk.town
        await to_changes(desk, "3 held")
        hold = await _hold(town)
        await desk.presses("a")
        await desk.sees("Approve 1 held change?")
        one = (hold.changes[2].id,)
        request = DecideRequest(item=hold.id, choice="refuse", revision=hold.revision, changes=one)
        await town.engine.decide(request, "bea")
        await desk.presses("y")
        await desk.sees("bea said refuse to 1 change")
        await desk.sees("12 skipped", "2 held")
        await desk.presses("a")
        await desk.sees("Approve 1 held change?")
        await town.decide(await _hold(town), "approve", who="carl")
        await desk.presses("y")
        await desk.sees("carl said approve")

    at_the_desk(story, prepare=three_edits, limits=TIGHT)


def test_under_a_freeze_writing_says_why_not_and_approving_what_it_waits_for() -> None:
    async def story(desk: Desk) -> None:
        await to_changes(desk, "3 held")
        await desk.town.engine.freeze(FreezeRequest(connection="lyon", reason="exam day"), "bea")
        await desk.sees("FROZEN: lyon")
        await desk.presses("a")
        await desk.sees("lyon is frozen: nothing is written there")
        await desk.presses("y")
        await desk.sees("1 approved.")
        await desk.presses("w")
        await desk.sees("frozen by bea", "exam day")
        await desk.presses("o")
        await desk.sees("frozen by bea", "exam day")
        assert len(desk.console.screen_stack) == 1

    at_the_desk(story, prepare=three_edits, limits=TIGHT)


def test_a_viewer_sees_every_change_and_has_no_key_that_decides() -> None:
    async def story(desk: Desk) -> None:
        await to_changes(desk, "3 held")
        await desk.sees("‖ held", "update learner")
        for key in ("a", "A", "s", "w", "o"):
            await desk.presses(key)
        assert len(desk.console.screen_stack) == 1
        assert not any(word in desk.screen.splitlines()[-1] for word in ("approve", "skip", "write"))
        await desk.presses("h")
        await desk.sees("1 hold")
        for key in ("a", "A", "s"):
            await desk.presses(key)
        assert len(desk.console.screen_stack) == 1
        assert len((await _hold(desk.town)).changes) == 3

    at_the_desk(story, prepare=three_edits, limits=TIGHT, role="viewer")


def test_hostile_names_are_text() -> None:
    name = "[red]O'Brien[/] \x1b[2J\u202eeil"

    async def hostile(town: Town) -> None:
        one = (await town.plain_learners())[1]
        town.erp.edit(one.identity, "last_name", name, who="secretary")
        await town.plan()

    async def story(desk: Desk) -> None:
        await to_changes(desk, "update learner")
        await desk.sees("[red]O'Brien[/] \\x1b[2J")
        assert "\x1b" not in desk.screen and "\u202e" not in desk.screen
        await desk.presses("s")
        await desk.sees("Leave 1 change out?")
        assert "\x1b" not in desk.screen and "\u202e" not in desk.screen

    at_the_desk(story, prepare=hostile, size=(120, 40))


def test_a_mistake_in_the_filter_is_said_and_what_was_shown_stays() -> None:
    async def story(desk: Desk) -> None:
        await to_changes(desk, "update learner")
        await desk.presses("slash")
        await desk.types("levle:warn")
        await desk.sees("no filter `levle:`; did you mean `level:`?", "update learner")
        await desk.presses("escape")
        await desk.sees("14 changes")

    at_the_desk(story, prepare=three_edits)
