"""What `today`, `sheets`, `record` and `find` print: records and sheets as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from console.presentation.columns import Column, table
from console.presentation.record import STATE, shown, side, standing
from console.presentation.sheets import learners, troubles
from console.presentation.tables import changes, items, paragraph
from console.presentation.wording import Look, instant, record, time_of_day
from engine.service.models import (
    FieldView,
    FoundView,
    MemberView,
    RecordView,
    SheetView,
    TodayView,
)
from engine.words import _, ngettext

_LABEL = 32


def today(views: Sequence[TodayView], look: Look) -> str:
    """A line per connection, followed by today's sheets that have a trouble."""
    if not views:
        return paragraph([_("No connection is configured: see `rollcall config init`.")], look)
    return "\n".join(_day(view, look) for view in views)


def _day(view: TodayView, look: Look) -> str:
    if view.read_at is None:
        unread = _("{name}, {date}: not read yet; rollcall plan {name} reads both sides.")
        return paragraph([unread.format(name=view.connection, date=view.date)], look)
    head = ngettext(
        "{name}, {date}: {n} sheet, {begun} begun; read {at}.",
        "{name}, {date}: {n} sheets, {begun} begun; read {at}.",
        view.sheets,
    ).format(
        name=view.connection, date=view.date, n=view.sheets, begun=view.begun, at=instant(view.read_at, look)
    )
    if not view.rows:
        return paragraph([head, _("Nothing is wrong with them.")], look)
    return paragraph([head], look) + "\n" + sheets(view.rows, look)


def sheets(views: Sequence[SheetView], look: Look) -> str:
    """A row per sheet, or session without one; what the ERP says stands where it differs."""
    if not views:
        return _("No sheet was read: rollcall plan CONNECTION reads both sides.") + "\n"
    several = len({view.connection for view in views}) > 1
    columns = (
        Column(_("start")),
        Column(_("end"), drop=4),
        Column(_("connection"), least=10, most=24),
        Column(_("sheet"), least=14, most=_LABEL),
        Column(_("name"), least=10, most=_LABEL),
        Column(_("groups"), least=8, most=24, drop=5),
        Column(_("speakers"), least=8, most=28, drop=6),
        Column(_("room"), least=4, most=16, drop=7),
        Column(_("learners"), right=True, drop=2),
        Column(_("signed"), right=True, drop=8),
        Column(_("what is wrong"), wrap=True),
        Column(_("why not written"), least=12, most=44, drop=1),
    )
    rows = [
        (
            instant(view.start, look),
            "" if view.end is None else time_of_day(view.end, look, view.start or view.end),
            view.connection if several else "",
            record("sheet", view.erp_id, view.edusign_id),
            view.label,
            ", ".join(view.groups),
            ", ".join(view.speakers),
            view.room,
            learners(view),
            str(view.signed) if view.signed else "",
            ", ".join(words for words, _role in troubles(view, look)),
            view.why_not,
        )
        for view in views
    ]
    return table(columns, rows, look.width)


def found(views: Sequence[FoundView], look: Look) -> str:
    """A row per record that was found."""
    if not views:
        return _("Nothing of this name, e-mail or id was read on either side.") + "\n"
    where = {"linked": _("both, linked"), "erp": _("the ERP alone"), "edusign": _("Edusign alone")}
    columns = (
        Column(_("record"), least=12, most=48),
        Column(_("connection"), least=10, most=24, drop=1),
        Column(_("name"), least=12, most=40),
        Column(_("detail"), least=12, most=48, drop=2),
        Column(_("where")),
    )
    rows = [
        (
            record(view.kind, view.erp_id, view.edusign_id),
            view.connection,
            view.label,
            view.detail,
            where[view.state],
        )
        for view in views
    ]
    return table(columns, rows, look.width)


def records(views: Sequence[RecordView], look: Look) -> str:
    """Each record in full: what it is, both sides field by field, its people, what waits and what comes."""
    return "\n".join(_record(view, look) for view in views)


def _record(view: RecordView, look: Look) -> str:
    parts = [paragraph(list(_head(view, look)), look), _fields(view.fields, look)]
    if view.members:
        parts.append(_members(view.members, look))
    if view.items:
        parts.append(items(view.items, look))
    if view.changes:
        parts.append(changes(view.changes, look))
    shown = view.sheets or ((view.sheet,) if view.sheet is not None else ())
    if shown:
        parts.append(sheets(shown, look))
    return "\n".join(parts)


def _head(view: RecordView, look: Look) -> Iterator[str]:
    yield _("{label}: {record} of {connection}, {state}.").format(
        label=view.label,
        record=record(view.kind, view.erp_id, view.edusign_id),
        connection=view.connection,
        state=", ".join(standing(view)),
    )
    if view.read_at is not None:
        read = _("Read just now, {at}.") if view.fresh else _("Read {at}.")
        yield read.format(at=instant(view.read_at, look))
    if view.edusign_id:
        yield _("Edusign id {id}, API_ID {api_id}, API_TYPE {api_type}.").format(
            id=view.edusign_id, api_id=view.api_id or "-", api_type=view.api_type or "-"
        )
    if view.where:
        yield _("In the ERP: {where}").format(where=view.where)
    if view.missing:
        yield _("The ERP did not show it in {occurrences}.").format(occurrences=", ".join(view.missing))
    for problem in view.problems:
        yield _("Problem: {problem}").format(problem=problem)


def _fields(views: Sequence[FieldView], look: Look) -> str:
    columns = (
        Column(_("field")),
        Column(_("ERP"), least=12, most=48),
        Column(_("base"), least=8, most=48, drop=1),
        Column(_("Edusign"), least=12, most=48),
        Column(_("state"), wrap=True),
    )
    rows = [
        (
            view.field.replace("_", " "),
            side(view.field, view.erp, view.erp_canonical, look),
            shown(view.field, view.base, look),
            side(view.field, view.edusign, view.edusign_canonical, look),
            STATE.get(view.state, ""),
        )
        for view in views
    ]
    return table(columns, rows, look.width)


def _members(views: Sequence[MemberView], look: Look) -> str:
    columns = (
        Column(_("record"), least=12, most=40),
        Column(_("name"), least=12, most=40),
        Column(_("ERP")),
        Column(_("base")),
        Column(_("Edusign")),
        Column(_("signed")),
    )
    rows = [
        (
            record(view.kind, view.erp_id, view.edusign_id),
            view.label,
            *(_("yes") if there else "-" for there in (view.in_erp, view.in_base, view.in_edusign)),
            _("yes") if view.signed else "",
        )
        for view in views
    ]
    return table(columns, rows, look.width)
