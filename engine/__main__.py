"""The engine as a process: `python -m engine serve`, `offline` reads, `config`, `duplicates` of a file."""

from __future__ import annotations

import argparse
import asyncio
import csv
import logging
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from engine import lifeline
from engine.certainty import told
from engine.clock import Clock, SteppedClock, SystemClock
from engine.compose import CannotStart, compose, connectors
from engine.config import Config, ConfigError, default_path, is_real, load, masked, template
from engine.events.grammar import GrammarError, parse
from engine.events.log import EventLog
from engine.events.search import LogError
from engine.printable import printable, printable_json
from engine.secrets import SecretError
from engine.service.access import Access
from engine.service.models import EventPage, EventView
from engine.service.routes import application
from engine.service.socket import SocketRefused, SocketServer
from engine.state.store import Store, StoreError
from engine.words import _

DONE, FAILED, USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one sub-command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m engine", description=_("the Rollcall engine"))
    commands = parser.add_subparsers(dest="command", required=True)
    serve_ = commands.add_parser("serve", help=_("run in the foreground until SIGTERM"))
    _common(serve_)
    serve_.add_argument(
        "--time-offset",
        type=_seconds,
        default=timedelta(),
        metavar="SECONDS",
        help=_("run that far from the machine's clock; only where every connection is simulated"),
    )
    serve_.add_argument(
        "--until-eof",
        action="store_true",
        help=_("stop when standard input ends too, and so with whoever started it"),
    )
    offline = commands.add_parser("offline", help=_("read state or log with no engine running"))
    offline.add_argument("what", choices=("status", "events"))
    offline.add_argument("query", nargs="*", default=[])
    offline.add_argument("--limit", type=int, default=200)
    offline.add_argument("--json", action="store_true")
    _common(offline)
    config = commands.add_parser("config", help=_("write, show or check the configuration"))
    config.add_argument("what", choices=("init", "show", "check"))
    config.add_argument("--json", action="store_true")
    _common(config)
    what = commands.add_parser("connectors", help=_("what every connector can do, and how sure that is"))
    what.add_argument("--json", action="store_true")
    _common(what)
    duplicates = commands.add_parser("duplicates", help=_("score the people of a CSV file in pairs"))
    duplicates.add_argument("--from", dest="source", type=Path, required=True, metavar="FILE.csv")
    duplicates.add_argument("--out", type=Path, required=True, metavar="FILE.csv")
    duplicates.add_argument("--link", action="store_true", help=_("both sides should hold the same people"))
    duplicates.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    try:
        return int(_COMMANDS[given.command](given))
    except (ConfigError, SecretError) as error:
        return _say(str(error), USAGE)
    except (CannotStart, StoreError, LogError, SocketRefused, OSError) as error:
        return _say(str(error), FAILED)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=None, help=_("the configuration file"))
    parser.add_argument("--folder", type=Path, default=None, help=_("where state, log and socket live"))


def _loaded(given: argparse.Namespace, *, check_secrets: bool = True) -> Config:
    config = load(given.config or default_path(), connectors(), check_secrets=check_secrets)
    if given.folder is None:
        return config
    return config.model_copy(update={"engine": config.engine.model_copy(update={"folder": given.folder})})


def _serve(given: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # One line per request would fill the log with addresses; the event log says what matters.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    config = _loaded(given)
    clock: Clock = SystemClock()
    if given.time_offset:
        if real := [name for name, one in config.connections.items() if is_real(one)]:
            message = _("--time-offset is for simulated schools alone; {names} may be real, so it is refused")
            return _say(message.format(names=", ".join(real)), USAGE)
        clock = SteppedClock(clock, given.time_offset)
    asyncio.run(_run(config, clock, until_eof=given.until_eof))
    return DONE


async def _run(config: Config, clock: Clock, *, until_eof: bool) -> None:
    engine = compose(config, clock)
    server = SocketServer()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, server.stop)
    if until_eof:
        lifeline.hold(sys.stdin.fileno(), server.stop)
    roles: dict[Any, tuple[str, ...]] = config.roles.model_dump()
    try:
        await engine.start()
        await server.serve(
            application(engine, Access(roles)), config.engine.socket, config.engine.group or None
        )
    finally:
        await engine.stop()


