"""The simulated Yparéo speaks the dialect of the reference, and people can edit behind it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import httpx
import pytest

from connectors.edusign.simulator import EdusignSimulator
from connectors.simulation.control import ControlError
from connectors.simulation.people import Edit, Editor, script
from connectors.simulation.school import School
from connectors.ypareo.simulator import BASE, DEMO_TOKEN, YpareoSimulator, YpareoSwitches

START = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
WEEK = "24-11-2026/30-11-2026"


class StillClock:
    """Stands at `at`."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0

    async def sleep_until(self, at: datetime) -> None:
        self.at = max(self.at, at)


@pytest.fixture(scope="module")
def school() -> School:
    return School.seeded(3, 60, START)


class Client:
    """A client that knows nothing but HTTP."""

    def __init__(self, school: School, switches: YpareoSwitches | None = None) -> None:
        self.clock = StillClock()
        self.simulator = YpareoSimulator(school, self.clock, switches)
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.simulator.app), base_url="http://ypareo.example"
        )

    async def raw(self, path: str, token: str | None = DEMO_TOKEN) -> httpx.Response:
        headers = {"X-Auth-Token": token} if token is not None else {}
        return await self.http.get(f"{BASE}{path}", headers=headers)

    async def get(self, path: str) -> Any:
        response = await self.raw(path)
        assert response.status_code == 200, response.text
        return response.json()

    async def control(self, action: str, **arguments: Any) -> httpx.Response:
        return await self.http.post(f"/__control__/{action}", json=arguments)

    def code(self, identity: str) -> int:
        return self.simulator.code_of(identity)

    async def sessions(self, group: str) -> dict[int, Any]:
        planning = await self.get(f"/planning/{WEEK}/groupes/{self.code(group)}")
        return {row["codeSeance"]: row for row in planning["cours"]}


@pytest.fixture
async def client(school: School) -> AsyncIterator[Client]:
    made = Client(school)
    yield made
    await made.http.aclose()


def plain_session(school: School, days: int = 2) -> str:
    """An ordinary future session of the first group."""
    dirty = school.dirty()
    return next(
        s.identity
        for s in school.sessions
        if s.groups == ("G001",) and s.identity not in dirty and s.day >= START + timedelta(days=days)
        and len(s.staff) == 1
    )  # fmt: skip


def clean_learner(school: School, group: str = "G001", nth: int = 0) -> str:
    dirty = school.dirty()
    found = [
        o.identity
        for o in school.learners
        if o.group == group and o.identity not in dirty and o.email == o.portal_email
    ]
    return found[nth]


# Dialect


async def test_token_is_asked_on_every_call(client: Client) -> None:
    assert (await client.raw("/periodes", token=None)).status_code == 401
    refused = await client.raw("/periodes", token="wrong")
    assert refused.status_code == 401 and refused.text == "Unauthorized"


async def test_bad_token_may_be_403(school: School) -> None:
    client = Client(school, YpareoSwitches(unauthorized_status=403))
    assert (await client.raw("/periodes", token="wrong")).status_code == 403


async def test_unknown_route_is_404(client: Client) -> None:
    assert (await client.raw("/nulle-part")).status_code == 404


async def test_periods_have_slashed_dates_and_one_holds_today(client: Client) -> None:
    periods = await client.get("/periodes")
    assert isinstance(periods, dict) and all(key == str(p["codePeriode"]) for key, p in periods.items())
    spans = [
        tuple(
            datetime.strptime(p[name], "%d/%m/%Y").replace(tzinfo=UTC).date() for name in ("dateDeb", "dateFin")
        )
        for p in periods.values()
    ]
    assert sum(first <= START <= last for first, last in spans) == 1


