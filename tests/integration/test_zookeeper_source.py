"""The ZooKeeper source against the simulator and real servers: one suite, the same expectations in every mode."""

import asyncio
import json
from collections.abc import Mapping

import pytest
from kazoo.security import make_acl, make_digest_acl

from meshregistry.model.instance import Instance
from meshregistry.settings.load import load_settings
from meshregistry.sim.zookeeper.codes import Version
from meshregistry.sim.zookeeper.faults import Fault
from meshregistry.sources.zookeeper.options import Mode, ResyncOptions, ZooKeeperServerOptions
from meshregistry.wiring_zookeeper import zookeeper_options
from tests.support.dubbo_names import encode, provider
from tests.support.tcp_gate import TcpGate
from tests.support.zookeeper_rig import EnsembleRig, SecureRig, SimRig, ZooKeeperRig
from tests.support.zookeeper_session import ticket_of
from tests.support.zookeeper_view import MODES, QUIET, Changes, View, reading, server_options

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

ORDERS = "com.acme.Orders"
USERS = "com.acme.Users"
ONE_LOOP = pytest.mark.parametrize("anyio_backend", ["asyncio"])
"""For tests that stop real servers: a second loop would show nothing else and take half a minute."""

WATCHING = {name: each for name, each in MODES.items() if name != "polling"}


@pytest.fixture(params=MODES.values(), ids=list(MODES))
def mode(request: pytest.FixtureRequest) -> Changes:
    """One watch per tree, one per node, none."""
    chosen: Changes = request.param
    return chosen


@pytest.fixture(params=WATCHING.values(), ids=list(WATCHING))
def watching(request: pytest.FixtureRequest) -> Changes:
    """One watch per tree, one per node."""
    chosen: Changes = request.param
    return chosen


async def register(rig: ZooKeeperRig, address: str, interface: str = ORDERS, **params: str) -> str:
    """Register a Dubbo provider; returns its path."""
    path = f"/dubbo/{interface}/providers/{provider(f'{address}:20880', interface, **params)}"
    await rig.writer.create(path)
    return path


async def register_application(
    rig: ZooKeeperRig, name: str, address: str, metadata: Mapping[str, str], *, id_: str = "", root: str = "/services"
) -> str:
    """Register an instance of an application as Curator does; returns its path."""
    path = f"{root}/{name}/{id_ or f'{address}:20880'}"
    payload = {"metadata": dict(metadata)}
    node = {"name": name, "id": id_, "address": address, "port": 20880, "payload": payload}
    await rig.writer.create(path, json.dumps(node).encode())
    return path


def endpoints(*pairs: tuple[str, int]) -> str:
    """What an application says of its protocols and ports."""
    return json.dumps([{"protocol": protocol, "port": port} for protocol, port in pairs])


# What is registered is what is published.


async def test_a_provider_appears_changes_and_disappears(zookeeper_rig: ZooKeeperRig, mode: Changes) -> None:
    first = await register(zookeeper_rig, "10.0.0.1", application="orders", pid="7")
    async with reading(server_options(zookeeper_rig.hosts), **mode) as view:
        await view.until_addresses({ORDERS: ["10.0.0.1"]})
        metadata = (("application", "orders"), ("interface", ORDERS), ("protocol", "dubbo"))
        assert {ORDERS: {ORDERS: (Instance("10.0.0.1", 20880, weight=100.0, metadata=metadata),)}} == view.found

        await register(zookeeper_rig, "10.0.0.2", application="orders")
        await view.until_addresses({ORDERS: ["10.0.0.1", "10.0.0.2"]})

        await zookeeper_rig.writer.delete(first)
        await view.until_addresses({ORDERS: ["10.0.0.2"]})
        assert 1 == len(view.synced)


