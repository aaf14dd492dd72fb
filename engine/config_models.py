"""What a configuration holds, once read: frozen models, and the limits of R29."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import phonenumbers
import platformdirs
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    SerializeAsAny,
    field_validator,
    model_validator,
)

from engine.records import Frozen, Kind
from engine.secrets import is_secret_field
from engine.windows import Duration, Window, as_tuple, default_windows, known_zone
from engine.words import _

SOCKET_NAME = "engine.sock"
_SOCKET_LIMIT = 107  # bytes in sockaddr_un.sun_path, less the closing zero


class Limit(Frozen):
    """How much of one verb and kind goes without approval (R29).

    `share` is of that kind's linked records, `count` a number of records; only what exceeds *both* is held, so
    that a small school is not held for one departure, nor a big one for forty of twenty thousand.
    """

    share: float = Field(ge=0, le=1, allow_inf_nan=False)
    count: int = Field(ge=0)


def _limit(share: float, count: int) -> Limit:
    return Limit(share=share, count=count)


# Tight where a change takes something away from people, wider where it corrects, widest where sheets come and
# move as planning does. No limit on "create sheet" before 2000: a new planning week is ordinary work, and a
# first fill of an empty Edusign is covered by compare-only (R43). "remove" and "add" count the sheets whose
# roster changes.
DEFAULT_LIMITS: Mapping[str, Limit] = {
    "archive learner": _limit(0.05, 3),
    "archive speaker": _limit(0.05, 2),
    "withdraw sheet": _limit(0.05, 5),
    "seal sheet": _limit(0.05, 5),
    "remove group": _limit(0.10, 20),
    "remove sheet": _limit(0.10, 20),
    "add group": _limit(0.30, 100),
    "add sheet": _limit(0.30, 200),
    "update learner": _limit(0.20, 20),
    "update speaker": _limit(0.20, 5),
    "update group": _limit(0.30, 10),
    "update sheet": _limit(0.40, 40),
    "restore learner": _limit(0.10, 10),
    "restore speaker": _limit(0.10, 5),
    "link learner": _limit(0.30, 50),
    "link speaker": _limit(0.30, 20),
    "link group": _limit(0.50, 20),
    "link sheet": _limit(0.50, 200),
    "create learner": _limit(0.30, 50),
    "create speaker": _limit(0.30, 20),
    "create group": _limit(0.50, 20),
    "create sheet": _limit(1.00, 2000),
    "any of one group": _limit(0.60, 25),  # per verb, over the sheets of one group
    # Of the absence export: of the people on the sheets delivered, and of all that was delivered.
    "deliver absence": _limit(0.50, 60),
    "update absence": _limit(0.20, 50),
    "retract absence": _limit(0.05, 10),
}


def default_folder(env: Mapping[str, str] = os.environ) -> Path:
    """Where state, log and socket live: the unit's StateDirectory=, /var/lib/rollcall for root, else the
    user's own state folder."""
    if given := env.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/lib/rollcall")
    return Path(platformdirs.user_state_dir("rollcall"))


def nearest(word: str, words: Iterable[str]) -> str:
    """` (perhaps "…")` with the one of `words` nearest to `word`, "" where none is near."""
    close = difflib.get_close_matches(word, list(words), n=1)
    return _(' (perhaps "{word}")').format(word=close[0]) if close else ""


def _absolute(folder: Path) -> Path:
    try:
        folder = folder.expanduser()
    except RuntimeError:
        raise ValueError(_("an absolute path")) from None
    if not folder.is_absolute():
        raise ValueError(_("an absolute path"))
    if len(os.fsencode(folder / SOCKET_NAME)) > _SOCKET_LIMIT:
        raise ValueError(_("a shorter path: a socket must fit in it"))
    return folder


def _group_names(given: Any) -> Any:
    return (given,) if isinstance(given, str) else as_tuple(given)


def _country(code: str) -> str:
    if code not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(_('a country code of two capitals, such as "FR"'))
    return code


def connection_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name):
        raise ValueError(_("a connection name of lower-case letters, digits, - and _"))
    return name


def _limit_name(name: str) -> str:
    if name not in DEFAULT_LIMITS:
        raise ValueError(_("a verb and a kind{nearest}").format(nearest=nearest(name, DEFAULT_LIMITS)))
    return name


_Words: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_group_names)]


class EngineConfig(Frozen):
    """`folder` holds state, log and socket: an absolute path, `~` allowed. `group`: the Unix group that may
    reach the socket ("" for the engine's own); what its members may do, the roles say."""

    folder: Annotated[Path, AfterValidator(_absolute)] = Field(default_factory=default_folder)
    group: str = ""

    @property
    def socket(self) -> Path:
        """The engine's Unix socket."""
        return self.folder / SOCKET_NAME


class RolesConfig(Frozen):
    """Unix groups whose members have each role."""

    viewer: _Words = ()
    operator: _Words = ()
    approver: _Words = ()
    admin: _Words = ()


