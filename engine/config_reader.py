"""From a parsed file to a Config, or to the first mistake in it with its line."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from engine import config_lines
from engine.config_models import (
    Config,
    ConnectionConfig,
    ConnectionOptions,
    EngineConfig,
    RolesConfig,
    connection_name,
    default_folder,
    nearest,
)
from engine.ports import Connector
from engine.printable import printable
from engine.records import Frozen
from engine.secrets import SecretError, is_reference, is_secret_field, resolve
from engine.words import _

PASSWORD_IN_URL = re.compile(r"(://[^/\s:@]*):[^/\s@]+@")


class ConfigError(Exception):
    """A mistake in the configuration. `line` is 0 where the file as a whole is meant, `key` "" likewise."""

    def __init__(self, file: Path | str, line: int, key: str, found: str, expected: str) -> None:
        place = f"{file}:{line}" if line else str(file)
        parts = [place, key] if key else [place]
        super().__init__(printable(": ".join([*parts, f"{found}, {expected}"])))
        self.file = Path(file)
        self.line = line
        self.key = key
        self.found = found
        self.expected = expected


class _File(Frozen):
    """The file's top; connections are checked one by one."""

    engine: EngineConfig
    connection: dict[Annotated[str, AfterValidator(connection_name)], dict[str, Any]] = Field(
        default_factory=dict
    )
    roles: RolesConfig = RolesConfig()


@dataclass(frozen=True)
class _Mistake:
    path: config_lines.Path
    found: str
    expected: str
    missing: bool = False


class Reader:
    """Reads one parsed file, collecting every mistake with its place."""

    def __init__(
        self,
        file: Path,
        lines: dict[config_lines.Path, int],
        connectors: Mapping[str, Connector],
        env: Mapping[str, str],
        check_secrets: bool,
    ) -> None:
        self.file = file
        self.lines = lines
        self.connectors = connectors
        self.env = env
        self.check_secrets = check_secrets
        self.mistakes: list[_Mistake] = []

    def first_mistake(self) -> ConfigError:
        first = min(
            self.mistakes,
            key=lambda mistake: (mistake.missing, config_lines.line_of(self.lines, mistake.path)),
        )
        line = config_lines.line_of(self.lines, first.path)
        return ConfigError(self.file, line, dotted(first.path), first.found, first.expected)

    def read(self, raw: dict[str, Any]) -> Config | None:
        engine = raw.get("engine", {})
        if isinstance(engine, dict):
            raw = {**raw, "engine": {"folder": str(default_folder(self.env)), **engine}}
        top = self._checked(_File, raw, ())
        tables = raw.get("connection", {})
        connections: dict[str, ConnectionConfig] = {}
        for name, table in tables.items() if isinstance(tables, dict) else ():
            if isinstance(table, dict):
                connection = self._connection(name, table)
                if connection is not None:
                    connections[name] = connection
        if top is None or self.mistakes:
            return None
        return Config(engine=top.engine, connections=connections, roles=top.roles)

    def _connection(self, name: str, table: dict[str, Any]) -> ConnectionConfig | None:
        here: config_lines.Path = ("connection", name)
        erps = [key for key, connector in self.connectors.items() if connector.system == "erp"]
        erp = table.get("erp")
        if isinstance(erp, str) and erp not in erps:
            expected = _("expected one of {names}{nearest}").format(
                names=", ".join(sorted(erps)), nearest=nearest(erp, erps)
            )
            self._add((*here, "erp"), _quoted(erp), expected)
        rest = {key: value for key, value in table.items() if key not in ("edusign", "window", "windows")}
        if "windows" in table:
            self._unknown((*here, "windows"), ["window"])
        if "window" in table:
            rest["windows"] = table["window"]
        edusign = self._settings("edusign", table.get("edusign", {}), (*here, "edusign"))
        settings = None
        if isinstance(erp, str) and erp in erps:
            rest.pop(erp, None)
            rest.setdefault("horizon_days", self.connectors[erp].horizon_days)
            settings = self._settings(erp, table.get(erp, {}), (*here, erp))
        else:
            # Which table is the ERP's can't be told then, and the name of the ERP is mistake enough.
            rest = {key: value for key, value in rest.items() if key != erp and key not in erps}
        tables = ("edusign", erp) if isinstance(erp, str) and erp in erps else ("edusign",)
        options = self._checked(ConnectionOptions, rest, here, also=tables)
        if options is None or edusign is None or settings is None or self.mistakes:
            return None
        given = {field: getattr(options, field) for field in ConnectionOptions.model_fields}
        return ConnectionConfig(name=name, edusign=edusign, settings=settings, **given)

    def _settings(self, connector: str, table: Any, here: config_lines.Path) -> BaseModel | None:
        if not isinstance(table, dict):
            self._add(here, _kind_of(table), _("expected a table"))
            return None
        before = len(self.mistakes)
        self._check_secrets(table, here)
        checked = self._checked(self.connectors[connector].settings, table, here)
        return checked if len(self.mistakes) == before else None

    def _check_secrets(self, table: dict[str, Any], here: config_lines.Path) -> None:
        for path, key, text in texts(table, here):
            if not is_secret_field(key):
                if PASSWORD_IN_URL.search(text):
                    self._add(path, _("a password in the URL"), _("expected the URL alone"))
                continue
            if text and is_reference(text) and not self.check_secrets:
                continue
            try:
                if not text:
                    raise SecretError(
                        _("nothing"), _('expected a reference: "env:NAME", "file:/path" or "systemd:NAME"')
                    )
                resolve(text, self.env)
            except SecretError as error:
                self._add(path, error.found, error.expected)

    def _checked(
        self, model: type[BaseModel], table: dict[str, Any], here: config_lines.Path, also: tuple[str, ...] = ()
    ) -> Any:
        try:
            # Strict, yet as JSON: "7" is no number, while a string may be a path and an array a tuple.
            return model.model_validate_json(json.dumps(table, default=_plain), strict=True)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self._explain(model, detail, here, also)
        return None

    def _explain(
        self, model: type[BaseModel], detail: ErrorDetails, here: config_lines.Path, also: tuple[str, ...]
    ) -> None:
        within = tuple("window" if part == "windows" else part for part in detail["loc"] if part != "[key]")
        path = (*here, *within)
        if detail["type"] == "extra_forbidden":
            names = [*_names(model, detail["loc"][:-1]), *(also if len(within) == 1 else ())]
            self._unknown(path, ["window" if name == "windows" else name for name in names])
        elif detail["type"] == "missing":
            self._add(path, _("missing"), _("expected a value for this key"), missing=True)
        else:
            reason = detail.get("ctx", {}).get("error")
            said = str(reason) if detail["type"] == "value_error" and reason else _lowered(detail["msg"])
            if detail["type"] in ("model_type", "model_attributes_type", "dict_type"):
                said = _("a table")
            found = _kind_of(detail["input"]) if _is_secret(path) else _found(detail["input"])
            if detail["loc"] and detail["loc"][-1] == "[key]":
                found = _quoted(str(within[-1]))
            self._add(path, found, _("expected {what}").format(what=said))

    def _unknown(self, path: config_lines.Path, names: list[str]) -> None:
        known = _("expected one of {names}").format(names=", ".join(sorted(names))) if names else ""
        close = difflib.get_close_matches(str(path[-1]), names, n=1)
        expected = _("expected {name} perhaps").format(name=close[0]) if close else known
        self._add(path, _("unknown key"), expected or _("expected no key here"))

    def _add(self, path: config_lines.Path, found: str, expected: str, missing: bool = False) -> None:
        self.mistakes.append(_Mistake(path, found, expected, missing))


