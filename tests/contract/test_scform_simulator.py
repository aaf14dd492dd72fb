"""The simulated SC-Form speaks the dialect of the reference, and people can edit behind it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from connectors.scform.simulator import DEMO_PASSWORD, DEMO_USER, ScFormSimulator, ScFormSwitches
from connectors.simulation.school import School
from tests.contract.test_ypareo_simulator import NOW, START, StillClock

BASE = "/GaliaEDC/API"
WEEK = ("2026-11-24", "2026-11-30")
WEEK_SWAPPED = ("2026-24-11", "2026-30-11")


@pytest.fixture(scope="module")
def school() -> School:
    return School.seeded(3, 60, START)


class Client:
    """A client that knows nothing but HTTP."""

    def __init__(self, school: School, **switches: Any) -> None:
        self.school = school
        self.simulator = ScFormSimulator(school, StillClock(), ScFormSwitches(**switches))
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.simulator.app), base_url="http://scform.example"
        )

    async def raw(self, path: str, password: str = DEMO_PASSWORD, **params: Any) -> httpx.Response:
        pair = base64.b64encode(f"{DEMO_USER}:{password}".encode()).decode()
        return await self.http.get(f"{BASE}/{path}", params=params, headers={"Authorization": f"Basic {pair}"})

    async def get(self, path: str, **params: Any) -> Any:
        response = await self.raw(path, **params)
        assert response.status_code == 200, response.text
        return response.json() if response.content else []

    async def entity(self, action: str, society: int = 1, **params: Any) -> Any:
        return await self.get("Entite/GetEntite", ACTION=action, IDSociete=society, **params)

    async def sessions(self, society: int = 1, span: tuple[str, str] = WEEK, **params: Any) -> Any:
        return await self.get("PresenceSta/GetSeance", IDSociete=society, Debut=span[0], Fin=span[1], **params)

    async def post(self, society: int = 1, **body: Any) -> httpx.Response:
        pair = base64.b64encode(f"{DEMO_USER}:{DEMO_PASSWORD}".encode()).decode()
        return await self.http.post(
            f"{BASE}/AbsenceSta/Post",
            params={"IDSociete": society},
            json=body,
            headers={"Authorization": f"Basic {pair}"},
        )

    async def first_turn(self, day: str = "2026-11-26") -> tuple[Any, Any]:
        """A session of that day, and its first trainee's turn."""
        rows = await self.sessions(span=(day, day))
        row = next(row for row in rows if len(row["Seances_Persos"]) > 3)
        return row, row["Seances_Persos"][0]


PLAIN = {"references": False, "casing": "documented", "types": "documented"}


@pytest.fixture
async def plain(school: School) -> AsyncIterator[Client]:
    made = Client(school, **PLAIN)
    yield made
    await made.http.aclose()


async def test_the_password_is_asked_on_every_call(plain: Client) -> None:
    assert (await plain.raw("Entite/GetEntite", "wrong", ACTION="SOCIETE")).status_code == 401
    assert [row["Libelle"] for row in await plain.entity("SOCIETE")] == [
        "Institut des Métiers",
        "Institut des Métiers Sud",
    ]


async def test_one_societe_reads_dates_the_other_way_round(plain: Client) -> None:
    right = await plain.sessions(2, WEEK_SWAPPED)
    assert right and all("2026-11-24" <= row["Date"][:10] <= "2026-11-30" for row in right)
    assert (
        await plain.raw("PresenceSta/GetSeance", IDSociete=2, Debut=WEEK[0], Fin=WEEK[1])
    ).status_code == 500


@pytest.mark.parametrize(
    ("bad_date", "status", "rows"), [("refused", 400, None), ("empty", 200, 0), ("ignored", 200, 60)]
)
async def test_a_date_that_cannot_be_read_is_a_switch(
    school: School, bad_date: str, status: int, rows: int | None
) -> None:
    client = Client(school, **PLAIN, bad_date=bad_date)
    response = await client.raw("PresenceSta/GetSeance", IDSociete=2, Debut=WEEK[0], Fin=WEEK[1])
    assert response.status_code == status
    if rows == 0:
        assert response.content == b""
    elif rows:
        assert len(response.json()) >= 20


async def test_nothing_found_is_an_empty_body(plain: Client) -> None:
    response = await plain.raw("PresenceSta/GetSeance", IDSociete=1, Debut="2019-01-01", Fin="2019-01-02")
    assert (response.status_code, response.content) == (200, b"")


async def test_repeated_objects_are_written_once(school: School) -> None:
    client = Client(school, casing="documented")
    rows = await client.sessions()
    assert rows[0]["$id"] == "1"
    turns = [turn for row in rows for turn in row["Seances_Persos"]]
    references = [turn["Inscrit"] for turn in turns if "$ref" in turn["Inscrit"]]
    assert references and all(list(one) == ["$ref"] for one in references)


async def test_casing_and_types_drift_from_row_to_row(school: School) -> None:
    client = Client(school, references=False)
    rows = await client.sessions()
    names = {name for row in rows for name in row if name.lower() == "seances_persos"}
    assert names == {"Seances_Persos", "Seances_persos"}
    types = {type(row.get("IDAction", row.get("IdAction"))) for row in rows}
    assert types == {int, str}


async def test_parameters_are_case_insensitive(plain: Client) -> None:
    rows = await plain.get("PresenceSta/GetSeance", idsociete=1, debut=WEEK[0], fin=WEEK[1])
    assert rows == await plain.sessions()


