"""The mass rule: what is suspicious is held, what is confirmed goes, what comes back is free."""

from collections import Counter

import pytest

from meshregistry.model.claim import Claim
from meshregistry.model.dubbo_key import dubbo_scope
from meshregistry.model.dubbo_policy import DubboPolicy
from meshregistry.model.events import ScopeListing, ServiceReading, SourceSynced
from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy, MergedPorts
from meshregistry.store.operator import Accept
from meshregistry.store.rules import RulesReplaced
from tests.support.guarded_world import OTHER_SCOPE, POLICY, SCOPE, GuardedWorld, fleet, instances, sharing

pytestmark = pytest.mark.anyio


@pytest.fixture
def world() -> GuardedWorld:
    return GuardedWorld()


async def test_a_registry_that_came_back_empty_takes_nothing_away(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))

    await world.show({})
    await world.wait(3600)
    assert 100 == world.count()
    assert 100.0 == world.metric("held_endpoints")


async def test_a_shrink_within_the_ratio_is_believed(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))

    await world.show(fleet(7, 10))
    await world.wait(10)

    assert 70 == world.count()
    assert 0.0 == world.metric("held_endpoints")


async def test_few_endpoints_are_never_held(world: GuardedWorld) -> None:
    await world.show(fleet(3, 3))

    await world.show({})
    await world.wait(10)

    assert 0 == world.count()


async def test_a_held_shrink_is_accepted_once_it_was_confirmed_for_the_hold(
    world: GuardedWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await world.show(fleet(10, 10))
    await world.show(fleet(5, 10))

    await world.confirm_for(599)
    assert 100 == world.count()
    caplog.clear()
    await world.confirm_for(1)
    await world.wait(10)

    assert 50 == world.count()
    assert ["guard.confirmed"] == [message.split()[0] for message in caplog.messages]
    assert 1.0 == world.metric("guard_decisions_total", verdict="confirmed")
    assert 0.0 == world.metric("held_endpoints")


async def test_silence_confirms_nothing(world: GuardedWorld) -> None:
    """A registry that dies after its shrink and says the same an hour later has not said so for an hour."""
    await world.show(fleet(10, 10))
    await world.show({})
    await world.wait(3600)

    await world.confirm_for(30)
    assert 100 == world.count()
    await world.confirm_for(480)
    await world.wait(10)
    assert 0 == world.count()


async def test_another_scope_confirms_nothing(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))
    await world.show({})

    await world.confirm_for(3600, OTHER_SCOPE)

    assert 100 == world.count()


async def test_additions_flow_while_a_shrink_is_held(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))
    await world.show({})

    await world.show({"s0": instances(900), "fresh": instances(901)})

    assert 102 == world.count()
    assert ("nacos/fresh.nacos", "10.0.3.151") in world.endpoints()
    assert 11 == len(world.entries()["nacos/s0.nacos"].endpoints)


async def test_what_comes_back_is_not_held_any_more_and_costs_no_change(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))
    await world.show({})

    assert [] == await world.show(fleet(4, 10))
    assert 60.0 == world.metric("held_endpoints")
    await world.show(fleet(10, 10))
    assert 0.0 == world.metric("held_endpoints")
    assert [] == world.reducer.list_holds()


async def test_a_shrink_in_pieces_is_held_as_if_it_came_at_once(world: GuardedWorld) -> None:
    other = GuardedWorld()
    await world.show(fleet(10, 10))
    await other.show(fleet(10, 10))

    await other.show({})
    for service in range(10):
        await world.read(f"s{service}", ())
        world.now += 5

    assert 100 == world.count()
    assert other.version == world.version
    assert 1 == len(world.reducer.list_holds())


async def test_pieces_that_are_far_apart_are_ordinary_changes(world: GuardedWorld) -> None:
    await world.show(fleet(10, 9))

    for service in range(10):
        await world.read(f"s{service}", ())
        await world.wait(61)

    assert 0 == world.count()


async def test_instances_replaced_by_others_are_no_shrink(world: GuardedWorld) -> None:
    await world.show({"orders": instances(*range(50))})

    await world.show({"orders": instances(*range(100, 150))})

    assert 50 == world.count()
    assert [] == world.reducer.list_holds()


async def test_a_service_that_takes_the_place_of_another_in_one_listing_is_no_shrink(world: GuardedWorld) -> None:
    await world.show({"blue": instances(*range(50))})

    await world.show({"green": instances(*range(100, 150))})
    await world.wait(10)

    assert 50 == world.count()


