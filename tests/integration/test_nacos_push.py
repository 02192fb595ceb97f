"""Pushes: what only a scripted server can show. What real servers show too is in test_nacos_source."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from meshregistry.model.events import ScopeListing, ServiceReading
from meshregistry.model.instance import Instance, Scope
from meshregistry.sim.nacos.access import Credentials
from meshregistry.sim.nacos.faults import Fault
from meshregistry.sim.nacos.fuzzy import FuzzyOptions
from meshregistry.sim.nacos.rpc_faults import RpcFault
from meshregistry.sim.nacos.rpc_server import RpcOptions
from meshregistry.sim.nacos.server import SimNacos, SimOptions
from meshregistry.sim.nacos.state import Instance as SimInstance
from meshregistry.sim.nacos.state import Namespace, ServiceKey
from meshregistry.sim.nacos.views import Dialect
from meshregistry.sources.nacos import NacosScope, NacosServerOptions
from meshregistry.sources.nacos.options import WatchOptions
from tests.support.nacos_view import PERIOD_S, View, is_subscribed, reading

pytestmark = [pytest.mark.anyio, pytest.mark.simulator_only]

QUICK = RpcOptions(push_delay_s=0.02)
QUICK_FUZZY = FuzzyOptions(first_sync_s=0.05, finish_s=0.02, change_s=0.02)
WATCH = WatchOptions(list_period_s=0.1, reconnect_pause_s=0.2, first_connect_pause_s=0.2)
RARELY_S = 3600.0
BULK = {Dialect.V2: "/v1/ns/catalog/services", Dialect.V3: "/v3/admin/ns/service/list"}
BOTH = pytest.mark.parametrize("dialect", [Dialect.V2, Dialect.V3])


def _key(name: str = "orders", group: str = "DEFAULT_GROUP", namespace: str = "public") -> ServiceKey:
    return ServiceKey(name, group, namespace)


def _at(last: int, port: int = 80) -> Instance:
    return Instance(f"10.0.0.{last}", port, "DEFAULT")


@asynccontextmanager
async def _simulated(dialect: Dialect = Dialect.V3, **options: object) -> AsyncIterator[SimNacos]:
    fields: dict[str, object] = {"rpc": QUICK, "fuzzy": QUICK_FUZZY, **options}
    async with SimNacos(SimOptions(dialect=dialect, **fields)) as sim:  # type: ignore[arg-type]
        sim.registry.register(_key(), SimInstance("10.0.0.1", 80))
        yield sim


@asynccontextmanager
async def _members(count: int, offset: int) -> AsyncIterator[list[SimNacos]]:
    """Members of a cluster, each with its gRPC port so far above the other."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_simulated(grpc_offset=offset)) for _ in range(count)]


@asynccontextmanager
async def _watched(*sims: SimNacos, resync_s: float = RARELY_S, **server: object) -> AsyncIterator[View]:
    """A source that has subscribed everything and reads everything again only after `resync_s`."""
    fields = {"addresses": tuple(sim.base_url for sim in sims), **server}
    options = NacosServerOptions(**fields)  # type: ignore[arg-type]
    async with reading(options, watch=WATCH, resync_period_s=resync_s, settle_s=0.5) as view:
        await view.until(lambda view: bool(view.synced) and _is_up(view))
        await asyncio.sleep(3 * PERIOD_S)  # the last reading at the rhythm of polling
        yield view


def _push_side(view: View, namespace: str = "public") -> dict[str, object]:
    return next(each for each in view.namespaces if each["namespace"] == namespace)


def _is_up(view: View) -> bool:
    return is_subscribed(_push_side(view))


def _pushed(view: View) -> list[ServiceReading]:
    return [update for update in view.updates if isinstance(update, ServiceReading)]


def _published(view: View) -> set[str]:
    listed = {name for listing in view.listings for name in listing.services}
    return listed | {update.key.name for update in _pushed(view)}


def _latest(view: View, name: str) -> tuple[Instance, ...] | None:
    found = None
    for update in view.updates:
        if isinstance(update, ScopeListing):
            found = update.services.get(name, found)
        elif isinstance(update, ServiceReading) and update.key.name == name:
            found = update.instances
    return found


