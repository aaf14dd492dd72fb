"""Nights when clocks change, clocks that are put right or go wrong, and restarts in between (R22, R24, R35)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from connectors.simulation.school import School
from connectors.ypareo import mapping
from connectors.ypareo.simulator import YpareoSimulator
from engine.clock import VirtualClock, VirtualLoop
from engine.links import Links
from engine.planning.checks import check
from engine.service.models import RunView
from engine.windows import Window
from tests.stories.town import PARIS, Town, play

AUTUMN, SPRING = "2026-10-25", "2027-03-28"
NIGHTS = (AUTUMN, SPRING)
WINDOWS = (
    Window(flow="import", start="45 1 * * *", duration=timedelta(hours=2), name="early"),
    Window(flow="import", start="30 2 * * *", duration=timedelta(hours=2), name="night"),
    Window(flow="import", start="30 11 * * *", duration=timedelta(hours=2), name="noon"),
)

Disturbance = Callable[[Town, str], Awaitable[None]]


def day_before(night: str) -> str:
    return (date.fromisoformat(night) - timedelta(days=1)).isoformat()


def day_after(night: str) -> str:
    return (date.fromisoformat(night) + timedelta(days=1)).isoformat()


async def nothing(_town: Town, _night: str) -> None:
    return


async def restarts(town: Town, night: str) -> None:
    """Three restarts: in the first window, where the wall clock jumps, and in the last."""
    for wall in ("01:50", "03:10", "11:40"):
        await town.at(f"{night} {wall}")
        await town.restart()


async def forward(town: Town, night: str) -> None:
    """Everybody's clock is put two hours on just before the first window."""
    await town.at(f"{night} 01:40")
    town.world_clock.offset += timedelta(hours=2)


async def back(town: Town, night: str) -> None:
    """Everybody's clock is put two hours back once the night's windows have begun, and the engine restarted."""
    await town.at(f"{night} 03:50")
    town.world_clock.offset -= timedelta(hours=2)
    await town.after(minutes=5)
    await town.restart()


async def there_and_back(town: Town, night: str) -> None:
    """Two hours on in the first window, and back again before noon's."""
    await town.at(f"{night} 01:50")
    town.world_clock.offset += timedelta(hours=2)
    await town.restart()
    await town.at(f"{night} 11:00")
    town.world_clock.offset -= timedelta(hours=2)


@pytest.mark.parametrize("night", NIGHTS)
@pytest.mark.parametrize("disturbed", [nothing, restarts, forward, back, there_and_back])
def test_R35_each_window_runs_once_on_each_date(night: str, disturbed: Disturbance) -> None:
    async def story(town: Town) -> None:
        await disturbed(town, night)
        await town.at(f"{day_after(night)} 14:00")
        rows = await town.engine.store.transact(
            lambda tx: tx.occurrences("lyon", date.fromisoformat(day_before(night)))
        )
        known = {(row["window"], row["local_date"].isoformat()): row for row in rows}
        expected = {(w.name, day) for w in WINDOWS for day in (night, day_after(night))}
        assert expected <= known.keys()
        assert all(row["state"] == "run" or row["cause"] for row in rows)
        left_out = {key for key, row in known.items() if row["state"] == "missed"}
        # Two hours are lost in its middle: the first window had not been started when it was over.
        assert left_out == ({("early", night)} if disturbed is there_and_back else set())
        expected -= left_out
        runs = await town.engine.runs(limit=100)
        begun = Counter(r.occurrence for r in runs if r.trigger in ("window", "late"))
        assert {f"lyon/import/{name}/{day}" for name, day in expected} <= begun.keys()
        assert set(begun.values()) == {1}
        assert {r.state for r in runs} == {"done"}
        assert {r.id for r in runs if r.message} == set()

    play(
        story,
        settled=True,
        start=f"{day_before(night)} 14:00",
        weeks=2,
        windows=WINDOWS,
        schedule=True,
    )


