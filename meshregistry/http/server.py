"""The HTTP server: opens the listeners, serves the pages, closes them.

Only GET and HEAD are answered, and nothing is changed; the log level alone can be, by PUT and with the token.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from aiohttp import web

from meshregistry.errors import ListenError
from meshregistry.http.connections import ConnectionLimits, Connections
from meshregistry.http.pages import Page, build_application, module_pages, process_pages, under_prefix, with_aliases
from meshregistry.http.views import Views
from meshregistry.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

_PORT_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """How the HTTP server listens and what it demands."""

    aux_addr: str = ":8081"
    """`host:port`, or `:port` for all IPv4 and IPv6 addresses; "" opens nothing."""

    http_server_addr: str = ""
    """A second listener with the module's pages and no prefix (Slime's HTTPServerAddr); "" opens nothing."""

    path_aliases: Mapping[str, str] = field(default_factory=dict)
    """Alias path → real path, on `aux_addr` (Slime's `pathRedirect`)."""

    token: str = field(default="", repr=False)
    """Bearer token demanded for all but the probes; "" demands none."""

    send_timeout_s: float = 30.0
    """Seconds a client may leave an answer unread."""

    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    """What the connections of each listener may take."""

    stop_timeout_s: float = 2.0
    """Seconds that requests in progress get at stop."""


class HttpServer:
    """Serves the pages of one process; construct, `start`, `stop`, once each."""

    def __init__(self, options: HttpOptions, views: Views, metrics: Metrics) -> None:
        self._options = options
        self._views = views
        self._metrics = metrics
        self._runners: list[web.AppRunner] = []
        self._listeners: list[asyncio.Server] = []

    @property
    def addresses(self) -> list[str]:
        """Every `host:port` that is listened on, in the order of the options."""
        sockets = [each for listener in self._listeners for each in listener.sockets]
        return [_join_address(*each.getsockname()[:2]) for each in sockets]

    async def start(self) -> None:
        """Open the listeners; raises ListenError when one cannot be opened, and then none is open.

        Cancelling it leaves listeners to be closed by `stop`.
        """
        module = module_pages(self._views, self._options.send_timeout_s)
        process = process_pages(self._views, self._metrics)
        aux = with_aliases(under_prefix(module) + process, self._options.path_aliases)
        try:
            await self._listen(self._options.aux_addr, aux)
            await self._listen(self._options.http_server_addr, module)
        except ListenError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the listeners and give requests in progress `stop_timeout_s`; calling it twice does no harm."""
        while self._listeners:
            self._listeners.pop().close()
        while self._runners:
            await self._runners.pop().cleanup()

    async def _listen(self, address: str, pages: list[Page]) -> None:
        if not address:
            return
        host, port = _split_address(address)
        connections = Connections(self._options.limits, self._metrics)
        application = build_application(pages, self._options.token, connections.middleware)
        runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=self._options.stop_timeout_s
        )
        self._runners.append(runner)
        await runner.setup()
        make = cast("Callable[[], asyncio.Protocol]", runner.server)
        try:
            listener = await asyncio.get_running_loop().create_server(lambda: connections.protocol(make), host, port)
        except OSError as error:
            raise ListenError(f"cannot listen on {address}: {error.strerror or error}") from error
        self._listeners.append(listener)
        _log.info("http.listening address=%s", address)


def _split_address(address: str) -> tuple[str | None, int]:
    """Return host and port as Go's net.Listen reads them: no host means all addresses of both families."""
    host, colon, port = address.rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and int(port) < _PORT_LIMIT):
        raise ListenError(f"cannot listen on {address}: not of the form host:port")
    return host.removeprefix("[").removesuffix("]") or None, int(port)


def _join_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
