"""The Aimaira client against the simulated Aimaira: what it reads is what the school is, however the service
is set up, and what it writes is what was meant and nothing beside."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from connectors.aimaira import AimairaSettings, connector
from connectors.aimaira.client import AimairaClient
from connectors.aimaira.simulator import AimairaSimulator, AimairaSwitches
from connectors.simulation.control import FaultOrder
from connectors.simulation.school import School
from engine.attendance import Attendance, Standing
from engine.clock import VirtualClock, VirtualLoop
from engine.ports import Erp, ErpAttendance, Fault, FaultCode, Listing, Scope, Surroundings
from engine.records import KINDS, Group, Kind, Learner, Sheet, Speaker
from tests.contract.test_ypareo_simulator import clean_learner, plain_session

START = date(2026, 11, 24)
SCOPE = Scope(first=START, last=START + timedelta(days=6), zone="Europe/Paris")
SCHOOL = School.seeded(3, 40, START, weeks=2)
MALADY, UNEXCUSED = 410013, 410033
REASONS: Any = ({"id": MALADY, "name": "Maladie", "justifies": True}, {"id": UNEXCUSED, "name": "Sans motif"})


class Case:
    """A school's simulator and a client of it."""

    def __init__(
        self, clock: VirtualClock, school: School, settings: Mapping[str, Any], switches: Mapping[str, Any]
    ) -> None:
        self.switches = AimairaSwitches(**switches)
        self.simulator = AimairaSimulator(school, clock, self.switches)
        given = {"user": self.switches.user, "password": "env:P", **settings}
        self.client: AimairaClient = connector.open(
            AimairaSettings(url="http://aimaira.example/graphv1/", **given),
            Surroundings(
                connection="caen",
                zone="Europe/Paris",
                country="FR",
                clock=clock,
                secret={"env:P": self.switches.password, "env:K": self.switches.api_key}.__getitem__,
                transport=httpx.ASGITransport(self.simulator.app),
            ),
        )
        erp: Erp = self.client
        assert erp.attendance is not None
        self.attendance: ErpAttendance = erp.attendance

    async def listings(self, scope: Scope = SCOPE) -> dict[Kind, Listing]:
        await self.client.begin(scope)
        return {kind: await self.client.listing(kind, scope) for kind in KINDS}

    def hand(self, action: str, *args: Any, **kwargs: Any) -> Any:
        return self.simulator.hands[action](*args, **kwargs)

    def key(self, identity: str) -> str:
        return self.simulator.code_of(identity)

    def planned(self, identity: str) -> Sheet:
        """A session as an import would have read it, told by the store: what absences are written to."""
        told = self.simulator.dump()["neutral"]
        (one,) = [row for row in told["sessions"] if row["identity"] == identity]
        return Sheet(
            id=one["code"],
            start=datetime.fromisoformat(one["start_utc"]),
            end=datetime.fromisoformat(one["end_utc"]),
            learners=frozenset(map(self.key, one["learner_identities"])),
        )

    async def session(self, identity: str, scope: Scope) -> Sheet:
        """A session as an import reads it."""
        await self.client.begin(scope)
        for entry in (await self.client.listing("sheet", scope)).entries:
            if entry.id == self.key(identity):
                assert isinstance(entry.record, Sheet)
                return entry.record
        raise AssertionError(f"no session {identity}")

    async def standing(self, session: Sheet) -> Standing:
        return await self.attendance.standing((session,), SCOPE)

    def marks(self) -> list[tuple[Any, ...]]:
        """What the ERP's store holds of absences: who, state, minutes, justified, reason."""
        return [
            (a["identity"], a["state"], a["minutes"], a["justified"], a["reason"])
            for a in self.simulator.dump()["neutral"]["absences"]
            if a["removed"] is None
        ]

    def fault(self, kind: str, route: str, **more: Any) -> None:
        self.simulator.control.fault(FaultOrder.model_validate({"kind": kind, "route": route, **more}))


def play(
    story: Any,
    *,
    school: School = SCHOOL,
    at: datetime = datetime(2026, 11, 24, 9, tzinfo=UTC),
    settings: Mapping[str, Any] = {},
    **switches: Any,
) -> Any:
    """Run `story(case)` on virtual time from `at`."""

    loop = VirtualLoop()

    async def run() -> Any:
        case = Case(VirtualClock(at, loop), school, settings, switches)
        try:
            return await story(case)
        finally:
            await case.client.close()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(run())


