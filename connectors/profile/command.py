"""`rollcall profile template|check|probe`: an empty profile, what is wrong with one, and one page of a listing
with its places, from which the mapping is written."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from connectors.files.guess import guess
from connectors.files.tables import Table
from connectors.profile import ProfileSettings, places
from connectors.profile.client import ProfileClient
from connectors.profile.recipe import ABSENCE_FIELDS, BadRecipe, Entity, dumped, load, parsed, read, template
from connectors.tabular.erp import local_date
from connectors.tabular.fields import FIELDS, NEEDED, SORTS
from engine.clock import SystemClock
from engine.faults import fault_line
from engine.ports import Fault, Scope, Surroundings
from engine.printable import printable
from engine.secrets import SecretError, resolve
from engine.words import _

_SAMPLE_ROWS = 3
_DAYS = 14


class _Wrong(Exception):
    """What a person must change about the order they gave."""


def main(argv: Sequence[str], transport: Any = None) -> int:
    """Carry out one order: 0 done, 1 when something is not as it should be, 2 on wrong usage. `transport` is
    an httpx transport, None for the network's own."""
    given = _parser().parse_args(list(argv))
    try:
        if given.verb == "template":
            print(template(given.name), end="")
        elif given.verb == "check":
            recipe = load(given.profile)
            line = _("{profile}: whole, version {version}").format(
                profile=given.profile, version=recipe.version
            )
            print(printable(line))
        else:
            _probe(given, transport)
    except (BadRecipe, _Wrong, SecretError) as error:
        print(printable(error), file=sys.stderr)
    except ValidationError as error:
        first = error.errors()[0]
        print(printable(f"{'.'.join(map(str, first['loc']))}: {first['msg']}"), file=sys.stderr)
    except Fault as fault:
        print(fault_line(fault, given.profile), file=sys.stderr)
    else:
        return 0
    return 1


def _probe(given: argparse.Namespace, transport: Any) -> None:
    """Fetch one page, show its places, write what is asked for. Raises Fault, BadRecipe, _Wrong."""
    data = read(given.profile)
    entity = _entity(data, given)
    answer = asyncio.run(_fetched(_client(data, given, transport), entity, _scope(given.zone)))
    where = given.rows or entity.rows or _likeliest_rows(answer)
    rows = _rows_at(answer, where)
    found = places.found_in({}) if not rows else _places(rows)
    mapping = {**_guessed(rows, found, given.sort), **entity.fields, **_ordered(given)}
    _tell(given, where, rows, found, mapping)
    if given.sample:
        sample = json.dumps(redacted(rows[:_SAMPLE_ROWS]), ensure_ascii=False, indent=1)
        Path(given.sample).write_text(sample + "\n", encoding="utf-8")
    if given.write:
        _write(data, given, where, found, mapping)


async def _fetched(client: ProfileClient, entity: Entity, scope: Scope) -> Any:
    try:
        return await client.page(entity, scope)
    finally:
        await client.close()


def _entity(data: dict[str, Any], given: argparse.Namespace) -> Entity:
    """The listing as far as the profile says it: fields may still be missing. Raises _Wrong."""
    said = data.get(given.sort)
    if not isinstance(said, dict) or not said.get("path"):
        raise _Wrong(
            _("{profile}: say the path of [{sort}] first").format(profile=given.profile, sort=given.sort)
        )
    fields = {field: place for field, place in said.get("fields", {}).items() if place}
    paging = {name: value for name, value in said.get("paging", {}).items() if value != ""}
    bare = {name: value for name, value in said.items() if value not in ("", {})}
    return Entity.model_validate({**bare, "fields": fields, **({"paging": paging} if paging else {})})


def _client(data: dict[str, Any], given: argparse.Namespace, transport: Any) -> ProfileClient:
    auth = data.get("auth", {})
    bare = {name: value for name, value in auth.items() if value not in ("", {})}
    known = {name: data[name] for name in ("name", "query_date") if data.get(name)}
    recipe = parsed({**known, "auth": bare}, given.profile)
    settings = ProfileSettings(
        url=given.url,
        profile=given.profile,
        username=given.username,
        password=given.password,
        token=given.token,
    )
    return ProfileClient(
        settings,
        recipe,
        Surroundings(
            connection=given.profile,
            zone=given.zone,
            country="FR",
            clock=SystemClock(),
            secret=resolve,
            transport=transport,
        ),
    )


def _scope(zone: str) -> Scope:
    today = local_date(SystemClock().now(), zone)
    return Scope(first=today, last=today + timedelta(days=_DAYS - 1), zone=zone)


def _likeliest_rows(answer: Any) -> str:
    """Where the longest list of objects stands."""
    found: list[tuple[int, str]] = []

    def look(value: Any, place: str, depth: int) -> None:
        if isinstance(value, list):
            if value and all(isinstance(one, dict) for one in value):
                found.append((len(value), place))
        elif isinstance(value, dict) and depth < 5:
            for name, inner in value.items():
                look(inner, f"{place}.{name}" if place else str(name), depth + 1)

    look(answer, "", 0)
    return max(found, key=lambda one: (one[0], -len(one[1])))[1] if found else ""


