"""Judges the end of a story from raw dumps alone: who is in Edusign, who is there twice, what got lost.

Everything given is plain data: dumps of the simulators, and what the engine says of itself as dicts (intents
as the state store holds them, items, events and runs as the API shows them). The judgement goes by hidden
identities; the engine's own words are only ever compared with what the simulators wrote down themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.simulation.checker_absences import Exported, absence_complaints, held_absences
from connectors.simulation.checker_accounts import (
    Told,
    lost_edits,
    minimum_export_requests,
    minimum_requests,
    unbalanced_runs,
    unbalanced_writes,
)
from connectors.simulation.checker_raw import Dump, World, exact, world
from connectors.simulation.checker_sync import Agreement, Judged, doubles

__all__ = ["End", "Story", "judge", "minimum_export_requests", "minimum_requests"]

DETAILS = 60
"""Lines of explanation at most."""


@dataclass(frozen=True)
class Story:
    """What happened, as the checker is told it.

    `intents`, `items` (open and closed), `events` (of the kinds that tell people something) and `runs` (oldest
    first) are the engine's; `decisions` what people chose, as dicts {kind, erp_id, choice} with `field` and
    `value` or `verb`; `dirt` the school's ledger as dicts. `removals_after` and `repush_days` are the
    connection's.
    """

    erp: Dump
    edusign: Dump
    our_type: str
    horizon_days: int
    removals_after: timedelta
    intents: tuple[Mapping[str, Any], ...] = ()
    items: tuple[Mapping[str, Any], ...] = ()
    events: tuple[Mapping[str, Any], ...] = ()
    runs: tuple[Mapping[str, Any], ...] = ()
    decisions: tuple[Mapping[str, Any], ...] = ()
    dirt: tuple[Mapping[str, Any], ...] = ()
    repush_days: int = 14


@dataclass(frozen=True)
class End:
    """The verdict. `details` explain each violation, a bounded number of them. `absences_equal`: whether the
    ERP holds what locked sheets say, None where it takes no absences or nothing was exported yet."""

    in_sync: bool
    accounting_balanced: bool
    doubles: int
    handmade_doubles: tuple[str, ...]
    lost: int
    learners_in_edusign: int
    details: tuple[str, ...] = ()
    absences_equal: bool | None = None

    @property
    def good(self) -> bool:
        agrees = self.in_sync and self.absences_equal is not False
        return agrees and self.accounting_balanced and not self.doubles and not self.lost


def judge(story: Story) -> End:
    """The verdict on a story. Raises ValueError where no run is told of, KeyError on an unknown dump."""
    imports = [run for run in story.runs if run.get("flow", "import") == "import"]
    if not imports:
        raise ValueError("a story without a run")
    now = world(story.erp, story.edusign)
    judged = Judged(
        our_type=story.our_type,
        last_run=exact(imports[-1]["started"]),
        horizon_days=story.horizon_days,
        dirt=story.dirt,
        decisions=story.decisions,
        removals_from=_removals_from(story),
    )
    apart = Agreement(now, judged).complaints()
    unbalanced = [*unbalanced_runs(story.runs), *unbalanced_writes(now.writes, story.intents)]
    twice, twice_by_hand = doubles(now, story.our_type)
    lost = lost_edits(now, story.edusign, Told.of(story.items, story.events))
    absences = _absences(story, now)
    learners = sum(1 for one in now.platform if one.kind == "learner" and not one.archived)
    return End(
        in_sync=not apart,
        accounting_balanced=not unbalanced,
        doubles=len(twice),
        handmade_doubles=tuple(twice_by_hand),
        lost=len(lost),
        learners_in_edusign=learners,
        details=_details(apart=apart, unbalanced=unbalanced, double=twice, lost=lost, absence=absences or ()),
        absences_equal=None if absences is None else not absences,
    )


def _absences(story: Story, now: World) -> list[str] | None:
    """What of the absences is not as it should be; None where there is nothing to judge."""
    exports = [run for run in story.runs if run.get("flow") == "export" and run["observed"]]
    if not exports or held_absences(story.erp) is None:
        return None
    approved = frozenset(
        (str(decision["session"]), str(decision["erp_id"]))
        for decision in story.decisions
        if decision.get("cause") == "roll_call_missing" and decision["choice"] == "approve"
    )
    exported = Exported(exact(exports[-1]["started"]), story.repush_days, approved)
    return absence_complaints(now, story.erp, story.edusign, story.our_type, exported)


def _removals_from(story: Story) -> datetime | None:
    """Removals wait from the end of the first run that wrote (R43); None while none did."""
    for run in story.runs:
        if run["changes"] and run["ended"] and run.get("flow", "import") == "import":
            return exact(run["ended"]) + story.removals_after
    return None


def _details(**found: Iterable[str]) -> tuple[str, ...]:
    lines: list[str] = []
    for word, some in found.items():
        all_of_them = [f"{word}: {line}" for line in some]
        kept = all_of_them[: DETAILS // 5]
        lines += kept
        if len(all_of_them) > len(kept):
            lines.append(f"{word}: {len(all_of_them) - len(kept)} more")
    return tuple(lines)
