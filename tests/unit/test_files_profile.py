"""Profiles of files: saved and read back, headings guessed, rows rated, values by convention."""

from __future__ import annotations

import asyncio
import json
import tomllib
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from connectors.__main__ import main
from connectors.ammon import AmmonSettings
from connectors.files import FilesSettings, connector, mapping
from connectors.files.form import DEFAULT, FilesForm
from connectors.files.guess import counts, guess, preview
from connectors.files.profile import BadProfile, FileProfile, FormProfile, TableProfile, dumped, load
from connectors.files.tables import read
from connectors.profile import ProfileSettings
from connectors.tabular import records
from connectors.tabular.fields import Conventions
from engine.attendance import Attendance, FormRow
from engine.ports import Scope, Surroundings
from engine.records import KINDS, Learner, Sheet
from tests.contract.test_ypareo_simulator import StillClock

PARIS = "Europe/Paris"
PEOPLE = """\
Identifiant;Nom;Prénom;Adresse mail;Téléphone portable;Classe
1;Martin;Léa;lea@x.example;06 12 34 56 78;BTS1
2;Durand;;max@x.example;;BTS1, BTS2
3;Noir;Zoé;zoe@;;BTS2
3;Noir;Zoé;zoe@x.example;06 12 34 56 79;BTS2
4;=cmd|' /C calc'!A0;Ana;ana@x.example;06 12 34 56 80;BTS2
"""
SESSIONS = """\
Code séance;Matière;Date;Heure début;Heure fin;Salle;Formateur;Stagiaires
S1;Droit;14/09/2026;09:00;12:00;A1;F1;1, 2
S2;Droit;25/10/2026;02:30;04:00;A1;F1;1
S3;Droit;15/09/2026;09:00;;A1;;1
S4;Droit;15/09/2026;9h30;11h;A1;F1;
"""


def table(text: str) -> Any:
    return read(text.encode())


def person_profile(**change: Any) -> TableProfile:
    columns = {"key": "Identifiant", "last_name": "Nom", "first_name": "Prénom", "email": "Adresse mail"}
    return TableProfile.model_validate({"file": "*personnes*", "columns": columns, **change})


def surroundings() -> Surroundings:
    return Surroundings(
        connection="metz", zone=PARIS, country="FR", clock=StillClock(), secret=lambda _reference: ""
    )


# Guessing and rating


def test_headings_are_guessed_from_words_and_values() -> None:
    assert guess(table(PEOPLE), "learners") == {
        "key": "Identifiant",
        "last_name": "Nom",
        "first_name": "Prénom",
        "email": "Adresse mail",
        "phone": "Téléphone portable",
        "groups": "Classe",
    }
    assert guess(table(SESSIONS), "sessions") == {
        "key": "Code séance",
        "name": "Matière",
        "date": "Date",
        "start": "Heure début",
        "end": "Heure fin",
        "room": "Salle",
        "speakers": "Formateur",
        "learners": "Stagiaires",
    }


def test_values_outweigh_words() -> None:
    strange = table("A;Mail\nlea@x.example;oui\nmax@x.example;non\n")
    assert guess(strange, "learners") == {"email": "A"}


def test_rows_are_valid_warned_of_or_refused() -> None:
    people = table(PEOPLE)
    profile = person_profile(columns=guess(people, "learners"))
    rated = {one.line: one for one in preview(people, "learners", profile, Conventions(), PARIS)}
    assert {line: one.level for line, one in rated.items()} == {
        2: "valid",
        3: "error",
        4: "error",
        5: "error",
        6: "warning",
    }
    assert "no first_name" in rated[3].reasons
    assert any("no e-mail address" in reason for reason in rated[4].reasons)
    assert "key 3 stands twice" in rated[5].reasons
    assert "last_name begins like a formula" in rated[6].reasons
    assert counts(rated.values()) == {"valid": 1, "warning": 1, "error": 3}


def test_sessions_are_rated_too() -> None:
    given = table(SESSIONS)
    profile = TableProfile(file="*", columns=guess(given, "sessions"))
    rated = preview(given, "sessions", profile, Conventions(), PARIS)
    assert [one.level for one in rated] == ["valid", "warning", "error", "warning"]


