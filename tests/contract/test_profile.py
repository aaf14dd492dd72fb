"""A profile meets an ERP that does not exist: entered, paged, mapped, written; and what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.profile import ProfileSettings, connector
from connectors.profile.client import ProfileClient
from connectors.profile.command import main
from connectors.profile.recipe import BadRecipe, Recipe, dumped, load, parsed, read
from connectors.profile.simulator import DEMO_PASSWORD, DEMO_USER, ProfileSimulator, ProfileSwitches
from connectors.simulation.control import FaultOrder
from connectors.simulation.school import School
from engine.attendance import Attendance
from engine.clock import SystemClock, VirtualClock, VirtualLoop
from engine.ports import Erp, Fault, Listing, Scope, Surroundings
from engine.records import KINDS, Kind, Sheet
from tests.unit.test_http import T

PARIS = "Europe/Paris"
TERM = date(2026, 9, 14)
NOW = datetime(2026, 9, 14, 6, tzinfo=UTC)
WEEK = Scope(first=TERM, last=date(2026, 9, 20), zone=PARIS)


@pytest.fixture(scope="module")
def school() -> School:
    return School.seeded(5, 60, TERM)


class Meeting:
    """One simulator, and one client of it at a time; `recipe` in place of the demo's."""

    def __init__(self, school: School, recipe: Recipe | None = None, **switches: Any) -> None:
        self.school = school
        self.recipe = recipe
        self.switches = ProfileSwitches(**switches)
        self.simulator: ProfileSimulator

    def ask(self, what: Callable[[ProfileClient], Awaitable[T]], **settings: Any) -> T:
        loop = VirtualLoop()

        async def whole() -> T:
            clock = VirtualClock(NOW, loop)
            self.simulator = ProfileSimulator(self.school, clock, self.switches)
            client = opened(clock, httpx.ASGITransport(app=self.simulator.app), self.recipe, **settings)
            erp: Erp = client
            await erp.begin(WEEK)
            try:
                return await what(client)
            finally:
                await client.close()

        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(whole())


def opened(clock: Any, transport: Any, recipe: Recipe | None = None, **settings: Any) -> ProfileClient:
    given = ProfileSettings(
        **{
            "url": "https://erp.example", "profile": "builtin:demo", "username": DEMO_USER,
            "password": "env:P", "accept_unverified": True, **settings,
        }
    )  # fmt: skip
    around = Surroundings(
        connection="metz", zone=PARIS, country="FR", clock=clock,
        secret=lambda reference: DEMO_PASSWORD if reference == "env:P" else "t0ken", transport=transport,
    )  # fmt: skip
    return ProfileClient(given, recipe, around) if recipe is not None else connector.open(given, around)


async def whole_run(client: ProfileClient) -> dict[Kind, Listing]:
    await client.begin(WEEK)
    return {kind: await client.listing(kind, WEEK) for kind in KINDS}


def demo(**change: Any) -> Recipe:
    """The demo's profile with some tables changed: `learners={"paging": …}`."""
    data = read("builtin:demo")
    return parsed({**data, **{name: {**data[name], **value} for name, value in change.items()}}, "demo")


def test_a_run_asks_for_each_page_once_and_takes_what_the_school_has(school: School) -> None:
    meeting = Meeting(school)

    async def twice(client: ProfileClient) -> tuple[dict[Kind, Listing], int]:
        await whole_run(client)
        before = sum(client.requests.values())
        return await whole_run(client), sum(client.requests.values()) - before

    listings, asked = meeting.ask(twice)
    assert all(listing.complete for listing in listings.values()), listings
    assert asked == meeting.simulator.dump()["least_requests"]["import"]
    code = meeting.simulator.code_of
    live = {code(one.identity) for one in school.learners if one.left is None}
    assert {e.id for e in listings["learner"].entries if not e.ended} == live
    week = {code(one.identity): one for one in school.sessions if WEEK.first <= one.day <= WEEK.last}
    assert {e.id for e in listings["sheet"].entries} == week.keys()
    rooms = {room.code: room.name for room in school.rooms}
    for entry in listings["sheet"].entries:
        assert entry.record.value("learners") == {code(who) for who in week[entry.id].learners}
        assert entry.record.value("speakers") == {code(who) for who in week[entry.id].staff}
        assert entry.record.value("room") == ", ".join(rooms[room] for room in week[entry.id].rooms)


