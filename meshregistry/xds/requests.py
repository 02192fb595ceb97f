"""Read discovery requests of both dialects into one record.

The bytes come from strangers. betterproto's codec recurses for each level of the node's metadata, a Struct, and a
request of 60 KB with 5,000 levels overflows its stack and ends the process, so the few fields we need are read here,
without recursion. Everything else is skipped, as protobuf asks.
Field numbers: discovery.proto and base.proto of envoy, struct.proto and status.proto of google.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from meshregistry.errors import AdsProtocolError

_GENERATOR: Final = "GENERATOR"
_REVISION: Final = "ISTIO_REVISION"

_LENGTH_DELIMITED: Final = 2
_FIXED: Final = {1: 8, 5: 4}
_MAX_FIELDS: Final = 250_000
"""In one request, over all levels: 80,000 initial versions, and about 0.2 s of a hostile client's pleasure."""


class Node(msgspec.Struct, frozen=True):
    """Who the client says it is."""

    id: str = ""
    generator: str = ""
    """Node metadata GENERATOR; "api" asks for configuration over MCP."""

    revision: str = ""
    """Node metadata ISTIO_REVISION: comma separated, "" for none."""

    marked: bool = False
    """The metadata key of the incremental dialect is there, and its value is not one that says no."""


class Refusal(msgspec.Struct, frozen=True):
    """`error_detail` of a NACK."""

    code: int
    message: str


class Request(msgspec.Struct, frozen=True):
    """One request, of either dialect."""

    type_url: str
    nonce: str = ""
    version: str = ""
    """SotW: the version the client holds; informative, never compared."""

    node: Node | None = None
    error: Refusal | None = None
    names: tuple[str, ...] = ()
    """SotW: the whole list the client wants from now on."""

    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_versions: Mapping[str, str] = {}


def read_sotw(data: bytes, marker: str = "") -> Request:
    """Decode a DiscoveryRequest; `marker` is the node metadata key to look for, if any.

    Raises:
        AdsProtocolError: the bytes are not one.
    """
    fields = _Fields(data)
    return Request(
        type_url=fields.text(4),
        nonce=fields.text(5),
        version=fields.text(1),
        node=_read_node(fields, 2, marker),
        error=_read_refusal(fields, 6),
        names=fields.texts(3),
    )


def read_delta(data: bytes) -> Request:
    """Decode a DeltaDiscoveryRequest.

    Raises:
        AdsProtocolError: the bytes are not one.
    """
    fields = _Fields(data)
    return Request(
        type_url=fields.text(2),
        nonce=fields.text(6),
        node=_read_node(fields, 1),
        error=_read_refusal(fields, 7),
        subscribe=fields.texts(3),
        unsubscribe=fields.texts(4),
        initial_versions={entry.text(1): entry.text(2) for entry in fields.messages(5)},
    )


def read_health_service(data: bytes) -> str:
    """Decode a grpc.health.v1.HealthCheckRequest and return its service name.

    Raises:
        AdsProtocolError: the bytes are not one.
    """
    return _Fields(data).text(1)


def _read_node(fields: "_Fields", number: int, marker: str = "") -> Node | None:
    if not fields.blocks(number):
        return None
    node = fields.message(number)
    values = {_GENERATOR: "", _REVISION: ""}
    marked = False
    for entry in node.message(3).messages(1):
        key = entry.text(1)
        if key in values:
            values[key] = entry.message(2).text(3)
        if marker and key == marker:
            marked = _is_yes(entry.message(2))
    return Node(node.text(1), values[_GENERATOR], values[_REVISION], marked)


def _is_yes(value: "_Fields") -> bool:
    # google.protobuf.Value: 3 is a string, 4 a boolean. Environment variables become strings.
    return value.text(3).strip().lower() not in ("", "0", "f", "false") or value.number(4) == 1


def _read_refusal(fields: "_Fields", number: int) -> Refusal | None:
    if not fields.blocks(number):
        return None
    status = fields.message(number)
    code = status.number(1)
    return Refusal(code - (1 << 64) if code >> 63 else code, status.text(2))


class _Fields:
    """The fields of one message, by number; of repeated scalars the last counts.

    `budget` is how many more fields the request may have; all levels of one request share it.
    """

    __slots__ = ("_blocks", "_budget", "_numbers")

    def __init__(self, data: bytes, budget: Iterator[int] | None = None) -> None:
        self._blocks: dict[int, list[bytes]] = {}
        self._numbers: dict[int, int] = {}
        self._budget = iter(range(_MAX_FIELDS)) if budget is None else budget
        for number, value in _scan(data):
            if next(self._budget, None) is None:
                raise AdsProtocolError(f"request has more than {_MAX_FIELDS} fields")
            if isinstance(value, bytes):
                self._blocks.setdefault(number, []).append(value)
            else:
                self._numbers[number] = value

    def blocks(self, number: int) -> list[bytes]:
        return self._blocks.get(number, [])

    def message(self, number: int) -> "_Fields":
        """Return an embedded message; several occurrences are merged, which reading their concatenation does."""
        return _Fields(b"".join(self.blocks(number)), self._budget)

    def messages(self, number: int) -> "Iterator[_Fields]":
        return (_Fields(block, self._budget) for block in self.blocks(number))

    def texts(self, number: int) -> tuple[str, ...]:
        return tuple(_decode(block) for block in self.blocks(number))

    def text(self, number: int) -> str:
        blocks = self.blocks(number)
        return _decode(blocks[-1]) if blocks else ""

    def number(self, number: int) -> int:
        return self._numbers.get(number, 0)


def _scan(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    position, end = 0, len(data)
    while position < end:
        tag, position = _read_varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise AdsProtocolError("request is not protobuf: field number 0")
        if wire_type == 0:
            value, position = _read_varint(data, position)
            yield number, value
            continue
        if wire_type == _LENGTH_DELIMITED:
            size, position = _read_varint(data, position)
        elif wire_type in _FIXED:
            size = _FIXED[wire_type]
        else:
            raise AdsProtocolError(f"request is not protobuf: wire type {wire_type}")
        start, position = position, position + size
        if position > end:
            raise AdsProtocolError("request is not protobuf: truncated field")
        if wire_type == _LENGTH_DELIMITED:
            yield number, data[start:position]


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    try:
        while (byte := data[position]) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            position += 1
            if shift > 63:
                raise AdsProtocolError("request is not protobuf: varint too long")
    except IndexError:
        raise AdsProtocolError("request is not protobuf: truncated varint") from None
    return value | byte << shift, position + 1


def _decode(block: bytes) -> str:
    try:
        return block.decode()
    except UnicodeDecodeError as error:
        raise AdsProtocolError("request is not protobuf: a string is not UTF-8") from error
