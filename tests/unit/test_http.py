"""The HTTP layer: causes told apart, reads tried again, writes never, limits shared, secrets unseen."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import pytest

from connectors import http
from connectors.http import Exchange, HttpSession, Limits
from engine.clock import VirtualClock, VirtualLoop
from engine.ports import Fault, FaultCode, first_in_line

T = TypeVar("T")
START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
SECRET = "s3cret-0123456789"
ROUTE = "GET /v1/thing/{id}"
Answer = Callable[[httpx.Request], Any]


def virtually(play: Callable[[VirtualClock], Awaitable[T]]) -> T:
    """Run `play` on virtual time: waiting costs nothing."""
    loop = VirtualLoop()

    async def whole() -> T:
        return await play(VirtualClock(START, loop))

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(whole())


def session(clock: VirtualClock, answer: Answer, **options: Any) -> HttpSession:
    return HttpSession(
        system="edusign",
        base_url="https://school.example",
        header=("Authorization", "Bearer {secret}"),
        secret=SECRET,
        clock=clock,
        jitter=random.Random(1),
        transport=httpx.MockTransport(answer),
        **options,
    )


def call(answer: Answer, *, write: bool = False, **options: Any) -> tuple[Any, int, float]:
    """One call; what came (a Fault if one was raised), requests sent, virtual seconds taken."""

    async def play(clock: VirtualClock) -> tuple[Any, int, float]:
        opened = session(clock, answer, **options)
        before = clock.monotonic()
        came: Any
        try:
            ask = opened.write if write else opened.read
            came = await ask(ROUTE, {"id": "a"})
        except Fault as fault:
            came = fault
        await opened.close()
        return came, opened.requests.total(), clock.monotonic() - before

    return virtually(play)


def text(status: int, body: str, **headers: str) -> Answer:
    return lambda request: httpx.Response(status, text=body, headers=headers)


@pytest.mark.parametrize(
    ("status", "body", "code", "sent"),
    [
        (401, "Unauthorized", FaultCode.unauthorized, 1),
        (402, "Payment Required", FaultCode.payment_required, 1),
        (403, "Forbidden", FaultCode.forbidden, 1),
        (404, "Not Found", FaultCode.not_found, 1),
        (400, "Bad Request", FaultCode.refused, 1),
        (500, "Internal Server Error", FaultCode.server_error, 1),
        (502, "<html>Bad Gateway</html>", FaultCode.bad_gateway, 3),
        (503, "", FaultCode.bad_gateway, 3),
        (504, "", FaultCode.bad_gateway, 3),
        (429, "", FaultCode.throttled, 3),
        (302, "", FaultCode.not_json, 1),
        (200, "<!DOCTYPE html><title>Login</title>", FaultCode.not_json, 1),
        (200, "Unauthorized", FaultCode.not_json, 1),
        (200, '{"status":"success","result":[{"ID":"a', FaultCode.truncated, 3),
        (200, "", FaultCode.truncated, 3),
    ],
)
def test_each_cause_of_a_failed_read_has_its_code(status: int, body: str, code: FaultCode, sent: int) -> None:
    fault, requests, _seconds = call(text(status, body))
    assert isinstance(fault, Fault)
    assert (fault.code, fault.committed, fault.route, requests) == (code, "no", ROUTE, sent)


@pytest.mark.parametrize(
    ("status", "body", "code", "committed"),
    [
        (401, "Unauthorized", FaultCode.unauthorized, "no"),
        (429, "", FaultCode.throttled, "no"),
        (500, "Internal Server Error", FaultCode.server_error, "unknown"),
        (502, "", FaultCode.bad_gateway, "unknown"),
        (200, "<html>", FaultCode.not_json, "unknown"),
        (200, '{"status":', FaultCode.truncated, "unknown"),
    ],
)
def test_R37_a_write_is_sent_once_and_says_whether_it_may_be_done(
    status: int, body: str, code: FaultCode, committed: str
) -> None:
    fault, requests, _seconds = call(text(status, body), write=True)
    assert (fault.code, fault.committed, requests) == (code, committed, 1)


def test_a_silent_server_ends_a_read_after_three_time_outs() -> None:
    async def silent(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3600)
        raise AssertionError

    fault, requests, seconds = call(silent, timeout_seconds=60)
    assert (fault.code, requests) == (FaultCode.timed_out, 3)
    assert 180 < seconds < 190


def test_R37_a_silent_server_leaves_a_write_unknown() -> None:
    async def silent(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3600)
        raise AssertionError

    fault, requests, seconds = call(silent, write=True, timeout_seconds=60)
    assert (fault.code, fault.committed, requests) == (FaultCode.outcome_unknown, "unknown", 1)
    assert seconds == pytest.approx(60)


@pytest.mark.parametrize(
    ("error", "read", "write", "committed"),
    [
        (httpx.ConnectError("refused"), FaultCode.unreachable, FaultCode.unreachable, "no"),
        (httpx.ConnectTimeout("late"), FaultCode.unreachable, FaultCode.unreachable, "no"),
        (httpx.ReadTimeout("late"), FaultCode.timed_out, FaultCode.outcome_unknown, "unknown"),
        (httpx.ReadError("reset"), FaultCode.unreachable, FaultCode.outcome_unknown, "unknown"),
        (httpx.RemoteProtocolError("closed"), FaultCode.unreachable, FaultCode.outcome_unknown, "unknown"),
    ],
)
def test_R37_a_connection_that_fails(
    error: Exception, read: FaultCode, write: FaultCode, committed: str
) -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise error

    fault, requests, _seconds = call(broken)
    assert (fault.code, requests) == (read, 3)
    fault, requests, _seconds = call(broken, write=True)
    assert (fault.code, fault.committed, requests) == (write, committed, 1)


def test_a_read_recovers_when_the_gateway_does() -> None:
    left = [502, 503]

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(left.pop()) if left else httpx.Response(200, json={"ok": 1})

    body, requests, _seconds = call(answer)
    assert (body, requests) == ({"ok": 1}, 3)


@pytest.mark.parametrize("header", ["30", "Tue, 24 Nov 2026 10:00:30 GMT"])
def test_a_pause_the_server_asks_for_is_kept(header: str) -> None:
    left = [429]

    def answer(request: httpx.Request) -> httpx.Response:
        if left:
            return httpx.Response(left.pop(), headers={"Retry-After": header})
        return httpx.Response(200, json={})

    _body, requests, seconds = call(answer)
    assert requests == 2
    assert 30 <= seconds < 32


def test_a_pause_too_long_is_handed_on() -> None:
    fault, requests, seconds = call(text(429, "", **{"Retry-After": "3600"}))
    assert (fault.code, fault.retry_after, requests, seconds) == (
        FaultCode.throttled,
        timedelta(hours=1),
        1,
        0,
    )


def test_the_secret_is_in_no_fault_and_no_capture() -> None:
    captured: list[Exchange] = []
    fault, _requests, _seconds = call(text(401, f"bad key {SECRET} \x1b[2J"), capture=captured.append)
    assert SECRET not in f"{fault} {fault.came} {captured}"
    assert "\x1b" not in fault.came
    assert len(fault.came) <= 60


def test_a_key_no_header_can_carry_is_not_quoted() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.LocalProtocolError("Illegal header value b'Bearer cl\\xc3\\xa9'")

    fault, _requests, _seconds = call(answer, write=True)
    assert (fault.code, fault.committed, fault.came) == (FaultCode.unreachable, "no", "LocalProtocolError")


def test_values_are_whole_path_segments() -> None:
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path.decode())
        return httpx.Response(200, json={})

    async def play(clock: VirtualClock) -> None:
        opened = session(clock, answer)
        for value in ("zoë@x.fr", "a/b?c#d", "..", "50%"):
            await opened.read(ROUTE, {"id": value})
        with pytest.raises(ValueError, match="empty"):
            await opened.read(ROUTE, {"id": ""})
        assert opened.requests == {ROUTE: 4}

    virtually(play)
    assert paths == [
        "/v1/thing/zo%C3%AB%40x.fr",
        "/v1/thing/a%2Fb%3Fc%23d",
        "/v1/thing/%2E%2E",
        "/v1/thing/50%25",
    ]


def test_R24_skew_is_the_servers_date_against_the_middle_of_the_round_trip() -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(10)
        return httpx.Response(200, json={}, headers={"Date": "Tue, 24 Nov 2026 10:01:35 GMT"})

    async def play(clock: VirtualClock) -> timedelta | None:
        opened = session(clock, answer)
        assert opened.skew is None
        await opened.read("GET /x")
        return opened.skew

    assert virtually(play) == timedelta(seconds=90)


def test_R24_a_gateways_date_is_not_the_servers() -> None:
    async def play(clock: VirtualClock) -> timedelta | None:
        opened = session(clock, text(502, "", Date="Tue, 24 Nov 2026 12:00:00 GMT"))
        with pytest.raises(Fault):
            await opened.write("GET /x")
        return opened.skew

    assert virtually(play) is None


def test_no_minute_holds_more_than_the_limit_and_connections_of_one_key_share_it() -> None:
    sent: list[float] = []

    async def play(clock: VirtualClock) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            sent.append(clock.monotonic())
            return httpx.Response(200, json={})

        limits = Limits(480, 24, frozenset({"GET /heavy"}))
        one, other = session(clock, answer, limits=limits), session(clock, answer, limits=limits)
        assert one.budget_left == 480
        await asyncio.gather(*(opened.read("GET /x") for opened in (one, other) * 600))
        assert one.budget_left == other.budget_left

    virtually(play)
    assert len(sent) == 1200
    assert max(sum(at <= other < at + 60 for other in sent) for at in (sent[0], sent[300], sent[700])) == 480
    assert 120 <= sent[-1] < 125


def test_heavy_routes_have_their_own_limit() -> None:
    async def play(clock: VirtualClock) -> float:
        limits = Limits(480, 24, frozenset({"GET /heavy"}))
        opened = session(clock, text(200, "{}"), limits=limits)
        for _n in range(25):
            await opened.read("GET /heavy")
        return clock.monotonic()

    assert 60 <= virtually(play) < 61


def test_a_body_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_LIMIT", 1024 * 1024)
    fault, requests, _seconds = call(text(200, "[" + " " * 1024 * 1025 + "]"))
    assert (fault.code, fault.came, requests) == (FaultCode.truncated, "more than 1 MB", 1)


def test_R35_whoever_is_first_in_line_takes_what_the_budget_frees_before_those_who_waited_longer() -> None:
    async def play(clock: VirtualClock) -> list[tuple[str, float]]:
        budget = http.Budget(1)
        taken: list[tuple[str, float]] = []

        async def take(name: str, first: bool) -> None:
            first_in_line.set(first)
            await budget.take()
            taken.append((name, round(clock.monotonic() - began)))

        began = clock.monotonic()
        await take("before", False)
        waiting = [asyncio.ensure_future(take(f"import {n}", False)) for n in range(2)]
        await asyncio.sleep(10)
        waiting += [asyncio.ensure_future(take(f"export {n}", True)) for n in range(2)]
        await asyncio.gather(*waiting)
        return taken

    assert virtually(play) == [
        ("before", 0),
        ("export 0", 60),
        ("export 1", 120),
        ("import 0", 180),
        ("import 1", 240),
    ]
