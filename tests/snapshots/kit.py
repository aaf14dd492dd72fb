"""Pictures of screens: the console on one invented school, as SVG, beside the test under `__snapshots__`.

    def test_conflicts(snap_compare: Compare) -> None:
        assert pictured(snap_compare, "3", sees=("Dupont Zoë",))

The school is always the same and time stands still. `sees` are texts the picture waits for: name one of what
comes last, such as the detail of the row under the cursor. After a wanted change write the pictures anew with
`pytest tests/snapshots --snapshot-update`, and look at them in a browser; on a failure `snapshot_report.html`
shows both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

from textual.pilot import Pilot

from console.app import Console
from console.engine_client import EngineClient
from console.presentation.signs import UNICODE, Signs
from engine.service.access import InProcess
from engine.service.endpoints import Role
from engine.service.models import (
    ConnectionView,
    DashboardView,
    FieldView,
    FreezeView,
    MeView,
    OccurrenceView,
    PlanView,
    RecordView,
    StatusView,
    TodayView,
)
from tests.unit.console_kit import press, settled, shown
from tests.unit.fake_engine import NOW, FakeOperations, change, event, item, run, served

Compare: TypeAlias = Callable[..., bool]
"""The fixture `snap_compare`."""

PATIENCE = 20.0
"""Seconds until a text that a picture waits for is taken for never coming."""


def pictured(
    compare: Compare,
    *keys: str,
    sees: tuple[str, ...] = (),
    operations: FakeOperations | None = None,
    size: tuple[int, int] = (80, 24),
    role: Role = "admin",
    theme: str = "dark",
    signs: Signs = UNICODE,
) -> bool:
    """Whether the screen that `keys` lead to looks as it did."""
    fake = operations or school()
    if fake.dashboard_view is not None:
        me = MeView(actor="ada", role=role)
        fake.dashboard_view = fake.dashboard_view.model_copy(update={"me": me})
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder) / "engine.sock", fake, InProcess("ada", role)) as engine,
    ):
        with EngineClient(engine.path) as client:
            first = client.dashboard()
        console = Console(engine.path, first, clock=lambda: 0.0, theme=theme, signs=signs)

        async def before(pilot: Pilot[int]) -> None:
            await settled(pilot)
            await press(pilot, *keys)
            await _seen(pilot, console, sees)

        return compare(console, terminal_size=size, run_before=before)


async def _seen(pilot: Pilot[int], console: Console, texts: tuple[str, ...]) -> None:
    limit = perf_counter() + PATIENCE
    while lacking := [text for text in texts if text not in shown(console)]:
        assert perf_counter() < limit, f"waited to see {lacking}; the screen is:\n{shown(console)}"
        await pilot.pause()
    await settled(pilot)


def school(**connection: Any) -> FakeOperations:
    """The school of every picture: one connection at rest, something of everything open. `connection` are
    fields of its ConnectionView to replace."""
    fake = FakeOperations()
    fake.open = [
        item(),
        item(
            "h3",
            "hold",
            kind="",
            erp_id="",
            edusign_id="",
            label="2 changes",
            code="limit archive learner",
            summary="more than the limit allows: archive learner",
            where="",
            choices=("approve", "refuse"),
            data={"verbs": {"archive": 2}, "fields": {}},
            people=2,
            revision=1,
        ),
        item(
            "d5",
            "duplicate",
            label="Martin Léa",
            erp_id="A31",
            code="same_name",
            summary="somebody of this name is in Edusign already, with another e-mail: the same person?",
            choices=("same", "different"),
            data={"other": "MARTIN Lea", "erp_email": "lea@new.example", "edusign_email": "lea@home.example"},
            bites_at=NOW + timedelta(hours=22),
        ),
        item(
            "x8",
            "rejection",
            label="Ngô Thị Ánh",
            erp_id="A18",
            edusign_id="",
            code="missing_email",
            summary="no e-mail address",
            choices=(),
            data={"field": "email", "row": True},
            bites_at=None,
            people=0,
        ),
    ]
    fake.plan_view = _plan()
    fake.record_view = _dupont()
    fake.open[1] = fake.open[1].model_copy(
        update={"changes": tuple(c for c in fake.plan_view.changes if c.hold.startswith("limit"))}
    )
    fake.log = [
        event(1, "import begins", connection="lyon", run_id="r42"),
        event(2, "Ngô Thị Ánh: no e-mail address", level="warn", kind="rejection", connection="lyon"),
        event(3, "import done: 12 create, 3 update", connection="lyon", run_id="r42"),
    ]
    fake.today_views = (
        TodayView(
            connection="lyon",
            date=NOW.date(),
            read_at=NOW - timedelta(minutes=20),
            sheets=41,
            begun=12,
            troubles={"no_learners": 1},
        ),
    )
    fake.dashboard_view = DashboardView(
        me=MeView(actor="ada", role="admin"),
        status=StatusView(
            version="0.1.0",
            pid=4242,
            folder="/var/lib/rollcall",
            now=NOW,
            started=NOW - timedelta(hours=4),
            epoch=1,
            seq=3,
            connections=(_lyon(**connection),),
        ),
        items=tuple(fake.open),
        items_total=len(fake.open),
        today=fake.today_views,
        events=tuple(fake.log),
    )
    return fake


def _plan() -> PlanView:
    """A plan with something of everything, in the order of the list."""
    changes = (
        change(people=1),
        change(
            "c2",
            verb="create",
            erp_id="A18",
            edusign_id="",
            label="Ngô Thị Ánh",
            before={},
            after={"email": "anh@new.example", "first_name": "Thị Ánh", "last_name": "Ngô", "phone": ""},
            reason="new in the ERP",
            rule="R08",
        ),
        *(
            change(
                f"c{n}",
                verb="archive",
                erp_id=f"A{n}",
                label=label,
                before={"email": f"p{n}@old.example"},
                after={},
                reason="gone from the ERP",
                rule="R14",
                bites_at=NOW + timedelta(days=1),
                hold="limit archive learner",
            )
            for n, label in ((3, "Martin Léa"), (4, "王 小明"))
        ),
        change(
            "c5",
            verb="remove",
            kind="sheet",
            erp_id="S9",
            label="Dupont Zoë, Droit du travail",
            before={"learners": ["A17"]},
            after={"learners": []},
            reason="no longer on the session in the ERP",
            rule="R20",
            bites_at=NOW + timedelta(days=2),
            hold="",
        ),
        change(
            "c6",
            kind="sheet",
            erp_id="S10",
            label="Mathématiques",
            before={"room": "101", "start": "2026-11-27T08:00:00Z"},
            after={"room": "B 204", "start": "2026-11-27T09:00:00Z"},
            bites_at=NOW + timedelta(days=3),
            people=18,
            hold="skipped: refused",
        ),
    )
    return PlanView(
        id="p7",
        connection="lyon",
        flow="import",
        hash="h",
        made_at=NOW - timedelta(minutes=20),
        changes=changes,
        counts={"update": 1, "create": 1, "archive": 2, "remove": 1},
        held=2,
        skipped=1,
        mails=4,
    )


def _dupont() -> RecordView:
    """The learner of the plan's first change, as both sides last showed her."""
    old, new = "zoe@old.example", "zoe@new.example"
    email = FieldView(field="email", erp=new, erp_canonical=new, base=old, edusign=old, state="erp")
    return RecordView(connection="lyon", kind="learner", erp_id="A17", label="Dupont Zoë", fields=(email,))


def frozen() -> FreezeView:
    """A freeze of the school's connection."""
    return FreezeView(connection="lyon", reason="exam day", actor="marie", since=NOW - timedelta(hours=1))


def _lyon(**more: Any) -> ConnectionView:
    fields: dict[str, Any] = {
        "name": "lyon",
        "erp": "ypareo",
        "zone": "Europe/Paris",
        "state": "idle",
        "last_run": run(started=NOW - timedelta(minutes=24), ended=NOW - timedelta(minutes=20)),
        "next": (_window("midday", 26, 2), _window("evening", 8 * 60, 3)),
        "pending": {"create": 1, "update": 3},
        "open": {"conflict": 1, "hold": 1, "duplicate": 1, "rejection": 1},
        "linked": {"learner": 1990, "speaker": 40, "group": 80, "sheet": 900},
        "budget_left": 440,
    }
    return ConnectionView(**(fields | more))


def _window(name: str, minutes: int, hours: int) -> OccurrenceView:
    starts = NOW + timedelta(minutes=minutes)
    return OccurrenceView(
        key=f"lyon/import/{name}",
        flow="import",
        window=name,
        local_date=date(2026, 11, 24),
        starts=starts,
        ends=starts + timedelta(hours=hours),
    )
