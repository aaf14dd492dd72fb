"""One record's page, what it is: how it stands, both sides field by field, its link, its people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from console.presentation import sheets as sheet_words
from console.presentation.dashboard import heading
from console.presentation.diff import two
from console.presentation.items import spelled, when
from console.presentation.line import (
    Cell,
    Line,
    Role,
    Slot,
    Span,
    apart,
    cells,
    fitted,
    folded,
    joined,
    line,
    span,
    text_of,
    titles,
    width_of,
)
from console.presentation.sides import LABEL, labelled
from console.presentation.signs import Signs
from console.presentation.subject import Subject
from console.presentation.wording import Look, instant, record, value
from engine.words import _, ngettext

if TYPE_CHECKING:
    from engine.service.models import FieldView, MemberView, RecordView, WhyView

STATE: dict[str, str] = {
    "erp": _("changed in the ERP"),
    "edusign": _("changed in Edusign"),
    "both": _("changed on both sides"),
    "unagreed": _("never agreed on"),
    "silent": _("the ERP never says"),
}
"""How a field stands, in words, where it is not equal."""

THERE = "there"
"""The cause of a WhyView where nothing stops the record."""
ABREAST = 96
"""Columns from which on the three values of a field stand beside each other."""


@dataclass(frozen=True)
class Row:
    """A row of the page. `copy`: what copying it gives; `item`: the open item it tells of; `target`: the
    record that it stands for; `goes`: the screen it leads to, with a filter."""

    spans: Line
    copy: str = ""
    item: str = ""
    target: Subject | None = None
    goes: tuple[str, str] | None = None


# How it stands


def standing(view: RecordView) -> Iterator[str]:
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


def side(field: str, raw: object, canonical: object, look: Look) -> str:
    """A value as typed, with the form in which it is compared where that is another."""
    typed, compared = shown(field, raw, look), shown(field, canonical, look)
    return typed if typed == compared else f"{typed} = {compared}"


def shown(field: str, content: object, look: Look) -> str:
    """A field's value as text."""
    if field in ("start", "end") and isinstance(content, str):
        return instant(datetime.fromisoformat(content), look)
    return value(content)


def title(
    subject: Subject, view: RecordView | None, now: datetime, width: int, look: Look, *, looking: bool = False
) -> tuple[Line, Line]:
    """Which record this is and when it was read; how it stands. `looking`: it is being read now."""
    named = (view.label if view is not None else "") or subject.label or subject.id
    identity = record(view.kind, view.erp_id, view.edusign_id) if view is not None else subject.record
    left = line(span(named, "title"), span(f"  {identity}  {subject.connection}", "dim"))
    reading = line(span(_("reading both sides …"), "info")) if looking else ()
    if view is None:
        return apart(left, reading, width), ()
    return apart(left, reading or _read(view, now, look), width), fitted(_stands(view), width)


def _read(view: RecordView, now: datetime, look: Look) -> Line:
    if view.read_at is None:
        return line(span(_("never read completely"), "warn"))
    at = when(view.read_at, now, look)
    if view.fresh:
        return line(span(_("read just now, {at}").format(at=at), "good"))
    return line(span(_("as read {at}").format(at=at), "dim"))


def _stands(view: RecordView) -> Line:
    fine = view.linked and view.in_erp and view.in_edusign and not view.archived and not view.ended
    words = list(standing(view))
    parts = [line(span(words[0], "good" if fine else "warn"))]
    parts += [line(span(word, "warn")) for word in words[1:]]
    differ = sum(1 for one in view.fields if one.state in STATE and one.state != "silent")
    if differ:
        said = ngettext("{n} field differs", "{n} fields differ", differ).format(n=differ)
        parts.append(line(span(said, "warn")))
    if view.problems:
        n = len(view.problems)
        parts.append(line(span(ngettext("{n} problem", "{n} problems", n).format(n=n), "bad")))
    if view.items:
        parts.append(line(span(_("{n} open").format(n=len(view.items)), "warn")))
    if view.changes:
        parts.append(line(span(_("{n} pending").format(n=len(view.changes)), "info")))
    return joined(parts, ", ")


