"""Stale scopes: when their endpoints are dropped, and to whom they give way."""

import msgspec
import pytest

from meshregistry.model.dubbo_key import dubbo_scope
from meshregistry.model.events import ScopeConfirmed
from tests.support.guarded_world import OTHER_SCOPE, POLICY, SCOPE, GuardedWorld, instances

pytestmark = pytest.mark.anyio

AGEING = msgspec.structs.replace(POLICY, max_stale_s=300.0)


async def test_what_nobody_confirms_stays_by_default() -> None:
    world = GuardedWorld()
    await world.show({"orders": instances(1)})

    await world.wait(1_000_000)

    assert 1 == world.count()


async def test_a_scope_that_is_unread_for_too_long_is_dropped() -> None:
    world = GuardedWorld(AGEING)
    await world.show({"orders": instances(1)})
    await world.show({"users": instances(2)}, OTHER_SCOPE)

    world.now += 290
    await world.take(ScopeConfirmed(OTHER_SCOPE))
    await world.wait(10)
    assert 2 == world.count()
    await world.wait(10)

    assert {("nacos/users.nacos", "10.0.0.2")} == world.endpoints()
    assert 1.0 == world.metric("guard_decisions_total", verdict="expired")


async def test_a_word_of_its_registry_brings_it_back() -> None:
    world = GuardedWorld(AGEING)
    await world.show({"orders": instances(1)})
    await world.wait(300)
    await world.wait(10)
    assert 0 == world.count()

    await world.take(ScopeConfirmed(SCOPE))

    assert 1 == world.count()


async def test_a_whole_zookeeper_keeps_its_interfaces_fresh() -> None:
    world = GuardedWorld(AGEING)
    scope = dubbo_scope("", "com.shop.Orders")
    await world.show({"com.shop.Orders": instances(1)}, scope)

    for _ in range(10):
        world.now += 200
        await world.take(ScopeConfirmed(dubbo_scope("", "")))

    assert 1 == world.count()


async def test_a_stale_endpoint_gives_way_to_a_new_owner_of_its_address() -> None:
    world = GuardedWorld()
    await world.show({"orders": instances(1, 2)})
    await world.show({"users": instances(3)}, OTHER_SCOPE)
    world.now += 90

    await world.show({"users": instances(2, 3)}, OTHER_SCOPE)

    assert {
        ("nacos/orders.nacos", "10.0.0.1"),
        ("nacos/users.nacos", "10.0.0.2"),
        ("nacos/users.nacos", "10.0.0.3"),
    } == world.endpoints()
    assert 1.0 == world.metric("guard_decisions_total", verdict="superseded")


async def test_what_gave_way_counts_again_once_its_registry_says_so() -> None:
    world = GuardedWorld()
    await world.show({"orders": instances(1, 2)})
    world.now += 90
    await world.show({"users": instances(2)}, OTHER_SCOPE)

    await world.take(ScopeConfirmed(SCOPE))

    assert 3 == world.count()


async def test_the_endpoints_of_a_scope_that_is_read_share_their_addresses() -> None:
    world = GuardedWorld()
    await world.show({"orders": instances(1, 2)})
    world.now += 60
    await world.take(ScopeConfirmed(SCOPE))
    world.now += 60

    await world.show({"users": instances(2)}, OTHER_SCOPE)

    assert 3 == world.count()


async def test_who_had_the_address_before_pushes_nobody_out() -> None:
    world = GuardedWorld()
    await world.show({"orders": instances(1)})
    await world.show({"users": instances(1)}, OTHER_SCOPE)
    world.now += 90

    await world.show({"users": instances(1, 5)}, OTHER_SCOPE)

    assert 3 == world.count()
