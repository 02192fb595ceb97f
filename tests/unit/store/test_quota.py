"""How much of a source is taken: what is beyond its limits waits, and costs the others nothing."""

import logging
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.instance import Instance, Scope
from meshregistry.model.policy import ConversionPolicy
from meshregistry.store.rules import RulesReplaced, SourceLimits, SourceRules
from tests.support.guarded_world import OTHER_SCOPE, POLICY, GuardedWorld, fleet, instances

pytestmark = pytest.mark.anyio

ZOOKEEPER = Scope("zookeeper", "", "", "")


def limited(services: int = 0, instances: int = 0) -> GuardedWorld:
    return GuardedWorld(limits=SourceLimits(services, instances))


def waiting(world: GuardedWorld) -> tuple[float | None, float | None]:
    """The services and the instances that wait, by the metric."""
    what = ("services", "instances")
    found = [world.metric("refused_by_limits", source="nacos", what=each) for each in what]
    return found[0], found[1]


def names(world: GuardedWorld) -> list[str]:
    return sorted(name.partition("/")[2].removesuffix(".nacos") for name in world.entries())


def reasons(world: GuardedWorld) -> dict[str, str]:
    return {each.subject: each.reason for each in world.reducer.rejects()}


async def test_a_flood_of_registrations_takes_nobodys_place() -> None:
    world = limited(services=20)
    served = fleet(10, 4)
    await world.show(served)
    before = world.endpoints()

    await world.show({**served, **fleet(1000, 1, first=5000)})

    assert before <= world.endpoints()
    assert 20 == len(world.entries())
    assert (990, 990) == waiting(world)
    assert {"services_limit"} == set(reasons(world).values())
    assert 990 == len(reasons(world))
    await world.read("s3", instances(3001, 3002))
    assert {("nacos/s3.nacos", each.address) for each in instances(3001, 3002)} <= world.endpoints()
    await world.confirm_for(3600)
    assert {name for name, _ in before} <= set(world.entries())
    await world.show({"orders": instances(1, net=9)}, ZOOKEEPER)
    assert "nacos/orders.nacos" in world.entries(), "another source has limits of its own"


async def test_what_waits_is_taken_when_there_is_room_though_nobody_tells_of_it_again() -> None:
    world = limited(services=2)
    await world.show({"a": instances(1), "b": instances(2)})
    await world.show({"a": instances(1), "b": instances(2), "c": instances(3), "d": instances(4)})
    assert (["a", "b"], (2, 2)) == (names(world), waiting(world))

    await world.read("a", ())

    assert ["a", "b", "c"] == names(world), "the guard keeps what has left"
    assert (1, 1) == waiting(world)
    assert {"nacos/public/DEFAULT_GROUP/d": "services_limit"} == reasons(world)
    await world.read("d", ())
    assert (0, 0) == waiting(world)
    assert {} == reasons(world)


async def test_a_service_may_change_its_instances_at_the_limit() -> None:
    world = limited(instances=5)
    await world.show({"a": instances(1, 2, 3), "b": instances(11, 12)})

    await world.read("a", instances(4, 5, 6))
    assert {"10.0.0.4", "10.0.0.5", "10.0.0.6"} <= {address for _, address in world.endpoints()}
    assert (None, None) == waiting(world)
    relabelled = tuple(msgspec.structs.replace(each, metadata=(("v", "2"),)) for each in instances(4, 5, 6))
    await world.read("a", relabelled)
    labels = {dict(each.labels).get("v") for each in world.entries()["nacos/a.nacos"].endpoints}
    assert {"2"} == labels


async def test_what_a_service_has_stays_and_what_is_new_waits() -> None:
    world = limited(instances=4)
    await world.show({"a": instances(8, 9), "b": instances(11, 12)})

    await world.read("a", instances(1, 2, 8, 9))

    assert {"10.0.0.8", "10.0.0.9"} == {address for name, address in world.endpoints() if "a.nacos" in name}
    assert ((1, 2), {"nacos/public/DEFAULT_GROUP/a": "instances_limit"}) == (waiting(world), reasons(world))
    await world.read("b", instances(11))
    assert {"10.0.0.1", "10.0.0.8", "10.0.0.9"} == {a for name, a in world.endpoints() if "a.nacos" in name}
    assert (1, 1) == waiting(world)


