"""What the engine says, as JSON for scripts."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from engine.printable import printable_json


def document(content: Any, *, indent: int | None = 2, ascii_only: bool = False) -> str:
    """One JSON document without a closing line break, safe to show (`engine.printable.printable_json`)."""
    return printable_json(_plain(content), indent=indent, ascii_only=ascii_only)


def _plain(content: Any) -> Any:
    if isinstance(content, BaseModel):
        return content.model_dump(mode="json")
    if isinstance(content, list | tuple):
        return [_plain(element) for element in content]
    return content
