"""What holds over several syncs: both sides become quiet, and no person's edit is lost.

Edusign and the store are a model here: `carry_out` is what a change does to both, without HTTP or SQL. What the
model leaves out: faults, crashes and writes by people between a plan and its writing (see tests/unit/rules).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.changes import Change, Plan
from engine.links import ELEMENT_KIND, Link
from engine.planning.merge import Resolution
from engine.planning.scope import in_scope
from engine.records import KINDS, PEOPLE, RECORDS, Kind, Seen, Value, canonical, revived
from tests.properties.test_plan import (
    LEARNERS,
    ROSTER,
    STEADY,
    VALUES,
    agreed,
    edited,
    schools,
)
from tests.properties.test_plan import (
    RECORDS as IDS,
)
from tests.unit.rules.school_kit import NOW, OURS, SCOPE, School, edusign_id, learner

ROUNDS = 3
"""Plans one run may need until nothing is left to write, as in engine.run."""


@dataclass
class World:
    """A school that lives: what it archived, the conflicts and tasks of the last plan, all that was written."""

    school: School
    archived: dict[tuple[Kind, str], Seen] = field(default_factory=dict)
    written: list[Change] = field(default_factory=list)
    last: Plan = field(default_factory=Plan)
    made: int = 0
    occurrence: int = 0

    def sync(self) -> int:
        """One run without brakes; how many plans of it wrote something."""
        self.occurrence += 1
        self.school.occurrence = f"occurrence {self.occurrence}"
        self.written = []
        for count in range(ROUNDS + 1):
            self._look_up()
            self.last = made = self.school.braked()
            self._remember(made)
            todo = made.writable
            if not todo:
                return count
            for change in todo:
                carry_out(self, change)
                assert_one_to_one(self.school)
            self.written += todo
        return ROUNDS + 1

    def _look_up(self) -> None:
        """What single reads answer of the linked records Edusign's list misses; the ERP says gone is gone."""
        school = self.school
        school.lookups = {
            (link.kind, link.edusign_id): self.archived.get((link.kind, link.edusign_id))
            for link in school.links
            if link.edusign_id not in school.edusign[link.kind] and in_scope(link, SCOPE)
        }
        shown = {(kind, e.id) for kind in KINDS for e in school.entries[kind]}
        school.sightings = {
            (link.kind, link.erp_id): "gone" for link in school.links if (link.kind, link.erp_id) not in shown
        }

    def _remember(self, made: Plan) -> None:
        """Base moves and absences, as the store keeps them."""
        links = self.school.links
        for move in made.base_moves:
            link = links.get(move.kind, move.erp_id)
            if link is not None:
                links.put(link.model_copy(update={"base": {**link.base, **move.base}}))
        for key in made.missing:
            link = links.get(*key)
            if link is not None:
                absences = tuple(sorted({*link.missing, self.school.occurrence}))
                links.put(link.model_copy(update={"missing": absences}))


def carry_out(world: World, change: Change) -> None:
    """What one change does to Edusign and to the links."""
    school = world.school
    kind, erp_id = change.key
    shown = school.edusign[kind]
    if change.verb == "seal":
        school.sealed[erp_id] = (*school.sealed.get(erp_id, ()), change.edusign_id)
    if change.verb in ("seal", "unlink", "archive", "withdraw"):
        school.links.drop(kind, erp_id)
        if change.verb == "archive":
            world.archived[kind, change.edusign_id] = shown.pop(change.edusign_id).model_copy(
                update={"archived": True}
            )
        elif change.verb == "withdraw":
            shown.pop(change.edusign_id)
        return
    if change.verb == "restore":
        seen = world.archived.pop((kind, change.edusign_id))
        shown[seen.id] = seen.model_copy(update={"archived": False})
        return
    if change.verb in ("add", "remove"):
        _move_on_sheet(school, change)
        return
    id = change.edusign_id if change.verb != "create" else _created(world, change)
    seen = shown[id]
    values = {name: _ids(school, name, value) for name, value in change.after.items()}
    if change.stamp:
        seen = seen.model_copy(update={"api_id": change.api_id or erp_id, "api_type": OURS})
    shown[id] = seen.model_copy(update={"record": seen.record.model_copy(update=values)})
    known = school.links.get(kind, erp_id)
    base = dict(known.base) if known is not None and known.edusign_id == id else {}
    base |= _base(school, change, values)
    school.links.put(
        Link(kind=kind, erp_id=erp_id, edusign_id=id, base=base, read_only=change.read_only)
    )  # fmt: skip


def _created(world: World, change: Change) -> str:
    """A new record, or the archived one its key leads to (R08)."""
    for (kind, id), seen in world.archived.items():
        if kind == change.kind and (seen.api_id, seen.api_type) == (change.api_id, OURS):
            world.school.edusign[kind][id] = world.archived.pop((kind, id)).model_copy(
                update={"archived": False}
            )
            return id
    world.made += 1
    id = f"n-{change.kind}-{world.made}"
    record = RECORDS[change.kind].model_validate({"id": id})
    world.school.edusign[change.kind][id] = Seen(record=record, api_id=change.api_id, api_type=OURS)
    return id