@BOTH
async def test_the_rung_is_the_best_the_server_offers(dialect: Dialect) -> None:
    async with _simulated(dialect) as sim, _watched(sim) as view:
        best = "fuzzy_watch" if dialect is Dialect.V3 else "service_list"
        assert (best, None) == (_push_side(view)["rung"], _push_side(view)["stepped_down"])


async def test_a_server_without_push_is_polled() -> None:
    async with _simulated(Dialect.V1) as sim:
        options = NacosServerOptions(addresses=(sim.base_url,))
        async with reading(options, watch=WATCH, resync_period_s=RARELY_S) as view:
            await view.until_services({"orders": (_at(1),)})
            sim.registry.register(_key(), SimInstance("10.0.0.2", 80))
            await view.until_services({"orders": (_at(1), _at(2))})

            assert ("http_listing", False) == (_push_side(view)["rung"], _push_side(view)["connected"])


@BOTH
async def test_changes_and_new_services_are_pushed_one_by_one(dialect: Dialect) -> None:
    async with _simulated(dialect) as sim, _watched(sim) as view:
        sim.registry.register(_key(), SimInstance("10.0.0.2", 80))
        await view.until_services({"orders": (_at(1), _at(2))})
        sim.registry.register(_key("users"), SimInstance("10.0.0.3", 80))
        await view.until_services({"orders": (_at(1), _at(2)), "users": (_at(3),)})
        sim.registry.deregister(_key("users"), "10.0.0.3", 80)
        await view.until_services({"orders": (_at(1), _at(2)), "users": ()})

    assert ["orders", "users", "users"] == [update.key.name for update in _pushed(view)][-3:]


@BOTH
async def test_services_of_groups_that_nobody_wants_are_not_subscribed(dialect: Dialect) -> None:
    async with _simulated(dialect) as sim, _watched(sim) as view:
        sim.registry.register(_key("foreign", "G-2"), SimInstance("10.0.0.9", 80))
        sim.registry.register(_key("users"), SimInstance("10.0.0.3", 80))
        await view.until_services({"orders": (_at(1),), "users": (_at(3),)})
        await view.until(_is_up)

        assert (2, 2) == (_push_side(view)["subscriptions"], sim.pushes.count())


async def test_hundreds_of_subscriptions_are_one_connection_and_no_task_each() -> None:
    async with _simulated() as sim, _watched(sim) as view:
        few = len(asyncio.all_tasks())
        for number in range(200):
            sim.registry.register(_key(f"svc-{number}"), SimInstance("10.0.0.2", 80))
        await view.until(lambda view: len(view.services) == 201, timeout_s=60.0)
        await view.until(lambda view: _is_up(view) and _push_side(view)["subscriptions"] == 201, timeout_s=60.0)

        # Workers and calls that are under way come and go.
        await view.until(lambda _: len(asyncio.all_tasks()) < few + 10, timeout_s=60.0)
        assert (1, 1) == (_push_side(view)["connections_total"], len(sim.clients))


async def test_a_push_older_than_what_is_held_is_ignored() -> None:
    async with _simulated() as sim, _watched(sim) as view:
        sim.registry.register(_key(), SimInstance("10.0.0.2", 80))
        await view.until_services({"orders": (_at(1), _at(2))})
        before = list(view.updates)

        sim.pushes.push(_key(), RpcFault(body="empty", stale_ms=60_000))
        await view.until(lambda view: _push_side(view)["stale_pushes_total"] == 1)

    assert before == view.updates


async def test_pushes_of_a_server_whose_clock_was_set_back_count() -> None:
    async with _simulated() as sim, _watched(sim) as view:
        await asyncio.sleep(3 * QUICK.push_delay_s)  # the pushes that follow the subscriptions
        sim.set_rpc_faults(RpcFault(stale_ms=3_600_000))
        sim.registry.register(_key(), SimInstance("10.0.0.2", 80))
        await view.until_services({"orders": (_at(1), _at(2))})
        sim.registry.deregister(_key(), "10.0.0.1", 80)
        await view.until_services({"orders": (_at(2),)})

        assert (1, 1) == (_push_side(view)["stale_pushes_total"], _push_side(view)["connections_total"])


