"""One connection of a played school, on virtual time: its simulators, the people who edit both, the operator.

What is here knows the engine through its API alone.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import httpx

from connectors.edusign.simulator import EdusignSimulator
from connectors.simulation.absentees import Absentees, Deed
from connectors.simulation.attendance import Attendance
from connectors.simulation.names import Draw
from connectors.simulation.operator import EVERY, Operator
from connectors.simulation.people import Edit, Editor, script
from connectors.simulation.school import School
from engine.clock import Clock
from engine.windows import Occurrence, Window, occurrences

ZONE = "Europe/Paris"
DRAIN_INTERVAL = 5.0
"""Virtual seconds between an event and its place in the log: many events then enter it at once."""


class ErpSimulator(Protocol):
    """What a scene asks of an ERP's simulator."""

    @property
    def app(self) -> Any:
        """The ASGI application that answers as the vendor does."""
        ...

    @property
    def hands(self) -> Mapping[str, Callable[..., Any]]: ...

    def code_of(self, identity: str) -> int | str:
        """What a sync calls the record now. Raises ControlError."""
        ...

    def codes_of(self, identity: str) -> tuple[str, ...]:
        """That, and what it may have called it before. Raises ControlError."""
        ...

    def dump(self) -> dict[str, Any]: ...


@dataclass
class Scene:
    """One connection: its school, both simulators, and the people around them."""

    name: str
    school: School
    erp: ErpSimulator
    edusign: EdusignSimulator
    editor: Editor
    operator: Operator
    windows: tuple[Occurrence, ...]
    edits: tuple[Edit, ...]
    horizon_days: int
    attendance: tuple[Deed, ...] = ()
    """What happens on the sheets, and of absences in both systems."""

    @property
    def our_type(self) -> str:
        return our_type(self.name)


def our_type(connection: str) -> str:
    """The API_TYPE of what a connection makes in Edusign."""
    return f"rollcall-{connection}"


def set_scene(
    name: str,
    school: School,
    erp: ErpSimulator,
    edusign: EdusignSimulator,
    api: httpx.AsyncClient,
    *,
    seed: int,
    dates: Sequence[date],
    windows: Sequence[Window],
    horizon_days: int,
) -> Scene:
    """A connection with its people, for the occurrences that `windows` have on `dates`.

    `api` answers for the engine; `seed` decides what people do and what the operator chooses; `horizon_days`
    is the connection's."""
    found = sorted(
        (one for window in windows for day in dates for one in occurrences(window, name, day, day)),
        key=lambda one: one.starts,
    )

    async def dumps() -> tuple[dict[str, Any], dict[str, Any]]:
        return erp.dump(), edusign.dump()

    operator = Operator(
        api,
        name,
        dumps,
        dirt=tuple(asdict(one) for one in school.dirt),
        seed=seed,
        our_type=our_type(name),
        horizon_days=horizon_days,
    )
    # People work around the moments when runs really begin: each window's start and this connection's delay.
    imports = [one for one in found if one.flow == "import"]
    begins = sorted({one.starts.astimezone(ZoneInfo(school.zone)).time() for one in imports})
    return Scene(
        name=name,
        school=school,
        erp=erp,
        edusign=edusign,
        editor=Editor(erp, edusign, our_type(name)),
        operator=operator,
        windows=tuple(found),
        edits=script(school, random.Random(f"people:{seed}"), list(dates), begins),
        horizon_days=horizon_days,
    )


async def edit(scene: Scene, clock: Clock) -> None:
    """People do what the script says, when it says."""
    for one in scene.edits:
        await clock.sleep_until(one.at)
        scene.editor.apply(one)


async def operate(scene: Scene, clock: Clock) -> None:
    """The operator looks every few minutes while a window is open."""
    for window in scene.windows:
        await clock.sleep_until(window.starts + EVERY)
        while clock.now() < window.ends:
            await scene.operator.look()
            await asyncio.sleep(EVERY.total_seconds())


async def quiet(api: httpx.AsyncClient) -> None:
    """Wait until no run is under way and the log holds every event."""
    while True:
        answer = await api.get("/v1/status")
        answer.raise_for_status()
        if all(one["running"] is None for one in answer.json()["connections"]):
            break
        await asyncio.sleep(10)
    await asyncio.sleep(2 * DRAIN_INTERVAL)


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Most of what is made inside lives to the end: looking for garbage as often as usual costs a quarter."""
    thresholds = gc.get_threshold()
    gc.set_threshold(200_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def with_attendance(scene: Scene, seed: int, days: Sequence[date]) -> Scene:
    """The scene with lessons held on these days: sheets signed and locked, absences justified and corrected."""
    lessons = Draw(random.Random(f"lessons:{seed}"))
    attendance = Attendance(scene.edusign, lessons, scene.school.zone)
    people = Draw(random.Random(f"absences:{seed}"))
    around = Absentees(scene.erp, scene.edusign, attendance, people, scene.school.zone)
    return replace(scene, attendance=tuple(around.deeds(list(days))))


async def attend(scene: Scene, clock: Clock) -> None:
    """Lessons are held, and what follows of them."""
    for one in scene.attendance:
        await clock.sleep_until(one.at)
        one.do()