# What it is


def facts(
    view: RecordView, now: datetime, width: int, look: Look, signs: Signs, why: WhyView | None = None
) -> tuple[Row, ...]:
    """What is wrong with it (`why`: why it isn't there), both sides field by field, its link, its people."""
    rows = [*_wrong(view, width, why if why is not None and why.cause != THERE else None)]
    if why is not None:
        rows += not_there(why, now, width, look, signs)
    rows += _fields(view, width, look, signs)
    if view.sheet is not None:
        rows += _sheet(view, now, width, look, signs)
    rows += _link(view, width, look, signs)
    if view.members or view.kind in ("group", "sheet"):
        rows += _members(view, width, signs)
    return tuple(rows)


def _wrong(view: RecordView, width: int, why: WhyView | None) -> Iterator[Row]:
    """What is wrong with it, but for what `why` says anyway."""
    problems = [one for one in view.problems if why is None or not one.startswith(why.said)]
    said: list[tuple[str, Role]] = [(problem, "bad") for problem in problems]
    if view.missing:
        occurrences = ", ".join(view.missing)
        text = _("Not shown by the ERP in {occurrences}: gone once a second complete reading lacks it too.")
        said.append((text.format(occurrences=occurrences), "warn"))
    if not view.in_erp:
        said.append((_("The ERP shows no such record: nothing of it can be compared."), "warn"))
    if not view.in_edusign and why is None:
        there_is = _("Edusign shows no such record: {why}")
        cause = _("it is linked, but its listing lacked it.") if view.linked else _("it was not created yet.")
        said.append((there_is.format(why=cause), "warn"))
    for text, role in said:
        yield from _copied(folded(line(span(text, role)), width), text)


def not_there(why: WhyView, now: datetime, width: int, look: Look, signs: Signs) -> tuple[Row, ...]:
    """Why a record isn't in Edusign, what will make it appear, what it passed; nothing where it is there."""
    if why.cause == THERE:
        return ()
    rows = [Row(heading(_("Why it isn't in Edusign"), width, signs))]
    rule = span(f"  ({why.rule})" if why.rule else "", "dim")
    rows += _copied(folded(line(span(why.said, "bad"), rule), width), why.said)
    next_at = spelled(why.next_at, now, look) if why.next_at is not None else _("not by itself")
    for label, text in ((_("there is"), why.evidence), (_("to do"), why.will), (_("next try"), next_at)):
        if text:
            rows += _copied(labelled(label, line(span(text)), width), text)
    steps: dict[str, tuple[str, Role]] = {
        "passes": (signs.good, "good"), "stops": (signs.bad, "bad"), "unknown": ("?", "dim")
    }  # fmt: skip
    for step in why.steps:
        sign, role = steps[step.state]
        said = span(f": {step.said}" if step.said and step.state != "passes" else "", role)
        rows += _copied(folded(line(span(f"  {sign} ", role), span(step.what), said), width), step.said)
    return tuple(rows)


def _copied(lines: Iterable[Line], copy: str, **more: Any) -> Iterator[Row]:
    """Several lines that are one thing."""
    return (Row(one, copy, **more) for one in lines)


def _fields(view: RecordView, width: int, look: Look, signs: Signs) -> Iterator[Row]:
    yield Row(heading(_("Fields"), width, signs))
    if not view.fields:
        yield Row(line(span(_("Neither side shows any."), "dim")))
        return
    if width >= ABREAST:
        yield Row(titles(_abreast(), width))
    for one in view.fields:
        yield from _field(one, view, width, look, signs)


def _abreast() -> tuple[Slot, ...]:
    return (
        Slot(_("  field"), 14),
        Slot(_("ERP"), 18, 3),
        Slot(_("base"), 12, 2),
        Slot(_("Edusign"), 18, 3),
        Slot(_("state"), 21),
    )


