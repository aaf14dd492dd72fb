"""Aimaira's rows read and marked, and its lists read to their end: what no simulator needs to be there for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qs, unquote

import httpx
import pytest
from pydantic import ValidationError

from connectors.aimaira import AimairaReason, AimairaSettings, connector, mapping, marks
from connectors.aimaira.client import capabilities
from connectors.aimaira.odata import QUERY_LIMIT, Ask, any_of, batches, model, text
from engine.attendance import Attendance
from engine.clock import VirtualClock
from engine.ports import FaultCode, Scope, Surroundings
from engine.records import Entry, Learner, Sheet, Speaker
from tests.unit.test_http import virtually

PERSON: dict[str, Any] = {
    "Id": 21, "Code": "A00081", "Nom": "Roux", "Prenoms": "Zoé Anne", "NomUsage": "", "PrenomUsage": "Zoé",
    "MailId": 22, "TelephoneId": 0, "MobileId": 23,
    "Mail": {"Id": 22, "Adresse": "zoe@mail.example"}, "Mobile": {"Id": 23, "Numero": "06 11 22 33 44"},
}  # fmt: skip
TYPES = mapping.Types(learner=1, speaker=2, room=3, group=4)
EVENT: dict[str, Any] = {
    "Id": 7, "Nom": "", "Code": "PL7", "EntiteJuridiqueId": 5, "Debut": "2026-11-24T08:00:00.0000000+01:00",
    "Fin": "2026-11-24T11:00:00+01:00", "TypePlanificationId": 9, "Annule": False, "SequenceId": 31,
}  # fmt: skip


def row(id: int, kind: int, code: str = "", reference: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "Id": id, "Nom": f"n{id}", "Code": code, "PlanificationId": 7, "TypeRessourceId": kind,
        "Reference": reference, "IdSequence": 0, **more,
    }  # fmt: skip


def people(*pairs: tuple[str, str]) -> mapping.People:
    persons = (mapping.Person(Entry(record=Learner(id=key)), code) for key, code in pairs)
    return mapping.People.of(persons)


def session(*rows: dict[str, Any], learners: mapping.People, **event: Any) -> Entry:
    return mapping.session(
        {**EVENT, **event}, rows, TYPES, learners, people(("40", "E1")), mapping.Course(), {"31": "BTS 1A"}
    )


# People


def test_a_person_is_known_by_the_name_in_use_and_reached_by_what_its_keys_point_to() -> None:
    enrolments = [mapping.Enrolment(21, 5, True)]
    found = mapping.learner(PERSON, enrolments, mapping.Contacts(), frozenset())
    assert found.entry.record == Learner(
        id="21", last_name="Roux", first_name="Zoé", email="zoe@mail.example", phone="06 11 22 33 44"
    )
    assert found.entry.where == "Aimaira › Apprenant A00081 › Mail" and not found.entry.ended


def test_zero_is_no_key_and_a_key_without_its_object_is_drift() -> None:
    bare = {name: value for name, value in PERSON.items() if name not in ("Mail", "Mobile")}
    assert mapping.unread([bare], ("Mail", "Mobile", "Telephone")) == [22, 23]
    read = mapping.Contacts({22: "a@b.example"}, {23: "1"})
    assert mapping.learner(bare, [], read, frozenset()).entry.record.value("email") == "a@b.example"
    with pytest.raises(mapping.Drift, match="MailId is 22"):
        mapping.learner(bare, [], mapping.Contacts(), frozenset())
    nobody = mapping.learner({**bare, "MailId": 0, "MobileId": 0}, [], mapping.Contacts(), frozenset())
    assert (nobody.entry.record.value("email"), nobody.entry.record.value("phone")) == ("", "")


@pytest.mark.parametrize(
    ("which", "email"),
    [("mail", "zoe@mail.example"), ("school", ""), ("school_then_mail", "zoe@mail.example")],
)
def test_which_e_mail_of_a_teacher_counts(which: Any, email: str) -> None:
    found = mapping.speaker({**PERSON, "MailEcoleId": 0}, mapping.Contacts(), which).entry.record
    assert isinstance(found, Speaker) and found.email == email
    both = {**PERSON, "MailEcoleId": 24, "MailEcole": {"Id": 24, "Adresse": "z@ecole.example"}}
    expected = {"mail": "zoe@mail.example"}.get(which, "z@ecole.example")
    assert mapping.speaker(both, mapping.Contacts(), which).entry.record.value("email") == expected


@pytest.mark.parametrize(
    ("state", "left", "counts"),
    [
        (1, None, True),
        (2, None, False),
        (1, "2026-11-24T00:00:00+01:00", False),
        (1, "2026-11-25T00:00:00+01:00", True),
    ],
)
def test_an_enrolment_counts_by_its_state_until_its_end(state: int, left: str | None, counts: bool) -> None:
    given = {"Id": 1, "ApprenantId": 21, "ProgrammeId": 5, "EtatInscriptionId": state, "DateSortie": left}
    on = date(2026, 11, 24)
    assert mapping.enrolment(given, frozenset({1}), on, "Europe/Paris").counts is counts


# Sessions


def test_a_session_is_made_of_its_rows() -> None:
    entry = session(
        row(1, 1, "A1"), row(2, 1, "?", 21, IdSequence=32), row(3, 2, "E1"), row(4, 3, "S1"), row(5, 9),
        learners=people(("20", "A1"), ("21", "A2")),
    )  # fmt: skip
    assert entry.record == Sheet(
        id="7",
        name="BTS 1A",
        start=datetime(2026, 11, 24, 7, tzinfo=UTC),
        end=datetime(2026, 11, 24, 10, tzinfo=UTC),
        room="n4",
        groups=frozenset({"31", "32"}),
        speakers=frozenset({"40"}),
        learners=frozenset({"20", "21"}),
    )
    assert not entry.problems and not entry.ended


def test_a_code_that_two_people_bear_names_neither() -> None:
    twins = people(("20", "A1"), ("21", "A1"))
    assert twins.key(row(1, 1, "A1", 21)) == "21" and twins.key(row(1, 1, "A1")) is None


def test_a_group_without_learners_is_a_row_problem_and_beside_learners_none() -> None:
    (problem,) = session(row(9, 4, "SLS41"), learners=people()).problems
    assert (problem.code, problem.evidence, problem.row) == ("group_not_expanded", "SLS41", True)
    assert not session(row(9, 4, "SLS41"), row(1, 1, "A1"), learners=people(("20", "A1"))).problems


def test_titles_in_their_order() -> None:
    assert session(learners=people(), Nom="Chimie").record.label == "Chimie"
    assert session(learners=people()).record.label == "BTS 1A"
    assert session(learners=people(), SequenceId=0).record.label == "Séance"


@pytest.mark.parametrize(
    "wrong", [{"Debut": "2026-11-24T08:00:00"}, {"Debut": 7}, {"Annule": "non"}, {"Id": 0}]
)
def test_a_field_of_another_shape_is_drift(wrong: dict[str, Any]) -> None:
    with pytest.raises(mapping.Drift):
        session(learners=people(), **wrong)


# Marks

SHEET = Sheet(id="7", start=datetime(2026, 11, 24, 8, tzinfo=UTC), end=datetime(2026, 11, 24, 11, tzinfo=UTC))
MARKED: dict[str, Any] = {
    **row(1, 1, "A1"), "Debut": "2026-11-24T09:00:00+01:00", "Fin": "2026-11-24T12:00:00+01:00",
    "Presence": True, "Exclusion": False, "Depart": False, "Retard": False, "ControlePresence": None,
    "MotifId": 0, "ProvenancePresence": "None",
}  # fmt: skip
CALLED = {"ControlePresence": "2026-11-24T09:05:00+01:00"}
REASONS = (AimairaReason(id=5, name="Maladie", justifies=True), AimairaReason(id=6, name="Autre"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, None),
        ({"Presence": False}, None),
        (CALLED, ("present", 0, 0, False, "")),
        ({**CALLED, "Presence": False}, ("absent", 0, 0, False, "")),
        ({**CALLED, "Presence": False, "MotifId": 5}, ("absent", 0, 0, True, "5")),
        ({**CALLED, "Presence": False, "MotifId": 6}, ("absent", 0, 0, False, "6")),
        # A reason nobody named is the people's own, and so is one without a roll call.
        ({**CALLED, "Presence": False, "MotifId": 99}, ("absent", 0, 0, True, "99")),
        ({"MotifId": 5}, ("absent", 0, 0, True, "5")),
        ({**CALLED, "Retard": True, "Debut": "2026-11-24T09:20:30+01:00"}, ("present", 20, 0, False, "")),
        ({**CALLED, "Retard": True, "Debut": None}, ("present", 1, 0, False, "")),
        ({**CALLED, "Depart": True, "Fin": "2026-11-24T11:15:00+01:00"}, ("present", 0, 45, False, "")),
        ({**CALLED, "Exclusion": True}, ("excluded", 0, 0, False, "")),
    ],
    ids=str,
)
def test_what_a_row_says(fields: dict[str, Any], said: tuple[Any, ...] | None) -> None:
    found = marks.stood({**MARKED, **fields}, "20", SHEET, REASONS)
    if said is None:
        assert found is None
    else:
        assert found is not None
        assert (found.state, found.late, found.left_early, found.justified, found.reason) == said


def test_a_row_goes_back_whole_without_the_services_own_words() -> None:
    came = {"@odata.context": "c", "Detail": "x", "Nouveau": 3, "Presence": True}
    assert marks.whole(came, {"Presence": False}) == {"Detail": "x", "Nouveau": 3, "Presence": False}
    assert marks.lacking(came, ("Detail", "Commentaire", "Presence")) == ["Commentaire"]
    assert marks.touched(came, {**came, "Detail": "", "Presence": False}, ("Presence",)) == ["Detail"]


def test_the_reason_alone_says_whether_an_absence_is_justified() -> None:
    settings = AimairaSettings(url="http://a", user="u", password="p", reasons=REASONS)
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def motive(**said: Any) -> Any:
        wanted = Attendance(sheet="7", person="20", state="absent", **said)
        return marks.marked(MARKED, wanted, SHEET, now, settings, "Europe/Paris")["MotifId"]

    assert (motive(justified=True), motive(reason="6"), motive()) == (5, 6, 0)
    # A reason that says otherwise gives way.
    assert (motive(reason="5"), motive(reason="6", justified=True)) == (0, 5)


def test_what_is_off_says_why() -> None:
    plain = {one.name: one for one in capabilities(AimairaSettings(url="http://a", user="u", password="p"))}
    off = {name for name, one in plain.items() if not one.on}
    assert off == {"write lateness, leaving, exclusion", "write reasons"}
    assert all(plain[name].why_off for name in off) and all(one.source for one in plain.values())


# Settings


@pytest.mark.parametrize(
    "given", [{}, {"user": "u"}, {"password": "p"}, {"user": "u", "password": "p", "api_key": "k"},
              {"user": "u", "api_key": "k"}]
)  # fmt: skip
def test_there_is_one_way_in(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        AimairaSettings(url="http://a", **given)


# OData


def test_a_query_is_encoded_without_plus_signs_and_quotes_are_doubled() -> None:
    asked = Ask("Apprenant", ("Id",), "Code eq " + text("O'Brien & + fils")).query()
    assert "+" not in asked and "%20" in asked and "%26" in asked and "%2B" in asked
    assert parse_qs(asked)["$filter"] == ["Code eq 'O''Brien & + fils'"]


def test_keys_are_asked_as_many_at_once_as_a_query_holds() -> None:
    keys = [str(400000 + n) for n in range(300)]
    asked = list(batches(Ask("Mail", ("Id", "Adresse"), "Id ne 0"), "Id", keys))
    assert all(len(one.query(**{"$count": "true"})) <= QUERY_LIMIT for one in asked)
    found = [
        part.split(" ")[-1] for one in asked for part in one.filter.split("(")[-1].strip(")").split(" or ")
    ]
    assert found == keys and len(asked) <= 5


def test_the_model_holds_what_base_types_declare_and_refuses_document_types() -> None:
    declared = model(_EDMX)
    assert declared.properties["Apprenant"] == {"Id", "MailId", "Origine"}
    assert declared.leads("Apprenant", "Mail") and not declared.leads("Apprenant", "Mobile")
    assert declared.members["Apprenant", "Origine"] == ("None", "Salle")
    assert declared.missing("Apprenant", ("Id", "Code")) == ["Code"] and declared.missing("Cours", ("Id",)) == [
        "Id"
    ]
    for wrong in ("<html></html>", "{}", '<!DOCTYPE x [<!ENTITY a "b">]>' + _EDMX):
        with pytest.raises(ValueError):
            model(wrong)


_EDMX = """<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
<Schema Namespace="GraphV1" xmlns="http://docs.oasis-open.org/odata/ns/edm">
<EntityType Name="Base"><Property Name="Id" Type="Edm.Int32"/></EntityType>
<EntityType Name="Apprenant" BaseType="GraphV1.Base"><Property Name="MailId" Type="Edm.Int32"/>
<Property Name="Origine" Type="GraphV1.Origine"/>
<NavigationProperty Name="Mail" Type="GraphV1.Mail"/></EntityType>
<EntityType Name="Mail" BaseType="GraphV1.Base"/>
<EnumType Name="Origine"><Member Name="None"/><Member Name="Salle"/></EnumType>
<EntityContainer Name="C"><EntitySet Name="Apprenant" EntityType="GraphV1.Apprenant"/></EntityContainer>
</Schema></edmx:DataServices></edmx:Edmx>"""


class Stub:
    """Answers `$metadata` with nothing, and the list of teachers page by page as told."""

    def __init__(self, *pages: Any) -> None:
        self.pages = list(pages)
        self.asked: list[str] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        if request.url.path.endswith("$metadata"):
            return httpx.Response(404)
        self.asked.append(unquote(request.url.query.decode()))
        page = self.pages.pop(0) if self.pages else {"value": []}
        return page if isinstance(page, httpx.Response) else httpx.Response(200, json=page)


def teachers(*pages: Any) -> tuple[Any, Stub]:
    stub = Stub(*pages)

    async def play(clock: VirtualClock) -> Any:
        client = connector.open(
            AimairaSettings(url="https://graphx.aimaira.example", api_key="env:K"),
            Surroundings(
                connection="caen", zone="Europe/Paris", country="FR", clock=clock, secret=lambda r: "k",
                transport=httpx.MockTransport(stub),
            ),
        )  # fmt: skip
        day = date(2026, 11, 24)
        return await client.listing("speaker", Scope(first=day, last=day, zone="Europe/Paris"))

    return virtually(play), stub


def page(*ids: int, **more: Any) -> dict[str, Any]:
    bare = {"MailId": 0, "MobileId": 0, "MailEcoleId": 0}
    return {"value": [{**PERSON, **bare, "Id": id, "Code": f"E{id}"} for id in ids], **more}


LINK = "https://graphx.aimaira.example/GraphV1/GraphV1/Enseignant?$skiptoken=2"


def test_next_links_are_followed_with_their_own_query() -> None:
    listing, stub = teachers(page(1, 2, **{"@odata.nextLink": LINK}), page(3))
    assert [e.id for e in listing.entries] == ["1", "2", "3"] and listing.complete
    assert stub.asked[1] == "$skiptoken=2"


def test_a_short_page_before_a_longer_one_was_cut() -> None:
    more = {"@odata.nextLink": LINK}
    other = {"@odata.nextLink": LINK.replace("=2", "=3")}
    for pages in ((page(1, **more), page(2, 3)), (page(1, 2, **more), page(3, **other), page(4))):
        listing, _stub = teachers(*pages)
        assert (listing.complete, listing.fault) == (False, FaultCode.truncated)


def test_a_link_that_leads_elsewhere_is_not_followed() -> None:
    listing, stub = teachers(page(1, **{"@odata.nextLink": "https://evil.example/GraphV1/Mail?$skip=1"}))
    assert not listing.complete and listing.fault == FaultCode.drift and len(stub.asked) == 1


def test_without_link_or_count_rows_are_asked_for_until_none_comes() -> None:
    listing, stub = teachers(page(1, 2), page(3), page())
    assert [e.id for e in listing.entries] == ["1", "2", "3"] and listing.complete
    assert "Id gt 2" in stub.asked[1] and "Id gt 3" in stub.asked[2]


def test_a_count_makes_the_last_question_needless() -> None:
    listing, stub = teachers(page(1, 2, **{"@odata.count": 2}))
    assert listing.complete and len(stub.asked) == 1


def test_a_service_that_ends_before_its_count_is_not_believed() -> None:
    listing, _stub = teachers(page(1, **{"@odata.count": 3, "@odata.nextLink": LINK}), page(2))
    assert (listing.complete, listing.fault) == (False, FaultCode.truncated)


def test_a_service_that_knows_no_way_on_gave_all_there_is() -> None:
    refusal: Callable[[], httpx.Response] = lambda: httpx.Response(400, json={"error": {}})  # noqa: E731
    listing, stub = teachers(page(1, 2), refusal(), refusal())
    assert listing.complete and len(listing.entries) == 2 and "$skip=2" in stub.asked[2]


def test_an_error_in_place_of_a_list_is_drift() -> None:
    listing, _stub = teachers({"error": {"message": "x"}})
    assert listing.fault == FaultCode.drift


def test_the_conditions_of_several_keys() -> None:
    assert any_of("Id", ("1", "2")) == "Id eq 1 or Id eq 2"
    assert Ask("Mail", filter="A eq 1 or B eq 2").also("C eq 3").filter == "(A eq 1 or B eq 2) and C eq 3"


def test_a_reason_nobody_named_is_refused() -> None:
    settings = AimairaSettings(url="http://a", user="u", password="p", reasons=REASONS)
    wanted = Attendance(sheet="7", person="20", state="absent", reason="maladie")
    with pytest.raises(mapping.Drift):
        marks.marked(MARKED, wanted, SHEET, datetime(2026, 11, 24, tzinfo=UTC), settings, "Europe/Paris")
