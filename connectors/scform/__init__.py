"""SC-Form (Galia, Gessica, Sofia), through the attendance API of its extranet.

Light on purpose: settings and the entry point; the client is imported when a connection is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from engine.ports import NO_EFFECT_ON_PLANS, Surroundings, System

if TYPE_CHECKING:
    from connectors.scform.client import ScFormClient

Mailbox: TypeAlias = Literal["personal", "professional", "personal_first", "professional_first"]


class ScFormSettings(BaseModel):
    """One customer's access to SC-Form, and which of its data are meant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        pattern=r"^https?://[^\s]+$", description="Address of the extranet, such as https://school.sc-form.net"
    )
    product: Literal["galia", "gessica", "sofia"] = Field(
        default="galia", description="Which of the three products the school runs"
    )
    user: str = Field(min_length=1, description="Portal user with the right to see all plannings")
    password: str = Field(min_length=1, description="Its password, as a reference such as env:SCFORM_PASSWORD")
    societies: tuple[str, ...] = Field(
        default=(), description="Numbers of the sociétés (legal entities) that are meant; all when empty"
    )
    day_before_month: tuple[str, ...] = Field(
        default=(),
        description="Numbers of the sociétés that read a date in a question as year-day-month. "
        "`rollcall check` says when one does",
    )
    groups: Literal["action", "parcours_group"] = Field(
        default="action", description="What becomes a group: the training action, or the group of the parcours"
    )
    session_types: tuple[Literal[1, 2, 3], ...] = Field(
        default=(1,),
        description="Whose attendance is taken: 1 at the centre, 2 self-study, 3 in the company",
    )
    sector: str = Field(default="", max_length=2, description="Sector (CSecteur) whose data are meant")
    learner_email: Mailbox = Field(default="personal_first", description="Which of a learner's two e-mails")
    speaker_email: Mailbox = Field(default="professional_first", description="Which of a speaker's two e-mails")
    single_speaker: bool = Field(
        default=False,
        description="One speaker really holds every session: that is then no sign of an account that sees "
        "its own sessions only",
    )
    absence_type: str = Field(
        default="", description="ID of the absence type (TYPABSEN) of an absence that is not justified"
    )
    late_type: str = Field(
        default="", description="ID of the absence type of lateness; the first with Retard when empty"
    )
    justified_types: tuple[str, ...] = Field(
        default=(),
        description="IDs of the absence types that count as justified; the first is written. Types then say "
        "whether an absence is justified; without any they say its reason, by the [export] table",
    )
    accept_unverified: bool = Field(
        default=False,
        description="Declare on the absence write, which is known from a summary of the vendor's document only",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )
    chunk_days: int = Field(
        default=14,
        ge=1,
        le=31,
        description="Days of sessions asked for at once; halved when an answer does not come in time",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )
    timeout_seconds: float = Field(
        default=180.0,
        gt=0,
        description="Longest wait for one answer, in seconds",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )


class ScFormConnector:
    """SC-Form as a connector."""

    name: str = "scform"
    system: System = "erp"
    settings: type[BaseModel] = ScFormSettings
    horizon_days: int = 14
    example: Mapping[str, Any] = {
        "url": "https://school.sc-form.example",
        "user": "rollcall",
        "password": "env:SCFORM_PASSWORD",
    }

    def open(self, settings: BaseModel, surroundings: Surroundings) -> ScFormClient:
        """A client of one customer; nothing is sent yet. Raises TypeError for another connector's settings."""
        from connectors.scform.client import ScFormClient

        if not isinstance(settings, ScFormSettings):
            raise TypeError("ScFormSettings expected")
        return ScFormClient(settings, surroundings)


connector = ScFormConnector()
