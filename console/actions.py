"""Everything a person can do with a key, as one table.

The footer, the help, the palette, the keymaps and docs/keys.md are made from it; a screen carries an action
out in its method `do_ID` (dots as underscores). Keys are named as Textual names them, several by commas; none
needs AltGr on a French keyboard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from engine.words import _

Scope: TypeAlias = Literal[
    "everywhere",
    "dashboard",
    "changes",
    "conflicts",
    "duplicates",
    "rejections",
    "sheets",
    "runs",
    "events",
    "absences",
    "record",
    "list",
]
"""Where an action works: a screen's name, `list` on every screen with a list, or everywhere."""

ROLES = ("viewer", "operator", "approver", "admin")


@dataclass(frozen=True)
class Action:
    """One action. `role`: the least that may do it; below it the action does not exist. `dangerous`: it
    writes or lets write, and asks first. `footer`: its place in the footer, 0 for none."""

    id: str
    keys: str
    words: str
    scopes: tuple[Scope, ...]
    help: str
    role: Literal["viewer", "operator", "approver"] = "viewer"
    dangerous: bool = False
    footer: int = 0

    def on(self, screen: str, has_list: bool) -> bool:
        """Whether it works on a screen."""
        return "everywhere" in self.scopes or screen in self.scopes or ("list" in self.scopes and has_list)

    def allowed(self, role: str) -> bool:
        return role in ROLES and ROLES.index(role) >= ROLES.index(self.role)


ITEM_SCREENS: tuple[Scope, ...] = ("dashboard", "conflicts", "duplicates", "rejections")

SCREENS: tuple[tuple[str, str, str], ...] = (
    ("dashboard", "1,ampersand", _("Dashboard")),
    ("changes", "2,é,latin_small_letter_e_with_acute", _("Changes")),
    ("conflicts", "3,quotation_mark", _("Conflicts")),
    ("duplicates", "4,apostrophe", _("Duplicates")),
    ("rejections", "5,left_parenthesis", _("Rejections")),
    ("sheets", "6,minus", _("Sheets")),
    ("runs", "7,è,latin_small_letter_e_with_grave", _("Runs")),
    ("events", "8,underscore", _("Events")),
    ("absences", "9,ç,latin_small_letter_c_with_cedilla", _("Absences")),
)
"""Screens by name, their keys (the digit, and what an AZERTY keyboard gives without shift) and their words."""

