"""Stale scopes: when their endpoints are dropped, and to whom they give way."""

from collections import Counter
from collections.abc import Collection
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.claim import Claim
from meshregistry.model.dubbo_key import dubbo_scope
from meshregistry.model.events import ScopeConfirmed, SourceSynced
from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy
from meshregistry.store.contributions import Contributions
from meshregistry.store.freshness import Freshness
from meshregistry.store.given_up import GivenUp
from meshregistry.store.guard import GuardPolicy
from meshregistry.store.hold_book import HoldBook
from meshregistry.store.rules import RulesReplaced, SourceRules
from tests.support.guarded_world import OTHER_SCOPE, POLICY, SCOPE, GuardedWorld, fleet, instances, sharing

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


async def test_what_is_held_is_as_old_as_its_scope() -> None:
    """Also where nothing but a hold keeps what a scope had."""
    world = GuardedWorld(AGEING)
    await world.show(fleet(10, 10))
    await world.show({"users": instances(500)}, OTHER_SCOPE)
    await world.show({})
    await world.confirm_for(270, OTHER_SCOPE)
    assert 101 == world.count()
    assert [frozenset({SCOPE})] == [each.scopes for each in world.reducer.list_silent(world.now)]

    await world.confirm_for(30, OTHER_SCOPE)
    await world.wait(11)
    assert {("nacos/users.nacos", "10.0.2.0")} == world.endpoints()
    assert 1.0 == world.metric("guard_decisions_total", verdict="expired")

    await world.take(ScopeConfirmed(SCOPE))
    assert 101 == world.count()


async def test_a_word_of_its_registry_brings_back_what_is_held_beside_what_is_registered() -> None:
    world = GuardedWorld(AGEING)
    await world.show(fleet(10, 10))
    await world.show(fleet(5, 10))
    await world.wait(310)
    await world.wait(1000)
    assert 0 == world.count()

    await world.take(ScopeConfirmed(SCOPE))

    assert 100 == world.count()


async def test_what_may_be_older_by_other_rules_comes_back() -> None:
    world = GuardedWorld(AGEING)
    await world.show({"orders": instances(1)})
    await world.wait(300)
    await world.wait(10)
    assert 0 == world.count()

    rules = SourceRules(ConversionPolicy(source="nacos"), msgspec.structs.replace(AGEING, max_stale_s=None))
    await world.take(RulesReplaced({"nacos": rules}))
    await world.wait(1)

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


async def in_outage(seconds: float, users: tuple[int, ...], scope: Scope = OTHER_SCOPE) -> GuardedWorld:
    """A world whose orders (1, 2) are not heard of any more, with users so many seconds into that outage."""
    world = GuardedWorld()
    await world.show({"users": instances(3)}, scope)
    await world.show({"orders": instances(1, 2)})
    world.now += seconds
    await world.show({"users": instances(*users)}, scope)
    return world


def served(world: GuardedWorld, service: str) -> set[str]:
    """Return the addresses of one service."""
    return {address for name, address in world.endpoints() if name == f"nacos/{service}.nacos"}


async def test_an_address_that_is_used_again_early_in_an_outage_is_given_up_once_the_scope_is_stale() -> None:
    world = await in_outage(1, (2, 3))

    await world.confirm_for(60, OTHER_SCOPE)
    assert {"10.0.0.1", "10.0.0.2"} == served(world, "orders")
    await world.confirm_for(30, OTHER_SCOPE)

    assert {"10.0.0.1"} == served(world, "orders")
    assert {"10.0.0.2", "10.0.0.3"} == served(world, "users")
    (line,) = [each for each in world.reducer.journal.list_newest("", 9) if each.what == "superseded"]
    assert (str(SCOPE), "nacos/orders.nacos") == (line.scope, line.resource)


async def test_registries_that_are_lost_together_say_nothing_about_each_other() -> None:
    world = await in_outage(1, (2, 3))

    for _ in range(10):
        await world.wait(30)

    assert 4 == world.count()


