"""People who are there already, end to end: adopted, asked about, restored, or left alone (R07–R11, R17)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stories.town import Known, Town, play

OURS = "rollcall-lyon"


def in_edusign(town: Town, identity: str, last: str, first: str, email: str, **more: Any) -> str:
    """A person makes a learner in Edusign by hand; the new id."""
    fields = {"LASTNAME": last, "FIRSTNAME": first, "EMAIL": email, "PHONE": "", **more}
    return str(town.hand.create(kind="learner", identity=identity, fields=fields, who="eve"))


def enrol(town: Town, identity: str, last: str, first: str, email: str) -> str:
    """The secretary enrols a learner in the ERP; their code."""
    return str(town.erp.add_learner(identity, last, first, email, "G001", who="secretary"))


def living(town: Town, email: str) -> list[dict[str, Any]]:
    rows = town.side.edusign.dump()["students"]
    return [row for row in rows if row["EMAIL"].lower() == email.lower() and not row["HIDDEN"]]


def learners_made(town: Town) -> list[str]:
    """API_IDs of the learners created since writes were last asked for."""
    return [w["api_id"] for w in town.written() if (w["verb"], w["kind"]) == ("create", "learner")]


def writes_on(town: Town, id: str) -> list[str]:
    return [w["verb"] for w in town.written() if w["id"] == id]


def test_R07_one_made_by_hand_with_the_same_email_and_name_is_adopted_and_stamped() -> None:
    async def story(town: Town) -> None:
        id = in_edusign(town, "P90001", "NGÔ", "Thị", "Thi@example.org")
        code = enrol(town, "P90001", "Thị", "Ngô", "thi@example.org")
        run = await town.run()
        assert run.changes["link"] == 1
        assert learners_made(town) == []
        (row,) = living(town, "thi@example.org")
        assert (row["ID"], row["API_ID"], row["API_TYPE"]) == (id, code, OURS)
        assert (await town.linked("learner"))[code] == id
        assert id in town.roster(await town.known("S00012"))
        await town.plan_is_empty()

    play(story, settled=True)


@pytest.mark.parametrize("said", ["same", "different"])
def test_R09_a_probable_pair_blocks_that_one_create_until_a_person_decides(said: str) -> None:
    async def story(town: Town) -> None:
        id = in_edusign(town, "P90001" if said == "same" else "P90009", "Quiroz", "Inès", "old@example.org")
        code = enrol(town, "P90001", "Quiroz", "Inès", "ines@example.org")
        other = enrol(town, "P90002", "Rivoire", "Paul", "paul@example.org")
        await town.run()
        assert learners_made(town) == [other]
        (block,) = await town.items("duplicate")
        assert (block.erp_id, block.edusign_id, block.code) == (code, id, "same_name")
        assert block.bites_at is not None
        assert living(town, "ines@example.org") == []
        await town.plan_is_empty()
        await town.decide(block, said)
        await town.run()
        linked = (await town.linked("learner"))[code]
        if said == "same":
            assert linked == id
            # Its two e-mails differ and have no base: that is asked, not overwritten.
            (conflict,) = [c for c in await town.items("conflict") if c.erp_id == code]
            assert (conflict.data["erp"], conflict.data["edusign"]) == ("ines@example.org", "old@example.org")
            assert (town.edusign_row("learner", id)["API_ID"], living(town, "ines@example.org")) == (code, [])
        else:
            assert linked != id
            assert len(living(town, "ines@example.org")) == 1
            assert town.edusign_row("learner", id)["API_ID"] == ""
        await town.plan_is_empty()
        assert await town.items("duplicate") == []

    play(story, settled=True)


def test_R09_the_same_email_under_another_name_is_asked_too() -> None:
    async def story(town: Town) -> None:
        id = in_edusign(town, "P90009", "Tavernier", "Luc", "family@example.org")
        enrol(town, "P90001", "Quiroz", "Inès", "family@example.org")
        await town.run()
        (block,) = await town.items("duplicate")
        assert (block.edusign_id, block.code) == (id, "same_email_other_name")
        assert town.edusign_row("learner", id)["API_TYPE"] == ""
        # Two people of one address: Edusign refuses the second, and that is said where it can be corrected.
        await town.decide(block, "different")
        await town.run()
        assert learners_made(town) == []
        assert {r.code for r in await town.items("rejection") if r.label == "Quiroz Inès"} <= {
            "email_of_another",
            "refused_by_edusign",
        }
        assert len(living(town, "family@example.org")) == 1

    play(story, settled=True)


def test_R08_an_archived_person_is_restored_never_made_again() -> None:
    async def story(town: Town) -> None:
        id = in_edusign(town, "P90001", "Quiroz", "Inès", "ines@example.org")
        town.hand.archive(kind="learner", id=id, who="eve")
        code = enrol(town, "P90001", "Quiroz", "Inès", "ines@example.org")
        run = await town.run()
        assert run.changes["restore"] == 1
        (row,) = living(town, "ines@example.org")
        assert (row["ID"], row["API_ID"], row["API_TYPE"]) == (id, code, OURS)
        await town.plan_is_empty()

    play(story, settled=True)


@pytest.mark.parametrize("said", ["approve", "refuse"])
def test_R08_an_archived_hit_of_another_name_is_held(said: str) -> None:
    async def story(town: Town) -> None:
        id = in_edusign(town, "P90009", "Tavernier", "Luc", "reused@example.org")
        town.hand.archive(kind="learner", id=id, who="eve")
        code = enrol(town, "P90001", "Quiroz", "Inès", "reused@example.org")
        await town.run()
        (hold,) = await town.items("hold")
        assert (hold.code, [c.erp_id for c in hold.changes]) == ("archived_other_name", [code])
        assert town.edusign_row("learner", id)["HIDDEN"] == 1
        # Until somebody decides, runs are quiet: neither the record nor its group is tried again.
        town.written()
        await town.run()
        assert town.written() == []
        await town.plan_is_empty()
        (hold,) = await town.items("hold")
        await town.decide(hold, said)
        await town.run()
        row = town.edusign_row("learner", id)
        if said == "approve":
            assert (row["HIDDEN"], row["LASTNAME"], row["API_ID"]) == (0, "Quiroz", code)
        else:
            assert (row["HIDDEN"], row["LASTNAME"], row["API_ID"]) == (1, "Tavernier", "")
            assert code not in await town.linked("learner")
        assert await town.items("hold") == []
        await town.plan_is_empty()

    play(story, settled=True)


def test_R08_somebody_who_left_and_comes_back_is_restored() -> None:
    async def story(town: Town) -> None:
        await town.at("2026-09-18 20:00")
        await town.run()
        one = (await town.plain_learners("G001"))[0]
        town.erp.depart(one.identity, who="secretary")
        await town.run()
        assert town.row(one)["HIDDEN"] == 1
        town.erp.learners[one.identity].left = None
        town.written()
        run = await town.run()
        assert run.changes["restore"] == 1
        assert town.row(one)["HIDDEN"] == 0
        assert (await town.linked("learner"))[one.erp_id] == one.edusign_id
        assert learners_made(town) == []
        await town.plan_is_empty()

    play(story, settled=True)


def test_R10_a_record_of_another_api_type_is_linked_read_only_and_never_written() -> None:
    async def story(town: Town) -> None:
        more = {"API_ID": "X-17", "API_TYPE": "hr-export"}
        id = in_edusign(town, "P90001", "Quiroz", "Inès", "ines@example.org", **more)
        code = enrol(town, "P90001", "Quiroz", "Inès", "ines@example.org")
        await town.run()
        assert (await town.linked("learner"))[code] == id
        assert id in town.roster(await town.known("S00012"))
        assert len(living(town, "ines@example.org")) == 1
        await town.plan_is_empty()
        town.erp.edit("P90001", "last_name", "Quiroz-Lemaire", who="secretary")
        town.erp.edit("P90001", "email", "lemaire@example.org", who="secretary")
        assert (await town.run()).changes == {}
        town.erp.depart("P90001", who="secretary")
        await town.at("2026-09-18 20:00")
        await town.run()
        await town.approve_all()
        await town.run()
        row = town.edusign_row("learner", id)
        assert (row["LASTNAME"], row["API_ID"], row["API_TYPE"], row["HIDDEN"]) == (
            "Quiroz", "X-17", "hr-export", 0,
        )  # fmt: skip
        assert writes_on(town, id) == []
        await town.plan_is_empty()

    play(story, settled=True)


async def shared_speaker(town: Town) -> Known:
    (identity,) = [d.identities[0] for d in town.side.school.dirt if d.kind == "shared_speaker"]
    return await town.known(identity)


def test_R11_a_speaker_of_several_schools_is_never_renamed() -> None:
    async def story(town: Town) -> None:
        one = await shared_speaker(town)
        before = town.row(one)
        town.erp.edit(one.identity, "last_name", "Autrement", who="secretary")
        assert (await town.run()).changes == {}
        assert town.row(one)["LASTNAME"] == before["LASTNAME"]
        codes = [(n.code, n.erp_id) for n in await town.items("notice")]
        assert codes == [("shared_speaker_renamed", one.erp_id)]
        await town.plan_is_empty()

    play(story, settled=True)


def test_R11_a_speaker_of_several_schools_is_never_archived() -> None:
    async def story(town: Town) -> None:
        one = await shared_speaker(town)
        await town.at("2026-09-18 20:00")
        await town.run()
        for session in town.erp.sessions.values():
            if one.identity in session.staff:
                session.staff = ["P00041"]
        del town.erp.staff[one.identity]
        for when in ("2026-09-19 13:00", "2026-09-19 20:00", "2026-09-20 13:00"):
            await town.at(when)
            await town.run()
        assert "archive" not in {w["verb"] for w in town.written()}
        assert not town.row(one)["HIDDEN"]
        assert ("shared_speaker_left", one.erp_id) in {(n.code, n.erp_id) for n in await town.items("notice")}
        await town.plan_is_empty()

    play(story, settled=True)


def test_R17_a_shared_email_rejects_the_newcomer_only() -> None:
    async def story(town: Town) -> None:
        holder = (await town.plain_learners())[0]
        email = town.row(holder)["EMAIL"]
        code = enrol(town, "P90001", "Quiroz", "Inès", email.upper())
        assert (await town.run()).changes == {}
        shared = [r for r in await town.items("rejection") if r.code == "shared_email" and email in str(r.data)]
        assert [r.erp_id for r in shared] == [code]
        # The holder goes on as before.
        town.erp.edit(holder.identity, "phone", "06 00 00 00 42", who="secretary")
        assert (await town.run()).changes == {"update": 1}
        await town.plan_is_empty()
        town.erp.edit("P90001", "email", "ines@example.org", who="secretary")
        await town.run()
        assert code in await town.linked("learner")

    play(story, settled=True)


def test_R17_both_are_rejected_where_both_are_new() -> None:
    async def story(town: Town) -> None:
        first = enrol(town, "P90001", "Quiroz", "Inès", "both@example.org")
        second = enrol(town, "P90002", "Rivoire", "Paul", "Both@Example.org")
        assert (await town.run()).changes == {}
        shared = {r.erp_id for r in await town.items("rejection") if r.code == "shared_email"}
        assert {first, second} <= shared
        await town.plan_is_empty()

    play(story, settled=True)


def test_R17_two_linked_learners_who_swap_emails_are_told_apart_by_their_ids() -> None:
    async def story(town: Town) -> None:
        one, two = (await town.plain_learners())[:2]
        mine, yours = town.row(one)["EMAIL"], town.row(two)["EMAIL"]
        town.erp.edit(one.identity, "email", yours, who="secretary")
        town.erp.edit(two.identity, "email", mine, who="secretary")
        await town.run()
        links = await town.linked("learner")
        assert (links[one.erp_id], links[two.erp_id]) == (one.edusign_id, two.edusign_id)
        assert len(living(town, mine)) == len(living(town, yours)) == 1

    play(story, settled=True)
