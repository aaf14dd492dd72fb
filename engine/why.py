"""Why isn't X here? The first thing that stops a record on its way into Edusign, with its evidence. Pure.

The order is that of a run: shown by the ERP, meant, accepted, no double, not held, its window come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from engine.reasons import reason
from engine.records import Kind
from engine.service.models import ChangeView, ItemView, RecordView, RunView, WhyStep, WhyView
from engine.views import SKIPPED
from engine.words import _

CAUSES = (
    "not_read",
    "erp_error",
    "left_out",
    "not_in_erp",
    "left",
    "beyond_horizon",
    "no_email",
    "rejected",
    "archived",
    "duplicate",
    "same_day",
    "compare_only",
    "held",
    "skipped",
    "frozen",
    "window",
    "there",
)
"""What an answer's `cause` may be."""

_COMPARE_ONLY = "compare_only"


@dataclass(frozen=True)
class Circumstances:
    """What an answer depends on beside the record itself.

    `erp_at` and `edusign_at`: when each side was last read of this kind, completely where it ever was;
    `erp_whole`: whether the ERP's last answer was complete. `left_out`: the ERP showed it, the settings'
    filters do not mean it. `last`: the last day of the horizon, in `zone`. `compare_only`: the kinds whose
    first contact waits. `frozen`: why nothing may be written. `last_run` is the last one that could write,
    `next_at` when the next window of the import begins.
    """

    zone: str
    last: date
    erp_at: datetime | None = None
    edusign_at: datetime | None = None
    erp_whole: bool = True
    left_out: bool = False
    compare_only: frozenset[Kind] = frozenset()
    frozen: str = ""
    last_run: RunView | None = None
    next_at: datetime | None = None


@dataclass(frozen=True)
class _Answer:
    """What stops a record: see WhyView."""

    cause: str
    said: str
    rule: str = ""
    evidence: str = ""
    will: str = ""
    item: str = ""
    by_itself: bool = True
    at: datetime | None = None


@dataclass(frozen=True)
class _Step:
    """What a record must pass. `stopped` says what stops it, None while nothing does."""

    what: str
    stopped: Callable[[RecordView, Circumstances], _Answer | None]


def why(record: RecordView, around: Circumstances) -> WhyView:
    """The answer for one record, as it was last read or read just now."""
    passed: list[WhyStep] = []
    for step in _STEPS:
        answer = step.stopped(record, around)
        if answer is not None:
            passed.append(WhyStep(what=step.what, state="stops", said=answer.said, at=answer.at))
            return _view(record, around, answer, passed)
        passed.append(WhyStep(what=step.what, state="passes", at=around.erp_at))
    return _view(record, around, _there(record, around), passed)


def unknown(text: str, connection: str, around: Circumstances) -> WhyView:
    """The answer for words that fit no record either side showed."""
    record = RecordView(connection=connection, kind="", label=text)
    return _view(record, around, _not_shown(record, around), ())


def _view(record: RecordView, around: Circumstances, answer: _Answer, steps: Iterable[WhyStep]) -> WhyView:
    return WhyView(
        connection=record.connection,
        kind=record.kind,
        erp_id=record.erp_id,
        edusign_id=record.edusign_id,
        label=record.label,
        cause=answer.cause,
        rule=answer.rule,
        said=answer.said,
        evidence=answer.evidence,
        will=answer.will,
        next_at=around.next_at if answer.by_itself and answer.cause != "there" else None,
        erp_at=around.erp_at if record.in_erp or around.left_out else None,
        edusign_at=around.edusign_at if record.in_edusign else None,
        item=answer.item,
        fresh=record.fresh,
        steps=tuple(steps),
    )


# What stops a record, in the order of a run


def _shown(record: RecordView, around: Circumstances) -> _Answer | None:
    if around.left_out:
        return _Answer(
            "left_out",
            _("the ERP shows it, but the filters of this connection do not mean it"),
            evidence=record.where,
            will=_("change the filter in the configuration, or where it stands in the ERP"),
            by_itself=False,
            at=around.erp_at,
        )
    return None if record.in_erp else _not_shown(record, around)


