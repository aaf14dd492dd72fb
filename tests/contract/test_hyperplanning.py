"""The Hyperplanning client and the simulated server, whatever the switches say: both tell one school."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import httpx
import pytest

from connectors.hyperplanning import HyperplanningSettings, connector
from connectors.hyperplanning.client import HyperplanningClient
from connectors.hyperplanning.simulator import DEMO_PASSWORD, HyperplanningSimulator, HyperplanningSwitches
from connectors.simulation.school import School
from engine.attendance import Attendance
from engine.ports import Erp, ErpAttendance, Fault, FaultCode, Listing, Scope, Surroundings
from engine.records import KINDS, Kind, Record, Sheet

START = date(2026, 10, 19)
"""The Monday of the week whose last night has 25 hours."""
NOW = datetime(2026, 10, 19, 6, 0, tzinfo=UTC)
SCOPE = Scope(first=START, last=START + timedelta(days=13), zone="Europe/Paris")
PATHS = {"rest": "/hp/api/v1", "soap": "/hpsw"}


class StillClock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0

    async def sleep_until(self, at: datetime) -> None:
        self.at = max(self.at, at)


class Pair:
    """A client of a simulated server."""

    def __init__(self, school: School, switches: HyperplanningSwitches, **settings: Any) -> None:
        self.school = school
        clock = StillClock()
        self.simulator = HyperplanningSimulator(school, clock, switches)
        given = {"protocol": "rest", "user": "rollcall", "password": "env:P", **settings}
        self.client: HyperplanningClient = connector.open(
            HyperplanningSettings(url=f"http://hp.example{PATHS[given['protocol']]}", **given),
            Surroundings(
                connection="lyon",
                zone="Europe/Paris",
                country="FR",
                clock=clock,
                secret=lambda _reference: DEMO_PASSWORD,
                transport=httpx.ASGITransport(self.simulator.app),
            ),
        )

    async def listed(self, kind: Kind) -> dict[str, Record]:
        listing: Listing = await self.client.listing(kind, SCOPE)
        assert listing.complete, listing.fault_line
        return {entry.id: entry.record for entry in listing.entries}

    def sheet(self, identity: str, records: dict[str, Record]) -> Sheet:
        found = records[self.simulator.code_of(identity)]
        assert isinstance(found, Sheet)
        return found


@pytest.fixture(scope="module")
def school() -> School:
    return School.seeded(5, 75, START)


Make = Callable[..., Pair]


@pytest.fixture
async def make(school: School) -> AsyncIterator[Make]:
    made: list[Pair] = []

    def pair(switches: dict[str, Any] | None = None, **settings: Any) -> Pair:
        made.append(Pair(school, HyperplanningSwitches(**(switches or {})), **settings))
        return made[-1]

    yield pair
    for one in made:
        await one.client.close()


def truth(pair: Pair) -> dict[Kind, dict[str, Any]]:
    """What the simulator's own words call for, by kind and key."""
    told = pair.simulator.dump()["neutral"]
    rows = [*told["groups"], *told["learners"], *told["staff"], *told["sessions"]]
    code = {row["identity"]: row["code"] for row in rows}
    members: dict[str, set[str]] = {row["identity"]: set() for row in told["groups"]}
    learners = [row for row in told["learners"] if not row["departed"]]
    for row in learners:
        members[row["group"]].add(row["code"])

    def codes(identities: list[str]) -> frozenset[str]:
        return frozenset(code[one] for one in identities)

    def people(rows: list[Any]) -> dict[str, Any]:
        return {row["code"]: (row["last_name"], row["first_name"], row["email"]) for row in rows}

    first = SCOPE.first.isoformat()
    return {
        "learner": people(learners),
        "speaker": people([row for row in told["staff"] if row["trainer"]]),
        "group": {row["code"]: (row["name"], frozenset(members[row["identity"]])) for row in told["groups"]},
        "sheet": {
            row["code"]: (
                row["name"], row["room"], row["start_utc"], row["end_utc"], codes(row["group_identities"]),
                codes(row["staff_identities"]), codes(row["learner_identities"]),
            )
            for row in told["sessions"]
            if not row["cancelled"] and row["local"]["end"]
            and first <= row["local"]["day"] <= SCOPE.last.isoformat()
        },
    }  # fmt: skip


