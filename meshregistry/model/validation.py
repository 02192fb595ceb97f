"""The last gate before the store: what istiod would reject is repaired, dropped alone, or held back whole.

istiod rejects a whole ServiceEntry for one bad endpoint, silently from our side. Rules: istiod
pkg/config/validation/validation.go (ValidateServiceEntry and the metadata checks around it) and pkg/adsc/adsc.go
(the resource's name). In the slime profile only what would break the wire is handled: Slime's hosts and protocols
are legal there.
"""

from collections.abc import Callable
from functools import lru_cache
from itertools import chain
from typing import TypeVar

import msgspec

from meshregistry.model.grammar import (
    is_dns_label,
    is_fqdn,
    is_host,
    is_ip,
    is_ip_or_cidr,
    is_label_key,
    is_label_value,
    is_utf8,
)
from meshregistry.model.instance import Pairs
from meshregistry.model.policy import Profile
from meshregistry.model.rejects import Reject, print_subject
from meshregistry.model.service_entry import Resolution, ServiceEntry, ServicePort, WorkloadEntry

_T = TypeVar("_T")

_PROTOCOLS = frozenset(
    ("tcp", "udp", "grpc", "grpc-web", "http", "http_proxy", "http2", "https", "tls", "mongo", "redis", "mysql")
)
_SHARED_PROTOCOLS = frozenset(("http", "http2", "http_proxy", "grpc", "grpc-web", "https", "tls"))
"""What a port of an entry with several hosts may speak: requests or handshakes that name the host."""

_FORBIDDEN_ANNOTATIONS = frozenset(
    (
        "istio.io/dry-run",
        "internal.istio.io/webhook-always-reject",
        "internal.istio.io/parents",
        "internal.istio.io/parent-namespace",
    )
)
_RESOLVED = (Resolution.DNS, Resolution.DNS_ROUND_ROBIN)
HELD_BACK = "held back"
"""How the detail of a reject ends that holds a whole entry back."""

_MAX_PORT = 65535
_MAX_UINT32 = 2**32 - 1


class Validated(msgspec.Struct, frozen=True):
    """An entry that may be published, None when it is held back whole, and what was done to it."""

    entry: ServiceEntry | None
    rejects: tuple[Reject, ...] = ()


def validate_entry(entry: ServiceEntry, profile: Profile, legal_pairs: set[tuple[str, str]] | None = None) -> Validated:
    """Return the publishable form of an entry.

    `legal_pairs` remembers labels of endpoints already found legal in the istio profile; its owner bounds it.
    A valid entry comes back as the same object, so validating twice changes nothing.
    """
    gate = _Gate(entry.resource_name)
    repaired = gate.check_names(entry)
    if repaired is not None and profile is Profile.ISTIO:
        repaired = gate.check_istio(repaired, set() if legal_pairs is None else legal_pairs)
    elif repaired is not None:
        repaired = gate.check_wire(repaired)
    return Validated(repaired, tuple(sorted(gate.rejects)))


