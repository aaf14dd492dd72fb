"""Text from the outside, made safe to show: no control characters, no direction tricks, one line."""

from __future__ import annotations

import unicodedata

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