async def test_one_change_is_published_for_its_interface_and_service_only(
    zookeeper_rig: ZooKeeperRig, mode: Changes
) -> None:
    await register(zookeeper_rig, "10.0.0.1", version="1.0")
    await register(zookeeper_rig, "10.0.0.2", version="2.0")
    await register(zookeeper_rig, "10.0.0.3", USERS)
    async with reading(server_options(zookeeper_rig.hosts), **mode) as view:
        before = {f"{ORDERS}::1.0": ["10.0.0.1"], f"{ORDERS}::2.0": ["10.0.0.2"], USERS: ["10.0.0.3"]}
        await view.until_addresses(before)
        count = len(view.listings)

        await register(zookeeper_rig, "10.0.0.4", version="2.0")
        await view.until_addresses({**before, f"{ORDERS}::2.0": ["10.0.0.2", "10.0.0.4"]})

    (news,) = view.listings[count:]
    assert (ORDERS, frozenset({f"{ORDERS}::1.0", f"{ORDERS}::2.0"})) == (news.scope.group, news.names)
    assert {f"{ORDERS}::2.0"} == news.services.keys()


async def test_an_interface_without_providers_is_empty_and_comes_back(
    zookeeper_rig: ZooKeeperRig, mode: Changes
) -> None:
    only = await register(zookeeper_rig, "10.0.0.1")
    async with reading(server_options(zookeeper_rig.hosts), **mode) as view:
        await view.until_addresses({ORDERS: ["10.0.0.1"]})
        await zookeeper_rig.writer.delete(only)
        await view.until_addresses({})
        await register(zookeeper_rig, "10.0.0.2")
        await view.until_addresses({ORDERS: ["10.0.0.2"]})
        await zookeeper_rig.writer.delete(f"/dubbo/{ORDERS}", recursive=True)
        await view.until_addresses({})
        await register(zookeeper_rig, "10.0.0.3")
        await view.until_addresses({ORDERS: ["10.0.0.3"]})


async def test_a_root_that_was_never_there_is_an_empty_registry_until_it_is_made(
    zookeeper_rig: ZooKeeperRig, mode: Changes
) -> None:
    async with reading(server_options(zookeeper_rig.hosts), **mode) as view:
        await view.until_addresses({})
        assert view.registry["healthy"]

        await register(zookeeper_rig, "10.0.0.1")
        await register_application(zookeeper_rig, "shop", "10.0.0.2", {})
        await view.until_addresses({ORDERS: ["10.0.0.1"], "shop": ["10.0.0.2"]})


async def test_a_root_that_vanishes_takes_its_services_with_it(zookeeper_rig: ZooKeeperRig, mode: Changes) -> None:
    await register(zookeeper_rig, "10.0.0.1")
    await register(zookeeper_rig, "10.0.0.2", USERS)
    async with reading(server_options(zookeeper_rig.hosts), **mode) as view:
        await view.until_addresses({ORDERS: ["10.0.0.1"], USERS: ["10.0.0.2"]})
        await zookeeper_rig.writer.delete("/dubbo", recursive=True)
        await view.until_addresses({})
        await register(zookeeper_rig, "10.0.0.3")
        await view.until_addresses({ORDERS: ["10.0.0.3"]})


async def test_roots_of_several_levels_and_several_registries_are_read_side_by_side(
    zookeeper_rig: ZooKeeperRig, mode: Changes
) -> None:
    east = server_options(zookeeper_rig.hosts, registry_id="east", root="/a/b/dubbo", application_root="")
    west = server_options(zookeeper_rig.hosts, registry_id="west", root="/dubbo2", application_root="")
    await zookeeper_rig.writer.create(f"/a/b/dubbo/{ORDERS}/providers/{provider('10.0.0.1:20880', ORDERS)}")
    async with reading(east, west, **mode) as view:
        await view.until_addresses({ORDERS: ["10.0.0.1"]})
        await zookeeper_rig.writer.create(f"/dubbo2/{USERS}/providers/{provider('10.0.0.2:20880', USERS)}")
        await view.until_addresses({ORDERS: ["10.0.0.1"], USERS: ["10.0.0.2"]})

    assert {("east", ORDERS), ("west", USERS)} == {(each.scope.registry, each.scope.group) for each in view.listings}


# Rules.


