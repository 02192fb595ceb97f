"""A bare state-of-the-world client: asks as istiod 1.24+ does, acknowledges, and notes when bytes arrived."""

import asyncio
import time
from typing import NamedTuple

from meshregistry._proto.envoy.service.discovery.v3 import DiscoveryResponse
from meshregistry.watch.codec import BetterprotoCodec
from meshregistry.watch.resources import Node, Request
from meshregistry.watch.transport import AdsStream, Connection, DialOptions, StreamEnded

SERVICE_ENTRY = "networking.istio.io/v1/ServiceEntry"
_RETRY_S = 0.02


class Arrival(NamedTuple):
    """One response: when its last byte arrived (monotonic seconds) and its size."""

    at: float
    size: int


class Probe:
    """One stream; every response is acknowledged as soon as it has arrived."""

    def __init__(self, stream: AdsStream) -> None:
        self._stream = stream
        self._codec = BetterprotoCodec()

    async def subscribe(self) -> None:
        """Ask for ServiceEntry with a bogus nonce, as istiod does."""
        await self._stream.send(
            self._codec.encode_request(Request(SERVICE_ENTRY, "", str(time.time()), Node("bench", "istio-system")))
        )

    async def next(self) -> Arrival:
        """Wait for the next response and acknowledge it."""
        data = await self._stream.receive()
        arrival = Arrival(time.monotonic(), len(data))
        response = DiscoveryResponse().parse(data)
        ack = Request(SERVICE_ENTRY, response.version_info, response.nonce, Node("bench", "istio-system"))
        await self._stream.send(self._codec.encode_request(ack))
        return arrival


async def first_answer(port: int) -> tuple[Connection, Probe, Arrival]:
    """Connect as soon as the port opens and wait for the first answer; the caller closes the connection.

    The stream lives as long as the connection: a benchmark has no use for resetting it.
    """
    while True:
        connection = Connection(DialOptions("127.0.0.1", port))
        try:
            stream = await connection.stream().__aenter__()
            probe = Probe(stream)
            await probe.subscribe()
            return connection, probe, await probe.next()
        except StreamEnded:
            connection.close()
            await asyncio.sleep(_RETRY_S)
