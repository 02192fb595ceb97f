"""istiod's validation of a ServiceEntry, written from its rules and independent of the server's own validation.

Source: istiod ``pkg/config/validation/validation.go`` (ValidateServiceEntry, validateWorkloadEntry, validateExportTo,
the metadata wrapper), ``pkg/config/labels/instance.go``, ``pkg/config/protocol/instance.go``. Warnings are left out:
the memory store behind a configuration source drops them unread. A Sidecar has `watch.sidecars`;
of other kinds only the body's type is checked.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from meshregistry.watch.codec import BODY_TYPES
from meshregistry.watch.domains import LABEL, MAX_LABEL, fqdn_faults, is_label, wildcard_domain_faults
from meshregistry.watch.families import SERVICE_ENTRY, Behaviour
from meshregistry.watch.resources import (
    Endpoint,
    OpaqueSpec,
    Resolution,
    ServiceEntrySpec,
    ServicePort,
    Spec,
)
from meshregistry.watch.sidecars import SIDECAR, sidecar_faults

LABEL_PREFIX = re.compile(rf"{LABEL.pattern}(?:\.{LABEL.pattern})*")
QUALIFIED_NAME = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9_.]*[a-zA-Z0-9])?")
DECIMAL = re.compile(r"0|[1-9][0-9]*")

MAX_LABEL_PREFIX = 253
MAX_PORT = 65535

UNIX_PREFIX = "unix://"
HTTP_LIKE = frozenset({"http", "http2", "http_proxy", "grpc", "grpc-web"})
TLS_LIKE = frozenset({"https", "tls"})
PROTOCOLS = HTTP_LIKE | TLS_LIKE | {"tcp", "udp", "mongo", "redis", "mysql"}

DRY_RUN = "istio.io/dry-run"
FORBIDDEN_ANNOTATIONS = (
    "internal.istio.io/webhook-always-reject",
    "internal.istio.io/parents",
    "internal.istio.io/parent-namespace",
)


def validate(
    kind: str, namespace: str, annotations: Mapping[str, str], spec: Spec | None, behaviour: Behaviour
) -> list[str]:
    """Why istiod would refuse to store the resource; empty if it would store it.

    ``spec`` None stands for a resource without metadata, which has no body either.
    """
    faults = list(_metadata_faults(kind, annotations))
    if faults:
        return faults
    if isinstance(spec, ServiceEntrySpec) and kind == SERVICE_ENTRY:
        return list(_service_entry_faults(spec, namespace, behaviour))
    if isinstance(spec, OpaqueSpec) and BODY_TYPES.get(kind) == spec.type_name:
        return list(sidecar_faults(spec.value)) if kind == SIDECAR else []
    return [f"cannot cast to {kind}"]


def _metadata_faults(kind: str, annotations: Mapping[str, str]) -> Iterator[str]:
    if DRY_RUN in annotations and kind != "AuthorizationPolicy":
        yield f"unsupported annotation {DRY_RUN}"
    for name in FORBIDDEN_ANNOTATIONS:
        if name in annotations:
            yield f"{name!r} annotation found, rejecting"


def _service_entry_faults(spec: ServiceEntrySpec, namespace: str, behaviour: Behaviour) -> Iterator[str]:
    yield from _selector_faults(spec)
    yield from _host_faults(spec.hosts)
    yield from _address_faults(spec)
    yield from _port_faults(spec.ports)
    yield from _resolution_faults(spec, behaviour)
    yield from _several_hosts_faults(spec)
    yield from _export_faults(spec.export_to, namespace)


def _selector_faults(spec: ServiceEntrySpec) -> Iterator[str]:
    if spec.workload_selector is None:
        return
    if spec.endpoints:
        yield "only one of WorkloadSelector or Endpoints is allowed in Service Entry"
    for key, value in spec.workload_selector.items():
        if not key:
            yield "empty key is not supported in selector"
        if "*" in key or "*" in value:
            yield f"wildcard is not supported in selector: {key}={value}"


def _host_faults(hosts: tuple[str, ...]) -> Iterator[str]:
    if not hosts:
        yield "service entry must have at least one host"
    for host in hosts:
        if host == "*":
            yield "invalid host *"
        else:
            yield from wildcard_domain_faults(host)


def _address_faults(spec: ServiceEntrySpec) -> Iterator[str]:
    for address in spec.addresses:
        if "/" in address:
            if not is_cidr(address):
                yield f"{address} is not a valid CIDR block"
        elif not is_ip(address):
            yield f"{address} is not a valid IP"
    cidr = any("/" in address for address in spec.addresses)
    if cidr and spec.resolution not in (Resolution.NONE, Resolution.STATIC):
        yield "CIDR addresses are allowed only for NONE/STATIC resolution types"


def is_ip(text: str) -> bool:
    """Go's ``netip.ParseAddr``: dotted quad without leading zeros, or IPv6 with an optional zone."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_cidr(text: str) -> bool:
    """Go's ``netip.ParsePrefix``: one slash, plain decimal bits, no zone; host bits may be set."""
    address, _, bits = text.partition("/")
    if "%" in address or not is_ip(address) or not DECIMAL.fullmatch(bits) or len(bits) > len("128"):
        return False
    return int(bits) <= ipaddress.ip_address(address).max_prefixlen


