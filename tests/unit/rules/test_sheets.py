"""R18–R20, R22, R24: what may still be done to a sheet."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from engine.observe import Observed
from engine.planning.brakes import Brakes, brake
from engine.planning.plan import plan
from engine.ports import School as EdusignSchool
from engine.records import Problem
from engine.windows import wall_time
from tests.unit.rules.school_kit import (
    DAY,
    HOUR,
    NOW,
    OURS,
    SCOPE,
    School,
    changes,
    ids,
    learner,
    only,
    rejected,
    session,
    small_school,
    speaker,
    told,
)

MINUTE = timedelta(minutes=1)
MOVED = {"start": NOW + 3 * DAY, "end": NOW + 3 * DAY + 2 * HOUR}
PROTECTED = [
    {"locked": True},
    {"signed_speakers": ids("e-speaker-P1")},
    {"signed_learners": ids("e-learner-L1")},
]


@pytest.mark.parametrize(("starts", "written"), [(16 * MINUTE, True), (15 * MINUTE, False), (-HOUR, False)])
def test_R18_from_15_minutes_before_its_start_a_sheet_is_not_changed(starts: timedelta, written: bool) -> None:
    school = small_school(sessions=[session("S1", "L1", starts=starts)]).erp_edits("sheet", "S1", room="A1")
    made = school.plan()
    assert bool(made.changes) is written
    assert (("S1", "too_late_to_change") in told(made)) is not written


@pytest.mark.parametrize("flags", PROTECTED)
def test_R18_a_locked_or_signed_sheet_is_not_changed(flags: dict[str, object]) -> None:
    made = small_school().edusign_marks("sheet", "S1", **flags).erp_edits("sheet", "S1", room="A1").plan()
    assert made.changes == () and told(made) == {("S1", "too_late_to_change")}
    assert made.notices[0].data["room"] == ["B12", "A1"]


def test_R18_its_people_still_come_by_the_attendance_route() -> None:
    school = small_school(learners=2).both(learner("L3")).edusign_marks("sheet", "S1", signed_speakers=ids("p"))
    school.erp_edits("sheet", "S1", learners=ids("L1", "L3"), room="A1")
    assert {(c.verb, c.token) for c in school.plan().changes} == {("add", "L3"), ("remove", "L2")}


def test_R18_somebody_who_signed_is_not_taken_off() -> None:
    school = small_school(learners=2).edusign_marks("sheet", "S1", signed_learners=ids("e-learner-L2"))
    assert school.erp_edits("sheet", "S1", learners=ids("L1")).plan().changes == ()


def test_R18_a_locked_sheet_keeps_its_roster() -> None:
    school = small_school(learners=2).both(learner("L3")).edusign_marks("sheet", "S1", locked=True)
    assert school.erp_edits("sheet", "S1", learners=ids("L1", "L3")).plan().changes == ()


def test_R18_adopting_a_protected_sheet_writes_nothing_on_it() -> None:
    school = small_school().erp(session("S2", "L1", starts=DAY, room="A1"))
    hand = session("e9", starts=DAY, groups=ids("e-group-G1"), speakers=ids("e-speaker-P1"), room="Z9")
    school.by_hand(hand.model_copy(update={"learners": ids("e-learner-L1")}), locked=True)
    school.pairs = {("sheet", "S2", "e9"): "same"}
    change = only(school.plan())
    assert (change.verb, change.after, change.stamp) == ("link", {}, False)


@pytest.mark.parametrize("flags", PROTECTED)
def test_R19_a_signed_or_locked_sheet_whose_session_moved_is_sealed_and_a_new_one_held(
    flags: dict[str, object],
) -> None:
    school = small_school().edusign_marks("sheet", "S1", **flags).erp_edits("sheet", "S1", **MOVED)
    seal, make = school.braked().changes
    assert (seal.verb, seal.edusign_id, seal.hold) == ("seal", "e-sheet-S1", "")
    assert (make.verb, make.api_id, make.hold) == ("create", "S1#2", "sealed")
    assert (make.after["start"], make.after["learners"]) == (MOVED["start"], ids("L1", "L2", "L3"))


def sealed_school() -> School:
    """After the seal was written: no link, the sheet still stands under its API_ID."""
    school = small_school().edusign_marks("sheet", "S1", locked=True).erp_edits("sheet", "S1", **MOVED)
    school.links.drop("sheet", "S1")
    school.sealed = {"S1": ("e-sheet-S1",)}
    return school


def test_R19_a_sealed_sheet_is_not_found_again_by_its_key() -> None:
    assert sealed_school().matched().found == ()


def test_R19_the_new_sheet_is_the_same_change_and_still_held_once_the_seal_is_written() -> None:
    before = small_school().edusign_marks("sheet", "S1", locked=True).erp_edits("sheet", "S1", **MOVED).braked()
    change = only(sealed_school().braked())
    assert (change.hold, change.api_id) == ("sealed", "S1#2")
    assert change.id in {c.id for c in before.changes}
    assert only(sealed_school().braked(approved=frozenset({change.id}))).hold == ""


def test_R19_a_third_sheet_has_a_third_key() -> None:
    school = sealed_school()
    school.sealed = {"S1": ("e-sheet-S1", "e-other")}
    assert only(school.plan()).api_id == "S1#3"


def test_R19_a_person_of_the_same_number_as_a_sealed_session_is_no_second_sheet() -> None:
    school = sealed_school().erp(learner("S1", email="s1@ecole.example"))
    (make,) = changes(school.braked(), "create", "learner")
    assert (make.api_id, make.hold) == ("S1", "")


def test_R19_a_session_moved_into_the_past_gets_no_new_sheet() -> None:
    school = small_school().edusign_marks("sheet", "S1", locked=True)
    school.erp_edits("sheet", "S1", start=NOW - DAY, end=NOW - DAY + HOUR)
    assert only(school.plan()).verb == "seal"


def test_R19_a_signed_sheet_a_person_moved_in_edusign_is_not_sealed() -> None:
    school = small_school().edusign_edits("sheet", "S1", **MOVED)
    school.edusign_marks("sheet", "S1", signed_speakers=ids("e-speaker-P1"))
    made = school.plan()
    assert made.changes == () and told(made) == {("S1", "too_late_to_change")}


def test_R19_another_room_alone_seals_nothing() -> None:
    school = small_school().edusign_marks("sheet", "S1", locked=True).erp_edits("sheet", "S1", room="A1")
    assert changes(school.plan(), "seal") == []


def test_R20_a_sheets_people_come_from_its_session_not_from_todays_group() -> None:
    school = small_school(sessions=[session("S1", "L1", "L2")]).both(learner("L4"))
    school.erp_edits("group", "G1", members=ids("L1", "L4"))
    made = school.plan()
    assert [c.key for c in made.changes] == [("group", "G1")]


def test_R20_a_started_sheet_loses_nobody() -> None:
    school = small_school(sessions=[session("S1", "L1", "L2", starts=-HOUR)])
    assert school.erp_edits("sheet", "S1", learners=ids("L1")).plan().changes == ()


def test_R20_an_ended_sheet_is_left_alone() -> None:
    school = small_school(sessions=[session("S1", "L1", starts=-3 * HOUR)])
    assert school.erp_edits("sheet", "S1", learners=ids("L1", "L2")).plan().changes == ()


def test_R20_a_new_sheet_has_the_sessions_people() -> None:
    school = small_school().erp(session("S2", "L1", "L2", starts=DAY))
    change = only(school.plan())
    assert (change.api_id, change.after["learners"]) == ("S2", ids("L1", "L2"))


def test_R20_a_session_already_begun_gets_no_sheet_but_a_notice() -> None:
    made = small_school().erp(session("S2", "L1", starts=-MINUTE)).plan()
    assert made.changes == () and told(made) == {("S2", "already_started")}


def test_R20_a_sheet_waits_for_its_only_speaker() -> None:
    school = small_school().erp(session("S2", "L1", starts=DAY, speakers=ids("P9")))
    school.erp(speaker("P9"))
    assert {c.key for c in school.plan().changes} == {("speaker", "P9"), ("sheet", "S2")}
    school.complete_edusign -= {"speaker"}
    made = school.plan()
    assert made.changes == () and told(made) == {("S2", "waits_for_speaker")}


def test_R22_a_time_that_does_not_exist_rejects_the_session() -> None:
    problem = Problem(code="time_does_not_exist", field="start", evidence="28/03/2027 02:30", row=True)
    school = small_school().erp(session("S2", "L1"), problems=[problem])
    assert rejected(school.plan()) == {("S2", "time_does_not_exist")}


def test_R22_an_ambiguous_time_is_the_first_one_with_a_warning() -> None:
    problem = Problem(code="time_ambiguous", field="start", evidence="25/10/2026 02:30")
    school = small_school().erp_edits("sheet", "S1", start=NOW + DAY).erp_doubts("sheet", "S1", problem)
    made = school.plan()
    assert only(made).after == {"start": NOW + DAY}
    assert [(r.code, r.row) for r in made.rejections] == [("time_ambiguous", False)]


def test_R22_wall_times_over_both_nights() -> None:
    gap = wall_time(date(2027, 3, 28), time(2, 30), "Europe/Paris")
    assert gap.instant is None and not gap.exists
    twice = wall_time(date(2026, 10, 25), time(2, 30), "Europe/Paris")
    assert twice.ambiguous and twice.instant == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def observed(skew: timedelta) -> Observed:
    return Observed(
        at=NOW,
        scope=SCOPE,
        occurrence="o",
        school=EdusignSchool(id="1", name="Lyon", zone="Europe/Paris"),
        entries={},
        seen={},
        complete_erp=frozenset(),
        complete_edusign=frozenset(),
        skew=skew,
    )


def test_R24_started_is_judged_by_the_later_clock() -> None:
    assert observed(30 * MINUTE).latest == NOW + 30 * MINUTE
    assert observed(-30 * MINUTE).latest == NOW


@pytest.mark.parametrize(("seconds", "skewed"), [(60, False), (61, True), (-60, False), (-61, True)])
def test_R24_more_than_60_seconds_apart_is_skewed(seconds: int, skewed: bool) -> None:
    assert observed(timedelta(seconds=seconds)).skewed is skewed


def test_R24_a_skew_stops_sheets_and_nothing_else() -> None:
    school = small_school().erp(session("S2", "L1", starts=DAY)).erp_edits("learner", "L1", last_name="Durand")
    school.erp_edits("sheet", "S1", room="A1", learners=ids("L1"))
    made = school.braked(skewed=True)
    assert [c.kind for c in made.writable] == ["learner"]
    assert {c.skip for c in made.changes if c.kind == "sheet"} == {"clock_skew"}
    assert made.holds == ()


def test_R24_skipped_for_the_clock_is_written_when_it_is_back() -> None:
    school = small_school().erp_edits("sheet", "S1", room="A1")
    made = brake(plan(school.inputs()), school.links, Brakes(now=NOW))
    assert only(made).skip == "" and school.seen("sheet", "S1").api_type == OURS
