"""Life goes on in a school of the live demo: every half minute or so somebody does something small."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time, timedelta

from connectors.simulation.attendance import Attendance
from connectors.simulation.morning import Cast, NobodyLeft
from connectors.simulation.names import LAST_NAMES
from connectors.simulation.people import Edit, Side
from connectors.simulation.scenes import Scene
from connectors.simulation.school import RecordKind
from engine.clock import Clock

SHORTEST, SPREAD = 40.0, 40.0
"""Seconds between two deeds in one school: the least, and how much more it may be."""


class Bustle:
    """What the people of one school do next: what comes from the seed, on whose sheets from the hour."""

    def __init__(self, scene: Scene, cast: Cast, attendance: Attendance, clock: Clock) -> None:
        self._scene = scene
        self._cast = cast
        self._attendance = attendance
        self._clock = clock
        # Signing is what goes on most; what asks a person is rare.
        self._deeds: tuple[Callable[[], bool], ...] = (
            *(attendance.next_one,) * 5,
            *(self._phone,) * 2,
            self._email,
            self._name,
            *(self._room,) * 2,
            self._moved,
            self._enrolled,
            self._room_in_edusign,
            self._email_in_edusign,
        )

    def pause(self) -> float:
        """Seconds until the next deed."""
        return SHORTEST + SPREAD * self._cast.draw.below(100) / 100

    def go_on(self) -> bool:
        """Do the next thing, now; False when there was nobody to do it to."""
        deed = self._cast.draw.pick(self._deeds)
        try:
            return deed() or self._attendance.next_one()
        except NobodyLeft:
            return self._attendance.next_one()

    def _phone(self) -> bool:
        return self._edit("erp", self._cast.learner().identity, "phone", self._cast.phone())

    def _email(self) -> bool:
        one = self._cast.learner()
        return self._edit("erp", one.identity, "email", self._cast.mailbox(one.last_name, one.first_name))

    def _name(self) -> bool:
        one = self._cast.learner()
        name = f"{one.last_name.strip()}-{self._cast.draw.pick(LAST_NAMES)}"
        return self._edit("erp", one.identity, "last_name", name)

    def _room(self) -> bool:
        session = self._cast.session(self._later(1, 4), time(9))
        return self._edit("erp", session.identity, "rooms", (self._cast.other_room(session),), "sheet")

    def _moved(self) -> bool:
        session = self._cast.session(self._later(1, 4), time(13, 30))
        hours = (("start", "14:00:00"), ("end", "17:00:00"))
        return self._do("erp", "move_session", session.identity, hours, "sheet")

    def _enrolled(self) -> bool:
        identity, last, first = self._cast.newcomer()
        who = (
            ("last_name", last),
            ("first_name", first),
            ("email", self._cast.mailbox(last, first)),
            ("group", self._cast.draw.pick(self._scene.school.groups).identity),
        )
        return self._do("erp", "add_learner", identity, who, "learner")

    def _room_in_edusign(self) -> bool:
        session = self._cast.session(self._later(0, 2), time(13, 30))
        return self._edit("edusign", session.identity, "CLASSROOM", "Salle polyvalente", "sheet")

    def _email_in_edusign(self) -> bool:
        one = self._cast.learner()
        return self._edit("edusign", one.identity, "EMAIL", self._cast.mailbox(one.last_name, one.first_name))

    def _later(self, nearest: int, farthest: int) -> date:
        """A day some days from today."""
        return self._attendance.today() + timedelta(
            days=nearest + self._cast.draw.below(farthest - nearest + 1)
        )

    def _edit(self, side: Side, identity: str, field: str, value: object, kind: RecordKind = "learner") -> bool:
        return self._scene.editor.apply(
            Edit(self._clock.now(), side, "edit", identity, field, value, "", kind, "bustle")
        )

    def _do(self, side: Side, action: str, identity: str, value: object, kind: RecordKind) -> bool:
        return self._scene.editor.apply(
            Edit(self._clock.now(), side, action, identity, "", value, "", kind, "bustle")
        )
