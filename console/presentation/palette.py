"""What the palette offers for what is typed: actions by name, screens, a screen with a filter."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from console.actions import SCREENS, Action
from console.presentation.line import Cell, Line, Slot, cells
from engine.words import _


@dataclass(frozen=True)
class Choice:
    """One thing the palette can do. `text`: what the console obeys; `completes`: what Tab makes of the line."""

    text: str
    words: str
    key: str
    help: str
    completes: str


def bare(text: str) -> str:
    """`text` in lower case without accents, as it is typed in a hurry."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).split())


def choices(typed: str, able: Sequence[Action], keys_of: Callable[[Action], str]) -> tuple[Choice, ...]:
    """What matches, the likeliest first; everything there is while nothing is typed."""
    offered = [_choice(action, keys_of) for action in able if action.id != "palette"]
    wanted = bare(typed)
    if not wanted:
        return tuple(sorted(offered, key=lambda one: one.text in _SCREENS))
    hits = [(rank, n, one) for n, one in enumerate(offered) if (rank := _rank(one, wanted)) is not None]
    found = [one for _rank, _n, one in sorted(hits, key=lambda hit: hit[:2])]
    if (sought := _sought(typed, able, keys_of)) is not None:
        return (sought, *found)
    filtered = _filtered(typed, keys_of, able)
    if filtered is None:
        return tuple(found)
    exact = bare(typed.partition(" ")[0]) in (filtered.text.partition(" ")[0], bare(filtered.words))
    return (filtered, *found) if exact else (*found, filtered)


_SCREENS = {name: words for name, _keys, words in SCREENS}
_EXAMPLES = {
    "dashboard": "",
    "changes": "kind:archive",
    "conflicts": "dupont",
    "duplicates": "since:2d",
    "rejections": "kind:task",
    "sheets": "kind:no_learners",
    "runs": "kind:failed",
    "events": "level:warn+",
    "absences": "kind:by_hand",
}


def _choice(action: Action, keys_of: Callable[[Action], str]) -> Choice:
    name = action.id.removeprefix("go.")
    if action.id.startswith("go.") and name in _SCREENS:
        help = _("Go there; a filter may follow: {name} {example}").format(name=name, example=_EXAMPLES[name])
        help = _("Go there.") if name == "dashboard" else help
        return Choice(name, _SCREENS[name], keys_of(action), help, f"{name} ")
    return Choice(action.id, action.words, keys_of(action), action.help, action.id)


def _rank(one: Choice, wanted: str) -> int | None:
    """How well a choice matches: 0 is best, None not at all. Of what it does, words count from their start."""
    words, id = bare(one.words), one.text
    if wanted in (words, id):
        return 0
    if words.startswith(wanted) or id.startswith(wanted):
        return 1
    if wanted in words or wanted in id:
        return 2
    said = f"{words} {id}" if id in _SCREENS else f"{words} {id} {bare(one.help)}"
    return 3 if all(any(word.startswith(part) for word in said.split()) for part in wanted.split()) else None


def _sought(typed: str, able: Sequence[Action], keys_of: Callable[[Action], str]) -> Choice | None:
    """`find dupont`: the search, begun."""
    head, _space, rest = typed.strip().partition(" ")
    action = next((a for a in able if a.id == "find"), None)
    if action is None or not rest.strip() or bare(head) not in ("find", bare(action.words)):
        return None
    text = f"find {rest.strip()}"
    help = _("Find a person, group or sheet: {text}").format(text=rest.strip())
    return Choice(text, action.words, keys_of(action), help, text)


def _filtered(typed: str, keys_of: Callable[[Action], str], able: Sequence[Action]) -> Choice | None:
    """`events level:warn+`: a screen by its name, or by as much of it as tells it apart, and a filter."""
    head, _space, rest = typed.strip().partition(" ")
    if not rest.strip():
        return None
    wanted = bare(head)
    names = [
        name for name, words in _SCREENS.items() if name.startswith(wanted) or bare(words).startswith(wanted)
    ]
    if len(names) != 1 or names[0] == "dashboard":
        return None
    (name,) = names
    key = next((keys_of(a) for a in able if a.id == f"go.{name}"), "")
    help = _("Go there, filtered by: {filter}").format(filter=rest.strip())
    return Choice(f"{name} {rest.strip()}", _SCREENS[name], key, help, f"{name} {rest.strip()}")


def row(one: Choice, width: int) -> Line:
    """A choice as a row: its key, its name, what it does."""
    slots = (Slot("", 4), Slot("", 15), Slot("", 20, 1))
    return cells(
        slots, [Cell.of(one.key, "key"), Cell.of(one.words, "strong"), Cell.of(one.help, "dim")], width
    )
