"""Edusign's rows to records and back. Pure.

What this stands on, and how sure it is:

* Field names of student, group, course and of a course's student states: seen in client code.
* Field names of professor and school: documented for requests; in answers reconstructed from a camel-cased
  mirror, so any casing of a name is understood here.
* Answers write booleans as 0/1 or true/false and numbers where strings are due: seen in client code.
* HIDDEN of a professor is an array of the schools that archived the person: inferred; 0/1 is read too.
* Times in answers are UTC: seen in client code. A time without a zone is read as UTC.
* How a learner stood is told from several fields of a state, there is no status: seen in client code. Whether
  an absence is justified is only told by the list of justified absences: `absenceId` alone is no proof
  (documented for v3: a row may come with each enrolment). Which STATUS of that list is an accepted one:
  unknown where it is a number, so that only `refused` and `pending`, or -1 and 0, count as not accepted.
* Built-in types of absence 0 to 7: seen in one client. Whether a justified period that covers a sheet in part
  counts for it: unknown; here it must cover the whole of it, unless the state names it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine.attendance import Attendance, Reason, RollCall
from engine.ports import School
from engine.records import Group, Kind, Learner, Record, Seen, Sheet, Speaker
from engine.words import _

Row = Mapping[str, Any]


class Drift(ValueError):
    """A field this mapping stands on is gone or of another shape."""


_MISSING: Any = object()
_PROFESSOR = re.compile(r"PROFESSOR(?:_(\d+))?")
_NOT_ACCEPTED = frozenset({"refused", "pending", "-1", "0"})
_SIGNATURE = re.compile(r"PROFESSOR_SIGNATURE(?:_(\d+))?")

_COMMON = frozenset(
    {"ID", "id", "API_ID", "API_TYPE", "HIDDEN", "DATE_CREATED", "DATE_UPDATED", "SCHOOL_ID", "VARIABLES"}
)
_PERSON = _COMMON | {
    "FIRSTNAME", "LASTNAME", "EMAIL", "PHONE", "TAGS", "MULTI_ACCOUNT_LOGIN_CODE",
    "PASSWORD", "NEW_PASSWORD_TOKEN",
}  # fmt: skip
KNOWN: dict[Kind, frozenset[str]] = {
    "learner": _PERSON
    | {
        "USERNAME", "PHOTO", "TRAINING_NAME", "FILE_NUMBER", "COMPANY", "SIGNATURE_ID", "BADGE_ID",
        "PUSH_TOKEN", "LANGUAGE", "STUDENT_FOLLOWER_ID", "NEW_PASSWORD_NEEDED", "TRAINING_IDS", "GROUPS",
        "ISIC_ID", "STUDENT_CARD",
    },
    "speaker": _PERSON
    | {
        "SPECIALITY", "LOGIN_CODE", "TEAMS_ID", "ZOOM_ID", "PIN", "INDEX", "PROFESSOR_ID", "MAGIC_LINK_TOKEN",
        "OLD_API_ID", "OLD_API_TYPE", "OLD_HIDDEN", "OLD_SCHOOL_ID", "SCHOOL_DATE_CREATED",
        "SCHOOL_DATE_UPDATED", "zoomForThisSchool", "teamsForThisSchool",
    },
    "group": _COMMON | {"NAME", "DESCRIPTION", "STUDENTS", "PARENT", "LOGO"},
    "sheet": _COMMON
    | {
        "NAME", "DESCRIPTION", "START", "END", "CLASSROOM", "SCHOOL_GROUP", "STUDENTS", "LOCKED",
        "ATTENDANCE_LIST_GENERATED", "ATTENDANCE_LIST_GENERATED_NOLOGO", "SCANNED_ATTENDANCE_LIST",
        "ATTENDANCE_ENDED", "ABSENCE_SENT", "EMAILS_ADDED", "STATE_UPDATE", "NEED_STUDENTS_SIGNATURE",
        "SIMPLE_SIGNATURE", "SIMPLE_SIGNATURE_PIN", "CREATOR_ID", "TRAINING_ID", "MAX_STUDENTS", "ZOOM",
        "TEAMS", "TEAMS_JSON", "SURVEY_ID", "SURVEY_ID_2", "TEACHER_SURVEY", "ANNOTATION",
        "ADMIN_ANNOTATION", "MESSAGES", "METADATA", "METADATA_ARCHIVING_ID", "ARCHIVING_ID",
        "ARCHIVING_CERTIFICATE_URL", "EMAIL_SIGNATURE_STUDENTS", "STUDENT_EMAIL_REMINDER",
        "STUDENT_INSCRIPTION_SIGN", "STUDENT_INSCRIPTION_HASH", "INSCRIPTION_FORMS", "READER_ID", "idx",
        "PROFESSORS_PRESENCES", "TRAINING_INSCRIPTION_OPTIONS",
    },
}  # fmt: skip


def unfamiliar(kind: Kind, row: Row) -> frozenset[str]:
    """Names in `row` that the reference does not know; they are ignored, and worth a warning."""
    return frozenset(
        name for name in row if name not in KNOWN[kind] and not name.startswith(("PROFESSOR", "SURVEY"))
    )


def seen(kind: Kind, row: Row, school_id: str = "") -> Seen:
    """One row as the engine sees it. `school_id` tells a professor's own school from the others.

    Raises Drift when a mapped field is missing or of another shape.
    """
    return _READERS[kind](row, school_id)


def identity(row: Row) -> str:
    """The Edusign id of a row, from either spelling. Raises Drift."""
    id = _text(row, "ID")
    if not id:
        raise Drift("ID is empty")
    return id


@dataclass(frozen=True)
class Justified:
    """One accepted justification: of which learner, for which period (UTC), by which type."""

    id: str
    learner: str
    start: datetime | None
    end: datetime | None
    type: str
    comment: str = ""

    def covers(self, start: datetime | None, end: datetime | None) -> bool:
        """Whether the whole of a sheet lies in its period."""
        if start is None or end is None or self.start is None or self.end is None:
            return False
        return self.start <= start and end <= self.end


def justified(row: Row) -> Justified | None:
    """One row of the list of justified absences; None where it is not, or not yet, accepted. Raises Drift."""
    status = _text(row, "STATUS", "accepted").strip().lower()
    if status in _NOT_ACCEPTED:
        return None
    return Justified(
        id=identity(row),
        learner=_text(row, "STUDENT_ID", ""),
        start=_instant(row, "START"),
        end=_instant(row, "END"),
        type=_text(row, "TYPE", ""),
        comment=_text(row, "COMMENT", ""),
    )


def reason(row: Row) -> Reason:
    """One of the school's own reasons. Raises Drift."""
    return Reason(id=identity(row), name=_text(row, "NAME"))


