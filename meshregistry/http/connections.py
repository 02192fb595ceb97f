"""What a connection to the pages may cost: how many there are, how long and how large an unfinished request is.

aiohttp waits for ever for the head of a first request, and for a reader of a small answer. The listener therefore puts
a `BoundedConnection` between the transport and aiohttp's protocol; a middleware tells when a request begins and ends.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from meshregistry.telemetry.metrics import Metrics

_MOST_REQUEST_BYTES: Final = 65_536
"""What a client may send for one request, its head and further ones in advance included; the pages have no bodies."""

_FULL: Final = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How much clients may take; all times in seconds."""

    connections: int = 200
    head_s: float = 10.0
    """From the connection to the end of the first request's head."""

    idle_s: float = 75.0
    """From the end of an answer to the end of the next request's head."""

    send_s: float = 30.0
    """For how long a client may read nothing of what waits for it."""


class Connections:
    """Owner of the open connections of one listener."""

    def __init__(self, limits: ConnectionLimits, metrics: Metrics) -> None:
        self.limits = limits
        self._metrics = metrics
        self._open: dict[object, BoundedConnection] = {}

    def protocol(self, make: Callable[[], asyncio.Protocol]) -> "BoundedConnection":
        """Return a protocol for the next connection, around one that `make` gives."""
        return BoundedConnection(make(), self)

    @property
    def middleware(self) -> Middleware:
        """Tells a connection when one of its requests begins and ends."""

        @web.middleware
        async def note_request(request: web.Request, handler: Handler) -> web.StreamResponse:
            connection = self._open.get(request.protocol)
            if connection is None:
                return await handler(request)
            connection.begin()
            try:
                return await handler(request)
            finally:
                connection.end()

        return note_request

    def admit(self, connection: "BoundedConnection") -> bool:
        """Take a new connection in; when there are too many, the one that has been idle for longest goes.

        Health probes thus get in whatever others hold open. Returns False when every connection is being answered.
        """
        if len(self._open) >= self.limits.connections:
            idle = min((each for each in self._open.values() if each.is_idle), key=_idle_since, default=None)
            if idle is None:
                self.count("full")
                return False
            idle.cut("evicted")
        self._open[connection.inner] = connection
        self._metrics.http_connections.inc()
        return True

    def forget(self, connection: "BoundedConnection") -> None:
        """Note that a connection is no more; one that was not admitted is not known."""
        if self._open.pop(connection.inner, None) is not None:
            self._metrics.http_connections.dec()

    def count(self, reason: str) -> None:
        """Count a connection that was ended or refused."""
        self._metrics.http_cut.labels(reason).inc()


class BoundedConnection(asyncio.Protocol):
    """Stands before aiohttp's protocol and ends a connection that costs too much."""

    def __init__(self, inner: asyncio.Protocol, connections: Connections) -> None:
        self.inner = inner
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._requests = 0
        self._received = 0
        self._is_paused = False
        self._timer: asyncio.TimerHandle | None = None
        self.idle_since = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered and nothing waits to be read."""
        return not self._requests and not self._is_paused

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the time for the first head, or turn the client away."""
        stream = cast("asyncio.Transport", transport)  # what a TCP server gives
        if not self._connections.admit(self):
            stream.write(_FULL)
            stream.close()
            return
        self._transport = stream
        self.inner.connection_made(transport)
        self._wait(self._connections.limits.head_s, "head")

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self._stop_waiting()
        if self._transport is not None:
            self._transport = None
            self._connections.forget(self)
            self.inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass it on, as long as it is not too much for one request."""
        if self._transport is None:
            return
        self._received += len(data)
        if self._received > _MOST_REQUEST_BYTES:
            self.cut("too_long")
        else:
            self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return self.inner.eof_received() if self._transport is not None else None

    def pause_writing(self) -> None:
        """Begin the time for reading."""
        self._is_paused = True
        self.inner.pause_writing()
        self._wait(self._connections.limits.send_s, "not_reading")

    def resume_writing(self) -> None:
        """End it."""
        self._is_paused = False
        self._stop_waiting()
        if self._transport is not None:
            self.inner.resume_writing()
            if not self._requests:
                self._wait(self._connections.limits.idle_s, "idle")

    def begin(self) -> None:
        """Note that the head of a request is complete."""
        self._requests += 1
        self._received = 0
        if not self._is_paused:
            self._stop_waiting()

    def end(self) -> None:
        """Note that a request has been answered, or its answer is about to be sent."""
        self._requests -= 1
        if self.is_idle and self._transport is not None:
            self._wait(self._connections.limits.idle_s, "idle")

    def cut(self, reason: str) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._connections.count(reason)
            self._connections.forget(self)
            self._transport.abort()

    def _wait(self, seconds: float, reason: str) -> None:
        loop = asyncio.get_running_loop()
        self._stop_waiting()
        self.idle_since = loop.time()
        self._timer = loop.call_later(seconds, self.cut, reason)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _idle_since(connection: BoundedConnection) -> float:
    return connection.idle_since
