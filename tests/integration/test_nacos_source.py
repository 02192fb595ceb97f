"""The Nacos source against the simulator and real servers: one suite, the same expectations."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from meshregistry.model.events import ScopeListing, ServiceReading
from meshregistry.model.instance import Instance, Scope
from meshregistry.sim.nacos.access import Credentials
from meshregistry.sim.nacos.faults import BodyFault, Fault
from meshregistry.sim.nacos.server import SimNacos, SimOptions
from meshregistry.sim.nacos.state import Instance as SimInstance
from meshregistry.sim.nacos.state import ServiceKey
from meshregistry.sim.nacos.views import Dialect
from meshregistry.sources.nacos import NacosScope, NacosServerOptions
from meshregistry.sources.polling import PollOptions
from tests.support.nacos_gateway import Gateway
from tests.support.nacos_rig import NacosRig, SimRig
from tests.support.nacos_view import MODES, Mode, View, instance, reading, server_options

pytestmark = pytest.mark.anyio

BULK = {Dialect.V2: "/v1/ns/catalog/services", Dialect.V3: "/v3/admin/ns/service/list"}
INSTANCE_LIST = "/v1/ns/instance/list"
SECOND_LOOK = {Dialect.V2: INSTANCE_LIST, Dialect.V3: "/v3/client/ns/instance/list"}
"""What tells of one service beside the bulk listing."""

ONE_LOOP = pytest.mark.parametrize("anyio_backend", ["asyncio"])
"""For tests that stop real servers: a second loop would show nothing else and take half a minute."""


@pytest.fixture(params=MODES.values(), ids=list(MODES))
def mode(request: pytest.FixtureRequest) -> Mode:
    """With and without pushes: what is published is the same."""
    chosen: Mode = request.param
    return chosen


# What is registered is what is published.


async def test_an_instance_appears_and_disappears(any_nacos_rig: NacosRig, mode: Mode) -> None:
    await any_nacos_rig.register("orders", "10.0.0.1", 8080, metadata={"version": "v1"})
    first, second = instance("10.0.0.1", 8080, metadata={"version": "v1"}), instance("10.0.0.2", 8080)
    async with reading(server_options(any_nacos_rig), **mode) as view:
        await view.until_services({"orders": (first,)})

        await any_nacos_rig.register("orders", "10.0.0.2", 8080)
        await view.until_services({"orders": (first, second)})

        await any_nacos_rig.deregister("orders", "10.0.0.1", 8080)
        await view.until_services({"orders": (second,)})


async def test_a_service_without_instances_is_listed_as_empty_until_it_is_removed(
    any_nacos_rig: NacosRig, mode: Mode
) -> None:
    await any_nacos_rig.register("orders", "10.0.0.1", 8080)
    await any_nacos_rig.register("users", "10.0.0.2", 8080)
    async with reading(server_options(any_nacos_rig), **mode) as view:
        users = (instance("10.0.0.2", 8080),)
        await view.until_services({"orders": (instance("10.0.0.1", 8080),), "users": users})

        await any_nacos_rig.deregister("orders", "10.0.0.1", 8080)
        await view.until_services({"orders": (), "users": users})

        await any_nacos_rig.remove_service("orders")
        await view.until_services({"users": users})


async def test_a_change_of_metadata_or_weight_alone_is_published_for_that_service_only(
    any_nacos_rig: NacosRig, mode: Mode
) -> None:
    await any_nacos_rig.register("orders", "10.0.0.1", 8080)
    await any_nacos_rig.register("users", "10.0.0.2", 8080)
    users = (instance("10.0.0.2", 8080),)
    async with reading(server_options(any_nacos_rig), **mode) as view:
        await view.until_services({"orders": (instance("10.0.0.1", 8080),), "users": users})

        await any_nacos_rig.register("orders", "10.0.0.1", 8080, metadata={"version": "v2"})
        await view.until_services({"orders": (instance("10.0.0.1", 8080, metadata={"version": "v2"}),), "users": users})

        await any_nacos_rig.register("orders", "10.0.0.1", 8080, metadata={"version": "v2"}, weight=0.5)
        changed = instance("10.0.0.1", 8080, metadata={"version": "v2"}, weight=0.5)
        await view.until_services({"orders": (changed,), "users": users})

    assert all(["orders"] == list(listing.services) for listing in view.listings[1:])
    assert all({"orders", "users"} == listing.names for listing in view.listings)


async def test_disabled_instances_are_left_out_and_unhealthy_ones_flagged(any_nacos_rig: NacosRig, mode: Mode) -> None:
    await any_nacos_rig.register("orders", "10.0.0.1", 8080)
    await any_nacos_rig.register("orders", "10.0.0.2", 8080, healthy=False)
    await any_nacos_rig.register("orders", "10.0.0.3", 8080, enabled=False)
    await any_nacos_rig.register("orders", "10.0.0.4", 8080, weight=0)
    healthy = [instance("10.0.0.1", 8080), instance("10.0.0.4", 8080, weight=0)]
    async with reading(server_options(any_nacos_rig), **mode) as view:
        await view.until_services({"orders": tuple(sorted([*healthy, instance("10.0.0.2", 8080, healthy=False)]))})

        await any_nacos_rig.register("orders", "10.0.0.2", 8080)
        await any_nacos_rig.register("orders", "10.0.0.3", 8080)
        recovered = [instance("10.0.0.2", 8080), instance("10.0.0.3", 8080)]
        await view.until_services({"orders": tuple(sorted([*healthy, *recovered]))})


async def test_persistent_instances_appear_and_disappear_beside_ephemeral_ones(
    any_nacos_rig: NacosRig, mode: Mode
) -> None:
    """Their health is what the server finds out by calling them, so somebody listens."""
    async with await asyncio.start_server(_hang_up, "127.0.0.1", 0) as listener:
        port: int = listener.sockets[0].getsockname()[1]
        await any_nacos_rig.register("db", "127.0.0.1", port, ephemeral=False, metadata={"zone": "a"}, weight=2.0)
        await any_nacos_rig.register("orders", "10.0.0.1", 80)
        first = Instance("127.0.0.1", port, "DEFAULT", weight=2.0, metadata=(("zone", "a"),))
        async with reading(server_options(any_nacos_rig), **mode) as view:
            await view.until_services({"db": (first,), "orders": (instance("10.0.0.1", 80),)})

            await any_nacos_rig.register("db", "127.0.0.2", port, ephemeral=False)
            await view.until(lambda view: ["127.0.0.1", "127.0.0.2"] == [each.address for each in view.services["db"]])
            await any_nacos_rig.deregister("db", "127.0.0.2", port)
            await view.until_services({"db": (first,), "orders": (instance("10.0.0.1", 80),)})
            await any_nacos_rig.deregister("db", "127.0.0.1", port)
            await view.until_services({"db": (), "orders": (instance("10.0.0.1", 80),)})


async def test_other_groups_and_namespaces_are_not_read(any_nacos_rig: NacosRig, mode: Mode) -> None:
    await any_nacos_rig.register("orders", "10.0.0.1", 80)
    await any_nacos_rig.register("orders", "10.0.0.2", 80, group="G-2")
    await any_nacos_rig.register("users", "10.0.0.3", 80, group="G-2")
    await any_nacos_rig.register("orders", "10.0.0.4", 80, group="XG-2")
    await any_nacos_rig.register("orders", "10.0.0.5", 80, namespace=f"{any_nacos_rig.namespace}-b")
    async with (
        reading(server_options(any_nacos_rig), **mode) as default,
        reading(server_options(any_nacos_rig, scopes=(NacosScope(any_nacos_rig.namespace, "G-2"),)), **mode) as second,
    ):
        await default.until_services({"orders": (instance("10.0.0.1", 80),)})
        await second.until_services({"orders": (instance("10.0.0.2", 80),), "users": (instance("10.0.0.3", 80),)})


async def test_the_empty_namespace_is_public(any_nacos_rig: NacosRig, mode: Mode) -> None:
    group = any_nacos_rig.namespace
    await any_nacos_rig.register("orders", "10.0.0.1", 80, namespace="public", group=group)
    async with reading(server_options(any_nacos_rig, scopes=(NacosScope("", group),)), **mode) as view:
        await view.until_services({"orders": (instance("10.0.0.1", 80),)})

    assert [("public", group)] == list({(each.scope.namespace, each.scope.group) for each in view.listings})


async def test_an_empty_scope_is_published_as_such(any_nacos_rig: NacosRig, mode: Mode) -> None:
    async with reading(server_options(any_nacos_rig), **mode) as view:
        await view.until(lambda view: bool(view.synced))

    assert [frozenset()] == [listing.names for listing in view.listings]


# The ladder: dialects, rungs, pages.


async def test_the_dialect_is_found_and_the_best_rung_used(nacos_rig: NacosRig) -> None:
    async with reading(server_options(nacos_rig)) as view:
        await view.until(lambda view: bool(view.synced))

        dialect, version = ("v3", "3.1.0") if nacos_rig.dialect is Dialect.V3 else ("v1", "2.3.1")
        assert (dialect, "bulk", None) == (view.registry["dialect"], view.scope["rung"], view.scope["bulk_refused"])
        assert str(view.registry["version"]).startswith(version)
        assert nacos_rig.base_url == view.registry["address"]


@pytest.mark.parametrize("status", [403, 404, 410, 501])
async def test_where_bulk_is_refused_services_are_read_one_by_one_and_are_equal(
    nacos_rig: NacosRig, status: int
) -> None:
    await _register_all_sorts(nacos_rig)
    async with Gateway(nacos_rig.base_url) as gateway:
        gateway.refused[BULK[nacos_rig.dialect]] = status
        through = server_options(nacos_rig, addresses=(gateway.base_url,))
        async with reading(server_options(nacos_rig)) as bulk, reading(through, concurrency=4) as single:
            await bulk.until(lambda view: bool(view.synced))
            await single.until(lambda view: bool(view.synced))
            refused = single.scope["bulk_refused"]

            assert ("bulk", "per_service") == (bulk.scope["rung"], single.scope["rung"])
            assert f"status {status}" in str(refused)

    assert _all_sorts() == bulk.services
    assert bulk.services == single.services


async def test_a_refused_rung_is_tried_again_and_the_step_up_publishes_nothing(nacos_rig: NacosRig) -> None:
    await _register_all_sorts(nacos_rig)
    async with Gateway(nacos_rig.base_url) as gateway:
        gateway.refused[BULK[nacos_rig.dialect]] = 403
        through = server_options(nacos_rig, addresses=(gateway.base_url,))
        async with reading(through, bulk_retry_polls=5) as view:
            await view.until(lambda view: bool(view.synced))
            asked = gateway.calls[BULK[nacos_rig.dialect]]
            await view.next_reading()
            assert asked == gateway.calls[BULK[nacos_rig.dialect]]

            gateway.refused.clear()
            await view.until(lambda view: view.scope["rung"] == "bulk")
            gateway.refused[BULK[nacos_rig.dialect]] = 410
            await view.until(lambda view: view.scope["rung"] == "per_service")

    assert 2 == len(view.updates)


async def test_several_pages_are_one_listing_on_both_rungs(nacos_rig: NacosRig, mode: Mode) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number in range(7):
            tasks.create_task(nacos_rig.register(f"svc-{number}", f"10.0.0.{number + 1}", 80))
    expected: dict[str, tuple[Instance, ...]]
    expected = {f"svc-{number}": (instance(f"10.0.0.{number + 1}", 80),) for number in range(7)}
    async with Gateway(nacos_rig.base_url) as gateway:
        gateway.refused[BULK[nacos_rig.dialect]] = 404
        through = server_options(nacos_rig, addresses=(gateway.base_url,))
        async with (
            reading(server_options(nacos_rig), page_size=3, **mode) as bulk,
            reading(through, names_page_size=3, **mode) as single,
        ):
            await bulk.until_services(expected)
            await single.until_services(expected)

            await nacos_rig.deregister("svc-3", "10.0.0.4", 80)
            expected["svc-3"] = ()
            await bulk.until_services(expected)
            await single.until_services(expected)
            await nacos_rig.remove_service("svc-3")
            del expected["svc-3"]
            await bulk.until_services(expected)
            await single.until_services(expected)

    assert expected.keys() == bulk.listings[-1].names


async def test_a_service_below_its_protection_threshold_reads_as_nacos_shows_it_to_its_clients(
    nacos_rig: NacosRig,
) -> None:
    """The gateway plays the threshold, which needs an operator's edit: the instance list says all are healthy."""
    await nacos_rig.register("orders", "10.0.0.1", 80)
    await nacos_rig.register("orders", "10.0.0.2", 80, healthy=False)
    await nacos_rig.register("users", "10.0.0.3", 80)
    users = (instance("10.0.0.3", 80),)
    async with Gateway(nacos_rig.base_url) as gateway:
        look = SECOND_LOOK[nacos_rig.dialect]
        gateway.rewritten[look] = lambda body: body.replace(b'"healthy":false', b'"healthy":true')
        async with reading(server_options(nacos_rig, addresses=(gateway.base_url,))) as view:
            await view.until_services({"orders": (instance("10.0.0.1", 80), instance("10.0.0.2", 80)), "users": users})
            assert "bulk" == view.scope["rung"]

            gateway.rewritten.clear()
            bare = (instance("10.0.0.1", 80), instance("10.0.0.2", 80, healthy=False))
            await view.until_services({"orders": bare, "users": users})

            gateway.refused[look] = 404
            await view.next_reading()
            assert {"orders": bare, "users": users} == view.services