async def test_overrides_and_rule_nodes_change_what_providers_say(zookeeper_rig: ZooKeeperRig, mode: Changes) -> None:
    await register(zookeeper_rig, "10.0.0.1", application="orders")
    async with reading(server_options(zookeeper_rig.hosts), **mode) as view:
        await view.until_addresses({ORDERS: ["10.0.0.1"]})
        override = encode(f"override://0.0.0.0/{ORDERS}?category=configurators&weight=7")
        await zookeeper_rig.writer.create(f"/dubbo/{ORDERS}/configurators/{override}")
        await view.until(lambda view: view.found[ORDERS][ORDERS][0].weight == 7.0)

        rule = b"configVersion: v2.7\nconfigs:\n- side: provider\n  parameters: {weight: 9}\n"
        node = f"/dubbo/config/dubbo/{ORDERS}::.configurators"
        await zookeeper_rig.writer.create(node, rule)
        await view.until(lambda view: view.found[ORDERS][ORDERS][0].weight == 9.0)
        await zookeeper_rig.writer.set(node, rule.replace(b"9", b"11"))
        await view.until(lambda view: view.found[ORDERS][ORDERS][0].weight == 11.0)

        whole = b"configVersion: v2.7\nconfigs:\n- side: provider\n  parameters: {disabled: true}\n"
        await zookeeper_rig.writer.create("/dubbo/config/dubbo/orders.configurators", whole)
        await view.until(lambda view: not view.found[ORDERS][ORDERS][0].enabled)
        await zookeeper_rig.writer.delete("/dubbo/config", recursive=True)
        await zookeeper_rig.writer.delete(f"/dubbo/{ORDERS}/configurators", recursive=True)
        await view.until(lambda view: view.found[ORDERS][ORDERS][0].weight == 100.0)
        assert view.found[ORDERS][ORDERS][0].enabled


# Applications that register as a whole.


async def test_an_application_is_offered_by_its_metadata(zookeeper_rig: ZooKeeperRig, mode: Changes) -> None:
    exported = {"services": {"x": {"name": ORDERS, "version": "1.0", "protocol": "dubbo", "params": {"weight": "3"}}}}
    metadata = {"dubbo.endpoints": endpoints(("dubbo", 20880)), "dubbo.metadata.revision": "r1"}
    await zookeeper_rig.writer.create("/dubbo/metadata/shop/r1", json.dumps(exported).encode())
    async with reading(server_options(zookeeper_rig.hosts), **mode) as view:
        path = await register_application(zookeeper_rig, "shop", "10.0.0.1", metadata)
        await view.until_addresses({f"{ORDERS}::1.0": ["10.0.0.1"], "shop": ["10.0.0.1"]})
        assert 3.0 == view.found[ORDERS][f"{ORDERS}::1.0"][0].weight

        more = {"services": {**exported["services"], "y": {"name": USERS, "protocol": "dubbo"}}}
        await zookeeper_rig.writer.create("/dubbo/metadata/shop/r2", json.dumps(more).encode())
        await change_metadata(zookeeper_rig, path, {**metadata, "dubbo.metadata.revision": "r2"})
        await view.until_addresses({f"{ORDERS}::1.0": ["10.0.0.1"], USERS: ["10.0.0.1"], "shop": ["10.0.0.1"]})

        await zookeeper_rig.writer.delete(path)
        await view.until_addresses({})


async def test_an_application_without_metadata_is_offered_by_the_mapping(
    zookeeper_rig: ZooKeeperRig, mode: Changes
) -> None:
    metadata = {"dubbo.endpoints": endpoints(("tri", 50051)), "dubbo.metadata.revision": "r1"}
    await zookeeper_rig.writer.create(f"/dubbo/mapping/{ORDERS}", b"shop")
    async with reading(server_options(zookeeper_rig.hosts), **mode) as view:
        await register_application(zookeeper_rig, "shop", "10.0.0.1", metadata)
        await view.until_addresses({ORDERS: ["10.0.0.1"], "shop": ["10.0.0.1"]})

        await zookeeper_rig.writer.create(f"/dubbo/config/mapping/{USERS}/shop", b"1")
        await view.until_addresses({ORDERS: ["10.0.0.1"], USERS: ["10.0.0.1"], "shop": ["10.0.0.1"]})
        await zookeeper_rig.writer.set(f"/dubbo/mapping/{ORDERS}", b"other")
        await view.until_addresses({USERS: ["10.0.0.1"], "shop": ["10.0.0.1"]})


