"""HTTP for every connector: one session per connection and system, and what may go wrong with a call.

Reads are tried up to three times where waiting can help. Writes are sent once: a write whose answer never
came may have been done, and only the engine, which can look it up, may send it again (R37).

Time-outs are asyncio's, so that they also hold on virtual time and over transports that know none.
"""

from __future__ import annotations

import asyncio
import json as jsonlib
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import parse_qsl, quote
from weakref import WeakKeyDictionary

import httpx

from engine.clock import Clock
from engine.faults import came
from engine.ports import Fault, FaultCode, System, first_in_line

BODY_LIMIT = 64 * 1024 * 1024
"""Bytes, decompressed; a larger answer is not read to its end."""

TRIES = 3
RETRY_AFTER_LIMIT = timedelta(seconds=120)
"""A server that asks for a longer pause ends the call instead; the pause is in the Fault."""

_MINUTE = 60.0
# Requests may reach the server closer together than they left; a waiter also never wakes a hair too early.
_MARGIN = 0.1
_CONNECT_SECONDS = 10.0
# Of a session whose secret changes, so many of the last ones are looked for in what is shown.
_SECRETS_KEPT = 4

_RETRIED = frozenset(
    {
        FaultCode.unreachable,
        FaultCode.timed_out,
        FaultCode.bad_gateway,
        FaultCode.throttled,
        FaultCode.truncated,
    }
)
_BY_STATUS: dict[int, FaultCode] = {
    401: FaultCode.unauthorized,
    402: FaultCode.payment_required,
    403: FaultCode.forbidden,
    404: FaultCode.not_found,
    429: FaultCode.throttled,
    502: FaultCode.bad_gateway,
    503: FaultCode.bad_gateway,
    504: FaultCode.bad_gateway,
}


class Budget:
    """At most `per_minute` requests in any 60 seconds, first come, first served; but whoever is first in line
    (`engine.ports.first_in_line`) goes before all others that wait.

    A leaky bucket would let twice the limit through in a first minute; servers that slow callers down would
    then do so. Waiting follows the running loop's time.
    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._sent: deque[float] = deque()
        self._turns = {False: asyncio.Lock(), True: asyncio.Lock()}
        self._first = 0
        self._nobody_first = asyncio.Event()
        self._nobody_first.set()

    @property
    def left(self) -> int:
        """Requests that may leave now without waiting. Only inside a running loop."""
        self._forget(asyncio.get_running_loop().time())
        return self.per_minute - len(self._sent)

    async def take(self) -> None:
        """Return when one more request may leave; it is counted."""
        first = first_in_line.get()
        if not first:
            await self._taken(first)
            return
        self._first += 1
        self._nobody_first.clear()
        try:
            await self._taken(first)
        finally:
            self._first -= 1
            if not self._first:
                self._nobody_first.set()

    async def _taken(self, first: bool) -> None:
        loop = asyncio.get_running_loop()
        async with self._turns[first]:
            while True:
                if not first:
                    await self._nobody_first.wait()
                now = loop.time()
                self._forget(now)
                if len(self._sent) < self.per_minute:
                    self._sent.append(now)
                    return
                await asyncio.sleep(self._sent[0] + _MINUTE + _MARGIN - now)

    def _forget(self, now: float) -> None:
        while self._sent and self._sent[0] <= now - _MINUTE:
            self._sent.popleft()


_budgets: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str, int], Budget]] = WeakKeyDictionary()


def shared_budget(name: str, base_url: str, secret: str, per_minute: int) -> Budget:
    """The budget `name` of one key at one address, the same for every connection on the running loop."""
    owner = sha256(f"{base_url}\n{secret}".encode()).hexdigest()
    budgets = _budgets.setdefault(asyncio.get_running_loop(), {})
    return budgets.setdefault((name, owner, per_minute), Budget(per_minute))


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, for a capture; the secret is never in it."""

    route: str
    path: str
    sent: Any
    status: int
    answer: str


@dataclass(frozen=True)
class Limits:
    """Requests per minute of one key: in all, and on `heavy` route templates."""

    per_minute: int
    heavy_per_minute: int
    heavy: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Sent:
    """What goes out with a request, and what is due: JSON, or the body as it stands."""

    json: Any = None
    form: Mapping[str, str] | None = None
    content: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    accept: str = ""
    as_text: bool = False
    as_bytes: bool = False
    soap: bool = False


