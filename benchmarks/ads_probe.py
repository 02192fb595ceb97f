"""A bare state-of-the-world client: asks as istiod 1.24+ does, acknowledges, and notes when bytes arrived."""

import asyncio
import time
from typing import NamedTuple

from meshregistry.watch.codec import IstiodCodec
from meshregistry.watch.fields import Fields
from meshregistry.watch.resources import Node, Request
from meshregistry.watch.transport import AdsStream, Connection, DialOptions, StreamEnded

SERVICE_ENTRY = "networking.istio.io/v1/ServiceEntry"
_RETRY_S = 0.02
_TIMEOUT_S = 60.0


class Arrival(NamedTuple):
    """One response: when its last byte arrived (monotonic seconds) and its size."""

    at: float
    size: int


class Probe:
    """One stream on a connection of its own; every response is acknowledged as soon as it has arrived."""

    def __init__(self, port: int) -> None:
        self._codec = IstiodCodec()
        self._connection = Connection(DialOptions("127.0.0.1", port))
        self._opening = self._connection.stream()
        self._stream: AdsStream | None = None

    async def open(self) -> None:
        """Connect and ask for ServiceEntry with a bogus nonce, as istiod does; raises StreamEnded."""
        self._stream = await self._opening.__aenter__()
        await self._send(Request(SERVICE_ENTRY, "", str(time.time()), Node("bench", "istio-system")))

    async def next(self) -> Arrival:
        """Wait for the next response and acknowledge it."""
        assert self._stream is not None
        data = await asyncio.wait_for(self._stream.receive(), _TIMEOUT_S)
        arrival = Arrival(time.monotonic(), len(data))
        response = Fields(data)
        await self._send(Request(SERVICE_ENTRY, response.text(1), response.text(5), Node("bench", "istio-system")))
        return arrival

    def close(self) -> None:
        """Drop the connection and the stream on it."""
        self._connection.close()

    async def _send(self, request: Request) -> None:
        assert self._stream is not None
        await self._stream.send(self._codec.encode_request(request))


async def first_answer(port: int) -> tuple[Probe, Arrival]:
    """Connect as soon as the port opens and wait for the first answer; the caller closes the probe."""
    while True:
        probe = Probe(port)
        try:
            await probe.open()
            return probe, await probe.next()
        except StreamEnded:
            probe.close()
            await asyncio.sleep(_RETRY_S)
