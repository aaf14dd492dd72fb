"""The configuration: what it gives, and one line for every way it can be wrong."""

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from engine import config_lines
from engine.config import (
    DEFAULT_LIMITS,
    Config,
    ConfigError,
    ConnectionConfig,
    Limit,
    is_real,
    load,
    masked,
    secrets_of,
    template,
)
from engine.ports import AttendancePlatform, Connector, Erp, Surroundings, System
from engine.secrets import SecretError, is_secret_field, resolve


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = "https://api.attendance.example"
    key: str


class PlanningSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    token: str
    sites: tuple[str, ...] = ()
    timeout: int = Field(default=30, json_schema_extra={"fingerprint": False})


class FakeConnector:
    example: Mapping[str, Any] = {}

    def __init__(self, name: str, system: System, settings: type[BaseModel], horizon_days: int) -> None:
        self.name, self.system, self.settings, self.horizon_days = name, system, settings, horizon_days

    def open(self, settings: BaseModel, surroundings: Surroundings) -> Erp | AttendancePlatform:
        raise NotImplementedError


CONNECTORS: dict[str, Connector] = {
    "edusign": FakeConnector("edusign", "edusign", Settings, 0),
    "planning": FakeConnector("planning", "erp", PlanningSettings, 7),
    "timetable": FakeConnector("timetable", "erp", PlanningSettings, 14),
}
ENV = {"EDUSIGN_KEY": "s3cret-edusign", "TOKEN": "s3cret-token", "STATE_DIRECTORY": "/var/lib/rollcall"}
GOOD = """\
[engine]
folder = "/var/lib/school"

[connection.lyon]
erp = "planning"
zone = "Europe/Paris"
removals_after = "3 days"
[connection.lyon.edusign]
key = "env:EDUSIGN_KEY"
[connection.lyon.planning]
url = "https://planning.example/api"
token = "env:TOKEN"
sites = ["north"]
[[connection.lyon.window]]
flow = "import"
start = "30 11 * * 1-5"
duration = "2 hours"
[[connection.lyon.window]]
flow = "export"
name = "evening"
start = "30 20 * * *"
duration = "1 hour"
zone = "Indian/Reunion"
blackouts = [2026-12-25, "2026-12-28/2027-01-03"]
[connection.lyon.limits]
"archive learner" = { share = 0.10, count = 5 }

[roles]
operator = "operators"
admin = ["root", "wheel"]
"""


def read(folder: Path, text: str, env: dict[str, str] | None = None, check_secrets: bool = True) -> Config:
    path = folder / "rollcall.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, CONNECTORS, ENV if env is None else env, check_secrets=check_secrets)


