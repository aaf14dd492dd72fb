"""What can be done in one transaction of the state store, in the engine's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.dialects import postgresql, sqlite

from engine.changes import Change, jsonable
from engine.events.event import Event, Logged
from engine.links import Link, Links
from engine.ports import System
from engine.records import Frozen, Kind, revived
from engine.service.models import ChangeView, ItemView, PlanView, RunView
from engine.state import tables as t
from engine.state.deliveries import Deliveries

PLANS_KEPT = 20
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class LeaseLost(Exception):
    """Another holder has the lease now: nothing of this transaction was committed (R39)."""


class Intent(Frozen):
    """A write about to be made, journaled before the call. `sent`: the field values it carries, as JSON."""

    id: int
    connection: str
    run_id: str
    change: Change
    edusign_id: str
    api_id: str
    sent: dict[str, Any]
    opened_at: datetime


class Decision(Frozen):
    """What a person chose of a subject, who, when, why; an input of the next plan."""

    id: int
    subject: str
    choice: str
    data: dict[str, Any] = Field(default_factory=dict)
    actor: str
    why: str = ""
    at: datetime
    expires: datetime | None = None


class Lease(Frozen):
    """The right to write for one connection and flow; `token` is checked in every commit."""

    name: str
    holder: str
    token: int
    expires: datetime


class KeptListing(Frozen):
    """What one side said of one kind, packed (see `engine.sight`).

    `at`: when it was last read, by `run_id`; `complete_at`: when last completely, None for never.
    """

    run_id: str
    system: System
    kind: Kind
    at: datetime
    complete_at: datetime | None
    content: bytes


class Transaction(Deliveries):
    """Handed to the functions given to `Store.transact`; nothing of it outlives them."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._db = connection
        self.now = now
        self.told = False

    # Facts about the store itself

    def fact(self, key: str, default: Any = None) -> Any:
        row = self._db.execute(sa.select(t.meta.c.value).where(t.meta.c.key == key)).first()
        return default if row is None else row[0]

    def set_fact(self, key: str, value: Any) -> None:
        self._upsert(t.meta, {"key": key}, {"value": value})

    # Events

    def tell(self, *events: Event) -> None:
        """Put events into the outbox; they enter the log in this order once the transaction commits."""
        if events:
            self._db.execute(
                _TELL,
                [{"ts": self.now, "event": e.model_dump(mode="json", exclude_defaults=True)} for e in events],
            )
            self.told = True

    def outbox(self, epoch: int, after: int, limit: int) -> list[Logged]:
        """The next events after `after`, numbered as the log holds them."""
        rows = self._db.execute(
            sa.select(t.outbox).where(t.outbox.c.seq > after).order_by(t.outbox.c.seq).limit(limit)
        )
        return [
            Logged.model_validate({**row.event, "epoch": epoch, "seq": row.seq, "ts": row.ts}) for row in rows
        ]

    def prune_outbox(self, up_to: int, older_than: datetime) -> int:
        """Forget events the log holds (`seq` up to `up_to`) that are older than an instant."""
        done = self._db.execute(sa.delete(t.outbox).where(t.outbox.c.seq <= up_to, t.outbox.c.ts < older_than))
        return int(done.rowcount)

    # Links and bases

    def links(self, connection: str) -> Links:
        rows = self._db.execute(sa.select(t.link).where(t.link.c.connection == connection))
        return Links(
            Link(
                kind=row.kind,
                erp_id=row.erp_id,
                edusign_id=row.edusign_id,
                base=row.base,
                missing=tuple(row.missing),
                read_only=row.read_only,
            )
            for row in rows
        )

    def put_link(self, connection: str, link: Link) -> None:
        """Write a link; an earlier link of either record is replaced, so that links stay one to one."""
        values = {
            "connection": connection,
            "kind": link.kind,
            "erp_id": link.erp_id,
            "edusign_id": link.edusign_id,
            "base": jsonable(link.base),
            "missing": list(link.missing),
            "read_only": link.read_only,
        }
        names = ("connection", "kind", "erp_id", "edusign_id")
        self._db.execute(_DROP_OTHER_LINK, {f"the_{name}": values[name] for name in names})
        self._db.execute(_put_link(self._db.dialect.name), values)

    def drop_link(self, connection: str, kind: Kind, erp_id: str) -> None:
        self._db.execute(sa.delete(t.link).where(_link_is(connection, kind, erp_id)))

    def link_counts(self, connection: str) -> dict[str, int]:
        rows = self._db.execute(
            sa.select(t.link.c.kind, sa.func.count())
            .where(t.link.c.connection == connection)
            .group_by(t.link.c.kind)
        )
        return {row[0]: row[1] for row in rows}

    # Intents

    def open_intent(self, connection: str, run_id: str, change: Change, sent: Mapping[str, Any]) -> int:
        done = self._db.execute(
            _OPEN_INTENT,
            {
                "connection": connection,
                "run_id": run_id,
                "verb": change.verb,
                "kind": change.kind,
                "erp_id": change.erp_id,
                "edusign_id": change.edusign_id,
                "api_id": change.api_id,
                "change": change_as_json(change),
                "sent": dict(sent),
                "state": "open",
                "opened_at": self.now,
            },
        )
        key = done.inserted_primary_key
        assert key is not None
        return int(key[0])

    def amend_intent(self, intent: int, change: Change, sent: Mapping[str, Any]) -> None:
        """The look before a create found what to write instead (R08): the intent says so before the call."""
        self._db.execute(
            sa.update(t.intent)
            .where(t.intent.c.id == intent)
            .values(
                verb=change.verb,
                edusign_id=change.edusign_id,
                change=change_as_json(change),
                sent=dict(sent),
            )
        )

    def close_intent(self, intent: int, state: str, edusign_id: str = "", note: str = "") -> None:
        given = {
            "the_id": intent,
            "the_state": state,
            "the_instant": self.now,
            "the_note": note,
            "the_edusign_id": edusign_id or None,
        }
        self._db.execute(_CLOSE_INTENT, given)

    def open_intents(self, connection: str) -> list[Intent]:
        rows = self._db.execute(
            sa.select(t.intent)
            .where(t.intent.c.connection == connection, t.intent.c.state == "open")
            .order_by(t.intent.c.id)
        )
        return [
            Intent(
                id=row.id,
                connection=row.connection,
                run_id=row.run_id,
                change=change_from_json(row.change),
                edusign_id=row.edusign_id,
                api_id=row.api_id,
                sent=row.sent,
                opened_at=row.opened_at,
            )
            for row in rows
        ]

    def intended(self, connection: str) -> frozenset[tuple[Kind, str]]:
        """(kind, API_ID) and (kind, Edusign id) of every intent ever journaled for a connection (R39)."""
        rows = self._db.execute(
            sa.select(t.intent.c.kind, t.intent.c.api_id, t.intent.c.edusign_id).where(
                t.intent.c.connection == connection
            )
        ).all()
        return frozenset((kind, id) for kind, *ids in rows for id in ids if id)

    def intents(self, connection: str) -> list[dict[str, Any]]:
        """Every intent of a connection, oldest first, as plain rows: what the accounting is checked against."""
        rows = self._db.execute(
            sa.select(t.intent).where(t.intent.c.connection == connection).order_by(t.intent.c.id)
        )
        return [
            {
                "id": row.id,
                "verb": row.verb,
                "kind": row.kind,
                "erp_id": row.erp_id,
                "edusign_id": row.edusign_id,
                "api_id": row.api_id,
                "sent": row.sent,
                "state": row.state,
                "run_id": row.run_id,
            }
            for row in rows
        ]

    # Sealed sheets

    def seal(self, connection: str, link: Link, was: Mapping[str, Any]) -> None:
        self._db.execute(
            sa.insert(t.sealed).values(
                connection=connection,
                edusign_id=link.edusign_id,
                erp_id=link.erp_id,
                at=self.now,
                was=dict(was),
            )
        )
        self.drop_link(connection, link.kind, link.erp_id)

    def sealed(self, connection: str) -> dict[str, tuple[str, ...]]:
        """The Edusign ids of the sealed sheets of each session."""
        found: dict[str, tuple[str, ...]] = {}
        for row in self._db.execute(
            sa.select(t.sealed).where(t.sealed.c.connection == connection).order_by(t.sealed.c.at)
        ):
            found[row.erp_id] = (*found.get(row.erp_id, ()), row.edusign_id)
        return found

    # Items

    def open_items(self, connection: str = "", type: str = "") -> list[ItemView]:
        return self._items(t.item.c.closed_at.is_(None), connection, type)

    def closed_items(self, connection: str = "", type: str = "", limit: int = 200) -> list[ItemView]:
        return self._items(t.item.c.closed_at.is_not(None), connection, type)[:limit]

    def _items(self, where: sa.ColumnElement[bool], connection: str, type: str) -> list[ItemView]:
        query = sa.select(t.item).where(where)
        if connection:
            query = query.where(t.item.c.connection == connection)
        if type:
            query = query.where(t.item.c.type == type)
        rows = self._db.execute(
            query.order_by(t.item.c.bites_at.is_(None), t.item.c.bites_at, t.item.c.opened_at, t.item.c.id)
        )
        return [_item_view(row) for row in rows]

    def item(self, id: str) -> ItemView | None:
        row = self._db.execute(sa.select(t.item).where(t.item.c.id == id)).first()
        return None if row is None else _item_view(row)

    def open_counts(self, connection: str) -> dict[str, int]:
        rows = self._db.execute(
            sa.select(t.item.c.type, sa.func.count())
            .where(t.item.c.connection == connection, t.item.c.closed_at.is_(None))
            .group_by(t.item.c.type)
        )
        return {row[0]: row[1] for row in rows}

    def insert_item(self, key: str, view: ItemView) -> None:
        values = view.model_dump(mode="json", exclude={"opened_at", "bites_at", "closed_at"})
        self._db.execute(
            sa.insert(t.item).values(
                **values,
                key=key,
                opened_at=view.opened_at,
                bites_at=view.bites_at,
                updated_at=self.now,
            )
        )

    def update_item(self, id: str, **values: Any) -> None:
        self._db.execute(sa.update(t.item).where(t.item.c.id == id).values(updated_at=self.now, **values))

    def close_item(self, id: str, outcome: str, by: str = "") -> None:
        self.update_item(id, closed_at=self.now, closed_by=by, outcome=outcome)

    def reminded(self, id: str) -> None:
        self._db.execute(sa.update(t.item).where(t.item.c.id == id).values(reminded_at=self.now))

    def due_reminders(self, connection: str, type: str, age: timedelta) -> list[ItemView]:
        """Open items of a type older than `age` that nobody was reminded of within `age`."""
        rows = self._db.execute(
            sa.select(t.item).where(
                t.item.c.connection == connection,
                t.item.c.type == type,
                t.item.c.closed_at.is_(None),
                sa.func.coalesce(t.item.c.reminded_at, t.item.c.opened_at) <= self.now - age,
            )
        )
        return [_item_view(row) for row in rows]

    # Decisions

    def decide(
        self,
        connection: str,
        subject: str,
        choice: str,
        actor: str,
        *,
        data: Mapping[str, Any] | None = None,
        why: str = "",
        expires: datetime | None = None,
    ) -> None:
        self._db.execute(
            sa.insert(t.decision).values(
                connection=connection,
                subject=subject,
                choice=choice,
                data=dict(data or {}),
                actor=actor,
                why=why,
                at=self.now,
                expires=expires,
            )
        )

    def decisions(self, connection: str) -> dict[str, Decision]:
        """The newest standing decision per subject: not undone, not expired."""
        rows = self._db.execute(
            sa.select(t.decision)
            .where(t.decision.c.connection == connection, t.decision.c.undone_at.is_(None))
            .order_by(t.decision.c.id)
        )
        return {
            row.subject: Decision(
                id=row.id,
                subject=row.subject,
                choice=row.choice,
                data=row.data,
                actor=row.actor,
                why=row.why,
                at=row.at,
                expires=row.expires,
            )
            for row in rows
            if row.expires is None or row.expires >= self.now
        }

    # Occurrences and runs

    def begin_occurrence(
        self, connection: str, flow: str, window: str, day: date, starts: datetime, ends: datetime, run_id: str
    ) -> bool:
        """Claim an occurrence; False when it was claimed or recorded before (R35: exactly once)."""
        insert = self._dialect_insert(t.occurrence).values(
            connection=connection,
            flow=flow,
            window=window,
            local_date=day,
            starts=starts,
            ends=ends,
            state="running",
            run_id=run_id,
        )
        return bool(self._db.execute(insert.on_conflict_do_nothing()).rowcount)

    def end_occurrence(
        self, connection: str, flow: str, window: str, day: date, state: str, cause: str = ""
    ) -> None:
        self._db.execute(
            sa.update(t.occurrence)
            .where(
                t.occurrence.c.connection == connection,
                t.occurrence.c.flow == flow,
                t.occurrence.c.window == window,
                t.occurrence.c.local_date == day,
            )
            .values(state=state, cause=cause)
        )

    def miss_occurrence(
        self,
        connection: str,
        flow: str,
        window: str,
        day: date,
        starts: datetime,
        ends: datetime,
        cause: str,
    ) -> bool:
        insert = self._dialect_insert(t.occurrence).values(
            connection=connection,
            flow=flow,
            window=window,
            local_date=day,
            starts=starts,
            ends=ends,
            state="missed",
            cause=cause,
        )
        return bool(self._db.execute(insert.on_conflict_do_nothing()).rowcount)

    def occurrences(self, connection: str, since: date) -> list[dict[str, Any]]:
        rows = self._db.execute(
            sa.select(t.occurrence)
            .where(t.occurrence.c.connection == connection, t.occurrence.c.local_date >= since)
            .order_by(t.occurrence.c.starts)
        )
        return [dict(row._mapping) for row in rows]

    def put_run(self, view: RunView) -> None:
        self._upsert(
            t.run,
            {"id": view.id},
            {
                "connection": view.connection,
                "flow": view.flow,
                "state": view.state,
                "started": view.started,
                "view": view.model_dump(mode="json", exclude={"progress"}),
            },
        )

    def run(self, id: str) -> RunView | None:
        row = self._db.execute(sa.select(t.run.c.view).where(t.run.c.id == id)).first()
        return None if row is None else RunView.model_validate(row.view)

    def runs(self, connection: str = "", limit: int = 50, state: str = "") -> list[RunView]:
        """Newest first."""
        query = sa.select(t.run.c.view)
        if connection:
            query = query.where(t.run.c.connection == connection)
        if state:
            query = query.where(t.run.c.state == state)
        rows = self._db.execute(query.order_by(*_newest(t.run.c.id)).limit(limit))
        return [RunView.model_validate(row.view) for row in rows]

    def put_plan(self, view: PlanView) -> None:
        self._upsert(
            t.plan,
            {"id": view.id},
            {
                "connection": view.connection,
                "made_at": view.made_at,
                "view": view.model_dump(mode="json"),
            },
        )
        older = (
            sa.select(t.plan.c.id)
            .where(t.plan.c.connection == view.connection)
            .order_by(*_newest(t.plan.c.id))
            .offset(PLANS_KEPT)
        )
        ids: Sequence[str] = self._db.execute(older).scalars().all()
        if ids:
            self._db.execute(sa.delete(t.plan).where(t.plan.c.id.in_(ids)))

    def plan(self, id: str) -> PlanView | None:
        row = self._db.execute(sa.select(t.plan.c.view).where(t.plan.c.id == id)).first()
        return None if row is None else PlanView.model_validate(row.view)

    def newest_plans(self) -> tuple[tuple[str, str], ...]:
        """(plan id, when it was written) of the newest plan of each connection; cheap."""
        made = sa.func.max(t.plan.c.made_at)
        rows = self._db.execute(sa.select(t.plan.c.connection, made).group_by(t.plan.c.connection))
        return tuple(sorted((row[0], str(row[1])) for row in rows))

    def open_holds(self) -> tuple[tuple[str, int], ...]:
        """(id, revision) of every open hold; cheap."""
        rows = self._db.execute(
            sa.select(t.item.c.id, t.item.c.revision)
            .where(t.item.c.closed_at.is_(None), t.item.c.type == "hold")
            .order_by(t.item.c.id)
        )
        return tuple((row.id, row.revision) for row in rows)

    def last_plan(self, connection: str) -> PlanView | None:
        row = self._db.execute(
            sa.select(t.plan.c.view)
            .where(t.plan.c.connection == connection)
            .order_by(*_newest(t.plan.c.id))
            .limit(1)
        ).first()
        return None if row is None else PlanView.model_validate(row.view)

    # What both sides said last

    def put_listing(self, connection: str, kept: KeptListing) -> None:
        """Keep what one side said of one kind, in place of what was kept of it."""
        key = {"connection": connection, "system": kept.system, "kind": kept.kind}
        self._upsert(t.observation, key, kept.model_dump(exclude={"system", "kind"}))

    def listings(self, connection: str) -> list[KeptListing]:
        rows = self._db.execute(sa.select(t.observation).where(t.observation.c.connection == connection))
        names = KeptListing.model_fields
        return [KeptListing.model_validate({name: getattr(row, name) for name in names}) for row in rows]

    def read_by(self, connection: str) -> tuple[str, ...]:
        """The runs that read what is kept of a connection: other runs, other content."""
        o = t.observation.c
        rows = self._db.execute(
            sa.select(o.run_id).where(o.connection == connection).order_by(o.system, o.kind)
        )
        return tuple(rows.scalars())

    def bare_links(self, connection: str, kind: Kind | None = None) -> Links:
        """Links without their bases: who is who, and no more."""
        c = t.link.c
        query = sa.select(c.kind, c.erp_id, c.edusign_id, c.read_only).where(c.connection == connection)
        if kind is not None:
            query = query.where(c.kind == kind)
        rows = self._db.execute(query)
        return Links(Link.model_construct(**row._mapping, base={}, missing=()) for row in rows)

    def open_items_about(self, connection: str, kind: Kind, ids: frozenset[str]) -> list[ItemView]:
        """Open items of one record by any of its ids; of a hold, only its changes of that record."""
        c = t.item.c
        own = sa.and_(c.kind == kind, sa.or_(c.erp_id.in_(ids), c.edusign_id.in_(ids)))
        rows = self._db.execute(
            sa.select(t.item)
            .where(c.closed_at.is_(None), c.connection == connection, sa.or_(own, c.type == "hold"))
            .order_by(c.bites_at.is_(None), c.bites_at, c.opened_at, c.id)
        )
        found = []
        for row in rows:
            changes = [change for change in row.changes if _about(change, kind, ids)]
            if row.type != "hold" or changes:
                found.append(_item_view(row, changes=changes))
        return found

    def planned_of(self, connection: str, kind: Kind, ids: frozenset[str]) -> tuple[ChangeView, ...]:
        """The changes of one record in the newest plan, by any of its ids."""
        row = self._db.execute(
            sa.select(t.plan.c.view)
            .where(t.plan.c.connection == connection)
            .order_by(*_newest(t.plan.c.id))
            .limit(1)
        ).first()
        changes = [] if row is None else row.view["changes"]
        return tuple(ChangeView.model_validate(change) for change in changes if _about(change, kind, ids))

    # Leases (R39)

    def acquire(self, name: str, holder: str, ttl: timedelta) -> Lease | None:
        """Take a free or expired lease, or take it again as the same holder; its token rises each time."""
        row = self._db.execute(sa.select(t.lease).where(t.lease.c.name == name)).first()
        if row is not None and row.expires > self.now and row.holder != holder:
            return None
        token = 1 if row is None else row.token + 1
        expires = self.now + ttl
        self._upsert(t.lease, {"name": name}, {"holder": holder, "token": token, "expires": expires})
        return Lease(name=name, holder=holder, token=token, expires=expires)

    def fence(self, lease: Lease, ttl: timedelta | None = None) -> None:
        """Check the lease in this very commit, prolonging it. Raises LeaseLost."""
        expires = self.now + ttl if ttl else lease.expires
        given = {"the_name": lease.name, "the_token": lease.token, "the_expires": expires}
        if not self._db.execute(_FENCE, given).rowcount:
            raise LeaseLost(lease.name)

    def release(self, lease: Lease) -> None:
        """Let go of a lease, for whoever asks next, even should the clock have been put back meanwhile."""
        where = (t.lease.c.name == lease.name, t.lease.c.token == lease.token)
        self._db.execute(sa.update(t.lease).where(*where).values(expires=_LONG_AGO))

    def release_of_the_dead(self) -> None:
        """Let go of every lease where the store belongs to one engine at a time: SQLite, under its folder's
        lock. Whoever held one there is dead; elsewhere leases run out by themselves."""
        if self._db.dialect.name == "sqlite":
            self._db.execute(sa.update(t.lease).values(expires=_LONG_AGO))

    # SQL that differs between the two databases

    def _dialect_insert(self, table: sa.Table) -> Any:
        return _insert(self._db.dialect.name, table)

    def _upsert(self, table: sa.Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        insert = self._dialect_insert(table).values(**key, **values)
        self._db.execute(insert.on_conflict_do_update(index_elements=list(key), set_=dict(values)))


def _newest(id: sa.Column[Any]) -> tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]]:
    """The order of ids that end in a running number, highest first: clocks may be put back, numbers not."""
    return sa.func.length(id).desc(), id.desc()


