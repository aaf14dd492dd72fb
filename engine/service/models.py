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


class PlanHead(View):
    """A plan without its changes; see PlanView. `total`: how many changes it has, `held`: of these."""

    id: str
    connection: str
    flow: str
    hash: str
    made_at: datetime
    total: int = 0
    counts: dict[str, int] = Field(default_factory=dict)
    skipped: int = 0
    held: int = 0
    rejected: int = 0
    conflicts: int = 0
    mails: int = 0
    faults: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()


class ChangeRow(View):
    """One change of a connection's newest plan. `item`: the open hold that stops it, with its `revision`;
    "" when none does. `mails`: signature links it may have mailed at once, written now (R33)."""

    connection: str
    plan: str
    change: ChangeView
    item: str = ""
    revision: int = 0
    mails: int = 0


class ChangePage(View):
    """Changes of the newest plans, `offset` on: connections by name, within one what is left out last, else the
    soonest bite first.

    `total`: changes there are; `found`: those that match the query. The numbers of two pages go together as
    long as the ids of `plans` are the same.
    """

    plans: tuple[PlanHead, ...] = ()
    total: int = 0
    found: int = 0
    offset: int = 0
    rows: tuple[ChangeRow, ...] = ()


class ChangeRef(View):
    """As much of a ChangeRow as deciding on many at once needs."""

    connection: str
    plan: str
    id: str
    verb: str
    kind: str
    label: str = ""
    hold: str = ""
    item: str = ""
    revision: int = 0
    mails: int = 0


class PlanView(View):
    """What a run would do. `hash` is of the changes alone: the same changes, the same hash. `counts`: per verb,
    those that are `skipped` (left out for a reason of their own) not among them. `mails`: signature links it
    may have mailed at once, to learners of sheets that begin within the hour (R33)."""

    id: str
    connection: str
    flow: str
    hash: str
    made_at: datetime
    changes: tuple[ChangeView, ...] = ()
    counts: dict[str, int] = Field(default_factory=dict)
    skipped: int = 0
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


class CapabilityView(View):
    """One thing a connector can do: how sure that is, by what source, and whether it is on.

    `connection` is "" where the connector is told of as it comes, not as a connection has it."""

    connector: str
    connection: str = ""
    name: str
    certainty: Literal["documented", "seen", "inferred", "unknown"]
    source: str
    on: bool
    why_off: str = ""


class ConnectorsView(View):
    """Every connector installed, as it comes and as each connection has it. `problems`: those that could not
    be opened, each as a line."""

    capabilities: tuple[CapabilityView, ...] = ()
    problems: tuple[str, ...] = ()


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
    off: tuple[str, ...] = ()
    """Capabilities of either side's connector that are switched off."""
    unverified: tuple[str, ...] = ()
    """Writes that are on, although no document and no client shows them."""


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


class EventMap(View):
    """Where the events of a query lie, so that any page of them can be asked for at once.

    `query`: what was asked, its durations made instants, so that whatever is asked with it later agrees with
    the map. `found` events match; page n of `page` events, oldest first, begins at seq `anchors[n]` (ask for
    events `after` the one before it). `seq`: the log's last when this was drawn, and the last that is
    counted; `epoch`: the one it is of, the newest. Events of earlier epochs are not on the map.
    """

    query: str
    epoch: int
    seq: int
    found: int
    page: int
    anchors: tuple[int, ...] = ()


SheetTrouble: TypeAlias = Literal[
    "no_learners", "no_speaker", "no_session", "no_sheet", "other_time", "other_room"
]


class SheetView(View):
    """A sheet of the horizon beside its session; either may be missing.

    `start`, `end`, `room`, `learners` (how many), `groups` and `speakers` (names) are the sheet's, or the
    session's where there is no sheet. `session_*` are what the ERP says, None or "" without a session;
    `expected`: learners of the session. `why_not`: why the sheet may not be written now, "" when it may (R18).
    """

    connection: str
    erp_id: str = ""
    edusign_id: str = ""
    label: str = ""
    start: datetime | None = None
    end: datetime | None = None
    room: str = ""
    groups: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    learners: int = 0
    session_start: datetime | None = None
    session_end: datetime | None = None
    session_room: str = ""
    expected: int = 0
    signed: int = 0
    speaker_signed: bool = False
    locked: bool = False
    state: Literal["coming", "running", "over"] = "coming"
    troubles: tuple[SheetTrouble, ...] = ()
    why_not: str = ""


class TodayView(View):
    """Today's sheets of one connection, by its own date. `read_at`: when both sides were last read in a run,
    None before that. `troubles`: how many sheets have each; `rows`: the sheets that have any, by start."""

    connection: str
    date: date
    read_at: datetime | None = None
    sheets: int = 0
    begun: int = 0
    troubles: dict[str, int] = Field(default_factory=dict)
    rows: tuple[SheetView, ...] = ()


class FieldView(View):
    """One field of a record on both sides: as each gave it, and in the form in which they are compared (R05).

    References between records are shown by name. `state`: "equal"; "erp", "edusign" or "both" for who changed
    it since the base; "unagreed" where they differ and there is no base; "silent" where the ERP never speaks
    of it; "alone" where only one side has the record.
    """

    field: str
    erp: Any = None
    base: Any = None
    edusign: Any = None
    erp_canonical: Any = None
    edusign_canonical: Any = None
    state: Literal["equal", "erp", "edusign", "both", "unagreed", "silent", "alone"] = "equal"


