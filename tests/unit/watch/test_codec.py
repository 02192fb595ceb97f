"""Both codecs read the same bytes alike, good and bad ones."""

import typing
from dataclasses import replace

import pytest
from envoy.service.discovery.v3 import discovery_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from meshregistry.watch.codec import Codec, IstiodCodec
from meshregistry.watch.fields import DecodeError
from meshregistry.watch.resources import (
    DecodedResource,
    Endpoint,
    Node,
    OpaqueSpec,
    Request,
    ServiceEntrySpec,
    ServicePort,
)
from tests.support.pb2_decoder import Pb2Codec
from tests.support.watch_builders import (
    McpEntry,
    body_bytes,
    full,
    response_bytes,
    service_entry,
    stub,
)

CODECS: list[Codec] = [IstiodCodec(), Pb2Codec()]
both_codecs = pytest.mark.parametrize("codec", CODECS, ids=["istiod", "pb2"])

TEXT = st.text(max_size=8)
UINT32 = st.integers(0, 2**32 - 1)
TEXT_MAPS = st.dictionaries(TEXT, TEXT, max_size=3)
SPECS = st.builds(
    ServiceEntrySpec,
    hosts=st.lists(TEXT, max_size=2).map(tuple),
    addresses=st.lists(TEXT, max_size=2).map(tuple),
    ports=st.lists(st.builds(ServicePort, UINT32, TEXT, TEXT, UINT32), max_size=2).map(tuple),
    location=st.integers(0, 1),
    resolution=st.integers(0, 9),
    endpoints=st.lists(
        st.builds(Endpoint, TEXT, st.dictionaries(TEXT, UINT32, max_size=2), TEXT_MAPS, TEXT, TEXT, UINT32, TEXT),
        max_size=3,
    ).map(tuple),
    export_to=st.lists(TEXT, max_size=2).map(tuple),
    subject_alt_names=st.lists(TEXT, max_size=2).map(tuple),
    workload_selector=st.none() | TEXT_MAPS,
)


@both_codecs
@settings(deadline=None)
@given(spec=SPECS)
def test_any_service_entry_is_read_back(codec: Codec, spec: ServiceEntrySpec) -> None:
    (resource,) = codec.decode_response(response_bytes(McpEntry(body=body_bytes(spec)))).resources
    assert "" == resource.fault
    assert spec == resource.spec


def without_fault_text(codec: Codec, data: bytes) -> DecodedResource:
    """The only resource of a response, its fault reduced to whether there is one."""
    (resource,) = codec.decode_response(response_bytes(data)).resources
    return replace(resource, fault="fault" if resource.fault else "")


def without_maps(resource: DecodedResource) -> DecodedResource:
    """Google's runtime drops map entries that hold an unknown field; Go, like us, keeps them."""
    metadata, spec = resource.metadata, resource.spec
    if metadata is not None:
        metadata = replace(metadata, labels={}, annotations={})
    if isinstance(spec, ServiceEntrySpec):
        endpoints = tuple(replace(endpoint, ports={}, labels={}) for endpoint in spec.endpoints)
        selector = None if spec.workload_selector is None else dict[str, str]()
        spec = replace(spec, endpoints=endpoints, workload_selector=selector)
    return replace(resource, metadata=metadata, spec=spec)


@settings(deadline=None)
@given(data=st.binary(max_size=64))
def test_both_codecs_agree_on_any_bytes(data: bytes) -> None:
    ours, theirs = [without_maps(without_fault_text(codec, data)) for codec in CODECS]
    assert theirs == ours


@settings(deadline=None)
@given(spec=SPECS, position=st.integers(0, 2**16), change=st.binary(max_size=3), removed=st.integers(0, 3))
def test_both_codecs_agree_on_damaged_resources(
    spec: ServiceEntrySpec, position: int, change: bytes, removed: int
) -> None:
    valid = McpEntry(labels={"app": "orders"}, body=body_bytes(spec)).resource_bytes()
    position %= len(valid)
    damaged = valid[:position] + change + valid[position + removed :]
    ours, theirs = [without_maps(without_fault_text(codec, damaged)) for codec in CODECS]
    assert theirs == ours


@both_codecs
def test_the_envelope_and_the_metadata_are_read(codec: Codec) -> None:
    entry = full("demo/orders", "abc")
    entry.labels = {"app": "orders"}
    decoded = codec.decode_response(response_bytes(entry, type_url="g/v/K", nonce="n7"))
    assert ("g/v/K", "v1", "n7") == (decoded.type_url, decoded.version_info, decoded.nonce)
    (resource,) = decoded.resources
    assert resource.metadata is not None
    assert ("demo/orders", "abc", 0) == (
        resource.metadata.name,
        resource.metadata.version,
        resource.metadata.create_time_ns,
    )
    assert {"app": "orders"} == resource.metadata.labels
    assert service_entry() == resource.spec


