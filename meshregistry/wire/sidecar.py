"""Encode a Sidecar: its frame for every response, and the content version over it, as `wire.resource` does.

Message: istio.io networking/v1alpha3/sidecar.proto; istiod takes the same body for v1alpha3, v1beta1 and v1.
"""

from datetime import datetime

import xxhash

from meshregistry.model.sidecar import EgressListener, Sidecar
from meshregistry.wire.protobuf import frame, number, string_map, text
from meshregistry.wire.resource import RESOURCE_URL, Resource

SIDECAR_URL = "type.googleapis.com/istio.networking.v1alpha3.Sidecar"

_RESOURCE_URL_FIELD = text(b"\x0a", RESOURCE_URL)
_SIDECAR_URL_FIELD = text(b"\x0a", SIDECAR_URL)


def encode_sidecar(sidecar: Sidecar, create_time: datetime) -> Resource:
    """Return the resource of a Sidecar; `create_time` is the same for all resources and no part of the version."""
    tail = string_map(b"\x22", sidecar.labels) + string_map(b"\x2a", sidecar.annotations)
    body = _encode_spec(sidecar)
    name = sidecar.resource_name
    version = xxhash.xxh3_64_hexdigest(b"\0".join((name.encode("utf-8", "replace"), tail, body)))
    stamp = number(b"\x08", int(create_time.timestamp())) + number(b"\x10", create_time.microsecond * 1000)
    metadata = text(b"\x0a", name) + frame(b"\x12", stamp) + text(b"\x1a", version) + tail
    resource = frame(b"\x0a", metadata) + frame(b"\x12", _SIDECAR_URL_FIELD + frame(b"\x12", body))
    return Resource(name, version, sidecar, _RESOURCE_URL_FIELD + frame(b"\x12", resource))


def _encode_spec(sidecar: Sidecar) -> bytes:
    selector = frame(b"\x0a", string_map(b"\x0a", sidecar.workload_labels)) if sidecar.workload_labels else b""
    return selector + b"".join(frame(b"\x1a", _encode_listener(listener)) for listener in sidecar.egress)


def _encode_listener(listener: EgressListener) -> bytes:
    port = frame(b"\x0a", text(b"\x12", listener.protocol)) if listener.protocol else b""
    return port + b"".join(text(b"\x22", host) for host in listener.hosts)
