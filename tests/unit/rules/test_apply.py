"""R08, R10, R18, R20, R37, R38 where it counts: at the moment of writing, and after a crash."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from engine.apply import Halt, Outcome, Writer
from engine.changes import Change, Verb
from engine.events.event import Event
from engine.records import Kind, Sheet
from engine.recover import recover
from engine.state.store import Store
from engine.state.transaction import Intent, LeaseLost
from tests.unit.rules.fake_platform import FakePlatform, Killed, Moment
from tests.unit.rules.school_kit import (
    DAY,
    HOUR,
    NOW,
    OURS,
    SCOPE,
    School,
    changes,
    group,
    ids,
    learner,
    only,
    session,
    small_school,
    speaker,
)

LYON = "lyon"
MINUTES = timedelta(minutes=1)


class StillClock:
    """A clock that moves only when told to."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - NOW).total_seconds()

    async def sleep_until(self, at: datetime) -> None:
        self.at = max(self.at, at)


class Bench:
    """A school of the kit, its Edusign side as a platform, its links in a real store, and a writer."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.clock = StillClock(NOW)
        self.store = Store.open(folder / "state.sqlite", self.clock)
        self.platform = FakePlatform()
        self.school = School()
        self.writer: Writer
        self.outcomes: list[Outcome] = []

    async def start(self, school: School, restores: frozenset[tuple[str, str]] = frozenset()) -> Bench:
        """The school as it is now becomes both the store's memory and the platform's content."""
        self.school = school
        self.platform = FakePlatform.of(school)
        for link in school.links:
            await self.store.transact(lambda tx, link=link: tx.put_link(LYON, link))  # type: ignore[misc]
        await self.engine(restores)
        return self

    async def engine(self, restores: frozenset[tuple[str, str]] = frozenset()) -> None:
        """An engine starts: it takes the lease and reads the links."""
        lease = await self.store.transact(lambda tx: tx.acquire(LYON, "machine", timedelta(minutes=5)))
        assert lease is not None
        self.writer = Writer(
            store=self.store,
            platform=self.platform,
            connection=LYON,
            run_id="r1",
            actor="engine",
            links=await self.store.transact(lambda tx: tx.links(LYON)),
            our_type=OURS,
            country="FR",
            scope=SCOPE,
            lease=lease,
            now=self.clock.now,
            restores=restores,
        )

    async def write(self, *todo: Change) -> list[Outcome]:
        """Carry out these changes, or the whole plan."""
        self.outcomes = [await self.writer.write(change) for change in todo or self.school.plan().changes]
        return self.outcomes

    async def states(self) -> list[tuple[str, str]]:
        """(verb, state) of every intent."""
        rows = await self.store.transact(lambda tx: tx.intents(LYON))
        return [(row["verb"], row["state"]) for row in rows]

    async def open(self) -> list[Intent]:
        return await self.store.transact(lambda tx: tx.open_intents(LYON))

    async def told(self) -> list[Event]:
        return [Event.model_validate(e.model_dump(include=set(Event.model_fields))) for e in
                await self.store.transact(lambda tx: tx.outbox(1, 0, 1000))]  # fmt: skip

    async def remembered(self) -> dict[tuple[Kind, str], tuple[str, dict[str, object]]]:
        """What the store holds of each link: (Edusign id, base)."""
        links = await self.store.transact(lambda tx: tx.links(LYON))
        return {(link.kind, link.erp_id): (link.edusign_id, link.base) for link in links}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.store.close()


def newcomer() -> School:
    return School().erp(learner("L1", last_name="Zoë", phone="0612345678"))


# R08: look before a create


async def test_R08_a_create_looks_first_by_key_and_by_email(bench: Bench) -> None:
    (outcome,) = await (await bench.start(newcomer())).write()
    assert (outcome.state, outcome.edusign_id) == ("written", "new-learner-1")
    assert bench.platform.calls["id_by_api_id"] == bench.platform.calls["by_email"] == 1
    assert (await bench.remembered())["learner", "L1"] == (
        "new-learner-1",
        {"last_name": "Zoë", "first_name": "Jeanne", "email": "l1@ecole.example", "phone": "+33612345678"},
    )
    made = bench.platform.records["learner"]["new-learner-1"]
    assert (made.api_id, made.api_type, made.record.value("phone")) == ("L1", OURS, "0612345678")


async def test_R08_an_archived_hit_is_restored_never_created_again(bench: Bench) -> None:
    await bench.start(newcomer())
    archived = learner("e1", last_name="ZOE", email="l1@ecole.example", phone="+33699999999")
    bench.platform.records["learner"]["e1"] = seen = FakePlatform.of(School().by_hand(archived)).records[
        "learner"
    ]["e1"]
    bench.platform.records["learner"]["e1"] = seen.model_copy(update={"archived": True})
    (outcome,) = await bench.write()
    assert (outcome.state, outcome.edusign_id, outcome.change.verb) == ("written", "e1", "restore")
    (live,) = bench.platform.live("learner")
    assert (live.record.value("last_name"), live.api_id, live.api_type) == ("Zoë", "L1", OURS)
    assert await bench.states() == [("restore", "done")]


async def test_R08_a_restore_whose_update_is_refused_is_not_forgotten(bench: Bench) -> None:
    await bench.start(newcomer())
    archived = learner("e1", last_name="ZOE", email="l1@ecole.example", phone="+33699999999")
    bench.platform.records["learner"] = FakePlatform.of(School().by_hand(archived, archived=True)).records[
        "learner"
    ]
    bench.platform.refuses = {"update": "no"}
    (outcome,) = await bench.write()
    assert (outcome.state, await bench.states()) == ("unknown", [("restore", "open")])
    (intent,) = await bench.open()
    assert await recover(bench.writer, intent) == "done"
    assert [verb for verb, *_ in bench.platform.writes] == ["restore"]
    assert (await bench.remembered())["learner", "L1"] == ("e1", {})


async def archived_other(bench: Bench, approved: bool, **flags: str) -> Outcome:
    school = newcomer()
    await bench.start(school, frozenset({(only(school.plan()).id, "e1")} if approved else ()))
    other = learner("e1", last_name="Petit", email="l1@ecole.example")
    bench.platform.records["learner"] = FakePlatform.of(
        School().by_hand(other, archived=True, **flags)
    ).records["learner"]
    (outcome,) = await bench.write()
    return outcome


async def test_R08_an_archived_hit_of_another_name_is_held(bench: Bench) -> None:
    outcome = await archived_other(bench, approved=False)
    assert (outcome.state, outcome.code, bench.platform.writes) == ("held", "archived_other_name", [])


async def test_R08_approved_it_is_restored(bench: Bench) -> None:
    outcome = await archived_other(bench, approved=True)
    assert outcome.state == "written" and [verb for verb, *_ in bench.platform.writes] == ["restore", "update"]


async def test_R10_an_archived_record_of_another_connector_is_not_touched(bench: Bench) -> None:
    outcome = await archived_other(bench, approved=True, api_id="77", api_type="hyperplanning")
    assert (outcome.state, bench.platform.writes) == ("refused", [])


async def test_R08_an_email_of_somebody_linked_is_refused(bench: Bench) -> None:
    school = small_school().edusign_edits("learner", "L1", email="l9@ecole.example").erp(learner("L9"))
    await bench.start(school)
    (outcome,) = await bench.write(*changes(school.plan(), "create"))
    assert (outcome.state, outcome.code, outcome.note) == ("refused", "email_of_another", "e-learner-L1")
    assert bench.platform.writes == []


async def test_R08_somebody_who_appeared_meanwhile_is_left_for_the_next_plan(bench: Bench) -> None:
    await bench.start(newcomer())
    bench.platform.records["learner"] = FakePlatform.of(
        School().by_hand(learner("e1", last_name="Zoë", email="l1@ecole.example"))
    ).records["learner"]
    (outcome,) = await bench.write()
    assert (outcome.state, bench.platform.writes) == ("dropped", [])
    assert await bench.states() == [("create", "dropped")]


async def test_R08_our_own_record_that_no_list_showed_is_bound(bench: Bench) -> None:
    await bench.start(newcomer())
    ours = learner("e1", last_name="Zoë", email="l1@ecole.example", phone="0612345678")
    bench.platform.records["learner"] = FakePlatform.of(
        School().by_hand(ours, api_id="L1", api_type=OURS)
    ).records["learner"]
    (outcome,) = await bench.write()
    assert (outcome.edusign_id, bench.platform.writes) == ("e1", [])


async def test_R06_a_group_found_there_keeps_who_a_person_put_in(bench: Bench) -> None:
    school = School().both(learner("L1"), learner("L2")).erp(group("G1", "L1", "L2"))
    await bench.start(school)
    there = group("e1", "e-learner-L1", "e-hand", name="Group G1")
    bench.platform.records["group"] = FakePlatform.of(
        School().by_hand(there, api_id="G1", api_type=OURS)
    ).records["group"]
    await bench.write()
    (kept,) = bench.platform.live("group")
    assert kept.record.value("members") == ids("e-learner-L1", "e-learner-L2", "e-hand")
    assert (await bench.remembered())["group", "G1"][1]["members"] == ["L1", "L2"]


async def test_R18_a_signed_sheet_found_there_is_bound_not_changed(bench: Bench) -> None:
    school = small_school().erp(session("S2", "L1", "L2", starts=DAY))
    await bench.start(school)
    there = session(
        "e9", "e-learner-L1", starts=DAY, room="Z9", groups=ids("e-group-G1"), speakers=ids("e-speaker-P1")
    )
    signed = School().by_hand(there, api_id="S2", api_type=OURS, signed_speakers=ids("e-speaker-P1"))
    bench.platform.records["sheet"]["e9"] = FakePlatform.of(signed).records["sheet"]["e9"]
    await bench.write()
    base = (await bench.remembered())["sheet", "S2"][1]
    assert bench.platform.writes == []
    assert base["learners"] == ["L1"] and "room" not in base


# R18 at the moment of writing


@pytest.mark.parametrize("flags", [{"locked": True}, {"signed_learners": ids("e-learner-L1")}])
async def test_R18_a_sheet_signed_since_the_plan_is_not_changed(bench: Bench, flags: dict[str, object]) -> None:
    school = small_school().erp_edits("sheet", "S1", room="A1")
    await bench.start(school)
    bench.platform.mark("sheet", "e-sheet-S1", **flags)
    (outcome,) = await bench.write()
    assert (outcome.state, bench.platform.writes) == ("dropped", [])


async def test_R18_a_sheet_that_came_near_since_the_plan_is_not_changed(bench: Bench) -> None:
    school = small_school(sessions=[session("S1", "L1", starts=HOUR)]).erp_edits("sheet", "S1", room="A1")
    await bench.start(school)
    bench.clock.at = NOW + 45 * MINUTES
    (outcome,) = await bench.write()
    assert (outcome.state, bench.platform.writes) == ("dropped", [])


async def test_R18_a_roster_is_written_by_the_attendance_route_alone(bench: Bench) -> None:
    school = small_school(learners=2).both(learner("L3")).erp_edits("sheet", "S1", learners=ids("L1", "L3"))
    await bench.start(school)
    await bench.write()
    assert sorted(bench.platform.writes) == [("add", "sheet", "e-sheet-S1"), ("remove", "sheet", "e-sheet-S1")]
    assert (await bench.remembered())["sheet", "S1"][1]["learners"] == ["L1", "L3"]


@pytest.mark.parametrize("flags", [{"locked": True}, {"signed_learners": ids("e-learner-L2")}])
async def test_R18_nobody_who_signed_meanwhile_is_taken_off(bench: Bench, flags: dict[str, object]) -> None:
    school = small_school(learners=2).erp_edits("sheet", "S1", learners=ids("L1"))
    await bench.start(school)
    bench.platform.mark("sheet", "e-sheet-S1", **flags)
    (outcome,) = await bench.write()
    assert (outcome.state, bench.platform.writes) == ("dropped", [])


async def test_R18_a_sheet_is_read_again_after_each_change(bench: Bench) -> None:
    await bench.start(small_school().erp_edits("sheet", "S1", room="A1"))
    await bench.write()
    assert bench.platform.calls["read"] == 2
    refreshed = bench.writer.refreshed["sheet"]["e-sheet-S1"]
    assert refreshed is not None and refreshed.record.value("room") == "A1"


async def test_R15_a_sheet_signed_since_the_plan_is_not_withdrawn(bench: Bench) -> None:
    school = small_school().erp_ends("sheet", "S1")
    await bench.start(school)
    bench.platform.mark("sheet", "e-sheet-S1", signed_learners=ids("e-learner-L1"))
    (outcome,) = await bench.write()
    assert (outcome.state, bench.platform.writes) == ("dropped", [])


async def test_R11_a_speaker_who_became_shared_is_not_archived(bench: Bench) -> None:
    school = small_school(sessions=[session("S1", "L1", starts=-DAY)]).erp_ends("speaker", "P1")
    await bench.start(school)
    bench.platform.mark("speaker", "e-speaker-P1", shared=True)
    await bench.write(*changes(school.plan(), "archive"))
    assert bench.platform.writes == []


async def test_R19_a_seal_drops_the_link_and_remembers_the_sheet(bench: Bench) -> None:
    school = small_school().edusign_marks("sheet", "S1", locked=True)
    school.erp_edits("sheet", "S1", start=NOW + 3 * DAY, end=NOW + 3 * DAY + 2 * HOUR)
    await bench.start(school)
    await bench.write(*changes(school.plan(), "seal"))
    assert await bench.store.transact(lambda tx: tx.sealed(LYON)) == {"S1": ("e-sheet-S1",)}
    assert ("sheet", "S1") not in await bench.remembered() and bench.platform.writes == []


async def test_R20_what_a_group_write_carries_to_its_sheets_is_ours(bench: Bench) -> None:
    school = small_school(learners=2).both(learner("L3")).erp_edits("group", "G1", members=ids("L1", "L3"))
    await bench.start(school)
    bench.platform.cascade = True
    await bench.write(*changes(school.plan(), "update", "group"))
    sheet = cast(Sheet, bench.platform.records["sheet"]["e-sheet-S1"].record)
    assert sheet.learners == ids("e-learner-L1", "e-learner-L3")
    assert (await bench.remembered())["sheet", "S1"][1]["learners"] == ["L1", "L3"]


# R37


async def test_R37_the_intent_is_journaled_before_the_call(bench: Bench) -> None:
    await bench.start(newcomer())
    journal: list[tuple[str, str]] = []

    def look() -> None:
        with bench.store._engine.connect() as connection:
            journal.extend(
                (row[0], row[1]) for row in connection.exec_driver_sql("select verb, state from intent")
            )

    bench.platform.meddle = look
    await bench.write()
    assert journal == [("create", "open")] and await bench.states() == [("create", "done")]


async def test_R37_the_precondition_is_read_again(bench: Bench) -> None:
    await bench.start(small_school().erp_edits("learner", "L1", email="ours@ecole.example"))
    bench.platform.edit("learner", "e-learner-L1", email="theirs@mail.example")
    (outcome,) = await bench.write()
    assert (outcome.state, bench.platform.writes) == ("dropped", [])
    assert bench.platform.records["learner"]["e-learner-L1"].record.value("email") == "theirs@mail.example"


async def test_R37_who_was_added_to_a_group_meanwhile_stays(bench: Bench) -> None:
    await bench.start(
        small_school(learners=2).both(learner("L3")).erp_edits("group", "G1", members=ids("L1", "L3"))
    )
    bench.platform.edit("group", "e-group-G1", members=ids("e-learner-L1", "e-learner-L2", "e-hand"))
    await bench.write(*changes(bench.school.plan(), "update", "group"))
    after = bench.platform.records["group"]["e-group-G1"].record.value("members")
    assert after == ids("e-learner-L1", "e-learner-L3", "e-hand")


async def test_R37_link_base_intent_and_events_commit_together(bench: Bench) -> None:
    await bench.start(newcomer())
    await bench.write()
    (event,) = await bench.told()
    assert (event.kind, event.erp_id, event.edusign_id, event.data["intent"]) == (
        "write",
        "L1",
        "new-learner-1",
        1,
    )
    assert await bench.states() == [("create", "done")] and len(await bench.remembered()) == 1


async def test_R37_none_of_it_is_kept_once_the_lease_is_lost(bench: Bench) -> None:
    await bench.start(newcomer())

    def take_over() -> None:
        with bench.store._engine.begin() as connection:
            connection.exec_driver_sql("update lease set token = token + 1")

    bench.platform.meddle = take_over
    with pytest.raises(LeaseLost):
        await bench.write()
    assert await bench.states() == [("create", "open")]
    assert await bench.remembered() == {} and await bench.told() == []


async def test_R37_a_timed_out_create_stays_open_and_is_not_sent_again(bench: Bench) -> None:
    await bench.start(newcomer())
    bench.platform.silent_after = {"create"}
    (outcome,) = await bench.write()
    assert outcome.state == "unknown" and await bench.states() == [("create", "open")]
    (intent,) = await bench.open()
    assert await recover(bench.writer, intent) == "done"
    assert len(bench.platform.live("learner")) == 1 and bench.platform.writes == [
        ("create", "learner", "new-learner-1")
    ]
    assert (await bench.remembered())["learner", "L1"][0] == "new-learner-1"


async def test_R37_a_refusal_closes_the_intent(bench: Bench) -> None:
    await bench.start(newcomer())
    bench.platform.refuses = {"create": "e-mail already taken"}
    (outcome,) = await bench.write()
    assert (outcome.state, outcome.note) == ("refused", "e-mail already taken")
    assert await bench.states() == [("create", "refused")] and await bench.remembered() == {}


async def test_R37_a_fault_that_meets_every_write_stops_them_all(bench: Bench) -> None:
    await bench.start(newcomer())
    bench.platform.unreachable = {"create"}
    with pytest.raises(Halt):
        await bench.write()
    assert await bench.states() == [("create", "never_arrived")]


async def test_R37_what_is_so_already_is_not_written(bench: Bench) -> None:
    school = small_school(learners=2).erp_edits("sheet", "S1", learners=ids("L1"))
    await bench.start(school)
    bench.platform.edit("sheet", "e-sheet-S1", learners=ids("e-learner-L1"))
    (outcome,) = await bench.write()
    assert (outcome.state, bench.platform.writes) == ("nothing", [])
    assert (await bench.remembered())["sheet", "S1"][1]["learners"] == ["L1"]


async def test_R02_an_overwritten_edit_is_told_with_both_values_and_the_run(bench: Bench) -> None:
    await bench.start(small_school().edusign_edits("learner", "L1", last_name="By hand"))
    await bench.write()
    (notice,) = [e for e in await bench.told() if e.kind == "notice"]
    assert notice.data == {"field": "last_name", "edusign": "By hand", "erp": "DupontL1", "run": "r1"}


# R38


def every_verb() -> School:
    """A school whose plan has each verb that writes to Edusign, once."""
    school = small_school(learners=3, sessions=[session("S1", "L1", "L2"), session("S2", "L1", starts=5 * DAY)])
    school.both(learner("L4"), learner("L5"), learner("L6")).erp(learner("L7")).erp(learner("L8"))
    school.by_hand(learner("e8", last_name="DupontL8", email="l8@ecole.example"))
    school.erp_edits("sheet", "S1", learners=ids("L1", "L4")).erp_edits("learner", "L1", last_name="Durand")
    school.erp_ends("sheet", "S2").erp_ends("learner", "L5")
    hidden = school.edusign["learner"].pop("e-learner-L6").model_copy(update={"archived": True})
    school.lookups["learner", hidden.id] = hidden
    return school


VERBS = ("add", "archive", "create", "link", "remove", "restore", "update", "withdraw")


def test_R38_every_kind_of_write_is_tried_below() -> None:
    assert tuple(sorted(c.verb for c in every_verb().plan().changes)) == VERBS


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("verb", VERBS)
async def test_R38_a_crash_at_any_write_ends_as_if_there_had_been_none(
    bench: Bench, tmp_path: Path, verb: Verb, moment: Moment
) -> None:
    (change,) = changes(every_verb().plan(), verb)
    await bench.start(every_verb())
    bench.platform.kill_at = (1, moment)
    with pytest.raises(Killed):
        await bench.write(change)
    assert len(await bench.open()) == 1
    bench.platform.kill_at = None
    await bench.engine()
    (intent,) = await bench.open()
    expected = "done" if moment == "after" else "never_arrived"
    assert await recover(bench.writer, intent) == expected
    if moment == "before":
        assert bench.platform.writes == []
        await bench.write(change)
    assert len(bench.platform.writes) == 1 and await bench.open() == []
    crashed = (await bench.remembered(), bench.platform.records)
    calm = await Bench(tmp_path / "calm").start(every_verb())
    await calm.write(change)
    assert crashed == (await calm.remembered(), calm.platform.records)
    calm.store.close()


async def test_R38_the_base_becomes_what_was_sent_not_what_is_read_then(bench: Bench) -> None:
    await bench.start(newcomer())
    bench.platform.kill_at = (1, "after")
    with pytest.raises(Killed):
        await bench.write()
    bench.platform.edit("learner", "new-learner-1", email="byhand@mail.example", last_name="By hand")
    await bench.engine()
    (intent,) = await bench.open()
    assert await recover(bench.writer, intent) == "done"
    base = (await bench.remembered())["learner", "L1"][1]
    assert (base["email"], base["last_name"]) == ("l1@ecole.example", "Zoë")


async def test_R38_an_update_that_arrived_only_counts_for_what_is_there(bench: Bench) -> None:
    await bench.start(small_school().erp_edits("learner", "L1", last_name="Durand", email="new@ecole.example"))
    bench.platform.kill_at = (1, "after")
    with pytest.raises(Killed):
        await bench.write()
    await bench.engine()
    (intent,) = await bench.open()
    await recover(bench.writer, intent)
    base = (await bench.remembered())["learner", "L1"][1]
    assert (base["last_name"], base["email"], base["first_name"]) == ("Durand", "new@ecole.example", "Jeanne")


async def test_R20_what_a_group_write_carried_on_is_ours_after_a_crash_too(bench: Bench) -> None:
    school = small_school(learners=2).both(learner("L3")).erp_edits("group", "G1", members=ids("L1", "L3"))
    await bench.start(school)
    bench.platform.cascade, bench.platform.kill_at = True, (1, "after")
    with pytest.raises(Killed):
        await bench.write(*changes(school.plan(), "update", "group"))
    await bench.engine()
    (intent,) = await bench.open()
    assert await recover(bench.writer, intent) == "done"
    assert (await bench.remembered())["sheet", "S1"][1]["learners"] == ["L1", "L3"]


async def test_R37_a_fault_while_looking_after_a_write_leaves_its_intent_open(bench: Bench) -> None:
    school = small_school(learners=2).both(learner("L3")).erp_edits("group", "G1", members=ids("L1", "L3"))
    await bench.start(school)
    bench.platform.unreachable = {"sheets_of_group"}
    (outcome,) = await bench.write(*changes(school.plan(), "update", "group"))
    assert outcome.state == "unknown" and await bench.states() == [("update", "open")]
    bench.platform.unreachable = set()
    (intent,) = await bench.open()
    assert await recover(bench.writer, intent) == "done"
    assert (await bench.remembered())["group", "G1"][1]["members"] == ["L1", "L3"]


async def test_R38_a_probe_that_fails_leaves_the_intent_open(bench: Bench) -> None:
    await bench.start(newcomer())
    bench.platform.silent_after = {"create"}
    await bench.write()
    bench.platform.unreachable = {"id_by_api_id"}
    (intent,) = await bench.open()
    with pytest.raises(Exception, match="unreachable"):
        await recover(bench.writer, intent)
    assert len(await bench.open()) == 1


async def test_R38_a_record_of_another_connector_under_our_key_is_not_ours(bench: Bench) -> None:
    await bench.start(newcomer())
    bench.platform.kill_at = (1, "before")
    with pytest.raises(Killed):
        await bench.write()
    foreign = School().by_hand(learner("e1", last_name="Petit"), api_id="L1", api_type="hyperplanning")
    bench.platform.records["learner"] = FakePlatform.of(foreign).records["learner"]
    await bench.engine()
    (intent,) = await bench.open()
    assert await recover(bench.writer, intent) == "never_arrived" and await bench.remembered() == {}


async def test_R38_recovering_twice_is_recovering_once(bench: Bench) -> None:
    await bench.start(small_school().erp(speaker("P2")))
    bench.platform.silent_after = {"create"}
    await bench.write()
    (intent,) = await bench.open()
    await recover(bench.writer, intent)
    before = await bench.remembered()
    await recover(bench.writer, intent)
    assert await bench.remembered() == before and len(bench.platform.writes) == 1