def test_a_token_that_runs_out_is_renewed(school: School) -> None:
    meeting = Meeting(school, token_lasts=2)
    assert all(listing.complete for listing in meeting.ask(whole_run).values())
    assert meeting.simulator.control.requests["POST /auth/login"] >= 3


def test_a_wrong_password_is_said_once(school: School) -> None:
    findings = Meeting(school).ask(lambda client: client.check(), password="env:OTHER")
    assert [(one.ok, one.detail) for one in findings] == [(False, "forbidden")]


def test_check_is_content(school: School) -> None:
    findings = Meeting(school).ask(lambda client: client.check())
    assert all(one.ok for one in findings), findings


PAGINGS: dict[str, dict[str, Any]] = {
    "page": {"kind": "page", "param": "page", "first": 1, "size_param": "per_page", "size": 7, "total": ""},
    "page with total": {
        "kind": "page", "param": "page", "first": 1, "size_param": "per_page", "size": 7, "total": "data.total",
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", PAGINGS)
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "truncated_list", "nth": 2}, "truncated"),
        ({"kind": "repeated_page", "nth": 1}, "repeated_page"),
        ({"kind": "500", "nth": 3}, "server_error"),
        ({"kind": "html", "nth": 2}, "not_json"),
        ({"kind": "truncated_body", "nth": 2, "count": 0}, "truncated"),
    ],
)
def test_R13_pages_that_do_not_add_up_are_no_complete_listing(
    school: School, kind: str, fault: dict[str, Any], code: str
) -> None:
    meeting = Meeting(school, demo(learners={"paging": PAGINGS[kind]}))

    async def run(client: ProfileClient) -> Listing:
        meeting.simulator.control.fault(FaultOrder(route="/v2/students", **fault))
        return await client.listing("learner", WEEK)

    listing = meeting.ask(run)
    assert not listing.complete
    # Against a total the missing rows show at the end, else at the page that was too short.
    assert listing.fault == code


@pytest.mark.parametrize("kind", PAGINGS)
def test_every_way_of_paging_brings_the_same(school: School, kind: str) -> None:
    usual = Meeting(school).ask(whole_run)
    assert Meeting(school, demo(learners={"paging": PAGINGS[kind]})).ask(whole_run) == usual


def test_a_total_that_is_larger_than_what_comes_is_incomplete(school: School) -> None:
    listings = Meeting(school, total_lies=True).ask(whole_run)
    assert not listings["learner"].complete and not listings["sheet"].complete
    assert "of" in listings["learner"].fault_line


def test_a_next_page_on_another_host_is_not_followed(school: School) -> None:
    smaller = demo()
    meeting = Meeting(school, smaller, next_host="https://evil.example")
    meeting.switches = meeting.switches.model_copy()

    async def run(client: ProfileClient) -> Listing:
        meeting.simulator._profile["speakers"]["paging"]["size"] = 2
        return await client.listing("speaker", WEEK)

    listing = meeting.ask(run)
    assert not listing.complete and "evil.example" in listing.fault_line
    meeting = Meeting(school, smaller)
    assert meeting.ask(run).complete


def test_a_field_that_is_gone_stops_its_kind_a_new_one_is_a_warning(school: School) -> None:
    listings = Meeting(school, renamed="subject=matter").ask(whole_run)
    assert listings["sheet"].fault == "drift" and "subject.title is in no row" in listings["sheet"].fault_line
    assert listings["learner"].complete
    known = demo(learners={"seen": ["uid", "person.name.last", "enrolments[].group.code"]})
    findings = Meeting(school, known).ask(lambda client: client.check())
    assert any("learners.status" in one.detail for one in findings)


