"""Absences as either interface writes them: a learner's interval, found again by the same three values."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from connectors.hyperplanning.simulator.store import Store
from connectors.hyperplanning.simulator.switches import HyperplanningSwitches
from connectors.simulation.erp_rows import AbsenceRow, LearnerRow


class Refused(Exception):
    """An order the server refuses; `status` where it is known, None for the one of the switches."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Absences:
    """Writes into the store's book of absences."""

    def __init__(self, store: Store, switches: HyperplanningSwitches) -> None:
        self._store = store
        self._switches = switches

    def between(self, first: date, last: date, late: bool = False) -> list[AbsenceRow]:
        """The absences, or latenesses, that touch these days."""
        return [
            one
            for one in self._store.standing()
            if one.state in (("late",) if late else ("absent", "excluded", "left_early"))
            and one.identity in self._store.learners
            and one.first.date() <= last
            and one.last.date() >= first
        ]

    def one(self, key: str) -> AbsenceRow | None:
        return next((one for one in self._store.standing() if str(one.code) == key), None)

    def add(self, route: str, *, learner: str, first: datetime, last: datetime, justified: bool) -> int:
        """Enter an absence; its key. Raises Refused."""
        person = self._person(learner)
        if last <= first:
            raise Refused("la fin précède le début")
        same = self._same(person, first, last)
        if same is not None and self._switches.same_absence == "refused":
            raise Refused("cette absence existe déjà")
        if same is not None and self._switches.same_absence == "merged":
            self._store.rewrite_absence(route, same, justified=justified)
            return same.code
        row = self._store.write_absence(
            route, identity=person.identity, first=first, last=last, justified=justified
        )
        return row.code

    def remove(self, route: str, *, learner: str, first: datetime, last: datetime) -> None:
        """Take an absence away. Raises Refused where there is none of this interval."""
        person = self._person(learner)
        same = self._same(person, first, last)
        if same is None:
            raise Refused("aucune absence sur cet intervalle")
        self._store.erase_absence(route, same)

    def add_late(self, route: str, *, learner: str, first: datetime, minutes: int, justified: bool) -> int:
        """Enter a lateness; its key. Raises Refused."""
        person = self._person(learner)
        if minutes <= 0:
            raise Refused("durée incorrecte")
        row = self._store.write_absence(
            route,
            identity=person.identity,
            first=first,
            last=first + timedelta(minutes=minutes),
            state="late",
            minutes=minutes,
            justified=justified,
        )
        return row.code

    def remove_late(self, route: str, key: str) -> None:
        """Take a lateness away. Raises Refused."""
        self._may_write()
        row = self.one(key)
        if row is None or row.state != "late":
            raise Refused("retard inconnu", 404)
        self._store.erase_absence(route, row)

    def _same(self, person: LearnerRow, first: datetime, last: datetime) -> AbsenceRow | None:
        return next(
            (
                one
                for one in self._store.standing(person.identity)
                if one.state != "late" and (one.first, one.last) == (first, last)
            ),
            None,
        )

    def _person(self, key: str) -> LearnerRow:
        self._may_write()
        for one in self._store.listed():
            if str(one.code) == key:
                return one
        raise Refused("étudiant inconnu", 404)

    def _may_write(self) -> None:
        if not self._switches.write_right:
            raise Refused("droits insuffisants", 403)
