"""One record read on both sides now: a few requests, nothing written."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

from engine.faults import fault_line
from engine.links import Links, in_tokens
from engine.order import Connection
from engine.ports import Fault
from engine.records import RECORDS, Entry, Record, Seen, Sheet
from engine.sight import Sight
from engine.sight_record import Subject
from engine.words import _

R = TypeVar("R", Entry, Seen)


@dataclass(frozen=True)
class Looked:
    """A record as both sides showed it just now, in place of what was last read.

    `faults`: a line for each side that did not answer and stands as last read; `answered`: whether any did.
    """

    subject: Subject
    sight: Sight
    faults: tuple[str, ...]
    answered: bool


@dataclass(frozen=True)
class _Answer(Generic[R]):
    """What one side said of the record, None for nothing; `fault`: why it said nothing; `asked`: whether there
    was anything to ask it."""

    said: R | None = None
    fault: str = ""
    asked: bool = True

    @property
    def given(self) -> bool:
        return self.asked and not self.fault


async def look_at(connection: Connection, one: Subject, sight: Sight, links: Links, now: datetime) -> Looked:
    """Read one record on both sides at once. The caller holds `connection.reading`. Raises no Fault."""
    erp, edusign = await asyncio.gather(
        _erp_says(connection, one, _last_known(one, sight, links), now), _edusign_says(connection, one)
    )
    if erp.given:
        one = replace(one, entry=erp.said)
        sight = sight.with_entry(one.kind, one.erp_id, erp.said, now)
    if edusign.given:
        one = replace(one, edusign_id=edusign.said.id if edusign.said else one.edusign_id, seen=edusign.said)
        sight = sight.with_seen(one.kind, one.edusign_id, edusign.said, now)
    faults = tuple(answer.fault for answer in (erp, edusign) if answer.fault)
    return Looked(one, sight, faults, erp.given or edusign.given)


async def _erp_says(connection: Connection, one: Subject, last: Record | None, now: datetime) -> _Answer[Entry]:
    if not one.erp_id:
        return _Answer(asked=False)
    scope = connection.scope(now)
    try:
        await connection.erp.begin(scope)
        sighting = await connection.erp.find(one.kind, one.erp_id, scope, last)
    except Fault as fault:
        return _Answer(fault=fault_line(fault, connection.name))
    if sighting.state == "unknown":
        line = _("{name}: the ERP said nothing of this {kind} alone")
        return _Answer(fault=line.format(name=connection.name, kind=one.kind))
    return _Answer(sighting.entry)


async def _edusign_says(connection: Connection, one: Subject) -> _Answer[Seen]:
    platform = connection.platform
    try:
        if one.edusign_id:
            return _Answer(await platform.read(one.kind, one.edusign_id))
        id = await platform.id_by_api_id(one.kind, one.erp_id)
        seen = await platform.read(one.kind, id) if id else None
    except Fault as fault:
        return _Answer(fault=fault_line(fault, connection.name))
    # Another's record may carry the same key: it counts only under our API_TYPE (R07).
    return _Answer(seen if seen is not None and seen.api_type == connection.api_type else None)


def _last_known(one: Subject, sight: Sight, links: Links) -> Record | None:
    """Its last known form with references as ERP keys, to know where to look for it; of a session's learners
    those who were still there, since only their plannings would show it."""
    if one.entry is not None:
        record = one.entry.record
    elif one.seen is not None:
        record = RECORDS[one.kind].model_validate({"id": one.erp_id, **in_tokens(one.seen, links)})
    else:
        return None
    if not isinstance(record, Sheet):
        return record
    learners = sight.erp["learner"]
    there = frozenset(id for id in record.learners if id in learners and not learners[id].ended)
    return record.model_copy(update={"learners": there or record.learners})
