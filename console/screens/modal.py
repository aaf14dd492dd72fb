"""A screen above another, left once however often the key is pressed."""

from __future__ import annotations

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen

T = TypeVar("T")


class Modal(ModalScreen[T]):
    """What is dismissed again while it goes is gone already: the screen beneath it stays."""

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        if self.app.screen is self:
            return super().dismiss(result)
        return AwaitComplete()
