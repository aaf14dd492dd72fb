"""What people ask of what both sides said last: today, sheets, finding, one record, and a look at it now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from math import inf
from typing import Generic, TypeVar

from engine.clock import Clock
from engine.links import Links
from engine.order import Connection
from engine.planning.scope import local_date
from engine.records import KINDS, Kind
from engine.service.models import FoundView, RecordView, RunView, SheetView, TodayView, WhyView
from engine.service.operations import Refusal
from engine.sight import Sight
from engine.sight_find import Findable, findable, found
from engine.sight_kept import reading_of
from engine.sight_look import look_at
from engine.sight_record import Known, Subject, as_kind, record_view, subject
from engine.sight_sheets import Meeting, Viewpoint, meetings, on_day, sheet_view, today_view
from engine.state.store import Store
from engine.state.transaction import Transaction
from engine.why import Circumstances, unknown, why
from engine.words import _

T = TypeVar("T")

SIGHTS_IN_MEMORY = 6
"""Connections whose records stay unpacked: unpacking 2,600 takes 40 ms, and every collection of garbage walks
over all that stay."""


@dataclass(frozen=True)
class Around:
    """What the engine knows of a connection that an answer to "why" depends on: see why.Circumstances."""

    compare_only: frozenset[Kind]
    frozen: str
    last_run: RunView | None
    next_at: datetime | None


@dataclass(frozen=True)
class _Made(Generic[T]):
    """Something made of what was kept under `key`; made anew where the key is another."""

    key: object
    value: T


@dataclass(frozen=True)
class _Day:
    """One day's sheets, and when both sides were read."""

    sheets: tuple[tuple[Meeting, SheetView], ...]
    read_at: datetime | None


