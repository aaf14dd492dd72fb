"""Yparéo's objects: codes, dates, wall times, and who counts as a learner."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from connectors import wall_time
from connectors.ypareo import mapping
from engine.records import Learner, Problem, Sheet, Speaker

LEARNER: dict[str, Any] = {
    "codeApprenant": 70412,
    "nomApprenant": "MARTIN",
    "prenomApprenant": "Léa",
    "adresse": {"email": "lea@perso.example", "tel1": "", "tel2": "06 00 00 00 00"},
    "informationsCourantes": {"codeGroupe": 7, "codeInscription": 31},
    "inscriptions": [
        {"codeInscription": 30, "dateDepart": "30/06/2026", "site": {"nomSite": "Lille"}},
        {"codeInscription": 31, "dateDepart": None, "site": {"nomSite": "Évry"}},
    ],
}
SESSION: dict[str, Any] = {
    "codeSeance": 991, "nomMatiere": "Droit", "date": "12/01/2026", "heureDebut": "09:00:00",
    "heureFin": "12:00:00", "codesGroupe": [7], "codesApprenant": [70412, 70413], "codesPersonnel": [12],
    "codesSalle": ["B102"], "isDistance": 0,
}  # fmt: skip
PARIS = "Europe/Paris"


def sheet(**change: Any) -> tuple[Sheet, tuple[Problem, ...]]:
    entry = mapping.session({**SESSION, **change}, PARIS, {})
    assert isinstance(entry.record, Sheet)
    return entry.record, entry.problems


def test_a_learner() -> None:
    enrolled = mapping.learner(LEARNER, None, True)
    assert enrolled.entry.record == Learner(
        id="70412", last_name="MARTIN", first_name="Léa", email="lea@perso.example", phone="06 00 00 00 00"
    )
    assert (enrolled.group, enrolled.site, enrolled.entry.ended) == ("7", "evry", False)
    assert enrolled.entry.where == "Yparéo › Apprenant 70412 › Adresse › E-mail"


@pytest.mark.parametrize(
    "change",
    [
        {"inscriptions": [{"codeInscription": 31, "dateDepart": "01/11/2026", "site": None}]},
        {"inscriptions": [{"codeInscription": 30, "dateDepart": None, "site": None}]},
        {"inscriptions": []},
        {"informationsCourantes": None},
        {"informationsCourantes": []},
        {"informationsCourantes": {"codeGroupe": None, "codeInscription": None}},
    ],
)
def test_R13_a_learner_without_a_current_enrolment_has_left(change: dict[str, Any]) -> None:
    assert mapping.learner({**LEARNER, **change}, None, True).entry.ended


@pytest.mark.parametrize(
    ("portal", "personal", "email", "where"),
    [
        (None, True, "lea@perso.example", "Adresse"),
        ({"70412": "lea@cfa.example"}, False, "lea@cfa.example", "portail"),
        ({}, False, "", "portail"),
        ({"70412": "lea@cfa.example"}, True, "lea@cfa.example", "portail"),
        ({}, True, "lea@perso.example", "Adresse"),
    ],
)
def test_two_e_mails(portal: dict[str, str] | None, personal: bool, email: str, where: str) -> None:
    entry = mapping.learner(LEARNER, portal, personal).entry
    assert entry.record.value("email") == email
    assert where in entry.where


def test_a_learner_without_an_address_has_no_e_mail_but_one_without_the_field_is_drift() -> None:
    assert mapping.learner({**LEARNER, "adresse": []}, None, True).entry.record.value("email") == ""
    for row in (
        {**LEARNER, "adresse": {"tel1": "", "tel2": ""}},
        {name: value for name, value in LEARNER.items() if name != "adresse"},
        {name: value for name, value in LEARNER.items() if name != "informationsCourantes"},
    ):
        with pytest.raises(mapping.Drift):
            mapping.learner(row, None, True)


@pytest.mark.parametrize(("teaches", "kept"), [(1, True), (True, True), ("1", True), (0, False), (None, False)])
def test_speakers_are_the_staff_who_teach(teaches: object, kept: bool) -> None:
    row = {"codePersonnel": 12, "nom": "Roux", "prenom": "Paul", "email": None, "isFormateur": teaches}
    entry = mapping.speaker(row)
    assert (entry is not None) == kept
    assert entry is None or entry.record == Speaker(id="12", last_name="Roux", first_name="Paul")


def test_a_session() -> None:
    record, problems = sheet()
    assert record == Sheet(
        id="991",
        name="Droit",
        start=datetime(2026, 1, 12, 8, tzinfo=UTC),
        end=datetime(2026, 1, 12, 11, tzinfo=UTC),
        room="B102",
        groups=frozenset({"7"}),
        speakers=frozenset({"12"}),
        learners=frozenset({"70412", "70413"}),
    )
    assert not problems


def test_rooms_are_codes_unless_named() -> None:
    entry = mapping.session({**SESSION, "codesSalle": [3, 4]}, PARIS, {"4": "Amphi"})
    assert entry.record.value("room") == "3, Amphi"


def test_lists_may_be_objects_null_or_empty() -> None:
    record, _problems = sheet(codesApprenant={"0": 1, "1": "2"}, codesSalle=[], codesPersonnel=None)
    assert (record.learners, record.room, record.speakers) == (frozenset({"1", "2"}), "", frozenset())


@pytest.mark.parametrize("end", ["", None, "midi"])
def test_a_session_without_an_end(end: str | None) -> None:
    record, problems = sheet(heureFin=end)
    assert record.end is None
    assert problems == (Problem(code="no_end_time", field="end", evidence=end or "", row=True),)


def test_a_session_without_a_start_or_of_no_date() -> None:
    for change in ({"heureDebut": ""}, {"date": "2026-01-12"}):
        record, (problem,) = sheet(**change)
        assert (record.start, record.end, problem.code, problem.row) == (None, None, "no_start_time", True)


def test_a_session_past_midnight_and_one_that_ends_before_it_begins() -> None:
    record, problems = sheet(heureDebut="22:00:00", heureFin="00:30:00")
    assert (record.end, problems) == (datetime(2026, 1, 12, 23, 30, tzinfo=UTC), ())
    record, (problem,) = sheet(heureDebut="12:00:00", heureFin="09:00:00")
    assert (record.end, problem.code, problem.row) == (None, "ends_before_start", True)
    assert sheet(heureDebut="09:00:00", heureFin="09:00:00")[1][0].code == "ends_before_start"


def test_R22_a_time_that_does_not_exist_is_rejected() -> None:
    record, (problem,) = sheet(date="28/03/2027", heureDebut="02:30:00", heureFin="04:00:00")
    assert (record.start, record.end) == (None, datetime(2027, 3, 28, 2, tzinfo=UTC))
    assert (problem.code, problem.field, problem.row) == ("time_does_not_exist", "start", True)
    assert problem.evidence == "28/03/2027 02:30:00 Europe/Paris"


def test_R22_an_ambiguous_time_is_the_first_with_a_warning() -> None:
    record, problems = sheet(date="25/10/2026", heureDebut="02:15:00", heureFin="02:45:00")
    assert record.start == datetime(2026, 10, 25, 0, 15, tzinfo=UTC)
    assert record.end == datetime(2026, 10, 25, 0, 45, tzinfo=UTC)
    assert [(problem.code, problem.field, problem.row) for problem in problems] == [
        ("time_ambiguous", "start", False),
        ("time_ambiguous", "end", False),
    ]


def test_R22_a_session_over_the_change_of_clocks_lasts_as_long_as_it_lasts() -> None:
    record, problems = sheet(date="25/10/2026", heureDebut="01:00:00", heureFin="04:00:00")
    assert record.start is not None
    assert record.end is not None
    assert (record.end - record.start).total_seconds() == 4 * 3600
    assert not problems


def test_R22_zones_differ() -> None:
    assert wall_time.instant(date(2026, 7, 1), time(8), "Indian/Reunion")[0] == datetime(
        2026, 7, 1, 4, tzinfo=UTC
    )


def test_a_session_of_two_groups_is_one() -> None:
    one = mapping.session({**SESSION, "codesApprenant": [1]}, PARIS, {})
    other = mapping.session({**SESSION, "codesApprenant": [2], "codesGroupe": [8]}, PARIS, {})
    united = mapping.united(one, other)
    assert united.record.value("learners") == frozenset({"1", "2"})
    assert united.record.value("groups") == frozenset({"7", "8"})
    assert not united.problems


def test_two_groups_that_disagree_on_a_session_reject_it() -> None:
    other = mapping.session({**SESSION, "heureFin": "13:00:00"}, PARIS, {})
    united = mapping.united(mapping.session(SESSION, PARIS, {}), other)
    assert [(problem.code, problem.field, problem.row) for problem in united.problems] == [
        ("contradictory", "end", True)
    ]


@pytest.mark.parametrize("body", [[], {}])
def test_an_empty_set_is_either_way_empty(body: Any) -> None:
    assert mapping.rows(body) == []


@pytest.mark.parametrize("body", [{"message": "erreur"}, "non", None, [1]])
def test_anything_else_is_drift(body: Any) -> None:
    with pytest.raises(mapping.Drift):
        mapping.rows(body)
    with pytest.raises(mapping.Drift):
        mapping.sessions_of(body)


def test_dates_have_two_spellings() -> None:
    assert mapping.date_of("24/11/2026") == date(2026, 11, 24)
    assert mapping.path_date(date(2026, 11, 4)) == "04-11-2026"
    with pytest.raises(ValueError):
        mapping.date_of("2026-11-24")
