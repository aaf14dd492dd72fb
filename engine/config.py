"""The configuration: one TOML file, secrets by reference, every mistake one line with its place.

`load` gives a frozen `Config` or raises `ConfigError`, whose text is
`FILE:LINE: KEY: what was found, what was expected`. Tables of connectors are checked by the connectors' own
settings models; fields there named key, token, password or secret (or ending so) hold references, see
`engine.secrets`. A setting whose pydantic field says `json_schema_extra={"fingerprint": False}` (a time-out,
say) may change without its effects being gathered in a hold (R31).
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from engine import config_lines
from engine.config_models import (
    DEFAULT_LIMITS,
    Config,
    ConnectionConfig,
    EngineConfig,
    Limit,
    RolesConfig,
    default_folder,
)
from engine.config_reader import PASSWORD_IN_URL, ConfigError, Reader, dotted, texts
from engine.ports import Connector
from engine.secrets import is_reference, is_secret_field, resolve
from engine.windows import duration_text
from engine.words import _

__all__ = [
    "DEFAULT_LIMITS",
    "Config",
    "ConfigError",
    "ConnectionConfig",
    "EngineConfig",
    "Limit",
    "RolesConfig",
    "default_folder",
    "default_path",
    "is_real",
    "load",
    "masked",
    "secrets_of",
    "template",
]


def default_path(env: Mapping[str, str] = os.environ) -> Path:
    """The configuration file: $ROLLCALL_CONFIG, /etc/rollcall/rollcall.toml for root, else the user's."""
    if given := env.get("ROLLCALL_CONFIG", ""):
        return Path(given)
    if os.geteuid() == 0:
        return Path("/etc/rollcall/rollcall.toml")
    return Path(platformdirs.user_config_dir("rollcall")) / "rollcall.toml"


def load(
    path: Path | str,
    connectors: Mapping[str, Connector],
    env: Mapping[str, str] = os.environ,
    *,
    check_secrets: bool = True,
) -> Config:
    """Read and check the configuration at `path`.

    `connectors` by name, "edusign" among them. With `check_secrets` each reference is followed once, to say
    early that it leads nowhere; nothing of it is kept. Raises ConfigError: wrong types and unknown keys
    before missing ones, each kind by line.
    """
    path = Path(path)
    text = _text(path)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, text, str(error)) from None
    except RecursionError:
        raise ConfigError(path, 0, "", _("tables nested too deep"), _("expected a flat file")) from None
    reader = Reader(path, config_lines.key_lines(text), connectors, env, check_secrets)
    config = reader.read(raw)
    if reader.mistakes:
        raise reader.first_mistake()
    if config is None:  # pragma: no cover - a None without a mistake would be a fault of ours
        raise AssertionError("no configuration and no mistake")
    return config


def secrets_of(env: Mapping[str, str] = os.environ) -> Callable[[str], str]:
    """The function that resolves references in `env`, as `ports.Surroundings.secret` wants it."""
    return lambda reference: resolve(reference, env)


def is_real(connection: ConnectionConfig) -> bool:
    """Whether writing through it may reach a real school: unless both its hosts are certainly loopback."""
    sides = [_hosts(connection.edusign), _hosts(connection.settings)]
    return not all(hosts and all(_is_loopback(host) for host in hosts) for hosts in sides)


def masked(config: Config) -> dict[str, Any]:
    """The effective configuration in the shape of the file; secrets as their references, never resolved."""
    connections: dict[str, Any] = {}
    for name, connection in config.connections.items():
        table = connection.model_dump(mode="json", exclude={"name", "windows", "edusign", "settings"})
        table["removals_after"] = duration_text(connection.removals_after)
        table["export"]["deadline"] = duration_text(connection.export.deadline)
        table["limits"] = {
            key: limit.model_dump() for key, limit in {**DEFAULT_LIMITS, **connection.limits}.items()
        }
        table["window"] = [
            {
                **window.model_dump(mode="json"),
                "duration": duration_text(window.duration),
                "blackouts": [str(blackout) for blackout in window.blackouts],
            }
            for window in connection.windows
        ]
        table["edusign"] = _masked(connection.edusign.model_dump(mode="json"))
        table[connection.erp] = _masked(connection.settings.model_dump(mode="json"))
        connections[name] = table
    return {
        "engine": config.engine.model_dump(mode="json"),
        "connection": connections,
        "roles": config.roles.model_dump(mode="json"),
    }


def template(connectors: Mapping[str, Connector]) -> str:
    """A commented configuration to start from. Lines `#key = …` are options at their default or examples;
    without the `#` of the lines of one ERP it is a whole configuration."""
    erps = sorted(name for name, connector in connectors.items() if connector.system == "erp")
    erp = erps[0] if erps else "ERP"
    parts = [_TEMPLATE_TOP, _TEMPLATE_CONNECTION.format(erp=erp, erps=", ".join(erps))]
    for name in ["edusign", *erps]:
        if name in connectors:
            note = "" if name in ("edusign", erp) else f"# With erp = {json.dumps(name)} instead:\n"
            mark = "#" if name in ("edusign", erp) else "# "
            parts.append(note + _settings_template(connectors[name].settings, f"connection.lyon.{name}", mark))
    parts += [_TEMPLATE_EXPORT, _TEMPLATE_WINDOWS]
    limits = "".join(
        f'#"{key}" = {{ share = {limit.share}, count = {limit.count} }}\n'
        for key, limit in DEFAULT_LIMITS.items()
    )
    parts.append(_TEMPLATE_LIMITS + limits)
    return "\n".join(parts)