async def test_what_is_registered_by_interface_too_is_there_once(zookeeper_rig: ZooKeeperRig, mode: Changes) -> None:
    metadata = {"dubbo.endpoints": endpoints(("dubbo", 20880), ("tri", 50051)), "dubbo.metadata.revision": "r1"}
    await register(zookeeper_rig, "10.0.0.1", application="shop", group="g")
    await zookeeper_rig.writer.create(f"/dubbo/mapping/{ORDERS}", b"shop")
    await register_application(zookeeper_rig, "shop", "10.0.0.1", metadata)
    async with reading(server_options(zookeeper_rig.hosts), **mode) as view:
        await view.until_addresses({f"{ORDERS}:g": ["10.0.0.1"], "shop": ["10.0.0.1", "10.0.0.1"]})


async def test_with_a_registry_group_applications_stand_among_the_interfaces(
    zookeeper_rig: ZooKeeperRig, mode: Changes
) -> None:
    metadata = {"dubbo.endpoints": endpoints(("dubbo", 20880)), "dubbo.metadata.revision": "r1"}
    options = server_options(zookeeper_rig.hosts, root="/foo")
    async with reading(options, **mode) as view:
        path = await register_application(zookeeper_rig, "shop", "10.0.0.1", metadata, root="/foo")
        await view.until_addresses({"shop": ["10.0.0.1"]})
        await zookeeper_rig.writer.create(f"/foo/mapping/{ORDERS}", b"shop")
        await view.until_addresses({"shop": ["10.0.0.1"], ORDERS: ["10.0.0.1"]})
        await zookeeper_rig.writer.delete(path)
        await view.until_addresses({})


async def test_spring_cloud_applications_change_in_place_and_nest(zookeeper_rig: ZooKeeperRig, mode: Changes) -> None:
    async with reading(server_options(zookeeper_rig.hosts), **mode) as view:
        shop = await register_application(zookeeper_rig, "shop", "10.0.0.1", {"zone": "a"}, id_="1")
        await register_application(zookeeper_rig, "team/cart", "10.0.0.2", {}, id_="2")
        await view.until_addresses({"shop": ["10.0.0.1"], "team.cart": ["10.0.0.2"]})

        await change_metadata(zookeeper_rig, shop, {"zone": "a", "instance_status": "OUT_OF_SERVICE"})
        await view.until(lambda view: not view.found[""]["shop"][0].enabled)
        await zookeeper_rig.writer.delete("/services/team", recursive=True)
        await view.until_addresses({"shop": ["10.0.0.1"]})


# What cannot be read keeps what is known.


@ONE_LOOP
async def test_an_outage_changes_nothing_and_its_end_brings_what_happened_meanwhile(
    zookeeper_rig: ZooKeeperRig, mode: Changes
) -> None:
    gone = await register(zookeeper_rig, "10.0.0.1")
    await register(zookeeper_rig, "10.0.0.2")
    await register_application(zookeeper_rig, "shop", "10.0.0.9", {})
    async with TcpGate(zookeeper_rig.hosts).running() as gate:
        options = server_options(gate.address, session={"session_timeout_s": 4.0, "request_timeout_s": 1.0})
        async with reading(options, **mode) as view:
            before = {ORDERS: ["10.0.0.1", "10.0.0.2"], "shop": ["10.0.0.9"]}
            await view.until_addresses(before)
            count = len(view.listings)
            gate.shut()
            await zookeeper_rig.writer.delete(gone)
            await register(zookeeper_rig, "10.0.0.3")
            await view.until(lambda view: not view.registry["healthy"])
            tried = view.attempts
            await view.until(lambda view: view.attempts >= tried + 4)
            if mode["mode"] is Mode.POLLING:
                await view.until(lambda view: "no answer within" in str(view.registry["last_error"]))
            assert (count, before) == (len(view.listings), view.addresses)
            gate.open()
            await view.until_addresses({ORDERS: ["10.0.0.2", "10.0.0.3"], "shop": ["10.0.0.9"]})
            await view.until(lambda view: view.registry["healthy"])


