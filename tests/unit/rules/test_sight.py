"""What both sides said last, as it is kept and as people are shown it: R05, R10, R13, R17–R19, R24."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from engine.observe import Observed
from engine.planning.scope import local_date
from engine.ports import School as EdusignSchool
from engine.records import KINDS, Group, Kind, Problem, Sheet
from engine.service.models import FieldView, RecordView, SheetView, TodayView
from engine.sight import Reading, Sight, continued, packed, readings, unpacked
from engine.sight_find import findable, found
from engine.sight_record import Known, record_view, subject
from engine.sight_sheets import Viewpoint, meetings, on_day, sheet_view, state, today_view
from tests.unit.rules.school_kit import (
    DAY,
    HOUR,
    NOW,
    OURS,
    SCOPE,
    School,
    group,
    ids,
    learner,
    session,
    small_school,
    speaker,
)

MINUTE = timedelta(minutes=1)


def observed(school: School, at: datetime = NOW) -> Observed:
    return Observed(
        at=at,
        scope=SCOPE,
        occurrence=school.occurrence,
        school=EdusignSchool(id="1", name="Lyon", zone="Europe/Paris"),
        entries={kind: tuple(given) for kind, given in school.entries.items()},
        seen=school.edusign,
        complete_erp=school.complete_erp,
        complete_edusign=school.complete_edusign,
        skew=timedelta(),
        lookups=school.lookups,
    )


def sight(school: School) -> Sight:
    return Sight(readings(observed(school)))


def here(now: datetime = NOW, **more: Any) -> Viewpoint:
    settings: dict[str, Any] = {
        "zone": "Europe/Paris",
        "country": "FR",
        "api_type": OURS,
        "latest": now,
        "silent": {},
    }
    return Viewpoint(connection="lyon", now=now, **(settings | more))


def sheets(school: School, at: Viewpoint | None = None) -> list[SheetView]:
    seen = sight(school)
    kept = frozenset(id for sealed in school.sealed.values() for id in sealed)
    return [sheet_view(m, seen, at or here()) for m in meetings(seen, school.links, kept)]


def sheet(school: School, at: Viewpoint | None = None) -> SheetView:
    (one,) = sheets(school, at)
    return one


def record(school: School, kind: Kind, id: str, at: Viewpoint | None = None) -> RecordView:
    seen = sight(school)
    one = subject(seen, school.links, kind, id)
    assert one is not None
    return record_view(one, seen, Known(school.links), at or here())


def field(view: RecordView, name: str) -> FieldView:
    (one,) = [f for f in view.fields if f.field == name]
    return one


# What is kept


def a_whole_school() -> School:
    school = small_school().erp(
        learner("L9", email=""), where="Fiche", problems=[Problem(code="x", field="phone")]
    )
    school.by_hand(speaker("p-7"), api_type="aimaira", shared=True)
    return school.edusign_marks("sheet", "S1", locked=True, signed_learners=ids("e-learner-L1"))


def test_what_is_kept_reads_back_as_it_was() -> None:
    given = readings(observed(a_whole_school()))
    back = [unpacked(r.system, r.kind, r.at, r.complete_at, packed(r)) for r in given]
    assert len(back) == 2 * len(KINDS) and tuple(back) == given


def test_an_archived_person_who_was_looked_up_is_kept() -> None:
    school = small_school().edusign_marks("learner", "L1", archived=True)
    gone = school.edusign["learner"].pop("e-learner-L1")
    school.lookups = {("learner", gone.id): gone, ("learner", "e-learner-L2"): None}
    view = record(school, "learner", "L1")
    assert view.archived and view.in_edusign and view.edusign_id == gone.id


def test_R13_an_incomplete_listing_takes_nothing_away_and_adds_what_it_shows() -> None:
    (before,) = [r for r in readings(observed(small_school())) if (r.system, r.kind) == ("erp", "learner")]
    school = School().erp(learner("L1", phone="01")).erp(learner("L4"))
    school.complete_erp = frozenset()
    (after,) = [r for r in readings(observed(school, NOW + DAY)) if (r.system, r.kind) == ("erp", "learner")]
    assert after.complete_at is None
    both = continued(after, before, SCOPE)
    assert {e.id: e.record.value("phone") for e in both.entries} == {"L1": "01", "L2": "", "L3": "", "L4": ""}
    assert (both.at, both.complete_at, both.since) == (NOW + DAY, NOW, NOW)


def test_R13_sheets_of_days_past_do_not_pile_up_while_listings_break_off() -> None:
    school = small_school(sessions=[session("S1", "L1", starts=-DAY), session("S2", "L1", starts=HOUR)])
    before = Reading("erp", "sheet", NOW - DAY, NOW - DAY, entries=tuple(school.entries["sheet"]))
    both = continued(Reading("erp", "sheet", NOW, None), before, SCOPE)
    assert [e.id for e in both.entries] == ["S2"]


def test_what_was_written_and_not_read_again_is_not_complete() -> None:
    seen = Sight(readings(observed(small_school()), unread=frozenset[Kind]({"sheet"})))
    assert not seen.ever_complete("edusign", "sheet") and seen.ever_complete("edusign", "learner")


def test_both_sides_were_read_when_the_one_read_longer_ago_was() -> None:
    given = {(r.system, r.kind): r for r in readings(observed(small_school()))}
    late = Reading("erp", "sheet", NOW + HOUR, NOW + HOUR)
    assert Sight((given | {("erp", "sheet"): late}).values()).read_at("sheet") == NOW
    assert Sight([late]).read_at("sheet") is None


# Sheets


def test_a_sheet_as_it_should_be_has_no_trouble() -> None:
    view = sheet(small_school())
    assert (view.erp_id, view.edusign_id, view.troubles, view.why_not) == ("S1", "e-sheet-S1", (), "")
    assert (view.groups, view.speakers, view.learners, view.expected) == (
        ("Group G1",),
        ("MartinP1 Paul",),
        3,
        3,
    )


@pytest.mark.parametrize(
    ("edited", "trouble"),
    [
        ({"learners": ids()}, "no_learners"),
        ({"speakers": ids()}, "no_speaker"),
        ({"start": NOW + 3 * HOUR}, "other_time"),
        ({"end": NOW + 9 * DAY}, "other_time"),
        ({"room": "A1"}, "other_room"),
    ],
)
def test_what_is_wrong_with_a_sheet(edited: dict[str, Any], trouble: str) -> None:
    assert sheet(small_school().edusign_edits("sheet", "S1", **edited)).troubles == (trouble,)


def test_R05_a_room_written_otherwise_is_the_same_room() -> None:
    assert sheet(small_school().edusign_edits("sheet", "S1", room=" B12\u00a0")).troubles == ()


def test_a_room_the_erp_never_speaks_of_is_no_trouble() -> None:
    school = small_school().edusign_edits("sheet", "S1", room="A1")
    assert sheet(school, here(silent={"sheet": ids("room")})).troubles == ()


def test_a_sheet_without_a_session_and_a_session_without_a_sheet() -> None:
    school = small_school(sessions=[session("S1", "L1", starts=HOUR)])
    school.erp(session("S2", "L1", "L2", starts=2 * HOUR))
    school.by_hand(Sheet(id="h1", name="Oral", start=NOW + 3 * HOUR, end=NOW + 4 * HOUR, learners=ids("x"),
                         speakers=ids("y")))  # fmt: skip
    school.erp_drops("sheet", "S1")
    gone, alone, by_hand = sheets(school)
    assert (gone.erp_id, gone.troubles, gone.session_start) == ("S1", ("no_session",), None)
    assert (alone.erp_id, alone.edusign_id, alone.troubles) == ("S2", "", ("no_sheet",))
    assert (alone.learners, alone.expected, alone.why_not) == (2, 2, "")
    assert (by_hand.erp_id, by_hand.edusign_id, by_hand.troubles) == ("", "h1", ("no_session",))


def test_a_cancelled_session_needs_no_sheet_and_a_sheet_of_one_has_no_session() -> None:
    school = small_school().erp_ends("sheet", "S1").erp(session("S2", "L1"), ended=True)
    assert sheet(school).troubles == ("no_session",)


def test_R13_from_what_was_read_in_part_nothing_is_said_to_be_missing() -> None:
    school = small_school(sessions=[session("S1", "L1", starts=HOUR)]).erp(session("S2", "L1", starts=2 * HOUR))
    school.by_hand(Sheet(id="h1", name="Oral", start=NOW + 3 * HOUR, learners=ids("x"), speakers=ids("y")))
    school.complete_erp = school.complete_edusign = frozenset({"learner"})
    assert [view.troubles for view in sheets(school)] == [(), (), ()]


def test_R13_a_linked_session_has_its_sheet_until_a_whole_list_lacks_it() -> None:
    school = small_school()
    school.edusign["sheet"].clear()
    given = {(r.system, r.kind): r for r in readings(observed(school))}

    def told(reading: Reading) -> tuple[str, ...]:
        seen = Sight((given | {("edusign", "sheet"): reading}).values())
        (meeting,) = meetings(seen, school.links, ())
        return sheet_view(meeting, seen, here()).troubles

    assert told(Reading("edusign", "sheet", NOW, NOW)) == ("no_sheet",)
    assert told(Reading("edusign", "sheet", NOW, NOW - DAY)) == ()


@pytest.mark.parametrize(
    ("starts", "why_not"),
    [
        (16 * MINUTE, ""),
        (15 * MINUTE, "it begins within 15 minutes: only its roster may still change"),
        (timedelta(), "it has begun: only its roster may still change"),
        (-DAY, "it has begun: only its roster may still change"),
    ],
)
def test_R18_from_15_minutes_before_its_start_a_sheet_says_why_not(starts: timedelta, why_not: str) -> None:
    assert sheet(small_school(sessions=[session("S1", "L1", starts=starts)])).why_not == why_not


def test_R24_begun_is_judged_by_the_later_clock_and_shown_by_ours() -> None:
    school = small_school(sessions=[session("S1", "L1", starts=16 * MINUTE)])
    view = sheet(school, here(latest=NOW + 20 * MINUTE))
    assert view.why_not.startswith("it has begun") and view.state == "coming"


def test_R18_a_locked_or_signed_sheet_says_so() -> None:
    assert sheet(small_school().edusign_marks("sheet", "S1", locked=True)).why_not == "locked"
    by_learner = sheet(small_school().edusign_marks("sheet", "S1", signed_learners=ids("e-learner-L1")))
    assert by_learner.why_not.startswith("signed") and (by_learner.signed, by_learner.speaker_signed) == (
        1,
        False,
    )
    by_speaker = sheet(small_school().edusign_marks("sheet", "S1", signed_speakers=ids("e-speaker-P1")))
    assert by_speaker.why_not.startswith("signed") and (by_speaker.signed, by_speaker.speaker_signed) == (
        0,
        True,
    )


def test_R19_a_sealed_sheet_is_kept_for_what_it_was() -> None:
    school = small_school().edusign_marks("sheet", "S1", locked=True)
    school.links.drop("sheet", "S1")
    school.sealed = {"S1": ("e-sheet-S1",)}
    kept, proposed = sorted(sheets(school), key=lambda view: view.edusign_id == "")
    assert "kept for what it was" in kept.why_not and kept.troubles == ()
    assert proposed.troubles == ("no_sheet",)


def test_R10_a_sheet_of_another_connector_is_never_written() -> None:
    linked = small_school()
    link = linked.links.get("sheet", "S1")
    assert link is not None
    linked.links.put(link.model_copy(update={"read_only": True}))
    stranger = School().by_hand(session("h1", "x"), api_id="7", api_type="aimaira")
    for school in (linked, stranger):
        assert "another connector" in sheet(school).why_not
    assert record(linked, "sheet", "S1").read_only


@pytest.mark.parametrize(
    ("after", "word"), [(-MINUTE, "coming"), (timedelta(), "running"), (2 * HOUR, "over"), (DAY, "over")]
)
def test_where_a_sheet_is_in_its_time(after: timedelta, word: str) -> None:
    one = session("S1", starts=timedelta())
    assert state(one, NOW + after) == word


# Today


def today(school: School, at: Viewpoint) -> TodayView:
    seen, day = sight(school), local_date(at.now, at.zone)
    return today_view(day, on_day(meetings(seen, school.links, ()), day, seen, at), at, seen.read_at("sheet"))


def test_today_is_the_connections_own_date() -> None:
    late = session("S1", "L1", starts=15 * HOUR + 30 * MINUTE)  # 00:30 in Paris on the next day
    school = small_school(sessions=[session("S0", "L1", starts=-HOUR), late])
    before, after = today(school, here()), today(school, here(NOW + 16 * HOUR))
    assert (before.date, before.sheets, before.begun, before.read_at) == (date(2026, 11, 24), 1, 1, NOW)
    assert (after.date, after.sheets, after.begun) == (date(2026, 11, 25), 1, 1)
    far_east = today(school, here(zone="Pacific/Auckland"))
    assert (far_east.date, far_east.sheets) == (date(2026, 11, 24), 1)


def test_today_counts_troubles_and_shows_the_sheets_that_have_any() -> None:
    school = small_school(sessions=[session(f"S{n}", "L1", starts=n * HOUR) for n in range(1, 5)])
    school.edusign_edits("sheet", "S3", room="A1", speakers=ids()).edusign_edits("sheet", "S1", room="A1")
    school.erp(session("S9", "L1", starts=2 * HOUR))
    view = today(school, here())
    assert view.troubles == {"other_room": 2, "no_speaker": 1, "no_sheet": 1} and view.sheets == 4
    assert [row.erp_id for row in view.rows] == ["S1", "S9", "S3"]


def test_what_was_made_earlier_in_the_day_turns_with_time() -> None:
    school = small_school(sessions=[session("S1", "L1", starts=HOUR)]).edusign_edits("sheet", "S1", room="A1")
    seen, day = sight(school), local_date(NOW, "Europe/Paris")
    made = on_day(meetings(seen, school.links, ()), day, seen, here())
    (row,) = today_view(day, made, here(NOW + 2 * HOUR), NOW).rows
    assert row.state == "running" and row.why_not.startswith("it has begun")


def test_a_sheet_moved_off_today_on_one_side_is_told_today() -> None:
    school = small_school(sessions=[session("S1", "L1", starts=HOUR)])
    school.edusign_edits("sheet", "S1", start=NOW + DAY, end=NOW + DAY + HOUR)
    for now in (NOW, NOW + DAY):
        assert today(school, here(now)).troubles == {"other_time": 1}


# One record


def test_who_changed_a_field_is_told_by_canonical_values() -> None:
    school = small_school().both(learner("L9", phone="06 11 22 33 44"))
    assert field(record(school, "learner", "L9"), "phone").state == "equal"
    school.erp_edits("learner", "L9", email="New@Ecole.example", phone="+33 6 11 22 33 44", last_name="Ng")
    school.edusign_edits("learner", "L9", first_name="Jane", last_name="Nguyen")
    view = record(school, "learner", "e-learner-L9")
    assert {f.field: f.state for f in view.fields} == {
        "last_name": "both", "first_name": "edusign", "email": "erp", "phone": "equal",
    }  # fmt: skip
    email = field(view, "email")
    assert (email.erp, email.erp_canonical) == ("New@Ecole.example", "new@ecole.example")
    assert email.base == email.edusign_canonical == "l9@ecole.example"
    assert field(view, "phone").erp == "+33 6 11 22 33 44"


def test_R03_where_nothing_was_agreed_different_is_not_agreed() -> None:
    school = (
        small_school()
        .base("learner", "L1", email=..., phone=...)
        .erp_edits("learner", "L1", email="x@y.example")
    )
    view = record(school, "learner", "L1")
    assert (field(view, "email").state, field(view, "phone").state) == ("unagreed", "equal")


def test_a_field_the_erp_never_speaks_of_and_a_record_of_one_side() -> None:
    school = small_school().edusign_edits("learner", "L1", phone="0611223344").erp(learner("L8"))
    silent = here(silent={"learner": ids("phone")})
    assert field(record(school, "learner", "L1", silent), "phone").state == "silent"
    alone = record(school, "learner", "L8")
    assert (alone.linked, alone.in_erp, alone.in_edusign) == (False, True, False)
    assert {f.state for f in alone.fields} == {"alone"}


def test_groups_and_speakers_are_shown_by_name() -> None:
    school = small_school().both(speaker("P2")).erp_edits("sheet", "S1", speakers=ids("P2"))
    school.edusign_edits("sheet", "S1", groups=ids("e-group-G1", "nobody-knows"))
    view = record(school, "sheet", "S1")
    who = field(view, "speakers")
    assert (who.erp, who.base, who.edusign, who.state) == (
        ["MartinP2 Paul"], ["MartinP1 Paul"], ["MartinP1 Paul"], "erp",
    )  # fmt: skip
    assert field(view, "groups").edusign == ["Group G1", "nobody-knows"]
    assert "learners" not in {f.field for f in view.fields}
    assert view.sheet is not None and view.sheet.erp_id == "S1" and view.sheets == ()


def test_a_session_without_speakers_is_compared_by_the_stand_in() -> None:
    school = small_school().erp_edits("sheet", "S1", speakers=ids())
    who = field(record(school, "sheet", "S1", here(stand_in="P1")), "speakers")
    assert (who.erp, who.erp_canonical, who.state) == ([], ["MartinP1 Paul"], "equal")
    assert field(record(school, "sheet", "S1"), "speakers").state == "erp"


def test_who_stands_on_a_sheet_by_whose_word() -> None:
    school = small_school().both(learner("L7")).erp_edits("sheet", "S1", learners=ids("L1", "L2", "L7"))
    school.edusign_edits("sheet", "S1", learners=ids("e-learner-L1", "e-learner-L3", "guest"))
    school.by_hand(learner("guest", last_name="Abel")).edusign_marks(
        "sheet", "S1", signed_learners=ids("e-learner-L3")
    )
    who = {m.label.split()[0]: (m.in_erp, m.in_base, m.in_edusign, m.signed)
           for m in record(school, "sheet", "S1").members}  # fmt: skip
    assert list(who) == ["Abel", "DupontL1", "DupontL2", "DupontL3", "DupontL7"]
    assert who["Abel"] == (False, False, True, False)
    assert who["DupontL1"] == (True, True, True, False)
    assert who["DupontL2"] == (True, True, False, False)
    assert who["DupontL3"] == (False, True, True, True)
    assert who["DupontL7"] == (True, False, False, False)


def test_what_is_wrong_with_a_record_is_said_with_its_evidence() -> None:
    school = small_school().erp(learner("L8", email="no address"), where="Fiche").erp(learner("L9", email=""))
    assert record(school, "learner", "L8").problems == ("the e-mail address is not valid: no address",)
    assert record(school, "learner", "L9").problems == ("no e-mail address",)
    assert record(school, "learner", "L8").where == "Fiche"
    alone = small_school().erp(session("S8", "L9"))
    assert record(alone, "sheet", "S8").problems == ("nobody on this session could be taken over: L9",)
    assert record(alone, "sheet", "S1").problems == ()


def test_R17_a_shared_address_is_said_of_the_newcomer_alone() -> None:
    school = small_school().erp(learner("L9", email="L1@ecole.example "))
    (problem,) = record(school, "learner", "L9").problems
    assert "two people" in problem and "L1, L9" in problem
    assert record(school, "learner", "L1").problems == ()


def test_the_next_sheets_of_a_person_and_a_group() -> None:
    sessions = [session(f"S{n:02}", "L1", starts=n * HOUR) for n in range(-4, 14)]
    school = small_school(sessions=sessions).erp(session("S50", "L2", starts=5 * MINUTE))
    for kind, id in (("learner", "L1"), ("speaker", "P1"), ("group", "G1")):
        view = record(school, kind, id)  # type: ignore[arg-type]
        keys = [s.erp_id for s in view.sheets if s.erp_id != "S50"]
        assert keys[:3] == ["S-1", "S00", "S01"] and len(view.sheets) == 10
    assert [s.erp_id for s in record(school, "learner", "L2").sheets] == ["S50"]


def test_a_link_is_known_even_where_neither_side_shows_the_record() -> None:
    school = small_school().erp_drops("learner", "L1", missed_before=1)
    school.edusign["learner"].pop("e-learner-L1")
    view = record(school, "learner", "L1")
    assert (view.linked, view.in_erp, view.in_edusign, view.label) == (True, False, False, "L1")
    assert view.missing == ("lyon/import/1130/2026-11-20",)
    assert subject(sight(school), school.links, "learner", "L99") is None


# Finding


def names(school: School, text: str, limit: int = 50) -> list[str]:
    among = findable(sight(school), school.links, "lyon", "Europe/Paris")
    return [f"{view.kind} {view.erp_id}|{view.edusign_id} {view.state}" for view in found(text, among, limit)]


def test_records_are_found_by_every_word_whatever_accents_and_case() -> None:
    school = School().both(learner("L1", last_name="Ngô", first_name="Élodie"), learner("L2", last_name="Ngo"))
    assert names(school, "ELODIE ngo") == ["learner L1|e-learner-L1 linked"]
    assert names(school, "l2@ecole") == ["learner L2|e-learner-L2 linked"]
    assert names(school, "nobody ngo") == names(school, "  ") == []


def test_a_linked_record_is_found_once_by_either_sides_words() -> None:
    school = small_school().edusign_edits("learner", "L1", last_name="Lefèvre")
    assert names(school, "lefevre") == names(school, "dupontl1") == ["learner L1|e-learner-L1 linked"]


def test_the_bearer_of_an_id_comes_first_then_names() -> None:
    school = School().erp(learner("17", last_name="Zorn")).erp(learner("L1", last_name="Abel17"))
    school.by_hand(Group(id="x17", name="Group 17"))
    assert names(school, "17") == ["learner 17| erp", "learner L1| erp", "group |x17 edusign"]
    assert names(school, "17", limit=1) == ["learner 17| erp"]


def test_what_is_told_beside_a_name() -> None:
    school = small_school().both(group("G2"))
    among = findable(sight(school), school.links, "lyon", "Europe/Paris")
    assert [view.detail for view in found("l1", among, 9)] == ["l1@ecole.example"]
    assert [view.detail for view in found("s1", among, 9)] == ["2026-11-26 09:00"]
    assert [view.detail for view in found("g2", among, 9)] == [""]
