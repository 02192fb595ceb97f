"""The pages of Dubbo services: Slime's parameters and shapes."""

import json
from typing import Any

import pytest
import yaml
from aiohttp import ClientSession

from meshregistry.http.text import yaml_text
from meshregistry.model.call_model import ApplicationCalls
from meshregistry.model.instance import Instance
from meshregistry.model.service_entry import ServiceEntry, ServicePort, WorkloadEntry
from tests.support.http_pages import STOCK, PlainViews, serving, store_of, views_of

pytestmark = pytest.mark.anyio

ORDERS, USERS = "com.acme.Orders", "com.acme.Users"
KEY = "meshregistry/dubbo-service-key"


def slime(key: str, *addresses: str) -> ServiceEntry:
    labels = (("path", key.partition(":")[0]), ("registry", "zookeeper"))
    return ServiceEntry("dubbo", key, (key,), endpoints=tuple(map(WorkloadEntry, addresses)), labels=labels)


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


async def test_the_cache_is_shown_by_interface_and_service() -> None:
    async with serving(views_of(store_of(*ENTRIES), PLAIN)) as client:
        answer = await read(client, "zk")
        one = await read(client, "zk", interfaceName=ORDERS)
        nothing = await read(client, "zk", interfaceName="com.acme.None")

    assert {ORDERS: {f"{ORDERS}:g", ORDERS}, USERS: {USERS}} == {
        interface: set(found) for interface, found in answer["cache"].items()
    }
    assert (answer["cache"][ORDERS], {}) == (one, nothing)
    item = one[f"{ORDERS}:g"]
    assert [{"address": "10.0.0.1"}, {"address": "10.0.0.2"}] == item["ServiceEntry"]["endpoints"]
    assert {"path": ORDERS, "registry": "zookeeper", "methods": "a.b.c"} == item["Meta"]["Labels"]
    assert {"path": ORDERS, "registry": "zookeeper"} == one[ORDERS]["Meta"]["Labels"]


async def test_an_empty_cache_is_an_empty_object() -> None:
    async with serving(views_of(store_of(STOCK))) as client:
        assert {"cache": {}} == await read(client, "zk")
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

    assert {f"{ORDERS}:g": 1, f"{ORDERS}:g@tri.g.orders.dubbo": 0, "count-iface": 1} == answer


async def test_instances_are_shown_as_they_were_registered() -> None:
    async with serving(views_of(store_of(), PLAIN)) as client:
        answer = await read(client, "zk", registry_services="true")
        one = await read(client, "zk", registry_services="true", interfaceName=USERS)

    assert 3 == len(answer)
    assert {"interface": ORDERS, "address": "10.0.0.1", "port": 20880, "metadata": {"methods": "b,a"}} == answer[0]
    assert [{"interface": USERS, "address": "10.0.0.4", "port": 20880, "metadata": {}}] == one


async def test_endpoints_are_counted_by_service() -> None:
    async with serving(views_of(store_of(*ENTRIES), PLAIN)) as client:
        assert {f"{ORDERS}:g": 2, ORDERS: 1, USERS: 0, "count-iface": 2} == await read(client, "zks")
        assert {f"{ORDERS}:g", ORDERS} == set(await read(client, "zks", iface=ORDERS))
        assert {f"{ORDERS}:g"} == set(await read(client, "zks", iface=f"{ORDERS}:g"))
        assert {f"{ORDERS}:g", ORDERS, USERS} == set(await read(client, "zks", all="1"))


async def test_call_models_are_yaml() -> None:
    shop = {"application": "shop", "provideservices": [], "consumeservices": [ORDERS]}
    async with serving(views_of(store_of(), PLAIN)) as client:
        assert {"shop": shop} == await read(client, "dubboCallModel", app="shop")
        assert {"shop", "store"} == set(await read(client, "dubboCallModel"))
        assert {"shop": {**shop, "consumeservices": [ORDERS, USERS]}} == await read(client, "sidecarDubboCallModel")


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
        name: {"application": name, "provideservices": list(each.provides), "consumeservices": list(each.consumes)}
        for name, each in calls.items()
    }
    async with serving(views_of(store_of(), PlainViews(called=calls))) as client:
        response = await client.get("/meshregistry/dubboCallModel")
        assert yaml_text(expected) == await response.read()
        response = await client.get("/meshregistry/dubboCallModel", params={"app": "nobody"})
        assert b"{}\n" == await response.read()
