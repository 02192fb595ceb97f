"""A Nacos that is restarted while nobody looks: nothing tells of it but what its next answer lacks."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from meshregistry.model.instance import Instance
from meshregistry.sim.nacos.faults import Fault
from meshregistry.sim.nacos.views import Dialect
from meshregistry.sources.nacos import NacosScope
from meshregistry.sources.polling import PollOptions
from tests.support.nacos_rig import SimRig
from tests.support.nacos_view import View, instance, reading, server_options
from tests.support.running_service import Deployment

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

BULK = {Dialect.V2: "/v1/ns/catalog/services", Dialect.V3: "/v3/admin/ns/service/list"}
RARELY = PollOptions(refresh_period_s=3600.0)
NAMES = ("orders", "users", "shop")


async def _register(rig: SimRig) -> dict[str, tuple[Instance, ...]]:
    """Register three services of two instances; return what is published of them."""
    for number, name in enumerate(NAMES):
        for last in (1, 2):
            await rig.register(name, f"10.0.{number}.{last}", 80)
    return {name: tuple(instance(f"10.0.{number}.{last}", 80) for last in (1, 2)) for number, name in enumerate(NAMES)}


async def _until_read(view: View, services: dict[str, tuple[Instance, ...]]) -> None:
    """Wait for the end of the first reading."""
    await view.until_services(services)
    await view.until(lambda view: view.readings() == 1)


async def _read(view: View) -> None:
    """Have everything read once more, and wait for the end of it."""
    before = view.readings()
    view.source.read_again()
    await view.until(lambda view: view.readings() > before)


def _come_back_empty(rig: SimRig) -> None:
    rig.sim.restart_node()


def _come_back_half_full(rig: SimRig) -> None:
    """One of every two instances is back, of the last service none."""
    for key, each in rig.sim.restart_node():
        if each.ip.endswith(".1") and key.name != NAMES[-1]:
            rig.sim.registry.register(key, each)


def _come_back_without_one(rig: SimRig) -> None:
    """The owners of one service are the last to register."""
    for key, each in rig.sim.restart_node():
        if key.name != NAMES[-1]:
            rig.sim.registry.register(key, each)


Restart = Callable[[SimRig], None]
RESTARTS = pytest.mark.parametrize(
    "restart", [_come_back_empty, _come_back_half_full, _come_back_without_one], ids=["empty", "half full", "one less"]
)


@pytest.mark.simulator_only
@RESTARTS
@pytest.mark.parametrize("rung", ["bulk", "per_service"])
async def test_a_restart_between_two_polls_takes_nothing_away(sim_rig: SimRig, restart: Restart, rung: str) -> None:
    everything = await _register(sim_rig)
    if rung == "per_service":
        sim_rig.sim.set_faults(Fault(path=BULK[sim_rig.dialect], status=403))
    async with reading(server_options(sim_rig), polling=RARELY, page_size=2) as view:
        await _until_read(view, everything)
        restart(sim_rig)
        await _read(view)
        assert everything == view.services
        assert 0 < int(str(view.scope["held_instances"]))

        await _register(sim_rig)
        await _read(view)
        assert everything == view.services
        assert (0, 0) == (view.scope["held_instances"], view.scope["doubted_services"])

    assert 0.0 == view.readings(failed=True)
    assert all(set(NAMES) <= listing.names and all(listing.services.values()) for listing in view.listings)


@pytest.mark.simulator_only
@RESTARTS
async def test_what_stays_away_for_the_time_to_settle_goes_without_another_period(
    sim_rig: SimRig, restart: Restart
) -> None:
    everything = await _register(sim_rig)
    async with reading(server_options(sim_rig), polling=RARELY, settle_s=0.5) as view:
        await _until_read(view, everything)
        restart(sim_rig)
        left = {
            service.key.name: tuple(sorted(instance(each.ip, each.port) for each in service.instances.values()))
            for service in sim_rig.sim.registry.services(sim_rig.namespace)
        }
        await _read(view)
        assert everything == view.services
        readings = view.readings()

        await view.until_services(left)
        await view.until(lambda view: view.readings() == readings + 1)
        assert (0, 0) == (view.scope["held_instances"], view.scope["doubted_services"])


@pytest.mark.simulator_only
async def test_one_service_is_scaled_down_and_up_at_once(sim_rig: SimRig) -> None:
    everything = await _register(sim_rig)
    async with reading(server_options(sim_rig), polling=RARELY, settle_s=3600.0) as view:
        await _until_read(view, everything)
        for ip in ("10.0.0.1", "10.0.0.2"):
            await sim_rig.deregister("orders", ip, 80)
            everything["orders"] = everything["orders"][1:]
            await _read(view)
            assert everything == view.services

        await sim_rig.remove_service("orders")
        del everything["orders"]
        await _read(view)
        assert everything == view.services


@pytest.mark.simulator_only
async def test_without_a_time_to_settle_every_answer_is_believed(sim_rig: SimRig) -> None:
    everything = await _register(sim_rig)
    async with reading(server_options(sim_rig), polling=RARELY, settle_s=0.0) as view:
        await _until_read(view, everything)
        sim_rig.sim.restart_node()
        await _read(view)

    assert {} == view.services


@pytest.mark.simulator_only
async def test_groups_of_one_namespace_are_restarted_together(sim_rig: SimRig) -> None:
    groups = ("G-1", "G-2")
    for number, group in enumerate(groups):
        for last in (1, 2):
            await sim_rig.register(f"of-{group}", f"10.0.{number}.{last}", 80, group=group)
    wanted = tuple(NacosScope(sim_rig.namespace, group) for group in groups)
    async with reading(server_options(sim_rig, scopes=wanted), polling=RARELY) as view:
        await view.until(lambda view: view.readings() == 1)
        before = len(view.updates)
        for number, group in enumerate(groups):
            await sim_rig.deregister(f"of-{group}", f"10.0.{number}.1", 80, group=group)
        await _read(view)
        scopes = view.registry["scopes"]
        assert isinstance(scopes, list)
        assert [1, 1] == [each["held_instances"] for each in scopes]

    assert before == len(view.updates)


@pytest.mark.simulator_only
@pytest.mark.parametrize("profile", ["istio", "slime"])
async def test_a_restart_that_no_call_met_costs_no_endpoint_in_either_profile(sim_rig: SimRig, profile: str) -> None:
    """Five times a second the server is empty, then half full; the guard is off in the profile of Slime."""
    await _register(sim_rig)
    deployment = Deployment(sim_rig, mode="polling", profile=profile)
    async with deployment.running():
        before = await _until_served(deployment, 6)
        lost = sim_rig.sim.restart_node()
        for key, each in lost:
            for _ in range(3):
                assert before == _addresses(await deployment.cached_entries())
                await asyncio.sleep(0.1)
            sim_rig.sim.registry.register(key, each)
        await asyncio.sleep(0.5)

        assert before == _addresses(await deployment.cached_entries())


async def _until_served(deployment: Deployment, count: int) -> dict[str, list[str]]:
    """Wait until so many endpoints are served; return their addresses by entry."""
    served: dict[str, list[str]] = {}
    async with asyncio.timeout(20.0):
        while sum(len(each) for each in served.values()) != count:
            await asyncio.sleep(0.1)
            served = _addresses(await deployment.cached_entries())
    return served


def _addresses(entries: dict[str, Any]) -> dict[str, list[str]]:
    return {name: [each["address"] for each in spec.get("endpoints", ())] for name, spec in entries.items()}
