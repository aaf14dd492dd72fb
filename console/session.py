"""Where this command finds things and where it speaks: paths, streams, terminal.

Standard library only: it is imported before anything else is known to be needed.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

DONE, FAILED, USAGE, NEEDS_A_PERSON, UNREACHABLE = range(5)
"""Exit codes."""

CONFIG_NAME = "rollcall.toml"
SOCKET_NAME = "engine.sock"
SYSTEM_CONFIG = Path("/etc/rollcall") / CONFIG_NAME
SYSTEM_FOLDER = Path("/var/lib/rollcall")


@dataclass(frozen=True)
class Session:
    """One call of `rollcall`.

    `config` and `folder` are absolute. `json`: answers as JSON. `out` is for answers alone, `err` for
    everything said beside them.
    """

    config: Path
    folder: Path
    socket: Path
    json: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def answer(self, text: str) -> None:
        """Write an answer as it is, at once."""
        self.out.write(text)
        self.out.flush()

    def say(self, line: str) -> None:
        """One line beside the answer."""
        self.err.write(f"{line}\n")
        self.err.flush()

    @property
    def width(self) -> int | None:
        """Columns of the answer: COLUMNS, else the terminal's; no limit where it goes to a file or a pipe."""
        if self.environment.get("COLUMNS", "").isdigit():
            return max(int(self.environment["COLUMNS"]), 20)
        return shutil.get_terminal_size().columns if self.out.isatty() else None

    @property
    def utf8(self) -> bool:
        return (getattr(self.out, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"


def located(
    environment: Mapping[str, str],
    *,
    config: str | None = None,
    folder: str | None = None,
    socket: str | None = None,
    json: bool = False,
    etc: Path = SYSTEM_CONFIG,
    var: Path = SYSTEM_FOLDER,
    root: bool | None = None,
) -> Session:
    """The session of these options.

    What they leave open, ROLLCALL_CONFIG and ROLLCALL_FOLDER say; then a configuration that lies in the given
    folder; then the configuration's own `[engine] folder`; then, for root or where only the machine's engine
    has a socket, the machine's places; then the user's XDG folders. The defaults are the engine's own.
    """
    home = Path(environment.get("HOME") or Path.home())
    own_config = _xdg(environment, "XDG_CONFIG_HOME", home / ".config") / "rollcall" / CONFIG_NAME
    own_folder = _xdg(environment, "XDG_STATE_HOME", home / ".local" / "state") / "rollcall"
    given_config = config or environment.get("ROLLCALL_CONFIG")
    given_folder = folder or environment.get("ROLLCALL_FOLDER")
    system = os.geteuid() == 0 if root is None else root
    if not system and not given_config and not given_folder and not _there(own_config):
        system = not _there(own_folder / SOCKET_NAME) and _there(var / SOCKET_NAME)
    if given_folder and not given_config and _there(inside := Path(given_folder) / CONFIG_NAME):
        given_config = str(inside)
    config_path = Path(given_config or (etc if system else own_config)).absolute()
    folder_path = Path(
        given_folder or _configured_folder(config_path) or (var if system else own_folder)
    ).absolute()
    return Session(
        config=config_path,
        folder=folder_path,
        socket=Path(socket).absolute() if socket else folder_path / SOCKET_NAME,
        json=json,
        environment=environment,
    )


def _configured_folder(config: Path) -> Path | None:
    """`[engine] folder` of the configuration; None where it has none or cannot be read: the engine will say."""
    if not _there(config):
        return None
    import tomllib

    try:
        engine = tomllib.loads(config.read_text("utf-8")).get("engine", {})
        folder = engine.get("folder") if isinstance(engine, dict) else None
        return Path(folder).expanduser() if isinstance(folder, str) else None
    except (OSError, ValueError, RuntimeError):
        return None


def _there(path: Path) -> bool:
    """Whether this user can see `path`."""
    try:
        return path.exists()
    except OSError:
        return False


def _xdg(environment: Mapping[str, str], name: str, default: Path) -> Path:
    """A base folder of the XDG specification, which ignores relative values."""
    value = environment.get(name, "")
    return Path(value) if value.startswith("/") else default
