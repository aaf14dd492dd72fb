"""The action table as a whole: no key twice, none that French keyboards lack, every action carried out, and
what a person's own keys do. docs/keys.md is what the table says."""

from __future__ import annotations

import io
from collections import Counter
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from textual.pilot import Pilot

from console import keys_page
from console.actions import ACTIONS, BY_ID, SCREENS, Action, clashes, here, other_keys, shown_key
from console.app import Console
from console.presentation.help import page
from console.presentation.line import text_of
from console.presentation.palette import choices
from console.screens.frame import Frame, _method
from console.screens.palette import Choices, Palette
from console.session import Session
from console.settings import Settings, settings_of
from console.widgets.painted import Lines
from console.widgets.rows import Rows
from engine.service.access import InProcess
from tests.unit.console_kit import opened, press, settled, shown
from tests.unit.fake_engine import FakeOperations, change, item
from tests.unit.test_record_commands import record, sheets

CLASSES = {
    "dashboard": ("dashboard", "Dashboard"),
    "changes": ("changes", "Changes"),
    "conflicts": ("items", "Conflicts"),
    "duplicates": ("items", "Duplicates"),
    "rejections": ("items", "Rejections"),
    "sheets": ("sheets", "Sheets"),
    "runs": ("runs", "Runs"),
    "events": ("events", "Events"),
    "absences": ("absences", "Absences"),
    "record": ("record", "RecordPage"),
}
THERE = [name for name, (module, _class) in CLASSES.items() if find_spec(f"console.screens.{module}")]
LISTS = {"up", "down", "j", "k", "pageup", "pagedown", "home", "end"}
"""Keys that lists take for themselves."""
ALTGR = {
    "tilde", "number_sign", "left_curly_bracket", "left_square_bracket", "vertical_line", "grave_accent",
    "backslash", "circumflex_accent", "at", "right_square_bracket", "right_curly_bracket", "euro_sign",
    "~", "#", "{", "[", "|", "`", "\\", "^", "@", "]", "}", "€",
}  # fmt: skip
"""What a French keyboard gives with AltGr, or only as a dead key."""


def screen_of(name: str) -> type[Frame]:
    module, cls = CLASSES[name]
    found: type[Frame] = getattr(import_module(f"console.screens.{module}"), cls)
    return found


def of_screen(name: str) -> list[Action]:
    return [a for a in ACTIONS if a.on(name, screen_of(name).HAS_LIST)]


def test_the_committed_page_is_what_the_table_says() -> None:
    assert keys_page.PAGE.read_text("utf-8") == keys_page.text(), "python -m console.keys_page writes it anew"


@pytest.mark.parametrize("name", THERE)
def test_no_key_stands_twice_on_one_focus_path(name: str) -> None:
    keys = Counter(key for action in of_screen(name) for key in action.keys.split(","))
    assert [key for key, n in keys.items() if n > 1] == []
    assert keys.keys() & LISTS == set()


@pytest.mark.parametrize("name", THERE)
def test_the_keys_reach_the_actions_past_those_textual_has(name: str) -> None:
    bound = screen_of(name)._merge_bindings().key_to_bindings
    for action in of_screen(name):
        for key in action.keys.split(","):
            assert [one.action for one in bound[key]] == [f"do('{action.id}')"]


def test_no_key_needs_altgr_on_a_french_keyboard() -> None:
    for action in ACTIONS:
        assert set(action.keys.split(",")) & ALTGR == set(), action.id


def test_digits_have_the_letter_that_azerty_gives_without_shift() -> None:
    assert [other_keys(BY_ID[f"go.{name}"]) for name, _keys, _words in SCREENS] == list("&é\"'(-è_ç")


@pytest.mark.parametrize("name", THERE)
def test_every_action_is_carried_out_where_it_claims_to_work(name: str) -> None:
    lacking = [a.id for a in of_screen(name) if not hasattr(screen_of(name), _method(a.id))]
    assert lacking == []


@pytest.mark.parametrize("name", THERE)
def test_a_screen_carries_out_nothing_that_the_table_does_not_know_there(name: str) -> None:
    known = {_method(a.id) for a in of_screen(name)}
    own = {method for method in vars(screen_of(name)) if method.startswith("do_")}
    assert own <= known


@pytest.mark.parametrize("role", ["viewer", "operator", "approver", "admin"])
def test_what_a_role_may_do_grows_and_what_is_dangerous_is_never_a_viewers(role: str) -> None:
    dangerous = {a.id for a in ACTIONS if a.dangerous and a.allowed(role)}
    assert ("run" in dangerous) == (role != "viewer")
    assert ("approve" in dangerous) == (role in ("approver", "admin"))
    assert role != "viewer" or dangerous == set()


READS = {
    "absences", "status", "dashboard", "items", "changes", "change_refs", "sheets", "find", "record", "events",
    "runs", "run", "event_map", "follow", "today", "me", "last_plan", "item", "why",
}  # fmt: skip


