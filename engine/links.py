"""Links: which ERP record is which Edusign record, one to one, and the base both sides last agreed on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import Field

from engine.changes import FOREIGN
from engine.records import Frozen, Kind, Seen, Value


class Link(Frozen):
    """One ERP record and its Edusign record.

    `base`: per field the canonical value last agreed on; a field without one was never agreed on (R03).
    `missing`: the occurrences whose complete observation did not show the ERP record (R13).
    `read_only`: under another connector's API_TYPE, used but never written (R10).
    """

    kind: Kind
    erp_id: str
    edusign_id: str
    base: dict[str, Any] = Field(default_factory=dict)
    missing: tuple[str, ...] = ()
    read_only: bool = False


class Links:
    """The links of one connection, found from either side."""

    def __init__(self, links: Iterable[Link] = ()) -> None:
        self._by_erp: dict[tuple[Kind, str], Link] = {}
        self._by_edusign: dict[tuple[Kind, str], Link] = {}
        for link in links:
            self.put(link)

    def put(self, link: Link) -> None:
        """Add or replace; an earlier link of either record is dropped, so that links stay one to one."""
        self.drop(link.kind, link.erp_id)
        other = self._by_edusign.get((link.kind, link.edusign_id))
        if other is not None:
            self.drop(other.kind, other.erp_id)
        self._by_erp[link.kind, link.erp_id] = link
        self._by_edusign[link.kind, link.edusign_id] = link

    def drop(self, kind: Kind, erp_id: str) -> None:
        link = self._by_erp.pop((kind, erp_id), None)
        if link is not None:
            self._by_edusign.pop((kind, link.edusign_id), None)

    def get(self, kind: Kind, erp_id: str) -> Link | None:
        return self._by_erp.get((kind, erp_id))

    def of_edusign(self, kind: Kind, edusign_id: str) -> Link | None:
        return self._by_edusign.get((kind, edusign_id))

    def of_kind(self, kind: Kind) -> Iterator[Link]:
        return (link for (k, _), link in self._by_erp.items() if k == kind)

    def __len__(self) -> int:
        return len(self._by_erp)

    def __iter__(self) -> Iterator[Link]:
        return iter(self._by_erp.values())

    def token(self, kind: Kind, edusign_id: str) -> str:
        """The roster token of an Edusign id: the ERP key it is linked to, else `edusign:ID`."""
        link = self._by_edusign.get((kind, edusign_id))
        return link.erp_id if link else FOREIGN + edusign_id

    def edusign_id(self, kind: Kind, token: str) -> str | None:
        """The Edusign id behind a token; None while its ERP record is not linked."""
        if token.startswith(FOREIGN):
            return token.removeprefix(FOREIGN)
        link = self._by_erp.get((kind, token))
        return link.edusign_id if link else None


ELEMENT_KIND: dict[str, Kind] = {
    "members": "learner",
    "learners": "learner",
    "groups": "group",
    "speakers": "speaker",
}
"""Which kind the ids in a reference field belong to."""


def roster_base(link: Link, name: str) -> frozenset[str]:
    """The base of a roster: who both sides agreed stands there."""
    value = link.base.get(name)
    return frozenset(value) if isinstance(value, (frozenset, list, tuple)) else frozenset()


def in_tokens(seen: Seen, links: Links) -> dict[str, Value]:
    """The fields of an Edusign record with its references as tokens, comparable to the ERP's."""
    values: dict[str, Value] = {}
    for field in seen.record.fields:
        value = seen.record.value(field)
        kind = ELEMENT_KIND.get(field)
        if kind is not None and isinstance(value, frozenset):
            value = frozenset(links.token(kind, id) for id in value)
        values[field] = value
    return values
