"""Every call that lists instances gives equal records; one bad record costs only itself."""

import msgspec
import pytest

from meshregistry.errors import SourceDataError
from meshregistry.model.instance import Instance
from meshregistry.sources.nacos import wire
from meshregistry.sources.nacos.instances import Harvest, InstanceReader, open_item
from tests.unit.sources.nacos.bodies import bulk_item, captured, raw

LONG_LIFE = (("preserved.heart.beat.timeout", "300000"), ("preserved.ip.delete.timeout", "600000"))
CATALOGUE = (
    Instance("10.2.0.1", 8081, "DEFAULT", weight=1.0, metadata=(*LONG_LIFE, ("version", "v1"))),
    Instance("10.2.0.2", 8082, "DEFAULT", weight=0.5, metadata=(*LONG_LIFE, ("version", "v2"))),
    Instance("10.2.0.3", 8083, "EAST", weight=0.0, metadata=(*LONG_LIFE, ("version", "v3"))),
)
GOOD = {"ip": "10.0.0.1", "port": 80}


def _read_item(value: object) -> Harvest:
    item = open_item(raw(value))
    assert item is not None
    return InstanceReader().read_item(item)


def _read_bulk(items: list[msgspec.Raw]) -> dict[str, Harvest]:
    opened = [item for item in map(open_item, items) if item is not None]
    reader = InstanceReader()
    return {item.service_name: reader.read_item(item) for item in opened if item.group_name == "DEFAULT_GROUP"}


@pytest.mark.parametrize("version", ["2.3.1", "3.1.0"])
def test_the_instance_list_of_a_real_server(version: str) -> None:
    harvest = InstanceReader().read_list(captured(f"instances-catalogue-{version}.json"))

    assert (CATALOGUE, 0) == (harvest.instances, sum(harvest.bad.values()))


def test_both_bulk_listings_give_the_same_as_the_instance_list() -> None:
    older = _read_bulk(wire.decode_catalog_page(captured("catalog-2.3.1.json")).items)
    newer = _read_bulk(wire.decode_admin_page(captured("admin-3.1.0.json")).items)

    assert CATALOGUE == older["catalogue"].instances
    assert CATALOGUE == newer["catalogue"].instances
    for name in ("beaten", "hostname", "providers:com.acme.Demo:1.0:grp", "v6"):
        assert older[name] == newer[name]
    assert ["2001:db8::1"] == [instance.address for instance in older["v6"].instances]
    assert ["svc.example.internal"] == [instance.address for instance in older["hostname"].instances]


def test_unhealthy_instances_stay_and_are_flagged() -> None:
    older = _read_bulk(wire.decode_catalog_page(captured("catalog-2.3.1.json")).items)["db"]

    assert [(9, False), (28848, True)] == [(each.port, each.healthy) for each in older.instances]
    assert older.has_unhealthy


def test_a_protected_service_reads_as_all_healthy() -> None:
    harvest = InstanceReader().read_list(captured("protected-3.1.0.json"))

    assert [True] == [instance.healthy for instance in harvest.instances]


def test_disabled_instances_are_left_out_and_weight_0_is_kept() -> None:
    harvest = _read_item(bulk_item({**GOOD, "enabled": False}, {"ip": "10.0.0.2", "port": 80, "weight": 0}))

    assert (Instance("10.0.0.2", 80, "DEFAULT", weight=0.0),) == harvest.instances
    assert 0 == sum(harvest.bad.values())


def test_only_disabled_instances_make_an_empty_service() -> None:
    assert ((), 0) == _counted(_read_item(bulk_item({**GOOD, "enabled": False})))


@pytest.mark.parametrize(
    "item",
    [
        {"serviceName": "orders", "groupName": "DEFAULT_GROUP", "clusterMap": {}},
        {"serviceName": "orders", "groupName": "DEFAULT_GROUP", "clusterMap": None},
        {"serviceName": "orders", "groupName": "DEFAULT_GROUP"},
        {"serviceName": "orders", "groupName": "DEFAULT_GROUP", "clusterMap": {"DEFAULT": None}},
        {"serviceName": "orders", "groupName": "DEFAULT_GROUP", "clusterMap": {"DEFAULT": {"hosts": None}}},
    ],
)
def test_a_service_without_instances_is_empty(item: object) -> None:
    assert ((), 0) == _counted(_read_item(item))


