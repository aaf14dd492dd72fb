"""What `today`, `sheets`, `record` and `find` print: records and sheets as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from console.presentation.columns import Column, table
from console.presentation.tables import changes, items, paragraph
from console.presentation.wording import Look, instant, record, time_of_day, value
from engine.service.models import (
    FieldView,
    FoundView,
    MemberView,
    RecordView,
    SheetTrouble,
    SheetView,
    TodayView,
)
from engine.words import _, ngettext

_LABEL = 32

TROUBLE: dict[SheetTrouble, str] = {
    "no_learners": _("no learners"),
    "no_speaker": _("no speaker"),
    "no_session": _("no session in the ERP"),
    "no_sheet": _("session without a sheet"),
    "other_time": _("at another time"),
    "other_room": _("in another room"),
}
"""What is wrong with a sheet, in words."""

_STATE: dict[str, str] = {
    "erp": _("changed in the ERP"),
    "edusign": _("changed in Edusign"),
    "both": _("changed on both sides"),
    "unagreed": _("never agreed on"),
    "silent": _("the ERP never says"),
}


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
            _learners(view),
            str(view.signed) if view.signed else "",
            ", ".join(_trouble(view, look)),
            view.why_not,
        )
        for view in views
    ]
    return table(columns, rows, look.width)


def _learners(view: SheetView) -> str:
    """How many stand on the sheet, and of how many in the session where they are not as many."""
    if not view.edusign_id or view.session_start is None or view.learners == view.expected:
        return str(view.learners)
    return f"{view.learners}/{view.expected}"


def _trouble(view: SheetView, look: Look) -> Iterator[str]:
    for code in view.troubles:
        if code == "other_time" and view.session_start is not None:
            at = time_of_day(view.session_start, look, view.start or view.session_start)
            until = (
                ""
                if view.session_end is None
                else f"-{time_of_day(view.session_end, look, view.session_start)}"
            )
            yield _("the ERP says {when}").format(when=at + until)
        elif code == "other_room":
            yield _("the ERP says room {room}").format(room=view.session_room or "-")
        else:
            yield TROUBLE[code]


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
        state=", ".join(_standing(view)),
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


def _standing(view: RecordView) -> Iterator[str]:
    """How it stands between the two sides, in words."""
    if view.linked:
        yield _("linked")
    elif view.in_erp != view.in_edusign:
        yield _("only in the ERP") if view.in_erp else _("only in Edusign")
    else:
        yield _("not linked")
    for holds, word in (
        (view.linked and not view.in_erp, _("not shown by the ERP")),
        (view.linked and not view.in_edusign, _("not shown by Edusign")),
        (view.read_only, _("read-only: another connector's")),
        (view.archived, _("archived in Edusign")),
        (view.shared, _("of several schools")),
        (view.ended, _("cancelled in the ERP") if view.kind == "sheet" else _("left the ERP")),
    ):
        if holds:
            yield word


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
            _side(view.field, view.erp, view.erp_canonical, look),
            _shown(view.field, view.base, look),
            _side(view.field, view.edusign, view.edusign_canonical, look),
            _STATE.get(view.state, ""),
        )
        for view in views
    ]
    return table(columns, rows, look.width)


def _side(field: str, raw: object, canonical: object, look: Look) -> str:
    """A value as typed, with the form in which it is compared where that is another."""
    typed, compared = _shown(field, raw, look), _shown(field, canonical, look)
    return typed if typed == compared else f"{typed} = {compared}"


def _shown(field: str, content: object, look: Look) -> str:
    if field in ("start", "end") and isinstance(content, str):
        return instant(datetime.fromisoformat(content), look)
    return value(content)


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