def roll_call(row: Row, one: Seen, accepted: Mapping[str, Iterable[Justified]]) -> RollCall:
    """How everybody stood on a sheet, `one` being that row as seen; `accepted`: justifications by learner.

    Raises Drift.
    """
    sheet = one.record
    assert isinstance(sheet, Sheet)
    learners = [
        _attendance(state, sheet, one.locked, accepted)
        for state in _needed(row, "STUDENTS") or ()
        if isinstance(state, Mapping)
    ]
    unsigned = "absent" if one.locked else "awaiting"
    speakers = [
        Attendance.model_validate(
            {
                "sheet": one.id,
                "person": id,
                "kind": "speaker",
                "state": "present" if id in one.signed_speakers else unsigned,
            }
        )
        for id in sorted(sheet.speakers)
    ]
    return RollCall(seen=one, attendances=(*learners, *speakers))


def _attendance(
    state: Row, sheet: Sheet, locked: bool, accepted: Mapping[str, Iterable[Justified]]
) -> Attendance:
    """One state by the rules seen in clients: excluded, else present (late, left early), else absent once the
    sheet is locked (nobody can sign it any more), else awaited."""
    learner = _text(state, "studentId")
    common: dict[str, Any] = {
        "sheet": sheet.id, "person": learner, "comment": _text(state, "comment", ""),
    }  # fmt: skip
    if _lookup(state, "excluded") not in (_MISSING, None, "", False, 0):
        return Attendance(state="excluded", **common)
    if _was_there(state):
        left = _instant(state, "earlyDeparture", needed=False)
        return Attendance(
            state="present", late=_minutes(state, "delay"), left_early=_missed_before_end(sheet, left), **common
        )
    if not locked:
        return Attendance(state="awaiting", **common)
    found = _justification(state, sheet, accepted.get(learner, ()))
    reason = found.type if found is not None else ""
    return Attendance(state="absent", justified=found is not None, reason=reason, **common)


def _justification(state: Row, sheet: Sheet, of_learner: Iterable[Justified]) -> Justified | None:
    named = _text(state, "absenceId", "")
    given = tuple(of_learner)
    return next((one for one in given if named and one.id == named), None) or next(
        (one for one in given if one.covers(sheet.start, sheet.end)), None
    )


