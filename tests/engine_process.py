"""An engine as a process of its own, in a folder of its own, for tests of consoles that are processes too."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from console.engine_client import EngineClient, EngineUnreachable
from engine.clock import SystemClock
from engine.state.store import Store
from tests.terminal import PATIENCE, ROLLCALL, Terminal

NOBODY = "http://127.0.0.1:1"
"""Where no system answers: a connection for tests that need none."""

_CONNECTION = """\
[connection.{name}]
erp = "ypareo"
compare_only = false
[connection.{name}.edusign]
key = "env:EDUSIGN_KEY"
url = "{edusign}"
accept_unverified = true
[connection.{name}.ypareo]
token = "env:YPAREO_TOKEN"
url = "{ypareo}"
# Nothing begins by itself while a test looks.
[[connection.{name}.window]]
flow = "import"
start = "0 3 1 1 *"
duration = "1 hour"
"""


class EngineProcess:
    """`folder` holds its configuration, state and log. `connections`: the URLs of each, Edusign's first."""

    def __init__(
        self,
        folder: Path,
        connections: Mapping[str, tuple[str, str]],
        keys: tuple[str, str] = ("invented", "invented"),
    ) -> None:
        self.folder = folder
        self.socket = folder / "engine.sock"
        self.config = folder / "rollcall.toml"
        self.config.write_text(
            "\n".join(
                [
                    f'[engine]\nfolder = "{folder}"\n',
                    *(
                        _CONNECTION.format(name=name, edusign=edusign, ypareo=ypareo)
                        for name, (edusign, ypareo) in connections.items()
                    ),
                ]
            )
        )
        self._keys = dict(zip(("EDUSIGN_KEY", "YPAREO_TOKEN"), keys, strict=True))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Of a `rollcall` that is to find this engine, or to start it."""
        return {
            "HOME": str(self.folder),
            "ROLLCALL_CONFIG": str(self.config),
            "ROLLCALL_FOLDER": str(self.folder),
            **self._keys,
        }

    @contextlib.contextmanager
    def store(self) -> Iterator[Store]:
        """Its state, while it does not run."""
        store = Store.open(self.folder / "state.sqlite", SystemClock())
        try:
            yield store
        finally:
            store.close()

    def start(self) -> None:
        """Run it; returns once it answers."""
        with (self.folder / "engine.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "engine", "serve", "--config", self.config, "--until-eof"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=os.environ | self.environment,
            )
        self.wait()

    def wait(self) -> None:
        """Return once somebody answers at its socket."""
        limit = SystemClock().monotonic() + PATIENCE
        while True:
            with contextlib.suppress(EngineUnreachable), EngineClient(self.socket) as client:
                client.me()
                return
            assert SystemClock().monotonic() < limit, (self.folder / "engine.log").read_text()
            assert self.process is None or self.process.poll() is None, (self.folder / "engine.log").read_text()

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)

    def console(
        self,
        *words: str,
        size: tuple[int, int] = (80, 24),
        environment: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> Terminal:
        """`rollcall` on it, in a terminal. `before`: what stands before the command."""
        return Terminal(
            [*before, ROLLCALL, *words], size=size, environment=self.environment | dict(environment or {})
        )


@contextlib.contextmanager
def simulator(system: str, *switches: str, seed: int = 7, learners: int = 200) -> Iterator[tuple[str, str]]:
    """One simulated system as a process meanwhile: its URL and its key."""
    options = ["--json", "--seed", str(seed), "--learners", str(learners), *switches]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "connectors", "simulate", system, *options], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        place = json.loads(process.stdout.readline())
        yield place["url"], place["key"]
    finally:
        process.terminate()
        process.wait(PATIENCE)
        process.stdout.close()
