"""The conformance kit: every pair passes it, and each of twelve wrong connectors fails its own check alone."""

from __future__ import annotations

import pytest

from connectors.conformance import CHECKS, check, conform
from connectors.simulation.erps import ERPS, simulated
from tests.contract import edusign_as_erp, planbook
from tests.contract.wrong_connectors import WRONG

DOWNLOAD_ONLY = {"aurion", "ammon"}
ABOUT_WRITES = {"timeout_after_commit", "idempotent_write", "read_back"}


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("erp", ERPS)
def test_every_pair_passes(erp: str, name: str) -> None:
    outcome = check(name, simulated(erp))
    if erp in DOWNLOAD_ONLY and name in ABOUT_WRITES:
        assert outcome.state == "skipped" and "is off: " in outcome.line
    else:
        assert outcome.state == "passed", outcome.line


@pytest.mark.parametrize("name", ["limits", "cancel", "bad_credentials", "rights_lost"])
def test_edusign_passes_what_is_about_any_listing(name: str) -> None:
    outcome = check(name, edusign_as_erp.simulated)
    assert outcome.state == "passed", outcome.line


def test_a_connector_of_somebody_elses_passes_every_check() -> None:
    assert [(one.check, one.state, one.line) for one in conform(planbook.simulated)] == [
        (name, "passed", "") for name in CHECKS
    ]


def test_there_is_a_wrong_connector_for_every_check() -> None:
    assert tuple(WRONG) == tuple(CHECKS) and len(WRONG) == 12


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_connector_fails_its_own_check_and_no_other(name: str) -> None:
    outcomes = conform(planbook.pair(WRONG[name]))
    failed = {one.check: one.line for one in outcomes if one.state != "passed"}
    assert set(failed) == {name}, failed
    assert failed[name].startswith("expected ") and "; came " in failed[name] and failed[name].endswith(")")
