"""Host by host, endpoint by endpoint; what makes no difference to a mesh is none."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from meshregistry.comparison.difference import Comparison, Difference, What, compare, confirm
from meshregistry.comparison.page import read_page
from meshregistry.http.xds_cache import render_page
from tests.support.http_pages import LEGACY, ORDERS, store_of
from tests.support.slime_page import slime_item, slime_page

HOST = "orders.nacos.svc.cluster.local"


def spec(*endpoints: dict[str, Any], **fields: Any) -> dict[str, Any]:
    ports = [{"number": 8080, "protocol": "HTTP", "name": "http-8080"}]
    return {"hosts": [HOST], "ports": ports, "resolution": "STATIC", "endpoints": list(endpoints), **fields}


def endpoint(address: str, port: int = 8080, **fields: Any) -> dict[str, Any]:
    return {"address": address, "ports": {"http-8080": port}, **fields}


def difference(there: list[dict[str, Any]], ours: list[dict[str, Any]]) -> Comparison:
    return compare(read_page(slime_page(*there), "there"), read_page(slime_page(*ours), "ours"))


def one(there: dict[str, Any], ours: dict[str, Any]) -> list[Difference]:
    return list(difference([slime_item("orders.nacos", there)], [slime_item("orders.nacos", ours)]).differences)


A, B = endpoint("10.0.0.1"), endpoint("10.0.0.2")


@pytest.mark.parametrize(
    ("there", "ours"),
    [
        (spec(A, B), spec(B, A)),
        (spec(A, A), spec(A)),
        (spec(A), spec(A, location="MESH_EXTERNAL")),
        (spec(A), spec(endpoint("10.0.0.1", weight=1))),
        (spec(A, exportTo=["a", "b"]), spec(A, exportTo=["b", "a"])),
        (
            spec(endpoint("10.0.0.1", labels={"a": "1", "b": "2"})),
            spec(endpoint("10.0.0.1", labels={"b": "2", "a": "1"})),
        ),
    ],
)
def test_order_repetition_and_defaults_make_no_difference(there: dict[str, Any], ours: dict[str, Any]) -> None:
    assert [] == one(there, ours)


@pytest.mark.parametrize(
    ("there", "ours", "expected"),
    [
        (spec(A, B), spec(A), Difference(HOST, What.ENDPOINT, "10.0.0.2:8080", "present", None)),
        (spec(A), spec(A, B), Difference(HOST, What.ENDPOINT, "10.0.0.2:8080", None, "present")),
        (
            spec(endpoint("10.0.0.1", labels={"v": "1"})),
            spec(endpoint("10.0.0.1", labels={"v": "2"})),
            Difference(HOST, What.ENDPOINT_FIELD, "10.0.0.1:8080 labels.v", "1", "2"),
        ),
        (
            spec(endpoint("10.0.0.1", locality="cn/hz")),
            spec(A),
            Difference(HOST, What.ENDPOINT_FIELD, "10.0.0.1:8080 locality", "cn/hz", None),
        ),
        (
            spec(A),
            spec(endpoint("10.0.0.1", weight=50)),
            Difference(HOST, What.ENDPOINT_FIELD, "10.0.0.1:8080 weight", "1", "50"),
        ),
        (
            spec(A),
            spec(A, location="MESH_INTERNAL"),
            Difference(HOST, What.FIELD, "location", "MESH_EXTERNAL", "MESH_INTERNAL"),
        ),
        (spec(A), spec(A, resolution="DNS"), Difference(HOST, What.FIELD, "resolution", "STATIC", "DNS")),
        (
            spec(A),
            spec(A, ports=[{"number": 80, "protocol": "TCP", "name": "tcp-80"}]),
            Difference(HOST, What.FIELD, "ports", "8080 HTTP http-8080", "80 TCP tcp-80"),
        ),
        (spec(A), spec(A, addresses=["241.0.0.1"]), Difference(HOST, What.FIELD, "addresses", None, "241.0.0.1")),
    ],
)
def test_each_thing_that_matters_is_one_difference(
    there: dict[str, Any], ours: dict[str, Any], expected: Difference
) -> None:
    assert [expected] == one(there, ours)


def test_the_same_address_on_two_ports_is_two_endpoints() -> None:
    found = one(spec(endpoint("10.0.0.1", 8080)), spec(endpoint("10.0.0.1", 9090)))

    assert [("10.0.0.1:8080", None), ("10.0.0.1:9090", "present")] == [(each.subject, each.ours) for each in found]


def test_labels_and_the_name_of_the_resource_count_and_versions_do_not() -> None:
    there = slime_item("orders.nacos", spec(A), labels={"registry": "nacos", "app": "orders"})
    ours = slime_item("orders", spec(A)) | {"annotations": {"ResourceVersion": "3f1c", "why": "x"}}

    assert {
        ("annotations.why", None, "x"),
        ("labels.app", "orders", None),
        ("resource", "nacos/orders.nacos", "nacos/orders"),
    } == {(each.subject, each.there, each.ours) for each in difference([there], [ours]).differences}


def test_a_host_of_one_side_is_one_difference_however_many_endpoints_it_has() -> None:
    found = difference([slime_item("orders.nacos", spec(A, B))], [])

    assert [Difference(HOST, What.HOST, "", "2 endpoints", None)] == list(found.differences)
    assert (1, 0, 0) == (found.hosts_there, found.hosts_ours, found.hosts_both)


def test_what_slime_keeps_empty_for_ever_is_counted_and_no_difference() -> None:
    found = difference([slime_item("orders.nacos", spec())], [])

    assert ((), 1, 0) == (found.differences, found.empty_there, found.empty_ours)


def test_entries_that_share_a_host_are_one_host() -> None:
    there = [slime_item("orders.nacos", spec(A)), slime_item("orders.eureka", spec(B), namespace="eureka")]

    assert [] == list(difference(there, there).differences)
    assert 2 == difference(there, []).endpoints_there


def test_sidecars_are_compared_as_a_whole() -> None:
    sidecar = [slime_item("app", {"egress": [{"hosts": ["*/a"]}]}, kind="Sidecar")]
    other = [slime_item("app", {"egress": [{"hosts": ["*/b"]}]}, kind="Sidecar")]

    assert () == difference(sidecar, sidecar).differences
    assert [What.SIDECAR] == [each.what for each in difference(sidecar, other).differences]
    assert [None] == [each.ours for each in difference(sidecar, []).differences]


def test_what_differs_only_once_is_not_confirmed() -> None:
    first = difference([slime_item("orders.nacos", spec(A, B))], [slime_item("orders.nacos", spec(A))])
    second = difference([slime_item("orders.nacos", spec(A))], [slime_item("orders.nacos", spec(A))])

    assert first == confirm(first, first)
    assert () == confirm(first, second).differences


def test_the_count_of_equal_hosts_leaves_out_those_with_a_difference() -> None:
    other = {**spec(A), "hosts": ["other"]}
    found = difference(
        [slime_item("orders.nacos", spec(A)), slime_item("other", other)],
        [slime_item("orders.nacos", spec(B)), slime_item("other", other)],
    )

    assert (2, 1) == (found.hosts_both, found.hosts_equal)


def test_our_own_page_of_the_same_world_is_equal() -> None:
    page = render_page(store_of(ORDERS, LEGACY).current, datetime(2100, 1, 1, tzinfo=UTC))

    assert [] == list(compare(read_page(page, "x"), read_page(orjson.dumps(orjson.loads(page)), "y")).differences)
