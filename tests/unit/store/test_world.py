"""A world that another process left: what is served goes on, and what has changed since goes through the guard."""

from pathlib import Path

import msgspec
import pytest

from meshregistry.model.events import ScopeConfirmed, ScopeListing, ServiceReading, SidecarChanges, SourceSynced
from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.model.service_entry import Kind
from meshregistry.model.sidecar import SidecarPolicy, build_sidecar
from meshregistry.store.guard import GuardPolicy
from meshregistry.store.operator import Freeze, ServeAnyway, Thaw
from meshregistry.store.rules import RulesReplaced, SourceRules
from meshregistry.store.saved import SavedError, Terms, decode_world
from meshregistry.store.snapshot import Change
from meshregistry.store.world import World, shift_time
from tests.support.saved_worlds import GUARD, POLICY, SCOPE, SYNCED, Process, fingerprints, instance, listing, terms_of

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


async def test_sidecars_of_two_sources_outlive_a_restart_until_their_own_source_tells_of_them() -> None:
    written, generated = (
        {f"dubbo/{each}.dubbo.generated": build_sidecar(each, ("x.dubbo",), SidecarPolicy())} for each in ("a", "b")
    )
    before = Process("files", "zookeeper", makes_sidecars=True)
    await before.take(SidecarChanges("files", written, is_complete=True))
    await before.take(SidecarChanges("zookeeper", generated, is_complete=True))
    served = before.store.current.collection(Kind.SIDECAR).resources
    after = Process("files", "zookeeper", makes_sidecars=True)
    await after.restore(before.save())

    await after.take(SidecarChanges("files", written, is_complete=True))
    assert served == after.store.current.collection(Kind.SIDECAR).resources
    assert {*written, *generated} == served.keys()

    await after.take(SidecarChanges("zookeeper", {}, is_complete=True))
    assert {name: served[name] for name in written} == after.store.current.collection(Kind.SIDECAR).resources


async def test_a_world_that_is_kept_back_is_served_with_what_its_source_has_read_since() -> None:
    before = await saved_process()
    after = Process()
    world = decode_world(before.save(), terms_of("nacos"))
    await after.reducer.restore(world, after.wall, served=())
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
    await after.reducer.restore(world, after.wall, served=())

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


def thirty(*, first: int = 1) -> ScopeListing:
    """Services from a number to 30, of one endpoint each."""
    return listing(**{f"service-{n}": [instance(n)] for n in range(first, 31)})


async def test_a_source_that_is_switched_off_by_a_restart_is_held_like_any_mass_shrink() -> None:
    before = Process()
    await before.take(thirty(), SYNCED)
    after = Process("eureka")

    await after.restore(before.save())
    await after.take(SourceSynced("eureka"))
    await after.pass_time(60)
    assert before.wire() == after.wire()
    assert [(str(SCOPE), "mass", 30)] == [(hold.scope, hold.cause, hold.held) for hold in after.reducer.list_holds()]
    for _ in range(120):
        await after.pass_time(5)
    await after.pass_time(10)

    assert {0} == {len(after.addresses(name)) for name in before.wire()}
    assert [] == after.reducer.list_holds()


async def test_what_is_switched_off_goes_under_the_guard_that_its_settings_give_it() -> None:
    before = await saved_process()
    guard = msgspec.structs.replace(GUARD, empty_grace_s=100.0)
    after = Process("eureka", retired={"nacos": SourceRules(POLICY, guard)})
    await after.restore(before.save())

    await after.take(SourceSynced("eureka"))
    await after.pass_time(99)
    assert before.wire() == after.wire()
    await after.pass_time(1)

    assert [] == after.addresses(USERS)


async def test_what_was_held_of_a_source_that_is_switched_off_meanwhile_goes_in_its_time() -> None:
    before = Process()
    await before.take(thirty(), SYNCED)
    await before.take(thirty(first=21))
    after = Process("eureka")

    await after.restore(before.save())
    await after.take(SourceSynced("eureka"))
    assert before.wire() == after.wire()
    for _ in range(130):
        await after.pass_time(5)

    assert {0} == {len(after.addresses(name)) for name in before.wire()}


