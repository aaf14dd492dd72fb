"""Approving, leaving out and writing changes, one or many: asked once, sent hold by hold and plan by plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from console.presentation import batches as words
from console.presentation import confirm
from console.presentation.changes import LEFT_OUT, state
from console.screens.question import NO, YES, Question
from engine.words import _, ngettext

if TYPE_CHECKING:
    from console.app import Console
    from console.engine_client import EngineClient
    from engine.service.models import ChangeRef, ItemView

Step: TypeAlias = "Callable[[EngineClient], int]"
"""One request of a batch; how many changes it settled."""
Then: TypeAlias = Callable[[bool], object]
"""What follows a batch that was sent; told whether all of it was done."""
K = TypeVar("K")


def approve(console: Console, refs: Sequence[ChangeRef], then: Then) -> None:
    """Approve those that are held."""
    held = [one for one in refs if one.item]
    if not held:
        console.say(_not_held(refs), "warn")
        return
    asked = words.approve(held, len(refs) - len(held), _frozen(console, held))
    _ask(console, asked, _decided(held, "approve"), _approved, then)


def skip(console: Console, refs: Sequence[ChangeRef], then: Then) -> None:
    """Leave those out that are not; where all are left out by a person, take them up again."""
    out = [one for one in refs if one.hold == LEFT_OUT]
    fit = [one for one in refs if state(one.hold) != "skipped"]
    if fit:
        asked = words.skip(fit, len(refs) - len(fit))
        held = [one for one in fit if one.item]
        free = [one for one in fit if not one.item]
        _ask(console, asked, [*_decided(held, "refuse"), *_skipped(free, True)], _left_out, then)
    elif out:
        asked = words.take_up(out, len(refs) - len(out))
        _ask(console, asked, _skipped(out, False), _taken_up, then)
    else:
        console.say(_("It waits for something else: the line under its name says what."), "warn")


def write(console: Console, refs: Sequence[ChangeRef], then: Then) -> None:
    """Write those now that are neither held nor left out."""
    fit = [one for one in refs if state(one.hold) == "ready"]
    by_name = {one.name: one for one in console.connections()}
    for name in sorted({one.connection for one in fit} & by_name.keys()):
        if why := confirm.cannot_run(by_name[name], console.dashboard, console.look()):
            console.say(why, "warn")
            return
    if not fit:
        console.say(_("Nothing of it may be written: what is held waits for a, what is skipped for s."), "warn")
        return
    _ask(console, words.write(fit, len(refs) - len(fit)), _written(fit), _begun, then)


def decide_holds(console: Console, items: Sequence[ItemView], choice: str, then: Then | None = None) -> None:
    """Approve or refuse whole holds, on the revisions that were read."""
    query = f"hold:{','.join(one.id for one in items)}"

    def read(refs: tuple[ChangeRef, ...]) -> None:
        asked = (
            words.approve(refs, 0, _frozen(console, refs), items)
            if choice == "approve"
            else words.skip(refs, 0, items)
        )
        said = _approved if choice == "approve" else _left_out
        _ask(console, asked, [_whole(one, choice) for one in items], said, then)

    console.ask(lambda engine: engine.change_refs(query), read, group="batch")


# Requests


def _decided(refs: Sequence[ChangeRef], choice: str) -> list[Step]:
    """A request per hold, on the revision that was read."""

    def step(item: str, revision: int, ids: tuple[str, ...]) -> Step:
        from engine.service.models import DecideRequest

        request = DecideRequest(item=item, choice=choice, revision=revision, changes=ids)

        def send(engine: EngineClient) -> int:
            engine.decide(request)
            return len(ids)

        return send

    return [
        step(item, revision, tuple(one.id for one in mine))
        for (item, revision), mine in _grouped(refs, lambda one: (one.item, one.revision))
    ]


def _whole(item: ItemView, choice: str) -> Step:
    from engine.service.models import DecideRequest

    request = DecideRequest(item=item.id, choice=choice, revision=item.revision)

    def send(engine: EngineClient) -> int:
        return len(engine.decide(request).changes)

    return send


def _skipped(refs: Sequence[ChangeRef], skip: bool) -> list[Step]:
    """A request per plan."""

    def step(plan: str, ids: tuple[str, ...]) -> Step:
        from engine.service.models import SkipRequest

        request = SkipRequest(plan=plan, changes=ids, skip=skip)
        return lambda engine: engine.skip(request)

    return [step(plan, tuple(one.id for one in mine)) for plan, mine in _grouped(refs, lambda one: one.plan)]


def _written(refs: Sequence[ChangeRef]) -> list[Step]:
    """A run per plan."""

    def step(plan: str, ids: tuple[str, ...]) -> Step:
        from engine.service.models import ApplyRequest

        request = ApplyRequest(plan=plan, changes=ids)

        def send(engine: EngineClient) -> int:
            engine.start_apply(request)
            return len(ids)

        return send

    return [step(plan, tuple(one.id for one in mine)) for plan, mine in _grouped(refs, lambda one: one.plan)]


def _grouped(refs: Iterable[ChangeRef], key: Callable[[ChangeRef], K]) -> list[tuple[K, list[ChangeRef]]]:
    """Refs of one key together, in the order in which the keys first come."""
    found: dict[K, list[ChangeRef]] = {}
    for one in refs:
        found.setdefault(key(one), []).append(one)
    return list(found.items())


# Asking and telling


def _ask(
    console: Console,
    asked: confirm.Confirmation,
    steps: Sequence[Step],
    said: Callable[[int], str],
    then: Then | None,
) -> None:
    title, lines = asked

    def answered(answer: str | None) -> None:
        if answer:
            _send(console, steps, said, then)

    console.push_screen(Question(title, lines, (YES, NO)), answered)


def _send(console: Console, steps: Sequence[Step], said: Callable[[int], str], then: Then | None) -> None:
    """One request after the other; the first refusal stops and is said with what was done before it."""

    def work(engine: EngineClient) -> int:
        from console.engine_client import EngineRefused

        done = 0
        for step in steps:
            try:
                done += step(engine)
            except EngineRefused as refused:
                if not done:
                    raise
                told = _("{n} done, then: {why}").format(n=done, why=refused.message)
                raise EngineRefused(refused.code, told) from refused
        return done

    def ended(text: str, good: bool) -> None:
        console.say(text, "good" if good else "bad")
        console.attachment.refresh()
        if then is not None:
            then(good)

    console.ask(work, lambda done: ended(said(done), True), group="batch", failed=lambda why: ended(why, False))


def _frozen(console: Console, refs: Sequence[ChangeRef]) -> list[str]:
    names = sorted({one.connection for one in refs})
    return [name for name in names if confirm.freeze_of(console.dashboard, name) is not None]


def _not_held(refs: Sequence[ChangeRef]) -> str:
    if not refs:
        return _("Nothing is held here.")
    states = {state(one.hold) for one in refs}
    if states == {"skipped"}:
        return _("Left out or put off, not held: s takes up again what a person left out.")
    return _("Not held: the next run writes it by itself, w writes it now.")


def _approved(n: int) -> str:
    text = ngettext("{n} approved.", "{n} approved.", n).format(n=n) if n else _("Approved.")
    return text + " " + _("Written in the open window, else in the next; w writes now.")


def _left_out(n: int) -> str:
    return ngettext("{n} left out.", "{n} left out.", n).format(n=n) if n else _("Left out.")


def _taken_up(n: int) -> str:
    return ngettext("{n} taken up again.", "{n} taken up again.", n).format(n=n)


def _begun(n: int) -> str:
    text = ngettext("A run has begun to write {n} change: ", "A run has begun to write {n} changes: ", n)
    return text.format(n=n) + _("7 shows what it does, x cancels it.")
