"""One gRPC stream over as little HTTP/2 as it takes, so that a hundred clients fit into one process.

A general HTTP/2 library spends as much on reading a response as the server on writing it, so on two cores it would
measure itself. Windows and the pace of their updates are those of grpc-go as istiod configures it (1 MiB, a quarter).
Frames: RFC 9113, section 6; headers: RFC 7541, literals without indexing (section 6.2.2).
"""

import asyncio
import struct
from typing import Protocol, cast

from meshregistry.wire.protobuf import varint

_WINDOW = 1 << 20
_STREAM = 1
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_ACK = _END_STREAM = 1
_END_HEADERS = 4
_FRAME_HEAD = 9
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_MESSAGE_HEAD = struct.Struct(">?I")


class Receiver(Protocol):
    """Who is told of what arrives."""

    def take(self, payload: memoryview) -> None:
        """Take the next part of the stream's data; the view is valid only during the call."""

    def end(self, reason: str) -> None:
        """The stream is over."""


class StreamProtocol(asyncio.BufferedProtocol):
    """One connection with one stream; the stream is opened with the connection."""

    def __init__(self, path: str, receiver: Receiver) -> None:
        self._path = path
        self._receiver = receiver
        self._buffer = bytearray(_WINDOW // 4)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._unacknowledged = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello and open the stream."""
        self._transport = cast("asyncio.Transport", transport)
        window = struct.pack(">HI", 4, _WINDOW)
        hello = _frame(_SETTINGS, 0, 0, window) + _frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _WINDOW - 65535))
        self._transport.write(_PREFACE + hello + _frame(_HEADERS, _END_HEADERS, _STREAM, _headers(self._path)))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the receiver."""
        self._transport = None
        self._receiver.end(f"connection lost: {exc}")

    def send(self, message: bytes) -> None:
        """Send one message; requests are far smaller than any window."""
        if self._transport is not None:
            data = _MESSAGE_HEAD.pack(False, len(message)) + message
            self._transport.write(_frame(_DATA, 0, _STREAM, data))

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the free part of the buffer; a frame is at most 16 KiB, so there always is one."""
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Read every complete frame and keep the rest."""
        self._filled += nbytes
        start = 0
        while self._filled - start >= _FRAME_HEAD:
            size = int.from_bytes(self._view[start : start + 3], "big")
            end = start + _FRAME_HEAD + size
            if end > self._filled:
                break
            self._read_frame(self._buffer[start + 3], self._buffer[start + 4], self._view[start + _FRAME_HEAD : end])
            start = end
        rest = self._filled - start
        self._buffer[:rest] = self._buffer[start : self._filled]
        self._filled = rest

    def _read_frame(self, kind: int, flags: int, payload: memoryview) -> None:
        if kind == _DATA:
            self._receiver.take(payload)
            self._grant(len(payload))
        elif kind == _SETTINGS and not flags & _ACK:
            self._write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self._write(_frame(_PING, _ACK, 0, bytes(payload)))
        elif kind in (_RESET, _GOAWAY) or (kind == _HEADERS and flags & _END_STREAM):
            self._receiver.end(f"frame of type {kind}: {bytes(payload)!r}")

    def _grant(self, size: int) -> None:
        self._unacknowledged += size
        if self._unacknowledged >= _WINDOW // 4:
            update = struct.pack(">I", self._unacknowledged)
            self._write(_frame(_WINDOW_UPDATE, 0, 0, update) + _frame(_WINDOW_UPDATE, 0, _STREAM, update))
            self._unacknowledged = 0

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def _headers(path: str) -> bytes:
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "benchmark",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields.items())


def _text(value: str) -> bytes:
    assert len(value) < 127, "longer lengths are encoded differently"
    return varint(len(value)) + value.encode()
