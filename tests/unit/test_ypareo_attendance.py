"""Absences in Yparéo: rows as attendances and back, and the assumed write against the simulator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from connectors.simulation.control import FaultOrder
from connectors.simulation.school import School
from connectors.ypareo import YpareoSettings, connector
from connectors.ypareo.attendance import CARRIES, AbsenceRow, YpareoAttendance, stood, wanted_rows
from connectors.ypareo.client import YpareoClient
from connectors.ypareo.simulator import MOTIVES, YpareoSimulator, YpareoSwitches
from engine.attendance import Attendance, Standing
from engine.clock import VirtualClock
from engine.ports import ErpAttendance, Fault, FaultCode, Scope, Surroundings
from engine.records import Sheet
from tests.unit.test_http import T, virtually

START = datetime(2026, 9, 14, 7, 0, tzinfo=UTC)
END = START + timedelta(hours=3)
MINUTE = timedelta(minutes=1)
SESSION = Sheet(id="900", start=START, end=END, learners=frozenset({"1"}))
SCOPE = Scope(first=date(2026, 9, 1), last=date(2026, 9, 14), zone="Europe/Paris")
WHOLE = AbsenceRow("1", START, END, False, False, "2", "40")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([WHOLE], [{"state": "absent", "reason": "2"}]),
        ([replace(WHOLE, first=START - 60 * MINUTE, justified=True)], [{"state": "absent", "justified": True}]),
        ([replace(WHOLE, last=START + 15 * MINUTE, late=True)], [{"state": "present", "late": 15}]),
        ([replace(WHOLE, first=END - 20 * MINUTE)], [{"state": "present", "left_early": 20}]),
        ([replace(WHOLE, last=START + 90 * MINUTE)], [{"state": "present", "late": 90}]),
        (
            [
                replace(WHOLE, last=START + 15 * MINUTE, late=True),
                replace(WHOLE, first=END - 20 * MINUTE, code="41"),
            ],
            [{"state": "present", "late": 15, "left_early": 20, "key": "40+41"}],
        ),
        ([WHOLE, replace(WHOLE, code="41")], [{"state": "absent"}, {"state": "absent", "key": "41"}]),
        (
            [replace(WHOLE, first=START + 30 * MINUTE, last=START + 60 * MINUTE)],
            [{"state": "present", "late": 0, "left_early": 0}],
        ),
        ([], []),
    ],
)
def test_rows_that_overlap_a_session_stand_for_it(
    rows: list[AbsenceRow], expected: list[dict[str, Any]]
) -> None:
    found = stood(SESSION, rows)
    assert len(found) == len(expected)
    for one, values in zip(found, expected, strict=True):
        assert {name: getattr(one, name) for name in values} == values


@pytest.mark.parametrize(
    "values",
    [
        {"state": "absent", "justified": True, "reason": "2"},
        {"state": "present", "late": 25, "reason": "3"},
        {"state": "present", "left_early": 10, "reason": "3"},
        {"state": "present", "late": 5, "left_early": 10, "reason": "3"},
    ],
)
def test_what_is_written_is_read_back_as_it_was_said(values: dict[str, Any]) -> None:
    said = Attendance(sheet="900", person="1", **values)
    rows = [replace(row, code=str(n)) for n, row in enumerate(wanted_rows(SESSION, said), 1)]
    (found,) = stood(SESSION, rows)
    assert {name: getattr(found, name) for name in values} == values


def test_who_was_there_throughout_has_no_row() -> None:
    assert wanted_rows(SESSION, Attendance(sheet="900", person="1", state="present")) == []


# Against the simulator


class Tenant:
    """One simulated tenant, a client of it, and a session with its learners in the ERP's keys."""

    def __init__(self, clock: VirtualClock, settings: dict[str, Any], switches: dict[str, Any]) -> None:
        school = School.seeded(7, learners=40, start=date(2026, 9, 14))
        self.sim = YpareoSimulator(school, clock, YpareoSwitches(**switches))
        values = {
            "url": "https://tenant.example",
            "token": "env:TOKEN",
            "accept_unverified": True,
            "absence_reasons": {str(code): name for name, code in MOTIVES.items()},
        }
        self.client: YpareoClient = connector.open(
            YpareoSettings(**(values | settings)),
            Surroundings(
                connection="lyon",
                zone="Europe/Paris",
                country="FR",
                clock=clock,
                secret=lambda _reference: self.sim.switches.token,
                transport=httpx.ASGITransport(self.sim.app),
            ),
        )
        row = self.sim.store.sessions["S00002"]
        self.people = [str(self.sim.store.learners[one].code) for one in row.learners]
        self.session = Sheet(
            id=str(row.code),
            start=datetime(2026, 9, 14, 11, 30, tzinfo=UTC),
            end=datetime(2026, 9, 14, 14, 30, tzinfo=UTC),
            groups=frozenset({"1201"}),
            learners=frozenset(self.people),
        )

    @property
    def attendance(self) -> ErpAttendance:
        found: ErpAttendance | None = self.client.attendance
        assert found is not None
        return found

    def absent(self, n: int = 0, **more: Any) -> Attendance:
        values = {"state": "absent", "reason": "1", **more}
        return Attendance.model_validate({"sheet": self.session.id, "person": self.people[n], **values})

    async def write(self, *wanted: Attendance, given: Standing | None = None) -> None:
        standing = (given or await self.standing()).attendances
        people = {one.person for one in wanted}
        mine = tuple(one for one in standing if one.person in people)
        await self.attendance.write(self.session, wanted, mine)

    async def standing(self) -> Standing:
        return await self.attendance.standing((self.session,), SCOPE)

    def spans(self) -> list[tuple[int, int, bool]]:
        rows = self.sim.dump()["absences"]
        return [(row["heureDeb"], row["heureFin"], bool(row["isJustifie"])) for row in rows]

    @property
    def verbs(self) -> list[str]:
        return [write["verb"] for write in self.sim.control.writes]