def _port_faults(ports: tuple[ServicePort, ...]) -> Iterator[str]:
    yield from (f"service entry port name {name!r} already defined" for name in _repeated(p.name for p in ports))
    yield from (f"service entry port {number} already defined" for number in _repeated(p.number for p in ports))
    for port in ports:
        yield from _port_name_faults(port.name)
        yield from _port_number_faults(port.number)
        if port.target_port:
            yield from _port_number_faults(port.target_port)
        if port.protocol and port.protocol.lower() not in PROTOCOLS:
            yield f"unsupported protocol: {port.protocol}"


def _repeated(values: Iterable[str | int]) -> list[str | int]:
    return [value for value, count in Counter(values).items() if count > 1]


def _port_name_faults(name: str) -> Iterator[str]:
    if not is_label(name):
        yield f"invalid port name: {name!r}"


def _port_number_faults(number: int) -> Iterator[str]:
    if not 1 <= number <= MAX_PORT:
        yield f"port number {number} must be in the range 1..{MAX_PORT}"


def _resolution_faults(spec: ServiceEntrySpec, behaviour: Behaviour) -> Iterator[str]:
    match spec.resolution:
        case Resolution.NONE:
            if spec.endpoints:
                yield "no endpoints should be provided for resolution type none"
        case Resolution.STATIC:
            for endpoint in spec.endpoints:
                yield from _static_endpoint_faults(endpoint, spec.ports, behaviour)
        case Resolution.DNS | Resolution.DNS_ROUND_ROBIN:
            yield from _dns_faults(spec)
        case Resolution.DYNAMIC_DNS if behaviour.dynamic_dns:
            yield from _dynamic_dns_faults(spec)
        case _:
            yield f"unsupported resolution type {spec.resolution}"


def _static_endpoint_faults(endpoint: Endpoint, ports: tuple[ServicePort, ...], behaviour: Behaviour) -> Iterator[str]:
    address = endpoint.address
    if not address and not (endpoint.network and behaviour.network_replaces_address):
        yield "address is required"
        return
    if address.startswith(UNIX_PREFIX):
        yield from _unix_faults(endpoint, ports)
    elif address and not is_ip(address):
        yield f"endpoint address {address!r} is not a valid IP address"
    yield from _endpoint_detail_faults(endpoint, ports)


