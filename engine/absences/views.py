"""What the API shows of the absence export: its list, its plan, the form people bring into the ERP. Pure."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from engine.absences.held import wall
from engine.absences.journal import in_words
from engine.absences.reasons import hold_words, why
from engine.absences.said import Delivered, HandKey, Row, Tick, facts
from engine.attendance import Attendance, FormRow
from engine.changes import digest
from engine.records import Learner, Sheet, Speaker
from engine.service.models import AbsenceView, ChangeView, ItemView, PlanView
from engine.state.deliveries import ExportList
from engine.words import _

ORDER = ("held", "by_hand", "theirs", "waiting", "due", "delivered")
"""What asks for a person comes first."""


def absence_views(
    connection: str,
    delivered: Iterable[Delivered],
    listed: ExportList | None,
    ticks: Mapping[HandKey, Tick],
    holds: Iterable[ItemView],
) -> list[AbsenceView]:
    """Every line of one connection: what asks for a person first, then the newest sheets first."""
    by_change = {c.id: item for item in holds if item.kind == "attendance" for c in item.changes}
    rows = listed.rows if listed is not None else ()
    # What was decided since leaves its hold at once; the next export shows what came of it.
    current = [row for row in rows if row.state != "held" or row.delivery in by_change]
    views = [_listed(connection, row, ticks.get(row.hand), by_change.get(row.delivery)) for row in current]
    shown = {(row.hand, row.session) for row in current if row.person}
    views += [
        _delivered(connection, one)
        for one in delivered
        if (HandKey(one.sheet, one.kind, one.edusign_person), one.session) not in shown
    ]
    return sorted(views, key=_urgency)


def _urgency(view: AbsenceView) -> tuple[int, bool, timedelta, str]:
    began = view.start
    ago = timedelta() if began is None else -(began - datetime.fromtimestamp(0, began.tzinfo))
    return ORDER.index(view.state), began is None, ago, view.label


def _listed(connection: str, row: Row, tick: Tick | None, item: ItemView | None) -> AbsenceView:
    one = row.attendance
    ticked = tick if tick is not None and tick.value == row.value else None
    words = hold_words(row.why) if row.state == "held" else why(row.why)
    return AbsenceView(
        id=row.hand.id(connection),
        connection=connection,
        state=row.state,
        why=row.why,
        summary=f"{words}: {row.said}" if row.said else words,
        **_place(row.sheet, row.session, row.about, row.start, row.end),
        kind=row.kind if row.person else "",
        person=row.person,
        erp_id=row.erp_person,
        label=row.label,
        people=row.people,
        **_said(one),
        reason=row.reason_name,
        erp=in_words(row.erp),
        item=item.id if item is not None else "",
        revision=item.revision if item is not None else 0,
        change=row.delivery,
        ticked_by=ticked.actor if ticked is not None else "",
        ticked_at=ticked.at if ticked is not None else None,
        found=ticked.found if ticked is not None else None,
    )


def _delivered(connection: str, one: Delivered) -> AbsenceView:
    return AbsenceView(
        id=HandKey(one.sheet, one.kind, one.edusign_person).id(connection),
        connection=connection,
        state="delivered",
        summary=_("read back from the ERP") if one.verified else _("not read back yet"),
        **_place(one.sheet, one.session, one.about, one.start, one.end),
        kind=one.kind,
        person=one.edusign_person,
        erp_id=one.person,
        label=one.label,
        people=1,
        **_said(one.sent),
        at=one.at,
        run_id=one.run_id,
    )


def _place(
    sheet: str, session: str, about: str, start: datetime | None, end: datetime | None
) -> dict[str, object]:
    return {"sheet": sheet, "session": session, "about": about, "start": start, "end": end}


def _said(one: Attendance | None) -> dict[str, object]:
    if one is None:
        return {}
    return {
        "attendance": one.state,
        "words": in_words(one),
        "late": one.late,
        "left_early": one.left_early,
        "justified": one.justified,
    }


def plan_of(
    listed: ExportList, holds: Iterable[ItemView], connection: str, zone: str, faults: tuple[str, ...]
) -> PlanView:
    """What an export would write, as a dry one found it: what is due and what is held."""
    due = (_change(row, zone) for row in listed.rows if row.state == "due")
    held = (change for item in holds if item.kind == "attendance" for change in item.changes)
    changes = (*due, *held)
    return PlanView(
        id=f"p{listed.run_id}",
        connection=connection,
        flow="export",
        hash=digest(sorted(one.id for one in changes))[:16],
        made_at=listed.at,
        changes=changes,
        counts=dict(Counter(one.verb for one in changes)),
        held=sum(1 for one in changes if one.hold),
        faults=faults,
    )


def _change(row: Row, zone: str) -> ChangeView:
    return ChangeView(
        id=row.delivery,
        verb=row.verb,
        kind=row.kind,
        erp_id=row.erp_person,
        edusign_id=row.person,
        label=f"{row.label or row.person}, {row.about} {wall(row.start, zone)}",
        before=facts(row.erp) or {},
        after=facts(row.attendance) or {},
        reason=_("Edusign's sheet says so"),
        rule="R25",
        people=1,
    )


# By hand


def form_rows(
    rows: Iterable[Row],
    ticks: Mapping[HandKey, Tick],
    people: Mapping[tuple[str, str], Learner | Speaker],
) -> tuple[FormRow, ...]:
    """What is still to be reported by hand, as a vendor's form takes it; `people`: by kind and Edusign id."""
    found = []
    for row in rows:
        tick = ticks.get(row.hand)
        if row.state != "by_hand" or row.attendance is None or (tick is not None and tick.value == row.value):
            continue
        person = people.get((row.kind, row.person)) or _nameless(row)
        session = Sheet(id=row.session or row.sheet, name=row.about, start=row.start, end=row.end)
        found.append(
            FormRow(
                session=session,
                person=person.model_copy(update={"id": row.erp_person}),
                attendance=row.attendance,
                reason_name=row.reason_name,
            )
        )
    return tuple(found)


def _nameless(row: Row) -> Learner | Speaker:
    record = Learner if row.kind == "learner" else Speaker
    return record(id=row.erp_person, last_name=row.label)


def own_list(rows: Iterable[FormRow], connection: str, zone: str) -> tuple[str, bytes]:
    """Our own list, for an ERP without a form: (file name, CSV with semicolons in UTF-8 with its mark)."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(
        (_("person"), _("key in the ERP"), _("session"), _("name"), _("begins"), _("ends"), _("attendance"),
         _("reason"), _("comment"))
    )  # fmt: skip
    for row in rows:
        one = row.attendance
        cells = (
            row.person.label, row.person.id, row.session.id, row.session.name, wall(row.session.start, zone),
            wall(row.session.end, zone), in_words(one), row.reason_name, one.comment,
        )  # fmt: skip
        writer.writerow([_inert(cell) for cell in cells])
    return f"absences-{connection}.csv", ("\ufeff" + text.getvalue()).encode()


def _inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
