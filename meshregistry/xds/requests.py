"""Read discovery requests of both dialects into one record.

The bytes come from strangers: the few fields we need are read by `wire.fields`, without recursion, as the node's
metadata may be nested without an end.
Field numbers: discovery.proto and base.proto of envoy, struct.proto and status.proto of google.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import msgspec

from meshregistry.errors import AdsProtocolError
from meshregistry.wire.fields import BadMessage, Fields

_GENERATOR: Final = "GENERATOR"
_REVISION: Final = "ISTIO_REVISION"


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
    with _as_request():
        fields = Fields(data)
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
    with _as_request():
        fields = Fields(data)
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
    with _as_request():
        return Fields(data).text(1)


@contextmanager
def _as_request() -> Iterator[None]:
    try:
        yield
    except BadMessage as error:
        raise AdsProtocolError(f"request {error}") from error


def _read_node(fields: Fields, number: int, marker: str = "") -> Node | None:
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


def _is_yes(value: Fields) -> bool:
    # google.protobuf.Value: 3 is a string, 4 a boolean. Environment variables become strings.
    return value.text(3).strip().lower() not in ("", "0", "f", "false") or value.number(4) == 1


def _read_refusal(fields: Fields, number: int) -> Refusal | None:
    if not fields.blocks(number):
        return None
    status = fields.message(number)
    code = status.number(1)
    return Refusal(code - (1 << 64) if code >> 63 else code, status.text(2))
