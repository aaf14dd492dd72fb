"""What becomes of absences in a simulated school: sheets closed at night, justifications, an ERP's office that
enters, justifies and strikes absences itself, and a teacher who corrects a sheet.

The office takes part where the ERP takes absences from a sync (`ErpStore.takes_absences`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import pairwise
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from connectors.edusign.simulator import EdusignSimulator
from connectors.edusign.simulator.store import Row
from connectors.simulation.attendance import Attendance
from connectors.simulation.control import ControlError
from connectors.simulation.names import Draw

CLOSES = time(16, 45)
"""When the day's sheets are locked."""
OFFICE_OPENS = time(8, 45)
"""When the ERP's office and the school's go over the day before."""
BEFORE_THE_EXPORT = time(20, 0)

FEWEST_SHEETS = 4
"""On a day with fewer sheets nothing out of the ordinary happens."""


class ErpSide(Protocol):
    """What is asked of an ERP's simulator."""

    @property
    def hands(self) -> Mapping[str, Callable[..., Any]]: ...

    def dump(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Deed:
    """Something that happens at an instant (UTC)."""

    at: datetime
    do: Callable[[], Any]


def office_rows(dump: Mapping[str, Any]) -> list[int]:
    """The numbers of the absences that an ERP's office can edit, in the order they were made; none where the
    ERP takes no absences from a sync."""
    told = dump["neutral"]
    if not told.get("takes_absences"):
        return []
    return [int(row["code"]) for row in told["absences"] if row["removed"] is None]


class Absentees:
    """The people around the absences of one school. `identity_of` tells a learner's hidden identity by Edusign
    id; `draw` decides what they do."""

    def __init__(
        self,
        erp: ErpSide,
        edusign: EdusignSimulator,
        attendance: Attendance,
        draw: Draw,
        zone: str,
    ) -> None:
        self._erp = erp
        self._edusign = edusign
        self._attendance = attendance
        self._draw = draw
        self._zone = ZoneInfo(zone)
        self._asked: list[str] = []
        self._touched: set[int] = set()

    def deeds(self, days: list[date]) -> list[Deed]:
        """Everything that happens on these days, in order of time."""
        found: list[Deed] = []
        for day in days:
            found.append(Deed(self._at(day, CLOSES), lambda day=day: self.close(day)))  # type: ignore[misc]
            found.append(
                Deed(self._at(day, BEFORE_THE_EXPORT), lambda day=day: self.enter(day))  # type: ignore[misc]
            )
        for before, day in pairwise(days):
            found.append(
                Deed(self._at(day, OFFICE_OPENS), lambda day=before: self.go_over(day))  # type: ignore[misc]
            )
            found.append(Deed(self._at(day, time(15, 0)), self.accept))
        return sorted(found, key=lambda deed: deed.at)

    def close(self, day: date) -> None:
        """The roll is called on all sheets of the day but one, and all are locked."""
        sheets = self._over(day)
        if len(sheets) >= FEWEST_SHEETS:
            self._edusign.hand.lock(self._draw.pick(sheets).id, who="edusign:locked_uncalled")
        self._attendance.call(day)
        self._attendance.close(day)

    def enter(self, day: date) -> None:
        """Before the export comes, the office enters an absence it was told of on the telephone."""
        away = self._away(day)
        if not away or not self._told().get("takes_absences"):
            return
        sheet, learner = self._draw.pick(away)
        start, end = (
            datetime.fromisoformat(sheet.fields[name]).astimezone(self._zone) for name in ("START", "END")
        )
        self._office(
            "record_absence",
            identity=self._identity(learner, self._known()),
            start=f"{start:%Y-%m-%dT%H:%M}",
            end=f"{end:%Y-%m-%dT%H:%M}",
            justified=True,
        )

    def go_over(self, day: date) -> None:
        """The morning after: the office corrects rows, justifications come in, a teacher corrects a sheet."""
        codes = [code for code in office_rows(self._erp.dump()) if code not in self._touched]
        self._draw.shuffle(codes)
        for code, action in zip(codes, ("justify", "strike"), strict=False):
            self._touched.add(code)
            if action == "justify":
                self._office("change_absence", code=code, justified=True, reason="Maladie")
            else:
                self._office("remove_absence", code=code)
        away = self._away(day)
        self._draw.shuffle(away)
        for sheet, learner in away[:1]:
            self._edusign.hand.unlock(sheet.id, who="edusign:corrected")
            self._edusign.hand.sign(sheet.id, learner=learner, who="edusign:corrected")
            self._edusign.hand.lock(sheet.id, who="edusign:corrected")
        for number, (sheet, learner) in enumerate(away[1:4]):
            status = "pending" if number == 1 else "accepted"
            id = self._edusign.hand.justify(learner, sheet=sheet.id, status=status, who="edusign:justified")
            if status == "pending":
                self._asked.append(id)

    def accept(self) -> None:
        """What learners asked for is accepted."""
        for id in self._asked:
            self._edusign.hand.answer(id, "accepted", who="edusign:justified")
        self._asked.clear()

    # Whom and when

    def _over(self, day: date) -> list[Row]:
        """The sheets of the day that are over, neither signed nor locked."""
        now = self._edusign.control.now()
        return [
            one
            for one in self._attendance.sheets(day)
            if datetime.fromisoformat(one.fields["END"]) <= now and not one.signed and not one.fields["LOCKED"]
        ]

    def _away(self, day: date) -> list[tuple[Row, str]]:
        """(sheet, learner's Edusign id) of those absent from locked sheets of the day whose roll was called."""
        known = self._known()
        return [
            (sheet, state["studentId"])
            for sheet in self._attendance.sheets(day)
            if sheet.fields["LOCKED"] and sheet.signed
            for state in sheet.fields["STUDENTS"]
            if not state["state"] and self._identity(state["studentId"], known)
        ]

    def _known(self) -> dict[str, str]:
        """Hidden identities of the ERP's learners, by its keys."""
        return {one["code"]: one["identity"] for one in self._told()["learners"]}

    def _identity(self, learner: str, known: Mapping[str, str]) -> str:
        """A learner's hidden identity, by the key the sync gave; "" where the ERP has nobody."""
        row = self._edusign.store.rows["learner"][learner]
        if not row.identity.startswith("api:"):
            return row.identity
        return known.get(row.identity.partition("/")[2].partition("#")[0], "")

    def _told(self) -> dict[str, Any]:
        """The ERP's rows in neutral words."""
        told: dict[str, Any] = self._erp.dump()["neutral"]
        return told

    def _office(self, action: str, **order: Any) -> None:
        """An order that makes no sense, of somebody who left meanwhile, is not carried out."""
        try:
            self._erp.hands[action](**order, who="erp:office")
        except ControlError:
            return

    def _at(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, self._zone).astimezone(UTC)
