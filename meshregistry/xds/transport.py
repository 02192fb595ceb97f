"""Messages on a grpclib stream, as bytes, with the limits that grpclib has not.

grpclib's own send copies the whole message to put five bytes in front of it and then writes it frame by frame. It is
done here on its HTTP/2 stream, a private attribute: grpclib is pinned to the exact version.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Iterable
from typing import Final

from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.protocol import Stream as HttpStream
from grpclib.server import Stream
from h2.connection import ConnectionInputs
from h2.errors import ErrorCodes
from h2.stream import StreamInputs

from meshregistry.grpc.messages import CompressedMessage, OversizedMessage, read_message, write_head
from meshregistry.xds.encode import Message
from meshregistry.xds.pacer import Pacer

ByteStream = Stream[bytes, bytes]

_DATA_HEAD = struct.Struct(">BHHI")
"""The head of a DATA frame (RFC 9113, 4.1): length in 24 bits, type 0 and no flags in 16, stream."""

_WRITE_BYTES: Final = 256 * 1024
"""Most that is written at once, and about what is written in one turn: 0.1 to 0.3 ms."""

_PART_BYTES: Final = 64 * 1024
"""A client that takes less than this within the send timeout does not read."""


async def receive(stream: ByteStream, max_bytes: int) -> bytes | None:
    """Return the next request; None when the client has ended its side. Cancelling loses the stream's place.

    Raises:
        GRPCError: the request is compressed, larger than `max_bytes`, or cut off.
    """
    try:
        return await read_message(stream._stream, max_bytes)
    except CompressedMessage as error:
        raise GRPCError(Status.UNIMPLEMENTED, "compressed requests are not supported") from error
    except OversizedMessage as error:
        text = f"request of {error.size} bytes, at most {max_bytes} are accepted"
        raise GRPCError(Status.RESOURCE_EXHAUSTED, text) from error
    except AssertionError as error:
        # This is how grpclib says that the client ended its side in the middle of a message.
        raise GRPCError(Status.INVALID_ARGUMENT, "request is cut off") from error


async def send(stream: ByteStream, message: Message, timeout_s: float, pacer: Pacer) -> None:
    """Send one response, some of it per turn; nothing else runs after the last byte.

    Raises:
        TimeoutError: the client took less than a part (64 KB, or the rest) in `timeout_s`. Some of the message may be
            out, so the stream is dead.
    Cancelling leaves the stream dead, too.
    """
    head = write_head(message.size) + message.head
    parts = _Parts((head, *message.body.chunks, message.tail))
    clock = asyncio.get_running_loop().time
    async with asyncio.timeout(timeout_s) as limit:
        unproven = 0
        while True:
            window = await _await_room(stream._stream, pacer)
            written = _write_frames(stream._stream, parts, min(window, _WRITE_BYTES))
            if not parts.left:
                return
            unproven += written
            if unproven >= _PART_BYTES:
                limit.reschedule(clock() + timeout_s)
                unproven = 0
            await pacer.turn()


class _Parts:
    """What is left of a message, handed out without copying."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = deque(memoryview(chunk) for chunk in chunks)
        self.left = sum(map(len, self._chunks))

    def take(self, size: int) -> list[memoryview]:
        """Return the next `size` bytes, or what is left."""
        taken: list[memoryview] = []
        while size and self._chunks:
            chunk = self._chunks.popleft()
            if len(chunk) > size:
                self._chunks.appendleft(chunk[size:])
                chunk = chunk[:size]
            taken.append(chunk)
            size -= len(chunk)
            self.left -= len(chunk)
        return taken


async def _await_room(stream: HttpStream, pacer: Pacer) -> int:
    """Wait until the socket and the flow-control windows take something; return how much the windows do."""
    assert stream.id is not None
    while True:
        if not stream.connection.write_ready.is_set():
            await stream.connection.write_ready.wait()
        elif (window := stream._h2_connection.local_flow_control_window(stream.id)) > 0:
            return window
        else:
            stream.window_updated.clear()
            await stream.window_updated.wait()
        # Many clients may grant at once; and other streams of the connection may be quicker.
        await pacer.turn()


def _write_frames(stream: HttpStream, parts: _Parts, most: int) -> int:
    """Write up to `most` bytes, which the windows allow, as DATA frames, at once; h2 itself makes one at a time.

    Returns the number of bytes.

    Raises:
        ProtocolError: the stream or the connection has ended.
    """
    assert stream.id is not None
    h2 = stream._h2_connection
    h2_stream = h2.streams[stream.id]
    h2.state_machine.process_input(ConnectionInputs.SEND_DATA)
    h2_stream.state_machine.process_input(StreamInputs.SEND_DATA)
    size = min(most, parts.left)
    h2.outbound_flow_control_window -= size
    h2_stream.outbound_flow_control_window -= size
    # What h2 has made goes first: frames keep their order.
    wire: list[bytes | memoryview] = [h2.data_to_send()]
    for start in range(0, size, h2.max_outbound_frame_size):
        length = min(h2.max_outbound_frame_size, size - start)
        wire.append(_DATA_HEAD.pack(length >> 16, length & 0xFFFF, 0, stream.id))
        wire += parts.take(length)
    stream._transport.write(b"".join(wire))
    stream.data_sent += size
    stream.connection.data_sent += size
    stream.connection.data_send_process()
    return size


def abort(stream: ByteStream) -> None:
    """End a stream at once without trailers, for these would wait for a client that does not read."""
    if stream._stream.closable:
        stream._stream.reset_nowait(ErrorCodes.CANCEL)
    stream._cancel_done = True
