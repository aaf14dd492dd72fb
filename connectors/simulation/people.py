"""The people who edit by hand, on both sides, while syncs run: what they do, when, and who does it for them.

`script` writes the story, from the school and a seed alone; `Editor` plays it on simulators in this process.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, Protocol, TypeAlias
from zoneinfo import ZoneInfo

from connectors.simulation.control import ControlError
from connectors.simulation.names import LAST_NAMES, Draw, phone_number, phone_spelling, plain
from connectors.simulation.school import Learner, RecordKind, School, Session

Side: TypeAlias = Literal["erp", "edusign"]

FEWEST_OCCURRENCES = 4
"""With fewer windows than this nothing can be edited, noticed and settled: the script is empty."""

_LAST_MOMENT = 9  # edits happen around the first ten occurrences
_QUIET = timedelta(minutes=30)  # before the first of the last two occurrences


@dataclass(frozen=True)
class Edit:
    """One thing one person does.

    `action` names a hand of that side's simulator. For "edit", `field` and `value` are the field (in the
    side's own spelling: neutral names in the ERP, EMAIL, CLASSROOM … in Edusign) and what is typed; for other
    actions `value` holds the further arguments as pairs, identities where they refer to a record.
    Edits of one `story` belong together. `expect`: what a correct sync makes of it: written, created,
    archived, withdrawn, held, roster, task, overwritten, conflict, agreed, kept, put_back, restored.
    """

    at: datetime
    side: Side
    action: str
    identity: str
    field: str
    value: Any
    expect: str
    kind: RecordKind
    story: str


def script(school: School, rng: random.Random, days: list[date], windows: list[time]) -> tuple[Edit, ...]:
    """What people do around the occurrences that `windows` (local starts of imports) have on `days`.

    Edits fall between and during the earlier occurrences; nothing happens in the last two or after. Edits of
    records that only a sync makes come after the second occurrence, those that end in a removal soon after
    it, since a removal takes several occurrences. Each identity appears in one story at most."""
    starts = sorted(
        datetime.combine(day, window, ZoneInfo(school.zone)).astimezone(UTC)
        for day in days
        for window in windows
    )
    if len(starts) < FEWEST_OCCURRENCES:
        return ()
    writer = _Writer(school, rng, starts)
    for number in range(max(1, round(len(school.learners) / 1000))):
        writer.in_the_erp(number)
        writer.in_edusign()
        writer.on_both_sides()
        writer.later_the_same_day()
    return tuple(sorted(writer.edits, key=lambda edit: (edit.at, edit.side, edit.identity, edit.field)))


class _Writer:
    def __init__(self, school: School, rng: random.Random, starts: list[datetime]) -> None:
        self.school = school
        self.zone = ZoneInfo(school.zone)
        self.draw = Draw(rng)
        self.starts = starts
        self.last = min(len(starts) - 3, _LAST_MOMENT)
        self.edits: list[Edit] = []
        self.mailboxes = 0
        used = set(school.dirty())
        people = [one for one in school.learners if one.identity not in used and one.left is None]
        self.draw.shuffle(people)
        # With two different e-mails it would be open which of them a sync carries: those come last.
        self.people = sorted(people, key=lambda one: one.email != one.portal_email)
        self.sessions = [
            one
            for one in school.sessions
            if one.identity not in used and len(one.groups) == 1 and len(one.staff) == 1 and one.rooms
            and one.day.weekday() < 5 and len(one.learners) > 2
        ]  # fmt: skip
        self.draw.shuffle(self.sessions)
        self.nameless = iter([d.identities[0] for d in school.dirt if d.kind == "missing_email"])
        self.used: set[str] = set()

    # When

    def after(self, index: int) -> datetime:
        """A moment between occurrence `index` and the next."""
        index = min(index, self.last)
        gap = self.starts[index + 1] - self.starts[index]
        at = self.starts[index] + gap * (0.4 + 0.4 * self.draw.below(100) / 100)
        return min(at, self.starts[-2] - _QUIET).replace(microsecond=0)

    def during(self, index: int) -> datetime:
        """A moment while the run of occurrence `index` is likely still going."""
        start = self.starts[min(index, self.last)]
        return start + timedelta(seconds=120 + self.draw.below(420))

    def sometime(self, first: int) -> datetime:
        """Between or during runs, after occurrence `first`."""
        index = first + self.draw.below(max(1, self.last - first + 1))
        return self.during(index) if index > first and self.draw.chance(0.4) else self.after(index)

    # Whom

    def learner(self, mail: bool = False) -> Learner:
        """Somebody no story has; with one e-mail for everything if `mail`."""
        order = self.people if mail else reversed(self.people)
        found = next(one for one in order if one.identity not in self.used)
        self.used.add(found.identity)
        return found

    def session(self, at: datetime, nearest: int, farthest: int) -> Session | None:
        """An unused session that many days after the local date of `at`, both included; None if none is."""
        today = at.astimezone(self.zone).date()
        for one in self.sessions:
            if one.identity not in self.used and nearest <= (one.day - today).days <= farthest:
                self.used.add(one.identity)
                return one
        return None

    def mailbox(self, learner: Learner | None = None) -> str:
        self.mailboxes += 1
        name = plain(learner.last_name if learner else "apprenant").encode("ascii", "ignore").decode()
        return f"{name.replace(' ', '')[:30] or 'x'}.{self.mailboxes}@nouveau.example"

    def do(
        self, at: datetime, side: Side, action: str, identity: str, field: str, value: Any, expect: str,
        story: str, kind: RecordKind = "learner",
    ) -> None:  # fmt: skip
        self.edits.append(Edit(at, side, action, identity, field, value, expect, kind, story))

    # What

    def in_the_erp(self, number: int) -> None:
        early = self.after(1)
        nameless = next(self.nameless, None)
        if nameless is not None:
            self.do(
                self.sometime(0), "erp", "edit", nameless, "email", self.mailbox(), "created", "email_fixed"
            )
        one = self.learner()
        name = f"{one.last_name.strip()}-{self.draw.pick(LAST_NAMES)}"
        self.do(self.sometime(1), "erp", "edit", one.identity, "last_name", name, "written", "name_corrected")
        phone = phone_spelling(self.draw, phone_number(self.draw))
        self.do(
            self.sometime(1), "erp", "edit", self.learner().identity, "phone", phone, "written", "phone_changed"
        )
        self.do(early, "erp", "depart", self.learner().identity, "", (), "archived", "departed")
        group = self.draw.pick(self.school.groups)
        newcomer = (
            ("last_name", self.draw.pick(LAST_NAMES)), ("first_name", f"Nouveau{number + 1}"),
            ("email", self.mailbox()), ("group", group.identity),
        )  # fmt: skip
        self.do(self.sometime(0), "erp", "add_learner", f"P{90001 + number}", "", newcomer, "created", "added")
        one = self.learner()
        group = self.draw.pick([g for g in self.school.groups if g.identity != one.group])
        self.do(
            self.sometime(1), "erp", "move_learner", one.identity, "", (("group", group.identity),), "roster",
            "moved_group",
        )  # fmt: skip
        self._erp_sessions(early)

    def _erp_sessions(self, early: datetime) -> None:
        at = self.sometime(1)
        if (one := self.session(at, 2, 5)) is not None:
            room = self.draw.pick([room.code for room in self.school.rooms if room.code not in one.rooms])
            self.do(at, "erp", "edit", one.identity, "rooms", (room,), "written", "room_changed", "sheet")
        at = self.sometime(1)
        # Under a key that moves it is gone where it was, which takes two occurrences to prove (R12, R13).
        if (one := self.session(at, 3, 6)) is not None:
            when = (("start", "17:00:00"), ("end", "18:30:00"))
            self.do(at, "erp", "move_session", one.identity, "", when, "written", "session_moved", "sheet")
        at = self.sometime(1)
        if (one := self.session(at, 2, 5)) is not None:
            others = [p.identity for p in self.school.staff if p.trainer and p.identity not in one.staff]
            staff = (("staff", (self.draw.pick(others),)),)
            self.do(
                at, "erp", "change_speaker", one.identity, "", staff, "written", "speaker_replaced", "sheet"
            )
        at = self.sometime(1)
        if (one := self.session(at, 2, 5)) is not None:
            busy = self.used | self.school.dirty()
            out = next((identity for identity in one.learners if identity not in busy), None)
            elsewhere = (p.identity for p in reversed(self.people) if p.identity not in one.learners)
            into = next((identity for identity in elsewhere if identity not in busy), None)
            if out is not None and into is not None:
                self.used |= {out, into}
                pair = (("out", out), ("into", into))
                self.do(at, "erp", "swap_learners", one.identity, "", pair, "roster", "swapped", "sheet")
        # Gone takes two occurrences to prove: three days ahead it is then still beyond 24 hours.
        if (one := self.session(early, 3, 6)) is not None:
            self.do(
                early, "erp", "cancel_session", one.identity, "", (), "withdrawn", "session_cancelled", "sheet"
            )
        if (one := self._tomorrow_afternoon(early)) is not None:
            self.do(
                early, "erp", "cancel_session", one.identity, "", (), "held", "session_cancelled_soon", "sheet"
            )

    def _tomorrow_afternoon(self, at: datetime) -> Session | None:
        """A session within 24 hours of the moment when its cancellation is certain."""
        today = at.astimezone(self.zone).date()
        for one in self.sessions:
            if one.identity not in self.used and (one.day - today).days == 1 and one.start >= time(12):
                self.used.add(one.identity)
                return one
        return None

    def in_edusign(self) -> None:
        one = self.learner(mail=True)
        self.do(
            self.sometime(1),
            "edusign",
            "edit",
            one.identity,
            "EMAIL",
            self.mailbox(one),
            "task",
            "email_edited",
        )
        one = self.learner()
        self.do(
            self.sometime(1), "edusign", "edit", one.identity, "LASTNAME", f"{one.last_name.strip()} (bis)",
            "overwritten", "name_edited",
        )  # fmt: skip
        self.do(
            self.after(1), "edusign", "archive", self.learner().identity, "", (), "restored", "archived_by_hand"
        )
        at = self.sometime(1)
        if (sheet := self.session(at, 2, 5)) is not None:
            free = (one.identity for one in reversed(self.people) if one.identity not in self.used)
            guest = next((identity for identity in free if identity not in sheet.learners), None)
            if guest is not None:
                self._on_sheet(at, "add", sheet, guest, "kept", "added_to_sheet")
        at = self.after(1)
        if (sheet := self.session(at, 3, 5)) is not None:
            busy = self.used | self.school.dirty()
            for member in sheet.learners:
                if member not in busy:
                    self._on_sheet(at, "remove", sheet, member, "put_back", "removed_from_sheet")
                    break
        at = self.sometime(1)
        if (sheet := self.session(at, 2, 5)) is not None:
            self.do(
                at, "edusign", "edit", sheet.identity, "CLASSROOM", "Salle polyvalente", "overwritten",
                "sheet_room_edited", "sheet",
            )  # fmt: skip

    def _on_sheet(
        self, at: datetime, action: str, sheet: Session, learner: str, expect: str, story: str
    ) -> None:
        self.used.add(learner)
        value = (("learner", learner),)
        self.do(at, "edusign", action, sheet.identity, "STUDENTS", value, expect, story, "sheet")

    def on_both_sides(self) -> None:
        one = self.learner(mail=True)
        ours, theirs = self.mailbox(one), self.mailbox(one)
        self._both(one, ("email", ours), ("EMAIL", theirs), "conflict", "both_emails_differ")
        one = self.learner()
        self._both(one, ("first_name", "Dominique"), ("FIRSTNAME", "Domi"), "overwritten", "both_names_differ")
        one = self.learner(mail=True)
        same = self.mailbox(one)
        self._both(one, ("email", same), ("EMAIL", same), "agreed", "both_emails_same")

    def later_the_same_day(self) -> None:
        """A session moved to the evening as it is: where an ERP names it by its start, its key moves (R12)."""
        at = self.sometime(1)
        one = self.session(at, 3, 6)
        if one is None or one.end is None:
            return
        lasts = datetime.combine(one.day, one.end) - datetime.combine(one.day, one.start)
        begins = datetime.combine(one.day, time(17, 30))
        when = (("start", begins.time().isoformat()), ("end", (begins + lasts).time().isoformat()))
        self.do(at, "erp", "move_session", one.identity, "", when, "written", "session_shifted", "sheet")

    def _both(
        self, one: Learner, erp: tuple[str, str], edusign: tuple[str, str], expect: str, story: str
    ) -> None:
        """Both within five minutes, between two runs: the next one sees both."""
        at = self.after(1 + self.draw.below(max(1, self.last)))
        later = at + timedelta(seconds=self.draw.below(300))
        self.do(at, "erp", "edit", one.identity, *erp, expect, story)
        self.do(later, "edusign", "edit", one.identity, *edusign, expect, story)


class ErpSide(Protocol):
    """What the editor asks of an ERP's simulator."""

    @property
    def hands(self) -> Mapping[str, Callable[..., Any]]: ...

    def code_of(self, identity: str) -> int | str:
        """What a sync calls the record now. Raises ControlError."""
        ...

    def codes_of(self, identity: str) -> tuple[str, ...]:
        """That, and what it may have called it before. Raises ControlError."""
        ...


