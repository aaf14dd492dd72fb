"""One record as both sides last showed it, field by field and person by person. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from engine.changes import FOREIGN
from engine.links import ELEMENT_KIND, Link, Links, in_tokens, roster_base
from engine.planning.checks import check
from engine.reasons import reason
from engine.records import (
    KINDS,
    PEOPLE,
    RECORDS,
    Entry,
    Kind,
    Seen,
    Sheet,
    Value,
    canonical,
    folded,
    plain,
    revived,
)
from engine.service.models import ChangeView, FieldView, ItemView, MemberView, RecordView, SheetView
from engine.sight import Sight
from engine.sight_sheets import Meeting, Viewpoint, meetings, sheet_view

NEXT_SHEETS = 10
"""Coming sheets, at most, that a person's or group's record shows."""

FieldState: TypeAlias = Literal["equal", "erp", "edusign", "both", "unagreed", "silent", "alone"]


@dataclass(frozen=True)
class Subject:
    """A record to look at, as far as it is known: its ids ("" for none), what each side showed, its link."""

    kind: Kind
    erp_id: str = ""
    edusign_id: str = ""
    entry: Entry | None = None
    seen: Seen | None = None
    link: Link | None = None

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(id for id in (self.erp_id, self.edusign_id) if id)

    @property
    def label(self) -> str:
        """What a person calls it: the ERP's word first."""
        labels = (one.record.label for one in (self.entry, self.seen) if one is not None)
        return next((label for label in labels if label), self.erp_id or self.edusign_id)


@dataclass(frozen=True)
class Known:
    """What the store holds of a connection beside its sight: links with their bases, sealed sheets, and of the
    record in question its open items and the changes of the newest plan."""

    links: Links
    sealed: frozenset[str] = frozenset()
    items: tuple[ItemView, ...] = ()
    changes: tuple[ChangeView, ...] = ()


def subject(sight: Sight, links: Links, kind: Kind, id: str) -> Subject | None:
    """The record of an ERP key, else of an Edusign id; None where neither side nor a link knows it."""
    link = links.get(kind, id)
    if link is None and id not in sight.erp[kind]:
        link = links.of_edusign(kind, id)
        if link is None:
            seen = sight.edusign[kind].get(id)
            return Subject(kind, edusign_id=id, seen=seen) if seen is not None else None
    erp_id = link.erp_id if link is not None else id
    edusign_id = link.edusign_id if link is not None else ""
    return Subject(
        kind,
        erp_id,
        edusign_id,
        entry=sight.erp[kind].get(erp_id),
        seen=sight.edusign[kind].get(edusign_id),
        link=link,
    )


def record_view(one: Subject, sight: Sight, known: Known, here: Viewpoint) -> RecordView:
    """Everything known of a record, as last read."""
    entry, seen, link = one.entry, one.seen, one.link
    found = meetings(sight, known.links, known.sealed)
    own = next((m for m in found if _is_meeting(m, one)), None)
    return RecordView(
        connection=here.connection,
        kind=one.kind,
        erp_id=one.erp_id,
        edusign_id=one.edusign_id,
        label=one.label,
        read_at=sight.read_at(one.kind),
        in_erp=entry is not None,
        in_edusign=seen is not None,
        linked=link is not None,
        read_only=link is not None and link.read_only,
        archived=seen is not None and seen.archived,
        shared=seen is not None and seen.shared,
        ended=entry is not None and entry.ended,
        api_id=seen.api_id if seen else "",
        api_type=seen.api_type if seen else "",
        where=entry.where if entry else "",
        missing=link.missing if link else (),
        problems=problems(entry, sight, known.links, here.stand_in) if entry is not None else (),
        fields=fields(one, sight, known.links, here),
        members=members(one, sight, known.links),
        sheet=sheet_view(own, sight, here) if own is not None else None,
        sheets=_next_sheets(one, found, sight, here),
        items=known.items,
        changes=known.changes,
    )


def _is_meeting(meeting: Meeting, one: Subject) -> bool:
    if one.kind != "sheet":
        return False
    if meeting.seen is not None and one.seen is not None:
        return meeting.seen.id == one.seen.id
    return bool(one.erp_id) and meeting.erp_id == one.erp_id


# Fields


def fields(one: Subject, sight: Sight, links: Links, here: Viewpoint) -> tuple[FieldView, ...]:
    """Its fields on both sides; who stands on its roster is told by `members`."""
    form = RECORDS[one.kind]
    tokens = in_tokens(one.seen, links) if one.seen is not None else {}
    names = (name for name in form.fields if name not in form.rosters)
    return tuple(_field(name, one, tokens, sight, links, here) for name in names)


def _field(
    name: str, one: Subject, tokens: Mapping[str, Value], sight: Sight, links: Links, here: Viewpoint
) -> FieldView:
    base = one.link.base.get(name) if one.link is not None else None
    agreed = revived(one.kind, name, base)
    erp = one.entry.record.value(name) if one.entry is not None else None
    edusign = one.seen.record.value(name) if one.seen is not None else None
    erp_form = canonical(one.kind, name, _meant(name, erp, here), here.country)
    edusign_form = canonical(one.kind, name, tokens.get(name), here.country)

    def named(value: Value) -> Any:
        return _in_names(name, value, sight, links)

    return FieldView(
        field=name,
        erp=named(erp),
        base=named(agreed),
        edusign=_as_edusign_names(name, edusign, sight),
        erp_canonical=named(erp_form),
        edusign_canonical=named(edusign_form),
        state=_state(name, one, erp_form, edusign_form, agreed, here),
    )


