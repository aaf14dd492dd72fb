"""A profile: which file holds what, under which headings, and how its values are written.

Saved as TOML with a version, and with all the headings there were then: a heading that is renamed later is
refused by name, a new one is reported.
"""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Iterable
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator

from connectors.tabular.fields import FIELDS, NEEDED, SORTS, Certainty, Conventions, Sort
from connectors.tabular.toml import toml_text
from engine.records import Frozen


class BadProfile(ValueError):
    """A profile that can't be used; the message names the place."""


class TableProfile(Frozen):
    """One table.

    `file`: pattern of its name, of several files the newest. `certainty`: of its headings. `columns`: our
    field → its heading. `headings`: all there were when it was saved. `only`: rows whose cell (a list of codes)
    under a heading holds a code. `ended`: cells by which the ERP says that the record is over.
    """

    file: str = Field(min_length=1)
    certainty: Certainty = "unknown"
    worksheet: str = ""
    columns: dict[str, str]
    headings: tuple[str, ...] = ()
    only: dict[str, str] = Field(default_factory=dict)
    ended: dict[str, str] = Field(default_factory=dict)

    def takes(self, name: str) -> bool:
        """Whether a file of this name is meant; half-made and hidden ones never are."""
        low = name.lower()
        if low.startswith(("~", ".")) or low.endswith((".tmp", ".part", ".filepart", ".crdownload")):
            return False
        return fnmatchcase(low, self.file.lower())

    @property
    def relied_on(self) -> tuple[str, ...]:
        """The headings without which the table says something else."""
        return tuple(dict.fromkeys((*self.columns.values(), *self.only, *self.ended)))


class FormProfile(Frozen):
    """The file by which people bring absences into the ERP: heading → what stands under it (`connectors.
    files.form` names what there is). `states`: the ERP's words for absent, present, excluded."""

    name: str = "absences-{date}.csv"
    columns: dict[str, str] = Field(default_factory=dict)
    states: dict[str, str] = Field(default_factory=dict)
    yes: str = "1"
    no: str = "0"
    date: str = "%d/%m/%Y"
    time: str = "%H:%M"
    between: str = ";"


class FileProfile(Frozen):
    """A whole profile. `source` says what it stands on and how sure that is."""

    name: str = Field(min_length=1)
    version: int = Field(default=1, ge=1)
    source: str = ""
    learners: TableProfile | None = None
    speakers: TableProfile | None = None
    groups: TableProfile | None = None
    members: TableProfile | None = None
    sessions: TableProfile | None = None
    conventions: Conventions = Conventions()
    form: FormProfile = FormProfile()

    @field_validator(*SORTS, mode="after")
    @classmethod
    def _whole(cls, table: TableProfile | None, info: Any) -> TableProfile | None:
        if table is not None:
            sort: Sort = info.field_name
            if strange := [name for name in table.columns if name not in FIELDS[sort]]:
                raise ValueError(f"no field {strange[0]}; there are {', '.join(FIELDS[sort])}")
            if missing := [name for name in NEEDED[sort] if not table.columns.get(name)]:
                raise ValueError(f"no column for {missing[0]}")
        return table

    def table(self, sort: Sort) -> TableProfile | None:
        found: TableProfile | None = getattr(self, sort)
        return found


def built_in(name: str) -> str:
    """The text of a profile that comes with Rollcall. Raises BadProfile."""
    for package in ("connectors.files", "connectors.ammon"):
        place = files(package).joinpath("profiles", f"{name}.toml")
        if place.is_file():
            return place.read_text(encoding="utf-8")
    raise BadProfile(f"no profile {name} comes with Rollcall")


def load(*given: str) -> FileProfile:
    """A profile from one or several texts or paths, later ones over earlier ones, table by table.

    `builtin:NAME` is one that comes with Rollcall. Raises BadProfile."""
    merged: dict[str, Any] = {}
    for one in given:
        for name, value in _parsed(one).items():
            both = isinstance(value, dict) and isinstance(merged.get(name), dict) and name not in SORTS
            merged[name] = {**merged[name], **value} if both else value
    try:
        return FileProfile.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadProfile(f"{given[-1]}: {place}: {first['msg']}") from None


def _parsed(given: str) -> dict[str, Any]:
    if given.startswith("builtin:"):
        text = built_in(given.removeprefix("builtin:"))
    else:
        try:
            text = Path(given).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadProfile(f"{given}: {error}") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadProfile(f"{given}: {error}") from None


def dumped(profile: FileProfile) -> str:
    """A profile as TOML, which `load` reads back."""
    given = profile.model_dump(mode="json", exclude_defaults=True)
    return toml_text({"name": profile.name, "version": profile.version, **given})


def same(heading: str) -> str:
    """The form in which two headings are compared: white space, case and composition do not matter."""
    return " ".join(unicodedata.normalize("NFC", heading).split()).casefold()


def places(headings: Iterable[str], wanted: Iterable[str]) -> tuple[dict[str, int], list[str], list[str]]:
    """Where each wanted heading stands; those that are nowhere; and those that stand twice."""
    at: dict[str, list[int]] = {}
    for n, heading in enumerate(headings):
        at.setdefault(same(heading), []).append(n)
    found: dict[str, int] = {}
    gone: list[str] = []
    twice: list[str] = []
    for heading in wanted:
        match at.get(same(heading), []):
            case [one]:
                found[heading] = one
            case []:
                gone.append(heading)
            case _:
                twice.append(heading)
    return found, gone, twice