def _not_shown(record: RecordView, around: Circumstances) -> _Answer:
    if around.erp_at is None:
        return _Answer(
            "not_read",
            _("the ERP was never read to its end"),
            rule="R13",
            evidence=_faults(around.last_run),
            will=_("`rollcall plan {name}` reads both sides now").format(name=record.connection),
        )
    if not around.erp_whole:
        return _Answer(
            "erp_error",
            _("the ERP's last answer was not complete, and what came does not show it"),
            rule="R13",
            evidence=_faults(around.last_run),
            will=_("the next run reads again; nothing is removed meanwhile"),
            at=around.erp_at,
        )
    if record.in_edusign and not record.linked:
        said = _("it was made in Edusign by hand, and the ERP shows nobody for it")
        will = _("it stays as it is; enter it in the ERP and the next run links the two")
    elif record.linked:
        said = _("the ERP no longer shows it")
        will = _("if the ERP shows it again, it is taken up by itself; else it goes once that is certain")
    else:
        said = _("the ERP's answer does not have it")
        will = _("enter it in the ERP; the next run takes it up")
    return _Answer("not_in_erp", said, rule="R13", will=will, at=around.erp_at)


def _still_there(record: RecordView, around: Circumstances) -> _Answer | None:
    if not record.ended:
        return None
    said = _("cancelled in the ERP") if record.kind == "sheet" else _("left, says the ERP")
    return _Answer("left", said, rule="R13", evidence=record.where, by_itself=False, at=around.erp_at)


def _within_horizon(record: RecordView, around: Circumstances) -> _Answer | None:
    start = _start(record)
    if start is None or start.astimezone(ZoneInfo(around.zone)).date() <= around.last:
        return None
    return _Answer(
        "beyond_horizon",
        _("it begins on {date}; sheets are made up to {last}").format(
            date=start.astimezone(ZoneInfo(around.zone)).date(), last=around.last
        ),
        will=_("it appears by itself once the horizon reaches it"),
        at=around.erp_at,
    )


def _accepted(record: RecordView, around: Circumstances) -> _Answer | None:
    rejection = _item(record, "rejection", lambda item: bool(item.data.get("row", True)))
    if rejection is None:
        return _wrong(record, around)
    return _Answer(
        "no_email" if rejection.code == "missing_email" else "rejected",
        rejection.summary,
        rule="R16" if rejection.code != "shared_email" else "R17",
        evidence=_evidence(rejection),
        will=_("correct it in the ERP: {where}").format(
            where=rejection.where or rejection.data.get("field", "")
        ),
        item=rejection.id,
        at=rejection.opened_at,
    )


def _wrong(record: RecordView, around: Circumstances) -> _Answer | None:
    """What is wrong with a record that no run has judged yet."""
    if record.in_edusign or not record.problems:
        return None
    line = record.problems[0]
    return _Answer(
        "no_email" if line == reason("missing_email") else "rejected",
        line,
        rule="R16",
        will=_("correct it in the ERP: {where}").format(where=record.where),
        at=around.erp_at,
    )


def _not_archived(record: RecordView, around: Circumstances) -> _Answer | None:
    if not record.archived:
        return None
    restore = _planned(record, "restore")
    return _Answer(
        "archived",
        _("it is archived in Edusign"),
        rule="R08",
        evidence=record.edusign_id,
        will=_("the next run restores it") if restore else _("restore it in Edusign"),
        item=_holding(record, restore),
        by_itself=restore is not None,
        at=around.edusign_at,
    )


def _no_double(record: RecordView, around: Circumstances) -> _Answer | None:
    block = _item(record, "duplicate", lambda item: bool(item.erp_id))
    if block is None or record.in_edusign:
        return None
    return _Answer(
        "duplicate",
        block.summary,
        rule="R09",
        evidence=str(block.data.get("other", "")),
        will=_("say whether they are one: `rollcall decide {id} same`, or different").format(id=block.id),
        item=block.id,
        by_itself=False,
        at=block.opened_at,
    )


def _in_time(record: RecordView, around: Circumstances) -> _Answer | None:
    late = _item(record, "notice", lambda item: item.code == "already_started")
    if late is None or record.in_edusign:
        return None
    return _Answer(
        "same_day",
        late.summary,
        rule="R23",
        will=_("make a sheet by hand with people who are in Edusign, or run the session again"),
        item=late.id,
        by_itself=False,
        at=late.opened_at,
    )


def _let_through(record: RecordView, around: Circumstances) -> _Answer | None:
    change = _making(record)
    if change is None or not change.hold:
        return None
    if change.hold.startswith(SKIPPED):
        return _Answer(
            "skipped",
            _("it is left out: {why}").format(why=change.hold.removeprefix(SKIPPED)),
            rule=change.rule,
            will=_("take it up again on Changes"),
            by_itself=False,
        )
    hold = _item(record, "hold", lambda item: any(c.id == change.id for c in item.changes))
    first = change.hold.startswith(_COMPARE_ONLY) or (hold is not None and hold.code == _COMPARE_ONLY)
    return _Answer(
        _COMPARE_ONLY if first else "held",
        hold.summary if hold is not None else change.hold,
        rule="R43" if first else "R29",
        will=_("approve it: `rollcall decide {id} approve`").format(id=hold.id) if hold else _("approve it"),
        item=hold.id if hold is not None else "",
        by_itself=False,
        at=hold.opened_at if hold is not None else None,
    )