def _field(one: FieldView, view: RecordView, width: int, look: Look, signs: Signs) -> Iterator[Row]:
    """A field: one row where both sides say the same, beside or under each other where they do not."""
    name = one.field.replace("_", " ")
    agree = one.state in ("equal", "alone", "silent")
    sign, role = _sign(one, signs)
    erp, edusign = _marked(one, look)
    base = line(span(shown(one.field, one.base, look), "dim"))
    copy = _field_copy(one, look)
    head = line(span(f"{sign} ", role), span(name, "" if agree else "strong"))
    if width >= ABREAST and all(
        width_of(text) <= room for text, room in zip((erp, base, edusign), _room(width), strict=True)
    ):
        state = span(STATE.get(one.state, ""), "dim" if one.state == "silent" else "warn")
        content = [Cell(head), Cell(erp), Cell(base), Cell(edusign), Cell(line(state))]
        yield Row(cells(_abreast(), content, width), copy)
        return
    if agree and (one.state != "equal" or erp == edusign):
        content_one = edusign if view.in_edusign and (not view.in_erp or one.state == "silent") else erp
        said = span(f"  ({STATE['silent']})", "dim") if one.state == "silent" else Span("")
        labels = line(span(f"{sign} {name}"))
        yield from _copied(_under(labels, (*content_one, said), width), copy)
        return
    note = STATE.get(one.state) or _("the same as compared")
    yield Row(fitted((*head, *line(span(f"  {note}", "dim" if agree else "warn"))), width), copy)
    for label, content_line in ((_("  ERP"), erp), (_("  base"), base), (_("  Edusign"), edusign)):
        yield from _copied(labelled(label, content_line, width), copy)


def _room(width: int) -> tuple[int, int, int]:
    """Columns of the three values, abreast."""
    from console.presentation.line import widths

    given = widths(_abreast(), width)
    return given[1], given[2], given[3]


def _under(label: Line, content: Line, width: int) -> Iterator[Line]:
    """`label      content`, its further lines under the content."""
    wide = 16
    pad = Span(" " * max(wide - width_of(label), 1))
    for n, one in enumerate(folded(tuple(p for p in content if p.text), max(width - wide, 10))):
        yield (*label, pad, *one) if n == 0 else (Span(" " * wide), *one)


def _sign(one: FieldView, signs: Signs) -> tuple[str, Role]:
    if one.state == "equal":
        return signs.good, "good"
    if one.state in ("alone", "silent"):
        return signs.dot, "dim"
    return signs.warn, "bad" if one.state == "both" else "warn"


def _marked(one: FieldView, look: Look) -> tuple[Line, Line]:
    """Both values, their differing characters marked; as compared too, where that is another form."""
    raw = [shown(one.field, content, look) for content in (one.erp, one.edusign)]
    if one.state in ("equal", "alone", "silent"):
        erp, edusign = (line(span(text)) for text in raw)
    elif isinstance(one.erp, list | tuple) and isinstance(one.edusign, list | tuple):
        erp, edusign = _names(one.erp, one.edusign, "added"), _names(one.edusign, one.erp, "removed")
    else:
        edusign, erp = two(raw[1], raw[0])
    return (
        (*erp, *_compared(one.field, one.erp, one.erp_canonical, look)),
        (*edusign, *_compared(one.field, one.edusign, one.edusign_canonical, look)),
    )


def _names(mine: Sequence[object], others: Sequence[object], role: Role) -> Line:
    """Names, those that the other side lacks between brackets."""
    parts = [
        line(span(name)) if name in others else line(Span("[", "dim"), span(name, role), Span("]", "dim"))
        for name in mine
    ]
    return joined(parts, ", ") or line(span("-"))


def _compared(field: str, raw: object, canonical: object, look: Look) -> Line:
    compared = shown(field, canonical, look)
    return () if compared == shown(field, raw, look) else line(span(f" = {compared}", "dim"))


