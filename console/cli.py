"""The front door: `rollcall …`. Reads the command line, and imports only what the command needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.session import DONE, FAILED, Session, located
from engine.words import _

if TYPE_CHECKING:
    import argparse


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line; the exit code. Nothing but SystemExit leaves, and never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that is not UTF-8 shows a name's letters as escapes rather than ending the command.
            stream.reconfigure(errors="backslashreplace")
    try:
        words = sys.argv[1:] if argv is None else argv
        if not words and _on_a_terminal():
            # Straight to the screens: their first question is asked before anything more is imported.
            from console.start import open_console

            return open_console(located(os.environ))
        return _main(words)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read the answer has enough; what Python would flush at its end has no reader either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        print(f"rollcall: {name}{error.strerror or error}", file=sys.stderr)
        return FAILED
    except Exception as error:
        from engine.printable import printable

        said = printable(error, 200)
        print(
            _("rollcall: a mistake of the program ({kind}: {said}); please report it").format(
                kind=type(error).__name__, said=said
            ),
            file=sys.stderr,
        )
        return FAILED


def _main(argv: Sequence[str]) -> int:
    from console.command_line import parser

    root = parser()
    arguments, beyond = root.parse_known_args(argv)
    command: str = arguments.command or "status"
    if beyond and not _absorbed(command, arguments, beyond):
        root.error(_("what is {words}?").format(words=" ".join(beyond)))
    session = located(
        os.environ,
        config=arguments.config,
        folder=arguments.folder,
        socket=arguments.socket,
        json=arguments.json,
    )
    if arguments.version:
        from importlib.metadata import version

        session.answer(f"rollcall {version('rollcall')}\n")
        return DONE
    if arguments.command is None and not session.json and _on_a_terminal():
        from console.start import open_console

        return open_console(session)
    return _dispatch(command, arguments, beyond, session)


_OF_CONNECTORS = ("files", "profile")
"""Commands that the connectors' own room carries out, every word of them."""


def _on_a_terminal() -> bool:
    """Whether screens can be shown: a person at both ends, and a terminal that moves its cursor."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _absorbed(command: str, arguments: argparse.Namespace, beyond: Sequence[str]) -> bool:
    """Words argparse has no place for that still belong to the command."""
    if command in ("demo", "simulate", *_OF_CONNECTORS):
        return True  # that room's own options
    if command == "events" and not any(word.startswith("--") for word in beyond):
        arguments.query += beyond  # -word, and words that stand after an option
        return True
    return False


def _dispatch(command: str, arguments: argparse.Namespace, beyond: Sequence[str], session: Session) -> int:
    from console import processes

    if command == "demo" and _on_a_terminal() and not (arguments.headless or arguments.json or arguments.days):
        from console import demo

        return demo.play(session, [*_passed_on(command, arguments), *beyond])
    if command in ("demo", "simulate"):
        processes.become("connectors", [command, *_passed_on(command, arguments), *beyond])
    if command in _OF_CONNECTORS:
        processes.become("connectors", [command, *arguments.words, *beyond])
    if command == "engine":
        if arguments.foreground and arguments.verb == "start":
            processes.become("engine", ["serve", *processes.engine_place(session)])
        command = f"engine {arguments.verb}"
    if command == "duplicates" and (arguments.source or arguments.out or arguments.link):
        processes.become("engine", _scoring(arguments, session))
    if command == "config" and arguments.verb != "show":
        processes.become("engine", ["config", arguments.verb, *processes.engine_place(session)])

    if command == "connectors":
        from console.told import connectors

        return connectors(session)

    from console.commands import perform

    return perform(command, arguments, session)


def _scoring(arguments: argparse.Namespace, session: Session) -> list[str]:
    """The engine's command that scores a file of people."""
    words = ["duplicates"]
    words += ["--from", arguments.source] if arguments.source else []
    words += ["--out", arguments.out] if arguments.out else []
    return [*words, *(["--link"] if arguments.link else []), *(["--json"] if session.json else [])]


def _passed_on(command: str, arguments: argparse.Namespace) -> list[str]:
    """The options of demo and simulate as that room takes them."""
    words = [arguments.system] if command == "simulate" else []
    words += [f"--{name}" for name in ("headless", "json") if getattr(arguments, name, False)]
    for name in ("port", "seed", "learners", "erp", "days"):
        if (value := getattr(arguments, name, None)) is not None:
            words += [f"--{name}", str(value)]
    return words


if __name__ == "__main__":
    sys.exit(main())
