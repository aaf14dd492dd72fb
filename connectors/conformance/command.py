"""`python -m connectors conform NAME`: play the kit against one pair, and say what holds."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module

from connectors.conformance import CHECKS, LEARNERS, Outcome, check
from connectors.simulation.erps import ERPS, SimulatedErp, simulated
from engine.printable import printable
from engine.words import _

DONE, FAILED, USAGE = 0, 1, 2
_LEAST = 40


def main(argv: Sequence[str]) -> int:
    """Carry out the command; its exit code (1: a check failed, 2: wrong usage)."""
    parser = argparse.ArgumentParser(prog="python -m connectors conform")
    parser.add_argument(
        "pair",
        metavar="NAME",
        help=_("one of {names}, or MODULE:ATTRIBUTE of a pair").format(names=", ".join(ERPS)),
    )
    parser.add_argument("--check", action="append", choices=tuple(CHECKS), help=_("this check only"))
    parser.add_argument("--learners", type=int, default=LEARNERS, help=_("how many learners the school has"))
    parser.add_argument("--json", action="store_true", help=_("answer as one JSON document"))
    given = parser.parse_args(argv)
    if given.learners < _LEAST:
        parser.error(_("a school has at least {least} learners").format(least=_LEAST))
    try:
        pair = found(given.pair)
    except LookupError as error:
        print(printable(error.args[0]), file=sys.stderr)
        return USAGE
    outcomes: list[Outcome] = []
    for name in given.check or CHECKS:
        outcomes.append(check(name, pair, given.learners))
        if not given.json:
            print(line(outcomes[-1]), flush=True)
    if given.json:
        print(json.dumps({"pair": given.pair, "checks": [asdict(one) for one in outcomes]}, ensure_ascii=False))
    return FAILED if any(one.state == "failed" for one in outcomes) else DONE


def line(outcome: Outcome) -> str:
    """How one check ended, as a line."""
    said = {"passed": _("passed"), "failed": _("FAILED"), "skipped": _("skipped")}[outcome.state]
    return printable(f"{said:8} {outcome.check:22} {outcome.line}").rstrip()


def found(name: str) -> SimulatedErp:
    """A pair by the name of a simulated ERP, or by MODULE:ATTRIBUTE. Raises LookupError with what to do."""
    if name in ERPS:
        return simulated(name)
    module, _colon, attribute = name.partition(":")
    if not attribute:
        known = ", ".join(ERPS)
        raise LookupError(
            _("no pair is called {name}; known are {known}, and MODULE:ATTRIBUTE").format(
                name=name, known=known
            )
        )
    try:
        pair = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise LookupError(_("{name} can't be loaded: {error}").format(name=name, error=error)) from None
    if not isinstance(pair, SimulatedErp):
        raise LookupError(
            _("{name} is no pair: it should be a connectors.simulation.erps.SimulatedErp").format(name=name)
        )
    return pair
