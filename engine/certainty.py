"""What every connector can do and how sure that is, as it comes and as each connection has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.clock import Clock
from engine.compose import opened_example, opened_unsent
from engine.config import ConnectionConfig
from engine.ports import Capability, Connector
from engine.printable import printable
from engine.service.models import CapabilityView, ConnectorsView
from engine.words import _


def told(
    installed: Mapping[str, Connector], connections: Mapping[str, ConnectionConfig], clock: Clock
) -> ConnectorsView:
    """Open each connector with its example, and each connection without its secrets; nothing is sent.

    One that can't be opened is told of in `problems` and hides no other."""
    views: list[CapabilityView] = []
    problems: list[str] = []
    for name in sorted(installed):
        try:
            views += _views(name, "", opened_example(installed[name], clock).capabilities)
        except Exception as error:
            problems.append(_problem(name, error))
    for name, config in sorted(connections.items()):
        try:
            opened = opened_unsent(config, installed, clock)
        except Exception as error:
            problems.append(_problem(name, error))
        else:
            views += _views(config.erp, name, opened.erp.capabilities)
            views += _views("edusign", name, opened.platform.capabilities)
    return ConnectorsView(capabilities=tuple(views), problems=tuple(problems))


def _views(connector: str, connection: str, capabilities: Iterable[Capability]) -> list[CapabilityView]:
    return [
        CapabilityView(connector=connector, connection=connection, **one.model_dump()) for one in capabilities
    ]


def _problem(name: str, error: Exception) -> str:
    said = printable(f"{type(error).__name__}: {error}", 200)
    return _("{name} could not be opened to ask what it can do: {error}").format(name=name, error=said)