def shown(record: Record) -> Any:
    def at(moment: datetime | None) -> str | None:
        return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    if isinstance(record, Sheet):
        return (
            record.name, record.room, at(record.start), at(record.end), record.groups, record.speakers,
            record.learners,
        )  # fmt: skip
    if record.kind == "group":
        return (record.value("name"), record.value("members"))
    return (record.value("last_name"), record.value("first_name"), record.value("email"))


@pytest.mark.parametrize(
    ("switches", "settings"),
    [
        ({}, {}),
        ({"email_field": "e_mail", "unknown_select": "refused", "dates": "ignored"}, {}),
        ({"email_field": "mail", "unknown_select": "refused", "dates": "refused", "bulk_details": False}, {}),
        ({"rest_duration": "minutes", "false_z": True, "error_status": 200}, {"duration_unit": "minutes"}),
        ({"td_every": 0, "departed": "deleted", "rest_duration": "hours"}, {"duration_unit": "hours"}),
        ({}, {"email_field": "email", "keys_per_request": 7}),
        ({}, {"protocol": "soap"}),
        ({"soap_address": "own", "td_every": 0}, {"protocol": "soap"}),
    ],
)
async def test_both_tell_one_school(make: Make, switches: dict[str, Any], settings: dict[str, Any]) -> None:
    pair = make(switches, **settings)
    erp: Erp = pair.client
    for _run in range(2):
        await erp.begin(SCOPE)
        found = {kind: await pair.listed(kind) for kind in KINDS}
    due = truth(pair)
    for kind in KINDS:
        assert {key: shown(record) for key, record in found[kind].items()} == due[kind], kind
    # The night on which the clocks go back, and people whom other rules reject, are among them.
    emails = [email for _last, _first, email in due["learner"].values()]
    assert "" in emails and len({one.lower() for one in emails}) < len(emails)
    assert any(id.partition("@")[2].startswith("2026-10-25") for id in found["sheet"])


@pytest.mark.parametrize("protocol", ["rest", "soap"])
async def test_an_unchanged_school_costs_the_least(make: Make, protocol: str) -> None:
    pair = make(protocol=protocol)
    for _run in range(2):
        await pair.client.begin(SCOPE)
        before = sum(pair.client.requests.values())
        for kind in KINDS:
            await pair.listed(kind)
    sent = sum(pair.client.requests.values()) - before
    assert sent <= pair.simulator.dump()["least_requests"]["import"][START.isoformat()]


async def test_a_short_soap_detail_is_completed_from_the_course(make: Make) -> None:
    pair = make({"soap_detail": "short"}, protocol="soap")
    found, due = await pair.listed("sheet"), truth(pair)["sheet"]
    assert found.keys() == due.keys()
    # Speakers and learners of a course are told for the course as a whole: no session is without its own.
    for id, record in found.items():
        name, _room, start, end, groups, speakers, learners = due[id]
        assert isinstance(record, Sheet)
        assert (record.name, record.groups) == (name, groups) and shown(record)[2:4] == (start, end)
        assert speakers <= record.speakers and learners <= record.learners


async def test_without_learners_of_its_own_a_session_takes_its_groups(make: Make) -> None:
    pair = make({"session_learners": False})
    found = await pair.listed("sheet")
    groups = await pair.listed("group")
    for record in found.values():
        assert isinstance(record, Sheet)
        assert record.learners == {m for g in record.groups for m in groups[g].value("members")}  # type: ignore[union-attr]


