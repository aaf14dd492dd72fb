"""R13–R17: gone, cancelled, rejected."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.config_models import DEFAULT_LIMITS
from engine.planning.situation import Presence
from engine.records import Entry, Kind, Problem, Record
from tests.unit.rules.school_kit import (
    DAY,
    HOUR,
    NOW,
    School,
    changes,
    group,
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


def leaver(missed_before: int, state: Presence | None = None) -> School:
    """L3 stands in no group and on no session, and the ERP no longer shows them."""
    school = (
        small_school(learners=2).both(learner("L3")).erp_drops("learner", "L3", missed_before=missed_before)
    )
    if state:
        school.sightings["learner", "L3"] = state
    return school


def test_R13_once_missing_is_not_gone() -> None:
    made = leaver(0).plan()
    assert made.changes == () and made.missing == (("learner", "L3"),)


def test_R13_missing_from_two_occurrences_and_confirmed_is_gone() -> None:
    change = only(leaver(1, "gone").plan())
    assert (change.verb, change.erp_id) == ("archive", "L3")


def test_R13_missing_twice_within_one_occurrence_is_once() -> None:
    school = leaver(0, "gone")
    link = school.links.get("learner", "L3")
    assert link is not None
    school.links.put(link.model_copy(update={"missing": (school.occurrence,)}))
    assert school.plan().changes == ()


@pytest.mark.parametrize(("missed_before", "gone"), [(1, False), (2, True)])
def test_R13_where_nothing_can_confirm_a_third_observation_does(missed_before: int, gone: bool) -> None:
    assert bool(changes(leaver(missed_before, "unknown").plan(), "archive")) is gone
    assert bool(changes(leaver(missed_before).plan(), "archive")) is gone


def test_R13_seen_alive_singly_is_never_gone() -> None:
    made = leaver(9, "alive").plan()
    assert made.changes == () and made.missing == (("learner", "L3"),)


def test_R13_shown_again_starts_from_none() -> None:
    school = small_school()
    link = school.links.get("learner", "L1")
    assert link is not None
    school.links.put(link.model_copy(update={"missing": ("a", "b")}))
    assert school.plan().found_again == (("learner", "L1"),)


def test_R13_what_the_erp_ends_is_gone_at_once() -> None:
    school = small_school(learners=2).both(learner("L3")).erp_ends("learner", "L3")
    school.erp_ends("sheet", "S1")
    assert {(c.verb, c.erp_id) for c in school.plan().changes} == {("archive", "L3"), ("withdraw", "S1")}


def test_R13_a_sheet_beyond_the_dates_read_is_not_missing() -> None:
    school = small_school().both(session("S2", "L1", starts=20 * DAY), session("S3", "L1", starts=-2 * DAY))
    school.erp_drops("sheet", "S2", missed_before=5).erp_drops("sheet", "S3", missed_before=5)
    made = school.plan()
    assert made.changes == () and made.missing == ()


@pytest.mark.parametrize("kind", ["learner", "speaker", "group", "sheet"])
def test_R13_an_incomplete_listing_creates_and_removes_nothing(kind: Kind) -> None:
    erp_id = {"learner": "L1", "speaker": "P1", "group": "G1", "sheet": "S1"}[kind]
    school = small_school().erp_drops(kind, erp_id, missed_before=5)
    new: dict[Kind, Record] = {"learner": learner("L9"), "speaker": speaker("P9"), "group": group("G9")}
    school.erp(new.get(kind, session("S9", "L2")))
    school.complete_erp -= {kind}
    assert not [c for c in school.plan().changes if c.kind == kind]


def test_R13_an_incomplete_listing_takes_nobody_off_a_roster() -> None:
    school = small_school(learners=3).both(learner("L4"))
    school.erp_edits("group", "G1", members=ids("L1", "L4")).erp_edits("sheet", "S1", learners=ids("L1", "L4"))
    school.complete_erp -= {"group", "sheet"}
    made = school.plan()
    assert changes(made, "remove") == [] and [c.token for c in changes(made, "add")] == ["L4"]
    (update,) = changes(made, "update")
    assert update.after == {"members": ids("L1", "L2", "L3", "L4")}
    school.complete_erp |= {"group", "sheet"}
    assert {c.token for c in changes(school.plan(), "remove")} == {"L2", "L3"}


def test_R13_an_incomplete_list_of_learners_takes_nobody_off_either() -> None:
    school = small_school(learners=3).erp_ends("learner", "L3")
    school.complete_erp -= {"learner"}
    assert school.plan().changes == ()


def test_R13_nothing_is_concluded_from_an_incomplete_edusign_listing() -> None:
    school = small_school().erp(learner("L9")).erp_edits("learner", "L1", last_name="Durand")
    school.edusign["learner"].clear()
    school.complete_edusign -= {"learner"}
    assert school.plan().changes == ()


def test_R13_a_link_edusign_does_not_list_is_not_made_again_before_it_was_looked_up() -> None:
    school = small_school()
    school.edusign["learner"].pop("e-learner-L1")
    made = school.plan()
    assert made.changes == () and told(made) == {("L1", "not_listed")}


def test_R14_a_learner_who_left_is_first_taken_off_groups_and_future_sheets() -> None:
    made = small_school(sessions=[session("S1", "L1", "L3"), session("S2", "L3", starts=-HOUR)]).erp_ends(
        "learner", "L3"
    ).plan()  # fmt: skip
    assert [(c.verb, c.erp_id) for c in made.changes] == [("update", "G1"), ("remove", "S1"), ("archive", "L3")]
    assert made.changes[0].after == {"members": ids("L1", "L2")}


def test_R14_a_learner_on_a_sheet_of_the_next_24_hours_is_held_and_stays_on_it() -> None:
    near, far = session("S1", "L1", "L3", starts=23 * HOUR), session("S2", "L1", "L3", starts=3 * DAY)
    made = small_school(sessions=[near, far]).erp_ends("learner", "L3").braked()
    assert {(c.verb, c.erp_id, c.hold) for c in made.changes if c.hold} == {
        ("remove", "S1", "soon"),
        ("archive", "L3", "soon"),
    }
    assert [(c.verb, c.erp_id) for c in made.writable] == [("remove", "S2")]
    (group_update,) = changes(made, "update")
    assert group_update.skip == "waits"


def test_R14_others_still_leave_a_group_that_somebody_held_stays_in() -> None:
    school = small_school(sessions=[session("S1", "L1", "L3", starts=23 * HOUR)]).erp_ends("learner", "L3")
    school.erp_edits("group", "G1", members=ids("L1", "L3"))
    (update,) = changes(school.braked(), "update")
    assert update.after == {"members": ids("L1", "L3")} and update in school.braked().writable
    assert update.base_after == {"members": ids("L1", "L3")}


def test_R14_approved_they_go() -> None:
    school = small_school(sessions=[session("S1", "L1", "L3", starts=23 * HOUR)]).erp_ends("learner", "L3")
    held = frozenset(c.id for c in school.braked().changes if c.hold)
    made = school.braked(approved=held)
    assert [c.verb for c in made.writable] == ["update", "remove", "archive"] and made.holds == ()


def test_R14_a_day_and_more_away_is_not_held() -> None:
    school = small_school(sessions=[session("S1", "L1", "L3", starts=24 * HOUR)]).erp_ends("learner", "L3")
    assert school.braked().holds == ()


def test_R14_nobody_is_archived_while_leaving_a_sheet_waits() -> None:
    school = small_school().erp_ends("learner", "L3")
    (off,) = changes(school.plan(), "remove")
    made = school.braked(refused=frozenset({off.id}))
    assert [c.skip for c in changes(made, "archive")] == ["waits"]
    assert [c.skip for c in changes(school.braked(skewed=True), "archive")] == ["waits"]


def test_R14_the_speaker_who_left_is_replaced_before_being_archived() -> None:
    school = small_school().both(speaker("P2")).erp_ends("speaker", "P1")
    school.erp_edits("sheet", "S1", speakers=ids("P2"))
    update, archive = school.plan().changes
    assert (update.verb, update.after, archive.verb) == ("update", {"speakers": ids("P2")}, "archive")


def test_R14_a_group_that_is_gone_is_left_by_our_members_and_listed() -> None:
    school = small_school(learners=2)
    school.edusign_edits("group", "G1", members=ids("e-learner-L1", "e-learner-L2", "e-hand"))
    school.erp_drops("group", "G1", missed_before=2).erp_edits("sheet", "S1", groups=ids())
    made = school.plan()
    (update,) = changes(made, "update", "group")
    assert update.after == {"members": ids("edusign:e-hand")}
    assert ("G1", "group_gone") in told(made)
    assert not [c for c in made.changes if c.kind == "group" and c.verb != "update"]


def test_R15_a_cancelled_future_sheet_is_withdrawn_with_its_before_image() -> None:
    change = only(small_school().erp_ends("sheet", "S1").plan())
    assert (change.verb, change.before["learners"]) == ("withdraw", ids("L1", "L2", "L3"))
    assert set(change.before) == {"name", "start", "end", "room", "groups", "speakers", "learners"}


@pytest.mark.parametrize(
    "flags",
    [{"locked": True}, {"signed_speakers": ids("e-speaker-P1")}, {"signed_learners": ids("e-learner-L1")}],
)
def test_R15_a_locked_or_signed_sheet_is_left_and_listed(flags: dict[str, object]) -> None:
    made = small_school().edusign_marks("sheet", "S1", **flags).erp_ends("sheet", "S1").plan()
    assert made.changes == () and told(made) == {("S1", "cancelled_but_kept")}


@pytest.mark.parametrize(("starts", "kept"), [(-HOUR, True), (15 * MINUTE, True), (16 * MINUTE, False)])
def test_R15_a_sheet_about_to_start_or_begun_is_left(starts: timedelta, kept: bool) -> None:
    made = small_school(sessions=[session("S1", "L1", starts=starts)]).erp_ends("sheet", "S1").plan()
    assert (("S1", "cancelled_but_kept") in told(made)) is kept and bool(made.changes) is not kept


def test_R15_a_sheet_that_is_not_ours_is_left() -> None:
    school = small_school().edusign_marks("sheet", "S1", api_id="", api_type="").erp_ends("sheet", "S1")
    assert school.plan().changes == ()


@pytest.mark.parametrize(("starts", "held"), [(2 * HOUR, "soon"), (24 * HOUR, "")])
def test_R15_a_withdrawal_within_24_hours_is_held(starts: timedelta, held: str) -> None:
    school = small_school(sessions=[session("S1", "L1", starts=starts)]).erp_ends("sheet", "S1")
    assert only(school.braked()).hold == held


def test_R15_withdrawals_beyond_5_percent_of_the_horizon_are_held() -> None:
    past = [session(f"H{n}", "L1", starts=-10 * DAY) for n in range(500)]
    ahead = [session(f"S{n}", "L1", starts=2 * DAY + n * HOUR / 10) for n in range(100)]
    school = small_school(sessions=past + ahead)
    for n in range(6):
        school.erp_ends("sheet", f"S{n}")
    made = school.braked(limits=DEFAULT_LIMITS)
    assert [h.cause for h in made.holds] == ["limit withdraw sheet"] and len(made.holds[0].changes) == 6


INVALID = {"email": "not an address"}


def test_R16_a_linked_record_that_turns_invalid_keeps_link_base_and_sheets() -> None:
    made = small_school().erp_edits("learner", "L1", **INVALID).plan()
    assert made.changes == () and made.missing == () and made.base_moves == ()
    assert rejected(made) == {("L1", "invalid_email")}


def test_R16_the_invalid_linked_learner_still_comes_onto_sheets() -> None:
    school = small_school(sessions=[session("S1", "L1")]).erp_edits("learner", "L2", **INVALID)
    school.erp_edits("sheet", "S1", learners=ids("L1", "L2"))
    assert only(school.plan()).token == "L2"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"email": ""}, "missing_email"),
        ({"email": "  "}, "missing_email"),
        ({"email": "a@b@c"}, "invalid_email"),
        ({"last_name": "", "first_name": " "}, "missing_name"),
    ],
)
def test_R16_a_new_person_that_cannot_be_taken_over_is_rejected_alone(
    values: dict[str, str], code: str
) -> None:
    school = School().erp(learner("L1", **values)).erp(learner("L2"))
    made = school.plan()
    assert rejected(made) == {("L1", code)} and [c.erp_id for c in made.changes] == ["L2"]


def test_R16_the_same_key_twice_differently_is_rejected_and_twice_the_same_is_once() -> None:
    school = (
        School().erp(learner("L1")).erp(learner("L1", last_name="Other")).erp(learner("L2")).erp(learner("L2"))
    )
    made = school.plan()
    assert rejected(made) == {("L1", "id_twice")} and [c.erp_id for c in made.changes] == ["L2"]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"end": None}, "no_end_time"),
        ({"start": None}, "no_start_time"),
        ({"end": NOW}, "ends_before_start"),
        ({"learners": ids()}, "session_without_learners"),
        ({"learners": ids("L8")}, "session_without_accepted_learners"),
        ({"speakers": ids()}, "session_without_speaker"),
        ({"speakers": ids("P8")}, "session_without_accepted_speaker"),
    ],
)
def test_R16_a_session_that_cannot_be_a_sheet_is_rejected(values: dict[str, object], code: str) -> None:
    school = small_school().erp(session("S2", "L1", starts=DAY).model_copy(update=values))
    made = school.plan()
    assert rejected(made) == {("S2", code)} and made.changes == ()


def test_R16_a_stand_in_takes_the_sessions_without_a_speaker() -> None:
    school = small_school().erp(session("S2", "L1", speakers=ids()))
    record = school.checked(stand_in="P1").accepted["sheet"]["S2"].record
    assert record.value("speakers") == ids("P1")


def test_R16_a_rejected_learner_is_left_off_the_roster() -> None:
    school = small_school().erp(learner("L9", email="")).erp(session("S2", "L1", "L9", starts=DAY))
    assert only(school.plan()).after["learners"] == ids("L1")


def test_R16_a_wrong_value_is_no_rejected_row() -> None:
    school = School()
    problem = Problem(code="odd", field="phone", evidence="?")
    school.entries["learner"].append(Entry(record=learner("L1"), problems=(problem,)))
    made = school.plan()
    assert only(made).verb == "create" and [r.row for r in made.rejections] == [False]


def test_R17_a_shared_email_rejects_the_newcomer_not_the_holder() -> None:
    school = small_school().erp(learner("L9", email="L1@ecole.example"))
    made = school.plan()
    assert rejected(made) == {("L9", "shared_email")} and made.changes == ()


def test_R17_both_are_rejected_when_both_are_new() -> None:
    school = School().erp(learner("L1", email="x@ecole.example")).erp(learner("L2", email="X@ecole.example"))
    assert rejected(school.plan()) == {("L1", "shared_email"), ("L2", "shared_email")}


def test_R17_the_holder_is_the_linked_one_even_while_its_email_is_unsettled() -> None:
    school = small_school().base("learner", "L1", email=...).erp(learner("L9", email="l1@ecole.example"))
    assert rejected(school.plan()) == {("L9", "shared_email")}


def test_R17_the_same_address_of_a_learner_and_a_speaker_is_nobodys_fault() -> None:
    school = School().erp(learner("L1", email="x@ecole.example")).erp(speaker("P1", email="x@ecole.example"))
    assert rejected(school.plan()) == set()
