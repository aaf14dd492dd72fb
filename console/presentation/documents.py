"""What the engine says, as JSON for scripts."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from pydantic import BaseModel

# As in engine.printable: what a terminal might obey rather than show.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def document(content: Any, *, indent: int | None = 2, ascii_only: bool = False) -> str:
    """One JSON document without a closing line break.

    Accents stay readable; every character that a terminal might obey is escaped, so that the text may be
    shown as it is and still reads back as the same. `ascii_only` for outputs that are not UTF-8.
    """
    text = json.dumps(_plain(content), ensure_ascii=ascii_only, indent=indent)
    if text.isascii():
        return text.replace("\x7f", "\\u007f")
    return "".join(_escaped(char) if _unsafe(char) else char for char in text)


def _plain(content: Any) -> Any:
    if isinstance(content, BaseModel):
        return content.model_dump(mode="json")
    if isinstance(content, list | tuple):
        return [_plain(element) for element in content]
    return content


def _unsafe(char: str) -> bool:
    return char != "\n" and unicodedata.category(char) in _UNSAFE


def _escaped(char: str) -> str:
    """As JSON escapes: beyond the basic plane as a pair of surrogates."""
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
