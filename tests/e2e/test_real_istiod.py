"""A stock istiod keeps every service, and applies only what really changed; runs where ISTIOD_BIN names a binary."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meshregistry.model.service_entry import Kind, ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.store.store import SnapshotStore
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import ResourceEncoder
from meshregistry.xds.clients import Clients
from meshregistry.xds.options import AdsOptions
from meshregistry.xds.server import AdsServer
from tests.support.real_istiod import Istiod, running_istiod

BINARY = os.environ.get("ISTIOD_BIN", "")
SETTLE_S = 3.0

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
    pytest.mark.skipif(not BINARY, reason="ISTIOD_BIN names no istiod"),
    pytest.mark.timeout(300),
]

PORTS = (ServicePort(80, "HTTP", "http-80"), ServicePort(8080, "HTTP", "http-8080"))


class World:
    """Random services behind a real ADS server, and what istiod must make of them."""

    def __init__(self, *, version_stubs: bool) -> None:
        self.store = SnapshotStore({Kind.SERVICE_ENTRY})
        self.services: dict[int, set[int]] = {}
        self.changes = {"created": 0, "updated": 0, "removed": 0}
        options = AdsOptions(host="127.0.0.1", port=0, version_stubs=version_stubs)
        self.server = AdsServer(options, self.store, Clients(), Metrics())
        self._encoder = ResourceEncoder(datetime(2100, 1, 1, tzinfo=UTC))

    def put(self, number: int, endpoints: set[int]) -> None:
        """Create or change a service."""
        self.changes["updated" if number in self.services else "created"] += 1
        self.services[number] = endpoints
        entry = ServiceEntry(
            "nacos",
            f"svc-{number}.nacos",
            (_host(number),),
            ports=PORTS,
            endpoints=tuple(sorted(_endpoint(each) for each in endpoints)),
            labels=(("registry", "nacos"),),
        )
        self.store.commit(Kind.SERVICE_ENTRY, [self._encoder.encode(entry)], [])

    def remove(self, number: int) -> None:
        """Remove a service."""
        self.changes["removed"] += 1
        del self.services[number]
        self.store.commit(Kind.SERVICE_ENTRY, [], [f"nacos/svc-{number}.nacos"])

    def change_something(self, chance: random.Random) -> None:
        """Add or take an endpoint, or create or remove a service."""
        number = chance.choice(sorted(self.services))
        endpoints = self.services[number]
        kind = chance.random()
        if kind < 0.5:
            self.put(number, endpoints | {chance.randrange(1 << 20)})
        elif kind < 0.9 and len(endpoints) > 1:
            self.put(number, endpoints - {chance.choice(sorted(endpoints))})
        elif kind < 0.95 and len(self.services) > 5:
            self.remove(number)
        else:
            self.put(max(self.services) + 1, {chance.randrange(1 << 20)})

    def versions(self) -> dict[str, str]:
        resources = self.store.current.collection(Kind.SERVICE_ENTRY).resources
        return {name: resource.version for name, resource in resources.items()}

    def endpoints(self) -> dict[str, set[str]]:
        return {_host(number): {_address(each) for each in each_set} for number, each_set in self.services.items()}


def _host(number: int) -> str:
    return f"svc-{number}.nacos.svc.cluster.local"


def _address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _endpoint(number: int) -> WorkloadEntry:
    return WorkloadEntry(_address(number), (("http-80", 8080), ("http-8080", 8080)), (("version", "v1"),), weight=100)


def _acknowledged(clients: Clients) -> bool:
    types = [status for stream in clients.streams() for url, status in stream.types.items() if "ServiceEntry" in url]
    return any(status.version_acked for status in types)


@pytest.fixture(params=[True, False], ids=["stubs", "full"])
def world(request: pytest.FixtureRequest) -> World:
    world = World(version_stubs=request.param)
    for number in range(100):
        world.put(number, {number * 20 + each for each in range(1, 6)})
    return world


@asynccontextmanager
async def served(world: World, folder: Path) -> AsyncIterator[Istiod]:
    await world.server.start()
    try:
        async with running_istiod(BINARY, world.server.port, folder) as istiod:
            yield istiod
    finally:
        await world.server.drain()


async def test_istiod_is_ready_only_after_the_snapshot_is_complete(world: World, tmp_path: Path) -> None:
    async with served(world, tmp_path) as istiod:
        await asyncio.sleep(SETTLE_S)
        assert not await istiod.is_serving()

        world.store.complete()
        await istiod.wait_until_serving()

        assert world.versions() == await istiod.versions()
        assert {"config": 100, "eds": 100, "svc": 100} == await istiod.inbound()


async def test_istiod_keeps_every_service_over_1000_random_changes(world: World, tmp_path: Path) -> None:
    """Counters move only for real changes, several of which may be seen as one."""
    world.store.complete()
    chance = random.Random(20261122)
    async with served(world, tmp_path) as istiod:
        await istiod.wait_until_serving()
        for _ in range(1000):
            world.change_something(chance)
            await asyncio.sleep(chance.choice([0, 0, 0.001, 0.01, 0.05]))
        await asyncio.sleep(SETTLE_S)

        assert world.versions() == await istiod.versions()
        hosts = world.endpoints()
        held = await istiod.endpoints()
        assert hosts == {host: held.get(host, set()) for host in hosts}
        inbound = await istiod.inbound()
        assert inbound["config"] <= sum(world.changes.values())
        assert inbound.get("svcdelete", 0) <= world.changes["removed"]

        await asyncio.sleep(SETTLE_S)
        assert inbound == await istiod.inbound()


async def test_a_restart_of_the_server_moves_no_counter(world: World, tmp_path: Path) -> None:
    world.store.complete()
    async with served(world, tmp_path) as istiod:
        await istiod.wait_until_serving()
        before = await istiod.inbound()
        port = world.server.port
        await world.server.drain()

        options = AdsOptions(host="127.0.0.1", port=port)
        clients = Clients()
        again = AdsServer(options, world.store, clients, Metrics())
        await again.start()
        async with asyncio.timeout(60):
            while not _acknowledged(clients):  # noqa: ASYNC110 - istiod reconnects in its own time
                await asyncio.sleep(0.1)
        await asyncio.sleep(SETTLE_S)

        assert world.versions() == await istiod.versions()
        assert before == await istiod.inbound()
        await again.drain()