async def test_a_source_that_this_release_does_not_know_is_withdrawn_too() -> None:
    """The file of a newer release that was taken back."""
    before = Process("consul")
    await before.take(ScopeListing(Scope("consul", "", "", ""), frozenset({"a"}), {"a": (instance(1),)}))
    await before.take(SourceSynced("consul"))
    after = Process()

    await after.restore(before.save())
    await after.take(SYNCED)
    await after.pass_time(610)

    assert [1, 0] == [len(before.wire()), len(after.wire())]


EUREKA = Scope("eureka", "", "", "")


@pytest.mark.parametrize("way", [SourceSynced("eureka", "wait_time"), ServeAnyway()])
async def test_what_is_served_without_a_source_is_half_a_world_to_the_next_process(
    way: SourceSynced | ServeAnyway,
) -> None:
    before = Process("nacos", "eureka")
    await before.take(listing(orders=[instance(1)]), SYNCED, ServiceReading(ServiceKey(EUREKA, "pay"), (instance(8),)))
    await before.take(way)
    assert before.complete
    world = decode_world(before.save(), terms_of("nacos", "eureka"))
    assert [fingerprints("nacos"), fingerprints("eureka")] == [world.fingerprints, world.partial]

    after = Process("nacos", "eureka")
    await after.restore(before.save())

    assert [False, ("eureka",)] == [after.complete, after.reducer.pending_sources]
    assert ("eureka", "nacos") == after.reducer.staleness.sources
    await after.take(listing(EUREKA, cart=[instance(7)]), SourceSynced("eureka"))
    assert after.complete
    assert fingerprints("nacos", "eureka") == after.export().fingerprints
    await after.pass_time(10)
    names = ("nacos/orders.nacos", "nacos/cart.nacos", "nacos/pay.nacos")
    assert [1, 1, 0] == [len(after.addresses(name)) for name in names]


async def test_what_another_process_knew_stays_known_though_nothing_was_read_since() -> None:
    before = await saved_process()
    second = Process("nacos", "eureka")
    await second.restore(before.save())
    await second.take(ServeAnyway())

    assert fingerprints("nacos") == second.export().fingerprints
    assert {} == second.export().partial


async def test_a_part_that_other_settings_made_is_not_taken_for_one_of_these_settings() -> None:
    before = Process("nacos", "eureka")
    await before.take(SYNCED, ServiceReading(ServiceKey(EUREKA, "pay"), (instance(8),)), ServeAnyway())

    with pytest.raises(SavedError, match="converted by other settings or by another release: eureka"):
        decode_world(before.save(), Terms({}, {**fingerprints("nacos"), "eureka": "others"}))


async def test_a_source_that_is_switched_on_while_it_runs_is_not_known_before_it_is_read() -> None:
    process = await saved_process()
    rules = {source: SourceRules(POLICY, GUARD) for source in ("nacos", "eureka")}
    await process.take(RulesReplaced(rules, restarted=frozenset({"eureka"})))
    process.sources = ("nacos", "eureka")

    assert fingerprints("nacos") == process.export().fingerprints
    await process.take(SourceSynced("eureka"))
    assert fingerprints("nacos", "eureka") == process.export().fingerprints


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


EXPIRED = "meshregistry_guard_decisions_total"
AGEING = msgspec.structs.replace(GUARD, max_stale_s=300.0)
OTHER_GUARD = msgspec.structs.replace(GUARD, mass_min=1000)
DATA = Path(__file__).parent / "data"


async def in_outage(seconds: float) -> Process:
    """A process that has not heard of orders (1, 2) for so long, while users has newly got 2."""
    process = Process()
    await process.take(listing(OTHER_SCOPE, users=[instance(3)]), listing(orders=[instance(1), instance(2)]), SYNCED)
    await process.pass_time(1, listing(OTHER_SCOPE, users=[instance(2), instance(3)]))
    await process.pass_time(seconds - 1, ScopeConfirmed(OTHER_SCOPE))
    return process


async def restarted(before: Process, seconds: float = 5.0, guard: GuardPolicy = GUARD) -> Process:
    """A process that goes on where another was so many seconds ago."""
    after = Process(now=7.0, wall=before.wall + seconds, guard=guard)
    await after.restore(before.save())
    return after


async def test_a_stale_endpoint_gives_way_to_a_claim_of_before_the_restart() -> None:
    after = await restarted(await in_outage(60))

    await after.take(listing(OTHER_SCOPE, users=[instance(2), instance(3)]))
    assert ["10.0.0.1", "10.0.0.2"] == after.addresses(ORDERS)
    await after.pass_time(30, ScopeConfirmed(OTHER_SCOPE))

    assert ["10.0.0.1"] == after.addresses(ORDERS)
    assert ["10.0.0.2", "10.0.0.3"] == after.addresses(USERS)


