"""docs/keys.md, made from the action table: `python -m console.keys_page` writes it anew."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from console.actions import ACTIONS, ROLES, SCREENS, Action, other_keys, shown_key

PAGE = Path(__file__).resolve().parent.parent / "docs" / "keys.md"

_HEAD = """\
# Keys

Made from the console's action table by `python -m console.keys_page`; `?` in the console shows the same for the
screen one is on and the role one has. `:` or `^p` finds any of them by name.

No key needs AltGr on a French keyboard. The screens have the digits, and on the same keys what an AZERTY
keyboard gives without shift.

Roles, each of which may what those before it may: {roles}. A key that a role may not use does
not exist on its console. Keys marked ● write, or let write: they ask first.

## A person's own keys

In `$XDG_CONFIG_HOME/rollcall/console.toml` (usually `~/.config/rollcall/console.toml`), by the names in the
last column:

```toml
[keys]
"take.erp" = "ctrl+e"        # one key
"run" = "X,f5"               # several
```

A key is a letter, `f1` … `f12`, `ctrl+` a letter, or a name: `space`, `enter`, `slash`, `comma`,
`question_mark` … Footer, help and palette show the new key. A key that another action of the same screen has
is refused and said; give that one another key too.
"""

_MOVING = """\
## Moving

| key | does |
|---|---|
| ↑ ↓, k j | one row |
| PgUp PgDn | a page |
| Home End | the first, the last |
| Enter, double click | open |
| Tab | the other pane |
| F1 in the filter line | the grammar of filters |
"""


def text() -> str:
    """The page."""
    parts = [_HEAD.format(roles=", ".join(ROLES)), _MOVING]
    everywhere = [a for a in ACTIONS if "everywhere" in a.scopes and not a.id.startswith("go.")]
    parts.append("## Screens\n\n" + _table(a for a in ACTIONS if a.id.startswith("go.")))
    parts.append("## Everywhere\n\n" + _table(everywhere))
    parts.append("## Every list\n\n" + _table(a for a in ACTIONS if "list" in a.scopes))
    for name, title in (*((name, title) for name, _keys, title in SCREENS), ("record", "A record's page")):
        own = [a for a in ACTIONS if name in a.scopes]
        if own:
            parts.append(f"## {title}\n\n" + _table(own))
    return "\n".join(parts)


def _table(actions: Iterable[Action]) -> str:
    head = "| key | name | does | role | its own name |\n|---|---|---|---|---|\n"
    return head + "".join(f"{line}\n" for line in _rows(actions))


def _rows(actions: Iterable[Action]) -> Iterator[str]:
    for action in actions:
        also = other_keys(action)
        keys = " ".join(f"`{key}`" for key in (shown_key(action.keys), *also.split()))
        role = "" if action.role == "viewer" else action.role
        sign = " ●" if action.dangerous else ""
        yield f"| {keys} | {_plain(action.words)}{sign} | {_plain(action.help)} | {role} | `{action.id}` |"


def _plain(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    PAGE.write_text(text(), "utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
