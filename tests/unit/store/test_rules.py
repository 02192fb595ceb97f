"""Other rules while the reducer runs: what is withdrawn, held and decided anew."""

import msgspec
import pytest

from meshregistry.model.events import EntryListing, ScopeListing, SidecarChanges, SourceSynced
from meshregistry.model.instance import Scope
from meshregistry.model.policy import ConversionPolicy, Territory
from meshregistry.model.rejects import Reject
from meshregistry.model.service_entry import Kind, Resolution, ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.model.sidecar import SidecarPolicy, build_sidecar
from meshregistry.store.guard import GuardPolicy
from meshregistry.store.rules import RulesReplaced, SourceRules
from tests.unit.store.test_reducer import ORDERS, OTHER_SCOPE, SCOPE, USERS, World, instance, listing

pytestmark = pytest.mark.anyio

GUARD = GuardPolicy(10, 600, 300)
NACOS = SourceRules(ConversionPolicy(), GUARD)
FILES = SourceRules(ConversionPolicy(source="files"), GUARD)
FILE_SCOPE = Scope("files", "", "", "")


@pytest.fixture
def world() -> World:
    return World()


async def test_a_restarted_source_loses_only_the_scopes_that_it_does_not_speak_of(world: World) -> None:
    await world.take(listing(orders=(instance(1),)), listing(OTHER_SCOPE, users=(instance(2),)), SourceSynced("nacos"))

    await world.take(SourceSynced("nacos"), RulesReplaced({"nacos": NACOS}, restarted=frozenset({"nacos"})))
    world.now += 60
    assert [] == await world.take(listing(orders=(instance(1),)))
    assert {ORDERS, USERS} == set(world.entries())

    await world.take(SourceSynced("nacos"))
    assert ["10.0.0.2"] == world.addresses(USERS)
    world.now += 11
    await world.take()
    assert [] == world.addresses(USERS)
    assert ["10.0.0.1"] == world.addresses(ORDERS)


async def test_a_source_that_is_enabled_no_longer_is_withdrawn_under_its_guard(world: World) -> None:
    await world.take(listing(orders=(instance(1),)), SourceSynced("nacos"))

    await world.take(RulesReplaced({}, retired=frozenset({"nacos"})))
    assert ["10.0.0.1"] == world.addresses(ORDERS)
    world.now += 11
    await world.take()
    assert [] == world.addresses(ORDERS)
    world.now += 600
    await world.take()
    assert {} == world.entries()


async def test_what_the_configuration_takes_away_is_held_as_a_shrink_and_confirmed_by_it(world: World) -> None:
    guard = msgspec.structs.replace(GUARD, mass_ratio=0.3, mass_min=2, mass_hold_s=60.0)
    rules = SourceRules(ConversionPolicy(), guard)
    await world.take(RulesReplaced({"nacos": rules}))
    await world.take(listing(orders=tuple(instance(last) for last in range(1, 9))), SourceSynced("nacos"))

    await world.take(RulesReplaced({}, retired=frozenset({"nacos"})))
    world.now += 30
    await world.take()
    assert 8 == len(world.addresses(ORDERS))
    for _ in range(20):
        world.now += 5
        await world.take()
    assert [] == world.addresses(ORDERS)


async def test_another_conversion_counts_from_the_next_statement_and_another_guard_at_once(world: World) -> None:
    await world.take(listing(orders=(instance(1),)), SourceSynced("nacos"))
    await world.take(ScopeListing(SCOPE, frozenset(), {}))
    assert ["10.0.0.1"] == world.addresses(ORDERS)

    await world.take(RulesReplaced({"nacos": SourceRules(ConversionPolicy(), GuardPolicy(0, 600, 300))}))
    assert [] == world.addresses(ORDERS)

    rules = SourceRules(ConversionPolicy(svc_port=81), GUARD)
    await world.take(RulesReplaced({"nacos": rules}, restarted=frozenset({"nacos"})))
    await world.take(listing(orders=(instance(1),)))
    assert 81 in {port.number for port in world.entries()[ORDERS].ports}


async def test_before_the_first_complete_world_a_new_source_is_waited_for_and_a_retired_one_is_not(
    world: World,
) -> None:
    await world.take(RulesReplaced({"nacos": NACOS, "files": FILES}, restarted=frozenset({"files"})))
    assert ["files", "nacos"] == [*world.reducer.pending_sources]

    await world.take(RulesReplaced({"files": FILES}, retired=frozenset({"nacos"})))
    assert ["files"] == [*world.reducer.pending_sources]

    await world.take(EntryListing(FILE_SCOPE, {}), SourceSynced("files"))
    assert world.store.current.complete


