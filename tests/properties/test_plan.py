"""What holds of every plan, whatever the two sides say: purity, partial views, limits, canonical forms.

Schools are made as in life: one agreed school, then edits on either side from small pools, so that they meet.
"""

from __future__ import annotations

import json
from datetime import timedelta
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.changes import Change, Plan
from engine.config_models import DEFAULT_LIMITS, Limit
from engine.links import Link, Links
from engine.planning.brakes import Brakes, brake
from engine.planning.merge import UNSET, merge_field, merge_roster
from engine.planning.urgency import dependencies
from engine.records import KINDS, PEOPLE, Kind, Record, canonical, canonical_phone, folded_space, plain, revived
from engine.state.transaction import change_as_json
from tests.unit.rules.school_kit import (
    DAY,
    HOUR,
    NOW,
    OURS,
    School,
    edusign_id,
    group,
    ids,
    learner,
    session,
    speaker,
)

STEADY = settings(
    derandomize=True,
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)

LEARNERS = ["L1", "L2", "L3", "L4", "L5"]
RECORDS: dict[Kind, list[str]] = {
    "learner": LEARNERS,
    "speaker": ["P1", "P2"],
    "group": ["G1", "G2"],
    "sheet": ["S1", "S2", "S3", "S4"],
}
VALUES: dict[str, list[Any]] = {
    "last_name": ["Durand", "Petit", "DURAND"],
    "first_name": ["Zoë", "Jeanne"],
    "email": ["one@mail.example", "two@mail.example", "ONE@mail.example", "", "not an address"],
    "phone": ["0612345678", "+33 6 12 34 56 78", ""],
    "name": ["Maths", "Droit"],
    "room": ["A1", "B2"],
    "start": [NOW + DAY, NOW + 3 * DAY],
    "end": [NOW + 4 * DAY, NOW + 5 * DAY],
}
ROSTER: dict[Kind, str] = {"group": "members", "sheet": "learners"}


def agreed() -> School:
    """Five learners, two speakers, two groups, a running, a near, a coming and a far session; all agreed."""
    school = School().both(*(learner(id) for id in LEARNERS), speaker("P1"), speaker("P2"))
    school.both(group("G1", "L1", "L2", "L3"), group("G2", "L4", "L5"))
    return school.both(
        session("S1", "L1", "L2", "L3", starts=-HOUR),
        session("S2", "L1", "L2", "L3", starts=5 * HOUR),
        session("S3", "L4", "L5", starts=2 * DAY, groups=ids("G2"), speakers=ids("P2")),
        session("S4", "L1", "L4", starts=9 * DAY, groups=ids("G1", "G2"), speakers=ids("P1", "P2")),
    )


kinds = st.sampled_from(KINDS)


@st.composite
def records(draw: st.DrawFn, of: st.SearchStrategy[Kind] = kinds) -> tuple[Kind, str]:
    kind = draw(of)
    return kind, draw(st.sampled_from(RECORDS[kind]))


@st.composite
def field_edits(draw: st.DrawFn) -> tuple[Any, ...]:
    kind, erp_id = draw(records())
    names = {"learner": ["last_name", "first_name", "email", "phone"], "group": ["name"],
             "sheet": ["name", "room", "start", "end"]}  # fmt: skip
    name = draw(st.sampled_from(names.get(kind, names["learner"])))
    return (
        "edit",
        draw(st.sampled_from(["erp", "edusign"])),
        kind,
        erp_id,
        name,
        draw(st.sampled_from(VALUES[name])),
    )


@st.composite
def roster_edits(draw: st.DrawFn) -> tuple[Any, ...]:
    kind, erp_id = draw(records(st.sampled_from(["group", "sheet"])))
    return (
        "toggle",
        draw(st.sampled_from(["erp", "edusign"])),
        kind,
        erp_id,
        draw(st.sampled_from([*LEARNERS, "hand"])),
    )


edits = st.one_of(
    field_edits(),
    field_edits(),
    roster_edits(),
    roster_edits(),
    records().flatmap(lambda r: st.tuples(st.just("drop"), st.just(r[0]), st.just(r[1]), st.integers(0, 2))),
    records().map(lambda r: ("end", *r)),
    records().map(lambda r: ("forget", *r)),
    records().map(lambda r: ("unlink", *r)),
    records().map(lambda r: ("delete", *r)),
    records(st.sampled_from(["learner", "speaker"])).map(lambda r: ("archive", *r)),
    st.tuples(st.just("mark"), st.sampled_from(RECORDS["sheet"]), st.sampled_from(["locked", "signed"])),
    st.tuples(st.just("newcomer"), st.sampled_from(["L7", "L8"]), st.sampled_from(VALUES["email"])),
    st.tuples(st.just("by hand"), st.sampled_from(["h1", "h2"]), st.sampled_from(["", "L7", "L8"])),
    st.tuples(st.just("twice"), st.sampled_from(LEARNERS)),
)
schools = st.lists(edits, max_size=8)


