"""R35 over two years: each window once per local date, whatever clocks and restarts do."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.windows import Due, Window, due, occurrences, wall_time

FIRST, LAST = date(2026, 1, 1), date(2027, 12, 31)
ZONES = [
    "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu",
    "America/Santiago", "Indian/Reunion", "Pacific/Apia", "Africa/Casablanca", "UTC",
]  # fmt: skip
DAY = timedelta(days=1)


def window(flow: str, start: str, hours: float, zone: str) -> Window:
    return Window.model_validate(
        {"flow": flow, "start": start, "duration": timedelta(hours=hours), "zone": zone}
    )


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("start", ["0 0 * * *", "45 1 * * *", "30 2 * * *", "59 23 * * *"])
def test_R35_every_local_date_of_two_years_has_exactly_one(zone: str, start: str) -> None:
    found = occurrences(window("import", start, 2, zone), "lyon", FIRST, LAST)
    assert [one.local_date for one in found] == [FIRST + n * DAY for n in range((LAST - FIRST).days + 1)]
    opens = [one.opens for one in found]
    gaps = [later - one for one, later in pairwise(opens)]
    assert timedelta(hours=22) <= min(gaps) and max(gaps) <= timedelta(hours=26)
    assert len({one.key for one in found}) == len(found)
    assert all(one.ends - one.opens == timedelta(hours=2) for one in found)
    assert all(one.opens <= one.starts < one.opens + timedelta(hours=1) for one in found)


class Engine:
    """What a scheduler does with `due`, losing nothing but its memory at a restart."""

    def __init__(self, windows: tuple[Window, ...], since: datetime) -> None:
        self.windows, self.since = windows, since
        self.run: list[str] = []
        self.missed: list[str] = []

    def ask(self, now: datetime) -> Due:
        answer = due(self.windows, "lyon", now, {*self.run, *self.missed}, self.since)
        assert len({one.flow for one in answer.run}) == len(answer.run)
        self.run += [one.key for one in answer.run]
        self.missed += [miss.occurrence.key for miss in answer.missed]
        return answer

    def settle(self, now: datetime) -> None:
        while self.ask(now) != Due():
            pass


def play(
    seed: int, step: Callable[[Random], timedelta], days: int, offset: Callable[[Random], timedelta]
) -> None:
    random = Random(seed)
    zone = random.choice(ZONES)
    windows = (
        window("import", "45 1 * * *", 2, zone),
        window("import", "30 2 * * *", 1, zone),
        window("import", "30 11 * * *", 2, zone),
        window("import", "0 18 * * 1-5", 3, zone),
        window("export", "30 10 * * *", 1, zone),
        window("export", "30 20 * * *", 1, zone),
    )
    start = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(minutes=random.randrange(700 * 24 * 60))
    engine, real = Engine(windows, start), start
    while real < start + days * DAY:
        engine.ask(real + offset(random))
        real += step(random)
    engine.settle(end := real + timedelta(hours=3))

    handled = engine.run + engine.missed
    assert len(handled) == len(set(handled)), "a key was given twice"
    expected = {
        one.key
        for each in windows
        for one in occurrences(each, "lyon", start.date() - 2 * DAY, end.date() + 2 * DAY)
        if one.ends > start and one.starts <= end
    }
    assert expected <= set(handled), "an occurrence was lost"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_R35_none_twice_none_lost_over_restarts_and_clock_steps(seed: int) -> None:
    play(
        seed,
        step=lambda random: timedelta(minutes=random.choice([1, 7, 45, 200, 2000])),
        days=12,
        offset=lambda random: timedelta(minutes=random.choice([0, 0, 0, 120, -120])),
    )


@pytest.mark.parametrize("middle", [datetime(2026, 10, 25, tzinfo=UTC), datetime(2027, 3, 28, tzinfo=UTC)])
@pytest.mark.parametrize("jump", [-120, 0, 120])
def test_R35_one_run_each_on_the_nights_of_the_clock_change(middle: datetime, jump: int) -> None:
    windows = tuple(window("import", start, 2, "Europe/Paris") for start in ("45 1 * * *", "30 11 * * *"))
    night = window("import", "30 2 * * *", 2, "Europe/Paris")
    engine = Engine((*windows, night), middle - DAY)
    for minute in range(-1440, 1440):
        stepped = timedelta(minutes=jump if minute > 50 else 0)
        engine.ask(middle + timedelta(minutes=minute) + stepped)
    tonight = sorted(key for key in engine.run + engine.missed if key.endswith(str(middle.date())))
    assert tonight == [f"lyon/import/{name}/{middle.date()}" for name in ("0145", "0230", "1130")]
    if jump <= 0:  # a clock put forward may leap over a window before its spread start
        assert engine.missed == []


@given(st.dates(FIRST, LAST), st.times(), st.sampled_from(ZONES))
def test_R22_a_wall_time_that_exists_reads_back_the_same(day: date, at: time, zone: str) -> None:
    wall = wall_time(day, at, zone)
    assert wall.exists == (wall.instant is not None)
    if wall.instant is not None:
        local = wall.instant.astimezone(ZoneInfo(zone))
        assert (local.date(), local.time()) == (day, at)
        if wall.ambiguous:
            assert local.fold == 0
