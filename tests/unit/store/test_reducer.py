"""The reducer: from source updates to commits, with a clock in the test's hand."""

import logging
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from meshregistry.model.events import ScopeListing, ServiceReading, SourceSynced
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy, MergedPorts, Profile
from meshregistry.model.service_entry import Kind, ServiceEntry
from meshregistry.store.guard import EMPTIED_LABEL, GuardPolicy
from meshregistry.store.inbox import Inbox
from meshregistry.store.operator import StoreUpdate
from meshregistry.store.reducer import Reducer
from meshregistry.store.rules import SourceRules
from meshregistry.store.snapshot import Change
from meshregistry.store.store import SnapshotStore
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import ResourceEncoder

pytestmark = pytest.mark.anyio

SCOPE = Scope("nacos", "", "public", "DEFAULT_GROUP")
OTHER_SCOPE = Scope("nacos", "", "public", "BATCH")
ORDERS = "nacos/orders.nacos"
USERS = "nacos/users.nacos"


def instance(last: int, port: int = 8080, **metadata: str) -> Instance:
    return Instance(f"10.0.0.{last}", port, "DEFAULT", metadata=tuple(sorted(metadata.items())))


def listing(
    scope: Scope = SCOPE, unread: tuple[str, ...] = (), **services: tuple[Instance, ...] | None
) -> ScopeListing:
    """A listing of the named services; None means listed and unchanged."""
    names = frozenset({*services, *unread})
    changed = {name: instances for name, instances in services.items() if instances is not None}
    return ScopeListing(scope, names, changed, frozenset(unread))


class World:
    """A reducer on a store, with a clock and a record of all changes."""

    def __init__(self, profile: Profile = Profile.ISTIO, **options: Any) -> None:
        self.now = 1000.0
        self.metrics = Metrics()
        self.store = SnapshotStore({Kind.SERVICE_ENTRY})
        self.changes: list[Change] = []
        self.store.listen(self.changes.append)
        policy = ConversionPolicy(profile=profile, **options)
        rules = {"nacos": SourceRules(policy, GuardPolicy(10, 600, 300))}
        encoder = ResourceEncoder(datetime(2100, 1, 1, tzinfo=UTC))
        self.reducer = Reducer(self.store, encoder, rules, self.metrics, lambda: self.now)

    async def take(self, *updates: StoreUpdate) -> list[Change]:
        """Reduce one batch and return the changes it caused."""
        self.changes.clear()
        await self.reducer.reduce(updates)
        return list(self.changes)

    def entries(self) -> dict[str, ServiceEntry]:
        resources = self.store.current.collection(Kind.SERVICE_ENTRY).resources
        return {name: resource.entry for name, resource in resources.items()}

    def addresses(self, name: str) -> list[str]:
        return [endpoint.address for endpoint in self.entries()[name].endpoints]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"meshregistry_{name}", labels)


@pytest.fixture
def world() -> World:
    return World()


def changed(*names: str, removed: tuple[str, ...] = ()) -> Change:
    return Change(Kind.SERVICE_ENTRY, frozenset(names), frozenset(removed))


async def test_a_listing_creates_its_services_in_one_commit(world: World) -> None:
    changes = await world.take(listing(orders=(instance(1), instance(2)), users=(instance(3),)))

    assert [changed(ORDERS, USERS)] == changes
    assert ["10.0.0.1", "10.0.0.2"] == world.addresses(ORDERS)
    assert {ORDERS, USERS} == set(world.entries())


async def test_the_same_content_again_changes_nothing(world: World) -> None:
    await world.take(listing(orders=(instance(1), instance(2))))

    assert [] == await world.take(listing(orders=(instance(2), instance(1))))


async def test_one_changed_service_is_one_change(world: World) -> None:
    await world.take(listing(orders=(instance(1),), users=(instance(3),)))
    before = world.store.current

    changes = await world.take(listing(orders=(instance(1), instance(2)), users=None))

    assert [changed(ORDERS)] == changes
    kept = world.store.current.collection(Kind.SERVICE_ENTRY).resources[USERS]
    assert before.collection(Kind.SERVICE_ENTRY).resources[USERS] is kept