async def test_a_hold_ends_when_as_many_endpoints_are_registered_as_before(world: GuardedWorld) -> None:
    await world.show({"orders": instances(*range(50))})
    await world.show({"orders": ()})
    await world.show({"orders": instances(*range(100, 130))})
    assert 80 == world.count()

    await world.show({"orders": instances(*range(100, 150))})

    assert 50 == world.count()
    assert 1.0 == world.metric("guard_decisions_total", verdict="recovered")


async def test_losses_of_many_scopes_count_together_for_their_registry(world: GuardedWorld) -> None:
    scopes = [dubbo_scope("", f"com.shop.Service{number}") for number in range(20)]
    for number, scope in enumerate(scopes):
        await world.show({scope.group: instances(*range(number * 5, number * 5 + 5))}, scope)

    for scope in scopes:
        await world.show({}, scope)

    assert 100 == world.count()
    assert ["zookeeper"] == [hold.scope for hold in world.reducer.list_holds()]


async def test_one_interface_of_a_zookeeper_may_be_scaled_down_as_it_likes(world: GuardedWorld) -> None:
    scopes = [dubbo_scope("", f"com.shop.Service{number}") for number in range(5)]
    for number, scope in enumerate(scopes):
        await world.show({scope.group: instances(*range(number * 20, number * 20 + 20))}, scope)

    await world.show({scopes[0].group: instances(0)}, scopes[0])

    assert 81 == world.count()


async def test_a_zookeeper_confirms_all_its_interfaces_in_one_word(world: GuardedWorld) -> None:
    scopes = [dubbo_scope("", f"com.shop.Service{number}") for number in range(4)]
    for number, scope in enumerate(scopes):
        await world.show({scope.group: instances(*range(number * 10, number * 10 + 10))}, scope)
    for scope in scopes:
        await world.show({}, scope)

    await world.confirm_for(600, dubbo_scope("", ""))
    await world.wait(10)

    assert 0 == world.count()


async def test_a_scope_that_is_not_confirmed_stays_when_others_go(world: GuardedWorld) -> None:
    await world.show(fleet(5, 10))
    await world.show(fleet(5, 10, first=5), OTHER_SCOPE)
    await world.take(ScopeListing(SCOPE, frozenset(), {}), ScopeListing(OTHER_SCOPE, frozenset(), {}))

    await world.confirm_for(600)
    await world.wait(10)

    assert 50 == world.count()
    assert [str(OTHER_SCOPE)] == [hold.scope for hold in world.reducer.list_holds()]


async def test_what_is_held_of_a_scope_that_is_taken_out_of_the_settings_goes_in_its_time(world: GuardedWorld) -> None:
    await world.show({"users": instances(500)}, OTHER_SCOPE)
    await world.show(fleet(10, 10))
    await world.show({})

    await world.take(RulesReplaced({}, restarted=frozenset({"nacos"})))
    await world.show({"users": instances(500)}, OTHER_SCOPE)
    await world.take(SourceSynced("nacos"))
    await world.confirm_for(570, OTHER_SCOPE)
    assert 101 == world.count()
    await world.confirm_for(60, OTHER_SCOPE)
    await world.wait(10)

    assert 1 == world.count()


async def test_a_held_endpoint_gives_way_when_its_address_is_registered_by_another_service(
    world: GuardedWorld,
) -> None:
    await world.show(fleet(10, 10))
    await world.show({})

    await world.show({"newcomer": instances(7)}, OTHER_SCOPE)

    assert {("nacos/newcomer.nacos", "10.0.0.7")} == {each for each in world.endpoints() if each[1] == "10.0.0.7"}
    assert 100 == world.count()
    assert 1.0 == world.metric("guard_decisions_total", verdict="superseded")


async def test_the_last_held_endpoint_of_a_service_gives_way_at_once(world: GuardedWorld) -> None:
    await world.show(fleet(10, 1))
    await world.show({})

    await world.show({"newcomer": instances(7)}, OTHER_SCOPE)

    assert {("nacos/newcomer.nacos", "10.0.0.7")} == {each for each in world.endpoints() if each[1] == "10.0.0.7"}
    assert 10 == world.count()
    await world.wait(600)
    assert "nacos/s7.nacos" not in world.entries()


async def test_services_that_share_an_address_do_not_push_each_other_out(world: GuardedWorld) -> None:
    """One process that serves two names comes back with one of them first."""
    shared = instances(*range(20))
    await world.show({"orders": shared, "orders-v2": shared})
    await world.show({})

    await world.read("orders-v2", shared)
    assert 40 == world.count()
    await world.wait(600)

    assert 40 == world.count()


async def test_the_rule_is_off_where_its_ratio_is_nothing() -> None:
    world = GuardedWorld(POLICY.__class__(empty_grace_s=0, delete_after_s=0, port_grace_s=0, mass_ratio=0))
    await world.show(fleet(10, 10))

    await world.show({})

    assert {} == world.entries()


