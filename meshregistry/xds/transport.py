"""Messages on a grpclib stream, as bytes, with the limits that grpclib has not.

grpclib's own send copies the whole message to put five bytes in front of it, and its receive believes any announced
length. Both are done here on its HTTP/2 stream, a private attribute: grpclib is pinned to the exact version.
"""

import asyncio
import struct
from typing import Any

from grpclib.const import Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError
from grpclib.server import Stream
from h2.errors import ErrorCodes

from meshregistry.xds.encode import Message
from meshregistry.xds.pacer import Pacer

ByteStream = Stream[bytes, bytes]

_FRAME = struct.Struct(">?I")


class BytesCodec(CodecBase):
    """Passes messages through as the bytes they are."""

    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:
        """Return the message, which is bytes already."""
        return bytes(message)

    def decode(self, data: bytes, message_type: Any) -> bytes:
        """Return the data."""
        return data


async def receive(stream: ByteStream, max_bytes: int) -> bytes | None:
    """Return the next request; None when the client has ended its side. Cancelling loses the stream's place.

    Raises:
        GRPCError: the request is compressed, larger than `max_bytes`, or cut off.
    """
    frame = await _read(stream, _FRAME.size)
    if not frame:
        return None
    compressed, size = _FRAME.unpack(frame)
    if compressed:
        raise GRPCError(Status.UNIMPLEMENTED, "compressed requests are not supported")
    if size > max_bytes:
        raise GRPCError(Status.RESOURCE_EXHAUSTED, f"request of {size} bytes, at most {max_bytes} are accepted")
    return await _read(stream, size)


async def _read(stream: ByteStream, size: int) -> bytes:
    try:
        return await stream._stream.recv_data(size)
    except AssertionError as error:
        # This is how grpclib says that the client ended its side in the middle of a message.
        raise GRPCError(Status.INVALID_ARGUMENT, "request is cut off") from error


async def send(stream: ByteStream, message: Message, timeout_s: float, pacer: Pacer) -> None:
    """Send one response, one chunk per turn; nothing else runs after the last byte.

    Raises:
        TimeoutError: the client took nothing for `timeout_s`. A part of the message may be out, so the stream is dead.
    Cancelling leaves the stream dead, too.
    """
    await _send_part(stream, _FRAME.pack(False, message.size) + message.head, timeout_s)
    for chunk in message.body.chunks:
        await _send_part(stream, chunk, timeout_s)
        await pacer.turn()
    await _send_part(stream, message.tail, timeout_s)


async def _send_part(stream: ByteStream, part: bytes, timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        await stream._stream.send_data(part)


def abort(stream: ByteStream) -> None:
    """End a stream at once without trailers, for these would wait for a client that does not read."""
    if stream._stream.closable:
        stream._stream.reset_nowait(ErrorCodes.CANCEL)
    stream._cancel_done = True