async def test_a_protected_service_without_a_healthy_instance_is_whole_and_healthy(
    any_nacos_rig: NacosRig, mode: Mode
) -> None:
    """Asked for healthy ones only, most servers answer with an empty list here, like a scale to zero."""
    rig, readers = any_nacos_rig, [server_options(any_nacos_rig)]
    await rig.create_service("orders", protect_threshold=0.5)
    await rig.register("orders", "10.0.0.1", 80)
    await rig.register("orders", "10.0.0.2", 80, healthy=False, cluster="EAST")
    both = (instance("10.0.0.1", 80), instance("10.0.0.2", 80, cluster="EAST"))
    async with Gateway(rig.base_url) as gateway, AsyncExitStack() as stack:
        if rig.dialect in BULK:
            gateway.refused[BULK[rig.dialect]] = 404
            readers.append(server_options(rig, addresses=(gateway.base_url,), grpc_port=_grpc_port(rig)))
        views = [await stack.enter_async_context(reading(each, **mode)) for each in readers]
        for view in views:
            await view.until_services({"orders": both})

        await rig.register("orders", "10.0.0.1", 80, healthy=False)
        await rig.register("orders", "10.0.0.3", 80, healthy=False)
        for view in views:
            await view.until_services({"orders": (*both, instance("10.0.0.3", 80))})

        await rig.deregister("orders", "10.0.0.2", 80)
        await rig.deregister("orders", "10.0.0.3", 80)
        await rig.register("orders", "10.0.0.1", 80)
        for view in views:
            await view.until_services({"orders": (instance("10.0.0.1", 80),)})


