"""What registry services contribute to resources: the way between conversion and merge."""

from collections.abc import Sequence

import msgspec

from meshregistry.model.instance import Pairs, ServiceKey
from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.rejects import Reject
from meshregistry.model.service_entry import Resolution, ServiceEntry, ServicePort, WorkloadEntry


class Claim(msgspec.Struct, frozen=True):
    """What one registry service contributes to one resource: converted, not yet merged."""

    key: ServiceKey
    namespace: str
    name: str
    hosts: tuple[str, ...]
    """The host, then its aliases."""

    ports: tuple[ServicePort, ...]
    endpoints: tuple[WorkloadEntry, ...]
    """Each maps every service port of the claim; none only in an entry that merges ports (`policy.merged_ports`)."""

    resolution: Resolution
    policy: ConversionPolicy
    labels: Pairs = ()
    """Of the entry, in addition to those that every entry of its source has."""

    annotations: Pairs = ()
    is_exclusive: bool = False
    """Whether the resource belongs to services of one name only: others of the same host are left out, not merged."""

    service: str = ""
    """The service's name where naming has moved instances to another; "" is the registry's."""

    written: ServiceEntry | None = None
    """The entry as a person wrote it, its endpoints left out; None for what comes from a registry."""

    @property
    def service_name(self) -> str:
        """The service that the instances belong to."""
        return self.service or self.key.name

    @property
    def resource_name(self) -> str:
        """The resource claimed: `namespace/name`."""
        return f"{self.namespace}/{self.name}"


class Conversion(msgspec.Struct, frozen=True):
    """What one registry service contributes: at most one claim per resource, and what was dropped or repaired."""

    claims: tuple[Claim, ...] = ()
    rejects: tuple[Reject, ...] = ()


def claim_entry(key: ServiceKey, entry: ServiceEntry, policy: ConversionPolicy) -> Claim:
    """Return what an entry that a person wrote contributes: itself."""
    return Claim(
        key,
        entry.namespace,
        entry.name,
        entry.hosts,
        entry.ports,
        entry.endpoints,
        entry.resolution,
        policy,
        entry.labels,
        entry.annotations,
        written=msgspec.structs.replace(entry, endpoints=()),
    )


def unify_endpoints(endpoints: Sequence[WorkloadEntry]) -> tuple[WorkloadEntry, ...]:
    """Return sorted endpoints without those of the same address and ports, the smallest of which stays."""
    unique: list[WorkloadEntry] = []
    for endpoint in endpoints:
        if not unique or endpoint.address != unique[-1].address or endpoint.ports != unique[-1].ports:
            unique.append(endpoint)
    return tuple(unique)
