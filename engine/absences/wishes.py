"""What the ERP should hold of a sheet: evidence, the connection's options, the ERP's keys. Pure (R25)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.absences.reasons import ReasonMap
from engine.absences.said import plain_presence
from engine.attendance import Attendance, Carried, RollCall
from engine.changes import FOREIGN
from engine.config_models import ExportOptions
from engine.links import Link, Links, in_tokens
from engine.records import Sheet, revived

EVERYTHING: frozenset[Carried] = frozenset(
    {"absent", "present", "late", "left_early", "excluded", "justified", "reason", "speaker"}
)
"""What a person who reports by hand can say."""


@dataclass(frozen=True)
class Wish:
    """One person of a sheet: how they stood by Edusign (`seen`, in its ids), and what the ERP should hold of it
    (`wanted`, in the ERP's keys where they are known)."""

    seen: Attendance
    wanted: Attendance


def evidence(call: RollCall) -> bool:
    """Whether a roll was called: a speaker signed, or at least one learner was there (R25)."""
    return bool(call.seen.signed_speakers) or any(
        one.kind == "learner" and one.state == "present" for one in call.attendances
    )


def wishes(
    call: RollCall,
    links: Links,
    options: ExportOptions,
    carries: frozenset[Carried],
    reasons: ReasonMap,
    session: str,
) -> Iterator[Wish]:
    """What the ERP should hold of each person of a locked sheet; nothing is said of those who are awaited.

    What is switched off, or cannot be said there, counts as having been there.
    """
    signed = call.seen.signed_speakers
    for one in call.attendances:
        if one.state == "awaiting":
            continue
        if one.kind == "speaker":
            if not (options.speakers and "speaker" in carries):
                continue
            # The missing signature of a speaker says something only beside another's.
            if one.state == "absent" and not signed - {one.person}:
                continue
        yield Wish(one, _wanted(one, links, options, carries, reasons, session))


def _wanted(
    one: Attendance,
    links: Links,
    options: ExportOptions,
    carries: frozenset[Carried],
    reasons: ReasonMap,
    session: str,
) -> Attendance:
    there = Attendance(sheet=session, person=links.token(one.kind, one.person), kind=one.kind, state="present")
    if one.state == "absent" and "absent" in carries:
        wanted = {"state": "absent", "justified": one.justified and "justified" in carries}
    elif one.state == "excluded" and options.excluded and "excluded" in carries:
        wanted = {"state": "excluded"}
    elif one.state == "present":
        wanted = {
            "late": one.late if options.late and "late" in carries else 0,
            "left_early": one.left_early if options.left_early and "left_early" in carries else 0,
        }
    else:
        return there
    wanted_there = there.model_copy(update={**wanted, "comment": one.comment})
    if plain_presence(wanted_there):
        return there
    if "reason" in carries:
        late = wanted_there.state == "present"
        reason = reasons.of_lateness() if late else reasons.of_absence(one.reason)
        return wanted_there.model_copy(update={"reason": reason})
    return wanted_there


def session_of(call: RollCall, link: Link, links: Links) -> Sheet:
    """The ERP's session of a linked sheet as both sides last agreed on it, in the ERP's own keys; what was
    never agreed on is the sheet's."""
    values = in_tokens(call.seen, links)
    for name in values:
        if name in link.base:
            values[name] = revived("sheet", name, link.base[name])
    keys = {
        name: frozenset(key for key in value if not key.startswith(FOREIGN))
        for name, value in values.items()
        if isinstance(value, frozenset)
    }
    return Sheet.model_validate({"id": link.erp_id, **values, **keys})


def in_erp(one: Attendance) -> bool:
    """Whether the ERP has a key for this person."""
    return not one.person.startswith(FOREIGN)


def on_session(one: Attendance, session: Sheet) -> bool:
    """Whether the ERP expects this person on the session."""
    return one.person in (session.learners if one.kind == "learner" else session.speakers)
