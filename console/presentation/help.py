"""What the keys of a screen do, in words, from the action table; and how a list is filtered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from console.actions import SCREENS, Action, other_keys
from console.presentation.line import Line, Span, folded, line, span, width_of
from engine.words import _

KeysOf = Callable[[Action], str]

KEY_WIDE, WORDS_WIDE = 6, 15

_RUNNING = ("plan", "run", "cancel", "freeze", "connection")
_CONSOLE = ("find", "palette", "pane", "back", "theme", "help", "quit")

MOVING: tuple[tuple[str, str], ...] = (
    (_("↑ ↓"), _("one row; k and j too")),
    (_("PgUp PgDn"), _("a page")),
    (_("Home End"), _("the first, the last")),
)

DETAIL: tuple[tuple[str, str], ...] = (
    (_("↑ ↓"), _("scroll by a line; +3 at its foot: three more lines below")),
    (_("PgUp PgDn"), _("scroll by a page")),
    (_("Tab"), _("back to the list, whose row it tells of")),
)

FILTER: tuple[tuple[str, str], ...] = (
    ("dupont", _("the word anywhere in the row; accents and case do not matter")),
    ('"exact words"', _("the words in this order")),
    ("-test", _("rows without it; a minus before a filter excludes too")),
    ("level:warn+", _("warn and graver: debug info notice warn error alarm")),
    ("kind:rejection", _("of this kind; several by commas: kind:hold,conflict")),
    ("connection:lyon", _("of one connection")),
    ("learner:ab12", _("of one record, by its key on either side; so speaker: group: sheet:")),
    ("run:42", _("of one run")),
    ("actor:me", _("done by you; or actor:NAME")),
    ("since:2d", _("from two days ago on: s m h d w, or a date")),
    ("until:2026-11-24", _("to the end of that day")),
)
"""The grammar, by example."""

KINDS: dict[str, str] = {
    "changes": _("kind: of changes: create update archive withdraw add remove …, held, skipped, learner …"),
    "conflicts": _("kind: of conflicts: their code"),
    "duplicates": _("kind: of duplicates: their code"),
    "rejections": _("kind: rejection task notice, or a code such as missing_email"),
    "sheets": _(
        "kind: of sheets: coming running over, locked signed, no_learners no_speaker no_session no_sheet "
        "other_time other_room"
    ),
    "runs": _("kind: of runs: import export, done failed incomplete cancelled, window plan apply"),
}
"""What `kind:` means on each list."""


def page(
    screen: str,
    able: Sequence[Action],
    keys_of: KeysOf,
    width: int,
    *,
    not_now: Sequence[Action] = (),
    role: str = "",
    topic: str = "",
) -> tuple[Line, ...]:
    """The help of a screen. `able`: what works now; `not_now`: what works on something else there; `topic`:
    "filter" begins with the grammar of the filter line, "detail" with the keys of the pane beside the list."""
    by_group = [
        (_("Here"), [a for a in able if a.id not in (*_RUNNING, *_CONSOLE) and not a.id.startswith("go.")]),
        (_("Runs and connections"), [a for a in able if a.id in _RUNNING]),
        (_("The console"), [a for a in able if a.id in _CONSOLE]),
    ]
    has_list = any(a.id == "filter" for a in (*able, *not_now))
    lines: list[Line] = []
    if topic == "filter":
        lines += _filter(screen, width)
    elif topic == "detail":
        lines += _section(_("The detail"))
        lines += [part for key, words in DETAIL for part in _pair(key, words, width)]
    for title, actions in by_group:
        if actions:
            lines += _section(title)
            lines += [part for action in actions for part in _action(action, keys_of, width)]
        if title == by_group[0][0]:
            if not_now:
                lines += _section(_("Not on what is under the cursor"))
                lines += [part for a in not_now for part in _action(a, keys_of, width)]
            lines += _section(_("Moving"))
            lines += [part for key, words in MOVING for part in _pair(key, words, width)]
    lines += _section(_("Screens"))
    lines += _screens(able, keys_of, width)
    if has_list and topic != "filter":
        lines += _filter(screen, width)
    if role in ("viewer", "operator"):
        lines += _section(_("Your role"))
        lines += folded(line(span(_ROLE[role], "dim")), width)
    return tuple(lines[1:] if lines and not lines[0] else lines)


_ROLE = {
    "viewer": _("You are a viewer: keys that plan, run, decide or freeze are not on this console."),
    "operator": _("You are an operator: keys that decide, approve or freeze are not on this console."),
}


def _section(title: str) -> Iterator[Line]:
    yield ()
    yield line(span(title, "title"))


def _action(action: Action, keys_of: KeysOf, width: int) -> Iterator[Line]:
    also = other_keys(action) if keys_of(action) != "" and not _rebound(action, keys_of) else ""
    text = f"{action.help} {_('Also: {keys}').format(keys=also)}" if also else action.help
    key = line(span(keys_of(action), "key"))
    pad = Span(" " * max(KEY_WIDE - width_of(key), 1))
    words = line(span(f"{action.words:<{WORDS_WIDE}} ", "strong"))
    left = KEY_WIDE + max(WORDS_WIDE + 1, width_of(words))
    for n, part in enumerate(folded(line(span(text)), max(width - left, 20))):
        yield (*key, pad, *words, *part) if n == 0 else (Span(" " * left), *part)


def _rebound(action: Action, keys_of: KeysOf) -> bool:
    from console.actions import shown_key

    return keys_of(action) != shown_key(action.keys)


def _pair(key: str, words: str, width: int, wide: int = KEY_WIDE + WORDS_WIDE + 1) -> Iterator[Line]:
    shown = line(span(key, "key"))
    pad = Span(" " * max(wide - width_of(shown), 1))
    for n, part in enumerate(folded(line(span(words)), max(width - wide, 20))):
        yield (*shown, pad, *part) if n == 0 else (Span(" " * wide), *part)


def _screens(able: Sequence[Action], keys_of: KeysOf, width: int) -> Iterator[Line]:
    words = {f"go.{name}": label for name, _keys, label in SCREENS}
    spans: list[Span] = []
    for action in able:
        if action.id in words:
            also = other_keys(action) if not _rebound(action, keys_of) else ""
            key = f"{keys_of(action)} {also}" if also else keys_of(action)
            spans += (span(key, "key"), Span(" "), span(words[action.id]), Span("   "))
    yield from folded(tuple(spans), width)


def _filter(screen: str, width: int) -> Iterator[Line]:
    yield from _section(_("The filter"))
    said = _(
        "Words and filters, all of which must hold. It is asked as you type; Enter keeps it, Escape drops it."
    )
    yield from folded(line(span(said)), width)
    for example, words in FILTER:
        yield from _pair(example, words, width)
    if screen in KINDS:
        yield from folded(line(span(KINDS[screen], "dim")), width)
