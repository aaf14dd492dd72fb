"""Pairs of people scored in bits: 0 is even odds that they are one, each field adds or takes its share.

Comparing is DuckDB's work, in memory; nothing of it touches a file of the engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import duckdb

from engine.duplicates import levels
from engine.records import Frozen

LIKELY = 0.0
"""From here on a pair is worth a warning."""
POSSIBLE = -2.0
"""From here on it is worth showing to somebody who asks for more."""
CERTAIN = 5.0
"""From here on a pair may be linked without asking, where a connection allows that (see Pair.may_link)."""

_THREADS = 2
_MEMORY = "400MB"
_COMMON_SHARE, _COMMON_LEAST = 0.0008, 6.0
_COLUMNS = ("id", "side", "kind", "last_name", "first_name", "born", "email", "phone", "group", "erp_id")

_FILE_COLUMNS = {
    "id": "rec_id", "side": "source", "kind": "kind", "last_name": "last_name", "first_name": "first_name",
    "born": "birth_date", "email": "email", "phone": "phone", "group": "group", "erp_id": "erp_id",
}  # fmt: skip
"""Headings of a CSV file by column."""

Sided = Literal["erp", "edusign"]


class Person(Frozen):
    """Somebody as one side has them; what is not known is "". `born`: ISO date. `id` is unique over both."""

    id: str
    side: Sided
    kind: Literal["learner", "speaker"] = "learner"
    last_name: str = ""
    first_name: str = ""
    born: str = ""
    email: str = ""
    phone: str = ""
    group: str = ""
    erp_id: str = ""


class Point(Frozen):
    """What one field says: its level (see `levels`), and the bits it adds."""

    field: str
    level: int
    bits: float


class Pair(Frozen):
    """Two people who may be one. `points` in the order of levels.FIELDS; `prior` is what any pair that was
    worth comparing starts from; `swapped`: first and last name stand in each other's place on one side."""

    left: str
    right: str
    score: float
    prior: float
    weights: str
    swapped: bool = False
    points: tuple[Point, ...] = ()

    def level(self, field: str) -> int:
        return next(point.level for point in self.points if point.field == field)

    @property
    def twin(self) -> bool:
        """Family, perhaps twins: the same last name with the birth date, address or phone of another first
        name. Such a pair is always asked about."""
        family = self.level("born") >= 4 or self.level("email") == 5 or self.level("phone") == 4
        return self.level("last") >= 4 and self.level("first") not in (0, 5) and family

    @property
    def may_link(self) -> bool:
        """Whether the guarded rule would take them for one: a high score, the same first name, and a birth
        date, address, phone or ERP id that agrees."""
        agrees = (
            self.level("born") == 4
            or self.level("email") == 4
            or self.level("phone") == 3
            or self.level("erp_id") == 2
        )
        return self.score >= CERTAIN and self.level("first") == 5 and agrees


