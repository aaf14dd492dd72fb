"""R29–R31, R33, R43: what waits for a person, and that the rest goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.edusign.mapping import created
from engine.account import mails
from engine.changes import Plan
from engine.config_models import DEFAULT_LIMITS, Limit
from engine.links import Link, Links
from engine.observe import observe
from tests.unit.rules.fake_platform import FakeErp, FakePlatform
from tests.unit.rules.school_kit import (
    DAY,
    HOUR,
    NOW,
    OURS,
    SCOPE,
    School,
    changes,
    group,
    ids,
    learner,
    only,
    session,
    small_school,
    speaker,
)


def limit(verb_kind: str, share: float, count: int) -> dict[str, Limit]:
    return {verb_kind: Limit(share=share, count=count)}


def renamed(count: int, of: int) -> School:
    school = small_school(learners=of)
    for n in range(1, count + 1):
        school.erp_edits("learner", f"L{n}", last_name=f"Renamed{n}")
    return school


@pytest.mark.parametrize(
    ("count", "of", "held"),
    [(2, 4, False), (3, 40, False), (3, 4, True)],
)
def test_R29_a_limit_is_in_percent_and_in_count(count: int, of: int, held: bool) -> None:
    made = renamed(count, of).braked(limits=limit("update learner", 0.10, 2))
    assert bool(made.holds) is held


def test_R29_updates_are_limited_too_and_only_the_offending_changes_wait() -> None:
    school = renamed(4, 8).erp_edits("speaker", "P1", last_name="Renamed").erp_edits("sheet", "S1", room="A1")
    made = school.braked(limits=limit("update learner", 0.10, 3))
    (hold,) = made.holds
    assert hold.cause == "limit update learner" and {c.kind for c in hold.changes} == {"learner"}
    assert {c.key for c in made.writable} == {("speaker", "P1"), ("sheet", "S1")}
    assert hold.explanation and hold.data["verbs"] == {"update": 4}


def test_R29_every_verb_and_kind_has_a_limit_of_its_own_by_default() -> None:
    school = small_school(learners=100)
    for n in range(1, 7):
        school.erp_ends("learner", f"L{n}")
    made = school.braked(limits=DEFAULT_LIMITS)
    assert {h.cause for h in made.holds} == {"limit archive learner"}


def test_R29_the_sheets_of_one_group_have_a_limit_together() -> None:
    sessions = [session(f"S{n}", "L1", starts=2 * DAY + n * HOUR) for n in range(6)]
    others = [session(f"T{n}", "L1", starts=2 * DAY + n * HOUR, groups=ids("G2")) for n in range(60)]
    school = School().both(
        speaker("P1"), learner("L1"), group("G1", "L1"), group("G2", "L1"), *sessions, *others
    )
    for n in range(5):
        school.erp_ends("sheet", f"S{n}")
    school.erp_ends("sheet", "T1")
    made = school.braked(limits=limit("any of one group", 0.60, 3))
    (hold,) = made.holds
    assert hold.cause == "limit withdraw group G1" and {c.erp_id for c in hold.changes} == {
        f"S{n}" for n in range(5)
    }
    assert [c.erp_id for c in made.writable] == ["T1"]


def test_R29_what_was_approved_does_not_count_again() -> None:
    limits = limit("update learner", 0.10, 2)
    school = renamed(3, 10)
    approved = frozenset(c.id for c in school.plan().changes)
    school.erp_edits("learner", "L9", last_name="Another")
    assert school.braked(limits=limits, approved=approved).holds == ()


async def test_R29_an_emptied_source_proves_nothing() -> None:
    school = small_school(learners=6)
    erp = FakeErp({"speaker": tuple(school.entries["speaker"]), "learner": ()})
    observed = await observe(erp, FakePlatform.of(school), SCOPE, school.links, "o", NOW)
    assert "learner" not in observed.complete_erp and "speaker" in observed.complete_erp
    assert any("learner" in str(trouble) for trouble in observed.faults)


async def test_R29_an_emptied_edusign_proves_nothing() -> None:
    school = small_school(learners=6)
    erp = FakeErp({kind: tuple(given) for kind, given in school.entries.items()})
    platform = FakePlatform.of(school)
    platform.records["learner"].clear()
    observed = await observe(erp, platform, SCOPE, school.links, "o", NOW)
    assert "learner" not in observed.complete_edusign


def test_R30_an_approval_lifts_the_hold_of_that_change() -> None:
    limits = limit("update learner", 0.0, 1)
    held = renamed(3, 10).braked(limits=limits)
    (hold,) = held.holds
    one = hold.changes[0]
    made = renamed(3, 10).braked(limits=limits, approved=frozenset({one.id}))
    assert one.id in {c.id for c in made.writable}
    assert {c.id for h in made.holds for c in h.changes} == {c.id for c in hold.changes[1:]}


@pytest.mark.parametrize(
    "edit",
    [{"last_name": "Yet another"}, {"last_name": "Renamed1", "first_name": "Too"}, {"last_name": "DupontL1"}],
)
def test_R30_an_approval_is_void_once_the_change_is_another(edit: dict[str, str]) -> None:
    limits = limit("update learner", 0.0, 0)
    approved = frozenset(c.id for c in renamed(1, 10).braked(limits=limits).changes)
    made = renamed(1, 10).erp_edits("learner", "L1", **edit).braked(limits=limits, approved=approved)
    assert made.writable == ()


def test_R30_an_approval_is_void_once_edusign_changed_what_it_overwrites() -> None:
    limits = limit("update sheet", 0.0, 0)
    school = small_school().erp_edits("sheet", "S1", room="A1")
    approved = frozenset(c.id for c in school.braked(limits=limits).changes)
    made = school.edusign_edits("sheet", "S1", room="Z9").braked(limits=limits, approved=approved)
    assert made.writable == () and only(made).hold


def test_R30_a_change_has_one_name_and_a_plan_one_hash() -> None:
    made = renamed(3, 10).plan()
    assert made.hash == renamed(3, 10).plan().hash and len({c.id for c in made.changes}) == 3
    held = renamed(3, 10).braked(limits=limit("update learner", 0.0, 0))
    assert held.hash == made.hash


def test_R30_refused_is_skipped_not_held() -> None:
    school = renamed(1, 10)
    refused = frozenset(c.id for c in school.plan().changes)
    made = school.braked(limits=limit("update learner", 0.0, 0), refused=refused)
    assert made.holds == () and only(made).skip == "refused"


def test_R31_all_that_changed_options_cause_is_one_hold_that_says_so() -> None:
    school = renamed(1, 3).erp_edits("sheet", "S1", room="A1").erp(speaker("P2"))
    made = school.braked(changed_options="lyon")
    (hold,) = made.holds
    assert hold.cause == "options" and len(hold.changes) == len(made.changes) == 3
    assert "option" in hold.explanation and made.writable == ()


def test_R31_what_writes_nothing_to_edusign_goes_on() -> None:
    school = small_school().edusign_marks("sheet", "S1", locked=True)
    school.erp_edits("sheet", "S1", start=NOW + 3 * DAY, end=NOW + 3 * DAY + HOUR)
    made = school.braked(changed_options="lyon")
    assert [c.verb for c in made.writable] == ["seal"]


def test_R33_no_create_mails_credentials() -> None:
    student = created(learner("L1"), "L1", OURS)
    professor = created(speaker("P1"), "P1", OURS)
    assert "'SEND_EMAIL_CREDENTIALS': False" in str(student)
    assert "'dontSendCredentials': True" in str(professor)


def test_R33_mails_a_plan_may_cause_are_counted() -> None:
    school = small_school(learners=3, sessions=[])
    school.erp(session("S8", "L1", "L2", starts=timedelta(minutes=30)))
    school.erp(session("S9", "L1", "L2", "L3", starts=DAY))
    assert mails(school.plan(), NOW) == 2


def first_contact() -> School:
    """A school whose people Edusign has already, made by hand; one name differs; nothing is linked."""
    school = School()
    for n in (1, 2):
        school.erp(learner(f"L{n}", last_name=f"Dupont L{n}"))
        school.by_hand(
            learner(
                f"e{n}", last_name=f"DUPONT l{n}" if n == 1 else f"Dupont L{n}", email=f"l{n}@ecole.example"
            )
        )
    return school.erp(learner("L3")).erp(speaker("P1")).erp(group("G1", "L1"))


KINDS_WAITING = frozenset({"learner", "speaker", "group", "sheet"})


def test_R43_compare_only_is_one_hold_per_kind_with_differences_counted() -> None:
    made = first_contact().braked(compare_only=KINDS_WAITING)
    assert made.writable == ()
    assert {(h.cause, h.kind) for h in made.holds} == {
        ("compare_only", k) for k in ("learner", "speaker", "group")
    }
    (learners,) = [h for h in made.holds if h.kind == "learner"]
    assert learners.data == {"verbs": {"create": 1, "link": 2}, "fields": {"last_name": 1}}


def test_R43_equal_values_become_the_base_without_writing() -> None:
    school = School().both(learner("L1")).base("learner", "L1", last_name=..., email=...)
    made = school.braked(compare_only=KINDS_WAITING)
    assert made.changes == () and [set(m.base) for m in made.base_moves] == [{"last_name", "email"}]


def test_R43_a_link_that_writes_nothing_is_not_held() -> None:
    hand = learner("e1", last_name="DupontL1", email="l1@ecole.example")
    school = School().erp(learner("L1")).by_hand(hand, api_id="L1", api_type=OURS)
    made = school.braked(compare_only=KINDS_WAITING)
    assert [c.verb for c in made.writable] == ["link"]


def test_R43_kinds_are_approved_one_by_one() -> None:
    made = first_contact().braked(compare_only=frozenset({"learner", "sheet"}))
    assert {c.kind for c in made.writable} == {"speaker", "group"}
    (make_group,) = changes(made, "create", "group")
    assert make_group.after["members"] == ids()


@pytest.mark.parametrize(
    "brakes",
    [{"compare_only": frozenset({"group"})}, {"removals_from": NOW + HOUR}],
)
def test_R43_removals_are_deferred_not_held_until_their_day(brakes: dict[str, Any]) -> None:
    school = small_school(sessions=[session("S1", "L1", starts=HOUR), session("S2", "L1")])
    made = school.erp_ends("sheet", "S1").erp_ends("learner", "L3").braked(**brakes)
    assert {(c.verb, c.skip, c.hold) for c in made.changes if c.verb in ("archive", "withdraw")} == {
        ("archive", "deferred", ""),
        ("withdraw", "deferred", ""),
    }
    assert made.holds == () or {h.cause for h in made.holds} == {"compare_only"}


def test_R43_after_that_day_they_go() -> None:
    school = small_school().erp_ends("sheet", "S1")
    assert only(school.braked(removals_from=NOW)).skip == ""


def test_R29_links_stay_one_to_one() -> None:
    links = Links(
        [Link(kind="learner", erp_id="L1", edusign_id="e1"), Link(kind="learner", erp_id="L2", edusign_id="e2")]
    )
    links.put(Link(kind="learner", erp_id="L1", edusign_id="e2"))
    assert [(link.erp_id, link.edusign_id) for link in links] == [("L1", "e2")]
    assert links.of_edusign("learner", "e1") is None and links.get("learner", "L2") is None


def test_R31_holds_name_what_they_hold() -> None:
    made: Plan = small_school().erp_ends("sheet", "S1").braked(limits=limit("withdraw sheet", 0.0, 0))
    (hold,) = made.holds
    assert hold.key == "limit withdraw sheet" and "withdraw sheet" in hold.explanation
