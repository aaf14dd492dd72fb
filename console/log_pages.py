"""The log as one list of millions of events: what of it is held here, and where the rest lies.

Oldest first. The newest are always held (the tail, to which what happens is added); of all before it, pages
are asked for as they come into view, and as many are kept as a person looks at in a while. An event's place
in the list never changes, since the log only grows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.service.models import EventMap, EventView

PAGE = 200
"""Events of a page."""
PAGES_KEPT = 32
TAIL_KEPT = 1000
"""Newest events that are held at least; twice as many at most."""


class LogPages:
    """What is held of the events of one query. `want` has a page asked for: its answer goes to `put`.

    `begin` with the newest, so that there is something to see at once; then `chart` when the engine has said
    how many there are and where they lie; from then on `append` what happens.
    """

    def __init__(self, query: str, want: Callable[[int], None]) -> None:
        self.query = query
        """What further questions ask; its times are instants once it is charted."""
        self.epoch = 0
        self.seq = 0
        """Up to here every event of the query is counted."""
        self.count = 0
        self.charted = False
        self._want = want
        self._tail: list[EventView] = []
        self._tail_from = 0
        self._anchors: list[int] = []
        self._pages: OrderedDict[int, Sequence[EventView]] = OrderedDict()

    # What the engine says

    def begin(self, newest: Sequence[EventView], epoch: int, seq: int) -> None:
        """The newest events, newest first, of a log that had reached `seq` of this epoch. Those of earlier
        epochs are left out."""
        self.epoch = epoch
        self._tail = [one for one in reversed(newest) if one.epoch == self.epoch]
        self.count = len(self._tail)
        self.seq = max(seq, self._tail[-1].seq if self._tail else 0)

    def chart(self, map: EventMap, late: Sequence[EventView]) -> int:
        """Where everything lies; `late` are the events after `seq` that the map counts, oldest first.

        Returns how many more rows there are now before those that were there.
        """
        self._tail += [one for one in late if one.seq > self.seq]
        before = max(map.found - len(self._tail), 0)
        del self._tail[: max(len(self._tail) - map.found, 0)]
        self._tail_from = before
        self._take(map)
        return before

    def extend(self, map: EventMap) -> None:
        """The map of the same query again, after much has happened: what was seen keeps its place."""
        self._tail, self._tail_from = [], map.found
        self._pages.clear()
        self._take(map)

    def _take(self, map: EventMap) -> None:
        self.query, self.epoch, self.seq, self.count = map.query, map.epoch, map.seq, map.found
        self._anchors = list(map.anchors)
        self.charted = True

    def append(self, events: Sequence[EventView], reached: int) -> int:
        """What happened, oldest first; the log has been read up to `reached`. How many were new."""
        fresh = [one for one in events if one.seq > self.seq]
        for one in fresh:
            if self.count % PAGE == 0:
                self._anchors.append(one.seq)
            self._tail.append(one)
            self.count += 1
        self.seq = max(self.seq, reached, fresh[-1].seq if fresh else 0)
        if len(self._tail) > 2 * TAIL_KEPT:
            cut = len(self._tail) - TAIL_KEPT
            del self._tail[:cut]
            self._tail_from += cut
        return len(fresh)

    def put(self, number: int, events: Sequence[EventView]) -> bool:
        """A page that was asked for; False where it is not what the map says, so that it must be redrawn."""
        if len(events) < min(PAGE, self._tail_from - number * PAGE):
            return False
        self._pages[number] = events
        self._pages.move_to_end(number)
        while len(self._pages) > PAGES_KEPT:
            self._pages.popitem(last=False)
        return True

    # What is shown of it

    def event(self, index: int) -> EventView | None:
        """The event at a place; None while it is not held, and then it is asked for."""
        if index >= self._tail_from:
            at = index - self._tail_from
            return self._tail[at] if at < len(self._tail) else None
        number, at = divmod(index, PAGE)
        page = self._pages.get(number, ())
        if at >= len(page):  # a page that was the last when it came may have grown
            self._want(number)
            return None
        self._pages.move_to_end(number)
        return page[at]

    def held(self, index: int) -> EventView | None:
        """The event at a place where it is held; nothing is asked for."""
        return self.event(index) if index >= self._tail_from or index // PAGE in self._pages else None

    def look_ahead(self, index: int, step: int) -> None:
        """Have the page asked for that comes next when somebody moves on from a place in this direction."""
        number = index // PAGE + (1 if step > 0 else -1)
        if 0 <= number * PAGE < self._tail_from and number not in self._pages:
            self._want(number)

    def bounds(self, number: int) -> tuple[int, int | None]:
        """The seqs between which a page lies: after the first, before the second (None: to the end)."""
        after = self._anchors[number] - 1
        return after, self._anchors[number + 1] if number + 1 < len(self._anchors) else None
