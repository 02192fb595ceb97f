"""Application-level discovery: what real applications wrote, and what follows for interfaces."""

import json

import pytest

from meshregistry.sources.zookeeper.curator import CuratorNode
from meshregistry.sources.zookeeper.dubbo.applications import (
    ApplicationInstance,
    ExportedService,
    Offer,
    guess_offers,
    list_exact_offers,
    offer_application,
    read_instance,
    read_mapping,
    read_metadata,
)

ENDPOINTS = '[{"port":20980,"protocol":"dubbo"},{"port":50151,"protocol":"tri"}]'


def node(**metadata: str) -> CuratorNode:
    return CuratorNode("demo", "10.20.30.60:20980", "10.20.30.60", 20980, 0, True, metadata, 1795368640633)


def instance(endpoints: tuple[tuple[str, int], ...] = (("dubbo", 20980), ("tri", 50151))) -> ApplicationInstance:
    return ApplicationInstance("demo", "10.20.30.60", 20980, "8e32", endpoints, "12", (("zone", "z1"),))


def test_an_instance_names_its_endpoints_and_its_metadata() -> None:
    metadata = {
        "dubbo.endpoints": ENDPOINTS,
        "dubbo.metadata-service.url-params": "{}",
        "dubbo.metadata.revision": "8e32",
        "dubbo.metadata.storage-type": "local",
        "meta-v": "2.0.0",
        "timestamp": "12",
        "zone": "z1",
    }
    assert instance() == read_instance(node(**metadata))


def test_an_instance_of_2_7_has_no_timestamp_of_its_own() -> None:
    found = read_instance(node(**{"dubbo.metadata.revision": "8EBD", "dubbo.endpoints": "nonsense"}))
    assert ApplicationInstance("demo", "10.20.30.60", 20980, "8EBD", (), "1795368640633", ()) == found


@pytest.mark.parametrize(
    "unready",
    [
        node(**{"dubbo.metadata.revision": "0", "dubbo.endpoints": ENDPOINTS}),
        node(instance_status="UP"),
        node(**{"dubbo.metadata.revision": "1"})._replace(is_enabled=False),
        node(**{"dubbo.metadata.revision": "1"})._replace(address="no host"),
        node(**{"dubbo.metadata.revision": "1"})._replace(name=""),
    ],
)
def test_what_exports_nothing_is_no_instance(unready: CuratorNode) -> None:
    assert read_instance(unready) is None


def test_metadata_of_3_names_every_service_with_its_port() -> None:
    body = {
        "app": "demo",
        "revision": "729e",
        "services": {
            "g2/lab.api.GreetService:tri": {
                "group": "g2",
                "name": "lab.api.GreetService",
                "params": {"group": "g2", "side": "provider"},
                "path": "lab.api.GreetService",
                "port": 50151,
                "protocol": "tri",
            },
            "demo/org.apache.dubbo.metadata.MetadataService:1.0.0:dubbo": {
                "name": "org.apache.dubbo.metadata.MetadataService",
                "protocol": "dubbo",
            },
            "odd": 1,
        },
    }
    services = read_metadata(json.dumps(body).encode())
    assert (ExportedService("lab.api.GreetService", "tri", 50151, (("group", "g2"), ("side", "provider"))),) == services


def test_metadata_of_2_7_leaves_the_port_to_the_endpoint() -> None:
    body = (
        b'{"services":{"users/lab.api.UserService:1.0.0:dubbo":{"name":"lab.api.UserService","group":"users",'
        b'"version":"1.0.0","protocol":"dubbo","path":"x","params":{"weight":"0"}}}}'
    )
    services = read_metadata(body)
    assert services is not None
    expected = Offer(
        "lab.api.UserService",
        "dubbo",
        "10.20.30.60",
        20980,
        "demo",
        (
            ("application", "demo"),
            ("group", "users"),
            ("interface", "lab.api.UserService"),
            ("version", "1.0.0"),
            ("weight", "0"),
            ("zone", "z1"),
        ),
        "12",
        True,
    )
    assert (expected,) == list_exact_offers(instance(), services)
    assert () == list_exact_offers(instance((("tri", 50151),)), services)


@pytest.mark.parametrize("data", [b"", b"127.0.0.1", b"[]", b'{"services": []}', b"\xff"])
def test_metadata_that_is_none_is_told_apart_from_empty_metadata(data: bytes) -> None:
    assert read_metadata(data) is None
    assert () == read_metadata(b'{"services": {}}')


def test_a_mapping_is_a_comma_list() -> None:
    assert ("demo-b", "demo-provider3") == read_mapping(b"demo-provider3, demo-b,,demo-b")
    assert () == read_mapping(b"")


def test_a_guess_is_the_interface_on_every_port() -> None:
    params = (("application", "demo"), ("interface", "com.a.B"), ("zone", "z1"))
    assert (
        Offer("com.a.B", "dubbo", "10.20.30.60", 20980, "demo", params, "12", False),
        Offer("com.a.B", "tri", "10.20.30.60", 50151, "demo", params, "12", False),
    ) == guess_offers(instance(), "com.a.B")


def test_the_application_itself_is_a_service() -> None:
    offers = offer_application(instance())
    assert [("demo", "dubbo", 20980, True), ("demo", "tri", 50151, True)] == [
        (each.interface, each.scheme, each.port, each.is_exact) for each in offers
    ]
