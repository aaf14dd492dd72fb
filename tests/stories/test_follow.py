"""Followers of the log: each sees every event once, in order, over restarts, late or slow."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from console.engine_client import EngineClient, EngineUnreachable
from console.processes import module_command
from engine.clock import SystemClock
from engine.events.event import Event
from engine.service.models import EventView, FreezeRequest
from engine.state.store import Store
from engine.state.transaction import Transaction
from tests.stories.town import Town, play

MANY = 5000


def some_events(tx: Transaction, count: int = MANY, word: str = "filler") -> None:
    tx.tell(
        *(
            Event(level="debug", kind="check", connection=("lyon", "nice")[n % 2], message=f"{word} {n}")
            for n in range(count)
        )
    )


def dense(seqs: list[int]) -> bool:
    return seqs == list(range(seqs[0], seqs[0] + len(seqs)))


class Follower:
    """Somebody who follows, and comes back to each new engine where they left off."""

    def __init__(self, town: Town, after: int) -> None:
        self.seqs: list[int] = []
        self._town = town
        self._after = after
        self._task = asyncio.ensure_future(self._follow())

    async def _follow(self) -> None:
        while True:
            engine = self._town.engine
            async for event in engine.follow("", after=self._after):
                self._after = event.seq
                self.seqs.append(event.seq)
            while self._town.engine is engine:  # noqa: ASYNC110 a restart sends no event
                await asyncio.sleep(0.1)

    async def leave(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})


def test_two_followers_see_the_same_dense_events_over_a_restart_and_a_late_one_catches_up() -> None:
    async def story(town: Town) -> None:
        here = (await town.engine.status()).seq
        one, two = Follower(town, here), Follower(town, here)
        await asyncio.gather(town.run("lyon"), town.run("nice"))
        await town.engine.store.transact(some_events)
        await town.restart()
        await town.engine.store.transact(some_events)
        await asyncio.gather(town.run("lyon"), town.run("nice"))
        await town.after(seconds=5)
        last = (await town.engine.status()).seq
        assert last >= here + 2 * MANY
        assert one.seqs == two.seqs == list(range(here + 1, last + 1))
        late = Follower(town, 0)
        await town.after(seconds=1)
        (first,) = (await town.engine.events("", after=0, limit=1)).events
        assert first.seq <= here + 1
        assert late.seqs == list(range(first.seq, last + 1))
        for follower in (one, two, late):
            await follower.leave()

    play(story, settled=True, connections=("lyon", "nice"))


def test_a_follower_of_one_connection_gets_exactly_what_a_search_finds() -> None:
    async def story(town: Town) -> None:
        seqs: list[int] = []

        async def follow() -> None:
            seqs.extend([event.seq async for event in town.engine.follow("connection:nice filler", after=0)])

        task = asyncio.ensure_future(follow())
        for _ in range(3):
            await town.engine.store.transact(lambda tx: some_events(tx, 700))
            await town.after(seconds=1)
        found = await town.log("connection:nice filler", limit=2000)
        await town.stop()
        await asyncio.wait({task})
        assert seqs == sorted(event.seq for event in found)
        assert len(seqs) == 3 * 350

    play(story, settled=True, connections=("lyon", "nice"))


CONFIGURATION = """
[engine]
folder = "{folder}"
{connections}
"""
CONNECTION = """
[connection.{name}]
erp = "ypareo"
[connection.{name}.edusign]
key = "env:KEY"
url = "http://127.0.0.1:9"
[connection.{name}.ypareo]
url = "http://127.0.0.1:9/index.php"
token = "env:KEY"
[[connection.{name}.window]]
flow = "import"
start = "0 3 29 2 *"
duration = "1 hour"
"""


class RealEngine:
    """`python -m engine serve` on a folder of its own, on a real socket. Its windows open on leap days only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "engine.sock"
        self.config = folder / "rollcall.toml"
        tables = "".join(CONNECTION.format(name=name) for name in ("lyon", "nice"))
        self.config.write_text(CONFIGURATION.format(folder=folder, connections=tables))
        self.said = folder / "said.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.said.open("ab") as said:
            self._process = subprocess.Popen(
                module_command("engine", ["serve", "--config", str(self.config)]),
                stdout=said,
                stderr=said,
                env={**os.environ, "KEY": "a-key-for-nobody"},
            )
        threading.Thread(target=self._process.wait, daemon=True).start()
        with EngineClient(self.socket) as client:
            for _ in range(400):
                try:
                    client.status()
                    return
                except EngineUnreachable:
                    assert self._process.poll() is None, self.said.read_text()
                    threading.Event().wait(0.05)
        raise AssertionError(self.said.read_text())

    def end(self, with_signal: int = signal.SIGTERM) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(with_signal)
            self._process.wait(20)

    def offline(self, count: int) -> None:
        """Events committed while no engine runs."""
        store = Store.open(self.folder / "state.sqlite", SystemClock())
        store.run_now(lambda tx: some_events(tx, count))
        store.close()


