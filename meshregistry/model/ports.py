"""Service ports, their protocols and names, and each endpoint's own port under every service port.

Rules: Slime pkg/source/serviceentry.go (protocols, names, ports applied to endpoints).
"""

import re
from collections.abc import Iterable

from meshregistry.model.bounded import remember
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.service_entry import ServicePort

_ISTIO_PROTOCOLS = {
    "http": ("HTTP", "http"),
    "dubbo": ("TCP", "tcp-dubbo"),
    "tri": ("GRPC", "grpc"),
    "triple": ("GRPC", "grpc"),
}
_replace_illegal = re.compile(r"[^a-z0-9]+").sub
_PREFIX_LIMIT = 52
"""Leaves room for a dash and a port number within the 63 characters of a port name."""

MAX_SERVICE_PORTS = 100
"""Of one entry. Every endpoint names every service port, so a service whose thousands of instances listen on as many
ports would grow with the square of its size."""

_MAX_PORT = 65535
_MAX_UINT32 = 2**32 - 1


def choose_protocol(policy: ConversionPolicy) -> tuple[str, str]:
    """Return the protocol of a source's service ports and the prefix of their names."""
    word = policy.svc_protocol.lower()
    if policy.profile is Profile.ISTIO:
        prefix = _replace_illegal("-", word)[:_PREFIX_LIMIT].strip("-") or "tcp"
        return _ISTIO_PROTOCOLS.get(word, ("TCP", prefix))
    if policy.generic_protocol:
        return "GENERIC", f"generic-{word}"
    return {"http": "HTTP", "dubbo": "DUBBO"}.get(word, "TCP"), word


def is_usable_port(number: int, policy: ConversionPolicy) -> bool:
    """Whether a port can be published: a real port in the istio profile, anything the wire can hold in Slime's."""
    if policy.profile is Profile.ISTIO:
        return 1 <= number <= _MAX_PORT
    return 0 <= number <= _MAX_UINT32


def limit_ports(numbers: Iterable[int], svc_port: int) -> list[int]:
    """Return the service ports in order: at most `MAX_SERVICE_PORTS`, the lowest and `svc_port`.

    No endpoint is lost with a port that is left out: it is reached by all the others.
    """
    ordered = sorted(set(numbers))
    kept = ordered[:MAX_SERVICE_PORTS]
    if svc_port in ordered and svc_port not in kept:
        kept[-1] = svc_port
    return kept


def map_ports(names: tuple[str, ...], own_port: int) -> tuple[tuple[str, int], ...]:
    """Return the port map of an endpoint that every service port reaches on its own port; `names` are sorted."""
    return tuple([(name, own_port) for name in names])


class PortTable:
    """The service ports and port maps of one policy, each built once; at most `cache_size` entries per table."""

    def __init__(self, policy: ConversionPolicy, cache_size: int) -> None:
        self._policy = policy
        self._protocol, self._prefix = choose_protocol(policy)
        self._cache_size = cache_size
        self._service_ports: dict[frozenset[int], tuple[ServicePort, ...]] = {}
        self._maps: dict[tuple[tuple[ServicePort, ...], int], tuple[tuple[str, int], ...]] = {}

    def list_service_ports(self, instance_ports: frozenset[int]) -> tuple[ServicePort, ...]:
        """Return the service ports, by number, of a service whose instances listen on `instance_ports`."""
        known = self._service_ports.get(instance_ports)
        if known is None:
            numbers = set(instance_ports) if self._policy.instance_port_as_svc_port else {self._policy.svc_port}
            if self._policy.svc_port:
                numbers.add(self._policy.svc_port)
            known = tuple(
                ServicePort(each, self._protocol, f"{self._prefix}-{each}")
                for each in limit_ports(numbers, self._policy.svc_port)
            )
            remember(self._service_ports, instance_ports, known, self._cache_size)
        return known

    def map_endpoint(self, ports: tuple[ServicePort, ...], own_port: int) -> tuple[tuple[str, int], ...]:
        """Return the port map of an endpoint that listens on `own_port`."""
        known = self._maps.get((ports, own_port))
        if known is None:
            known = map_ports(tuple(sorted(port.name for port in ports)), own_port)
            remember(self._maps, (ports, own_port), known, self._cache_size)
        return known
