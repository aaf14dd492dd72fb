"""One sheet after another on both sides, and what an export would make of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from engine.absences.plan import Brakes, ExportPlan, Given, Stood, plan, to_look_at
from engine.absences.reasons import ReasonMap
from engine.absences.said import Delivered, Delivery, Key, Tick, plain_presence
from engine.attendance import Attendance, Carried, Reason, RollCall
from engine.config_models import ExportOptions
from engine.links import Link, Links
from engine.records import Seen, Sheet
from tests.unit.rules.school_kit import HOUR, NOW, OURS

CARRIES: frozenset[Carried] = frozenset({"absent", "late", "left_early", "justified", "reason"})
EDUSIGN_REASONS = (Reason(id="1", name="Sick"), Reason(id="9", name="Driving test"))
ERP_REASONS = (
    Reason(id="U", name="Unknown", justifies=False),
    Reason(id="S", name="sick", justifies=True),
    Reason(id="L", name="Late", late=True),
)


def edu(erp_id: str) -> str:
    """The Edusign id of a person the ERP knows by this key."""
    return f"e-{erp_id}"


def sheet(
    id: str = "S1",
    *,
    away: Iterable[str] = (),
    here: Iterable[str] = ("L9",),
    locked: bool = True,
    signed: bool = False,
    ends: timedelta = -HOUR,
    speakers: Iterable[str] = ("P1",),
    api_type: str = OURS,
    **states: Any,
) -> RollCall:
    """A sheet that ended an hour ago: who was away, who was there, whether its speaker signed. Further people
    by key, each with the fields of their Attendance."""
    people = {
        **{one: {"state": "absent" if locked else "awaiting"} for one in away},
        **{one: {"state": "present"} for one in here},
        **states,
    }
    record = Sheet(
        id=edu(id),
        name=f"Course {id}",
        start=NOW + ends - 2 * HOUR,
        end=NOW + ends,
        learners=frozenset(edu(one) for one in people),
        speakers=frozenset(edu(one) for one in speakers),
    )
    who = sorted(speakers)
    signed_speakers = frozenset(edu(one) for one in who[:1]) if signed else frozenset[str]()
    seen = Seen(record=record, api_id=id, api_type=api_type, locked=locked, signed_speakers=signed_speakers)
    calls = [
        Attendance.model_validate({"sheet": edu(id), "person": edu(one), **state})
        for one, state in people.items()
    ]
    calls += [
        Attendance(
            sheet=edu(id),
            person=edu(one),
            kind="speaker",
            state="present" if edu(one) in signed_speakers else "absent" if locked else "awaiting",
        )
        for one in who
    ]
    return RollCall(seen=seen, attendances=tuple(calls))


class Office:
    """The ERP's absences, what was delivered there, and everything an export's plan depends on."""

    def __init__(self, *calls: RollCall, unlinked: Iterable[str] = (), **given: Any) -> None:
        self.calls = calls
        links = Links()
        for call in calls:
            record = call.seen.record
            assert isinstance(record, Sheet)
            for kind, ids in (("learner", record.learners), ("speaker", record.speakers)):
                for id in ids:
                    if id not in {edu(one) for one in unlinked}:
                        links.put(Link(kind=kind, erp_id=id.removeprefix("e-"), edusign_id=id))
            if call.seen.api_type == OURS:
                base = {"learners": sorted(id.removeprefix("e-") for id in record.learners)}
                links.put(
                    Link(kind="sheet", erp_id=record.id.removeprefix("e-"), edusign_id=record.id, base=base)
                )
        self.rows: list[Attendance] = []
        self.base: dict[Key, Delivered] = {}
        self.ticks: dict[Any, Tick] = {}
        self.given = Given(
            **{
                "now": NOW,
                "calls": calls,
                "complete": True,
                "links": links,
                "sealed": {},
                "base": self.base,
                "ticks": self.ticks,
                "carries": CARRIES,
                "options": ExportOptions(),
                "reasons": ReasonMap(EDUSIGN_REASONS, ERP_REASONS, {}, "U", "L"),
                "our_type": OURS,
                **given,
            }
        )

    def shows(self, *calls: RollCall) -> Office:
        """Edusign shows other sheets now; everything else stays."""
        self.given = replace(self.given, calls=calls)
        return self

    def plan(self, **brakes: Any) -> ExportPlan:
        given = replace(self.given, brakes=Brakes(**brakes)) if brakes else self.given
        return plan(given, self.stood())

    def stood(self) -> Stood:
        asked = [one.id for one in to_look_at(self.given)]
        return Stood.of((row for row in self.rows if row.sheet in asked), asked)

    def deliver(self, made: ExportPlan | None = None, at: datetime = NOW) -> list[Delivery]:
        """Carry a plan out as the ERP would; what was written."""
        made = made or self.plan()
        written = [one for write in made.writes for one in write.deliveries]
        for one in written:
            self.rows = [row for row in self.rows if Key(row.sheet, row.kind, row.person) != one.key]
            if plain_presence(one.after) and "present" not in self.given.carries:
                self.base.pop(one.key, None)
                continue
            row = one.after.model_copy(update={"key": f"K{len(self.rows)}-{one.id}"})
            self.rows.append(row)
            self.base[one.key] = Delivered(
                session=one.session.id, kind=one.after.kind, person=one.after.person, sheet=one.sheet,
                edusign_person=one.edusign_person, sent=one.after, left=row, at=at, run_id="r1",
                start=one.session.start, verified=True,
            )  # fmt: skip
        for key in made.forgotten:
            self.base.pop(key, None)
        return written

    def enters(self, session: str, person: str, **said: Any) -> None:
        """The ERP's people enter an absence themselves."""
        values = {"sheet": session, "person": person, "state": "absent", "key": f"H{len(self.rows)}", **said}
        self.rows.append(Attendance.model_validate(values))

    def changes(self, session: str, person: str, **said: Any) -> None:
        """The ERP's people change the row of a person."""
        self.rows = [
            row.model_copy(update=said) if (row.sheet, row.person) == (session, person) else row
            for row in self.rows
        ]

    def strikes(self, session: str, person: str) -> None:
        """The ERP's people strike the row of a person."""
        self.rows = [row for row in self.rows if (row.sheet, row.person) != (session, person)]


def told(made: ExportPlan) -> set[tuple[str, str, str]]:
    """(state, why, person's or sheet's key) of every row."""
    return {(row.state, row.why, (row.person or row.sheet).removeprefix("e-")) for row in made.rows}


def verbs(made: ExportPlan) -> dict[str, str]:
    """Verb by person, of what goes on."""
    return {one.after.person: one.verb for write in made.writes for one in write.deliveries}
