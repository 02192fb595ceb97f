"""Instance nodes of Dubbo and Spring Cloud."""

import json

import pytest

from meshregistry.sources.zookeeper.curator import CuratorNode, read_node


def test_a_node_of_dubbo_is_read() -> None:
    """As Dubbo 3.3.6 wrote it, on IPv6."""
    data = json.dumps(
        {
            "name": "demo-provider3",
            "id": "[2001:db8::5]:20980",
            "address": "[2001:db8::5]",
            "port": 20980,
            "sslPort": None,
            "payload": {
                "@class": "org.apache.dubbo.registry.zookeeper.ZookeeperInstance",
                "id": None,
                "name": "demo-provider3",
                "metadata": {"dubbo.endpoints": '[{"port":20980,"protocol":"dubbo"}]', "n": 1, "gone": None},
            },
            "registrationTimeUTC": 1795370866763,
            "serviceType": "DYNAMIC",
            "uriSpec": None,
        }
    ).encode()
    node = read_node(data)

    metadata = {"dubbo.endpoints": '[{"port":20980,"protocol":"dubbo"}]', "n": "1"}
    expected = CuratorNode(
        "demo-provider3", "[2001:db8::5]:20980", "2001:db8::5", 20980, 0, True, metadata, 1795370866763
    )
    assert expected == node
    assert node.is_dubbo


@pytest.mark.parametrize("data", [b"", b"10.0.0.1", b"[]", b"{}", b'{"address": ""}', b'{"address": 1}', b"\xff"])
def test_data_that_is_no_instance_is_none(data: bytes) -> None:
    """Nodes above the instances hold an IP address or nothing."""
    assert read_node(data) is None


def test_odd_fields_do_not_lose_the_instance() -> None:
    node = read_node(b'{"address": "10.0.0.1", "port": "80", "payload": 7, "name": null, "enabled": false}')
    assert CuratorNode("", "", "10.0.0.1", 0, 0, False, {}, 0) == node
    assert node is not None
    assert not node.is_dubbo
