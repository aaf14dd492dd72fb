"""In which order, until when, and without a mail, end to end (R33, R34, R36)."""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.windows import Window
from tests.stories.town import PARIS, Town, play

NOON = (
    Window(flow="import", name="noon", start="0 12 * * *", duration=timedelta(minutes=2)),
    Window(flow="import", name="evening", start="0 18 * * *", duration=timedelta(hours=3)),
)


async def approved(town: Town) -> None:
    """First contact seen and approved, nothing written yet."""
    await town.run()
    for hold in await town.items("hold"):
        await town.decide(hold, "approve")
    town.written()


def test_R33_a_whole_fill_sends_no_mail() -> None:
    async def story(town: Town) -> None:
        people = len(await town.linked("learner")) + len(await town.linked("speaker"))
        assert people > 35
        assert town.side.edusign.switches.mails_by_default
        assert town.side.edusign.dump()["mails"] == []
        town.erp.add_learner("P90001", "Quiroz", "Inès", "ines@example.org", "G001", who="secretary")
        plan = await town.plan()
        assert plan.mails == 0
        await town.run()
        assert town.side.edusign.dump()["mails"] == []

    play(story, settled=True)


def test_R36_open_items_are_sorted_by_when_they_bite() -> None:
    async def story(town: Town) -> None:
        late, soon = (await town.plain_learners("G002"))[0], (await town.plain_learners("G001"))[0]
        # Of G002 only Friday's sessions are left, of G001 today's are still to come.
        for session in list(town.erp.sessions.values()):
            if "G002" in session.groups and session.day.isoformat() < "2026-09-18":
                town.erp.cancel_session(session.identity, who="secretary")
        for one in (late, soon):
            town.erp.edit(one.identity, "email", "", who="secretary")
        await town.run()
        items = await town.items()
        bites = [i.bites_at for i in items if i.bites_at is not None]
        assert bites == sorted(bites)
        assert all(i.bites_at is None for i in items[len(bites) :])
        mine = [i for i in items if i.erp_id in (late.erp_id, soon.erp_id)]
        assert [i.erp_id for i in mine] == [soon.erp_id, late.erp_id]
        assert [i.bites_at.astimezone(PARIS).strftime("%d %H:%M") for i in mine if i.bites_at] == [
            "14 09:00",
            "18 09:00",
        ]
        assert [i.people for i in mine] == [1, 1]

    play(story, settled=True)


def test_R34_what_the_next_session_needs_is_written_first_each_thing_after_what_it_needs() -> None:
    async def story(town: Town) -> None:
        await approved(town)
        await town.run()
        made = [w for w in town.written() if w["verb"] == "create"]
        sheets = [w["after"]["START"] for w in made if w["kind"] == "sheet"]
        assert sheets == sorted(sheets)
        assert len(sheets) > 10
        place = {w["id"]: n for n, w in enumerate(made)}
        for n, write in enumerate(made):
            if write["kind"] == "sheet":
                needed = [
                    *write["after"]["SCHOOL_GROUP"],
                    write["after"]["PROFESSOR"],
                    *write["after"]["STUDENTS"],
                ]
                ids = [one["studentId"] if isinstance(one, dict) else one for one in needed]
                assert all(place.get(id, -1) < n for id in ids)
        # Not kind by kind: nine o'clock's sheets do not wait for the afternoon's speaker.
        afternoon = str(town.erp.staff["P00044"].code)
        speaker = next(n for n, w in enumerate(made) if (w["kind"], w["api_id"]) == ("speaker", afternoon))
        assert min(n for n, w in enumerate(made) if w["kind"] == "sheet") < speaker

    play(story)


def test_R34_a_run_that_will_not_fit_its_window_says_so_before_it_starts() -> None:
    async def story(town: Town) -> None:
        await approved(town)
        await town.stop()
        await town.at("2026-09-14 12:01:50")
        town.schedule = True
        await town.restart()
        await town.at("2026-09-14 12:05")
        (forecast,) = await town.log("kind:forecast")
        assert "changes need about" in forecast.message
        assert forecast.level == "warn"
        run = (await town.engine.runs())[0]
        assert run.trigger == "window"
        (first_write, *_rest) = sorted(await town.log(f"kind:write run:{run.id}"), key=lambda e: e.seq)
        assert forecast.seq < first_write.seq
        assert forecast.message in run.message

    play(story, windows=NOON)


def test_R34_the_windows_end_stops_the_writing_and_the_rest_is_the_next_runs_first_work() -> None:
    async def story(town: Town) -> None:
        await approved(town)
        town.schedule = True
        await town.restart()
        await town.at("2026-09-14 17:59")
        (noon,) = [r for r in await town.engine.runs() if r.trigger == "window"]
        assert noon.state == "incomplete"
        assert "the window closed" in noon.message
        written = town.written()
        assert written
        end = datetime(2026, 9, 14, 12, 2, tzinfo=PARIS)
        overrun = [w for w in written if datetime.fromisoformat(w["at"]) > end + timedelta(seconds=10)]
        # Only sheets of the next 24 hours may overrun, by a quarter of an hour.
        assert {w["kind"] for w in overrun} <= {"sheet"}
        assert all(w["after"]["START"] < "2026-09-15T10:00" for w in overrun)
        assert all(datetime.fromisoformat(w["at"]) < end + timedelta(minutes=15) for w in overrun)
        await town.at("2026-09-14 21:00")
        evening = (await town.engine.runs())[0]
        assert (evening.trigger, evening.state) == ("window", "done")
        rest = town.written()
        assert {w["id"] for w in written if w["verb"] == "create"}.isdisjoint(
            w["id"] for w in rest if w["verb"] == "create"
        )
        at_noon, sheets = (
            [w["after"]["START"] for w in made if (w["kind"], w["verb"]) == ("sheet", "create")]
            for made in (written, rest)
        )
        assert at_noon + sheets == sorted(at_noon + sheets)
        assert sheets[0].startswith("2026-09-15T11:30")
        (hold,) = await town.items("hold")
        assert hold.code == "archived_other_name"
        await town.decide(hold, "refuse")
        await town.plan_is_empty()

    play(story, windows=NOON, switches={"latency": 1.0})


def test_R34_holds_put_off_only_what_they_hold() -> None:
    async def story(town: Town) -> None:
        gone, sheet = (await town.plain_learners("G001"))[0], await town.known("S00012")
        other = (await town.plain_learners("G002"))[0]
        town.erp.depart(gone.identity, who="secretary")
        town.erp.edit(other.identity, "phone", "06 00 00 00 42", who="secretary")
        run = await town.run()
        assert run.held > 0
        assert run.changes["update"] >= 1
        assert gone.edusign_id not in town.roster(sheet)
        assert town.row(other)["PHONE"] == "06 00 00 00 42"

    play(story, settled=True)
