"""The checker, on dumps made by hand: it must notice every way in which an end is not a good one."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.simulation.checker import End, Story, judge, minimum_requests
from connectors.simulation.checker_raw import canonical

OURS = "rollcall-x"
RUN = "2026-09-16T16:00:00Z"
EARLIER = "2026-09-14T10:00:00.000Z"

Row = dict[str, Any]


def erp_learner(
    code: int, identity: str, last: str, email: str, phone: str = "", departed: bool = False
) -> Row:
    return {
        "codeApprenant": code,
        "nomApprenant": last,
        "prenomApprenant": "Zoé",
        "adresse": {"email": email, "tel1": "", "tel2": phone},
        "informationsCourantes": {"codeGroupe": 1201, "codeInscription": 1},
        "identity": identity,
        "departed": departed,
        "removed": False,
    }


def session(code: int, identity: str, day: str, learners: list[str]) -> Row:
    return {
        "codeSeance": code,
        "nomMatiere": "Anglais",
        "codesSalle": [101, 102],
        "identity": identity,
        "cancelled": False,
        "local": {"day": day, "start": "09:00:00", "end": "12:00:00"},
        "start_utc": f"{day}T07:00:00.000Z",
        "end_utc": f"{day}T10:00:00.000Z",
        "group_identities": ["G001"],
        "learner_identities": learners,
        "staff_identities": ["P100"],
    }


def person(id: str, key: str, last: str, email: str, phone: str = "", **more: Any) -> Row:
    return {
        "ID": id, "API_ID": key, "API_TYPE": OURS, "LASTNAME": last, "FIRSTNAME": "Zoé", "EMAIL": email,
        "PHONE": phone, "HIDDEN": 0, "SCHOOL_ID": "school", "DATE_CREATED": EARLIER,
        "identity": f"api:{OURS}/{key}", "created_by": "api", **more,
    }  # fmt: skip


def sheet(id: str, key: str, day: str, learners: list[str]) -> Row:
    return {
        "ID": id, "API_ID": key, "API_TYPE": OURS, "NAME": "Anglais", "START": f"{day}T07:00:00.000Z",
        "END": f"{day}T10:00:00.000Z", "CLASSROOM": "101, 102", "SCHOOL_GROUP": ["g1"], "PROFESSOR": "p1",
        "PROFESSOR_2": "", "PROFESSOR_SIGNATURE": "", "LOCKED": 0, "HIDDEN": 0, "DATE_CREATED": EARLIER,
        "STUDENTS": [{"studentId": one, "signature": None, "state": False} for one in learners],
        "identity": f"api:{OURS}/{key}", "created_by": "api",
    }  # fmt: skip


class Tale:
    """A small school in which both sides agree, to be spoilt."""

    def __init__(self) -> None:
        self.erp: Row = {
            "system": "ypareo",
            "zone": "Europe/Paris",
            "least_requests": {"import": 5},
            "groups": [{"codeGroupe": 1201, "nomGroupe": "BTS 1A", "identity": "G001"}],
            "learners": [
                erp_learner(1, "P001", "Martin", "a@mail.example", "06 12 34 56 78"),
                erp_learner(2, "P002", "Le  Gall", "B@Mail.example"),
                erp_learner(3, "P003", "Petit", "", ""),
                erp_learner(4, "P004", "Parti", "d@mail.example", departed=True),
            ],
            "users": [],
            "staff": [
                {"codePersonnel": 501, "nom": "Morel", "prenom": "Zoé", "email": "m@mail.example",
                 "isFormateur": True, "identity": "P100"},
                {"codePersonnel": 502, "nom": "Huet", "prenom": "Zoé", "email": "h@mail.example",
                 "isFormateur": 0, "identity": "P101"},
            ],
            "sessions": [session(900, "S001", "2026-09-17", ["P001", "P002", "P003"])],
            "edits": [],
        }  # fmt: skip
        self.edusign: Row = {
            "page_sizes": {"student": 100, "professor": 100, "group": 100, "course": 40},
            "students": [
                person("l1", "1", "Martin", "A@mail.example ", "+33612345678"),
                person("l2", "2", "Le Gall", "b@mail.example"),
            ],
            "professors": [person("p1", "501", "Morel", "m@mail.example", SCHOOL_ID=["school"])],
            "groups": [
                {"ID": "g1", "API_ID": "1201", "API_TYPE": OURS, "NAME": "BTS 1A", "STUDENTS": ["l1", "l2"],
                 "HIDDEN": 0, "SCHOOL_ID": "school", "DATE_CREATED": EARLIER,
                 "identity": f"api:{OURS}/1201", "created_by": "api"},
            ],
            "courses": [sheet("c1", "900", "2026-09-17", ["l1", "l2"])],
            "writes": [],
            "edits": [],
        }  # fmt: skip
        self.dirt: list[Row] = [
            {"kind": "missing_email", "identities": ("P003",)},
            {"kind": "departed", "identities": ("P004",)},
        ]
        self.intents: list[Row] = []
        self.items: list[Row] = []
        self.events: list[Row] = []
        self.decisions: list[Row] = []
        self.runs: list[Row] = [
            {"id": "r1", "started": EARLIER, "ended": EARLIER, "changes": {"create": 4}, "accounting": {}},
            {"id": "r2", "started": RUN, "ended": RUN, "changes": {}, "accounting": {}},
        ]

    def end(self, removals_after: timedelta = timedelta(days=1)) -> End:
        return judge(
            Story(
                erp=self.erp,
                edusign=self.edusign,
                our_type=OURS,
                horizon_days=7,
                removals_after=removals_after,
                intents=tuple(self.intents),
                items=tuple(self.items),
                events=tuple(self.events),
                runs=tuple(self.runs),
                decisions=tuple(self.decisions),
                dirt=tuple(self.dirt),
            )
        )

    def learner(self, n: int = 0) -> Row:
        row: Row = self.edusign["students"][n]
        return row

    def course(self) -> Row:
        row: Row = self.edusign["courses"][0]
        return row

    def edited(self, side: str, **entry: Any) -> None:
        """Enter an edit in a ledger; the rows are the caller's."""
        whole = {
            "n": 1, "at": "2026-09-15T08:00:00.000Z", "kind": "learner", "id": "l1",
            "identity": f"api:{OURS}/1", "action": "edit", "field": "", "before": None, "after": None,
            "who": "",
        }  # fmt: skip
        (self.erp if side == "erp" else self.edusign)["edits"].append({**whole, **entry})

    def wrote(self, verb: str, id: str, after: Row, **more: Any) -> None:
        """Enter an accepted write in Edusign's ledger."""
        whole = {
            "n": len(self.edusign["writes"]) + 1, "at": EARLIER, "verb": verb, "kind": "learner", "id": id,
            "identity": f"api:{OURS}/1", "api_id": "1", "api_type": OURS, "before": {}, "after": after,
            "effective": True,
        }  # fmt: skip
        self.edusign["writes"].append({**whole, **more})

    def intended(self, verb: str, sent: Row, **more: Any) -> None:
        whole = {
            "id": len(self.intents) + 1, "verb": verb, "kind": "learner", "erp_id": "1", "edusign_id": "l1",
            "api_id": "1" if verb == "create" else "", "sent": sent, "state": "done", "run_id": "r1",
        }  # fmt: skip
        self.intents.append({**whole, **more})


