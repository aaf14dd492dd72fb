"""Changes as rows and in full: what they would write, why, when it bites, what stops them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from console.presentation.items import bites, spelled, when
from console.presentation.line import (
    Cell,
    Line,
    Role,
    Slot,
    cells,
    folded,
    joined,
    line,
    span,
    titles,
    widths,
)
from console.presentation.sides import LABEL, Sides, beside, labelled, told
from console.presentation.signs import Signs
from console.presentation.wording import Look, counts, value
from engine.words import _, ngettext

if TYPE_CHECKING:
    from engine.service.models import ChangeRow, ChangeView, FieldView, PlanHead, RecordView

State: TypeAlias = Literal["ready", "held", "skipped"]

LEFT_OUT = "skipped: refused"
"""What the hold of a change says that a person left out."""

VERBS: dict[str, Role] = {
    "create": "good", "restore": "good",
    "archive": "warn", "withdraw": "warn", "remove": "warn", "unlink": "warn",
}  # fmt: skip
"""Verbs that add and verbs that take away, by their role."""
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")
_WHOLE = frozenset({"add", "remove", "archive", "withdraw", "unlink"})
"""Verbs that say all there is to say: their fields are who is meant, or what stands there still."""
_NAMES = ("first_name", "last_name", "name")
_ROOMY = 76
"""Columns from which on a row has room to say what would be written."""
_WIDE = 44
"""Columns from which on a row shows what a field was before."""


def state(hold: str) -> State:
    """Whether a change of this `hold` goes on, waits for a person, or is left out."""
    return "skipped" if hold.startswith("skipped") else "held" if hold else "ready"


def doing(verb: str, kind: str) -> str:
    """What a change does to a record of a kind: people come to a sheet and leave it, the sheet stays."""
    to_roster = {"add": _("add to {kind}"), "remove": _("take off {kind}")}
    return to_roster.get(verb, "{verb} {kind}").format(verb=verb, kind=kind)


# Rows


def slots(several: bool, width: int) -> tuple[Slot, ...]:
    return (
        Slot(_("state"), 7),
        Slot(_("bites"), 16),
        Slot(_("change"), 15),
        Slot(_("who"), 14, 2),
        Slot(_("what"), 20 if width >= _ROOMY else 12, 4),
        *([Slot(_("connection"), 10, 0, 1)] if several else []),
        Slot(_("people"), 6, 0, 2, True),
    )


def heading(width: int, several: bool) -> Line:
    return titles(slots(several, width), width)


def row(one: ChangeRow, now: datetime, width: int, look: Look, several: bool, signs: Signs) -> Line:
    """A change as a row of its screen."""
    change = one.change
    columns = slots(several, width)
    room = widths(columns, width).get(4, 20)
    content = [
        _state_cell(change.hold, signs),
        bites(change.bites_at, now, look),
        Cell.of(doing(change.verb, change.kind), VERBS.get(change.verb, "")),
        Cell.of(change.label or change.erp_id or change.edusign_id, "strong"),
        Cell(what(change, now, look, signs, before=room >= _WIDE)),
        *([Cell.of(one.connection, "dim")] if several else []),
        Cell.of(change.people or "", "dim"),
    ]
    return cells(columns, content, width)


def _state_cell(hold: str, signs: Signs) -> Cell:
    match state(hold):
        case "held":
            return Cell.of(f"{signs.held} {_('held')}", "warn")
        case "skipped":
            return Cell.of(_("skipped"), "dim")
        case _:
            return Cell.of(_("ready"))


def what(change: ChangeView, now: datetime, look: Look, signs: Signs, *, before: bool) -> Line:
    """What a change would write, in as few words as say it; with `before` also what stands there now."""
    said = [
        _field(name, change, now, look, signs, before)
        for name in _touched(change)
        if (change.verb != "create" or name not in _NAMES) and change.verb not in _WHOLE
    ]
    return joined([one for one in said if one], ", ") or line(span(change.reason, "dim"))


def _touched(change: ChangeView) -> list[str]:
    """The fields whose value would be another: as people say them, the rosters last."""
    names = [n for n in dict.fromkeys((*change.before, *change.after)) if _differs(change, n)]
    return sorted(names, key=lambda name: (isinstance(_either(change, name), list), name != "start"))


def _differs(change: ChangeView, name: str) -> bool:
    return (change.before.get(name) or None) != (change.after.get(name) or None)


def _either(change: ChangeView, name: str) -> Any:
    return change.after.get(name) or change.before.get(name)


def _field(name: str, change: ChangeView, now: datetime, look: Look, signs: Signs, before: bool) -> Line:
    old, new = change.before.get(name), change.after.get(name)
    if isinstance(old, list) or isinstance(new, list):
        come, gone = len(_lacking(new, old)), len(_lacking(old, new))
        if not old and change.verb == "create":
            return line(span(_("{n} {whom}").format(n=come, whom=words(name))))
        return line(
            span(f"{words(name)} "),
            span(f"+{come}" if come else "", "added"),
            span(" " if come and gone else ""),
            span(f"-{gone}" if gone else "", "removed"),
        )
    said = shown(new, now, look) or _("(empty)")
    if change.verb == "create":
        return line(span(said))
    if before:
        return line(span(f"{words(name)} "), span(shown(old, now, look) or _("(empty)"), "dim"),
                    span(f" {signs.arrow} "), span(said))  # fmt: skip
    return line(span(f"{words(name)} {signs.arrow} "), span(said))


def _lacking(these: Any, those: Any) -> list[str]:
    return [one for one in these or () if one not in (those or ())]


def words(name: str) -> str:
    """A field's name as people say it."""
    return name.replace("_", " ")


