"""The schema of the state store, the same on SQLite and PostgreSQL. Instants are UTC in ISO 8601."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    text,
)

SCHEMA_VERSION = 1


class Instant(TypeDecorator[datetime]):
    """An aware instant, stored as ISO 8601 text in UTC: sorts as time, reads as time."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return value.astimezone(UTC).isoformat(timespec="microseconds") if value is not None else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return datetime.fromisoformat(value) if value is not None else None


metadata = MetaData()
Serial = BigInteger().with_variant(Integer, "sqlite")

meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", JSON, nullable=False))

link = Table(
    "link",
    metadata,
    Column("connection", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("erp_id", String, primary_key=True),
    Column("edusign_id", String, nullable=False),
    Column("base", JSON, nullable=False),
    Column("missing", JSON, nullable=False),
    Column("read_only", Boolean, nullable=False, default=False),
    Index("link_edusign", "connection", "kind", "edusign_id", unique=True),
)

intent = Table(
    "intent",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("connection", String, nullable=False),
    Column("run_id", String, nullable=False),
    Column("verb", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("erp_id", String, nullable=False),
    Column("edusign_id", String, nullable=False, default=""),
    Column("api_id", String, nullable=False, default=""),
    Column("change", JSON, nullable=False),
    Column("sent", JSON, nullable=False),
    Column("state", String, nullable=False),  # open, done, never_arrived, dropped
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("note", String, nullable=False, default=""),
    Index("intent_open", "connection", "state"),
    Index("intent_record", "connection", "kind", "api_id"),
    sqlite_autoincrement=True,
)

sealed = Table(
    "sealed",
    metadata,
    Column("connection", String, primary_key=True),
    Column("edusign_id", String, primary_key=True),
    Column("erp_id", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("was", JSON, nullable=False),
)

item = Table(
    "item",
    metadata,
    Column("id", String, primary_key=True),
    Column("connection", String, nullable=False),
    Column("type", String, nullable=False),
    Column("key", String, nullable=False),
    Column("kind", String, nullable=False, default=""),
    Column("erp_id", String, nullable=False, default=""),
    Column("edusign_id", String, nullable=False, default=""),
    Column("label", String, nullable=False, default=""),
    Column("code", String, nullable=False, default=""),
    Column("summary", String, nullable=False, default=""),
    Column("where", String, nullable=False, default=""),
    Column("choices", JSON, nullable=False),
    Column("data", JSON, nullable=False),
    Column("changes", JSON, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("reminded_at", Instant),
    Column("bites_at", Instant),
    Column("people", Integer, nullable=False, default=0),
    Column("revision", Integer, nullable=False, default=1),
    Column("closed_at", Instant),
    Column("closed_by", String, nullable=False, default=""),
    Column("outcome", String, nullable=False, default=""),
    Index(
        "item_open",
        "connection",
        "type",
        "key",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
)

decision = Table(
    "decision",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("connection", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("choice", String, nullable=False),
    Column("data", JSON, nullable=False),
    Column("actor", String, nullable=False),
    Column("why", String, nullable=False, default=""),
    Column("at", Instant, nullable=False),
    Column("expires", Instant),
    Column("undone_at", Instant),
    Index("decision_subject", "connection", "subject"),
    sqlite_autoincrement=True,
)

delivered = Table(
    "delivered",
    metadata,
    Column("connection", String, primary_key=True),
    Column("session", String, primary_key=True),
    Column("kind", String, primary_key=True),  # learner, speaker
    Column("person", String, primary_key=True),
    Column("sheet", String, nullable=False),
    Column("start", Instant),
    Column("at", Instant, nullable=False),
    Column("content", JSON, nullable=False),
    Index("delivered_start", "connection", "start"),
)

delivery = Table(  # the intents of the absence export: one per session's write
    "delivery",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("connection", String, nullable=False),
    Column("run_id", String, nullable=False),
    Column("session", String, nullable=False),
    Column("content", JSON, nullable=False),
    Column("state", String, nullable=False),  # open, done, partly, never_arrived, refused
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("note", String, nullable=False, default=""),
    Index("delivery_open", "connection", "state"),
    sqlite_autoincrement=True,
)

tick = Table(
    "tick",
    metadata,
    Column("connection", String, primary_key=True),
    Column("sheet", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("person", String, primary_key=True),
    Column("value", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("found", Boolean),
)

export_list = Table(  # what the last export found that is not simply delivered
    "export_list",
    metadata,
    Column("connection", String, primary_key=True),
    Column("run_id", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("rows", JSON, nullable=False),
)

occurrence = Table(
    "occurrence",
    metadata,
    Column("connection", String, primary_key=True),
    Column("flow", String, primary_key=True),
    Column("window", String, primary_key=True),
    Column("local_date", Date, primary_key=True),
    Column("starts", Instant, nullable=False),
    Column("ends", Instant, nullable=False),
    Column("state", String, nullable=False),  # running, run, missed
    Column("cause", String, nullable=False, default=""),
    Column("run_id", String, nullable=False, default=""),
)

run = Table(
    "run",
    metadata,
    Column("id", String, primary_key=True),
    Column("connection", String, nullable=False),
    Column("flow", String, nullable=False),
    Column("state", String, nullable=False),
    Column("started", Instant, nullable=False),
    Column("view", JSON, nullable=False),
    Index("run_connection", "connection", "started"),
)

plan = Table(
    "plan",
    metadata,
    Column("id", String, primary_key=True),
    Column("connection", String, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("view", JSON, nullable=False),
)

observation = Table(
    "observation",
    metadata,
    Column("connection", String, primary_key=True),
    Column("system", String, primary_key=True),  # erp, edusign
    Column("kind", String, primary_key=True),
    Column("run_id", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("complete_at", Instant),
    Column("content", LargeBinary, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("token", Integer, nullable=False),
    Column("expires", Instant, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("ts", Instant, nullable=False),
    Column("event", JSON, nullable=False),
    sqlite_autoincrement=True,
)
