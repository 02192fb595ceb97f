"""Messages that are read from a stream: whole, within the limit and not compressed, or refused."""

from types import SimpleNamespace
from typing import cast

import pytest
from grpclib.protocol import Buffer
from grpclib.protocol import Stream as HttpStream

from meshregistry.grpc.messages import BytesCodec, CompressedMessage, OversizedMessage, read_message, write_head

pytestmark = pytest.mark.anyio

LIMIT = 100


def stream_of(*parts: bytes, ended: bool = True) -> HttpStream:
    """A stream on which these parts have arrived, each in a DATA frame of its own."""
    buffer = Buffer(lambda _: None)
    for part in parts:
        buffer.add(part, len(part))
    if ended:
        buffer.eof()
    return cast("HttpStream", SimpleNamespace(recv_data=buffer.read))


async def test_messages_are_read_one_after_the_other_up_to_the_end() -> None:
    stream = stream_of(write_head(5) + b"fi", b"rst" + write_head(0), write_head(6)[:2], write_head(6)[2:], b"second")

    assert [b"first", b"", b"second", None] == [await read_message(stream, LIMIT) for _ in range(4)]


async def test_a_message_as_long_as_the_limit_is_read() -> None:
    assert bytes(LIMIT) == await read_message(stream_of(write_head(LIMIT), bytes(LIMIT)), LIMIT)


async def test_a_message_beyond_the_limit_is_refused_when_its_size_is_announced() -> None:
    with pytest.raises(OversizedMessage, match=r"^a message of 101 bytes, at most 100 are accepted$") as refusal:
        await read_message(stream_of(write_head(LIMIT + 1), ended=False), LIMIT)
    assert LIMIT + 1 == refusal.value.size


async def test_a_compressed_message_is_refused() -> None:
    with pytest.raises(CompressedMessage, match=r"^compressed messages are not supported$"):
        await read_message(stream_of(b"\1" + write_head(5)[1:] + b"first"), LIMIT)


@pytest.mark.parametrize("cut", [write_head(5)[:4], write_head(5), write_head(5) + b"firs"])
async def test_a_stream_that_ends_inside_a_message_gives_none(cut: bytes) -> None:
    with pytest.raises(AssertionError):
        await read_message(stream_of(cut), LIMIT)


def test_messages_pass_through_as_the_bytes_they_are() -> None:
    codec = BytesCodec()

    assert (b"message", b"message") == (codec.encode(b"message", bytes), codec.decode(b"message", bytes))
