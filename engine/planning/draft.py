"""A plan in the making: what the parts of planning put into it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from engine.changes import BaseMove, Change, Conflict, Notice, Plan, Task, Verb
from engine.links import Link
from engine.planning.compare import Comparison
from engine.planning.situation import Situation
from engine.planning.urgency import ordered
from engine.records import KINDS, Entry, Kind, Seen, Value


class Draft:
    """Collects changes and findings; `plan()` gives them in the order of writing."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._changes: list[Change] = []
        self._conflicts: list[Conflict] = []
        self._tasks: list[Task] = []
        self._notices: list[Notice] = []
        self._base_moves: list[BaseMove] = []

    def change(
        self,
        verb: Verb,
        link: Link,
        *,
        label: str,
        bites: tuple[datetime | None, int] | None = None,
        **details: Any,
    ) -> None:
        """A change of a linked record; it bites at the record's next session unless said otherwise."""
        at, people = bites if bites is not None else self._situation.bites.of(link.kind, link.erp_id)
        self._changes.append(
            Change(
                verb=verb,
                kind=link.kind,
                erp_id=link.erp_id,
                edusign_id=link.edusign_id,
                label=label,
                bites_at=at,
                people=people,
                **details,
            )
        )

    def create(self, entry: Entry, values: Mapping[str, Value], *, reason: str, rule: str, api_id: str) -> None:
        """A record Edusign does not have yet."""
        unlinked = Link(kind=entry.kind, erp_id=entry.id, edusign_id="")
        self.change(
            "create",
            unlinked,
            label=entry.record.label,
            after=dict(values),
            reason=reason,
            rule=rule,
            groups=self._situation.scopes(entry),
            api_id=api_id,
        )

    def update(self, link: Link, entry: Entry, comparison: Comparison, writes: Mapping[str, Value]) -> None:
        """Write `writes` over what stands there, with a notice for each field a person had changed (R02)."""
        overwritten = tuple(name for name in comparison.overwritten if name in writes)
        self.change(
            "update",
            link,
            label=entry.record.label,
            before={name: comparison.edusign[name] for name in writes},
            after=dict(writes),
            base_after={name: value for name, value in comparison.base_after.items() if name in writes},
            overwrites=overwritten,
            reason="the ERP's value stands" if overwritten else "changed in the ERP",
            rule="R02" if overwritten else "R01",
            groups=self._situation.scopes(entry),
        )

    def personal(self, link: Link, entry: Entry, seen: Seen, comparison: Comparison) -> None:
        """Conflicts and tasks of one record (R02, R03)."""
        for name, action in comparison.personal.items():
            erp, edusign = str(entry.record.value(name)), str(seen.record.value(name))
            common = {
                "kind": link.kind,
                "erp_id": link.erp_id,
                "edusign_id": link.edusign_id,
                "label": entry.record.label,
                "field": name,
            }
            if action == "conflict":
                known = link.base.get(name)
                self._conflicts.append(Conflict(**common, erp=erp, base=known, edusign=edusign))
            else:
                self._tasks.append(Task(**common, erp=erp, edusign=edusign, where=entry.where))

    def move_base(self, link: Link, moves: Mapping[str, Value]) -> None:
        """The base follows what both sides agree on already."""
        if moves:
            self._base_moves.append(BaseMove(kind=link.kind, erp_id=link.erp_id, base=dict(moves)))

    def notice(
        self, link: Link, label: str, code: str, rule: str, data: Mapping[str, Any] | None = None
    ) -> None:
        """Something a person should know of a linked record."""
        self._notices.append(
            Notice(
                kind=link.kind,
                erp_id=link.erp_id,
                edusign_id=link.edusign_id,
                label=label,
                code=code,
                data={"rule": rule, **(data or {})},
            )
        )

    def notice_new(self, entry: Entry, code: str) -> None:
        """Something a person should know of a record Edusign does not have."""
        self._notices.append(
            Notice(kind=entry.kind, erp_id=entry.id, edusign_id="", label=entry.record.label, code=code)
        )

    def plan(self) -> Plan:
        """The plan, in the order of writing (R34)."""
        situation = self._situation
        return Plan(
            changes=ordered(self._changes),
            conflicts=tuple(self._conflicts),
            tasks=tuple(self._tasks),
            rejections=situation.given.checked.rejections,
            blocks=situation.given.matching.blocks,
            notices=tuple(self._notices),
            base_moves=tuple(self._base_moves),
            missing=situation.absent,
            found_again=situation.found_again,
            seen={kind: self._accounted(kind) for kind in KINDS},
        )

    def _accounted(self, kind: Kind) -> tuple[str, ...]:
        """Every ERP key the accounting of a kind speaks of."""
        checked = self._situation.given.checked
        ids = {*checked.accepted.get(kind, {}), *checked.ended.get(kind, {}), *checked.rejected.get(kind, ())}
        ids |= {erp_id for k, erp_id in (*self._situation.gone, *self._situation.absent) if k == kind}
        return tuple(sorted(ids))