def as_the_school_is(case: Case, listings: Mapping[Kind, Listing]) -> None:
    """What was read is what the simulator's store says in neutral words."""
    told = case.simulator.dump()["neutral"]
    code = {one["identity"]: one["code"] for kind in ("groups", "learners", "staff") for one in told[kind]}
    assert {kind: one.fault_line for kind, one in listings.items()} == dict.fromkeys(KINDS, "")
    learners = {e.id: e for e in listings["learner"].entries}
    here = [one for one in told["learners"] if not one["removed"]]
    assert learners.keys() == {one["code"] for one in here}
    for one in here:
        record = learners[one["code"]].record
        assert isinstance(record, Learner)
        said = (record.last_name, record.first_name, record.email, record.phone)
        assert said == (one["last_name"], one["first_name"], one["email"], one["phone"])
        assert learners[one["code"]].ended == one["departed"]
    speakers = {e.id: e.record for e in listings["speaker"].entries}
    assert speakers.keys() == {one["code"] for one in told["staff"] if one["trainer"]}
    assert all(isinstance(one, Speaker) and one.email for one in speakers.values())
    for entry in listings["group"].entries:
        (one,) = [g for g in told["groups"] if g["code"] == entry.id]
        members = frozenset(p["code"] for p in here if p["group"] == one["identity"] and not p["departed"])
        assert isinstance(entry.record, Group)
        assert (entry.record.name, entry.record.members) == (one["name"], members)
    sessions = {e.id: e for e in listings["sheet"].entries}
    due = [
        one for one in told["sessions"] if START.isoformat() <= one["local"]["day"] <= SCOPE.last.isoformat()
    ]
    assert sessions.keys() == {one["code"] for one in due}
    for one in due:
        record = sessions[one["code"]].record
        assert isinstance(record, Sheet)
        assert (record.name, record.room) == (one["name"], one["room"])
        assert (_iso(record.start), _iso(record.end)) == (one["start_utc"], one["end_utc"])
        assert record.learners == {code[i] for i in one["learner_identities"]}
        assert record.speakers == {code[i] for i in one["staff_identities"]}
        assert record.groups == {code[i] for i in one["group_identities"]}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Reading


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"paging": "cut", "page_size": 30},
        {"paging": "cut", "page_size": 30, "count": "ignored"},
        {"paging": "cut", "page_size": 50, "count": "refused", "skip": "refused"},
        {"paging": "whole", "count": "ignored"},
        {"page_size": 30, "count": "refused", "links": "relative"},
        {"navigation": "proven", "names_in_use": "empty"},
        {"navigation": "none", "page_size": 40},
        {"filter_by_time": "refused", "row_times": "follow"},
        {"title": "event", "reference": "nothing"},
        {"expanded_rows": 5},
        {"group_rows": "none", "departed_members": "leave", "errors": "html"},
        {"metadata": "forbidden", "title": "event"},
    ],
    ids=str,
)
def test_what_is_read_is_what_the_school_is(switches: dict[str, Any]) -> None:
    async def story(case: Case) -> None:
        case.hand("depart", clean_learner(SCHOOL))
        case.hand("move_learner", clean_learner(SCHOOL, nth=1), "G002")
        case.hand("remove_learner", clean_learner(SCHOOL, nth=2))
        as_the_school_is(case, await case.listings())

    play(story, **switches)


def test_an_unchanged_school_costs_hardly_more_than_it_must() -> None:
    async def story(case: Case) -> tuple[int, int]:
        scope = Scope(first=START, last=START + timedelta(days=13), zone="Europe/Paris")
        await case.listings(scope)
        before = sum(case.client.requests.values())
        await case.listings(scope)
        least = case.simulator.dump()["least_requests"]["import"][START.isoformat()]
        return sum(case.client.requests.values()) - before, least

    asked, least = play(story, page_size=50)
    assert least <= asked <= 1.10 * least


def test_an_api_key_opens_too() -> None:
    settings = {"user": "", "password": "", "api_key": "env:K"}
    assert play(Case.listings, settings=settings)["learner"].complete


def test_a_moved_event_has_its_own_times_whatever_its_rows_say() -> None:
    async def story(case: Case) -> None:
        case.hand("move_session", plain_session(SCHOOL), start="17:00:00", end="18:30:00")
        as_the_school_is(case, await case.listings())

    play(story)
    play(story, row_times="own_lag", filter_by_time="refused")