def test_two_sides_that_agree_are_good() -> None:
    end = Tale().end()
    assert end.details == ()
    assert end.good and end.learners_in_edusign == 2


# Agreement


def without_a_learner(tale: Tale) -> None:
    del tale.edusign["students"][1]


def with_a_rejected_learner(tale: Tale) -> None:
    tale.edusign["students"].append(person("l3", "3", "Petit", "x@mail.example"))


def with_one_who_left(tale: Tale) -> None:
    tale.edusign["students"].append(person("l4", "4", "Parti", "d@mail.example"))


def archived(tale: Tale) -> None:
    tale.learner()["HIDDEN"] = 1


def renamed(tale: Tale) -> None:
    tale.learner()["LASTNAME"] = "Martín"


def other_phone(tale: Tale) -> None:
    tale.learner()["PHONE"] = "06 12 34 56 79"


def not_in_the_group(tale: Tale) -> None:
    tale.edusign["groups"][0]["STUDENTS"] = ["l1"]


def not_on_the_sheet(tale: Tale) -> None:
    tale.course()["STUDENTS"].pop()


def a_stranger_on_the_sheet(tale: Tale) -> None:
    tale.course()["STUDENTS"].append({"studentId": "zz", "signature": None, "state": False})


def at_another_hour(tale: Tale) -> None:
    tale.course()["START"] = "2026-09-17T08:00:00.000Z"