@ONE_LOOP
async def test_a_restarted_server_loses_nothing(zookeeper_rig: ZooKeeperRig, mode: Changes) -> None:
    await register(zookeeper_rig, "10.0.0.1")
    async with reading(server_options(zookeeper_rig.hosts), **mode) as view:
        await view.until_addresses({ORDERS: ["10.0.0.1"]})
        await zookeeper_rig.kill()
        await view.until(lambda view: not view.registry["healthy"])
        await zookeeper_rig.start()
        await register(zookeeper_rig, "10.0.0.2")
        await view.until_addresses({ORDERS: ["10.0.0.1", "10.0.0.2"]})

    assert all(listing.names for listing in view.listings if listing.scope.group)


async def test_an_expired_session_is_followed_by_a_new_one_and_a_new_reading(
    zookeeper_rig: ZooKeeperRig, watching: Changes
) -> None:
    await register(zookeeper_rig, "10.0.0.1")
    async with reading(server_options(zookeeper_rig.hosts), **watching) as view:
        await view.until_addresses({ORDERS: ["10.0.0.1"]})
        await expire_session(zookeeper_rig, view)
        await register(zookeeper_rig, "10.0.0.2")
        await view.until_addresses({ORDERS: ["10.0.0.1", "10.0.0.2"]})
        await register(zookeeper_rig, "10.0.0.3")
        await view.until_addresses({ORDERS: ["10.0.0.1", "10.0.0.2", "10.0.0.3"]})

    assert all(listing.names for listing in view.listings if listing.scope.group)


async def test_what_applications_say_is_followed_in_a_new_session_too(
    zookeeper_rig: ZooKeeperRig, watching: Changes
) -> None:
    """Their data change in place, during the loss of a session and after it."""
    writer = zookeeper_rig.writer
    instance = {"dubbo.endpoints": endpoints(("tri", 50051)), "dubbo.metadata.revision": "r1"}
    await writer.create(f"/dubbo/mapping/{ORDERS}", b"shop")
    path = await register_application(zookeeper_rig, "shop", "10.0.0.1", instance)
    cart = await register_application(zookeeper_rig, "cart", "10.0.0.2", {}, id_="1")
    whole = {ORDERS: ["10.0.0.1"], "shop": ["10.0.0.1"], "cart": ["10.0.0.2"]}
    async with reading(server_options(zookeeper_rig.hosts), **watching) as view:
        await view.until_addresses(whole)
        await expire_session(zookeeper_rig, view)
        await writer.set(f"/dubbo/mapping/{ORDERS}", b"shop,other")
        await change_metadata(zookeeper_rig, cart, {"instance_status": "DOWN"})
        await view.until(lambda view: not view.found[""]["cart"][0].enabled)

        exported = {"services": {"x": {"name": USERS, "protocol": "tri"}}}
        await writer.create("/dubbo/metadata/shop/r2", json.dumps(exported).encode())
        await change_metadata(zookeeper_rig, path, {**instance, "dubbo.metadata.revision": "r2"})
        await view.until_addresses({USERS: ["10.0.0.1"], "shop": ["10.0.0.1"], "cart": ["10.0.0.2"]})
        await change_metadata(zookeeper_rig, cart, {"instance_status": "UP"})
        await view.until(lambda view: view.found[""]["cart"][0].enabled)
        await writer.set(f"/dubbo/mapping/{ORDERS}", b"other")
        await change_metadata(zookeeper_rig, path, instance)
        await view.until_addresses({"shop": ["10.0.0.1"], "cart": ["10.0.0.2"]})


