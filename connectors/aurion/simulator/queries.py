"""The saved queries of a simulated Auriga: their definitions, which people edit, and the lines they bring.

The body of a definition and its columns' keys are seen in client code. Which columns a school chooses is a
contract with it: here their labels are the names of the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias

from connectors.aurion.simulator.store import AurionStore, population_code
from connectors.aurion.simulator.switches import AurionSwitches
from connectors.simulation.control import ControlError
from connectors.simulation.erp_rows import LearnerRow, SessionRow, StaffRow
from connectors.simulation.school import true_instant

Values: TypeAlias = dict[str, Any]

INTERVENTIONS, GROUPS, LEARNERS, SPEAKERS = 8120, 8130, 8140, 8150
"""Ids of the queries; numbers differ from school to school."""
MENUS: Mapping[int, tuple[int, str]] = {
    INTERVENTIONS: (1501, "APP_060_020_INTERVENTIONS"),
    GROUPS: (1502, "APP_060_030_POPULATIONS"),
    LEARNERS: (1503, "APP_020_010_APPRENANTS"),
    SPEAKERS: (1504, "APP_020_020_INTERVENANTS"),
}
"""The menu entry each is run under, and that one's stable code."""
PLANNING_MENU = 1510

_LEARNER = ("learnerId", "learnerFirstName", "learnerLastName", "learnerEmail", "learnerPhone")
_SPEAKER = ("instructorId", "instructorFirstName", "instructorLastName", "instructorEmail")
_COLUMNS: Mapping[int, tuple[str, ...]] = {
    INTERVENTIONS: (
        "interventionId", "startDateTime", "endDateTime", "activityCode", "title", "unitCode", "rooms",
        "populationCodes", *_SPEAKER,
    ),
    GROUPS: ("populationCode", "populationName", *_LEARNER),
    LEARNERS: _LEARNER,
    SPEAKERS: _SPEAKER,
}  # fmt: skip


