"""Auriga's columns, lines and interventions: what no simulator needs to be there for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.aurion import columns, mapping
from connectors.aurion.columns import Drift, cell, layout, moved, unlike, visible
from engine.records import Entry, Learner, Problem, Sheet, Speaker

PARIS = "Europe/Paris"


def column(field: str, order: int | None = None, **more: Any) -> dict[str, Any]:
    found = {"field": field, "path": "I", "label": {"fr": f"{field} fr", "en": f"{field} en"}, "visible": True}
    return {**found, **({} if order is None else {"orderGlobal": order}), **more}


LINE: dict[str, str] = {
    "interventionId": "7", "startDateTime": "2026-11-24T08:00:00Z", "endDateTime": "2026-11-24T11:00:00Z",
    "activityCode": "CM", "title": "Chimie", "rooms": "B101", "populationCodes": "G1; G2",
    "instructorId": "40", "instructorFirstName": "A", "instructorLastName": "Roux", "instructorEmail": "a@x.fr",
    "learnerId": "20", "learnerFirstName": "Zoé", "learnerLastName": "Noir", "learnerEmail": "z@x.fr",
}  # fmt: skip


def sessions(*lines: dict[str, str], populations: Any = None, skip: tuple[str, ...] = ()) -> list[Entry]:
    return mapping.sessions(lines, PARIS, 812, populations, skip)


# Columns


def test_columns_stand_in_their_global_order_and_those_out_of_sight_take_no_place() -> None:
    given = [
        column("b", 2),
        column("parent", children=[column("d", 4), column("c", 3)]),
        column("x", 1, visible=False),
        column("a", 1),
        column("y", 5, excluded=True),
    ]
    assert [one.label for one in visible(given)] == ["a fr", "b fr", "c fr", "d fr"]
    assert [one.label for one in visible([column("a"), column("b")])] == ["a fr", "b fr"]


@pytest.mark.parametrize("name", ["a", "A FR", "a en", "I.a"])
def test_a_column_goes_by_its_label_its_field_and_its_path(name: str) -> None:
    where = layout(visible([column("b", 1), column("a", 2)]), {"title": name}, ("title",))
    assert where.places == {"title": 1}


def test_a_needed_column_that_is_not_there_or_twice_is_drift_and_others_may_lack() -> None:
    shown = visible([column("a", 1), column("b", 2, label="a fr")])
    assert layout(shown, {"title": "z"}, ()).places == {}
    with pytest.raises(Drift, match="no column is called z"):
        layout(shown, {"title": "z"}, ("title",))
    with pytest.raises(Drift, match="two columns are called a fr"):
        layout(shown, {"title": "a fr"}, ())
    shapeless: tuple[Any, ...] = (None, "x", [3], [{}])
    for wrong in shapeless:
        with pytest.raises(Drift):
            visible(wrong)


def test_a_cell_may_come_before_the_columns_and_no_other_width_will_do() -> None:
    where = layout(visible([column("a", 1), column("b", 2)]), {"x": "a", "y": "b"}, ())
    assert where.values([1, 2]) == {"x": "1", "y": "2"} == where.values(["id", 1, 2])
    for wrong in ([1], [1, 2, 3, 4], "ab", None):
        with pytest.raises(Drift):
            where.values(wrong)


def test_where_columns_moved_is_told() -> None:
    def of(*names: str) -> columns.Layout:
        shown = visible([column(name, n) for n, name in enumerate(names)])
        return layout(shown, {name: name for name in "abc"}, ())

    assert moved(of("a", "b", "c"), of("a", "b", "c", "z")) == ""
    assert moved(of("a", "b", "c"), of("a", "c", "b")) == "b fr moved 2→3"
    assert moved(of("a", "b"), of("a")) == "b fr is gone"
    assert unlike(of("a", "b").columns, of("a", "b").columns) == ""
    assert unlike(of("a", "b").columns, of("b", "a").columns) == "column 1 is b fr, not a fr"
    assert unlike(of("a").columns, of("a", "b").columns) == "2 columns, not 1"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (" x ", "x"), (7, "7"), (7.0, "7"), (True, "true"), ({"fr": "Lait", "en": "Milk"}, "Lait"),
     ({"fr": None, "en": "Milk"}, "Milk"), ({}, ""), (["A1", None, {"fr": "B2"}], "A1, B2")],
)  # fmt: skip
def test_cells_as_text(value: Any, text: str) -> None:
    assert cell(value) == text


# Sessions


def test_lines_of_one_intervention_make_one_session() -> None:
    (entry,) = sessions(LINE, {**LINE, "learnerId": "21"}, {**LINE, "instructorId": "41", "title": "Physique"})
    assert entry.record == Sheet(
        id="7",
        name="Chimie / Physique",
        start=datetime(2026, 11, 24, 8, tzinfo=UTC),
        end=datetime(2026, 11, 24, 11, tzinfo=UTC),
        room="B101",
        groups=frozenset({"G1", "G2"}),
        speakers=frozenset({"40", "41"}),
        learners=frozenset({"20", "21"}),
    )
    assert entry.problems == () and entry.where == "Auriga › requête 812 › interventionId 7"


def test_lines_that_disagree_on_when_are_a_row_problem() -> None:
    (entry,) = sessions(LINE, {**LINE, "endDateTime": "2026-11-24T12:00:00Z"})
    (problem,) = entry.problems
    assert (problem.code, problem.field, problem.row) == ("contradictory", "end", True)


def test_members_of_populations_stand_for_learners_where_lines_name_none() -> None:
    (entry,) = sessions(
        LINE, populations={"G1": frozenset({"1"}), "G2": frozenset({"2"}), "G3": frozenset({"3"})}
    )
    assert entry.record.value("learners") == {"1", "2"}


def test_titles_fall_back_and_activities_may_be_skipped() -> None:
    bare = {**LINE, "title": ""}
    assert [e.record.label for e in sessions(bare)] == ["CM"]
    assert [e.record.label for e in sessions({**bare, "activityCode": ""})] == ["Séance"]
    assert sessions(LINE, skip=("cm",)) == []


@pytest.mark.parametrize(
    ("text", "at", "codes"),
    [
        ("2026-11-24T08:00:00Z", datetime(2026, 11, 24, 8, tzinfo=UTC), []),
        ("2026-11-24T08:00:00.123+01:00", datetime(2026, 11, 24, 7, 0, 0, 123000, tzinfo=UTC), []),
        ("2026-11-24T08:00:00", datetime(2026, 11, 24, 7, tzinfo=UTC), []),
        ("24/11/2026 08:00", datetime(2026, 11, 24, 7, tzinfo=UTC), []),
        ("2026-10-25T02:30:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), ["time_ambiguous"]),
        ("2026-10-25T02:30:00+01:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC), []),
        ("2027-03-28T02:30:00", None, ["time_does_not_exist"]),
        ("bientôt", None, ["no_start_time"]),
    ],
)
def test_times_in_every_form(text: str, at: datetime | None, codes: list[str]) -> None:
    problems: list[Problem] = []
    assert mapping.moment(text, PARIS, "start", problems) == at
    assert [one.code for one in problems] == codes


def test_a_line_is_readable_when_it_says_what_begins_when() -> None:
    assert mapping.readable(LINE)
    assert not mapping.readable({**LINE, "startDateTime": "20"})
    assert not mapping.readable({**LINE, "interventionId": ""})


# People and groups


def test_people_come_once_and_once_more_for_each_difference() -> None:
    lines = [LINE, LINE, {**LINE, "learnerEmail": "autre@x.fr"}, {**LINE, "learnerId": ""}]
    found = mapping.people("learner", lines, 812)
    assert [e.record for e in found] == [
        Learner(id="20", last_name="Noir", first_name="Zoé", email=email) for email in ("z@x.fr", "autre@x.fr")
    ]
    assert found[0].where == "Auriga › requête 812 › learnerId 20 › learnerEmail"
    (speaker,) = mapping.people("speaker", lines, 812)
    assert isinstance(speaker.record, Speaker) and speaker.record.email == "a@x.fr"


def test_populations_have_the_members_their_lines_name() -> None:
    line = {"populationCode": "G1", "populationName": "Groupe 1", "learnerId": "20"}
    empty = {"populationCode": "G2", "populationName": "", "learnerId": ""}
    found = mapping.groups([line, {**line, "learnerId": "21"}, empty, {**line, "populationCode": ""}], 813)
    assert [(e.id, e.record.label, e.record.value("members")) for e in found] == [
        ("G1", "Groupe 1", {"20", "21"}), ("G2", "G2", frozenset()),
    ]  # fmt: skip


# The planning

PLANNED: dict[str, Any] = {
    "id": 7, "startDateTime": "2026-09-17T06:30:00Z", "endDateTime": "2026-09-17T08:30:00Z",
    "description": "Rentrée", "activityType": {"code": "CM", "caption": {"fr": "Cours", "en": "Lecture"}},
    "interventionPedagogicalUnits": [{"pedagogicalUnit": {"code": "U1", "caption": {"fr": "Chimie"}}}],
    "interventionInstructors": [{"person": {"currentFirstName": "A", "currentLastName": "Roux"}},
                                {"person": {"id": 41, "currentFirstName": "B", "currentLastName": "Noir"}}],
    "interventionResources": [{"resource": {"caption": {"fr": "B101"}}}, {"resource": {"caption": "B102"}}],
    "interventionPopulations": [{"population": {"code": "G1", "caption": {"fr": "Groupe 1"}}}],
    "participations": [{"surprise": 1}],
}  # fmt: skip


def test_a_planned_intervention_is_a_session_of_its_populations_members() -> None:
    entry = mapping.planned(PLANNED, {"G1": frozenset({"20"})}, {"roux a": "40"}, PARIS)
    assert entry.record == Sheet(
        id="7",
        name="Chimie",
        start=datetime(2026, 9, 17, 6, 30, tzinfo=UTC),
        end=datetime(2026, 9, 17, 8, 30, tzinfo=UTC),
        room="B101, B102",
        groups=frozenset({"G1"}),
        speakers=frozenset({"40", "41"}),
        learners=frozenset({"20"}),
    )
    assert mapping.activity_of(PLANNED) == "CM"


def test_titles_of_planned_interventions_fall_back() -> None:
    bare = {**PLANNED, "interventionPedagogicalUnits": []}
    assert mapping.planned(bare, None, {}, PARIS).record.label == "Rentrée"
    assert mapping.planned({**bare, "description": None}, None, {}, PARIS).record.label == "Cours"


def test_two_instructors_of_one_name_are_nobody_by_that_name() -> None:
    def entry(id: str, first: str) -> Entry:
        return Entry(record=Speaker(id=id, last_name="Roux", first_name=first))

    assert mapping.by_name([entry("40", "A"), entry("41", "À"), entry("42", "B")]) == {"roux b": "42"}


@pytest.mark.parametrize("wrong", [{"id": [object()]}, {"interventionPopulations": 3}])
def test_an_intervention_of_another_shape_is_drift(wrong: dict[str, Any]) -> None:
    with pytest.raises(Drift):
        mapping.planned({**PLANNED, **wrong}, None, {}, PARIS)
    with pytest.raises(Drift):
        mapping.planned(
            {name: value for name, value in PLANNED.items() if name != "endDateTime"}, None, {}, PARIS
        )
    bodies: tuple[Any, ...] = ([], {"unavailabilities": []})
    for body in bodies:
        with pytest.raises(Drift):
            mapping.interventions(body)