async def test_the_last_endpoint_of_a_stale_service_gives_way_at_once() -> None:
    world = GuardedWorld()
    await world.show({"users": instances(3)}, OTHER_SCOPE)
    await world.show({"orders": instances(2)})
    world.now += 90

    await world.show({"users": instances(2, 3)}, OTHER_SCOPE)
    assert set() == served(world, "orders")
    await world.take(ScopeConfirmed(SCOPE))

    assert {"10.0.0.2"} == served(world, "orders")


async def test_a_service_that_comes_back_takes_nothing_from_those_it_always_shared_its_addresses_with() -> None:
    world = GuardedWorld()
    shared = instances(*range(20))
    await world.show({"users": shared}, OTHER_SCOPE)
    await world.show({"orders": shared})
    world.now += 90
    await world.show({}, OTHER_SCOPE)

    await world.show({"users": shared}, OTHER_SCOPE)

    assert 40 == world.count()


async def test_scopes_that_are_heard_of_again_one_by_one_cost_no_look_at_all_that_is_stale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = GuardedWorld()
    groups = [Scope("nacos", "", "public", f"G{number}") for number in range(40)]
    for number, scope in enumerate(groups):
        await world.show({f"s{number}": instances(number)}, scope)
    world.now += 90
    looks: Counter[ServiceKey] = Counter()
    of = Contributions.of

    def count(contributions: Contributions, key: ServiceKey) -> tuple[Claim, ...]:
        looks[key] += 1
        return of(contributions, key)

    monkeypatch.setattr(Contributions, "of", count)

    for number, scope in enumerate(groups):
        await world.show({f"s{number}": instances(number, 100 + number)}, scope)

    assert (40, True) == (len(looks), max(looks.values()) < 10)
    assert 80 == world.count()


async def test_a_service_that_has_left_an_address_before_it_was_lost_gives_nothing_up() -> None:
    """It had the address when it was lost for the first time, and others are lost all along."""
    world = GuardedWorld()
    further = Scope("nacos", "", "public", "FURTHER")
    await world.show({"orders": instances(1, 2)})
    await world.show({"carts": instances(9)}, further)
    await world.show({"users": instances(3)}, OTHER_SCOPE)
    world.now += 90
    await world.show({"users": instances(3, 4)}, OTHER_SCOPE)
    await world.show({"orders": instances(1)})
    world.now += 90

    await world.show({"users": instances(2, 3, 4)}, OTHER_SCOPE)

    assert {"10.0.0.1"} == served(world, "orders")
    assert None is world.metric("guard_decisions_total", verdict="superseded")


async def test_an_address_that_was_used_for_a_moment_is_not_given_up() -> None:
    world = await in_outage(1, (2, 3))
    await world.show({"users": instances(3)}, OTHER_SCOPE)

    await world.confirm_for(120, OTHER_SCOPE)

    assert {"10.0.0.1", "10.0.0.2"} == served(world, "orders")


async def test_another_service_of_the_same_host_takes_nothing_away() -> None:
    world = GuardedWorld()
    await world.show({"orders": instances(3)}, OTHER_SCOPE)
    await world.show({"orders": instances(1, 2)})
    world.now += 90

    await world.show({"orders": instances(2, 3)}, OTHER_SCOPE)

    assert {"10.0.0.1", "10.0.0.2", "10.0.0.3"} == served(world, "orders")
    assert None is world.metric("guard_decisions_total", verdict="superseded")


async def test_what_a_source_reads_for_the_first_time_is_not_newly_registered() -> None:
    """One process may register in two registries, of which one has just been added to the settings."""
    world = GuardedWorld()
    await world.show({"orders": instances(1, 2)})
    world.now += 90

    await world.show({"users": instances(2, 3)}, OTHER_SCOPE)
    await world.confirm_for(90, OTHER_SCOPE)

    assert 4 == world.count()