def shown(content: Any, now: datetime, look: Look) -> str:
    """A field's value as people read it: instants by the clock on the wall."""
    if isinstance(content, str) and _INSTANT.fullmatch(content):
        return spelled(datetime.fromisoformat(content), now, look)
    return "" if content in (None, "", []) else value(content)


# A change in full


def detail(
    one: ChangeRow,
    record: RecordView | None,
    now: datetime,
    width: int,
    look: Look,
    signs: Signs,
    frozen: str = "",
) -> tuple[Line, ...]:
    """A change in full: its values on both sides, why, when it bites, what stops it. `record`: as both sides
    last showed it, None while that is not known; `frozen`: why its connection writes nothing."""
    change = one.change
    lines: list[Line] = [
        *folded(
            line(
                span(change.label or change.erp_id, "title"),
                span(f"  {doing(change.verb, change.kind)}", VERBS.get(change.verb, "strong")),
                span(f"  {change.erp_id}  {one.connection}", "dim"),
            ),
            width,
        ),
        *folded(_standing(one, signs, frozen), width),
        *_values(change, record, now, width, look),
    ]
    reason = f"{change.reason} ({change.rule})" if change.rule else change.reason
    lines += told(((_("why"), reason), (_("bites"), spoils(change.bites_at, change.people, now, look))), width)
    if one.item:
        lines += folded(line(span(approving(change.hold), "dim")), width)
    return tuple(lines)


def _standing(one: ChangeRow, signs: Signs, frozen: str) -> Line:
    """What a change waits for."""
    hold = one.change.hold
    match state(hold):
        case "held" if one.item:
            said = _("held by {id}: {cause}").format(id=one.item, cause=cause(hold))
            return line(span(f"{signs.held} {said}", "warn"))
        case "held":
            return line(span(f"{signs.held} {_('held: {cause}').format(cause=cause(hold))}", "warn"))
        case "skipped":
            return line(span(_skipped(hold), "info"))
        case _ if frozen:
            return line(span(f"{signs.frozen} {_('ready, but {frozen}').format(frozen=frozen)}", "bad"))
        case _:
            return line(span(_("ready: the next run writes it, w writes it now"), "good"))


