"""Every screen in a terminal, by keyboard alone: whatever names come from outside, on poor terminals too."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from console.actions import ACTIONS, BY_ID, SCREENS
from tests.properties.test_hostile_text import HOSTILE, unsafe
from tests.snapshots.kit import school
from tests.terminal import ROLLCALL, Terminal, parameters
from tests.unit.fake_engine import FakeOperations, served

NAMES = (
    *HOSTILE,
    "\x1b]0;a title\x07",
    "\x1b]2;a title\x1b\\",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1bPtmux;\x1b\x1b]52;c;ZXZpbA==\x07\x1b\\",
    "\x1bk a title\x1b\\",
    "\x9d0;a title\x9c",
    "\x1bc",
    "\x07\x08\x0b\x0c\x0e\x7f\x85",
    "\u2067\u2069\u200b\u200e\ufeff",
    "Z\u0337\u0351\u0489e\u0301",
    "\u6f22\u5b57\u30c6\u30b9\u30c8",
    "[/] [link=file:///etc/passwd]x[/link] $(id) %s {0}",
    "_x = 1\t\ty",
)
"""What may stand in any text from the outside."""

FREE = {
    "actor", "after", "before", "closed_by", "data", "detail", "edusign", "erp", "faults", "groups", "label",
    "message", "outcome", "problems", "reason", "room", "rule", "session_room", "speakers", "summary", "what",
    "where", "why_not",
}  # fmt: skip
"""Fields of the engine's answers that hold text from the outside, or may."""

QUIET = 0.06
"""Seconds without a byte after which a screen is taken for painted."""

FEW = frozenset({"open", "filter", "approve", "take.value", "same", "run", "record", "help"})
"""Actions that between them open every sort of screen."""

NOT_PRESSED = ("quit", "back", "palette", "find", "theme")


def spoilt(model: Any, names: Iterator[str]) -> Any:
    """A copy in which every free text is one of `names` in turn."""
    if isinstance(model, BaseModel):
        fields = {
            name: _hostile(value, names) if name in FREE else spoilt(value, names)
            for name, value in model
            if value is not None
        }
        return model.model_copy(update=fields)
    if isinstance(model, tuple | list):
        return type(model)(spoilt(one, names) for one in model)
    return model


def _hostile(value: Any, names: Iterator[str]) -> Any:
    if isinstance(value, str):
        return next(names)
    if isinstance(value, Mapping):
        return {key: _hostile(one, names) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_hostile(one, names) for one in value)
    return spoilt(value, names)


def hostile_school() -> FakeOperations:
    fake = school()
    names = itertools.cycle(NAMES)
    for name, value in vars(fake).items():
        if name != "asked" and isinstance(value, BaseModel | tuple | list):
            setattr(fake, name, spoilt(value, names))
    fake.open = [one.model_copy(update={"id": f"{one.id}{n}", **spoilt_item(one, names)})
                 for n in range(len(NAMES)) for one in fake.open]  # fmt: skip
    fake.log = [
        one.model_copy(update={"seq": n + 1, "message": name, "actor": name, "erp_id": name})
        for n, (one, name) in enumerate(zip(itertools.cycle(fake.log), NAMES * 2, strict=False))
    ]
    assert fake.dashboard_view is not None
    fake.dashboard_view = fake.dashboard_view.model_copy(
        update={"items": tuple(fake.open), "items_total": len(fake.open), "events": tuple(fake.log)}
    )
    return fake


def spoilt_item(one: Any, names: Iterator[str]) -> dict[str, str]:
    return {"label": next(names), "summary": next(names), "where": next(names)}


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def walk(terminal: Terminal, ids: frozenset[str] = frozenset(BY_ID)) -> None:
    """Every screen, and every action of the table on each, or those of `ids`; what one opens is left again."""
    terminal.sees("lyon")
    for number, (name, _keys, words) in enumerate(SCREENS, 1):
        everywhere = ("everywhere",) if name == "dashboard" else ()
        for action in ACTIONS:
            here = {name, "list", *everywhere} & set(action.scopes)
            if not here or action.id.startswith("go.") or action.id in NOT_PRESSED or action.id not in ids:
                continue
            go(terminal, f"{number}{words}")
            terminal.presses(action.keys.split(",")[0])
            terminal.rests(QUIET)
            terminal.presses("down")
            terminal.rests(QUIET)
            assert terminal.process.poll() is None, f"{action.id} on {name} ended it:\n{terminal.screen.text}"
    for opens, text in (("colon", "events x"), ("g", "e")):
        go(terminal, "1Dashboard")
        terminal.presses(opens)
        terminal.rests(QUIET)
        terminal.types(text)
        terminal.rests(5 * QUIET)
    go(terminal, "1Dashboard")
    terminal.presses("q")
    assert terminal.ends() == 0


def go(terminal: Terminal, screen: str) -> None:
    """Leave what is open, and go to a screen, named as among the tabs."""
    for _time in range(100):
        terminal.presses("escape")
        terminal.rests(QUIET)
        terminal.presses(screen[0])
        terminal.rests(QUIET)
        if f"[{screen}]" in terminal.screen.text and "─╮" not in terminal.screen.text:
            return
    raise AssertionError(f"no way to {screen}:\n{terminal.screen.text}")


def console(place: Path, **environment: str) -> Terminal:
    own = {"HOME": str(place), "ROLLCALL_FOLDER": str(place), "ROLLCALL_CONFIG": str(place / "none.toml")}
    return Terminal([ROLLCALL], environment=own | environment)


def test_hostile_names_are_text_on_every_screen_in_titles_and_copies(place: Path) -> None:
    with served(place / "engine.sock", hostile_school()), console(place) as terminal:
        walk(terminal)
    assert terminal.screen.foreign == []
    assert terminal.screen.copied, "nothing was copied"
    assert [text for text in terminal.screen.copied if unsafe(text)] == []


def test_without_colour_every_screen_works(place: Path) -> None:
    with served(place / "engine.sock", hostile_school()), console(place, NO_COLOR="1") as terminal:
        walk(terminal, FEW)
    assert terminal.screen.foreign == []
    colours = [one for look in terminal.screen.looks for one in parameters(look) if one[0] in (38, 48)]
    assert [one for one in colours if len(one) != 5 or len(set(one[2:])) > 1] == []


def test_on_the_linux_console_every_screen_works(place: Path) -> None:
    poor = {"TERM": "linux", "COLORTERM": ""}
    with served(place / "engine.sock", hostile_school()), console(place, **poor) as terminal:
        walk(terminal, FEW)
    assert terminal.screen.foreign == []
    assert [one for look in terminal.screen.looks for one in parameters(look) if len(one) > 1] == []
