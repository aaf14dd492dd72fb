"""The store every simulated ERP stands on: who changed an absence, who bore a key when, the neutral dump."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from connectors.edusign.simulator import EdusignSimulator
from connectors.simulation.checker_accounts import Told, lost_edits
from connectors.simulation.checker_raw import world
from connectors.simulation.control import Control, ControlError
from connectors.simulation.erp_rows import Row, SessionRow
from connectors.simulation.erp_store import ErpStore, Numbered
from connectors.simulation.school import School
from connectors.ypareo.simulator import YpareoSimulator

START = date(2026, 11, 24)


class StillClock:
    at = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0

    async def sleep_until(self, at: datetime) -> None:
        self.at = max(self.at, at)


class ByCourse(ErpStore):
    """An ERP that names a session by its course and start."""

    silent = {"learner": frozenset({"phone"})}  # noqa: RUF012

    def number(self, kind: Numbered, n: int) -> int:
        return n + 1

    def session_number(self, row: SessionRow) -> int:
        return 1

    def key(self, row: Row) -> str:
        if isinstance(row, SessionRow):
            return f"{row.groups[0] if row.groups else 0}@{row.day}T{row.start}"
        return super().key(row)

    def dump(self) -> dict[str, Any]:
        return {
            "system": "anything", **self.control.ledgers(), "zone": self.school.zone, "neutral": self.neutral()
        }  # fmt: skip


@pytest.fixture(scope="module")
def school() -> School:
    return School.seeded(3, 60, START)


@pytest.fixture
def store(school: School) -> ByCourse:
    return ByCourse(school, Control(StillClock()))


def edusign(school: School) -> EdusignSimulator:
    return EdusignSimulator(1, StillClock(), handmade=school.handmade)


def future_sessions(school: School, group: str = "G001") -> list[str]:
    return [one.identity for one in school.sessions if one.groups == (group,) and one.day > START and one.end]


def test_the_neutral_words_say_what_the_vendors_own_say(school: School) -> None:
    simulator = YpareoSimulator(school, StillClock())
    other = edusign(school).dump()
    own = world(simulator.dump(), other).erp
    told = world({**simulator.dump(), "neutral": simulator.store.neutral()}, other).erp
    for kind, records in own.items():
        assert records.keys() == told[kind].keys()
        for identity, one in records.items():
            there = told[kind][identity]
            assert (one.code, one.live) == (there.code, there.live)
            # A room is its name in neutral words, its code in Yparéo's.
            assert {**one.values, "room": ""} == {**there.values, "room": ""}


def test_what_a_vendor_has_no_place_for_is_not_told(store: ByCourse) -> None:
    told = store.neutral()
    assert all("phone" not in row for row in told["learners"]) and "room" in told["sessions"][0]


def test_a_key_handed_on_is_the_bearers_of_that_moment(school: School, store: ByCourse) -> None:
    first, second = future_sessions(school)[:2]
    key = store.code_of(first)
    platform = edusign(school)
    sheet = platform.store.add(
        "sheet",
        {"NAME": "x", "START": "2026-11-25T08:00:00.000Z", "END": "2026-11-25T09:00:00.000Z"},
        identity=f"api:rollcall-x/{key}",
        created_by="api",
    )
    control = store.control
    control.advance(60)
    store.move_session(first, start="18:00:00", end="19:00:00")
    control.advance(60)
    one = store.sessions[second]
    moved_to = datetime.fromisoformat(key.partition("@")[2])
    store.move_session(second, day=moved_to.date().isoformat(), start=moved_to.time().isoformat())
    assert store.code_of(second) == key == store.codes_of(first)[1]
    assert one.day == moved_to.date()
    later = platform.store.add(
        "sheet",
        {"NAME": "x", "START": "2026-11-25T08:00:00.000Z", "END": "2026-11-25T09:00:00.000Z"},
        identity=f"api:rollcall-x/{key}",
        created_by="api",
    )
    dump = platform.dump()
    for row in dump["courses"]:
        if row["ID"] == later.id:
            row["DATE_CREATED"] = (StillClock.at + timedelta(hours=1)).isoformat()
    seen = world(store.dump(), dump)
    assert seen.identities["sheet", sheet.id] == first
    assert seen.identities["sheet", later.id] == second


def test_a_night_ends_on_the_next_day(school: School, store: ByCourse) -> None:
    learner = school.learners[0].identity
    store.add_session("S9", "Nuit", "2026-11-26", "21:00", "06:00", ["G001"], [], [])
    told = next(row for row in store.neutral()["sessions"] if row["identity"] == "S9")
    assert (told["start_utc"], told["end_utc"]) == ("2026-11-26T20:00:00.000Z", "2026-11-27T05:00:00.000Z")
    store.record_absence(learner, session="S9")
    assert store.neutral()["absences"][0]["last_utc"] == "2026-11-27T05:00:00.000Z"


def test_absences_tell_who_made_and_who_changed_them(school: School, store: ByCourse) -> None:
    one, two = school.learners[0].identity, school.learners[1].identity
    session = future_sessions(school)[0]
    by_hand = store.record_absence(one, session=session, state="late", minutes=20, who="rita")
    first, last = (datetime.fromisoformat(f"2026-11-25T{hour}:00") for hour in ("09", "12"))
    row = store.write_absence("POST /absences", identity=two, session=session, first=first, last=last)
    store.justify_absence(row.code, reason="Maladie", who="rita")
    store.rewrite_absence("POST /absences", row, minutes=5)
    mine, ours = store.neutral()["absences"]
    assert (mine["made_by"], mine["state"], mine["minutes"]) == ("person", "late", 20)
    assert (ours["made_by"], ours["changed_by_person"], ours["justified"]) == ("api", True, True)
    assert [(w["verb"], w["identity"]) for w in store.control.writes] == [("create", two), ("update", two)]
    assert [e["action"] for e in store.control.edits] == ["add", "change", "change"]
    store.remove_absence(by_hand)
    assert [one.code for one in store.standing()] == [row.code]
    with pytest.raises(ControlError):
        store.justify_absence(by_hand)


def test_an_absence_at_the_hours_of_a_session_is_of_that_session(school: School, store: ByCourse) -> None:
    planned = store.sessions[future_sessions(school)[0]]
    first, last = (datetime.combine(planned.day, at or planned.start) for at in (planned.start, planned.end))
    store.record_absence(planned.learners[0], first.isoformat(), last.isoformat())
    store.record_absence(planned.learners[0], first.isoformat(), (last - timedelta(minutes=5)).isoformat())
    assert [row["session"] for row in store.neutral()["absences"]] == [planned.identity, None]


@pytest.mark.parametrize("spoil", ["erased", "reason"])
def test_what_a_person_said_of_an_absence_must_stand(school: School, store: ByCourse, spoil: str) -> None:
    code = store.record_absence(school.learners[0].identity, session=future_sessions(school)[0])
    store.justify_absence(code, reason="Deuil")
    row = store.absence(code)
    platform = edusign(school).dump()

    def lost() -> list[str]:
        return lost_edits(world(store.dump(), platform), platform, Told.of((), ()))

    assert lost() == []
    if spoil == "erased":
        store.erase_absence("DELETE /absences", row)
    else:
        store.rewrite_absence("POST /absences", row, reason="")
    assert len(lost()) >= 1


@pytest.mark.parametrize(
    "order",
    [
        {"start": "2026-11-24T09:00:00+01:00", "end": "2026-11-24T10:00:00+01:00"},
        {"start": "2026-11-24T11:00:00", "end": "2026-11-24T10:00:00"},
        {"start": "2026-11-24T09:00:00", "end": "2026-11-24T10:00:00", "state": "asleep"},
        {"session": "S99999"},
        {},
    ],
)
def test_senseless_absences_are_refused(school: School, store: ByCourse, order: dict[str, Any]) -> None:
    with pytest.raises(ControlError):
        store.record_absence(school.learners[0].identity, **order)
    assert store.standing() == [] and store.control.edits == []