def test_filters_stand_in_the_questions_or_are_refused(school: School) -> None:
    meeting = Meeting(school)
    meeting.ask(whole_run, structureId=("S1", "S2"))
    with pytest.raises(BadRecipe, match="action"):
        meeting.ask(whole_run, filterActions=("A1",))


@pytest.mark.parametrize(
    ("auth", "settings", "header"),
    [
        ({"kind": "basic"}, {"password": "env:P"}, ("authorization", "Basic cm9sbGNhbGw6")),
        ({"kind": "bearer"}, {"token": "env:T"}, ("authorization", "Bearer t0ken")),
        ({"kind": "header", "name": "X-Key"}, {"token": "env:T"}, ("x-key", "t0ken")),
        (
            {"kind": "basic", "headers": {"X-Token": "{token}"}},
            {"token": "env:T"},
            ("x-token", "t0ken"),
        ),
    ],
)
def test_ways_of_being_let_in(auth: dict[str, Any], settings: dict[str, Any], header: tuple[str, str]) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(403, text=f"no: {request.headers.get(header[0])}")

    async def run() -> Listing:
        data = {"name": "x", "auth": auth, "groups": {"path": "/g", "fields": {"key": "i", "name": "n"}}}
        client = opened(SystemClock(), httpx.MockTransport(answer), parsed(data, "x"), **settings)
        try:
            with pytest.raises(Fault) as caught:
                await client.rows("groups", WEEK)
            assert "t0ken" not in str(caught.value) and DEMO_PASSWORD not in str(caught.value)
            return Listing(kind="group")
        finally:
            await client.close()

    asyncio.run(run())
    assert asked[0].headers[header[0]].startswith(header[1])


def test_a_token_in_the_query_is_in_no_fault() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, text=f"bad {request.url}")

    async def run() -> None:
        data = {
            "name": "x", "auth": {"kind": "query", "name": "key"},
            "groups": {"path": "/g", "fields": {"key": "i", "name": "n"}},
        }  # fmt: skip
        client = opened(SystemClock(), httpx.MockTransport(answer), parsed(data, "x"), token="env:T")
        with pytest.raises(Fault) as caught:
            await client.rows("groups", WEEK)
        assert "key=***" in caught.value.came
        await client.close()

    asyncio.run(run())


# Absences


def sheet_of(listings: dict[Kind, Listing]) -> Sheet:
    """A session with some people on it."""
    for entry in listings["sheet"].entries:
        if isinstance(entry.record, Sheet) and len(entry.record.learners) > 3:
            return entry.record
    raise AssertionError("no such session")


def test_absences_are_written_read_back_changed_and_taken_away(school: School) -> None:
    meeting = Meeting(school)

    async def run(client: ProfileClient) -> None:
        listings = await whole_run(client)
        sheet = sheet_of(listings)
        assert client.attendance is not None
        port = client.attendance
        assert port.carries == {"absent", "late", "left_early", "excluded", "reason", "justified"}
        one, two, three = sorted(sheet.learners)[:3]

        def wanted(person: str, **how: Any) -> Attendance:
            return Attendance.model_validate({"sheet": sheet.id, "person": person, "state": "present", **how})

        async def told() -> dict[str, tuple[str, int, int, str, bool]]:
            standing = await port.standing((sheet,), WEEK)
            assert standing.complete
            return {
                a.person: (a.state, a.late, a.left_early, a.reason, a.justified) for a in standing.attendances
            }

        first = (wanted(one, state="absent", reason="M", justified=True), wanted(two, late=9), wanted(three))
        await port.write(sheet, first, ())
        assert await told() == {one: ("absent", 0, 0, "M", True), two: ("present", 9, 0, "", False)}
        writes = len(meeting.simulator.control.writes)
        await port.write(sheet, first, (await port.standing((sheet,), WEEK)).attendances)
        assert len(meeting.simulator.control.writes) == writes
        before = (await port.standing((sheet,), WEEK)).attendances
        await port.write(sheet, (wanted(one), wanted(two, left_early=5)), before)
        assert await told() == {two: ("present", 0, 5, "", False)}

    meeting.ask(run)