@contextmanager
def real_engine(folder: Path) -> Iterator[RealEngine]:
    engine = RealEngine(folder)
    try:
        engine.start()
        yield engine
    finally:
        engine.end(signal.SIGKILL)


class Watcher(threading.Thread):
    """One `events --follow`; done when it has seen the freeze of nice."""

    def __init__(self, socket: Path, after: int | None) -> None:
        super().__init__(daemon=True)
        self.seen: list[EventView] = []
        self.said: list[str] = []
        self._socket, self._after = socket, after
        self.following = threading.Event()

    def _pause(self, _seconds: float) -> None:
        threading.Event().wait(0.05)

    def run(self) -> None:
        with EngineClient(self._socket) as client:
            for event in client.follow("", after=self._after, announce=self.said.append, wait=self._pause):
                self.seen.append(event)
                self.following.set()
                if event.kind == "freeze" and event.connection == "nice":
                    return


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL], ids=["restart", "kill"])
def test_two_terminals_see_the_same_dense_events_over_a_restart_of_a_real_engine(
    tmp_path: Path, ending: int
) -> None:
    with real_engine(tmp_path) as engine:
        watchers = [Watcher(engine.socket, 0), Watcher(engine.socket, 0)]
        for watcher in watchers:
            watcher.start()
        assert all(watcher.following.wait(10) for watcher in watchers)
        engine.end(ending)
        engine.offline(MANY)
        engine.start()
        with EngineClient(engine.socket) as client:
            client.freeze(FreezeRequest(connection="nice", reason="the end of the story"))
            for watcher in watchers:
                watcher.join(20)
                assert not watcher.is_alive()
            late = list(client.events("", after=0, limit=1).events)
        one, two = ([event.seq for event in watcher.seen] for watcher in watchers)
        assert one == two and one[0] == 1 and dense(one) and len(one) > MANY
        assert [w.said for w in watchers] == [["the engine is gone: waiting for it", "the engine is back"]] * 2
        assert late[0].seq == 1
        assert "Traceback" not in engine.said.read_text()


def test_last_event_id_resumes_right_after_it(tmp_path: Path) -> None:
    engine = RealEngine(tmp_path)
    engine.offline(300)
    with real_engine(tmp_path):
        transport = httpx.HTTPTransport(uds=str(engine.socket), verify=False)
        with httpx.Client(transport=transport, base_url="http://engine", timeout=10) as client:
            got: list[int] = []
            headers: dict[str, str] = {}
            for _ in range(3):
                with client.stream("GET", "/v1/events/stream", params={"after": 0}, headers=headers) as answer:
                    answer.raise_for_status()
                    read = 0
                    for line in answer.iter_lines():
                        if line.startswith("id: "):
                            headers = {"Last-Event-ID": line.removeprefix("id: ")}
                        elif line.startswith("data: ") and "seq" in line:
                            data = json.loads(line.removeprefix("data: "))
                            if "message" in data:
                                got.append(data["seq"])
                                read += 1
                        # Hang up between an event and the next, wherever that is in the stream.
                        if read == 77:
                            break
            assert got == list(range(1, 3 * 77 + 1))
