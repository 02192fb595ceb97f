"""Three servers lose their leader, then each other, for longer than the sessions of those who registered."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from tests.support.dubbo_apps import DubboOptions, dubbo3_provider, running
from tests.support.dubbo_names import provider
from tests.support.zookeeper_mesh import Mesh
from tests.support.zookeeper_rig import EnsembleRig
from tests.support.zookeeper_writer import Writer, WriterOptions

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
    pytest.mark.timeout(300),
]

ORDERS, USERS = "com.acme.Orders", "com.acme.Users"
SETTLE_S = 10
DUBBO_SETTLE_S = 16
OUTAGE_S = 4.5
_BACK_S = 30.0
"""Long enough for the source to take it for an outage, and longer than the sessions."""

MODES = ("mode: watching", "mode: watching, recursive_watch: false", "mode: polling")
PLACES = ((ORDERS, "10.0.0.1"), (ORDERS, "10.0.0.2"), (USERS, "10.0.0.3"), (USERS, "10.0.0.4"))


async def test_what_expires_after_the_death_of_an_ensemble_stays_until_its_owner_is_back(
    zookeeper_ensemble: EnsembleRig,
) -> None:
    rig = zookeeper_ensemble
    meshes = [Mesh(rig.hosts, "istio", f"{mode}, settle_time: {SETTLE_S}s", is_guarded=True) for mode in MODES]
    owners = {place: await _register(rig, *place) for place in PLACES}
    async with AsyncExitStack() as stack:
        for mesh in meshes:
            await stack.enter_async_context(mesh.reading())
        await _expect(meshes, set(PLACES))

        await rig.kill_leader()
        owners[ORDERS, "10.0.0.5"] = await _register(rig, ORDERS, "10.0.0.5")
        await _expect(meshes, set(owners))
        await rig.start()

        await rig.kill()
        for owner in owners.values():
            await owner.close()
        await asyncio.sleep(OUTAGE_S)
        await rig.start()
        while await rig.writer.children(f"/dubbo/{ORDERS}/providers"):  # noqa: ASYNC110 - servers end sessions
            await asyncio.sleep(0.1)
        # The last of those that registered does not come back.
        back = [await _register(rig, *place) for place in PLACES]
        await _expect(meshes, set(owners))
        assert [set()] * len(meshes) == [mesh.gone for mesh in meshes]

        await _expect(meshes, set(PLACES))
        assert [{("com.acme.orders.dubbo", "10.0.0.5", 20880)}] * len(meshes) == [mesh.gone for mesh in meshes]
    for owner in back:
        await owner.close()


async def test_a_dubbo_3_provider_survives_the_death_of_an_ensemble(
    zookeeper_ensemble: EnsembleRig, tmp_path: Path
) -> None:
    """Its client ends its session itself after so long, and registers the application at once in the new one. The
    interfaces' nodes go when the servers end the old session, and come back some 6 s later (Dubbo 3.3.6)."""
    rig = zookeeper_ensemble
    application = dubbo3_provider(rig.hosts, tmp_path, DubboOptions(session_ms=4000))
    instance = f"/services/demo-provider3/10.20.30.40:{application.port('DUBBO_PORT')}"
    mesh = Mesh(rig.hosts, "istio", f"settle_time: {DUBBO_SETTLE_S}s", is_guarded=True)
    async with mesh.reading(), running(application):
        await mesh.until(lambda: len(mesh.entries) == 10)
        mesh.forget_start()
        names, owner = set(mesh.entries), await rig.writer.run(lambda client: _owner(client, instance))
        await rig.kill()
        await asyncio.sleep(1.5 * OUTAGE_S)
        await rig.start()
        while await rig.writer.run(lambda client: _owner(client, instance)) in (0, owner):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        async with asyncio.timeout(_BACK_S):  # the application may be back before we are
            while not mesh.source.registries()[0]["settling"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        category, without = "/dubbo/lab.api.OrderService/providers", 0
        while mesh.source.registries()[0]["settling"]:
            without += not await rig.writer.children(category)
            await asyncio.sleep(0.1)
        assert without > 0, "the registry never was without providers"
        await asyncio.sleep(1.0)
        assert (set(), names) == (mesh.gone, mesh.names)


async def _register(rig: EnsembleRig, interface: str, address: str) -> Writer:
    """Register a provider as Dubbo does, for as long as its session lives; returns the owner of the session."""
    owner = Writer(WriterOptions(hosts=rig.hosts, session_timeout_s=2.0))
    await owner.open()
    name = provider(f"{address}:20880", interface)
    await owner.create(f"/dubbo/{interface}/providers/{name}", ephemeral=True)
    return owner


async def _expect(meshes: list[Mesh], places: set[tuple[str, str]]) -> None:
    expected = {(f"{interface.lower()}.dubbo", address) for interface, address in places}
    for mesh in meshes:
        await mesh.until(lambda mesh=mesh: expected == _served(mesh))  # type: ignore[misc]


def _served(mesh: Mesh) -> set[tuple[str, str]]:
    return {(name, each.address) for name, entry in mesh.entries.items() for each in entry.endpoints}


def _owner(client: KazooClient, path: str) -> int:
    """Return the session that a node belongs to, 0 without a node."""
    found = client.retry(client.exists, path)
    return int(found.ephemeralOwner) if found else 0
