"""The Auriga client against the simulated Auriga: what it reads is what the school is, however the service is
set up, and a query that somebody edited is refused in one line."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from connectors.aurion import AurionSettings, connector
from connectors.aurion.client import AurionClient
from connectors.aurion.simulator import (
    GROUPS,
    INTERVENTIONS,
    LEARNERS,
    MENUS,
    PLANNING_MENU,
    SPEAKERS,
    AurionSimulator,
    AurionSwitches,
)
from connectors.simulation.control import FaultOrder
from connectors.simulation.school import School
from engine.attendance import Attendance, FormRow
from engine.clock import VirtualClock, VirtualLoop
from engine.ports import Erp, FaultCode, Listing, Scope, Surroundings
from engine.records import KINDS, Group, Kind, Learner, Sheet, Speaker
from tests.contract.test_ypareo_simulator import clean_learner, plain_session

START = date(2026, 11, 24)
SCOPE = Scope(first=START, last=START + timedelta(days=6), zone="Europe/Paris")
SCHOOL = School.seeded(3, 40, START, weeks=2)
TOKEN = "POST /auth/realms/{realm}/protocol/openid-connect/token"
BY_POPULATION = {"lines": "population"}
PLANNING = {"sessions_from": "planning", "interventions_query": 0}


class Case:
    """A school's simulator and a client of it."""

    def __init__(
        self, clock: VirtualClock, school: School, settings: Mapping[str, Any], switches: Mapping[str, Any]
    ) -> None:
        self.switches = AurionSwitches(**switches)
        self.simulator = AurionSimulator(school, clock, self.switches)
        given = {
            "url": "http://auriga.example/api/", "keycloak_url": "http://auriga.example/auth", "realm": "demo",
            "client_id": "edusign", "client_secret": "env:P", "user": self.switches.user, "password": "env:P",
            "interventions_query": INTERVENTIONS, "groups_query": GROUPS, "speakers_query": SPEAKERS,
            "planning_menu": PLANNING_MENU, "page_size": 300, **settings,
        }  # fmt: skip
        self.client: AurionClient = connector.open(
            AurionSettings(**given),
            Surroundings(
                connection="lille",
                zone="Europe/Paris",
                country="FR",
                clock=clock,
                secret=lambda _reference: self.switches.password,
                transport=httpx.ASGITransport(self.simulator.app),
            ),
        )
        erp: Erp = self.client
        assert erp.attendance is None and erp.form is not None

    async def listings(self, scope: Scope = SCOPE) -> dict[Kind, Listing]:
        await self.client.begin(scope)
        return {kind: await self.client.listing(kind, scope) for kind in KINDS}

    def hand(self, action: str, *args: Any, **kwargs: Any) -> Any:
        return self.simulator.hands[action](*args, **kwargs)

    def key(self, identity: str) -> str:
        return self.simulator.code_of(identity)

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


