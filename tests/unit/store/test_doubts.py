"""What the first word of a registry that was away lacks: held for a while, however little it is, and nothing else."""

import pytest

from meshregistry.model.events import RegistryAway, ScopeConfirmed, ScopeListing, ServiceReading, SourceSynced
from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy
from meshregistry.store.guard import GuardPolicy
from meshregistry.store.operator import Accept, Freeze, Reject
from meshregistry.store.rules import RulesReplaced
from tests.support.guarded_world import OTHER_SCOPE, POLICY, SCOPE, GuardedWorld, fleet, instances

pytestmark = pytest.mark.anyio

NACOS = Scope("nacos", "", "", "")
DOUBT_S = POLICY.doubt_hold_s
EVERYTHING = fleet(10, 10)
FORGETFUL = {**EVERYTHING, "s3": instances(*range(31, 40)), "s4": ()}
"""Eleven of a hundred endpoints are missing: less than the mass rule holds."""

TAKEN = ("10.0.0.48", "10.0.0.49")
"""What `s4` lacks when somebody else has the second of it."""


@pytest.fixture
def world() -> GuardedWorld:
    return GuardedWorld()


async def go_dark(world: GuardedWorld, *scopes: Scope) -> None:
    """Another process starts from what was saved, and cannot read its registries."""
    await world.show(EVERYTHING)
    await world.restart(5)
    await world.take(*map(RegistryAway, scopes or (SCOPE,)))


def causes(world: GuardedWorld) -> list[tuple[str, str, int]]:
    return [(hold.cause, hold.scope, hold.held) for hold in world.reducer.list_holds()]


async def test_what_a_registry_forgot_that_was_away_at_the_start_stays(world: GuardedWorld) -> None:
    await go_dark(world)

    assert [] == await world.show(FORGETFUL)

    assert [("doubt", "nacos/public/DEFAULT_GROUP", 11)] == causes(world)
    assert 11.0 == world.metric("held_endpoints")
    assert (1.0, 1.0) == tuple(world.metric("guard_decisions_total", verdict=each) for each in ("away", "doubted"))
    told = [(each.what, each.why, each.endpoints) for each in world.reducer.journal.list_newest("", 2)]
    assert [("away", "guard", 100), ("doubted", "guard", 11)] == told


async def test_a_registry_that_could_be_read_from_the_start_is_believed(world: GuardedWorld) -> None:
    await world.show(EVERYTHING)
    await world.restart(5)

    await world.show(FORGETFUL)
    await world.wait(10)

    assert [] == causes(world)
    assert 89 == world.count()


async def test_another_registry_that_is_away_puts_nothing_in_doubt(world: GuardedWorld) -> None:
    await go_dark(world, OTHER_SCOPE, Scope("zookeeper", "", "", ""))

    await world.show(FORGETFUL)

    assert [] == causes(world)
    assert world.metric("guard_decisions_total", verdict="away") is None


async def test_who_registers_again_is_not_held_any_more_and_costs_no_change(world: GuardedWorld) -> None:
    await go_dark(world)
    await world.show(FORGETFUL)

    assert [] == await world.read("s4", instances(*range(40, 50)))
    assert [("doubt", "nacos/public/DEFAULT_GROUP", 1)] == causes(world)
    assert [] == await world.show(EVERYTHING)
    assert [] == causes(world)


async def test_what_does_not_come_back_goes_once_the_registry_has_said_so_for_the_time_of_a_doubt(
    world: GuardedWorld,
) -> None:
    await go_dark(world)
    await world.show(FORGETFUL)

    await world.confirm_for(DOUBT_S - 1)
    assert 100 == world.count()
    await world.confirm_for(1)
    await world.wait(10)

    assert 89 == world.count()
    assert [] == causes(world)


async def test_silence_ends_no_doubt(world: GuardedWorld) -> None:
    """A registry that answers once and dies has not had the time to fill when it answers again."""
    await go_dark(world)
    await world.show(FORGETFUL)

    await world.wait(3600)
    await world.take(ScopeConfirmed(SCOPE))

    assert 100 == world.count()


async def test_what_is_registered_and_leaves_later_is_not_delayed(world: GuardedWorld) -> None:
    await go_dark(world)
    await world.show(FORGETFUL)

    await world.show({**FORGETFUL, "s5": instances(*range(50, 55))})

    assert [("doubt", "nacos/public/DEFAULT_GROUP", 11)] == causes(world)
    assert 5 == len(world.entries()["nacos/s5.nacos"].endpoints)


async def test_what_was_never_known_is_not_held(world: GuardedWorld) -> None:
    await world.take(RegistryAway(SCOPE))
    await world.show(EVERYTHING)

    await world.show(FORGETFUL)

    assert [] == causes(world)
    assert world.metric("guard_decisions_total", verdict="away") is None


async def test_a_service_that_could_not_be_read_stays_in_doubt_until_it_is(world: GuardedWorld) -> None:
    await go_dark(world)
    names = frozenset(EVERYTHING)
    await world.take(ScopeListing(SCOPE, names, {name: EVERYTHING[name] for name in names - {"s4"}}, frozenset({"s4"})))
    await world.confirm_for(3600)

    await world.read("s4", ())

    assert [("doubt", "nacos/public/DEFAULT_GROUP", 10)] == causes(world)


async def test_a_group_that_a_registry_forgot_as_a_whole_is_in_doubt(world: GuardedWorld) -> None:
    await world.show({"carts": instances(900)}, OTHER_SCOPE)
    await go_dark(world, NACOS)

    await world.take(ScopeListing(SCOPE, frozenset(EVERYTHING), EVERYTHING), SourceSynced("nacos"))

    assert [("doubt", "nacos/public/BATCH", 1)] == causes(world)
    assert ("nacos/carts.nacos", "10.0.3.150") in world.endpoints()


