"""Plain data as TOML, in the order given: what `tomllib` reads back. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(data: Mapping[str, Any]) -> str:
    """Texts, numbers, booleans, lists of them, and tables of them; None and empty tables are left out."""
    return "\n".join(_table(data, ())).strip() + "\n"


def _table(data: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    inner = {name: value for name, value in data.items() if isinstance(value, Mapping)}
    values = {name: value for name, value in data.items() if name not in inner and value is not None}
    if values and path:
        yield ""
        yield f"[{'.'.join(_key(name) for name in path)}]"
    for name, value in values.items():
        yield f"{_key(name)} = {_value(value)}"
    for name, table in inner.items():
        yield from _table(table, (*path, name))


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    # JSON's spelling of texts, numbers, booleans and lists is TOML's too, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
