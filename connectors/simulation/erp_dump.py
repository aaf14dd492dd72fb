"""A simulated ERP's rows in neutral words: what the checker reads of every ERP alike.

`neutral` gives {groups, learners, staff, sessions, absences, takings}, and whether the ERP `takes_absences`
from a sync. Every record has its hidden `identity`
and its `code`, the key by which a sync calls it. Instants are UTC in ISO form with Z, null where a wall time
does not exist; `local` are wall times. Fields the vendor has no place for are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from connectors.simulation.control import instant
from connectors.simulation.erp_rows import AbsenceRow, LearnerRow, SessionRow, StaffRow
from connectors.simulation.school import true_instant

if TYPE_CHECKING:
    from connectors.simulation.erp_store import ErpStore


@dataclass(frozen=True)
class Taking:
    """A session stands under `code` from `since` on (an instant; "" from the beginning)."""

    code: str
    identity: str
    since: str


def neutral(store: ErpStore, takings: Iterable[Taking]) -> dict[str, Any]:
    """The whole store. `takings` tell who bore a key when, of keys that were ever handed on."""
    return {
        "groups": [
            {"identity": one.identity, "code": store.key(one), "name": store.group_name(one)}
            for one in store.groups.values()
        ],
        "learners": [_learner(store, one) for one in store.learners.values()],
        "staff": [_staff(store, one) for one in store.staff.values()],
        "sessions": [_session(store, one) for one in store.sessions.values()],
        "takes_absences": store.takes_absences,
        "absences": [_absence(store, one) for one in store.absences],
        "takings": [asdict(one) for one in takings],
    }


def _learner(store: ErpStore, one: LearnerRow) -> dict[str, Any]:
    """`departed`: left by today, or removed from the ERP."""
    said = {
        "last_name": one.last_name,
        "first_name": one.first_name,
        "email": one.email,
        "phone": one.phone,
    }
    return {
        "identity": one.identity,
        "code": store.key(one),
        **_spoken(store, "learner", said),
        "portal_email": one.portal_email,
        "group": one.group,
        "departed": one.removed or store.departed(one),
        "removed": one.removed,
    }


def _staff(store: ErpStore, one: StaffRow) -> dict[str, Any]:
    """`phone` is left out: the simulated school knows nobody's."""
    said = {"last_name": one.last_name, "first_name": one.first_name, "email": one.email}
    return {
        "identity": one.identity,
        "code": store.key(one),
        **_spoken(store, "speaker", said),
        "trainer": one.trainer,
    }


def _session(store: ErpStore, one: SessionRow) -> dict[str, Any]:
    """`rooms` are the codes the school's people type, `room` what a sheet should say of them."""
    said = {
        "name": store.session_name(one),
        "room": store.session_room(one),
        "start_utc": _utc(store, one.day, one.start),
        "end_utc": _utc(store, one.last_day, one.end),
    }
    return {
        "identity": one.identity,
        "code": store.key(one),
        **_spoken(store, "sheet", said),
        "subject": one.subject,
        "rooms": list(one.rooms),
        "local": {
            "day": one.day.isoformat(),
            "start": one.start.isoformat(),
            "end": one.end.isoformat() if one.end else None,
        },
        "group_identities": list(one.groups),
        "learner_identities": list(one.learners),
        "staff_identities": list(one.staff),
        "cancelled": one.cancelled,
    }


def _absence(store: ErpStore, one: AbsenceRow) -> dict[str, Any]:
    """`identity` is the person's; `removed`: "api" or "person" where somebody took the row away, else null."""
    return {
        "code": str(one.code),
        "identity": one.identity,
        "session": one.session,
        "local": {"first": one.first.isoformat(), "last": one.last.isoformat()},
        "first_utc": _utc(store, one.first.date(), one.first.time()),
        "last_utc": _utc(store, one.last.date(), one.last.time()),
        "state": one.state,
        "minutes": one.minutes,
        "justified": one.justified,
        "reason": one.reason,
        "comment": one.comment,
        "made_by": one.made_by,
        "changed_by_person": one.changed_by_person,
        "removed": one.removed,
    }


def _spoken(store: ErpStore, kind: str, said: dict[str, Any]) -> dict[str, Any]:
    silent = store.silent.get(kind, frozenset())
    return {name: value for name, value in said.items() if name not in silent}


def _utc(store: ErpStore, day: date, wall: time | None) -> str | None:
    at: datetime | None = true_instant(day, wall, store.school.zone)
    return instant(at) if at is not None else None