def _unix_faults(endpoint: Endpoint, ports: tuple[ServicePort, ...]) -> Iterator[str]:
    path = endpoint.address.removeprefix(UNIX_PREFIX)
    if not path.startswith("@") and (not path.startswith("/") or path.endswith("/")):
        yield f"{path!r} is not an absolute path to a file"
    if endpoint.ports:
        yield f"unix endpoint {endpoint.address} must not include ports"
    if len(ports) != 1:
        yield "exactly 1 service port required for unix endpoints"


def _endpoint_detail_faults(endpoint: Endpoint, ports: tuple[ServicePort, ...]) -> Iterator[str]:
    for name, number in endpoint.ports.items():
        if all(port.name != name for port in ports):
            yield f"endpoint port {name!r} is not defined by the service entry"
        yield from _port_name_faults(name)
        yield from _port_number_faults(number)
    for key, value in endpoint.labels.items():
        if not is_label_key(key):
            yield f"invalid tag key: {key!r}"
        if value and not QUALIFIED_NAME.fullmatch(value):
            yield f"invalid tag value: {value!r}"


def is_label_key(key: str) -> bool:
    """An optional DNS prefix of at most 253 bytes and a slash, then a qualified name of at most 63."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > MAX_LABEL_PREFIX or not _is_label_prefix(prefix)):
        return False
    return len(name) <= MAX_LABEL and QUALIFIED_NAME.fullmatch(name) is not None


def _is_label_prefix(prefix: str) -> bool:
    return LABEL_PREFIX.fullmatch(prefix) is not None and all(len(label) <= MAX_LABEL for label in prefix.split("."))


def _dns_faults(spec: ServiceEntrySpec) -> Iterator[str]:
    if not spec.endpoints and any(any(fqdn_faults(host)) for host in spec.hosts):
        yield "hosts must be FQDN if no endpoints are provided for DNS resolution"
    if spec.resolution == Resolution.DNS_ROUND_ROBIN and len(spec.endpoints) > 1:
        yield "there must only be 0 or 1 endpoint for resolution mode DNS_ROUND_ROBIN"
    for endpoint in spec.endpoints:
        if not is_ip(endpoint.address) and any(fqdn_faults(endpoint.address)):
            yield f"endpoint address {endpoint.address!r} is not a valid FQDN or an IP address"
        yield from _endpoint_detail_faults(endpoint, spec.ports)


def _dynamic_dns_faults(spec: ServiceEntrySpec) -> Iterator[str]:
    if any(not host.startswith("*.") for host in spec.hosts):
        yield "hosts must be wildcards for resolution mode DYNAMIC_DNS"
    if spec.addresses:
        yield "no addresses are allowed for resolution mode DYNAMIC_DNS"
    if spec.endpoints:
        yield "no endpoints are allowed for resolution mode DYNAMIC_DNS"
    if not _host_is_in_every_request(spec.ports):
        yield "only HTTP and TLS ports are allowed for resolution mode DYNAMIC_DNS"


def _several_hosts_faults(spec: ServiceEntrySpec) -> Iterator[str]:
    several = len(spec.hosts) > 1 and spec.resolution != Resolution.NONE
    if several and not _host_is_in_every_request(spec.ports):
        yield "multiple hosts provided with non-HTTP, non-TLS ports"


def _host_is_in_every_request(ports: tuple[ServicePort, ...]) -> bool:
    return all(port.protocol.lower() in HTTP_LIKE | TLS_LIKE for port in ports)


def _export_faults(export_to: tuple[str, ...], namespace: str) -> Iterator[str]:
    targets = [namespace if target == "." else target for target in export_to]
    yield from (f"duplicate entries in exportTo: {target}" for target in _repeated(targets))
    for target in export_to:
        if target not in (".", "*", "~") and not is_label(target):
            yield f"only '.', '*', '~' and namespace names are allowed in exportTo, not {target!r}"
    if len(set(targets)) > 1:
        yield from (f"exportTo {alone} must stand alone" for alone in ("*", "~") if alone in targets)