async def test_a_service_that_cannot_be_looked_at_again_keeps_only_itself(nacos_rig: NacosRig) -> None:
    await nacos_rig.register("orders", "10.0.0.1", 80, healthy=False)
    await nacos_rig.register("users", "10.0.0.2", 80)
    orders = (instance("10.0.0.1", 80, healthy=False),)
    async with (
        Gateway(nacos_rig.base_url) as gateway,
        reading(server_options(nacos_rig, addresses=(gateway.base_url,))) as view,
    ):
        await view.until_services({"orders": orders, "users": (instance("10.0.0.2", 80),)})

        gateway.refused[SECOND_LOOK[nacos_rig.dialect]] = 500
        await nacos_rig.register("users", "10.0.0.3", 80)
        users = (instance("10.0.0.2", 80), instance("10.0.0.3", 80))
        await view.until_services({"orders": orders, "users": users})
        assert {"orders"} == view.listings[-1].unread

        await nacos_rig.register("orders", "10.0.0.1", 80)
        gateway.refused.clear()
        await view.until_services({"orders": (instance("10.0.0.1", 80),), "users": users})


# Nothing changes, nothing is published.


async def test_unchanged_readings_publish_nothing_and_count_as_success(any_nacos_rig: NacosRig, mode: Mode) -> None:
    await _register_all_sorts(any_nacos_rig)
    async with reading(server_options(any_nacos_rig), page_size=3, **mode) as view:
        await view.until(lambda view: bool(view.synced))
        before = list(view.updates)
        skipped = view.scope["unchanged_skips_total"]
        await view.next_reading(5)

        age = view.scope["last_success_age_s"]
        assert isinstance(age, float)
        assert age < 2.0
        assert view.scope["unchanged_skips_total"] > skipped  # type: ignore[operator]

    assert before == view.updates
    assert sorted(_all_sorts()) == sorted(_published(view))


