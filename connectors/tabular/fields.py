"""What a table of each sort may say of an ERP, and how its values are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import Field

from engine.records import Frozen

Sort: TypeAlias = Literal["learners", "speakers", "groups", "members", "sessions"]
SORTS: tuple[Sort, ...] = ("learners", "speakers", "groups", "members", "sessions")
"""`members`: who is in which group, a row each, where the learners' own rows do not say it."""

Certainty: TypeAlias = Literal["documented", "seen", "inferred", "unknown"]
"""How sure it is that an ERP's rows are as a profile says."""

_PERSON = ("key", "last_name", "first_name", "email", "phone")
FIELDS: Mapping[Sort, tuple[str, ...]] = {
    "learners": (*_PERSON, "groups"),
    "speakers": _PERSON,
    "groups": ("key", "name"),
    "members": ("learner", "group", "name"),
    "sessions": (
        "key", "name", "date", "start", "end", "room", "groups", "speakers", "learners", "cancelled",
    ),
}  # fmt: skip
"""What a table of each sort may say."""
NEEDED: Mapping[Sort, tuple[str, ...]] = {
    "learners": ("key", "last_name", "first_name", "email"),
    "speakers": ("key", "last_name", "first_name", "email"),
    "groups": ("key", "name"),
    "members": ("learner", "group"),
    "sessions": ("key", "name", "start", "end"),
}
"""What it must."""


class Conventions(Frozen):
    """How values are written. `dates`, `times`: strptime formats beside ISO's. `between`: what separates
    several codes in one cell. `longest`: characters after which a heading's values are cut."""

    dates: tuple[str, ...] = ("%d/%m/%Y", "%d-%m-%Y", "%d/%m/%y")
    times: tuple[str, ...] = ("%Hh%M", "%Hh")
    yes: tuple[str, ...] = ("1", "-1", "oui", "yes", "true", "vrai", "x", "o")
    between: str = ","
    longest: dict[str, int] = Field(default_factory=dict)