class _Gate:
    """One pass over one entry; collects the rejects."""

    def __init__(self, resource: str) -> None:
        self._resource = resource
        self.rejects: list[Reject] = []

    def check_names(self, entry: ServiceEntry) -> ServiceEntry | None:
        """Handle what breaks the resource's name or its metadata, in either profile."""
        if not entry.name or "/" in entry.name + entry.namespace:
            return self._hold("name_invalid", entry.resource_name, "not one name in one namespace")
        if not (is_utf8(entry.name) and is_utf8(entry.namespace)):
            return self._hold("utf8", entry.resource_name, "the name is not valid Unicode")
        hosts = self._keep(entry.hosts, _is_encodable_host, "host_invalid", str)
        if not hosts:
            return self._hold("host_missing", entry.resource_name, "no host is left")
        labels, annotations = self._keep_encodable(entry.labels), self._keep_encodable(entry.annotations)
        return _replace(entry, hosts=hosts, labels=labels, annotations=annotations)

    def check_wire(self, entry: ServiceEntry) -> ServiceEntry:
        """Handle what protobuf cannot carry; all that is checked of a spec in the slime profile."""
        return _replace(
            entry,
            ports=self._keep(entry.ports, _is_encodable_port, "port_range", _port_subject),
            endpoints=self._keep(entry.endpoints, _is_encodable_endpoint, "endpoint_encoding", _endpoint_subject),
        )

    def check_istio(self, entry: ServiceEntry, legal_pairs: set[tuple[str, str]]) -> ServiceEntry | None:
        """Handle what istiod rejects."""
        if not entry.namespace:
            return self._hold("name_invalid", entry.resource_name, "no namespace")
        if not _is_export_legal(entry.export_to, entry.namespace):
            return self._hold("export_to", ",".join(entry.export_to), "no legal visibility")
        ports = entry.ports if _are_ports_legal(entry.ports) else self.check_ports(entry.ports)
        endpoints = self._check_endpoints(entry, ports, legal_pairs)
        hosts = self._check_hosts(entry.hosts, ports, endpoints, entry.resolution)
        if not hosts:
            return self._hold("host_missing", entry.resource_name, "no legal host is left")
        return _replace(
            entry,
            hosts=hosts,
            ports=ports,
            addresses=self._check_addresses(entry),
            endpoints=endpoints,
            annotations=self._keep(
                entry.annotations, lambda pair: pair[0] not in _FORBIDDEN_ANNOTATIONS, "annotation", _pair_subject
            ),
        )

    def _check_hosts(
        self,
        hosts: tuple[str, ...],
        ports: tuple[ServicePort, ...],
        endpoints: tuple[WorkloadEntry, ...],
        resolution: Resolution,
    ) -> tuple[str, ...]:
        """Several hosts need ports on which a request names its host; else the first host stays alone."""
        is_legal = is_fqdn if resolution in _RESOLVED and not endpoints else is_host
        hosts = self._keep(hosts, is_legal, "host_invalid", str)
        if len(hosts) <= 1 or resolution is Resolution.NONE:
            return hosts
        if all(port.protocol.lower() in _SHARED_PROTOCOLS for port in ports):
            return hosts
        return self._keep(hosts, lambda host: host == hosts[0], "host_needs_http", str)

    def check_ports(self, ports: tuple[ServicePort, ...]) -> tuple[ServicePort, ...]:
        """Leave out what is no service port, and what repeats another one's number or name."""
        numbers: set[int] = set()
        names: set[str] = set()

        def is_new(port: ServicePort) -> bool:
            if port.number in numbers or port.name in names:
                return False
            numbers.add(port.number)
            names.add(port.name)
            return True

        ports = self._keep(ports, lambda port: 1 <= port.number <= _MAX_PORT, "port_range", _port_subject)
        ports = self._keep(ports, lambda port: 0 <= port.target_port <= _MAX_PORT, "port_range", _port_subject)
        ports = self._keep(ports, lambda port: is_dns_label(port.name), "port_name", _port_subject)
        ports = self._keep(ports, lambda port: port.protocol.lower() in _PROTOCOLS, "protocol", _port_subject)
        return self._sift(ports, is_new, "port_duplicate", _port_subject)

    def _check_addresses(self, entry: ServiceEntry) -> tuple[str, ...]:
        is_legal = is_ip if entry.resolution in _RESOLVED else is_ip_or_cidr
        return self._keep(entry.addresses, is_legal, "address_invalid", str)

    def _check_endpoints(
        self, entry: ServiceEntry, ports: tuple[ServicePort, ...], legal_pairs: set[tuple[str, str]]
    ) -> tuple[WorkloadEntry, ...]:
        if entry.resolution is Resolution.NONE:
            return self._keep(entry.endpoints, lambda _: False, "endpoint_resolution", _endpoint_subject)
        names = frozenset([port.name for port in ports])
        is_address = is_ip if entry.resolution is Resolution.STATIC else _is_ip_or_fqdn
        if _are_endpoints_legal(entry.endpoints, names, is_address, legal_pairs):
            return entry.endpoints
        endpoints = self._keep(
            entry.endpoints, lambda each: is_address(each.address), "address_invalid", _endpoint_subject
        )
        endpoints = self._keep(endpoints, _has_real_ports, "port_range", _endpoint_subject)
        endpoints = self._keep(endpoints, _has_encodable_fields, "endpoint_encoding", _endpoint_subject)
        repaired = tuple([self._repair_endpoint(each, names, legal_pairs) for each in endpoints])
        return entry.endpoints if repaired == entry.endpoints else repaired

    def _repair_endpoint(
        self, endpoint: WorkloadEntry, names: frozenset[str], legal_pairs: set[tuple[str, str]]
    ) -> WorkloadEntry:
        ports = self._keep(endpoint.ports, lambda pair: pair[0] in names, "port_unknown", _pair_subject)
        labels = self._keep(endpoint.labels, lambda pair: is_label_key(pair[0]), "label_key", _pair_subject)
        labels = self._keep(labels, lambda pair: is_label_value(pair[1]), "label_value", _pair_subject)
        if ports is endpoint.ports and labels is endpoint.labels:
            return endpoint
        return msgspec.structs.replace(endpoint, ports=ports, labels=labels)

    def _keep_encodable(self, pairs: Pairs) -> Pairs:
        if all(map(str.isascii, chain.from_iterable(pairs))):
            return pairs
        return self._sift(pairs, _is_encodable_pair, "utf8", _pair_subject)

    def _keep(
        self, items: tuple[_T, ...], is_legal: Callable[[_T], bool], reason: str, subject: Callable[[_T], str]
    ) -> tuple[_T, ...]:
        """Return the legal items and note the others; the same tuple when all are legal, the usual case."""
        return items if all(map(is_legal, items)) else self._sift(items, is_legal, reason, subject)

    def _sift(
        self, items: tuple[_T, ...], is_legal: Callable[[_T], bool], reason: str, subject: Callable[[_T], str]
    ) -> tuple[_T, ...]:
        """Do the same with one look at each item, for what depends on those before."""
        kept: list[_T] = []
        for item in items:
            if is_legal(item):
                kept.append(item)
            else:
                self._note(reason, subject(item), "dropped")
        return items if len(kept) == len(items) else tuple(kept)

    def _hold(self, reason: str, subject: str, detail: str) -> ServiceEntry | None:
        self._note(reason, subject, f"{detail}; {HELD_BACK}")
        return None

    def _note(self, reason: str, subject: str, detail: str) -> None:
        self.rejects.append(Reject(print_subject(self._resource), reason, print_subject(subject), detail))


