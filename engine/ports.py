"""What the engine asks of the outside: an ERP, an attendance platform, and how each may fail.

Connectors implement these protocols; the engine never learns a vendor's words for anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Literal, Protocol, TypeAlias

from pydantic import BaseModel

from engine.attendance import Attendance, Carried, FormRow, Reason, RollCalls, Standing
from engine.clock import Clock
from engine.records import Entry, Frozen, Kind, Record, Seen, Sheet

System: TypeAlias = Literal["erp", "edusign"]
Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Called with (what is being read, done, total or None) while a listing goes on."""


first_in_line: ContextVar[bool] = ContextVar("first_in_line", default=False)
"""Set around whatever takes what a request budget has left before all others do: the absence export (R35)."""


class FaultCode(StrEnum):
    """Why a call did not give what was asked; one code per cause, so that each has its own advice."""

    unauthorized = "unauthorized"  # 401: the key or token is not accepted
    payment_required = "payment_required"  # 402: no subscription, or a plan without the API
    forbidden = "forbidden"  # 403: the key lacks the right for this route
    not_found = "not_found"  # 404 on a route (a missing record is an answer, not a fault)
    throttled = "throttled"  # 429, should a server ever send it
    server_error = "server_error"  # 5xx other than the gateway's
    bad_gateway = "bad_gateway"  # 502, 503, 504: something in front of the server
    not_json = "not_json"  # 200 with a page of HTML or other text where JSON was due
    refused = "refused"  # understood and refused: an error envelope
    truncated = "truncated"  # a listing broke off: a short page before the last, or a body cut short
    repeated_page = "repeated_page"  # a page that came before came again
    timed_out = "timed_out"  # a read went unanswered
    outcome_unknown = "outcome_unknown"  # a write went unanswered: it may have been done
    unreachable = "unreachable"  # no connection: nothing was sent
    drift = "drift"  # a field this connector maps is gone or of another shape
    swapped_dates = "swapped_dates"  # dates are read there in another order: another week would be synced
    no_file = "no_file"  # an export that is due does not lie there
    half_written = "half_written"  # a file that is still being written, or was cut
    unreadable = "unreadable"  # a file that is no table, or too large to be one
    heading_gone = "heading_gone"  # a heading of a file was renamed, is gone, or stands twice
    own_only = "own_only"  # the account is shown its own records only, and the rest is silently missing


