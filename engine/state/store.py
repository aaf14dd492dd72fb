"""The state store: one writer thread, transactions that commit whole, an outbox in the same commit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from engine.clock import Clock
from engine.state import tables as t
from engine.state.transaction import Transaction

T = TypeVar("T")


class StoreError(Exception):
    """The state cannot be used; the message says why and what to do, for a person."""


class Store:
    """Open with `Store.open`; every access is a function of one Transaction, done in the writer's thread.

    A cancelled `transact` still ends its transaction before the cancellation goes on.
    """

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="state")
        self.committed = asyncio.Event()
        """Set after a commit that put events into the outbox."""

    @classmethod
    def open(cls, target: str | Path, clock: Clock) -> Store:
        """Open or create the store at a file path or SQLAlchemy URL. Raises StoreError."""
        url = target if isinstance(target, str) and "://" in target else f"sqlite:///{target}"
        engine = _sqlite(url) if url.startswith("sqlite") else sa.create_engine(url)
        t.metadata.create_all(engine)
        with engine.begin() as connection:
            version = connection.scalar(sa.select(t.meta.c.value).where(t.meta.c.key == "schema_version"))
            if version is None:
                connection.execute(sa.insert(t.meta).values(key="schema_version", value=t.SCHEMA_VERSION))
            elif version != t.SCHEMA_VERSION:
                raise StoreError(f"state of schema {version}, this version reads {t.SCHEMA_VERSION}: upgrade")
        return cls(engine, clock)

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one transaction; it commits when `work` returns and rolls back when it raises."""
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._thread, self._transact, work)
        try:
            result, told = await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise
        if told:
            self.committed.set()
        return result

    def run_now(self, work: Callable[[Transaction], T]) -> T:
        """`transact` before there is an event loop."""
        return self._transact(work)[0]

    def _transact(self, work: Callable[[Transaction], T]) -> tuple[T, bool]:
        with self._engine.begin() as connection:
            transaction = Transaction(connection, self._clock.now())
            result = work(transaction)
            return result, transaction.told

    def close(self) -> None:
        self._thread.shutdown(wait=True)
        self._engine.dispose()


def _sqlite(url: str) -> sa.Engine:
    engine = sa.create_engine(
        url,
        poolclass=StaticPool,
        connect_args={"isolation_level": None, "check_same_thread": False},
        json_serializer=_dumps,
    )

    @sa.event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: object) -> None:
        for pragma in ("journal_mode=wal", "synchronous=full", "foreign_keys=on", "busy_timeout=5000"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A deferred BEGIN that later writes gets SQLITE_BUSY at once, whatever the busy time-out.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