async def test_groups_are_an_object_keyed_by_code(client: Client, school: School) -> None:
    groups = await client.get("/formation-longue/groupes?codesPeriode=12")
    assert set(groups) == {str(client.code(g.identity)) for g in school.groups}
    assert set(next(iter(groups.values()))) == {
        "codeGroupe", "nomGroupe", "abregeGroupe", "etenduGroupe", "codeFormation", "numeroAnnee",
        "prixDeVente", "dateDebut", "dateFin",
    }  # fmt: skip
    assert await client.get("/formation-longue/groupes?codesPeriode[]=12,13") == groups
    formation = next(iter(groups.values()))["codeFormation"]
    assert (await client.get(f"/formations/{formation}"))["codeFormation"] == formation
    assert str(formation) in await client.get("/formations")


async def test_an_empty_collection_is_a_list_as_php_makes_it(school: School) -> None:
    assert await Client(school).get("/formation-longue/groupes?codesPeriode=99") == []
    assert await Client(school).get(f"/formation-courte/{WEEK}/groupes") == []
    assert await Client(school).get(f"/absences/{WEEK}") == []
    plain = Client(school, YpareoSwitches(empty_collection="object"))
    assert await plain.get("/formation-longue/groupes?codesPeriode=99") == {}


async def test_learners_have_the_fields_seen(client: Client, school: School) -> None:
    learners = await client.get("/formation-longue/apprenants?codesPeriode=12")
    assert len(learners) == 60
    known = next(o for o in school.learners if o.identity == clean_learner(school))
    row = learners[str(client.code(known.identity))]
    assert (row["nomApprenant"], row["prenomApprenant"]) == (known.last_name, known.first_name)
    assert row["dateNaissance"] == f"{known.born:%d/%m/%Y}"
    assert row["adresse"]["email"] == known.email and row["adresse"]["tel1"] == known.phone
    current = [
        e
        for e in row["inscriptions"]
        if e["codeInscription"] == row["informationsCourantes"]["codeInscription"]
    ]
    assert len(current) == 1 and current[0]["dateDepart"] is None and current[0]["isInscriptionEnCours"]
    assert current[0]["site"]["nomSite"] == known.site
    assert row["informationsCourantes"]["codeGroupe"] == client.code("G001")
    assert await client.get(f"/apprenants/{row['codeApprenant']}") == row


async def test_group_members_are_the_same_rows(client: Client) -> None:
    everybody = await client.get("/formation-longue/apprenants?codesPeriode=12")
    members = await client.get(f"/groupes/{client.code('G001')}/apprenants")
    assert members and all(everybody[code] == row for code, row in members.items())
    assert await client.get("/groupes/1/apprenants") == []
    assert await client.get("/apprenants/frequentes?codesPeriode=12") == everybody


async def test_previous_year_shows_those_who_were_there(client: Client) -> None:
    before = await client.get("/formation-longue/apprenants?codesPeriode=11")
    assert 0 < len(before) < 60
    assert all(len(row["inscriptions"]) == 2 for row in before.values())


async def test_unknown_learner_is_404_or_empty(school: School) -> None:
    assert (await Client(school).raw("/apprenants/1")).status_code == 404
    assert await Client(school, YpareoSwitches(unknown_record="empty")).get("/apprenants/1") == []


async def test_portal_users_carry_the_other_email(client: Client, school: School) -> None:
    users = await client.get("/utilisateur/apprenants")
    known = next(o for o in school.learners if o.email != o.portal_email)
    row = users[str(client.code(known.identity))]
    assert row["email"] == known.portal_email and row["typeUtilisateur"] == "APPRENANT"
    assert {"login", "nom", "prenom", "codeGroupe", "uuidNetUtilisateur", "identifiantSso"} <= set(row)


async def test_staff_users_mix_numbers_and_booleans(client: Client, school: School) -> None:
    users = await client.get("/utilisateur/personnels")
    flags = {type(row["isFormateur"]) for row in users.values()}
    assert flags == {int, bool}
    assert sum(bool(row["isFormateur"]) for row in users.values()) == sum(o.trainer for o in school.staff)
    assert any(row["isAdministratif"] and not row["isFormateur"] for row in users.values())
    numbers = Client(school, YpareoSwitches(booleans="numbers"))
    assert {type(r["isFormateur"]) for r in (await numbers.get("/utilisateur/personnels")).values()} == {int}