@BOTH
@pytest.mark.parametrize("how", ["stream", "connection"])
async def test_after_a_lost_connection_everything_is_subscribed_again(dialect: Dialect, how: str) -> None:
    async with _simulated(dialect) as sim, _watched(sim) as view:
        fault = RpcFault(type="NotifySubscriberRequest", reset=how, times=1)  # type: ignore[arg-type]
        sim.set_rpc_faults(fault)
        sim.registry.register(_key(), SimInstance("10.0.0.2", 80))
        await view.until_services({"orders": (_at(1), _at(2))})
        await view.until(_is_up)

        await view.until(lambda _: sim.pushes.count() == 1)
        assert 2 == _push_side(view)["connections_total"]


@BOTH
async def test_a_restarted_node_that_forgot_everything_takes_nothing_away(dialect: Dialect) -> None:
    async with _simulated(dialect) as sim, _watched(sim, resync_s=0.1) as view:
        sim.registry.register(_key("users"), SimInstance("10.0.0.3", 80))
        everything = {"orders": (_at(1),), "users": (_at(3),)}
        await view.until_services(everything)
        before = len(view.updates)

        sim.restart_node(reregister_after_s=0.3)
        await view.until(lambda view: _push_side(view)["connections_total"] == 2)
        await view.until(lambda view: not _push_side(view)["settling"])
        await view.next_reading(2)

    readings = [update for update in view.updates[before:] if isinstance(update, ServiceReading)]
    listings = [update for update in view.updates[before:] if isinstance(update, ScopeListing)]
    assert all(update.instances for update in readings)
    assert all(everything.keys() <= update.names and all(update.services.values()) for update in listings)
    assert everything == view.services


@BOTH
async def test_what_does_not_come_back_after_a_restart_goes_when_it_has_settled(dialect: Dialect) -> None:
    async with _simulated(dialect) as sim, _watched(sim, resync_s=0.1) as view:
        sim.registry.register(_key("users"), SimInstance("10.0.0.3", 80))
        await view.until(lambda view: view.services.keys() == {"orders", "users"})

        sim.restart_node()
        sim.registry.register(_key(), SimInstance("10.0.0.9", 80))
        await view.until(lambda view: _at(9) in view.services["orders"])
        assert (_at(1), _at(9)) == view.services["orders"]
        assert (_at(3),) == view.services["users"]
        await view.until(lambda view: view.scope["held_instances"] == 2)

        await view.until_services({"orders": (_at(9),)})
        assert (0, 0) == (view.scope["held_instances"], view.scope["missed_events_total"])


@pytest.mark.parametrize("before", [True, False], ids=["refused", "hidden"])
async def test_a_fuzzy_watch_beyond_its_cap_is_left_for_lists_of_names(*, before: bool) -> None:
    """A full one is refused to who comes later; to who watches already it hides what is further registered."""
    many = [_key(f"svc-{number}") for number in range(4)]

    def fill(sim: SimNacos) -> None:
        for key in many:
            sim.registry.register(key, SimInstance("10.0.0.2", 80))

    async with _simulated(fuzzy=replace(QUICK_FUZZY, max_services=2)) as sim:
        if before:
            fill(sim)
        async with _watched(sim, resync_s=0.1) as view:
            if not before:
                await view.until(lambda view: _push_side(view)["rung"] == "fuzzy_watch")
                fill(sim)
            await view.until(lambda view: _push_side(view)["rung"] == "service_list")
            assert ("50311" if before else "hides") in str(_push_side(view)["stepped_down"])

            sim.registry.register(_key("late"), SimInstance("10.0.0.3", 80))
            await view.until(lambda view: "late" in view.services)