class _TooLarge(Fault):
    """A body above BODY_LIMIT: asking again brings the same."""


class HttpSession:
    """Requests of one connection to one system.

    Routes are templates such as `GET /v1/student/{id}`; values given for the braces are percent-encoded. A
    route may end in a fixed query (`GET /api?action=LIST`), which tells apart what one path answers.
    Every public call raises Fault only.
    """

    def __init__(
        self,
        *,
        system: System,
        base_url: str,
        header: tuple[str, str],
        secret: str,
        clock: Clock,
        jitter: random.Random,
        timeout_seconds: float = 60.0,
        transport: Any = None,
        limits: Limits | None = None,
        capture: Callable[[Exchange], None] | None = None,
        empty_is_nothing: bool = False,
        more_headers: Mapping[str, str] | None = None,
        more_secrets: tuple[str, ...] = (),
    ) -> None:
        """`header` is (name, format with `{secret}`); nothing is sent yet. `empty_is_nothing`: a success
        without a body means that nothing was found (None), not that the answer broke off.

        `more_headers` go with every request; `more_secrets` are what they and queries hold that nobody may see.

        `timeout_seconds` spans one request from its leaving to the last byte of its answer; waiting for the
        budget is not counted.
        """
        self.requests: Counter[str] = Counter()
        """Attempts by route template."""
        self.skew: timedelta | None = None
        """The server's clock minus ours, in whole seconds, from the last answer that said its Date."""
        self._system = system
        self._base_url = base_url.rstrip("/")
        self._header_format = header[1]
        # Without a secret yet (a login gives it), no header: a bare "Bearer " is none.
        self._header = (header[0], header[1].format(secret=secret) if secret else "")
        self._secret = secret
        self._secrets: tuple[str, ...] = (secret,)
        self._more_headers = tuple((more_headers or {}).items())
        self._more_secrets = more_secrets
        self._clock = clock
        self._jitter = jitter
        self._timeout = timeout_seconds
        self._transport = transport
        self._limits = limits
        self._capture = capture
        self._empty_is_nothing = empty_is_nothing
        self._client: httpx.AsyncClient | None = None

    def redacted(self, text: str) -> str:
        """`text` without the secret."""
        for secret in (*self._secrets, *self._more_secrets):
            text = text.replace(secret, "***") if secret else text
        return text

    @property
    def budget_left(self) -> int | None:
        """Requests that may still leave without waiting; None where no limit is known."""
        if self._limits is None:
            return None
        try:
            return self._budget("all", self._limits.per_minute).left
        except RuntimeError:
            return self._limits.per_minute

    def authorize(self, secret: str) -> None:
        """Send another secret from now on; the ones before stay out of sight too."""
        self._header = (self._header[0], self._header_format.format(secret=secret))
        self._secrets = (secret, *self._secrets[: _SECRETS_KEPT - 1])

    async def read(
        self,
        route: str,
        values: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, str] | str | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        give_up_when: frozenset[FaultCode] = frozenset(),
    ) -> Any:
        """The JSON of a read, whatever its method; asked again where waiting can help. Raises Fault.

        `params` as text is a query as it stands, encoded already. `form` is a body as a browser's form sends
        it. `give_up_when`: what is not tried again, because the caller knows something better to ask."""
        sent = _Sent(json=json, form=form)
        return await self._again(lambda: self._once(route, values, params, sent, write=False), give_up_when)

    async def read_text(self, route: str, *, accept: str) -> str:
        """The text of a read whose answer is no JSON; asked again where waiting can help. Raises Fault."""
        sent = _Sent(accept=accept, as_text=True)
        text: str = await self._again(lambda: self._once(route, None, None, sent, write=False))
        return text

    async def read_bytes(
        self,
        route: str,
        values: Mapping[str, str] | None = None,
        *,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> bytes:
        """The body of a read as it came, of any kind; asked again where waiting can help. Raises Fault."""
        sent = _Sent(accept="*/*", as_bytes=True, headers=headers)
        body: bytes = await self._again(lambda: self._once(route, values, None, sent, write=False))
        return body

    async def call(self, route: str, envelope: bytes, action: str, *, write: bool = False) -> str:
        """The text that answers a SOAP envelope, a SOAP fault (status 500) too; a read is asked again where
        waiting can help, a write never. `route` may end in `#OPERATION`, which tells apart in counts and
        faults what goes to one address. Raises Fault."""
        headers = (("Content-Type", "text/xml; charset=utf-8"), ("SOAPAction", f'"{action}"'))
        sent = _Sent(content=envelope, headers=headers, accept="text/xml", as_text=True, soap=True)
        if write:
            text: str = await self._once(route, None, None, sent, write=True)
        else:
            text = await self._again(lambda: self._once(route, None, None, sent, write=False))
        return text

    async def _again(
        self, once: Callable[[], Awaitable[Any]], give_up_when: frozenset[FaultCode] = frozenset()
    ) -> Any:
        for attempt in range(1, TRIES + 1):
            try:
                return await once()
            except Fault as fault:
                if fault.code in give_up_when:
                    raise
                if attempt == TRIES or fault.code not in _RETRIED or isinstance(fault, _TooLarge):
                    raise
                if fault.retry_after is not None and fault.retry_after > RETRY_AFTER_LIMIT:
                    raise
                # Half to one and a half times 1 s, then 2 s.
                pause = (0.5 + self._jitter.random()) * 2.0 ** (attempt - 1)
                if fault.retry_after is not None:
                    pause += fault.retry_after.total_seconds()
            await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def write(
        self,
        route: str,
        values: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        as_text: bool = False,
    ) -> Any:
        """The JSON answer (or its text, where JSON is not what is due) to a write sent once. Raises Fault;
        `committed` says whether it may be done."""
        return await self._once(route, values, params, _Sent(json=json, as_text=as_text), write=True)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _budget(self, name: str, per_minute: int) -> Budget:
        return shared_budget(name, self._base_url, self._secret, per_minute)

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                transport=self._transport,
                headers={"Accept": "application/json", "User-Agent": "rollcall"},
                timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),
                follow_redirects=False,
            )
        return self._client

    async def _once(
        self,
        route: str,
        values: Mapping[str, str] | None,
        params: Mapping[str, str] | str | None,
        sent: _Sent,
        *,
        write: bool,
    ) -> Any:
        if self._limits is not None:
            await self._budget("all", self._limits.per_minute).take()
            if route in self._limits.heavy:
                await self._budget("heavy", self._limits.heavy_per_minute).take()
        method, _space, template = route.partition(" ")
        template = template.partition("#")[0]
        template, _mark, fixed = template.partition("?")
        path = template.format_map({name: segment(value) for name, value in (values or {}).items()})
        if fixed:
            more = dict(parse_qsl(params)) if isinstance(params, str) else params or {}
            params = {**dict(parse_qsl(fixed)), **more}
        self.requests[route] += 1
        url = self._base_url + path
        if isinstance(params, str):
            url, params = f"{url}?{params}" if params else url, None
        # Bytes: a stray character in a key must not end in an encoding error that quotes it.
        headers = [
            (name.encode(), value.encode())
            for name, value in (self._header, ("Accept", sent.accept), *self._more_headers, *sent.headers)
            if value
        ]
        request = self._opened().build_request(
            method,
            url,
            params=params,
            json=sent.json,
            data=sent.form,
            content=sent.content,
            headers=headers,
        )
        left = self._clock.monotonic()
        answered = False
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._opened().send(request, stream=True)
                answered = True
                try:
                    body = await self._body(response, route, write)
                finally:
                    await response.aclose()
        except Fault:
            raise
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise self._fault(FaultCode.unreachable, route, error) from None
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.ProxyError) as error:
            # Without its words: they quote a header that could not be sent, the key's too.
            raise self._fault(FaultCode.unreachable, route, type(error).__name__) from None
        except (TimeoutError, httpx.TimeoutException) as error:
            code = FaultCode.outcome_unknown if write else FaultCode.timed_out
            raise self._fault(code, route, self._silence(error), write=write) from None
        except httpx.DecodingError as error:
            raise self._fault(FaultCode.not_json, route, error, write=write) from None
        except (httpx.HTTPError, OSError) as error:
            # The connection broke after the request had left.
            if write:
                raise self._fault(FaultCode.outcome_unknown, route, error, write=True) from None
            code = FaultCode.truncated if answered else FaultCode.unreachable
            raise self._fault(code, route, error) from None
        if self._capture is not None:
            text = self.redacted(body.decode("utf-8", "replace"))
            shown = (
                sent.json if sent.content is None else self.redacted(sent.content.decode("utf-8", "replace"))
            )
            self._capture(Exchange(route, request.url.raw_path.decode(), shown, response.status_code, text))
        parsed = self._parsed(response, body, route, write, sent)
        self._note_skew(response, self._clock.monotonic() - left)
        return parsed

    async def _body(self, response: httpx.Response, route: str, write: bool) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > BODY_LIMIT:
                raise _TooLarge(
                    FaultCode.truncated,
                    system=self._system,
                    route=route,
                    came=f"more than {BODY_LIMIT // 1024 // 1024} MB",
                    committed="unknown" if write else "no",
                )
            chunks.append(chunk)
        return b"".join(chunks)

    def _parsed(self, response: httpx.Response, body: bytes, route: str, write: bool, sent: _Sent) -> Any:
        status = response.status_code
        start = body.lstrip()[:1]
        if sent.soap and status == 500 and start == b"<" and b"Fault" in body:
            return body.decode("utf-8", "replace")
        if not 200 <= status < 300:
            raise self._refusal(response, body, route, write)
        if status == 204:
            return None
        if sent.as_bytes:
            return body
        if sent.as_text and (start or write):
            return body.decode("utf-8", "replace")
        if not start:
            if self._empty_is_nothing:
                return None
            raise self._fault(FaultCode.truncated, route, "", write=write)
        try:
            return jsonlib.loads(body)
        except (ValueError, RecursionError):
            pass
        looks_like_json = start in b'{["' and "html" not in response.headers.get("content-type", "")
        code = FaultCode.truncated if looks_like_json else FaultCode.not_json
        raise self._fault(code, route, body.decode("utf-8", "replace"), write=write)

    def _refusal(self, response: httpx.Response, body: bytes, route: str, write: bool) -> Fault:
        status = response.status_code
        text = f"{status} {body.decode('utf-8', 'replace').strip()}".strip()
        if status in (301, 302, 303, 307, 308):
            # Where an API is due, a redirection leads to a login page or another address.
            text = f"{status} to {response.headers.get('location', '')}"
            return self._fault(FaultCode.not_json, route, text)
        if status == 408:
            return self._fault(
                FaultCode.outcome_unknown if write else FaultCode.timed_out, route, text, write=write
            )
        if status >= 500:
            code = _BY_STATUS.get(status, FaultCode.server_error)
            return self._fault(code, route, text, write=write)
        fault = self._fault(_BY_STATUS.get(status, FaultCode.refused), route, text)
        if status == 429:
            fault.retry_after = _pause(response.headers.get("retry-after", ""), self._clock.now())
        return fault

    def _fault(self, code: FaultCode, route: str, what: object, *, write: bool = False) -> Fault:
        committed: Literal["no", "unknown"] = "unknown" if write else "no"
        if isinstance(what, Exception):
            what = f"{type(what).__name__}: {what}" if str(what) else type(what).__name__
        return Fault(
            code, system=self._system, route=route, came=came(self.redacted(str(what))), committed=committed
        )

    def _silence(self, error: Exception) -> object:
        return error if isinstance(error, httpx.TimeoutException) else f"nothing in {self._timeout:g} s"

    def _note_skew(self, response: httpx.Response, round_trip: float) -> None:
        said = _http_date(response.headers.get("date", ""))
        if said is not None:
            # The Date was written somewhere between sending and receipt: half-way is the best guess.
            written = self._clock.now() - timedelta(seconds=round_trip / 2)
            self.skew = timedelta(seconds=round((said - written).total_seconds()))


def segment(value: str) -> str:
    """`value` as one path segment: percent-encoded whole, and never read as "here" or "one up".

    Raises ValueError for an empty value, which would turn one record's route into its listing's.
    """
    if not value:
        raise ValueError("an empty path segment")
    return quote(value, safe="") if value.strip(".") else value.replace(".", "%2E")


def _http_date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


def _pause(text: str, now: datetime) -> timedelta | None:
    """A Retry-After header, in seconds or as a date."""
    if text.strip().isdecimal():
        return timedelta(seconds=int(text.strip()[:9]))
    until = _http_date(text)
    return max(until - now, timedelta()) if until is not None else None
