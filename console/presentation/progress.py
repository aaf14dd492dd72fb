"""How far long work is, as one line."""

from __future__ import annotations

from datetime import timedelta

from console.presentation.wording import duration
from engine.printable import printable
from engine.service.models import ProgressView
from engine.words import _

_RATE_FROM_SECONDS = 1.0


def progress_line(subject: str, progress: ProgressView | None, elapsed: float) -> str:
    """`subject` and its step, how much of it is done, the rate and the time left.

    `elapsed`: seconds since this step began; rate and time left are said from one second on.
    """
    if progress is None:
        return printable(_("{subject}: waiting").format(subject=subject))
    parts = [f"{subject}: {progress.what}"]
    if progress.total:
        parts.append(f"{progress.done}/{progress.total} ({100 * progress.done // progress.total} %)")
    elif progress.done:
        parts.append(str(progress.done))
    if progress.done and elapsed >= _RATE_FROM_SECONDS:
        rate = progress.done / elapsed
        parts.append(_("{rate:.0f}/s").format(rate=rate) if rate >= 1 else _("{rate:.1f}/s").format(rate=rate))
        if progress.total and progress.total > progress.done:
            left = timedelta(seconds=(progress.total - progress.done) / rate)
            parts.append(_("{left} left").format(left=duration(left)))
    return printable(", ".join((" ".join(parts[:2]), *parts[2:])))
