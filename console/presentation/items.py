"""Open items as rows: when they bite, what they are."""

from __future__ import annotations

from datetime import datetime, timedelta

from console.presentation.line import Cell, Role
from console.presentation.wording import Look, time_of_day
from engine.words import _

SOON = timedelta(hours=24)


def bites(at: datetime | None, now: datetime, look: Look) -> Cell:
    """When an item spoils a session (R36): red within the day."""
    if at is None:
        return Cell.of(_("no session"), "dim")
    role: Role = "bad" if at <= now + SOON else "warn" if at <= now + 3 * SOON else ""
    if at <= now:
        return Cell.of(_("now"), "bad")
    return Cell.of(spelled(at, now, look), role)


def when(at: datetime, now: datetime, look: Look) -> str:
    """The time alone today, with its day on another."""
    local, today = at.astimezone(look.zone), now.astimezone(look.zone)
    return local.strftime("%H:%M") if local.date() == today.date() else spelled(at, now, look)


def spelled(at: datetime, now: datetime, look: Look) -> str:
    """The day as people say it, and the time."""
    local, today = at.astimezone(look.zone), now.astimezone(look.zone)
    if local.date() == today.date():
        return _("today {time}").format(time=local.strftime("%H:%M"))
    if local.date() == (today + timedelta(days=1)).date():
        return _("tomorrow {time}").format(time=local.strftime("%H:%M"))
    return local.strftime("%a %d %b %H:%M") if at - now < timedelta(days=300) else time_of_day(at, look, now)
