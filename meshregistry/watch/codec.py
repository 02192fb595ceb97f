"""Bytes to decoded resources, requests to bytes: the only module that knows message layouts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from betterproto.lib.google.protobuf import Struct, Value

from meshregistry._proto.envoy.config.core.v3 import Node as NodeMessage
from meshregistry._proto.envoy.service.discovery.v3 import DiscoveryRequest
from meshregistry._proto.google.rpc import Status
from meshregistry.watch.fields import DecodeError, Fields
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


class IstiodCodec:
    """The codec of the watch command: requests through betterproto, responses through our own field reader."""

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
        try:
            message = Fields(data)
            wrapped = [(resource.text(1), resource.data(2)) for resource in message.messages(2)]
            envelope = DecodedResponse(version_info=message.text(1), type_url=message.text(4), nonce=message.text(5))
        except DecodeError as error:
            raise DecodeError(f"not a valid DiscoveryResponse: {error}") from error
        return replace(envelope, resources=tuple(_decode_resource(url, value) for url, value in wrapped))


def _node_message(node: Node) -> NodeMessage:
    fields = {name: Value(string_value=value) for name, value in node.metadata.items()}
    return NodeMessage(id=node.id, metadata=Struct(fields=fields))


def _decode_resource(type_url: str, value: bytes) -> DecodedResource:
    if type_name(type_url) != RESOURCE_TYPE:
        return DecodedResource(None, fault=f"resource of type {type_url!r} instead of {RESOURCE_TYPE}")
    try:
        message = Fields(value)
        body = message.message(2)
        body_type, body_value = type_name(body.text(1)), body.data(2)
        metadata = _metadata(message.message(1))
    except DecodeError as error:
        return DecodedResource(None, fault=f"not a valid {RESOURCE_TYPE}: {error}")
    if not message.has(1):
        return DecodedResource(None)
    try:
        return DecodedResource(metadata, decode_body(body_type, body_value, _decode_service_entry))
    except DecodeError as error:
        return DecodedResource(metadata, fault=str(error))


def _metadata(message: Fields) -> ResourceMetadata:
    create_time = message.message(2)
    return ResourceMetadata(
        name=message.text(1),
        version=message.text(3),
        create_time_ns=create_time.int64(1) * 10**9 + create_time.int32(2),
        labels=message.text_map(4),
        annotations=message.text_map(5),
    )


def _decode_service_entry(value: bytes) -> ServiceEntrySpec:
    try:
        message = Fields(value)
        return ServiceEntrySpec(
            hosts=message.texts(1),
            addresses=message.texts(2),
            ports=tuple(
                ServicePort(port.uint32(1), port.text(2), port.text(3), port.uint32(4)) for port in message.messages(3)
            ),
            location=message.int32(4),
            resolution=message.int32(5),
            endpoints=tuple(map(_endpoint, message.messages(6))),
            export_to=message.texts(7),
            subject_alt_names=message.texts(8),
            workload_selector=message.message(9).text_map(1) if message.has(9) else None,
        )
    except DecodeError as error:
        raise DecodeError(f"not a valid {SERVICE_ENTRY_TYPE}: {error}") from error


def _endpoint(message: Fields) -> Endpoint:
    return Endpoint(
        address=message.text(1),
        ports=message.uint32_map(2),
        labels=message.text_map(3),
        network=message.text(4),
        locality=message.text(5),
        weight=message.uint32(6),
        service_account=message.text(7),
    )
