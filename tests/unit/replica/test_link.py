"""The stream to a sibling: what it says that is none of it ends the stream, and nothing else."""

import pytest
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.any_pb2 import Any

from meshregistry.replica.link import Delivery, SiblingLost, follow
from meshregistry.replica.options import ReplicaOptions
from meshregistry.sources.cancellation import run_apart
from tests.support.grpc_peer import serving
from tests.support.scripted_sibling import ByteStream, Sibling

pytestmark = pytest.mark.anyio

PATIENT = ReplicaOptions((), connect_timeout_s=5.0)


async def deliveries(answer: bytes, options: ReplicaOptions = PATIENT) -> tuple[list[Delivery], str, bytes]:
    """Follow a sibling that answers once; returns what it delivered, how it was lost, and what it heard then."""
    taken: list[Delivery] = []
    heard = b""

    async def tell(stream: ByteStream) -> None:
        nonlocal heard
        await stream.recv_message()
        await stream.send_message(answer)
        heard = await stream.recv_message() or b""

    def take(delivery: Delivery) -> bool:
        taken.append(delivery)
        return False

    async with serving(Sibling(tell)) as port:
        with pytest.raises(SiblingLost) as lost:
            await run_apart(lambda: follow(("127.0.0.1", port), "type", options, take))
    return taken, str(lost.value), heard


def deep_metadata(levels: int) -> bytes:
    """A response whose resource has nested metadata; written by hand, as no library writes so many levels."""
    value = b""
    for _ in range(levels):
        value = field(5, field(1, field(1, b"k") + field(2, value)))
    metadata = field(1, field(1, b"f") + field(2, field(1, field(1, b"k") + field(2, value))))
    return field(2, field(3, b"head") + field(9, metadata))


def field(number: int, content: bytes) -> bytes:
    size, rest = b"", len(content)
    while rest > 0x7F:
        size, rest = size + bytes((rest & 0x7F | 0x80,)), rest >> 7
    return bytes((number << 3 | 2,)) + size + bytes((rest,)) + content


async def test_resources_and_removals_are_read_as_google_writes_them_and_acknowledged() -> None:
    response = discovery_pb2.DeltaDiscoveryResponse(nonce="7", removed_resources=["gone"])
    response.resources.add(name="head", version="1").resource.CopyFrom(Any(type_url="t", value=b"payload"))
    response.resources.add(name="empty")

    taken, _, acknowledged = await deliveries(response.SerializeToString())

    assert [Delivery({"head": b"payload", "empty": b""}, ("gone",))] == taken
    assert "7" == discovery_pb2.DeltaDiscoveryRequest.FromString(acknowledged).response_nonce


@pytest.mark.parametrize("answer", [b"\xff\xff", b"\x12\x05ab", b"\x12\x03\x1a\x01\xff", field(6, b"") * 10_001])
async def test_garbage_ends_the_stream(answer: bytes) -> None:
    taken, reason, _ = await deliveries(answer)

    assert [] == taken
    assert "not protobuf" in reason or "too many names" in reason


async def test_a_message_beyond_the_limit_ends_the_stream_before_it_is_read() -> None:
    options = ReplicaOptions((), connect_timeout_s=5.0, max_message_bytes=100)

    taken, reason, _ = await deliveries(bytes(101), options)

    assert [] == taken
    assert reason.endswith("a message of 101 bytes, at most 100 are taken (replicas.max_message_bytes)")


async def test_metadata_without_an_end_is_passed_over() -> None:
    taken, _, _ = await deliveries(deep_metadata(6_000))

    assert [Delivery({"head": b""}, ())] == taken
