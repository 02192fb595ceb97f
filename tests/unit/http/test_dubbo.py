"""The pages of Dubbo services: Slime's parameters and shapes."""

import json
from typing import Any
from unittest.mock import ANY

import pytest
import yaml
from aiohttp import ClientSession

from meshregistry.model.call_model import ApplicationCalls
from meshregistry.model.instance import Instance
from meshregistry.model.service_entry import Location, ServiceEntry, ServicePort, WorkloadEntry
from tests.support.http_pages import STOCK, PlainViews, serving, store_of, views_of

pytestmark = pytest.mark.anyio

ORDERS, USERS = "com.acme.Orders", "com.acme.Users"
KEY = "meshregistry/dubbo-service-key"


def slime(key: str, *addresses: str) -> ServiceEntry:
    labels = (("path", key.partition(":")[0]), ("registry", "zookeeper"))
    endpoints = tuple(map(WorkloadEntry, addresses))
    return ServiceEntry("dubbo", key, (key,), endpoints=endpoints, labels=labels, location=Location.MESH_EXTERNAL)


def istio(key: str, host: str, *addresses: str) -> ServiceEntry:
    return ServiceEntry(
        "dubbo",
        host,
        (host,),
        ports=(ServicePort(20880, "TCP", "tcp-dubbo-20880"),),
        endpoints=tuple(map(WorkloadEntry, addresses)),
        labels=(("registry", "zookeeper"),),
        annotations=((KEY, key),),
    )


def provider(address: str, methods: str = "") -> Instance:
    return Instance(address, 20880, metadata=(("methods", methods),) if methods else ())


ENTRIES = (slime(f"{ORDERS}:g", "10.0.0.1", "10.0.0.2"), slime(ORDERS, "10.0.0.3"), slime(USERS), STOCK)
PLAIN = PlainViews(
    registered=[
        (ORDERS, f"{ORDERS}:g", (provider("10.0.0.1", "b,a"), provider("10.0.0.2", "a,c"))),
        (USERS, USERS, (provider("10.0.0.4"),)),
        (USERS, USERS, (provider("10.0.0.5"),)),
    ],
    called={"shop": ApplicationCalls((), (ORDERS,)), "store": ApplicationCalls((ORDERS,), ())},
    called_by_sidecars={"shop": ApplicationCalls((), (ORDERS, USERS))},
)


async def read(client: ClientSession, path: str, **query: str) -> Any:
    response = await client.get(f"/meshregistry/{path}", params=query)
    text = await response.text()
    assert 200 == response.status, text
    if response.headers["Content-Type"].startswith("text/yaml"):
        return yaml.safe_load(text)
    assert json.dumps(json.loads(text), indent=2, ensure_ascii=False) == text
    return json.loads(text)


def item(key: str, *endpoints: str, **labels: str) -> dict[str, Any]:
    """One entry of the slime profile as Slime prints it, but for its version."""
    spec = {"hosts": [key], "resolution": "STATIC", "endpoints": [{"address": each} for each in endpoints]}
    return {
        "ServiceEntry": {name: value for name, value in spec.items() if value},
        "Meta": {
            "Schema": None,
            "FullName": {"Namespace": "dubbo", "Name": key},
            "CreateTime": "2100-01-01T00:00:00Z",
            "Version": ANY,
            "Labels": {"path": key.partition(":")[0], "registry": "zookeeper", **labels},
            "Annotations": {},
        },
    }


OF_ORDERS = {
    f"{ORDERS}:g": item(f"{ORDERS}:g", "10.0.0.1", "10.0.0.2", methods="a.b.c"),
    ORDERS: item(ORDERS, "10.0.0.3"),
}
OF_USERS = {USERS: item(USERS)}


async def test_the_cache_is_shown_by_interface_and_service() -> None:
    async with serving(views_of(store_of(*ENTRIES), PLAIN)) as client:
        assert {"cache": {ORDERS: OF_ORDERS, USERS: OF_USERS}} == await read(client, "zk")
        assert {"cache": OF_ORDERS} == await read(client, "zk", interfaceName=ORDERS)
        assert {"cache": None} == await read(client, "zk", interfaceName="com.acme.None")


async def test_an_empty_cache_is_an_empty_object() -> None:
    async with serving(views_of(store_of(STOCK))) as client:
        assert {"cache": {}} == await read(client, "zk")
        assert {"cache": {}} == await read(client, "zk", registry_services="1")
        assert {} == await read(client, "zks", all="1")
        assert {"count-iface": 0} == await read(client, "zks")


async def test_many_interfaces_are_one_document() -> None:
    entries = [slime(f"com.acme.S{number:04}", "10.0.0.1", "10.0.0.2") for number in range(600)]
    async with serving(views_of(store_of(*entries))) as client:
        assert 600 == len((await read(client, "zk"))["cache"])
        assert 600 == len(await read(client, "zks", all="true"))


