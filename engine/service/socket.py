"""The Unix socket the engine answers on: bound by us, locked, and with the connected user known.

Linux: SO_PEERCRED and SO_PEERGROUPS are the kernel's.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import grp
import os
import socket
import stat
import struct
from array import array
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from engine.service.access import Peer
from engine.words import _

SOCKET_MODE = 0o660
LOCK_NAME = "sock.lock"
GRACE_SECONDS = 10
"""How long a stop waits for answers under way."""

# <asm-generic/socket.h>; the socket module has no name for it.
_SO_PEERGROUPS = 59
_PATH_LIMIT = 107  # bytes of sockaddr_un.sun_path, without its closing NUL


class SocketRefused(Exception):
    """The socket cannot be had; the message is one line for a person."""


def peer_of(connection: socket.socket) -> Peer:
    """Who is at the other end of a connected Unix socket. Raises OSError where the kernel does not say."""
    pid, uid, gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    groups = array("I")
    with contextlib.suppress(OSError):
        # 65536 is NGROUPS_MAX: the answer always fits.
        groups.frombytes(connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 4 * 65536))
    return Peer(pid, uid, frozenset({gid, *groups}))


class PeerProtocol(H11Protocol):
    """HTTP/1.1 whose requests carry `request.state.peer`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        peer: Peer | None = None
        with contextlib.suppress(OSError):
            # A TransportSocket has getsockopt, which is all `peer_of` asks of it.
            peer = peer_of(connection)
        # The dictionary given is shared by all connections; each request copies the one left here.
        self.app_state = {**self.app_state, "peer": peer}


@contextlib.contextmanager
def bound(path: Path, group: str | None = None) -> Iterator[socket.socket]:
    """A listening socket at `path`, mode 0660, of `group` if given; unlinked at the end.

    Beside it stands a lock file, held while the socket is ours: only its holder replaces a socket left by a
    crash. Raises SocketRefused.
    """
    if len(os.fsencode(path)) > _PATH_LIMIT:
        raise SocketRefused(
            _("{path} is longer than the {limit} bytes a socket's path may have: choose another folder").format(
                path=path, limit=_PATH_LIMIT
            )
        )
    gid = _gid(group)
    with _locked(path.with_name(LOCK_NAME), path):
        _remove_stale(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            # The file takes the socket's own mode less the umask: never wider than meant, and no change of
            # the umask, which is the whole process's.
            os.fchmod(listener.fileno(), SOCKET_MODE)
            listener.bind(str(path))
            if gid is not None:
                _give(path, gid, group or "")
            path.chmod(SOCKET_MODE)
            listener.listen(128)
            yield listener
        finally:
            listener.close()
            with contextlib.suppress(OSError):
                path.unlink()


@contextlib.contextmanager
def _locked(lock: Path, path: Path) -> Iterator[None]:
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SocketRefused(
                _("another engine answers on {path}: see `rollcall engine status`").format(path=path)
            ) from None
        yield
    finally:
        os.close(descriptor)


def _remove_stale(path: Path) -> None:
    """Only the lock's holder comes here, so a socket that is still there is what a crash left."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SocketRefused(_("{path} is there and is no socket: move it away").format(path=path))
    path.unlink()


def _gid(group: str | None) -> int | None:
    if group is None:
        return None
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise SocketRefused(_("there is no Unix group {group} on this machine").format(group=group)) from None


def _give(path: Path, gid: int, group: str) -> None:
    try:
        os.chown(path, -1, gid, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        raise SocketRefused(
            _("the socket may not be given to group {group}: the engine's user is not in it").format(
                group=group
            )
        ) from error


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        self._stopping.set()

    async def main_loop(self) -> None:
        """Wait to be stopped; uvicorn's own looks ten times a second, to keep a Date header we do not send."""
        await self.on_tick(0)
        await self._stopping.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals are the engine's: uvicorn would raise them again after its own shutdown."""
        yield


class SocketServer:
    """Serves one application on one Unix socket until `stop`."""

    def __init__(self) -> None:
        self._server: _Server | None = None
        self._application: Starlette | None = None
        self._stopped = False
        self._listening = asyncio.Event()

    async def serve(self, app: Starlette, path: Path, group: str | None = None) -> None:
        """Bind, answer, and return after `stop` once answers under way are sent (within 10 s).

        Raises SocketRefused when the socket cannot be had, OSError for what the file system refuses.
        """
        config = uvicorn.Config(
            app,
            http=PeerProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        with bound(path, group) as listener:
            server = _Server(config)
            self._server, self._application = server, app
            if self._stopped:
                return
            # A connection that arrives before uvicorn accepts waits in the listener's backlog.
            self._listening.set()
            await server.serve(sockets=[listener])

    async def listening(self) -> None:
        """Return once the socket can be connected to."""
        await self._listening.wait()

    def stop(self) -> None:
        """End live streams and waits, let answers under way finish, then let `serve` return."""
        self._stopped = True
        if self._application is not None:
            closing: Any = self._application.state.closing
            closing.set()
        if self._server is not None:
            self._server.stop()
