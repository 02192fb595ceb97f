"""Stale scopes: when their endpoints are dropped, and to whom they give way."""

from collections.abc import Collection
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.dubbo_key import dubbo_scope
from meshregistry.model.events import ScopeConfirmed
from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.store.contributions import Contributions
from meshregistry.store.freshness import Freshness
from meshregistry.store.guard import GuardPolicy
from meshregistry.store.rules import RulesReplaced
from tests.support.guarded_world import OTHER_SCOPE, POLICY, SCOPE, GuardedWorld, instances, sharing

pytestmark = pytest.mark.anyio

scopes = st.builds(
    Scope, st.sampled_from(["nacos", "zookeeper"]), st.sampled_from("ab"), st.just("n"), st.sampled_from(["", "g", "h"])
)
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


async def test_what_is_served_under_the_name_of_another_source_gives_way_too() -> None:
    world, there = GuardedWorld(), Scope("eureka", "", "", "")
    sources = frozenset({"eureka", "nacos"})
    await world.take(RulesReplaced({source: sharing(source) for source in sources}, restarted=sources))
    await world.show({"orders": instances(1, net=9), "users": instances(3)}, there)
    await world.show({"orders": instances(1, 2)})
    assert ("eureka/orders.shop", "10.0.0.2") in world.endpoints()
    world.now += 90

    await world.show({"orders": instances(1, net=9), "users": instances(2, 3)}, there)

    assert {
        ("eureka/orders.shop", "10.0.0.1"),
        ("eureka/orders.shop", "10.9.0.1"),
        ("eureka/users.shop", "10.0.0.2"),
        ("eureka/users.shop", "10.0.0.3"),
    } == world.endpoints()


class Listed:
    """Contributions of scopes and of nothing else."""

    def __init__(self, listed: Collection[Scope]) -> None:
        self._scopes = frozenset(listed)

    def scopes(self) -> frozenset[Scope]:
        return self._scopes

    def keys(self, _scopes: Collection[Scope]) -> list[ServiceKey]:
        return []

    def resources(self, _keys: Collection[ServiceKey]) -> set[str]:
        return set()


@given(listed=st.sets(scopes), statements=st.lists(st.tuples(scopes, st.integers(1, 5))))
def test_a_scope_expires_that_neither_itself_nor_all_its_groups_were_spoken_of(
    listed: set[Scope], statements: list[tuple[Scope, int]]
) -> None:
    limits = {"nacos": 3.0, "zookeeper": None}
    freshness = Freshness(
        cast("Contributions", Listed(listed)), lambda source: GuardPolicy(max_stale_s=limits[source]), 0
    )
    stated: dict[Scope, int] = {}
    for scope, at in sorted(statements, key=lambda each: each[1]):
        freshness.state(scope, at)
        stated[scope] = at

    freshness.expire(6)

    latest = {each: max(stated.get(each, 0), stated.get(each._replace(group=""), 0)) for each in listed}
    silent = {each for each in listed if each.source == "nacos" and latest[each] <= 3}
    assert silent == {each for each in listed if freshness.explain(ServiceKey(each, "orders"), set()) == "expired"}
