"""R25 to R28, as the export's planning keeps them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.absences.reasons import ReasonMap, why
from engine.absences.said import HandKey, Tick, spelled
from engine.absences.wishes import evidence
from engine.attendance import Attendance
from engine.config_models import DEFAULT_LIMITS, ExportOptions, Limit
from engine.links import Link
from tests.unit.rules.absence_kit import (
    EDUSIGN_REASONS,
    ERP_REASONS,
    Office,
    edu,
    sheet,
    told,
    verbs,
)
from tests.unit.rules.school_kit import DAY, HOUR


def options(**given: Any) -> dict[str, Any]:
    return {"options": ExportOptions(**given)}


# R25


@pytest.mark.parametrize(
    ("call", "called"),
    [
        (sheet(away=["L1"], here=[]), False),
        (sheet(away=["L1"], here=[], signed=True), True),
        (sheet(away=["L1"], here=["L2"]), True),
        (sheet(here=[], L1={"state": "excluded"}), False),
    ],
)
def test_R25_a_roll_was_called_where_a_speaker_signed_or_somebody_was_there(call: Any, called: bool) -> None:
    assert evidence(call) is called
    office = Office(call)
    assert bool(office.plan().writes) is (called and "L1" in verbs(office.plan()))


def test_R25_locked_without_a_roll_call_is_held_by_sheet_and_goes_once_approved() -> None:
    office = Office(sheet("S1", away=["L1", "L2"], here=[]), sheet("S2", away=["L1"], here=["L2"]))
    made = office.plan()
    assert verbs(made) == {"L1": "deliver"} and [w.session.id for w in made.writes] == ["S2"]
    (hold,) = made.holds
    assert (hold.cause, hold.session, len(hold.deliveries)) == ("roll_call_missing", "S1", 2)
    ids = frozenset(one.id for one in hold.deliveries)
    approved = office.plan(approved=ids)
    assert {w.session.id: len(w.deliveries) for w in approved.writes} == {"S1": 2, "S2": 1}
    refused = office.plan(refused=ids)
    assert refused.holds == () and ("waiting", "skipped", "L1") in told(refused)


@pytest.mark.parametrize(("since", "why"), [(HOUR, "not_locked"), (2 * DAY, "overdue")])
def test_R25_a_deadline_alone_makes_nobody_absent(since: timedelta, why: str) -> None:
    made = Office(sheet(away=["L1"], locked=False, ends=-since)).plan()
    assert made.deliveries == () and told(made) == {("waiting", why, "S1")}


def test_a_sheet_that_is_still_going_on_is_not_listed() -> None:
    assert Office(sheet(away=["L1"], locked=False, ends=HOUR)).plan().rows == ()


# What is said


def test_lateness_leaving_and_exclusion_go_only_when_switched_on_and_carried() -> None:
    states: dict[str, Any] = {
        "L1": {"state": "present", "late": 12},
        "L2": {"state": "present", "left_early": 30},
        "L3": {"state": "excluded"},
    }
    assert verbs(Office(sheet(**states)).plan()) == {}
    on = options(late=True, left_early=True, excluded=True)
    assert verbs(Office(sheet(**states), **on).plan()) == {"L1": "deliver", "L2": "deliver"}
    with_word = Office(sheet(**states), **on, carries=frozenset({"absent", "excluded"}))
    assert verbs(with_word.plan()) == {"L3": "deliver"}


def test_a_speaker_is_absent_only_beside_the_signature_of_another() -> None:
    alone = sheet(here=["L1"], speakers=["P1"])
    both = sheet(here=["L1"], speakers=["P1", "P2"], signed=True)
    carries = frozenset({"absent", "speaker"})
    assert verbs(Office(alone, **options(speakers=True), carries=carries).plan()) == {}
    office = Office(both, **options(speakers=True), carries=carries)
    link = office.given.links.get("sheet", "S1")
    assert link is not None
    office.given.links.put(link.model_copy(update={"base": {**link.base, "speakers": ["P1", "P2"]}}))
    assert verbs(office.plan()) == {"P2": "deliver"}
    assert verbs(Office(both, carries=carries).plan()) == {}


def test_an_erp_that_notes_presence_gets_it() -> None:
    office = Office(sheet(away=["L1"], here=["L2"]), carries=frozenset({"absent", "present"}))
    assert verbs(office.plan()) == {"L1": "deliver", "L2": "deliver"}
    office.deliver()
    assert office.plan().deliveries == ()
    office.shows(sheet(here=["L1", "L2"]))
    assert verbs(office.plan()) == {"L1": "update"}


def test_reasons_are_mapped_by_name_or_id_found_by_name_or_take_the_fallback() -> None:
    reasons = ReasonMap(EDUSIGN_REASONS, ERP_REASONS, {"driving TEST": "Sick"}, "unknown", "Late")
    assert reasons.problem() == ""
    assert [reasons.of_absence(id) for id in ("", "1", "9", "77")] == ["U", "S", "S", "U"]
    assert reasons.of_lateness() == "L" and list(reasons.unmapped) == ["77"]


@pytest.mark.parametrize(
    ("mapped", "fallback", "said"),
    [({}, "", "fallback_reason"), ({}, "nope", "nope"), ({"1": "gone"}, "U", "gone"), ({}, "S", "justifies")],
)
def test_a_reason_map_that_cannot_work_says_why(mapped: dict[str, str], fallback: str, said: str) -> None:
    assert said in ReasonMap(EDUSIGN_REASONS, ERP_REASONS, mapped, fallback).problem()


# R26


def test_R26_a_second_export_after_a_delivered_one_is_empty() -> None:
    office = Office(sheet(away=["L1", "L2"]))
    assert len(office.deliver()) == 2
    assert office.plan().deliveries == () and office.plan().rows == ()


def test_R26_a_row_the_erps_people_changed_is_theirs_whatever_comes() -> None:
    office = Office(sheet(away=["L1"]))
    office.deliver()
    office.changes("S1", "L1", justified=True)
    office.shows(sheet(here=["L1", "L9"]))
    assert office.plan().deliveries == ()
    assert told(office.plan()) == {("theirs", "changed_in_erp", "L1")}


@pytest.mark.parametrize("changed", [{"key": "another"}, {"reason": "S"}, {"state": "present"}, {"late": 5}])
def test_R26_any_trace_of_another_hand_makes_a_row_theirs(changed: dict[str, Any]) -> None:
    office = Office(sheet(away=["L1"]))
    office.deliver()
    office.changes("S1", "L1", **changed)
    office.shows(sheet(here=["L9"], L1={"state": "absent", "justified": True, "reason": "1"}))
    assert office.plan().deliveries == ()


def test_R26_a_row_beside_ours_makes_the_whole_theirs() -> None:
    office = Office(sheet(away=["L1"]))
    office.deliver()
    office.enters("S1", "L1", state="present", late=30)
    office.shows(sheet(here=["L1", "L9"]))
    assert office.plan().deliveries == ()


def test_R26_what_they_struck_is_not_made_again_and_what_they_entered_first_stands() -> None:
    office = Office(sheet(away=["L1", "L2"]))
    office.enters("S1", "L2", justified=True)
    assert verbs(office.plan()) == {"L1": "deliver"}
    assert ("theirs", "erp_says_otherwise", "L2") in told(office.plan())
    office.deliver()
    office.strikes("S1", "L1")
    office.shows(sheet(here=["L9"], L1={"state": "absent", "justified": True}))
    assert office.plan().deliveries == ()
    assert ("theirs", "removed_in_erp", "L1") in told(office.plan())
    # They struck it, and Edusign agrees: nothing is left to remember.
    office.shows(sheet(here=["L1", "L9"]))
    assert len(office.plan().forgotten) == 1


def test_R26_an_unlocked_sheet_is_left_alone_until_it_is_locked_again() -> None:
    office = Office(sheet(away=["L1"]))
    office.deliver()
    office.shows(sheet(here=["L1"], locked=False))
    assert office.plan().deliveries == ()
    assert told(office.plan()) == {("waiting", "unlocked_again", "S1")}
    office.shows(sheet(here=["L1"]))
    assert verbs(office.plan()) == {"L1": "retract"}
    office.deliver()
    assert office.rows == [] and office.base == {} and office.plan().deliveries == ()


def test_R26_somebody_no_longer_on_the_sheet_is_taken_back() -> None:
    office = Office(sheet(away=["L1", "L2"]))
    office.deliver()
    office.shows(sheet(away=["L2"]))
    assert verbs(office.plan()) == {"L1": "retract"}


def test_a_sheet_gone_from_edusign_takes_nothing_back() -> None:
    office = Office(sheet(away=["L1"]))
    office.deliver()
    office.shows()
    assert office.plan().deliveries == ()
    assert told(office.plan()) == {("waiting", "sheet_gone", "L1")}
    office.given = replace(office.given, complete=False)
    assert office.plan().rows == ()


def test_R13_where_the_erp_could_not_be_read_whole_a_missing_row_proves_nothing() -> None:
    office = Office(sheet(away=["L1"]))
    from engine.absences.plan import Stood, plan

    made = plan(office.given, Stood(complete=False, said="no answer"))
    assert made.deliveries == () and told(made) == {("waiting", "standing_unread", "L1")}


# R27


def test_R27_a_justification_accepted_later_corrects_what_was_delivered() -> None:
    office = Office(sheet(away=["L1"]))
    office.deliver()
    office.shows(sheet(here=["L9"], L1={"state": "absent", "justified": True, "reason": "1"}))
    (write,) = office.plan().writes
    assert [(d.verb, d.before and d.before.justified, d.after.justified) for d in write.deliveries] == [
        ("update", False, True)
    ]
    assert [row.key for row in write.standing] == [office.rows[0].key]
    office.deliver()
    assert office.plan().deliveries == ()


# R28


def test_R28_a_hand_made_sheet_goes_up_once_it_is_linked() -> None:
    call = sheet("H1", away=["L1"], here=["L2"], api_type="")
    office = Office(call)
    made = office.plan()
    assert made.deliveries == () and told(made) == {("by_hand", "no_session", "L1")}
    office.given.links.put(
        Link(kind="sheet", erp_id="S7", edusign_id=edu("H1"), base={"learners": ["L1", "L2"]})
    )
    (write,) = office.plan().writes
    assert write.session.id == "S7" and verbs(office.plan()) == {"L1": "deliver"}


def test_R28_without_a_roll_call_a_hand_made_sheet_asks_first() -> None:
    office = Office(sheet("H1", away=["L1"], here=[], api_type=""))
    made = office.plan()
    assert [h.cause for h in made.holds] == ["roll_call_missing"]
    approved = office.plan(approved=frozenset(d.id for d in made.deliveries))
    assert told(approved) == {("by_hand", "no_session", "L1")} and approved.writes == ()


def test_R28_who_is_not_in_the_erp_or_not_on_the_session_is_reported_by_hand() -> None:
    office = Office(sheet(away=["L1", "L2", "L3"]), unlinked=["L1"])
    link = office.given.links.get("sheet", "S1")
    assert link is not None
    office.given.links.put(link.model_copy(update={"base": {"learners": ["L3", "L9"]}}))
    assert verbs(office.plan()) == {"L3": "deliver"}
    assert told(office.plan()) == {("by_hand", "not_in_erp", "L1"), ("by_hand", "not_on_session", "L2")}


def test_R28_ticks_are_compared_with_what_the_erp_shows() -> None:
    office = Office(sheet(away=["L1", "L2"]), carries=frozenset())
    assert {why for _s, why, _p in told(office.plan())} == {"no_write"}
    for one in office.plan().rows:
        office.ticks[one.hand] = Tick(
            sheet=one.sheet, kind=one.kind, person=one.person, value=one.value, actor="bea", at=office.given.now
        )
    office.enters("S1", "L1")
    made = office.plan()
    assert dict(made.found) == {
        HandKey(edu("S1"), "learner", edu("L1")): True,
        HandKey(edu("S1"), "learner", edu("L2")): False,
    }
    assert told(made) == {("by_hand", "no_write", "L2")}


def test_R28_a_tick_holds_for_what_was_ticked() -> None:
    office = Office(sheet("H1", away=["L1"], api_type=""))
    key = HandKey(edu("H1"), "learner", edu("L1"))
    was = spelled(Attendance(sheet="", person="", state="absent"))
    office.ticks[key] = Tick(
        sheet=key.sheet, kind="learner", person=key.person, value=was, actor="bea", at=office.given.now
    )
    office.shows(sheet("H1", here=["L1", "L9"], api_type=""))
    assert told(office.plan()) == {("by_hand", "take_back", "L1")}


# Others' sheets, brakes


def test_R10_another_connectors_sheet_is_not_ours_to_report() -> None:
    made = Office(sheet(away=["L1"], api_type="other")).plan()
    assert made.deliveries == () and told(made) == {("waiting", "other_connector_sheet", "S1")}


def test_R19_a_sealed_sheet_is_reported_for_what_it_was() -> None:
    office = Office(sheet("S1", away=["L1"], api_type=""), sealed={edu("S1"): "S1"})
    assert told(office.plan()) == {("by_hand", "sealed", "L1")}


@pytest.mark.parametrize("cause", ["first_export", "export_options"])
def test_R31_R43_everything_waits_at_first_and_after_a_changed_option(cause: Any) -> None:
    office = Office(sheet(away=["L1", "L2"]))
    made = office.plan(all_wait=cause)
    assert made.writes == () and [h.cause for h in made.holds] == [cause]
    one = made.deliveries[0]
    assert verbs(office.plan(all_wait=cause, approved=frozenset({one.id}))) == {one.after.person: "deliver"}


def test_R29_limits_hold_only_the_verb_that_exceeds_them() -> None:
    limits = {**DEFAULT_LIMITS, "retract absence": Limit(share=0.1, count=1)}
    office = Office(sheet(away=["L1", "L2", "L3"]))
    office.deliver()
    office.shows(sheet(away=["L3"], here=["L1", "L2", "L9"]), sheet("S2", away=["L1"]))
    link = Link(kind="sheet", erp_id="S2", edusign_id=edu("S2"), base={"learners": ["L1", "L9"]})
    office.given.links.put(link)
    made = office.plan(limits=limits)
    assert [(h.cause, len(h.deliveries)) for h in made.holds] == [("limit retract absence", 2)]
    assert verbs(made) == {"L1": "deliver"}


def test_R44_where_nothing_may_be_written_everything_says_why() -> None:
    office = Office(sheet(away=["L1"]), sheet("S2", away=["L2"], here=[]), nothing_goes="another_connector")
    made = office.plan()
    assert (made.writes, made.holds) == ((), ())
    assert {(state, why) for state, why, _p in told(made)} == {("waiting", "another_connector")}


def test_every_code_is_said_in_words() -> None:
    for code in ("due", "not_locked", "unlocked_again", "no_session", "changed_in_erp", "roll_call_missing"):
        assert why(code) != code.replace("_", " ")