async def test_a_vanished_service_keeps_its_endpoints_for_the_grace_then_empties_then_goes(world: World) -> None:
    await world.take(listing(orders=(instance(1),), users=(instance(3),)))

    assert [] == await world.take(listing(users=None))
    world.now += 9.9
    assert [] == await world.take()
    world.now += 0.1
    assert [changed(ORDERS)] == await world.take()
    assert [] == world.addresses(ORDERS)
    assert EMPTIED_LABEL in world.entries()[ORDERS].labels
    world.now += 600
    assert [changed(removed=(ORDERS,))] == await world.take()
    assert {USERS} == set(world.entries())


async def test_a_service_that_could_not_be_read_keeps_its_endpoints(world: World) -> None:
    await world.take(listing(orders=(instance(1),), users=(instance(3),)))

    assert [] == await world.take(listing(unread=("orders",), users=None))
    world.now += 10_000
    assert [] == await world.take()
    assert ["10.0.0.1"] == world.addresses(ORDERS)


async def test_outage_of_one_group_keeps_its_endpoints_while_another_is_read(world: World) -> None:
    await world.take(listing(orders=(instance(1),)), listing(OTHER_SCOPE, reports=(instance(9),)))

    await world.take(listing())
    world.now += 10_000
    await world.take()

    assert {"nacos/reports.nacos"} == set(world.entries())


async def test_a_reading_changes_only_its_service(world: World) -> None:
    await world.take(listing(orders=(instance(1),), users=(instance(3),)))

    changes = await world.take(ServiceReading(ServiceKey(SCOPE, "orders"), (instance(4),)))

    assert [changed(ORDERS)] == changes
    assert ["10.0.0.4"] == world.addresses(ORDERS)
    assert ["10.0.0.3"] == world.addresses(USERS)


async def test_two_services_of_one_host_are_merged_and_reported(world: World) -> None:
    await world.take(listing(orders=(instance(1),)), listing(OTHER_SCOPE, Orders=(instance(2),)))

    assert ["10.0.0.1", "10.0.0.2"] == world.addresses(ORDERS)
    assert ["host_shared"] == [reject.reason for reject in world.reducer.rejects()]
    assert world.metric("rejects", reason="host_shared") == 1.0


async def test_a_host_that_another_service_still_fills_has_no_grace(world: World) -> None:
    await world.take(listing(orders=(instance(1),)), listing(OTHER_SCOPE, orders=(instance(2),)))

    assert [changed(ORDERS)] == await world.take(listing())
    assert ["10.0.0.2"] == world.addresses(ORDERS)


async def test_rejects_go_with_the_service_that_caused_them(world: World) -> None:
    await world.take(listing(orders=(instance(1), instance(2, port=70000))))
    assert ["port_range"] == [reject.reason for reject in world.reducer.rejects()]

    await world.take(listing())

    assert [] == world.reducer.rejects()
    assert world.metric("rejects", reason="port_range") == 0.0


async def test_a_service_of_only_bad_instances_costs_nothing_else(world: World) -> None:
    await world.take(listing(bad=(instance(1, port=0),), users=(instance(3),)))

    assert {USERS} == set(world.entries())
    assert ["port_range"] == [reject.reason for reject in world.reducer.rejects()]
    await world.take(listing(users=None))
    assert [] == world.reducer.rejects()


async def test_the_snapshot_is_complete_only_after_every_source_was_read(world: World) -> None:
    await world.take(listing(orders=(instance(1),)))
    assert (False, ("nacos",)) == (world.store.current.complete, world.reducer.pending_sources)

    await world.take(SourceSynced("nacos"))

    assert (True, ()) == (world.store.current.complete, world.reducer.pending_sources)


async def test_completion_follows_the_updates_of_its_batch(world: World) -> None:
    changes = await world.take(SourceSynced("nacos"), listing(orders=(instance(1),)))

    assert [changed(ORDERS), changed()] == changes


async def test_versions_do_not_depend_on_the_order_of_arrival(world: World) -> None:
    other = World()
    await world.take(listing(orders=(instance(1),)), listing(OTHER_SCOPE, orders=(instance(2),)))
    await other.take(listing(OTHER_SCOPE, orders=(instance(2),)))
    await other.take(listing(orders=(instance(7),)))
    await other.take(listing(orders=(instance(1),)))

    assert world.store.current.collection(Kind.SERVICE_ENTRY).version == (
        other.store.current.collection(Kind.SERVICE_ENTRY).version
    )


