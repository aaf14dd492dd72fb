"""What the reference leaves open about Yparéo, one switch each."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

DEMO_TOKEN = "ypareo-demo-token"


class YpareoSwitches(BaseModel):
    """Each comment says how sure its choice is: (I) inferred, (U) unknown, or seen in client code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: str = DEMO_TOKEN
    # (U) 401 or 403 for a bad token.
    unauthorized_status: Literal[401, 403] = 401
    # (I) PHP turns an empty keyed array into [].
    empty_collection: Literal["list", "object"] = "list"
    # (I) An empty planning: {"cours": []}, or [].
    empty_planning: Literal["cours", "list"] = "cours"
    # Seen both ways in client code: 0/1 and true/false; "mixed" gives even codes numbers, odd ones booleans.
    booleans: Literal["mixed", "numbers", "booleans"] = "mixed"
    # (I) A text nobody typed.
    no_text: Literal["empty", "null"] = "empty"
    # (U) A session without an end: null, "" or no such key.
    no_end: Literal["null", "empty", "left_out"] = "null"
    # (U) `duree` of a session: "03:00:00", 180 or "180".
    duration: Literal["clock", "minutes", "minutes_text"] = "clock"
    # Client code says it never ends and asks per group; 504 is the gateway's answer after `seconds` (I).
    whole_planning: Literal["times_out", "answers"] = "times_out"
    whole_planning_seconds: float = 60.0
    # (U) A single record that is not there: 404 as text, or the empty collection.
    unknown_record: Literal["not_found", "empty"] = "not_found"
    # (U) A date in the path that is not dd-mm-yyyy.
    bad_date_status: int = 400
    # A departed learner still stands in the lists (seen); also among portal users (I).
    departed_listed: bool = True
    departed_users_listed: bool = True
    # (U) After a departure `informationsCourantes` still names the ended enrolment, or none.
    departed_enrolment: Literal["named", "cleared"] = "named"
    # (U) Whether a departure takes the learner off the sessions after it.
    departed_off_sessions: bool = True
    # (U) Whether a moved session keeps its codeSeance.
    moved_session_code: Literal["kept", "new"] = "kept"
    # (I) Where the two e-mails were one, changing the personal one changes the portal's too.
    portal_follows: bool = True
    # (I) Which of the two phone fields holds the number.
    phone_field: Literal["tel1", "tel2"] = "tel1"
    # (U) Where /personnels holds the e-mail.
    staff_email: Literal["address", "flat", "none"] = "address"
    # ASSUMPTION, the whole write of absences: POST, PUT and DELETE /r/v1/absences by the names that are read.
    # A basic token reads only (documented); 403 for its writes is part of the assumption.
    licence: Literal["expert", "basic"] = "expert"
    # Seen both ways: the motive as an object with its name (and perhaps code), or flat.
    reason_shape: Literal["object", "name_only", "flat"] = "object"
    # (U) Minutes are rounded up to a multiple of this when an absence is written.
    absence_rounding: int = 1
    # Seconds before each answer.
    latency: float = 0.0
