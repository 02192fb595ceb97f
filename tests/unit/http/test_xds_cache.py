"""The page `/xdsCache`: Slime's parameters, over a real connection."""

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from aiohttp import web

from meshregistry.http.xds_cache import CacheQuery, Format, Layout, parse_query, slice_resources
from meshregistry.model.service_entry import Kind, ServiceEntry, WorkloadEntry
from tests.support.http_pages import ENCODER, LEGACY, ORDERS, STOCK, serving, store_of, views_of

pytestmark = pytest.mark.anyio

PAGE = "/meshregistry/xdsCache"
TYPE = "networking.istio.io/v1alpha3/ServiceEntry"
ALL = ["orders.nacos", "stock.nacos", "legacy.dubbo"]


async def answer(query: dict[str, str] | None = None) -> tuple[int, str, str]:
    async with serving(views_of(store_of(LEGACY, STOCK, ORDERS))) as client:
        response = await client.get(PAGE, params=query or {})
        return response.status, response.headers["Content-Type"], await response.text()


async def items(**query: str) -> list[dict[str, Any]]:
    status, _, text = await answer({**query, "layout": "list"})
    assert 200 == status, text
    found: list[dict[str, Any]] = json.loads(text)
    return found


async def names(**query: str) -> list[str]:
    return [item["name"] for item in await items(**query)]


async def test_without_parameters_everything_comes_by_type_sorted_and_indented() -> None:
    status, content_type, text = await answer()

    assert (200, "application/json; charset=utf-8") == (status, content_type)
    assert ALL == [item["name"] for item in json.loads(text)[TYPE]]
    assert json.dumps(json.loads(text), indent=2) == text


async def test_an_item_shows_what_is_served() -> None:
    (item,) = await items(name="orders.nacos")

    assert {
        "type": TYPE,
        "name": "orders.nacos",
        "namespace": "nacos",
        "labels": {"app": "orders", "registry": "nacos"},
        "annotations": {"ResourceVersion": ENCODER.encode(ORDERS).version},
        "creationTimestamp": "2100-01-01T00:00:00Z",
        "Spec": {
            "hosts": ["orders.nacos.svc.cluster.local"],
            "ports": [{"number": 8080, "protocol": "HTTP", "name": "http-8080"}],
            "location": "MESH_INTERNAL",
            "resolution": "STATIC",
            "endpoints": [
                {
                    "address": "10.0.0.1",
                    "ports": {"http-8080": 8080},
                    "labels": {"app": "orders", "version": "1"},
                    "locality": "cn/hz/a",
                    "weight": 1,
                },
                {"address": "10.0.0.2", "ports": {"http-8080": 8080}},
            ],
        },
        "Status": None,
    } == item


async def test_the_version_can_be_left_out_of_the_annotations_but_not_of_kubernetes_objects() -> None:
    views = replace(views_of(store_of(ORDERS)), version_annotation=False)
    async with serving(views) as client:
        (item,) = await (await client.get(PAGE, params={"layout": "list"})).json()
        (kubernetes,) = await (await client.get(PAGE, params={"layout": "list", "k8sRsc": "1"})).json()

    assert {} == item["annotations"]
    assert ENCODER.encode(ORDERS).version == kubernetes["metadata"]["resourceVersion"]


@pytest.mark.parametrize("parameter", ["res", "typeUrl", "gvk"])
@pytest.mark.parametrize("version", ["v1alpha3", "v1beta1", "v1"])
async def test_each_api_version_answers_under_its_own_name(parameter: str, version: str) -> None:
    asked = f"networking.istio.io/{version}/ServiceEntry"
    _, _, text = await answer({parameter: asked})

    assert {asked: ALL} == {key: [item["name"] for item in found] for key, found in json.loads(text).items()}


async def test_filters_by_namespace_and_name() -> None:
    assert ["orders.nacos", "stock.nacos"] == await names(ns="nacos")
    assert ["stock.nacos"] == await names(ns="nacos", name="stock.nacos", res=TYPE)
    assert ["legacy.dubbo"] == await names(name="legacy.dubbo")
    assert [] == await names(ns="zk", name="stock.nacos")


@pytest.mark.parametrize(
    ("query", "empty"),
    [
        ({}, "{}"),
        ({"layout": "list"}, "[]"),
        ({"layout": "plain"}, ""),
        ({"format": "yaml"}, "{}\n"),
        ({"format": "yaml", "layout": "list"}, "[]\n"),
        ({"format": "yaml", "layout": "plain"}, ""),
    ],
)
@pytest.mark.parametrize(
    "nothing", [{"ns": "elsewhere"}, {"res": "networking.istio.io/v1/Gateway"}, {"res": "ServiceEntry"}]
)
async def test_what_selects_nothing_is_an_empty_document(
    query: dict[str, str], empty: str, nothing: dict[str, str]
) -> None:
    status, _, text = await answer({**query, **nothing})

    assert (200, empty) == (status, text)


