"""Auriga (once Aurion), read through saved queries and its planning API; download only.

Legacy Aurion's web service is not known at all: a school that still runs it exports files. Light on purpose:
settings and the entry point; the client is imported when a connection is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.ports import NO_EFFECT_ON_PLANS, Surroundings, System

if TYPE_CHECKING:
    from connectors.aurion.client import AurionClient


class AurionSettings(BaseModel):
    """One school's access to Auriga, and the saved queries it made for this.

    A menu entry of 0 is looked up among the user's menus by the query's id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(pattern=r"^https?://[^\s]+$", description="Address of Auriga, without /api")
    keycloak_url: str = Field(
        pattern=r"^https?://[^\s]+$", description="Address of Keycloak, up to what comes before /realms"
    )
    realm: str = Field(min_length=1, description="Realm: what follows /realms/ in Keycloak's addresses")
    client_id: str = Field(min_length=1, description="Client id")
    client_secret: str = Field(
        min_length=1, description="Client secret, as a reference such as env:AURIGA_CLIENT"
    )
    user: str = Field(min_length=1, description="User of the service account")
    password: str = Field(min_length=1, description="Password, as a reference such as env:AURIGA_PASSWORD")
    interventions_query: int = Field(
        default=0,
        ge=0,
        description="Id of the saved query of interventions (interventionsDetailFavoriteQueryId)",
    )
    interventions_menu: int = Field(default=0, ge=0, description="Its menu entry")
    interventions_days: int = Field(
        default=14,
        ge=1,
        description="Days it was saved for, from today on; nothing is concluded from what it cannot show",
    )
    groups_query: int = Field(
        default=0, ge=0, description="Id of the saved query of populations (GroupesDetailFavoriteQueryId)"
    )
    groups_menu: int = Field(default=0, ge=0, description="Its menu entry")
    learners_query: int = Field(default=0, ge=0, description="Id of a saved query of all learners")
    learners_menu: int = Field(default=0, ge=0, description="Its menu entry")
    speakers_query: int = Field(default=0, ge=0, description="Id of a saved query of all instructors")
    speakers_menu: int = Field(default=0, ge=0, description="Its menu entry")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="What the queries call a column, by our name for it (title, learnerEmail …), where the two "
        "differ: its label, its field, or path.field",
    )
    sessions_from: Literal["query", "planning"] = Field(
        default="query",
        description="Where sessions come from: the saved query, or the planning of the service account, "
        "with the members of its populations",
    )
    planning_menu: int = Field(
        default=0, ge=0, description="Menu entry under which one intervention is read by its id; 0: not at all"
    )
    skip_activities: tuple[str, ...] = Field(
        default=("EVENEMENT",), description="Codes of activities that make no sheet"
    )
    page_size: int = Field(
        default=100,
        ge=1,
        le=300,
        description="Lines asked for at once; more than 300 was never seen",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )
    timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        description="Longest wait for one answer, in seconds",
        json_schema_extra=NO_EFFECT_ON_PLANS,
    )

    @model_validator(mode="after")
    def _somewhere_to_read(self) -> AurionSettings:
        if self.sessions_from == "query" and not self.interventions_query:
            raise ValueError("interventions_query, unless sessions_from is planning")
        if self.sessions_from == "planning" and not self.groups_query:
            raise ValueError("groups_query beside sessions_from planning, which names populations only")
        return self


class AurionConnector:
    """Auriga as a connector."""

    name: str = "aurion"
    system: System = "erp"
    settings: type[BaseModel] = AurionSettings
    horizon_days: int = 14
    example: Mapping[str, Any] = {
        "url": "https://auriga.example",
        "keycloak_url": "https://auriga.example/auth",
        "realm": "school",
        "client_id": "edusign",
        "client_secret": "env:AURIGA_CLIENT",
        "user": "rollcall",
        "password": "env:AURIGA_PASSWORD",
        "interventions_query": 1,
    }

    def open(self, settings: BaseModel, surroundings: Surroundings) -> AurionClient:
        """A client of one school; nothing is sent yet. Raises TypeError for another connector's settings."""
        from connectors.aurion.client import AurionClient

        if not isinstance(settings, AurionSettings):
            raise TypeError("AurionSettings expected")
        return AurionClient(settings, surroundings)


connector = AurionConnector()
