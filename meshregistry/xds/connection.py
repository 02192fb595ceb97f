"""One TCP connection: grpclib's HTTP/2, read in turns, with a bound for what costs us and gives nobody anything.

What grpclib and h2 do not bound: PINGs, SETTINGS, PRIORITY and streams that are opened and reset at once
(CVE-2019-9512, 9513 and 9515, CVE-2023-44487), all of them legal one by one. Each connection has an allowance for
them; one that exceeds it is told to calm down and closed.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol, cast

from grpclib.config import Configuration
from grpclib.const import Handler as Method
from grpclib.protocol import H2Protocol
from grpclib.server import Handler, Stream
from h2.config import H2Configuration
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    PingReceived,
    PriorityUpdated,
    RemoteSettingsChanged,
    RequestReceived,
    UnknownFrameReceived,
)
from h2.exceptions import ProtocolError

from meshregistry.xds.admission import TokenBucket
from meshregistry.xds.door import Refused
from meshregistry.xds.reading import ReadingTurns

_PIECE_BYTES: Final = 2048
"""Read at once: some 200 of the smallest frames, 2 ms at most."""

_ALLOWED_PER_S: Final = 50.0
_ALLOWED_BURST: Final = 1000
"""A client opens one or two streams and pings twice a minute; some ping with each megabyte they receive."""

_FAREWELL_S: Final = 2.0
"""How long a client that may not come in has to ask and be told, seconds."""

_COSTLY: Final = (PingReceived, PriorityUpdated, RemoteSettingsChanged, RequestReceived, UnknownFrameReceived)


class Keeper(Protocol):
    """Who made a connection and is told what becomes of it."""

    def note_made(self, connection: "Connection") -> None:
        """It is there and waits to `begin`."""
        ...

    def note_lost(self, connection: "Connection") -> None:
        """It is gone."""
        ...

    def note_flood(self) -> None:
        """It is closed because of a flood."""
        ...


class Connection(H2Protocol):
    """One TCP connection, known to its listener from its making to its loss."""

    def __init__(
        self,
        handler: Handler,
        config: Configuration,
        h2_config: H2Configuration,
        turns: ReadingTurns,
        keeper: Keeper,
    ) -> None:
        super().__init__(handler, config, h2_config)
        self.handler: Handler = handler
        self._turns = turns
        self._keeper = keeper
        self._transport: asyncio.Transport | None = None
        self._unread = b""
        self._waits = False
        self._allowance = TokenBucket(_ALLOWED_PER_S, _ALLOWED_BURST)
        self._farewell: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        """The client's IP address; "" when it is lost."""
        name = self._transport.get_extra_info("peername") if self._transport else None
        return str(name[0]) if name else ""

    @property
    def certificate(self) -> Mapping[str, Any] | None:
        """What `ssl` makes of the client's certificate; None without one."""
        tls = self._transport.get_extra_info("ssl_object") if self._transport else None
        return tls.getpeercert() if tls is not None else None

    @property
    def is_idle(self) -> bool:
        """Whether no stream is open."""
        return all(task.done() for task in self.handler._tasks.values())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a turn to begin."""
        # uvloop's transports are none by inheritance.
        self._transport = cast("asyncio.Transport", transport)
        self._keeper.note_made(self)

    def turn_away(self, refusal: Refused) -> None:
        """Answer every stream with the refusal, and close soon."""

        async def refuse(stream: Stream[bytes, bytes]) -> None:
            raise Refused(refusal.status, refusal.reason, refusal.message or "")

        methods = self.handler.mapping.items()
        self.handler.mapping = {path: Method(refuse, each.cardinality, bytes, bytes) for path, each in methods}
        self._farewell = asyncio.get_running_loop().call_later(_FAREWELL_S, self.cut)

    def begin(self) -> None:
        """Begin the HTTP/2 conversation, unless the connection is lost already."""
        if self._transport is None or self._transport.is_closing():
            return
        super().connection_made(self._transport)
        if self._unread:
            self._offer()

    def data_received(self, data: bytes) -> None:
        """Take what the client sends."""
        self._unread = self._unread + data if self._unread else data
        if self._has_begun and not self._waits:
            self._offer()

    def _offer(self) -> None:
        self._waits = True
        self._turns.offer(self)

    def read_until(self, deadline: float) -> bool:
        """Read until nothing is left, or until the deadline; tell whether nothing is left."""
        unread = memoryview(self._unread)
        position = 0
        while position < len(unread) and self._is_open:
            self._read(bytes(unread[position : position + _PIECE_BYTES]))
            position += _PIECE_BYTES
            if time.perf_counter() >= deadline:
                break
        self._unread = bytes(unread[position:]) if self._is_open else b""
        self._waits = bool(self._unread)
        return not self._waits

    def hold(self) -> None:
        """Take nothing more from the socket."""
        if self._is_open and self._transport is not None:
            self._transport.pause_reading()

    def release(self) -> None:
        """Take from the socket again."""
        if self._is_open and self._transport is not None:
            self._transport.resume_reading()

    def _read(self, data: bytes) -> None:
        try:
            events = self.connection.feed(data)
        except ProtocolError:
            # h2 has made a GOAWAY that says what was wrong.
            self.connection.flush()
            self.processor.close("Protocol error")
            return
        self.connection.flush()
        for event in events:
            self._process(event)
        if self._is_open:
            self.connection.flush()

    def _process(self, event: Event) -> None:
        is_empty = isinstance(event, DataReceived) and not event.flow_controlled_length
        if (is_empty or isinstance(event, _COSTLY)) and not self._allows() and self._is_open:
            self._calm_down()
        # grpclib takes an empty DATA frame for the end of the stream, and an unknown frame for a reason to give up;
        # RFC 9113 (5.5, 6.1) allows both.
        if not is_empty and self._is_open and type(event) in self.processor.processors:
            self.processor.process(event)

    def _allows(self) -> bool:
        return self._allowance.reserve(time.monotonic()) <= 0.0

    def _calm_down(self) -> None:
        self._keeper.note_flood()
        self.connection._connection.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
        self.connection.flush()
        self.processor.close("Too many frames that ask for nothing")

    def connection_lost(self, exc: BaseException | None) -> None:
        """End every stream of the connection."""
        if self._farewell is not None:
            self._farewell.cancel()
        if self._has_begun:
            super().connection_lost(exc)
        else:
            self.handler.close()
        self._transport = None
        self._keeper.note_lost(self)

    def say_goodbye(self) -> None:
        """Send GOAWAY and close once everything before it is written."""
        if self._transport is None or self._transport.is_closing():
            return
        if not self._has_begun:
            self._transport.close()
            return
        try:
            self.connection._connection.close_connection()
        except ProtocolError:
            # The conversation is over already; only the socket is left to close.
            pass
        else:
            self.connection.flush()
        self.connection.close()

    @property
    def _has_begun(self) -> bool:
        return hasattr(self, "connection")

    @property
    def _is_open(self) -> bool:
        if self._transport is None or self._transport.is_closing():
            return False
        # grpclib's close lets go of the processors.
        return hasattr(self.processor, "processors")

    def cut(self) -> None:
        """Close at once, unwritten data or not."""
        if self._transport is not None:
            self._transport.abort()
