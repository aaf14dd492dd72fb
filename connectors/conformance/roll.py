"""Checks of how a connector writes absences: once, whatever happens, and read back from the ERP itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from connectors.conformance.bench import MONDAY, Bench, Played, Skipped, expect
from engine.attendance import Attendance, Standing
from engine.ports import ErpAttendance, Fault, FaultCode
from engine.records import Sheet

_FRIDAY_EVENING = datetime(2026, 11, 20, 18, tzinfo=UTC)
"""Sessions of the week were held."""


@dataclass
class Lesson:
    """A session that was held, and one learner of it who was not there."""

    played: Played
    attendance: ErpAttendance
    session: Sheet
    session_identity: str
    learner: str
    learner_identity: str
    reason: str

    @property
    def absent(self) -> Attendance:
        return Attendance(sheet=self.session.id, person=self.learner, state="absent", reason=self.reason)

    async def standing(self) -> Standing:
        """What the ERP holds of this learner now, as the connector reads it."""
        await self.played.erp.begin(self.played.scope)
        found = await self.attendance.standing((self.session,), self.played.scope)
        expect(found.complete, "what the ERP holds of a session", found.fault_line, "engine/ports.py: standing")
        mine = tuple(one for one in found.attendances if one.person == self.learner)
        return found.model_copy(update={"attendances": mine})

    def held(self) -> list[dict[str, Any]]:
        """The rows that the ERP really holds of the absence."""
        start, end = self.session.start, self.session.end
        assert start is not None and end is not None
        return [
            row
            for row in self.played.neutral()["absences"]
            if row["removed"] is None
            and row["identity"] == self.learner_identity
            and row["state"] == "absent"
            and (row["session"] == self.session_identity or _overlaps(row, start, end))
        ]

    def corrections(self) -> list[Attendance]:
        """How somebody noted absent is corrected, as far as the ERP can say it, each after an absence."""
        found = [self.absent]
        for carried, minutes in (("left_early", 20), ("late", 15)):
            if carried in self.attendance.carries:
                corrected = {"state": "present", carried: minutes}
                found += [self.absent.model_copy(update=corrected), self.absent]
        return [*found, self.absent.model_copy(update={"state": "present"})]

    async def write(self, standing: Standing, wanted: Attendance | None = None) -> None:
        """Write what is wanted, the absence unless said otherwise. Raises Fault."""
        await self.attendance.write(self.session, (wanted or self.absent,), standing.attendances)


async def timeout_after_commit(bench: Bench) -> None:
    """A write whose answer never comes is told as unknown, is sent once, and is found when looked up."""
    lesson = await _lesson(bench)
    standing = await lesson.standing()
    lesson.played.wire.mute = True
    fault: Fault | None = None
    try:
        await lesson.write(standing)
    except Fault as raised:
        fault = raised
    expect(
        fault is not None and fault.committed == "unknown" and fault.code is FaultCode.outcome_unknown,
        "outcome_unknown, which may have been done, where the answer to a write never came",
        "no fault" if fault is None else f"{fault.code.value}, committed {fault.committed}",
        "R37",
    )
    expect(len(lesson.held()) == 1, "one row in the ERP after an unanswered write", _rows(lesson), "R37")
    stood = [one.state for one in (await lesson.standing()).attendances]
    expect(stood == ["absent"], "the absence found when it is looked up", ", ".join(stood) or "nothing", "R37")


async def idempotent_write(bench: Bench) -> None:
    """The same absence written twice is one."""
    lesson = await _lesson(bench)
    await lesson.write(await lesson.standing())
    expect(len(lesson.held()) == 1, "one row in the ERP after a write", _rows(lesson), "engine/ports.py: write")
    others = _others(lesson)
    await lesson.write(await lesson.standing())
    expect(
        len(lesson.held()) == 1, "one row after the same write again", _rows(lesson), "engine/ports.py: write"
    )
    expect(_others(lesson) == others, "nobody else's rows touched", "others changed", "R26")


async def read_back(bench: Bench) -> None:
    """What stands is read from the ERP: what was written last is there, what a person took away is not."""
    lesson = await _lesson(bench)
    for wanted in lesson.corrections():
        await lesson.write(await lesson.standing(), wanted)
        stood = [_said(one) for one in (await lesson.standing()).attendances]
        due = ["absent"] if wanted.state == "absent" else [_said(wanted)]
        # Who was there throughout needs no row.
        held = stood == due or (due == ["present"] and not stood)
        expect(
            held, f"{due[0]}, as it was written last", ", ".join(stood) or "nothing", "engine/ports.py: write"
        )
    await lesson.write(await lesson.standing())
    for row in lesson.held():
        lesson.played.stand_in.hands["remove_absence"](code=int(row["code"]))
    left = [one.state for one in (await lesson.standing()).attendances]
    expect(
        "absent" not in left,
        "no absence once the ERP's people took it away",
        "the absence that was sent",
        "engine/ports.py: standing says what the ERP holds now; R26",
    )


async def _lesson(bench: Bench) -> Lesson:
    """A held session, and a learner of it of whom nothing is held. Raises Skipped where none are written."""
    played = bench.play(MONDAY, at=_FRIDAY_EVENING)
    attendance = played.erp.attendance
    if attendance is None or "absent" not in attendance.carries:
        raise Skipped(_why_not(played))
    sessions = {one["code"]: one for one in played.neutral()["sessions"]}
    people = {one["code"]: one["identity"] for one in played.neutral()["learners"] if not one["departed"]}
    listing = (await played.listings())["sheet"]
    for entry in listing.entries:
        sheet = entry.record
        if not isinstance(sheet, Sheet) or entry.ended or any(one.row for one in entry.problems):
            continue
        row = sessions.get(entry.id)
        known = [id for id in sorted(sheet.learners) if id in people]
        if row is None or not known or sheet.start is None or sheet.end is None:
            continue
        if (
            date.fromisoformat(row["local"]["day"]) <= MONDAY + timedelta(days=1)
            and sheet.end < _FRIDAY_EVENING
        ):
            who = known[0]
            reason = await _reason(attendance, bench.pair.fallback_reason)
            return Lesson(played, attendance, sheet, row["identity"], who, people[who], reason)
    expect(False, "a session of this week with its learners", listing.fault_line or "none", "R13")
    raise AssertionError("unreachable")


async def _reason(attendance: ErpAttendance, named: str) -> str:
    """The ERP's id of a reason named by its id or name."""
    return next((one.id for one in await attendance.reasons() if named in (one.id, one.name)), named)


def _why_not(played: Played) -> str:
    for one in played.erp.capabilities:
        if one.name.startswith("write") and one.why_off:
            return f"{one.name} is off: {one.why_off}"
    return "no capability of the connector writes absences"


def _others(lesson: Lesson) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = lesson.played.neutral()["absences"]
    return [row for row in rows if row["identity"] != lesson.learner_identity]


def _said(one: Attendance) -> str:
    """How somebody stood, in a word or two; minutes may be rounded by the ERP."""
    parts = [name for name, minutes in (("late", one.late), ("left early", one.left_early)) if minutes]
    return " and ".join(parts) or one.state


def _rows(lesson: Lesson) -> str:
    return f"{len(lesson.held())} rows"


def _overlaps(row: dict[str, Any], start: datetime, end: datetime) -> bool:
    if row["first_utc"] is None or row["last_utc"] is None:
        return False
    return datetime.fromisoformat(row["first_utc"]) < end and datetime.fromisoformat(row["last_utc"]) > start
