"""Checks of what a connector reads: who is who, all of it, nothing cleared, and the right hour."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from connectors.conformance.bench import Bench, Played, Skipped, expect, few, told, whole
from connectors.simulation.school import AUTUMN_NIGHT, SPRING_NIGHT
from engine.ports import FaultCode, Listing, Scope
from engine.records import KINDS, Kind, Sheet

_DRIFTED = (FaultCode.drift.value, FaultCode.heading_gone.value)


async def stable_identity(bench: Bench) -> None:
    """A record keeps its key: from one listing to the next, after a restart, and when people edit it."""
    played = bench.play()
    first = await played.listings()
    for kind, listing in first.items():
        whole(kind, listing)
    person = next(
        p for p in played.neutral()["learners"] if not p["departed"] and p["code"] in told(first["learner"])
    )
    session = next(
        s for s in played.neutral()["sessions"] if not s["cancelled"] and s["code"] in told(first["sheet"])
    )
    played.stand_in.hands["edit"](identity=person["identity"], field="last_name", value="Renommée")
    played.stand_in.hands["edit"](identity=session["identity"], field="rooms", value=[])
    restarted = Played(
        bench.again(played), played.stand_in, played.wire, played.school, played.scope, played.clock
    )
    for one, when in ((played, "in the next listing"), (restarted, "after a restart")):
        later = await one.listings()
        for kind in KINDS:
            before, after = told(first[kind]).keys(), told(later[kind]).keys()
            expect(
                before == after,
                f"the same keys of {kind}s {when}",
                f"{few(before - after) or 'none'} gone, {few(after - before) or 'none'} new",
                "engine/ports.py: the ERP's key as text; R07",
            )
        renamed = told(later["learner"])[person["code"]]
        expect(
            renamed.last_name == "Renommée",
            f"the name a person gave learner {person['code']} {when}",
            renamed.last_name,
            "engine/ports.py: begin forgets what earlier listings brought",
        )


async def complete_paging(bench: Bench) -> None:
    """Every record arrives; and where a later request fails or a page comes twice, the listing says so."""
    played = bench.play(large=True)
    honest = await played.listings()
    for kind, listing in honest.items():
        whole(kind, listing)
        needed, allowed = due(kind, played)
        found = told(listing).keys()
        expect(
            needed <= found <= allowed,
            f"all {len(needed)} {kind}s the ERP holds",
            f"{few(needed - found) or 'none'} missing, {few(found - allowed) or 'none'} too many",
            "R13",
        )
    for nth in cuts(len(played.wire.asked)):
        broken = bench.play(large=True)
        broken.fault("500", nth=nth)
        same_or_incomplete(honest, await broken.listings(), f"the server failed from request {nth} on")
    again = bench.play(large=True)
    again.fault("repeated_page", count=1)
    same_or_incomplete(honest, await again.listings(), "a page came twice")


async def empties(bench: Bench) -> None:
    """Nothing there is an answer; no answer is not nothing; an empty field is empty text."""
    played = bench.play()
    honest = await played.listings()
    bare = {one["code"] for one in played.neutral()["learners"] if not one["departed"] and not one.get("email")}
    for key in bare & told(honest["learner"]).keys():
        email = told(honest["learner"])[key].email
        expect(not email, f"no e-mail of learner {key}, who has none", repr(email), "engine/records.py")
    sunday = played.scope.first + timedelta(days=6 - played.scope.first.weekday())
    played.scope = Scope(first=sunday, last=sunday, zone=played.scope.zone)
    nothing = (await played.listings())["sheet"]
    expect(
        nothing.complete and not nothing.entries,
        "a complete listing of no sessions on a day without any",
        nothing.fault_line or f"{len(nothing.entries)} sessions",
        "R13",
    )
    for kind_of_fault, what in (("500", "the server failed"), ("html", "a login page came in place of data")):
        broken = bench.play()
        broken.fault(kind_of_fault)
        for kind, listing in (await broken.listings()).items():
            expect(
                not listing.complete and listing.fault,
                f"an incomplete listing of {kind}s with its fault, where {what}",
                f"complete with {len(listing.entries)} records",
                "R13",
            )


async def drift(bench: Bench) -> None:
    """A mapped field that is gone stops its kind and is never read as cleared; an unknown one is nothing."""
    if not bench.pair.mapped:
        raise Skipped("the pair names no field that the connector maps (SimulatedErp.mapped)")
    honest = await bench.play().listings()
    for kind, names in bench.pair.mapped.items():
        for name in names:
            await _without(bench, kind, name)
            await _beside(bench, kind, name, honest[kind])


async def _without(bench: Bench, kind: Kind, name: str) -> None:
    played = bench.play()
    played.wire.renamed = name
    listing = (await played.listings(kind))[kind]
    expect(
        not listing.complete and listing.fault in _DRIFTED and listing.fault_line,
        f"the listing of {kind}s stopped by drift, since answers no longer have {name}",
        listing.fault_line or f"a complete one of {len(listing.entries)}",
        "engine/ports.py: FaultCode.drift",
    )


async def _beside(bench: Bench, kind: Kind, name: str, honest: Listing) -> None:
    played = bench.play()
    played.wire.widened = name
    listing = (await played.listings(kind))[kind]
    expect(
        listing.complete and told(listing) == told(honest),
        f"the same {kind}s with a field nobody knows beside {name}",
        listing.fault_line or "other records",
        "an unknown field is no more than a warning",
    )


async def dst_nights(bench: Bench) -> None:
    """Wall times become instants on both nights when clocks change, and on the days around them."""
    for night in (AUTUMN_NIGHT, SPRING_NIGHT):
        monday = night - timedelta(days=6)
        played = bench.play(monday, nonexistent_times=True)
        listing = (await played.listings())["sheet"]
        expect(listing.complete, f"the sessions around {night}", listing.fault_line, "R22")
        entries = {entry.id: entry for entry in listing.entries}
        for session in played.neutral()["sessions"]:
            entry = entries.get(session["code"])
            if entry is None or not isinstance(entry.record, Sheet) or session["local"]["end"] is None:
                continue
            wall = f"{session['local']['day']} {session['local']['start']}–{session['local']['end']}"
            if session["start_utc"] is None:
                rejected = entry.record.start is None or any(problem.row for problem in entry.problems)
                expect(rejected, f"{wall} rejected: no clock shows it", entry.record.start, "R22")
                continue
            came = (entry.record.start, entry.record.end)
            expect(
                came == (_at(session["start_utc"]), _at(session["end_utc"])),
                f"{wall} as {session['start_utc']} – {session['end_utc']}",
                " – ".join("nothing" if at is None else at.isoformat() for at in came),
                "R22",
            )
        here = {
            s["code"] for s in played.neutral()["sessions"] if date.fromisoformat(s["local"]["day"]) == night
        }
        expect(here & entries.keys(), f"the sessions of the night of {night}", "none of them", "R22")


# What is due


def due(kind: Kind, played: Played) -> tuple[set[str], set[str]]:
    """The keys a listing must have, and those it may have: rows that rules reject anyway may be left out."""
    neutral = played.neutral()
    if kind == "group":
        every = {one["code"] for one in neutral["groups"]}
        return every, every
    if kind == "learner":
        present = {one["code"] for one in neutral["learners"] if not one["departed"]}
        return present, present
    if kind == "speaker":
        staff = neutral["staff"]
        return {one["code"] for one in staff if one["trainer"]}, {one["code"] for one in staff}
    planned = [one for one in neutral["sessions"] if not one["cancelled"] and _within(one, played.scope)]
    usable = {
        one["code"]
        for one in planned
        if one["local"]["end"] and one["learner_identities"] and one["staff_identities"]
    }
    return usable, {one["code"] for one in planned}


def cuts(asked: int) -> list[int]:
    """After which requests of a run something goes wrong: the first, half of them, and all but one."""
    return sorted({n for n in (2, asked // 2 + 1, asked) if 2 <= n <= asked})


def same_or_incomplete(honest: dict[Kind, Listing], came: dict[Kind, Listing], when: str) -> None:
    """Each listing is what an honest one was, or says that it is not whole."""
    for kind, listing in came.items():
        if not listing.complete:
            expect(listing.fault and listing.fault_line, f"a fault where {kind}s are incomplete", "none", "R13")
            continue
        expected, found = told(honest[kind]), told(listing)
        missing = expected.keys() - found.keys()
        expect(
            not missing,
            f"all {kind}s or an incomplete listing, where {when}",
            f"a complete one without {few(missing)}",
            "R13",
        )
        other = {id for id in expected if found[id] != expected[id]}
        expect(
            not other,
            f"the same {kind}s or an incomplete listing, where {when}",
            f"a complete one with other values of {few(other)}",
            "engine/ports.py: Listing; what did not arrive is never read as cleared",
        )


def _within(session: dict[str, Any], scope: Scope) -> bool:
    return scope.first <= date.fromisoformat(session["local"]["day"]) <= scope.last


def _at(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
