"""One simulator as its own process, on the loopback interface only."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn

from engine.words import _

HOST = "127.0.0.1"


def serve(
    app: Any,
    *,
    system: str,
    port: int = 0,
    key: str = "",
    as_json: bool = False,
    facts: Mapping[str, Any] = {},
) -> None:
    """Serve `app` in the foreground until SIGINT or SIGTERM.

    Prints one line once connections are taken: `SYSTEM simulator on URL key KEY`, or with `as_json` an object
    with system, url, port, pid, key and `facts`. `port` 0 takes a free one. Raises OSError when the port is
    taken.
    """
    with listening(port) as listener:
        chosen = listener.getsockname()[1]
        url = f"http://{HOST}:{chosen}"
        if as_json:
            line = json.dumps(
                {"system": system, "url": url, "port": chosen, "pid": os.getpid(), "key": key, **facts}
            )
        else:
            line = _("{system} simulator on {url} key {key}").format(system=system, url=url, key=key)
        print(line, file=sys.stdout, flush=True)
        server(app).run(sockets=[listener])


def listening(port: int) -> socket.socket:
    """A socket that listens on the loopback interface; connections queue from now on."""
    # Named TCP: asyncio sets TCP_NODELAY on accepted sockets only then, else each answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


class Unsignalled(uvicorn.Server):
    """One of several servers of a process that looks after signals itself; `should_exit` ends it."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def server(app: Any, kind: type[uvicorn.Server] = uvicorn.Server) -> uvicorn.Server:
    """The server of a simulator: quiet, and without a Date of its own (the simulator's clock writes it)."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        date_header=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    return kind(config)
