"""Plays a simulated school: simulators, engine, editing people and operator in one process on virtual time.

Nothing here waits for real time and no socket is opened; the same arguments give the same report, byte for
byte. Besides this module only `prelude` of the connectors knows the engine's composition root.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from connectors.edusign import EdusignSettings
from connectors.edusign.simulator import EdusignSimulator, EdusignSwitches
from connectors.simulation.checker import Story, judge, minimum_export_requests, minimum_requests
from connectors.simulation.checker_raw import exact, world
from connectors.simulation.erps import ERPS, simulated
from connectors.simulation.operator import fetched, told_events
from connectors.simulation.report import table
from connectors.simulation.scenes import (
    DRAIN_INTERVAL,
    ZONE,
    ErpSimulator,
    Scene,
    attend,
    edit,
    operate,
    quiet,
    seldom_collecting,
    set_scene,
    with_attendance,
)
from connectors.simulation.school import SMALLEST, School
from engine.clock import VirtualClock, VirtualLoop
from engine.compose import api as api_of
from engine.compose import compose
from engine.config_models import Config, ConnectionConfig, EngineConfig, ExportOptions
from engine.live import Engine
from engine.windows import default_windows
from engine.words import _

FIRST_DAY = date(2026, 9, 14)
"""A Monday."""
WAKE = time(6, 0)
REMOVALS_AFTER = timedelta(days=1)
LEARNERS, LIVE_LEARNERS = 200, 160

_EDUSIGN_KEY = "env:EDUSIGN_KEY"


def main(argv: Sequence[str] | None = None) -> int:
    """Play, print the report; 0 when the end is good, 1 when it is not, 2 on wrong usage."""
    given = _parser().parse_args(argv)
    erps = ERPS if given.erp == "all" else tuple(dict.fromkeys(given.erp.split(",")))
    if strange := [name for name in erps if name not in ERPS]:
        print(_("unknown ERP {name}; there are: {known}").format(name=strange[0], known=", ".join(ERPS)),
              file=sys.stderr)  # fmt: skip
        return 2
    learners = given.learners or (LIVE_LEARNERS if given.live else LEARNERS)
    if learners < SMALLEST or given.days < 1:
        print(_("a school has at least {least} learners, a demo at least one day").format(least=SMALLEST),
              file=sys.stderr)  # fmt: skip
        return 2
    if given.live:
        from connectors.simulation.live import live

        return live(given.seed, learners, erps, given.folder, as_json=given.json)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="rollcall-demo-"))
    try:
        report = play(
            seed=given.seed,
            learners=learners,
            days=given.days,
            erps=erps,
            folder=folder,
            progress=_progress if sys.stderr.isatty() else None,
        )
    finally:
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    if sys.stderr.isatty():
        _progress("")
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(json.dumps(report, ensure_ascii=False, sort_keys=True) if given.json else table(report, width))
    return 0 if all(good(one["end"]) for one in report["connections"]) else 1


def good(end: Mapping[str, Any]) -> bool:
    """Whether an end is as it should be: in agreement, accounted for, nothing twice, lost or waiting."""
    return bool(
        end["in_sync"]
        and end["accounting_balanced"]
        and end["absences_equal"] is not False
        and not (end["doubles"] or end["lost"] or end["held"])
        and end["holds_by_cause"] == end["expected_holds_by_cause"]
    )


def play(
    *,
    seed: int,
    learners: int,
    days: int,
    erps: Sequence[str] = ("ypareo",),
    folder: Path,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Play `days` days of windows from the first day on; the report. `folder` takes state and log."""
    with seldom_collecting(), asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_play(seed, learners, days, tuple(erps), folder, progress))


async def _play(
    seed: int,
    learners: int,
    days: int,
    erps: tuple[str, ...],
    folder: Path,
    progress: Callable[[str], None] | None,
) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    clock = VirtualClock(datetime.combine(FIRST_DAY, WAKE, ZoneInfo(ZONE)).astimezone(UTC), loop)
    simulators = {name: _simulators(name, seed, learners, clock) for name in erps}
    config = _config(erps, folder)
    engine = compose(
        config,
        clock,
        lambda name, system: httpx.ASGITransport(
            simulators[name][1].app if system == "erp" else simulators[name][2].app
        ),
        secret=_keys(erps).__getitem__,
        drain_interval=DRAIN_INTERVAL,
    )
    api = httpx.AsyncClient(
        transport=httpx.ASGITransport(api_of(engine, "operator")),
        base_url="http://engine",
    )
    dates = [FIRST_DAY + timedelta(days=n) for n in range(days)]
    scenes = [
        with_attendance(
            set_scene(
                name,
                *simulators[name],
                api,
                seed=seed,
                dates=dates,
                windows=config.connections[name].windows,
                horizon_days=config.connections[name].horizon_days,
            ),
            seed,
            dates,
        )
        for name in erps
    ]
    end = max(one.ends for scene in scenes for one in scene.windows)
    await engine.start()
    try:
        people = [asyncio.ensure_future(edit(scene, clock)) for scene in scenes]
        lessons = [asyncio.ensure_future(attend(scene, clock)) for scene in scenes]
        operators = [asyncio.ensure_future(operate(scene, clock)) for scene in scenes]
        teller = asyncio.ensure_future(_tell(clock, end, progress)) if progress else None
        await clock.sleep_until(end)
        await quiet(api)
        for task in (*people, *lessons, *operators, *([teller] if teller else [])):
            if task.done():
                task.result()
            task.cancel()
        reports = [await _report(scene, engine, api) for scene in scenes]
    finally:
        await engine.stop()
        await api.aclose()
    return {"seed": seed, "erp": ",".join(erps), "learners": learners, "days": days, "connections": reports}


