"""A bare HTTP/2 client for what gRPC libraries do not let one do: pings at will, half messages, no reading."""

import asyncio
import struct
from collections import Counter
from types import TracebackType
from typing import Self

import h2.config
import h2.connection
import h2.events
import h2.settings

HEALTH = "/grpc.health.v1.Health/"
_SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
_WINDOW = 1024 * 1024
"""istiod's static windows."""


class H2Client:
    """One connection; counts what arrives and throws the data away. Reads only inside `read_until`.

    `window_bytes` is what the server may send on a stream before it is read.
    """

    def __init__(self, port: int, window_bytes: int = _WINDOW) -> None:
        self._port = port
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window_bytes})
        self._h2.increment_flow_control_window(_WINDOW - 65535)
        self.events: Counter[str] = Counter()
        self.received_bytes = 0
        self.status = ""
        self.closed = False

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        await self.flush()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.transport.abort()

    async def flush(self) -> None:
        """Write what is waiting."""
        self._writer.write(self._h2.data_to_send())
        await self._writer.drain()

    async def open(self, method: str = "StreamAggregatedResources", service: str = _SERVICE) -> int:
        """Open a stream and return its id."""
        stream = self._h2.get_next_available_stream_id()
        headers = [(":method", "POST"), (":scheme", "http"), (":path", service + method), (":authority", "x")]
        self._h2.send_headers(stream, [*headers, ("te", "trailers"), ("content-type", "application/grpc")])
        await self.flush()
        return stream

    async def reset(self, stream: int) -> None:
        """Give a stream up."""
        self._h2.reset_stream(stream)
        await self.flush()

    async def send(self, stream: int, message: bytes, *, compressed: bool = False) -> None:
        """Send one message."""
        await self.send_raw(stream, struct.pack(">?I", compressed, len(message)) + message)

    async def send_raw(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Send bytes as they are."""
        self._h2.send_data(stream, data, end_stream=end)
        await self.flush()

    async def ping(self) -> None:
        """Send a PING; its answer is counted as PingAckReceived."""
        self._h2.ping(b"8 bytes.")
        await self.flush()

    async def read_until(self, event: str, count: int = 1) -> None:
        """Read until the event has come so often in all, or the connection is closed."""
        async with asyncio.timeout(30):
            while self.events[event] < count and not self.closed:
                data = await self._reader.read(1 << 20)
                if not data:
                    self.closed = True
                    return
                for found in self._h2.receive_data(data):
                    self._take(found)
                await self.flush()

    def _take(self, event: h2.events.Event) -> None:
        self.events[type(event).__name__] += 1
        if isinstance(event, h2.events.DataReceived):
            self.received_bytes += len(event.data)
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if isinstance(event, h2.events.TrailersReceived | h2.events.ResponseReceived):
            headers = {str(name): str(value) for name, value in event.headers}
            self.status = headers.get("grpc-status", self.status)
