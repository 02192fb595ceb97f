"""One HTTP/2 connection to a node's gRPC port: payloads out and in, grpclib's errors as ours.

A grpclib channel connects again silently when its connection is lost, and Nacos takes the new one for a stranger
(error 301). So a channel serves one session and is closed with it.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import msgspec
from grpclib.client import Channel, Stream
from grpclib.config import Configuration
from grpclib.const import Cardinality
from grpclib.exceptions import GRPCError
from h2.exceptions import H2Error

from meshregistry.errors import SourceDataError, SourceUnavailable
from meshregistry.grpc.messages import STREAM_FAILURES, BytesCodec, OversizedMessage, receive, write_head
from meshregistry.sources.failures import conceal, excerpt
from meshregistry.sources.nacos.messages import ConnectionLost
from meshregistry.sources.nacos.nodes import GrpcAddress
from meshregistry.sources.nacos.options import GrpcTls
from meshregistry.sources.nacos.payload import Payload, decode_payload, encode_payload
from meshregistry.sources.nacos.waiting import FairWrapper

UNARY = "/Request/request"
STREAM = "/BiRequestStream/requestBiStream"

_WINDOW_BYTES = 4 << 20

ByteStream = Stream[bytes, bytes]


class ChannelOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection needs besides its address."""

    connect_timeout_s: float
    request_timeout_s: float
    max_body_bytes: int
    tls: GrpcTls | None


class NacosStream:
    """The stream on which the server speaks first; for one reader and one writer."""

    def __init__(self, stream: ByteStream, options: ChannelOptions) -> None:
        self._stream = stream
        self._options = options

    async def send(self, *messages: Payload) -> None:
        """Send messages in one write. Raises ConnectionLost, also when the server takes nothing in the request timeout.

        Cancelling it ruins the stream.
        """
        framed = bytearray()
        for message in messages:
            data = encode_payload(message, {})
            framed += write_head(len(data)) + data
        with _failures_named():
            async with asyncio.timeout(self._options.request_timeout_s):
                with self._stream._wrapper:
                    await self._stream._stream.send_data(bytes(framed))

    async def receive(self) -> Payload:
        """Return the next message. Raises ConnectionLost at the end, however it comes; cancelling ruins the stream."""
        with _failures_named():
            data = await receive(self._stream, self._options.max_body_bytes)
        if data is None:
            raise ConnectionLost("closed by the server")
        return decode_payload(data)


class NacosChannel:
    """A connection to one node. Use as an async context manager; leaving it closes everything at once."""

    def __init__(self, address: GrpcAddress, options: ChannelOptions) -> None:
        self._address = address
        self._options = options
        self._channel: Channel | None = None

    async def __aenter__(self) -> "NacosChannel":
        """Connect. Raises SourceUnavailable; cancelling it is safe."""
        tls = self._options.tls
        config = Configuration(
            http2_connection_window_size=_WINDOW_BYTES,
            http2_stream_window_size=_WINDOW_BYTES,
        )
        try:
            context = _context(tls) if tls is not None else None
            channel = Channel(self._address.host, self._address.port, ssl=context, codec=BytesCodec(), config=config)
            async with asyncio.timeout(self._options.connect_timeout_s):
                await channel.__connect__()
        except (OSError, H2Error, UnicodeError) as error:  # the last: a name that cannot be looked up
            raise SourceUnavailable(f"{self._address}: {_describe(error)}") from error
        self._channel = channel
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    async def call(self, message: Payload, headers: Mapping[str, str]) -> Payload:
        """Return the reply to a request, whatever it says.

        Raises SourceUnavailable when none comes in time, ConnectionLost when the connection is gone and
        SourceDataError when it is no payload. Cancelling it is safe: the call is reset.
        """
        if self._channel is None:
            raise AssertionError("the channel is used outside its context")
        request = self._channel.request(UNARY, Cardinality.UNARY_UNARY, bytes, bytes)
        try:
            async with asyncio.timeout(self._options.request_timeout_s):
                with _failures_named(headers):
                    async with request as stream:
                        stream._wrapper = FairWrapper()
                        await stream.send_message(encode_payload(message, headers), end=True)
                        data = await receive(stream, self._options.max_body_bytes)
        except TimeoutError as error:
            text = f"{message.type}: no reply in {self._options.request_timeout_s:g} s"
            raise SourceUnavailable(text) from error
        if data is None:
            raise SourceDataError(f"{message.type}: an empty reply")
        return decode_payload(data)

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[NacosStream]:
        """Open the stream; leaving the block resets it. Raises ConnectionLost; cancelling it is safe."""
        if self._channel is None:
            raise AssertionError("the channel is used outside its context")
        async with self._channel.request(STREAM, Cardinality.STREAM_STREAM, bytes, bytes) as stream:
            stream._wrapper = FairWrapper()
            with _failures_named():
                await stream.send_request()
            yield NacosStream(stream, self._options)
            with _failures_named():
                await stream.cancel()


@contextmanager
def _failures_named(sent: Mapping[str, str] | None = None) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise
    except OversizedMessage as error:
        raise SourceDataError(str(error)) from error
    except STREAM_FAILURES as error:
        raise ConnectionLost(excerpt(conceal(_describe(error), sent).encode())) from error


def _context(tls: GrpcTls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    if tls.certificate:
        context.load_cert_chain(tls.certificate, tls.key or None, password="")
    return context


def _describe(error: BaseException) -> str:
    if isinstance(error, GRPCError):
        return f"{error.status.name} {error.message or ''}".rstrip()
    if isinstance(error, TimeoutError):
        return "no connection in time"
    return str(error) or type(error).__name__