def in_another_room(tale: Tale) -> None:
    tale.course()["CLASSROOM"] = "101"


def with_another_speaker(tale: Tale) -> None:
    tale.course()["PROFESSOR"] = "p9"


def without_a_sheet(tale: Tale) -> None:
    tale.edusign["courses"].clear()


def cancelled(tale: Tale) -> None:
    tale.erp["sessions"][0]["cancelled"] = True


@pytest.mark.parametrize(
    "spoil",
    [
        without_a_learner, with_a_rejected_learner, with_one_who_left, archived, renamed, other_phone,
        not_in_the_group, not_on_the_sheet, a_stranger_on_the_sheet, at_another_hour, in_another_room,
        with_another_speaker, without_a_sheet, cancelled,
    ],
)  # fmt: skip
def test_a_disagreement_is_noticed(spoil: Any) -> None:
    tale = Tale()
    spoil(tale)
    end = tale.end()
    assert not end.in_sync and not end.good
    assert any(line.startswith("apart: ") for line in end.details)


@pytest.mark.parametrize("spoil", [with_one_who_left, cancelled])
def test_removals_may_wait_as_long_as_they_are_deferred(spoil: Any) -> None:
    tale = Tale()
    spoil(tale)
    assert tale.end(removals_after=timedelta(days=7)).in_sync


def test_a_refused_withdrawal_leaves_the_sheet() -> None:
    tale = Tale()
    cancelled(tale)
    tale.decisions = [{"kind": "sheet", "erp_id": "900", "verb": "withdraw", "choice": "refuse"}]
    assert tale.end().in_sync


def test_sessions_about_to_begin_and_beyond_the_horizon_are_not_judged() -> None:
    tale = Tale()
    tale.erp["sessions"] += [
        {**session(901, "S002", "2026-09-16", ["P001"]), "start_utc": "2026-09-16T16:10:00Z"},
        session(902, "S003", "2026-09-23", ["P001"]),
    ]
    assert tale.end().in_sync
    tale.erp["sessions"].append(session(903, "S004", "2026-09-22", ["P001"]))
    assert not tale.end().in_sync


def test_a_contact_typed_in_edusign_may_stay_but_no_other_value() -> None:
    tale = Tale()
    tale.learner()["EMAIL"] = "typed@mail.example"
    assert not tale.end().in_sync
    tale.edited("edusign", field="EMAIL", before="a@mail.example", after="typed@mail.example")
    assert tale.end().in_sync
    tale.decisions = [{"kind": "learner", "erp_id": "1", "field": "email", "choice": "erp", "value": ""}]
    assert not tale.end().in_sync


def test_a_value_a_person_chose_may_stay() -> None:
    tale = Tale()
    tale.learner()["EMAIL"] = "third@mail.example"
    tale.decisions = [
        {"kind": "learner", "erp_id": "1", "field": "email", "choice": "value", "value": "third@mail.example"}
    ]
    assert tale.end().in_sync