def _move_on_sheet(school: School, change: Change) -> None:
    link = school.links.get(*change.key)
    assert link is not None
    there = school.edusign["sheet"][change.edusign_id].record.value("learners")
    known = school.links.edusign_id("learner", change.token)
    assert isinstance(there, frozenset) and known is not None
    base = revived("sheet", "learners", link.base.get("learners")) or frozenset()
    assert isinstance(base, frozenset)
    if change.verb == "add":
        there, base = there | {known}, base | {change.token}
    else:
        there, base = there - {known}, base - {change.token}
    school.edusign_edits("sheet", change.erp_id, learners=there)
    school.base("sheet", change.erp_id, learners=base)


def _ids(school: School, name: str, value: Value) -> Value:
    kind = ELEMENT_KIND.get(name)
    if kind is None or not isinstance(value, frozenset):
        return value
    return frozenset(id for token in value if (id := school.links.edusign_id(kind, token)))


def _base(school: School, change: Change, sent: dict[str, Value]) -> dict[str, Any]:
    base: dict[str, Any] = dict(change.base_after)
    for name, value in sent.items():
        kind = ELEMENT_KIND.get(name)
        if kind is not None and isinstance(value, frozenset):
            there = frozenset(school.links.token(kind, id) for id in value)
            planned = frozenset(change.base_after.get(name, change.after[name]))
            base[name] = there & planned if name in ROSTER.values() else there
        elif name not in change.base_after:
            base[name] = canonical(change.kind, name, value)
    return base


def assert_one_to_one(school: School) -> None:
    links = list(school.links)
    assert len({(link.kind, link.erp_id) for link in links}) == len(links)
    assert len({(link.kind, link.edusign_id) for link in links}) == len(links)
    assert all(school.links.of_edusign(link.kind, link.edusign_id) == link for link in links)


@STEADY
@given(schools)
def test_R01_once_written_a_plan_leaves_nothing_to_write(made: list[Any]) -> None:
    world = World(edited(agreed(), made))
    world.archived = {key: seen for key, seen in world.school.lookups.items() if seen is not None}
    assert world.sync() <= 2
    assert world.sync() <= 2, "what is gone by a second observation, and what follows from that"
    assert world.sync() == 0


@STEADY
@given(schools)
def test_R05_quiet_sides_agree_in_every_field_that_nobody_must_settle(made: list[Any]) -> None:
    world = World(edited(agreed(), made))
    world.archived = {key: seen for key, seen in world.school.lookups.items() if seen is not None}
    for _ in range(3):
        world.sync()
    checked = world.school.checked()
    open_fields = asked(world)
    for kind in PEOPLE:
        for erp_id, entry in checked.accepted[kind].items():
            link = world.school.links.get(kind, erp_id)
            if link is None:
                assert erp_id in {b.erp_id for b in world.last.blocks}
                continue
            there = world.school.edusign[kind][link.edusign_id].record
            for name in entry.record.fields:
                if (kind, erp_id, name) not in open_fields:
                    erp = canonical(kind, name, entry.record.value(name))
                    assert erp == canonical(kind, name, there.value(name)) == link.base[name]


# No lost update


@st.composite
def person_edits(draw: st.DrawFn) -> tuple[Any, ...]:
    """One edit by a person that can always be carried over: no dirt, no sheet that is near or running."""
    side = draw(st.sampled_from(["erp", "edusign"]))
    kind = draw(st.sampled_from(KINDS))
    erp_id = draw(st.sampled_from([id for id in IDS[kind] if id not in ("S1", "S2")]))
    if kind in ROSTER and draw(st.booleans()):
        return "toggle", side, kind, erp_id, draw(st.sampled_from([*LEARNERS, "hand"]))
    if kind in PEOPLE:
        name = draw(st.sampled_from(["last_name", "first_name", "email", "phone"]))
        values = [f"{n}-{erp_id.lower()}@mail.example" for n in "abc"] if name == "email" else VALUES[name]
    else:
        name = draw(st.sampled_from(["name"] if kind == "group" else ["name", "room"]))
        values = VALUES[name]
    return "edit", side, kind, erp_id, name, draw(st.sampled_from(values))


days = st.lists(
    st.tuples(st.lists(person_edits(), max_size=6), st.sampled_from(["", "erp", "edusign"])), max_size=4
)


def seen_value(school: School, side: str, kind: Kind, erp_id: str, name: str) -> Value:
    """What a side shows of a field, canonical; an Edusign roster in tokens."""
    if side == "erp":
        (entry,) = [e for e in school.entries[kind] if e.id == erp_id]
        return canonical(kind, name, entry.record.value(name))
    return canonical(kind, name, school.tokens(kind, erp_id)[name])