def cause(hold: str) -> str:
    """Why changes of this `hold` wait, in few words."""
    word, _space, rest = hold.partition(" ")
    if word == "limit":
        return _("over the limit: {what}").format(what=rest)
    return {
        "compare_only": _("first contact"),
        "options": _("an option changed"),
        "sealed": _("a signed sheet moved"),
        "soon": _("session within 24 h"),
        "archived_other_name": _("archived under another name"),
    }.get(hold, hold.replace("_", " "))


def _skipped(hold: str) -> str:
    reason = hold.partition(": ")[2]
    return {
        "refused": _("left out by a person for as long as it stays the same; s takes it up again"),
        "waits": _("waits for another change, which is held or left out"),
        "deferred": _("put off: archives and withdrawals begin some days after first contact"),
        "clock_skew": _("put off: our clock and Edusign's differ too much to say what has begun"),
    }.get(reason, _("put off: {reason}").format(reason=reason.replace("_", " ")))


def approving(hold: str) -> str:
    """What approving changes held for this cause does."""
    word = hold.partition(" ")[0]
    meant = {
        "limit": _("Approving lets it be written although so many are more than usual."),
        "compare_only": _("Approving carries it over; the last one ends its kind's first contact."),
        "options": _("Approving accepts what follows from the changed option."),
        "sealed": _("Approving makes a new sheet for the new time; the signed one stays as it is."),
        "soon": _("Approving writes it although a session of the next 24 hours is concerned."),
        "archived_other_name": _("Approving brings the archived record back under the ERP's name."),
    }.get(word, _("Approving lets it be written."))  # fmt: skip
    return _("{meant} If it changes meanwhile, its approval is void.").format(meant=meant)


def spoils(at: datetime | None, people: int, now: datetime, look: Look) -> str:
    """When something spoils a session, and for how many."""
    if at is None:
        return _("no coming session")
    said = _("now") if at <= now else spelled(at, now, look)
    if not people:
        return said
    return ngettext("{at}, {n} person", "{at}, {n} people", people).format(at=said, n=people)


def _values(
    change: ChangeView, record: RecordView | None, now: datetime, width: int, look: Look
) -> tuple[Line, ...]:
    """Its fields on both sides; of what is made all of it, and who comes and goes by name."""
    known = {field.field: field for field in record.fields} if record is not None else {}
    names = _touched(change)
    rosters = [n for n in names if n not in known and isinstance(_either(change, n), list)]
    plain = [n for n in names if n not in rosters]
    if change.verb in _WHOLE or (not change.before and change.verb in ("create", "link", "restore")):
        lines = _alone(plain, change, known, now, width, look)
    else:
        lines = beside([_sides(n, change, known.get(n), now, look) for n in plain], width)
    return (*lines, *(part for name in rosters for part in _people(name, change, record, width)))


def _alone(
    names: Sequence[str],
    change: ChangeView,
    known: Mapping[str, FieldView],
    now: datetime,
    width: int,
    look: Look,
) -> tuple[Line, ...]:
    """What a new record would hold, or one that goes holds still: one value after the other."""
    parts = []
    for name in names:
        content = _either(change, name)
        if isinstance(content, list):
            content = known[name].erp or known[name].edusign
        parts.append(line(span(f"{words(name)} ", "dim"), span(shown(content, now, look))))
    return folded(joined(parts, "  "), width) if parts else ()


def _sides(name: str, change: ChangeView, field: FieldView | None, now: datetime, look: Look) -> Sides:
    """One field of a change on both sides; what would be written is said where it is neither's value."""
    new, old = change.after.get(name), change.before.get(name)
    if field is None:
        return Sides(words(name), shown(new, now, look), "…", shown(old, now, look))
    if isinstance(field.erp, list) or isinstance(field.edusign, list):
        return Sides(words(name), field.erp or [], shown(field.base, now, look), field.edusign or [])
    note = ""
    if new not in (field.erp, field.erp_canonical):
        note = _("written: {value}").format(value=shown(new, now, look) or _("(empty)"))
    base = shown(field.base, now, look)
    return Sides(words(name), shown(field.erp, now, look), base, shown(field.edusign, now, look), note)


