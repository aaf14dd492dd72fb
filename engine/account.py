"""The accounting of a run: where each record went, and how the API shows a run and its plan. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from engine.apply import Outcome
from engine.changes import Change, Plan, Rejection, Tally
from engine.observe import Observed
from engine.order import NOT_ASKED, NOT_CHOSEN, Order
from engine.records import KINDS, Kind
from engine.service.models import ChangeView, PlanView, ProgressView, RunState, RunView
from engine.views import SKIPPED, change_view

MAILED_AT_ONCE = timedelta(hours=1)
REQUESTS_PER_MINUTE = 480
"""Edusign's general limit, shared per API key (documented)."""
_REQUESTS = {
    "create": 3,
    "link": 2,
    "update": 2,
    "add": 2,
    "remove": 2,
    "archive": 2,
    "restore": 2,
    "withdraw": 2,
}
"""Requests a write takes, with the looks before it."""


@dataclass(frozen=True)
class Account:
    """What a run planned first and last, what became of it, and what it had observed (None: not that far).

    `refused` and `held_back` were found only by writing.
    """

    first: Plan
    last: Plan
    outcomes: Sequence[Outcome]
    refused: Sequence[Rejection]
    held_back: Sequence[Change]
    observed: Observed | None

    @property
    def written(self) -> list[Change]:
        return [o.change for o in self.outcomes if o.state == "written"]

    @property
    def held(self) -> int:
        """Changes and pairs that wait for a person."""
        held_now = {c.id for c in self.last.changes if c.hold}
        return held(self.last) + sum(1 for c in self.held_back if c.id not in held_now)

    def tally(self) -> dict[Kind, Tally]:
        """Where each record went; each kind's parts add up to what was seen."""
        return {kind: self._tally(kind) for kind in KINDS}

    def _tally(self, kind: Kind) -> Tally:
        fate: dict[str, str] = {}

        def settle(fates: Iterable[tuple[str, str]]) -> None:
            for erp_id, word in fates:
                fate.setdefault(erp_id, word)

        plans = (self.first, self.last)
        mine = [c for p in plans for c in p.changes if c.kind == kind]
        settle((r.erp_id, "rejected") for p in plans for r in p.rejections if r.kind == kind and r.row)
        settle((r.erp_id, "rejected") for r in self.refused if r.kind == kind)
        settle((c.erp_id, "conflict") for p in plans for c in p.conflicts if c.kind == kind)
        settle((b.erp_id, "held") for p in plans for b in p.blocks if b.kind == kind)
        settle((c.erp_id, "held") for c in (*self.last.changes, *self.held_back) if c.kind == kind and c.hold)
        settle((c.erp_id, "written") for c in self.written if c.kind == kind)
        settle((c.erp_id, "skipped") for c in mine)
        settle((n.erp_id, "skipped") for p in plans for n in p.notices if n.kind == kind)
        settle((erp_id, "skipped") for k, erp_id in self.first.missing if k == kind)
        seen = self.first.seen.get(kind, ())
        ended = self._inactive(kind)
        idle = self._idle_word(kind)
        words = Counter(fate.get(i) or ("skipped" if i in ended else idle) for i in seen)
        return Tally(seen=len(seen), **words)

    def _idle_word(self, kind: Kind) -> str:
        """What became of records nothing is said of: unchanged, unless their kind could not be compared."""
        compared = self.observed is not None and kind in self.observed.complete_edusign
        return "unchanged" if compared else "skipped"

    def _inactive(self, kind: Kind) -> frozenset[str]:
        if self.observed is None:
            return frozenset()
        return frozenset(e.id for e in self.observed.entries.get(kind, ()) if e.ended)


def held(made: Plan) -> int:
    """What of a plan waits for a person."""
    return sum(1 for c in made.changes if c.hold) + len(made.blocks)


def verbs(changes: Iterable[Change]) -> dict[str, int]:
    """How many changes of each verb."""
    return dict(Counter(c.verb for c in changes))


