"""The live stream: what `Operations.follow` gives, as server-sent events, at the reader's own pace."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Final

from engine.service.models import EventView

Follow = Callable[[int | None], AsyncIterator[EventView]]
"""Follow from after a seq."""

HEARTBEAT_SECONDS: Final = 15.0
PATIENCE_SECONDS: Final = 5.0
QUEUE_EVENTS: Final = 1000

_log = logging.getLogger("rollcall.service")


def position(epoch: int, seq: int) -> str:
    """The first message of a stream: where it begins. A reader that breaks off before any event knows it."""
    data = json.dumps({"epoch": epoch, "seq": seq}, separators=(",", ":"))
    return f"id: {epoch}:{seq}\nevent: position\ndata: {data}\n\n"


def message(event: EventView) -> str:
    """One event of the log; JSON holds no line break, so it is one data line."""
    return f"id: {event.epoch}:{event.seq}\ndata: {event.model_dump_json()}\n\n"


def resumed_from(last_event_id: str) -> tuple[int, int] | None:
    """(epoch, seq) of a Last-Event-ID; None where it is none of ours."""
    epoch, _sep, seq = last_event_id.strip().partition(":")
    if epoch.isascii() and epoch.isdigit() and seq.isascii() and seq.isdigit():
        return int(epoch), int(seq)
    return None


async def stream(
    follow: Follow,
    epoch: int,
    after: int,
    closing: asyncio.Event,
    *,
    heartbeat: float = HEARTBEAT_SECONDS,
    patience: float = PATIENCE_SECONDS,
    queue_events: int = QUEUE_EVENTS,
) -> AsyncIterator[str]:
    """The text of the stream: position, then events from `after` on, dense; comments while nothing happens.

    A reader that stays behind a full queue for `patience` seconds is taken off the live feed; when it reads
    again it goes on from the log, from the event after the last it got. Nothing is lost, and what waits for
    it stays bounded. Ends when `follow` ends or `closing` is set.
    """
    yield position(epoch, after)
    while not closing.is_set():
        queue: asyncio.Queue[EventView] = asyncio.Queue(queue_events)
        feed = asyncio.create_task(_feed(follow(after), queue, patience))
        try:
            while True:
                ended, event = await _next(queue, feed, closing, heartbeat)
                if ended:
                    break
                if event is None:
                    yield ": still here\n\n"
                else:
                    after = event.seq
                    yield message(event)
        finally:
            feed.cancel()
            await asyncio.wait({feed})
        if feed.cancelled():
            return
        if (error := feed.exception()) is not None:
            _log.error("the live stream broke off", exc_info=error)
            return
        if not feed.result():
            return


async def _feed(events: AsyncIterator[EventView], queue: asyncio.Queue[EventView], patience: float) -> bool:
    """Fill the queue; True when the reader was too slow, False when the feed itself ended."""
    try:
        async for event in events:
            try:
                async with asyncio.timeout(patience):
                    await queue.put(event)
            except TimeoutError:
                return True
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()
    return False


async def _next(
    queue: asyncio.Queue[EventView],
    feed: asyncio.Task[bool],
    closing: asyncio.Event,
    heartbeat: float,
) -> tuple[bool, EventView | None]:
    """(False, an event), (False, None) when it is time for a heartbeat, (True, None) at the end."""
    if not queue.empty():
        return False, queue.get_nowait()
    if feed.done():
        return True, None
    get = asyncio.ensure_future(queue.get())
    closed = asyncio.ensure_future(closing.wait())
    try:
        done, _pending = await asyncio.wait(
            {get, closed, feed}, timeout=heartbeat, return_when=asyncio.FIRST_COMPLETED
        )
        if get in done:
            return False, get.result()
        if closed in done:
            return True, None
        if feed in done and queue.empty():
            return True, None
        return (False, queue.get_nowait()) if not queue.empty() else (False, None)
    finally:
        get.cancel()
        closed.cancel()
