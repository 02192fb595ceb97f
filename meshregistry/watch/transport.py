"""One gRPC connection to an MCP server, as istiod dials it: plaintext HTTP/2, bytes in and bytes out.

Source: istiod ``pkg/adsc/adsc.go`` (dialWithConfig, defaultGrpcDialOptions) and ``pkg/keepalive/options.go``.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from grpclib.client import Channel, Stream
from grpclib.config import Configuration
from grpclib.const import Cardinality
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from h2.exceptions import H2Error

from meshregistry.grpc.messages import BytesCodec

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
WINDOW_BYTES = 1 << 20

GRPC_FAILURES = (GRPCError, ProtocolError, StreamTerminatedError)
"""Raised by grpclib alone; its stream turns a reset into the status that came before it, so they pass through it."""

CONNECTION_FAILURES = (
    H2Error,
    OSError,
    AssertionError,  # grpclib: the stream ended inside a message
    NotImplementedError,  # grpclib: a compressed message
    struct.error,  # grpclib: the stream ended inside a message header
)


@dataclass(frozen=True, slots=True)
class DialOptions:
    """Where to connect and how long to wait; the defaults are istiod's."""

    host: str
    port: int
    connect_timeout_s: float = 20.0
    keepalive_interval_s: float = 30.0
    keepalive_timeout_s: float = 10.0


class StreamEnded(Exception):
    """The stream could not be opened or is over; the message is for people and names the gRPC status if any."""


class AdsStream:
    """A state-of-the-world stream, for use inside the ``async with`` of ``Connection.stream`` only."""

    def __init__(self, stream: Stream[bytes, bytes]) -> None:
        self._stream = stream

    async def send(self, request: bytes) -> None:
        """Send one message; waits while the server grants no window. Cancelling it ruins the stream."""
        with _connection_failures_named():
            await self._stream.send_message(request)

    async def receive(self) -> bytes:
        """The next message, of any size; raises StreamEnded at the end of the stream. Cancelling ruins the stream."""
        with _connection_failures_named():
            message = await self._stream.recv_message()
            if message is None:
                await self._stream.end()
                await self._stream.recv_trailing_metadata()
                raise StreamEnded("closed by the server with status OK")
            return message


class Connection:
    """A lazily opened HTTP/2 connection that outlives its streams; close it when done."""

    def __init__(self, options: DialOptions) -> None:
        self._options = options
        self._channel = Channel(options.host, options.port, codec=BytesCodec(), config=_configuration(options))

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[AdsStream]:
        """Open a stream, connecting first if need be; leaving the block resets it. Cancelling is safe.

        Raises StreamEnded when it cannot be opened, and out of the block when it ends.
        """
        try:
            async with self._channel.request(METHOD, Cardinality.STREAM_STREAM, bytes, bytes) as stream:
                with _connection_failures_named():
                    async with asyncio.timeout(self._options.connect_timeout_s):
                        await stream.send_request()
                yield AdsStream(stream)
                await stream.cancel()
        except GRPC_FAILURES as error:
            raise StreamEnded(_describe(error)) from error

    def close(self) -> None:
        """Drop the connection and everything on it."""
        self._channel.close()


def _configuration(options: DialOptions) -> Configuration:
    return Configuration(
        http2_connection_window_size=WINDOW_BYTES,
        http2_stream_window_size=WINDOW_BYTES,
        _keepalive_time=options.keepalive_interval_s,
        _keepalive_timeout=options.keepalive_timeout_s,
        _http2_max_pings_without_data=0,
        _http2_min_sent_ping_interval_without_data=options.keepalive_timeout_s,
    )


@contextmanager
def _connection_failures_named() -> Iterator[None]:
    try:
        yield
    except CONNECTION_FAILURES as error:
        raise StreamEnded(_describe(error)) from error


def _describe(error: Exception) -> str:
    """One line for people: the gRPC status with its message, or what the operating system said."""
    if isinstance(error, GRPCError):
        return f"{error.status.name} {error.message or ''}".rstrip()
    return str(error) or type(error).__name__
