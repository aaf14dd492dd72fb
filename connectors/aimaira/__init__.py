"""Aimaira, read and written through its OData v4 service `GraphV1`.

Built from the vendor's public documents of April 2026 and a school's working client; not yet run against a
live system. Light on purpose: settings and the entry point; the client is imported when a connection is
opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.ports import NO_EFFECT_ON_PLANS, Surroundings, System

if TYPE_CHECKING:
    from connectors.aimaira.client import AimairaClient


class AimairaReason(BaseModel):
    """A reason of Aimaira's that an administrator looked up: no document names the entity that lists them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int = Field(gt=0, description="Its MotifId")
    name: str = Field(min_length=1, description="Its text")
    justifies: bool = Field(default=False, description="Whether an absence with this reason is justified")
    late: bool = Field(default=False, description="Whether it is a reason of lateness")


class AimairaSettings(BaseModel):
    """One environment of one customer (production and pre-production each have their own)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(pattern=r"^https?://[^\s]+$", description="Address, with or without /GraphV1")
    user: str = Field(default="", description="User as Aimaira gave it, such as ORGANISATION\\api@aimaira.fr")
    password: str = Field(default="", description="Password, as a reference such as env:AIMAIRA_PASSWORD")
    api_key: str = Field(default="", description="API key in place of user and password, as a reference")
    campuses: tuple[str, ...] = Field(
        default=(), description="Names or codes of the campuses that are meant; all when empty"
    )
    exams: bool = Field(default=False, description="Whether exams become sheets too")
    speaker_email: Literal["mail", "school", "school_then_mail"] = Field(
        default="mail",
        description="Which of a teacher's e-mails: the address, the school's, "
        "or the school's where there is one",
    )
    reasons: tuple[AimairaReason, ...] = Field(default=(), description="The reasons absences may be given")
    provenance: str = Field(
        default="",
        description="What is written as a mark's origin (ProvenancePresence), left as it stands when empty",
    )
    accept_unverified: bool = Field(
        default=False,
        description="Also write lateness, early leaving and exclusion, whose fields are documented "
        "but not what they mean together",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )
    timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        description="Longest wait for one answer, in seconds",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> AimairaSettings:
        if bool(self.api_key) == bool(self.user and self.password) or bool(self.user) != bool(self.password):
            raise ValueError("either user and password, or api_key")
        return self


class AimairaConnector:
    """Aimaira as a connector."""

    name: str = "aimaira"
    system: System = "erp"
    settings: type[BaseModel] = AimairaSettings
    horizon_days: int = 14
    example: Mapping[str, Any] = {"url": "https://aimaira.example", "api_key": "env:AIMAIRA_KEY"}

    def open(self, settings: BaseModel, surroundings: Surroundings) -> AimairaClient:
        """A client of one environment; nothing is sent yet. Raises TypeError for another's settings."""
        from connectors.aimaira.client import AimairaClient

        if not isinstance(settings, AimairaSettings):
            raise TypeError("AimairaSettings expected")
        return AimairaClient(settings, surroundings)


connector = AimairaConnector()
