"""The envelope of Nacos's gRPC API: type, headers and a JSON body (`nacos_grpc_service.proto`); pure.

Read and written by hand: the generated classes take a quarter of a millisecond for each payload, which is seconds
for the subscriptions of a large registry.
"""

from collections.abc import Mapping
from typing import NamedTuple

from meshregistry.errors import SourceDataError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_METADATA, _BODY = 2, 3
_TYPE, _HEADERS, _CLIENT_IP = 3, 7, 8
_KEY, _VALUE = 1, 2
_ANY_VALUE = 2
_LONGEST_VARINT_BITS = 63


class Payload(NamedTuple):
    """One message: the bare class name that selects the schema, and the JSON."""

    type: str
    body: bytes


def encode_payload(message: Payload, headers: Mapping[str, str], client_ip: str = "") -> bytes:
    """Return a message's bytes; the headers belong to the request, not to the connection."""
    metadata = _text(_TYPE, message.type)
    metadata += b"".join(_field(_HEADERS, _text(_KEY, key) + _text(_VALUE, value)) for key, value in headers.items())
    metadata += _text(_CLIENT_IP, client_ip)
    return _field(_METADATA, metadata) + _field(_BODY, _field(_ANY_VALUE, message.body))


def decode_payload(data: bytes) -> Payload:
    """Return the message in the bytes; headers and address are not looked at. Raises SourceDataError."""
    fields = _blocks(data)
    try:
        kind = _blocks(fields.get(_METADATA, b"")).get(_TYPE, b"").decode()
    except UnicodeDecodeError as error:
        raise SourceDataError("payload not understood: its type is no text") from error
    return Payload(kind, _blocks(fields.get(_BODY, b"")).get(_ANY_VALUE, b""))


def _text(number: int, value: str) -> bytes:
    return _field(number, value.encode("utf-8", "replace")) if value else b""


def _field(number: int, block: bytes) -> bytes:
    return bytes((number << 3 | _BYTES,)) + _varint(len(block)) + block


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _blocks(data: bytes) -> dict[int, bytes]:
    """Return the length-delimited fields of a message by number; the last of several wins, as in protobuf."""
    blocks: dict[int, bytes] = {}
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        kind = tag & 7
        if kind == _VARINT:
            _, position = _read_varint(data, position)
            continue
        if kind == _BYTES:
            size, position = _read_varint(data, position)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise SourceDataError(f"payload not understood: wire type {kind}")
        if position + size > len(data):
            raise SourceDataError("payload not understood: cut off")
        if kind == _BYTES:
            blocks[tag >> 3] = data[position : position + size]
        position += size
    return blocks


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > _LONGEST_VARINT_BITS:
            break
    raise SourceDataError("payload not understood: cut off")
