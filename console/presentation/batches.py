"""What is said before changes are approved, left out or written: how many, the first ones by name, what cannot
be undone (R42), and which mails may go out (R33)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.presentation.changes import doing
from console.presentation.confirm import NAMED, Confirmation, irreversible, named
from console.presentation.line import Line, line, span
from console.presentation.wording import counts
from engine.words import _, ngettext

if TYPE_CHECKING:
    from engine.service.models import ChangeRef, ItemView


def _others(n: int, one: str, many: str) -> tuple[Line, ...]:
    """A line on those that an action is not for."""
    return (line(span(ngettext(one, many, n).format(n=n), "warn")),) if n else ()


def _of(holds: Sequence[ItemView]) -> str:
    """The holds that are decided as a whole, "" for none."""
    return _(" of {holds}").format(holds=", ".join(one.id for one in holds)) if holds else ""


def _whole(holds: Sequence[ItemView]) -> tuple[Line, ...]:
    """Why the changes of whole holds wait."""
    return tuple(line(span(f"{one.id}  ", "dim"), span(one.summary)) for one in holds[:3])


def approve(
    refs: Sequence[ChangeRef], others: int, frozen: Sequence[str], holds: Sequence[ItemView] = ()
) -> Confirmation:
    """What approving held changes means. `others`: chosen ones that are not held; `frozen`: connections that
    write nothing now; `holds`: those that are decided as a whole."""
    title = ngettext("Approve {n} held change{of}?", "Approve {n} held changes{of}?", len(refs))
    return title.format(n=f"{len(refs):,}", of=_of(holds)), (
        *_whole(holds),
        *_those(refs),
        *_others(others, "{n} other is not held, and stays.", "{n} others are not held, and stay."),
        *_mails(refs),
        *irreversible(refs),
        *(line(span(_("{name} is frozen: nothing is written there until it thaws.").format(name=name), "warn"))
          for name in frozen),
        line(span(_("They are written in the open window, else in the next; if one changes meanwhile, its "
                    "approval is void."), "dim")),
    )  # fmt: skip


def skip(refs: Sequence[ChangeRef], others: int, holds: Sequence[ItemView] = ()) -> Confirmation:
    """What leaving changes out means. `others`: chosen ones that are so already."""
    title = ngettext("Leave {n} change{of} out?", "Leave {n} changes{of} out?", len(refs))
    return title.format(n=f"{len(refs):,}", of=_of(holds)), (
        *_whole(holds),
        *_those(refs),
        *_others(others, "{n} other is left out already.", "{n} others are left out already."),
        line(span(_("For as long as they stay the same; s on one takes it up again."), "dim")),
    )


def take_up(refs: Sequence[ChangeRef], others: int) -> Confirmation:
    """What taking changes up again means that were left out."""
    title = ngettext("Take {n} change up again?", "Take {n} changes up again?", len(refs))
    return title.format(n=f"{len(refs):,}"), (
        *_those(refs),
        *_others(others, "{n} other waits for something else.", "{n} others wait for something else."),
        line(span(_("The next plan has them again; what a brake held before, it holds again."), "dim")),
    )


def write(refs: Sequence[ChangeRef], others: int) -> Confirmation:
    """What writing changes now means. `others`: chosen ones that are held or left out."""
    title = ngettext("Write {n} change now?", "Write {n} changes now?", len(refs))
    return title.format(n=f"{len(refs):,}"), (
        *_those(refs),
        *_others(others, "{n} other is held or left out.", "{n} others are held or left out."),
        *_mails(refs),
        *irreversible(refs),
        line(span(_("Both sides are read again first: what is no longer the same is not written, but listed."),
                  "dim")),
    )  # fmt: skip


def _those(refs: Sequence[ChangeRef]) -> tuple[Line, ...]:
    """How many of what, where, and the first ones by name."""
    kinds = {doing(*what): n for what, n in Counter((one.verb, one.kind) for one in refs).items()}
    where = sorted({one.connection for one in refs})
    said = [line(span(counts(kinds), "strong"), span("  " + ", ".join(where), "dim"))] if len(refs) > 1 else []
    first = [f"{doing(one.verb, one.kind)} {one.label or one.id}" for one in refs[:NAMED]]
    return (*said, *named(first, len(refs)))


def _mails(refs: Sequence[ChangeRef]) -> tuple[Line, ...]:
    """Mails they may cause, which nobody calls back (R33)."""
    mails = sum(one.mails for one in refs)
    text = ngettext(
        "Up to {n} mail may go out at once: signature links of sheets that begin within the hour.",
        "Up to {n} mails may go out at once: signature links of sheets that begin within the hour.",
        mails,
    )
    return (line(span(text.format(n=mails), "warn")),) if mails else ()