# What every write of a run executes is built once: building costs more than executing.

_TELL = sa.insert(t.outbox)
_OPEN_INTENT = sa.insert(t.intent)
_CLOSE_INTENT = (
    sa.update(t.intent)
    .where(t.intent.c.id == sa.bindparam("the_id"))
    .values(
        state=sa.bindparam("the_state"),
        closed_at=sa.bindparam("the_instant"),
        note=sa.bindparam("the_note"),
        edusign_id=sa.func.coalesce(sa.bindparam("the_edusign_id"), t.intent.c.edusign_id),
    )
)
_FENCE = (
    sa.update(t.lease)
    .where(t.lease.c.name == sa.bindparam("the_name"), t.lease.c.token == sa.bindparam("the_token"))
    .values(expires=sa.bindparam("the_expires"))
)
_DROP_OTHER_LINK = sa.delete(t.link).where(
    t.link.c.connection == sa.bindparam("the_connection"),
    t.link.c.kind == sa.bindparam("the_kind"),
    t.link.c.edusign_id == sa.bindparam("the_edusign_id"),
    t.link.c.erp_id != sa.bindparam("the_erp_id"),
)


def _insert(dialect: str, table: sa.Table) -> Any:
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)


@cache
def _put_link(dialect: str) -> Any:
    insert = _insert(dialect, t.link)
    kept = ("edusign_id", "base", "missing", "read_only")
    return insert.on_conflict_do_update(
        index_elements=["connection", "kind", "erp_id"], set_={name: insert.excluded[name] for name in kept}
    )