def test_a_name_typed_in_edusign_may_not_stay() -> None:
    tale = Tale()
    tale.learner()["LASTNAME"] = "Martin (bis)"
    tale.edited("edusign", field="LASTNAME", before="Martin", after="Martin (bis)")
    assert not tale.end().in_sync


def test_somebody_a_person_put_on_a_sheet_may_stay_until_taken_off() -> None:
    tale = Tale()
    tale.edusign["students"].append(
        person("l9", "", "Guest", "g@mail.example", API_TYPE="", identity="P900", created_by="hand")
    )
    tale.course()["STUDENTS"].append({"studentId": "l9", "signature": None, "state": False})
    assert not tale.end().in_sync
    tale.edited("edusign", kind="sheet", id="c1", identity=f"api:{OURS}/900", action="add",
                field="STUDENTS", after="l9")  # fmt: skip
    assert tale.end().in_sync
    tale.edited("edusign", kind="sheet", id="c1", identity=f"api:{OURS}/900", action="remove",
                field="STUDENTS", before="l9")  # fmt: skip
    assert not tale.end().in_sync


def test_an_email_once_corrected_must_arrive() -> None:
    tale = Tale()
    tale.erp["learners"][2]["adresse"]["email"] = "now@mail.example"
    tale.edited("erp", id="3", identity="P003", field="email", before="", after="now@mail.example")
    assert not tale.end().in_sync


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("email", " Zoe@Mail.example", "zoe@mail.example"),
        ("phone", "06 12 34 56 78", "0033612345678"),
        ("phone", "+33 (0)6.12.34.56.78", "0612345678"),
        ("last_name", "Zoe\u0308  x", "Zoë\u00a0x"),
        ("start", "2026-09-17T07:00:00.000Z", "2026-09-17T09:00:00+02:00"),
    ],
)
def test_values_are_the_same_however_they_are_spelt(name: str, one: str, other: str) -> None:
    assert canonical(name, one) == canonical(name, other)


# Doubles


def test_a_second_record_of_ours_is_a_double() -> None:
    tale = Tale()
    tale.edusign["students"].append(person("l7", "1", "Martin", "other@mail.example"))
    assert tale.end().doubles == 1


def test_ours_after_a_hand_made_one_is_a_double() -> None:
    tale = Tale()
    by_hand = person("l0", "", "Martin", "o@mail.example", API_TYPE="", identity="P001", created_by="hand")
    tale.edusign["students"].insert(0, by_hand)
    assert tale.end().doubles == 1


def test_a_hand_made_one_after_ours_is_theirs() -> None:
    tale = Tale()
    by_hand = person("l8", "", "Martin", "o@mail.example", API_TYPE="", identity="P001", created_by="hand")
    tale.edusign["students"].append(by_hand)
    end = tale.end()
    assert end.doubles == 0 and len(end.handmade_doubles) == 1
    by_hand["HIDDEN"] = 1
    assert tale.end().handmade_doubles == ()


# Lost edits


def overwritten_name(tale: Tale) -> None:
    tale.edited("edusign", field="LASTNAME", before="Martin", after="Martin (bis)")


def restored(tale: Tale) -> None:
    tale.edited("edusign", action="archive", field="HIDDEN", before=0, after=1)


def put_back(tale: Tale) -> None:
    tale.edited("edusign", kind="sheet", id="c1", identity=f"api:{OURS}/900", action="remove",
                field="STUDENTS", before="l1")  # fmt: skip


TOLD = {
    overwritten_name: ("learner", "l1", {"field": "last_name", "edusign": "Martin (bis)", "erp": "Martin"}),
    restored: ("learner", "l1", {"field": "archived", "edusign": "yes", "erp": "no"}),
    put_back: ("sheet", "c1", {"field": "learners", "edusign": [], "erp": ["1"]}),
}


