"""Nacos's gRPC envelope by hand: the product's own reading of it is generated, so neither can excuse the other.

Source: alibaba/nacos api/src/main/proto/nacos_grpc_service.proto. All fields are length-delimited:
Payload{2 Metadata{3 type, 7 headers{1 key, 2 value}, 8 clientIp}, 3 Any{1 type_url, 2 value}}.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import orjson

_LENGTH_DELIMITED = 2


class PayloadError(ValueError):
    """Bytes that are no payload."""


@dataclass(frozen=True, slots=True)
class Payload:
    """One message: `type` is its bare class name, `body` its JSON; headers travel beside the JSON."""

    type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    client_ip: str = ""

    def parsed(self) -> dict[str, object]:
        """The JSON object; raises PayloadError."""
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise PayloadError(f"{self.type}: {error}") from error
        if not isinstance(value, dict):
            raise PayloadError(f"{self.type}: not an object")
        return value


def pack(payload: Payload) -> bytes:
    """The payload as protobuf; `type_url` stays empty, as Nacos leaves it."""
    headers = (_field(7, _text(1, name) + _text(2, value)) for name, value in payload.headers.items())
    metadata = _text(3, payload.type) + b"".join(headers) + _text(8, payload.client_ip)
    return _field(2, metadata) + _field(3, _field(2, payload.body) if payload.body else b"")


def unpack(data: bytes) -> Payload:
    """The payload of these bytes; raises PayloadError."""
    type_, client_ip, body = "", "", b""
    headers: dict[str, str] = {}
    for number, value in _fields(data):
        for inner, part in _fields(value):
            match number, inner:
                case 2, 3:
                    type_ = part.decode()
                case 2, 7:
                    entry = dict(_fields(part))
                    headers[entry.get(1, b"").decode()] = entry.get(2, b"").decode()
                case 2, 8:
                    client_ip = part.decode()
                case 3, 2:
                    body = part
    return Payload(type_, body, headers, client_ip)


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        size, position = _varint(data, position)
        if tag & 7 != _LENGTH_DELIMITED or position + size > len(data):
            raise PayloadError(f"field {tag >> 3} is cut off or of another kind")
        yield tag >> 3, data[position : position + size]
        position += size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        shift += 7
        if byte < 0x80:
            return value, position
    raise PayloadError("a number is cut off")


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode()) if text else b""


def _field(number: int, value: bytes) -> bytes:
    return _number(number << 3 | _LENGTH_DELIMITED) + _number(len(value)) + value


def _number(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
