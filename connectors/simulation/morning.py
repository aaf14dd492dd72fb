"""The morning on which the live demo opens: what people did on both sides since the last window.

Each school's morning leaves something of everything that a console shows: conflicts, a hold, probable
doubles, rejections, tasks, sheets of today that are not as they should be, and ordinary pending changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.simulation.names import (
    FIRST_NAMES,
    LAST_NAMES,
    Draw,
    phone_number,
    phone_spelling,
    plain,
    same_name_key,
)
from connectors.simulation.people import Edit, Side
from connectors.simulation.scenes import Scene
from connectors.simulation.school import Learner, RecordKind, Session

LEAVING, LEAVING_SHARE = 4, 0.05
"""So many learners leave at once, and this share of the school beside: more than the brakes let go."""

_MORNING, _AFTERNOON = time(9), time(13, 30)
_EVENING = (time(17), time(18, 30))


class NobodyLeft(Exception):
    """Everybody, or every session, has a story already."""


@dataclass(frozen=True)
class Deed:
    """Something somebody does at an instant."""

    at: datetime
    do: Callable[[], object]


class Cast:
    """Hands out people and sessions that no story is about yet, in an order `draw` decides."""

    def __init__(self, scene: Scene, draw: Draw) -> None:
        self.draw = draw
        self._school = scene.school
        self._used = set(scene.school.dirty()) | _mentioned(scene.edits)
        self._names = {same_name_key(one.last_name, one.first_name) for one in scene.school.learners}
        self._made = 0

    def learner(self) -> Learner:
        """Somebody enrolled, free of dirt. Raises NobodyLeft."""
        return self.neighbours(1)[0]

    def neighbours(self, count: int) -> list[Learner]:
        """That many learners, of one group as far as it goes round. Raises NobodyLeft where there are fewer."""
        free = [one for one in self._school.learners if one.left is None and one.identity not in self._used]
        if len(free) < count:
            raise NobodyLeft
        first = self.draw.below(len(free) - count + 1)
        chosen = free[first : first + count]
        self._used |= {one.identity for one in chosen}
        return chosen

    def session(self, day: date, start: time) -> Session:
        """A plain session of one group at that hour. Raises NobodyLeft."""
        for one in self._school.sessions:
            plain_one = len(one.groups) == len(one.staff) == 1 and one.rooms and len(one.learners) > 2
            if one.day == day and one.start == start and plain_one and one.identity not in self._used:
                self._used.add(one.identity)
                return one
        raise NobodyLeft

    def newcomer(self) -> tuple[str, str, str]:
        """(hidden identity, last name, first name) of somebody nobody knows yet."""
        while True:
            last, first = self.draw.pick(LAST_NAMES), self.draw.pick(FIRST_NAMES)
            if (key := same_name_key(last, first)) not in self._names:
                self._names.add(key)
                self._made += 1
                return f"P{95000 + self._made}", last, first

    def new_session(self) -> str:
        """The hidden identity of a session nobody has planned yet."""
        self._made += 1
        return f"S{95000 + self._made}"

    def mailbox(self, last: str, first: str) -> str:
        """A new address for somebody."""
        self._made += 1
        words = f"{plain(first)}.{plain(last)}".replace(" ", "").encode("ascii", "ignore").decode()
        return f"{words.strip('.')[:40] or 'apprenant'}{self._made}@nouveau.example"

    def phone(self) -> str:
        """A number nobody has."""
        return phone_spelling(self.draw, phone_number(self.draw))

    def other_room(self, session: Session) -> int:
        """The code of a room that isn't the session's."""
        return self.draw.pick([room.code for room in self._school.rooms if room.code not in session.rooms])


class Morning:
    """One school's morning of `day`. Deeds come in the order of their instants."""

    def __init__(self, scene: Scene, cast: Cast, day: date) -> None:
        self._scene = scene
        self._cast = cast
        self._day = day
        self._zone = ZoneInfo(scene.school.zone)
        self._deeds: list[Deed] = []
        self._minutes = 0

    def of_a_large_school(self) -> list[Deed]:
        """Everything once, and a class that left."""
        return self._of(
            lambda: self._conflict("email", "EMAIL"),
            lambda: self._conflict("phone", "PHONE"),
            self._many_leave,
            self._made_by_hand_too,
            self._without_email,
            self._with_the_email_of_another,
            self._session_without_speaker,
            lambda: self._kept_by_edusign("EMAIL"),
            lambda: self._kept_by_edusign("PHONE"),
            self._other_room,
            self._other_time,
            self._empty_sheet,
            self._ordinary,
        )

    def of_a_small_school(self) -> list[Deed]:
        """A little of it."""
        return self._of(
            lambda: self._conflict("email", "EMAIL"),
            self._one_leaves,
            self._same_sheet_by_hand,
            self._without_email,
            lambda: self._kept_by_edusign("EMAIL"),
            self._other_room,
            self._sheet_without_session,
            self._ordinary,
        )

    def since_the_plan(self) -> list[Deed]:
        """What is done after somebody looked at the plan: the next run finds it."""
        return self._of(self._ordinary)

    def _of(self, *steps: Callable[[], None]) -> list[Deed]:
        """The deeds of some steps; a school too small for one does without."""
        self._deeds = []
        for step in steps:
            with suppress(NobodyLeft):
                step()
        return sorted(self._deeds, key=lambda deed: deed.at)

    # What waits for a person

    def _conflict(self, erp_field: str, edusign_field: str) -> None:
        one = self._cast.learner()
        ours, theirs = (
            (self._cast.phone(), self._cast.phone())
            if erp_field == "phone"
            else (self._mailbox(one), self._mailbox(one))
        )
        self._edit("erp", one.identity, erp_field, ours)
        self._edit("edusign", one.identity, edusign_field, theirs)

    def _many_leave(self) -> None:
        count = LEAVING + math.ceil(LEAVING_SHARE * len(self._scene.school.learners))
        yesterday = (self._day - timedelta(days=1)).isoformat()
        for one in self._cast.neighbours(count):
            self._hand("erp", "depart", one.identity, on=yesterday, story="class_left")

    def _one_leaves(self) -> None:
        self._hand("erp", "depart", self._cast.learner().identity, story="left")

    def _made_by_hand_too(self) -> None:
        """Somebody enrolled this morning whom a secretary had put into Edusign, under another e-mail."""
        identity, last, first = self._cast.newcomer()
        fields = {"LASTNAME": last, "FIRSTNAME": first, "EMAIL": self._cast.mailbox(last, first), "PHONE": ""}
        self._then(lambda: self._scene.edusign.hand.create("learner", identity, fields, who="edusign:by_hand"))
        self._enrol(identity, last, first, self._cast.mailbox(last, first), "made_by_hand_too")

    def _same_sheet_by_hand(self) -> None:
        """A session planned this morning for which a speaker had made a sheet already."""
        day = self._day + timedelta(days=2)
        model = self._cast.session(day, _AFTERNOON)
        self._sheet_by_hand(f"{model.subject} (bis)", day, self._cast.new_session(), model)
        self._plan_session(model, day, list(model.staff), "sheet_by_hand_too")

    def _without_email(self) -> None:
        self._enrol(*self._cast.newcomer(), "", "no_email")

    def _with_the_email_of_another(self) -> None:
        self._enrol(*self._cast.newcomer(), self._cast.learner().email, "email_of_another")

    def _kept_by_edusign(self, field: str) -> None:
        one = self._cast.learner()
        value = self._mailbox(one) if field == "EMAIL" else self._cast.phone()
        self._edit("edusign", one.identity, field, value)

    # Today's sheets

    def _session_without_speaker(self) -> None:
        model = self._cast.session(self._day, _MORNING)
        self._plan_session(model, self._day, [], "no_speaker")

    def _other_room(self) -> None:
        one = self._cast.session(self._day, _AFTERNOON)
        self._edit("edusign", one.identity, "CLASSROOM", "Amphithéâtre", "sheet")

    def _other_time(self) -> None:
        one = self._cast.session(self._day, _AFTERNOON)
        hours = {"start": "14:00:00", "end": "17:00:00"}
        self._hand("erp", "move_session", one.identity, story="moved_today", **hours)

    def _empty_sheet(self) -> None:
        self._sheet_by_hand("Rattrapage", self._day, self._cast.new_session(), None)

    def _sheet_without_session(self) -> None:
        model = self._cast.session(self._day, _MORNING)
        self._sheet_by_hand("Soutien", self._day, self._cast.new_session(), model)

    # What the next run will simply do

    def _ordinary(self) -> None:
        one = self._cast.learner()
        name = f"{one.last_name.strip()}-{self._cast.draw.pick(LAST_NAMES)}"
        self._edit("erp", one.identity, "last_name", name)
        self._edit("erp", self._cast.learner().identity, "phone", self._cast.phone())
        identity, last, first = self._cast.newcomer()
        self._enrol(identity, last, first, self._cast.mailbox(last, first), "enrolled")
        session = self._cast.session(self._day + timedelta(days=1), _AFTERNOON)
        self._edit("erp", session.identity, "rooms", (self._cast.other_room(session),), "sheet")

    # How it is done

    def _edit(self, side: Side, identity: str, field: str, value: Any, kind: RecordKind = "learner") -> None:
        at = self._next()
        edit = Edit(at, side, "edit", identity, field, value, "", kind, "morning")
        self._deeds.append(Deed(at, lambda: self._scene.editor.apply(edit)))

    def _hand(self, side: Side, action: str, identity: str, *, story: str, **arguments: Any) -> None:
        at = self._next()
        edit = Edit(at, side, action, identity, "", tuple(arguments.items()), "", "learner", story)
        self._deeds.append(Deed(at, lambda: self._scene.editor.apply(edit)))

    def _enrol(self, identity: str, last: str, first: str, email: str, story: str) -> None:
        group = self._cast.draw.pick(self._scene.school.groups).identity
        who = {"last_name": last, "first_name": first, "email": email, "group": group}
        self._hand("erp", "add_learner", identity, story=story, **who)

    def _plan_session(self, model: Session, day: date, staff: list[str], story: str) -> None:
        """A session in the evening for the group of another one."""
        start, end = _EVENING
        self._hand(
            "erp", "add_session", self._cast.new_session(), story=story,
            subject=model.subject, day=day.isoformat(), start=start.isoformat(), end=end.isoformat(),
            groups=model.groups, staff=tuple(staff), rooms=model.rooms,
        )  # fmt: skip

    def _sheet_by_hand(self, name: str, day: date, identity: str, model: Session | None) -> None:
        """A sheet in the evening for the group and speaker of a session; without one for nobody."""
        start, end = (self._instant(day, at).isoformat() for at in _EVENING)
        fields: dict[str, Any] = {
            "NAME": name, "START": start, "END": end, "CLASSROOM": "CDI", "SCHOOL_GROUP": [], "STUDENTS": [],
        }  # fmt: skip

        def make() -> None:
            editor = self._scene.editor
            if model is not None:
                group = editor.edusign_id("group", model.groups[0])
                fields["SCHOOL_GROUP"] = [group]
                fields["STUDENTS"] = list(self._scene.edusign.store.rows["group"][group].member_ids)
                fields["PROFESSOR"] = editor.edusign_id("speaker", model.staff[0])
            self._scene.edusign.hand.create("sheet", identity, fields, who="edusign:by_hand")

        self._then(make)

    def _then(self, do: Callable[[], object]) -> None:
        self._deeds.append(Deed(self._next(), do))

    def _mailbox(self, one: Learner) -> str:
        return self._cast.mailbox(one.last_name, one.first_name)

    def _next(self) -> datetime:
        """A few minutes after the deed before, from half past eight on."""
        self._minutes += 1 + self._cast.draw.below(4)
        return self._instant(self._day, time(8, 30)) + timedelta(minutes=self._minutes)

    def _instant(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, self._zone).astimezone(UTC)


def _mentioned(edits: Iterable[Edit]) -> set[str]:
    """Every identity an edit is about or names."""
    found: set[str] = set()
    for edit in edits:
        found.add(edit.identity)
        if edit.action != "edit":
            found |= {value for _name, value in edit.value if isinstance(value, str)}
    return found
