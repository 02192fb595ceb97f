"""HTTP calls to Eureka, one at a time: bytes out or an error that says what the caller should do."""

import ssl
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

import meshregistry
from meshregistry.errors import SourceAuthError, SourceDataError, SourceError, SourceUnavailable
from meshregistry.sources.bodies import read_parts
from meshregistry.sources.eureka.options import EurekaOptions, EurekaServerOptions, TlsFiles
from meshregistry.sources.eureka.proxies import proxy_of
from meshregistry.sources.failures import (
    authorization_in,
    basic_authorization,
    cause,
    conceal_beginning,
    displayed,
    excerpt,
)
from meshregistry.telemetry.metrics import Metrics

_NOT_OFFERED = frozenset({405, 410, 501})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_IDLE_CONNECTIONS_OUTLIVE_PERIOD_S = 5.0


class Refused(SourceUnavailable):
    """403: the server still waits for its peers, its deltas are switched off, or access is denied."""


class NotFound(SourceUnavailable):
    """404: no such application, or no Eureka at this path."""


class NotOffered(SourceUnavailable):
    """The server does not have this call: 405, 410, 501."""


class Node(NamedTuple):
    """One server: its base URL, and the address to connect to where DNS gave several."""

    base: str
    """With the context path, without credentials and closing slash."""

    ip: str = ""

    def __str__(self) -> str:
        """The base URL for logs and pages."""
        return f"{displayed(self.base)} ({self.ip})" if self.ip else displayed(self.base)

    def url(self, path: str) -> URL:
        """The URL of an API path whose parts are quoted, such as `/apps/delta`."""
        url = URL(f"{self.base}{path}", encoded=True)
        return url.with_host(self.ip) if self.ip else url


class Answer(NamedTuple):
    """What came back, whatever its status."""

    status: int
    parts: list[bytes]
    """The body as it arrived: joining 96 MB takes the event loop 80 ms, and another 96 MB."""

    location: str


def strip_credentials(address: str) -> str:
    """Return a base URL without user, password and closing slash."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")


def authorization(server: EurekaServerOptions, address: str) -> dict[str, str]:
    """Return the header that identifies us: the token, else user and password, else those in the address."""
    if server.token:
        return {"Authorization": f"Bearer {server.token}"}
    if not server.username:
        return authorization_in(address)
    return basic_authorization(server.username, server.password)


class EurekaClient:
    """One aiohttp session for all servers of the source. Use as an async context manager; cookies are not kept.

    Proxies are taken from the usual environment variables. Redirects are followed; another origin than the one
    asked gets neither credentials nor configured headers.
    """

    def __init__(self, options: EurekaOptions, metrics: Metrics) -> None:
        self._options = options
        self._requests = metrics.source_client_request_count
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "EurekaClient":
        """Open the session. Raises OSError (ssl.SSLError) when a TLS file cannot be used."""
        options = self._options
        context = _tls_context(options.tls)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=True if context is None else context,
                limit=0,
                limit_per_host=options.concurrency,
                keepalive_timeout=options.polling.refresh_period_s + _IDLE_CONNECTIONS_OUTLIVE_PERIOD_S,
            ),
            timeout=aiohttp.ClientTimeout(total=options.request_timeout_s, sock_connect=options.connect_timeout_s),
            headers={
                "User-Agent": "meshregistry",
                # Without the word json in it every server answers XML; `full` keeps the metadata.
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "X-Eureka-Accept": "full",
                "DiscoveryIdentity-Name": options.client_name,
                "DiscoveryIdentity-Version": meshregistry.__version__,
            },
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, node: Node, path: str, regions: str, headers: Mapping[str, str]) -> list[bytes]:
        """Return the body of a 200 answer in the parts in which it arrived; `path` has its parts quoted.

        Raises SourceAuthError (401), Refused, NotFound, NotOffered, SourceUnavailable (no answer in time, 429, 5xx)
        or SourceDataError (another 4xx, a body that is too long); texts name address, path and status, never secrets.
        Cancelling it is safe.
        """
        asked = url = node.url(path).update_query({"regions": regions} if regions else {})
        secret = {**dict(self._options.headers), **headers}
        for _ in range(_MOST_REDIRECTS + 1):
            is_asked = url.origin() == asked.origin()
            extra = {**secret, **_host_header(node)} if is_asked else {}
            answer = await self._send(node, path, url, extra, node if is_asked else None)
            if answer.status not in _REDIRECTS:
                break
            url = _follow(url, answer.location, f"{node}{path}")
        else:
            raise SourceUnavailable(f"{node}{path}: more than {_MOST_REDIRECTS} redirects")
        if answer.status != 200:
            raise error_of(answer, f"{node}{path}")
        return answer.parts

    async def _send(self, node: Node, path: str, url: URL, headers: Mapping[str, str], tls_node: Node | None) -> Answer:
        if self._session is None:
            raise AssertionError("the client is used outside its context")
        name = urlsplit(node.base).hostname if tls_node is not None and node.ip else None
        try:
            proxy = proxy_of(url, name or "")
            request = self._session.get(url, headers=headers, allow_redirects=False, server_hostname=name, proxy=proxy)
            async with request as response:
                parts = await read_parts(response, self._options.max_body_bytes, f"{node}{path}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: a host that is no name, which a redirect may hold, or a header with a line break.
            self._count(succeeded=False)
            raise SourceUnavailable(f"{node}{path}: {cause(error, headers)}") from error
        self._count(succeeded=response.status == 200)
        if response.status != 200:
            parts = [conceal_beginning(b"".join(parts), headers)]
        return Answer(response.status, parts, response.headers.get("Location", ""))

    def _count(self, *, succeeded: bool) -> None:
        self._requests.labels("eureka", "true" if succeeded else "false").inc()


def error_of(answer: Answer, place: str) -> SourceError:
    """Return the error that an answer other than 200 stands for."""
    body = b"".join(answer.parts)
    text = f"{place}: status {answer.status}: {excerpt(body)}"
    match answer.status:
        case 401:
            return SourceAuthError(text)
        case 403:
            return Refused(f"{text} (waiting for its peers, not offered, or access denied)")
        case 404:
            return NotFound(text)
        case 406:
            return SourceDataError(f"{text} (this server cannot write JSON)")
        case status if status in _NOT_OFFERED:
            return NotOffered(text)
        case status if status == 429 or status >= 500 or status < 400:
            return SourceUnavailable(text)
    return SourceDataError(text)


def _follow(url: URL, location: str, place: str) -> URL:
    try:
        target = url.join(URL(location))
        target.origin()
    except ValueError as error:
        raise SourceUnavailable(f"{place}: redirected to no usable URL") from error
    return target


def _host_header(node: Node) -> dict[str, str]:
    return {"Host": urlsplit(node.base).netloc} if node.ip else {}


def _tls_context(files: TlsFiles) -> ssl.SSLContext | None:
    """Return the context for https, None for aiohttp's own."""
    if files == TlsFiles():
        return None
    context = ssl.create_default_context(cafile=files.ca or None)
    if files.certificate:
        context.load_cert_chain(files.certificate, files.key or None, password="")
    if not files.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
