"""Service ports, their protocols and names, and each endpoint's own port under every service port.

Rules: Slime pkg/source/serviceentry.go (protocols, names, ports applied to endpoints).
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from meshregistry.model.bounded import remember
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.protocols import Offer
from meshregistry.model.service_entry import ServicePort, WorkloadEntry

_ISTIO_PROTOCOLS = {
    "http": ("HTTP", "http"),
    "rest": ("HTTP", "http"),
    "http2": ("HTTP2", "http2"),
    "https": ("HTTPS", "https"),
    "tls": ("TLS", "tls"),
    "grpc": ("GRPC", "grpc"),
    "dubbo": ("TCP", "tcp-dubbo"),
    "tri": ("GRPC", "grpc"),
    "triple": ("GRPC", "grpc"),
}
PortMap = tuple[tuple[str, int], ...]
"""Port name → an endpoint's own port, sorted by name."""

_replace_illegal = re.compile(r"[^a-z0-9]+").sub
_PREFIX_LIMIT = 52
"""Leaves room for a dash and a port number within the 63 characters of a port name."""

MAX_SERVICE_PORTS = 100
"""Of one entry. Every endpoint names every service port, so a service whose thousands of instances listen on as many
ports would grow with the square of its size."""

_MAX_PORT = 65535
_MAX_UINT32 = 2**32 - 1


def choose_protocol(policy: ConversionPolicy, protocol: str = "") -> tuple[str, str]:
    """Return the protocol of service ports and the prefix of their names; `protocol` "" is the source's."""
    word = (protocol or policy.svc_protocol).lower()
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


def map_ports(names: tuple[str, ...], own_port: int) -> PortMap:
    """Return the port map of an endpoint that every service port reaches on its own port; `names` are sorted."""
    return tuple([(name, own_port) for name in names])


def reach(endpoint: WorkloadEntry, ports: Iterable[ServicePort], further: ServicePort) -> int:
    """Return which of its ports an endpoint answers on behind a further service port of its entry.

    It is the one behind a service port of the same protocol; an endpoint with one port has no choice. `ports` are
    the service ports that the endpoint maps.
    """
    own = endpoint.ports[0][1]
    if all(number == own for _, number in endpoint.ports):
        return own
    mapped = dict(endpoint.ports)
    alike = (mapped[port.name] for port in ports if port.protocol == further.protocol and port.name in mapped)
    return next(alike, own)


def extend_map(endpoint: WorkloadEntry, ports: tuple[ServicePort, ...], wanted: Iterable[ServicePort]) -> PortMap:
    """Return the port map of an endpoint under other service ports than its claim's `ports`."""
    known = dict(endpoint.ports)
    return tuple(
        sorted((each.name, known[each.name] if each.name in known else reach(endpoint, ports, each)) for each in wanted)
    )


Offers = tuple[Offer, ...]
"""The ports of one instance, its own first."""

_Protocol = tuple[str, str]
"""As `choose_protocol` returns it."""


class PortTable:
    """The service ports and port maps of one policy, each built once; at most `cache_size` entries per table."""

    def __init__(self, policy: ConversionPolicy, cache_size: int) -> None:
        self._policy = policy
        self._cache_size = cache_size
        self._service_ports: dict[tuple[frozenset[int], str], tuple[ServicePort, ...]] = {}
        self._maps: dict[tuple[tuple[ServicePort, ...], int], PortMap] = {}
        self._protocols: dict[str, _Protocol] = {}
        self._offer_maps: dict[tuple[tuple[ServicePort, ...], Offers], PortMap] = {}

    def list_service_ports(self, instance_ports: frozenset[int], word: str = "") -> tuple[ServicePort, ...]:
        """Return the service ports, by number, of a service whose instances listen on `instance_ports`.

        `word` is the protocol that all of them speak, "" the source's.
        """
        known = self._service_ports.get((instance_ports, word))
        if known is None:
            numbers = set(instance_ports) if self._policy.instance_port_as_svc_port else {self._policy.svc_port}
            if self._policy.svc_port:
                numbers.add(self._policy.svc_port)
            protocol, prefix = self._name_protocol(word)
            known = tuple(
                ServicePort(each, protocol, f"{prefix}-{each}") for each in limit_ports(numbers, self._policy.svc_port)
            )
            remember(self._service_ports, (instance_ports, word), known, self._cache_size)
        return known

    def map_endpoint(self, ports: tuple[ServicePort, ...], own_port: int) -> PortMap:
        """Return the port map of an endpoint that listens on `own_port`."""
        known = self._maps.get((ports, own_port))
        if known is None:
            known = map_ports(tuple(sorted(port.name for port in ports)), own_port)
            remember(self._maps, (ports, own_port), known, self._cache_size)
        return known

    def list_offered_ports(self, offers: Sequence[Offers]) -> tuple[tuple[ServicePort, ...], list[int]]:
        """Return the service ports of instances that say what they speak, and the ports on which they disagree.

        A port speaks what most of the instances with that port of their own speak there, among equals the first one
        by name. `svc_port` speaks what most of the instances do.
        """
        own = Counter([(each[0].port, self._name_protocol(each[0].protocol)) for each in offers])
        further = Counter([(port, self._name_protocol(word)) for each in offers for port, word in each[1:]])
        votes = {**_count_votes(further), **_count_votes(own)} if self._policy.instance_port_as_svc_port else {}
        mixed = [number for number, protocols in sorted(votes.items()) if len(protocols) > 1]
        svc_port = self._policy.svc_port
        if svc_port not in votes and (svc_port or not votes):
            votes[svc_port] = _count_protocols(own)
        ports = []
        for number in limit_ports(votes, svc_port):
            protocol, prefix = _elect(votes[number])
            ports.append(ServicePort(number, protocol, f"{prefix}-{number}"))
        return tuple(ports), mixed

    def map_offers(self, ports: tuple[ServicePort, ...], offers: Offers) -> PortMap:
        """Return the port map of an endpoint that listens on several ports, or speaks something of its own.

        A service port reaches the same port of the endpoint, else the one that speaks its protocol, else its own.
        """
        known = self._offer_maps.get((ports, offers))
        if known is None:
            numbers = {offer.port for offer in offers}
            by_protocol = {self._name_protocol(word)[0]: number for number, word in reversed(offers)}
            known = tuple(
                sorted(
                    (
                        each.name,
                        each.number if each.number in numbers else by_protocol.get(each.protocol, offers[0].port),
                    )
                    for each in ports
                )
            )
            remember(self._offer_maps, (ports, offers), known, self._cache_size)
        return known

    def _name_protocol(self, word: str) -> _Protocol:
        known = self._protocols.get(word)
        if known is None:
            known = choose_protocol(self._policy, word)
            remember(self._protocols, word, known, self._cache_size)
        return known


def _count_votes(offers: Counter[tuple[int, _Protocol]]) -> dict[int, Counter[_Protocol]]:
    votes: dict[int, Counter[_Protocol]] = {}
    for (number, protocol), count in offers.items():
        votes.setdefault(number, Counter())[protocol] += count
    return votes


def _count_protocols(offers: Counter[tuple[int, _Protocol]]) -> Counter[_Protocol]:
    votes: Counter[_Protocol] = Counter()
    for (_, protocol), count in offers.items():
        votes[protocol] += count
    return votes


def _elect(votes: Counter[_Protocol]) -> _Protocol:
    return min(votes, key=lambda protocol: (-votes[protocol], protocol))