@both_codecs
@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (McpEntry(resource_url="type.googleapis.com/envoy.service.discovery.v3.Resource"), "instead of"),
        (McpEntry(body_url="type.googleapis.com/istio.networking.v1beta1.ServiceEntry"), "unknown type"),
        (McpEntry(body_url="type.googleapis.com/istio.networking.v1.ServiceEntry"), "unknown type"),
        (McpEntry(body_url=""), "unknown type ''"),
        (McpEntry(with_body=False), "unknown type ''"),
        (McpEntry(body=b"\x0a\x02\xff\xff"), "not a valid"),
        (McpEntry(body=body_bytes(service_entry())[:-1]), "not a valid"),
        (b"\x0a\x05\x0a\x03a/\xff", "not a valid"),
        (full().resource_bytes()[:-1], "not a valid"),
    ],
)
def test_a_resource_that_cannot_be_decoded_has_a_fault(codec: Codec, entry: McpEntry | bytes, fault: str) -> None:
    bad, good = codec.decode_response(response_bytes(entry, full())).resources
    assert fault in bad.fault
    assert bad.spec is None
    assert "" == good.fault


@both_codecs
@pytest.mark.parametrize("prefix", ["type.googleapis.com/", "/", "", "a/b/"])
def test_any_prefix_before_the_type_name_is_accepted(codec: Codec, prefix: str) -> None:
    entry = full()
    entry.resource_url = prefix + "istio.mcp.v1alpha1.Resource"
    entry.body_url = prefix + "istio.networking.v1alpha3.ServiceEntry"
    (resource,) = codec.decode_response(response_bytes(entry)).resources
    assert service_entry() == resource.spec


@both_codecs
def test_a_stub_is_an_empty_service_entry(codec: Codec) -> None:
    (resource,) = codec.decode_response(response_bytes(stub())).resources
    assert ServiceEntrySpec() == resource.spec


@both_codecs
def test_bodies_of_other_known_kinds_stay_closed(codec: Codec) -> None:
    entry = McpEntry(body=b"anything", body_url="/istio.networking.v1alpha3.Sidecar")
    (resource,) = codec.decode_response(response_bytes(entry)).resources
    assert OpaqueSpec("istio.networking.v1alpha3.Sidecar", b"anything") == resource.spec


@both_codecs
def test_missing_metadata_differs_from_unreadable_metadata(codec: Codec) -> None:
    missing, unreadable = codec.decode_response(response_bytes(McpEntry(with_metadata=False), b"\xff")).resources
    assert (None, "") == (missing.metadata, missing.fault)
    assert unreadable.metadata is None
    assert "" != unreadable.fault


@both_codecs
def test_a_bad_envelope_raises(codec: Codec) -> None:
    with pytest.raises(DecodeError):
        codec.decode_response(response_bytes(full())[:-1])


@both_codecs
def test_requests_are_what_istiod_sends(codec: Codec) -> None:
    request = Request("g/v/K", "v1", "n1", Node("istiod-0", "istio-system", "10.1.1.1", "canary"), "refused")
    message: typing.Any = discovery_pb2.DiscoveryRequest.FromString(codec.encode_request(request))
    assert ("g/v/K", "v1", "n1") == (message.type_url, message.version_info, message.response_nonce)
    assert "sidecar~10.1.1.1~istiod-0.istio-system~istio-system.svc.cluster.local" == message.node.id
    assert {
        "GENERATOR": "api",
        "ISTIO_VERSION": "65536.65536.65536",
        "ISTIO_REVISION": "canary",
    } == dict(message.node.metadata)
    assert (3, "refused") == (message.error_detail.code, message.error_detail.message)
    assert [] == list(message.resource_names)


@both_codecs
def test_a_request_without_node_and_error_has_neither(codec: Codec) -> None:
    message: typing.Any = discovery_pb2.DiscoveryRequest.FromString(codec.encode_request(Request("g/v/K")))
    assert not message.HasField("node")
    assert not message.HasField("error_detail")


@both_codecs
def test_a_node_without_revision_names_none(codec: Codec) -> None:
    message: typing.Any = discovery_pb2.DiscoveryRequest.FromString(codec.encode_request(Request("k", node=Node())))
    assert "sidecar~~istiod-model.istio-system~istio-system.svc.cluster.local" == message.node.id
    assert {"GENERATOR", "ISTIO_VERSION"} == set(message.node.metadata)
