"""Keys that start, stop and freeze: asked first where they write, refused with why where they can't."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from console.presentation import confirm
from console.presentation.subject import Subject
from console.screens.question import NO, YES, Answer, Question
from engine.words import _

if TYPE_CHECKING:
    from console.app import Console
    from engine.service.models import ConnectionView


def choose_connection(console: Console, then: Callable[[str], object]) -> None:
    """Ask for a connection where there are several."""
    names = [one.name for one in console.connections()]
    if len(names) <= 1:
        if names:
            then(names[0])
        return
    keys = "abcdefghijklmopqrstuvwxyz0123456789"
    answers = [Answer(key, name, name) for key, name in zip(keys, names, strict=False)]

    def chosen(name: str | None) -> None:
        if name:
            then(name)

    console.push_screen(
        Question(_("Which connection?"), confirm.connections(console.connections()), answers), chosen
    )


def with_connection(
    console: Console, subject: Subject | None, then: Callable[[ConnectionView], object]
) -> None:
    """The chosen connection, that of what is under the cursor, the only one, or the one then chosen."""
    by_name = {one.name: one for one in console.connections()}
    name = console.chosen or (subject.connection if subject else "")
    if name in by_name:
        then(by_name[name])
        return
    choose_connection(console, lambda chosen: then(by_name[chosen]))


def plan(console: Console, subject: Subject | None) -> None:
    """Begin a dry run; what it finds is on Changes when it has ended."""

    def begin(connection: ConnectionView) -> None:
        from engine.service.models import PlanRequest

        request = PlanRequest(connection=connection.name)
        console.say(_("Reading both sides of {name} …").format(name=connection.name))
        console.ask(
            lambda engine: engine.start_plan(request), lambda _run: console.attachment.refresh(), group="plan"
        )

    with_connection(console, subject, begin)


def run(console: Console, subject: Subject | None) -> None:
    """Run an import now."""
    with_connection(console, subject, lambda connection: _start(console, connection, None))


def run_one(console: Console, subject: Subject) -> None:
    """Check and write one record now."""
    for connection in console.connections():
        if connection.name == subject.connection:
            _start(console, connection, subject)


def _start(console: Console, connection: ConnectionView, only: Subject | None) -> None:
    if why := confirm.cannot_run(connection, console.dashboard, console.look()):
        console.say(why, "warn")
        return

    def answered(answer: str | None) -> None:
        from engine.service.models import RunRequest

        if not answer:
            return
        request = RunRequest(connection=connection.name, only=only.record if only else "")
        console.ask(
            lambda engine: engine.start_run(request), lambda begun: _begun(console, begun.id), group="run"
        )

    title, lines = confirm.run(connection, only)
    console.push_screen(Question(title, lines, (YES, NO)), answered)


def _begun(console: Console, run_id: str) -> None:
    console.say(_("Run {id} has begun: 7 shows what it does, x cancels it.").format(id=run_id), "good")
    console.attachment.refresh()


def cancel(console: Console, subject: Subject | None) -> None:
    """Stop a run under way."""
    under_way = [one for one in console.connections() if one.running is not None]
    if not under_way:
        console.say(_("No run is under way."))
        return
    wanted = console.chosen or (subject.connection if subject else "")
    connection = next((one for one in under_way if one.name == wanted), under_way[0])
    running = connection.running
    assert running is not None

    def answered(answer: str | None) -> None:
        if answer:
            console.ask(
                lambda engine: engine.cancel_run(running.id),
                lambda _run: console.say(_("Run {id} stops after the write under way.").format(id=running.id)),
                group="cancel",
            )

    title, lines = confirm.cancel(connection)
    console.push_screen(Question(title, lines, (YES, NO)), answered)


def freeze(console: Console, subject: Subject | None) -> None:
    """Freeze what is not frozen, thaw what is: one connection, or all."""
    names = [one.name for one in console.connections()]
    if len(names) <= 1:
        _freeze(console, "")
        return
    name = console.chosen or (subject.connection if subject else "") or names[0]
    answers = (Answer("o", _("only {name}").format(name=name), name), Answer("a", _("all connections"), "*"))

    def chosen(which: str | None) -> None:
        if which:
            _freeze(console, "" if which == "*" else which)

    console.push_screen(Question(_("Freeze or thaw what?"), (), answers), chosen)


def _freeze(console: Console, name: str) -> None:
    from engine.service.models import FreezeRequest

    standing = confirm.freeze_of(console.dashboard, name)
    if standing is not None:
        request = FreezeRequest(connection=standing.connection)
        title, lines = confirm.thaw(standing, console.look())

        def thawed(answer: str | None) -> None:
            if answer:
                console.ask(
                    lambda engine: engine.thaw(request),
                    lambda _none: _changed(console, _("Writes go on.")),
                    group="freeze",
                )

        console.push_screen(Question(title, lines, (YES, NO)), thawed)
        return

    def reasoned(reason: str | None) -> None:
        if reason is None:
            return
        frozen = FreezeRequest(connection=name, reason=reason)
        console.ask(
            lambda engine: engine.freeze(frozen),
            lambda _view: _changed(console, _("Frozen: nothing is written.")),
            group="freeze",
        )

    title, lines = confirm.freeze(name, console.connections())
    console.push_screen(Question(title, lines, ask=_("the reason, said on every console")), reasoned)


def _changed(console: Console, what: str) -> None:
    console.say(what, "good")
    console.attachment.refresh()