async def test_what_gave_way_stays_away_over_a_restart_until_its_registry_speaks() -> None:
    before = await in_outage(90)
    assert ["10.0.0.1"] == before.addresses(ORDERS)
    await before.pass_time(1000, ScopeConfirmed(OTHER_SCOPE))
    after = await restarted(before)

    everything_anew = RulesReplaced({"nacos": SourceRules(POLICY, OTHER_GUARD)})
    await after.take(listing(OTHER_SCOPE, users=[instance(2), instance(3)]), everything_anew)
    assert ["10.0.0.1"] == after.addresses(ORDERS)
    await after.take(listing(orders=[instance(1), instance(2)]))

    assert ["10.0.0.1", "10.0.0.2"] == after.addresses(ORDERS)


async def test_a_scope_that_was_stale_before_a_restart_is_so_at_once() -> None:
    before = Process()
    await before.take(listing(OTHER_SCOPE, users=[instance(3)]), listing(orders=[instance(1), instance(2)]), SYNCED)
    await before.pass_time(100, ScopeConfirmed(OTHER_SCOPE))
    after = await restarted(before)

    await after.take(listing(OTHER_SCOPE, users=[instance(2), instance(3)]))

    assert ["10.0.0.1"] == after.addresses(ORDERS)


async def test_a_freeze_goes_on_stopping_time_after_a_restart() -> None:
    before = Process()
    await before.take(listing(orders=[instance(1)], users=[instance(3)]), SYNCED)
    await before.take(listing(orders=[instance(1)]))
    await before.pass_time(100)
    await before.pass_time(100, Freeze(SCOPE))
    after = await restarted(before, 86_400)

    await after.take()
    await after.pass_time(600)
    assert [] == after.addresses(USERS)
    await after.take(Thaw(SCOPE))

    assert {ORDERS} == after.wire().keys()


async def test_the_scopes_of_an_older_file_are_as_old_as_the_file() -> None:
    """It was made 200 s after its start."""
    world = decode_world((DATA / "two_services_format1.meshregistry").read_bytes(), terms_of("nacos"))
    after = Process(wall=world.as_of + 295, guard=AGEING)
    await after.reducer.restore(world, after.wall)

    await after.pass_time(4)
    assert ["10.0.0.3"] == after.addresses(USERS)
    await after.pass_time(1)
    await after.pass_time(10)

    assert [] == after.addresses(USERS)


async def test_a_restart_does_not_make_a_silent_scope_younger() -> None:
    before = Process(guard=AGEING)
    await before.take(listing(users=[instance(3)]), SYNCED)
    await before.pass_time(290)
    after = await restarted(before, 9.0, AGEING)

    await after.take()
    await after.pass_time(0.9)
    assert None is after.metrics.registry.get_sample_value(EXPIRED, {"verdict": "expired"})
    await after.pass_time(1)
    assert 1.0 == after.metrics.registry.get_sample_value(EXPIRED, {"verdict": "expired"})
    await after.pass_time(10)

    assert [] == after.addresses(USERS)


async def test_ages_that_count_are_saved_though_nothing_else_changes() -> None:
    process, ageless = Process(guard=AGEING), Process()
    for each in (process, ageless):
        await each.take(listing(users=[instance(3)]), SYNCED)
        known = each.reducer.revision
        for _ in range(29):
            await each.pass_time(1, ScopeConfirmed(SCOPE))
        assert known == each.reducer.revision
        await each.pass_time(1, ScopeConfirmed(SCOPE))

    assert [known + 1, known] == [process.reducer.revision, ageless.reducer.revision]


async def test_what_a_restarted_source_has_not_read_yet_is_saved_as_made_by_the_settings_before() -> None:
    process = Process()
    await process.take(listing(orders=[instance(1)]), SYNCED)
    former, begins = "by the settings before", frozenset({"nacos"})
    anew = RulesReplaced({}, restarted=begins, fingerprints={"nacos": former})
    again = RulesReplaced({}, restarted=begins, fingerprints={"nacos": "in between"})

    await process.take(anew)
    await process.take(again)
    assert {"nacos": former} == process.export().fingerprints
    with pytest.raises(SavedError, match="other settings"):
        decode_world(process.save(), terms_of("nacos"))
    await process.take(listing(orders=[instance(1)]), SourceSynced("nacos", "wait_time"))
    assert {"nacos": former} == process.export().fingerprints
    await process.take(SYNCED)

    assert fingerprints("nacos") == process.export().fingerprints


