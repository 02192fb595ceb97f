"""Our trimmed protos against the originals: every name, number, type and label."""

import filecmp
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import ads_pb2, discovery_pb2
from envoy.type.v3 import semantic_version_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.rpc import status_pb2
from grpclib.health.v1 import health_pb2

from tests.support.proto_descriptors import PROTO_ROOT, compile_descriptors, descriptor_pool

ORIGINALS: list[FileDescriptor] = [
    ads_pb2.DESCRIPTOR,
    base_pb2.DESCRIPTOR,
    discovery_pb2.DESCRIPTOR,
    semantic_version_pb2.DESCRIPTOR,
    status_pb2.DESCRIPTOR,
    health_pb2.DESCRIPTOR,
]
GENERATED = PROTO_ROOT.parent / "meshregistry" / "_proto"


class Field(NamedTuple):
    """What the wire depends on."""

    number: int
    type: str
    repeated: bool = False
    oneof: str = ""


S, U, ANY = "string", "uint32", "google.protobuf.Any"
TEXT_MAP = {"key": Field(1, S), "value": Field(2, S)}
ISTIO = "istio.networking.v1alpha3."
ISTIO_MESSAGES: dict[str, dict[str, Field]] = {
    "istio.mcp.v1alpha1.Resource": {
        "metadata": Field(1, "istio.mcp.v1alpha1.Metadata"),
        "body": Field(2, ANY),
    },
    "istio.mcp.v1alpha1.Metadata": {
        "name": Field(1, S),
        "create_time": Field(2, "google.protobuf.Timestamp"),
        "version": Field(3, S),
        "labels": Field(4, "istio.mcp.v1alpha1.Metadata.LabelsEntry", repeated=True),
        "annotations": Field(5, "istio.mcp.v1alpha1.Metadata.AnnotationsEntry", repeated=True),
    },
    "istio.mcp.v1alpha1.Metadata.LabelsEntry": TEXT_MAP,
    "istio.mcp.v1alpha1.Metadata.AnnotationsEntry": TEXT_MAP,
    ISTIO + "ServiceEntry": {
        "hosts": Field(1, S, repeated=True),
        "addresses": Field(2, S, repeated=True),
        "ports": Field(3, ISTIO + "ServicePort", repeated=True),
        "location": Field(4, ISTIO + "ServiceEntry.Location"),
        "resolution": Field(5, ISTIO + "ServiceEntry.Resolution"),
        "endpoints": Field(6, ISTIO + "WorkloadEntry", repeated=True),
        "export_to": Field(7, S, repeated=True),
        "subject_alt_names": Field(8, S, repeated=True),
        "workload_selector": Field(9, ISTIO + "WorkloadSelector"),
    },
    ISTIO + "ServicePort": {
        "number": Field(1, U),
        "protocol": Field(2, S),
        "name": Field(3, S),
        "target_port": Field(4, U),
    },
    ISTIO + "WorkloadEntry": {
        "address": Field(1, S),
        "ports": Field(2, ISTIO + "WorkloadEntry.PortsEntry", repeated=True),
        "labels": Field(3, ISTIO + "WorkloadEntry.LabelsEntry", repeated=True),
        "network": Field(4, S),
        "locality": Field(5, S),
        "weight": Field(6, U),
        "service_account": Field(7, S),
    },
    ISTIO + "WorkloadEntry.PortsEntry": {"key": Field(1, S), "value": Field(2, U)},
    ISTIO + "WorkloadEntry.LabelsEntry": TEXT_MAP,
    ISTIO + "WorkloadSelector": {"labels": Field(1, ISTIO + "WorkloadSelector.LabelsEntry", repeated=True)},
    ISTIO + "WorkloadSelector.LabelsEntry": TEXT_MAP,
    ISTIO + "Sidecar": {
        "workload_selector": Field(1, ISTIO + "WorkloadSelector"),
        "egress": Field(3, ISTIO + "IstioEgressListener", repeated=True),
    },
    ISTIO + "IstioEgressListener": {
        "port": Field(1, ISTIO + "SidecarPort"),
        "bind": Field(2, S),
        "hosts": Field(4, S, repeated=True),
    },
    ISTIO + "SidecarPort": {"number": Field(1, U), "protocol": Field(2, S), "name": Field(3, S)},
}
ISTIO_ENUMS = {
    ISTIO + "ServiceEntry.Location": {"MESH_EXTERNAL": 0, "MESH_INTERNAL": 1},
    ISTIO + "ServiceEntry.Resolution": {"NONE": 0, "STATIC": 1, "DNS": 2, "DNS_ROUND_ROBIN": 3, "DYNAMIC_DNS": 4},
}
NACOS_MESSAGES: dict[str, dict[str, Field]] = {
    "Metadata": {
        "type": Field(3, S),
        "clientIp": Field(8, S),
        "headers": Field(7, "Metadata.HeadersEntry", repeated=True),
    },
    "Metadata.HeadersEntry": TEXT_MAP,
    "Payload": {"metadata": Field(2, "Metadata"), "body": Field(3, ANY)},
}
NACOS_CALLS = {
    "Request.request": ("Payload", "Payload", False, False),
    "BiRequestStream.requestBiStream": ("Payload", "Payload", True, True),
}
PUBLISHED_MESSAGES = ISTIO_MESSAGES | NACOS_MESSAGES
SCALARS = {FieldDescriptor.TYPE_STRING: S, FieldDescriptor.TYPE_UINT32: U}


