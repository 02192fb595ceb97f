"""HTTP calls to Nacos, one at a time: bytes out or an error that says what the caller should do."""

from collections.abc import Mapping
from typing import NamedTuple

import aiohttp

from meshregistry.errors import SourceAuthError, SourceDataError, SourceError, SourceUnavailable
from meshregistry.sources.bodies import read_parts
from meshregistry.sources.failures import authorization_in, cause, conceal_beginning, displayed, excerpt
from meshregistry.sources.nacos.options import NacosOptions
from meshregistry.telemetry.metrics import Metrics

_NOT_OFFERED = frozenset({404, 405, 410, 501})
_IDLE_CONNECTIONS_OUTLIVE_PERIOD_S = 5.0


class AccessDenied(SourceAuthError):
    """The server answered 401 or 403 to a data call."""


class NotOffered(SourceUnavailable):
    """The server does not have this call: 404, 410 (3.x without compatibility), 501 (unknown v1 path)."""


class Endpoint(NamedTuple):
    """One node of a Nacos cluster."""

    address: str
    """Base URL as configured."""

    context_path: str

    def __str__(self) -> str:
        """The base URL without credentials."""
        return displayed(self.address)

    def url(self, path: str) -> str:
        """The URL of an API path such as `/v1/ns/service/list`."""
        return f"{self.address.rstrip('/')}{self.context_path.rstrip('/')}{path}"

    def shown(self, path: str) -> str:
        """The same for logs and pages."""
        return f"{self}{self.context_path.rstrip('/')}{path}"


class Answer(NamedTuple):
    """What came back, whatever its status."""

    status: int
    body: bytes


class NacosClient:
    """One aiohttp session for all servers of the source. Use as an async context manager.

    Redirects are not followed, so that a token goes only to configured addresses; cookies are not kept.
    """

    def __init__(self, options: NacosOptions, metrics: Metrics) -> None:
        self._options = options
        self._requests = metrics.source_client_request_count
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "NacosClient":
        options = self._options
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                limit_per_host=options.concurrency,
                keepalive_timeout=options.polling.refresh_period_s + _IDLE_CONNECTIONS_OUTLIVE_PERIOD_S,
            ),
            timeout=aiohttp.ClientTimeout(total=options.request_timeout_s, sock_connect=options.connect_timeout_s),
            headers={"User-Agent": "meshregistry", "Accept": "application/json", **dict(options.headers)},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(
        self,
        endpoint: Endpoint,
        path: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        signature: Mapping[str, str] | None = None,
    ) -> bytes:
        """Return the body of a 200 answer; the `signature` goes with the parameters.

        Raises AccessDenied, NotOffered, SourceUnavailable (no answer in time, 3xx, 429, 5xx) or SourceDataError
        (another 4xx, a body that is too long); texts name address, path and status, never parameters or tokens.
        Cancelling it is safe.
        """
        answer = await self._send("GET", endpoint, path, params=params, headers=headers, signature=signature)
        if answer.status != 200:
            raise error_of(answer, endpoint, path)
        return answer.body

    async def post_form(self, endpoint: Endpoint, path: str, form: Mapping[str, str]) -> Answer:
        """Return whatever is answered to a form; raises SourceUnavailable if nothing is. Cancelling it is safe."""
        return await self._send("POST", endpoint, path, data=form)

    async def _send(
        self,
        method: str,
        endpoint: Endpoint,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        signature: Mapping[str, str] | None = None,
    ) -> Answer:
        if self._session is None:
            raise AssertionError("the client is used outside its context")
        query = {**(params or {}), **(signature or {})}
        request = self._session.request(
            method, endpoint.url(path), params=query, data=data, headers=headers, allow_redirects=False
        )
        sent = (dict(self._options.headers), authorization_in(endpoint.address), headers, data, signature)
        try:
            async with request as response:
                body = b"".join(await read_parts(response, self._options.max_body_bytes, endpoint.shown(path)))
        except (aiohttp.ClientError, OSError, ValueError) as error:  # the last: a name that cannot be looked up
            self._count(succeeded=False)
            raise SourceUnavailable(f"{endpoint.shown(path)}: {cause(error, *sent)}") from error
        self._count(succeeded=response.status == 200)
        if response.status != 200:
            body = conceal_beginning(body, *sent)
        return Answer(response.status, body)

    def _count(self, *, succeeded: bool) -> None:
        self._requests.labels("nacos", "true" if succeeded else "false").inc()


def error_of(answer: Answer, endpoint: Endpoint, path: str) -> SourceError:
    """Return the error that an answer other than 200 stands for (Nacos 2.3.1 and 3.1.0, measured)."""
    text = f"{endpoint.shown(path)}: status {answer.status}: {excerpt(answer.body)}"
    if answer.status in (401, 403):
        return AccessDenied(text)
    if answer.status in _NOT_OFFERED:
        return NotOffered(text)
    if answer.status == 429 or answer.status >= 500 or answer.status < 400:
        return SourceUnavailable(text)
    return SourceDataError(text)
