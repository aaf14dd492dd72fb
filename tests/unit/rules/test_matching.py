"""R07–R12: which Edusign record an ERP record is. (R08's look before a create is in test_apply.)"""

from __future__ import annotations

from datetime import timedelta

from engine.planning.moves import followed, paired
from engine.records import Kind, Sheet, Speaker
from tests.unit.rules.school_kit import (
    DAY,
    HOUR,
    NOW,
    OURS,
    School,
    changes,
    group,
    ids,
    learner,
    only,
    session,
    small_school,
    speaker,
    told,
)


def by(school: School) -> dict[str, tuple[str, str]]:
    """ERP key → (Edusign id, how it was found)."""
    return {f.erp_id: (f.seen.id, f.by) for f in school.matched().found}


def test_R07_a_link_goes_before_everything() -> None:
    school = small_school().by_hand(learner("e9", email="l1@ecole.example", last_name="DupontL1"))
    assert school.matched().found == () and school.plan().changes == ()


def test_R07_the_key_under_our_type_makes_a_link() -> None:
    school = (
        School()
        .erp(learner("L1"))
        .by_hand(learner("e1", email="other@mail.example"), api_id="L1", api_type=OURS)
    )
    assert by(school) == {"L1": ("e1", "api_id")}


def test_R07_the_key_under_another_type_says_nothing() -> None:
    school = School().erp(learner("L1")).by_hand(learner("e1"), api_id="L1", api_type="hyperplanning")
    school.edusign["learner"]["e1"] = school.edusign["learner"]["e1"].model_copy(
        update={"record": learner("e1", last_name="Quite", first_name="Different", email="x@mail.example")}
    )
    assert school.matched().new == (("learner", "L1"),)


def test_R07_the_key_goes_before_the_email_whatever_order_rows_come_in() -> None:
    for first, second in ((learner("A"), learner("B")), (learner("B"), learner("A"))):
        school = School().erp(first).erp(second)
        school.by_hand(learner("e1", last_name="DupontA", email="a@ecole.example"), api_id="B", api_type=OURS)
        assert by(school)["B"] == ("e1", "api_id")
        assert "A" not in by(school)


def test_R07_an_email_unique_on_both_sides_with_the_same_name_makes_a_link() -> None:
    school = School().erp(learner("L1", last_name="Ngô", first_name="Thị"))
    school.by_hand(learner("e1", last_name="THI", first_name="ngo", email="L1@ecole.example "))
    assert by(school) == {"L1": ("e1", "email")}


def test_R07_an_email_of_two_edusign_records_proves_nothing_even_when_one_is_linked() -> None:
    school = School().both(learner("L1", email="shared@ecole.example"))
    school.erp_edits("learner", "L1", email="l1@ecole.example")
    school.erp(learner("L2", email="shared@ecole.example"))
    school.by_hand(learner("e2", last_name="DupontL2", email="shared@ecole.example"))
    assert by(school) == {}
    assert [b.edusign_id for b in school.matched().blocks] == ["e2"]


def test_R07_no_link_is_made_by_email_from_an_incomplete_listing() -> None:
    school = School().erp(learner("L1")).by_hand(learner("e1", last_name="DupontL1", email="l1@ecole.example"))
    assert only(school.plan()).verb == "link"
    school.complete_erp -= {"learner"}
    assert school.plan().changes == ()


def test_R07_once_linked_an_email_is_a_field_like_others() -> None:
    school = small_school().erp_edits("learner", "L1", email="l2@ecole.example")
    school.erp_edits("learner", "L2", email="l1@ecole.example")
    assert {(c.erp_id, c.after["email"]) for c in school.plan().changes} == {
        ("L1", "l2@ecole.example"),
        ("L2", "l1@ecole.example"),
    }


