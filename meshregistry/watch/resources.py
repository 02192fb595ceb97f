"""Decoded resources in a form that depends on no protobuf runtime."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Resolution(IntEnum):
    """ServiceEntry.Resolution; a number outside it is kept as a plain int."""

    NONE = 0
    STATIC = 1
    DNS = 2
    DNS_ROUND_ROBIN = 3
    DYNAMIC_DNS = 4


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of a ServiceEntry; ``target_port`` 0 means unset."""

    number: int
    protocol: str
    name: str
    target_port: int = 0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An inlined WorkloadEntry; ``ports`` maps port names of the entry to this endpoint's numbers."""

    address: str
    ports: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    network: str = ""
    locality: str = ""
    weight: int = 0
    service_account: str = ""


@dataclass(frozen=True, slots=True)
class ServiceEntrySpec:
    """The body of a ServiceEntry; ``workload_selector`` None means absent, which differs from empty."""

    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    ports: tuple[ServicePort, ...] = ()
    location: int = 0
    resolution: int = Resolution.NONE
    endpoints: tuple[Endpoint, ...] = ()
    export_to: tuple[str, ...] = ()
    subject_alt_names: tuple[str, ...] = ()
    workload_selector: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class OpaqueSpec:
    """The body of any other known kind, kept undecoded."""

    type_name: str
    value: bytes


Spec = ServiceEntrySpec | OpaqueSpec


@dataclass(frozen=True, slots=True)
class ResourceMetadata:
    """``istio.mcp.v1alpha1.Metadata``; ``name`` is ``namespace/name`` as received, unchecked."""

    name: str
    version: str = ""
    create_time_ns: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DecodedResource:
    """One entry of a response.

    ``fault`` says why it could not be decoded; then ``spec`` is None, and ``metadata`` is None too if not even that
    could be read. Without a fault, ``metadata`` None means that the resource carried none.
    """

    metadata: ResourceMetadata | None
    spec: Spec | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class DecodedResponse:
    """A state-of-the-world DiscoveryResponse, as far as istiod looks at it."""

    type_url: str
    version_info: str = ""
    nonce: str = ""
    resources: tuple[DecodedResource, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """What istiod says about itself: pod name, namespace, address and revision (empty: no revision)."""

    pod: str = "istiod-model"
    namespace: str = "istio-system"
    address: str = ""
    revision: str = ""

    @property
    def id(self) -> str:
        """The xDS node id, as istiod composes it."""
        return f"sidecar~{self.address}~{self.pod}.{self.namespace}~{self.namespace}.svc.cluster.local"

    @property
    def metadata(self) -> dict[str, str]:
        """The node metadata istiod sends to a configuration source; the version in it is a constant there too."""
        metadata = {"GENERATOR": "api", "ISTIO_VERSION": "65536.65536.65536"}
        if self.revision:
            metadata["ISTIO_REVISION"] = self.revision
        return metadata


@dataclass(frozen=True, slots=True)
class Request:
    """A DiscoveryRequest as istiod fills it; ``error`` makes it a NACK, which stock istiod never sends."""

    type_url: str
    version_info: str = ""
    response_nonce: str = ""
    node: Node | None = None
    error: str = ""