async def test_new_losses_join_a_hold_for_a_minute_and_are_ordinary_later(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))
    await world.show(fleet(5, 10))
    world.now += 30
    await world.read("s0", instances(*range(5)))
    assert 100 == world.count()

    await world.wait(61)
    await world.read("s1", instances(*range(10, 15)))

    assert 95 == world.count()
    assert [55] == [hold.held for hold in world.reducer.list_holds()]


async def test_unchanged_services_stay_untouched_by_a_hold(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))
    await world.show(fleet(5, 10))

    assert [] == await world.take(ServiceReading(ServiceKey(SCOPE, "s0"), fleet(1, 10)["s0"]))


SHOP = ConversionPolicy(source="nacos", ns_host=False, dom_suffix="shop")


async def test_other_names_by_another_conversion_keep_every_old_host(world: GuardedWorld) -> None:
    whole = fleet(10, 10)
    await world.show(whole)

    await world.convert_otherwise("nacos", SHOP)
    await world.show(whole)
    await world.take(SourceSynced("nacos"))
    assert 20 == len(world.entries())
    assert 200 == world.count()
    grown = {**whole, "s0": (*whole["s0"], *instances(999))}
    await world.show(grown)
    assert 201 == world.count()
    await world.restart()
    await world.show(grown)
    await world.take(SourceSynced("nacos"))
    assert 201 == world.count()

    await world.confirm_for(600)
    await world.wait(10)
    assert 101 == world.count()
    await world.wait(600)
    assert {f"nacos/s{number}.shop" for number in range(10)} == world.entries().keys()


async def test_what_leaves_a_registry_beside_a_reload_is_no_part_of_it(world: GuardedWorld) -> None:
    whole = fleet(10, 10)
    await world.show(whole)
    await world.convert_otherwise("nacos", SHOP)
    await world.show(whole)
    await world.take(SourceSynced("nacos"))

    await world.show({**whole, "s0": (*whole["s0"][1:], *instances(998, 999))})

    assert [(100, "s0.nacos.svc.cluster.local")] == [
        (hold.held, sorted(hold.hosts)[0]) for hold in world.reducer.list_holds()
    ]
    assert 201 == world.count()


async def test_a_few_other_names_are_no_loss_of_much(world: GuardedWorld) -> None:
    await world.show(fleet(3, 3))

    await world.convert_otherwise("nacos", SHOP)
    await world.show(fleet(3, 3))
    await world.wait(610)

    assert {f"nacos/s{number}.shop" for number in range(3)} == world.entries().keys()


async def test_a_scope_that_a_reload_takes_away_is_held_like_any_other_loss(world: GuardedWorld) -> None:
    await world.show({"users": instances(500)}, OTHER_SCOPE)
    await world.show(fleet(10, 10))

    await world.take(RulesReplaced({}, restarted=frozenset({"nacos"})))
    await world.show({"users": instances(500)}, OTHER_SCOPE)
    await world.take(SourceSynced("nacos"))
    await world.wait(60)

    assert 101 == world.count()
    assert [(str(SCOPE), 100)] == [(hold.scope, hold.held) for hold in world.reducer.list_holds()]


async def test_what_left_shortly_before_its_source_was_switched_off_goes_with_the_rest_of_it(
    world: GuardedWorld,
) -> None:
    await world.show({"carts": instances(*range(500, 508))}, OTHER_SCOPE)
    await world.show(fleet(10, 10))
    await world.show({}, OTHER_SCOPE)

    await world.take(RulesReplaced({}, retired=frozenset({"nacos"})))
    assert 108 == world.count()
    for _ in range(130):
        await world.wait(5)

    assert (0, []) == (world.count(), world.reducer.list_holds())


@pytest.mark.parametrize(("lost", "held"), [(9, 0.0), (10, 10.0)])
async def test_so_many_as_the_least_that_is_held_are_held(lost: int, held: float, world: GuardedWorld) -> None:
    services = fleet(lost, 1)
    await world.show(services)

    await world.show({})

    assert held == world.metric("held_endpoints")


@pytest.mark.parametrize(("lost", "held"), [(30, 0.0), (31, 31.0)])
async def test_more_than_the_ratio_is_held(lost: int, held: float, world: GuardedWorld) -> None:
    await world.show({"orders": instances(*range(100))})

    await world.show({"orders": instances(*range(lost, 100))})

    assert held == world.metric("held_endpoints")