async def expire_session(rig: ZooKeeperRig, view: View) -> None:
    """Have the servers end the session of a view's only registry."""
    (registry,) = view.source._registries
    ticket = ticket_of(registry._session)  # type: ignore[arg-type]
    await rig.expire(ticket.session_id, ticket.password)


async def change_metadata(rig: ZooKeeperRig, path: str, metadata: Mapping[str, str]) -> None:
    """Change what an instance of an application says, in place."""
    node = json.loads(await rig.writer.get(path))
    node["payload"]["metadata"] = dict(metadata)
    await rig.writer.set(path, json.dumps(node).encode())


async def test_an_interface_that_may_not_be_read_keeps_what_is_known(
    zookeeper_rig: ZooKeeperRig, mode: Changes
) -> None:
    """The others go on; the source is complete although it never saw one of them.

    Servers use up a one-shot watch whose event an ACL hides: that is found only when everything is read again.
    """
    writer = zookeeper_rig.writer
    resync = ResyncOptions(period_s=1.0)
    await register(zookeeper_rig, "10.0.0.1")
    await register(zookeeper_rig, "10.0.0.2", USERS)
    hidden = [make_digest_acl("somebody", "else", all=True)]
    await writer.create("/dubbo/com.acme.Hidden/providers", acl=hidden)
    async with reading(server_options(zookeeper_rig.hosts), **{**mode, "resync": resync}) as view:
        await view.until_addresses({ORDERS: ["10.0.0.1"], USERS: ["10.0.0.2"]})
        assert 1 == view.registry["unread_total"]
        await writer.set_acl(f"/dubbo/{ORDERS}/providers", hidden)
        await register(zookeeper_rig, "10.0.0.3")
        await register(zookeeper_rig, "10.0.0.4", USERS)
        await view.until_addresses({ORDERS: ["10.0.0.1"], USERS: ["10.0.0.2", "10.0.0.4"]})
        await writer.set_acl(f"/dubbo/{ORDERS}/providers", [make_acl("world", "anyone", all=True)])
        await writer.set_acl("/dubbo/com.acme.Hidden/providers", [make_acl("world", "anyone", all=True)])
        await register(zookeeper_rig, "10.0.0.5")
        await view.until_addresses({ORDERS: ["10.0.0.1", "10.0.0.3", "10.0.0.5"], USERS: ["10.0.0.2", "10.0.0.4"]})


async def test_a_root_that_may_not_be_read_is_no_empty_registry(zookeeper_rig: ZooKeeperRig, mode: Changes) -> None:
    await register(zookeeper_rig, "10.0.0.1")
    await zookeeper_rig.writer.set_acl("/dubbo", [make_digest_acl("reader", "s3cret", read=True)])
    async with reading(server_options(zookeeper_rig.hosts), **mode) as view:
        await view.until(lambda view: "NoAuth" in str(view.registry["last_error"]))
        assert ([], {}) == (view.synced, view.addresses)
    known = {"digest_auth": (("reader", "s3cret"),)}
    async with reading(server_options(zookeeper_rig.hosts, session=known), **mode) as view:
        await view.until_addresses({ORDERS: ["10.0.0.1"]})
        assert "s3cret" not in str(view.source.registries())


async def test_providers_none_of_which_can_be_understood_keep_what_is_known(
    zookeeper_rig: ZooKeeperRig, mode: Changes
) -> None:
    good = await register(zookeeper_rig, "10.0.0.1")
    async with reading(server_options(zookeeper_rig.hosts), **mode) as view:
        await view.until_addresses({ORDERS: ["10.0.0.1"]})
        await zookeeper_rig.writer.create(f"/dubbo/{ORDERS}/providers/nonsense")
        await zookeeper_rig.writer.delete(good)
        await view.until(lambda view: view.registry["unread_total"] == 1)
        await register(zookeeper_rig, "10.0.0.2", USERS)
        await view.until_addresses({ORDERS: ["10.0.0.1"], USERS: ["10.0.0.2"]})
        await register(zookeeper_rig, "10.0.0.3")
        await view.until_addresses({ORDERS: ["10.0.0.3"], USERS: ["10.0.0.2"]})


