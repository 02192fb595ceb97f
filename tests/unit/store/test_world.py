"""A world that another process left: what is served goes on, and what has changed since goes through the guard."""

import pytest

from meshregistry.model.events import ScopeListing, SourceSynced
from meshregistry.model.instance import Scope
from meshregistry.model.service_entry import Kind
from meshregistry.store.saved import decode_world
from meshregistry.store.snapshot import Change
from meshregistry.store.world import World, shift_time
from tests.support.saved_worlds import SCOPE, SYNCED, Process, instance, listing, terms_of

pytestmark = pytest.mark.anyio

ORDERS = "nacos/orders.nacos"
USERS = "nacos/users.nacos"
OTHER_SCOPE = Scope("nacos", "", "public", "BATCH")


async def saved_process() -> Process:
    process = Process()
    await process.take(listing(orders=[instance(1), instance(2, 9090)], users=[instance(3)]), SYNCED)
    return process


async def test_the_same_bytes_are_served_at_once_and_marked_as_stale() -> None:
    before = await saved_process()
    after = Process(now=5.0, wall=before.wall + 60)

    await after.restore(before.save())

    assert before.wire() == after.wire()
    assert before.store.current.collections.keys() == after.store.current.collections.keys()
    assert after.store.current.complete
    assert () == after.reducer.pending_sources
    assert ("nacos",) == after.reducer.staleness.sources
    assert before.wall == after.reducer.staleness.as_of
    assert 1.0 == after.metrics.registry.get_sample_value("meshregistry_snapshot_stale", {"source": "nacos"})
    assert [] == await after.take()


async def test_a_world_that_is_kept_back_is_served_with_what_its_source_has_read_since() -> None:
    before = await saved_process()
    after = Process()
    world = decode_world(before.save(), terms_of("nacos"))
    await after.reducer.restore(world, after.wall, is_served=False)
    assert ("nacos",) == after.reducer.pending_sources

    await after.take(listing(orders=[instance(1), instance(2, 9090), instance(9)], users=[instance(3)]))
    assert ("nacos",) == after.reducer.pending_sources
    await after.take(SYNCED)

    assert after.complete
    assert ["10.0.0.1", "10.0.0.2", "10.0.0.9"] == after.addresses(ORDERS)
    assert () == after.reducer.staleness.sources


async def test_a_world_that_is_kept_back_is_served_as_it_is_when_nobody_waits_any_longer() -> None:
    before = await saved_process()
    after = Process()
    world = decode_world(before.save(), terms_of("nacos"))
    await after.reducer.restore(world, after.wall, is_served=False)

    assert [] == await after.take(SourceSynced("nacos", "restored"))

    assert after.complete
    assert before.wire() == after.wire()
    assert ("nacos",) == after.reducer.staleness.sources


async def test_the_registries_confirm_and_nothing_moves() -> None:
    before = await saved_process()
    after = Process()
    await after.restore(before.save())

    changes = await after.take(listing(orders=[instance(1), instance(2, 9090)], users=[instance(3)]), SYNCED)

    assert [] == changes
    assert () == after.reducer.staleness.sources
    assert 0.0 == after.reducer.staleness.as_of
    assert 0.0 == after.metrics.registry.get_sample_value("meshregistry_snapshot_stale", {"source": "nacos"})


async def test_a_service_that_went_meanwhile_goes_through_the_guard() -> None:
    before = await saved_process()
    after = Process()
    await after.restore(before.save())

    assert [] == await after.take(listing(orders=[instance(1), instance(2, 9090)]), SYNCED)
    assert ["10.0.0.3"] == after.addresses(USERS)
    after.now += 10
    (change,) = await after.take()
    assert {USERS} == change.changed
    assert [] == after.addresses(USERS)


async def test_a_changed_service_is_one_change() -> None:
    before = await saved_process()
    after = Process()
    await after.restore(before.save())

    (change,) = await after.take(listing(orders=[instance(1), instance(2, 9090)], users=[instance(4)]), SYNCED)

    assert Change(Kind.SERVICE_ENTRY, frozenset({USERS}), frozenset()) == change
    assert ["10.0.0.4"] == after.addresses(USERS)


async def test_a_scope_that_is_not_configured_any_more_goes_through_the_guard() -> None:
    before = Process()
    await before.take(listing(orders=[instance(1)]), listing(OTHER_SCOPE, users=[instance(3)]), SYNCED)
    after = Process()
    await after.restore(before.save())

    assert [] == await after.take(listing(orders=[instance(1)]), SYNCED)
    assert ["10.0.0.3"] == after.addresses(USERS)
    after.now += 10
    await after.take()
    assert [] == after.addresses(USERS)
    assert ["10.0.0.1"] == after.addresses(ORDERS)


async def test_a_scope_that_has_only_not_been_read_yet_stays() -> None:
    before = Process()
    await before.take(listing(orders=[instance(1)]), listing(OTHER_SCOPE, users=[instance(3)]), SYNCED)
    after = Process()
    await after.restore(before.save())

    await after.take(listing(orders=[instance(1)]), SourceSynced("nacos", "wait_time"))
    after.now += 3600
    assert [] == await after.take()
    assert ["10.0.0.3"] == after.addresses(USERS)
    assert ("nacos",) == after.reducer.staleness.sources


async def test_a_service_that_is_listed_but_could_not_be_read_stays() -> None:
    before = await saved_process()
    after = Process()
    await after.restore(before.save())

    names = frozenset({"orders", "users"})
    changed = {"orders": (instance(1), instance(2, 9090))}
    await after.take(ScopeListing(SCOPE, names, changed, frozenset({"users"})), SYNCED)
    after.now += 3600

    await after.take()
    assert ["10.0.0.3"] == after.addresses(USERS)


