"""The Auriga simulator's own numbers; rows and hands are those of any ERP's store."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.aurion.simulator.switches import AurionSwitches
from connectors.simulation.control import Control
from connectors.simulation.erp_rows import GroupRow, Row, SessionRow
from connectors.simulation.erp_store import ErpStore, Numbered
from connectors.simulation.school import School

_FIRST: Mapping[Numbered, int] = {
    "learner": 21001, "speaker": 4001, "group": 301, "sheet": 700001, "absence": 1,
}  # fmt: skip


class AurionStore(ErpStore):
    """One school's Auriga. A population is known by its code, everything else by its id."""

    def __init__(self, school: School, control: Control, switches: AurionSwitches) -> None:
        super().__init__(school, control, departed_off_sessions=switches.departed_off_sessions)
        self.switches = switches

    def number(self, kind: Numbered, n: int) -> int:
        return _FIRST[kind] + n

    def key(self, row: Row) -> str:
        return population_code(row) if isinstance(row, GroupRow) else str(row.code)

    def planned(self) -> list[SessionRow]:
        """What is on the planning: a cancelled session is not."""
        return [one for one in self.sessions.values() if not one.cancelled]

    def members(self, group: str) -> list[str]:
        """The learners of a population today."""
        return [
            one.identity
            for one in self.learners.values()
            if one.group == group and not one.removed and not self.departed(one)
        ]


def population_code(group: GroupRow) -> str:
    return f"{group.origin.short_name}-{group.code}"