def _simulators(
    erp: str, seed: int, learners: int, clock: VirtualClock
) -> tuple[School, ErpSimulator, EdusignSimulator]:
    school = School.seeded(seed, learners=learners, start=FIRST_DAY, zone=ZONE)
    return school, simulated(erp).simulate(school, clock), EdusignSimulator(seed, clock, None, school.handmade)


def _config(erps: Sequence[str], folder: Path) -> Config:
    return Config(
        engine=EngineConfig(folder=folder.resolve()),
        connections={name: _connection(name) for name in erps},
    )


def _connection(erp: str) -> ConnectionConfig:
    # Loopback addresses make the connection no real one; nothing listens there.
    about = simulated(erp)
    return ConnectionConfig(
        name=erp,
        erp=about.connector.name,
        zone=ZONE,
        horizon_days=about.connector.horizon_days,
        removals_after=REMOVALS_AFTER,
        windows=default_windows(ZONE),
        edusign=EdusignSettings(key=_EDUSIGN_KEY, url="http://127.0.0.1:1", accept_unverified=True),
        settings=about.connector.settings.model_validate(about.settings("http://127.0.0.1:2", _reference(erp))),
        export=ExportOptions(fallback_reason=about.fallback_reason, late_reason=about.late_reason),
    )


def _keys(erps: Sequence[str]) -> dict[str, str]:
    """Every secret by its reference."""
    keys = {_reference(name): simulated(name).key(simulated(name).switches()) for name in erps}
    return {_EDUSIGN_KEY: EdusignSwitches().api_key, **keys}


def _reference(erp: str) -> str:
    return f"env:{erp.upper().replace('-', '_')}_SECRET"


async def _tell(clock: VirtualClock, end: datetime, progress: Callable[[str], None]) -> None:
    zone = ZoneInfo(ZONE)
    while clock.now() < end:
        progress(f"{clock.now().astimezone(zone):%a %d %b %H:%M}")
        await asyncio.sleep(600)


# The report


async def _report(scene: Scene, engine: Engine, api: httpx.AsyncClient) -> dict[str, Any]:
    erp_dump, edusign_dump = scene.erp.dump(), scene.edusign.dump()
    runs = list(reversed(await fetched(api, "/v1/runs", connection=scene.name, limit=1000)))
    items = await fetched(api, "/v1/items", connection=scene.name)
    closed = await fetched(api, "/v1/items", connection=scene.name, closed=True)
    story = Story(
        erp=erp_dump,
        edusign=edusign_dump,
        our_type=scene.our_type,
        horizon_days=scene.horizon_days,
        removals_after=REMOVALS_AFTER,
        intents=tuple(await engine.store.transact(lambda tx: tx.intents(scene.name))),
        items=(*items, *closed),
        events=tuple(await told_events(api, scene.name)),
        runs=tuple(runs),
        decisions=tuple(scene.operator.decisions),
        dirt=tuple(asdict(one) for one in scene.school.dirt),
        repush_days=engine.settings.connections[scene.name].export.repush_days,
    )
    end = judge(story)
    held = sum(len(item["changes"]) for item in items if item["type"] == "hold")
    held += sum(1 for item in items if item["type"] == "duplicate")
    return {
        "name": scene.name,
        "erp": scene.name,
        "runs": [_run(run, erp_dump, edusign_dump, scene.horizon_days) for run in runs],
        "edits": {"done": len(scene.editor.done), "skipped": len(scene.editor.skipped)},
        "end": {
            **asdict(end),
            "held": held,
            "holds_by_cause": scene.operator.counts(),
            "expected_holds_by_cause": scene.operator.expected_counts(world(erp_dump, edusign_dump)),
        },
    }


def _run(
    run: Mapping[str, Any], erp_dump: dict[str, Any], edusign_dump: dict[str, Any], horizon_days: int
) -> dict[str, Any]:
    told = ("flow", "occurrence", "state", "observed", "changes", "rejected", "held", "conflicts", "skipped")
    return {
        **{name: run[name] for name in told},
        "trigger": run["trigger"],
        "requests": run["requests"],
        "minimum_requests": _least(run, erp_dump, edusign_dump, horizon_days),
    }


def _least(
    run: Mapping[str, Any], erp_dump: dict[str, Any], edusign_dump: dict[str, Any], horizon_days: int
) -> dict[str, int]:
    span = {"started": exact(run["started"]), "ended": exact(run["ended"])}
    if run["flow"] == "export":
        if not run["observed"]:
            return {"erp": 0, "edusign": 0}
        back = ExportOptions().repush_days
        return minimum_export_requests(erp_dump, edusign_dump, **span, back_days=back)
    return minimum_requests(erp_dump, edusign_dump, **span, horizon_days=horizon_days)


# The command line


def _progress(line: str) -> None:
    sys.stderr.write(f"\r\x1b[2K{line}")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rollcall demo", description=_("play a simulated school"))
    parser.add_argument("--headless", action="store_true", help=_("without the console"))
    parser.add_argument(
        "--live", action="store_true", help=_("in real time: serve the school and an engine until SIGTERM")
    )
    parser.add_argument(
        "--json", action="store_true", help=_("the report, or where the live demo answers, as one JSON object")
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--erp", default="ypareo", help=_("names of ERPs separated by commas, or all"))
    parser.add_argument("--learners", type=int, default=None, help=_("of the first school"))
    parser.add_argument("--days", type=int, default=2, help=_("days of windows to play"))
    parser.add_argument("--folder", type=Path, default=None, help=_("keep state and log there"))
    return parser
