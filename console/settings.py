"""What a person may set for their own console: `rollcall/console.toml` in their XDG configuration folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from console.session import Session

FILE = "console.toml"


@dataclass(frozen=True)
class Settings:
    """`keys`: per action id, the keys it has instead of its own."""

    theme: str = "dark"
    mouse: bool = True
    keys: Mapping[str, str] = field(default_factory=dict)


def settings_of(session: Session) -> Settings:
    """The person's settings; what cannot be read is said and left at its default."""
    path = settings_path(session.environment)
    try:
        text = path.read_text("utf-8")
    except OSError:
        return Settings()
    import tomllib

    from console.actions import BY_ID, clashes
    from engine.words import _

    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        session.say(_("{path}: {error}; the console's own settings are used").format(path=path, error=error))
        return Settings()
    keys = given.get("keys", {})
    known = (
        {id: str(key).replace(" ", "") for id, key in keys.items() if id in BY_ID}
        if isinstance(keys, dict)
        else {}
    )
    for id in sorted(set(keys) - set(known)):
        session.say(_("{path}: no action is called {id}; see docs/keys.md").format(path=path, id=id))
    while taken := clashes(known):
        id, (key, other) = next(iter(taken.items()))
        line = _("{path}: {key} is the key of {other}: {id} keeps its own")
        session.say(line.format(path=path, key=key, other=other.id, id=id))
        del known[id]
    theme, mouse = given.get("theme", "dark"), given.get("mouse", True)
    return Settings(theme=str(theme), mouse=mouse is not False, keys=known)


def settings_path(environment: Mapping[str, str]) -> Path:
    base = environment.get("XDG_CONFIG_HOME", "")
    home = Path(environment.get("HOME") or Path.home())
    return (Path(base) if base.startswith("/") else home / ".config") / "rollcall" / FILE
