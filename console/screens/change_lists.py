"""Changes and holds as lists: of changes only some pages are here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.presentation import changes as words
from console.presentation import holds as hold_words
from console.presentation.holds import FIRST, Group
from console.presentation.line import Line
from console.widgets.pages import Pages

if TYPE_CHECKING:
    from console.app import Console
    from console.engine_client import EngineClient
    from engine.service.models import ChangeRef, ChangeRow

MADE = 1000
"""Rows, at most, that are kept as they are painted: each is painted, and compared with what was, many times."""
HOLDS = 30
"""Holds, at most, whose first changes are named beside them."""


class ChangeRows:
    """Changes as a list of which only some pages are here."""

    def __init__(self, console: Console, pages: Pages[ChangeRow]) -> None:
        self._console = console
        self.pages = pages
        self.count = pages.count
        self._several = len(console.connections()) > 1
        self._made: dict[int, Line] = {}
        self._made_for: object = None

    def line(self, index: int, width: int) -> Line | None:
        row, now = self.pages.row(index), self._console.now()
        if row is None or now is None:
            return None
        made_for = (width, int(now.timestamp() // 60))
        if made_for != self._made_for or len(self._made) > MADE:
            self._made, self._made_for = {}, made_for
        if (made := self._made.get(index)) is None:
            look, signs = self._console.look(), self._console.signs
            made = self._made[index] = words.row(row, now, width, look, self._several, signs)
        return made

    def key(self, index: int) -> str | None:
        row = self.pages.peek(index) if index < self.count else None
        return None if row is None else key_of(row)


class HoldRows:
    """Holds as a list."""

    def __init__(self, console: Console, groups: Sequence[Group]) -> None:
        self._console = console
        self.groups = tuple(groups)
        self.count = len(self.groups)
        self._several = len(console.connections()) > 1

    def line(self, index: int, width: int) -> Line | None:
        now = self._console.now()
        if now is None:
            return None
        return hold_words.row(self.groups[index], now, width, self._console.look(), self._several)

    def key(self, index: int) -> str | None:
        return self.groups[index].item.id if index < self.count else None


def groups_of(engine: EngineClient, query: str) -> tuple[Group, ...]:
    """The open holds with the first changes of each."""
    groups = []
    for n, item in enumerate(engine.items(type="hold", query=query, brief=True)):
        page = engine.changes(f"hold:{item.id}", limit=FIRST) if n < HOLDS else None
        groups.append(Group(item, page.found, page.rows) if page is not None else Group(item, 0))
    return tuple(groups)


def key_of(one: ChangeRow | ChangeRef) -> str:
    """What names a change among those of all connections."""
    change = one if hasattr(one, "id") else one.change
    return f"{one.connection}/{change.id}"


def ref_of(row: ChangeRow) -> ChangeRef:
    """As much of a row as deciding needs, on the revision that is shown."""
    from engine.service.models import ChangeRef

    change = row.change
    return ChangeRef(
        connection=row.connection,
        plan=row.plan,
        id=change.id,
        verb=change.verb,
        kind=change.kind,
        label=change.label,
        hold=change.hold,
        item=row.item,
        revision=row.revision,
        mails=row.mails,
    )