def test_R35_an_engine_that_was_down_over_windows_records_what_it_missed_and_why() -> None:
    async def story(town: Town) -> None:
        await town.after(minutes=1)
        await town.stop()
        await town.at(f"{AUTUMN} 11:40")
        town.engine = town.opened()
        await town.start()
        await town.at(f"{AUTUMN} 14:00")
        rows = await town.engine.store.transact(lambda tx: tx.occurrences("lyon", date.fromisoformat(AUTUMN)))
        found = {row["window"]: (row["state"], row["cause"]) for row in rows}
        assert found["noon"] == ("run", "")
        for name in ("early", "night"):
            state, cause = found[name]
            assert state == "missed" and "not started before the next import window opened" in cause
        told = await town.log("kind:occurrence")
        assert {e.data["occurrence"] for e in told} == {f"lyon/import/{n}/{AUTUMN}" for n in ("early", "night")}

    play(
        story,
        settled=True,
        start=f"{day_before(AUTUMN)} 14:00",
        windows=WINDOWS,
        schedule=True,
    )


async def slow(_request: object) -> None:
    await asyncio.sleep(30)


async def under_way(town: Town, flow: str = "import") -> RunView:
    """Wait for a run to begin; it."""
    while True:
        for run in await town.engine.runs():
            if run.state == "running" and run.flow == flow:
                return run
        await town.after(seconds=5)


def test_R35_a_run_cut_short_by_a_restart_goes_on_in_its_window() -> None:
    async def story(town: Town) -> None:
        learner = next(x for x in town.side.school.learners if x.identity not in town.side.school.dirty())
        town.side.erp.store.edit(learner.identity, "first_name", "Zélie", who="rita")
        town.lines["lyon", "edusign"].tap = slow
        cut = await under_way(town)
        await town.restart()
        assert (await town.engine.run(cut.id)).state == "cancelled"
        town.lines["lyon", "edusign"].tap = None
        await town.after(minutes=5)
        again = next(r for r in await town.engine.runs() if r.id != cut.id and r.flow == "import")
        assert (again.trigger, again.state, again.occurrence) == ("resumed", "done", cut.occurrence)
        edusign_id = (await town.linked("learner"))[str(town.side.erp.code_of(learner.identity))]
        assert town.edusign_row("learner", edusign_id)["FIRSTNAME"] == "Zélie"
        (row,) = [
            row
            for row in await town.engine.store.transact(lambda tx: tx.occurrences("lyon", date(2026, 9, 14)))
            if f"lyon/import/{row['window']}/{row['local_date']}" == cut.occurrence
        ]
        assert (row["state"], row["cause"]) == ("run", "")

    play(story, settled=True, schedule=True)


def test_R35_a_window_that_opens_during_a_run_has_its_own_run_right_after() -> None:
    async def story(town: Town) -> None:
        status = await town.engine.status()
        window = next(o for o in status.connections[0].next if o.starts > town.clock.now())
        await town.world_clock.sleep_until(window.starts - timedelta(minutes=2))
        town.lines["lyon", "edusign"].tap = slow
        asked = await town.run()
        assert asked.state == "done" and asked.ended is not None and asked.ended > window.starts
        town.lines["lyon", "edusign"].tap = None
        await town.after(minutes=5)
        runs = [r for r in await town.engine.runs() if r.trigger == "window"]
        assert [(r.occurrence, r.state) for r in runs] == [(window.key, "done")]

    play(story, settled=True, schedule=True)


def instants(sheet: dict[str, Any]) -> tuple[str, str]:
    return sheet["START"], sheet["END"]