async def test_parents_come_twice_only_where_the_server_does_not_tell_them(make: Make) -> None:
    told, untold = make(), make({"parent_field": False})
    more = (await untold.listed("sheet")).keys() - (await told.listed("sheet")).keys()
    assert more and all(int(id.partition("@")[0]) > 50000 for id in more)
    assert [one.ok for one in await untold.client.check() if one.what == "parent courses"] == [False]
    assert [one.ok for one in await told.client.check() if one.what == "parent courses"] == []


async def test_learners_of_some_rubrics_only(make: Make) -> None:
    # Family 1 is the site, rubrics count from 10.
    pair = make(learner_family="1", learner_rubrics=("10",))
    here = {
        pair.simulator.code_of(one.identity)
        for one in pair.school.learners
        if one.site == pair.school.sites[0] and one.left is None
    }
    assert (await pair.listed("learner")).keys() == here
    groups = await pair.listed("group")
    assert groups and all(one.value("members") <= here for one in groups.values())  # type: ignore[operator]
    sheets = await pair.listed("sheet")
    assert all(one.value("learners") <= here for one in sheets.values())  # type: ignore[operator]
    assert all(one.value("groups") <= groups.keys() for one in sheets.values())  # type: ignore[operator]
    other = next(one for one in pair.school.learners if one.site != pair.school.sites[0])
    key = pair.simulator.code_of(other.identity)
    assert (await pair.client.find("learner", key, SCOPE, None)).state == "gone"


async def test_courses_of_some_rubrics_only(make: Make) -> None:
    everything = await make().listed("sheet")
    halves = [
        (await make(course_family="3", course_rubrics=(rubric,)).listed("sheet")).keys()
        for rubric in ("30", "31")
    ]
    assert not halves[0] & halves[1] and halves[0] | halves[1] == everything.keys()
    assert halves[0] and halves[1]


async def test_without_td_groups_sessions_name_none(make: Make) -> None:
    pair = make(td_groups=False, learners="all")
    assert not any(id.startswith("td-") for id in await pair.listed("group"))
    sheets = await pair.listed("sheet")
    assert not any(id.startswith("td-") for one in sheets.values() for id in one.value("groups"))  # type: ignore[union-attr]
    departed = [one for one in pair.school.learners if one.left]
    assert {pair.simulator.code_of(one.identity) for one in departed} <= (await pair.listed("learner")).keys()


@pytest.mark.parametrize("protocol", ["rest", "soap"])
@pytest.mark.parametrize("departed", ["unassigned", "deleted"])
async def test_R13_looking_for_one(make: Make, protocol: str, departed: str) -> None:
    pair = make({"departed": departed}, protocol=protocol)
    store, client = pair.simulator.store, pair.client
    learner = next(one for one in pair.school.learners if one.left is None)
    speaker = next(one for one in pair.school.staff if one.trainer)
    moved, cancelled = [
        one.identity for one in pair.school.sessions if one.end and one.day > START and len(one.groups) == 1
    ][:2]

    async def state(kind: Kind, key: str) -> str:
        return (await client.find(kind, key, SCOPE, None)).state

    key = pair.simulator.code_of
    assert await state("learner", key(learner.identity)) == "alive"
    assert await state("speaker", key(speaker.identity)) == "alive"
    assert await state("learner", "999999") == await state("speaker", "999999") == "gone"
    assert await state("group", "41") == await state("group", "td-41") == "alive"
    assert await state("group", "4141") == await state("group", "td-4141") == "gone"
    store.depart(learner.identity)
    assert await state("learner", key(learner.identity)) == "gone"
    before, doomed = key(moved), key(cancelled)
    sighting = await client.find("sheet", before, SCOPE, None)
    assert sighting.state == "alive" and sighting.entry is not None and sighting.entry.id == before
    store.move_session(moved, start="17:30", end="18:30")
    store.cancel_session(cancelled)
    assert await state("sheet", before) == await state("sheet", doomed) == "gone"
    assert await state("sheet", key(moved)) == "alive"
    assert await state("sheet", "no such thing") == "unknown"


