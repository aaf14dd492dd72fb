"""R01–R06: whose value stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from engine.planning.merge import Resolution, merge_roster
from engine.records import Kind, Problem, canonical
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


def test_R01_agreeing_sides_plan_nothing() -> None:
    made = small_school().plan()
    assert made.changes == () and made.base_moves == ()
    assert not (made.conflicts or made.tasks or made.notices or made.rejections or made.blocks)


@pytest.mark.parametrize(
    ("kind", "erp_id", "values"),
    [
        ("learner", "L1", {"last_name": "Durand"}),
        ("learner", "L1", {"email": "new@ecole.example"}),
        ("speaker", "P1", {"phone": "+33612345678"}),
        ("group", "G1", {"name": "BTS 1"}),
        ("sheet", "S1", {"room": "A1"}),
        ("sheet", "S1", {"start": NOW + DAY, "end": NOW + DAY + HOUR}),
    ],
)
def test_R01_a_field_changed_in_the_erp_alone_goes_to_edusign(
    kind: Kind, erp_id: str, values: dict[str, object]
) -> None:
    change = only(small_school().erp_edits(kind, erp_id, **values).plan())
    assert (change.verb, change.kind, change.after) == ("update", kind, values)
    assert change.overwrites == ()
    assert set(change.before) == set(values)


def test_R01_a_session_given_another_speaker_takes_it_along() -> None:
    school = small_school().both(speaker("P2")).erp_edits("sheet", "S1", speakers=ids("P2"))
    assert only(school.plan()).after == {"speakers": ids("P2")}


@pytest.mark.parametrize("field", ["email", "phone"])
@pytest.mark.parametrize(("kind", "erp_id"), [("learner", "L1"), ("speaker", "P1")])
def test_R02_a_contact_changed_in_edusign_alone_is_kept_as_a_task(kind: Kind, erp_id: str, field: str) -> None:
    value = {"email": "private@mail.example", "phone": "+33611111111"}[field]
    made = small_school().edusign_edits(kind, erp_id, **{field: value}).plan()
    assert made.changes == ()
    (task,) = made.tasks
    assert (task.kind, task.erp_id, task.field, task.edusign) == (kind, erp_id, field, value)
    assert task.erp != value


def test_R02_the_task_goes_when_the_erp_agrees() -> None:
    school = small_school().edusign_edits("learner", "L1", email="private@mail.example")
    made = school.erp_edits("learner", "L1", email="Private@mail.example").plan()
    assert made.tasks == () and made.changes == ()
    (move,) = made.base_moves
    assert move.base == {"email": "private@mail.example"}


@pytest.mark.parametrize(
    ("kind", "erp_id", "values"),
    [
        ("learner", "L1", {"first_name": "Jeannette"}),
        ("group", "G1", {"name": "Hand-made name"}),
        ("sheet", "S1", {"room": "Z9"}),
        ("sheet", "S1", {"start": NOW + DAY, "end": NOW + DAY + 2 * HOUR}),
        ("sheet", "S1", {"speakers": ids("e-speaker-P1", "e-other")}),
    ],
)
def test_R02_other_fields_changed_in_edusign_take_the_erps_value_with_a_before_image(
    kind: Kind, erp_id: str, values: dict[str, object]
) -> None:
    school = small_school()
    before = school.tokens(kind, erp_id)
    change = only(school.edusign_edits(kind, erp_id, **values).plan())
    assert set(change.after) == set(values) == set(change.overwrites)
    assert change.after == {name: before[name] for name in values}
    assert change.before == {name: school.tokens(kind, erp_id)[name] for name in values}


def test_R02_people_a_person_added_are_kept() -> None:
    school = small_school(learners=2).both(learner("L3"))
    school.edusign_edits("group", "G1", members=ids("e-learner-L1", "e-learner-L2", "e-learner-L3", "e-x"))
    school.edusign_edits("sheet", "S1", learners=ids("e-learner-L1", "e-learner-L2", "e-x"))
    assert school.plan().changes == ()


def test_R02_people_a_person_removed_are_put_back_on_future_sheets_and_groups() -> None:
    school = small_school(learners=2)
    school.edusign_edits("group", "G1", members=ids("e-learner-L1"))
    school.edusign_edits("sheet", "S1", learners=ids("e-learner-L2"))
    update, add = sorted(school.plan().changes, key=lambda c: c.verb, reverse=True)
    assert (update.kind, update.after, update.overwrites) == (
        "group",
        {"members": ids("L1", "L2")},
        ("members",),
    )
    assert (add.verb, add.token, add.overwrites) == ("add", "L1", ("learners",))


def test_R02_nobody_is_put_back_on_a_started_sheet() -> None:
    school = small_school(sessions=[session("S1", "L1", "L2", starts=-HOUR)])
    school.edusign_edits("sheet", "S1", learners=ids("e-learner-L2"))
    assert school.plan().changes == ()


def test_R02_what_the_erp_adds_still_reaches_a_running_sheet() -> None:
    school = small_school(sessions=[session("S1", "L1", starts=-HOUR)])
    school.erp_edits("sheet", "S1", learners=ids("L1", "L3"))
    assert only(school.plan()).token == "L3"


def test_R03_a_contact_changed_on_both_sides_asks() -> None:
    school = small_school().edusign_edits("learner", "L1", email="theirs@mail.example")
    made = school.erp_edits("learner", "L1", email="ours@ecole.example").plan()
    assert made.changes == () and made.tasks == ()
    (conflict,) = made.conflicts
    assert (conflict.erp, conflict.base, conflict.edusign) == (
        "ours@ecole.example",
        "l1@ecole.example",
        "theirs@mail.example",
    )


def test_R03_a_conflict_on_one_field_does_not_stop_the_others() -> None:
    school = small_school().edusign_edits("learner", "L1", email="theirs@mail.example")
    school.erp_edits("learner", "L1", email="ours@ecole.example", last_name="Durand")
    made = school.plan()
    assert only(made).after == {"last_name": "Durand"}
    assert len(made.conflicts) == 1


def test_R03_other_fields_changed_on_both_sides_take_the_erps_value() -> None:
    school = small_school().edusign_edits("sheet", "S1", room="Z9").erp_edits("sheet", "S1", room="A1")
    change = only(school.plan())
    assert (change.before, change.after, change.overwrites) == ({"room": "Z9"}, {"room": "A1"}, ("room",))


def test_R03_changed_to_the_same_value_moves_the_base_and_writes_nothing() -> None:
    school = small_school().edusign_edits("learner", "L1", last_name="Durand")
    made = school.erp_edits("learner", "L1", last_name="Durand").plan()
    assert made.changes == ()
    assert [m.base for m in made.base_moves] == [{"last_name": "Durand"}]


def test_R03_without_a_base_equal_becomes_it_and_different_is_changed_on_both_sides() -> None:
    school = small_school().base("learner", "L1", email=..., phone=..., last_name=..., first_name=...)
    school.edusign_edits("learner", "L1", email="theirs@mail.example", last_name="Durant")
    made = school.plan()
    assert [c.field for c in made.conflicts] == ["email"] and made.conflicts[0].base is None
    change = only(made)
    assert (change.after, change.overwrites) == ({"last_name": "DupontL1"}, ("last_name",))
    assert [m.base for m in made.base_moves] == [{"first_name": "Jeanne", "phone": ""}]


def conflicting() -> School:
    school = small_school().edusign_edits("learner", "L1", email="theirs@mail.example")
    return school.erp_edits("learner", "L1", email="ours@ecole.example")


def decided(school: School, choice: str, value: str = "", erp: str = "ours@ecole.example") -> School:
    school.resolutions["learner", "L1", "email"] = Resolution.model_validate(
        {"choice": choice, "erp": erp, "edusign": "theirs@mail.example", "value": value}
    )
    return school


def test_R04_a_decision_for_the_erp_is_written() -> None:
    made = decided(conflicting(), "erp").plan()
    assert made.conflicts == () and only(made).after == {"email": "ours@ecole.example"}


def test_R04_a_decision_for_edusign_is_a_task_and_settles_the_base() -> None:
    made = decided(conflicting(), "edusign").plan()
    assert made.conflicts == () and made.changes == ()
    assert [t.field for t in made.tasks] == ["email"]
    assert [m.base for m in made.base_moves] == [{"email": "ours@ecole.example"}]


def test_R04_a_decision_for_a_third_value_is_written_and_becomes_a_task_for_the_erp() -> None:
    school = decided(conflicting(), "value", "third@mail.example")
    change = only(school.plan())
    assert change.after == {"email": "third@mail.example"}
    assert change.base_after == {"email": "ours@ecole.example"}
    school.edusign_edits("learner", "L1", email="third@mail.example").base("learner", "L1", **change.base_after)
    made = school.plan()
    assert (
        made.changes == ()
        and made.conflicts == ()
        and [t.edusign for t in made.tasks] == ["third@mail.example"]
    )


def test_R04_a_decision_on_other_values_is_void() -> None:
    made = decided(conflicting(), "erp", erp="earlier@ecole.example").plan()
    assert made.changes == () and len(made.conflicts) == 1


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ("email", " Zoe@Ecole.Example ", "zoe@ecole.example"),
        ("phone", "06 12 34 56 78", "+33 6 12 34 56 78"),
        ("last_name", "  Zoe\u0308  d'Arc ", "Zoë d'Arc"),
        ("last_name", "Ngô\u00a0Thị", "Ngô Thị"),
        ("start", datetime(2026, 11, 26, 9, tzinfo=timezone(HOUR)), datetime(2026, 11, 26, 8, tzinfo=UTC)),
    ],
)
def test_R05_equal_in_canonical_form_is_equal(field: str, one: object, other: object) -> None:
    kind: Kind = "sheet" if field == "start" else "learner"
    assert canonical(kind, field, one) == canonical(kind, field, other)  # type: ignore[arg-type]


def test_R05_case_of_names_and_different_numbers_are_differences() -> None:
    assert canonical("learner", "last_name", "DUPONT") != canonical("learner", "last_name", "Dupont")
    assert canonical("learner", "phone", "0612345678") != canonical("learner", "phone", "0612345679")
    assert canonical("learner", "phone", "0612345678", "BE") != canonical(
        "learner", "phone", "0612345678", "FR"
    )


def test_R05_spelling_alone_plans_nothing_and_what_is_sent_is_as_typed() -> None:
    school = small_school().erp_edits("learner", "L1", email="L1@Ecole.Example", last_name=" DupontL1  ")
    assert school.plan().changes == ()
    school.erp_edits("learner", "L1", email="New.L1@Ecole.Example")
    assert only(school.plan()).after == {"email": "New.L1@Ecole.Example"}


def test_R06_a_roster_merges_element_by_element() -> None:
    merged = merge_roster(ids("kept", "new", "back"), ids("kept", "left", "hand"), ids("kept", "left", "back"))
    assert (merged.add, merged.remove) == (ids("new", "back"), ids("left"))
    assert (merged.put_back, merged.kept) == (ids("back"), ids("hand"))
    assert merged.base == ids("kept", "new", "back")


def test_R06_both_sides_edits_of_one_group_are_all_kept() -> None:
    school = small_school(learners=3).both(learner("L4"))
    school.erp_edits("group", "G1", members=ids("L1", "L2", "L4"))
    school.edusign_edits("group", "G1", members=ids("e-learner-L1", "e-learner-L2", "e-learner-L3", "e-hand"))
    change = only(school.plan())
    assert change.after == {"members": ids("L1", "L2", "L4", "edusign:e-hand")}
    assert change.base_after == {"members": ids("L1", "L2", "L4")}


def test_R06_one_change_per_person_on_a_sheet() -> None:
    school = small_school(learners=3).both(learner("L4"), learner("L5"))
    school.erp_edits("sheet", "S1", learners=ids("L1", "L4", "L5"))
    made = school.plan()
    assert {c.token for c in changes(made, "add")} == {"L4", "L5"}
    assert {c.token for c in changes(made, "remove")} == {"L2", "L3"}
    assert all(set(c.after) == {"learners"} for c in made.changes)


def test_R06_the_same_edit_on_both_sides_of_a_roster_only_moves_the_base() -> None:
    school = small_school(learners=2).both(learner("L3"))
    school.erp_edits("sheet", "S1", learners=ids("L1", "L3"))
    school.edusign_edits("sheet", "S1", learners=ids("e-learner-L1", "e-learner-L3"))
    made = school.plan()
    assert made.changes == ()
    assert [m.base for m in made.base_moves] == [{"learners": ids("L1", "L3")}]


def test_R06_somebody_a_person_added_who_is_then_in_the_erp_too_is_not_written() -> None:
    school = small_school(learners=2).both(learner("L3"))
    school.edusign_edits("group", "G1", members=ids("e-learner-L1", "e-learner-L2", "e-learner-L3"))
    school.erp_edits("group", "G1", members=ids("L1", "L2", "L3"))
    made = school.plan()
    assert made.changes == () and len(made.base_moves) == 1


def test_R01_a_wrong_value_keeps_its_base_and_stops_no_other_field() -> None:
    school = small_school().erp_edits("learner", "L1", phone="", last_name="Durand")
    school.base("learner", "L1", phone="+33612345678").edusign_edits("learner", "L1", phone="0612345678")
    school.erp_doubts("learner", "L1", Problem(code="unreadable_phone", field="phone", evidence="?"))
    made = school.plan()
    assert only(made).after == {"last_name": "Durand"}
    assert rejected(made) == {("L1", "unreadable_phone")} and told(made) == set()


def test_R01_a_member_whose_create_must_wait_is_not_written_into_the_group() -> None:
    school = small_school(learners=2).erp(learner("L9")).erp_edits("group", "G1", members=ids("L1", "L2", "L9"))
    school.complete_erp -= {"learner"}
    assert school.plan().changes == ()
    school.complete_erp |= {"learner"}
    assert {c.verb for c in school.plan().changes} == {"create", "update"}


def test_R01_a_new_group_is_made_with_its_members() -> None:
    school = small_school(learners=2).erp(group("G2", "L1", "L9")).erp(learner("L9"))
    make_learner, make_group = school.plan().changes
    assert (make_learner.key, make_group.key) == (("learner", "L9"), ("group", "G2"))
    assert make_group.after["members"] == ids("L1", "L9")


def test_R02_a_record_deleted_by_hand_is_made_again_with_a_notice() -> None:
    school = small_school()
    gone = school.edusign["group"].pop("e-group-G1")
    school.lookups["group", gone.id] = None
    made = school.plan()
    assert (only(made).verb, only(made).kind) == ("create", "group")
    assert told(made) == {("G1", "deleted_in_edusign")}


def test_R02_a_record_archived_by_hand_is_restored_with_a_notice() -> None:
    school = small_school()
    seen = school.edusign["learner"].pop("e-learner-L1")
    school.lookups["learner", seen.id] = seen.model_copy(update={"archived": True})
    made = school.plan()
    assert only(made).verb == "restore" and told(made) == {("L1", "archived_in_edusign")}


def test_R03_durations_count_as_times(minutes: int = 30) -> None:
    school = small_school().erp_edits("sheet", "S1", end=NOW + 2 * DAY + 2 * HOUR + timedelta(minutes=minutes))
    assert set(only(school.plan()).after) == {"end"}
