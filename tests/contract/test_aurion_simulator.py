"""The simulated Auriga speaks the dialect of the reference, and people can edit the school and its queries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, time
from typing import Any

import httpx
import pytest

from connectors.aurion.simulator import (
    GROUPS,
    INTERVENTIONS,
    MENUS,
    PLANNING_MENU,
    AurionSimulator,
    AurionSwitches,
)
from connectors.simulation.control import ControlError
from connectors.simulation.school import School
from tests.contract.test_ypareo_simulator import StillClock, clean_learner, plain_session

START = date(2026, 11, 24)


class Ticking(StillClock):
    """Whose seconds pass when told."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture(scope="module")
def school() -> School:
    return School.seeded(3, 40, START, weeks=2)


class Client:
    """A client that knows nothing but HTTP."""

    def __init__(self, school: School, **switches: Any) -> None:
        self.switches = AurionSwitches(**switches)
        self.clock = Ticking()
        self.simulator = AurionSimulator(school, self.clock, self.switches)
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.simulator.app), base_url="http://auriga.example"
        )

    async def token(self, **form: str) -> httpx.Response:
        given = {
            "grant_type": "password", "client_id": self.switches.client_id, "scope": "openid",
            "client_secret": self.switches.password, "username": self.switches.user,
            "password": self.switches.password, **form,
        }  # fmt: skip
        return await self.http.post("/auth/realms/demo/protocol/openid-connect/token", data=given)

    async def sign_in(self) -> Client:
        answer = (await self.token()).json()
        self.http.headers["Authorization"] = f"Bearer {answer['access_token']}"
        return self

    async def get(self, path: str, **params: str) -> Any:
        response = await self.http.get(f"/api{path}", params=params)
        assert response.status_code == 200, response.text
        return response.json()

    async def definition(self, query: int) -> dict[str, Any]:
        body = await self.get(f"/menuEntries/{MENUS[query][0]}/query/{query}")
        found: dict[str, Any] = body["queryDefinition"]
        return found

    async def search(self, query: int, sent: Any = None, size: int = 300, page: int = 1) -> Any:
        body = sent if sent is not None else await self.definition(query)
        params = {"size": str(size), "page": str(page), "sort": "id", "disableWarnings": "true"}
        path = f"/api/menuEntries/{MENUS[query][0]}/searchResult"
        response = await self.http.post(path, params=params, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def lines(self, query: int, **more: Any) -> list[dict[str, Any]]:
        """The lines of a page by the columns' labels."""
        content = (await self.search(query, **more))["content"]
        names = [column["label"]["fr"] for column in content["columns"]]
        return [dict(zip(names, line, strict=True)) for line in content["lines"]]

    def hand(self, action: str, *args: Any, **kwargs: Any) -> Any:
        return self.simulator.hands[action](*args, **kwargs)


@pytest.fixture
async def client(school: School) -> AsyncIterator[Client]:
    made = await Client(school).sign_in()
    yield made
    await made.http.aclose()


def _utc(wall: time) -> str:
    """A November wall time as plannings write it."""
    return f"{wall.hour - 1:02d}:{wall.minute:02d}:00Z"


# Tokens


async def test_a_token_lives_a_minute_and_a_refresh_token_is_used_once(school: School) -> None:
    client = Client(school)
    first = (await client.token()).json()
    assert first["expires_in"] == 60 and first["token_type"] == "Bearer"
    client.http.headers["Authorization"] = f"Bearer {first['access_token']}"
    assert (await client.http.get("/api/me")).status_code == 200
    client.clock.seconds = 61
    assert (await client.http.get("/api/me")).status_code == 401
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = await client.token(**refresh)
    assert second.status_code == 200 and second.json()["refresh_token"] != first["refresh_token"]
    assert (await client.token(**refresh)).json()["error"] == "invalid_grant"
    client.clock.seconds += 1801
    late = {**refresh, "refresh_token": second.json()["refresh_token"]}
    assert (await client.token(**late)).status_code == 400


async def test_a_refresh_token_may_stay(school: School) -> None:
    client = Client(school, rotates=False)
    refresh = {"grant_type": "refresh_token", "refresh_token": (await client.token()).json()["refresh_token"]}
    assert [(await client.token(**refresh)).status_code for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(
    "wrong", [{"password": "x"}, {"client_secret": "x"}, {"client_id": "x"}, {"username": "x"}]
)
async def test_wrong_credentials_bring_no_token(school: School, wrong: dict[str, str]) -> None:
    assert (await Client(school).token(**wrong)).status_code == 401


@pytest.mark.parametrize(
    ("expired", "status", "kind"),
    [("401", 401, ""), ("403", 403, ""), ("html", 200, "html"), ("redirect", 302, "")],
)
async def test_what_an_expired_token_brings(school: School, expired: str, status: int, kind: str) -> None:
    answer = await Client(school, expired=expired).http.get("/api/me")
    assert answer.status_code == status and kind in answer.headers.get("content-type", "")


# Saved queries


async def test_menus_lead_to_the_queries(client: Client) -> None:
    objects = [one for menu in (await client.get("/menus"))["menus"] for one in menu["objects"]]
    found = {one["queryId"]: (one["menuEntryId"], one["menuEntryCode"]) for one in objects}
    assert MENUS.items() <= found.items()
    wrong = await client.http.get(f"/api/menuEntries/1/query/{INTERVENTIONS}")
    assert wrong.status_code == 404


async def test_lines_are_arrays_in_the_order_of_the_visible_columns(client: Client, school: School) -> None:
    definition = await client.definition(INTERVENTIONS)
    columns = definition["searchResultDefinition"]["columns"]
    visible = [column for column in columns if column["visible"]]
    assert len(visible) < len(columns)
    content = (await client.search(INTERVENTIONS))["content"]
    assert all(len(line) == len(visible) for line in content["lines"])
    assert [column["guid"] for column in content["columns"]] == [column["guid"] for column in visible]
    session = client.simulator.store.sessions[plain_session(school)]
    lines = [line for line in await client.lines(INTERVENTIONS) if line["interventionId"] == str(session.code)]
    assert len(lines) == len(session.learners) and len({line["id"] for line in lines}) == 1
    assert lines[0]["title"] == {"fr": session.subject, "en": None}
    assert lines[0]["startDateTime"] == f"{session.day}T{_utc(session.start)}"


async def test_the_id_of_a_line_may_come_before_its_columns(school: School) -> None:
    client = await Client(school, first_cell="before").sign_in()
    content = (await client.search(GROUPS))["content"]
    assert {len(line) - len(content["columns"]) for line in content["lines"]} == {1}


async def test_pages_begin_at_one(client: Client) -> None:
    whole = await client.search(GROUPS)
    total = whole["totalElements"]
    first, second = [await client.search(GROUPS, size=20, page=page) for page in (1, 2)]
    assert first["totalPages"] == -(-total // 20) and len(first["content"]["lines"]) == 20
    both = first["content"]["lines"] + second["content"]["lines"]
    assert both[:total] == whole["content"]["lines"][: len(both)]
    assert (await client.search(GROUPS, size=20, page=0))["content"]["lines"] == []
    assert len((await client.search(INTERVENTIONS, size=1000))["content"]["lines"]) == 300


@pytest.mark.parametrize(
    ("times", "form"),
    [("utc", "T08:00:00Z"), ("offset", "T09:00:00+01:00"), ("wall", "T09:00:00"), ("slashed", " 09:00")],
)
async def test_times_in_four_forms(school: School, times: str, form: str) -> None:
    client = await Client(school, times=times).sign_in()
    texts = {str(line["startDateTime"]) for line in await client.lines(INTERVENTIONS)}
    assert any(text.endswith(form) for text in texts)


async def test_lines_by_population_name_no_learner(school: School) -> None:
    client = await Client(school, lines="population").sign_in()
    lines = await client.lines(INTERVENTIONS)
    assert lines and "learnerId" not in lines[0] and all(line["populationCodes"] for line in lines)


async def test_people_edit_a_query_and_its_lines_shift(client: Client) -> None:
    before = await client.definition(GROUPS)
    client.hand("move_column", GROUPS, "learnerEmail", 1)
    # Whoever sends the definition of before gets the lines of before.
    old = (await client.search(GROUPS, sent=before))["content"]["lines"][0]
    new = (await client.search(GROUPS))["content"]["lines"][0]
    assert "@" not in str(old[0]) and "@" in str(new[0])
    client.hand("hide_column", GROUPS, "learnerPhone")
    assert len((await client.search(GROUPS))["content"]["lines"][0]) == len(new) - 1
    client.hand("rename_column", GROUPS, "learnerEmail", "Courriel")
    assert "Courriel" in (await client.lines(GROUPS))[0]
    with pytest.raises(ControlError):
        client.hand("move_column", GROUPS, "nulle part", 1)


async def test_an_answer_may_follow_the_saved_query(school: School) -> None:
    client = await Client(school, columns_of="saved").sign_in()
    before = await client.definition(GROUPS)
    client.hand("move_column", GROUPS, "learnerEmail", 1)
    assert "@" in str((await client.search(GROUPS, sent=before))["content"]["lines"][0][0])


# The planning


async def test_a_planning_has_typed_interventions_in_utc(client: Client, school: School) -> None:
    identity = plain_session(school)
    session = client.simulator.store.sessions[identity]
    params = httpx.QueryParams([("days", str(n)) for n in range(1, 8)])
    params = params.merge({"startDate": str(session.day), "endDate": str(session.day)})
    body = (await client.http.get("/api/plannings/me", params=params)).json()
    assert body["unavailabilities"] == []
    (one,) = [one for one in body["interventions"] if one["id"] == session.code]
    assert one["startDateTime"] == f"{session.day}T{_utc(session.start)}" and one["participations"] == []
    assert one["interventionPedagogicalUnits"][0]["pedagogicalUnit"]["caption"]["fr"] == session.subject
    assert "email" not in str(one).lower()
    detail = await client.get(f"/menuEntries/{PLANNING_MENU}/interventions/{session.code}")
    assert one.items() <= detail.items()
    client.hand("cancel_session", identity)
    gone = await client.http.get(f"/api/menuEntries/{PLANNING_MENU}/interventions/{session.code}")
    assert gone.status_code == 404


async def test_a_departure_takes_the_learner_off_lines_and_populations(client: Client, school: School) -> None:
    learner = clean_learner(school)
    code = client.simulator.code_of(learner)
    assert code in {line["learnerId"] for line in await client.lines(GROUPS)}
    client.hand("depart", learner)
    assert code not in {line["learnerId"] for line in await client.lines(GROUPS)}


async def test_nothing_is_written_and_who_may_not_query_is_refused(school: School) -> None:
    client = await Client(school, may_query=False).sign_in()
    menu = MENUS[GROUPS][0]
    assert (await client.http.get(f"/api/menuEntries/{menu}/query/{GROUPS}")).status_code == 403
    put = await client.http.put(f"/api/menuEntries/{PLANNING_MENU}/interventions/700001", json={})
    assert put.status_code == 405 and client.simulator.control.writes == []


async def test_faults_come_as_ordered(client: Client) -> None:
    route = "/api/menuEntries/*/searchResult"
    await client.http.post("/__control__/fault", json={"kind": "truncated_list", "route": route})
    first = await client.search(GROUPS, size=20)
    assert len(first["content"]["lines"]) == 10
    await client.http.post("/__control__/fault", json={"kind": "repeated_page", "route": route})
    one, two = await client.search(GROUPS, size=20), await client.search(GROUPS, size=20, page=2)
    assert one["content"]["lines"] == two["content"]["lines"]
