"""Keeps an engine running beside the live demo, as a service manager would: started again after it died."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import httpx

AGAIN_AFTER = 2.0
"""Seconds between a death and the next start."""
READY = 30.0
"""Seconds an engine may take until it answers."""
STOPS_WITHIN = 6.0
"""Seconds an engine is given to end by itself."""

_LOOKS_EVERY = 0.02
_LAST_WORDS = 1500


class NotReady(Exception):
    """The engine did not start; the message holds its last words."""


class Keeper:
    """One engine, in `folder`, by the rollcall.toml there and that far from this machine's clock.

    `keys`: its secrets by environment variable. It gets a pipe from this process, and ends with it."""

    def __init__(self, folder: Path, keys: Mapping[str, str], offset: timedelta) -> None:
        self.socket = folder / "engine.sock"
        self.log = folder / "engine.log"
        self._folder = folder
        self._keys = keys
        self._offset = offset
        self._process: Process | None = None

    async def start(self) -> None:
        """Start it and wait until it answers. Raises NotReady."""
        self._process = process = await self._started()
        loop = asyncio.get_running_loop()
        limit = loop.time() + READY
        transport = httpx.AsyncHTTPTransport(uds=str(self.socket))
        async with httpx.AsyncClient(transport=transport, base_url="http://engine") as client:
            while loop.time() < limit and process.returncode is None:
                try:
                    (await client.get("/v1/status", timeout=READY)).raise_for_status()
                except httpx.HTTPError:
                    await asyncio.sleep(_LOOKS_EVERY)
                else:
                    return
        raise NotReady(self._last_words())

    async def keep(self) -> None:
        """Start it anew each time it dies, until this is cancelled."""
        while True:
            if self._process is not None:
                await self._process.wait()
                await asyncio.sleep(AGAIN_AFTER)
            self._process = await self._started()

    async def stop(self) -> None:
        """End it; by force where it does not end by itself."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOPS_WITHIN)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _started(self) -> Process:
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "engine", "serve",
                "--config", str(self._folder / "rollcall.toml"),
                "--folder", str(self._folder),
                f"--time-offset={self._offset.total_seconds()}",
                "--until-eof",
                stdin=PIPE,
                stdout=DEVNULL,
                stderr=log,
                # A ^C in the terminal is for this process, which then ends the engine in order.
                start_new_session=True,
                env={**os.environ, **self._keys},
            )  # fmt: skip
        finally:
            os.close(log)

    def _last_words(self) -> str:
        try:
            return self.log.read_text("utf-8", "replace")[-_LAST_WORDS:].strip()
        except OSError:
            return ""