@pytest.mark.parametrize("place", ["address", "flat", "none"])
async def test_staff_email_is_where_the_switch_says(school: School, place: Any) -> None:
    rows = await Client(school, YpareoSwitches(staff_email=place)).get("/personnels")
    row = next(iter(rows.values()))
    assert ("email" in row, "adresse" in row) == (place == "flat", place == "address")


async def test_group_planning_is_a_list_of_sessions(client: Client, school: School) -> None:
    sessions = await client.sessions("G001")
    identity = plain_session(school)
    known = next(s for s in school.sessions if s.identity == identity)
    assert known.end is not None
    row = sessions[client.code(identity)]
    assert row == {
        "codeSeance": client.code(identity),
        "codeMatiere": row["codeMatiere"],
        "nomMatiere": known.subject,
        "date": f"{known.day:%d/%m/%Y}",
        "heureDebut": f"{known.start:%H:%M:%S}",
        "heureFin": f"{known.end:%H:%M:%S}",
        "duree": row["duree"],
        "isDistance": int(known.remote),
        "codesGroupe": [client.code("G001")],
        "codesApprenant": [client.code(one) for one in known.learners],
        "codesPersonnel": [client.code(one) for one in known.staff],
        "codesSalle": list(known.rooms),
    }
    order = [(r["date"][6:], r["date"][3:5], r["date"][:2], r["heureDebut"]) for r in sessions.values()]
    assert order == sorted(order)


async def test_shared_session_stands_under_both_groups(client: Client, school: School) -> None:
    shared = next(s for s in school.sessions if len(s.groups) == 2)
    day = f"{shared.day:%d-%m-%Y}"
    for group in shared.groups:
        planning = await client.get(f"/planning/{day}/{day}/groupes/{client.code(group)}")
        row = next(r for r in planning["cours"] if r["codeSeance"] == client.code(shared.identity))
        assert len(row["codesGroupe"]) == 2


async def test_learner_planning_shows_their_sessions_only(client: Client, school: School) -> None:
    learner = clean_learner(school)
    planning = await client.get(f"/planning/{WEEK}/apprenant/{client.code(learner)}")
    assert planning["cours"]
    assert all(client.code(learner) in row["codesApprenant"] for row in planning["cours"])


@pytest.mark.parametrize(("switch", "empty"), [("cours", {"cours": []}), ("list", [])])
async def test_empty_planning_by_switch(school: School, switch: Any, empty: Any) -> None:
    client = Client(school, YpareoSwitches(empty_planning=switch))
    day = "01-08-2027"
    assert await client.get(f"/planning/{day}/{day}/groupes/{client.code('G001')}") == empty
    assert await client.get(f"/planning/{WEEK}/groupes/1") == empty


async def test_planning_without_a_group_never_answers_in_time(school: School) -> None:
    client = Client(school, YpareoSwitches(whole_planning_seconds=0.0))
    response = await client.raw(f"/planning/{WEEK}/groupes")
    assert (response.status_code, response.headers["content-type"]) == (504, "text/plain; charset=utf-8")
    slow = Client(school)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await slow.raw(f"/planning/{WEEK}/groupes")
    whole = await Client(school, YpareoSwitches(whole_planning="answers")).get(f"/planning/{WEEK}/groupes")
    codes = [row["codeSeance"] for row in whole["cours"]]
    assert codes and len(codes) == len(set(codes))


@pytest.mark.parametrize("bad", ["24-11-26", "2026-11-24", "31-02-2026", "aa-bb-cccc"])
async def test_dates_in_paths_are_dashed_day_first(client: Client, bad: str) -> None:
    response = await client.raw(f"/planning/{bad}/30-11-2026/groupes/{client.code('G001')}")
    assert response.status_code == 400


@pytest.mark.parametrize(("switch", "there"), [("null", (None,)), ("empty", ("",)), ("left_out", ())])
async def test_session_without_an_end(school: School, switch: Any, there: tuple[Any, ...]) -> None:
    client = Client(school, YpareoSwitches(no_end=switch))
    identity = next(d.identities[0] for d in school.dirt if d.kind == "no_end")
    group = next(s.groups[0] for s in school.sessions if s.identity == identity)
    row = (await client.sessions(group))[client.code(identity)]
    assert tuple(row[key] for key in ("heureFin",) if key in row) == there


