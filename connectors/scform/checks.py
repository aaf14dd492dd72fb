"""What `rollcall check` asks of an SC-Form: may we in, are dates understood, do we see everybody's sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING

from connectors.scform import ScFormSettings
from engine.faults import fault_line
from engine.ports import Fault, FaultCode, Finding, Scope
from engine.records import KINDS, Kind
from engine.words import _

if TYPE_CHECKING:
    from connectors.scform.client import ScFormClient
    from connectors.scform.questions import Questions

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
    client: ScFormClient, asked: Questions, settings: ScFormSettings, today: date, zone: str, connection: str
) -> tuple[Finding, ...]:
    """Findings in the order in which they build on each other; after a refused key nothing more is asked.
    `today`: the school's date in `zone`."""
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

    failed = await tried(_("read sociétés"), lambda: _societies(asked))
    if failed is None:
        for society in await asked.societies():
            await tried(
                _("dates of société {id}").format(id=society.id),
                partial(_dates, asked, society.id, scope),
            )
        await tried(_("all plannings"), lambda: _rights(client, asked, scope))
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
        await tried(_("fields"), lambda: _fields(asked, scope))
        await tried(_("write absences"), lambda: _absences(client, asked, settings))
    if failed is None or failed.code not in _HOPELESS:
        findings.append(_clock(asked))
    await client.begin(scope)
    return tuple(findings)


async def _societies(asked: Questions) -> str:
    return ", ".join(f"{one.id} {one.name}".strip() for one in await asked.societies())


async def _dates(asked: Questions, society: str, scope: Scope) -> str:
    if not await asked.prove(society, scope):
        return _("no session tells how they are read")
    return _("read as {example}").format(example=asked.written(society, date(2026, 12, 31)))


async def _rights(client: ScFormClient, asked: Questions, scope: Scope) -> str:
    found = [row for one in await asked.societies() for row in (await asked.sessions(one.id, scope)).rows]
    await client.not_own_only(found)
    return _("{count} seen").format(count=len(found))


async def _fields(asked: Questions, scope: Scope) -> str:
    """Fields this connector has never heard of: a warning, not a fault."""
    strange: set[str] = set()
    for society in await asked.societies():
        strange |= {
            f"{sort}.{name}"
            for sort, found in (
                ("intervenant", await asked.speaker_rows(society.id)),
                ("seance", (await asked.sessions(society.id, scope)).rows),
            )
            for name in asked.unheard_of(sort, found)
        }
    return _("unknown, not read: {names}").format(names=", ".join(sorted(strange))) if strange else ""


async def _absences(client: ScFormClient, asked: Questions, settings: ScFormSettings) -> str:
    """Whether the absence write answers at all, and whether its types are named."""
    for society in await asked.societies():
        if await asked.structure(society.id) is None:
            return _("société {id} does not describe its absence write").format(id=society.id)
    types = await asked.types()
    if client.attendance is None:
        return _("{count} absence types; the write is switched off").format(count=len(types))
    if not settings.absence_type:
        return _("{count} absence types; name one in absence_type").format(count=len(types))
    return _("{count} absence types").format(count=len(types))


def _clock(asked: Questions) -> Finding:
    skew = asked.skew
    if skew is None:
        return Finding(what=_("clock"), ok=True, detail=_("not told"))
    seconds = int(skew.total_seconds())
    return Finding(
        what=_("clock"),
        ok=abs(skew) <= SKEW_LIMIT,
        detail=_("{seconds} s apart").format(seconds=seconds),
        advice="" if abs(skew) <= SKEW_LIMIT else _("set the clock of this machine or of the server"),
    )