async def test_sidecars_go_with_the_rule_that_makes_them(world: World) -> None:
    policy = ConversionPolicy(source="zookeeper")
    making, not_making = SourceRules(policy, GUARD, makes_sidecars=True), SourceRules(policy, GUARD)
    name = "dubbo/web.dubbo.generated"

    def served() -> set[str]:
        return set(world.store.current.collection(Kind.SIDECAR).resources)

    await world.take(RulesReplaced({"nacos": NACOS, "zookeeper": making}, restarted=frozenset({"zookeeper"})))
    await world.take(SidecarChanges("zookeeper", {name: build_sidecar("web", ("a.dubbo",), SidecarPolicy())}))
    await world.take(RulesReplaced({"zookeeper": making}, frozenset({"nacos"}), frozenset({"zookeeper"})))
    assert {name} == served()

    await world.take(RulesReplaced({"zookeeper": not_making}, restarted=frozenset({"zookeeper"})))
    assert set() == served()


async def test_sidecars_stay_in_the_territory_of_their_source(world: World) -> None:
    policy = ConversionPolicy(source="zookeeper", territory=Territory(namespaces=("shop",)))
    made = {"dubbo/web.dubbo.generated": build_sidecar("web", ("a.dubbo",), SidecarPolicy())}
    rules = {"zookeeper": SourceRules(policy, GUARD, makes_sidecars=True)}

    await world.take(RulesReplaced(rules, restarted=frozenset({"zookeeper"})), SidecarChanges("zookeeper", made))

    assert {} == world.store.current.collection(Kind.SIDECAR).resources
    assert ["namespace_denied"] == [reject.reason for reject in world.reducer.rejects()]


async def test_written_entries_come_change_and_go_with_their_rejects(world: World) -> None:
    await world.take(RulesReplaced({"nacos": NACOS, "files": FILES}, restarted=frozenset({"files"})))
    entry = ServiceEntry(
        "shop",
        "a",
        ("a.example",),
        (ServicePort(80, "TCP", "tcp"),),
        (WorkloadEntry("10.9.0.1"),),
        Resolution.STATIC,
        addresses=("10.8.0.1",),
        export_to=(".",),
    )
    reject = Reject("file b.yaml", "file_invalid", "b.yaml", "line 1")

    await world.take(EntryListing(FILE_SCOPE, {"shop/a": entry}, (reject,)))
    assert {"shop/a": entry} == world.entries()
    assert [reject] == world.reducer.rejects()

    await world.take(EntryListing(FILE_SCOPE, {}))
    assert ["10.9.0.1"] == world.addresses("shop/a")
    assert [] == world.reducer.rejects()
    world.now += 11
    await world.take()
    assert [] == world.addresses("shop/a")


async def test_a_file_that_was_never_understood_takes_nothing_away(world: World) -> None:
    await world.take(RulesReplaced({"nacos": NACOS, "files": FILES}, restarted=frozenset({"files"})))
    kept, added = (
        ServiceEntry(
            "shop", name, (f"{name}.example",), (ServicePort(80, "TCP", "tcp"),), addresses=(f"10.8.0.{number}",)
        )
        for number, name in enumerate(("kept", "added"))
    )
    await world.take(EntryListing(FILE_SCOPE, {"shop/kept": kept}))

    await world.take(EntryListing(FILE_SCOPE, {"shop/added": added}, is_complete=False))
    world.now += 11
    await world.take()
    assert {"shop/added": added, "shop/kept": kept} == world.entries()

    await world.take(EntryListing(FILE_SCOPE, {"shop/added": added}))
    world.now += 700
    await world.take()
    assert ["shop/added"] == list(world.entries())


async def test_a_host_moves_to_the_resource_that_somebody_wrote_and_back(world: World) -> None:
    await world.take(RulesReplaced({"nacos": NACOS, "files": FILES}, restarted=frozenset({"files"})))
    await world.take(listing(orders=(instance(1),)))
    host = world.entries()[ORDERS].hosts
    entry = ServiceEntry("shop", "mine", host, (ServicePort(8080, "HTTP", "http-8080"),), export_to=(".",))

    await world.take(EntryListing(FILE_SCOPE, {"shop/mine": entry}))
    assert ["shop/mine"] == list(world.entries())
    assert (["10.0.0.1"], (".",)) == (world.addresses("shop/mine"), world.entries()["shop/mine"].export_to)

    await world.take(listing())
    assert ["10.0.0.1"] == world.addresses("shop/mine")
    world.now += 11
    await world.take()
    assert [] == world.addresses("shop/mine")

    await world.take(listing(orders=(instance(2),)), EntryListing(FILE_SCOPE, {}))
    assert [ORDERS] == list(world.entries())
