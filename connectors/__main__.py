"""`python -m connectors simulate|demo|crash|files|profile|conform`: simulators, what drives and tries them."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from engine.clock import SystemClock
from engine.words import _


def main(argv: list[str] | None = None) -> int:
    """Run a sub-command; its exit code (2: wrong usage)."""
    given = sys.argv[1:] if argv is None else argv
    # What follows these is theirs to parse.
    if given[:1] == ["demo"]:
        from connectors.simulation.demo import main as demo

        return demo(given[1:])
    if given[:1] == ["crash"]:
        from connectors.simulation.crash import main as crash

        return crash(given[1:])
    if given[:1] == ["files"]:
        from connectors.files.command import main as files

        return files(given[1:])
    if given[:1] == ["profile"]:
        from connectors.profile.command import main as profile

        return profile(given[1:])
    if given[:1] == ["conform"]:
        from connectors.conformance.command import main as conform

        return conform(given[1:])
    parser = _parser()
    # argparse leaves positionals that follow an option unread.
    options, rest = parser.parse_known_args(given)
    options.switches = [*options.switches, *rest]
    if strange := [word for word in rest if word.startswith("-")]:
        parser.error(_("unknown option {option}").format(option=strange[0]))
    try:
        simulate(options)
    except (ValidationError, ValueError) as error:
        parser.exit(2, f"rollcall simulate: {_plain(error)}\n")
    except OSError as error:
        parser.exit(1, f"rollcall simulate: {error}\n")
    return 0


def simulate(options: argparse.Namespace) -> None:
    """Serve one simulator of a seeded school. Raises ValueError on a wrong switch, OSError on a taken port."""
    from connectors.simulation.erps import simulated
    from connectors.simulation.school import School
    from connectors.simulation.serve import serve

    clock = SystemClock()
    start = options.start or clock.now().astimezone(ZoneInfo("Europe/Paris")).date()
    school = School.seeded(options.seed, learners=options.learners, start=start)
    simulator: Any
    if options.system == "edusign":
        from connectors.edusign.simulator import EdusignSimulator, EdusignSwitches

        switches = set_switches(EdusignSwitches, options.switches)
        simulator, key = EdusignSimulator(options.seed, clock, switches, school.handmade), switches.api_key
    else:
        erp = simulated(options.system)
        switches = set_switches(erp.switches, options.switches)
        simulator, key = erp.simulator(school, clock, switches), erp.key(switches)
    serve(
        simulator.app,
        system=options.system,
        port=options.port,
        key=key,
        as_json=options.json,
        facts={"seed": options.seed, "learners": options.learners, "start": start.isoformat()},
    )


def set_switches(model: type[BaseModel], given: list[str]) -> Any:
    """The switches with `name=value` pairs set. Raises ValueError naming what is wrong."""
    values: dict[str, str] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or name not in model.model_fields:
            known = ", ".join(sorted(model.model_fields))
            raise ValueError(_("unknown switch {pair}; known are {known}").format(pair=pair, known=known))
        values[name] = value
    return model.model_validate(values)


def _parser() -> argparse.ArgumentParser:
    from connectors.simulation.erps import ERPS

    parser = argparse.ArgumentParser(prog="python -m connectors")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("simulate", help=_("serve one simulated system on the loopback interface"))
    one.add_argument("system", choices=("edusign", *ERPS))
    one.add_argument("--port", type=int, default=0, help=_("0 takes a free one"))
    one.add_argument("--seed", type=int, default=7)
    one.add_argument("--learners", type=int, default=200)
    one.add_argument("--start", type=_day, help=_("first day of the simulated sessions, YYYY-MM-DD"))
    one.add_argument("--json", action="store_true", help=_("say where it listens as one JSON line"))
    one.add_argument("switches", nargs="*", metavar="SWITCH=VALUE")
    commands.add_parser("demo", help=_("play a simulated school"))
    commands.add_parser("crash", help=_("kill the engine at its writes and see that nothing is lost"))
    commands.add_parser("conform", help=_("play the conformance kit against one connector and its stand-in"))
    return parser


def _day(text: str) -> date:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()


def _plain(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
