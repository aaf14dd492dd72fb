"""The simulated Hyperplanning speaks as the reference says, to a client that knows nothing but HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from connectors.hyperplanning.simulator import (
    DEMO_PASSWORD,
    DEMO_USER,
    HyperplanningSimulator,
    HyperplanningSwitches,
)
from connectors.simulation.checker_raw import world
from connectors.simulation.school import School

START = date(2026, 11, 23)
BASE, ROOT = "/hp/api/v1", "/hpsw"


class StillClock:
    at = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0

    async def sleep_until(self, at: datetime) -> None:
        self.at = max(self.at, at)


@pytest.fixture(scope="module")
def school() -> School:
    return School.seeded(3, 75, START)


class Client:
    """A client that knows nothing but HTTP."""

    def __init__(self, school: School, **switches: Any) -> None:
        self.simulator = HyperplanningSimulator(school, StillClock(), HyperplanningSwitches(**switches))
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.simulator.app),
            base_url="http://hp.example",
            auth=(DEMO_USER, DEMO_PASSWORD),
        )

    async def get(self, path: str, status: int = 200) -> Any:
        answer = await self.http.get(f"{BASE}{path}")
        assert answer.status_code == status, answer.text
        return answer.json()

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.http.post(f"{BASE}{path}", json=body)

    async def call(self, port: str, operation: str, arguments: str = "", status: int = 200) -> str:
        envelope = (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
            f'<m:{operation} xmlns:m="x">{arguments}</m:{operation}></s:Body></s:Envelope>'
        )
        answer = await self.http.post(f"{ROOT}/{port}", content=envelope)
        assert answer.status_code == status, answer.text
        return answer.text


@pytest.fixture
async def client(school: School) -> AsyncIterator[Client]:
    made = Client(school)
    yield made
    await made.http.aclose()


def texts(answer: str, name: str) -> list[str | None]:
    return [one.text for one in ElementTree.fromstring(answer).iter(name)]


async def test_every_call_wants_basic(client: Client) -> None:
    for path in (f"{BASE}/etudiants", f"{ROOT}/wsdl"):
        answer = await client.http.get(path, auth=(DEMO_USER, "wrong"))
        assert answer.status_code == 401 and "Basic" in answer.headers["www-authenticate"]


async def test_collections_are_bare_arrays_and_select_projects(client: Client, school: School) -> None:
    rooms = await client.get("/salles?select=cle,nom")
    assert [set(one) for one in rooms] == [{"cle", "nom"}] * len(school.rooms)
    learners = await client.get("/etudiants?select=cle,email,e_mail")
    assert all(set(one) == {"cle", "email"} for one in learners) and any(o["email"] is None for o in learners)
    two = ",".join(str(one["cle"]) for one in learners[:2])
    assert await client.get(f"/etudiants?cle={two}&select=cle,email") == learners[:2]
    assert await client.get("/etudiants?cle=999999&select=cle") == []


async def test_sub_collections_are_keys_under_their_name(client: Client) -> None:
    promotion = (await client.get("/promotions?select=cle"))[0]["cle"]
    members = await client.get(f"/promotions/{promotion}/etudiants")
    assert set(members) == {"etudiants"} and all(isinstance(one, int) for one in members["etudiants"])
    span = f"date_debut={START}&date_fin={START + timedelta(days=6)}"
    courses = await client.get(f"/promotions/{promotion}/cours?{span}")
    assert set(courses) == {"cours"} and courses["cours"]
    learner = members["etudiants"][0]
    assert await client.get(f"/etudiants/{learner}/promotions") == {"promotions": [promotion]}
    assert await client.get(f"/etudiants/{learner}/tdoptions") == {"tdoptions": []}


async def test_promotions_and_td_groups_count_apart(client: Client) -> None:
    promotions, tds = [
        await client.get(f"/{what}?select=cle,promotion") for what in ("promotions", "tdoptions")
    ]
    assert {one["cle"] for one in promotions} & {one["cle"] for one in tds}
    assert {one["promotion"] for one in tds} <= {one["cle"] for one in promotions}
    assert await Client.get(Client(client.simulator.store.school, td_every=0), "/tdoptions") == []


async def test_one_course_has_many_sessions(client: Client) -> None:
    rows = await client.get("/cours/detail_seances_placees?select=cle,jour_heure_debut,enseignants")
    dates: dict[int, list[str]] = {}
    for row in rows:
        dates.setdefault(row["cle"], []).append(row["jour_heure_debut"])
        assert all(isinstance(one, int) for one in row["enseignants"])
    course = max(dates, key=lambda one: len(dates[one]))
    assert len(dates[course]) > 1
    of_one = await client.get(f"/cours/{course}/detail_seances_placees")
    assert [row["jour_heure_debut"] for row in of_one] == sorted(dates[course])
    assert datetime.strptime(of_one[0]["jour_heure_debut"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert of_one[0]["duree"] in (0.125, 0.0625, 0.052083333333333336)


async def test_courses_have_parents_and_one_is_unplaced(client: Client) -> None:
    courses = await client.get("/cours?select=cle,est_un_cours_pere")
    parents = [one["cle"] for one in courses if one["est_un_cours_pere"]]
    placed = {row["cle"] for row in await client.get("/cours/detail_seances_placees?select=cle")}
    assert parents and set(parents) <= placed
    assert [one["cle"] for one in courses if one["cle"] not in placed][-1:] == [99001]
    day = START + timedelta(days=2)
    of_day = await client.get(f"/cours?select=cle&date_debut={day}&date_fin={day}")
    assert 0 < len(of_day) < len(courses)


async def test_rubrics_and_their_absence(school: School) -> None:
    client = Client(school)
    learner = (await client.get("/etudiants?select=cle"))[0]["cle"]
    (rubric,) = (await client.get(f"/etudiants/{learner}/familles/1/rubriques"))["rubriques"]
    assert set(rubric) == {"cle"}
    assert (await client.get(f"/etudiants/{learner}/familles/2/rubriques"))["code"] == 1
    empty = Client(school, no_rubrics="empty")
    assert await empty.get(f"/etudiants/{learner}/familles/2/rubriques") == {"rubriques": []}


@pytest.mark.parametrize("status", [400, 422, 200])
async def test_unknown_names_and_dates_are_left_out_or_refused(school: School, status: Any) -> None:
    strict = Client(school, unknown_select="refused", dates="refused", error_status=status)
    assert isinstance((await strict.get("/etudiants?select=cle,courriel", status))["code"], int)
    assert isinstance(
        (await strict.get("/cours?date_debut=2026-11-23&date_fin=2026-11-24", status))["code"], int
    )
    loose = Client(school, dates="ignored", default_fields="few")
    everything = await loose.get("/cours")
    assert await loose.get("/cours?date_debut=2026-11-23&date_fin=2026-11-23") == everything
    assert set((await loose.get("/etudiants"))[0]) == {"cle", "nom"}


async def test_unknown_records_and_routes(school: School) -> None:
    client = Client(school, bulk_details=False)
    assert (await client.get("/etudiants/999999", 404))["code"] == 2
    assert (await client.get("/cours/1/detail_seances_placees", 404))["code"] == 2 + 1
    assert (await client.http.get(f"{BASE}/cours/detail_seances_placees")).status_code == 404
    assert (await client.http.get("/hp/api/v2/etudiants")).status_code == 404


async def test_an_absence_is_found_again_by_learner_and_interval(client: Client) -> None:
    learner = (await client.get("/etudiants?select=cle"))[0]["cle"]
    body = {
        "etudiant": learner, "date_heure_debut": "2026-11-23 09:00:00", "date_heure_fin": "2026-11-23 12:00:00",
    }  # fmt: skip
    key = (await client.post("/absences/ajouter", **body, justifie=True)).json()["cle"]
    (row,) = await client.get("/absences")
    assert row == {"cle": key, **body, "justifie": True, "motif": None}
    assert await client.get("/absences?date_debut=2026-11-24&date_fin=2026-11-25") == []
    other = {**body, "date_heure_fin": "2026-11-23 11:00:00"}
    assert (await client.post("/absences/enlever", **other)).status_code == 400
    assert (await client.post("/absences/enlever", **body)).status_code == 204
    assert await client.get("/absences") == []
    assert (await client.post("/absences/ajouter", etudiant=1, date_heure_debut="hier")).status_code == 400
    assert [one["verb"] for one in client.simulator.dump()["writes"]] == ["create", "remove"]


async def test_latenesses_are_made_and_deleted(client: Client) -> None:
    learner = (await client.get("/etudiants?select=cle"))[0]["cle"]
    made = await client.post(
        "/retards", etudiant=learner, date_heure="2026-11-23 09:00:00", duree=20 / 1440, justifie=False
    )
    (row,) = await client.get("/retards")
    assert row["cle"] == made.json()["cle"] and row["duree"] == pytest.approx(20 / 1440)
    assert await client.get("/absences") == []
    assert (await client.http.delete(f"{BASE}/retards/{row['cle']}")).status_code == 204
    assert (await client.http.delete(f"{BASE}/retards/{row['cle']}")).status_code == 404


async def test_people_in_the_erp_edit_behind_it(client: Client, school: School) -> None:
    store = client.simulator.store
    one = next(s for s in school.sessions if s.end and len(s.groups) == 1 and s.day > START)
    course = store.sessions[one.identity].code
    before = len(await client.get(f"/cours/{course}/detail_seances_placees"))
    assert client.simulator.code_of(one.identity) == f"{course}@{one.day}T{one.start:%H:%M}"
    store.move_session(one.identity, start="17:30", end="19:00")
    assert client.simulator.code_of(one.identity) == f"{course}@{one.day}T17:30"
    assert len(client.simulator.codes_of(one.identity)) == 2
    store.cancel_session(one.identity)
    assert len(await client.get(f"/cours/{course}/detail_seances_placees")) == before - 1
    assert course in [row["cle"] for row in await client.get("/cours_annules")]
    learner = next(p for p in school.learners if p.left is None)
    key = int(client.simulator.code_of(learner.identity))
    store.depart(learner.identity)
    assert await client.get(f"/etudiants/{key}/promotions") == {"promotions": []}
    assert key in [row["cle"] for row in await client.get("/etudiants")]


# SOAP


async def test_the_wsdl_names_an_inner_host(client: Client, school: School) -> None:
    text = (await client.http.get(f"{ROOT}/wsdl")).text
    root = ElementTree.fromstring(text)
    addresses = [one.get("location", "") for one in root.iter("{http://schemas.xmlsoap.org/wsdl/soap/}address")]
    assert addresses and all(one.startswith("http://10.20.30.40:8090/hpsw/") for one in addresses)
    services = {one.get("name") for one in root.iter("{http://schemas.xmlsoap.org/wsdl/}service")}
    assert services == {"HpSvcWDonnees", "HpSvcWAdmin"}
    own = Client(school, soap_address="own")
    assert "http://hp.example/hpsw/Etudiants" in (await own.http.get(f"{ROOT}/wsdl")).text


async def test_array_getters_answer_in_the_order_of_the_keys(client: Client) -> None:
    keys = texts(await client.call("Etudiants", "TousLesEtudiants"), "THpSvcWCleEtudiant")[:3]
    turned = "".join(f"<THpSvcWCleEtudiant>{key}</THpSvcWCleEtudiant>" for key in reversed(keys))
    names = texts(
        await client.call("Etudiants", "NomsTableauDEtudiants", f"<ATableau>{turned}</ATableau>"), "string"
    )
    rows = {str(row["cle"]): row["nom"] for row in await client.get("/etudiants?select=cle,nom")}
    assert names == [rows[str(key)] for key in reversed(keys)]


async def test_a_missing_email_is_nil(client: Client, school: School) -> None:
    nobody = next(d.identities[0] for d in school.dirt if d.kind == "missing_email")
    key = client.simulator.code_of(nobody)
    said = await client.call(
        "Etudiants",
        "EMailsTableauDEtudiants",
        f"<ATableau><THpSvcWCleEtudiant>{key}</THpSvcWCleEtudiant></ATableau>",
    )
    (found,) = ElementTree.fromstring(said).iter("string")
    assert found.get("{http://www.w3.org/2001/XMLSchema-instance}nil") == "true"


async def test_times_are_local_with_a_false_z_and_durations_days(client: Client, school: School) -> None:
    one = next(s for s in school.sessions if s.end and s.day == START and f"{s.start:%H:%M}" == "09:00")
    course = client.simulator.store.sessions[one.identity].code
    said = await client.call("Cours", "DetailDesSeancesPlaceesDuCours", f"<ACours>{course}</ACours>")
    assert "2026-11-23T09:00:00.000Z" in texts(said, "JourEtHeureDebut")
    assert set(texts(said, "Duree")) <= {"0.125", "0.0625", "0.052083333333333336"}


async def test_refusals_are_faults(client: Client) -> None:
    said = await client.call("Cours", "DetailDesSeancesPlaceesDuCours", "<ACours>1</ACours>", 500)
    assert texts(said, "faultstring") == ["cours inconnu"]
    assert "inconnue" in await client.call("Cours", "TousLesEtudiants", status=500)
    assert "faultstring" in (await client.http.post(f"{ROOT}/Cours", content="<a>")).text


async def test_courses_between_two_dates_hold_parents_and_an_unplaced_one(client: Client) -> None:
    dates = f"<ADate1>{START}</ADate1><ADate2>{START + timedelta(days=6)}</ADate2>"
    keys = [
        str(key)
        for key in texts(await client.call("Cours", "TousLesCoursEntre2Dates", dates), "THpSvcWCleCours")
    ]
    assert "99001" in keys
    listed = "".join(f"<THpSvcWCleCours>{key}</THpSvcWCleCours>" for key in keys)
    narrowed = await client.call(
        "Cours", "RestreindreTableauDeCoursAuxCoursPlaces", f"<ATableau>{listed}</ATableau>"
    )
    assert texts(narrowed, "THpSvcWCleCours") == [key for key in keys if key != "99001"]
    parents = [key for key in keys if int(key) > 50000 and key != "99001"]
    said = await client.call("Cours", "CoursEstUnCoursPere", f"<ACours>{parents[0]}</ACours>")
    assert texts(said, "return") == ["true"]


async def test_absences_over_soap(client: Client) -> None:
    (key, *_rest) = texts(await client.call("Etudiants", "TousLesEtudiants"), "THpSvcWCleEtudiant")
    who = f"<AEtudiant>{key}</AEtudiant><ADateHeureDebut>2026-11-23T09:00:00</ADateHeureDebut>"
    who += "<ADateHeureFin>2026-11-23T12:00:00</ADateHeureFin>"
    await client.call("Absences", "AjouterAbsenceEtudiant", f"{who}<AJustifie>true</AJustifie>")
    span = "<ADateHeureDebut>2026-11-23T00:00:00</ADateHeureDebut>"
    span += "<ADateHeureFin>2026-11-24T00:00:00</ADateHeureFin>"
    (absence,) = texts(await client.call("Absences", "AbsencesEntre2Dates", span), "THpSvcWCleAbsence")
    of = f"<AAbsence>{absence}</AAbsence>"
    assert texts(await client.call("Absences", "AbsenceEtudiantEstJustifiee", of), "return") == ["true"]
    begins = await client.call("Absences", "DateHeureDebutAbsenceEtudiant", of)
    assert texts(begins, "return") == ["2026-11-23T09:00:00.000Z"]
    await client.call("Absences", "EnleverAbsenceEtudiant", who)
    await client.call("Absences", "EnleverAbsenceEtudiant", who, 500)
    assert [one["verb"] for one in client.simulator.dump()["writes"]] == ["create", "remove"]


# Control plane and dump


async def test_faults_shorten_both_shapes_of_a_list(client: Client) -> None:
    await client.http.post("/__control__/fault", json={"kind": "truncated_list", "route": "*/etudiants"})
    assert len(await client.get("/etudiants?select=cle")) == 37
    await client.http.post("/__control__/fault", json={"kind": "empty_list", "route": "*/etudiants"})
    assert await client.get("/promotions/41/etudiants") == {"etudiants": []}


async def test_the_dump_is_plain_and_the_checker_reads_it(client: Client, school: School) -> None:
    dump = (await client.http.get("/__control__/dump")).json()
    assert json.dumps(dump) == json.dumps(client.simulator.dump())
    edusign: dict[str, Any] = {
        "students": [], "professors": [], "groups": [], "courses": [], "writes": [], "edits": [],
    }  # fmt: skip
    erp = world(dump, edusign).erp
    assert set(erp["learner"]) == {one.identity for one in school.learners}
    assert "phone" not in next(iter(erp["learner"].values())).values
    assert all(one.code.partition("@")[2] for one in erp["sheet"].values())