@pytest.mark.parametrize(("switch", "kind"), [("clock", str), ("minutes", int), ("minutes_text", str)])
async def test_duration_by_switch(school: School, switch: Any, kind: type) -> None:
    client = Client(school, YpareoSwitches(duration=switch))
    row = (await client.sessions("G001"))[client.code(plain_session(school))]
    assert type(row["duree"]) is kind


async def test_trainers_and_their_groups(client: Client, school: School) -> None:
    trainer = next(s.staff[0] for s in school.sessions if s.staff)
    query = f"codesPeriode=12&codesPersonnel={client.code(trainer)}"
    rows = await client.get(f"/groupes-personnels/from-planning?{query}")
    assert rows and {row["codePersonnel"] for row in rows.values()} == {client.code(trainer)}


async def test_absences_count_minutes_since_midnight(client: Client, school: School) -> None:
    learner = clean_learner(school)
    answer = await client.control(
        "record_absence", identity=learner, start="2026-11-24T09:00:00", end="2026-11-24T12:00:00", late=True
    )
    code = answer.json()["result"]
    row = (await client.get(f"/absences/{WEEK}"))[str(code)]
    assert (row["heureDeb"], row["heureFin"], row["duree"]) == (540, 720, 180)
    assert row["dateDeb"] == "24/11/2026" and row["isRetard"] and not row["isJustifie"]
    group = client.code("G001")
    at = f"/groupes/{group}/absences"
    assert str(code) in await client.get(f"{at}?dateDebut=24-11-2026&dateFin=24-11-2026")
    assert await client.get(f"{at}?dateDebut=25-11-2026&dateFin=30-11-2026") == []
    # The misspelt name that a client used filters nothing.
    assert str(code) in await client.get(f"{at}?dateDeb=25-11-2026")


async def test_departed_learners_stay_in_the_lists(school: School) -> None:
    identity = next(d.identities[0] for d in school.dirt if d.kind == "departed")
    client = Client(school)
    code = str(client.code(identity))
    row = (await client.get("/formation-longue/apprenants"))[code]
    current = row["inscriptions"][-1]
    assert current["dateDepart"] and not current["isInscriptionEnCours"]
    assert row["informationsCourantes"]["codeInscription"] == current["codeInscription"]
    cleared = Client(school, YpareoSwitches(departed_enrolment="cleared"))
    row = (await cleared.get("/formation-longue/apprenants"))[code]
    assert row["informationsCourantes"]["codeInscription"] is None
    gone = Client(school, YpareoSwitches(departed_listed=False))
    assert code not in await gone.get("/formation-longue/apprenants")


async def test_missing_text_by_switch(school: School) -> None:
    identity = next(d.identities[0] for d in school.dirt if d.kind == "missing_email")
    for no_text, shown in (("empty", ""), ("null", None)):
        client = Client(school, YpareoSwitches(no_text=no_text))
        row = await client.get(f"/apprenants/{client.code(identity)}")
        user = (await client.get("/utilisateur/apprenants"))[str(client.code(identity))]
        assert row["adresse"]["email"] == user["email"] == shown


async def test_hostile_names_survive_json(client: Client, school: School) -> None:
    rows = (await client.get("/formation-longue/apprenants")).values()
    shown = {(row["nomApprenant"], row["prenomApprenant"]) for row in rows}
    assert {(one.last_name, one.first_name) for one in school.learners} == shown


async def test_requests_are_counted_by_template(client: Client) -> None:
    await client.sessions("G001")
    await client.sessions("G002")
    requests = client.simulator.dump()["requests"]
    assert requests == {f"GET {BASE}/planning/{{first}}/{{last}}/groupes/{{code}}": 2}


