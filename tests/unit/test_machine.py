"""Machine identity and locks, across processes that speak over pipes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.machine import FileLock, FolderLock, MachineLock, machine_id, machine_lock_path

HOLDER = """
import sys
from pathlib import Path
from engine.machine import MachineLock
lock = MachineLock(Path("/srv/other school"), Path(sys.argv[1]))
print(lock.acquire(), flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that tries to take the machine lock, says whether it did, and lives until told to end."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_R39_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "rollcall.lock"
    with another_process(path) as (process, answer):
        assert answer == "True"
        ours = MachineLock(tmp_path, path)
        assert not ours.acquire() and not ours.held
        assert ours.holder() == f"process {process.pid}, /srv/other school"


def test_R39_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "rollcall.lock"
    with another_process(path) as (process, _answer):
        process.kill()
        process.wait()
        ours = MachineLock(tmp_path, path)
        assert ours.acquire()
        assert ours.holder() == f"process {os.getpid()}, {tmp_path}"
        with another_process(path) as (_second, answer):
            assert answer == "False"
        ours.release()


def test_R39_a_released_lock_goes_to_the_next_and_names_nobody(tmp_path: Path) -> None:
    first, second = (MachineLock(tmp_path, tmp_path / "lock") for _ in range(2))
    assert first.acquire() and first.acquire()
    assert not second.acquire()
    first.release()
    first.release()
    assert second.holder() == ""
    assert second.acquire()


def test_a_lock_file_that_was_removed_is_nobodys(tmp_path: Path) -> None:
    first, second = (FileLock(tmp_path / "lock") for _ in range(2))
    assert first.acquire()
    (tmp_path / "lock").unlink()
    assert second.acquire()
    assert second.holder() == f"process {os.getpid()}"


def test_everybody_may_open_the_machine_lock_only(tmp_path: Path) -> None:
    machine, folder = MachineLock(tmp_path, tmp_path / "machine"), FolderLock(tmp_path)
    assert machine.acquire() and folder.acquire()
    assert machine.path.stat().st_mode & 0o777 == 0o666
    assert folder.path.stat().st_mode & 0o777 == 0o600


def test_a_link_in_the_lock_s_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError):
        MachineLock(tmp_path, tmp_path / "lock").acquire()
    assert (tmp_path / "precious").read_text() == "precious"


def test_what_stands_in_a_lock_file_is_made_printable(tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(b"12\n/srv/\x1b[2J\xff\n")
    assert FileLock(tmp_path / "lock").holder() == "process 12, /srv/\\x1b[2J�"
    (tmp_path / "lock").write_bytes(b"\x1b[2J")
    assert FileLock(tmp_path / "lock").holder() == ""


def test_the_machine_lock_is_the_same_file_for_everybody() -> None:
    assert machine_lock_path().name == "rollcall.lock"
    assert machine_lock_path().parent in (Path("/run/lock"), Path("/tmp"))


def test_R39_the_system_s_machine_id_is_hashed(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("0123456789abcdef0123456789abcdef\n")
    found = machine_id(tmp_path, files=[tmp_path / "missing", tmp_path / "etc"])
    assert len(found) == 32 and "0123456789abcdef" not in found
    assert found == machine_id(tmp_path / "elsewhere", files=[tmp_path / "etc"])


@pytest.mark.parametrize("content", ["", "uninitialized\n", "0123\n", "zz" * 16])
def test_R39_without_a_machine_id_one_is_drawn_and_kept(tmp_path: Path, content: str) -> None:
    (tmp_path / "etc").write_text(content)
    files = [tmp_path / "etc"]
    first = machine_id(tmp_path, files, fresh=lambda: "ab" * 16)
    assert first == machine_id(tmp_path, files, fresh=lambda: "cd" * 16)
    (tmp_path / "machine-id").write_text("")  # a disk that was full
    assert machine_id(tmp_path, files, fresh=lambda: "cd" * 16) != first