async def held_then_restarted() -> Process:
    """A process whose first scope is held as a whole, and that its source does not have any more since a restart."""
    before = Process()
    await before.take(listing(OTHER_SCOPE, users=[instance(100)]), thirty(), SYNCED)
    await before.take(listing())
    assert 1 == len(before.reducer.list_holds())
    after = await restarted(before)
    await after.take(listing(OTHER_SCOPE, users=[instance(100)]), SYNCED)
    return after


async def test_what_is_held_of_a_scope_that_is_not_configured_any_more_goes_in_its_time() -> None:
    after = await held_then_restarted()

    for _ in range(19):
        await after.pass_time(30, ScopeConfirmed(OTHER_SCOPE))
    assert 31 == len(after.wire())
    assert 30 == after.reducer.list_holds()[0].held
    for _ in range(3):
        await after.pass_time(30, ScopeConfirmed(OTHER_SCOPE))

    assert [] == after.reducer.list_holds()
    assert [1, 0] == [len(after.addresses(USERS)), len(after.addresses("nacos/service-7.nacos"))]


async def test_a_registry_that_is_away_does_not_confirm_that_a_scope_is_not_there_any_more() -> None:
    """It may be the registry that has lost the scope, and somebody has stopped it to bring it back."""
    after = await held_then_restarted()

    for _ in range(100):
        await after.pass_time(30)

    assert 30 == after.reducer.list_holds()[0].held


async def test_a_registry_that_is_not_configured_any_more_is_confirmed_by_the_others_of_its_source() -> None:
    before, gone = Process(), Scope("nacos", "second", "public", "DEFAULT_GROUP")
    services = {f"service-{n}": (instance(n),) for n in range(1, 31)}
    await before.take(listing(users=[instance(100)]), ScopeListing(gone, frozenset(services), services), SYNCED)
    after = await restarted(before)

    await after.take(listing(users=[instance(100)]), SYNCED)
    assert 30 == after.reducer.list_holds()[0].held
    for _ in range(25):
        await after.pass_time(30, ScopeConfirmed(SCOPE))

    assert [] == after.reducer.list_holds()


async def test_what_a_sibling_has_just_heard_of_a_registry_is_no_word_of_it_here() -> None:
    """It may be asked for its world with settings that have no longer what it reads."""
    before, gone = Process(), Scope("nacos", "second", "public", "DEFAULT_GROUP")
    services = {f"service-{n}": (instance(n),) for n in range(1, 31)}
    await before.take(listing(users=[instance(100)]), ScopeListing(gone, frozenset(services), services), SYNCED)
    after = Process(wall=before.wall)
    after.now += 2
    await after.restore(before.save())

    await after.take(listing(users=[instance(100)]), SYNCED)
    assert 30 == after.reducer.list_holds()[0].held
    for _ in range(25):
        await after.pass_time(30, ScopeConfirmed(SCOPE))

    assert [] == after.reducer.list_holds()


async def test_what_is_held_of_a_source_that_is_on_again_and_reads_less_goes_in_its_time() -> None:
    """It was off for a restart, and what it had was held; its settings lack a scope when it is switched on again."""
    before = Process()
    await before.take(listing(OTHER_SCOPE, users=[instance(100)]), thirty(), SYNCED)
    off = Process("files", retired={"nacos": SourceRules(POLICY, GUARD)})
    await off.restore(before.save())
    await off.take(SourceSynced("files"))
    assert [30, 1] == [hold.held for hold in off.reducer.list_holds()]
    after = Process()
    await after.restore(off.save())
    assert ("nacos",) == after.reducer.staleness.sources

    await after.take(listing(OTHER_SCOPE, users=[instance(100)]), SYNCED)
    assert [30] == [hold.held for hold in after.reducer.list_holds()]
    for _ in range(25):
        await after.pass_time(30, ScopeConfirmed(OTHER_SCOPE))

    assert [] == after.reducer.list_holds()
    assert ["10.0.0.100"] == after.addresses(USERS)
