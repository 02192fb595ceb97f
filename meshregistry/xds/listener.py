"""grpclib's server with connections that can be ended properly.

grpclib's own close cancels its handlers without a word to the client and leaves the TCP connections open, and from
Python 3.12 on its `wait_closed` waits for them (grpclib issues 107 and 148). The order of the drain matters: after
GOAWAY h2 refuses further frames, trailers included.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Collection
from typing import Final

from grpclib._typing import IServable
from grpclib.config import Configuration
from grpclib.protocol import H2Protocol
from grpclib.server import Handler, Server

from meshregistry.grpc.messages import BytesCodec
from meshregistry.telemetry.metrics import Metrics
from meshregistry.xds.connection import Connection
from meshregistry.xds.door import Door
from meshregistry.xds.options import AdsOptions
from meshregistry.xds.reading import ReadingTurns
from meshregistry.xds.tls import Certificate

_log = logging.getLogger(__name__)

_LOOK_S: Final = 60.0
"""How often the certificate's files are looked at while nobody connects, seconds."""

_WINDOW_BYTES = 1024 * 1024

_CONFIGURATION = Configuration(
    # A frozen peer is noticed after 40 s; grpclib's default is two hours. Clients may ping as they like.
    _keepalive_time=30.0,
    _keepalive_timeout=10.0,
    _keepalive_permit_without_calls=True,
    _http2_max_pings_without_data=0,
    _http2_min_sent_ping_interval_without_data=10.0,
    # Requests are small: this bounds what a client can make us hold before it is read.
    http2_connection_window_size=_WINDOW_BYTES,
    http2_stream_window_size=_WINDOW_BYTES,
)


class Listener(Server):
    """Owns the listening sockets and the connections made to them."""

    def __init__(self, services: Collection[IServable], options: AdsOptions, metrics: Metrics) -> None:
        """Read the certificate, if there is one; the sockets come later.

        Raises:
            OSError: the certificate cannot be used.
        """
        super().__init__(services, codec=BytesCodec(), config=_CONFIGURATION)
        self._options = options
        self._metrics = metrics
        self._certificate = Certificate(options.tls, metrics) if options.tls else None
        self._next_look: asyncio.TimerHandle | None = None
        self._turns = ReadingTurns()
        self._door = Door(options, metrics)
        self._new: deque[Connection] = deque()
        self._all_lost = asyncio.Event()
        self._all_lost.set()

    @property
    def port(self) -> int:
        """The port of the first socket; 0 when not listening."""
        sockets = getattr(self._server, "sockets", ())
        return next((int(sock.getsockname()[1]) for sock in sockets), 0)

    async def open(self) -> None:
        """Listen on the address of the options. Raises OSError if that is impossible."""
        tls = self._options.tls
        # Not by grpclib's `start`, which leaves a minute for a handshake: until it is over nothing counts a connection.
        self._server = await asyncio.get_running_loop().create_server(
            self._protocol_factory,
            self._options.host or None,
            self._options.port,
            ssl=self._certificate.context if self._certificate else None,
            ssl_handshake_timeout=tls.handshake_timeout_s if tls else None,
        )
        if self._certificate is not None:
            self._look_again(self._certificate)

    def refuse(self) -> None:
        """Stop listening; open connections stay."""
        if self._server is not None:
            self._server.close()
        if self._next_look is not None:
            self._next_look.cancel()

    def _look_again(self, certificate: Certificate) -> None:
        # Handshakes look for themselves; this is for the metrics while nobody connects.
        certificate.refresh()
        self._next_look = asyncio.get_running_loop().call_later(_LOOK_S, self._look_again, certificate)

    async def finish(self, timeout_s: float) -> None:
        """Wait for the handlers to end, say GOAWAY and close; what is not done in time is cut off.

        Cancelling cuts everything off at once.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        try:
            await self._await_handlers(timeout_s)
            for connection in self._door:
                connection.say_goodbye()
            async with asyncio.timeout_at(deadline):
                await self._all_lost.wait()
        except TimeoutError:
            pass
        finally:
            for connection in self._door:
                connection.cut()

    async def _await_handlers(self, timeout_s: float) -> None:
        tasks = {task for handler in self._handlers for task in (*handler._tasks.values(), *handler._cancelled)}
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    def _protocol_factory(self) -> H2Protocol:
        self.__gc_step__()
        handler = Handler(self._mapping, self._codec, self._status_details_codec, self.__dispatch__)
        return Connection(handler, self._config, self._h2_config, self._turns, self)

    def note_made(self, connection: Connection) -> None:
        """Let a connection begin in its turn, if it may come in."""
        if not self._door.enter(connection):
            return
        # Not in the factory: whoever fails the handshake of TLS is never lost.
        self._handlers.add(connection.handler)
        self._all_lost.clear()
        self._new.append(connection)
        if len(self._new) == 1:
            asyncio.get_running_loop().call_soon(self._begin_next)

    def note_flood(self) -> None:
        """Count it."""
        self._metrics.bad_requests.labels("flood").inc()
        _log.warning("ads.flooded effect=%r", "the connection is closed")

    def note_lost(self, connection: Connection) -> None:
        """Forget a connection."""
        self._door.leave(connection)
        if self._door.is_empty:
            self._all_lost.set()

    def _begin_next(self) -> None:
        # All that wait are accepted in one iteration of the loop, which has no time for the HTTP/2 of a hundred.
        try:
            self._new.popleft().begin()
        finally:
            # Whatever one client does to its connection, the others begin.
            if self._new:
                asyncio.get_running_loop().call_soon(self._begin_next)
