"""The simulated school and the script of hand edits: determinism, proportions, and no dirt upon dirt."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest

from connectors.simulation.names import same_name_key
from connectors.simulation.people import Edit, script
from connectors.simulation.school import School, amount, true_instant

START = date(2026, 11, 24)
WINDOWS = [time(11, 30), time(18, 0)]


@pytest.fixture(scope="module")
def big() -> School:
    return School.seeded(7, 2000, START)


@pytest.fixture(scope="module")
def small() -> School:
    return School.seeded(3, 60, START)


def by_kind(school: School, kind: str) -> list[tuple[str, ...]]:
    return [dirt.identities for dirt in school.dirt if dirt.kind == kind]


def test_same_arguments_give_the_same_bytes() -> None:
    assert repr(School.seeded(11, 200, START)) == repr(School.seeded(11, 200, START))


def test_another_seed_gives_another_school() -> None:
    one, two = School.seeded(1, 60, START), School.seeded(2, 60, START)
    assert [o.last_name for o in one.learners] != [o.last_name for o in two.learners]


def test_any_day_of_the_week_starts_on_its_monday() -> None:
    school = School.seeded(1, 60, date(2026, 11, 27), weeks=2)
    assert (school.first, school.last) == (date(2026, 11, 23), date(2026, 12, 6))
    assert {s.day for s in school.sessions} <= {school.first + timedelta(days=n) for n in range(14)}


@pytest.mark.parametrize(("learners", "weeks"), [(39, 4), (60, 0)])
def test_too_small_a_school_is_refused(learners: int, weeks: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        School.seeded(1, learners, START, weeks=weeks)


def test_groups_speakers_and_sessions_are_in_proportion(big: School) -> None:
    sizes = Counter(one.group for one in big.learners)
    assert len(big.learners) == 2000 and len(big.groups) == 80
    assert all(20 <= size <= 30 for size in sizes.values())
    trainers = [one for one in big.staff if one.trainer]
    assert len(trainers) == 100
    assert any(one.administrative and not one.trainer for one in big.staff)
    per_day = Counter((s.day, group) for s in big.sessions for group in s.groups)
    assert all(2 <= count <= 3 for (day, _group), count in per_day.items() if day.weekday() < 5)


def test_nobody_is_in_two_rooms_at_once(big: School) -> None:
    for what in ("groups", "staff", "rooms"):
        hours: dict[tuple[object, date], list[tuple[time, time]]] = {}
        for session in big.sessions:
            for one in getattr(session, what):
                hours.setdefault((one, session.day), []).append((session.start, session.end or session.start))
        for spans in hours.values():
            spans.sort()
            assert all(before[1] <= after[0] for before, after in pairwise(spans)), what


def test_some_sessions_are_shared_and_some_have_two_speakers(big: School, small: School) -> None:
    for school in (big, small):
        assert any(len(s.groups) == 2 for s in school.sessions)
        assert any(len(s.staff) == 2 for s in school.sessions)


def test_dirt_comes_by_number(big: School) -> None:
    assert Counter(dirt.kind for dirt in big.dirt) == {
        "missing_email": 8, "invalid_email": 6, "shared_email": 4, "departed": 10, "homonyms": 4, "twins": 4,
        "hostile_name": 6, "same_person": 6, "same_person_other_email": 5, "namesake": 4, "stranger": 5,
        "archived": 3, "archived_other_name": 1, "same_speaker": 1, "shared_speaker": 1, "handmade_group": 1,
        "handmade_sheet": 2, "no_end": 3, "no_learners": 2, "no_trainer": 2,
    }  # fmt: skip


def test_a_small_school_has_one_of_each(small: School, big: School) -> None:
    assert {dirt.kind for dirt in small.dirt} == {dirt.kind for dirt in big.dirt}
    assert amount(8, 60) == 1 and amount(8, 4000) == 16


@pytest.mark.parametrize("learners", [40, 60, 333])
def test_no_record_carries_two_dirts(learners: int) -> None:
    school = School.seeded(5, learners, START)
    concerned = Counter(identity for dirt in school.dirt for identity in dirt.identities)
    assert max(concerned.values()) == 1


def test_at_2000_at_least_1930_are_importable(big: School) -> None:
    out = {i for d in big.dirt if d.expected in ("rejected", "departed", "held_name") for i in d.identities}
    assert sum(one.identity not in out for one in big.learners) >= 1930


def test_names_and_addresses_are_unique_but_for_the_dirt(big: School) -> None:
    homonyms = {pair[1] for pair in by_kind(big, "homonyms")}
    names = [same_name_key(o.last_name, o.first_name) for o in big.learners if o.identity not in homonyms]
    names += [same_name_key(one.last_name, one.first_name) for one in big.staff]
    assert len(names) == len(set(names))
    dirty = {pair[1] for pair in by_kind(big, "shared_email")} | {i for (i,) in by_kind(big, "missing_email")}
    for which in ("email", "portal_email"):
        addresses = [getattr(o, which).lower() for o in big.learners if o.identity not in dirty]
        addresses += [one.email for one in big.staff]
        assert len(addresses) == len(set(addresses))


def test_dirty_learners_are_what_their_dirt_says(big: School) -> None:
    known = {one.identity: one for one in big.learners}
    assert all(known[i].email == known[i].portal_email == "" for (i,) in by_kind(big, "missing_email"))
    for (i,) in by_kind(big, "invalid_email"):
        local, at, host = known[i].email.partition("@")
        assert not at or not host or " " in local or ".." in host or "@" in host
    for one, two in by_kind(big, "shared_email"):
        assert known[one].email.lower() == known[two].email.lower()
    for one, two in by_kind(big, "homonyms"):
        assert (known[one].last_name, known[one].first_name) == (known[two].last_name, known[two].first_name)
        assert known[one].email != known[two].email
    for one, two in by_kind(big, "twins"):
        assert (known[one].last_name, known[one].born) == (known[two].last_name, known[two].born)
        assert known[one].first_name != known[two].first_name
    on_sheets = {learner for session in big.sessions for learner in session.learners}
    for (i,) in by_kind(big, "departed"):
        left = known[i].left
        assert left is not None and left < big.first and i not in on_sheets


def test_hostile_names_are_there(small: School) -> None:
    known = {one.identity: one for one in small.learners}
    names = [(known[i].last_name, known[i].first_name) for (i,) in by_kind(small, "hostile_name")]
    assert ("[red]x[/]", "Nora") in names
    assert any("\x1b[2J" in first for _last, first in names)
    assert any(first == "Zoë " for _last, first in names)
    assert any(first == "Ngô Thị" for _last, first in names)
    assert any(len(last) == 300 for last, _first in names)
    assert all(known[i].email.isascii() for (i,) in by_kind(small, "hostile_name"))


def test_hand_made_people_meet_their_erp_twin_as_said(big: School) -> None:
    known = {one.identity: one for one in big.learners}
    made = {one.identity: one for one in big.handmade if one.kind == "learner"}
    for dirt in big.dirt:
        if dirt.same is None or dirt.record_kind != "learner":
            continue
        erp, hand = known[dirt.identities[0]], made[dirt.identities[-1]]
        same_name = same_name_key(erp.last_name, erp.first_name) == same_name_key(
            hand.fields["LASTNAME"], hand.fields["FIRSTNAME"]
        )
        assert dirt.same == (erp.identity == hand.identity)
        assert same_name == (dirt.kind != "archived_other_name")
        same_email = dirt.kind in ("same_person", "archived", "archived_other_name")
        assert (erp.email == hand.fields["EMAIL"]) == same_email
        assert erp.email == erp.portal_email
        assert hand.archived == dirt.kind.startswith("archived")
    assert all(made[i].identity not in known for (i,) in by_kind(big, "stranger"))


def test_hand_made_references_name_hand_made_records(small: School) -> None:
    made = {one.identity for one in small.handmade}
    for one in small.handmade:
        fields = one.fields
        named = [*fields.get("STUDENTS", ()), *fields.get("SCHOOL_GROUP", ())]
        assert set(named) | ({fields["PROFESSOR"]} if "PROFESSOR" in fields else set()) <= made
    sheets = [one for one in small.handmade if one.kind == "sheet"]
    assert all(datetime.fromisoformat(s.fields["START"]).date() > START for s in sheets)


def test_dirty_sessions_fall_in_the_first_week(big: School) -> None:
    known = {one.identity: one for one in big.sessions}
    for kind in ("no_end", "no_learners", "no_trainer"):
        for (identity,) in by_kind(big, kind):
            session = known[identity]
            assert START < session.day <= START + timedelta(days=6)
            assert (session.end is None, not session.learners, not session.staff) == (
                kind == "no_end", kind == "no_learners", kind == "no_trainer",
            )  # fmt: skip


def test_autumn_night_has_an_hour_that_comes_twice() -> None:
    school = School.seeded(1, 60, date(2026, 10, 20))
    starts = {s.start for s in school.sessions if s.day == date(2026, 10, 25)}
    assert {time(1, 30), time(2, 15)} <= starts
    at = true_instant(date(2026, 10, 25), time(2, 15), school.zone)
    assert at == datetime(2026, 10, 25, 0, 15, tzinfo=UTC)


@pytest.mark.parametrize("nonexistent", [False, True])
def test_spring_night_skips_an_hour(nonexistent: bool) -> None:
    school = School.seeded(1, 60, date(2027, 3, 24), nonexistent_times=nonexistent)
    night = [s for s in school.sessions if s.day == date(2027, 3, 28)]
    missing = [s for s in night if true_instant(s.day, s.start, school.zone) is None]
    assert [s.start for s in missing] == ([time(2, 15)] if nonexistent else [])
    assert bool(by_kind(school, "nonexistent_time")) == nonexistent
    assert all(true_instant(s.day, s.end, school.zone) for s in night)


# The script of hand edits


def three_days(school: School, seed: int = 7) -> tuple[Edit, ...]:
    return script(school, random.Random(seed), [START + timedelta(days=n) for n in range(3)], WINDOWS)


def test_script_is_the_same_each_time(big: School) -> None:
    assert three_days(big) == three_days(big)
    assert three_days(big) != three_days(big, seed=8)


def test_script_has_every_story(big: School) -> None:
    assert {edit.story for edit in three_days(big)} == {
        "email_fixed", "name_corrected", "phone_changed", "room_changed", "session_moved", "session_cancelled",
        "session_cancelled_soon", "departed", "added", "moved_group", "speaker_replaced", "email_edited",
        "name_edited", "both_emails_differ", "both_names_differ", "both_emails_same", "added_to_sheet",
        "removed_from_sheet", "sheet_room_edited", "archived_by_hand", "swapped", "session_shifted",
    }  # fmt: skip


@pytest.mark.parametrize("learners", [40, 60, 2000])
def test_nobody_edits_in_the_last_two_occurrences(learners: int) -> None:
    school = School.seeded(9, learners, START)
    last_but_one = datetime(2026, 11, 26, 10, 30, tzinfo=UTC)
    assert all(edit.at < last_but_one for edit in three_days(school))


def test_each_identity_has_one_story_and_no_dirt_but_the_missing_email(big: School) -> None:
    stories: dict[str, set[tuple[str, int]]] = {}
    for edit in three_days(big):
        named = [edit.identity]
        if edit.side == "edusign" and edit.action != "edit":
            named += [learner for _name, learner in edit.value]
        for identity in named:
            stories.setdefault(identity, set()).add((edit.story, 0))
    assert all(len(found) == 1 for found in stories.values())
    fixed = {edit.identity for edit in three_days(big) if edit.story == "email_fixed"}
    assert (set(stories) & big.dirty()) == fixed


def test_cancelled_sessions_are_far_or_near_as_said(big: School) -> None:
    known = {one.identity: one for one in big.sessions}
    for edit in three_days(big):
        if edit.action == "cancel_session":
            days = (known[edit.identity].day - edit.at.date()).days
            assert days == 1 if edit.expect == "held" else 3 <= days <= 6


def test_too_few_occurrences_give_no_script(small: School) -> None:
    assert script(small, random.Random(1), [START], WINDOWS) == ()