@pytest.mark.parametrize("protocol", ["rest", "soap"])
async def test_a_wrong_password_is_said_once(make: Make, protocol: str) -> None:
    pair = make({"password": "another"}, protocol=protocol)
    findings = await pair.client.check()
    assert (findings[0].ok, findings[0].detail) == (False, "unauthorized")
    listing = await pair.client.listing("learner", SCOPE)
    assert not listing.complete and listing.fault == "unauthorized" and DEMO_PASSWORD not in listing.fault_line


@pytest.mark.parametrize("protocol", ["rest", "soap"])
async def test_check_says_what_it_saw(make: Make, protocol: str) -> None:
    findings = await make(protocol=protocol).client.check()
    assert all(one.ok for one in findings)
    said = {one.what: one.detail for one in findings}
    assert said["read learners"].partition(" ")[0].isdigit()
    assert ("version of the web service" in said) == (protocol == "soap")


@pytest.mark.parametrize("kind", ["html", "500"])
@pytest.mark.parametrize("protocol", ["rest", "soap"])
async def test_a_broken_answer_leaves_the_listing_incomplete(make: Make, protocol: str, kind: str) -> None:
    pair = make(protocol=protocol)
    await pair.listed("speaker")
    for one in ("learner", "group"):
        await pair.client.begin(SCOPE)
        await _control(pair, "fault", kind=kind, count=0)
        listing = await pair.client.listing(one, SCOPE)
        assert not listing.complete and listing.fault in ("not_json", "server_error")
        await _control(pair, "clear")


async def _control(pair: Pair, action: str, **order: Any) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(pair.simulator.app), base_url="http://hp.example"
    ) as client:
        (await client.post(f"/__control__/{action}", json=order)).raise_for_status()


# Absences


class Absences:
    """A past session of a pair whose absences are written."""

    def __init__(self, pair: Pair, sheet: Sheet, identity: str) -> None:
        assert pair.client.attendance is not None
        self.pair = pair
        self.erp: ErpAttendance = pair.client.attendance
        self.sheet = sheet
        self.identity = identity
        self.one, self.two = sorted(sheet.learners)[:2]

    @classmethod
    async def of(cls, pair: Pair, identity: str | None = None) -> Absences:
        if identity is None:
            identity = next(
                one.identity
                for one in pair.school.sessions
                if one.end and one.day == START and len(one.learners) > 4 and one.start == time(9)
            )
        return cls(pair, pair.sheet(identity, await pair.listed("sheet")), identity)

    def attendance(self, person: str, state: str = "absent", **more: Any) -> Attendance:
        return Attendance(sheet=self.sheet.id, person=person, state=state, **more)

    async def standing(self) -> tuple[Attendance, ...]:
        found = await self.erp.standing((self.sheet,), SCOPE)
        assert found.complete, found.fault_line
        return found.attendances

    async def write(self, *wanted: Attendance) -> None:
        await self.erp.write(self.sheet, wanted, await self.standing())

    def person(self, key: str) -> str:
        return next(i for i, row in self.pair.simulator.store.learners.items() if str(row.code) == key)

    def rows(self) -> list[Any]:
        return [row for row in self.pair.simulator.dump()["neutral"]["absences"] if row["removed"] is None]