async def test_a_truncated_list_keeps_its_shape(client: Client) -> None:
    await client.control("fault", kind="truncated_list", route="*/apprenants")
    assert len(await client.get("/formation-longue/apprenants")) == 30
    assert len(await client.get("/formation-longue/apprenants")) == 60
    await client.control("fault", kind="empty_list", route="*/planning/*")
    assert await client.get(f"/planning/{WEEK}/groupes/{client.code('G001')}") == {"cours": []}


# What people do


async def test_an_edit_shows_and_stands_in_the_ledger(client: Client, school: School) -> None:
    identity = clean_learner(school)
    before = next(o.last_name for o in school.learners if o.identity == identity)
    answer = await client.control("edit", identity=identity, field="last_name", value="Renommée", who="anna")
    assert answer.json()["ok"]
    assert (await client.get(f"/apprenants/{client.code(identity)}"))["nomApprenant"] == "Renommée"
    (entry,) = client.simulator.dump()["edits"]
    assert entry == {
        "n": 1, "at": "2026-11-24T09:00:00.000Z", "kind": "learner", "id": str(client.code(identity)),
        "identity": identity, "action": "edit", "field": "last_name", "before": before, "after": "Renommée",
        "who": "anna",
    }  # fmt: skip


async def test_one_mailbox_for_both_stays_one(school: School) -> None:
    identity = clean_learner(school)
    for follows in (True, False):
        client = Client(school, YpareoSwitches(portal_follows=follows))
        client.simulator.store.edit(identity, "email", "neuf@mail.example")
        code = client.code(identity)
        assert (await client.get(f"/apprenants/{code}"))["adresse"]["email"] == "neuf@mail.example"
        user = (await client.get("/utilisateur/apprenants"))[str(code)]
        assert (user["email"] == "neuf@mail.example") == follows


@pytest.mark.parametrize(
    "order",
    [
        {"identity": "P99999", "field": "email", "value": "x"},
        {"identity": "P00001", "field": "code", "value": 1},
        {"identity": "P00001", "field": "email", "value": 3},
        {"identity": "P00001", "field": "born", "value": "24/11/2026"},
    ],
)
async def test_senseless_edits_are_refused(client: Client, order: dict[str, Any]) -> None:
    answer = await client.control("edit", **order)
    assert answer.status_code == 400 and not client.simulator.dump()["edits"]


async def test_departure_ends_the_enrolment_and_coming_sessions(client: Client, school: School) -> None:
    identity = clean_learner(school)
    client.simulator.store.depart(identity)
    row = await client.get(f"/apprenants/{client.code(identity)}")
    assert row["inscriptions"][-1]["dateDepart"] == "24/11/2026"
    later = [r for r in (await client.sessions("G001")).values() if r["date"] != "24/11/2026"]
    assert all(client.code(identity) not in r["codesApprenant"] for r in later)
    dumped = {row["identity"]: row for row in client.simulator.dump()["learners"]}
    assert dumped[identity]["departed"] and not dumped[identity]["removed"]


async def test_a_departure_to_come_changes_nothing_yet(client: Client, school: School) -> None:
    identity = clean_learner(school)
    client.simulator.store.depart(identity, on="2026-12-01")
    row = await client.get(f"/apprenants/{client.code(identity)}")
    assert row["inscriptions"][-1]["isInscriptionEnCours"]
    client.clock.at += timedelta(days=8)
    row = await client.get(f"/apprenants/{client.code(identity)}")
    assert not row["inscriptions"][-1]["isInscriptionEnCours"]


async def test_a_removed_learner_is_nowhere(client: Client, school: School) -> None:
    identity = clean_learner(school)
    code = client.code(identity)
    client.simulator.store.remove_learner(identity)
    assert (await client.raw(f"/apprenants/{code}")).status_code == 404
    assert str(code) not in await client.get("/formation-longue/apprenants")
    assert str(code) not in await client.get("/utilisateur/apprenants")
    assert all(code not in r["codesApprenant"] for r in (await client.sessions("G001")).values())
    with pytest.raises(ControlError):
        client.simulator.store.depart(identity)


