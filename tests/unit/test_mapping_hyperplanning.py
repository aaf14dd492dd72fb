"""Hyperplanning's rows become entries, or the mapping says which field is gone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from connectors.hyperplanning.mapping import (
    Drift,
    Names,
    absence,
    course_of,
    day_of,
    email_name,
    group,
    is_parent,
    label,
    lateness,
    named_keys,
    only,
    person,
    session,
    session_id,
    twice,
    unlikely,
)
from engine.records import Group, Learner, Sheet, Speaker

NAMES = Names(
    rooms={"101": "A101"},
    subjects={"61": "Anglais"},
    members={"41": frozenset({"2001", "2002"}), "td-41": frozenset({"2003"})},
)


def placed(start: str = "2026-09-16 09:00:00", duree: Any = 0.125, **more: Any) -> dict[str, Any]:
    return {
        "cle": 5001, "jour_heure_debut": start, "duree": duree, "matiere": 61, "enseignants": [301],
        "promotions": [41], "tdoptions": [], "salles": [101, 102], "etudiants": [2001], **more,
    }  # fmt: skip


def sheet(row: dict[str, Any], unit: Any = "days") -> Sheet:
    record = session(row, "Europe/Paris", unit, NAMES).record
    assert isinstance(record, Sheet)
    return record


def problems(row: dict[str, Any], unit: Any = "days") -> list[tuple[str, bool]]:
    return [(p.code, p.row) for p in session(row, "Europe/Paris", unit, NAMES).problems]


def test_a_session_is_its_course_and_start() -> None:
    found = sheet(placed())
    assert found == Sheet(
        id="5001@2026-09-16T09:00",
        name="Anglais",
        start=datetime(2026, 9, 16, 7, tzinfo=UTC),
        end=datetime(2026, 9, 16, 10, tzinfo=UTC),
        room="A101, 102",
        groups=frozenset({"41"}),
        speakers=frozenset({"301"}),
        learners=frozenset({"2001"}),
    )
    assert (course_of(found.id), day_of(found.id)) == ("5001", date(2026, 9, 16))
    assert day_of("5001") is None and day_of("5001@soon") is None


@pytest.mark.parametrize(
    "start",
    ["2026-09-16T09:00:00Z", "2026-09-16T09:00:00.000Z", "2026-09-16T09:00:00", "2026-09-16 08:59:59.998"],
)
def test_the_zone_a_time_claims_is_a_lie(start: str) -> None:
    found = sheet(placed(start))
    assert found.start == datetime(2026, 9, 16, 7, tzinfo=UTC) and found.id == "5001@2026-09-16T09:00"


@pytest.mark.parametrize(
    ("duree", "unit", "minutes"),
    [
        (0.0625, "days", 90),
        (0.0520833333333333, "days", 75),
        ("0.125", "days", 180),
        (1.5, "hours", 90),
        (90, "minutes", 90),
    ],
)
def test_durations_come_out_in_whole_minutes(duree: Any, unit: Any, minutes: int) -> None:
    found = sheet(placed(duree=duree), unit)
    assert found.start is not None and found.end is not None
    assert found.end - found.start == timedelta(minutes=minutes)


@pytest.mark.parametrize(("duree", "unit"), [(90, "days"), (1.5, "days"), (0.125, "minutes"), (0.01, "hours")])
def test_a_duration_in_another_unit_is_noticed(duree: Any, unit: Any) -> None:
    assert problems(placed(duree=duree), unit) == [("duration_unlikely", True)]
    entries = [session(placed(duree=duree), "Europe/Paris", unit, NAMES) for _n in range(3)]
    with pytest.raises(Drift, match="most durations"):
        unlikely(entries, unit)
    good = session(placed(duree=0.125), "Europe/Paris", "days", NAMES)
    unlikely([*entries[:1], good, good], "days")
    unlikely([], "days")


def test_no_duration_is_no_end() -> None:
    assert problems(placed(duree=0)) == problems(placed(duree=None)) == [("no_end_time", True)]


def test_a_night_ends_on_the_next_day() -> None:
    found = sheet(placed("2026-09-16 21:00:00", 0.375))
    assert found.end == datetime(2026, 9, 17, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end_utc"),
    [
        # The clocks go back, the clocks go forward: 06:00 on the school's clock either way.
        ("2026-10-24 21:00:00", datetime(2026, 10, 25, 5, tzinfo=UTC)),
        ("2027-03-27 21:00:00", datetime(2027, 3, 28, 4, tzinfo=UTC)),
    ],
)
def test_R22_a_night_over_the_change_of_clocks_ends_by_the_schools_clock(start: str, end_utc: datetime) -> None:
    assert sheet(placed(start, 0.375)).end == end_utc


def test_R22_a_time_that_comes_twice_is_the_first_and_one_that_does_not_exist_is_refused() -> None:
    autumn = placed("2026-10-25 02:15:00", 1 / 24)
    assert sheet(autumn).start == datetime(2026, 10, 25, 0, 15, tzinfo=UTC)
    assert problems(autumn) == [("time_ambiguous", False)]
    spring = placed("2027-03-28 02:15:00", 1 / 24)
    assert sheet(spring).start is None
    assert problems(spring) == [("time_does_not_exist", True)]


def test_without_learners_of_its_own_a_session_has_those_of_its_groups() -> None:
    row = placed(promotions=[41], tdoptions=[{"cle": 41}])
    del row["etudiants"]
    assert sheet(row).learners == {"2001", "2002", "2003"}
    assert sheet(row).groups == {"41", "td-41"}
    assert sheet(placed(etudiants=[])).learners == frozenset()


@pytest.mark.parametrize("gone", ["cle", "jour_heure_debut", "duree", "matiere", "enseignants", "promotions"])
def test_a_missing_field_is_never_read_as_cleared(gone: str) -> None:
    row = placed()
    del row[gone]
    with pytest.raises(Drift):
        sheet(row)


@pytest.mark.parametrize(
    "wrong",
    [
        {"duree": True},
        {"duree": "long"},
        {"enseignants": "301"},
        {"jour_heure_debut": "mercredi"},
        {"cle": None},
    ],
)
def test_a_field_of_another_shape_is_drift(wrong: dict[str, Any]) -> None:
    with pytest.raises(Drift):
        sheet(placed(**wrong))


def test_the_subject_may_be_a_key_an_object_or_a_name() -> None:
    assert [sheet(placed(matiere=one)).name for one in (61, "61", {"cle": 61}, "Droit", None)] == [
        "Anglais", "Anglais", "Anglais", "Droit", "",
    ]  # fmt: skip
    assert sheet(placed(matiere=None, type_cours="Réunion")).name == "Réunion"


def test_a_course_placed_twice_at_one_moment() -> None:
    one = session(placed(), "Europe/Paris", "days", NAMES)
    assert twice(one, one) == one
    other = session(placed(salles=[]), "Europe/Paris", "days", NAMES)
    assert [p.code for p in twice(one, other).problems] == ["contradictory"]


def test_what_is_not_meant_leaves_the_session() -> None:
    one = only(session(placed(), "Europe/Paris", "days", NAMES), {"x"}.__contains__, lambda key: key != "2001")
    assert isinstance(one.record, Sheet)
    assert (one.record.groups, one.record.learners) == (frozenset(), frozenset())


def test_people_have_one_of_several_email_fields() -> None:
    row = {"cle": 2001, "nom": "Martin", "prenom": "Zoé", "e_mail": None}
    assert email_name([{"cle": 1}, row], "") == "e_mail"
    assert person("learner", row, "e_mail").record == Learner(id="2001", last_name="Martin", first_name="Zoé")
    # A server may leave out what is empty: that is for others to judge by.
    assert person("learner", row, "mail").record == Learner(id="2001", last_name="Martin", first_name="Zoé")
    row = {"cle": "301", "nom": "Morel", "prenom": "Léa", "courriel": "m@x.example"}
    assert email_name([row], "courriel") == "courriel"
    assert person("speaker", row, "courriel").record == Speaker(
        id="301", last_name="Morel", first_name="Léa", email="m@x.example"
    )
    with pytest.raises(Drift, match="email or e_mail or mail"):
        email_name([row], "")


def test_a_td_group_bears_its_promotions_name_and_a_key_of_its_own() -> None:
    promotion = group({"cle": 41, "nom": "BTS 1A"}, frozenset({"2001"}))
    td = group({"cle": 41, "nom": "TD1", "promotion": 41}, frozenset(), {"41": "BTS 1A"})
    assert promotion.record == Group(id="41", name="BTS 1A", members=frozenset({"2001"}))
    assert td.record == Group(id="td-41", name="BTS 1A TD1", members=frozenset())
    alone = group({"cle": 41, "nom": "TD1"}, frozenset(), {}).record
    assert isinstance(alone, Group) and alone.name == "TD1"


def test_labels_and_parents() -> None:
    assert label({"cle": 61, "libelle": "Anglais", "nom": "ANG"}) == ("61", "Anglais")
    assert label({"cle": 101, "nom": "A101"}) == ("101", "A101")
    with pytest.raises(Drift):
        label({"cle": 101})
    assert is_parent({"cle": 1, "est_un_cours_pere": "true"}) and not is_parent({"cle": 1})


def test_sub_collections_name_keys_or_objects() -> None:
    assert named_keys({"rubriques": [{"cle": 10}, {"cle": 11}, {"cle": 10}]}, "rubriques") == ["10", "11"]
    assert named_keys({"cours": [111, 112]}, "cours") == ["111", "112"]
    with pytest.raises(Drift):
        named_keys({"cours": [111]}, "etudiants")


def test_absences_and_latenesses_are_intervals_of_a_learner() -> None:
    row = {
        "cle": 7, "etudiant": {"cle": 2001}, "date_heure_debut": "2026-09-16T09:00:00Z",
        "date_heure_fin": "2026-09-16 12:00:00", "est_justifiee": 1, "motif": "Maladie",
    }  # fmt: skip
    found = absence(row)
    assert (found.learner, found.key, found.justified, found.motive) == ("2001", "7", True, "Maladie")
    assert found.last - found.first == timedelta(hours=3) and found.minutes is None
    late = {
        "cle": 8,
        "etudiant": 2001,
        "date_heure": "2026-09-16 09:00:00",
        "duree": 20 / 1440,
        "justifie": False,
    }
    assert lateness(late, "days").minutes == 20
    del row["est_justifiee"]
    with pytest.raises(Drift):
        absence(row)


def test_session_id_is_the_start_to_the_minute() -> None:
    assert session_id(placed("2026-09-16T08:59:59.999Z")) == "5001@2026-09-16T09:00"
    assert session_id({"cle": 5001, "jour_heure_debut": "2026-09-16 09:00:00"}) == "5001@2026-09-16T09:00"
