"""Bytes into frames: each is a big-endian int32 length and so many bytes. Pure and incremental."""

import struct
from collections.abc import Iterator

from meshregistry.sources.zookeeper.session.errors import ProtocolFault

_LENGTH = struct.Struct(">i")


class FrameReader:
    """Owner of the bytes that came and are not yet a whole frame."""

    def __init__(self, max_frame_bytes: int) -> None:
        self._max = max_frame_bytes
        self._buffer = bytearray()

    @property
    def within_frame(self) -> bool:
        """Whether a frame has begun and has not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take what came and yield the frames that are whole, without their lengths.

        Raises ProtocolFault, after the frames before it, for a length that is negative or above the limit.
        """
        buffer = self._buffer
        buffer += data
        start, available = 0, len(buffer)
        try:
            while available - start >= 4:
                length = self._checked(_LENGTH.unpack_from(buffer, start)[0])
                end = start + 4 + length
                if end > available:
                    break
                frame = bytes(buffer[start + 4 : end])
                start = end
                yield frame
        finally:
            del buffer[:start]

    def _checked(self, length: int) -> int:
        if length < 0:
            raise ProtocolFault(f"a frame of negative length ({length})")
        if length > self._max:
            raise ProtocolFault(f"a frame of {length} bytes, more than the allowed {self._max}")
        return length


def framed(body: bytes) -> bytes:
    """Return a frame."""
    return _LENGTH.pack(len(body)) + body
