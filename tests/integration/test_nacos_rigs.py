"""The rigs themselves: what is registered is read back, and the simulator's JSON is the real servers'."""

from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from meshregistry.sim.nacos.views import Dialect
from tests.support.nacos_fields import GENERATOR, HEARTBEAT_FIELDS, INSTANCE_FIELDS, read_fields
from tests.support.nacos_rig import LONG_LIFE, NacosRig

pytestmark = pytest.mark.anyio

_V1_HOST_FIELDS = ["valid", "metadata", "port", "ip", "weight", "enabled"]


async def test_what_is_registered_is_read_back_and_what_is_deregistered_is_gone(nacos_rig: NacosRig) -> None:
    await nacos_rig.register("orders", "10.0.0.1", 8080, metadata={"version": "v1"}, weight=2.5)

    assert [("10.0.0.1", 8080, 2.5, {"version": "v1", **LONG_LIFE})] == [
        (each["ip"], each["port"], each["weight"], each["metadata"])
        for each in (await _service(nacos_rig, "orders"))["hosts"]
    ]
    assert {"orders": ["10.0.0.1"]} == await _catalogue_addresses(nacos_rig)

    await nacos_rig.deregister("orders", "10.0.0.1", 8080)

    assert [] == (await _service(nacos_rig, "orders"))["hosts"]
    assert {"orders": []} == await _catalogue_addresses(nacos_rig)

    await nacos_rig.remove_service("orders")

    assert {} == await _catalogue_addresses(nacos_rig)


async def test_changes_of_a_known_instance_are_read_back(nacos_rig: NacosRig) -> None:
    await nacos_rig.register("orders", "10.0.0.1", 8080)
    await nacos_rig.register("orders", "10.0.0.2", 8080)

    await nacos_rig.register("orders", "10.0.0.1", 8080, healthy=False, cluster="EAST")
    await nacos_rig.register("orders", "10.0.0.2", 8080, enabled=False)

    assert [("10.0.0.1", False, "EAST")] == [
        (each["ip"], each["healthy"], each["clusterName"]) for each in (await _service(nacos_rig, "orders"))["hosts"]
    ]
    assert {"orders": ["10.0.0.1", "10.0.0.2"]} == await _catalogue_addresses(nacos_rig)


async def test_groups_and_namespaces_are_apart(nacos_rig: NacosRig) -> None:
    other = f"{nacos_rig.namespace}-b"
    await nacos_rig.register("orders", "10.0.0.1", 80)
    await nacos_rig.register("orders", "10.0.0.2", 80, group="G-2")
    await nacos_rig.register("orders", "10.0.0.3", 80, namespace=other)
    await nacos_rig.create_namespace(nacos_rig.namespace)

    assert ["10.0.0.1"] == _addresses(await _service(nacos_rig, "orders"))
    assert ["10.0.0.2"] == _addresses(await _service(nacos_rig, "orders", groupName="G-2"))
    assert ["10.0.0.3"] == _addresses(await _service(nacos_rig, "orders", namespaceId=other))
    assert 1 == await _namespace_count(nacos_rig, nacos_rig.namespace)
    assert 0 == await _namespace_count(nacos_rig, other)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_stopped_server_refuses_and_comes_back_as_it_was(nacos_rig: NacosRig) -> None:
    await nacos_rig.register("orders", "10.0.0.1", 8080)

    await nacos_rig.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await _service(nacos_rig, "orders")
    await nacos_rig.start()

    assert {"orders": ["10.0.0.1"]} == await _catalogue_addresses(nacos_rig)


async def test_a_server_with_authentication_wants_a_token(nacos_rig_auth: NacosRig) -> None:
    await nacos_rig_auth.register("orders", "10.0.0.1", 8080)
    path = "/nacos/v1/ns/instance/list"
    params = {"serviceName": "orders", "namespaceId": nacos_rig_auth.namespace}

    status, refusal = await _get(nacos_rig_auth, path, params)
    token = await nacos_rig_auth.token()
    _, answer = await _get(nacos_rig_auth, path, {**params, "accessToken": token})

    assert (403, "Forbidden") == (status, refusal["error"])
    assert ["10.0.0.1"] == _addresses(answer)


async def test_a_wrong_password_is_refused_as_the_generation_does(nacos_rig_auth: NacosRig) -> None:
    credentials = {"username": nacos_rig_auth.username, "password": "wrong"}
    expected = 500 if nacos_rig_auth.dialect is Dialect.V3 else 403

    status, _ = await _post(nacos_rig_auth, "/nacos/v1/auth/users/login", credentials)

    assert expected == status


