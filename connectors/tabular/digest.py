"""What a profile's file holds, as a digest: a setting that names a file says nothing of what is in it."""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

_SHOWN = 12


def with_digest(given: Any, package: str) -> Any:
    """Settings as given, with `profile_digest` set from the file that `profile` names, so that a changed
    mapping counts as a changed setting (R31); "" where there is none to read. `package` holds what comes along.
    """
    if not isinstance(given, dict):
        return given
    return {**given, "profile_digest": _digest(given.get("profile"), package)}


def _digest(profile: Any, package: str) -> str:
    if not isinstance(profile, str) or not profile:
        return ""
    try:
        if profile.startswith("builtin:"):
            place = files(package).joinpath("profiles", f"{profile.removeprefix('builtin:')}.toml")
            content = place.read_bytes()
        else:
            content = Path(profile).expanduser().read_bytes()
    except (OSError, ValueError):
        return ""
    return sha256(content).hexdigest()[:_SHOWN]