def as_the_school_is(case: Case, listings: Mapping[Kind, Listing], *, phones: bool = True) -> None:
    """What was read is what the simulator's store says in neutral words."""
    told = case.simulator.dump()["neutral"]
    code = {one["identity"]: one["code"] for kind in ("groups", "learners", "staff") for one in told[kind]}
    assert {kind: one.fault_line for kind, one in listings.items()} == dict.fromkeys(KINDS, "")
    here = [one for one in told["learners"] if not one["departed"]]
    learners = {e.id: e.record for e in listings["learner"].entries}
    assert learners.keys() == {one["code"] for one in here}
    for one in here:
        record = learners[one["code"]]
        assert isinstance(record, Learner)
        # Auriga's texts come without blanks at their ends.
        assert (record.last_name, record.email) == (one["last_name"].strip(), one["email"])
        assert record.phone == (one["phone"] if phones else "")
    speakers = {e.id: e.record for e in listings["speaker"].entries}
    assert speakers.keys() == {one["code"] for one in told["staff"] if one["trainer"]}
    assert all(isinstance(one, Speaker) and one.email for one in speakers.values())
    for entry in listings["group"].entries:
        (one,) = [g for g in told["groups"] if g["code"] == entry.id]
        members = frozenset(p["code"] for p in here if p["group"] == one["identity"])
        assert isinstance(entry.record, Group)
        assert (entry.record.name, entry.record.members) == (one["name"], members)
    sessions = {e.id: e.record for e in listings["sheet"].entries}
    due = [
        one
        for one in told["sessions"]
        if START.isoformat() <= one["local"]["day"] <= SCOPE.last.isoformat() and not one["cancelled"]
    ]
    assert sessions.keys() == {one["code"] for one in due}
    by_population = case.switches.lines == "population" or case.client._settings.sessions_from == "planning"
    for one in due:
        sheet = sessions[one["code"]]
        assert isinstance(sheet, Sheet)
        assert (sheet.name, sheet.room) == (one["name"], one["room"])
        assert (_iso(sheet.start), _iso(sheet.end)) == (one["start_utc"], one["end_utc"])
        assert sheet.speakers == {code[i] for i in one["staff_identities"]}
        assert sheet.groups == {code[i] for i in one["group_identities"]}
        if by_population:
            assert sheet.learners == {p["code"] for p in here if p["group"] in one["group_identities"]}
        else:
            assert sheet.learners == {code[i] for i in one["learner_identities"]}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Reading


@pytest.mark.parametrize(
    ("settings", "switches"),
    [
        ({}, {}),
        ({"page_size": 25}, {"total": False, "first_cell": "before"}),
        ({}, {"times": "wall", "numbers": "numbers", "names_columns": False}),
        ({}, {"times": "slashed", "languages": False}),
        ({"learners_query": LEARNERS, "groups_menu": MENUS[GROUPS][0]}, {"times": "offset"}),
        ({}, BY_POPULATION),
        (PLANNING, {}),
        (PLANNING, {"instructor_ids": False}),
        ({"interventions_menu": MENUS[INTERVENTIONS][0]}, {"rotates": False, "days": 14}),
    ],
    ids=str,
)
def test_what_is_read_is_what_the_school_is(settings: dict[str, Any], switches: dict[str, Any]) -> None:
    async def story(case: Case) -> None:
        case.hand("depart", clean_learner(SCHOOL))
        case.hand("move_learner", clean_learner(SCHOOL, nth=1), "G002")
        case.hand("cancel_session", plain_session(SCHOOL))
        as_the_school_is(case, await case.listings())

    play(story, settings=settings, **switches)


def test_an_unchanged_school_costs_hardly_more_than_it_must() -> None:
    async def story(case: Case) -> tuple[int, int]:
        scope = Scope(first=START, last=START + timedelta(days=13), zone="Europe/Paris")
        await case.listings(scope)
        before = sum(case.client.requests.values())
        await asyncio.sleep(3600)
        await case.listings(scope)
        least = case.simulator.dump()["least_requests"]["import"][START.isoformat()]
        return sum(case.client.requests.values()) - before, least

    asked, least = play(story)
    assert least <= asked <= 1.10 * least


def test_people_that_only_sessions_name_have_not_left_with_them() -> None:
    async def story(case: Case) -> None:
        listings = await case.listings()
        assert len(listings["learner"].entries) > 30 and listings["group"].entries == ()
        assert all(isinstance(e.record, Sheet) and not e.record.groups for e in listings["sheet"].entries)
        assert (await case.client.find("learner", "1", SCOPE, None)).state == "alive"
        assert (await case.client.find("speaker", "1", SCOPE, None)).state == "alive"

    play(story, settings={"groups_query": 0, "speakers_query": 0})


def test_a_phone_is_spoken_of_only_where_a_column_of_them_is() -> None:
    async def story(case: Case) -> None:
        assert case.client.silent["learner"] == {"phone"}
        await case.listings()
        assert case.client.silent == {"learner": frozenset(), "speaker": {"phone"}}
        case.hand("hide_column", GROUPS, "learnerPhone")
        case.client._saved.forget_columns()
        as_the_school_is(case, await case.listings(), phones=False)
        assert case.client.silent["learner"] == {"phone"}

    play(story)


