"""SC-Form's rows: references, loose types, two e-mails, whose turn a session is, and absences in minutes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from connectors.scform import mapping
from connectors.scform.answers import Drift, clock, day, needed, resolved, rows, truth
from engine.attendance import Attendance, Reason
from engine.records import Learner, Sheet, Speaker

PARIS = "Europe/Paris"
PERSON: dict[str, Any] = {
    "id": 3001, "reference": "SMZ03001", "nom": "MARTIN", "prenom": "Léa", "email_perso": "lea@perso.example",
    "email_pro": "lea@pro.example", "mobile_perso": None, "telephone_pro": "01 00 00 00 00",
}  # fmt: skip
ENROLMENT: dict[str, Any] = {
    "id": 20001, "stagiaire": PERSON, "idaction": 711, "date_entree": "2026-09-01T00:00:00",
    "date_sortie": None, "idparcours_groupe": 5711, "libelle_parcours_groupe": "BTS 1A",
}  # fmt: skip
TURN: dict[str, Any] = {
    "debut": "09:00:00", "fin": "12:00:00", "type_seance": 1, "debut_absence": None, "fin_absence": None,
    "idtypabsen": None, "inscrit": {"id": "20001", "stagiaire": {"id": 3001}},
}  # fmt: skip
SESSION: dict[str, Any] = {
    "id": "S67320", "date": "2026-11-26T00:00:00", "debut": "09:00:00", "fin": "12:00:00", "idaction": 711,
    "libelle": "Droit", "salles": [{"libelle": "B102"}], "intervenants": [{"id": "41"}],
    "seances_persos": [TURN],
}  # fmt: skip
REASONS = {"1": Reason(id="1", name="Absence"), "3": Reason(id="3", name="Retard", late=True)}
HOMES = mapping.Homes.of({"711": frozenset({"3001"}), "712": frozenset({"3002", "3003"})})


def meeting(**change: Any) -> mapping.Meeting:
    return mapping.meeting({**SESSION, **change}, PARIS, (1,), {}, HOMES)


def sheet(**change: Any) -> Sheet:
    record = meeting(**change).entry.record
    assert isinstance(record, Sheet)
    return record


# Answers


def test_references_are_followed_and_keys_are_of_no_case() -> None:
    body = [
        {"$id": "1", "Stagiaire": {"$id": "2", "ID": 7}},
        {"$id": "3", "stagiaire": {"$ref": "2"}},
        {"$id": "4", "$values": []},
    ]
    assert resolved(body) == [{"stagiaire": {"id": 7}}, {"stagiaire": {"id": 7}}, []]


def test_an_object_may_contain_itself() -> None:
    (one,) = resolved([{"$id": "1", "Parent": {"$id": "2", "Enfant": {"$ref": "1"}}}])
    assert one["parent"]["enfant"] is one


@pytest.mark.parametrize("body", [[{"$ref": "9"}], [[[{"a": 1}] * 1] * 1]])
def test_a_reference_to_nothing_is_drift(body: Any) -> None:
    if body == [{"$ref": "9"}]:
        with pytest.raises(Drift):
            resolved(body)
    else:
        with pytest.raises(Drift):
            rows(resolved(body))


def test_nesting_beyond_sense_is_drift() -> None:
    deep: Any = {}
    for _ in range(200):
        deep = {"a": deep}
    with pytest.raises(Drift):
        resolved(deep)


@pytest.mark.parametrize("given", [[], None, ""])
def test_nothing_is_no_rows(given: Any) -> None:
    assert rows(given) == []


def test_a_field_that_no_row_has_is_drift_one_row_may_lack_it() -> None:
    needed([{"id": 1, "nom": "A"}, {"id": 2}], "id", "nom")
    needed([], "id")
    with pytest.raises(Drift, match="email_perso"):
        needed([{"id": 1}], "id", "email_perso")


@pytest.mark.parametrize("given", ["2026-04-06T00:00:00", "2026-04-06", "06/04/2026", "06/04/2026 00:00"])
def test_dates(given: str) -> None:
    assert day(given) == date(2026, 4, 6)


@pytest.mark.parametrize("given", ["08:30", "08:30:00", "1900-01-01T08:30:00", "08:30:00.000"])
def test_times(given: str) -> None:
    assert clock(given) == time(8, 30)


@pytest.mark.parametrize(
    ("given", "meant"), [("Oui", True), ("Non", False), (True, True), (0, False), (-1, True), (None, False)]
)
def test_booleans_however_written(given: object, meant: bool) -> None:
    assert truth({"a": given}, "a") is meant


# People


def test_a_speaker() -> None:
    entry = mapping.speaker(PERSON, "professional_first")
    assert entry.record == Speaker(
        id="3001", last_name="MARTIN", first_name="Léa", email="lea@pro.example", phone="01 00 00 00 00"
    )


@pytest.mark.parametrize(
    ("mailbox", "email"),
    [
        ("personal", "lea@perso.example"),
        ("professional", "lea@pro.example"),
        ("personal_first", "lea@perso.example"),
        ("professional_first", "lea@pro.example"),
    ],
)
def test_two_mailboxes(mailbox: Any, email: str) -> None:
    assert mapping.email(PERSON, mailbox) == email
    bare = {**PERSON, "email_perso": ""}
    assert mapping.email(bare, "personal_first") == "lea@pro.example"
    assert mapping.email(bare, "personal") == ""


def test_a_learner_is_one_person_however_many_enrolments() -> None:
    other = {**ENROLMENT, "id": 9, "idaction": 712, "date_sortie": "2026-10-01T00:00:00"}
    made = [mapping.enrolment(row, "action") for row in (ENROLMENT, other)]
    (entry,) = mapping.learners(made, "personal", date(2026, 11, 26))
    assert entry.record == Learner(
        id="3001", last_name="MARTIN", first_name="Léa", email="lea@perso.example", phone="01 00 00 00 00"
    )
    assert not entry.ended
    assert mapping.members(made, date(2026, 11, 26)) == {"711": frozenset({"3001"})}


@pytest.mark.parametrize(("last", "ended"), [("2026-11-25", True), ("2026-11-26", False), (None, False)])
def test_R13_somebody_left_when_every_enrolment_is_over(last: str | None, ended: bool) -> None:
    made = [mapping.enrolment({**ENROLMENT, "date_sortie": last}, "action")]
    (entry,) = mapping.learners(made, "personal", date(2026, 11, 26))
    assert entry.ended is ended


def test_a_date_of_another_shape_is_drift() -> None:
    with pytest.raises(Drift, match="date_sortie"):
        mapping.enrolment({**ENROLMENT, "date_sortie": "bientôt"}, "action")


def test_groups_may_be_those_of_the_parcours() -> None:
    assert mapping.enrolment(ENROLMENT, "parcours_group").group == "5711"


# Sessions


def test_a_session() -> None:
    assert sheet() == Sheet(
        id="S67320",
        name="Droit",
        start=datetime(2026, 11, 26, 8, tzinfo=UTC),
        end=datetime(2026, 11, 26, 11, tzinfo=UTC),
        room="B102",
        groups=frozenset({"711"}),
        speakers=frozenset({"41"}),
        learners=frozenset({"3001"}),
    )


def test_membership_does_not_come_from_the_sessions_action() -> None:
    """A tronc commun: its own action is nobody's; the groups are those whose people are there."""
    guests = [{**TURN, "inscrit": {"id": n, "stagiaire": {"id": n}}} for n in (3001, 3002)]
    assert sheet(idaction=90001, seances_persos=guests).groups == {"711", "712"}
    assert sheet(idaction=711, seances_persos=[]).groups == {"711"}
    assert sheet(idaction=90001, seances_persos=[]).groups == frozenset()