@pytest.mark.parametrize("rung", ["bulk", "per_service"])
async def test_one_reading_asks_for_nothing_twice(nacos_rig: NacosRig, rung: str) -> None:
    """Of the bulk listing's services only the one with an unhealthy instance is asked for by itself."""
    await _register_all_sorts(nacos_rig)
    bulk = BULK[nacos_rig.dialect]
    async with Gateway(nacos_rig.base_url) as gateway:
        if rung == "per_service":
            gateway.refused[bulk] = 403
        once = PollOptions(refresh_period_s=3600.0)
        async with reading(server_options(nacos_rig, addresses=(gateway.base_url,)), polling=once) as view:
            await view.until(lambda view: bool(view.synced))
            names = len(view.services)

    path = SECOND_LOOK[nacos_rig.dialect] if rung == "bulk" else INSTANCE_LIST
    asked = {bulk: 1, path: 1} if rung == "bulk" else {bulk: 1, "/v1/ns/service/list": 1, path: names}
    assert asked == {path: count for path, count in gateway.calls.items() if "/ns/" in path}


async def test_unchanged_single_readings_publish_nothing(nacos_rig: NacosRig) -> None:
    await _register_all_sorts(nacos_rig)
    async with Gateway(nacos_rig.base_url) as gateway:
        gateway.refused[BULK[nacos_rig.dialect]] = 403
        async with reading(server_options(nacos_rig, addresses=(gateway.base_url,))) as view:
            await view.until(lambda view: bool(view.synced))
            await view.next_reading(3)

    assert 2 == len(view.updates)


# Addresses and outages.


async def test_a_dead_first_address_is_passed_over_at_once_and_only_once(nacos_rig: NacosRig) -> None:
    await nacos_rig.register("orders", "10.0.0.1", 8080)
    async with _refusing_node() as dead:
        options = server_options(nacos_rig, addresses=(dead.url, nacos_rig.base_url))
        async with reading(options) as view:
            await view.until_services({"orders": (instance("10.0.0.1", 8080),)})
            met = dead.connections
            await view.next_reading(3)

            assert nacos_rig.base_url == view.registry["address"]
            assert view.scope["healthy"]

        assert met >= 1
        assert (met, 0.0) == (dead.connections, view.readings(failed=True))


@ONE_LOOP
async def test_an_outage_keeps_everything_and_ends_by_itself(any_nacos_rig: NacosRig, mode: Mode) -> None:
    await any_nacos_rig.register("orders", "10.0.0.1", 8080)
    await any_nacos_rig.register("users", "10.0.0.2", 8080)
    expected = {"orders": (instance("10.0.0.1", 8080),), "users": (instance("10.0.0.2", 8080),)}
    async with reading(server_options(any_nacos_rig), **mode) as view:
        await view.until_services(expected)
        await view.until(lambda view: bool(view.synced))

        await any_nacos_rig.stop()
        await view.until(lambda view: not view.scope["healthy"])
        before = list(view.updates)
        await view.next_reading(3, failed=True)
        assert before == view.updates
        assert expected == view.services
        assert any_nacos_rig.base_url in str(view.scope["last_error"])

        await any_nacos_rig.start()
        await view.until(lambda view: bool(view.scope["healthy"]), timeout_s=60.0)
        await view.until_services(expected)

    assert 1 == len(view.synced)


@ONE_LOOP
async def test_a_registry_that_is_down_at_the_start_is_read_when_it_comes(any_nacos_rig: NacosRig, mode: Mode) -> None:
    await any_nacos_rig.register("orders", "10.0.0.1", 8080)
    await any_nacos_rig.stop()
    async with reading(server_options(any_nacos_rig), **mode) as view:
        await view.until(lambda view: view.readings(failed=True) >= 2)
        named = Scope("nacos", "", any_nacos_rig.namespace, "DEFAULT_GROUP")
        unknown = [Scope("nacos", "", "", "")] if named.namespace != "public" else []  # it may have another id
        assert ([*unknown, named], []) == (view.absences, view.updates)

        await any_nacos_rig.start()
        await view.until_services({"orders": (instance("10.0.0.1", 8080),)})
        await view.until(lambda view: bool(view.synced))


async def test_the_wait_time_declares_completeness_without_content(nacos_rig: NacosRig) -> None:
    async with Gateway(nacos_rig.base_url) as gateway:
        for path in (BULK[nacos_rig.dialect], "/v1/ns/service/list"):
            gateway.refused[path] = 503
        through = server_options(nacos_rig, addresses=(gateway.base_url,))
        async with reading(through, wait_time_s=0.2) as view:
            await view.until(lambda view: bool(view.synced))

    assert ["wait_time"] == [each.reason for each in view.synced]
    assert [] == view.listings


async def test_a_node_that_fails_in_the_middle_of_a_reading_is_left_within_it(nacos_rig: NacosRig) -> None:
    await _register_all_sorts(nacos_rig)
    async with Gateway(nacos_rig.base_url) as first, Gateway(nacos_rig.base_url) as second:
        for gateway in (first, second):
            gateway.refused[BULK[nacos_rig.dialect]] = 403
        options = server_options(nacos_rig, addresses=(first.base_url, second.base_url))
        async with reading(options) as view:
            await view.until_services(_all_sorts())
            assert first.base_url == view.registry["address"]

            first.refused[INSTANCE_LIST] = 500
            await view.until(lambda view: view.registry["address"] == second.base_url)
            await view.next_reading(2)
            assert view.scope["healthy"]

    assert 0.0 == view.readings(failed=True)
    assert 2 == len(view.updates)


