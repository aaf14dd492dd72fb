"""How people stood, as Edusign's rows say it: states, justifications, reasons, and how they are read."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from connectors.edusign import mapping
from engine.attendance import Attendance, RollCalls
from engine.ports import Scope
from tests.unit.test_edusign_client import Fake, ask, error
from tests.unit.test_mapping_edusign import COURSE

SCOPE = Scope(first=date(2026, 1, 5), last=date(2026, 1, 12), zone="Europe/Paris")
STATE: dict[str, Any] = {
    "_id": 918273, "studentId": "st1", "state": False, "signature": None, "absenceId": None, "excluded": None,
    "earlyDeparture": None, "delay": 0, "comment": "",
}  # fmt: skip
JUSTIFIED: dict[str, Any] = {
    "ID": "j1", "STUDENT_ID": "st1", "TYPE": 4, "COMMENT": "", "FILE_URL": "",
    "START": "2026-01-12T06:00:00.000Z", "END": "2026-01-12T20:00:00.000Z",
    "DATE_CREATION": "2026-01-12T20:00:00.000Z", "REQUEST_DATE": None,
}  # fmt: skip


def sheet(*states: dict[str, Any], locked: int = 1, **more: Any) -> dict[str, Any]:
    return {
        **COURSE, "ID": "co1", "START": "2026-01-12T08:00:00.000Z", "END": "2026-01-12T11:00:00.000Z",
        "LOCKED": locked, "STUDENTS": [{**STATE, **state} for state in states], **more,
    }  # fmt: skip


def stood(row: dict[str, Any], *justified: dict[str, Any]) -> list[Attendance]:
    """How the learners stood."""
    accepted: dict[str, list[mapping.Justified]] = {}
    for one in justified:
        found = mapping.justified({**JUSTIFIED, **one})
        if found is not None:
            accepted.setdefault(found.learner, []).append(found)
    call = mapping.roll_call(row, mapping.seen("sheet", row), accepted)
    return [one for one in call.attendances if one.kind == "learner"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"state": True}, {"state": "present"}),
        ({"state": 1, "delay": 12}, {"state": "present", "late": 12}),
        ({"state": True, "delay": "7"}, {"state": "present", "late": 7}),
        ({"state": False, "signature": "https://x"}, {"state": "present"}),
        (
            {"state": True, "earlyDeparture": "2026-01-12T10:29:30.000Z"},
            {"state": "present", "left_early": 31},
        ),
        ({"state": True, "excluded": "2026-01-12T09:00:00.000Z"}, {"state": "excluded"}),
        ({"state": False}, {"state": "absent"}),
        ({"state": False, "signatureEmail": {"nbSent": 1}}, {"state": "absent"}),
        ({"state": False, "comment": "sick"}, {"state": "absent", "comment": "sick"}),
    ],
)
def test_a_state_on_a_locked_sheet(state: dict[str, Any], expected: dict[str, Any]) -> None:
    assert stood(sheet(state)) == [Attendance(sheet="co1", person="st1", **expected)]


def test_on_an_open_sheet_nobody_is_absent_yet() -> None:
    assert [one.state for one in stood(sheet({}, {"studentId": "st2", "state": True}, locked=0))] == [
        "awaiting",
        "present",
    ]


@pytest.mark.parametrize(
    ("given", "absence_id", "justified"),
    [
        ({}, None, True),
        ({"STATUS": "accepted"}, None, True),
        ({"STATUS": 1}, None, True),
        ({"STATUS": "pending"}, "j1", False),
        ({"STATUS": 0}, "j1", False),
        ({"STATUS": "refused"}, "j1", False),
        ({"STUDENT_ID": "st2"}, None, False),
        ({"START": "2026-01-12T09:00:00.000Z"}, None, False),  # the first hour is not covered
        ({"START": "2026-01-12T09:00:00.000Z"}, "j1", True),  # unless the state names it
        ({"START": "", "END": ""}, "j1", True),
    ],
)
def test_justified_is_what_the_list_of_justified_absences_says(
    given: dict[str, Any], absence_id: str | None, justified: bool
) -> None:
    (one,) = stood(sheet({"absenceId": absence_id}), given)
    assert (one.state, one.justified, one.reason) == ("absent", justified, "4" if justified else "")


def test_an_absence_id_alone_justifies_nothing() -> None:
    (one,) = stood(sheet({"absenceId": "some"}))
    assert not one.justified


def test_speakers_stand_by_their_signatures() -> None:
    row = sheet({}, PROFESSOR="p1", PROFESSOR_2="p2", PROFESSOR_SIGNATURE="https://x", PROFESSOR_SIGNATURE_2="")
    call = mapping.roll_call(row, mapping.seen("sheet", row), {})
    assert {one.person: one.state for one in call.attendances if one.kind == "speaker"} == {
        "p1": "present",
        "p2": "absent",
    }


@pytest.mark.parametrize("broken", [{"delay": "soon"}, {"earlyDeparture": "noon"}, {"state": "perhaps"}])
def test_what_cannot_be_read_is_drift(broken: dict[str, Any]) -> None:
    with pytest.raises(mapping.Drift):
        stood(sheet({"state": True, **broken}))


# Reading


def answers(*pages: Any, justified: Any = ()) -> Fake:
    return Fake(
        {
            "GET /v1/school": lambda _request: _ok({"ID": "sc1", "NAME": "École", "CONNECTOR": ""}),
            "GET /v1/course": list(pages),
            "GET /v1/justified-absence": list(justified),
            "GET /v1/justified-absence/absence-reason": lambda _request: _ok([{"ID": 9, "NAME": "Permis"}]),
        }
    )


def _ok(result: Any) -> Any:
    from tests.unit.test_edusign_client import success

    return success(result)


def read(fake: Fake) -> RollCalls:
    return ask(fake, lambda client: client.roll_calls(SCOPE))


def test_one_listing_and_the_justifications_are_all_that_is_asked() -> None:
    fake = answers([sheet({})], justified=[[JUSTIFIED]])
    calls = read(fake)
    assert calls.complete and [one.attendances[0].justified for one in calls.sheets] == [True]
    assert fake.routes == [
        "GET /v1/school",
        *["GET /v1/course"] * 2,
        *["GET /v1/justified-absence"] * 2,
    ]


def test_without_a_locked_sheet_justifications_are_not_asked_for() -> None:
    fake = answers([sheet({}, locked=0)])
    assert read(fake).complete and "GET /v1/justified-absence" not in fake.routes


def test_justifications_are_read_to_the_empty_page_or_to_a_server_that_knows_no_pages() -> None:
    other = {**JUSTIFIED, "ID": "j2", "STUDENT_ID": "st2"}
    two = sheet({}, {"studentId": "st2"})
    paged = read(answers([two], justified=[[JUSTIFIED], [other]]))
    assert [one.justified for one in paged.sheets[0].attendances[:2]] == [True, True]
    unpaged = read(answers([two], justified=[[JUSTIFIED, other]] * 5))
    assert unpaged.complete


@pytest.mark.parametrize(
    "justified",
    [[[JUSTIFIED], [JUSTIFIED, {**JUSTIFIED, "ID": "j2"}]], [error("internal error")], [[{"NAME": "?"}]]],
    ids=["repeated", "refused", "drift"],
)
def test_R13_without_the_justifications_nothing_is_known(justified: Any) -> None:
    calls = read(answers([sheet({})], justified=justified))
    assert (calls.complete, calls.sheets) == (False, ()) and calls.fault_line


def test_reasons_are_the_built_in_ones_and_the_schools() -> None:
    reasons = ask(answers(), lambda client: client.absence_reasons())
    assert [one.id for one in reasons] == [str(n) for n in range(8)] + ["9"]
    assert reasons[-1].name == "Permis"