async def test_a_moved_learner_changes_lists_from_now_on(client: Client, school: School) -> None:
    identity = clean_learner(school)
    code = client.code(identity)
    client.simulator.store.move_learner(identity, "G002")
    ahead = [r for r in (await client.sessions("G002")).values() if r["date"] > "24/11/2026"]
    assert all(
        code in r["codesApprenant"] for r in ahead if r["codesApprenant"] and len(r["codesApprenant"]) > 1
    )
    old = [r for r in (await client.sessions("G001")).values() if len(r["codesGroupe"]) == 1]
    assert all(code not in r["codesApprenant"] for r in old if r["date"] > "24/11/2026")
    # This morning's session had begun: it loses nobody.
    assert any(code in r["codesApprenant"] for r in old if r["date"] == "24/11/2026")
    assert str(code) in await client.get(f"/groupes/{client.code('G002')}/apprenants")


async def test_an_added_learner_joins_the_group_and_its_sessions(client: Client) -> None:
    answer = await client.control(
        "add_learner",
        identity="P90001",
        last_name="Neuf",
        first_name="Ève",
        email="e@mail.example",
        group="G001",
    )
    code = answer.json()["result"]
    assert str(code) in await client.get("/formation-longue/apprenants?codesPeriode=12")
    assert any(code in r["codesApprenant"] for r in (await client.sessions("G001")).values())
    assert client.simulator.dump()["learners"][-1]["identity"] == "P90001"


@pytest.mark.parametrize("kept", [True, False])
async def test_a_moved_session_keeps_or_changes_its_code(school: School, kept: bool) -> None:
    client = Client(school, YpareoSwitches(moved_session_code="kept" if kept else "new"))
    identity = plain_session(school)
    before = client.code(identity)
    client.simulator.store.move_session(identity, start="17:00:00", end="18:30:00")
    after = client.code(identity)
    assert (before == after) == kept
    assert (await client.sessions("G001"))[after]["heureDebut"] == "17:00:00"
    assert [e["field"] for e in client.simulator.dump()["edits"]] == ["start", "end"]


async def test_a_cancelled_session_disappears(client: Client, school: School) -> None:
    identity = plain_session(school)
    client.simulator.store.cancel_session(identity)
    assert client.code(identity) not in await client.sessions("G001")
    dumped = {row["identity"]: row for row in client.simulator.dump()["sessions"]}
    assert dumped[identity]["cancelled"]
    with pytest.raises(ControlError):
        client.simulator.store.cancel_session(identity)


async def test_speaker_room_and_learners_of_one_session(client: Client, school: School) -> None:
    identity = plain_session(school)
    session = next(s for s in school.sessions if s.identity == identity)
    other = next(o.identity for o in school.staff if o.trainer and o.identity not in session.staff)
    guest = clean_learner(school, "G002")
    store = client.simulator.store
    store.change_speaker(identity, [other])
    store.edit(identity, "rooms", [102])
    store.swap_learners(identity, out=session.learners[0], into=guest)
    row = (await client.sessions("G001"))[client.code(identity)]
    assert row["codesPersonnel"] == [client.code(other)] and row["codesSalle"] == [102]
    assert client.code(guest) in row["codesApprenant"]
    assert client.code(session.learners[0]) not in row["codesApprenant"]


async def test_an_added_session_shows_at_once(client: Client, school: School) -> None:
    answer = await client.control(
        "add_session", identity="S90001", subject="Soutien", day="2026-11-26", start="17:00:00",
        end="18:00:00", groups=["G001"], staff=[school.staff[0].identity], rooms=[101],
    )  # fmt: skip
    row = (await client.sessions("G001"))[answer.json()["result"]]
    assert row["nomMatiere"] == "Soutien" and row["codesApprenant"]


# The dump


async def test_dump_is_json_with_identities_and_true_instants(client: Client, school: School) -> None:
    dump = (await client.http.get("/__control__/dump")).json()
    assert dump["system"] == "ypareo" and dump["writes"] == []
    assert [row["identity"] for row in dump["learners"]] == [o.identity for o in school.learners]
    assert [row["identity"] for row in dump["groups"]] == [g.identity for g in school.groups]
    assert [row["identity"] for row in dump["staff"]] == [o.identity for o in school.staff]
    session = dump["sessions"][0]
    assert session["local"] == {"day": "2026-11-23", "start": "09:00:00", "end": session["local"]["end"]}
    assert session["start_utc"] == "2026-11-23T08:00:00.000Z"
    assert json.dumps(dump) == json.dumps(Client(school).simulator.dump())


