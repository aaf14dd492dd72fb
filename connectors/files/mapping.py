"""Rows of a file's table, by a profile. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.files.profile import TableProfile, places
from connectors.files.tables import Table
from connectors.tabular.fields import Conventions
from connectors.tabular.records import Row, listed


class HeadingGone(ValueError):
    """A heading that the profile relies on was renamed, is gone, or stands twice."""


def rows(
    table: Table,
    profile: TableProfile,
    conventions: Conventions,
    file: str,
    filters: Mapping[str, frozenset[str]] | None = None,
) -> list[Row]:
    """The rows a profile means. `filters`: heading → codes of which a row must hold one. Raises HeadingGone,
    which names the heading and what stands there instead."""
    wanted = tuple(dict.fromkeys((*profile.relied_on, *(filters or {}))))
    at, gone, twice = places(table.headings, wanted)
    if gone or twice:
        raise HeadingGone(_renamed(table, profile, gone, twice))
    only: dict[str, frozenset[str]] = {heading: frozenset({code}) for heading, code in profile.only.items()}
    only |= filters or {}
    found = []
    for line, cells in zip(table.lines, table.rows, strict=True):
        if not all(
            codes & frozenset(listed(cells[at[heading]], conventions.between))
            for heading, codes in only.items()
        ):
            continue
        cut = tuple(
            field
            for field, heading in profile.columns.items()
            if field != "key" and len(cells[at[heading]]) >= conventions.longest.get(heading, 1 << 30)
        )
        found.append(
            Row(
                fields={field: cells[at[heading]] for field, heading in profile.columns.items()},
                line=line,
                file=file,
                over=any(cells[at[heading]].strip() == mark for heading, mark in profile.ended.items()),
                cut=cut,
            )
        )
    return found


def new_headings(table: Table, profile: TableProfile) -> tuple[str, ...]:
    """Headings that were not there when the profile was saved; none where it says nothing of them."""
    if not profile.headings:
        return ()
    _at, new, _twice = places(profile.headings, table.headings)
    return tuple(new)


def _renamed(table: Table, profile: TableProfile, gone: list[str], twice: list[str]) -> str:
    if not gone:
        return f"heading {twice[0]} stands twice"
    new = new_headings(table, profile)
    others = f"; new: {', '.join(new[:3])}" if new else ""
    return f"heading {', '.join(gone[:3])} is gone{others}"