class Sights:
    """The questions about records. Every answer is of what the last runs read, but for `look`."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        connections: Mapping[str, Connection],
        running: Callable[[str], RunView | None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._connections = connections
        self._running = running
        self._sights: dict[str, _Made[Sight]] = {}
        self._days: dict[str, _Made[_Day]] = {}
        self._todays: dict[str, _Made[TodayView]] = {}
        self._findables: dict[str, _Made[tuple[Findable, ...]]] = {}
        self._unpacking = asyncio.Lock()

    async def today(self, chosen: Iterable[Connection]) -> tuple[TodayView, ...]:
        """Today's sheets of each connection; cheap enough to be asked every second."""
        names = [one.name for one in chosen]
        versions = await self._store.transact(lambda tx: {name: tx.read_by(name) for name in names})
        return tuple([await self._today(name, versions[name]) for name in names])

    async def _today(self, name: str, version: tuple[str, ...]) -> TodayView:
        here = self._viewpoint(self._connections[name])
        # Within a minute nothing on it turns but what a run reads.
        key = (version, here.now.replace(second=0, microsecond=0))
        made = self._todays.get(name)
        if made is None or made.key != key:
            date_here = local_date(here.now, here.zone)
            day = await self._day(name, version, date_here, here)
            view = today_view(date_here, day.sheets, here, day.read_at)
            made = self._todays[name] = _Made(key, view)
        return made.value

    async def _day(self, name: str, version: tuple[str, ...], date_here: date, here: Viewpoint) -> _Day:
        made = self._days.get(name)
        if made is None or made.key != (version, date_here):
            sight = await self._sight(name, version)
            links, sealed = await self._store.transact(partial(_of_sheets, name=name))
            sheets = on_day(meetings(sight, links, sealed), date_here, sight, here)
            made = self._days[name] = _Made((version, date_here), _Day(sheets, sight.read_at("sheet")))
        return made.value

    async def sheets(self, chosen: Iterable[Connection]) -> tuple[SheetView, ...]:
        """Every sheet of the horizon and every session without one, by start."""
        views: list[SheetView] = []
        for one in chosen:
            sight = await self._sight(one.name)
            links, sealed = await self._store.transact(partial(_of_sheets, name=one.name))
            here = self._viewpoint(one)
            views += [sheet_view(m, sight, here) for m in meetings(sight, links, sealed)]
        return tuple(sorted(views, key=lambda view: view.start.timestamp() if view.start else inf))

    async def find(self, text: str, chosen: Iterable[Connection], limit: int) -> tuple[FoundView, ...]:
        """Records by name, e-mail or id on either side."""
        among = [one for connection in chosen for one in await self._findable(connection)]
        return found(text, among, limit)

    async def _findable(self, connection: Connection) -> tuple[Findable, ...]:
        name = connection.name
        version = await self._store.transact(lambda tx: tx.read_by(name))
        made = self._findables.get(name)
        if made is None or made.key != version:
            sight = await self._sight(name, version)
            links = await self._store.transact(lambda tx: tx.bare_links(name))
            all_of_it = await asyncio.to_thread(findable, sight, links, name, connection.config.zone)
            made = self._findables[name] = _Made(version, all_of_it)
        return made.value

    async def record(self, connection: Connection, kind: str, id: str) -> RecordView:
        """One record by its ERP key or its Edusign id, as last read. Raises Refusal."""
        asked = _asked(kind)
        sight = await self._sight(connection.name)
        links = await self._store.transact(lambda tx: tx.links(connection.name))
        one = subject(sight, links, asked, id)
        if one is None:
            raise _not_found(connection.name, kind, id, sight)
        return record_view(one, sight, await self._known(connection, one, links), self._viewpoint(connection))

    async def look(self, connection: Connection, kind: str, id: str) -> RecordView:
        """The same, read on both sides now. Raises Refusal: "busy" beside a run, whose reading it would
        disturb, "failed" when neither side answered."""
        asked = _asked(kind)
        self._refuse_beside_a_run(connection.name)
        sight = await self._sight(connection.name)
        links = await self._store.transact(lambda tx: tx.links(connection.name))
        one = subject(sight, links, asked, id) or Subject(asked, erp_id=id)
        async with connection.reading:
            self._refuse_beside_a_run(connection.name)
            now = self._clock.now()
            fresh = await look_at(connection, one, sight, links, now)
        if not fresh.answered:
            raise Refusal("failed", "; ".join(fresh.faults))
        again = fresh.subject
        if again.entry is None and again.seen is None and again.link is None:
            raise _not_found(connection.name, kind, id, sight)
        known = await self._known(connection, again, links)
        view = record_view(again, fresh.sight, known, self._viewpoint(connection))
        if fresh.faults:
            stands = _("{line}; that side is shown as last read")
            lines = (stands.format(line=line) for line in fresh.faults)
            return view.model_copy(update={"problems": (*lines, *view.problems)})
        return view.model_copy(update={"fresh": True, "read_at": now})

    async def why(
        self,
        text: str,
        chosen: Iterable[Connection],
        around: Callable[[Connection], Awaitable[Around]],
        limit: int,
    ) -> tuple[WhyView, ...]:
        """Why what `text` names ("KIND:ID", or a name, e-mail or id) isn't in Edusign, as last read; where
        nothing of it was shown, that, per connection. `around`: what else an answer depends on."""
        connections = list(chosen)
        answers: list[WhyView] = []
        for connection in connections:
            named = await self._named(connection, text, limit)
            context = await around(connection)
            sight = await self._sight(connection.name)
            for kind, id in named:
                view = await self._any_record(connection, kind, id, sight)
                if view is not None:
                    answers.append(why(view, self._circumstances(context, connection, kind, id, sight)))
        if not answers:
            for connection in connections:
                context, sight = await around(connection), await self._sight(connection.name)
                nothing = self._circumstances(context, connection, "learner", "", sight)
                answers.append(unknown(text, connection.name, nothing))
        return tuple(answers[:limit])

    async def why_now(self, connection: Connection, kind: str, id: str, context: Around) -> WhyView:
        """The same for one record, read on both sides now. Raises Refusal as `look`."""
        view = await self.look(connection, kind, id)
        sight = await self._sight(connection.name)
        around = self._circumstances(context, connection, _asked(kind), id, sight)
        now = self._clock.now()
        return why(view, replace(around, erp_at=now, edusign_at=now, erp_whole=True))

    async def _named(self, connection: Connection, text: str, limit: int) -> list[tuple[Kind, str]]:
        """The records a text names in a connection: "KIND:ID" names one."""
        word, colon, id = text.partition(":")
        kind = as_kind(word)
        if colon and kind is not None:
            return [(kind, id)]
        views = found(text, await self._findable(connection), limit)
        return [(_asked(view.kind), view.erp_id or view.edusign_id) for view in views]

    async def _any_record(self, connection: Connection, kind: Kind, id: str, sight: Sight) -> RecordView | None:
        """A record either side showed, meant by the filters or not."""
        links = await self._store.transact(lambda tx: tx.links(connection.name))
        one = subject(sight, links, kind, id)
        if one is None and (entry := sight.left_out[kind].get(id)) is not None:
            one = Subject(kind, erp_id=id, entry=entry)
        if one is None:
            return None
        return record_view(one, sight, await self._known(connection, one, links), self._viewpoint(connection))

    def _circumstances(
        self, context: Around, connection: Connection, kind: Kind, id: str, sight: Sight
    ) -> Circumstances:
        erp, edusign = sight.reading("erp", kind), sight.reading("edusign", kind)
        return Circumstances(
            zone=connection.config.zone,
            last=connection.scope(self._clock.now()).last,
            erp_at=erp.since if erp is not None else None,
            edusign_at=edusign.since if edusign is not None else None,
            erp_whole=sight.now_complete("erp", kind),
            left_out=id in sight.left_out[kind] and id not in sight.erp[kind],
            compare_only=context.compare_only,
            frozen=context.frozen,
            last_run=context.last_run,
            next_at=context.next_at,
        )

    def _refuse_beside_a_run(self, name: str) -> None:
        run = self._running(name)
        if run is not None:
            raise Refusal(
                "busy",
                _("run {id} of {name} is reading both sides: what it finds is shown once it has ended").format(
                    id=run.id, name=name
                ),
            )

    # Small services

    async def _sight(self, name: str, version: tuple[str, ...] | None = None) -> Sight:
        """What is kept of a connection, unpacked; the ones asked for last stay so."""
        if version is None:
            version = await self._store.transact(lambda tx: tx.read_by(name))
        async with self._unpacking:
            made = self._sights.get(name)
            if made is None or made.key != version:
                kept = await self._store.transact(lambda tx: tx.listings(name))
                sight = await asyncio.to_thread(lambda: Sight(map(reading_of, kept)))
                made = _Made(version, sight)
            self._sights.pop(name, None)
            self._sights[name] = made
            if len(self._sights) > SIGHTS_IN_MEMORY:
                del self._sights[next(iter(self._sights))]
        return made.value

    async def _known(self, connection: Connection, one: Subject, links: Links) -> Known:
        name = connection.name

        def read(tx: Transaction) -> Known:
            return Known(
                links=links,
                sealed=_sealed(tx, name),
                items=tuple(tx.open_items_about(name, one.kind, one.ids)),
                changes=tx.planned_of(name, one.kind, one.ids),
            )

        return await self._store.transact(read)

    def _viewpoint(self, connection: Connection) -> Viewpoint:
        now = self._clock.now()
        config = connection.config
        return Viewpoint(
            connection=connection.name,
            zone=config.zone,
            country=config.country,
            api_type=connection.api_type,
            now=now,
            latest=now + max(connection.platform.skew or timedelta(), timedelta()),
            silent=connection.erp.silent,
            stand_in=config.stand_in_speaker,
        )


def _of_sheets(tx: Transaction, name: str) -> tuple[Links, frozenset[str]]:
    return tx.bare_links(name, "sheet"), _sealed(tx, name)


def _sealed(tx: Transaction, name: str) -> frozenset[str]:
    return frozenset(id for ids in tx.sealed(name).values() for id in ids)


def _asked(kind: str) -> Kind:
    found = as_kind(kind)
    if found is None:
        message = _("what is a {kind}? One of {kinds} was expected")
        raise Refusal("usage", message.format(kind=kind, kinds=", ".join(KINDS)))
    return found


def _not_found(name: str, kind: str, id: str, sight: Sight) -> Refusal:
    if sight.read_at(_asked(kind)) is None:
        message = _("{name} was not read yet: `rollcall plan {name}` reads both sides")
        return Refusal("not_found", message.format(name=name))
    message = _("no {kind} {id} was read on either side of {name}: `rollcall find` looks by name")
    return Refusal("not_found", message.format(kind=kind, id=id, name=name))