async def test_a_change_that_was_never_pushed_is_found_and_counted() -> None:
    async with _simulated() as sim, _watched(sim, resync_s=0.1) as view:
        await asyncio.sleep(0.1)
        sim.set_rpc_faults(RpcFault(type="NotifySubscriberRequest", stall=True))
        sim.registry.register(_key(), SimInstance("10.0.0.2", 80))
        await view.until_services({"orders": (_at(1), _at(2))})
        await view.until(lambda view: view.scope["missed_events_total"] == 1)

    assert 1.0 == view.metrics.registry.get_sample_value("meshregistry_missed_events_total", {"source": "nacos"})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize(
    ("offset", "named"), [(1000, 0), (1000, 1000), (2000, 0), (2000, 2000)], ids=["main", "grpc", "main+2", "grpc+2"]
)
async def test_a_client_that_is_sent_away_goes_where_it_is_told(host: str, offset: int, named: int) -> None:
    """Of three members not the next one, by the number of a port of its own; servers name themselves by address."""
    async with _members(3, offset) as sims:
        ports = [int(sim.base_url.rpartition(":")[2]) for sim in sims]
        addresses = tuple(f"http://{host}:{port}" for port in ports)
        async with _watched(*sims, addresses=addresses, grpc_port_offset=offset) as view:
            here = ports.index(int(str(_push_side(view)["address"]).rpartition(":")[2]) - offset)
            there = (here + 2) % 3
            sims[here].rpc.redirect("127.0.0.1", ports[there] + named)
            await view.until(lambda view: _push_side(view)["connections_total"] == 2)
            assert f"{host}:{ports[there] + offset}" == _push_side(view)["address"]
            await view.until(_is_up)

            sims[there].registry.register(_key(), SimInstance("10.0.0.2", 80))
            await view.until_services({"orders": (_at(1), _at(2))})


@BOTH
async def test_without_a_bulk_listing_everything_is_read_over_the_connection(dialect: Dialect) -> None:
    async with _simulated(dialect) as sim:
        sim.set_faults(*(Fault(path=path, status=403) for path in (BULK[dialect], "/v1/ns/service/list")))
        async with _watched(sim, resync_s=0.1) as view:
            await view.until(lambda view: view.scope["rung"] == "grpc")
            sim.registry.register(_key("users"), SimInstance("10.0.0.3", 80))
            await view.until_services({"orders": (_at(1),), "users": (_at(3),)})
            sim.registry.remove_service(_key("orders")) if sim.registry.deregister(_key(), "10.0.0.1", 80) else None
            await view.until_services({"users": (_at(3),)})


async def test_without_a_bulk_listing_what_was_never_pushed_is_found_by_turns() -> None:
    names = [f"s{number}" for number in range(12)]
    async with _simulated() as sim:
        sim.set_faults(*(Fault(path=path, status=403) for path in (BULK[Dialect.V3], "/v1/ns/service/list")))
        for name in names:
            sim.registry.register(_key(name), SimInstance("10.0.0.1", 80))
        async with _watched(sim, resync_s=PERIOD_S) as view:
            sim.set_rpc_faults(RpcFault(type="NotifySubscriberRequest", stall=True))
            for name in names:
                sim.registry.register(_key(name), SimInstance("10.0.0.2", 80))

            await view.until_services({"orders": (_at(1),), **dict.fromkeys(names, (_at(1), _at(2)))})


async def test_everything_is_listed_when_an_operator_asks_although_pushes_are_trusted() -> None:
    names = [f"s{number}" for number in range(12)]
    async with _simulated() as sim:
        sim.set_faults(*(Fault(path=path, status=403) for path in (BULK[Dialect.V3], "/v1/ns/service/list")))
        for name in names:
            sim.registry.register(_key(name), SimInstance("10.0.0.1", 80))
        async with _watched(sim) as view:
            sim.set_rpc_faults(RpcFault(type="NotifySubscriberRequest", stall=True))
            for name in names:
                sim.registry.register(_key(name), SimInstance("10.0.0.2", 80))

            view.source.read_again()

            await view.until_services({"orders": (_at(1),), **dict.fromkeys(names, (_at(1), _at(2)))})


@BOTH
@pytest.mark.parametrize("how", ["expired", "revoked"])
async def test_a_token_that_is_denied_on_the_connection_is_replaced(dialect: Dialect, how: str) -> None:
    """Nothing is read over HTTP meanwhile, which would renew the token that both share."""
    credentials = Credentials(username="nacos", password="pw", token_ttl_s=1 if how == "expired" else 3600)
    async with (
        _simulated(dialect, credentials=credentials) as sim,
        _watched(sim, username="nacos", password="pw") as view,
    ):
        readings = view.readings()
        if how == "revoked":
            sim.access.revoke_tokens()
        else:
            await asyncio.sleep(1.0)
        sim.registry.register(_key("users"), SimInstance("10.0.0.3", 80))
        await view.until_services({"orders": (_at(1),), "users": (_at(3),)})
        await view.until(_is_up)
        assert {} == _push_side(view)["subscriptions_refused"]
        assert (readings, 1) == (view.readings(), _push_side(view)["connections_total"])


