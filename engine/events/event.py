"""One line of the log."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeAlias

from pydantic import Field

from engine.records import Frozen

Level: TypeAlias = Literal["debug", "info", "notice", "warn", "error"]
LEVELS: tuple[Level, ...] = ("debug", "info", "notice", "warn", "error")


class Event(Frozen):
    """What happened, to which record, by whom. `message` is for a person, `data` for scripts (JSON values).

    `kind` is a word of the log's grammar: run, write, notice, rejection, hold, conflict, task, duplicate,
    decision, occurrence, freeze, fault, recovery, check, engine … `record_kind` is a Kind or "".
    """

    level: Level
    kind: str
    message: str
    connection: str = ""
    run_id: str = ""
    record_kind: str = ""
    erp_id: str = ""
    edusign_id: str = ""
    actor: str = ""
    data: dict[str, Any] = Field(default_factory=dict)


class Logged(Event):
    """An event as it stands in the log: numbered densely by `seq` under `epoch`, stamped `ts` (UTC)."""

    epoch: int
    seq: int
    ts: datetime
