"""What the reference leaves open about SC-Form, and its quirks, one switch each."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

DEMO_USER = "rollcall"
DEMO_PASSWORD = "scform-demo-password"


class ScFormSwitches(BaseModel):
    """Each comment says how sure its choice is: (S) the vendor's document as summarised, (C) seen in client
    code, (I) inferred, (U) unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product: Literal["GaliaEDC", "GessicaEDC", "SofiaEDC"] = "GaliaEDC"
    user: str = DEMO_USER
    password: str = DEMO_PASSWORD
    # (U) 401 or 403 for a wrong password.
    unauthorized_status: Literal[401, 403] = 401
    # (S) An account without "Consultation des autres plannings" is silently shown its own sessions only;
    # "" sees all, else the reference of an intervenant.
    sees_only: str = ""
    # (C) Two sociétés of one instance may read dates differently.
    date_orders: dict[int, Literal["year-month-day", "year-day-month"]] = Field(
        default={1: "year-month-day", 2: "year-day-month"}
    )
    # (U) A date that cannot be read that way: refused (400), failed (500), nothing found, or ignored.
    bad_date: Literal["refused", "failed", "empty", "ignored"] = "failed"
    # (U) Whether the day of Fin is in the answer.
    end_counts: bool = True
    # (I, strong) Repeated objects as {"$ref": …}; $id on every object is (C).
    references: bool = True
    # (C) Nothing found is 200 with an empty body; or [].
    nothing: Literal["empty_body", "list"] = "empty_body"
    # (C) Casing of keys varies, the type of one field too; "even" gives both by the number of the row.
    casing: Literal["even", "documented"] = "even"
    types: Literal["even", "documented"] = "even"
    # (C) Nested trainees of a session may carry no more than ID, Reference, Civilite, Nom, Prenom.
    nested_people: Literal["short", "whole"] = "short"
    # (U) Whether fields without a value are written as null or left out.
    nulls: Literal["null", "left_out"] = "null"
    # (I) Date_Sortie is the last day somebody is there, or the first they are not.
    exit_day: Literal["last_there", "first_gone"] = "last_there"
    # (U) A second absence of one enrolment at other times of the same session.
    second_write: Literal["replaces", "adds"] = "adds"
    # (U) A write that is refused: a sentence with 200, or a status.
    write_refusal: Literal["sentence", "status"] = "sentence"
    # (I) Turns in self-study and in the company stand in the planning too.
    other_turns: bool = True
    # More days than this are answered after `slow_seconds` (C: 30 s were too few for a month); 0 never.
    slow_beyond_days: int = 0
    slow_seconds: float = 600.0
    # Seconds before each answer.
    latency: float = 0.0