class EdusignSide(Protocol):
    """What the editor asks of the Edusign simulator: `store.rows[kind]` holds rows by id."""

    @property
    def hands(self) -> Mapping[str, Callable[..., Any]]: ...

    @property
    def store(self) -> Any: ...


class NotThere(Exception):
    """The record an edit means is not on that side, or not any more."""


class Editor:
    """Applies edits to the simulators of one connection, in this process.

    `api_type` is the API_TYPE of the records the sync makes in Edusign. `done` and `skipped` list what
    became of each edit, the latter with the reason."""

    def __init__(self, erp: ErpSide, edusign: EdusignSide, api_type: str) -> None:
        self._erp = erp
        self._edusign = edusign
        self._api_type = api_type
        self.done: list[Edit] = []
        self.skipped: list[tuple[Edit, str]] = []

    def apply(self, edit: Edit) -> bool:
        """Do it, now; False if its record is not there (yet), or the side refuses."""
        try:
            if edit.side == "erp":
                self._in_erp(edit)
            else:
                self._in_edusign(edit)
        except (NotThere, ControlError) as error:
            self.skipped.append((edit, str(error)))
            return False
        self.done.append(edit)
        return True

    def edusign_id(self, kind: RecordKind, identity: str) -> str:
        """The Edusign id of the live record of this identity. Raises NotThere."""
        identities = {identity}
        with suppress(ControlError):  # somebody only Edusign knows
            identities |= {f"api:{self._api_type}/{code}" for code in self._erp.codes_of(identity)}
        for id, row in self._edusign.store.rows[kind].items():
            if row.identity in identities and not row.archived:
                return str(id)
        raise NotThere(f"Edusign has no live {kind} of {identity}")

    def _in_erp(self, edit: Edit) -> None:
        hand, who = self._erp.hands[edit.action], f"erp:{edit.story}"
        if edit.action == "edit":
            hand(edit.identity, edit.field, _loose(edit.value), who=who)
        else:
            hand(edit.identity, **{name: _loose(value) for name, value in edit.value}, who=who)

    def _in_edusign(self, edit: Edit) -> None:
        hand, who = self._edusign.hands[edit.action], f"edusign:{edit.story}"
        id = self.edusign_id(edit.kind, edit.identity)
        if edit.action == "edit":
            hand(edit.kind, id, edit.field, edit.value, who=who)
            return
        learners = {name: self.edusign_id("learner", learner) for name, learner in edit.value}
        hand(edit.kind, id, **learners, who=who)


def _loose(value: Any) -> Any:
    """A frozen list as the list a simulator takes."""
    return list(value) if isinstance(value, tuple) else value