# Only the simulator can do these.


async def test_a_lost_event_is_found_by_the_next_reading_and_counted(
    simulated_zookeeper: SimRig, watching: Changes
) -> None:
    await register(simulated_zookeeper, "10.0.0.1")
    resync = ResyncOptions(period_s=0.3)
    async with reading(server_options(simulated_zookeeper.hosts), **{**watching, "resync": resync}) as view:
        await view.until_addresses({ORDERS: ["10.0.0.1"]})
        simulated_zookeeper.sim.set_faults(Fault(at="event", action="drop"))
        await register(simulated_zookeeper, "10.0.0.2")
        await view.until_addresses({ORDERS: ["10.0.0.1", "10.0.0.2"]})
        assert 1 == view.registry["missed_events_total"]
        assert 1.0 == view.metrics.registry.get_sample_value(
            "meshregistry_missed_events_total", {"source": "zookeeper"}
        )


async def test_one_list_that_gets_no_answer_costs_one_interface(simulated_zookeeper: SimRig, mode: Changes) -> None:
    await register(simulated_zookeeper, "10.0.0.1")
    await register(simulated_zookeeper, "10.0.0.2", USERS)
    options = server_options(simulated_zookeeper.hosts)
    async with reading(options, **mode) as view:
        await view.until_addresses({ORDERS: ["10.0.0.1"], USERS: ["10.0.0.2"]})
        simulated_zookeeper.sim.set_faults(Fault(action="error", error=-1, opcode=8, path=f"/dubbo/{ORDERS}/providers"))
        await register(simulated_zookeeper, "10.0.0.3")
        await register(simulated_zookeeper, "10.0.0.4", USERS)
        await view.until_addresses({ORDERS: ["10.0.0.1"], USERS: ["10.0.0.2", "10.0.0.4"]})
        simulated_zookeeper.sim.set_faults()
        await register(simulated_zookeeper, "10.0.0.5")
        await view.until_addresses({ORDERS: ["10.0.0.1", "10.0.0.3", "10.0.0.5"], USERS: ["10.0.0.2", "10.0.0.4"]})


@ONE_LOOP
@pytest.mark.parametrize(
    ("workers", "in_flight", "least", "most"),
    [(4, 256, 33, 128), (32, 6, 6, 6), (1, 256, 2, 32)],
    ids=["workers", "session", "alone"],
)
async def test_polling_has_as_many_requests_under_way_as_the_settings_allow(
    simulated_zookeeper: SimRig, workers: int, in_flight: int, least: int, most: int
) -> None:
    """The simulator keeps a list of providers back, and with it the answers to all that is sent meanwhile.

    A worker asks for sixteen interfaces at once, of each for its providers and its configurators.
    """
    interfaces = [f"com.acme.S{number:03}" for number in range(160)]
    for interface in interfaces:
        await register(simulated_zookeeper, "10.0.0.1", interface)
    simulated_zookeeper.sim.set_faults(Fault(path="/dubbo/com.acme.S050", delay_s=0.3, times=1))
    server = server_options(simulated_zookeeper.hosts, session={"in_flight": in_flight})
    under_way = set()
    async with reading(server, mode=Mode.POLLING, concurrency=workers) as view:
        while not view.synced:
            session = view.registry["session"]
            assert isinstance(session, dict)
            under_way.add(session["in_flight"])
            await asyncio.sleep(0.005)
        assert {interface: ["10.0.0.1"] for interface in interfaces} == view.addresses
    assert least <= max(under_way) <= most


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_servers_without_recursive_watches_are_watched_node_by_node() -> None:
    rig = SimRig(Version.V3_5)
    await rig.start()
    await rig.open()
    try:
        async with reading(server_options(rig.hosts), **MODES["trees"]) as view:
            await view.until(lambda view: view.synced)
            await register(rig, "10.0.0.1")
            await view.until_addresses({ORDERS: ["10.0.0.1"]})
            assert "nodes" == view.registry["watches"]
    finally:
        await rig.close()
        await rig.stop()