@pytest.mark.parametrize(
    ("night", "expected"),
    [
        # 00:15-01:15 is summer time; 01:30-02:30 and 02:15-03:15 touch the hour that comes twice.
        (
            AUTUMN,
            {
                ("00:15", "01:15"): ("2026-10-24T22:15", "2026-10-24T23:15"),
                ("01:30", "02:30"): ("2026-10-24T23:30", "2026-10-25T00:30"),
                ("02:15", "03:15"): ("2026-10-25T00:15", "2026-10-25T02:15"),
            },
        ),
        # 01:30-03:30 lasts one hour: 02:00 to 03:00 does not exist.
        (
            SPRING,
            {
                ("00:15", "01:15"): ("2027-03-27T23:15", "2027-03-28T00:15"),
                ("01:30", "03:30"): ("2027-03-28T00:30", "2027-03-28T01:30"),
            },
        ),
    ],
)
def test_R22_sessions_of_the_night_stand_at_the_same_wall_time_on_both_sides(
    night: str, expected: dict[tuple[str, str], tuple[str, str]]
) -> None:
    async def story(town: Town) -> None:
        linked = await town.linked("sheet")
        sheets = {s["ID"]: s for s in town.side.edusign.dump()["courses"]}
        found = {}
        for session in town.side.erp.dump()["sessions"]:
            local = session["local"]
            if local["day"] != night:
                continue
            sheet = sheets[linked[str(town.side.erp.code_of(session["identity"]))]]
            start, end = (datetime.fromisoformat(at).astimezone(UTC) for at in instants(sheet))
            found[local["start"][:5], local["end"][:5]] = (f"{start:%Y-%m-%dT%H:%M}", f"{end:%Y-%m-%dT%H:%M}")
            assert f"{start.astimezone(PARIS):%H:%M}" == local["start"][:5]
            assert f"{end.astimezone(PARIS):%H:%M}" == local["end"][:5]
        assert found == expected
        ambiguous = [i for i in await town.items("rejection") if i.code == "time_ambiguous"]
        assert bool(ambiguous) is (night == AUTUMN)

    play(story, settled=True, start=f"{day_before(night)} 14:00")


def test_R22_a_wall_time_that_does_not_exist_is_rejected() -> None:
    school = School.seeded(7, 40, date.fromisoformat(SPRING), nonexistent_times=True)
    (identity,) = [i for d in school.dirt if d.kind == "nonexistent_time" for i in d.identities]
    erp = YpareoSimulator(school, VirtualClock(datetime(2027, 3, 27, tzinfo=UTC), VirtualLoop()))
    code = str(erp.code_of(identity))
    (row,) = [row for row in erp.dump()["sessions"] if row["identity"] == identity]
    vendor = {k: v for k, v in row.items() if k[0].islower() and "_" not in k}
    entry = mapping.session(vendor, school.zone, {})
    assert entry.id == code
    checked = check({"sheet": (entry,)}, Links())
    (rejection,) = [r for r in checked.rejections if r.code == "time_does_not_exist"]
    assert (rejection.erp_id, rejection.row, rejection.field) == (code, True, "start")
    assert "02:15" in rejection.evidence
    assert checked.accepted["sheet"] == {}


@pytest.mark.parametrize("wrong", [timedelta(hours=2), timedelta(hours=-2), timedelta(minutes=-5)])
def test_R24_with_the_engines_clock_alone_wrong_no_sheet_is_written_and_it_says_so(wrong: timedelta) -> None:
    async def story(town: Town) -> None:
        erp = town.side.erp

        def sheet_writes() -> int:
            return sum(1 for w in town.side.edusign.control.writes if w["kind"] == "sheet")

        session = next(s for s in town.side.school.sessions if s.day == date(2026, 9, 17) and s.end)
        erp.store.move_session(session.identity, start="14:10", end="17:10", who="rita")
        learner = next(x for x in town.side.school.learners if x.identity not in town.side.school.dirty())
        erp.store.edit(learner.identity, "first_name", "Zélie", who="rita")
        before = sheet_writes()
        town.clock.offset = wrong
        run = await town.run()
        assert sheet_writes() == before
        assert "no sheet is written until they agree" in run.message
        (told,) = await town.log(f"kind:clock run:{run.id}")
        assert told.level == "warn" and f"{abs(wrong.total_seconds()):.0f} s" in told.message
        edusign_id = (await town.linked("learner"))[str(erp.code_of(learner.identity))]
        assert town.edusign_row("learner", edusign_id)["FIRSTNAME"] == "Zélie"

        town.clock.offset = timedelta()
        again = await town.run()
        assert sheet_writes() > before
        assert again.message == ""
        sheet = (await town.linked("sheet"))[str(erp.code_of(session.identity))]
        start = datetime.fromisoformat(town.edusign_row("sheet", sheet)["START"])
        assert start.astimezone(PARIS).time() == time(14, 10)
        await town.plan_is_empty()

    play(story, settled=True)