def at(tenant: Callable[[Tenant], Awaitable[T]], settings: Any = (), switches: Any = ()) -> T:
    async def play(clock: VirtualClock) -> T:
        one = Tenant(clock, dict(settings), dict(switches))
        try:
            return await tenant(one)
        finally:
            await one.client.close()

    return virtually(play)


def test_an_absence_is_made_changed_and_taken_back_and_twice_the_same_is_once() -> None:
    async def story(one: Tenant) -> None:
        nothing = await one.standing()
        assert nothing == Standing()
        for _twice in range(2):
            await one.write(one.absent(), given=nothing)
        assert one.spans() == [(810, 990, False)] and one.verbs == ["create"]
        (found,) = (await one.standing()).attendances
        assert (found.state, found.reason, found.first) == ("absent", "1", one.session.start)
        await one.write(one.absent(justified=True, reason="2"))
        assert one.spans() == [(810, 990, True)] and one.verbs == ["create", "update"]
        await one.write(one.absent(state="present", reason=""))
        assert one.spans() == [] and one.verbs == ["create", "update", "remove"]
        await one.write(one.absent(state="present", reason=""))
        assert one.verbs == ["create", "update", "remove"]

    at(story)


def test_from_late_and_early_to_absent_and_back() -> None:
    async def story(one: Tenant) -> None:
        await one.write(one.absent(state="present", late=10, left_early=20, reason="3"))
        assert one.spans() == [(810, 820, False), (970, 990, False)]
        (both,) = (await one.standing()).attendances
        assert (both.late, both.left_early) == (10, 20)
        await one.write(one.absent())
        assert one.spans() == [(810, 990, False)]
        await one.write(one.absent(state="present", late=5, reason="3"))
        assert one.spans() == [(810, 815, False)]

    at(story)


def test_a_row_somebody_entered_meanwhile_is_not_doubled() -> None:
    async def story(one: Tenant) -> None:
        before = await one.standing()
        identity = one.sim.store.sessions["S00002"].learners[0]
        one.sim.store.record_absence(identity, "2026-09-14T13:30", "2026-09-14T15:00")
        with pytest.raises(Fault) as refused:
            await one.write(one.absent(), one.absent(1), given=before)
        # The other one's was made all the same, so that nobody can say nothing was done.
        assert (refused.value.code, refused.value.committed) == (FaultCode.refused, "unknown")
        assert one.spans() == [(810, 900, False), (810, 990, False)]

    at(story)


@pytest.mark.parametrize("shape", ["object", "name_only", "flat"])
@pytest.mark.parametrize("booleans", ["numbers", "booleans"])
def test_however_rows_are_spelled_they_are_read(shape: str, booleans: str) -> None:
    async def story(one: Tenant) -> None:
        await one.write(one.absent(justified=True, reason="2"))
        (found,) = (await one.standing()).attendances
        assert (found.justified, found.reason) == (True, "2")

    at(story, switches={"reason_shape": shape, "booleans": booleans})


def test_names_and_routes_are_the_settings() -> None:
    async def story(one: Tenant) -> None:
        with pytest.raises(Fault) as refused:
            await one.write(one.absent())
        assert "codeApprenant" in refused.value.came

    at(story, settings={"absence_fields": {"codeApprenant": "learner"}})

    async def removes(one: Tenant) -> None:
        await one.write(one.absent())
        with pytest.raises(Fault, match="no route"):
            await one.write(one.absent(state="present", reason=""))

    at(removes, settings={"absence_remove": ""})


def test_a_basic_token_may_not_write() -> None:
    async def story(one: Tenant) -> None:
        with pytest.raises(Fault) as refused:
            await one.write(one.absent())
        assert (refused.value.code, refused.value.committed) == (FaultCode.forbidden, "no")

    at(story, switches={"licence": "basic"})


def test_switched_off_it_only_reads() -> None:
    async def story(one: Tenant) -> None:
        assert one.attendance.carries == frozenset()
        (capability,) = [c for c in one.client.capabilities if c.name == "write absences"]
        assert not capability.on and capability.why_off
        with pytest.raises(Fault):
            await one.write(one.absent())
        assert (await one.standing()).complete

    at(story, settings={"accept_unverified": False})


def test_R13_an_answer_that_broke_off_proves_nothing() -> None:
    async def story(one: Tenant) -> None:
        one.sim.control.fault(FaultOrder(kind="500", route="*/absences/*", count=0))
        standing = await one.standing()
        assert not standing.complete and standing.fault_line
        assert one.attendance.carries == CARRIES and isinstance(one.attendance, YpareoAttendance)

    at(story)


def test_reasons_are_those_of_the_settings() -> None:
    async def story(one: Tenant) -> None:
        assert [reason.id for reason in await one.attendance.reasons()] == ["1", "2", "3", "4"]

    at(story)
