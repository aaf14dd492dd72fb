"""The marked changes, whether they are loaded or not, with as much of each as deciding on it needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from console.presentation.changes import LEFT_OUT, state
from console.screens.change_lists import key_of

if TYPE_CHECKING:
    from engine.service.models import ChangeRef


class Marks:
    """`refs` by their keys in the list; `fit`: the keys there is something for among them."""

    def __init__(self) -> None:
        self.refs: dict[str, ChangeRef] = {}
        self.fit: frozenset[str] = frozenset()

    @property
    def keys(self) -> set[str]:
        return set(self.refs)

    def toggle(self, one: ChangeRef) -> None:
        """Mark one, or no longer."""
        if self.refs.pop(key_of(one), None) is None:
            self.refs[key_of(one)] = one
        self._changed()

    def all_or_none(self, found: Iterable[ChangeRef]) -> None:
        """Mark all of these; where they are marked already, none of them."""
        by_key = {key_of(one): one for one in found}
        if by_key.keys() <= self.refs.keys():
            for key in by_key:
                del self.refs[key]
        else:
            self.refs |= by_key
        self._changed()

    def renew(self, found: Iterable[ChangeRef]) -> None:
        """Keep the marks of changes that are still among these, as they are now."""
        now = {key_of(one): one for one in found}
        self.refs = {key: now[key] for key in self.refs if key in now}
        self._changed()

    def clear(self) -> None:
        self.refs.clear()
        self._changed()

    def _changed(self) -> None:
        self.fit = fit(self.refs.values())


def fit(refs: Iterable[ChangeRef]) -> frozenset[str]:
    """Which of the keys approve and skip there is something for among these changes."""
    found = set()
    for one in refs:
        if one.item:
            found.add("approve")
        if state(one.hold) != "skipped" or one.hold == LEFT_OUT:
            found.add("skip")
        if len(found) == 2:
            break
    return frozenset(found)
