"""Two replicas as processes: one takes the world from the other, and both serve the same bytes."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from envoy.service.discovery.v3 import discovery_pb2

from meshregistry.watch.model import Action, IstiodModel
from meshregistry.watch.observations import Observation, ResponseApplied, StreamOpened
from meshregistry.watch.resources import ServiceEntrySpec
from tests.support.ads_client import AdsClient
from tests.support.ads_world import SERVICE_ENTRY, write_request
from tests.support.nacos_rig import SimRig
from tests.support.service_process import TIMEOUT_S, ServiceProcess, held_by, istiod_at, pair_of, served_by

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)]


class Balancer:
    """One address for several servers: a connection goes to the next that takes it. Owns its connections."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports
        self._next = 0
        self.port = 0
        self.server = 0
        """The port of the server that took the newest connection."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Balancer"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in self._ports:
            self._next += 1
            port = self._ports[self._next % len(self._ports)]
            try:
                there = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            self.server = port
            await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
            return
        writer.close()


class Churn:
    """Registers one endpoint after the other, every 20 ms, at twenty services in turn. Owner of what it registered."""

    def __init__(self, registry: SimRig) -> None:
        self._registry = registry
        self._count = 0

    @property
    def newest(self) -> str:
        """The address that was registered last."""
        return self._address(self._count - 1)

    def expected(self) -> set[str]:
        """Every address that was registered."""
        return {self._address(number) for number in range(self._count)}

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Register for as long as the block lasts."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._register(stop))
            try:
                yield
            finally:
                stop.set()

    async def until_further(self, changes: int) -> None:
        """Wait for so many more changes."""
        wanted = self._count + changes
        async with asyncio.timeout(TIMEOUT_S):
            while self._count < wanted:  # noqa: ASYNC110 - it counts by itself
                await asyncio.sleep(0.01)

    async def _register(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._registry.register(f"service-{self._count % 20 + 1}", self._address(self._count), 8080)
            self._count += 1
            await asyncio.sleep(0.02)

    @staticmethod
    def _address(number: int) -> str:
        return f"10.1.{number // 250}.{number % 250 + 1}"


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def bytes_of(port: int) -> tuple[str, list[bytes]]:
    """Return the version and the resources of the first answer at an address, as they are on the wire."""
    async with AdsClient(port, "sotw") as client:
        await client.send(write_request("sotw", SERVICE_ENTRY, node=("istiod", {})))
        answer = discovery_pb2.DiscoveryResponse.FromString(await client.receive())
    return answer.version_info, [resource.value for resource in answer.resources]


def applied_versions(observations: list[Observation]) -> list[tuple[str, str]]:
    """Return the name and version of every config that istiod took over, in order."""
    return [
        (event.new.key.name, event.new.version)
        for each in observations
        if isinstance(each, ResponseApplied)
        for event in each.handled.events
        if event.action in (Action.CREATED, Action.UPDATED) and event.new is not None
    ]


def addresses_of(model: IstiodModel) -> set[str]:
    """Return every address that istiod knows."""
    return {
        endpoint.address
        for config in model.configs.values()
        if isinstance(config.spec, ServiceEntrySpec)
        for endpoint in config.spec.endpoints
    }


@pytest.fixture
def replicas(registry: SimRig, tmp_path: Path) -> list[ServiceProcess]:
    return pair_of(tmp_path, registry.base_url, registry.namespace)


async def test_equal_views_are_equal_resources(replicas: list[ServiceProcess]) -> None:
    first, second = replicas
    async with first.running(), second.running():
        await first.until_fresh()
        await second.until_fresh()

        served = await served_by(first.ads)

        assert 20 == len(served)
        assert served == await served_by(second.ads)


async def test_equal_views_and_guard_states_are_equal_bytes(replicas: list[ServiceProcess], registry: SimRig) -> None:
    first, second = replicas
    async with first.running(), second.running():
        await first.until_fresh()
        before = await bytes_of(first.ads)
        for number in range(1, 16):
            await registry.deregister(f"service-{number}", f"10.0.0.{number}", 8080)
        await registry.register("service-20", "10.0.1.20", 8080, metadata={"version": "v2"})
        for each in replicas:
            await each.until_page("/metrics", "meshregistry_held_endpoints 15.0")
            await each.until_page("/meshregistry/xdsCache", "10.0.1.20")

        served = await bytes_of(first.ads)

        assert (20, served) == (len(served[1]), await bytes_of(second.ads))
        assert 19 == len(set(before[1]) & set(served[1]))


async def test_a_replica_that_starts_with_the_registry_down_takes_the_world_of_its_sibling(
    replicas: list[ServiceProcess], registry: SimRig
) -> None:
    first, second = replicas
    async with first.running():
        await first.until_fresh()
        await registry.stop()
        async with second.running():
            served = await served_by(second.ads)

            assert 20 == len(served)
            assert served == await served_by(first.ads)
            _, metrics = await second.get("/metrics")
            assert 'meshregistry_takeovers_total{result="taken"} 1.0' in metrics
            _, body = await second.ready()
            assert body.startswith("stale as of ")


async def test_without_a_sibling_it_goes_on_with_the_registries(replicas: list[ServiceProcess]) -> None:
    async with replicas[0].running():
        await replicas[0].until_fresh()
        assert 20 == len(await served_by(replicas[0].ads))


async def test_a_rolling_restart_under_change_loses_nothing_and_applies_nothing_twice(
    replicas: list[ServiceProcess], registry: SimRig
) -> None:
    """Changes go on while a replica is down, while it starts and while it takes over.

    Not while istiod changes sides: the other replica may be one poll behind, and istiod would go one step back.
    """
    first, second = replicas
    observations: list[Observation] = []
    churn = Churn(registry)
    async with (
        first.running(),
        second.running(),
        Balancer([first.ads, second.ads]).running() as balancer,
        istiod_at(balancer.port, observations) as istiod,
    ):
        await first.until_fresh()
        await second.until_fresh()
        async with asyncio.timeout(TIMEOUT_S):
            await istiod.wait_until(lambda model: len(held_by(model)) == 20)
        for replica in (first, second, first):
            was_served_by = balancer.server
            await replica.end(signal.SIGTERM)
            async with asyncio.timeout(TIMEOUT_S):
                while balancer.server == was_served_by == replica.ads:  # noqa: ASYNC110 - another process ends
                    await asyncio.sleep(0.01)
            async with churn.going_on():
                await churn.until_further(10)
                await replica.start()
                await replica.until_fresh()
                await churn.until_further(10)
            for each in replicas:
                await each.until_page("/meshregistry/xdsCache", churn.newest)
            async with asyncio.timeout(TIMEOUT_S):
                await istiod.wait_until(lambda model: churn.newest in addresses_of(model))
        counted = istiod.model.counters.actions

    assert churn.expected() == {address for address in addresses_of(istiod.model) if address.startswith("10.1.")}
    assert (20, 0) == (counted[Action.CREATED], counted[Action.DELETED])
    applied = applied_versions(observations)
    assert counted[Action.UPDATED] + 20 == len(applied) == len(set(applied))
    assert sum(isinstance(each, StreamOpened) for each in observations) > 1
    assert 20 == len(held_by(istiod.model))