async def test_a_service_that_was_never_read_delays_completeness_but_not_for_ever(nacos_rig: NacosRig) -> None:
    await nacos_rig.register("orders", "10.0.0.1", 8080)
    await nacos_rig.register("users", "10.0.0.2", 8080)
    async with Gateway(nacos_rig.base_url) as gateway:
        gateway.refused[BULK[nacos_rig.dialect]] = 403
        gateway.rewritten[INSTANCE_LIST] = lambda body: b"<html>" if b"@@orders" in body else body
        through = server_options(nacos_rig, addresses=(gateway.base_url,))
        async with reading(through) as view:
            await view.until(lambda view: bool(view.synced))

    assert {"users": (instance("10.0.0.2", 8080),)} == view.services
    assert [frozenset({"orders"})] == [listing.unread for listing in view.listings]
    assert 3.0 == view.readings(failed=True)


async def test_completeness_waits_for_every_scope(any_nacos_rig: NacosRig, mode: Mode) -> None:
    groups = ("G-1", "G-2")
    for number, group in enumerate(groups):
        await any_nacos_rig.register("orders", f"10.0.0.{number}", 8080, group=group)
    scopes = tuple(NacosScope(any_nacos_rig.namespace, group) for group in groups)
    async with reading(server_options(any_nacos_rig, scopes=scopes), **mode) as view:
        await view.until(lambda view: bool(view.synced))

    read = [update for update in view.updates[: view.updates.index(view.synced[0])] if isinstance(update, ScopeListing)]
    assert [*groups] == [listing.scope.group for listing in read]
    assert 1 == len(view.synced)


# Authentication.


async def test_a_login_gives_access(nacos_rig_auth: NacosRig, mode: Mode) -> None:
    await nacos_rig_auth.register("orders", "10.0.0.1", 8080)
    async with Gateway(nacos_rig_auth.base_url) as gateway:
        async with reading(server_options(nacos_rig_auth, addresses=(gateway.base_url,)), **mode) as view:
            await view.until_services({"orders": (instance("10.0.0.1", 8080),)})
            await view.next_reading(3)
            assert view.registry["login_refused"] is None

        assert 1 == len(gateway.tokens)


async def test_the_single_reads_carry_the_token_too(nacos_rig_auth: NacosRig) -> None:
    await nacos_rig_auth.register("orders", "10.0.0.1", 8080)
    async with Gateway(nacos_rig_auth.base_url) as gateway:
        gateway.refused[BULK[nacos_rig_auth.dialect]] = 403
        async with reading(server_options(nacos_rig_auth, addresses=(gateway.base_url,))) as view:
            await view.until_services({"orders": (instance("10.0.0.1", 8080),)})
            assert "per_service" == view.scope["rung"]


