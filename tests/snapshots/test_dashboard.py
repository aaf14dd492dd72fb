"""How the Dashboard looks."""

from __future__ import annotations

from tests.snapshots.kit import Compare, frozen, pictured, school


def test_dashboard(snap_compare: Compare) -> None:
    assert pictured(snap_compare, sees=("What waits for you", "import done"))


def test_dashboard_frozen_without_colour(snap_compare: Compare) -> None:
    fake = school(state="frozen", freeze=frozen())
    assert pictured(snap_compare, operations=fake, theme="mono", sees=("FROZEN: exam day",))