async def test_a_viewers_keys_ask_the_engine_for_nothing_but_what_it_shows() -> None:
    fake = everything()
    async with opened(fake, access=InProcess("eve", "viewer")) as (app, pilot):
        for name in THERE:
            keys = [a.keys.split(",")[0] for a in ACTIONS if a.on(name, True) and not a.allowed("viewer")]
            await goes(app, pilot, name)
            assert keys and isinstance(app.front, Frame) and not [a for a in app.front.able() if a.dangerous]
            screens = list(app.screen_stack)
            await pilot.press(*keys)
            await settled(pilot)
            assert app.screen_stack == screens, name
        assert {what for what, _given, _actor in fake.asked} <= READS


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
@pytest.mark.parametrize("name", THERE)
def test_help_and_palette_list_what_a_role_may_and_no_more(name: str, role: str) -> None:
    may = here(name, screen_of(name).HAS_LIST, role)
    said = [text_of(line) for line in page(name, may, lambda a: shown_key(a.keys), 80)]
    named = {one.text for one in choices("", may, lambda a: shown_key(a.keys))}
    for action in of_screen(name):
        if action.id.startswith("go."):
            assert action.id.removeprefix("go.") in named
        elif action.id != "palette":
            assert _told(action, said) == (action.id in named) == action.allowed(role), action.id


async def test_the_console_hands_help_and_palette_its_persons_actions() -> None:
    async with opened(everything(), access=InProcess("eve", "viewer")) as (app, pilot):
        await goes(app, pilot, "conflicts")
        assert isinstance(app.front, Frame)
        offered = app.front.offered()
        await pilot.press("question_mark")
        await pilot.pause()
        said = [text_of(line) for line in app.screen.query_one("#page", Lines).lines]
        assert all(_told(a, said) for a in offered if not a.id.startswith("go."))
        assert not any(_told(a, said) for a in of_screen("conflicts") if not a.allowed("viewer"))
        await pilot.press("escape", "colon")
        await pilot.pause()
        assert isinstance(app.screen, Palette)
        model = app.screen.query_one(Rows).model
        assert isinstance(model, Choices)
        ids = {a.id.removeprefix("go.") for a in app.front.able()}
        assert {one.text for one in model.choices} == ids - {"palette"}


def _told(action: Action, said: list[str]) -> bool:
    """Whether help has a line of an action."""
    head = f"{shown_key(action.keys):<6}{action.words:<15} "
    return any(line.startswith(head) for line in said)


def everything() -> FakeOperations:
    """A fake engine with something under every cursor."""
    fake = FakeOperations()
    fake.open = [
        item(),
        item("d1", "duplicate", choices=("same", "different")),
        item("x1", "rejection", choices=()),
    ]
    fake.sheet_views = sheets()
    fake.record_view = record(items=(item(),), changes=(change(),))
    return fake


async def goes(app: Console, pilot: Pilot[int], name: str) -> None:
    if name == "record":
        app.go("dashboard")
        await settled(pilot)
        await press(pilot, "i")
    else:
        app.go(name)
    await settled(pilot)


# A person's own keys


def settings_in(folder: Path, text: str) -> tuple[Settings, str]:
    place = folder / "rollcall" / "console.toml"
    place.parent.mkdir()
    place.write_text(text, "utf-8")
    said = io.StringIO()
    here = {"XDG_CONFIG_HOME": str(folder)}
    session = Session(folder / "c", folder / "f", folder / "s", err=said, environment=here)
    return settings_of(session), said.getvalue()


def test_own_keys_are_read_and_unknown_names_said(tmp_path: Path) -> None:
    settings, said = settings_in(tmp_path, '[keys]\nrun = "X, f5"\n"take.erp" = "ctrl+e"\nflee = "z"\n')
    assert settings.keys == {"run": "X,f5", "take.erp": "ctrl+e"}
    assert "no action is called flee" in said


def test_a_key_that_another_action_has_is_refused_and_said(tmp_path: Path) -> None:
    settings, said = settings_in(tmp_path, '[keys]\nrun = "p"\nfind = "G"\n')
    assert settings.keys == {"find": "G"}
    assert "p is the key of plan: run keeps its own" in said


def test_two_actions_may_change_keys_and_so_may_those_that_never_meet() -> None:
    assert clashes({"run": "p", "plan": "r"}) == {}
    assert clashes({"tail": "a"}) == {}  # Events has no approve
    assert clashes({"approve": "p"})["approve"][1].id == "plan"


async def test_a_rebound_key_works_and_is_what_footer_help_and_palette_show(tmp_path: Path) -> None:
    async with opened(everything(), size=(140, 50), keymap={"run": "X,f5", "find": "F"}) as (app, pilot):
        screen = app.screen
        assert "X run" in shown(app) and "F find" in shown(app) and "g find" not in shown(app)
        await press(pilot, "r", "g")
        assert app.screen is screen
        for key in ("X", "f5"):
            await press(pilot, key)
            assert "Run an import of lyon" in shown(app) or "under way already" in shown(app)
            await press(pilot, "escape")
        await press(pilot, "F")
        assert "A name, an e-mail or an id" in shown(app)
        await press(pilot, "escape", "question_mark")
        assert "X     run" in shown(app) and "F     find" in shown(app)
        await press(pilot, "escape", "colon", *"run")
        assert "▸ X    run" in shown(app)


def test_help_shows_further_keys_only_of_what_was_not_rebound() -> None:
    able = (BY_ID["palette"], BY_ID["go.changes"])
    usual = "\n".join(map(text_of, page("dashboard", able, lambda a: shown_key(a.keys), 100)))
    assert "Also: ^p" in usual and "2 é Changes" in usual
    own = "\n".join(map(text_of, page("dashboard", able, lambda a: "X", 100)))
    assert "Also" not in own and "é" not in own
    assert choices("changes", able, lambda a: "X")[0].key == "X"