@pytest.mark.parametrize("credentials", [("nacos", "wr0ng-secret"), ("nobody", "wr0ng-secret"), ("", "")])
async def test_refused_credentials_publish_nothing_and_say_so(
    nacos_rig_auth: NacosRig, mode: Mode, credentials: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    await nacos_rig_auth.register("orders", "10.0.0.1", 8080)
    username, password = credentials
    async with reading(server_options(nacos_rig_auth, username=username, password=password), **mode) as view:
        await view.until(lambda view: view.readings(failed=True) >= 4)
        error, refusal = str(view.scope["last_error"]), view.registry["login_refused"]

    named = Scope("nacos", "", nacos_rig_auth.namespace, "DEFAULT_GROUP")
    assert ([named], []) == (view.absences, view.updates)
    assert "status 403" in error
    assert bool(username) == ("login refused by" in error) == bool(refusal)
    assert 1 == sum("source.lost" in message for message in caplog.messages)
    assert int(bool(username)) == sum("login.refused" in message for message in caplog.messages)
    assert "wr0ng-secret" not in caplog.text + error
    assert "auth" in _failure_reasons(view)


async def test_rights_that_are_taken_away_take_no_endpoint_with_them(nacos_rig: NacosRig) -> None:
    await nacos_rig.register("orders", "10.0.0.1", 8080)
    async with (
        Gateway(nacos_rig.base_url) as gateway,
        reading(server_options(nacos_rig, addresses=(gateway.base_url,))) as view,
    ):
        await view.until(lambda view: bool(view.synced))
        before = list(view.updates)
        gateway.refused |= dict.fromkeys((BULK[nacos_rig.dialect], "/v1/ns/service/list", INSTANCE_LIST), 403)
        await view.next_reading(2, failed=True)
        assert ({"auth"}, False) == (_failure_reasons(view), view.scope["healthy"])

        gateway.refused.clear()
        await view.until(lambda view: bool(view.scope["healthy"]))

    assert before == view.updates


async def test_credentials_that_an_open_server_does_not_know_do_no_harm(nacos_rig: NacosRig, mode: Mode) -> None:
    await nacos_rig.register("orders", "10.0.0.1", 8080)
    async with reading(server_options(nacos_rig, username="nobody", password="forgotten"), **mode) as view:
        await view.until_services({"orders": (instance("10.0.0.1", 8080),)})


async def test_a_denied_token_is_replaced_within_the_reading(nacos_rig_auth: NacosRig) -> None:
    await nacos_rig_auth.register("orders", "10.0.0.1", 8080)
    async with Gateway(nacos_rig_auth.base_url) as gateway:
        async with reading(server_options(nacos_rig_auth, addresses=(gateway.base_url,))) as view:
            await view.until_services({"orders": (instance("10.0.0.1", 8080),)})
            if nacos_rig_auth.is_real:
                await asyncio.sleep(1.1)  # tokens of one second are equal
            gateway.spoilt_tokens |= gateway.tokens
            await nacos_rig_auth.register("orders", "10.0.0.2", 8080)
            await view.until_services({"orders": (instance("10.0.0.1", 8080), instance("10.0.0.2", 8080))})

        assert 2 == len(gateway.tokens)
        assert 0.0 == view.readings(failed=True)


# What only a simulator shows.


@pytest.mark.simulator_only
async def test_an_expired_token_is_replaced_in_time(anyio_backend: object) -> None:
    for dialect in Dialect:
        credentials = Credentials(username="nacos", password="pw", token_ttl_s=1)
        async with SimNacos(SimOptions(dialect=dialect, credentials=credentials)) as sim:
            options = NacosServerOptions(addresses=(sim.base_url,), username="nacos", password="pw")
            async with reading(options) as view:
                await view.until(lambda view: bool(view.synced))
                started = asyncio.get_running_loop().time()
                await asyncio.sleep(1.2)
                await view.next_reading()
                lifetimes = asyncio.get_running_loop().time() - started

            assert 0.0 == view.readings(failed=True)
            assert 2 <= _logins(sim) <= 3 + lifetimes / 0.9


BAD_ANSWERS = {
    "500": Fault(status=500),
    "502": Fault(status=502),
    "503": Fault(status=503),
    "empty": Fault(body=BodyFault.EMPTY),
    "truncated": Fault(body=BodyFault.TRUNCATED),
    "not JSON": Fault(body=BodyFault.NOT_JSON),
    "HTML": Fault(body=BodyFault.HTML),
    "wrong types": Fault(body=BodyFault.WRONG_TYPES),
    "no answer": Fault(drop="before"),
    "half an answer": Fault(drop="within"),
}


@pytest.mark.simulator_only
@pytest.mark.parametrize("fault", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
async def test_each_spoilt_bulk_answer_keeps_everything(sim_rig: SimRig, fault: Fault) -> None:
    expected = await _two_services(sim_rig)
    async with reading(server_options(sim_rig)) as view:
        await view.until(lambda view: bool(view.synced))
        before = list(view.updates)
        sim_rig.sim.set_faults(_struck(fault, BULK[sim_rig.dialect]))
        await view.next_reading(2, failed=True)
        assert not view.scope["healthy"]
        assert BULK[sim_rig.dialect] in str(view.scope["last_error"])

        assert before == view.updates
        assert expected == view.services

        sim_rig.sim.set_faults()
        await view.until(lambda view: bool(view.scope["healthy"]))

    assert before == view.updates


@pytest.mark.simulator_only
@pytest.mark.parametrize("fault", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
async def test_each_spoilt_service_answer_keeps_that_service(sim_rig: SimRig, fault: Fault) -> None:
    expected = await _two_services(sim_rig)
    refusal = Fault(path=BULK[sim_rig.dialect], status=403)
    sim_rig.sim.set_faults(refusal)
    async with reading(server_options(sim_rig)) as view:
        await view.until(lambda view: bool(view.synced))
        sim_rig.sim.set_faults(refusal, _struck(fault, INSTANCE_LIST, service="orders"))
        await sim_rig.register("orders", "10.0.0.9", 80)
        await sim_rig.register("users", "10.0.0.9", 80)

        await view.until_services({**expected, "users": (*expected["users"], instance("10.0.0.9", 80))})
        assert {"orders"} == set(view.scope["unread"])  # type: ignore[call-overload]
        assert {"orders"} == view.listings[-1].unread
        assert {"orders", "users"} == view.listings[-1].names

        sim_rig.sim.set_faults(refusal)
        await view.until(lambda view: len(view.services["orders"]) == 2)
        assert {} == view.scope["unread"]


@pytest.mark.simulator_only
@pytest.mark.parametrize("fault", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
async def test_a_broken_page_among_several_keeps_everything(sim_rig: SimRig, fault: Fault) -> None:
    for number in range(5):
        await sim_rig.register(f"svc-{number}", "10.0.0.1", 80)
    async with reading(server_options(sim_rig), page_size=2) as view:
        await view.until(lambda view: bool(view.synced))
        before = list(view.updates)
        sim_rig.sim.set_faults(_struck(fault, BULK[sim_rig.dialect], page=2))
        await sim_rig.deregister("svc-0", "10.0.0.1", 80)
        await view.next_reading(2, failed=True)

        assert before == view.updates
        assert 5 == len(view.services)


@pytest.mark.simulator_only
@pytest.mark.parametrize("fault", [Fault(delay_s=2.0), Fault(body=BodyFault.ENDLESS)], ids=["slow", "endless"])
async def test_an_answer_too_slow_or_without_end_is_given_up(sim_rig: SimRig, fault: Fault) -> None:
    expected = await _two_services(sim_rig)
    async with reading(server_options(sim_rig), request_timeout_s=1.0, max_body_bytes=1_000_000) as view:
        await view.until(lambda view: bool(view.synced))
        sim_rig.sim.set_faults(_struck(fault, BULK[sim_rig.dialect]))
        await view.until(lambda view: view.readings(failed=True) >= 1)
        error = str(view.scope["last_error"])

    reason = "no complete answer in time" if fault.delay_s else "body longer than 1000000 bytes"
    assert error.endswith(reason)
    assert 1 == error.count(BULK[sim_rig.dialect])
    assert expected == view.services


@pytest.mark.simulator_only
@pytest.mark.parametrize("rung", ["bulk", "per_service"])
async def test_a_garbage_record_costs_only_itself(sim_rig: SimRig, rung: str) -> None:
    await sim_rig.register("orders", "10.0.0.1", 80)
    await sim_rig.register("orders", "10.0.0.2", 81)
    async with Gateway(sim_rig.base_url) as gateway:
        if rung == "per_service":
            gateway.refused[BULK[sim_rig.dialect]] = 403
        for path in (BULK[sim_rig.dialect], INSTANCE_LIST):
            gateway.rewritten[path] = lambda body: re.sub(rb'"port":81', b'"port":"abc"', body)
        async with reading(server_options(sim_rig, addresses=(gateway.base_url,))) as view:
            await view.until_services({"orders": (instance("10.0.0.1", 80),)})
            await view.until(lambda view: bool(view.synced))

            assert (rung, 1) == (view.scope["rung"], view.scope["bad_records"])
            assert 1.0 == view.metrics.registry.get_sample_value(
                "meshregistry_source_bad_records_total", {"source": "nacos", "reason": "malformed"}
            )


@pytest.mark.simulator_only
async def test_an_unreadable_service_is_named_on_one_line(sim_rig: SimRig, caplog: pytest.LogCaptureFixture) -> None:
    evil = ServiceKey("a\nERROR b", "DEFAULT_GROUP", sim_rig.namespace)
    sim_rig.sim.registry.register(evil, SimInstance("10.0.0.2", 81))
    await sim_rig.register("orders", "10.0.0.1", 80)
    async with Gateway(sim_rig.base_url) as gateway:
        gateway.rewritten[BULK[sim_rig.dialect]] = lambda body: re.sub(rb'"port":81', b'"port":"abc"', body)
        async with reading(server_options(sim_rig, addresses=(gateway.base_url,))) as view:
            await view.until_services({"orders": (instance("10.0.0.1", 80),)})
            await view.until(lambda view: bool(view.scope["unread"]))

    [line] = [message for message in caplog.messages if "source.unread" in message]
    assert r"services=1 first=a\nERROR b error=" in line


@pytest.mark.simulator_only
@pytest.mark.parametrize("rung", ["bulk", "per_service"])
async def test_half_a_surrogate_pair_costs_no_instance(sim_rig: SimRig, rung: str) -> None:
    await sim_rig.register("orders", "10.0.0.1", 80, metadata={"version": "HALF"})
    await sim_rig.register("users", "10.0.0.2", 80)
    async with Gateway(sim_rig.base_url) as gateway:
        if rung == "per_service":
            gateway.refused[BULK[sim_rig.dialect]] = 403
        for path in (BULK[sim_rig.dialect], INSTANCE_LIST):
            gateway.rewritten[path] = lambda body: body.replace(b"HALF", rb"v\ud800")
        async with reading(server_options(sim_rig, addresses=(gateway.base_url,))) as view:
            orders = instance("10.0.0.1", 80, metadata={"version": "v\ufffd"})
            await view.until_services({"orders": (orders,), "users": (instance("10.0.0.2", 80),)})

            assert (rung, 0) == (view.scope["rung"], view.scope["bad_records"])


@pytest.mark.simulator_only
async def test_a_service_that_is_listed_twice_keeps_what_is_known(sim_rig: SimRig) -> None:
    expected = await _two_services(sim_rig)
    await sim_rig.register("spare", "10.0.0.3", 80)
    async with Gateway(sim_rig.base_url) as gateway:
        path = BULK[sim_rig.dialect]
        async with reading(server_options(sim_rig, addresses=(gateway.base_url,))) as view:
            await view.until_services({**expected, "spare": (instance("10.0.0.3", 80),)})
            before = list(view.updates)

            gateway.rewritten[path] = lambda body: body.replace(b'"spare"', b'"orders"')
            await view.until(lambda view: bool(view.scope["unread"]))
            assert {"orders": "listed more than once"} == view.scope["unread"]
            assert view.scope["healthy"]

            gateway.rewritten.clear()
            await view.until(lambda view: not view.scope["unread"])

    changes = [update for update in view.listings if update not in before]
    assert expected["orders"] == view.services["orders"]
    assert all("orders" not in update.services for update in changes)


@pytest.mark.simulator_only
async def test_names_that_real_servers_refuse_are_read(sim_rig: SimRig) -> None:
    names = ["a b", "订单服务", "x" * 600, "..", "%2e", 'a"b\\c']
    for number, name in enumerate(names):
        sim_rig.sim.registry.register(
            ServiceKey(name, "DEFAULT_GROUP", sim_rig.namespace), SimInstance("10.0.0.1", number)
        )
    async with Gateway(sim_rig.base_url) as gateway:
        gateway.refused[BULK[sim_rig.dialect]] = 403
        through = server_options(sim_rig, addresses=(gateway.base_url,))
        async with reading(server_options(sim_rig)) as bulk, reading(through) as single:
            expected = {name: (Instance("10.0.0.1", number, "DEFAULT"),) for number, name in enumerate(names)}
            await bulk.until_services(expected)
            await single.until_services(expected)


@pytest.mark.simulator_only
async def test_a_megabyte_of_metadata_is_read(sim_rig: SimRig) -> None:
    await sim_rig.register("orders", "10.0.0.1", 80, metadata={"big": "x" * 2**20})
    async with reading(server_options(sim_rig)) as view:
        await view.until(lambda view: bool(view.synced))

    assert 2**20 == len(dict(view.services["orders"][0].metadata)["big"])


@pytest.mark.simulator_only
async def test_a_server_that_forgot_everything_while_it_was_away_takes_nothing_away(sim_rig: SimRig) -> None:
    expected = await _two_services(sim_rig)
    async with reading(server_options(sim_rig), settle_s=3600.0) as view:
        await view.until_services(expected)
        sim_rig.sim.set_faults(Fault(status=503))
        await view.next_reading(failed=True)

        sim_rig.sim.restart_node()
        sim_rig.sim.set_faults()
        await view.next_reading(2)
        assert (True, 2) == (view.scope["healthy"], view.scope["held_instances"])

    assert expected == view.services


@pytest.mark.simulator_only
async def test_another_member_that_knows_less_takes_nothing_away(anyio_backend: object) -> None:
    async with SimNacos(SimOptions(dialect=Dialect.V2)) as first, SimNacos(SimOptions(dialect=Dialect.V2)) as second:
        for sim in (first, second):
            sim.registry.register(ServiceKey("orders"), SimInstance("10.0.0.1", 80))
        first.registry.register(ServiceKey("orders"), SimInstance("10.0.0.2", 80))
        first.registry.register(ServiceKey("users"), SimInstance("10.0.0.3", 80))
        one, two, three = (Instance(f"10.0.0.{last}", 80, "DEFAULT") for last in (1, 2, 3))
        options = NacosServerOptions(addresses=(first.base_url, second.base_url))
        async with reading(options, settle_s=3600.0) as view:
            await view.until_services({"orders": (one, two), "users": (three,)})
            first.set_faults(Fault(status=500))
            await view.until(lambda view: view.registry["address"] == second.base_url)
            await view.next_reading(2)
            assert 2 == view.scope["held_instances"]

    assert {"orders": (one, two), "users": (three,)} == view.services


@pytest.mark.simulator_only
async def test_a_shuffled_registry_is_an_unchanged_registry(anyio_backend: object) -> None:
    for dialect in Dialect:
        async with SimNacos(SimOptions(dialect=dialect, shuffle=True)) as sim:
            for number in range(50):
                key = ServiceKey(f"svc-{number // 5}", "DEFAULT_GROUP", "public")
                sim.registry.register(key, SimInstance(f"10.0.0.{number}", 80))
            options = NacosServerOptions(addresses=(sim.base_url,))
            async with reading(options, page_size=4) as paged, reading(options) as whole:
                await paged.until(lambda view: bool(view.synced))
                await paged.next_reading(5)
                await whole.until(lambda view: bool(view.synced))
                await whole.next_reading(5)

            assert (2, 2) == (len(paged.updates), len(whole.updates))
            assert paged.services == whole.services


@pytest.mark.simulator_only
async def test_a_server_that_becomes_another_generation_is_read_on(anyio_backend: object) -> None:
    async with SimNacos(SimOptions(dialect=Dialect.V2)) as old, SimNacos(SimOptions(dialect=Dialect.V3)) as new:
        for sim in (old, new):
            sim.registry.register(ServiceKey("orders", "DEFAULT_GROUP", "public"), SimInstance("10.0.0.1", 80))
        async with Gateway(old.base_url) as gateway, reading(NacosServerOptions(addresses=(gateway.base_url,))) as view:
            await view.until(lambda view: bool(view.synced))
            seen = [(view.registry["dialect"], view.scope["rung"])]
            gateway.target = new.base_url
            await view.until(lambda view: view.registry["dialect"] == "v3")
            await view.next_reading()
            seen.append((view.registry["dialect"], view.scope["rung"]))

    assert [("v1", "bulk"), ("v3", "bulk")] == seen
    assert 0.0 == view.readings(failed=True)
    assert 2 == len(view.updates)


# Helpers.

_SORTS: dict[str, list[Instance]] = {
    "orders": [
        instance("10.0.0.1", 8080, metadata={"version": "v1", "zone": "a"}),
        instance("10.0.0.2", 8080, metadata={"version": "v1", "zone": "a"}, weight=0.5),
        instance("10.0.0.3", 8081, cluster="EAST", weight=0),
        instance("10.0.0.4", 8080, healthy=False),
    ],
    "providers:com.acme.Demo:1.0:grp": [instance("2001:db8::1", 20880)],
    "UPPER_Case/with-slash": [instance("svc.example.internal", 443, metadata={"键": "值", "empty": ""})],
    "a+b&c=d?e#f%2Fg": [instance("10.0.0.5", 0, weight=10000)],
    "x" * 300: [instance("10.0.0.6", 65535)],
}


def _all_sorts() -> dict[str, tuple[Instance, ...]]:
    return {**{name: tuple(sorted(each)) for name, each in _SORTS.items()}, "disabled": (), "empty": ()}


async def _register_all_sorts(rig: NacosRig) -> None:
    async with asyncio.TaskGroup() as tasks:
        for name, instances in _SORTS.items():
            for each in instances:
                tasks.create_task(
                    rig.register(
                        name,
                        each.address,
                        each.port,
                        metadata=dict(each.metadata),
                        weight=each.weight,
                        cluster=each.cluster,
                        healthy=each.healthy,
                    )
                )
        tasks.create_task(rig.register("disabled", "10.0.0.7", 80, enabled=False))
        tasks.create_task(rig.register("empty", "10.0.0.8", 80))
    await rig.deregister("empty", "10.0.0.8", 80)


def _grpc_port(rig: NacosRig) -> int:
    return int(rig.base_url.rpartition(":")[2]) + 1000


async def _hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _two_services(rig: SimRig) -> dict[str, tuple[Instance, ...]]:
    await rig.register("orders", "10.0.0.1", 80)
    await rig.register("users", "10.0.0.2", 80)
    return {"orders": (instance("10.0.0.1", 80),), "users": (instance("10.0.0.2", 80),)}


def _published(view: View) -> list[str]:
    """Return the name of every service whose content was published, as often as it was."""
    by_listing = [name for listing in view.listings for name in listing.services]
    return by_listing + [each.key.name for each in view.updates if isinstance(each, ServiceReading)]


def _struck(fault: Fault, path: str, *, service: str = "", page: int | None = None) -> Fault:
    return Fault(
        path=path,
        service=service,
        page=page,
        status=fault.status,
        body=fault.body,
        drop=fault.drop,
        delay_s=fault.delay_s,
    )


def _logins(sim: SimNacos) -> int:
    return sum(count for name, count in sim.traffic.requests.items() if "login" in name)


def _failure_reasons(view: View) -> set[str]:
    return {
        sample.labels["reason"]
        for metric in view.metrics.registry.collect()
        for sample in metric.samples
        if sample.name == "meshregistry_source_failures_total" and sample.value > 0
    }


class _RefusingNode:
    """Accepts connections and closes them; counts them."""

    def __init__(self) -> None:
        self.connections = 0
        self.url = ""

    async def meet(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def _refusing_node() -> AsyncIterator[_RefusingNode]:
    node = _RefusingNode()
    server = await asyncio.start_server(node.meet, "127.0.0.1", 0)
    node.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield node