async def test_dump_takes_the_first_of_two_hours_and_none_of_a_missing_one() -> None:
    autumn = Client(School.seeded(1, 60, date(2026, 10, 20))).simulator.dump()
    (twice,) = [s for s in autumn["sessions"] if s["date"] == "25/10/2026" and s["heureDebut"] == "02:15:00"]
    assert twice["start_utc"] == "2026-10-25T00:15:00.000Z"
    spring = Client(School.seeded(1, 60, date(2027, 3, 24), nonexistent_times=True)).simulator.dump()
    (skipped,) = [s for s in spring["sessions"] if s["date"] == "28/03/2027" and s["heureDebut"] == "02:15:00"]
    assert skipped["start_utc"] is None and skipped["end_utc"] == "2027-03-28T01:15:00.000Z"


# The hand editors


def planted(school: School) -> tuple[Editor, Client, EdusignSimulator]:
    client = Client(school)
    edusign = EdusignSimulator(1, client.clock, handmade=school.handmade)
    return Editor(client.simulator, edusign, "rollcall-demo"), client, edusign


def test_the_editor_plays_every_erp_edit_of_the_script(school: School) -> None:
    editor, client, _edusign = planted(school)
    days = [START + timedelta(days=n) for n in range(3)]
    edits = script(school, random.Random(7), days, [time(11, 30), time(18, 0)])
    for edit in edits:
        client.clock.at = edit.at
        assert editor.apply(edit) == (edit.side == "erp"), editor.skipped[-1:]
    # Nothing was synced: nobody is in Edusign yet, and the editor says so.
    assert [edit for edit, _why in editor.skipped] == [edit for edit in edits if edit.side == "edusign"]
    assert {entry["who"] for entry in client.simulator.dump()["edits"]} == {
        f"erp:{edit.story}" for edit in edits if edit.side == "erp"
    }


def test_the_editor_finds_people_by_identity_or_by_the_key_of_the_sync(school: School) -> None:
    editor, client, edusign = planted(school)
    twin = next(d.identities[0] for d in school.dirt if d.kind == "same_person")
    ours = clean_learner(school)
    made = edusign.store.add(
        "learner",
        {"FIRSTNAME": "A", "LASTNAME": "B", "EMAIL": "ab@mail.example"},
        identity=f"api:rollcall-demo/{client.code(ours)}",
        created_by="api",
    )
    for identity in (twin, ours):
        edit = Edit(
            NOW, "edusign", "edit", identity, "EMAIL", f"{identity}@neuf.example", "task", "learner", "t"
        )
        assert editor.apply(edit), editor.skipped
    assert made.fields["EMAIL"] == f"{ours}@neuf.example"
    assert editor.apply(Edit(NOW, "edusign", "archive", ours, "", (), "restored", "learner", "t"))
    assert not editor.apply(Edit(NOW, "edusign", "archive", ours, "", (), "restored", "learner", "t"))
    assert len(editor.done) == 3 and len(editor.skipped) == 1


def test_the_editor_changes_rosters(school: School) -> None:
    editor, _client, edusign = planted(school)
    sheet = next(one for one in school.handmade if one.kind == "sheet")
    twin = next(d.identities[0] for d in school.dirt if d.kind == "same_person")
    for action in ("add", "remove"):
        value = (("learner", twin),)
        assert editor.apply(
            Edit(NOW, "edusign", action, sheet.identity, "STUDENTS", value, "kept", "sheet", "t")
        )
    assert [entry["action"] for entry in edusign.control.edits] == ["add", "remove"]


# Absences written: an assumption


async def absence(client: Client, method: str, path: str = "", **body: Any) -> httpx.Response:
    headers = {"X-Auth-Token": DEMO_TOKEN}
    url = f"/index.php/r/v1/absences{path}"
    return await client.http.request(method, url, json=body or None, headers=headers)