def test_activities_that_make_no_sheet_are_left_out() -> None:
    async def story(case: Case) -> int:
        return len((await case.listings())["sheet"].entries)

    assert play(story, settings={"skip_activities": ["cm"]}) == 0
    assert play(story, settings={**PLANNING, "skip_activities": ["CM"]}) == 0


def test_columns_may_be_called_otherwise() -> None:
    async def story(case: Case) -> None:
        case.hand("rename_column", GROUPS, "learnerEmail", "Courriel étudiant")
        as_the_school_is(case, await case.listings())

    play(story, settings={"columns": {"learnerEmail": "courriel etudiant"}})


def test_a_session_is_found_by_its_id() -> None:
    async def story(case: Case) -> None:
        identity = plain_session(SCHOOL)
        key = case.key(identity)
        (last,) = [e.record for e in (await case.listings())["sheet"].entries if e.id == key]
        case.hand("move_session", identity, day="2027-01-12")
        found = await case.client.find("sheet", key, SCOPE, last)
        assert found.entry is not None and isinstance(found.entry.record, Sheet) and isinstance(last, Sheet)
        assert found.entry.record.start is not None and found.entry.record.start.year == 2027
        assert (found.entry.record.learners, found.entry.record.groups) == (last.learners, last.groups)
        case.hand("cancel_session", identity)
        assert (await case.client.find("sheet", key, SCOPE, last)).state == "gone"
        assert (await case.client.find("learner", "1", SCOPE, None)).state == "unknown"

    play(story)
    play(story, unknown="empty")


def test_where_no_menu_entry_leads_to_one_session_none_is_found() -> None:
    async def story(case: Case) -> str:
        return (await case.client.find("sheet", case.key(plain_session(SCHOOL)), SCOPE, None)).state

    assert play(story, settings={"planning_menu": 0}) == "unknown"
    # A menu entry under which nothing is found at all says nothing about one session.
    assert play(story, settings={"planning_menu": 7}) == "unknown"


def test_a_horizon_beyond_what_the_query_shows_is_told() -> None:
    async def story(case: Case) -> Listing:
        return (await case.listings())["sheet"]

    listing = play(story, settings={"interventions_days": 3})
    assert not listing.complete and "the query shows 3 days, the horizon has 7" in listing.fault_line


# Columns that moved


@pytest.mark.parametrize(
    ("hand", "said"),
    [
        (("move_column", GROUPS, "learnerEmail", 1), "8130: populationCode moved 2→3: `rollcall check`"),
        (("hide_column", GROUPS, "learnerEmail"), "learnerEmail is gone"),
        (("rename_column", GROUPS, "learnerEmail", "Autre"), "learnerEmail is gone"),
        (("rename_column", GROUPS, "learnerId", "Autre"), "no column is called learnerId"),
    ],
    ids=str,
)
def test_a_column_that_moved_stops_what_it_brings_in_one_line(hand: tuple[Any, ...], said: str) -> None:
    async def story(case: Case) -> None:
        await case.listings()
        case.hand(*hand)
        listings = await case.listings()
        for kind in ("learner", "group"):
            assert not listings[kind].complete and listings[kind].fault == FaultCode.drift
            assert said in listings[kind].fault_line and listings[kind].entries == ()
        assert listings["speaker"].complete and listings["sheet"].complete

    play(story)


def test_check_maps_the_columns_anew() -> None:
    async def story(case: Case) -> None:
        await case.listings()
        case.hand("move_column", GROUPS, "learnerEmail", 1)
        assert "rollcall check" in (await case.listings())["learner"].fault_line
        findings = await case.client.check()
        assert len(findings) == 5 and all(one.ok for one in findings)
        as_the_school_is(case, await case.listings())

    play(story)


