"""The person at the console of a simulated school: answers everything the engine asks, by the hidden ledgers.

It talks to the engine through its API alone, over whatever transport the client it is given has. What it
knows beside is what a person who knows everybody would: the raw dumps of both simulators, and the school's
dirt ledger. Every answer is a function of the seed and of these.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, cast

import httpx

from connectors.simulation.checker_raw import Dump, Kind, World, by_code, exact, world
from connectors.simulation.checker_sync import Agreement, Judged

EVERY = timedelta(minutes=5)
"""How often it looks, while a window is open."""

Dumps = Callable[[], Awaitable[tuple[Dump, Dump]]]
"""Both simulators' dumps, the ERP's first."""


class Unanswered(Exception):
    """The engine refused an answer; the message is its own."""


class Operator:
    """Answers the open items of one connection.

    `seen` holds, by cause, the records the engine asked about; `expected` those the ledgers say it should.
    `decisions` lists what was chosen, in the words of the checker.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        connection: str,
        dumps: Dumps,
        *,
        dirt: tuple[Mapping[str, Any], ...],
        seed: int,
        our_type: str,
        horizon_days: int,
    ) -> None:
        self._client = client
        self._connection = connection
        self._dumps = dumps
        self._dirt = dirt
        self._seed = seed
        self._our_type = our_type
        self._horizon = horizon_days
        self.seen: dict[str, set[tuple[str, str]]] = {}
        self.expected: dict[str, set[tuple[str, str]]] = {}
        self.decisions: list[dict[str, Any]] = []

    async def look(self) -> int:
        """Answer everything that is open now; the number of answers. Raises Unanswered, httpx.HTTPError."""
        waiting = [
            item
            for type in _ASKING
            for item in await fetched(self._client, "/v1/items", connection=self._connection, type=type)
        ]
        if not waiting:
            return 0
        truth = Truth(world(*await self._dumps()))
        if any(item["code"] == "compare_only" for item in waiting):
            await self._expect_first_contact(truth)
        answers = 0
        for item in waiting:
            match item["type"]:
                case "hold" if item["kind"] == "attendance":
                    answers += await self._export_hold(item)
                case "hold":
                    answers += await self._hold(item, truth)
                case "duplicate":
                    answers += await self._duplicate(item, truth)
                case "conflict":
                    answers += await self._conflict(item)
        return answers

    def counts(self) -> dict[str, int]:
        """Records the engine asked about, by cause."""
        return {cause: len(records) for cause, records in sorted(self.seen.items())}

    def expected_counts(self, world_now: World) -> dict[str, int]:
        """Records the ledgers say it should have asked about, by cause."""
        expected = {cause: set(records) for cause, records in self.expected.items()}
        for cause, records in _by_ledger(self._dirt, world_now).items():
            expected.setdefault(cause, set()).update(records)
        return {cause: len(records) for cause, records in sorted(expected.items()) if records}

    # First contact

    async def _expect_first_contact(self, truth: Truth) -> None:
        """Everything that can be created or linked waits, but for pairs in doubt (R43, R09)."""
        if "compare_only" in self.expected:
            return
        runs = await fetched(self._client, "/v1/runs", connection=self._connection)
        judged = Judged(
            our_type=self._our_type,
            last_run=exact(runs[0]["started"]),
            horizon_days=self._horizon,
            dirt=self._dirt,
        )
        at = Agreement(truth.world, judged)
        in_doubt = {d["identities"][0] for d in self._dirt if d["kind"] in _IN_DOUBT}
        # An archived record is found only when the create it stands in the way of is carried out.
        expected = set(at.expected["learner"]) | set(at.absent_by_refusal)
        records: set[tuple[str, str]] = {
            ("learner", truth.world.code("learner", i)) for i in expected - in_doubt
        }
        others: tuple[Kind, ...] = ("speaker", "group", "sheet")
        for kind in others:
            # A speaker of several schools is only linked, which writes nothing (R11).
            shared = {one.identity for one in truth.world.platform if one.kind == kind and one.shared}
            records |= {(kind, one.code) for i, one in at.expected[kind].items() if i not in shared}
        self.expected["compare_only"] = records

    # Answers

    async def _hold(self, item: Mapping[str, Any], truth: Truth) -> int:
        self._note(item["code"], ((c["kind"], c["erp_id"]) for c in item["changes"]))
        true = [c for c in item["changes"] if truth.of_change(c)]
        false = [c for c in item["changes"] if not truth.of_change(c)]
        answers = 0
        for choice, changes in (("approve", true), ("refuse", false)):
            if not changes:
                continue
            narrowed = None if len(changes) == len(item["changes"]) else [c["id"] for c in changes]
            item = await self._decide(item, choice, changes=narrowed)
            answers += 1
            self.decisions += [
                {"kind": c["kind"], "erp_id": c["erp_id"], "verb": c["verb"], "choice": choice} for c in changes
            ]
        return answers

    async def _export_hold(self, item: Mapping[str, Any]) -> int:
        """The export may go on; but nobody is absent from a roll call that nobody held."""
        choice = "refuse" if item["code"] == "roll_call_missing" else "approve"
        await self._decide(item, choice)
        self.decisions += [
            {
                "kind": "attendance",
                "cause": item["code"],
                "session": item["erp_id"],
                "erp_id": change["erp_id"],
                "verb": change["verb"],
                "choice": choice,
            }
            for change in item["changes"]
        ]
        return 1

    async def _duplicate(self, item: Mapping[str, Any], truth: Truth) -> int:
        self._note(item["code"], [(item["kind"], item["erp_id"])])
        same = truth.is_same(item["kind"], item["erp_id"], item["edusign_id"])
        await self._decide(item, "same" if same else "different")
        return 1

    async def _conflict(self, item: Mapping[str, Any]) -> int:
        field = item["data"]["field"]
        rng = random.Random(f"{self._seed}/{item['kind']}/{item['erp_id']}/{field}")
        choice = ("erp", "edusign", "value")[int(rng.random() * 3)]
        value = ""
        if choice == "value":
            value = f"accord.{item['erp_id']}@nouveau.example" if field == "email" else "06 39 98 00 00"
        await self._decide(item, choice, value=value)
        self.decisions.append(
            {
                "kind": item["kind"],
                "erp_id": item["erp_id"],
                "field": field,
                "choice": choice,
                "value": value,
            }
        )
        return 1

    def _note(self, cause: str, records: Iterable[tuple[str, str]]) -> None:
        self.seen.setdefault(cause, set()).update(records)

    async def _decide(self, item: Mapping[str, Any], choice: str, **more: Any) -> dict[str, Any]:
        body = {"item": item["id"], "choice": choice, "revision": item["revision"], "why": "hidden ledger"}
        answer = await self._client.post("/v1/decisions", json={**body, **more})
        if answer.status_code != 200:
            raise Unanswered(answer.text)
        settled: dict[str, Any] = answer.json()
        return settled


