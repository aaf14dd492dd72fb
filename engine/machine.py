"""Which machine this is, and who may write from it (R39): an id, and locks that die with their process.

A lock is flock(2) on a file that is never removed: the kernel lets go of it when the process ends, however it
ends. It needs a local file system. A process forked without exec shares the lock until it ends too.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import stat
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from engine.printable import printable
from engine.words import _

MACHINE_ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_LOCK_FOLDER = Path("/run/lock")
_LOCK_FOLDER_ELSE = Path("/tmp")
_LOCK_NAME = "rollcall.lock"
_STORED_NAME = "machine-id"
_NOTE_LIMIT = 4096


def machine_id(
    folder: Path,
    files: Iterable[Path] = MACHINE_ID_FILES,
    fresh: Callable[[], str] = lambda: uuid.uuid4().hex,
) -> str:
    """This machine's id: 32 hexadecimal digits, the same at every start.

    From the system's machine-id, hashed since that one is confidential (machine-id(5)); without one, drawn
    once and stored in `folder`, which then must not be copied to another machine. Call it with the
    `FolderLock` of `folder` held. Raises OSError where it cannot be stored.
    """
    for file in (*files, folder / _STORED_NAME):
        try:
            raw = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if re.fullmatch(r"[0-9a-f]{32}", raw):  # not "uninitialized", nor an empty file of a first boot
            return _hashed(raw)
    raw = fresh()
    drawn = folder / f"{_STORED_NAME}.new"
    with drawn.open("w", encoding="ascii") as new:
        new.write(raw + "\n")
        new.flush()
        os.fsync(new.fileno())
    drawn.replace(folder / _STORED_NAME)
    return _hashed(raw)


def machine_lock_path() -> Path:
    """Where the machine lock lies: /run/lock, or /tmp where not everybody may write to /run/lock.

    It must not depend on who asks, or root and a user would hold two different ones.
    """
    try:
        mode = _LOCK_FOLDER.stat().st_mode
    except OSError:
        mode = 0
    shared = stat.S_ISDIR(mode) and bool(mode & stat.S_IWOTH)
    return (_LOCK_FOLDER if shared else _LOCK_FOLDER_ELSE) / _LOCK_NAME


class FileLock:
    """An exclusive lock on one file, held from `acquire` to `release` or to the end of the process.

    `note` says in the file who holds it, beside the process id; `mode` is that of a file it makes.
    """

    def __init__(self, path: Path, note: str = "", mode: int = 0o600) -> None:
        self.path = path
        self._note = note
        self._mode = mode
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """Whether we hold it."""
        return self._fd is not None

    def acquire(self) -> bool:
        """Take it, at once or not at all; True if we hold it, then or already.

        Raises OSError where the file can neither be opened nor made.
        """
        if self._fd is not None:
            return True
        while True:
            fd = self._open()
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return False
            except OSError:
                os.close(fd)
                raise
            if self._is_current(fd):
                self._fd = fd
                self._write(f"{os.getpid()}\n{self._note}\n")
                return True
            os.close(fd)  # somebody removed the file meanwhile: what we locked is nobody's lock any more

    def holder(self) -> str:
        """Who holds it, for a person: "process 123, /var/lib/rollcall"; "" where nobody has said so.

        What the last holder wrote, so to be asked once `acquire` has failed.
        """
        try:
            with self.path.open("rb") as file:
                pid, _newline, note = file.read(_NOTE_LIMIT).decode("utf-8", "replace").partition("\n")
        except OSError:
            return ""
        if not pid.isascii() or not pid.isdigit():
            return ""
        who = _("process {pid}").format(pid=pid)
        return printable(f"{who}, {note.strip()}" if note.strip() else who, 300)

    def release(self) -> None:
        """Let go of it; nothing where it is not held."""
        if self._fd is not None:
            self._write("")
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int:
        flags = os.O_CLOEXEC | os.O_NOFOLLOW
        while True:
            # First without O_CREAT: in a sticky folder the kernel may refuse that on another user's file,
            # even to root (fs.protected_regular).
            for access in (os.O_RDWR, os.O_RDONLY):
                try:
                    return os.open(self.path, access | flags)
                except FileNotFoundError:
                    break
                except PermissionError:
                    if access == os.O_RDONLY:
                        raise
            try:
                fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, self._mode)
            except FileExistsError:
                continue
            os.fchmod(fd, self._mode)  # whatever the umask
            return fd

    def _is_current(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), self.path.stat())
        except FileNotFoundError:
            return False

    def _write(self, text: str) -> None:
        if self._fd is None:
            return
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, text.encode("utf-8", "replace")[:_NOTE_LIMIT], 0)
        except OSError:
            return  # another user's file, or a full disk: the lock holds without its note


class MachineLock(FileLock):
    """The lock of the one instance per machine that may write to real systems (R39)."""

    def __init__(self, folder: Path, path: Path | None = None) -> None:
        """`folder` is the holder's state folder, told to whoever asks who holds it."""
        # Everybody may open it: whoever runs an engine must see that another holds it, and by whom.
        super().__init__(machine_lock_path() if path is None else path, str(folder), mode=0o666)


class FolderLock(FileLock):
    """The lock of the one engine per state folder, which must exist."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "engine.lock", str(folder))


def _hashed(raw: str) -> str:
    return hmac.new(bytes.fromhex(raw), b"rollcall machine", hashlib.sha256).hexdigest()[:32]