def _contact_made(record: RecordView, around: Circumstances) -> _Answer | None:
    if record.in_edusign or record.kind not in around.compare_only:
        return None
    return _Answer(
        _COMPARE_ONLY,
        _("this connection only compares, until its first contact is approved"),
        rule="R43",
        will=_("approve the first contact: `rollcall holds {name}`").format(name=record.connection),
        by_itself=False,
    )


def _may_be_written(record: RecordView, around: Circumstances) -> _Answer | None:
    if not around.frozen or (record.in_edusign and not record.changes):
        return None
    return _Answer(
        "frozen",
        _("nothing is written: {why}").format(why=around.frozen),
        rule="R40",
        will=_("`rollcall thaw {name}`").format(name=record.connection),
        by_itself=False,
    )


def _window_come(record: RecordView, around: Circumstances) -> _Answer | None:
    if record.in_edusign:
        return None
    run = around.last_run
    if run is not None and run.faults and run.state in ("failed", "incomplete"):
        return _Answer(
            "erp_error",
            _("the last run did not get to it: {state}").format(state=run.state),
            evidence=_faults(run),
            will=_("the next run goes on with it"),
            at=run.ended or run.started,
        )
    planned = _("it is planned and waits for its window") if _making(record) else _("no run has seen it yet")
    return _Answer("window", planned, rule="R35", will=_("the next run writes it"), at=around.erp_at)


_STEPS: tuple[_Step, ...] = (
    _Step(_("shown by the ERP, and meant"), _shown),
    _Step(_("not left or cancelled"), _still_there),
    _Step(_("within the horizon"), _within_horizon),
    _Step(_("accepted"), _accepted),
    _Step(_("not archived in Edusign"), _not_archived),
    _Step(_("no probable double"), _no_double),
    _Step(_("not begun before it was first seen"), _in_time),
    _Step(_("not held, not left out"), _let_through),
    _Step(_("first contact approved"), _contact_made),
    _Step(_("writing allowed"), _may_be_written),
    _Step(_("written"), _window_come),
)


def _there(record: RecordView, around: Circumstances) -> _Answer:
    """Nothing stops it: where it stands, and for people whether anything is planned for them."""
    if record.kind in ("learner", "speaker", "group") and not record.sheets:
        return _Answer(
            "beyond_horizon",
            _("it is in Edusign; no session up to {last} has it").format(last=around.last),
            will=_("a sheet appears once the ERP plans a session within the horizon"),
            at=around.erp_at,
        )
    next_sheet = next((sheet for sheet in record.sheets if sheet.edusign_id), None)
    if next_sheet is not None and next_sheet.start is not None:
        local = next_sheet.start.astimezone(ZoneInfo(around.zone))
        said = _("it is in Edusign; next on {sheet}, {at:%Y-%m-%d %H:%M}").format(
            sheet=next_sheet.label, at=local
        )
    else:
        said = _("it is in Edusign")
    return _Answer("there", said, evidence=record.edusign_id, at=around.edusign_at)


# Small services


def _item(record: RecordView, type: str, fits: Callable[[ItemView], bool]) -> ItemView | None:
    return next((item for item in record.items if item.type == type and fits(item)), None)


def _planned(record: RecordView, *verbs: str) -> ChangeView | None:
    return next((change for change in record.changes if change.verb in verbs), None)


def _making(record: RecordView) -> ChangeView | None:
    """The change that would bring it into Edusign."""
    return _planned(record, "create", "restore", "link") if not record.in_edusign or record.archived else None


def _holding(record: RecordView, change: ChangeView | None) -> str:
    if change is None or not change.hold:
        return ""
    hold = _item(record, "hold", lambda item: any(c.id == change.id for c in item.changes))
    return hold.id if hold is not None else ""


def _start(record: RecordView) -> datetime | None:
    if record.kind != "sheet":
        return None
    given: Any = next((one.erp for one in record.fields if one.field == "start"), None)
    if isinstance(given, str) and given:
        return datetime.fromisoformat(given)
    return given if isinstance(given, datetime) else None


def _evidence(item: ItemView) -> str:
    return str(item.data.get("evidence") or "")


def _faults(run: RunView | None) -> str:
    return "; ".join(part for part in (run.message, *run.faults) if part) if run is not None else ""