def test_R07_adopting_stamps_our_key_and_takes_the_erps_name() -> None:
    school = School().erp(learner("L1", last_name="Müller-Weiß", phone="0612345678"))
    school.by_hand(learner("e1", last_name="MULLER WEISS", email="l1@ecole.example", phone="0699999999"))
    made = school.plan()
    change = only(made)
    assert (change.verb, change.edusign_id, change.stamp, change.api_id) == ("link", "e1", True, "L1")
    assert change.after == {"last_name": "Müller-Weiß"}
    assert [c.field for c in made.conflicts] == ["phone"]
    assert "phone" not in change.base_after and change.base_after["email"] == "l1@ecole.example"


def test_R07_adopting_a_group_keeps_who_a_person_put_there() -> None:
    school = School().both(learner("L1"), learner("L2")).erp(group("G1", "L1", "L2"))
    school.by_hand(group("e1", "e-learner-L1", "e-hand"), api_id="G1", api_type=OURS)
    change = only(school.plan())
    assert change.after["members"] == ids("L1", "L2", "edusign:e-hand")
    assert change.base_after["members"] == ids("L1", "L2")


def test_R09_the_same_name_with_another_email_blocks_that_one_create() -> None:
    school = School().erp(learner("L1")).erp(learner("L2"))
    school.by_hand(learner("e1", last_name="Jeanne", first_name="DUPONTL1", email="home@mail.example"))
    made = school.plan()
    assert [(b.erp_id, b.edusign_id, b.code) for b in made.blocks] == [("L1", "e1", "same_name")]
    assert [c.erp_id for c in changes(made, "create")] == ["L2"]


def test_R09_the_same_email_under_another_name_blocks() -> None:
    school = School().erp(learner("L1")).by_hand(learner("e1", last_name="Petit", email="l1@ecole.example"))
    assert [b.code for b in school.matched().blocks] == ["same_email_other_name"]


def test_R09_a_person_who_says_same_makes_the_link() -> None:
    school = School().erp(learner("L1")).by_hand(learner("e1", last_name="DupontL1", email="home@mail.example"))
    school.pairs = {("learner", "L1", "e1"): "same"}
    assert by(school) == {"L1": ("e1", "decision")}


def test_R09_a_person_who_says_different_lets_the_create_go() -> None:
    school = School().erp(learner("L1")).by_hand(learner("e1", last_name="DupontL1", email="home@mail.example"))
    school.pairs = {("learner", "L1", "e1"): "different"}
    assert school.matched().new == (("learner", "L1"),)


def test_R09_a_linked_record_is_nobody_elses_candidate() -> None:
    school = School().both(learner("L1", last_name="Durand")).erp(learner("L2", last_name="Durand"))
    assert school.matched().new == (("learner", "L2"),)


def test_R09_two_records_under_one_key_ask() -> None:
    school = School().erp(learner("L1"))
    for id in ("e1", "e2"):
        school.by_hand(learner(id, email=f"{id}@mail.example"), api_id="L1", api_type=OURS)
    assert [(b.edusign_id, b.code) for b in school.matched().blocks] == [
        ("e1", "same_key_twice"),
        ("e2", "same_key_twice"),
    ]


def test_R09_a_hand_made_sheet_at_the_same_hour_for_the_same_people_blocks() -> None:
    school = small_school().erp(session("S2", "L1", starts=DAY))
    school.by_hand(session("e9", starts=DAY + timedelta(minutes=5), groups=ids("e-group-G1"), speakers=ids()))
    assert [(b.erp_id, b.code) for b in school.matched().blocks] == [("S2", "same_hour_same_people")]
    school.by_hand(session("e9", starts=DAY + timedelta(minutes=6), groups=ids("e-group-G1"), speakers=ids()))
    assert school.matched().blocks == ()


def test_R09_nothing_else_waits_for_a_blocked_person() -> None:
    school = small_school(learners=2).erp(learner("L9")).erp(session("S2", "L1", "L9", starts=DAY))
    school.by_hand(learner("e9", last_name="DupontL9", email="home@mail.example"))
    make = only(school.plan())
    assert (make.key, make.after["learners"]) == (("sheet", "S2"), ids("L1"))


