"""Read a side completely, or say what is missing (R13)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from engine.faults import came, fault_line
from engine.links import Link, Links, in_tokens
from engine.planning.scope import local_date, missing, unlisted
from engine.planning.situation import Presence
from engine.ports import (
    AttendancePlatform,
    Erp,
    Fault,
    FaultCode,
    Listing,
    Progress,
    School,
    Scope,
    System,
)
from engine.records import KINDS, RECORDS, Entry, Kind, Seen, Sheet
from engine.words import _

SAMPLE = 20
"""Single reads, at most, of linked records a listing missed."""
CONFIRMED = 40
"""Records, at most, whose absence is confirmed one by one in one run; the rest wait for the next."""
MANY: Mapping[Kind, int] = {"speaker": 2, "learner": 2, "group": 2, "sheet": 5}
"""An empty answer where at least so many were linked is no answer. A week may well lose its few sessions."""
SKEW_LIMIT = timedelta(seconds=60)


@dataclass(frozen=True)
class Trouble:
    """Why a listing can't be trusted: its FaultCode (or "emptied") and one line for a person."""

    code: str
    line: str
    system: System
    kind: Kind


@dataclass(frozen=True)
class Observed:
    """What both sides said in one run, and how far it can be trusted."""

    at: datetime
    scope: Scope
    occurrence: str
    school: School
    entries: Mapping[Kind, tuple[Entry, ...]]
    seen: Mapping[Kind, Mapping[str, Seen]]
    complete_erp: frozenset[Kind]
    complete_edusign: frozenset[Kind]
    skew: timedelta
    faults: tuple[Trouble, ...] = ()
    sightings: Mapping[tuple[Kind, str], Presence] = field(default_factory=dict)
    lookups: Mapping[tuple[Kind, str], Seen | None] = field(default_factory=dict)
    pages: Mapping[Kind, int] = field(default_factory=dict)
    left_out: Mapping[Kind, tuple[Entry, ...]] = field(default_factory=dict)

    @property
    def skewed(self) -> bool:
        """Whether the two clocks differ so much that sheet writes must stop (R24)."""
        return abs(self.skew) > SKEW_LIMIT

    @property
    def latest(self) -> datetime:
        """The later of our clock and Edusign's at the time of observing (R24)."""
        return self.at + max(self.skew, timedelta())

    def counts(self) -> dict[str, int]:
        """Records seen, as `erp.learner`, `edusign.sheet` …"""
        erp = {f"erp.{kind}": len(entries) for kind, entries in self.entries.items()}
        return erp | {f"edusign.{kind}": len(seen) for kind, seen in self.seen.items()}


async def observe(
    erp: Erp,
    platform: AttendancePlatform,
    scope: Scope,
    links: Links,
    occurrence: str,
    now: datetime,
    progress: Progress | None = None,
    connection: str = "",
) -> Observed:
    """Read the school, then both sides at once. Raises Fault when Edusign's school can't be read.

    `connection` is the name that lines about faults begin with.
    """
    await erp.begin(scope)
    await platform.begin(scope)
    school = await platform.school()
    edusign, given = await asyncio.gather(_listings(platform, scope, progress), _listings(erp, scope, progress))
    edusign = {k: _not_emptied(one, links, scope, f"{connection}: Edusign") for k, one in edusign.items()}
    given = {k: _not_emptied(one, links, scope, _("{name}: the ERP").format(name=connection))
             for k, one in given.items()}  # fmt: skip
    faults = [*_troubles("edusign", edusign), *_troubles("erp", given)]
    observed = Observed(
        at=now,
        scope=scope,
        occurrence=occurrence,
        school=school,
        entries={kind: listing.entries for kind, listing in given.items()},
        seen={kind: {s.id: s for s in listing.seen} for kind, listing in edusign.items()},
        complete_erp=_complete(given),
        complete_edusign=_complete(edusign),
        skew=platform.skew or timedelta(),
        faults=tuple(faults),
        pages={kind: listing.pages for kind, listing in edusign.items()},
        left_out={kind: listing.left_out for kind, listing in given.items()},
    )
    observed = await _look_up(observed, platform, links, connection)
    return await _confirm(observed, erp, links)