async def test_an_instance_has_the_same_fields_in_the_same_order_everywhere(nacos_rig: NacosRig) -> None:
    await nacos_rig.register("orders", "10.0.0.1", 8080)
    await nacos_rig.register("orders", "10.0.0.2", 8080, ephemeral=False, group="persistent")
    v3 = nacos_rig.dialect is Dialect.V3

    service = await _service(nacos_rig, "orders")
    bare = (await _service(nacos_rig, "orders", groupName="persistent"))["hosts"]
    row = next(each for each in await _catalogue(nacos_rig) if each["groupName"] == "DEFAULT_GROUP")

    head = ["name", "groupName", "clusters", "cacheMillis", "hosts", "lastRefTime", "checksum"]
    tail = ["allIps" if v3 else "allIPs", "reachProtectionThreshold", "valid"]
    assert [*head, *tail] == list(service)
    assert [(INSTANCE_FIELDS, HEARTBEAT_FIELDS)] == list(map(read_fields, service["hosts"]))
    assert [(INSTANCE_FIELDS, HEARTBEAT_FIELDS | {GENERATOR})] == list(map(read_fields, bare))
    names = ["serviceName", "groupName", "clusterMap", "metadata", "protectThreshold", "selector", "ephemeral"]
    assert ["namespaceId" if v3 else "namespace", *names] == list(row)
    [host] = row["clusterMap"]["DEFAULT"]["hosts"]
    assert v3 or _V1_HOST_FIELDS == list(host)
    assert not v3 or (INSTANCE_FIELDS, HEARTBEAT_FIELDS) == read_fields(host)


async def test_pages_are_cut_alike(nacos_rig: NacosRig) -> None:
    for number in range(3):
        await nacos_rig.register(f"svc-{number}", "10.0.0.1", 80 + number)
    v3 = nacos_rig.dialect is Dialect.V3

    sizes = {
        (page, size): len(await _catalogue(nacos_rig, pageNo=page, pageSize=size))
        for page, size in [(1, 2), (2, 2), (3, 2), (1, 3), (2, 3), (1, 4), (2, 4)]
    }

    beyond_a_short_list = 0 if v3 else 3  # 2.x gives a list shorter than a page for every page number
    assert {(1, 2): 2, (2, 2): 1, (3, 2): 0, (1, 3): 3, (2, 3): 0, (1, 4): 3, (2, 4): beyond_a_short_list} == sizes


async def test_calls_of_the_other_generation_are_refused_alike(nacos_rig: NacosRig) -> None:
    paths = [
        "/nacos/v1/ns/catalog/services",
        "/nacos/v1/console/namespaces",
        "/nacos/v3/admin/ns/service/list",
        "/nacos/v3/admin/core/state",
        "/nacos/v1/ns/no/such",
    ]
    answers = {path: await _get(nacos_rig, path, {"pageNo": 1, "pageSize": 1}) for path in paths}

    v3 = nacos_rig.dialect is Dialect.V3
    assert ([410, 404, 200, 200, 501] if v3 else [200, 200, 404, 404, 501]) == [
        status for status, _ in answers.values()
    ]
    errors = [body for status, body in answers.values() if status != 200]
    assert [["timestamp", "status", "error", "message", "path"]] * 3 == [list(body) for body in errors]


async def _get(rig: NacosRig, path: str, params: Mapping[str, Any]) -> tuple[int, Any]:
    async with aiohttp.ClientSession(rig.base_url) as session, session.get(path, params=params) as reply:
        return reply.status, await reply.json()


async def _post(rig: NacosRig, path: str, form: Mapping[str, str]) -> tuple[int, bytes]:
    async with aiohttp.ClientSession(rig.base_url) as session, session.post(path, data=form) as reply:
        return reply.status, await reply.read()


async def _service(rig: NacosRig, name: str, **params: str) -> Any:
    wanted = {"serviceName": name, "namespaceId": rig.namespace, **params}
    return (await _get(rig, "/nacos/v1/ns/instance/list", wanted))[1]


async def _catalogue(rig: NacosRig, **page: int) -> Any:
    wanted = {"namespaceId": rig.namespace, "withInstances": "true", "pageNo": 1, "pageSize": 100, **page}
    if rig.dialect is Dialect.V2:
        return (await _get(rig, "/nacos/v1/ns/catalog/services", wanted))[1]
    return (await _get(rig, "/nacos/v3/admin/ns/service/list", wanted))[1]["data"]["pageItems"]


async def _catalogue_addresses(rig: NacosRig) -> dict[str, list[str]]:
    return {
        row["serviceName"]: sorted(host["ip"] for cluster in row["clusterMap"].values() for host in cluster["hosts"])
        for row in await _catalogue(rig)
    }


async def _namespace_count(rig: NacosRig, namespace: str) -> int:
    v3 = rig.dialect is Dialect.V3
    path = "/nacos/v3/admin/core/namespace/list" if v3 else "/nacos/v1/console/namespaces"
    _, answer = await _get(rig, path, {})
    return sum(each["namespace"] == namespace for each in answer["data"])


def _addresses(service: Any) -> list[str]:
    return [each["ip"] for each in service["hosts"]]
