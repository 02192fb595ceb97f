"""An ADS server that does what a test tells it, stream by stream."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from envoy.service.discovery.v3 import discovery_pb2
from grpclib.const import Cardinality, Handler
from grpclib.server import Stream

from meshregistry.watch.families import ISTIOD_124
from meshregistry.watch.transport import METHOD
from tests.support import grpc_peer
from tests.support.watch_builders import SERVICE_ENTRY_URL, full, response_bytes

Script = Callable[[Stream[bytes, bytes]], Awaitable[None]]


@dataclass
class ScriptedServer:
    """Runs its scripts, one per stream; the last one serves every further stream."""

    scripts: list[Script]
    port: int = 0
    streams: int = 0
    requests: list[discovery_pb2.DiscoveryRequest] = field(default_factory=list)

    async def handle(self, stream: Stream[bytes, bytes]) -> None:
        """Run the script of this stream."""
        script = self.scripts[min(self.streams, len(self.scripts) - 1)]
        self.streams += 1
        await script(stream)

    def __mapping__(self) -> dict[str, Handler]:
        return {METHOD: Handler(self.handle, Cardinality.STREAM_STREAM, bytes, bytes)}

    async def read(self, stream: Stream[bytes, bytes], count: int) -> list[discovery_pb2.DiscoveryRequest]:
        """Read so many requests."""
        received = []
        for _ in range(count):
            data = await stream.recv_message()
            assert data is not None
            received.append(discovery_pb2.DiscoveryRequest.FromString(data))
        self.requests += received
        return received


@asynccontextmanager
async def serving(*scripts: Script) -> AsyncIterator[ScriptedServer]:
    """A server on a free port."""
    ads = ScriptedServer(list(scripts))
    async with grpc_peer.serving(ads) as ads.port:
        yield ads


async def answer_everything(stream: Stream[bytes, bytes], ads: ScriptedServer) -> list[discovery_pb2.DiscoveryRequest]:
    """Read the first requests of a 1.24 client and answer each; one ServiceEntry, nothing else."""
    first = await ads.read(stream, len(ISTIOD_124.types))
    for index, request in enumerate(first):
        entries = [full()] if request.type_url == SERVICE_ENTRY_URL else []
        await stream.send_message(response_bytes(*entries, type_url=request.type_url, nonce=f"n{index}"))
    return first


async def idle(stream: Stream[bytes, bytes]) -> None:
    """Keep the stream open and silent until the client goes."""
    while await stream.recv_message() is not None:
        pass