def test_an_answer_whose_columns_are_not_those_asked_for_is_refused() -> None:
    async def story(case: Case) -> Listing:
        await case.listings()
        real = case.simulator.queries.definitions[GROUPS]
        asked = {**real, "searchResultDefinition": {**real["searchResultDefinition"]}}
        # Edited between the question for the definition and that for the lines.
        asked["searchResultDefinition"]["columns"] = [
            dict(c) for c in real["searchResultDefinition"]["columns"]
        ]
        case.client._saved._definition, before = _answering(case, asked), case.client._saved._definition  # type: ignore[method-assign]
        case.hand("move_column", GROUPS, "learnerEmail", 1)
        listing = (await case.listings())["learner"]
        case.client._saved._definition = before  # type: ignore[method-assign]
        return listing

    listing = play(story, columns_of="saved")
    assert not listing.complete and "column 1 is learnerEmail, not id" in listing.fault_line


def _answering(case: Case, definition: Any) -> Any:
    layout = case.client._saved._layouts["groups"]

    async def answer(_query: Any) -> Any:
        return definition, layout

    return answer


def test_lines_that_mostly_say_nothing_are_not_believed() -> None:
    async def story(case: Case) -> Listing:
        for one in case.simulator.store.sessions.values():
            one.code = 0 if one.code % 3 else one.code
        case.simulator.queries._number = lambda value: "" if not value else str(value)  # type: ignore[method-assign]
        return (await case.listings())["sheet"]

    listing = play(story)
    assert not listing.complete and "cannot be read" in listing.fault_line


def test_a_query_no_menu_runs_is_named() -> None:
    async def story(case: Case) -> Listing:
        return (await case.listings())["group"]

    listing = play(story, settings={"groups_query": 99})
    assert "no menu entry runs query 99: set groups_menu" in listing.fault_line


# Tokens


@pytest.mark.parametrize("expired", ["401", "403", "html", "redirect"])
def test_a_token_that_is_not_accepted_is_renewed_once(expired: str) -> None:
    async def story(case: Case) -> None:
        await case.listings()
        case.simulator.tokens._access.clear()
        as_the_school_is(case, await case.listings())
        assert case.simulator.control.requests[_routes(case)] == 2

    play(story, expired=expired)


def _routes(case: Case) -> str:
    return next(route for route in case.simulator.control.requests if route.endswith("/token"))


def test_tokens_are_renewed_before_they_end_and_each_refresh_token_is_used_once() -> None:
    async def story(case: Case) -> None:
        for _time in range(6):
            await case.listings()
            await asyncio.sleep(50)
        await asyncio.sleep(4000)
        as_the_school_is(case, await case.listings())
        # No request was ever refused for its token.
        assert case.simulator.control.requests[_routes(case)] == 7

    play(story)


def test_a_lost_answer_to_a_refresh_is_made_good_by_the_password() -> None:
    async def story(case: Case) -> None:
        await case.listings()
        await asyncio.sleep(100)
        case.fault("502", "*/token", phase="after")
        as_the_school_is(case, await case.listings())

    play(story)


def test_wrong_credentials_are_told_and_asked_once() -> None:
    async def story(case: Case) -> None:
        listings = await case.listings()
        assert {one.fault for one in listings.values()} == {FaultCode.unauthorized}
        assert case.simulator.control.requests == {_routes(case): 1}
        findings = await case.client.check()
        assert [(one.what, one.ok) for one in findings] == [("sign in", False)]
        assert "auriga-demo-password" not in str(listings) + str(findings)

    play(story, settings={"user": "somebody"})


def test_a_right_that_is_missing_is_no_expired_token() -> None:
    async def story(case: Case) -> Listing:
        return (await case.listings())["sheet"]

    listing = play(story, may_query=False)
    assert listing.fault == FaultCode.forbidden


# When it goes wrong


