"""OData v4 queries over rows that are plain dicts: filters, choices, order and expansion. Standard OData.

A field of another entity is reached along a path (`Mail/Adresse`); `along` follows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]
Along: TypeAlias = Callable[[Row, str], Any]
"""What a navigation property of a row leads to: a row, rows, or None. Raises BadQuery for an unknown one."""
Test: TypeAlias = Callable[[Row], bool]


class BadQuery(Exception):
    """A query the service does not understand; the message says what."""


@dataclass(frozen=True)
class Among:
    """What a row must bear in one field to pass; `enough` where that is all it must."""

    field: str
    values: frozenset[Any]
    enough: bool = True


@dataclass(frozen=True)
class Condition:
    """A filter: its test, the fields it names, and, where a row must bear one of some values in one field to
    pass, that field with the values."""

    test: Test
    fields: frozenset[str]
    among: Among | None = None


_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')"
    r"|(?P<moment>\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?)"
    r"|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<name>[A-Za-z_][\w/]*)"
    r"|(?P<sign>[(),]))"
)
_WORDS: dict[str, Any] = {"null": None, "true": True, "false": False}
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "gt": lambda a, b: bool(a > b),
    "ge": lambda a, b: bool(a >= b),
    "lt": lambda a, b: bool(a < b),
    "le": lambda a, b: bool(a <= b),
}


def condition(text: str, along: Along) -> Condition:
    """A `$filter`. Raises BadQuery."""
    return _Parser(text, along).whole()


class _Parser:
    def __init__(self, text: str, along: Along) -> None:
        self._along = along
        self._tokens = list(_tokens(text))
        self._at = 0
        self._fields: set[str] = set()

    def whole(self) -> Condition:
        test, among = self._either()
        if self._at < len(self._tokens):
            raise BadQuery(f"Syntax error at '{self._tokens[self._at][1]}' in $filter")
        return Condition(test, frozenset(self._fields), among)

    def _either(self) -> tuple[Test, Among | None]:
        parts = [self._both()]
        while self._word("or"):
            parts.append(self._both())
        if len(parts) == 1:
            return parts[0]
        conditions = [among for _test, among in parts if among is not None]
        fields = {among.field for among in conditions}
        if len(conditions) < len(parts) or len(fields) > 1:
            return _any([test for test, _among in parts]), None
        field = fields.pop()
        values = frozenset(value for among in conditions for value in among.values)
        if all(among.enough for among in conditions):
            return (lambda row: row.get(field) in values), Among(field, values)
        return _any([test for test, _among in parts]), Among(field, values, enough=False)

    def _both(self) -> tuple[Test, Among | None]:
        parts = [self._term()]
        while self._word("and"):
            parts.append(self._term())
        if len(parts) == 1:
            return parts[0]
        tests = [test for test, _among in parts]
        among = next((one for _test, one in parts if one is not None), None)
        needed = None if among is None else Among(among.field, among.values, enough=False)
        return (lambda row: all(test(row) for test in tests)), needed

    def _term(self) -> tuple[Test, Among | None]:
        if self._word("not"):
            test, _among = self._term()
            return (lambda row: not test(row)), None
        if self._sign("("):
            inner = self._either()
            if not self._sign(")"):
                raise BadQuery("A closing parenthesis is missing in $filter")
            return inner
        name = self._take("name")
        self._fields.add(name)
        value = self._value_of(name)
        if self._word("in"):
            values = frozenset(self._list())
            return (lambda row: value(row) in values), Among(name, values) if _plain(name) else None
        operator = self._take("name")
        if operator not in _COMPARED:
            raise BadQuery(f"Unknown operator '{operator}' in $filter")
        literal, compare = self._literal(), _COMPARED[operator]

        def test_it(row: Row) -> bool:
            one = value(row)
            if operator not in ("eq", "ne") and (one is None or literal is None):
                return False
            try:
                return compare(_comparable(one, literal), literal)
            except TypeError:
                raise BadQuery(f"'{name}' cannot be compared with that literal") from None

        among = None
        if operator == "eq" and _plain(name) and not isinstance(literal, datetime):
            among = Among(name, frozenset({literal}))
        return test_it, among

    def _value_of(self, name: str) -> Callable[[Row], Any]:
        *path, field = name.split("/")

        def value(row: Row) -> Any:
            one: Any = row
            for step in path:
                one = self._along(one, step)
                if one is None:
                    return None
            if field not in one:
                raise BadQuery(f"Could not find a property named '{field}'")
            return one[field]

        return value

    def _list(self) -> list[Any]:
        if not self._sign("("):
            raise BadQuery("A list is due after 'in'")
        found = [self._literal()]
        while self._sign(","):
            found.append(self._literal())
        if not self._sign(")"):
            raise BadQuery("A closing parenthesis is missing in $filter")
        return found

    def _literal(self) -> Any:
        if self._at >= len(self._tokens):
            raise BadQuery("A literal is missing in $filter")
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "moment":
            return _moment(text)
        if kind == "name" and text in _WORDS:
            return _WORDS[text]
        raise BadQuery(f"'{text}' is no literal")

    def _word(self, word: str) -> bool:
        return self._if(("name", word))

    def _sign(self, sign: str) -> bool:
        return self._if(("sign", sign))

    def _if(self, token: tuple[str, str]) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def _take(self, kind: str) -> str:
        if self._at >= len(self._tokens) or self._tokens[self._at][0] != kind:
            raise BadQuery("Syntax error in $filter")
        self._at += 1
        return self._tokens[self._at - 1][1]


def options(text: str) -> dict[str, str]:
    """Options between the parentheses of an expansion: `$select=…;$expand=…`."""
    found: dict[str, str] = {}
    for part in split(text, ";"):
        name, _equals, value = part.strip().partition("=")
        found[name] = value
    return found


def split(text: str, by: str) -> list[str]:
    """`text` divided at `by`, but not inside parentheses or quotes."""
    parts, depth, quoted, last = [], 0, False, 0
    for at, sign in enumerate(text):
        if sign == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif sign == "(":
            depth += 1
        elif sign == ")":
            depth -= 1
        elif sign == by and depth == 0:
            parts.append(text[last:at])
            last = at + 1
    parts.append(text[last:])
    return [part for part in parts if part.strip()]


def expansions(text: str) -> dict[str, dict[str, str]]:
    """An `$expand`: navigation properties with the options of each."""
    found: dict[str, dict[str, str]] = {}
    for part in split(text, ","):
        name, opened, rest = part.strip().partition("(")
        found[name] = options(rest.removesuffix(")")) if opened else {}
    return found


def ordered(rows: list[Row], text: str) -> list[Row]:
    """Rows by an `$orderby`; nulls first, as OData says. Raises BadQuery."""
    for part in reversed(split(text, ",")):
        field, _space, way = part.strip().partition(" ")
        if rows and field not in rows[0]:
            raise BadQuery(f"Could not find a property named '{field}'")
        rows = sorted(rows, key=lambda row: _key(row[field]), reverse=way == "desc")
    return rows


def _key(value: Any) -> tuple[bool, Any]:
    comparable = _moment(value) if isinstance(value, str) and _MOMENT.match(value) else value
    return (value is not None, comparable if value is not None else 0)


_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T")


def _comparable(value: Any, literal: Any) -> Any:
    """A row's value in the form of the literal: instants are compared as instants."""
    if isinstance(literal, datetime) and isinstance(value, str):
        return _moment(value)
    return value


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadQuery(f"'{text}' is no instant") from None
    if at.tzinfo is None:
        raise BadQuery(f"'{text}' has no offset")
    return at


def _any(tests: list[Test]) -> Test:
    return lambda row: any(test(row) for test in tests)


def _plain(name: str) -> bool:
    return "/" not in name


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        if text[at:].isspace():
            return
        found = _TOKEN.match(text, at)
        if found is None:
            raise BadQuery(f"Syntax error at position {at} in $filter")
        yield str(found.lastgroup), str(found[found.lastgroup or 0])
        at = found.end()


def chosen(row: Mapping[str, Any], text: str) -> Row:
    """A row's fields by a `$select`, all without one. Raises BadQuery."""
    if not text or text == "*":
        return dict(row)
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in row:
            raise BadQuery(f"Could not find a property named '{name}'")
    return {name: row[name] for name in names}
