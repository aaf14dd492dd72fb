"""Edusign, the attendance platform, through its public API v1.

Light on purpose: settings and the entry point; the client is imported when a connection is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from engine.ports import NO_EFFECT_ON_PLANS, Surroundings, System

if TYPE_CHECKING:
    from connectors.edusign.client import EdusignClient


class EdusignSettings(BaseModel):
    """One school's access to Edusign."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(min_length=1, description="API key, as a reference such as env:EDUSIGN_KEY")
    url: str = Field(
        default="https://ext.edusign.fr", pattern=r"^https?://[^\s]+$", description="Base address of the API"
    )
    timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        description="Longest wait for one answer, in seconds",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )
    requests_per_minute: int = Field(
        default=480,
        ge=1,
        description="Documented limit of one key; beyond it Edusign slows every call down",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )
    heavy_per_minute: int = Field(
        default=24,
        ge=1,
        description="Documented limit of one key on heavy routes (listing sheets, bulk reads)",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )
    accept_unverified: bool = Field(
        default=False,
        description="Declare on the writes for which only indirect evidence exists",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )


class EdusignConnector:
    """Edusign as a connector."""

    name: str = "edusign"
    system: System = "edusign"
    settings: type[BaseModel] = EdusignSettings
    horizon_days: int = 14
    example: Mapping[str, Any] = {"key": "env:EDUSIGN_KEY"}

    def open(self, settings: BaseModel, surroundings: Surroundings) -> EdusignClient:
        """A client of one school; nothing is sent yet. Raises TypeError for another connector's settings."""
        from connectors.edusign.client import EdusignClient

        if not isinstance(settings, EdusignSettings):
            raise TypeError("EdusignSettings expected")
        return EdusignClient(settings, surroundings)


connector = EdusignConnector()
