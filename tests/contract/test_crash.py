"""The engine killed at its writes, in real processes: nothing lost, nobody doubled, whatever the moment."""

from __future__ import annotations

import asyncio

from connectors.simulation.crash import ENOUGH, Kill, Outcome, histogram, play, summary

SEEDS = range(1, 11)
LEARNERS = 40


def test_R38_ten_schools_survive_their_kills() -> None:
    outcomes = asyncio.run(play(SEEDS, LEARNERS))
    report = summary(outcomes)
    print(histogram(report))
    assert report["failed"] == []
    assert report["kills"] >= 2 * len(SEEDS)
    assert report["share"] >= ENOUGH
    assert {"before_commit", "after_commit", "after_answer", "recovery"} <= report["histogram"].keys()
    assert report["good"]


def test_too_few_hits_or_a_bad_end_fail_the_whole() -> None:
    missed = Outcome(1, kills=[Kill("after_answer", "create", left_open=False)])
    report = summary([missed])
    assert (report["kills"], report["left_open"], report["good"]) == (1, 0, False)
    assert [one["seed"] for one in report["failed"]] == [1]
    assert "after_answer" in histogram(report)
