"""Any ERP by the files it exports: CSV, XLS and XLSX in a folder, read by a saved profile.

Light on purpose: settings and the entry point; the client is imported when a connection is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.tabular.digest import with_digest
from engine.ports import NO_EFFECT_ON_PLANS, Surroundings, System

if TYPE_CHECKING:
    from connectors.files.client import FilesClient


class FolderSettings(BaseModel):
    """Where the exports of an ERP lie."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str = Field(
        min_length=1,
        description="The folder of the exports: a path of this machine, or the https address of a WebDAV one",
    )
    user: str = Field(default="", description="WebDAV user, if one is asked for")
    password: str = Field(default="", description="Its password, as a reference such as env:FILES_PASSWORD")
    settle_seconds: float = Field(
        default=30.0,
        ge=0,
        description="A file changed more recently than this is taken to be still in the making",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )
    oldest_hours: float = Field(
        default=72.0,
        ge=0,
        description="Exports older than this are refused: the export job has stopped. 0: any age will do",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )
    timeout_seconds: float = Field(
        default=120.0,
        gt=0,
        description="Longest wait for one answer of a WebDAV server, in seconds",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )


class FilesSettings(FolderSettings):
    """A folder of exports, and the profile that says what is in them."""

    profile: str = Field(
        min_length=1,
        description="The profile's TOML file, or one that comes with Rollcall: builtin:aurion-legacy",
    )
    profile_digest: str = Field(
        default="", description="Of the profile's content; filled in by itself, whatever is given"
    )

    @model_validator(mode="before")
    @classmethod
    def _with_digest(cls, given: Any) -> Any:
        return with_digest(given, "connectors.files")


class FilesConnector:
    """A folder of files as a connector."""

    name: str = "files"
    system: System = "erp"
    settings: type[BaseModel] = FilesSettings
    horizon_days: int = 14
    example: Mapping[str, Any] = {"folder": "https://erp.example/exports", "profile": "builtin:aurion-legacy"}

    def open(self, settings: BaseModel, surroundings: Surroundings) -> FilesClient:
        """A client of one folder; nothing is read yet but the profile. Raises TypeError for another
        connector's settings, BadProfile where the profile can't be used."""
        from connectors.files.client import FilesClient
        from connectors.files.profile import load

        if not isinstance(settings, FilesSettings):
            raise TypeError("FilesSettings expected")
        return FilesClient(settings, load(settings.profile), surroundings)


connector = FilesConnector()