async def test_a_service_that_comes_and_goes_within_one_batch_is_never_seen(world: World) -> None:
    assert [] == await world.take(listing(orders=(instance(1),)), listing())
    assert {} == world.entries()


async def test_metrics_count_what_is_served(world: World) -> None:
    await world.take(listing(orders=(instance(1), instance(2)), users=(instance(3),)))
    await world.take(listing(orders=(instance(1),), users=None))

    assert world.metric("endpoints") == 2.0
    assert world.metric("service_entry_total", source="nacos") == 2.0
    assert world.metric("service_entry_update", source="nacos") == 1.0
    assert world.metric("resources", kind="ServiceEntry") == 2.0


async def test_run_waits_for_updates_and_for_the_guard(world: World) -> None:
    """The loop takes what is published; a full inbox makes the source wait."""
    inbox = Inbox(world.metrics, limit=1)
    completed = anyio.Event()
    world.store.listen(lambda change: completed.set() if change == changed() else None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.reducer.run, inbox)
        with anyio.fail_after(5):
            await inbox.publish(listing(orders=(instance(1),)))
            await inbox.publish(listing(orders=(instance(2),)))
            await inbox.publish(SourceSynced("nacos"))
            await completed.wait()
        tasks.cancel_scope.cancel()

    assert ["10.0.0.2"] == world.addresses(ORDERS)


async def test_a_name_with_a_line_break_is_logged_on_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World(Profile.SLIME)
    await world.take(ScopeListing(SCOPE, frozenset({"a\nb"}), {"a\nb": (instance(1),)}, frozenset()))
    await world.take(listing())

    assert [r"guard.changed resource=nacos/a\nb.nacos rule=empty_grace before=none"] == caplog.messages


async def test_a_burst_becomes_few_commits_and_its_first_change_is_served_at_once(world: World) -> None:
    inbox = Inbox(world.metrics)
    ends = anyio.Event()
    world.store.listen(lambda change: ends.set() if world.addresses(ORDERS) == ["10.0.0.100"] else None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.reducer.run, inbox)
        with anyio.fail_after(5):
            for last in range(1, 101):
                await inbox.publish(ServiceReading(ServiceKey(SCOPE, "orders"), (instance(last),)))
                await anyio.lowlevel.checkpoint()
            await ends.wait()
        tasks.cancel_scope.cancel()

    assert 2 <= len(world.changes) < 50


async def test_the_entry_of_merged_ports_has_all_ports_and_moves_with_ports_alone() -> None:
    world = World(merged_ports=MergedPorts("all", "all.example", service_ports=True))
    await world.take(listing(orders=(instance(1),), users=(instance(2),)))

    assert {ORDERS, USERS, "nacos/all"} == set(world.entries())
    assert world.entries()["nacos/all"].ports == world.entries()[ORDERS].ports
    assert () == world.entries()["nacos/all"].endpoints

    assert [changed(ORDERS)] == await world.take(listing(orders=(instance(1), instance(3)), users=None))
    more = (instance(1), Instance("10.0.0.4", 7070))
    assert [changed(ORDERS, "nacos/all")] == await world.take(listing(orders=more, users=None))
    assert 7070 in {port.number for port in world.entries()["nacos/all"].ports}


async def test_no_two_hosts_have_one_virtual_address_and_one_that_is_free_again_goes_back() -> None:
    world = World(svc_protocol="tcp", vip_range="10.0.0.4/30")
    await world.take(listing(users=(instance(2),)))
    alone = world.entries()[USERS].addresses

    for number in range(40):
        other = f"a{number}"
        await world.take(ServiceReading(ServiceKey(SCOPE, other), (instance(3),)))
        if world.entries()[USERS].addresses != alone:
            break
        await world.take(ServiceReading(ServiceKey(SCOPE, other), ()))
    assert world.entries()[f"nacos/{other}.nacos"].addresses == alone
    assert (USERS, "address_collision") in {(each.resource, each.reason) for each in world.reducer.rejects()}

    await world.take(listing(users=None))
    world.now += 10_000
    await world.take()
    world.now += 10_000
    await world.take()
    assert {USERS} == set(world.entries())
    assert alone == world.entries()[USERS].addresses
    assert [] == world.reducer.rejects()
