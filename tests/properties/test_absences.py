"""Whatever happens on both sides, an export touches only what is ours and makes nobody absent unheard."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.absences.said import Key
from engine.attendance import Attendance, RollCall
from engine.config_models import ExportOptions
from tests.unit.rules.absence_kit import Office, sheet

PEOPLE = ("L1", "L2", "L3")
SHEETS = ("S1", "S2")

STATES: tuple[dict[str, Any], ...] = (
    {"state": "present"},
    {"state": "absent"},
    {"state": "absent", "justified": True},
    {"state": "absent", "justified": True, "reason": "9"},
    {"state": "present", "late": 10},
    {"state": "present", "late": 5, "left_early": 20},
    {"state": "excluded"},
)

edits = st.one_of(
    st.tuples(st.just("state"), st.sampled_from(SHEETS), st.sampled_from(PEOPLE), st.sampled_from(STATES)),
    st.tuples(st.just("off"), st.sampled_from(SHEETS), st.sampled_from(PEOPLE), st.just({})),
    st.tuples(st.just("lock"), st.sampled_from(SHEETS), st.just(""), st.booleans()),
    st.tuples(st.just("sign"), st.sampled_from(SHEETS), st.just(""), st.booleans()),
    st.tuples(st.just("enter"), st.sampled_from(SHEETS), st.sampled_from(PEOPLE), st.sampled_from(STATES)),
    st.tuples(st.just("change"), st.sampled_from(SHEETS), st.sampled_from(PEOPLE), st.booleans()),
    st.tuples(st.just("strike"), st.sampled_from(SHEETS), st.sampled_from(PEOPLE), st.just({})),
    st.tuples(st.just("export"), st.just(""), st.just(""), st.just({})),
)


class Term:
    """Two sheets in Edusign, the ERP's office, and whose hand each row of the ERP was last."""

    def __init__(self, carries: frozenset[Any], **options: bool) -> None:
        self.states: dict[str, dict[str, dict[str, Any]]] = {
            one: {p: {"state": "present"} for p in PEOPLE} for one in SHEETS
        }
        self.locked = dict.fromkeys(SHEETS, False)
        self.signed = dict.fromkeys(SHEETS, False)
        self.office = Office(
            *(self.call(one) for one in SHEETS), options=ExportOptions(**options), carries=carries
        )
        self.theirs: list[Attendance] = []

    def call(self, one: str) -> RollCall:
        states: dict[str, Any] = dict(self.states[one])
        return sheet(one, here=(), locked=self.locked[one], signed=self.signed[one], **states)

    def do(self, what: str, one: str, who: str, how: Any) -> None:
        office = self.office
        match what:
            case "state" if not self.locked[one]:
                self.states[one][who] = how
            case "off" if not self.locked[one]:
                self.states[one].pop(who, None)
            case "lock":
                self.locked[one] = how
            case "sign" if not self.locked[one]:
                self.signed[one] = how
            case "enter":
                office.enters(one, who, **how)
            case "change":
                office.changes(one, who, justified=how)
            case "strike":
                office.strikes(one, who)
            case "export":
                self.export()
        office.shows(*(self.call(s) for s in SHEETS))

    def export(self) -> None:
        """Plan, look at every write before it is done, do it, and plan again."""
        office = self.office
        made = office.plan()
        for write in made.writes:
            for one in write.deliveries:
                self.is_ours_to_write(one.key)
                if one.after.state == "absent":
                    state = self.states[write.session.id][one.after.person]["state"]
                    called = self.signed[write.session.id] or any(
                        other["state"] == "present" for other in self.states[write.session.id].values()
                    )
                    assert self.locked[write.session.id] and state == "absent" and called
            for row in write.standing:
                base = office.base[Key(row.sheet, row.kind, row.person)]
                assert row == base.left
        others = [row for row in office.rows if row.key.startswith("H")]
        office.deliver(made)
        assert [row for row in office.rows if row.key.startswith("H")] == others
        assert office.plan().writes == ()

    def is_ours_to_write(self, key: Key) -> None:
        rows = [row for row in self.office.rows if Key(row.sheet, row.kind, row.person) == key]
        base = self.office.base.get(key)
        assert rows == ([] if base is None else [base.left] if rows else [])


@settings(max_examples=250, deadline=None)
@given(
    st.lists(edits, max_size=25),
    st.sampled_from(
        [
            frozenset({"absent", "justified", "reason", "late", "left_early"}),
            frozenset({"absent"}),
            frozenset({"absent", "present", "justified", "excluded"}),
        ]
    ),
    st.booleans(),
)
def test_R25_R26_only_ours_is_written_once_and_never_without_evidence(
    story: list[tuple[str, str, str, Any]], carries: frozenset[Any], on: bool
) -> None:
    term = Term(carries, late=on, left_early=on, excluded=on)
    for step in story:
        term.do(*step)
    term.export()
    term.export()


@settings(max_examples=60, deadline=None)
@given(st.lists(edits.filter(lambda edit: edit[0] in ("state", "lock", "sign", "off", "export")), max_size=25))
def test_left_alone_the_erp_comes_to_hold_exactly_what_locked_sheets_say(
    story: list[tuple[str, str, str, Any]],
) -> None:
    carries: frozenset[Any] = frozenset({"absent", "justified"})
    term = Term(carries)
    for step in story:
        term.do(*step)
    for one in SHEETS:
        term.do("lock", one, "", False)
        term.do("sign", one, "", True)
        term.do("lock", one, "", True)
    term.export()
    expected = {
        (one, person, bool(state.get("justified")))
        for one in SHEETS
        for person, state in term.states[one].items()
        if state["state"] == "absent"
    }
    assert {(row.sheet, row.person, row.justified) for row in term.office.rows} == expected