def _plain(value: object) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def texts(table: Any, here: config_lines.Path, key: str = "") -> Iterator[tuple[config_lines.Path, str, str]]:
    """Every string in `table`: where it stands, the key it belongs to, and itself."""
    if isinstance(table, dict):
        for name, value in table.items():
            yield from texts(value, (*here, name), name)
    elif isinstance(table, list):
        for index, value in enumerate(table):
            yield from texts(value, (*here, index), key)
    elif isinstance(table, str):
        yield here, key, table


def _is_secret(path: config_lines.Path) -> bool:
    return any(isinstance(part, str) and is_secret_field(part) for part in path)


def dotted(path: config_lines.Path) -> str:
    """`connection.lyon.window[0].start`, with keys quoted where TOML wants it."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            bare = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part, ensure_ascii=False)
            text += f".{bare}" if text else bare
    return text


def _found(value: Any) -> str:
    return (
        _quoted(value)
        if isinstance(value, str)
        else (_kind_of(value) if isinstance(value, dict | list) else json.dumps(value, default=str))
    )


def _quoted(text: str) -> str:
    return '"' + printable(PASSWORD_IN_URL.sub(r"\1:****@", text), 60) + '"'


def _kind_of(value: Any) -> str:
    names: dict[type, str] = {
        dict: _("a table"), list: _("an array"), bool: _("true or false"), str: _("a text"),
        int: _("a number"), float: _("a number"),
    }  # fmt: skip
    return names.get(type(value), _("a value"))


def _lowered(message: str) -> str:
    """A pydantic message as what may follow "expected"."""
    said = message.removeprefix("Input should be ").removeprefix("Value error, ")
    return said[:1].lower() + said[1:]


def _names(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The keys known at `loc` within `model`; none where that cannot be told."""
    for part in loc:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = next((found for found in _models(field.annotation) if field), None) if field else None
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models(argument)