async def test_protocols_of_one_service_are_told_apart_by_their_host() -> None:
    entries = (istio(f"{ORDERS}:g", "g.orders.dubbo", "10.0.0.1"), istio(f"{ORDERS}:g", "tri.g.orders.dubbo"))
    async with serving(views_of(store_of(*entries))) as client:
        answer = await read(client, "zks")
        wanted = await read(client, "zks", iface=f"{ORDERS}:g")

    assert {f"{ORDERS}:g": 1, f"{ORDERS}:g@tri.g.orders.dubbo": 0, "count-iface": 2} == answer
    assert {f"{ORDERS}:g", f"{ORDERS}:g@tri.g.orders.dubbo"} == wanted.keys()


def registered(interface: str, address: str, **metadata: str) -> dict[str, Any]:
    return {"interface": interface, "address": address, "port": 20880, "metadata": metadata}


@pytest.mark.parametrize("yes", ["1", "t", "T", "true", "True", "TRUE"])
async def test_instances_are_shown_as_they_were_registered(yes: str) -> None:
    of_orders = {
        f"{ORDERS}:g": [registered(ORDERS, "10.0.0.1", methods="b,a"), registered(ORDERS, "10.0.0.2", methods="a,c")]
    }
    of_users = {USERS: [registered(USERS, "10.0.0.4"), registered(USERS, "10.0.0.5")]}
    async with serving(views_of(store_of(), PLAIN)) as client:
        everything = await read(client, "zk", registry_services=yes)
        assert {"cache": {ORDERS: of_orders, USERS: of_users}} == everything
        assert {"cache": of_users} == await read(client, "zk", registry_services=yes, interfaceName=USERS)
        assert {"cache": None} == await read(client, "zk", registry_services=yes, interfaceName="com.acme.None")


async def test_without_a_word_for_true_the_cache_is_shown() -> None:
    async with serving(views_of(store_of(*ENTRIES), PLAIN)) as client:
        assert {"cache": OF_USERS} == await read(client, "zk", registry_services="yes", interfaceName=USERS)


async def test_endpoints_are_counted_by_service_and_so_are_services() -> None:
    async with serving(views_of(store_of(*ENTRIES), PLAIN)) as client:
        assert {f"{ORDERS}:g": 2, ORDERS: 1, USERS: 0, "count-iface": 3} == await read(client, "zks")
        assert {f"{ORDERS}:g": 2, ORDERS: 1, USERS: 0, "count-iface": 3} == await read(client, "zks", all="")


async def test_one_interface_one_service_or_everything_is_shown_in_short() -> None:
    async with serving(views_of(store_of(*ENTRIES), PLAIN)) as client:
        assert {ORDERS: OF_ORDERS} == await read(client, "zks", iface=ORDERS)
        assert {f"{ORDERS}:g": OF_ORDERS[f"{ORDERS}:g"]} == await read(client, "zks", iface=f"{ORDERS}:g")
        assert {} == await read(client, "zks", iface=f"{ORDERS}:h")
        assert {ORDERS: OF_ORDERS, USERS: OF_USERS} == await read(client, "zks", all="1")
        assert {USERS: OF_USERS} == await read(client, "zks", iface=USERS, all="1")


async def test_call_models_are_yaml_with_services_as_keys() -> None:
    shop = "shop:\n  application: shop\n  provideservices: {}\n  consumeservices:\n    com.acme.Orders: {}\n"
    store = "store:\n  application: store\n  provideservices:\n    com.acme.Orders: {}\n  consumeservices: {}\n"
    async with serving(views_of(store_of(), PLAIN)) as client:
        for query, expected in (
            ("dubboCallModel", shop + store),
            ("dubboCallModel?app=shop", shop),
            ("dubboCallModel?app=nobody", "{}\n"),
            ("sidecarDubboCallModel", f"{shop}    com.acme.Users: {{}}\n"),
        ):
            response = await client.get(f"/meshregistry/{query}")
            assert expected == await response.text()
            assert "text/yaml; charset=utf-8" == response.headers["Content-Type"]


@pytest.mark.parametrize("page", ["dubboCallModel", "sidecarDubboCallModel"])
async def test_an_answer_without_calls_says_in_a_header_why(page: str) -> None:
    for why, expected in (("they are off", "they are off"), ("", None)):
        async with serving(views_of(store_of(), PlainViews(without_calls=why))) as client:
            response = await client.get(f"/meshregistry/{page}")
            assert ("{}\n", expected) == (await response.text(), response.headers.get("X-Meshregistry-Note"))


async def test_a_call_model_in_slices_is_the_whole_one() -> None:
    many = tuple(f"com.acme.S{number:04}" for number in range(450))
    calls = {
        "all": ApplicationCalls(many, many[:200]),
        "none": ApplicationCalls((), ()),
        "yes": ApplicationCalls((), many),
    }
    expected = {
        name: {
            "application": name,
            "provideservices": {service: {} for service in each.provides},
            "consumeservices": {service: {} for service in each.consumes},
        }
        for name, each in calls.items()
    }
    async with serving(views_of(store_of(), PlainViews(called=calls))) as client:
        assert expected == await read(client, "dubboCallModel")