def mistake(folder: Path, text: str, env: dict[str, str] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(folder, text, env)
    assert "\n" not in str(caught.value)
    return caught.value


def without(line: str, instead: str = "") -> str:
    assert line in GOOD
    return GOOD.replace(line, instead)


def test_a_whole_configuration(tmp_path: Path) -> None:
    config = read(tmp_path, GOOD)
    lyon = config.connections["lyon"]
    assert config.engine.folder == Path("/var/lib/school")
    assert config.engine.socket == Path("/var/lib/school/engine.sock")
    assert (lyon.name, lyon.erp, lyon.zone, lyon.country) == ("lyon", "planning", "Europe/Paris", "FR")
    assert lyon.horizon_days == 7  # the connector's
    assert lyon.removals_after == timedelta(days=3)
    assert (lyon.compare_only, lyon.stand_in_speaker) == (True, "")
    assert [(one.flow, one.name, one.zone) for one in lyon.windows] == [
        ("import", "1130_w1-5", "Europe/Paris"),
        ("export", "evening", "Indian/Reunion"),
    ]
    assert [str(blackout) for blackout in lyon.windows[1].blackouts] == ["2026-12-25", "2026-12-28/2027-01-03"]
    assert lyon.settings == PlanningSettings(
        url="https://planning.example/api", token="env:TOKEN", sites=("north",)
    )
    assert config.roles.operator == ("operators",) and config.roles.admin == ("root", "wheel")


def test_R29_limits_given_lie_over_the_defaults(tmp_path: Path) -> None:
    lyon = read(tmp_path, GOOD).connections["lyon"]
    assert lyon.limit("archive", "learner") == Limit(share=0.10, count=5)
    assert lyon.limit("withdraw", "sheet") == DEFAULT_LIMITS["withdraw sheet"]
    assert lyon.limit("unlink", "sheet") is None


def test_R35_without_windows_the_default_ones_in_the_schools_zone(tmp_path: Path) -> None:
    text = GOOD.split("[[connection.lyon.window]]")[0].replace("Europe/Paris", "Indian/Reunion")
    windows = read(tmp_path, text).connections["lyon"].windows
    assert [(one.name, one.zone) for one in windows] == [
        ("1130", "Indian/Reunion"),
        ("1800", "Indian/Reunion"),
        ("1030", "Indian/Reunion"),
        ("2030", "Indian/Reunion"),
    ]


def test_an_empty_file_is_a_configuration_without_connections(tmp_path: Path) -> None:
    config = read(tmp_path, "")
    assert config.connections == {}
    assert config.engine.folder == Path("/var/lib/rollcall")  # the unit's StateDirectory


@pytest.mark.parametrize(
    ("line", "instead", "number", "key", "found", "expected"),
    [
        ('zone = "Europe/Paris"', 'zome = "Europe/Paris"', 6, ".zome", "unknown key", "zone perhaps"),
        ('name = "evening"', 'nmae = "evening"', 20, ".window[2].nmae", "unknown", "name perhaps"),
        ("[roles]", "[rolls]", 28, "rolls", "unknown key", "roles perhaps"),
        ('sites = ["north"]', 'site = "north"', 13, ".planning.site", "unknown key", "sites perhaps"),
        ("[connection.lyon.edusign]", "[connection.lyon.edusing]", 8, ".edusing", "unknown key",
         "edusign perhaps"),
        ('sites = ["north"]', 'sites = "north"', 13, ".planning.sites", '"north"', "valid"),
        ("[engine]", "engine = 3\n[x]", 1, "engine", "3", "a table"),
        ("[roles]", "[connection]\nparis = 3", 29, "connection.paris", "3", "a table"),
        ("[connection.lyon.planning]", "[connection.lyon.timetable]", 10, ".timetable", "unknown", "planning"),
        ('removals_after = "3 days"', "removals_after = 3", 7, ".removals_after", "3", '"7 days"'),
        ('duration = "2 hours"', 'duration = "2 moons"', 17, ".window[1].duration", '"2 moons"', "unit"),
        ('zone = "Europe/Paris"', 'horizon_days = "7"', 6, ".horizon_days", '"7"', "valid integer"),
        ('zone = "Europe/Paris"', "horizon_days = true", 6, ".horizon_days", "true", "valid integer"),
        ('zone = "Europe/Paris"', "horizon_days = 0", 6, ".horizon_days", "0", "greater than"),
        ('zone = "Europe/Paris"', 'zone = "Europe/Lyon"', 6, ".zone", '"Europe/Lyon"', "IANA zone"),
        ('zone = "Indian/Reunion"', 'zone = "x"', 23, ".window[2].zone", '"x"', "IANA zone"),
        ('erp = "planning"', 'erp = "planing"', 5, ".erp", '"planing"', 'perhaps "planning"'),
        ('erp = "planning"', "", 4, ".erp", "missing", "a value"),
        ('url = "https://planning.example/api"', "", 10, ".planning.url", "missing", "a value"),
        ('key = "env:EDUSIGN_KEY"', "", 8, ".edusign.key", "missing", "a value"),
        ('start = "30 11 * * 1-5"', 'start = "30 11 * *"', 16, ".window[1].start", '"30 11 * *"',
         "five fields"),
        ('start = "30 11 * * 1-5"', 'start = "30 11,18 * * *"', 16, ".window[1].start",
         '"30 11,18 * * *"', "one window per start"),
        ('"2026-12-28/2027-01-03"', '"2026-12-28/soon"', 24, ".window[2].blackouts[2]",
         '"2026-12-28/soon"', "2026-12-25"),
        ('"archive learner"', '"archive leaner"', 26, '.limits."archive leaner"', "leaner",
         'perhaps "archive learner"'),
        ("share = 0.10", "share = 10", 26, '.limits."archive learner".share', "10", "less than"),
        ("share = 0.10", "share = nan", 26, '.limits."archive learner".share', "NaN", "finite"),
        ("[connection.lyon]", "[connection.Lyon]", 4, "connection.Lyon", '"Lyon"', "lower-case"),
        ('folder = "/var/lib/school"', 'folder = "school"', 2, "engine.folder", '"school"', "absolute"),
        ('erp = "planning"', 'erp = ', 5, ".erp", "not TOML", "key = value"),
        ('admin = ["root", "wheel"]', 'admin = ["root",', 30, "roles.admin", "not TOML", "key = value"),
        ("url = \"https://planning.example/api\"", 'url = "https://me:hush@planning.example"', 11,
         ".planning.url", "a password in the URL", "the URL alone"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_its_place(
    tmp_path: Path, line: str, instead: str, number: int, key: str, found: str, expected: str
) -> None:
    error = mistake(tmp_path, without(line, instead))
    said, key = str(error), f"connection.lyon{key}" if key.startswith(".") else key
    assert said.startswith(f"{tmp_path}/rollcall.toml:{number}: {key}: "), said
    assert found in error.found, said
    assert expected in error.expected and "expected" in said, said
    assert "hush" not in said


def test_windows_of_one_flow_need_different_names(tmp_path: Path) -> None:
    twin = '[[connection.lyon.window]]\nflow = "import"\nstart = "30 11 * * 1-5"\nduration = "1 hour"\n'
    error = mistake(tmp_path, GOOD.replace("[connection.lyon.limits]", twin + "[connection.lyon.limits]"))
    assert error.key == "connection.lyon.window" and "1130_w1-5" in error.expected


def test_a_misspelt_key_is_named_before_what_it_leaves_missing(tmp_path: Path) -> None:
    error = mistake(tmp_path, without('url = "https://planning', 'ulr = "https://planning'))
    assert (error.line, error.key) == (11, "connection.lyon.planning.ulr")


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"a = 1\nb = \xe9\n", b"a = " + b"[" * 20000, b"\x00", b"= = ="]
)
def test_what_is_no_toml_at_all_is_one_line_too(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rollcall.toml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "rollcall.toml", CONNECTORS, ENV)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No such file.*config init"):
        load(tmp_path / "none.toml", CONNECTORS, ENV)


def test_escapes_in_the_file_do_not_reach_the_terminal(tmp_path: Path) -> None:
    error = mistake(tmp_path, without('zone = "Europe/Paris"', '"zone\\u001b[2J" = "x\\n"'))
    assert str(error).isprintable()


# Secrets


def secret_file(folder: Path, mode: int, content: str = "s3cret-token\n") -> Path:
    path = folder / "token"
    path.write_text(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("reference", ["", "hush", "HUSH-eyJhbGciOi", "http:hush", "env:"])
def test_a_secret_written_out_is_refused_and_not_repeated(tmp_path: Path, reference: str) -> None:
    error = mistake(tmp_path, without('token = "env:TOKEN"', f'token = "{reference}"'))
    assert (error.line, error.key) == (12, "connection.lyon.planning.token")
    assert "reference" in error.expected
    assert "hush" not in str(error).lower()


def test_a_secret_of_the_wrong_type_is_not_repeated(tmp_path: Path) -> None:
    error = mistake(tmp_path, without('token = "env:TOKEN"', "token = 123454321"))
    assert error.line == 12 and "123454321" not in str(error)


def test_a_missing_secret_is_said_with_its_line(tmp_path: Path) -> None:
    error = mistake(tmp_path, GOOD, env={"EDUSIGN_KEY": "x"})
    assert (error.line, error.key) == (12, "connection.lyon.planning.token")
    assert "env:TOKEN is not set" in error.found
    error = mistake(tmp_path, without("env:TOKEN", f"file:{tmp_path}/nothing"))
    assert error.line == 12 and "No such file" in error.found
    assert read(tmp_path, GOOD, env={}, check_secrets=False).connections


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o601])
def test_a_secret_file_open_to_everybody_is_refused(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, mode)
    error = mistake(tmp_path, without("env:TOKEN", f"file:{path}"))
    assert (error.line, error.key) == (12, "connection.lyon.planning.token")
    assert f"mode {mode:04o}" in error.found and f"chmod 600 {path}" in error.expected


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640])
def test_a_private_secret_file_is_read_when_used(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, mode)
    config = read(tmp_path, without("env:TOKEN", f"file:{path}"))
    reference = config.connections["lyon"].settings.model_dump()["token"]
    assert reference == f"file:{path}"
    assert secrets_of(ENV)(reference) == "s3cret-token"


