"""The command line of `rollcall`: every command, its arguments and its help."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from console.session import USAGE
from engine.words import _

_DESCRIPTION = _("Watch over the synchronisation between Edusign and a school's planning software.")

_MANUAL = _(
    """\
With no command, on a terminal: the console, attached to the engine, which it starts where it is your own.
Elsewhere: the same as `rollcall status`.

exit status:
  0  done
  1  failed
  2  the command line or the configuration is wrong
  3  needs a person: after plan, apply or run --wait, holds, conflicts or duplicates are open
  4  no engine answers

environment:
  ROLLCALL_CONFIG   the configuration, instead of $XDG_CONFIG_HOME/rollcall/rollcall.toml
                    (root: /etc/rollcall/rollcall.toml)
  ROLLCALL_FOLDER   the engine's folder, instead of the one the configuration names, or
                    $XDG_STATE_HOME/rollcall (root: /var/lib/rollcall)
  COLUMNS           the width of tables; without it the terminal's, and no limit into a file or a pipe
  NO_COLOR, TERM    with NO_COLOR set or TERM=dumb, progress is printed line by line

files:
  rollcall.toml     written by `rollcall config init`
  engine.sock       in the engine's folder: where the engine answers; your Unix groups are your rights
  engine.log        in the engine's folder: what an engine in the background wrote

Answers go to standard output, everything else to standard error. Times are local.
`rollcall COMMAND --help` tells more of each command.
"""
)

_QUERY_HELP = _(
    """\
the query, all of whose words must hold:
  dupont                 a word, whatever its accents and case
  '"exact words"'        these words together
  -test                  without this word
  level:warn+            this level or a graver one
  kind:rejection  connection:lyon  learner:ab12  run:42  actor:me
  since:2d  until:2026-11-24T12:00

examples:
  rollcall events level:warn+ since:1d
  rollcall events --follow --json connection:lyon
  rollcall events kind:rejection --export rejections.csv
"""
)


_ABSENCES_HELP = _(
    """\
  rollcall absences                     every line, what asks for a person first
  rollcall absences lyon --state held   some of them
  rollcall absences tick a1b2c3         you reported it in the ERP by hand (--undo: you did not)
  rollcall absences form lyon --out F   what is to be reported by hand, in the ERP's import form if it has one
  rollcall run lyon export              export now
"""
)


class _Parser(argparse.ArgumentParser):
    """Errors in one line with what to do next."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, _("{prog}: {message}\nSee `{prog} --help`.\n").format(prog=self.prog, message=message))


