"""Resources as JSON: the spec against Google's protobuf JSON, the items against Slime's shapes."""

import json
from datetime import UTC, datetime, timedelta, timezone

from google.protobuf.json_format import MessageToDict
from hypothesis import given

from meshregistry.http.spec_json import config_item, kubernetes_item, spec_json, timestamp_text
from meshregistry.http.text import json_text
from meshregistry.model.service_entry import ServiceEntry
from tests.support.http_pages import ENCODER, LEGACY, ORDERS, STOCK
from tests.support.service_entries import entries, spec_message

SERVICE_ENTRY = "networking.istio.io/v1alpha3/ServiceEntry"
CREATED = "2100-01-01T00:00:00Z"


@given(entry=entries())
def test_the_spec_equals_protobuf_json(entry: ServiceEntry) -> None:
    assert MessageToDict(spec_message(entry)) == json.loads(json_text(spec_json(entry)))


def test_the_fields_of_a_spec_come_in_their_order() -> None:
    assert ["hosts", "ports", "location", "resolution", "endpoints"] == list(spec_json(ORDERS))


def test_an_item_has_the_shape_of_slime() -> None:
    resource = ENCODER.encode(LEGACY)
    expected = {
        "type": SERVICE_ENTRY,
        "name": "legacy.dubbo",
        "namespace": "zk",
        "labels": {"registry": "zookeeper"},
        "annotations": {"key": "Legacy:1.0", "ResourceVersion": resource.version},
        "creationTimestamp": CREATED,
        "Spec": spec_json(LEGACY),
        "Status": None,
    }
    item = config_item(resource, SERVICE_ENTRY, CREATED)

    assert expected == item
    assert list(expected) == list(item)


def test_a_kubernetes_item_carries_the_version_in_its_metadata() -> None:
    resource = ENCODER.encode(LEGACY)
    expected = {
        "kind": "ServiceEntry",
        "apiVersion": "networking.istio.io/v1alpha3",
        "metadata": {
            "name": "legacy.dubbo",
            "namespace": "zk",
            "labels": {"registry": "zookeeper"},
            "annotations": {"key": "Legacy:1.0"},
            "resourceVersion": resource.version,
            "creationTimestamp": CREATED,
        },
        "spec": spec_json(LEGACY),
    }
    assert expected == kubernetes_item(resource, SERVICE_ENTRY, CREATED)


def test_empty_maps_are_left_out_of_metadata() -> None:
    bare = ENCODER.encode(ServiceEntry("nacos", "bare", ("bare",)))

    assert "labels" not in config_item(bare, SERVICE_ENTRY, CREATED)
    metadata = kubernetes_item(bare, SERVICE_ENTRY, CREATED)["metadata"]
    assert {"name": "bare", "namespace": "nacos", "resourceVersion": bare.version, "creationTimestamp": CREATED} == (
        metadata
    )


def test_an_entry_without_endpoints_has_no_endpoints_field() -> None:
    assert {"hosts": ("stock.nacos",), "location": "MESH_INTERNAL", "resolution": "STATIC"} == spec_json(STOCK)


def test_timestamps_are_rfc_3339_in_utc() -> None:
    shanghai = timezone(timedelta(hours=8))

    assert "2100-01-01T00:00:00Z" == timestamp_text(datetime(2100, 1, 1, 8, tzinfo=shanghai))
    assert "2100-01-01T00:00:00.250000Z" == timestamp_text(datetime(2100, 1, 1, microsecond=250_000, tzinfo=UTC))