@pytest.mark.parametrize("spoil", TOLD)
def test_an_edit_undone_in_silence_is_lost_and_one_told_of_is_not(spoil: Any) -> None:
    tale = Tale()
    spoil(tale)
    assert tale.end().lost == 1
    kind, id, data = TOLD[spoil]
    event = {"kind": "notice", "run_id": "", "record_kind": kind, "edusign_id": id, "erp_id": "", "data": data}
    tale.events = [event]
    assert tale.end().lost == 1, "a notice must name its run"
    tale.events = [{**event, "run_id": "r1"}]
    assert tale.end().lost == 0


def test_an_edit_superseded_by_a_later_one_is_not_lost() -> None:
    tale = Tale()
    overwritten_name(tale)
    tale.edited("edusign", n=2, field="LASTNAME", before="Martin (bis)", after="Martin")
    assert tale.end().lost == 0


def test_an_edit_the_erp_has_too_is_not_lost() -> None:
    tale = Tale()
    tale.edited("edusign", field="EMAIL", before="old@mail.example", after="A@MAIL.example")
    assert tale.end().lost == 0


def test_an_edit_of_the_erp_that_is_not_there_is_lost() -> None:
    tale = Tale()
    tale.edited("erp", id="1", identity="P001", field="last_name", before="Martin", after="Martinet")
    assert tale.end().lost == 1


def test_an_edit_in_a_conflict_is_not_lost() -> None:
    tale = Tale()
    tale.edited("edusign", field="EMAIL", before="a@mail.example", after="typed@mail.example")
    assert tale.end().lost == 1
    data = {"field": "email", "erp": "a@mail.example", "edusign": "typed@mail.example", "base": "z"}
    tale.items = [
        {
            "type": "conflict",
            "code": "email",
            "kind": "learner",
            "erp_id": "1",
            "edusign_id": "l1",
            "data": data,
        }
    ]
    assert tale.end().lost == 0


# Accounts


def test_what_was_seen_must_be_accounted_for() -> None:
    tale = Tale()
    tale.runs[1]["accounting"] = {"learner": {"seen": 4, "unchanged": 2, "rejected": 1, "skipped": 1}}
    assert tale.end().accounting_balanced
    tale.runs[1]["accounting"]["learner"]["unchanged"] = 1
    assert not tale.end().accounting_balanced


CREATED = {"LASTNAME": "Martin", "FIRSTNAME": "Zoé", "EMAIL": "a@mail.example", "PHONE": ""}
SENT = {"last_name": "Martin", "first_name": "Zoé", "email": "a@mail.example", "phone": ""}


def test_a_write_and_its_intent_balance() -> None:
    tale = Tale()
    tale.wrote("create", "l1", {**CREATED, "API_ID": "1", "API_TYPE": OURS})
    tale.intended("create", SENT)
    tale.wrote("update", "l1", {"PHONE": "0612345678"})
    tale.intended("update", {"phone": "0612345678"})
    tale.intended("update", {"phone": "07"}, state="never_arrived")
    assert tale.end().details == ()


def test_a_restore_may_patch_what_differs() -> None:
    tale = Tale()
    tale.wrote("restore", "l1", {"HIDDEN": 0})
    tale.wrote("update", "l1", {"LASTNAME": "Martin", "API_ID": "1"})
    tale.intended("restore", {"last_name": "Martin"})
    assert tale.end().accounting_balanced


def test_an_identical_repeat_counts_once_but_a_second_create_does_not() -> None:
    tale = Tale()
    tale.wrote("update", "l1", {"PHONE": "06"})
    tale.wrote("update", "l1", {}, effective=False)
    tale.intended("update", {"phone": "06"})
    assert tale.end().accounting_balanced
    tale.wrote("create", "l1", CREATED)
    tale.intended("create", SENT)
    assert tale.end().accounting_balanced
    tale.wrote("create", "l1", CREATED)
    assert not tale.end().accounting_balanced


