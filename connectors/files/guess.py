"""Which heading is what, guessed from headings and first values; and each row rated before anything is saved.

Three levels, as Edusign's own import has them: Valid; Warning, taken over though something optional is
missing or odd; Error, not taken over. Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from email_validator import EmailNotValidError, validate_email

from connectors.files import mapping
from connectors.files.profile import TableProfile
from connectors.files.tables import Table
from connectors.tabular import records
from connectors.tabular.fields import FIELDS, NEEDED, Conventions, Sort
from connectors.tabular.records import Row
from engine.records import Entry, Sheet, folded
from engine.words import _

Level = Literal["valid", "warning", "error"]

_LOOKED_AT = 50
"""First rows, by which values are told."""
_MOST = 0.6
"""So much of a column's values must look like it."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"[+(]?\d[\d\s.()/-]{7,}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d.*|\d{1,2}[/-]\d{1,2}[/-]\d{2,4}.*")
_TIME = re.compile(r"\d{1,2}[:hH]\d{0,2}(:\d\d)?")

_WORDS: Mapping[str, tuple[str, ...]] = {
    "key": ("crefext", "identifiant", "id", "code", "numero", "matricule", "reference", "ref", "key", "uid"),
    "last_name": ("nom", "nom de famille", "last name", "lastname", "last", "surname", "per cnom"),
    "first_name": ("prenom", "first name", "firstname", "first", "given name", "per cprenom"),
    "email": ("email", "e mail", "mail", "courriel", "adresse mail", "adresse e mail", "psl cemail"),
    "phone": ("telephone", "tel", "portable", "mobile", "phone", "gsm", "psl ctelport"),
    "groups": ("groupe", "groupes", "classe", "promotion", "action", "actions", "group", "population code"),
    "name": ("libelle", "intitule", "matiere", "cours", "module", "name", "title", "libelle action", "subject"),
    "date": ("date", "jour", "day", "date seance"),
    "start": ("debut", "heure debut", "start", "heure de debut", "startdatetime", "de", "begin"),
    "end": ("fin", "heure fin", "end", "heure de fin", "enddatetime", "a"),
    "room": ("salle", "salles", "room", "lieu"),
    "speakers": ("intervenant", "intervenants", "formateur", "formateurs", "enseignant", "trainer"),
    "learners": ("stagiaire", "stagiaires", "apprenant", "apprenants", "etudiant", "etudiants", "learner id"),
    "cancelled": ("annule", "annulee", "cancelled", "supprime"),
    "learner": ("crefext", "stagiaire", "apprenant", "code stagiaire", "learner id"),
    "group": ("code action", "groupe", "action", "classe", "code groupe"),
}  # fmt: skip
"""Headings seen or to be expected, folded, the likeliest first."""

_LOOKS: Mapping[str, re.Pattern[str]] = {
    "email": _EMAIL,
    "phone": _PHONE,
    "date": _DATE,
    "start": re.compile(f"{_TIME.pattern}|{_DATE.pattern}"),
    "end": re.compile(f"{_TIME.pattern}|{_DATE.pattern}"),
}


@dataclass(frozen=True)
class Rated:
    """One row: how good it is, and why it is not better."""

    line: int
    level: Level
    cells: tuple[str, ...]
    reasons: tuple[str, ...] = ()


def guess(table: Table, sort: Sort) -> dict[str, str]:
    """Our field → the heading it is probably under; fields with no likely heading are left out."""
    scores: list[tuple[float, int, int]] = []
    fields = FIELDS[sort]
    for f, field in enumerate(fields):
        for h, heading in enumerate(table.headings):
            score = _score(field, heading, [row[h] for row in table.rows[:_LOOKED_AT]])
            if score > 0:
                scores.append((-score, f, h))
    found: dict[str, str] = {}
    taken: set[int] = set()
    for f, h in (place[1:] for place in sorted(scores)):
        if fields[f] not in found and h not in taken:
            found[fields[f]] = table.headings[h]
            taken.add(h)
    return {field: found[field] for field in fields if field in found}


def _score(field: str, heading: str, values: Sequence[str]) -> float:
    said = " ".join(re.sub(r"[^a-z0-9]+", " ", folded(heading)).split())
    words = _WORDS.get(field, ())
    given = [value.strip() for value in values if value.strip()]
    looks = _LOOKS.get(field)
    fits = sum(1 for value in given if looks.fullmatch(value)) / len(given) if looks and given else 0.0
    if looks and given and fits < _MOST:
        return 0.0  # whatever it is called, this is none
    if said in words:
        return 3.0 - words.index(said) / 20 + fits
    if any(re.search(rf"\b{re.escape(word)}\b", said) for word in words if len(word) > 2):
        return 1.5 + fits
    return 1.0 + fits if field == "email" and fits >= _MOST else 0.0


def missing(columns: Mapping[str, str], sort: Sort) -> list[str]:
    """Fields a table must have that no heading was found for."""
    return [field for field in NEEDED[sort] if not columns.get(field)]


def preview(
    table: Table, sort: Sort, profile: TableProfile, conventions: Conventions, zone: str
) -> list[Rated]:
    """Every row the profile means, rated. Raises HeadingGone."""
    found = mapping.rows(table, profile, conventions, "")
    keys = Counter(row.text("key") for row in found)
    twice = frozenset(key for key, times in keys.items() if times > 1) if sort in _ONE_ROW_EACH else frozenset()
    return [_rated(row, sort, conventions, zone, twice) for row in found]


_ONE_ROW_EACH: frozenset[Sort] = frozenset({"learners", "speakers", "groups"})


def _rated(row: Row, sort: Sort, conventions: Conventions, zone: str, twice: frozenset[str]) -> Rated:
    errors = [_("no {field}").format(field=field) for field in NEEDED[sort] if not row.text(field)]
    if row.text("key") in twice:
        errors.append(_("key {key} stands twice").format(key=row.text("key")))
    warnings = [_("{field} was probably cut").format(field=field) for field in row.cut]
    warnings += [
        _("{field} begins like a formula").format(field=field)
        for field, cell in row.fields.items()
        if cell.lstrip().startswith(("=", "@"))
    ]
    if sort in ("learners", "speakers"):
        address = row.text("email")
        if address and not _is_email(address):
            errors.append(_("{email} is no e-mail address").format(email=address))
        warnings += (
            [_("no {field}").format(field="phone")] if "phone" in row.fields and not row.text("phone") else []
        )
    if sort == "sessions":
        (entry,) = records.sessions([row], zone, conventions, None)
        errors += _problems(entry, rows=True)
        warnings += _problems(entry, rows=False)
        record = entry.record
        assert isinstance(record, Sheet)
        warnings += [_("nobody on it")] if not record.learners and not record.groups else []
        warnings += [_("no speaker")] if not record.speakers else []
    level: Level = "error" if errors else "warning" if warnings else "valid"
    return Rated(row.line, level, tuple(row.fields.values()), (*errors, *warnings))


def _problems(entry: Entry, *, rows: bool) -> list[str]:
    return [
        f"{problem.code.replace('_', ' ')} {problem.evidence}".strip()
        for problem in entry.problems
        if problem.row is rows and problem.code != "maybe_truncated"
    ]


def _is_email(text: str) -> bool:
    try:
        validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True


def counts(rated: Iterable[Rated]) -> dict[Level, int]:
    """How many rows there are of each level."""
    found = Counter(one.level for one in rated)
    return {"valid": found["valid"], "warning": found["warning"], "error": found["error"]}
