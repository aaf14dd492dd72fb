"""What each command that talks to an engine does: ask, print, and say by the exit code how it went."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from console import processes
from console.engine_client import EngineClient, EngineRefused, EngineUnreachable
from console.presentation import absences as absence_words
from console.presentation import record_tables, tables
from console.presentation import why as why_words
from console.presentation.documents import document
from console.presentation.wording import Look, instant
from console.progress import with_progress
from console.session import DONE, FAILED, NEEDS_A_PERSON, UNREACHABLE, USAGE, Session
from engine.printable import printable
from engine.service.models import (
    ApplyRequest,
    DecideRequest,
    EventView,
    FindingView,
    FreezeRequest,
    ItemType,
    PlanRequest,
    RunRequest,
    RunView,
    TickRequest,
)
from engine.words import _

Arguments = argparse.Namespace

WAITING: tuple[ItemType, ...] = ("hold", "conflict", "duplicate")
"""Item types that stop a change until a person decides."""

EVENTS_SHOWN = 200

_OFFLINE = ("status", "events")


def perform(name: str, arguments: Arguments, session: Session) -> int:
    """Carry out one command; the exit code. No exception of the engine or of the connection leaves."""
    with EngineClient(session.socket) as client:
        try:
            return COMMANDS[name](arguments, session, client)
        except EngineRefused as refused:
            session.say(f"rollcall {name}: {printable(refused.message)}")
            return USAGE if refused.code == "usage" else FAILED
        except EngineUnreachable as unreachable:
            return _unreachable(name, arguments, session, unreachable)


def _unreachable(name: str, arguments: Arguments, session: Session, error: EngineUnreachable) -> int:
    if error.why == "absent":
        place = processes.engine_place(session)
        as_json = ["--json"] if session.json else []
        if name == "check":
            session.say(_("No engine is running: only the configuration is checked."))
            code = processes.carried_out("engine", ["config", "check", *place, *as_json])
            session.say(_("Start the engine with `rollcall engine start` to check the connections."))
            return code or UNREACHABLE
        if name == "config":
            session.say(_("No engine is running: this is what the file says."))
            processes.become("engine", ["config", "show", *place, *as_json])
        live = name == "events" and (arguments.follow or arguments.export)
        if name in _OFFLINE and not live:
            session.say(_("No engine is running at {socket}: reading its files.").format(socket=session.socket))
            # What is asked comes last, behind --: a word of the query may begin with a dash.
            words = ["offline", *place, *as_json]
            if name == "events":
                words += ["--limit", str(_limit(arguments)), name, "--", events_query(arguments)]
            else:
                words.append(name)
            processes.become("engine", words)
    session.say(f"rollcall {name}: {printable(error.message)}")
    if error.why == "absent":
        session.say(_("Start one with `rollcall engine start`."))
    elif error.why == "lost":
        session.say(_("What it had begun is settled when it starts again: see `rollcall runs` then."))
    return UNREACHABLE


def status(arguments: Arguments, session: Session, client: EngineClient) -> int:
    view = client.status()
    return _answer(session, view, lambda look: tables.status(view, look))


def engine_status(arguments: Arguments, session: Session, client: EngineClient) -> int:
    view = client.status()

    def line(look: Look) -> str:
        return tables.paragraph(
            [
                _("The engine {version} runs as process {pid} since {since}, in {folder}.").format(
                    version=view.version, pid=view.pid, since=instant(view.started, look), folder=view.folder
                )
            ],
            look,
        )

    return _answer(session, view, line)


def engine_start(arguments: Arguments, session: Session, client: EngineClient) -> int:
    return processes.start_engine(session, lambda: _answering(client))


def engine_stop(arguments: Arguments, session: Session, client: EngineClient) -> int:
    return processes.stop_engine(session, client.status().pid, lambda: _answering(client))


def _answering(client: EngineClient) -> bool:
    """Whether an engine answers, even if only to refuse."""
    try:
        client.status()
    except EngineRefused:
        return True
    except EngineUnreachable as unreachable:
        return unreachable.why == "denied"
    return True


def check(arguments: Arguments, session: Session, client: EngineClient) -> int:
    connection = arguments.connection or ""
    findings = with_progress(session, client, connection, lambda: client.check(connection))
    findings = (*findings, *terminal_findings(session))
    _answer(session, findings, lambda look: tables.findings(findings, look))
    return DONE if all(finding.ok for finding in findings) else FAILED


def terminal_findings(session: Session) -> tuple[FindingView, ...]:
    """What the terminal can show; nothing to say where the answer goes elsewhere."""
    if not session.out.isatty():
        return ()
    width = session.width or 0
    return (
        FindingView(
            what=_("terminal letters"),
            ok=session.utf8,
            detail=str(session.out.encoding),
            advice=_("set LANG to a UTF-8 locale, so that names keep their accents"),
        ),
        FindingView(
            what=_("terminal width"),
            ok=width >= 80,
            detail=_("{width} columns").format(width=width),
            advice=_("80 columns are needed to read the tables"),
        ),
    )


def plan(arguments: Arguments, session: Session, client: EngineClient) -> int:
    request = PlanRequest(connection=arguments.connection, flow=arguments.flow)
    view = with_progress(session, client, request.connection, lambda: client.plan(request))
    _answer(session, view, lambda look: tables.plan(view, look))
    if not session.json and view.changes and view.flow == "export":
        session.say(_("To write this: rollcall run {name} export").format(name=printable(view.connection)))
    elif not session.json and view.changes:
        session.say(_("To write this: rollcall apply {id}").format(id=printable(view.id)))
    return _waiting(session, client, view.connection, view.held + view.conflicts)


def apply(arguments: Arguments, session: Session, client: EngineClient) -> int:
    request = ApplyRequest(plan=arguments.plan, changes=tuple(arguments.change) or None)
    view = with_progress(session, client, "", lambda: client.apply(request))
    return _ended(session, client, view)


def run(arguments: Arguments, session: Session, client: EngineClient) -> int:
    request = RunRequest(connection=arguments.connection, flow=arguments.flow, only=arguments.only or "")
    begun = client.start_run(request)
    if not arguments.wait:
        _answer(session, begun, lambda look: tables.runs([begun], look))
        if not session.json:
            session.say(_("It goes on in the engine: rollcall runs, rollcall events --follow"))
        return DONE
    try:
        view = with_progress(session, client, request.connection, lambda: client.wait_run(begun.id))
    except KeyboardInterrupt:
        session.say(_("The run {id} goes on in the engine.").format(id=printable(begun.id)))
        raise
    return _ended(session, client, view)


def _ended(session: Session, client: EngineClient, view: RunView) -> int:
    _answer(session, view, lambda look: tables.run(view, look))
    if view.state not in ("done", "running"):
        session.say(
            _("The run is {state}: see rollcall events run:{id}").format(
                state=view.state, id=printable(view.id)
            )
        )
        return FAILED
    return _waiting(session, client, view.connection, view.held + view.conflicts)


def _waiting(session: Session, client: EngineClient, connection: str, at_least: int) -> int:
    """3, said in a line, if something of this connection waits for a person."""
    found = Counter(item.type for item in client.items(connection=connection))
    numbers = {kind: found[kind] for kind in WAITING}
    if not any(numbers.values()) and not at_least:
        return DONE
    waiting = ", ".join(f"rollcall {kind}s ({number})" for kind, number in numbers.items() if number)
    session.say(_("Waiting for a person: {waiting}").format(waiting=waiting or at_least))
    return NEEDS_A_PERSON


def changes(arguments: Arguments, session: Session, client: EngineClient) -> int:
    names = [arguments.connection] if arguments.connection else [c.name for c in client.status().connections]
    plans = []
    for name in names:
        try:
            plans.append(client.last_plan(name))
        except EngineRefused as refused:
            if refused.code != "not_found" or arguments.connection:
                raise
    return _answer(
        session,
        plans,
        lambda look: "\n".join(tables.plan(view, look) for view in plans) or _("No plan yet.") + "\n",
    )


def items(type: str) -> Callable[[Arguments, Session, EngineClient], int]:
    """The command that lists one type of items."""

    def listed(arguments: Arguments, session: Session, client: EngineClient) -> int:
        views = client.items(type=type, connection=arguments.connection or "", closed=arguments.closed)
        return _answer(session, views, lambda look: tables.items(views, look))

    return listed


def today(arguments: Arguments, session: Session, client: EngineClient) -> int:
    views = client.today(arguments.connection or "")
    return _answer(session, views, lambda look: record_tables.today(views, look))


def sheets(arguments: Arguments, session: Session, client: EngineClient) -> int:
    views = client.sheets(arguments.connection or "")
    return _answer(session, views, lambda look: record_tables.sheets(views, look))


def absences(arguments: Arguments, session: Session, client: EngineClient) -> int:
    verb, *rest = arguments.words or [""]
    if verb == "tick":
        if not rest:
            session.say(_("rollcall absences tick: the ids of lines to report by hand are missing"))
            return USAGE
        views = client.tick(TickRequest(ids=tuple(rest), done=not arguments.undo))
    elif verb == "form":
        return _absence_form(rest, arguments.out, session, client)
    else:
        query = f"kind:{arguments.state} {arguments.query or ''}" if arguments.state else arguments.query or ""
        views = client.absences(verb, query, arguments.limit)
    return _answer(session, views, lambda look: absence_words.absences(views, look))


def _absence_form(rest: list[str], out: str | None, session: Session, client: EngineClient) -> int:
    if len(rest) != 1 or not out:
        session.say(_("rollcall absences form: CONNECTION and --out FILE were expected"))
        return USAGE
    path = Path(out)
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("wb") as into:
            rows = client.absence_form(rest[0], into)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    said = _("{rows} lines to report by hand written to {path}.").format(rows=rows, path=printable(path))
    return _answer(session, {"rows": rows, "path": str(path)}, lambda look: f"{said}\n")


def record(arguments: Arguments, session: Session, client: EngineClient) -> int:
    kind, _colon, id = arguments.record.partition(":")
    if not kind or not id:
        said = _("rollcall record: {text}: KIND:ID was expected, such as learner:ab12")
        session.say(said.format(text=printable(arguments.record)))
        return USAGE
    ask = client.look if arguments.now else client.record
    names = [arguments.connection] if arguments.connection else [c.name for c in client.status().connections]
    views = []
    unknown: EngineRefused | None = None
    for name in names:
        try:
            views.append(ask(name, kind, id))
        except EngineRefused as refused:
            if refused.code != "not_found":
                raise
            unknown = refused
    if not views and unknown is not None:
        raise unknown
    return _answer(session, views, lambda look: record_tables.records(views, look))


def find(arguments: Arguments, session: Session, client: EngineClient) -> int:
    views = client.find(" ".join(arguments.words), arguments.connection or "", arguments.limit)
    return _answer(session, views, lambda look: record_tables.found(views, look))


def why(arguments: Arguments, session: Session, client: EngineClient) -> int:
    views = client.why(" ".join(arguments.words), arguments.connection or "", arguments.limit)
    if arguments.now:
        views = tuple(
            client.why_now(one.connection, one.kind, one.erp_id or one.edusign_id) if one.kind else one
            for one in views[:1]
        )
    return _answer(session, views, lambda look: why_words.answers(views, look))


def decide(arguments: Arguments, session: Session, client: EngineClient) -> int:
    revision = arguments.revision
    if revision is None:
        revision = client.item(arguments.id).revision
    view = client.decide(
        DecideRequest(
            item=arguments.id,
            choice=arguments.choice,
            value=arguments.value or "",
            revision=revision,
            changes=tuple(arguments.change) or None,
            why=arguments.why or "",
        )
    )
    return _answer(session, view, lambda look: tables.paragraph([tables.decided(view, arguments.choice)], look))


def freeze(arguments: Arguments, session: Session, client: EngineClient) -> int:
    view = client.freeze(FreezeRequest(connection=arguments.connection or "", reason=arguments.reason or ""))
    return _answer(session, view, lambda look: tables.paragraph([tables.freeze(view, look)], look))


def thaw(arguments: Arguments, session: Session, client: EngineClient) -> int:
    connection = arguments.connection or ""
    client.thaw(FreezeRequest(connection=connection, reason=arguments.reason or ""))
    done = _("Writes go on for {what}.").format(what=connection or _("all connections"))
    return _answer(session, {"connection": connection, "frozen": False}, lambda look: f"{printable(done)}\n")


def events(arguments: Arguments, session: Session, client: EngineClient) -> int:
    query = events_query(arguments)
    if arguments.export:
        return _export(Path(arguments.export), query, session, client)
    if arguments.follow:
        return _follow(query, arguments, session, client)
    page = client.events(query, after=arguments.after, limit=_limit(arguments))
    # In the order of time, as a log reads: the newest stands nearest to the prompt.
    ordered = sorted(page.events, key=lambda event: (event.epoch, event.seq))
    _answer(session, page, lambda look: tables.events(ordered, look))
    if page.more and not session.json:
        session.say(_("There are more: raise --limit, or narrow the query."))
    return DONE


def events_query(arguments: Arguments) -> str:
    """The words of the command line as one query."""
    return " ".join(arguments.query)


def _limit(arguments: Arguments) -> int:
    return EVENTS_SHOWN if arguments.limit is None else int(arguments.limit)


def _follow(query: str, arguments: Arguments, session: Session, client: EngineClient) -> int:
    look = _look(session)

    def show(event: EventView) -> None:
        if session.json:
            session.answer(document(event, indent=None, ascii_only=not session.utf8) + "\n")
        else:
            session.answer(tables.event_line(event, look) + "\n")

    after = arguments.after
    if arguments.limit and after is None:
        # The position first: what enters the log while the page is read is then followed, not missed.
        after = client.status().seq
        page = client.events(query, before=after + 1, limit=arguments.limit)
        for event in sorted(page.events, key=lambda event: (event.epoch, event.seq)):
            show(event)
    for event in client.follow(query, after=after, announce=session.say):
        show(event)
    return DONE


def _export(path: Path, query: str, session: Session, client: EngineClient) -> int:
    format = path.suffix.lower().removeprefix(".")
    if format not in ("csv", "jsonl", "parquet"):
        session.say(_("rollcall events: --export takes a file ending in .csv, .jsonl or .parquet"))
        return USAGE
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("wb") as into:
            rows = client.export(query, format, into)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    said = _("{rows} events written to {path}.").format(rows=rows, path=printable(path))
    return _answer(session, {"rows": rows, "path": str(path)}, lambda look: f"{said}\n")


def runs(arguments: Arguments, session: Session, client: EngineClient) -> int:
    views = client.runs(arguments.connection or "", arguments.limit)
    return _answer(session, views, lambda look: tables.runs(views, look))


def config(arguments: Arguments, session: Session, client: EngineClient) -> int:
    effective = client.config()
    return _answer(
        session, effective, lambda look: "".join(f"{printable(line)}\n" for line in _flat(effective))
    )


def _flat(content: Any, prefix: str = "") -> list[str]:
    if not isinstance(content, dict):
        return [f"{prefix} = {document(content, indent=None)}"]
    return [
        line
        for key, inner in content.items()
        for line in _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    ]


def _answer(session: Session, content: Any, text: Callable[[Look], str]) -> int:
    if session.json:
        session.answer(document(content, ascii_only=not session.utf8) + "\n")
    else:
        session.answer(text(_look(session)))
    return DONE


def _look(session: Session) -> Look:
    return Look(session.width)


COMMANDS: dict[str, Callable[[Arguments, Session, EngineClient], int]] = {
    "status": status,
    "engine start": engine_start,
    "engine stop": engine_stop,
    "engine status": engine_status,
    "check": check,
    "plan": plan,
    "apply": apply,
    "run": run,
    "changes": changes,
    "holds": items("hold"),
    "conflicts": items("conflict"),
    "duplicates": items("duplicate"),
    "rejections": items("rejection"),
    "tasks": items("task"),
    "today": today,
    "sheets": sheets,
    "absences": absences,
    "record": record,
    "find": find,
    "why": why,
    "decide": decide,
    "freeze": freeze,
    "thaw": thaw,
    "events": events,
    "runs": runs,
    "config": config,
}