def test_secrets_of_the_unit_and_of_the_environment(tmp_path: Path) -> None:
    secret_file(tmp_path, 0o444)
    unit = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert resolve("systemd:token", unit) == "s3cret-token"
    assert resolve("env:TOKEN", ENV) == "s3cret-token"
    for bad in ("systemd:../token", "systemd:none", "file:token", "env:NOT", f"file:{tmp_path}", "file:/\0"):
        with pytest.raises(SecretError):
            resolve(bad, unit)
    with pytest.raises(SecretError, match="LoadCredential"):
        resolve("systemd:token", {})


def test_a_pipe_or_an_endless_file_is_not_a_secret(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(SecretError, match="not a file"):
        resolve(f"file:{tmp_path}/pipe")
    with pytest.raises(SecretError, match="64 KiB"):
        resolve(f"file:{secret_file(tmp_path, 0o600, 'x' * 70_000)}")
    with pytest.raises(SecretError, match="empty"):
        resolve(f"file:{secret_file(tmp_path, 0o600, content=chr(10))}")


def test_which_settings_are_secrets() -> None:
    assert all(map(is_secret_field, ["key", "token", "password", "secret", "api_key", "clientSecret", "KEY"]))
    assert not any(map(is_secret_field, ["url", "keycloak_url", "keycloakUrl", "keys_per_page", "tokenizer"]))


def test_masked_shows_references_and_never_secrets(tmp_path: Path) -> None:
    shown = masked(read(tmp_path, GOOD))
    assert shown["connection"]["lyon"]["planning"]["token"] == "env:TOKEN"
    assert shown["connection"]["lyon"]["window"][1]["duration"] == "1 hour"
    assert "s3cret" not in repr(shown)
    bare = connection(token="hush", url="https://me:hush@x.example")
    assert "hush" not in repr(masked(Config(connections={"lyon": bare})))


# What follows from a configuration


def connection(**settings: Any) -> ConnectionConfig:
    given = {"url": "http://127.0.0.1:8001", "token": "env:TOKEN", **settings}
    edusign = Settings(url=given.pop("edusign_url", "http://localhost:8002/v1"), key="env:EDUSIGN_KEY")
    options = given.pop("options", {})
    return ConnectionConfig(
        name="lyon", erp="planning", edusign=edusign, settings=PlanningSettings(**given), **options
    )


def test_a_connection_is_real_unless_both_hosts_are_loopback() -> None:
    assert not is_real(connection())
    assert not is_real(connection(url="http://[::1]:80/", edusign_url="http://127.3.2.1"))
    assert is_real(connection(url="https://planning.example"))
    assert is_real(connection(edusign_url="https://ext.edusign.fr"))


@pytest.mark.parametrize(
    "url",
    [
        "", "http://", "http://localhost.example", "http://127.0.0.1.example", "http://127.0.0.1@evil.example",
        "http://evil.example\\@127.0.0.1", "http://evil.example#@localhost", "http://[::1", "nonsense", "http://0.0.0.0",
        "http://127.0.0.1 .example",
    ],
)  # fmt: skip
def test_a_host_that_is_not_certainly_loopback_is_real(url: str) -> None:
    assert is_real(connection(url=url))


def test_R31_the_fingerprint_moves_with_what_an_import_would_do() -> None:
    base = connection().fingerprint()
    assert re.fullmatch("[0-9a-f]{64}", base) and connection().fingerprint() == base
    same = [
        connection(token="file:/elsewhere"),
        connection(timeout=5),
        connection(options={"limits": {"archive learner": Limit(share=0.5, count=9)}}),
        connection(options={"windows": ()}),
        connection(options={"compare_only": False}),
    ]
    assert {one.fingerprint() for one in same} == {base}
    other = [
        connection(sites=("north",)),
        connection(url="http://127.0.0.1:9"),
        connection(options={"horizon_days": 3}),
        connection(options={"country": "BE"}),
        connection(options={"zone": "UTC"}),
        connection(options={"stand_in_speaker": "12"}),
    ]
    assert len({base, *(one.fingerprint() for one in other)}) == len(other) + 1


def test_the_template_is_valid_as_it_is_and_without_its_marks(tmp_path: Path) -> None:
    text = template(CONNECTORS)
    assert read(tmp_path, text).connections == {}
    active = re.sub(r"(?m)^#(?! )", "", text)
    env = dict.fromkeys(re.findall(r"env:(\w+)", text), "x")
    config = read(tmp_path, active, env)
    assert config.connections["lyon"].erp == "planning"
    assert config.connections["lyon"].limits == dict(DEFAULT_LIMITS)
    assert [window.flow for window in config.connections["lyon"].windows] == ["import", "export"]
    assert "[connection.lyon.timetable]" in text


# Lines of keys


def test_lines_are_found_through_every_form_of_key() -> None:
    text = (
        'a = """\nb = 1\n"""  # c = 2\n"quoted key".\'x y\' = [\n  1, # ]\n  { p = "}", q.r = [2] },\n]\n'
        "[t . 'u.v']\n w = 1979-05-27T07:32:00Z\n[[n]]\n[[n]]\n[n.o]\n x = 1\n[[n.m]]\ny = '''\n''''\nz = 0\n"
    )
    lines = config_lines.key_lines(text)
    paths: list[tuple[config_lines.Path, int]] = [
        (("a",), 1), (("quoted key", "x y"), 4), (("quoted key", "x y", 1), 6),
        (("quoted key", "x y", 1, "p"), 6),
        (("quoted key", "x y", 1, "q", "r", 0), 6), (("t", "u.v", "w"), 9), (("n", 0), 10), (("n", 1), 11),
        (("n", 1, "o", "x"), 13), (("n", 1, "m", 0, "y"), 15), (("n", 1, "m", 0, "z"), 17),
    ]  # fmt: skip
    assert [(path, lines.get(path)) for path, _line in paths] == paths
    tomllib.loads(text)
    assert config_lines.line_of(lines, ("n", 1, "o", "missing")) == 12
    assert config_lines.line_of(lines, ("nowhere",)) == 1


@given(st.text(alphabet="[]{}=.,#\"'\\\n ab1ué\r\x00", max_size=60) | st.text(max_size=60))
def test_any_text_is_scanned_without_a_crash(text: str) -> None:
    lines = config_lines.key_lines(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


def test_deep_and_long_text_is_scanned_quickly() -> None:
    for text in ("[" * 5000, "a = " + "[" * 5000, "a = " + "{a=" * 5000, "a." * 2000 + "b = 1", "x" * 100_000):
        config_lines.key_lines(text)
