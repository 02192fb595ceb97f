"""The resource encoder against Google's own protobuf runtime, and the versions it must never change by accident."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshregistry.model.service_entry import Location, Resolution, ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.wire.resource import ResourceEncoder
from tests.support.pb2_decoder import message_class
from tests.support.reference_resource import frame_resource
from tests.support.service_entries import entries, equally_long_keys, spec_message

CREATED = datetime(2100, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)

PLAIN = ServiceEntry(
    "nacos",
    "orders.nacos",
    ("orders.nacos.svc.cluster.local",),
    ports=(ServicePort(8080, "HTTP", "http-8080"),),
    endpoints=(
        WorkloadEntry("10.0.0.1", (("http-8080", 8080),), (("app", "orders"), ("version", "v1")), "cn/hz/a", 1),
        WorkloadEntry("10.0.0.2", (("http-8080", 18080),), (), "", 100),
    ),
    labels=(("app", "orders"), ("registry", "nacos")),
)
EMPTIED = ServiceEntry("nacos", "gone.nacos", ("gone.nacos",), labels=(("istio.io/rev", "canary"),))
FULL = ServiceEntry(
    "dubbo",
    "订单.dubbo",
    ("a.dubbo", "b.dubbo"),
    ports=(ServicePort(20880, "TCP", "tcp-dubbo-20880"), ServicePort(80, "HTTP", "http-80", 8080)),
    endpoints=(WorkloadEntry("backend.example", (("http-80", 8080), ("tcp-dubbo-20880", 20880))),),
    resolution=Resolution.DNS,
    location=Location.MESH_EXTERNAL,
    addresses=("241.0.0.7",),
    export_to=(".", "istio-system"),
    annotations=(("key", "com.example.Order:g:1.0"),),
)


def encoder() -> ResourceEncoder:
    return ResourceEncoder(CREATED)


def expected_any(entry: ServiceEntry, version: str) -> Any:
    """The `Any(mcp.Resource)` of an entry, built with Google's runtime."""
    return frame_resource(entry, spec_message(entry), version, CREATED)


@given(entry=entries(equally_long_keys))
def test_bytes_equal_those_of_the_reference_runtime(entry: ServiceEntry) -> None:
    resource = encoder().encode(entry)

    assert expected_any(entry, resource.version).SerializeToString(deterministic=True) == resource.any_bytes


@given(entry=entries())
def test_the_reference_runtime_reads_what_was_encoded(entry: ServiceEntry) -> None:
    """Whatever the keys: the order of map entries is no part of a message."""
    resource = encoder().encode(entry)
    expected = expected_any(entry, resource.version)
    decoded = type(expected).FromString(resource.any_bytes)
    resource_class: Any = message_class("istio.mcp.v1alpha1.Resource")
    inner = resource_class.FromString(decoded.value)

    assert resource_class.FromString(expected.value).metadata == inner.metadata
    assert spec_message(entry) == type(spec_message(entry)).FromString(inner.body.value)
    assert len(expected.SerializeToString()) == len(resource.any_bytes)


@pytest.mark.parametrize("entry", [PLAIN, EMPTIED, FULL], ids=lambda entry: entry.name)
def test_hand_written_entries_equal_those_of_the_reference_runtime(entry: ServiceEntry) -> None:
    resource = encoder().encode(entry)

    assert expected_any(entry, resource.version).SerializeToString(deterministic=True) == resource.any_bytes
    assert (f"{entry.namespace}/{entry.name}", entry) == (resource.name, resource.record)


@pytest.mark.parametrize(
    ("entry", "version"),
    [(PLAIN, "58c577309a75e98b"), (EMPTIED, "4b53d7e603dc7bfa"), (FULL, "1fbe8fb21b1f4b0e")],
    ids=["plain", "emptied", "full"],
)
def test_versions_are_those_of_earlier_releases(entry: ServiceEntry, version: str) -> None:
    """A change here makes every version new: each client applies everything once. Say so in the changelog."""
    assert version == encoder().encode(entry).version


@settings(max_examples=50)
@given(batch=st.lists(entries(), max_size=6), cache_size=st.integers(1, 3))
def test_neither_caches_nor_earlier_entries_show_in_the_result(batch: list[ServiceEntry], cache_size: int) -> None:
    shared = ResourceEncoder(CREATED, cache_size=cache_size)

    assert [encoder().encode(entry) for entry in batch] == [shared.encode(entry) for entry in batch]


def test_the_creation_time_is_no_part_of_the_version() -> None:
    later = ResourceEncoder(CREATED + timedelta(days=1)).encode(PLAIN)

    assert encoder().encode(PLAIN).version == later.version
    assert encoder().encode(PLAIN).any_bytes != later.any_bytes


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "orders2.nacos"},
        {"namespace": "other"},
        {"hosts": ("orders.other",)},
        {"addresses": ("241.0.0.1",)},
        {"ports": (ServicePort(8081, "HTTP", "http-8080"),)},
        {"location": Location.MESH_EXTERNAL},
        {"resolution": Resolution.DNS},
        {"endpoints": PLAIN.endpoints[:1]},
        {"endpoints": PLAIN.endpoints[::-1]},
        {"endpoints": (msgspec.structs.replace(PLAIN.endpoints[0], weight=2), PLAIN.endpoints[1])},
        {"export_to": (".",)},
        {"labels": (("app", "orders"),)},
        {"annotations": (("app", "orders"),)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_field_is_part_of_the_version(changes: dict[str, object]) -> None:
    changed = msgspec.structs.replace(PLAIN, **changes)

    assert encoder().encode(PLAIN).version != encoder().encode(changed).version


def test_a_label_and_an_annotation_of_equal_text_differ_in_version() -> None:
    labelled = msgspec.structs.replace(EMPTIED, labels=(("a", "b"),), annotations=())
    annotated = msgspec.structs.replace(EMPTIED, labels=(), annotations=(("a", "b"),))

    assert encoder().encode(labelled).version != encoder().encode(annotated).version


def test_lone_surrogates_are_replaced_so_that_clients_can_decode() -> None:
    """JSON can carry them; protobuf strings are UTF-8 and a client refuses a whole response for one bad byte."""
    broken = msgspec.structs.replace(PLAIN, labels=(("a\ud800", "\udfff"),))
    repaired = msgspec.structs.replace(PLAIN, labels=(("a?", "?"),))

    assert encoder().encode(repaired).any_bytes == encoder().encode(broken).any_bytes


def test_the_revision_is_the_label_of_that_name() -> None:
    assert "canary" == encoder().encode(EMPTIED).revision
    assert "" == encoder().encode(PLAIN).revision
