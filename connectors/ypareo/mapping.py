"""Yparéo's objects to entries. Pure.

What this stands on, and how sure it is:

* Names of fields, dates as `dd/mm/yyyy`, session times as `HH:MM:SS`, booleans as 0/1 or true/false,
  collections as objects keyed by code: seen in client code.
* An active learner is one whose current enrolment bears no departure date: seen in client code.
* `[]` for an empty collection or object: inferred (PHP).
* All times are local to the school: inferred; the zone is the connection's.
* A session's cancelled or pending state: unknown, not among the fields seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from connectors import wall_time
from engine.records import Entry, Group, Learner, Problem, Sheet, Speaker, folded

Row = Mapping[str, Any]


class Drift(ValueError):
    """A field this mapping stands on is gone or of another shape."""


@dataclass(frozen=True)
class Period:
    """A school period: local dates, both included."""

    code: str
    first: date
    last: date


@dataclass(frozen=True)
class Enrolled:
    """A learner with what decides where it belongs: current group ("" when none) and site, folded."""

    entry: Entry
    group: str
    site: str


def rows(body: Any) -> list[Row]:
    """The members of a collection: an object keyed by code, or an array. Raises Drift."""
    members = list(body.values()) if isinstance(body, Mapping) else body
    if not isinstance(members, list) or not all(isinstance(row, Mapping) for row in members):
        raise Drift(f"a collection was due, not {body!r:.60}")
    return members


def sessions_of(body: Any) -> list[Row]:
    """The sessions of a planning: `{"cours": […]}`, or `[]` when there are none. Raises Drift."""
    if isinstance(body, list) and not body:
        return []
    return rows(_needed(_object(body, "planning"), "cours"))


def period(row: Row) -> Period | None:
    """A period, None when it has no dates. Raises Drift."""
    first, last = text(row, "dateDeb"), text(row, "dateFin")
    if not first or not last:
        return None
    try:
        return Period(_code(row, "codePeriode"), date_of(first), date_of(last))
    except ValueError as error:
        raise Drift(f"dates of a period: {error}") from None


def group(row: Row, members: frozenset[str]) -> Entry:
    """A group with the members that its learners name. Raises Drift."""
    code = _code(row, "codeGroupe")
    return Entry(
        record=Group(id=code, name=text(row, "nomGroupe"), members=members), where=f"Yparéo › Groupe {code}"
    )


def learner(row: Row, portal: Mapping[str, str] | None, personal: bool) -> Enrolled:
    """A learner. `portal` holds the portal users' e-mails by learner when they are wanted; `personal` says
    whether the address of the file counts (after the portal's). Raises Drift."""
    code = _code(row, "codeApprenant")
    address = _object(_needed(row, "adresse"), "adresse")
    own = text(address, "email") if address else ""
    email = (portal or {}).get(code, "") or (own if personal else "")
    phone = (text(address, "tel1") or text(address, "tel2")) if address else ""
    current = _object(_needed(row, "informationsCourantes"), "informationsCourantes")
    enrolment = _enrolment(row, current)
    site = _object(enrolment.get("site"), "site") if enrolment else {}
    by_portal = portal is not None and (not personal or code in portal)
    where = "Utilisateur du portail › E-mail" if by_portal else "Adresse › E-mail"
    entry = Entry(
        record=Learner(
            id=code,
            last_name=text(row, "nomApprenant"),
            first_name=text(row, "prenomApprenant"),
            email=email,
            phone=phone,
        ),
        ended=enrolment is None or bool(text(enrolment, "dateDepart")),
        where=f"Yparéo › Apprenant {code} › {where}",
    )
    return Enrolled(
        entry=entry,
        group=text(current, "codeGroupe") if current else "",
        site=folded(text(site, "nomSite")) if site else "",
    )


def speaker(row: Row) -> Entry | None:
    """A member of staff who teaches; None for the others. Raises Drift."""
    if not truth(_needed(row, "isFormateur"), "isFormateur"):
        return None
    code = _code(row, "codePersonnel")
    return Entry(
        record=Speaker(
            id=code,
            last_name=text(row, "nom"),
            first_name=text(row, "prenom"),
            email=text(row, "email"),
        ),
        where=f"Yparéo › Personnel {code} › Utilisateur › E-mail",
    )


def portal_email(row: Row) -> tuple[str, str]:
    """A learner's code and the e-mail of its portal user. Raises Drift."""
    return _code(row, "codeApprenant"), text(row, "email")


def session(row: Row, zone: str, rooms: Mapping[str, str]) -> Entry:
    """A session as a sheet, its wall times as instants through `zone` (R22). Raises Drift.

    What is wrong with its times is in the entry's problems.
    """
    code = _code(row, "codeSeance")
    day = text(row, "date")
    problems: list[Problem] = []
    start, end = wall_time.span(
        (day, date_of), (text(row, "heureDebut"), time_of), (text(row, "heureFin"), time_of), zone, problems
    )
    return Entry(
        record=Sheet(
            id=code,
            name=text(row, "nomMatiere"),
            start=start,
            end=end,
            room=", ".join(rooms.get(room, room) for room in codes(row, "codesSalle")),
            groups=frozenset(codes(row, "codesGroupe")),
            speakers=frozenset(codes(row, "codesPersonnel")),
            learners=frozenset(codes(row, "codesApprenant")),
        ),
        problems=tuple(problems),
        where=f"Yparéo › Planning › Séance {code} ({day})",
    )


def united(one: Entry, other: Entry) -> Entry:
    """One session as two groups' plannings show it: people and groups together, the rest must agree.

    Where it does not, the session changed between the two readings or is wrong: a row problem.
    """
    a, b = one.record, other.record
    if one == other or not isinstance(a, Sheet) or not isinstance(b, Sheet):
        return one
    contradictions = [
        Problem(code="contradictory", field=field, evidence=f"{a.value(field)} / {b.value(field)}", row=True)
        for field in ("name", "start", "end", "room")
        if a.value(field) != b.value(field)
    ]
    record = a.model_copy(
        update={
            "groups": a.groups | b.groups,
            "speakers": a.speakers | b.speakers,
            "learners": a.learners | b.learners,
        }
    )
    return one.model_copy(update={"record": record, "problems": (*one.problems, *contradictions)})


def session_day(row: Row) -> date | None:
    """The local date of a session, None when it is unreadable. Raises Drift."""
    try:
        return date_of(text(row, "date"))
    except ValueError:
        return None


def date_of(text: str) -> date:
    """A date of a body, `dd/mm/yyyy`. Raises ValueError."""
    day, month, year = text.strip().split("/")
    return date(int(year), int(month), int(day))


def time_of(text: str) -> time:
    """A session's time, `HH:MM:SS` or `HH:MM`. Raises ValueError."""
    return time.fromisoformat(text.strip())


def path_date(day: date) -> str:
    """A date as paths and queries carry it, `dd-mm-yyyy`."""
    return day.strftime("%d-%m-%Y")


def truth(value: Any, name: str) -> bool:
    """A boolean, however it is written. Raises Drift."""
    if isinstance(value, bool | int):
        return bool(value)
    if value is None:
        return False
    if isinstance(value, str) and value.lower() in ("", "0", "1", "true", "false"):
        return value.lower() in ("1", "true")
    raise Drift(f"{name} is {value!r:.40}")


def codes(row: Row, name: str) -> list[str]:
    """A list of codes as text, in the order given. Raises Drift."""
    value = _needed(row, name)
    if value is None:
        return []
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, list):
        raise Drift(f"{name} is {type(value).__name__}")
    return list(dict.fromkeys(text for item in value if (text := _plain(item, name))))


def _enrolment(row: Row, current: Row) -> Row | None:
    code = text(current, "codeInscription") if current else ""
    enrolments = _needed(row, "inscriptions")
    for enrolment in rows([] if enrolments is None else enrolments):
        if code and text(enrolment, "codeInscription") == code:
            return enrolment
    return None


def _object(value: Any, name: str) -> Row:
    """An object, empty where it is null or `[]`. Raises Drift."""
    if value is None or value == [] or value == "":
        return {}
    if not isinstance(value, Mapping):
        raise Drift(f"{name} is {type(value).__name__}")
    return value


def _needed(row: Row, name: str) -> Any:
    if name not in row:
        raise Drift(f"{name} is missing")
    return row[name]


def _code(row: Row, name: str) -> str:
    code = text(row, name)
    if not code:
        raise Drift(f"{name} is empty")
    return code


def text(row: Row, name: str) -> str:
    """A field as text, "" where it is null. Raises Drift."""
    return _plain(_needed(row, name), name)


def _plain(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Drift(f"{name} is {type(value).__name__}")
