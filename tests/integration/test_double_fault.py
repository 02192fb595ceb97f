"""A registry is away when Meshregistry starts from a saved world, and comes back having forgotten a part of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from meshregistry.fleet import build_source
from meshregistry.model.events import RegistryAway, SourceSynced, SourceUpdate
from meshregistry.model.service_entry import Kind
from meshregistry.settings.load import load_settings
from meshregistry.settings.root import Settings
from meshregistry.store.reducer import Reducer
from meshregistry.store.store import SnapshotStore
from meshregistry.store.world import World
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import ResourceEncoder
from meshregistry.wiring import source_options, source_rules
from tests.campaign.eureka import SimulatedEureka
from tests.campaign.nacos import PolledNacos, SimulatedNacos
from tests.campaign.registry import Registry
from tests.campaign.zookeeper import SimulatedZooKeeper

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

GUARD_S = 2.0
SERVICES, INSTANCES = 6, 5
TIMEOUT_S = 20.0
GUARD = "guard: {empty_grace: 0s, delete_after: 0s, port_grace: 0s, mass_hold: 60s}\n"
WALL = 1_700_000_000.0


class Process:
    """A source and the reducer behind it. It is its sink, and remembers what was told and what was lost."""

    def __init__(self, settings: Settings) -> None:
        metrics = Metrics()
        self.told: list[SourceUpdate] = []
        self.served: set[str] = set()
        self.lost: set[str] = set()
        self._store = SnapshotStore([Kind.SERVICE_ENTRY])
        self._store.listen(lambda _change: self._look())
        encoder = ResourceEncoder(settings.mcp.create_time)
        rules = source_rules(settings)
        self.reducer = Reducer(self._store, encoder, rules, metrics)
        self._lock = anyio.Lock()
        self._fingerprints = dict.fromkeys(rules, "equal")
        (options,) = source_options(settings).values()
        self._source = build_source(options, metrics)

    async def publish(self, update: SourceUpdate) -> None:
        """Reduce an update by itself."""
        async with self._lock:
            self.told.append(update)
            await self.reducer.reduce([update])

    @asynccontextmanager
    async def reading(self, world: World | None = None) -> AsyncIterator["Process"]:
        """Run the source, on what another process left."""
        if world is not None:
            await self.reducer.restore(world, WALL)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._source.run, self)
            yield self
            tasks.cancel_scope.cancel()

    async def until_told(self, kind: type[SourceUpdate]) -> None:
        """Wait for an update of a kind."""
        with anyio.fail_after(TIMEOUT_S):
            while not any(isinstance(each, kind) for each in self.told):  # noqa: ASYNC110 - the source has no event
                await anyio.sleep(0.01)

    async def until_held(self, held: int) -> None:
        """Wait until so many endpoints are held."""
        with anyio.fail_after(TIMEOUT_S):
            while held != sum(each.held for each in self.reducer.list_holds()):  # noqa: ASYNC110 - nor has the guard
                await anyio.sleep(0.01)

    def export(self) -> World:
        return self.reducer.export(self._fingerprints, WALL)

    def _look(self) -> None:
        resources = self._store.current.collection(Kind.SERVICE_ENTRY).resources.values()
        served = {each.address for resource in resources for each in resource.entry.endpoints}
        self.lost |= self.served - served
        self.served = served


@asynccontextmanager
async def simulated(kind: type[Registry]) -> AsyncIterator[Registry]:
    registry = kind(1, GUARD_S)
    await registry.open(SERVICES, INSTANCES)
    try:
        yield registry
    finally:
        await registry.close()


@pytest.mark.parametrize("kind", [SimulatedNacos, PolledNacos, SimulatedEureka, SimulatedZooKeeper])
async def test_what_it_forgot_stays_until_its_owners_register_again(kind: type[Registry]) -> None:
    async with simulated(kind) as registry:
        settings = load_settings(GUARD + registry.settings(), {}).settings
        async with Process(settings).reading() as before:
            await before.until_told(SourceSynced)
        everything = before.served
        forgotten = sorted(registry.owned)[:2]

        registry.shut()
        await registry.deregister(*forgotten)
        async with Process(settings).reading(before.export()) as after:
            await after.until_told(RegistryAway)
            registry.calm()
            await after.until_told(SourceSynced)
            assert [("doubt", 2)] == [(each.cause, each.held) for each in after.reducer.list_holds()]
            await registry.register(*forgotten)
            await after.until_held(0)

    assert SERVICES * INSTANCES == len(everything)
    assert (everything, set()) == (after.served, after.lost)
