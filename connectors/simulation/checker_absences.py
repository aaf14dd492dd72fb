"""Whether the ERP holds what Edusign's locked sheets say, judged from raw dumps alone.

Not compared, and why: sheets that are not locked; sheets and justifications edited since the last export
began; people who left since, whose absences are reported by hand; and rows the ERP's people entered, changed
or struck, whose word stands. Of a sheet that was locked without any roll call nothing is to stand there,
unless a person approved it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.simulation.checker_raw import Dump, World, exact, moment

_OFFICE = frozenset({"absence", "change_absence", "remove_absence"})
_SIGNATURE = re.compile(r"PROFESSOR_SIGNATURE(_\d+)?")


@dataclass(frozen=True)
class HeldAbsence:
    """One row of the ERP: whose, from when to when (UTC), whether it is justified, and whether a lateness."""

    code: str
    identity: str
    first: datetime
    last: datetime
    justified: bool
    late: bool

    def overlaps(self, start: datetime, end: datetime) -> bool:
        return self.first < end and self.last > start


def held_absences(dump: Dump) -> list[HeldAbsence] | None:
    """What stands in an ERP; None where it takes no absences, or nobody can read its dump's."""
    if "neutral" in dump:
        if not dump["neutral"].get("takes_absences"):
            return None
        return [_held(row) for row in dump["neutral"]["absences"] if row["removed"] is None]
    if dump["system"] == "ypareo":
        return _ypareo(dump)
    return None


def _ypareo(dump: Dump) -> list[HeldAbsence]:
    """Yparéo's own words."""

    def placed(day: str, minutes: int) -> datetime:
        local = datetime.combine(datetime.strptime(day, "%d/%m/%Y").date(), time())  # noqa: DTZ007 wall time
        return _utc(local + timedelta(minutes=minutes), dump)

    return [
        HeldAbsence(
            code=str(row["codeAbsence"]),
            identity=row["identity"],
            first=placed(row["dateDeb"], row["heureDeb"]),
            last=placed(row["dateFin"], row["heureFin"]),
            justified=bool(row["isJustifie"]),
            late=bool(row["isRetard"]),
        )
        for row in dump["absences"]
    ]


def _held(row: Mapping[str, Any]) -> HeldAbsence:
    return HeldAbsence(
        code=row["code"],
        identity=row["identity"],
        first=moment(row["first_utc"]),
        last=moment(row["last_utc"]),
        justified=row["justified"],
        late=row["state"] == "late",
    )


@dataclass(frozen=True)
class Exported:
    """The last export: when it began, and how many days back it looked. `approved`: (session's ERP key,
    learner's ERP key) of roll calls that people said were none and everybody absent."""

    started: datetime
    back_days: int
    approved: frozenset[tuple[str, str]] = frozenset()


def absence_complaints(world: World, erp: Dump, edusign: Dump, our_type: str, exported: Exported) -> list[str]:
    """One line per attendance that is not in the ERP as a locked sheet says, nor explained."""
    return list(_Absences(world, erp, edusign, our_type, exported).lines())


