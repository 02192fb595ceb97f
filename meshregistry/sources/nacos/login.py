"""The token of one registry: when to log in, and what to do when that is refused."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from meshregistry.sources.nacos import wire
from meshregistry.sources.nacos.client import Answer, Endpoint
from meshregistry.sources.nacos.options import NacosServerOptions
from meshregistry.sources.polling import Clock

_log = logging.getLogger(__name__)

PostForm = Callable[[Endpoint, str, Mapping[str, str]], Awaitable[Answer]]
"""Posts a form to an API path of a node: `NacosClient.post_form`."""

_NOT_OFFERED = frozenset({404, 405, 410, 501})
_FIRST_RETRY_S = 5.0
_RENEW_AFTER = 0.9
_RENEW_SPREAD = 1 / 30
"""Renewed at 9/10 to 14/15 of its lifetime, as by Nacos's Java client."""

_SHORTEST_TTL_S = 1.0
"""A token that a server says lives for no time at all must not make every denied call a login."""

_LONGEST_TTL_S = 86_400.0
"""With authentication off, 2.3.1 answers the token AUTH_DISABLED with the present time as its lifetime."""


class Login:
    """Owner of the token of one registry; tokens are good on every node of a cluster.

    A refused login is not the end: a server whose authentication is off may refuse it too (3.1 without an
    administrator answers 403), and reads fine without. Only a denied data call says that the token is needed.
    """

    def __init__(self, server: NacosServerOptions, post_form: PostForm, pause_s: float, clock: Clock) -> None:
        self._form = {"username": server.username, "password": server.password}
        self._wanted = bool(server.username and server.password)
        self._post_form = post_form
        self._pause_s = pause_s
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._renew_at = 0.0
        self._expires_at = 0.0
        self._denied_at: float | None = None
        self._refusals = 0
        self.grants = 0
        """How often a token was granted."""

        self.refusal: str | None = None
        """Why the latest login was refused; None when it was not."""

    def headers(self) -> dict[str, str]:
        """Return the header that carries the token; a header stays out of access logs, a parameter would not."""
        return {"accessToken": self._token} if self._token else {}

    async def prepare(self, endpoint: Endpoint, paths: tuple[str, ...]) -> None:
        """Log in if that is due: at first, shortly before the token expires, and now and then after a refusal.

        Raises SourceUnavailable when the server does not answer. Cancelling it is safe.
        """
        if not self._wanted:
            return
        async with self._lock:
            if self._clock.now() >= self._renew_at:
                await self._log_in(endpoint, paths)

    async def renew(self, denied: dict[str, str], endpoint: Endpoint, paths: tuple[str, ...]) -> bool:
        """After a denied call with the headers `denied`: say whether another token is there to try with.

        Logs in for that when it is due, as `prepare` does; else at most once in the login pause (a minute), as Nacos's
        Java client does.
        Raises SourceUnavailable when the server does not answer. Cancelling it is safe.
        """
        if not self._wanted:
            return False
        async with self._lock:
            if self.headers() == denied and self._may_answer_denial():
                self._denied_at = self._clock.now()
                await self._log_in(endpoint, paths)
            return self.headers() not in ({}, denied)

    def _may_answer_denial(self) -> bool:
        if self._clock.now() >= self._renew_at:
            return True
        if self.refusal is not None:
            return False
        return self._denied_at is None or self._clock.now() >= self._denied_at + self._pause_s

    async def _log_in(self, endpoint: Endpoint, paths: tuple[str, ...]) -> None:
        refusal = "no login call"
        for path in paths:
            answer = await self._post_form(endpoint, path, self._form)
            if answer.status == 200:
                grant = wire.decode_login(answer.body)
                if grant is not None:
                    self._accept(grant)
                    return
                refusal = f"{endpoint.shown(path)}: an answer without a token"
                break
            refusal = f"{endpoint.shown(path)}: status {answer.status}"
            if answer.status not in _NOT_OFFERED:
                break
        self._refuse(refusal)

    def _accept(self, grant: wire.LoginGrant) -> None:
        if self.refusal is not None:
            _log.info("login.recovered source=nacos")
        now = self._clock.now()
        ttl_s = min(max(float(grant.token_ttl), _SHORTEST_TTL_S), _LONGEST_TTL_S)
        self._token, self.refusal, self._refusals = grant.access_token, None, 0
        self.grants += 1
        self._expires_at = now + ttl_s
        self._renew_at = now + ttl_s * (_RENEW_AFTER + _RENEW_SPREAD * self._clock.dice())

    def _refuse(self, refusal: str) -> None:
        if self.refusal is None:
            _log.error("login.refused source=nacos error=%s", refusal)
        now = self._clock.now()
        self.refusal = refusal
        self._renew_at = now + min(_FIRST_RETRY_S * 2 ** min(self._refusals, 30), self._pause_s)
        self._refusals += 1
        if now >= self._expires_at:
            self._token = None
