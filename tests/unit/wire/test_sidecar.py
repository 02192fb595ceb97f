"""The Sidecar encoder against Google's own protobuf runtime."""

from datetime import UTC, datetime
from typing import Any

import pytest

from meshregistry.model.sidecar import EgressListener, Sidecar
from meshregistry.wire.resource import Resource
from meshregistry.wire.sidecar import encode_sidecar
from tests.support.pb2_decoder import message_class
from tests.support.reference_resource import frame_resource

CREATED = datetime(2100, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)

SLIME = Sidecar(
    "dubbo",
    "web.dubbo.generated",
    (("app", "web"),),
    (EgressListener(("*/com.a.B", "*/com.a.B:g:1.0.0"), "DUBBO"),),
    (("istio.io/rev", "canary"),),
    (("sidecar.config.istio.io/nonNsSpec", "true"),),
)
EMPTY = Sidecar("dubbo", "订单.dubbo.generated", (("app", "订单"),), (EgressListener((), "DUBBO"),))
ISTIO = Sidecar("shop", "web.dubbo.generated", (("app", "web"), ("b", "")), (EgressListener(("*/com.a.b.dubbo",)),))


def expected_bytes(sidecar: Sidecar, version: str) -> bytes:
    """The `Any(mcp.Resource)` of a Sidecar, built with Google's runtime."""
    spec: Any = message_class("istio.networking.v1alpha3.Sidecar")()
    spec.workload_selector.labels.update(dict(sidecar.workload_labels))
    for listener in sidecar.egress:
        added = spec.egress.add(hosts=listener.hosts)
        if listener.protocol:
            added.port.protocol = listener.protocol
    return bytes(frame_resource(sidecar, spec, version, CREATED).SerializeToString(deterministic=True))


@pytest.mark.parametrize("sidecar", [SLIME, EMPTY, ISTIO], ids=["slime", "empty", "istio"])
def test_bytes_equal_those_of_the_reference_runtime(sidecar: Sidecar) -> None:
    resource = encode_sidecar(sidecar, CREATED)
    expected = Resource(sidecar.resource_name, resource.version, sidecar, expected_bytes(sidecar, resource.version))
    assert expected == resource


@pytest.mark.parametrize(
    ("sidecar", "version"),
    [(SLIME, "903c11f1136e674d"), (EMPTY, "8a91c0c277ffe28b"), (ISTIO, "3a4ccfad67d5c8f2")],
    ids=["slime", "empty", "istio"],
)
def test_versions_are_those_of_earlier_releases(sidecar: Sidecar, version: str) -> None:
    assert version == encode_sidecar(sidecar, CREATED).version


def test_the_creation_time_is_no_part_of_the_version() -> None:
    later = encode_sidecar(SLIME, CREATED.replace(year=2101))
    assert encode_sidecar(SLIME, CREATED).version == later.version
    assert encode_sidecar(SLIME, CREATED).any_bytes != later.any_bytes


def test_the_revision_is_the_label_of_that_name() -> None:
    assert ["canary", ""] == [encode_sidecar(each, CREATED).revision for each in (SLIME, ISTIO)]