def test_a_mapping_is_shown_and_saved_as_versions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, place = tmp_path / "personnes.csv", tmp_path / "school.toml"
    file.write_text(PEOPLE, encoding="utf-8")
    assert main(["files", "show", str(file), "learners", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["counts"] == {"valid": 1, "warning": 1, "error": 3} and shown["missing"] == []
    assert main(["files", "save", str(file), "learners", "--into", str(place), "--set", "phone="]) == 0
    sessions = tmp_path / "seances.csv"
    sessions.write_text(SESSIONS, encoding="utf-8")
    assert main(["files", "save", str(sessions), "sessions", "--into", str(place)]) == 0
    saved = load(str(place))
    assert saved.version == 2 and saved.learners is not None and saved.sessions is not None
    assert "phone" not in saved.learners.columns
    assert saved.learners.headings[-1] == "Classe"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("phone=Nulle part", "no heading"),
        ("shoe_size=Nom", "no field"),
        ("email=", "say which heading is email"),
    ],
)
def test_what_cannot_be_saved_is_said(
    word: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "personnes.csv"
    file.write_text(PEOPLE, encoding="utf-8")
    place = tmp_path / "p.toml"
    assert main(["files", "save", str(file), "learners", "--into", str(place), "--set", word]) == 1
    assert said in capsys.readouterr().err and not place.exists()


def test_hostile_cells_come_out_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.csv"
    file.write_text("Nom;Prénom;Mail;ID\n\x1b[2Jx;[red]y;a@x.example;1\n", encoding="utf-8")
    assert main(["files", "show", str(file), "learners"]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said and "[red]y" in said


# Profiles


def test_a_profile_reads_back_as_it_was_saved() -> None:
    whole = FileProfile(
        name="école",
        version=3,
        source='a "quoted" \\ word',
        learners=person_profile(
            headings=("Nom", "a=b # c"), only={"Catég.": "STA"}, ended={"iDesactive": "-1"}
        ),
        conventions=Conventions(dates=("%d/%m/%Y",), longest={"Nom": 12}),
        form=FormProfile(yes="-1", columns={"Clé": "session"}),
    )
    text = dumped(whole)
    assert FileProfile.model_validate(tomllib.loads(text)) == whole


@pytest.mark.parametrize("name", ["builtin:ammon", "builtin:aurion-legacy", "builtin:ammon-demo"])
def test_the_profiles_that_come_along_are_whole(name: str) -> None:
    profile = load(name)
    assert profile.source and load(name) == profile


def test_a_schools_profile_lies_over_the_vendors() -> None:
    both = load("builtin:ammon", "builtin:ammon-demo")
    assert both.learners is not None and both.sessions is not None
    assert both.form.yes == "-1" and both.conventions.longest["cRefExt"] == 36


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 'x'\n[learners]\nfile = '*'\n[learners.columns]\nkey = 'A'\n", "no column for last_name"),
        (
            "name = 'x'\n[groups]\nfile = '*'\n[groups.columns]\nkey='A'\nname='B'\nhue='C'\n",
            "no field hue",
        ),
        ("name = ", "Invalid"),
        ("version = 1\n", "name"),
    ],
)
def test_a_profile_that_is_none_is_refused(text: str, said: str, tmp_path: Path) -> None:
    place = tmp_path / "p.toml"
    place.write_text(text, encoding="utf-8")
    with pytest.raises(BadProfile, match=said):
        load(str(place))


def test_names_for_people_who_come_from_edusigns_own_connector() -> None:
    assert {"structureId", "filterActions"} <= AmmonSettings.model_fields.keys()


# Rows


def test_a_renamed_heading_is_named_with_what_is_new() -> None:
    profile = person_profile(headings=("Identifiant", "Nom", "Prénom", "Adresse mail"))
    renamed = table("Identifiant;Nom;Prénom;Courriel\n1;A;B;a@x.example\n")
    with pytest.raises(mapping.HeadingGone, match="heading Adresse mail is gone; new: Courriel"):
        mapping.rows(renamed, profile, Conventions(), "personnes.csv")
    with pytest.raises(mapping.HeadingGone, match="Nom stands twice"):
        twice = table("Identifiant;Nom;Nom;Prénom;Adresse mail\n1;A;B;C;D\n")
        mapping.rows(twice, profile, Conventions(), "personnes.csv")


def test_order_case_and_spaces_of_headings_do_not_matter() -> None:
    shuffled = table(" adresse  MAIL;prénom;NOM;identifiant\na@x.example;Léa;Martin;1\n")
    (row,) = mapping.rows(shuffled, person_profile(), Conventions(), "personnes.csv")
    assert records.learner(row).record == Learner(
        id="1", last_name="Martin", first_name="Léa", email="a@x.example"
    )
    assert records.learner(row).where == "personnes.csv › 2"