def _replace(entry: ServiceEntry, **fields: object) -> ServiceEntry:
    """Return the entry with these fields, the same object when nothing changes."""
    changed = {name: value for name, value in fields.items() if getattr(entry, name) is not value}
    return msgspec.structs.replace(entry, **changed) if changed else entry


def _is_encodable_host(host: str) -> bool:
    return bool(host) and is_utf8(host)


def _is_encodable_pair(pair: tuple[str, str]) -> bool:
    return is_utf8(pair[0]) and is_utf8(pair[1])


def _is_encodable_port(port: ServicePort) -> bool:
    return all(0 <= number <= _MAX_UINT32 for number in (port.number, port.target_port)) and is_utf8(
        port.name + port.protocol
    )


def _is_encodable_endpoint(endpoint: WorkloadEntry) -> bool:
    return (
        _has_encodable_fields(endpoint)
        and is_utf8(endpoint.address)
        and all(is_utf8(name) and 0 <= number <= _MAX_UINT32 for name, number in endpoint.ports)
        and all(map(_is_encodable_pair, endpoint.labels))
    )


@lru_cache(maxsize=4096)
def _are_ports_legal(ports: tuple[ServicePort, ...]) -> bool:
    """Whether nothing of them needs repair; remembered, as most services of a mesh have the same."""
    gate = _Gate("")
    gate.check_ports(ports)
    return not gate.rejects


def _are_endpoints_legal(
    endpoints: tuple[WorkloadEntry, ...],
    names: frozenset[str],
    is_address: Callable[[str], bool],
    legal_pairs: set[tuple[str, str]],
) -> bool:
    """Whether nothing needs repair: the usual case, with one look at what endpoints share."""
    port_maps = {each.ports for each in endpoints}
    places = {(each.weight, each.locality) for each in endpoints}
    label_maps = {id(each.labels): each.labels for each in endpoints}
    return (
        all(name in names and 1 <= number <= _MAX_PORT for ports in port_maps for name, number in ports)
        and all(map(is_address, [each.address for each in endpoints]))
        and all(_is_encodable_place(weight, locality) for weight, locality in places)
        and all(_are_labels_legal(labels, legal_pairs) for labels in label_maps.values())
    )


def _are_labels_legal(labels: Pairs, legal_pairs: set[tuple[str, str]]) -> bool:
    if legal_pairs.issuperset(labels):
        return True
    legal = [pair for pair in labels if pair in legal_pairs or (is_label_key(pair[0]) and is_label_value(pair[1]))]
    legal_pairs.update(legal)
    return len(legal) == len(labels)


def _has_encodable_fields(endpoint: WorkloadEntry) -> bool:
    return _is_encodable_place(endpoint.weight, endpoint.locality)


def _is_encodable_place(weight: int, locality: str) -> bool:
    return 0 <= weight <= _MAX_UINT32 and is_utf8(locality)


def _has_real_ports(endpoint: WorkloadEntry) -> bool:
    return all(1 <= number <= _MAX_PORT for _, number in endpoint.ports)


def _is_ip_or_fqdn(address: str) -> bool:
    return is_ip(address) or is_fqdn(address)


def _is_export_legal(export_to: tuple[str, ...], own_namespace: str) -> bool:
    """Whether it is nothing, `*` alone, `~` alone, or distinct namespaces (`.` is the own one)."""
    if not export_to or export_to in (("*",), ("~",)):
        return True
    namespaces = {own_namespace if each == "." else each for each in export_to}
    return len(namespaces) == len(export_to) and all(each == "." or is_dns_label(each) for each in export_to)


def _port_subject(port: ServicePort) -> str:
    return f"{port.name}:{port.number}/{port.protocol}"


def _endpoint_subject(endpoint: WorkloadEntry) -> str:
    return f"{endpoint.address} {endpoint.ports[0][1] if endpoint.ports else ''}".strip()


def _pair_subject(pair: tuple[str, object]) -> str:
    return pair[0]
