"""ZooKeeper's serialisation: big-endian numbers, strings and buffers after their length. Pure."""

import struct
from collections.abc import Iterable

from meshregistry.sources.zookeeper.session.errors import MalformedAnswer

_INT = struct.Struct(">i")


def pack_buffer(data: bytes) -> bytes:
    """Return a buffer."""
    return _INT.pack(len(data)) + data


def pack_text(text: str) -> bytes:
    """Return a string."""
    return pack_buffer(text.encode())


def pack_texts(texts: Iterable[str]) -> bytes:
    """Return a vector of strings."""
    packed = [pack_text(text) for text in texts]
    return _INT.pack(len(packed)) + b"".join(packed)


def read_int(body: bytes, at: int) -> int:
    """Return the int32 at an offset; raises MalformedAnswer."""
    if at + 4 > len(body):
        raise MalformedAnswer(f"{len(body)} bytes, an int was expected at {at}")
    value: int = _INT.unpack_from(body, at)[0]
    return value


def read_buffer(body: bytes, at: int) -> tuple[bytes, int]:
    """Return the buffer at an offset, b"" for null, and the offset after it; raises MalformedAnswer."""
    length, start = max(read_int(body, at), -1), at + 4
    end = start + max(length, 0)
    if end > len(body):
        raise MalformedAnswer(f"a buffer of {length} bytes at {at} of {len(body)}")
    return body[start:end], end


def read_text(body: bytes, at: int) -> tuple[str, int]:
    """Return the string at an offset and the offset after it; raises MalformedAnswer."""
    data, end = read_buffer(body, at)
    return _text(data), end


def read_texts(body: bytes, at: int = 0) -> tuple[str, ...]:
    """Return the vector of strings at an offset; raises MalformedAnswer. The hot path of a listing."""
    count, position, length = read_int(body, at), at + 4, len(body)
    if not -1 <= count <= (length - position) // 4:
        raise MalformedAnswer(f"{count} strings in {length} bytes")
    unpack = _INT.unpack_from
    texts = []
    try:
        for _ in range(count):
            end = position + 4 + unpack(body, position)[0]
            if not position + 4 <= end <= length:
                raise MalformedAnswer(f"a string from {position} to {end} of {length} bytes")
            texts.append(body[position + 4 : end].decode())
            position = end
    except (struct.error, UnicodeDecodeError) as error:
        raise MalformedAnswer(f"a bad string at {position}: {error}") from error
    return tuple(texts)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise MalformedAnswer(f"text that is not UTF-8: {error}") from error
