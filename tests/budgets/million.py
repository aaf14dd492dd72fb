"""What a school of some years leaves behind: a log of a million events, 10,000 changes, open items."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import get_args

import sqlalchemy as sa

from engine.account import counted
from engine.events.event import Level, Logged
from engine.events.log import EventLog
from engine.service.models import ChangeView, ItemType, ItemView, PlanView
from engine.state import tables
from engine.state.transaction import Transaction

EVENTS = 1_000_000
BATCH = 10_000
CHANGES = 10_000
ITEMS = 120
START = datetime(2026, 9, 1, 6, 0, tzinfo=UTC)
NOW = START + timedelta(seconds=8 * EVENTS)
RARE_AT = 123_457  # far from the newest, so that nearly the whole log is read
CONNECTIONS = ("lyon", "paris", "lille", "nantes", "bordeaux", "rennes", "metz", "nice")
NAMES = ("Dupont", "Martin", "Nguyên", "Lefèvre", "Müller", "Garção", "O'Brien", "Le Gall", "Benali", "Zoë")
SHAPES: tuple[tuple[Level, str, str], ...] = (
    ("debug", "check", "{who}: unchanged since the last observation of {day}"),
    ("info", "write", "updated {who}: e-mail is now {mail}"),
    ("info", "run", "import of {day}: {n} learners observed, {m} changes planned"),
    ("notice", "notice", "{who}: last name overwritten by the planning software's, as R02 says"),
    ("notice", "occurrence", "window of {day} opened for the import"),
    ("warn", "rejection", "{who} cannot be synchronised: the e-mail {mail} is shared with another person"),
    ("warn", "task", "correct the phone of {who} in the planning software"),
    ("error", "fault", "students page {n}: a page came where data was due; nothing is created from it"),
)
WEIGHTS = (50, 25, 8, 6, 5, 3, 2, 1)


def events() -> Iterator[Logged]:
    chance = random.Random(7)
    for seq in range(1, EVENTS + 1):
        level, kind, shape = chance.choices(SHAPES, WEIGHTS)[0]
        name, number = chance.choice(NAMES), chance.randrange(20_000)
        at = START + timedelta(seconds=8 * seq)
        message = shape.format(
            who=f"{name} {number}", mail=f"p{number}@school.example", day=at.date(), n=number, m=number % 97
        )
        if seq == RARE_AT:
            message += ", seen by Wolfeschlegelsteinhausen"
        yield Logged(
            epoch=1,
            seq=seq,
            ts=at,
            level=level,
            kind=kind,
            message=message,
            connection=chance.choice(CONNECTIONS),
            run_id=str(seq // 500),
            record_kind="learner",
            erp_id=f"E{number}",
            edusign_id=f"{number * 7919:x}",
            actor="engine",
            data={"before": name, "after": f"p{number}@school.example", "page": number % 100},
        )


def fill(path: Path) -> None:
    """Make the log."""
    began = perf_counter()
    with EventLog.open(path) as log:
        batch: list[Logged] = []
        for event in events():
            batch.append(event)
            if len(batch) == BATCH:
                log.append(batch)
                batch = []
    took = perf_counter() - began
    print(f"\n{EVENTS:,} events in {took:.0f} s ({EVENTS / took:,.0f}/s), made and appended")


def leave_behind(tx: Transaction) -> None:
    """What the state store holds beside that log: the plans of lyon and nantes, what waits, and the last
    event alone in the outbox, from which the next one is numbered."""
    for number, name in enumerate(("lyon", "nantes")):
        changes = tuple(_change(tx.now, n) for n in range(number, CHANGES, 2))
        plan = PlanView(
            id=f"p{number + 1}", connection=name, flow="import", hash="", made_at=tx.now, changes=changes
        )
        tx.put_plan(plan.model_copy(update=counted(changes)))
    for number in range(ITEMS):
        tx.insert_item(f"invented {number}", _item(tx.now, number))
    last = {"level": "info", "kind": "engine", "message": "engine stopped"}
    tx._db.execute(sa.insert(tables.outbox).values(seq=EVENTS, ts=tx.now, event=last))


def _change(now: datetime, number: int) -> ChangeView:
    name = NAMES[number % len(NAMES)]
    return ChangeView(
        id=f"c{number}",
        verb=("update", "create", "archive")[number % 3],
        kind=("learner", "sheet")[number % 2],
        erp_id=f"E{number}",
        edusign_id=f"{number * 7919:x}",
        label=f"{name} {number:05}",
        before={"email": f"p{number}@old.example", "phone": ""},
        after={"email": f"p{number}@school.example", "phone": f"+336{number:08}"},
        reason="changed in the planning software",
        rule="R01",
        bites_at=now + timedelta(minutes=number),
        people=1,
    )


def _item(now: datetime, number: int) -> ItemView:
    types: tuple[ItemType, ...] = get_args(ItemType)
    return ItemView(
        id=f"i{number}",
        connection=("lyon", "nantes")[number % 2],
        type=types[number % len(types)],
        kind="learner",
        erp_id=f"E{number}",
        label=f"{NAMES[number % len(NAMES)]} {number:05}",
        code="invented",
        summary="the e-mail is not the same on both sides",
        choices=("erp", "edusign", "value"),
        data={"field": "email", "erp": "a@school.example", "edusign": "b@school.example"},
        opened_at=now - timedelta(hours=2),
        bites_at=now + timedelta(minutes=10 * number),
        people=1,
    )