@pytest.mark.parametrize(
    ("kind", "code", "switches"),
    [
        ("truncated_list", FaultCode.truncated, {}),
        ("truncated_list", FaultCode.truncated, {"total": False}),
        ("repeated_page", FaultCode.repeated_page, {"total": False}),
        ("empty_list", FaultCode.truncated, {}),
        ("503", FaultCode.bad_gateway, {}),
        ("truncated_body", FaultCode.truncated, {}),
    ],
)
def test_a_result_that_is_not_whole_says_so(kind: str, code: FaultCode, switches: dict[str, Any]) -> None:
    async def story(case: Case) -> Listing:
        more = {"count": 0} if kind in ("503", "truncated_body") else {}
        case.fault(kind, f"*/{MENUS[GROUPS][0]}/searchResult", **more)
        return (await case.listings())["learner"]

    listing = play(story, settings={"page_size": 10}, **switches)
    assert (listing.complete, listing.fault, listing.entries) == (False, code, ())
    assert "lille" in listing.fault_line and "searchResult" in listing.fault_line


def test_check_says_how_each_thing_stands() -> None:
    findings = play(lambda case: case.client.check(), settings=PLANNING)
    assert [one.what for one in findings] == [
        "sign in", "columns of query 8130", "columns of query 8150", "read sessions", "compare clocks",
    ]  # fmt: skip
    assert all(one.ok for one in findings)
    assert "without instructorPhone" in findings[2].detail


@pytest.mark.parametrize(
    "wrong", [{"interventions_query": 0}, {**PLANNING, "groups_query": 0}, {"page_size": 301}]
)
def test_settings_that_leave_nothing_to_read_are_refused(wrong: dict[str, Any]) -> None:
    async def story(case: Case) -> None: ...

    with pytest.raises(ValidationError):
        play(story, settings=wrong)


# What people bring in by hand


def test_absences_make_a_list_for_people() -> None:
    async def story(case: Case) -> tuple[str, bytes]:
        learner = Learner(id="21001", last_name="=Roux", first_name="Zoé", email="z@x.example")
        session = Sheet(
            id="700001",
            name="Anglais",
            start=datetime(2026, 11, 24, 8, tzinfo=UTC),
            end=datetime(2026, 11, 24, 11, tzinfo=UTC),
        )
        one = Attendance(sheet="700001", person="21001", state="present", late=15, reason="3")
        assert case.client.form is not None
        return case.client.form.form(
            (FormRow(session=session, person=learner, attendance=one, reason_name="Bus"),)
        )

    name, content = play(story)
    assert name == "auriga-absences-2026-11-24.csv" and content.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), delimiter=";")
    assert (row["interventionId"], row["date"], row["start"], row["end"]) == (
        "700001",
        "24/11/2026",
        "09:00",
        "12:00",
    )
    assert (row["lastName"], row["state"], row["minutesLate"], row["reason"]) == (
        "'=Roux",
        "present",
        "15",
        "Bus",
    )


# Nights when the clock changes


@pytest.mark.parametrize(
    ("evening", "starts", "ends"),
    [
        (date(2026, 10, 24), "2026-10-24T19:00:00", "2026-10-25T05:00:00"),
        (date(2027, 3, 27), "2027-03-27T20:00:00", "2027-03-28T04:00:00"),
    ],
)
@pytest.mark.parametrize(
    ("settings", "switches"),
    [({}, {"times": "utc"}), ({}, {"times": "offset"}), ({}, {"times": "wall"}), (PLANNING, {})],
    ids=str,
)
def test_a_night_session_over_a_change_of_the_clock(
    evening: date, starts: str, ends: str, settings: dict[str, Any], switches: dict[str, Any]
) -> None:
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
        listing = (await case.listings(scope))["sheet"]
        assert listing.complete, listing.fault_line
        (session,) = [e.record for e in listing.entries if e.id == case.key("S90001")]
        assert isinstance(session, Sheet)
        assert session.start == datetime.fromisoformat(f"{starts}+00:00")
        assert session.end == datetime.fromisoformat(f"{ends}+00:00")

    at = datetime.combine(monday, datetime.min.time(), UTC) + timedelta(hours=9)
    play(story, school=school, at=at, settings=settings, **switches)
