"""Reads messages as bytes from grpclib's streams, with the limit that grpclib has not.

grpclib's own receive believes any announced length. Here the length is checked first, on the HTTP/2 stream below, a
private attribute: grpclib is pinned to the exact version.
"""

import struct
from typing import Any

from grpclib.client import Stream
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from grpclib.protocol import Stream as HttpStream
from h2.exceptions import H2Error

_HEAD = struct.Struct(">?I")
"""What precedes a message: whether it is compressed, and its size in bytes."""

STREAM_FAILURES = (
    GRPCError,
    ProtocolError,
    StreamTerminatedError,
    H2Error,
    OSError,
    AssertionError,  # grpclib: the stream ended inside a message
    struct.error,  # grpclib: the stream ended inside a message header
)
"""What grpclib lets out of a client's stream when it ends otherwise than it should."""


class CompressedMessage(ProtocolError):
    """A message is compressed, which is not supported."""


class OversizedMessage(Exception):
    """A message is announced that is larger than what is accepted; nothing of it has been read."""

    def __init__(self, size: int, max_bytes: int) -> None:
        super().__init__(f"a message of {size} bytes, at most {max_bytes} are accepted")
        self.size = size


class BytesCodec(CodecBase):
    """Passes messages through as the bytes they are."""

    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: object) -> bytes:
        """Return the message, which is bytes already."""
        return bytes(message)

    def decode(self, data: bytes, message_type: object) -> bytes:
        """Return the data."""
        return data


def write_head(size: int) -> bytes:
    """Return the bytes that precede a message of this size."""
    return _HEAD.pack(False, size)


async def receive(stream: Stream[bytes, bytes], max_bytes: int) -> bytes | None:
    """Return the next message for a client, None at the end; the server's metadata is awaited before the first.

    Raises OversizedMessage and STREAM_FAILURES, CompressedMessage among them. Cancelling loses the stream's place.
    """
    if not stream._recv_initial_metadata_done:
        await stream.recv_initial_metadata()
    # Only inside its wrapper does a wait end when the stream or the connection does.
    with stream._wrapper:
        return await read_message(stream._stream, max_bytes)


async def read_message(stream: HttpStream, max_bytes: int) -> bytes | None:
    """Return the next message on either side of an HTTP/2 stream, None at the end.

    Raises CompressedMessage, OversizedMessage, and AssertionError, as grpclib does, where the stream ends inside a
    message. Cancelling loses the stream's place.
    """
    head = await stream.recv_data(_HEAD.size)
    if not head:
        return None
    compressed, size = _HEAD.unpack(head)
    if compressed:
        raise CompressedMessage("compressed messages are not supported")
    if size > max_bytes:
        raise OversizedMessage(size, max_bytes)
    message = await stream.recv_data(size)
    if len(message) < size:
        # grpclib says so itself, unless not a byte of the message has come.
        raise AssertionError("Received less data than expected")
    return message