class Queries:
    """The queries of one school."""

    def __init__(self, store: AurionStore, switches: AurionSwitches) -> None:
        self._store = store
        self._switches = switches
        self.definitions: dict[int, dict[str, Any]] = {id: self._definition(id) for id in MENUS}
        self._kept: dict[int, tuple[Any, list[list[Any]]]] = {}
        self._lines: Mapping[int, Callable[[], Iterable[Values]]] = {
            INTERVENTIONS: self._of_interventions,
            GROUPS: self._of_groups,
            LEARNERS: lambda: ({"id": one.code, **self._learner(one)} for one in self._enrolled()),
            SPEAKERS: lambda: ({"id": one.code, **self._speaker(one)} for one in self._trainers()),
        }

    # What people do to a query

    def move_column(self, query: int, name: str, to: int) -> None:
        """Drag a column to the place `to`, from 1; the others make room."""
        columns = self._columns(query)
        moving = self._named(columns, name)
        columns.remove(moving)
        columns.insert(to - 1, moving)
        for n, column in enumerate(columns, 1):
            column["order"] = column["orderGlobal"] = n

    def rename_column(self, query: int, name: str, label: str) -> None:
        """Give a column another label, in both languages; it was known by `name`."""
        column = self._named(self._columns(query), name)
        column["label"] = {"fr": label, "en": label}
        column["field"] = f"custom{column['order']}"
        column["defaultLabel"] = label

    def hide_column(self, query: int, name: str) -> None:
        """Take a column out of sight."""
        self._named(self._columns(query), name)["visible"] = False

    # What the API shows

    def result(self, query: int, sent: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[list[Any]]]:
        """(columns, lines) of a query run with the definition that was sent."""
        shown = sent if self._switches.columns_of == "sent" else self.definitions[query]
        columns = [
            column
            for column in sorted(
                shown["searchResultDefinition"]["columns"], key=lambda column: column["orderGlobal"]
            )
            if column["visible"]
        ]
        names = tuple(column["guid"].partition("/")[2] for column in columns)
        if self._switches.first_cell == "before":
            names = ("id", *names)
        return columns, self._made(query, names)

    def _made(self, query: int, names: tuple[str, ...]) -> list[list[Any]]:
        """The lines with these cells, made anew when something changed."""
        control = self._store.control
        stamp = (names, len(control.edits), len(control.writes), self._store.today())
        if query not in self._kept or self._kept[query][0] != stamp:
            lines = [[values.get(name) for name in names] for values in self._lines[query]()]
            self._kept[query] = (stamp, lines)
        return self._kept[query][1]

    def count(self, query: int, on: date | None = None) -> int:
        """How many lines a query brings, on a day where that matters."""
        if query != INTERVENTIONS:
            return sum(1 for _line in self._lines[query]())
        by_learner = self._switches.lines == "learner"
        return sum(
            max(1, len(one.staff)) * (max(1, len(one.learners)) if by_learner else len(one.groups))
            for one in self._covered(on or self._store.today())
        )

    def _definition(self, query: int) -> dict[str, Any]:
        names = list(_COLUMNS[query])
        if query == INTERVENTIONS and self._switches.lines == "learner":
            names += _LEARNER
        if self._switches.first_cell == "column":
            names.insert(0, "id")
        columns = [self._column(name, n) for n, name in enumerate(names, 1)]
        # One out of sight among them: it takes no cell.
        columns.insert(2, {**self._column("internalNote", 2), "visible": False})
        return {
            "queryId": query,
            "joinIdenticalLines": False,
            "searchResultDefinition": {
                "api": "interventions",
                "modelName": "Intervention",
                "columns": columns,
                "hiddenFilters": {"booleanOperator": "and", "conditions": []},
                "filters": {"booleanOperator": "and", "conditions": []},
                "filtersCustom": {},
                "queryTitle": {"fr": f"Edusign {query}"},
                "subQueries": [],
                "joinSameFields": False,
                "excluded": False,
                "lang": "fr",
            },
            "searchResultGlobal": {
                "filters": {}, "hiddenFilters": {}, "sorts": [], "columns": [], "dataviz": None,
                "timezone": "Europe/Paris",
            },
        }  # fmt: skip

    @staticmethod
    def _column(name: str, n: int) -> dict[str, Any]:
        return {
            "guid": f"{n}/{name}", "visible": True, "path": "Intervention", "api": "interventions",
            "field": name, "label": {"fr": name, "en": name}, "defaultLabel": name,
            "modelName": "Intervention", "modelDestName": "", "isReverted": False,
            "type": "primaryforeignkey" if name == "id" else "string", "order": n, "orderGlobal": n,
            "excluded": False, "isDisplayedInSelect": True, "multilingual": name == "title",
            "isCustom": False, "isParameterized": False, "children": None,
        }  # fmt: skip

    def _columns(self, query: int) -> list[dict[str, Any]]:
        if query not in self.definitions:
            raise ControlError(f"there is no query {query}")
        columns: list[dict[str, Any]] = self.definitions[query]["searchResultDefinition"]["columns"]
        columns.sort(key=lambda column: (column["orderGlobal"], not column["visible"]))
        return columns

    @staticmethod
    def _named(columns: list[dict[str, Any]], name: str) -> dict[str, Any]:
        for column in columns:
            if name in (column["label"]["fr"], column["field"]):
                return column
        raise ControlError(f"the query has no column {name}")

    # Lines

    def _of_interventions(self) -> Iterable[Values]:
        for one in self._covered(self._store.today()):
            yield from self._of_one(one)

    def _covered(self, day: date) -> Iterable[SessionRow]:
        last = day + timedelta(days=self._switches.days - 1)
        return (one for one in self._store.planned() if day <= one.day <= last)

    def _of_one(self, one: SessionRow) -> Iterable[Values]:
        staff: list[StaffRow | None] = [self._store.staff[identity] for identity in one.staff]
        codes = [population_code(self._store.groups[identity]) for identity in one.groups]
        base = {
            "id": one.code,
            "interventionId": self._number(one.code),
            "startDateTime": self._moment(one, start=True),
            "endDateTime": self._moment(one, start=False),
            "activityCode": "CM",
            "title": self._text(one.subject),
            "unitCode": f"UE{self._store.subjects[one.subject] + 1:02d}",
            "rooms": self._store.session_room(one) or None,
        }
        for person in staff or [None]:
            taught = {**base, **(self._speaker(person) if person is not None else {})}
            if self._switches.lines == "population":
                for code in codes:
                    yield {**taught, "populationCodes": code}
                continue
            learners = [self._store.learners[identity] for identity in one.learners]
            for learner in learners:
                yield {**taught, "populationCodes": ", ".join(codes), **self._learner(learner)}
            if not learners:
                yield {**taught, "populationCodes": ", ".join(codes)}

    def _of_groups(self) -> Iterable[Values]:
        for group in self._store.groups.values():
            named = {
                "id": group.code,
                "populationCode": population_code(group),
                "populationName": self._text(group.name),
            }
            members = self._store.members(group.identity)
            for identity in members:
                yield {**named, **self._learner(self._store.learners[identity])}
            if not members:
                yield named

    def _learner(self, one: LearnerRow) -> Values:
        return {
            "learnerId": self._number(one.code),
            "learnerFirstName": one.first_name,
            "learnerLastName": one.last_name,
            "learnerEmail": one.email or None,
            "learnerPhone": one.phone or None,
        }

    def _speaker(self, one: StaffRow) -> Values:
        return {
            "instructorId": self._number(one.code),
            "instructorFirstName": one.first_name,
            "instructorLastName": one.last_name,
            "instructorEmail": one.email or None,
        }

    def _enrolled(self) -> Iterable[LearnerRow]:
        return (
            one for one in self._store.learners.values() if not one.removed and not self._store.departed(one)
        )

    def _trainers(self) -> Iterable[StaffRow]:
        return (one for one in self._store.staff.values() if one.trainer)

    def _number(self, value: int) -> int | str:
        return str(value) if self._switches.numbers == "texts" else value

    def _text(self, text: str) -> Any:
        return {"fr": text, "en": None} if self._switches.languages else text

    def _moment(self, one: SessionRow, *, start: bool) -> str | None:
        wall = one.start if start else one.end
        day = one.day if start else one.last_day
        at = true_instant(day, wall, self._store.school.zone)
        if wall is None or at is None:
            return None
        match self._switches.times:
            case "utc":
                return utc(at)
            case "offset":
                return at.astimezone(self._store.zone).isoformat()
            case "wall":
                return datetime.combine(day, wall).isoformat()
            case _:
                return f"{datetime.combine(day, wall):%d/%m/%Y %H:%M}"


def utc(at: datetime) -> str:
    """An instant as plannings write it."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
