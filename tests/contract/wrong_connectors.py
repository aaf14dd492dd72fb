"""Twelve clients of Planbook, each wrong in one thing: the check it must fail names it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from engine.attendance import Attendance, Standing
from engine.ports import Fault, FaultCode, Listing, Progress, Scope
from engine.records import Kind, Problem, Sheet
from tests.contract.planbook import PlanbookClient, Row


class KeysThatMove(PlanbookClient):
    """Whoever was edited has another key."""

    def key(self, row: Row) -> str:
        return f"{row['id']}.{row['edits']}" if row["edits"] else str(row["id"])


class DroppedPage(PlanbookClient):
    """A later page that failed is passed over."""

    async def page(self, route: str, params: Mapping[str, str], n: int) -> Row:
        try:
            return await super().page(route, params, n)
        except Fault as fault:
            if n > 1 and fault.code is FaultCode.server_error:
                return {"page": n, "pages": n, "rows": []}
            raise


class _SaysComplete(PlanbookClient):
    """One fault is taken for the end of the listing."""

    taken_for_the_end: FaultCode

    async def page(self, route: str, params: Mapping[str, str], n: int) -> Row:
        try:
            return await super().page(route, params, n)
        except Fault as fault:
            if fault.code is self.taken_for_the_end:
                return {"page": n, "pages": n, "rows": []}
            raise


class EmptyIsComplete(_SaysComplete):
    """A login page in place of data is an ERP with nobody in it."""

    taken_for_the_end = FaultCode.not_json


class ClearedField(PlanbookClient):
    """A field that is gone is an empty one."""

    def text(self, row: Row, name: str) -> str:
        return row.get(name) or ""


class OffsetOfNoon(PlanbookClient):
    """The whole day has the offset it has at noon."""

    def span(self, row: Row, problems: list[Problem]) -> tuple[datetime | None, datetime | None]:
        start, end = super().span(row, problems)
        noon = datetime.combine(date.fromisoformat(row["day"]), time(12), ZoneInfo(self._zone)).utcoffset()

        def wrong(at: datetime | None) -> datetime | None:
            right = None if at is None else at.astimezone(ZoneInfo(self._zone)).utcoffset()
            return None if at is None or right is None or noon is None else at + right - noon

        return wrong(start), wrong(end)


class AllAtOnce(PlanbookClient):
    """All pages are asked for together, however many."""

    limits = None

    async def pages(self, route: str, params: Mapping[str, str]) -> list[Row]:
        first = await self.page(route, params, 1)
        rest = await asyncio.gather(*(self.page(route, params, n) for n in range(2, first["pages"] + 1)))
        return [row for page in (first, *rest) for row in page["rows"]]


class BlindRetry(PlanbookClient):
    """A write without an answer is sent again."""

    async def post(self, session: Sheet, one: Attendance) -> None:
        try:
            await super().post(session, one)
        except Fault as fault:
            if fault.committed == "no":
                raise
            await super().post(session, one)


class AlwaysAnotherRow(PlanbookClient):
    """An absence that stands already is entered again."""

    async def write(
        self, session: Sheet, wanted: tuple[Attendance, ...], standing: tuple[Attendance, ...]
    ) -> None:
        await super().write(session, wanted, standing)
        stands = {(row.person, row.state) for row in standing}
        for one in wanted:
            if (one.person, one.state) in stands:
                await self.post(session, one)


class Echo(PlanbookClient):
    """What was sent is taken for what stands."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._sent: dict[tuple[str, str], Attendance] = {}

    async def post(self, session: Sheet, one: Attendance) -> None:
        await super().post(session, one)
        self._sent[session.id, one.person] = one

    async def standing(self, sessions: tuple[Sheet, ...], scope: Scope) -> Standing:
        found = await super().standing(sessions, scope)
        there = {(one.sheet, one.person) for one in found.attendances}
        echoed = tuple(one for key, one in self._sent.items() if key not in there)
        return found.model_copy(update={"attendances": (*found.attendances, *echoed)})


class NotToBeCancelled(PlanbookClient):
    """A listing goes on to its end, whoever waits for it."""

    async def listing(self, kind: Kind, scope: Scope, progress: Progress | None = None) -> Listing:
        reading = asyncio.ensure_future(super().listing(kind, scope, progress))
        while True:
            try:
                return await asyncio.shield(reading)
            except asyncio.CancelledError:
                if reading.done():
                    raise


class NobodyWithoutKey(_SaysComplete):
    """A wrong key is an ERP with nobody in it."""

    taken_for_the_end = FaultCode.unauthorized


class WhatRightsAllow(_SaysComplete):
    """What the account may no longer see is not there."""

    taken_for_the_end = FaultCode.forbidden


WRONG: Mapping[str, type[PlanbookClient]] = {
    "stable_identity": KeysThatMove,
    "complete_paging": DroppedPage,
    "empties": EmptyIsComplete,
    "drift": ClearedField,
    "dst_nights": OffsetOfNoon,
    "limits": AllAtOnce,
    "timeout_after_commit": BlindRetry,
    "idempotent_write": AlwaysAnotherRow,
    "read_back": Echo,
    "cancel": NotToBeCancelled,
    "bad_credentials": NobodyWithoutKey,
    "rights_lost": WhatRightsAllow,
}
"""Each by the one check it fails."""