def test_only_some_rows_are_meant_and_some_are_over() -> None:
    profile = person_profile(only={"Classe": "BTS2"}, ended={"Téléphone portable": ""})
    rows = mapping.rows(table(PEOPLE), profile, Conventions(), "f")
    assert [(row.text("key"), row.over) for row in rows] == [
        ("2", True),
        ("3", True),
        ("3", False),
        ("4", False),
    ]


def test_a_value_that_fills_its_column_was_probably_cut() -> None:
    conventions = Conventions(longest={"Adresse mail": 13, "Identifiant": 1})
    rows = mapping.rows(table(PEOPLE), person_profile(), conventions, "f")
    assert [problem.field for problem in records.learner(rows[0]).problems] == ["email"]


@pytest.mark.parametrize(
    ("cell", "meant"),
    [
        ("09:00", time(9)),
        ("9:05", time(9, 5)),
        ("9h30", time(9, 30)),
        ("14h", time(14)),
        ("1900-01-01T08:15:00", time(8, 15)),
    ],
)
def test_times(cell: str, meant: time) -> None:
    assert records.wall_clock(cell, Conventions()) == meant


@pytest.mark.parametrize("cell", ["14/09/2026", "2026-09-14", "14-09-2026", "14/09/26", "2026-09-14T00:00:00"])
def test_dates(cell: str) -> None:
    assert records.local_date(cell, Conventions()) == date(2026, 9, 14)


@pytest.mark.parametrize("cell", ["", "soon", "09/2026", "31/02/2026", "12"])
def test_what_is_no_date_or_time_is_refused(cell: str) -> None:
    for reader in (records.local_date, records.wall_clock, records.moment):
        with pytest.raises(ValueError):
            reader(cell, Conventions())


@pytest.mark.parametrize(
    ("cell", "meant"),
    [("-1", True), ("0", False), ("", False), ("True", True), ("Oui", True), ("False", False)],
)
def test_minus_one_is_yes(cell: str, meant: bool) -> None:
    assert records.yes(cell, Conventions()) is meant


def sheets(text: str) -> dict[str, Any]:
    given = table(text)
    profile = TableProfile(file="*", columns=guess(given, "sessions"))
    rows = mapping.rows(given, profile, Conventions(), "seances.csv")
    return {entry.id: entry for entry in records.sessions(rows, PARIS, Conventions(), None)}


def test_a_session_over_several_rows_is_one() -> None:
    text = (
        SESSIONS.splitlines()[0]
        + "\nS1;Droit;14/09/2026;09:00;12:00;A1;F1;1\nS1;Droit;14/09/2026;09:00;12:00;A2;F2;2\n"
    )
    (entry,) = sheets(text).values()
    assert entry.record.learners == {"1", "2"} and entry.record.speakers == {"F1", "F2"}
    assert entry.record.room == "A1, A2" and not entry.problems
    other = text + "S1;Autre;14/09/2026;09:00;12:00;A1;F1;1\n"
    (entry,) = sheets(other).values()
    assert [(problem.code, problem.row) for problem in entry.problems] == [("contradictory", True)]


@pytest.mark.parametrize(
    ("night", "starts", "ends"),
    [
        ("24/10/2026", datetime(2026, 10, 24, 19, tzinfo=UTC), datetime(2026, 10, 25, 5, tzinfo=UTC)),
        ("27/03/2027", datetime(2027, 3, 27, 20, tzinfo=UTC), datetime(2027, 3, 28, 4, tzinfo=UTC)),
    ],
)
def test_R22_a_night_session_over_both_changes_of_the_clock(
    night: str, starts: datetime, ends: datetime
) -> None:
    (entry,) = sheets(f"{SESSIONS.splitlines()[0]}\nS9;Garde;{night};21:00;06:00;;F1;1\n").values()
    assert (entry.record.start, entry.record.end) == (starts, ends)


@pytest.mark.parametrize(
    ("starts", "ends", "hours"),
    [
        ("2026-10-24T21:00", "2026-10-25T06:00", 10),
        ("24/10/2026 21:00", "25/10/2026 06h00", 10),
        ("2027-03-27 21:00:00", "2027-03-28 06:00:00", 8),
    ],
)
def test_R22_moments_without_an_offset_go_through_the_zone(starts: str, ends: str, hours: int) -> None:
    (entry,) = sheets(f"id;title;startDateTime;endDateTime;learner id\nI1;Garde;{starts};{ends};1\n").values()
    assert not entry.problems
    assert (entry.record.end - entry.record.start).total_seconds() == hours * 3600