@pytest.mark.parametrize("protocol", ["rest", "soap"])
@pytest.mark.parametrize("answer", ["key", "nothing"])
@pytest.mark.parametrize("same", ["doubled", "merged", "refused"])
async def test_an_absence_is_added_once_justified_and_taken_back(
    make: Make, protocol: str, answer: str, same: str
) -> None:
    switches = {"write_answer": answer, "same_absence": same}
    absences = await Absences.of(make(switches, protocol=protocol, accept_unverified=True))
    one, two = absences.attendance(absences.one), absences.attendance(absences.two)
    assert await absences.standing() == ()
    await absences.write(one, two)
    await absences.write(one, two)
    assert [(row["state"], row["justified"]) for row in absences.rows()] == [("absent", False)] * 2
    planned = absences.pair.simulator.store.sessions[absences.identity]
    assert absences.rows()[0]["local"] == {
        "first": datetime.combine(planned.day, planned.start).isoformat(),
        "last": datetime.combine(planned.day, planned.end or time()).isoformat(),
    }
    there = await absences.standing()
    assert [(a.person, a.state, a.first, a.last) for a in there] == [
        (absences.one, "absent", None, None), (absences.two, "absent", None, None),
    ]  # fmt: skip
    await absences.write(absences.attendance(absences.one, justified=True))
    assert {a.person: a.justified for a in await absences.standing()} == {
        absences.one: True, absences.two: False,
    }  # fmt: skip
    await absences.write(absences.attendance(absences.one, "present"))
    assert [a.person for a in await absences.standing()] == [absences.two]
    assert [w["verb"] for w in absences.pair.simulator.control.writes] == [
        "create", "create", "remove", "create", "remove",
    ]  # fmt: skip


async def test_a_lateness_is_written_over_rest_and_not_over_soap(make: Make) -> None:
    absences = await Absences.of(
        make({"rest_duration": "minutes"}, duration_unit="minutes", accept_unverified=True)
    )
    assert absences.erp.carries == {"absent", "late", "left_early", "justified"}
    await absences.write(absences.attendance(absences.one, "present", late=20))
    (row,) = absences.rows()
    assert (row["state"], row["minutes"]) == ("late", 20)
    (there,) = await absences.standing()
    assert (there.state, there.late, there.person) == ("present", 20, absences.one)
    await absences.write(absences.attendance(absences.one, "present", late=20))
    await absences.write(absences.attendance(absences.one))
    assert [row["state"] for row in absences.rows()] == ["absent"]
    over_soap = await Absences.of(make(protocol="soap", accept_unverified=True))
    assert over_soap.erp.carries == {"absent", "left_early", "justified"}
    await over_soap.write(over_soap.attendance(over_soap.one, "present", late=20))
    assert over_soap.rows() == []


@pytest.mark.parametrize("protocol", ["rest", "soap"])
async def test_leaving_early_is_an_absence_of_the_rest(make: Make, protocol: str) -> None:
    absences = await Absences.of(make(protocol=protocol, accept_unverified=True))
    await absences.write(absences.attendance(absences.one, "present", left_early=30))
    (there,) = await absences.standing()
    assert (there.state, there.left_early, there.late) == ("present", 30, 0)
    assert absences.sheet.end is not None and there.first == absences.sheet.end - timedelta(minutes=30)
    if protocol == "rest":
        await absences.write(absences.attendance(absences.one, "present", left_early=30, late=10))
        (there,) = await absences.standing()
        assert (there.left_early, there.late, there.key.count("+")) == (30, 10, 1)
    await absences.write(absences.attendance(absences.one, "present"))
    assert await absences.standing() == ()


async def test_one_persons_trouble_does_not_stop_the_others(make: Make) -> None:
    absences = await Absences.of(make(accept_unverified=True))
    absences.pair.simulator.store.record_absence(
        absences.person(absences.one), f"{START}T08:00:00", f"{START}T18:00:00", justified=True
    )
    with pytest.raises(Fault) as caught:
        await absences.write(absences.attendance(absences.one), absences.attendance(absences.two))
    assert caught.value.committed == "unknown"
    assert {a.person for a in await absences.standing()} == {absences.one, absences.two}