def test_an_event_of_a_group_only_is_refused_in_one_line() -> None:
    async def story(case: Case) -> None:
        session = plain_session(SCHOOL)
        case.hand("only_group", session)
        entries = {e.id: e for e in (await case.listings())["sheet"].entries}
        (problem,) = entries[case.key(session)].problems
        assert (problem.code, problem.row) == ("group_not_expanded", True)
        assert problem.evidence == case.simulator.store.groups["G001"].origin.short_name

    play(story)


def test_a_cancelled_event_has_ended() -> None:
    async def story(case: Case) -> bool:
        session = plain_session(SCHOOL)
        case.hand("cancel_session", session)
        return next(e.ended for e in (await case.listings())["sheet"].entries if e.id == case.key(session))

    assert play(story) is True


def test_campuses_limit_who_and_what_is_meant() -> None:
    async def story(case: Case) -> None:
        listings = await case.listings()
        told = case.simulator.dump()["neutral"]
        (group,) = [g for g in told["groups"] if g["identity"] == "G001"]
        assert [e.id for e in listings["group"].entries] == [group["code"]]
        assert {e.id for e in listings["learner"].entries} == {
            one["code"] for one in told["learners"] if one["group"] == "G001"
        }
        sheets = [e.record for e in listings["sheet"].entries]
        assert sheets and all(isinstance(s, Sheet) and group["code"] in s.groups for s in sheets)

    play(story, settings={"campuses": ["campus NORD"]})

    async def unknown(case: Case) -> Listing:
        return (await case.listings())["sheet"]

    listing = play(unknown, settings={"campuses": ["Campus Lune"]})
    assert not listing.complete and "no campus is called campus lune" in listing.fault_line


def test_somebody_on_an_event_who_left_long_ago_or_was_never_enrolled_is_told() -> None:
    async def story(case: Case) -> None:
        session, learner = plain_session(SCHOOL), clean_learner(SCHOOL)
        case.hand("depart", learner, on="2026-05-04")
        entries = {e.id: e for e in (await case.listings())["learner"].entries}
        assert entries[case.key(learner)].ended
        stray = {"Code": "A9999999", "Reference": 0}
        row = case.simulator.store.row_key(session, clean_learner(SCHOOL, nth=1))
        case.simulator.store.besides[row] = stray
        case.hand("edit", clean_learner(SCHOOL, nth=3), "phone", "0600000000")
        entries = {e.id: e for e in (await case.listings())["learner"].entries}
        (problem,) = entries["A9999999"].problems
        assert (problem.code, problem.row) == ("not_enrolled", True)

    play(story, departed_off_sessions=False)


def test_one_record_is_found_by_its_key() -> None:
    async def story(case: Case) -> None:
        session, learner = plain_session(SCHOOL), clean_learner(SCHOOL)
        await case.client.begin(SCOPE)
        places: dict[Kind, str] = {"learner": learner, "sheet": session, "group": "G001"}
        places["speaker"] = next(one.identity for one in SCHOOL.staff if one.trainer)
        for kind, identity in places.items():
            sighting = await case.client.find(kind, case.key(identity), SCOPE, None)
            assert sighting.state == "alive" and sighting.entry is not None
            assert (await case.client.find(kind, "777", SCOPE, None)).state == "gone"
        case.hand("remove_learner", learner)
        assert (await case.client.find("learner", case.key(learner), SCOPE, None)).state == "gone"
        case.hand("move_session", session, day="2027-01-12")
        moved = await case.client.find("sheet", case.key(session), SCOPE, None)
        assert moved.entry is not None and isinstance(moved.entry.record, Sheet)
        assert moved.entry.record.start is not None and moved.entry.record.start.year == 2027
        case.fault("503", "*", count=0)
        assert (await case.client.find("sheet", case.key(session), SCOPE, None)).state == "unknown"

    play(story)


# When it goes wrong


def faulted(kind: str, route: str, listing: Kind, **switches: Any) -> Listing:
    async def story(case: Case) -> Listing:
        more = {"count": 0} if kind in ("503", "html") else {}
        case.fault(kind, route, **more)
        return (await case.listings())[listing]

    found: Listing = play(story, **switches)
    return found


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("truncated_list", FaultCode.truncated),
        ("empty_list", FaultCode.truncated),
        ("repeated_page", FaultCode.repeated_page),
        ("html", FaultCode.not_json),
        ("503", FaultCode.bad_gateway),
        ("403", FaultCode.forbidden),
    ],
)
def test_a_list_that_is_not_whole_says_so(kind: str, code: FaultCode) -> None:
    listing = faulted(kind, "*/Inscription", "learner", page_size=25)
    assert (listing.complete, listing.fault, listing.entries) == (False, code, ())
    assert "caen" in listing.fault_line and "GET /Inscription" in listing.fault_line


