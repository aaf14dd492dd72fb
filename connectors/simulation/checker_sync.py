"""Whether two sides agree, judged by hidden identity and never by the engine's links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.simulation.checker_raw import (
    ErpRecord,
    Kind,
    PlatformRecord,
    World,
    canonical,
    horizon,
)

LEAD = timedelta(minutes=15)
"""From so long before its start a sheet is not written any more (R18)."""

CONTACT = frozenset({"email", "phone"})

_BAD_EMAIL = frozenset({"missing_email", "invalid_email", "shared_email"})
_NO_SHEET = frozenset({"no_end", "no_learners", "no_trainer", "nonexistent_time"})


@dataclass(frozen=True)
class Judged:
    """What the judgement of agreement depends on beside the two dumps.

    `dirt`: the school's dirt ledger, as dicts. `decisions`: what people chose, as dicts {type, kind, erp_id,
    field, choice, value, verb}. `last_run`: when the last import began. `removals_from`: until then archives
    and withdrawals wait. `horizon_days` counts today.
    """

    our_type: str
    last_run: datetime
    horizon_days: int
    dirt: tuple[Mapping[str, Any], ...] = ()
    decisions: tuple[Mapping[str, Any], ...] = ()
    removals_from: datetime | None = None


class Agreement:
    """Compares a world with itself; `complaints` are what no ledger explains."""

    def __init__(self, world: World, judged: Judged) -> None:
        self.world = world
        self.judged = judged
        self.live = [one for one in world.platform if not one.archived]
        self.by_identity: dict[tuple[Kind, str], list[PlatformRecord]] = {}
        for one in self.live:
            self.by_identity.setdefault((one.kind, one.identity), []).append(one)
        self.absent_by_refusal = self._refused_learners()
        self.absent_learners = self._rejected_learners() | self.absent_by_refusal
        self.expected: dict[Kind, dict[str, ErpRecord]] = {
            "learner": {
                identity: one
                for identity, one in world.erp["learner"].items()
                if one.live and identity not in self.absent_learners
            },
            "speaker": {identity: one for identity, one in world.erp["speaker"].items() if one.live},
            "group": dict(world.erp["group"]),
        }
        self.expected["sheet"] = self._expected_sheets()

    def complaints(self) -> list[str]:
        """One line per disagreement that no ledger predicts."""
        return [
            *self._presence(),
            *self._surplus(),
            *(line for kind in self.expected for line in self._values(kind)),
        ]

    # Who should be there

    def _rejected_learners(self) -> frozenset[str]:
        """Those whose e-mail the dirt ledger calls wrong and nobody corrected since."""
        corrected = {
            e["identity"] for e in self.world.erp_edits if e["kind"] == "learner" and e["field"] == "email"
        }
        rejected: set[str] = set()
        for dirt in self.judged.dirt:
            if dirt["kind"] not in _BAD_EMAIL:
                continue
            identities = set(dirt["identities"])
            if dirt["kind"] == "shared_email":
                learners = self.world.erp["learner"]
                if all(learners[i].live for i in identities) and not identities & corrected:
                    rejected |= identities
            else:
                rejected |= identities - corrected
        return frozenset(rejected)

    def _refused_learners(self) -> frozenset[str]:
        """Those whose only way into Edusign was over somebody else's archived record, and was refused."""
        return frozenset(d["identities"][0] for d in self.judged.dirt if d["kind"] == "archived_other_name")

    def _expected_sheets(self) -> dict[str, ErpRecord]:
        dirty = {i for d in self.judged.dirt if d["kind"] in _NO_SHEET for i in d["identities"]}

        def excused(identity: str, one: ErpRecord) -> bool:
            # Somebody may have joined the group of a session without learners: then it is as any other.
            usable = one.values["end"] is not None and self._staffed(one)
            return identity in dirty and not usable

        return {
            identity: one
            for identity, one in self.world.erp["sheet"].items()
            if one.live and self._ahead(one.values["start"]) and not excused(identity, one)
        }

    def _staffed(self, session: ErpRecord) -> bool:
        """Whether anybody of it can stand on a sheet."""
        return bool(
            session.values["speakers"] & self.expected["speaker"].keys()
            and session.values["learners"] & self.expected["learner"].keys()
        )

    def _ahead(self, start: datetime | None) -> bool:
        """In the horizon of the last import, and not so near that it may not have been written any more."""
        if start is None:
            return False
        _first, last = horizon(self.judged.last_run, self.world.zone, self.judged.horizon_days)
        return self.judged.last_run + LEAD < start < last

    def _presence(self) -> Iterator[str]:
        for kind, records in self.expected.items():
            for identity, one in records.items():
                found = self.by_identity.get((kind, identity), [])
                if not found:
                    yield f"{kind} {identity} (ERP {one.code}): no live Edusign record"
                elif len(found) > 1 and any(r.api_type == self.judged.our_type for r in found[1:]):
                    yield f"{kind} {identity}: {len(found)} live Edusign records {[r.id for r in found]}"

    # Who should not

    def _surplus(self) -> Iterator[str]:
        for one in self.live:
            if one.api_type != self.judged.our_type or one.identity in self.expected[one.kind]:
                continue
            if not self._explained(one):
                yield f"{one.kind} {one.identity} (Edusign {one.id}, key {one.api_id}): live, not expected"

    def _explained(self, one: PlatformRecord) -> bool:
        record = self.world.erp[one.kind].get(one.identity)
        if one.kind == "group":
            return not one.values["members"]  # a group that is gone is emptied, never deleted
        if one.kind == "sheet":
            if not self._ahead(one.values["start"]):
                return True
            if record is None or not record.live:
                return self._deferred() or one.locked or bool(one.signed) or self._refused("withdraw", one)
            # Its session was moved out of sight, or nobody of it may stand there now.
            return not self._ahead(record.values["start"]) or not self._staffed(record)
        if record is None or record.live:
            return False
        return self._deferred() or one.shared or self._refused("archive", one)

    def _deferred(self) -> bool:
        return self.judged.removals_from is None or self.judged.last_run < self.judged.removals_from

    def _refused(self, verb: str, one: PlatformRecord) -> bool:
        code = self.world.code(one.kind, one.identity)
        return any(
            d["choice"] == "refuse" and (d.get("verb"), d["kind"], d["erp_id"]) == (verb, one.kind, code)
            for d in self.judged.decisions
        )

    # What they should say

    def _values(self, kind: Kind) -> Iterator[str]:
        for identity, record in self.expected[kind].items():
            for one in self.by_identity.get((kind, identity), [])[:1]:
                for name, wanted in self._wanted(record).items():
                    there = one.values.get(name)
                    if there != wanted and not self._excused(record, one, name, wanted, there):
                        yield (
                            f"{kind} {identity} (ERP {record.code}, Edusign {one.id}): {name} is "
                            f"{_shown(there, wanted)} in the ERP {_shown(wanted, there)}"
                        )

    def _wanted(self, record: ErpRecord) -> dict[str, Any]:
        """The ERP's values, references reduced to those who can stand in Edusign."""
        values = dict(record.values)
        for name, of in (("members", "learner"), ("learners", "learner"), ("speakers", "speaker")):
            if name in values:
                values[name] = frozenset(values[name] & self.expected[of].keys())  # type: ignore[index]
        return values

    def _excused(self, record: ErpRecord, one: PlatformRecord, name: str, wanted: Any, there: Any) -> bool:
        if one.api_type not in ("", self.judged.our_type):
            return True  # another connector's: used, never written
        if one.kind == "sheet" and (one.locked or one.signed):
            return True
        if name in ("members", "learners"):
            missing, more = wanted - there, there - wanted
            return not missing and bool(more <= self._added(one))
        if name in ("last_name", "first_name") and one.shared:
            return True
        return name in CONTACT and self._kept(record, one, name, there)

    def _added(self, one: PlatformRecord) -> frozenset[str]:
        """Whom people put on this sheet or in this group and did not take off again."""
        added: set[str] = set()
        for edit in self.world.edusign_edits:
            if (edit["kind"], edit["id"]) != (one.kind, one.id):
                continue
            if edit["action"] == "add":
                added.add(self._learner(edit["after"]))
            elif edit["action"] == "remove":
                added.discard(self._learner(edit["before"]))
        if one.kind == "sheet":
            # Put in one of its groups by hand, somebody comes to its sheets too.
            for group in self.live:
                if group.kind == "group" and group.identity in one.values["groups"]:
                    added |= self._added(group)
        return frozenset(added)

    def _learner(self, id: str) -> str:
        return self.world.identities.get(("learner", id), f"edusign:{id}")

    def _kept(self, record: ErpRecord, one: PlatformRecord, name: str, there: Any) -> bool:
        """A contact value typed by hand in Edusign stays (a task), and so does one a person chose."""
        typed = [
            canonical(name, edit["after"])
            for edit in self.world.edusign_edits
            if (edit["kind"], edit["id"]) == (one.kind, one.id) and edit["field"] == name.upper()
        ]
        if typed and typed[-1] == there and not self._settled_for_erp(record, name):
            return True
        chosen = [
            d
            for d in self.judged.decisions
            if (d["kind"], d["erp_id"], d.get("field")) == (one.kind, record.code, name)
        ]
        if not chosen:
            return False
        last = chosen[-1]
        if last["choice"] == "edusign":
            return not typed or bool(typed[-1] == there)
        return bool(last["choice"] == "value" and canonical(name, last["value"]) == there)

    def _settled_for_erp(self, record: ErpRecord, name: str) -> bool:
        choices = [
            d["choice"]
            for d in self.judged.decisions
            if (d["kind"], d["erp_id"], d.get("field")) == (record.kind, record.code, name)
        ]
        return choices[-1:] == ["erp"]


