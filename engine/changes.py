"""The words of a plan: changes, and what else planning finds for a person."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any, Literal, TypeAlias

from pydantic import Field

from engine.records import Frozen, Kind, Value, plain

Verb: TypeAlias = Literal[
    "create", "update", "link", "restore", "archive", "withdraw", "add", "remove", "seal", "unlink"
]
REMOVALS: frozenset[Verb] = frozenset({"archive", "withdraw"})

FOREIGN = "edusign:"
"""Prefix of a roster token that stands for a person no ERP record is linked to."""


class Change(Frozen):
    """One intended write.

    `before`/`after` hold the touched fields in the engine's space: instants in UTC, rosters and references as
    tokens (ERP keys; `edusign:ID` for people without one). For `add` and `remove` they hold {"learners": the
    one token}. `base_after` overrides what a field's base becomes once written (default: what was sent).
    `overwrites` are fields a person had changed in Edusign: each earns a notice with both values (R02).
    `bites_at` is the next session it spoils (R36), `people` for how many.
    """

    verb: Verb
    kind: Kind
    erp_id: str
    edusign_id: str = ""
    label: str = ""
    before: dict[str, Any] = Field(default_factory=dict)
    after: dict[str, Any] = Field(default_factory=dict)
    base_after: dict[str, Any] = Field(default_factory=dict)
    overwrites: tuple[str, ...] = ()
    reason: str = ""
    rule: str = ""
    bites_at: datetime | None = None
    people: int = 0
    groups: tuple[str, ...] = ()
    api_id: str = ""
    stamp: bool = False
    read_only: bool = False
    hold: str = ""
    skip: str = ""

    @property
    def key(self) -> tuple[Kind, str]:
        return (self.kind, self.erp_id)

    @property
    def id(self) -> str:
        """Stable name of exactly this write: record, verb, before and after (R30)."""
        # A create names no Edusign record; one that was found in its way does not make it another write.
        edusign_id = "" if self.verb == "create" else self.edusign_id
        return digest([self.verb, self.kind, self.erp_id, edusign_id, jsonable(self.before),
                        jsonable(self.after)])[:12]  # fmt: skip

    @property
    def token(self) -> str:
        """The roster element of an `add` or `remove`."""
        (token,) = self.after.get("learners") or self.before["learners"]
        return str(token)


class Conflict(Frozen):
    """Both sides changed a contact field since the base, differently (R03)."""

    kind: Kind
    erp_id: str
    edusign_id: str
    label: str
    field: str
    erp: str
    base: str | None
    edusign: str


class Task(Frozen):
    """Edusign alone holds a newer contact value: to be corrected in the ERP (R02)."""

    kind: Kind
    erp_id: str
    edusign_id: str
    label: str
    field: str
    erp: str
    edusign: str
    where: str = ""


class Rejection(Frozen):
    """A record (`row`) or value that cannot be synced, and where a person would correct it."""

    kind: Kind
    erp_id: str
    label: str
    code: str
    field: str
    evidence: str = ""
    where: str = ""
    row: bool = True


class Block(Frozen):
    """A probable but unproven pair: one create waits for `same` or `different` (R09)."""

    kind: Kind
    erp_id: str
    edusign_id: str
    label: str
    other: str
    code: str
    erp_email: str = ""
    edusign_email: str = ""
    choices: tuple[str, ...] = ("same", "different")


class Notice(Frozen):
    """Something a person should know of a record, that nobody needs to settle."""

    kind: Kind
    erp_id: str
    edusign_id: str
    label: str
    code: str
    data: dict[str, Any] = Field(default_factory=dict)


class BaseMove(Frozen):
    """The base follows what both sides agree on already; nothing is written to either."""

    kind: Kind
    erp_id: str
    base: dict[str, Any]


class Hold(Frozen):
    """Changes stopped by one brake, waiting for approval."""

    cause: str
    kind: Kind | None
    explanation: str
    changes: tuple[Change, ...]
    data: dict[str, Any] = Field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.cause}:{self.kind}" if self.kind else self.cause


class Tally(Frozen):
    """Where each record of one kind went: the accounting of a run."""

    seen: int = 0
    unchanged: int = 0
    written: int = 0
    rejected: int = 0
    held: int = 0
    conflict: int = 0
    skipped: int = 0

    @property
    def balanced(self) -> bool:
        parts = self.unchanged + self.written + self.rejected + self.held + self.conflict + self.skipped
        return self.seen == parts


class Plan(Frozen):
    """What one run would do, and what it found for people. `changes` are in the order of writing (R34)."""

    changes: tuple[Change, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    tasks: tuple[Task, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    blocks: tuple[Block, ...] = ()
    notices: tuple[Notice, ...] = ()
    base_moves: tuple[BaseMove, ...] = ()
    missing: tuple[tuple[Kind, str], ...] = ()
    """Linked records absent from a complete observation, not yet gone (R13)."""
    found_again: tuple[tuple[Kind, str], ...] = ()
    holds: tuple[Hold, ...] = ()
    seen: dict[Kind, tuple[str, ...]] = Field(default_factory=dict)
    """Every ERP key each kind accounts for."""

    @property
    def hash(self) -> str:
        """Of the changes alone, in any order: equal inputs, equal hash."""
        return digest(sorted(change.id for change in self.changes))[:16]

    @property
    def writable(self) -> tuple[Change, ...]:
        return tuple(c for c in self.changes if not c.hold and not c.skip)


def jsonable(values: dict[str, Value]) -> dict[str, Any]:
    """Field values as JSON holds them."""
    return {field: plain(value) for field, value in sorted(values.items())}


def digest(content: object) -> str:
    """The same for the same JSON content, whatever the order of its keys: hexadecimal SHA-256."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
