"""Settling what waits for a person: asked once, with what it means, decided on the revision that was read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from console.presentation import confirm
from console.screens.question import NO, YES, Question
from engine.printable import printable
from engine.words import _

if TYPE_CHECKING:
    from console.app import Console
    from engine.service.models import DecideRequest, ItemView


def go_to(console: Console, item: ItemView) -> None:
    """Go where an item is settled: its screen, at its row."""
    if item.type == "hold":
        console.go("changes", f"hold:{item.id}")
        return
    screen = {"conflict": "conflicts", "duplicate": "duplicates"}.get(item.type, "rejections")
    console.selected[screen] = item.id
    console.go(screen, "")


def decide(
    console: Console,
    item: ItemView,
    choice: str,
    then: Callable[[], object] | None = None,
) -> None:
    """Ask, then settle one item by `choice` ("value" asks for the value first)."""
    if choice not in item.choices:
        offered = ", ".join(item.choices) or _("nothing: it closes itself")
        console.say(_("{id} takes: {choices}").format(id=item.id, choices=offered), "warn")
        return
    if choice == "value":
        _ask_value(console, item, then)
        return
    if item.type == "hold":
        from console.screens import batches

        batches.decide_holds(console, [item], choice, lambda _done: then() if then is not None else None)
        return
    title, lines = confirm.decision(item, choice)

    def answered(answer: str | None) -> None:
        if answer:
            send(console, [_request(item, choice)], then)

    console.push_screen(Question(title, lines, (YES, NO)), answered)


def decide_all(
    console: Console, items: Sequence[ItemView], choice: str, then: Callable[[], object] | None = None
) -> None:
    """Ask once, then settle several items by one choice; those that do not take it are left out and said."""
    fit = [item for item in items if choice in item.choices]
    if not fit:
        console.say(_("None of the marked ones takes that."), "warn")
        return
    title, lines = confirm.decisions(fit, choice, len(items) - len(fit))

    def answered(answer: str | None) -> None:
        if answer:
            send(console, [_request(item, choice) for item in fit], then)

    console.push_screen(Question(title, lines, (YES, NO)), answered)


def _ask_value(console: Console, item: ItemView, then: Callable[[], object] | None) -> None:
    title, lines = confirm.decision(item, "value")
    start = str(item.data.get("edusign") or item.data.get("erp") or "")

    def typed(value: str | None) -> None:
        if value is not None and value.strip():
            send(console, [_request(item, "value", value.strip())], then)

    console.push_screen(
        Question(title, lines, ask=_("the value both sides should have"), start=printable(start)), typed
    )


def _request(item: ItemView, choice: str, value: str = "") -> DecideRequest:
    from engine.service.models import DecideRequest

    return DecideRequest(item=item.id, choice=choice, value=value, revision=item.revision)


def send(console: Console, requests: Sequence[DecideRequest], then: Callable[[], object] | None = None) -> None:
    """Decide, one after the other; the first refusal stops and is said with what was done before it."""

    def work(engine: object) -> list[ItemView]:
        from console.engine_client import EngineClient, EngineRefused

        assert isinstance(engine, EngineClient)
        settled: list[ItemView] = []
        for request in requests:
            try:
                settled.append(engine.decide(request))
            except EngineRefused as refused:
                if not settled:
                    raise
                done = _("{n} settled, then: {why}").format(n=len(settled), why=refused.message)
                raise EngineRefused(refused.code, done) from refused
        return settled

    def answered(settled: list[ItemView]) -> None:
        console.say(confirm.decided(settled, requests[0].choice), "good")
        console.attachment.refresh()
        if then is not None:
            then()

    console.ask(work, answered, group="decide")