def _link_is(connection: str, kind: Kind, erp_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(t.link.c.connection == connection, t.link.c.kind == kind, t.link.c.erp_id == erp_id)


def _item_view(row: sa.Row[Any], **instead: Any) -> ItemView:
    values = {name: getattr(row, name) for name in ItemView.model_fields} | instead
    return ItemView.model_validate(values)


def _about(change: Mapping[str, Any], kind: Kind, ids: frozenset[str]) -> bool:
    """Whether a ChangeView as JSON is of one record, by any of its ids."""
    return change["kind"] == kind and (change["erp_id"] in ids or change.get("edusign_id", "") in ids)


def change_as_json(change: Change) -> dict[str, Any]:
    """A change as the journal and the API hold it."""
    values = change.model_dump(mode="python", exclude_defaults=True)
    for name in ("before", "after", "base_after"):
        values[name] = jsonable(getattr(change, name))
    if change.bites_at:
        values["bites_at"] = change.bites_at.isoformat()
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def change_from_json(values: Mapping[str, Any]) -> Change:
    """The inverse of `change_as_json`."""
    kind = values["kind"]
    revive = {
        name: {f: revived(kind, f, v) for f, v in values.get(name, {}).items()}
        for name in ("before", "after", "base_after")
    }
    return Change.model_validate({**values, **revive})
