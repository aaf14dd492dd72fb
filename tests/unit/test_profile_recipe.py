"""Profiles of REST ERPs: places in an answer, what a profile may say, TOML that reads back."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.profile import places
from connectors.profile.command import redacted
from connectors.profile.recipe import BadRecipe, parsed, read, template
from connectors.tabular.toml import toml_text

ROW: dict[str, Any] = {
    "id": 7,
    "name": {"last": "Martin", "first": None},
    "groups": [{"code": "A"}, {"code": "B"}, {}],
    "tags": ["x", "y"],
    "score": 1.0,
    "late": True,
    "rooms": [{"label": "B1"}],
    "empty": [],
}


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("id", "7"),
        ("name.last", "Martin"),
        ("name.first", ""),
        ("groups[].code", f"A{places.BETWEEN}B"),
        ("tags", f"x{places.BETWEEN}y"),
        ("tags[1]", "y"),
        ("rooms[0].label", "B1"),
        ("score", "1"),
        ("late", "true"),
        ("nowhere.at.all", ""),
        ("empty[].code", ""),
    ],
)
def test_places(place: str, text: str) -> None:
    assert places.text(ROW, place) == text


def test_an_object_is_no_value() -> None:
    with pytest.raises(ValueError, match="an object"):
        places.text(ROW, "name")


def test_a_place_that_no_row_has_is_missing_an_empty_one_is_not() -> None:
    places.checked([ROW, {"id": 8}], ["id", "name.last", "groups[].code"])
    places.checked([{"name": None}, {"name": {}}], ["name.last"])
    places.checked([{"groups": []}], ["groups[].code"])
    places.checked([], ["anything"])
    for gone in ("name.surname", "groups[].id", "identifier"):
        with pytest.raises(places.Missing):
            places.checked([ROW, ROW], [gone])


def test_every_place_of_a_row_is_found() -> None:
    assert list(places.found_in(ROW)) == [
        "id", "name.last", "name.first", "groups[].code", "tags[]", "score", "late", "rooms[].label", "empty[]",
    ]  # fmt: skip


def test_a_sample_keeps_the_shape_and_nobodys_data() -> None:
    assert redacted([{"mail": "Lea.7@x.example", "n": 12, "ok": True, "no": None, "in": [{"a": "é1"}]}]) == [
        {"mail": "xxx.0@x.xxxxxxx", "n": 0, "ok": True, "no": None, "in": [{"a": "x0"}]}
    ]


WHOLE: dict[str, Any] = {
    "name": "x",
    "auth": {"kind": "bearer"},
    "groups": {"path": "/g", "fields": {"key": "id", "name": "label"}},
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"auth": {"kind": ""}}, "auth.kind"),
        ({"auth": {"kind": "header"}}, "name is needed"),
        ({"auth": {"kind": "login"}}, "login is needed"),
        ({"groups": {"path": "g", "fields": {"key": "id", "name": "l"}}}, "groups.path"),
        ({"groups": {"path": "/g?x=1", "fields": {"key": "id", "name": "l"}}}, "groups.path"),
        ({"groups": {"path": "/g", "fields": {"key": "id"}}}, "no place for name"),
        ({"groups": {"path": "/g", "fields": {"key": "id", "name": ""}}}, "groups.fields"),
        ({"groups": {"path": "/g", "fields": {"key": "id", "name": "l", "hue": "h"}}}, "no field hue"),
        ({"groups": {"path": "/g", "fields": {"key": "i d", "name": "l"}}}, "a place such as"),
        ({"groups": {**WHOLE["groups"], "paging": {"kind": "page"}}}, "param is needed"),
        ({"groups": {**WHOLE["groups"], "paging": {"kind": "next"}}}, "next is needed"),
        ({"write": {"path": "/a", "delete_path": "/a/{key}", "states": {"absent": "A"}}}, "a write needs"),
        ({"query_date": ""}, "query_date"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_profile_that_is_not_whole_says_where(change: dict[str, Any], said: str) -> None:
    parsed(WHOLE, "p.toml")
    with pytest.raises(BadRecipe) as caught:
        parsed({**WHOLE, **change}, "p.toml")
    assert said in str(caught.value) and str(caught.value).startswith("p.toml")


def test_nothing_about_ammons_api_is_invented() -> None:
    """The template claims nothing: but for the strings that name it, every value is empty."""

    def leaves(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [leaf for inner in value.values() for leaf in leaves(inner)]
        return [value]

    said = read("builtin:ammon-template")
    assert (said.pop("name"), said.pop("version")) == ("ammon", 1)
    assert leaves(said) and set(leaves(said)) == {""}
    with pytest.raises(BadRecipe):
        parsed({"name": "ammon", **said}, "ammon")
    assert "publishes no API" in template()


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_VALUE = st.one_of(_TEXT, st.integers(-9, 9), st.booleans(), st.lists(_TEXT, max_size=3))
_KEYS = st.text("abcé .[]#\"'=", min_size=1, max_size=5)


@given(
    st.dictionaries(
        _KEYS, st.one_of(_VALUE, st.dictionaries(_KEYS, _VALUE, min_size=1, max_size=3)), max_size=4
    )
)
def test_what_is_written_as_toml_reads_back(data: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(data)) == data
