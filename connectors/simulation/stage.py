"""Simulators and an engine as processes in real time, for stories in which the engine dies."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import runpy
import signal
import sqlite3
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from connectors.simulation.control import PREFIX

CONNECTION = "crash"
HORIZON_DAYS = 7
ZONE = "Europe/Paris"

READY = 30.0
"""Seconds a process may take until it answers."""

_KEYS = {"EDUSIGN_KEY": "edusign-crash-key", "YPAREO_TOKEN": "ypareo-crash-token"}

_LOADED = ("engine.compose", "engine.service.socket", "connectors.edusign.client", "connectors.ypareo.client")

# Runs are asked for one by one: the only window opens when the story is long over.
_CONFIG = """\
[connection.{connection}]
erp = "ypareo"
zone = "{zone}"
horizon_days = {horizon}
removals_after = "1 second"
[connection.{connection}.edusign]
key = "env:EDUSIGN_KEY"
url = "{edusign}"
accept_unverified = true
requests_per_minute = 1000000
heavy_per_minute = 1000000
[connection.{connection}.ypareo]
token = "env:YPAREO_TOKEN"
url = "{erp}"
accept_unverified = true
absence_reasons = {{ 1 = "Absence injustifiée", 2 = "Maladie" }}
[connection.{connection}.export]
fallback_reason = "1"
[[connection.{connection}.window]]
flow = "import"
start = "0 {hour} * * *"
duration = "1 hour"
[[connection.{connection}.window]]
flow = "export"
start = "0 {hour} * * *"
duration = "1 hour"
"""


class Died(Exception):
    """A process ended that should not have, or never got ready; the message holds its last words."""


class Simulator:
    """One simulator in its own process, and its control plane."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url
        self._client = httpx.AsyncClient(base_url=url, timeout=READY)

    @classmethod
    async def started(cls, system: str, *, seed: int, learners: int, switches: Mapping[str, str]) -> Simulator:
        """Start one on a free port. Raises Died."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "connectors", "simulate", system, "--json",
            "--seed", str(seed), "--learners", str(learners),
            *(f"{name}={value}" for name, value in switches.items()),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), READY)
        if not line:
            raise Died(f"the {system} simulator did not start")
        return cls(process, json.loads(line)["url"])

    async def dump(self) -> dict[str, Any]:
        """Everything it holds. Raises httpx.HTTPError."""
        answer = await self._client.get(f"{PREFIX}/dump")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def order(self, action: str, **arguments: Any) -> Any:
        """Do something through the control plane. Raises httpx.HTTPStatusError where it makes no sense."""
        answer = await self._client.post(f"{PREFIX}/{action}", json=arguments)
        answer.raise_for_status()
        return answer.json()["result"]

    async def stop(self) -> None:
        await self._client.aclose()
        await _ended(self.process, signal.SIGTERM)


class EngineProcess:
    """`python -m engine serve` in a folder of its own, started as often as a story wants.

    Each start is a process of its own, forked from one that has the engine's modules loaded: a story starts
    many, and loading them is most of a start.
    """

    def __init__(self, folder: Path, erp: str, edusign: str, now: datetime) -> None:
        self.folder = folder
        self._config = folder / "rollcall.toml"
        content = _CONFIG.format(
            connection=CONNECTION,
            horizon=HORIZON_DAYS,
            zone=ZONE,
            edusign=edusign,
            erp=erp,
            hour=(now.astimezone(ZoneInfo(ZONE)).hour + 12) % 24,
        )
        self._config.write_text(content, encoding="utf-8")
        self._process: Any = None
        self.offset = timedelta()
        """How far from this machine's clock the next start's is to be."""
        self.client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(folder / "state" / "engine.sock")),
            base_url="http://engine",
            timeout=READY,
        )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return int(self._process.pid)

    @property
    def dead(self) -> bool:
        return self._process is None or self._process.exitcode is not None

    async def start(self) -> None:
        """Start it and wait until it answers. Raises Died."""
        arguments = ["serve", "--config", str(self._config), "--folder", str(self.folder / "state")]
        arguments.append(f"--time-offset={self.offset.total_seconds()}")
        self._process = _forked().Process(
            target=_serve, args=(arguments, str(self.folder / "engine.out")), daemon=True
        )
        self._process.start()
        loop = asyncio.get_running_loop()
        limit = loop.time() + READY
        while loop.time() < limit and not self.dead:
            try:
                (await self.client.get("/v1/status")).raise_for_status()
            except httpx.HTTPError:
                await asyncio.sleep(0.02)
            else:
                return
        raise Died(f"the engine did not start: {self.last_words()}")

    async def died(self, within: float) -> bool:
        """Whether it is dead, given some seconds to be so."""
        if self._process is not None:
            await asyncio.to_thread(self._process.join, within)
        return self.dead

    async def kill(self) -> None:
        """SIGKILL, now."""
        self._process.kill()
        await self.died(READY)

    async def stop(self) -> None:
        if not self.dead:
            self._process.terminate()
            if not await self.died(10.0):
                await self.kill()
        await self.client.aclose()

    def intents(self) -> list[dict[str, Any]]:
        """Every intent, read from the state file beside the engine; [] before there is one."""
        rows = self._rows(
            "select id, verb, kind, erp_id, edusign_id, api_id, sent, state, run_id from intent order by id"
        )
        return [{**row, "sent": json.loads(row["sent"])} for row in rows]

    def deliveries(self) -> list[dict[str, Any]]:
        """Every write of absences, read likewise."""
        return self._rows("select id, session, state, run_id from delivery order by id")

    def _rows(self, query: str) -> list[dict[str, Any]]:
        path = self.folder / "state" / "state.sqlite"
        if not path.exists():
            return []
        state = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            state.row_factory = sqlite3.Row
            rows = state.execute(query).fetchall()
        finally:
            state.close()
        return [dict(row) for row in rows]

    def last_words(self) -> str:
        """The end of what it wrote to its terminal."""
        try:
            return (self.folder / "engine.out").read_text("utf-8", "replace")[-1500:]
        except OSError:
            return ""


@lru_cache(maxsize=1)
def _forked() -> Any:
    """Where engines are forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_LOADED))
    return context


def _serve(arguments: list[str], out: str) -> None:
    """An engine's whole life, in its own process."""
    with open(out, "ab", buffering=0) as file:  # noqa: PTH123
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(_KEYS)
    sys.argv = ["engine", *arguments]
    runpy.run_module("engine", run_name="__main__", alter_sys=True)


def keys(system: str) -> str:
    """The key a simulator of this stage accepts."""
    return _KEYS["EDUSIGN_KEY" if system == "edusign" else "YPAREO_TOKEN"]


async def _ended(process: asyncio.subprocess.Process, how: signal.Signals) -> None:
    if process.returncode is None:
        process.send_signal(how)
        try:
            await asyncio.wait_for(process.wait(), 10.0)
        except TimeoutError:
            process.kill()
            await process.wait()
