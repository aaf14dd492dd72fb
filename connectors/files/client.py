"""An ERP as the files it exports: read whole or not at all, by the profile that was saved for them.

What a file says it says of everything: who is in no row is not there any more (R13 asks twice before anything
follows). So a file that is missing, still being written, cut, unreadable, too old or with other headings ends
in an incomplete listing of what stands on it, never in an empty one.

Facts of a vendor are the profile's (`source`). No write: absences go into the ERP by the file of `form`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from connectors.files import FolderSettings, mapping
from connectors.files.folder import FileSeen, Folder, LocalFolder, WebDavFolder
from connectors.files.form import FilesForm
from connectors.files.profile import FileProfile, TableProfile
from connectors.files.tables import Table, Unreadable, read
from connectors.tabular.erp import SORT_OF, TabularErp, about, capabilities
from connectors.tabular.fields import SORTS, Sort
from connectors.tabular.records import Row
from engine.ports import Capability, Fault, FaultCode, Finding, Scope, Surroundings
from engine.records import Kind
from engine.words import _

Filters = Mapping[Sort, Mapping[str, frozenset[str]]]


@dataclass(frozen=True)
class _Kept:
    """A table as it was read last, so that an unchanged file is not read into rows again."""

    digest: str
    worksheet: str
    table: Table


class FilesClient(TabularErp):
    """One folder, as `engine.ports.Erp` asks."""

    def __init__(
        self,
        settings: FolderSettings,
        profile: FileProfile,
        surroundings: Surroundings,
        filters: Filters | None = None,
        vendor: str = "",
    ) -> None:
        """`filters`: per table, heading → codes of which a row must hold one."""
        tables = {
            sort: frozenset(table.columns) for sort in SORTS if (table := profile.table(sort)) is not None
        }
        super().__init__(tables, profile.conventions, surroundings)
        self.profile = profile
        self._settings = settings
        self._filters = filters or {}
        self._folder = _folder(settings, surroundings)
        self.requests = self._folder.requests
        self.form = FilesForm(profile.form, surroundings)
        who = f"files of {vendor or profile.name}"
        write = Capability(
            name="write absences",
            certainty="unknown",
            source=who,
            on=False,
            why_off=_("files only come from the ERP; a form to import by hand is made instead"),
        )
        sure = {sort: table.certainty for sort in SORTS if (table := profile.table(sort)) is not None}
        self.capabilities = capabilities(tables, sure, f"{who}: {profile.source or 'the profile'}", write)
        self._kept: dict[str, _Kept] = {}
        self._read_now: dict[str, FileSeen] = {}
        self._read_before: dict[str, FileSeen] = {}
        """The files of this run and of the one before, by the pattern of their names."""

    async def begin(self, scope: Scope) -> None:
        await super().begin(scope)
        self._read_before |= self._read_now
        self._read_now = {}

    async def newer(self, kind: Kind) -> bool:
        """Whether the files were written since the run before: one that lies there proves nothing twice."""
        sorts: tuple[Sort, ...] = ("learners", "members", "groups") if kind == "group" else (SORT_OF[kind],)
        for sort in sorts:
            profile = self.profile.table(sort)
            if profile is not None and await self._newest(profile) == self._read_before.get(profile.file):
                return False
        return True

    @property
    def skew(self) -> timedelta | None:
        return self._folder.skew

    async def close(self) -> None:
        """Close the folder."""
        await self._folder.close()

    async def open_check(self) -> Finding:
        seen = await self._listed()
        return Finding(what=_("read the folder"), ok=True, detail=_("{count} files").format(count=len(seen)))

    async def strange(self) -> str:
        """Headings that were not there when the profile was saved: a warning."""
        new: list[str] = []
        for sort in SORT_OF.values():
            profile = self.profile.table(sort)
            if profile is None:
                continue
            try:
                table = await self._table(await self._newest(profile), profile)
            except Fault:
                continue
            new += [f"{sort}.{heading}" for heading in mapping.new_headings(table, profile)]
        return _("new, not read: {names}").format(names=", ".join(new)) if new else ""

    async def rows(self, sort: Sort, scope: Scope) -> list[Row]:
        """The rows of one sort, read once a run. Raises Fault."""

        async def ask() -> list[Row]:
            profile = self.profile.table(sort)
            assert profile is not None
            file = await self._newest(profile)
            table = await self._table(file, profile)
            try:
                return mapping.rows(
                    table, profile, self.profile.conventions, file.name, self._filters.get(sort)
                )
            except mapping.HeadingGone as gone:
                raise about(FaultCode.heading_gone, file.name, gone) from None

        return await self.once(f"rows {sort}", ask)

    async def _newest(self, profile: TableProfile) -> FileSeen:
        """The file a table is in: of several the newest. Raises Fault where it is not to be trusted."""
        fitting = [one for one in await self._listed() if profile.takes(one.name)]
        if not fitting:
            raise about(FaultCode.no_file, profile.file)
        newest = max(fitting, key=lambda one: (one.modified, one.name))
        age = (self._clock.now() - newest.modified).total_seconds()
        if 0 <= age < self._settings.settle_seconds:
            raise about(FaultCode.half_written, newest.name, f"written {age:.0f} s ago")
        if self._settings.oldest_hours and age > self._settings.oldest_hours * 3600:
            raise about(FaultCode.no_file, newest.name, f"{age / 3600:.0f} h old: the export has stopped")
        self._read_now[profile.file] = newest
        return newest

    async def _listed(self) -> list[FileSeen]:
        return await self.once("files", self._folder.files)

    async def _table(self, file: FileSeen, profile: TableProfile) -> Table:
        async def ask() -> Table:
            content = await self.once(f"content {file.name}", lambda: self._folder.read(file))
            try:
                table = await asyncio.to_thread(_read, content, profile.worksheet, self._kept.get(profile.file))
            except Unreadable as error:
                raise about(FaultCode(error.trouble), file.name, error) from None
            self._kept[profile.file] = _Kept(table.digest, profile.worksheet, table)
            return table

        return await self.once(f"table {file.name} {profile.worksheet}", ask)


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
