"""The file by which a school's people bring absences into an ERP that takes no write.

Semicolons, a mark of UTF-8 and the profile's own spelling of dates and booleans, so that both the ERP's import
and a spreadsheet read it. Text that a spreadsheet would run as a formula is kept from being one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from connectors.files.profile import BadProfile, FormProfile
from engine.attendance import FormRow
from engine.ports import Surroundings

DEFAULT: Mapping[str, str] = {
    "session": "session",
    "date": "date",
    "start": "start",
    "end": "end",
    "person": "person",
    "last_name": "last_name",
    "first_name": "first_name",
    "state": "state",
    "minutes_late": "minutes_late",
    "minutes_left_early": "minutes_left_early",
    "justified": "justified",
    "reason": "reason",
}
"""What there is to say, and the headings where the profile names none."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class FilesForm:
    """`engine.ports.AttendanceForm` by a profile."""

    def __init__(self, profile: FormProfile, surroundings: Surroundings) -> None:
        """Raises BadProfile where a column asks for what there is not."""
        self._profile = profile
        self._columns = profile.columns or {heading: what for what, heading in DEFAULT.items()}
        self._zone = ZoneInfo(surroundings.zone)
        self._clock = surroundings.clock
        if strange := [what for what in self._columns.values() if what not in DEFAULT]:
            raise BadProfile(f"form.columns: no {strange[0]}; there are {', '.join(DEFAULT)}")

    def form(self, rows: tuple[FormRow, ...]) -> tuple[str, bytes]:
        """(file name, content), one line per attendance, in the order given."""
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=self._profile.between, lineterminator="\r\n")
        writer.writerow(self._columns)
        for row in rows:
            said = self._said(row)
            writer.writerow([said[what] for what in self._columns.values()])
        today = self._clock.now().astimezone(self._zone)
        name = self._profile.name.replace("{date}", f"{today:%Y-%m-%d}")
        return name, out.getvalue().encode("utf-8-sig")

    def _said(self, row: FormRow) -> dict[str, str]:
        one, session = row.attendance, row.session
        first, last = one.first or session.start, one.last or session.end
        return {
            "session": _plain(session.id),
            "date": self._local(session.start, self._profile.date),
            "start": self._local(first, self._profile.time),
            "end": self._local(last, self._profile.time),
            "person": _plain(row.person.id),
            "last_name": _plain(row.person.last_name),
            "first_name": _plain(row.person.first_name),
            "state": self._profile.states.get(one.state, one.state),
            "minutes_late": str(one.late or ""),
            "minutes_left_early": str(one.left_early or ""),
            "justified": self._profile.yes if one.justified else self._profile.no,
            "reason": _plain(row.reason_name),
        }

    def _local(self, at: datetime | None, form: str) -> str:
        return f"{at.astimezone(self._zone):{form}}" if at is not None else ""


def _plain(text: str) -> str:
    """Text from outside, never a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