class ExportOptions(Frozen):
    """What of the attendance on Edusign's sheets goes to the ERP, and for how long it is corrected there.

    `on`: whether anything goes. Absences always do; `late`, `left_early`, `excluded` and `speakers` only when
    switched on, since not every ERP knows what to do with them, and what is once in there counts.
    `repush_days`: how many days back sheets are looked at again (R27). `deadline`: how long after its end a
    sheet should be locked; it makes nobody absent (R25). `reasons`: from an Edusign reason to the ERP's, by
    name or id. `fallback_reason`: the ERP's reason of those not mapped, needed where the ERP takes reasons;
    `late_reason` the same for lateness, the fallback where it is "".
    """

    on: bool = True
    late: bool = False
    left_early: bool = False
    excluded: bool = False
    speakers: bool = False
    repush_days: int = Field(default=14, ge=1, le=120)
    deadline: Duration = timedelta(hours=24)
    reasons: dict[str, str] = Field(default_factory=dict)
    fallback_reason: str = ""
    late_reason: str = ""

    def fingerprint(self) -> str:
        """SHA-256 over everything that changes what an export would write (R31), in hexadecimal."""
        mattering = self.model_dump(mode="json", exclude={"on", "repush_days", "deadline"})
        return hashlib.sha256(json.dumps(mattering, sort_keys=True).encode()).hexdigest()


class ConnectionOptions(Frozen):
    """What a connection's own table says; see `ConnectionConfig`."""

    erp: str
    zone: Annotated[str, AfterValidator(known_zone)] = "Europe/Paris"
    country: Annotated[str, AfterValidator(_country)] = "FR"
    horizon_days: int = Field(default=14, ge=1, le=120)
    removals_after: Duration = timedelta(days=7)
    stand_in_speaker: str = ""
    compare_only: bool = True
    windows: Annotated[tuple[Window, ...], BeforeValidator(as_tuple)] = ()
    limits: dict[Annotated[str, AfterValidator(_limit_name)], Limit] = Field(default_factory=dict)
    export: ExportOptions = Field(default_factory=ExportOptions)

    @model_validator(mode="before")
    @classmethod
    def _with_windows(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        zone = given.get("zone", "Europe/Paris")
        windows = given.get("windows")
        if windows is None:
            # An unknown zone is reported for itself.
            return {**given, "windows": default_windows(zone)} if _is_zone(zone) else given
        if isinstance(windows, list):
            inherited = [{"zone": zone, **one} if isinstance(one, dict) else one for one in windows]
            return {**given, "windows": inherited}
        return given

    @field_validator("removals_after")
    @classmethod
    def _not_for_ever(cls, after: timedelta) -> timedelta:
        if after > timedelta(days=366):
            raise ValueError(_("a duration of at most a year"))
        return after

    @field_validator("windows")
    @classmethod
    def _told_apart(cls, windows: tuple[Window, ...]) -> tuple[Window, ...]:
        names = Counter((window.flow, window.name) for window in windows)
        for (flow, name), times in names.items():
            if times > 1:
                raise ValueError(
                    _('{flow} windows with different names (two are "{name}")').format(flow=flow, name=name)
                )
        return windows


class ConnectionConfig(ConnectionOptions):
    """One ERP joined to one Edusign school.

    `zone` (IANA) is the school's local time, `country` (ISO 3166 alpha-2) reads its phone numbers,
    `horizon_days` counts today. `windows` without any given are the two default imports and exports. `limits`
    overrides `DEFAULT_LIMITS`. `export` is the absence export's. `edusign` and `settings` are the two
    connectors' own settings, `settings` the ERP's. `compare_only` is how the connection starts (R43),
    `removals_after` what follows it.
    """

    name: Annotated[str, AfterValidator(connection_name)]
    edusign: SerializeAsAny[BaseModel]
    settings: SerializeAsAny[BaseModel]

    def limit(self, verb: str, kind: Kind) -> Limit | None:
        """The brake on `verb` for `kind`; None where there is none (R29)."""
        key = f"{verb} {kind}"
        return self.limits.get(key) or DEFAULT_LIMITS.get(key)

    def fingerprint(self) -> str:
        """SHA-256 over everything that changes what an import would do (R31), in hexadecimal.

        Not in it: secrets and their references, windows, limits, and the stages of first contact.
        """
        mattering = {
            "erp": self.erp,
            "zone": self.zone,
            "country": self.country,
            "horizon_days": self.horizon_days,
            "stand_in_speaker": self.stand_in_speaker,
            "edusign": _mattering(self.edusign),
            "settings": _mattering(self.settings),
        }
        return hashlib.sha256(json.dumps(mattering, sort_keys=True).encode()).hexdigest()


class Config(Frozen):
    """The whole configuration, checked."""

    engine: EngineConfig = Field(default_factory=EngineConfig)
    connections: dict[str, ConnectionConfig] = Field(default_factory=dict)
    roles: RolesConfig = Field(default_factory=RolesConfig)


def _is_zone(zone: object) -> bool:
    try:
        return isinstance(zone, str) and bool(known_zone(zone))
    except ValueError:
        return False


def _mattering(settings: BaseModel) -> dict[str, Any]:
    left_out = {
        name
        for name, field in type(settings).model_fields.items()
        if is_secret_field(name)
        or (isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("fingerprint") is False)
    }
    return settings.model_dump(mode="json", exclude=left_out)
