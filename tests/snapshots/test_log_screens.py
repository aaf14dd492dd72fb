"""How Events and Runs look."""

from __future__ import annotations

from datetime import timedelta

from console.presentation.signs import ASCII
from engine.service.models import ProgressView
from tests.snapshots.kit import Compare, pictured, school
from tests.unit.fake_engine import NOW, FakeOperations, event, run


def _logged() -> FakeOperations:
    fake = school()
    fake.log = [
        event(n, f"Dupont Zoë {n}: unchanged", level="debug", kind="check", connection="lyon")
        for n in range(1, 15)
    ] + [
        event(15, "import begins", connection="lyon", run_id="r42", actor="schedule"),
        event(16, "Ngô Thị Ánh: no e-mail address; not synced until the ERP has one", level="warn",
              kind="rejection", connection="lyon", record_kind="learner", erp_id="A18", run_id="r42",
              data={"field": "email", "row": True}),
        event(17, "students page 3: a page came where data was due", level="error", kind="fault",
              connection="lyon", run_id="r42"),
        event(18, "import done: 12 create, 3 update", connection="lyon", run_id="r42", actor="schedule",
              data={"changes": {"create": 12, "update": 3}, "requests": {"erp": 12, "edusign": 44}}),
    ]  # fmt: skip
    return fake


def test_events(snap_compare: Compare) -> None:
    sees = ("18 events", "following", "changes.create  12")
    assert pictured(snap_compare, "8", sees=sees, operations=_logged())


def test_events_found_and_left_behind(snap_compare: Compare) -> None:
    keys = ("8", "slash", *"unchanged", "enter", "up", "up")
    sees = ("14 events match the filter", "standing still", "seq 12 ")
    assert pictured(snap_compare, *keys, sees=sees, operations=_logged())


def test_events_on_a_wide_screen_in_ascii(snap_compare: Compare) -> None:
    sees = ("learner:A18", "requests.edusign  44")
    assert pictured(snap_compare, "8", sees=sees, operations=_logged(), size=(200, 50), signs=ASCII)


def _ran() -> FakeOperations:
    progress = ProgressView(what="reading learners", done=500, total=2000)
    under_way = run(
        "r45",
        state="running",
        ended=None,
        trigger="person",
        actor="marie",
        changes={},
        started=NOW - timedelta(seconds=80),
        accounting={},
        rejected=0,
        progress=progress,
    )
    fake = school(running=under_way, state="running")
    fake.run_views = (
        under_way,
        run("r44", state="failed", changes={}, accounting={}, requests={"erp": 3},
            faults=("lyon: erp GET /r/v1/groupes: the listing broke off; pages read 3 of ?",),
            started=NOW - timedelta(hours=2), ended=NOW - timedelta(hours=2) + timedelta(seconds=4)),
        run("r43", state="done", trigger="plan", actor="ada", changes={}, started=NOW - timedelta(hours=3),
            ended=NOW - timedelta(hours=3) + timedelta(seconds=41)),
        run("r42", started=NOW - timedelta(days=1), ended=NOW - timedelta(days=1) + timedelta(minutes=3)),
    )  # fmt: skip
    return fake


def test_runs(snap_compare: Compare) -> None:
    sees = ("4 runs: 1 running", "500/2000 (25 %)", "person, marie")
    assert pictured(snap_compare, "7", sees=sees, operations=_ran())


def test_a_failed_run(snap_compare: Compare) -> None:
    assert pictured(snap_compare, "7", "down", sees=("the listing broke off",), operations=_ran())
