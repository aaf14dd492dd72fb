"""The way in: a token of Keycloak, which lives about a minute, and the refresh token that brings the next.

Seen in client code: the token address below `/auth/realms/{realm}`, the form, that an access token lives about
60 seconds and that a refresh token may rotate. Inferred: a service account signs in by grant_type=password.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from connectors.aurion import AurionSettings
from connectors.http import HttpSession
from engine.clock import Clock
from engine.faults import came
from engine.ports import Fault, FaultCode

_TOKEN = "POST /realms/{realm}/protocol/openid-connect/token"
_LIVES = 60.0
"""Seconds, where the answer does not say."""
_BEFORE = 0.2
"""Renewed when no more than this share of its life is left: an answer may be long in coming."""
# What an expired token may bring; a page of HTML too.
_SHUT = frozenset({FaultCode.unauthorized, FaultCode.forbidden, FaultCode.not_json})
# A refresh token that was used is used up: asking again with it would be taken for a theft.
_NEVER_AGAIN = frozenset(FaultCode)


class Door:
    """Tokens of one service account. `session` is the one that carries them to Auriga."""

    def __init__(
        self,
        settings: AurionSettings,
        password: str,
        client_secret: str,
        session: HttpSession,
        clock: Clock,
        jitter: random.Random,
        transport: Any,
    ) -> None:
        self._settings = settings
        self._password = password
        self._client_secret = client_secret
        self._session = session
        self._clock = clock
        self._keycloak = HttpSession(
            system="erp",
            base_url=settings.keycloak_url,
            header=("Accept-Language", "fr"),
            secret=password,
            clock=clock,
            jitter=jitter,
            timeout_seconds=settings.timeout_seconds,
            transport=transport,
        )
        # Both secrets are kept out of what is shown, and requests are counted together.
        self._keycloak.authorize(client_secret)
        self._keycloak.requests = session.requests
        self._turn = asyncio.Lock()
        self._refresh = ""
        self._refused: Fault | None = None
        self._renewed = 0
        self._until = 0.0
        self._refresh_until = 0.0

    def forget(self) -> None:
        """Try the password again, should it have been refused: more often in one run might lock the account."""
        self._refused = None

    async def read(
        self,
        route: str,
        values: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, str] | str | None = None,
        json: Any = None,
    ) -> Any:
        """One read of Auriga; where the token is not accepted, once more with a new one. Raises Fault."""
        await self._open()
        seen = self._renewed
        try:
            return await self._session.read(route, values, params=params, json=json)
        except Fault as fault:
            if fault.code not in _SHUT:
                raise
        await self._reopen(seen)
        return await self._session.read(route, values, params=params, json=json)

    async def close(self) -> None:
        """Close the connections."""
        await self._keycloak.close()

    async def _open(self) -> None:
        """See to it that the session carries a token that still lives."""
        async with self._turn:
            if not self._renewed or self._clock.monotonic() >= self._until:
                await self._renew()

    async def _reopen(self, seen: int) -> None:
        """A token was not accepted: get another, unless that was done since `seen` were."""
        async with self._turn:
            if self._renewed == seen:
                await self._renew()

    async def _renew(self) -> None:
        now = self._clock.monotonic()
        answer: Any = None
        if self._refresh and now < self._refresh_until:
            try:
                answer = await self._ask(
                    {"grant_type": "refresh_token", "refresh_token": self._refresh}, once=True
                )
            except Fault as fault:
                if fault.code is FaultCode.unreachable:
                    raise
                # Expired, revoked, or its answer was lost: the password opens anyway.
        if answer is None:
            answer = await self._by_password()
        self._take(answer, now)

    async def _by_password(self) -> Any:
        if self._refused is not None:
            raise self._refused
        form = {
            "grant_type": "password",
            "username": self._settings.user,
            "password": self._password,
            "scope": "openid",
        }
        try:
            return await self._ask(form)
        except Fault as fault:
            if fault.code is FaultCode.unauthorized:
                self._refused = fault
            raise

    async def _ask(self, form: Mapping[str, str], *, once: bool = False) -> Any:
        client = {"client_id": self._settings.client_id, "client_secret": self._client_secret}
        try:
            return await self._keycloak.read(
                _TOKEN,
                {"realm": self._settings.realm},
                form={**client, **form},
                give_up_when=_NEVER_AGAIN if once else frozenset(),
            )
        except Fault as fault:
            if fault.code is FaultCode.refused:
                # Keycloak says 400 invalid_grant where others say 401.
                fault.code = FaultCode.unauthorized
            raise

    def _take(self, answer: Any, asked: float) -> None:
        token = answer.get("access_token") if isinstance(answer, Mapping) else None
        if not isinstance(token, str) or not token:
            raise Fault(FaultCode.drift, system="erp", route=_TOKEN, came=came("no access_token"))
        self._session.authorize(token)
        refresh = answer.get("refresh_token")
        self._refresh = refresh if isinstance(refresh, str) else ""
        lives = _seconds(answer, "expires_in") or _LIVES
        self._until = asked + lives * (1 - _BEFORE)
        self._refresh_until = asked + (_seconds(answer, "refresh_expires_in") or lives)
        self._renewed += 1


def _seconds(answer: Mapping[str, Any], name: str) -> float:
    value = answer.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else 0.0
