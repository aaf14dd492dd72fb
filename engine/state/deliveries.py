"""What can be done in one transaction with what the absence export delivered, and with what people tick."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from engine.absences.said import Delivered, HandKey, Key, Row, SessionWrite, Tick
from engine.records import Frozen
from engine.state import tables as t


def delivered_by_key(content: Iterable[dict[str, Any]]) -> dict[Key, Delivered]:
    """What `Deliveries.delivered_as_json` gave, read."""
    found = (Delivered.model_validate(one) for one in content)
    return {one.key: one for one in found}


class OpenDelivery(Frozen):
    """A session's attendance about to be written, journaled before the call (R37)."""

    id: int
    run_id: str
    write: SessionWrite
    opened_at: datetime


class ExportList(Frozen):
    """What the last export of a connection found beside what is delivered, and when."""

    run_id: str
    at: datetime
    rows: tuple[Row, ...] = ()


class Deliveries:
    """The part of a Transaction that knows the absence export."""

    _db: sa.Connection
    now: datetime

    def _upsert(self, table: sa.Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        raise NotImplementedError

    # The base

    def delivered(self, connection: str, since: datetime | None = None) -> dict[Key, Delivered]:
        """What was delivered, of sheets that began at `since` or later."""
        return delivered_by_key(self.delivered_as_json(connection, since))

    def delivered_as_json(self, connection: str, since: datetime | None = None) -> list[dict[str, Any]]:
        """The same, unread: reading thousands would keep the writer's thread from its work."""
        query = sa.select(t.delivered.c.content).where(t.delivered.c.connection == connection)
        if since is not None:
            query = query.where(sa.or_(t.delivered.c.start.is_(None), t.delivered.c.start >= since))
        return list(self._db.execute(query).scalars())

    def put_delivered(self, connection: str, *many: Delivered) -> None:
        for one in many:
            key = {"connection": connection, **one.key._asdict()}
            values = {
                "sheet": one.sheet,
                "start": one.start,
                "at": one.at,
                "content": one.model_dump(mode="json", exclude_defaults=True),
            }
            self._upsert(t.delivered, key, values)

    def drop_delivered(self, connection: str, keys: Iterable[Key]) -> None:
        """Forget what nothing stands of any more."""
        d = t.delivered.c
        for key in keys:
            self._db.execute(
                sa.delete(t.delivered).where(
                    d.connection == connection,
                    d.session == key.session,
                    d.kind == key.kind,
                    d.person == key.person,
                )
            )

    # The journal

    def open_delivery(self, connection: str, run_id: str, write: SessionWrite) -> int:
        done = self._db.execute(
            sa.insert(t.delivery).values(
                connection=connection,
                run_id=run_id,
                session=write.session.id,
                content=write.model_dump(mode="json"),
                state="open",
                opened_at=self.now,
            )
        )
        key = done.inserted_primary_key
        assert key is not None
        return int(key[0])

    def close_delivery(self, id: int, state: str, note: str = "") -> None:
        self._db.execute(
            sa.update(t.delivery)
            .where(t.delivery.c.id == id)
            .values(state=state, closed_at=self.now, note=note)
        )

    def open_deliveries(self, connection: str) -> list[OpenDelivery]:
        rows = self._db.execute(
            sa.select(t.delivery)
            .where(t.delivery.c.connection == connection, t.delivery.c.state == "open")
            .order_by(t.delivery.c.id)
        )
        return [
            OpenDelivery(
                id=row.id,
                run_id=row.run_id,
                write=SessionWrite.model_validate(row.content),
                opened_at=row.opened_at,
            )
            for row in rows
        ]

    def journaled_deliveries(self, connection: str) -> list[dict[str, Any]]:
        """Every write of the absence export, oldest first, as plain rows."""
        rows = self._db.execute(
            sa.select(t.delivery).where(t.delivery.c.connection == connection).order_by(t.delivery.c.id)
        )
        names = ("id", "run_id", "session", "content", "state", "note")
        return [{name: getattr(row, name) for name in names} for row in rows]

    # By hand

    def ticks(self, connection: str) -> dict[HandKey, Tick]:
        rows = self._db.execute(sa.select(t.tick).where(t.tick.c.connection == connection))
        found = (Tick.model_validate({name: getattr(row, name) for name in Tick.model_fields}) for row in rows)
        return {one.key: one for one in found}

    def put_tick(self, connection: str, tick: Tick) -> None:
        key = {"connection": connection, **tick.key._asdict()}
        self._upsert(t.tick, key, {n: getattr(tick, n) for n in ("value", "actor", "at", "found")})

    def drop_tick(self, connection: str, key: HandKey) -> None:
        c = t.tick.c
        self._db.execute(
            sa.delete(t.tick).where(
                c.connection == connection, c.sheet == key.sheet, c.kind == key.kind, c.person == key.person
            )
        )

    def tick_found(self, connection: str, key: HandKey, found: bool) -> None:
        """Whether the ERP showed what was ticked."""
        c = t.tick.c
        where = (c.connection == connection, c.sheet == key.sheet, c.kind == key.kind, c.person == key.person)
        self._db.execute(sa.update(t.tick).where(*where).values(found=found))

    # What people see

    def put_export_list(self, connection: str, run_id: str, rows: Iterable[Row]) -> None:
        values = {
            "run_id": run_id,
            "at": self.now,
            "rows": [row.model_dump(mode="json", exclude_defaults=True) for row in rows],
        }
        self._upsert(t.export_list, {"connection": connection}, values)

    def export_list(self, connection: str) -> ExportList | None:
        row = self._db.execute(sa.select(t.export_list).where(t.export_list.c.connection == connection)).first()
        if row is None:
            return None
        rows = tuple(Row.model_validate(one) for one in row.rows)
        return ExportList(run_id=row.run_id, at=row.at, rows=rows)
