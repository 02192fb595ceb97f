"""Bytes to decoded resources and requests to bytes: the only module that knows a protobuf runtime."""

from collections.abc import Callable
from typing import Protocol, TypeVar

import betterproto
from betterproto.lib.google.protobuf import Any as ProtoAny
from betterproto.lib.google.protobuf import Struct, Value

from meshregistry._proto.envoy.config.core.v3 import Node as NodeMessage
from meshregistry._proto.envoy.service.discovery.v3 import DiscoveryRequest, DiscoveryResponse
from meshregistry._proto.google.rpc import Status
from meshregistry._proto.istio.mcp.v1alpha1 import Metadata as MetadataMessage
from meshregistry._proto.istio.mcp.v1alpha1 import Resource as ResourceMessage
from meshregistry._proto.istio.networking.v1alpha3 import ServiceEntry, WorkloadEntry
from meshregistry.watch.resources import (
    DecodedResource,
    DecodedResponse,
    Endpoint,
    Node,
    OpaqueSpec,
    Request,
    ResourceMetadata,
    ServiceEntrySpec,
    ServicePort,
    Spec,
)

RESOURCE_TYPE = "istio.mcp.v1alpha1.Resource"
SERVICE_ENTRY_TYPE = "istio.networking.v1alpha3.ServiceEntry"
BODY_TYPES = {
    "AuthorizationPolicy": "istio.security.v1beta1.AuthorizationPolicy",
    "DestinationRule": "istio.networking.v1alpha3.DestinationRule",
    "EnvoyFilter": "istio.networking.v1alpha3.EnvoyFilter",
    "Gateway": "istio.networking.v1alpha3.Gateway",
    "PeerAuthentication": "istio.security.v1beta1.PeerAuthentication",
    "ProxyConfig": "istio.networking.v1beta1.ProxyConfig",
    "RequestAuthentication": "istio.security.v1beta1.RequestAuthentication",
    "ServiceEntry": SERVICE_ENTRY_TYPE,
    "Sidecar": "istio.networking.v1alpha3.Sidecar",
    "Telemetry": "istio.telemetry.v1alpha1.Telemetry",
    "TrafficExtension": "istio.extensions.v1alpha1.TrafficExtension",
    "VirtualService": "istio.networking.v1alpha3.VirtualService",
    "WasmPlugin": "istio.extensions.v1alpha1.WasmPlugin",
    "WorkloadEntry": "istio.networking.v1alpha3.WorkloadEntry",
    "WorkloadGroup": "istio.networking.v1alpha3.WorkloadGroup",
}
"""Kind to the protobuf message of its body; the same for every API version (istiod collections.gen.go, field Proto)."""

NACK_CODE = 3  # google.rpc.Code INVALID_ARGUMENT


class DecodeError(ValueError):
    """Bytes that are not the message they should be."""


class Codec(Protocol):
    """Both directions of the wire; the tests bring a second one built on Google's own runtime."""

    def encode_request(self, request: Request) -> bytes:
        """The bytes of a DiscoveryRequest."""
        ...

    def decode_response(self, data: bytes) -> DecodedResponse:
        """Decode a DiscoveryResponse; a bad resource becomes one with a fault, a bad envelope raises DecodeError."""
        ...


def type_name(type_url: str) -> str:
    """The message name of an Any: what follows the last slash, whatever stands before it."""
    return type_url.rpartition("/")[2]


def decode_body(name: str, value: bytes, decode_service_entry: Callable[[bytes], ServiceEntrySpec]) -> Spec:
    """Decode a resource body of message ``name``; raises DecodeError for a message istiod does not know."""
    if name == SERVICE_ENTRY_TYPE:
        return decode_service_entry(value)
    if name not in BODY_TYPES.values():
        raise DecodeError(f"body of unknown type {name!r}")
    return OpaqueSpec(name, value)


class BetterprotoCodec:
    """The codec on the classes generated from our own protos."""

    def encode_request(self, request: Request) -> bytes:
        """The bytes of a DiscoveryRequest, with node and error detail only where the request has them."""
        message = DiscoveryRequest(
            version_info=request.version_info,
            type_url=request.type_url,
            response_nonce=request.response_nonce,
        )
        if request.node is not None:
            message.node = _node_message(request.node)
        if request.error:
            message.error_detail = Status(code=NACK_CODE, message=request.error)
        return bytes(message)

    def decode_response(self, data: bytes) -> DecodedResponse:
        """Decode a DiscoveryResponse; a bad resource becomes one with a fault, a bad envelope raises DecodeError."""
        message = _parse(DiscoveryResponse, data)
        return DecodedResponse(
            type_url=message.type_url,
            version_info=message.version_info,
            nonce=message.nonce,
            resources=tuple(_decode_resource(resource) for resource in message.resources),
        )


MessageT = TypeVar("MessageT", bound=betterproto.Message)


def _parse(message_type: type[MessageT], data: bytes) -> MessageT:
    try:
        return message_type().parse(data)
    except Exception as error:  # the runtime has no error type of its own
        raise DecodeError(f"not a valid {message_type.__name__}: {error}") from error


def _node_message(node: Node) -> NodeMessage:
    fields = {name: Value(string_value=value) for name, value in node.metadata.items()}
    return NodeMessage(id=node.id, metadata=Struct(fields=fields))


def _decode_resource(wrapped: ProtoAny) -> DecodedResource:
    if type_name(wrapped.type_url) != RESOURCE_TYPE:
        return DecodedResource(None, fault=f"resource of type {wrapped.type_url!r} instead of {RESOURCE_TYPE}")
    try:
        message = _parse(ResourceMessage, wrapped.value)
    except DecodeError as error:
        return DecodedResource(None, fault=str(error))
    if not betterproto.serialized_on_wire(message.metadata):
        return DecodedResource(None)
    metadata = _metadata(message.metadata)
    try:
        spec = decode_body(type_name(message.body.type_url), message.body.value, _decode_service_entry)
    except DecodeError as error:
        return DecodedResource(metadata, fault=str(error))
    return DecodedResource(metadata, spec)


def _metadata(message: MetadataMessage) -> ResourceMetadata:
    return ResourceMetadata(
        name=message.name,
        version=message.version,
        create_time=message.create_time,
        labels=message.labels,
        annotations=message.annotations,
    )


def _decode_service_entry(value: bytes) -> ServiceEntrySpec:
    message = _parse(ServiceEntry, value)
    selector = message.workload_selector
    return ServiceEntrySpec(
        hosts=tuple(message.hosts),
        addresses=tuple(message.addresses),
        ports=tuple(ServicePort(port.number, port.protocol, port.name, port.target_port) for port in message.ports),
        location=int(message.location),
        resolution=int(message.resolution),
        endpoints=tuple(_endpoint(endpoint) for endpoint in message.endpoints),
        export_to=tuple(message.export_to),
        subject_alt_names=tuple(message.subject_alt_names),
        workload_selector=selector.labels if betterproto.serialized_on_wire(selector) else None,
    )


def _endpoint(message: WorkloadEntry) -> Endpoint:
    return Endpoint(
        address=message.address,
        ports=message.ports,
        labels=message.labels,
        network=message.network,
        locality=message.locality,
        weight=message.weight,
        service_account=message.service_account,
    )
