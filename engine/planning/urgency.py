"""When an open thing bites, and in which order changes are written (R34, R36). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from engine.changes import Change
from engine.records import Group, Kind, Sheet

LATER = datetime.max.replace(tzinfo=UTC)
_RANK: Mapping[str, int] = {
    "seal": 0,
    "link": 1,
    "restore": 1,
    "create": 1,
    "update": 2,
    "add": 3,
    "remove": 3,
    "withdraw": 4,
    "archive": 5,
    "unlink": 6,
}
_KIND_RANK: Mapping[Kind, int] = {"speaker": 0, "learner": 1, "group": 2, "sheet": 3}


class Bites:
    """The next session each record spoils, and for how many people, from the sessions ahead of `now`."""

    def __init__(self, sessions: Iterable[Sheet], groups: Iterable[Group], now: datetime) -> None:
        self._next: dict[tuple[Kind, str], tuple[datetime, int]] = {}
        self._now = now
        for session in sessions:
            self._note(session)
        for group in groups:
            coming = self._next.get(("group", group.id))
            if coming:
                for member in group.members:
                    self._earlier(("learner", member), coming[0], 1)

    def _note(self, session: Sheet) -> None:
        if session.start is None or session.start <= self._now:
            return
        people = len(session.learners)
        self._earlier(("sheet", session.id), session.start, people)
        for kind, ids in (("group", session.groups), ("speaker", session.speakers)):
            for id in ids:
                self._earlier((kind, id), session.start, people)  # type: ignore[arg-type]
        for id in session.learners:
            self._earlier(("learner", id), session.start, 1)

    def _earlier(self, key: tuple[Kind, str], at: datetime, people: int) -> None:
        known = self._next.get(key)
        if known is None or (at, -people) < (known[0], -known[1]):
            self._next[key] = (at, people)

    def of(self, kind: Kind, id: str) -> tuple[datetime | None, int]:
        """(start of the next session it spoils, people on it); (None, 0) when none is in sight."""
        return self._next.get((kind, id), (None, 0))


def ordered(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Changes by the next session each spoils, each pulling what it depends on before itself (R34)."""
    waiting = sorted(changes, key=_urgency)
    makers: dict[tuple[Kind, str], Change] = {
        c.key: c for c in waiting if c.verb in ("create", "link", "restore")
    }
    done: set[int] = set()
    order: list[Change] = []

    def emit(change: Change) -> None:
        if id(change) in done:
            return
        done.add(id(change))
        for needed in dependencies(change):
            maker = makers.get(needed)
            if maker is not None and maker is not change:
                emit(maker)
        order.append(change)

    for change in waiting:
        emit(change)
    return tuple(order)


def dependencies(change: Change) -> Sequence[tuple[Kind, str]]:
    """The records that must be linked before this change can be written whole."""
    needed: list[tuple[Kind, str]] = []
    for field, kind in (("speakers", "speaker"), ("groups", "group"), ("learners", "learner"),
                        ("members", "learner")):  # fmt: skip
        value = change.after.get(field)
        if isinstance(value, frozenset):
            needed += [(kind, token) for token in sorted(value)]  # type: ignore[misc]
    if change.kind == "sheet" and change.verb in ("add", "remove", "update"):
        needed.append(change.key)
    return needed


def _urgency(change: Change) -> tuple[object, ...]:
    # Who goes is first taken off sheets and groups, for which the link is still needed.
    removal = change.verb in ("archive", "withdraw", "unlink")
    at = LATER if removal or change.bites_at is None else change.bites_at
    return (at, _RANK[change.verb], _KIND_RANK[change.kind], change.erp_id, change.id)
