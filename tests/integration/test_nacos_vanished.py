"""Groups and namespaces of Nacos that are gone as a whole, seen by the guard: held at first, and not for ever."""

import pytest

from meshregistry.sim.nacos.server import SimNacos
from meshregistry.sim.nacos.state import Instance, Namespace, ServiceKey
from meshregistry.sources.nacos import NacosServerOptions
from tests.support.guarded_world import GuardedWorld
from tests.support.nacos_view import MODES, Mode, View, feeding

pytestmark = pytest.mark.anyio

SIZE = 15
STEP_S = 130.0
"""More than a statement counts for at most, so that five of them confirm what `mass_hold` asks for."""


@pytest.fixture(params=MODES.values(), ids=list(MODES))
def mode(request: pytest.FixtureRequest) -> Mode:
    """With and without pushes."""
    chosen: Mode = request.param
    return chosen


def register(sim: SimNacos, group: str, namespace: str = "public") -> list[ServiceKey]:
    """Register a group that is too large to go at once."""
    keys = [ServiceKey(f"{group.lower()}-{number}", group, namespace) for number in range(SIZE)]
    for number, key in enumerate(keys):
        sim.registry.register(key, Instance(f"10.5.0.{number}", 8080))
    return keys


async def until_only_one_is_left(view: View, world: GuardedWorld) -> int:
    """Let readings and time pass until one endpoint is left; return how many readings that took."""
    for number in range(1, 40):
        if world.count() == 1:
            return number
        await view.next_reading()
        world.now += STEP_S
        await world.take()
    raise AssertionError(f"{world.count()} endpoints are left: {world.reducer.list_holds()}")


async def test_what_is_gone_is_held_on_while_nobody_says_so(mode: Mode) -> None:
    world = GuardedWorld()
    async with SimNacos() as sim:
        sim.registry.register(ServiceKey("orders"), Instance("10.0.0.1", 8080))
        keys = register(sim, "BATCH")
        everything = NacosServerOptions(addresses=(sim.base_url,), all_namespaces=True)
        async with feeding(world, everything, **mode, settle_s=0.2) as view:
            await view.until(lambda view: bool(view.synced))
            for number, key in enumerate(keys):
                assert sim.registry.deregister(key, f"10.5.0.{number}", 8080)
                sim.registry.remove_service(key)
            await view.until(lambda view: world.metric("held_endpoints") == SIZE)
            await sim.stop()

            for _ in range(20):
                await view.next_reading(failed=True)
                world.now += STEP_S
                await world.take()

            assert 1 + SIZE == world.count()
            await sim.start()


@pytest.mark.parametrize("namespace", ["public", "other"], ids=["a group", "all of a namespace"])
async def test_what_is_gone_as_a_whole_is_held_and_goes_once_it_was_confirmed(namespace: str, mode: Mode) -> None:
    world = GuardedWorld()
    async with SimNacos() as sim:
        sim.registry.create_namespace(Namespace("other", "other"))
        sim.registry.register(ServiceKey("orders"), Instance("10.0.0.1", 8080))
        keys = register(sim, "BATCH", namespace)
        options = {**mode, "settle_s": 0.2, "resync_period_s": 0.1}
        everything = NacosServerOptions(addresses=(sim.base_url,), all_namespaces=True)
        async with feeding(world, everything, **options) as view:
            await view.until(lambda view: bool(view.synced))
            assert 1 + SIZE == world.count()

            for number, key in enumerate(keys):
                assert sim.registry.deregister(key, f"10.5.0.{number}", 8080)
                sim.registry.remove_service(key)
            await view.until(lambda view: world.metric("held_endpoints") == SIZE)
            await view.next_reading(3)
            assert 1 + SIZE == world.count()

            assert 4 < await until_only_one_is_left(view, world)
