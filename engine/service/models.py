"""What the engine's API says, as pydantic models: all the console ever knows of the engine.

Instants are aware UTC. Texts from the outside are as the outside wrote them; whoever shows them uses
`engine.printable.printable`. Counts by name (`dict[str, int]`) leave zeros out.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field


class View(BaseModel):
    """Base of every answer and request of the API."""

    model_config = ConfigDict(frozen=True, extra="forbid")


ItemType: TypeAlias = Literal["conflict", "task", "hold", "rejection", "duplicate", "notice"]
RunState: TypeAlias = Literal["running", "done", "incomplete", "failed", "cancelled"]


class OccurrenceView(View):
    """A window on one local date. `starts` includes the connection's spread; `state`: "planned" or what
    became of it ("run", "running", "missed" with its `cause`)."""

    key: str
    flow: str
    window: str
    local_date: date
    starts: datetime
    ends: datetime
    state: str = "planned"
    cause: str = ""


class ProgressView(View):
    """Where a running run is: `what` it does, `done` of `total` (None: not known yet)."""

    what: str
    done: int = 0
    total: int | None = None


class RunView(View):
    """One execution of a flow.

    `observed`: records seen per side and kind ("erp.learner"). `changes`: written, per verb. `accounting`:
    per kind, seen = unchanged + written + rejected + held + conflict + skipped.
    """

    id: str
    connection: str
    flow: str
    occurrence: str = ""
    trigger: str = ""
    actor: str = ""
    state: RunState
    started: datetime
    ended: datetime | None = None
    observed: dict[str, int] = Field(default_factory=dict)
    changes: dict[str, int] = Field(default_factory=dict)
    rejected: int = 0
    held: int = 0
    conflicts: int = 0
    skipped: int = 0
    requests: dict[str, int] = Field(default_factory=dict)
    accounting: dict[str, dict[str, int]] = Field(default_factory=dict)
    faults: tuple[str, ...] = ()
    message: str = ""
    progress: ProgressView | None = None


class ChangeView(View):
    """One intended write. `before`/`after` hold the fields it touches, as JSON values."""

    id: str
    verb: str
    kind: str
    erp_id: str
    edusign_id: str = ""
    label: str = ""
    before: dict[str, Any] = Field(default_factory=dict)
    after: dict[str, Any] = Field(default_factory=dict)
    reason: str = ""
    rule: str = ""
    bites_at: datetime | None = None
    people: int = 0
    hold: str = ""


class PlanView(View):
    """What a run would do. `hash` is of the changes alone: the same changes, the same hash. `mails`: signature
    links it may have mailed at once, to learners of sheets that begin within the hour (R33)."""

    id: str
    connection: str
    flow: str
    hash: str
    made_at: datetime
    changes: tuple[ChangeView, ...] = ()
    counts: dict[str, int] = Field(default_factory=dict)
    held: int = 0
    rejected: int = 0
    conflicts: int = 0
    mails: int = 0
    faults: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    """After `apply`: changes of the plan that were no longer the same and were not written."""


class ItemView(View):
    """Something open that waits for a person, or that a person should know (R36).

    `choices` are what `decide` accepts. `revision` is the one a decision must name (R04). `changes` of a hold
    are its held changes. `where`: the field to correct and in which system.
    """

    id: str
    connection: str
    type: ItemType
    kind: str = ""
    erp_id: str = ""
    edusign_id: str = ""
    label: str = ""
    code: str = ""
    summary: str = ""
    where: str = ""
    choices: tuple[str, ...] = ()
    data: dict[str, Any] = Field(default_factory=dict)
    changes: tuple[ChangeView, ...] = ()
    opened_at: datetime
    bites_at: datetime | None = None
    people: int = 0
    revision: int = 1
    closed_at: datetime | None = None
    closed_by: str = ""
    outcome: str = ""


class FreezeView(View):
    """A stop of all writes: of one connection, or of all when `connection` is ""."""

    connection: str
    reason: str
    actor: str
    since: datetime


class ConnectionView(View):
    """How one connection stands."""

    name: str
    erp: str
    zone: str
    state: Literal["idle", "running", "frozen"]
    compare_only: bool = False
    freeze: FreezeView | None = None
    last_run: RunView | None = None
    running: RunView | None = None
    next: tuple[OccurrenceView, ...] = ()
    pending: dict[str, int] = Field(default_factory=dict)
    open: dict[str, int] = Field(default_factory=dict)
    linked: dict[str, int] = Field(default_factory=dict)
    budget_left: int | None = None


class StatusView(View):
    """The whole engine at a glance; `epoch` and `seq` are the log's last, from which a stream may follow."""

    version: str
    pid: int
    folder: str
    now: datetime
    started: datetime
    epoch: int
    seq: int
    frozen: FreezeView | None = None
    machine_lock: str = ""
    connections: tuple[ConnectionView, ...] = ()


class EventView(View):
    """One line of the log."""

    epoch: int
    seq: int
    ts: datetime
    level: str
    kind: str
    message: str
    connection: str = ""
    run_id: str = ""
    record_kind: str = ""
    erp_id: str = ""
    edusign_id: str = ""
    actor: str = ""
    data: dict[str, Any] = Field(default_factory=dict)


class EventPage(View):
    """Events newest first (oldest first when asked `after`). `more`: there are further ones that way."""

    events: tuple[EventView, ...] = ()
    more: bool = False
    next: int | None = None


class FindingView(View):
    """One line of `check`."""

    connection: str = ""
    what: str
    ok: bool
    detail: str = ""
    advice: str = ""


class Problem(View):
    """Why a request was not carried out. `code` is stable; `message` is one line for a person.

    Codes: usage, not_found, frozen, busy, stale (decided by somebody else: who and what in `message`),
    forbidden, failed.
    """

    code: str
    message: str


class PlanRequest(View):
    connection: str
    flow: str = "import"


class ApplyRequest(View):
    plan: str
    changes: tuple[str, ...] | None = None
    """Change ids to write; None means all that are not held."""


class RunRequest(View):
    connection: str
    flow: str = "import"
    only: str = ""
    """"KIND:ID" of one record by its ERP key (or Edusign id), "" for all."""


class DecideRequest(View):
    """`choice` is one of the item's; `value` where the choice wants one; `changes` narrows a hold to some."""

    item: str
    choice: str
    value: str = ""
    revision: int | None = None
    changes: tuple[str, ...] | None = None
    why: str = ""


class FreezeRequest(View):
    connection: str = ""
    reason: str = ""