ACTIONS: tuple[Action, ...] = (
    *(
        Action(f"go.{name}", keys, words, ("everywhere",), _("Go to {screen}.").format(screen=words))
        for name, keys, words in SCREENS
    ),
    Action(
        "open",
        "enter",
        _("open"),
        ("list", "dashboard", "record"),
        _("Open the record, item or run under the cursor."),
        footer=1,
    ),
    Action(
        "filter",
        "slash",
        _("filter"),
        ("list",),
        _(
            "Filter the list: words, and filters such as level:warn+ kind:hold connection:lyon learner:ab12 "
            "since:2d; - before one excludes. Enter keeps it, Escape drops it."
        ),
        footer=8,
    ),
    Action(
        "mark",
        "space",
        _("mark"),
        ("changes", "conflicts", "rejections", "absences"),
        _("Mark the row, so that the next action takes all marked rows."),
        footer=6,
    ),
    Action(
        "mark.all",
        "asterisk",
        _("mark all"),
        ("changes", "conflicts", "rejections", "absences"),
        _("Mark all that the filter shows, or none."),
    ),
    Action(
        "approve",
        "a",
        _("approve"),
        ("changes", "absences", "dashboard"),
        _("Approve held changes: the marked ones, or the one under the cursor; on the Dashboard, the hold."),
        role="approver",
        dangerous=True,
        footer=2,
    ),
    Action(
        "approve.all",
        "A",
        _("approve all"),
        ("changes",),
        _("Approve every held change that the filter shows."),
        role="approver",
        dangerous=True,
        footer=4,
    ),
    Action(
        "skip",
        "s",
        _("skip"),
        ("changes", "absences", "dashboard"),
        _(
            "Leave changes out for as long as they stay the same: the marked ones, or the one under the "
            "cursor. On a skipped one: no longer."
        ),
        role="approver",
        dangerous=True,
        footer=3,
    ),
    Action(
        "holds",
        "h",
        _("by cause"),
        ("changes",),
        _("Show holds grouped by their cause, or the changes."),
        footer=7,
    ),
    Action(
        "apply",
        "w",
        _("write"),
        ("changes",),
        _("Write now: the marked changes, or all that are not held or skipped."),
        role="approver",
        dangerous=True,
        footer=5,
    ),
    Action(
        "take.erp",
        "e",
        _("ERP's"),
        ("conflicts", "dashboard", "record"),
        _("Settle the conflict with the ERP's value."),
        role="approver",
        dangerous=True,
        footer=2,
    ),
    Action(
        "take.edusign",
        "d",
        _("Edusign's"),
        ("conflicts", "dashboard", "record"),
        _("Settle the conflict with Edusign's value."),
        role="approver",
        dangerous=True,
        footer=3,
    ),
    Action(
        "take.value",
        "v",
        _("type a value"),
        ("conflicts", "dashboard", "record"),
        _("Settle the conflict with a value you type."),
        role="approver",
        dangerous=True,
        footer=4,
    ),
    Action(
        "same",
        "m",
        _("same"),
        ("duplicates", "dashboard", "record"),
        _("They are one: link them."),
        role="approver",
        dangerous=True,
        footer=2,
    ),
    Action(
        "different",
        "n",
        _("different"),
        ("duplicates", "dashboard", "record"),
        _("They are two: create the other."),
        role="approver",
        dangerous=True,
        footer=3,
    ),
    Action(
        "tick",
        "v",
        _("reported"),
        ("absences",),
        _(
            "Say that you reported it in the ERP by hand: the marked ones, or the one under the cursor. "
            "Again: you did not."
        ),
        role="operator",
        footer=2,
    ),
    Action(
        "form",
        "E",
        _("form"),
        ("absences",),
        _(
            "Write what is to be reported by hand to a file on this machine, in the ERP's import form if it "
            "has one."
        ),
        footer=5,
    ),
    Action(
        "export.run",
        "R",
        _("export now"),
        ("absences",),
        _("Export the absences of the connection now."),
        role="operator",
        dangerous=True,
        footer=4,
    ),
    Action(
        "plan",
        "p",
        _("plan"),
        ("everywhere",),
        _("Read both sides now and say what a run would change; writes nothing."),
        role="operator",
        footer=20,
    ),
    Action(
        "run",
        "r",
        _("run"),
        ("everywhere",),
        _("Run an import of the connection now."),
        role="operator",
        dangerous=True,
        footer=21,
    ),
    Action(
        "run.one",
        "o",
        _("run this one"),
        ("changes", "conflicts", "rejections", "sheets", "record", "dashboard"),
        _("Check and write this one record now, and what it needs."),
        role="operator",
        dangerous=True,
        footer=9,
    ),
    Action(
        "cancel",
        "x",
        _("cancel run"),
        ("everywhere",),
        _("Stop the connection's run after the write under way."),
        role="operator",
        dangerous=True,
        footer=12,
    ),
    Action(
        "freeze",
        "f",
        _("freeze"),
        ("everywhere",),
        _("Stop all writes of a connection, or of all; again lets them go on."),
        role="approver",
        dangerous=True,
        footer=23,
    ),
    Action(
        "record",
        "i",
        _("record"),
        ("changes", "conflicts", "duplicates", "rejections", "sheets", "events", "absences", "dashboard"),
        _("Open the record's page: both sides, base, link, history, what is open."),
        footer=10,
    ),
    Action(
        "history",
        "l",
        _("log of it"),
        (
            "changes",
            "conflicts",
            "duplicates",
            "rejections",
            "sheets",
            "runs",
            "events",
            "absences",
            "record",
            "dashboard",
        ),
        _("Show the log of the record, or of the run."),
        footer=11,
    ),
    Action(
        "look",
        "b",
        _("read both now"),
        ("record",),
        _("Read the record on both sides now; a few requests."),
        role="operator",
        footer=3,
    ),
    Action("tail", "t", _("follow"), ("events",), _("Go to the newest event and follow what comes."), footer=3),
    Action(
        "export",
        "E",
        _("export"),
        ("events",),
        _("Write the events the filter shows to a file on this machine."),
        footer=4,
    ),
    Action(
        "closed",
        "z",
        _("settled ones"),
        ("conflicts", "duplicates", "rejections"),
        _("Show those that are settled instead of the open ones."),
    ),
    Action(
        "connection",
        "c",
        _("connection"),
        ("everywhere",),
        _("Choose the connection that keys act on."),
        footer=24,
    ),
    Action(
        "find",
        "g",
        _("find"),
        ("everywhere",),
        _("Find a person, group or sheet by name, e-mail or id."),
        footer=19,
    ),
    Action(
        "copy",
        "y",
        _("copy"),
        ("list", "record", "dashboard"),
        _("Copy what is under the cursor to the terminal's clipboard (OSC 52)."),
    ),
    Action(
        "pane", "tab,shift+tab", _("other pane"), ("everywhere",), _("Move between the list and its detail.")
    ),
    Action(
        "palette",
        "colon,ctrl+p",
        _("do …"),
        ("everywhere",),
        _("Every action by its name; a screen's name with a filter goes there: events level:warn+"),
        footer=30,
    ),
    Action("help", "question_mark,f1", _("help"), ("everywhere",), _("The keys that work here."), footer=31),
    Action(
        "theme",
        "T",
        _("theme"),
        ("everywhere",),
        _("The next theme: dark, light, mono, colour-blind, high contrast."),
    ),
    Action(
        "back",
        "escape,backspace",
        _("back"),
        ("everywhere",),
        _("Close what was opened last; drop the filter."),
    ),
    Action(
        "quit",
        "q,ctrl+q",
        _("quit"),
        ("everywhere",),
        _("Leave the console; the engine and its runs go on."),
        footer=32,
    ),
)

