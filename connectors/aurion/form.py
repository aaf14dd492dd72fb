"""The list by which a school's people bring absences into Auriga: no document shows a way to write them.

Whether Auriga imports such a file is unknown; it names the intervention and the learner by Auriga's own ids.
"""

from __future__ import annotations

import csv
import io
from datetime import datetime
from zoneinfo import ZoneInfo

from engine.attendance import FormRow
from engine.clock import Clock
from engine.printable import printable

HEADINGS = (
    "interventionId", "date", "start", "end", "title", "personId", "lastName", "firstName", "email", "state",
    "minutesLate", "minutesLeftEarly", "justified", "reason", "comment",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@")


class AurionForm:
    """`engine.ports.AttendanceForm`: CSV with semicolons, UTF-8 with its mark, times of the school."""

    def __init__(self, zone: str, clock: Clock) -> None:
        self._zone = ZoneInfo(zone)
        self._clock = clock

    def form(self, rows: tuple[FormRow, ...]) -> tuple[str, bytes]:
        """(file name, content), one line per attendance, in the order given."""
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
        writer.writerow(HEADINGS)
        for row in rows:
            writer.writerow([_plain(text) for text in self._said(row)])
        day = self._clock.now().astimezone(self._zone).date()
        return f"auriga-absences-{day.isoformat()}.csv", out.getvalue().encode("utf-8-sig")

    def _said(self, row: FormRow) -> tuple[str, ...]:
        one, session, person = row.attendance, row.session, row.person
        return (
            session.id,
            self._local(session.start, "%d/%m/%Y"),
            self._local(session.start, "%H:%M"),
            self._local(session.end, "%H:%M"),
            session.name,
            person.id,
            person.last_name,
            person.first_name,
            person.email,
            one.state,
            str(one.late or ""),
            str(one.left_early or ""),
            "true" if one.justified else "false",
            row.reason_name,
            one.comment,
        )

    def _local(self, at: datetime | None, form: str) -> str:
        return "" if at is None else at.astimezone(self._zone).strftime(form)


def _plain(text: str) -> str:
    """Text as a cell that no spreadsheet runs as a formula."""
    shown = printable(text)
    return "'" + shown if shown.startswith(_FORMULA) else shown