def edited(school: School, made: list[tuple[Any, ...]]) -> School:
    """The school after these edits; those whose record is gone already do nothing."""
    for what, *how in made:
        _EDITS[what](school, *how)
    return school


def _present(school: School, side: str, kind: Kind, erp_id: str) -> Record | None:
    if side == "erp":
        return next((e.record for e in school.entries[kind] if e.id == erp_id), None)
    link = school.links.get(kind, erp_id)
    seen = school.edusign[kind].get(link.edusign_id) if link else None
    return seen.record if seen else None


def _edit(school: School, side: str, kind: Kind, erp_id: str, name: str, value: Any) -> None:
    if _present(school, side, kind, erp_id) is not None:
        (school.erp_edits if side == "erp" else school.edusign_edits)(kind, erp_id, **{name: value})


def _toggle(school: School, side: str, kind: Kind, erp_id: str, token: str) -> None:
    record = _present(school, side, kind, erp_id)
    if record is None or (side == "erp" and token == "hand"):
        return
    id = token if side == "erp" else "e-hand" if token == "hand" else edusign_id("learner", token)
    there = record.value(ROSTER[kind])
    assert isinstance(there, frozenset)
    (school.erp_edits if side == "erp" else school.edusign_edits)(kind, erp_id, **{ROSTER[kind]: there ^ {id}})


def _drop(school: School, kind: Kind, erp_id: str, missed_before: int) -> None:
    school.erp_drops(kind, erp_id, missed_before=missed_before)


def _forget(school: School, kind: Kind, erp_id: str) -> None:
    """The base of a field is lost."""
    if school.links.get(kind, erp_id):
        field = {"learner": "email", "speaker": "last_name", "group": "members", "sheet": "learners"}[kind]
        school.base(kind, erp_id, **{field: ...})


def _unlink(school: School, kind: Kind, erp_id: str) -> None:
    school.links.drop(kind, erp_id)


def _delete(school: School, kind: Kind, erp_id: str) -> None:
    link = school.links.get(kind, erp_id)
    if link and school.edusign[kind].pop(link.edusign_id, None):
        school.lookups[kind, link.edusign_id] = None


def _archive(school: School, kind: Kind, erp_id: str) -> None:
    link = school.links.get(kind, erp_id)
    seen = school.edusign[kind].pop(link.edusign_id, None) if link else None
    if seen:
        school.lookups[kind, seen.id] = seen.model_copy(update={"archived": True})


def _mark(school: School, erp_id: str, how: str) -> None:
    if _present(school, "edusign", "sheet", erp_id) is not None:
        flags = {"locked": True} if how == "locked" else {"signed_learners": ids("e-learner-L1")}
        school.edusign_marks("sheet", erp_id, **flags)


def _newcomer(school: School, erp_id: str, email: str) -> None:
    if _present(school, "erp", "learner", erp_id) is None:
        school.erp(learner(erp_id, email=email)).erp_edits("group", "G1", members=ids("L1", "L2", "L3", erp_id))


def _by_hand(school: School, id: str, key: str) -> None:
    names = {
        "last_name": f"Dupont{key or 'L7'}",
        "email": "one@mail.example" if id == "h1" else "two@mail.example",
    }
    school.by_hand(learner(id, **names), api_id=key, api_type=OURS if key else "")


def _twice(school: School, erp_id: str) -> None:
    school.erp(learner(erp_id, last_name="Somebody else"))


_EDITS: dict[str, Any] = {
    "edit": _edit,
    "toggle": _toggle,
    "drop": _drop,
    "end": lambda school, kind, erp_id: school.erp_ends(kind, erp_id),
    "forget": _forget,
    "unlink": _unlink,
    "delete": _delete,
    "archive": _archive,
    "mark": _mark,
    "newcomer": _newcomer,
    "by hand": _by_hand,
    "twice": _twice,
}


def shuffled(school: School, seed: int) -> School:
    """The same school, its rows and pages in another order."""
    random = Random(seed)
    for kind in KINDS:
        random.shuffle(school.entries[kind])
        seen = list(school.edusign[kind].items())
        random.shuffle(seen)
        school.edusign[kind] = dict(seen)
    links = list(school.links)
    random.shuffle(links)
    school.links = Links(links)
    return school