async def test_what_is_held_follows_its_host_to_another_resource_and_back() -> None:
    world, there = GuardedWorld(), Scope("eureka", "", "", "")
    sources = ("eureka", "nacos")
    await world.take(RulesReplaced({source: sharing(source) for source in sources}, restarted=frozenset(sources)))
    await world.show(fleet(4, 10))
    await world.show({})
    assert 40 == world.count()

    await world.show({"s0": instances(1, net=9)}, there)
    assert {"10.9.0.1", *(f"10.0.0.{number}" for number in range(10))} == {
        address for name, address in world.endpoints() if name == "eureka/s0.shop"
    }
    assert 41 == world.count()
    assert ["eureka/s0.shop"] == [name for name in world.entries() if name.endswith("/s0.shop")]

    await world.show({}, there)
    await world.wait(11)
    assert 40 == len([name for name, _ in world.endpoints() if name.startswith("nacos/")])

    await world.show({"s0": instances(1, net=9)}, there)
    await world.take(Accept(world.hold()))
    assert {("eureka/s0.shop", "10.9.0.1")} == {each for each in world.endpoints() if "/s0." in each[0]}


async def shared_world() -> tuple[GuardedWorld, Scope]:
    """Two sources that give their services the same hosts; the scope is that of the one whose names count first."""
    world = GuardedWorld()
    world.rules = {source: sharing(source) for source in ("eureka", "nacos")}
    await world.restart()
    return world, Scope("eureka", "", "", "")


async def test_a_host_of_which_two_sources_are_held_stays_one_resource() -> None:
    world, there = await shared_world()
    await world.show({"orders": instances(*range(20), net=9)}, there)
    await world.show({"orders": instances(*range(20))})
    before = world.endpoints()
    assert (40, {"eureka/orders.shop"}) == (len(before), {name for name, _ in before})

    await world.show({}, there)
    await world.show({})

    assert before == world.endpoints()
    await world.restart()
    await world.take(*map(SourceSynced, world.rules))
    assert before == world.endpoints()
    await world.take(Accept(world.hold()))
    assert {"nacos/orders.shop"} == world.entries().keys()
    assert {("nacos/orders.shop", address) for name, address in before if address.startswith("10.0.")} == (
        world.endpoints()
    )


async def test_the_last_one_who_claims_a_host_leaves_nothing_beside_what_is_held_of_it() -> None:
    world, there = await shared_world()
    await world.show({"orders": instances(1, net=9)}, there)
    await world.show({"orders": instances(*range(20))})
    await world.show({})
    assert {"eureka/orders.shop"} == world.entries().keys()

    await world.show({}, there)

    assert {"nacos/orders.shop"} == world.entries().keys()
    assert 20 == world.count()


@pytest.mark.parametrize("seconds", [0, 11])
@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_host_that_another_source_has_by_now_is_no_second_service_in_its_grace(
    seconds: int, *, is_restarted: bool
) -> None:
    """An emptied one would be served for `delete_after` beside the one that has endpoints."""
    world, there = await shared_world()
    await world.show({"orders": instances(1)})
    await world.show({})
    await world.wait(seconds)
    assert {"nacos/orders.shop"} == world.entries().keys()
    if is_restarted:
        await world.restart()

    await world.show({"orders": instances(1, net=9)}, there)

    assert {"eureka/orders.shop"} == world.entries().keys()
    assert {("eureka/orders.shop", "10.9.0.1")} == world.endpoints()


async def test_providers_that_were_replaced_during_a_restart_were_not_displaced_by_the_settings() -> None:
    """As many are there as before, so nothing is held; dead endpoints would be served for `mass_hold`."""
    world = GuardedWorld(conversion=ConversionPolicy(source="zookeeper", dubbo=DubboPolicy()))
    scope, name = dubbo_scope("", "com.acme.Orders"), "com.acme.Orders"
    await world.read(name, instances(*range(20)), scope)
    await world.restart()

    await world.read(name, instances(*range(20, 40)), scope)

    assert 0.0 == world.metric("held_endpoints")
    assert {("dubbo/com.acme.orders.dubbo", f"10.0.0.{number}") for number in range(20, 40)} == world.endpoints()


async def test_services_that_share_a_host_cost_no_look_at_all_of_them_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that merges ports is claimed by every service of its source."""
    looks = Counter[int]()
    for count in (100, 200):
        world = GuardedWorld(conversion=ConversionPolicy(source="nacos", merged_ports=MergedPorts("mse.svc", "mse")))

        def look(claim: Claim, count: int = count) -> str:
            looks[count] += 1
            return f"{claim.namespace}/{claim.name}"

        monkeypatch.setattr(Claim, "resource_name", property(look))
        await world.show(fleet(count, 2))
        await world.show({})
        await world.show(fleet(count, 2))
        assert (2 * count, 0.0) == (world.count(), world.metric("held_endpoints"))

    assert 2.0 == pytest.approx(looks[200] / looks[100], rel=0.1)
