"""An ERP as the files it exports: read whole or not at all, by the profile that was saved for them.

What a file says it says of everything: who is in no row is not there any more (R13 asks twice before anything
follows). So a file that is missing, still being written, cut, unreadable, too old or with other headings ends
in an incomplete listing of what stands on it, never in an empty one.

Facts of a vendor are the profile's (`source`). No write: absences go into the ERP by the file of `form`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from connectors.files import FolderSettings, mapping
from connectors.files.folder import FileSeen, Folder, LocalFolder, WebDavFolder, file_fault
from connectors.files.form import FilesForm
from connectors.files.profile import FileProfile, Sort, TableProfile
from connectors.files.tables import Table, Unreadable, read
from engine.faults import fault_line
from engine.ports import (
    AttendanceForm,
    Capability,
    ErpAttendance,
    Fault,
    FaultCode,
    Finding,
    Listing,
    Progress,
    Scope,
    Sighting,
    Surroundings,
)
from engine.records import KINDS, Entry, Kind, Record, Sheet
from engine.words import _

T = TypeVar("T")
Filters = Mapping[Sort, Mapping[str, frozenset[str]]]

_SORTS: Mapping[Kind, Sort] = {
    "speaker": "speakers",
    "learner": "learners",
    "group": "groups",
    "sheet": "sessions",
}


@dataclass(frozen=True)
class _Kept:
    """A table as it was read last, so that an unchanged file is not read into rows again."""

    digest: str
    worksheet: str
    table: Table


class FilesClient:
    """One folder, as `engine.ports.Erp` asks."""

    keys_move: bool = False
    attendance: ErpAttendance | None = None

    def __init__(
        self,
        settings: FolderSettings,
        profile: FileProfile,
        surroundings: Surroundings,
        filters: Filters | None = None,
        vendor: str = "",
    ) -> None:
        """`filters`: per table, heading → codes of which a row must hold one."""
        self.profile = profile
        self._settings = settings
        self._filters = filters or {}
        self._connection = surroundings.connection
        self._clock = surroundings.clock
        self._zone = surroundings.zone
        self._folder = _folder(settings, surroundings)
        self.requests: Mapping[str, int] = self._folder.requests
        self.form: AttendanceForm | None = FilesForm(profile.form, surroundings)
        self.silent: Mapping[Kind, frozenset[str]] = _silent(profile)
        self.capabilities: tuple[Capability, ...] = _capabilities(profile, vendor)
        self._said: dict[str, Any] = {}
        self._kept: dict[str, _Kept] = {}

    async def begin(self, scope: Scope) -> None:
        """A new run starts: forget what earlier listings brought."""
        self._said.clear()

    async def listing(self, kind: Kind, scope: Scope, progress: Progress | None = None) -> Listing:
        """All records of `kind`; never raises Fault."""
        try:
            entries = await self._entries(kind, scope)
        except Fault as fault:
            fault.pages_read, fault.pages_seen = 0, 1
            line = fault_line(fault, self._connection)
            return Listing(kind=kind, complete=False, fault=fault.code.value, fault_line=line)
        if progress is not None:
            progress(_PLURALS[kind], len(entries), len(entries))
        ordered = sorted(entries, key=lambda entry: (len(entry.id), entry.id))
        return Listing(kind=kind, entries=tuple(ordered), pages=1)

    async def find(self, kind: Kind, erp_id: str, scope: Scope, last: Record | None) -> Sighting:
        """Look for one record in what the files say of any time, sessions beyond the scope too. Who is in no
        file may be gone: there is no narrower place to look, so only a further export can confirm it (R13)."""
        try:
            for entry in await self._entries(kind, None):
                if entry.id == erp_id:
                    return Sighting(state="alive", entry=entry)
        except Fault:
            pass
        return Sighting(state="unknown")

    async def check(self) -> tuple[Finding, ...]:
        """The folder, and a sample of each listing, with headings that are new."""
        today = _local_date(self._clock.now(), self._zone)
        scope = Scope(first=today, last=today + timedelta(days=13), zone=self._zone)
        await self.begin(scope)
        findings: list[Finding] = []
        try:
            seen = await self._listed()
            findings.append(
                Finding(what=_("read the folder"), ok=True, detail=_("{count} files").format(count=len(seen)))
            )
        except Fault as fault:
            line = fault_line(fault, self._connection)
            return (Finding(what=_("read the folder"), ok=False, detail=fault.code.value, advice=line),)
        for kind in KINDS:
            listing = await self.listing(kind, scope)
            detail = _("{count} seen").format(count=len(listing.entries))
            findings.append(
                Finding(what=_READ[kind], ok=listing.complete, detail=detail, advice=listing.fault_line)
            )
        findings.append(Finding(what=_("headings"), ok=True, detail=await self._strange_headings()))
        if (skew := self._folder.skew) is not None:
            fits = abs(skew) <= timedelta(seconds=60)
            detail = _("{seconds} s apart").format(seconds=int(skew.total_seconds()))
            advice = "" if fits else _("set the clock of this machine or of the server")
            findings.append(Finding(what=_("clock"), ok=fits, detail=detail, advice=advice))
        await self.begin(scope)
        return tuple(findings)

    async def close(self) -> None:
        """Close the folder."""
        await self._folder.close()

    # Entries

    async def _entries(self, kind: Kind, scope: Scope | None) -> list[Entry]:
        """The records of one kind; of sessions those that begin in the scope. Raises Fault."""
        if kind in ("learner", "speaker"):
            made = mapping.learner if kind == "learner" else mapping.speaker
            return [made(row) for row in await self._rows(_SORTS[kind])]
        if kind == "group":
            return await self._groups()
        return [entry for entry in await self._sessions() if scope is None or _within(entry, scope)]

    async def _groups(self) -> list[Entry]:
        inside = await self._members()
        if self.profile.groups is not None:
            rows = await self._rows("groups")
            names = {(row.text("key"), row.text("name")) for row in rows}
            self._no_code_twice(self.profile.groups.file, names)
            return [
                mapping.group(
                    row.text("key"),
                    row.text("name"),
                    inside.get(row.text("key"), frozenset()),
                    f"{row.file} › {row.line}",
                )
                for row in rows
            ]
        names = set()
        if self.profile.members is not None:
            names = {(row.text("group"), row.text("name")) for row in await self._rows("members")}
            self._no_code_twice(self.profile.members.file, names)
        called = {code: name for code, name in sorted(names) if name}
        return [
            mapping.group(code, called.get(code, ""), those, code) for code, those in inside.items() if code
        ]

    def _no_code_twice(self, file: str, names: set[tuple[str, str]]) -> None:
        """Raises Fault where one code stands for two names: it was cut, and two groups would become one."""
        named: dict[str, str] = {}
        for code, name in sorted(names):
            if code in named and name and named[code] != name:
                what = f"code {code} cut? {named[code]} / {name}"
                raise file_fault(FaultCode.drift, file, what)
            named.setdefault(code, name)

    async def _members(self) -> dict[str, frozenset[str]]:
        """Who is in each group: from the rows of memberships, else from the learners' own."""
        found: dict[str, set[str]] = {}
        if self.profile.members is not None:
            over = {row.text("key") for row in await self._rows("learners") if row.over}
            for row in await self._rows("members"):
                group = found.setdefault(row.text("group"), set())
                if not row.over and row.text("learner") not in over:
                    group.add(row.text("learner"))
        else:
            between = self.profile.conventions.between
            for row in await self._rows("learners"):
                for code in mapping.listed(row.text("groups"), between):
                    group = found.setdefault(code, set())
                    if not row.over:
                        group.add(row.text("key"))
        return {code: frozenset(people) for code, people in found.items()}

    async def _sessions(self) -> list[Entry]:
        table = self.profile.sessions
        named = table is not None and "learners" in table.columns
        inside = None if named else await self._members()
        return mapping.sessions(await self._rows("sessions"), self._zone, self.profile.conventions, inside)

    # Tables

    async def _rows(self, sort: Sort) -> list[mapping.Row]:
        """The rows of one sort, read once a run. Raises Fault."""

        async def ask() -> list[mapping.Row]:
            profile = self.profile.table(sort)
            if profile is None:
                what = f"the profile says nothing of {sort}"
                raise file_fault(FaultCode.no_file, self.profile.name, what)
            file = await self._newest(profile)
            table = await self._table(file, profile)
            try:
                found = mapping.rows(
                    table, profile, self.profile.conventions, file.name, self._filters.get(sort)
                )
            except mapping.HeadingGone as gone:
                raise file_fault(FaultCode.heading_gone, file.name, gone) from None
            key = "learner" if sort == "members" else "key"
            return [row for row in found if row.text(key)]

        return await self._once(f"rows {sort}", ask)

    async def _newest(self, profile: TableProfile) -> FileSeen:
        """The file a table is in: of several the newest. Raises Fault where it is not to be trusted."""
        fitting = [one for one in await self._listed() if profile.takes(one.name)]
        if not fitting:
            raise file_fault(FaultCode.no_file, profile.file)
        newest = max(fitting, key=lambda one: (one.modified, one.name))
        age = (self._clock.now() - newest.modified).total_seconds()
        if 0 <= age < self._settings.settle_seconds:
            raise file_fault(FaultCode.half_written, newest.name, f"written {age:.0f} s ago")
        if self._settings.oldest_hours and age > self._settings.oldest_hours * 3600:
            raise file_fault(FaultCode.no_file, newest.name, f"{age / 3600:.0f} h old: the export has stopped")
        return newest

    async def _listed(self) -> list[FileSeen]:
        return await self._once("files", self._folder.files)

    async def _table(self, file: FileSeen, profile: TableProfile) -> Table:
        async def ask() -> Table:
            content = await self._content(file)
            kept = self._kept.get(profile.file)
            try:
                table = await asyncio.to_thread(_read, content, profile.worksheet, kept)
            except Unreadable as error:
                raise file_fault(FaultCode(error.trouble), file.name, error) from None
            self._kept[profile.file] = _Kept(table.digest, profile.worksheet, table)
            return table

        return await self._once(f"table {file.name} {profile.worksheet}", ask)

    async def _content(self, file: FileSeen) -> bytes:
        return await self._once(f"content {file.name}", lambda: self._folder.read(file))

    async def _strange_headings(self) -> str:
        """Headings that were not there when the profile was saved: a warning."""
        new: list[str] = []
        for sort in _SORTS.values():
            profile = self.profile.table(sort)
            if profile is None:
                continue
            try:
                table = await self._table(await self._newest(profile), profile)
            except Fault:
                continue
            new += [f"{sort}.{heading}" for heading in mapping.new_headings(table, profile)]
        return _("new, not read: {names}").format(names=", ".join(new)) if new else ""

    async def _once(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """What was asked already, its failure too; else asked now."""
        if what not in self._said:
            try:
                self._said[what] = await ask()
            except Fault as fault:
                self._said[what] = fault
        said: T | Fault = self._said[what]
        if isinstance(said, Fault):
            raise said
        return said


def _read(content: bytes, worksheet: str, kept: _Kept | None) -> Table:
    """The table of a file, the one kept where nothing changed. Raises Unreadable."""
    if kept is not None and kept.worksheet == worksheet and kept.digest == sha256(content).hexdigest():
        return kept.table
    return read(content, worksheet)


def _folder(settings: FolderSettings, surroundings: Surroundings) -> Folder:
    if settings.folder.startswith(("https://", "http://")):
        password = surroundings.secret(settings.password).strip() if settings.password else ""
        return WebDavFolder(settings.folder, settings.user, password, surroundings, settings.timeout_seconds)
    return LocalFolder(settings.folder)


def _within(entry: Entry, scope: Scope) -> bool:
    """Whether a session begins in the scope; one without a start is told of, wherever it is."""
    sheet = entry.record
    if not isinstance(sheet, Sheet) or sheet.start is None:
        return True
    return scope.first <= _local_date(sheet.start, scope.zone) <= scope.last


def _local_date(at: datetime, zone: str) -> date:
    return at.astimezone(ZoneInfo(zone)).date()


def _silent(profile: FileProfile) -> Mapping[Kind, frozenset[str]]:
    """Fields for which the profile names no column."""
    said: dict[Kind, frozenset[str]] = {}
    for kind, optional in _OPTIONAL.items():
        table = profile.table(_SORTS[kind])
        missing = frozenset(name for name in optional if table is None or name not in table.columns)
        if missing:
            said[kind] = missing
    return said


def _capabilities(profile: FileProfile, vendor: str) -> tuple[Capability, ...]:
    who = vendor or profile.name
    read = tuple(
        Capability(
            name=f"read {kind}s",
            certainty="documented" if "template" in profile.source else "unknown",
            source=f"files of {who}: {profile.source or 'the profile'}",
            on=kind == "group" or profile.table(_SORTS[kind]) is not None,
            why_off=""
            if kind == "group" or profile.table(_SORTS[kind]) is not None
            else _("the profile says nothing of them"),
        )
        for kind in KINDS
    )
    write = Capability(
        name="write absences",
        certainty="unknown",
        source=f"files of {who}",
        on=False,
        why_off=_("files only come from the ERP; a form to import by hand is made instead"),
    )
    return (*read, write)


_OPTIONAL: Mapping[Kind, tuple[str, ...]] = {
    "learner": ("phone",),
    "speaker": ("phone",),
    "sheet": ("room", "groups"),
}
_PLURALS: dict[Kind, str] = {
    "learner": _("learners"),
    "speaker": _("speakers"),
    "group": _("groups"),
    "sheet": _("sessions"),
}
_READ: dict[Kind, str] = {
    "speaker": _("read speakers"),
    "learner": _("read learners"),
    "group": _("read groups"),
    "sheet": _("read sessions"),
}