async def test_R26_what_somebody_changed_meanwhile_is_not_touched(make: Make) -> None:
    absences = await Absences.of(make(accept_unverified=True))
    await absences.write(absences.attendance(absences.one))
    read = await absences.standing()
    store = absences.pair.simulator.store
    (row,) = store.standing()
    store.justify_absence(row.code, reason="Maladie")
    with pytest.raises(Fault) as caught:
        await absences.erp.write(absences.sheet, (absences.attendance(absences.one, "present"),), read)
    assert (caught.value.code, caught.value.committed) == (FaultCode.refused, "no")
    assert [row["justified"] for row in absences.rows()] == [True]
    (there,) = await absences.standing()
    assert (there.justified, there.reason) == (True, "Maladie")


async def test_R26_a_longer_absence_stands_for_the_session_and_stays_whole(make: Make) -> None:
    absences = await Absences.of(make(accept_unverified=True))
    absences.pair.simulator.store.record_absence(
        absences.person(absences.one), f"{START}T08:00:00", f"{START}T18:00:00"
    )
    (there,) = await absences.standing()
    assert there.first == datetime(2026, 10, 19, 6, tzinfo=UTC) and there.state == "absent"
    await absences.write(absences.attendance(absences.one))
    with pytest.raises(Fault, match="longer"):
        await absences.write(absences.attendance(absences.one, "present"))
    assert len(absences.rows()) == 1 and absences.pair.simulator.control.writes == []


async def test_a_write_that_got_no_answer_is_found_by_the_next(make: Make) -> None:
    absences = await Absences.of(make(accept_unverified=True))
    await _control(absences.pair, "fault", kind="502", route="*/absences/ajouter", phase="after")
    wanted = absences.attendance(absences.one)
    with pytest.raises(Fault) as caught:
        await absences.write(wanted)
    assert caught.value.committed == "unknown"
    await absences.erp.write(absences.sheet, (wanted,), ())
    assert len(absences.rows()) == 1


async def test_a_night_over_the_autumn_change_keeps_its_wall_times(make: Make) -> None:
    pair = make(accept_unverified=True)
    store = pair.simulator.store
    group = store.promotions()[0]
    store.add_session("S9", "Nuit", "2026-10-24", "21:00", "06:00", [group.identity], [], [])
    absences = await Absences.of(pair, "S9")
    assert absences.sheet.start == datetime(2026, 10, 24, 19, tzinfo=UTC)
    assert absences.sheet.end == datetime(2026, 10, 25, 5, tzinfo=UTC)
    await absences.write(absences.attendance(absences.one))
    assert absences.rows()[0]["local"] == {"first": "2026-10-24T21:00:00", "last": "2026-10-25T06:00:00"}
    assert [a.first for a in await absences.standing()] == [None]


async def test_without_the_right_to_write_nothing_is(make: Make) -> None:
    absences = await Absences.of(make({"write_right": False}, accept_unverified=True))
    with pytest.raises(Fault) as caught:
        await absences.write(absences.attendance(absences.one))
    assert caught.value.code is FaultCode.forbidden and absences.rows() == []


async def test_the_write_is_off_until_accepted(make: Make) -> None:
    client = make().client
    assert client.attendance is not None and client.attendance.carries == frozenset()
    sheet = Sheet(id="1@2026-10-19T09:00", start=NOW, end=NOW)
    with pytest.raises(Fault):
        await client.attendance.write(sheet, (), ())
    (write,) = [one for one in client.capabilities if one.name == "write absences"]
    assert (write.on, write.certainty) == (False, "inferred") and write.why_off
    (seen,) = [one for one in make(protocol="soap").client.capabilities if one.name == "write absences"]
    assert seen.certainty == "seen"


async def test_reasons_are_the_schools_motives(make: Make) -> None:
    over_soap, over_rest = make(protocol="soap", accept_unverified=True), make(accept_unverified=True)
    assert over_soap.client.attendance is not None and over_rest.client.attendance is not None
    assert [one.id for one in await over_soap.client.attendance.reasons()] == ["Maladie", "Deuil", "Transport"]
    assert await over_rest.client.attendance.reasons() == ()
