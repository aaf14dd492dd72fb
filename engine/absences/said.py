"""The words of the absence export: what was delivered, what is to be written, and what waits and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias

from engine.attendance import Attendance, Attendee, Carried
from engine.changes import digest
from engine.records import Frozen, Sheet

Verb: TypeAlias = Literal["deliver", "update", "retract"]
RowState: TypeAlias = Literal["due", "waiting", "held", "by_hand", "theirs"]


class Key(NamedTuple):
    """One person on one session, in the ERP's own keys."""

    session: str
    kind: Attendee
    person: str


class HandKey(NamedTuple):
    """One person on one sheet, in Edusign's ids: what a person reports by hand is known by it."""

    sheet: str
    kind: Attendee
    person: str

    def id(self, connection: str) -> str:
        """The name it is ticked by."""
        return "a" + digest([connection, *self])[:9]


class Delivered(Frozen):
    """The base of one attendance (R26): what was last sent to the ERP, and what was found there right after.

    `left` is what "still stands as we left it" is judged by; it lacks the ERP's own key and interval where
    nobody read it back. `start` is the sheet's (UTC), `label` the person's name, `about` the sheet's.
    """

    session: str
    kind: Attendee
    person: str
    sheet: str
    edusign_person: str
    label: str = ""
    about: str = ""
    start: datetime | None = None
    end: datetime | None = None
    sent: Attendance
    left: Attendance
    at: datetime
    run_id: str
    verified: bool = False

    @property
    def key(self) -> Key:
        return Key(self.session, self.kind, self.person)


class Delivery(Frozen):
    """One intended write: one person's attendance on one session, in the ERP's keys.

    `before` is what stands there as we left it, None for a first one. `hold` names the brake that stops it.
    """

    verb: Verb
    session: Sheet
    sheet: str
    edusign_person: str
    label: str = ""
    about: str = ""
    before: Attendance | None = None
    after: Attendance
    hold: str = ""

    @property
    def key(self) -> Key:
        return Key(self.session.id, self.after.kind, self.after.person)

    @property
    def id(self) -> str:
        """Stable name of exactly this write (R30)."""
        return digest([self.verb, *self.key, facts(self.before), facts(self.after)])[:12]


class SessionWrite(Frozen):
    """All that one run writes of one session, in one call; `standing` are those people's rows as last read."""

    session: Sheet
    sheet: str
    deliveries: tuple[Delivery, ...]
    standing: tuple[Attendance, ...] = ()

    @property
    def wanted(self) -> tuple[Attendance, ...]:
        return tuple(one.after for one in self.deliveries)


class Hold(Frozen):
    """Deliveries that wait for a person. `sheet`: the one they are of, "" where they are of several."""

    cause: str
    sheet: str = ""
    session: str = ""
    label: str = ""
    deliveries: tuple[Delivery, ...] = ()


class Tick(Frozen):
    """Somebody said to have reported it by hand: `value` is what. `found`: whether the ERP showed it since,
    None while nobody could look."""

    sheet: str
    kind: Attendee
    person: str
    value: str
    actor: str
    at: datetime
    found: bool | None = None

    @property
    def key(self) -> HandKey:
        return HandKey(self.sheet, self.kind, self.person)


class Row(Frozen):
    """One line of what is not simply delivered: one person on one sheet, or a whole sheet of `people`.

    `why` is a code (see `engine.absences.reasons`), `said` what either side says where that helps. `session`
    and `erp_person` are "" where nobody knows them.
    """

    state: RowState
    why: str
    sheet: str
    session: str = ""
    kind: Attendee = "learner"
    person: str = ""
    erp_person: str = ""
    label: str = ""
    about: str = ""
    start: datetime | None = None
    end: datetime | None = None
    people: int = 0
    attendance: Attendance | None = None
    erp: Attendance | None = None
    reason_name: str = ""
    said: str = ""
    delivery: str = ""
    verb: str = ""
    value: str = ""

    @property
    def hand(self) -> HandKey:
        return HandKey(self.sheet, self.kind, self.person)


def facts(one: Attendance | None) -> dict[str, Any] | None:
    """What an attendance says of the person, without whose and which row it is."""
    if one is None:
        return None
    values = one.model_dump(include={"state", "late", "left_early", "justified", "reason"})
    return {name: value for name, value in values.items() if value or name == "state"}


def spelled(one: Attendance) -> str:
    """`facts` as one text: equal for equal attendances."""
    return ";".join(f"{name}={value}" for name, value in sorted((facts(one) or {}).items()))


def plain_presence(one: Attendance) -> bool:
    """Whether it says that somebody was there, from beginning to end."""
    return one.state == "present" and not one.late and not one.left_early


def same(one: Attendance, other: Attendance, carries: frozenset[Carried]) -> bool:
    """Whether two attendances say the same, as far as the ERP's writes can say it."""
    if one.state != other.state:
        return False
    return all(getattr(one, name) == getattr(other, name) for name in _compared(one, carries))


def stands_as_left(standing: Attendance, left: Attendance) -> bool:
    """Whether a row of the ERP is the one we left, untouched: by all it says, whether our writes can say it or
    not, and by its key and interval where both are known."""
    if facts(standing) != facts(left):
        return False
    known = ((standing.key, left.key), (standing.first, left.first), (standing.last, left.last))
    return all(now == then for now, then in known if now and then)


def _compared(one: Attendance, carries: frozenset[Carried]) -> list[Carried]:
    names: tuple[Carried, ...] = ("justified", "reason")
    if one.state == "present":
        names = ("late", "left_early") if plain_presence(one) else ("late", "left_early", "reason")
    return [name for name in names if name in carries]