async def test_many_ports_of_one_address_are_as_many_instances() -> None:
    world = limited(instances=10)
    await world.show({"a": instances(1)})

    await world.read("a", tuple(Instance("10.0.0.1", port) for port in range(8080, 9080)))

    assert (1, 990) == waiting(world)
    assert 10 == len(world.entries()["nacos/a.nacos"].endpoints)


async def test_what_comes_back_in_time_has_its_place_still() -> None:
    world = limited(services=10)
    await world.show(fleet(10, 10))
    await world.show({})
    await world.show(fleet(10, 1, first=500))
    assert 20 == len(world.entries())

    await world.show({**fleet(10, 1, first=500), **fleet(10, 10)})

    assert {address for found in fleet(10, 10).values() for address in (each.address for each in found)} <= {
        address for _, address in world.endpoints()
    }
    assert (0, 0) == waiting(world) or (None, None) == waiting(world)


async def test_which_services_are_taken_does_not_depend_on_the_order_of_a_listing() -> None:
    found = fleet(30, 2)
    first, second = limited(services=7, instances=9), limited(services=7, instances=9)

    await first.show(found)
    await second.show(dict(reversed(found.items())))

    assert first.endpoints() == second.endpoints()
    assert first.version == second.version
    assert 9 == first.count()


async def test_limits_that_are_lowered_take_nothing_away_and_raised_ones_let_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    world = limited()
    await world.show(fleet(5, 2))

    def rules(limits: SourceLimits) -> RulesReplaced:
        return RulesReplaced({"nacos": SourceRules(ConversionPolicy(source="nacos"), POLICY, limits=limits)})

    await world.take(rules(SourceLimits(2, 2)))
    await world.show(fleet(8, 2))
    assert ((5, 10), (3, 6)) == ((len(world.entries()), world.count()), waiting(world))
    await world.take(rules(SourceLimits(7, 0)))
    assert (7, (1, 2)) == (len(world.entries()), waiting(world))
    await world.take(rules(SourceLimits()))

    assert (8, (0, 0)) == (len(world.entries()), waiting(world))
    told = [message for message in caplog.messages if message.startswith("limit.")]
    assert ["limit.reached source=nacos services=3 instances=6", "limit.left source=nacos"] == told


async def test_what_another_process_has_taken_stays_and_is_read_again_at_the_limit() -> None:
    before = limited()
    await before.show(fleet(5, 2))
    after = limited(services=2, instances=2)
    await after.reducer.restore(before.reducer.export({"nacos": "", "zookeeper": ""}, 1000.0), 1000.0)

    await after.show({"intruder": instances(1, net=7), **fleet(5, 2)})

    assert before.endpoints() == after.endpoints()
    assert (1, 1) == waiting(after)


async def test_a_source_that_is_switched_off_leaves_nothing_that_waits() -> None:
    world = limited(services=1)
    await world.show({"a": instances(1), "b": instances(2)})
    await world.show({"off": (Instance("10.0.0.9", 1, enabled=False),)}, OTHER_SCOPE)
    assert (2, 2) == waiting(world)

    await world.take(RulesReplaced({}, retired=frozenset({"nacos"})))

    assert ((0, 0), {}) == (waiting(world), reasons(world))


def places_of(told: Mapping[str, frozenset[int]]) -> set[tuple[str, str]]:
    """What would be served of readings by `_reading` without limits."""
    return {
        (f"nacos/{name}.nacos", each.address)
        for name, found in told.items()
        for each in instances(*found, net="abcde".index(name))
    }


_reading = st.tuples(st.sampled_from("abcde"), st.frozensets(st.integers(1, 9), max_size=6))


@given(st.lists(_reading, max_size=25), st.integers(0, 3), st.integers(0, 8))
async def test_whatever_is_told_nothing_served_is_lost_and_the_limits_hold(
    readings: list[tuple[str, frozenset[int]]], services: int, most: int
) -> None:
    world = limited(services, most)
    told: dict[str, frozenset[int]] = {}
    for number, (name, found) in enumerate(readings):
        served = world.endpoints()
        told[name] = found
        await world.read(name, instances(*sorted(found), net="abcde".index(name)))
        lost = served - world.endpoints()
        assert not lost & places_of(told)
        await world.wait(700.0 if number % 3 else 0.0)
        await world.wait(1.0)
    await world.confirm_for(2000.0)
    registered, taken = places_of(told), world.endpoints()
    assert taken <= registered
    # What came back in time may be beyond the limits.
    is_full = bool((services and len(world.entries()) >= services) or (most and len(taken) >= most))
    assert is_full or taken == registered