def _common(*, at_end: bool) -> _Parser:
    """Options every command takes, before its name or after it."""
    # After the name a default would overwrite what stood before it.
    default: Any = argparse.SUPPRESS if at_end else None
    common = _Parser(add_help=False)
    group = common.add_argument_group(_("common options"))
    group.add_argument(
        "--json",
        action="store_true",
        default=argparse.SUPPRESS if at_end else False,
        help=_("answer as one JSON document (JSON lines with --follow)"),
    )
    group.add_argument("--config", metavar="FILE", default=default, help=_("the configuration"))
    group.add_argument("--folder", metavar="DIR", default=default, help=_("the engine's folder"))
    group.add_argument(
        "--socket", metavar="PATH", default=default, help=_("the engine's socket (DIR/engine.sock)")
    )
    return common


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = _Parser(
        prog="rollcall",
        description=_DESCRIPTION,
        epilog=_MANUAL,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[_common(at_end=False)],
        allow_abbrev=False,
    )
    root.add_argument("--version", action="store_true", help=_("print the version"))
    commands = root.add_subparsers(dest="command", metavar="COMMAND", title=_("commands"), parser_class=_Parser)
    common = _common(at_end=True)

    def command(name: str, help: str, epilog: str = "", **more: Any) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=help,
            description=help[:1].upper() + help[1:] + ".",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[common],
            allow_abbrev=False,
            **more,
        )

    def connection(of: argparse.ArgumentParser, required: bool = False) -> None:
        of.add_argument(
            "connection",
            metavar="CONNECTION",
            nargs=None if required else "?",
            help=_("a connection's name") + ("" if required else _("; all of them without")),
        )

    command("status", _("how every connection stands"))

    demo = command("demo", _("play a simulated school: simulators, engine and an operator in a scratch folder"))
    demo.add_argument("--headless", action="store_true", help=_("play the days at once and print the report"))
    for option, what in (
        ("--seed", _("the school's seed")),
        ("--learners", _("how many learners")),
        ("--days", _("how many days of windows")),
    ):
        demo.add_argument(option, type=int, metavar="N", help=what)
    demo.add_argument("--erp", metavar="NAME", help=_("the school's planning software, such as ypareo"))

    simulate = command("simulate", _("serve one simulated system on its own"))
    simulate.add_argument("system", metavar="SYSTEM", help=_("edusign, ypareo …"))
    for option, what in (
        ("--port", _("the port of 127.0.0.1 to serve on")),
        ("--seed", _("the school's seed")),
        ("--learners", _("how many learners")),
    ):
        simulate.add_argument(option, type=int, metavar="N", help=what)

    # Without -h: these words are that room's to parse.
    for name, what in (
        ("files", _("files an ERP exports: guess headings, rate rows, save a profile (show, save)")),
        ("profile", _("a REST ERP by the vendor's document: template, check, probe")),
    ):
        passed_on = command(name, what, add_help=False)
        passed_on.add_argument("words", metavar="…", nargs=argparse.REMAINDER)

    engine = command("engine", _("start, stop or look at the engine"))
    engine.add_argument("verb", choices=("start", "stop", "status"))
    engine.add_argument("--foreground", action="store_true", help=_("start: stay in this terminal"))

    connection(command("check", _("try credentials, rights and reachability of every connection")))

    command(
        "connectors",
        _("what every connector can do, how sure that is, and what is off and why"),
        epilog=_(
            "certainty: documented by the vendor, seen in somebody's client, inferred, or unknown.\n"
            "Needs no engine; each connector is told of as it comes, then as each connection has it."
        ),
    )

    plan = command("plan", _("say what a run would change; writes nothing"))
    connection(plan, required=True)
    plan.add_argument("flow", metavar="FLOW", nargs="?", default="import", help=_("import, unless said"))

    apply = command("apply", _("write those changes of a plan that are still the same"))
    apply.add_argument("plan", metavar="PLAN", help=_("the plan's id"))
    apply.add_argument(
        "--change", metavar="ID", action="append", default=[], help=_("only this change (may be repeated)")
    )

    run = command("run", _("run a flow now"))
    connection(run, required=True)
    run.add_argument("flow", metavar="FLOW", nargs="?", default="import", help=_("import, unless said"))
    run.add_argument("--only", metavar="KIND:ID", help=_("one record, such as learner:ab12 or sheet:77"))
    run.add_argument("--wait", action="store_true", help=_("return when it has ended"))

    connection(command("changes", _("the newest plan of each connection")))
    for name, what in (
        ("holds", _("changes stopped by a brake, waiting for approval")),
        ("conflicts", _("fields that both sides changed differently")),
        ("duplicates", _("pairs that are probably one person")),
        ("rejections", _("records that cannot be synced, and why")),
        ("tasks", _("what a person has to correct in one of the systems")),
    ):
        listed = command(name, what)
        connection(listed)
        listed.add_argument("--closed", action="store_true", help=_("those that are settled instead"))
        if name == "duplicates":
            listed.add_argument(
                "--from", dest="source", metavar="FILE.csv", help=_("score the people of this file instead")
            )
            listed.add_argument("--out", metavar="FILE.csv", help=_("where the file's likely pairs go"))
            listed.add_argument(
                "--link", action="store_true", help=_("the file's two sides should hold the same people")
            )

    connection(command("today", _("today's sheets, and what is wrong with them")))
    connection(command("sheets", _("every sheet of the horizon beside its session, as last read")))

    absences = command(
        "absences", _("absences delivered to the ERP, waiting and why, held, to report by hand"), _ABSENCES_HELP
    )
    absences.add_argument(
        "words", metavar="CONNECTION | tick ID … | form CONNECTION", nargs="*", help=_("see below")
    )
    absences.add_argument(
        "--state",
        choices=("delivered", "due", "waiting", "held", "by_hand", "theirs"),
        help=_("only those"),
    )
    absences.add_argument("--query", metavar="QUERY", help=_("only those that match, as in events"))
    absences.add_argument("--limit", type=_count, metavar="N", default=1000, help=_("how many (1000)"))
    absences.add_argument("--undo", action="store_true", help=_("tick: take the ticks back"))
    absences.add_argument("--out", metavar="FILE", help=_("form: the file to write"))

    record = command("record", _("one record as both sides last showed it, field by field"))
    record.add_argument(
        "record", metavar="KIND:ID", help=_("by its ERP key or its Edusign id, such as learner:ab12")
    )
    connection(record)
    record.add_argument("--now", action="store_true", help=_("read it on both sides now"))

    find = command("find", _("records by name, e-mail or id on either side, whatever accents and case"))
    find.add_argument("words", metavar="WORDS", nargs="+", help=_("all of which must be there"))
    find.add_argument("--connection", metavar="NAME", help=_("only in this connection"))
    find.add_argument("--limit", type=_count, metavar="N", default=50, help=_("how many (50)"))

    why = command("why", _("why a person, group or sheet isn't in Edusign, and what will make it appear"))
    why.add_argument("words", metavar="WHO", nargs="+", help=_("a name, an e-mail, an id, or KIND:ID"))
    why.add_argument("--connection", metavar="NAME", help=_("only in this connection"))
    why.add_argument("--limit", type=_count, metavar="N", default=5, help=_("how many records (5)"))
    why.add_argument("--now", action="store_true", help=_("read the first one on both sides now"))

    decide = command("decide", _("settle a hold, a conflict or a duplicate"))
    decide.add_argument("id", metavar="ID", help=_("the item's id, from its list"))
    decide.add_argument("choice", metavar="CHOICE", help=_("one of the item's choices"))
    decide.add_argument("value", metavar="VALUE", nargs="?", help=_("where the choice wants one"))
    decide.add_argument("--why", metavar="TEXT", help=_("kept with the decision"))
    decide.add_argument(
        "--change", metavar="ID", action="append", default=[], help=_("only this change of a hold (repeatable)")
    )
    decide.add_argument(
        "--revision", type=int, metavar="N", help=_("refuse if the item has changed since this revision")
    )

    for name, what in (("freeze", _("stop all writes")), ("thaw", _("let writes go on"))):
        stop = command(name, what)
        connection(stop)
        stop.add_argument("--reason", metavar="TEXT", help=_("said on every console"))

    # Without -h, so that every word with a single dash belongs to the query.
    events = command("events", _("search the log"), epilog=_QUERY_HELP, add_help=False)
    events.add_argument("query", metavar="QUERY", nargs="*", help=_("words and filters, see below"))
    events.add_argument("--help", action="help", help=_("show this help message and exit"))
    events.add_argument("--follow", action="store_true", help=_("go on with events as they happen"))
    events.add_argument(
        "--export", metavar="FILE", help=_("write all that match to FILE.csv, FILE.jsonl or FILE.parquet")
    )
    events.add_argument(
        "--limit", type=_count, metavar="N", help=_("how many (200; with --follow 0 past ones)")
    )
    events.add_argument("--after", type=int, metavar="SEQ", help=_("only events after this number"))

    runs = command("runs", _("runs, newest first"))
    connection(runs)
    runs.add_argument("--limit", type=_count, metavar="N", default=50, help=_("how many (50)"))

    config = command("config", _("write a commented configuration, show the effective one, or check it"))
    config.add_argument("verb", choices=("init", "show", "check"))
    return root


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number