def _rows_at(answer: Any, where: str) -> list[Any]:
    try:
        rows = places.one(answer, where)
    except places.Missing:
        raise _Wrong(_("nothing stands at {place}").format(place=where)) from None
    if isinstance(rows, dict):
        rows = list(rows.values())
    if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        raise _Wrong(_("no rows stand at {place}").format(place=where or _("the top")))
    return rows


def _places(rows: list[Any]) -> dict[str, Any]:
    """Every place any of the rows has, with the first value there."""
    found: dict[str, Any] = {}
    for row in rows:
        for place, value in places.found_in(row).items():
            if found.get(place) is None:
                found[place] = value
    return found


def _guessed(rows: list[Any], found: dict[str, Any], sort: str) -> dict[str, str]:
    if sort not in SORTS or not rows:
        return {}
    headings = tuple(found)
    cells = tuple(tuple(places.text(row, place) for place in headings) for row in rows)
    table = Table(headings, cells, tuple(range(1, len(cells) + 1)), "csv", "")
    return guess(table, sort)


def _ordered(given: argparse.Namespace) -> dict[str, str]:
    """What the order itself says. Raises _Wrong."""
    known = ABSENCE_FIELDS if given.sort == "absences" else FIELDS[given.sort]
    found = {}
    for pair in given.fields:
        field, equals, place = pair.partition("=")
        if not equals or field not in known:
            raise _Wrong(_("{pair}: no field; there are {fields}").format(pair=pair, fields=", ".join(known)))
        found[field] = place
    return found


def _tell(
    given: argparse.Namespace, where: str, rows: list[Any], found: dict[str, Any], mapping: dict[str, str]
) -> None:
    by_place = {place: field for field, place in mapping.items() if place}
    if given.json:
        print(json.dumps({"rows": where, "count": len(rows), "places": list(found), "fields": mapping}))
        return
    print(printable(_("{count} rows at {place}").format(count=len(rows), place=where or _("the top"))))
    width = max((len(place) for place in found), default=0)
    for place, value in found.items():
        shown = "" if value is None else printable(str(value), 40)
        print(f"{printable(place):<{width}}  {by_place.get(place, '-'):<12} {shown}")
    for field in _missing(given.sort, mapping):
        print(printable(_("no place for {field} yet: --set {field}=PLACE").format(field=field)))


def _missing(sort: str, mapping: dict[str, str]) -> list[str]:
    needed: Sequence[str] = ABSENCE_FIELDS[:4] if sort == "absences" else NEEDED[sort]  # type: ignore[index]
    return [field for field in needed if not mapping.get(field)]


def _write(
    data: dict[str, Any], given: argparse.Namespace, where: str, found: dict[str, Any], mapping: dict[str, str]
) -> None:
    """The profile with this mapping, its version one higher; comments are not kept. Raises _Wrong."""
    if given.profile.startswith("builtin:"):
        raise _Wrong(_("{profile} comes with Rollcall: write a copy of it").format(profile=given.profile))
    section = {
        **data[given.sort],
        "rows": where,
        "fields": {field: place for field, place in mapping.items() if place},
        "seen": list(found),
    }
    version = int(data.get("version", 0)) + 1
    Path(given.profile).write_text(dumped({**data, "version": version, given.sort: section}), encoding="utf-8")
    print(printable(_("{place}: version {version}").format(place=given.profile, version=version)))


def redacted(value: Any) -> Any:
    """The same shape without anybody's data: letters x, digits 0, numbers 0."""
    if isinstance(value, dict):
        return {name: redacted(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [redacted(inner) for inner in value]
    if isinstance(value, str):
        return "".join("0" if c.isdigit() else "x" if c.isalpha() else c for c in value)
    if isinstance(value, bool) or value is None:
        return value
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rollcall profile", description=_("profiles of REST ERPs"))
    verbs = parser.add_subparsers(dest="verb", required=True)
    empty = verbs.add_parser("template", help=_("print a profile to fill in"))
    empty.add_argument("name", nargs="?", default="ammon-template")
    check = verbs.add_parser("check", help=_("say what is wrong with a profile"))
    check.add_argument("profile", metavar="PROFILE.toml")
    probe = verbs.add_parser("probe", help=_("fetch one page of a listing and show its places"))
    probe.add_argument("profile", metavar="PROFILE.toml")
    probe.add_argument("sort", choices=(*SORTS, "absences"), help=_("which listing"))
    probe.add_argument("--url", required=True, help=_("base address of the API"))
    probe.add_argument("--username", default="")
    probe.add_argument("--password", default="", metavar="env:NAME", help=_("a reference, never the secret"))
    probe.add_argument("--token", default="", metavar="env:NAME", help=_("a reference, never the secret"))
    probe.add_argument("--zone", default="Europe/Paris", help=_("IANA zone of its dates"))
    probe.add_argument("--rows", default="", metavar="PLACE", help=_("where the rows stand"))
    probe.add_argument(
        "--set", dest="fields", action="append", default=[], metavar="FIELD=PLACE",
        help=_("where the guess is wrong; nothing after = for a field that is not to be read"),
    )  # fmt: skip
    probe.add_argument("--write", action="store_true", help=_("write the mapping into the profile"))
    probe.add_argument("--sample", default="", metavar="FILE", help=_("write rows without anybody's data"))
    probe.add_argument("--json", action="store_true")
    return parser