def test_a_guest_does_not_bring_their_group() -> None:
    many = {"711": frozenset({"3001"}), "712": frozenset({"3002", "3003", "3004"})}
    guests = [{**TURN, "inscrit": {"id": n, "stagiaire": {"id": n}}} for n in (3001, 3002)]
    made = mapping.meeting({**SESSION, "seances_persos": guests}, PARIS, (1,), {}, mapping.Homes.of(many))
    assert made.entry.record.value("groups") == {"711"}


def test_turns_in_the_company_are_left_off() -> None:
    company = {**TURN, "type_seance": 3}
    assert mapping.skipped(meeting(seances_persos=[company]))
    assert not mapping.skipped(meeting(seances_persos=[]))
    other = {**company, "inscrit": {"id": 5, "stagiaire": {"id": 5}}}
    assert sheet(seances_persos=[TURN, other]).learners == {"3001"}


def test_a_trainee_is_known_by_the_enrolment_where_the_session_names_nobody() -> None:
    made = mapping.enrolment(ENROLMENT, "action")
    bare = {**SESSION, "seances_persos": [{**TURN, "inscrit": {"id": 20001}}]}
    assert mapping.meeting(bare, PARIS, (1,), {"20001": made}, HOMES).entry.record.value("learners") == {"3001"}
    with pytest.raises(Drift):
        mapping.meeting(bare, PARIS, (1,), {}, HOMES)


