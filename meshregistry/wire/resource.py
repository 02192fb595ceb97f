"""Encode a ServiceEntry once: its frame for every response, and the content version over it.

The frame is `Any(istio.mcp.v1alpha1.Resource)`; istiod accepts exactly this form for every requested API
version of the type (istiod pkg/adsc/adsc.go, mcpToPilot). An endpoint is a join of cached parts: to remember whole
ones as well saves half a microsecond each and costs 30 MB per 100,000.
"""

from datetime import datetime

import msgspec
import xxhash

from meshregistry.model.bounded import remember
from meshregistry.model.instance import Pairs
from meshregistry.model.service_entry import ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.model.sidecar import Sidecar
from meshregistry.wire.protobuf import frame, number, string_map, text, text_first, varint

RESOURCE_URL = "type.googleapis.com/istio.mcp.v1alpha1.Resource"
SERVICE_ENTRY_URL = "type.googleapis.com/istio.networking.v1alpha3.ServiceEntry"

_RESOURCE_URL_FIELD = text(b"\x0a", RESOURCE_URL)
_SERVICE_ENTRY_URL_FIELD = text(b"\x0a", SERVICE_ENTRY_URL)
_REVISION_LABEL = "istio.io/rev"
_MOST_PAIRS = 16_384
"""Labels, single ones and whole maps, repeat among neighbours; one that is different everywhere (a time, an id) is not
worth keeping."""

PortMap = tuple[tuple[str, int], ...]
_Place = tuple[str, str, int, str]
"""Network, locality, weight and service account of an endpoint: what follows its labels."""


class Resource(msgspec.Struct, frozen=True, gc=False):
    """One named, versioned resource: the record for the pages, the bytes for the wire."""

    name: str
    """`namespace/name`."""

    version: str
    """Content hash, 16 hex digits: equal content, equal version, on every replica and after every restart."""

    record: ServiceEntry | Sidecar
    any_bytes: bytes
    """The encoded `Any(mcp.Resource)`, without a field tag: framed by each dialect's response."""

    @property
    def entry(self) -> ServiceEntry:
        """The record of a resource that is a ServiceEntry; raises TypeError for one of another kind."""
        if not isinstance(self.record, ServiceEntry):
            raise TypeError(f"{self.name} is no ServiceEntry")
        return self.record

    @property
    def endpoint_count(self) -> int:
        """The number of endpoints; none for what has none by its kind."""
        return len(self.record.endpoints) if isinstance(self.record, ServiceEntry) else 0

    @property
    def export_to(self) -> tuple[str, ...]:
        """The namespaces that may see it; empty for all."""
        return self.record.export_to if isinstance(self.record, ServiceEntry) else ()

    @property
    def revision(self) -> str:
        """The `istio.io/rev` label, or "" for a resource that every revision sees."""
        for key, value in self.record.labels:
            if key == _REVISION_LABEL:
                return value
        return ""


def names_itself(resource: Resource) -> bool:
    """Whether the bytes of a resource carry its name and its version: a client goes by what they say."""
    bytes_ = resource.any_bytes
    return text(b"\x0a", resource.name) in bytes_ and text(b"\x1a", resource.version) in bytes_


class ResourceEncoder:
    """Encodes ServiceEntries; owns the caches of the parts of endpoints' frames.

    `create_time` is the fixed creation instant of all resources (istiod uses the age to choose between
    two claims of one host, so it must be stable and equal on all replicas). It is not part of the version.
    Cache bounds: at most `cache_size` entries each; a full cache is cleared, which costs time, never correctness.
    """

    def __init__(self, create_time: datetime, cache_size: int = 400_000) -> None:
        self.create_time = create_time
        self._create_time = _encode_timestamp(create_time)
        self._cache_size = cache_size
        self._pairs: dict[tuple[str, str], bytes] = {}
        self._labels: dict[Pairs, bytes] = {}
        self._ports: dict[PortMap, bytes] = {}
        self._places: dict[_Place, bytes] = {}
        self._service_ports: dict[tuple[ServicePort, ...], bytes] = {}

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
        parts.append(self._service_ports.get(entry.ports) or self._keep_service_ports(entry.ports))
        parts += [number(b"\x20", entry.location), number(b"\x28", entry.resolution)]
        parts += self._encode_endpoints(entry.endpoints)
        parts += [text(b"\x3a", export) for export in entry.export_to]
        parts += [text(b"\x42", name) for name in entry.subject_alt_names]
        if entry.workload_selector:
            parts.append(frame(b"\x4a", string_map(b"\x0a", entry.workload_selector)))
        return b"".join(parts)

    def _encode_endpoints(self, endpoints: tuple[WorkloadEntry, ...]) -> list[bytes]:
        """Return the fields of endpoints; what those of one application share is looked up once."""
        tails: dict[tuple[int, int, str, int, str, str], bytes] = {}
        parts = []
        for each in endpoints:
            place = id(each.ports), id(each.labels), each.locality, each.weight, each.network, each.service_account
            tail = tails.get(place)
            if tail is None:
                tail = tails[place] = self._encode_tail(each)
            parts.append(text_first(b"\x32", b"\x0a", each.address, tail))
        return parts

    def _encode_tail(self, endpoint: WorkloadEntry) -> bytes:
        place = endpoint.network, endpoint.locality, endpoint.weight, endpoint.service_account
        return (
            (self._ports.get(endpoint.ports) or self._keep_ports(endpoint.ports))
            + (self._labels.get(endpoint.labels) or self._keep_labels(endpoint.labels))
            + (self._places.get(place) or self._keep_place(place))
        )

    def _keep_ports(self, ports: PortMap) -> bytes:
        encoded = b"".join([_encode_port_pair(name, port) for name, port in ports])
        remember(self._ports, ports, encoded, self._cache_size)
        return encoded

    def _keep_labels(self, labels: Pairs) -> bytes:
        encoded = b"".join([self._pairs.get(pair) or self._keep_pair(pair) for pair in labels])
        remember(self._labels, labels, encoded, min(self._cache_size, _MOST_PAIRS))
        return encoded

    def _keep_pair(self, pair: tuple[str, str]) -> bytes:
        encoded = string_map(b"\x1a", (pair,))
        remember(self._pairs, pair, encoded, min(self._cache_size, _MOST_PAIRS))
        return encoded

    def _keep_place(self, place: _Place) -> bytes:
        network, locality, weight, account = place
        encoded = text(b"\x22", network) + text(b"\x2a", locality) + number(b"\x30", weight) + text(b"\x3a", account)
        remember(self._places, place, encoded, self._cache_size)
        return encoded

    def _keep_service_ports(self, ports: tuple[ServicePort, ...]) -> bytes:
        encoded = b"".join([frame(b"\x1a", _encode_port(port)) for port in ports])
        remember(self._service_ports, ports, encoded, self._cache_size)
        return encoded


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
