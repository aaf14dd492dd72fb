"""R34, R36: what is written first, and when an open thing bites."""

from __future__ import annotations

from engine.changes import Plan
from engine.items import wanted
from engine.planning.urgency import Bites, dependencies
from engine.records import Record, Sheet
from tests.unit.rules.school_kit import (
    DAY,
    HOUR,
    NOW,
    SCOPE,
    School,
    changes,
    group,
    ids,
    learner,
    session,
    small_school,
    speaker,
)


def order(made: Plan) -> list[tuple[str, str]]:
    return [(c.verb, c.erp_id) for c in made.changes]


def test_R34_the_next_session_first_whatever_the_kind() -> None:
    school = small_school(sessions=[session("S1", "L1", starts=DAY), session("S2", "L1", starts=3 * DAY)])
    school.both(group("G2"), session("S3", "L2", starts=2 * DAY, groups=ids("G2")))
    for erp_id in ("S1", "S2", "S3"):
        school.erp_edits("sheet", erp_id, room="A1")
    school.both(learner("L4")).erp_edits("learner", "L4", last_name="On no session")
    school.erp_edits("learner", "L3", last_name="Durand").erp_edits("group", "G2", name="Second")
    made = school.plan()
    assert [erp_id for _verb, erp_id in order(made)] == ["L3", "S1", "G2", "S3", "S2", "L4"]
    assert [c.bites_at and c.bites_at - NOW for c in made.changes] == [
        DAY,
        DAY,
        2 * DAY,
        2 * DAY,
        3 * DAY,
        None,
    ]


def test_R34_what_a_session_needs_is_made_before_it() -> None:
    school = School()
    for record in (speaker("P1"), learner("L1"), group("G1", "L1"), session("S1", "L1", starts=2 * HOUR)):
        school.erp(record)
    for record in (speaker("P2"), learner("L2"), group("G2", "L2")):
        school.erp(record)
    school.erp(session("S2", "L2", starts=DAY, speakers=ids("P2"), groups=ids("G2")))
    made = order(school.plan())
    assert {erp_id for _verb, erp_id in made[:4]} == {"P1", "L1", "G1", "S1"}
    for first, then in (("P1", "S1"), ("L1", "G1"), ("G1", "S1"), ("L2", "G2"), ("P2", "S2")):
        assert made.index(("create", first)) < made.index(("create", then))


def test_R34_a_sheet_pulls_only_what_it_depends_on() -> None:
    school = small_school(learners=1, sessions=[session("S1", "L1", starts=5 * DAY)])
    school.erp(learner("L8")).erp(learner("L9")).erp(session("S2", "L9", starts=HOUR))
    made = order(school.plan())
    assert made == [("create", "L9"), ("create", "S2"), ("create", "L8")]


def test_R34_removals_come_last() -> None:
    school = small_school(sessions=[session("S1", "L1", starts=30 * HOUR), session("S2", "L1", starts=9 * DAY)])
    school.erp_ends("sheet", "S1").erp_ends("learner", "L3").erp_edits("sheet", "S2", room="A1")
    verbs = [verb for verb, _ in order(school.plan())]
    assert verbs[-2:] == ["withdraw", "archive"] and "update" in verbs[:-2]


def test_R34_a_person_is_linked_before_being_put_on_a_sheet() -> None:
    school = small_school().erp(learner("L9")).erp_edits("sheet", "S1", learners=ids("L1", "L2", "L3", "L9"))
    make, add = school.plan().changes
    assert (make.verb, add.verb, add.token) == ("create", "add", "L9")
    assert ("learner", "L9") in dependencies(add) and ("sheet", "S1") in dependencies(add)


def test_R36_each_change_says_when_it_bites_and_for_how_many() -> None:
    school = small_school(sessions=[session("S1", "L1", "L2", starts=DAY), session("S2", "L1", "L2", "L3")])
    school.erp_edits("learner", "L3", last_name="Durand").erp_edits("group", "G1", name="First")
    school.erp_edits("sheet", "S2", room="A1").erp(learner("L9"))
    bites = {c.erp_id: (c.bites_at, c.people) for c in school.plan().changes}
    assert bites == {
        "L3": (NOW + DAY, 1),
        "G1": (NOW + DAY, 2),
        "S2": (NOW + 2 * DAY, 3),
        "L9": (None, 0),
    }


def test_R36_a_session_that_has_begun_bites_no_more() -> None:
    bites = Bites([session("S1", "L1", starts=-HOUR), session("S2", "L1", starts=HOUR)], [], NOW)
    assert bites.of("learner", "L1") == (NOW + HOUR, 1)
    assert bites.of("sheet", "S1") == (None, 0)


def test_R36_two_sessions_at_once_bite_for_the_greater_whatever_their_order() -> None:
    sessions: list[Sheet] = [session("S1", "L1"), session("S2", "L1", "L2")]
    for given in (sessions, sessions[::-1]):
        assert Bites(given, [], NOW).of("group", "G1") == (NOW + 2 * DAY, 2)


def test_R36_a_members_next_session_is_their_groups() -> None:
    bites = Bites([session("S1", "L1")], [group("G1", "L1", "L7")], NOW)
    assert bites.of("learner", "L7") == (NOW + 2 * DAY, 1)


def test_R36_every_open_item_bites_when_its_record_does() -> None:
    school = small_school(sessions=[session("S1", "L1", "L2", starts=DAY)])
    school.erp(learner("L9", email="")).edusign_edits("learner", "L1", email="mine@mail.example")
    school.edusign_edits("learner", "L2", email="theirs@mail.example")
    school.erp_edits("learner", "L2", email="ours@ecole.example").erp_ends("sheet", "S1")
    sessions = [e.record for e in school.entries["sheet"] if isinstance(e.record, Sheet)]
    items = wanted(school.braked(), Bites(sessions, [], NOW))
    by_type = {item.type: item.bites for item in items}
    assert by_type["task"] == by_type["conflict"] == (NOW + DAY, 1)
    assert by_type["rejection"] == (None, 0)


def test_R34_the_order_of_rows_changes_nothing() -> None:
    def school(step: int) -> School:
        found = School()
        records: list[Record] = [
            speaker("P1"),
            learner("L1"),
            learner("L2"),
            group("G1", "L1", "L2"),
            session("S1", "L1", "L2"),
        ]
        for record in records[::step]:
            found.erp(record)
        return found

    assert school(1).plan() == school(-1).plan()
    assert SCOPE.first == NOW.date() and changes(school(1).plan(), "create", "sheet")


def test_R34_who_is_gone_from_both_sides_is_unlinked_last() -> None:
    school = small_school(sessions=[session("S1", "L1", "L3", starts=9 * DAY), session("S2", "L1", starts=DAY)])
    school.erp_ends("learner", "L3").edusign["learner"].pop("e-learner-L3")
    school.lookups["learner", "e-learner-L3"] = None
    assert order(school.plan()) == [("update", "G1"), ("remove", "S1"), ("unlink", "L3")]
