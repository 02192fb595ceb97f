"""What a registrant may claim, on the whole way from his registration to the store of an istiod."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from meshregistry.sim.nacos.views import Dialect
from tests.support.nacos_rig import SimRig
from tests.support.running_service import TIMEOUT_S, Deployment, attached_istiod

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)]

OURS = """  allow_hosts: ["orders*", "stock*"]
  allow_namespaces: [nacos, shop]
"""


@pytest.fixture
async def rig() -> AsyncIterator[SimRig]:
    rig = SimRig(Dialect.V2, auth=False)
    await rig.start()
    yield rig
    await rig.stop()


async def served(deployment: Deployment, count: int) -> dict[str, list[str]]:
    """Return the hosts by entry, `namespace/name`, that an istiod holds once there are so many."""
    async with attached_istiod(deployment) as istiod, asyncio.timeout(TIMEOUT_S):
        await istiod.wait_until(lambda model: model.synced and len(model.configs) >= count)
        return {
            f"{key.namespace}/{key.name}": list(config.spec.hosts)  # type: ignore[union-attr]
            for key, config in istiod.model.configs.items()
        }


async def test_only_hosts_and_namespaces_of_the_lists_reach_istiod_and_the_others_are_told(rig: SimRig) -> None:
    """Another team's host, and another team's namespace by the registrant's own metadata."""
    await rig.register("orders", "10.0.0.1", 8080)
    await rig.register("bank", "10.0.0.2", 8080)
    await rig.register("stock", "10.0.0.3", 8080, metadata={"k8sNs": "bank"})
    await rig.register("stock", "10.0.0.4", 8080, metadata={"k8sNs": "shop"})

    open_door, closed_door = Deployment(rig), Deployment(rig, more=OURS)
    async with open_door.running():
        everything = await served(open_door, 4)
    async with closed_door.running():
        ours = await served(closed_door, 2)
        _, page = await closed_door.get("/meshregistry/rejects")

    assert 4 == len(everything)
    assert {name: hosts for name, hosts in everything.items() if "bank" not in f"{name} {hosts}"} == ours
    assert {"nacos/orders.nacos", "shop/stock.shop"} == ours.keys()
    told = {(entry["resource"], entry["reason"]) for entry in orjson.loads(page)["rejects"]}
    assert {"host_denied", "namespace_denied"} == {reason for _, reason in told}
