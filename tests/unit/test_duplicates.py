"""Pairs of people: what counts for and against, on people one by one and on whole rosters."""

from __future__ import annotations

import csv
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.duplicates.evidence import odds, verdict, zone
from engine.duplicates.scoring import POSSIBLE, Pair, Person, Roster
from tests.rosters import quality, roster

CROWD = roster(3, 2000).people
"""Names are only rare or common among others."""


def pair_of(left: dict[str, Any], right: dict[str, Any]) -> Pair | None:
    """Two people among a crowd of others, as a pair if they are worth showing."""
    with Roster() as people:
        people.add(CROWD)
        people.add([Person(id="left", side="erp", **left), Person(id="right", side="edusign", **right)])
        found = people.pairs(-20.0, new_only=True)
    return next((p for p in found if {p.left, p.right} == {"left", "right"}), None)


def score(left: dict[str, Any], right: dict[str, Any]) -> float:
    pair = pair_of(left, right)
    return pair.score if pair is not None else -99.0


NORA = {"last_name": "Vasselange", "first_name": "Nora", "email": "nora.vass83@mail.example"}


@pytest.mark.parametrize(
    "right",
    [
        {**NORA, "last_name": "VASSELANGE"},
        {**NORA, "last_name": "Nora", "first_name": "Vasselange"},
        {**NORA, "last_name": "Vaselange", "email": "nora.vass83@autre.example"},
        {**NORA, "first_name": "Nora Lise"},
        {**NORA, "email": " <mailto:Nora.Vass83+edusign@mail.example> "},
        {**NORA, "last_name": "de Vasselange-Petit"},
    ],
)
def test_one_person_typed_twice_is_likely(right: dict[str, str]) -> None:
    pair = pair_of(NORA, right)
    assert pair is not None and pair.score > 0
    assert not pair.twin


@pytest.mark.parametrize(
    "right",
    [
        {"last_name": "Vasselange", "first_name": "Hugo", "email": "hugo@autre.example"},
        {"last_name": "Petit", "first_name": "Nora", "email": "n.petit@mail.example"},
        {**NORA, "first_name": "Hugo"},
    ],
)
def test_others_are_not(right: dict[str, str]) -> None:
    assert score(NORA, right) < 0


def test_twins_are_told_and_never_linked() -> None:
    left = {"last_name": "Dufour", "first_name": "Léa", "born": "2004-05-06", "phone": "06 12 34 56 78"}
    pair = pair_of(left, {**left, "first_name": "Léo"})
    assert pair is not None
    assert pair.twin and not pair.may_link


def test_an_office_address_makes_nobody_one() -> None:
    office = {"email": "accueil@cabinet.example", "group": "G07"}
    names = ("Vasselange", "Pontier", "Marchand", "Beaulieu")
    with Roster() as people:
        people.add(CROWD)
        people.add(Person(id=name, side="erp", last_name=name, first_name="Hugo", **office) for name in names)
        assert not people.pairs(new_only=True)


def test_a_kept_mailbox_on_a_new_domain_counts_for_a_pair() -> None:
    moved = {**NORA, "email": "nora.vass83@nouvelle-ecole.example"}
    other = {**NORA, "email": "nv1987@nouvelle-ecole.example"}
    assert score(NORA, moved) > score(NORA, other)


def test_what_is_missing_says_nothing() -> None:
    full = {**NORA, "phone": "0612345678", "born": "2003-02-01"}
    pair = pair_of(full, NORA)
    assert pair is not None
    assert {p.field: p.bits for p in pair.points if p.level == 0} == {
        "born": 0.0, "phone": 0.0, "group": 0.0, "erp_id": 0.0,
    }  # fmt: skip


def test_points_add_up_to_the_score() -> None:
    pair = pair_of(NORA, {**NORA, "last_name": "Vasselage"})
    assert pair is not None
    assert pair.score == pytest.approx(pair.prior + sum(point.bits for point in pair.points))


@pytest.mark.parametrize(
    "name", ["بن صالح", "Łuczak", "O'Connor", "[red]x[/]", "\x1b[2JZoé", "x" * 400, "'; drop table person; --"]
)
def test_any_name_is_compared_as_text(name: str) -> None:
    pair = pair_of({**NORA, "last_name": name}, {**NORA, "last_name": name})
    assert pair is not None and pair.level("last") == 5


def test_empty_people_meet_nobody() -> None:
    assert pair_of({}, {}) is None


def test_learners_and_speakers_are_never_one_pair() -> None:
    assert pair_of(NORA, {**NORA, "kind": "speaker"}) is None


def test_new_people_are_compared_with_all_others_and_each_other() -> None:
    with Roster() as people:
        people.add(CROWD)
        before = {(p.left, p.right) for p in people.pairs(POSSIBLE)}
        known = CROWD[7]
        people.add([known.model_copy(update={"id": "x1"}), known.model_copy(update={"id": "x2"})])
        found = {frozenset((p.left, p.right)) for p in people.pairs(new_only=True)}
        assert {frozenset((known.id, "x1")), frozenset((known.id, "x2")), frozenset(("x1", "x2"))} <= found
        after = {(p.left, p.right) for p in people.pairs(POSSIBLE)}
    assert len(before - after) < len(before) / 20  # two more rows hardly change what is common


def test_evidence_says_both_values_and_the_strongest_reasons() -> None:
    left, right = ({**NORA, "born": born} for born in ("2003-02-01", "1999-11-30"))
    pair = pair_of(left, right)
    assert pair is not None
    said = verdict(pair, Person(id="left", side="erp", **left), Person(id="right", side="edusign", **right))
    assert said.strongest_for == "the same e-mail"
    assert said.strongest_against == "other birth dates"
    (born,) = [line for line in said.evidence if line.field == "born"]
    assert (born.left, born.right, born.bits < 0) == ("2003-02-01", "1999-11-30", True)


def test_odds_are_words() -> None:
    assert [odds(s) for s in (4.8, 0.2, -3.0)] == ["about 28 to 1", "even odds", "about 1 to 8"]


def test_rosters_of_any_seed_are_told_apart() -> None:
    seed = random.SystemRandom().randrange(10**6)
    made = roster(seed, 6000)
    with Roster() as people:
        people.add(made.people)
        found = people.pairs()
        certain = tuple(p for p in found if zone(p) == "certain")
    precision, recall = quality(found, made.same)
    assert precision > 0.9 and recall > 0.75, f"seed {seed}: precision {precision:.3f}, recall {recall:.3f}"
    assert quality(certain, made.same)[0] > 0.98, f"seed {seed}"


def test_a_file_is_scored_by_a_command(tmp_path: Path) -> None:
    made = roster(11, 600)
    source, out = tmp_path / "people.csv", tmp_path / "pairs.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            (
                "rec_id",
                "source",
                "kind",
                "first_name",
                "last_name",
                "birth_date",
                "email",
                "phone",
                "erp_id",
                "group",
            )
        )
        writer.writerows(
            (p.id, p.side, p.kind, p.first_name, p.last_name, p.born, p.email, p.phone, p.erp_id, p.group)
            for p in made.people
        )
    command = [sys.executable, "-m", "engine", "duplicates", "--from", str(source), "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with Roster() as people:
        people.add(made.people)
        assert [(row["id_l"], row["id_r"]) for row in rows] == [(p.left, p.right) for p in people.pairs()]

    source.write_text("name;mail\nx;y\n", encoding="utf-8")
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr and len(failed.stderr.splitlines()) == 1