def test_R10_another_connectors_record_is_linked_but_never_written() -> None:
    school = School().erp(speaker("P1", last_name="Martin")).both(learner("L1"), group("G1", "L1"))
    school.by_hand(
        speaker("e1", last_name="MARTIN", email="p1@profs.example"), api_id="77", api_type="hyperplanning"
    )
    school.erp(session("S1", "L1"))
    made = school.plan()
    link, make = made.changes
    assert (link.verb, link.read_only, link.stamp, link.after) == ("link", True, False, {})
    assert (make.verb, make.after["speakers"]) == ("create", ids("P1"))
    assert not changes(made, "create", "speaker")


def test_R10_a_read_only_link_is_never_written() -> None:
    school = small_school()
    for kind, erp_id in (("learner", "L1"), ("speaker", "P1")):
        link = school.links.get(kind, erp_id)  # type: ignore[arg-type]
        assert link is not None
        school.links.put(link.model_copy(update={"read_only": True}))
    school.erp_edits("learner", "L1", last_name="Durand", email="new@ecole.example")
    school.erp_ends("speaker", "P1")
    made = school.plan()
    assert not [c for c in made.changes if c.kind in ("learner", "speaker")]
    assert made.conflicts == () and made.tasks == ()


def test_R11_a_speaker_of_several_schools_is_not_renamed() -> None:
    school = small_school().edusign_marks("speaker", "P1", shared=True)
    school.erp_edits("speaker", "P1", last_name="Martin-Petit", phone="+33612345678")
    made = school.plan()
    assert only(made).after == {"phone": "+33612345678"}
    assert told(made) == {("P1", "shared_speaker_renamed")}


def test_R11_a_speaker_of_several_schools_is_not_archived() -> None:
    school = small_school().edusign_marks("speaker", "P1", shared=True).erp_ends("speaker", "P1")
    made = school.plan()
    assert changes(made, "archive") == [] and ("P1", "shared_speaker_left") in told(made)


def test_R11_adopting_a_shared_speaker_renames_nobody() -> None:
    school = School().erp(speaker("P1", last_name="Ngô-Weiß"))
    shared = Speaker(id="e1", last_name="NGO WEISS", first_name="Paul", email="p1@profs.example")
    school.by_hand(shared, shared=True)
    change = only(school.plan())
    assert (change.verb, change.after) == ("link", {})
    assert "last_name" not in change.base_after


# R12


def moved(school: School, *new: Sheet, gone: tuple[str, ...] = ("S1",)) -> dict[str, str]:
    vanished = [link for key in gone if (link := school.links.get("sheet", key))]
    return paired(new, vanished, school.edusign["sheet"], school.links)


def test_R12_a_vanished_and_a_new_session_of_the_same_meeting_are_a_move() -> None:
    school = small_school()
    assert moved(school, session("S9", "L1", starts=4 * DAY, name="Course S1")) == {"S1": "S9"}


def test_R12_another_course_group_speaker_or_duration_is_no_move() -> None:
    school = small_school().both(group("G2"), speaker("P2"))
    for other in (
        session("S9", "L1", starts=4 * DAY),
        session("S9", "L1", starts=4 * DAY, name="Course S1", groups=ids("G2")),
        session("S9", "L1", starts=4 * DAY, name="Course S1", speakers=ids("P2")),
        session("S9", "L1", starts=4 * DAY, name="Course S1", end=NOW + 4 * DAY + HOUR),
    ):
        assert moved(school, other) == {}


def test_R12_two_candidates_on_either_side_are_no_move() -> None:
    school = small_school().both(session("S2", "L1", starts=3 * DAY, name="Course S1"))
    one, two = (session(id, "L1", starts=n * DAY, name="Course S1") for id, n in (("S8", 4), ("S9", 5)))
    assert moved(school, one, two) == {}
    assert moved(school, one, gone=("S1", "S2")) == {}