def doubles(world: World, our_type: str) -> tuple[list[str], list[str]]:
    """(doubles the sync made, doubles people made after ours), one line each."""
    ours: list[str] = []
    theirs: list[str] = []
    by_identity: dict[tuple[Kind, str], list[PlatformRecord]] = {}
    for one in world.platform:
        if not one.archived:
            by_identity.setdefault((one.kind, one.identity), []).append(one)
    for (kind, identity), records in sorted(by_identity.items()):
        if kind == "sheet":
            records = _without_sealed(records)
        if len(records) < 2:
            continue
        line = f"{kind} {identity}: " + ", ".join(f"{r.id} ({r.api_type or 'by hand'})" for r in records)
        (ours if any(r.by_api for r in records[1:]) else theirs).append(line)
    return ours, theirs


def _without_sealed(records: list[PlatformRecord]) -> list[PlatformRecord]:
    """A session that moved after its sheet was signed has two sheets, the first sealed (R19)."""
    return [r for r in records if not (r.locked or r.signed)] or records[:1]


def _shown(value: Any, other: Any) -> str:
    if isinstance(value, frozenset | set):
        rest = sorted(value - other) if isinstance(other, frozenset | set) else sorted(value)
        return f"{len(value)} of which alone here {rest[:5]}"
    return repr(value if not isinstance(value, datetime) else value.isoformat())[:80]