def _missed_before_end(sheet: Sheet, left: datetime | None) -> int:
    """Whole minutes between leaving and the end, any part of a minute counted."""
    if left is None or sheet.end is None:
        return 0
    return max(0, math.ceil((sheet.end - left).total_seconds() / 60))


def _minutes(row: Row, name: str) -> int:
    text = _text(row, name, "0") or "0"
    try:
        return max(0, round(float(text)))
    except ValueError:
        raise Drift(f"{name} is {text!r:.40}") from None


BUILT_IN_REASONS: tuple[Reason, ...] = tuple(
    Reason(id=str(number), name=name)
    for number, name in enumerate(
        (
            _("unknown"),
            _("sick leave"),
            _("death of a relative"),
            _("funeral"),
            _("medical appointment"),
            _("job interview"),
            _("at the company"),
            _("other"),
        )
    )
)


def school(row: Row) -> School:
    """The school behind the key. Raises Drift."""
    return School(
        id=identity(row),
        name=_text(row, "NAME"),
        zone=_text(row, "TIMEZONE", ""),
        connector=_text(row, "CONNECTOR", ""),
    )


def granted_id(result: Any) -> str:
    """The id in the answer to a create or a look-up, "" when there is none.

    Seen: {"ID"}, {"id"}, a plain string, {"result": …}; documented: true, where no id is told.
    """
    if isinstance(result, Mapping):
        found = _lookup(result, "ID")
        if found is _MISSING:
            found = result.get("result", "")
        return granted_id(found)
    if isinstance(result, bool) or result is None:
        return ""
    return str(result).strip() if isinstance(result, str | int) else ""