@pytest.mark.parametrize(
    ("change", "code"),
    [({"fin": None}, "no_end_time"), ({"debut": ""}, "no_start_time"), ({"date": "x"}, "no_start_time")],
)
def test_times_that_are_not_there_are_problems(change: dict[str, Any], code: str) -> None:
    assert [p.code for p in meeting(**change).entry.problems] == [code]


@pytest.mark.parametrize(
    ("night", "starts", "ends"),
    [
        # 21:00 to 06:00: ten hours when the clock goes back, eight when it goes forward.
        ("2026-10-24", datetime(2026, 10, 24, 19, tzinfo=UTC), datetime(2026, 10, 25, 5, tzinfo=UTC)),
        ("2027-03-27", datetime(2027, 3, 27, 20, tzinfo=UTC), datetime(2027, 3, 28, 4, tzinfo=UTC)),
    ],
)
def test_R22_a_night_session_over_both_changes_of_the_clock(
    night: str, starts: datetime, ends: datetime
) -> None:
    made = meeting(
        date=f"{night}T00:00:00", debut="21:00:00", fin="06:00:00",
        seances_persos=[{**TURN, "debut": "21:00:00", "fin": "06:00:00"}],
    )  # fmt: skip
    record = made.entry.record
    assert isinstance(record, Sheet) and (record.start, record.end) == (starts, ends)
    (turn,) = made.turns
    late = Attendance(sheet="S67320", person="3001", state="present", late=390)
    early = Attendance(sheet="S67320", person="3001", state="present", left_early=45)
    absence = mapping.absence_of(late, turn, PARIS, "1", "3", frozenset({"3"}))
    # Six and a half hours after 21:00: 02:30 the second time, or 04:30 by the summer clock.
    assert absence == (time(21), time(2, 30) if night.startswith("2026") else time(4, 30), "3")
    assert mapping.absence_of(early, turn, PARIS, "1", "3", frozenset({"3"})) == (time(5, 15), time(6), "1")


# Absences


def turn(absence: tuple[time, time, str] | None) -> mapping.Turn:
    return mapping.Turn("S67320", "3001", "20001", 1, date(2026, 11, 26), time(9), time(12), absence)


@pytest.mark.parametrize(
    ("absence", "said"),
    [
        (None, None),
        ((time(9), time(12), "1"), ("absent", 0, 0)),
        ((time(9), time(9, 20), "3"), ("present", 20, 0)),
        ((time(11, 15), time(12), "1"), ("present", 0, 45)),
        ((time(10), time(11), "1"), ("absent", 0, 0)),
        ((time(9), time(10), "1"), ("absent", 0, 0)),
    ],
)
def test_what_stands_there(absence: tuple[time, time, str] | None, said: tuple[str, int, int] | None) -> None:
    found = mapping.attendance(turn(absence), PARIS, REASONS)
    assert (None if found is None else (found.state, found.late, found.left_early)) == said


@pytest.mark.parametrize(
    ("wanted", "absence"),
    [
        ({"state": "present"}, None),
        ({"state": "awaiting"}, None),
        ({"state": "absent"}, (time(9), time(12), "1")),
        ({"state": "absent", "reason": "2"}, (time(9), time(12), "2")),
        ({"state": "excluded", "reason": "5"}, (time(9), time(12), "5")),
        ({"state": "present", "late": 20}, (time(9), time(9, 20), "3")),
        ({"state": "present", "late": 20, "reason": "2"}, (time(9), time(9, 20), "3")),
        ({"state": "present", "left_early": 45}, (time(11, 15), time(12), "1")),
        ({"state": "present", "late": 20, "left_early": 45}, (time(11, 15), time(12), "1")),
        ({"state": "present", "late": 400}, (time(9), time(12), "1")),
    ],
)
def test_what_is_written(wanted: dict[str, Any], absence: object) -> None:
    one = Attendance(sheet="S67320", person="3001", **wanted)
    assert mapping.absence_of(one, turn(None), PARIS, "1", "3", frozenset({"3"})) == absence


def test_what_is_written_reads_back_the_same() -> None:
    for wanted in (
        {"state": "absent"},
        {"state": "present", "late": 12},
        {"state": "present", "left_early": 7},
    ):
        one = Attendance.model_validate({"sheet": "S67320", "person": "3001", **wanted})
        absence = mapping.absence_of(one, turn(None), PARIS, "1", "3", frozenset({"3"}))
        back = mapping.attendance(turn(absence), PARIS, REASONS)
        assert back is not None
        assert (back.state, back.late, back.left_early) == (one.state, one.late, one.left_early)