def time_to_write(made: Plan) -> timedelta:
    """About how long writing a plan takes, at the pace Edusign allows (R34)."""
    return timedelta(minutes=sum(_REQUESTS.get(c.verb, 0) for c in made.writable) / REQUESTS_PER_MINUTE)


def mails(made: Plan, now: datetime) -> int:
    """How many mails a plan may cause (R33).

    Creates never mail credentials. Where the school mails signature links, a sheet that is made, or moved, to
    begin within the hour mails them to its learners at once (documented; whether it does is not told).
    """
    return sum(mailed(change_view(c), now) for c in made.writable if c.kind == "sheet")


def mailed(change: ChangeView, now: datetime) -> int:
    """How many mails one change may cause, written now."""
    start = change.after.get("start")
    if change.kind != "sheet" or not isinstance(start, str):
        return 0
    if datetime.fromisoformat(start) - now > MAILED_AT_ONCE:
        return 0
    learners = change.after.get("learners")
    return len(learners) if isinstance(learners, list) else change.people


def counted(changes: Iterable[ChangeView]) -> dict[str, Any]:
    """The counts of a PlanView with these changes: per verb, held, skipped."""
    given = tuple(changes)
    skipped = [c for c in given if c.hold.startswith(SKIPPED)]
    return {
        "counts": dict(Counter(c.verb for c in given if not c.hold.startswith(SKIPPED))),
        "held": sum(1 for c in given if c.hold) - len(skipped),
        "skipped": len(skipped),
    }


def decided(plan: PlanView, ids: Collection[str], hold: str) -> PlanView:
    """The plan with `hold` on these changes ("" where they may go on), until the next plan says so itself."""
    changes = tuple(c.model_copy(update={"hold": hold}) if c.id in ids else c for c in plan.changes)
    before, after = counted(plan.changes), counted(changes)
    # Pairs that block a create are held too, and are no changes.
    return plan.model_copy(
        update={"changes": changes, **after, "held": plan.held - before["held"] + after["held"]}
    )


def plan_view(
    made: Plan,
    connection: str,
    order: Order,
    made_at: datetime,
    faults: Iterable[str],
    stale: tuple[str, ...],
) -> PlanView:
    """The plan as the API shows it; what this order alone did not ask for is pending like the rest."""
    unasked = (NOT_CHOSEN, NOT_ASKED)
    changes = (c.model_copy(update={"skip": ""}) if c.skip in unasked else c for c in made.changes)
    made = made.model_copy(update={"changes": tuple(changes)})
    return PlanView(
        id=f"p{order.run_id}",
        connection=connection,
        flow=order.flow,
        hash=made.hash,
        made_at=made_at,
        changes=tuple(change_view(c) for c in made.changes),
        counts=verbs(c for c in made.changes if not c.skip),
        skipped=sum(1 for c in made.changes if c.skip),
        held=held(made),
        rejected=sum(1 for r in made.rejections if r.row),
        conflicts=len(made.conflicts),
        mails=mails(made, made_at),
        faults=tuple(faults),
        stale=stale,
    )


def run_view(
    account: Account,
    connection: str,
    order: Order,
    *,
    state: RunState,
    started: datetime,
    ended: datetime | None,
    requests: Mapping[str, int],
    faults: Iterable[str],
    messages: Iterable[str],
    progress: ProgressView | None,
) -> RunView:
    """The run as the API shows it; its records are accounted for once it has `ended`."""
    tally = account.tally() if ended else {}
    return RunView(
        id=order.run_id,
        connection=connection,
        flow=order.flow,
        occurrence=order.occurrence,
        trigger=order.trigger,
        actor=order.actor,
        state=state,
        started=started,
        ended=ended,
        observed=account.observed.counts() if account.observed else {},
        changes=verbs(account.written),
        rejected=sum(t.rejected for t in tally.values()),
        held=account.held,
        conflicts=len(account.last.conflicts),
        skipped=sum(t.skipped for t in tally.values()),
        requests=dict(requests),
        accounting={kind: {n: v for n, v in t.model_dump().items() if v} for kind, t in tally.items()},
        faults=tuple(dict.fromkeys(faults)),
        message="; ".join(messages),
        progress=progress,
    )