def test_a_list_cut_short_without_links_is_read_on_from_its_last_row() -> None:
    assert len(faulted("truncated_list", "*/Inscription", "learner", paging="cut").entries) == 40


@pytest.mark.parametrize(
    "gone", ["Apprenant.MailId", "Inscription.DateSortie", "PlanificationRessource.IdSequence"]
)
def test_a_field_that_is_gone_stops_its_kind_and_no_other(gone: str) -> None:
    async def story(case: Case) -> None:
        listings = await case.listings()
        kind: Kind = "sheet" if gone.startswith("Plan") else "learner"
        assert not listings[kind].complete and gone.partition(".")[2] in listings[kind].fault_line
        assert listings[kind].fault == FaultCode.drift and listings["speaker"].complete
        (finding,) = [f for f in await case.client.check() if f.what == "compare $metadata"]
        assert not finding.ok and gone.replace(".", ": ") in finding.detail

    play(story, absent=(gone,))


def test_titles_that_came_from_meetings_are_not_given_up_for_others() -> None:
    async def story(case: Case) -> None:
        assert (await case.listings())["sheet"].complete
        del case.simulator._service._fields["Seance"]["CoursId"]
        case.client._reader.forget(model=True)
        listing = (await case.listings())["sheet"]
        assert not listing.complete and "Seance: CoursId not declared" in listing.fault_line
        case.fault("403", "*/$metadata")
        case.client._reader.forget(model=True)
        assert (await case.listings())["sheet"].fault == FaultCode.forbidden

    play(story)


def test_check_says_how_each_thing_stands() -> None:
    findings = play(lambda case: case.client.check())
    assert len(findings) == 7 and all(one.ok for one in findings)
    refused = play(lambda case: case.client.check(), settings={"user": "DEMO\\\\api@aimaira.example"})
    assert [(one.ok, "single one" in one.advice) for one in refused] == [(False, True)]
    skewed = play(lambda case: _skewed(case))
    assert [one.what for one in skewed if not one.ok] == ["compare clocks"]


async def _skewed(case: Case) -> Any:
    case.simulator.control.advance(300)
    return await case.client.check()


# Writing attendance

EVERYTHING = {"accept_unverified": True, "reasons": REASONS}


def mark(session: Sheet, person: str, state: Any = "absent", **more: Any) -> Attendance:
    return Attendance(sheet=session.id, person=person, state=state, **more)


@pytest.mark.parametrize(
    ("said", "stands"),
    [
        ({"state": "absent"}, ("absent", 0, False, "")),
        ({"state": "absent", "justified": True}, ("absent", 0, True, "Maladie")),
        ({"state": "absent", "reason": str(UNEXCUSED)}, ("absent", 0, False, "Absence injustifiée")),
        ({"state": "present"}, ("present", 0, False, "")),
        ({"state": "present", "late": 15}, ("late", 15, False, "")),
        ({"state": "present", "left_early": 30}, ("left_early", 30, False, "")),
        ({"state": "excluded"}, ("excluded", 0, False, "")),
    ],
    ids=str,
)
def test_a_mark_arrives_as_meant_and_reads_back_the_same(said: dict[str, Any], stands: tuple[Any, ...]) -> None:
    async def story(case: Case) -> None:
        session, learner = case.planned(plain_session(SCHOOL)), clean_learner(SCHOOL)
        assert await case.standing(session) == Standing()
        await case.attendance.write(session, (mark(session, case.key(learner), **said),), ())
        assert case.marks() == [(learner, *stands)]
        (read,) = (await case.standing(session)).attendances
        assert (read.person, read.state) == (case.key(learner), said["state"])
        assert (read.late, read.left_early) == (said.get("late", 0), said.get("left_early", 0))
        assert read.justified == stands[2]
        # Twice is once: the second time nothing is sent.
        await case.attendance.write(session, (mark(session, case.key(learner), **said),), (read,))
        assert len(case.simulator.control.writes) == 1

    play(story, settings=EVERYTHING)