async def test_a_scope_that_comes_up_once_all_was_read_is_new() -> None:
    world = GuardedWorld()
    await world.show({"orders": instances(1, 2)})
    await world.take(SourceSynced("nacos", "wait_time"))
    world.now += 90
    await world.show({"carts": instances(1)}, Scope("nacos", "", "public", "CARTS"))
    assert {"10.0.0.1", "10.0.0.2"} == served(world, "orders")

    await world.take(SourceSynced("nacos"))
    await world.show({"users": instances(2, 3)}, OTHER_SCOPE)

    assert {"10.0.0.1"} == served(world, "orders")


async def test_a_scope_that_a_source_reads_since_it_was_started_anew_is_not_new() -> None:
    world = GuardedWorld()
    await world.show({"orders": instances(1, 2)})
    await world.take(SourceSynced("nacos"))
    await world.take(RulesReplaced({}, restarted=frozenset({"nacos"})))
    world.now += 90

    await world.show({"users": instances(2, 3)}, OTHER_SCOPE)

    assert 4 == world.count()


async def test_a_registry_that_has_seen_both_keeps_both_when_it_is_lost_later() -> None:
    world = await in_outage(1, (2, 3))
    world.now += 1
    await world.take(ScopeConfirmed(SCOPE))

    await world.confirm_for(120, OTHER_SCOPE)

    assert 4 == world.count()


async def test_services_of_one_scope_share_an_address_however_stale_it_is() -> None:
    world = GuardedWorld()
    await world.show({"orders": instances(1, 2), "users": instances(3)})
    world.now += 90

    await world.read("users", instances(2, 3))

    assert 4 == world.count()


async def test_what_gave_way_counts_again_once_its_registry_says_so() -> None:
    world = GuardedWorld()
    await world.show({"orders": instances(1, 2)})
    await world.take(SourceSynced("nacos"))
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


async def test_a_host_keeps_its_resource_though_nothing_counts_any_more_of_the_source_that_named_it() -> None:
    """Under the other source's name it would be a second service beside the old one, which nobody would change."""
    world, there = GuardedWorld(), Scope("eureka", "", "", "")
    limited = msgspec.structs.replace(POLICY, max_stale_s=300.0)
    rules = {source: msgspec.structs.replace(sharing(source), guard=limited) for source in ("eureka", "nacos")}
    await world.take(RulesReplaced(rules, restarted=frozenset(rules)))
    await world.show({"orders": instances(1, net=9)}, there)
    await world.show({"orders": instances(1)})
    assert {("eureka/orders.shop", "10.9.0.1"), ("eureka/orders.shop", "10.0.0.1")} == world.endpoints()

    await world.confirm_for(310)

    assert {("eureka/orders.shop", "10.0.0.1")} == world.endpoints()
    await world.show({"orders": instances(1, net=9)}, there)
    assert {("eureka/orders.shop", "10.9.0.1"), ("eureka/orders.shop", "10.0.0.1")} == world.endpoints()


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


wholes = scopes.map(lambda scope: scope._replace(namespace="", group=""))


@given(listed=st.sets(scopes), statements=st.lists(st.tuples(scopes | wholes, st.integers(1, 5))))
def test_a_scope_expires_that_neither_itself_nor_all_its_groups_or_namespaces_were_spoken_of(
    listed: set[Scope], statements: list[tuple[Scope, int]]
) -> None:
    limits = {"nacos": 3.0, "zookeeper": None}
    book = HoldBook(lambda _: None, lambda _: False)
    freshness = Freshness(
        cast("Contributions", Listed(listed)),
        book,
        lambda source: GuardPolicy(max_stale_s=limits[source]),
        GivenUp(),
        0,
    )
    stated: dict[Scope, int] = {}
    for scope, at in sorted(statements, key=lambda each: each[1]):
        freshness.state(scope, at)
        stated[scope] = at

    freshness.expire(6)

    latest = {
        each: max(stated.get(about, 0) for about in (each, each._replace(group=""), Scope(*each[:2], "", "")))
        for each in listed
    }
    silent = {each for each in listed if each.source == "nacos" and latest[each] <= 3}
    assert silent == {each for each in listed if freshness.explain(ServiceKey(each, "orders"), set()) == "expired"}
