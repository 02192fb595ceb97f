"""One world of two: whole where either of them is, and served as if one process had known it all."""

import msgspec
import pytest

from meshregistry.inheritance import Inheritance, unite
from meshregistry.model.events import ScopeConfirmed, SourceSynced
from meshregistry.model.instance import Scope
from meshregistry.store.hearsay import Hearsay
from meshregistry.store.operator import Freeze, ServeAnyway, Thaw
from meshregistry.store.patchwork import patch
from meshregistry.store.saved import decode_world
from meshregistry.store.world import World
from tests.support.saved_worlds import SCOPE, SYNCED, Process, instance, listing, terms_of

pytestmark = pytest.mark.anyio

EUREKA = Scope("eureka", "", "", "")
BOTH = ("eureka", "nacos")
READ = (SYNCED, SourceSynced("eureka"))
ORDERS, PAY, SHARED = "nacos/orders.nacos", "nacos/pay.nacos", "nacos/shared.nacos"


def process(wall: float) -> Process:
    return Process(*BOTH, wall=wall)


def world_of(process: Process) -> World:
    """The world of a process as another reads it."""
    return decode_world(process.save(), terms_of(*BOTH))


async def saved() -> Process:
    """Has read both, some time ago."""
    before = process(1000.0)
    await before.take(
        listing(orders=[instance(1)], shared=[instance(3)], gone=[instance(9)]),
        listing(EUREKA, pay=[instance(2)], shared=[instance(4)]),
        *READ,
    )
    return before


async def sibling() -> Process:
    """Serves what Nacos has now; Eureka it has never read."""
    running = process(2000.0)
    await running.take(listing(orders=[instance(1), instance(5)], shared=[instance(3)]), SYNCED, ServeAnyway())
    return running


async def started(found: Inheritance | None, wall: float = 2010.0) -> Process:
    """A process that has restored what was found."""
    assert found is not None
    after = process(wall)
    await after.reducer.restore(found.world, wall, served=found.fresh, seams=found.seams)
    return after


async def test_what_a_sibling_lacks_comes_from_the_own_file_and_is_waited_for() -> None:
    own, other = world_of(await saved()), world_of(await sibling())

    found = unite(own, [other], BOTH, ())
    after = await started(found)

    assert found is not None
    assert [{SHARED}, {"nacos"}] == [found.seams, found.fresh]
    assert {ORDERS: ["10.0.0.1", "10.0.0.5"], PAY: ["10.0.0.2"], SHARED: ["10.0.0.3", "10.0.0.4"]} == {
        name: after.addresses(name) for name in after.wire()
    }
    assert [False, ("eureka",)] == [after.complete, after.reducer.pending_sources]
    assert 1000.0 == after.reducer.staleness.as_of
    await after.take(SourceSynced("eureka", "restored"))
    assert after.complete


async def test_it_is_what_one_process_would_serve_that_knows_both() -> None:
    after = await started(unite(world_of(await saved()), [world_of(await sibling())], BOTH, ()))
    one = process(2010.0)
    await one.take(
        listing(orders=[instance(1), instance(5)], shared=[instance(3)]),
        listing(EUREKA, pay=[instance(2)], shared=[instance(4)]),
        *READ,
    )

    assert one.wire() == after.wire()
    assert one.export().claims == after.export().claims
    assert one.export().fingerprints == after.export().fingerprints


async def test_an_older_sibling_gives_what_the_own_file_lacks_and_that_is_served_at_once() -> None:
    own, other = await sibling(), await saved()

    found = unite(world_of(own), [world_of(other)], BOTH, ())

    assert found is not None
    assert {"eureka"} == found.fresh
    assert [1, 2] == [len((await started(found)).addresses(name)) for name in (PAY, SHARED)]


async def test_worlds_that_know_the_same_are_not_mixed() -> None:
    own, other = world_of(await saved()), world_of(await saved())
    newer = msgspec.structs.replace(other, as_of=1500.0)

    assert Inheritance(newer, frozenset(), frozenset(BOTH)) == unite(own, [newer], BOTH, ())
    assert Inheritance(own, frozenset(), frozenset()) == unite(own, [], BOTH, ())
    assert Inheritance(own, frozenset(), frozenset()) == unite(own, [other], BOTH, ())
    assert unite(None, [], BOTH, ()) is None


