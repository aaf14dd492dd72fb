"""The API: routes and answers in process, the socket and the live stream for real."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_type_hints

import httpx
import pytest

from console.engine_client import EngineClient, EngineRefused, EngineUnreachable
from engine.service.access import Access, InProcess, Peer
from engine.service.endpoints import BY_NAME, ENDPOINTS, OPENAPI_PATH, STATUS_BY_CODE, Endpoint
from engine.service.models import (
    DecideRequest,
    EventView,
    FreezeRequest,
    PlanRequest,
    RecordView,
    RunRequest,
    WhyView,
)
from engine.service.operations import Operations, Refusal
from engine.service.routes import application
from engine.service.socket import LOCK_NAME, SocketRefused, SocketServer, bound, peer_of
from engine.service.stream import resumed_from, stream
from tests.unit.fake_engine import FakeOperations, event, item, served


def _http(operations: FakeOperations, access: Access | None = None) -> httpx.AsyncClient:
    app = application(operations, access or InProcess("marie"))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine")


def test_the_table_covers_every_operation_with_its_very_parameters() -> None:
    methods = {name for name in vars(Operations) if not name.startswith("_")}
    assert set(BY_NAME) == methods
    for endpoint in ENDPOINTS:
        parameters = set(inspect.signature(getattr(Operations, endpoint.name)).parameters) - {"self"}
        in_path = {part[1:-1] for part in endpoint.path.split("/") if part.startswith("{")}
        given = in_path | {p.name for p in endpoint.query} | _identity(endpoint)
        given |= {"request"} if endpoint.request else set()
        # An export's path is chosen by the service, never by who asks.
        assert given == parameters - ({"path"} if endpoint.name == "export" else set()), endpoint.name


def _identity(endpoint: Endpoint) -> set[str]:
    names: set[str] = {"actor", "role"} if endpoint.identity == "who" else {endpoint.identity}
    return names - {""}


def test_the_client_returns_what_the_table_says() -> None:
    for endpoint in ENDPOINTS:
        if endpoint.name in ("follow", "export"):
            continue
        returned = get_type_hints(getattr(EngineClient, endpoint.name))["return"]
        assert returned == (endpoint.answer or type(None)), endpoint.name
        hinted = get_type_hints(getattr(Operations, endpoint.name))
        assert hinted["return"] == returned
        if endpoint.request is not None:
            assert hinted["request"] is endpoint.request


async def test_every_json_endpoint_answers_its_model() -> None:
    operations = FakeOperations()
    bodies: dict[str, Any] = {
        "plan": {"connection": "lyon"},
        "apply": {"plan": "p7"},
        "start_run": {"connection": "lyon", "only": "learner:A17"},
        "decide": {"item": "i1", "choice": "erp", "revision": 4},
        "freeze": {"connection": "lyon", "reason": "fire"},
        "thaw": {},
        "start_plan": {"connection": "lyon"},
        "start_apply": {"plan": "p7"},
        "skip": {"plan": "p7", "changes": ["c1"]},
    }
    queries = {
        "last_plan": {"connection": "lyon"},
        "find": {"text": "zoe"},
        "record": {"connection": "lyon", "kind": "learner", "id": "A17"},
        "look": {"connection": "lyon", "kind": "learner", "id": "A17"},
        "why": {"text": "zoe"},
        "why_now": {"connection": "lyon", "kind": "learner", "id": "A17"},
    }
    operations.why_views = (WhyView(connection="lyon", kind="learner", cause="there", said="it is there"),)
    operations.record_view = RecordView(connection="lyon", kind="learner", erp_id="A17")
    async with _http(operations) as http:
        for endpoint in ENDPOINTS:
            if endpoint.name in ("follow", "export"):
                continue
            path = endpoint.path.format(run_id="r1", item_id="i1")
            params = queries.get(endpoint.name, {})
            answer = await http.request(endpoint.method, path, params=params, json=bodies.get(endpoint.name))
            assert answer.status_code == (204 if endpoint.answer is None else 200), answer.text
    actors = {name: actor for name, _what, actor in operations.asked if actor}
    assert set(actors.values()) == {"marie"}
    assert set(actors) >= {e.name for e in ENDPOINTS if e.identity == "actor"} | {"events", "changes", "sheets"}


@pytest.mark.parametrize(("code", "status"), STATUS_BY_CODE.items())
async def test_a_refusal_is_a_problem_with_its_status(code: str, status: int) -> None:
    operations = FakeOperations()
    operations.refusal = Refusal(code, "marie decided \x1b[2J\nalready")
    async with _http(operations) as http:
        answer = await http.get("/v1/status")
    assert answer.status_code == status
    assert answer.json() == {"code": code, "message": "marie decided \\x1b[2J\\x0aalready"}


async def test_an_unexpected_error_is_one_line_and_its_traceback_goes_to_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    operations = FakeOperations()
    operations.refusal = KeyError("secret-value")
    async with _http(operations) as http:
        with caplog.at_level(logging.ERROR, "rollcall.service"):
            answer = await http.get("/v1/runs")
    assert answer.status_code == 500
    problem = answer.json()
    assert problem["code"] == "failed"
    assert "KeyError" in problem["message"]
    assert "\n" not in problem["message"] and "secret-value" not in problem["message"]
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("GET", "/v1/runs?limit=many", None, 400, "limit"),
        ("GET", "/v1/runs?limit=0", None, 400, "at least 1"),
        ("GET", "/v1/events?limit=100001", None, 400, "at most"),
        ("GET", "/v1/items?closed=perhaps", None, 400, "closed"),
        ("GET", "/v1/items?color=red", None, 400, "color"),
        ("GET", "/v1/plans/last", None, 400, "connection"),
        ("POST", "/v1/plans", "{", 400, "JSON"),
        ("POST", "/v1/plans", "{}", 400, "connection"),
        ("POST", "/v1/plans", '{"connection": "a", "colour": 1}', 400, "colour"),
        ("GET", "/v1/events/stream?query=levle:warn", None, 400, "column 1"),
        ("GET", "/v1/events/export?format=xls", None, 400, "parquet"),
        ("GET", "/v1/nothing", None, 404, "/v1/nothing"),
        ("DELETE", "/v1/runs", None, 405, "DELETE"),
    ],
)
async def test_mistakes_are_named(method: str, path: str, body: str | None, status: int, said: str) -> None:
    async with _http(FakeOperations()) as http:
        answer = await http.request(method, path, content=body)
    assert answer.status_code == status
    assert said in answer.json()["message"]


async def test_roles_are_asked_for_at_every_route() -> None:
    operations = FakeOperations()
    async with _http(operations, InProcess("paul", "viewer")) as http:
        allowed = {
            endpoint.name
            for endpoint in ENDPOINTS
            if endpoint.name not in ("follow", "export")
            and (
                await http.request(
                    endpoint.method, endpoint.path.format(run_id="r", item_id="i"), content="nonsense"
                )
            ).status_code
            != 403
        }
    assert allowed == {e.name for e in ENDPOINTS if e.role == "viewer"} - {"follow", "export"}
    refused = {e.name for e in ENDPOINTS if e.role != "viewer"}
    assert not [name for name, _what, _actor in operations.asked if name in refused]


async def test_without_a_peer_nothing_is_answered() -> None:
    async with _http(FakeOperations(), Access({})) as http:
        assert (await http.get("/v1/status")).status_code == 403
        assert (await http.get(OPENAPI_PATH)).status_code == 403


async def test_the_openapi_document_is_whole() -> None:
    async with _http(FakeOperations()) as http:
        document = (await http.get(OPENAPI_PATH)).json()
    assert document["openapi"] == "3.1.0"
    operations = [op for path in document["paths"].values() for op in path.values()]
    assert {op["operationId"] for op in operations} == set(BY_NAME)
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    refs = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert refs <= set(schemas)
    assert {"StatusView", "PlanRequest", "Problem", "EventView"} <= set(schemas)
    runs = document["paths"]["/v1/runs"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert runs["items"] == {"$ref": "#/components/schemas/RunView"}


async def test_an_export_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    operations = FakeOperations()
    operations.log = [event(1), event(2)]
    async with _http(operations) as http:
        answer = await http.get("/v1/events/export", params={"format": "csv"})
        assert answer.headers["x-rollcall-rows"] == "2"
        assert answer.text == "1,a line\n2,a line\n"
        operations.refusal = Refusal("usage", "column 3")
        assert (await http.get("/v1/events/export")).status_code == 400
    assert os.listdir(tmp_path) == []


# The socket.


def test_the_socket_is_for_owner_and_group_only_and_goes_when_done(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    previous = os.umask(0)
    try:
        with bound(path):
            mode = path.lstat().st_mode
            assert stat.S_ISSOCK(mode)
            assert stat.S_IMODE(mode) == 0o660
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / LOCK_NAME).stat().st_mode) == 0o600
    assert not path.exists()


def test_a_second_engine_is_refused_and_the_first_stays(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with bound(path), pytest.raises(SocketRefused, match="another engine"), bound(path):
        pass
    with bound(path):
        assert path.exists()


def test_the_socket_a_crash_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    script = (
        "import os, sys; from pathlib import Path; from engine.service.socket import bound\n"
        "with bound(Path(sys.argv[1])):\n    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == -9
    assert path.is_socket()
    with bound(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    path.write_text("precious")
    with pytest.raises(SocketRefused, match="no socket"), bound(path):
        pass
    assert path.read_text() == "precious"
    elsewhere = tmp_path / "link.sock"
    elsewhere.symlink_to(path)
    with pytest.raises(SocketRefused, match="no socket"), bound(elsewhere):
        pass


def test_a_path_too_long_and_an_unknown_group_are_said(tmp_path: Path) -> None:
    with pytest.raises(SocketRefused, match="longer"), bound(tmp_path / ("x" * 120)):
        pass
    with pytest.raises(SocketRefused, match="no Unix group"), bound(tmp_path / "s", "no-such-group-here"):
        pass


def test_the_peer_is_the_kernels_word() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_of(ours) == Peer(os.getpid(), os.geteuid(), frozenset({os.getegid(), *os.getgroups()}))


def test_who_connects_is_known_over_the_socket(tmp_path: Path) -> None:
    class Noting(InProcess):
        def __init__(self) -> None:
            super().__init__("marie")
            self.peers: list[Peer | None] = []

        def identify(self, peer: Peer | None) -> Any:
            self.peers.append(peer)
            return super().identify(peer)

    access = Noting()
    with served(tmp_path / "engine.sock", access=access) as engine, EngineClient(engine.path) as client:
        assert client.status().pid == 4242
    assert access.peers[0] is not None
    assert (access.peers[0].pid, access.peers[0].uid) == (os.getpid(), os.geteuid())


def test_requests_and_refusals_over_the_socket(tmp_path: Path) -> None:
    operations = FakeOperations()
    operations.open = [item()]
    path = tmp_path / "engine.sock"
    with served(path, operations), EngineClient(path) as client:
        assert client.plan(PlanRequest(connection="lyon")).id == "p7"
        assert client.start_run(RunRequest(connection="lyon")).state == "running"
        assert client.items(type="conflict", closed=False)[0].revision == 4
        assert client.item("a/b ?#é").id == "a/b ?#é"
        assert client.thaw(FreezeRequest()) is None  # type: ignore[func-returns-value]
        operations.refusal = Refusal("stale", "paul chose erp")
        with pytest.raises(EngineRefused) as refused:
            client.decide(DecideRequest(item="i1", choice="erp"))
        assert (refused.value.code, refused.value.message) == ("stale", "paul chose erp")
    assert not path.exists()
    with EngineClient(path) as client, pytest.raises(EngineUnreachable) as gone:
        client.status()
    assert gone.value.why == "absent"


def test_a_stop_does_not_wait_for_streams_and_waits(tmp_path: Path) -> None:
    class Endless(FakeOperations):
        async def wait_run(self, run_id: str) -> Any:
            waiting.set()
            await asyncio.Event().wait()

        def follow(self, query: str, *, after: int | None = None, me: str = "") -> AsyncIterator[EventView]:
            followed.set()
            return super().follow(query, after=after, me=me)

    waiting = threading.Event()
    followed = threading.Event()
    path = tmp_path / "engine.sock"
    errors: list[Exception] = []

    def wait() -> None:
        with EngineClient(path) as client:
            try:
                client.wait_run("r1")
            except (EngineRefused, EngineUnreachable) as error:
                errors.append(error)

    with served(path, Endless()) as engine, EngineClient(path) as client:
        waiter = threading.Thread(target=wait)
        waiter.start()
        following = client.follow(wait=lambda seconds: pytest.fail("the stream ended early"))
        first = threading.Thread(target=lambda: next(following), daemon=True)
        first.start()
        assert waiting.wait(10)
        assert followed.wait(10)
        engine.append(event(1))
        first.join(10)
        assert not first.is_alive()
        engine.stop()
        waiter.join(10)
    assert len(errors) == 1


async def test_a_server_stopped_before_it_serves_ends(tmp_path: Path) -> None:
    server = SocketServer()
    server.stop()
    await server.serve(application(FakeOperations(), InProcess("x")), tmp_path / "s")


# The live stream.


def test_a_follower_sees_a_dense_log_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    operations = FakeOperations()
    operations.log = [event(seq) for seq in range(1, 11)]
    said: list[str] = []
    engines = [served(path, operations)]
    running = engines[0].__enter__()
    with EngineClient(path) as client:

        def restart(seconds: float) -> None:
            """While the follower waits, the engine comes back with more in its log."""
            nonlocal running
            assert running.gone()
            operations.log += [event(seq) for seq in range(16, 5016)]
            operations._changed = asyncio.Event()
            engines.append(served(path, operations))
            running = engines[-1].__enter__()

        following = client.follow(after=0, announce=said.append, wait=restart)
        seen = [next(following).seq for _ in range(10)]
        running.append(*(event(seq) for seq in range(11, 16)))
        seen += [next(following).seq for _ in range(5)]
        running.stop()
        seen += [next(following).seq for _ in range(5000)]
        following.close()
    running.stop()
    assert seen == list(range(1, 5016))
    assert len(said) == 2 and "gone" in said[0] and "back" in said[1]


def test_a_follower_that_saw_nothing_yet_still_misses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    operations = FakeOperations()
    operations.log = [event(7)]
    engines = [served(path, operations)]
    running = engines[0].__enter__()

    def restart(seconds: float) -> None:
        nonlocal running
        assert running.gone()
        operations.log.append(event(8))
        operations._changed = asyncio.Event()
        engines.append(served(path, operations))
        running = engines[-1].__enter__()

    with EngineClient(path) as client:
        following = client.follow(wait=restart)
        got: list[EventView] = []
        thread = threading.Thread(target=lambda: got.append(next(following)))
        thread.start()
        assert operations.followed.wait(10)
        running.stop()
        thread.join(10)
    running.stop()
    assert [e.seq for e in got] == [8]


def test_after_a_restore_the_stream_goes_on_with_the_new_epoch(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    operations = FakeOperations()
    operations.log = [event(seq) for seq in range(1, 6)]
    engines = [served(path, operations)]
    running = engines[0].__enter__()
    said: list[str] = []

    def restore(seconds: float) -> None:
        nonlocal running
        assert running.gone()
        operations.epoch = 2
        operations.log = [event(1), event(2), event(3), event(4, epoch=2), event(5, epoch=2)]
        operations._changed = asyncio.Event()
        engines.append(served(path, operations))
        running = engines[-1].__enter__()

    with EngineClient(path) as client:
        following = client.follow(after=0, announce=said.append, wait=restore)
        assert [next(following).seq for _ in range(5)] == [1, 2, 3, 4, 5]
        running.stop()
        anew = [next(following), next(following)]
        following.close()
    running.stop()
    assert [(e.epoch, e.seq) for e in anew] == [(2, 4), (2, 5)]
    assert any("restored" in line for line in said)


def test_following_where_no_engine_is_fails_at_once(tmp_path: Path) -> None:
    with EngineClient(tmp_path / "engine.sock") as client, pytest.raises(EngineUnreachable):
        next(client.follow(wait=lambda seconds: pytest.fail("waited")))


def test_a_wrong_query_ends_the_following(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with served(path), EngineClient(path) as client, pytest.raises(EngineRefused, match="column 1"):
        next(client.follow("levle:warn", wait=lambda seconds: pytest.fail("waited")))


def test_a_reader_that_leaves_ends_its_follow(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    operations = FakeOperations()
    operations.log = [event(1)]
    with served(path, operations):
        with EngineClient(path) as client:
            following = client.follow(after=0)
            next(following)
            following.close()
        assert operations.left.wait(10)


async def _numbered(first: int, last: int) -> AsyncIterator[EventView]:
    for seq in range(first, last + 1):
        yield event(seq)


async def test_a_slow_reader_is_served_from_the_log_and_loses_nothing() -> None:
    starts: list[int | None] = []
    read_ahead = 0

    def follow(after: int | None) -> AsyncIterator[EventView]:
        starts.append(after)
        return counted((after or 0) + 1)

    async def counted(first: int) -> AsyncIterator[EventView]:
        nonlocal read_ahead
        async for each in _numbered(first, 60):
            read_ahead = max(read_ahead, each.seq - seen[-1])
            yield each

    seen = [0]
    text = stream(follow, 1, 0, asyncio.Event(), patience=0.0, queue_events=4)
    assert (await anext(text)).startswith("id: 1:0\nevent: position\n")
    async for chunk in text:
        seen.append(int(chunk.split("\n")[0].removeprefix("id: 1:")))
        # The reader is slow: all that could be read ahead is.
        for _ in range(8):
            await asyncio.sleep(0)
    assert seen == list(range(61))
    assert len(starts) > 2
    assert read_ahead <= 4 + 2


async def test_a_quiet_stream_shows_that_it_lives() -> None:
    async def silence(after: int | None) -> AsyncIterator[EventView]:
        await asyncio.Event().wait()
        yield event(1)

    closing = asyncio.Event()
    text = stream(silence, 1, 3, closing, heartbeat=0.001)
    await anext(text)
    assert (await anext(text)).startswith(":")
    closing.set()
    assert [chunk async for chunk in text] == []


async def test_a_feed_that_breaks_ends_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(after: int | None) -> AsyncIterator[EventView]:
        yield event(1)
        raise ValueError("the log")

    chunks = [chunk async for chunk in stream(broken, 1, 0, asyncio.Event())]
    assert len(chunks) == 2
    assert "the live stream broke off" in caplog.text


@pytest.mark.parametrize("id", ["", "7", "a:b", "1:", "-1:3", "1:²"])
def test_a_foreign_event_id_is_ignored(id: str) -> None:
    assert resumed_from(id) is None


def test_our_event_id_is_read_back() -> None:
    assert resumed_from(" 2:17") == (2, 17)
