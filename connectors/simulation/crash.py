"""Kills the engine at its writes, again and again, and sees that nothing is lost and nobody doubled.

Per seed: a school of its own, both simulators and the engine as processes in real time. The Edusign simulator
kills the engine at a write that the seed chooses, before it is done, after it, or after its answer; another
kill may fall into the recovery. Then today's sheets are locked, and the ERP kills the engine at absences it is
sent. The engine is started anew each time and runs until nothing is left to do; then the checker judges.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from connectors.simulation.checker import End, Story, judge
from connectors.simulation.checker_raw import exact, world
from connectors.simulation.operator import Operator, fetched, told_events
from connectors.simulation.school import School, Session
from connectors.simulation.stage import CONNECTION, HORIZON_DAYS, ZONE, EngineProcess, Simulator, keys
from engine.clock import SystemClock
from engine.words import _

LEARNERS = 60
ENOUGH = 0.8
"""The share of kills that must have left an open intent; else the kills fell where nothing could go wrong."""
SIDE_BY_SIDE = 2
OUR_TYPE = f"rollcall-{CONNECTION}"
REMOVALS_AFTER = timedelta(seconds=1)

_PHASES = ("before_commit", "after_commit", "after_answer")
_MOST_RUNS = 12
_EXPORTS_EVERY = 2
"""Of so many schools one goes on to its absences: each takes as long again as it took to get there."""
_QUIET_LOOKS = 5
_AWAY = 4
"""Learners who are absent from each sheet."""
_MOST_SHEETS = 3
_SECOND_KILL = 0.5
_LAST_BREATH = 5.0
"""Seconds a killed engine is given to be gone."""
_QUIET_RUNS = 2
_PATIENCE = 60.0
"""Seconds one run may take."""


class Stuck(Exception):
    """The story cannot go on; the message says where it stands."""


@dataclass(frozen=True)
class Kill:
    """One death: in which phase of which write, and whether it left an intent open."""

    phase: str
    verb: str
    left_open: bool


@dataclass
class Outcome:
    """What became of one seed."""

    seed: int
    end: End | None = None
    kills: list[Kill] = field(default_factory=list)
    trouble: str = ""

    @property
    def good(self) -> bool:
        return self.end is not None and self.end.good and not self.trouble


def main(argv: Sequence[str] | None = None) -> int:
    """Play the seeds and print the histogram; 0 when every end is good and enough kills hit, else 1."""
    parser = argparse.ArgumentParser(prog="python -m connectors crash")
    parser.add_argument("--seeds", type=int, default=10, help=_("how many schools"))
    parser.add_argument("--first", type=int, default=1, help=_("the first seed"))
    parser.add_argument("--learners", type=int, default=LEARNERS)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)

    def tell(outcome: Outcome) -> None:
        if not given.json:
            print(_line(outcome), flush=True)

    outcomes = asyncio.run(play(range(given.first, given.first + given.seeds), given.learners, tell))
    report = summary(outcomes)
    print(json.dumps(report, ensure_ascii=False, sort_keys=True) if given.json else histogram(report))
    return 0 if report["good"] else 1


async def play(
    seeds: Sequence[int], learners: int = LEARNERS, tell: Callable[[Outcome], None] | None = None
) -> list[Outcome]:
    """Play each seed, a few side by side; `tell` hears of each end."""
    turns = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(seed: int) -> Outcome:
        async with turns:
            outcome = await _one_seed(seed, learners)
            if tell is not None:
                tell(outcome)
            return outcome

    return list(await asyncio.gather(*(one(seed) for seed in seeds)))


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """All seeds together, as JSON holds it."""
    kills = [kill for outcome in outcomes for kill in outcome.kills]
    left = sum(kill.left_open for kill in kills)
    counted: dict[str, Counter[str]] = {}
    for kill in kills:
        counted.setdefault(kill.phase, Counter())[kill.verb] += 1
    share = left / len(kills) if kills else 0.0
    return {
        "seeds": len(outcomes),
        "kills": len(kills),
        "left_open": left,
        "share": round(share, 3),
        "histogram": {phase: dict(sorted(verbs.items())) for phase, verbs in sorted(counted.items())},
        "failed": [
            {"seed": o.seed, "trouble": o.trouble, "end": asdict(o.end) if o.end else None}
            for o in outcomes
            if not o.good
        ],
        "good": all(o.good for o in outcomes) and share >= ENOUGH,
    }


def histogram(report: Mapping[str, Any]) -> str:
    """The kills by phase and verb, as text."""
    verbs = sorted({verb for counts in report["histogram"].values() for verb in counts})
    lines = ["".join([f"{'':14}", *(f"{verb:>16}" for verb in verbs)])]
    for phase, counts in report["histogram"].items():
        lines.append("".join([f"{phase:14}", *(f"{counts.get(verb, 0):>16}" for verb in verbs)]))
    lines.append(
        _(
            "{seeds} schools, {kills} kills, {left_open} left an open intent ({percent} %), {failed} failed"
        ).format(
            seeds=report["seeds"],
            kills=report["kills"],
            left_open=report["left_open"],
            percent=round(100 * report["share"]),
            failed=len(report["failed"]),
        )
    )
    return "\n".join(lines)


def _line(outcome: Outcome) -> str:
    kills = ", ".join(f"{kill.phase} {kill.verb}{'' if kill.left_open else ' (-)'}" for kill in outcome.kills)
    verdict = _("good") if outcome.good else _("BAD")
    details = "\n    ".join([outcome.trouble, *(outcome.end.details if outcome.end else ())]).strip()
    return f"{outcome.seed:4} {verdict}: {kills}" + (f"\n    {details}" if details else "")


async def _one_seed(seed: int, learners: int) -> Outcome:
    outcome = Outcome(seed)
    folder = Path(tempfile.mkdtemp(prefix="rollcall-crash-"))
    simulators: list[Simulator] = []
    engine: EngineProcess | None = None
    try:
        erp, edusign = await asyncio.gather(
            Simulator.started("ypareo", seed=seed, learners=learners, switches={"token": keys("ypareo")}),
            Simulator.started(
                "edusign",
                seed=seed,
                learners=learners,
                switches={"api_key": keys("edusign"), "unlimited": "true", "latency": "0.001"},
            ),
        )
        simulators += [erp, edusign]
        engine = EngineProcess(folder, erp.url, edusign.url, SystemClock().now())
        await _Tale(seed, learners, erp, edusign, engine, outcome).tell()
    except Exception as error:
        outcome.trouble = f"{type(error).__name__}: {error}"
        if engine is not None:
            outcome.trouble += "\n" + engine.last_words()
    finally:
        if engine is not None:
            await engine.stop()
        for simulator in simulators:
            await simulator.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


class _Tale:
    """One school's story: first contact, the first fill under fire, edits under fire, then quiet."""

    def __init__(
        self,
        seed: int,
        learners: int,
        erp: Simulator,
        edusign: Simulator,
        engine: EngineProcess,
        outcome: Outcome,
    ) -> None:
        self.seed = seed
        self.rng = random.Random(f"crash:{seed}")
        self.erp = erp
        self.edusign = edusign
        self.engine = engine
        self.outcome = outcome
        # The simulators begin today by their own clock, which is this machine's.
        self.today = SystemClock().now().astimezone(ZoneInfo(ZONE)).date()
        self.school = School.seeded(seed, learners, self.today)
        self.operator = Operator(
            engine.client,
            CONNECTION,
            self.dumps,
            dirt=tuple(asdict(one) for one in self.school.dirt),
            seed=seed,
            our_type=OUR_TYPE,
            horizon_days=HORIZON_DAYS,
        )

    async def dumps(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return await self.erp.dump(), await self.edusign.dump()

    async def tell(self) -> None:
        """Play it to its end, and judge. Raises Died, Stuck, httpx.HTTPError."""
        await self.engine.start()
        await self._run()
        await self.operator.look()
        # Everything first contact asked about is about to be written: any of it may be the last.
        await self._under_fire(self._below(len(self.operator.seen["compare_only"])))
        if self.outcome.kills and self.rng.random() < _SECOND_KILL:
            await self._killed_in_recovery()
        await self._until_quiet()
        await self._edit()
        await self._under_fire(self._below(9))
        if self.rng.random() < _SECOND_KILL:
            await self._killed_in_recovery()
        await self._under_fire(self._below(5))
        await self._until_quiet()
        if self.seed % _EXPORTS_EVERY == 0:
            await self._export()
        await self._judge()

    def _below(self, most: int) -> int:
        """1 to `most`."""
        return 1 + int(self.rng.random() * most)

    # Runs and deaths

    async def _run(self, flow: str = "import") -> dict[str, Any] | None:
        """One run to its end; None when the engine died in it."""
        if self.engine.dead:
            await self.engine.start()
        try:
            asked = await self.engine.client.post("/v1/runs", json={"connection": CONNECTION, "flow": flow})
            if asked.status_code != 200:
                raise Stuck(asked.text)
            path = f"/v1/runs/{asked.json()['id']}/end"
            answer = await self.engine.client.get(path, timeout=_PATIENCE)
        except (httpx.TransportError, httpx.TimeoutException) as error:
            if await self.engine.died(_LAST_BREATH):
                return None
            raise Stuck(f"a run did not end: {error!r}") from error
        answer.raise_for_status()
        ended: dict[str, Any] = answer.json()
        return ended

    async def _under_fire(self, nth: int, side: str = "edusign") -> None:
        """A run that is to die at its `nth` write: an import at what it writes to Edusign, an export at what it
        writes to the ERP."""
        simulator = self.edusign if side == "edusign" else self.erp
        phase = _PHASES[int(self.rng.random() * len(_PHASES))]
        if self.engine.dead:
            await self.engine.start()
        before = len((await simulator.dump())["kills"])
        await simulator.order("kill", pid=self.engine.pid, nth=nth, phase=phase)
        await self._run("import" if side == "edusign" else "export")
        await simulator.order("clear")
        dump = await simulator.dump()
        struck = dump["kills"][before:]
        if struck and await self.engine.died(_LAST_BREATH):
            number = struck[0]["write"]
            verb = "" if number is None else dump["writes"][number - 1]["verb"]
            self._note(phase, f"absence {verb}" if side == "erp" and verb else verb)

    async def _killed_in_recovery(self) -> None:
        """Start anew and die while the open intent is being looked up: its probe is the first thing asked."""
        if not self.engine.dead or not self._open():
            return
        await self.engine.start()
        asked = sum((await self.edusign.dump())["requests"].values())
        await self.edusign.order("fault", kind="silence", seconds=_PATIENCE)
        await self.engine.client.post("/v1/runs", json={"connection": CONNECTION})
        async with asyncio.timeout(_PATIENCE):
            while sum((await self.edusign.dump())["requests"].values()) == asked:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        verb = self._open()[0]["verb"]
        await self.engine.kill()
        await self.edusign.order("clear")
        self._note("recovery", verb)

    def _open(self) -> list[dict[str, Any]]:
        deliveries = ({**one, "verb": "absences"} for one in self.engine.deliveries())
        return [one for one in (*self.engine.intents(), *deliveries) if one["state"] == "open"]

    def _note(self, phase: str, verb: str) -> None:
        left = self._open()
        self.outcome.kills.append(
            Kill(phase, verb or (left[0]["verb"] if left else "unknown"), left_open=bool(left))
        )

    async def _until_quiet(self, flow: str = "import") -> None:
        """Runs and answers until there is nothing left to do, twice."""
        quiet = 0
        for _number in range(_MOST_RUNS):
            run = await self._run(flow)
            if run is None:
                raise Stuck(f"the engine died by itself: {self.engine.last_words()}")
            if run["state"] != "done":
                raise Stuck(f"run {run['id']} ended {run['state']}: {run['message']}")
            answered = await self.operator.look()
            quiet = 0 if answered or run["changes"] else quiet + 1
            if quiet == _QUIET_RUNS:
                return
        raise Stuck(f"not quiet after {_MOST_RUNS} runs: {run['changes'] if run else None}")

    # Absences

    async def _export(self) -> None:
        """The next school day: its sheets are locked with a few learners away, exported under fire, corrected,
        exported again."""
        await self._days_pass()
        sheets = await self._sheets()
        for sheet in sheets:
            await self.edusign.order("sign", sheet=sheet["ID"], speaker=sheet["PROFESSOR"])
            for state in sheet["STUDENTS"][_AWAY:]:
                await self.edusign.order("sign", sheet=sheet["ID"], learner=state["studentId"])
            await self.edusign.order("lock", sheet=sheet["ID"])
        if not sheets:
            raise Stuck(f"no sheet of {self.today}")
        await self._run("export")
        await self.operator.look()
        await self._under_fire(self._below(_AWAY * len(sheets)), "erp")
        await self._until_quiet("export")
        for sheet in sheets:
            first, second = (state["studentId"] for state in sheet["STUDENTS"][:2])
            await self.edusign.order("unlock", sheet=sheet["ID"])
            await self.edusign.order("sign", sheet=sheet["ID"], learner=first)
            await self.edusign.order("lock", sheet=sheet["ID"])
            await self.edusign.order("justify", learner=second, sheet=sheet["ID"])
        await self._under_fire(self._below(2 * len(sheets)), "erp")
        await self._until_quiet("export")

    async def _days_pass(self) -> None:
        """It is the next school day, for the simulators and for an engine started anew."""
        days = next(n for n in range(1, 8) if (self.today + timedelta(days=n)).weekday() < 5)
        self.engine.offset = timedelta(days=days)
        self.today += self.engine.offset
        for simulator in (self.erp, self.edusign):
            await simulator.order("advance", seconds=self.engine.offset.total_seconds())
        await self.engine.kill()
        await self.engine.start()
        # The window that opened meanwhile is made up for, by itself.
        quiet = 0
        while quiet < _QUIET_LOOKS:
            await asyncio.sleep(0.1)
            status = (await self.engine.client.get("/v1/status")).json()
            quiet = quiet + 1 if all(one["running"] is None for one in status["connections"]) else 0

    async def _sheets(self) -> list[dict[str, Any]]:
        """Some of ours of today, as Edusign has them."""
        zone = ZoneInfo(ZONE)
        return [
            row
            for row in (await self.edusign.dump())["courses"]
            if row["API_TYPE"] == OUR_TYPE
            and not row["LOCKED"]
            and len(row["STUDENTS"]) > _AWAY
            and exact(row["START"]).astimezone(zone).date() == self.today
        ][:_MOST_SHEETS]

    # People

    async def _edit(self) -> None:
        """A few people change things on both sides, so that every sort of write comes up again."""
        dirty = self.school.dirty()
        people = [one for one in self.school.learners if one.identity not in dirty and one.left is None]
        self.rng.shuffle(people)
        by_hand = iter(people)
        renamed, moved, mailed, left, archived, retyped, kept = (next(by_hand) for _n in range(7))
        other = next(group for group in self.school.groups if group.identity != moved.group)
        erp, edusign = self.erp.order, self.edusign.order
        await erp("edit", identity=renamed.identity, field="last_name", value="Rebaptisé")
        await erp("move_learner", identity=moved.identity, group=other.identity)
        await erp("edit", identity=mailed.identity, field="email", value="autre.adresse@nouveau.example")
        await erp("depart", identity=left.identity)
        session = self._session()
        rooms = [room.code for room in self.school.rooms if room.code not in session.rooms][:1]
        await erp("edit", identity=session.identity, field="rooms", value=rooms)
        used = {one.identity for one in (moved, left)}
        out = next(i for i in session.learners if i not in used | dirty)
        into = next(one.identity for one in by_hand if one.identity not in session.learners)
        await erp("swap_learners", identity=session.identity, out=out, into=into)
        now = world(*await self.dumps())
        ids = {one.identity: one.id for one in now.platform if one.kind == "learner" and not one.archived}
        await edusign("archive", kind="learner", id=ids[archived.identity])
        await edusign(
            "edit",
            kind="learner",
            id=ids[retyped.identity],
            field="LASTNAME",
            value=f"{retyped.last_name} (bis)",
        )
        await edusign(
            "edit", kind="learner", id=ids[kept.identity], field="EMAIL", value="tapee.ici@nouveau.example"
        )

    def _session(self) -> Session:
        """A plain session of the coming days, not of today."""
        today = self.today
        dirty = self.school.dirty()
        plain = [
            one
            for one in self.school.sessions
            if today < one.day < today + timedelta(days=HORIZON_DAYS) and one.identity not in dirty
            and len(one.groups) == 1 and one.rooms and len(one.learners) > 4
        ]  # fmt: skip
        return plain[int(self.rng.random() * len(plain))]

    # The end

    async def _judge(self) -> None:
        client = self.engine.client
        erp_dump, edusign_dump = await self.dumps()
        runs = await fetched(client, "/v1/runs", connection=CONNECTION, limit=1000)
        items = await fetched(client, "/v1/items", connection=CONNECTION)
        closed = await fetched(client, "/v1/items", connection=CONNECTION, closed=True)
        if waiting := [item["id"] for item in items if item["type"] in ("hold", "duplicate", "conflict")]:
            raise Stuck(f"still waiting for a person: {waiting}")
        self.outcome.end = judge(
            Story(
                erp=erp_dump,
                edusign=edusign_dump,
                our_type=OUR_TYPE,
                horizon_days=HORIZON_DAYS,
                removals_after=REMOVALS_AFTER,
                intents=tuple(self.engine.intents()),
                items=(*items, *closed),
                events=tuple(await told_events(client, CONNECTION)),
                runs=tuple(sorted(runs, key=lambda run: exact(run["started"]))),
                decisions=tuple(self.operator.decisions),
                dirt=tuple(asdict(one) for one in self.school.dirt),
            )
        )
