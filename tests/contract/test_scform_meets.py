"""The SC-Form client meets the simulated SC-Form: what a run asks, what is refused, how absences get there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from connectors.scform import ScFormSettings, connector
from connectors.scform.client import ScFormClient
from connectors.scform.questions import telling_windows
from connectors.scform.simulator import DEMO_PASSWORD, DEMO_USER, ScFormSimulator, ScFormSwitches
from connectors.simulation.control import FaultOrder
from connectors.simulation.school import School
from engine.attendance import Attendance
from engine.clock import VirtualClock, VirtualLoop
from engine.ports import Fault, Listing, Scope, Surroundings
from engine.records import KINDS, Kind, Sheet
from tests.unit.test_http import T

PARIS = "Europe/Paris"
TERM = date(2026, 9, 14)
NOW = datetime(2026, 9, 14, 6, tzinfo=UTC)
WEEK = Scope(first=TERM, last=date(2026, 9, 20), zone=PARIS)
# Each date of it exists the other way round too: the 5th of October, the 10th of May.
AMBIGUOUS = Scope(first=date(2026, 10, 5), last=date(2026, 10, 11), zone=PARIS)
RIGHT = ("2",)


@pytest.fixture(scope="module")
def school() -> School:
    return School.seeded(5, 60, TERM)


class Renaming(httpx.AsyncBaseTransport):
    """An SC-Form whose next version calls some fields otherwise."""

    def __init__(self, inner: httpx.ASGITransport, names: dict[str, str]) -> None:
        self._inner, self._names = inner, names

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        body = await response.aread()
        for old, new in self._names.items():
            body = body.replace(f'"{old}"'.encode(), f'"{new}"'.encode())
        return httpx.Response(response.status_code, content=body, headers={"content-type": "application/json"})


class Meeting:
    """One simulator, and one client of it at a time."""

    def __init__(self, school: School, switches: dict[str, Any] | None = None) -> None:
        self.school = school
        self.switches = ScFormSwitches(**(switches or {}))
        self.renamed: dict[str, str] = {}
        self.simulator: ScFormSimulator

    def ask(self, what: Callable[[ScFormClient], Awaitable[T]], at: datetime = NOW, **settings: Any) -> T:
        loop = VirtualLoop()

        async def whole() -> T:
            clock = VirtualClock(at, loop)
            self.simulator = ScFormSimulator(self.school, clock, self.switches)
            given = {
                "url": "https://school.sc-form.example", "user": DEMO_USER, "password": "env:P",
                "day_before_month": RIGHT, "accept_unverified": True, "absence_type": "1", **settings,
            }  # fmt: skip
            client = connector.open(
                ScFormSettings(**given),
                Surroundings(
                    connection="metz", zone=PARIS, country="FR", clock=clock,
                    secret=lambda _reference: DEMO_PASSWORD,
                    transport=Renaming(httpx.ASGITransport(app=self.simulator.app), self.renamed),
                ),
            )  # fmt: skip
            await client.begin(WEEK)
            try:
                return await what(client)
            finally:
                await client.close()

        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(whole())

    @property
    def asked(self) -> int:
        return sum(self.simulator.control.requests.values())


async def whole_run(client: ScFormClient, scope: Scope = WEEK) -> dict[Kind, Listing]:
    await client.begin(scope)
    return {kind: await client.listing(kind, scope) for kind in KINDS}


def told(listings: dict[Kind, Listing]) -> dict[str, list[str]]:
    return {kind: [entry.id for entry in listing.entries] for kind, listing in listings.items()}


def test_a_run_asks_for_each_thing_once_and_takes_what_the_school_has(school: School) -> None:
    meeting = Meeting(school)
    listings = meeting.ask(whole_run)
    assert all(listing.complete for listing in listings.values())
    assert meeting.asked == meeting.simulator.dump()["least_requests"]["import"]
    code = meeting.simulator.code_of
    gone = {one.identity for one in school.learners if one.left is not None}
    live = {code(one.identity) for one in school.learners if one.left is None}
    assert {e.id for e in listings["learner"].entries if not e.ended} == live
    assert {e.id for e in listings["learner"].entries if e.ended} <= {code(identity) for identity in gone}
    assert set(told(listings)["group"]) == {code(one.identity) for one in school.groups}
    week = [one for one in school.sessions if WEEK.first <= one.day <= WEEK.last]
    assert set(told(listings)["sheet"]) == {code(one.identity) for one in week}
    for one in week:
        entry = next(e for e in listings["sheet"].entries if e.id == code(one.identity))
        assert entry.record.value("learners") == {code(identity) for identity in one.learners}
        assert entry.record.value("speakers") == {code(identity) for identity in one.staff}
        assert entry.record.value("groups") == {code(identity) for identity in one.groups}


@pytest.mark.parametrize(
    "switches",
    [
        {"end_counts": False},
        {"references": False, "casing": "documented", "types": "documented"},
        {"nulls": "left_out", "nested_people": "whole"},
        {"nothing": "list"},
    ],
    ids=["end", "plain", "nulls", "list"],
)
def test_no_quirk_changes_what_is_read(school: School, switches: dict[str, Any]) -> None:
    usual = Meeting(school).ask(whole_run)
    assert Meeting(school, switches).ask(whole_run) == usual


# Swapped dates


@pytest.mark.parametrize("bad_date", ["refused", "failed", "empty", "ignored"])
@pytest.mark.parametrize("scope", [WEEK, AMBIGUOUS], ids=["unreadable", "readable"])
def test_a_swapped_calendar_is_refused_in_one_clear_line(school: School, bad_date: str, scope: Scope) -> None:
    meeting = Meeting(school, {"bad_date": bad_date})
    at = datetime(2026, 10, 5, 6, tzinfo=UTC) if scope is AMBIGUOUS else NOW
    listings = meeting.ask(lambda client: whole_run(client, scope), at=at, day_before_month=())
    for kind in ("learner", "group", "sheet"):
        listing = listings[kind]
        assert not listing.complete and listing.fault == "swapped_dates", kind
        assert "société 2" in listing.fault_line and "\n" not in listing.fault_line
        assert "the other way round" in listing.fault_line
    assert listings["speaker"].complete
    assert not listings["sheet"].entries


def test_check_names_the_societe_whose_dates_are_swapped(school: School) -> None:
    findings = Meeting(school).ask(lambda client: client.check(), day_before_month=())
    failed = {one.what for one in findings if not one.ok}
    assert "dates of société 2" in failed and "dates of société 1" not in failed


def test_a_right_order_is_told_from_any_week(school: School) -> None:
    at = datetime(2026, 10, 5, 6, tzinfo=UTC)
    listings = Meeting(school).ask(lambda client: whole_run(client, AMBIGUOUS), at=at)
    assert all(listing.complete for listing in listings.values())


def test_a_week_without_sessions_costs_a_question_that_cannot_be_misread(school: School) -> None:
    later = Scope(first=date(2026, 11, 2), last=date(2026, 11, 8), zone=PARIS)
    meeting = Meeting(school)
    listings = meeting.ask(lambda client: whole_run(client, later), at=datetime(2026, 11, 2, 6, tzinfo=UTC))
    assert all(listing.complete for listing in listings.values())
    assert not listings["sheet"].entries and listings["learner"].entries
    # Nothing in the second halves of November and October: September's tells.
    assert meeting.asked == 9 + 3 * 2


def test_a_societe_without_any_session_stops_nobody(school: School) -> None:
    far = Scope(first=date(2027, 7, 5), last=date(2027, 7, 11), zone=PARIS)

    async def twice(client: ScFormClient) -> tuple[dict[Kind, Listing], int]:
        listings = await whole_run(client, far)
        before = sum(client.requests.values())
        await whole_run(client, far)
        return listings, sum(client.requests.values()) - before

    listings, again = Meeting(school).ask(twice, at=datetime(2027, 7, 5, 6, tzinfo=UTC))
    assert all(listing.complete for listing in listings.values())
    assert listings["learner"].entries and again == 9


def test_the_telling_windows() -> None:
    assert telling_windows(date(2027, 1, 5)) == [
        (date(2027, 1, 13), date(2027, 1, 27)),
        (date(2026, 12, 13), date(2026, 12, 27)),
        (date(2026, 11, 13), date(2026, 11, 27)),
        (date(2026, 9, 13), date(2026, 9, 27)),
    ]


# Rights, time-outs, faults


def test_an_account_that_sees_its_own_sessions_only_is_refused(school: School) -> None:
    sees = next(f"INT{code:05d}" for code in range(41, 60) if _sessions_of(school, code) >= 5)
    meeting = Meeting(school, {"sees_only": sees, "other_turns": False})
    listings = meeting.ask(lambda client: whole_run(client), societies=("1", "2"), chunk_days=14)
    listing = listings["sheet"]
    assert not listing.complete and listing.fault == "own_only" and not listing.entries
    assert "sees its own records only" in listing.fault_line
    allowed = meeting.ask(lambda client: whole_run(client), single_speaker=True)
    assert allowed["sheet"].complete


def _sessions_of(school: School, code: int) -> int:
    """Sessions of the week in the first société that one trainer alone holds."""
    identity = school.staff[code - 41].identity
    sites = {one.identity: one.site for one in school.groups}
    return sum(
        1
        for one in school.sessions
        if WEEK.first <= one.day <= WEEK.last and identity in one.staff and sites[one.groups[0]] != "Campus Sud"
    )


def test_a_window_that_is_too_slow_is_halved_and_remembered(school: School) -> None:
    meeting = Meeting(school, {"slow_beyond_days": 3})
    usual = Meeting(school).ask(whole_run)

    async def twice(client: ScFormClient) -> tuple[dict[Kind, Listing], int]:
        listings = await whole_run(client)
        before = sum(client.requests.values())
        await whole_run(client)
        return listings, sum(client.requests.values()) - before

    listings, again = meeting.ask(twice, timeout_seconds=180)
    assert listings == {
        kind: one.model_copy(update={"pages": listings[kind].pages}) for kind, one in usual.items()
    }
    # Two days at once from then on: four windows a société instead of one.
    assert again == 9 + 3 * 2


def test_a_day_that_is_too_slow_leaves_the_listing_incomplete(school: School) -> None:
    async def run(client: ScFormClient) -> dict[Kind, Listing]:
        meeting.simulator.control.fault(FaultOrder(kind="silence", route="*/GetSeance", count=0))
        return await whole_run(client)

    meeting = Meeting(school)
    listings = meeting.ask(run)
    assert listings["sheet"].fault == "timed_out" and not listings["sheet"].complete
    assert not listings["learner"].complete and listings["speaker"].complete


def test_a_wrong_password_stops_at_the_first_question(school: School) -> None:
    meeting = Meeting(school)
    findings = meeting.ask(lambda client: client.check(), user="nobody")
    assert [one.ok for one in findings] == [False] and findings[0].detail == "unauthorized"
    assert meeting.asked == 1


def test_check_is_content(school: School) -> None:
    findings = Meeting(school).ask(lambda client: client.check())
    assert all(one.ok for one in findings), findings
    assert any("unknown, not read" in one.detail for one in findings) is False


@pytest.mark.parametrize(
    ("renamed", "stopped"),
    [
        ({"Salles": "Locaux"}, {"sheet"}),
        ({"Email_Pro": "Courriel_Pro"}, {"speaker", "learner", "group", "sheet"}),
        ({"Date_Sortie": "Sortie"}, {"learner", "group", "sheet"}),
        ({"Libelle_Lieu": "Lieu"}, set()),
    ],
)
def test_a_field_that_is_gone_stops_the_kinds_that_stand_on_it(
    school: School, renamed: dict[str, str], stopped: set[str]
) -> None:
    meeting = Meeting(school)
    meeting.renamed = renamed
    listings = meeting.ask(whole_run)
    assert {kind for kind, listing in listings.items() if not listing.complete} == stopped
    assert {listings[kind].fault for kind in KINDS if kind in stopped} <= {"drift"}


def test_a_field_nobody_knows_is_a_warning(school: School) -> None:
    meeting = Meeting(school)
    meeting.renamed = {"Libelle_Lieu": "Lieu"}
    findings = meeting.ask(lambda client: client.check())
    (fields,) = (one for one in findings if one.what == "fields")
    assert fields.ok and "seance.lieu" in fields.detail


# Looking for one


def test_R13_who_and_what_is_gone(school: School) -> None:
    meeting = Meeting(school)
    clean = [one for one in school.learners if one.left is None and one.identity not in school.dirty()]
    session = next(one for one in school.sessions if len(one.learners) > 5 and one.day == date(2026, 9, 16))

    async def run(client: ScFormClient) -> list[str]:
        await whole_run(client)
        code, hands = meeting.simulator.code_of, meeting.simulator.hands
        record = next(
            e.record for e in (await client.listing("sheet", WEEK)).entries if e.id == code(session.identity)
        )
        states: list[str] = []

        async def find(kind: Kind, id: str) -> None:
            states.append((await client.find(kind, id, WEEK, record)).state)

        await find("sheet", code(session.identity))
        hands["move_session"](session.identity, day="2026-10-01")
        await find("sheet", code(session.identity))
        hands["cancel_session"](session.identity)
        await find("sheet", code(session.identity))
        await find("learner", code(clean[0].identity))
        await find("learner", "999999")
        await find("group", code("G001"))
        await find("group", "999999")
        await find("speaker", code(school.staff[0].identity))
        await find("speaker", "")
        return states

    assert meeting.ask(run) == [
        "alive", "alive", "gone", "alive", "gone", "alive", "gone", "alive", "unknown",
    ]  # fmt: skip


# Absences


def sheet_of(listings: dict[Kind, Listing], least: int = 4) -> Sheet:
    for entry in listings["sheet"].entries:
        record = entry.record
        if isinstance(record, Sheet) and len(record.learners) >= least and not entry.problems:
            return record
    raise AssertionError("no such session")


@pytest.mark.parametrize("second", ["adds", "replaces"])
def test_absences_are_written_changed_and_taken_back(school: School, second: str) -> None:
    meeting = Meeting(school, {"second_write": second})

    async def run(client: ScFormClient) -> None:
        sheet = sheet_of(await whole_run(client))
        one, two, three, four = sorted(sheet.learners)[:4]
        port = client.attendance
        assert port is not None

        def wanted(person: str, **how: Any) -> Attendance:
            return Attendance.model_validate({"sheet": sheet.id, "person": person, "state": "present", **how})

        async def told() -> dict[str, tuple[str, int, int, str]]:
            standing = await port.standing((sheet,), WEEK)
            assert standing.complete
            return {a.person: (a.state, a.late, a.left_early, a.reason) for a in standing.attendances}

        first = (
            wanted(one, state="absent", reason="2"),
            wanted(two, late=15),
            wanted(three, left_early=30),
            wanted(four),
        )
        await port.write(sheet, first, ())
        expected = {one: ("absent", 0, 0, "2"), two: ("present", 15, 0, "3"), three: ("present", 0, 30, "1")}
        assert await told() == expected
        # Twice the same is once.
        writes = len(meeting.simulator.control.writes)
        await port.write(sheet, first, (await port.standing((sheet,), WEEK)).attendances)
        assert len(meeting.simulator.control.writes) == writes
        # Changed and taken back, for these people alone.
        before = (await port.standing((sheet,), WEEK)).attendances
        await port.write(sheet, (wanted(one), wanted(two, late=25)), before)
        assert await told() == {two: ("present", 25, 0, "3"), three: ("present", 0, 30, "1")}

    meeting.ask(run)


def test_R26_what_the_erps_people_noted_is_not_written_over(school: School) -> None:
    meeting = Meeting(school)

    async def run(client: ScFormClient) -> None:
        sheet = sheet_of(await whole_run(client))
        person = min(sheet.learners)
        session = next(
            one.identity for one in school.sessions if meeting.simulator.code_of(one.identity) == sheet.id
        )
        identity = next(
            one.identity for one in school.learners if meeting.simulator.code_of(one.identity) == person
        )
        port = client.attendance
        assert port is not None
        meeting.simulator.hands["record_absence"](identity, session=session, reason="Maladie")
        with pytest.raises(Fault, match="meanwhile") as caught:
            await port.write(sheet, (Attendance(sheet=sheet.id, person=person, state="present", late=5),), ())
        assert caught.value.committed == "no"
        assert meeting.simulator.control.writes == []

    meeting.ask(run)


@pytest.mark.parametrize("refusal", ["sentence", "status"])
def test_a_write_that_did_not_take_is_noticed(school: School, refusal: str) -> None:
    meeting = Meeting(school, {"write_refusal": refusal})

    async def run(client: ScFormClient) -> None:
        sheet = sheet_of(await whole_run(client))
        port = client.attendance
        assert port is not None
        with pytest.raises(Fault) as caught:
            await port.write(
                sheet,
                (Attendance(sheet=sheet.id, person=min(sheet.learners), state="absent", reason="77"),),
                (),
            )
        assert caught.value.code == "refused"

    meeting.ask(run)


def test_somebody_who_is_not_on_the_session_is_not_written(school: School) -> None:
    async def run(client: ScFormClient) -> None:
        sheet = sheet_of(await whole_run(client))
        assert client.attendance is not None
        with pytest.raises(Fault, match="not on it"):
            await client.attendance.write(sheet, (Attendance(sheet=sheet.id, person="1", state="absent"),), ())

    Meeting(school).ask(run)


def test_the_write_is_off_until_an_administrator_declares_it_on(school: School) -> None:
    async def run(client: ScFormClient) -> None:
        (one,) = (one for one in client.capabilities if one.name == "write absences")
        assert client.attendance is None and not one.on and one.why_off

    Meeting(school).ask(run, accept_unverified=False)


def test_reasons_are_the_types_of_absence(school: School) -> None:
    async def run(client: ScFormClient) -> None:
        assert client.attendance is not None
        reasons = {one.name: one for one in await client.attendance.reasons()}
        assert reasons["Retard"].late and not reasons["Maladie"].late
        assert reasons["Maladie"].justifies is True and reasons["Absence injustifiée"].justifies is False
        assert "justified" in client.attendance.carries

    Meeting(school).ask(run, justified_types=("2", "4"))


@pytest.mark.parametrize(
    ("start", "night", "hours"), [(date(2026, 10, 19), "2026-10-24", 10), (date(2027, 3, 22), "2027-03-27", 8)]
)
def test_R22_a_night_over_the_change_of_the_clock(start: date, night: str, hours: int) -> None:
    """21:00 to 06:00 on the nights that are an hour longer and shorter: right instants, right lateness."""
    school = School.seeded(5, 40, start)
    scope = Scope(first=start, last=date.fromisoformat(night), zone=PARIS)
    meeting = Meeting(school)

    async def run(client: ScFormClient) -> None:
        meeting.simulator.hands["add_session"](
            "S90001", "Garde de nuit", night, "21:00", "06:00", ["G001"], [school.staff[0].identity], []
        )
        listings = await whole_run(client, scope)
        code = meeting.simulator.code_of("S90001")
        sheet = next(e.record for e in listings["sheet"].entries if e.id == code)
        assert isinstance(sheet, Sheet) and sheet.start is not None and sheet.end is not None
        assert (sheet.end - sheet.start).total_seconds() == hours * 3600
        late, early = sorted(sheet.learners)[:2]
        port = client.attendance
        assert port is not None
        wanted = (
            Attendance(sheet=code, person=late, state="present", late=200),
            Attendance(sheet=code, person=early, state="present", left_early=150),
        )
        await port.write(sheet, wanted, ())
        standing = (await port.standing((sheet,), scope)).attendances
        assert {a.person: (a.late, a.left_early) for a in standing} == {late: (200, 0), early: (0, 150)}

    meeting.ask(run, at=datetime(start.year, start.month, start.day, 6, tzinfo=UTC))