def test_every_message_is_compared_with_an_original() -> None:
    """A message that is in neither table below would be checked by nobody."""
    assert {message.full_name for message in our_messages()} == {*original_messages(), *PUBLISHED_MESSAGES}


@pytest.mark.parametrize("name", sorted(PUBLISHED_MESSAGES))
def test_messages_without_an_original_here_have_the_published_field_numbers(name: str) -> None:
    assert PUBLISHED_MESSAGES[name] == fields(descriptor_pool().FindMessageTypeByName(name))


@pytest.mark.parametrize("name", sorted(ISTIO_ENUMS))
def test_istio_enums_have_the_published_numbers(name: str) -> None:
    enum = descriptor_pool().FindEnumTypeByName(name)
    assert ISTIO_ENUMS[name] == {value.name: value.number for value in enum.values}


def test_public_messages_are_a_subset_of_the_originals() -> None:
    originals = original_messages()
    for message in our_messages():
        if message.full_name in originals:
            expected = fields(originals[message.full_name])
            ours = fields(message)
            assert {name: expected.get(name) for name in ours} == ours, message.full_name


def test_public_services_equal_the_originals() -> None:
    expected = NACOS_CALLS | {name: call for file in ORIGINALS for name, call in calls(file).items()}
    files = [descriptor_pool().FindFileByName(file.name) for file in compile_descriptors().file]
    ours = {name: call for file in files for name, call in calls(file).items()}
    assert {name: expected[name] for name in ours} == ours
    assert len(ours) == 6


def test_serving_statuses_equal_the_originals() -> None:
    expected = health_pb2.DESCRIPTOR.message_types_by_name["HealthCheckResponse"].enum_types_by_name["ServingStatus"]
    ours = descriptor_pool().FindEnumTypeByName("grpc.health.v1.HealthCheckResponse.ServingStatus")
    assert {v.name: v.number for v in expected.values} == {v.name: v.number for v in ours.values}


def test_generating_again_leaves_no_difference(tmp_path: Path) -> None:
    subprocess.run([sys.executable, PROTO_ROOT / "generate.py", tmp_path / "out"], check=True, capture_output=True)
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.py"))
    committed = sorted(path.relative_to(GENERATED).as_posix() for path in GENERATED.rglob("*.py"))
    assert names == committed
    _, different, unreadable = filecmp.cmpfiles(tmp_path / "out", GENERATED, names, shallow=False)
    assert ([], []) == (different, unreadable)


def our_messages() -> list[Descriptor]:
    """Every message of ours, nested ones and map entries included."""
    ours = {path.relative_to(PROTO_ROOT).as_posix() for path in PROTO_ROOT.rglob("*.proto")}
    files = [descriptor_pool().FindFileByName(name) for name in sorted(ours)]
    return [message for file in files for top in file.message_types_by_name.values() for message in with_nested(top)]


def original_messages() -> dict[str, Descriptor]:
    """Every message of the originals that we have too."""
    tops = [message for file in ORIGINALS for message in file.message_types_by_name.values()]
    originals = {message.full_name: message for top in tops for message in with_nested(top)}
    ours = {message.full_name for message in our_messages()}
    return {name: message for name, message in originals.items() if name in ours}


def with_nested(message: Descriptor) -> list[Descriptor]:
    """The message and all messages inside it."""
    return [message, *(inner for nested in message.nested_types for inner in with_nested(nested))]


def fields(message: Descriptor) -> dict[str, Field]:
    """The message's fields by name."""
    return {field.name: describe(field) for field in message.fields}


def describe(field: FieldDescriptor) -> Field:
    """What the wire depends on; a message or enum type by its full name."""
    named = field.message_type or field.enum_type
    kind = named.full_name if named else SCALARS.get(field.type, str(field.type))
    return Field(field.number, kind, field.is_repeated, field.containing_oneof.name if field.containing_oneof else "")


def calls(file: FileDescriptor) -> dict[str, tuple[str, str, bool, bool]]:
    """The file's RPCs: input, output and which sides stream."""
    return {
        method.full_name: (
            method.input_type.full_name,
            method.output_type.full_name,
            method.client_streaming,
            method.server_streaming,
        )
        for service in file.services_by_name.values()
        for method in service.methods
    }
