"""Spring Cloud applications as services."""

from meshregistry.model.instance import Instance
from meshregistry.sources.zookeeper.curator import CuratorNode
from meshregistry.sources.zookeeper.spring import ApplicationReading, name_application, read_application


def node(address: str = "10.20.30.70", port: int = 18080, ssl_port: int = 0, **metadata: str) -> CuratorNode:
    return CuratorNode("demo", "id", address, port, ssl_port, True, metadata, 0)


def test_an_application_is_its_instances_in_order() -> None:
    found = read_application([node("10.0.0.2", zone="z1"), node("10.0.0.1", instance_status="UP")])
    expected = (
        Instance("10.0.0.1", 18080, metadata=(("instance_status", "UP"),)),
        Instance("10.0.0.2", 18080, metadata=(("zone", "z1"),)),
    )
    assert ApplicationReading(expected, {}) == found


def test_an_instance_that_is_not_up_is_disabled() -> None:
    statuses = ["OUT_OF_SERVICE", "DOWN", "up", ""]
    found = [read_application([node(instance_status=each)]).instances[0].enabled for each in statuses]
    assert [False, False, True, True] == found
    assert not read_application([node()._replace(is_enabled=False)]).instances[0].enabled


def test_a_secure_instance_keeps_both_ports() -> None:
    found = read_application([node("svc.example.internal", 18081, 8443), node(port=0, ssl_port=8443)]).instances
    assert (
        Instance("10.20.30.70", 8443, port_enabled=False, secure_port=8443),
        Instance("svc.example.internal", 18081, secure_port=8443),
    ) == found


def test_dubbo_instances_beside_it_are_left_out() -> None:
    assert ApplicationReading((), {}) == read_application([node()._replace(metadata={"dubbo.metadata.revision": "1"})])


def test_instances_nobody_can_reach_are_counted() -> None:
    found = read_application([node("not a host"), node(port=0), node(port=70_000), node(ssl_port=70_000), node()])
    assert ApplicationReading((Instance("10.20.30.70", 18080),), {"address": 1, "port": 3}) == found


def test_nested_applications_have_dotted_names() -> None:
    assert ["demo-spring", "team-a.demo-spring2"] == [
        name_application(path) for path in ("demo-spring", "/team-a/demo-spring2/")
    ]
