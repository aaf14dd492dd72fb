"""The one composition root: from a configuration to an engine ready to start."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

from engine.clock import Clock
from engine.config import Config, ConnectionConfig, is_real, secrets_of
from engine.events.log import EventLog
from engine.live import Engine, Standing
from engine.machine import FileLock, FolderLock, MachineLock, machine_id
from engine.order import Connection
from engine.ports import AttendancePlatform, Connector, Erp, Surroundings, System
from engine.service.access import InProcess
from engine.service.routes import application
from engine.state.store import Store
from engine.state.transaction import Transaction
from engine.words import _

GROUP = "rollcall.connectors"

Transports = Callable[[str, System], Any]
"""The HTTP transport of one system of one connection; None means the network's own."""


class CannotStart(Exception):
    """The engine can't start; the message says why and what to do."""


def connectors() -> dict[str, Connector]:
    """Every connector installed, by name."""
    found = (cast(Connector, entry.load()) for entry in entry_points(group=GROUP))
    return {connector.name: connector for connector in found}


def compose(
    config: Config,
    clock: Clock,
    transports: Transports | None = None,
    *,
    secret: Callable[[str], str] | None = None,
    machine_lock: Path | None = None,
    drain_interval: float = 0.05,
) -> Engine:
    """Open the store, the log and every connection; nothing is sent yet. Raises CannotStart, LogError."""
    folder = config.engine.folder
    # Before any file is made: the log's journal is created by DuckDB under the process's mask.
    os.umask(0o077)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(folder)
    if not lock.acquire():
        raise CannotStart(
            _("an engine runs in {folder} already: {who}").format(folder=folder, who=lock.holder())
        )
    store = Store.open(folder / "state.sqlite", clock)
    log = EventLog.open(folder / "log.duckdb")
    locks: list[FileLock] = [lock]
    standing = _standing(config, folder, store, clock, machine_lock, locks)
    resolve = secret or secrets_of()
    installed = connectors()
    opened = {
        name: _opened(one, installed, clock, resolve, transports or (lambda _name, _system: None))
        for name, one in config.connections.items()
    }
    engine = Engine(config, clock, store, log, opened, standing, drain_interval=drain_interval)
    engine.locks = tuple(locks)
    return engine


def opened_example(connector: Connector, clock: Clock) -> Erp | AttendancePlatform:
    """A client of the school that the connector's example describes; nothing is sent.

    Raises what opening with unusable settings does."""
    settings = connector.settings.model_validate(dict(connector.example))
    return connector.open(settings, _told_only(connector.name, clock))


def opened_unsent(config: ConnectionConfig, installed: Mapping[str, Connector], clock: Clock) -> Connection:
    """A connection's two clients without its secrets, to be told what they can do; nothing is sent."""
    return _opened(config, installed, clock, lambda _reference: "", lambda _name, _system: None)


def _told_only(name: str, clock: Clock) -> Surroundings:
    return Surroundings(
        connection=name, zone="Europe/Paris", country="FR", clock=clock, secret=lambda _reference: ""
    )


def api(engine: Engine, actor: str) -> Any:
    """The engine's API as an ASGI application for callers in this process: all of them are `actor`."""
    return application(engine, InProcess(actor))


def _opened(
    config: ConnectionConfig,
    installed: Mapping[str, Connector],
    clock: Clock,
    secret: Callable[[str], str],
    transports: Transports,
) -> Connection:
    def surroundings(system: System) -> Surroundings:
        return Surroundings(
            connection=config.name,
            zone=config.zone,
            country=config.country,
            clock=clock,
            secret=secret,
            transport=transports(config.name, system),
        )

    erp = installed[config.erp].open(config.settings, surroundings("erp"))
    platform = installed["edusign"].open(config.edusign, surroundings("edusign"))
    return Connection(config, cast(Erp, erp), cast(AttendancePlatform, platform))


def _standing(
    config: Config,
    folder: Path,
    store: Store,
    clock: Clock,
    machine_lock: Path | None,
    locks: list[FileLock],
) -> Standing:
    """One writer per machine for real systems; a store from another machine starts frozen (R39)."""
    machine = machine_id(folder)
    real = [name for name, one in config.connections.items() if is_real(one)]
    blocked: dict[str, str] = {}
    held_by = ""
    if real:
        lock = MachineLock(folder, machine_lock)
        if lock.acquire():
            locks.append(lock)
        else:
            held_by = lock.holder()
            reason = _("another engine on this machine writes to real systems: {who}").format(who=held_by)
            blocked = dict.fromkeys(real, reason)
    store.run_now(lambda tx: _check_machine(tx, machine))
    return Standing(folder=folder, holder=f"{machine}:{os.getpid()}:{clock.now().isoformat()}",
                    machine_lock=held_by, blocked=blocked)  # fmt: skip


def _check_machine(tx: Transaction, machine: str) -> None:
    known = tx.fact("machine")
    if known is not None and known != machine:
        reason = _("this state was made on another machine: make sure that one is stopped, then thaw")
        tx.set_fact(
            "freeze:",
            {"connection": "", "reason": reason, "actor": "engine", "since": tx.now.isoformat()},
        )
    tx.set_fact("machine", machine)