def test_nothing_but_the_marks_of_those_meant_changes() -> None:
    async def story(case: Case) -> None:
        session = case.planned(plain_session(SCHOOL))
        before = await _rows(case, session)
        some = sorted(session.learners)[:3]
        await case.attendance.write(session, tuple(mark(session, one) for one in some), ())
        after = await _rows(case, session)
        for key, row in after.items():
            changed = {name for name in row if row[name] != before[key][name]}
            meant = str(row["Reference"]) in some
            assert changed == ({"Presence", "ControlePresence"} if meant else set())

    play(story, settings={"reasons": REASONS})


async def _rows(case: Case, session: Sheet) -> dict[int, Any]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(case.simulator.app),
        base_url="http://aimaira.example",
        headers={"X-ApiKey": case.switches.api_key},
    ) as http:
        answer = await http.get(f"/GraphV1/Planification/{session.id}/PlanificationsRessource")
    return {row["Id"]: row for row in answer.json()["value"]}


def test_a_mark_may_be_taken_back_and_changed() -> None:
    async def story(case: Case) -> None:
        session, learner = case.planned(plain_session(SCHOOL)), clean_learner(SCHOOL)
        person = case.key(learner)
        untouched = await _rows(case, session)
        await case.attendance.write(session, (mark(session, person, "present", late=20),), ())
        standing = (await case.standing(session)).attendances
        await case.attendance.write(session, (mark(session, person, "absent"),), standing)
        assert case.marks() == [(learner, "absent", 0, False, "")]
        standing = (await case.standing(session)).attendances
        await case.attendance.write(session, (mark(session, person, "awaiting"),), standing)
        assert case.marks() == [] and await case.standing(session) == Standing()
        assert await _rows(case, session) == untouched

    play(story, settings=EVERYTHING)


def test_what_the_schools_people_changed_meanwhile_is_left_to_them() -> None:
    async def story(case: Case) -> None:
        session, one, two = case.planned(plain_session(SCHOOL)), *_two()
        case.hand("record_absence", one, session=plain_session(SCHOOL), justified=True)
        wanted = tuple(mark(session, case.key(identity), "present") for identity in (one, two))
        with pytest.raises(Fault) as refused:
            await case.attendance.write(session, wanted, ())
        assert refused.value.code is FaultCode.refused and "changed there since it was read" in str(
            refused.value
        )
        assert [m[:2] for m in case.marks()] == [(one, "absent"), (two, "present")]

    play(story, settings=EVERYTHING)


def _two() -> tuple[str, str]:
    return clean_learner(SCHOOL), clean_learner(SCHOOL, nth=1)


def test_a_put_that_would_wipe_a_field_is_not_sent() -> None:
    async def story(case: Case) -> None:
        session, learner = case.planned(plain_session(SCHOOL)), clean_learner(SCHOOL)
        with pytest.raises(Fault) as refused:
            await case.attendance.write(session, (mark(session, case.key(learner)),), ())
        assert "a PUT would erase Detail" in refused.value.came and refused.value.committed == "no"
        assert case.simulator.control.writes == []

    play(story, hidden=("PlanificationRessource.Detail",))


@pytest.mark.parametrize("gone", ["PlanificationRessource.ControlePresence", "PlanificationRessource.Presence"])
def test_nothing_is_written_where_marks_have_no_place(gone: str) -> None:
    async def story(case: Case) -> None:
        session = case.planned(plain_session(SCHOOL))
        with pytest.raises(Fault) as refused:
            await case.attendance.write(session, (mark(session, min(session.learners)),), ())
        assert refused.value.code is FaultCode.drift

    play(story, absent=(gone,))


def test_somebody_without_a_row_is_told_and_the_others_are_written() -> None:
    async def story(case: Case) -> None:
        session, learner = case.planned(plain_session(SCHOOL)), clean_learner(SCHOOL)
        stranger = case.key(clean_learner(SCHOOL, "G002"))
        wanted = (mark(session, stranger), mark(session, case.key(learner)))
        with pytest.raises(Fault) as refused:
            await case.attendance.write(session, wanted, ())
        assert refused.value.came == f"{stranger}: no row on this event"
        assert refused.value.committed == "unknown" and [m[0] for m in case.marks()] == [learner]

    play(story)


def test_without_leave_lateness_is_neither_said_nor_touched() -> None:
    async def story(case: Case) -> None:
        session, learner = case.planned(plain_session(SCHOOL)), clean_learner(SCHOOL)
        assert case.attendance.carries == {"present", "absent"}
        await case.attendance.write(session, (mark(session, case.key(learner), "present", late=10),), ())
        assert case.marks() == [(learner, "present", 0, False, "")]

    play(story)


