"""The Edusign client against answers as the vendor's documents and clients show them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from connectors.edusign import EdusignSettings, connector
from connectors.edusign.client import EdusignClient
from engine.clock import VirtualClock
from engine.ports import AttendancePlatform, Fault, FaultCode, Listing, Scope, Surroundings
from engine.records import Group, Learner, Sheet, Speaker
from tests.unit.test_http import START, T, virtually
from tests.unit.test_mapping_edusign import COURSE, GROUP, PROFESSOR, STUDENT, without

SCOPE = Scope(first=date(2026, 11, 24), last=date(2026, 12, 7), zone="Europe/Paris")


def success(result: Any) -> httpx.Response:
    return httpx.Response(200, json={"status": "success", "result": result})


def error(message: Any, **beside: Any) -> httpx.Response:
    return httpx.Response(200, json={"status": "error", "message": message, **beside})


class Fake:
    """Answers by method and path; remembers what was asked."""

    def __init__(self, answers: dict[str, Any] | None = None) -> None:
        self.answers: dict[str, Any] = answers or {}
        self.asked: list[tuple[str, dict[str, str], Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        route = f"{request.method} {request.url.raw_path.decode().partition('?')[0]}"
        params = dict(request.url.params)
        body = json.loads(request.content) if request.content else None
        self.asked.append((route, params, body))
        answer = self.answers[route]
        if isinstance(answer, list):
            # Pages; beyond the last one an empty page.
            page = int(params["page"])
            answer = answer[page] if page < len(answer) else []
            return answer if isinstance(answer, httpx.Response) else success(answer)
        response = answer(request) if callable(answer) else answer
        assert isinstance(response, httpx.Response)
        return response

    @property
    def routes(self) -> list[str]:
        return [route for route, _params, _body in self.asked]


def opened(clock: VirtualClock, fake: Callable[[httpx.Request], Any], **settings: Any) -> EdusignClient:
    return connector.open(
        EdusignSettings(key="env:KEY", url="https://school.example/v1/", **settings),
        Surroundings(
            connection="lyon",
            zone="Europe/Paris",
            country="FR",
            clock=clock,
            secret=lambda reference: "k3y",
            transport=httpx.MockTransport(fake),
        ),
    )


def ask(
    fake: Callable[[httpx.Request], Any], what: Callable[[EdusignClient], Awaitable[T]], **settings: Any
) -> T:
    async def play(clock: VirtualClock) -> T:
        client: EdusignClient = opened(clock, fake, **settings)
        platform: AttendancePlatform = client
        await platform.begin(SCOPE)
        try:
            return await what(client)
        finally:
            await client.close()

    return virtually(play)


def students(first: int, count: int) -> list[dict[str, Any]]:
    return [{**STUDENT, "ID": f"st{n}", "id": f"st{n}"} for n in range(first, first + count)]


def courses(starts: list[str]) -> list[dict[str, Any]]:
    return [{**COURSE, "ID": f"co{n}", "START": start} for n, start in enumerate(starts)]


def listed(pages: list[Any], **settings: Any) -> tuple[Listing, Fake]:
    fake = Fake({"GET /v1/student": pages})
    return ask(fake, lambda client: client.listing("learner", SCOPE), **settings), fake


def test_R13_a_listing_is_read_to_its_empty_page_and_no_further() -> None:
    listing, fake = listed([students(0, 50), students(50, 50), students(100, 3)])
    assert (listing.complete, listing.pages, len(listing.seen)) == (True, 3, 103)
    assert [params for _route, params, _body in fake.asked] == [{"page": str(n)} for n in range(4)]


def test_an_empty_school_is_a_complete_listing() -> None:
    listing, fake = listed([])
    assert (listing.complete, listing.seen, len(fake.asked)) == (True, (), 1)


def test_progress_counts_rows() -> None:
    told: list[tuple[str, int, int | None]] = []
    fake = Fake({"GET /v1/student": [students(0, 2), students(2, 1)]})
    ask(fake, lambda client: client.listing("learner", SCOPE, lambda *step: told.append(step)))
    assert told == [("learners", 2, None), ("learners", 3, None)]


def test_R13_a_short_page_before_the_last_is_truncated() -> None:
    listing, _fake = listed([students(0, 50), students(50, 20), students(70, 50)])
    assert (listing.complete, listing.fault) == (False, "truncated")
    assert "pages read 2 of ?" in listing.fault_line


def test_R13_a_short_first_page_is_found_out_by_a_longer_one() -> None:
    assert listed([students(0, 20), students(20, 50)])[0].fault == "truncated"


def test_R13_a_known_page_size_tells_at_once() -> None:
    rows = courses(["2026-11-25T08:00:00.000Z"] * 41)
    fake = Fake({"GET /v1/course": [rows[:30], rows[30:]]})
    assert ask(fake, lambda client: client.listing("sheet", SCOPE)).fault == "truncated"


@pytest.mark.parametrize(
    "second",
    [students(0, 50), students(49, 50), [*students(50, 10), students(3, 1)[0]], students(60, 2) * 2],
)
def test_R13_a_record_that_comes_twice_is_a_repeated_page(second: list[Any]) -> None:
    listing, fake = listed([students(0, 50), second])
    assert (listing.complete, listing.fault, listing.pages, len(fake.asked)) == (False, "repeated_page", 1, 2)


def test_R13_a_server_that_ignores_page_does_not_loop() -> None:
    fake = Fake({"GET /v1/student": lambda request: success(students(0, 50))})
    listing = ask(fake, lambda client: client.listing("learner", SCOPE))
    assert (listing.fault, len(fake.asked), len(listing.seen)) == ("repeated_page", 2, 50)


FAULTS: dict[str, tuple[Any, str]] = {
    "unauthorized": (httpx.Response(401, text="Unauthorized"), "Unauthorized"),
    "payment_required": (httpx.Response(402, text="Payment Required"), "Payment Required"),
    "bad_gateway": (httpx.Response(502, text="Bad Gateway"), "Bad Gateway"),
    "not_json": (httpx.Response(200, html="<!DOCTYPE html><html>Connexion</html>"), "Connexion"),
    "refused": (error(["page must be a number", {"message": "limit?"}]), "page must be a number; limit?"),
    "truncated": (httpx.Response(200, content=b'{"status":"success","result":[{"ID":'), '{"status"'),
    "drift": (success([without(STUDENT, "EMAIL")]), "EMAIL is missing"),
}


@pytest.mark.parametrize("code", FAULTS)
def test_each_fault_is_one_line_and_what_was_read_stays(code: str) -> None:
    answer, came = FAULTS[code]
    listing, _fake = listed([students(0, 2), answer])
    assert (listing.complete, listing.fault, len(listing.seen), listing.pages) == (False, code, 2, 1)
    line = listing.fault_line
    assert line.startswith("lyon: edusign GET /v1/student: ")
    assert came in line
    assert "pages read 1 of ?" in line
    assert "k3y" not in line
    assert "\n" not in line


def test_a_silence_past_the_time_out_is_one_line_too() -> None:
    async def fake(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(1e6)
        raise AssertionError

    listing = ask(fake, lambda client: client.listing("learner", SCOPE), timeout_seconds=60)
    assert (listing.complete, listing.fault) == (False, "timed_out")
    assert "nothing in 60 s" in listing.fault_line


def test_R37_a_time_out_after_commit_is_an_unknown_outcome() -> None:
    async def fake(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(1e6)
        raise AssertionError

    with pytest.raises(Fault) as caught:
        ask(fake, lambda client: client.create(Learner(id="", last_name="A"), "1", "t"))
    fault = caught.value
    assert (fault.code, fault.committed, fault.record) == (FaultCode.outcome_unknown, "unknown", "learner")


def test_an_unknown_field_is_ignored_and_counted() -> None:
    async def look(client: EdusignClient) -> tuple[bool, dict[str, int]]:
        return (await client.listing("learner", SCOPE)).complete, client.warnings

    fake = Fake({"GET /v1/student": [[{**STUDENT, "SHOE_SIZE": 42}]]})
    assert ask(fake, look) == (True, {"learner.SHOE_SIZE": 1})


def test_archived_people_are_not_listed() -> None:
    listing, _fake = listed([[{**STUDENT, "HIDDEN": 1}]])
    assert (listing.complete, listing.seen) == (True, ())


def test_sheets_are_those_of_the_local_dates() -> None:
    starts = [
        "2026-11-23T22:59:00.000Z",  # 23 Nov. 23:59 in Paris
        "2026-11-23T23:30:00.000Z",  # 24 Nov. 00:30
        "2026-12-07T22:30:00.000Z",  # 7 Dec. 23:30
        "2026-12-07T23:00:00.000Z",  # 8 Dec. 00:00
    ]
    fake = Fake({"GET /v1/course": [courses(starts)]})
    listing = ask(fake, lambda client: client.listing("sheet", SCOPE))
    assert [seen.id for seen in listing.seen] == ["co1", "co2"]
    assert fake.asked[0][1] == {"page": "0", "start": "2026-11-23", "end": "2026-12-08"}


def test_a_day_more_is_asked_for_until_the_end_is_known_to_be_included() -> None:
    fake = Fake({"GET /v1/course": [courses(["2026-12-08T09:00:00.000Z"])]})

    async def twice(client: EdusignClient) -> None:
        await client.listing("sheet", SCOPE)
        await client.listing("sheet", SCOPE)

    ask(fake, twice)
    ends = [params["end"] for _route, params, _body in fake.asked]
    assert ends == ["2026-12-08", "2026-12-08", "2026-12-07", "2026-12-07"]


def test_spans_beyond_ninety_days_are_split_without_a_hole() -> None:
    fake = Fake({"GET /v1/course": [courses(["2026-11-25T08:00:00.000Z"])]})
    scope = Scope(first=date(2026, 1, 1), last=date(2026, 12, 31), zone="UTC")
    listing = ask(fake, lambda client: client.listing("sheet", scope))
    spans = [(params["start"], params["end"]) for _route, params, _body in fake.asked if params["page"] == "0"]
    days = [(date.fromisoformat(a), date.fromisoformat(b)) for a, b in spans]
    assert all((b - a).days < 90 for a, b in days)
    assert all(this[1] == following[0] for this, following in pairwise(days))
    assert (days[0][0], days[-1][1]) == (date(2026, 1, 1), date(2027, 1, 1))
    assert (listing.complete, len(listing.seen)) == (True, 1)


def test_R20_the_sheets_of_one_group() -> None:
    fake = Fake({"GET /v1/course": []})
    ask(fake, lambda client: client.sheets_of_group("gr1", SCOPE))
    assert fake.asked[0][1]["groupId"] == "gr1"


@pytest.mark.parametrize(
    "message",
    [
        "No student with this ID found",
        "Error - cannot get professor by email",
        "professor not found",
        "ERR_UNKNOWN_EXTERNAL_BY_EMAIL",
    ],
)
def test_a_missing_record_is_an_answer(message: str) -> None:
    fake = Fake(
        {
            "GET /v1/student/x": error(message, errorCode="ERROR"),
            "GET /v1/student/get-id/70%2F1": error(message),
            "GET /v1/student/by-email/zo%C3%AB%40x.fr": error(message),
        }
    )
    assert ask(fake, lambda client: client.read("learner", "x")) is None
    assert ask(fake, lambda client: client.id_by_api_id("learner", "70/1")) is None
    assert ask(fake, lambda client: client.by_email("learner", " zoë@x.fr")) is None


@pytest.mark.parametrize(
    "message", ["Unknown error", "cannot get student: database timeout", "Erreur", ["id not found"], "", None]
)
def test_R08_any_other_error_is_no_proof_of_absence(message: Any) -> None:
    fake = Fake({"GET /v1/student/get-id/1": error(message)})
    with pytest.raises(Fault) as caught:
        ask(fake, lambda client: client.id_by_api_id("learner", "1"))
    assert caught.value.code is FaultCode.refused


@pytest.mark.parametrize("result", [{"ID": "st1"}, {"id": "st1"}, "st1"])
def test_an_id_by_external_key(result: Any) -> None:
    fake = Fake({"GET /v1/course/get-id/S-1": success(result)})
    assert ask(fake, lambda client: client.id_by_api_id("sheet", "S-1")) == "st1"


def test_R08_by_email_shows_archived_people() -> None:
    fake = Fake({"GET /v1/student/by-email/a%40x.fr": success({**STUDENT, "HIDDEN": 1, "GROUPS": []})})
    seen = ask(fake, lambda client: client.by_email("learner", "a@x.fr"))
    assert seen is not None
    assert seen.archived


def test_another_record_than_asked_for_is_drift() -> None:
    fake = Fake({"GET /v1/student/x": success(STUDENT)})
    with pytest.raises(Fault, match="drift"):
        ask(fake, lambda client: client.read("learner", "x"))


def test_learners_are_read_fifty_at_a_time() -> None:
    def by_ids(request: httpx.Request) -> httpx.Response:
        ids = json.loads(request.content)["studentIds"]
        return success([{**STUDENT, "ID": id} for id in ids if id != "st7"])

    fake = Fake({"POST /v1/student/by-ids": by_ids})
    found = ask(fake, lambda client: client.read_many("learner", tuple(f"st{n}" for n in range(120))))
    assert list(found) == [f"st{n}" for n in range(120) if n != 7]
    assert [len(body["studentIds"]) for _route, _params, body in fake.asked] == [50, 50, 20]


def test_other_kinds_are_read_one_by_one() -> None:
    fake = Fake(
        {"GET /v1/group/gr1": success(GROUP), "GET /v1/group/gr2": error("No group with this ID found")}
    )
    assert list(ask(fake, lambda client: client.read_many("group", ("gr1", "gr2")))) == ["gr1"]


@pytest.mark.parametrize("result", [{"ID": "n1", "type": "created"}, {"id": "n1"}, "n1", {"result": "n1"}])
def test_create_gives_the_new_id(result: Any) -> None:
    fake = Fake({"POST /v1/student": success(result)})
    record = Learner(id="", last_name="A", first_name="B", email="a@x.fr")
    assert ask(fake, lambda client: client.create(record, "70412", "rollcall-lyon")) == "n1"
    assert fake.asked == [
        (
            "POST /v1/student",
            {},
            {
                "student": {
                    "FIRSTNAME": "B", "LASTNAME": "A", "EMAIL": "a@x.fr", "PHONE": "", "API_ID": "70412",
                    "API_TYPE": "rollcall-lyon", "SEND_EMAIL_CREDENTIALS": False, "NEW_PASSWORD_NEEDED": True,
                }
            },
        )
    ]  # fmt: skip


def test_R37_a_create_that_told_no_id_looks_it_up() -> None:
    fake = Fake({"POST /v1/group": success(True), "GET /v1/group/get-id/G-7": success({"ID": "gr9"})})
    assert ask(fake, lambda client: client.create(Group(id="", name="N"), "G-7", "t")) == "gr9"
    fake.answers["GET /v1/group/get-id/G-7"] = httpx.Response(401, text="Unauthorized")
    with pytest.raises(Fault) as caught:
        ask(fake, lambda client: client.create(Group(id="", name="N"), "G-7", "t"))
    assert caught.value.committed == "unknown"


def test_R20_a_sheet_is_created_from_its_learners() -> None:
    fake = Fake({"POST /v1/course": success({"ID": "co9"})})
    at = datetime(2026, 12, 1, 8, tzinfo=UTC)
    sheet = Sheet(id="", name="N", start=at, end=at + timedelta(hours=1), learners=frozenset({"a"}))
    ask(fake, lambda client: client.create(sheet, "S", "t"))
    _route, params, body = fake.asked[0]
    assert params == {"fromStudents": "true"}
    assert body["course"]["STUDENTS"] == [{"studentId": "a"}]


def test_R33_a_refused_create_is_not_committed() -> None:
    fake = Fake({"POST /v1/professor": error("Professor already exists in this school")})
    with pytest.raises(Fault) as caught:
        ask(fake, lambda client: client.create(Speaker(id=""), "E-1", "t"))
    fault = caught.value
    assert (fault.code, fault.committed, fault.came) == (
        FaultCode.refused,
        "no",
        "Professor already exists in this school",
    )


@pytest.mark.parametrize("result", [True, {"ID": "co1"}, {"result": "ok"}, "ok"])
def test_R18_a_sheet_is_patched_with_the_roster_it_bears(result: Any) -> None:
    fake = Fake(
        {
            "GET /v1/course/co1": success({**COURSE, "NEED_STUDENTS_SIGNATURE": 0}),
            "PATCH /v1/course/": success(result),
        }
    )

    async def write(client: EdusignClient) -> None:
        seen = await client.read("sheet", "co1")
        assert seen is not None
        assert isinstance(seen.record, Sheet)
        changed = seen.record.model_copy(update={"room": "C3", "speakers": frozenset({"pr2"})})
        await client.update(changed, frozenset({"room", "speakers"}), ("S-2", "rollcall-lyon"))

    ask(fake, write)
    assert fake.asked[1:] == [
        (
            "PATCH /v1/course/",
            {"fromStudents": "true"},
            {
                "course": {
                    "ID": "co1", "NEED_STUDENTS_SIGNATURE": False, "CLASSROOM": "C3", "PROFESSOR": "pr2",
                    "PROFESSOR_2": "", "PROFESSOR_3": "", "API_ID": "S-2", "API_TYPE": "rollcall-lyon",
                    "STUDENTS": [{"studentId": s["studentId"]} for s in COURSE["STUDENTS"]],
                },
                "editSurveys": False,
            },
        )
    ]  # fmt: skip


def test_the_routes_of_archive_restore_and_withdraw() -> None:
    fake = Fake(
        {
            "DELETE /v1/student/s": success(True),
            "DELETE /v1/professor/p": success("archived"),
            "GET /v1/student/restore/s": success(True),
            "GET /v1/professor/pr1": success({**PROFESSOR, "HIDDEN": ["sc1"]}),
            "PATCH /v1/professor/": success({"result": "updated"}),
            "DELETE /v1/course/c": success(True),
        }
    )

    async def all_of_them(client: EdusignClient) -> None:
        await client.archive("learner", "s")
        await client.archive("speaker", "p")
        await client.restore("learner", "s")
        await client.restore("speaker", "pr1")
        await client.withdraw("c")
        with pytest.raises(ValueError, match="group"):
            await client.archive("group", "g")

    ask(fake, all_of_them)
    assert fake.routes == list(fake.answers)
    assert fake.asked[4][2] == {
        "professor": {
            "ID": "pr1", "FIRSTNAME": "Paul", "LASTNAME": "Roux", "EMAIL": "p@example.org", "HIDDEN": False,
        }
    }  # fmt: skip


def test_R37_a_restore_is_a_write_though_it_is_a_get() -> None:
    fake = Fake({"GET /v1/student/restore/s": httpx.Response(502)})
    with pytest.raises(Fault) as caught:
        ask(fake, lambda client: client.restore("learner", "s"))
    assert (caught.value.committed, len(fake.asked)) == ("unknown", 1)


def test_R18_the_attendance_routes() -> None:
    fake = Fake({"PUT /v1/course/attendance/c": success(""), "DELETE /v1/course/attendance/c": success(None)})

    async def both(client: EdusignClient) -> None:
        await client.add_to_sheet("c", "s")
        await client.remove_from_sheet("c", "s")

    ask(fake, both)
    assert [body for _route, _params, body in fake.asked] == [{"studentId": "s"}] * 2


def test_being_on_a_sheet_or_off_it_already_is_success() -> None:
    fake = Fake(
        {
            "PUT /v1/course/attendance/c": error("Student already in the list"),
            "DELETE /v1/course/attendance/c": error("No student with this ID found in the list"),
        }
    )
    ask(fake, lambda client: client.add_to_sheet("c", "s"))
    ask(fake, lambda client: client.remove_from_sheet("c", "s"))


@pytest.mark.parametrize("message", ["course locked", "No course with this ID found"])
def test_R18_a_locked_or_missing_sheet_refuses(message: str) -> None:
    answer = error(message)
    fake = Fake({"PUT /v1/course/attendance/c": answer, "DELETE /v1/course/attendance/c": answer})
    for write in (EdusignClient.add_to_sheet, EdusignClient.remove_from_sheet):
        with pytest.raises(Fault) as caught:
            ask(fake, lambda client, write=write: write(client, "c", "s"))  # type: ignore[misc]
        assert (caught.value.code, caught.value.record) == (FaultCode.refused, "sheet c")


def test_R44_the_school_is_read_once_a_run() -> None:
    row = {"ID": "sc1", "NAME": "CFA", "TIMEZONE": "Europe/Paris", "CONNECTOR": "ypareo"}
    fake = Fake({"GET /v1/school": success(row)})

    async def look(client: EdusignClient) -> str:
        await client.school()
        name = (await client.school()).connector
        await client.begin(SCOPE)
        await client.school()
        return name

    assert ask(fake, look) == "ypareo"
    assert len(fake.asked) == 2


def test_R24_skew_and_budget_follow_the_answers() -> None:
    late = {"Date": (START - timedelta(seconds=75)).strftime("%a, %d %b %Y %H:%M:%S GMT")}
    answer = httpx.Response(200, json={"status": "success", "result": []}, headers=late)

    async def look(client: EdusignClient) -> None:
        assert (client.skew, client.budget_left) == (None, 480)
        await client.listing("learner", SCOPE)
        assert (client.skew, client.budget_left) == (timedelta(seconds=-75), 479)
        assert client.requests == {"GET /v1/student": 1}

    ask(Fake({"GET /v1/student": answer}), look)


def test_check_says_what_holds_and_what_does_not() -> None:
    fake = Fake(
        {
            "GET /v1/school": success(
                {"ID": "sc1", "NAME": "CFA", "TIMEZONE": "Europe/Paris", "CONNECTOR": "x"}
            ),
            "GET /v1/student": [[STUDENT]],
            "GET /v1/professor": [[PROFESSOR]],
            "GET /v1/group": httpx.Response(403, text="Forbidden"),
            "GET /v1/course": [[COURSE]],
        }
    )
    findings = ask(fake, lambda client: client.check())
    assert [finding.ok for finding in findings] == [True, False, True, True, False, True, False]
    assert all(finding.advice for finding in findings[:6] if not finding.ok)


def test_a_wrong_key_stops_the_check_at_once() -> None:
    fake = Fake({"GET /v1/school": httpx.Response(401, text="Unauthorized")})
    (finding,) = ask(fake, lambda client: client.check())
    assert (finding.ok, finding.detail) == (False, "unauthorized")


def test_an_answer_without_an_envelope_is_drift() -> None:
    fake = Fake(
        {"GET /v1/school": httpx.Response(200, json=[1]), "DELETE /v1/course/c": httpx.Response(200, json={})}
    )
    with pytest.raises(Fault, match="drift"):
        ask(fake, lambda client: client.school())
    with pytest.raises(Fault) as caught:
        ask(fake, lambda client: client.withdraw("c"))
    assert caught.value.committed == "unknown"


def test_a_speakers_restore_is_off_until_somebody_vouches_for_it() -> None:
    async def on(client: EdusignClient) -> dict[str, bool]:
        return {one.name: one.on for one in client.capabilities}

    assert ask(Fake(), on)["restore speakers"] is False
    assert all(ask(Fake(), on, accept_unverified=True).values())