def test_a_write_that_does_not_show_was_none(school: School) -> None:
    meeting = Meeting(school)

    async def run(client: ProfileClient) -> None:
        listings = await whole_run(client)
        sheet = sheet_of(listings)
        assert client.attendance is not None
        meeting.simulator.control.fault(FaultOrder(kind="empty_list", route="/v2/absences", count=0))
        absent = Attendance(sheet=sheet.id, person=min(sheet.learners), state="absent")
        with pytest.raises(Fault, match="not as sent") as caught:
            await client.attendance.write(sheet, (absent,), ())
        assert caught.value.committed == "unknown"

    meeting.ask(run)


def test_the_write_is_off_until_it_is_declared_on(school: School) -> None:
    async def run(client: ProfileClient) -> None:
        (one,) = (one for one in client.capabilities if one.name == "write absences")
        assert client.attendance is None and not one.on and "accept_unverified" in one.why_off

    Meeting(school).ask(run, accept_unverified=False)


# The command


def probe(school: School, *words: str) -> int:
    simulator = ProfileSimulator(school, SystemClock())
    place = "https://erp.example"
    return main(
        ["probe", *words, "--url", place, "--username", DEMO_USER, "--password", "env:ROLLCALL_PROBE"],
        httpx.ASGITransport(app=simulator.app),
    )


def test_probe_shows_the_places_and_writes_the_mapping(
    school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROLLCALL_PROBE", DEMO_PASSWORD)
    data = read("builtin:demo")
    place, sample = tmp_path / "school.toml", tmp_path / "sample.json"
    bare = {name: data[name] for name in ("name", "auth")}
    place.write_text(
        dumped({**bare, "learners": {"path": "/v2/students", "paging": data["learners"]["paging"]}})
    )
    assert probe(school, str(place), "learners", "--write", "--sample", str(sample)) == 0
    said = capsys.readouterr().out
    assert "person.contacts.email" in said and "50 rows at data.items" in said
    saved = load(str(place))
    assert saved.learners is not None
    assert saved.learners.fields == {
        "key": "uid",
        "last_name": "person.name.last",
        "first_name": "person.name.first",
        "email": "person.contacts.email",
        "phone": "person.contacts.mobile",
        "groups": "enrolments[].group.code",
    }
    assert saved.learners.rows == "data.items" and "status" in saved.learners.seen
    row = json.loads(sample.read_text())[0]
    assert row["uid"] == "0000" and "@" in row["person"]["contacts"]["email"]
    assert set(row["person"]["name"]["last"]) <= set("x -'")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("builtin:demo", "members"), "say the path of"),
        (("builtin:demo", "learners", "--rows", "data.nothing"), "nothing stands at"),
        (("builtin:demo", "learners", "--set", "hue=x"), "no field"),
        (("builtin:ammon-template", "learners"), "auth"),
        (("builtin:demo", "learners", "--write"), "write a copy"),
        (("/nowhere.toml", "learners"), "No such file"),
    ],
)
def test_probe_says_what_is_wrong(
    words: tuple[str, ...], said: str, school: School, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("ROLLCALL_PROBE", DEMO_PASSWORD)
    if words == ("builtin:ammon-template", "learners"):
        said = "say the path of"
    assert probe(school, *words) == 1
    assert said in capsys.readouterr().err


def test_a_secret_written_out_is_refused(school: School, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["probe", "builtin:demo", "learners", "--url", "https://x.example", "--password", "hunter2"]) == 1
    )
    assert "hunter2" not in capsys.readouterr().err