def _offline(given: argparse.Namespace) -> int:
    config = _loaded(given, check_secrets=False)
    if given.what == "events":
        return _offline_events(config, given)
    clock = SystemClock()
    store = Store.open(config.engine.folder / "state.sqlite", clock)
    found = {
        name: {
            "open": store.run_now(lambda tx, name=name: tx.open_counts(name)),  # type: ignore[misc]
            "linked": store.run_now(lambda tx, name=name: tx.link_counts(name)),  # type: ignore[misc]
            "last_run": [
                r.model_dump(mode="json")
                for r in store.run_now(lambda tx, name=name: tx.runs(name, 1))  # type: ignore[misc]
            ],
        }
        for name in config.connections
    }
    if given.json:
        print(printable_json({"offline": True, "connections": found}))
        return DONE
    for name, one in found.items():
        counts = ", ".join(f"{n} {word}" for word, n in sorted(one["open"].items())) or _("nothing open")
        last = one["last_run"][0] if one["last_run"] else None
        state = f"{_ended(last['state'])} {last['started'][:16]}" if last else _("no run yet")
        print(printable(_("{name}: last run {state}; {counts}").format(name=name, state=state, counts=counts)))
    return DONE


def _ended(state: str) -> str:
    """How a run stands while no engine runs: what was under way then was cut short."""
    return _("interrupted") if state == "running" else state


def _offline_events(config: Config, given: argparse.Namespace) -> int:
    clock = SystemClock()
    try:
        query = parse(" ".join(given.query), now=clock.now())
    except GrammarError as error:
        return _say(str(error), USAGE)
    try:
        log = EventLog.open(config.engine.folder / "log.duckdb", read_only=True)
    except FileNotFoundError:
        return _say(_("no log in {folder} yet").format(folder=config.engine.folder), FAILED)
    with log:
        page = log.page(query, limit=given.limit)
    views = tuple(EventView.model_validate(row.model_dump()) for row in page.rows)
    if given.json:
        print(printable_json(EventPage(events=views, more=page.more).model_dump(mode="json")))
        return DONE
    for view in reversed(views):
        print(f"{view.ts:%Y-%m-%d %H:%M:%S} {view.level:6} {view.connection} {printable(view.message)}")
    return DONE


def _config(given: argparse.Namespace) -> int:
    path = given.config or default_path()
    if given.what == "init":
        if path.exists():
            return _say(_("{path} exists already; it is left as it is").format(path=path), FAILED)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template(connectors()), encoding="utf-8")
        print(_("wrote {path}; edit it, then `rollcall check`").format(path=path))
        return DONE
    config = _loaded(given, check_secrets=given.what == "check")
    if given.what == "check":
        print(
            _("{path}: {count} connections, no mistake found").format(path=path, count=len(config.connections))
        )
    else:
        print(printable_json(masked(config), indent=None if given.json else 2))
    return DONE


def _duplicates(given: argparse.Namespace) -> int:
    """Pairs that are probably one person, as CSV: id_l, id_r, score in bits."""
    from engine.duplicates.scoring import Roster, shipped

    with Roster() as roster:
        try:
            roster.read(given.source)
        except ValueError as error:
            return _say(_("{file}: {error}").format(file=given.source, error=error), FAILED)
        pairs = roster.matches() if given.link else roster.pairs()
        people = len(roster)
    with given.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id_l", "id_r", "score"))
        writer.writerows((pair.left, pair.right, f"{pair.score:.3f}") for pair in pairs)
    said = {"people": people, "pairs": len(pairs), "weights": shipped().version, "out": str(given.out)}
    if given.json:
        print(printable_json(said))
    else:
        print(_("{people} people, {pairs} likely pairs, in {out}").format(**said))
    return DONE


def _connectors(given: argparse.Namespace) -> int:
    """Always JSON: the console makes it into a table."""
    path = given.config or default_path()
    config = _loaded(given, check_secrets=False) if path.is_file() else None
    view = told(connectors(), config.connections if config else {}, SystemClock())
    print(printable_json(view.model_dump(mode="json")))
    return DONE


_COMMANDS = {
    "serve": _serve,
    "offline": _offline,
    "config": _config,
    "connectors": _connectors,
    "duplicates": _duplicates,
}


def _seconds(text: str) -> timedelta:
    """A number of seconds, of either sign, within a century."""
    try:
        offset = timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        offset = timedelta.max
    if abs(offset) > timedelta(days=36525):
        raise argparse.ArgumentTypeError(_("a number of seconds within a century"))
    return offset


def _say(message: str, code: int) -> int:
    print(printable(message), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