def instant_text(at: datetime) -> str:
    """An instant as requests carry it: UTC, milliseconds, an explicit Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def created(record: Record, api_id: str, api_type: str) -> dict[str, Any]:
    """The body of a create, with no mail to anybody (R33). Names are sent as typed."""
    stamp = {"API_ID": api_id, "API_TYPE": api_type}
    if isinstance(record, Learner):
        return {
            "student": {
                **_named(record),
                "EMAIL": record.email,
                "PHONE": record.phone,
                **stamp,
                "SEND_EMAIL_CREDENTIALS": False,
                "NEW_PASSWORD_NEEDED": True,
            }
        }
    if isinstance(record, Speaker):
        return {
            "professor": {**_named(record), "EMAIL": record.email, "PHONE": record.phone, **stamp},
            # Read at the top level; inside `professor` only some clients put it.
            "dontSendCredentials": True,
        }
    if isinstance(record, Group):
        return {"group": {"NAME": record.name, "STUDENTS": sorted(record.members), **stamp}}
    return {
        "course": {
            "NAME": record.name,
            "START": _due(record.start, "start"),
            "END": _due(record.end, "end"),
            **speaker_slots(sorted(record.speakers)),
            "CLASSROOM": record.room,
            "SCHOOL_GROUP": sorted(record.groups),
            "STUDENTS": [{"studentId": learner} for learner in sorted(record.learners)],
            "NEED_STUDENTS_SIGNATURE": True,
            **stamp,
        }
    }


def updated(
    record: Record,
    fields: frozenset[str],
    api: tuple[str, str] | None,
    *,
    slots: tuple[str, ...] = (),
    need_signature: bool = True,
) -> dict[str, Any]:
    """The body of an update: `fields`, and what the platform requires beside them.

    For a sheet, `slots` are the professors as they stand on it, "" where a slot is empty: those who stay keep
    their slot, and a slot that falls free is emptied. Its learners are sent as `record` has them.
    """
    stamp = {} if api is None else {"API_ID": api[0], "API_TYPE": api[1]}
    if isinstance(record, Learner | Speaker):
        wanted = {"email": ("EMAIL", record.email), "phone": ("PHONE", record.phone)}
        body = {"ID": record.id, **_named(record)}
        for field, (name, value) in wanted.items():
            # A professor's PATCH requires the e-mail too (documented).
            if field in fields or (field == "email" and isinstance(record, Speaker)):
                body[name] = value
        return {"student" if isinstance(record, Learner) else "professor": {**body, **stamp}}
    if isinstance(record, Group):
        group: dict[str, Any] = {"ID": record.id, "NAME": record.name, **stamp}
        if "members" in fields:
            group["STUDENTS"] = sorted(record.members)
        return {"group": group}
    course: dict[str, Any] = {"ID": record.id, "NEED_STUDENTS_SIGNATURE": need_signature, **stamp}
    if "name" in fields:
        course["NAME"] = record.name
    if "start" in fields:
        course["START"] = _due(record.start, "start")
    if "end" in fields:
        course["END"] = _due(record.end, "end")
    if "room" in fields:
        course["CLASSROOM"] = record.room
    if "groups" in fields:
        course["SCHOOL_GROUP"] = sorted(record.groups)
    course.update(speaker_slots(_seated(slots, record.speakers)))
    course["STUDENTS"] = [{"studentId": learner} for learner in sorted(record.learners)]
    return {"course": course, "editSurveys": False}


def speaker_slots(ids: list[str] | tuple[str, ...]) -> dict[str, str]:
    """PROFESSOR, PROFESSOR_2 … in the order given."""
    return {"PROFESSOR" if n == 1 else f"PROFESSOR_{n}": id for n, id in enumerate(ids, 1)}


def slots_of(row: Row) -> tuple[str, ...]:
    """The professors of a sheet by slot, "" where a slot is empty."""
    slots = {n: _plain(value, name) for n, name, value in _numbered(row, _PROFESSOR)}
    return tuple(slots.get(n, "") for n in range(1, max(slots, default=0) + 1))


def needs_signature(row: Row) -> bool:
    """Whether learners are to sign this sheet; true where it is not said."""
    value = _lookup(row, "NEED_STUDENTS_SIGNATURE")
    return True if value is _MISSING or value is None else _truth(value, "NEED_STUDENTS_SIGNATURE")


def _learner(row: Row, school_id: str) -> Seen:
    return Seen(
        record=Learner(id=identity(row), **_person(row)),
        api_id=_text(row, "API_ID"),
        api_type=_text(row, "API_TYPE"),
        archived=_archived(row, school_id),
    )


def _speaker(row: Row, school_id: str) -> Seen:
    return Seen(
        record=Speaker(id=identity(row), **_person(row)),
        api_id=_text(row, "API_ID"),
        api_type=_text(row, "API_TYPE"),
        archived=_archived(row, school_id),
        shared=len(_ids(row, "SCHOOL_ID")) > 1,
    )


def _group(row: Row, school_id: str) -> Seen:
    return Seen(
        record=Group(id=identity(row), name=_text(row, "NAME"), members=_ids(row, "STUDENTS")),
        api_id=_text(row, "API_ID"),
        api_type=_text(row, "API_TYPE"),
        archived=_lookup(row, "HIDDEN") is not _MISSING and _archived(row, school_id),
    )


def _sheet(row: Row, school_id: str) -> Seen:
    slots = slots_of(row)
    if not slots:
        raise Drift("PROFESSOR is missing")
    learners, signed = _roster(row)
    return Seen(
        record=Sheet(
            id=identity(row),
            name=_text(row, "NAME"),
            start=_instant(row, "START"),
            end=_instant(row, "END"),
            room=_text(row, "CLASSROOM"),
            groups=_ids(row, "SCHOOL_GROUP"),
            speakers=frozenset(slots) - {""},
            learners=learners,
        ),
        api_id=_text(row, "API_ID"),
        api_type=_text(row, "API_TYPE"),
        locked=_truth(_needed(row, "LOCKED"), "LOCKED"),
        signed_speakers=_signed_speakers(row, slots),
        signed_learners=signed,
    )


_READERS = {"learner": _learner, "speaker": _speaker, "group": _group, "sheet": _sheet}


def _person(row: Row) -> dict[str, str]:
    return {
        "last_name": _text(row, "LASTNAME"),
        "first_name": _text(row, "FIRSTNAME"),
        "email": _text(row, "EMAIL"),
        "phone": _text(row, "PHONE"),
    }


def _archived(row: Row, school_id: str) -> bool:
    value = _needed(row, "HIDDEN")
    if not isinstance(value, list):
        return _truth(value, "HIDDEN")
    hiding = {str(item) for item in value if item not in (None, False, 0, "0", "")}
    if not hiding:
        return False
    # Other schools of a shared speaker may have archived the person; that is not our archive.
    others = _ids(row, "SCHOOL_ID") - {school_id} if school_id else frozenset()
    return not hiding <= others


def _roster(row: Row) -> tuple[frozenset[str], frozenset[str]]:
    """Everybody on a sheet, and those of them who signed or were marked present."""
    states = _needed(row, "STUDENTS")
    if states is None or states == "":
        return frozenset(), frozenset()
    if not isinstance(states, list):
        raise Drift(f"STUDENTS is {type(states).__name__}")
    everybody: set[str] = set()
    signed: set[str] = set()
    for state in states:
        if isinstance(state, str) and state:
            # No state beside the id: a sheet nobody has touched.
            everybody.add(state)
            continue
        if not isinstance(state, Mapping):
            raise Drift(f"a student state is {type(state).__name__}")
        learner = _text(state, "studentId")
        if not learner:
            raise Drift("studentId is empty")
        everybody.add(learner)
        if _was_there(state):
            signed.add(learner)
    return frozenset(everybody), frozenset(signed)


def _was_there(state: Row) -> bool:
    """Whether a learner signed or was marked present. Raises Drift where a state tells neither."""
    signature, present = _lookup(state, "signature"), _lookup(state, "state")
    if signature is _MISSING and present is _MISSING:
        raise Drift("a student state has neither signature nor state")
    if signature is not _MISSING and signature:
        return True
    return present is not _MISSING and present is not None and _truth(present, "state")


def _signed_speakers(row: Row, slots: tuple[str, ...]) -> frozenset[str]:
    signed: set[str] = set()
    told = False
    for n, name, value in _numbered(row, _SIGNATURE):
        told = True
        if value:
            who = slots[n - 1] if n <= len(slots) else ""
            # A signature without its professor still forbids writing the sheet.
            signed.add(who or name)
    presences = _lookup(row, "PROFESSORS_PRESENCES")
    if isinstance(presences, list):
        for presence in presences:
            if isinstance(presence, Mapping) and _lookup(presence, "signature") is not _MISSING:
                told = True
                if _lookup(presence, "signature"):
                    signed.add(_text(presence, "professorId"))
    if not told and any(slots):
        raise Drift("PROFESSOR_SIGNATURE is missing")
    return frozenset(signed)


def _numbered(row: Row, pattern: re.Pattern[str]) -> Iterator[tuple[int, str, Any]]:
    for name, value in row.items():
        if name.startswith("PROFESSOR") and (match := pattern.fullmatch(name)):
            yield int(match[1] or 1), name, value


def _seated(slots: tuple[str, ...], wanted: frozenset[str]) -> list[str]:
    """`wanted` over `slots`: who stays keeps the slot, newcomers fill the free ones in sorted order."""
    new = iter(sorted(wanted - frozenset(slots)))
    seats = [id if id in wanted else next(new, "") for id in slots]
    seats.extend(new)
    if seats and not seats[0]:
        # The first slot is the required one.
        filled = next((n for n, id in enumerate(seats) if id), None)
        if filled is not None:
            seats[0], seats[filled] = seats[filled], ""
    return seats


def _named(record: Learner | Speaker) -> dict[str, str]:
    return {"FIRSTNAME": record.first_name, "LASTNAME": record.last_name}


def _due(at: datetime | None, field: str) -> str:
    if at is None:
        raise ValueError(f"a sheet without {field}")
    return instant_text(at)


def _lookup(row: Row, name: str) -> Any:
    if name in row:
        return row[name]
    wanted = name.replace("_", "").lower()
    for other, value in row.items():
        if other.replace("_", "").lower() == wanted:
            return value
    return _MISSING


def _needed(row: Row, name: str) -> Any:
    value = _lookup(row, name)
    if value is _MISSING:
        raise Drift(f"{name} is missing")
    return value


def _text(row: Row, name: str, default: str | None = None) -> str:
    value = _lookup(row, name)
    if value is _MISSING:
        if default is None:
            raise Drift(f"{name} is missing")
        return default
    return _plain(value, name)


def _plain(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(int(value)) if value == int(value) else str(value)
    raise Drift(f"{name} is {type(value).__name__}")


def _truth(value: Any, name: str) -> bool:
    if isinstance(value, bool | int):
        return bool(value)
    if value is None:
        return False
    if isinstance(value, str) and value.lower() in ("", "0", "1", "true", "false"):
        return value.lower() in ("1", "true")
    raise Drift(f"{name} is {value!r:.40}")


def _ids(row: Row, name: str) -> frozenset[str]:
    value = _needed(row, name)
    if value is None or value == "":
        return frozenset()
    items = value if isinstance(value, list) else [value]
    found = (identity(item) if isinstance(item, Mapping) else _plain(item, name) for item in items)
    return frozenset(id for id in found if id)


def _instant(row: Row, name: str, *, needed: bool = True) -> datetime | None:
    text = _text(row, name, None if needed else "")
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Drift(f"{name} is {text!r:.40}") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
