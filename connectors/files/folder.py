"""Where exported files lie: a folder of this machine, or one on a WebDAV server.

A file is handed out only once it rests: nobody has written to it for a while, and nothing of it changed while
it was read.
"""

from __future__ import annotations

import asyncio
import base64
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from connectors.files.tables import LARGEST
from connectors.http import HttpSession
from connectors.tabular.erp import about
from engine.ports import Fault, FaultCode, Surroundings


@dataclass(frozen=True)
class FileSeen:
    """One file as a folder lists it; `modified` in UTC."""

    name: str
    size: int
    modified: datetime


class Folder(Protocol):
    """A folder of exports. Every method may raise Fault."""

    requests: Mapping[str, int]

    async def files(self) -> list[FileSeen]: ...

    async def read(self, file: FileSeen) -> bytes:
        """Its bytes; Fault `half_written` where it changed meanwhile, `no_file` where it vanished."""
        ...

    @property
    def skew(self) -> timedelta | None: ...

    async def close(self) -> None: ...


class LocalFolder:
    """A folder of this machine."""

    skew: timedelta | None = None

    def __init__(self, path: str) -> None:
        self._asked: Counter[str] = Counter()
        self.requests: Mapping[str, int] = self._asked
        self._path = Path(path).expanduser()

    async def files(self) -> list[FileSeen]:
        return await asyncio.to_thread(self._listed)

    def _listed(self) -> list[FileSeen]:
        self._asked["list"] += 1
        try:
            return [self._seen(one) for one in self._path.iterdir() if one.is_file()]
        except OSError as error:
            raise about(FaultCode.no_file, str(self._path), error.strerror or error) from None

    def _seen(self, path: Path) -> FileSeen:
        facts = path.stat()
        return FileSeen(path.name, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC))

    async def read(self, file: FileSeen) -> bytes:
        return await asyncio.to_thread(self._read, file)

    def _read(self, file: FileSeen) -> bytes:
        self._asked[f"read {file.name}"] += 1
        path = self._path / file.name
        try:
            with path.open("rb") as opened:
                content = opened.read(LARGEST + 1)
            again = self._seen(path)
        except OSError as error:
            raise about(FaultCode.no_file, file.name, error.strerror or error) from None
        if again != file:
            raise about(FaultCode.half_written, file.name, "it changed while it was read")
        return content

    async def close(self) -> None:
        """Nothing is held open."""


_LIST = "PROPFIND /"
_GET = "GET /{name}"
_DAV = "{DAV:}"
_ENTITIES = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


class WebDavFolder:
    """A folder on a WebDAV server (RFC 4918), with Basic authentication where a user is named."""

    def __init__(
        self, url: str, user: str, password: str, surroundings: Surroundings, timeout_seconds: float
    ) -> None:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
        self._session = HttpSession(
            system="erp",
            base_url=url,
            header=("Authorization", "Basic {secret}" if user else ""),
            secret=pair,
            clock=surroundings.clock,
            jitter=random.Random(f"{surroundings.connection}/files"),
            timeout_seconds=timeout_seconds,
            transport=surroundings.transport,
            more_secrets=(password,),
        )
        self._base = unquote(urlsplit(url).path).rstrip("/")
        self.requests: Mapping[str, int] = self._session.requests

    @property
    def skew(self) -> timedelta | None:
        return self._session.skew

    async def files(self) -> list[FileSeen]:
        body = await self._session.read_bytes(_LIST, headers=(("Depth", "1"),))
        if _ENTITIES.search(body):
            raise about(FaultCode.not_json, _LIST, "a document with entities of its own")
        try:
            root = ElementTree.fromstring(body)
        except ElementTree.ParseError:
            raise about(FaultCode.not_json, _LIST, body[:80].decode("utf-8", "replace")) from None
        if root.tag != f"{_DAV}multistatus":
            raise about(FaultCode.not_json, _LIST, root.tag)
        found = (self._seen(one) for one in root.iter(f"{_DAV}response"))
        return [one for one in found if one is not None]

    def _seen(self, response: ElementTree.Element) -> FileSeen | None:
        if next(response.iter(f"{_DAV}collection"), None) is not None:
            return None
        name = unquote(urlsplit(response.findtext(f"{_DAV}href", "")).path).rpartition("/")[2]
        size = next((one.text for one in response.iter(f"{_DAV}getcontentlength")), None)
        at = next((one.text for one in response.iter(f"{_DAV}getlastmodified")), None)
        if not name or size is None or at is None:
            return None
        try:
            modified = parsedate_to_datetime(at)
            return FileSeen(name, int(size), modified.astimezone(UTC))
        except ValueError:
            return None

    async def read(self, file: FileSeen) -> bytes:
        try:
            content = await self._session.read_bytes(_GET, {"name": file.name})
        except Fault as fault:
            if fault.code is FaultCode.not_found:
                raise about(FaultCode.no_file, file.name, "it vanished") from None
            raise
        if len(content) != file.size:
            what = f"{len(content)} bytes came, {file.size} were listed"
            raise about(FaultCode.half_written, file.name, what)
        return content

    async def close(self) -> None:
        await self._session.close()