async def test_a_large_loss_is_held_by_the_mass_rule_for_its_longer_time(world: GuardedWorld) -> None:
    await go_dark(world)

    await world.show(fleet(5, 10))
    await world.confirm_for(599)

    assert [("mass", "nacos/public/DEFAULT_GROUP", 50)] == causes(world)
    assert 100 == world.count()


async def test_a_loss_that_grows_beyond_the_ratio_within_a_minute_is_held_as_one(world: GuardedWorld) -> None:
    await go_dark(world)
    await world.read("s4", ())

    for name in ("s5", "s6", "s7"):
        await world.read(name, ())

    assert [("mass", "nacos/public/DEFAULT_GROUP", 40)] == causes(world)


async def test_as_many_others_make_good_for_a_large_loss_after_the_time_of_a_doubt(world: GuardedWorld) -> None:
    await go_dark(world)
    await world.show(fleet(5, 10))
    await world.show({**fleet(5, 10), "fresh": instances(*range(500, 550), net=1)})

    assert [("doubt", "nacos/public/DEFAULT_GROUP", 50)] == causes(world)
    await world.confirm_for(DOUBT_S)
    assert [] == causes(world)


async def test_without_the_mass_rule_a_doubt_is_one_all_the_same(world: GuardedWorld) -> None:
    world = GuardedWorld(GuardPolicy(empty_grace_s=0, mass_ratio=0, port_grace_s=0))
    await go_dark(world)

    assert [] == await world.show({})

    assert [("doubt", "nacos/public/DEFAULT_GROUP", 100)] == causes(world)


async def test_a_doubt_of_no_time_is_none() -> None:
    world = GuardedWorld(GuardPolicy(empty_grace_s=0, port_grace_s=0, doubt_hold_s=0))
    await go_dark(world)

    await world.show(FORGETFUL)

    assert 89 == world.count()


async def test_operators_accept_and_reject_a_doubt(world: GuardedWorld) -> None:
    await go_dark(world)
    await world.show(FORGETFUL)
    (hold,) = world.reducer.list_holds()

    await world.take(Reject(hold.id))
    await world.confirm_for(3600)
    assert 100 == world.count()
    await world.take(Accept(hold.id))
    await world.wait(10)
    assert 89 == world.count()


async def test_a_freeze_keeps_what_is_in_doubt_itself(world: GuardedWorld) -> None:
    await go_dark(world)
    await world.take(Freeze(NACOS))

    await world.show(FORGETFUL)

    assert [("freeze", "nacos", 11)] == causes(world)


async def test_a_doubt_outlives_a_restart_in_its_middle(world: GuardedWorld) -> None:
    await go_dark(world)
    await world.show(FORGETFUL)
    await world.confirm_for(30)

    await world.restart(3600)
    assert [("doubt", "nacos/public/DEFAULT_GROUP", 11)] == causes(world)
    await world.show(FORGETFUL)
    await world.confirm_for(29)
    assert 100 == world.count()
    await world.confirm_for(1)
    await world.wait(10)

    assert 89 == world.count()


async def test_a_doubt_of_what_was_not_heard_yet_outlives_a_restart(world: GuardedWorld) -> None:
    """The registry comes back while nobody looks: the next process reads it at once, and still must not believe it."""
    await world.show(EVERYTHING)
    await world.restart(5)
    before = world.reducer.revision
    await world.take(RegistryAway(SCOPE))
    assert world.reducer.revision > before
    await world.restart(5)

    await world.show(FORGETFUL)

    assert [("doubt", "nacos/public/DEFAULT_GROUP", 11)] == causes(world)


async def test_a_place_that_another_service_has_taken_is_not_kept(world: GuardedWorld) -> None:
    await go_dark(world)

    await world.show({**EVERYTHING, "s4": instances(*range(40, 48)), "s5": instances(*range(49, 60))})

    assert [("doubt", "nacos/public/DEFAULT_GROUP", 1)] == causes(world)
    at_48, at_49 = ({name for name, each in world.endpoints() if each == address} for address in TAKEN)
    assert ({"nacos/s4.nacos"}, {"nacos/s5.nacos"}) == (at_48, at_49)


async def test_what_the_configuration_takes_away_is_not_in_doubt(world: GuardedWorld) -> None:
    await world.show({"s4": instances(1, 2)})
    await world.restart(5)
    await world.take(RegistryAway(NACOS))
    rules = {"zookeeper": world.rules["zookeeper"]}

    await world.take(RulesReplaced(rules, retired=frozenset({"nacos"})))
    await world.wait(10)

    assert [] == causes(world)
    assert 0 == world.count()


async def test_what_has_another_name_by_now_is_not_lost(world: GuardedWorld) -> None:
    await world.show({"s4": instances(1, 2)})
    await world.convert_otherwise("nacos", ConversionPolicy(source="nacos", ns_host=False, dom_suffix="shop"))
    await world.take(RegistryAway(SCOPE))

    await world.show({"s4": instances(1)})

    assert [("doubt", "nacos/public/DEFAULT_GROUP", 1)] == causes(world)
    assert {("nacos/s4.shop", "10.0.0.1"), ("nacos/s4.nacos", "10.0.0.2")} == world.endpoints()


async def test_two_words_in_one_batch_count_as_the_second(world: GuardedWorld) -> None:
    await go_dark(world)
    key = ServiceKey(SCOPE, "s4")

    assert [] == await world.take(ServiceReading(key, ()), ServiceReading(key, EVERYTHING["s4"]))

    assert [] == causes(world)
