"""Finding records by name, e-mail or id on either side, whatever accents and case. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from engine.links import Links
from engine.records import KINDS, PEOPLE, Entry, Kind, Seen, Sheet, folded
from engine.service.models import FoundView
from engine.sight import Sight

State: TypeAlias = Literal["linked", "erp", "edusign"]


@dataclass(frozen=True, slots=True)
class Findable:
    """A record with the text it is found by, folded. Nothing but texts: there may be tens of thousands."""

    text: str
    connection: str
    kind: Kind
    erp_id: str
    edusign_id: str
    label: str
    detail: str
    state: State

    @property
    def view(self) -> FoundView:
        """As the API shows it."""
        return FoundView(
            connection=self.connection,
            kind=self.kind,
            erp_id=self.erp_id,
            edusign_id=self.edusign_id,
            label=self.label,
            detail=self.detail,
            state=self.state,
        )


def findable(sight: Sight, links: Links, connection: str, zone: str) -> tuple[Findable, ...]:
    """Every record either side showed; a linked one stands once. `links` need no bases."""
    return tuple(
        _findable(kind, erp_id, edusign_id, entry, seen, connection, zone)
        for kind in KINDS
        for erp_id, edusign_id, entry, seen in _records(sight, links, kind)
    )


def _records(sight: Sight, links: Links, kind: Kind) -> Iterator[tuple[str, str, Entry | None, Seen | None]]:
    erp, edusign = sight.erp[kind], sight.edusign[kind]
    for erp_id, entry in erp.items():
        link = links.get(kind, erp_id)
        yield erp_id, link.edusign_id if link else "", entry, edusign.get(link.edusign_id) if link else None
    for erp_id, entry in sight.left_out[kind].items():
        if erp_id not in erp and links.get(kind, erp_id) is None:
            yield erp_id, "", entry, None
    for edusign_id, seen in edusign.items():
        link = links.of_edusign(kind, edusign_id)
        if link is None or link.erp_id not in erp:
            yield link.erp_id if link else "", edusign_id, None, seen


def _findable(
    kind: Kind,
    erp_id: str,
    edusign_id: str,
    entry: Entry | None,
    seen: Seen | None,
    connection: str,
    zone: str,
) -> Findable:
    sides = [one.record for one in (entry, seen) if one is not None]
    emails = [str(record.value("email")) for record in sides] if kind in PEOPLE else []
    texts = (*(record.label for record in sides), *emails, erp_id, edusign_id)
    shown = sides[0]
    alone: State = "erp" if entry is not None else "edusign"
    return Findable(
        # Line breaks keep a word from matching across two texts.
        text="\n".join(folded(text) for text in texts if text),
        connection=connection,
        kind=kind,
        erp_id=erp_id,
        edusign_id=edusign_id,
        label=next((record.label for record in sides if record.label), ""),
        detail=_start(shown, zone) if isinstance(shown, Sheet) else next(filter(None, emails), ""),
        state="linked" if erp_id and edusign_id else alone,
    )


def _start(sheet: Sheet, zone: str) -> str:
    """A sheet's start as wall time of its connection."""
    return sheet.start.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M") if sheet.start else ""


def found(text: str, among: Iterable[Findable], limit: int) -> tuple[FoundView, ...]:
    """Those in which every word stands: whoever bears it as an id first, then by name."""
    words = folded(text).split()
    if not words:
        return ()
    whole = " ".join(words)
    hits = [one for one in among if all(word in one.text for word in words)]
    hits.sort(key=lambda one: _rank(one, whole))
    return tuple(one.view for one in hits[:limit])


def _rank(one: Findable, text: str) -> tuple[bool, str, str, str, str, str]:
    exact = text in (folded(one.erp_id), folded(one.edusign_id))
    return (not exact, folded(one.label), one.kind, one.connection, one.erp_id, one.edusign_id)
