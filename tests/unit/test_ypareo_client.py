"""The Yparéo client: what a run asks, each once, and what is left where an answer fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import httpx
import pytest

from connectors.ypareo import YpareoSettings, connector
from connectors.ypareo.client import YpareoClient
from engine.clock import VirtualClock
from engine.ports import Erp, Listing, Scope, Surroundings
from engine.records import KINDS, Kind, Sheet
from tests.unit.test_http import T, virtually
from tests.unit.test_mapping_ypareo import LEARNER, SESSION

SCOPE = Scope(first=date(2026, 1, 12), last=date(2026, 1, 18), zone="Europe/Paris")
BASE = "/index.php/r/v1"
PERIODS = f"{BASE}/periodes"
GROUPS = f"{BASE}/formation-longue/groupes"
LEARNERS = f"{BASE}/formation-longue/apprenants"
STAFF = f"{BASE}/utilisateur/personnels"
PORTAL = f"{BASE}/utilisateur/apprenants"


def planning(group: int) -> str:
    return f"{BASE}/planning/12-01-2026/18-01-2026/groupes/{group}"


def learner(code: int, group: int, site: str = "Évry", departed: str | None = None) -> dict[str, Any]:
    return {
        **LEARNER,
        "codeApprenant": code,
        "informationsCourantes": {"codeGroupe": group, "codeInscription": 31},
        "inscriptions": [{"codeInscription": 31, "dateDepart": departed, "site": {"nomSite": site}}],
    }


def keyed(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {str(row[name]): row for row in rows}


def school() -> dict[str, Any]:
    return {
        PERIODS: keyed(
            "codePeriode",
            [
                {"codePeriode": 5, "dateDeb": "01/09/2025", "dateFin": "31/08/2026"},
                {"codePeriode": 6, "dateDeb": "01/09/2026", "dateFin": "31/08/2027"},
            ],
        ),
        GROUPS: keyed(
            "codeGroupe", [{"codeGroupe": 7, "nomGroupe": "BTS 1A"}, {"codeGroupe": 8, "nomGroupe": "BTS 2A"}]
        ),
        LEARNERS: keyed(
            "codeApprenant",
            [learner(1, 7), learner(2, 7), learner(3, 8, "Lille"), learner(4, 8, departed="05/01/2026")],
        ),
        STAFF: keyed(
            "codePersonnel",
            [
                {"codePersonnel": 12, "nom": "Roux", "prenom": "P", "email": "p@x.fr", "isFormateur": 1},
                {"codePersonnel": 13, "nom": "Noir", "prenom": "A", "email": "a@x.fr", "isFormateur": 0},
            ],
        ),
        PORTAL: keyed("codeApprenant", [{"codeApprenant": 1, "email": "un@cfa.example"}]),
        planning(7): {"cours": [{**SESSION, "codesGroupe": [7, 8], "codesApprenant": [1, 3]}]},
        planning(8): {
            "cours": [
                {**SESSION, "codesGroupe": [7, 8], "codesApprenant": [1, 3]},
                {**SESSION, "codeSeance": 992, "date": "19/01/2026"},
            ]
        },
    }


class Fake:
    """Answers by path; remembers what was asked and how many at once."""

    def __init__(self) -> None:
        self.answers = school()
        self.asked: list[str] = []
        self.params: dict[str, dict[str, str]] = {}
        self.tokens: set[str] = set()
        self.most = 0
        self._under_way = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(path)
        self.params[path] = dict(request.url.params)
        self.tokens.add(request.headers["X-Auth-Token"])
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        await asyncio.sleep(0.1)
        self._under_way -= 1
        answer = self.answers.get(path, httpx.Response(404, text="Not Found"))
        if isinstance(answer, httpx.Response):
            return answer
        return httpx.Response(200, json=answer)


def ask(fake: Fake, what: Callable[[YpareoClient], Awaitable[T]], **settings: Any) -> T:
    async def play(clock: VirtualClock) -> T:
        client: YpareoClient = connector.open(
            YpareoSettings(**{"url": "https://cfa.ymag.example", "token": "env:T", **settings}),
            Surroundings(
                connection="lille",
                zone="Europe/Paris",
                country="FR",
                clock=clock,
                secret=lambda reference: "t0ken",
                transport=httpx.MockTransport(fake),
            ),
        )
        erp: Erp = client
        await erp.begin(SCOPE)
        try:
            return await what(client)
        finally:
            await client.close()

    return virtually(play)


async def whole_run(client: YpareoClient) -> dict[Kind, Listing]:
    return {kind: await client.listing(kind, SCOPE) for kind in KINDS}


def ids(listing: Listing) -> list[str]:
    return [entry.id for entry in listing.entries]


def test_a_run_asks_for_each_thing_once() -> None:
    fake = Fake()
    listings = ask(fake, whole_run)
    assert sorted(fake.asked) == sorted([PERIODS, GROUPS, LEARNERS, STAFF, planning(7), planning(8)])
    assert fake.params[GROUPS] == fake.params[LEARNERS] == {"codesPeriode": "5"}
    assert fake.tokens == {"t0ken"}
    assert all(listing.complete and not listing.fault for listing in listings.values())
    assert {kind: ids(listing) for kind, listing in listings.items()} == {
        "speaker": ["12"],
        "learner": ["1", "2", "3", "4"],
        "group": ["7", "8"],
        "sheet": ["991"],
    }


def test_R13_who_left_is_said_so_and_is_in_no_group() -> None:
    listings = ask(Fake(), whole_run)
    assert [entry.id for entry in listings["learner"].entries if entry.ended] == ["4"]
    members = [entry.record.value("members") for entry in listings["group"].entries]
    assert members == [frozenset({"1", "2"}), frozenset({"3"})]


def test_requests_are_counted_by_route() -> None:
    async def run(client: YpareoClient) -> dict[str, int]:
        await whole_run(client)
        await client.begin(SCOPE)
        await whole_run(client)
        return dict(client.requests)

    counted = ask(Fake(), run)
    assert counted["GET /r/v1/planning/{first}/{last}/groupes/{code}"] == 4
    assert sum(counted.values()) == 12


@pytest.mark.parametrize(
    ("option", "emails"),
    [
        ("portal", ["un@cfa.example", ""]),
        ("portal_then_personal", ["un@cfa.example", "lea@perso.example"]),
    ],
)
def test_the_portals_e_mails_cost_one_request(option: str, emails: list[str]) -> None:
    fake = Fake()
    listings = ask(fake, whole_run, email=option)
    assert fake.asked.count(PORTAL) == 1
    assert [entry.record.value("email") for entry in listings["learner"].entries[:2]] == emails


def test_a_scope_over_two_periods_asks_for_both() -> None:
    fake = Fake()
    scope = Scope(first=date(2026, 8, 28), last=date(2026, 9, 3), zone="Europe/Paris")
    ask(fake, lambda client: client.listing("learner", scope))
    assert fake.params[LEARNERS] == {"codesPeriode": "5,6"}


def test_R32_no_period_is_no_proof_that_everybody_left() -> None:
    fake = Fake()
    fake.answers[PERIODS] = []
    listings = ask(fake, whole_run)
    assert {kind: listing.complete for kind, listing in listings.items()} == {
        "speaker": True,
        "learner": False,
        "group": False,
        "sheet": False,
    }
    assert "no period holds 2026-01-12 to 2026-01-18" in listings["group"].fault_line
    assert fake.asked == [STAFF, PERIODS]


def test_empty_sets_are_complete() -> None:
    fake = Fake()
    fake.answers.update({GROUPS: [], LEARNERS: [], STAFF: []})
    listings = ask(fake, whole_run)
    assert all(listing.complete and not listing.entries for listing in listings.values())


FAULTS: dict[str, tuple[httpx.Response, int]] = {
    "unauthorized": (httpx.Response(401, text="Unauthorized"), 1),
    "forbidden": (httpx.Response(403, text="Forbidden"), 1),
    "server_error": (httpx.Response(500, text="Erreur interne"), 1),
    "bad_gateway": (httpx.Response(504, text="Gateway Time-out"), 3),
    "not_json": (httpx.Response(200, html="<html>Connexion</html>"), 1),
    "truncated": (httpx.Response(200, content=b'{"1":{"codeApprenant":1,'), 3),
    "drift": (httpx.Response(200, json={"1": {"codeApprenant": 1}}), 1),
}


@pytest.mark.parametrize("code", FAULTS)
def test_R13_learners_that_fail_leave_groups_incomplete_and_are_not_asked_again(code: str) -> None:
    answer, sent = FAULTS[code]
    fake = Fake()
    fake.answers[LEARNERS] = answer
    listings = ask(fake, whole_run)
    assert [listings[kind].fault for kind in KINDS] == ["", code, code, ""]
    assert fake.asked.count(LEARNERS) == sent
    line = listings["learner"].fault_line
    assert line.startswith("lille: erp GET /r/v1/formation-longue/apprenants: ")
    assert "pages read 0 of 1" in line


def test_R13_one_planning_that_fails_leaves_the_sheets_incomplete() -> None:
    fake = Fake()
    fake.answers[planning(7)] = httpx.Response(500, text="Erreur")
    listing = ask(fake, whole_run)["sheet"]
    assert (listing.complete, listing.fault, ids(listing)) == (False, "server_error", ["991"])
    assert "pages read 1 of 2" in listing.fault_line


def test_a_silent_planning_is_a_time_out() -> None:
    class Silent(Fake):
        async def __call__(self, request: httpx.Request) -> httpx.Response:
            if "planning" in request.url.path:
                await asyncio.sleep(1e6)
            return await super().__call__(request)

    listing = ask(Silent(), whole_run)["sheet"]
    assert (listing.complete, listing.fault) == (False, "timed_out")


def test_a_refused_token_is_not_tried_on_every_group() -> None:
    fake = Fake()
    fake.answers[GROUPS] = keyed("codeGroupe", [{"codeGroupe": n, "nomGroupe": "G"} for n in range(100, 140)])
    for n in range(100, 140):
        fake.answers[planning(n)] = httpx.Response(401, text="Unauthorized")
    listing = ask(fake, whole_run, planning_concurrency=1)["sheet"]
    assert listing.fault == "unauthorized"
    assert sum("planning" in path for path in fake.asked) == 1


def test_plannings_are_asked_a_few_at_a_time() -> None:
    fake = Fake()
    fake.answers[GROUPS] = keyed("codeGroupe", [{"codeGroupe": n, "nomGroupe": "G"} for n in range(100, 140)])
    for n in range(100, 140):
        fake.answers[planning(n)] = {"cours": [{**SESSION, "codeSeance": n}]}
    told: list[tuple[str, int, int | None]] = []
    listing = ask(fake, lambda client: client.listing("sheet", SCOPE, lambda *step: told.append(step)))
    assert ids(listing) == [str(n) for n in range(100, 140)]
    assert fake.most == 4
    assert told[-1] == ("plannings", 40, 40)


def test_one_site_of_several() -> None:
    fake = Fake()
    listings = ask(fake, whole_run, sites=("EVRY",))
    assert (ids(listings["learner"]), ids(listings["group"])) == (["1", "2", "4"], ["7"])
    assert planning(8) not in fake.asked
    (entry,) = listings["sheet"].entries
    assert (entry.record.value("learners"), entry.record.value("groups")) == (frozenset("1"), frozenset("7"))


@pytest.mark.parametrize(
    "url",
    [
        "https://cfa.ymag.example/",
        "https://cfa.ymag.example/index.php",
        "https://cfa.ymag.example/index.php/r/v1/",
    ],
)
def test_the_address_in_every_spelling(url: str) -> None:
    assert ask(Fake(), lambda client: client.listing("speaker", SCOPE), url=url).complete


# Looking for one


def one(code: int) -> str:
    return f"{BASE}/apprenants/{code}"


async def after_listings(client: YpareoClient, kind: Kind, id: str, last: Sheet | None = None) -> str:
    await whole_run(client)
    sighting = await client.find(kind, id, SCOPE, last)
    return sighting.state + (" left" if sighting.entry is not None and sighting.entry.ended else "")


def test_R13_a_learner_the_listing_missed() -> None:
    fake = Fake()
    fake.answers[one(9)] = learner(9, 7)
    assert ask(fake, lambda client: after_listings(client, "learner", "9")) == "alive"
    fake.answers[one(9)] = {"9": learner(9, 7)}
    assert ask(fake, lambda client: after_listings(client, "learner", "9")) == "alive"
    fake.answers[one(9)] = learner(9, 7, departed="01/01/2026")
    assert ask(fake, lambda client: after_listings(client, "learner", "9")) == "alive left"


def test_R13_a_learner_nowhere_to_be_found_is_gone() -> None:
    fake = Fake()
    fake.answers[one(9)] = []
    assert ask(fake, lambda client: after_listings(client, "learner", "9")) == "gone"
    del fake.answers[one(9)]
    fake.answers[one(1)] = learner(1, 7)
    assert ask(fake, lambda client: after_listings(client, "learner", "9")) == "gone"


def test_R13_a_route_that_finds_nobody_proves_nothing() -> None:
    fake = Fake()

    async def two(client: YpareoClient) -> tuple[str, str]:
        first = await after_listings(client, "learner", "9")
        return first, (await client.find("learner", "10", SCOPE, None)).state

    assert ask(fake, two) == ("unknown", "unknown")
    assert [fake.asked.count(one(code)) for code in (9, 10, 1)] == [1, 1, 1]


def test_R13_a_fault_proves_nothing() -> None:
    fake = Fake()
    fake.answers[one(9)] = httpx.Response(500)
    assert ask(fake, lambda client: after_listings(client, "learner", "9")) == "unknown"


def test_R13_a_session_is_looked_for_with_one_of_its_learners() -> None:
    fake = Fake()
    last = Sheet(id="995", groups=frozenset({"7"}), learners=frozenset({"4", "3", "2"}))
    path = f"{BASE}/planning/29-12-2025/27-02-2026/apprenant/2"
    fake.answers[path] = {"cours": [{**SESSION, "codeSeance": 995, "date": "20/02/2026"}]}
    assert ask(fake, lambda client: after_listings(client, "sheet", "995", last)) == "alive"
    fake.answers[path] = {"cours": []}
    assert ask(fake, lambda client: after_listings(client, "sheet", "995", last)) == "gone"


def test_R13_a_session_whose_learners_have_all_left_cannot_be_looked_for() -> None:
    last = Sheet(id="995", learners=frozenset({"4"}))
    assert ask(Fake(), lambda client: after_listings(client, "sheet", "995", last)) == "unknown"
    assert ask(Fake(), lambda client: after_listings(client, "sheet", "995", Sheet(id="995"))) == "unknown"
    assert ask(Fake(), lambda client: after_listings(client, "group", "7")) == "unknown"


def test_check_tells_what_works() -> None:
    fake = Fake()
    findings = ask(fake, lambda client: client.check())
    assert [finding.ok for finding in findings] == [True, True, True, True, False]
    fake.answers[PERIODS] = httpx.Response(401, text="Unauthorized")
    (finding,) = ask(fake, lambda client: client.check())
    assert (finding.ok, finding.detail) == (False, "unauthorized")
    assert finding.advice
