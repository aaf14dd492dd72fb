"""What both sides of a connection said last, kept beyond the run that read it. Pure.

From an incomplete listing follows no absence (R13): what it shows replaces what was known of those records, and
what it lacks stays as it was, with the instant at which it was last read completely.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime

from engine.observe import Observed
from engine.planning.scope import local_date
from engine.ports import Scope, System
from engine.records import KINDS, RECORDS, Entry, Kind, Record, Seen, Sheet

_LEVEL = 3
"""Of zlib: higher ones take three times as long for a tenth less."""


@dataclass(frozen=True)
class Reading:
    """What one side said of one kind, as `entries` or `seen`.

    `left_out`: what the ERP showed and the settings' filters do not mean. `at`: when it was last read;
    `complete_at`: when last completely, None for never.
    """

    system: System
    kind: Kind
    at: datetime
    complete_at: datetime | None
    entries: tuple[Entry, ...] = ()
    seen: tuple[Seen, ...] = ()
    left_out: tuple[Entry, ...] = ()

    @property
    def since(self) -> datetime:
        """Since when it may be trusted to show all there was."""
        return self.complete_at or self.at


def readings(observed: Observed, unread: Collection[Kind] = ()) -> tuple[Reading, ...]:
    """Everything a run read. `unread`: kinds written since in Edusign and not read again."""
    return tuple(_of_erp(observed, kind) for kind in KINDS) + tuple(
        _of_edusign(observed, kind, kind in observed.complete_edusign and kind not in unread) for kind in KINDS
    )


def _of_erp(observed: Observed, kind: Kind) -> Reading:
    complete_at = observed.at if kind in observed.complete_erp else None
    return Reading(
        "erp",
        kind,
        observed.at,
        complete_at,
        entries=tuple(observed.entries.get(kind, ())),
        left_out=tuple(observed.left_out.get(kind, ())),
    )


def _of_edusign(observed: Observed, kind: Kind, complete: bool) -> Reading:
    """Archived people too, as far as they were looked up: lists do not show them."""
    listed = observed.seen.get(kind, {})
    looked_up = ((id, seen) for (k, id), seen in observed.lookups.items() if k == kind and id not in listed)
    archived = (seen for _id, seen in looked_up if seen is not None)
    complete_at = observed.at if complete else None
    return Reading("edusign", kind, observed.at, complete_at, seen=(*listed.values(), *archived))


def continued(new: Reading, earlier: Reading, scope: Scope) -> Reading:
    """An incomplete reading upon an earlier one; sheets that ended before `scope` are forgotten."""
    shown = {one.id for one in (*new.entries, *new.left_out)} | {seen.id for seen in new.seen}

    def stays(one: Entry | Seen) -> bool:
        return one.id not in shown and not _before(one.record, scope.first, scope.zone)

    return replace(
        new,
        complete_at=earlier.complete_at,
        entries=(*new.entries, *filter(stays, earlier.entries)),
        seen=(*new.seen, *filter(stays, earlier.seen)),
        left_out=(*new.left_out, *filter(stays, earlier.left_out)),
    )


def _before(record: Record, first: date, zone: str) -> bool:
    return isinstance(record, Sheet) and record.start is not None and local_date(record.start, zone) < first


# Packing


def packed(reading: Reading) -> bytes:
    """The records of a reading as compressed JSON."""
    said, left_out = (
        ",".join(one.model_dump_json(exclude_defaults=True) for one in records)
        for records in ((*reading.entries, *reading.seen), reading.left_out)
    )
    return zlib.compress(f"[[{said}],[{left_out}]]".encode(), _LEVEL)


def unpacked(system: System, kind: Kind, at: datetime, complete_at: datetime | None, content: bytes) -> Reading:
    """The inverse of `packed`. Raises ValueError where the content is of another shape."""
    form = RECORDS[kind]
    # A learner and a speaker look the same: only the kind tells which record this is.
    said, left_out = (
        [{**row, "record": form.model_validate(row["record"])} for row in given]
        for given in json.loads(zlib.decompress(content))
    )
    if system == "edusign":
        return Reading(system, kind, at, complete_at, seen=tuple(Seen.model_validate(row) for row in said))
    entries, others = (tuple(Entry.model_validate(row) for row in rows) for rows in (said, left_out))
    return Reading(system, kind, at, complete_at, entries=entries, left_out=others)


# Looking


class Sight:
    """The last readings of one connection, by record: at most one reading per side and kind.

    `entries`: all the ERP showed, a key that came twice included. `erp` and `edusign`: by id. `left_out`: by
    ERP key, what the settings' filters do not mean.
    """

    def __init__(self, readings: Iterable[Reading] = ()) -> None:
        self._readings = {(one.system, one.kind): one for one in readings}
        self.entries: dict[Kind, tuple[Entry, ...]] = dict.fromkeys(KINDS, ())
        self.erp: dict[Kind, dict[str, Entry]] = {kind: {} for kind in KINDS}
        self.edusign: dict[Kind, dict[str, Seen]] = {kind: {} for kind in KINDS}
        self.left_out: dict[Kind, dict[str, Entry]] = {kind: {} for kind in KINDS}
        for (system, kind), one in self._readings.items():
            if system == "erp":
                self.entries[kind] = one.entries
                self.erp[kind] = {entry.id: entry for entry in reversed(one.entries)}
                self.left_out[kind] = {entry.id: entry for entry in one.left_out}
            else:
                self.edusign[kind] = {seen.id: seen for seen in one.seen}

    def read_at(self, kind: Kind) -> datetime | None:
        """When both sides were last read of a kind, completely where they ever were; None before that."""
        both = [one for one in (self.reading("erp", kind), self.reading("edusign", kind)) if one is not None]
        return min(one.since for one in both) if len(both) == 2 else None

    def reading(self, system: System, kind: Kind) -> Reading | None:
        return self._readings.get((system, kind))

    def ever_complete(self, system: System, kind: Kind) -> bool:
        """Whether absence from it means anything at all (R13)."""
        one = self.reading(system, kind)
        return one is not None and one.complete_at is not None

    def now_complete(self, system: System, kind: Kind) -> bool:
        """Whether the last reading itself was complete."""
        one = self.reading(system, kind)
        return one is not None and one.complete_at == one.at

    def with_entry(self, kind: Kind, id: str, entry: Entry | None, at: datetime) -> Sight:
        """As if the ERP had said this of one record, None for nothing."""
        others = (one for one in self.entries[kind] if one.id != id)
        before = self.reading("erp", kind) or Reading("erp", kind, at, None)
        fresh = replace(before, entries=(*others, *([entry] if entry else [])))
        return Sight({**self._readings, ("erp", kind): fresh}.values())

    def with_seen(self, kind: Kind, id: str, seen: Seen | None, at: datetime) -> Sight:
        """As if Edusign had said this of one record, None for nothing."""
        others = (one for one in self.edusign[kind].values() if one.id != id)
        before = self.reading("edusign", kind) or Reading("edusign", kind, at, None)
        fresh = replace(before, seen=(*others, *([seen] if seen else [])))
        return Sight({**self._readings, ("edusign", kind): fresh}.values())