def test_order_on_the_wire_does_not_matter() -> None:
    hosts = [{"ip": f"10.0.0.{number}", "port": 80} for number in range(5)]

    assert _read_item(bulk_item(*hosts)) == _read_item(bulk_item(*reversed(hosts)))


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        (None, "malformed"),
        (17, "malformed"),
        ("10.0.0.1", "malformed"),
        ([], "malformed"),
        ({"port": 80}, "address"),
        ({"ip": "", "port": 80}, "address"),
        ({"ip": "  ", "port": 80}, "address"),
        ({"ip": None, "port": 80}, "malformed"),
        ({"ip": "10.0.0.9"}, "port"),
        ({"ip": "10.0.0.9", "port": "abc"}, "malformed"),
        ({"ip": "10.0.0.9", "port": 8080.5}, "malformed"),
        ({"ip": "10.0.0.9", "port": 2**40}, "malformed"),
        ({"ip": "10.0.0.9", "port": 80, "weight": "heavy"}, "malformed"),
        ({"ip": "10.0.0.9", "port": 80, "healthy": "yes"}, "malformed"),
        ({"ip": "10.0.0.9", "port": 80, "metadata": ["a"]}, "metadata"),
        ({"ip": "10.0.0.9", "port": 80, "metadata": "a=b"}, "metadata"),
    ],
)
def test_a_garbage_record_is_dropped_alone_and_counted(host: object, reason: str) -> None:
    in_bulk = _read_item(bulk_item(GOOD, host))
    by_itself = InstanceReader().read_list(msgspec.json.encode({"hosts": [GOOD, host]}))

    assert ((Instance("10.0.0.1", 80, "DEFAULT"),), {reason: 1}) == (in_bulk.instances, in_bulk.bad)
    assert in_bulk == by_itself


def test_invalid_utf_8_costs_only_its_record() -> None:
    body = (
        b'{"hosts":[{"ip":"10.0.0.1","port":80},{"ip":"10.0.0.\xff","port":80},'
        b'{"ip":"10.0.0.3","port":80,"metadata":{"a":"\xfe\xff"}}]}'
    )

    harvest = InstanceReader().read_list(body)

    assert (Instance("10.0.0.1", 80, "DEFAULT"),) == harvest.instances
    assert {"malformed": 1, "metadata": 1} == harvest.bad


def test_a_service_of_which_nothing_can_be_known_is_an_error_and_not_empty() -> None:
    with pytest.raises(SourceDataError, match="none of 2 instance records is usable"):
        _read_item(bulk_item(None, {"port": 80}))
    with pytest.raises(SourceDataError):
        InstanceReader().read_list(b'{"name":"orders"}')
    with pytest.raises(SourceDataError):
        _read_item({"serviceName": "orders", "groupName": "DEFAULT_GROUP", "clusterMap": "gone"})


def test_ports_and_weights_out_of_range_are_left_to_the_conversion() -> None:
    harvest = _read_item(bulk_item({"ip": "a", "port": 0}, {"ip": "b", "port": 70000}, {"ip": "c", "port": -1}))

    assert [0, 70000, -1] == [instance.port for instance in harvest.instances]


def test_metadata_is_text_sorted_and_without_nulls() -> None:
    metadata = {"z": "1", "none": None, "number": 1.5, "yes": True, "nested": {"a": [1]}, "中文": "值"}

    harvest = _read_item(bulk_item({**GOOD, "metadata": metadata}))

    assert (
        ("nested", '{"a":[1]}'),
        ("number", "1.5"),
        ("yes", "true"),
        ("z", "1"),
        ("中文", "值"),
    ) == harvest.instances[0].metadata


def test_null_metadata_is_empty() -> None:
    assert () == _read_item(bulk_item({**GOOD, "metadata": None})).instances[0].metadata


def test_a_megabyte_of_metadata_is_read() -> None:
    harvest = _read_item(bulk_item({**GOOD, "metadata": {"big": "x" * 2**20}}))

    assert 2**20 == len(harvest.instances[0].metadata[0][1])


def test_equal_metadata_shares_memory() -> None:
    reader = InstanceReader()
    body = msgspec.json.encode({"hosts": [{**GOOD, "metadata": {"zone": "zone-a"}}]})
    other = msgspec.json.encode({"hosts": [{**GOOD, "metadata": {"zone": "zone-a", "version": "v1"}}]})

    first, second, third = (reader.read_list(each).instances[0].metadata for each in (body, body, other))

    assert first is second
    assert first[0] is third[1]


def test_health_is_read_under_both_names() -> None:
    hosts = [{**GOOD, "valid": False}, {**GOOD, "healthy": False}, {**GOOD, "healthy": True, "valid": False}, GOOD]

    assert [False, False, True, True] == [_read_item(bulk_item(host)).instances[0].healthy for host in hosts]


@pytest.mark.parametrize(
    "value", [None, 17, [], {}, {"serviceName": 3, "groupName": "g"}, {"serviceName": "", "groupName": "g"}, b'{"a":']
)
def test_a_service_without_a_name_cannot_be_opened(value: object) -> None:
    assert open_item(raw(value)) is None


def test_a_service_with_an_undecodable_name_cannot_be_opened() -> None:
    assert open_item(raw(b'{"serviceName":"\xff","groupName":"DEFAULT_GROUP","clusterMap":{}}')) is None


@pytest.mark.parametrize("name", ["a/b", "a b", "订单", "x" * 300, "UPPER_case", "a+b&c=d?e#f%2F"])
def test_any_name_is_kept_as_it_is(name: str) -> None:
    item = open_item(raw(bulk_item(GOOD, name=name)))

    assert item is not None
    assert name == item.service_name


def _counted(harvest: Harvest) -> tuple[tuple[Instance, ...], int]:
    return harvest.instances, sum(harvest.bad.values())
