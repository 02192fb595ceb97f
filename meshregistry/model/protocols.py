"""What an instance speaks on which port, as its metadata says it.

Sources: Spring Cloud Alibaba's NacosRegistration (`secure`, `preserved.register.source`), Dubbo's NacosRegistry
(`protocol`), Dubbo's registration of whole applications (`dubbo.endpoints`, ServiceInstanceMetadataUtils), the gRPC
starters of Spring Boot (`gRPC_port`, in Eureka also `gRPC.port`). Slime reads none of it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

ENDPOINTS_KEY = "dubbo.endpoints"
"""Its value is JSON, which is no label: it is read from the metadata."""

_SOURCE_KEY = "preserved.register.source"
_PROTOCOL_KEY = "protocol"
_SECURE_KEY = "secure"
_GRPC_PORT_KEYS = ("gRPC_port", "gRPC.port")
_KEYS = frozenset({_SOURCE_KEY, _PROTOCOL_KEY, _SECURE_KEY, *_GRPC_PORT_KEYS})

_BY_SOURCE = {"dubbo": "dubbo", "spring_cloud": "http"}
_WORDS = {
    **{word: word for word in ("http", "https", "http2", "grpc", "tcp", "tls", "dubbo", "tri")},
    "h2c": "http2",
    "triple": "tri",
    "rest": "http",
}
"""Words of metadata that name a protocol; others say nothing."""

_MAX_PORT = 65535


class Offer(NamedTuple):
    """One port an instance listens on; `protocol` "" is the source's."""

    port: int
    protocol: str


class Spoken(NamedTuple):
    """What metadata says about the ports of an instance."""

    protocol: str = ""
    """Of the instance's own port; "" leaves it to the source."""

    grpc_port: int = 0
    """A further port that speaks gRPC; 0 is none."""

    endpoints: tuple[Offer, ...] = ()
    """What a Dubbo application says of each of its ports, where they speak different protocols."""


SILENT = Spoken()


class _Endpoint(msgspec.Struct):
    port: int
    protocol: str


_ENDPOINTS = msgspec.json.Decoder(list[_Endpoint])


def read_protocols(metadata: Mapping[str, str], endpoints: str = "") -> Spoken:
    """Return what metadata says; a protocol nobody knows says nothing.

    `endpoints` is the value of `dubbo.endpoints`, "" when there is none.
    """
    offers = _read_endpoints(endpoints) if endpoints else ()
    spoken = SILENT if _KEYS.isdisjoint(metadata) else _read_pairs(metadata)
    protocols = {offer.protocol for offer in offers}
    if len(protocols) > 1:
        return spoken._replace(endpoints=offers)
    return spoken if spoken.protocol or not protocols else spoken._replace(protocol=protocols.pop())


def _read_endpoints(text: str) -> tuple[Offer, ...]:
    try:
        endpoints = _ENDPOINTS.decode(text)
    except (ValueError, RecursionError):  # also half of a surrogate pair, which is no UTF-8
        return ()
    known = [(each.port, _WORDS.get(each.protocol.lower(), "")) for each in endpoints]
    return tuple(Offer(port, protocol) for port, protocol in known if protocol and 0 < port <= _MAX_PORT)


def _read_pairs(metadata: Mapping[str, str]) -> Spoken:
    by_source = _BY_SOURCE.get(metadata.get(_SOURCE_KEY, "").lower(), "")
    protocol = _WORDS.get(metadata.get(_PROTOCOL_KEY, "").lower(), by_source)
    if metadata.get(_SECURE_KEY, "").lower() == "true" and protocol in ("", "http"):
        protocol = "https"
    ports = (metadata.get(key, "") for key in _GRPC_PORT_KEYS)
    return Spoken(protocol, next((port for port in map(_read_port, ports) if port), 0))


def list_offers(port: int, spoken: Spoken, secure_port: int = 0) -> tuple[Offer, ...]:
    """Return the ports an instance listens on, its own first; `secure_port` speaks TLS, 0 is none."""
    own = "grpc" if spoken.grpc_port == port else dict(spoken.endpoints).get(port, spoken.protocol)
    offers = {port: "https" if secure_port == port else own}
    for further, protocol in ((spoken.grpc_port, "grpc"), (secure_port, "https"), *spoken.endpoints):
        if further:
            offers.setdefault(further, protocol)
    return tuple(Offer(number, protocol) for number, protocol in offers.items())


def _read_port(text: str) -> int:
    port = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0
    return port if port <= _MAX_PORT else 0