# Encrypted, and as somebody: from the settings on, across a lost connection.


def configured(address: str, keys: str) -> ZooKeeperServerOptions:
    """Return the options of a registry that is configured with further keys."""
    text = f"zookeeper_source: {{enabled: true, address: ['{address}'], {keys}}}"
    (server,) = zookeeper_options(load_settings(text, {}).settings).servers
    return server


@ONE_LOOP
async def test_a_registry_behind_tls_is_read_and_watched(secure_zookeeper: SecureRig) -> None:
    async with TcpGate(secure_zookeeper.tls_hosts).running() as gate:
        server = configured(gate.address, f"tls: {{enabled: true, ca: {secure_zookeeper.tls.authority}}}")
        async with reading(server, mode=Mode.WATCHING, resync=QUIET) as view:
            await view.until(lambda view: view.synced)
            await register(secure_zookeeper, "10.0.0.1")
            await view.until_addresses({ORDERS: ["10.0.0.1"]})
            gate.cut()
            await register(secure_zookeeper, "10.0.0.2")
            await view.until_addresses({ORDERS: ["10.0.0.1", "10.0.0.2"]})


@ONE_LOOP
async def test_a_registry_that_asks_who_we_are_is_read_with_sasl(secure_zookeeper: SecureRig) -> None:
    """Its nodes are hidden from everybody else, who is told so and reads no empty registry."""
    acl = [make_acl("sasl", secure_zookeeper.sasl_user, read=True)]
    category = f"/dubbo/{ORDERS}/providers"
    await secure_zookeeper.writer.create(category, acl=acl)

    async def appear(address: str) -> None:
        await secure_zookeeper.writer.create(f"{category}/{provider(f'{address}:20880', ORDERS)}", acl=acl)

    await appear("10.0.0.1")
    keys = f"sasl: true, username: {secure_zookeeper.sasl_user}, password: {secure_zookeeper.sasl_password}"
    async with TcpGate(secure_zookeeper.hosts).running() as gate:
        async with reading(configured(gate.address, keys), mode=Mode.WATCHING, resync=QUIET) as view:
            await view.until_addresses({ORDERS: ["10.0.0.1"]})
            await appear("10.0.0.2")
            await view.until_addresses({ORDERS: ["10.0.0.1", "10.0.0.2"]})
            gate.cut()
            await appear("10.0.0.3")
            await view.until_addresses({ORDERS: ["10.0.0.1", "10.0.0.2", "10.0.0.3"]})
            assert secure_zookeeper.sasl_password not in str(view.source.registries())
        async with reading(server_options(gate.address), mode=Mode.WATCHING, resync=QUIET) as view:
            await view.until(lambda view: "NoAuth" in str(view.registry["last_error"]))
            assert ([], {}) == (view.synced, view.addresses)


# Ensembles.


@ONE_LOOP
@pytest.mark.timeout(300)
async def test_an_ensemble_that_loses_its_leader_or_everything_loses_nothing(zookeeper_ensemble: EnsembleRig) -> None:
    await register(zookeeper_ensemble, "10.0.0.1")
    async with reading(server_options(zookeeper_ensemble.hosts), mode=Mode.WATCHING) as view:
        await view.until_addresses({ORDERS: ["10.0.0.1"]})
        await zookeeper_ensemble.kill_leader()
        await register(zookeeper_ensemble, "10.0.0.2")
        await view.until_addresses({ORDERS: ["10.0.0.1", "10.0.0.2"]})
        await zookeeper_ensemble.start()
        await zookeeper_ensemble.kill()
        await view.until(lambda view: not view.registry["healthy"])
        assert {ORDERS: ["10.0.0.1", "10.0.0.2"]} == view.addresses
        await zookeeper_ensemble.start()
        await register(zookeeper_ensemble, "10.0.0.3")
        await view.until_addresses({ORDERS: ["10.0.0.1", "10.0.0.2", "10.0.0.3"]})

    assert all(listing.names for listing in view.listings if listing.scope.group)