def _people(name: str, change: ChangeView, record: RecordView | None, width: int) -> tuple[Line, ...]:
    """Who comes and who goes, by name where the names are known."""
    names = _named(record)
    old, new = change.before.get(name) or (), change.after.get(name) or ()
    come, gone = _lacking(new, old), _lacking(old, new)
    kept = len(old) - len(gone)
    if not old:
        return labelled(
            words(name)[: LABEL - 1], line(span(", ".join(names.get(one, one) for one in come))), width
        )
    parts: list[Line] = [line(span(f"+{names.get(one, one)}", "added")) for one in come]
    parts += [line(span(f"-{names.get(one, one)}", "removed")) for one in gone]
    if kept:
        parts.append(line(span(ngettext("{n} stays", "{n} stay", kept).format(n=kept), "dim")))
    return labelled(words(name)[: LABEL - 1], joined(parts, "  "), width)


def _named(record: RecordView | None) -> Mapping[str, str]:
    """The people of a record by their tokens in a change."""
    if record is None:
        return {}
    by_erp = {one.erp_id: one.label for one in record.members if one.erp_id}
    return {**by_erp, **{f"edusign:{one.edusign_id}": one.label for one in record.members if one.edusign_id}}


# What stands over the list


def summary(
    plans: Sequence[PlanHead],
    found: int,
    filtered: bool,
    marks: int,
    now: datetime,
    look: Look,
    width: int,
    frozen: Sequence[str] = (),
) -> Line:
    """How many changes of what kind, and of when they are; what does not fit is left out from the end."""
    if not plans:
        return line(span(_("No plan yet: p reads both sides and says what would change."), "warn"))
    total = sum(one.total for one in plans)
    head = ngettext("{n} change", "{n} changes", total).format(n=f"{total:,}")
    if filtered:
        head = _("{found} of {head}").format(found=f"{found:,}", head=head)
    parts = [line(span(head, "strong"))]
    if marks:
        parts.append(line(span(_("{n} marked").format(n=f"{marks:,}"), "mark")))
    if frozen:
        parts.append(line(span(_("FROZEN: {names}").format(names=", ".join(frozen)), "bad")))
    if held := sum(one.held for one in plans):
        parts.append(line(span(_("{n} held").format(n=f"{held:,}"), "warn")))
    if skipped := sum(one.skipped for one in plans):
        parts.append(line(span(_("{n} skipped").format(n=f"{skipped:,}"), "dim")))
    if faults := [fault for one in plans for fault in one.faults]:
        parts.append(line(span(_("incomplete: {fault}").format(fault=faults[0]), "bad")))
    if stale := sum(len(one.stale) for one in plans):
        text = _("{n} no longer the same, not written").format(n=stale)
        parts.append(line(span(text, "warn")))
    if mails := sum(one.mails for one in plans):
        parts.append(line(span(ngettext("up to {n} mail", "up to {n} mails", mails).format(n=mails), "warn")))
    parts.append(line(span(_plan_of(plans, now, look), "dim")))
    if by_verb := counts(_added(plans)):
        parts.append(line(span(by_verb, "dim")))
    return as_many_as_fit(parts, width)


def _added(plans: Sequence[PlanHead]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in plans:
        for verb, number in one.counts.items():
            total[verb] = total.get(verb, 0) + number
    return total


def _plan_of(plans: Sequence[PlanHead], now: datetime, look: Look) -> str:
    oldest = min(one.made_at for one in plans)
    text = _("plan of {at}") if len(plans) == 1 else _("plans since {at}")
    return text.format(at=when(oldest, now, look))


def as_many_as_fit(parts: Sequence[Line], width: int) -> Line:
    """The first of some lines as one, as many as there is room for."""
    kept = list(parts)
    while len(kept) > 1 and sum(len(piece.text) for piece in joined(kept, ", ")) > width:
        kept.pop()
    return joined(kept, ", ")
