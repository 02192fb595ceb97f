"""The Istio kinds we produce, as immutable records in canonical order.

Field names and meanings: istio.io networking/v1alpha3 ServiceEntry, WorkloadEntry, ServicePort.
"""

from enum import IntEnum, StrEnum

import msgspec

from meshregistry.model.instance import Pairs


class Kind(StrEnum):
    """The kinds of resources: those that sources can produce, and those that replicas exchange."""

    SERVICE_ENTRY = "ServiceEntry"
    SIDECAR = "Sidecar"
    STATE = "State"
    DECISION = "Decision"


ISTIO_KINDS = (Kind.SERVICE_ENTRY, Kind.SIDECAR)
"""What istiod is served."""


class Location(IntEnum):
    """ServiceEntry.location; the unset value is MESH_EXTERNAL."""

    MESH_EXTERNAL = 0
    MESH_INTERNAL = 1


class Resolution(IntEnum):
    """ServiceEntry.resolution."""

    NONE = 0
    STATIC = 1
    DNS = 2
    DNS_ROUND_ROBIN = 3


class ServicePort(msgspec.Struct, frozen=True, gc=False, order=True):
    """One service port; `protocol` is upper case ("HTTP", "TCP", "GRPC"), 0 means no target port."""

    number: int
    protocol: str
    name: str
    target_port: int = 0


class WorkloadEntry(msgspec.Struct, frozen=True, gc=False, order=True, cache_hash=True):
    """One endpoint inside a ServiceEntry; weight 0 means unset (istiod reads it as 1)."""

    address: str
    ports: tuple[tuple[str, int], ...] = ()
    """Port name → the endpoint's own port, sorted by name."""

    labels: Pairs = ()
    locality: str = ""
    """`region/zone/subzone`, or ""."""

    weight: int = 0
    network: str = ""
    service_account: str = ""
    """These two come from files only: registry data must not steer the mesh."""


class ServiceEntry(msgspec.Struct, frozen=True, gc=False):
    """One ServiceEntry with its metadata; every sequence is in canonical order.

    Equal content must be equal records: the content version is computed over the encoded record.
    """

    namespace: str
    name: str
    hosts: tuple[str, ...]
    ports: tuple[ServicePort, ...] = ()
    endpoints: tuple[WorkloadEntry, ...] = ()
    resolution: Resolution = Resolution.STATIC
    location: Location = Location.MESH_INTERNAL
    addresses: tuple[str, ...] = ()
    export_to: tuple[str, ...] = ()
    labels: Pairs = ()
    annotations: Pairs = ()
    subject_alt_names: tuple[str, ...] = ()
    workload_selector: Pairs = ()
    """Labels of the workloads that are its endpoints; in place of `endpoints`."""

    @property
    def resource_name(self) -> str:
        """The name on the wire: `namespace/name`, exactly one slash."""
        return f"{self.namespace}/{self.name}"
