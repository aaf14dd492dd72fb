"""What is unknown of an Ammon school's exports, and what may go wrong with them, one switch each."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

DEMO_USER = "rollcall"
DEMO_PASSWORD = "ammon-demo-password"


class AmmonSwitches(BaseModel):
    """(T) the vendor's own template, (C) seen in client code, (I) inferred, (U) unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: str = DEMO_USER
    password: str = DEMO_PASSWORD
    # (C) Saved views are exported as legacy .xls; a school may choose another form (U).
    people: Literal["xls", "xlsx", "csv"] = "xls"
    # (U) The school's own layout of sessions: one row each, or one per session and learner.
    sessions: Literal["xlsx", "csv"] = "xlsx"
    rows: Literal["session", "learner"] = "session"
    # (U) A csv's encoding.
    encoding: Literal["utf-8-sig", "cp1252"] = "utf-8-sig"
    # (T) Codes of more than 12 characters are cut.
    long_codes: bool = False
    # Somebody renamed headings: old → new.
    renamed: dict[str, str] = Field(default_factory=dict)
    # A file (part of its name) that is cut in the middle, or is not there.
    half_written: str = ""
    missing: str = ""
    # Seconds before each answer.
    latency: float = 0.0