class Roster:
    """People of both sides, in the forms they are compared in.

    `add` takes people in; `pairs` says who may be one. Raises ValueError on a file without the columns, OSError
    where it can't be read. Not for two threads at once."""

    def __init__(self) -> None:
        self._con = duckdb.connect(
            config={
                "threads": _THREADS,
                "memory_limit": _MEMORY,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        self._con.execute(levels.SCHEMA)
        self._last = 0
        self._before = 0

    def __enter__(self) -> Roster:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        self._con.close()

    def __len__(self) -> int:
        return self._last

    def add(self, people: Iterable[Person]) -> None:
        """Take more people in."""
        rows = [
            (self._last + number, *(getattr(one, column) for column in _COLUMNS))
            for number, one in enumerate(people, start=1)
        ]
        if rows:
            with self._con.appender("person") as appender:
                appender.append_rows(rows)
        self._take_in(len(rows))

    def read(self, path: Path) -> None:
        """Take in a CSV file with the headings rec_id, source (erp or edusign), kind, first_name, last_name,
        birth_date (ISO), email, phone, erp_id and group."""
        if not path.is_file():
            raise OSError(f"{path}: no such file")
        wanted = ", ".join(f"coalesce(\"{heading}\", '')" for heading in _FILE_COLUMNS.values())
        try:
            self._con.execute(
                f"insert into person select $last + row_number() over (), {wanted} "
                "from read_csv($path, header = true, all_varchar = true, delim = ',', quote = '\"')",
                {"last": self._last, "path": str(path)},
            )
        except duckdb.Error as error:
            raise ValueError(str(error).partition("\n")[0]) from error
        self._take_in(self._count() - self._last)

    def pairs(self, least: float = LIKELY, *, new_only: bool = False) -> tuple[Pair, ...]:
        """Pairs that score `least` bits or more, the surest first; `new_only`: those in which one at least
        came with the last addition."""
        after = self._before if new_only else 0
        self._con.execute(levels.CANDIDATES, {"after": after})
        common = max(_COMMON_LEAST, _COMMON_SHARE * self._last)
        self._con.execute(levels.LEVELS, {"common": common, "people": max(self._last, 1)})
        weights = shipped()
        fields = ", ".join(f'"{field}"' for field in levels.FIELDS)
        rows = self._con.execute(
            f"select left_id, right_id, swapped, {fields}, {weights.sum_sql()} as score from levels "
            "where score >= $least order by score desc, left_id, right_id",
            {"least": least},
        ).fetchall()
        return tuple(weights.pair(row) for row in rows)

    def matches(self) -> tuple[Pair, ...]:
        """The likely pairs of two rosters that should hold the same people, the surest first: beside those
        `pairs` finds, the possible ones of two sides of which each is the other's best."""
        found = self.pairs(POSSIBLE)
        best: dict[str, str] = {}
        across = {(left, right) for left, right in self._across()}
        for pair in found:
            if (pair.left, pair.right) in across:
                best.setdefault(pair.left, pair.right)
                best.setdefault(pair.right, pair.left)
        return tuple(
            pair
            for pair in found
            if pair.score >= LIKELY or (best.get(pair.left) == pair.right and best.get(pair.right) == pair.left)
        )

    def _across(self) -> list[tuple[str, str]]:
        """The compared pairs of one person of each side."""
        return self._con.execute(
            "select left_id, right_id from levels where left_side <> right_side"
        ).fetchall()

    def _take_in(self, count: int) -> None:
        """The normal forms and keys of the last `count` people."""
        after = {"after": self._last}
        verb = "insert into {0}" if self._last else "create or replace table {0} as"
        self._con.execute(f"{verb.format('normal')} {levels.NORMAL}", after)
        self._con.execute(f"{verb.format('key')} {levels.KEYS}", after)
        self._con.execute(levels.NAMES)
        self._before, self._last = self._last, self._last + count

    def _count(self) -> int:
        found = self._con.execute("select count(*) from person").fetchone()
        assert found is not None
        return int(found[0])


class Weights:
    """What each level is worth, in bits."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.version: str = data["version"]
        self.prior: float = data["prior"]
        self._points: dict[str, list[float]] = data["points"]

    def bits(self, field: str, level: int) -> float:
        return self._points[field][level]

    def sum_sql(self) -> str:
        """The score of a row of levels."""
        cases = (
            f'case "{field}" '
            + " ".join(f"when {level} then {bits}" for level, bits in enumerate(self._points[field]))
            + " end"
            for field in levels.FIELDS
        )
        return " + ".join([str(self.prior), *cases])

    def pair(self, row: Sequence[Any]) -> Pair:
        """A row of left, right, swapped, the levels in the order of FIELDS, score."""
        left, right, swapped, *found, score = row
        points = tuple(
            Point(field=field, level=level, bits=self.bits(field, level))
            for field, level in zip(levels.FIELDS, found, strict=True)
        )
        return Pair(
            left=left,
            right=right,
            score=float(score),
            prior=self.prior,
            weights=self.version,
            swapped=swapped,
            points=points,
        )


@lru_cache(maxsize=1)
def shipped() -> Weights:
    """The weights this version comes with: fitted on generated rosters, never at run time."""
    text = resources.files("engine.duplicates").joinpath("weights.json").read_text("utf-8")
    return Weights(json.loads(text))
