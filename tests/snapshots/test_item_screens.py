"""How Conflicts, Duplicates, Rejections and Absences look."""

from __future__ import annotations

import pytest

from tests.snapshots.kit import Compare, pictured


@pytest.mark.parametrize(
    ("key", "detail"),
    [("3", "i1  lyon"), ("4", "d5  lyon"), ("5", "x8  lyon"), ("9", "No absence yet")],
    ids=["conflicts", "duplicates", "rejections", "absences"],
)
def test_item_screens(snap_compare: Compare, key: str, detail: str) -> None:
    assert pictured(snap_compare, key, sees=(detail,))
