"""Requests are read without recursion, and whatever is sent ends in a record or in AdsProtocolError."""

from contextlib import suppress

import pytest
from envoy.service.discovery.v3 import discovery_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.errors import AdsProtocolError
from meshregistry.wire.protobuf import frame
from meshregistry.xds.requests import Node, Refusal, Request, read_delta, read_health_service, read_sotw

WORDS = st.text(max_size=12)
NODES = st.builds(Node, WORDS, WORDS, WORDS)
ERRORS = st.none() | st.builds(Refusal, st.integers(-(1 << 31), (1 << 31) - 1), WORDS)


def fill(message: pb.DiscoveryRequest | pb.DeltaDiscoveryRequest, node: Node | None, error: Refusal | None) -> bytes:
    """Add node and error, with some fields nobody reads, and encode."""
    if node is not None:
        message.node.id = node.id
        message.node.cluster = "cluster"
        message.node.locality.zone = "zone"
        message.node.metadata.update({"NUMBER": 1.5, "DEEP": {"a": [1, {"b": None}]}, "GENERATOR": node.generator})
        message.node.metadata["ISTIO_REVISION"] = node.revision
    if error is not None:
        message.error_detail.code = error.code
        message.error_detail.message = error.message
    data: bytes = message.SerializeToString()
    return data


@given(WORDS, WORDS, WORDS, st.none() | NODES, ERRORS, st.lists(WORDS, max_size=4))
def test_sotw_request_is_read_as_google_writes_it(
    url: str, nonce: str, version: str, node: Node | None, error: Refusal | None, names: list[str]
) -> None:
    """Every field, set or not."""
    message = pb.DiscoveryRequest(type_url=url, response_nonce=nonce, version_info=version, resource_names=names)
    expected = Request(url, nonce, version, node, error, names=tuple(names))
    assert expected == read_sotw(fill(message, node, error))


@given(WORDS, WORDS, st.none() | NODES, ERRORS, st.lists(WORDS, max_size=4), st.dictionaries(WORDS, WORDS, max_size=4))
def test_delta_request_is_read_as_google_writes_it(
    url: str, nonce: str, node: Node | None, error: Refusal | None, names: list[str], initial: dict[str, str]
) -> None:
    """Every field, set or not."""
    message = pb.DeltaDiscoveryRequest(
        type_url=url,
        response_nonce=nonce,
        resource_names_subscribe=names,
        resource_names_unsubscribe=names[::-1],
        initial_resource_versions=initial,
    )
    expected = Request(
        url,
        nonce,
        node=node,
        error=error,
        subscribe=tuple(names),
        unsubscribe=tuple(names[::-1]),
        initial_versions=initial,
    )
    assert expected == read_delta(fill(message, node, error))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_protocol_error(data: bytes) -> None:
    """And what Google's runtime rejects is rejected here, as far as we look."""
    for read in (read_sotw, read_delta, read_health_service):
        try:
            read(data)
        except AdsProtocolError:
            continue


@given(st.binary(min_size=1, max_size=60), st.integers(0, 400), st.data())
def test_damaged_requests_never_break_the_reader(junk: bytes, at: int, data: st.DataObject) -> None:
    """A valid request with bytes replaced, inserted or cut off: the fuzzer of raw requests."""
    message = pb.DeltaDiscoveryRequest(type_url="t/v1/K", resource_names_subscribe=["a", "b"])
    message.initial_resource_versions["a"] = "1"
    valid = fill(message, Node("id", "api", "r"), Refusal(3, "no"))
    at %= len(valid)
    damaged = data.draw(st.sampled_from([valid[:at] + junk + valid[at:], valid[:at] + junk, valid[:at]]))
    for read in (read_sotw, read_delta, read_health_service):
        try:
            read(damaged)
        except AdsProtocolError:
            continue


@given(st.text(max_size=60), st.binary(max_size=20))
def test_the_service_of_a_health_check_is_its_last_or_a_protocol_error(service: str, junk: bytes) -> None:
    asked = frame(b"\x0a", service.encode("utf-8", "replace"))

    assert service.encode("utf-8", "replace").decode() == read_health_service(asked)
    for damaged in (junk + asked, asked + junk, asked[: len(junk)]):
        with suppress(AdsProtocolError):
            assert isinstance(read_health_service(damaged), str)


@pytest.mark.parametrize("levels", [10, 1000, 10_000])
def test_deep_metadata_is_no_danger(levels: int) -> None:
    """5,000 levels of Struct overflow the stack of the generated classes and end the process."""
    deep = b""
    for _ in range(levels):
        deep = frame(b"\x0a", frame(b"\x0a", b"k") + frame(b"\x12", frame(b"\x2a", deep)))
    generator = frame(b"\x0a", frame(b"\x0a", b"GENERATOR") + frame(b"\x12", frame(b"\x1a", b"api")))
    node = frame(b"\x12", frame(b"\x0a", b"id") + frame(b"\x1a", deep + generator))
    assert Request("foo", node=Node("id", "api")) == read_sotw(node + frame(b"\x22", b"foo"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x0a", "truncated varint"),
        (b"\x0a\x05abc", "truncated field"),
        (b"\x80" * 11 + b"\x01", "varint too long"),
        (b"\x00\x01", "field number 0"),
        (b"\x0b", "wire type 3"),
        (b"\x22\x01\xff", "not UTF-8"),
        (b"\x0d\x01\x02", "truncated field"),
    ],
)
def test_broken_bytes_are_named(data: bytes, reason: str) -> None:
    """The client is told what is wrong."""
    with pytest.raises(AdsProtocolError, match=reason):
        read_sotw(data)


def test_number_of_fields_is_limited() -> None:
    """Four megabytes of the smallest fields would keep the loop busy for a second."""
    with pytest.raises(AdsProtocolError, match="fields"):
        read_sotw(b"\x08\x00" * 300_000)
    nested = frame(b"\x2a", b"\x18\x00" * 100_000)
    with pytest.raises(AdsProtocolError, match="fields"):
        read_delta(nested * 3)


def test_ten_thousand_initial_versions_are_read() -> None:
    """What a delta client with the whole catalogue sends when it reconnects."""
    versions = {f"ns/service-{number}": f"{number:016x}" for number in range(10_000)}
    message = pb.DeltaDiscoveryRequest(type_url="t", initial_resource_versions=versions)
    assert versions == read_delta(message.SerializeToString()).initial_versions


def test_health_request_is_read() -> None:
    """grpc.health.v1.HealthCheckRequest has one field."""
    assert ("", "x.Y") == (read_health_service(b""), read_health_service(b"\x0a\x03x.Y"))


@pytest.mark.parametrize(
    ("value", "marked"),
    [
        *[(value, True) for value in ("true", "1", "anything", True)],
        *[(value, False) for value in ("false", "0", " F ", "", False, None, 1.0, [True])],
    ],
)
def test_marker_counts_unless_its_value_says_no(value: object, marked: bool) -> None:
    """It is what keeps the private dialect from a stock istiod."""
    message = pb.DiscoveryRequest(type_url="t")
    message.node.metadata.update({"OTHER": "true", "MARK": value})
    data = message.SerializeToString()
    assert [Node(marked=marked), Node()] == [read_sotw(data, "MARK").node, read_sotw(data).node]
    assert Node() == read_sotw(data, "ABSENT").node