class _Absences:
    def __init__(self, world: World, erp: Dump, edusign: Dump, our_type: str, exported: Exported) -> None:
        self.world = world
        self.edusign = edusign
        self.our_type = our_type
        self.exported = exported
        self.held: dict[str, list[HeldAbsence]] = {}
        for one in held_absences(erp) or ():
            self.held.setdefault(one.identity, []).append(one)
        self.office = _office(erp)
        self.struck = _struck(erp)
        self.fresh_sheets = {e["id"] for e in edusign["edits"] if e["kind"] == "sheet" and self._fresh(e)}
        self.fresh_people = {
            e["identity"] for e in edusign["edits"] if e["kind"] == "absence" and self._fresh(e)
        }
        self.justified: dict[str, list[Mapping[str, Any]]] = {}
        for row in edusign["absences"]:
            if row["STATUS"] == "accepted":
                self.justified.setdefault(row["STUDENT_ID"], []).append(row)

    def _fresh(self, edit: Mapping[str, Any]) -> bool:
        return exact(edit["at"]) >= self.exported.started

    def lines(self) -> Iterator[str]:
        for sheet in self.edusign["courses"]:
            if sheet["LOCKED"] and sheet["API_TYPE"] == self.our_type and sheet["ID"] not in self.fresh_sheets:
                yield from self._of_sheet(sheet)
        yield from self._nowhere()

    def _of_sheet(self, sheet: Mapping[str, Any]) -> Iterator[str]:
        session = self.world.erp["sheet"].get(self.world.identities["sheet", sheet["ID"]])
        if session is None or not session.values["start"] or not session.values["end"]:
            return
        start, end = session.values["start"], session.values["end"]
        if moment(sheet["START"]) != start or moment(sheet["END"]) != end:
            return  # its session was moved since: sealed, reported by hand
        local = self.exported.started.astimezone(ZoneInfo(self.world.zone)).date()
        if (local - start.astimezone(ZoneInfo(self.world.zone)).date()).days > self.exported.back_days:
            return
        called = any(_SIGNATURE.fullmatch(name) and value for name, value in sheet.items()) or any(
            state["state"] for state in sheet["STUDENTS"]
        )
        for state in sheet["STUDENTS"]:
            identity = self.world.identities.get(("learner", state["studentId"]), "")
            learner = self.world.erp["learner"].get(identity)
            if learner is None or not learner.live or identity in self.fresh_people:
                continue
            if identity not in session.values["learners"]:
                continue
            if any(one.overlaps(start, end) for one in self.struck.get(identity, ())):
                continue
            rows = [one for one in self.held.get(identity, ()) if one.overlaps(start, end)]
            if any(one.code in self.office for one in rows):
                continue
            known = called or (session.code, learner.code) in self.exported.approved
            absent = known and not state["state"] and not state["excluded"]
            said = self._difference(rows, start, end, absent, absent and self._justified(state, sheet))
            if said:
                yield f"learner {identity} (ERP {learner.code}), session {session.code}: {said}"

    def _justified(self, state: Mapping[str, Any], sheet: Mapping[str, Any]) -> bool:
        return any(
            one["ID"] == state["absenceId"]
            or (moment(one["START"]) <= moment(sheet["START"]) and moment(sheet["END"]) <= moment(one["END"]))
            for one in self.justified.get(state["studentId"], ())
        )

    @staticmethod
    def _difference(
        rows: list[HeldAbsence], start: datetime, end: datetime, absent: bool, justified: bool
    ) -> str:
        if not absent:
            return f"there or unheard, but the ERP holds {[one.code for one in rows]}" if rows else ""
        if len(rows) != 1:
            return f"absent, but the ERP holds {len(rows)} rows"
        (row,) = rows
        if (row.first, row.last, row.late) != (start, end, False):
            return f"absent, but row {row.code} says {row.first.isoformat()} to {row.last.isoformat()}"
        if row.justified != justified:
            return f"justified {justified}, but row {row.code} says {row.justified}"
        return ""

    def _nowhere(self) -> Iterator[str]:
        """Rows no person entered that lie on no session of theirs."""
        for identity, rows in self.held.items():
            for row in rows:
                on_any = any(
                    identity in one.values["learners"]
                    and one.values["start"] and one.values["end"]
                    and row.overlaps(one.values["start"], one.values["end"])
                    for one in self.world.erp["sheet"].values()
                )  # fmt: skip
                if row.code not in self.office and not on_any:
                    yield f"learner {identity}: row {row.code} of the ERP lies on none of their sessions"


def _office(erp: Dump) -> frozenset[str]:
    """Codes of the rows the ERP's people entered, changed or struck."""
    return frozenset(code for edit in erp["edits"] if (code := _of_office(edit)) is not None)


def _of_office(edit: Mapping[str, Any]) -> str | None:
    if edit["kind"] == "absence":
        return str(edit["id"])
    return str(edit["after"]["code"]) if edit["action"] in _OFFICE else None


def _struck(erp: Dump) -> dict[str, list[HeldAbsence]]:
    """What stood where the ERP's people struck a row, by learner."""
    if "neutral" in erp:
        rows = [_held(row) for row in erp["neutral"]["absences"] if row["removed"] == "person"]
    else:
        codes = {str(e["after"]["code"]) for e in erp["edits"] if e["action"] == "remove_absence"}
        rows = [_as_written(w, erp) for w in erp["writes"] if w["id"] in codes and "first" in w["after"]]
    found: dict[str, list[HeldAbsence]] = {}
    for row in rows:
        found.setdefault(row.identity, []).append(row)
    return found


def _as_written(write: Mapping[str, Any], erp: Dump) -> HeldAbsence:
    first, last = (_utc(datetime.fromisoformat(write["after"][name]), erp) for name in ("first", "last"))
    return HeldAbsence(write["id"], write["identity"], first, last, False, False)


def _utc(wall: datetime, erp: Dump) -> datetime:
    return wall.replace(tzinfo=ZoneInfo(erp["zone"])).astimezone(UTC)
