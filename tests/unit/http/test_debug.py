"""The debug pages: what the views say, as JSON."""

import json
from typing import Any

import pytest
from aiohttp import ClientSession

from meshregistry.http.spec_json import spec_json
from meshregistry.http.text import json_text
from meshregistry.model.rejects import Reject
from meshregistry.model.service_entry import ServiceEntry
from tests.support.http_pages import LEGACY, ORDERS, STOCK, PlainViews, serving, store_of, views_of

pytestmark = pytest.mark.anyio

PORT = Reject("nacos/orders.nacos", "port_range", "10.0.0.9:70000", "dropped: port above 65535")
LABEL = Reject("nacos/orders.nacos", "label_value", "owner", "dropped: not a label value")
HOST = Reject("nacos/stock.nacos", "host_invalid", "a b", "quarantined")


async def read(client: ClientSession, path: str, **query: str) -> Any:
    response = await client.get(path, params=query)
    text = await response.text()
    assert (200, "application/json; charset=utf-8") == (response.status, response.headers["Content-Type"]), text
    assert json.dumps(json.loads(text), indent=2, ensure_ascii=False) == text
    return json.loads(text)


async def test_clients_and_sources_are_shown_as_their_views_tell() -> None:
    clients = {"sidecar~10.0.0.1~istiod~x-1": {"Addr": "10.0.0.1:5000", "PushStatus": {}}}
    sources = {"nacos": [{"scopes": [{"namespace": "公共", "last_success": None}]}, {}], "files": []}
    async with serving(views_of(store_of(), PlainViews(connected=clients, states=sources))) as client:
        assert clients == await read(client, "/meshregistry/clients")
        assert sources == await read(client, "/meshregistry/sources")


async def test_args_are_json_by_slimes_names_or_yaml_by_ours() -> None:
    async with serving(views_of(store_of())) as client:
        assert {"RegistryStartDelay": "0s"} == await read(client, "/meshregistry/args")
        answer = await client.get("/meshregistry/args", params={"format": "yaml"})
        assert "registry_start_delay: 0s\n" == await answer.text()


async def test_the_pod_and_node_caches_are_shown_as_they_are() -> None:
    pods = {"Kubernetes": {"10.0.0.1": {"Meta": {"name": "orders-0"}, "NodeName": "n1"}}}
    nodes = {"Kubernetes": {"n1": {"name": "n1"}}}
    async with serving(views_of(store_of(), PlainViews(pod_cache=pods, node_cache=nodes))) as client:
        assert pods == await read(client, "/meshregistry/pc")
        assert nodes == await read(client, "/meshregistry/nc")


async def test_rejects_are_counted_by_reason_and_listed() -> None:
    async with serving(views_of(store_of(), PlainViews(rejected=[LABEL, PORT, HOST]))) as client:
        answer = await read(client, "/meshregistry/rejects")

    assert {
        "total": 3,
        "reasons": {"host_invalid": 1, "label_value": 1, "port_range": 1},
        "rejects": json.loads(json_text([LABEL, PORT, HOST])),
    } == answer
    assert {
        "resource": "nacos/orders.nacos",
        "reason": "port_range",
        "subject": "10.0.0.9:70000",
        "detail": "dropped: port above 65535",
    } == answer["rejects"][1]


@pytest.mark.parametrize(
    ("query", "total", "subjects"),
    [
        ({"resource": "nacos/orders.nacos"}, 2, ["owner", "10.0.0.9:70000"]),
        ({"reason": "host_invalid"}, 1, ["a b"]),
        ({"resource": "nacos/orders.nacos", "reason": "port_range"}, 1, ["10.0.0.9:70000"]),
        ({"reason": "unheard_of"}, 0, []),
        ({"limit": "1"}, 3, ["owner"]),
        ({"limit": "0"}, 3, []),
    ],
)
async def test_rejects_are_filtered_and_limited(query: dict[str, str], total: int, subjects: list[str]) -> None:
    async with serving(views_of(store_of(), PlainViews(rejected=[LABEL, PORT, HOST]))) as client:
        answer = await read(client, "/meshregistry/rejects", **query)

    assert (total, subjects) == (answer["total"], [reject["subject"] for reject in answer["rejects"]])


@pytest.mark.parametrize("limit", ["-1", "many", "9" * 5000])
async def test_a_limit_that_is_no_number_is_refused(limit: str) -> None:
    async with serving(views_of(store_of())) as client:
        response = await client.get("/meshregistry/rejects", params={"limit": limit})

        assert (400, "limit must be a number\n") == (response.status, await response.text())


async def test_a_source_page_shows_the_specs_of_that_source_only() -> None:
    async with serving(views_of(store_of(STOCK, ORDERS, LEGACY), sources=("nacos", "zookeeper"))) as client:
        expected = {"orders.nacos": spec_json(ORDERS), "stock.nacos": spec_json(STOCK)}
        assert json.loads(json_text(expected)) == await read(client, "/meshregistry/nacos")
        assert ["legacy.dubbo"] == list(await read(client, "/meshregistry/zookeeper"))


async def test_a_source_without_entries_is_an_empty_object() -> None:
    async with serving(views_of(store_of(LEGACY))) as client:
        assert {} == await read(client, "/meshregistry/nacos")


async def test_equal_names_in_two_namespaces_are_both_shown() -> None:
    twin = ServiceEntry("other", "orders.nacos", ("orders.other",), labels=(("registry", "nacos"),))
    async with serving(views_of(store_of(ORDERS, STOCK, twin))) as client:
        assert {"nacos/orders.nacos", "other/orders.nacos", "stock.nacos"} == (
            await read(client, "/meshregistry/nacos")
        ).keys()


async def test_registries_are_shown_when_asked_for() -> None:
    servers = [{"registry_id": "", "addresses": ["http://127.0.0.1:8848"], "status": "up"}]
    async with serving(views_of(store_of(ORDERS), PlainViews(servers=servers))) as client:
        assert servers == await read(client, "/meshregistry/nacos", registries="true")
        assert ["orders.nacos"] == list(await read(client, "/meshregistry/nacos", registries="false"))