def test_an_instant_with_an_offset_needs_no_zone() -> None:
    text = "interventionId;title;startDateTime;endDateTime;learner id\n"
    text += "I1;CM;2026-09-17T06:30:00Z;2026-09-17T10:30:00+02:00;1\n"
    (entry,) = sheets(text).values()
    assert entry.record.start == datetime(2026, 9, 17, 6, 30, tzinfo=UTC)
    assert entry.record.end == datetime(2026, 9, 17, 8, 30, tzinfo=UTC)


# The form


def row(**how: Any) -> FormRow:
    return FormRow(
        session=Sheet(
            id="SEA1",
            name="Droit",
            start=datetime(2026, 9, 14, 7, tzinfo=UTC),
            end=datetime(2026, 9, 14, 10, tzinfo=UTC),
        ),
        person=Learner(id="P1", last_name="=cmd|x", first_name="Léa"),
        attendance=Attendance.model_validate({"sheet": "SEA1", "person": "P1", "state": "absent", **how}),
        reason_name="Maladie",
    )


def test_the_form_is_in_the_profiles_own_words() -> None:
    profile = FormProfile(
        yes="-1", no="0", columns={"cRefExt": "person", "Nom": "last_name", "Justif": "justified"}
    )
    name, content = FilesForm(profile, surroundings()).form((row(justified=True), row()))
    assert name == "absences-2026-11-24.csv"
    assert content.decode("utf-8-sig").splitlines() == ["cRefExt;Nom;Justif", "P1;'=cmd|x;-1", "P1;'=cmd|x;0"]


def test_the_form_says_everything_where_the_profile_names_no_columns() -> None:
    _name, content = FilesForm(FormProfile(), surroundings()).form((row(state="present", late=12),))
    headings, line = content.decode("utf-8-sig").splitlines()
    assert headings.split(";") == list(DEFAULT.values())
    assert line == "SEA1;14/09/2026;09:00;12:00;P1;'=cmd|x;Léa;present;12;;0;Maladie"
    with pytest.raises(BadProfile):
        FilesForm(FormProfile(columns={"A": "colour"}), surroundings())


def test_ammons_form_bears_the_vendors_keys_and_booleans() -> None:
    _name, content = FilesForm(load("builtin:ammon").form, surroundings()).form((row(justified=True),))
    headings, line = content.decode("utf-8-sig").splitlines()
    said = dict(zip(headings.split(";"), line.split(";"), strict=True))
    assert (said["cRefExt"], said["Etat"], said["Justifiee"]) == ("P1", "Absent", "-1")
    assert said["Date"] == "14/09/2026" and said["Motif"] == "Maladie"


def test_R31_a_changed_profile_is_a_changed_setting(tmp_path: Path) -> None:
    place = tmp_path / "school.toml"
    place.write_text(dumped(FileProfile(name="x", learners=person_profile())), encoding="utf-8")

    def settings() -> FilesSettings:
        return FilesSettings(folder="/srv/exports", profile=str(place))

    before = settings()
    assert before == settings() and before.profile_digest
    place.write_text(dumped(FileProfile(name="x", learners=person_profile(file="*"))), encoding="utf-8")
    assert settings().profile_digest != before.profile_digest
    # What `config show` prints may be read back.
    assert FilesSettings.model_validate(before.model_dump()).profile_digest == settings().profile_digest
    assert FilesSettings(folder="/x", profile="/nowhere").profile_digest == ""
    assert AmmonSettings(folder="/x", profile="builtin:ammon-demo").profile_digest
    assert ProfileSettings(url="https://x.example", profile="builtin:demo").profile_digest


def test_a_profile_without_speakers_reads_the_rest(tmp_path: Path) -> None:
    place = tmp_path / "school.toml"
    place.write_text(dumped(FileProfile(name="x", learners=person_profile(file="*personnes*"))), "utf-8")
    (tmp_path / "personnes.csv").write_text(PEOPLE, encoding="utf-8")
    client: Any = connector.open(
        FilesSettings(folder=str(tmp_path), profile=str(place), settle_seconds=0, oldest_hours=0),
        surroundings(),
    )

    async def run() -> dict[str, tuple[bool, int]]:
        scope = Scope(first=date(2026, 9, 14), last=date(2026, 9, 20), zone=PARIS)
        found = {kind: await client.listing(kind, scope) for kind in KINDS}
        return {kind: (one.complete, len(one.entries)) for kind, one in found.items()}

    told = asyncio.run(run())
    assert told == {"speaker": (True, 0), "learner": (True, 5), "group": (True, 0), "sheet": (True, 0)}
    off = {one.name for one in client.capabilities if not one.on}
    assert off == {"read speakers", "read groups", "read sheets", "write absences"}
