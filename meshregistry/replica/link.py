"""One delta stream to a sibling for one private type: its requests out, its resources in."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from grpclib.client import Channel, Stream
from grpclib.config import Configuration
from grpclib.const import Cardinality

from meshregistry.errors import MeshRegistryError
from meshregistry.grpc.messages import STREAM_FAILURES, BytesCodec, OversizedMessage, receive
from meshregistry.replica.options import ReplicaOptions
from meshregistry.replica.siblings import Address
from meshregistry.replica.state import TooLarge
from meshregistry.wire.fields import Fields

if TYPE_CHECKING:
    import betterproto

_METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
_WINDOW_BYTES = 4 * 1024 * 1024
_MAX_NAMES = 10_000

# discovery.proto: DeltaDiscoveryResponse, Resource; any.proto.
_RESOURCES, _NONCE, _REMOVED = 2, 5, 6
_NAME, _ANY = 3, 2
_VALUE = 2


class Loss(StrEnum):
    """Why a stream is over, as the metrics count it."""

    LOST = "lost"
    """The sibling cannot be reached, or has gone."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"


class SiblingLost(MeshRegistryError):
    """A sibling cannot be reached, or its stream is over; the message says why."""

    def __init__(self, message: str, loss: Loss = Loss.LOST) -> None:
        super().__init__(message)
        self.loss = loss


@dataclass(frozen=True, slots=True)
class Delivery:
    """One response: payloads by name, and the names that went."""

    payloads: Mapping[str, bytes] = field(default_factory=dict)
    removed: tuple[str, ...] = ()


async def follow(address: Address, type_url: str, options: ReplicaOptions, take: Callable[[Delivery], bool]) -> None:
    """Subscribe to all of a type at a sibling and hand over every response, acknowledged, until `take` returns True.

    Raises SiblingLost when the stream ends before, however it comes. Runs best in a task of its own: grpclib tells of
    a lost connection by cancelling. Cancelling is safe.
    """
    # Here, as they take a start 50 ms to import and most services have no sibling.
    from meshregistry._proto.envoy.config.core.v3 import Node
    from meshregistry._proto.envoy.service.discovery.v3 import DeltaDiscoveryRequest

    try:
        async with _open(address, options) as stream:
            await _send(stream, DeltaDiscoveryRequest(node=Node(id="meshregistry"), type_url=type_url))
            while (data := await _receive(stream, options.max_message_bytes)) is not None:
                response = Fields(data)
                if take(read_delivery(response)):
                    return
                await _send(stream, DeltaDiscoveryRequest(type_url=type_url, response_nonce=response.text(_NONCE)))
    except (*STREAM_FAILURES, ValueError) as error:
        loss = Loss.MALFORMED if isinstance(error, ValueError) else Loss.LOST
        loss = Loss.TOO_LARGE if isinstance(error, TooLarge) else loss
        raise SiblingLost(f"{address[0]}:{address[1]}: {str(error) or type(error).__name__}", loss) from error
    raise SiblingLost(f"{address[0]}:{address[1]}: closed")


@asynccontextmanager
async def _open(address: Address, options: ReplicaOptions) -> AsyncIterator[Stream[bytes, bytes]]:
    host, port = address
    configuration = Configuration(
        http2_connection_window_size=_WINDOW_BYTES,
        http2_stream_window_size=_WINDOW_BYTES,
        _keepalive_time=30.0,
        _keepalive_timeout=10.0,
        _http2_max_pings_without_data=0,
        ssl_target_name_override=options.tls.server_name or None if options.tls else None,
    )
    channel = Channel(host, port, codec=BytesCodec(), config=configuration, ssl=_context(options))
    try:
        async with channel.request(_METHOD, Cardinality.STREAM_STREAM, bytes, bytes) as stream:
            async with asyncio.timeout(options.connect_timeout_s):
                await stream.send_request()
            yield stream
            await stream.cancel()
    finally:
        channel.close()


def _context(options: ReplicaOptions) -> ssl.SSLContext | None:
    if options.tls is None:
        return None
    context = ssl.create_default_context(cafile=options.tls.ca or None)
    context.set_alpn_protocols(["h2"])
    if options.tls.certificate:
        context.load_cert_chain(options.tls.certificate, options.tls.key, password="")
    return context


async def _receive(stream: Stream[bytes, bytes], max_bytes: int) -> bytes | None:
    try:
        return await receive(stream, max_bytes)
    except OversizedMessage as error:
        text = f"a message of {error.size} bytes, at most {max_bytes} are taken (replicas.max_message_bytes)"
        raise TooLarge(text) from error


async def _send(stream: Stream[bytes, bytes], request: "betterproto.Message") -> None:
    await stream.send_message(bytes(request))


def read_delivery(response: Fields) -> Delivery:
    """Return what a DeltaDiscoveryResponse holds. Raises ValueError for what is none, or too much."""
    removed = response.texts(_REMOVED)
    if len(response.blocks(_RESOURCES)) + len(removed) > _MAX_NAMES:
        raise TooLarge(f"too many names in one response, at most {_MAX_NAMES} are taken")
    payloads = {each.text(_NAME): _payload(each) for each in response.messages(_RESOURCES)}
    return Delivery(payloads, removed)


def _payload(resource: Fields) -> bytes:
    values = resource.message(_ANY).blocks(_VALUE)
    return values[-1] if values else b""
