"""What an export writes, and what waits and why: from sheets, from what was delivered, from the ERP. Pure.

Of each attendance there are three words: what the ERP should hold (the wish), what was last sent (the base),
and what stands in the ERP. Only a wish that differs from the base is looked at, and only a row that is ours and
still as we left it is written over (R26).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from engine.absences.reasons import ReasonMap
from engine.absences.said import (
    Delivered,
    Delivery,
    HandKey,
    Hold,
    Key,
    Row,
    SessionWrite,
    Tick,
    Verb,
    plain_presence,
    same,
    spelled,
    stands_as_left,
)
from engine.absences.wishes import EVERYTHING, Wish, evidence, in_erp, on_session, session_of, wishes
from engine.attendance import Attendance, Attendee, Carried, Reason, RollCall
from engine.config_models import ExportOptions, Limit
from engine.links import Link, Links
from engine.records import Sheet

BY_HAND: frozenset[Carried] = EVERYTHING - {"reason"}


@dataclass(frozen=True)
class Brakes:
    """What decides which deliveries wait (R29–R31). `all_wait`: "first_export" or "export_options", "" for
    neither. `approved` and `refused`: ids of deliveries a person decided on."""

    limits: Mapping[str, Limit] = field(default_factory=dict)
    all_wait: Literal["", "first_export", "export_options"] = ""
    approved: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Given:
    """Everything an export's plan depends on.

    `now`: the later of our clock and Edusign's. `base`: what was delivered of the sheets looked at. `carries`:
    what the ERP's write can say, nothing where it takes none. `nothing_goes`: why nothing may be written at
    all, as a code of `reasons.why`, "" when it may. `complete`: whether every sheet was seen.
    """

    now: datetime
    calls: tuple[RollCall, ...]
    complete: bool
    links: Links
    sealed: Mapping[str, str]
    base: Mapping[Key, Delivered]
    ticks: Mapping[HandKey, Tick]
    carries: frozenset[Carried]
    options: ExportOptions
    reasons: ReasonMap
    our_type: str
    labels: Mapping[tuple[Attendee, str], str] = field(default_factory=dict)
    nothing_goes: str = ""
    brakes: Brakes = field(default_factory=Brakes)


@dataclass(frozen=True)
class Stood:
    """What the ERP holds of the sessions it was `asked` about, by person on a session; where it is not
    `complete`, a missing row proves nothing, and `said` tells why."""

    rows: Mapping[Key, tuple[Attendance, ...]] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()
    complete: bool = True
    said: str = ""

    @classmethod
    def of(
        cls,
        attendances: Iterable[Attendance],
        asked: Iterable[str] = (),
        *,
        complete: bool = True,
        said: str = "",
    ) -> Stood:
        rows: dict[Key, tuple[Attendance, ...]] = {}
        for one in attendances:
            if one.state != "awaiting":
                key = Key(one.sheet, one.kind, one.person)
                rows[key] = (*rows.get(key, ()), one)
        return cls(rows, frozenset(asked), complete, said)


@dataclass(frozen=True)
class ExportPlan:
    """What an export would write, in order, and everything else a person should see.

    `forgotten`: bases of which nothing stands nor should stand any more. `found`: ticks that the ERP now shows
    to be true, or not. `seen`: every attendance on a locked sheet. `unmapped`: reasons that took the fallback.
    """

    writes: tuple[SessionWrite, ...] = ()
    rows: tuple[Row, ...] = ()
    holds: tuple[Hold, ...] = ()
    forgotten: tuple[Key, ...] = ()
    found: tuple[tuple[HandKey, bool], ...] = ()
    seen: tuple[HandKey, ...] = ()
    unmapped: Mapping[str, Reason] = field(default_factory=dict)

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """All it wants to write, held or not."""
        held = (one for hold in self.holds for one in hold.deliveries)
        return (*(one for write in self.writes for one in write.deliveries), *held)


def to_look_at(given: Given) -> tuple[Sheet, ...]:
    """The sessions of which the ERP must be asked what stands there: those where a wish differs from the base,
    or something was ticked. Whoever is meant stands among their people, on the session or not."""
    sessions: list[Sheet] = []
    ours = _by_sheet(given)
    for case in _cases(given):
        if case.session is None:
            continue
        meant = (*_wanted(given, case), *_no_longer_there(given, case, ours.get(case.call.seen.id, ())))
        if any(_differs(given, case, wish) or _hand(case, wish.seen) in given.ticks for wish in meant):
            learners = {
                wish.wanted.person for wish in meant if wish.seen.kind == "learner" and in_erp(wish.wanted)
            }
            sessions.append(case.session.model_copy(update={"learners": case.session.learners | learners}))
    return tuple(sessions)


def plan(given: Given, stood: Stood) -> ExportPlan:
    """See the module."""
    made = _Maker(given, stood)
    for case in _cases(given):
        made.take(case)
    made.gone()
    return made.braked()


@dataclass(frozen=True)
class _Case:
    """One sheet that is over or locked: its session, where it has one that absences may be written to, and why
    not where it has not."""

    call: RollCall
    session: Sheet | None
    why_by_hand: str = ""
    link: Link | None = None

    @property
    def sheet(self) -> Sheet:
        sheet = self.call.seen.record
        assert isinstance(sheet, Sheet)
        return sheet


def _cases(given: Given) -> Iterator[_Case]:
    for call in sorted(given.calls, key=lambda one: (_start(one) or given.now, one.seen.id)):
        id = call.seen.id
        link = given.links.of_edusign("sheet", id)
        if link is not None:
            yield _Case(call, session_of(call, link, given.links), "" if given.carries else "no_write", link)
        else:
            yield _Case(call, None, "sealed" if id in given.sealed else "no_session")


def _start(call: RollCall) -> datetime | None:
    return call.seen.record.start if isinstance(call.seen.record, Sheet) else None


def _wanted(given: Given, case: _Case) -> tuple[Wish, ...]:
    """The wishes of one sheet; none before it is locked."""
    if not case.call.seen.locked:
        return ()
    carries = BY_HAND if case.why_by_hand else given.carries
    session = case.session.id if case.session is not None else case.call.seen.id
    return tuple(wishes(case.call, given.links, given.options, carries, given.reasons, session))


def _by_sheet(given: Given) -> dict[str, list[Delivered]]:
    found: dict[str, list[Delivered]] = {}
    for one in given.base.values():
        found.setdefault(one.sheet, []).append(one)
    return found


def _no_longer_there(given: Given, case: _Case, ours: Iterable[Delivered]) -> Iterator[Wish]:
    """Delivered, and no longer on the locked sheet: nothing should stand there of them."""
    session = case.session
    if session is None or case.why_by_hand or not case.call.seen.locked:
        return
    there = {(wish.wanted.kind, wish.wanted.person) for wish in _wanted(given, case)}
    for one in ours:
        if one.session == session.id and (one.kind, one.person) not in there and not plain_presence(one.sent):
            gone = Attendance(sheet=one.session, person=one.person, kind=one.kind, state="present")
            yield Wish(gone.model_copy(update={"sheet": one.sheet, "person": one.edusign_person}), gone)


def _differs(given: Given, case: _Case, wish: Wish) -> bool:
    """Whether there may be something to write or to report."""
    base = given.base.get(Key(wish.wanted.sheet, wish.wanted.kind, wish.wanted.person))
    if base is not None:
        return not same(wish.wanted, base.sent, given.carries)
    return not plain_presence(wish.wanted) or "present" in given.carries


def _hand(case: _Case, seen: Attendance) -> HandKey:
    return HandKey(case.call.seen.id, seen.kind, seen.person)


def _oldest_first(deliveries: list[Delivery]) -> tuple[bool, datetime | None, str]:
    session = deliveries[0].session
    return session.start is None, session.start, session.id


class _Maker:
    def __init__(self, given: Given, stood: Stood) -> None:
        self.given = given
        self.stood = stood
        self.rows: list[Row] = []
        self.deliveries: list[Delivery] = []
        self.missing: dict[str, list[Delivery]] = {}
        """Deliveries of sheets without any roll call, by sheet."""
        self.forgotten: list[Key] = []
        self.found: list[tuple[HandKey, bool]] = []
        self.seen: list[HandKey] = []
        self.people_on: dict[str, int] = {}
        self.of_sheet = _by_sheet(given)

    # One sheet

    def take(self, case: _Case) -> None:
        """Everything of one sheet."""
        ours = self.of_sheet.pop(case.call.seen.id, [])
        if not case.call.seen.locked:
            self._unlocked(case, ours)
            return
        if self._anothers(case):
            if any(not plain_presence(wish.wanted) for wish in _wanted(self.given, case)):
                self._whole("other_connector_sheet", case, len(case.sheet.learners))
            return
        self._other_session(case, ours)
        # Without a roll call nobody's absence is known: not even what is reported by hand (R25).
        called = evidence(case.call)
        wanted = _wanted(self.given, case)
        self.seen += [_hand(case, wish.seen) for wish in wanted]
        self.people_on[case.call.seen.id] = len(wanted)
        told = {(one.kind, one.edusign_person): one.sent for one in ours if case.link is None}
        for wish in wanted:
            sent = told.get((wish.seen.kind, wish.seen.person))
            if sent is not None and same(wish.wanted, sent, self.given.carries):
                continue  # delivered while the sheet still had its session
            if case.why_by_hand or not in_erp(wish.wanted):
                self._by_hand(case, wish, case.why_by_hand or "not_in_erp", called)
            else:
                assert case.session is not None
                self._person(case, case.session, wish, called)
        for wish in _no_longer_there(self.given, case, ours):
            assert case.session is not None
            self._person(case, case.session, wish, True)

    def _anothers(self, case: _Case) -> bool:
        """Whether the sheet is another connector's, which reports it itself (R10)."""
        if case.link is not None:
            return case.link.read_only
        return case.call.seen.api_type not in ("", self.given.our_type)

    def _unlocked(self, case: _Case, ours: list[Delivered]) -> None:
        sheet = case.sheet
        if ours:
            self._whole("unlocked_again", case, len(ours))
        elif sheet.end is not None and sheet.end <= self.given.now and sheet.learners:
            late = self.given.now >= sheet.end + self.given.options.deadline
            self._whole("overdue" if late else "not_locked", case, len(sheet.learners))

    def _other_session(self, case: _Case, ours: list[Delivered]) -> None:
        """What was delivered to another session than the sheet's own now stays where it is, and is said."""
        for one in ours:
            if case.link is not None and one.session != case.link.erp_id:
                self.rows.append(self._of_base("waiting", "session_changed", one))

    def _person(self, case: _Case, session: Sheet, wish: Wish, called: bool) -> None:
        wanted = wish.wanted
        key = Key(wanted.sheet, wanted.kind, wanted.person)
        base = self.given.base.get(key)
        self._check_tick(case, wish)
        if not _differs(self.given, case, wish):
            return
        if base is None and not on_session(wanted, session):
            if wanted.kind == "learner" and not plain_presence(wanted):
                self._by_hand(case, wish, "not_on_session", called)
            return
        standing = self.stood.rows.get(key, ())
        if not standing and not (self.stood.complete and key.session in self.stood.asked):
            self._row("waiting", "standing_unread", case, wish, said=self.stood.said)
            return
        theirs = self._theirs(wanted, base, standing)
        if theirs:
            self._row("theirs", theirs, case, wish, erp=standing[0] if standing else None)
        elif base is not None and not standing and plain_presence(wanted):
            self.forgotten.append(key)
        elif base is None and (
            any(same(wanted, one, self.given.carries) for one in standing)
            or (not standing and plain_presence(wanted) and "present" not in self.given.carries)
        ):
            return  # so it is already, by whoever's hand
        else:
            self._write(case, session, wish, base, standing, called)

    def _theirs(self, wanted: Attendance, base: Delivered | None, standing: tuple[Attendance, ...]) -> str:
        """Why what stands in the ERP is its own people's word, "" when it is not (R26)."""
        if base is None:
            agree = any(same(wanted, one, self.given.carries) for one in standing)
            return "erp_says_otherwise" if standing and not agree else ""
        if plain_presence(base.sent) and not standing:
            return ""
        if not standing:
            return "" if plain_presence(wanted) else "removed_in_erp"
        as_left = len(standing) == 1 and stands_as_left(standing[0], base.left)
        return "" if as_left else "changed_in_erp"

    def _write(
        self,
        case: _Case,
        session: Sheet,
        wish: Wish,
        base: Delivered | None,
        standing: tuple[Attendance, ...],
        called: bool,
    ) -> None:
        wanted = wish.wanted
        took_back = plain_presence(wanted) and "present" not in self.given.carries
        verb: Verb = "retract" if took_back else "update" if base is not None else "deliver"
        one = self._delivery(verb, case, session, wish, standing)
        if not called and not took_back and one.id not in self.given.brakes.approved:
            self.missing.setdefault(one.sheet, []).append(one)
        else:
            self.deliveries.append(one)

    def _delivery(
        self, verb: Verb, case: _Case, session: Sheet, wish: Wish, standing: tuple[Attendance, ...]
    ) -> Delivery:
        return Delivery(
            verb=verb,
            session=session,
            sheet=case.call.seen.id,
            edusign_person=wish.seen.person,
            label=self._label(wish.seen),
            about=case.sheet.name,
            before=standing[0] if standing else None,
            after=wish.wanted,
        )

    # By hand (R28)

    def _by_hand(self, case: _Case, wish: Wish, why: str, called: bool) -> None:
        """A person reports it, unless the ERP shows it already; ticks are compared with what is to be said."""
        tick = self.given.ticks.get(_hand(case, wish.seen))
        value = spelled(wish.wanted)
        if self._in_erp_already(wish):
            if tick is not None and tick.found is not True:
                self.found.append((tick.key, True))
            return
        if plain_presence(wish.wanted):
            nothing_said = tick is None or tick.value == value or "state=present" in tick.value.split(";")
            if not nothing_said:
                self._row("by_hand", "take_back", case, wish, said=tick.value if tick else "", value=value)
            return
        if not called:
            one = self._delivery("deliver", case, case.session or case.sheet, wish, ())
            if one.id not in self.given.brakes.approved:
                self.missing.setdefault(one.sheet, []).append(one)
                return
        if tick is not None and tick.value == value and self._readable(wish):
            self.found.append((tick.key, False))
        self._row("by_hand", why, case, wish, value=value)

    def _readable(self, wish: Wish) -> bool:
        """Whether the ERP was asked about this very session."""
        return self.stood.complete and wish.wanted.sheet in self.stood.asked

    def _in_erp_already(self, wish: Wish) -> bool:
        rows = self.stood.rows.get(Key(wish.wanted.sheet, wish.wanted.kind, wish.wanted.person), ())
        # What people type in there need not name the justification: that they note the absence is enough.
        carries: frozenset[Carried] = frozenset({"late", "left_early"})
        return any(same(wish.wanted, one, carries) for one in rows)

    def _check_tick(self, case: _Case, wish: Wish) -> None:
        """What was reported by hand before its sheet was linked: does the ERP show it?"""
        tick = self.given.ticks.get(_hand(case, wish.seen))
        if tick is not None and tick.found is not True and self._in_erp_already(wish):
            self.found.append((tick.key, True))

    # What is no longer in Edusign

    def gone(self) -> None:
        """Sheets that something was delivered of and that Edusign no longer shows."""
        if not self.given.complete:
            return
        for ours in self.of_sheet.values():
            self.rows += [
                self._of_base("waiting", "sheet_gone", one) for one in ours if not plain_presence(one.sent)
            ]

    # Brakes

    def braked(self) -> ExportPlan:
        """The plan, with what must wait for a person held."""
        given, brakes = self.given, self.given.brakes
        going: list[Delivery] = []
        held: dict[tuple[str, str], list[Delivery]] = {}
        over = self._over_limits()
        for sheet, deliveries in self.missing.items():
            left = [one for one in deliveries if one.id not in brakes.refused]
            self.rows += [self._of_delivery("waiting", "skipped", d) for d in deliveries if d not in left]
            if given.nothing_goes:
                self.rows += [self._of_delivery("waiting", given.nothing_goes, one) for one in left]
            elif left:
                held["roll_call_missing", sheet] = left
        for one in self.deliveries:
            cause = brakes.all_wait or over.get(one.id, "")
            if one.id in brakes.refused:
                self.rows.append(self._of_delivery("waiting", "skipped", one))
            elif given.nothing_goes:
                self.rows.append(self._of_delivery("waiting", given.nothing_goes, one))
            elif cause and one.id not in brakes.approved:
                held.setdefault((cause, ""), []).append(one)
            else:
                going.append(one)
        holds = tuple(self._held(cause, sheet, of) for (cause, sheet), of in held.items())
        return ExportPlan(
            writes=tuple(self._sessions(going)),
            rows=tuple(self.rows),
            holds=holds,
            forgotten=tuple(self.forgotten),
            found=tuple(self.found),
            seen=tuple(self.seen),
            unmapped=dict(given.reasons.unmapped),
        )

    def _over_limits(self) -> dict[str, str]:
        """First deliveries are counted against everybody on their sheets, corrections against all delivered."""
        brakes = self.given.brakes
        verbs: tuple[Verb, ...] = ("deliver", "update", "retract")
        found: dict[str, str] = {}
        for verb in verbs:
            mine = [
                one
                for one in self.deliveries
                if one.verb == verb and one.id not in brakes.approved and one.id not in brakes.refused
            ]
            sheets = {one.sheet for one in mine}
            here = sum(self.people_on.get(sheet, 0) for sheet in sheets)
            total = here if verb == "deliver" else len(self.given.base)
            limit = brakes.limits.get(f"{verb} absence")
            if limit is not None and len(mine) > limit.count and len(mine) > limit.share * total:
                found.update({one.id: f"limit {verb} absence" for one in mine})
        return found

    def _held(self, cause: str, sheet: str, deliveries: list[Delivery]) -> Hold:
        held = tuple(one.model_copy(update={"hold": cause}) for one in deliveries)
        rows = [self._of_delivery("held", cause, one) for one in held]
        if sheet:
            # Whether a roll was called is a question of the sheet: one line for all of it.
            nobody: dict[str, object] = {"person": "", "erp_person": "", "label": "", "attendance": None}
            rows = [rows[0].model_copy(update={**nobody, "people": len(held)})]
        self.rows += rows
        session = held[0].session.id if sheet else ""
        label = held[0].about if sheet else ""
        return Hold(cause=cause, sheet=sheet, session=session, label=label, deliveries=held)

    def _sessions(self, going: list[Delivery]) -> Iterator[SessionWrite]:
        """One write per session, the oldest first: its time to be corrected runs out first."""
        by_session: dict[str, list[Delivery]] = {}
        for one in going:
            by_session.setdefault(one.session.id, []).append(one)
        for deliveries in sorted(by_session.values(), key=_oldest_first):
            rows = [row for one in deliveries for row in self.stood.rows.get(one.key, ())]
            yield SessionWrite(
                session=deliveries[0].session,
                sheet=deliveries[0].sheet,
                deliveries=tuple(deliveries),
                standing=tuple(rows),
            )

    # Rows

    def _label(self, seen: Attendance) -> str:
        return self.given.labels.get((seen.kind, seen.person), seen.person)

    def _whole(self, why: str, case: _Case, people: int) -> None:
        sheet = case.sheet
        self.rows.append(
            Row(
                state="waiting",
                why=why,
                sheet=sheet.id,
                session=case.session.id if case.session is not None else "",
                about=sheet.name,
                start=sheet.start,
                end=sheet.end,
                people=people,
            )
        )

    def _row(
        self,
        state: Literal["waiting", "by_hand", "theirs"],
        why: str,
        case: _Case,
        wish: Wish,
        erp: Attendance | None = None,
        said: str = "",
        value: str = "",
    ) -> None:
        sheet = case.sheet
        self.rows.append(
            Row(
                state=state,
                why=why,
                sheet=sheet.id,
                session=case.session.id if case.session is not None else "",
                kind=wish.seen.kind,
                person=wish.seen.person,
                erp_person=wish.wanted.person if in_erp(wish.wanted) else "",
                label=self._label(wish.seen),
                about=sheet.name,
                start=sheet.start,
                end=sheet.end,
                people=1,
                attendance=wish.wanted,
                erp=erp,
                reason_name=self.given.reasons.name(wish.seen.reason),
                said=said,
                value=value,
            )
        )

    def _of_delivery(self, state: Literal["waiting", "held"], why: str, one: Delivery) -> Row:
        return Row(
            state=state,
            why=why,
            sheet=one.sheet,
            session=one.session.id,
            kind=one.after.kind,
            person=one.edusign_person,
            erp_person=one.after.person,
            label=one.label,
            about=one.about,
            start=one.session.start,
            end=one.session.end,
            people=1,
            attendance=one.after,
            erp=one.before,
            delivery=one.id,
            verb=one.verb,
        )

    def _of_base(self, state: Literal["waiting"], why: str, one: Delivered) -> Row:
        return Row(
            state=state,
            why=why,
            sheet=one.sheet,
            session=one.session,
            kind=one.kind,
            person=one.edusign_person,
            erp_person=one.person,
            label=one.label,
            about=one.about,
            start=one.start,
            end=one.end,
            people=1,
            attendance=one.sent,
        )
