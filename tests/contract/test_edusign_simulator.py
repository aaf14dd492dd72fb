"""The Edusign simulator keeps to the vendor's published dialect, and each switch does what it says."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from connectors.__main__ import set_switches
from connectors.edusign.simulator import EdusignSimulator, EdusignSwitches
from connectors.simulation.control import FaultOrder, KillOrder
from connectors.simulation.serve import listening
from engine.clock import VirtualClock, VirtualLoop

START = datetime(2026, 1, 12, 6, 0, tzinfo=UTC)
KEY = {"Authorization": "Bearer edusign-demo-key"}


@dataclass(frozen=True)
class Made:
    kind: str
    identity: str
    fields: dict[str, Any] = field(default_factory=dict)
    archived: bool = False


class World:
    """One simulator on virtual time, and a plain HTTP client of it."""

    def __init__(self, seed: int = 1, handmade: tuple[Made, ...] = (), **switches: Any) -> None:
        self.loop = VirtualLoop()
        self.clock = VirtualClock(START, self.loop)
        self.killed: list[tuple[int, int]] = []
        self.sim = EdusignSimulator(
            seed,
            self.clock,
            EdusignSwitches(**{"latency": 0, **switches}),
            handmade,
            killer=lambda pid, signal: self.killed.append((pid, signal)),
        )

    def raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] = KEY,
        timeout: float | None = None,
    ) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.sim.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://edusign.test") as client:
                async with asyncio.timeout(timeout):
                    return await client.request(method, path, json=body, headers=headers)

        return self.loop.run_until_complete(send())

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.raw(method, path, body)
        assert answer.status_code == 200
        envelope = answer.json()
        assert envelope["status"] == "success", envelope
        return envelope["result"]

    def refused(self, method: str, path: str, body: Any = None) -> Any:
        """The message of a business refusal: HTTP 200, status error."""
        answer = self.raw(method, path, body)
        assert answer.status_code == 200
        envelope = answer.json()
        assert envelope["status"] == "error", envelope
        return envelope["message"]

    def student(self, n: int = 1, **fields: Any) -> str:
        person = {"FIRSTNAME": "Lea", "LASTNAME": f"Martin{n}", "EMAIL": f"lea{n}@example.org", **fields}
        body = {"student": {"SEND_EMAIL_CREDENTIALS": False, **person}}
        return str(self.ask("POST", "/v1/student", body)["ID"])

    def professor(self, n: int = 1, **fields: Any) -> str:
        person = {"FIRSTNAME": "Paul", "LASTNAME": f"Roux{n}", "EMAIL": f"paul{n}@example.org", **fields}
        return str(self.ask("POST", "/v1/professor", {"professor": person, "dontSendCredentials": True})["ID"])

    def group(self, *students: str, **fields: Any) -> str:
        body = {"group": {"NAME": "BTS", "STUDENTS": list(students), **fields}}
        return str(self.ask("POST", "/v1/group", body)["ID"])

    def course(self, query: str = "", **fields: Any) -> str:
        whole = {
            "NAME": "Droit",
            "START": "2026-01-12T08:00:00.000Z",
            "END": "2026-01-12T11:00:00.000Z",
            "NEED_STUDENTS_SIGNATURE": True,
            **fields,
        }
        if "PROFESSOR" not in whole:
            whole["PROFESSOR"] = self.professor(90 + len(self.sim.store.rows["sheet"]))
        return str(self.ask("POST", f"/v1/course{query}", {"course": whole})["ID"])

    def patch_course(self, id: str, query: str = "", **fields: Any) -> Any:
        course = {"ID": id, "NEED_STUDENTS_SIGNATURE": True, **fields}
        return self.ask("PATCH", f"/v1/course{query}", {"course": course, "editSurveys": False})

    def people_on(self, sheet: str) -> list[str]:
        return [state["studentId"] for state in self.ask("GET", f"/v1/course/{sheet}")["STUDENTS"]]

    def do(self, action: str, **order: Any) -> Any:
        answer = self.raw("POST", f"/__control__/{action}", order, headers={})
        assert answer.json()["ok"], answer.text
        return answer.json()["result"]

    @property
    def writes(self) -> list[dict[str, Any]]:
        return self.sim.control.writes


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.loop.close()


# The line: key, envelope, technical errors, dates, limits


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer other"}])
def test_without_its_key_it_answers_401_in_plain_text(world: World, headers: dict[str, str]) -> None:
    answer = world.raw("GET", "/v1/school", headers=headers)
    assert (answer.status_code, answer.text) == (401, "Unauthorized")


def test_an_unknown_route_or_method_is_404_in_plain_text(world: World) -> None:
    for method, path in (("GET", "/v1/nothing"), ("PUT", "/v1/student"), ("GET", "/")):
        answer = world.raw(method, path)
        assert (answer.status_code, answer.text) == (404, "Not Found")


def test_a_trailing_slash_makes_no_difference(world: World) -> None:
    assert world.ask("GET", "/v1/student/") == world.ask("GET", "/v1/student") == []
    assert world.sim.control.requests["GET /v1/student"] == 2


def test_a_broken_body_is_refused_and_nothing_raised(world: World) -> None:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=world.sim.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://edusign.test") as client:
            return await client.post("/v1/student", content=b"{", headers=KEY)

    assert world.loop.run_until_complete(send()).status_code == 400


def test_the_date_header_is_the_simulators_own_clock(world: World) -> None:
    world.do("advance", seconds=7200)
    said = parsedate_to_datetime(world.raw("GET", "/v1/school").headers["date"])
    assert said == START + timedelta(hours=2)
    assert parsedate_to_datetime(world.raw("GET", "/v1/x").headers["date"]) == START + timedelta(hours=2)


def test_the_same_calls_give_the_same_ids() -> None:
    first, second, other = World(seed=3), World(seed=3), World(seed=4)
    assert first.student() == second.student() != other.student()
    assert len(first.student(2)) == 16


def test_latency_passes_on_virtual_time() -> None:
    world = World(latency=0.5)
    world.ask("GET", "/v1/school")
    assert world.loop.time() == pytest.approx(0.5)


def test_beyond_the_limit_calls_are_slowed_by_100_ms_more_each() -> None:
    world = World(requests_per_minute=3)
    for _ in range(6):
        world.ask("GET", "/v1/school")
    assert world.loop.time() == pytest.approx(0.1 + 0.2 + 0.3)
    world.loop.jump(61)
    before = world.loop.time()
    world.ask("GET", "/v1/school")
    assert world.loop.time() == pytest.approx(before)


def test_heavy_routes_have_a_limit_of_their_own() -> None:
    world = World(heavy_routes="GET /v1/course", heavy_per_minute=2)
    for _ in range(3):
        world.ask("GET", "/v1/course")
        world.ask("GET", "/v1/school")
    assert world.loop.time() == pytest.approx(0.1)


def test_the_429_mode_says_when_to_come_back_and_unlimited_never_slows() -> None:
    world = World(requests_per_minute=1, over_limit="429")
    world.ask("GET", "/v1/school")
    answer = world.raw("GET", "/v1/school")
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    free = World(requests_per_minute=1, unlimited=True)
    for _ in range(5):
        free.ask("GET", "/v1/school")
    assert free.loop.time() == 0


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("objects", [{"field": "NAME", "message": "NAME is required"}]),
        ("strings", ["NAME is required"]),
        ("text", "NAME is required"),
    ],
)
def test_a_missing_required_field_is_a_validation_error(shape: str, message: Any) -> None:
    world = World(validation_message=shape)
    assert world.refused("POST", "/v1/group", {"group": {}}) == message


def test_errors_may_carry_a_code_beside_the_message() -> None:
    assert World(error_code=True).raw("GET", "/v1/group/none").json()["errorCode"] == "ERROR"


# School


def test_the_school_is_read_and_patched() -> None:
    world = World(school_connector="Hyperplanning", school_zone="Indian/Reunion")
    school = world.ask("GET", "/v1/school")
    assert (school["CONNECTOR"], school["TIMEZONE"]) == ("Hyperplanning", "Indian/Reunion")
    keys = ("NAME", "LOGO", "STREET_ADDRESS", "CITY", "POSTALCODE", "COUNTRY", "PHONE")
    body = {"school": {**{key: school[key] for key in keys}, "CITY": "Nantes"}}
    assert world.ask("PATCH", "/v1/school", body) is True
    assert world.ask("GET", "/v1/school")["CITY"] == "Nantes"
    assert world.writes[-1]["verb"] == "school"
    assert world.writes[-1]["after"] == {"CITY": "Nantes"}


# Students


def test_a_created_student_is_shown_as_the_vendor_shows_one(world: World) -> None:
    group = world.group()
    id = world.student(API_ID=70412, API_TYPE="ypareo", GROUPS=group, PHONE=None)
    one = world.ask("GET", f"/v1/student/{id}")
    assert one["ID"] == one["id"] == id
    assert (one["API_ID"], one["PHONE"], one["HIDDEN"]) == ("70412", "", 0)
    assert one["GROUPS"] == [group]
    assert one["DATE_CREATED"] == "2026-01-12T06:00:00.000Z"
    listed = world.ask("GET", "/v1/student")[0]
    assert "GROUPS" not in listed
    assert "identity" not in one
    assert "created_by" not in one
    assert world.ask("POST", "/v1/student/by-ids", {"studentIds": [id, "unknown"]}) == [one]


def test_look_ups_by_email_and_api_id(world: World) -> None:
    id = world.student(EMAIL="zoë+test@example.org", API_ID="A/7 b", API_TYPE="ypareo")
    assert world.ask("GET", "/v1/student/by-email/" + quote("Zoë+TEST@example.org"))["ID"] == id
    assert world.ask("GET", "/v1/student/get-id/" + quote("A/7 b", safe="")) == {"ID": id}
    assert "student" in world.refused("GET", "/v1/student/by-email/nobody@example.org")
    assert "student" in world.refused("GET", "/v1/student/get-id/none")
    assert world.refused("GET", "/v1/student/none") == "No student with this ID found"


def test_a_second_student_with_the_email_is_refused_or_merged_by_switch(world: World) -> None:
    world.student()
    twin = {"FIRSTNAME": "Léa", "LASTNAME": "Martin", "EMAIL": "LEA1@example.org"}
    assert world.refused("POST", "/v1/student", {"student": twin}) == "Student already exists in this school"
    merging = World(duplicate_student_email="upsert", create_type_key="TYPE")
    id = merging.student()
    assert merging.ask("POST", "/v1/student", {"student": twin}) == {"ID": id, "TYPE": "updated"}
    assert merging.ask("GET", f"/v1/student/{id}")["FIRSTNAME"] == "Léa"
    assert [w["verb"] for w in merging.writes] == ["create", "update"]


def test_patching_a_student_changes_only_what_is_sent(world: World) -> None:
    group = world.group()
    id = world.student(GROUPS=[group], PHONE="0601020304")
    body = {"student": {"ID": id, "FIRSTNAME": "Lea", "LASTNAME": "Durand", "UNKNOWN": 1}}
    assert world.ask("PATCH", "/v1/student/?id=" + id, body) is True
    one = world.ask("GET", f"/v1/student/{id}")
    assert (one["LASTNAME"], one["PHONE"], one["GROUPS"]) == ("Durand", "0601020304", [group])
    assert "UNKNOWN" not in one
    write = world.writes[-1]
    assert (write["before"], write["after"]) == ({"LASTNAME": "Martin1"}, {"LASTNAME": "Durand"})
    assert write["effective"]
    world.ask("PATCH", "/v1/student", body)
    assert not world.writes[-1]["effective"]


def test_a_student_cannot_take_anothers_email(world: World) -> None:
    world.student(1)
    two = world.student(2)
    body = {"student": {"ID": two, "FIRSTNAME": "a", "LASTNAME": "b", "EMAIL": "lea1@example.org"}}
    assert "exists" in world.refused("PATCH", "/v1/student", body)
    assert world.writes[-1]["verb"] == "create"


def test_archived_students_leave_the_list_and_are_still_found(world: World) -> None:
    id = world.student(API_ID="7", API_TYPE="ypareo")
    assert world.ask("DELETE", f"/v1/student/{id}") is True
    assert world.ask("GET", "/v1/student") == []
    assert world.ask("GET", "/v1/student/by-email/lea1@example.org")["HIDDEN"] == 1
    assert world.ask("GET", "/v1/student/get-id/7") == {"ID": id}
    assert world.ask("GET", f"/v1/student/restore/{id}") is True
    assert world.ask("GET", "/v1/student")[0]["HIDDEN"] == 0
    world.ask(
        "PATCH", "/v1/student", {"student": {"ID": id, "FIRSTNAME": "a", "LASTNAME": "b", "HIDDEN": True}}
    )
    assert [w["verb"] for w in world.writes] == ["create", "archive", "restore", "archive"]
    hiding = World(by_email_shows_archived=False, get_id_shows_archived=False, list_shows_archived=True)
    id = hiding.student(API_ID="7")
    hiding.ask("DELETE", f"/v1/student/{id}")
    hiding.refused("GET", "/v1/student/by-email/lea1@example.org")
    hiding.refused("GET", "/v1/student/get-id/7")
    assert len(hiding.ask("GET", "/v1/student")) == 1


def test_mails_are_counted_and_off_only_when_said(world: World) -> None:
    world.student(1)
    assert world.sim.dump()["mails"] == []
    world.student(2, SEND_EMAIL_CREDENTIALS=True)
    body = {"student": {"FIRSTNAME": "a", "LASTNAME": "b", "EMAIL": "c@example.org"}}
    world.ask("POST", "/v1/student", body)
    world.professor()
    assert [mail["kind"] for mail in world.sim.dump()["mails"]] == ["learner", "learner"]


def test_student_pages(world: World) -> None:
    for n in range(5):
        world.student(n)
    assert len(world.ask("GET", "/v1/student")) == 5
    pages = [len(world.ask("GET", f"/v1/student?page={page}&limit=2")) for page in range(4)]
    assert pages == [2, 2, 1, 0]
    assert [s["LASTNAME"] for s in world.ask("GET", "/v1/student?search=MARTIN3")] == ["Martin3"]
    world.loop.jump(60)
    world.student(9)
    late = world.ask("GET", "/v1/student?updatedAfter=2026-01-12T06:00:30.000Z")
    assert [s["LASTNAME"] for s in late] == ["Martin9"]


def test_paging_switches() -> None:
    short = World(student_page=2, omit_page_means_all=False)
    stuck = World(student_page=2, ignores_page=True)
    for n in range(3):
        short.student(n)
        stuck.student(n)
    assert len(short.ask("GET", "/v1/student")) == 2
    assert stuck.ask("GET", "/v1/student?page=1") == stuck.ask("GET", "/v1/student?page=0")


def test_spelling_switches() -> None:
    lower = World(id_spelling="lower", answer_id_spelling="lower", flags="boolean", unset="null")
    body = {"student": {"FIRSTNAME": "a", "LASTNAME": "b", "EMAIL": "c@example.org", "API_ID": "1"}}
    id = lower.ask("POST", "/v1/student", body)["id"]
    one = lower.ask("GET", f"/v1/student/{id}")
    assert "ID" not in one
    assert one["HIDDEN"] is False
    assert one["PHONE"] is None
    assert lower.ask("GET", "/v1/student/get-id/1") == {"id": id}
    assert World(create_type_key="").ask("POST", "/v1/student", body).keys() == {"ID"}


def test_api_id_switches() -> None:
    loose = World()
    first = loose.student(1, API_ID="7", API_TYPE="a")
    loose.student(2, API_ID="7", API_TYPE="b")
    assert loose.ask("GET", "/v1/student/get-id/7") == {"ID": first}
    strict = World(api_id_unique=True, get_id_scoped_to="b")
    strict.student(1, API_ID="7", API_TYPE="a")
    strict.refused("GET", "/v1/student/get-id/7")
    second = strict.student(2, API_ID="7", API_TYPE="b")
    assert strict.ask("GET", "/v1/student/get-id/7") == {"ID": second}
    person = {"FIRSTNAME": "a", "LASTNAME": "b", "EMAIL": "z@example.org", "API_ID": "7", "API_TYPE": "a"}
    strict.refused("POST", "/v1/student", {"student": person})


def test_the_answer_to_a_patch_by_switch() -> None:
    world = World(patch_answer="id")
    id = world.student()
    body = {"student": {"ID": id, "FIRSTNAME": "a", "LASTNAME": "b"}}
    assert world.ask("PATCH", "/v1/student", body) == {"ID": id}


# Professors


def test_a_professor_has_arrays_and_is_archived_by_school(world: World) -> None:
    id = world.professor()
    school = world.ask("GET", "/v1/school")["ID"]
    one = world.ask("GET", f"/v1/professor/{id}")
    assert (one["SCHOOL_ID"], one["HIDDEN"]) == ([school], [])
    assert isinstance(world.ask("DELETE", f"/v1/professor/{id}"), str)
    assert world.ask("GET", "/v1/professor/by-email/paul1@example.org")["HIDDEN"] == [school]
    assert world.ask("GET", "/v1/professor?page=0") == []
    body = {"ID": id, "FIRSTNAME": "Paul", "LASTNAME": "Roux1", "EMAIL": "paul1@example.org", "HIDDEN": False}
    assert "result" in world.ask("PATCH", "/v1/professor/", {"professor": body})
    assert world.ask("GET", f"/v1/professor/{id}")["HIDDEN"] == []
    assert world.writes[-1]["verb"] == "restore"


@pytest.mark.parametrize(("spelling", "hidden"), [("own_id", ["own"]), ("number", 1)])
def test_other_spellings_of_an_archived_professor(spelling: str, hidden: Any) -> None:
    world = World(professor_hidden=spelling)
    id = world.professor()
    world.ask("DELETE", f"/v1/professor/{id}")
    shown = world.ask("GET", f"/v1/professor/{id}")["HIDDEN"]
    assert shown == ([id] if hidden == ["own"] else hidden)


def test_restoring_a_professor_by_switch() -> None:
    deaf = World(professor_patch_hidden=False)
    id = deaf.professor()
    deaf.ask("DELETE", f"/v1/professor/{id}")
    body = {"ID": id, "FIRSTNAME": "Paul", "LASTNAME": "Roux1", "EMAIL": "paul1@example.org", "HIDDEN": False}
    deaf.ask("PATCH", "/v1/professor", {"professor": body})
    assert deaf.ask("GET", f"/v1/professor/{id}")["HIDDEN"] != []
    assert deaf.raw("GET", f"/v1/professor/restore/{id}").status_code == 404
    kind = World(professor_restore_route=True)
    id = kind.professor()
    kind.ask("DELETE", f"/v1/professor/{id}")
    kind.ask("GET", f"/v1/professor/restore/{id}")
    assert kind.ask("GET", f"/v1/professor/{id}")["HIDDEN"] == []


def test_professor_refusals_in_the_vendors_words(world: World) -> None:
    world.professor()
    person = {"FIRSTNAME": "P", "LASTNAME": "R", "EMAIL": "paul1@example.org", "dontSendCredentials": True}
    assert (
        world.refused("POST", "/v1/professor", {"professor": person})
        == "Professor already exists in this school"
    )
    unknown = world.refused("GET", "/v1/professor/by-email/x@example.org")
    assert "Error - cannot get professor by email" in unknown
    person.pop("dontSendCredentials")
    assert world.refused("POST", "/v1/professor", {"professor": person})[0]["field"] == "dontSendCredentials"
    person["EMAIL"] = "other@example.org"
    assert World(strict_required=False).ask("POST", "/v1/professor", {"professor": person})["ID"]


# Groups


def test_a_groups_patch_replaces_its_members(world: World) -> None:
    one, two = world.student(1), world.student(2)
    id = world.group(one, API_ID="G-7", API_TYPE="ypareo")
    assert world.ask("PATCH", "/v1/group", {"group": {"ID": id, "STUDENTS": [two]}}) is True
    group = world.ask("GET", f"/v1/group/{id}")
    assert (group["STUDENTS"], group["NAME"], group["id"]) == ([two], "BTS", id)
    assert world.ask("GET", "/v1/group/get-id/G-7") == {"ID": id}
    assert world.writes[-1]["before"] == {"STUDENTS": [one]}
    world.refused("PATCH", "/v1/group", {"group": {"ID": id, "STUDENTS": ["unknown"]}})
    world.ask("DELETE", f"/v1/group/{id}")
    assert world.ask("GET", "/v1/group?page=0") == []


def test_a_groups_change_reaches_its_future_unlocked_sheets(world: World) -> None:
    one, two = world.student(1), world.student(2)
    group = world.group(one)
    future, locked = world.course(SCHOOL_GROUP=group), world.course(SCHOOL_GROUP=group)
    past = world.course(SCHOOL_GROUP=group, START="2026-01-11T08:00:00.000Z", END="2026-01-11T10:00:00.000Z")
    world.ask("GET", f"/v1/course/lock/{locked}")
    world.ask("PATCH", "/v1/group", {"group": {"ID": group, "STUDENTS": [two]}})
    assert [world.people_on(sheet) for sheet in (future, locked, past)] == [[two], [one], [one]]
    assert world.writes[-1]["cascaded"] == {future: {"added": [two], "removed": [one]}}
    still = World(cascade_groups=False)
    one = still.student(1)
    group = still.group(one)
    sheet = still.course(SCHOOL_GROUP=[group])
    still.ask("PATCH", "/v1/group", {"group": {"ID": group, "STUDENTS": []}})
    assert still.people_on(sheet) == [one]


# Sheets


def test_a_sheet_is_filled_from_its_groups_or_from_students(world: World) -> None:
    one, two, three = world.student(1), world.student(2), world.student(3)
    groups = [world.group(one, two), world.group(two)]
    assert world.people_on(world.course(SCHOOL_GROUP=groups)) == [one, two]
    explicit = world.course("?fromStudents=true", SCHOOL_GROUP=groups, STUDENTS=[{"studentId": three}])
    sheet = world.ask("GET", f"/v1/course/{explicit}")
    state = sheet["STUDENTS"][0]
    assert (state["studentId"], state["state"], state["delay"]) == (three, False, 0)
    assert state["start"] == sheet["START"] == "2026-01-12T08:00:00.000Z"
    assert isinstance(state["_id"], int)
    assert (sheet["LOCKED"], sheet["NEED_STUDENTS_SIGNATURE"], sheet["PROFESSOR_2"]) == (0, 1, "")


def test_a_sheet_needs_a_professor_and_times_in_order(world: World) -> None:
    base = {"NAME": "x", "START": "2026-01-12T08:00:00Z", "END": "2026-01-12T07:00:00Z"}
    fields = [row["field"] for row in world.refused("POST", "/v1/course", {"course": base})]
    assert fields == ["PROFESSOR", "NEED_STUDENTS_SIGNATURE"]
    whole = {**base, "PROFESSOR": world.professor(), "NEED_STUDENTS_SIGNATURE": 1}
    assert "END" in world.refused("POST", "/v1/course", {"course": whole})
    assert "START" in world.refused("POST", "/v1/course", {"course": {**whole, "START": "soon"}})


@pytest.mark.parametrize(("zone", "start"), [("school", "08:00"), ("utc", "09:00")])
def test_times_without_an_offset_by_switch(zone: str, start: str) -> None:
    world = World(offsetless_dates=zone)
    id = world.course(START="2026-01-12 09:00:00", END="2026-01-12T12:00:00+01:00")
    sheet = world.ask("GET", f"/v1/course/{id}")
    assert sheet["START"] == f"2026-01-12T{start}:00.000Z"
    assert sheet["END"] == "2026-01-12T11:00:00.000Z"


def test_the_sheet_list_by_period_and_page(world: World) -> None:
    speaker = world.professor()
    for day in range(10, 15):
        for hour in range(8, 18):
            world.course(
                PROFESSOR=speaker,
                NAME=f"c{day}",
                START=f"2026-01-{day}T{hour:02}:00:00Z",
                END=f"2026-01-{day}T{hour:02}:30:00Z",
            )
    assert len(world.ask("GET", "/v1/course")) == 50
    assert [len(world.ask("GET", f"/v1/course?page={page}")) for page in range(3)] == [40, 10, 0]
    days = world.ask("GET", "/v1/course?start=2026-01-11&end=2026-01-13")
    assert {sheet["NAME"] for sheet in days} == {"c11", "c12"}
    assert days[0]["PROFESSORS_PRESENCES"][0]["professorId"] == speaker
    assert len(world.ask("GET", "/v1/course?courseName=C13")) == 10
    assert world.refused("GET", "/v1/course?start=2026-01-01&end=2026-06-01")
    world.ask("GET", "/v1/course?start=2026-01-01&end=2026-04-01")


def test_period_switches() -> None:
    world = World(end_inclusive=True, over_period="clamp", period_zone="school")
    world.course(START="2026-01-12T23:30:00Z", END="2026-01-13T01:00:00Z")
    # 23:30 UTC is the 13th in Paris.
    assert len(world.ask("GET", "/v1/course?start=2026-01-13&end=2026-01-13")) == 1
    assert world.ask("GET", "/v1/course?start=2026-01-12&end=2026-01-12") == []
    assert world.ask("GET", "/v1/course?start=2025-10-01&end=2026-12-31") == []


def test_sheet_filters(world: World) -> None:
    one = world.student(API_ID="1")
    group = world.group(one)
    speaker = world.professor()
    a = world.course(SCHOOL_GROUP=group, PROFESSOR=speaker, CLASSROOM="B102")
    b = world.course(NAME="Anglais")
    world.do("lock", sheet=b)

    def found(query: str) -> list[str]:
        return [sheet["ID"] for sheet in world.ask("GET", f"/v1/course?{query}")]

    for query in (
        f"groupId={group}",
        f"studentId=x,{one}",
        f"professorId={speaker}",
        "classroom=B102",
        "filters=unlocked",
        "courseName=droit",
    ):
        assert found(query) == [a], query
    assert found("filters=locked") == [b]
    assert found("filters=locked,absencessent") == []
    assert set(found("creatorId=api")) == {a, b}
    assert found("dateCreated=2026-02-01,2026-03-01") == []
    assert found("professorSignature=true") == []
    named = world.ask("GET", f"/v1/course?groupId={group}&infoStudents=true")[0]
    assert named["STUDENTS"][0]["lastname"] == "Martin1"


def test_a_patch_erases_signatures_unless_the_switch_is_off(world: World) -> None:
    for one_world, kept in ((world, False), (World(reset_signatures_on_patch=False), True)):
        one, speaker = one_world.student(), one_world.professor()
        group = one_world.group(one)
        sheet = one_world.course(SCHOOL_GROUP=group, PROFESSOR=speaker)
        row = one_world.ask("GET", f"/v1/course/{sheet}")["STUDENTS"][0]["_id"]
        one_world.do("sign", sheet=sheet, learner=one)
        one_world.do("sign", sheet=sheet, speaker=speaker)
        assert one_world.patch_course(sheet, PROFESSOR=speaker, NAME="Droit 2") is True
        after = one_world.ask("GET", f"/v1/course/{sheet}")
        assert bool(after["PROFESSOR_SIGNATURE"]) is kept
        assert bool(after["STUDENTS"][0]["signature"]) is kept
        assert after["STUDENTS"][0]["_id"] == row
        assert one_world.writes[-1]["signatures_lost"] == ([] if kept else [one, speaker])


def test_a_patch_without_fromstudents_refills_from_the_groups(world: World) -> None:
    one, two, speaker = world.student(1), world.student(2), world.professor()
    sheet = world.course(SCHOOL_GROUP=world.group(one), PROFESSOR=speaker)
    world.ask("PUT", f"/v1/course/attendance/{sheet}", {"studentId": two})
    world.patch_course(sheet, "?fromStudents=true", PROFESSOR=speaker, NAME="x")
    assert world.people_on(sheet) == [one, two]
    world.patch_course(sheet, "?fromStudents=1", PROFESSOR=speaker, STUDENTS=[{"studentId": two}])
    assert world.people_on(sheet) == [two]
    world.patch_course(sheet, PROFESSOR=speaker, NAME="y")
    assert world.people_on(sheet) == [one]
    gentle = World(refill_on_patch="groups_change")
    one, two, speaker = gentle.student(1), gentle.student(2), gentle.professor()
    sheet = gentle.course(SCHOOL_GROUP=gentle.group(one), PROFESSOR=speaker)
    gentle.ask("PUT", f"/v1/course/attendance/{sheet}", {"studentId": two})
    gentle.patch_course(sheet, PROFESSOR=speaker, NAME="y")
    assert gentle.people_on(sheet) == [one, two]
    gentle.patch_course(sheet, PROFESSOR=speaker, SCHOOL_GROUP=gentle.group(two))
    assert gentle.people_on(sheet) == [two]


def test_professors_of_a_patch(world: World) -> None:
    first, second = world.professor(1), world.professor(2)
    sheet = world.course(PROFESSOR=first, PROFESSOR_2=second)
    course = {"ID": sheet, "NEED_STUDENTS_SIGNATURE": 1, "NAME": "x"}
    assert "professor" in world.refused("PATCH", "/v1/course", {"course": course, "editSurveys": False})
    world.patch_course(sheet, PROFESSOR=first)
    assert world.ask("GET", f"/v1/course/{sheet}")["PROFESSOR_2"] == second
    world.patch_course(sheet, "?fromStudents=true", PROFESSOR=second)
    after = world.ask("GET", f"/v1/course/{sheet}")
    assert (after["PROFESSOR"], after["PROFESSOR_2"]) == (second, "")
    world.patch_course(sheet, PROFESSOR=first, PROFESSOR_4=second)
    assert world.ask("GET", f"/v1/course/{sheet}")["PROFESSOR_4"] == second
    loose = World(patch_requires_professor=False)
    sheet = loose.course()
    loose.patch_course(sheet, NAME="y", TRAINING_ID=None)
    assert loose.ask("GET", f"/v1/course/{sheet}")["NAME"] == "y"


def test_attendance_routes(world: World) -> None:
    one, sheet = world.student(), world.course()
    path = f"/v1/course/attendance/{sheet}"
    world.ask("PUT", path, {"studentId": one})
    assert world.refused("PUT", path, {"studentId": one}) == "Student already in the list"
    world.ask("DELETE", path, {"studentId": one})
    assert world.people_on(sheet) == []
    assert world.refused("DELETE", path, {"studentId": one})
    world.ask("PUT", path, {"studentId": one})
    world.ask("DELETE", f"{path}?studentId={one}")
    last = world.writes[-1]
    assert (last["verb"], last["learner"]) == ("remove", one)
    assert (last["before"], last["after"]) == ({"STUDENTS": [one]}, {"STUDENTS": []})
    assert (
        world.refused("PUT", "/v1/course/attendance/none", {"studentId": one}) == "No course with this ID found"
    )


def test_attendance_on_past_sheets_by_switch() -> None:
    world = World(past_attendance_refused=True)
    one, sheet = world.student(), world.course()
    world.do("advance", seconds=86400)
    assert world.refused("PUT", f"/v1/course/attendance/{sheet}", {"studentId": one})


def test_a_locked_sheet_takes_nothing_until_unlocked(world: World) -> None:
    one, speaker = world.student(), world.professor()
    sheet = world.course(SCHOOL_GROUP=world.group(one), PROFESSOR=speaker)
    assert world.ask("GET", f"/v1/course/lock/{sheet}")["link"].startswith("https://")
    assert world.refused("GET", f"/v1/course/lock/{sheet}") == "Course already locked"
    course = {"ID": sheet, "NEED_STUDENTS_SIGNATURE": 1, "PROFESSOR": speaker}
    for method, path, body in (
        ("PUT", f"/v1/course/attendance/{sheet}", {"studentId": one}),
        ("DELETE", f"/v1/course/attendance/{sheet}", {"studentId": one}),
        ("PATCH", "/v1/course", {"course": course, "editSurveys": False}),
        ("PATCH", f"/v1/presential-states/set-absent/{sheet}/{one}", {}),
        ("DELETE", f"/v1/course/{sheet}", None),
    ):
        assert world.refused(method, path, body) == "course locked"
    assert world.ask("GET", f"/v1/course/{sheet}")["LOCKED"] == 1
    world.ask("PATCH", f"/v1/course/unlock/{sheet}")
    assert world.ask("DELETE", f"/v1/course/{sheet}") is True
    assert world.refused("GET", f"/v1/course/{sheet}") == "No course with this ID found"
    assert world.writes[-1]["verb"] == "withdraw"
    assert world.writes[-1]["before"]["STUDENTS"][0]["studentId"] == one


def test_deleting_signed_or_locked_sheets_by_switch() -> None:
    world = World(delete_signed_refused=True, delete_locked_refused=False)
    one = world.student()
    sheet = world.course(SCHOOL_GROUP=world.group(one))
    world.do("sign", sheet=sheet, learner=one)
    assert world.refused("DELETE", f"/v1/course/{sheet}") == "course signed"
    other = world.course()
    world.do("lock", sheet=other)
    world.ask("DELETE", f"/v1/course/{other}")


def test_states_are_marked_through_the_api(world: World) -> None:
    one = world.student()
    sheet = world.course(SCHOOL_GROUP=world.group(one))
    marks = "/v1/presential-states"
    world.ask("PATCH", f"{marks}/set-delay/{sheet}/{one}", {"delay": 18})
    early = {"earlyDate": "2026-01-12T10:00:00Z"}
    world.ask("PATCH", f"{marks}/set-early-departure/{sheet}/{one}", early)
    state = world.ask("GET", f"/v1/course/{sheet}")["STUDENTS"][0]
    assert (state["state"], state["delay"]) == (True, 18)
    assert state["earlyDeparture"] == "2026-01-12T10:00:00.000Z"
    world.ask("PATCH", f"{marks}/set-absent/{sheet}/{one}", {"comment": "malade"})
    assert world.ask("GET", f"/v1/course/{sheet}")["STUDENTS"][0]["state"] is False
    assert world.writes[-1]["verb"] == "mark"


@pytest.mark.parametrize("bumps", [True, False])
def test_whether_a_signature_moves_date_updated(bumps: bool) -> None:
    world = World(signature_bumps_updated=bumps)
    one = world.student()
    sheet = world.course(SCHOOL_GROUP=world.group(one))
    before = world.ask("GET", f"/v1/course/{sheet}")["DATE_UPDATED"]
    world.loop.jump(3600)
    world.do("sign", sheet=sheet, learner=one)
    assert (world.ask("GET", f"/v1/course/{sheet}")["DATE_UPDATED"] != before) is bumps


def test_a_justified_absence_is_linked_to_its_state(world: World) -> None:
    one = world.student()
    sheet = world.course(SCHOOL_GROUP=world.group(one))
    body = {"STUDENT_ID": one, "COURSE_ID": sheet, "TYPE": 1, "COMMENT": "malade"}
    id = world.ask("POST", "/v1/justified-absence", body)["ID"]
    assert world.ask("GET", f"/v1/course/{sheet}")["STUDENTS"][0]["absenceId"] == id
    absence = world.ask("GET", "/v1/justified-absence?page=0")[0]
    assert (absence["STUDENT_ID"], absence["START"]) == (one, "2026-01-12T08:00:00.000Z")
    assert world.ask("GET", "/v1/justified-absence?page=1") == []
    assert {"ID", "NAME"} == world.ask("GET", "/v1/justified-absence/absence-reason")[0].keys()


@pytest.mark.parametrize(
    ("shown", "pending", "accepted"),
    [("text", ["pending"], ["accepted"]), ("number", [0], [1]), ("none", [], [None])],
)
def test_a_request_to_be_justified_is_shown_as_the_switch_says(
    shown: str, pending: list[Any], accepted: list[Any]
) -> None:
    world = World(absence_status=shown)
    one = world.student()
    sheet = world.course(SCHOOL_GROUP=world.group(one))
    asked = world.do("justify", learner=one, sheet=sheet, status="pending")

    def statuses() -> list[Any]:
        return [row.get("STATUS") for row in world.ask("GET", "/v1/justified-absence?page=0")]

    def linked() -> Any:
        return world.ask("GET", f"/v1/course/{sheet}")["STUDENTS"][0]["absenceId"]

    assert (statuses(), linked()) == (pending, None)
    world.do("answer", absence=asked, status="accepted")
    assert (statuses(), linked()) == (accepted, asked)
    world.do("answer", absence=asked, status="refused")
    assert linked() is None
    assert [edit["action"] for edit in world.sim.control.edits] == ["justify", "answer", "answer"]
    world.loop.close()


def test_every_state_may_name_an_absence_that_justifies_nothing() -> None:
    world = World(absence_id_always=True)
    sheet = world.course(SCHOOL_GROUP=world.group(world.student()))
    assert world.ask("GET", f"/v1/course/{sheet}")["STUDENTS"][0]["absenceId"]
    assert world.ask("GET", "/v1/justified-absence?page=0") == []
    world.loop.close()


def test_people_leave_early_are_sent_out_and_marked_absent(world: World) -> None:
    early, out, gone = (world.student(n) for n in (1, 2, 3))
    sheet = world.course(SCHOOL_GROUP=world.group(early, out, gone))
    for learner in (early, out, gone):
        world.do("sign", sheet=sheet, learner=learner)
    world.do("early", sheet=sheet, learner=early, minutes=20)
    world.do("exclude", sheet=sheet, learner=out)
    world.do("absent", sheet=sheet, learner=gone)
    states = {s["studentId"]: s for s in world.ask("GET", f"/v1/course/{sheet}")["STUDENTS"]}
    assert states[early]["earlyDeparture"] == "2026-01-12T10:40:00.000Z" and states[early]["state"]
    assert states[out]["excluded"] and not states[early]["excluded"]
    assert (states[gone]["state"], states[gone]["signature"]) == (False, None)


# People at the UI, hidden identities, ledgers


HANDMADE = (
    Made("sheet", "sheet-1", {"NAME": "Soutien", "PROFESSOR": "speaker-1", "SCHOOL_GROUP": ["group-1"],
                              "START": "2026-01-12T15:00:00Z", "END": "2026-01-12T16:00:00Z"}),
    Made("group", "group-1", {"NAME": "Rattrapage", "STUDENTS": ["learner-1"]}),
    Made("learner", "learner-1", {"FIRSTNAME": "Ali", "LASTNAME": "Ben", "EMAIL": "ali@example.org"}),
    Made("learner", "learner-2", {"LASTNAME": "Gone", "EMAIL": "gone@example.org"}, archived=True),
    Made("speaker", "speaker-1", {"LASTNAME": "Roy", "EMAIL": "roy@example.org",
                                  "SCHOOL_ID": ["here", "there"]}),
)  # fmt: skip


def test_hand_made_records_refer_to_each_other_by_identity() -> None:
    dump = World(handmade=HANDMADE).sim.dump()
    by_identity = {
        row["identity"]: row for kind in ("students", "professors", "groups", "courses") for row in dump[kind]
    }
    learner, sheet = by_identity["learner-1"], by_identity["sheet-1"]
    assert by_identity["group-1"]["STUDENTS"] == [learner["ID"]]
    assert [state["studentId"] for state in sheet["STUDENTS"]] == [learner["ID"]]
    assert sheet["PROFESSOR"] == by_identity["speaker-1"]["ID"]
    assert by_identity["speaker-1"]["SCHOOL_ID"] == [dump["school"]["ID"], "there"]
    assert by_identity["learner-2"]["HIDDEN"] == 1
    assert (learner["API_ID"], learner["created_by"]) == ("", "hand")
    assert dump["edits"] == dump["writes"] == []


def test_identities_are_fixed_at_creation() -> None:
    world = World(handmade=HANDMADE)
    row = next(r for r in world.sim.dump()["students"] if r["identity"] == "learner-1")
    body = {"ID": row["ID"], "FIRSTNAME": "Ali", "LASTNAME": "Ben", "API_ID": "9", "API_TYPE": "rollcall-x"}
    world.ask("PATCH", "/v1/student", {"student": body})
    world.student(1, API_ID="10", API_TYPE="rollcall-x")
    by_api = {r["API_ID"]: (r["identity"], r["created_by"]) for r in world.sim.dump()["students"]}
    assert by_api["9"] == ("learner-1", "hand")
    assert by_api["10"] == ("api:rollcall-x/10", "api")
    assert world.writes[0]["identity"] == "learner-1"
    assert world.writes[1]["identity"] == "api:rollcall-x/10"
    assert world.writes[1]["after"]["LASTNAME"] == "Martin1"


def test_the_hands_of_a_person_and_the_edit_ledger() -> None:
    world = World(handmade=HANDMADE)
    ids = {r["identity"]: r["ID"] for kind in ("students", "groups", "courses") for r in world.sim.dump()[kind]}
    learner, group, sheet = ids["learner-1"], ids["group-1"], ids["sheet-1"]
    who = {"who": "secretary"}
    world.do("edit", kind="learner", id=learner, field="EMAIL", value="ali.b@example.org", **who)
    edit = world.sim.control.edits[-1]
    assert edit == {
        "n": 1, "at": "2026-01-12T06:00:00.000Z", "kind": "learner", "id": learner, "identity": "learner-1",
        "action": "edit", "field": "EMAIL", "before": "ali@example.org", "after": "ali.b@example.org", **who,
    }  # fmt: skip
    world.do("edit", kind="sheet", id=sheet, field="START", value="2026-01-12T14:30:00+00:00", **who)
    assert world.ask("GET", f"/v1/course/{sheet}")["STUDENTS"][0]["start"] == "2026-01-12T14:30:00.000Z"
    fields = {"LASTNAME": "New", "EMAIL": "new@example.org", "GROUPS": ["group-1"]}
    new = world.do("create", kind="learner", identity="learner-3", fields=fields, **who)
    assert world.people_on(sheet) == [learner, new]
    world.do("remove", kind="group", id=group, learner=new)
    assert world.people_on(sheet) == [learner]
    world.do("add", kind="sheet", id=sheet, learner=new)
    world.do("late", sheet=sheet, learner=new, minutes=7)
    world.do("archive", kind="learner", id=learner)
    world.do("restore", kind="learner", id=learner)
    world.do("lock", sheet=sheet)
    world.do("unlock", sheet=sheet)
    world.do("edit", kind="school", id="", field="CONNECTOR", value="Hyperplanning")
    world.do("delete", id=sheet)
    actions = [edit["action"] for edit in world.sim.control.edits]
    assert actions == ["edit", "edit", "create", "remove", "add", "late", "archive", "restore", "lock",
                       "unlock", "edit", "delete"]  # fmt: skip
    assert [edit["n"] for edit in world.sim.control.edits] == list(range(1, 13))
    assert world.writes == []


@pytest.mark.parametrize(
    ("action", "order"),
    [
        ("edit", {"kind": "learner", "id": "none", "field": "EMAIL", "value": "x"}),
        ("edit", {"kind": "room", "id": "none", "field": "EMAIL", "value": "x"}),
        ("edit", {"what": 1}),
        ("sign", {"sheet": "none", "learner": "x"}),
        ("fault", {"kind": "meteor"}),
        ("kill", {"pid": -1, "phase": "after_commit"}),
        ("kill", {"pid": 1, "phase": "after_commit"}),
    ],
)
def test_a_senseless_order_is_refused(world: World, action: str, order: dict[str, Any]) -> None:
    answer = world.raw("POST", f"/__control__/{action}", order, headers={})
    assert (answer.status_code, answer.json()["ok"]) == (400, False)


def test_the_dump_is_json_and_the_same_each_time() -> None:
    def played() -> str:
        world = World(handmade=HANDMADE)
        world.course(SCHOOL_GROUP=[world.group(world.student())])
        world.refused("GET", "/v1/student/none")
        return world.raw("GET", "/__control__/dump", headers={}).text

    first = played()
    assert first == played()
    dump = json.loads(first)
    assert dump["system"] == "edusign"
    assert dump["page_sizes"]["course"] == 40
    assert dump["requests"]["GET /v1/student/{id}"] == 1
    assert [write["n"] for write in dump["writes"]] == [1, 2, 3, 4]


# Faults


@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [
        ("401", 401, "Unauthorized"),
        ("402", 402, "Payment Required"),
        ("403", 403, "Forbidden"),
        ("500", 500, "Internal Server Error"),
        ("502", 502, "Bad Gateway"),
        ("503", 503, "Service Unavailable"),
        ("html", 200, "<!doctype html>"),
        ("array_message", 200, '"message":[{'),
        ("truncated_body", 200, '{"status":'),
    ],
)
def test_a_fault_takes_the_place_of_one_answer(world: World, kind: Any, status: int, text: str) -> None:
    world.do("fault", kind=kind, method="GET", route="/v1/stud*", nth=2)
    assert world.raw("GET", "/v1/student").status_code == 200
    assert world.raw("GET", "/v1/school").json()["status"] == "success"
    answer = world.raw("GET", "/v1/student")
    assert answer.status_code == status
    assert text in answer.text
    assert world.ask("GET", "/v1/student") == []
    assert world.sim.control.requests["GET /v1/student"] == 3


def test_a_fault_before_writes_nothing_and_after_has_written(world: World) -> None:
    body = {"student": {"FIRSTNAME": "a", "LASTNAME": "b", "EMAIL": "c@example.org"}}
    world.do("fault", kind="502", method="POST")
    assert world.raw("POST", "/v1/student", body).status_code == 502
    assert world.writes == []
    world.do("fault", kind="502", method="POST", phase="after")
    assert world.raw("POST", "/v1/student", body).status_code == 502
    assert len(world.writes) == 1


def test_list_faults(world: World) -> None:
    ids = [world.student(n) for n in range(6)]

    def listed(page: int) -> list[str]:
        return [s["ID"] for s in world.ask("GET", f"/v1/student?page={page}&limit=2")]

    world.do("fault", kind="truncated_list", route="/v1/student", nth=2)
    assert [len(listed(page)) for page in range(4)] == [2, 1, 2, 0]
    world.do("fault", kind="repeated_page", route="/v1/student", nth=2)
    assert [listed(page) for page in range(3)] == [ids[0:2], ids[2:4], ids[2:4]]
    world.do("fault", kind="empty_list", count=0)
    assert listed(0) == listed(1) == []
    world.do("clear")
    assert listed(0) == ids[:2]


def test_a_429_says_when_to_come_back(world: World) -> None:
    world.do("fault", kind="429", seconds=3)
    answer = world.raw("GET", "/v1/school")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")


def test_silences(world: World) -> None:
    body = {"student": {"FIRSTNAME": "a", "LASTNAME": "b", "EMAIL": "c@example.org"}}
    world.do("fault", kind="silence", method="POST")
    with pytest.raises(TimeoutError):
        world.raw("POST", "/v1/student", body, timeout=60)
    assert world.writes == []
    world.do("fault", kind="silence_after_commit", method="POST")
    with pytest.raises(TimeoutError):
        world.raw("POST", "/v1/student", body, timeout=60)
    assert len(world.writes) == 1
    world.sim.control.fault(FaultOrder(kind="silence", seconds=5))
    assert world.raw("GET", "/v1/school").status_code == 504


def test_a_broken_connection_leaves_the_write_done(world: World) -> None:
    world.sim.control.fault(FaultOrder(kind="reset", method="POST"))
    with pytest.raises(ConnectionResetError):
        world.student()
    assert len(world.writes) == 1


# Kills


def test_a_kill_before_commit_leaves_no_trace_of_the_write(world: World) -> None:
    world.do("kill", pid=4242, nth=2, phase="before_commit")
    first = world.student(1)
    body = {"student": {"FIRSTNAME": "a", "LASTNAME": "b", "EMAIL": "c@example.org"}}
    assert world.raw("POST", "/v1/student", body).status_code == 500
    assert world.killed == [(4242, 9)]
    assert [write["id"] for write in world.writes] == [first]
    assert len(world.ask("GET", "/v1/student")) == 1
    world.student(3)
    assert len(world.killed) == 1


def test_a_kill_after_commit_leaves_the_write_without_an_answer(world: World) -> None:
    world.sim.control.kill(KillOrder(pid=4242, phase="after_commit", signal=15))
    body = {"student": {"FIRSTNAME": "a", "LASTNAME": "b", "EMAIL": "c@example.org"}}
    assert world.raw("POST", "/v1/student", body).status_code == 500
    assert world.killed == [(4242, 15)]
    assert world.sim.dump()["kills"][0] == {
        "n": 1, "at": "2026-01-12T06:00:00.000Z", "pid": 4242, "phase": "after_commit", "signal": 15,
        "write": 1, "arrived": True,
    }  # fmt: skip
    assert len(world.writes) == 1


def test_a_kill_after_the_answer_lets_the_answer_leave_first(world: World) -> None:
    world.do("kill", pid=4242, phase="after_answer")
    world.refused("PATCH", "/v1/group", {"group": {"ID": "none", "NAME": "x"}})
    assert world.killed == []
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def watched(message: Any) -> None:
            await send(message)
            sent.append((message["type"], len(world.killed)))

        await world.sim.app(scope, receive, watched)

    async def create() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://e.test"
        ) as client:
            body = {"group": {"NAME": "BTS"}}
            return await client.post("/v1/group", json=body, headers=KEY)

    assert world.loop.run_until_complete(create()).json()["status"] == "success"
    assert sent == [("http.response.start", 0), ("http.response.body", 0)]
    assert world.killed == [(4242, 9)]
    assert world.sim.control.kills[0]["write"] == world.writes[0]["n"]


def test_a_process_that_is_gone_is_noted() -> None:
    world = World()

    def gone(_pid: int, _signal: int) -> None:
        raise ProcessLookupError

    sim = EdusignSimulator(1, world.clock, EdusignSwitches(latency=0), killer=gone)
    world.sim = sim
    sim.control.kill(KillOrder(pid=4242, phase="after_answer"))
    world.group()
    assert sim.control.kills[0]["arrived"] is False


# As a process


def test_it_listens_on_loopback_only_and_without_nagle() -> None:
    with listening(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        assert listener.proto == socket.IPPROTO_TCP


def test_switches_are_set_by_name() -> None:
    switches = set_switches(EdusignSwitches, ["latency=0", "unlimited=true", "heavy_routes=GET /v1/course,x"])
    assert (switches.latency, switches.unlimited) == (0, True)
    assert switches.heavy_routes == {"GET /v1/course", "x"}
    for wrong in ("nothing=1", "latency", "latency=slow"):
        with pytest.raises(ValueError, match=r"latency|nothing"):
            set_switches(EdusignSwitches, [wrong])