@BOTH
async def test_all_namespaces_and_groups_are_read_and_new_ones_found(dialect: Dialect) -> None:
    async with _simulated(dialect) as sim:
        sim.registry.create_namespace(Namespace("ns-1", "dev"))
        sim.registry.register(_key("a", "G1", "ns-1"), SimInstance("10.0.0.2", 80))
        async with _watched(sim, resync_s=0.1, all_namespaces=True) as view:
            await view.until(lambda view: {"orders", "a"} <= _published(view))
            sim.registry.create_namespace(Namespace("ns-2", "late"))
            sim.registry.register(_key("b", "G2", "ns-2"), SimInstance("10.0.0.3", 80))
            await view.until(lambda view: "b" in _published(view))
            scopes = {(listing.scope.namespace, listing.scope.group) for listing in view.listings if listing.names}
            assert {("public", "DEFAULT_GROUP"), ("ns-1", "G1"), ("ns-2", "G2")} == scopes

            await view.until(lambda view: _push_side(view, "ns-2")["connected"] is True)
            sim.registry.register(_key("b", "G2", "ns-2"), SimInstance("10.0.0.4", 80))
            await view.until(lambda view: _latest(view, "b") == (_at(3), _at(4)))


async def test_an_empty_registry_is_all_of_its_namespaces_read() -> None:
    async with (
        SimNacos(SimOptions(dialect=Dialect.V2)) as sim,
        reading(NacosServerOptions(addresses=(sim.base_url,), all_namespaces=True)) as view,
    ):
        await view.until(lambda view: bool(view.synced))

    assert [] == view.listings


@BOTH
async def test_a_namespace_may_be_named_as_it_is_shown(dialect: Dialect) -> None:
    async with _simulated(dialect) as sim:
        sim.registry.create_namespace(Namespace("8f2c", "dev"))
        sim.registry.register(_key("a", namespace="8f2c"), SimInstance("10.0.0.2", 80))
        options = NacosServerOptions(addresses=(sim.base_url,), scopes=(NacosScope("dev"),))
        async with reading(options) as view:
            await view.until_services({"a": (_at(2),)})
            await view.until(lambda view: bool(view.synced))

    assert {"8f2c"} == {listing.scope.namespace for listing in view.listings}


async def test_groups_of_a_namespace_that_is_named_in_both_ways_are_all_read() -> None:
    async with _simulated() as sim:
        sim.registry.create_namespace(Namespace("8f2c", "dev"))
        for number, group in enumerate(("G1", "G2"), start=2):
            sim.registry.register(_key(f"in-{group}", group, "8f2c"), SimInstance(f"10.0.0.{number}", 80))
        scopes = (NacosScope("dev", "G1"), NacosScope("8f2c", "G2"))
        async with reading(NacosServerOptions(addresses=(sim.base_url,), scopes=scopes), watch=WATCH) as view:
            await view.until(lambda view: bool(view.synced))
            assert ((_at(2),), (_at(3),)) == (_latest(view, "in-G1"), _latest(view, "in-G2"))
            await view.until(lambda view: _push_side(view, "8f2c")["connected"] is True)
            await view.until(lambda _: len(sim.clients) == 1)


async def test_a_namespace_that_cannot_be_looked_up_is_not_taken_for_empty() -> None:
    async with _simulated() as sim:
        sim.registry.create_namespace(Namespace("8f2c", "dev"))
        sim.registry.register(_key("a", namespace="8f2c"), SimInstance("10.0.0.2", 80))
        sim.set_faults(Fault(path="/v3/admin/core/namespace/list", status=503))
        options = NacosServerOptions(addresses=(sim.base_url,), scopes=(NacosScope("dev"),))
        async with reading(options) as view:
            await view.until(lambda view: view.readings(failed=True) >= 2)
            absent = [Scope("nacos", "", "", ""), Scope("nacos", "", "dev", "DEFAULT_GROUP")]
            assert (absent, []) == (view.absences, view.updates)

            sim.set_faults()
            await view.until_services({"a": (_at(2),)})
