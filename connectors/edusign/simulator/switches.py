"""What the Edusign simulator decides where the vendor's material leaves room: one switch per question.

Defaults are the pessimistic reading, so that a client that lives with them lives with the others. Each
switch says what is known: documented (vendor pages), seen (in working client code), inferred, unknown.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _split(value: Any) -> Any:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


Names = Annotated[frozenset[str], BeforeValidator(_split)]


class EdusignSwitches(BaseModel):
    """The switches. From a command line each is `name=value`; sets are comma lists."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The key, the school, the line
    api_key: str = Field("edusign-demo-key", description="The one accepted bearer key.")
    school_name: str = Field("École de démonstration", description="NAME of the school.")
    school_zone: str = Field("Europe/Paris", description="TIMEZONE of the school, an IANA name.")
    school_connector: str = Field(
        "", description="CONNECTOR of the school: name of Edusign's own ERP connector, empty when none is on."
    )
    latency: float = Field(0.02, ge=0, description="Seconds before each answer.")
    lock_seconds: float = Field(0.0, ge=0, description="Extra seconds a lock takes (it makes a PDF; inferred).")

    # Limits (documented: 480 and 24 a minute, slowed by 100 ms per call beyond, not refused)
    unlimited: bool = Field(False, description="No limits at all, for crash runs.")
    requests_per_minute: int = Field(480, ge=1, description="General limit, any 60 seconds.")
    heavy_per_minute: int = Field(24, ge=1, description="Limit on heavy routes, any 60 seconds.")
    heavy_routes: Names = Field(
        frozenset(),
        description='Heavy routes as "METHOD /v1/template" (which v1 routes are heavy: unknown).',
    )
    slow_step: float = Field(0.1, ge=0, description="Seconds of delay per call beyond the limit.")
    over_limit: Literal["slow", "429"] = Field(
        "slow",
        description="Beyond a limit: slowed (documented), or refused with 429 and Retry-After (none seen).",
    )

    # Spelling of answers
    id_spelling: Literal["both", "upper", "lower"] = Field(
        "both", description="Key of a person's or group's id in answers: ID and id (seen), ID, or id."
    )
    answer_id_spelling: Literal["upper", "lower", "both"] = Field(
        "upper", description="Key of the id answered by a create or get-id (ID seen; id read by one client)."
    )
    flags: Literal["number", "boolean"] = Field(
        "number", description="Booleans in answers as 0/1 (seen) or true/false (one mirror's example)."
    )
    unset: Literal["empty", "null"] = Field(
        "empty", description="Unset text in answers as an empty string (seen more often) or null."
    )
    create_type_key: Literal["type", "TYPE", ""] = Field(
        "type", description="Key beside the id in answers to creating a person; its meaning is unknown."
    )
    patch_answer: Literal["documented", "true", "id"] = Field(
        "documented",
        description="Answer to a PATCH: as documented (true; professor {result}), always true, or {ID} (seen).",
    )
    validation_message: Literal["objects", "strings", "text"] = Field(
        "objects",
        description="Shape of a body validation's message: an array (seen) of unknown items, or text.",
    )
    error_code: bool = Field(False, description="Add errorCode beside message in refusals (seen once).")
    creator_of_api: str = Field("api", description="CREATOR_ID of a sheet made through the API (unknown).")

    # Lists
    student_page: int = Field(100, ge=1, description="Students per page without limit (unknown).")
    professor_page: int = Field(100, ge=1, description="Professors per page (documented).")
    group_page: int = Field(100, ge=1, description="Groups per page (unknown).")
    course_page: int = Field(40, ge=1, description="Sheets per page (documented).")
    absence_page: int = Field(100, ge=1, description="Justified absences per page (unknown).")
    omit_page_means_all: bool = Field(
        True, description="Without page everything is listed (relied on by clients); else page 0."
    )
    ignores_page: bool = Field(False, description="Every page is the first one (a server that ignores page).")
    list_shows_archived: bool = Field(False, description="Lists show archived people too (seen: they don't).")
    period_days_max: int = Field(90, ge=1, description="Longest span of start and end of a sheet list.")
    over_period: Literal["error", "clamp"] = Field(
        "error", description="A longer span is refused (inferred) or cut after 90 days."
    )
    end_inclusive: bool = Field(False, description="The end day of a sheet list is included (unknown).")
    period_zone: Literal["utc", "school"] = Field(
        "utc", description="Zone in which the days of start and end begin (unknown)."
    )
    by_ids_max: int = Field(0, ge=0, description="Most ids in one by-ids call, 0 for any (unknown).")

    # Requests
    strict_required: bool = Field(
        True, description="Fields the published spec marks required are demanded; older clients omit some."
    )
    offsetless_dates: Literal["utc", "school"] = Field(
        "school", description="A time sent without an offset is UTC or the school's local time (unknown)."
    )
    mails_by_default: bool = Field(
        True, description="Creating a person without saying so mails credentials (default unknown)."
    )

    # People
    duplicate_student_email: Literal["error", "upsert"] = Field(
        "error",
        description="Creating a student whose e-mail exists, archived or not: refused or updated (unknown).",
    )
    by_email_shows_archived: bool = Field(True, description="by-email finds archived people (seen).")
    get_id_shows_archived: bool = Field(True, description="get-id finds archived records (unknown).")
    get_id_scoped_to: str = Field(
        "", description="get-id finds only records of this API_TYPE; empty: of any (unknown)."
    )
    api_id_unique: bool = Field(
        False, description="A second record with the same API_ID and API_TYPE is refused (seen: it isn't)."
    )
    professor_hidden: Literal["school_ids", "own_id", "number"] = Field(
        "school_ids",
        description="HIDDEN of an archived professor: [school id], [own id] (a client's test), or 1.",
    )
    professor_restore_route: bool = Field(
        False, description="GET /v1/professor/restore/:id exists (seen for students only)."
    )
    professor_patch_hidden: bool = Field(
        True,
        description="PATCH of a professor's HIDDEN archives and restores (field documented, effect inferred).",
    )
    archive_leaves_rosters: bool = Field(
        False, description="Archiving a student takes them off groups and future sheets (unknown)."
    )

    # Groups and sheets
    cascade_groups: bool = Field(
        True, description="A group's change of members changes its future unlocked sheets (inferred from v3)."
    )
    reset_signatures_on_patch: bool = Field(
        True, description="PATCH of a sheet erases its signatures (reported by one integrator)."
    )
    refill_on_patch: Literal["always", "groups_change", "never"] = Field(
        "always",
        description="PATCH of a sheet without fromStudents fills it anew from SCHOOL_GROUP (inferred: the "
        "vendor's plugin says fromStudents keeps the list). A sheet without groups keeps its people.",
    )
    from_students_replaces_professors: bool = Field(
        True, description="With fromStudents, professors not sent are taken off (vendor comment: send all)."
    )
    patch_requires_professor: bool = Field(
        True, description="PATCH of a sheet without any professor is refused (documented)."
    )
    delete_locked_refused: bool = Field(True, description="DELETE of a locked sheet is refused (unknown).")
    delete_signed_refused: bool = Field(False, description="DELETE of a signed sheet is refused (unknown).")
    past_attendance_refused: bool = Field(
        False, description="Attendance routes refuse a sheet whose end is past (unknown)."
    )
    signature_bumps_updated: bool = Field(
        False, description="A signature or state change moves the sheet's DATE_UPDATED (unknown)."
    )

    # Absences
    absence_status: Literal["text", "number", "none"] = Field(
        "text",
        description="STATUS in the list of justified absences: pending, accepted, refused; 0, 1, -1; or no "
        "such key, and then only accepted ones are listed (unknown).",
    )
    absence_id_links: bool = Field(
        True, description="An accepted justification of a sheet is named by the state's absenceId (seen)."
    )
    absence_id_always: bool = Field(
        False, description="Every state names an absence, justified or not (inferred from v3)."
    )
