"""The days before the live demo opens, on virtual time: first contact, windows, this morning's edits.

It ends on a Tuesday, minutes before the noon window: a plan has seen what waits, nothing has been settled.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from connectors.simulation.absentees import office_rows
from connectors.simulation.attendance import Attendance
from connectors.simulation.campuses import TERM_BEGINS, Campus
from connectors.simulation.morning import Cast, Deed, Morning, NobodyLeft
from connectors.simulation.names import Draw
from connectors.simulation.scenes import DRAIN_INTERVAL, ZONE, Scene, edit, operate, quiet, set_scene
from engine.clock import Clock
from engine.compose import api as api_of
from engine.compose import compose, connectors
from engine.config import Config, load
from engine.windows import next_occurrences
from engine.words import _

BEGINS = datetime.combine(TERM_BEGINS - timedelta(days=3), time(6), ZoneInfo(ZONE)).astimezone(UTC)
"""The Friday before the term: nobody has lessons while first contact is settled."""
OPENS_BEFORE = timedelta(minutes=3)
"""How long after the opening the next window begins by itself."""

ACTOR = "operator"

_LAST_DAY = TERM_BEGINS
_TODAY = TERM_BEGINS + timedelta(days=1)
_SCHOOL_IS_OUT = time(16, 45)
_LESSONS_BEGUN = (time(9, 20), time(10, 55))
_LOOKED_AT = time(11, 5)
_OFFICE_OPENS = time(8, 45)
LEFT_OPEN = 1
"""Sheets of the last day whose roll nobody calls; they are locked the morning after."""


@dataclass
class Played:
    """One school on the way to its opening, and what goes on in it afterwards."""

    scene: Scene
    cast: Cast
    attendance: Attendance


async def prelude(
    schools: Sequence[Campus],
    configured: Path,
    keys: Mapping[str, str],
    clock: Clock,
    tell: Callable[[str], None],
) -> list[Played]:
    """Play from BEGINS, when `clock` (virtual) must stand, to the opening; who is there then.

    `configured`: the rollcall.toml; state and log are left in the folder it names, with no engine running.
    `keys`: secrets by environment variable. `tell` hears of each step.
    Raises ConfigError, Unanswered, httpx.HTTPError."""
    config = load(configured, connectors(), keys)
    by_name = {one.name: one for one in schools}
    engine = compose(
        config,
        clock,
        lambda name, system: httpx.ASGITransport(
            by_name[name].erp.app if system == "erp" else by_name[name].edusign.app
        ),
        secret=lambda reference: keys[reference.removeprefix("env:")],
        drain_interval=DRAIN_INTERVAL,
    )
    api = httpx.AsyncClient(transport=httpx.ASGITransport(api_of(engine, ACTOR)), base_url="http://engine")
    await engine.start()
    try:
        played = [_set(one, api, config) for one in schools]
        tell(_("first contact, and the first day of term"))
        await _first_days(played, clock)
        await quiet(api)
        tell(_("this morning"))
        await _this_morning(played, api, clock)
        await clock.sleep_until(_opening(config, clock.now()))
        await quiet(api)
    finally:
        await engine.stop()
        await api.aclose()
    return played


def _set(campus: Campus, api: httpx.AsyncClient, config: Config) -> Played:
    scene = set_scene(
        campus.name,
        campus.school,
        campus.erp,
        campus.edusign,
        api,
        seed=campus.seed,
        dates=[BEGINS.date(), _LAST_DAY],
        windows=config.connections[campus.name].windows,
        horizon_days=config.connections[campus.name].horizon_days,
    )
    # Apart, since how many sign depends on when somebody looks.
    people, sheets = (Draw(random.Random(f"{what}:{campus.seed}:{campus.name}")) for what in ("cast", "sheets"))
    return Played(scene, Cast(scene, people), Attendance(campus.edusign, sheets, ZONE))


async def _first_days(played: Sequence[Played], clock: Clock) -> None:
    """People edit, the operator settles, the first day's sheets are signed and locked."""
    around = [asyncio.ensure_future(edit(one.scene, clock)) for one in played]
    around += [asyncio.ensure_future(operate(one.scene, clock)) for one in played]
    try:
        await clock.sleep_until(_instant(_LAST_DAY, _SCHOOL_IS_OUT))
        for one in played:
            one.attendance.leave_open(_LAST_DAY, LEFT_OPEN)
            one.attendance.call(_LAST_DAY)
            one.attendance.close(_LAST_DAY)
            _cancel_tomorrow(one)
        await clock.sleep_until(max(window.ends for one in played for window in one.scene.windows))
    finally:
        for task in around:
            task.cancel()
        ended = await asyncio.gather(*around, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error


def _cancel_tomorrow(one: Played) -> None:
    """A lesson of the day after today is called off: certain at the second window that misses it."""
    try:
        session = one.cast.session(_TODAY + timedelta(days=1), time(9))
    except NobodyLeft:
        return
    one.scene.erp.hands["cancel_session"](session.identity, who="erp:called_off")


async def _this_morning(played: Sequence[Played], api: httpx.AsyncClient, clock: Clock) -> None:
    """Both sides are edited, the sheets signed; somebody looks at a plan, and goes on."""
    mornings = [Morning(one.scene, one.cast, _TODAY) for one in played]
    deeds = [Deed(_instant(_TODAY, _OFFICE_OPENS), _absences_looked_at(one)) for one in played]
    deeds += [Deed(_instant(_TODAY, at), _calls(one)) for at in _LESSONS_BEGUN for one in played]
    for number, morning in enumerate(mornings):
        deeds += morning.of_a_small_school() if number else morning.of_a_large_school()
    for deed in sorted(deeds, key=lambda deed: deed.at):
        await clock.sleep_until(deed.at)
        deed.do()
    await clock.sleep_until(_instant(_TODAY, _LOOKED_AT))
    for one in played:
        (await api.post("/v1/plans", json={"connection": one.scene.name})).raise_for_status()
    for morning in mornings:
        for deed in morning.since_the_plan():
            await clock.sleep_until(deed.at)
            deed.do()


def _absences_looked_at(one: Played) -> Callable[[], Any]:
    """Before the morning's export: a sheet of yesterday is locked though nobody called its roll, somebody's
    absence is justified, and the ERP's office justifies another itself."""

    def do() -> None:
        hand = one.scene.edusign.hand
        away = one.attendance.away(_LAST_DAY)
        for sheet, learner in away[:1]:
            hand.justify(learner, sheet=sheet.id, who="edusign:justified")
        for sheet in one.attendance.left_open(_LAST_DAY):
            hand.lock(sheet.id, who="edusign:locked_uncalled")
        for code in office_rows(one.scene.erp.dump())[-1:]:
            one.scene.erp.hands["change_absence"](code=code, justified=True, who="erp:office")

    return do


def _calls(one: Played) -> Callable[[], Any]:
    return lambda: one.attendance.call(_TODAY)


def _opening(config: Config, now: datetime) -> datetime:
    """Shortly before the next window of any school begins."""
    starts = (next_occurrences(one.windows, name, now, 1)[0].starts for name, one in config.connections.items())
    return min(starts) - OPENS_BEFORE


def _instant(day: date, at: time) -> datetime:
    return datetime.combine(day, at, ZoneInfo(ZONE)).astimezone(UTC)
