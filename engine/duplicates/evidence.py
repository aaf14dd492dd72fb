"""Why two people may be one, or may not: each field's share in words, the strongest reason for and against."""

from __future__ import annotations

from typing import Literal

from engine.duplicates.scoring import CERTAIN, LIKELY, POSSIBLE, Pair, Person
from engine.records import Frozen
from engine.words import _

Zone = Literal["certain", "likely", "possible", "unlikely"]

_WORDS: dict[tuple[str, int], str] = {
    ("first", 5): _("the same first name"),
    ("first", 4): _("more or fewer of the same first names"),
    ("first", 3): _("first names a letter or a sound apart"),
    ("first", 2): _("first names alike"),
    ("first", 1): _("other first names"),
    ("first", 6): _("first names alike, but both are common here"),
    ("last", 5): _("the same last name"),
    ("last", 4): _("a shared part of the last name"),
    ("last", 3): _("last names a little or a sound apart"),
    ("last", 2): _("last names alike"),
    ("last", 1): _("other last names"),
    ("born", 4): _("the same birth date"),
    ("born", 3): _("birth dates a digit apart, or day and month changed over"),
    ("born", 2): _("birth dates close"),
    ("born", 1): _("other birth dates"),
    ("born", 5): _("the birth date of another first name"),
    ("email", 4): _("the same e-mail"),
    ("email", 6): _("the same mailbox on another domain"),
    ("email", 7): _("a mailbox made of the name, on another domain"),
    ("email", 3): _("e-mails two letters apart"),
    ("email", 2): _("e-mails alike"),
    ("email", 1): _("other e-mails"),
    ("email", 8): _("an address that several people use here"),
    ("email", 5): _("the e-mail of another first name"),
    ("phone", 3): _("the same phone"),
    ("phone", 2): _("phones a digit apart"),
    ("phone", 1): _("other phones"),
    ("phone", 4): _("the phone of another first name"),
    ("group", 2): _("the same group"),
    ("group", 1): _("other groups"),
    ("erp_id", 2): _("the same ERP id"),
    ("rarity", 1): _("a rare name here"),
    ("rarity", 2): _("a name somebody else may bear"),
    ("rarity", 3): _("a name others may bear"),
    ("rarity", 4): _("a common name here"),
    ("rarity", 5): _("a very common name here"),
}
_MISSING = _("missing on one side")

_SHOWN: dict[str, str] = {
    "first": "first_name",
    "last": "last_name",
    "born": "born",
    "email": "email",
    "phone": "phone",
    "group": "group",
    "erp_id": "erp_id",
}
"""The value of a person that a field compares."""


class Evidence(Frozen):
    """One field of a pair: both values as typed, what they come to, and the bits that adds."""

    field: str
    left: str = ""
    right: str = ""
    level: int
    bits: float
    words: str


class Verdict(Frozen):
    """What a pair's evidence comes to. `strongest_for` and `strongest_against` are "" where there is none."""

    zone: Zone
    twin: bool
    strongest_for: str
    strongest_against: str
    evidence: tuple[Evidence, ...]


def zone(pair: Pair) -> Zone:
    """How sure a pair is; only one that the guarded rule would link is certain."""
    if pair.may_link and not pair.twin:
        return "certain"
    if pair.score >= LIKELY:
        return "likely"
    return "possible" if pair.score >= POSSIBLE else "unlikely"


def verdict(pair: Pair, left: Person, right: Person) -> Verdict:
    """The evidence of a pair, in the order of its fields."""
    lines = tuple(
        Evidence(
            field=point.field,
            left=_value(left, point.field),
            right=_value(right, point.field),
            level=point.level,
            bits=point.bits,
            words=_WORDS.get((point.field, point.level), _MISSING),
        )
        for point in pair.points
    )
    heaviest = max(lines, key=lambda line: line.bits)
    lightest = min(lines, key=lambda line: line.bits)
    return Verdict(
        zone=zone(pair),
        twin=pair.twin,
        strongest_for=heaviest.words if heaviest.bits > 0 else "",
        strongest_against=lightest.words if lightest.bits < 0 else "",
        evidence=lines,
    )


def odds(score: float) -> str:
    """A score as odds a person can read."""
    if abs(score) < 0.5:
        return _("even odds")
    to_one = round(2 ** min(abs(score), CERTAIN * 4))
    return _("about {n} to 1").format(n=to_one) if score > 0 else _("about 1 to {n}").format(n=to_one)


def _value(person: Person, field: str) -> str:
    name = _SHOWN.get(field)
    return str(getattr(person, name)) if name else ""
