"""What `rollcall check` asks of an SC-Form: may we in, are dates understood, do we see everybody's sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from connectors.scform import ScFormSettings
from engine.clock import Clock
from engine.faults import fault_line
from engine.ports import Fault, FaultCode, Finding, Scope
from engine.records import KINDS, Kind
from engine.words import _

if TYPE_CHECKING:
    from connectors.scform.client import ScFormClient

SKEW_LIMIT = timedelta(seconds=60)
_SAMPLE_DAYS = 7
_READ: dict[Kind, str] = {
    "speaker": _("read speakers"),
    "learner": _("read learners"),
    "group": _("read groups"),
    "sheet": _("read sessions"),
}
_HOPELESS = frozenset({FaultCode.unauthorized, FaultCode.forbidden, FaultCode.unreachable})


async def check(
    client: ScFormClient, settings: ScFormSettings, clock: Clock, zone: str, connection: str
) -> tuple[Finding, ...]:
    """Findings in the order in which they build on each other; after a refused key nothing more is asked."""
    today = clock.now().astimezone(ZoneInfo(zone)).date()
    scope = Scope(first=today, last=today + timedelta(days=_SAMPLE_DAYS - 1), zone=zone)
    await client.begin(scope)
    findings: list[Finding] = []

    async def tried(what: str, ask: Callable[[], Awaitable[str]]) -> Fault | None:
        try:
            detail = await ask()
        except Fault as fault:
            line = fault_line(fault, connection)
            findings.append(Finding(what=what, ok=False, detail=fault.code.value, advice=line))
            return fault
        findings.append(Finding(what=what, ok=True, detail=detail))
        return None

    failed = await tried(_("read sociétés"), lambda: _societies(client))
    if failed is None:
        for society in await client.societies():
            await tried(
                _("dates of société {id}").format(id=society.id),
                partial(_dates, client, society.id, scope),
            )
            await tried(
                _("all plannings of société {id}").format(id=society.id),
                partial(_rights, client, society.id, scope),
            )
        for kind in KINDS:
            what = _READ[kind]
            listing = await client.listing(kind, scope)
            findings.append(
                Finding(
                    what=what,
                    ok=listing.complete,
                    detail=_("{count} seen").format(count=len(listing.entries)),
                    advice=listing.fault_line,
                )
            )
        await tried(_("fields"), lambda: _fields(client, scope))
        await tried(_("write absences"), lambda: _absences(client, settings))
    if failed is None or failed.code not in _HOPELESS:
        findings.append(_clock(client))
    await client.begin(scope)
    return tuple(findings)


async def _societies(client: ScFormClient) -> str:
    return ", ".join(f"{one.id} {one.name}".strip() for one in await client.societies())


async def _dates(client: ScFormClient, society: str, scope: Scope) -> str:
    if not await client.prove(society, scope):
        return _("no session tells how they are read")
    return _("read as {example}").format(example=client.written(society, date(2026, 12, 31)))


async def _rights(client: ScFormClient, society: str, scope: Scope) -> str:
    found = (await client.sessions(society, scope)).rows
    await client.not_own_only(society, found)
    return _("{count} seen").format(count=len(found))


async def _fields(client: ScFormClient, scope: Scope) -> str:
    """Fields this connector has never heard of: a warning, not a fault."""
    strange: set[str] = set()
    for society in await client.societies():
        strange |= {
            f"{sort}.{name}"
            for sort, found in (
                ("intervenant", await client.speaker_rows(society.id)),
                ("seance", (await client.sessions(society.id, scope)).rows),
            )
            for name in client.unheard_of(sort, found)
        }
    return _("unknown, not read: {names}").format(names=", ".join(sorted(strange))) if strange else ""


async def _absences(client: ScFormClient, settings: ScFormSettings) -> str:
    """Whether the absence write answers at all, and whether its types are named."""
    for society in await client.societies():
        if await client.structure(society.id) is None:
            return _("société {id} does not describe its absence write").format(id=society.id)
    types = await client.types()
    if client.attendance is None:
        return _("{count} absence types; the write is switched off").format(count=len(types))
    if not settings.absence_type:
        return _("{count} absence types; name one in absence_type").format(count=len(types))
    return _("{count} absence types").format(count=len(types))


def _clock(client: ScFormClient) -> Finding:
    skew = client.skew
    if skew is None:
        return Finding(what=_("clock"), ok=True, detail=_("not told"))
    seconds = int(skew.total_seconds())
    return Finding(
        what=_("clock"),
        ok=abs(skew) <= SKEW_LIMIT,
        detail=_("{seconds} s apart").format(seconds=seconds),
        advice="" if abs(skew) <= SKEW_LIMIT else _("set the clock of this machine or of the server"),
    )
