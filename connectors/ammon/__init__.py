"""Ammon Campus (Val Software), by the files it exports.

Val Software publishes no API: the connector for one, by the document a school has, is `profile`. What is known
of files is known well: the headings and conventions of the vendor's own import workbook for people. For
sessions and enrolments no template is known, so that a school's own profile says how they are laid out; it is
laid over the one that comes with Rollcall (`connectors/ammon/profiles/ammon.toml`), table by table.

Light on purpose: settings and the entry point; the client is imported when a connection is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, model_validator

from connectors.files import FolderSettings
from connectors.tabular.digest import with_digest
from engine.ports import Surroundings, System

if TYPE_CHECKING:
    from connectors.files.client import FilesClient

STRUCTURE = "PER_CCODESTRUCTURE_RATTACHEMENT"
"""The heading of a person's structure, in the vendor's own template."""


class AmmonSettings(FolderSettings):
    """A folder of Ammon's exports; the names of the two filters are those that Edusign's own connector has."""

    profile: str = Field(
        default="",
        description="The school's own profile: how sessions and enrolments are laid out, a TOML file",
    )
    profile_digest: str = Field(
        default="", description="Of the profile's content; filled in by itself, whatever is given"
    )

    @model_validator(mode="before")
    @classmethod
    def _with_digest(cls, given: Any) -> Any:
        return with_digest(given, "connectors.ammon")

    structureId: tuple[str, ...] = Field(
        default=(), description="Codes of the structures whose learners are meant; all when empty"
    )
    filterActions: tuple[str, ...] = Field(
        default=(), description="Codes of the training actions that are meant; all when empty"
    )


class AmmonConnector:
    """Ammon as a connector."""

    name: str = "ammon"
    system: System = "erp"
    settings: type[BaseModel] = AmmonSettings
    horizon_days: int = 14
    example: Mapping[str, Any] = {"folder": "https://ammon.example/exports"}

    def open(self, settings: BaseModel, surroundings: Surroundings) -> FilesClient:
        """A client of one folder; nothing is read yet but the profiles. Raises TypeError for another
        connector's settings, BadProfile where a profile can't be used."""
        from connectors.ammon.files import opened

        if not isinstance(settings, AmmonSettings):
            raise TypeError("AmmonSettings expected")
        return opened(settings, surroundings)


connector = AmmonConnector()
