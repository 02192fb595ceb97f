"""What belongs to what: registries, namespaces and groups beside each other, each failing on its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from meshregistry.sim.nacos.faults import Fault
from meshregistry.sim.nacos.fuzzy import FuzzyOptions
from meshregistry.sim.nacos.rpc_faults import RpcFault
from meshregistry.sim.nacos.rpc_server import RpcOptions
from meshregistry.sim.nacos.server import SimNacos, SimOptions
from meshregistry.sim.nacos.state import Instance as SimInstance
from meshregistry.sim.nacos.state import ServiceKey
from meshregistry.sim.nacos.views import Dialect
from meshregistry.sources.nacos import NacosServerOptions
from tests.support.nacos_view import MODES, Mode, View, reading

pytestmark = pytest.mark.anyio

QUICK = RpcOptions(push_delay_s=0.02)
QUICK_FUZZY = FuzzyOptions(first_sync_s=0.05, finish_s=0.02, change_s=0.02)


@pytest.fixture(params=MODES.values(), ids=list(MODES))
def mode(request: pytest.FixtureRequest) -> Mode:
    """With and without pushes: what is published is the same."""
    chosen: Mode = request.param
    return chosen


@asynccontextmanager
async def _simulated(*dialects: Dialect) -> AsyncIterator[list[SimNacos]]:
    """Registries that are empty."""
    async with AsyncExitStack() as stack:
        options = [SimOptions(dialect=dialect, rpc=QUICK, fuzzy=QUICK_FUZZY) for dialect in dialects]
        yield [await stack.enter_async_context(SimNacos(each)) for each in options]


def _register(sim: SimNacos, name: str, address: str, group: str = "DEFAULT_GROUP", namespace: str = "public") -> None:
    sim.registry.register(ServiceKey(name, group, namespace), SimInstance(address, 80))


def _deregister(sim: SimNacos, name: str, address: str, group: str = "DEFAULT_GROUP", ns: str = "public") -> None:
    sim.registry.deregister(ServiceKey(name, group, ns), address, 80)


async def _until_union(view: View, union: dict[str, list[str]]) -> None:
    """Wait for it; on time-out the comparison is the failure."""
    try:
        await view.until(lambda view: view.union == union)
    except TimeoutError:
        assert union == view.union


def _is_healthy(registry: dict[str, object]) -> bool:
    scopes = registry["scopes"]
    assert isinstance(scopes, list)
    return all(scope["healthy"] for scope in scopes)


def _only(*sims: SimNacos, ids: tuple[str, ...] = ("", "")) -> list[NacosServerOptions]:
    return [NacosServerOptions(addresses=(sim.base_url,), registry_id=id_) for sim, id_ in zip(sims, ids, strict=True)]


# Registries beside each other.


@pytest.mark.parametrize("ids", [("", ""), ("east", "east"), ("east", "west")], ids=["none", "equal", "different"])
async def test_registries_take_nothing_from_each_other(mode: Mode, ids: tuple[str, str]) -> None:
    async with _simulated(Dialect.V2, Dialect.V3) as (first, second):
        _register(first, "only-first", "10.0.0.1")
        _register(second, "only-second", "10.0.0.2")
        _register(first, "both", "10.0.0.3")
        _register(second, "both", "10.0.0.4")
        union = {"only-first": ["10.0.0.1"], "only-second": ["10.0.0.2"], "both": ["10.0.0.3", "10.0.0.4"]}
        async with reading(*_only(first, second, ids=ids), **mode) as view:
            await _until_union(view, union)
            for _ in range(3):
                await view.next_reading()
                assert union == view.union

            _deregister(second, "both", "10.0.0.4")
            _register(first, "late", "10.0.0.5")
            await _until_union(view, {**union, "both": ["10.0.0.3"], "late": ["10.0.0.5"]})

        assert [*ids] == [registry["registry_id"] for registry in view.source.registries()]
    assert 1 == len(view.synced)


async def test_a_registry_that_is_away_loses_nothing_while_another_without_an_id_changes(mode: Mode) -> None:
    async with _simulated(Dialect.V2, Dialect.V3) as (first, second):
        _register(first, "both", "10.0.0.1")
        _register(second, "both", "10.0.0.2")
        _register(second, "only-second", "10.0.0.3")
        union = {"both": ["10.0.0.1", "10.0.0.2"], "only-second": ["10.0.0.3"]}
        async with reading(*_only(first, second), **mode) as view:
            await _until_union(view, union)
            await view.until(lambda view: bool(view.synced))

            await second.stop()
            _register(first, "late", "10.0.0.4")
            await _until_union(view, {**union, "late": ["10.0.0.4"]})
            await view.next_reading(3, failed=True)
            assert {**union, "late": ["10.0.0.4"]} == view.union
            assert [True, False] == [_is_healthy(registry) for registry in view.source.registries()]

    assert 1 == len(view.synced)


async def test_completeness_waits_for_every_registry_without_an_id(mode: Mode) -> None:
    async with _simulated(Dialect.V2, Dialect.V3) as (first, second):
        _register(first, "first", "10.0.0.1")
        _register(second, "second", "10.0.0.2")
        second.set_faults(Fault(status=503))
        second.set_rpc_faults(RpcFault(stall=True))
        async with reading(*_only(first, second), **mode) as view:
            await _until_union(view, {"first": ["10.0.0.1"]})
            await view.next_reading(3, failed=True)
            assert [] == view.synced

            second.set_faults()
            second.set_rpc_faults()
            await view.until(lambda view: bool(view.synced))
            assert {"first": ["10.0.0.1"], "second": ["10.0.0.2"]} == view.union
