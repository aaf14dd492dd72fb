"""Edusign's rows: spellings, shapes, and what must never be read as "cleared"."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from connectors.edusign import mapping
from engine.records import Group, Kind, Learner, Sheet, Speaker

STUDENT: dict[str, Any] = {
    "ID": "st2b5n7xk4wq83he", "id": "st2b5n7xk4wq83he", "EMAIL": "lea.martin@example.org",
    "FIRSTNAME": "Léa", "LASTNAME": "Martin", "PHONE": "", "HIDDEN": 0, "API_ID": "70412", "API_TYPE": "ypareo",
    "SCHOOL_ID": "sc1", "TAGS": [],
}  # fmt: skip
PROFESSOR: dict[str, Any] = {
    "ID": "pr1", "FIRSTNAME": "Paul", "LASTNAME": "Roux", "EMAIL": "p@example.org", "PHONE": None,
    "API_ID": "", "API_TYPE": "", "SCHOOL_ID": ["sc1"], "HIDDEN": [],
}  # fmt: skip
GROUP: dict[str, Any] = {
    "ID": "gr1", "NAME": "BTS 1A", "STUDENTS": ["st1", "st2"], "HIDDEN": 0, "API_ID": "G-7", "API_TYPE": "x",
}  # fmt: skip
COURSE: dict[str, Any] = {
    "ID": "co1", "NAME": "Droit", "START": "2026-01-12T08:00:00.000Z", "END": "2026-01-12T11:00:00.000Z",
    "PROFESSOR": "pr1", "PROFESSOR_2": "pr2", "PROFESSOR_3": "", "PROFESSOR_SIGNATURE": "",
    "PROFESSOR_SIGNATURE_2": None, "CLASSROOM": "B102", "SCHOOL_GROUP": ["gr1"], "LOCKED": 0,
    "STUDENTS": [{"studentId": "st1", "state": False, "signature": ""}], "API_ID": "S-991", "API_TYPE": "x",
}  # fmt: skip


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def test_a_student_as_typed() -> None:
    seen = mapping.seen("learner", STUDENT)
    assert seen.record == Learner(
        id="st2b5n7xk4wq83he", last_name="Martin", first_name="Léa", email="lea.martin@example.org"
    )
    assert (seen.api_id, seen.api_type, seen.archived) == ("70412", "ypareo", False)


def test_both_spellings_of_the_id_and_camel_case_are_understood() -> None:
    row = {**without(STUDENT, "ID", "API_TYPE"), "apiType": "ypareo"}
    assert mapping.seen("learner", row) == mapping.seen("learner", STUDENT)


@pytest.mark.parametrize("value", [1, True, "1", "true"])
def test_every_spelling_of_true_archives(value: object) -> None:
    assert mapping.seen("learner", {**STUDENT, "HIDDEN": value}).archived


@pytest.mark.parametrize("value", [0, False, "0", "false", "", None])
def test_every_spelling_of_false_does_not(value: object) -> None:
    assert not mapping.seen("learner", {**STUDENT, "HIDDEN": value}).archived


def test_numbers_and_nulls_where_text_is_due() -> None:
    seen = mapping.seen("learner", {**STUDENT, "API_ID": 70412, "PHONE": None, "EMAIL": ""})
    assert (seen.api_id, seen.record.value("phone"), seen.record.value("email")) == ("70412", "", "")


@pytest.mark.parametrize(
    ("kind", "row", "name"),
    [
        ("learner", STUDENT, n)
        for n in ("FIRSTNAME", "LASTNAME", "EMAIL", "PHONE", "API_ID", "API_TYPE", "HIDDEN")
    ]
    + [("speaker", PROFESSOR, n) for n in ("EMAIL", "SCHOOL_ID", "HIDDEN")]
    + [("group", GROUP, n) for n in ("NAME", "STUDENTS", "API_ID")]
    + [
        ("sheet", COURSE, n)
        for n in ("NAME", "START", "END", "CLASSROOM", "SCHOOL_GROUP", "STUDENTS", "LOCKED")
    ],
)
def test_a_missing_mapped_field_is_drift(kind: Kind, row: dict[str, Any], name: str) -> None:
    with pytest.raises(mapping.Drift, match=name):
        mapping.seen(kind, without(row, name))


@pytest.mark.parametrize(
    ("hidden", "archived"),
    [([], False), (0, False), (1, True), (["sc1"], True), ([0], False), (["sc2"], False), (["pr1"], True)],
)
def test_R11_hidden_of_a_professor_of_several_schools(hidden: object, archived: bool) -> None:
    row = {**PROFESSOR, "SCHOOL_ID": ["sc1", "sc2"], "HIDDEN": hidden}
    seen = mapping.seen("speaker", row, "sc1")
    assert (seen.archived, seen.shared) == (archived, True)


def test_an_archive_of_an_unknown_school_counts_while_ours_is_unknown() -> None:
    assert mapping.seen("speaker", {**PROFESSOR, "HIDDEN": ["sc2"]}).archived
    assert not mapping.seen("speaker", PROFESSOR).shared


def test_a_sheet() -> None:
    seen = mapping.seen("sheet", COURSE)
    assert seen.record == Sheet(
        id="co1",
        name="Droit",
        start=datetime(2026, 1, 12, 8, tzinfo=UTC),
        end=datetime(2026, 1, 12, 11, tzinfo=UTC),
        room="B102",
        groups=frozenset({"gr1"}),
        speakers=frozenset({"pr1", "pr2"}),
        learners=frozenset({"st1"}),
    )
    assert not seen.signed
    assert not seen.locked


@pytest.mark.parametrize(
    ("change", "speakers", "learners"),
    [
        ({"PROFESSOR_SIGNATURE_2": "https://x/s.png"}, {"pr2"}, set()),
        ({"PROFESSOR_SIGNATURE": "https://x/s.png"}, {"pr1"}, set()),
        ({"PROFESSOR_SIGNATURE_3": "https://x/s.png"}, {"PROFESSOR_SIGNATURE_3"}, set()),
        ({"PROFESSORS_PRESENCES": [{"professorId": "pr1", "signature": "s"}]}, {"pr1"}, set()),
        ({"STUDENTS": [{"studentId": "st1", "state": 1, "signature": None}]}, set(), {"st1"}),
        ({"STUDENTS": [{"studentId": "st1", "signature": "https://x/s.png"}]}, set(), {"st1"}),
        ({"STUDENTS": [{"studentId": "st1", "state": None}]}, set(), set()),
        ({"STUDENTS": ["st1"]}, set(), set()),
    ],
)
def test_R18_every_sign_of_a_signature_is_seen(
    change: dict[str, Any], speakers: set[str], learners: set[str]
) -> None:
    seen = mapping.seen("sheet", {**COURSE, **change})
    assert (set(seen.signed_speakers), set(seen.signed_learners)) == (speakers, learners)


def test_R18_a_sheet_that_says_nothing_of_signatures_is_drift() -> None:
    with pytest.raises(mapping.Drift, match="PROFESSOR_SIGNATURE"):
        mapping.seen("sheet", without(COURSE, "PROFESSOR_SIGNATURE", "PROFESSOR_SIGNATURE_2"))
    with pytest.raises(mapping.Drift, match="signature"):
        mapping.seen("sheet", {**COURSE, "STUDENTS": [{"studentId": "st1"}]})


def test_times_without_a_zone_are_utc_and_a_bare_group_is_a_list() -> None:
    record = mapping.seen(
        "sheet", {**COURSE, "START": "2026-01-12 08:00:00", "SCHOOL_GROUP": "gr1", "END": None}
    ).record
    assert isinstance(record, Sheet)
    assert record.start == datetime(2026, 1, 12, 8, tzinfo=UTC)
    assert (record.end, record.groups) == (None, frozenset({"gr1"}))
    with pytest.raises(mapping.Drift, match="START"):
        mapping.seen("sheet", {**COURSE, "START": "demain"})


@pytest.mark.parametrize(
    ("result", "id"),
    [
        ({"ID": "a"}, "a"), ({"id": "a"}, "a"), ("a", "a"), ({"result": "a"}, "a"),
        ({"result": {"ID": 1}}, "1"),
        ({"ID": 7}, "7"), (True, ""), (None, ""), ({}, ""), ([], ""), ({"result": True}, ""),
    ],
)  # fmt: skip
def test_where_an_id_may_be(result: object, id: str) -> None:
    assert mapping.granted_id(result) == id


def test_unknown_fields_are_named() -> None:
    assert mapping.unfamiliar("learner", {**STUDENT, "SHOE_SIZE": 42}) == {"SHOE_SIZE"}
    assert not mapping.unfamiliar("sheet", {**COURSE, "PROFESSOR_EMAIL_HISTORY_2": "", "PROFESSOR_9": ""})


def test_R33_creates_mail_nobody() -> None:
    student = mapping.created(Learner(id="", last_name="O'Neil ", first_name="Zoë", email="Z@x.fr"), "1", "t")
    assert student["student"]["SEND_EMAIL_CREDENTIALS"] is False
    assert student["student"]["LASTNAME"] == "O'Neil "
    professor = mapping.created(Speaker(id="", email="p@x.fr"), "E-1", "t")
    assert professor["dontSendCredentials"] is True
    assert "dontSendCredentials" not in professor["professor"]


def test_R20_a_sheet_is_created_with_its_own_roster() -> None:
    paris = timezone(timedelta(hours=1))
    sheet = Sheet(
        id="",
        name="Droit",
        start=datetime(2026, 1, 12, 9, tzinfo=paris),
        end=datetime(2026, 1, 12, 11, 0, 0, 500000, tzinfo=UTC),
        room="B1",
        groups=frozenset({"g1"}),
        speakers=frozenset({"p2", "p1", "p3"}),
        learners=frozenset({"b", "a"}),
    )
    assert mapping.created(sheet, "S-1", "rollcall-x") == {
        "course": {
            "NAME": "Droit",
            "START": "2026-01-12T08:00:00.000Z",
            "END": "2026-01-12T11:00:00.500Z",
            "PROFESSOR": "p1",
            "PROFESSOR_2": "p2",
            "PROFESSOR_3": "p3",
            "CLASSROOM": "B1",
            "SCHOOL_GROUP": ["g1"],
            "STUDENTS": [{"studentId": "a"}, {"studentId": "b"}],
            "NEED_STUDENTS_SIGNATURE": True,
            "API_ID": "S-1",
            "API_TYPE": "rollcall-x",
        }
    }


def test_an_update_says_what_changed_and_what_is_required() -> None:
    learner = Learner(id="s", last_name="A", first_name="B", email="a@x.fr", phone="1")
    assert mapping.updated(learner, frozenset({"phone"}), None) == {
        "student": {"ID": "s", "FIRSTNAME": "B", "LASTNAME": "A", "PHONE": "1"}
    }
    speaker = Speaker(id="p", last_name="A", first_name="B", email="a@x.fr")
    assert mapping.updated(speaker, frozenset({"last_name"}), ("E", "t")) == {
        "professor": {
            "ID": "p", "FIRSTNAME": "B", "LASTNAME": "A", "EMAIL": "a@x.fr", "API_ID": "E", "API_TYPE": "t",
        }
    }  # fmt: skip


def test_members_of_a_group_are_sent_only_when_they_change() -> None:
    group = Group(id="g", name="N", members=frozenset({"b", "a"}))
    assert mapping.updated(group, frozenset({"name"}), None) == {"group": {"ID": "g", "NAME": "N"}}
    assert mapping.updated(group, frozenset({"members"}), None)["group"]["STUDENTS"] == ["a", "b"]


@pytest.mark.parametrize(
    ("slots", "wanted", "sent"),
    [
        ((), {"a"}, ["a"]),
        (("b", "a"), {"a", "b"}, ["b", "a"]),
        (("b", "a"), {"a"}, ["a", ""]),
        (("b", "a"), {"b"}, ["b", ""]),
        (("b",), {"b", "a"}, ["b", "a"]),
        (("b", "", "c"), {"b", "d", "c"}, ["b", "d", "c"]),
    ],
)
def test_professors_keep_their_slots_and_free_ones_are_emptied(
    slots: tuple[str, ...], wanted: set[str], sent: list[str]
) -> None:
    sheet = Sheet(id="c", speakers=frozenset(wanted), learners=frozenset({"x"}))
    body = mapping.updated(sheet, frozenset({"speakers", "room"}), None, slots=slots, need_signature=False)
    assert body == {
        "course": {
            "ID": "c", "NEED_STUDENTS_SIGNATURE": False, "CLASSROOM": "", **mapping.speaker_slots(sent),
            "STUDENTS": [{"studentId": "x"}],
        },
        "editSurveys": False,
    }  # fmt: skip


def test_the_school_in_either_casing() -> None:
    row = {"ID": "sc1", "NAME": "CFA", "TIMEZONE": "Europe/Paris", "CONNECTOR": "ypareo"}
    assert mapping.school(row) == mapping.school({name.lower(): value for name, value in row.items()})
    assert mapping.school({"id": "sc1", "NAME": "CFA", "CONNECTOR": None}).connector == ""