def as_bytes(made: Plan) -> bytes:
    """All a plan says, as JSON."""
    rest = made.model_dump(mode="json", exclude={"changes", "holds", "base_moves"})
    moves = [[m.kind, m.erp_id, {n: plain(v) for n, v in m.base.items()}] for m in made.base_moves]
    holds = [[h.key, h.explanation, [c.id for c in h.changes]] for h in made.holds]
    return json.dumps([[change_as_json(c) for c in made.changes], rest, moves, holds], default=str).encode()


@STEADY
@given(schools, st.integers(0, 9))
def test_R30_the_same_inputs_give_the_same_plan_whatever_the_order_of_rows(made: list[Any], seed: int) -> None:
    first, second = edited(agreed(), made), shuffled(edited(agreed(), made), seed)
    brakes: dict[str, Any] = {"limits": DEFAULT_LIMITS}
    assert as_bytes(first.braked(**brakes)) == as_bytes(second.braked(**brakes))
    assert first.plan().hash == second.plan().hash


def dangerous(made: Plan) -> set[tuple[Any, ...]]:
    """The creates and removals of a plan, people leaving rosters one by one."""
    found: set[tuple[Any, ...]] = set()
    for c in made.changes:
        if c.verb in ("create", "archive", "withdraw"):
            found.add((c.verb, *c.key))
        elif c.verb == "remove":
            found.add((c.verb, *c.key, c.token))
        elif "members" in c.after:
            found |= {("leave", *c.key, token) for token in c.before.get("members", ids()) - c.after["members"]}
    return found


@STEADY
@given(schools, kinds, st.integers(0, 9), st.integers(0, 3))
def test_R13_from_a_truncated_erp_listing_comes_no_create_or_removal_of_its_own(
    made: list[Any], kind: Kind, seed: int, kept: int
) -> None:
    whole = dangerous(edited(agreed(), made).plan())
    school = shuffled(edited(agreed(), made), seed)
    school.entries[kind] = school.entries[kind][:kept]
    school.complete_erp -= {kind}
    partial = dangerous(school.plan())
    assert partial <= whole
    assert not {d for d in partial if d[1] == kind and d[0] != "leave"}


@STEADY
@given(schools, kinds, st.integers(0, 9), st.integers(0, 3))
def test_R13_an_incomplete_edusign_listing_writes_nothing_of_its_kind(
    made: list[Any], kind: Kind, seed: int, kept: int
) -> None:
    school = shuffled(edited(agreed(), made), seed)
    school.edusign[kind] = dict(list(school.edusign[kind].items())[:kept])
    school.complete_edusign -= {kind}
    assert not [c for c in school.plan().changes if c.kind == kind]


limits = st.dictionaries(
    st.sampled_from(["update learner", "archive learner", "create learner", "withdraw sheet", "update sheet",
                     "remove sheet", "add sheet", "update group", "link learner"]),
    st.builds(Limit, share=st.sampled_from([0.0, 0.2, 0.5]), count=st.integers(0, 3)),
)  # fmt: skip


@STEADY
@given(schools, limits)
def test_R29_changes_that_go_on_never_exceed_a_limit(made: list[Any], allowed: dict[str, Limit]) -> None:
    school = edited(agreed(), made)
    braked = school.braked(limits=allowed)
    for name, one in allowed.items():
        verb, _space, kind = name.partition(" ")
        same = [c for c in braked.writable if (c.verb, c.kind) == (verb, kind)]
        going = {c.key for c in same if c.verb != "link" or c.after or c.stamp}
        total = sum(1 for link in school.links if link.kind == kind)
        assert len(going) <= one.count or len(going) <= one.share * total


@STEADY
@given(schools, limits)
def test_R29_what_is_held_stops_nothing_unrelated(made: list[Any], allowed: dict[str, Limit]) -> None:
    school = edited(agreed(), made)
    free, braked = school.braked(), school.braked(limits=allowed)
    stopped = [c for c in braked.changes if c.hold or c.skip]
    going_freely = {c.id: c for c in free.writable}
    for change in braked.changes:
        if change.skip == "waits" and change.id in going_freely:
            assert any(related(change, other) for other in stopped if other is not change), change
        elif change.skip:
            assert change.skip != "waits" or change.id not in going_freely
    assert [c.key for c in braked.changes] == [c.key for c in free.changes]
    held = {c.id for h in braked.holds for c in h.changes}
    assert held == {c.id for c in braked.changes if c.hold}


