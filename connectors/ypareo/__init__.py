"""Yparéo (Ymag), read through its REST web services.

Light on purpose: settings and the entry point; the client is imported when a connection is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.ports import NO_EFFECT_ON_PLANS, Surroundings, System

if TYPE_CHECKING:
    from connectors.ypareo.client import YpareoClient


class YpareoSettings(BaseModel):
    """One tenant's access to Yparéo, and which of its data are meant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        pattern=r"^https?://[^\s]+$", description="Address of the tenant, with or without /index.php"
    )
    token: str = Field(min_length=1, description="Web-service token, as a reference such as env:YPAREO_TOKEN")
    email: Literal["personal", "portal", "portal_then_personal"] = Field(
        default="personal",
        description="Which of a learner's two e-mails: the address of the file, the portal user's, "
        "or the portal's where there is one",
    )
    rooms: dict[str, str] = Field(default_factory=dict, description="Room names by room code (codeSalle)")
    sites: tuple[str, ...] = Field(
        default=(), description="Names of the sites whose learners are meant; all when empty"
    )
    timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        description="Longest wait for one answer, in seconds",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )
    accept_unverified: bool = Field(
        default=False,
        description="Declare on the write of absences, which no public document shows: it needs the vendor's "
        "own and an expert token; the routes and names below are then what is sent",
    )
    absence_create: str = Field(
        default="POST /r/v1/absences",
        pattern=r"^((POST|PUT) /[^\s]+)?$",
        description="How an absence is made (assumed)",
    )
    absence_change: str = Field(
        default="PUT /r/v1/absences/{code}",
        pattern=r"^((POST|PUT|PATCH) /[^\s]+)?$",
        description="How an absence is changed (assumed)",
    )
    absence_remove: str = Field(
        default="DELETE /r/v1/absences/{code}",
        pattern=r"^((POST|DELETE) /[^\s]+)?$",
        description="How an absence is taken back (assumed)",
    )
    absence_fields: dict[str, str] = Field(
        default_factory=dict,
        description="Other names of what is sent, by the name it is read under, such as codeApprenant",
    )
    absence_reasons: dict[str, str] = Field(
        default_factory=dict,
        description="The school's motives, name by code (codeMotifAbsence): no route lists them",
    )
    planning_concurrency: int = Field(
        default=4,
        ge=1,
        le=16,
        description="Group plannings asked for at the same time",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )


class YpareoConnector:
    """Yparéo as a connector."""

    name: str = "ypareo"
    system: System = "erp"
    settings: type[BaseModel] = YpareoSettings
    horizon_days: int = 7
    example: Mapping[str, Any] = {"url": "https://ypareo.example", "token": "env:YPAREO_TOKEN"}

    def open(self, settings: BaseModel, surroundings: Surroundings) -> YpareoClient:
        """A client of one tenant; nothing is sent yet. Raises TypeError for another connector's settings."""
        from connectors.ypareo.client import YpareoClient

        if not isinstance(settings, YpareoSettings):
            raise TypeError("YpareoSettings expected")
        return YpareoClient(settings, surroundings)


connector = YpareoConnector()
