"""Builders for what the istiod model reads: decoded resources, and responses as bytes of Google's runtime."""

import typing
from dataclasses import dataclass, field

from envoy.service.discovery.v3 import discovery_pb2

from meshregistry.watch.families import ISTIOD_124
from meshregistry.watch.resources import (
    DecodedResource,
    DecodedResponse,
    Endpoint,
    Resolution,
    ResourceMetadata,
    ServiceEntrySpec,
    ServicePort,
)
from tests.support.pb2_decoder import message_class

SERVICE_ENTRY_URL = ISTIOD_124.service_entry_type
RESOURCE_ANY = "type.googleapis.com/istio.mcp.v1alpha1.Resource"
BODY_ANY = "type.googleapis.com/istio.networking.v1alpha3.ServiceEntry"
HTTP = ServicePort(80, "HTTP", "http")


def service_entry(**changes: typing.Any) -> ServiceEntrySpec:
    """A valid STATIC ServiceEntry of one host, one HTTP port and two endpoints, with fields replaced."""
    content: dict[str, typing.Any] = {
        "hosts": ("orders.nacos",),
        "ports": (HTTP,),
        "location": 1,
        "resolution": Resolution.STATIC,
        "endpoints": (Endpoint("10.0.0.1", {"http": 8080}), Endpoint("10.0.0.2", {"http": 8080})),
    }
    return ServiceEntrySpec(**{**content, **changes})


def resource(
    name: str = "demo/orders", version: str = "1", spec: ServiceEntrySpec | None = None, **metadata: typing.Any
) -> DecodedResource:
    """A decoded resource; ``metadata`` sets labels, annotations or create_time."""
    return DecodedResource(ResourceMetadata(name, version, **metadata), spec or service_entry())


def response(*resources: DecodedResource, type_url: str = SERVICE_ENTRY_URL, nonce: str = "n1") -> DecodedResponse:
    """A decoded response."""
    return DecodedResponse(type_url, "v1", nonce, resources)


@dataclass
class McpEntry:
    """One resource of a response, to be written as bytes; the type URLs can be changed and the parts left out."""

    name: str = "demo/orders"
    version: str = "1"
    labels: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    body_url: str = BODY_ANY
    resource_url: str = RESOURCE_ANY
    with_metadata: bool = True
    with_body: bool = True

    def resource_bytes(self) -> bytes:
        """The ``istio.mcp.v1alpha1.Resource`` message."""
        message: typing.Any = message_class("istio.mcp.v1alpha1.Resource")()
        if self.with_metadata:
            message.metadata.SetInParent()
            message.metadata.name = self.name
            message.metadata.version = self.version
            message.metadata.labels.update(self.labels)
        if self.with_body:
            message.body.type_url = self.body_url
            message.body.value = self.body
        encoded: bytes = message.SerializeToString()
        return encoded


def response_bytes(*entries: McpEntry | bytes, type_url: str = SERVICE_ENTRY_URL, nonce: str = "n1") -> bytes:
    """A DiscoveryResponse; an entry given as bytes becomes the value of the resource's Any as it is."""
    message = discovery_pb2.DiscoveryResponse(version_info="v1", type_url=type_url, nonce=nonce)
    for entry in entries:
        value = entry if isinstance(entry, bytes) else entry.resource_bytes()
        url = RESOURCE_ANY if isinstance(entry, bytes) else entry.resource_url
        message.resources.add(type_url=url, value=value)
    encoded: bytes = message.SerializeToString()
    return encoded


def body_bytes(spec: ServiceEntrySpec) -> bytes:
    """The ``istio.networking.v1alpha3.ServiceEntry`` message."""
    message: typing.Any = message_class("istio.networking.v1alpha3.ServiceEntry")(
        hosts=spec.hosts,
        addresses=spec.addresses,
        location=spec.location,
        resolution=spec.resolution,
        export_to=spec.export_to,
        subject_alt_names=spec.subject_alt_names,
    )
    for port in spec.ports:
        message.ports.add(number=port.number, protocol=port.protocol, name=port.name, target_port=port.target_port)
    for endpoint in spec.endpoints:
        message.endpoints.add(
            address=endpoint.address,
            ports=endpoint.ports,
            labels=endpoint.labels,
            network=endpoint.network,
            locality=endpoint.locality,
            weight=endpoint.weight,
            service_account=endpoint.service_account,
        )
    if spec.workload_selector is not None:
        message.workload_selector.SetInParent()
        message.workload_selector.labels.update(spec.workload_selector)
    encoded: bytes = message.SerializeToString(deterministic=True)
    return encoded


def full(name: str = "demo/orders", version: str = "1", **changes: typing.Any) -> McpEntry:
    """A resource in full; the changes are those of ``service_entry``."""
    return McpEntry(name, version, body=body_bytes(service_entry(**changes)))


def stub(name: str = "demo/orders", version: str = "1") -> McpEntry:
    """A version stub: metadata and a body of the right type without content."""
    return McpEntry(name, version)
