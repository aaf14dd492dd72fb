"""What happens on the sheets of a simulated Edusign on a school day: signing, being late, locking."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from zoneinfo import ZoneInfo

from connectors.edusign.simulator import EdusignSimulator
from connectors.edusign.simulator.store import Row, signature_field
from connectors.simulation.names import Draw

ABSENT, LATE = 0.08, 0.04
"""Shares of a sheet's learners."""


class Attendance:
    """The people in the classrooms of one Edusign school, whose days are those of `zone`."""

    def __init__(self, edusign: EdusignSimulator, draw: Draw, zone: str) -> None:
        self._edusign = edusign
        self._draw = draw
        self._zone = ZoneInfo(zone)
        self._uncalled: set[str] = set()

    def today(self) -> date:
        """The school's date."""
        return self._edusign.control.now().astimezone(self._zone).date()

    def sheets(self, day: date) -> list[Row]:
        """The sheets that begin on a local date, by start."""
        rows = self._edusign.store.rows["sheet"].values()
        return sorted(
            (row for row in rows if _at(row, "START").astimezone(self._zone).date() == day),
            key=lambda row: (row.fields["START"], row.number),
        )

    def call(self, day: date) -> None:
        """On each sheet of the day that has begun, unsigned: the speaker signs, and all but a few learners."""
        for sheet in self._begun(self.sheets(day)):
            if sheet.signed or sheet.id in self._uncalled:
                continue
            self._speaker_signs(sheet)
            for learner in sheet.member_ids:
                if not self._draw.chance(ABSENT):
                    self._arrives(sheet, learner)

    def leave_open(self, day: date, many: int) -> None:
        """Nobody calls the roll on so many sheets of the day: the last ones of more than as many."""
        sheets = self.sheets(day)
        self._uncalled |= {sheet.id for sheet in sheets[-many:] if len(sheets) > many}

    def left_open(self, day: date) -> list[Row]:
        """The sheets of the day whose roll nobody called, still open."""
        return [one for one in self.sheets(day) if one.id in self._uncalled and not one.fields["LOCKED"]]

    def away(self, day: date) -> list[tuple[Row, str]]:
        """(sheet, learner's Edusign id) of those absent from the day's locked sheets."""
        return [
            (sheet, state["studentId"])
            for sheet in self.sheets(day)
            if sheet.fields["LOCKED"] and sheet.signed
            for state in sheet.fields["STUDENTS"]
            if not state["state"]
        ]

    def close(self, day: date) -> None:
        """Lock the sheets of the day that are over."""
        now = self._edusign.control.now()
        for sheet in self.sheets(day):
            if _at(sheet, "END") <= now and not sheet.fields["LOCKED"] and sheet.id not in self._uncalled:
                self._edusign.hand.lock(sheet.id, who="edusign:attendance")

    def next_one(self) -> bool:
        """One more signature on a sheet under way; False when there is nobody left to sign."""
        now = self._edusign.control.now()
        under_way = [sheet for sheet in self._begun(self.sheets(self.today())) if _at(sheet, "END") > now]
        self._draw.shuffle(under_way)
        for sheet in under_way:
            if self._speaker_signs(sheet):
                return True
            missing = [state["studentId"] for state in sheet.fields["STUDENTS"] if not state["state"]]
            if missing:
                self._arrives(sheet, self._draw.pick(missing))
                return True
        return False

    def _begun(self, sheets: Iterable[Row]) -> list[Row]:
        now = self._edusign.control.now()
        return [sheet for sheet in sheets if _at(sheet, "START") <= now and not sheet.fields["LOCKED"]]

    def _speaker_signs(self, sheet: Row) -> bool:
        for slot, speaker in sorted(sheet.slots().items()):
            if speaker and not sheet.fields.get(signature_field(slot)):
                self._edusign.hand.sign(sheet.id, speaker=speaker, who="edusign:attendance")
                return True
        return False

    def _arrives(self, sheet: Row, learner: str) -> None:
        if self._draw.chance(LATE):
            minutes = 5 + 5 * self._draw.below(5)
            self._edusign.hand.late(sheet.id, learner, minutes, who="edusign:attendance")
        else:
            self._edusign.hand.sign(sheet.id, learner=learner, who="edusign:attendance")


def _at(sheet: Row, field: str) -> datetime:
    return datetime.fromisoformat(sheet.fields[field])