def test_R12_what_a_person_changed_in_edusign_does_not_hide_a_move() -> None:
    school = small_school().edusign_edits("sheet", "S1", name="Renamed", room="Z9", end=NOW + 2 * DAY + HOUR)
    assert moved(school, session("S9", "L1", starts=4 * DAY, name="Course S1")) == {"S1": "S9"}


def test_R12_the_link_follows_the_key_with_its_base() -> None:
    school = small_school().erp_drops("sheet", "S1", missed_before=1)
    before = school.links.get("sheet", "S1")
    after = followed(school.links, {"S1": "S9"})
    link = after.get("sheet", "S9")
    assert before is not None and link is not None
    assert (link.edusign_id, link.base, link.missing) == (before.edusign_id, before.base, ())
    assert after.get("sheet", "S1") is None and len(after) == len(school.links)
    assert school.links.get("sheet", "S1") == before


def test_R12_pairs_do_not_depend_on_the_order_of_rows() -> None:
    school = small_school().both(session("S2", "L1", starts=3 * DAY))
    one = session("S8", "L1", starts=4 * DAY, name="Course S1")
    two = session("S9", "L1", starts=5 * DAY, name="Course S2")
    forward, backward = moved(school, one, two, gone=("S1", "S2")), moved(school, two, one, gone=("S2", "S1"))
    assert forward == backward == {"S1": "S8", "S2": "S9"}
    assert list(forward.items()) == list(backward.items())


def test_R09_blocks_and_links_do_not_depend_on_the_order_of_rows() -> None:
    def seen(kind: Kind, reverse: bool) -> School:
        school = School()
        people = [learner(f"L{n}", last_name="Durand") for n in (1, 2, 3)]
        for person in reversed(people) if reverse else people:
            school.erp(person)
        hand = [learner(f"e{n}", last_name="Durand", email=f"e{n}@mail.example") for n in (1, 2)]
        for record in reversed(hand) if reverse else hand:
            school.by_hand(record)
        return school

    assert seen("learner", False).matched() == seen("learner", True).matched()


def moving(school: School) -> School:
    """The same school under an ERP that names sessions by course and start."""
    school.keys_move = True
    return school


def test_R12_a_moved_session_keeps_its_sheet_under_its_new_key() -> None:
    school = moving(small_school()).erp_drops("sheet", "S1")
    school.erp(session("S9", "L1", "L2", "L3", starts=4 * DAY, name="Course S1"))
    made = school.plan()
    change = only(made)
    assert (change.verb, change.rule, change.erp_id, change.stamp, change.api_id) == (
        "link",
        "R12",
        "S9",
        True,
        "S9",
    )
    assert change.edusign_id == school.seen("sheet", "S1").id
    assert set(change.after) == {"start", "end"}
    assert set(change.base_after) == set(Sheet.fields)
    assert made.missing == ()


def test_R12_where_keys_stay_a_vanished_and_a_new_session_are_two() -> None:
    school = small_school().erp_drops("sheet", "S1")
    school.erp(session("S9", "L1", "L2", "L3", starts=4 * DAY, name="Course S1"))
    made = school.plan()
    assert [(c.verb, c.erp_id) for c in made.changes] == [("create", "S9")]
    assert made.missing == (("sheet", "S1"),)


def test_R12_a_sheet_that_may_no_longer_change_is_not_moved_and_its_successor_is_held() -> None:
    school = moving(small_school()).erp_drops("sheet", "S1")
    school.edusign_marks("sheet", "S1", locked=True)
    school.erp(session("S9", "L1", "L2", "L3", starts=4 * DAY, name="Course S1"))
    made = school.braked()
    assert [(c.verb, c.erp_id, c.hold) for c in made.changes] == [("create", "S9", "sealed")]