def _text(path: Path) -> str:
    expected = _("expected a configuration file (`rollcall config init` writes one)")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(path, 0, "", os.strerror(error.errno or 0), expected) from None
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(path, line, "", _("not UTF-8"), _("expected text in UTF-8")) from None


def _syntax_error(path: Path, text: str, message: str) -> ConfigError:
    place = re.search(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$", message)
    line = int(place[1]) if place and place[1] else max(1, text.rstrip("\n").count("\n") + 1)
    said = message[: place.start()] if place else message
    key = next((dotted(path) for path, at in config_lines.key_lines(text).items() if at == line), "")
    return ConfigError(path, line, key, _("not TOML ({said})").format(said=said), _("expected key = value"))


def _masked(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _masked(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner, key) for inner in value]
    if is_secret_field(key) and value and not is_reference(value):
        return "****"
    return PASSWORD_IN_URL.sub(r"\1:****@", value) if isinstance(value, str) else value


def _hosts(settings: BaseModel) -> list[str]:
    """Every host its settings name; "" for an address that two parsers might read differently."""
    hosts = []
    for path, key, text in texts(settings.model_dump(mode="json"), ()):
        named = bool({"url", "host", "server", "address"} & set(re.split(r"[_\W]", key.lower())))
        if not path or is_secret_field(key) or not text or not (named or "://" in text):
            continue
        try:
            parts = urlsplit(text if "://" in text else f"//{text}")
            odd = "@" in parts.netloc or "\\" in text or any(c.isspace() for c in text)
            hosts.append("" if odd else parts.hostname or "")
        except ValueError:
            hosts.append("")
    return hosts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _settings_template(model: type[BaseModel], table: str, mark: str) -> str:
    lines = [f"{mark}[{table}]"]
    for name, field in model.model_fields.items():
        if field.description:
            lines.append("# " + " ".join(field.description.split()))
        if is_secret_field(name):
            reference = f"ROLLCALL_{table.rpartition('.')[2]}_{name}".upper()
            value: Any = f"env:{reference}"
        elif field.is_required():
            value = "https://…" if "url" in name else "…"
        else:
            default = field.get_default(call_default_factory=True, validated_data={})
            value = default if isinstance(default, str | int | float | bool) else PydanticUndefined
        if value is not PydanticUndefined:
            lines.append(f"{mark}{name} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


_TEMPLATE_TOP = """\
# Rollcall. Lines that begin with # and a space explain; without the # of the others they take effect.
# Durations carry their unit ("2 hours", "7 days"). Secrets are references, never written here:
# "env:NAME", "file:/path" (chmod 600), "systemd:NAME" (LoadCredential= in the unit).

#[engine]
# Where state, log and socket live.
#folder = "/var/lib/rollcall"
# The Unix group that may reach the engine's socket; what its members may do, the roles say.
#group = "rollcall"

# Unix groups, by role.
#[roles]
#viewer = "school"
#operator = "rollcall"
#approver = ["rollcall-approvers"]
#admin = ["rollcall-admins"]
"""

_TEMPLATE_CONNECTION = """\
# One table per school; its name is short, lower case, and never changes again.
#[connection.lyon]
# One of: {erps}.
#erp = "{erp}"
#zone = "Europe/Paris"
#country = "FR"
# Days imported ahead, today included; the connector's own number where left out.
#horizon_days = 7
# After first contact, nothing is archived or withdrawn for this long.
#removals_after = "7 days"
# The ERP's key of a speaker for sessions that have none.
#stand_in_speaker = ""
# First contact: compare, list and ask before the first write.
#compare_only = true
"""

_TEMPLATE_EXPORT = """\
# What of the attendance on locked sheets goes back to the ERP. The first export asks before it writes.
#[connection.lyon.export]
#on = true
# Absences always go. These are off until you have seen what the ERP makes of them: not every ERP tells
# lateness from absence, and what was written there counts in its reports.
#late = false
#left_early = false
#excluded = false
#speakers = false
# For so many days a sheet is looked at again, and a justification accepted late still goes.
#repush_days = 14
# A sheet not locked so long after its end is listed as overdue; that makes nobody absent.
#deadline = "24 hours"
# The ERP's reason (id or name) of an absence whose Edusign reason is not mapped; needed where the ERP takes
# reasons. It must not be one that justifies.
#fallback_reason = ""
# The same for lateness and leaving early; the fallback where it is empty.
#late_reason = ""
# From an Edusign reason to one of the ERP's, by name or id; those of one name are found by themselves.
#[connection.lyon.export.reasons]
#"sick leave" = "Maladie"
"""

_TEMPLATE_WINDOWS = """\
# Local time. Without any window: imports at 11:30 for 2 hours and at 18:00 for 3 hours, exports of absences at
# 10:30 and 20:30 for an hour.
#[[connection.lyon.window]]
#flow = "import"
#name = "noon"
#start = "30 11 * * 1-5"
#duration = "2 hours"
#blackouts = ["2026-12-21/2027-01-03"]

#[[connection.lyon.window]]
#flow = "export"
#start = "30 20 * * *"
#duration = "60 minutes"
"""

_TEMPLATE_LIMITS = """\
# Changes of one sort beyond both the share of the linked records and the count wait for approval.
#[connection.lyon.limits]
"""
