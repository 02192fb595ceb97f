"""Encode a ServiceEntry once: its frame for every response, and the content version over it.

The frame is `Any(istio.mcp.v1alpha1.Resource)`; istiod accepts exactly this form for every requested API
version of the type (istiod pkg/adsc/adsc.go, mcpToPilot). Endpoints are encoded once each and cached, so
one changed endpoint costs one encoding and a join.
"""

from datetime import datetime

import msgspec
import xxhash

from meshregistry.model.instance import Pairs
from meshregistry.model.service_entry import ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.wire.protobuf import frame, number, string_map, text, varint

RESOURCE_URL = "type.googleapis.com/istio.mcp.v1alpha1.Resource"
SERVICE_ENTRY_URL = "type.googleapis.com/istio.networking.v1alpha3.ServiceEntry"

_RESOURCE_URL_FIELD = text(b"\x0a", RESOURCE_URL)
_SERVICE_ENTRY_URL_FIELD = text(b"\x0a", SERVICE_ENTRY_URL)
_REVISION_LABEL = "istio.io/rev"


class Resource(msgspec.Struct, frozen=True, gc=False):
    """One named, versioned resource: the record for the pages, the bytes for the wire."""

    name: str
    """`namespace/name`."""

    version: str
    """Content hash, 16 hex digits: equal content, equal version, on every replica and after every restart."""

    record: ServiceEntry
    any_bytes: bytes
    """The encoded `Any(mcp.Resource)`, without a field tag: framed by each dialect's response."""

    @property
    def revision(self) -> str:
        """The `istio.io/rev` label, or "" for a resource that every revision sees."""
        return dict(self.record.labels).get(_REVISION_LABEL, "")


class ResourceEncoder:
    """Encodes ServiceEntries; owns the caches of label and endpoint frames.

    `create_time` is the fixed creation instant of all resources (istiod uses the age to choose between
    two claims of one host, so it must be stable and equal on all replicas). It is not part of the version.
    Cache bounds: `cache_size` entries each; a full cache is cleared, which costs time, never correctness.
    """

    def __init__(self, create_time: datetime, cache_size: int = 400_000) -> None:
        self._create_time = _encode_timestamp(create_time)
        self._cache_size = cache_size
        self._labels: dict[Pairs, bytes] = {}
        self._endpoints: dict[WorkloadEntry, bytes] = {}

    def encode(self, entry: ServiceEntry) -> Resource:
        """Return the resource of an entry; pure but for the caches."""
        metadata_tail = string_map(b"\x22", entry.labels) + string_map(b"\x2a", entry.annotations)
        body = self._encode_spec(entry)
        name = entry.resource_name
        version = xxhash.xxh3_64_hexdigest(b"\0".join((name.encode("utf-8", "replace"), metadata_tail, body)))
        metadata = text(b"\x0a", name) + self._create_time + text(b"\x1a", version) + metadata_tail
        body_any = _SERVICE_ENTRY_URL_FIELD + frame(b"\x12", body)
        resource = frame(b"\x0a", metadata) + frame(b"\x12", body_any)
        return Resource(name, version, entry, _RESOURCE_URL_FIELD + frame(b"\x12", resource))

    def _encode_spec(self, entry: ServiceEntry) -> bytes:
        parts = [text(b"\x0a", host) for host in entry.hosts]
        parts += [text(b"\x12", address) for address in entry.addresses]
        parts += [frame(b"\x1a", _encode_port(port)) for port in entry.ports]
        parts += [number(b"\x20", entry.location), number(b"\x28", entry.resolution)]
        parts += map(self._encode_endpoint, entry.endpoints)
        parts += [text(b"\x3a", export) for export in entry.export_to]
        return b"".join(parts)

    def _encode_endpoint(self, endpoint: WorkloadEntry) -> bytes:
        cached = self._endpoints.get(endpoint)
        if cached is not None:
            return cached
        payload = b"".join(
            (
                text(b"\x0a", endpoint.address),
                *[_encode_port_pair(name, port) for name, port in endpoint.ports],
                self._encode_labels(endpoint.labels),
                text(b"\x2a", endpoint.locality),
                number(b"\x30", endpoint.weight),
            )
        )
        encoded = frame(b"\x32", payload)
        if len(self._endpoints) >= self._cache_size:
            self._endpoints.clear()
        self._endpoints[endpoint] = encoded
        return encoded

    def _encode_labels(self, labels: Pairs) -> bytes:
        cached = self._labels.get(labels)
        if cached is None:
            if len(self._labels) >= self._cache_size:
                self._labels.clear()
            cached = self._labels[labels] = string_map(b"\x1a", labels)
        return cached


def _encode_port(port: ServicePort) -> bytes:
    return (
        number(b"\x08", port.number)
        + text(b"\x12", port.protocol)
        + text(b"\x1a", port.name)
        + number(b"\x20", port.target_port)
    )


def _encode_port_pair(name: str, port: int) -> bytes:
    return frame(b"\x12", frame(b"\x0a", name.encode("utf-8", "replace")) + b"\x10" + varint(port))


def _encode_timestamp(instant: datetime) -> bytes:
    seconds = int(instant.timestamp())
    return frame(b"\x12", number(b"\x08", seconds) + number(b"\x10", instant.microsecond * 1000))