def _meant(name: str, value: Value, here: Viewpoint) -> Value:
    """A session's speakers as they are compared: the stand-in where it has none."""
    return (
        frozenset({here.stand_in}) if name == "speakers" and here.stand_in and value == frozenset() else value
    )


def _state(
    name: str, one: Subject, erp_form: Value, edusign_form: Value, agreed: Value, here: Viewpoint
) -> FieldState:
    """Who changed a field since both sides agreed on it, by its canonical forms (R03, R05)."""
    if one.entry is None or one.seen is None:
        return "alone"
    if not here.speaks_of(one.kind, name):
        return "silent"
    if erp_form == edusign_form:
        return "equal"
    if one.link is None or name not in one.link.base:
        return "unagreed"
    if agreed == edusign_form:
        return "erp"
    return "edusign" if agreed == erp_form else "both"


def _in_names(name: str, value: Value, sight: Sight, links: Links) -> Any:
    """A value as JSON holds it, tokens of other records as their names."""
    kind = ELEMENT_KIND.get(name)
    if kind is None or not isinstance(value, frozenset):
        return plain(value)
    return sorted(_person(kind, token, sight, links).label for token in value)


def _as_edusign_names(name: str, value: Value, sight: Sight) -> Any:
    kind = ELEMENT_KIND.get(name)
    if kind is None or not isinstance(value, frozenset):
        return plain(value)
    known = sight.edusign[kind]
    return sorted(known[id].record.label if id in known else id for id in value)


def _person(kind: Kind, token: str, sight: Sight, links: Links) -> Subject:
    """What a token of a reference stands for."""
    if token.startswith(FOREIGN):
        id = token.removeprefix(FOREIGN)
        return Subject(kind, edusign_id=id, seen=sight.edusign[kind].get(id))
    return subject(sight, links, kind, token) or Subject(kind, token)


# People of a group or sheet


def members(one: Subject, sight: Sight, links: Links) -> tuple[MemberView, ...]:
    """Who stands on its roster by anybody's word, by name."""
    found = []
    for name in RECORDS[one.kind].rosters:
        kind = ELEMENT_KIND[name]
        erp = _ids(one.entry.record.value(name)) if one.entry is not None else frozenset()
        base = roster_base(one.link, name) if one.link is not None else frozenset()
        edusign = _ids(in_tokens(one.seen, links)[name]) if one.seen is not None else frozenset()
        signed = one.seen.signed_learners if one.seen is not None else frozenset()
        for token in erp | base | edusign:
            person = _person(kind, token, sight, links)
            found.append(
                MemberView(
                    kind=kind,
                    label=person.label,
                    erp_id=person.erp_id,
                    edusign_id=person.edusign_id,
                    in_erp=token in erp,
                    in_base=token in base,
                    in_edusign=token in edusign,
                    signed=person.edusign_id in signed,
                )
            )
    return tuple(sorted(found, key=lambda m: (folded(m.label), m.erp_id, m.edusign_id)))


def _ids(value: Value) -> frozenset[str]:
    return value if isinstance(value, frozenset) else frozenset()


# What is wrong, what comes


def problems(entry: Entry, sight: Sight, links: Links, stand_in: str) -> tuple[str, ...]:
    """What is wrong with the ERP's record, in words, with what was there."""
    concerned = _concerned(entry, sight)
    rejections = check(concerned, links, stand_in).rejections
    lines = (
        f"{reason(r.code)}: {r.evidence}" if r.evidence else reason(r.code)
        for r in rejections
        if (r.kind, r.erp_id) == (entry.kind, entry.id)
    )
    return tuple(dict.fromkeys(lines))


def _concerned(entry: Entry, sight: Sight) -> dict[Kind, tuple[Entry, ...]]:
    """As much of what the ERP showed as judging one record needs: itself, its people, those of the same
    e-mail."""
    wanted: dict[Kind, set[str]] = {kind: set() for kind in KINDS}
    wanted[entry.kind].add(entry.id)
    if isinstance(entry.record, Sheet):
        wanted["learner"] |= entry.record.learners
        wanted["speaker"] |= entry.record.speakers
    return {kind: _with_sharers(kind, ids, sight) for kind, ids in wanted.items()}


def _with_sharers(kind: Kind, ids: set[str], sight: Sight) -> tuple[Entry, ...]:
    if kind not in PEOPLE or not ids:
        return tuple(e for e in sight.entries[kind] if e.id in ids)
    emails = {_email(sight.erp[kind][id]) for id in ids if id in sight.erp[kind]} - {""}
    return tuple(e for e in sight.entries[kind] if e.id in ids or _email(e) in emails)


def _email(entry: Entry) -> str:
    return str(canonical(entry.kind, "email", entry.record.value("email")))


def _next_sheets(
    one: Subject, found: Iterable[Meeting], sight: Sight, here: Viewpoint
) -> tuple[SheetView, ...]:
    """Of people and groups, their sheets and sessions that are not over, soonest first."""
    field = {"learner": "learners", "speaker": "speakers", "group": "groups"}.get(one.kind)
    if field is None:
        return ()
    coming = [m for m in found if _not_over(m, here.now) and _stands_on(m, field, one)]
    return tuple(sheet_view(m, sight, here) for m in coming[:NEXT_SHEETS])


def _not_over(meeting: Meeting, now: datetime) -> bool:
    end = meeting.shown.end
    return end is not None and end > now


def _stands_on(meeting: Meeting, field: str, one: Subject) -> bool:
    sheet, session = meeting.sheet, meeting.session
    in_edusign = sheet is not None and one.edusign_id in _ids(sheet.value(field))
    return in_edusign or (session is not None and one.erp_id in _ids(session.value(field)))


def as_kind(text: str) -> Kind | None:
    """A word as a kind, None for another word."""
    return text if text in KINDS else None
