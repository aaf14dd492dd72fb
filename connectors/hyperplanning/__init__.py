"""Hyperplanning (Index Éducation), read through its REST interface or its SOAP web service `hpsw`.

Light on purpose: settings and the entry point; the client is imported when a connection is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.ports import NO_EFFECT_ON_PLANS, Surroundings, System
from engine.words import _

if TYPE_CHECKING:
    from connectors.hyperplanning.client import HyperplanningClient


class HyperplanningSettings(BaseModel):
    """One school's access to Hyperplanning, and which of its data are meant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        pattern=r"^https?://[^\s]+$",
        description="Where the interface answers: for REST the whole prefix before /etudiants (it differs from "
        "school to school), for SOAP the address up to and including the root, usually /hpsw",
    )
    protocol: Literal["rest", "soap"] = Field(
        default="rest", description="Which of the two interfaces this server offers"
    )
    user: str = Field(min_length=1, description="Hyperplanning user of the web service")
    password: str = Field(
        min_length=1, description="Its password, as a reference such as env:HYPERPLANNING_PASSWORD"
    )
    email_field: str = Field(
        default="",
        pattern=r"^\w*$",
        description="Name of the e-mail field in REST answers; found out by itself when empty",
    )
    duration_unit: Literal["days", "hours", "minutes"] = Field(
        default="days", description="What REST counts `duree` in; SOAP counts in days"
    )
    td_groups: bool = Field(default=True, description="Whether TD groups and options become groups too")
    learners: Literal["in_groups", "all"] = Field(
        default="in_groups",
        description="Which learners are meant: those in a promotion, TD group or option, or all of the base",
    )
    learner_family: str = Field(
        default="", pattern=r"^\d*$", description="Key of the family by which learners are chosen"
    )
    learner_rubrics: tuple[str, ...] = Field(
        default=(), description="Keys of the rubrics of that family whose learners are meant"
    )
    course_family: str = Field(
        default="", pattern=r"^\d*$", description="Key of the family by which courses are chosen"
    )
    course_rubrics: tuple[str, ...] = Field(
        default=(), description="Keys of the rubrics of that family whose courses are meant"
    )
    accept_unverified: bool = Field(
        default=False,
        description="Whether absences are written although no document of the vendor's shows exactly how",
    )
    timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        description="Longest wait for one answer, in seconds",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )
    concurrency: int = Field(
        default=4,
        ge=1,
        le=16,
        description="Requests under way at the same time",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )
    keys_per_request: int = Field(
        default=200,
        ge=1,
        le=1000,
        description="Keys named in one REST request; a proxy with short addresses may want fewer",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )

    @model_validator(mode="after")
    def _whole_filters(self) -> HyperplanningSettings:
        for family, rubrics in (
            (self.learner_family, self.learner_rubrics),
            (self.course_family, self.course_rubrics),
        ):
            if bool(family) != bool(rubrics):
                raise ValueError(_("a family together with at least one of its rubrics"))
            if family and self.protocol == "soap":
                raise ValueError(
                    _("no families or rubrics where the protocol is soap: they are read through REST")
                )
        return self


class HyperplanningConnector:
    """Hyperplanning as a connector."""

    name: str = "hyperplanning"
    system: System = "erp"
    settings: type[BaseModel] = HyperplanningSettings
    horizon_days: int = 14
    example: Mapping[str, Any] = {
        "url": "https://hp.example",
        "user": "rollcall",
        "password": "env:HYPERPLANNING_PASSWORD",
    }

    def open(self, settings: BaseModel, surroundings: Surroundings) -> HyperplanningClient:
        """A client of one school; nothing is sent yet. Raises TypeError for another connector's settings."""
        from connectors.hyperplanning.client import HyperplanningClient

        if not isinstance(settings, HyperplanningSettings):
            raise TypeError("HyperplanningSettings expected")
        return HyperplanningClient(settings, surroundings)


connector = HyperplanningConnector()
