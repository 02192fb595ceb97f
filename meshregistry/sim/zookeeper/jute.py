"""Jute, the encoding of ZooKeeper's messages: big-endian numbers, strings and vectors behind a four-byte length."""

import struct
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

_INT = struct.Struct(">i")
_LONG = struct.Struct(">q")


class Malformed(Exception):
    """A message that ends before its last field or holds what no field may hold."""


class Reader:
    """Reads field after field; every method raises Malformed when the bytes do not suffice."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def int32(self) -> int:
        """A signed 32-bit number."""
        return self._number(_INT)

    def int64(self) -> int:
        """A signed 64-bit number."""
        return self._number(_LONG)

    def boolean(self) -> bool:
        """One byte."""
        return self._take(1) != b"\0"

    def buffer(self) -> bytes:
        """Bytes with their length before them; the length -1 means none and is read as empty."""
        return self._take(max(self.int32(), 0))

    def string(self) -> str:
        """A UTF-8 string."""
        try:
            return self.buffer().decode()
        except UnicodeDecodeError as error:
            raise Malformed(str(error)) from error

    def vector(self, read: Callable[[], T]) -> list[T]:
        """So many of them as the number in front says."""
        return [read() for _ in range(max(self.int32(), 0))]

    def _number(self, form: struct.Struct) -> int:
        number: int = form.unpack(self._take(form.size))[0]
        return number

    def _take(self, size: int) -> bytes:
        end = self._position + size
        if end > len(self._data):
            raise Malformed(f"{size} bytes wanted at {self._position} of {len(self._data)}")
        taken = self._data[self._position : end]
        self._position = end
        return taken


def int32(value: int) -> bytes:
    """Encode a signed 32-bit number."""
    return _INT.pack(value)


def int64(value: int) -> bytes:
    """Encode a signed 64-bit number."""
    return _LONG.pack(value)


def boolean(value: bool) -> bytes:
    """Encode one byte."""
    return b"\1" if value else b"\0"


def buffer(value: bytes) -> bytes:
    """Encode bytes with their length."""
    return _INT.pack(len(value)) + value


def string(value: str) -> bytes:
    """Encode a UTF-8 string."""
    return buffer(value.encode())


def vector(values: Iterable[bytes]) -> bytes:
    """Encode a vector of what is already encoded."""
    each = list(values)
    return _INT.pack(len(each)) + b"".join(each)


def frame(payload: bytes) -> bytes:
    """A packet: its length, then itself."""
    return _INT.pack(len(payload)) + payload
