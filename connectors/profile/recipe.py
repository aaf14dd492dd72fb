"""What a profile of a REST ERP may say: frozen models of its TOML.

Placeholders in paths, queries and bodies: {from} and {to} (first and last local date), {after} (the day after
the last), {structure}, {action}, {username}, {password}, {token}. A query whose value comes out empty is left
away.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from connectors.tabular.fields import FIELDS, NEEDED, SORTS, Conventions, Sort
from connectors.tabular.toml import toml_text
from engine.records import Frozen

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

_PATH = re.compile(r"/[^?#\s]*")
_FIELD = re.compile(r"[^\s.\[\]]+(\[(\d+)?\])*(\.[^\s.\[\]]+(\[(\d+)?\])*)*")


class BadRecipe(ValueError):
    """A profile that can't be used; the message names the place."""


def _path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise ValueError("a path that begins with / and has no query")
    return text


class Login(Frozen):
    """A call that gives a token: what is sent, and where in its answer the token stands."""

    path: str
    method: Method = "POST"
    send: Literal["json", "form"] = "json"
    body: dict[str, str] = Field(default_factory=dict)
    token: str = Field(min_length=1)

    _path = field_validator("path")(_path)


class Auth(Frozen):
    """How one is let in. `name`: of the header or query parameter. `headers`: more of them on every call."""

    kind: Literal["none", "basic", "bearer", "header", "query", "login"]
    name: str = ""
    login: Login | None = None
    headers: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> Auth:
        if self.kind in ("header", "query") and not self.name:
            raise ValueError(f"name is needed where kind is {self.kind}")
        if self.kind == "login" and self.login is None:
            raise ValueError("login is needed where kind is login")
        return self


class Paging(Frozen):
    """How a listing goes on. `page` and `offset`: parameters `param` and `size_param` (of `size` rows), from
    `first` on. `next`: where in an answer the address of the next page stands. `total`: where the number of
    all rows stands, if anywhere."""

    kind: Literal["none", "page", "offset", "next"] = "none"
    param: str = ""
    first: int = 0
    size_param: str = ""
    size: int = Field(default=100, ge=1)
    next: str = ""
    total: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Paging:
        if self.kind in ("page", "offset") and not self.param:
            raise ValueError(f"param is needed where kind is {self.kind}")
        if self.kind == "next" and not self.next:
            raise ValueError("next is needed where kind is next")
        return self


class Entity(Frozen):
    """One listing. `rows`: where in the answer the rows stand ("" for the answer itself). `fields`: our field
    → where in a row it stands, such as `name.last`, `groups[].id`. `ended`, `only`: what stands in rows that
    are over, and in rows that are meant. `seen`: the fields there were when it was saved."""

    path: str
    method: Literal["GET", "POST"] = "GET"
    query: dict[str, str] = Field(default_factory=dict)
    body: dict[str, str] = Field(default_factory=dict)
    rows: str = ""
    fields: dict[str, str]
    ended: dict[str, str] = Field(default_factory=dict)
    only: dict[str, str] = Field(default_factory=dict)
    seen: tuple[str, ...] = ()
    paging: Paging = Paging()

    _path = field_validator("path")(_path)

    @field_validator("fields", "ended", "only")
    @classmethod
    def _places(cls, given: dict[str, str], info: Any) -> dict[str, str]:
        for name, place in given.items():
            if not _FIELD.fullmatch(place if info.field_name == "fields" else name):
                raise ValueError(f"{name}: a place such as name.last or groups[].id")
        return given


class Write(Frozen):
    """How one absence is written and taken back. Placeholders beside the usual: {session}, {learner}, {date},
    {start}, {end}, {state}, {minutes}, {reason}, {justified}, and {key} of the row that stands."""

    method: Method = "POST"
    path: str
    body: dict[str, str] = Field(default_factory=dict)
    delete_method: Method = "DELETE"
    delete_path: str
    states: dict[str, str]
    yes: str = "true"
    no: str = "false"

    _path = field_validator("path", "delete_path")(_path)

    @field_validator("states")
    @classmethod
    def _known(cls, given: dict[str, str]) -> dict[str, str]:
        known = ("absent", "late", "left_early", "excluded")
        if strange := [name for name in given if name not in known]:
            raise ValueError(f"no state {strange[0]}; there are {', '.join(known)}")
        if "absent" not in given:
            raise ValueError("absent is needed")
        return given


ABSENCE_FIELDS = ("key", "session", "learner", "state", "minutes", "start", "end", "reason", "justified")


class Recipe(Frozen):
    """A whole profile. `source`: the document it follows."""

    name: str = Field(min_length=1)
    version: int = Field(default=1, ge=1)
    source: str = ""
    query_date: str = Field(default="%Y-%m-%d", min_length=1)
    auth: Auth
    speakers: Entity | None = None
    learners: Entity | None = None
    groups: Entity | None = None
    members: Entity | None = None
    sessions: Entity | None = None
    absences: Entity | None = None
    write: Write | None = None
    conventions: Conventions = Conventions()

    @field_validator(*SORTS, "absences", mode="after")
    @classmethod
    def _whole(cls, entity: Entity | None, info: Any) -> Entity | None:
        if entity is None:
            return None
        name = info.field_name
        known = ABSENCE_FIELDS if name == "absences" else FIELDS[name]
        needed = ABSENCE_FIELDS[:4] if name == "absences" else NEEDED[name]
        if strange := [field for field in entity.fields if field not in known]:
            raise ValueError(f"no field {strange[0]}; there are {', '.join(known)}")
        if missing := [field for field in needed if not entity.fields.get(field)]:
            raise ValueError(f"no place for {missing[0]}")
        return entity

    @model_validator(mode="after")
    def _writes_what_it_reads(self) -> Recipe:
        if self.write is not None and self.absences is None:
            raise ValueError("a write needs [absences], by which it is read back")
        return self

    def entity(self, sort: Sort) -> Entity | None:
        found: Entity | None = getattr(self, sort)
        return found

    def uses(self, placeholder: str) -> bool:
        """Whether any question of it uses a placeholder."""
        asked = [one for one in (*(self.entity(sort) for sort in SORTS), self.absences) if one is not None]
        texts = [text for one in asked for text in (one.path, *one.query.values(), *one.body.values())]
        return any(f"{{{placeholder}}}" in text for text in texts)


def template(name: str = "ammon-template") -> str:
    """The text of a profile that comes with Rollcall. Raises BadRecipe."""
    place = files("connectors.profile").joinpath("profiles", f"{name}.toml")
    if not place.is_file():
        raise BadRecipe(f"no profile {name} comes with Rollcall")
    return place.read_text(encoding="utf-8")


def read(given: str) -> dict[str, Any]:
    """A profile's TOML as plain data; `builtin:NAME` comes with Rollcall. Raises BadRecipe."""
    try:
        if given.startswith("builtin:"):
            return tomllib.loads(template(given.removeprefix("builtin:")))
        return tomllib.loads(Path(given).expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadRecipe(f"{given}: {error}") from None


def load(given: str) -> Recipe:
    """A profile from its file. Raises BadRecipe."""
    return parsed(read(given), given)


def parsed(data: Mapping[str, Any], given: str) -> Recipe:
    """A profile from plain data; `given` is what a mistake is told of. Raises BadRecipe."""
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadRecipe(f"{given}: {place}: {first['msg']}") from None


def dumped(data: Mapping[str, Any]) -> str:
    """Plain data as TOML, which `read` reads back."""
    return toml_text(data)