async def test_the_services_of_a_source_that_is_switched_off_go_through_the_guard() -> None:
    before = await saved_process()
    after = Process("eureka")

    await after.restore(before.save())

    assert not after.store.current.complete
    await after.take(SourceSynced("eureka"))
    assert before.wire() == after.wire()
    after.now += 10
    await after.take()
    assert [] == after.addresses(USERS)
    after.now += 600
    await after.take()
    assert {} == after.wire()


async def test_a_source_that_is_new_is_waited_for() -> None:
    before = await saved_process()
    after = Process("nacos", "eureka")

    await after.restore(before.save())

    assert [False, ("eureka",)] == [after.complete, after.reducer.pending_sources]
    await after.take(SourceSynced("eureka"))
    assert [True, ()] == [after.complete, after.reducer.pending_sources]
    assert ("nacos",) == after.reducer.staleness.sources


async def test_grace_goes_on_where_it_was() -> None:
    before = await saved_process()
    before.now += 100
    await before.take(listing(orders=[instance(1), instance(2, 9090)]))
    before.now += 4
    after = Process(now=7.0, wall=before.wall + 3)
    await after.restore(before.save())

    assert [] == await after.take()
    after.now += 2.9
    assert [] == await after.take()
    after.now += 0.2
    (change,) = await after.take()
    assert {USERS} == change.changed
    assert [] == after.addresses(USERS)


@pytest.mark.parametrize(("passed", "left"), [(-86_400.0, 6.0), (0.0, 6.0), (5.0, 1.0), (86_400.0, 0.0)])
async def test_a_clock_that_steps_never_makes_a_wait_negative_or_longer_than_its_rule(
    passed: float, left: float
) -> None:
    before = await saved_process()
    await before.take(listing(orders=[instance(1), instance(2, 9090)]))
    before.now += 4
    after = Process(now=0.0, wall=before.wall + passed)
    await after.restore(before.save())

    if left:
        await after.take()
        after.now += left - 0.1
        assert [] == await after.take()
        after.now += 0.2
    (change,) = await after.take()
    assert {USERS} == change.changed | change.removed


async def test_a_time_of_the_future_is_now() -> None:
    world = World(0.0, 100.0, 50.0, {}, {}, {}, {}, {})

    assert 7.0 == shift_time(60.0, world, 7.0, 100.0)


async def test_a_world_that_was_never_confirmed_keeps_its_age() -> None:
    before = await saved_process()
    second = Process(wall=before.wall + 1000)
    await second.restore(before.save())
    third = Process(wall=before.wall + 2000)

    await third.restore(second.save())

    assert before.wall == third.reducer.staleness.as_of
    assert before.wire() == third.wire()


async def test_a_port_kept_by_grace_goes_when_its_time_has_come() -> None:
    before = await saved_process()
    await before.take(listing(orders=[instance(1)], users=[instance(3)]))
    before.now += 100
    after = Process(now=3.0, wall=before.wall)
    await after.restore(before.save())

    assert before.wire() == after.wire()
    assert [] == await after.take()
    after.now += 199
    assert [] == await after.take()
    after.now += 2
    (change,) = await after.take()
    assert {ORDERS} == change.changed


async def test_virtual_addresses_are_known_again() -> None:
    before = Process()
    await before.take(listing(orders=[instance(1, protocol="dubbo")], users=[instance(3)]), SYNCED)
    after = Process()
    await after.restore(before.save())

    await after.take(listing(orders=[instance(1, protocol="dubbo"), instance(2)], users=[instance(3)]), SYNCED)

    fresh = Process()
    await fresh.take(listing(orders=[instance(1, protocol="dubbo"), instance(2)], users=[instance(3)]), SYNCED)
    assert fresh.wire() == after.wire()


async def test_a_held_shrink_is_held_on() -> None:
    before = Process()
    services = {f"service-{n}": [instance(n)] for n in range(1, 31)}
    await before.take(listing(**services), SYNCED)
    few = {f"service-{n}": [instance(n)] for n in range(1, 11)}
    assert [] == await before.take(listing(**few))
    before.now += 60
    (report,) = before.reducer.list_holds()
    after = Process(now=5.0, wall=before.wall)

    await after.restore(before.save())

    assert [report] == after.reducer.list_holds()
    assert before.wire() == after.wire()
    assert [] == await after.take(listing(**few), SYNCED)
    after.now += 60
    assert [] == await after.take()
    assert before.wire() == after.wire()


async def test_what_a_held_service_lost_comes_back_after_a_restart() -> None:
    before = Process()
    services = {f"service-{n}": [instance(n)] for n in range(1, 31)}
    await before.take(listing(**services), SYNCED)
    await before.take(listing(**{f"service-{n}": [instance(n)] for n in range(1, 11)}))
    after = Process()
    await after.restore(before.save())

    assert [] == await after.take(listing(**services), SYNCED)

    assert before.wire() == after.wire()
    assert [] == after.reducer.list_holds()


async def test_an_outage_of_the_process_is_no_way_around_the_mass_rule() -> None:
    before = Process()
    await before.take(listing(**{f"service-{n}": [instance(n)] for n in range(1, 31)}), SYNCED)
    after = Process()
    await after.restore(before.save())

    assert [] == await after.take(listing(**{f"service-{n}": [instance(n)] for n in range(1, 11)}), SYNCED)
    after.now += 3600

    assert [] == await after.take()
    assert before.wire() == after.wire()
    assert 1 == len(after.reducer.list_holds())
