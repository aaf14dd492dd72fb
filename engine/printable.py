"""Text from the outside, made safe to show: no control characters, no direction tricks."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

# Cc control, Cf format (bidi overrides, zero-width), Cs surrogates, Co private use, Zl/Zp line separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
# Zero-width joiner and non-joiner carry meaning in Persian, Indic scripts and emoji; they move nothing.
_ALLOWED = frozenset("‌‍")


def printable(text: object, limit: int | None = None) -> str:
    """`text` with every unsafe character shown as its escape (`\\x1b`, `\\u202e`), cut at `limit` characters.

    The result can be written to a terminal, a log line or a CSV cell as it is. Printable text, accents and
    right-to-left letters included, comes out unchanged. `limit` counts characters of the result, the
    closing `…` included.
    """
    source = text if isinstance(text, str) else str(text)
    if not (source.isascii() and source.isprintable()):
        source = "".join(
            c if unicodedata.category(c) not in _UNSAFE or c in _ALLOWED else _escaped(c) for c in source
        )
    if limit is not None and len(source) > limit:
        source = source[: max(limit - 1, 0)] + "…"
    return source


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable_json(content: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """`content` as one JSON document whose text can be shown as it is and still reads back as the same.

    Accents stay readable; every character a terminal might obey is escaped as JSON escapes. `ascii_only` for
    outputs that are not UTF-8.
    """
    text = json.dumps(content, ensure_ascii=ascii_only, indent=indent)
    if text.isascii():
        return text.replace("\x7f", "\\u007f")
    return "".join(_json_escaped(c) if c != "\n" and unicodedata.category(c) in _UNSAFE else c for c in text)


def _json_escaped(char: str) -> str:
    """Beyond the basic plane as a pair of surrogates."""
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