def an_absence(client: Client, learner: str, **more: Any) -> dict[str, Any]:
    body = {
        "codeApprenant": client.code(learner), "codeGroupe": 1201, "dateDeb": "24/11/2026", "heureDeb": 540,
        "dateFin": "24/11/2026", "heureFin": 720, "isJustifie": False, "isRetard": False, "codeMotifAbsence": 1,
    }  # fmt: skip
    return body | more


async def test_an_absence_is_made_changed_and_struck_and_stands_in_the_ledger(
    client: Client, school: School
) -> None:
    learner = clean_learner(school)
    made = await absence(client, "POST", **an_absence(client, learner))
    code = made.json()["codeAbsence"]
    changed = await absence(client, "PUT", f"/{code}", **an_absence(client, learner, isJustifie=True))
    assert changed.status_code == 200
    row = (await client.get(f"/absences/{WEEK}"))[str(code)]
    assert (row["heureDeb"], row["heureFin"], bool(row["isJustifie"])) == (540, 720, True)
    assert (await absence(client, "DELETE", f"/{code}")).json() == {"codeAbsence": code}
    assert await client.get(f"/absences/{WEEK}") == []
    writes = client.simulator.control.writes
    assert [(w["verb"], w["kind"], w["identity"]) for w in writes] == [
        (verb, "absence", learner) for verb in ("create", "update", "remove")
    ]
    again = await absence(client, "POST", **an_absence(client, learner))
    assert again.json()["codeAbsence"] > code


async def test_a_basic_token_and_senseless_absences_are_refused(client: Client, school: School) -> None:
    learner = clean_learner(school)
    for wrong in ({"codeApprenant": 1}, {"codeMotifAbsence": 99}, {"heureFin": 500}, {"dateDeb": "2026-11-24"}):
        refused = await absence(client, "POST", **an_absence(client, learner, **wrong))
        assert refused.status_code == 422 and refused.text
    assert (await absence(client, "DELETE", "/999")).status_code == 404
    basic = Client(school, YpareoSwitches(licence="basic"))
    assert (await absence(basic, "POST", **an_absence(basic, learner))).status_code == 403


async def test_the_office_justifies_and_strikes_absences(client: Client, school: School) -> None:
    learner = clean_learner(school)
    order = {"identity": learner, "start": "2026-11-24T09:00", "end": "2026-11-24T12:00"}
    code = (await client.control("record_absence", **order)).json()["result"]
    await client.control("change_absence", code=code, justified=True, reason="Deuil", who="rita")
    row = (await client.get(f"/absences/{WEEK}"))[str(code)]
    assert bool(row["isJustifie"]) and row["motifAbsence"]["nomMotifAbsence"] == "Deuil"
    await client.control("remove_absence", code=code, who="rita")
    assert await client.get(f"/absences/{WEEK}") == []
    assert (await client.control("remove_absence", code=code)).status_code == 400
    edits = [edit["action"] for edit in client.simulator.control.edits if edit["who"] == "rita"]
    assert edits == ["change", "change", "remove"]  # justified, with another reason; then struck


@pytest.mark.parametrize("shape", ["object", "name_only", "flat"])
async def test_a_motive_in_each_shape(school: School, shape: Any) -> None:
    client = Client(school, YpareoSwitches(reason_shape=shape))
    learner = clean_learner(school)
    await absence(client, "POST", **an_absence(client, learner, codeMotifAbsence=2))
    (row,) = (await client.get(f"/absences/{WEEK}")).values()
    flat = shape == "flat"
    assert ("motifAbsence" in row) is not flat and ("codeMotifAbsence" in row) is flat
    assert "Maladie" in str(row)


async def test_minutes_may_be_rounded(school: School) -> None:
    client = Client(school, YpareoSwitches(absence_rounding=15))
    await absence(client, "POST", **an_absence(client, clean_learner(school), heureFin=547))
    (row,) = (await client.get(f"/absences/{WEEK}")).values()
    assert row["heureFin"] == 555