def _field_copy(one: FieldView, look: Look) -> str:
    """The value alone where there is one; else all of them with who says so."""
    erp, edusign = (shown(one.field, content, look) for content in (one.erp, one.edusign))
    if erp == edusign or one.state in ("alone", "silent"):
        return next((text for text in (erp, edusign) if text != "-"), "")
    said = _("{field}: ERP {erp}, base {base}, Edusign {edusign}")
    return said.format(field=one.field, erp=erp, base=shown(one.field, one.base, look), edusign=edusign)


def _sheet(view: RecordView, now: datetime, width: int, look: Look, signs: Signs) -> Iterator[Row]:
    sheet = view.sheet
    assert sheet is not None
    yield Row(heading(_("Sheet and session"), width, signs, sheet_words.STATE[sheet.state]))
    for one in sheet_words.standing(sheet, width, look):
        yield Row(one, text_of(one))
    for label, text in sheet_words.facts(sheet, now, look):
        if text not in ("", None):
            yield from _copied(labelled(label, line(span(text)), width), str(text))


def _link(view: RecordView, width: int, look: Look, signs: Signs) -> Iterator[Row]:
    yield Row(heading(_("Link"), width, signs))
    if not view.linked:
        yield from _copied(
            folded(line(span(_("Not linked: the sides do not know each other's record."), "warn")), width), ""
        )
    pairs = (
        (_("ERP key"), view.erp_id),
        (_("correct"), view.where),
        (_("Edusign"), view.edusign_id),
        (_("API_ID"), view.api_id or (_("none") if view.in_edusign else "")),
        (_("API_TYPE"), view.api_type or (_("none: made by hand") if view.in_edusign else "")),
    )
    for label, text in pairs:
        if text:
            yield from _copied(labelled(label[: LABEL - 1], line(span(text)), width), text)


def _members(view: RecordView, width: int, signs: Signs) -> Iterator[Row]:
    differ = sum(1 for one in view.members if who_says(one)[0])
    right = _("{n} differ").format(n=differ) if differ else ""
    yield Row(heading(_("People: {n}").format(n=len(view.members)), width, signs, right))
    if not view.members:
        yield Row(line(span(_("Nobody, on either side."), "warn" if view.kind == "sheet" else "dim")))
    signing = any(one.signed for one in view.members)
    # Those on whom the sides do not agree first: they are looked for.
    for one in sorted(view.members, key=lambda m: not who_says(m)[0]):
        yield _member(one, view.connection, width, signs, signing)


def _member(one: MemberView, connection: str, width: int, signs: Signs, signing: bool) -> Row:
    said, role = who_says(one)
    slots = (
        Slot("", 22, 2),
        Slot("", 14, 1, 2),
        *([Slot("", 8)] if signing else []),
        Slot("", 22, 2),
    )
    content = [
        Cell(
            line(
                span(f"{signs.warn if said else signs.good} ", role),
                span(one.label or one.erp_id or one.edusign_id),
            )
        ),
        Cell.of(one.erp_id or one.edusign_id, "dim"),
        *([Cell.of(_("signed") if one.signed else "", "good")] if signing else []),
        Cell.of(said, role),
    ]
    target = Subject(connection, one.kind, one.erp_id or one.edusign_id, one.label)
    return Row(cells(slots, content, width), f"{target.record} {one.label}", target=target)


def who_says(one: MemberView) -> tuple[str, Role]:
    """Who says that a person belongs there, "" where both sides do."""
    if one.in_erp and one.in_edusign:
        return "", "good"
    if one.in_erp:
        return (_("taken off in Edusign"), "warn") if one.in_base else (_("not in Edusign yet"), "warn")
    if one.in_edusign:
        return (_("left it in the ERP"), "warn") if one.in_base else (_("only in Edusign: by hand"), "info")
    return _("left on both sides"), "dim"


def unread(why: str, subject: Subject, width: int) -> tuple[Row, ...]:
    """What is said where the engine knows no such record."""
    return tuple(_copied(folded(line(span(why, "warn")), width), subject.record))