async def test_a_source_that_is_not_enabled_is_not_looked_for() -> None:
    own, other = world_of(await saved()), world_of(await sibling())

    found = unite(own, [other], ("nacos",), ())

    assert found is not None
    assert other is found.world


async def test_single_services_that_the_sibling_has_heard_of_count_more_than_the_file() -> None:
    other = await sibling()
    await other.take(listing(EUREKA, pay=[instance(7)]))

    after = await started(unite(world_of(await saved()), [world_of(other)], BOTH, ()))

    assert ["10.0.0.7"] == after.addresses(PAY)


async def test_a_resource_that_was_made_of_what_is_not_taken_is_built_anew() -> None:
    """In the file the host is Eureka's and has an endpoint of Nacos, which Nacos has taken away since."""
    before, running = process(1000.0), process(2000.0)
    await before.take(listing(shared=[instance(3)]), listing(EUREKA, shared=[instance(4)]), *READ)
    await running.take(listing(orders=[instance(1)]), SYNCED, ServeAnyway())

    found = unite(world_of(before), [world_of(running)], BOTH, ())
    after = await started(found)

    assert found is not None
    assert {SHARED} == found.seams
    assert ["10.0.0.4"] == after.addresses(SHARED)


async def test_holds_timers_and_words_of_registries_come_with_their_source_on_one_clock() -> None:
    before = await saved()
    services = {f"service-{n}": [instance(n)] for n in range(1, 31)}
    await before.take(listing(EUREKA, pay=[instance(2)], shared=[instance(4)], **services))
    await before.take(listing(EUREKA, pay=[instance(2)], shared=[instance(4)]))
    await before.take(listing(EUREKA, shared=[instance(4)]))
    await before.pass_time(60, ScopeConfirmed(EUREKA))
    running = await sibling()
    running.now = 50.0
    await running.take(Freeze(SCOPE), Freeze(Scope("", "", "", "")))
    await before.take(Freeze(Scope("", "", "", "")), Freeze(EUREKA))

    after = await started(unite(world_of(before), [world_of(running)], BOTH, ()))

    holds = {(hold.scope, hold.cause): (hold.held, hold.confirmed_s) for hold in after.reducer.list_holds()}
    assert {
        ("eureka", "mass"): (31, 60.0),
        ("eureka", "freeze"): (0, 0.0),
        ("nacos/public/DEFAULT_GROUP", "freeze"): (0, 0.0),
        ("everything", "freeze"): (0, 0.0),
    } == holds
    assert 4 == len({hold.id for hold in after.reducer.list_holds()})
    assert {EUREKA, SCOPE, Scope("", "", "", "")} == set(after.reducer.frozen)
    stated = after.export().hearsay.statements
    assert [950.0, 10.0] == [after.now - stated[EUREKA], after.now - stated[SCOPE]]


async def test_a_freeze_that_both_know_is_one() -> None:
    before, running = await saved(), await sibling()
    await before.take(Freeze(EUREKA))
    await running.take(Freeze(EUREKA))

    after = await started(unite(world_of(before), [world_of(running)], BOTH, ()))

    assert [("eureka", "freeze", 0)] == [(each.scope, each.cause, each.held) for each in after.reducer.list_holds()]
    await after.take(Thaw(EUREKA))
    assert [] == after.reducer.list_holds()


async def test_what_is_in_doubt_comes_with_its_source() -> None:
    own, other = world_of(await saved()), world_of(await sibling())
    own = msgspec.structs.replace(own, hearsay=Hearsay(doubted=frozenset({EUREKA, SCOPE})))

    assert {EUREKA} == patch(other, own, {"eureka"}).world.hearsay.doubted


async def test_sidecars_are_added_only_with_a_source_that_makes_some() -> None:
    own, other = world_of(await saved()), world_of(await sibling())
    resource = own.resources[PAY]
    own = msgspec.structs.replace(own, sidecars={"a": resource, "b": resource})
    other = msgspec.structs.replace(other, sidecars={"b": own.resources[ORDERS]})

    assert {"b": own.resources[ORDERS]} == patch(other, own, {"eureka"}, {"zookeeper"}).world.sidecars
    both = {"a": resource, "b": own.resources[ORDERS]}
    assert both == patch(other, own, {"eureka"}, {"eureka", "files"}).world.sidecars
