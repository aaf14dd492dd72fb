"""What SC-Form's answers are made of, before any of it means something: references, casing, loose types. Pure.

* `$id` on every object, so that a repeated one may come as `{"$ref": "12"}` (Json.NET): seen / inferred.
* Casing of keys, and the type of one and the same field, vary from answer to answer: seen in client code.
* Booleans as "Oui"/"Non" in some fields, as booleans in others: seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import Any

Row = Mapping[str, Any]
"""An object of an answer: keys in lower case, references resolved."""

_DEEPEST = 60


class Drift(ValueError):
    """A field this mapping stands on is gone or of another shape."""


def resolved(body: Any) -> Any:
    """`body` with every `$ref` replaced by the object it means, `$id` dropped, and keys in lower case.

    An object may come to contain itself. Raises Drift where a reference leads nowhere, or objects are nested
    beyond sense."""
    known: dict[str, dict[str, Any]] = {}
    return _resolved(body, known, 0)


def _resolved(value: Any, known: dict[str, dict[str, Any]], depth: int) -> Any:
    if depth > _DEEPEST:
        raise Drift("objects nested too deep")
    if isinstance(value, list):
        return [_resolved(item, known, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        if (found := known.get(str(value["$ref"]))) is None:
            raise Drift(f"$ref {value['$ref']!r:.20} leads nowhere")
        return found
    if "$values" in value:
        return _resolved(value["$values"], known, depth + 1)
    made: dict[str, Any] = {}
    if "$id" in value:
        # Before its own fields: they may refer back to it.
        known[str(value["$id"])] = made
    for name, item in value.items():
        if not name.startswith("$"):
            made[name.lower()] = _resolved(item, known, depth + 1)
    return made


def rows(body: Any) -> list[Row]:
    """The objects of a resolved list; one object alone is a list of one, nothing at all none. Raises Drift."""
    if body is None or body == "":
        return []
    members = [body] if isinstance(body, Mapping) else body
    if not isinstance(members, list) or not all(isinstance(row, Mapping) for row in members):
        raise Drift(f"a list of objects was due, not {body!r:.40}")
    return members


def needed(rows: Iterable[Row], *names: str) -> None:
    """Each of `names` stands in at least one row, where there is any. Raises Drift.

    In one row alone a field may be left out, since it is unknown whether empty ones are written."""
    given = list(rows)
    seen = {name for row in given for name in row}
    if given and (missing := [name for name in names if name not in seen]):
        raise Drift(f"{', '.join(missing)} missing")


def expected(rows: Iterable[Row], *names: str) -> None:
    """At least one of `names`, which may be empty in every row, stands in one, where empty fields are written
    at all: seen from any field that is null. Raises Drift."""
    given = list(rows)
    if any(name in row for row in given for name in names):
        return
    if any(value is None for row in given for value in row.values()):
        raise Drift(f"{' or '.join(names)} missing")


def unknown(rows: Iterable[Row], known: frozenset[str]) -> frozenset[str]:
    """Fields that this connector has never heard of."""
    return frozenset(name for row in rows for name in row if name not in known)


def objects(row: Row, name: str) -> list[Row]:
    """The objects of a list field; none where it is left out. Raises Drift."""
    return rows(row.get(name))


def item(row: Row, name: str) -> Row:
    """The object of a field, empty where there is none. Raises Drift."""
    value = row.get(name)
    if value is None or value == "" or value == []:
        return {}
    if not isinstance(value, Mapping):
        raise Drift(f"{name} is {type(value).__name__}")
    return value


def text(row: Row, name: str) -> str:
    """A field as text, "" where it is null or left out. Raises Drift on a list or an object."""
    value = row.get(name)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    raise Drift(f"{name} is {type(value).__name__}")


def key(row: Row, name: str = "id") -> str:
    """An identifier as text, the same however it is typed this time. Raises Drift where there is none."""
    found = text(row, name).strip()
    if found.endswith(".0") and found[:-2].isdigit():
        found = found[:-2]
    if not found:
        raise Drift(f"{name} is empty")
    return found


def optional_key(row: Row, name: str) -> str:
    """An identifier, "" where there is none or it is 0 (inferred: no action, no group)."""
    return "" if text(row, name).strip() in ("", "0", "0.0") else key(row, name)


def truth(row: Row, name: str) -> bool:
    """A boolean, however it is written. Raises Drift."""
    value = text(row, name).strip().lower()
    if value in ("", "0", "non", "false", "n", "faux"):
        return False
    if value in ("1", "-1", "oui", "true", "o", "vrai"):
        return True
    raise Drift(f"{name} is {value!r:.40}")


def day(given: str) -> date:
    """A date: `2020-04-06T00:00:00`, `2020-04-06` or `06/04/2020`. Raises ValueError."""
    bare = given.strip()
    if "/" in bare:
        on, month, year = bare.split(" ")[0].split("/")
        return date(int(year), int(month), int(on))
    return date.fromisoformat(bare[:10])


def clock(given: str) -> time:
    """A wall time: `08:00:00`, `08:00`, or the time part of a date and time. Raises ValueError."""
    bare = given.strip()
    return time.fromisoformat(bare.rpartition("T")[2][:8])
