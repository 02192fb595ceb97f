"""Services as Nacos's JSON; field order and odd fields as captured from 2.3.1 and 3.1.0."""

from typing import Any

import orjson

from meshregistry.sim.nacos.state import Instance, Service, ServiceKey
from meshregistry.sim.nacos.views import Dialect, HostFilter, Views, join_rows

ALL = HostFilter()


def test_a_v1_catalogue_row_is_as_captured() -> None:
    service = _service(Instance("10.2.1.1", 80, metadata={"a": "b"}), group="G2")

    expected = (
        '{"namespace":null,"serviceName":"catalogue","groupName":"G2","clusterMap":{"DEFAULT":'
        '{"clusterName":null,"healthChecker":null,"metadata":null,"hosts":[{"valid":true,"metadata":{"a":"b"},'
        '"port":80,"ip":"10.2.1.1","weight":1.0,"enabled":true}]}},"metadata":{},"protectThreshold":0.0,'
        '"selector":null,"ephemeral":null}'
    )
    assert expected == Views(Dialect.V2).catalogue_row(service).decode()


def test_a_v3_catalogue_row_is_as_captured() -> None:
    service = _service(Instance("10.2.2.1", 80, enabled=False, ephemeral=False), group="G3")

    expected = (
        '{"namespaceId":null,"serviceName":"catalogue","groupName":"G3","clusterMap":{"DEFAULT":'
        '{"clusterName":null,"healthChecker":null,"healthyCheckPort":80,"useInstancePortForCheck":true,'
        '"metadata":null,"hosts":[{"instanceId":"10.2.2.1#80#DEFAULT#G3@@catalogue","ip":"10.2.2.1","port":80,'
        '"weight":1.0,"healthy":true,"enabled":false,"ephemeral":false,"clusterName":"DEFAULT",'
        '"serviceName":"G3@@catalogue","metadata":{},"instanceHeartBeatInterval":5000,'
        '"instanceHeartBeatTimeOut":15000,"ipDeleteTimeout":30000,"instanceIdGenerator":"simple"}]}},'
        '"metadata":{},"protectThreshold":0.0,"selector":null,"ephemeral":null}'
    )
    assert expected == Views(Dialect.V3).catalogue_row(service).decode()


def test_a_row_of_an_empty_service_has_no_cluster() -> None:
    assert {} == orjson.loads(Views(Dialect.V2).catalogue_row(_service()))["clusterMap"]


def test_hosts_carry_what_their_metadata_preserves() -> None:
    metadata = {"preserved.heart.beat.timeout": "300000", "preserved.ip.delete.timeout": "soon"}
    [host] = _hosts(_service(Instance("10.0.0.1", 80, metadata=metadata)), ALL)

    assert (5000, 300000, 30000) == (
        host["instanceHeartBeatInterval"],
        host["instanceHeartBeatTimeOut"],
        host["ipDeleteTimeout"],
    )
    assert "instanceIdGenerator" not in host


def test_readers_never_get_disabled_hosts_and_get_unhealthy_ones_unless_they_say_so() -> None:
    service = _service(
        Instance("10.0.0.1", 80),
        Instance("10.0.0.2", 80, enabled=False),
        Instance("10.0.0.3", 80, healthy=False, cluster="EAST"),
    )

    def found(wanted: HostFilter) -> list[str]:
        return [each["ip"] for each in _hosts(service, wanted)]

    assert ["10.0.0.1", "10.0.0.3"] == found(ALL)
    assert ["10.0.0.1"] == found(HostFilter(healthy_only=True))
    assert ["10.0.0.3"] == found(HostFilter(clusters=frozenset({"EAST", "WEST"})))
    assert b"[]" == Views(Dialect.V2).hosts(None, ALL)


def test_counts_tell_clusters_hosts_and_healthy_ones() -> None:
    service = _service(Instance("10.0.0.1", 80, enabled=False), Instance("10.0.0.2", 80, healthy=False, cluster="EAST"))

    assert {
        "name": "catalogue",
        "groupName": "DEFAULT_GROUP",
        "clusterCount": 2,
        "ipCount": 2,
        "healthyInstanceCount": 1,
        "triggerFlag": "false",
    } == Views(Dialect.V3).count_row(service)


def test_a_row_is_encoded_again_only_after_a_change() -> None:
    views, service = Views(Dialect.V2), _service(Instance("10.0.0.1", 80))
    first = views.catalogue_row(service)

    assert views.catalogue_row(service) is first
    service.put(Instance("10.0.0.1", 80, weight=2.0))
    assert b'"weight":2.0' in views.catalogue_row(service)


def test_shuffling_changes_the_order_and_nothing_else() -> None:
    service = _service(*(Instance(f"10.0.0.{n}", 80) for n in range(50)))
    views = Views(Dialect.V2, shuffle=True)

    first, second = (orjson.loads(views.hosts(service, ALL)) for _ in range(2))

    assert first != second
    assert sorted(first, key=_ip) == sorted(second, key=_ip)
    assert sorted(range(50)) == sorted(views.ordered(range(50)))


def test_rows_join_to_an_array_between_two_texts() -> None:
    assert b"[]" == join_rows([])
    assert b"[1]" == join_rows([b"1"])
    assert b'{"x":[1,2,3]}' == join_rows([b"1", b"2", b"3"], b'{"x":', b"}")
    assert b'{"x":[]}' == join_rows([], b'{"x":', b"}")


def _service(*instances: Instance, group: str = "DEFAULT_GROUP") -> Service:
    service = Service(ServiceKey("catalogue", group), ephemeral=True)
    for instance in instances:
        service.put(instance)
    return service


def _hosts(service: Service, wanted: HostFilter) -> list[dict[str, Any]]:
    hosts: list[dict[str, Any]] = orjson.loads(Views(Dialect.V2).hosts(service, wanted))
    return hosts


def _ip(host: dict[str, Any]) -> str:
    return str(host["ip"])