async def reread(
    observed: Observed, platform: AttendancePlatform, written: Mapping[Kind, frozenset[str]]
) -> Observed:
    """The observation with what was written read again, by listing or singly, whichever asks less."""
    seen = {kind: dict(records) for kind, records in observed.seen.items()}
    lookups = dict(observed.lookups)
    for kind, ids in written.items():
        by_one = len(ids) if kind != "learner" else -(-len(ids) // 50)
        if by_one > observed.pages.get(kind, 1):
            listing = await platform.listing(kind, observed.scope)
            if not listing.complete:
                return replace(observed, faults=(*observed.faults, *_troubles("edusign", {kind: listing})))
            seen[kind] = {s.id: s for s in listing.seen}
        else:
            found = await platform.read_many(kind, tuple(sorted(ids)))
            for id in ids:
                seen[kind].pop(id, None)
                if id in found and not found[id].archived:
                    seen[kind][id] = found[id]
        for id in ids:
            lookups.pop((kind, id), None)
    return replace(observed, seen=seen, lookups=lookups)


async def _listings(
    side: Erp | AttendancePlatform, scope: Scope, progress: Progress | None
) -> dict[Kind, Listing]:
    return {kind: await side.listing(kind, scope, progress) for kind in KINDS}


def _troubles(system: System, listings: Mapping[Kind, Listing]) -> list[Trouble]:
    return [
        Trouble(one.fault, one.fault_line, system, kind) for kind, one in listings.items() if not one.complete
    ]


def _complete(listings: Mapping[Kind, Listing]) -> frozenset[Kind]:
    return frozenset(kind for kind, listing in listings.items() if listing.complete)


def _not_emptied(listing: Listing, links: Links, scope: Scope, side: str) -> Listing:
    """An empty answer where there were many is incomplete: nothing may be concluded from it."""
    if not listing.complete or listing.entries or listing.seen:
        return listing
    linked = _linked_in_scope(links, listing.kind, scope)
    if linked < MANY[listing.kind]:
        return listing
    line = _("{side} shows no {kind} where {count} were: nothing is created or removed").format(
        side=side, kind=listing.kind, count=linked
    )
    return listing.model_copy(update={"complete": False, "fault": "emptied", "fault_line": line})


def _linked_in_scope(links: Links, kind: Kind, scope: Scope) -> int:
    nothing: Mapping[Kind, frozenset[str]] = {}
    return sum(1 for _link in missing(links, nothing, scope, frozenset({kind})))


async def _look_up(observed: Observed, platform: AttendancePlatform, links: Links, connection: str) -> Observed:
    """Read singly, up to a sample, the linked records Edusign's listing missed.

    One that is alive where it should have been listed proves the listing incomplete.
    """
    absent: dict[Kind, list[Link]] = {}
    for link in sorted(unlisted(links, observed.seen, observed.scope), key=lambda x: x.erp_id):
        if link.kind in observed.complete_edusign:
            absent.setdefault(link.kind, []).append(link)
    seen = {kind: dict(records) for kind, records in observed.seen.items()}
    lookups: dict[tuple[Kind, str], Seen | None] = {}
    complete = set(observed.complete_edusign)
    faults = list(observed.faults)
    for kind, missed in absent.items():
        for link in missed[:SAMPLE]:
            try:
                found = await platform.read(kind, link.edusign_id)
            except Fault as failed:
                faults.append(Trouble(failed.code.value, fault_line(failed, connection), "edusign", kind))
                break
            if found is None or found.archived:
                lookups[kind, link.edusign_id] = found
            elif _outside(found, observed.scope):
                seen[kind][found.id] = found
            else:
                complete.discard(kind)
                fault = Fault(
                    FaultCode.truncated,
                    system="edusign",
                    route=_("list of {kind}").format(kind=kind),
                    came=came(_("a list without {id}, which is there").format(id=link.edusign_id)),
                    pages_read=observed.pages.get(kind, 0),
                )
                faults.append(Trouble(fault.code.value, fault_line(fault, connection), "edusign", kind))
                break
    return replace(
        observed, seen=seen, lookups=lookups, complete_edusign=frozenset(complete), faults=tuple(faults)
    )


def _outside(found: Seen, scope: Scope) -> bool:
    """A sheet a person moved to a date the listing does not cover."""
    sheet = found.record
    if not isinstance(sheet, Sheet) or sheet.start is None:
        return False
    return not scope.first <= local_date(sheet.start, scope.zone) <= scope.last


async def _confirm(observed: Observed, erp: Erp, links: Links) -> Observed:
    """Ask the ERP singly about linked records its listing missed in an earlier occurrence too."""
    present = present_ids(observed.entries)
    sightings: dict[tuple[Kind, str], Presence] = {}
    entries = {kind: list(given) for kind, given in observed.entries.items()}
    absent = missing(links, present, observed.scope, observed.complete_erp)
    again = sorted(
        (link for link in absent if {*link.missing} - {observed.occurrence}), key=lambda x: (x.kind, x.erp_id)
    )
    for number, link in enumerate(again):
        if number >= CONFIRMED:
            sightings[link.kind, link.erp_id] = "alive"  # not asked: it may be, so nothing follows yet
            continue
        sighting = await erp.find(link.kind, link.erp_id, observed.scope, _last_known(link, observed, links))
        if sighting.state == "alive" and sighting.entry is not None:
            entries[link.kind].append(sighting.entry)
        sightings[link.kind, link.erp_id] = sighting.state
    return replace(
        observed, sightings=sightings, entries={kind: tuple(given) for kind, given in entries.items()}
    )


def present_ids(entries: Mapping[Kind, Iterable[Entry]]) -> dict[Kind, frozenset[str]]:
    """The ERP keys that were shown at all, good or bad."""
    return {kind: frozenset(e.id for e in given) for kind, given in entries.items()}


def _last_known(link: Link, observed: Observed, links: Links) -> Sheet | None:
    """The last known form of a session, its references as ERP keys, to know where to look for it."""
    seen = observed.seen.get(link.kind, {}).get(link.edusign_id)
    if seen is None or link.kind != "sheet":
        return None
    record = RECORDS[link.kind].model_validate({"id": link.erp_id, **in_tokens(seen, links)})
    assert isinstance(record, Sheet)
    return record