@settings(STEADY, max_examples=80)
@given(days)
def test_R02_no_edit_of_a_person_is_lost(made: list[tuple[list[Any], str]]) -> None:
    world = World(agreed())
    school = world.school
    for edits_of_day, choice in made:
        before = {edit[1:5]: seen_value(school, *edit[1:5]) for edit in edits_of_day if edit[0] == "edit"}
        edited(school, edits_of_day)
        typed = {key: seen_value(school, *key) for key in before}
        rosters = {
            (k, i, s): seen_value(school, s, k, i, ROSTER[k]) for _w, s, k, i, *_ in edits_of_day if k in ROSTER
        }
        agreed_on = {
            link.erp_id: link.base.get(ROSTER[link.kind]) for link in school.links if link.kind in ROSTER
        }
        assert world.sync() <= 2
        for (side, kind, erp_id, name), value in typed.items():
            if value != before[side, kind, erp_id, name] and (kind, erp_id) not in rejected_now(world):
                assert accounted(world, side, kind, erp_id, name, value), (side, kind, erp_id, name, value)
        for (kind, erp_id, side), value in rosters.items():
            known = frozenset(agreed_on[erp_id] or ())
            assert isinstance(value, frozenset)
            if (kind, erp_id) not in rejected_now(world):
                assert_roster(world, side, kind, erp_id, value, known)
        settle_conflicts(world, choice)
        assert world.sync() <= 1 and world.sync() == 0
        if choice:
            assert world.last.conflicts == ()


def rejected_now(world: World) -> set[tuple[Kind, str]]:
    """What a person is told cannot be synced; a session nobody is on any more, here."""
    return {(r.kind, r.erp_id) for r in world.last.rejections if r.row}


def asked(world: World) -> set[tuple[Kind, str, str]]:
    """The fields that wait for a person."""
    conflicts = {(c.kind, c.erp_id, c.field) for c in world.last.conflicts}
    return conflicts | {(t.kind, t.erp_id, t.field) for t in world.last.tasks}


def accounted(world: World, side: str, kind: Kind, erp_id: str, name: str, value: Value) -> bool:
    """An edit is on both sides, waits for a person, or was overwritten with a notice that shows it."""
    school = world.school
    if (kind, erp_id, name) in asked(world):
        return seen_value(school, side, kind, erp_id, name) == value
    other = "edusign" if side == "erp" else "erp"
    if all(seen_value(school, s, kind, erp_id, name) == value for s in (side, other)):
        return True
    return side == "edusign" and any(
        c.key == (kind, erp_id) and name in c.overwrites and canonical(kind, name, c.before[name]) == value
        for c in world.written
    )


def assert_roster(
    world: World, side: str, kind: Kind, erp_id: str, value: frozenset[str], known: frozenset[str]
) -> None:
    """Everybody added is there; everybody taken off is off, or was put back with a notice."""
    name = ROSTER[kind]
    now = seen_value(world.school, "edusign", kind, erp_id, name)
    erp = seen_value(world.school, "erp", kind, erp_id, name)
    assert isinstance(now, frozenset) and isinstance(erp, frozenset)
    assert value - known <= now, "added on either side"
    if side == "erp":
        assert not (known - value) & now, "taken off in the ERP"
    for token in (known - value) & now if side == "edusign" else ():
        assert token in erp and any(name in c.overwrites for c in world.written if c.key == (kind, erp_id))


def settle_conflicts(world: World, choice: str) -> None:
    """A person says of every open conflict whose value stands."""
    for c in world.last.conflicts if choice else ():
        erp, edusign = (str(canonical(c.kind, c.field, v)) for v in (c.erp, c.edusign))
        world.school.resolutions[c.kind, c.erp_id, c.field] = Resolution.model_validate(
            {"choice": choice, "erp": erp, "edusign": edusign}
        )


@STEADY
@given(st.lists(st.sampled_from(["leave", "return", "sync"]), max_size=8))
def test_R08_who_leaves_and_comes_back_is_one_person_all_along(made: list[str]) -> None:
    world = World(agreed())
    for what in [*made, "sync", "sync"]:
        present = [e for e in world.school.entries["learner"] if e.id == "L5"]
        if what == "leave":
            world.school.entries["learner"] = [e for e in world.school.entries["learner"] if e.id != "L5"]
        elif what == "return" and not present:
            world.school.erp(learner("L5"))
        elif what == "sync":
            world.sync()
        live = [s for s in world.school.edusign["learner"].values() if s.api_id == "L5"]
        kept = [s for (kind, _), s in world.archived.items() if kind == "learner" and s.api_id == "L5"]
        assert len(live) + len(kept) == 1
    assert edusign_id("learner", "L5") == "e-learner-L5" and world.school.now == NOW
