"""What a run is given: the connection it works for, and what is asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.changes import Change, Plan
from engine.config_models import ConnectionConfig
from engine.planning.scope import local_date
from engine.planning.urgency import dependencies
from engine.ports import AttendancePlatform, Erp, Scope
from engine.records import Kind


@dataclass(frozen=True)
class Connection:
    """One ERP joined to one Edusign school, opened.

    `reading` is held by whoever reads the ERP: `Erp.begin` forgets what another's listings brought.
    """

    config: ConnectionConfig
    erp: Erp
    platform: AttendancePlatform
    reading: asyncio.Lock = field(default_factory=asyncio.Lock, compare=False, repr=False)

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def api_type(self) -> str:
        """The API_TYPE of the records we make (R07)."""
        return f"rollcall-{self.name}"

    def scope(self, at: datetime) -> Scope:
        """What a run that starts at `at` looks at: from its local date to the horizon."""
        first = local_date(at, self.config.zone)
        last = first + timedelta(days=self.config.horizon_days - 1)
        return Scope(first=first, last=last, zone=self.config.zone)

    def requests(self) -> dict[str, int]:
        """Requests made so far, by side: "erp" and "edusign"."""
        return {
            "erp": sum(self.erp.requests.values()),
            "edusign": sum(self.platform.requests.values()),
        }


NOT_CHOSEN, NOT_ASKED = "not_chosen", "not_asked"
"""Why a run left a change alone that nothing else keeps from being written."""


@dataclass(frozen=True)
class Order:
    """What is asked of a run.

    `occurrence` is the key its observation counts under (R13). `deadline`: until when it may write; None for
    runs a person asks for. `chosen`: the only change ids it may write (`apply PLAN`). `only`: the only record.
    `dry`: plan, write nothing. `next_try`: when the flow's next window starts, told with every fault.
    """

    run_id: str
    flow: str = "import"
    occurrence: str = ""
    trigger: str = "person"
    actor: str = ""
    deadline: datetime | None = None
    chosen: frozenset[str] | None = None
    only: tuple[Kind, str] | None = None
    dry: bool = False
    next_try: datetime | None = None

    @property
    def partial(self) -> bool:
        """Whether it asks for less than everything its plan could write."""
        return self.only is not None or self.chosen is not None

    def narrowed(self, made: Plan, another_connector: bool) -> Plan:
        """The plan with everything skipped that this order did not ask for.

        `another_connector`: Edusign's own connector is on, so that nothing may be written at all.
        """
        skip = self._skip_reason(made, another_connector)
        changes = tuple(
            c if c.hold or c.skip or not (why := skip(c)) else c.model_copy(update={"skip": why})
            for c in made.changes
        )
        return made.model_copy(update={"changes": changes})

    def _skip_reason(self, made: Plan, another_connector: bool) -> Callable[[Change], str]:
        if another_connector:
            return lambda _change: "another_connector"
        wanted_ids = self.chosen
        if wanted_ids is not None:
            return lambda change: "" if change.id in wanted_ids else NOT_CHOSEN
        if self.only is not None:
            asked = _with_needed(made.changes, self.only)
            return lambda change: "" if change.id in asked else NOT_ASKED
        return lambda _change: ""

    def stale(self, made: Plan) -> tuple[str, ...]:
        """The changes asked for that are no longer the same (R30)."""
        return tuple(sorted((self.chosen or frozenset()) - {c.id for c in made.changes}))


def _with_needed(changes: Iterable[Change], only: tuple[Kind, str]) -> set[str]:
    """The ids of one record's changes, by either of its ids, and of those that make what they refer to."""
    kind, id = only
    mine = [c for c in changes if c.kind == kind and id in (c.erp_id, c.edusign_id)]
    needed = {key for c in mine for key in dependencies(c)}
    makers = [c for c in changes if c.key in needed and c.verb in ("create", "link", "restore")]
    return {c.id for c in (*mine, *makers)}