async def test_plain_json_is_one_document_per_item() -> None:
    _, content_type, text = await answer({"layout": "plain"})
    documents = text.split("\n---\n")

    assert "text/plain; charset=utf-8" == content_type
    assert "" == documents.pop()
    assert await items() == [json.loads(document) for document in documents]


async def test_plain_yaml_is_a_stream_of_documents() -> None:
    _, content_type, text = await answer({"layout": "plain", "format": "yaml", "k8sRsc": "true"})
    documents = list(yaml.safe_load_all(text))

    assert "application/yaml; charset=utf-8" == content_type
    assert None is documents.pop()
    assert await items(k8sRsc="1") == documents


@pytest.mark.parametrize("layout", ["gvk", "list"])
async def test_yaml_says_the_same_as_json(layout: str) -> None:
    _, _, in_json = await answer({"layout": layout})
    _, content_type, in_yaml = await answer({"layout": layout, "format": "yaml"})

    assert "application/yaml; charset=utf-8" == content_type
    assert json.loads(in_json) == yaml.safe_load(in_yaml)


async def test_kubernetes_form_is_chosen_by_any_value() -> None:
    (item,) = await items(k8sRsc="x", name="legacy.dubbo")

    assert ("ServiceEntry", "networking.istio.io/v1alpha3") == (item["kind"], item["apiVersion"])
    assert ENCODER.encode(LEGACY).version == item["metadata"]["resourceVersion"]
    assert ["kind", "apiVersion", "metadata", "spec"] == list(item)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"format": "xml"}, "unsupported format 'xml', known are json, yaml\n"),
        ({"layout": "tree"}, "unsupported layout 'tree', known are gvk, list, plain\n"),
        ({"ver": "a1b2"}, "ver must be a sequence number, see the header X-Meshregistry-Sequence\n"),
        ({"ver": "9" * 5000}, "ver must be a sequence number, see the header X-Meshregistry-Sequence\n"),
    ],
)
async def test_unsupported_values_are_refused(query: dict[str, str], text: str) -> None:
    status, _, refusal = await answer(query)

    assert (400, text) == (status, refusal)


async def test_ver_shows_what_changed_after_a_sequence() -> None:
    store = store_of(LEGACY, ORDERS)
    async with serving(views_of(store)) as client:
        async with client.get(PAGE) as response:
            before = response.headers["X-Meshregistry-Sequence"]
        store.commit(Kind.SERVICE_ENTRY, [ENCODER.encode(STOCK), ENCODER.encode(LEGACY)], ())
        response = await client.get(PAGE, params={"ver": before, "layout": "list"})

        assert ["stock.nacos"] == [item["name"] for item in await response.json()]
        assert str(store.current.sequence) == response.headers["X-Meshregistry-Sequence"]
        newest = await client.get(PAGE, params={"ver": str(store.current.sequence)})
        assert {} == await newest.json()


async def test_a_ver_of_an_earlier_process_shows_everything() -> None:
    assert ALL == await names(ver="1000000")


@pytest.mark.parametrize("complete", [True, False])
async def test_a_header_says_whether_the_snapshot_is_complete(complete: bool) -> None:
    store = store_of(ORDERS)
    if not complete:
        store = type(store)([Kind.SERVICE_ENTRY])
    async with serving(views_of(store)) as client, client.get(PAGE) as response:
        assert str(complete).lower() == response.headers["X-Meshregistry-Complete"]


async def test_many_slices_make_one_document() -> None:
    endpoints = tuple(WorkloadEntry(f"10.0.0.{number}") for number in range(30))
    entries = [ServiceEntry("nacos", f"s{number:03}", (f"s{number}",), endpoints=endpoints) for number in range(100)]
    async with serving(views_of(store_of(*entries))) as client:
        text = await (await client.get(PAGE)).text()

    assert [entry.name for entry in entries] == [item["name"] for item in json.loads(text)[TYPE]]
    assert json.dumps(json.loads(text), indent=2) == text


async def test_head_answers_without_a_body() -> None:
    async with serving(views_of(store_of(ORDERS))) as client:
        response = await client.head(PAGE)

        assert (200, b"") == (response.status, await response.read())
        assert "application/json; charset=utf-8" == response.headers["Content-Type"]


def test_the_first_type_parameter_wins() -> None:
    parameters = {"res": "", "typeUrl": TYPE, "gvk": "a/b/C"}

    expected = CacheQuery({TYPE: Kind.SERVICE_ENTRY}, "", "", 0, Format.JSON, Layout.GVK, False)
    assert expected == parse_query(parameters)


def test_a_refusal_repeats_little_of_what_was_asked() -> None:
    with pytest.raises(web.HTTPBadRequest) as refused:
        parse_query({"format": "x" * 5000})
    assert len(refused.value.text or "") < 200


def test_slices_are_bounded_by_endpoints_and_lose_nothing() -> None:
    resources = [ENCODER.encode(entry) for entry in (ORDERS, STOCK, LEGACY, ORDERS)]

    assert [resources[:1], resources[1:]] == list(slice_resources(resources, 3))
    assert [resources] == list(slice_resources(resources, 100))
    assert [] == list(slice_resources([], 3))
