"""Messages on a grpclib stream, as bytes, with the limits that grpclib has not.

grpclib's own send copies the whole message to put five bytes in front of it and then writes it frame by frame, and
its receive believes any announced length. Both are done here on its HTTP/2 stream, a private attribute: grpclib is
pinned to the exact version.
"""

import asyncio
import struct
from typing import Any, Final

from grpclib.const import Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError
from grpclib.protocol import Stream as HttpStream
from grpclib.server import Stream
from h2.connection import ConnectionInputs
from h2.errors import ErrorCodes
from h2.stream import StreamInputs

from meshregistry.xds.encode import Message
from meshregistry.xds.pacer import Pacer

ByteStream = Stream[bytes, bytes]

_FRAME = struct.Struct(">?I")
_DATA_HEAD = struct.Struct(">BHHI")
"""The head of a DATA frame (RFC 9113, 4.1): length in 24 bits, type 0 and no flags in 16, stream."""

_WRITE_BYTES: Final = 256 * 1024
"""Most that is written at once, and about what is written in one turn: 0.1 to 0.3 ms."""

_WHOLE_BYTES: Final = 64 * 1024
"""A message up to this size is one part."""


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
    """Send one response, some chunks per turn; nothing else runs after the last byte.

    Raises:
        TimeoutError: the client took nothing for `timeout_s`. A part of the message may be out, so the stream is dead.
    Cancelling leaves the stream dead, too.
    """
    head = _FRAME.pack(False, message.size) + message.head
    if message.size <= _WHOLE_BYTES:
        await _send_part(stream._stream, b"".join((head, *message.body.chunks, message.tail)), timeout_s, pacer)
        return
    await _send_part(stream._stream, head, timeout_s, pacer)
    written = 0
    for chunk in message.body.chunks:
        await _send_part(stream._stream, chunk, timeout_s, pacer)
        written += len(chunk)
        if written >= _WRITE_BYTES:
            await pacer.turn()
            written = 0
    await _send_part(stream._stream, message.tail, timeout_s, pacer)


async def _send_part(stream: HttpStream, part: bytes, timeout_s: float, pacer: Pacer) -> None:
    assert stream.id is not None
    rest = memoryview(part)
    async with asyncio.timeout(timeout_s):
        while rest:
            if not stream.connection.write_ready.is_set():
                await stream.connection.write_ready.wait()
                await pacer.turn()
                continue
            window = stream._h2_connection.local_flow_control_window(stream.id)
            if window <= 0:
                stream.window_updated.clear()
                await stream.window_updated.wait()
                # Many clients may grant at once; and other streams of the connection may be quicker.
                await pacer.turn()
                continue
            size = min(window, _WRITE_BYTES)
            _write_frames(stream, stream.id, rest[:size])
            rest = rest[size:]


def _write_frames(stream: HttpStream, stream_id: int, data: memoryview) -> None:
    """Write data that the flow-control window allows as DATA frames, at once; h2 itself makes one frame at a time.

    Raises:
        ProtocolError: the stream or the connection has ended.
    """
    h2 = stream._h2_connection
    h2_stream = h2.streams[stream_id]
    h2.state_machine.process_input(ConnectionInputs.SEND_DATA)
    h2_stream.state_machine.process_input(StreamInputs.SEND_DATA)
    h2.outbound_flow_control_window -= len(data)
    h2_stream.outbound_flow_control_window -= len(data)
    # What h2 has made goes first: frames keep their order.
    wire: list[bytes | memoryview] = [h2.data_to_send()]
    for start in range(0, len(data), h2.max_outbound_frame_size):
        payload = data[start : start + h2.max_outbound_frame_size]
        wire += _DATA_HEAD.pack(len(payload) >> 16, len(payload) & 0xFFFF, 0, stream_id), payload
    stream._transport.write(b"".join(wire))
    stream.data_sent += len(data)
    stream.connection.data_sent += len(data)
    stream.connection.data_send_process()


def abort(stream: ByteStream) -> None:
    """End a stream at once without trailers, for these would wait for a client that does not read."""
    if stream._stream.closable:
        stream._stream.reset_nowait(ErrorCodes.CANCEL)
    stream._cancel_done = True