BY_ID: dict[str, Action] = {action.id: action for action in ACTIONS}


def here(screen: str, has_list: bool, role: str) -> tuple[Action, ...]:
    """The actions of a screen for a role, in the table's order."""
    return tuple(a for a in ACTIONS if a.on(screen, has_list) and a.allowed(role))


def clashes(given: Mapping[str, str]) -> dict[str, tuple[str, Action]]:
    """Of the keys a person gives to actions, those another action of the same screen has: by action id, the
    key and who has it."""
    keys = {one.id: given.get(one.id, one.keys).split(",") for one in ACTIONS}
    found: dict[str, tuple[str, Action]] = {}
    for one in (BY_ID[id] for id in given):
        for other in ACTIONS:
            shared = [key for key in keys[one.id] if key in keys[other.id]]
            if shared and other != one and _meet(one, other):
                found[one.id] = shared[0], other
    return found


def _meet(one: Action, other: Action) -> bool:
    """Whether two actions work on one screen."""
    return any(
        one.on(screen, has_list) and other.on(screen, has_list)
        for screen, has_list in (*((name, name != "dashboard") for name, _k, _w in SCREENS), ("record", False))
    )


def shown_key(keys: str) -> str:
    """The first key of an action as a person reads it."""
    first = keys.split(",")[0]
    return _SHOWN.get(first, first.replace("ctrl+", "^"))


def other_keys(action: Action) -> str:
    """The further keys of an action as a person reads them, "" for none."""
    return " ".join(dict.fromkeys(shown_key(key) for key in _keys_once(action.keys)))


def _keys_once(keys: str) -> list[str]:
    """All but the first; of a letter that terminals name in two ways, the letter."""
    return [key for key in keys.split(",")[1:] if not key.startswith("latin_")]


_SHOWN = {
    "slash": "/",
    "question_mark": "?",
    "colon": ":",
    "asterisk": "*",
    "space": "␣",
    "enter": "⏎",
    "escape": "Esc",
    "tab": "Tab",
    "shift+tab": "⇧Tab",
    "backspace": "⌫",
    "f1": "F1",
    "ampersand": "&",
    "quotation_mark": '"',
    "apostrophe": "'",
    "left_parenthesis": "(",
    "minus": "-",
    "underscore": "_",
}
