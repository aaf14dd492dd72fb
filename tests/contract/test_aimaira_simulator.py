"""The simulated Aimaira speaks the dialect of the reference, and people can edit behind it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from connectors.aimaira.simulator import AimairaSimulator, AimairaSwitches
from connectors.simulation.school import School
from tests.contract.test_ypareo_simulator import StillClock, clean_learner, plain_session

START = date(2026, 11, 24)
PARIS_WINTER = "+01:00"


@pytest.fixture(scope="module")
def school() -> School:
    return School.seeded(3, 60, START, weeks=1)


class Client:
    """A client that knows nothing but HTTP."""

    def __init__(self, school: School, **switches: Any) -> None:
        self.switches = AimairaSwitches(**switches)
        self.clock = StillClock()
        self.simulator = AimairaSimulator(school, self.clock, self.switches)
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.simulator.app),
            base_url="http://aimaira.example",
            headers={"X-ApiKey": self.switches.api_key},
        )

    async def get(self, path: str, **options: str) -> Any:
        params = {f"${name}": value for name, value in options.items()}
        response = await self.http.get(f"/GraphV1{path}", params=params)
        assert response.status_code == 200, response.text
        return response.json()

    async def rows(self, path: str, **options: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get(path, **options))["value"]
        return found

    async def row_of(self, learner: str, session: str) -> dict[str, Any]:
        """The row of one learner on one event, whole."""
        event, person = self.key(session), self.key(learner)
        (row,) = await self.rows(
            "/PlanificationRessource", filter=f"PlanificationId eq {event} and Reference eq {person}"
        )
        return row

    async def put(self, row: dict[str, Any], **fields: Any) -> httpx.Response:
        return await self.http.put(f"/GraphV1/PlanificationRessource/{row['Id']}", json={**row, **fields})

    def hand(self, action: str, *args: Any, **kwargs: Any) -> Any:
        return self.simulator.hands[action](*args, **kwargs)

    def key(self, identity: str) -> int:
        return int(self.simulator.code_of(identity))


@pytest.fixture
async def client(school: School) -> AsyncIterator[Client]:
    made = Client(school)
    yield made
    await made.http.aclose()


# The way in


async def test_both_ways_in_work_and_nothing_else(client: Client) -> None:
    pair = f"{client.switches.user}:{client.switches.password}"
    basic = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}", "X-ApiKey": ""}
    assert (await client.http.get("/GraphV1/Campus", headers=basic)).status_code == 200
    assert (await client.http.get("/GraphV1/Campus")).status_code == 200
    refused = await client.http.get("/GraphV1/Campus", headers={"X-ApiKey": "wrong"})
    assert refused.status_code == 401 and "json" not in refused.headers["content-type"]


# The dialect


async def test_paths_in_any_case_and_keys_in_both_spellings(client: Client, school: School) -> None:
    key = client.key(clean_learner(school))
    slash = await client.get(f"/Apprenant/{key}")
    assert slash["Id"] == key and slash["@odata.context"].endswith("$metadata#Apprenant/$entity")
    assert await client.get(f"/Apprenant({key})") == slash
    assert (await client.http.get(f"/graphv1/apprenant/{key}")).json() == slash
    assert (await client.http.get("/GraphV1/Nulle")).status_code == 404
    assert (await client.http.get("/GraphV1/Apprenant/1")).status_code == 404


async def test_the_service_document_and_the_model_name_the_same_sets(client: Client) -> None:
    sets = {one["name"] for one in (await client.get(""))["value"]}
    answer = await client.http.get("/GraphV1/$metadata")
    assert "xml" in answer.headers["content-type"]
    root = ElementTree.fromstring(answer.text)
    declared = {e.get("Name") for e in root.iter() if e.tag.endswith("}EntitySet")}
    assert sets == declared and {"Apprenant", "PlanificationRessource"} <= sets
    assert 'BaseType="GraphV1.Base"' in answer.text


@pytest.mark.parametrize(("navigation", "mobile", "mail"), [("all", 1, 2), ("proven", 0, 2), ("none", 0, 0)])
async def test_navigation_is_declared_as_the_switch_says(
    school: School, navigation: str, mobile: int, mail: int
) -> None:
    text = (await Client(school, navigation=navigation).http.get("/GraphV1/$metadata")).text
    assert text.count('NavigationProperty Name="Mail"') == mail
    assert bool(text.count('NavigationProperty Name="Mobile"')) == bool(mobile)


async def test_no_key_is_zero_no_text_is_empty_no_date_is_null(client: Client, school: School) -> None:
    nameless = next(d.identities[0] for d in school.dirt if d.kind == "missing_email")
    row = await client.get(f"/Apprenant/{client.key(nameless)}")
    assert (row["MailId"], row["TelephoneId"], row["NomJeuneFille"], row["NumeroIne"]) == (0, 0, "", None)
    states = {row["Id"]: row["ApprenantON"] for row in await client.rows("/EtatInscription")}
    enrolments = await client.rows("/Inscription", filter=f"ApprenantId eq {row['Id']}")
    assert [(states[e["EtatInscriptionId"]], e["DateSortie"]) for e in enrolments] == [(True, None)]


async def test_keys_are_of_one_sequence(client: Client) -> None:
    seen: set[int] = set()
    for entity in ("Apprenant", "Enseignant", "Mail", "Telephone", "Inscription", "Sequence", "Planification"):
        keys = {row["Id"] for row in await client.rows(f"/{entity}", top="1000")}
        assert keys and not keys & seen
        seen |= keys
    assert (await client.get(f"/Object/{min(seen)}"))["Actif"] is True


async def test_filters(client: Client, school: School) -> None:
    one = await client.get(f"/Apprenant/{client.key(clean_learner(school))}", expand="Mail")
    address, code = one["Mail"]["Adresse"], one["Code"]

    async def ids(text: str) -> list[int]:
        return [row["Id"] for row in await client.rows("/Apprenant", filter=text)]

    assert await ids(f"Mail/Adresse eq '{address}'") == [one["Id"]]
    assert await ids(f"Code eq '{code}' and MailId ne 0") == [one["Id"]]
    assert await ids(f"(Code eq '{code}' and MailId eq 0) or Code eq 'O''Brien'") == []
    assert await ids(f"Code in ('{code}','x')") == [one["Id"]]
    assert await ids(f"not (Id ne {one['Id']})") == [one["Id"]]
    for wrong in ("Nulle eq 1", "Id eq", "Id ge 2026-01-01", "Id zz 3", "Id eq ‘3’"):
        refused = await client.http.get("/GraphV1/Apprenant", params={"$filter": wrong})
        assert refused.status_code == 400 and refused.json()["error"]["message"]


async def test_times_are_compared_as_instants(client: Client) -> None:
    day = "Debut ge 2026-11-24T23:00:00Z and Debut lt 2026-11-26T00:00:00+01:00"
    rows = await client.rows("/Planification", filter=day, orderby="Debut,Id")
    assert rows and {row["Debut"][:10] for row in rows} == {"2026-11-25"}
    assert all(row["Debut"].endswith(PARIS_WINTER) for row in rows)
    assert [row["Debut"] for row in rows] == sorted(row["Debut"] for row in rows)


async def test_three_ways_of_paging(school: School) -> None:
    linked = Client(school, page_size=25)
    first = await linked.get("/Apprenant", count="true", select="Id")
    assert (len(first["value"]), first["@odata.count"]) == (25, 60)
    second = (await linked.http.get(first["@odata.nextLink"])).json()
    third = (await linked.http.get(second["@odata.nextLink"])).json()
    assert "@odata.nextLink" not in third
    cut = Client(school, page_size=25, paging="cut")
    head = await cut.get("/Apprenant", orderby="Id")
    assert len(head["value"]) == 25 and "@odata.nextLink" not in head
    assert len(await cut.rows("/Apprenant", skip="50")) == 10
    last = head["value"][-1]["Id"]
    assert len(await cut.rows("/Apprenant", filter=f"Id gt {last}")) == 25
    whole = Client(school, page_size=25, paging="whole")
    assert len(await whole.rows("/Apprenant")) == 60
    assert len(await whole.rows("/Apprenant", top="7")) == 7


async def test_counting_may_be_ignored_or_refused(school: School) -> None:
    assert "@odata.count" not in await Client(school, count="ignored").get("/Apprenant", count="true")
    refused = await Client(school, count="refused").http.get("/GraphV1/Apprenant", params={"$count": "true"})
    assert refused.status_code == 400


async def test_what_stands_on_an_event(client: Client, school: School) -> None:
    session = plain_session(school)
    types = {row["Code"]: row["Id"] for row in await client.rows("/TypeRessource")}
    event = await client.get(f"/Planification/{client.key(session)}", expand="PlanificationsRessource")
    rows = await client.rows(f"/Planification/{client.key(session)}/PlanificationsRessource")
    assert rows == event["PlanificationsRessource"]
    by_type = {code: [r for r in rows if r["TypeRessourceId"] == types[code]] for code in types}
    assert len(by_type["PROF"]) == len(by_type["GROUPE"]) == 1
    learner = by_type["APPRENANT"][0]
    person = await client.get(f"/Apprenant/{learner['Reference']}")
    assert learner["Code"] == person["Code"] and learner["IdSequence"] == event["SequenceId"]
    assert (learner["Presence"], learner["ControlePresence"], learner["MotifId"]) == (True, None, 0)
    # The plural moves.
    (room,) = by_type["SALLE"]
    reverse = await client.rows(f"/Ressource/{room['Reference']}/PlanificationRessources")
    assert room["Id"] in {row["Id"] for row in reverse}


async def test_the_title_stands_in_the_course_of_the_meeting_or_on_the_event(school: School) -> None:
    session = plain_session(school)
    client = Client(school)
    key = client.key(session)
    assert (await client.get(f"/Planification/{key}"))["Nom"] == ""
    (meeting,) = await client.rows("/Seance", filter=f"PlanificationId eq {key}", expand="Cours")
    assert meeting["Cours"]["Nom"] == client.simulator.store.sessions[session].subject
    assert (await Client(school, title="event").get(f"/Planification/{key}"))["Nom"] == meeting["Cours"]["Nom"]


# Writing


async def test_a_put_replaces_the_whole_row(client: Client, school: School) -> None:
    session, learner = plain_session(school), clean_learner(school)
    row = await client.row_of(learner, session)
    whole = await client.put(row, Presence=False, ControlePresence="2026-11-24T10:00:00+01:00")
    assert whole.status_code == 200 and whole.json()["Detail"] == row["Detail"]
    await client.http.put(f"/GraphV1/PlanificationRessource/{row['Id']}", json={
        "Id": 0, "PlanificationId": row["PlanificationId"], "Presence": True, "Reference": row["Reference"],
        "ControlePresence": "2026-11-24T10:00:00+01:00", "TypeRessourceId": row["TypeRessourceId"],
    })  # fmt: skip
    wiped = await client.row_of(learner, session)
    assert (wiped["Detail"], wiped["IdSequence"], wiped["Debut"], wiped["Code"]) == ("", 0, None, "")


async def test_a_form_is_taken_too(client: Client, school: School) -> None:
    session, learner = plain_session(school), clean_learner(school)
    row = await client.row_of(learner, session)
    form = {**{k: str(v) for k, v in row.items() if v is not None}, "Presence": "false"}
    form["ControlePresence"] = "2026-11-24T10:00:00+01:00"
    answer = await client.http.put(f"/GraphV1/PlanificationRessource/{row['Id']}", data=form)
    assert answer.status_code == 200 and answer.json()["Presence"] is False
    assert (await client.row_of(learner, session))["Detail"] == row["Detail"]


async def test_instants_come_back_in_the_zone_of_the_service(client: Client, school: School) -> None:
    row = await client.row_of(clean_learner(school), plain_session(school))
    answer = await client.put(row, ControlePresence="2026-11-24T08:00:00+02:00")
    assert answer.json()["ControlePresence"] == "2026-11-24T07:00:00+01:00"


@pytest.mark.parametrize(
    "wrong",
    [
        {"Presence": "yes"}, {"ControlePresence": "2026-11-24T08:00:00"}, {"MotifId": 7}, {"MotifId": None},
        {"ProvenancePresence": "Lune"},
    ],
)  # fmt: skip
async def test_what_is_not_of_its_type_is_refused(
    client: Client, school: School, wrong: dict[str, Any]
) -> None:
    row = await client.row_of(clean_learner(school), plain_session(school))
    called = {"ControlePresence": "2026-11-24T08:00:00+01:00"}
    assert (await client.put(row, **{**called, **wrong})).status_code == 400
    assert client.simulator.control.writes == []


async def test_writes_and_hands_leave_the_same_rows(client: Client, school: School) -> None:
    session, one, two = plain_session(school), clean_learner(school), clean_learner(school, nth=1)
    row = await client.row_of(one, session)
    await client.put(row, Presence=False, ControlePresence="2026-11-24T08:00:00+01:00")
    number = client.hand("record_absence", two, session=session, state="late", minutes=20)
    absences = client.simulator.dump()["neutral"]["absences"]
    assert [(a["identity"], a["session"], a["state"], a["made_by"]) for a in absences] == [
        (one, session, "absent", "api"), (two, session, "late", "person"),
    ]  # fmt: skip
    late = await client.row_of(two, session)
    assert late["Presence"] and late["Retard"] and late["ControlePresence"]
    minutes = (
        datetime.fromisoformat(late["Debut"]) - datetime.fromisoformat(late["PlanificationDebut"])
    ).seconds
    assert minutes == 20 * 60
    client.hand("justify_absence", int(absences[0]["code"]), reason="Maladie")
    assert (await client.row_of(one, session))["MotifId"] != 0
    client.hand("remove_absence", number)
    assert (await client.row_of(two, session))["ControlePresence"] is None
    (write,) = client.simulator.control.writes
    assert (write["verb"], write["identity"], write["session"]) == ("create", one, session)


async def test_taking_a_mark_back_erases_it(client: Client, school: School) -> None:
    session, learner = plain_session(school), clean_learner(school)
    row = await client.row_of(learner, session)
    await client.put(row, Presence=False, ControlePresence="2026-11-24T08:00:00+01:00")
    await client.put(row)
    assert await client.row_of(learner, session) == row
    assert [one["verb"] for one in client.simulator.control.writes] == ["create", "remove"]


async def test_who_may_not_write_is_refused(school: School) -> None:
    client = Client(school, may_write=False)
    row = await client.row_of(clean_learner(school), plain_session(school))
    assert (await client.put(row)).status_code == 403
    assert (await client.http.put(f"/GraphV1/Apprenant/{row['Reference']}", json={})).status_code == 405


# What people do


async def test_rows_lag_after_a_move_until_the_times_are_copied(client: Client, school: School) -> None:
    session, learner = plain_session(school), clean_learner(school)
    before = await client.row_of(learner, session)
    client.hand("move_session", session, start="17:00:00", end="18:30:00")
    event = await client.get(f"/Planification/{client.key(session)}")
    assert event["Debut"][11:16] == "17:00" and await client.row_of(learner, session) == before
    client.hand("copy_times", session)
    after = await client.row_of(learner, session)
    assert after["Debut"] == after["PlanificationDebut"] == event["Debut"]


async def test_a_departure_ends_the_enrolment(client: Client, school: School) -> None:
    learner = clean_learner(school)
    client.hand("depart", learner)
    (row,) = await client.rows(
        "/Inscription", filter=f"ApprenantId eq {client.key(learner)}", expand="EtatInscription"
    )
    assert row["DateSortie"][:10] == "2026-11-24" and row["EtatInscription"]["ApprenantON"] is False


async def test_a_move_between_groups_leaves_the_old_membership_with_its_end(
    client: Client, school: School
) -> None:
    learner = clean_learner(school)
    client.hand("move_learner", learner, "G002")
    rows = await client.rows("/InscriptionSequence", filter=f"ApprenantId eq {client.key(learner)}")
    ended = {row["SequenceId"]: row["DateDesinscription"] is not None for row in rows}
    assert ended == {client.key("G001"): True, client.key("G002"): False}


async def test_an_event_of_a_group_only(client: Client, school: School) -> None:
    session = plain_session(school)
    client.hand("only_group", session)
    types = {row["Id"]: row["Code"] for row in await client.rows("/TypeRessource")}
    rows = await client.rows(f"/Planification/{client.key(session)}/PlanificationsRessource")
    assert "APPRENANT" not in {types[row["TypeRessourceId"]] for row in rows}
    assert "GROUPE" in {types[row["TypeRessourceId"]] for row in rows}


async def test_a_cancelled_event_says_so_or_is_gone(school: School) -> None:
    session = plain_session(school)
    for cancelled, expected in (("listed", [True]), ("gone", [])):
        client = Client(school, cancelled=cancelled)
        client.hand("cancel_session", session)
        rows = await client.rows("/Planification", filter=f"Id eq {client.key(session)}")
        assert [row["Annule"] for row in rows] == expected


async def test_faults_come_as_ordered(client: Client) -> None:
    await client.http.post("/__control__/fault", json={"kind": "truncated_list", "route": "*/Apprenant"})
    assert len(await client.rows("/Apprenant")) == 30
    await client.http.post("/__control__/fault", json={"kind": "repeated_page", "route": "*/Apprenant"})
    await client.rows("/Apprenant")
    page = await client.get("/Apprenant", skip="200")
    assert len(page["value"]) == 60


async def test_the_night_the_clock_goes_back(school: School) -> None:
    autumn = School.seeded(3, 60, date(2026, 10, 19), weeks=1)
    client = Client(autumn)
    client.clock.at = datetime(2026, 10, 19, 9, tzinfo=UTC)
    client.hand("add_session", "S90001", "Garde", "2026-10-24", "21:00:00", "06:00:00", ["G001"], [], [])
    event = await client.get(f"/Planification/{client.key('S90001')}")
    assert (event["Debut"], event["Fin"]) == ("2026-10-24T21:00:00+02:00", "2026-10-25T06:00:00+01:00")
