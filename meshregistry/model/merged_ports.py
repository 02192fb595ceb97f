"""The ports that one entry collects from all services of a source.

Rules: Slime pkg/source/serviceentry.go, ServiceEntryMergePortMocker. Slime remembers every port it has seen since its
start; here the ports are those in use, so that replicas agree.
"""

from collections.abc import Sequence

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Pairs, ServiceKey
from meshregistry.model.policy import ConversionPolicy, MergedPorts
from meshregistry.model.service_entry import Resolution, ServicePort, WorkloadEntry


def claim_merged_ports(
    key: ServiceKey, claims: Sequence[Claim], policy: ConversionPolicy, labels: Pairs = ()
) -> list[Claim]:
    """Return the claim of a service to the entry that collects ports, none where a service has its name."""
    wanted, resource_ns = policy.merged_ports, policy.resource_ns
    if wanted is None or any((claim.namespace, claim.name) == (resource_ns, wanted.name) for claim in claims):
        return []
    by_number: dict[int, ServicePort] = {}
    for claim in claims:
        for port in collect_ports(claim.ports, claim.endpoints, wanted):
            by_number.setdefault(port.number, port)
    ports = tuple(by_number[number] for number in sorted(by_number))
    hosts, resolution = (wanted.host,), Resolution.STATIC
    return [Claim(key, resource_ns, wanted.name, hosts, ports, (), resolution, policy, labels, service=wanted.name)]


def collect_ports(
    ports: Sequence[ServicePort], endpoints: Sequence[WorkloadEntry], wanted: MergedPorts
) -> tuple[ServicePort, ...]:
    """Return what one service adds, by number: its service ports, and the ports of its endpoints that are none of them.

    A port of an endpoint speaks what the service port before it does and is named after it; of several the first by
    name.
    """
    collected = {port.number: port for port in ports} if wanted.service_ports else {}
    if wanted.instance_ports:
        by_name = {port.name: port for port in ports}
        for name, number in sorted({pair for endpoint in endpoints for pair in endpoint.ports}):
            collected.setdefault(number, ServicePort(number, by_name[name].protocol, f"{name}-{number}"))
    return tuple(collected[number] for number in sorted(collected))
