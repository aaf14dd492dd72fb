"""Both ports in memory: an attendance platform with its quirks and faults on switches, and an ERP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Literal, TypeAlias, cast

from engine.attendance import Reason, RollCalls
from engine.ports import (
    AttendanceForm,
    Capability,
    ErpAttendance,
    Fault,
    FaultCode,
    Finding,
    Listing,
    Progress,
    School,
    Scope,
    Sighting,
)
from engine.records import KINDS, RECORDS, Entry, Group, Kind, Record, Seen, Sheet
from tests.unit.rules import school_kit

Moment: TypeAlias = Literal["before", "after"]


class Killed(BaseException):
    """The engine's process ended here: nothing of it goes on."""


class FakePlatform:
    """Edusign without HTTP: archived people are not listed but found by id, key and e-mail.

    `calls` counts what was asked, `writes` lists (verb, kind, id) of what took effect. `refuses` maps a verb
    to the words it is refused with; `silent_after` verbs take effect and then go unanswered. `kill_at` is the
    write, counted from 1, at which the engine dies, `before` or `after` it takes effect. `cascade`: group
    members written go on to the group's sheets. `meddle` is called once, right before the next write.
    """

    capabilities: tuple[Capability, ...] = ()
    skew: timedelta | None = timedelta()
    budget_left = 480

    def __init__(self) -> None:
        self.records: dict[Kind, dict[str, Seen]] = {kind: {} for kind in KINDS}
        self.requests: Mapping[str, int] = {}
        self.calls: Counter[str] = Counter()
        self.writes: list[tuple[str, Kind, str]] = []
        self.refuses: dict[str, str] = {}
        self.silent_after: set[str] = set()
        self.unreachable: set[str] = set()
        self.kill_at: tuple[int, Moment] | None = None
        self.cascade = False
        self.meddle: Callable[[], None] | None = None
        self.mails = 0
        self._tried = 0
        self._made = 0

    @classmethod
    def of(cls, school: school_kit.School) -> FakePlatform:
        """What a school of the kit shows in Edusign, archived people from its look-ups too."""
        platform = cls()
        for kind, records in school.edusign.items():
            platform.records[kind].update(records)
        for (kind, id), seen in school.lookups.items():
            if seen is not None:
                platform.records[kind][id] = seen
        return platform

    def live(self, kind: Kind) -> list[Seen]:
        return [s for s in self.records[kind].values() if not s.archived]

    def mark(self, kind: Kind, id: str, **flags: object) -> None:
        """What a person or the platform does to a record's flags."""
        self.records[kind][id] = self.records[kind][id].model_copy(update=flags)

    def edit(self, kind: Kind, id: str, **values: object) -> None:
        """What a person edits by hand."""
        seen = self.records[kind][id]
        self.records[kind][id] = seen.model_copy(update={"record": seen.record.model_copy(update=values)})

    # Reads

    async def begin(self, scope: Scope) -> None:
        self.calls["begin"] += 1

    async def school(self) -> School:
        return School(id="1", name="Lyon", zone="Europe/Paris")

    async def listing(self, kind: Kind, scope: Scope, progress: Progress | None = None) -> Listing:
        self._asked("listing")
        return Listing(kind=kind, seen=tuple(self.live(kind)), pages=1)

    async def sheets_of_group(self, group_id: str, scope: Scope) -> Listing:
        self._asked("sheets_of_group")
        sheets = tuple(
            s for s in self.live("sheet") if isinstance(s.record, Sheet) and group_id in s.record.groups
        )
        return Listing(kind="sheet", seen=sheets, pages=1)

    async def roll_calls(self, scope: Scope, progress: Progress | None = None) -> RollCalls:
        self._asked("roll_calls")
        return RollCalls()

    async def absence_reasons(self) -> tuple[Reason, ...]:
        return ()

    async def read(self, kind: Kind, id: str) -> Seen | None:
        self._asked("read")
        return self.records[kind].get(id)

    async def read_many(self, kind: Kind, ids: tuple[str, ...]) -> dict[str, Seen]:
        self._asked("read_many")
        return {id: self.records[kind][id] for id in ids if id in self.records[kind]}

    async def id_by_api_id(self, kind: Kind, api_id: str) -> str | None:
        self._asked("id_by_api_id")
        return next((s.id for s in self.records[kind].values() if s.api_id == api_id), None)

    async def by_email(self, kind: Kind, email: str) -> Seen | None:
        self._asked("by_email")
        wanted = email.strip().lower()
        return next(
            (s for s in self.records[kind].values() if str(s.record.value("email")).lower() == wanted), None
        )

    def _asked(self, call: str) -> None:
        self.calls[call] += 1
        if call in self.unreachable:
            raise Fault(FaultCode.unreachable, system="edusign", route=call)

    # Writes

    async def create(self, record: Record, api_id: str, api_type: str) -> str:
        id = f"new-{record.kind}-{self._made + 1}"

        def effect() -> None:
            self._made += 1
            made = RECORDS[record.kind].model_validate({**dict(record), "id": id})
            self.records[record.kind][id] = Seen(record=made, api_id=api_id, api_type=api_type)

        self._write("create", record.kind, id, effect)
        return id

    async def update(self, record: Record, fields: frozenset[str], api: tuple[str, str] | None = None) -> None:
        def effect() -> None:
            seen = self.records[record.kind][record.id]
            values = {
                name: record.value(name) for name in fields if (record.kind, name) != ("sheet", "learners")
            }
            stamp = {"api_id": api[0], "api_type": api[1]} if api else {}
            after = seen.record.model_copy(update=values)
            self.records[record.kind][record.id] = seen.model_copy(update={"record": after, **stamp})
            if self.cascade and isinstance(seen.record, Group) and isinstance(after, Group):
                self._cascade(record.id, seen.record.members, after.members)

        self._write("update", record.kind, record.id, effect)

    def _cascade(self, group_id: str, before: frozenset[str], after: frozenset[str]) -> None:
        for id, seen in self.records["sheet"].items():
            sheet = cast(Sheet, seen.record)
            if group_id in sheet.groups:
                self.edit("sheet", id, learners=(sheet.learners | (after - before)) - (before - after))

    async def archive(self, kind: Kind, id: str) -> None:
        self._write("archive", kind, id, lambda: self.mark(kind, id, archived=True))

    async def restore(self, kind: Kind, id: str) -> None:
        self._write("restore", kind, id, lambda: self.mark(kind, id, archived=False))

    async def withdraw(self, sheet_id: str) -> None:
        self._write("withdraw", "sheet", sheet_id, lambda: self.records["sheet"].pop(sheet_id))

    async def add_to_sheet(self, sheet_id: str, learner_id: str) -> None:
        there = cast(Sheet, self.records["sheet"][sheet_id].record).learners
        self._write(
            "add", "sheet", sheet_id, lambda: self.edit("sheet", sheet_id, learners=there | {learner_id})
        )

    async def remove_from_sheet(self, sheet_id: str, learner_id: str) -> None:
        there = cast(Sheet, self.records["sheet"][sheet_id].record).learners
        self._write(
            "remove", "sheet", sheet_id, lambda: self.edit("sheet", sheet_id, learners=there - {learner_id})
        )

    def _write(self, verb: str, kind: Kind, id: str, effect: Callable[[], object]) -> None:
        self._tried += 1
        if self.meddle is not None:
            meddle, self.meddle = self.meddle, None
            meddle()
        if verb in self.refuses:
            raise Fault(FaultCode.refused, system="edusign", route=verb, came=self.refuses[verb])
        if verb in self.unreachable:
            raise Fault(FaultCode.unreachable, system="edusign", route=verb)
        if self.kill_at == (self._tried, "before"):
            raise Killed
        effect()
        self.writes.append((verb, kind, id))
        if self.kill_at == (self._tried, "after"):
            raise Killed
        if verb in self.silent_after:
            raise Fault(FaultCode.outcome_unknown, system="edusign", route=verb, committed="unknown")

    async def check(self) -> tuple[Finding, ...]:
        return ()

    async def close(self) -> None:
        return None


class FakeErp:
    """An ERP that shows what it was given."""

    capabilities: tuple[Capability, ...] = ()
    attendance: ErpAttendance | None = None
    form: AttendanceForm | None = None

    def __init__(self, entries: Mapping[Kind, tuple[Entry, ...]]) -> None:
        self.entries = entries
        self.requests: Mapping[str, int] = {}
        self.silent: Mapping[Kind, frozenset[str]] = {}
        self.keys_move = False

    async def begin(self, scope: Scope) -> None:
        return None

    async def listing(self, kind: Kind, scope: Scope, progress: Progress | None = None) -> Listing:
        return Listing(kind=kind, entries=self.entries.get(kind, ()), pages=1)

    async def find(self, kind: Kind, erp_id: str, scope: Scope, last: Record | None) -> Sighting:
        found = next((e for e in self.entries.get(kind, ()) if e.id == erp_id), None)
        return Sighting(state="alive" if found else "gone", entry=found)

    async def check(self) -> tuple[Finding, ...]:
        return ()

    async def close(self) -> None:
        return None
