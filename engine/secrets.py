"""Secrets by reference: `env:NAME`, `file:/path`, `systemd:NAME`; read when used, never kept.

`systemd:NAME` is a credential of the unit (`LoadCredential=`), a file under $CREDENTIALS_DIRECTORY.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from engine.words import _

_LONGEST = 64 * 1024
_REFERENCE = re.compile(r"(env|file|systemd):(.+)", re.ASCII | re.DOTALL)
_SECRET_NAMES = ("key", "token", "password", "secret")


class SecretError(ValueError):
    """A secret that cannot be had. `found` never holds any part of a secret; `expected` says what to do."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"{found}, {expected}")
        self.found = found
        self.expected = expected


def is_secret_field(name: str) -> bool:
    """Whether a setting of this name holds a secret: `key`, `token`, `password`, `secret`, or ending so."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_")
    return words[-1] in _SECRET_NAMES


def is_reference(text: object) -> bool:
    """Whether `text` is written as a reference."""
    return isinstance(text, str) and _REFERENCE.fullmatch(text) is not None


def resolve(reference: str, env: Mapping[str, str] = os.environ) -> str:
    """The secret behind `reference`, without a trailing line end.

    A file must be a regular one, at an absolute path, with no permission for others. Raises SecretError where
    there is no such secret, it is empty, or others may read it.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise SecretError(
            _("a secret written out"),
            _('expected a reference: "env:NAME", "file:/path" or "systemd:NAME"'),
        )
    source, name = match.groups()
    if source == "env":
        secret = env.get(name, "")
        if not secret.strip():
            raise SecretError(
                _("{reference} is not set").format(reference=reference),
                _("expected that environment variable to hold the secret"),
            )
        return secret.rstrip("\r\n")
    if source == "systemd":
        return _of_unit(reference, name, env)
    path = Path(name)
    if not path.is_absolute():
        raise SecretError(reference, _("expected an absolute path after file:"))
    return _read(path, reference, private=True)


def _of_unit(reference: str, name: str, env: Mapping[str, str]) -> str:
    folder = env.get("CREDENTIALS_DIRECTORY", "")
    if not folder:
        raise SecretError(
            _("{reference} outside a systemd unit with credentials").format(reference=reference),
            _("expected LoadCredential={name}:… in the unit").format(name=name),
        )
    if "/" in name or name in (".", ".."):
        raise SecretError(reference, _("expected the plain name of a credential after systemd:"))
    # systemd guards this folder itself; the modes within depend on its version.
    return _read(Path(folder) / name, reference, private=False)


def _read(path: Path, reference: str, *, private: bool) -> str:
    readable = _("expected a readable file holding the secret")
    try:
        # Not to block on a pipe somebody put there.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise SecretError(f"{reference}: {why}", readable) from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise SecretError(_("{reference}: not a file").format(reference=reference), readable)
        mode = stat.S_IMODE(status.st_mode)
        if private and mode & 0o007:
            raise SecretError(
                _("{reference} is open to everybody (mode {mode:04o})").format(reference=reference, mode=mode),
                _("expected a file others cannot read: chmod 600 {path}").format(path=path),
            )
        with os.fdopen(fd, "rb", closefd=False) as file:
            content = file.read(_LONGEST + 1)
        secret = content.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise SecretError(f"{reference}: {os.strerror(error.errno or 0)}", readable) from None
    except UnicodeDecodeError:
        raise SecretError(_("{reference} is not UTF-8 text").format(reference=reference), readable) from None
    finally:
        os.close(fd)
    if len(content) > _LONGEST:
        raise SecretError(_("{reference} is longer than 64 KiB").format(reference=reference), readable)
    if not secret.strip():
        raise SecretError(_("{reference} is empty").format(reference=reference), readable)
    return secret
