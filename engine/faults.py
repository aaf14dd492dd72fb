"""A fault as one line for a person: what came, what is safe, what happens next."""

from __future__ import annotations

from datetime import datetime

from engine.ports import Fault, FaultCode, System
from engine.printable import printable
from engine.windows import in_maintenance
from engine.words import _

CAME_LIMIT = 60

_OF_MAINTENANCE: frozenset[str] = frozenset(
    {
        FaultCode.server_error,
        FaultCode.bad_gateway,
        FaultCode.not_json,
        FaultCode.truncated,
        FaultCode.timed_out,
        FaultCode.outcome_unknown,
        FaultCode.unreachable,
    }
)
"""What a server under maintenance does; a refused key is a refused key on Saturdays too."""


def came(text: object) -> str:
    """At most 60 printable characters of what arrived, for a Fault."""
    return printable(text, CAME_LIMIT)


def fault_line(fault: Fault, connection: str, next_try: datetime | None = None) -> str:
    """One line: connection, route, what came, pages read of pages seen, what is safe, next try (UTC)."""
    parts = [f"{connection}: {fault.system} {fault.route}: {_EXPLAINED[fault.code]}"]
    if fault.came:
        parts.append(_("came: {came}").format(came=printable(fault.came, CAME_LIMIT)))
    if fault.pages_read is not None:
        seen = "?" if fault.pages_seen is None else str(fault.pages_seen)
        parts.append(_("pages read {read} of {seen}").format(read=fault.pages_read, seen=seen))
    parts.append(_safe(fault))
    return with_next_try("; ".join(parts), next_try)


def with_next_try(line: str, next_try: datetime | None) -> str:
    """A fault's line with when it is tried again (UTC), for lines made where that was not known."""
    if next_try is None:
        return line
    return line + "; " + _("next try {at:%Y-%m-%d %H:%M} UTC").format(at=next_try)


def of_maintenance(code: str, system: System, at: datetime) -> bool:
    """Whether a fault at `at` is expected: Edusign's own Saturday maintenance (R35)."""
    return system == "edusign" and code in _OF_MAINTENANCE and in_maintenance(at)


def _safe(fault: Fault) -> str:
    if fault.committed == "unknown":
        return _("the write may have arrived: it is looked up before anything is sent again")
    if fault.pages_read is not None:
        return _("nothing is created or removed from what is missing")
    return _("nothing was written by this call")


_EXPLAINED: dict[FaultCode, str] = {
    FaultCode.unauthorized: _("the key is not accepted; check it with `rollcall check`"),
    FaultCode.payment_required: _("the subscription does not cover the API; ask Edusign"),
    FaultCode.forbidden: _("the key lacks the right for this route; widen its rights"),
    FaultCode.not_found: _("the route does not exist there; check the URL"),
    FaultCode.throttled: _("too many requests; waiting as asked"),
    FaultCode.server_error: _("the server failed"),
    FaultCode.bad_gateway: _("the gateway before the server failed"),
    FaultCode.not_json: _("a page came where data was due: a login page or a wrong URL"),
    FaultCode.refused: _("the server refused"),
    FaultCode.truncated: _("the listing broke off"),
    FaultCode.repeated_page: _("a page came twice: the listing runs in a loop"),
    FaultCode.timed_out: _("no answer in time"),
    FaultCode.outcome_unknown: _("no answer to a write in time"),
    FaultCode.unreachable: _("no connection; check the address and the network"),
    FaultCode.drift: _("a field it relies on is missing or of another shape"),
    FaultCode.swapped_dates: _(
        "day and month are read the other way round there; correct the order in the settings"
    ),
    FaultCode.no_file: _("the file is not there; see that the export ran"),
    FaultCode.half_written: _("the file is not whole (yet); it is read again at the next run"),
    FaultCode.unreadable: _("the file cannot be read"),
    FaultCode.heading_gone: _("a heading is not the one it was; correct the export, or save the profile anew"),
    FaultCode.own_only: _(
        "the account sees its own records only, it seems; ask for the right to see everybody's, or say in the "
        "settings that there are no others"
    ),
}
