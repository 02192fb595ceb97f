"""A sibling that says what a test wants it to say; served by `grpc_peer`."""

from collections.abc import Awaitable, Callable, Mapping

from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.any_pb2 import Any
from grpclib.const import Cardinality, Handler
from grpclib.server import Stream

from meshregistry.replica.state import cut_state
from meshregistry.store.saved import read_head

ByteStream = Stream[bytes, bytes]
Script = Callable[[ByteStream], Awaitable[None]]

_METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"


class Sibling:
    """Runs its script for every stream; counts them."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.streams = 0

    async def handle(self, stream: ByteStream) -> None:
        """Serve one stream."""
        self.streams += 1
        await self._script(stream)

    def __mapping__(self) -> dict[str, Handler]:
        return {_METHOD: Handler(self.handle, Cardinality.STREAM_STREAM, bytes, bytes)}


def answer(pieces: Mapping[str, bytes]) -> bytes:
    """Return a response with these resources."""
    response = discovery_pb2.DeltaDiscoveryResponse(nonce="1")
    for name, piece in pieces.items():
        response.resources.add(name=name, version="1").resource.CopyFrom(Any(type_url="t", value=piece))
    return bytes(response.SerializeToString())


def telling(state: bytes, as_of: float | None = None, *, left_out: int = 0) -> Script:
    """Tell a state piece by piece, as of its own time; the last pieces may be left out, and the stream ends."""
    pieces = list(cut_state(state, read_head(state).as_of if as_of is None else as_of).items())

    async def tell(stream: ByteStream) -> None:
        await stream.recv_message()
        for name, piece in pieces[: len(pieces) - left_out]:
            await stream.send_message(answer({name: piece}))
            await stream.recv_message()

    return tell


async def silent(stream: ByteStream) -> None:
    """Take everything and say nothing."""
    while await stream.recv_message() is not None:
        pass
