"""What goes wrong on the line, end to end: one code, one clear line, and nothing built on half a list."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import pytest

from connectors.simulation.control import FaultOrder
from engine.config_models import Limit
from engine.items import closer
from engine.records import KINDS
from engine.service.models import EventView, RunView
from tests.stories.town import Side, Town, play

# After Friday's last session: nobody who leaves is held for one of the next 24 hours (R14).
FRIDAY = "2026-09-18 17:00"
# Even a small school has several pages then.
TEN_A_PAGE = {"student_page": 10}
TAKING_OR_GIVING = frozenset({"create", "archive", "withdraw", "restore", "add", "remove"})
HOSTILE = "\x1b[2J\x1b]0;owned\x07 no‮ such \x9b31m thing\r\n" + "x" * 100
ROOM_FOR_ALL = {
    name: Limit(share=1.0, count=10_000) for name in ("create learner", "archive learner", "update group")
}

# What is ordered of the simulator, the code it is told by, and what the line says came.
EDUSIGN_FAULTS: tuple[tuple[FaultOrder, str, str], ...] = (
    (FaultOrder(kind="401", route="/v1/student"), "unauthorized", "401 Unauthorized"),
    (FaultOrder(kind="402", route="/v1/student"), "payment_required", "402 Payment Required"),
    (FaultOrder(kind="502", route="/v1/student", count=0), "bad_gateway", "502 Bad Gateway"),
    (FaultOrder(kind="html", route="/v1/student"), "not_json", "<!doctype html>"),
    (
        FaultOrder(kind="array_message", route="/v1/student", nth=2, message="bad page"),
        "refused",
        "bad page",
    ),
    (FaultOrder(kind="truncated_list", route="/v1/student", nth=2), "truncated", "page 1 had 5 of 10 rows"),
    (FaultOrder(kind="repeated_page", route="/v1/student"), "repeated_page", "which came before"),
    (FaultOrder(kind="silence", route="/v1/student", nth=2, count=0), "timed_out", "nothing in 60 s"),
)


def learner_writes(side: Side) -> Counter[str]:
    """Accepted writes of learners that bring one in or take one out, by verb."""
    writes = side.edusign.control.writes
    return Counter(w["verb"] for w in writes if w["kind"] == "learner" and w["verb"] in TAKING_OR_GIVING)


def somebody_comes_and_somebody_goes(side: Side, n: int) -> None:
    """One create and one archive become due."""
    group = side.school.groups[0].identity
    dirty = side.school.dirty()
    leavers = [x.identity for x in side.school.learners if x.left is None and x.identity not in dirty]
    side.erp.store.add_learner(f"NEW{n}", f"Nouvelle{n}", "Ada", f"ada{n}@example.org", group, who="rita")
    side.erp.store.depart(leavers[n], who="rita")


def bearing(side: Side, email: str) -> list[dict[str, Any]]:
    """Every Edusign learner, archived ones included, with this e-mail."""
    return [s for s in side.edusign.dump()["students"] if s["EMAIL"] == email]


async def faults_of(town: Town, run: RunView) -> list[EventView]:
    return await town.log(f"kind:fault run:{run.id}")


def test_R13_nine_faults_have_nine_codes_and_one_clear_line_each() -> None:
    seen: dict[str, str] = {}
    one_of_each = Counter(create=1, archive=1)

    async def story(town: Town) -> None:
        lyon, nice = town.sides.values()
        for n, (order, code, came) in enumerate(EDUSIGN_FAULTS):
            somebody_comes_and_somebody_goes(lyon, n)
            somebody_comes_and_somebody_goes(nice, n)
            before, before_there = learner_writes(lyon), learner_writes(nice)
            lyon.edusign.control.fault(order)
            run, other = await asyncio.gather(town.run("lyon"), town.run("nice"))
            assert (other.state, other.faults) == ("done", ()), code
            assert learner_writes(nice) - before_there == one_of_each, code
            assert run.state == "incomplete", code
            assert learner_writes(lyon) == before, code
            (told,) = await faults_of(town, run)
            seen[told.data["code"]] = told.message
            assert (told.data["code"], told.level, told.connection) == (code, "error", "lyon")
            assert told.message.startswith("lyon: edusign GET /v1/student: ")
            (quoted,) = re.findall(r"; came: (.*); pages read (?:\d+) of \?; ", told.message)
            assert came in quoted and len(quoted) <= 60 and quoted.isprintable()
            assert "nothing is created or removed from what is missing" in told.message
            assert re.search(r"; next try 2026-09-18 1[67]:\d\d UTC$", told.message)
            assert run.faults == (told.message,)
            lyon.edusign.control.clear()
            after = await town.run("lyon")
            assert after.state == "done" and learner_writes(lyon) - before == one_of_each, code

        somebody_comes_and_somebody_goes(lyon, 8)
        lyon.edusign.control.fault(FaultOrder(kind="silence_after_commit", method="POST", route="/v1/student"))
        run = await town.run("lyon")
        (told,) = await faults_of(town, run)
        seen[told.data["code"]] = told.message
        assert told.data["code"] == "outcome_unknown"
        assert told.message.startswith("lyon: edusign POST /v1/student: ")
        assert "the write may have arrived: it is looked up before anything is sent again" in told.message
        assert len(bearing(lyon, "ada8@example.org")) == 1
        (recovered,) = await town.log(f"kind:recovery run:{run.id}")
        assert recovered.data["state"] == "done"
        await town.plan_is_empty("lyon")
        await town.plan_is_empty("nice")

    play(
        story,
        settled=True,
        start=FRIDAY,
        connections=("lyon", "nice"),
        limits=ROOM_FOR_ALL,
        switches=TEN_A_PAGE,
    )
    assert len(seen) == len(set(seen.values())) == 9


def test_R13_a_list_cut_short_on_its_only_page_is_caught_by_reading_the_missing_singly() -> None:
    async def story(town: Town) -> None:
        somebody_comes_and_somebody_goes(town.side, 0)
        before = learner_writes(town.side)
        town.side.edusign.control.fault(FaultOrder(kind="truncated_list", route="/v1/student"))
        run = await town.run()
        (told,) = await faults_of(town, run)
        assert told.data["code"] == "truncated"
        assert re.match(
            r"lyon: edusign list of learner: .*came: a list without \S+, which is there", told.message
        )
        assert learner_writes(town.side) == before

    play(story, settled=True, start=FRIDAY, limits=ROOM_FOR_ALL)


def test_R13_an_emptied_list_creates_and_removes_nothing() -> None:
    async def story(town: Town) -> None:
        before = len(town.side.edusign.control.writes)
        town.side.erp.control.fault(
            FaultOrder(kind="empty_list", route="*/formation-longue/apprenants", count=0)
        )
        run = await town.run()
        codes = {e.data["code"] for e in await faults_of(town, run)}
        assert codes == {"emptied"}
        assert len(town.side.edusign.control.writes) == before

    play(story, settled=True, start=FRIDAY, limits=ROOM_FOR_ALL)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (FaultOrder(kind="401", route="*/planning/*", nth=2, message=HOSTILE), "unauthorized"),
        (FaultOrder(kind="504", route="*/planning/*", nth=2, count=3, message=HOSTILE), "bad_gateway"),
        (FaultOrder(kind="html", route="*/planning/*", nth=2), "not_json"),
        (FaultOrder(kind="silence", route="*/planning/*", nth=2, count=0), "timed_out"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_R13_one_planning_that_fails_leaves_every_sheet_where_it_is(order: FaultOrder, code: str) -> None:
    async def story(town: Town) -> None:
        erp = town.side.erp
        session = next(s for s in town.side.school.sessions if s.day.isoformat() == "2026-09-23")
        erp.store.cancel_session(session.identity, who="rita")
        erp.store.add_session(
            "SNEW", "Anglais", "2026-09-24", "17:00", "18:00", list(session.groups), list(session.staff), []
        )
        before = [w for w in town.side.edusign.control.writes if w["verb"] in TAKING_OR_GIVING]
        erp.control.fault(order)
        run = await town.run()
        (told,) = await faults_of(town, run)
        assert (told.data["code"], told.data["system"], told.data["kind"]) == (code, "erp", "sheet")
        assert re.search(r"lyon: erp GET /r/v1/planning/.*; pages read [01] of 2; ", told.message)
        assert "nothing is created or removed from what is missing" in told.message
        assert told.message.isprintable()
        (quoted,) = re.findall(r"came: (.*); pages read", told.message)
        assert len(quoted) <= 60
        assert [w for w in town.side.edusign.control.writes if w["verb"] in TAKING_OR_GIVING] == before
        erp.control.clear()
        assert (await town.run()).changes["create"] == 1

    play(story, settled=True, start=FRIDAY, limits=ROOM_FOR_ALL)


def test_hostile_bytes_in_an_answer_come_out_as_text() -> None:
    async def story(town: Town) -> None:
        for kind in ("401", "array_message"):
            order = FaultOrder.model_validate({"kind": kind, "route": "/v1/professor", "message": HOSTILE})
            town.side.edusign.control.fault(order)
            run = await town.run()
            (told,) = await faults_of(town, run)
            assert told.message.isprintable() and "\\x1b[2J" in told.message
            assert all(line.isprintable() for line in run.faults)

    play(story, settled=True, start=FRIDAY, limits=ROOM_FOR_ALL)


def test_R37_a_gateway_that_fails_every_write_ends_the_writing_and_rejects_nobody() -> None:
    async def story(town: Town) -> None:
        for n in range(6):
            somebody_comes_and_somebody_goes(town.side, n)
        rejected = await town.items("rejection")
        before = len(town.side.edusign.control.writes)
        town.side.edusign.control.fault(FaultOrder(kind="502", route="/v1/student/*", count=0))
        run = await town.run()
        assert run.state == "incomplete"
        assert "the rest is the next run's first work" in run.message
        assert {i.id for i in await town.items("rejection")} <= {i.id for i in rejected}
        assert len(town.side.edusign.control.writes) == before
        town.side.edusign.control.clear()
        assert (await town.run()).state == "done"
        await town.plan_is_empty()

    play(story, settled=True, start=FRIDAY, limits=ROOM_FOR_ALL)


@pytest.mark.parametrize(("kind", "level", "expected"), [("503", "notice", True), ("401", "error", False)])
def test_R35_saturday_maintenance_is_expected_a_refused_key_is_not(
    kind: str, level: str, expected: bool
) -> None:
    async def story(town: Town) -> None:
        await town.at("2026-09-19 17:30")  # 16:30 at UTC+1
        order = FaultOrder.model_validate({"kind": kind, "route": "/v1/school", "count": 0})
        town.side.edusign.control.fault(order)
        run = await town.run()
        assert run.state == "failed"
        (told,) = await faults_of(town, run)
        assert told.level == level
        assert ("expected: Edusign's Saturday maintenance" in told.message) is expected
        assert bool(await town.log(f"run:{run.id} level:warn+")) is not expected
        await town.at("2026-09-19 23:30")
        late = await town.run()
        (told,) = await faults_of(town, late)
        assert told.level == "error"

    play(story, settled=True, start=FRIDAY, limits=ROOM_FOR_ALL)


@pytest.mark.parametrize(
    ("kind", "code", "closes"),
    [
        ("speaker", "missing_email", True),
        ("learner", "missing_email", False),
        ("", "archived_other_name", False),
        ("", "options", False),
    ],
)
def test_R13_an_open_item_of_a_kind_seen_in_part_stays_open(kind: str, code: str, closes: bool) -> None:
    all_kinds = frozenset(KINDS)
    closable = closer(all_kinds, all_kinds - {"learner"}, applied=True)
    assert closable("rejection" if kind else "hold", kind, code) is closes
