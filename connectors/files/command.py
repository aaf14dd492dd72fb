"""`rollcall files show|save`: a file's headings guessed, its rows rated, and the mapping saved as a profile."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from connectors.files.guess import counts, guess, missing, preview
from connectors.files.mapping import HeadingGone, new_headings
from connectors.files.profile import BadProfile, FileProfile, TableProfile, dumped, load
from connectors.files.tables import Table, Unreadable, read
from connectors.tabular.fields import FIELDS, SORTS, Sort
from engine.printable import printable
from engine.words import _

_ROWS = 20
_WIDTH = 24


class _Wrong(Exception):
    """What a person must change about the order they gave."""


def main(argv: Sequence[str]) -> int:
    """Carry out one order: 0 done, 1 when the file or profile is not as it should be, 2 on wrong usage."""
    parser = _parser()
    given = parser.parse_args(list(argv))
    try:
        return _show(given) if given.verb == "show" else _save(given)
    except (Unreadable, BadProfile, HeadingGone, _Wrong) as error:
        print(printable(f"{given.file}: {error}"), file=sys.stderr)
    except OSError as error:
        print(printable(f"{given.file}: {error.strerror}"), file=sys.stderr)
    return 1


def _show(given: argparse.Namespace) -> int:
    table = read(Path(given.file).read_bytes(), given.worksheet)
    profile, known = _profile_of(given, table)
    rated = preview(table, given.sort, profile, known.conventions, given.zone)
    if given.json:
        print(
            json.dumps(
                {
                    "columns": profile.columns,
                    "missing": missing(profile.columns, given.sort),
                    "new": list(new_headings(table, profile)),
                    "counts": counts(rated),
                    "rows": [
                        {"line": r.line, "level": r.level, "reasons": r.reasons, "cells": r.cells}
                        for r in rated
                        if r.level != "valid" or r.line <= _ROWS
                    ],
                },
                ensure_ascii=False,
            )
        )
        return 0
    for field in FIELDS[given.sort]:
        print(printable(f"{field:<12} {profile.columns.get(field, '-')}"))
    unread = [heading for heading in table.headings if heading not in profile.columns.values()]
    print(printable(_("not read: {headings}").format(headings=", ".join(unread) or "-")))
    told = counts(rated)
    print(
        _("{valid} valid, {warning} with a warning, {error} with an error").format(
            valid=told["valid"], warning=told["warning"], error=told["error"]
        )
    )
    # The worst first: what is fine needs no looking at.
    order = {"error": 0, "warning": 1, "valid": 2}
    for one in sorted(rated, key=lambda one: (order[one.level], one.line))[: given.rows]:
        cells = " │ ".join(printable(cell, _WIDTH) for cell in one.cells)
        print(f"{one.line:>6} {_LEVELS[one.level]:<8} {cells}")
        for reason in one.reasons:
            print(f"       {'':<8} {printable(reason)}")
    return 0


def _save(given: argparse.Namespace) -> int:
    table = read(Path(given.file).read_bytes(), given.worksheet)
    profile, known = _profile_of(given, table)
    if lacking := missing(profile.columns, given.sort):
        raise _Wrong(_("say which heading is {field}: {field}=HEADING").format(field=lacking[0]))
    preview(table, given.sort, profile, known.conventions, given.zone)
    place = Path(given.into)
    version = known.version + 1 if place.exists() else 1
    made = known.model_copy(update={given.sort: profile, "version": version})
    FileProfile.model_validate(made.model_dump())
    place.write_text(dumped(made), encoding="utf-8")
    print(printable(_("{place}: version {version}").format(place=given.into, version=version)))
    return 0


def _profile_of(given: argparse.Namespace, table: Table) -> tuple[TableProfile, FileProfile]:
    """The table's profile: saved, guessed, and what the order itself says, the last first. Raises _Wrong."""
    known = _known(given)
    sort: Sort = given.sort
    saved = known.table(sort)
    columns = dict(saved.columns) if saved is not None else guess(table, sort)
    for pair in given.columns:
        field, equals, heading = pair.partition("=")
        if not equals or field not in FIELDS[sort]:
            known_fields = ", ".join(FIELDS[sort])
            raise _Wrong(_("{pair}: no field; there are {fields}").format(pair=pair, fields=known_fields))
        if heading and heading not in table.headings:
            raise _Wrong(_("no heading {heading}").format(heading=heading))
        columns[field] = heading
    columns = {field: heading for field, heading in columns.items() if heading}
    pattern = given.pattern or (saved.file if saved is not None else Path(given.file).name)
    return (
        TableProfile(
            file=pattern,
            worksheet=given.worksheet or (saved.worksheet if saved is not None else ""),
            columns=columns,
            headings=saved.headings if saved is not None and given.verb == "show" else table.headings,
            only=saved.only if saved is not None else {},
            ended=saved.ended if saved is not None else {},
        ),
        known,
    )


def _known(given: argparse.Namespace) -> FileProfile:
    place = given.into
    if place and (place.startswith("builtin:") or Path(place).exists()):
        return load(place)
    return FileProfile(name=Path(place).stem if place else "profile")


_LEVELS = {"valid": _("Valid"), "warning": _("Warning"), "error": _("Error")}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rollcall files", description=_("files of an ERP that exports them"))
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, what in (
        ("show", _("guess the headings of a file and rate its rows; writes nothing")),
        ("save", _("save the mapping of a file as a new version of a profile")),
    ):
        one = verbs.add_parser(verb, help=what, description=what)
        one.add_argument("file", help=_("a CSV, XLS or XLSX file"))
        one.add_argument("sort", choices=SORTS, help=_("what its rows are"))
        one.add_argument(
            "--set", dest="columns", action="append", default=[], metavar="FIELD=HEADING",
            help=_("where the guess is wrong; nothing after = for a field that is not to be read"),
        )  # fmt: skip
        one.add_argument("--into", "--profile", default="", required=verb == "save", metavar="PROFILE.toml")
        one.add_argument("--pattern", default="", help=_("pattern of the file's name, such as *personnes*"))
        one.add_argument("--worksheet", default="", help=_("the worksheet; the first without"))
        one.add_argument("--zone", default="Europe/Paris", help=_("IANA zone of its times"))
        one.add_argument("--rows", type=int, default=_ROWS, help=_("rows to show"))
        one.add_argument("--json", action="store_true")
    return parser
