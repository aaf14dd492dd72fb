"""Rosters of invented people of whom some stand twice, typed as people type, with who is who.

Beside real doubles they hold what must not be taken for one: twins, families with one mailbox, namesakes.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from connectors.simulation.names import (
    TWINS,
    Draw,
    Mailboxes,
    birth_date,
    first_name,
    last_name,
    phone_number,
    phone_spelling,
    plain,
)
from engine.duplicates.scoring import Pair, Person

_DOUBLED = 0.05
_TWINS, _FAMILIES, _NAMESAKES = 0.006, 0.01, 0.004
_NEAR = {"a": "z", "e": "r", "i": "o", "o": "i", "n": "b", "r": "t", "t": "r", "l": "k", "s": "d", "m": "l"}


@dataclass
class Roster:
    """`same`: the pairs of ids that are one person, each in order."""

    people: list[Person] = field(default_factory=list)
    same: set[tuple[str, str]] = field(default_factory=set)


def roster(seed: int, size: int) -> Roster:
    """A roster of about `size` rows, always the same for a seed."""
    return _Maker(seed).made(size)


def quality(found: tuple[Pair, ...], same: set[tuple[str, str]]) -> tuple[float, float]:
    """Precision and recall of the pairs found."""
    pairs = {(min(p.left, p.right), max(p.left, p.right)) for p in found}
    hits = len(pairs & same)
    return hits / max(len(pairs), 1), hits / max(len(same), 1)


class _Maker:
    def __init__(self, seed: int) -> None:
        self.draw = Draw(random.Random(f"roster:{seed}"))
        self.mail = Mailboxes(self.draw)
        self.made_so_far = Roster()

    def made(self, size: int) -> Roster:
        while len(self.made_so_far.people) < size:
            one = self._somebody()
            self._enter(one)
            if self.draw.chance(_DOUBLED):
                self._enter(self._again(one), same=True)
            elif self.draw.chance(_TWINS):
                self._enter({**self._somebody(), **_twin(self.draw, one)})
            elif self.draw.chance(_FAMILIES):
                shared = {name: one[name] for name in ("last_name", "email", "phone")}
                self._enter({**self._somebody(), **shared})
            elif self.draw.chance(_NAMESAKES):
                names = {name: one[name] for name in ("last_name", "first_name")}
                self._enter({**self._somebody(), **names})
        return self.made_so_far

    def _enter(self, given: dict[str, Any], same: bool = False) -> None:
        number = len(self.made_so_far.people)
        person = Person(id=f"R{number:06d}", side="erp" if self.draw.chance(0.6) else "edusign", **given)
        if person.side == "edusign":
            person = person.model_copy(update=self._forgotten())
        self.made_so_far.people.append(person)
        if same:
            self.made_so_far.same.add((self.made_so_far.people[-2].id, person.id))

    def _forgotten(self) -> dict[str, str]:
        """What Edusign seldom knows of somebody."""
        gone = {"born": 0.7, "phone": 0.5}
        return {name: "" for name, share in gone.items() if self.draw.chance(share)}

    def _somebody(self) -> dict[str, Any]:
        draw = self.draw
        last, first = last_name(draw), first_name(draw)
        born = birth_date(draw, 1998, 12)
        phone = phone_spelling(draw, phone_number(draw)) if draw.chance(0.7) else ""
        email = self.mail.personal(last, first, born) if draw.chance(0.95) else ""
        group = f"G{draw.below(60):02d}"
        return {
            "last_name": last, "first_name": first, "born": born.isoformat(), "email": email, "phone": phone,
            "group": group,
        }  # fmt: skip

    def _again(self, one: dict[str, Any]) -> dict[str, Any]:
        """The same person typed a second time."""
        again = dict(one)
        for slip in (self._slip(), self._slip()) if self.draw.chance(0.4) else (self._slip(),):
            slip(again)
        return again

    def _slip(self) -> Any:
        draw = self.draw

        def capitals(p: dict[str, Any]) -> None:
            p["last_name"] = p["last_name"].upper()

        def no_accents(p: dict[str, Any]) -> None:
            p["first_name"], p["last_name"] = plain(p["first_name"]).title(), plain(p["last_name"]).title()

        def changed_over(p: dict[str, Any]) -> None:
            p["first_name"], p["last_name"] = p["last_name"], p["first_name"]

        def letter(p: dict[str, Any]) -> None:
            p["last_name"] = _typo(draw, p["last_name"])

        def letter_of_the_first(p: dict[str, Any]) -> None:
            p["first_name"] = _typo(draw, p["first_name"])

        def other_mailbox(p: dict[str, Any]) -> None:
            p["email"] = self.mail.school(p["last_name"], p["first_name"], "etu.campus.example")

        def no_mailbox(p: dict[str, Any]) -> None:
            p["email"] = ""

        def married(p: dict[str, Any]) -> None:
            p["last_name"] = f"{p['last_name']}-{last_name(draw)}"

        slips = (
            capitals, no_accents, changed_over, letter, letter_of_the_first, other_mailbox, no_mailbox, married,
        )  # fmt: skip
        return draw.pick(slips)


def _twin(draw: Draw, one: dict[str, Any]) -> dict[str, Any]:
    names = [name for pair in TWINS for name in pair if name != one["first_name"]]
    shared = {name: one[name] for name in ("last_name", "born", "phone")}
    return {**shared, "first_name": draw.pick(names)}


def _typo(draw: Draw, text: str) -> str:
    if len(text) < 4:
        return text
    at = 1 + draw.below(len(text) - 2)
    turn = draw.below(3)
    if turn == 0:
        return text[:at] + text[at + 1 :]
    if turn == 1:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + _NEAR.get(text[at], "e") + text[at + 1 :]
