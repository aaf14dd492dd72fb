"""Attendance on the rows of an event, read and written. Pure.

* `ControlePresence` null means that no roll was called, whatever `Presence` says: inferred from the documents'
  sample, where an untouched row has `Presence` true.
* present, absent: `Presence`; seen in client code. late, left early: `Retard`, `Depart` and the row's own
  `Debut`, `Fin`; excluded: `Exclusion`; a reason: `MotifId`, 0 for none: documented fields, inferred meaning.
* A reason the settings do not name was given by the school's people, and counts as a justification.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.aimaira import AimairaReason, AimairaSettings
from connectors.aimaira.mapping import Drift, identity, instant, integer, text, truth
from connectors.aimaira.odata import Row
from engine.attendance import Attendance, Carried, Reason
from engine.records import Sheet

ROW_FIELDS = (
    "Id", "Nom", "Code", "PlanificationId", "TypeRessourceId", "Debut", "Fin", "PlanificationDebut",
    "PlanificationFin", "Presence", "Exclusion", "Depart", "Retard", "Reference", "IdProgramme", "IdSequence",
    "Detail", "ControlePresence", "MotifId", "ReferenceTraitement", "ProvenancePresence", "CommentaireId",
    "LibelleEtatInscription", "RessourceCampusId",
)  # fmt: skip
"""Every documented field of a row: a PUT that lacks one erases it."""
MARKED = (
    "Debut", "Fin", "Presence", "Exclusion", "Depart", "Retard", "ControlePresence", "MotifId",
    "ProvenancePresence",
)  # fmt: skip
"""The fields a mark is made of."""

_INSTANTS = frozenset({"Debut", "Fin", "PlanificationDebut", "PlanificationFin", "ControlePresence"})
_MINUTE = timedelta(minutes=1)


def carried(settings: AimairaSettings) -> frozenset[Carried]:
    """What these settings let a write say."""
    found: set[Carried] = {"present", "absent"}
    if settings.accept_unverified:
        found |= {"late", "left_early", "excluded"}
    if settings.reasons:
        found |= {"reason", "justified"}
    return frozenset(found)


def reasons(settings: AimairaSettings) -> tuple[Reason, ...]:
    """The reasons an administrator named."""
    return tuple(
        Reason(id=str(one.id), name=one.name, justifies=one.justifies, late=one.late)
        for one in settings.reasons
    )


def stood(row: Row, person: str, session: Sheet, named: Iterable[AimairaReason]) -> Attendance | None:
    """What a learner's row says, None where nobody has said anything yet. Raises Drift."""
    motive = integer(row, "MotifId")
    called = instant(row, "ControlePresence") is not None
    if not called and not motive:
        return None
    present = truth(row, "Presence") and called
    excluded = truth(row, "Exclusion")
    first, last = instant(row, "Debut"), instant(row, "Fin")
    known = {one.id: one.justifies for one in named}
    return Attendance(
        sheet=session.id,
        person=person,
        state="excluded" if excluded else "present" if present else "absent",
        late=_missed(session.start, first) if present and truth(row, "Retard") else 0,
        left_early=_missed(last, session.end) if present and truth(row, "Depart") else 0,
        justified=bool(motive) and known.get(motive, True),
        reason=str(motive) if motive else "",
        key=identity(row),
        first=first,
        last=last,
    )


def marked(
    row: Row, wanted: Attendance, session: Sheet, now: datetime, settings: AimairaSettings, zone: str
) -> dict[str, Any]:
    """The fields a row must have so that it says `wanted`, as far as these settings let it. Raises Drift."""
    carries = carried(settings)
    called = wanted.state != "awaiting"
    fields: dict[str, Any] = {
        "Presence": wanted.state != "absent",
        "ControlePresence": written(now, zone) if called else None,
    }
    if settings.provenance and called:
        fields["ProvenancePresence"] = settings.provenance
    if "late" in carries:
        fields["Exclusion"] = wanted.state == "excluded"
        fields["Retard"] = wanted.state == "present" and wanted.late > 0
        fields["Depart"] = wanted.state == "present" and wanted.left_early > 0
        fields |= _own_times(row, fields, wanted, session, zone)
    if "reason" in carries:
        fields["MotifId"] = _motive(wanted, settings.reasons)
    return fields


def differing(row: Row, fields: Mapping[str, Any]) -> list[str]:
    """Which of `fields` the row does not have so. When a roll was called is no difference, whether is."""
    return [name for name, value in fields.items() if not _same(name, row.get(name), value)]


def touched(before: Row, after: Row, apart_from: Iterable[str]) -> list[str]:
    """Which fields of a row, but for some, are no more what they were: what a PUT wiped."""
    own = set(apart_from)
    return [
        name for name in before if name not in own and "@" not in name
        and not _same(name, after.get(name), before[name])
    ]  # fmt: skip


def whole(row: Row, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The row to send: all it came with, without the service's annotations, and `fields` set."""
    return {**{name: value for name, value in row.items() if "@" not in name}, **fields}


def lacking(row: Row, declared: Iterable[str]) -> list[str]:
    """Declared fields with which the row did not come: sending it back would erase them."""
    return sorted(name for name in declared if name not in row)


def written(at: datetime, zone: str) -> str:
    """An instant as the service writes it: wall time of the zone with its offset."""
    return at.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")


def row_name(row: Row) -> str:
    """How a person finds a row, in a few characters."""
    return text(row, "Code") or f"row {identity(row)}"


def _missed(since: datetime | None, until: datetime | None) -> int:
    """Whole minutes between two instants; one where the row says no more than that there were some."""
    if since is None or until is None:
        return 1
    return max(1, (until - since) // _MINUTE)


def _own_times(
    row: Row, fields: Mapping[str, Any], wanted: Attendance, session: Sheet, zone: str
) -> dict[str, str]:
    """The part of the session the learner was there for; the session's own times where a mark set others."""
    found: dict[str, str] = {}
    if session.start is not None:
        if fields["Retard"]:
            found["Debut"] = written(session.start + wanted.late * _MINUTE, zone)
        elif truth(row, "Retard") and instant(row, "Debut") is not None:
            found["Debut"] = written(session.start, zone)
    if session.end is not None:
        if fields["Depart"]:
            found["Fin"] = written(session.end - wanted.left_early * _MINUTE, zone)
        elif truth(row, "Depart") and instant(row, "Fin") is not None:
            found["Fin"] = written(session.end, zone)
    return found


def _motive(wanted: Attendance, named: Iterable[AimairaReason]) -> int:
    """The reason to write. It alone says whether an absence is justified: one that says otherwise than `wanted`
    gives way to the first that does not, or to none. Raises Drift for a reason the settings do not name."""
    by_id = {str(one.id): one for one in named}
    if wanted.reason and wanted.reason not in by_id:
        raise Drift(f"the settings name no reason {wanted.reason:.20}")
    one = by_id.get(wanted.reason)
    if one is not None and (wanted.state == "present" or one.justifies == wanted.justified):
        return one.id
    if wanted.justified:
        return next((other.id for other in by_id.values() if other.justifies and not other.late), 0)
    return 0


def _same(name: str, one: Any, other: Any) -> bool:
    if name == "ControlePresence":
        return bool(one) == bool(other)
    if name in _INSTANTS:
        pair = {"one": one, "other": other}
        return instant(pair, "one") == instant(pair, "other")
    return bool(one == other)
