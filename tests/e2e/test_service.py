"""The whole way, from a registration in Nacos to the store of an istiod, on simulated and real servers."""

import asyncio

import orjson
import pytest

from meshregistry.watch.client import IstiodClient
from meshregistry.watch.model import Action, IstiodModel
from tests.support.nacos_rig import NacosRig
from tests.support.running_service import POLL_S, TIMEOUT_S, Deployment, attached_istiod, endpoints

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)]


async def expect(istiod: IstiodClient, name: str, addresses: list[str] | None) -> None:
    """Wait until istiod holds exactly these endpoints of a service."""

    def holds(model: IstiodModel) -> bool:
        return endpoints(model, name) == addresses

    async with asyncio.timeout(TIMEOUT_S):
        await istiod.wait_until(holds)


async def synced(istiod: IstiodClient) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        await istiod.wait_until(lambda model: model.synced)


async def test_an_instance_is_in_the_mesh_from_registration_to_deregistration(nacos_rig: NacosRig) -> None:
    await nacos_rig.register("orders", "10.0.0.1", 8080, metadata={"version": "v1"})
    deployment = Deployment(nacos_rig)
    async with deployment.running(), attached_istiod(deployment) as istiod:
        await expect(istiod, "orders.nacos", ["10.0.0.1"])

        await nacos_rig.register("orders", "10.0.0.2", 8080)
        await expect(istiod, "orders.nacos", ["10.0.0.1", "10.0.0.2"])
        cached = await deployment.cached_entries()
        assert ["orders.nacos"] == list(cached)
        assert ["orders.nacos.svc.cluster.local"] == cached["orders.nacos"]["hosts"]

        await nacos_rig.deregister("orders", "10.0.0.1", 8080)
        await expect(istiod, "orders.nacos", ["10.0.0.2"])

        await nacos_rig.deregister("orders", "10.0.0.2", 8080)
        await expect(istiod, "orders.nacos", [])
        await expect(istiod, "orders.nacos", None)
        counted = istiod.model.counters
        assert {Action.CREATED: 1, Action.DELETED: 1} == {
            action: counted.actions[action] for action in (Action.CREATED, Action.DELETED)
        }
        assert counted.actions[Action.INVALID] == 0
        assert counted.actions[Action.UNDECODABLE] == 0


async def ask_why(deployment: Deployment) -> str:
    status, body = await deployment.get("/meshregistry/why?host=orders.nacos.svc.cluster.local")
    assert 200 == status
    return body.decode()


async def test_a_change_can_be_followed_from_the_registry_to_the_client(nacos_rig: NacosRig) -> None:
    await nacos_rig.register("orders", "10.0.0.1", 8080)
    deployment = Deployment(nacos_rig)
    async with deployment.running(), attached_istiod(deployment) as istiod:
        await expect(istiod, "orders.nacos", ["10.0.0.1"])

        async with asyncio.timeout(TIMEOUT_S):
            while " holds this version since " not in (why := await ask_why(deployment)):  # noqa: ASYNC110 - another process answers
                await asyncio.sleep(POLL_S)
        assert "    10.0.0.1:8080 served" in why.splitlines()
        assert "created by registry nacos/" in why
        assert ", +1 -0 endpoints" in why
        _, journal = await deployment.get("/meshregistry/journal?host=nacos/orders.nacos")
        assert ["created"] == [entry["what"] for entry in orjson.loads(journal)["entries"]]


async def test_endpoints_stay_while_the_registry_is_down_and_changes_flow_after_it_is_back(
    nacos_rig: NacosRig,
) -> None:
    await nacos_rig.register("orders", "10.0.0.1", 8080)
    deployment = Deployment(nacos_rig, grace_s=3.0)
    async with deployment.running(), attached_istiod(deployment) as istiod:
        await synced(istiod)
        await expect(istiod, "orders.nacos", ["10.0.0.1"])
        before = istiod.model.counters.responses

        await nacos_rig.stop()
        await asyncio.sleep(10 * POLL_S)
        assert ["10.0.0.1"] == endpoints(istiod.model, "orders.nacos")
        assert before == istiod.model.counters.responses

        await nacos_rig.start()
        await nacos_rig.register("orders", "10.0.0.2", 8080)
        await expect(istiod, "orders.nacos", ["10.0.0.1", "10.0.0.2"])
        assert istiod.model.counters.actions[Action.DELETED] == 0


