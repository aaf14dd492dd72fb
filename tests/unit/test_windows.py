"""Windows: expanded by local date, late, missed, and wall time made instants."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from pydantic import ValidationError

from engine.windows import (
    Blackout,
    Due,
    Window,
    current,
    deadline,
    default_windows,
    due,
    duration_text,
    in_maintenance,
    local_span,
    next_occurrences,
    next_opening,
    occurrences,
    parse_duration,
    wall_time,
)

AUTUMN = date(2026, 10, 25)
SPRING = date(2027, 3, 28)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def window(start: str = "30 11 * * *", **given: object) -> Window:
    return Window.model_validate({"flow": "import", "start": start, "duration": "2 hours", **given})


@pytest.mark.parametrize(
    ("start", "day", "opens"),
    [
        ("45 1 * * *", AUTUMN, "2026-10-24T23:45"),
        ("30 2 * * *", AUTUMN, "2026-10-25T00:30"),  # the first of the two 02:30
        ("30 11 * * *", AUTUMN, "2026-10-25T10:30"),
        ("45 1 * * *", SPRING, "2027-03-28T00:45"),
        ("30 2 * * *", SPRING, "2027-03-28T01:00"),  # 02:30 does not exist: 03:00+02:00
        ("30 11 * * *", SPRING, "2027-03-28T09:30"),
    ],
)
def test_R35_one_occurrence_on_the_nights_the_clocks_change(start: str, day: date, opens: str) -> None:
    (one,) = occurrences(window(start), "lyon", day, day)
    assert one.opens == utc(opens)
    assert one.ends - one.opens == timedelta(hours=2)
    assert one.key == f"lyon/import/{start[3:].split()[0].zfill(2)}{start[:2]}/{day}"


def test_R35_a_gap_at_midnight_opens_at_the_first_instant_of_the_day() -> None:
    (one,) = occurrences(window("0 0 * * *", zone="Africa/Cairo"), "c", date(2026, 4, 24), date(2026, 4, 24))
    assert one.opens == utc("2026-04-23T22:00")
    assert local_span(date(2026, 4, 24), date(2026, 4, 24), "Africa/Cairo")[0] == one.opens


def test_R35_date_fields_and_blackouts_choose_the_days() -> None:
    weekdays = window("30 11 * * 1-5", blackouts=["2026-11-11", "2026-12-21/2027-01-03"])
    days = [one.local_date for one in occurrences(weekdays, "lyon", date(2026, 11, 9), date(2026, 11, 15))]
    assert [day.day for day in days] == [9, 10, 12, 13]
    assert occurrences(weekdays, "lyon", date(2026, 12, 21), date(2027, 1, 3)) == ()


def test_R35_starts_are_spread_over_the_first_half_by_connection() -> None:
    noon = window()
    starts = {
        occurrences(noon, f"school{n}", AUTUMN, AUTUMN)[0].starts - utc("2026-10-25T10:30") for n in range(200)
    }
    assert len(starts) > 150
    assert timedelta() <= min(starts) and max(starts) < timedelta(hours=1)
    assert occurrences(noon, "lyon", AUTUMN, AUTUMN) == occurrences(window(), "lyon", AUTUMN, AUTUMN)


@pytest.mark.parametrize(
    "start",
    [
        "30 11,18 * * *", "*/30 11 * * *", "30 * * * *", "30 11 * *", "0 30 11 * * *", "@daily", "60 11 * * *",
        "30 24 * * *", "30 11 31 2 *", "30 11 * * 9", "H 11 * * *", "30 11 H * *", "30 11 * * R", "30 11 x * *",
        "",
    ],
)  # fmt: skip
def test_R35_a_cron_that_is_not_one_time_a_day_is_refused(start: str) -> None:
    with pytest.raises(ValidationError):
        window(start)


def test_R35_a_cron_that_fires_twice_is_refused_with_advice() -> None:
    with pytest.raises(ValidationError, match="one window per start"):
        window("30 11,18 * * *")


@pytest.mark.parametrize(
    "given",
    [
        {"zone": "Europe/Lyon"}, {"zone": "Europe"}, {"zone": "../etc/passwd"}, {"zone": ""},
        {"duration": "0 hours"},
        {"duration": "25 hours"}, {"duration": 2}, {"duration": "2"}, {"duration": "2 moons"}, {"name": "a/b"},
        {"blackouts": ["2026-13-01"]}, {"blackouts": ["2026-12-31/2026-12-01"]}, {"flow": "sideways"},
        {"stop": "x"},
    ],
)  # fmt: skip
def test_a_window_that_cannot_work_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Window.model_validate({"flow": "import", "start": "30 11 * * *", "duration": "2 hours"} | given)


def test_a_name_made_of_the_cron_is_stable_and_tells_starts_apart() -> None:
    assert window("5 8 * * *").name == "0805"
    assert window("05 08  * * *").start == "05 08 * * *"
    assert window("30 11 * * 1-5").name == "1130_w1-5"
    assert window("30 11 */2 * *").name == "1130_d*by2"
    assert window(name="noon").name == "noon"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7 days", timedelta(days=7)),
        ("2h", timedelta(hours=2)),
        ("2 hours", timedelta(hours=2)),
        ("90 minutes", timedelta(minutes=90)),
        ("1 h 30 min", timedelta(minutes=90)),
    ],
)
def test_durations_read_as_people_write_them(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected
    assert parse_duration(duration_text(expected)) == expected


@pytest.mark.parametrize("text", [7, 7.5, True, None, "", "7", "days", "-2 h", "2 h ago", "1.5 h", "2 months"])
def test_durations_without_a_known_unit_are_refused(text: object) -> None:
    with pytest.raises(ValueError, match="unit"):
        parse_duration(text)


DEFAULT = default_windows("Europe/Paris")
IMPORTS = tuple(one for one in DEFAULT if one.flow == "import")
EXPORT = Window(flow="export", start="30 20 * * *", duration=timedelta(hours=1))


def test_R35_the_default_imports_and_exports() -> None:
    assert [(one.flow, one.start, one.duration) for one in DEFAULT] == [
        ("import", "30 11 * * *", timedelta(hours=2)),
        ("import", "0 18 * * *", timedelta(hours=3)),
        ("export", "30 10 * * *", timedelta(hours=1)),
        ("export", "30 20 * * *", timedelta(hours=1)),
    ]


def test_R35_a_late_import_runs_until_its_flows_next_window_opens() -> None:
    late = utc("2026-11-10T16:59")  # 17:59 in Paris, hours after the noon window, a minute before the next
    answer = due(IMPORTS, "lyon", late, set(), since=utc("2026-11-10T09:00"))
    assert [one.key for one in answer.run] == ["lyon/import/1130/2026-11-10"]
    assert deadline(answer.run[0], IMPORTS, late) == utc("2026-11-10T17:00")
    assert deadline(answer.run[0], IMPORTS, utc("2026-11-10T11:00")) == utc("2026-11-10T12:30")

    after = due(IMPORTS, "lyon", utc("2026-11-10T17:00"), set(), since=utc("2026-11-10T09:00"))
    assert [miss.occurrence.key for miss in after.missed] == ["lyon/import/1130/2026-11-10"]
    assert "2026-11-10 17:00 UTC" in after.missed[0].cause


def test_R35_an_export_is_not_held_back_by_imports_and_comes_first() -> None:
    evening = utc("2026-11-10T21:30")
    answer = due((*IMPORTS, EXPORT), "lyon", evening, set(), since=utc("2026-11-10T12:30"))
    assert [one.key for one in answer.run] == ["lyon/export/2030/2026-11-10", "lyon/import/1800/2026-11-10"]
    assert deadline(answer.run[0], (*IMPORTS, EXPORT), evening) == utc("2026-11-11T19:30")


def test_R35_nothing_starts_before_its_spread_nor_twice() -> None:
    (noon, _evening) = next_occurrences(IMPORTS, "lyon", utc("2026-11-10T08:00"), 2)
    assert noon.starts > noon.opens
    before = noon.starts - timedelta(seconds=1)
    assert due(IMPORTS, "lyon", before, set(), since=before).run == ()
    assert due(IMPORTS, "lyon", noon.starts, set(), since=before).run == (noon,)
    assert due(IMPORTS, "lyon", noon.starts, {noon.key}, since=before).run == ()


def test_R35_what_ended_before_the_windows_came_into_force_is_nobodys() -> None:
    answer = due(IMPORTS, "lyon", utc("2026-11-10T15:00"), set(), since=utc("2026-11-10T14:00"))
    assert answer == Due()


def test_R35_overlapping_windows_both_run() -> None:
    long = window("0 11 * * *", duration="6 hours")
    short = window("0 12 * * *", duration="1 hour")
    now = utc("2026-11-10T15:30")  # 16:30 in Paris
    since = utc("2026-11-10T00:00")
    first = due((long, short), "lyon", now, set(), since)
    assert [one.window for one in first.run] == ["1100"] and first.missed == ()
    second = due((long, short), "lyon", now, {first.run[0].key}, since)
    assert [one.window for one in second.run] == ["1200"]


def test_current_is_from_the_spread_start_to_the_end() -> None:
    (noon,) = occurrences(IMPORTS[0], "lyon", AUTUMN, AUTUMN)
    assert current(IMPORTS, "lyon", noon.starts) == noon
    assert current(IMPORTS, "lyon", noon.starts - timedelta(seconds=1)) is None
    assert current(IMPORTS, "lyon", noon.ends) is None
    assert current(IMPORTS, "lyon", noon.starts, flow="export") is None


def test_current_sees_a_window_that_crosses_midnight() -> None:
    night = window("0 23 * * *", duration="3 hours")
    one = current((night,), "lyon", utc("2026-11-11T00:45"))
    assert one is not None and one.local_date == date(2026, 11, 10)


def test_next_occurrences_reach_over_years_and_end() -> None:
    leap = window("0 12 29 2 *")
    assert [one.local_date.year for one in next_occurrences((leap,), "c", LONG_AGO, 2)] == [2028, 2032]
    closed = window(blackouts=[Blackout(first=date(2020, 1, 1), last=date(2099, 1, 1))])
    assert next_occurrences((closed,), "c", LONG_AGO, 3) == ()
    assert next_opening((closed,), "import", LONG_AGO) is None
    assert next_occurrences((), "c", LONG_AGO, 3) == ()


def test_R35_maintenance_is_saturday_by_a_fixed_offset() -> None:
    assert in_maintenance(utc("2026-11-21T15:00")) and in_maintenance(utc("2026-07-04T15:00"))
    assert not in_maintenance(utc("2026-11-21T14:59"))
    assert not in_maintenance(utc("2026-11-21T21:00"))
    assert not in_maintenance(utc("2026-11-20T15:00"))


def test_R22_wall_times_that_exist_once_twice_and_not_at_all() -> None:
    once = wall_time(AUTUMN, time(11, 30), "Europe/Paris")
    assert (once.instant, once.ambiguous, once.exists) == (utc("2026-10-25T10:30"), False, True)
    twice = wall_time(AUTUMN, time(2, 30), "Europe/Paris")
    assert (twice.instant, twice.ambiguous, twice.exists) == (utc("2026-10-25T00:30"), True, True)
    never = wall_time(SPRING, time(2, 30), "Europe/Paris")
    assert (never.instant, never.ambiguous, never.exists) == (None, False, False)
    assert wall_time(SPRING, time(3, 0), "Europe/Paris").exists
    with pytest.raises(ValueError, match="zone"):
        wall_time(SPRING, time(3, 0), "Europe/Lyon")


def test_R22_a_days_length_is_counted_on_instants() -> None:
    start, end = local_span(AUTUMN, AUTUMN, "Europe/Paris")
    assert end - start == timedelta(hours=25)
    start, end = local_span(SPRING, SPRING, "Europe/Paris")
    assert end - start == timedelta(hours=23)
