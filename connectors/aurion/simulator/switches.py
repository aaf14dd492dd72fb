"""What the reference leaves open about Auriga, one switch each."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

DEMO_PASSWORD = "auriga-demo-password"


class AurionSwitches(BaseModel):
    """Each comment says how sure its choice is: documented, seen in client code, (I) inferred, (U) unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Documented: what a connector is given.
    realm: str = "demo"
    client_id: str = "edusign"
    # Empty: the same as the password.
    client_secret: str = ""
    user: str = "svc-edusign"
    password: str = DEMO_PASSWORD
    # Seen: seconds an access token lives, and that refresh tokens rotate; (U) how long those live.
    token_seconds: float = 60.0
    refresh_seconds: float = 1800.0
    rotates: bool = True
    # Seen: what an expired token brings.
    expired: Literal["401", "403", "html", "redirect"] = "401"
    # (I) Whether this user may run the saved queries.
    may_query: bool = True
    # Seen: pages of 100, and of 300; (U) the most lines at once.
    largest_page: int = 300
    # (U) Whether an answer tells how many lines there are in all.
    total: bool = True
    # Seen: the first cell of a line is its own id; (I) as a column of the query, or before its columns.
    first_cell: Literal["column", "before"] = "column"
    # (I) Lines of interventions: one per learner and instructor, or one per population and instructor.
    lines: Literal["learner", "population"] = "learner"
    # (I) An answer's columns are those of the query that was sent, or of the one that is saved.
    columns_of: Literal["sent", "saved"] = "sent"
    # (U) Whether an answer names its columns.
    names_columns: bool = True
    # Seen: texts in several languages are objects; numbers may be texts.
    languages: bool = True
    numbers: Literal["numbers", "texts"] = "texts"
    # (U) Times in lines: UTC, with an offset, or the school's wall time in two spellings.
    times: Literal["utc", "offset", "wall", "slashed"] = "utc"
    # (I) Days from today that the query of interventions was saved for.
    days: int = 14
    # (I) Whether a departure takes the learner off the interventions after it.
    departed_off_sessions: bool = True
    # (U) One intervention that is not there.
    unknown: Literal["not_found", "empty"] = "not_found"
    # (U) Whose planning the service account sees.
    planning: Literal["all", "none"] = "all"
    # Seen: instructors of a planning have an id, or only names.
    instructor_ids: bool = True
    # Seconds before each answer.
    latency: float = 0.0