async def test_a_viewpoint_nests_its_sessions(plain: Client) -> None:
    _session, turn = await plain.first_turn()
    id = turn["Inscrit"]["ID"]
    (one,) = await plain.sessions(Vue="INSCRIT", LstID=id)
    assert str(one["ID"]) == str(id)
    assert all(id in [t["Inscrit"]["ID"] for t in row["Seances_Persos"]] for row in one["Seances"])
    refused = await plain.raw("PresenceSta/GetSeance", IDSociete=1, Debut=WEEK[0], Fin=WEEK[1], Vue="INSCRIT")
    assert refused.status_code == 400


async def test_an_account_without_the_right_sees_its_own_sessions_only(school: School) -> None:
    everybody = await Client(school, **PLAIN).sessions()
    reference = everybody[0]["Intervenants"][0]["Reference"]
    own = await Client(school, **PLAIN, sees_only=reference).sessions()
    assert 0 < len(own) < len(everybody)
    assert {row["Intervenants"][0]["Reference"] for row in own} == {reference}


async def test_troncs_communs_are_actions_of_their_own(plain: Client) -> None:
    shared = [one for s in (1, 2) for one in await plain.entity("ACTION", s, TC="true")]
    own = [one for s in (1, 2) for one in await plain.entity("ACTION", s, TC="false")]
    assert shared and not {one["ID"] for one in shared} & {one["ID"] for one in own}
    assert len(own) == len(plain.school.groups)


async def test_enrolments_are_asked_by_dates_and_name_who_left(plain: Client) -> None:
    everybody = await plain.entity("INSCRIT")
    active = await plain.entity("INSCRIT", Debut=WEEK[0], Fin=WEEK[1])
    assert len(active) < len(everybody)
    assert all(row["Date_Sortie"] is None or row["Date_Sortie"][:10] >= WEEK[0] for row in active)
    assert {"Email_Perso", "Mobile_Perso", "ID", "Reference"} <= active[0]["Stagiaire"].keys()


async def test_moving_somebody_ends_one_enrolment_and_begins_another(plain: Client) -> None:
    store = plain.simulator.store
    one = next(o for o in plain.school.learners if o.group == "G001" and o.left is None)
    code = plain.simulator.code_of(one.identity)
    plain.simulator.hands["move_learner"](one.identity, group="G002")
    theirs = [
        row for s in (1, 2) for row in await plain.entity("INSCRIT", s) if str(row["Stagiaire"]["ID"]) == code
    ]
    last_year = (store.year - timedelta(days=2)).isoformat()
    current = [row for row in theirs if not (row["Date_Sortie"] or "").startswith(last_year)]
    assert sorted(row["Date_Sortie"] or "" for row in current) == ["", "2026-11-23T00:00:00"]


async def test_an_absence_is_found_by_enrolment_date_and_times(plain: Client) -> None:
    session, turn = await plain.first_turn()
    key = {
        "IDInscrit": turn["Inscrit"]["ID"],
        "Date": session["Date"],
        "Debut": turn["Debut"],
        "Fin": turn["Fin"],
        "IDTYPABSEN": 1,
    }
    done = await plain.post(**key, Suppr=False)
    assert done.status_code == 200 and done.json() == "L'enregistrement de l'absence a été réalisé!"
    _session, now = await plain.first_turn()
    assert (now["Debut_Absence"], now["Fin_Absence"], now["IDTypAbsen"]) == (turn["Debut"], turn["Fin"], 1)
    await plain.post(**key, Suppr=True)
    _session, now = await plain.first_turn()
    assert now["Debut_Absence"] is None and now["IDTypAbsen"] is None
    verbs = [entry["verb"] for entry in plain.simulator.dump()["writes"]]
    assert verbs == ["create", "remove"]


@pytest.mark.parametrize(("switch", "standing"), [("adds", 2), ("replaces", 1)])
async def test_whether_a_second_write_replaces_is_a_switch(school: School, switch: str, standing: int) -> None:
    client = Client(school, **PLAIN, second_write=switch)
    session, turn = await client.first_turn()
    for until in ("09:30", "10:00"):
        await client.post(
            IDInscrit=turn["Inscrit"]["ID"],
            Date="26/11/2026",
            Debut=session["Debut"][:5],
            Fin=until,
            IDTypAbsen=3,
        )
    assert len(client.simulator.store.standing()) == standing


async def test_a_refused_write_is_a_sentence_too(plain: Client) -> None:
    refused = await plain.post(IDInscrit=1, Date="2026-11-26T00:00:00", IDTypAbsen=1)
    assert refused.status_code == 200 and "erreur" in refused.json()
    assert plain.simulator.dump()["writes"] == []


async def test_days_in_the_company_stand_in_the_planning(plain: Client) -> None:
    rows = await plain.sessions(span=("2026-11-28", "2026-11-28"))
    kinds = {turn["Type_Seance"] for row in rows for turn in row["Seances_Persos"]}
    assert kinds == {3}


async def test_the_dump_tells_everything_in_neutral_words(plain: Client) -> None:
    dump = plain.simulator.dump()
    assert dump["least_requests"] == {"import": 9}
    assert {one["code"][0] for one in dump["neutral"]["sessions"]} == {"S"}
    assert dump["now"].startswith(NOW.date().isoformat())
    assert date.fromisoformat(dump["neutral"]["sessions"][0]["local"]["day"]) >= START - timedelta(days=6)