class Fault(Exception):
    """A call that failed, said so that a person can act.

    `came` is at most 60 printable characters of what arrived. `pages_read`/`pages_seen` are set on listings
    (`pages_seen` None: no total is given). `committed` says whether a write may have taken effect:
    "no" it certainly has not, "unknown" it must be probed. `record` is "kind id" where one record was meant.
    """

    def __init__(
        self,
        code: FaultCode,
        *,
        system: System,
        route: str,
        came: str = "",
        pages_read: int | None = None,
        pages_seen: int | None = None,
        committed: Literal["no", "unknown"] = "no",
        record: str = "",
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(f"{code.value} {system} {route}: {came}")
        self.code = code
        self.system = system
        self.route = route
        self.came = came
        self.pages_read = pages_read
        self.pages_seen = pages_seen
        self.committed = committed
        self.record = record
        self.retry_after = retry_after


class Scope(Frozen):
    """What a run looks at: local dates, both included, in the connection's IANA zone."""

    first: date
    last: date
    zone: str


class Listing(Frozen):
    """Every record of one kind that one side showed, or as much of it as arrived.

    `complete` only if every page arrived and nothing contradicted it; otherwise `fault` says why and absence
    from `entries` (or `seen`) proves nothing (R13). `pages` counts the pages read. `left_out`: records the ERP
    showed and the connector's own filters do not mean; they are never planned for, but explain why somebody is
    not there.
    """

    kind: Kind
    entries: tuple[Entry, ...] = ()
    seen: tuple[Seen, ...] = ()
    left_out: tuple[Entry, ...] = ()
    complete: bool = True
    fault: str = ""  # FaultCode value, "" when complete
    fault_line: str = ""  # the fault as one line for a person
    pages: int = 0


class Sighting(Frozen):
    """Answer to "is this one ERP record still there?" (R13).

    `alive` with `entry` when it was shown, `gone` when the ERP answered and it was not there, `unknown` when
    the ERP has no narrower place to look or did not answer.
    """

    state: Literal["alive", "gone", "unknown"]
    entry: Entry | None = None


class School(Frozen):
    """The Edusign school behind the key. `connector`: Edusign's own ERP connector, "" when none is on (R44)."""

    id: str
    name: str
    zone: str
    connector: str = ""


class Finding(Frozen):
    """One line of `check`: what was tried, whether it held, and what to do when it did not."""

    what: str
    ok: bool
    detail: str = ""
    advice: str = ""


class Capability(Frozen):
    """One thing a connector can do, and how sure that is."""

    name: str  # "read learners", "write absences" …
    certainty: Literal["documented", "seen", "inferred", "unknown"]
    source: str
    on: bool = True
    why_off: str = ""


class ErpAttendance(Protocol):
    """The part of an ERP that takes attendance. Sessions, people and reasons are the ERP's own keys."""

    carries: frozenset[Carried]
    """What its write can say; nothing where absences can only be read, so that people bring them in by hand."""

    async def reasons(self) -> tuple[Reason, ...]:
        """The ERP's reasons, those an administrator named where it has no list. May raise Fault."""
        ...

    async def standing(self, sessions: tuple[Sheet, ...], scope: Scope) -> Standing:
        """What the ERP holds now for these sessions (its own records, with their learners), with as few
        requests as it allows; never raises Fault. Rows that overlap a session stand for it, whoever made
        them."""
        ...

    async def write(
        self, session: Sheet, wanted: tuple[Attendance, ...], standing: tuple[Attendance, ...]
    ) -> None:
        """Make one session's attendance stand as `wanted` for exactly those people, and nobody else.

        `standing` are the rows of the same people as they were read last: those may be replaced or removed,
        other rows never. "present" without lateness or leaving means that no row of ours is left where the
        ERP notes absences only. Twice the same is once. Raises Fault; `committed` "unknown" where it may
        have been done.
        """
        ...


class AttendanceForm(Protocol):
    """For an ERP that takes no write: the file its people import by hand."""

    def form(self, rows: tuple[FormRow, ...]) -> tuple[str, bytes]:
        """(file name, content) in the vendor's import form."""
        ...


class Erp(Protocol):
    """A school's planning software. Planning is read-only; `attendance` is what the absence export writes."""

    attendance: ErpAttendance | None
    """Where absences are written; None where the ERP takes none, or the write is switched off."""
    form: AttendanceForm | None
    """How people bring absences in by hand; None where there is only our own list."""

    requests: Mapping[str, int]
    """Requests sent since opening, by route template."""
    capabilities: tuple[Capability, ...]
    silent: Mapping[Kind, frozenset[str]]
    """Fields this ERP never speaks of: they are neither compared nor cleared."""
    keys_move: bool
    """Whether it names a session by what it is (course, start): a moved one then has another key (R12)."""

    async def listing(self, kind: Kind, scope: Scope, progress: Progress | None = None) -> Listing:
        """All records of `kind` (for sheets: sessions of `scope`) as `entries`; never raises Fault, but
        returns an incomplete listing. Asked in the order of KINDS within a run; what one answer already
        showed (group members come with learners) is not asked again until `begin`."""
        ...

    async def begin(self, scope: Scope) -> None:
        """A new run starts: forget what earlier listings brought."""
        ...

    async def find(self, kind: Kind, erp_id: str, scope: Scope, last: Record | None) -> Sighting:
        """Look for one record where a listing missed it: a single read where there is one, else the narrowest
        listing that would show it (for a session: the planning of one of `last`'s learners)."""
        ...

    async def check(self) -> tuple[Finding, ...]:
        """Credentials, rights, and a sample of each listing."""
        ...

    async def close(self) -> None: ...


class AttendancePlatform(Protocol):
    """Edusign, as the engine uses it. Ids are Edusign ids; roster elements are Edusign ids.

    Every method may raise Fault; on a write `Fault.committed` tells whether it may have taken effect.
    """

    requests: Mapping[str, int]
    capabilities: tuple[Capability, ...]
    skew: timedelta | None
    """Edusign's clock minus ours, from the last Date header; None before the first answer (R24)."""

    @property
    def budget_left(self) -> int:
        """Requests that may still be sent in the current minute without being slowed."""
        ...

    async def begin(self, scope: Scope) -> None:
        """A new run starts."""
        ...

    async def school(self) -> School: ...

    async def listing(self, kind: Kind, scope: Scope, progress: Progress | None = None) -> Listing:
        """All live records of `kind` (sheets: those of `scope`) as `seen`; a Fault ends in an incomplete
        listing instead of being raised. Archived people are not listed."""
        ...

    async def sheets_of_group(self, group_id: str, scope: Scope) -> Listing:
        """The sheets of `scope` that carry one group (R20: what a membership change may have cascaded to)."""
        ...

    async def roll_calls(self, scope: Scope, progress: Progress | None = None) -> RollCalls:
        """How everybody stood on every sheet of `scope`, with justified absences joined and the school read
        anew; a Fault ends in an incomplete answer instead of being raised."""
        ...

    async def absence_reasons(self) -> tuple[Reason, ...]:
        """The school's reasons for an absence."""
        ...

    async def read(self, kind: Kind, id: str) -> Seen | None:
        """One record, archived ones included; None when Edusign says it has none."""
        ...

    async def read_many(self, kind: Kind, ids: tuple[str, ...]) -> dict[str, Seen]:
        """Several records with as few requests as the platform allows; ids it does not know are left out."""
        ...

    async def id_by_api_id(self, kind: Kind, api_id: str) -> str | None:
        """The Edusign id carrying this external key, archived ones included; None when there is none."""
        ...

    async def by_email(self, kind: Kind, email: str) -> Seen | None:
        """The person with this e-mail, archived ones included; None when there is none."""
        ...

    async def create(self, record: Record, api_id: str, api_type: str) -> str:
        """Create (a sheet with its explicit roster; a person without any mail, R33); the new Edusign id.

        `record.id` is ignored."""
        ...

    async def update(self, record: Record, fields: frozenset[str], api: tuple[str, str] | None = None) -> None:
        """Write `fields` of the whole intended `record` (`record.id` is the Edusign id); what the platform
        requires beside them is taken from `record` too. `api` also stamps (API_ID, API_TYPE).
        A sheet's `learners` are never changed here, but sent as they stand where leaving them out might
        have the platform fill the sheet anew."""
        ...

    async def archive(self, kind: Kind, id: str) -> None:
        """Archive a person. Nothing is deleted."""
        ...

    async def restore(self, kind: Kind, id: str) -> None:
        """Bring an archived person back."""
        ...

    async def withdraw(self, sheet_id: str) -> None:
        """Delete a sheet that bears nothing (R15)."""
        ...

    async def add_to_sheet(self, sheet_id: str, learner_id: str) -> None:
        """Put one learner on a sheet by the attendance route; being there already is success."""
        ...

    async def remove_from_sheet(self, sheet_id: str, learner_id: str) -> None:
        """Take one learner off a sheet by the attendance route; being absent already is success."""
        ...

    async def check(self) -> tuple[Finding, ...]: ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Surroundings:
    """What a connector is given beside its own settings.

    `transport` is an httpx transport, None for the network's own; `secret` resolves a reference
    (`env:NAME`, `file:PATH`, `systemd:NAME`) to its text.
    """

    connection: str
    zone: str
    country: str
    clock: Clock
    secret: Callable[[str], str]
    transport: Any = None


NO_EFFECT_ON_PLANS: dict[str, Any] = {"fingerprint": False}
"""`json_schema_extra` of a setting that changes no plan: altering it gathers nothing in a hold (R31)."""


class Connector(Protocol):
    """What the entry point group `rollcall.connectors` names."""

    name: str
    system: System
    settings: type[BaseModel]
    """Frozen pydantic model of this connector's own table in the configuration; secrets as references."""
    horizon_days: int
    """Default horizon of an import, in days from today, today included."""
    example: Mapping[str, Any]
    """Settings of a school that does not exist: what opens with them tells what the connector can do before
    anybody has configured it. Nothing is sent."""

    def open(self, settings: BaseModel, surroundings: Surroundings) -> Erp | AttendancePlatform:
        """A client, nothing sent yet."""
        ...