async def test_a_restart_makes_no_istiod_apply_anything(nacos_rig: NacosRig) -> None:
    await nacos_rig.register("orders", "10.0.0.1", 8080)
    await nacos_rig.register("users", "10.0.0.2", 8080, weight=2.0)
    deployment = Deployment(nacos_rig)
    async with deployment.running(), attached_istiod(deployment) as istiod:
        await synced(istiod)
        await expect(istiod, "users.nacos", ["10.0.0.2"])
    stored = dict(istiod.model.configs)

    async with deployment.running(), attached_istiod(deployment) as again:
        again.model.configs.update(stored)
        await synced(again)

        assert stored == again.model.configs
        assert {Action.SKIPPED: 2} == +again.model.counters.actions


async def test_a_registry_with_authentication_is_read(nacos_rig_auth: NacosRig) -> None:
    await nacos_rig_auth.register("orders", "10.0.0.1", 8080)
    deployment = Deployment(nacos_rig_auth)
    async with deployment.running(), attached_istiod(deployment) as istiod:
        await expect(istiod, "orders.nacos", ["10.0.0.1"])
        _, args = await deployment.get("/meshregistry/args?format=yaml")
        passwords = {line.strip() for line in args.splitlines() if b"password" in line}
        assert {b"password: '***'", b"password: ''"} == passwords  # that of Eureka is not set


@pytest.mark.parametrize("family", ["1.18", "1.24", "1.30"])
async def test_every_istiod_family_gets_the_same_services(nacos_rig: NacosRig, family: str) -> None:
    if nacos_rig.is_real:
        pytest.skip("the registry makes no difference here; the simulator shows it")
    await nacos_rig.register("orders", "10.0.0.1", 8080)
    deployment = Deployment(nacos_rig)
    async with deployment.running(), attached_istiod(deployment, family) as istiod:
        await synced(istiod)
        assert ["10.0.0.1"] == endpoints(istiod.model, "orders.nacos")
        status, _ = await deployment.get("/meshregistry/ready")
        assert status == 200


async def test_services_are_held_until_the_registry_was_read_once(nacos_rig: NacosRig) -> None:
    await nacos_rig.register("orders", "10.0.0.1", 8080)
    await nacos_rig.stop()
    deployment = Deployment(nacos_rig)
    async with deployment.running(), attached_istiod(deployment) as istiod:
        async with asyncio.timeout(TIMEOUT_S):
            await istiod.wait_until(lambda model: len(model.missing_types) == 1)
        assert ("networking.istio.io/v1/ServiceEntry",) == istiod.model.missing_types
        status, body = await deployment.get("/meshregistry/ready")
        assert (503, b"nacos") == (status, body[-5:])

        await nacos_rig.start()
        await expect(istiod, "orders.nacos", ["10.0.0.1"])
        assert istiod.model.synced


async def test_shards_together_hold_every_service_once(nacos_rig: NacosRig) -> None:
    if nacos_rig.is_real:
        pytest.skip("the registry makes no difference here; the simulator shows it")
    names = {f"service-{number}" for number in range(20)}
    for number, name in enumerate(sorted(names)):
        await nacos_rig.register(name, f"10.0.0.{number + 1}", 8080)
    deployment = Deployment(nacos_rig, shards=2)
    async with (
        deployment.running(),
        attached_istiod(deployment, shard=0) as first,
        attached_istiod(deployment, shard=1) as second,
    ):
        await synced(first)
        await synced(second)
        held = [{key.name for key in each.model.configs} for each in (first, second)]

    assert {f"{name}.nacos" for name in names} == held[0] | held[1]
    assert set() == held[0] & held[1]
    assert all(held)
