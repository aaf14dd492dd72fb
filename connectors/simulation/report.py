"""The demo's report as a table for people. What comes from outside is made printable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.printable import printable
from engine.words import _

_WIDEST = 100


def table(report: Mapping[str, Any], width: int | None = None) -> str:
    """The whole report: a table of runs and the verdict, per connection.

    Where a row does not fit in `width` columns, what was written stands below it.
    """
    title = _("{learners} learners, {days} days, seed {seed}").format(**report)
    parts = [printable(title)]
    for connection in report["connections"]:
        parts += [
            "",
            printable(connection["name"]),
            *_runs(connection["runs"], width),
            "",
            *_end(connection["end"]),
        ]
    return "\n".join(parts)


def _runs(runs: Sequence[Mapping[str, Any]], width: int | None) -> list[str]:
    head = (
        _("window"), _("state"), _("rejected"), _("held"), _("conflicts"), _("skipped"), _("requests"),
        _("least"),
    )  # fmt: skip
    rows = [
        (
            _window(run),
            run["state"],
            str(run["rejected"]),
            str(run["held"]),
            str(run["conflicts"]),
            str(run["skipped"]),
            _sides(run["requests"]),
            _sides(run["minimum_requests"]),
        )
        for run in runs
    ]
    written = [_counts(run["changes"]) for run in runs]
    beside = _columns([(*row, said) for row, said in zip((head, *rows), (_("written"), *written), strict=True)])
    if width is None or max(map(len, beside)) <= width:
        return beside
    first, *lines = _columns([head, *rows])
    below = [f"    {printable(said, _WIDEST)}" for said in written]
    return [first, *(line for pair in zip(lines, below, strict=True) for line in pair)]


def _window(run: Mapping[str, Any]) -> str:
    """`import 1130 09-14`; with a + where decisions had the window's run go on."""
    _connection, flow, window, day = run["occurrence"].split("/")
    return f"{flow} {window} {day[5:]}" + (" +" if run["trigger"] == "decision" else "")


def _end(end: Mapping[str, Any]) -> list[str]:
    words = {True: _("yes"), False: _("NO")}
    rows = [
        (_("both sides agree"), words[end["in_sync"]]),
        (_("absences as on locked sheets"), words.get(end["absences_equal"], "-")),
        (_("every write accounted for"), words[end["accounting_balanced"]]),
        (_("doubles"), str(end["doubles"])),
        (_("doubles made by hand"), str(len(end["handmade_doubles"]))),
        (_("edits lost"), str(end["lost"])),
        (_("learners in Edusign"), str(end["learners_in_edusign"])),
        (_("still held"), str(end["held"])),
        (_("asked, by cause"), _counts(end["holds_by_cause"])),
        (_("due, by cause"), _counts(end["expected_holds_by_cause"])),
    ]
    return [*_columns(rows), *(f"  {printable(line, 160)}" for line in end["details"])]


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "-"


def _sides(counts: Mapping[str, int]) -> str:
    return f"{counts['erp']}+{counts['edusign']}"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    cut = [[printable(cell, _WIDEST) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in cut) for n in range(len(cut[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cut)
    return [line.rstrip() for line in lines]