@pytest.mark.parametrize(
    ("write", "intent"),
    [
        (("update", {"PHONE": "06"}), None),
        (("update", {"PHONE": "06"}), ("update", {"phone": "07"}, "done")),
        (("update", {"PHONE": "06"}), ("update", {"email": "06"}, "done")),
        (("update", {"PHONE": "06"}), ("archive", {}, "done")),
        (("update", {"PHONE": "06"}), ("update", {"phone": "06"}, "never_arrived")),
        (("update", {"PHONE": "06", "LASTNAME": "Z"}), ("update", {"phone": "06"}, "done")),
        (("create", CREATED), ("create", {**SENT, "phone": "06"}, "done")),
        (None, ("update", {"phone": "06"}, "done")),
        (None, ("update", {"phone": "06"}, "open")),
    ],
)
def test_a_write_without_its_intent_or_an_intent_without_its_write_is_noticed(
    write: tuple[str, Row] | None, intent: tuple[str, Row, str] | None
) -> None:
    tale = Tale()
    if write is not None:
        tale.wrote(write[0], "l1", write[1])
    if intent is not None:
        tale.intended(intent[0], intent[1], state=intent[2])
    end = tale.end()
    assert not end.accounting_balanced
    assert any(line.startswith("unbalanced: ") for line in end.details)


def test_a_patch_that_loses_people_of_a_sheet_is_noticed() -> None:
    tale = Tale()
    tale.wrote("update", "c1", {"CLASSROOM": "7"}, kind="sheet", api_id="900")
    tale.intended("update", {"room": "7"}, kind="sheet", erp_id="900", edusign_id="c1")
    assert tale.end().accounting_balanced
    tale.edusign["writes"][0]["after"]["STUDENTS"] = ["l1"]
    assert not tale.end().accounting_balanced


def test_details_are_bounded() -> None:
    tale = Tale()
    for number in range(200):
        tale.wrote("update", f"x{number}", {"PHONE": "06"})
    assert len(tale.end().details) < 70


# Requests


def requests_at(tale: Tale, started: str) -> dict[str, int]:
    at = datetime.fromisoformat(started).replace(tzinfo=UTC)
    return minimum_requests(tale.erp, tale.edusign, started=at, ended=at + timedelta(minutes=5), horizon_days=7)


def test_the_fewest_requests_follow_from_rows_and_pages() -> None:
    tale = Tale()
    assert requests_at(tale, "2026-09-16T16:00:00") == {"erp": 5, "edusign": 1 + 2 + 2 + 2 + 2}
    tale.edusign["students"] += [person(f"m{n}", f"k{n}", "M", "") for n in range(99)]
    assert requests_at(tale, "2026-09-16T16:00:00")["edusign"] == 1 + 3 + 2 + 2 + 2


def test_the_fewest_requests_are_those_of_that_moment() -> None:
    tale = Tale()
    for n in range(98):
        tale.edusign["students"].append(person(f"m{n}", f"k{n}", "M", ""))
    tale.edusign["students"].append(person("late", "5", "M", "", DATE_CREATED="2026-09-16T17:00:00.000Z"))
    before = copy.deepcopy(tale)
    assert requests_at(tale, "2026-09-16T16:00:00")["edusign"] == 9
    assert requests_at(tale, "2026-09-18T16:00:00")["edusign"] == 9, "one sheet fewer ahead, one page more"
    before.edusign["students"].append(person("gone", "6", "M", "", HIDDEN=1))
    before.wrote("archive", "gone", {"HIDDEN": 1}, at="2026-09-16T18:00:00.000Z", before={"HIDDEN": 0})
    assert requests_at(before, "2026-09-16T16:00:00")["edusign"] == 10


def test_writes_and_the_look_before_a_create_are_counted() -> None:
    tale = Tale()
    tale.wrote("create", "l1", CREATED, at="2026-09-16T16:01:00.000Z")
    tale.wrote("update", "c1", {"CLASSROOM": "7"}, kind="sheet", at="2026-09-16T16:02:00.000Z")
    tale.wrote("update", "c1", {"NAME": "7"}, kind="sheet", at="2026-09-16T16:02:01.000Z")
    assert requests_at(tale, "2026-09-16T16:00:00")["edusign"] == 9 + 2 + 2
