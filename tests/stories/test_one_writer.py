"""One writer, and one switch that stops it, end to end (R39, R40)."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import httpx
import pytest

from connectors.simulation.control import FaultOrder
from engine.compose import CannotStart
from engine.service.models import FreezeRequest
from engine.service.operations import Refusal
from tests.stories.town import EDUSIGN_KEY, Town, play

TWO = ("lyon", "nantes")


def edits(town: Town, count: int, name: str = "lyon") -> None:
    """`count` new phone numbers in the ERP of one connection, on learners it linked."""
    side = town.sides[name]
    plain = [identity for identity in side.erp.store.learners if identity not in side.school.dirty()]
    for n, identity in enumerate(plain[:count]):
        side.erp.store.edit(identity, "phone", f"06 11 22 33 {n:02d}", who="secretary")


async def freeze(town: Town, name: str = "lyon", reason: str = "audit") -> None:
    await town.engine.freeze(FreezeRequest(connection=name, reason=reason), "bea")


async def thaw(town: Town, name: str = "lyon") -> None:
    await town.engine.thaw(FreezeRequest(connection=name), "bea")


async def another_writes(town: Town, api_id: str, api_type: str = "rollcall-lyon") -> str:
    """Another program makes a learner through Edusign's API; its id."""
    person = {"FIRSTNAME": "Otto", "LASTNAME": "Autre", "EMAIL": f"{api_id}@example.org"}
    body = {"student": {**person, "API_ID": api_id, "API_TYPE": api_type, "SEND_EMAIL_CREDENTIALS": False}}
    transport = httpx.ASGITransport(town.side.edusign.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://edusign.test") as client:
        headers = {"Authorization": f"Bearer {EDUSIGN_KEY}"}
        answer = await client.post("/v1/student", json=body, headers=headers)
    town.written()
    return str(answer.json()["result"]["ID"])


def test_R40_a_freeze_stops_every_write_until_it_is_lifted() -> None:
    async def story(town: Town) -> None:
        await freeze(town)
        edits(town, 3)
        run = await town.run()
        assert run.changes == {}
        assert "frozen: audit" in run.message
        assert town.written() == []
        assert len(await town.pending()) == 3
        status = await town.engine.status()
        assert status.connections[0].state == "frozen"
        assert status.connections[0].freeze is not None
        assert (status.connections[0].freeze.reason, status.connections[0].freeze.actor) == ("audit", "bea")
        await thaw(town)
        assert (await town.run()).changes == {"update": 3}
        told = [(e.actor, e.message) for e in await town.log("kind:freeze")]
        assert told == [("bea", "thawed by bea"), ("bea", "frozen: audit")]

    play(story, settled=True)


def test_R40_a_freeze_given_in_the_middle_of_a_run_stops_it_after_the_write_under_way() -> None:
    async def story(town: Town) -> None:
        edits(town, 5)
        patched = 0

        async def freeze_at_the_second(request: httpx.Request) -> None:
            nonlocal patched
            patched += request.method == "PATCH"
            if request.method == "PATCH" and patched == 2:
                await freeze(town)

        town.line.tap = freeze_at_the_second
        run = await town.run()
        assert len(town.written()) == 2
        assert run.changes == {"update": 2}
        assert run.state == "incomplete"
        assert "frozen: audit" in run.message
        await thaw(town)
        assert (await town.run()).changes == {"update": 3}
        await town.plan_is_empty()

    play(story, settled=True)


def test_R40_a_freeze_survives_a_restart() -> None:
    async def story(town: Town) -> None:
        await freeze(town)
        await town.restart()
        edits(town, 1)
        assert (await town.run()).changes == {}
        await thaw(town)
        await town.restart()
        assert (await town.run()).changes == {"update": 1}

    play(story, settled=True)


def test_R40_a_freeze_of_one_leaves_the_others_and_a_freeze_of_all_does_not() -> None:
    async def story(town: Town) -> None:
        edits(town, 1, "lyon")
        edits(town, 1, "nantes")
        await freeze(town, "lyon")
        assert (await town.run("lyon")).changes == {}
        assert (await town.run("nantes")).changes == {"update": 1}
        await thaw(town, "lyon")
        await freeze(town, "")
        edits(town, 2, "nantes")
        assert (await town.run("lyon")).changes == {}
        assert (await town.run("nantes")).changes == {}
        await thaw(town, "")
        assert (await town.run("lyon")).changes == {"update": 1}

    play(story, settled=True, connections=TWO)


def test_R40_what_is_not_frozen_cannot_be_thawed() -> None:
    async def story(town: Town) -> None:
        with pytest.raises(Refusal) as told:
            await thaw(town)
        assert told.value.code == "not_found"

    play(story, settled=True)


def test_R39_another_writer_under_our_mark_freezes_the_connection_and_a_thaw_accepts_it() -> None:
    async def story(town: Town) -> None:
        stranger = await another_writes(town, "99999")
        edits(town, 2)
        run = await town.run()
        assert run.changes == {}
        assert town.written() == []
        freeze = (await town.engine.status()).connections[0].freeze
        assert freeze is not None
        assert "another writer" in freeze.reason
        assert stranger in freeze.reason
        await town.restart()
        assert (await town.run()).changes == {}
        await thaw(town)
        assert (await town.run()).changes == {"update": 2}
        assert (await town.engine.status()).connections[0].freeze is None
        # What was accepted is not written; a second stranger is one again.
        assert town.edusign_row("learner", stranger)["HIDDEN"] == 0
        await another_writes(town, "99998")
        await town.run()
        assert (await town.engine.status()).connections[0].freeze is not None

    play(story, settled=True)


def test_R39_records_of_other_programs_and_people_freeze_nothing() -> None:
    async def story(town: Town) -> None:
        await another_writes(town, "99999", api_type="hr-export")
        fields = {"LASTNAME": "Main", "FIRSTNAME": "Ève", "EMAIL": "main@example.org"}
        town.hand.create(kind="learner", identity="P90001", fields=fields, who="eve")
        edits(town, 1)
        assert (await town.run()).changes == {"update": 1}
        assert (await town.engine.status()).connections[0].freeze is None

    play(story, settled=True)


def test_R39_a_create_of_ours_that_went_unanswered_is_no_stranger() -> None:
    async def story(town: Town) -> None:
        silent = FaultOrder(kind="502", method="POST", route="/v1/student", phase="after", count=1)
        town.side.edusign.control.fault(silent)
        code = town.erp.add_learner("P90001", "Quiroz", "Inès", "ines@example.org", "G001", who="secretary")
        await town.run()
        await town.run()
        assert (await town.engine.status()).connections[0].freeze is None
        assert str(code) in await town.linked("learner")
        made = [w for w in town.written() if (w["kind"], w["verb"]) == ("learner", "create")]
        assert len(made) == 1
        await town.plan_is_empty()

    play(story, settled=True)


def test_R39_a_store_opened_on_another_machine_starts_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(town: Town) -> None:
        edits(town, 1)
        monkeypatch.setattr("engine.compose.machine_id", lambda folder: "another")
        await town.restart()
        status = await town.engine.status()
        assert status.frozen is not None
        assert "another machine" in status.frozen.reason
        assert (await town.run()).changes == {}
        # Starting again here does not count as consent.
        await town.restart()
        assert (await town.run()).changes == {}
        await thaw(town, "")
        assert (await town.run()).changes == {"update": 1}
        await town.restart()
        assert (await town.engine.status()).frozen is None

    play(story, settled=True)


def test_R39_a_second_engine_on_the_same_folder_is_refused() -> None:
    async def story(town: Town) -> None:
        with pytest.raises(CannotStart) as told:
            town.opened()
        assert str(town.folder) in str(told.value)
        edits(town, 1)
        assert (await town.run()).changes == {"update": 1}

    play(story, settled=True)


def test_R39_a_run_whose_lease_was_taken_stops_at_once() -> None:
    async def story(town: Town) -> None:
        edits(town, 5)
        patched = 0

        async def take_over(request: httpx.Request) -> None:
            nonlocal patched
            patched += request.method == "PATCH"
            if request.method == "PATCH" and patched == 2:
                with closing(sqlite3.connect(town.folder / "state.sqlite")) as store, store:
                    store.execute("UPDATE lease SET holder = 'another', token = token + 1")

        town.line.tap = take_over
        run = await town.run()
        assert run.state == "failed"
        assert "another engine took over" in run.message
        assert len(town.written()) == 2
        # What it could not commit is looked up before anything else, once the lease is ours again.
        with pytest.raises(Refusal) as told:
            await town.run()
        assert told.value.code == "busy"
        town.line.tap = None
        await town.after(minutes=10)
        assert (await town.run()).changes == {"update": 3}
        assert len(town.written()) == 3
        await town.plan_is_empty()

    play(story, settled=True)