def related(change: Change, other: Change) -> bool:
    """Whether `change` can't be carried out while `other` isn't."""
    if other.key in dependencies(change):
        return True
    if change.verb == "archive":
        return other.verb == "remove" and other.token == change.erp_id
    return change.key == ("group", change.erp_id) and other.verb == "archive"


@STEADY
@given(schools)
def test_R30_an_approved_plan_is_written_as_it_was_shown(made: list[Any]) -> None:
    school = edited(agreed(), made)
    nothing = {name: Limit(share=0, count=0) for name in DEFAULT_LIMITS}
    shown = school.braked(limits=nothing)
    approved = frozenset(c.id for h in shown.holds for c in h.changes)
    again = brake(school.plan(), school.links, Brakes(now=school.now, limits=nothing, approved=approved))
    assert again.holds == ()
    assert approved <= {c.id for c in again.writable} | {c.id for c in again.changes if c.skip}


tokens = st.frozensets(st.sampled_from("abcde"))
bases = st.one_of(st.just(UNSET), tokens)


@STEADY
@given(tokens, tokens, bases)
def test_R06_the_algebra_of_rosters(erp: frozenset[str], edusign: frozenset[str], base: object) -> None:
    merged = merge_roster(erp, edusign, base)
    known = base if isinstance(base, frozenset) else frozenset()
    after = (edusign | merged.add) - merged.remove
    assert not merged.add & edusign and merged.remove <= edusign & known and not merged.add & merged.remove
    assert erp <= after and after - erp == merged.kept and merged.put_back <= merged.add & known
    assert edusign - after == merged.remove, "who a person put there stays"
    again = merge_roster(erp, after, merged.base)
    assert not again.add and not again.remove and again.base == merged.base and again.kept == merged.kept


@STEADY
@given(tokens, tokens, bases, st.sampled_from("abcde"))
def test_R06_elements_do_not_know_of_each_other(
    erp: frozenset[str], edusign: frozenset[str], base: object, one: str
) -> None:
    whole = merge_roster(erp, edusign, base)
    only = frozenset({one})
    known = base & only if isinstance(base, frozenset) else base
    part = merge_roster(erp & only, edusign & only, known)
    assert (part.add, part.remove, part.kept) == (whole.add & only, whole.remove & only, whole.kept & only)


texts = st.one_of(st.sampled_from(["a", "b", "c"]), st.text(max_size=4))


@STEADY
@given(texts, texts, st.one_of(st.just(UNSET), texts), st.booleans())
def test_R02_one_field_is_never_lost_silently(erp: str, edusign: str, base: object, contact: bool) -> None:
    merged = merge_field(erp, edusign, base, erp_form=erp, edusign_form=edusign, contact=contact)
    if erp == edusign:
        assert merged.action in ("none", "base")
    elif merged.action == "write":
        assert merged.value == erp and (base == edusign or (merged.overwrites and not contact))
    else:
        assert contact and merged.action == ("task" if base == erp else "conflict")


@STEADY
@given(st.one_of(st.text(), st.text("0123456789+ .-()xext", max_size=20)), st.sampled_from(["FR", "BE", "US"]))
def test_R05_canonical_forms_are_their_own(text: str, country: str) -> None:
    assert folded_space(folded_space(text)) == folded_space(text)
    assert canonical_phone(canonical_phone(text, country), country) == canonical_phone(text, country)
    for field in ("email", "last_name", "phone"):
        once = canonical("learner", field, text, country)
        assert canonical("learner", field, once, country) == once


@STEADY
@given(st.datetimes(timezones=st.timezones()), st.integers(0, 999_999))
def test_R05_an_instant_is_its_own_in_utc_to_the_second(at: Any, micro: int) -> None:
    once = canonical("sheet", "start", at)
    assert canonical("sheet", "start", once) == once and revived("sheet", "start", plain(once)) == once
    assert timedelta() <= at - once < timedelta(seconds=1)


@STEADY
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(PEOPLE)), st.sampled_from("abc"), st.sampled_from("xyz")), max_size=12
    )
)
def test_R07_links_are_one_to_one_always(puts: list[tuple[Kind, str, str]]) -> None:
    links = Links()
    for kind, erp_id, known in puts:
        links.put(Link(kind=kind, erp_id=erp_id, edusign_id=known))
        assert len({(link.kind, link.erp_id) for link in links}) == len(links)
        assert len({(link.kind, link.edusign_id) for link in links}) == len(links)
        for link in links:
            assert links.of_edusign(link.kind, link.edusign_id) == links.get(link.kind, link.erp_id) == link
