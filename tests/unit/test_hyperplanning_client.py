"""The Hyperplanning client against answers made by hand: what it asks, and what it makes of what is wrong."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from connectors.hyperplanning import HyperplanningSettings, connector
from connectors.hyperplanning.client import HyperplanningClient
from connectors.hyperplanning.envelope import NotSoap, SoapFault, answer, here, items, operations, texts
from connectors.ypareo import YpareoSettings
from engine.clock import VirtualClock
from engine.ports import Erp, Listing, Scope, Surroundings
from engine.records import KINDS, Kind
from tests.unit.test_http import T, virtually

SCOPE = Scope(first=date(2026, 9, 14), last=date(2026, 9, 27), zone="Europe/Paris")


def school() -> dict[str, Any]:
    return {
        "/etudiants": [
            {"cle": 1, "nom": "Martin", "prenom": "Zoé", "e_mail": "z@x.example"},
            {"cle": 2, "nom": "Petit", "prenom": "Ali", "e_mail": None},
            {"cle": 3, "nom": "Parti", "prenom": "Éva", "e_mail": "e@x.example"},
        ],
        "/enseignants": [{"cle": 30, "nom": "Morel", "prenom": "Léa", "code": "M", "e_mail": "m@x.example"}],
        "/promotions": [{"cle": 41, "nom": "BTS 1A"}],
        "/tdoptions": [{"cle": 41, "nom": "TD1", "promotion": 41}],
        "/promotions/41/etudiants": {"etudiants": [1, 2]},
        "/tdoptions/41/etudiants": {"etudiants": [2]},
        "/salles": [{"cle": 101, "nom": "A101"}],
        "/matieres": [{"cle": 61, "libelle": "Anglais"}],
        "/cours": [{"cle": 5001, "est_un_cours_pere": False}, {"cle": 5002, "est_un_cours_pere": True}],
        "/cours/detail_seances_placees": [
            session("2026-09-16 09:00:00"),
            session("2026-10-16 09:00:00"),
            {**session("2026-09-17 09:00:00"), "cle": 77},
        ],
    }


def session(start: str) -> dict[str, Any]:
    return {
        "cle": 5001, "jour_heure_debut": start, "duree": 0.125, "matiere": 61, "enseignants": [30],
        "promotions": [41], "tdoptions": [], "salles": [101], "etudiants": [1, 2],
    }  # fmt: skip


class Fake:
    """Answers by path; remembers what was asked."""

    def __init__(self) -> None:
        self.answers = school()
        self.asked: list[str] = []
        self.queries: dict[str, dict[str, str]] = {}
        self.secrets: set[str] = set()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/prefix")
        self.asked.append(path)
        self.queries[path] = dict(request.url.params)
        self.secrets.add(request.headers["Authorization"])
        found = self.answers.get(path, httpx.Response(404, text="Not Found"))
        if callable(found):
            found = found(request)
        return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)


def ask(fake: Fake, what: Callable[[HyperplanningClient], Awaitable[T]], **settings: Any) -> T:
    async def play(clock: VirtualClock) -> T:
        client: HyperplanningClient = connector.open(
            HyperplanningSettings(
                **{"url": "https://hp.example/prefix", "user": "u", "password": "env:P", **settings}
            ),
            Surroundings(
                connection="lyon",
                zone="Europe/Paris",
                country="FR",
                clock=clock,
                secret=lambda _reference: "s3cret\n",
                transport=httpx.MockTransport(fake),
            ),
        )
        erp: Erp = client
        try:
            return await what(client)
        finally:
            await erp.close()

    return virtually(play)


def listings(fake: Fake, **settings: Any) -> dict[Kind, Listing]:
    async def all_of_them(client: HyperplanningClient) -> dict[Kind, Listing]:
        await client.begin(SCOPE)
        return {kind: await client.listing(kind, SCOPE) for kind in KINDS}

    return ask(fake, all_of_them, **settings)


def ids(listing: Listing) -> list[str]:
    return [one.id for one in listing.entries]


def test_a_run_asks_each_thing_once_with_few_fields() -> None:
    fake = Fake()
    found = listings(fake)
    assert all(one.complete for one in found.values())
    assert {kind: ids(one) for kind, one in found.items()} == {
        "speaker": ["30"], "learner": ["1", "2"], "group": ["41", "td-41"], "sheet": ["5001@2026-09-16T09:00"],
    }  # fmt: skip
    assert len(fake.asked) == len(set(fake.asked)) == 10
    assert fake.secrets == {"Basic " + base64.b64encode(b"u:s3cret").decode()}
    assert fake.queries["/etudiants"] == {"select": "cle,nom,prenom,email,e_mail,mail"}
    assert fake.queries["/cours/detail_seances_placees"]["cle"] == "5001"
    span = {name: fake.queries["/cours"][name] for name in ("date_debut", "date_fin")}
    assert span == {"date_debut": "2026-09-14", "date_fin": "2026-09-27"}


def test_the_spelling_found_is_asked_for_from_then_on() -> None:
    fake = Fake()

    async def twice(client: HyperplanningClient) -> None:
        for _run in range(2):
            await client.begin(SCOPE)
            await client.listing("learner", SCOPE)

    ask(fake, twice)
    assert fake.queries["/etudiants"] == {"select": "cle,nom,prenom,e_mail"}
    ask(fake, twice, email_field="e_mail")
    assert fake.queries["/etudiants"] == {"select": "cle,nom,prenom,e_mail"}


def test_commas_between_keys_are_sent_as_they_are() -> None:
    fake = Fake()
    fake.answers["/cours"] = [{"cle": key, "est_un_cours_pere": False} for key in range(5001, 5006)]
    seen: list[bytes] = []

    def details(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.query)
        return httpx.Response(200, json=[])

    fake.answers["/cours/detail_seances_placees"] = details
    assert listings(fake, keys_per_request=2)["sheet"].complete
    assert sorted(query.partition(b"&")[0] for query in seen) == [
        b"cle=5001,5002", b"cle=5003,5004", b"cle=5005",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "gone", "kinds"),
    [
        ("/etudiants", "nom", {"learner"}),
        ("/etudiants", "e_mail", {"learner"}),
        ("/enseignants", "prenom", {"speaker"}),
        ("/promotions", "nom", {"learner", "group", "sheet"}),
        ("/salles", "nom", {"sheet"}),
        ("/cours/detail_seances_placees", "enseignants", {"sheet"}),
        ("/cours/detail_seances_placees", "duree", {"sheet"}),
    ],
)
def test_a_field_that_is_gone_stops_its_kind_only(path: str, gone: str, kinds: set[str]) -> None:
    fake = Fake()
    for row in fake.answers[path]:
        del row[gone]
    found = listings(fake)
    assert {kind for kind, one in found.items() if not one.complete} == kinds
    assert {one.fault for one in found.values() if not one.complete} == {"drift"}


def test_a_field_nobody_knows_is_a_warning_in_check() -> None:
    fake = Fake()
    for row in fake.answers["/etudiants"]:
        row["groupe_sanguin"] = "O"

    async def check(client: HyperplanningClient) -> dict[str, tuple[bool, str]]:
        return {one.what: (one.ok, one.detail) for one in await client.check()}

    assert ask(fake, check)["fields this connector does not know"] == (True, "GET /etudiants: groupe_sanguin")
    assert listings(fake)["learner"].complete


@pytest.mark.parametrize("status", [200, 400])
def test_a_refused_selection_is_asked_without(status: int) -> None:
    fake = Fake()
    rows = fake.answers["/etudiants"]

    def strict(request: httpx.Request) -> httpx.Response:
        if "select" in request.url.params:
            return httpx.Response(status, json={"code": 7, "message": "champ inconnu"})
        return httpx.Response(200, json=rows)

    fake.answers["/etudiants"] = strict
    assert ids(listings(fake)["learner"]) == ["1", "2"]


def test_an_error_that_no_selection_causes_stays_one() -> None:
    fake = Fake()
    fake.answers["/etudiants"] = httpx.Response(400, json={"code": 9, "message": "base fermée"})
    found = listings(fake)["learner"]
    assert (found.complete, found.fault) == (False, "refused") and "base fermée" in found.fault_line


def test_a_group_whose_members_did_not_come_makes_nobody_leave() -> None:
    fake = Fake()
    fake.answers["/tdoptions/41/etudiants"] = httpx.Response(500, text="oops")
    found = listings(fake)
    assert {kind for kind, one in found.items() if not one.complete} == {"learner", "group", "sheet"}
    assert found["group"].entries == ()
    # The listing of all people does not depend on groups when all are meant.
    assert listings(fake, learners="all", td_groups=False)["learner"].complete


def test_most_durations_in_another_unit_stop_the_sessions() -> None:
    fake = Fake()
    for row in fake.answers["/cours/detail_seances_placees"]:
        row["duree"] = 180
    assert listings(fake)["sheet"].fault == "drift"
    assert ids(listings(fake, duration_unit="minutes")["sheet"]) == ["5001@2026-09-16T09:00"]


def test_a_login_page_is_no_school() -> None:
    fake = Fake()
    for path in fake.answers:
        fake.answers[path] = httpx.Response(200, html="<html>connexion</html>")
    assert {one.fault for one in listings(fake).values()} == {"not_json"}


def test_silence_about_phones_is_declared() -> None:
    assert HyperplanningClient.silent["learner"] == {"phone"} and HyperplanningClient.keys_move


@pytest.mark.parametrize(
    "wrong",
    [
        {"learner_family": "1"},
        {"course_rubrics": ("3",)},
        {"learner_family": "1", "learner_rubrics": ("3",), "protocol": "soap"},
        {"url": "hp.example"},
        {"duration_unit": "weeks"},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HyperplanningSettings(**{"url": "http://hp.example", "user": "u", "password": "env:P", **wrong})


def test_another_connectors_settings_are_refused() -> None:
    with pytest.raises(TypeError):
        connector.open(YpareoSettings(url="http://x.example", token="env:T"), None)  # type: ignore[arg-type]


# SOAP

WSDL = """<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" targetNamespace="urn:t"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:t="urn:t">
  <binding name="BindingX" type="t:X"><operation name="Lire"><soap:operation soapAction="urn:x#Lire"/>
    <input><soap:body use="literal" namespace="urn:n"/></input></operation></binding>
  <service name="S"><port name="PortX" binding="t:BindingX"><soap:address location="http://inner:8090/hpsw/X"/></port>
  </service></definitions>"""


def test_a_wsdl_says_where_and_how() -> None:
    (found,) = operations(WSDL).values()
    assert (found.name, found.action, found.namespace) == ("Lire", "urn:x#Lire", "urn:n")
    for wrong in ("<html/>", "no xml", '<!DOCTYPE a [<!ENTITY b "c">]><definitions/>'):
        with pytest.raises(NotSoap):
            operations(wrong)


@pytest.mark.parametrize(
    ("address", "base", "path"),
    [
        ("http://inner:8090/hpsw/X", "https://hp.example/hpsw", "/hpsw/X"),
        ("http://inner:8090/hpsw/X", "https://hp.example/ecole/hpsw/", "/ecole/hpsw/X"),
        ("http://inner:8090/deep/hpsw/X/Y", "https://hp.example/hpsw", "/hpsw/X/Y"),
        ("http://inner:8090/ailleurs/X", "https://hp.example/hpsw", "/ailleurs/X"),
        ("http://inner:8090/X", "https://hp.example", "/X"),
    ],
)
def test_an_inner_address_becomes_one_of_the_configured_server(address: str, base: str, path: str) -> None:
    assert here(address, base) == path


def enveloped(inside: str) -> str:
    return (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" '
        f'xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><e:Body>{inside}</e:Body></e:Envelope>'
    )


def test_answers_arrays_nil_and_faults() -> None:
    said = enveloped('<r><return><string>a</string><string i:nil="true"/><string/></return></r>')
    assert texts(items(answer(said))) == ["a", "", ""]
    assert answer(enveloped("<r/>")) is None
    with pytest.raises(SoapFault, match="clé inconnue"):
        answer(enveloped("<e:Fault><faultstring>clé inconnue</faultstring></e:Fault>"))
    for wrong in ("<html/>", "", enveloped("")):
        with pytest.raises(NotSoap):
            answer(wrong)


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ({"/hpsw/wsdl": httpx.Response(200, text="<html>page</html>")}, "not_json"),
        ({"/hpsw/wsdl": httpx.Response(200, text=WSDL)}, "drift"),
        ({"/hpsw/wsdl": httpx.Response(401, text="non")}, "unauthorized"),
    ],
)
def test_a_service_that_is_not_hpsw(answers: dict[str, Any], fault: str) -> None:
    fake = Fake()
    fake.answers = answers
    found = listings(fake, url="https://hp.example/hpsw", protocol="soap")
    assert {one.fault for one in found.values()} == {fault}


def test_fewer_values_than_keys_are_drift_not_cleared_fields() -> None:
    offered = WSDL.replace('"Lire"', '"TousLesEtudiants"').replace(
        "<binding name",
        '<binding name="BindingX" type="t:X"><operation name="NomsTableauDEtudiants"/></binding><binding name',
    )
    fake = Fake()

    def called(request: httpx.Request) -> httpx.Response:
        keys = "<k>1</k><k>2</k>" if b"TousLes" in request.content else "<string>Martin</string>"
        return httpx.Response(200, text=enveloped(f"<r><return>{keys}</return></r>"))

    fake.answers = {"/hpsw/wsdl": httpx.Response(200, text=offered), "/hpsw/X": called}

    async def learners(client: HyperplanningClient) -> Listing:
        return await client.listing("learner", SCOPE)

    found = ask(fake, learners, url="https://hp.example/hpsw", protocol="soap", learners="all")
    assert (found.fault, found.entries) == ("drift", ())