def test_a_row_names_its_learner_by_code_where_its_reference_says_nothing() -> None:
    async def story(case: Case) -> None:
        session, learner = case.planned(plain_session(SCHOOL)), clean_learner(SCHOOL)
        await case.client.begin(SCOPE)
        await case.attendance.write(session, (mark(session, case.key(learner)),), ())
        assert [m[0] for m in case.marks()] == [learner]

    play(story, reference="nothing")


def test_no_answer_to_a_put_is_an_unknown_outcome() -> None:
    async def story(case: Case) -> None:
        session, learner = case.planned(plain_session(SCHOOL)), clean_learner(SCHOOL)
        case.fault("silence_after_commit", "*/PlanificationRessource/*", method="PUT")
        with pytest.raises(Fault) as lost:
            await case.attendance.write(session, (mark(session, case.key(learner)),), ())
        assert (lost.value.code, lost.value.committed) == (FaultCode.outcome_unknown, "unknown")
        (read,) = (await case.standing(session)).attendances
        assert read.state == "absent"

    play(story)


def test_a_right_that_is_missing_writes_nothing_and_one_lost_half_way_leaves_it_open() -> None:
    async def story(case: Case) -> Fault:
        session = case.planned(plain_session(SCHOOL))
        case.fault("403", "*/PlanificationRessource/*", method="PUT", nth=2)
        wanted = tuple(mark(session, case.key(identity)) for identity in _two())
        with pytest.raises(Fault) as refused:
            await case.attendance.write(session, wanted, ())
        return refused.value

    nothing, half = play(story, may_write=False), play(story)
    assert (nothing.code, nothing.committed) == (FaultCode.forbidden, "no")
    assert (half.code, half.committed) == (FaultCode.forbidden, "unknown")


def test_standing_that_could_not_be_read_whole_says_so() -> None:
    async def story(case: Case) -> Standing:
        session = case.planned(plain_session(SCHOOL))
        case.fault("503", "*/PlanificationRessource", count=0)
        return await case.standing(session)

    standing = play(story)
    assert not standing.complete and "PlanificationRessource" in standing.fault_line


def test_no_roll_call_is_no_presence() -> None:
    async def story(case: Case) -> Standing:
        return await case.standing(case.planned(plain_session(SCHOOL)))

    assert play(story) == Standing()


# Nights when the clock changes


@pytest.mark.parametrize(
    ("evening", "starts", "ends", "came"),
    [
        # Summer time ends: nine hours on the wall are ten.
        (date(2026, 10, 24), "2026-10-24T19:00:00", "2026-10-25T05:00:00", "2026-10-25T03:30:00+01:00"),
        # Summer time begins: nine hours on the wall are eight.
        (date(2027, 3, 27), "2027-03-27T20:00:00", "2027-03-28T04:00:00", "2027-03-28T03:30:00+02:00"),
    ],
)
def test_a_night_session_over_a_change_of_the_clock(evening: date, starts: str, ends: str, came: str) -> None:
    monday = evening - timedelta(days=5)
    scope = Scope(first=monday, last=evening + timedelta(days=1), zone="Europe/Paris")
    school = School.seeded(3, 40, monday, weeks=1)

    async def story(case: Case) -> None:
        trainer = next(one.identity for one in school.staff if one.trainer)
        case.hand(
            "add_session",
            "S90001",
            "Garde",
            evening.isoformat(),
            "21:00:00",
            "06:00:00",
            ["G001"],
            [trainer],
            [],
        )
        session = await case.session("S90001", scope)
        assert session.start == datetime.fromisoformat(f"{starts}+00:00")
        assert session.end == datetime.fromisoformat(f"{ends}+00:00")
        arrived = datetime.fromisoformat(came)
        minutes = (arrived - session.start) // timedelta(minutes=1)
        learner = clean_learner(school)
        await case.attendance.write(session, (mark(session, case.key(learner), "present", late=minutes),), ())
        assert case.marks() == [(learner, "late", minutes, False, "")]
        (read,) = (await case.attendance.standing((session,), scope)).attendances
        assert (read.late, read.first) == (minutes, arrived.astimezone(UTC))
        row = next(r for r in (await _rows(case, session)).values() if str(r["Reference"]) == case.key(learner))
        assert row["Debut"] == came

    at = datetime.combine(monday, datetime.min.time(), UTC) + timedelta(hours=9)
    play(story, school=school, at=at, settings=EVERYTHING)
