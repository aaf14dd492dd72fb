"""How Changes looks: the list, what a confirmation says, holds by cause; on a terminal of few letters too."""

from __future__ import annotations

from console.presentation.signs import ASCII
from tests.snapshots.kit import Compare, pictured


def test_changes(snap_compare: Compare) -> None:
    assert pictured(snap_compare, "2", sees=("zoe@[new].example", "base", "changed in the ERP (R01)"))


def test_a_confirmation_names_the_first_ones(snap_compare: Compare) -> None:
    assert pictured(snap_compare, "2", "asterisk", "w", sees=("Write 3 changes now?",))


def test_holds_by_cause(snap_compare: Compare) -> None:
    assert pictured(snap_compare, "2", "h", sees=("1 hold", "Approving lets it"))


def test_changes_in_few_letters_and_no_colour(snap_compare: Compare) -> None:
    seen = ("= held", "changed in the ERP (R01)", "base")
    assert pictured(snap_compare, "2", theme="mono", signs=ASCII, sees=seen)


def test_changes_on_a_wide_terminal(snap_compare: Compare) -> None:
    seen = ("zoe@new.example", "changed in the ERP (R01)", "base")
    assert pictured(snap_compare, "2", size=(200, 50), sees=seen)