class MemberView(View):
    """One person of a group or sheet, and who says so. `signed` concerns sheets."""

    kind: str
    label: str
    erp_id: str = ""
    edusign_id: str = ""
    in_erp: bool = False
    in_base: bool = False
    in_edusign: bool = False
    signed: bool = False


class RecordView(View):
    """One record as last read on both sides. `read_at`: when; `fresh`: read for this very answer.

    `problems`: what is wrong with the ERP's record, in words, with its evidence. `where`: where a person would
    correct it in the ERP. `ended`: the ERP says it left or is cancelled. `missing`: occurrences whose complete
    observation lacked it (R13). `sheet`: of a sheet, what its list shows of it. `sheets`: of people and
    groups, their next ones. `items` are its open items, `changes` those of the newest plan.
    """

    connection: str
    kind: str
    erp_id: str = ""
    edusign_id: str = ""
    label: str = ""
    read_at: datetime | None = None
    fresh: bool = False
    in_erp: bool = False
    in_edusign: bool = False
    linked: bool = False
    read_only: bool = False
    archived: bool = False
    shared: bool = False
    ended: bool = False
    api_id: str = ""
    api_type: str = ""
    where: str = ""
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    fields: tuple[FieldView, ...] = ()
    members: tuple[MemberView, ...] = ()
    sheet: SheetView | None = None
    sheets: tuple[SheetView, ...] = ()
    items: tuple[ItemView, ...] = ()
    changes: tuple[ChangeView, ...] = ()


class FoundView(View):
    """One record that a search found. `detail`: its e-mail, or a sheet's start. `state`: "linked", "erp" or
    "edusign" (only there)."""

    connection: str
    kind: str
    erp_id: str = ""
    edusign_id: str = ""
    label: str = ""
    detail: str = ""
    state: Literal["linked", "erp", "edusign"] = "linked"


class WhyStep(View):
    """One thing a record must pass to stand in Edusign: what it is, whether it passes, what was seen and when
    (None: the question has no age)."""

    what: str
    state: Literal["passes", "stops", "unknown"]
    said: str = ""
    at: datetime | None = None


class WhyView(View):
    """Why a record isn't in Edusign, or that it is.

    `cause` names the first thing that stops it, "there" when nothing does: one of engine.why.CAUSES. `said` is
    the answer in a sentence, `evidence` what it stands on, `will` what will make the record appear, `next_at`
    when that is tried next by itself (None: not by itself). `erp_at` and `edusign_at`: when each side last
    showed it, None where it never did. `item`: the open item to settle, "" for none. `fresh`: read just now.
    """

    connection: str
    kind: str
    erp_id: str = ""
    edusign_id: str = ""
    label: str = ""
    cause: str
    rule: str = ""
    said: str
    evidence: str = ""
    will: str = ""
    next_at: datetime | None = None
    erp_at: datetime | None = None
    edusign_at: datetime | None = None
    item: str = ""
    fresh: bool = False
    steps: tuple[WhyStep, ...] = ()


AbsenceState: TypeAlias = Literal["delivered", "due", "waiting", "held", "by_hand", "theirs"]


class AbsenceView(View):
    """One attendance of the absence export: of one person on one sheet, or of all `people` of a sheet.

    `state`: "delivered" to the ERP; "due" at the next export; "waiting", "held" for a person, "by_hand" to be
    reported by a person; "theirs": the ERP's people said otherwise, and their word stands. `why` is a code,
    `summary` the same in words. `id` is what `tick` takes.

    `attendance`: absent, present, excluded or "" where a whole sheet is meant. `erp`: what stands in the ERP
    where it differs, in words. `at`: when it was delivered. `item`: the open hold that stops it, with its
    `revision` and the `change` in it. `found`: whether the ERP showed what was ticked, None while nobody knows.
    """

    id: str
    connection: str
    state: AbsenceState
    why: str = ""
    summary: str = ""
    sheet: str = ""
    session: str = ""
    about: str = ""
    start: datetime | None = None
    end: datetime | None = None
    kind: str = ""
    person: str = ""
    erp_id: str = ""
    label: str = ""
    people: int = 0
    attendance: str = ""
    words: str = ""
    late: int = 0
    left_early: int = 0
    justified: bool = False
    reason: str = ""
    erp: str = ""
    at: datetime | None = None
    run_id: str = ""
    item: str = ""
    revision: int = 0
    change: str = ""
    ticked_by: str = ""
    ticked_at: datetime | None = None
    found: bool | None = None


class MeView(View):
    """Who asks, and the most they may do."""

    actor: str
    role: Literal["viewer", "operator", "approver", "admin"]


class DashboardView(View):
    """Everything a console's first screen shows, in one answer.

    `items`: open ones, soonest bite first, at most 200 of `items_total`, the changes of holds left out.
    `events`: the log's last, oldest first.
    """

    me: MeView
    status: StatusView
    items: tuple[ItemView, ...] = ()
    items_total: int = 0
    today: tuple[TodayView, ...] = ()
    events: tuple[EventView, ...] = ()


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


class TickRequest(View):
    """Say that absences were reported by hand, by their ids; with `done` false, that they were not."""

    ids: tuple[str, ...]
    done: bool = True


class FreezeRequest(View):
    connection: str = ""
    reason: str = ""


class SkipRequest(View):
    """Leave changes of a plan out for as long as they stay the same, or, with `skip` false, no longer."""

    plan: str
    changes: tuple[str, ...]
    skip: bool = True
    why: str = ""
