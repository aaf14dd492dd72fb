"""What listings of a scope must show: linked records they missed, on either side (R13). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from engine.links import Link, Links
from engine.ports import Scope
from engine.records import Kind, Seen, Value, revived


def missing(
    links: Links, present: Mapping[Kind, frozenset[str]], scope: Scope, complete: frozenset[Kind]
) -> tuple[Link, ...]:
    """Linked records that a complete listing of the ERP did not show, over dates both cover (R13)."""
    return tuple(
        link
        for link in links
        if link.kind in complete
        and link.erp_id not in present.get(link.kind, frozenset())
        and in_scope(link, scope)
    )


def unlisted(links: Links, seen: Mapping[Kind, Mapping[str, Seen]], scope: Scope) -> tuple[Link, ...]:
    """Linked records that Edusign's listing did not show although it should have."""
    return tuple(
        link for link in links if link.edusign_id not in seen.get(link.kind, {}) and in_scope(link, scope)
    )


def in_scope(link: Link, scope: Scope) -> bool:
    """Whether listings of `scope` would show this record; people and groups always."""
    if link.kind != "sheet":
        return True
    start = link.base.get("start")
    if start is None:
        return False
    return scope.first <= local_date(revived("sheet", "start", start), scope.zone) <= scope.last


def local_date(instant: Value, zone: str) -> date:
    """The local date of an instant in an IANA zone."""
    assert isinstance(instant, datetime)
    return instant.astimezone(ZoneInfo(zone)).date()
