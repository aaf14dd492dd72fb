"""How far long work is, as one line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from console.presentation.wording import duration
from engine.printable import printable
from engine.words import _

if TYPE_CHECKING:
    from engine.service.models import ProgressView

_RATE_FROM_SECONDS = 1.0


@dataclass(frozen=True)
class Pace:
    """Since when a step has been looked at, and how much of it was done then."""

    what: str
    since: datetime
    done: int

    @classmethod
    def of(cls, before: Pace | None, progress: ProgressView | None, now: datetime) -> Pace | None:
        """The pace to measure by: the one before while the same step goes on, else one that begins now."""
        if progress is None:
            return None
        if before is not None and before.what == progress.what and before.done <= progress.done:
            return before
        return cls(progress.what, now, progress.done)


def progress_line(subject: str, progress: ProgressView | None, elapsed: float) -> str:
    """`subject` and its step, how much of it is done, the rate and the time left.

    `elapsed`: seconds since this step began; rate and time left are said from one second on.
    """
    if progress is None:
        return printable(_("{subject}: waiting").format(subject=subject))
    what, *rest = _parts(progress, progress.done, elapsed)
    if rest and (progress.total or progress.done):
        what, rest = f"{what} {rest[0]}", rest[1:]
    return printable(", ".join((f"{subject}: {what}", *rest)))


def progress_parts(progress: ProgressView | None, pace: Pace | None, now: datetime) -> tuple[str, ...]:
    """The step, how much of it is done, its rate and the time left, as far as each is known."""
    if progress is None:
        return (_("it begins"),)
    if pace is None:
        return _parts(progress, 0, 0.0)
    return _parts(progress, progress.done - pace.done, (now - pace.since).total_seconds())


def _parts(progress: ProgressView, lately: int, elapsed: float) -> tuple[str, ...]:
    """`lately`: what was done of it in the last `elapsed` seconds."""
    parts = [progress.what]
    if progress.total:
        parts.append(f"{progress.done}/{progress.total} ({100 * progress.done // progress.total} %)")
    elif progress.done:
        parts.append(str(progress.done))
    if lately > 0 and elapsed >= _RATE_FROM_SECONDS:
        rate = lately / elapsed
        parts.append(
            _("{rate:.0f}/s").format(rate=rate) if rate >= 1 else _("{rate:.0f}/min").format(rate=60 * rate)
        )
        if progress.total and progress.total > progress.done:
            left = timedelta(seconds=(progress.total - progress.done) / rate)
            parts.append(_("{left} left").format(left=duration(left)))
    return tuple(parts)
