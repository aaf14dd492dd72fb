"""The checker of absences, on dumps made by hand: whatever is not as a locked sheet says, it must notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.test_checker import OURS, Tale, erp_learner, session, sheet

EXPORT = "2026-09-15T18:30:00Z"
DAY = "2026-09-14"


def absence(code: int, identity: str, first: int = 9 * 60, last: int = 12 * 60, **more: Any) -> dict[str, Any]:
    return {
        "codeAbsence": code, "identity": identity, "dateDeb": "14/09/2026", "heureDeb": first,
        "dateFin": "14/09/2026", "heureFin": last, "isJustifie": False, "isRetard": False, **more,
    }  # fmt: skip


class Term(Tale):
    """Monday's session: P001 was there, P002 was not; the sheet is locked, and the ERP says so."""

    def __init__(self) -> None:
        super().__init__()
        self.erp["sessions"].append(session(800, "S000", DAY, ["P001", "P002", "P004"]))
        self.erp["absences"] = [absence(1, "P002")]
        self.erp["writes"] = []
        monday = sheet("c0", "800", DAY, ["l1", "l2"])
        monday |= {"LOCKED": 1, "PROFESSOR_SIGNATURE": "https://x"}
        for state in monday["STUDENTS"]:
            state |= {"excluded": None, "absenceId": None}
        monday["STUDENTS"][0]["state"] = True
        self.edusign["courses"].append(monday)
        self.edusign["absences"] = []
        self.runs.append(
            {
                "id": "r3", "flow": "export", "started": EXPORT, "ended": EXPORT, "changes": {},
                "observed": {"edusign.sheet": 1}, "accounting": {},
            }
        )  # fmt: skip

    @property
    def monday(self) -> dict[str, Any]:
        row: dict[str, Any] = self.edusign["courses"][-1]
        return row

    def away(self) -> dict[str, Any]:
        state: dict[str, Any] = self.monday["STUDENTS"][1]
        return state

    def office(self, action: str, code: int) -> bool:
        """The ERP's people did something to a row."""
        after = {"code": code}
        self.edited("erp", kind="learner", id="2", identity="P002", action=action, after=after, at=EXPORT)
        return True

    def signed_late(self) -> bool:
        """Whoever was away signs after the export."""
        self.away().update(state=True)
        self.edited("edusign", kind="sheet", id="c0", identity="S000", action="sign", field="STUDENTS",
                    after="l2", at="2026-09-15T20:00:00Z")  # fmt: skip
        return True

    def justifies(self, at: str, **more: Any) -> None:
        row = {"ID": "j1", "STUDENT_ID": "l2", "STATUS": "accepted", "START": f"{DAY}T07:00:00.000Z",
               "END": f"{DAY}T10:00:00.000Z", **more}  # fmt: skip
        self.edusign["absences"].append(row)
        self.edited("edusign", kind="absence", id="j1", identity="P002", action="justify", at=at)


def test_an_erp_that_says_what_the_locked_sheet_says_is_equal() -> None:
    end = Term().end()
    assert (end.absences_equal, end.details, end.good) == (True, (), True)


SPOILT: dict[str, Callable[[Term], Any]] = {
    "missing": lambda t: t.erp["absences"].clear(),
    "twice": lambda t: t.erp["absences"].append(absence(2, "P002")),
    "of somebody who was there": lambda t: t.erp["absences"].append(absence(2, "P001")),
    "too short": lambda t: t.erp["absences"][0].update(heureFin=700),
    "as a lateness": lambda t: t.erp["absences"][0].update(isRetard=1),
    "justified": lambda t: t.erp["absences"][0].update(isJustifie=1),
    "not justified": lambda t: t.justifies("2026-09-15T08:00:00Z"),
    "excluded": lambda t: t.away().update(excluded=f"{DAY}T08:00:00.000Z"),
    "without a roll call": lambda t: (
        t.monday.update(PROFESSOR_SIGNATURE=""),
        t.monday["STUDENTS"][0].update(state=False),
    ),
    "at an hour of no session": lambda t: t.erp["absences"].append(absence(2, "P001", 20 * 60, 21 * 60)),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_it_notices(spoil: Callable[[Term], Any]) -> None:
    term = Term()
    spoil(term)
    end = term.end()
    assert end.absences_equal is False and not end.good
    assert any(line.startswith("absence: ") for line in end.details)


EXCUSED: dict[str, Callable[[Term], Any]] = {
    "not locked": lambda t: (t.monday.update(LOCKED=0), t.erp["absences"].clear()),
    "another connector's": lambda t: (t.monday.update(API_TYPE="other"), t.erp["absences"].clear()),
    "changed by the office": lambda t: (
        t.erp["absences"][0].update(isJustifie=1),
        t.office("change_absence", 1),
    ),
    "entered by the office": lambda t: (t.erp["absences"].append(absence(7, "P001")), t.office("absence", 7)),
    "struck by the office": lambda t: (
        t.erp["absences"].clear(),
        t.erp["writes"].append(
            {"kind": "absence", "id": "1", "identity": "P002", "at": EXPORT,
             "after": {"first": f"{DAY}T09:00:00", "last": f"{DAY}T12:00:00"}}
        ),
        t.office("remove_absence", 1),
    ),
    "justified since the export": lambda t: t.justifies("2026-09-15T20:00:00Z"),
    "signed since the export": lambda t: t.signed_late(),
    "who has left": lambda t: (
        t.erp["learners"].__setitem__(1, erp_learner(2, "P002", "Le Gall", "b@mail.example", departed=True)),
        t.erp["absences"].clear(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("excuse", EXCUSED.values(), ids=EXCUSED)
def test_it_excuses(excuse: Callable[[Term], Any]) -> None:
    term = Term()
    excuse(term)
    assert term.end().absences_equal is True


def test_an_approved_roll_call_of_nobody_is_expected() -> None:
    term = Term()
    term.monday["PROFESSOR_SIGNATURE"] = ""
    term.monday["STUDENTS"][0]["state"] = False
    term.erp["absences"].append(absence(2, "P001"))
    term.decisions += [
        {"kind": "attendance", "cause": "roll_call_missing", "session": "800", "erp_id": str(n),
         "verb": "deliver", "choice": "approve"}
        for n in (1, 2)
    ]  # fmt: skip
    assert term.end().absences_equal is True


def test_a_justified_period_counts_as_far_as_it_covers() -> None:
    term = Term()
    term.justifies("2026-09-15T08:00:00Z", START=f"{DAY}T08:00:00.000Z")
    assert term.end().absences_equal is True
    term.away()["absenceId"] = "j1"
    assert term.end().absences_equal is False


def test_before_any_export_nothing_is_judged() -> None:
    term = Term()
    term.runs.pop()
    term.erp["absences"].clear()
    assert term.end().absences_equal is None and OURS