async def fetched(client: httpx.AsyncClient, path: str, **query: Any) -> list[dict[str, Any]]:
    """A list of the engine's API. Raises httpx.HTTPError."""
    answer = await client.get(path, params=query)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()
    return found


async def told_events(client: httpx.AsyncClient, connection: str) -> list[dict[str, Any]]:
    """Every event that tells people of an edit, for the checker. Raises httpx.HTTPError."""
    found: list[dict[str, Any]] = []
    for kind in _TOLD_KINDS:
        after: int | None = 0
        while after is not None:
            query: dict[str, str | int] = {"query": f"kind:{kind} connection:{connection}", "after": after}
            answer = await client.get("/v1/events", params={**query, "limit": _PAGE})
            answer.raise_for_status()
            page = answer.json()
            found += page["events"]
            after = page["next"] if page["more"] else None
    return found


_TOLD_KINDS = ("notice", "conflict", "task", "rejection")
_PAGE = 10_000  # events in one answer
_ASKING = ("duplicate", "hold", "conflict")
_IN_DOUBT = frozenset({"same_person_other_email", "namesake"})


class Truth:
    """What is so, by hidden identity."""

    def __init__(self, world_now: World) -> None:
        self.world = world_now
        self._by_code = by_code(world_now.erp)

    def is_same(self, kind: str, erp_id: str, edusign_id: str) -> bool:
        """Whether an ERP record and an Edusign record are one person or one sheet."""
        record = self._by_code.get((cast(Kind, kind), erp_id))
        identity = self.world.identities.get((cast(Kind, kind), edusign_id))
        return record is not None and record.identity == identity

    def of_change(self, change: Mapping[str, Any]) -> bool:
        """Whether a held change is what the ledgers call for."""
        kind, erp_id, verb = cast(Kind, change["kind"]), change["erp_id"], change["verb"]
        record = self._by_code.get((kind, erp_id))
        live = record is not None and record.live
        if verb in ("archive", "withdraw"):
            return not live
        if record is None or not live:
            return bool(verb == "update")  # a group that is gone is emptied
        if change["edusign_id"] and not self.is_same(kind, erp_id, change["edusign_id"]):
            return False
        if verb in ("add", "remove"):
            (token,) = change["after"].get("learners") or change["before"]["learners"]
            learner = self._by_code.get(("learner", token))
            there = learner is not None and learner.live and learner.identity in record.values["learners"]
            return bool(there == (verb == "add"))
        return True


def _by_ledger(dirt: Iterable[Mapping[str, Any]], now: World) -> dict[str, set[tuple[str, str]]]:
    """What the dirt and edit ledgers say must be asked, beside first contact."""
    asked: dict[str, set[tuple[str, str]]] = {}
    for one in dirt:
        cause = {"archived_other_name": "archived_other_name"}.get(one["kind"])
        if one["kind"] in _IN_DOUBT:
            cause = "same_name"
        if cause is not None:
            asked.setdefault(cause, set()).add(("learner", now.code("learner", one["identities"][0])))
    for edit in now.erp_edits:
        if edit["who"] == "erp:session_cancelled_soon":
            asked.setdefault("soon", set()).add(("sheet", edit["id"]))
    return asked
