"""Any REST ERP, by a profile in TOML: how it is entered, paged, and where in its answers each field stands.

Nothing about any vendor is known here. `ammon-template` is such a profile with every value empty, for schools
that have Val Software's document; it claims nothing.

Light on purpose: settings and the entry point; the client is imported when a connection is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.tabular.digest import with_digest
from engine.ports import NO_EFFECT_ON_PLANS, Surroundings, System

if TYPE_CHECKING:
    from connectors.profile.client import ProfileClient


class ProfileSettings(BaseModel):
    """Access to one ERP, and the profile that says how it speaks. The names of credentials and filters are
    those under which Edusign's own connectors ask for them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(pattern=r"^https?://[^\s]+$", description="Base address of the API")
    profile: str = Field(min_length=1, description="The profile's TOML file, as the vendor's document has it")
    profile_digest: str = Field(
        default="", description="Of the profile's content; filled in by itself, whatever is given"
    )

    @model_validator(mode="before")
    @classmethod
    def _with_digest(cls, given: Any) -> Any:
        return with_digest(given, "connectors.profile")

    username: str = Field(default="", description="User, where the profile asks for one")
    password: str = Field(default="", description="Its password, as a reference such as env:ERP_PASSWORD")
    token: str = Field(default="", description="Token, as a reference such as env:ERP_TOKEN")
    structureId: tuple[str, ...] = Field(
        default=(), description="What {structure} stands for in the profile's queries"
    )
    filterActions: tuple[str, ...] = Field(
        default=(), description="What {action} stands for in the profile's queries"
    )
    accept_unverified: bool = Field(
        default=False,
        description="Declare on the profile's write of absences",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )
    timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        description="Longest wait for one answer, in seconds",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )


class ProfileConnector:
    """A REST ERP as a connector."""

    name: str = "profile"
    system: System = "erp"
    settings: type[BaseModel] = ProfileSettings
    horizon_days: int = 14
    example: Mapping[str, Any] = {
        "url": "https://erp.example",
        "profile": "builtin:demo",
        "username": "rollcall",
    }

    def open(self, settings: BaseModel, surroundings: Surroundings) -> ProfileClient:
        """A client of one ERP; nothing is sent yet. Raises TypeError for another connector's settings,
        BadRecipe where the profile can't be used."""
        from connectors.profile.client import ProfileClient
        from connectors.profile.recipe import load

        if not isinstance(settings, ProfileSettings):
            raise TypeError("ProfileSettings expected")
        return ProfileClient(settings, load(settings.profile), surroundings)


connector = ProfileConnector()
